"""Lines and their background fitted together: the counts as measured, and every uncertainty of one fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset import map_spectra, signal_name
from spectra.fitting.along import with_dims
from spectra.fitting.engine import as_outputs
from spectra.fitting.labels import label_fit, outputs_of, sizes_of, types_of
from spectra.fitting.spec import from_tables
from spectra.fitting.understand import understand
from spectra.verbs import note, resolve
from xps.background.active import STRENGTH_OF, Active
from xps.background.subtraction import STRENGTHS
from xps.counting import counting
from xps.deconvolution.linefit import fit_lines, written
from xps.deconvolution.together import Series
from xps.links import LinkedModel

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["fitted_inside"]

AXIS = "binding_energy"
FloatArray = npt.NDArray[np.float64]
#: What a static background left, and has no place beside one that is fitted.
STATIC = ("background", "background_sigma", "background_iterations", "net", "net_sigma", *STRENGTHS)


@dataclass(frozen=True)
class _Layout:
    """What the variables of a fit run along: the lines, without the polynomial below them."""

    components: tuple[str, ...]
    parameters: tuple[str, ...]
    free: tuple[str, ...]


def fitted_inside(
    dataset: xr.Dataset, linked: LinkedModel, active: Active, limits: tuple[float, float], series: Series
) -> xr.Dataset:
    """Dataset with the variables of a fit of its counts inside ``limits`` by lines and ``active`` background."""
    x = dataset[AXIS].values
    first, last = np.searchsorted(x, limits[0]), np.searchsorted(x, limits[1], side="right")
    part = slice(int(first), int(last))
    whole = active.added_to(linked, float(x[first]))
    model = written(whole)
    understood, name, lines = understand(model), signal_name(dataset), len(linked.lines)
    layout = _Layout(understood.components[:lines], understood.parameters, understood.free)
    known = counting(dataset)
    note(known.said)
    weighted = known.known
    shared, dims = series.on(dataset[name], AXIS, linked, layout.free)
    outputs = outputs_of(layout, AXIS, along=dims, joint=bool(shared))
    curves = ("background", "background_sigma", "net", *(("fit_sigma",) if weighted else ()))
    outputs |= dict.fromkeys(curves, (*dims, AXIS))
    beyond = (part.start, x.size - part.stop)

    def kernel(counts: FloatArray, *given: FloatArray) -> Mapping[str, Any]:
        y = np.asarray(counts[..., part], float)
        variance = given[0][..., part] if given else None
        result, sigma = fit_lines(
            model, x[part], y, variance=variance, seconds=known.seconds, shared=shared, start=series.start,
            below_sigma=True,
        )  # fmt: skip
        found = as_outputs(result, True) | ({"fit_sigma": sigma} if weighted else {})
        found = {n: _of_lines(v, outputs[n], lines) for n, v in found.items()}
        found["background"] = found["best_fit"] - found["component_curve"].sum(-2)
        found["background_sigma"] = result.below_sigma
        found["net"] = y - found["background"]
        return {n: _padded(v, beyond) if AXIS in outputs[n] else v for n, v in found.items()}

    # counts as they are get their weights in the fit
    variance = None if known.seconds == 1.0 else known.variance
    arrays = [dataset[name], *([] if variance is None else [variance])]
    found = map_spectra(
        series.kernel(kernel, dims), [(with_dims(a, dataset[name], dims), (*dims, AXIS)) for a in arrays],
        outputs, sizes=sizes_of(layout, shared), dtypes=types_of(outputs),
    )  # fmt: skip
    own = {n: found.pop(n) for n in ("background", "background_sigma", "net", "fit_sigma") if n in found}
    result = label_fit(dataset.drop_vars(STATIC, errors="ignore"), found, layout, name, shared)
    units = dataset[name].attrs.get("units", "")
    labels = {
        "background": "background fitted with the lines",
        "background_sigma": "standard uncertainty of the background fitted with the lines",
        "net": "counts above the background",
        "fit_sigma": "uncertainty that the fit was weighted by",
    }
    for variable, values in own.items():
        about = active.to_attrs() if variable == "background" else {}
        result[variable] = values.transpose(*dataset[name].dims).assign_attrs(
            units=units, long_name=labels[variable], **about
        )
    tables, settings = from_tables(whole.model, whole.params).to_tables()
    weights = {"weights": "sigma", "sigma": "fit_sigma"} if weighted else {"weights": "none"}
    resolve(variable=name, window=limits, model=tables, params=settings, **weights)
    result = result.assign_coords(component=[line.name for line in linked.lines])
    return _with_strength(result, linked, active)


def _of_lines(values: Any, dims: tuple[str, ...], lines: int) -> Any:
    """Without the polynomial, which is the last component."""
    if "component" not in dims:
        return values
    return values[..., :lines, :] if AXIS in dims else values[..., :lines]


def _padded(values: FloatArray, beyond: tuple[int, int]) -> FloatArray:
    """NaN beyond the window; curves of a large series are copied only where there is something beyond."""
    if not any(beyond):
        return values
    return np.pad(values, [(0, 0)] * (values.ndim - 1) + [beyond], constant_values=np.nan)


def _with_strength(result: xr.Dataset, linked: LinkedModel, active: Active) -> xr.Dataset:
    """Strength of the background of the lines, with its uncertainty."""
    if not active.tail:
        return result
    name, units, meaning = STRENGTH_OF[active.tail]
    names = [line.prefix + active.tail for line in linked.lines]
    for suffix, about in (("", meaning), ("_sigma", f"standard uncertainty of {name}")):
        values = result[f"best_value{suffix}"]
        if active.each:
            own = values.sel(parameter=names).rename(parameter="component")
            own = own.assign_coords(component=result["component"])
        else:
            own = values.sel(parameter=names[0], drop=True)
        result[name + suffix] = own.drop_attrs().assign_attrs(units=units, long_name=about)
    return result
