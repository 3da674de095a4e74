"""Models that only lmfit can evaluate, fitted by lmfit spectrum by spectrum, with the engine's kind of result."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from spectra.fitting.arrays import FitResult, criteria, weighted_rows
from spectra.fitting.batch import runs
from spectra.fitting.understand import Understood

__all__ = ["fit_with_lmfit"]

Floats = npt.NDArray[np.float64]

#: What models call the quantities of a component: lmfit's, then ours.
NAMES = {
    "position": ("center", "position"),
    "height": ("height",),
    "area": ("amplitude", "area"),
    "fwhm": ("fwhm",),
}
#: Fits of counts: the weights are taken anew from the fitted curve before each but the first.
ROUNDS = 4


def fit_with_lmfit(
    understood: Understood,
    x: Floats,
    y: Floats,
    *,
    sigma: npt.ArrayLike | None = None,
    poisson: bool = False,
    max_nfev: int = 500,
) -> FitResult:
    """Fit each spectrum with ``lmfit.Model.fit``; result as of :func:`spectra.fitting.fit_arrays`.

    Components come from ``ModelResult.eval_components``; positions, heights, areas and widths from parameters of
    these names where the model has them. Every free parameter may cost ``max_nfev`` evaluations.
    """
    rows, weight = weighted_rows(y, sigma, poisson)
    known = sigma is not None or poisson
    tables = _tables(len(rows), x.size, understood)
    for i, (row, weights) in enumerate(zip(rows, weight, strict=True)):
        used = weights > 0
        tables["points"][i] = used.sum()
        if used.sum() < len(understood.free):
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # lmfit warns of what the flags say
                fitted = _fit_one(understood, x, row, weights, used, known, poisson, max_nfev)
        except (ValueError, ArithmeticError):  # the model gave NaN on the way
            tables["not_finite"][i] = True
            continue
        _write(tables, i, fitted, x, understood)
        tables["runs_p_value"][i] = runs(tables["best_fit"][i], row, weights)
    return _result(tables, y.shape[:-1], understood, known)


def _fit_one(
    understood: Understood,
    x: Floats,
    row: Floats,
    weights: Floats,
    used: npt.NDArray[np.bool_],
    known: bool,
    poisson: bool,
    max_nfev: int,
) -> Any:
    start, spread = understood.lmfit_params, weights[used]
    budget = max_nfev * (len(understood.free) + 1)
    for _ in range(ROUNDS if poisson else 1):
        fitted = understood.lmfit_model.fit(
            row[used], start, x=x[used], weights=spread, scale_covar=not known, max_nfev=budget
        )
        start, spread = fitted.params, 1 / np.sqrt(np.maximum(fitted.best_fit, 1.0))
    return fitted


def _tables(total: int, n: int, understood: Understood) -> dict[str, Any]:
    p, f, c = len(understood.parameters), len(understood.free), len(understood.components)
    shapes: dict[str, tuple[int, ...]] = {"value": (p,), "sigma": (p,), "covariance": (f, f)}
    shapes |= {"best_fit": (n,), "component_curve": (c, n), "chi2": (), "runs_p_value": ()}
    shapes |= dict.fromkeys(NAMES, (c,)) | {f"{q}_sigma": (c,) for q in NAMES}
    numbers: dict[str, Any] = {k: np.full((total, *s), np.nan) for k, s in shapes.items()}
    numbers |= {k: np.zeros(total, np.int64) for k in ("points", "nfev")}
    return numbers | {k: np.zeros(total, bool) for k in ("not_finite", "at_bound", "undetermined")}


def _write(tables: dict[str, Any], i: int, fitted: Any, x: Floats, understood: Understood) -> None:
    tables["nfev"][i] = fitted.nfev
    if not fitted.success:
        return
    tables["chi2"][i] = fitted.chisqr
    tables["value"][i] = [fitted.params[n].value for n in understood.parameters]
    tables["sigma"][i] = [_sigma(fitted.params[n]) for n in understood.parameters]
    tables["at_bound"][i] = any(_on_bound(fitted.params[n]) for n in understood.free)
    tables["undetermined"][i] = fitted.covar is None
    if fitted.covar is not None:
        order = [fitted.var_names.index(n) for n in understood.free]
        tables["covariance"][i] = fitted.covar[np.ix_(order, order)]
    tables["best_fit"][i] = fitted.eval(x=x)
    for c, component in enumerate(fitted.components):
        tables["component_curve"][i, c] = component.eval(fitted.params, x=x)
        for quantity, names in NAMES.items():
            for name in names:
                parameter = fitted.params.get(component.prefix + name)
                if parameter is not None and name in (*component._param_root_names, *component.param_hints):
                    tables[quantity][i, c] = parameter.value
                    tables[f"{quantity}_sigma"][i, c] = _sigma(parameter)


def _sigma(parameter: Any) -> float:
    if parameter.stderr is not None:
        return float(parameter.stderr)
    return math.nan if parameter.vary or parameter.expr else 0.0


def _on_bound(parameter: Any) -> bool:
    near = 1e-6 * max(abs(parameter.value), 1e-300)
    return bool(abs(parameter.value - parameter.min) <= near or abs(parameter.value - parameter.max) <= near)


def _result(tables: dict[str, Any], shape: tuple[int, ...], understood: Understood, known: bool) -> FitResult:
    good, few = np.isfinite(tables["chi2"]), tables["points"] < len(understood.free)
    grid = {k: v.reshape((*shape, *v.shape[1:])) for k, v in tables.items()}
    redchi, aicc, bic = criteria(grid["chi2"], grid["points"].astype(float), len(understood.free), known)
    none = np.zeros(shape, bool)
    nothing = np.full_like(grid["position"], np.nan)
    return FitResult(
        model=understood.written,
        parameters=understood.parameters,
        free=understood.free,
        components=understood.components,
        value=grid["value"],
        sigma=grid["sigma"],
        covariance=grid["covariance"],
        slopes=np.empty((*shape, 0, len(understood.free))),
        jacobian=np.empty((*shape, len(understood.free), 0)),
        quantity={q: grid[q] for q in NAMES} | {"maximum": nothing},
        quantity_sigma={q: grid[f"{q}_sigma"] for q in NAMES} | {"maximum": nothing.copy()},
        best_fit=grid["best_fit"],
        component_curve=grid["component_curve"],
        below_sigma=np.empty((*shape, 0)),
        chi2=grid["chi2"],
        redchi=redchi,
        aicc=aicc,
        bic=bic,
        runs_p_value=grid["runs_p_value"],
        nfev=grid["nfev"],
        flags={
            "fit_not_converged": (~good & ~few & ~tables["not_finite"]).reshape(shape),
            "fit_not_finite": grid["not_finite"],
            "fit_too_few_points": few.reshape(shape),
            "at_bound": grid["at_bound"],
            "undetermined": grid["undetermined"],
            "weak_component": none,
            "several_minima": none.copy(),
        },
    )
