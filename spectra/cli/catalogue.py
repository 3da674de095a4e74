"""Commands that show what there is: ``inspect`` a file, ``list`` what is installed, ``init`` a recipe."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spectra.cli.app import ERROR, USAGE, app, fail

if TYPE_CHECKING:
    from spectra.pipeline.describe import Option
    from spectra.reading.registry import Reader


@app.command()
def inspect(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Any supported files.", show_default=False)
    ],
) -> None:
    """Show what is in files: format, scans, what they are of, axis, range, and what is wrong with them."""
    from spectra.cli.tables import show_rows
    from spectra.reading import inspect as inspect_files

    table = inspect_files(*files)
    known = table.notna().to_dict("records")
    rows = [
        {str(k): v for k, v in row.items() if there[k]}
        for row, there in zip(table.to_dict("records"), known, strict=True)
    ]
    scans = [row for row in rows if "fault" not in row]
    if scans:
        headers = ("file", "reader", "scan", "of", "sample", "points", "along", "variables")
        show_rows(headers, [_scan(row) for row in scans])
    for text, names in _grouped(scans, "note").items():
        typer.echo(f"note: {names}: {text}")
    faults = [str(row["fault"]) for row in rows if "fault" in row]
    for fault in faults:
        typer.echo(f"spectra: {fault}", err=True)
    if faults:
        raise typer.Exit(ERROR)


def _scan(row: dict[str, Any]) -> tuple[str, ...]:
    """One scan as a line: the name in front of the number is what ``select`` takes."""
    of = row.get("region") or " ".join(str(row[k]) for k in ("element", "edge") if row.get(k))
    return (
        Path(row["file"]).name,
        str(row["reader"]),
        f"{row['number']:.0f}: {row['scan']}",
        " ".join(text for text in (row.get("technique"), of) if text),
        str(row.get("sample", "")),
        f"{row['points']:.0f}",
        f"{str(row['axis']).replace('_', ' ')} {row['first']:.6g} … {row['last']:.6g} {row['units']}",
        str(row["variables"]),
    )


def _grouped(rows: Iterable[dict[str, Any]], key: str) -> dict[str, str]:
    """Each text once, with the scans it is about."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if row.get(key):
            found.setdefault(str(row[key]), []).append(f"{Path(row['file']).name} {row['number']:.0f}")
    return {
        text: ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        for text, names in found.items()
    }


@app.command(name="list")
def list_(
    what: Annotated[
        str,
        typer.Argument(
            metavar="[KIND]",
            help="readers, steps, recipes, shapes, demos, baselines, numbers, ... (without: the first five).",
        ),
    ] = "",
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="One of them: show all of it.")] = "",
) -> None:
    """Show the readers, steps, recipes, line shapes, demos and tables of numbers that are installed.

    `spectra list steps xas.normalize` shows every option of one step; `spectra list recipes NAME` prints a recipe;
    `spectra list numbers xps.states` shows every number of a table with unit, status and source.
    """
    from spectra.errors import did_you_mean

    kinds = {**_KINDS, **_tables()}
    if what not in ("", *kinds):
        fail(f"there is nothing called {what!r} to list; {did_you_mean(what, kinds)}.", USAGE)
    for kind in [what] if what else _FIRST:
        kinds[kind](name)
    if not what:
        more = ", ".join(kind for kind in kinds if kind not in _FIRST)
        typer.echo(f"Also: {more} (spectra list KIND).")


