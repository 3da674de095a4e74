"""Largest values and negative ones of many spectra in one sweep, compiled."""

from __future__ import annotations

import numpy as np

from spectra.preprocessing.compiled import entry_point

__all__ = ["extremes"]


@entry_point
def extremes(rows, run, negative):
    """Length of the longest run of points at exactly the largest value of each row, and number of negative points."""
    for r in range(rows.shape[0]):
        top, here, longest, below = -np.inf, 0, 0, 0
        for i in range(rows.shape[1]):
            value = rows[r, i]
            if value > top:
                top, here, longest = value, 1, 1
            elif value == top:
                here += 1
                longest = max(longest, here)
            else:
                here = 0
            below += value < 0.0
        run[r], negative[r] = longest, below
