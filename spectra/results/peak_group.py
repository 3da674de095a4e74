"""One component of a fit as a NXpeak: label, curve, function with its parameters, area."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from spectra.dataset.conventions import spectral_axis
from spectra.results.fields import safe_name, to_field
from spectra.results.formulas import FORMULAS
from spectra.results.place import Places, Tree, field_name, put

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["component_tables", "is_background", "label_of", "peak_group"]

#: What NeXus calls the shapes that it names; the others keep their own names.
_FUNCTIONS = {
    "gaussian": "Gaussian",
    "lorentzian": "Lorentzian",
    "voigt": "Voigt",
    "pseudo_voigt": "Gaussian-Lorentzian Sum",
    "sgl": "Gaussian-Lorentzian Sum",
    "gl": "Gaussian-Lorentzian Product",
    "doniach": "Doniach-Sunjic",
    "la": "Asymmetric Lorentzian",
    "shirley": "Shirley",
    "tougaard": "Tougaard",
    "linear": "Linear",
}


def component_tables(step: Mapping[str, Any], count: int) -> list[dict[str, Any]]:
    """Tables of the components as the history keeps them (``model`` or ``components``); empty ones where it does not.

    A component that follows another, its ``partner``, has the partner's shape. What a model holds beyond the
    components of the dataset is its background, which is no component there.
    """
    said = {**step.get("options", {}), **step.get("resolved", {})}
    for listed in (said.get("model"), said.get("components")):
        if not isinstance(listed, list | tuple) or not all(isinstance(t, Mapping) for t in listed):
            continue
        if len(listed) >= count and all(is_background(t) for t in listed[count:]):
            shapes = {str(table.get("name")): table.get("shape") for table in listed}
            return [{"shape": shapes.get(str(table.get("partner"))), **table} for table in listed[:count]]
    return [{} for _ in range(count)]


def is_background(table: Mapping[str, Any]) -> bool:
    """Whether a component is a line without a maximum: a step, a polynomial."""
    from spectra.fitting.shapes import list_shapes

    known = list_shapes().get(str(table.get("shape", "")))
    return known is not None and not known.peak


def function_name(name: str) -> str:
    """``function_type`` of NeXus for a shape or a background."""
    plain = name.removeprefix("active_").removesuffix("_each")
    return _FUNCTIONS.get(plain, plain or "not recorded")


def label_of(dataset: xr.Dataset, index: int) -> str:
    """What the component is called."""
    return str(dataset["component"].values[index]) if "component" in dataset.coords else f"component {index}"


def peak_group(
    dataset: xr.Dataset,
    index: int,
    names: Sequence[str],
    path: str,
    places: Places,
    *,
    table: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> Tree:
    """NXpeak of component ``index``.

    Parameters
    ----------
    dataset : xarray.Dataset
    index : int
    names : sequence of str
        Variables along ``component``; each component gets its slice of them.
    path : str
        Of the group, inside the entry.
    places : Places
    table : mapping
        The component as the model has it: ``shape``, ``prefix``.
    settings : mapping
        Start value and limits by parameter name, with the prefix.
    """
    axis = spectral_axis(dataset)
    peak: Tree = {"@NX_class": "NXpeak", "label": label_of(dataset, index)}
    parameters: Tree = {"@NX_class": "NXparameters"}
    for name in names:
        variable = dataset[name].variable.isel(component=index)
        if name == "component":
            places.add_part(name, f"{path}/label", to_field(variable.values, name)[1], "component")
        elif axis in variable.dims:
            data = peak.setdefault("data", _axes(dataset, name))
            field = "intensity" if name == "component_curve" else field_name(name, data, names)
            record = put(data, field, variable, called=name)
            places.add_part(name, f"{path}/data/{field}", record, "component")
            data.setdefault("@signal", field)
        else:
            field = field_name(name, parameters, names)
            record = put(parameters, field, variable, called=name, titled=False)
            places.add_part(name, f"{path}/function/fit_parameters/{field}", record, "component")
            parameters |= _settings(field, _setting(table, settings, name))
            if not variable.ndim and f"{name}_sigma" in names:
                parameters[f"{field}@error"] = dataset[f"{name}_sigma"].variable.isel(component=index).values
    _add_other_parameters(parameters, dataset, table, settings)
    shape = str(table.get("shape") or table.get("lmfit") or table.get("expression") or "")
    peak["function"] = {
        "@NX_class": "NXfit_function",
        "function_type": function_name(shape),
        "fit_parameters": parameters,
    }
    if shape in FORMULAS:
        peak["function"]["formula_description"] = FORMULAS[shape]
    if "area" in names:
        put(peak, "total_area", dataset["area"].variable.isel(component=index), called="area", titled=False)
    return peak


def _add_other_parameters(
    group: Tree, dataset: xr.Dataset, table: Mapping[str, Any], settings: Mapping[str, Any]
) -> None:
    """Copies of the component's parameters that are none of its variables: a mixing, a coefficient."""
    from spectra.fitting.shapes import list_shapes

    known, prefix = list_shapes().get(str(table.get("shape", ""))), str(table.get("prefix", ""))
    if known is None or "parameter" not in dataset.coords or "best_value" not in dataset:
        return
    fitted = [str(p) for p in dataset["parameter"].values]
    for root in known.names:
        if prefix + root not in fitted or root in group:
            continue
        at = {"parameter": fitted.index(prefix + root)}
        field = field_name(root, group)
        group[field] = dataset["best_value"].variable.isel(at).values
        if "best_value_sigma" in dataset:
            sigma = dataset["best_value_sigma"].variable.isel(at).values
            group[f"{field}_errors" if sigma.ndim else f"{field}@error"] = sigma
        group |= _settings(field, settings.get(prefix + root))


def _axes(dataset: xr.Dataset, name: str) -> Tree:
    """NXdata with the spectral axis and those of the series, ready for a component's curve."""
    axis = spectral_axis(dataset)
    group: Tree = {"@NX_class": "NXdata", "@axes": []}
    for position, dim in enumerate(d for d in dataset[name].dims if d != "component"):
        field = "position" if dim == axis else safe_name(str(dim), group)
        numeric = dim in dataset.coords and dataset[dim].dtype.kind in "iufM"
        if numeric:
            put(group, field, dataset[dim].variable, called=str(dim))
            group[f"@{field}_indices"] = [position]
        group["@axes"].append(field if numeric else ".")
    return group


def _setting(table: Mapping[str, Any], settings: Mapping[str, Any], name: str) -> Any:
    """Setting of one parameter: from the fit's parameters, or from the component's own table.

    In a component's table a number is kept and a text is an expression.
    """
    if "name" not in table or name not in table:
        return settings.get(f"{table.get('prefix', '')}{name}")
    own = table[name]
    if isinstance(own, Mapping):
        return own
    return {"expr": own} if isinstance(own, str) else {"value": own, "vary": False}


def _settings(field: str, setting: Any) -> Tree:
    """Attributes of a parameter: where the fit began and what bound it."""
    if isinstance(setting, int | float):
        setting = {"value": setting}
    if not isinstance(setting, Mapping):
        return {}
    numbers = {"initial": setting.get("value"), "min": setting.get("min"), "max": setting.get("max")}
    said: Tree = {f"{field}@{k}": np.float64(v) for k, v in numbers.items() if isinstance(v, int | float)}
    said[f"{field}@vary"] = np.bool_(setting.get("vary", True) and not setting.get("expr"))
    if setting.get("expr"):
        said[f"{field}@expression"] = str(setting["expr"])
    return said
