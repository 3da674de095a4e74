"""Labels, units and directions that the field expects in a figure, from ``conventions.toml``."""

from __future__ import annotations

import functools
import importlib.resources
import re
import tomllib
from typing import TYPE_CHECKING, Any

import numpy as np

from spectra.dataset import series_dims, signal_name
from spectra.errors import InvalidInput, did_you_mean
from spectra.verbs import history

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr

__all__ = [
    "answers",
    "axes_of",
    "axis_label",
    "checked_variable",
    "choose_variable",
    "companions",
    "descends",
    "is_trend",
    "literal",
    "plain_text",
    "series_of",
    "short_label",
    "shown_curves",
    "shown_part",
    "species_text",
    "trends",
    "unit_text",
    "variable_label",
    "veil",
    "weighted",
    "zoom",
]


@functools.cache
def _table() -> dict[str, Any]:
    text = (
        importlib.resources.files("spectra.report").joinpath("conventions.toml").read_text(encoding="utf-8")
    )
    return tomllib.loads(text)


def choose_variable(dataset: xr.Dataset) -> str:
    """What a figure shows when nobody says: the most worked-out curve that the dataset has."""
    return next((name for name in _table()["default"] if name in dataset), signal_name(dataset))


def shown_curves(dataset: xr.Dataset) -> list[str]:
    """Curves for a report, from what was measured to the most worked-out one; a better one takes another's place."""
    wanted = [signal_name(dataset), *reversed(_table()["default"])]
    found = [n for n in dict.fromkeys(wanted) if n in dataset and n != "best_fit"]
    replaced = {_table()["variable"].get(n, {}).get("instead_of") for n in found}
    return [n for n in found if n not in replaced]


def checked_variable(dataset: xr.Dataset, variable: str | None) -> str:
    """``variable``, or the default one; an error with the closest name where the dataset has none such."""
    name = choose_variable(dataset) if variable is None else variable
    if name not in dataset.data_vars:
        allowed = map(str, dataset.data_vars)
        raise InvalidInput(f"this dataset has no variable {name!r} to draw; {did_you_mean(name, allowed)}.")
    return name


def axes_of(dataset: xr.Dataset, variable: str) -> tuple[str, ...]:
    """Dimensions of ``variable`` that are axes of a curve (energies, k, R), not of the series."""
    return tuple(str(d) for d in dataset[variable].dims if d in _table()["axis"])


def series_of(dataset: xr.Dataset, variable: str) -> tuple[str, ...]:
    """Dimensions of ``variable`` that count spectra."""
    return tuple(d for d in series_dims(dataset) if d in dataset[variable].dims)


def answers() -> tuple[str, ...]:
    """Variables that say what was asked, a verdict for example: shown before others."""
    return tuple(_table()["answer"])


def is_trend(dataset: xr.Dataset, variable: str) -> bool:
    """Whether ``variable`` is a number per spectrum that is worth drawing against the series."""
    hidden = variable.endswith(("_sigma", "_systematic", "_scatter")) or variable in _table()["not_a_trend"]
    numeric = np.issubdtype(dataset[variable].dtype, np.floating)
    return not hidden and numeric and not axes_of(dataset, variable) and bool(series_of(dataset, variable))


def trends(dataset: xr.Dataset) -> list[str]:
    """Numbers per spectrum: what was asked first, then what has an uncertainty, the last verb's before earlier ones'."""
    names = [str(name) for name in dataset.data_vars if is_trend(dataset, str(name))]
    place = {name: number for number, name in enumerate(names)}
    return sorted(names, key=lambda n: (n not in answers(), f"{n}_sigma" not in dataset, -place[n]))


def companions(dataset: xr.Dataset, variable: str) -> list[str]:
    """Curves drawn beside ``variable`` when a single spectrum is shown."""
    beside = _table()["variable"].get(variable, {}).get("with", [])
    return [name for name in beside if name in dataset and dataset[name].dims == dataset[variable].dims]


def veil(dataset: xr.Dataset, variable: str) -> str | None:
    """The variable that is 1 where a map is not to be relied on, if there is one."""
    name: str | None = _table()["variable"].get(variable, {}).get("veil")
    return name if name in dataset else None


def shown_part(dataset: xr.Dataset, variable: str, axis: str) -> slice:
    """The part of an axis that a map of ``variable`` shows, as places along it."""
    low, high = _table()["variable"].get(variable, {}).get("shown", {}).get(axis, (-np.inf, np.inf))
    inside = np.flatnonzero((dataset[axis].values >= low) & (dataset[axis].values <= high))
    return slice(int(inside[0]), int(inside[-1]) + 1) if inside.size > 1 else slice(None)


def descends(axis: str) -> bool:
    """Whether the field draws this axis from high to low."""
    return bool(_table()["axis"].get(axis, {}).get("descending", False))


