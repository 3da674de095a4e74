"""Several measured values of one quantity: their mean by generalised least squares, and whether one value can be all of them."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spectra.errors import InvalidInput

__all__ = ["Means", "combine_means", "difference_from_others", "smallest_seen"]

Array = npt.NDArray[np.float64]

#: Directions of a covariance that are smaller than this part of its largest are rounding.
RANK = 1e-11


@dataclass(frozen=True)
class Means:
    """Means of groups of values, and how far the values lie from them; NaN where there is nothing to take a mean of."""

    mean: Array  # (..., group)
    covariance: Array  # (..., group, group)
    weights: Array  # (..., group, n): mean = weights @ values
    chi2: Array  # (...)
    freedom: npt.NDArray[np.int_]  # (...) degrees of freedom
    p_value: Array  # (...) of a chi2 as large or larger; NaN without degrees of freedom

    @property
    def birge_ratio(self) -> Array:
        """Root of chi2 over its degrees of freedom: 1 for values that scatter as their uncertainties say (Birge 1932)."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.freedom > 0, np.sqrt(self.chi2 / self.freedom), np.nan)


def combine_means(values: npt.ArrayLike, covariance: npt.ArrayLike, groups: Any = None) -> Means:
    r"""Mean of correlated values by generalised least squares, and chi2 of the values about it.

    .. math:: \hat\mu = (X^T C^{-1} X)^{-1} X^T C^{-1} v, \quad
              \chi^2 = (v - X\hat\mu)^T C^{-1} (v - X\hat\mu)

    with X = 1 for one mean of all, or a column of ones and zeros per group.

    Parameters
    ----------
    values : (..., n) array
        NaN is left out.
    covariance : (..., n, n) array
        Of the values, what they share included.
    groups : (n,) array of int, optional
        Number of the group of each value, from 0. Default: all are one group.

    Returns
    -------
    Means

    References
    ----------
    A. C. Aitken, Proc. R. Soc. Edinburgh 55, 42 (1936); R. T. Birge, Phys. Rev. 40, 207 (1932), for the ratio.

    Examples
    --------
    >>> found = combine_means([3.9, 4.1], [[0.01, 0.0], [0.0, 0.01]])
    >>> found.mean.round(3), found.covariance.round(3), float(found.chi2.round(2))
    (array([4.]), array([[0.005]]), 2.0)
    """
    v, c = np.asarray(values, float), np.asarray(covariance, float)
    n = v.shape[-1]
    if c.shape[-2:] != (n, n):
        raise InvalidInput(f"{n} values have a covariance of {n} × {n} numbers, got {c.shape}.")
    which = np.zeros(n, int) if groups is None else np.asarray(groups, int)
    c = np.broadcast_to(c, (*np.broadcast_shapes(v.shape[:-1], c.shape[:-2]), n, n))
    v = np.broadcast_to(v, c.shape[:-1])
    known = np.isfinite(v) & np.isfinite(np.diagonal(c, axis1=-2, axis2=-1))
    pairs = known[..., :, None] & known[..., None, :]
    inverse, empty = _pseudo_inverse(np.where(pairs, c, 0.0))
    v = np.where(known, v, 0.0)
    x = (which[:, None] == np.arange(which.max() + 1)) * known[..., None].astype(float)  # (..., n, group)
    normal = np.swapaxes(x, -1, -2) @ inverse @ x
    spread = np.linalg.pinv(normal, rcond=RANK, hermitian=True)
    weights = spread @ np.swapaxes(x, -1, -2) @ inverse
    mean = (weights @ v[..., None])[..., 0]
    left = v - (x @ mean[..., None])[..., 0]
    chi2 = np.einsum("...i,...ij,...j->...", left, inverse, left)
    # what has no uncertainty at all, as the difference of two copies of one measurement, must not differ either
    apart = np.abs(np.einsum("...ij,...j->...i", empty, left)).max(-1) > 1e-6 * np.sqrt(
        np.abs(c * pairs).max((-1, -2), initial=0.0, where=pairs)
    )
    chi2 = np.where(apart, np.inf, chi2)
    there = x.any(-2)
    rank = known.sum(-1) - np.rint(np.trace(empty, axis1=-2, axis2=-1) - (~known).sum(-1)).astype(int)
    freedom = np.maximum(rank - there.sum(-1), 0)
    from scipy.stats import chi2 as distribution

    p = np.where(freedom > 0, distribution.sf(chi2, np.maximum(freedom, 1)), np.nan)
    mean = np.where(there, mean, np.nan)
    spread = np.where(there[..., :, None] & there[..., None, :], spread, np.nan)
    return Means(mean, spread, weights, chi2, freedom, p)


