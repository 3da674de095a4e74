"""A fit that does not trust its first minimum where the data do not single one out.

A clear spectrum has one minimum near any sensible start and is fitted once. Where a component is weak, or a parameter
is not determined at all, neighbouring minima compete and the one reached depends on the path. Such a spectrum is
fitted again from a fixed sequence of other starts, the best minimum is kept, and the spectrum is marked if the
starts did not agree.
"""

from __future__ import annotations

import math

from spectra.fitting.compiled import kernel
from spectra.fitting.drawing import set_rows
from spectra.fitting.leastsq import CAUTIOUS, CONVERGED, EAGER, NOT_CONVERGED, fit_one, solve_linear
from spectra.fitting.linear import copy, fill

__all__ = ["fit_robust", "spread", "weak_line"]

#: A component is weak below this many standard deviations.
WEAK = 5.0
#: Two minima are the same where their sums of squares agree within this.
SAME = 1e-6
#: What a step must promise, as a share of chi2, to be taken on the way to a minimum that is only compared with others.
ROUGH = 1e-9
#: Starts that must have led to the best minimum before no others are tried; one on a plateau says nothing.
AGREED = 4


@kernel
def spread(slopes, covariance, held):
    """Standard deviation of a quantity with the derivatives ``slopes`` by the free parameters.

    0 where it is fixed; NaN where it rests on parameters that are all on a bound, or on one the data do not determine.
    """
    total, moved, on_bounds = 0.0, False, True
    for j in range(slopes.size):
        if slopes[j] == 0.0:
            continue
        moved = True
        if held[j]:
            continue
        on_bounds = False
        for k in range(slopes.size):
            if slopes[k] != 0.0 and not held[k]:
                total += slopes[j] * covariance[j, k] * slopes[k]
    if moved and on_bounds:
        return math.nan
    return math.sqrt(total) if not total < 0.0 else 0.0


@kernel
def weak_line(model, s, memory):
    """Whether a peak that is being fitted does not stand clear of its own uncertainty."""
    set_rows(model, s.free, memory, False)
    for c in range(model.kind.size):
        slot = model.observed[c, 7]
        if slot < 0:
            continue
        slot += model.slots[c, 0]
        if model.touch_range[slot] == model.touch_range[slot + 1]:
            continue
        row = model.sizes[0] + slot
        if not abs(memory.rows[row]) >= WEAK * spread(memory.slopes[row], s.covariance, s.held):
            return True
    return False


@kernel
def _reaches(model, begin, s, memory):
    """How far another start may lie: the box of the bounds, the width of the line for a position, else 0 (a factor)."""
    set_rows(model, begin, memory, False)
    fill(s.reach, 0.0)
    for c in range(model.kind.size):
        if model.observed[c, 0] < 0:
            continue
        width = 0.0
        for k in range(5, 7):
            if model.observed[c, k] >= 0:
                width += abs(memory.rows[model.sizes[0] + model.slots[c, 0] + model.observed[c, k]])
        slot = model.slots[c, 0] + model.observed[c, 0]
        for at in range(model.touch_range[slot], model.touch_range[slot + 1]):
            s.reach[model.touches[at]] = 2.0 * width
    for j in range(begin.size):
        if math.isfinite(model.lower[j]) and math.isfinite(model.upper[j]):
            s.reach[j] = 0.8 * (model.upper[j] - model.lower[j])


@kernel
def _another_start(model, begin, number, s):
    """The ``number``-th point of an even sequence around ``begin``, into ``s.free``."""
    n = begin.size
    ratio = 1.5  # a golden ratio for n dimensions: multiples of its powers fill a box evenly
    for _ in range(60):
        ratio = (1.0 + ratio) ** (1.0 / (n + 1.0))
    for j in range(n):
        share = (0.5 + number * ratio ** -(j + 1.0)) % 1.0 - 0.5
        if model.lower[j] == model.upper[j]:  # pinned
            s.free[j] = model.lower[j]
        elif s.reach[j] > 0.0:
            s.free[j] = begin[j] + share * s.reach[j] * (1.0 if number % 2 else 0.5)
        else:
            s.free[j] = begin[j] * 2.0 ** (2.0 * share)


@kernel
def fit_robust(model, x, y, weight, begin, fresh, restarts, s, memory, tolerance, max_nfev):
    """Fit from ``begin``; (outcome, chi2, evaluations, undetermined, weak, whether other starts ended elsewhere).

    With ``fresh`` the strengths of the lines in ``begin`` are only a hint.
    """
    copy(s.free, begin)
    if fresh:
        solve_linear(model, x, y, weight, s, memory)
    outcome, chi2, total, undetermined = fit_one(
        model, x, y, weight, s, memory, CAUTIOUS, tolerance, max_nfev
    )
    weak = outcome == CONVERGED and weak_line(model, s, memory)
    clear = outcome == CONVERGED and not undetermined and not weak
    if restarts == 0 or clear or outcome > NOT_CONVERGED:
        return outcome, chi2, total, undetermined, weak, False
    close = max(tolerance, ROUGH) if tolerance <= SAME else ROUGH
    if outcome == CONVERGED and tolerance > SAME:  # minima are compared where they are
        outcome, chi2, nfev, undetermined = fit_one(model, x, y, weight, s, memory, CAUTIOUS, close, max_nfev)
        total += nfev
    several, agreed = False, 0 if undetermined else 1
    copy(s.best, s.free)
    if outcome == NOT_CONVERGED:
        chi2, agreed = math.inf, 0
    _reaches(model, begin, s, memory)
    for number in range(restarts):
        radius = CAUTIOUS
        if number == 0:  # the start as it was given, by a bolder path
            copy(s.free, begin)
            radius = EAGER
        else:
            _another_start(model, begin, number, s)
            solve_linear(model, x, y, weight, s, memory)
        found, other, nfev, lost = fit_one(model, x, y, weight, s, memory, radius, close, max_nfev)
        total += nfev
        if found != CONVERGED:
            continue
        if abs(other - chi2) > SAME * min(other, chi2):
            several = several or math.isfinite(chi2)
        elif number > 0 and not lost:
            agreed += 1
        if other < (1.0 - SAME) * chi2:
            outcome, chi2, agreed = found, other, 0 if lost else 1
            copy(s.best, s.free)
        if agreed >= AGREED:
            break
    if outcome == CONVERGED:
        copy(s.free, s.best)
        outcome, chi2, nfev, undetermined = fit_one(
            model, x, y, weight, s, memory, CAUTIOUS, min(tolerance, close), max_nfev
        )
        total += nfev
        weak = weak_line(model, s, memory)
    return outcome, chi2, total, undetermined, weak, several
