"""Baselines under pre-edge peaks: curves through the points on both sides, with what each point contributes to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = ["BaselineName", "Sides", "fit_baseline", "least_points"]

Array = npt.NDArray[np.float64]
#: From the derivative of a number by the points of the baseline (rows, n) to that by the points of the spectrum.
Back = Callable[[Array], Array]
BaselineName = Literal["arctan", "erf", "spline", "pchip", "polynomial", "victoreen"]

#: Widths in eV that are tried for the foot of the edge.
WIDTHS = np.geomspace(0.2, 30.0, 41)


@dataclass(frozen=True)
class Sides:
    """The points that carry the baseline: those of the window outside of the peaks."""

    x: Array  # (n,) energies of the whole window
    outside: npt.NDArray[np.bool_]  # (n,) whether a point carries the baseline
    inside: npt.NDArray[np.bool_]  # (n,) whether a point belongs to the peaks
    edge: float  # eV: centre of the edge that the foot belongs to

    @property
    def scaled(self) -> Array:
        """(n,) energies between -1 and 1."""
        middle, half = (self.x[-1] + self.x[0]) / 2, (self.x[-1] - self.x[0]) / 2
        return np.asarray((self.x - middle) / half)


def least_points(baseline: BaselineName, order: int) -> int:
    """Points that a baseline needs on the two sides together."""
    return {"arctan": 5, "erf": 5, "spline": 7, "pchip": 8, "polynomial": order + 2, "victoreen": 4}[baseline]


def fit_baseline(sides: Sides, y: Array, baseline: BaselineName, order: int) -> tuple[Array, Back]:
    r"""Baseline through the sides of each spectrum.

    "polynomial" of degree ``order``; "victoreen", :math:`a + bE^{-3} + cE^{-4}`; "spline", the cubic spline with knots
    at both ends of the peaks; "pchip", the monotone cubic through the means of the outer and inner half of each side;
    "arctan" and "erf", a line plus the foot of an edge centred at ``sides.edge`` with its own height and width.

    Parameters
    ----------
    sides : Sides
    y : (rows, n) array
        All finite.
    baseline, order
        As above.

    Returns
    -------
    curve : (rows, n) array
    back : callable
        Takes the derivative of any number by the points of the curve (rows, n) and gives that by the points of ``y``
        (rows, n); zero for points inside of the peaks.
    """
    if baseline == "pchip":
        return _pchip(sides, y)
    if baseline in {"arctan", "erf"}:
        return _foot(sides, y, baseline)
    x = sides.scaled
    if baseline == "polynomial":
        basis = np.polynomial.legendre.legvander(x, order)
    elif baseline == "victoreen":
        ratio = sides.x[0] / sides.x
        basis = np.linalg.qr(np.stack([np.ones_like(x), ratio**3, ratio**4], axis=-1))[0]
    else:
        basis = _spline_basis(x, sides)
    hat = np.zeros((x.size, x.size))
    hat[:, sides.outside] = basis @ np.linalg.pinv(basis[sides.outside])
    return y @ hat.T, lambda by: by @ hat


def _spline_basis(x: Array, sides: Sides) -> Array:
    """Cubic polynomials and a truncated cubic at each end of the peaks that has points enough beyond it."""
    inside = np.flatnonzero(sides.inside)
    basis = [np.polynomial.legendre.legvander(x, 3)]
    for knot, beyond in ((inside[0], sides.outside[: inside[0]]), (inside[-1], sides.outside[inside[-1] :])):
        if beyond.sum() >= 4:
            basis.append(np.clip(x - x[knot], 0, None)[:, None] ** 3)
    return np.concatenate(basis, axis=1)


def _pchip(sides: Sides, y: Array) -> tuple[Array, Back]:
    from scipy.interpolate import pchip_interpolate

    outside, middle = np.flatnonzero(sides.outside), np.flatnonzero(sides.inside)[0]
    low, high = outside[outside < middle], outside[outside > middle]
    groups = [part for side in (low, high) for part in np.array_split(side, 2)]
    means = np.zeros((4, sides.x.size))
    for i, group in enumerate(groups):
        means[i, group] = 1 / group.size
    anchors = means @ sides.x
    values = y @ means.T

    def curve(v: Array) -> Array:
        return np.asarray(pchip_interpolate(anchors, v, sides.x, axis=-1))

    made = curve(values)
    step = 1e-5 * (np.ptp(values, axis=1) + 1e-12)
    by_value = np.stack(
        [
            (curve(values + step[:, None] * one) - curve(values - step[:, None] * one)) / (2 * step[:, None])
            for one in np.eye(4)
        ],
        axis=-1,
    )
    return made, lambda by: np.einsum("rn,rna->ra", by, by_value) @ means


def _foot(sides: Sides, y: Array, shape: str) -> tuple[Array, Back]:
    """A line plus the foot of an edge: linear but for the width, which is scanned and then refined by a parabola."""
    x, out = sides.x - sides.edge, sides.outside
    line = np.stack([np.ones_like(x), sides.scaled], axis=-1)
    step = _step_of(shape)

    def basis(width: Array) -> Array:
        """(..., n, 3)"""
        foot = step(x / np.asarray(width)[..., None])
        return np.concatenate([np.broadcast_to(line, (*foot.shape, 2)), foot[..., None]], axis=-1)

    residual = np.empty((len(y), WIDTHS.size))
    for i, width in enumerate(WIDTHS):
        q = np.linalg.qr(basis(width)[out])[0]
        left = y[:, out] - (y[:, out] @ q) @ q.T
        residual[:, i] = (left**2).sum(1)
    best = np.clip(residual.argmin(1), 1, WIDTHS.size - 2)
    rows = np.arange(len(y))
    a, b, c = (residual[rows, best + i] for i in (-1, 0, 1))
    bend = a - 2 * b + c
    shift = np.where(bend > 0, 0.5 * (a - c) / np.where(bend > 0, bend, 1), 0.0)
    log_width = np.log(WIDTHS[best]) + np.clip(shift, -1, 1) * np.log(WIDTHS[1] / WIDTHS[0])
    for _ in range(3):  # Gauss-Newton on the width, the rest is linear
        now = basis(np.exp(log_width))
        coefficients = np.einsum("rpn,rn->rp", np.linalg.pinv(now[:, out]), y[:, out])
        slope = (basis(np.exp(log_width + 1e-4)) - basis(np.exp(log_width - 1e-4)))[..., 2] / 2e-4
        jacobian = np.concatenate([now, (coefficients[:, 2:] * slope)[..., None]], axis=-1)
        left = y - np.einsum("rnp,rp->rn", now, coefficients)
        # the width is hardly known where the foot is straight: the pseudo-inverse leaves it then
        inverse = np.linalg.pinv(jacobian[:, out], rcond=1e-6)
        change = np.einsum("rpn,rn->rp", inverse, left[:, out])[:, 3]
        log_width = np.clip(log_width + np.clip(change, -0.2, 0.2), np.log(WIDTHS[0]), np.log(WIDTHS[-1]))
    now = basis(np.exp(log_width))
    coefficients = np.einsum("rpn,rn->rp", np.linalg.pinv(now[:, out]), y[:, out])

    def back(by: Array) -> Array:
        result = np.zeros_like(by)
        result[:, out] = ((by[:, None, :] @ jacobian) @ inverse)[:, 0]
        return result

    return np.einsum("rnp,rp->rn", now, coefficients), back


def _step_of(shape: str) -> Callable[[Array], Array]:
    if shape == "arctan":
        return lambda u: np.asarray(0.5 + np.arctan(u) / np.pi)
    from scipy.special import erf

    return lambda u: np.asarray(0.5 * (1 + erf(u)))
