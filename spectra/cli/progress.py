"""The progress bar of a run: files, verbs, spectra per second, failures."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from spectra.cli.tables import console
from spectra.pipeline import progress

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Bar"]


class Bar(progress.Progress):
    """Shows on stderr what a run does; silent where stderr is not a terminal."""

    def __init__(self, title: str) -> None:
        terminal = console(stderr=True)
        self._shown = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[said]}"),
            TimeElapsedColumn(),
            console=terminal,
            disable=not terminal.is_terminal,
            transient=False,
        )
        self._title = title
        self._task = self._shown.add_task(title, total=None, said="")
        self._left_out = 0
        self._begun = time.perf_counter()

    def __enter__(self) -> Bar:
        self._shown.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._shown.stop()

    def reading(self, files: int) -> None:
        """Show how many files are to be read."""
        self._shown.update(
            self._task, description=f"{self._title}: reading", total=files, completed=0, said="files"
        )
        self._begun = time.perf_counter()
        self._shown.refresh()

    def file_read(self, path: Path) -> None:
        """Count a file."""
        self._shown.advance(self._task)

    def left_out(self, path: Path, reason: str) -> None:
        """Say which file is left out while the others go on."""
        self._left_out += 1
        self._shown.console.print(f"left out: {reason}", style="yellow", markup=False)

    def running(self, verb: str, number: int, of: int) -> None:
        """Show the verb that runs."""
        self._shown.update(self._task, description=f"{self._title}: {verb}", total=of, completed=number - 1)
        self._shown.refresh()

    def done(self, verb: str, dataset: xr.Dataset) -> None:
        """Count the verb; show speed and failures so far."""
        from spectra.dataset import failed

        bad = failed(dataset)
        rate = bad.size / max(time.perf_counter() - self._begun, 1e-9)
        failures = f", {int(bad.sum())} failed" if bool(bad.any()) else ""
        files = f", {self._left_out} files left out" if self._left_out else ""
        self._shown.update(self._task, said=f"{bad.size} spectra, {rate:.3g} spectra/s{failures}{files}")
        self._shown.advance(self._task)

    def saving(self, path: Path) -> None:
        """Show that the file is being written."""
        self._shown.update(self._task, description=f"{self._title}: writing {path.name}")
        self._shown.refresh()
