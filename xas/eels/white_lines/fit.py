"""White lines as peaks on arctangent steps, fitted together; the doubt about the background by its linear answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from xas.eels.channels.linear_variance import Noise
from xas.eels.white_lines.fit_rows import NUMBERS, fit_rows

__all__ = ["FittedLines", "fit_lines"]

Array = npt.NDArray[Any]

#: The fit reaches from so far in front of L3 to so far behind L2, in eV.
FRONT, BEHIND = 8.0, 20.0
#: A line may move so far from where it was found, and its full width at half maximum lies between these (eV).
WANDER, NARROW, WIDE = 2.0, 0.2, 12.0
#: Width and Lorentzian share that a fit starts from.
WIDTH, SHARE = 3.0, 0.3


@dataclass(frozen=True)
class FittedLines:
    """What a fit found of L3 and L2, by line."""

    area: Array  # (rows, 2)
    covariance: Array  # (rows, 2, 2) of the areas
    position: Array  # (rows, 2) in eV
    shape: Array  # (rows, 2, 2) full width at half maximum in eV, Lorentzian share
    chi_square: Array  # (rows,)


def fit_lines(
    energy: Array,
    net: Array,
    places: Array,
    noise: Noise,
    step_width: float,
    *,
    gaussian: bool = False,
    shape: Array | None = None,
    frozen: Array | None = None,
) -> FittedLines:
    r"""Areas of L3 and L2 per row: two pseudo-Voigt lines or Gaussians, each with an arctangent at its position.

    Areas and steps may be negative, so that lines that are not there are zero in the mean.

    Parameters
    ----------
    energy : (n,) array
        In eV.
    net : (rows, n) array
        Spectra without background.
    places : (2, rows) array
        Where the lines lie, about.
    noise : Noise
        Of the channels: where counts are known, the weights are those of the fitted curve with the background under
        it. And of the background that was subtracted: to first order its parameters, moved by
        :math:`\delta`, move those of the lines by :math:`-(J^T W J)^{-1} J^T W \, \partial B/\partial\theta \, \delta`.
    step_width : float
        Of the arctangents, as in :func:`xas.eels.white_lines.weights.step_weights`.
    gaussian : bool
        Gaussian lines.
    shape : (rows, 2, 2) array, optional
        Width and Lorentzian share of each line that the fit starts from.
    frozen : (2, rows) array of bool, optional
        Lines whose position and shape are not fitted.
    """
    rows = len(net)
    start, low, high = (np.empty((rows, 2, NUMBERS // 2)) for _ in range(3))
    fixed = np.zeros(start.shape, bool)
    start[:] = 1.0, 0.1, 0.0, WIDTH, 0.0 if gaussian else SHARE
    start[..., 2] = places.T
    if shape is not None:
        start[..., 3:] = np.where(np.isfinite(shape), shape, start[..., 3:])
    low[:] = -np.inf, -np.inf, -WANDER, NARROW, 0.0
    high[:] = np.inf, np.inf, WANDER, WIDE, 1.0
    low[..., 2] += places.T
    high[..., 2] += places.T
    if frozen is not None:
        fixed[..., 2:] = frozen.T[..., None]
    fixed[..., 4] |= gaussian
    stated = bool((noise.variance > 0).any())
    variance = np.where(noise.variance > 0, noise.variance, np.inf) if stated else np.ones_like(net)
    basis = np.empty((energy.size, 0)) if noise.curve is None else noise.curve.basis(energy)
    under = np.zeros_like(net) if noise.subtracted is None else noise.subtracted
    found, covariance = np.full((rows, NUMBERS), np.nan), np.full((rows, NUMBERS, NUMBERS), np.nan)
    answer, chi2 = np.full((rows, NUMBERS, basis.shape[1]), np.nan), np.full(rows, np.nan)
    settled = np.zeros(rows, bool)
    inputs = (np.require(a, float, ["C", "W"]) for a in (energy, net, under, variance))
    limits = (a.reshape(rows, NUMBERS) for a in (start, low, high, fixed))
    per_count = np.zeros(rows) if noise.per_count is None else np.require(noise.per_count, float, ["C", "W"])
    fit_rows(
        *inputs, per_count, *limits, FRONT, BEHIND, step_width, basis, noise.curve_values is not None,
        found, covariance, answer, chi2, settled,
    )  # fmt: skip
    found[~settled] = np.nan
    place = np.array([0, NUMBERS // 2])
    spread = covariance[:, place[:, None], place] if stated else np.full((rows, 2, 2), np.nan)
    if noise.curve is not None and noise.covariance is not None:
        moved = answer[:, place]
        spread = spread + np.einsum("rit,rts,rjs->rij", moved, noise.covariance, moved)
    lines = found.reshape(rows, 2, -1)
    return FittedLines(lines[..., 0], spread, lines[..., 2], lines[..., 3:], chi2)
