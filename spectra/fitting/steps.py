r"""Steps under an absorption edge, and smooth backgrounds that can be part of a fit."""

from __future__ import annotations

import numpy as np
from scipy.special import erf

from spectra.fitting import kinds
from spectra.fitting.kinds import DEGREES, LN2
from spectra.fitting.lineshapes import FWHM, Array, Value, _width
from spectra.fitting.shapes import Parameter, register

__all__ = ["arctan_step", "erf_step", "exponential", "polynomial", "power_law"]

POSITION = Parameter("position", 0.0, "where half of the step is reached")
HEIGHT = Parameter("height", 1.0, "level far above minus level far below")
AMPLITUDE = Parameter("amplitude", 1.0, "value at the origin")
ORIGIN = Parameter(
    "origin", 0.0, "x from which distances are counted; fixed unless told otherwise", vary=False
)


@register(kinds.ARCTAN_STEP, POSITION, HEIGHT, FWHM, peak=False)
def arctan_step(x: Array, position: Value = 0.0, height: Value = 1.0, fwhm: Value = 1.0) -> Array:
    r"""Integral of a Lorentzian: :math:`H\,[\tfrac12 + \tfrac1\pi\arctan(2d/F)]`; F is the Lorentzian's FWHM."""
    return height * (0.5 + np.arctan(2 * (x - position) / _width(fwhm)) / np.pi)


@register(kinds.ERF_STEP, POSITION, HEIGHT, FWHM, peak=False)
def erf_step(x: Array, position: Value = 0.0, height: Value = 1.0, fwhm: Value = 1.0) -> Array:
    r"""Integral of a Gaussian: :math:`\tfrac{H}{2}[1 + \mathrm{erf}(2\sqrt{\ln 2}\,d/F)]`; F is the Gaussian's FWHM."""
    step: Array = erf(2 * np.sqrt(LN2) * (x - position) / _width(fwhm))
    return height * 0.5 * (1 + step)


@register(
    kinds.POLYNOMIAL,
    *(Parameter(f"c{k}", 0.0, f"coefficient of (x - origin)^{k}") for k in range(DEGREES + 1)),
    ORIGIN,
    peak=False,
)
def polynomial(
    x: Array,
    c0: Value = 0.0,
    c1: Value = 0.0,
    c2: Value = 0.0,
    c3: Value = 0.0,
    c4: Value = 0.0,
    c5: Value = 0.0,
    c6: Value = 0.0,
    c7: Value = 0.0,
    origin: Value = 0.0,
) -> Array:
    r"""Polynomial :math:`\sum_k c_k (x - x_0)^k`; an ``origin`` inside the window keeps high degrees well conditioned."""
    d = x - origin
    total: Value = c7
    for c in (c6, c5, c4, c3, c2, c1, c0):
        total = total * d + c
    return np.asarray(total, float)


@register(
    kinds.EXPONENTIAL,
    AMPLITUDE,
    Parameter("decay", 1.0, "distance over which it falls to 1/e; negative: it rises"),
    ORIGIN,
    peak=False,
)
def exponential(x: Array, amplitude: Value = 1.0, decay: Value = 1.0, origin: Value = 0.0) -> Array:
    r"""Exponential :math:`I_0\,e^{-(x - x_0)/\tau}`."""
    scale = np.where(np.abs(decay) < kinds.TINY, kinds.TINY, decay)
    return amplitude * np.exp(np.clip(-(x - origin) / scale, -700.0, 700.0))


@register(
    kinds.POWER_LAW,
    Parameter("amplitude", 1.0, "value at the reference"),
    Parameter(
        "exponent", -2.0, "power; a background of electron energy loss has about -3", min=-20.0, max=20.0
    ),
    Parameter(
        "reference",
        1.0,
        "x at which the value is the amplitude; fixed unless told otherwise",
        min=0.0,
        vary=False,
    ),
    peak=False,
)
def power_law(x: Array, amplitude: Value = 1.0, exponent: Value = -2.0, reference: Value = 1.0) -> Array:
    r"""Power law :math:`I_0\,(x/x_0)^r` for x > 0; a ``reference`` inside the window keeps I0 and r independent."""
    with np.errstate(invalid="ignore", divide="ignore"):  # x <= 0: NaN or infinite, and a fit says so
        return amplitude * (x / np.maximum(reference, kinds.TINY)) ** exponent
