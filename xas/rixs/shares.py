"""Counts over those of a feature of the same spectrum: both are noisy, and share photons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spectra.errors import InvalidInput

__all__ = ["Shares", "divided_by_own", "over_feature"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Shares:
    """Spectra divided by an area of their own, the area, and both sigmas."""

    values: FloatArray  # (..., n)
    sigma: FloatArray  # (..., n)
    area: FloatArray  # (...)
    area_sigma: FloatArray  # (...)


def divided_by_own(
    counts: npt.ArrayLike,
    weights: npt.ArrayLike,
    *,
    removed: npt.ArrayLike = 0.0,
    removed_sigma: npt.ArrayLike = 0.0,
    shared: npt.ArrayLike = 0.0,
) -> Shares:
    r"""Counts over :math:`A = \sum_i u_i y_i - R`, an area of the same spectrum.

    .. math:: \sigma^2(y_i/A) = \frac{y_i}{A^2} + \frac{y_i^2 \sigma_A^2}{A^4} - \frac{2 u_i y_i^2}{A^3},
              \qquad \sigma_A^2 = \sum_i u_i^2 y_i + \sigma_R^2 - 2 c

    Parameters
    ----------
    counts : (..., n) array
        Photons, Poisson distributed.
    weights : (n,) or (..., n) array
        :math:`u`, 1 in the channels of the area, 0 elsewhere.
    removed, removed_sigma : (...) array
        What is taken off the area, with its uncertainty.
    shared : (...) array
        :math:`c`, its covariance with the counted area, if it was fitted to the same photons: those of a Gaussian
        fitted on a constant are their own number.

    Returns
    -------
    Shares
        NaN where the area is not positive.
    """
    y, u = np.asarray(counts, float), np.asarray(weights, float)
    area = (u * y).sum(axis=-1) - np.asarray(removed, float)
    variance = (u**2 * y).sum(axis=-1) + np.asarray(removed_sigma, float) ** 2 - 2 * np.asarray(shared, float)
    a = np.where(area > 0, area, np.nan)[..., None]
    spread = y / a**2 + y**2 * variance[..., None] / a**4 - 2 * u * y**2 / a**3
    return Shares(y / a, np.sqrt(np.maximum(spread, 0.0)), area, np.sqrt(np.maximum(variance, 0.0)))


def over_feature(counts: npt.ArrayLike, x: npt.ArrayLike, window: tuple[float, float]) -> Shares:
    """Counts over those between the two ends of ``window`` on the axis ``x``.

    Raises
    ------
    InvalidInput
        No spectrum has photons there.
    """
    low, high = sorted(window)
    axis = np.asarray(x, float)
    share = divided_by_own(counts, (axis >= low) & (axis <= high))
    if not (share.area > 0).any():
        raise InvalidInput(
            f"normalize: no photons between {low:g} and {high:g} eV; the losses run from {axis[0]:g} to {axis[-1]:g} eV."
        )
    return share
