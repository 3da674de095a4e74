"""What is doubtful about an energy-loss spectrum: negative counts, spikes, saturation, zero-loss peak, background."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["background_removed", "doubts", "saturated", "spikes"]

FloatArray = npt.NDArray[np.float64]

#: Spectra that begin above this loss (eV) are core losses, without a zero-loss peak to look for.
CORE = 40.0
#: The zero-loss peak lies within so many eV of zero on a calibrated axis.
_NEAR_ZERO = 5.0
#: A point stands out that is so many times the noise above (or below) its neighbours on both sides.
_THRESHOLD = 5.5
#: Spectra of an image in which spikes are looked for.
_LOOKED_AT = 256
#: A background was removed where the first points hold less than this share of the highest.
_NO_BACKGROUND = 0.05
#: Exact zeros at an end from which on they were never measured, or set to zero.
_ZEROS = 3
#: Equal highest values beside each other that are a plateau, of values too large for chance.
_PLATEAU, _LARGE = 3, 1000.0


def doubts(x: FloatArray, counts: npt.NDArray[Any]) -> list[str]:
    """Sentences on what a user should know before analysing ``counts`` (..., n) along ``x`` (n,), in eV."""
    rows = counts.reshape(-1, counts.shape[-1])
    mean = np.nanmean(rows, axis=0, dtype=float) if np.isfinite(rows).any(axis=0).all() else rows[0]
    found = [
        _negative(rows),
        _nothing(rows),
        _ends(mean),
        _spiked(x, rows),
        _saturated(rows),
        _zero_loss(x, mean),
        _without_background(x, rows),
    ]
    return [text for text in found if text]


@np.errstate(over="ignore", invalid="ignore")
def background_removed(x: FloatArray, counts: npt.NDArray[Any]) -> bool:
    """Whether a core loss begins at zero: every raw one stands on a background that falls with the loss."""
    if x[0] < CORE:
        return False
    rows = counts.reshape(-1, counts.shape[-1])
    mean = np.nan_to_num(rows.astype(float)).mean(axis=0)
    first = mean[: max(3, mean.size // 20)].mean()
    return bool(mean.max() > 0 and first < _NO_BACKGROUND * mean.max())


@np.errstate(over="ignore", invalid="ignore")  # a value beyond all bounds is no spike
def spikes(y: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Points of ``y`` (..., n) that stand alone: no neighbour reaches half of their height above what lies around.

    The noise is 1.48 times the median of the deviations from what lies around, over 151 points; the three points at
    each end are not judged.
    """
    from scipy.ndimage import median_filter

    values = np.asarray(y, float)
    n = values.shape[-1]
    if n < 15:
        return np.zeros(values.shape, bool)
    padded = np.pad(values, [*[(0, 0)] * (values.ndim - 1), (3, 3)], mode="edge")

    def beside(k: int) -> FloatArray:
        return padded[..., 3 + k : 3 + k + n]

    around = np.median(np.stack([beside(k) for k in (-3, -2, 2, 3)]), axis=0)
    height = np.abs(values - around)
    size = [1] * (values.ndim - 1) + [min(151, n)]
    noise = 1.4826 * median_filter(height, size=size, mode="reflect")
    higher = np.maximum(np.abs(beside(-1) - around), np.abs(beside(1) - around))
    found = np.asarray((height > _THRESHOLD * noise) & (noise > 0) & (higher < 0.5 * height))
    found[..., :3] = found[..., -3:] = False  # nothing lies on both sides there
    return found


def _negative(rows: npt.NDArray[Any]) -> str:
    if rows.dtype.kind == "u":
        return ""
    number = int(np.count_nonzero(rows < 0))
    if not number:
        return ""
    return f"{number} of {rows.size} counts are negative: a dark signal or a background was subtracted before"


def _nothing(rows: npt.NDArray[Any]) -> str:
    empty = int(np.count_nonzero(~np.any(np.nan_to_num(rows) != 0, axis=-1)))
    return f"{empty} of {len(rows)} spectra hold nothing but zeros" if empty else ""


def _ends(mean: FloatArray) -> str:
    """Exact zeros at the ends: beyond the detector, or a background set to zero."""
    inside = np.flatnonzero(mean)
    if not inside.size:
        return ""
    first, last = int(inside[0]), int(mean.size - 1 - inside[-1])
    said = [f"the {n} {where}" for n, where in ((first, "first"), (last, "last")) if n >= _ZEROS]
    return f"{' and '.join(said)} points are exact zeros: not measured, or set to zero" if said else ""


def _spiked(x: FloatArray, rows: npt.NDArray[Any]) -> str:
    step = max(1, len(rows) // _LOOKED_AT)
    found = spikes(rows[::step])
    if x[0] < CORE:  # a sharp zero-loss peak is no spike
        found &= np.abs(x) > _NEAR_ZERO
    number, looked = int(found.sum()), len(rows[::step])
    if not number:
        return ""
    where = f" in {looked} of {len(rows)} spectra that were looked at" if len(rows) > 1 else ""
    first = x[np.flatnonzero(found.any(axis=0))[:3]]
    at = ", ".join(f"{e:.5g}" for e in first) + (" eV and more" if number > first.size else " eV")
    points = "point stands out like a spike" if number == 1 else "points stand out like spikes"
    return f"{number} {points}{where} (at {at}): spectra.despike takes them away"


def saturated(counts: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Spectra of ``counts`` (..., n) that reach their highest value, a large one, at three points or more."""
    highest = counts.max(axis=-1, keepdims=True)
    plateau = np.count_nonzero((counts == highest) & (highest > _LARGE), axis=-1)
    return np.asarray(plateau >= _PLATEAU)


def _saturated(rows: npt.NDArray[Any]) -> str:
    number = int(np.count_nonzero(saturated(rows)))
    if not number:
        return ""
    return f"{number} of {len(rows)} spectra reach their highest value at {_PLATEAU} points or more: the detector may be saturated"


def _zero_loss(x: FloatArray, mean: FloatArray) -> str:
    if x[0] >= CORE:
        return ""
    at = int(np.nanargmax(mean))
    if x[0] > 0 and at <= 2:
        return f"the zero-loss peak is cut: the axis begins at {x[0]:.6g} eV on its falling side, so no thickness can be taken from it"
    if x[0] > 0:
        return f"the zero-loss peak is not in the data, which begin at {x[0]:.6g} eV: no thickness from this spectrum"
    if abs(x[at]) > _NEAR_ZERO:
        return f"no zero-loss peak at 0 eV, where the axis has its zero; the highest point lies at {x[at]:.5g} eV: the calibration of the energy is doubtful"
    if mean[0] > 0.5 * mean[at] and at > 0:
        return f"the zero-loss peak is cut: its rising side is not in the data, which begin at {x[0]:.6g} eV"
    return ""


def _without_background(x: FloatArray, rows: npt.NDArray[Any]) -> str:
    if not background_removed(x, rows):
        return ""
    return "the signal begins at zero: the background was removed before, and counting statistics no longer follow from the values"
