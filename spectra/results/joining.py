"""Parts of a series as the one series they were cut from: values, flags, history and the data as measured.

What a part says once for all its spectra and another part says differently becomes one value per spectrum, as when the
series is read in one piece.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset.flags import join_flags
from spectra.dataset.stored import one_behind_the_other
from spectra.errors import InvalidInput
from spectra.verbs import as_measured, history

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["join"]

#: Attributes that are put together by rules of their own.
_OWN_RULES = ("history", "inputs", "title", "files_left_out")
#: Longest text that becomes a coordinate where it differs.
_SHORT = 200
#: Notes of single parts that are kept, of each verb.
_NOTES = 20


def join(parts: Sequence[xr.Dataset], dim: str) -> xr.Dataset:
    """Parts of a series, in order, as one; lazy arrays stay lazy.

    Parameters
    ----------
    parts : sequence of xarray.Dataset
        Each went through the same verbs. A variable that a part lacks, because a verb failed on it, is NaN there.
    dim : str
        The series dimension along which they lie one behind the other.

    Raises
    ------
    InvalidInput
        They differ in what all spectra of a series share: the axis, units, dimensions.
    """
    if len(parts) == 1:
        return parts[0]
    shared: _Joined = {}
    whole = _join(parts, dim, shared)
    starts = [as_measured(part) for part in parts]
    if any(start is not part for start, part in zip(starts, parts, strict=True)):
        whole.encoding["as_measured"] = _join(starts, dim, shared)
    return whole


#: Arrays already joined, by the identities of their parts: what two datasets share stays shared.
_Joined = dict[tuple[int, ...], Any]


def _join(parts: Sequence[xr.Dataset], dim: str, shared: _Joined) -> xr.Dataset:
    import xarray as xr

    import spectra.dataset.accessor  # noqa: F401  the dataset has ``.spectra``

    lengths = [part.sizes[dim] for part in parts]
    differing = _differing_attributes(parts, dim)
    names = list(dict.fromkeys(str(name) for part in parts for name in part.variables))
    variables: dict[str, xr.Variable] = {}
    for name in names:
        if name != "status" and name not in differing:
            variables[name] = _variable(
                name, [part.variables.get(name) for part in parts], dim, lengths, shared
            )
    for name, values in differing.items():
        variables[name] = xr.Variable((dim,), np.concatenate(values))
    coords = {str(name) for part in parts for name in part.coords} | set(differing)
    attrs = _attributes(parts, dim, set(differing))
    whole = xr.Dataset(variables, attrs=attrs).set_coords([name for name in coords if name in variables])
    if any("status" in part for part in parts):
        whole = whole.assign(status=join_flags(parts, dim))
    return _renumbered(_one_clock(whole, parts, dim), parts, dim)


def _variable(
    name: str, found: Sequence[xr.Variable | None], dim: str, lengths: Sequence[int], shared: _Joined
) -> xr.Variable:
    import xarray as xr

    there = [variable for variable in found if variable is not None]
    first = there[0]
    if any(variable.dims != first.dims for variable in there):
        raise InvalidInput(f"{name} has other dimensions in some parts of the series than in others.")
    attrs = {
        key: value
        for key, value in first.attrs.items()
        if all(key in variable.attrs and _alike(variable.attrs[key], value) for variable in there)
    }
    if attrs.get("units") != first.attrs.get("units"):
        raise InvalidInput(f"{name} has other units in some parts of the series than in others.")
    if dim not in first.dims:
        odd = next((variable for variable in there if not _same(variable, first)), None)
        if odd is not None:
            raise InvalidInput(
                f"{name} is one for all spectra, and it differs between parts of the series: give the verb that makes it "
                "the option that fixes it, or let the series be worked through in one piece (more memory, one worker)."
            )
        return xr.Variable(first.dims, first._data, attrs)
    key = tuple(id(variable._data) if variable is not None else 0 for variable in found)
    if key not in shared:
        along = first.dims.index(dim)
        shared[key] = _concatenated(
            [_data(variable, first, along, n) for variable, n in zip(found, lengths, strict=True)], along
        )
    return xr.Variable(first.dims, shared[key], attrs)


def _data(variable: xr.Variable | None, like: xr.Variable, along: int, length: int) -> Any:
    """Values of a part; where it has none, as many as it has spectra: NaN, zero or an empty text."""
    if variable is not None:
        return variable.data
    shape = (*like.shape[:along], length, *like.shape[along + 1 :])
    empty: dict[str, Any] = {"f": np.nan, "c": np.nan, "M": "NaT", "m": "NaT", "U": "", "O": ""}
    return np.full(shape, empty.get(like.dtype.kind, 0), like.dtype)


def _concatenated(arrays: Sequence[Any], along: int) -> Any:
    if any(hasattr(array, "dask") for array in arrays):
        import dask.array

        return one_behind_the_other(arrays) if along == 0 else dask.array.concatenate(arrays, axis=along)
    return np.concatenate([np.asarray(array) for array in arrays], axis=along)


def _same(one: xr.Variable, other: xr.Variable) -> bool:
    return one._data is other._data or bool(one.equals(other))  # type: ignore[no-untyped-call]


def _alike(one: Any, other: Any) -> bool:
    return bool(np.array_equal(np.asarray(one), np.asarray(other)))


def _differing_attributes(parts: Sequence[xr.Dataset], dim: str) -> dict[str, list[npt.NDArray[Any]]]:
    """Attributes that parts say differently, and those that only some say once for all: values for every spectrum."""
    keys = dict.fromkeys(
        str(key) for part in parts for key in part.attrs if key not in (*_OWN_RULES, "signal")
    )
    found: dict[str, list[npt.NDArray[Any]]] = {}
    for key in keys:
        said = [part.attrs.get(key) for part in parts]
        beside = [part.coords[key] if key in part.coords else None for part in parts]
        if all(coordinate is None for coordinate in beside) and all(_alike(value, said[0]) for value in said):
            continue
        if any(coordinate is not None and coordinate.dims != (dim,) for coordinate in beside):
            continue
        numbers = all(value is None or isinstance(value, int | float) for value in said)
        if not numbers and any(len(str(value)) > _SHORT for value in said):
            continue
        missing: Any = np.nan if numbers else ""
        found[key] = [
            np.asarray(coordinate.values)
            if coordinate is not None
            else np.full(part.sizes[dim], missing if value is None else value, None if numbers else object)
            for part, value, coordinate in zip(parts, said, beside, strict=True)
        ]
    return found


def _attributes(parts: Sequence[xr.Dataset], dim: str, differing: set[str]) -> dict[str, Any]:
    first = parts[0].attrs
    signals = {part.attrs.get("signal") for part in parts}
    if len(signals) > 1:
        raise InvalidInput(f"parts of the series measured different things: {', '.join(map(str, signals))}.")
    attrs = {
        key: value
        for key, value in first.items()
        if key not in (*_OWN_RULES, *differing)
        and all(key in part.attrs and _alike(part.attrs[key], value) for part in parts)
    }
    titles = [str(part.attrs.get("title", "")) for part in parts]
    begin, end = titles[0].partition(" … ")[0], titles[-1].rpartition(" … ")[2].partition(f" along {dim}")[0]
    end = end.rpartition(" (")[0] if " … " in titles[-1] else end
    count = sum(part.sizes[dim] for part in parts)
    attrs["title"] = begin if set(titles) == {begin} else f"{begin} … {end} ({count} along {dim})"
    return attrs | _listed(parts) | {"history": json.dumps(_history(parts))}


def _listed(parts: Sequence[xr.Dataset]) -> dict[str, str]:
    """Input files of all parts, each once, and those that were left out."""
    attrs: dict[str, str] = {}
    inputs = {json.dumps(item): item for part in parts for item in json.loads(part.attrs.get("inputs", "[]"))}
    if inputs:
        attrs["inputs"] = json.dumps(list(inputs.values()))
    left_out = {k: v for part in parts for k, v in json.loads(part.attrs.get("files_left_out", "{}")).items()}
    if left_out:
        attrs["files_left_out"] = json.dumps(left_out, ensure_ascii=False)
    return attrs


def _history(parts: Sequence[xr.Dataset]) -> list[dict[str, Any]]:
    """One history for all: notes that all parts have once, others with the number of their part."""
    longest = max((history(part) for part in parts), key=len)
    joined = []
    for number, entry in enumerate(longest):
        told = [steps[number] if number < len(steps) else {} for steps in map(history, parts)]
        entry = dict(entry)
        notes = _notes([step.get("notes", []) for step in told])
        resolved = {
            key: value
            for key, value in entry.get("resolved", {}).items()
            if all(step.get("resolved", {}).get(key, value) == value for step in told)
        }
        for key, value in (("notes", notes), ("resolved", resolved)):
            entry.pop(key, None)
            if value:
                entry[key] = value
        added = dict.fromkeys(name for step in told for name in step.get("added", []))
        if added:
            entry["added"] = list(added)
        joined.append(entry)
    return joined


def _notes(lists: Sequence[Sequence[str]]) -> list[str]:
    everywhere = [text for text in lists[0] if all(text in notes for notes in lists)]
    of = len(lists)
    single = [
        f"part {number} of {of}: {text}"
        for number, notes in enumerate(lists, 1)
        for text in notes
        if text not in everywhere
    ]
    more = [f"and {len(single) - _NOTES} more notes of single parts"] if len(single) > _NOTES else []
    return [*everywhere, *single[:_NOTES], *more]


def _one_clock(whole: xr.Dataset, parts: Sequence[xr.Dataset], dim: str) -> xr.Dataset:
    """Times that each part counts from its own start, counted from the earliest of all."""
    for name in list(whole.coords):
        begun = [part[name].attrs.get("start") for part in parts if name in part.coords]
        if whole[name].dims != (dim,) or not all(begun) or len(begun) < len(parts):
            continue
        starts = [datetime.datetime.fromisoformat(str(start)) for start in begun]
        if len({start.tzinfo is None for start in starts}) > 1:
            continue
        zero = min(starts)
        late = [(start - zero).total_seconds() for start in starts]
        values = np.concatenate([part[name].values + by for part, by in zip(parts, late, strict=True)])
        attrs = parts[0][name].attrs | {"start": begun[starts.index(zero)]}
        whole = whole.assign_coords({name: (dim, values, attrs)})
    return whole


def _renumbered(whole: xr.Dataset, parts: Sequence[xr.Dataset], dim: str) -> xr.Dataset:
    """A running number of the spectra that begins anew in each part runs through."""

    def runs(part: xr.Dataset) -> bool:
        if dim not in part.coords:
            return False
        index = part.coords[dim]
        counts = index.dtype.kind in "iu" and not index.attrs.get("units")
        return counts and bool((np.diff(index.values) == 1).all())

    if all(map(runs, parts)):
        return whole.assign_coords({dim: (dim, np.arange(whole.sizes[dim]), dict(parts[0][dim].attrs))})
    return whole
