"""Noise of chi(k) carried through linear maps of it, with the correlation that interpolation and background leave in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from spectra.dataset import signal_name
from spectra.errors import InvalidInput
from spectra.verbs import history
from xas.exafs.spline_operator import AutobkOperator, BackgroundOptions, operator_for

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["ChiNoise", "Spread", "noise_of_chi", "spread_of"]

Array = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complex128]
#: From the values (rows, m) of a map, real and imaginary, and the sizes of the noise (rows, p) to the standard
#: uncertainties of real part, imaginary part and magnitude.
Spread = Callable[[Array, Array, Array], tuple[Array, Array, Array]]


@dataclass(frozen=True)
class ChiNoise:
    r"""Where the noise of chi(k) comes from.

    With ``matrix`` given, chi's noise is :math:`O\,(s_p \epsilon_p)` with independent unit noise :math:`\epsilon` and
    the sizes s of each spectrum, one per source. Otherwise the sources are of one size in each spectrum, all that is
    to know is chi's ``covariance`` for unit size, and ``sizes`` holds ``chi_sigma`` itself.
    """

    sizes: xr.DataArray
    axis: str  # that ``sizes`` run along
    covariance: Array | None = None  # (n, n)
    matrix: Array | None = None  # (n, p) O; an identity where the points of chi are independent

    def variance(self, weights: Array, sizes: Array) -> Array:
        """Variance (rows,) of the sums of chi with ``weights`` (rows, n), for noise of ``sizes`` (rows, p)."""
        if self.matrix is not None:
            return np.asarray(((weights @ self.matrix) ** 2 * sizes**2).sum(-1))
        assert self.covariance is not None
        variance = np.diag(self.covariance)
        j = int(np.where(np.nan_to_num(weights).any(0), variance, -1.0).argmax())
        scale = sizes[:, j] ** 2 / variance[j]
        return np.asarray(scale * ((weights @ self.covariance) * weights).sum(-1))


def noise_of_chi(dataset: xr.Dataset) -> ChiNoise | None:
    """Noise of ``chi`` in ``dataset``, as the last ``xas.autobk`` in the history made it; None without ``chi_sigma``.

    Where chi(k) came otherwise its points count as independent: ``matrix`` is an identity.
    """
    if "chi_sigma" not in dataset:
        return None
    operator = _operator(dataset)
    if operator is None:
        return ChiNoise(dataset["chi_sigma"], "k", matrix=np.eye(dataset.sizes["k"]))
    measured = f"{signal_name(dataset)}_sigma"
    if dataset["chi_sigma"].attrs.get("noise") != measured or measured not in dataset:
        return ChiNoise(dataset["chi_sigma"], "k", covariance=operator.covariance)
    sizes = dataset[measured].isel(energy=operator.points).fillna(0.0)
    if "edge_step" in dataset:
        sizes = sizes / dataset["edge_step"]
    return ChiNoise(sizes, "energy", matrix=operator.chi)


def _operator(dataset: xr.Dataset) -> AutobkOperator | None:
    """The background's operator that made ``chi``, for the E0 in the middle where spectra have their own."""
    calls = [call for call in history(dataset) if call["verb"] == "xas.autobk"]
    if not calls:
        return None
    said = {**calls[-1]["options"], **calls[-1].get("resolved", {})}
    if said["e0"] is None and "e0" not in dataset:
        return None
    e0 = float(np.nanmedian(dataset["e0"].values)) if said["e0"] is None else float(said["e0"])
    names = ("rbkg", "kmin", "kmax", "kweight", "window", "dk", "clamp", "clamp_low", "clamp_high", "nclamp")
    options = BackgroundOptions(*(said[n] for n in names))
    try:
        operator = operator_for(dataset["energy"].values.astype(float), e0, options)
    except InvalidInput:  # the axis was cut since
        return None
    return operator if operator.k.size == dataset.sizes["k"] else None


def spread_of(matrix: Complex, noise: ChiNoise) -> Spread:
    r"""Uncertainties of the map :math:`z = M\chi` as a function of its values and the sizes of the noise.

    .. math:: \mathrm{Var}(\mathrm{Re}\,z) = \sum_p (\mathrm{Re}\,M O)_p^2\, s_p^2, \qquad
              \sigma^2(|z|) = \frac{\mathrm{Var}(\mathrm{Re}\,z\,\mathrm{Re}\,\delta z +
              \mathrm{Im}\,z\,\mathrm{Im}\,\delta z)}{|z|^2}

    Parameters
    ----------
    matrix : (m, n) complex array
    noise : ChiNoise
        Of n points.
    """
    used = np.flatnonzero(matrix.any(0))
    part = slice(int(used[0]), int(used[-1]) + 1)
    parts = (matrix.real[:, part], matrix.imag[:, part])
    if noise.matrix is None and noise.covariance is not None:
        return _common_spread(parts, noise.covariance[part, part], part.start)
    to_z = [a if noise.matrix is None else a @ noise.matrix[part] for a in parts]
    squares = [np.ascontiguousarray((to_z[i] * to_z[j]).T) for i, j in ((0, 0), (1, 1), (0, 1))]

    def spread(re: Array, im: Array, sizes: Array) -> tuple[Array, Array, Array]:
        of_re, of_im, cross = (sizes**2 @ s for s in squares)
        return _root(of_re), _root(of_im), _root(_of_magnitude(re, im, of_re, of_im, cross))

    return spread


def _common_spread(parts: tuple[Array, Array], covariance: Array, start: int) -> Spread:
    """Spread for noise that differs between spectra by its size only, read off chi_sigma where it is largest."""
    of_re, of_im, cross = ((parts[i] @ covariance * parts[j]).sum(1) for i, j in ((0, 0), (1, 1), (0, 1)))
    widest = int(np.diag(covariance).argmax())
    unit, root_re, root_im = np.sqrt(covariance[widest, widest]), _root(of_re), _root(of_im)

    def spread(re: Array, im: Array, sizes: Array) -> tuple[Array, Array, Array]:
        size = sizes[:, start + widest, None] / unit
        of_mag = _of_magnitude(re, im, of_re, of_im, cross)
        return root_re * size, root_im * size, np.multiply(_root(of_mag), size)

    return spread


def _of_magnitude(re: Array, im: Array, of_re: Array, of_im: Array, cross: Array) -> Array:
    """Variance of the magnitude to first order; in place, as these arrays are large."""
    total, square, product = re * re, im * im, re * im
    whole = total + square
    total *= of_re
    square *= of_im
    product *= 2 * cross
    total += square
    total += product
    with np.errstate(divide="ignore", invalid="ignore"):
        total /= whole
    return total


def _root(variance: Array) -> Array:
    return np.sqrt(np.maximum(variance, 0.0))  # rounding may leave less than nothing
