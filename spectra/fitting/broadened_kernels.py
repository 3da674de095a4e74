"""Lines convolved with a Gaussian, with analytic derivatives; formulas in :mod:`spectra.fitting.asymmetric`.

The convolution is a sum over Gauss-Legendre nodes on panels that start at the branch point d = 0 and grow away from
it. Line and derivatives are evaluated once per node, and every point adds the nodes within the Gaussian's reach.
"""

from __future__ import annotations

import math

import numpy as np

from spectra.fitting import kinds
from spectra.fitting.compiled import kernel
from spectra.fitting.kinds import LN2, NARROW, PANEL_W, PANEL_X, REACH, TINY
from spectra.fitting.linear import fill

__all__ = ["doniach", "la", "lf"]

SIGMA_PER_FWHM = 1 / (2 * math.sqrt(2 * LN2))
INV_ROOT_2PI = 1 / math.sqrt(2 * math.pi)


@kernel
def _digamma(x):
    """Derivative of ln Gamma, x > 0."""
    total = 0.0
    while x < 10.0:
        total -= 1.0 / x
        x += 1.0
    u = 1.0 / (x * x)
    series = u * (1 / 12 - u * (1 / 120 - u * (1 / 252 - u * (1 / 240 - u * (1 / 132 - u * 691 / 32760)))))
    return total + math.log(x) - 0.5 / x - series


@kernel
def _half_area(a):
    """Area of L^a on one side over the width, and its derivative by a."""
    area = 0.25 * math.sqrt(math.pi) * math.exp(math.lgamma(a - 0.5) - math.lgamma(a))
    return area, area * (_digamma(a - 0.5) - _digamma(a))


@kernel
def _exponent(u, width, a, w):
    """Exponent of LF on the high side, and its derivatives by a, by w and by the width."""
    t2 = 4.0 * (u / (w * width)) ** 2
    near = 1.0 / (1.0 + t2)
    by_w = (3.0 - a) * 2.0 * t2 * near * near
    return 3.0 - (3.0 - a) * near, near, -by_w / w, -by_w / width


@kernel
def _lf_area(p, out):
    """Area of LF before broadening and its derivatives by fwhm_l, a, b, w; ``p`` = fwhm_l, a, b, w."""
    width, a, b, w = max(abs(p[0]), TINY), p[1], p[2], p[3]
    low, by_b = _half_area(b)
    out[0], out[1], out[2], out[3], out[4] = low * width, low, 0.0, by_b * width, 0.0
    left, step = 0.0, 0.25 * width / math.sqrt(max(a, b, 1.0))
    while left < 1e6 * w * width:
        step = max(step, left)
        for j in range(PANEL_X.size):
            u = left + 0.5 * step * (1.0 + PANEL_X[j])
            weight = 0.5 * step * PANEL_W[j]
            e, by_a, by_w, by_width = _exponent(u, width, a, w)
            log = -math.log1p(4.0 * (u / width) ** 2)
            value = weight * math.exp(e * log)
            t2 = 4.0 * (u / width) ** 2
            out[0] += value
            out[1] += value * (log * by_width + e * 2.0 * t2 / (1.0 + t2) / width)
            out[2] += value * log * by_a
            out[4] += value * log * by_w
        left += step


@kernel
def _line(kind, u, q, norm, out):
    """Line at distance ``u`` and its derivatives by its own parameters ``q`` (fwhm_l, then exponents)."""
    width = max(abs(q[0]), TINY)
    if kind == kinds.DONIACH:
        g, alpha = 0.5 * width, q[1]
        t = -u / g
        theta = math.atan(t)
        log_cos = -0.5 * math.log1p(t * t)
        phase = 0.5 * math.pi * alpha + (1.0 - alpha) * theta
        falling = math.exp((1.0 - alpha) * log_cos) / norm[0]
        sine, cosine = math.sin(phase), math.cos(phase)
        lorentz = 1.0 / (1.0 + t * t)
        out[0] = falling * cosine
        out[1] = falling * (1.0 - alpha) * (sine * t + cosine * t * t) * lorentz / (2.0 * g)
        out[2] = falling * (-sine * (0.5 * math.pi - theta) - cosine * log_cos) - out[0] * norm[1]
        return
    t2 = 4.0 * (u / width) ** 2
    log = -math.log1p(t2)
    e, by_a, by_w, by_width = q[2], 0.0, 0.0, 0.0
    if u > 0.0:
        e, by_a = q[1], 1.0
        if kind == kinds.LF:
            e, by_a, by_w, by_width = _exponent(u, width, q[1], q[3])
    value = math.exp(e * log) / norm[0]
    out[0] = value
    out[1] = value * (log * by_width + e * 2.0 * t2 / ((1.0 + t2) * width) - norm[1])
    out[2] = value * (log * by_a - norm[2])
    out[3] = value * ((0.0 if u > 0.0 else log) - norm[3])
    if kind == kinds.LF:
        out[4] = value * (log * by_w - norm[4])


@kernel
def _normalise(kind, q, norm):
    """Area (or height) of the line and the logarithmic derivatives of it by the line's own parameters."""
    width = max(abs(q[0]), TINY)
    if kind == kinds.DONIACH:
        alpha = q[1]
        angle = math.pi * alpha / (2.0 * (2.0 - alpha))
        norm[0] = math.cos(angle) ** (2.0 - alpha)
        norm[1] = -math.log(math.cos(angle)) - math.tan(angle) * math.pi / (2.0 - alpha)
        return
    if kind == kinds.LA:
        high, by_a = _half_area(q[1])
        low, by_b = _half_area(q[2])
        norm[0], norm[1] = (high + low) * width, 1.0 / width
        norm[2], norm[3] = by_a / (high + low), by_b / (high + low)
        return
    _lf_area(q, norm)
    for k in range(1, 5):
        norm[k] /= norm[0]


