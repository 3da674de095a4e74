"""Models that only lmfit can evaluate, fitted by lmfit spectrum by spectrum, with the engine's kind of result."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from spectra.fitting.arrays import FitResult, weighted_rows
from spectra.fitting.spec import Model

__all__ = ["fit_with_lmfit"]

Floats = npt.NDArray[np.float64]

#: What lmfit's models call the quantities of a component.
NAMES = {"position": "center", "height": "height", "area": "amplitude", "fwhm": "fwhm"}


def fit_with_lmfit(
    model: Any,
    params: Mapping[str, Any] | None,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    sigma: npt.ArrayLike | None = None,
    poisson: bool = False,
    max_nfev: int = 2000,
) -> FitResult:
    """Fit each spectrum with ``lmfit.Model.fit``; arguments and result as in :func:`spectra.fitting.fit_arrays`.

    Components come from ``ModelResult.eval_components``; positions, heights, areas and widths from the parameters
    ``center``, ``height``, ``amplitude`` and ``fwhm`` where the model has them.
    """
    axis, values = np.asarray(x, float), np.asarray(y, float)
    rows, weight = weighted_rows(values, sigma, poisson)
    known = sigma is not None or poisson
    start = params if params is not None else model.make_params()
    names = list(start)
    free = [n for n in names if start[n].vary and not start[n].expr]
    prefixes = [c.prefix for c in model.components]
    tables = _tables(len(rows), axis.size, len(names), len(free), len(prefixes))
    for i, (row, weights) in enumerate(zip(rows, weight, strict=True)):
        used = weights > 0
        tables["points"][i] = used.sum()
        if used.sum() < len(free):
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # lmfit warns of what the flags say
                fitted = model.fit(
                    row[used],
                    start,
                    x=axis[used],
                    weights=weights[used],
                    scale_covar=not known,
                    max_nfev=max_nfev,
                )
        except (ValueError, ArithmeticError):  # the model gave NaN on the way
            tables["not_finite"][i] = True
            continue
        _write(tables, i, fitted, axis, names, free, prefixes)
    return _result(tables, values.shape[:-1], names, free, prefixes, known)


def _tables(total: int, n: int, p: int, f: int, c: int) -> dict[str, Any]:
    shapes = {"value": (p,), "sigma": (p,), "covariance": (f, f), "best_fit": (n,), "component_curve": (c, n)}
    shapes |= dict.fromkeys(NAMES, (c,)) | {f"{q}_sigma": (c,) for q in NAMES}
    numbers: dict[str, Any] = {k: np.full((total, *s), np.nan) for k, s in shapes.items()}
    return numbers | {
        "chi2": np.full(total, np.nan),
        "points": np.zeros(total, np.int64),
        "nfev": np.zeros(total, np.int64),
        "not_finite": np.zeros(total, bool),
        "undetermined": np.zeros(total, bool),
    }


def _write(
    tables: dict[str, Any],
    i: int,
    fitted: Any,
    axis: Floats,
    names: list[str],
    free: list[str],
    prefixes: list[str],
) -> None:
    tables["nfev"][i] = fitted.nfev
    if not fitted.success:
        return
    tables["chi2"][i] = fitted.chisqr
    tables["value"][i] = [fitted.params[n].value for n in names]
    tables["sigma"][i] = [_sigma(fitted.params[n]) for n in names]
    tables["undetermined"][i] = fitted.covar is None
    if fitted.covar is not None:
        order = [fitted.var_names.index(n) for n in free]
        tables["covariance"][i] = fitted.covar[np.ix_(order, order)]
    curves = fitted.eval_components(x=axis)
    parts = [np.broadcast_to(curve, axis.shape) for curve in curves.values()]
    tables["best_fit"][i] = fitted.eval(x=axis)
    tables["component_curve"][i] = parts
    for c, prefix in enumerate(prefixes):
        for quantity, name in NAMES.items():
            parameter = fitted.params.get(prefix + name)
            if parameter is not None:
                tables[quantity][i, c], tables[f"{quantity}_sigma"][i, c] = parameter.value, _sigma(parameter)


def _sigma(parameter: Any) -> float:
    if parameter.stderr is not None:
        return float(parameter.stderr)
    return math.nan if parameter.vary or parameter.expr else 0.0


def _result(
    tables: dict[str, Any],
    shape: tuple[int, ...],
    names: list[str],
    free: list[str],
    prefixes: list[str],
    known: bool,
) -> FitResult:
    from spectra.fitting.arrays import criteria

    good = np.isfinite(tables["chi2"])
    few = tables["points"] < len(free)
    grid = {k: v.reshape((*shape, *v.shape[1:])) for k, v in tables.items()}
    redchi, aicc, bic = criteria(grid["chi2"], grid["points"].astype(float), len(free), known)
    labels = tuple(p.rstrip("_") or f"component_{i + 1}" for i, p in enumerate(prefixes))
    none = np.zeros(shape, bool)
    return FitResult(
        model=Model((), {}),
        parameters=tuple(names),
        free=tuple(free),
        components=labels,
        value=grid["value"],
        sigma=grid["sigma"],
        covariance=grid["covariance"],
        quantity={q: grid[q] for q in NAMES} | {"maximum": np.full_like(grid["position"], np.nan)},
        quantity_sigma={q: grid[f"{q}_sigma"] for q in NAMES}
        | {"maximum": np.full_like(grid["position"], np.nan)},
        best_fit=grid["best_fit"],
        component_curve=grid["component_curve"],
        chi2=grid["chi2"],
        redchi=redchi,
        aicc=aicc,
        bic=bic,
        runs_p_value=np.full(shape, np.nan),
        nfev=grid["nfev"],
        flags={
            "fit_not_converged": (~good & ~few & ~tables["not_finite"]).reshape(shape),
            "fit_not_finite": grid["not_finite"],
            "fit_too_few_points": few.reshape(shape),
            "at_bound": none,
            "undetermined": grid["undetermined"],
            "weak_component": none,
            "several_minima": none,
        },
    )
