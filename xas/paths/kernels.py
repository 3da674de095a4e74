r"""The EXAFS equation of one scattering path, compiled, with its derivatives by every parameter of the path.

.. math:: \chi(k) = \mathrm{Im}\, \frac{A\,f(q)}{q (R + \Delta R)^2}
          \exp\!\Big[-2R\,\mathrm{Im}\,p - 2p^2\big(\sigma^2 - \tfrac{p^2 c_4}{3}\big)
          + i\big(2qR + \phi(q) + 2p\,(\Delta R - \tfrac{2\sigma^2}{R} - \tfrac{2 p^2 c_3}{3})\big)\Big]

with :math:`q^2 = k^2 - E_0\,2m/\hbar^2` and :math:`p^2 = (\mathrm{Re}\,p(q) + i/\lambda(q))^2 + i E_i\,2m/\hbar^2`;
amplitude f, phase :math:`\phi`, mean free path :math:`\lambda` and Re p are FEFF's, cubic splines of q. This is the
equation as larch has it, so that parameters mean the same in both.

References
----------
J. J. Rehr & R. C. Albers, Rev. Mod. Phys. 72, 621 (2000), doi:10.1103/RevModPhys.72.621
M. Newville, J. Synchrotron Rad. 8, 96 (2001), doi:10.1107/S0909049500016290
"""

from __future__ import annotations

import functools
import math
from typing import Any

from numba import carray

from spectra.fitting.boundary import addressed
from spectra.fitting.compiled import kernel
from xas.points.wavenumber import INVERSE_KINETIC

__all__ = ["ACROSS", "HEADER", "SLOTS", "compiled_path"]

#: Parameters of a path in the order of the kernel.
SLOTS = ("amplitude", "e0", "deltar", "sigma2", "third", "fourth", "ei")
#: Numbers at the beginning of a table: first and last+1 point that the path is drawn on, R, number of knots, and
#: whether derivatives by the third and fourth cumulant and Ei are wanted.
HEADER = 5
#: Numbers per piece of the splines: four coefficients each of phase, amplitude, mean free path and Re p.
ACROSS = 16
#: Energies (in k²) nearer to zero than this are taken as this: at q = 0 the equation has no value.
TINY = 1e-6


@kernel
def _cubic(piece, at, t):
    """Value and slope of a cubic, coefficients from the highest power down."""
    a, b, c = piece[at], piece[at + 1], piece[at + 2]
    return ((a * t + b) * t + c) * t + piece[at + 3], (3.0 * a * t + 2.0 * b) * t + c


@kernel
def _root(re, im):
    """Square root of a complex number, its real part not negative."""
    size = math.sqrt(re * re + im * im)
    if re >= 0.0:
        a = math.sqrt(0.5 * (size + re))
        return complex(a, 0.5 * im / a if a > 0.0 else 0.0)
    b = math.copysign(math.sqrt(0.5 * (size - re)), im)
    return complex(0.5 * im / b, b)