def _pseudo_inverse(c: Array) -> tuple[Array, Array]:
    """Inverse of symmetric matrices on the directions in which they are not zero, and the projection on the others."""
    w, q = np.linalg.eigh(c)
    real = w > RANK * np.maximum(w.max(-1, keepdims=True), np.finfo(float).tiny)
    turned = np.swapaxes(q, -1, -2)
    inverse = (q * np.where(real, 1 / np.where(real, w, 1.0), 0.0)[..., None, :]) @ turned
    return inverse, (q * (~real)[..., None, :]) @ turned


def difference_from_others(values: npt.ArrayLike, covariance: npt.ArrayLike) -> tuple[Array, Array, Means]:
    r"""How far each value lies from what the others lead to expect of it.

    .. math:: \delta_i = (Q v)_i / Q_{ii}, \quad \sigma_{\delta i} = Q_{ii}^{-1/2}, \qquad
              Q = C^{-1} - C^{-1} 1 (1^T C^{-1} 1)^{-1} 1^T C^{-1}

    the offset of one value, fitted with the mean of all: :math:`(\delta_i / \sigma_{\delta i})^2` is what leaving the value
    out takes off chi2. Without covariances it is the value minus the mean of the others.

    Parameters
    ----------
    values : (..., n) array
    covariance : (..., n, n) array

    Returns
    -------
    difference, sigma : (..., n) array
        What the value shares with the others cancels.
    others : Means
        Of the others, one entry per value left out: ``p_value`` (..., n) says whether they agree among themselves.

    Examples
    --------
    >>> apart, sigma, _ = difference_from_others([3.0, 4.0, 4.0], 0.01 * np.eye(3))
    >>> apart.round(2), (apart / sigma).round(1)
    (array([-1. ,  0.5,  0.5]), array([-8.2,  4.1,  4.1]))
    """
    v, c = np.asarray(values, float), np.asarray(covariance, float)
    n = v.shape[-1]
    v = np.broadcast_to(v, (*np.broadcast_shapes(v.shape[:-1], c.shape[:-2]), n))
    without = np.where(np.eye(n, dtype=bool), np.nan, v[..., None, :])  # (..., left out, n)
    others = combine_means(without, c[..., None, :, :])
    known = np.isfinite(v) & np.isfinite(np.diagonal(c, axis1=-2, axis2=-1))
    inverse, _ = _pseudo_inverse(np.where(known[..., :, None] & known[..., None, :], c, 0.0))
    row = inverse.sum(-1)
    whole = row.sum(-1)[..., None, None]
    q = inverse - row[..., :, None] * row[..., None, :] / np.where(whole > 0, whole, 1.0)
    own = np.diagonal(q, axis1=-2, axis2=-1)
    there = (
        known & (known.sum(-1, keepdims=True) > 1) & (own > RANK * np.diagonal(inverse, axis1=-2, axis2=-1))
    )
    safe = np.where(there, own, 1.0)
    difference = (q @ np.where(known, v, 0.0)[..., None])[..., 0] / safe
    return np.where(there, difference, np.nan), np.where(there, safe**-0.5, np.nan), others


@functools.cache
def smallest_seen(freedom: int, threshold: float = 0.05, power: float = 0.8) -> float:
    """By how many sigmas one value must be off for the test to find it with probability ``power``.

    Parameters
    ----------
    freedom : int
        Degrees of freedom of chi2.
    threshold : float
        The p-value below which values disagree.
    power : float

    Returns
    -------
    float
        In sigmas of the difference from the mean of the others.

    Examples
    --------
    >>> round(smallest_seen(1), 2)
    2.8
    """
    from scipy.optimize import brentq
    from scipy.stats import chi2, ncx2

    limit = chi2.isf(threshold, freedom)
    return float(np.sqrt(brentq(lambda off: ncx2.sf(limit, freedom, off) - power, 1e-3, 1e4)))
