"""The polynomial through calibration lines: generalised least squares with the uncertainties of standards in common."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["AxisFit", "best_degree", "fit_axis", "reject_outliers"]

Array = npt.NDArray[np.float64]
Marks = npt.NDArray[np.bool_]
Index = npt.NDArray[np.intp]

#: A line is left out where it is off by more than so many times the others' scatter and its own sigma.
OUTLIER = 4.0
HIGHEST_DEGREE = 5
#: Chosen by AICc up to here: spectrometers bend their axes no more.
HIGHEST_CHOSEN = 3
#: Standards with fewer lines say nothing about scatter.
LEAST_LINES = 4
ROUNDS = 40


@dataclass(frozen=True)
class AxisFit:
    """Coefficients of the correction (then the laser's, where there are lamp lines), and what is left."""

    coefficients: Array
    covariance: Array
    residual: Array
    scatter: Array  # of the lines of each standard, beyond their sigmas
    chi2: float


def design(t: Array, lamp: Marks, degree: int, laser: bool) -> Array:
    """Columns of the powers of t; a last one for the laser, which lamp lines know nothing of."""
    columns = t[:, None] ** np.arange(degree + 1)
    return np.column_stack([columns, -lamp.astype(float)]) if laser else columns


def fit_axis(
    columns: Array, correction: Array, sigma: Array, group: Index, common: Array, scatter: Array | None = None
) -> AxisFit:
    r"""Generalised least squares of corrections, with scatter beyond the stated uncertainties where there is any.

    The covariance of lines i and j is :math:`\delta_{ij}(\sigma_i^2 + s_g^2) + u_g^2` where both are of standard g;
    :math:`s_g` is what makes the residuals of a standard with four lines or more their expected size, or zero.

    Parameters
    ----------
    columns : (m, p) array
        From :func:`design`.
    correction : (m,) array
        What the axis lacks at each line.
    sigma : (m,) array
        Of each line by itself.
    group, common : (m,) array of int, (groups,) array
        Standard of each line, and its uncertainty common to its lines.
    scatter : (groups,) array, optional
        The s where it is known.
    """
    shared = (group[:, None] == group) * common[group] ** 2
    given = scatter is not None
    extra = np.zeros(common.size) if scatter is None else scatter
    for _ in range(1 if given else ROUNDS):
        inverse = np.linalg.inv(np.diag(sigma**2 + extra[group] ** 2) + shared)
        covariance = np.linalg.inv(columns.T @ inverse @ columns)
        coefficients = covariance @ columns.T @ inverse @ correction
        left = columns @ coefficients - correction
        chi2 = float(left @ inverse @ left)
        if given:
            break
        before, extra = extra, _scatter(columns, left, sigma, group, extra)
        if np.abs(extra - before).max() < 1e-6 * (1e-6 + extra.max()):
            break
    return AxisFit(coefficients, np.asarray(covariance, float), left, extra, chi2)


def _scatter(columns: Array, left: Array, sigma: Array, group: Index, before: Array) -> Array:
    """Scatter of each standard about a mean of its own: an offset of a whole standard is no scatter."""
    weight = 1 / (sigma**2 + before[group] ** 2)
    out = np.zeros(before.size)
    for g in range(before.size):
        own = group == g
        if own.sum() < LEAST_LINES:
            continue
        w = weight[own] / weight[own].sum()
        rest = left[own] - w @ left[own]
        # what the fit took up of the scatter of these lines, shared out by their weights
        lever = columns * np.sqrt(weight)[:, None]
        taken = np.einsum("ij,jk,ik->i", lever, np.linalg.pinv(lever.T @ lever), lever)[own].sum()
        free = max(float(own.sum()) - max(taken, 1.0), 1.0)
        low, high = 0.0, 4 * float(np.abs(rest).max())
        for _ in range(50):
            middle = (low + high) / 2
            much = float((rest**2 / (sigma[own] ** 2 + middle**2)).sum()) > free
            low, high = (middle, high) if much else (low, middle)
        out[g] = high if high > 1e-9 else 0.0
    return out


def best_degree(lines: tuple[Array, Array, Array, Marks, Index, Array], laser: bool, highest: int) -> int:
    """Degree with the least AICc, by the scatter that the highest one leaves.

    Parameters
    ----------
    lines : tuple of arrays
        t, correction, sigma, lamp, group and common.
    laser : bool
        The laser is a parameter.
    highest : int
        Degrees leave two lines per coefficient, whatever this says.
    """
    t, correction, sigma, lamp, group, common = lines
    m = t.size
    degrees = [d for d in range(highest + 1) if d == 0 or m >= 2 * (d + 1) + laser + 1]
    fits = [fit_axis(design(t, lamp, d, laser), correction, sigma, group, common) for d in degrees[-1:]]
    best, chosen = np.inf, 0
    for degree in degrees:
        columns = design(t, lamp, degree, laser)
        k = columns.shape[1]
        fit = fit_axis(columns, correction, sigma, group, common, fits[-1].scatter)
        aicc = fit.chi2 + 2 * k + (2 * k * (k + 1) / (m - k - 1) if m - k - 1 > 0 else 0.0)
        if aicc < best:
            best, chosen = aicc, degree
    return chosen


def reject_outliers(columns: Array, correction: Array, sigma: Array, group: Index) -> Marks:
    """Lines that lie on the curve through the others as well as the others of their standard do; two thirds stay."""
    good = np.ones(correction.size, bool)
    least = max(columns.shape[1] + 2, int(np.ceil(2 * correction.size / 3)))
    weight = 1 / np.hypot(sigma, np.median(sigma))
    while good.sum() > least:
        worst, most = 0, 0.0
        for i in np.flatnonzero(good):
            others = good.copy()
            others[i] = False
            if np.linalg.matrix_rank(columns[others]) < columns.shape[1]:
                continue  # nothing else says where this line should be
            solution = np.linalg.lstsq(
                columns[others] * weight[others, None], correction[others] * weight[others], rcond=None
            )[0]
            left = columns @ solution - correction
            alike = others & (group == group[i])
            if alike.sum() < LEAST_LINES - 1:
                continue  # too few of its kind to say how far off is far
            size = np.abs(left[alike]) / np.hypot(sigma[alike], np.median(sigma))
            taken = np.sqrt(others.sum() / (others.sum() - columns.shape[1]))
            scale = max(1.4826 * float(np.median(size)) * taken, 1.0)
            excess = abs(left[i]) / (scale * np.hypot(sigma[i], np.median(sigma)))
            if excess > most:
                worst, most = int(i), float(excess)
        if most <= OUTLIER:
            break
        good[worst] = False
    return good
