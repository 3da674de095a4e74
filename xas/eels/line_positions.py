"""Where L3 and L2 lie: the pair of maxima at about the tabulated distance, each by a parabola through its top."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Positions", "binned", "find_lines", "vertex"]

Array = npt.NDArray[Any]

#: Width in eV of the box that smooths what is searched for the pair, and reach of each maximum about its place.
BOX, REACH = 1.5, 2.5
#: Where lines are looked for, channels are joined to about this width (eV).
BIN = 0.4
#: A parabola is moved so often at most, until it moves by less than this (eV).
MOVES, SETTLED = 12, 1e-4


@dataclass(frozen=True)
class Positions:
    """Positions of L3 and L2 per row in eV, and their derivatives by the values of the channels ``at``."""

    l3: Array  # (rows,)
    l2: Array
    by_l3: Array  # (rows, k), NaN where no parabola finds its middle near the maximum
    by_l2: Array
    at_l3: npt.NDArray[np.intp]  # (rows, k)
    at_l2: npt.NDArray[np.intp]


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
    coarse, bins = binned(energy, net)
    wide = float(np.median(np.diff(coarse)))
    smooth = _box(bins, max(1, round(BOX / wide)))
    apart = max(1, round(splitting / wide))
    score = np.full(bins.shape, -np.inf)
    score[:, :-apart] = smooth[:, :-apart] + smooth[:, apart:]
    score[:, (coarse < search[0]) | (coarse > search[1])] = -np.inf
    first = coarse[score.argmax(-1)]
    half = round(half_width / step) if half_width else max(6, round(0.6 / step))
    rows = np.isfinite(net).all(-1) & np.isfinite(score.max(-1))
    top = _box(bins, max(3, round(half * step / wide)))
    found = []
    for place in (first, first + splitting):
        near = np.abs(coarse - place[:, None]) <= REACH
        peak = np.where(near, top, -np.inf).argmax(-1)
        position, by, at = vertex(energy, net, coarse[peak], (half + 1) * step)
        position[~rows] = np.nan
        found.append((position, by, at))
    return Positions(*(one[i] for i in range(3) for one in found))


def binned(energy: Array, values: Array) -> tuple[Array, Array]:
    """Means of neighbouring channels, about ``BIN`` eV together, in which lines are looked for; NaN counts as zero."""
    size = max(1, round(BIN / float(np.median(np.diff(energy)))))
    last = energy.size // size * size
    bins = values[:, :last].reshape(len(values), -1, size).mean(-1)
    return energy[:last].reshape(-1, size).mean(-1), np.nan_to_num(bins)


def _box(values: Array, width: int) -> Array:
    """Mean over ``width`` channels around each, an odd number; the ends repeated."""
    half = width // 2
    padded = np.pad(values, ((0, 0), (half + 1, half)), mode="edge")
    running = np.cumsum(padded, -1)
    return np.asarray((running[:, 2 * half + 1 :] - running[:, : -2 * half - 1]) / (2 * half + 1))


def vertex(
    energy: Array, net: Array, start: Array, reach: float
) -> tuple[Array, Array, npt.NDArray[np.intp]]:
    """Vertex of the parabola around ``start``, moved until its vertex is its middle; ``start`` where there is none.

    Weights fall to zero at ``reach``, so that the vertex does not jump as channels come and go. With the position
    (rows,) its derivatives (rows, k) by the channels (rows, k).
    """
    place = start.copy()
    sound = np.zeros(start.shape, bool)
    rows = np.arange(len(net))
    for _ in range(MOVES):  # each row until it settles: no row depends on the others
        slope, bend, _, _ = _parabola(energy, net, rows, place[rows], reach)
        with np.errstate(divide="ignore", invalid="ignore"):
            step = -slope / (2 * bend)
            going = (bend < 0) & (np.abs(place[rows] + step - start[rows]) < reach + REACH / 2)
        rows, step = rows[going], step[going]
        place[rows] += np.clip(step, -reach / 2, reach / 2)
        settled = np.abs(step) < SETTLED
        sound[rows[settled]] = True
        rows = rows[~settled]
        if rows.size == 0:
            break
    everything, tiny = np.arange(len(net)), reach * 1e-3
    _, _, hats, index = _parabola(energy, net, everything, place, reach)
    low, high = (_parabola(energy, net, everything, place + d, reach)[0] for d in (-tiny, tiny))
    with np.errstate(divide="ignore", invalid="ignore"):
        by = -hats / ((high - low) / (2 * tiny))[:, None]
    return np.where(sound, place, start), np.where(sound[:, None], by, np.nan), index


def _parabola(
    energy: Array, net: Array, rows: npt.NDArray[np.intp], place: Array, reach: float
) -> tuple[Array, Array, Array, npt.NDArray[np.intp]]:
    """Of ``rows``: slope and bend at ``place`` of the weighted parabola, the weights of the channels in the slope, and which they are."""
    count = min(int(np.ceil(2 * reach / float(np.min(np.diff(energy))))) + 1, energy.size)
    first = np.clip(np.searchsorted(energy, place - reach), 0, energy.size - count)
    index = first[:, None] + np.arange(count)
    t = (energy[index] - place[:, None]) / reach
    w = np.clip(1 - t**2, 0, None)
    powers = np.empty((5, *t.shape))
    powers[0] = w
    for k in range(1, 5):
        np.multiply(powers[k - 1], t, out=powers[k])
    m = powers.sum(-1).T
    normal = m[:, np.array([[0, 1, 2], [1, 2, 3], [2, 3, 4]])]
    normal += 1e-12 * np.eye(3)  # a window outside of the data
    inverse = np.linalg.inv(normal)
    moments = np.einsum("krn,rn->rk", powers[:3], net[rows[:, None], index])
    slope = (inverse[:, 1] * moments).sum(-1) / reach
    bend = (inverse[:, 2] * moments).sum(-1) / reach**2
    hats = np.einsum("ri,irk->rk", inverse[:, 1], powers[:3]) / reach
    return slope, bend, hats, index
