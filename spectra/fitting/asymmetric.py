r"""Asymmetric peaks: Doniach-Šunjić, the families LA and LF of XPS, and Breit-Wigner-Fano.

**Side of the tail.** :math:`d = x - E`; the tail of ``doniach``, ``la`` (a < b) and ``lf`` lies at HIGH x. On an
ascending binding-energy axis that is the high-binding-energy side, where energy losses of the photoelectron belong.

``la``, ``lf`` and ``doniach`` are convolved with a Gaussian of full width ``fwhm_g`` (same units as x). The
convolution is a Gauss-Legendre sum over panels that start at the branch point d = 0 and grow away from it, so that
neither the branch nor a Lorentzian much narrower than the Gaussian costs accuracy (1e-9 of the height).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import gammaln

from spectra.fitting import kinds
from spectra.fitting.kinds import LN2, NARROW, PANEL_W, PANEL_X, REACH
from spectra.fitting.lineshapes import AREA, FWHM, POSITION, Array, Value, _width
from spectra.fitting.shapes import Parameter, register

__all__ = ["breit_wigner_fano", "doniach", "la", "lf"]

FWHM_L = Parameter("fwhm_l", 1.0, "full width at half maximum of the Lorentzian before exponents", min=0.0)
FWHM_G = Parameter("fwhm_g", 0.5, "full width at half maximum of the Gaussian broadening", min=0.0)


@register(
    kinds.BREIT_WIGNER_FANO,
    POSITION,
    Parameter("amplitude", 1.0, "value at the position"),
    FWHM,
    Parameter("inverse_q", 0.1, "asymmetry 1/q; 0 is a Lorentzian, positive raises the high-x side"),
)
def breit_wigner_fano(
    x: Array, position: Value = 0.0, amplitude: Value = 1.0, fwhm: Value = 1.0, inverse_q: Value = 0.1
) -> Array:
    r"""Breit-Wigner-Fano: :math:`I_0\,(1 + s/q)^2/(1 + s^2)`, :math:`s = 2d/F`.

    Far away it tends to :math:`I_0/q^2`, so its area is infinite. The maximum lies at :math:`s = 1/q`, the full
    width at half maximum is :math:`F (1 + q^{-2})/(1 - q^{-2})`.
    """
    s = 2 * (x - position) / _width(fwhm)
    # (1 + s/q)^2 / (1 + s^2) without overflow at large s
    return amplitude * ((1 - inverse_q**2 + 2 * inverse_q * s) / (1 + s * s) + inverse_q**2)


@register(
    kinds.DONIACH,
    POSITION,
    Parameter("amplitude", 1.0, "height of the line before broadening", min=0.0),
    Parameter("fwhm_l", 0.5, "full width at half maximum of the line at asymmetry 0", min=0.0),
    Parameter("asymmetry", 0.1, "Anderson's exponent alpha, 0 to 1", min=0.0, max=0.99),
    FWHM_G,
)
def doniach(
    x: Array,
    position: float = 0.0,
    amplitude: float = 1.0,
    fwhm_l: float = 0.5,
    asymmetry: float = 0.1,
    fwhm_g: float = 0.5,
) -> Array:
    r"""Doniach-Šunjić line of a metal, tail at high x, convolved with a Gaussian.

    .. math:: \frac{I_0}{M}\,\frac{\cos[\pi\alpha/2 + (1-\alpha)\theta]}{(1 + d^2/g^2)^{(1-\alpha)/2}}, \quad
              \theta = \arctan(-d/g), \quad g = F_L/2, \quad
              M = \cos^{2-\alpha}\!\frac{\pi\alpha}{2(2-\alpha)}

    M makes the height before broadening equal to the amplitude. The area is infinite for :math:`\alpha > 0`.

    References
    ----------
    S. Doniach, M. Šunjić, J. Phys. C 3, 285 (1970), doi:10.1088/0022-3719/3/2/010
    """
    g = 0.5 * _width(fwhm_l)
    top = np.cos(np.pi * asymmetry / (2 * (2 - asymmetry))) ** (2 - asymmetry)

    def line(u: Array) -> Array:
        theta = np.arctan(-u / g)
        falling = (1 + (u / g) ** 2) ** (-(1 - asymmetry) / 2)
        drawn: Array = np.cos(np.pi * asymmetry / 2 + (1 - asymmetry) * theta) * falling / top
        return drawn

    return amplitude * _broadened(line, np.asarray(x, float) - position, float(2 * g), fwhm_g)


@register(
    kinds.LA,
    POSITION,
    AREA,
    FWHM_L,
    Parameter("a", 1.0, "exponent on the high-x side; smaller: a longer tail", min=0.51, max=50.0),
    Parameter("b", 1.0, "exponent on the low-x side", min=0.51, max=50.0),
    FWHM_G,
)
def la(
    x: Array,
    position: float = 0.0,
    area: float = 1.0,
    fwhm_l: float = 1.0,
    a: float = 1.0,
    b: float = 1.0,
    fwhm_g: float = 0.5,
) -> Array:
    r"""Asymmetric Lorentzian LA(a, b): L^a above the position, L^b below, convolved with a Gaussian.

    .. math:: \text{area of } L^a|L^b = \frac{F\sqrt\pi}{4}\left[\frac{\Gamma(a-\frac12)}{\Gamma(a)}
              + \frac{\Gamma(b-\frac12)}{\Gamma(b)}\right], \quad a, b > \tfrac12

    The position is the branch point, not the maximum of the broadened line.
    """
    width = float(_width(fwhm_l))
    norm = 0.25 * width * np.sqrt(np.pi) * (_gamma_ratio(a) + _gamma_ratio(b))

    def line(u: Array) -> Array:
        exponent = np.where(u > 0, a, b)
        drawn: Array = np.exp(-exponent * np.log1p(4 * (u / width) ** 2)) / norm
        return drawn

    return area * _broadened(line, np.asarray(x, float) - position, _scale(width, a, b), fwhm_g)


@register(
    kinds.LF,
    POSITION,
    AREA,
    FWHM_L,
    Parameter("a", 1.0, "exponent on the high-x side near the line", min=0.1, max=50.0),
    Parameter("b", 1.0, "exponent on the low-x side", min=0.51, max=50.0),
    Parameter(
        "w", 80.0, "distance, in Lorentzian widths, over which the exponent tends to 3", min=1.0, vary=False
    ),
    FWHM_G,
)
def lf(
    x: Array,
    position: float = 0.0,
    area: float = 1.0,
    fwhm_l: float = 1.0,
    a: float = 1.0,
    b: float = 1.0,
    w: float = 80.0,
    fwhm_g: float = 0.5,
) -> Array:
    r"""LF(a, b, w): as LA, with an exponent on the high-x side that grows from a to 3, so that the tail ends.

    .. math:: e(d) = 3 - \frac{3 - a}{1 + 4\,[d/(w F)]^2}

    The area before broadening has no closed form and is summed numerically.
    """
    width = float(_width(fwhm_l))

    def line(u: Array) -> Array:
        exponent = np.where(u > 0, 3 - (3 - a) / (1 + 4 * (u / (w * width)) ** 2), b)
        drawn: Array = np.exp(-exponent * np.log1p(4 * (u / width) ** 2))
        return drawn

    nodes, weights = _panels(_outward(0.25 * _scale(width, a, b), 1e6 * w * width))
    high = float(np.sum(line(nodes) * weights))
    norm = high + 0.25 * width * np.sqrt(np.pi) * _gamma_ratio(b)
    drawn: Array = (
        area / norm * _broadened(line, np.asarray(x, float) - position, _scale(width, a, b), fwhm_g)
    )
    return drawn


def _scale(width: float, a: float, b: float) -> float:
    """Distance over which L^a or L^b changes near the branch point."""
    return width / float(np.sqrt(max(a, b, 1.0)))


def _gamma_ratio(a: float) -> float:
    return float(np.exp(gammaln(a - 0.5) - gammaln(a)))


def _broadened(line: Callable[[Array], Array], d: Array, scale: float, fwhm_g: float) -> Array:
    """Convolution of ``line`` (branch point at 0, changing over ``scale``) with a Gaussian, at the distances ``d``."""
    sigma = abs(fwhm_g) / (2 * np.sqrt(2 * LN2))
    if sigma < 1e-6 * scale:
        return line(d)
    if sigma < NARROW * scale:
        edges = np.sort(np.concatenate([[-REACH, REACH], np.arange(-6.0, 6.1, 2.0)])) * sigma
        return np.array([_near(line, float(at), edges, sigma) for at in d.ravel()]).reshape(d.shape)
    reach = REACH * sigma
    high = _outward(0.5 * scale, max(float(d.max()), 0.0) + reach, 2 * sigma)
    low = _outward(0.5 * scale, max(float(-d.min()), 0.0) + reach, 2 * sigma)
    nodes, weights = _panels(np.concatenate([-low[:0:-1], high]))
    values = line(nodes) * weights
    start, stop = np.searchsorted(nodes, d - reach), np.searchsorted(nodes, d + reach)
    within = np.arange((stop - start).max())
    at = np.minimum(start[..., None] + within, nodes.size - 1)  # the nodes that each point's Gaussian reaches
    near = _gauss(d[..., None] - nodes[at], sigma) * (within < (stop - start)[..., None])
    return np.asarray((near * values[at]).sum(-1))


def _near(line: Callable[[Array], Array], at: float, edges: Array, sigma: float) -> float:
    around = edges + at
    if around[0] < 0 < around[-1]:  # no panel across the branch point
        around = np.sort(np.append(around, 0.0))
    nodes, weights = _panels(around)
    return float(np.sum(_gauss(at - nodes, sigma) * line(nodes) * weights))


def _gauss(d: Array, sigma: float) -> Array:
    return np.asarray(np.exp(-0.5 * (d / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi)))


def _outward(first: float, end: float, largest: float = np.inf) -> Array:
    """Edges of panels from 0 to ``end``: the first of length ``first``, then each as long as its distance from 0."""
    edges = [0.0]
    while edges[-1] < end:
        edges.append(edges[-1] + min(max(first, edges[-1]), largest))
    return np.array(edges)


def _panels(edges: Array) -> tuple[Array, Array]:
    """Gauss-Legendre nodes and weights of the panels between ``edges``."""
    half = 0.5 * np.diff(edges)[:, None]
    middle = 0.5 * (edges[1:] + edges[:-1])[:, None]
    return (middle + half * PANEL_X).ravel(), (half * PANEL_W).ravel()
