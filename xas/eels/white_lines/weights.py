"""White lines as weighted sums of channels: windows, steps under the lines, second derivatives.

A result that is linear in the channels, with weights known, has an exact variance; so each method here returns the
weights of L3 and of L2 and nothing else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from xas.eels.channels.row_sums import lobe_rows, step_rows

__all__ = ["Windows", "channel_edges", "curvature_weights", "overlap", "step_weights"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Windows:
    """How white lines are measured."""

    l3: float  # half width, eV
    l2: float
    post: tuple[float, float]  # behind L2, eV
    steps: tuple[float, float]  # heights at L3 and L2, of the level behind L2
    arctan_width: float  # eV
    filter_width: float  # eV, full width at half maximum of the Gaussian of the second derivative
    channels: Literal["fractional", "whole"]
    overlapping: Literal["shrink", "keep"]
    line_shape: Literal["pseudo_voigt", "gaussian"] = "pseudo_voigt"  # of the curve fit


def channel_edges(energy: Array) -> Array:
    """Edges (n + 1,) of channels whose middles are ``energy``."""
    inner = (energy[1:] + energy[:-1]) / 2
    ends = 1.5 * energy[[0, -1]] - 0.5 * energy[[1, -2]]
    return np.asarray(np.concatenate([ends[:1], inner, ends[1:]]))


def overlap(energy: Array, low: Array, high: Array, channels: str) -> Array:
    """Width in eV (rows, n) of each channel inside ``low`` to ``high`` (rows,); whole channels count by their middle."""
    edges = channel_edges(energy)
    if channels == "whole":
        counted = (energy >= low[:, None] - 1e-9) & (energy <= high[:, None] + 1e-9)
        return np.asarray(counted * np.diff(edges))
    inside = np.minimum(edges[1:], high[:, None]) - np.maximum(edges[:-1], low[:, None])
    return np.asarray(np.clip(inside, 0, None))


def step_weights(
    energy: Array, l3: Array, l2: Array, halves: tuple[Array, Array], windows: Windows, arctan: bool
) -> Array:
    r"""Weights (2, rows, n) of the lines above two steps whose height is the level behind L2.

    .. math:: u_k = w_k - \Big(\sum_i w_{k,i} C_i\Big) w_H, \quad
              C(E) = s_3 S(E - E_3) + s_2 S(E - E_2)

    with the channels' widths inside the line's window :math:`w_k` and the mean over the window behind L2
    :math:`w_H`; S is a step or an arctangent :math:`\arctan(\pi E / w) / \pi + 1/2`.
    """
    weights = np.empty((2, l3.size, energy.size))
    step_rows(
        energy, channel_edges(energy), np.stack([l3, l2]), np.stack(halves), windows.post, windows.steps,
        windows.arctan_width if arctan else 0.0, windows.channels == "whole", weights,
    )  # fmt: skip
    return weights


def curvature_weights(
    energy: Array, net: Array, l3: Array, l2: Array, width: float, lobes: Array | None = None
) -> tuple[Array, Array]:
    r"""Weights (2, rows, n) of the positive lobes of minus the second derivative, after a Gaussian filter of full ``width``.

    .. math:: I = -\int_a^b N_s'' \, dE = N_s'(a) - N_s'(b)

    between the zeros a and b of :math:`N_s''` on both sides of the line; there :math:`N_s'` is stationary, so that the
    result is linear in the channels to first order although a and b come from them. NaN where there is no lobe. With
    the weights their zeros (2, rows, 2), of which those that are finite in ``lobes`` are taken as they are.
    """
    sigma = width / (2 * math.sqrt(2 * math.log(2)))
    ends = np.full((2, l3.size, 2), np.nan) if lobes is None else lobes.copy()
    weights = np.empty((2, l3.size, energy.size))
    widths, rows = np.diff(channel_edges(energy)), np.require(net, float, ["C", "W"])
    lobe_rows(energy, widths, rows, np.stack([l3, l2]), sigma, ends, weights)
    return weights, ends
