"""Variance of weighted sums of channels above a fitted background."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xas.eels.channels.curves import Curve
from xas.eels.channels.row_sums import sum_rows

__all__ = ["Noise", "ratio_limits", "ratio_sigma", "ratio_variance"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Noise:
    r"""What is known of the noise of rows of spectra and of the background that was subtracted from them.

    .. math:: \mathrm{cov}(L_u, L_v) = \sum_i u_i v_i \, \sigma_i^2 + J_u^T C J_v, \quad
              J_u = \partial \sum_i u_i B_i / \partial \theta

    for sums :math:`L_u = \sum u_i (y_i - B_i)` outside of the window that the background was fitted in.
    """

    energy: Array  # (n,)
    variance: Array  # (rows, n) of each channel
    curve: Curve | None = None
    parameters: Array | None = None  # (rows, terms)
    covariance: Array | None = None  # (rows, terms, terms)
    subtracted: Array | None = None  # (rows, n) the background as it was subtracted, where it is at hand
    per_count: Array | None = None  # (rows,) variance of a channel per count, where that is what is known

    @functools.cached_property
    def curve_values(self) -> Array | None:
        """The background (rows, n), where the answer of sums to its parameters needs it."""
        if self.curve is None or self.parameters is None or not self.curve.logarithmic:
            return None
        return self.curve.value(self.energy, self.parameters) if self.subtracted is None else self.subtracted

    def answer(self, u: Array) -> Array | None:
        """Derivatives (rows, terms) of sums of the background with weights ``u`` (rows, n); None without background."""
        if self.curve is None:
            return None
        values = self.curve_values
        return np.asarray((u if values is None else u * values) @ self.curve.basis(self.energy))

    def answer_at(self, index: npt.NDArray[np.intp], u: Array) -> Array | None:
        """The same for weights ``u`` (rows, k) of the channels ``index`` (rows, k)."""
        if self.curve is None:
            return None
        values = self.curve_values
        weights = u if values is None else u * np.take_along_axis(values, index, -1)
        return np.asarray(np.einsum("rk,rkt->rt", weights, self.curve.basis(self.energy)[index]))

    def shared(self, left: Array | None, right: Array | None) -> Array | float:
        """Part (rows,) of a covariance that the background's parameters make, from two answers to them."""
        if left is None or right is None or self.covariance is None:
            return 0.0
        return np.asarray(np.einsum("ri,rij,rj->r", left, self.covariance, right))

    def between(self, u: Array, v: Array) -> Array:
        """Covariance (rows,) of the sums with weights ``u`` and ``v`` (rows, n)."""
        return self.pair(u, v)[2]

    def pair(self, u: Array, v: Array) -> tuple[Array, Array, Array]:
        """Variances of the sums with weights ``u`` and ``v`` (rows, n), and their covariance, (rows,) each."""
        weights = np.stack([np.broadcast_to(w, self.variance.shape) for w in (u, v)])
        c = self.sums(weights, np.zeros_like(self.variance))[1]
        return c[:, 0, 0], c[:, 1, 1], c[:, 0, 1]

    def pair_at(
        self, at: npt.NDArray[np.intp], u: Array, other: npt.NDArray[np.intp], v: Array
    ) -> tuple[Array, Array, Array]:
        """The same for weights (rows, k) of the channels ``at`` and ``other``, which have none in common."""
        own = [
            (w**2 * np.take_along_axis(self.variance, index, -1)).sum(-1)
            for index, w in ((at, u), (other, v))
        ]
        left, right = self.answer_at(at, u), self.answer_at(other, v)
        shared = self.shared(left, right) + np.zeros(len(u))
        return own[0] + self.shared(left, left), own[1] + self.shared(right, right), shared

    def sums(self, weights: Array, net: Array) -> tuple[Array, Array]:
        """Sums (rows, k) of ``net`` (rows, n) with ``weights`` (k, rows, n), and their covariance (rows, k, k)."""
        rows, count = len(net), len(weights)
        basis = np.empty((0, self.energy.size)) if self.curve is None else self.curve.basis(self.energy).T
        values = self.curve_values
        under = np.ones((1, self.energy.size)) if values is None else values
        totals, covariance = np.empty((rows, count)), np.empty((rows, count, count))
        answers = np.empty((rows, count, len(basis)))
        arrays = (np.require(a, float, ["C", "W"]) for a in (weights, net, self.variance, under, basis))
        sum_rows(*arrays, totals, covariance, answers)
        if self.curve is not None and self.covariance is not None:
            covariance += np.einsum("rit,rts,rjs->rij", answers, self.covariance, answers)
        return totals, covariance

    def rows(self, index: npt.NDArray[np.intp]) -> Noise:
        """The same for a part of the rows."""
        parts = (self.parameters, self.covariance, self.subtracted, self.per_count)
        return Noise(
            self.energy, self.variance[index], self.curve, *(None if a is None else a[index] for a in parts)
        )


def ratio_variance(a: Array, b: Array, var_a: Array, var_b: Array, cov: Array) -> Array:
    r"""Variance of R = a/b to first order: :math:`R^2 (v_a/a^2 + v_b/b^2 - 2 c/(ab))`."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return _spread(a / b, b, var_a, var_b, cov)


def _spread(r: Array, b: Array, var_a: Array, var_b: Array, cov: Array) -> Array:
    return np.maximum((var_a - 2 * r * cov + r**2 * var_b) / b**2, 0.0)


def ratio_sigma(a: Array, b: Array, var_a: Array, var_b: Array, cov: Array) -> Array:
    r"""Standard uncertainty of R = a/b whose interval covers where b is but one or two of its own, too.

    .. math:: \sigma_R^2 = (v_a - 2 \tilde R c + \tilde R^2 v_b) / b^2, \quad \tilde R = \frac{ab + c}{b^2 + v_b}

    the variance of a - Rb at the ratio without its bias, to second order; with R itself, which grows as b is measured
    too small, ± sigma would hold the truth in up to 79 % of cases.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.sqrt(_spread((a * b + cov) / (b**2 + var_b), b, var_a, var_b, cov)))


def ratio_limits(a: Array, b: Array, var_a: Array, var_b: Array, cov: Array) -> tuple[Array, Array]:
    r"""Ends of the ratios R = a/b for which :math:`|a - R b| \le \sqrt{v_a - 2 R c + R^2 v_b}` (Fieller).

    They hold the truth in 68 % of cases whatever b is. Where b is not above its own sigma there is no upper one:
    infinity, and the lower one is minus infinity where nothing is known.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        lead, half, last = b**2 - var_b, a * b - cov, a**2 - var_a
        root = np.sqrt(half**2 - lead * last)
        seen = (lead > 0) & (b > 0)
        low = np.where(seen | (lead < 0), (half - root) / lead, -np.inf)
        high = np.where(seen, (half + root) / lead, np.inf)
    low = np.where(np.isfinite(low), low, -np.inf)
    known = np.isfinite(a) & np.isfinite(b) & np.isfinite(var_a) & np.isfinite(var_b)
    return np.where(known, low, np.nan), np.where(known, high, np.nan)
