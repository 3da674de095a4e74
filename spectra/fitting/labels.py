"""Arrays of a fit as variables of a dataset: dimensions, units and flags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from spectra.dataset import flag, spectral_axis

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["label_fit", "outputs_of", "sizes_of"]

FLAGS: dict[str, tuple[Literal["failed", "warning"], str]] = {
    "fit_not_converged": (
        "failed",
        "The fit did not converge; give better start values or fewer free parameters.",
    ),
    "fit_not_finite": ("failed", "The model is not finite at its start values; move them inside its range."),
    "fit_too_few_points": ("failed", "There are fewer usable points than free parameters."),
    "at_bound": (
        "warning",
        "A parameter ended on a limit; its uncertainty is not known. Widen the limit or fix it.",
    ),
    "undetermined": ("warning", "The data do not determine all parameters; fix or tie some."),
    "weak_component": (
        "warning",
        "A component's strength is below 5 sigma; its minimum may not be the only one. Compare a fit without it.",
    ),
    "several_minima": (
        "warning",
        "Other start values ended in another minimum; the best one found was kept.",
    ),
}
QUANTITIES = ("position", "height", "area", "fwhm", "maximum")


def outputs_of(layout: Any, axis: str) -> dict[str, tuple[str, ...]]:
    """Names of a fit's variables and their own dimensions."""
    per_component = [*QUANTITIES, *(f"{q}_sigma" for q in QUANTITIES)]
    return {
        "best_fit": (axis,),
        "component_curve": ("component", axis),
        **dict.fromkeys(per_component, ("component",)),
        "best_value": ("parameter",),
        "best_value_sigma": ("parameter",),
        "covariance": ("varied", "varied_2"),
        **dict.fromkeys(["redchi", "aicc", "bic", "runs_p_value", "nfev", *(f"flag_{n}" for n in FLAGS)], ()),
    }


def sizes_of(layout: Any) -> dict[str, int]:
    """Lengths of the dimensions that a fit adds."""
    varied = len(layout.free)
    return {
        "component": len(layout.components),
        "parameter": len(layout.parameters),
        "varied": varied,
        "varied_2": varied,
    }


def label_fit(
    dataset: xr.Dataset, fitted: Mapping[str, xr.DataArray], layout: Any, variable: str
) -> xr.Dataset:
    """Dataset with the variables of a fit of ``variable``; those of an earlier fit are replaced."""
    axis = spectral_axis(dataset)
    mine = [n for n, v in dataset.variables.items() if {"component", "parameter", "varied"} & set(v.dims)]
    result = dataset.drop_vars(mine)
    x_units, y_units = dataset[axis].attrs.get("units", ""), dataset[variable].attrs.get("units", "")
    units = {"position": x_units, "maximum": x_units, "fwhm": x_units, "height": y_units, "best_fit": y_units}
    units |= {"component_curve": y_units, "area": f"{y_units} {x_units}".strip()}
    about = {
        "varied": "varied parameters",
        "redchi": "reduced chi-square",
        "aicc": "corrected Akaike information criterion",
    }
    about |= {
        "bic": "Bayesian information criterion",
        "nfev": "evaluations of the model",
        "maximum": "place of the maximum",
    }
    about |= {
        "runs_p_value": "probability of so few runs in the residual",
        "fwhm": "full width at half maximum",
    }
    variables = {
        n: v.assign_attrs(
            {"units": units.get(n.removesuffix("_sigma"), "")}
            | ({"long_name": about[n]} if n in about else {})
        )
        for n, v in fitted.items()
        if not n.startswith("flag_")
    }
    variables["residual"] = (dataset[variable] - fitted["best_fit"]).assign_attrs(
        units=y_units, long_name="data minus fit"
    )
    names = {
        "component": layout.components,
        "parameter": layout.parameters,
        "varied": layout.free,
        "varied_2": layout.free,
    }
    result = result.assign(variables).assign_coords({d: (d, list(values)) for d, values in names.items()})
    result["best_value"].attrs["long_name"] = "fitted value, in the units of the parameter"
    for name, (severity, text) in FLAGS.items():
        where = fitted[f"flag_{name}"]
        if where.chunks is not None or bool(where.any()):
            result = flag(result, where, name, text, severity=severity)
    return result
