r"""Spectra as sums of shifted reference curves, row by row, compiled.

.. math:: \mu(E) = \sum_k a_k S_k(E - s) + B(E), \qquad a_k \ge 0

Curves are tabulated with their slopes at some shifts; between these a cubic goes through both (Hermite), so that the
model and its derivative by the shift are continuous. Weights follow the expected counts, so that the least squares are
the maximum of the Poisson likelihood.
"""

from __future__ import annotations

import math

import numpy as np

from spectra.fitting.compiled import kernel, reduction
from spectra.preprocessing.compiled import entry_point

__all__ = ["BACKGROUNDS", "fit_rows"]

#: Kinds of background inside the fit: columns with free coefficients, or a power law exp(a − r f).
BACKGROUNDS = {"columns": 0, "power_law": 1}

STEPS, PASSES = 60, 3
#: The fit has settled with the step that promises less than the first part of a unit of chi-square, or of the mean
#: square: it moves by the root of that, in standard deviations. On a bumpy way the second is enough.
SETTLED, ENOUGH = 1e-5, 1e-3
#: A channel that stands out by so many standard deviations, over both next but one, is a spike.
SPIKE = 8.0
#: A step that promises this part of the squares of a spectrum is one of rounding.
ROUNDING = 1e-20
#: No channel's variance is taken as less than this part of the mean one.
LEAST = 1e-2


@reduction
def _dot(a, b):
    total = 0.0
    for i in range(a.size):
        total += a[i] * b[i]
    return total


@kernel
def _add_curve(a, weight, rate, one, one_slope, two, two_slope, curve, model, by_shift):
    """One reference between two shifts that it is tabulated at: into its column, the model and the slope."""
    w0, w1, w2, w3 = weight
    r0, r1, r2, r3 = rate
    for i in range(curve.size):
        value = w0 * one[i] + w1 * one_slope[i] + w2 * two[i] + w3 * two_slope[i]
        curve[i] = value
        model[i] += a * value
        by_shift[i] += a * (r0 * one[i] + r1 * one_slope[i] + r2 * two[i] + r3 * two_slope[i])


@kernel
def _evaluate(theta, tables, slopes, first, step, columns, kind, jacobian, model):
    """Model (n) and its derivatives (parameters, n) for ``theta``: amplitudes, background, shift."""
    m, last = tables.shape[0], theta.size - 1
    place = (theta[last] - first) / step
    j = min(max(math.floor(place), 0), tables.shape[1] - 2)
    t = place - j
    u = 1.0 - t
    weight = ((1 + 2 * t) * u * u, t * u * u * step, t * t * (3 - 2 * t), -t * t * u * step)
    rate = (6 * t * (t - 1) / step, (3 * t - 1) * (t - 1), 6 * t * u / step, t * (3 * t - 2))
    by_shift = jacobian[last]
    for i in range(model.size):
        model[i] = 0.0
        by_shift[i] = 0.0
    for k in range(m):
        _add_curve(
            theta[k], weight, rate, tables[k, j], slopes[k, j], tables[k, j + 1], slopes[k, j + 1], jacobian[k], model, by_shift
        )  # fmt: skip
    if kind == 1:
        amplitude, falling = jacobian[m], jacobian[m + 1]
        for i in range(model.size):
            value = math.exp(theta[m] - theta[m + 1] * columns[1, i])
            amplitude[i] = value
            falling[i] = -columns[1, i] * value
            model[i] += value
    else:
        for c in range(columns.shape[0]):
            column = jacobian[m + c]
            for i in range(model.size):
                column[i] = columns[c, i]
                model[i] += theta[m + c] * columns[c, i]


@kernel
def _weigh(model, base, there, gain, floor, weights):
    """Inverse variances of counts that are expected."""
    for i in range(model.size):
        expected = max(model[i] + base[i], floor)
        weights[i] = there[i] / (gain * expected)


@kernel
def _normal(jacobian, weights, residual, normal, gradient, weighted):
    """Normal equations, and the weighted squares of the residual."""
    size = jacobian.shape[0]
    for p in range(size):
        row = jacobian[p]
        for i in range(row.size):
            weighted[i] = row[i] * weights[i]
        gradient[p] = _dot(weighted, residual)
        for q in range(p + 1):
            normal[p, q] = normal[q, p] = _dot(weighted, jacobian[q])
    for i in range(residual.size):
        weighted[i] = residual[i] * weights[i]
    return _dot(weighted, residual)


