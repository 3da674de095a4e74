"""Closed-form peaks with analytic derivatives; formulas in :mod:`spectra.fitting.lineshapes`.

Every kernel is ``(x, p, f, g, work)``: points, parameters in the order of the registry; it writes the curve into
``f`` and its derivative by the k-th parameter into ``g[k]``.
"""

from __future__ import annotations

import math

from spectra.fitting.compiled import kernel
from spectra.fitting.faddeeva import erfcx
from spectra.fitting.kinds import AREA_G, AREA_L, LN2, TINY

__all__ = ["breit_wigner_fano", "gaussian", "gl", "lorentzian", "pseudo_voigt", "sgl"]

#: (2 d / F)^2 beyond which a Gaussian is less than 1e-24 of its height.
NOTHING = 80.0
#: exp(-u) of all points at once: the 64th power of exp(-u / 64), whose series ends early around u / 64 = 0.4375.
MIDDLE = 0.4375
SERIES = tuple(math.exp(-MIDDLE) / math.factorial(k) for k in range(14))


@kernel
def _width(value):
    """Width as used, and its derivative by the width as given."""
    return max(abs(value), TINY), math.copysign(1.0, value)


@kernel
def _falling(u):
    """exp(-u) for u from 0 to 56 to 2e-14 of itself: arithmetic only, so that loops run in vector registers."""
    t, value = MIDDLE - u / 64.0, SERIES[13]
    for k in range(12, -1, -1):
        value = SERIES[k] + t * value
    for _ in range(6):
        value *= value
    return value


@kernel
def gaussian(x, p, f, g, work):
    """Curve and derivatives of :func:`spectra.fitting.lineshapes.gaussian`."""
    width, sign = _width(p[2])
    unit = 1.0 / (AREA_G * width)
    for i in range(x.size):
        t = (x[i] - p[0]) / width
        shape = unit * math.exp(-4.0 * LN2 * t * t)
        f[i] = p[1] * shape
        g[0, i] = f[i] * 8.0 * LN2 * t / width
        g[1, i] = shape
        g[2, i] = f[i] * (8.0 * LN2 * t * t - 1.0) / width * sign


@kernel
def lorentzian(x, p, f, g, work):
    """Curve and derivatives of :func:`spectra.fitting.lineshapes.lorentzian`."""
    width, sign = _width(p[2])
    unit = 1.0 / (AREA_L * width)
    for i in range(x.size):
        t = (x[i] - p[0]) / width
        peak = 1.0 / (1.0 + 4.0 * t * t)
        f[i] = p[1] * unit * peak
        g[0, i] = f[i] * 8.0 * t * peak / width
        g[1, i] = unit * peak
        g[2, i] = f[i] * (1.0 - 2.0 * peak) / width * sign  # 8 t^2 L - 1


@kernel
def pseudo_voigt(x, p, f, g, work):
    """Curve and derivatives of :func:`spectra.fitting.lineshapes.pseudo_voigt`."""
    width, sign = _width(p[2])
    unit_g, unit_l = 1.0 / (AREA_G * width), 1.0 / (AREA_L * width)
    for i in range(x.size):
        t = (x[i] - p[0]) / width
        lorentz = 1.0 / (1.0 + 4.0 * t * t)
        part_g = unit_g * math.exp(-4.0 * LN2 * t * t)
        part_l = unit_l * lorentz
        weighted_g, weighted_l = (1.0 - p[3]) * part_g, p[3] * part_l
        f[i] = p[1] * (weighted_g + weighted_l)
        g[0, i] = p[1] * (weighted_g * LN2 + weighted_l * lorentz) * 8.0 * t / width
        g[1, i] = weighted_g + weighted_l
        by_width = weighted_g * (8.0 * LN2 * t * t - 1.0) + weighted_l * (1.0 - 2.0 * lorentz)
        g[2, i] = p[1] * by_width / width * sign
        g[3, i] = p[1] * (part_l - part_g)


