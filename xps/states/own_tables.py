"""Tables of chemical states and their levels: those of the library, and a user's own in the same form."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spectra.errors import InvalidInput, did_you_mean
from xps.tables import load_table, number

__all__ = ["OwnTables", "StateTables", "state_tables"]

#: As a TOML file with ``[[state]]`` and ``[[level]]`` is read.
OwnTables = dict[str, tuple[dict[str, Any], ...]]
Row = dict[str, Any]

STATUS = ("read", "computed", "to-verify")
#: Numbers of a state and of a level, each with its unit.
OF_STATE = {"position": "eV", "splitting": "eV", "fwhm": "eV"}
OF_LEVEL = {"fwhm": "eV", "splitting": "eV", "area_ratio": "", "width_factor": "", "natural_width": "eV"}
ABOUT_STATE = ("name", "level", "label", "valence", "kind", "multiplets", "caveat")
ABOUT_LEVEL = ("name", "lines")


@dataclass(frozen=True)
class StateTables:
    """Rows of states and of levels by name, and what has to be said of those that a user gave."""

    states: Mapping[str, Row]
    levels: Mapping[str, Row]
    said: Mapping[str, str]  # by state


def state_tables(own: Mapping[str, Sequence[Row]] | None = None) -> StateTables:
    """Tables of the library, and over them the rows of ``own``.

    Parameters
    ----------
    own : mapping, optional
        ``{"state": (...), "level": (...)}``. A state has ``name``, ``level`` and ``position``, and may have
        ``splitting``, ``fwhm``, ``valence``, ``label``, ``kind``, ``multiplets`` and ``caveat``; a level has ``name``,
        ``lines`` and ``fwhm``, of two lines also ``splitting``, ``area_ratio`` and ``width_factor``, and for Voigt
        lines ``natural_width``. Each number is ``{value, unit, source, status}``, a width with its ``range``.

    Raises
    ------
    InvalidInput
        A key, a number, a source or a status that is missing or not what it must be.
    """
    levels_table = load_table("levels")
    levels = {row["name"]: row for row in (*levels_table["level"], *levels_table["assumed"])}
    states = {row["name"]: row for row in load_table("states")["state"]}
    said: dict[str, str] = {}
    for kind in own or {}:
        if kind not in ("state", "level"):
            raise InvalidInput(f"own_tables holds {kind!r}; {did_you_mean(kind, ('state', 'level'))}.")
    for row in (own or {}).get("level", ()):
        level = _level(row)
        levels[level["name"]] = level
    for row in (own or {}).get("state", ()):
        state = _state(row, levels)
        said[state["name"]] = _sentence(state, states.get(state["name"]))
        states[state["name"]] = state
    return StateTables(states, levels, said)


def _level(row: Mapping[str, Any]) -> Row:
    what = _name(row, "level")
    if len(what.split()) != 2:
        raise InvalidInput(f"own_tables: a level is an element and a shell such as 'Cr 2p', got {what!r}.")
    _keys(row, f"level {what!r}", (*ABOUT_LEVEL, *OF_LEVEL))
    lines = row.get("lines", ())
    if not (
        isinstance(lines, list | tuple) and len(lines) in (1, 2) and all(isinstance(n, str) for n in lines)
    ):
        raise InvalidInput(
            f"own_tables: lines of the level {what!r} must be one or two names such as ['2p3/2', '2p1/2'] or [''], got "
            f"{lines!r}."
        )
    needed = ("fwhm", "splitting", "area_ratio", "width_factor")[: 4 if len(lines) == 2 else 1]
    for key in needed:
        if key not in row:
            raise InvalidInput(f"own_tables: the level {what!r} with {len(lines)} lines needs {key!r}.")
    return _numbers(row, f"level {what!r}", OF_LEVEL)


def _state(row: Mapping[str, Any], levels: Mapping[str, Row]) -> Row:
    what = _name(row, "state")
    _keys(row, f"state {what!r}", (*ABOUT_STATE, *OF_STATE))
    if row.get("level") not in levels:
        raise InvalidInput(
            f"own_tables: the level {row.get('level')!r} of the state {what!r} is in no table; "
            f"{did_you_mean(str(row.get('level')), levels)}. Others are given as own_tables['level']."
        )
    if "position" not in row:
        raise InvalidInput(f"own_tables: the state {what!r} needs 'position'.")
    valence = row.get("valence")
    if valence is not None and (isinstance(valence, bool) or not isinstance(valence, int | float)):
        raise InvalidInput(f"own_tables: valence of the state {what!r} must be a number, got {valence!r}.")
    return {"multiplets": False, **_numbers(row, f"state {what!r}", OF_STATE)}


def _name(row: Mapping[str, Any], kind: str) -> str:
    name = row.get("name")
    if not (isinstance(name, str) and name.strip()):
        raise InvalidInput(f"own_tables: a {kind} needs a name, got {name!r}.")
    return name


def _keys(row: Mapping[str, Any], what: str, known: Sequence[str]) -> None:
    for key in row:
        if key not in known:
            raise InvalidInput(f"own_tables: {what} has {key!r}; {did_you_mean(key, known)}.")


def _numbers(row: Mapping[str, Any], what: str, units: Mapping[str, str]) -> Row:
    """``row`` with every number checked: it has a value, the unit of its kind, a source and a status."""
    for key, unit in units.items():
        if key in row:
            _number(row[key], f"{key} of the {what}", unit, ranged=key == "fwhm")
    return dict(row)


def _number(entry: Any, what: str, unit: str, *, ranged: bool) -> None:
    shape = f"{{ value = ..., unit = {unit!r}, source = '...', status = 'read' }}"
    if not isinstance(entry, Mapping):
        raise InvalidInput(f"own_tables: {what} must be {shape}, got {entry!r}.")
    value = entry.get("value")
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidInput(f"own_tables: value of the {what} must be a finite number, got {value!r}.")
    if entry.get("unit") != unit:
        raise InvalidInput(f"own_tables: unit of the {what} must be {unit!r}, got {entry.get('unit')!r}.")
    if not str(entry.get("source") or "").strip():
        raise InvalidInput(
            f"own_tables: the {what} needs a source: a DOI, or who measured it, on what and how."
        )
    if entry.get("status") not in STATUS:
        raise InvalidInput(
            f"own_tables: status of the {what} must be one of {', '.join(STATUS)}, got {entry.get('status')!r}."
        )
    if not ranged and "range" not in entry:
        return
    limits: Any = entry.get("range")
    pair = isinstance(limits, list | tuple) and len(limits) == 2
    if not (pair and all(isinstance(x, int | float) for x in limits) and limits[0] <= value <= limits[1]):
        raise InvalidInput(
            f"own_tables: range of the {what} must be two numbers around its value {value:g}, got {entry.get('range')!r}."
        )


def _sentence(row: Row, replaced: Row | None) -> str:
    entry = row["position"]
    text = f"{row['name']} is from own_tables: {number(entry):g} eV ({entry['source']}; status {entry['status']})"
    if replaced is None:
        return text
    return f"{text}; it stands in for the {number(replaced['position']):g} eV of the library's table"
