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


def _step(energy: Array, place: Array, windows: Windows, arctan: bool) -> Array:
    """Unit step at ``place`` (rows,) seen by channels: half in a channel whose middle it is."""
    if arctan:
        return np.arctan(np.pi * (energy - place[:, None]) / windows.arctan_width) / np.pi + 0.5
    if windows.channels == "whole":
        return np.where(energy >= place[:, None], 1.0, 0.0)
    edges = channel_edges(energy)
    return np.clip((edges[1:] - place[:, None]) / np.diff(edges), 0, 1)


def step_weights(
    energy: Array, l3: Array, l2: Array, halves: tuple[Array, Array], windows: Windows, arctan: bool
) -> tuple[Array, Array]:
    r"""Weights of the lines above two steps whose height is the level behind L2.

    .. math:: u_k = w_k - \Big(\sum_i w_{k,i} C_i\Big) w_H, \quad
              C(E) = s_3 S(E - E_3) + s_2 S(E - E_2)

    with the channels' widths inside the line's window :math:`w_k` and the mean over the window behind L2
    :math:`w_H`; S is a step or an arctangent :math:`\arctan(\pi E / w) / \pi + 1/2`.
    """
    continuum = windows.steps[0] * _step(energy, l3, windows, arctan)
    continuum += windows.steps[1] * _step(energy, l2, windows, arctan)
    level = overlap(energy, l2 + windows.post[0], l2 + windows.post[1], windows.channels)
    with np.errstate(divide="ignore", invalid="ignore"):
        level /= level.sum(-1, keepdims=True)
    weights = []
    for place, half in zip((l3, l2), halves, strict=True):
        own = overlap(energy, place - half, place + half, windows.channels)
        weights.append(own - (own * continuum).sum(-1, keepdims=True) * level)
    return weights[0], weights[1]


def curvature_weights(energy: Array, net: Array, l3: Array, l2: Array, width: float) -> tuple[Array, Array]:
    r"""Weights of the positive lobes of minus the second derivative, after a Gaussian filter of full width ``width``.

    .. math:: I = -\int_a^b N_s'' \, dE = N_s'(a) - N_s'(b)

    between the zeros a and b of :math:`N_s''` on both sides of the line; there :math:`N_s'` is stationary, so that the
    result is linear in the channels to first order although a and b come from them. NaN where there is no lobe.
    """
    sigma = width / (2 * math.sqrt(2 * math.log(2)))
    dx = np.diff(channel_edges(energy))
    t = (energy[:, None] - energy) / sigma
    bend = -(t**2 - 1) * np.exp(-(t**2) / 2) / (sigma**3 * math.sqrt(2 * math.pi)) * dx
    s = net @ bend.T
    weights = []
    for place in (l3, l2):
        a, b = _zeros_around(energy, s, place)
        weights.append((_slope(energy, a, sigma) - _slope(energy, b, sigma)) * dx)
    return weights[0], weights[1]


def _slope(energy: Array, at: Array, sigma: float) -> Array:
    """First derivative of a unit Gaussian filter at ``at`` (rows,), by channel."""
    t = (at[:, None] - energy) / sigma
    return np.asarray(-t * np.exp(-(t**2) / 2) / (sigma**2 * math.sqrt(2 * math.pi)))


def _zeros_around(energy: Array, s: Array, place: Array) -> tuple[Array, Array]:
    """The zeros of ``s`` (rows, n) next to ``place`` on both sides; NaN where ``s`` is not positive between them."""
    n = energy.size
    rows = np.arange(len(s))
    sound = np.isfinite(place)
    middle = np.clip(np.searchsorted(energy, np.nan_to_num(place)), 3, n - 4)
    around = middle[:, None] + np.arange(
        -3, 4
    )  # the lobe's top, some channels from a maximum that noise moved
    middle = around[rows, np.take_along_axis(s, around, -1).argmax(-1)]
    index = np.arange(n)
    below = (s <= 0) & (index < middle[:, None])
    above = (s <= 0) & (index > middle[:, None])
    left = n - 1 - below[:, ::-1].argmax(-1)
    right = above.argmax(-1)
    sound = sound & below.any(-1) & above.any(-1) & (s[rows, middle] > 0)
    left, right = np.where(sound, left, 0), np.where(sound, right, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        a = energy[left] + (energy[left + 1] - energy[left]) * s[rows, left] / (
            s[rows, left] - s[rows, left + 1]
        )
        b = energy[right] - (energy[right] - energy[right - 1]) * s[rows, right] / (
            s[rows, right] - s[rows, right - 1]
        )
    return np.where(sound, a, np.nan), np.where(sound, b, np.nan)
