"""Iterative backgrounds: each line raises the background on its high-binding-energy side, or bends it (slope)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from xps.background.ends import Background, end_means, spectra_along

__all__ = ["shirley", "slope"]

FloatArray = npt.NDArray[np.floating]


def shirley(
    x: npt.ArrayLike, y: npt.ArrayLike, *, n_end: int = 5, tol: float = 1e-6, max_iter: int = 50
) -> Background:
    r"""Background proportional to the peak area at lower binding energy (Shirley 1972), found by iteration.

    .. math:: B_{k+1}(x) = y_L + (y_H - y_L)\,
              \frac{\int_{x_L}^{x} (y - B_k)\,dt}{\int_{x_L}^{x_H} (y - B_k)\,dt}

    Integrals are trapezoids from the first to the last point; the start is :math:`B_0 = y_L`. Seven iterations are
    typical, each costs one pass over the spectra that have not settled yet. Where the mean of the high end lies
    above the foot of the peaks by its noise, no background solves the equation: this shows as slow settling or none,
    and goes away with more points in ``n_end``.

    Parameters
    ----------
    x : (n,) array
        Binding energy in eV, ascending.
    y : (..., n) array
        Counts.
    n_end : int
        Points averaged at each end for y_L and y_H. More points: less noise, less of the window left for peaks.
    tol : float
        Settled when no point moves by more than ``tol * |y_H - y_L|``.
    max_iter : int
        Iterations at most.

    Returns
    -------
    Background
        ``converged`` is False where ``max_iter`` was reached or the window holds no net peak (then the curve is
        NaN); nothing is raised.

    References
    ----------
    D. A. Shirley, Phys. Rev. B 5, 4709 (1972), doi:10.1103/PhysRevB.5.4709
    """
    return _iterated(x, y, n_end, tol, max_iter, _running_integral)


def slope(
    x: npt.ArrayLike, y: npt.ArrayLike, *, n_end: int = 5, tol: float = 1e-6, max_iter: int = 50
) -> Background:
    r"""Background whose slope, not height, changes in proportion to the peak area (slope background), by iteration.

    .. math:: \frac{dB}{dx} = k \int_{x_L}^{x} (y - B)\,dt, \qquad B(x_L) = y_L, \quad B(x_H) = y_H

    Flat below the lines, straight beyond them: for the slow rise of light elements and of buried layers, where a
    step would stand too high right behind the line. Iterated like :func:`shirley`.

    Parameters
    ----------
    x : (n,) array
        Binding energy in eV, ascending.
    y : (..., n) array
        Counts.
    n_end : int
        Points averaged at each end for y_L and y_H.
    tol : float
        Settled when no point moves by more than ``tol * |y_H - y_L|``.
    max_iter : int
        Iterations at most.

    Returns
    -------
    Background
        As :func:`shirley` returns it.

    References
    ----------
    A. Herrera-Gomez et al., Surf. Interface Anal. 46, 897 (2014), doi:10.1002/sia.5453
    """

    def twice(x: FloatArray, values: FloatArray) -> FloatArray:
        return _running_integral(x, _running_integral(x, values))

    return _iterated(x, y, n_end, tol, max_iter, twice)


def _iterated(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    n_end: int,
    tol: float,
    max_iter: int,
    integral: Callable[[FloatArray, FloatArray], FloatArray],
) -> Background:
    """The background that rises from y_L to y_H as the ``integral`` of what it leaves of the spectrum does."""
    x, y, dtype = spectra_along(x, y)
    flat = y.reshape(-1, x.size)
    low, high = end_means(flat, n_end)
    step = high - low
    background, course, feedback = (np.full(flat.shape, np.nan) for _ in range(3))
    settled = np.zeros(len(flat), bool)
    iterations = np.zeros(len(flat), int)
    active = np.flatnonzero(np.isfinite(flat).all(-1))
    background[active] = low[active]
    # spectra leave as they settle or fail, so that none depends on what else is in the series
    for _ in range(max_iter):
        area = integral(x, flat[active] - background[active])
        iterations[active] += 1
        peak = area[:, -1] > 0
        background[active[~peak]] = np.nan
        active, area = active[peak], area[peak]
        course[active] = area / area[:, -1:]
        feedback[active] = step[active] / area[:, -1:]
        new = low[active] + step[active] * course[active]
        change = np.abs(new - background[active]).max(-1, initial=0)
        background[active] = new
        done = change <= tol * np.abs(step[active, 0])
        settled[active[done]] = True
        active = active[~done]
        if not active.size:
            break
    shares = (_share(x, start, course, feedback, integral) for start in (1 - course, course))
    curves = [values.reshape(y.shape) for values in (background, *shares)]
    return Background(
        curves[0].astype(dtype),
        settled.reshape(y.shape[:-1]),
        iterations.reshape(y.shape[:-1]),
        curves[1],
        curves[2],
    )


def _share(
    x: FloatArray,
    direct: FloatArray,
    course: FloatArray,
    feedback: FloatArray,
    integral: Callable[[FloatArray, FloatArray], FloatArray],
) -> FloatArray:
    """Derivative of the settled background by one end: an end that rises also takes area from the peaks."""
    share = direct
    for _ in range(12):  # each turn adds a term of a series that falls like the background to the peak height
        taken = integral(x, share)
        share = direct - feedback * (taken - course * taken[:, -1:])
    return share


def _running_integral(x: FloatArray, y: FloatArray) -> FloatArray:
    """Trapezoidal integral of y from the first point up to each."""
    area = np.zeros_like(y)
    np.cumsum((y[:, 1:] + y[:, :-1]) * (np.diff(x) / 2), axis=-1, out=area[:, 1:])
    return area
