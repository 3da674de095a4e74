"""Commands that compute or write: ``run``, ``rerun``, ``report``, ``export``."""

from __future__ import annotations

import importlib.util
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from spectra.cli.app import ERROR, FAILED_SPECTRA, USAGE, app, fail

if TYPE_CHECKING:
    import xarray as xr

    from spectra.cli.progress import Bar, JsonLines

_Results = Annotated[Path, typer.Argument(metavar="RESULTS", help="Results file (.nxs).", show_default=False)]


@app.command()
def run(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE", help="Recipe file, or the name of one that ships.", show_default=False
        ),
    ],
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", help="Files to read, in the order of the series.", show_default=False
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Results file. Default: RECIPE.nxs in this folder.", show_default=False
        ),
    ] = None,
    report: Annotated[bool, typer.Option(help="Write an HTML report beside the results.")] = True,
    rows: Annotated[int, typer.Option(help="Rows of the summary shown at the end.", min=0)] = 20,
    memory: Annotated[
        str | None,
        typer.Option(
            help="What all workers together may take: 500M, 4G. Default: a quarter of what is free.",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option("--workers", "-j", help="Processes that share the work.", min=1)
    ] = 1,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Dask scheduler of a cluster that sees the same files, e.g. tcp://node1:8786.",
            show_default=False,
        ),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="Make only the shards of job I of N, and join nothing; then `spectra merge`.",
            show_default=False,
        ),
    ] = None,
    shard_size: Annotated[
        int | None,
        typer.Option(help="Spectra of a shard. Default: what fits the memory.", min=1, show_default=False),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run that was interrupted, if there is one.")
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Tell the progress as lines of JSON on stdout.")
    ] = False,
) -> None:
    """Read files, apply the verbs of a recipe, write results and a report.

    A file or spectrum that fails is named and the others go on; the exit status is then 3. A series that is larger than
    the memory, or that workers share, goes in shards; after an interruption, the same command with --resume goes on.
    """
    from spectra.pipeline import run as run_recipe
    from spectra.pipeline.recipe import load_recipe
    from spectra.pipeline.stop import stop_on_signals

    plan = load_recipe(recipe)
    target = out or Path(f"{plan.name}.nxs")
    page = target.with_suffix(".html")
    if report and page == target:
        fail(f"{target} would be the report: name the results file {target.with_suffix('.nxs')}.", USAGE)
    job = _job(shard)
    started = time.perf_counter()
    with stop_on_signals(), watching(plan.title or plan.name, json) as watch:
        dataset = run_recipe(
            plan, files, out=target, command=command_line(), progress=watch, memory=memory, workers=workers,
            scheduler=scheduler, shard=job, shard_size=shard_size, resume=resume,
        )  # fmt: skip
        written = [target] if job is None else []
        if report and job is None:
            from spectra.report import write_report

            written.append(write_report(page, dataset, title=plan.title or None))
    if not json:
        _summarise(dataset, rows)
    end(dataset, written, time.perf_counter() - started, json=json)


@app.command()
def rerun(results: _Results) -> None:
    """Compute a results file again from itself alone and compare every number."""
    from spectra.cli.tables import show_frame
    from spectra.results.rerun import rerun as rerun_file

    found = rerun_file(results)
    table = found.differences
    show_frame(table.assign(same=["yes" if same else "NO" for same in table["same"]]))
    if found.versions:
        typer.echo(f"Versions that changed since: {', '.join(found.versions)}")
    same = int(found.differences["same"].sum())
    said = f"{same} of {len(found.differences)} variables are the same to 1e-10 relative"
    if not found.identical:
        fail(f"{said}; the others are listed above.", ERROR)
    typer.echo(f"{said}.")


