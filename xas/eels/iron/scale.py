"""Where L3 of Fe2+ has its maximum: what the energy scale of iron's L edge is tied to."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

from spectra.errors import InvalidInput

__all__ = ["fe2_maximum_of", "maxima"]

Array = npt.NDArray[Any]

#: A maximum rises above the valley beside it by this share of the highest one.
RISE = 0.03


def maxima(energy: Array, y: Array, search: tuple[float, float]) -> list[float]:
    """Places of the maxima of ``y`` (n,) inside ``search``, by a parabola through each and its neighbours.

    A maximum counts if it is at least half as high as the highest and stands out of its valleys by 3 % of that.
    """
    from scipy.signal import find_peaks

    inside = (energy >= search[0]) & (energy <= search[1])
    part = np.where(inside & np.isfinite(y), y, -np.inf)
    top = part.max()
    if not np.isfinite(top) or top <= 0:
        return []
    seen = np.where(np.isfinite(y), y, 0.0)
    found, _ = find_peaks(seen, prominence=RISE * top, height=0.5 * top)
    found = found[inside[found]]
    places = []
    for i in found:
        a, b, _c = np.polyfit(energy[i - 1 : i + 2] - energy[i], seen[i - 1 : i + 2], 2)
        places.append(float(energy[i] - b / (2 * a)))
    return places


def fe2_maximum_of(energy: Array, y: Array, table: dict[str, Any]) -> float:
    """The first of two maxima that lie apart as those of Fe2+ and Fe3+ do.

    Raises
    ------
    InvalidInput
        There are not two such.
    """
    low, high = table["apart"]["value"]
    found = maxima(energy, y, tuple(table["search"]["value"]))
    for first, second in itertools.pairwise(found):
        if low <= second - first <= high:
            return first
    seen = ", ".join(f"{e:.1f}" for e in found) or "none"
    raise InvalidInput(
        f"which maximum is L3 of Fe2+ cannot be told (maxima at {seen} eV; two that are {low:g} to {high:g} eV apart are "
        "looked for): give fe2_maximum, from a compound of Fe2+ on the same scale."
    )
