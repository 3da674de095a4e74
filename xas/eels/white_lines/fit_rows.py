"""Two lines on two arctangents fitted to rows of spectra, compiled: Levenberg-Marquardt on normal equations."""

from __future__ import annotations

import math

import numpy as np

from spectra.fitting.compiled import reduction
from spectra.preprocessing.compiled import entry_point, kernel
from xas.eels.channels.exponential_rows import exponential

__all__ = ["NUMBERS", "fit_rows"]

#: Of L3 and then of L2: area, height of the step, position, full width at half maximum, Lorentzian share.
NUMBERS = 10
#: Steps of a fit at most; the damping it begins with and its factors; it ends with the step that promises less than
#: this share of chi-square per channel, some hundredths of a standard deviation.
STEPS, DAMPING, LOOSER, TIGHTER, SETTLED = 60, 1e-3, 0.1, 8.0, 1e-4
#: Damping up to which what a step promises says that the fit is at its end.
LARGEST = 1.0
#: Steps after which the weights of counts stay, should they not settle.
REWEIGHED = 12
#: A channel's variance is no less than this share of the mean of the window.
LEAST = 1e-2

_LN2 = math.log(2.0)
_GAUSS, _LORENTZ = 2.0 * math.sqrt(_LN2 / math.pi), 2.0 / math.pi
#: Between -tan(pi/8) and tan(pi/8) the arctangent is this polynomial of t², times t, to 1e-12; from the constant up.
_u = (np.cos(np.pi * (np.arange(64) + 0.5) / 64) + 1) * math.tan(math.pi / 8) ** 2 / 2
_C0, _C1, _C2, _C3, _C4, _C5, _C6, _C7, _C8 = (
    float(c) for c in np.polynomial.Polynomial.fit(_u, np.arctan(np.sqrt(_u)) / np.sqrt(_u), 8).convert().coef
)


@kernel
def _arctan(z):
    """By halving the angle twice, without branches, so that vectors are made."""
    t = z / (1.0 + math.sqrt(1.0 + z * z))
    t /= 1.0 + math.sqrt(1.0 + t * t)
    u = t * t
    high = _C4 + u * (_C5 + u * (_C6 + u * (_C7 + u * _C8)))
    return 4.0 * t * (_C0 + u * (_C1 + u * (_C2 + u * (_C3 + u * high))))


@kernel
def _line(energy, at, width, share, area, height, step_width, bits, gauss, by):
    """Derivatives ``by`` (5, n) of a line with its step: by area, step height, position, width, share."""
    for i in range(energy.size):
        t = (energy[i] - at) / width
        gauss[i] = -4.0 * _LN2 * t * t
    exponential(0.0, 1.0, gauss, bits, gauss)
    for i in range(energy.size):
        t = (energy[i] - at) / width
        g = gauss[i] * _GAUSS / width
        q = 1.0 / (1.0 + 4.0 * t * t)
        lorentz = q * _LORENTZ / width
        z = math.pi * (energy[i] - at) / step_width
        by[0, i] = (1.0 - share) * g + share * lorentz
        by[1, i] = _arctan(z) / math.pi + 0.5
        steep = ((1.0 - share) * g * _LN2 + share * lorentz * q) * 8.0 * t / width
        by[2, i] = area * steep - height / (step_width * (1.0 + z * z))
        wide = (1.0 - share) * g * (8.0 * _LN2 * t * t - 1.0) + share * lorentz * (8.0 * t * t * q - 1.0)
        by[3, i] = area * wide / width
        by[4, i] = area * (lorentz - g)


@kernel
def _evaluate(energy, p, step_width, bits, work, slopes, model):
    """The curve and its slopes (10, n) at the parameters ``p``."""
    _line(energy, p[2], p[3], p[4], p[0], p[1], step_width, bits, work, slopes[:5])
    _line(energy, p[7], p[8], p[9], p[5], p[6], step_width, bits, work, slopes[5:])
    for i in range(energy.size):
        model[i] = p[0] * slopes[0, i] + p[1] * slopes[1, i] + p[5] * slopes[5, i] + p[6] * slopes[6, i]


