"""What a run tells while it goes: a bar for people, lines of JSON for programs."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from spectra.cli.tables import console
from spectra.pipeline import progress

if TYPE_CHECKING:
    import xarray as xr

    from spectra.pipeline.shards import Done

__all__ = ["Bar", "JsonLines", "tell"]


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
            TimeRemainingColumn(),
            console=terminal,
            disable=not terminal.is_terminal,
            transient=False,
        )
        self._title = title
        self._task = self._shown.add_task(title, total=None, said="")
        self._left_out = self._spectra = self._failed = 0
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

    def sharing(self, shards: int, spectra: int) -> None:
        """Show how many shards there are."""
        self._shown.update(
            self._task,
            description=f"{self._title}: {spectra} spectra",
            total=shards,
            completed=0,
            said="shards",
        )
        self._begun = time.perf_counter()
        self._shown.refresh()

    def shard_done(self, done: Done) -> None:
        """Count a shard; show speed and failures so far."""
        for file, reason in done.left_out.items():
            self.left_out(Path(file), reason)
        self._spectra += done.spectra
        self._failed += done.failed
        rate = self._spectra / max(time.perf_counter() - self._begun, 1e-9)
        failures = f", {self._failed} failed" if self._failed else ""
        files = f", {self._left_out} files left out" if self._left_out else ""
        said = f"shards, {self._spectra} spectra, {rate:.3g} spectra/s{failures}{files}"
        self._shown.update(self._task, said=said)
        self._shown.advance(self._task)

    def saving(self, path: Path) -> None:
        """Show that the file is being written."""
        self._shown.update(self._task, description=f"{self._title}: writing {path.name}")
        self._shown.refresh()


def tell(event: str, **values: Any) -> None:
    """One line of JSON on stdout."""
    sys.stdout.write(json.dumps({"event": event, **values}, ensure_ascii=False) + "\n")
    sys.stdout.flush()


class JsonLines(progress.Progress):
    """Tells what a run does as one line of JSON for each event, for programs that watch it."""

    def __enter__(self) -> JsonLines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to take down."""

    def reading(self, files: int) -> None:
        """``{"event": "reading", "files": ...}``."""
        tell("reading", files=files)

    def left_out(self, path: Path, reason: str) -> None:
        """``{"event": "left_out", "file": ..., "reason": ...}``."""
        tell("left_out", file=str(path), reason=reason)

    def running(self, verb: str, number: int, of: int) -> None:
        """``{"event": "running", "verb": ..., "step": ..., "steps": ...}``."""
        tell("running", verb=verb, step=number, steps=of)

    def done(self, verb: str, dataset: xr.Dataset) -> None:
        """``{"event": "done", "verb": ..., "spectra": ..., "failed": ...}``."""
        from spectra.dataset import failed

        bad = failed(dataset)
        tell("done", verb=verb, spectra=bad.size, failed=int(bad.sum()))

    def sharing(self, shards: int, spectra: int) -> None:
        """``{"event": "sharing", "shards": ..., "spectra": ...}``."""
        tell("sharing", shards=shards, spectra=spectra)

    def shard_done(self, done: Done) -> None:
        """``{"event": "shard", "number": ..., "spectra": ..., "failed": ..., "left_out": ...}``."""
        tell(
            "shard",
            number=done.number,
            spectra=done.spectra,
            failed=done.failed,
            left_out=dict(done.left_out),
        )

    def saving(self, path: Path) -> None:
        """``{"event": "saving", "file": ...}``."""
        tell("saving", file=str(path))
