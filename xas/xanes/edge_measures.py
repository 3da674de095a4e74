"""Measures of the edge's position on normalised absorption: each between grid points, with its sensitivity to each point."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from spectra.fitting.compiled import entry_point, kernel
from xas.xanes.local_fit import local_fit, zero_of_derivative

__all__ = ["derivative_maximum", "half_step", "integral_edge", "second_derivative_zero", "smoothing_matrix"]

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.intp]

#: How far behind its half height the white line may lie, in eV.
TO_WHITE_LINE = 30.0
#: A level's crossing is read off a cubic that reaches so far to each side as the curve rises by 16 standard deviations
#: of the noise, but by no more than 0.2 steps: it passes through four points where the noise is small and smoothes more
#: where it is large, without bending with the edge. What moves by more than 3 eV from the first guess is not believed.
SIGMAS, OF_RISE, WIDEST = 16.0, 0.2, 3.0
NEIGHBOURS = 16  # points to each side
#: A crossing between points that lie farther apart than this (eV) is not measured: the scan has a gap on the edge.
GAP = 5.0
#: No edge is wider than a curve smoothed so far to each side (eV) still shows.
FURTHER = 3.0
#: A pre-edge peak is followed by a fall of at least this part of the edge step.
DIP = 0.1


def half_step(x: Array, y: Array, sigma: Array, level: float = 0.5) -> tuple[Array, Array]:
    r"""Last energy before the white line at which the normalised absorption passes ``level``.

    Read off the cubic through the four points around the crossing or, where the noise reaches further, fitted to the
    points within 16 sigma / slope of it (at most 0.2 / slope, Epanechnikov weights). The crossings of pre-edge peaks
    do not count: they come earlier.

    Parameters
    ----------
    x : (n,) array
        Energy in eV around the edge.
    y : (rows, n) array
        Normalised, flattened absorption, all finite.
    sigma : (rows,) array
        Standard deviation of its noise.
    level : float

    Returns
    -------
    position : (rows,) array
        In eV; NaN where the level is not passed, or only across a gap of more than 5 eV.
    sensitivity : (rows, n) array
        Derivative of the position with respect to each point, in eV.
    """
    sigma = np.where(np.isfinite(sigma), sigma, 0.0)  # not known: two points to each side
    y = np.ascontiguousarray(y, dtype=float)
    position, sensitivity = np.empty(len(y)), np.zeros_like(y)
    _crossings()(
        np.ascontiguousarray(x, dtype=float), y, _smoothed(x, y, sigma), sigma, level, position, sensitivity
    )
    return position, sensitivity


def _fill(x, y, coarse, sigma, level, position, sensitivity):  # type: ignore[no-untyped-def]
    """Fill ``position`` and ``sensitivity`` of :func:`half_step`."""
    for row in range(len(y)):
        before = _passage(x, coarse[row], level)
        if before < 0 or x[before + 1] - x[before] > GAP:
            position[row] = np.nan
            continue
        low, high = coarse[row, before], coarse[row, before + 1]
        start = x[before] + (level - low) / (high - low) * (x[before + 1] - x[before])
        position[row] = _on_cubic(x, y[row], before, start, sigma[row], level, sensitivity[row])


@kernel
def _passage(x, y, level):  # type: ignore[no-untyped-def]
    """Last point below ``level`` before the white line; -1 if there is none, or the white line does not reach it."""
    half = y.size - 2
    while half >= 0 and y[half] >= 0.5:
        half -= 1
    if half < 0 or y[y.size - 1] < 0.5:
        return -1
    white_line = half + 1
    for i in range(half + 1, y.size):
        if x[i] > x[half] + TO_WHITE_LINE:
            break
        if y[i] > y[white_line]:
            white_line = i
    if y[white_line] < level:
        return -1
    before = white_line - 1
    while before >= 0 and y[before] >= level:
        before -= 1
    return before


@kernel
def _on_cubic(x, y, before, start, sigma, level, sensitivity):  # type: ignore[no-untyped-def]
    """Crossing of ``level`` near ``start`` by local cubics, and the sensitivity to each point written where it goes."""
    first, stop = max(0, before + 1 - NEIGHBOURS), min(x.size, before + NEIGHBOURS + 1)
    position, reach = (
        start,
        1.0,
    )  # the first cubic reaches one eV and gives the slope to compare the noise with
    own = np.zeros(4)
    slope = np.nan
    for _ in range(5):
        i = before
        while i > 1 and x[i] > position:
            i -= 1
        while i < x.size - 3 and x[i + 1] <= position:
            i += 1
        left, right = x[max(i - 1, 0)], x[min(i + 2, x.size - 1)]
        reach = max(reach, 1.01 * max(position - left, right - position))  # two points to each side
        value, slope, own = _cubic(x, y, first, stop, position, reach)
        used = reach
        where = position
        moved = (level - value) / slope if slope > 0 else np.nan
        if abs(position + moved - start) < WIDEST:
            position += moved
            reach = min(SIGMAS * sigma, OF_RISE) / slope
            if abs(moved) < 1e-9 and abs(reach - used) < 1e-9 * used:
                break
        else:
            position = start
            reach = 0.0
    for i in range(first, stop):
        u = (x[i] - where) / used
        if abs(u) < 1:
            hat = (1 - u * u) * (own[0] + u * (own[1] + u * (own[2] + u * own[3])))
            sensitivity[i] = -hat / slope
    return position


@kernel
def _cubic(x, y, first, stop, center, reach):  # type: ignore[no-untyped-def]
    """Value and slope at ``center`` of the cubic through the points within ``reach``; coefficients of the value's hats."""
    moments, products = np.zeros(7), np.zeros(4)
    for i in range(first, stop):
        u = (x[i] - center) / reach
        if abs(u) >= 1:
            continue
        power = 1 - u * u
        for degree in range(7):
            moments[degree] += power
            if degree < 4:
                products[degree] += power * y[i]
            power *= u
    normal, right = np.empty((4, 4)), np.zeros((4, 2))
    for a in range(4):
        for b in range(4):
            normal[a, b] = moments[a + b]
        normal[a, a] += 1e-13  # fewer than four points at the end of the data
        right[a, 0] = products[a]
    right[0, 1] = 1.0
    _solve(normal, right)
    return right[0, 0], right[1, 0] / reach, right[:, 1].copy()


