"""Loops over rows of spectra that make the weights of white lines and their sums, compiled."""

from __future__ import annotations

import math

import numpy as np

from spectra.fitting.compiled import reduction
from spectra.preprocessing.compiled import entry_point, kernel

__all__ = ["lobe_rows", "step_rows", "sum_rows"]


@kernel
def _inside(energy, edges, i, low, high, whole):
    """Width in eV of channel ``i`` inside ``low`` to ``high``; whole channels count by their middle."""
    if whole:
        return edges[i + 1] - edges[i] if low - 1e-9 <= energy[i] <= high + 1e-9 else 0.0
    return max(min(edges[i + 1], high) - max(edges[i], low), 0.0)


@kernel
def _step(energy, edges, i, place, arctan_width, whole):
    """Unit step at ``place`` seen by channel ``i``: half in a channel whose middle it is; or an arctangent."""
    if arctan_width > 0.0:
        return math.atan(math.pi * (energy[i] - place) / arctan_width) / math.pi + 0.5
    if whole:
        return 1.0 if energy[i] >= place else 0.0
    return min(max((edges[i + 1] - place) / (edges[i + 1] - edges[i]), 0.0), 1.0)


@entry_point
def step_rows(energy, edges, places, halves, post, steps, arctan_width, whole, weights):
    """Weights (2, rows, n) of L3 and L2 above two steps; ``places`` and ``halves`` (2, rows).

    ``post`` is the window behind L2 of the level, of which ``steps`` are the heights.
    """
    n = energy.size
    for row in range(weights.shape[1]):
        l3, l2 = places[0, row], places[1, row]
        weights[:, row, :] = 0.0 if math.isfinite(l3) and math.isfinite(l2) else np.nan
        if not (math.isfinite(l3) and math.isfinite(l2)):
            continue
        begin = max(np.searchsorted(energy, l2 + post[0]) - 1, 0)
        end = min(np.searchsorted(energy, l2 + post[1]) + 1, n)
        level = 0.0
        for i in range(begin, end):
            level += _inside(energy, edges, i, l2 + post[0], l2 + post[1], whole)
        for line in range(2):
            low, high = places[line, row] - halves[line, row], places[line, row] + halves[line, row]
            under = 0.0
            first = max(np.searchsorted(energy, low) - 1, 0)
            last = min(np.searchsorted(energy, high) + 1, n)
            for i in range(first, last):
                own = _inside(energy, edges, i, low, high, whole)
                if own > 0.0:
                    weights[line, row, i] += own
                    under += own * (
                        steps[0] * _step(energy, edges, i, l3, arctan_width, whole)
                        + steps[1] * _step(energy, edges, i, l2, arctan_width, whole)
                    )
            if not level > 0.0:
                weights[line, row, :] = np.nan
            for i in range(begin, end):
                part = _inside(energy, edges, i, l2 + post[0], l2 + post[1], whole)
                weights[line, row, i] -= under * part / level


#: Widths sigma of the Gaussian filter beyond which it is zero.
FAR = 8.0


@kernel
def _bend(energy, widths, y, i, sigma):
    """Minus the second derivative at channel ``i`` after the Gaussian filter."""
    total = 0.0
    first = np.searchsorted(energy, energy[i] - FAR * sigma)
    last = np.searchsorted(energy, energy[i] + FAR * sigma)
    for j in range(first, last):
        t = (energy[i] - energy[j]) / sigma
        total -= (t * t - 1.0) * math.exp(-0.5 * t * t) * widths[j] * y[j]
    return total / (sigma**3 * math.sqrt(2.0 * math.pi))


@kernel
def _zero(energy, widths, y, middle, way, sigma):
    """Where minus the second derivative becomes negative, from ``middle`` to one side; NaN where it does not."""
    before, i = _bend(energy, widths, y, middle, sigma), middle
    if not before > 0.0:
        return np.nan
    while 0 < i < energy.size - 1:
        i += way
        here = _bend(energy, widths, y, i, sigma)
        if not here > 0.0:
            return energy[i] - (energy[i] - energy[i - way]) * here / (here - before)
        before = here
    return np.nan


@entry_point
def lobe_rows(energy, widths, y, places, sigma, lobes, weights):
    """Weights (2, rows, n) of the positive lobes of minus the second derivative about ``places`` (2, rows).

    ``lobes`` (2, rows, 2) are their ends: looked for where they are NaN, and written.
    """
    n = energy.size
    for row in range(weights.shape[1]):
        for line in range(2):
            weights[line, row, :] = 0.0
            place = places[line, row]
            if not math.isfinite(lobes[line, row, 0]) and math.isfinite(place):
                near = min(max(np.searchsorted(energy, place), 3), n - 4)
                middle, value = near, -np.inf
                for i in range(
                    near - 3, near + 4
                ):  # the lobe's top, some channels from a maximum that noise moved
                    here = _bend(energy, widths, y[row], i, sigma)
                    if here > value:
                        middle, value = i, here
                for side in range(2):
                    lobes[line, row, side] = _zero(energy, widths, y[row], middle, 2 * side - 1, sigma)
            a, b = lobes[line, row]
            if not (math.isfinite(a) and math.isfinite(b)):
                weights[line, row, :] = np.nan
                continue
            first = np.searchsorted(energy, a - FAR * sigma)
            last = np.searchsorted(energy, b + FAR * sigma)
            for i in range(first, last):
                t, s = (a - energy[i]) / sigma, (b - energy[i]) / sigma
                slope = s * math.exp(-0.5 * s * s) - t * math.exp(-0.5 * t * t)
                weights[line, row, i] = slope * widths[i] / (sigma * sigma * math.sqrt(2.0 * math.pi))


@reduction
def _sum(u, a):
    """Channels without weight do not count, whatever they hold."""
    total = 0.0
    for i in range(u.size):
        total += u[i] * a[i] if u[i] != 0.0 else 0.0
    return total


@reduction
def _sum_of_products(u, a, b):
    total = 0.0
    for i in range(u.size):
        total += u[i] * a[i] * b[i] if u[i] != 0.0 else 0.0
    return total


@entry_point
def sum_rows(weights, net, variance, base, basis, sums, own, answer):
    """Sums (rows, k) of ``net`` with ``weights`` (k, rows, n), their own covariances and their answers to the background.

    The ``answer`` (rows, k, terms) is the derivative of the background's sum by its parameters, of the terms ``basis``
    (terms, n), with ``base`` (rows, n) its values where the logarithm is linear in them, or ones (1, n).
    """
    count, n = weights.shape[0], weights.shape[2]
    for row in range(net.shape[0]):
        under = base[min(row, base.shape[0] - 1)]
        for k in range(count):
            u = weights[k, row]
            first, last = 0, n
            while first < n and u[first] == 0.0:
                first += 1
            while last > first and u[last - 1] == 0.0:
                last -= 1
            u = u[first:last]
            sums[row, k] = _sum(u, net[row, first:last])
            for t in range(basis.shape[0]):
                answer[row, k, t] = _sum_of_products(u, under[first:last], basis[t, first:last])
            for other in range(k + 1):
                both = _sum_of_products(u, weights[other, row, first:last], variance[row, first:last])
                own[row, k, other] = own[row, other, k] = both
