"""Run a recipe: read, apply the verbs in order, save; in one piece, or in shards where a series is long."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spectra.errors import InvalidInput, WriteError
from spectra.pipeline.compute import apply_steps
from spectra.pipeline.progress import Progress
from spectra.pipeline.recipe import Recipe, Step, load_recipe
from spectra.pipeline.series import files_left_out, read_files
from spectra.pipeline.stop import Stopped
from spectra.verbs import watch_inputs

if TYPE_CHECKING:
    import xarray as xr

    from spectra.pipeline.plan import Plan

__all__ = ["join_shards", "merge", "run"]

#: Memory that a series takes on its way, for each byte of its files, where nothing better is known.
_GROWTH = 50
#: Files of a series that is worked through in one piece if nobody asks for more.
_FEW = 2000


def run(
    recipe: str | Path | Mapping[str, Any] | Recipe,
    paths: str | Path | Iterable[str | Path],
    *,
    out: str | Path | None = None,
    command: str | None = None,
    attrs: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    memory: str | int | None = None,
    workers: int = 1,
    scheduler: Any = None,
    shard_size: int | None = None,
    shard: tuple[int, int] | None = None,
    resume: bool = False,
) -> xr.Dataset:
    r"""Read files and apply the verbs of a recipe, in order; write the results file if ``out`` is given.

    A file of a series that cannot be read is left out and named in ``dataset.attrs["files_left_out"]``; a spectrum
    that a verb fails on is flagged. Neither stops the run. The file that stood at ``out`` stays until the new one is
    complete.

    A series that does not fit ``memory``, or that several workers share, is worked through in shards: each is written
    to a folder beside ``out`` as soon as it is done, and all are joined in the end. After a crash or a kill the same
    call with ``resume=True`` makes what is missing; the numbers are those of a run that was not interrupted.

    Parameters
    ----------
    recipe : str, Path, mapping or Recipe
        Path of a recipe, name of one that ships (``spectra list recipes``), or the same data in Python.
    paths : path or iterable of paths
        Files to read, in the order of the series; a pattern is sorted with numbers by value.
    out : path, optional
        Results file to write.
    command : str, optional
        What the results file says it was made by. Default: this call.
    attrs : mapping, optional
        Attributes that the files do not say, given to the dataset as it is read: ``{"sample": "LNMO, 50 cycles"}``.
    progress : Progress, optional
        Is told what happens, for a progress bar.
    memory : str or int, optional
        What all workers together may take: "4G", or bytes. Default: a quarter of what is free.
    workers : int
        Processes that share the work.
    scheduler : str or dask.distributed.Client, optional
        An existing Dask cluster that shares the work and sees the same files: address of its scheduler, or client.
    shard_size : int, optional
        Spectra in a shard. Default: what fits the memory, 2000 at most.
    shard : (int, int), optional
        ``(i, n)``: make only every n-th shard, beginning with the i-th (from 1), and join nothing; for the jobs of an
        array. :func:`merge` joins the shards of all.
    resume : bool
        Go on with a run that was interrupted; where none has begun, begin it.

    Returns
    -------
    xarray.Dataset
        After a run in shards its large arrays stay in the results file until they are needed. With ``shard``, the
        spectra of those shards.

    Raises
    ------
    RecipeError
        If the recipe cannot be run as written.
    ReadError
        If no file can be read.
    InvalidInput
        If a verb cannot work on this kind of data, ``out`` is one of the inputs, or the run to resume was another.
    WriteError
        If ``out`` cannot be written.

    Notes
    -----
    In shards, what a verb takes from the whole series (a median of all) it takes from a sample of 64 spectra spread
    evenly, and its history says so; give the option for a choice of your own. A verb that takes the series together
    (principal components, a joint fit) and those behind it work on the joined series, in memory.

    Examples
    --------
    >>> import pathlib, tempfile, spectra
    >>> folder = tempfile.TemporaryDirectory()
    >>> file = pathlib.Path(folder.name, "scan.txt")
    >>> _ = file.write_text("raman_shift intensity\n" + "".join(f"{500 + x} {x * x}\n" for x in range(20)))
    >>> recipe = {"read": {"verb": "spectra.read"}, "step": [{"verb": "spectra.crop", "window": [505, 509]}]}
    >>> spectra.run(recipe, file).sizes["raman_shift"]
    5
    >>> folder.cleanup()
    """
    plan = load_recipe(recipe)
    files = _files(paths)
    target = _target(out, files)
    watch = progress or Progress()
    said = command or f"spectra.run({plan.name!r}, {[file.name for file in files[:3]]!r})"
    wish = _Wish(memory, workers, scheduler, shard_size, shard, resume)
    wish.check(target)
    if target is not None:
        cut = wish.plan(plan, files, target, attrs or {})
        if cut is not None:
            return _in_shards(cut, target, wish, said, watch)
    dataset = _in_one_piece(plan, files, attrs or {}, watch)
    if target is not None:
        _save(target, dataset, plan, said, watch)
    return dataset


def merge(out: str | Path, *, command: str | None = None, progress: Progress | None = None) -> xr.Dataset:
    """Join the shards that lie beside ``out`` into the results file; the last step of an array of jobs.

    Raises
    ------
    InvalidInput
        Shards are missing or damaged; the sentence says how many and which.
    ReadError
        No run has begun there.
    """
    from spectra.pipeline.shards import ShardFolder

    target = _target(out, [])
    assert target is not None  # an output was given
    plan = ShardFolder(target).plan()
    return _joined(plan, target, command or f"spectra merge {target.name}", progress or Progress())


@dataclass(frozen=True)
class _Wish:
    """How a run is to be shared out."""

    memory: str | int | None
    workers: int
    scheduler: Any
    shard_size: int | None
    shard: tuple[int, int] | None
    resume: bool

    @property
    def is_plain(self) -> bool:
        """Whether nobody asked for anything but the results."""
        return self.workers == 1 and not any((self.memory, self.scheduler, self.shard_size, self.shard))

    def check(self, target: Path | None) -> None:
        if self.workers < 1:
            raise InvalidInput(f"workers must be 1 or more, got {self.workers}.")
        if self.shard_size is not None and self.shard_size < 1:
            raise InvalidInput(f"shard_size must be 1 or more, got {self.shard_size}.")
        if self.shard is not None and not 1 <= self.shard[0] <= self.shard[1]:
            raise InvalidInput(
                f"shard is the number of this job and of all, 1/8 to 8/8 for eight, got {'/'.join(map(str, self.shard))}."
            )
        if target is None and not (self.is_plain and not self.resume):
            raise InvalidInput("a run in shards writes a results file: give out.")

    def plan(
        self, recipe: Recipe, files: Sequence[Path], target: Path, attrs: Mapping[str, str]
    ) -> Plan | None:
        """The plan of the run that began, or a new one; None where the series is done in one piece."""
        from spectra.pipeline.memory import allowed_memory
        from spectra.pipeline.planning import plan_run, resumed_plan
        from spectra.pipeline.shards import ShardFolder

        folder = ShardFolder(target)
        if folder.exists and (self.resume or self.shard):
            return resumed_plan(folder, recipe, files, attrs)
        if folder.exists:
            raise InvalidInput(
                f"a run that was not finished lies in {folder.path}: go on with --resume, or remove the folder."
            )
        if self.shard is None:  # another job of an array may be about to write its plan there
            folder.remove()  # what a run left that was killed before it had a plan, or while it tidied up
        memory = allowed_memory(self.memory)
        if self.is_plain and len(files) <= _FEW and _GROWTH * sum(map(_size, files)) < memory:
            return None
        return plan_run(
            recipe, files, memory=memory, workers=_workers(self), attrs=attrs, spectra_each=self.shard_size
        )


def _workers(wish: _Wish) -> int:
    """Workers that share the memory of this machine; those of a cluster have their own."""
    if wish.scheduler is not None:
        return 4
    return max(wish.workers, wish.shard[1] if wish.shard else 1)


def _in_one_piece(
    plan: Recipe, files: Sequence[Path], attrs: Mapping[str, str], watch: Progress
) -> xr.Dataset:
    watch.reading(len(files))
    with watch_inputs(lambda file: watch.file_read(Path(file))):
        dataset = read_files(plan.read, files).assign_attrs(attrs)
    for file, reason in files_left_out(dataset).items():
        watch.left_out(Path(file), reason)
    watch.done(plan.read.verb, dataset)
    return _apply(plan.steps, dataset, watch)


def _apply(steps: Sequence[Step], dataset: xr.Dataset, watch: Progress) -> xr.Dataset:
    for number, step in enumerate(steps, 1):
        watch.running(step.verb, number, len(steps))
        dataset = apply_steps(dataset, [step])
        watch.done(step.verb, dataset)
    return dataset


def _in_shards(plan: Plan, target: Path, wish: _Wish, said: str, watch: Progress) -> xr.Dataset:
    from spectra.pipeline.shards import ShardFolder
    from spectra.pipeline.workers import make_shards

    folder = ShardFolder(target)
    folder.begin(plan)
    plan = folder.plan()
    wanted = plan.shards if wish.shard is None else plan.shards[wish.shard[0] - 1 :: wish.shard[1]]
    done = {one.number: made for one in wanted if (made := folder.done(one.number))}
    watch.sharing(len(wanted), plan.length)
    for made in done.values():
        watch.shard_done(made)
    todo = [one for one in wanted if one.number not in done]
    try:
        for made in make_shards(plan, target, todo, workers=wish.workers, scheduler=wish.scheduler):
            done[made.number] = made
            watch.shard_done(made)
    except Exception:
        if not done and wish.shard is None:
            folder.remove()
        raise
    except KeyboardInterrupt as stop:
        raise Stopped(
            f"stopped with {len(done)} of {len(wanted)} shards done; they are kept in {folder.path}, and the same call with "
            "--resume goes on.",
            getattr(stop, "signal", signal.SIGINT),
        ) from None
    if wish.shard is not None:
        return folder.joined(plan, [one.number for one in wanted])
    return _joined(plan, target, said, watch)


def _joined(plan: Plan, target: Path, said: str, watch: Progress) -> xr.Dataset:
    """What the results file holds that is joined from all shards; they go."""
    from spectra.pipeline.shards import ShardFolder
    from spectra.results import load

    join_shards(plan, target, said, watch)
    ShardFolder(target).remove()
    written = load(target, lazy=True)
    assert not isinstance(written, dict)  # one dataset was saved
    return written


def join_shards(plan: Plan, target: Path, said: str, watch: Progress) -> None:
    """Write the results file: all shards as one series, and the verbs that take the series together."""
    from spectra.pipeline.shards import ShardFolder

    dataset = ShardFolder(target).joined(plan, [one.number for one in plan.shards])
    if plan.rest():
        dataset = _apply(plan.rest(), dataset.load(), watch)
    _save(target, dataset, plan.load_recipe(), said, watch)


def _save(target: Path, dataset: xr.Dataset, recipe: Recipe, said: str, watch: Progress) -> None:
    from spectra.results import save

    watch.saving(target)
    save(target, dataset, recipe=recipe.text or recipe.resolved(), command=said)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _files(paths: str | Path | Iterable[str | Path]) -> list[Path]:
    """Files to read, patterns such as ``scan_*.xdi`` written out."""
    from spectra.reading.series import expand

    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    if not given:
        raise InvalidInput("no files were given: name at least one to read.")
    return [Path(file) for file in expand(given)]


def _target(out: str | Path | None, files: Sequence[Path]) -> Path | None:
    """Output path, checked before hours of work go into what cannot be written."""
    if out is None:
        return None
    target = Path(out).expanduser()
    if target.resolve() in {file.resolve() for file in files}:
        raise InvalidInput(f"{target} is one of the files to read: give the results another name.")
    folder = target.resolve().parent
    if not folder.is_dir():
        raise WriteError(f"{target} cannot be written: there is no folder {folder}. Make it first.")
    if target.is_dir():
        raise WriteError(f"{target} is a folder: name the results file, e.g. {target / 'results.nxs'}.")
    if not os.access(folder, os.W_OK):
        raise WriteError(f"{target} cannot be written: the folder {folder} is not writable.")
    return target