@kernel
def _solve(matrix, right):  # type: ignore[no-untyped-def]
    """Solution of a positive definite system, written over its right-hand sides."""
    n = len(matrix)
    for j in range(n):
        for k in range(j):
            matrix[j, j] -= matrix[j, k] ** 2
        matrix[j, j] = math.sqrt(max(matrix[j, j], 1e-30))
        for i in range(j + 1, n):
            for k in range(j):
                matrix[i, j] -= matrix[i, k] * matrix[j, k]
            matrix[i, j] /= matrix[j, j]
    for c in range(right.shape[1]):
        for i in range(n):
            for k in range(i):
                right[i, c] -= matrix[i, k] * right[k, c]
            right[i, c] /= matrix[i, i]
        for i in range(n - 1, -1, -1):
            for k in range(i + 1, n):
                right[i, c] -= matrix[k, i] * right[k, c]
            right[i, c] /= matrix[i, i]


@functools.cache
def _crossings() -> Callable[..., None]:
    """The compiled :func:`_fill`; everything that it calls stands in this file, whose changes the cache notices."""
    return entry_point(lambda _: _fill)


def _smoothed(x: Array, y: Array, sigma: Array) -> Array:
    """Curve to look for crossings on: where the noise exceeds one percent of the step, a running mean over 3 eV."""
    noisy = sigma > 0.01
    if not noisy.any():
        return y
    weight = np.clip(1 - ((x - x[:, None]) / 1.5) ** 2, 0, None)
    smooth = y[noisy] @ (weight / weight.sum(1, keepdims=True)).T
    result = y.copy()
    result[noisy] = smooth
    return result


