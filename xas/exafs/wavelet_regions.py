"""Boxes in (k, R) of a wavelet's map: the integral of its magnitude and the uncertainty of that."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xas.exafs.chi_noise import ChiNoise
from xas.exafs.wavelet_filter import Wavelet, WaveletFilter, adjoint, wavelet_filter, wavelet_transform
from xas.points.wavenumber import R_STEP

__all__ = ["RegionIntegral", "region_integral", "region_integrals", "trapezoid_weights"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class RegionIntegral:
    """What integrates |W| over one box: filters of rows inside it, and weights of their points."""

    filters: WaveletFilter
    weights: Array  # (n_r, n_k)


def region_integral(
    grid: Array, k: tuple[float, float], r: tuple[float, float], *, kind: Wavelet, width: float
) -> RegionIntegral:
    """Integral over the box of the magnitude taken as linear between points, on rows of its own at most 0.03 Å apart.

    Parameters
    ----------
    grid : (n_k,) array
        Uniform grid of k from 0.
    k, r : (float, float)
        Limits of the box in 1/Å and Å.
    kind, width
        Of the wavelet; see :func:`xas.exafs.wavelet_filter.wavelet_filter`.
    """
    rows = np.linspace(*r, 2 + int((r[1] - r[0]) / R_STEP))
    filters = wavelet_filter(rows, grid.size, float(grid[1] - grid[0]), kind=kind, width=width)
    return RegionIntegral(filters, trapezoid_weights(rows, *r)[:, None] * trapezoid_weights(grid, *k))


def trapezoid_weights(grid: Array, low: float, high: float) -> Array:
    """Weights of the values on a uniform grid in the integral, from ``low`` to ``high``, of the line through them."""
    step = grid[1] - grid[0]

    def up_to(x: float) -> Array:
        """Integral from the first point to x of each point's triangle."""
        t = np.clip((x - grid) / step, -1, 1)
        whole = np.where(t < 0, (1 + t) ** 2 / 2, 1 / 2 + t - t**2 / 2)
        whole[0] -= 0.5  # the first triangle has no left half
        return np.asarray(step * whole)

    return up_to(high) - up_to(low)


def region_integrals(
    x: Array, region: RegionIntegral, scale: Array, noise: ChiNoise | None, sizes: Array | None
) -> tuple[Array, Array | None]:
    r"""Integrals of |W| over a box and their standard uncertainties.

    To first order, :math:`\delta |W| = \mathrm{Re}(\bar W \delta W)/|W|` is linear in the noise of chi(k), so the
    integral's is one weighted sum of it, found with the transform's adjoint.

    Parameters
    ----------
    x : (rows, n_k) array
        :math:`k^w\,\Omega(k)\,\chi(k)`.
    region : RegionIntegral
    scale : (n_k,) array
        :math:`k^w\,\Omega(k)`.
    noise : ChiNoise, optional
    sizes : (rows, p) array, optional
        Of the noise.

    Returns
    -------
    area, sigma : (rows,) arrays
        Sigma is None without noise.
    """
    area, slope = np.full(len(x), np.nan), np.full(x.shape, np.nan)
    for i in np.flatnonzero(np.isfinite(x).all(1)):
        image = wavelet_transform(x[i], region.filters)
        magnitude = np.abs(image)
        area[i] = (region.weights * magnitude).sum()
        if noise is not None:
            phase = np.divide(image, magnitude, out=np.zeros_like(image), where=magnitude > 0)
            slope[i] = adjoint(np.multiply(phase, region.weights), region.filters) * scale
    if noise is None or sizes is None:
        return area, None
    return area, np.sqrt(noise.variance(slope, sizes))
