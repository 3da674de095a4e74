"""Where the spectra of a series lie: the wall clock, a number of the metadata, or what the user says."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from spectra.errors import InvalidInput, ReadError, did_you_mean
from spectra.reading.registry import scan_name

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["with_coordinate", "with_time"]

#: A number and its units; not a date, a time or a range.
_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?!\d|[-:/.]\d)\s*(\S*)")


def with_time(dataset: xr.Dataset, datasets: Sequence[xr.Dataset], dim: str) -> xr.Dataset:
    """Wall-clock time of each scan in s since the first, where every scan says when it began."""
    starts = [scan.attrs.get("start_time") for scan in datasets]
    if not all(starts):
        if dim == "time":
            missing = sum(not s for s in starts)
            raise ReadError(
                f"{missing} of {len(starts)} scans do not say when they began; choose another dim or coordinate=."
            )
        return dataset
    times = [datetime.datetime.fromisoformat(str(s)) for s in starts]
    if len({t.tzinfo is None for t in times}) > 1:
        return dataset
    first = min(times)
    seconds = np.array([(t - first).total_seconds() for t in times])
    attrs = {"units": "s", "start": first.isoformat(), "long_name": "time since the first spectrum"}
    dataset = dataset.assign_coords(time=(dim, seconds, attrs))
    return dataset.sortby("time") if dim == "time" else dataset


def with_coordinate(
    dataset: xr.Dataset, datasets: Sequence[xr.Dataset], dim: str, coordinate: tuple[float, ...] | str | None
) -> xr.Dataset:
    """Coordinate of the series dimension itself: as given, out of the metadata, the time, or a running number."""
    n = len(datasets)
    if coordinate is None:
        return (
            dataset
            if dim in dataset.coords
            else dataset.assign_coords({dim: (dim, np.arange(n), {"units": ""})})
        )
    if not isinstance(coordinate, str):
        if len(coordinate) != n:
            raise InvalidInput(f"coordinate has {len(coordinate)} values; the series has {n} spectra.")
        return dataset.assign_coords({dim: (dim, np.asarray(coordinate, float), {"units": ""})})
    values, units = zip(*(_metadata_number(scan, coordinate, dataset) for scan in datasets), strict=True)
    return dataset.assign_coords({dim: (dim, np.array(values), {"units": units[0], "long_name": coordinate})})


def _metadata_number(scan: xr.Dataset, key: str, series: xr.Dataset) -> tuple[float, str]:
    known: Mapping[str, Any] = {
        **json.loads(scan.attrs.get("metadata", "{}")),
        **json.loads(scan.attrs.get("experiment", "{}")),
        **scan.attrs,
    }
    lower = {str(k).lower(): v for k, v in known.items()}
    if key.lower() not in lower:
        if key in series.coords:  # the wall clock, or the label
            raise InvalidInput(
                f"{key} is no metadata: dim={key!r} puts the spectra along it, without coordinate=."
            )
        numbers = [str(name) for name, value in known.items() if _NUMBER.match(str(value))]
        raise InvalidInput(
            f"{scan_name(scan)} has no metadata {key!r} to be the coordinate; {did_you_mean(key, numbers)}."
        )
    value = lower[key.lower()]
    match = _NUMBER.match(str(value))
    if match is None:
        along = "time" if key.lower() == "start_time" else key
        remedy = f"say dim={along!r} instead, or " if along in series.coords else ""
        raise InvalidInput(
            f"{scan_name(scan)}: {key} is {value!r}, not a number; {remedy}give coordinate= as numbers."
        )
    return float(match.group(1)), match.group(2)
