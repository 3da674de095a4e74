"""What a session begins with: the fit that a dataset brings, and the dataset without it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from spectra.dataset import signal_name, spectral_axis
from spectra.fitting.spec import Model
from spectra.fitting.understand import read_model
from spectra.notebook import edits
from spectra.verbs import history

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["before_fits", "by_parameter", "ended", "fitted_variable", "last_fit", "titles"]


def last_fit(dataset: xr.Dataset) -> dict[str, Any] | None:
    """The step that made the fit in the dataset."""
    made = (
        step for step in reversed(history(dataset)) if {"model", "params"} <= set(step.get("resolved", {}))
    )
    return next(made, None) if "best_value" in dataset else None


def fitted_variable(dataset: xr.Dataset, last: Mapping[str, Any] | None) -> str:
    """What the last fit took, else ``net``, else what was measured."""
    if last is not None:
        return str({**last["options"], **last["resolved"]}.get("variable") or signal_name(dataset))
    return "net" if "net" in dataset else signal_name(dataset)


def ended(dataset: xr.Dataset, last: Mapping[str, Any], index: dict[str, int]) -> Model:
    """The model of an earlier fit with the values that it ended with."""
    model = read_model(last["resolved"]["model"], last["resolved"]["params"])
    return edits.at_values(model, by_parameter(dataset.isel(index), "best_value"))


def titles(dataset: xr.Dataset, model: Model) -> dict[str, str]:
    """What an earlier fit called its components, by their names in the model."""
    names = edits.labels(model)
    called = [str(name) for name in dataset["component"].values] if "component" in dataset.coords else []
    return dict(zip(names, called, strict=True)) if len(called) == len(names) else {}


def by_parameter(dataset: xr.Dataset | None, name: str) -> dict[str, float]:
    """A variable along ``parameter`` as a table; empty where there is none."""
    if dataset is None or name not in dataset:
        return {}
    return {str(p): float(v) for p, v in zip(dataset["parameter"].values, dataset[name].values, strict=True)}


def before_fits(dataset: xr.Dataset, variable: str) -> tuple[list[dict[str, Any]], xr.Dataset]:
    """The steps that ``variable`` and its axis come from, and the dataset without what the others added."""
    steps = history(dataset)
    source = {variable, f"{variable}_sigma", spectral_axis(dataset)}
    needed = [".read" in str(step["verb"]) or bool(source & set(step.get("added", ()))) for step in steps]
    upto = max((i for i, it_is in enumerate(needed) if it_is), default=-1)
    kept, gone = [], set[str]()
    for i, step in enumerate(steps):
        aside = {"model", "params"} <= set(step.get("resolved", {})) or str(step["verb"]).endswith(".audit")
        if i > upto or (aside and not needed[i]):
            gone |= set(step.get("added", ()))
        else:
            kept.append(step)
            gone -= set(step.get("added", ()))
    bare = dataset.drop_vars([name for name in gone - source if name in dataset.variables])
    attrs = {k: v for k, v in bare.attrs.items() if k != "audit"}
    bare.attrs = attrs | ({"history": json.dumps(kept)} if "history" in attrs else {})
    return kept, bare
