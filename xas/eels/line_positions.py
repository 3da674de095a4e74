"""Where L3 and L2 lie: the pair of maxima at about the tabulated distance, each by a parabola through its top."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Positions", "find_lines", "vertex"]

Array = npt.NDArray[Any]

#: Width in eV of the box that smooths what is searched for the pair, and reach of each maximum about its place.
BOX, REACH = 1.5, 2.5
#: A parabola is moved so often at most, until it moves by less than this (eV).
MOVES, SETTLED = 12, 1e-4


@dataclass(frozen=True)
class Positions:
    """Positions of L3 and L2 per row in eV, and their derivatives by the values along the axis."""

    l3: Array  # (rows,)
    l2: Array
    by_l3: Array  # (rows, n), NaN where no parabola finds its middle near the maximum
    by_l2: Array


def find_lines(
    energy: Array, net: Array, search: tuple[float, float], splitting: float, half_width: float | None = None
) -> Positions:
    """Find both lines in every row.

    Parameters
    ----------
    energy : (n,) array
        In eV, ascending.
    net : (rows, n) array
        Spectra without background.
    search : (float, float)
        Energies between which L3 is looked for.
    splitting : float
        Distance of the lines in eV, about.
    half_width : float, optional
        Of the parabola in eV. Default: six channels, at least 0.6 eV.
    """
    step = float(np.median(np.diff(energy)))
    smooth = _box(np.nan_to_num(net), max(1, round(BOX / step)))
    apart = max(1, round(splitting / step))
    score = np.full(net.shape, -np.inf)
    score[:, :-apart] = smooth[:, :-apart] + smooth[:, apart:]
    score[:, (energy < search[0]) | (energy > search[1])] = -np.inf
    first = energy[score.argmax(-1)]
    half = round(half_width / step) if half_width else max(6, round(0.6 / step))
    rows = np.isfinite(net).all(-1) & np.isfinite(score.max(-1))
    top = _box(np.nan_to_num(net), half)
    found = []
    for place in (first, first + splitting):
        near = np.abs(energy - place[:, None]) <= REACH
        peak = np.where(near, top, -np.inf).argmax(-1)
        position, by = vertex(energy, net, energy[peak], (half + 1) * step)
        position[~rows] = np.nan
        found.append((position, by))
    return Positions(found[0][0], found[1][0], found[0][1], found[1][1])


def _box(values: Array, width: int) -> Array:
    """Mean over ``width`` channels around each; at the ends over those that are there."""
    n = values.shape[-1]
    running = np.concatenate([np.zeros((len(values), 1)), np.cumsum(values, -1)], -1)
    low = np.clip(np.arange(n) - width // 2, 0, n)
    high = np.clip(np.arange(n) + width // 2 + 1, 0, n)
    return np.asarray((running[:, high] - running[:, low]) / (high - low))


def vertex(energy: Array, net: Array, start: Array, reach: float) -> tuple[Array, Array]:
    """Vertex of the parabola around ``start``, moved until its vertex is its middle; ``start`` where there is none.

    Weights fall to zero at ``reach``, so that the vertex does not jump as channels come and go.
    """
    place = start.copy()
    moving, sound = np.ones(start.shape, bool), np.zeros(start.shape, bool)
    for _ in range(MOVES):  # each row until it settles: no row depends on the others
        slope, bend, _, _ = _parabola(energy, net, place, reach)
        with np.errstate(divide="ignore", invalid="ignore"):
            step = -slope / (2 * bend)
            moving &= (bend < 0) & (np.abs(place + step - start) < reach + REACH / 2)
        place = place + np.where(moving, np.clip(step, -reach / 2, reach / 2), 0.0)
        sound |= moving & (np.abs(step) < SETTLED)
        moving &= ~sound
        if not moving.any():
            break
    _, _, hats, index = _parabola(energy, net, place, reach)
    tiny = reach * 1e-3
    low, high = (_parabola(energy, net, place + d, reach)[0] for d in (-tiny, tiny))
    with np.errstate(divide="ignore", invalid="ignore"):
        by = -hats / ((high - low) / (2 * tiny))[:, None]
    derivative = np.zeros(net.shape)
    np.put_along_axis(derivative, index, np.where(sound[:, None], by, np.nan), -1)
    return np.where(sound, place, start), derivative


def _parabola(
    energy: Array, net: Array, place: Array, reach: float
) -> tuple[Array, Array, Array, npt.NDArray[np.intp]]:
    """Slope and bend at ``place`` of the weighted parabola, the weights of the channels in the slope, and which they are."""
    count = min(int(np.ceil(2 * reach / float(np.min(np.diff(energy))))) + 1, energy.size)
    first = np.clip(np.searchsorted(energy, place - reach), 0, energy.size - count)
    index = first[:, None] + np.arange(count)
    t = (energy[index] - place[:, None]) / reach
    w = np.clip(1 - t**2, 0, None)
    m = np.stack([(w * t**k).sum(-1) for k in range(5)], -1)
    normal = m[:, np.array([[0, 1, 2], [1, 2, 3], [2, 3, 4]])]
    normal += 1e-12 * np.eye(3)  # a window outside of the data
    inverse = np.linalg.inv(normal)
    powers = np.stack([w, w * t, w * t * t], 1)
    y = np.take_along_axis(net, index, -1)
    moments = (powers * y[:, None, :]).sum(-1)
    slope = (inverse[:, 1] * moments).sum(-1) / reach
    bend = (inverse[:, 2] * moments).sum(-1) / reach**2
    hats = np.einsum("ri,rik->rk", inverse[:, 1], powers) / reach
    return slope, bend, hats, index
