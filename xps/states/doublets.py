"""Chemical states as linked lines: from the names of states to the components of a fit.

A state is one doublet, one line of an s level, or a packet of multiplets; what the lines of a level share is here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from spectra.errors import InvalidInput, did_you_mean
from xps.links import identifier
from xps.states.metals import MetalLine, metal_line
from xps.states.own_tables import OwnTables, StateTables, state_tables
from xps.states.packets import Packet, packet_of
from xps.tables import number

__all__ = ["Packets", "check_names", "doublet_components", "known_states", "states_of"]

#: Whether multiplets are drawn: not, with areas that were read in their source, or also with areas yet to be verified.
Packets = bool | Literal["to-verify"]
Component = dict[str, Any]


def known_states(own_tables: OwnTables | None = None) -> dict[str, str]:
    """States of the tables, and of a user's own, each with its core level."""
    return {name: row["level"] for name, row in state_tables(own_tables).states.items()}


def states_of(element: str | None, own_tables: OwnTables | None = None) -> list[str]:
    """States of one element; none where it is not known which."""
    return [name for name, level in known_states(own_tables).items() if level.split()[0] == element]


def check_names(states: Sequence[str], here: Sequence[str], own_tables: OwnTables | None = None) -> None:
    """Compare a name that no table has with the few ``here``, those of the element that was measured."""
    known = known_states(own_tables)
    for name in states if here else ():
        if name not in known:
            raise InvalidInput(
                f"no state {name!r}; {did_you_mean(name, here)}. Others can be given as own_tables or components."
            )


def doublet_components(
    states: Sequence[str],
    *,
    own_tables: OwnTables | None = None,
    positions: Mapping[str, float] | None = None,
    splittings: Mapping[str, float] | None = None,
    position_range: float = 0.5,
    shape: str = "sgl",
    packets: Packets = False,
    packet_areas: Mapping[str, Sequence[float]] | None = None,
    one_line: bool = False,
) -> tuple[tuple[Component, ...], list[str]]:
    """Linked lines of each state, as component tables, and what has to be said about the numbers used.

    Widths, their factor from the first to the second line, and the shape are common to all states of a level, but
    for satellites and metals, whose width is their own; the area ratio is that of the level. Metals that were measured
    have a shape, a splitting and an area ratio of their own (:mod:`xps.states.metals`). One area and one position per state
    are fitted, the latter within ``position_range``.

    Parameters
    ----------
    states : sequence of str
        Names of the table: ``("Mn3+", "Mn4+")``, ``("V4+", "V5+", "O 1s lattice")``.
    own_tables : mapping, optional
        States and levels beside, or instead of, those of the tables (:mod:`xps.states.own_tables`).
    positions, splittings : mapping, optional
        By state, in eV, instead of the table's; of a packet the position of its first line.
    position_range : float
        Positions may move by this much in eV; 0 keeps them.
    shape : str
        Line shape of all components; one with a single width.
    packets : bool or "to-verify"
        Draw states as packets of multiplets where one is tabulated: True with areas read in their source or given,
        ``"to-verify"`` also with areas that have not been checked against it.
    packet_areas : mapping, optional
        Relative areas of the lines of a packet by state, instead of the table's.
    one_line : bool
        Draw the line of high j only, for a background that ends before the other.

    Returns
    -------
    tuple
        Component tables as in :mod:`xps.links`, and sentences.
    """
    tables = state_tables(own_tables)
    rows = _rows(tables, states, positions or {}, splittings or {}, packet_areas or {})
    if position_range < 0:
        raise InvalidInput(f"position_range must not be negative, got {position_range:g} eV.")
    if packet_areas and not packets:
        raise InvalidInput("packet_areas belong to packets: say packets = true, or leave them out.")
    components: list[Component] = []
    said: list[str] = []
    for name in dict.fromkeys(row["level"] for row in rows):
        level = _Level(tables.levels[name], shape, one_line)
        for row in (r for r in rows if r["level"] == name):
            state = row["name"]
            metal = metal_line(row, bool(packets))
            packet = packet_of(row, packets, (packet_areas or {}).get(state)) if packets else None
            start = packet.position if packet else number(row["position"])
            position = (positions or {}).get(state, start) - (metal.top if metal else 0.0)
            limits = {"value": position, "min": position - position_range, "max": position + position_range}
            splitting = (splittings or {}).get(state, metal.splitting if metal else level.splitting(row))
            if metal:
                components += level.metal(row, metal, limits, splitting)
                said += metal.said
            elif packet:
                components += level.packet(row, packet, limits, splitting)
            else:
                components += level.state(row, limits, splitting)
            given = [
                key
                for key, names in (("position", positions), ("splitting", splittings))
                if state in (names or {})
            ]
            said += [tables.said[state]] if state in tables.said else []
            said += _said(row, level.row, packet, given, bool(packets))
    return tuple(components), list(dict.fromkeys(said))


