"""First against last spectra of a stack as pure arrays: is the shape the same, apart from factor and energy shift?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from xas.points.counted_groups import group_starts

__all__ = ["FrameChange", "compare_ends"]

Array = npt.NDArray[np.float64]
#: Part of a window's change that no shift makes, below which the two cannot be told apart.
LEAST_ALONE = 0.1
T = TypeVar("T", bound=np.generic)

#: Counts and channels of a group at least: the statistic is then that of a chi-square distribution, and what a
#: scintillator spreads over neighbouring channels stays inside of a group mostly.
COUNTS, CHANNELS = 25.0, 4
#: Spectra are moved by whole channels where they lie apart by so many sigmas, in so many steps at most.
CLEAR, STEPS = 3.0, 8


@dataclass(frozen=True)
class FrameChange:
    """Sums of the first and of the last spectra, and what is different."""

    first: Array  # (..., n)
    last: Array  # (..., n)
    p_value: Array  # (...) that chance alone makes the shapes differ as much
    gain: Array  # (...) variance per count
    shift: Array  # (...) channels by which the last lie above the first
    shift_sigma: Array  # (...)
    change: Array  # (..., windows) share in the last over that in the first, less one
    change_sigma: Array  # (..., windows)
    window_p_value: Array  # (..., windows)


@dataclass(frozen=True)
class _Pair:
    statistic: float
    degrees: int
    shift: float
    sigma: float  # at one count of variance per count


def compare_ends(
    frames: npt.ArrayLike,
    windows: npt.ArrayLike,
    *,
    at_each_end: int = 1,
    gain: float | None = None,
    drift: bool = True,
) -> FrameChange:
    r"""Whether the last spectra of a stack are the first ones, apart from a factor and a small shift of the scale.

    With the shares :math:`a_j, b_j` of groups of channels in the sums of the first and last spectra, their mean
    :math:`s_j` and its slope :math:`d_j`,

    .. math:: X^2 = \min_\delta \sum_j \frac{(b_j - a_j + \delta d_j)^2}{s_j (1/N_a + 1/N_b)},

    over its :math:`M - 2` degrees, is compared with the same of neighbouring pairs of spectra (1 and 2, 3 and 4, ...),
    which is the variance per count: the probability is that of an F distribution.

    Parameters
    ----------
    frames : (..., k, n) array
        Spectra in the order of time.
    windows : (w, n) array of bool
        Channels of windows whose share is compared; w may be 0.
    at_each_end : int
        Spectra that are added up at each end.
    gain : float, optional
        Variance per count. Default: from the pairs, which takes four spectra; 1 for fewer.
    drift : bool
        Whether a shift is allowed for, by whole channels and their parts.

    Returns
    -------
    FrameChange
        NaN where an end holds nothing or is not finite. Sigmas are those of the counts times the root of the gain.
    """
    y = np.asarray(frames, float)
    masks = np.asarray(windows, bool).reshape(-1, y.shape[-1])
    lead, n, w = y.shape[:-2], y.shape[-1], len(masks)
    first, last = y[..., :at_each_end, :].sum(-2), y[..., y.shape[-2] - at_each_end :, :].sum(-2)
    numbers = {name: np.full(lead, np.nan) for name in ("p_value", "gain", "shift", "shift_sigma")}
    of_windows = {name: np.full((*lead, w), np.nan) for name in ("change", "change_sigma", "window_p_value")}
    for at in np.ndindex(lead):
        found, shares = _compared(y[at], first[at], last[at], masks, gain, drift)
        for name, value in zip(numbers, found, strict=True):
            numbers[name][at] = value
        for name, values in zip(of_windows, shares, strict=True):
            of_windows[name][at] = values
    return FrameChange(first.reshape(*lead, n), last.reshape(*lead, n), **numbers, **of_windows)


def _compared(
    frames: Array, first: Array, last: Array, masks: npt.NDArray[np.bool_], gain: float | None, drift: bool
) -> tuple[tuple[float, ...], tuple[Array, Array, Array]]:
    from scipy.stats import chi2, f, norm, t

    nothing = np.full(len(masks), np.nan)
    if not (np.isfinite(first).all() and np.isfinite(last).all() and min(first.sum(), last.sum()) > 0):
        return (np.nan,) * 4, (nothing, nothing, nothing)
    pairs = [_pair(a, b, drift) for a, b in zip(frames[:-1:2], frames[1::2], strict=False)]
    degrees = sum(pair.degrees for pair in pairs) if len(pairs) > 1 and gain is None else 0
    per_count = gain if gain is not None else 1.0
    if degrees:
        per_count = sum(pair.statistic for pair in pairs if pair.degrees) / degrees
    moved = _whole_channels(first, last) if drift else 0
    a, b = _both(first, last, moved)
    inside = np.stack([_both(mask, mask, moved)[0] for mask in masks]) if len(masks) else masks
    whole = _pair(a, b, drift)
    if not whole.degrees:
        return (np.nan, per_count, np.nan, np.nan), (nothing, nothing, nothing)
    ratio = whole.statistic / (whole.degrees * per_count)
    p = f.sf(ratio, whole.degrees, degrees) if degrees else chi2.sf(ratio * whole.degrees, whole.degrees)
    sigma = whole.sigma * np.sqrt(per_count)
    change, change_sigma = _window_changes(a, b, inside, whole, per_count)
    z = np.abs(np.log1p(change) * (1 + change) / change_sigma)  # the logarithm is as far off up as down
    chance = 2 * (t.sf(z, degrees) if degrees else norm.sf(z))
    return (p, per_count, whole.shift + moved, sigma), (change, change_sigma, np.asarray(chance))


def _both(first: npt.NDArray[T], last: npt.NDArray[T], moved: int) -> tuple[npt.NDArray[T], npt.NDArray[T]]:
    """The channels that both have once the last is moved down by ``moved``."""
    n = first.size
    return (first[: n - moved], last[moved:]) if moved >= 0 else (first[-moved:], last[: n + moved])


def _whole_channels(first: Array, last: Array) -> int:
    """Channels by which the last lie above the first, to the nearest one; 0 where that is not clear."""
    moved = 0
    for _ in range(STEPS):
        found = _pair(*_both(first, last, moved), True)
        clear = np.isfinite(found.shift) and abs(found.shift) > CLEAR * found.sigma
        step = round(found.shift) if clear else 0
        if not step or abs(moved + step) > first.size // 4:
            break
        moved += step
    return moved


def _pair(a: Array, b: Array, drift: bool) -> _Pair:
    """Two spectra compared, apart from their totals and, with ``drift``, a small shift."""
    total_a, total_b = a.sum(), b.sum()
    pooled = a + b
    whole = pooled.sum()
    if not np.isfinite(whole) or not min(total_a, total_b) > 0:
        return _Pair(np.nan, 0, np.nan, np.nan)
    starts = group_starts(pooled * min(total_a, total_b) / whole, COUNTS, CHANNELS)
    if len(starts) < 4:
        return _Pair(np.nan, 0, np.nan, np.nan)
    share = np.add.reduceat(pooled, starts) / whole
    slope = np.add.reduceat(np.gradient(pooled), starts) / whole
    left = np.add.reduceat(b, starts) / total_b - np.add.reduceat(a, starts) / total_a
    weight = 1 / (np.maximum(share, 1 / whole) * (1 / total_a + 1 / total_b))
    statistic = float((weight * left**2).sum())
    steep = float((weight * slope**2).sum())
    if not drift or steep <= 0:
        return _Pair(statistic, len(starts) - 1, 0.0, np.inf)
    along = float((weight * left * slope).sum())
    return _Pair(statistic - along**2 / steep, len(starts) - 2, -along / steep, 1 / np.sqrt(steep))


def _window_changes(
    a: Array, b: Array, masks: npt.NDArray[np.bool_], whole: _Pair, gain: float
) -> tuple[Array, Array]:
    """Relative change of the share of each window and its sigma, fitted together with the shift.

    What a window shares with the slope of the spectrum is taken for a shift at first: the change is that over the part,
    ``alone``, that no shift makes.
    """
    totals = np.array([a.sum(), b.sum()])
    inside = np.array([[y[mask].sum() for mask in masks] for y in (a, b)]).reshape(2, len(masks))
    shares = inside / totals[:, None]
    by_shift, alone = np.zeros(len(masks)), np.ones(len(masks))
    with np.errstate(divide="ignore", invalid="ignore"):
        if np.isfinite(whole.sigma):
            slope = np.gradient(a + b) / totals.sum()
            pulled = np.array([slope[mask].sum() for mask in masks])
            pooled = inside.sum(0) / totals.sum()
            steep = (1 / totals).sum() / whole.sigma**2
            by_shift = pulled * whole.shift
            alone = 1 - pulled**2 / (pooled * (1 - pooled) * steep)
        alone = np.where(alone > LEAST_ALONE, alone, np.nan)
        change = ((shares[1] + by_shift) / shares[0] - 1) / alone
        variance = (1 / inside - 1 / totals[:, None]).sum(0)
        return change, (1 + change) * np.sqrt(gain * np.maximum(variance, 0.0) / alone)
