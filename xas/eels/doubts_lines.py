"""Whether the maxima that were taken for L3 and L2 are these lines: what else stands in front of, at and behind them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xas.eels.line_position_rows import compare_front

__all__ = ["Surroundings"]

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

#: What stands in front of L3 may reach this share of it; looked for so far in front (eV).
IN_FRONT, FAR, NEAR = 0.5, 25.0, 10.0
#: Anything is told from noise by so many standard deviations.
TOLD = 5.0
#: A maximum is compared with what lies so far on both sides of it (eV): what is broad, as a plasmon behind a line, is none.
ASIDE = 4.0
#: One that is no L2 is looked for outside of so many eV about L2's usual place and not closer to L3 than this; it is
#: higher than what was taken for L2 by this factor, and at least this share of L3.
ABOUT, CLOSEST, HIGHER, OF_L3 = 2.5, 5.5, 1.3, 0.1


@dataclass(frozen=True)
class Surroundings:
    """Bins of rows of spectra without background, in which lines were found."""

    middle: Array  # (m,) eV
    bins: Array  # (rows, m)
    noise: Array  # (rows,) standard deviation of the mean of three bins; zero where it is not known

    @classmethod
    def of(cls, middle: Array, bins: Array, variance: Array) -> Surroundings:
        """With the variances (rows, n) of channels, of which the largest of a row counts."""
        size = max(variance.shape[-1] // middle.size, 1)
        largest = np.nan_to_num(variance.max(-1), nan=0.0, posinf=0.0)
        return cls(middle, bins, np.sqrt(largest / (3 * size)))

    def another_in_front(self, l3: Array, window_end: float) -> Mask:
        """Whether something as strong as a part of L3 stands in front of it: the edge of another element."""
        front, top = np.empty(l3.size), np.empty(l3.size)
        compare_front(self.middle, self.bins, l3, window_end, FAR, NEAR, front, top)
        with np.errstate(invalid="ignore"):
            return np.asarray((front - IN_FRONT * top > TOLD * self.noise) & np.isfinite(l3))

    def another_behind(self, l3: Array, l2: Array, splitting: float, beyond: float) -> Mask:
        """Whether a maximum higher than that at L2 stands where L2 is not looked for, up to ``beyond`` eV behind there."""
        means = _of_three(self.bins)
        aside = max(1, round(ASIDE / float(np.median(np.diff(self.middle)))))
        padded = np.pad(means, ((0, 0), (aside, aside)), mode="edge")
        above = means - (padded[:, : -2 * aside] + padded[:, 2 * aside :]) / 2
        with np.errstate(invalid="ignore"):
            behind = self.middle - l3[:, None]
            outside = (np.abs(behind - splitting) > ABOUT) & (behind > CLOSEST)
            outside &= (behind < splitting + ABOUT + beyond) & (self.middle < self.middle[-1] - ASIDE)
            other = np.where(outside, above, -np.inf).max(-1)
            at_l2 = np.where(np.abs(self.middle - l2[:, None]) < 1.0, above, -np.inf).max(-1)
            at_l3 = np.where(np.abs(behind) < 1.0, means, -np.inf).max(-1)
            doubt = TOLD * np.sqrt(1.5) * self.noise
            higher = other > np.maximum(HIGHER * np.maximum(at_l2, 0.0), OF_L3 * at_l3) + doubt
        return np.asarray(higher & np.isfinite(l3 + l2))


def _of_three(bins: Array) -> Array:
    """Means of each bin and its neighbours."""
    padded = np.pad(bins, ((0, 0), (1, 1)), mode="edge")
    return np.asarray((padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]) / 3)
