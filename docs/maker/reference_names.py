"""Pages of public names: signature, parameters, results, errors, references and example, from the docstrings."""

import importlib
import inspect
import re
import warnings
from dataclasses import dataclass, is_dataclass
from functools import cache, cached_property

from reference_markdown import anchor, cell, code, inline, prose, table

from spectra.pipeline.describe import unfolded
from spectra.verbs import list_verbs

with warnings.catch_warnings():  # of the packages that it imports
    warnings.simplefilter("ignore")
    from numpydoc.docscrape import NumpyDocString

#: Page, package, and what it is about.
PACKAGES = [
    (
        "spectra.md",
        "spectra",
        "reading, fitting, preprocessing, results and comparison: what every technique shares",
    ),
    ("xas.md", "xas", "X-ray absorption: XANES, EXAFS, wavelets"),
    ("xas-eels.md", "xas.eels", "electron energy loss: core-level edges, valence, maps"),
    ("xas-rixs.md", "xas.rixs", "resonant inelastic X-ray scattering"),
    ("xps.md", "xps", "X-ray photoelectron spectroscopy"),
    ("raman.md", "raman", "Raman and FT-IR"),
]
#: Rooms of the core, for those who write readers, verbs and steps of their own.
ROOMS = [
    "spectra.dataset", "spectra.reading", "spectra.fitting", "spectra.preprocessing", "spectra.mixtures",
    "spectra.agreement", "spectra.pipeline", "spectra.results", "spectra.report", "spectra.notebook",
]  # fmt: skip
ROOM_PAGE = "spectra-rooms.md"


@dataclass(frozen=True)
class Name:
    """A public name and what its docstring says."""

    package: str
    name: str
    thing: object
    verb: bool

    @property
    def full(self):
        return f"{self.package}.{self.name}"

    @cached_property
    def doc(self):
        return NumpyDocString(unfolded(inspect.getdoc(self.thing) or ""))

    @property
    def summary(self):
        return inline(" ".join(self.doc["Summary"]))


@cache
def public_names(package):
    """Names of the stub of ``package``, verbs first, in alphabetical order; not its modules."""
    from importlib import resources

    verbs = {verb.name for verb in list_verbs()}
    module = importlib.import_module(package)
    stub = (resources.files(package) / "__init__.pyi").read_text("utf-8")
    found = [
        Name(package, name, getattr(module, name), f"{package}.{name}" in verbs)
        for name in re.findall(r" as (\w+)$", stub, re.MULTILINE)
    ]
    found = [name for name in found if not inspect.ismodule(name.thing)]
    return sorted(found, key=lambda name: (not name.verb, inspect.isclass(name.thing), name.name.lower()))


def package_page(package, about, numbers_page):
    """The page of a package."""
    names = public_names(package)
    lines = [f"# {package}", f"{about[0].upper()}{about[1:]}. `import {package}`"]
    if numbers_page:
        lines.append(
            f"The numbers that its verbs take from the literature: [{numbers_page}]({numbers_page})."
        )
    lines.append(
        'Every variable that a verb adds has its unit in `attrs["units"]`, and where one can be stated its standard uncertainty in `<name>_sigma`.'
    )
    for title, chosen in (
        ("Verbs: dataset in, dataset out", [n for n in names if n.verb]),
        (
            "Functions",
            [n for n in names if not n.verb and callable(n.thing) and not inspect.isclass(n.thing)],
        ),
        ("Classes", [n for n in names if inspect.isclass(n.thing)]),
    ):
        if chosen:
            rows = [(f"[`{n.full}`](#{anchor(n.full)})", n.summary) for n in chosen]
            lines.append(f"**{title}**\n\n" + table(("name", "what it does"), rows))
    return "\n\n".join([*lines, *(entry(name) for name in names if callable(name.thing))])


def rooms_page():
    """The page of the rooms of the core; names that ``spectra`` itself has are there."""
    known = {name.thing for name in public_names("spectra") if callable(name.thing)}
    lines = [
        "# Rooms of the core",
        "Arrays and datasets beneath the verbs, for those who write a reader, a verb or a step, or who work on bare arrays. "
        "What a user calls stands on [spectra](spectra.md).",
    ]
    rooms = {
        room: [n for n in public_names(room) if callable(n.thing) and n.thing not in known] for room in ROOMS
    }
    rooms = {room: names for room, names in rooms.items() if names}
    rows = [(f"[`{n.full}`](#{anchor(n.full)})", n.summary) for names in rooms.values() for n in names]
    lines.append(table(("name", "what it does"), rows))
    return "\n\n".join([*lines, *(entry(name) for names in rooms.values() for name in names)])


def addresses():
    """Where each public name of a package is described, by its full name."""
    return {
        name.full: f"{page}#{anchor(name.full)}"
        for page, package, _ in PACKAGES
        for name in public_names(package)
        if callable(name.thing)
    }


