"""Smoothing and resampling as what they are: each new point a weighted sum of old ones, so that sigmas follow exactly."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.errors import InvalidInput

__all__ = ["apply_weights", "gaussian_weights", "resampling_weights", "savgol_weights", "whittaker_weights"]

Array = npt.NDArray[np.float64]

#: A Gaussian is cut off at this many full widths.
CUT = 1.8


def savgol_weights(n: int, window: int, order: int) -> Any:
    """(n, n) sparse weights of a Savitzky–Golay filter; at the ends, of the polynomial through the last window.

    Raises
    ------
    InvalidInput
        If the window is even, longer than the spectrum, or no longer than the order.
    """
    from scipy.sparse import coo_array

    if window % 2 == 0 or window < 3 or not 0 <= order < window:
        raise InvalidInput(
            f"window is an odd number of points above the order, got {window} with order {order}."
        )
    if window > n:
        raise InvalidInput(
            f"window = {window} points is longer than the spectrum, which has {n}: choose a shorter one."
        )
    u = np.linspace(-1, 1, window)[:, None] ** np.arange(order + 1)
    hat = u @ np.linalg.pinv(u)  # what the polynomial makes of each point of its window
    half = window // 2
    start = np.clip(np.arange(n) - half, 0, n - window)
    row = hat[np.arange(n) - start]
    at = start[:, None] + np.arange(window)
    return coo_array((row.ravel(), (np.repeat(np.arange(n), window), at.ravel())), (n, n)).tocsr()


def gaussian_weights(x: Array, fwhm: float) -> Any:
    """(n, n) sparse weights of a Gaussian of full width ``fwhm`` along the axis, even or not."""
    from scipy.sparse import coo_array

    if not (fwhm > 0 and np.isfinite(fwhm)):
        raise InvalidInput(f"fwhm is a width above zero, got {fwhm:g}.")
    first, last = np.searchsorted(x, x - CUT * fwhm), np.searchsorted(x, x + CUT * fwhm, side="right")
    row = np.repeat(np.arange(x.size), last - first)
    column = np.concatenate([np.arange(a, b) for a, b in zip(first, last, strict=True)])
    weight = np.exp(-4 * np.log(2) * ((x[row] - x[column]) / fwhm) ** 2) * np.gradient(x)[column]
    total = np.bincount(row, weight, x.size)
    return coo_array((weight / total[row], (row, column)), (x.size, x.size)).tocsr()


def whittaker_weights(n: int, lam: float) -> Array:
    """(n, n) weights of the curve that minimises squared distances plus ``lam`` times squared second differences."""
    from scipy.linalg import solveh_banded

    if not (lam > 0 and np.isfinite(lam)):
        raise InvalidInput(f"lam is above zero, got {lam:g}.")
    if n < 3:
        raise InvalidInput(f"second differences need at least 3 points, the spectrum has {n}.")
    d = np.diff(np.eye(n), 2, axis=0) if n < 6 else None
    bands = np.zeros((3, n))
    if d is not None:
        full = d.T @ d
        for k in range(3):
            bands[2 - k, k:] = np.diag(full, k)
    else:
        bands[2], bands[1, 1:], bands[0, 2:] = 6.0, -4.0, 1.0
        bands[2, [0, -1]], bands[2, [1, -2]] = 1.0, 5.0
        bands[1, [1, -1]] = -2.0
    bands *= lam
    bands[2] += 1.0
    return np.asarray(solveh_banded(bands, np.eye(n)))


def resampling_weights(x: Array, grid: Array, method: Literal["linear", "cubic", "mean"]) -> Any:
    """(m, n) sparse weights that bring values at ``x`` to ``grid``, which lies inside of it.

    Parameters
    ----------
    x, grid : (n,), (m,) arrays
        Ascending.
    method : {"linear", "cubic", "mean"}
        A line between the two points beside, the cubic through the four points around, or the mean over the width of a
        new point, each old one standing for the interval half way to its neighbours: areas stay what they were.
    """
    from scipy.sparse import coo_array

    m, n = grid.size, x.size
    if method == "mean":
        return _mean_weights(x, grid)
    count = min(2 if method == "linear" else 4, n)
    first = np.clip(np.searchsorted(x, grid, side="right") - count // 2, 0, n - count)
    at = first[:, None] + np.arange(count)
    near, weight = x[at], np.ones((m, count))
    for i in range(count):
        for j in range(count):
            if i != j:
                weight[:, i] *= (grid - near[:, j]) / (near[:, i] - near[:, j])
    weight[np.abs(weight) < 1e-12] = (
        0.0  # on a point of the old grid the others have no say, and need not be there
    )
    made = coo_array((weight.ravel(), (np.repeat(np.arange(m), count), at.ravel())), (m, n)).tocsr()
    made.eliminate_zeros()
    return made


def _edges(x: Array) -> Array:
    middle = (x[1:] + x[:-1]) / 2
    return np.concatenate([[x[0] - (middle[0] - x[0])], middle, [x[-1] + (x[-1] - middle[-1])]])


def _mean_weights(x: Array, grid: Array) -> Any:
    from scipy.sparse import csr_array

    old, new = _edges(x), _edges(grid)
    new = np.clip(new, old[0], old[-1])
    first = np.clip(np.searchsorted(old, new[:-1], side="right") - 1, 0, x.size - 1)
    last = np.clip(np.searchsorted(old, new[1:], side="left"), first + 1, x.size)
    row = np.repeat(np.arange(grid.size), last - first)
    column = np.concatenate([np.arange(a, b) for a, b in zip(first, last, strict=True)])
    shared = np.minimum(old[column + 1], new[row + 1]) - np.maximum(old[column], new[row])
    weight = np.maximum(shared, 0) / np.diff(new)[row]
    return csr_array((weight, (row, column)), (grid.size, x.size))


def apply_weights(weights: Any, y: npt.ArrayLike, *, quadrature: bool = False) -> Array:
    """Weighted sums along the last axis; of standard deviations of independent points, with ``quadrature``.

    A new point that a missing one has a say in is missing.
    """
    values = np.asarray(y, float)
    rows = values.reshape(-1, values.shape[-1])
    if quadrature:
        made = np.sqrt(np.maximum(((weights**2) @ (rows**2).T).T, 0.0))
    else:
        made = (weights @ rows.T).T
    return np.asarray(made).reshape((*values.shape[:-1], weights.shape[0]))
