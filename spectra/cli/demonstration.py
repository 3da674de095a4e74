"""``demo``: the main job on simulated input, from files to report."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Annotated

import typer

from spectra.cli.app import app


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for everything; made if needed.")] = Path(
        "redox-demo"
    ),
) -> None:
    """Run the main job on simulated input: files in, results, figures and a report out."""
    from spectra.cli.progress import Bar
    from spectra.cli.tables import show_frame
    from spectra.demo import Demo, list_demos, run_demo
    from spectra.report.summary import summary_table

    started = time.perf_counter()
    demos = list_demos()
    for found in demos.values():
        typer.echo(f"{found.title}: {found.statement}")
    with contextlib.ExitStack() as shown:

        def watch(found: Demo) -> Bar:
            shown.close()  # the bar of the demo before
            return shown.enter_context(Bar(found.title))

        done = run_demo(out, command=f"spectra demo --out {out}", progress=watch)
    for name, dataset in done.datasets.items():
        show_frame(summary_table(dataset), title=f"{demos[name].title} (simulated)", rows=12)
    typer.echo(
        f"Done in {time.perf_counter() - started:.1f} s. Nothing here was measured. In {done.folder}/:"
    )
    places = [
        (
            "input files",
            ", ".join(sorted({str(p.parent.relative_to(out)) for f in done.inputs.values() for p in f})),
        ),
        ("results", ", ".join(path.name for path in done.results.values())),
        ("report", done.report.name),
        ("figures", f"{done.figures[0].name} and {len(done.figures) - 1} in figures/"),
    ]
    for what, where in places:
        typer.echo(f"  {what:12} {where}")
    first = next(iter(done.results.values()))
    typer.echo(f"Next: spectra rerun {first}; spectra inspect your-files; spectra list recipes")
