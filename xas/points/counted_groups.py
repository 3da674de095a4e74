"""Neighbouring channels joined until they hold enough counts to be compared."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["group_starts"]


def group_starts(expected: npt.NDArray[np.float64], least: float, channels: int = 1) -> list[int]:
    """First channel of each group, in which together ``least`` counts are expected; empty if there are fewer than two.

    Parameters
    ----------
    expected : (n,) array
        Counts expected of the weakest spectrum that is compared. What is left behind the last group joins it.
    least : float
        Counts of a group.
    channels : int
        Channels of a group at least.
    """
    reached = np.maximum.accumulate(np.cumsum(expected))
    ends = [0]
    while True:
        wanted = (reached[ends[-1] - 1] if ends[-1] else 0.0) + least
        end = max(int(np.searchsorted(reached, wanted)) + 1, ends[-1] + channels)
        if end > expected.size:
            return ends[:-1] if len(ends) > 2 else []
        ends.append(end)
