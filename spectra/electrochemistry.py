"""Spectra and the cell they were measured on: logs of battery cyclers joined to a series by the wall clock."""

from __future__ import annotations

import datetime
import functools
import importlib.metadata
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag, series_dims
from spectra.errors import InvalidInput, ReadError
from spectra.verbs import note, resolve, verb

if TYPE_CHECKING:
    import xarray as xr

    from spectra.reading.source import Source

__all__ = ["join_cycler", "mean_over", "read_cycler"]

Array = npt.NDArray[np.float64]

#: Quantities that stay what they were until the next point.
_COUNTS = ("cycle", "half_cycle")


@functools.cache
def _cyclers() -> dict[str, tuple[Callable[[Source], float], Callable[[Source], xr.Dataset]]]:
    """How each kind of log is recognised and read, from whichever installed package announces it."""
    found = {}
    for entry in importlib.metadata.entry_points(group="spectra.cyclers"):
        module = entry.load()
        found[entry.name] = (module.sniff, module.cycler)
    return found


def read_cycler(*paths: str | os.PathLike[str]) -> xr.Dataset:
    r"""Read the log of a battery cycler: ``voltage`` and what else it has against ``time``.

    Parameters
    ----------
    *paths : path
        EC-Lab ``.mpt``, gzip-compressed or not, with decimal points or commas. Several files of one experiment are
        put together by the wall clock.

    Returns
    -------
    xarray.Dataset
        ``voltage`` (V), ``current`` (mA), ``charge`` (mA h), ``cycle``, ... along ``time`` (s since its attribute
        ``start``).

    Raises
    ------
    ReadError
        A file that is no log of a kind known here, or says no time, voltage or start.

    Examples
    --------
    >>> import pathlib, tempfile, spectra
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "cell.mpt"
    >>> head = ["EC-Lab ASCII FILE", "Nb header lines : 4", "Acquisition started on : 07/26/2022 22:38:30.000"]
    >>> rows = ["time/s\tEwe/V", "0,0\t3,49", "60,0\t3,61"]
    >>> _ = file.write_text("\n".join([*head, *rows]))
    >>> spectra.read_cycler(file).voltage.values
    array([3.49, 3.61])
    """
    import xarray as xr

    from spectra.reading.source import open_source

    if not paths:
        raise InvalidInput("read_cycler needs at least one file.")
    logs = []
    for path in paths:
        source = open_source(path)
        sure = {name: sniff(source) for name, (sniff, _) in _cyclers().items()}
        best = max(sure, key=lambda name: sure[name], default=None)
        if best is None or sure[best] <= 0:
            raise ReadError(
                f"{source.name} is no log of a battery cycler known here ({', '.join(sorted(sure))})."
            )
        logs.append(_cyclers()[best][1](source))
    if len(logs) == 1:
        return logs[0]
    starts = [datetime.datetime.fromisoformat(log.time.attrs["start"]) for log in logs]
    first = min(starts)
    shared = [n for n in logs[0].data_vars if all(n in log for log in logs)]
    moved = [
        log[shared].assign_coords(time=log.time + (start - first).total_seconds())
        for log, start in zip(logs, starts, strict=True)
    ]
    joined = xr.concat(moved, "time").sortby("time")
    joined.time.attrs.update(logs[0].time.attrs, start=first.isoformat())
    for name in shared:
        joined[name].attrs.update(logs[0][name].attrs)
    joined.attrs.update(
        start_time=first.isoformat(), notes="\n".join(filter(None, (log.attrs["notes"] for log in logs)))
    )
    return joined


def mean_over(time: Array, values: Array, start: Array, stop: Array) -> Array:
    """Mean of a quantity between ``start`` and ``stop``, read linearly between its points; its value where they meet."""
    keep = np.append(np.diff(time) > 0, True)  # of points at one time the last
    t, v = time[keep], values[keep]
    if t.size < 2:
        return np.full(np.shape(start), np.nan)
    total = np.concatenate([[0.0], np.cumsum(np.diff(t) * (v[1:] + v[:-1]) / 2)])

    def integral(at: Array) -> Array:
        i = np.clip(np.searchsorted(t, at, side="right") - 1, 0, t.size - 2)
        u = at - t[i]
        return np.asarray(total[i] + u * v[i] + u**2 / 2 * (v[i + 1] - v[i]) / (t[i + 1] - t[i]))

    width = stop - start
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (integral(stop) - integral(start)) / width
    return np.where(width > 0, mean, np.interp(start, t, v))


