"""Backgrounds fitted in front of an edge: arrays in, parameters and their covariance out, row by row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xas.eels.background.rows import LEAST, score_rows
from xas.eels.channels.curves import Curve

__all__ = [
    "Fitted",
    "fit_curve",
    "log_linear",
    "maximum_likelihood",
    "shared_exponent",
    "two_area",
    "weighted",
]

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

#: Fisher scoring ends with the step that moves by less than this share of a standard deviation; what is left after it
#: is the square of that.
SETTLED = 1e-3
STEPS = 40


@dataclass(frozen=True)
class Fitted:
    """Parameters of a background per spectrum; NaN where there is none."""

    parameters: Array  # (..., terms)
    covariance: Array  # (..., terms, terms)
    dispersion: Array  # (...) variance of a channel per count, or of a channel, or 1 for stated sigmas
    redchi: Array  # (...) chi-square of the fit window per degree of freedom


def maximum_likelihood(
    curve: Curve, energy: Array, y: Array, *, variance: Array | None = None
) -> tuple[Array, Array, Array]:
    r"""Logarithmically linear curve by Poisson maximum likelihood; Fisher scoring, covariance in closed form.

    .. math:: \mu_i = e^{a - r f_i}, \quad F = \sum_i \mu_i \begin{pmatrix} 1 & -f_i \\ -f_i & f_i^2 \end{pmatrix},
              \quad \mathrm{cov}(a, r) = F^{-1}

    Parameters
    ----------
    curve : Curve
        A power law or an exponential.
    energy : (n,) array
        Energies in eV inside the fit window.
    y : (rows, n) array
        Counts. Single values may be zero or negative, their sum may not.
    variance : (rows, n) array, optional
        Of each value, where it is known: weighted least squares instead.

    Returns
    -------
    parameters (rows, 2), covariance (rows, 2, 2), chi-square (rows,)
        NaN where the sum of the counts is not positive, or scoring did not settle. The last is Pearson's.

    References
    ----------
    P. McCullagh & J. A. Nelder, Generalized Linear Models (scoring for the Poisson family with a logarithmic link).
    """
    at = curve.basis(energy)[:, 1]
    middle = at.mean()  # amplitude at the middle of the window: F nearly diagonal
    rows = len(y)
    total = y.sum(-1)
    usable: Mask = np.asarray(np.isfinite(total) & (total > 0))
    theta = np.zeros((rows, 2))
    theta[:, 0] = np.where(usable, np.log(np.where(usable, total, 1.0) / energy.size), np.nan)
    fisher, chi2, settled = np.full((rows, 3), np.nan), np.full(rows, np.nan), np.zeros(rows, bool)
    known = np.empty((0, energy.size)) if variance is None else np.require(variance, float, ["C", "W"])
    counts = np.require(y, float, ["C", "W"])
    score_rows(counts, at - middle, known, theta, fisher, chi2, settled, STEPS, SETTLED)
    with np.errstate(divide="ignore", invalid="ignore"):
        determinant = fisher[:, 0] * fisher[:, 2] - fisher[:, 1] ** 2
        inverse = np.stack([fisher[:, 2], -fisher[:, 1], fisher[:, 0]], -1) / determinant[:, None]
    return *_moved_back(theta, inverse, middle, settled), chi2


def _moved_back(theta: Array, inverse: Array, middle: float, usable: Mask) -> tuple[Array, Array]:
    """Amplitude told at the reference again, with its covariance; NaN in rows that are not usable."""
    v_aa, v_ar, v_rr = inverse[..., 0], inverse[..., 1], inverse[..., 2]
    parameters = np.stack([theta[..., 0] - middle * theta[..., 1], theta[..., 1]], -1)
    covariance = np.empty((*theta.shape[:-1], 2, 2))
    covariance[..., 0, 0] = v_aa - 2 * middle * v_ar + middle**2 * v_rr
    covariance[..., 0, 1] = covariance[..., 1, 0] = v_ar - middle * v_rr
    covariance[..., 1, 1] = v_rr
    parameters[~usable] = np.nan
    covariance[~usable] = np.nan
    return parameters, covariance


def two_area(curve: Curve, energy: Array, y: Array) -> tuple[Array, Array]:
    r"""Power law from the areas of the two halves of the window (Egerton), and its covariance for counts.

    .. math:: r = 1 + 2 \ln(I_1/I_2) / \ln(E_2/E_1), \quad
              A = (1 - r)(I_1 + I_2) / (E_2^{1-r} - E_1^{1-r})

    The window is divided at its geometric middle, for which this is exact; with the arithmetic middle and without the
    1, as often written, it is so nearly. Areas that are not positive give NaN in that row. Parameters and returns as in
    :func:`maximum_likelihood`.
    """
    width = np.gradient(energy)
    low, high = energy[0] - width[0] / 2, energy[-1] + width[-1] / 2
    edges = np.concatenate([[low], (energy[1:] + energy[:-1]) / 2, [high]])
    first = np.clip(
        (np.sqrt(low * high) - edges[:-1]) / np.diff(edges), 0, 1
    )  # the channel in the middle is shared
    dx = np.diff(edges)
    halves = np.stack([first * dx, (1 - first) * dx], -1)
    areas = y @ halves
    spread = np.clip(y, 0, None) @ halves**2
    with np.errstate(divide="ignore", invalid="ignore"):
        r = 1 + 2 * np.log(areas[..., 0] / areas[..., 1]) / np.log(high / low)
        s = 1 - r
        s = np.where(np.abs(s) < 1e-6, 1e-6, s)  # r = 1: its limit
        e1, e2 = low / curve.reference, high / curve.reference
        span = (e2**s - e1**s) / s
        total = areas.sum(-1)
        a = np.log(total / (span * curve.reference))
        by_s = (np.log(e2) * e2**s - np.log(e1) * e1**s) / s / span - 1 / s
        r_by = 2 / np.log(high / low) / areas * np.array([1.0, -1.0])
        a_by = 1 / total[..., None] + by_s[..., None] * r_by
        jacobian = np.stack([a_by, r_by], -2)  # (rows, terms, halves)
        covariance = np.einsum("...ik,...k,...jk->...ij", jacobian, spread, jacobian)
    parameters = np.stack([a, r], -1)
    bad = ~(np.isfinite(parameters).all(-1) & (areas > 0).all(-1))
    parameters[bad] = np.nan
    covariance[bad] = np.nan
    return parameters, covariance


def log_linear(curve: Curve, energy: Array, y: Array) -> tuple[Array, Array]:
    """Straight line through the logarithm of the counts, weighted with the counts: biased where they are few.

    Values that are not positive are left out, which is one half of the bias; the logarithm is the other.
    Parameters and returns as in :func:`maximum_likelihood`.
    """
    basis = curve.basis(energy)
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = np.where(y > 0, y, 0.0)
        logarithm = np.where(y > 0, np.log(np.where(y > 0, y, 1.0)), 0.0)
    return _solved(basis, weight, logarithm, np.asarray(np.isfinite(y).all(-1)))


def weighted(
    curve: Curve, energy: Array, y: Array, *, variance: Array | None, counts: bool
) -> tuple[Array, Array]:
    """Linear curve by weighted least squares; counts weigh by the fitted curve.

    Parameters
    ----------
    curve : Curve
        A polynomial or a combination of power laws.
    energy, y
        As in :func:`maximum_likelihood`.
    variance : (rows, n) array, optional
        Of each value. Without it, and without ``counts``, all weigh the same, and the covariance is that for unit
        variance.
    counts : bool
        The variance of a value is the fitted curve.
    """
    basis, usable = curve.basis(energy), np.asarray(np.isfinite(y).all(-1))
    weight = 1 / variance if variance is not None else np.ones_like(y)
    if variance is None and counts:
        weight = weight / np.maximum(y.mean(-1, keepdims=True), 1e-300)
    parameters, covariance = _fitted(curve, basis, weight, y, usable)
    if variance is None and counts:
        usable = usable & (y.sum(-1) > 0)
        for _ in range(4):
            floor = np.maximum(y.mean(-1, keepdims=True), 1e-300) * 1e-2
            weight = 1 / np.maximum(parameters @ basis.T, floor)
            parameters, covariance = _fitted(curve, basis, weight, y, usable)
    return parameters, covariance


def _fitted(curve: Curve, basis: Array, weight: Array, y: Array, usable: Mask) -> tuple[Array, Array]:
    """Least squares; power laws with amplitudes that are not negative."""
    parameters, covariance = _solved(basis, weight, y, usable)
    if curve.kind != "power_laws" or basis.shape[1] != 2:
        return parameters, covariance
    for term in (0, 1):
        negative = parameters[..., term] < 0
        if negative.any():  # the other alone; what stands on the limit has no freedom left
            other = 1 - term
            value, spread = _solved(basis[:, [other]], weight[negative], y[negative], usable[negative])
            alone, freedom = np.zeros((len(value), 2)), np.zeros((len(value), 2, 2))
            alone[:, other], freedom[:, other, other] = value[:, 0], spread[:, 0, 0]
            parameters[negative], covariance[negative] = alone, freedom
    return parameters, covariance


def _solved(basis: Array, weight: Array, y: Array, usable: Mask) -> tuple[Array, Array]:
    """Weighted least squares of all rows at once, from normal equations of a few well-scaled terms."""
    terms = basis.shape[1]
    products = (basis[:, :, None] * basis[:, None, :]).reshape(-1, terms * terms)
    normal = (weight @ products).reshape(*y.shape[:-1], terms, terms)
    right = (weight * y) @ basis
    scale = np.sqrt(np.einsum("...ii->...i", normal))
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = normal / (scale[..., :, None] * scale[..., None, :])
    sound = usable & np.isfinite(scaled).all((-1, -2)) & np.isfinite(right).all(-1)
    sound[sound] = np.linalg.cond(scaled[sound]) < 1e12
    parameters = np.full((*y.shape[:-1], terms), np.nan)
    covariance = np.full((*y.shape[:-1], terms, terms), np.nan)
    if sound.any():
        inverse = np.linalg.inv(scaled[sound]) / (scale[sound][..., :, None] * scale[sound][..., None, :])
        covariance[sound] = inverse
        parameters[sound] = np.einsum("...ij,...j->...i", inverse, right[sound])
    return parameters, covariance


def shared_exponent(
    curve: Curve, energy: Array, y: Array, exponent: Array, spread: Array
) -> tuple[Array, Array]:
    r"""Amplitude of each spectrum under an exponent that its neighbourhood gave.

    .. math:: a = \ln \sum y - \ln \sum e^{-r f}, \quad
              \mathrm{cov} = \begin{pmatrix} 1/\sum y + \bar f^2 v & \bar f v \\ \bar f v & v \end{pmatrix}

    with the variance v of the exponent; the sum of the counts and the exponent of a maximum-likelihood fit are not
    correlated.

    Parameters
    ----------
    curve, energy, y
        As in :func:`maximum_likelihood`.
    exponent, spread : (rows,) array
        Exponent and its variance.
    """
    f = curve.argument(energy)
    total = y.sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        shape = np.exp(-exponent[..., None] * f)
        norm = shape.sum(-1)
        mean = (shape @ f) / norm
        a = np.log(total / norm)
        covariance = np.empty((*exponent.shape, 2, 2))
        covariance[..., 0, 0] = 1 / total + mean**2 * spread
    covariance[..., 0, 1] = covariance[..., 1, 0] = mean * spread
    covariance[..., 1, 1] = spread
    parameters = np.stack([a, exponent], -1)
    bad = ~(np.isfinite(parameters).all(-1) & (total > 0))
    parameters[bad] = np.nan
    covariance[bad] = np.nan
    return parameters, covariance


def fit_curve(
    curve: Curve,
    energy: Array,
    y: Array,
    *,
    estimator: str = "maximum_likelihood",
    variance: Array | None = None,
    gain: float | None = 1.0,
    exponent: tuple[Array, Array] | None = None,
) -> Fitted:
    """Fit ``curve`` to each row of ``y`` and say how far its parameters can be trusted.

    Parameters
    ----------
    curve : Curve
        What is fitted.
    energy : (n,) array
        Energies in eV inside the fit window.
    y : (..., n) array
        Spectra inside the window.
    estimator : {"maximum_likelihood", "two_area", "log_linear"}
        Of a logarithmic curve; linear ones are fitted by weighted least squares.
    variance : array, optional
        Variance of each value, broadcast with ``y``, where it is known.
    gain : float, optional
        Variance of a channel per count. None: what the scatter about the curve says.
    exponent : (values, variances), optional
        Exponents that a neighbourhood gave, :func:`shared_exponent`.
    """
    rows = y.reshape(-1, energy.size).astype(float, copy=False)
    known = None if variance is None else np.broadcast_to(variance, y.shape).reshape(rows.shape)
    counts = known is None and (gain is not None or curve.logarithmic)
    chi2 = None
    if exponent is not None:
        parameters, covariance = shared_exponent(
            curve, energy, rows, *(np.broadcast_to(e, y.shape[:-1]).reshape(-1) for e in exponent)
        )
    elif not curve.logarithmic:
        parameters, covariance = weighted(curve, energy, rows, variance=known, counts=counts)
    elif estimator == "log_linear":
        parameters, covariance = log_linear(curve, energy, rows)
    elif estimator == "two_area" and curve.kind == "power_law":
        parameters, covariance = two_area(curve, energy, rows)
    else:
        parameters, covariance, chi2 = maximum_likelihood(curve, energy, rows, variance=known)
    if chi2 is None:
        chi2 = _chi_square(curve, energy, rows, parameters, known, counts)
    redchi = chi2 / max(energy.size - parameters.shape[-1], 1)
    if known is not None:
        dispersion = np.ones_like(redchi)
    else:
        dispersion = redchi if gain is None else np.full_like(redchi, gain)
        redchi = redchi if gain is None else redchi / gain
    dispersion = np.where(np.isfinite(parameters).all(-1), dispersion, np.nan)
    covariance = covariance * dispersion[:, None, None]
    lead, terms = y.shape[:-1], parameters.shape[-1]
    return Fitted(
        parameters.reshape(*lead, terms),
        covariance.reshape(*lead, terms, terms),
        dispersion.reshape(lead),
        redchi.reshape(lead),
    )


def _chi_square(
    curve: Curve, energy: Array, y: Array, parameters: Array, variance: Array | None, counts: bool
) -> Array:
    """Pearson's; against unit variance where nothing is known of it."""
    model = curve.value(energy, parameters)
    with np.errstate(divide="ignore", invalid="ignore"):
        if variance is not None:
            scale = variance
        elif counts:
            scale = np.maximum(model, LEAST * np.abs(model).max(-1, keepdims=True))
        else:
            scale = np.ones_like(y)
        return np.asarray(((y - model) ** 2 / scale).sum(-1))
