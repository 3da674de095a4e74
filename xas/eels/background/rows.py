"""Loops over rows of spectra that fit and subtract a background, compiled."""

from __future__ import annotations

import math

import numpy as np

from spectra.fitting.compiled import reduction
from spectra.preprocessing.compiled import entry_point, kernel
from xas.eels.channels.exponential_rows import exponential

__all__ = ["score_rows", "subtract_rows"]

#: A step changes the logarithm of the curve by no more than this.
LARGEST = 5.0
#: In Pearson's chi-square a channel's variance is no less than this share of the largest.
LEAST = 1e-2


@reduction
def _moments(mu, at, y):
    """Fisher's matrix (three numbers) and score of Poisson counts."""
    m0, m1, m2, s0, s1 = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(at.size):
        m0 += mu[i]
        m1 += mu[i] * at[i]
        m2 += mu[i] * at[i] * at[i]
        s0 += y[i] - mu[i]
        s1 += (y[i] - mu[i]) * at[i]
    return m0, m1, m2, s0, s1


@reduction
def _weighted_moments(mu, at, y, variance):
    """The same where the variance of each value is known; the second derivative of the curve is left out."""
    m0, m1, m2, s0, s1 = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(at.size):
        weight = mu[i] / variance[i]
        m0 += weight * mu[i]
        m1 += weight * mu[i] * at[i]
        m2 += weight * mu[i] * at[i] * at[i]
        s0 += weight * (y[i] - mu[i])
        s1 += weight * (y[i] - mu[i]) * at[i]
    return m0, m1, m2, s0, s1


@reduction
def _chi_square(mu, y, variance):
    """Pearson's: against the curve, or against variances where there are any."""
    total, largest = 0.0, 0.0
    if variance.size:
        for i in range(y.size):
            total += (y[i] - mu[i]) ** 2 / variance[i]
        return total
    for i in range(y.size):
        largest = max(largest, mu[i])
    for i in range(y.size):
        total += (y[i] - mu[i]) ** 2 / max(mu[i], LEAST * largest)
    return total


@entry_point
def score_rows(y, at, variance, theta, fisher, chi2, settled, steps, small):
    """Fisher scoring of ``exp(theta_0 + theta_1 at)`` in every row, from the ``theta`` (rows, 2) given.

    Written are ``theta``, ``fisher`` (rows, 3: its first row and its last element), ``chi2`` and ``settled`` (rows,). A
    row whose ``theta`` is not finite is passed over. ``variance`` is (rows, n), or (0, n) for counts. It ends with the
    step that promises less than ``small`` standard deviations.
    """
    n = at.size
    mu, bits = np.empty(n), np.empty(n, np.int64)
    none = np.empty(0)
    for row in range(y.shape[0]):
        a, b = theta[row]
        settled[row] = False
        if not (math.isfinite(a) and math.isfinite(b)):
            continue
        for _ in range(steps):
            exponential(a, b, at, bits, mu)
            if variance.shape[0]:
                m0, m1, m2, s0, s1 = _weighted_moments(mu, at, y[row], variance[row])
            else:
                m0, m1, m2, s0, s1 = _moments(mu, at, y[row])
            determinant = m0 * m2 - m1 * m1
            by_a = (m2 * s0 - m1 * s1) / determinant
            by_b = (m0 * s1 - m1 * s0) / determinant
            largest = max(abs(by_a + by_b * at[0]), abs(by_a + by_b * at[n - 1]))
            if not math.isfinite(largest):
                a = np.nan
                break
            share = LARGEST / largest if largest > LARGEST else 1.0
            a += share * by_a
            b += share * by_b
            fisher[row] = m0, m1, m2
            if math.sqrt(abs(s0 * by_a + s1 * by_b)) <= small:
                settled[row] = True
                break
        theta[row] = a, b
        exponential(a, b, at, bits, mu)
        chi2[row] = _chi_square(mu, y[row], variance[row] if variance.shape[0] else none)


@kernel
def _write(y, curve, background, net):
    for i in range(y.size):
        background[i] = curve[i]
        net[i] = y[i] - curve[i]


@entry_point
def subtract_rows(y, at, parameters, background, net):
    """Write ``exp(a - r at)`` of each row and what lies above it; NaN for channels in front of the first of ``at``."""
    n, first = at.size, y.shape[1] - at.size
    curve, bits = np.empty(n), np.empty(n, np.int64)
    for row in range(y.shape[0]):
        a, r = parameters[row]
        background[row, :first] = np.nan
        net[row, :first] = np.nan
        if math.isfinite(a) and math.isfinite(r):
            exponential(a, -r, at, bits, curve)
        else:
            curve[:] = np.nan
        _write(y[row, first:], curve, background[row, first:], net[row, first:])
