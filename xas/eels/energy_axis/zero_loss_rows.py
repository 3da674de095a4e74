"""Loops over low-loss spectra, compiled: the highest channel, and spectra moved by parts of a channel."""

from __future__ import annotations

import math

import numpy as np

from spectra.preprocessing.compiled import entry_point, kernel

__all__ = ["highest_channels", "move_into"]


@entry_point
def highest_channels(y, first, last, top, height, ends, finite):
    """Of the channels ``first`` to ``last`` (not included) of each row: which is highest, how high, and the ends."""
    for row in range(y.shape[0]):
        best, value, sound = first, -np.inf, True
        for i in range(first, last):
            sound &= math.isfinite(y[row, i])
            if y[row, i] > value:
                best, value = i, y[row, i]
        top[row], height[row], finite[row] = best, value, sound
        ends[row] = max(y[row, first], y[row, last - 1])


@kernel
def _mixed(here, part, rest, out):
    for i in range(out.size):
        out[i] = here[i] * rest + here[i + 1] * part


@kernel
def _copied(here, out):
    for i in range(out.size):
        out[i] = here[i]


@entry_point
def move_into(y, whole, part, rest, out):
    """Rows of ``y`` moved down by ``whole`` channels and ``part`` of one (``rest`` = 1 - ``part``), interpolated.

    What comes from outside of the data is NaN, and a row whose ``part`` is.
    """
    n = y.shape[1]
    for row in range(y.shape[0]):
        k = min(max(whole[row], -n), n)
        start = max(0, -k)
        stop = max(start, min(n, n - k - (1 if part[row] > 0.0 else 0)))
        if not math.isfinite(part[row]):
            stop = start
        out[row, :start] = np.nan
        out[row, stop:] = np.nan
        if part[row] > 0.0:
            _mixed(y[row, start + k : stop + k + 1], part[row], rest[row], out[row, start:stop])
        else:
            _copied(y[row, start + k : stop + k], out[row, start:stop])