def integral_edge(
    x: Array, y: Array, sigma: Array, levels: tuple[float, float] = (0.15, 1.0)
) -> tuple[Array, Array]:
    r"""Mean energy of the rise between two levels.

    .. math:: E = \frac{1}{\mu_2 - \mu_1} \int_{\mu_1}^{\mu_2} E \, d\mu
                = E_2 - \frac{1}{\mu_2 - \mu_1} \int_{E_1}^{E_2} (\mu - \mu_1)\, dE

    from the last energy :math:`E_1` before the white line at :math:`\mu_1` to the first after it at :math:`\mu_2`. The
    right-hand form needs no single-valued E(μ), is linear in the points, so that noise averages out, and does not
    depend to first order on where the two ends were found. For a rise without a dip it is the left-hand one.

    Parameters
    ----------
    x : (n,) array
        Energy in eV around the edge.
    y : (rows, n) array
        Normalised, flattened absorption, all finite.
    sigma : (rows,) array
        Standard deviation of its noise.
    levels : (float, float)

    Returns
    -------
    position : (rows,) array
        In eV; NaN where a level is not passed, or where the rise holds a gap of more than 5 eV.
    sensitivity : (rows, n) array
        Derivative of the position with respect to each point, in eV.
    """
    low, high = levels
    coarse, index = _smoothed(x, y, np.nan_to_num(sigma)), np.arange(x.size)
    white_line = _white_line(x, coarse)
    start = _last_below(coarse, low, white_line)
    reached = (coarse >= high) & (index > start[:, None]) & (index <= white_line[:, None])
    stop = np.where(reached.any(1), np.argmax(reached, axis=1), -1)
    found = (start >= 0) & (stop > 0)
    first, last = _linear(x, coarse, start, low), _linear(x, coarse, stop - 1, high)
    inside = found[:, None] & (index > start[:, None]) & (index < stop[:, None])
    # trapezoid on the points inside and the two ends, where the integrand is 0 and high - low
    first, last = (np.where(np.isfinite(end), end, 0.0) for end in (first, last))  # rows without a rise
    left = np.where(index - 1 == start[:, None], first[:, None], np.roll(x, 1))
    right = np.where(index + 1 == stop[:, None], last[:, None], np.roll(x, -1))
    weights = np.where(inside, (right - left) / 2, 0.0)
    before_last = np.maximum(first, x[np.clip(stop - 1, 0, None)])
    found &= weights.max(1) < GAP
    with np.errstate(invalid="ignore"):  # rows without a rise
        area = (weights * (y - low)).sum(1) + (high - low) * (last - before_last) / 2
        return np.where(found, last - area / (high - low), np.nan), -weights / (high - low)


def derivative_maximum(x: Array, y: Array, sigma: Array, smoothing: float = 1.5) -> tuple[Array, Array]:
    """Energy of steepest ascent on the main rise, from its foot behind the last pre-edge peak up to the white line.

    The slope is that of a parabola fitted within ``smoothing`` of each point; the vertex of a parabola through its
    highest value and the two beside it lies between grid points.

    Parameters
    ----------
    x : (n,) array
        Energy in eV around the edge.
    y : (rows, n) array
        Normalised, flattened absorption, all finite.
    sigma : (rows,) array
        Standard deviation of its noise.
    smoothing : float
        Half width in eV.

    Returns
    -------
    position : (rows,) array
        In eV; NaN where the absorption does not rise through one half.
    sensitivity : (rows, n) array
        Derivative of the position with respect to each point, in eV.
    """
    slopes = _slope_matrix(x, smoothing)
    slope = y @ slopes.T
    coarse, index = _smoothed(x, y, np.nan_to_num(sigma)), np.arange(x.size)
    half = _last_below(coarse, 0.5, np.full(len(y), x.size - 1))
    # the main rise begins at the bottom of the deepest dip behind a pre-edge peak; shoulders, as of copper, belong to it
    dip = np.where(index <= half[:, None], np.maximum.accumulate(coarse, axis=1) - coarse, 0.0)
    foot = np.where(dip.max(1) > DIP, dip.argmax(1), 0)
    allowed = (index >= foot[:, None]) & (index <= _white_line(x, coarse)[:, None])
    peak = np.clip(np.argmax(np.where(allowed, slope, -np.inf), axis=1), 1, x.size - 2)
    three = peak[:, None] + np.arange(-1, 2)
    position, by_slope = _vertex(x[three], np.take_along_axis(slope, three, axis=1))
    found = (half >= 0) & (np.diff(x[three], axis=1).max(1) < GAP)
    return np.where(found, position, np.nan), np.einsum("rk,rkn->rn", by_slope, slopes[three])


