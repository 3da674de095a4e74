r"""One weighted least-squares fit: Levenberg-Marquardt in a trust region, inside bounds.

Every iteration factorises the Jacobian (no normal equations, so badly conditioned models keep their digits) and takes
the step that Moré's method allows in the trust region :math:`|D\,\delta| \le \Delta`, with D the lengths of the
Jacobian's columns. A parameter on a bound whose gradient points outwards is held; a step across a bound ends on it
and the other parameters' step is solved anew. The first radius is a share of the length of the residual, so the path does
not depend on where the zero of an axis lies, and a poor start is not thrown far away.

References
----------
J. J. Moré, Lecture Notes in Mathematics 630, 105 (1978), doi:10.1007/BFb0067700
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from spectra.fitting.compiled import kernel
from spectra.fitting.drawing import evaluate
from spectra.fitting.linear import copy, covariance, dot, factorise, fill, step_within_bounds

__all__ = [
    "CAUTIOUS",
    "CONVERGED",
    "EAGER",
    "NOT_CONVERGED",
    "NOT_FINITE",
    "Space",
    "fit_counts",
    "fit_one",
    "solve_linear",
    "space",
]

#: First radius in lengths of the residual: on line spectra from poor starts, larger ones end in wrong minima more often.
CAUTIOUS, EAGER = 0.3, 100.0
#: Least strength of a line at the start, as a share of the strongest.
KEPT = 0.3

#: Steps after which the weights of counts are no longer taken anew, should they not settle.
REWEIGHED = 40

#: Share of chi2 that no parameter alone may promise any more where a fit counts though its evaluations are used up.
LEVEL = 1e-8

CONVERGED = 0
NOT_CONVERGED = 1
NOT_FINITE = 2


class Space(NamedTuple):
    """Memory of one fit."""

    free: npt.NDArray[np.float64]
    best: npt.NDArray[np.float64]
    reach: npt.NDArray[np.float64]
    trial: npt.NDArray[np.float64]
    residual: npt.NDArray[np.float64]
    trial_residual: npt.NDArray[np.float64]
    jacobian: npt.NDArray[np.float64]  # (free, point)
    trial_jacobian: npt.NDArray[np.float64]
    upper: npt.NDArray[np.float64]
    q: npt.NDArray[np.float64]
    scale: npt.NDArray[np.float64]
    held: npt.NDArray[np.bool_]
    fixed: npt.NDArray[np.bool_]
    step: npt.NDArray[np.float64]
    stacked: npt.NDArray[np.float64]
    rhs: npt.NDArray[np.float64]
    small: npt.NDArray[np.float64]
    wanted: npt.NDArray[np.float64]
    covariance: npt.NDArray[np.float64]


@kernel
def space(n, points):
    """Memory for fits of ``n`` parameters to ``points`` points."""
    return Space(
        np.empty(n), np.empty(n), np.empty(n), np.empty(n), np.empty(points), np.empty(points),
        np.empty((n, points)), np.empty((n, points)), np.zeros((n, n)), np.empty(n), np.empty(n),
        np.zeros(n, np.bool_), np.zeros(n, np.bool_), np.empty(n), np.empty((n, 2 * n)), np.empty(2 * n),
        np.empty((n, n)), np.empty(n), np.empty((n, n)),
    )  # fmt: skip


@kernel
def _hold(model, s, jacobian, residual):
    """Scale by the columns' lengths and hold what sits on a bound and wants out; True where the gradient is gone."""
    norm = math.sqrt(dot(residual, residual))
    flat = True
    for j in range(s.free.size):
        column = jacobian[j]
        length = math.sqrt(dot(column, column))
        slope = dot(column, residual)
        s.scale[j] = max(s.scale[j], length)
        at_low = s.free[j] <= model.lower[j] and slope >= 0.0
        s.held[j] = at_low or (s.free[j] >= model.upper[j] and slope <= 0.0)
        if not s.held[j] and abs(slope) > 1e-15 * length * norm:
            flat = False
    for j in range(s.free.size):
        if s.scale[j] == 0.0:
            s.scale[j] = 1.0
    return flat


@kernel
def _level(s, chi2):
    """Whether no parameter alone would lower the sum by more than a small share.

    Where a curve misses the data by far more than their noise, its curvature by the parameters counts, which a
    Gauss-Newton step does not know: every step is damped, none of them is the last, and the digits of a parameter
    of little effect, like the position of a line that is hardly there, take hundreds.
    """
    for j in range(s.free.size):
        if s.held[j]:
            continue
        slope = square = 0.0
        for i in range(j + 1):
            slope += s.upper[i, j] * s.q[i]
            square += s.upper[i, j] * s.upper[i, j]
        if not slope * slope <= LEVEL * square * chi2:
            return False
    return True


@kernel
def solve_linear(model, x, y, weight, s, memory):
    """Move the parameters in which the curve is linear to their best values for the others' start values.

    So the start need not know how strong a spectrum is. A line that would vanish or turn its sign here, which at
    start positions says little, keeps a share of the largest: it must stay strong enough to be moved.
    """
    n = s.free.size
    some = False
    for j in range(n):
        some |= model.linear[j] > 0
    if not some:
        return
    evaluate(model, s.free, x, y, weight, memory, s.residual, s.jacobian)
    for j in range(n):
        s.held[j] = model.linear[j] == 0
        length = math.sqrt(dot(s.jacobian[j], s.jacobian[j]))
        s.scale[j] = length if length > 0.0 else 1.0
    factorise(s.jacobian, s.residual, s.upper, s.q)
    step_within_bounds(
        s.upper, s.q, s.scale, np.inf, s.held, s.free, model.lower, model.upper,
        s.fixed, s.step, s.stacked, s.rhs, s.small, s.wanted,
    )  # fmt: skip
    largest = 0.0
    for j in range(n):
        s.trial[j] = min(max(s.free[j] + s.step[j], model.lower[j]), model.upper[j])
        if not math.isfinite(s.trial[j]):
            return
        if model.linear[j] == 2:
            largest = max(largest, s.scale[j] * abs(s.trial[j]))
    for j in range(n):
        sign = math.copysign(1.0, s.free[j])
        if model.linear[j] == 2 and s.free[j] != 0.0 and sign * s.scale[j] * s.trial[j] < KEPT * largest:
            s.trial[j] = min(max(sign * KEPT * largest / s.scale[j], model.lower[j]), model.upper[j])
    copy(s.free, s.trial)


