"""What a line counts per atom: cross sections by a named scale, and the energies of levels."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass

from spectra.errors import InvalidInput, did_you_mean
from xps.tables import load_table, number

__all__ = ["Level", "binding_energy", "cross_section", "parse_level"]

TOLERANCE = 1.5  # eV; photon energies of one anode that files state differ by 0.1
_LEVEL = re.compile(r"([A-Z][a-z]?)\s*([1-6][spdf])\s*([1357]/2)?")
_SHELL = dict(zip("123456", "KLMNOP", strict=True))
_ORDER = ("s", "p1/2", "p3/2", "d3/2", "d5/2", "f5/2", "f7/2")


@dataclass(frozen=True)
class Level:
    """A core level, or one line of its doublet: ``Mn 2p``, ``Mn 2p3/2``."""

    element: str
    shell: str
    j: str | None

    @property
    def name(self) -> str:
        """As users write it."""
        return f"{self.element} {self.shell}{self.j or ''}"

    def lines(self, known: Mapping[str, float]) -> list[str]:
        """Which of the sublevels in a table belong to it."""
        wanted = f"{self.shell}{self.j or ''}"
        return [name for name in known if name == wanted or (self.j is None and name.startswith(self.shell))]


def parse_level(name: str) -> Level:
    """Level of a line: ``"Mn 2p"``, ``"O1s"``, ``"W 4f7/2"``.

    Raises
    ------
    InvalidInput
    """
    match = _LEVEL.fullmatch(name.strip())
    if match is None:
        raise InvalidInput(f"{name!r} is not a core level: write it as 'Mn 2p', 'O 1s' or 'W 4f7/2'.")
    return Level(match.group(1), match.group(2), match.group(3))


def cross_section(level: Level, photon_energy: float) -> float:
    """Scofield's cross section of a level, all its lines together, relative to C 1s.

    Raises
    ------
    InvalidInput
        No table for this source, or no such level in it.

    Examples
    --------
    >>> from xps.quantities.sensitivity import cross_section, parse_level
    >>> round(cross_section(parse_level("Mn 2p"), 1486.6), 2)
    13.91
    """
    sources = load_table("scofield")["source"]
    source = next(
        (s for s in sources if abs(number(s["photon_energy"]) - photon_energy) <= TOLERANCE),
        None,
    )
    if source is None:
        known = ", ".join(f"{s['name']} {number(s['photon_energy']):g} eV" for s in sources)
        raise InvalidInput(
            f"there are no cross sections for a photon energy of {photon_energy:g} eV (there are for {known}): "
            "give factors of your own, and name their scale."
        )
    levels = source["levels"]
    if level.element not in levels:
        raise InvalidInput(f"the scale scofield has no element {level.element!r}: give its factor.")
    found = level.lines(levels[level.element])
    if not found or (level.j is None and level.shell[1] != "s" and len(found) < 2):
        raise InvalidInput(
            f"the scale scofield has no {level.name} for {source['name']}; "
            f"{did_you_mean(level.shell, levels[level.element])}."
        )
    return float(sum(levels[level.element][name] for name in found))


@functools.cache
def binding_energy(level: Level) -> float:
    """Binding energy of a level of the element in eV, the line of highest j; that of compounds is within some eV.

    Raises
    ------
    InvalidInput
    """
    import xraydb

    for row in load_table("level_energies")["level"]:
        if row["name"] == level.name:
            return number(row["position"])
    try:
        edges = xraydb.xray_edges(level.element)
    except ValueError:
        raise InvalidInput(f"there is no element {level.element!r}.") from None
    shell, letter = _SHELL[level.shell[0]], level.shell[1]
    sublevels = [n for n in _ORDER if n.startswith(letter) and (level.j is None or n.endswith(level.j))]
    for sublevel in reversed(sublevels):
        edge = edges.get("K" if shell == "K" else f"{shell}{_ORDER.index(sublevel) + 1}")
        if edge is not None:
            return float(edge.energy)
    raise InvalidInput(f"{level.element} has no level {level.shell}{level.j or ''} of a known energy.")
