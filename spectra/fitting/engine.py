"""The verb ``spectra.fit``: one model on every spectrum of a dataset."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset import map_spectra, signal_name, spectral_axis
from spectra.errors import InvalidInput
from spectra.fitting.along import as_series, dims_along, with_dims
from spectra.fitting.arrays import FitResult, Start, fit_arrays
from spectra.fitting.joint import check_shared
from spectra.fitting.labels import label_fit, outputs_of, sizes_of, types_of
from spectra.fitting.understand import understand
from spectra.verbs import note, resolve, verb

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Weights", "as_outputs", "chosen_weights", "fit"]

_log = logging.getLogger(__name__)

Weights = Literal["auto", "sigma", "poisson", "none"]


@verb("spectra.fit", together=lambda options: bool(options["shared"]) or options["start"] != "fresh")
def fit(
    dataset: xr.Dataset,
    *,
    model: Any,
    params: Any = None,
    variable: str | None = None,
    weights: Weights = "auto",
    start: Start = "fresh",
    shared: tuple[str, ...] = (),
    along: str | tuple[str, ...] | None = None,
    component_curves: bool = True,
    workers: int | None = None,
    max_nfev: int = 500,
    restarts: int = 8,
) -> xr.Dataset:
    r"""Fit every spectrum with one model: parameters, components, uncertainties, quality, flags.

    The model is compiled once; Levenberg-Marquardt inside bounds, with analytic derivatives, minimises
    :math:`\chi^2 = \sum_i (y_i - f(x_i))^2 / \sigma_i^2` of each spectrum; with ``shared`` parameters, the sum of those
    of all spectra along a dimension, which are then fitted together with one value of each shared parameter.

    Parameters
    ----------
    dataset : xarray.Dataset
        Spectra of any technique.
    model : lmfit.Model, or tables
        A model of lmfit's or of :func:`spectra.fitting.shape_model`, components added with ``+``; or one table per
        component: ``({"shape": "voigt", "prefix": "a_"}, {"shape": "polynomial", "degree": 1})``.
    params : lmfit.Parameters, or a table, optional
        Start values, limits, fixed values and expressions by name: a number, or ``{value, min, max, vary, expr}``.
        Default: those that the model brings.
    variable : str, optional
        What is fitted. Default: the measured quantity.
    weights : {"auto", "sigma", "poisson", "none"}
        "sigma": from ``<variable>_sigma``. "poisson": the variable holds counts; maximum likelihood with the variance
        of the fitted curve. "none": equal, and the covariance is scaled by the reduced chi-square. "auto": the first
        of sigma, poisson (measured counts in whole numbers) and none that applies.
    start : {"fresh", "previous", "neighbour"}
        Start values: ``params``; the last spectrum before that was fitted clearly; or ``params`` and then the nearest
        neighbours on all sides, where they lead lower, until none does.
    shared : tuple of str
        Varied parameters that have one value for all spectra ``along`` a dimension; the others are fitted per
        spectrum. Over the remaining dimensions there is one joint fit each.
    along : str or tuple of str, optional
        Dimension over which parameters are shared, or along which ``start="previous"`` goes. Default: the only one, or
        for start values the last.
    component_curves : bool
        Keep ``component_curve`` (spectra times components times points).
    workers : int, optional
        Threads. Default: all cores.
    max_nfev : int
        Evaluations of the model after which a fit has failed, unless no parameter alone would lower chi2 by more than
        1e-8 of it: that is the minimum of a curve that misses its data by far.
    restarts : int
        Other starts that are tried where a component is weaker than 5 sigma or a parameter is not determined.

    Returns
    -------
    xarray.Dataset
        With ``best_fit``, ``residual``, ``component_curve``; ``position``, ``height``, ``area``, ``fwhm`` and
        ``maximum`` per ``component``; ``best_value`` per ``parameter``, ``covariance`` of the varied ones; each value
        with its ``_sigma``; ``redchi``, ``aicc``, ``bic``, ``runs_p_value`` and ``nfev`` per spectrum. A spectrum that
        failed holds NaN and the flag ``fit_not_converged``, ``fit_not_finite`` or ``fit_too_few_points``; warnings are
        ``at_bound``, ``undetermined``, ``weak_component`` and ``several_minima``. A joint fit adds ``shared_value``
        with ``_sigma`` and ``shared_covariance`` per ``shared``, ``joint_redchi``, ``joint_aicc``, ``joint_bic``,
        ``joint_spectra`` and ``joint_status``, and the flags ``no_signal`` and ``joint_fit_failed``.

    Raises
    ------
    InvalidInput
        Unknown shape or parameter, weights that the dataset does not have, a model without free parameters; shared
        parameters that are not varied, a dimension that is not there, or a model that only lmfit can evaluate.

    Notes
    -----
    ``height``, ``fwhm`` and ``maximum`` are measured on each component's curve, their uncertainties are propagated
    with exact derivatives. ``runs_p_value`` is the probability of as few runs of one sign in the residual if its signs
    were random. A model that the engine cannot express is fitted by lmfit, which the history says.

    In a joint fit ``covariance`` is the marginal one of a spectrum's own and the shared parameters, so every ``_sigma``
    contains the doubt about the shared ones. Spectra that cannot be fitted (NaN, all zeros) are left out and flagged.
    ``redchi`` of a spectrum counts its part of the shared parameters as its own. Time and memory grow with the number
    of spectra.

    References
    ----------
    J. J. Moré, Lecture Notes in Mathematics 630, 105 (1978), doi:10.1007/BFb0067700

    Examples
    --------
    >>> import numpy as np, spectra
    >>> from spectra.fitting import shape_model
    >>> x = np.linspace(0, 10, 101)
    >>> y = 5 * np.exp(-4 * np.log(2) * ((x - [[4.8], [5.2]]) / 1.5) ** 2)
    >>> data = spectra.from_arrays(x, y, axis="raman_shift", dims=("scan",))
    >>> fitted = spectra.fit(data, model=shape_model("gaussian"), params={"position": 5.0, "area": 8.0, "fwhm": 1.0})
    >>> fitted.position.values.round(3).tolist()
    [[4.8], [5.2]]

    Both with one width, fitted together:

    >>> model = ({"shape": "gaussian"},)
    >>> start = {"position": 5.0, "area": 8.0, "fwhm": 1.0}
    >>> together = spectra.fit(data, model=model, params=start, shared=("fwhm",), along="scan")
    >>> together.shared_value.values.round(3).tolist()
    [1.5]
    """
    name = variable or signal_name(dataset)
    axis = spectral_axis(dataset)
    if name not in dataset or axis not in dataset[name].dims:
        raise InvalidInput(f"there is no variable {name!r} along {axis} to fit.")
    chosen = chosen_weights(dataset, name, weights)
    resolve(variable=name, weights=chosen)
    understood = understand(model, params)
    if understood.written is not None:
        tables, settings = understood.written.to_tables()
        resolve(model=tables, params=settings)
    if understood.compiled is None:
        text = f"fitted by lmfit, one spectrum after another, because the compiled engine cannot: {understood.reason}"
        note(text)
        _log.warning(text)
    check_shared(shared, understood.free, understood.parameters)
    dims = dims_along(dataset[name], axis, along, shared, start)
    if dims:
        resolve(along=dims)
    x, poisson = dataset[axis].values, chosen == "poisson"
    arrays = [dataset[name], *([dataset[f"{name}_sigma"]] if chosen == "sigma" else [])]
    inputs = [(with_dims(array, dataset[name], dims), (*dims, axis)) for array in arrays]
    outputs = outputs_of(understood, axis, along=dims, joint=bool(shared))

    def kernel(y: npt.NDArray[Any], sigma: npt.NDArray[Any] | None = None) -> Mapping[str, Any]:
        result = fit_arrays(
            understood, None, x, y, sigma=sigma, poisson=poisson, start=start, shared=shared,
            component_curves=component_curves, workers=workers, max_nfev=max_nfev, restarts=restarts,
        )  # fmt: skip
        return as_outputs(result, component_curves)

    if start != "neighbour" or shared:  # neighbours are those on a map
        kernel = as_series(kernel, len(dims))

    if not component_curves:
        del outputs["component_curve"]
    fitted = map_spectra(
        kernel, inputs, outputs, sizes=sizes_of(understood, shared), dtypes=types_of(outputs)
    )
    return label_fit(dataset, fitted, understood, name, shared)


def as_outputs(result: FitResult, component_curves: bool) -> dict[str, Any]:
    """Arrays of a fit under the names of the dataset's variables."""
    made: dict[str, Any] = {
        "best_fit": result.best_fit,
        "best_value": result.value,
        "best_value_sigma": result.sigma,
        "covariance": result.covariance,
        "redchi": result.redchi,
        "aicc": result.aicc,
        "bic": result.bic,
        "runs_p_value": result.runs_p_value,
        "nfev": result.nfev,
    }
    made |= result.quantity | {f"{n}_sigma": v for n, v in result.quantity_sigma.items()}
    made |= {f"flag_{n}": v for n, v in result.flags.items()}
    if result.shared is not None:
        one = result.shared
        made |= {
            "shared_value": one.value,
            "shared_value_sigma": one.sigma,
            "shared_covariance": one.covariance,
        }
        made |= {"joint_redchi": one.redchi, "joint_aicc": one.aicc, "joint_bic": one.bic}
        made |= {"joint_spectra": one.spectra, "joint_status": one.status}
    return made | ({"component_curve": result.component_curve} if component_curves else {})


def chosen_weights(dataset: xr.Dataset, name: str, weights: Weights) -> Weights:
    """What ``weights`` comes to for the variable ``name``."""
    known = f"{name}_sigma" in dataset
    if weights == "sigma" and not known:
        raise InvalidInput(f"weights='sigma' needs the variable '{name}_sigma', which is not there.")
    if weights != "auto":
        return weights
    if known:
        return "sigma"
    return "poisson" if dataset[name].attrs.get("units") == "counts" and _whole(dataset[name]) else "none"


def _whole(values: xr.DataArray) -> bool:
    """Whether the values can be numbers of events; those of a lazy dataset are not looked at."""
    if np.issubdtype(values.dtype, np.integer):
        return True
    if values.chunks is not None:
        return False
    finite = values.values[np.isfinite(values.values)]
    return bool((finite >= 0).all() and (finite == np.rint(finite)).all())
