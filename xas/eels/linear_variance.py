"""Variance of weighted sums of channels above a fitted background."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xas.eels.curves import Curve

__all__ = ["Noise", "ratio_variance"]

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

    @functools.cached_property
    def curve_values(self) -> Array | None:
        """The background (rows, n), where the answer of sums to its parameters needs it."""
        if self.curve is None or self.parameters is None or not self.curve.logarithmic:
            return None
        return self.curve.value(self.energy, self.parameters)

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
        weighted = u * self.variance
        own = [np.einsum("rn,rn->r", weighted, w) for w in (u, v)]
        other = np.einsum("rn,rn->r", v * self.variance, v)
        left, right = self.answer(u), self.answer(v)
        return (
            own[0] + self.shared(left, left),
            other + self.shared(right, right),
            own[1] + self.shared(left, right),
        )

    def pair_at(
        self, at: npt.NDArray[np.intp], u: Array, other: npt.NDArray[np.intp], v: Array
    ) -> tuple[Array, Array, Array]:
        """The same for weights (rows, k) of the channels ``at`` and ``other``, which have none in common."""
        left, right = self.answer_at(at, u), self.answer_at(other, v)
        own = ((w**2 * np.take_along_axis(self.variance, i, -1)).sum(-1) for i, w in ((at, u), (other, v)))
        first, second = (o + self.shared(a, a) for o, a in zip(own, (left, right), strict=True))
        return first, second, np.zeros(len(u)) + self.shared(left, right)

    def cut(self, part: slice) -> Noise:
        """The same for a part of the channels."""
        return Noise(self.energy[part], self.variance[:, part], self.curve, self.parameters, self.covariance)


def ratio_variance(a: Array, b: Array, var_a: Array, var_b: Array, cov: Array) -> Array:
    r"""Variance of R = a/b to first order: :math:`R^2 (v_a/a^2 + v_b/b^2 - 2 c/(ab))`."""
    with np.errstate(divide="ignore", invalid="ignore"):
        r = a / b
        return np.maximum((var_a - 2 * r * cov + r**2 * var_b) / b**2, 0.0)
