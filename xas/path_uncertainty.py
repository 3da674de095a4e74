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

from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.stats import norm
from scipy.stats import t as student

from spectra.fitting.arrays import FitResult

__all__ = ["Uncertainty", "projected_noise", "propagated"]

Array = npt.NDArray[np.float64]
#: "propagated": as above. "independent": larch's, as if the fitted points were as many as are independent.
Uncertainty = Literal["propagated", "independent"]

#: Share of a normal distribution below one standard deviation.
WITHIN = float(norm.cdf(1.0))


def propagated(found: FitResult, noise: Array) -> tuple[Array, Array, Array]:
    """Covariance (..., free, free) of the varied parameters, sigma (..., parameter) of all, share of noise left over (...).

    Parameters
    ----------
    found : FitResult
        Of a projection P, with unit weights.
    noise : (m, m) or (..., m, m) array
        Covariance of the projected data for noise of unit size.
    """
    jacobian = np.nan_to_num(found.jacobian)
    through = np.nan_to_num(found.covariance) @ jacobian  # a parameter on its bound does not move
    noisy = jacobian @ noise
    inner = through @ np.swapaxes(noisy, -1, -2)  # C J' S J
    with np.errstate(invalid="ignore", divide="ignore"):
        left = np.trace(noise, axis1=-2, axis2=-1) - np.trace(inner, axis1=-2, axis2=-1)
        left_squared = (noise**2).sum((-1, -2)) - 2 * ((through @ noise) * noisy).sum((-1, -2))
        left_squared += (inner * np.swapaxes(inner, -1, -2)).sum((-1, -2))
        wider = student.ppf(WITHIN, left**2 / left_squared)
        unit = inner @ np.nan_to_num(found.covariance)
        covariance = unit * (found.chi2 / left * wider**2)[..., None, None]
    spread = (found.slopes @ covariance * found.slopes).sum(-1)
    sigma = np.sqrt(np.maximum(spread, 0.0))
    covariance = np.where(np.isfinite(found.covariance), covariance, np.nan)
    share = left / np.trace(noise, axis1=-2, axis2=-1)
    return covariance, np.where(np.isfinite(found.sigma), sigma, np.nan), share


def projected_noise(matrix: Array, sources: Array | None, sizes: Array | None) -> Array:
    """Covariance of the projected data, (data sets * m) squared, with leading dimensions where ``sizes`` have some.

    Parameters
    ----------
    matrix : (m, n) array
        The projection P.
    sources : (n, p) array, optional
        How chi(k) comes from independent noise; white noise without it.
    sizes : (..., data set, p) array, optional
        Of the independent noise; all equal without them.
    """
    seen = matrix if sources is None else matrix @ sources
    if sizes is None:
        return np.asarray(seen @ seen.T)
    scaled = seen * np.nan_to_num(sizes)[..., None, :]  # (..., data set, m, p)
    each = scaled @ np.swapaxes(scaled, -1, -2)
    sets, m = each.shape[-3:-1]
    whole = np.zeros((*each.shape[:-3], sets, m, sets, m))
    for d in range(sets):
        whole[..., d, :, d, :] = each[..., d, :, :]
    return whole.reshape(*each.shape[:-3], sets * m, sets * m)
