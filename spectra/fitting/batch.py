"""Many spectra through one model: the engine's entry point, compiled once and cached on disk."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from spectra.fitting.compiled import entry_point, kernel, open_kernel
from spectra.fitting.drawing import add_tail, below_peaks, component, evaluate, scratch, set_rows
from spectra.fitting.first_use import say_when_compiled
from spectra.fitting.leastsq import CAUTIOUS, CONVERGED, NOT_CONVERGED, NOT_FINITE, fit_counts, space
from spectra.fitting.linear import copy, fill
from spectra.fitting.observing import QUANTITIES, observe
from spectra.fitting.program import Compiled
from spectra.fitting.robust import fit_robust, spread

__all__ = [
    "AT_BOUND",
    "NOT_CONVERGED",
    "NOT_FINITE",
    "NO_DATA",
    "ROUNDS",
    "SETTLED",
    "SEVERAL_MINIMA",
    "UNDETERMINED",
    "WEAK",
    "Results",
    "draw_all",
    "fit_spectra",
    "part_of",
    "poisson_weights",
    "report",
    "results",
    "runs",
]

#: Outcomes beside those of one fit, and warnings, as bits.
NO_DATA = 3
AT_BOUND = 1
UNDETERMINED = 2
WEAK = 4
SEVERAL_MINIMA = 8

#: Rounds in which a joint fit takes Poisson weights anew from its curves, and the change of chi2 that ends them.
ROUNDS, SETTLED = 8, 1e-7
#: What a step must promise, as a share of chi2, to be taken with the weights of counts: 2e-4 of a sigma; and before,
#: with those of the counts themselves, whose minimum is only a start.
SURE, HASTY = 1e-10, 1e-4

Floats = npt.NDArray[np.float64]


class Results(NamedTuple):
    """Arrays that the engine fills, one entry per spectrum; sigmas unscaled."""

    free: Floats  # (spectrum, free)
    value: Floats  # (spectrum, parameter)
    sigma: Floats
    covariance: Floats  # (spectrum, free, free)
    seen: Floats  # (spectrum, component, quantity)
    seen_sigma: Floats
    curve: Floats  # (spectrum, point)
    parts: Floats  # (spectrum, component, point), or without points where not wanted
    slopes: (
        Floats  # (spectrum, parameter, free) derivatives of the parameters; these two only with a projection
    )
    jacobian: Floats  # (spectrum, free, fitted point)
    below: Floats  # (spectrum, point) sigma of what lies below the peaks, or without points where not wanted
    chi2: Floats
    runs_p: Floats
    points: npt.NDArray[np.int64]
    nfev: npt.NDArray[np.int64]
    outcome: npt.NDArray[np.int64]
    warnings: npt.NDArray[np.int64]


def results(compiled: Compiled, spectra: int, points: int, parts: bool, below: bool = False) -> Results:
    """Empty results: NaN, and no outcome. Curves hold nothing yet: see `clear`."""
    parameters, free, components = len(compiled.parameters), len(compiled.free), len(compiled.components)
    projected = len(compiled.arrays.projection)

    def blank(*shape: int) -> Floats:
        return np.full((spectra, *shape), np.nan)

    def unset(*shape: int) -> Floats:
        return np.empty((spectra, *shape))

    return Results(
        free=blank(free), value=blank(parameters), sigma=blank(parameters), covariance=blank(free, free),
        seen=blank(components, QUANTITIES), seen_sigma=blank(components, QUANTITIES), curve=unset(points),
        parts=unset(components, points if parts else 0), slopes=blank(parameters if projected else 0, free),
        jacobian=blank(free, projected), below=unset(points if below else 0), chi2=blank(), runs_p=blank(),
        points=np.zeros(spectra, np.int64), nfev=np.zeros(spectra, np.int64),
        outcome=np.zeros(spectra, np.int64), warnings=np.zeros(spectra, np.int64),
    )  # fmt: skip


def clear(out: Results, rows: slice) -> None:
    """No curves in these rows: by whoever fits them, so that threads share the work and find the memory warm."""
    for curves in (out.curve, out.parts, out.below):
        curves[rows] = np.nan


def part_of(out: Results, rows: slice) -> Results:
    """Some rows of the results, not copied."""
    return Results._make(a[rows] for a in out)


@open_kernel
def runs(curve, y, weight):
    """Probability of as few runs of one sign in the residual, or fewer, if its signs were random."""
    above = below = count_runs = 0
    last = 0
    for i in range(y.size):
        if weight[i] <= 0.0:
            continue
        sign = 1 if y[i] > curve[i] else -1
        above += sign > 0
        below += sign < 0
        count_runs += sign != last
        last = sign
    count = above + below
    if above == 0 or below == 0 or count < 3:
        return np.nan
    mean = 2.0 * above * below / count + 1.0
    variance = (mean - 1.0) * (mean - 2.0) / (count - 1.0)
    return 0.5 * math.erfc(-(count_runs - mean) / math.sqrt(2.0 * variance)) if variance > 0.0 else np.nan


@kernel
def report(model, i, x, y, weight, s, memory, point, out):
    """Write what a finished fit says into row ``i`` of the results."""
    n = s.free.size
    parameters = model.sizes[0]
    set_rows(model, s.free, memory, True)
    fill(out.curve[i], 0.0)
    for c in range(model.kind.size):
        component(model, c, x, memory)
        if out.parts.shape[2] == x.size:
            copy(out.parts[i, c], memory.curve)
        if model.tail[c]:
            add_tail(model, c, x, memory)
        for k in range(x.size):
            out.curve[i, k] += memory.curve[k]
    copy(out.free[i], s.free)
    copy(out.covariance[i], s.covariance)
    if y.size == x.size:
        out.runs_p[i] = runs(out.curve[i], y, weight)
    for row in range(parameters):
        out.value[i, row] = memory.rows[row]
        out.sigma[i, row] = spread(memory.slopes[row], s.covariance, s.held)
    for row in range(out.slopes.shape[1]):
        copy(out.slopes[i, row], memory.slopes[row])
    copy(point.rows, memory.rows)
    values, slopes = np.empty(QUANTITIES), np.empty((QUANTITIES, model.sizes[2]))
    place, chain = np.empty(1), np.empty(n)
    for c in range(model.kind.size):
        first = model.slots[c, 0]
        observe(model, c, place, point, values, slopes)
        for quantity in range(QUANTITIES):
            fill(chain, 0.0)
            for k in range(model.slots[c, 1] - first):
                if slopes[quantity, k] != 0.0:
                    for j in range(n):
                        chain[j] += slopes[quantity, k] * memory.slopes[parameters + first + k, j]
            out.seen[i, c, quantity] = values[quantity]
            known = math.isfinite(values[quantity])
            out.seen_sigma[i, c, quantity] = spread(chain, s.covariance, s.held) if known else np.nan
    if out.jacobian.shape[2] > 0:
        evaluate(model, s.free, x, y, weight, memory, s.trial_residual, s.trial_jacobian)
        copy(out.jacobian[i], s.trial_jacobian)
    if out.below.shape[1] == y.size:
        below_peaks(model, x, memory, s.trial_jacobian, s.trial_residual, s.residual)
        _sigma_below(s.trial_jacobian, s.covariance, s.held, out.below[i])


@kernel
def _sigma_below(slopes, covariance, held, sigma):
    """Standard deviation of a curve with ``slopes`` by the free parameters; parameters on a bound have none."""
    fill(sigma, 0.0)
    for j in range(held.size):
        if held[j]:
            continue
        for k in range(j + 1):
            if held[k]:
                continue
            both = covariance[j, k] * (1.0 if j == k else 2.0)
            one, other = slopes[j], slopes[k]
            for i in range(sigma.size):
                sigma[i] += both * one[i] * other[i]
    for i in range(sigma.size):
        sigma[i] = math.sqrt(sigma[i]) if not sigma[i] < 0.0 else 0.0


@kernel
def poisson_weights(curve, weight):
    """Weights of counts whose expectation is ``curve``, one count at least; masked points stay masked."""
    for k in range(curve.size):
        if weight[k] > 0.0:
            weight[k] = 1.0 / math.sqrt(max(curve[k], 1.0))


@kernel
def draw_all(model, x, free, memory, curve):
    """The sum of all components at ``free`` into ``curve``."""
    set_rows(model, free, memory, False)
    fill(curve, 0.0)
    for c in range(model.kind.size):
        component(model, c, x, memory)
        if model.tail[c]:
            add_tail(model, c, x, memory)
        for k in range(x.size):
            curve[k] += memory.curve[k]


@entry_point
def fit_spectra(stamp):
    """Fit rows ``start`` to ``stop`` of ``y`` and fill the results.

    Rows of ``weight`` are 1/sigma, 0 for a point left out. With ``poisson`` they are replaced by those of the fitted
    curve. With ``fresh`` the strengths of lines in ``begin`` are only hints. With ``chain`` the rows are series of that
    length, and each starts where the last row before it in its series ended that was clear: a failed fit, a line that
    is not there and a parameter that the data do not determine are not handed along.
    """

    def run(
        model, x, y, weight, begin, fresh, chain, poisson, restarts, tolerance, max_nfev, start, stop, out
    ):
        _ = stamp  # part of the cache's key
        n = model.factor.shape[1]
        fitted = y.shape[1]
        s, memory, point = space(n, fitted), scratch(model, x.size), scratch(model, 1)
        first, last = np.empty(n), -1
        for i in range(start, stop):
            if chain > 0 and i % chain == 0:
                last = -1
            usable = 0
            for k in range(fitted):
                usable += weight[i, k] > 0.0
            out.points[i] = usable
            if usable < n:
                out.outcome[i] = NO_DATA
                continue
            copy(first, begin[i])
            follow = chain > 0 and last >= 0
            if follow:
                copy(first, out.free[last])
            outcome, chi2, nfev, undetermined, weak, several = fit_robust(
                model,
                x,
                y[i],
                weight[i],
                first,
                fresh and not follow,
                restarts,
                s,
                memory,
                max(tolerance, HASTY) if poisson else tolerance,
                max_nfev,
            )
            if poisson and outcome == CONVERGED:
                outcome, chi2, more, undetermined = fit_counts(
                    model, x, y[i], weight[i], s, memory, CAUTIOUS, max(tolerance, SURE), max_nfev
                )
                nfev += more
            out.outcome[i], out.chi2[i], out.nfev[i] = outcome, chi2, nfev
            if outcome == CONVERGED:
                out.warnings[i] = UNDETERMINED * undetermined
                for held in s.held:
                    out.warnings[i] |= AT_BOUND * held
                out.warnings[i] += WEAK * weak + SEVERAL_MINIMA * several
                report(model, i, x, y[i], weight[i], s, memory, point, out)
                if not (weak or undetermined):
                    last = i

    return run


say_when_compiled(fit_spectra)