def _rows(
    tables: StateTables,
    states: Sequence[str],
    positions: Mapping[str, Any],
    splittings: Mapping[str, Any],
    areas: Mapping[str, Any],
) -> list[dict[str, Any]]:
    table = tables.states
    if not states:
        raise InvalidInput("states is empty: name at least one, e.g. states = ('Mn3+', 'Mn4+').")
    for name in states:
        if name not in table:
            raise InvalidInput(
                f"no state {name!r}; {did_you_mean(name, table)}. Others can be given as own_tables or components."
            )
    if len(set(states)) < len(states):
        raise InvalidInput(f"states holds one of them twice: {', '.join(states)}.")
    for option, given in (("positions", positions), ("splittings", splittings), ("packet_areas", areas)):
        for name in given:
            if name not in states:
                raise InvalidInput(
                    f"{option} names {name!r}, which is not among the states {', '.join(states)}."
                )
    return [table[name] for name in states]


@dataclass
class _Level:
    """A core level and what its lines share: the component that leads in width, and the one that leads in its factor."""

    row: Mapping[str, Any]
    shape: str
    one_line: bool
    leader: str | None = None  # its width is fitted, the others follow
    leader_width: float = 1.0
    follower: str | None = None  # its width factor, area ratio are fitted

    @property
    def name(self) -> str:
        return str(self.row["name"])

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(self.row["lines"][: 1 if self.one_line else None])

    def splitting(self, row: Mapping[str, Any]) -> float:
        """Splitting of a state; 0 where the level has one line."""
        entry = row.get("splitting", self.row.get("splitting"))
        return 0.0 if entry is None else number(entry)

    def state(
        self, row: Mapping[str, Any], position: Mapping[str, float], splitting: float
    ) -> list[Component]:
        """One line, or a doublet."""
        first = self._first(row, self._called(row, self.lines[0]), position)
        if "fwhm" in row:
            first |= self._widths(_limits(row["fwhm"]))
        elif self.leader is None:
            self._lead(first["name"], number(self.row["fwhm"]))
            first |= self._widths(_limits(self.row["fwhm"]))
        else:
            first |= self._following(number(self.row["fwhm"]))
        return [first, *(self._second(first, self._called(row, line), splitting) for line in self.lines[1:])]

    def metal(
        self, row: Mapping[str, Any], metal: MetalLine, position: Mapping[str, float], splitting: float
    ) -> list[Component]:
        """The asymmetric line of a metal and its losses, tied to it in energy and area, with their partners."""
        name = self._called(row, self.lines[0])
        line = self._first(row, name, position) | {"shape": metal.shape, **metal.numbers}
        made = [line | {"fwhm_g": dict(metal.broadening)}]
        head = identifier(name)
        for k, loss in enumerate(metal.losses, 1):
            made.append(
                self._first(row, f"{name} loss {k}", position) | {"shape": "gaussian", "fwhm": loss.width}
            )
            made[-1] |= {
                "position": f"{head}position + {loss.distance!r}",
                "area": f"{head}area * {loss.share!r}",
            }
        wider = {id(made[0]): metal.width_factor}
        tie = {"splitting": splitting, "area_ratio": metal.area_ratio}
        for second in self.lines[1:]:
            made += [
                {
                    "name": first["name"].replace(self.lines[0], second),
                    "partner": first["name"],
                    "width_factor": wider.get(id(first), metal.loss_width_factor),
                    **tie,
                }
                for first in tuple(made)
            ]
        return made

    def packet(
        self, row: Mapping[str, Any], packet: Packet, position: Mapping[str, float], splitting: float
    ) -> list[Component]:
        """Every line of a packet, tied to the first in energy, area and width, with its partner."""
        made: list[Component] = []
        for k, (offset, width, area) in enumerate(
            zip(packet.offsets, packet.widths, packet.areas, strict=True), 1
        ):
            line = self._first(row, f"{self._called(row, self.lines[0])} p{k}", position)
            if made:
                head = identifier(made[0]["name"])
                line["position"] = f"{head}position + {offset!r}"
                line["area"] = f"{head}area * {area!r}"
            if self.leader is None:
                self._lead(line["name"], width)
                low, high = packet.broadening
                line |= self._widths({"value": width, "min": low * width, "max": high * width})
            else:
                line |= self._following(width)
            made += [
                line,
                *(
                    self._second(line, f"{self._called(row, second)} p{k}", splitting)
                    for second in self.lines[1:]
                ),
            ]
        return made

    def _lead(self, name: str, width: float) -> None:
        self.leader, self.leader_width = name, width

    def _called(self, row: Mapping[str, Any], line: str) -> str:
        if "label" in row:
            return f"{self.name.split()[0]} {line} {row['label']}"
        return f"{row['name']} {line}".strip()

    def _first(self, row: Mapping[str, Any], name: str, position: Mapping[str, float]) -> Component:
        about = (
            {} if row.get("kind") == "satellite" else {"state": row["name"], "valence": row.get("valence")}
        )
        return {"name": name, "shape": self.shape, "level": self.name, **about, "position": dict(position)}

    def _second(self, first: Component, name: str, splitting: float) -> Component:
        made: Component = {"name": name, "partner": first["name"], "splitting": splitting}
        for key in ("area_ratio", "width_factor"):
            entry = self.row[key]
            fitted = "range" in entry and (key == "width_factor" or entry.get("fitted", False))
            if not fitted:
                made[key] = number(entry)
            elif self.follower is None:
                made[key] = _limits(entry)
            else:
                made[key] = f"{identifier(self.follower)}{key}"
        self.follower = self.follower or name
        return made

    def _following(self, width: float) -> Component:
        """Widths tied to those of the line that leads."""
        factor = width / self.leader_width
        times = "" if factor == 1 else f" * {factor!r}"
        head = identifier(str(self.leader))
        return {key: f"{head}{key}{times if key != 'fwhm_l' else ''}" for key in self._widths({})}

    def _widths(self, fitted: Mapping[str, float]) -> Component:
        """What is known of the widths of a line, by the names the shape has for them."""
        if self.shape == "voigt" and "natural_width" not in self.row:
            raise InvalidInput(
                f"voigt lines need the natural_width of {self.name}, which own_tables does not give: add it to the level, "
                "or take another shape."
            )
        names: dict[str, Component] = {
            **{name: {"fwhm": fitted} for name in ("gaussian", "lorentzian", "pseudo_voigt", "sgl")},
            "gl": {"width": fitted},
            "voigt": {"fwhm_g": fitted, "fwhm_l": number(self.row.get("natural_width", 0.0))},
        }
        if self.shape not in names:
            raise InvalidInput(
                f"states cannot be drawn with the shape {self.shape!r}; {did_you_mean(self.shape, names)}. Other shapes "
                "need components."
            )
        return names[self.shape]


