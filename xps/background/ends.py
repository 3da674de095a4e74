"""The two ends of a background window: what every background starts from, and the noise they hand on to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spectra.errors import InvalidInput

__all__ = [
    "Background",
    "Polynomial",
    "carried_variance",
    "end_means",
    "linear",
    "polynomial",
    "spectra_along",
]

FloatArray = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Background:
    """A background curve, whether and how fast it settled, and how it moves with the ends of the window.

    The shares are the derivatives of the curve by the means of the low and of the high end; what the points
    between hand on through integrals over the spectrum is small against that and left out.
    """

    background: FloatArray  # (..., n) in the units of the spectrum
    converged: npt.NDArray[np.bool_]  # (...)
    iterations: npt.NDArray[np.int_]  # (...)
    low_share: FloatArray  # (..., n)
    high_share: FloatArray  # (..., n)

    def moves(self, variance: FloatArray, n_end: int) -> tuple[FloatArray, ...]:
        """Moves of the curve by one sigma of what it hangs on, each independent of the others; (..., n) each."""
        ends = end_means(variance, n_end)
        shares = (self.low_share, self.high_share)
        return tuple(np.sqrt(end / n_end) * share for end, share in zip(ends, shares, strict=True))

    def carried(self, variance: FloatArray, n_end: int) -> tuple[FloatArray, FloatArray]:
        """Variance of the curve, and of the spectrum freed of it."""
        return carried_variance(variance, self.low_share, self.high_share, n_end)


def spectra_along(x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[FloatArray, FloatArray, np.dtype[Any]]:
    """Axis and spectra in double precision, checked, infinities as NaN, and the type of the spectra."""
    axis: FloatArray = np.asarray(x, float)
    values: npt.NDArray[Any] = np.asarray(y)
    if axis.ndim != 1 or not values.ndim or values.shape[-1] != axis.size:
        raise InvalidInput(
            f"y has shape {values.shape} and x {axis.shape}: the last dimension of y must run along x."
        )
    if not (np.diff(axis) > 0).all():
        raise InvalidInput("x must ascend strictly: reverse a descending axis together with its spectra.")
    dtype: np.dtype[Any] = values.dtype if np.issubdtype(values.dtype, np.floating) else np.dtype(float)
    numbers: FloatArray = np.asarray(values, float)
    finite = np.isfinite(numbers)
    return axis, numbers if finite.all() else np.where(finite, numbers, np.nan), dtype


def end_means(y: FloatArray, n_end: int) -> tuple[FloatArray, FloatArray]:
    """Means of the first and of the last ``n_end`` points, (..., 1)."""
    if n_end < 1:
        raise InvalidInput(f"n_end must be at least 1, got {n_end}.")
    if y.shape[-1] < 3 * n_end:
        raise InvalidInput(
            f"the spectra have {y.shape[-1]} points; a background needs at least {3 * n_end} (3 × n_end = {n_end}). "
            "Take a wider range or lower n_end."
        )
    return y[..., :n_end].mean(-1, keepdims=True), y[..., -n_end:].mean(-1, keepdims=True)


def carried_variance(
    variance: FloatArray, low_share: FloatArray, high_share: FloatArray, n_end: int
) -> tuple[FloatArray, FloatArray]:
    """Variance of the background and of ``y - background`` where every point of y has its own ``variance``.

    The end points are part of both y and background: near the ends the two go up and down together.
    """
    n = variance.shape[-1]
    at_low, at_high = np.arange(n) < n_end, np.arange(n) >= n - n_end
    low, high = end_means(variance, n_end)
    of_background = (low_share**2 * low + high_share**2 * high) / n_end
    shared = variance * (low_share * at_low + high_share * at_high) / n_end
    return of_background, np.maximum(variance + of_background - 2 * shared, 0)


def linear(x: npt.ArrayLike, y: npt.ArrayLike, *, n_end: int = 5) -> Background:
    """Straight line through the means of both ends, each at the mean energy of its points.

    Parameters
    ----------
    x : (n,) array
        Binding energy in eV, ascending.
    y : (..., n) array
        Counts.
    n_end : int
        Points averaged at each end.

    Returns
    -------
    Background
        ``converged`` is False only where a spectrum is not finite.
    """
    x, y, dtype = spectra_along(x, y)
    (low, high), (x_low, x_high) = end_means(y, n_end), end_means(x, n_end)
    # a spectrum that is broken anywhere has no background, whichever points a method happens to use
    along = (x - x_low) / (x_high - x_low) + 0 * y
    line = low + (high - low) * along + 0 * y.sum(-1, keepdims=True)
    good = np.isfinite(line).all(-1)
    return Background(line.astype(dtype), good, good.astype(int), 1 - along, along)


@dataclass(frozen=True)
class Polynomial(Background):
    """Polynomial background; it hangs on each point of the ends by its own share, not on their means alone."""

    hat: FloatArray  # (n, 2 n_end): derivative of the curve by the points of the low, then of the high end

    def moves(self, variance: FloatArray, n_end: int) -> tuple[FloatArray, ...]:
        """One move per coefficient: the principal axes of what the noise of the end points does to the curve."""
        noise = np.sqrt(np.maximum(_ends(variance, n_end), 0))
        _, size, axes = np.linalg.svd(self.hat * noise[..., None, :], full_matrices=False)
        degree = int(np.linalg.matrix_rank(self.hat))
        left = np.einsum("...nm,...km->...kn", self.hat * noise[..., None, :], axes[..., :degree, :])
        return tuple(left[..., k, :] for k in range(degree)) if size.size else ()

    def carried(self, variance: FloatArray, n_end: int) -> tuple[FloatArray, FloatArray]:
        """Variance of the curve, and of the spectrum freed of it."""
        of_curve = np.einsum("nm,...m->...n", self.hat**2, _ends(variance, n_end))
        n = variance.shape[-1]
        own = np.zeros(n)
        own[:n_end] = np.diagonal(self.hat[:n_end, :n_end])
        own[n - n_end :] = np.diagonal(self.hat[n - n_end :, n_end:])
        return of_curve, np.maximum(variance * (1 - 2 * own) + of_curve, 0)


def _ends(y: FloatArray, n_end: int) -> FloatArray:
    return np.concatenate([y[..., :n_end], y[..., -n_end:]], -1)


def polynomial(x: npt.ArrayLike, y: npt.ArrayLike, *, n_end: int = 5, degree: int = 2) -> Polynomial:
    """Polynomial through the points of both ends of the window, by least squares.

    Nothing between the ends holds it: take many points per end, and a low degree. The stated variance grows
    accordingly.

    Parameters
    ----------
    x : (n,) array
        Binding energy in eV, ascending.
    y : (..., n) array
        Counts.
    n_end : int
        Points of each end that it is fitted to.
    degree : int
        1 is a straight line; at most ``n_end``.

    Returns
    -------
    Polynomial
        ``converged`` is False only where a spectrum is not finite.
    """
    x, y, dtype = spectra_along(x, y)
    end_means(y, n_end)  # checks the number of points
    if not 1 <= degree <= n_end:
        raise InvalidInput(
            f"degree must be from 1 to n_end = {n_end}, got {degree}: lower it, or raise n_end."
        )
    middle, half = (x[0] + x[-1]) / 2, (x[-1] - x[0]) / 2
    powers = np.vander((x - middle) / half, degree + 1)
    hat = powers @ np.linalg.pinv(np.concatenate([powers[:n_end], powers[-n_end:]]))
    curve = _ends(y, n_end) @ hat.T + 0 * y.sum(-1, keepdims=True)
    good = np.isfinite(curve).all(-1)
    low, high = hat[:, :n_end].sum(-1), hat[:, n_end:].sum(-1)
    return Polynomial(curve.astype(dtype), good, good.astype(int), low + 0 * curve, high + 0 * curve, hat)
