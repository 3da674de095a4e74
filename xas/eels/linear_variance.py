"""Variance of weighted sums of channels above a fitted background."""

from __future__ import annotations

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

    def between(self, u: Array, v: Array) -> Array:
        """Covariance (rows,) of the sums with weights ``u`` and ``v`` (rows, n)."""
        total = np.einsum("rn,rn,rn->r", u, v, self.variance)
        if self.curve is None or self.parameters is None or self.covariance is None:
            return np.asarray(total)
        left = self.curve.response(self.energy, self.parameters, u)
        right = left if v is u else self.curve.response(self.energy, self.parameters, v)
        return np.asarray(total + np.einsum("ri,rij,rj->r", left, self.covariance, right))


def ratio_variance(a: Array, b: Array, var_a: Array, var_b: Array, cov: Array) -> Array:
    r"""Variance of R = a/b to first order: :math:`R^2 (v_a/a^2 + v_b/b^2 - 2 c/(ab))`."""
    with np.errstate(divide="ignore", invalid="ignore"):
        r = a / b
        return np.maximum((var_a - 2 * r * cov + r**2 * var_b) / b**2, 0.0)
