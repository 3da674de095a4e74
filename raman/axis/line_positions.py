"""Lines of a calibration standard: found in a spectrum and fitted between the pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Lines", "find_lines"]

Array = npt.NDArray[np.float64]

#: A line stands out of its surroundings by so many times the noise.
PROMINENCE = 8.0
#: Points of a line that are fitted lie within so many of its widths, and no nearer to the next line than half way.
REACH = 1.8
LEAST_POINTS = 8
ITERATIONS = 40


@dataclass(frozen=True)
class Lines:
    """Lines of one spectrum, by position; positions, their sigmas and full widths in units of the axis."""

    position: Array
    sigma: Array
    fwhm: Array
    height: Array


def find_lines(x: Array, y: Array) -> Lines:
    """Lines of a spectrum, each fitted with a pseudo-Voigt profile on a straight line.

    Parameters
    ----------
    x : (n,) array
        Ascending.
    y : (n,) array
        Points that are not finite are left out.

    Returns
    -------
    Lines
        The sigmas are from what the fit leaves over, so a profile that does not fit counts; the variance of a point is
        taken in proportion to the curve, as that of counts.
    """
    from scipy.signal import find_peaks, peak_widths

    good = np.isfinite(y)
    x, y = x[good], y[good]
    if x.size < 8:
        empty = np.empty(0)
        return Lines(empty, empty, empty, empty)
    rest = y[1:-1] - 0.5 * (y[:-2] + y[2:])
    noise = max(
        1.4826 * float(np.median(np.abs(rest - np.median(rest)))) / np.sqrt(1.5), 1e-12 * float(np.ptp(y))
    )
    peaks, about = find_peaks(y, prominence=PROMINENCE * noise)
    if not peaks.size:
        return Lines(*(np.empty(0) for _ in range(4)))
    widths = peak_widths(y, peaks, rel_height=0.5)[0]
    fits = [
        _fitted(x, y, peaks, i, float(widths[i]), float(about["prominences"][i])) for i in range(peaks.size)
    ]
    found = np.array([f for f in fits if f is not None]).reshape(-1, 4)
    return Lines(*found[np.argsort(found[:, 0])].T)


def _fitted(
    x: Array, y: Array, peaks: npt.NDArray[np.intp], i: int, width: float, height: float
) -> tuple[float, float, float, float] | None:
    """Position, sigma, full width and height of one line; None where the fit does not hold."""
    at = int(peaks[i])
    reach = max(REACH * width, LEAST_POINTS / 2)
    first = max(at - reach, 0 if i == 0 else (peaks[i - 1] + at) / 2)
    last = min(at + reach, x.size - 1 if i + 1 == peaks.size else (peaks[i + 1] + at) / 2)
    inside = np.arange(int(np.ceil(first)), int(np.floor(last)) + 1)
    if inside.size < LEAST_POINTS:
        inside = np.arange(max(at - LEAST_POINTS // 2, 0), min(at + LEAST_POINTS // 2 + 1, x.size))
    step = (x[inside[-1]] - x[inside[0]]) / (inside.size - 1)
    u, v = (x[inside] - x[at]) / step, y[inside] / height
    # all that varies: position, height, width, share of the Lorentzian, and the line below
    p, curve, slopes, left = _levenberg(u, v, np.array([0.0, 1.0, max(width, 1.5), 0.5, float(v.min()), 0.0]))
    half, freedom = float(np.ptp(u)) / 2, max(u.size - p.size, 1)
    noise = np.maximum(curve, 0.01)  # in shape; its size is what the fit leaves over
    scale = float((left**2 / noise).sum()) / freedom
    try:
        variance = float(np.linalg.inv((slopes / noise[:, None]).T @ slopes)[0, 0]) * max(scale, 1e-16)
    except np.linalg.LinAlgError:
        return None
    if not (
        np.isfinite(variance) and variance > 0 and p[1] > 0 and abs(p[0]) < half and 0.3 < p[2] < 6 * half
    ):
        return None
    sigma = float(np.sqrt(variance)) * step
    if sigma > p[2] * step:  # found, and yet nowhere
        return None
    return float(x[at] + p[0] * step), sigma, float(p[2]) * step, float(p[1]) * height


def _levenberg(u: Array, v: Array, start: Array) -> tuple[Array, Array, Array, Array]:
    """Least squares with a variance in proportion to the curve: parameters, curve, slopes and what is left."""
    p, damping = start, 1e-3
    curve, slopes = _pseudo_voigt(u, p)
    for _ in range(ITERATIONS):
        weight = 1 / np.maximum(curve, 0.01)
        left = v - curve
        cost = float((weight * left**2).sum())
        normal, gradient = (slopes * weight[:, None]).T @ slopes, slopes.T @ (weight * left)
        for _ in range(8):
            step = np.linalg.solve(normal + damping * np.diag(np.diag(normal) + 1e-12), gradient)
            trial = p + step
            trial[2], trial[3] = max(trial[2], 0.3), min(max(trial[3], 0.0), 1.0)
            new, new_slopes = _pseudo_voigt(u, trial)
            if float((weight * (v - new) ** 2).sum()) <= cost:
                break
            damping *= 10
        else:
            break
        moved = float((np.abs(trial - p) / (np.abs(p) + 0.1)).max())
        p, curve, slopes, damping = trial, new, new_slopes, max(damping / 10, 1e-9)
        if moved < 1e-6:
            break
    return p, curve, slopes, v - curve


def _pseudo_voigt(u: Array, p: Array) -> tuple[Array, Array]:
    position, top, fwhm, share, low, slope = p
    z = 2 * (u - position) / fwhm
    lorentz, gauss = 1 / (1 + z**2), np.exp(-np.log(2) * z**2)
    line = share * lorentz + (1 - share) * gauss
    by_z = -2 * z * (share * lorentz**2 + (1 - share) * np.log(2) * gauss)
    slopes = np.column_stack(
        [-2 * top / fwhm * by_z, line, -top / fwhm * z * by_z, top * (lorentz - gauss), np.ones_like(u), u]
    )
    return top * line + low + slope * u, slopes
