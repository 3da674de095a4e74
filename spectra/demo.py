"""The demo: input simulated from published figures, analysed as measured files are, from file to report.

The core knows no technique. Each technique announces a :class:`Demo`, or a table of several by name, under the entry
point group ``spectra.demos``: where its numbers come from, how its input files are written, the recipe that analyses
them, and what the publication prints. Demos of one publication, of whichever technique, are a case: A, B, C, D.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spectra.errors import InvalidInput, WriteError, did_you_mean
from spectra.pipeline.progress import Progress
from spectra.published import Printed, Recovered, recover

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Demo", "DemoResult", "choose_demos", "demos_of_table", "list_demos", "run_demo"]


@dataclass(frozen=True)
class Demo:
    """What a technique contributes.

    ``write_inputs(folder)`` writes the simulated files, each labelled as simulated, and returns them in the order
    of the series; ``recipe`` names the shipped recipe that analyses them; ``shown`` are the variables drawn in the
    overview; ``case`` is the publication's letter; ``printed`` what it prints; ``questions(dataset)`` the assignments of
    the publication that are questionable, a sentence each. ``sources`` are DOIs, or words where there is none.
    """

    title: str
    sources: tuple[str, ...]
    write_inputs: Callable[[Path], Sequence[Path]]
    recipe: str
    shown: tuple[str, ...] = ()
    case: str = ""
    printed: tuple[Printed, ...] = ()
    questions: Callable[[xr.Dataset], Sequence[str]] | None = None

    @property
    def statement(self) -> str:
        """The sentence that stands beside everything that comes from this demo."""
        cited = (f"doi:{source}" if source.startswith("10.") else source for source in self.sources)
        return f"simulated from figures published in {', '.join(cited)}"


@dataclass(frozen=True)
class DemoResult:
    """Where the files of a finished demo are, and its datasets by name."""

    folder: Path
    datasets: dict[str, xr.Dataset]
    inputs: dict[str, list[Path]]
    results: dict[str, Path]
    report: Path
    figures: list[Path] = field(default_factory=list)
    recovered: dict[str, list[Recovered]] = field(default_factory=dict)
    questions: dict[str, list[str]] = field(default_factory=dict)


def list_demos() -> dict[str, Demo]:
    """Demos of all installed packages, by name: cases in their order, then others."""
    found: dict[str, Demo] = {}
    for entry in importlib.metadata.entry_points(group="spectra.demos"):
        brought = entry.load()
        found |= {entry.name: brought} if isinstance(brought, Demo) else dict(brought)
    return dict(sorted(found.items(), key=lambda item: (item[1].case or "~", item[0])))


def choose_demos(only: str | Sequence[str] = ()) -> dict[str, Demo]:
    """Demos by the letter of a case or by name; all if nothing is named.

    Raises
    ------
    InvalidInput
        A case or a name that there is not.
    """
    demos = list_demos()
    wanted = (only,) if isinstance(only, str) else tuple(only)
    for name in wanted:
        known = [*sorted({demo.case for demo in demos.values()} - {""}), *demos]
        if name.upper() not in known and name not in known:
            raise InvalidInput(f"no demo and no case {name!r}; {did_you_mean(name, known)}.")
    chosen = {name.upper() for name in wanted}
    return {n: d for n, d in demos.items() if not wanted or n.upper() in chosen or d.case in chosen - {""}}


def demos_of_table(
    table: Mapping[str, Any],
    write_inputs: Callable[[Mapping[str, Any], Path], Sequence[Path]],
    questions: Callable[[Mapping[str, Any], xr.Dataset], Sequence[str]] | None = None,
) -> dict[str, Demo]:
    """Demos of a table of published cases, by name: ``[[demo]]`` with ``name``, ``case``, ``recipe`` and ``printed``.

    ``write_inputs`` and ``questions`` are given the row first.
    """
    from functools import partial

    return {
        row["name"]: Demo(
            title=row["title"],
            sources=(table["source"][row["case"]],),
            write_inputs=partial(write_inputs, row),
            recipe=row["recipe"],
            shown=tuple(row.get("shown", ())),
            case=row["case"],
            printed=tuple(
                Printed(**{"source": table["source"][row["case"]], **printed})
                for printed in row.get("printed", [])
            ),
            questions=partial(questions, row) if questions is not None else None,
        )
        for row in table["demo"]
    }


def run_demo(
    folder: str | Path = "redox-demo",
    *,
    only: str | Sequence[str] = (),
    command: str = "spectra demo",
    progress: Callable[[Demo], Progress] | None = None,
) -> DemoResult:
    """Write the simulated input, run each recipe on it, and draw and report what came out.

    Parameters
    ----------
    folder : path
        Where everything goes; made if it is not there. Files of an earlier demo are replaced.
    only : str or sequence of str
        Letters of cases, or names of demos. Default: all.
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
    demos = choose_demos(only)
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
    return DemoResult(
        home,
        datasets,
        inputs,
        results,
        report,
        figures,
        {name: [recover(datasets[name], p) for p in demo.printed] for name, demo in demos.items()},
        {n: list(demo.questions(datasets[n])) for n, demo in demos.items() if demo.questions is not None},
    )


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
    overview = [write_overview(home / "demo.png", shown)] if shown else []
    folder = home / "figures"
    title = "redox-spectra demo (simulated spectra)"
    report = write_report(home / "report.html", datasets, title=title, fits=1, figures=folder)
    return report, [*overview, *sorted(folder.glob("*.png"))]
