"""What detectors and programs leave in a spectrum: points and spectra that were never measured, saturation, negatives."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset.conventions import signal_name, spectral_axis
from spectra.dataset.flags import flag
from spectra.reading.scan import add_note
from spectra.verbs import history

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["marked", "saturated", "unmeasured_ends"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

#: As many exact zeros at an end were never measured, whatever stands beside them.
_LONG = 3
#: Fewer were not where the next value is further from zero than this many typical steps between neighbours.
_JUMP = 8.0
#: Counters of single photons measure zeros: a spectrum with a larger share of them inside is left as it is.
_TRUE_ZEROS = 0.05
#: The highest number of a converter with 16 bits.
_FULL = 65535.0
#: As many equal highest values beside each other are a plateau, of values so large that it is no chance.
_PLATEAU, _LARGE = 3, 1000.0
#: Values that are looked at in one go.
_AT_ONCE = 1 << 20


def marked(scan: xr.Dataset) -> xr.Dataset:
    """``scan`` with what was not measured as NaN, and with flags and notes on what is doubtful."""
    axis, name = spectral_axis(scan), signal_name(scan)
    if axis != "raman_shift" or (history(scan) and history(scan)[0]["verb"] != "spectra.from_arrays"):
        return scan  # infrared, or a result of ours
    signal = scan[name].transpose(..., axis)
    seen = _look_at(signal.data)
    scan = scan.assign({name: (signal.dims, _as_measured(signal.data, bool(seen.blank.any())), signal.attrs)})
    notes = []
    if seen.ends.any():
        where = "" if signal.ndim == 1 else f" of {np.count_nonzero(seen.ends)} spectra"
        points = int(seen.ends.sum())
        said = "point is an exact zero" if points == 1 else "points are exact zeros"
        notes.append(f"at the ends{where} {points} {said}: never measured, now NaN")
    gone = int((seen.nothing & (seen.blank > 0)).sum())
    if gone:
        notes.append(f"{gone} spectra hold nothing but exact zeros: never measured, now NaN")
    if seen.nothing.any():
        scan = flag(
            scan,
            seen.nothing,
            "not_measured",
            "nothing was measured here: the spectrum is NaN (an interrupted or incomplete series)",
        )
    points = int(seen.full.sum())
    if points:
        notes.append(f"the detector was saturated at {points} point{'s' if points > 1 else ''}")
        scan = flag(
            scan,
            seen.full > 0,
            "saturated",
            "the detector was saturated: heights, areas and widths there are too small or wrong; measure shorter",
            severity="warning",
        )
    if seen.negative.any():
        notes.append(
            f"{seen.negative.sum()} of {seen.finite.sum()} intensities are negative: "
            "a dark signal or a baseline was subtracted before"
        )
    return add_note(scan, *notes)


@dataclass(frozen=True)
class _Seen:
    """Of each spectrum: points never measured, whether all are, saturated, negative and finite ones."""

    blank: IntArray
    nothing: BoolArray
    full: IntArray
    negative: IntArray
    finite: IntArray

    @property
    def ends(self) -> IntArray:
        """Points that were never measured, of spectra with others that were."""
        return np.where(self.nothing, 0, self.blank)


def _look_at(values: Any) -> _Seen:
    """Some rows at a time, so that a series larger than memory is looked through, too."""
    series = values.shape[:-1]
    rows = values if series else values[None]
    step = max(1, _AT_ONCE // max(1, math.prod(rows.shape[1:])))
    parts = [_seen(np.array(rows[at : at + step], float)) for at in range(0, max(1, len(rows)), step)]
    return _Seen(*(np.concatenate(each).reshape(series) for each in zip(*parts, strict=True)))


def _seen(values: FloatArray) -> tuple[npt.NDArray[Any], ...]:
    blank = unmeasured_ends(values)
    values[blank] = np.nan
    finite = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        negative = values < 0
    counted = [each.sum(axis=-1) for each in (blank, saturated(values), negative, finite)]
    return counted[0], np.asarray(np.isnan(values).all(axis=-1)), *counted[1:]


def _as_measured(values: Any, some_were_not: bool) -> Any:
    """The values as floats, NaN where nothing was measured; lazy ones stay lazy."""
    if hasattr(values, "dask"):
        return values.map_blocks(_without_ends, dtype=float) if some_were_not else values.astype(float)
    return _without_ends(values) if some_were_not else np.array(values, float)


def _without_ends(values: npt.NDArray[Any]) -> FloatArray:
    measured = np.array(values, float)
    measured[unmeasured_ends(measured)] = np.nan
    return measured


def unmeasured_ends(values: FloatArray) -> BoolArray:
    """Exact zeros at the ends of spectra (..., n) that no detector measured.

    A run of three or more, or a shorter one with a jump behind it; whole spectra of zeros too. Where zeros are common
    inside of a spectrum, its ends are left as they are.
    """
    zero = values == 0
    if not (zero[..., 0].any() or zero[..., -1].any()):
        return np.zeros(values.shape, bool)
    all_zero = (zero | np.isnan(values)).all(axis=-1) & zero.any(axis=-1)
    lead = np.logical_and.accumulate(zero, axis=-1)
    trail = np.logical_and.accumulate(zero[..., ::-1], axis=-1)[..., ::-1]
    inside = ~(lead | trail)
    with np.errstate(invalid="ignore"):
        share = (zero & inside).sum(axis=-1) / np.maximum(inside.sum(axis=-1), 1)
    steps = np.abs(np.diff(values, axis=-1))
    typical = np.median(np.nan_to_num(steps), axis=-1)
    found = np.zeros(values.shape, bool)
    for run, edge in ((lead, _beside(values, lead)), (trail, _beside(values[..., ::-1], trail[..., ::-1]))):
        length = run.sum(axis=-1)
        never = (length >= _LONG) | ((length > 0) & (np.abs(edge) > _JUMP * typical))
        found |= run & (never & (share < _TRUE_ZEROS))[..., None]
    found |= all_zero[..., None]
    return found


def _beside(values: FloatArray, run: BoolArray) -> FloatArray:
    """First value behind a run of zeros at the beginning."""
    at = np.minimum(run.sum(axis=-1), values.shape[-1] - 1)
    return np.asarray(np.take_along_axis(values, at[..., None], axis=-1)[..., 0])


def saturated(values: FloatArray) -> BoolArray:
    """Points (..., n) at which the detector was full: the highest number of 16 bits, or a plateau at the maximum."""
    with np.errstate(invalid="ignore"):
        highest = np.fmax.reduce(values, axis=-1, keepdims=True)
        top = (values == highest) & (highest >= _LARGE)
        plateau = np.zeros(values.shape, bool)
        if values.shape[-1] >= _PLATEAU:
            three = top[..., :-2] & top[..., 1:-1] & top[..., 2:]
            for shift in range(_PLATEAU):
                plateau[..., shift : values.shape[-1] - _PLATEAU + 1 + shift] |= three
        return np.asarray(plateau | (values == _FULL))