def second_derivative_zero(x: Array, y: Array, sigma: Array, smoothing: float = 1.5) -> tuple[Array, Array]:
    """Energy on the main rise at which the second derivative passes zero: the inflection point.

    Parameters
    ----------
    x : (n,) array
        Energy in eV around the edge.
    y : (rows, n) array
        Normalised, flattened absorption, all finite.
    sigma : (rows,) array
        Standard deviation of its noise.
    smoothing : float
        Half width in eV of the cubic that gives the second derivative.

    Returns
    -------
    position : (rows,) array
        In eV; NaN where no inflection lies near the steepest ascent.
    sensitivity : (rows, n) array
        Derivative of the position with respect to each point, in eV.
    """
    start, _ = derivative_maximum(x, y, sigma, smoothing)
    zero = zero_of_derivative(x, y, start, smoothing, order=2, degree=3)
    return zero.position, zero.sensitivity


def smoothing_matrix(x: Array, half_width: float) -> Array:
    """(n, n) matrix that smoothes a curve further than its derivatives are smoothed, up to 3 eV.

    Local cubics, and what they leave smoothed once more, so that the bend of an edge stays nearly what it is.
    """
    reach = min(2 * half_width, max(FURTHER, half_width))
    fit = local_fit(x, x, reach, 3)
    once = np.zeros((x.size, x.size))
    once[np.arange(x.size)[:, None], fit.index] = fit.hats[:, 0]
    return np.asarray(2 * once - once @ once)


def _slope_matrix(x: Array, half_width: float) -> Array:
    """(n, n) matrix that turns a curve into the slopes of local parabolas."""
    fit = local_fit(x, x, half_width, 2)
    matrix = np.zeros((x.size, x.size))
    matrix[np.arange(x.size)[:, None], fit.index] = fit.hats[:, 1]
    return matrix


def _vertex(x: Array, y: Array) -> tuple[Array, Array]:
    """Abscissa (rows,) of the vertex of the parabolas through three points (rows, 3), and its derivative by each ``y``.

    Where the points show no maximum, it is the middle one, kept between its neighbours.
    """
    a, b = x[:, 1] - x[:, 0], x[:, 2] - x[:, 1]
    rise, fall = (y[:, 1] - y[:, 0]) / a, (y[:, 2] - y[:, 1]) / b
    bend = rise - fall
    good = bend > 0
    bend = np.where(good, bend, 1.0)
    shift = np.where(good, 0.5 * (a * fall + b * rise) / bend, 0.0)
    by_rise, by_fall = (0.5 * b - shift) / bend, (0.5 * a + shift) / bend
    position = x[:, 1] + np.clip(shift, -a, b)
    by_y = np.stack([-by_rise / a, by_rise / a - by_fall / b, by_fall / b], axis=1)
    return position, np.where(good[:, None], by_y, 0.0)


def _white_line(x: Array, y: Array) -> Index:
    """Index of the highest point within 30 eV behind the last passage of one half."""
    half = _last_below(y, 0.5, np.full(len(y), x.size - 1))
    start = x[np.clip(half, 0, None)][:, None]
    behind = (x > start) & (x <= start + TO_WHITE_LINE)
    return np.asarray(np.argmax(np.where(behind, y, -np.inf), axis=1))


def _last_below(y: Array, level: float, end: Index) -> Index:
    """Index of the last point below ``level`` up to ``end``; -1 if there is none or the level is not reached there."""
    n = y.shape[1]
    below = (y < level) & (np.arange(n) < end[:, None])
    last = n - 1 - np.argmax(below[:, ::-1], axis=1)
    passed = below.any(1) & (np.take_along_axis(y, end[:, None], axis=1)[:, 0] >= level)
    return np.asarray(np.where(passed, last, -1))


def _linear(x: Array, y: Array, i: Index, level: float) -> Array:
    """Where the straight line from point ``i`` to the next passes ``level``."""
    i = np.clip(i, 0, x.size - 2)
    low, high = (np.take_along_axis(y, (i + d)[:, None], axis=1)[:, 0] for d in (0, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(x[i] + (level - low) / (high - low) * (x[i + 1] - x[i]))
