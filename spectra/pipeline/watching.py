"""A folder that fills while it is measured into: files are analysed as they appear, and the series grows.

Files that appeared together make a shard, written like those of any run in shards; the results file is joined from
them whenever it grows quiet, and at the end. After a crash the same call goes on where it was.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from spectra.errors import InvalidInput, ReadError
from spectra.pipeline.plan import InputFile, Plan, Shard, state_of
from spectra.pipeline.planning import first_plan, written
from spectra.pipeline.progress import Progress
from spectra.pipeline.recipe import Recipe, load_recipe
from spectra.pipeline.runner import join_shards
from spectra.pipeline.shards import Done, ShardFolder
from spectra.pipeline.workers import make_shards
from spectra.reading.series import natural_order

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Arrivals", "watch"]

#: Files of a shard at most: what a crash can lose.
_BATCH = 50


@dataclass
class Arrivals:
    """Which files of a folder are there in full: those that have not changed for a while.

    Parameters
    ----------
    folder : Path
    pattern : str
        Names to look for, as in ``*.xdi``; ``**/*.xdi`` looks into folders inside, too.
    settle : float
        Seconds without a change after which a file counts as complete.
    """

    folder: Path
    pattern: str = "*"
    settle: float = 2.0
    _since: dict[InputFile, float] = field(default_factory=dict)

    def complete(self, wanted: Callable[[InputFile], bool], now: float) -> list[Path]:
        """Files that are ``wanted`` and have rested since ``settle`` seconds, in natural order."""
        files = (path for path in self.folder.glob(self.pattern) if not path.name.startswith("."))
        states = [state for path in files if path.is_file() and wanted(state := state_of([path])[0])]
        self._since = {state: self._since.get(state, now) for state in states}
        rested = [s.path for s in states if s.size > 0 and now - self._since[s] >= self.settle]
        return [Path(path) for path in sorted(rested, key=natural_order)]


def watch(
    recipe: str | Path | Mapping[str, object] | Recipe,
    folder: str | Path,
    *,
    out: str | Path,
    pattern: str = "*",
    settle: float = 2.0,
    every: float = 1.0,
    quiet: float = 30.0,
    until_idle: float | None = None,
    attrs: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    told: Callable[[xr.Dataset], None] = lambda dataset: None,
) -> int:
    """Analyse the files of a folder as they appear, until Ctrl-C; return how many shards there are.

    Parameters
    ----------
    recipe : str, Path, mapping or Recipe
        Reads a series (``spectra.read_series`` or that of a technique).
    folder : path
        Where files appear.
    out : path
        Results file, joined anew when the folder grows quiet and at the end.
    pattern : str
        Names of the files, as in ``*.xdi``.
    settle : float
        Seconds without a change after which a file counts as complete. One that cannot be read then is left out, and
        tried again when it changes.
    every : float
        Seconds between two looks at the folder.
    quiet : float
        Seconds without a new file after which the results file is written.
    until_idle : float, optional
        End after so many seconds without a new file. Default: only Ctrl-C or SIGTERM ends it.
    attrs : mapping, optional
        Attributes given to the dataset as it is read.
    progress : Progress, optional
        Is told of each shard.
    told : callable
        Is given the dataset of each shard: for a page that shows the newest spectra.

    Raises
    ------
    RecipeError
        The recipe does not read a series file by file.
    InvalidInput
        The folder is not there, or ``out`` lies where a run of another recipe began.
    """
    plan, place, target = load_recipe(recipe), Path(folder), Path(out)
    if not place.is_dir():
        raise InvalidInput(f"{place} is no folder: name the one that the files appear in.")
    series = _Series(plan, target, dict(attrs or {}), progress or Progress(), told)
    arrivals = Arrivals(place, pattern, settle)
    series.go_on()
    last, joined = time.monotonic(), -1
    try:
        while until_idle is None or time.monotonic() - last < until_idle:
            new = arrivals.complete(series.wants, time.monotonic())
            for begin in range(0, len(new), _BATCH):
                if series.add(new[begin : begin + _BATCH]):
                    last = time.monotonic()
            if time.monotonic() - last > quiet and series.count != joined:
                series.join()
                joined = series.count
            time.sleep(every)
    finally:
        if series.count != joined:
            series.join()
    return series.count


class _Series:
    """The series so far: its plan on the disk, and which files it has taken."""

    def __init__(
        self,
        recipe: Recipe,
        out: Path,
        attrs: Mapping[str, str],
        progress: Progress,
        told: Callable[[xr.Dataset], None],
    ) -> None:
        self._recipe, self._out, self._attrs = recipe, out, attrs
        self._progress, self._told = progress, told
        self._folder = ShardFolder(out)
        self._plan: Plan | None = None
        self._read: set[str] = set()
        self._refused: set[InputFile] = set()  # could not be read; wanted again when they change

    @property
    def count(self) -> int:
        """Shards so far."""
        return len(self._plan.shards) if self._plan else 0

    def wants(self, file: InputFile) -> bool:
        """Whether a file in this state is still to be analysed."""
        return file.path not in self._read and file not in self._refused

    def go_on(self) -> None:
        """Take up a series that was begun, and make what it had planned."""
        if not self._folder.exists:
            return
        self._plan = plan = self._folder.plan()
        if plan.recipe != written(self._recipe) or dict(plan.attrs) != self._attrs:
            raise InvalidInput(
                f"{self._folder.path} belongs to another recipe or other attributes: give those, or another results file."
            )
        for shard in plan.shards:
            done = self._folder.done(shard.number)
            if done is not None:
                self._take(plan, shard, done)
        self._make(plan, [shard for shard in plan.shards if self._folder.done(shard.number) is None])

    def add(self, files: Sequence[Path]) -> bool:
        """Analyse complete files as one shard; false where none of them can be read and nothing was begun."""
        if self._plan is None:
            begun = first_plan(self._recipe, files, attrs=self._attrs)
            if begun is None:
                self._refused |= set(state_of(files))
                return False
            plan = replace(begun, shards=(Shard(0, 0, len(files)),))
            self._folder.begin(plan)
        else:
            before = self._plan
            shard = Shard(self.count, len(before.files), len(before.files) + len(files))
            plan = replace(before, files=(*before.files, *state_of(files)), shards=(*before.shards, shard))
            self._folder.extend(plan)
        self._plan = plan
        self._make(plan, plan.shards[-1:])
        return True

    def join(self) -> None:
        """Write the results file from all shards; they stay."""
        if self._plan is None:
            return
        with contextlib.suppress(ReadError):  # no shard holds a spectrum yet
            join_shards(self._plan, self._out, f"spectra watch, recipe {self._recipe.name}", self._progress)

    def _make(self, plan: Plan, todo: Sequence[Shard]) -> None:
        for shard, done in zip(todo, make_shards(plan, self._out, todo), strict=True):
            self._take(plan, shard, done)
            self._progress.shard_done(done)
            if done.sha256:
                self._told(self._folder.load(done.number))

    def _take(self, plan: Plan, shard: Shard, done: Done) -> None:
        files = plan.files[shard.first : shard.end]
        self._read |= {file.path for file in files if file.path not in done.left_out}
        self._refused |= {file for file in files if file.path in done.left_out}
