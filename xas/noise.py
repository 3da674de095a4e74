"""Noise of a spectrum, read off the spectrum itself."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["estimate_noise"]

#: Points looked at; more would cost time and change the result by less than its own uncertainty of 5 %.
MAX_POINTS = 600
OFFSETS = np.array([-2, -1, 1, 2])  # the neighbours that predict a point
BLOCK = 128  # spectra at a time: what is computed from them stays in the processor's cache


def estimate_noise(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    r"""Standard deviation of white noise, from what a cubic through its four neighbours does not predict of a point.

    .. math:: r_i = \frac{y_i - \sum_j w_{ij} y_j}{\sqrt{1 + \sum_j w_{ij}^2}}, \qquad
              \sigma = 1.4826 \, \mathrm{median}_i |r_i|

    The weights :math:`w_{ij}` are those of Lagrange's interpolation on the spectrum's own grid, so a smooth curve
    leaves nothing and uneven steps do no harm. The median does not see glitches, white lines or a few missing points.
    Data that were smoothed or interpolated onto a finer grid have correlated noise, of which this sees too little.

    Parameters
    ----------
    x : (n,) array
        Spectral axis, ascending.
    y : (..., n) array
        Spectra.

    Returns
    -------
    (...) array
        In units of ``y``; NaN for fewer than 7 points. Its own relative uncertainty is about :math:`0.8/\sqrt{n}`.

    References
    ----------
    T. Gasser, L. Sroka & C. Jennen-Steinmetz, Biometrika 73, 625 (1986), doi:10.1093/biomet/73.3.625
    """
    n = x.size
    if n < 7:
        return np.full(y.shape[:-1], np.nan)
    middle = np.arange(2, n - 2, max(1, (n - 4) // MAX_POINTS))
    near = x[middle[:, None] + OFFSETS]
    weights = np.empty_like(near)
    for j in range(4):
        others = np.delete(near, j, axis=1)
        weights[:, j] = np.prod((x[middle, None] - others) / (near[:, j, None] - others), axis=1)
    rows = y.reshape(-1, n)
    sigma = np.empty(len(rows))
    for start in range(0, len(rows), BLOCK):
        part = slice(start, start + BLOCK)
        sigma[part] = _scatter(rows[part], middle, weights)
    return sigma.reshape(y.shape[:-1])


def _scatter(
    y: npt.NDArray[np.float64], middle: npt.NDArray[np.intp], weights: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    unpredicted = y[:, middle].astype(float)
    for offset, weight in zip(OFFSETS, weights.T, strict=True):
        unpredicted -= weight * y[:, middle + offset]
    size = np.abs(unpredicted) / np.sqrt(1 + (weights**2).sum(1))
    missing = np.isnan(size)
    if not missing.any():
        return np.asarray(1.4826 * np.median(size, axis=1))
    lonely = missing.all(1)
    return np.where(lonely, np.nan, 1.4826 * np.nanmedian(np.where(lonely[:, None], 0.0, size), axis=1))