@kernel
def _reweigh(y, weight, residual, jacobian, changed):
    """Weights of counts from the curve that ``residual`` belongs to, taken over by it and the slopes; its sum of squares."""
    for k in range(y.size):
        curve = y[k] + residual[k] / weight[k] if weight[k] > 0.0 else 1.0
        changed[k] = 1.0 / (weight[k] * math.sqrt(max(curve, 1.0))) if weight[k] > 0.0 else 0.0
    for k in range(y.size):
        weight[k] *= changed[k]
        residual[k] *= changed[k]
    for j in range(jacobian.shape[0]):
        slopes = jacobian[j]
        for k in range(slopes.size):
            slopes[k] *= changed[k]
    return dot(residual, residual)


@kernel
def fit_one(model, x, y, weight, s, memory, first_radius, tolerance, max_nfev):
    """Fit from ``s.free``, which is moved to the minimum; (outcome, chi2, number of evaluations, undetermined)."""
    return _fit(model, x, y, weight, s, memory, first_radius, tolerance, max_nfev, np.int64(0))


@kernel
def fit_counts(model, x, y, weight, s, memory, first_radius, tolerance, max_nfev):
    """The same for counts: with every step the weights are taken anew from the curve, and written to ``weight``.

    Where it ends the likelihood of Poisson counts is highest. Weights from the counts themselves favour the points
    that happen to lie low and pull every area down.
    """
    return _fit(model, x, y, weight, s, memory, first_radius, tolerance, max_nfev, np.int64(REWEIGHED))


@kernel
def _fit(model, x, y, weight, s, memory, first_radius, tolerance, max_nfev, reweighed):
    n = s.free.size
    residual, trial_residual = s.residual, s.trial_residual
    jacobian, trial_jacobian = s.jacobian, s.trial_jacobian
    for j in range(n):
        s.free[j] = min(max(s.free[j], model.lower[j]), model.upper[j])
    chi2 = evaluate(model, s.free, x, y, weight, memory, residual, jacobian)
    nfev = 1
    fill(s.scale, 0.0)
    fill(s.covariance, np.nan)
    if not math.isfinite(chi2):
        return NOT_FINITE, chi2, nfev, False
    if reweighed > 0:
        chi2 = _reweigh(y, weight, residual, jacobian, trial_residual)
    radius = max(first_radius * math.sqrt(chi2), 1e-300)
    outcome = NOT_CONVERGED
    while outcome == NOT_CONVERGED:
        flat = _hold(model, s, jacobian, residual)
        copy(trial_residual, residual)  # the factorisation overwrites what it is given
        factorise(jacobian, trial_residual, s.upper, s.q)
        if flat:
            outcome = CONVERGED
        while outcome == NOT_CONVERGED:
            damping, promised = step_within_bounds(
                s.upper, s.q, s.scale, radius, s.held, s.free, model.lower, model.upper,
                s.fixed, s.step, s.stacked, s.rhs, s.small, s.wanted,
            )  # fmt: skip
            if damping == 0.0 and promised <= tolerance * chi2:
                outcome = CONVERGED
                break
            if nfev >= max_nfev:
                if not _level(s, chi2):
                    return NOT_CONVERGED, chi2, nfev, False
                outcome = CONVERGED
                break
            length = 0.0
            for j in range(n):
                s.trial[j] = min(max(s.free[j] + s.step[j], model.lower[j]), model.upper[j])
                length += (s.scale[j] * s.step[j]) ** 2
            length = math.sqrt(length)
            trial_chi2 = evaluate(model, s.trial, x, y, weight, memory, trial_residual, trial_jacobian)
            nfev += 1
            gained = chi2 - trial_chi2
            ratio = gained / promised if promised > 0.0 and math.isfinite(trial_chi2) else -1.0
            if ratio < 0.25:
                radius = max(0.1 * length, min(0.25 * radius, 0.5 * length))
            elif ratio > 0.75 or damping == 0.0:
                radius = max(radius, 2.0 * length) if damping > 0.0 else 2.0 * length
            if ratio > 1e-4:
                chi2 = trial_chi2
                copy(s.free, s.trial)
                residual, trial_residual = trial_residual, residual
                jacobian, trial_jacobian = trial_jacobian, jacobian
                if reweighed > 0:
                    reweighed -= 1
                    chi2 = _reweigh(y, weight, residual, jacobian, trial_residual)
                break
            if radius <= 1e-14 * math.sqrt(chi2) or promised <= 1e-14 * chi2:
                outcome = CONVERGED  # no step lowers the sum any more: the limit of the arithmetic
    undetermined = covariance(
        s.upper, s.scale, s.held, s.covariance, s.q, s.step, s.stacked, s.rhs, s.small, s.wanted
    )
    return outcome, chi2, nfev, undetermined
