"""Baselines by clipping peaks between points ever farther apart (SNIP), compiled."""

from __future__ import annotations

import numpy as np

from spectra.preprocessing.compiled import entry_point, kernel

__all__ = ["clip_peaks"]


@kernel
def _pad(row, reach, padded):
    """``row`` with ``reach`` more points at each end, on the lines through its first and last ``reach`` points."""
    n = row.size
    used = min(reach, n)
    for i in range(n):
        padded[reach + i] = row[i]
    for right in range(2):
        first = n - used if right else 0
        middle, mean, up, across = first + 0.5 * (used - 1), 0.0, 0.0, 0.0
        for i in range(first, first + used):
            mean += row[i] / used
        for i in range(first, first + used):
            up += (i - middle) * (row[i] - mean)
            across += (i - middle) ** 2
        slope = up / across if across > 0.0 else 0.0
        for i in range(reach):
            at = n + i if right else i - reach
            padded[reach + at] = mean + slope * (at - middle)


@kernel
def _clip(old, new, apart, size):
    """Each point at most the mean of the two ``apart`` from it; all indices unsigned, so that vectors are made."""
    for k in range(apart, size - apart):
        between = 0.5 * (old[k - apart] + old[k + apart])
        new[k] = between if old[k] > between else old[k]


@entry_point
def clip_peaks(rows, reach, decreasing, baseline):
    """SNIP of all ``rows`` (without gaps): clipped between points 1, 2, ... ``reach`` to each side, or the other way."""
    n = rows.shape[1]
    size = n + 2 * reach
    one, other = np.empty(size), np.empty(size)
    for r in range(rows.shape[0]):
        _pad(rows[r], reach, one)
        for i in range(size):
            other[i] = one[i]
        for step in range(1, reach + 1):
            apart = reach + 1 - step if decreasing else step
            _clip(one, other, np.uint64(apart), np.uint64(size))
            for i in range(apart, size - apart):
                one[i] = other[i]
        for i in range(n):
            baseline[r, i] = one[reach + i]
