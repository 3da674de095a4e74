"""Where a series is cut, and what a sample of it settles before: memory of a spectrum, options that hang on the series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spectra.dataset import failed, series_dims
from spectra.dataset.stored import lazily
from spectra.errors import InvalidInput, ReadError, RecipeError, SpectraError
from spectra.options import check_options
from spectra.pipeline.compute import apply_steps, only
from spectra.pipeline.memory import spectra_per_shard
from spectra.pipeline.plan import Plan, Shard, state_of
from spectra.pipeline.recipe import Recipe, Step
from spectra.pipeline.series import files_left_out, read_files
from spectra.pipeline.shards import ShardFolder
from spectra.results.fields import to_json
from spectra.verbs import Verb, as_measured, find_verb, history

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["first_plan", "plan_run", "resumed_plan", "written"]

#: Files, or rows of one file, that are looked at before the series is cut: spread evenly over it.
SAMPLE = 64
#: Spectra in a shard are a multiple of this, where they are that many.
_ROUND = 100
#: Spectra of a series of which nobody knows how long it gets.
ENDLESS = 10**6


@dataclass(frozen=True)
class _Sampled:
    """What a sample of the series tells."""

    dim: str
    settled: tuple[Mapping[str, Any], ...]  # of each verb that goes shard by shard
    bytes_each: float  # of a position along ``dim``: spectrum and results
    each_file: float  # positions along ``dim`` that a file has
    spectra: int  # of a position along ``dim``
    model: Path
    model_labels: tuple[str, ...]
    model_row: int | None


def plan_run(
    recipe: Recipe,
    files: Sequence[Path],
    *,
    memory: int,
    workers: int,
    attrs: Mapping[str, str] | None = None,
    spectra_each: int | None = None,
) -> Plan | None:
    """Plan of a run in shards; None where the series is best worked through in one piece.

    Parameters
    ----------
    recipe : Recipe
    files : sequence of Path
    memory : int
        Bytes that all workers together may take.
    workers : int
    attrs : mapping, optional
        Attributes given to the dataset as it is read.
    spectra_each : int, optional
        Positions along the series in a shard. Default: what fits the memory, 2000 at most.

    Notes
    -----
    What a verb takes from the whole series (:func:`spectra.verbs.series_value`) is, in every shard, what it came to on
    a sample of 64 files or rows spread evenly; a series of up to 64 is its own sample. The first good spectrum goes
    through the verbs with every shard, so that what hangs on the first of the series is the same in all. The first
    verb that takes the series together ends the part that is done shard by shard.
    """
    if not _can_be_cut(recipe, files):
        return None
    one_file = recipe.read.verb.endswith(".read")
    told = (
        _sampled_rows(recipe, files, attrs or {}) if one_file else _sampled_files(recipe, files, attrs or {})
    )
    if told is None:
        return None
    count = round(told.each_file) if one_file else len(files)
    room = spectra_each or spectra_per_shard(told.bytes_each, memory, workers)
    step = max(1, room if one_file else round(room / told.each_file))
    if spectra_each is None and workers > 1:  # every worker has something to do
        step = min(step, -(-count // (4 * workers)))
    if spectra_each is None and step > _ROUND:  # so whole chunks make a shard, and are joined as they are
        step -= step % _ROUND
    begins = range(0, count, step)
    if len(begins) < 2:
        return None
    ends = [min(begin + step, count) for begin in begins]
    return Plan(
        recipe=written(recipe),
        files=state_of(files),
        dim=told.dim,
        shards=tuple(
            Shard(number, 0, 1, (begin, end)) if one_file else Shard(number, begin, end)
            for number, (begin, end) in enumerate(zip(begins, ends, strict=True))
        ),
        settled=told.settled,
        model=list(files).index(told.model),
        model_labels=told.model_labels,
        model_row=told.model_row,
        length=round(told.each_file * len(files)) * told.spectra,
        attrs=dict(attrs or {}),
    )


def first_plan(
    recipe: Recipe, files: Sequence[Path], *, attrs: Mapping[str, str] | None = None
) -> Plan | None:
    """Plan of a series that begins with ``files`` and goes on; without shards. None where none of them can be read.

    Raises
    ------
    RecipeError
        The recipe does not read a series of files that can be read one after the other.
    """
    if recipe.read.verb.endswith(".read") or not _can_be_cut(recipe, [*files, *files]):
        raise RecipeError(
            f"{recipe.name} does not read a series file by file: it needs a [read] with a verb such as "
            "spectra.read_series, without coordinate numbers and without grid 'union' or 'intersection'."
        )
    try:
        told = _sampled_files(recipe, files, attrs or {})
    except (ReadError, OSError):
        return None
    if told is None:
        raise RecipeError(
            f"{recipe.read.verb} says no label of each spectrum, so a series cannot grow with it."
        )
    model = list(files).index(told.model)
    return Plan(
        written(recipe), state_of(files), told.dim, (), told.settled, model, told.model_labels,
        length=ENDLESS, attrs=dict(attrs or {}),
    )  # fmt: skip


def resumed_plan(
    folder: ShardFolder, recipe: Recipe, files: Sequence[Path], attrs: Mapping[str, str]
) -> Plan:
    """Plan of the run that began in ``folder``, if it is one of this recipe on these files."""
    begun = folder.plan()
    begun.check_same(replace(begun, recipe=written(recipe), files=state_of(files), attrs=dict(attrs)))
    return begun


def _can_be_cut(recipe: Recipe, files: Sequence[Path]) -> bool:
    """Whether parts of the series can be read by themselves."""
    if recipe.read.verb.endswith(".read"):
        return len(files) == 1
    options = recipe.read.options
    every_axis = options.get("grid") in ("union", "intersection")
    own_numbers = isinstance(options.get("coordinate"), tuple)
    return len(files) > 1 and not every_axis and not own_numbers


def written(recipe: Recipe) -> dict[str, Any]:
    """The recipe as it can be read again by another process."""
    data = {
        "title": recipe.title,
        "description": recipe.description,
        "read": {"verb": recipe.read.verb, **recipe.read.options},
        "step": [{"verb": step.verb, **step.options} for step in recipe.steps],
    }
    try:
        to_json(data)
    except (TypeError, ValueError) as error:
        raise InvalidInput(
            f"a run in shards needs a recipe of plain values, as a file holds them ({error}); with objects in it, give "
            "workers=1 and no memory limit."
        ) from None
    return {"name": recipe.name, "text": recipe.text, "data": {} if recipe.text else data}


def _sampled_files(recipe: Recipe, files: Sequence[Path], attrs: Mapping[str, str]) -> _Sampled | None:
    chosen = [files[i] for i in _spread(len(files))]
    first = _first_readable(recipe.read, files)
    if first not in chosen:
        chosen.insert(0, first)
    data = read_files(recipe.read, chosen, files).assign_attrs(attrs)
    dims = series_dims(data)
    if not dims or "label" not in data.coords or data["label"].dims != dims[:1]:
        return None
    readable = [file for file in chosen if str(file) not in files_left_out(data)]
    result, settled = _tried(recipe, data, dims[0])
    labels = {file: read_files(recipe.read, [file], files)["label"].values.tolist() for file in readable}
    bad = failed(result).any([d for d in series_dims(result) if d != dims[0]])
    good = result["label"].values[~bad.values].tolist() or result["label"].values.tolist()
    model = next(file for file in readable if good[0] in labels[file])
    return _sampled(data, result, settled, dims[0], len(readable), model, labels=tuple(labels[model]))


def _sampled_rows(recipe: Recipe, files: Sequence[Path], attrs: Mapping[str, str]) -> _Sampled | None:
    with lazily():
        data = read_files(recipe.read, files).assign_attrs(attrs)
    dims = series_dims(data)
    if not dims or data.sizes[dims[0]] < 2:
        return None
    dim, size = dims[0], data.sizes[dims[0]]
    chosen = _spread(size)
    sample = data.isel({dim: chosen}).compute()
    sample.encoding = {}
    result, settled = _tried(recipe, sample, dim)
    model = next((row for i, row in enumerate(chosen) if _went_well(result, dim, [i])), chosen[0])
    told = _sampled(sample, result, settled, dim, 1, files[0], row=model)
    return replace(told, each_file=float(size))


def _spread(count: int) -> list[int]:
    """Up to 64 numbers below ``count``, the first and the last among them."""
    numbers: list[int] = np.unique(np.linspace(0, count - 1, min(SAMPLE, count)).round().astype(int)).tolist()
    return numbers


def _went_well(result: xr.Dataset, dim: str, numbers: Sequence[int]) -> bool:
    return bool(numbers) and not bool(failed(result).isel({dim: list(numbers)}).any())


def _first_readable(step: Step, files: Sequence[Path]) -> Path:
    fault: Exception = InvalidInput("no files were given.")
    for file in files:
        try:
            read_files(step, [file], files)
        except Exception as error:  # what is wrong with it is said when its shard is read
            fault = error
        else:
            return file
    raise fault


def _tried(recipe: Recipe, data: xr.Dataset, dim: str) -> tuple[xr.Dataset, list[Mapping[str, Any]]]:
    """The sample after each verb that takes a spectrum by itself, and what each took from the series."""
    result, settled = data, list[Mapping[str, Any]]()
    for step in recipe.steps:
        found = find_verb(step.verb)
        if found.takes_series_together(step.options):
            break
        tried = _applied(result, step, dim)
        told = history(tried)[-1]
        defaults = {
            name: value for name, value in told.get("resolved", {}).items() if _is_open(found, step, name)
        }
        if found.takes_series_together({**step.options, **defaults}) or dim not in tried.dims:
            break
        result = tried
        settled.append(told.get("series", {}))
    return result, settled


def _applied(sample: xr.Dataset, step: Step, dim: str) -> xr.Dataset:
    """The sample after a verb; without those spectra for which it raises what no verb should."""
    try:
        return apply_steps(sample, [step])
    except SpectraError:
        raise
    except Exception as fault:
        good = []
        for number in range(sample.sizes[dim]):
            try:
                apply_steps(only(sample, [number], dim), [step])
            except Exception:
                continue
            good.append(number)
        if not good:
            raise fault
    return apply_steps(only(sample, good, dim), [step])


def _is_open(found: Verb, step: Step, name: str) -> bool:
    """Whether the recipe leaves the option to the verb."""
    options = check_options(step.verb, found.function, step.options)
    return name in options and options[name] is None


def _sampled(
    data: xr.Dataset,
    result: xr.Dataset,
    settled: Sequence[Mapping[str, Any]],
    dim: str,
    files: int,
    model: Path,
    *,
    labels: tuple[str, ...] = (),
    row: int | None = None,
) -> _Sampled:
    size = data.sizes[dim]
    beside = [v for n, v in as_measured(result).variables.items() if n not in result.variables]
    total = sum(v.nbytes for v in [*result.variables.values(), *beside])
    each = int(np.prod([data.sizes[d] for d in series_dims(data)])) // size
    return _Sampled(dim, tuple(settled), total / size, size / max(files, 1), each, model, labels, row)
