r"""Spectra that share parameters: the compiled part of a joint fit.

With the shared parameters s and the own parameters of spectrum i, :math:`l_i`, the Jacobian of all spectra is bordered:

.. math:: J = \begin{pmatrix} L_1 & & & S_1 \\ & L_2 & & S_2 \\ & & \ddots & \vdots \end{pmatrix}

For given s every spectrum is fitted on its own. What it then says about s is what is left of :math:`S_i` and of the
residual when the columns of :math:`L_i` are taken out of them by orthogonal factors: the Schur complement of the normal
equations, without the normal equations. With :math:`L_i = Q_i R_i`, the own parameters follow s as
:math:`\partial l_i / \partial s = -R_i^{-1} Q_i^T S_i`. Time and memory grow with the number of spectra, not its
square.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from spectra.fitting.batch import (
    AT_BOUND,
    SEVERAL_MINIMA,
    UNDETERMINED,
    WEAK,
    draw_all,
    poisson_weights,
    report,
)
from spectra.fitting.compiled import entry_point, kernel
from spectra.fitting.drawing import evaluate, scratch
from spectra.fitting.leastsq import CAUTIOUS, CONVERGED, fit_one, space
from spectra.fitting.linear import copy, covariance, factorise, fill, step_within_bounds
from spectra.fitting.robust import fit_robust, weak_line

__all__ = ["Rows", "fit_rows", "report_rows", "reweigh_rows", "rows_of", "shared_covariance", "shared_step"]

Floats = npt.NDArray[np.float64]


class Rows(NamedTuple):
    """Spectra fitted with given shared parameters, and what each says about these."""

    free: Floats  # (spectrum, free)
    chi2: Floats
    outcome: npt.NDArray[np.int64]
    nfev: npt.NDArray[np.int64]
    held: npt.NDArray[np.bool_]  # (spectrum, free) own parameters on a bound
    lost: npt.NDArray[np.bool_]  # (spectrum, free) own parameters that the data do not determine
    several: npt.NDArray[np.bool_]
    follow: Floats  # (spectrum, free, shared) derivatives of the free parameters by the shared ones
    own: Floats  # (spectrum, free, free) covariance of the own parameters at given shared ones
    root: Floats  # (spectrum, shared, shared) what is left of the shared columns
    rest: Floats  # (spectrum, shared) and of the residual


def rows_of(spectra: int, free: int, shared: int) -> Rows:
    """Empty rows."""
    return Rows(
        np.full((spectra, free), np.nan), np.zeros(spectra), np.full(spectra, -1, np.int64),
        np.zeros(spectra, np.int64), np.zeros((spectra, free), bool), np.zeros((spectra, free), bool),
        np.zeros(spectra, bool), np.zeros((spectra, free, shared)), np.zeros((spectra, free, free)),
        np.zeros((spectra, shared, shared)), np.zeros((spectra, shared)),
    )  # fmt: skip


@kernel
def _eliminate(i, s, shared, used, columns, residual, upper, q, out):
    """Take the own columns of spectrum ``i`` out of the shared ones; its fit is in ``s``, its Jacobian, too."""
    n, points, count = s.free.size, s.residual.size, used.size
    total = count + shared.size
    fill(columns, 0.0)
    fill(residual, 0.0)
    for k in range(total):
        copy(columns[k, :points], s.jacobian[used[k] if k < count else shared[k - count]])
    copy(residual[:points], s.residual)
    fill(upper, 0.0)
    factorise(columns[:total], residual, upper, q)
    fill(out.follow[i], 0.0)
    fill(out.own[i], 0.0)
    for b in range(shared.size):
        out.follow[i, shared[b], b] = 1.0
        for a in range(count - 1, -1, -1):
            value = upper[a, count + b]
            for c in range(a + 1, count):
                value += upper[a, c] * out.follow[i, used[c], b]
            out.follow[i, used[a], b] = -value / upper[a, a]
        for a in range(shared.size):
            out.root[i, a, b] = upper[count + a, count + b] if a <= b else 0.0
        out.rest[i, b] = q[count + b]
    # the inverse of the triangle, column by column, and its square
    inverse = np.zeros((n, n))
    for k in range(count):
        for a in range(k, -1, -1):
            value = 1.0 if a == k else 0.0
            for c in range(a + 1, k + 1):
                value -= upper[a, c] * inverse[c, k]
            inverse[a, k] = value / upper[a, a]
    for a in range(count):
        for b in range(count):
            value = 0.0
            for k in range(max(a, b), count):
                value += inverse[a, k] * inverse[b, k]
            out.own[i, used[a], used[b]] = value


@entry_point
def fit_rows(stamp):
    """Fit rows ``start`` to ``stop`` at the shared parameters in ``begin``, which the limits of ``model`` pin.

    With ``restarts`` of 0 or more the strengths of lines in ``begin`` are only hints, and so many other starts are
    tried where a line is weak; with -1 the fit goes on from ``begin``.
    """

    def run(model, x, y, weight, begin, shared, taken, restarts, tolerance, max_nfev, start, stop, out):
        _ = stamp  # part of the cache's key
        n, points = model.factor.shape[1], y.shape[1]
        s, memory = space(n, points), scratch(model, x.size)
        wide = max(points, n)
        columns, residual = np.empty((n, wide)), np.empty(wide)
        upper, q = np.empty((n, n)), np.empty(n)
        pinned = np.zeros(n, np.bool_)
        for b in range(shared.size):
            pinned[shared[b]] = True
        used = np.empty(n, np.int64)
        for i in range(start, stop):
            if not taken[i]:
                continue
            if restarts >= 0:
                outcome, chi2, nfev, _, _, several = fit_robust(
                    model,
                    x,
                    y[i],
                    weight[i],
                    begin[i],
                    np.bool_(True),
                    restarts,
                    s,
                    memory,
                    tolerance,
                    max_nfev,
                )
                out.several[i] = several
            else:
                copy(s.free, begin[i])
                outcome, chi2, nfev, _ = fit_one(
                    model, x, y[i], weight[i], s, memory, CAUTIOUS, tolerance, max_nfev
                )
            out.outcome[i], out.chi2[i] = outcome, chi2
            out.nfev[i] += nfev
            copy(out.free[i], s.free)
            if outcome != CONVERGED:
                continue
            count = 0
            for j in range(n):
                out.held[i, j] = s.held[j] and not pinned[j]
                out.lost[i, j] = not (s.held[j] or pinned[j] or np.isfinite(s.covariance[j, j]))
                if not (pinned[j] or s.held[j] or out.lost[i, j]):
                    used[count] = j
                    count += 1
            evaluate(model, s.free, x, y[i], weight[i], memory, s.residual, s.jacobian)
            _eliminate(i, s, shared, used[:count], columns, residual, upper, q, out)

    return run


@entry_point
def reweigh_rows(stamp):
    """Weights of counts from the curves at ``free``."""

    def run(model, x, free, taken, weight, start, stop):
        _ = stamp
        memory, curve = scratch(model, x.size), np.empty(x.size)
        for i in range(start, stop):
            if taken[i]:
                draw_all(model, x, free[i], memory, curve)
                poisson_weights(curve, weight[i])

    return run


@entry_point
def report_rows(stamp):
    """Write what the joint fit says into rows ``start`` to ``stop`` of the results."""

    def run(model, x, y, weight, free, covariances, held, lost, several, taken, start, stop, out):
        _ = stamp
        n = model.factor.shape[1]
        s, memory, point = space(n, y.shape[1]), scratch(model, x.size), scratch(model, 1)
        for i in range(start, stop):
            if not taken[i]:
                continue
            copy(s.free, free[i])
            copy(s.covariance, covariances[i])
            copy(s.held, held[i])
            weak, undetermined, bound = weak_line(model, s, memory), False, False
            for j in range(n):
                undetermined |= lost[i, j]
                bound |= held[i, j]
            out.warnings[i] = (
                AT_BOUND * bound + UNDETERMINED * undetermined + WEAK * weak + SEVERAL_MINIMA * several[i]
            )
            report(model, i, x, y[i], weight[i], s, memory, point, out)

    return run


@entry_point
def shared_step(stamp):
    """Step of the shared parameters in the trust region and inside the bounds; its damping and what it promises."""

    def run(upper, q, scale, radius, held, x, lower, higher, step):
        _ = stamp
        n = q.size
        return step_within_bounds(
            upper, q, scale, radius, held, x, lower, higher, np.zeros(n, np.bool_), step, np.empty((n, 2 * n)),
            np.empty(2 * n), np.empty((n, n)), np.empty(n),
        )  # fmt: skip

    return run


@entry_point
def shared_covariance(stamp):
    """Covariance of the shared parameters from the triangle; NaN for the held and the undetermined."""

    def run(upper, scale, held, out):
        _ = stamp
        n = scale.size
        return covariance(
            upper, scale, held, out, np.empty(n), np.empty(n), np.empty((n, 2 * n)), np.empty(2 * n),
            np.empty((n, n)), np.empty(n),
        )  # fmt: skip

    return run
