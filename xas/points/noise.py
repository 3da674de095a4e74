"""Noise of a spectrum, read off the spectrum itself."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

__all__ = ["estimate_noise"]

Array = npt.NDArray[np.float64]

#: Points looked at, evenly spaced: more would cost time and gain little on the estimate's own uncertainty of 5 %.
MAX_POINTS = 400
OFFSETS = (-2, -1, 1, 2)  # the neighbours that predict a point
BLOCK = 128  # spectra at a time: what is computed from them stays in the processor's cache


def estimate_noise(x: Array, y: Array) -> Array:
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
        In units of ``y``; NaN for fewer than 7 points. Its own relative uncertainty is about
        :math:`1.2/\sqrt{n}`, for n up to 400 points.

    References
    ----------
    T. Gasser, L. Sroka & C. Jennen-Steinmetz, Biometrika 73, 625 (1986), doi:10.1093/biomet/73.3.625
    """
    n = x.size
    if n < 7:
        return np.full(y.shape[:-1], np.nan)
    every, weights, scale = _prediction(np.asarray(x, float).tobytes())
    rows = y.reshape(-1, n)
    sigma = np.empty(len(rows))
    for start in range(0, len(rows), BLOCK):
        part = slice(start, start + BLOCK)
        sigma[part] = _scatter(rows[part], every, weights, scale)
    return sigma.reshape(y.shape[:-1])


@functools.lru_cache(maxsize=8)
def _prediction(grid: bytes) -> tuple[int, list[Array], Array]:
    """Every how many points one is predicted, the weights of its neighbours, and the factor to its deviation."""
    x = np.frombuffer(grid)
    n = x.size
    every = max(1, (n - 4) // MAX_POINTS)
    here, near = x[2 : n - 2 : every], [x[2 + o : n - 2 + o : every] for o in OFFSETS]
    weights = [
        np.prod([(here - b) / (a - b) for j, b in enumerate(near) if j != i], axis=0)
        for i, a in enumerate(near)
    ]
    return every, weights, 1.4826 / np.sqrt(1 + np.square(weights).sum(0))


def _scatter(y: Array, every: int, weights: list[Array], scale: Array) -> Array:
    n = y.shape[1]
    unpredicted = y[:, 2 : n - 2 : every].astype(float)
    for offset, weight in zip(OFFSETS, weights, strict=True):
        unpredicted -= weight * y[:, 2 + offset : n - 2 + offset : every]
    size = np.abs(unpredicted, out=unpredicted)
    size *= scale
    missing = np.isnan(size)
    if not missing.any():
        return np.asarray(np.median(size, axis=1, overwrite_input=True))
    lonely = missing.all(1)
    return np.where(lonely, np.nan, np.nanmedian(np.where(lonely[:, None], 0.0, size), axis=1))
