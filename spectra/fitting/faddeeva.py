r"""The Faddeeva function w(z) for many points at once, and the Voigt line with its derivatives.

Where :math:`|z| < 8`, Weideman's rational series of 32 terms; outside, the asymptotic series of 12 terms. Both are
polynomials with real coefficients at a complex point, summed by the two-term recurrence that needs real arithmetic
only, coefficient by coefficient over all points, so that the loops run in vector registers. Relative error of w below
1e-12 for Im z >= 0 (the tests compare with scipy's ``wofz``).

The derivatives need only w itself, as :math:`w' = -2zw + 2i/\sqrt\pi`. Outside, where that difference cancels, the
series of :math:`w + z w'` is summed instead.

References
----------
J. A. C. Weideman, SIAM J. Numer. Anal. 31, 1497 (1994), doi:10.1137/0731077
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from spectra.fitting.compiled import kernel
from spectra.fitting.kinds import TINY

__all__ = ["WORK_ROWS", "erfcx", "voigt"]


def _weideman(terms: int) -> tuple[float, npt.NDArray[np.float64]]:
    """Scale and coefficients, ascending powers, of the rational series of w."""
    scale = math.sqrt(terms / math.sqrt(2.0))
    count = 4 * terms
    theta = np.arange(1 - count // 2, count // 2) * 2 * np.pi / count
    t = scale * np.tan(theta / 2)
    values = np.concatenate([[0.0], np.exp(-(t**2)) * (scale**2 + t**2)])
    return scale, (np.fft.fft(np.fft.fftshift(values)).real / count)[1 : terms + 1].copy()


SCALE, NEAR = _weideman(32)
#: w(z) = i/(z sqrt(pi)) sum FAR_W[k] u^k and w + z w' the same with FAR_T, for u = 1/z^2.
FAR_W = np.array([math.prod(range(1, 2 * k, 2)) / 2.0**k for k in range(12)])
FAR_T = np.array([-2.0 * k * FAR_W[k] for k in range(12)])
BORDER = 8.0

INV_SQRT_PI = 1 / math.sqrt(math.pi)
#: s = sigma sqrt(2) of a Gaussian over its full width at half maximum
S_PER_FWHM = 1 / (2 * math.sqrt(math.log(2.0)))
#: Rows of working memory that ``voigt`` needs.
WORK_ROWS = 6


@kernel
def _near(x, y, re, im, work):
    """W at x + iy into ``re`` and ``im``, |z| < BORDER."""
    n = x.size
    b1, b2, r, s, zr, zi = work[0], work[1], work[2], work[3], work[4], work[5]
    above, below = SCALE + y, SCALE - y
    for i in range(n):
        inverse = 1.0 / (above * above + x[i] * x[i])
        zr[i] = (below * above - x[i] * x[i]) * inverse
        zi[i] = (x[i] * above + below * x[i]) * inverse
        r[i] = 2.0 * zr[i]
        s[i] = zr[i] * zr[i] + zi[i] * zi[i]
        b1[i] = NEAR[31]
        b2[i] = 0.0
    for k in range(30, 0, -2):
        first, second = NEAR[k], NEAR[k - 1]
        for i in range(n):
            one = first + r[i] * b1[i] - s[i] * b2[i]
            two = second + r[i] * one - s[i] * b1[i]
            b2[i] = one
            b1[i] = two
    for i in range(n):
        inverse = 1.0 / (above * above + x[i] * x[i])
        pr = NEAR[0] + zr[i] * b1[i] - s[i] * b2[i]
        pi = zi[i] * b1[i]
        dr, di = above * inverse, x[i] * inverse
        d2r, d2i = dr * dr - di * di, 2.0 * dr * di
        re[i] = 2.0 * (pr * d2r - pi * d2i) + INV_SQRT_PI * dr
        im[i] = 2.0 * (pr * d2i + pi * d2r) + INV_SQRT_PI * di


@kernel
def _voigt_near(x, y, s, area, f, g0, g1, g2, g3, work):
    n = x.size
    re, im = f, g0
    _near(x, y, re, im, work)
    height = area * INV_SQRT_PI / s
    slope = height / s
    for i in range(n):
        dw_re = -2.0 * (x[i] * re[i] - y * im[i])
        dw_im = -2.0 * (x[i] * im[i] + y * re[i]) + 2.0 * INV_SQRT_PI
        g2[i] = -slope * (re[i] + x[i] * dw_re - y * dw_im)
        g3[i] = -slope * dw_im
        g0[i] = -slope * dw_re
        g1[i] = INV_SQRT_PI / s * re[i]
        f[i] = height * re[i]


@kernel
def _voigt_near_one(x, y, s, area, f, g0, g1, g2, g3):
    """The same at one point, coefficient by coefficient."""
    above, below = SCALE + y, SCALE - y
    inverse = 1.0 / (above * above + x[0] * x[0])
    zr, zi = (below * above - x[0] * x[0]) * inverse, (x[0] * above + below * x[0]) * inverse
    r, q = 2.0 * zr, zr * zr + zi * zi
    b1, b2 = NEAR[31], 0.0
    for k in range(30, 0, -1):
        b1, b2 = NEAR[k] + r * b1 - q * b2, b1
    pr, pi = NEAR[0] + zr * b1 - q * b2, zi * b1
    dr, di = above * inverse, x[0] * inverse
    d2r, d2i = dr * dr - di * di, 2.0 * dr * di
    re = 2.0 * (pr * d2r - pi * d2i) + INV_SQRT_PI * dr
    im = 2.0 * (pr * d2i + pi * d2r) + INV_SQRT_PI * di
    dw_re = -2.0 * (x[0] * re - y * im)
    dw_im = -2.0 * (x[0] * im + y * re) + 2.0 * INV_SQRT_PI
    height = area * INV_SQRT_PI / s
    slope = height / s
    f[0] = height * re
    g0[0] = -slope * dw_re
    g1[0] = INV_SQRT_PI / s * re
    g2[0] = -slope * (re + x[0] * dw_re - y * dw_im)
    g3[0] = -slope * dw_im


@kernel
def _voigt_far(x, y, s, area, f, g0, g1, g2, g3):
    n = x.size
    height = area * INV_SQRT_PI / s
    slope = height / s
    for i in range(n):
        norm = 1.0 / (x[i] * x[i] + y * y)
        zr, zi = x[i] * norm, -y * norm  # 1/z
        ur, ui = zr * zr - zi * zi, 2.0 * zr * zi
        r, q = 2.0 * ur, ur * ur + ui * ui
        w1, w2, t1, t2 = FAR_W[11], 0.0, FAR_T[11], 0.0
        for k in range(10, 0, -1):
            w1, w2 = FAR_W[k] + r * w1 - q * w2, w1
            t1, t2 = FAR_T[k] + r * t1 - q * t2, t1
        # sums, then times i/(z sqrt(pi))
        wr, wi = FAR_W[0] + ur * w1 - q * w2, ui * w1
        tr, ti = FAR_T[0] + ur * t1 - q * t2, ui * t1
        pr, pi = -INV_SQRT_PI * zi, INV_SQRT_PI * zr
        re, im = pr * wr - pi * wi, pr * wi + pi * wr
        total_re, total_im = pr * tr - pi * ti, pr * ti + pi * tr  # w + z w'
        vr, vi = total_re - re, total_im - im
        dw_re, dw_im = vr * zr - vi * zi, vr * zi + vi * zr
        g0[i] = -slope * dw_re
        g1[i] = INV_SQRT_PI / s * re
        g2[i] = -slope * total_re
        g3[i] = -slope * dw_im
        f[i] = height * re


@kernel
def voigt(x, p, f, g, work):
    """Voigt and its derivatives by position, area, fwhm_g, fwhm_l."""
    n = x.size
    s = max(abs(p[2]) * S_PER_FWHM, TINY)
    y = 0.5 * abs(p[3]) / s
    z = work[WORK_ROWS]
    for i in range(n):
        z[i] = (x[i] - p[0]) / s
    border = BORDER * BORDER - y * y
    start = 0
    while start < n:  # runs of points that lie on one side of the border
        inside = z[start] * z[start] < border
        end = start + 1
        while end < n and (z[end] * z[end] < border) == inside:
            end += 1
        part, values = (
            z[start:end],
            f[start:end],
        )  # rows of their own: contiguous, so the loops can use vectors
        g0, g1, g2, g3 = g[0, start:end], g[1, start:end], g[2, start:end], g[3, start:end]
        if inside and end - start == 1:
            _voigt_near_one(part, y, s, p[1], values, g0, g1, g2, g3)
        elif inside:
            _voigt_near(part, y, s, p[1], values, g0, g1, g2, g3, work)
        else:
            _voigt_far(part, y, s, p[1], values, g0, g1, g2, g3)
        start = end
    for i in range(n):
        g[2, i] *= math.copysign(S_PER_FWHM, p[2])
        g[3, i] *= math.copysign(0.5, p[3])


@kernel
def erfcx(y):
    """Scaled complementary error function exp(y^2) erfc(y) = w(iy)."""
    if y < 0.0:
        return 2.0 * math.exp(y * y) - _erfcx(-y)
    return _erfcx(y)


@kernel
def _erfcx(y):
    if y < BORDER:
        inverse = 1.0 / (SCALE + y)
        z = (SCALE - y) * inverse
        total = 0.0
        for k in range(31, -1, -1):
            total = NEAR[k] + z * total
        return (2.0 * total * inverse + INV_SQRT_PI) * inverse
    u = -1.0 / (y * y)
    total = 0.0
    for k in range(11, -1, -1):
        total = FAR_W[k] + u * total
    return INV_SQRT_PI / y * total
