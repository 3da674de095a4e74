r"""Symmetric peaks of unit area: Gaussian, Lorentzian, Voigt and the mixed forms used in XPS and Raman.

Every function takes ``x`` and scalars, or arrays that broadcast with ``x``. With :math:`d = x - E`, :math:`E` the
``position`` and :math:`F` the width, the common building blocks of height 1 are

.. math:: G(d) = e^{-4\ln 2\, d^2/F^2}, \qquad L(d) = \frac{1}{1 + 4 d^2/F^2} .
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import erfcx, wofz

from spectra.fitting import kinds
from spectra.fitting.kinds import AREA_G, AREA_L, LN2, TINY
from spectra.fitting.shapes import Parameter, register

__all__ = ["gaussian", "gl", "lorentzian", "pseudo_voigt", "sgl", "voigt"]

Array = npt.NDArray[np.float64]
Value = float | Array

POSITION = Parameter("position", 0.0, "centre of the line, units of the axis")
AREA = Parameter("area", 1.0, "integral over all x", min=0.0)
FWHM = Parameter("fwhm", 1.0, "full width at half maximum", min=0.0)
FRACTION = Parameter("fraction", 0.3, "Lorentzian share, 0 to 1", min=0.0, max=1.0)


def _width(value: Value) -> Array:
    return np.maximum(np.abs(value), TINY)


@register(kinds.GAUSSIAN, POSITION, AREA, FWHM, symmetric=True)
def gaussian(x: Array, position: Value = 0.0, area: Value = 1.0, fwhm: Value = 1.0) -> Array:
    r"""Gaussian: :math:`A\,G(d) / (F\,\tfrac12\sqrt{\pi/\ln 2})`."""
    width = _width(fwhm)
    return area / (AREA_G * width) * np.exp(-4 * LN2 * ((x - position) / width) ** 2)


@register(kinds.LORENTZIAN, POSITION, AREA, FWHM, symmetric=True)
def lorentzian(x: Array, position: Value = 0.0, area: Value = 1.0, fwhm: Value = 1.0) -> Array:
    r"""Lorentzian: :math:`A\,L(d) / (F\,\pi/2)`."""
    width = _width(fwhm)
    return area / (AREA_L * width) / (1 + 4 * ((x - position) / width) ** 2)


@register(
    kinds.VOIGT,
    POSITION,
    AREA,
    Parameter("fwhm_g", 1.0, "full width at half maximum of the Gaussian part", min=0.0),
    Parameter("fwhm_l", 1.0, "full width at half maximum of the Lorentzian part", min=0.0),
    symmetric=True,
)
def voigt(
    x: Array, position: Value = 0.0, area: Value = 1.0, fwhm_g: Value = 1.0, fwhm_l: Value = 1.0
) -> Array:
    r"""Voigt, the convolution of a Gaussian and a Lorentzian.

    .. math:: \frac{A}{s\sqrt\pi}\,\mathrm{Re}\,w\!\left(\frac{d + i F_L/2}{s}\right),
              \qquad s = \frac{F_G}{2\sqrt{\ln 2}}

    with the Faddeeva function w.
    """
    s = _width(fwhm_g) / (2 * np.sqrt(LN2))
    z = ((x - position) + 0.5j * np.abs(fwhm_l)) / s
    profile: Array = wofz(z).real
    drawn: Array = area / (s * np.sqrt(np.pi)) * profile
    return drawn


@register(kinds.PSEUDO_VOIGT, POSITION, AREA, FWHM, FRACTION, symmetric=True)
def pseudo_voigt(
    x: Array, position: Value = 0.0, area: Value = 1.0, fwhm: Value = 1.0, fraction: Value = 0.3
) -> Array:
    """Pseudo-Voigt: Gaussian and Lorentzian of one width added; ``fraction`` is the Lorentzian's share of the AREA."""
    part_g, part_l = gaussian(x, position, area, fwhm), lorentzian(x, position, area, fwhm)
    mixed: Array = (1 - fraction) * part_g + fraction * part_l
    return mixed


@register(kinds.SGL, POSITION, AREA, FWHM, FRACTION, symmetric=True)
def sgl(
    x: Array, position: Value = 0.0, area: Value = 1.0, fwhm: Value = 1.0, fraction: Value = 0.3
) -> Array:
    r"""Sum form SGL: ``fraction`` m is the Lorentzian's share of the HEIGHT; SGL(30) of XPS is m = 0.3.

    .. math:: A\,\frac{(1-m)\,G + m\,L}{F\,[(1-m)\tfrac12\sqrt{\pi/\ln 2} + m\,\pi/2]}
    """
    width = _width(fwhm)
    t2 = ((x - position) / width) ** 2
    mixed = (1 - fraction) * np.exp(-4 * LN2 * t2) + fraction / (1 + 4 * t2)
    return area / (width * ((1 - fraction) * AREA_G + fraction * AREA_L)) * mixed


@register(
    kinds.GL,
    POSITION,
    AREA,
    Parameter("width", 1.0, "width parameter F; the line measures 0.956 F to 1 F at half maximum", min=0.0),
    FRACTION,
    symmetric=True,
)
def gl(
    x: Array, position: Value = 0.0, area: Value = 1.0, width: Value = 1.0, fraction: Value = 0.3
) -> Array:
    r"""Product form GL; GL(30) of XPS is m = ``fraction`` = 0.3.

    .. math:: \frac{A}{N}\,\frac{e^{-4\ln 2\,(1-m)\,d^2/F^2}}{1 + 4 m\,d^2/F^2}, \qquad
              N = \frac{\pi F}{2\sqrt m}\,\mathrm{erfcx}\sqrt{\ln 2\,(1-m)/m}

    The full width at half maximum equals F only for m = 0 and m = 1; it is smallest, 0.956 F, near m = 0.48.
    """
    width, m = _width(width), np.clip(fraction, TINY, 1.0)
    t2 = ((x - position) / width) ** 2
    norm: Array = AREA_L * width / np.sqrt(m) * erfcx(np.sqrt(LN2 * (1 - m) / m))
    return area / norm * np.exp(-4 * LN2 * (1 - m) * t2) / (1 + 4 * m * t2)