@app.command()
def init(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE", help="Name of a shipped recipe, or of a new one (.toml).", show_default=False
        ),
    ],
    steps: Annotated[
        list[str] | None,
        typer.Argument(metavar="[STEP...]", help="Verbs of a new recipe.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="File to write. Default: RECIPE.toml here.", show_default=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write a recipe to start from, every option in it with its default and meaning.

    With the name of a shipped recipe: that one. Otherwise a new one made of STEPs, or of every step there is,
    commented out.
    """
    from spectra.pipeline.shipped import list_recipes
    from spectra.pipeline.template import annotated_recipe, fresh_recipe
    from spectra.results.atomic import replace_file

    shipped = {found.name: found.text for found in list_recipes()}
    name = Path(recipe).name.removesuffix(".toml")
    target = out or (Path(f"{name}.toml") if recipe in shipped else Path(recipe).with_suffix(".toml"))
    if target.exists() and not force:
        fail(f"{target} is there already: name another file with -o, or replace it with --force.", USAGE)
    if recipe in shipped and not steps:
        text = annotated_recipe(shipped[recipe], name=recipe)
    else:
        text = fresh_recipe(steps or (), name=name)
    typer.echo(f"wrote {replace_file(target, text.encode())}")


def _readers(name: str) -> None:
    from spectra.cli.tables import show_rows
    from spectra.errors import InvalidInput, did_you_mean
    from spectra.reading.registry import readers

    if name not in ("", *readers()):
        raise InvalidInput(f"no reader {name!r}; {did_you_mean(name, readers())}.")
    rows = [(r.name, " ".join(r.extensions), r.summary) for r in readers().values() if name in ("", r.name)]
    show_rows(
        ("reader", "usual endings", "reads"), rows, title="Readers (the content decides, not the ending)"
    )
    options = _reader_options(readers()[name]) if name else []
    if options:
        _show_options(options, title=f"Options of {name}, for any verb that reads")


def _reader_options(reader: Reader) -> list[Option]:
    """Options of a reader; where it does not say what one means, the verbs that read do."""
    from spectra.pipeline.describe import describe_options
    from spectra.verbs import list_verbs

    reading = sorted((v for v in list_verbs() if v.reads_files), key=lambda v: v.name == "spectra.read")
    told = {o.name: o.text for verb in reading for o in describe_options(verb.function)}
    return [
        dataclasses.replace(o, text=o.text or told.get(o.name, "")) for o in describe_options(reader.scans)
    ]


def _steps(name: str) -> None:
    from spectra.cli.tables import show_rows
    from spectra.pipeline.describe import describe_options, readable
    from spectra.verbs import find_verb, list_verbs

    if not name:
        rows = [
            (v.name, readable(v.summary), ", ".join(o.name for o in describe_options(v.function)))
            for v in list_verbs()
        ]
        show_rows(
            ("step", "what it does", "options"), rows, title="Steps (all of one: spectra list steps NAME)"
        )
        return
    verb = find_verb(name)
    options = describe_options(verb.function)
    _show_options(options, title=f"{verb.name}: {readable(verb.summary)}")


def _show_options(options: list[Option], *, title: str) -> None:
    from spectra.cli.tables import show_rows
    from spectra.pipeline.describe import toml_value

    rows = [
        (
            o.name,
            o.type,
            "needed" if o.required else "–" if o.default is None else toml_value(o.default),
            o.text,
        )
        for o in options
    ]
    show_rows(("option", "type", "default", "meaning"), rows, title=title)


def _recipes(name: str) -> None:
    from spectra.cli.tables import show_rows
    from spectra.pipeline.recipe import parse_recipe
    from spectra.pipeline.shipped import find_recipe, list_recipes

    if name:
        typer.echo(find_recipe(name).text)
        return
    rows = []
    for found in list_recipes():
        plan = parse_recipe(found.text, name=found.name)
        rows.append((plan.name, plan.title, " → ".join([plan.read.verb, *(s.verb for s in plan.steps)])))
    show_rows(
        ("recipe", "title", "steps"), rows, title="Recipes (spectra run NAME FILE...; spectra init NAME)"
    )


def _shapes(name: str) -> None:
    from spectra.cli.tables import show_rows
    from spectra.fitting.shapes import list_shapes

    shapes = [s for s in list_shapes().values() if name in ("", s.name)]
    show_rows(
        ("shape", "what it is", "parameters"),
        [(s.name, s.summary, ", ".join(s.names)) for s in shapes],
        title="Line shapes",
    )


def _demos(name: str) -> None:
    from spectra.cli.tables import show_rows
    from spectra.demo import list_demos

    rows = [
        (n, d.case, d.title, ", ".join(d.sources)) for n, d in list_demos().items() if name in ("", n, d.case)
    ]
    show_rows(("demo", "case", "title", "simulated from"), rows, title="Demos (spectra demo CASE)")


def _baselines(name: str) -> None:
    import inspect

    from pybaselines import Baseline

    from spectra.cli.tables import show_rows
    from spectra.errors import InvalidInput, did_you_mean
    from spectra.preprocessing.baselines import COMPILED, baseline_methods

    known = tuple(sorted({*baseline_methods(), *COMPILED}))
    if name not in ("", *known):
        raise InvalidInput(f"no baseline {name!r}; {did_you_mean(name, known)}.")
    rows = []
    for method in (m for m in known if name in ("", m)):
        function = getattr(Baseline, method)
        summary = (inspect.getdoc(function) or "").partition("\n")[0]
        names = (n for n in inspect.signature(function).parameters if n not in ("self", "data"))
        rows.append((method, "compiled" if method in COMPILED else "pybaselines", summary, ", ".join(names)))
    show_rows(
        ("baseline", "by", "what it is", "options"),
        rows,
        title="Baselines (spectra.subtract_baseline, method=...)",
    )


def _numbers(name: str) -> None:
    from spectra.cli.tables import show_rows
    from spectra.numbers import listing

    headers, *rows = listing(name)
    more = "" if name else " (all of one: spectra list numbers TABLE)"
    show_rows(headers, rows, title=f"Numbers and what they rest on{more}")


def _tables() -> dict[str, Callable[[str], None]]:
    """Tables of numbers that techniques announce: rows of texts, the headers first, of all or of one."""
    import importlib.metadata

    entries = importlib.metadata.entry_points(group="spectra.tables")
    return {entry.name: functools.partial(_table, entry) for entry in sorted(entries, key=lambda e: e.name)}


def _table(entry: Any, name: str) -> None:
    from spectra.cli.tables import show_rows

    headers, *rows = entry.load()(name)
    more = "" if name else f" (all of one: spectra list {entry.name} NAME)"
    show_rows(headers, rows, title=f"{entry.name.capitalize()}{more}")


_KINDS: dict[str, Callable[[str], None]] = {
    "readers": _readers,
    "steps": _steps,
    "recipes": _recipes,
    "shapes": _shapes,
    "demos": _demos,
    "baselines": _baselines,
    "numbers": _numbers,
}
#: What a newcomer looks for; the others are long.
_FIRST = ("readers", "steps", "recipes", "shapes", "demos")
