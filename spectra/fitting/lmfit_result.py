"""One fitted spectrum as lmfit's own result, for its reports, confidence intervals and samplers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from spectra.dataset import signal_name, spectral_axis
from spectra.errors import InvalidInput
from spectra.fitting.arrays import weighted_rows
from spectra.fitting.from_lmfit import build
from spectra.fitting.spec import from_tables
from spectra.verbs import history

if TYPE_CHECKING:
    import lmfit
    import xarray as xr

__all__ = ["to_lmfit"]


def to_lmfit(dataset: xr.Dataset, **index: int) -> lmfit.model.ModelResult:
    """The ``lmfit.ModelResult`` of one fitted spectrum: ``fit_report``, ``conf_interval``, ``emcee`` and the rest.

    Parameters
    ----------
    dataset : xarray.Dataset
        Result of :func:`spectra.fit`, or of a verb that fits with its engine.
    **index : int
        Which spectrum, by position along each series dimension, as in ``Dataset.isel``.

    Returns
    -------
    lmfit.model.ModelResult
        lmfit's fit started at the engine's minimum, with the same weights, limits and ties. What a joint fit shares is
        kept at its value there: one spectrum alone would move it.

    Raises
    ------
    InvalidInput
        The dataset holds no fit, several spectra are left by ``index``, or this one failed.

    Examples
    --------
    >>> import numpy as np, spectra
    >>> x = np.linspace(0, 10, 101)
    >>> y = 5 * np.exp(-(((x - 5) / 1.5) ** 2)) + np.random.default_rng(1).normal(scale=0.1, size=101)
    >>> data = spectra.from_arrays(x, y, axis="raman_shift")
    >>> fitted = spectra.fit(data, model=({"shape": "gaussian"},), params={"position": 4.5})
    >>> result = spectra.to_lmfit(fitted)
    >>> bool(abs(result.params["position"].value - float(fitted.position[0])) < 1e-6)
    True
    """
    entry = next((e for e in reversed(history(dataset)) if "params" in e.get("resolved", {})), None)
    if entry is None or "best_value" not in dataset:
        raise InvalidInput("the dataset holds no fit of the compiled engine: call spectra.fit first.")
    one = dataset.isel(index)
    said = {**entry["options"], **entry["resolved"]}
    name = said.get("variable") or signal_name(dataset)
    if one[name].ndim != 1:
        left = [str(d) for d in one[name].dims if d != spectral_axis(dataset)]
        raise InvalidInput(f"to_lmfit gives one spectrum; say which along {', '.join(left)}: {left[0]}=0.")
    best = one["best_value"].values
    if not np.isfinite(best).all():
        raise InvalidInput("the fit of this spectrum failed; see dataset.spectra.flags.")
    model, params = build(from_tables(said["model"], said["params"]))
    for parameter, value in zip(one["parameter"].values, best, strict=True):
        if not params[str(parameter)].expr:
            params[str(parameter)].value = float(value)
    for parameter in (
        one["shared"].values if "shared" in one.coords else ()
    ):  # other spectra have a say in them
        params[str(parameter)].vary = False
    return _fitted(model, params, one, name, said.get("weights", "none"), said.get("sigma", f"{name}_sigma"))


def _fitted(model: Any, params: Any, one: xr.Dataset, name: str, weights: str, spread: str) -> Any:
    x, y = one[spectral_axis(one)].values, np.asarray(one[name].values, float)
    if weights == "poisson":
        sigma = np.sqrt(np.maximum(one["best_fit"].values, 1.0))
    else:
        sigma = one[spread].values if weights == "sigma" else None
    rows, weight = weighted_rows(y, sigma, False)
    used = (weight[0] > 0) & np.isfinite(one["best_fit"].values)  # outside a window nothing was fitted
    return model.fit(rows[0][used], params, x=x[used], weights=weight[0][used], scale_covar=weights == "none")
