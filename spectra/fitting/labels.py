"""Arrays of a fit as variables of a dataset: dimensions, units and flags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from spectra.dataset import flag, spectral_axis

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["joint_outputs_of", "label_fit", "outputs_of", "sizes_of", "types_of"]

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
#: Of joint fits only.
JOINT_FLAGS: dict[str, tuple[Literal["failed", "warning"], str]] = {
    "no_signal": (
        "failed",
        "Every value of the spectrum is zero; it took no part in the joint fit. Take it out of the series.",
    ),
    "joint_fit_failed": (
        "failed",
        "The joint fit did not converge; give better start values, or share or vary fewer parameters.",
    ),
}
JOINT_VALUES = {
    "joint_redchi": "reduced chi-square of the joint fit",
    "joint_aicc": "corrected Akaike information criterion of the joint fit",
    "joint_bic": "Bayesian information criterion of the joint fit",
    "joint_spectra": "spectra that took part in the joint fit",
    "joint_status": "0: the joint fit converged; 1: it did not; 2: there was nothing to fit",
}
QUANTITIES = ("position", "height", "area", "fwhm", "maximum")


def joint_outputs_of() -> dict[str, tuple[str, ...]]:
    """Names of the variables of a joint fit that do not lie along its spectra, and their own dimensions."""
    values = {"shared_value": ("shared",), "shared_value_sigma": ("shared",)}
    return {**values, "shared_covariance": ("shared", "shared_2"), **dict.fromkeys(JOINT_VALUES, ())}


def outputs_of(
    layout: Any, axis: str, *, along: Sequence[str] = (), joint: bool = False
) -> dict[str, tuple[str, ...]]:
    """Names of a fit's variables and their own dimensions.

    With ``along``, dimensions of the series that the fit sees as a whole, before them; of a ``joint`` fit with what
    it says of all its spectra.
    """
    per_component = [*QUANTITIES, *(f"{q}_sigma" for q in QUANTITIES)]
    each: dict[str, tuple[str, ...]] = {
        "best_fit": (axis,),
        "component_curve": ("component", axis),
        **dict.fromkeys(per_component, ("component",)),
        "best_value": ("parameter",),
        "best_value_sigma": ("parameter",),
        "covariance": ("varied", "varied_2"),
        **dict.fromkeys(["redchi", "aicc", "bic", "runs_p_value", "nfev", *(f"flag_{n}" for n in FLAGS)], ()),
        **(dict.fromkeys([f"flag_{n}" for n in JOINT_FLAGS], ()) if joint else {}),
    }
    return {n: (*along, *dims) for n, dims in each.items()} | (joint_outputs_of() if joint else {})


def types_of(outputs: Iterable[str]) -> dict[str, type]:
    """Types of those variables that are no real numbers."""
    whole = {"nfev", "joint_spectra", "joint_status"}
    return {n: bool for n in outputs if n.startswith("flag_")} | {n: int for n in outputs if n in whole}


def sizes_of(layout: Any, shared: Sequence[str] = ()) -> dict[str, int]:
    """Lengths of the dimensions that a fit adds."""
    varied = len(layout.free)
    joint = {"shared": len(shared), "shared_2": len(shared)} if shared else {}
    return joint | {
        "component": len(layout.components),
        "parameter": len(layout.parameters),
        "varied": varied,
        "varied_2": varied,
    }


def label_fit(
    dataset: xr.Dataset,
    fitted: Mapping[str, xr.DataArray],
    layout: Any,
    variable: str,
    shared: Sequence[str] = (),
) -> xr.Dataset:
    """Dataset with the variables of a fit of ``variable``; those of an earlier fit are replaced."""
    axis = spectral_axis(dataset)
    own = {"component", "parameter", "varied", "varied_2", "shared", "shared_2"}
    mine = [n for n, v in dataset.variables.items() if own & set(v.dims) or n in JOINT_VALUES]
    result = dataset.drop_vars(mine)
    order = [d for d in dataset[variable].dims if d != axis]
    fitted = {n: v.transpose(*[d for d in order if d in v.dims], ...) for n, v in fitted.items()}
    x_units, y_units = dataset[axis].attrs.get("units", ""), dataset[variable].attrs.get("units", "")
    units = {"position": x_units, "maximum": x_units, "fwhm": x_units, "height": y_units, "best_fit": y_units}
    units |= {"component_curve": y_units, "area": f"{y_units} {x_units}".strip()}
    about = {
        "varied": "varied parameters",
        "redchi": "reduced chi-square",
        "aicc": "corrected Akaike information criterion",
    }
    about |= JOINT_VALUES | {"shared_value": "value that all spectra of the joint fit have in common"}
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
        **({"shared": shared, "shared_2": shared} if shared else {}),
    }
    result = result.assign(variables).assign_coords({d: (d, list(values)) for d, values in names.items()})
    result["best_value"].attrs["long_name"] = "fitted value, in the units of the parameter"
    for name, (severity, text) in (FLAGS | (JOINT_FLAGS if shared else {})).items():
        where = fitted[f"flag_{name}"]
        if where.chunks is not None or bool(where.any()):
            result = flag(result, where, name, text, severity=severity)
    return result
