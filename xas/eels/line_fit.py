"""White lines as peaks on arctangent steps, fitted by the engine; the doubt about the background by fitting again."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from xas.eels.linear_variance import Noise

__all__ = ["fit_lines"]

Array = npt.NDArray[Any]

#: The fit reaches from so far in front of L3 to so far behind L2, in eV.
FRONT, BEHIND = 8.0, 20.0
MODEL: tuple[dict[str, Any], ...] = (
    {"shape": "pseudo_voigt", "prefix": "l3_"},
    {"shape": "pseudo_voigt", "prefix": "l2_"},
    {"shape": "arctan_step", "prefix": "s3_"},
    {"shape": "arctan_step", "prefix": "s2_"},
)


#: A channel's variance is no less than this share of the mean, where no counts lie near.
LEAST = 1e-2
#: Channels on each side over which the variance of counts is averaged.
SIDE = 4


def _around(variance: Array) -> Array:
    """Mean of the finite variances around each channel; NaN where there is none."""
    known = np.isfinite(variance)
    padded = [
        np.pad(a, ((0, 0), (SIDE + 1, SIDE))) for a in (np.where(known, variance, 0.0), known.astype(float))
    ]
    total, count = (np.cumsum(p, -1) for p in padded)
    width = 2 * SIDE + 1
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (total[:, width:] - total[:, :-width]) / (count[:, width:] - count[:, :-width])
    return np.where(known, mean, np.nan)


def _start(splitting: float, width: float) -> dict[str, Any]:
    """Start values and limits for a spectrum whose maximum is 1, at zero energy."""
    start: dict[str, Any] = {
        "l3_position": {"value": 0.0, "min": -2.0, "max": 2.0},
        "l2_position": {"value": splitting, "min": splitting - 2.5, "max": splitting + 2.5},
        "s3_position": {"expr": "l3_position"},
        "s2_position": {"expr": "l2_position"},
        "s3_height": {"value": 0.15, "min": 0.0},
        "s2_height": {"value": 0.08, "min": 0.0},
    }
    for line, area in (("l3", 3.0), ("l2", 1.5)):
        start[f"{line}_fwhm"] = {"value": 3.0, "min": 0.2, "max": 12.0}
        start[f"{line}_area"] = {"value": area, "min": 0.0}
    for step in ("s3", "s2"):
        start[f"{step}_fwhm"] = {"value": 2 * width / np.pi, "vary": False}
    return start


def fit_lines(
    energy: Array, net: Array, l3: Array, noise: Noise, splitting: float, width: float
) -> tuple[Array, Array, Array]:
    """Areas of L3 and L2 per row.

    Parameters
    ----------
    energy : (n,) array
        In eV.
    net : (rows, n) array
        Spectra without background.
    l3 : (rows,) array
        Where L3 lies, about.
    noise : Noise
        Of the channels; and the background, of which the fit is asked how it answers by fitting again.
    splitting : float
        Distance of the lines, about.
    width : float
        Of the arctangents, as in :func:`xas.eels.line_weights.step_weights`.

    Returns
    -------
    l3, l2 : (rows,) array
    covariance : (rows, 2, 2) array
    """
    step = float(np.median(np.diff(energy)))
    if np.allclose(np.diff(energy), step, rtol=0.05):
        relative = step * np.arange(-round(FRONT / step), round((splitting + BEHIND) / step) + 1)
        return _fitted(energy, net, l3, noise, splitting, width, relative, np.arange(len(net)))
    parts = []  # an uneven axis: every row has points of its own about its line
    for row in range(len(net)):
        near = (energy > l3[row] - FRONT) & (energy < l3[row] + splitting + BEHIND)
        parts.append(
            _fitted(energy, net, l3, noise, splitting, width, energy[near] - l3[row], np.array([row]))
        )
    return tuple(np.concatenate([p[i] for p in parts]) for i in range(3))  # type: ignore[return-value]


def _fitted(
    energy: Array,
    net: Array,
    l3: Array,
    noise: Noise,
    splitting: float,
    width: float,
    relative: Array,
    rows: Any,
) -> tuple[Array, Array, Array]:
    from spectra.fitting import fit_arrays

    sound = np.isfinite(l3[rows]) & np.isfinite(net[rows]).all(-1)
    first = np.searchsorted(energy, np.where(sound, l3[rows], energy[0]) + relative[0])
    index = first[:, None] + np.arange(relative.size)
    there = (index >= 0) & (index < energy.size) & sound[:, None]
    index = np.clip(index, 0, energy.size - 1)
    y = np.where(there, np.take_along_axis(net[rows], index, -1), np.nan)
    variance = np.take_along_axis(noise.variance[rows], index, -1)
    variance = _around(np.where(there, variance, np.nan))  # of a channel alone, low ones would weigh too much
    mean = np.nanmean(np.where(there.any(-1, keepdims=True), variance, 0.0), -1, keepdims=True)
    stated = bool((variance > 0).any())
    top = np.where(there, y, 0.0).max(-1)
    top = np.where(top > 0, top, 1.0)[:, None]
    sigma = (
        np.sqrt(np.where(mean > 0, np.maximum(variance, LEAST * mean), LEAST * top**2)) / top
        if stated
        else None
    )

    def areas(values: Array) -> tuple[Array, Array]:
        found = fit_arrays(
            MODEL,
            _start(splitting, width),
            relative,
            values / top,
            sigma=sigma,
            component_curves=False,
            restarts=0,
        )
        place = [found.free.index(f"{line}_area") for line in ("l3", "l2")]
        area = found.quantity["area"][:, :2] * top
        return area, found.covariance[:, place][:, :, place] * top[..., None] ** 2

    area, covariance = areas(y)
    if not stated:
        covariance = np.full_like(covariance, np.nan)
    elif noise.curve is not None and noise.parameters is not None and noise.covariance is not None:
        values, vectors = np.linalg.eigh(np.nan_to_num(noise.covariance[rows]))
        for term in range(values.shape[-1]):
            shift = vectors[..., term] * np.sqrt(np.maximum(values[..., term], 0))[:, None]
            moved = noise.curve.value(energy, noise.parameters[rows] + shift)
            moved = moved - noise.curve.value(energy, noise.parameters[rows])
            change = areas(y - np.take_along_axis(moved, index, -1))[0] - area
            covariance = covariance + change[:, :, None] * change[:, None, :]
    return area[:, 0], area[:, 1], covariance