def verb_index():
    """Rows of every verb of every package: its name as a link, and what it does."""
    return [
        (f"[`{name.full}`]({page}#{anchor(name.full)})", name.summary)
        for page, package, _ in PACKAGES
        for name in public_names(package)
        if name.verb
    ]


def entry(name):
    """Everything that the docstring of one name says."""
    doc, thing = name.doc, name.thing
    lines = [f"## {name.full}", name.summary]
    if not _is_error(thing):
        lines.append(f"```python\n{signature(name)}\n```")
    lines.append(prose("\n".join(doc["Extended Summary"])))
    if doc["Parameters"]:
        lines.append(_parameters(doc["Parameters"], thing))
    if doc["Attributes"]:
        rows = [(code(p.name), inline(p.type), inline(" ".join(p.desc))) for p in doc["Attributes"]]
        lines.append(table(("attribute", "type", "meaning"), rows))
    if inspect.isclass(thing):
        lines.append(_members(thing))
    for title in ("Returns", "Raises"):
        lines += [f"**{title}**", *(_result(p) for p in doc[title])] if doc[title] else []
    for title in ("Notes", "References"):
        lines += [f"**{title}**", prose("\n".join(doc[title]))] if doc[title] else []
    if doc["Examples"]:
        lines += ["**Example**", _example(doc["Examples"])]
    return "\n\n".join(line for line in lines if line)


def _is_error(thing):
    return inspect.isclass(thing) and issubclass(thing, Exception)


def signature(name):
    """How it is called, with the defaults, without the types."""
    parts, starred = [], False
    for p in _call_parameters(name.thing).values():
        if p.kind is p.KEYWORD_ONLY and not starred:
            parts.append("*")
        starred |= p.kind in (p.KEYWORD_ONLY, p.VAR_POSITIONAL)
        mark = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
        parts.append(f"{mark}{p.name}" + ("" if p.default is p.empty else f"={_default(p.default)}"))
    line = f"{name.full}({', '.join(parts)})"
    return line if len(line) <= 100 else f"{name.full}(\n    " + ",\n    ".join(_wrapped(parts)) + "\n)"


def _wrapped(parts):
    """Parameters on as few lines as hold them."""
    lines = [""]
    for part in parts:
        joined = f"{lines[-1]}, {part}" if lines[-1] else part
        if len(joined) <= 92:
            lines[-1] = joined
        else:
            lines.append(part)
    return lines


def _call_parameters(thing):
    return {n: p for n, p in inspect.signature(thing).parameters.items() if n not in ("self", "cls")}


def _default(value):
    if callable(value):
        return getattr(value, "__name__", repr(value))
    text = repr(value)
    return text if "<" not in text else "..."


def _parameters(documented, thing):
    given = _call_parameters(thing)
    rows = []
    for p in documented:
        names = [n.strip() for n in p.name.split(",")]
        defaults = [
            given[n].default for n in names if n in given and given[n].default is not inspect.Parameter.empty
        ]
        shown = "" if not defaults else " / ".join(dict.fromkeys(code(_default(d)) for d in defaults))
        kind = re.sub(r",? ?optional$", "", p.type)
        rows.append((", ".join(map(code, names)), inline(kind), shown, _within(p.desc)))
    return table(("parameter", "type", "default", "meaning"), rows)


def _within(lines):
    """Description for a cell: its paragraphs and lists one after the other."""
    text = "\n".join(lines)
    text = re.sub(r"\.\. math::\s*((?:.+\n?)+)", lambda m: f":math:`{' '.join(m.group(1).split())}`", text)
    return "<br>".join(inline(part) for part in re.split(r"\n\s*\n|\n(?=[-*] )", text) if part.strip())


def _result(p):
    """One thing that is returned or raised, and what is said of it."""
    head = f"`{p.type or p.name}`" + (f" ({p.name})" if p.name and p.type else "")
    text = prose("\n".join(p.desc))
    return f"{head}: {text}" if text else head


def _members(thing):
    """Fields, properties and methods of a class."""
    rows = []
    if is_dataclass(thing):
        source = inspect.getsource(thing)
        for field in inspect.get_annotations(thing):
            said = re.search(rf"^    {field}\s*:[^#\n]*#\s*(.*)$", source, re.MULTILINE)
            rows += [(code(field), cell(said.group(1)))] if said else []
    for name, member in vars(thing).items():
        text = (
            inspect.getdoc(member)
            if isinstance(member, property) or inspect.isroutine(_bare(member))
            else None
        )
        if text and not name.startswith("_"):
            call = "" if isinstance(member, property) else "()"
            rows.append((code(name + call), inline(text.partition("\n\n")[0])))
    return table(("member", "meaning"), rows) if rows else ""


def _bare(member):
    return getattr(member, "__func__", member)


def _example(lines):
    text = "\n".join(lines).strip("\n")
    return f"```pycon\n{text}\n```" if ">>>" in text else prose(text)