@kernel
def _point(k, p, reff, distance, whole_slots, knots, piece, knot, f, g, i):
    """Curve and derivatives at one k; returns the piece of the splines that it lies on."""
    amplitude, e0, deltar, sigma2, third, fourth, ei = p[0], p[1], p[2], p[3], p[4], p[5], p[6]
    last = knots.size - 2
    above = k * k - e0 * INVERSE_KINETIC
    pinned = abs(above) < 1.5 * TINY
    if pinned:
        above = TINY
    q = math.copysign(math.sqrt(abs(above)), above)
    per_q = 1.0 / q
    by_e0 = 0.0 if pinned else -0.5 * INVERSE_KINETIC * abs(per_q)
    while knot < last and q >= knots[knot + 1]:
        knot += 1
    while knot > 0 and q < knots[knot]:
        knot -= 1
    t = q - knots[knot]
    at = ACROSS * knot
    phase, phase_slope = _cubic(piece, at, t)
    size, size_slope = _cubic(piece, at + 4, t)
    path, path_slope = _cubic(piece, at + 8, t)
    real, real_slope = _cubic(piece, at + 12, t)
    per_path = 1.0 / path
    bare = complex(real, per_path)
    square = bare * bare
    wave = bare
    if ei != 0.0 or real < 0.0:
        square += complex(0.0, ei * INVERSE_KINETIC)
        wave = _root(square.real, square.imag)
    shift = deltar - 2.0 * sigma2 / reff - (2.0 / 3.0) * third * square
    damping = sigma2 - fourth / 3.0 * square
    exponent = 2j * wave * shift - 2.0 * square * damping
    turn = exponent.imag + 2.0 * q * reff + phase
    scale = math.exp(exponent.real - 2.0 * reff * wave.imag) * per_q / (distance * distance)
    turned = complex(scale * math.cos(turn), scale * math.sin(turn))
    unit = size * turned
    whole = amplitude * unit
    f[i] = whole.imag
    g[0, i] = unit.imag
    g[2, i] = (whole * (2j * wave - 2.0 / distance)).imag
    g[3, i] = (whole * (-2.0 * square - 4.0 / reff * (1j * wave))).imag
    # E0 acts through q and the square of p, Ei through the latter
    by_square = 2.0 * by_e0 * bare * complex(real_slope, -path_slope * per_path * per_path)
    slope = _through_square(by_square, square, wave, shift, damping, third, fourth, reff)
    slope += complex(0.0, (2.0 * reff + phase_slope) * by_e0)
    g[1, i] = (amplitude * turned * (size * (slope - by_e0 * per_q) + size_slope * by_e0)).imag
    if whole_slots:
        g[4, i] = (whole * (-4j / 3.0 * square * wave)).imag
        g[5, i] = (whole * (2.0 / 3.0 * square * square)).imag
        by_square = complex(0.0, INVERSE_KINETIC)
        g[6, i] = (whole * _through_square(by_square, square, wave, shift, damping, third, fourth, reff)).imag
    return knot


@kernel
def _through_square(by_square, square, wave, shift, damping, third, fourth, reff):
    """Derivative of the exponent where the square of p moves by ``by_square``."""
    by_wave = by_square * wave.conjugate() * (0.5 / (wave.real * wave.real + wave.imag * wave.imag))
    slope = complex(-2.0 * reff * by_wave.imag, 0.0) - 2.0 * by_square * (damping - fourth / 3.0 * square)
    return slope + 2j * (by_wave * shift - (2.0 / 3.0) * third * by_square * wave)


@kernel
def _path(x, p, f, g, table):
    n, count = x.size, int(table[3])
    first, last = int(table[0]), int(table[1])
    knots = table[HEADER : HEADER + count]
    piece = table[HEADER + count :]
    for i in range(n):
        if i < first or i >= last:
            f[i] = 0.0
            for slot in range(7):
                g[slot, i] = 0.0
    knot = 0
    for i in range(first, last):
        knot = _point(x[i], p, table[2], table[2] + p[2], table[4] > 0.0, knots, piece, knot, f, g, i)
    if x[first] == 0.0 and last - first > 2:  # no value at k = 0: a straight line through the next two
        f[first] = 2.0 * f[first + 1] - f[first + 2]
        for slot in range(7):
            g[slot, first] = 2.0 * g[slot, first + 1] - g[slot, first + 2]


def _scattering(stamp):
    def run(sizes, _code, x, p, f, g, _work, table):
        _ = stamp  # part of the cache's key
        n, count = sizes[1], sizes[2]
        header = carray(table, HEADER)
        size = HEADER + int(header[3]) + ACROSS * (int(header[3]) - 1)
        _path(carray(x, n), carray(p, count), carray(f, n), carray(g, (count, n)), carray(table, size))

    return run


@functools.cache
def compiled_path() -> Any:
    """The compiled function, with its ``address``; read from disk after the first time."""
    return addressed(_scattering)
