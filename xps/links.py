"""Components as tables: what a scientist writes down about each line, turned into a model with its ties.

A component is a table: ``name``, ``shape`` (``spectra.fitting.list_shapes()``), and the shape's parameters. A number
is kept, a table ``{value, min, max}`` is fitted between its limits, a text is an expression in the parameters of
other components (``"mn3_position + 1.5"``: name in small letters, everything else an underscore). Left out, the area
and the widths are fitted and the rest is kept at the shape's own value.

A component with a ``partner`` is the second line of a doublet: ``splitting`` (eV, added to the partner's position),
``area_ratio`` and ``width_factor`` (1 if left out) say how it follows, and its shape is the partner's.
``state`` and ``valence`` say what a component stands for, and ``level`` which core level it belongs to: fractions are
those of the states of one level.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spectra.errors import InvalidInput, did_you_mean
from spectra.fitting.shapes import shape

__all__ = ["Line", "LinkedModel", "identifier", "linked_model"]

TABLE_KEYS = ("value", "min", "max", "vary")
WIDTHS = ("fwhm", "fwhm_g", "fwhm_l", "width")
DOUBLET = ("splitting", "area_ratio", "width_factor")
UNLIMITED = {"min": -math.inf, "max": math.inf}  # a tie with limits of its own would be clipped at them
ABOUT = ("name", "shape", "level", "state", "valence", "partner")


@dataclass(frozen=True)
class Line:
    """One component of a model and what it stands for."""

    name: str
    prefix: str
    shape: str
    state: str | None
    valence: float | None
    partner: str | None = None
    level: str | None = None


@dataclass(frozen=True)
class LinkedModel:
    """Lines and the model they make, as :func:`spectra.fit` takes it: components, and settings of all parameters."""

    lines: tuple[Line, ...]
    model: tuple[dict[str, Any], ...]
    params: dict[str, dict[str, Any]]


def linked_model(components: Sequence[Mapping[str, Any]]) -> LinkedModel:
    """Model of all components with limits and ties.

    Raises
    ------
    InvalidInput
        An unknown key, shape, partner or name, or a value that is neither number, table nor expression.
    """
    if not components:
        raise InvalidInput("components is empty: a model needs at least one.")
    lines = _lines(components)
    by_name = {line.name: line for line in lines}
    params: dict[str, dict[str, Any]] = {}
    for component, line in zip(components, lines, strict=True):
        if line.partner is None:
            params |= _own_parameters(component, line)
        else:
            params |= _second_line(component, line, by_name[line.partner])
    return LinkedModel(lines, tuple({"shape": line.shape, "prefix": line.prefix} for line in lines), params)


def _lines(components: Sequence[Mapping[str, Any]]) -> tuple[Line, ...]:
    lines: dict[str, Line] = {}
    for number, component in enumerate(components):
        name = component.get("name")
        if not isinstance(name, str) or not name:
            raise InvalidInput(f"component {number} has no name: give each one, e.g. name = 'Mn3+ 2p3/2'.")
        prefix = identifier(name)
        if any(prefix == other.prefix for other in lines.values()):
            raise InvalidInput(
                f"component {name!r} comes twice, or reads the same in expressions ({prefix!r})."
            )
        partner = component.get("partner")
        if partner is not None and partner not in lines:
            raise InvalidInput(
                f"component {name!r} has the partner {partner!r}, which must stand before it; "
                f"{did_you_mean(partner, lines)}."
            )
        drawn = component.get("shape", lines[partner].shape if partner else "sgl")
        if partner is not None and drawn != lines[partner].shape:
            raise InvalidInput(
                f"component {name!r} must have the shape of its partner, {lines[partner].shape!r}."
            )
        inherited = lines[partner] if partner else None
        lines[name] = Line(
            name,
            prefix,
            shape(drawn).name,
            component.get("state", inherited.state if inherited else None),
            component.get("valence", inherited.valence if inherited else None),
            partner,
            component.get("level", inherited.level if inherited else None),
        )
    return tuple(lines.values())


def identifier(name: str) -> str:
    """Name of a component as expressions write it, with the underscore that a parameter follows."""
    # C=O is another line than C-O
    text = re.sub(r"\W+", "_", name.lower().replace("=", " double ")).strip("_")
    return f"{text if text[:1].isalpha() else f'c{text}'}_"


def _own_parameters(component: Mapping[str, Any], line: Line) -> dict[str, dict[str, Any]]:
    """Settings of a component that stands for itself."""
    known = {p.name: p for p in shape(line.shape).parameters}
    _check_keys(component, line, tuple(known))
    if "position" not in component:
        raise InvalidInput(
            f"component {line.name!r} has no position: give a number or a table with value, min, max."
        )
    settings = {}
    for name, parameter in known.items():
        limits = {"value": parameter.value, "min": parameter.min, "max": parameter.max}
        left_out = {**limits, "vary": name in ("area", "amplitude", *WIDTHS)}
        called = f"{line.name!r}: {name}"
        settings[line.prefix + name] = (
            _setting(component[name], limits, called) if name in component else left_out
        )
    return settings


def _second_line(component: Mapping[str, Any], line: Line, partner: Line) -> dict[str, dict[str, Any]]:
    """Settings that tie a component to its partner; a splitting, ratio or factor has a parameter of its own."""
    _check_keys(component, line, DOUBLET)
    for key in ("splitting", "area_ratio"):
        if key not in component:
            raise InvalidInput(f"component {line.name!r} has a partner and no {key}: give it.")
    settings = {}
    change = {}
    for key, sign in zip(DOUBLET, "+**", strict=True):
        value = component.get(key, 1.0)
        if _is_number(value):
            change[key] = f" {sign} {float(value)!r}"
        else:
            change[key] = f" {sign} {line.prefix}{key}"
            free = {"value": 1.0, "min": -math.inf, "max": math.inf}
            settings[line.prefix + key] = _setting(value, free, f"{line.name!r}: {key}")
    of = {"position": "splitting", "area": "area_ratio", **dict.fromkeys(WIDTHS, "width_factor")}
    # a curve that is drawn wider has more area by as much: what is left of the ratio is that of the amplitudes
    change["amplitude"] = change["area_ratio"] + change["width_factor"].replace("*", "/")
    of["amplitude"] = "amplitude"
    for name in shape(line.shape).names:
        follows = change[of[name]] if name in of else ""
        settings[line.prefix + name] = {"expr": f"{partner.prefix}{name}{follows}", **UNLIMITED}
    return settings


def _setting(value: Any, limits: Mapping[str, float], called: str) -> dict[str, Any]:
    """One parameter from a number, a table or an expression."""
    if isinstance(value, str):
        return {"expr": value, **UNLIMITED}
    if _is_number(value):
        return {"value": float(value), "min": -math.inf, "max": math.inf, "vary": False}
    if not isinstance(value, Mapping):
        raise InvalidInput(f"component {called} must be a number, a table or an expression, got {value!r}.")
    for key in value:
        if key not in TABLE_KEYS:
            raise InvalidInput(f"component {called} has no {key!r}; {did_you_mean(key, TABLE_KEYS)}.")
    setting = {**limits, **value}
    low, start, high = (float(setting[key]) for key in ("min", "value", "max"))
    if not low <= start <= high:
        raise InvalidInput(f"component {called} starts at {start:g}, outside its limits {low:g} to {high:g}.")
    if low == high:  # nothing to fit, and lmfit takes no limits that meet
        return {"value": start, **UNLIMITED, "vary": False}
    return {"value": start, "min": low, "max": high, "vary": bool(setting.get("vary", True))}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_keys(component: Mapping[str, Any], line: Line, allowed: Sequence[str]) -> None:
    for key in component:
        if key not in ABOUT and key not in allowed:
            raise InvalidInput(
                f"component {line.name!r} ({line.shape}) has no {key!r}; {did_you_mean(key, allowed)}."
            )
