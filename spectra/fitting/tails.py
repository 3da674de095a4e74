r"""Backgrounds that a peak leaves behind itself, on its side of high x: what they are called and how they are summed.

Each is linear in the peak's curve S, with one strength of its own that is fitted with the peak:

* ``shirley``: :math:`k \int_{x_0}^{x} S\,dt`, a step,
* ``slope``: :math:`k \int_{x_0}^{x}\int_{x_0}^{t} S\,du\,dt`, a bend,
* ``tougaard``: :math:`B \int_{x_0}^{x} K_1(x - t)\,S(t)\,dt` with a cross section :math:`B\,K_1` of energy loss.

:math:`x_0` is the first point.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from spectra.errors import InvalidInput
from spectra.fitting.shapes import Parameter

__all__ = ["KINDS", "TAILS", "loss_of", "scattering", "tail_below"]

Floats = npt.NDArray[np.float64]

#: The strength of each background, by the background's name.
TAILS: Mapping[str, Parameter] = {
    "shirley": Parameter("shirley", 0.003, "background behind the line, per area and unit of x", min=0.0),
    "slope": Parameter("slope", 1e-4, "slope gained behind the line, per area and unit of x", min=0.0),
    "tougaard": Parameter(
        "tougaard", 1000.0, "B of the cross section of losses, units of x squared", min=0.0
    ),
}
#: Their numbers in the compiled kernels; 0 is none.
KINDS: Mapping[str, int] = {name: number for number, name in enumerate(TAILS, 1)}


def loss_of(options: Mapping[str, Any]) -> tuple[float, float, float, float] | None:
    """Numbers (C, D, T0, C') of the cross section that a component's options name; None for other backgrounds.

    Raises
    ------
    InvalidInput
        A loss where there is none, or none where there must be one.
    """
    given, background = options.get("loss"), options.get("background")
    if (given is not None) != (background == "tougaard"):
        raise InvalidInput(
            f"background {background!r} with loss {given!r}: 'tougaard' needs the numbers (C, D, T0, C') of its cross "
            "section, and no other background has them."
        )
    if given is None:
        return None
    numbers = tuple(float(v) for v in given)
    if len(numbers) != 4:
        raise InvalidInput(f"loss must be the four numbers (C, D, T0, C'), got {given!r}.")
    return numbers


def scattering(x: Floats, loss: Sequence[float]) -> Floats:
    r"""Matrix that turns a spectrum into its tail for B = 1: each point scatters over its own cell of the axis.

    .. math:: K_1(T) = \frac{T}{(C + C' T^2)^2 + D\,T^2} \quad (T \ge T_0), \qquad 0 \text{ below}

    integrated over the cells in closed form, so that neither a coarse or uneven axis nor the jump at T0 costs
    accuracy. ``loss`` is (C, D, T0, C').
    """
    edges = np.concatenate([x[:1], (x[1:] + x[:-1]) / 2, x[-1:]])
    upto = _integral(loss, x[:, None] - edges)
    return np.ascontiguousarray(upto[:, :-1] - upto[:, 1:])


def _integral(loss: Sequence[float], t: Floats) -> Floats:
    """Antiderivative of K/B, taken as constant below T0."""
    c, d, t0, c_prime = loss
    u = np.maximum(t, t0) ** 2
    # of T dT over c'^2 [(u - c)^2 + d u] with u = T^2
    c, d, scale = -c / c_prime, d / c_prime**2, c_prime**2
    if d == 0:
        return np.asarray(-0.5 / (u - c) / scale)
    square, place = d * (4 * c - d), 2 * u + d - 2 * c
    root = np.sqrt(abs(square))
    if root < 1e-9 * d:
        return np.asarray(-1 / place / scale)
    if square > 0:
        return np.asarray(np.arctan(place / root) / root / scale)
    return np.asarray(np.log(np.abs((place - root) / (place + root))) / (2 * root) / scale)


def tail_below(background: str, x: Floats, curve: Floats, loss: Sequence[float] | None = None) -> Floats:
    """What ``curve`` leaves behind itself for a strength of 1, as the compiled kernels draw it."""
    from scipy.integrate import cumulative_trapezoid

    if background == "tougaard":
        return np.asarray(scattering(x, loss or ()) @ curve)
    area = cumulative_trapezoid(curve, x, initial=0)
    return np.asarray(area if background == "shirley" else cumulative_trapezoid(area, x, initial=0))
