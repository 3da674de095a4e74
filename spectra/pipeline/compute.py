"""One shard of a run: read, apply the verbs, keep what a verb failed on as measured and flagged."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spectra.dataset.stored import lazily
from spectra.errors import ReadError, SpectraError
from spectra.pipeline.plan import InputFile, Plan, Shard, state_of
from spectra.pipeline.recipe import Step
from spectra.pipeline.series import files_left_out, mark_left_out, read_files
from spectra.verbs import as_measured, find_verb, part_of_series, settled

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["apply_steps", "compute_shard", "only"]


def apply_steps(
    dataset: xr.Dataset, steps: Sequence[Step], of_series: Sequence[Mapping[str, Any]] = ()
) -> xr.Dataset:
    """``dataset`` after the verbs, in order; ``of_series`` is what each of them takes from the whole series."""
    for number, step in enumerate(steps):
        with settled(of_series[number] if of_series else {}):
            dataset = find_verb(step.verb).function(dataset, **step.options)
    return dataset


def compute_shard(
    plan: Plan, shard: Shard, *, carefully: bool = False
) -> tuple[xr.Dataset | None, dict[str, str]]:
    """The shard's dataset after all verbs, and why files of it were left out; None where nothing could be read.

    Parameters
    ----------
    plan : Plan
    shard : Shard
    carefully : bool
        After a fault: where a verb raises for the shard as a whole, its spectra go through the verbs one by one, and
        those that it raises for are flagged ``verb_failed``.
    """
    read = _read_rows if shard.rows is not None else _read_files
    data, own, left_out = read(plan, shard)
    if data is None or not own:
        return None, left_out
    with part_of_series(plan.length):
        if carefully:
            made = _carefully(data, own, plan)
        else:
            made = only(apply_steps(data, plan.steps(), plan.settled), own, plan.dim)
    return mark_left_out(made, left_out), left_out


def _carefully(data: xr.Dataset, own: Sequence[int], plan: Plan) -> xr.Dataset:
    """As a whole, or, where a verb raises for it, each spectrum with the model; flagged where a verb raises then."""
    from spectra.results.joining import join

    try:
        return only(apply_steps(data, plan.steps(), plan.settled), own, plan.dim)
    except Exception:  # whatever it was: the other spectra go on
        pass
    model = [number for number in range(data.sizes[plan.dim]) if number not in set(own)]
    done = []
    for number in own:
        pair = only(data, [*model, number], plan.dim)
        try:
            made = apply_steps(pair, plan.steps(), plan.settled)
            done.append(only(made, [len(model)], plan.dim))
        except Exception as error:
            text = str(error) if isinstance(error, SpectraError) else f"{type(error).__name__}: {error}"
            done.append(_flagged(only(data, [number], plan.dim), text))
    return join(done, plan.dim)


def _flagged(dataset: xr.Dataset, why: str) -> xr.Dataset:
    from spectra.dataset import flag, series_dims

    every = np.ones(tuple(dataset.sizes[d] for d in series_dims(dataset)), bool)
    return flag(dataset, every, "verb_failed", f"a verb raised: {' '.join(why.split())[:300]}")


def only(dataset: xr.Dataset, numbers: Sequence[int], dim: str) -> xr.Dataset:
    """These spectra of ``dataset``, and of the data as measured that it carries along."""
    if len(numbers) == dataset.sizes[dim]:
        return dataset
    part, start = dataset.isel({dim: list(numbers)}), as_measured(dataset)
    part.encoding = {key: value for key, value in part.encoding.items() if key != "as_measured"}
    if start is not dataset:
        part.encoding["as_measured"] = start.isel({dim: list(numbers)})
    return part


_Read = tuple["xr.Dataset | None", list[int], dict[str, str]]


def _read_files(plan: Plan, shard: Shard) -> _Read:
    """The shard's files behind the model, the numbers of the spectra that are its own, and what was left out."""
    step, everyone = plan.load_recipe().read, [Path(file.path) for file in plan.files]
    wanted = plan.files[shard.first : shard.end]
    now = state_of([file.path for file in wanted])
    left_out = {
        planned.path: "it changed under the run"
        for planned, found in zip(wanted, now, strict=True)
        if planned != found
    }
    files = [Path(file.path) for file in wanted if file.path not in left_out]
    model = everyone[plan.model]
    guest = model not in files
    try:
        data = read_files(step, [model, *files] if guest and files else files, everyone)
    except (SpectraError, OSError) as error:
        return None, [], left_out | {str(file): str(error) for file in files}
    left_out |= files_left_out(data)
    data = mark_left_out(data, {}).assign_attrs(plan.attrs)
    labels, theirs = data["label"].values.tolist(), set(plan.model_labels) if guest else set()
    own = [number for number, label in enumerate(labels) if label not in theirs]
    guests = [number for number, label in enumerate(labels) if label in theirs]
    if guests:  # in front, also where the clock says otherwise
        data = data.isel({plan.dim: [*guests, *own]})
        own = list(range(len(guests), len(labels)))
    if guest:  # what is stored is what belongs to this shard
        inputs = [item for item in json.loads(data.attrs.get("inputs", "[]")) if item["file"] != str(model)]
        data = data.assign_attrs(inputs=json.dumps(inputs))
    return data, own, left_out


def _read_rows(plan: Plan, shard: Shard) -> _Read:
    """The shard's rows of the one file, behind the row that is the model."""
    data = _whole_file(plan.load_recipe().read, plan.files[shard.first]).assign_attrs(plan.attrs)
    first, end = shard.rows or (0, 0)
    if plan.dim not in data.dims or data.sizes[plan.dim] < end:
        raise ReadError(
            f"{plan.files[shard.first].path} is not what it was when the run began: {plan.dim} ends before {end}."
        )
    rows, row = list(range(first, end)), plan.model_row
    guest = [] if row is None or first <= row < end else [row]
    part = data.isel({plan.dim: [*guest, *rows]}).compute()
    part.encoding = {}
    return part, list(range(len(guest), len(guest) + len(rows))), {}


@functools.lru_cache(maxsize=1)
def _read_once(read: str, path: str, modified: int) -> xr.Dataset:
    step = Step(**json.loads(read))
    with lazily():
        return read_files(step, [Path(path)])


def _whole_file(step: Step, file: InputFile) -> xr.Dataset:
    """A file of which each shard takes some rows: a process reads it once."""
    return _read_once(
        json.dumps({"verb": step.verb, "options": dict(step.options)}), file.path, file.modified
    )
