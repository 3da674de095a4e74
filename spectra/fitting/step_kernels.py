"""Steps and smooth backgrounds with analytic derivatives; formulas in :mod:`spectra.fitting.steps`."""

from __future__ import annotations

import math

from spectra.fitting.compiled import kernel
from spectra.fitting.kinds import DEGREES, LN2, TINY

__all__ = ["arctan_step", "erf_step", "exponential", "polynomial", "power_law"]

ROOT = 2.0 * math.sqrt(LN2)


@kernel
def arctan_step(x, p, f, g, work):
    """Curve and derivatives of :func:`spectra.fitting.steps.arctan_step`."""
    width = max(abs(p[2]), TINY)
    for i in range(x.size):
        t = 2.0 * (x[i] - p[0]) / width
        level = 0.5 + math.atan(t) / math.pi
        slope = p[1] / (math.pi * (1.0 + t * t))
        f[i] = p[1] * level
        g[0, i] = -2.0 * slope / width
        g[1, i] = level
        g[2, i] = -slope * t / width * math.copysign(1.0, p[2])


@kernel
def erf_step(x, p, f, g, work):
    """Curve and derivatives of :func:`spectra.fitting.steps.erf_step`."""
    width = max(abs(p[2]), TINY)
    for i in range(x.size):
        t = ROOT * (x[i] - p[0]) / width
        level = 0.5 * (1.0 + math.erf(t))
        slope = p[1] * math.exp(-t * t) / math.sqrt(math.pi)
        f[i] = p[1] * level
        g[0, i] = -ROOT * slope / width
        g[1, i] = level
        g[2, i] = -slope * t / width * math.copysign(1.0, p[2])


@kernel
def polynomial(x, p, f, g, work):
    """Curve and derivatives of :func:`spectra.fitting.steps.polynomial`."""
    for i in range(x.size):
        d = x[i] - p[DEGREES + 1]
        power, total, slope = 1.0, 0.0, 0.0
        for k in range(DEGREES + 1):
            g[k, i] = power
            total += p[k] * power
            if k < DEGREES:
                slope += (k + 1) * p[k + 1] * power
            power *= d
        f[i] = total
        g[DEGREES + 1, i] = -slope


@kernel
def exponential(x, p, f, g, work):
    """Curve and derivatives of :func:`spectra.fitting.steps.exponential`."""
    decay = p[1] if abs(p[1]) >= TINY else TINY
    for i in range(x.size):
        d = x[i] - p[2]
        shape = math.exp(min(max(-d / decay, -700.0), 700.0))
        f[i] = p[0] * shape
        g[0, i] = shape
        g[1, i] = f[i] * d / (decay * decay)
        g[2, i] = f[i] / decay


@kernel
def power_law(x, p, f, g, work):
    """Curve and derivatives of :func:`spectra.fitting.steps.power_law`."""
    reference = max(p[2], TINY)
    for i in range(x.size):
        ratio = x[i] / reference
        shape = ratio ** p[1]
        f[i] = p[0] * shape
        g[0, i] = shape
        g[1, i] = f[i] * math.log(ratio) if ratio > 0.0 else 0.0
        g[2, i] = -f[i] * p[1] / reference