def _limits(entry: Mapping[str, Any]) -> dict[str, float]:
    low, high = entry["range"]
    return {"value": number(dict(entry)), "min": float(low), "max": float(high)}


def _said(
    row: Mapping[str, Any],
    level: Mapping[str, Any],
    packet: Packet | None,
    given: Sequence[str],
    packets: bool,
) -> list[str]:
    """What the result has to say about the numbers used."""
    name = row["name"]
    said: list[str] = []
    if packet:
        said += packet.said
    elif row.get("multiplets"):
        said.append(
            "each state is one doublet: the multiplets of ions with unpaired d electrons are not resolved, and "
            "fractions are estimates"
        )
        if packets:
            said.append(f"no packet is known for {name}: it is one doublet beside packets")
    for key in ("position", "splitting"):
        entry = row.get(key, level.get(key))
        if (
            entry
            and key not in given
            and entry["status"] == "to-verify"
            and not (packet and key == "position")
        ):
            said.append(
                f"the {key} of {name} ({number(entry):g} eV, {entry['source']}) is yet to be verified"
            )
    if row.get("kind") == "satellite":
        said.append(f"{name} enters no fraction: it belongs to the element and to no state of its own")
    if "caveat" in row:
        said.append(f"{name}: {row['caveat']}")
    return said
