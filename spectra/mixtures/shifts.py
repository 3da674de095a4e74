"""Fractions of components whose axes may each be off by a little: many spectra at once, bounded Gauss–Newton."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = ["Shift", "Shifted", "fit_shifted"]

Array = npt.NDArray[np.float64]
#: ``common``: all components are shifted alike, as a wrongly calibrated spectrum asks for; ``each``: by their own.
Shift = Literal["none", "common", "each"]
#: A curve and its slope at any positions.
Curve = Callable[[Array], tuple[Array, Array]]

STEPS, SETTLED = 40, 1e-9


@dataclass(frozen=True)
class Shifted:
    """Fractions (rows, p), shifts (rows, q), their covariance for noise of unit variance, weighted squares, curves and slopes."""

    fractions: Array
    shifts: Array
    covariance: Array  # (rows, p + q, p + q)
    squares: Array  # (rows,)
    model: Array  # (rows, n)
    jacobian: Array  # (rows, n, p + q)


def fit_shifted(
    x: Array,
    spectra: Array,
    weights: Array,
    curves: Sequence[Curve],
    start: Array,
    *,
    shift: Shift,
    limit: float,
    sum_to_one: bool,
) -> Shifted:
    r"""Least squares of :math:`y(x) = \sum_j f_j\, a_j(x - \delta_j)` with :math:`|\delta_j| \le` ``limit``.

    Parameters
    ----------
    x : (n,) array
    spectra, weights : (rows, n) arrays
        All finite; weight 0 where a point is missing.
    curves : sequence of p callables
        ``curve(x)`` is its value and slope at any positions.
    start : (rows, p) array
        Fractions to start from; they obey the sum rule where it holds.
    shift : {"common", "each"}
    limit : float
        In the units of ``x``.
    sum_to_one : bool

    Returns
    -------
    Shifted
        A shift that would leave the limit stands at it and has no uncertainty.
    """  # fmt: skip
    p = len(curves)
    q = p if shift == "each" else 1
    fractions, shifts = start.copy(), np.zeros((len(spectra), q))
    damping = np.full(len(spectra), 1e-6)
    model, jacobian = _model(x, curves, fractions, shifts)
    squares = (weights * (spectra - model) ** 2).sum(1)
    active = np.ones(len(spectra), bool)
    for _ in range(STEPS):
        rows = np.flatnonzero(active)
        if not rows.size:
            break
        normal, gradient = _normal(jacobian[rows], weights[rows], spectra[rows] - model[rows])
        held = _held(shifts[rows], gradient[:, p:], limit)
        step = _step(normal, gradient, held, damping[rows], p, sum_to_one)
        f = fractions[rows] + step[:, :p]
        s = np.clip(shifts[rows] + step[:, p:], -limit, limit)
        m, j = _model(x, curves, f, s)
        new = (weights[rows] * (spectra[rows] - m) ** 2).sum(1)
        better = new <= squares[rows]
        taken = rows[better]
        gain = (squares[rows] - new) / np.maximum(squares[rows], 1e-300)
        moved = np.abs(s - shifts[rows]).max(1) / limit
        fractions[taken], shifts[taken], squares[taken] = f[better], s[better], new[better]
        model[taken], jacobian[taken] = m[better], j[better]
        damping[rows] = np.where(better, damping[rows] / 10, damping[rows] * 10)
        active[rows] = ~((better & (gain < SETTLED) & (moved < 1e-7)) | (damping[rows] > 1e8))
    normal, gradient = _normal(jacobian, weights, spectra - model)
    held = _held(shifts, gradient[:, p:], limit)
    return Shifted(fractions, shifts, _covariance(normal, held, p, sum_to_one), squares, model, jacobian)


def _model(x: Array, curves: Sequence[Curve], fractions: Array, shifts: Array) -> tuple[Array, Array]:
    """Model (rows, n) and its derivatives (rows, n, p + q) with respect to fractions and shifts."""
    p, q = len(curves), shifts.shape[1]
    jacobian = np.zeros((len(fractions), x.size, p + q))
    for j, curve in enumerate(curves):
        own = j if q > 1 else 0
        value, slope = curve(x - shifts[:, own, None])
        jacobian[:, :, j] = value
        jacobian[:, :, p + own] -= fractions[:, j, None] * slope
    return np.einsum("rnj,rj->rn", jacobian[:, :, :p], fractions), jacobian


def _normal(jacobian: Array, weights: Array, residual: Array) -> tuple[Array, Array]:
    weighted = np.swapaxes(jacobian * weights[:, :, None], 1, 2)
    return weighted @ jacobian, (weighted @ residual[:, :, None])[..., 0]


def _held(shifts: Array, gradient: Array, limit: float) -> npt.NDArray[np.bool_]:
    """Shifts that stand at the limit and would leave it."""
    return (np.abs(shifts) >= limit * (1 - 1e-12)) & (np.sign(shifts) * gradient > 0)


def _bordered(normal: Array, held: npt.NDArray[np.bool_], p: int, sum_to_one: bool) -> Array:
    size = normal.shape[1]
    fixed = np.zeros((len(normal), size), bool)
    fixed[:, p:] = held
    inside = np.where(fixed[:, :, None] | fixed[:, None, :], 0.0, normal)
    inside += np.eye(size) * fixed[:, :, None]
    matrix = np.zeros((len(normal), size + sum_to_one, size + sum_to_one))
    matrix[:, :size, :size] = inside
    if sum_to_one:
        matrix[:, size, :p] = matrix[:, :p, size] = 1.0
    return matrix


def _step(
    normal: Array, gradient: Array, held: npt.NDArray[np.bool_], damping: Array, p: int, sum_to_one: bool
) -> Array:
    size = normal.shape[1]
    scale = np.einsum("rii->ri", normal)
    floor = 1e-12 * scale.max(1, keepdims=True) + 1e-300
    matrix = _bordered(normal, held, p, sum_to_one)
    matrix[:, range(size), range(size)] += damping[:, None] * np.maximum(scale, floor) + floor
    right = np.zeros((len(normal), size + sum_to_one))
    right[:, :size] = gradient
    right[:, p:size][held] = 0.0
    return np.asarray(np.linalg.solve(matrix, right[..., None])[:, :size, 0])


def _covariance(normal: Array, held: npt.NDArray[np.bool_], p: int, sum_to_one: bool) -> Array:
    """Inverse of the normal equations under the sum rule; zero for what is held, NaN where it does not exist."""
    size = normal.shape[1]
    scale = np.sqrt(np.maximum(np.einsum("rii->ri", normal), 1e-300))
    matrix = _bordered(normal, held, p, sum_to_one)
    units = np.concatenate([scale, np.ones((len(scale), 1))], axis=1) if sum_to_one else scale
    matrix = matrix / (units[:, :, None] * units[:, None, :])
    good = np.isfinite(matrix).all((1, 2))
    good &= np.linalg.cond(np.where(good[:, None, None], matrix, np.eye(matrix.shape[1]))) < 1e14
    inverse = np.linalg.inv(np.where(good[:, None, None], matrix, np.eye(matrix.shape[1])))
    inverse = (inverse / (units[:, :, None] * units[:, None, :]))[:, :size, :size]
    inverse[:, p:, p:][held[:, :, None] | held[:, None, :]] = 0.0
    return np.where(good[:, None, None], inverse, np.nan)