@verb("spectra.join_cycler")
def join_cycler(
    dataset: xr.Dataset,
    *,
    cycler: Any,
    duration: float = 0.0,
    clock_offset: float = 0.0,
    max_gap: float = 600.0,
) -> xr.Dataset:
    """Give each spectrum the voltage, current and charge of the cell at the time it was measured.

    Parameters
    ----------
    dataset : xarray.Dataset
        Series with the wall clock: ``time`` in s with its attribute ``start`` (as :func:`spectra.read_series` makes it
        of files that say when they began), or a coordinate ``start_time``.
    cycler : path, tuple of paths or xarray.Dataset
        Log of the cycler (EC-Lab ``.mpt``), or what :func:`spectra.read_cycler` made of it.
    duration : float
        How long a spectrum took, in s: the mean over this time is taken. 0: the value when it began.
    clock_offset : float
        What has to be added to the clock of the spectra, in s, to get that of the cycler.
    max_gap : float
        Between points of the log that lie further apart, in s, nothing is known.

    Returns
    -------
    xarray.Dataset
        With the coordinates ``voltage`` (V), ``current`` (mA), ``charge`` (mA h), ``cycle``, ... as far as the log has
        them. Spectra outside of the log hold NaN and the warning ``no_cycler``.

    Raises
    ------
    InvalidInput
        The spectra do not say when they were measured, or none of them lies inside of the log.
    ReadError
        The log cannot be read.

    Notes
    -----
    Both clocks are taken as written. Where only one of them names its time zone, its local time is compared.

    Examples
    --------
    >>> import numpy as np, spectra, xarray as xr
    >>> from spectra.electrochemistry import join_cycler
    >>> time = ("time", [0.0, 60.0], {"units": "s", "start": "2022-07-26T23:00:00"})
    >>> scans = spectra.from_arrays([1.0, 2.0], np.ones((2, 2)), dims=("time",), coords={"time": time})
    >>> log = xr.Dataset({"voltage": ("time", [3.0, 4.0], {"units": "V"})},
    ...                  {"time": ("time", [0.0, 120.0], {"start": "2022-07-26T23:00:00"})})
    >>> join_cycler(scans, cycler=log).voltage.values
    array([3. , 3.5])
    """
    if duration < 0:
        raise InvalidInput(f"duration is in s and not below 0, got {duration:g}.")
    if isinstance(cycler, Mapping) and "content" in cycler:
        return _labelled(dataset, cycler["content"])
    log = _log(cycler)
    dims, seconds = _seconds(dataset, str(log.time.attrs["start"]))
    start = seconds + clock_offset
    stop = start + duration
    time = log.time.values.astype(float)
    known = _known(time, start, max_gap) & _known(time, stop, max_gap)
    if not known.any():
        raise InvalidInput(
            f"no spectrum lies inside of the log: it runs for {time[-1] - time[0]:.0f} s from {_clock(log, time[0])}, the "
            f"spectra from {_clock(log, start.min())} to {_clock(log, start.max())}. Check clock_offset= and which "
            "number of the date is the month."
        )
    content = {}
    for name, values in log.data_vars.items():
        if name in _COUNTS:
            got = values.values[np.clip(np.searchsorted(time, start, side="right") - 1, 0, None)].astype(
                float
            )
        else:
            got = mean_over(time, values.values.astype(float), start, stop)
        content[str(name)] = {
            "dims": list(dims), "values": np.where(known, got, np.nan).tolist(),
            "units": str(values.attrs.get("units", "")), "long_name": str(values.attrs.get("long_name", name)),
        }  # fmt: skip
    for text in str(log.attrs.get("notes", "")).split("\n"):
        if text:
            note(text)
    resolve(cycler={"content": content})
    return _labelled(dataset, content)


