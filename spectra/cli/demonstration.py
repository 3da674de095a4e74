"""``demo``: published analyses on simulated input, from files to report."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spectra.cli.app import app
from spectra.published import LIMIT

if TYPE_CHECKING:
    from spectra.demo import Demo, DemoResult
    from spectra.published import Recovered


@app.command()
def demo(
    case: Annotated[
        str,
        typer.Argument(metavar="[CASE]", help="A, B, C, D, or one of `spectra list demos`. Default: all."),
    ] = "",
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for everything; made if needed.")] = Path(
        "redox-demo"
    ),
) -> None:
    """Run published analyses on simulated input: files in, results, figures and a report out.

    Each number that a publication prints stands beside what was recovered of it, and what the audit asks about its
    assignments below.
    """
    from spectra.cli.progress import Bar
    from spectra.cli.tables import show_frame
    from spectra.demo import choose_demos, run_demo
    from spectra.report.summary import summary_table

    started = time.perf_counter()
    demos = choose_demos(case or ())
    for statement in dict.fromkeys(found.statement for found in demos.values()):
        titles = [d.title for d in demos.values() if d.statement == statement]
        typer.echo(f"{'; '.join(titles)}: {statement}")
    with contextlib.ExitStack() as shown:

        def watch(found: Demo) -> Bar:
            shown.close()  # the bar of the demo before
            return shown.enter_context(Bar(found.title))

        done = run_demo(
            out, only=case or (), command=f"spectra demo {case}".rstrip() + f" --out {out}", progress=watch
        )
    for name in [n for n in demos if not demos[n].printed]:
        show_frame(summary_table(done.datasets[name]), title=f"{demos[name].title} (simulated)", rows=12)
    for letter in dict.fromkeys(d.case for d in demos.values() if d.printed):
        _show_case(letter, demos, done)
    typer.echo(
        f"Done in {time.perf_counter() - started:.1f} s. Nothing here was measured. In {done.folder}/:"
    )
    places = [
        ("input files", f"{sum(map(len, done.inputs.values()))} in input/"),
        ("results", f"{len(done.results)} .nxs files, one per measurement"),
        ("figures", f"{len(done.figures)}, in figures/"),
        ("report", str(done.report)),
    ]
    first = next(iter(done.results.values()))
    typer.echo(f"Next: spectra rerun {first}; spectra inspect your-files; spectra list recipes")
    for what, where in places:
        typer.echo(f"  {what:12} {where}")


def _show_case(letter: str, demos: Mapping[str, Demo], done: DemoResult) -> None:
    """What the publication prints beside what was recovered, and what is questionable about it."""
    from spectra.cli.tables import show_rows

    mine = [name for name, found in demos.items() if found.case == letter]
    rows = [
        (name, r.printed.what, _text(r.printed.value, r.printed.unit), _found(r), "yes" if r.agrees else "NO")
        for name in mine
        for r in done.recovered[name]
    ]
    titles = ("demo", "printed", "value", "recovered", f"within {LIMIT:g} sigma")
    show_rows(titles, rows, title=f"Case {letter} (simulated)")
    for name in mine:
        for question in done.questions.get(name, []):
            typer.echo(f"  questioned: {question}")


def _text(value: float | str, unit: str) -> str:
    return value if isinstance(value, str) else f"{value:g} {unit}".strip()


def _found(recovered: Recovered) -> str:
    if isinstance(recovered.found, str):
        return recovered.found
    if not recovered.sigma > 0:
        return _text(recovered.found, recovered.printed.unit)
    places = max(0, 1 - math.floor(math.log10(recovered.sigma)))
    return f"{recovered.found:.{places}f} ± {recovered.sigma:.{places}f} {recovered.printed.unit}".strip()
