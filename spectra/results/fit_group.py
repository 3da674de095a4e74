"""A fit as a NXfit: data with sum and residual, one NXpeak per component, parameters, figures of merit, trends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from spectra.dataset.conventions import series_dims, signal_name, spectral_axis
from spectra.results.fields import safe_name, to_field
from spectra.results.place import Places, Tree, data_group, field_name, put

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["fit_group", "fit_variables"]

_MERIT = {
    "redchi": "reduced_chi_squared",
    "chisqr": "chi_squared",
    "aic": "akaike_information_criterion",
    "aicc": "corrected_akaike_information_criterion",
    "bic": "bayesian_information_criterion",
    "rsquared": "coefficient_of_determination",
}
_STATUS = {"nfev", "status", "success", "ndata", "nvarys", "nfree", "runs_p"}
_PARAMETER_DIMS = {"parameter", "varied", "varied_2"}


def fit_variables(dataset: xr.Dataset, made: Mapping[str, int | None]) -> set[str]:
    """Variables that a NXfit has a place for; empty where ``dataset`` holds no fit."""
    maker = made.get("best_fit")
    if maker is None or maker < 0 or "component" not in dataset.dims:
        return set()
    axis, series = spectral_axis(dataset), set(series_dims(dataset))
    claimed = set()
    for name, by in made.items():
        own = {str(d) for d in dataset[name].dims} - series
        if by == maker and (
            name in {"best_fit", "residual"} | _STATUS | set(_MERIT)
            or own in ({"component"}, {"component", axis})
            or (own and own <= _PARAMETER_DIMS)
        ):
            claimed.add(name)
    return claimed


def fit_group(dataset: xr.Dataset, names: set[str], step: Mapping[str, Any], places: Places) -> Tree:
    """NXfit of the variables ``names``, which ``step`` of the history made."""
    ordered = [str(v) for v in dataset.variables if v in names]
    label = dataset.attrs.get("region") or dataset.attrs.get("title") or "fit"
    group: Tree = {
        "@NX_class": "NXfit",
        "label": str(label),
        "program": "redox-spectra",
        "version": str(step.get("version", "")),
        "date": str(step.get("time", "")),
        "data": _data(dataset, step, names, places),
    }
    curves = [n for n in ordered if "component" in dataset[n].dims]
    for index in range(dataset.sizes["component"]):
        group[f"peak_{index}"] = _peak(dataset, index, curves, places)
    merit = [n for n in ordered if n in _MERIT]
    for name in merit:
        field = f"figure_of_merit_{name}"
        record = put(group, field, dataset[name].variable, called=name, titled=False)
        places.add(name, f"fit/{field}", record)
        group[f"{field}@metric"] = _MERIT[name]
    status = [n for n in ordered if n in _STATUS]
    if status:
        group["status"] = data_group(dataset, "fit/status", status, places, signal=None)
    parameters = [n for n in ordered if _PARAMETER_DIMS & set(dataset[n].dims)]
    if parameters:
        group["parameters"] = data_group(dataset, "fit/parameters", parameters, places, signal=None)
    trend = _trend(dataset, curves)
    if trend:
        group["trend"] = trend
    group["@default"] = "trend" if trend else "data"
    return group


def _data(dataset: xr.Dataset, step: Mapping[str, Any], names: set[str], places: Places) -> Tree:
    """Fitted spectrum, sum of the components and residual, on copies of the axes."""
    axis = spectral_axis(dataset)
    fitted = str(
        {**step.get("options", {}), **step.get("resolved", {})}.get("variable") or signal_name(dataset)
    )
    if fitted not in dataset or axis not in dataset[fitted].dims:
        fitted = signal_name(dataset)
    called = {
        fitted: "input_dependent",
        f"{fitted}_sigma": "input_dependent_errors",
        axis: "input_independent",
        "best_fit": "fit_sum",
        "residual": "residual",
    }
    copies = Places()
    shown = [n for n in called if n in dataset.variables]
    group = data_group(dataset, "fit/data", shown, copies, signal=fitted, called=called)
    group["@auxiliary_signals"] = [called[n] for n in ("best_fit", "residual") if n in dataset.data_vars]
    places.found |= {n: where for n, where in copies.found.items() if n in names}
    return group


def _peak(dataset: xr.Dataset, index: int, names: list[str], places: Places) -> Tree:
    """NXpeak of one component: its curve, and every quantity that it has as a parameter."""
    axis, path = spectral_axis(dataset), f"fit/peak_{index}"
    label = str(dataset["component"].values[index]) if "component" in dataset.coords else f"component {index}"
    peak: Tree = {"@NX_class": "NXpeak", "label": label}
    parameters: Tree = {"@NX_class": "NXparameters"}
    for name in names:
        variable = dataset[name].variable.isel(component=index)
        if name == "component":
            places.add_part(name, f"{path}/label", to_field(variable.values, name)[1], "component")
        elif axis in variable.dims:
            data = peak.setdefault("data", _curve_axes(dataset, name))
            field = "intensity" if name == "component_curve" else field_name(name, data)
            record = put(data, field, variable, called=name)
            places.add_part(name, f"{path}/data/{field}", record, "component")
            data.setdefault("@signal", field)
        else:
            field = field_name(name, parameters)
            record = put(parameters, field, variable, called=name, titled=False)
            places.add_part(name, f"{path}/function/fit_parameters/{field}", record, "component")
    peak["function"] = {"@NX_class": "NXfit_function", "fit_parameters": parameters}
    if "area" in names:
        put(peak, "total_area", dataset["area"].variable.isel(component=index), called="area", titled=False)
    return peak


def _curve_axes(dataset: xr.Dataset, name: str) -> Tree:
    """NXdata with the spectral axis and those of the series, ready for a component's curve."""
    axis = spectral_axis(dataset)
    dims = [str(d) for d in dataset[name].dims if d != "component"]
    group: Tree = {"@NX_class": "NXdata"}
    axes = []
    for position, dim in enumerate(dims):
        field = "position" if dim == axis else safe_name(dim, group)
        numeric = dim in dataset.coords and dataset[dim].dtype.kind in "iufM"
        if numeric:
            put(group, field, dataset[dim].variable, called=dim)
            group[f"@{field}_indices"] = [position]
        axes.append(field if numeric else ".")
    group["@axes"] = axes
    return group


def _trend(dataset: xr.Dataset, names: list[str]) -> Tree:
    """Small copies of areas and positions against the series: what a viewer opens first."""
    import xarray as xr

    series = series_dims(dataset)
    quantities = [n for n in ("area", "position", "height", "fwhm") if n in names]
    if not series or not quantities:
        return {}
    labels = [safe_name(f"peak_{i}") for i in range(dataset.sizes["component"])]
    columns = {
        f"{label}_{n.removesuffix('_sigma')}" + ("_sigma" if n.endswith("_sigma") else ""): dataset[n]
        .isel(component=i)
        .drop_vars("component", errors="ignore")
        for n in [*quantities, *(f"{q}_sigma" for q in quantities if f"{q}_sigma" in names)]
        for i, label in enumerate(labels)
    }
    named = {
        column: array.assign_attrs(
            long_name=f"{dataset['component'].values[int(column.split('_')[1])]} {column.split('_')[2]}"
            if "component" in dataset.coords
            else column
        )
        for column, array in columns.items()
    }
    first = f"{labels[0]}_{quantities[0]}"
    group = data_group(xr.Dataset(named), "fit/trend", list(named), Places(), signal=first)
    group["@auxiliary_signals"] = [f"{label}_{quantities[0]}" for label in labels[1:]]
    return group