def _log(given: Any) -> xr.Dataset:
    import xarray as xr

    if isinstance(given, xr.Dataset):
        if "time" not in given.coords or "start" not in given.time.attrs:
            raise InvalidInput(
                "cycler has no time with the attribute 'start' (the wall clock of time zero, ISO 8601)."
            )
        return given.sortby("time")
    paths = given if isinstance(given, tuple | list) else (given,)
    if not all(isinstance(p, str | os.PathLike) for p in paths):
        raise InvalidInput(
            f"cycler is a path, a tuple of paths or what read_cycler gives, got {type(given).__name__}."
        )
    return read_cycler(*paths)


def _seconds(dataset: xr.Dataset, origin: str) -> tuple[tuple[str, ...], Array]:
    """Dimensions of the spectra's times, and the times in s since ``origin``."""
    zero = datetime.datetime.fromisoformat(origin)
    if "time" in dataset.coords and dataset["time"].dtype.kind == "M":
        naive = np.datetime64(zero.replace(tzinfo=None), "ns")
        return tuple(map(str, dataset["time"].dims)), (dataset["time"].values - naive) / np.timedelta64(
            1, "s"
        )
    if "time" in dataset.coords and dataset["time"].attrs.get("start"):
        start = datetime.datetime.fromisoformat(str(dataset["time"].attrs["start"]))
        return tuple(map(str, dataset["time"].dims)), dataset["time"].values.astype(float) + _between(
            zero, start
        )
    if "start_time" in dataset.coords:
        texts = np.asarray(dataset["start_time"].values)
        values = [_between(zero, datetime.datetime.fromisoformat(str(t))) for t in texts.ravel()]
        return tuple(map(str, dataset["start_time"].dims)), np.array(values).reshape(texts.shape)
    if dataset.attrs.get("start_time") and not series_dims(dataset):
        return (), np.array(_between(zero, datetime.datetime.fromisoformat(str(dataset.attrs["start_time"]))))
    raise InvalidInput(
        "the spectra do not say when they were measured: they need a coordinate time with the attribute 'start' or a "
        "coordinate start_time (read_series makes both of files that hold their time)."
    )


def _between(first: datetime.datetime, second: datetime.datetime) -> float:
    if (first.tzinfo is None) != (second.tzinfo is None):
        note("only one of the two clocks names its time zone: local times were compared as written")
        first, second = first.replace(tzinfo=None), second.replace(tzinfo=None)
    return (second - first).total_seconds()


def _known(time: Array, at: Array, max_gap: float) -> npt.NDArray[np.bool_]:
    """Whether the log has points on both sides that are not too far apart."""
    after = np.searchsorted(time, at, side="left")
    inside = (at >= time[0]) & (at <= time[-1])
    gap = time[np.clip(after, 0, time.size - 1)] - time[np.clip(after - 1, 0, None)]
    return np.asarray(inside & ((gap <= max_gap) | (time[np.clip(after, 0, time.size - 1)] == at)))


def _clock(log: xr.Dataset, seconds: float) -> str:
    zero = datetime.datetime.fromisoformat(str(log.time.attrs["start"]))
    return f"{zero + datetime.timedelta(seconds=float(seconds)):%Y-%m-%d %H:%M:%S}"


def _labelled(dataset: xr.Dataset, content: Mapping[str, Any]) -> xr.Dataset:
    coords = {
        name: (
            tuple(c["dims"]),
            np.array(c["values"], float),
            {"units": c["units"], "long_name": c["long_name"]},
        )
        for name, c in content.items()
    }
    result = dataset.assign_coords(coords)
    missing = (
        result["voltage"].isnull() if "voltage" in result.coords else result[next(iter(content))].isnull()
    )
    shape = {d: dataset.sizes[d] for d in series_dims(dataset)}
    missing = missing.drop_vars(list(missing.coords)).expand_dims(
        {d: n for d, n in shape.items() if d not in missing.dims}
    )
    return flag(
        result, missing, "no_cycler", "the log of the cycler says nothing of this time: voltage and charge are not known",
        severity="warning",
    )  # fmt: skip