@app.command()
def report(
    results: _Results,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="HTML file. Default: beside the results.", show_default=False),
    ] = None,
    fits: Annotated[int, typer.Option(help="Fits drawn of each series.", min=0)] = 6,
    pdf: Annotated[bool, typer.Option("--pdf", help="Write a PDF for printing as well.")] = False,
    figures: Annotated[
        Path | None,
        typer.Option(help="Folder that gets each figure as a file.", show_default=False),
    ] = None,
    format: Annotated[Literal["png", "svg", "pdf"], typer.Option(help="Of the figures' files.")] = "png",
    width: Annotated[
        Literal["single", "double"] | None,
        typer.Option(help="Figures of a journal's column (85 mm) or page (174 mm).", show_default=False),
    ] = None,
) -> None:
    """Write the HTML report of a results file: tables, fits and series to look into, figures, methods, provenance."""
    from spectra.report import write_figures, write_pdf, write_report
    from spectra.results.fields import safe_name
    from spectra.results.store import load_all

    if figures is None and (format != "png" or width is not None):
        fail("--format and --width are for files of figures: say where to with --figures FOLDER.", USAGE)
    page = out or results.with_suffix(".html")
    datasets = load_all(results, lazy=importlib.util.find_spec("dask") is not None)
    typer.echo(write_report(page, datasets, fits=fits))
    if pdf:
        typer.echo(write_pdf(page.with_suffix(".pdf"), datasets, fits=fits))
    for name, dataset in datasets.items() if figures is not None else ():
        assert figures is not None
        prefix = f"{safe_name(name)}_" if len(datasets) > 1 else ""
        files = write_figures(figures, dataset, format=format, width=width, fits=fits, prefix=prefix)
        typer.echo(f"{len(files)} figures in {figures}")


@app.command()
def export(
    results: _Results,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder. Default: beside the results.", show_default=False),
    ] = None,
    format: Annotated[
        Literal["csv", "text"] | None,
        typer.Option(
            help="csv: tables; text: every curve on its own grid. Default: both.", show_default=False
        ),
    ] = None,
) -> None:
    """Write the results as CSV tables and every curve as text, for other programs."""
    from spectra.results.export import export as export_results

    folder = out or results.with_suffix("")
    formats: tuple[Literal["csv", "text"], ...] = ("csv", "text") if format is None else (format,)
    written = [path for chosen in formats for path in export_results(results, folder, format=chosen)]
    typer.echo(
        f"wrote {len(written)} files into {folder}: {', '.join(path.name for path in written[:6])}"
        + (", …" if len(written) > 6 else "")
    )


def _job(shard: str | None) -> tuple[int, int] | None:
    """Number of this job and of all, of ``"3/8"``."""
    if shard is None:
        return None
    number, _, count = shard.partition("/")
    if not (number.isdecimal() and count.isdecimal()):
        fail(f"--shard is the number of this job and of all, as in 3/8, got {shard!r}.", USAGE)
    return int(number), int(count)


def watching(title: str, json: bool) -> Bar | JsonLines:
    """What tells of a run: a bar, or lines of JSON."""
    from spectra.cli.progress import Bar, JsonLines

    return JsonLines() if json else Bar(title)


def command_line() -> str:
    """The command as it was typed, to be typed again."""
    import shlex

    return shlex.join(["spectra", *sys.argv[1:]])


def _summarise(dataset: xr.Dataset, rows: int) -> None:
    from spectra.cli.tables import show_frame
    from spectra.dataset import flag_table
    from spectra.report.summary import summary_table

    if rows:
        show_frame(summary_table(dataset), title="Results (value ± standard uncertainty)", rows=rows)
    flags = flag_table(dataset)
    if len(flags):
        show_frame(flags, title="Flags")


def end(dataset: xr.Dataset, written: list[Path], seconds: float, *, json: bool = False) -> None:
    """Say what was done and written; end with status 3 where something failed."""
    from spectra.dataset import failed
    from spectra.pipeline.series import files_left_out

    bad = failed(dataset)
    n_bad, left_out = int(bad.sum()), files_left_out(dataset)
    spectra = "1 spectrum" if bad.size == 1 else f"{bad.size} spectra"
    if json:
        from spectra.cli.progress import tell

        files = [str(file) for file in written]
        tell("end", spectra=bad.size, failed=n_bad, left_out=left_out, wrote=files, seconds=round(seconds, 3))
    else:
        wrote = f"wrote {', '.join(map(str, written))}" if written else "wrote the shards of this job"
        typer.echo(f"{spectra} in {seconds:.1f} s, {n_bad} failed; {wrote}")
    for file, reason in left_out.items():
        typer.echo(f"spectra: {file} was left out: {reason}", err=True)
    if n_bad or left_out:
        counted = [f"{n_bad} of {bad.size} spectra failed"] if n_bad else []
        counted += [f"{len(left_out)} files could not be read"] if left_out else []
        fail(f"finished, but {' and '.join(counted)}.", FAILED_SPECTRA)