@reduction
def _dot(a, b):
    total = 0.0
    for i in range(a.size):
        total += a[i] * b[i]
    return total


@reduction
def _misfit(net, model, weight):
    total = 0.0
    for i in range(net.size):
        total += weight[i] * (net[i] - model[i]) ** 2
    return total


@kernel
def _weigh(base, model, gain, weight):
    """One over the variance of counts: ``gain`` times the curve with what lies under it."""
    mean = 0.0
    for i in range(model.size):
        weight[i] = base[i] + model[i]
        mean += max(weight[i], 0.0)
    least = max(LEAST * mean / model.size, 1e-300)
    for i in range(model.size):
        weight[i] = 1.0 / (gain * max(weight[i], least))


@kernel
def _factorise(normal, damping, held, root):
    """Cholesky of the damped matrix, what is held left out; False where it is singular."""
    n = normal.shape[0]
    for i in range(n):
        for j in range(i + 1):
            if held[i] or held[j]:
                root[i, j] = 1.0 if i == j else 0.0
                continue
            total = normal[i, j] * (1.0 + damping) if i == j else normal[i, j]
            for k in range(j):
                total -= root[i, k] * root[j, k]
            if i == j:
                if not total > 1e-13 * normal[i, i]:
                    return False
                root[i, i] = math.sqrt(total)
            else:
                root[i, j] = total / root[j, j]
    return True


@kernel
def _solve(root, right, held, out):
    n = right.size
    for i in range(n):
        total = 0.0 if held[i] else right[i]
        for k in range(i):
            total -= root[i, k] * out[k]
        out[i] = total / root[i, i]
    for i in range(n - 1, -1, -1):
        total = out[i]
        for k in range(i + 1, n):
            total -= root[k, i] * out[k]
        out[i] = total / root[i, i]


@kernel
def _equations(slopes, weight, rest, fixed, weighted, normal, gradient):
    n = normal.shape[0]
    for j in range(n):
        gradient[j] = 0.0
        if fixed[j]:
            continue
        for i in range(weight.size):
            weighted[i] = weight[i] * slopes[j, i]
        gradient[j] = _dot(weighted, rest)
        for k in range(j + 1):
            normal[j, k] = normal[k, j] = 0.0 if fixed[k] else _dot(weighted, slopes[k])