@kernel
def _invert(matrix, free, damping, inverse, work):
    """Inverse of ``matrix`` among what is free, its diagonal raised by ``damping``; False where there is none."""
    size = matrix.shape[0]
    for p in range(size):
        for q in range(size):
            inverse[p, q] = 0.0
            scale = math.sqrt(abs(matrix[p, p] * matrix[q, q]))
            work[p, q] = matrix[p, q] / scale if free[p] and free[q] and scale > 0.0 else 0.0
        if free[p] and not matrix[p, p] > 0.0:
            return False
        work[p, p] = 1.0 + damping
        inverse[p, p] = 1.0
    for p in range(size):
        best = p
        for q in range(p + 1, size):
            if abs(work[q, p]) > abs(work[best, p]):
                best = q
        if not abs(work[best, p]) > 1e-13:
            return False
        if best != p:
            for c in range(size):
                work[p, c], work[best, c] = work[best, c], work[p, c]
                inverse[p, c], inverse[best, c] = inverse[best, c], inverse[p, c]
        pivot = work[p, p]
        for c in range(size):
            work[p, c] /= pivot
            inverse[p, c] /= pivot
        for q in range(size):
            factor = work[q, p]
            if q != p and factor != 0.0:
                for c in range(size):
                    work[q, c] -= factor * work[p, c]
                    inverse[q, c] -= factor * inverse[p, c]
    for p in range(size):
        for q in range(size):
            if free[p] and free[q]:
                inverse[p, q] /= math.sqrt(matrix[p, p] * matrix[q, q])
            else:
                inverse[p, q] = 0.0
    return True


@kernel
def _start(right, solutions, nodes, m, theta):
    """Best of the tabulated starts: the shift and the set of references that take most of the squares away."""
    best, where, which = -1.0, -1, -1
    size = right.shape[1]
    for j in range(solutions.shape[0]):
        for s in range(solutions.shape[1]):
            taken, sound = 0.0, True
            for p in range(size):
                value = 0.0
                for q in range(size):
                    value += solutions[j, s, p, q] * right[j, q]
                sound = sound and (p >= m or value >= 0.0)
                taken += value * right[j, p]
            if sound and taken > best:
                best, where, which = taken, j, s
    if where < 0:
        return False
    for p in range(size):
        theta[p] = 0.0
        for q in range(size):
            theta[p] += solutions[where, which, p, q] * right[where, q]
    theta[size] = nodes[where]
    return True


