"""Which measured line is which tabulated one: by the pattern of positions, never by heights."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["match_lines"]

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.intp]

#: Offsets and stretches that are tried, to each side of none.
TRIED = 40
#: Lines are matched within this part of the search range once the best offset and stretch are found.
CLOSE = 0.4


def match_lines(
    measured: Array, expected: Array, search: float, height: Array | None = None
) -> tuple[Index, Index]:
    """Pairs of lines under the offset and stretch that bring most of them together.

    Parameters
    ----------
    measured, expected : (m,), (k,) arrays
        Positions, ascending, in the same units.
    search : float
        No expected line is farther from where it was measured than this.
    height : (m,) array, optional
        Decides only where a single line is expected: the highest within ``search`` is taken.

    Returns
    -------
    (pairs,), (pairs,) arrays of int
        Numbers into ``measured`` and ``expected``. No line is in two pairs, and lines between which a choice would be
        open are in none.
    """
    none = np.empty(0, np.intp)
    if not measured.size or not expected.size:
        return none, none
    if expected.size == 1:
        near = np.flatnonzero(np.abs(measured - expected[0]) <= search)
        if not near.size:
            return none, none
        weight = -np.abs(measured - expected[0]) if height is None else height
        return near[[np.argmax(weight[near])]], np.zeros(1, np.intp)
    inside = (expected >= measured[0] - search) & (expected <= measured[-1] + search)
    known = np.flatnonzero(inside)
    if not known.size:
        return none, none
    close = CLOSE * search
    middle, half = (measured[0] + measured[-1]) / 2, max((measured[-1] - measured[0]) / 2, 1e-9)
    arm = (measured - middle) / half
    offsets = np.linspace(-search, search, 2 * TRIED + 1)
    best, chosen = -1.0, (0.0, 0.0)
    for tilt in np.linspace(-search / 2, search / 2, TRIED + 1):
        gap = expected[known] - (measured + tilt * arm)[:, None]  # (m, k)
        gap = gap[np.abs(gap) <= 2 * search]
        # each pair votes for the offset that would join it; a sharp agreement outvotes a loose one
        votes = np.exp(-0.5 * ((gap[:, None] - offsets) / (0.25 * close)) ** 2).sum(0)
        # of equal agreements the one with the least offset and tilt
        votes = votes - 1e-3 * (np.abs(offsets) + abs(tilt)) / search
        if votes.size and votes.max() > best:
            best, chosen = float(votes.max()), (float(offsets[votes.argmax()]), float(tilt))
    moved = measured + chosen[0] + chosen[1] * arm
    first, second = _mutual(moved, expected[known], close)
    fair = np.abs(expected[known][second] - measured[first]) <= search
    return first[fair], known[second[fair]]


def _mutual(measured: Array, expected: Array, close: float) -> tuple[Index, Index]:
    """Pairs that are each other's nearest, within ``close``."""
    gap = np.abs(measured[:, None] - expected)
    of_measured, of_expected = gap.argmin(1), gap.argmin(0)
    first = np.arange(measured.size)
    both = (of_expected[of_measured] == first) & (gap[first, of_measured] <= close)
    return first[both], of_measured[both]
