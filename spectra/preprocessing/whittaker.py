"""Baselines by penalised least squares, compiled: sixteen spectra at a time, each replaced by the next as it settles.

The numbers of a block of spectra lie in one array, one record per point: what belongs to one point of sixteen spectra
stands together, so every step of the recursion is one vector operation. All indices are unsigned, because the compiler
makes vectors of nothing else here.
"""

from __future__ import annotations

import math

import numpy as np

from spectra.preprocessing.compiled import entry_point, kernel

__all__ = ["AIRPLS", "ARPLS", "ASLS", "settle"]

ASLS, ARPLS, AIRPLS = 0, 1, 2

_u = np.uint64
#: Spectra in a block.
LANES = 16
_LANES = _u(LANES)
#: Numbers per point: value, weight, the two factors below the diagonal, the solution, and two for sums on the way.
FIELDS = 7
_Y, _W, _E, _F, _U, _T, _G = (_u(i * LANES) for i in range(FIELDS))
_RECORD = _u(FIELDS * LANES)
_TWO_RECORDS = _u(2 * FIELDS * LANES)
#: Records of zeros in front of the first point and behind the last.
_AHEAD = _u(2)
_ONE = _u(1)

#: Smallest number that is divided by, as in pybaselines.
_TINY = np.finfo(np.float64).tiny
#: Powers of e are wanted up to here; beyond, a weight is 0 or 1 to all digits that matter.
_MOST = 60.0


@kernel
def _exp(x):
    """Exponential function to about 1e-12, without branches: a power series of x/1024, squared ten times."""
    u = x * (1.0 / 1024.0)
    e = 1.0 + u * (
        1.0
        + u
        * (
            0.5
            + u * (1.0 / 6.0 + u * (1.0 / 24.0 + u * (1.0 / 120.0 + u * (1.0 / 720.0 + u * (1.0 / 5040.0)))))
        )
    )
    e *= e
    e *= e
    e *= e
    e *= e
    e *= e
    e *= e
    e *= e
    e *= e
    e *= e
    e *= e
    return e


@kernel
def _factor_and_forward(s, n, lam):
    """LDLᵀ of diag(w) + lam·D'D (second differences) and forward substitution of w·y, in one sweep."""
    for k in range(n):
        o = (k + _AHEAD) * _RECORD
        a, b = 6.0 * lam, -4.0 * lam
        if k == 0 or k == n - _ONE:
            a = lam
        elif k == _ONE or k == n - _u(2):
            a = 5.0 * lam
        if k == 0 or k == n - _u(2):
            b = -2.0 * lam
        elif k == n - _ONE:
            b = 0.0
        for j in range(_LANES):
            y, w = s[o + _Y + j], s[o + _W + j]
            e1, f2 = s[o - _RECORD + _E + j], s[o - _TWO_RECORDS + _F + j]
            pivot = a + w - e1 * s[o - _RECORD + _T + j] - lam * f2
            below = b - lam * e1
            inverse = 1.0 / pivot
            known = y if w > 0.0 else 0.0  # a missing value is NaN
            s[o + _T + j] = below
            s[o + _E + j] = below * inverse
            s[o + _F + j] = lam * inverse
            s[o + _U + j] = w * known - e1 * s[o - _RECORD + _U + j] - f2 * s[o - _TWO_RECORDS + _U + j]


@kernel
def _backward(s, n, lam):
    scale = 1.0 / lam
    for back in range(n):
        o = (n - _ONE - back + _AHEAD) * _RECORD
        for j in range(_LANES):
            f = s[o + _F + j]
            s[o + _U + j] = (
                s[o + _U + j] * f * scale
                - s[o + _E + j] * s[o + _RECORD + _U + j]
                - f * s[o + _TWO_RECORDS + _U + j]
            )


@kernel
def _weigh_asls(s, n, p, change, size):
    """New weights; the square of their change and of the old ones, summed over each spectrum."""
    for k in range(n):
        o = (k + _AHEAD) * _RECORD
        for j in range(_LANES):
            y, old = s[o + _Y + j], s[o + _W + j]
            new = p if y > s[o + _U + j] else 1.0 - p
            new = new if y == y else 0.0
            s[o + _E + j] = s[o - _RECORD + _E + j] + (new - old) * (new - old)
            s[o + _T + j] = s[o - _RECORD + _T + j] + old * old
            s[o + _W + j] = new
    last = (n - _ONE + _AHEAD) * _RECORD
    for j in range(_LANES):
        change[j], size[j] = s[last + _E + j], s[last + _T + j]


@kernel
def _below(s, n, count, total, square):
    """Number, sum and sum of squares of what lies below the baseline."""
    for k in range(n):
        o = (k + _AHEAD) * _RECORD
        for j in range(_LANES):
            rest = s[o + _Y + j] - s[o + _U + j]
            one = 1.0 if rest < 0.0 else 0.0
            rest = rest if rest < 0.0 else 0.0
            s[o + _E + j] = s[o - _RECORD + _E + j] + one
            s[o + _F + j] = s[o - _RECORD + _F + j] + rest
            s[o + _T + j] = s[o - _RECORD + _T + j] + rest * rest
    last = (n - _ONE + _AHEAD) * _RECORD
    for j in range(_LANES):
        count[j], total[j], square[j] = s[last + _E + j], s[last + _F + j], s[last + _T + j]


@kernel
def _carry(s, lane_constants_e, lane_constants_f):
    """Put two numbers per spectrum into the record ahead of the first point, from where sweeps hand them on."""
    o = (_AHEAD - _ONE) * _RECORD
    for j in range(_LANES):
        s[o + _E + j], s[o + _F + j] = lane_constants_e[j], lane_constants_f[j]


