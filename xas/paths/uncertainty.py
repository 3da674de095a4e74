r"""Uncertainties of a fit of paths: the noise of chi(k) carried through the fit, its size taken from what is left over.

A fit minimises :math:`|P(\chi - f)|^2`. White noise of chi(k) is not white after the matrix P (k-weight, window, part
of the R axis), so the inverse of the normal matrix is not the covariance. With J the derivatives of P f,
:math:`C = (J^T J)^{-1}` and :math:`\Sigma = P K P^T` for noise of chi(k) with the covariance :math:`s^2 K`,

.. math:: \mathrm{Cov} = s^2\, C J^T \Sigma J C, \qquad
          s^2 = \frac{|P(\chi - f)|^2}{\mathrm{tr}\,\Sigma - \mathrm{tr}(C J^T \Sigma J)} ,

the denominator being the sum of squares that noise of unit size leaves on average. A size known from so few points is
itself uncertain: sigma is the half width of the interval that holds 68.3 % of Student's distribution with as many
degrees of freedom :math:`\nu` as the sum of squares has (Satterthwaite),

.. math:: \nu = \frac{(\mathrm{tr}\,M\Sigma)^2}{\mathrm{tr}\,(M\Sigma)^2}, \qquad M = 1 - J C J^T .
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.stats import norm
from scipy.stats import t as student

from spectra.fitting.arrays import FitResult

__all__ = ["ProjectedNoise", "Uncertainty", "propagated", "without_lost"]

Array = npt.NDArray[np.float64]
#: "propagated": as above. "independent": larch's, as if the fitted points were as many as are independent.
Uncertainty = Literal["propagated", "independent"]

#: Share of a normal distribution below one standard deviation.
WITHIN = float(norm.cdf(1.0))
#: Spectra at a time.
BLOCK = 256
#: A variance this many times that of the parameter alone is rounding: half of the digits of a double are left.
LOST = 1e10


@dataclass(frozen=True)
class ProjectedNoise:
    """Covariance of the data of a fit, projected by P, for noise of unit size: one for all, or one for each spectrum."""

    seen: Array  # (m, p) how independent noise appears in the data
    sizes: Array | None  # (spectra, data set, p) of that noise; all equal without
    data_sets: int

    @classmethod
    def of(cls, matrix: Array, sources: Array | None, sizes: Array | None, data_sets: int) -> ProjectedNoise:
        """From the projection P (m, n).

        Parameters
        ----------
        matrix : (m, n) array
        sources : (n, p) array, optional
            How chi(k) comes from independent noise; the points of chi(k) are independent without it.
        sizes : (..., data set, p) array, optional
            Of the independent noise; all equal without them.
        data_sets : int
        """
        seen = matrix if sources is None else matrix @ sources
        if sizes is None:
            return cls(seen, None, data_sets)
        known = np.nan_to_num(np.asarray(sizes, float)).reshape(-1, data_sets, seen.shape[1])
        silent = ~known.any((-1, -2), keepdims=True)  # noise of size zero says nothing about its shape
        return cls(seen, np.where(silent, 1.0, known), data_sets)

    def rows(self, part: slice) -> Array:
        """Covariances (spectra or 1, data sets * m, data sets * m)."""
        sizes = np.ones((1, self.data_sets, 1)) if self.sizes is None else self.sizes[part]
        m = len(self.seen)
        whole = np.zeros((len(sizes), self.data_sets, m, self.data_sets, m))
        for i, d in np.ndindex(len(sizes), self.data_sets):
            scaled = self.seen * sizes[i, d]
            whole[i, d, :, d, :] = scaled @ scaled.T
        return whole.reshape(-1, self.data_sets * m, self.data_sets * m)


def without_lost(found: FitResult) -> FitResult:
    """The fit, its sigmas NaN and the spectrum flagged where parameters cannot be told from others.

    Two paths of a kind that came to lie on another move with opposite sign and change nothing: the inverse of the
    normal matrix is then made of rounding, and may be huge, zero or negative. What changes nothing is left out of the
    inverse, so that the sigmas of the other parameters hold.
    """
    variance = np.diagonal(found.covariance, axis1=-2, axis2=-1)
    with np.errstate(invalid="ignore", over="ignore"):
        inflation = variance * (found.jacobian**2).sum(
            -1
        )  # 1 where nothing else moves with a parameter, or more
        lost = np.isfinite(inflation) & ~((inflation > 0.5) & (inflation < LOST))
    bound, told = (
        found.flags["at_bound"],
        found.flags["undetermined"],
    )  # where the engine saw it, it has NaN already
    moves = np.isfinite(inflation) | ~bound[..., None]
    covariance = found.covariance.copy()
    for at in map(tuple, np.argwhere(lost.any(-1) | (told & ~bound))):
        covariance[at] = _inverse(found.jacobian[at], moves[at])
    depends = ((found.slopes != 0) & lost[..., None, :]).any(-1)
    flags = {**found.flags, "undetermined": told | lost.any(-1)}
    return replace(found, covariance=covariance, sigma=np.where(depends, np.nan, found.sigma), flags=flags)


def _inverse(jacobian: Array, moves: npt.NDArray[np.bool_]) -> Array:
    """Inverse of the normal matrix of the parameters that move, without the directions in which nothing changes."""
    some = jacobian[moves]
    length = np.sqrt((some**2).sum(-1))
    length[length == 0] = 1.0  # a parameter that does nothing here
    out = np.full((len(moves), len(moves)), np.nan)
    scaled = some / length[:, None]
    out[np.ix_(moves, moves)] = np.linalg.pinv(scaled @ scaled.T, rcond=1 / LOST, hermitian=True) / np.outer(
        length, length
    )
    return out


def propagated(found: FitResult, noise: ProjectedNoise) -> tuple[Array, Array, Array]:
    """Covariance (..., free, free) of the varied parameters, sigma (..., parameter) of all, share of noise left over (...).

    ``found`` is of a projection, with unit weights.
    """
    lead = found.chi2.shape
    given = [found.covariance, found.jacobian, found.slopes, found.chi2, found.sigma]
    flat = [a.reshape(-1, *a.shape[len(lead) :]) for a in given]
    covariance, sigma, share = np.empty_like(flat[0]), np.empty_like(flat[4]), np.empty(flat[3].shape)
    for start in range(0, len(share), BLOCK):
        part = slice(start, start + BLOCK)
        cut = [a[part] for a in flat]
        covariance[part], sigma[part], share[part] = _block(cut, noise.rows(part))
    return covariance.reshape(found.covariance.shape), sigma.reshape(found.sigma.shape), share.reshape(lead)


def _block(cut: list[Array], noise: Array) -> tuple[Array, Array, Array]:
    inverse, jacobian, slopes, chi2, fitted_sigma = cut
    c, j = np.nan_to_num(inverse), np.nan_to_num(jacobian)  # a parameter on its bound does not move
    through, noisy = c @ j, j @ noise
    inner = through @ np.swapaxes(noisy, -1, -2)  # C J' S J
    total = np.trace(noise, axis1=-2, axis2=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        left = total - np.trace(inner, axis1=-2, axis2=-1)
        left_squared = (noise**2).sum((-1, -2)) - 2 * ((through @ noise) * noisy).sum((-1, -2))
        left_squared += (inner * np.swapaxes(inner, -1, -2)).sum((-1, -2))
        wider = student.ppf(WITHIN, left**2 / left_squared)
        covariance = inner @ c * (chi2 / left * wider**2)[..., None, None]
    sigma = np.sqrt(np.maximum((slopes @ covariance * slopes).sum(-1), 0.0))
    return (
        np.where(np.isfinite(inverse), covariance, np.nan),
        np.where(np.isfinite(fitted_sigma), sigma, np.nan),
        left / total,
    )
