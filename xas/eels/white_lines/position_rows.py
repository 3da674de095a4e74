"""Loops over rows of spectra that find lines and the vertices of parabolas through their tops, compiled."""

from __future__ import annotations

import math

import numpy as np

from spectra.preprocessing.compiled import entry_point, kernel

__all__ = ["bin_rows", "compare_behind", "compare_front", "find_pairs", "move_to_vertices"]

#: A parabola is moved so often at most, until it moves by less than this (eV).
MOVES, SETTLED = 12, 1e-4


@kernel
def _parabola(energy, y, first, count, place, reach):
    """Slope and bend at ``place`` of the weighted parabola, and what a channel's weight in the slope is made of."""
    m0, m1, m2, m3, m4, q0, q1, q2 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(first, first + count):
        t = (energy[i] - place) / reach
        w = 1.0 - t * t
        if w > 0.0:
            wt = w * t
            wtt = wt * t
            m0 += w
            m1 += wt
            m2 += wtt
            m3 += wtt * t
            m4 += wtt * t * t
            q0 += w * y[i]
            q1 += wt * y[i]
            q2 += wtt * y[i]
    m0, m2, m4 = m0 + 1e-12, m2 + 1e-12, m4 + 1e-12  # a window outside of the data
    a, b, c = m2 * m4 - m3 * m3, m2 * m3 - m1 * m4, m1 * m3 - m2 * m2
    d, e, f = m0 * m4 - m2 * m2, m1 * m2 - m0 * m3, m0 * m2 - m1 * m1
    whole = m0 * a + m1 * b + m2 * c
    slope = (b * q0 + d * q1 + e * q2) / whole / reach
    bend = (c * q0 + e * q1 + f * q2) / whole / (reach * reach)
    return slope, bend, b / whole / reach, d / whole / reach, e / whole / reach


@kernel
def _begin(energy, place, reach, count):
    return min(max(np.searchsorted(energy, place - reach), 0), energy.size - count)


@entry_point
def move_to_vertices(energy, y, start, reach, wander, count, place, by, at):
    """Move a parabola of half width ``reach`` from ``start`` (rows,) until its vertex is its middle, in every row.

    ``place`` (rows,) is where it ends, ``start`` where it does not settle within ``wander``; ``by`` (rows, count) its
    derivatives by the channels ``at`` (rows, count), NaN where it does not.
    """
    for row in range(y.shape[0]):
        here, settled = start[row], False
        for _ in range(MOVES):
            first = _begin(energy, here, reach, count)
            slope, bend, _, _, _ = _parabola(energy, y[row], first, count, here, reach)
            if not bend < 0.0:
                break
            step = -slope / (2.0 * bend)
            if not abs(here + step - start[row]) < wander:
                break
            here += min(max(step, -reach / 2.0), reach / 2.0)
            if abs(step) < SETTLED:
                settled = True
                break
        first = _begin(energy, here, reach, count)
        tiny = reach * 1e-3
        _, _, b, d, e = _parabola(energy, y[row], first, count, here, reach)
        low = _begin(energy, here - tiny, reach, count)
        high = _begin(energy, here + tiny, reach, count)
        before = _parabola(energy, y[row], low, count, here - tiny, reach)[0]
        behind = _parabola(energy, y[row], high, count, here + tiny, reach)[0]
        turning = (behind - before) / (2.0 * tiny)
        place[row] = here if settled else start[row]
        for k in range(count):
            at[row, k] = first + k
            t = (energy[first + k] - here) / reach
            w = max(1.0 - t * t, 0.0)
            by[row, k] = -(b + d * t + e * t * t) * w / turning if settled else np.nan


@entry_point
def bin_rows(y, size, bins, finite):
    """Means of ``size`` neighbouring channels; zero where one is not finite. ``finite`` (rows,) is whether all are."""
    for row in range(y.shape[0]):
        sound = True
        for k in range(bins.shape[1]):
            total = 0.0
            for i in range(k * size, (k + 1) * size):
                total += y[row, i]
            if not math.isfinite(total):
                sound, total = False, 0.0
            bins[row, k] = total / size
        for i in range(bins.shape[1] * size, y.shape[1]):
            sound &= math.isfinite(y[row, i])
        finite[row] = sound


@kernel
def _box(values, half, out):
    """Mean over ``half`` values on each side; the ends repeated."""
    n = values.size
    total = values[0] * (half + 1)
    for i in range(half):
        total += values[min(i, n - 1)]
    for i in range(n):
        total += values[min(i + half, n - 1)]
        if i > 0:
            total -= values[max(i - half - 1, 0)]
        else:
            total -= values[0]
        out[i] = total / (2 * half + 1)


@entry_point
def find_pairs(middle, bins, first, last, apart, splitting, half, top_half, reach, l3, l2):
    """Highest places of L3 and of L2 behind it, where both together are highest: of bins (rows, n) at ``middle``.

    L3 is looked for in the bins ``first`` to ``last`` (not included), L2 ``apart`` bins behind, each with ``half``
    bins on each side; the top of each with ``top_half``, up to ``reach`` from there.
    """
    n = middle.size
    smooth = np.empty(n)
    for row in range(bins.shape[0]):
        _box(bins[row], half, smooth)
        best, value = first, -np.inf
        for i in range(first, min(last, n - apart)):
            if smooth[i] + smooth[i + apart] > value:
                best, value = i, smooth[i] + smooth[i + apart]
        _box(bins[row], top_half, smooth)
        for line in range(2):
            place = middle[best] + line * splitting
            top, value = 0, -np.inf
            for i in range(n):
                if abs(middle[i] - place) <= reach and smooth[i] > value:
                    top, value = i, smooth[i]
            if line == 0:
                l3[row] = middle[top]
            else:
                l2[row] = middle[top]


@entry_point
def compare_front(middle, bins, l3, window_end, far, near, front, top):
    """Highest mean of three bins in front of L3, from ``far`` or the end of the window to ``near``, and at L3 itself."""
    n = middle.size
    for row in range(bins.shape[0]):
        front[row], top[row] = -np.inf, -np.inf
        for i in range(n):
            mean = (bins[row, max(i - 1, 0)] + bins[row, i] + bins[row, min(i + 1, n - 1)]) / 3.0
            if max(window_end, l3[row] - far) < middle[i] < l3[row] - near:
                front[row] = max(front[row], mean)
            if abs(middle[i] - l3[row]) < 2.0:
                top[row] = max(top[row], mean)


@entry_point
def compare_behind(middle, bins, l3, l2, splitting, about, closest, last, aside, other, at_l2, at_l3):
    """Highest maximum that is no L2, that at L2, and the height of L3, (rows,) each, of means of three bins.

    The height of a maximum is what stands above the mean of the places ``aside`` bins on both sides. No L2 is one that
    stands outside of ``about`` eV around ``splitting`` behind L3, from ``closest`` up to ``last`` eV behind it.
    """
    n = middle.size
    smooth = np.empty(n)
    for row in range(bins.shape[0]):
        other[row], at_l2[row], at_l3[row] = -np.inf, -np.inf, -np.inf
        _box(bins[row], 1, smooth)
        for i in range(n):
            behind = middle[i] - l3[row]
            if abs(behind) < 1.0:
                at_l3[row] = max(at_l3[row], smooth[i])
            if not (closest < behind < last and i + aside < n and i >= aside):
                continue
            above = smooth[i] - (smooth[i - aside] + smooth[i + aside]) / 2.0
            if abs(behind - splitting) > about:
                other[row] = max(other[row], above)
            if abs(middle[i] - l2[row]) < 1.0:
                at_l2[row] = max(at_l2[row], above)
