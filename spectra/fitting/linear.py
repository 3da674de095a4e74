"""The small dense algebra of a fit: orthogonal factors, damped steps within bounds, covariance.

Columns of a Jacobian are stored as rows of an array, so that every loop runs along memory.
"""

from __future__ import annotations

import math

import numpy as np

from spectra.fitting.compiled import kernel, reduction

__all__ = ["copy", "covariance", "dot", "factorise", "fill", "step_within_bounds"]

#: Damping never falls below this share of a column's square: directions without any slope get no step.
FLOOR = 1e-26
#: A column is dependent on the others where less than this of its length remains.
DEPENDENT = 1e-10


# Assignments to slices would compile NumPy's broadcasting and its error messages into the engine.


@kernel
def fill(a, value):
    """Every entry of ``a``, one- or two-dimensional, becomes ``value``."""
    flat = a.reshape(-1)
    for i in range(flat.size):
        flat[i] = value


@kernel
def copy(to, source):
    """Entries of ``source`` into ``to``, of the same shape."""
    flat, other = to.reshape(-1), source.reshape(-1)
    for i in range(flat.size):
        flat[i] = other[i]


@reduction
def dot(a, b):
    """Scalar product."""
    total = 0.0
    for i in range(a.size):
        total += a[i] * b[i]
    return total


@kernel
def factorise(columns, r, upper, q):
    """Householder: ``columns`` = Q R; R into ``upper``, the first entries of Q'r into ``q``. Overwrites its input."""
    n, m = columns.shape
    for k in range(n):
        pivot = columns[k, k:m]
        length = math.sqrt(dot(pivot, pivot))
        for j in range(k):
            upper[k, j] = 0.0
        if length == 0.0:
            for j in range(k, n):
                upper[k, j] = columns[j, k] if j > k else 0.0
            q[k] = r[k]
            continue
        turned = math.copysign(length, pivot[0])
        pivot[0] += turned
        inverse = 1.0 / (turned * pivot[0])
        upper[k, k] = -turned
        for j in range(k + 1, n):
            other = columns[j, k:m]
            share = dot(pivot, other) * inverse
            for i in range(other.size):
                other[i] -= share * pivot[i]
            upper[k, j] = other[0]
        rest = r[k:m]
        share = dot(pivot, rest) * inverse
        for i in range(rest.size):
            rest[i] -= share * pivot[i]
        q[k] = rest[0]


@kernel
def _damped(upper, q, scale, damping, held, step, stacked, rhs, small, wanted):
    """Minimise |R s + q|^2 + damping |D s|^2 over the s that are not held; R of the damped problem into ``small``."""
    n = q.size
    count = 0
    for j in range(n):
        if held[j]:
            continue
        for i in range(n):
            stacked[count, i] = upper[i, j]
            stacked[count, n + i] = 0.0
        stacked[count, n + count] = math.sqrt(damping) * scale[j]
        count += 1
    for i in range(n):
        total = q[i]
        for j in range(n):
            if held[j]:
                total += upper[i, j] * step[j]
        rhs[i] = -total
        rhs[n + i] = 0.0
    factorise(stacked[:count], rhs, small, wanted)
    for a in range(count - 1, -1, -1):
        total = wanted[a]
        for b in range(a + 1, count):
            total -= small[a, b] * wanted[b]
        wanted[a] = total / small[a, a] if small[a, a] != 0.0 else 0.0
    at = 0
    for j in range(n):
        if not held[j]:
            step[j] = wanted[at]
            at += 1
    return count


@kernel
def _length(step, scale, held):
    total = 0.0
    for j in range(step.size):
        if not held[j]:
            total += (scale[j] * step[j]) ** 2
    return math.sqrt(total)


