"""A written model changed by hand: components put in and taken out, parameters moved, kept, limited and tied."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from spectra.errors import InvalidInput, did_you_mean
from spectra.fitting.expressions import names_in
from spectra.fitting.from_lmfit import build, lmfit_component
from spectra.fitting.program import compile_model
from spectra.fitting.spec import Component, Model, Setting, defaults, from_tables, overlay

__all__ = [
    "at_values",
    "changed",
    "component",
    "curves_of",
    "full_name",
    "labels",
    "values_of",
    "with_component",
    "without",
]


def labels(model: Model) -> tuple[str, ...]:
    """Names of the components: their prefixes, or their shapes."""
    return compile_model(model).components if model.components else ()


def component(model: Model, name: str) -> Component:
    """The component called ``name``."""
    known = labels(model)
    if name not in known:
        raise InvalidInput(f"the model has no component {name!r}; {did_you_mean(name, known)}.")
    return model.components[known.index(name)]


def full_name(model: Model, name: str, parameter: str) -> str:
    """What the model calls ``parameter`` of the component ``name``."""
    one = component(model, name)
    if one.prefix + parameter not in defaults(one):
        own = [p.removeprefix(one.prefix) for p in defaults(one)]
        raise InvalidInput(f"{name!r} has no parameter {parameter!r}; {did_you_mean(parameter, own)}.")
    return one.prefix + parameter


def values_of(model: Model) -> dict[str, float]:
    """Value of every parameter, of tied ones what their expressions come to."""
    if not model.components:
        return {}
    params = _params(model)
    return {name: float(params[name].value) for name in model.settings}


def _params(model: Model) -> Any:
    """Lmfit's parameters, of which it evaluates ties of ties only when told."""
    params = build(model)[1]
    params.update_constraints()
    return params


def curves_of(model: Model, x: Any) -> dict[str, Any]:
    """Curve of each component with the values as they stand."""
    import numpy as np

    if not model.components:
        return {}
    params = _params(model)
    drawn = (lmfit_component(c).eval(params, x=x) for c in model.components)
    return dict(
        zip(labels(model), (np.broadcast_to(np.asarray(y, float), x.shape) for y in drawn), strict=True)
    )


def changed(model: Model, settings: Mapping[str, Setting]) -> Model:
    """The model with these settings; ties are checked."""
    for name, setting in settings.items():
        inside = setting.expr is not None or math.isnan(setting.value)
        if not inside and not setting.min <= setting.value <= setting.max:
            raise InvalidInput(
                f"{name} = {setting.value:g} lies outside its limits {setting.min:g} to {setting.max:g}: "
                "move inside them, or set other limits first."
            )
    new = Model(model.components, {**model.settings, **settings})
    checked = overlay(new, {name: s.to_table() for name, s in settings.items()})
    compile_model(checked)  # refuses ties in a circle
    return new


def with_component(model: Model, table: Mapping[str, Any], settings: Mapping[str, Any]) -> Model:
    """The model with one more component, written as in a recipe."""
    one = from_tables((table,), settings)
    for name in one.settings:
        if name in model.settings:
            raise InvalidInput(
                f"the model has a parameter {name!r} already: give the component another name."
            )
    both = Model((*model.components, *one.components), {**model.settings, **one.settings})
    return changed(both, one.settings)


def without(model: Model, name: str) -> Model:
    """The model without a component; a tie to it is an error that says which."""
    gone = component(model, name)
    lost = set(defaults(gone))
    left = tuple(c for c in model.components if c is not gone)
    settings = {n: s for n, s in model.settings.items() if n not in lost}
    tied = [n for n, s in settings.items() if s.expr and names_in(s.expr) & lost]
    if tied:
        raise InvalidInput(
            f"{', '.join(tied)} {'is' if len(tied) == 1 else 'are'} tied to {name!r}: free {tied[0]} first."
        )
    own = {n for c in left for n in defaults(c)}
    return Model(left, _used(settings, own))


def _used(settings: Mapping[str, Setting], own: Iterable[str]) -> dict[str, Setting]:
    """Settings of the components' own parameters and of what their expressions use, directly or not."""
    kept = set(own)
    while True:
        more = {n for name in kept if (expr := settings[name].expr) for n in names_in(expr)} & set(settings)
        if more <= kept:
            return {n: s for n, s in settings.items() if n in kept}
        kept |= more


def at_values(model: Model, values: Mapping[str, float]) -> Model:
    """The model starting at ``values``; ties stay."""
    moved = {
        n: replace(s, value=values[n]) if n in values and not s.expr and math.isfinite(values[n]) else s
        for n, s in model.settings.items()
    }
    return Model(model.components, moved)
