"""Whether the maxima that were taken for L3 and L2 are these lines: what else stands in front of, at and behind them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xas.eels.white_lines.position_rows import compare_behind, compare_front

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
        aside = max(1, round(ASIDE / float(np.median(np.diff(self.middle)))))
        last = splitting + ABOUT + beyond
        other, at_l2, at_l3 = (np.empty(l3.size) for _ in range(3))
        compare_behind(
            self.middle, self.bins, l3, l2, splitting, ABOUT, CLOSEST, last, aside, other, at_l2, at_l3
        )
        least = np.maximum(HIGHER * np.maximum(at_l2, 0.0), OF_L3 * at_l3) + TOLD * np.sqrt(1.5) * self.noise
        with np.errstate(invalid="ignore"):
            return np.asarray((other > least) & np.isfinite(l3 + l2))
