"""A straight line through two stretches of a spectrum: the baseline that carbon is measured above."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from spectra.errors import InvalidInput

__all__ = ["EndLine"]

Floats = npt.NDArray[np.float64]

#: Median of the size of a standard normal number.
MEDIAN = 0.6745


@dataclass(frozen=True)
class EndLine:
    """Least-squares line through the points of the stretches ``low`` and ``high`` of the axis ``x``."""

    x: Floats
    low: tuple[float, float]
    high: tuple[float, float]

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            start, stop = getattr(self, name)
            count = int(np.count_nonzero((self.x >= start) & (self.x <= stop)))
            if count < 3:
                raise InvalidInput(
                    f"the baseline needs 3 points at its {name} end, {start:g} to {stop:g} 1/cm, and the spectrum "
                    f"({self.x[0]:g} to {self.x[-1]:g} 1/cm) has {count}: move the ends, or fit a baseline with the bands."
                )

    def __call__(self, y: npt.ArrayLike) -> Floats:
        """Baseline of spectra (..., n); NaN where less than two points were measured."""
        values = np.asarray(y, float)[..., self._points]
        count, centre, spread, distance = self._weights(values)
        with np.errstate(invalid="ignore", divide="ignore"):
            level = np.nansum(values, axis=-1) / count
            slope = np.nansum(values * distance, axis=-1) / spread
        return np.asarray(level[..., None] + slope[..., None] * (self.x - centre[..., None]))

    def moves(self, y: Floats, sigma: Floats | None) -> tuple[Floats, Floats]:
        """How the line moves when its level or its slope is one sigma off; the two are independent.

        The noise of each point is ``sigma``, averaged, or that of the second differences in both stretches.
        """
        values = y[..., self._points]
        count, centre, spread, _ = self._weights(values)
        if sigma is None:
            noise = self._noise(y)
        else:
            known = np.broadcast_to(sigma, y.shape)[..., self._points] ** 2
            usable = np.isfinite(known) & np.isfinite(values)
            with np.errstate(invalid="ignore"):
                noise = np.sqrt(np.where(usable, known, 0.0).sum(-1) / usable.sum(-1))
        with np.errstate(invalid="ignore", divide="ignore"):
            level, slope = noise / np.sqrt(count), noise / np.sqrt(spread)
        flat = np.broadcast_to(level[..., None], y.shape)
        return np.asarray(flat), np.asarray(slope[..., None] * (self.x - centre[..., None]))

    @cached_property
    def _points(self) -> npt.NDArray[np.bool_]:
        low, high = ((self.x >= a) & (self.x <= b) for a, b in (self.low, self.high))
        return np.asarray(low | high)

    def _weights(self, values: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Number of points measured, their centre, the sum of squared distances from it, and those distances."""
        finite = np.isfinite(values)
        x = self.x[self._points]
        count = finite.sum(-1).astype(float)
        with np.errstate(invalid="ignore", divide="ignore"):
            centre = (finite * x).sum(-1) / count
        distance = np.where(finite, x - centre[..., None], 0.0)
        return count, centre, (distance**2).sum(-1), distance

    def _noise(self, y: Floats) -> Floats:
        """Standard deviation of white noise, from second differences inside each stretch."""
        parts = [y[..., (self.x >= a) & (self.x <= b)] for a, b in (self.low, self.high)]
        second = np.concatenate([np.abs(np.diff(part, 2, axis=-1)) for part in parts], axis=-1)
        return np.asarray(
            np.median(np.where(np.isfinite(second), second, 0.0), axis=-1) / (MEDIAN * np.sqrt(6.0))
        )