@kernel
def _weigh_arpls(s, n, steepness, middle, change, size):
    """Logistic weights 1/(1 + exp(steepness·(rest − middle)))."""
    _carry(s, steepness, middle)
    for k in range(n):
        o = (k + _AHEAD) * _RECORD
        for j in range(_LANES):
            c, m = s[o - _RECORD + _E + j], s[o - _RECORD + _F + j]
            y, old = s[o + _Y + j], s[o + _W + j]
            power = c * (y - s[o + _U + j] - m)
            power = power if power < _MOST else _MOST
            power = power if power > -_MOST else -_MOST
            new = 1.0 / (1.0 + _exp(power))
            new = new if y == y else 0.0
            s[o + _E + j], s[o + _F + j] = c, m
            s[o + _T + j] = s[o - _RECORD + _T + j] + (new - old) * (new - old)
            s[o + _G + j] = s[o - _RECORD + _G + j] + old * old
            s[o + _W + j] = new
    last = (n - _ONE + _AHEAD) * _RECORD
    for j in range(_LANES):
        change[j], size[j] = s[last + _T + j], s[last + _G + j]
    _carry(s, np.zeros(LANES), np.zeros(LANES))


@kernel
def _weigh_airpls(s, n, scale):
    """Weights exp(scale·rest) below the baseline, 0 above."""
    _carry(s, scale, scale)
    for k in range(n):
        o = (k + _AHEAD) * _RECORD
        for j in range(_LANES):
            c = s[o - _RECORD + _E + j]
            rest = s[o + _Y + j] - s[o + _U + j]
            power = c * rest
            power = power if power < _MOST else _MOST
            power = power if power > 0.0 else 0.0
            s[o + _E + j] = c
            s[o + _W + j] = _exp(power) if rest < 0.0 else 0.0
    _carry(s, np.zeros(LANES), np.zeros(LANES))


@kernel
def _load(s, n, j, y):
    """Put a spectrum into lane ``j``: weight 1 where there is a value."""
    for k in range(n):
        o = (k + _AHEAD) * _RECORD + j
        s[o + _Y] = y[k]
        s[o + _W] = 1.0 if y[k] == y[k] else 0.0


@kernel
def _idle(s, n, j):
    for k in range(n):
        o = (k + _AHEAD) * _RECORD + j
        s[o + _Y] = 0.0
        s[o + _W] = 1.0


@kernel
def _size(y):
    total = 0.0
    for k in range(y.size):
        if y[k] == y[k]:
            total += abs(y[k])
    return total


@entry_point
def settle(method, rows, lam, p, tol, max_iter, least, baseline, converged, iterations):
    """Baselines of all ``rows``, written to ``baseline``; rows with fewer than ``least`` values are left as they are.

    ``rows`` hold NaN where a value is missing. The weights start at 1; a spectrum has settled when its weights change
    by less than ``tol`` of themselves (airPLS: when what lies below its baseline is less than ``tol`` of the spectrum).
    """
    count_rows, points = rows.shape
    n = _u(points)
    s = np.zeros((points + 4) * FIELDS * LANES)
    which, tries = np.full(LANES, -1), np.zeros(LANES, np.int64)
    change, size, third = np.zeros(LANES), np.zeros(LANES), np.zeros(LANES)
    first, second = np.zeros(LANES), np.zeros(LANES)
    norm = np.ones(LANES)
    for j in range(LANES):
        _idle(s, n, _u(j))
    following, busy = 0, 0
    while True:
        for j in range(LANES):  # refill
            if which[j] >= 0:
                continue
            while following < count_rows:
                row = following
                following += 1
                present = 0
                for k in range(points):
                    present += rows[row, k] == rows[row, k]
                if present >= least:
                    which[j], tries[j] = row, 0
                    norm[j] = max(_size(rows[row]), _TINY)
                    _load(s, n, _u(j), rows[row])
                    busy += 1
                    break
        if busy == 0:
            return
        _factor_and_forward(s, n, lam)
        _backward(s, n, lam)
        if method == ASLS:
            _weigh_asls(s, n, p, change, size)
        else:
            _below(s, n, change, size, third)
            for j in range(LANES):
                if method == ARPLS:
                    mean = size[j] / max(change[j], 1.0)
                    spread = math.sqrt(max(third[j] - size[j] * mean, 0.0) / max(change[j] - 1.0, 1.0))
                    spread = spread if spread > 0.0 else _TINY
                    first[j], second[j] = min(2.0 / spread, 1e300), 2.0 * spread - mean
                else:
                    first[j] = min(tries[j] + 1, 50) / min(size[j], -_TINY)
                third[j] = change[j]  # how many lie below
            if method == ARPLS:
                _weigh_arpls(s, n, first, second, change, size)
            else:
                _weigh_airpls(s, n, first)
        for j in range(LANES):
            if which[j] < 0:
                continue
            tries[j] += 1
            if method == AIRPLS:
                done = -size[j] / norm[j] < tol
            else:
                done = math.sqrt(change[j]) / max(math.sqrt(size[j]), _TINY) < tol
            if method != ASLS and third[j] < 2.0:  # nothing left to lower it by
                done = True
            if done or tries[j] > max_iter:
                row = which[j]
                converged[row], iterations[row] = done, tries[j]
                for k in range(n):
                    baseline[row, k] = s[(k + _AHEAD) * _RECORD + _U + _u(j)]
                which[j] = -1
                busy -= 1
                if following == count_rows:
                    _idle(s, n, _u(j))
