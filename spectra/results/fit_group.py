"""A fit as a NXfit: data with sum and residual, one NXpeak per component, parameters, figures of merit, trends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from spectra.dataset.conventions import series_dims, signal_name, spectral_axis
from spectra.results.formulas import FORMULAS
from spectra.results.peak_group import component_tables, function_name, is_background, label_of, peak_group
from spectra.results.place import Places, Tree, data_group, is_number, link, put

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["fit_group", "fit_variables", "link_inputs", "static_background"]

_MERIT = {
    "redchi": "reduced_chi_squared",
    "chisqr": "chi_squared",
    "aic": "akaike_information_criterion",
    "aicc": "corrected_akaike_information_criterion",
    "bic": "bayesian_information_criterion",
    "rsquared": "coefficient_of_determination",
    "runs_p_value": "runs_test_p_value",
    "joint_redchi": "reduced_chi_squared_of_all_spectra",
    "joint_aicc": "corrected_akaike_information_criterion_of_all_spectra",
    "joint_bic": "bayesian_information_criterion_of_all_spectra",
}
_STATUS = {"nfev", "status", "joint_spectra", "joint_status"}
_PARAMETER_DIMS = {"parameter", "varied", "varied_2", "shared", "shared_2"}


def fit_variables(dataset: xr.Dataset, made: Mapping[str, int | None]) -> set[str]:
    """Variables that a NXfit has a place for; empty where ``dataset`` holds no fit.

    Parameters
    ----------
    dataset : xarray.Dataset
    made : mapping
        Number of the verb that made each variable.
    """
    maker = made.get("best_fit")
    if maker is None or maker < 0 or "component" not in dataset.dims:
        return set()
    axis, series = spectral_axis(dataset), set(series_dims(dataset))
    claimed = set()
    for name, by in made.items():
        own = {str(d) for d in dataset[name].dims} - series
        per_component = own in ({"component"}, {"component", axis}) and dataset[name].dtype.kind not in "mM"
        known = name in {"best_fit", "residual"} | _STATUS | set(_MERIT)
        if by == maker and (known or per_component or (own and own <= _PARAMETER_DIMS)):
            claimed.add(name)
    return claimed


def fit_group(dataset: xr.Dataset, names: set[str], step: Mapping[str, Any], places: Places) -> Tree:
    """NXfit of the variables ``names``, which ``step`` of the history made."""
    ordered = [str(v) for v in dataset.variables if v in names]
    along_component = [n for n in ordered if "component" in dataset[n].dims]
    group: Tree = {
        "@NX_class": "NXfit",
        "label": str(dataset.attrs.get("region") or dataset.attrs.get("title") or "fit"),
        "program": "redox-spectra",
        "version": str(step.get("version", "")),
        "date": str(step.get("time", "")),
        "data": _data(dataset, step, names, places),
        **_components(dataset, along_component, step, places),
    }
    for name in (n for n in ordered if n in _MERIT):
        field = f"figure_of_merit_{name}"
        record = put(group, field, dataset[name].variable, called=name, titled=False)
        places.add(name, f"fit/{field}", record)
        group[f"{field}@metric"] = _MERIT[name]
    for key, members in {
        "status": [n for n in ordered if n in _STATUS],
        "parameters": [n for n in ordered if _PARAMETER_DIMS & set(dataset[n].dims)],
    }.items():
        if members:
            group[key] = data_group(dataset, f"fit/{key}", members, places, signal=None)
    group |= _trend(dataset, along_component, [k for k in group if k.startswith("peak_")])
    group["@default"] = "trend" if "trend" in group else "data"
    return group


def _components(dataset: xr.Dataset, names: list[str], step: Mapping[str, Any], places: Places) -> Tree:
    """A NXpeak for each component; those without a maximum count as background."""
    tables = component_tables(step, dataset.sizes["component"])
    settings = {**step.get("options", {}), **step.get("resolved", {})}.get("params")
    groups: Tree = {}
    for index, table in enumerate(tables):
        key = f"{'background' if is_background(table) else 'peak'}_{index}"
        groups[key] = peak_group(
            dataset,
            index,
            names,
            f"fit/{key}",
            places,
            table=table,
            settings=settings if isinstance(settings, Mapping) else {},
        )
    return groups


def fitted_variable(dataset: xr.Dataset, step: Mapping[str, Any]) -> str:
    """What was fitted: the variable that the verb names, else the measured one."""
    said = {**step.get("options", {}), **step.get("resolved", {})}
    name = str(said.get("variable") or "")
    fits = name in dataset.data_vars and spectral_axis(dataset) in dataset[name].dims
    return name if fits else signal_name(dataset)


def _data(dataset: xr.Dataset, step: Mapping[str, Any], names: set[str], places: Places) -> Tree:
    """Fitted spectrum, sum of the components and residual, on copies of the axes."""
    fitted = fitted_variable(dataset, step)
    called = {
        fitted: "input_dependent",
        f"{fitted}_sigma": "input_dependent_errors",
        spectral_axis(dataset): "input_independent",
        "best_fit": "fit_sum",
        "residual": "residual",
    }
    everything = Places()
    shown = [n for n in called if n in dataset.variables]
    group = data_group(dataset, "fit/data", shown, everything, signal=fitted, called=called)
    group["@auxiliary_signals"] = [called[n] for n in ("best_fit", "residual") if n in dataset.data_vars]
    places.found |= {n: where for n, where in everything.found.items() if n in names}
    return group


def link_inputs(
    entry: Tree, where: str, dataset: xr.Dataset, step: Mapping[str, Any], places: Places
) -> None:
    """Make the fitted spectrum in the fit of ``entry`` a link to where it lies already."""
    fitted = fitted_variable(dataset, step)
    for name, field in ((fitted, "input_dependent"), (f"{fitted}_sigma", "input_dependent_errors")):
        if name in places.found:
            link(entry["fit"]["data"], field, entry, where, places.found[name]["path"])


def static_background(
    entry: Tree, where: str, dataset: xr.Dataset, step: Mapping[str, Any], places: Places
) -> Tree:
    """NXpeak of a background that is no component of the fit, subtracted or fitted with it: links to where it lies."""
    path = str(places.found["background"]["path"])
    data: Tree = {"@NX_class": "NXdata", "@signal": "intensity"}
    link(data, "intensity", entry, where, path)
    link(data, "position", entry, where, f"{path.rpartition('/')[0]}/{spectral_axis(dataset)}")
    options = step.get("options", {})
    method = str(options.get("background") or options.get("method") or "")
    about = dataset["background"].attrs
    active = about.get("treatment") == "active"
    function = {"@NX_class": "NXfit_function", "function_type": function_name(method)}
    formula = str(about.get("formula") or ("" if active else FORMULAS.get(method, "")))
    if formula:
        function["formula_description"] = formula
    return {
        "@NX_class": "NXpeak",
        "label": "fitted with the lines" if active else "subtracted, not fitted",
        "data": data,
        "function": function,
    }


def _trend(dataset: xr.Dataset, names: list[str], peaks: list[str]) -> Tree:
    """Small copies of areas and positions against the series: what a viewer opens first."""
    import xarray as xr

    quantities = [n for n in ("area", "position", "height", "fwhm") if n in names]
    if not series_dims(dataset) or not quantities or not peaks:
        return {}
    copies: dict[str, xr.Variable] = {}
    for quantity in quantities:
        for peak in peaks:
            index = int(peak.removeprefix("peak_"))
            for name in (n for n in (quantity, f"{quantity}_sigma") if n in names):
                copies[f"{peak}_{name}"] = dataset[name].variable.isel(component=index)
                copies[f"{peak}_{name}"].attrs = {
                    "units": dataset[name].attrs.get("units", ""),
                    "long_name": f"{quantity} of {label_of(dataset, index)}",
                }
    beside = {
        n: c.variable
        for n, c in dataset.coords.items()
        if set(c.dims) <= set(series_dims(dataset)) and is_number(c.variable)
    }
    shown = [f"{peak}_{quantities[0]}" for peak in peaks]
    group = data_group(xr.Dataset(copies, beside), "fit/trend", list(copies), Places(), signal=shown[0])
    group["@auxiliary_signals"] = shown[1:]
    return {"trend": group}
