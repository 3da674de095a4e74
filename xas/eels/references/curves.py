"""Reference edges as curves: of area 1, at even distances, broadened, and tabulated at shifts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spectra.errors import InvalidInput

__all__ = ["ReferenceCurve", "levelled", "sampled", "seen_noise", "tabulated", "unit_area"]

Array = npt.NDArray[np.float64]

TO_FWHM = 2 * np.sqrt(2 * np.log(2))
#: Distance in eV of the shifts that curves are tabulated at: at most, and at least.
STEP, FINEST = 0.1, 0.0125
#: What lies between two of them is right to this part of the highest point.
PRECISE = 1e-4


@dataclass(frozen=True)
class ReferenceCurve:
    """A measured edge without its background, any normalisation; and the variance of its points where that is known."""

    x: Array
    y: Array
    variance: Array | None = None

    def between(self, low: float, high: float) -> float:
        """Area between two energies, by the trapezoidal rule with both ends interpolated."""
        inner = (self.x > low) & (self.x < high)
        x = np.concatenate([[low], self.x[inner], [high]])
        return float(np.trapezoid(np.interp(x, self.x, self.y), x))

    def regular(self) -> ReferenceCurve:
        """Points at uneven distances, as digitised curves have, averaged into cells of the median distance.

        A curve through points that nearly coincide has slopes that mean nothing, and shifts are measured by slopes.
        """
        apart = np.diff(self.x)
        width = float(np.median(apart))
        if apart.min() > 0.5 * width:
            return self
        edges = np.linspace(self.x[0], self.x[-1], max(2, round(float(np.ptp(self.x)) / width)) + 1)
        area = np.concatenate([[0.0], np.cumsum(apart * (self.y[1:] + self.y[:-1]) / 2)])
        k = np.clip(np.searchsorted(self.x, edges, "right") - 1, 0, apart.size - 1)
        t = edges - self.x[k]
        total = area[k] + t * (self.y[k] + (self.y[k + 1] - self.y[k]) * t / apart[k] / 2)
        return ReferenceCurve((edges[1:] + edges[:-1]) / 2, np.diff(total) / np.diff(edges))

    def broadened(self, fwhm: float) -> ReferenceCurve:
        """The curve as seen with a Gaussian of ``fwhm`` eV more; the noise of its points is then no longer known."""
        if fwhm == 0:
            return self
        from scipy.interpolate import CubicSpline
        from scipy.ndimage import gaussian_filter1d

        step = min(float(np.diff(self.x).min()), fwhm) / 4
        grid = np.linspace(self.x[0], self.x[-1], round((self.x[-1] - self.x[0]) / step) + 1)
        fine = gaussian_filter1d(
            CubicSpline(self.x, self.y)(grid), fwhm / TO_FWHM / (grid[1] - grid[0]), mode="nearest", truncate=6.0
        )  # fmt: skip
        return ReferenceCurve(grid, fine)


def unit_area(curve: ReferenceCurve, low: float, high: float) -> ReferenceCurve:
    """The curve with area 1 inside the window."""
    area = curve.between(low, high)
    if not area > 0:
        raise InvalidInput(
            f"a reference has no area above its background between {low:g} and {high:g} eV: subtract the background in "
            "front of its edge, or move the window."
        )
    variance = None if curve.variance is None else curve.variance / area**2
    return ReferenceCurve(curve.x, curve.y / area, variance)


def tabulated(
    x: Array, curves: Sequence[ReferenceCurve], low: float, high: float
) -> tuple[Array, Array, float, float]:
    """Curves (m, shifts, n) and their slopes by the shift, the first shift, and the distance of shifts."""
    from scipy.interpolate import CubicSpline

    splines = [CubicSpline(c.x, c.y) for c in curves]
    if not high > low:
        values = np.stack([levelled(s, c, x) for s, c in zip(splines, curves, strict=True)])
        tables = np.repeat(values[:, None], 2, axis=1)
        return tables, np.zeros_like(tables), low, 1.0
    step = STEP
    while step > FINEST and not _fine_enough(splines, curves, x, step):
        step /= 2
    count = max(2, int(np.ceil((high - low) / step)) + 1)
    shifts = np.linspace(low, high, count)
    at = x - shifts[:, None]
    tables = np.stack([levelled(s, c, at) for s, c in zip(splines, curves, strict=True)])
    slopes = -np.stack([_slope(s, c, at) for s, c in zip(splines, curves, strict=True)])
    return tables, slopes, low, float(shifts[1] - shifts[0])


def levelled(spline: Any, curve: ReferenceCurve, at: Array) -> Array:
    """The spline of a curve at any energies (..., n), level beyond its ends."""
    return np.asarray(spline(np.clip(at, curve.x[0], curve.x[-1])))


def _slope(spline: Any, curve: ReferenceCurve, at: Array) -> Array:
    inside = (at >= curve.x[0]) & (at <= curve.x[-1])
    return np.where(inside, spline(np.clip(at, curve.x[0], curve.x[-1]), 1), 0.0)


def _fine_enough(splines: list[Any], curves: Sequence[ReferenceCurve], x: Array, step: float) -> bool:
    """Whether a cubic through values and slopes ``step`` apart is the curve between them."""
    for spline, curve in zip(splines, curves, strict=True):
        ends = [(levelled(spline, curve, x + d), _slope(spline, curve, x + d)) for d in (-step / 2, step / 2)]
        middle = (ends[0][0] + ends[1][0]) / 2 + step * (ends[0][1] - ends[1][1]) / 8
        true = levelled(spline, curve, x)
        if np.abs(middle - true).max() > PRECISE * np.abs(true).max():
            return False
    return True


def sampled(x: Array, curves: Sequence[ReferenceCurve]) -> Array:
    """Curves (m, n) at ``x``, straight between their points."""
    return np.stack([np.interp(x, c.x, c.y) for c in curves])


def seen_noise(x: Array, curves: Sequence[ReferenceCurve]) -> Array:
    """Variance (m, n) of the references as channels of the data see it; empty where one has none."""
    if any(c.variance is None for c in curves):
        return np.empty((0, x.size))
    ours = float(np.median(np.diff(x)))
    seen = [
        np.interp(x, c.x, c.variance) * float(np.median(np.diff(c.x))) / ours
        for c in curves
        if c.variance is not None
    ]
    return np.stack(seen)