@kernel
def sgl(x, p, f, g, work):
    """Curve and derivatives of :func:`spectra.fitting.lineshapes.sgl`."""
    width, sign = _width(p[2])
    position, area, m = p[0], p[1], p[3]
    norm = (1.0 - m) * AREA_G + m * AREA_L
    unit, inverse, apart = 1.0 / (width * norm), 1.0 / width, (AREA_L - AREA_G) / norm
    strength, per_width = area * unit, area * unit / width
    g0, g1, g2, g3 = g[0], g[1], g[2], g[3]  # rows and numbers of their own: the loop can use vectors
    for i in range(x.size):
        t = (x[i] - position) * inverse
        square = 4.0 * t * t
        lorentz = 1.0 / (1.0 + square)
        gauss = _falling(LN2 * min(square, NOTHING)) if square < NOTHING else 0.0
        mixed = (1.0 - m) * gauss + m * lorentz
        slope = 8.0 * ((1.0 - m) * LN2 * gauss + m * lorentz * lorentz)  # -d mixed/dt / t
        f[i] = strength * mixed
        g0[i] = per_width * slope * t
        g1[i] = unit * mixed
        g2[i] = per_width * (slope * t * t - mixed) * sign
        g3[i] = strength * (lorentz - gauss - mixed * apart)


@kernel
def _gl_norm(m):
    """Area of the product form over its width, and the derivative by m."""
    if m < 0.01:  # asymptotic in m, where the closed form is a difference of large numbers
        a = 4.0 * LN2 * (1.0 - m)
        q = 2.0 * m / a
        total, slope, term = 1.0, 0.0, 1.0
        for k in range(1, 11):
            slope -= k * (2 * k - 1) * term
            term *= -(2 * k - 1) * q
            total += term
        root = math.sqrt(math.pi / a)
        return root * total, root * (total * 2.0 * LN2 / a + slope * 2.0 / (a * (1.0 - m)))
    # at m = 1 the area starts with infinite slope, as the tails are cut: kept finite
    y = math.sqrt(LN2 * max(1.0 - m, 1e-12) / m)
    value = erfcx(y)
    norm = AREA_L / math.sqrt(m) * value
    by_y = 2.0 * y * value - 2.0 / math.sqrt(math.pi)
    return norm, -norm / (2.0 * m) - AREA_L / math.sqrt(m) * by_y * LN2 / (2.0 * y * m * m)


@kernel
def gl(x, p, f, g, work):
    """Curve and derivatives of :func:`spectra.fitting.lineshapes.gl`."""
    width, sign = _width(p[2])
    m = min(max(p[3], 0.0), 1.0)
    norm, by_m = _gl_norm(m)
    unit = 1.0 / (width * norm)
    for i in range(x.size):
        t2 = ((x[i] - p[0]) / width) ** 2
        lorentz = 1.0 / (1.0 + 4.0 * m * t2)
        shape = unit * math.exp(-4.0 * LN2 * (1.0 - m) * t2) * lorentz
        slope = 8.0 * (LN2 * (1.0 - m) + m * lorentz)
        f[i] = p[1] * shape
        g[0, i] = f[i] * slope * (x[i] - p[0]) / (width * width)
        g[1, i] = shape
        g[2, i] = f[i] * (slope * t2 - 1.0) / width * sign
        g[3, i] = f[i] * (4.0 * LN2 * t2 - 4.0 * t2 * lorentz - by_m / norm)


@kernel
def breit_wigner_fano(x, p, f, g, work):
    """Curve and derivatives of :func:`spectra.fitting.asymmetric.breit_wigner_fano`."""
    width, sign = _width(p[2])
    k = p[3]
    for i in range(x.size):
        s = 2.0 * (x[i] - p[0]) / width
        lorentz = 1.0 / (1.0 + s * s)
        varying = (1.0 - k * k + 2.0 * k * s) * lorentz
        by_s = 2.0 * (k - s * varying) * lorentz
        f[i] = p[1] * (varying + k * k)
        g[0, i] = -2.0 * p[1] * by_s / width
        g[1, i] = varying + k * k
        g[2, i] = -p[1] * by_s * s / width * sign
        g[3, i] = p[1] * 2.0 * (k + (s - k) * lorentz)
