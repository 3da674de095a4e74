"""Where L3 and L2 lie: the pair of maxima at about the tabulated distance, each by a parabola through its top."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from xas.eels.white_lines.position_rows import bin_rows, find_pairs, move_to_vertices

__all__ = ["Positions", "binned", "find_lines", "half_channels", "vertex"]

Array = npt.NDArray[Any]

#: Width in eV of the box that smooths what is searched for the pair, and reach of each maximum about its place.
BOX, REACH = 1.5, 2.5
#: Where lines are looked for, channels are joined to about this width (eV).
BIN = 0.4


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
    energy: Array,
    net: Array,
    search: tuple[float, float],
    splitting: float,
    half_width: float | None = None,
    bins: tuple[Array, Array, Array] | None = None,
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
    bins : optional
        What :func:`binned` makes of them, where it is at hand.
    """
    step = float(np.median(np.diff(energy)))
    coarse, values, sound = binned(energy, net) if bins is None else bins
    wide = float(np.median(np.diff(coarse)))
    half = half_channels(energy, half_width)
    first, last = np.searchsorted(coarse, search[0]), np.searchsorted(coarse, search[1], "right")
    sound = sound & bool(first < last)
    tops = np.empty((2, len(net)))
    apart = min(max(1, round(splitting / wide)), coarse.size - 1)
    find_pairs(
        coarse, values, first, last, apart, splitting, max(1, round(BOX / wide)) // 2,
        max(3, round(half * step / wide)) // 2, REACH, tops[0], tops[1],
    )  # fmt: skip
    found = []
    for top in tops:
        position, by, at = vertex(energy, net, top, (half + 1) * step)
        position[~sound] = np.nan
        found.append((position, by, at))
    return Positions(*(one[i] for i in range(3) for one in found))


def half_channels(energy: Array, half_width: float | None = None) -> int:
    """Channels on each side of a parabola of that half width in eV; six, and at least 0.6 eV, where nobody says."""
    step = float(np.median(np.diff(energy)))
    return round(half_width / step) if half_width else max(6, round(0.6 / step))


def binned(energy: Array, values: Array) -> tuple[Array, Array, Array]:
    """Means of neighbouring channels, about ``BIN`` eV together, in which lines are looked for.

    Middles (m,), means (rows, m) with zero for what is not finite, and whether all of a row is finite (rows,).
    """
    size = max(1, round(BIN / float(np.median(np.diff(energy)))))
    last = energy.size // size * size
    bins, finite = np.empty((len(values), last // size)), np.empty(len(values), bool)
    bin_rows(np.require(values, float, ["C", "W"]), size, bins, finite)
    return energy[:last].reshape(-1, size).mean(-1), bins, finite


def vertex(
    energy: Array, net: Array, start: Array, reach: float
) -> tuple[Array, Array, npt.NDArray[np.intp]]:
    """Vertex of the parabola around ``start``, moved until its vertex is its middle; ``start`` where there is none.

    Weights fall to zero at ``reach``, so that the vertex does not jump as channels come and go. With the position
    (rows,) its derivatives (rows, k) by the channels (rows, k).
    """
    count = min(int(np.ceil(2 * reach / float(np.min(np.diff(energy))))) + 1, energy.size)
    rows = len(net)
    place, by, at = np.empty(rows), np.empty((rows, count)), np.empty((rows, count), np.intp)
    net, start = np.require(net, None, ["C", "W"]), np.require(start, float, ["C", "W"])
    move_to_vertices(energy, net, start, reach, reach + REACH / 2, count, place, by, at)
    return place, by, at
