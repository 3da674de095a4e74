"""Paths and parameters as a model for the fit engine: every path's parameters are expressions of the global ones."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spectra.errors import InvalidInput, did_you_mean
from spectra.fitting.expressions import FUNCTIONS, CannotCompile, names_in
from spectra.fitting.program import Compiled, Tabulated, compile_model
from spectra.fitting.spec import Component, Model, Setting, read_setting
from xas.paths.curve import path_table
from xas.paths.entries import PathEntry
from xas.paths.expressions import PATH_NUMBERS, path_expression
from xas.paths.kernels import SLOTS, compiled_path

__all__ = ["PathModel", "path_model"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PathModel:
    """The compiled model, and where in its parameters things are."""

    compiled: Compiled
    reported: tuple[str, ...]  # the user's parameters
    rows: npt.NDArray[
        np.int64
    ]  # (data set, path, slot) row of a path's parameter, -1 where the path is not in the set

    @property
    def free(self) -> tuple[str, ...]:
        """Names of the parameters that are varied."""
        return self.compiled.free


def path_model(
    entries: Sequence[PathEntry],
    parameters: Mapping[str, Any],
    projection: Array,
    *,
    conditions: Mapping[str, Sequence[float]] | None = None,
    data_sets: int = 1,
) -> PathModel:
    """A model of all paths in all data sets.

    Parameters
    ----------
    entries : sequence of PathEntry
    parameters : mapping
        Start values, limits and expressions by name, as in :func:`spectra.fit`; ``each`` makes one for every data set.
    projection : (m, data_sets * n) array
        From chi(k) of all data sets, one after another, to what is fitted.
    conditions : mapping, optional
        Numbers that expressions may use, one for each data set: temperature, ...
    data_sets : int

    Raises
    ------
    InvalidInput
        A name that is not known or not used, an expression that cannot be read, nothing to vary.
    """
    conditions = conditions or {}
    settings, renamed = _global_settings(parameters, conditions, data_sets)
    reported = tuple(settings)
    components: list[Component] = []
    curves: dict[str, Tabulated] = {}
    rows = np.full((data_sets, len(entries), len(SLOTS)), -1, np.int64)
    count = projection.shape[1] // data_sets
    for d in range(data_sets):
        names: dict[str, str | float] = {**renamed[d], **{n: float(v[d]) for n, v in conditions.items()}}
        for i, entry in enumerate(entries):
            if entry.spectrum not in (None, d):
                continue
            prefix = f"path_{d}_{i}_"
            for s, slot in enumerate(SLOTS):
                rows[d, i, s] = len(settings)
                settings[prefix + slot] = _path_setting(entry, slot, names, set(parameters) | set(conditions))
            whole = any(isinstance(entry.values[s], str) for s in ("third", "fourth", "ei"))
            table = path_table(entry.path, d * count, (d + 1) * count, whole=whole)
            curves[prefix] = Tabulated(int(compiled_path().address), SLOTS, table)
            components.append(Component("tabulated", prefix, prefix))
    _check_used(settings, reported)
    if not components:
        raise InvalidInput(
            "no path belongs to any of the spectra; check 'spectrum' in the tables of the paths."
        )
    try:
        compiled = compile_model(Model(tuple(components), settings), curves, projection)
    except CannotCompile as error:
        raise InvalidInput(f"an expression of the fit cannot be used: {error}.") from None
    return PathModel(compiled, reported, rows)


def _global_settings(
    parameters: Mapping[str, Any], conditions: Mapping[str, Any], data_sets: int
) -> tuple[dict[str, Setting], list[dict[str, str]]]:
    """Settings of the user's parameters, and for each data set what those are called that it has for itself."""
    settings: dict[str, Setting] = {}
    renamed: list[dict[str, str]] = [{} for _ in range(data_sets)]
    tables = {}
    for name, given in parameters.items():
        _check_name(name, conditions)
        table = dict(given) if isinstance(given, Mapping) else {"value": given}
        if isinstance(given, str):
            table = {"expr": given}
        each = bool(table.pop("each", False))
        tables[name] = (table, each)
        if each:
            for d in range(data_sets):
                renamed[d][name] = f"{name}_{d}"
    for name, (table, each) in tables.items():
        for d in range(data_sets if each else 1):
            own = f"{name}_{d}" if each else name
            if own in settings or (each and own in tables):
                raise InvalidInput(
                    f"{name!r} is one for each spectrum, which makes {own!r} of it: rename the other."
                )
            setting = read_setting(own, table, Setting())
            if setting.expr and each:
                setting = read_setting(own, {**table, "expr": _renamed(setting.expr, renamed[d])}, Setting())
            if not setting.expr and np.isnan(setting.value):
                raise InvalidInput(
                    f"parameter {name!r} has no start value; give parameters={{{name!r}: ...}}."
                )
            settings[own] = setting
    for name, setting in settings.items():
        if setting.expr:
            _check_expression(setting.expr, set(settings), f"parameter {name!r}")
    return settings, renamed


def _renamed(text: str, names: Mapping[str, str]) -> str:
    return re.sub(r"\b[A-Za-z_]\w*\b", lambda m: names.get(m[0], m[0]), text)


def _check_name(name: str, conditions: Mapping[str, Any]) -> None:
    taken = {*PATH_NUMBERS, *conditions, *FUNCTIONS, "pi", "e", "inf", "tau", "min", "max"}
    if name in taken or not name.isidentifier() or keyword.iskeyword(name) or name.startswith("path_"):
        raise InvalidInput(
            f"a parameter cannot be called {name!r}: that is no name, or stands for something else in expressions "
            f"({', '.join(PATH_NUMBERS)} are numbers of the path)."
        )


def _path_setting(
    entry: PathEntry, slot: str, names: Mapping[str, str | float], allowed: set[str]
) -> Setting:
    """A path's parameter: a number, or the expression with the path's numbers put in."""
    parts = ("degen", "s02") if slot == "amplitude" else (slot,)
    values = [entry.values[part] for part in parts]
    if not any(isinstance(v, str) for v in values):
        return Setting(float(np.prod([float(v) for v in values])), vary=False)
    texts = []
    for part, value in zip(parts, values, strict=True):
        if isinstance(value, str):
            _check_expression(value, allowed | set(PATH_NUMBERS), f"{part} of path {entry.label!r}")
            value = path_expression(value, entry.path, entry.degeneracy, names)
        texts.append(f"({value})")
    return Setting(expr="*".join(texts))


def _check_expression(text: str, allowed: set[str], whose: str) -> None:
    try:
        unknown = sorted(names_in(text) - allowed - {"feffpath"})
    except CannotCompile as error:
        raise InvalidInput(f"the expression of {whose} cannot be read: {error}.") from None
    if unknown:
        raise InvalidInput(
            f"the expression of {whose} uses {unknown[0]!r}; {did_you_mean(unknown[0], allowed)}."
        )


def _check_used(settings: Mapping[str, Setting], reported: tuple[str, ...]) -> None:
    used = set().union(*(names_in(s.expr) for s in settings.values() if s.expr))
    for name in reported:
        setting = settings[name]
        if name not in used and setting.vary and not setting.expr:
            raise InvalidInput(
                f"no path uses the parameter {name!r}; name it in the table of a path, or take it out of parameters."
            )