@kernel
def _settle(
    y, there, stated, base, gain, floor, counting, tables, slopes, first, step, columns, kind, low, high, theta, tried,
    jacobian, model, weights, weighted, normal, gradient, free, inverse, work
):  # fmt: skip
    """Levenberg–Marquardt of one row from ``theta``, which holds the result; whether it settled."""
    m, size, n = tables.shape[0], theta.size, y.size
    residual = np.empty(n)
    _evaluate(theta, tables, slopes, first, step, columns, kind, jacobian, model)
    damping, settled, used, promised, rounding, part = 1e-6, False, 0.0, np.inf, 0.0, 1.0
    moved = np.zeros(size)
    for i in range(n):
        weights[i] = stated[i]
        residual[i] = y[i] - model[i]
        used += there[i]
    if counting:
        _weigh(model, base, there, gain, floor, weights)
    for i in range(n):
        rounding += ROUNDING * weights[i] * y[i] * y[i]
    squares = _normal(jacobian, weights, residual, normal, gradient, weighted)
    for _ in range(STEPS):
        for p in range(size):
            free[p] = not (p < m and theta[p] <= 0.0 and gradient[p] <= 0.0)
        at = theta[size - 1]
        free[size - 1] = (
            low < high
            and not (at <= low and gradient[size - 1] < 0.0)
            and not (at >= high and gradient[size - 1] > 0.0)
        )
        if not _invert(normal, free, damping, inverse, work):
            damping = max(10.0 * damping, 1e-6)
            if damping > 1e8:
                break
            continue
        promised, back, far = 0.0, 0.0, 0.0
        for p in range(size):
            change = 0.0
            for q in range(size):
                change += inverse[p, q] * gradient[q] if free[q] else 0.0
            promised += change * gradient[p] if free[p] else 0.0
            if p == size - 1:
                change = min(max(change, -0.5), 0.5)
            back += change * moved[p] * normal[p, p]
            far += moved[p] * moved[p] * normal[p, p]
            tried[p] = change
        # steps to and fro, where the slope of noisy references takes the curvature for less than it is: half way is nearer
        part = 0.5 * part if back < -0.2 * far else min(1.0, 1.5 * part)
        for p in range(size):
            tried[p] = theta[p] + part * tried[p]
            if p < m:
                tried[p] = max(tried[p], 0.0)
        tried[size - 1] = min(max(tried[size - 1], low), high)
        _evaluate(tried, tables, slopes, first, step, columns, kind, jacobian, model)
        new = 0.0
        for i in range(n):
            residual[i] = y[i] - model[i]
            new += weights[i] * residual[i] * residual[i]
        if not new <= squares * (1.0 + 1e-12) + 1e-300:
            if promised <= 1e-6 * SETTLED * squares + rounding:
                _evaluate(theta, tables, slopes, first, step, columns, kind, jacobian, model)
                settled = True
                break
            damping = max(10.0 * damping, 1e-6)
            _evaluate(theta, tables, slopes, first, step, columns, kind, jacobian, model)
            if damping > 1e10:
                break
            continue
        for p in range(size):
            moved[p] = tried[p] - theta[p]
            theta[p] = tried[p]
        damping *= 0.1
        if counting:
            _weigh(model, base, there, gain, floor, weights)
        squares = _normal(jacobian, weights, residual, normal, gradient, weighted)
        if promised <= SETTLED * min(1.0, squares / max(used - size, 1.0)) + rounding:
            settled = True
            break
    for i in range(n):
        residual[i] = y[i] - model[i]
    if counting:
        _weigh(model, base, there, gain, floor, weights)
    squares = _normal(jacobian, weights, residual, normal, gradient, weighted)
    return settled or promised <= ENOUGH * min(1.0, squares / max(used - size, 1.0)) + rounding


@kernel
def _leave_out_spikes(y, model, weights, there, known):
    """Take channels that stand out of the noise and of their surroundings out of the fit; how many."""
    n = y.size
    left = np.empty(n)
    total, used, size = 0.0, 0.0, 0.0
    for i in range(n):
        left[i] = (y[i] - model[i]) * math.sqrt(weights[i])
        size += abs(left[i])
        used += there[i]
    cut = SPIKE if known else SPIKE * 1.25 * size / max(used, 1.0)
    for i in range(n):
        total += min(left[i] * left[i], cut * cut)
    scale = math.sqrt(total / max(used, 1.0))
    limit = SPIKE * max(scale, 1.0) if known else SPIKE * scale
    found = 0
    for i in range(n):
        before = left[i - 2] if i > 1 else 0.0
        behind = left[i + 2] if i < n - 2 else 0.0
        if there[i] > 0.0 and left[i] - max(before, behind, 0.0) > limit:
            there[i] = 0.0
            found += 1
    return found


