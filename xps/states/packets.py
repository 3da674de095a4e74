"""Packets of multiplets: the lines that one ion with unpaired electrons has, in fixed places and shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spectra.errors import InvalidInput
from xps.tables import load_table

__all__ = ["Packet", "packet_of"]


@dataclass(frozen=True)
class Packet:
    """Lines of high j of one state; energies and areas count from the first."""

    position: float  # eV, of the first line
    offsets: tuple[float, ...]  # eV
    widths: tuple[float, ...]  # eV
    areas: tuple[float, ...]
    broadening: tuple[float, float]  # by how much all widths may be scaled
    said: tuple[str, ...]


def packet_of(
    row: Mapping[str, Any], packets: bool | str, areas: Sequence[float] | None = None
) -> Packet | None:
    """Packet of a state of the table; None where none was published.

    Raises
    ------
    InvalidInput
        The areas inside the packet have not been verified, and nothing says to take them or others.
    """
    entry, name = row.get("packet"), row["name"]
    if entry is None:
        if areas is not None:
            raise InvalidInput(f"packet_areas names {name!r}, for which no packet is known: leave it out.")
        return None
    positions = [float(p) for p in entry["positions"]]
    said = [
        f"{name} is a packet of {len(positions)} lines with fixed distances and shares, {entry['source']}"
    ]
    if "secondary" in entry:
        said[0] += f" (read in {entry['secondary']})"
    shares = [float(a) for a in (entry["areas"] if areas is None else areas)]
    if areas is not None:
        if len(shares) != len(positions) or not (min(shares) >= 0 and shares[0] > 0):
            raise InvalidInput(
                f"packet_areas of {name} must be {len(positions)} numbers, none negative and the first above 0, got "
                f"{tuple(shares)}."
            )
    elif entry["areas_status"] != "read":
        if packets != "to-verify":
            raise InvalidInput(
                f"the areas inside the packet of {name} have not been verified: give packet_areas = {{ {name!r} = (...) }} "
                f"with {len(positions)} numbers, or say packets = 'to-verify' to take them as they are."
            )
        said.append(f"the areas inside the packet of {name} ({entry['areas_source']}) are yet to be verified")
    low, high = load_table("levels")["packets"]["broadening"]["range"]
    return Packet(
        positions[0],
        tuple(round(p - positions[0], 6) for p in positions),
        tuple(float(w) for w in entry["widths"]),
        tuple(a / shares[0] for a in shares),
        (float(low), float(high)),
        tuple(said),
    )
