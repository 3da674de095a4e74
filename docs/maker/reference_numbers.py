"""Pages of the numbers that techniques take from the literature: value, unit, status and source of each."""

from dataclasses import replace
from functools import cache, partial
from itertools import groupby

from reference_markdown import cell, code, table
from reference_names import PACKAGES

from spectra.numbers import STATUSES, list_tables, numbers, of_simulations

#: Runs of numbers that share unit, source and status: from so many on in one row, and from so many on not all shown.
TOGETHER, MANY = 10, 100


_numbers = cache(numbers)


def page_name(package):
    """File of the page of a package's numbers."""
    return f"numbers-{package.replace('.', '-')}.md"


def packages():
    """Packages of the project that have tables, with their real ones."""
    own = {package for _, package, _ in PACKAGES}
    return {
        package: [t for t in tables if not of_simulations(t)]
        for package, tables in groupby(list_tables(), lambda t: t.package)
        if package in own
    }


def counts(tables):
    """Number of numbers, and of those that are yet to be verified."""
    rows = [row for t in tables for row in _numbers(t)]
    return len(rows), sum(row.status == "to-verify" for row in rows)


def statuses():
    """What the statuses mean."""
    return table(("status", "meaning"), [(code(name), cell(text)) for name, text in STATUSES.items()])


def numbers_page(package):
    """Every number of a package, table by table."""
    tables = [t for t in list_tables() if t.package == package]
    real = [t for t in tables if not of_simulations(t)]
    total, open_ = counts(real)
    lines = [
        f"# Numbers of {package}",
        f"{total} numbers in {len(real)} files; **{open_} are to be verified**: nobody has yet compared them with their "
        "source, and a verb that uses one says so in its result. The files are part of the package; the same in the "
        f"terminal: `spectra list numbers {package}.{real[0].name}`.",
        statuses(),
        table(
            ("file", "numbers", "to verify"),
            [(f"[{t.path}](../../{t.path})", str(counts([t])[0]), str(counts([t])[1] or "")) for t in real],
        ),
    ]
    lines += [section for t in real for section in _sections(t)]
    simulated = [t for t in tables if of_simulations(t)]
    if simulated:
        lines.append("## What is simulated")
        lines.append(
            "These files hold what demos and published cases are simulated from. Printed values in them are the "
            "publications'; everything else is chosen so that a spectrum looks as a measured one does, and is no constant."
        )
        lines.append("\n".join(f"- [{t.path}](../../{t.path}): {cell(_about(t))}" for t in simulated))
    return "\n\n".join(lines)


def _about(of):
    """The head of the file, and what its table ``about`` says of the source."""
    source = of.content.get("about", {})
    said = [source.get(key) for key in ("read_from", "report", "secondary", "note")]
    return " ".join([of.about, *(f"{text[0].upper()}{text[1:]}." for text in said if text)])


def _sections(of):
    rows = _numbers(of)
    total, open_ = counts([of])
    yield f"## {of.path.rpartition('/')[2].removesuffix('.toml')}"
    if _about(of):
        yield cell(_about(of))
    yield f"{total} numbers{f', {open_} to be verified' if open_ else ''}."
    for title, inside in groupby(rows, partial(_title, of)):
        chosen = list(inside)
        if title:
            yield f"**{title.replace('_', ' ')}**"
            chosen = list(_gathered(chosen))
        else:  # sections that hold numbers and no entries: each an entry of one table
            chosen = [
                replace(r, name=f"{r.section.replace('_', ' ')} · {r.name}".strip(" ·")) for r in chosen
            ]
        yield table(("of", "number", "value", "unit", "status", "source"), list(_shown(chosen)))


def _title(of, row):
    """Heading that a row stands under; none for short sections that hold numbers and no entries."""
    inside = of.content[row.section]
    entries = " · " in row.name or isinstance(inside, list) or len(inside) > TOGETHER
    return row.section if entries else ""


def _shown(rows):
    last = None
    for row in rows:
        entry, _, name = row.name.partition(" · ")
        name = name.replace("_", " ")
        unit = "" if row.unit == "1" else row.unit or ""
        of = "" if name and entry == last else entry
        status = f"**{row.status}**" if row.status in ("to-verify", "conflicting") else row.status
        source = "; ".join(text for text in (row.source, row.note) if text)
        yield (*(cell(text) for text in (of, name, row.value, unit)), status, cell(source))
        last = entry


def _gathered(rows):
    """Runs of numbers that differ in name and value alone as one row each."""
    runs = [list(run) for _, run in groupby(rows, lambda r: (r.unit, r.source, r.status, r.note, _family(r)))]
    for run in runs:
        names = [row.name for row in run]
        if len(run) > 1 and all(_numbered(name) for name in names):
            yield replace(run[0], name=_without_number(names[0]), value=", ".join(row.value for row in run))
        elif len(run) >= MANY:
            values = [float(row.value) for row in run]
            span = f"{len(run)} numbers from {min(values):g} to {max(values):g}: see the file"
            yield replace(
                run[0],
                name=f"{_start(names)} · {names[0].replace(' · ', ' ')} … {names[-1].replace(' · ', ' ')}",
                value=span,
            )
        elif len(run) >= TOGETHER and not any(" · " in name for name in names):
            yield replace(
                run[0],
                name=f"{names[0]} … {names[-1]}",
                value=", ".join(f"{row.name} {row.value}" for row in run),
            )
        else:
            yield from (
                replace(row, name=_without_number(row.name)) if _also(row.name) else row for row in run
            )


def _family(row):
    """What rows of one run have in common beside unit, source and status."""
    return _without_number(row.name) if _numbered(row.name) else ""


def _numbered(name):
    return name.rpartition(" · ")[2].isdigit()


def _also(name):
    return _numbered(name) and name.split(" · ")[-2] == "also"


def _without_number(name):
    return name.rpartition(" · ")[0]


def _start(names):
    first, last = names[0].split(" · ")[0], names[-1].split(" · ")[0]
    return first if first == last else "all"