@kernel
def _trusted(upper, q, scale, radius, held, step, stacked, rhs, small, wanted):
    """Step of scaled length ``radius`` or less that lowers the linearised sum of squares most; its damping."""
    damping = FLOOR
    count = _damped(upper, q, scale, damping, held, step, stacked, rhs, small, wanted)
    length = _length(step, scale, held)
    if length <= 1.1 * radius:
        return 0.0
    n = q.size
    slope2 = 0.0
    for j in range(n):
        if not held[j]:
            total = 0.0
            for i in range(n):
                total += upper[i, j] * q[i]
            slope2 += (total / scale[j]) ** 2
    low, high = 0.0, math.sqrt(slope2) / radius
    for _ in range(30):
        # Newton on 1/length - 1/radius, as More: the derivative needs |S^-T D^2 s|
        at = 0
        for j in range(n):
            if not held[j]:
                rhs[at] = scale[j] * scale[j] * step[j] / length
                at += 1
        square = 0.0
        for a in range(count):
            total = rhs[a]
            for b in range(a):
                total -= small[b, a] * rhs[b]
            rhs[a] = total / small[a, a] if small[a, a] != 0.0 else 0.0
            square += rhs[a] * rhs[a]
        if length > radius:
            low = max(low, damping)
        else:
            high = min(high, damping)
        correction = (length - radius) / (radius * square) if square > 0.0 else 0.0
        damping += correction
        if not low < damping < high:
            damping = max(0.001 * high, math.sqrt(low * high))
        count = _damped(upper, q, scale, damping, held, step, stacked, rhs, small, wanted)
        length = _length(step, scale, held)
        if abs(length - radius) <= 0.1 * radius:
            break
    return damping


@kernel
def step_within_bounds(
    upper, q, scale, radius, held, x, lower, higher, fixed, step, stacked, rhs, small, wanted
):
    """Trust-region step that stays inside the bounds; a parameter that would cross one is put on it and the rest solved anew.

    Returns the damping and the reduction of the sum of squares that the linearised problem promises.
    """
    n = q.size
    for j in range(n):
        fixed[j] = held[j]
        step[j] = 0.0
    damping = _trusted(upper, q, scale, radius, fixed, step, stacked, rhs, small, wanted)
    for _ in range(n):
        crossed = False
        for j in range(n):
            if not fixed[j] and (x[j] + step[j] < lower[j] or x[j] + step[j] > higher[j]):
                step[j] = (lower[j] if step[j] < 0.0 else higher[j]) - x[j]
                fixed[j] = crossed = True
        if not crossed:
            break
        _damped(upper, q, scale, max(damping, FLOOR), fixed, step, stacked, rhs, small, wanted)
    before = after = 0.0
    for i in range(n):
        total = q[i]
        for j in range(i, n):
            total += upper[i, j] * step[j]
        before += q[i] * q[i]
        after += total * total
    return damping, before - after


@kernel
def covariance(upper, scale, held, out, q, step, stacked, rhs, small, wanted):
    """Inverse of R'R over the parameters that are not held.

    NaN for the held and for those the data do not determine; True if there is one of the latter.
    """
    n = scale.size
    fill(q, 0.0)
    fill(step, 0.0)
    count = _damped(upper, q, scale, FLOOR, held, step, stacked, rhs, small, wanted)
    inverse = stacked  # upper triangle, column k in row k
    for k in range(count):
        for i in range(k, -1, -1):
            total = 1.0 if i == k else 0.0
            for j in range(i + 1, k + 1):
                total -= small[i, j] * inverse[k, j]
            inverse[k, i] = total / small[i, i]
    fill(out, np.nan)
    undetermined = False
    at = 0
    for j in range(n):
        if not held[j]:
            place, at = at, at + 1
            other = 0
            for other_j in range(n):
                if not held[other_j]:
                    total = 0.0
                    for k in range(max(place, other), count):
                        total += inverse[k, place] * inverse[k, other]
                    out[j, other_j] = total
                    other += 1
    for j in range(n):
        length2 = 0.0
        for i in range(j + 1):
            length2 += upper[i, j] ** 2
        vanished = length2 < (DEPENDENT * scale[j]) ** 2  # the parameter has lost all effect on the way
        if not held[j] and (vanished or not out[j, j] * length2 * DEPENDENT**2 < 1.0):
            undetermined = True
            for k in range(n):
                out[j, k] = out[k, j] = np.nan
    return undetermined
