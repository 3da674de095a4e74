"""Lines of metals: asymmetric, with the losses that come with them, in shapes that were computed from measured metals.

Inside a fit, asymmetry and background are confounded: each takes what the other leaves. The shapes are therefore
fixed, computed once from a measured metal above a stated background, and an instrument may only broaden them. The
exponent of the long tail grows with the distance (:func:`spectra.fitting.asymmetric.lf`), so that every area is
finite; it holds the line with its tail and its losses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xps.tables import number

__all__ = ["Loss", "MetalLine", "metal_line"]


@dataclass(frozen=True)
class Loss:
    """A broad line that comes with the line of a metal; Gaussian."""

    distance: float  # eV above the line
    width: float  # eV
    share: float  # of the area of the line


@dataclass(frozen=True)
class MetalLine:
    """The line of high j of a metal, and how that of low j follows it."""

    shape: str
    numbers: Mapping[str, float]  # parameters of the shape that are kept
    broadening: Mapping[str, float]  # Gaussian width in eV: value, min, max
    top: float  # eV from the branch point of the shape to its maximum
    splitting: float  # eV
    area_ratio: float
    width_factor: float
    losses: tuple[Loss, ...]
    loss_width_factor: float
    said: tuple[str, ...]


def metal_line(row: Mapping[str, Any], packets: bool = False) -> MetalLine | None:
    """Line of a metal of the table of states; None for other states, and where no metal was measured.

    ``packets``: whether oxides beside it are drawn as packets of multiplets, on which it depends how far off fractions
    are.
    """
    entry = row.get("metal")
    if entry is None:
        return None
    name = row["name"]
    low, high = entry["fwhm_g"]["range"]
    width = float(entry["fwhm_l"])
    said = [
        f"{name} has a line with a tail and {len(entry['losses'])} losses of fixed shape, computed from {entry['source']}; "
        f"its area is that of all of them, which lies within {entry['counted'][0]:g} to {entry['counted'][1]:g} eV of "
        "each line"
    ]
    off = entry["systematic"]
    drawn = "packets" if packets else "single doublets"
    said.append(
        f"fraction of {name} beside oxides drawn as {drawn}: up to {off['packets' if packets else 'doublets']:g} off "
        f"({off['source']}); no sigma holds that"
    )
    return MetalLine(
        entry["shape"],
        {
            "fwhm_l": width,
            "a": float(entry["a"]),
            "b": float(entry["b"]),
            "w": float(entry["reach"]) / width,
        },
        {"value": number(entry["fwhm_g"]), "min": float(low), "max": float(high)},
        float(entry["top"]),
        float(entry["splitting"]),
        float(entry["area_ratio"]),
        float(entry["width_factor"]),
        tuple(Loss(*(float(v) for v in one)) for one in entry["losses"]),
        float(entry["loss_width_factor"]),
        tuple(said),
    )
