"""The demo: input simulated from published figures, analysed as measured files are, from file to report.

The core knows no technique. Each technique announces a :class:`Demo` under the entry point group ``spectra.demos``:
where its numbers come from, how its input files are written, and the recipe that analyses them.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from spectra.errors import InvalidInput, WriteError
from spectra.pipeline.progress import Progress

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Demo", "DemoResult", "list_demos", "run_demo"]


@dataclass(frozen=True)
class Demo:
    """What a technique contributes.

    ``write_inputs(folder)`` writes the simulated files, each labelled as simulated, and returns them in the order
    of the series; ``recipe`` names the shipped recipe that analyses them; ``shown`` are the variables drawn in the
    overview.
    """

    title: str
    sources: tuple[str, ...]
    write_inputs: Callable[[Path], Sequence[Path]]
    recipe: str
    shown: tuple[str, ...] = ()

    @property
    def statement(self) -> str:
        """The sentence that stands beside everything that comes from this demo."""
        return f"simulated from figures published in {', '.join(f'doi:{doi}' for doi in self.sources)}"


@dataclass(frozen=True)
class DemoResult:
    """Where the files of a finished demo are, and its datasets by name."""

    folder: Path
    datasets: dict[str, xr.Dataset]
    inputs: dict[str, list[Path]]
    results: dict[str, Path]
    report: Path
    figures: list[Path] = field(default_factory=list)


def list_demos() -> dict[str, Demo]:
    """Demos of all installed packages, by name."""
    entries = importlib.metadata.entry_points(group="spectra.demos")
    return {entry.name: entry.load() for entry in sorted(entries, key=lambda e: e.name)}


def run_demo(
    folder: str | Path = "redox-demo",
    *,
    command: str = "spectra demo",
    progress: Callable[[Demo], Progress] | None = None,
) -> DemoResult:
    """Write the simulated input, run each recipe on it, and draw and report what came out.

    Parameters
    ----------
    folder : path
        Where everything goes; made if it is not there. Files of an earlier demo are replaced.
    command : str
        What the results files say they were made by.
    progress : callable, optional
        Gives the observer of one demo's run.

    Raises
    ------
    InvalidInput
        If no installed package brings a demo.
    WriteError
        If the folder cannot be made or written.
    """
    from spectra.pipeline import run

    home = Path(folder)
    demos = list_demos()
    if not demos:
        raise InvalidInput("no installed package brings a demo (entry point group spectra.demos).")
    inputs, datasets, results = {}, {}, {}
    for name, demo in demos.items():
        inputs[name] = list(demo.write_inputs(_folder(home / "input" / name)))
        results[name] = home / f"{name}.nxs"
        watch = progress(demo) if progress else None
        label = {
            "title": demo.title,
            "simulated": "yes",
            "simulated_from": demo.statement.removeprefix("simulated from "),
        }
        datasets[name] = run(
            demo.recipe, inputs[name], out=results[name], command=command, attrs=label, progress=watch
        )
    report, figures = _drawn(home, demos, datasets)
    return DemoResult(home, datasets, inputs, results, report, figures)


def _folder(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(
            f"the folder {path} cannot be made: {error.strerror}. Name another one with --out."
        ) from error
    return path


def _drawn(home: Path, demos: dict[str, Demo], datasets: dict[str, xr.Dataset]) -> tuple[Path, list[Path]]:
    from spectra.report import write_report
    from spectra.report.gallery import write_overview

    shown = [(datasets[n], variable, demos[n].title) for n in demos for variable in demos[n].shown]
    overview = write_overview(home / "demo.png", shown)
    folder = home / "figures"
    title = "redox-spectra demo (simulated spectra)"
    report = write_report(home / "report.html", datasets, title=title, fits=3, figures=folder)
    return report, [overview, *sorted(folder.glob("*.png"))]
