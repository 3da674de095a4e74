"""What makes a spectrum of photons doubtful: single channels that stand out, and values at a limit."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from spectra.errors import InvalidInput

__all__ = ["NotReduced", "find_saturation", "find_spikes"]

#: Channels to each side that say what one channel may hold, the nearest left out: lines spread over several channels.
_BESIDE = 4
#: Channels in a row that hold the same highest number, from so many photons on.
_PLATEAU, _PLATEAU_COUNTS = 3, 50


class NotReduced(InvalidInput):
    """One exposure that could not be reduced; ``flag`` is the name of its flag."""

    def __init__(self, flag: str, sentence: str) -> None:
        super().__init__(sentence)
        self.flag = flag


def find_spikes(counts: npt.ArrayLike, *, false_alarms: float = 1e-3) -> npt.NDArray[np.bool_]:
    r"""Channels with more photons than their neighbours on both sides allow.

    With :math:`S` photons in the :math:`m` richer neighbours of the two sides, a channel of the same mean holds
    :math:`y` or more with the probability :math:`P(B \ge y)`, :math:`B` binomial of :math:`y + S` trials and
    :math:`1/(1 + m)`. Lines of the spectrometer are wider than the distance to the neighbours, so that they rise beside as well.

    Parameters
    ----------
    counts : (..., n) array
        Photons per channel.
    false_alarms : float
        Expected number of channels of one spectrum that are named although nothing is wrong, at most.

    Returns
    -------
    (..., n) array of bool
    """
    from scipy.stats import binom

    y = np.nan_to_num(np.asarray(counts, float))
    n = y.shape[-1]
    padded = np.concatenate([np.zeros((*y.shape[:-1], _BESIDE)), y, np.zeros((*y.shape[:-1], _BESIDE))], -1)
    left = sum(padded[..., k : k + n] for k in range(_BESIDE))
    right = sum(padded[..., _BESIDE + k : _BESIDE + k + n] for k in range(1, _BESIDE + 1))
    beside = np.maximum(left, right)
    chance = binom.sf(y - 1, y + beside, 1 / (1 + _BESIDE))
    return np.asarray((y > 1) & (chance < false_alarms / n))


def find_saturation(counts: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Spectra whose highest value stands in three neighbouring channels or more, from 50 photons on.

    Parameters
    ----------
    counts : (..., n) array
        Photons per channel; noise lets three such neighbours agree less than once in a hundred lines.

    Returns
    -------
    (...) array of bool
    """
    y = np.nan_to_num(np.asarray(counts, float))
    top = y.max(axis=-1, keepdims=True)
    at = (y == top) & (top >= _PLATEAU_COUNTS)
    run = at[..., 2:] & at[..., 1:-1] & at[..., :-2]
    return np.asarray(run.any(axis=-1))
