"""Polynomials fitted around a moving point: values and slopes of a noisy curve between its grid points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Extremum", "LocalFit", "local_fit", "zero_of_derivative"]

Array = npt.NDArray[np.float64]

FACTORIALS = (1.0, 1.0, 2.0, 6.0, 24.0)


@dataclass(frozen=True)
class LocalFit:
    """Derivatives of the local polynomials as sums over grid points."""

    index: npt.NDArray[np.intp]  # (rows, p) grid points that take part
    hats: Array  # (rows, degree + 1, p) derivative of each order by the value of each point, per eV to that order

    def derivative(self, y: Array, order: int) -> Array:
        """(rows,) derivative of ``order`` at the centres of the curves ``y`` (rows, n)."""
        near = np.take_along_axis(y, self.index, axis=1)
        return np.asarray(np.einsum("rp,rp->r", self.hats[:, order], near))


@dataclass(frozen=True)
class Extremum:
    """Where a derivative passes zero, and how the point moves with the data."""

    position: Array  # (rows,) in eV; NaN where there is none
    slope: Array  # (rows,) of the derivative there
    sensitivity: Array  # (rows, n) derivative of the position by each point, in eV
    value_hats: Array  # (rows, n) derivative of the curve's height there by each point
    height: Array  # (rows,)


def local_fit(x: Array, center: Array, reach: float, degree: int) -> LocalFit:
    """Polynomials of ``degree`` through the points within ``reach`` of each centre, with Epanechnikov weights.

    Where fewer than ``degree + 2`` points lie that near, as many neighbours as needed take part.

    Parameters
    ----------
    x : (n,) array
        Ascending.
    center : (rows,) array
        Finite.
    reach : float
        Half width in units of ``x``.
    degree : int

    Returns
    -------
    LocalFit
    """
    least = min(degree + 2, x.size)
    low, high = np.searchsorted(x, center - reach), np.searchsorted(x, center + reach, side="right")
    count = min(x.size, max(int((high - low).max(initial=0)), least + 2))
    middle = np.searchsorted(x, center)
    first = np.clip(np.minimum(low, middle - count // 2), 0, x.size - count)
    index = first[:, None] + np.arange(count)
    distance = x[index] - center[:, None]
    farthest = np.sort(np.abs(distance), axis=1)[:, least - 1]
    scale = np.maximum(reach, 1.01 * farthest)[:, None]
    u = distance / scale
    weight = np.clip(1 - u**2, 0, None)
    powers = u[:, None, :] ** np.arange(degree + 1)[:, None]
    weighted = powers * weight[:, None, :]
    normal = weighted @ powers.swapaxes(1, 2)
    hats = np.linalg.solve(normal + 1e-13 * np.eye(degree + 1), weighted)
    orders = np.arange(degree + 1)
    return LocalFit(index, hats * (np.array(FACTORIALS)[: degree + 1] / scale**orders)[:, :, None])


def zero_of_derivative(
    x: Array, y: Array, start: Array, reach: float, *, order: int, degree: int, steps: int = 12
) -> Extremum:
    """Zero of a derivative of the local polynomial that moves along with the point: Newton's method from ``start``.

    Parameters
    ----------
    x : (n,) array
    y : (rows, n) array
        All finite.
    start : (rows,) array
        Where to begin; NaN for a row that has no such point.
    reach : float
        Half width of the local polynomial.
    order : int
        Derivative that is zero: 1 for a maximum of the curve, 2 for one of its slope. It must fall there.
    degree : int
        Of the local polynomial, above ``order``.

    Returns
    -------
    Extremum
        NaN where the derivative does not fall through zero within two reaches of ``start``.
    """
    known = np.isfinite(start)
    center = np.where(known, start, x[x.size // 2])
    begin, fit = center, local_fit(x, center, reach, degree)
    for _ in range(steps):
        value, slope = fit.derivative(y, order), fit.derivative(y, order + 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            move = np.where(slope < 0, -value / slope, np.sign(value) * reach / 2)
        move = np.clip(move, -reach / 2, reach / 2)
        center = np.clip(center + move, x[0], x[-1])
        fit = local_fit(x, center, reach, degree)
        if np.abs(move).max(initial=0) < 1e-7 * reach:
            break
    value = fit.derivative(y, order)
    ahead, behind = (
        local_fit(x, center + d, reach, degree).derivative(y, order) for d in (0.01 * reach, -0.01 * reach)
    )
    slope = (ahead - behind) / (0.02 * reach)  # as the polynomial moves along, not within one polynomial
    with np.errstate(divide="ignore", invalid="ignore"):
        settled = np.abs(value) <= 1e-3 * reach * np.abs(slope)
        by_point = -fit.hats[:, order] / slope[:, None]
    good = known & settled & (slope < 0) & (np.abs(center - begin) < 2 * reach)
    good &= (center > x[0]) & (center < x[-1])
    rows = np.arange(len(y))[:, None]
    sensitivity, value_hats = np.zeros_like(y), np.zeros_like(y)
    sensitivity[rows, fit.index] = np.where(good[:, None], by_point, 0.0)
    value_hats[rows, fit.index] = fit.hats[:, 0]
    return Extremum(
        np.where(good, center, np.nan),
        np.where(good, slope, np.nan),
        sensitivity,
        value_hats,
        np.where(good, fit.derivative(y, 0), np.nan),
    )