@kernel
def _outward(low, high, first, largest):
    """Edges, ascending, of the panels between ``low`` and ``high`` that start at 0 and grow away from it."""
    furthest = max(high, -low, first)
    steps = 4 + int(math.log2(furthest / first) + furthest / largest)  # first doubling, then of equal length
    edges, left, count = np.empty(2 * steps + 3), 0.0, 0
    while left < -low:
        left += min(max(first, left), largest)
        if -left < high:
            edges[count] = -left
            count += 1
    for k in range(count // 2):
        edges[k], edges[count - 1 - k] = edges[count - 1 - k], edges[k]
    edges[count] = 0.0  # left out again where the window does not hold it
    count += 1
    left = 0.0
    while left < high:
        left += min(max(first, left), largest)
        edges[count] = left
        count += 1
    start, end = 0, count
    while start + 2 < end and edges[start + 1] <= low:
        start += 1
    while end - 2 > start and edges[end - 2] >= high:
        end -= 1
    return edges[start:end]


@kernel
def _around(low, high):
    """Edges of panels between ``low`` and ``high``, none of them across 0."""
    count = int(REACH)
    edges, at = np.empty(count + 2), 0
    middle = min(max(0.0, low), high)
    for k in range(count + 1):
        edge = low + (high - low) * k / count
        if at == k and edge >= middle:
            edges[at] = middle
            at += 1
        edges[at] = edge
        at += 1
    if at == count + 1:  # rounding left the last edge below it
        edges[at] = middle
    return edges


@kernel
def _table(kind, q, norm, edges):
    """Nodes on the panels, and weight times line and derivatives at each."""
    points = PANEL_X.size
    nodes = np.empty((edges.size - 1) * points)
    values = np.empty((q.size + 1, nodes.size))
    out = np.empty(5)
    for panel in range(edges.size - 1):
        half = 0.5 * (edges[panel + 1] - edges[panel])
        for j in range(points):
            at = panel * points + j
            nodes[at] = edges[panel] + half * (1.0 + PANEL_X[j])
            _line(kind, nodes[at], q, norm, out)
            for k in range(q.size + 1):
                values[k, at] = half * PANEL_W[j] * out[k]
    return nodes, values


@kernel
def _gather(d, sigma, nodes, values, sums):
    """Sums over nodes of Gaussian times line, times its derivatives, and times d - u and its square."""
    fill(sums, 0.0)
    last = values.shape[0]
    start = np.searchsorted(nodes, d - REACH * sigma)
    for j in range(start, nodes.size):
        t = (d - nodes[j]) / sigma
        if t < -REACH:
            break
        weight = INV_ROOT_2PI / sigma * math.exp(-0.5 * t * t)
        for k in range(last):
            sums[k] += weight * values[k, j]
        sums[last] += weight * values[0, j] * t
        sums[last + 1] += weight * values[0, j] * t * t


@kernel
def _broadened(kind, x, position, scale_by, q, fwhm_g, gauss_at, f, g):
    """Amplitude times line convolved with a Gaussian; ``g`` in the order position, amplitude, q..., and fwhm_g."""
    width = max(abs(q[0]), TINY)
    exponent = max(q[1], q[2], 1.0) if kind != kinds.DONIACH else 1.0
    scale = width / math.sqrt(exponent)
    sigma = max(abs(fwhm_g) * SIGMA_PER_FWHM, 1e-6 * scale)
    norm, sums = np.empty(5), np.empty(q.size + 3)
    _normalise(kind, q, norm)
    reach = REACH * sigma
    shared = sigma >= NARROW * scale
    nodes, values = np.empty(0), np.empty((0, 0))
    if shared:
        low, high = x[0], x[0]
        for i in range(x.size):
            low, high = min(low, x[i]), max(high, x[i])
        low, high = low - position - reach, high - position + reach
        nodes, values = _table(kind, q, norm, _outward(low, high, 0.5 * scale, 2.0 * sigma))
    for i in range(x.size):
        d = x[i] - position
        if not shared:
            nodes, values = _table(kind, q, norm, _around(d - reach, d + reach))
        _gather(d, sigma, nodes, values, sums)
        f[i] = scale_by * sums[0]
        g[0, i] = scale_by * sums[q.size + 1] / sigma
        g[1, i] = sums[0]
        for k in range(q.size):
            g[2 + k, i] = scale_by * sums[1 + k]
        g[2, i] *= math.copysign(1.0, q[0])
        by_sigma = scale_by * (sums[q.size + 2] - sums[0]) / sigma
        g[gauss_at, i] = by_sigma * SIGMA_PER_FWHM * math.copysign(1.0, fwhm_g)


@kernel
def doniach(x, p, f, g, work):
    """Curve and derivatives of :func:`spectra.fitting.asymmetric.doniach`."""
    _broadened(kinds.DONIACH, x, p[0], p[1], p[2:4], p[4], 4, f, g)


@kernel
def la(x, p, f, g, work):
    """Curve and derivatives of :func:`spectra.fitting.asymmetric.la`."""
    _broadened(kinds.LA, x, p[0], p[1], p[2:5], p[5], 5, f, g)


@kernel
def lf(x, p, f, g, work):
    """Curve and derivatives of :func:`spectra.fitting.asymmetric.lf`."""
    _broadened(kinds.LF, x, p[0], p[1], p[2:6], p[6], 6, f, g)
