"""A model written down: what a recipe says and what the history keeps.

A model is a tuple of components, each a table with one of

* ``shape``: a registered line shape (``{"shape": "voigt", "prefix": "a_"}``, a polynomial with ``degree``),
* ``expression``: a formula in ``x`` and its parameters (``{"expression": "b1*(1-exp(-b2*x))"}``),
* ``lmfit``: one of lmfit's models with lmfit's parameters (``{"lmfit": "VoigtModel", "prefix": "p_"}``).

The curves add up. Parameters are a table by name: a number, or a table with ``value``, ``min``, ``max``, ``vary`` and
``expr`` as in lmfit. A parameter of no component may be named too, for others' expressions to use.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from spectra.errors import InvalidInput, did_you_mean
from spectra.fitting.expressions import CannotCompile, check_written, names_in
from spectra.fitting.shapes import shape

__all__ = ["Component", "Model", "Setting", "from_tables", "overlay", "read_setting"]

COMPONENT_KEYS = {"shape", "expression", "lmfit", "prefix", "degree", "form", "background", "loss"}
SETTING_KEYS = {"value", "min", "max", "vary", "expr"}


@dataclass(frozen=True)
class Component:
    """One summand: of ``source`` shape, expression or lmfit, called ``name`` there."""

    source: str
    name: str
    prefix: str = ""
    options: dict[str, Any] = field(default_factory=dict)

    def to_table(self) -> dict[str, Any]:
        """As a recipe writes it."""
        prefix = {"prefix": self.prefix} if self.prefix else {}
        return {self.source: self.name, **prefix, **self.options}


@dataclass(frozen=True)
class Setting:
    """How one parameter enters a fit."""

    value: float = math.nan
    min: float = -math.inf
    max: float = math.inf
    vary: bool = True
    expr: str | None = None

    def to_table(self) -> dict[str, Any]:
        """As a recipe writes it; infinite limits are left out."""
        table: dict[str, Any] = {"expr": self.expr} if self.expr else {"value": self.value}
        if math.isfinite(self.min):
            table["min"] = self.min
        if math.isfinite(self.max):
            table["max"] = self.max
        if not self.vary and not self.expr:
            table["vary"] = False
        return table


@dataclass(frozen=True)
class Model:
    """Components and the settings of all parameters, in order."""

    components: tuple[Component, ...]
    settings: dict[str, Setting]

    def to_tables(self) -> tuple[tuple[dict[str, Any], ...], dict[str, dict[str, Any]]]:
        """The two tables that :func:`from_tables` reads."""
        return tuple(c.to_table() for c in self.components), {
            n: s.to_table() for n, s in self.settings.items()
        }


def from_tables(model: Sequence[Mapping[str, Any]], params: Mapping[str, Any] | None = None) -> Model:
    """Model and settings from tables; every shape brings the start values and limits of its parameters.

    Raises
    ------
    InvalidInput
        Unknown key, shape or parameter, a parameter of two components, a missing start value.
    """
    if not model:
        raise InvalidInput("model is empty; give at least one component, e.g. ({'shape': 'voigt'},).")
    components = tuple(_component(table) for table in model)
    settings: dict[str, Setting] = {}
    for component in components:
        for name, setting in defaults(component).items():
            if name in settings:
                raise InvalidInput(
                    f"parameter {name!r} belongs to two components; give each component a prefix of its own."
                )
            settings[name] = setting
    return overlay(Model(components, settings), params or {})


def overlay(model: Model, params: Mapping[str, Any]) -> Model:
    """The model with some of its settings changed, and parameters added that expressions use."""
    own = {n for c in model.components for n in defaults(c)}
    settings = dict(model.settings)
    for name, value in params.items():
        settings[name] = read_setting(name, value, settings.get(name, Setting()))
    _check_names(settings, own)
    if set(params) == set(settings):  # all are given: their order stays, as in a fit that is run again
        settings = {name: settings[name] for name in params}
    return Model(model.components, settings)


def _component(table: Mapping[str, Any]) -> Component:
    if not isinstance(table, Mapping):
        raise InvalidInput(f"a component of a model is a table such as {{'shape': 'voigt'}}, got {table!r}.")
    for key in table:
        if key not in COMPONENT_KEYS:
            raise InvalidInput(f"a component has no key {key!r}; {did_you_mean(key, COMPONENT_KEYS)}.")
    sources = [s for s in ("shape", "expression", "lmfit") if s in table]
    if len(sources) != 1:
        raise InvalidInput(
            f"a component needs one of shape, expression and lmfit, got {', '.join(sources) or 'none'}."
        )
    if sources[0] == "expression":
        _check_expression(str(table["expression"]), "an expression of a model")
    options = {k: table[k] for k in ("degree", "form", "background", "loss") if k in table}
    return Component(sources[0], str(table[sources[0]]), str(table.get("prefix", "")), options)


def defaults(component: Component) -> dict[str, Setting]:
    """Parameters of a component with their start values and limits."""
    from spectra.fitting.models import parameter_names
    from spectra.fitting.tails import TAILS, loss_of

    if component.source == "lmfit":
        from spectra.fitting.from_lmfit import describe, lmfit_component

        return describe(lmfit_component(component)).settings
    if component.source == "expression":
        try:
            names = sorted(names_in(component.name) - {"x"})
        except CannotCompile as error:
            raise InvalidInput(f"expression {component.name!r} cannot be read: {error}.") from None
        return {component.prefix + n: Setting() for n in names}
    found = shape(component.name)
    options = component.options
    names = list(parameter_names(found, options.get("degree"), options.get("background")))
    loss_of(options)
    return {
        component.prefix + p.name: Setting(p.value, p.min, p.max, p.vary)
        for p in (*found.parameters, *TAILS.values())
        if p.name in names
    }


def read_setting(name: str, given: Any, base: Setting) -> Setting:
    """How a parameter enters a fit: ``base`` changed by a number or a table."""
    if isinstance(given, int | float) and not isinstance(given, bool):
        return replace(base, value=float(given), expr=None)
    if not isinstance(given, Mapping):
        raise InvalidInput(f"parameter {name!r} must be a number or a table, got {given!r}.")
    for key in given:
        if key not in SETTING_KEYS:
            raise InvalidInput(f"parameter {name!r} has no key {key!r}; {did_you_mean(key, SETTING_KEYS)}.")
    numbers = {k: given[k] for k in ("value", "min", "max") if given.get(k) is not None}
    for key, number in numbers.items():
        if isinstance(number, bool | str):
            raise InvalidInput(f"{key} of parameter {name!r} must be a number, got {number!r}.")
    changes: dict[str, Any] = {k: float(number) for k, number in numbers.items()}
    if "vary" in given:
        changes["vary"] = bool(given["vary"])
    if "expr" in given or "value" in given:
        changes["expr"] = given.get("expr") or None
    if changes.get("expr"):
        _check_expression(str(changes["expr"]), f"expression of parameter {name!r}")
        changes |= {"value": math.nan, "vary": True}
    setting = replace(base, **changes)
    if not setting.min <= setting.max:
        raise InvalidInput(f"parameter {name!r}: min {setting.min:g} lies above max {setting.max:g}.")
    return setting


def _check_expression(text: str, what: str) -> None:
    try:
        check_written(text)
    except CannotCompile as error:
        raise InvalidInput(f"{what} cannot be read: {error}.") from None


def _check_names(settings: Mapping[str, Setting], own: set[str]) -> None:
    used: set[str] = set()
    for name, setting in settings.items():
        if setting.expr:
            try:
                needed = names_in(setting.expr)
            except CannotCompile as error:
                raise InvalidInput(f"expression of parameter {name!r} cannot be read: {error}.") from None
            used |= needed
            unknown = sorted(needed - set(settings))
            if unknown:
                raise InvalidInput(
                    f"expression of parameter {name!r} uses {unknown[0]!r}; {did_you_mean(unknown[0], settings)}."
                )
        elif math.isnan(setting.value):
            raise InvalidInput(f"parameter {name!r} has no start value; give params={{{name!r}: ...}}.")
    for name in settings:
        if name not in own and name not in used:
            raise InvalidInput(
                f"no component has a parameter {name!r} and no expression uses it; {did_you_mean(name, own)}."
            )
