"""Whether spectra of photons have one shape: a test of counts, channels joined until they hold enough."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spectra.errors import InvalidInput
from xas.points.counted_groups import group_starts

__all__ = ["Homogeneity", "same_shape"]


@dataclass(frozen=True)
class Homogeneity:
    """Pearson's statistic of each set of spectra, its degrees of freedom, and the probability of a larger one."""

    statistic: npt.NDArray[np.float64]  # (...)
    degrees: npt.NDArray[np.int64]  # (...)
    p_value: npt.NDArray[np.float64]  # (...), NaN where there is too little to compare


def same_shape(counts: npt.ArrayLike, *, least: float = 5.0) -> Homogeneity:
    r"""Whether several spectra of counts differ in more than their totals.

    .. math:: X^2 = \sum_{ki} \frac{(y_{ki} - N_k s_i)^2}{N_k s_i}, \qquad s_i = \frac{\sum_k y_{ki}}{\sum_k N_k}

    Under one shape, given the totals :math:`N_k`, :math:`X^2` follows :math:`\chi^2` of
    :math:`(K - 1)(M - 1)` degrees, with :math:`M` groups of neighbouring channels. Groups are made from the sum of the
    spectra, which says nothing about their difference.

    Parameters
    ----------
    counts : (..., K, n) array
        Whole numbers of photons, K spectra of each set.
    least : float
        Channels are joined until the spectrum with fewest photons expects so many in each group.

    Returns
    -------
    Homogeneity

    Raises
    ------
    InvalidInput
        Fewer than two spectra.

    References
    ----------
    K. Pearson (1900): the chi-square test of homogeneity.
    """
    from scipy.stats import chi2

    y = np.asarray(counts, float)
    if y.ndim < 2 or y.shape[-2] < 2:
        raise InvalidInput(f"counts must hold at least two spectra to compare, got the shape {y.shape}.")
    lead = y.shape[:-2]
    found = [_pearson(one, least) for one in y.reshape(-1, *y.shape[-2:])]
    statistic = np.array([s for s, _ in found]).reshape(lead)
    degrees = np.array([d for _, d in found]).reshape(lead)
    p = np.where(degrees > 0, chi2.sf(statistic, np.maximum(degrees, 1)), np.nan)
    return Homogeneity(statistic, degrees, p)


def _pearson(y: npt.NDArray[np.float64], least: float) -> tuple[float, int]:
    totals, pooled = y.sum(axis=1), y.sum(axis=0)
    everything = pooled.sum()
    if not np.isfinite(everything) or not (totals > 0).all():
        return np.nan, 0
    starts = group_starts(pooled * totals.min() / everything, least)
    if not starts:
        return np.nan, 0
    groups = np.add.reduceat(y, starts, axis=1)
    expected = totals[:, None] * groups.sum(axis=0) / everything
    return float(((groups - expected) ** 2 / expected).sum()), (len(y) - 1) * (groups.shape[1] - 1)
