"""Oxidation states as linked doublets: from the names of states to the components of a fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spectra.errors import InvalidInput, did_you_mean
from xps.links import identifier
from xps.tables import load_table, number

__all__ = ["doublet_components", "known_states"]


def known_states() -> dict[str, str]:
    """Tabulated oxidation states, each with its core level."""
    return {row["name"]: row["level"] for row in load_table("states")["state"]}


def doublet_components(
    states: Sequence[str],
    *,
    positions: Mapping[str, float] | None = None,
    splittings: Mapping[str, float] | None = None,
    position_range: float = 0.5,
    shape: str = "sgl",
) -> tuple[tuple[dict[str, Any], ...], list[str]]:
    """Two linked lines per state, as component tables, and what has to be said about the numbers used.

    Widths, their factor from the first to the second line, and the shape are common to all states; the area ratio
    is that of the level. Areas, the common width and factor are fitted, positions within ``position_range``.

    Parameters
    ----------
    states : sequence of str
        Names of the table: ``("Mn3+", "Mn4+")``. All of one core level.
    positions, splittings : mapping, optional
        By state, in eV, instead of the table's.
    position_range : float
        Positions may move by this much in eV; 0 keeps them.
    shape : str
        Line shape of all components; one with a single width.

    Returns
    -------
    tuple
        Component tables as in :mod:`xps.links`, and sentences.
    """
    rows = _rows(states, positions or {}, splittings or {})
    level = _common_level(rows)
    if position_range < 0:
        raise InvalidInput(f"position_range must not be negative, got {position_range:g} eV.")
    first, second = level["lines"]
    leader = f"{rows[0]['name']} {first}"
    follower = f"{rows[0]['name']} {second}"
    widths = _widths(shape, level)
    factor = _limits(level["width_factor"])
    components: list[dict[str, Any]] = []
    for row in rows:
        name = row["name"]
        position = (positions or {}).get(name, number(row["position"]))
        high = {
            "name": f"{name} {first}",
            "shape": shape,
            "state": name,
            "valence": row["valence"],
            "position": {
                "value": position,
                "min": position - position_range,
                "max": position + position_range,
            },
        }
        low = {
            "name": f"{name} {second}",
            "partner": high["name"],
            "splitting": (splittings or {}).get(name, number(row.get("splitting", level["splitting"]))),
            "area_ratio": number(level["area_ratio"]),
        }
        own = high["name"] == leader
        for width, value in widths.items():
            high[width] = value if own else f"{identifier(leader)}{width}"
        low["width_factor"] = factor if own else f"{identifier(follower)}width_factor"
        components += [high, low]
    return tuple(components), _said(rows, level, positions or {}, splittings or {})


def _rows(
    states: Sequence[str], positions: Mapping[str, float], splittings: Mapping[str, float]
) -> list[dict[str, Any]]:
    table = {row["name"]: row for row in load_table("states")["state"]}
    if not states:
        raise InvalidInput("states is empty: name at least one, e.g. states = ('Mn3+', 'Mn4+').")
    for name in states:
        if name not in table:
            raise InvalidInput(
                f"no state {name!r}; {did_you_mean(name, table)}. Others can be given as components."
            )
    if len(set(states)) < len(states):
        raise InvalidInput(f"states holds one of them twice: {', '.join(states)}.")
    for option, given in (("positions", positions), ("splittings", splittings)):
        for name in given:
            if name not in states:
                raise InvalidInput(
                    f"{option} names {name!r}, which is not among the states {', '.join(states)}."
                )
    return [table[name] for name in states]


def _common_level(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    levels = {row["level"] for row in rows}
    if len(levels) > 1:
        listed = ", ".join(f"{row['name']} ({row['level']})" for row in rows)
        raise InvalidInput(f"the states are of different levels: {listed}. Deconvolve one level at a time.")
    return next(row for row in load_table("levels")["level"] if row["name"] in levels)


def _limits(entry: Mapping[str, Any]) -> dict[str, float]:
    low, high = entry["range"]
    return {"value": number(dict(entry)), "min": float(low), "max": float(high)}


def _widths(shape: str, level: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of the widths of the first line, by the names the shape has for them."""
    fitted = _limits(level["fwhm"])
    names: dict[str, dict[str, Any]] = {
        **{name: {"fwhm": fitted} for name in ("gaussian", "lorentzian", "pseudo_voigt", "sgl")},
        "gl": {"width": fitted},
        "voigt": {"fwhm_g": fitted, "fwhm_l": number(level["natural_width"])},
    }
    if shape not in names:
        raise InvalidInput(
            f"states cannot be drawn with the shape {shape!r}; {did_you_mean(shape, names)}. Other shapes need components."
        )
    return names[shape]


def _said(
    rows: Sequence[Mapping[str, Any]],
    level: Mapping[str, Any],
    positions: Mapping[str, float],
    splittings: Mapping[str, float],
) -> list[str]:
    """What the result has to say about the numbers used."""
    said = []
    if any(row["multiplets"] for row in rows):
        said.append(
            "each state is one doublet: the multiplets of ions with unpaired d electrons are not resolved, and "
            "fractions are estimates"
        )
    for row in rows:
        for key, given in (("position", positions), ("splitting", splittings)):
            entry = row.get(key, level.get(key))
            if row["name"] not in given and entry["status"] == "to-verify":
                said.append(
                    f"the {key} of {row['name']} ({number(entry):g} eV, {entry['source']}) is yet to be verified"
                )
    return said
