"""Detector channels that stand at their limit: a spectrum cut off at the top."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["saturated"]

Array = npt.NDArray[np.float64]

#: So many equal values in a row at the maximum, entered with a jump of this part of the whole range, were cut off.
RUN, JUMP = 6, 1e-4


def saturated(mu: Array) -> npt.NDArray[np.bool_]:
    """Whether each spectrum stands at its maximum for six points in a row, entered or left with a jump.

    A curve without noise that runs level by itself gets there smoothly and is not meant.

    Parameters
    ----------
    mu : (rows, n) array
        All finite.

    Returns
    -------
    (rows,) array of bool
    """
    top = mu.max(-1, keepdims=True)
    equal = mu == top
    result = np.zeros(len(mu), bool)
    for row in np.flatnonzero(equal.sum(-1) >= RUN):
        least = JUMP * np.ptp(mu[row])
        edges = np.flatnonzero(np.diff(np.concatenate([[0], equal[row].astype(np.int8), [0]])))
        for start, stop in edges.reshape(-1, 2):
            beside = [mu[row, i] for i in (start - 1, stop) if 0 <= i < mu.shape[-1]]
            if stop - start >= RUN and beside and max(top[row, 0] - b for b in beside) > least > 0:
                result[row] = True
    return result