@entry_point
def fit_rows(
    rows, there, stated, base, gain, counting, known, spikes, tables, slopes, first, step, columns, kind, low, high,
    right, solutions, nodes, exponent, answers, logarithmic, doubt, own_noise, widths,
    theta, covariance, from_references, squares, used, together, lacking, state, left_out, fits
):  # fmt: skip
    """Fit every row; see :mod:`xas.eels.references.fit` for what goes in and comes out.

    ``state``: 0 settled, 1 nothing to fit, 2 did not settle.
    """
    n, m, size = rows.shape[1], tables.shape[0], theta.shape[1]
    jacobian, normal = np.empty((size, n)), np.empty((size, size))
    model, weights, weighted, none = np.empty(n), np.empty(n), np.empty(n), np.zeros(n)
    background, hats = np.empty(n), np.empty((m, n))
    gradient, tried, free = np.empty(size), np.empty(size), np.empty(size, np.bool_)
    inverse, work = np.empty((size, size)), np.empty((size, size))
    terms = answers.shape[0]
    pull, moved = np.empty((size, max(terms, 1))), np.empty((size, max(terms, 1)))
    for r in range(rows.shape[0]):
        state[r] = 1
        here, y = theta[r], rows[r]
        below = base[r] if base.shape[0] > 0 else none
        fixed = stated[r] if stated.shape[0] > 0 else there[r]
        if not _start(right[r], solutions, nodes, m, here):
            continue
        if kind == 1:
            amplitude = here[m]
            mean = 0.0
            for i in range(n):
                mean += y[i] / n
            falling = exponent - here[m + 1] / amplitude if amplitude > 0.0 else exponent
            here[m] = math.log(max(amplitude, 1e-3 * abs(mean) + 1e-300))
            here[m + 1] = min(max(falling, 0.0), 10.0)
        total, count = 0.0, 0.0
        for i in range(n):
            total += (y[i] + below[i]) * there[r, i]
            count += there[r, i]
        floor = LEAST * total / max(count, 1.0)
        if not count > size or (counting and not floor > 0.0):
            continue
        settled = False
        for _ in range(PASSES):
            settled = _settle(
                y, there[r], fixed, below, gain[r], floor, counting, tables, slopes, first, step, columns, kind, low, high,
                here, tried, jacobian, model, weights, weighted, normal, gradient, free, inverse, work
            )  # fmt: skip
            found = _leave_out_spikes(y, model, weights, there[r], known) if spikes and settled else 0
            left_out[r] += found
            if found == 0:
                break
            if stated.shape[0] > 0:
                for i in range(n):
                    fixed[i] *= there[r, i]
        state[r] = 0 if settled else 2
        for i in range(n):  # the part of the model that is no reference
            background[i] = jacobian[m, i] if kind == 1 else 0.0
            if kind == 0:
                for c in range(columns.shape[0]):
                    background[i] += here[m + c] * columns[c, i]
        for p in range(size):
            free[p] = True
        free[size - 1] = low < here[size - 1] < high
        if not _invert(normal, free, 0.0, inverse, work):
            for p in range(size):
                for q in range(size):
                    inverse[p, q] = np.nan
        for p in range(size):
            for q in range(size):
                covariance[r, p, q] = inverse[p, q]
        for p in range(size):  # what a background that was subtracted before pulls along
            row = jacobian[p]
            for k in range(terms):
                pull[p, k] = 0.0
                for i in range(n):
                    answer = answers[k, i] * below[i] if logarithmic else answers[k, i]
                    pull[p, k] += row[i] * weights[i] * answer
        if terms > 0:
            for p in range(size):
                for k in range(terms):
                    moved[p, k] = 0.0
                    for q in range(size):
                        moved[p, k] += inverse[p, q] * pull[q, k]
            for p in range(size):
                for q in range(size):
                    for k in range(terms):
                        for c in range(terms):
                            covariance[r, p, q] += moved[p, k] * doubt[r, k, c] * moved[q, c]
        if own_noise.shape[0] > 0:  # through the fit, and through the areas that references are divided by
            for k in range(m):
                for i in range(n):
                    hats[k, i] = 0.0
                for p in range(size):
                    for i in range(n):
                        hats[k, i] += inverse[k, p] * jacobian[p, i] * weights[i]
            for k in range(m):
                for q in range(k + 1):
                    total = 0.0
                    for i in range(n):
                        noise = 0.0
                        for c in range(m):
                            noise += here[c] * here[c] * own_noise[c, i]
                        total += hats[k, i] * hats[q, i] * noise
                        total -= widths[i] * here[q] * here[q] * own_noise[q, i] * hats[k, i]
                        total -= widths[i] * here[k] * here[k] * own_noise[k, i] * hats[q, i]
                        if q == k:
                            total += (widths[i] * here[k]) ** 2 * own_noise[k, i]
                    from_references[r, k, q] = from_references[r, q, k] = total
        cost, count, side, before, plain, signal = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for i in range(n):
            left = math.sqrt(weights[i]) * (y[i] - model[i])
            cost += left * left
            side += left * before
            before = left
            below_edge = model[i] - background[i]
            signal += below_edge * below_edge
            if i > 0 and there[r, i] > 0.0 and there[r, i - 1] > 0.0:
                plain += (y[i] - model[i]) * (y[i - 1] - model[i - 1])
            count += there[r, i]
        squares[r], used[r], together[r] = cost, count, side
        lacking[r] = math.sqrt(max(plain, 0.0) / signal) if signal > 0.0 else 0.0
        if fits.shape[0] > 0:
            for i in range(n):
                fits[r, i] = model[i]