@entry_point
def fit_rows(
    energy, net, base, variance, gain, start, low, high, fixed, front, behind, step_width, basis,
    logarithmic, found, covariance, answer, chi2, settled,
):  # fmt: skip
    """Fit every row from ``front`` in front of L3 to ``behind`` behind L2, as they are in its ``start`` (rows, 10).

    ``low`` and ``high`` (rows, 10) are limits, ``fixed`` (rows, 10) what stays. Where ``gain`` is above zero (rows,) the
    variance of a channel is that many times the fitted curve with ``base`` (rows, n), what was subtracted under it;
    else it is ``variance`` (rows, n). Written are ``found`` (rows, 10), ``covariance`` (rows, 10, 10), ``answer``
    (rows, 10, terms), how the parameters answer to what ``basis`` (n, terms), times ``base`` where ``logarithmic``, adds
    to the row, ``chi2`` and ``settled`` (rows,).
    """
    size, terms = energy.size, basis.shape[1]
    slopes, trial_slopes = np.empty(NUMBERS * size), np.empty(NUMBERS * size)
    model, trial_model, work, rest = np.empty(size), np.empty(size), np.empty(size), np.empty(size)
    weight, data, under, bits = np.empty(size), np.empty(size), np.empty(size), np.empty(size, np.int64)
    normal, root = np.zeros((NUMBERS, NUMBERS)), np.zeros((NUMBERS, NUMBERS))
    gradient, step, trial = np.empty(NUMBERS), np.empty(NUMBERS), np.empty(NUMBERS)
    held = np.zeros(NUMBERS, np.bool_)
    for row in range(net.shape[0]):
        settled[row] = False
        p = found[row]
        p[:] = start[row]
        first = np.searchsorted(energy, p[2] - front)
        last = np.searchsorted(energy, p[7] + behind)
        n = last - first
        sound = n > 2 * NUMBERS and math.isfinite(p[2]) and math.isfinite(p[7])
        for i in range(n):
            data[i] = net[row, first + i]
            under[i] = base[row, first + i]
            weight[i] = 1.0 / variance[row, first + i]
            sound &= math.isfinite(data[i])
        if not sound:
            continue
        e, d, b, w, m, tm = energy[first:last], data[:n], under[:n], weight[:n], model[:n], trial_model[:n]
        s, ts = slopes[: NUMBERS * n].reshape(NUMBERS, n), trial_slopes[: NUMBERS * n].reshape(NUMBERS, n)
        r, q, z = rest[:n], work[:n], bits[:n]
        counts = gain[row] > 0.0
        if counts:
            for i in range(n):
                r[i] = max(d[i], 0.0)
            _weigh(b, r, gain[row], w)
        m[:] = 0.0
        floor = 1e-14 * _misfit(d, m, w)
        _evaluate(e, p, step_width, z, q, s, m)
        # The curve is linear in areas and heights: these first, for the others' start values.
        for linear in (True, False):
            damping = 0.0 if linear else DAMPING
            value = _misfit(d, m, w)
            for number in range(1 if linear else STEPS):
                for i in range(n):
                    r[i] = d[i] - m[i]
                _equations(s, w, r, fixed[row], q, normal, gradient)
                for j in range(NUMBERS):
                    outwards = (p[j] <= low[row, j] and gradient[j] <= 0.0) or (
                        p[j] >= high[row, j] and gradient[j] >= 0.0
                    )
                    held[j] = fixed[row, j] or outwards or (linear and j % 5 > 1) or normal[j, j] == 0.0
                better, over = False, False
                while not better:
                    if not _factorise(normal, damping, held, root):
                        damping = max(damping * TIGHTER, 1e-6)
                        if damping > 1e10:
                            break
                        continue
                    _solve(root, gradient, held, step)
                    promised = _dot(step, gradient)
                    for j in range(NUMBERS):
                        trial[j] = min(max(p[j] + step[j], low[row, j]), high[row, j])
                    _evaluate(e, trial, step_width, z, q, ts, tm)
                    tried = _misfit(d, tm, w)
                    better = tried < value or linear
                    over = damping <= LARGEST and promised <= SETTLED * value / n + floor
                    if over or (not better and damping > 1e10):
                        break
                    if not better or value - tried < 0.25 * promised:  # too long a step
                        damping = max(damping, 1e-3) * TIGHTER
                    elif value - tried > 0.75 * promised:
                        damping *= LOOSER
                if better:
                    p[:] = trial
                    s, ts, m, tm = ts, s, tm, m
                    if counts and number < REWEIGHED:
                        _weigh(b, m, gain[row], w)
                    value = _misfit(d, m, w)
                if over or not better:
                    settled[row] = over
                    break
        chi2[row] = value
        for i in range(n):
            r[i] = d[i] - m[i]
        _equations(s, w, r, fixed[row], q, normal, gradient)
        if not _factorise(normal, 0.0, held, root):
            settled[row] = False
            continue
        for j in range(NUMBERS):
            gradient[:] = 0.0
            gradient[j] = 1.0
            _solve(root, gradient, held, step)
            for k in range(NUMBERS):
                covariance[row, j, k] = 0.0 if held[j] or held[k] else step[k]
        for t in range(terms):
            for i in range(n):
                q[i] = w[i] * basis[first + i, t] * (b[i] if logarithmic else 1.0)
            for j in range(NUMBERS):
                gradient[j] = _dot(q, s[j])
            _solve(root, gradient, held, step)
            answer[row, :, t] = step
