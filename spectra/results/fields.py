"""Values of a dataset as HDF5 and JSON can hold them, and back, without loss.

Numbers and booleans stay what they are. Text becomes UTF-8, dates seconds since an ISO 8601 start (or ISO 8601 text
where seconds would not be exact), durations seconds. What kind it was is said beside (``dtype``).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from spectra.errors import ReadError, WriteError

__all__ = ["from_field", "from_json", "safe_name", "to_field", "to_json"]

_RESERVED = re.compile(r"_(end|errors|increment_set|indices|mask|offset|scaling_factor|set|weights)$")
_LONGEST = 63  # characters of a name, as in NeXus
_NON_FINITE = "non_finite_number"  # JSON has no NaN and no infinity
_TIME = re.compile(r"(datetime64|timedelta64)\[(ns|us|ms|s)\]")
_PLAIN = re.compile(r"[<>=|]?(bool|u?int\d+|float\d+|complex\d+|[US]\d+|[biufc]\d+)")
_FREE = 1 << 24  # bytes that texts may take beyond what they hold
_UTC = "+00:00"  # NumPy's dates are taken as UTC
_STEPS = {"ns": 10**9, "us": 10**6, "ms": 10**3, "s": 1}


def safe_name(text: str, taken: Collection[str] = (), *, suffix: str = "") -> str:
    """``text`` as a NeXus name ``[a-z0-9_]+`` that is not in ``taken`` and none of the reserved ones."""
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:_LONGEST] or "unnamed"
    if _RESERVED.search(name):
        name += "_value"
    number, unique = 1, name + suffix
    while unique in taken:
        number += 1
        unique = f"{name}_{number}{suffix}"
    return unique


def to_field(values: Any, where: str) -> tuple[Any, dict[str, str]]:
    """Array as a field of HDF5, and what :func:`from_field` must know to undo it: ``dtype``, for dates ``start``.

    Parameters
    ----------
    values : array
        NumPy or, for numbers, dask.
    where : str
        What these values are, for the error where they cannot be written.
    """
    if values.dtype.kind in "biufc":
        return values, {"dtype": str(values.dtype)}
    array = np.asarray(values)
    if array.dtype.kind in "Mm":
        return _to_seconds(array)
    if array.dtype.kind in "UT" or (
        array.dtype.kind == "O" and all(isinstance(v, str) for v in array.ravel())
    ):
        return _texts(array, where), {"dtype": "object" if array.dtype.kind == "O" else str(array.dtype)}
    kinds = (
        sorted({type(v).__name__ for v in array.ravel()}) if array.dtype.kind == "O" else [str(array.dtype)]
    )
    raise WriteError(
        f"{where} holds {', '.join(kinds)}, which a results file cannot; "
        "it takes numbers, booleans, text and dates. Convert or drop it."
    )


def from_field(raw: npt.NDArray[Any], record: Mapping[str, Any]) -> npt.NDArray[Any]:
    """Array as it was before :func:`to_field`."""
    dtype = str(record["dtype"])
    if _TIME.fullmatch(dtype):
        return _from_seconds(raw, str(record.get("start", "")), dtype)
    if dtype.startswith("StringDType"):
        return raw.astype(np.dtypes.StringDType())
    if dtype != "object" and not _PLAIN.fullmatch(dtype):
        raise ReadError(f"a results file cannot hold values of the kind {dtype!r}.")
    kind = np.dtype(dtype)
    if kind.kind in "US" and raw.size * kind.itemsize > _FREE + 8 * sum(
        len(str(text)) for text in raw.ravel()
    ):
        raise ReadError(f"texts of the kind {dtype!r} are far longer than what the file holds.")
    return raw.astype(kind, copy=False)


def _texts(array: npt.NDArray[Any], where: str) -> npt.NDArray[np.object_]:
    texts = array.astype(object)
    for text in texts.ravel():
        if "\0" in text or not _encodable(text):
            raise WriteError(f"{where} holds the text {text!r}, which is not valid UTF-8 without zero bytes.")
    return texts


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _to_seconds(array: npt.NDArray[Any]) -> tuple[Any, dict[str, str]]:
    """Seconds since the first date, which a viewer can plot against; ISO 8601 text where they would lose digits."""
    if _TIME.fullmatch(str(array.dtype)) is None:  # minutes, days: seconds hold them exactly
        array = array.astype("datetime64[s]" if array.dtype.kind == "M" else "timedelta64[s]")
    missing = np.isnat(array)
    record = {"dtype": str(array.dtype)}
    zero = np.zeros((), array.dtype)
    if array.dtype.kind == "M":
        zero = array[~missing].min() if not missing.all() else zero
        record["start"] = f"{zero}{_UTC}"
    counts = (array - zero).astype(np.int64)
    seconds = np.where(missing, np.nan, counts / _STEPS[np.datetime_data(array.dtype)[0]])
    if np.array_equal(from_field(seconds, record), array, equal_nan=True):
        return seconds, record
    texts = [f"{v}{_UTC}" if array.dtype.kind == "M" else str(v.astype(np.int64)) for v in array.ravel()]
    return np.asarray(texts, object).reshape(array.shape), record


def _from_seconds(raw: npt.NDArray[Any], start: str, kind: str) -> npt.NDArray[Any]:
    dtype = np.dtype(kind)
    if raw.dtype.kind not in "fiu":
        texts = [str(text).removesuffix(_UTC) for text in raw.ravel()]
        values = texts if dtype.kind == "M" else [int(text) for text in texts]
        return np.asarray(values, dtype).reshape(raw.shape)
    unit = np.datetime_data(dtype)[0]
    missing = np.isnan(raw)
    with np.errstate(over="ignore"):
        steps = np.where(missing, 0.0, raw) * float(_STEPS[unit])
    if not (np.abs(steps) < 2.0**62).all():
        raise ReadError(f"a time of {np.abs(raw).max():g} s is none.")
    counts = np.round(steps).astype(np.int64).astype(f"timedelta64[{unit}]")
    zero = np.asarray(start.removesuffix(_UTC), dtype) if dtype.kind == "M" else np.zeros((), dtype)
    return np.where(missing, np.asarray("NaT", dtype), np.asarray(zero + counts, dtype))


def to_json(value: Any, *, indent: int | None = None) -> str:
    """``value`` as strict JSON; tuples and arrays become lists, objects their text."""
    return json.dumps(_plain(value), indent=indent, ensure_ascii=False, allow_nan=False)


def from_json(text: str) -> Any:
    """What :func:`to_json` wrote."""
    return json.loads(text, object_hook=_number)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(v) for v in (sorted(value, key=str) if isinstance(value, set | frozenset) else value)]
    if isinstance(value, float) and not math.isfinite(value):
        return {_NON_FINITE: str(value)}
    return value if value is None or isinstance(value, int | float | bool) else str(value)


def _number(table: dict[str, Any]) -> Any:
    if set(table) == {_NON_FINITE} and table[_NON_FINITE] in ("nan", "inf", "-inf"):
        return float(table[_NON_FINITE])
    return table
