"""Commands around long series: ``watch``, ``merge``, ``verify``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from spectra.cli.analysis import command_line, end, watching
from spectra.cli.app import ERROR, app, fail


@app.command()
def watch(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where files appear.", show_default=False)],
    recipe: Annotated[
        str,
        typer.Option(
            "--recipe", "-r", help="Recipe file, or the name of one that ships.", show_default=False
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Results file. Default: RECIPE.nxs in this folder.", show_default=False
        ),
    ] = None,
    pattern: Annotated[
        str, typer.Option(help="Names of the files; **/*.xdi looks into folders inside.")
    ] = "*",
    settle: Annotated[
        float, typer.Option(help="Seconds without a change: the file is complete.", min=0)
    ] = 2.0,
    until_idle: Annotated[
        float | None,
        typer.Option(help="End after so many seconds without a new file.", min=0, show_default=False),
    ] = None,
    page: Annotated[bool, typer.Option(help="Serve a page with the newest spectra and trends.")] = True,
    port: Annotated[int, typer.Option(help="Port of the page; 0: any that is free.", min=0, max=65535)] = 0,
    host: Annotated[
        str, typer.Option(help="Interface of the page. Only this machine sees the default.")
    ] = "127.0.0.1",
) -> None:
    """Analyse the files of a folder as they appear, until Ctrl-C; the same command goes on after a crash."""
    import contextlib

    from spectra.pipeline.recipe import load_recipe
    from spectra.pipeline.stop import stop_on_signals
    from spectra.pipeline.watching import watch as watch_folder
    from spectra.report.live import LivePage, LiveState

    plan = load_recipe(recipe)
    target = out or Path(f"{plan.name}.nxs")
    state = LiveState(plan.title or plan.name)
    with contextlib.ExitStack() as stack:
        if page:
            served = stack.enter_context(LivePage(state, host=host, port=port))
            typer.echo(f"newest spectra and trends: {served.address}")
        stack.enter_context(stop_on_signals())
        stack.enter_context(contextlib.suppress(KeyboardInterrupt))  # how a watch usually ends
        watch_folder(
            plan, folder, out=target, pattern=pattern, settle=settle, until_idle=until_idle, progress=state,
            told=state.show,
        )  # fmt: skip
    if not target.exists():
        fail(f"no file of {folder} could be read; nothing was written.", ERROR)
    from spectra.results import load

    dataset = load(target, lazy=True)
    assert not isinstance(dataset, dict)
    end(dataset, [target], state.seconds)


@app.command()
def merge(
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="Results file that the jobs named.", show_default=False)
    ],
    report: Annotated[bool, typer.Option(help="Write an HTML report beside the results.")] = True,
) -> None:
    """Join the shards that the jobs of an array made into the results file."""
    from spectra.pipeline import merge as merge_shards

    started = time.perf_counter()
    with watching(out.name, False) as watch:
        dataset = merge_shards(out, command=command_line(), progress=watch)
    written = [out]
    if report:
        from spectra.report import write_report

        written.append(write_report(out.with_suffix(".html"), dataset))
    end(dataset, written, time.perf_counter() - started)


@app.command()
def verify(
    files: Annotated[
        list[Path], typer.Argument(metavar="RESULTS...", help="Results files (.nxs).", show_default=False)
    ],
) -> None:
    """Check that results files are what was written, byte for byte."""
    from spectra.errors import ReadError
    from spectra.results.seal import check_seal

    damaged = 0
    for file in files:
        try:
            typer.echo(f"{file}: whole, SHA-256 {check_seal(file)}")
        except ReadError as error:
            damaged += 1
            typer.echo(f"spectra: {error}", err=True)
    if damaged:
        raise typer.Exit(ERROR)