def weighted(dataset: xr.Dataset, variable: str) -> npt.NDArray[np.float64]:
    """Values to draw: those of ``variable``, times its axis to the power that the field expects."""
    array = dataset[variable]
    rule = _table()["variable"].get(variable, {}).get("weight", {})
    if rule.get("axis") in array.dims:
        array = array * array[rule["axis"]] ** _power(dataset, variable)
    return np.asarray(array.transpose(*dataset[variable].dims).values, float)


def _power(dataset: xr.Dataset, variable: str) -> float:
    rule = _table()["variable"][variable]["weight"]
    for call in reversed(history(dataset)):
        value = call.get("resolved", {}).get(rule["option"], call["options"].get(rule["option"]))
        if value is not None:
            return float(value)
    return float(rule["default"])


def unit_text(units: str) -> str:
    """Units as a figure writes them: ``1/cm`` becomes cm⁻¹."""
    words = _table()["unit"]
    inverse = re.fullmatch(r"1/(\w+)", units)
    if inverse:
        return f"{words.get(inverse.group(1), inverse.group(1))}$^{{-1}}$"
    return literal(words.get(units, units))


def literal(text: object) -> str:
    """Somebody's text as a figure shows it: a dollar sign in it begins no formula."""
    return str(text).replace("$", r"\$")


def species_text(name: object) -> str:
    """A component's name as chemists set it: the charge of ``Mn3+`` raised, the j of ``2p3/2`` lowered."""
    raised = re.sub(r"\b([A-Z][a-z]?)(\d?[+-])(?=[\s,(]|$)", r"\1$^{\2}$", literal(name))
    return re.sub(r"\b(\d[spdf])(\d/2)", r"\1$_{\2}$", raised)


def axis_label(dataset: xr.Dataset, axis: str) -> str:
    """Label of a curve's axis with its units."""
    named = _table()["axis"].get(axis, {}).get("label", axis.replace("_", " ").capitalize())
    units = dataset[axis].attrs.get("units", "") if axis in dataset.coords else ""
    return _with_unit(named, unit_text(units))


def variable_label(dataset: xr.Dataset, variable: str) -> str:
    """Label of a drawn quantity with its units."""
    units = unit_text(str(dataset[variable].attrs.get("units", "")))
    rule = _table()["variable"].get(variable, {})
    if "unit" in rule:
        power = _power(dataset, variable)
        units = rule["unit"].format(w=f"{power:g}", w1=f"{power + 1:g}")
    named = short_label(dataset, variable)
    return _with_unit(named[:1].upper() + named[1:], units)


def short_label(dataset: xr.Dataset, variable: str) -> str:
    """Label of a quantity without its units, for a legend."""
    rule = _table()["variable"].get(variable, {})
    if "weight" in rule:
        return str(rule["label"]).format(w=f"{_power(dataset, variable):g}")
    if "label" in rule:
        return str(rule["label"])
    own = str(dataset[variable].attrs.get("long_name", ""))
    alike = [n for n, other in dataset.data_vars.items() if own and other.attrs.get("long_name") == own]
    return literal(own if len(alike) == 1 else variable.replace("_", " "))


def plain_text(label: str) -> str:
    r"""A label without math marks, for captions: ``$k^{2}\,\chi(k)$`` becomes k²χ(k)."""
    raised = str.maketrans("0123456789-+", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺")
    lowered = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
    text = label.replace(r"\$", "\0")  # one that is meant
    text = re.sub(r"_\{(\d+)\}", lambda match: match.group(1).translate(lowered), text)
    text = re.sub(r"\$_\{([^}]*)\}\$", r"\1", text)  # a j stays on the line
    text = re.sub(r"\^\{?([-+0-9]+)\}?", lambda match: match.group(1).translate(raised), text)
    words = {"\\mu": "μ", "\\chi": "χ", "\\,": "", "$": "", "_0": "₀", "{": "", "}": ""}
    for mark, sign in words.items():
        text = text.replace(mark, sign)
    return text.replace("\0", "$")


def zoom(dataset: xr.Dataset, variable: str) -> tuple[float, float] | None:
    """Part of the axis that the field looks at first, where it has one: the near-edge region of an absorption edge."""
    rule = _table()["variable"].get(variable, {}).get("zoom")
    around = [name for name in rule["around"] if name in dataset] if rule else []
    values = np.asarray(dataset[around[0]].values, float) if around else np.array(np.nan)
    if rule is None or not np.isfinite(values).any():
        return None
    centre = float(np.nanmedian(values))
    low, high = (centre + offset for offset in rule["range"])
    x = dataset[axes_of(dataset, variable)[0]].values
    wider = x[0] < low and x[-1] > high
    return (low, high) if wider else None


def _with_unit(name: str, unit: str) -> str:
    return f"{name} ({unit})" if unit else name
