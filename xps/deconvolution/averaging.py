"""Averages over several fits of one spectrum: the evidence of each, the mean of all, and what one sigma is then.

Every fit is taken as a normal distribution of each number around its value. Fits run along the first axis.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

__all__ = ["evidence", "mean_within", "possible", "radius", "weights_of"]

FloatArray = npt.NDArray[np.float64]

ONE_SIGMA = 0.682689492137086  # what a normal distribution holds within one sigma
HALVINGS = 30  # of the interval in which a radius is sought: to a billionth of it
LITTLE = 0.1  # share of several fractions below which their negative parts overlap
LEAST = 1e-12  # share of a distribution inside its limits below which it is taken to lie on them


def evidence(chi2: FloatArray, covariance: FloatArray) -> FloatArray:
    """Logarithm of the integral of the likelihood around each fit, but for what is common to all.

    Laplace's approximation. A parameter on a limit has no variance: it is given that of the other fits, and half of its
    distribution.

    Parameters
    ----------
    chi2 : (fit, ...) array
    covariance : (fit, ..., n, n) array
        NaN in the rows and columns of parameters that are on a limit.
    """
    variance = np.einsum("...ii->...i", covariance)
    free = np.isfinite(variance)
    usual = np.where(free, variance, 0.0).sum(0) / np.maximum(free.sum(0), 1)
    usual = np.where(usual > 0, usual, 1.0)
    both = free[..., :, None] & free[..., None, :]
    filled = np.where(both, covariance, np.eye(variance.shape[-1]) * usual[..., None, :])
    scale = np.sqrt(np.einsum("...ii->...i", filled))
    with np.errstate(invalid="ignore", divide="ignore"):
        sign, logarithm = np.linalg.slogdet(filled / (scale[..., :, None] * scale[..., None, :]))
        size = 0.5 * logarithm + np.log(scale).sum(-1) - np.log(2) * (~free).sum(-1)
    return np.asarray(np.where((sign > 0) & np.isfinite(chi2), size - 0.5 * chi2, -np.inf))


def weights_of(evidence: FloatArray) -> FloatArray:
    """Shares of the fits in the average, from the logarithms of their evidence; NaN where none was made."""
    highest = evidence.max(0)
    with np.errstate(invalid="ignore"):
        weight = np.exp(evidence - highest)
        return np.asarray(weight / weight.sum(0))


def mean_within(
    value: FloatArray, sigma: FloatArray, low: float = -np.inf, high: float = np.inf
) -> FloatArray:
    """Mean of each normal distribution (value, sigma), cut at limits."""
    s = np.maximum(sigma, 1e-9)
    a, b = (low - value) / s, (high - value) / s
    mass = ndtr(b) - ndtr(a)
    at_a, at_b = (np.exp(-0.5 * np.clip(z, -30, 30) ** 2) / np.sqrt(2 * np.pi) for z in (a, b))
    inside = value + s * (at_a - at_b) / np.maximum(mass, LEAST)
    return np.asarray(np.clip(np.where(mass > LEAST, inside, value), low, high))


def possible(fraction: FloatArray, sigma: FloatArray) -> FloatArray:
    """How much of a fit has no negative fraction, of fractions along the last axis that add up to one.

    Exact for two. For more it is what is left when the negative part of each is taken off, or where that is next to
    nothing what the separate ranges from 0 to 1 make of a volume of so many dimensions.
    """
    known = np.isfinite(sigma) & (sigma > 0) & np.isfinite(fraction)
    s, states = np.where(known, sigma, 1.0), fraction.shape[-1]
    f = np.where(known, fraction, 0.5)
    below, above = np.where(known, ndtr(-f / s), 0.0), np.where(known, ndtr((f - 1) / s), 0.0)
    apart = np.maximum(1 - below - above, LEAST).prod(-1) ** ((states - 1) / states)
    little = np.minimum(apart, LITTLE) if states > 2 else np.zeros_like(apart)
    return np.asarray(np.maximum(1 - below.sum(-1), np.maximum(little, LEAST)))


def radius(
    value: FloatArray,
    sigma: FloatArray,
    weight: FloatArray,
    centre: FloatArray,
    low: float = -np.inf,
    high: float = np.inf,
) -> FloatArray:
    """Distance from ``centre`` that holds 68.3 % of the weighted normal distributions (value, sigma), cut at limits."""
    s = np.maximum(sigma, 1e-12 * (np.abs(value - centre) + np.abs(centre)) + 1e-200)
    share = weight / np.maximum(ndtr((high - value) / s) - ndtr((low - value) / s), LEAST)
    most, least = (np.abs(value - centre) + 6 * sigma).max(0), np.zeros(centre.shape)
    for _ in range(HALVINGS):
        half = 0.5 * (least + most)
        upper, lower = np.minimum(centre + half, high), np.maximum(centre - half, low)
        held = (share * np.maximum(ndtr((upper - value) / s) - ndtr((lower - value) / s), 0.0)).sum(0)
        enough = held >= ONE_SIGMA
        most, least = np.where(enough, half, most), np.where(enough, least, half)
    return np.asarray(0.5 * (least + most))
