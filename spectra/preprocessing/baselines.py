"""Baselines: every method of pybaselines by its name, and compiled ones for series and maps."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag, map_spectra, signal_name, spectral_axis
from spectra.errors import InvalidInput, UnknownOption, did_you_mean
from spectra.preprocessing.faults import flag_detector_faults
from spectra.verbs import note, resolve, verb

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "COMPILED",
    "Baselines",
    "baseline_methods",
    "pybaselines_curves",
    "subtract_baseline",
    "whittaker_baselines",
]

Array = npt.NDArray[np.float64]
Marks = npt.NDArray[np.bool_]

#: Compiled methods, with the options that the compiled form has and their defaults, which are pybaselines'.
COMPILED: dict[str, dict[str, float]] = {
    "asls": {"lam": 1e6, "p": 1e-2, "max_iter": 50, "tol": 1e-3},
    "arpls": {"lam": 1e5, "max_iter": 50, "tol": 1e-3},
    "airpls": {"lam": 1e6, "max_iter": 50, "tol": 1e-3},
    "snip": {"max_half_window": 0, "decreasing": False},
}
#: Methods of pybaselines that are no function of one spectrum: a series at once, or points chosen by hand.
_OTHERS = {"collab_pls", "interp_pts"}
#: Fewest points that a penalty on second differences leaves anything of.
LEAST = 5
#: Spectra that one thread takes at a time.
_SHARE = 512


@dataclass(frozen=True)
class Baselines:
    """Baselines of spectra, and whether each settled; NaN where a spectrum has too few points or the method failed."""

    baseline: Array  # (..., n)
    converged: Marks  # (...)
    failed: Marks  # (...)


def whittaker_baselines(
    y: npt.ArrayLike,
    *,
    method: Literal["asls", "arpls", "airpls"] = "asls",
    lam: float | None = None,
    p: float = 0.01,
    max_iter: int = 50,
    tol: float = 1e-3,
    workers: int | None = None,
) -> Baselines:
    r"""Baselines by penalised least squares with weights that follow the spectrum, compiled.

    .. math:: z = \arg\min \sum_i w_i (y_i - z_i)^2 + \lambda \sum_i (z_{i-1} - 2 z_i + z_{i+1})^2

    with weights from the spectrum's place above or below z: p above and 1 − p below (asls), a logistic curve of what
    lies below (arPLS), or an exponential one below and 0 above (airPLS), until they settle. Each step is a banded
    LDLᵀ factorisation, sixteen spectra at a time.

    Parameters
    ----------
    y : (..., n) array
        Spectra on an even grid, or one whose steps do not matter. Points that are not finite weigh nothing.
    method : {"asls", "arpls", "airpls"}
    lam : float, optional
        Stiffness. Default: that of pybaselines, 1e6, for arPLS 1e5.
    p : float
        Of asls: the weight of points above the baseline.
    max_iter, tol
        Steps, and the change of the weights that ends them; as in pybaselines.
    workers : int, optional
        Threads. Default: all cores.

    Returns
    -------
    Baselines
        Equal to those of pybaselines to 1e-6 of the spectrum for ``lam`` up to 1e8; beyond, rounding shows in both.

    References
    ----------
    P. H. C. Eilers & H. F. M. Boelens, Baseline correction with asymmetric least squares smoothing (2005);
    S.-J. Baek, A. Park, Y.-J. Ahn & J. Choo, Analyst 140, 250 (2015), doi:10.1039/C4AN01061B;
    Z.-M. Zhang, S. Chen & Y.-Z. Liang, Analyst 135, 1138 (2010)

    Examples
    --------
    >>> import numpy as np
    >>> x = np.linspace(0, 1, 400)
    >>> y = 5 + 3 * x + np.exp(-(((x - 0.5) / 0.02) ** 2))
    >>> bool(abs(whittaker_baselines(y, lam=1e6).baseline - 5 - 3 * x).max() < 0.05)
    True
    """
    from spectra.preprocessing.compiled import in_shares
    from spectra.preprocessing.whittaker import AIRPLS, ARPLS, ASLS, settle

    codes = {"asls": ASLS, "arpls": ARPLS, "airpls": AIRPLS}
    stiffness = COMPILED[method]["lam"] if lam is None else lam
    _check_positive(lam=stiffness, tol=tol)
    if not 0 < p < 1:
        raise InvalidInput(f"p is a weight between 0 and 1, got {p:g}.")
    if max_iter < 0:
        raise InvalidInput(f"max_iter counts steps and is not negative, got {max_iter}.")
    values = np.asarray(y)
    lead, n = values.shape[:-1], values.shape[-1]
    rows = values.reshape(-1, n)
    baseline = np.full(rows.shape, np.nan)
    converged, steps = np.zeros(len(rows), bool), np.zeros(len(rows), np.int64)

    def work(start: int, stop: int) -> None:
        part = np.array(rows[start:stop], float)
        part[~np.isfinite(part)] = np.nan
        settle(
            codes[method], part, float(stiffness), float(p), float(tol), int(max_iter), LEAST,
            baseline[start:stop], converged[start:stop], steps[start:stop],
        )  # fmt: skip

    if n >= LEAST:
        in_shares(work, len(rows), _SHARE, workers)
    failed = ~np.isfinite(baseline).all(-1)
    baseline[failed] = np.nan
    return Baselines(baseline.reshape(values.shape), converged.reshape(lead), failed.reshape(lead))


def _check_positive(**values: float) -> None:
    for name, value in values.items():
        if not (value > 0 and np.isfinite(value)):
            raise InvalidInput(f"{name} is above zero, got {value:g}.")


@functools.cache
def baseline_methods() -> tuple[str, ...]:
    """Names of the methods that the installed pybaselines has for one spectrum."""
    from pybaselines import Baseline

    return tuple(
        name
        for name in dir(Baseline)
        if not name.startswith("_") and callable(getattr(Baseline, name)) and name not in _OTHERS
    )


def pybaselines_curves(x: Array, y: npt.ArrayLike, *, method: str, options: Mapping[str, Any]) -> Baselines:
    """Baselines by pybaselines, one spectrum after another; missing points are left out and filled in by lines.

    Parameters
    ----------
    x : (n,) array
        Ascending.
    y : (..., n) array
    method : str
        One of :func:`baseline_methods`.
    options : mapping
        Of that method.

    Returns
    -------
    Baselines
    """
    from pybaselines import Baseline

    values = np.asarray(y, float)
    rows = values.reshape(-1, x.size)
    out, converged = np.full(rows.shape, np.nan), np.ones(len(rows), bool)
    whole = getattr(Baseline(x), method)
    tol = options.get("tol", getattr(inspect.signature(whole).parameters.get("tol"), "default", None))
    for i, row in enumerate(rows):
        there = np.isfinite(row)
        if there.sum() < LEAST:
            continue
        run = whole if there.all() else getattr(Baseline(x[there]), method)
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                curve, about = run(row[there], **options)
        except (ValueError, np.linalg.LinAlgError, IndexError, RuntimeError):
            continue
        out[i] = np.interp(x, x[there], curve)
        last = np.ravel(about.get("tol_history", [0.0]))[-1:]
        converged[i] = not (isinstance(tol, float) and last.size and last[0] > tol)
    failed = ~np.isfinite(out).all(-1)
    out[failed] = np.nan
    lead = values.shape[:-1]
    return Baselines(out.reshape(values.shape), converged.reshape(lead), failed.reshape(lead))


@verb("spectra.subtract_baseline")
def subtract_baseline(
    dataset: xr.Dataset,
    *,
    method: str = "asls",
    options: Mapping[str, Any] | None = None,
    variable: str | None = None,
    engine: Literal["auto", "pybaselines"] = "auto",
    workers: int | None = None,
) -> xr.Dataset:
    r"""Subtract a smooth baseline from every spectrum; add ``baseline`` and ``net``.

    Parameters
    ----------
    dataset : xarray.Dataset
        Spectra of any technique, any series dimensions.
    method : str
        Any method of pybaselines by its name: ``asls``, ``arpls``, ``airpls``, ``snip`` (these are compiled), ``aspls``,
        ``drpls``, ``imodpoly``, ``mor``, ``rolling_ball``, ``rubberband``, ``pspline_arpls``, ...
    options : table, optional
        Options of the method, as pybaselines names them: ``{"lam": 1e6, "p": 0.01}``. Default: pybaselines' own.
    variable : str, optional
        What the baseline is taken from. Default: the measured quantity.
    engine : {"auto", "pybaselines"}
        "auto" runs ``asls``, ``arpls`` and ``airpls`` compiled, where their options are ``lam``, ``p``, ``max_iter``
        and ``tol``, and ``snip`` where they are ``max_half_window`` (one number) and ``decreasing``; "pybaselines" never.
    workers : int, optional
        Threads of compiled methods. Default: all cores.

    Returns
    -------
    xarray.Dataset
        With ``baseline`` and ``net`` = ``variable`` − ``baseline``; ``net_sigma`` where the variable has a sigma (of the
        noise alone: nobody knows how far a baseline is off). Flags: ``no_baseline`` (NaN: fewer than five points, or the
        method failed); warnings ``baseline_not_settled``, ``saturated`` and ``negative_intensity``.

    Raises
    ------
    InvalidInput
        If the method is not known, or cannot work on this axis with these options.
    UnknownOption
        An option that the method does not have.

    Notes
    -----
    The penalty of Whittaker methods (``asls`` and all names with ``pls``) counts points, not 1/cm: spectra on other
    grids need another ``lam``, about as the fourth power of the number of points per band. Missing points weigh
    nothing. Compiled and pybaselines' curves agree to 1e-6 of the spectrum.

    References
    ----------
    P. H. C. Eilers & H. F. M. Boelens, Baseline correction with asymmetric least squares smoothing (2005);
    S.-J. Baek, A. Park, Y.-J. Ahn & J. Choo, Analyst 140, 250 (2015), doi:10.1039/C4AN01061B

    Examples
    --------
    >>> import numpy as np, spectra
    >>> shift = np.linspace(200, 1800, 800)
    >>> band = 100 * np.exp(-(((shift - 620) / 15) ** 2))
    >>> glow = 500 * np.exp(-shift / 900)
    >>> noise = np.random.default_rng(1).normal(0, 1, shift.size)
    >>> one = spectra.from_arrays(shift, band + glow + noise, axis="raman_shift")
    >>> one = spectra.subtract_baseline(one, method="arpls", options={"lam": 1e6})
    >>> bool(abs(one.net - noise - band).median() < 0.3)
    True
    """
    axis, name = spectral_axis(dataset), variable or signal_name(dataset)
    if name not in dataset or axis not in dataset[name].dims:
        raise InvalidInput(f"there is no variable {name!r} along {axis} to take a baseline from.")
    x = dataset[axis].values.astype(float)
    given = dict(options or {})
    if x.size < LEAST:
        raise InvalidInput(f"a baseline needs at least {LEAST} points; these spectra have {x.size}.")
    _check_options(x, method, given)
    compiled = engine == "auto" and _has_compiled(method, given)
    resolve(variable=name)
    if method in COMPILED and method != "snip":
        resolve(options={**COMPILED[method], **given})
    if compiled:
        note(f"{method} ran compiled, {LEAST} points at least per spectrum")

    def kernel(y: Array) -> dict[str, npt.NDArray[Any]]:
        made = (
            _compiled(y, method, given, workers)
            if compiled
            else pybaselines_curves(x, y, method=method, options=given)
        )
        return {"baseline": made.baseline, "failed": made.failed, "restless": ~made.failed & ~made.converged}

    source = dataset[name]
    made = map_spectra(
        kernel, [(source, (axis,))], {"baseline": (axis,), "failed": (), "restless": ()},
        dtypes={"failed": bool, "restless": bool},
    )  # fmt: skip
    units = {"units": str(source.attrs.get("units", ""))}
    dims = source.dims
    result = dataset.assign(
        baseline=made["baseline"].transpose(*dims).assign_attrs(units, long_name=f"baseline ({method})"),
        net=(source - made["baseline"]).transpose(*dims).assign_attrs(units, long_name=f"{name} above its baseline"),
    )  # fmt: skip
    if f"{name}_sigma" in dataset:
        about = {**units, "long_name": "standard uncertainty of net, from the noise alone"}
        result = result.assign(net_sigma=dataset[f"{name}_sigma"].assign_attrs(about))
    result = flag_detector_faults(result, name)
    result = flag(
        result, made["failed"], "no_baseline",
        "the spectrum has fewer than five finite points, or the method failed on it: look at it, or use another method",
    )  # fmt: skip
    return flag(
        result, made["restless"], "baseline_not_settled",
        "the baseline still moved in the last step: raise max_iter or tol, or look whether it follows the bands",
        severity="warning",
    )  # fmt: skip


def _has_compiled(method: str, given: Mapping[str, Any]) -> bool:
    """Whether the compiled form of a method has these options; SNIP's window must be one number."""
    if method == "snip" and not isinstance(given.get("max_half_window"), int):
        return False
    return method in COMPILED and set(given) <= set(COMPILED[method])


def _compiled(y: Array, method: str, given: Mapping[str, Any], workers: int | None) -> Baselines:
    if method != "snip":
        return whittaker_baselines(y, method=method, workers=workers, **given)  # type: ignore[arg-type]
    from spectra.preprocessing.peak_clipping import snip_baselines

    baseline = snip_baselines(y, workers=workers, **given)
    failed = np.asarray(~np.isfinite(baseline).all(-1))
    return Baselines(baseline, ~failed, failed)


def _check_options(x: Array, method: str, options: Mapping[str, Any]) -> None:
    """Refuse a method or options that no spectrum on this axis could be treated with."""
    methods = baseline_methods()
    if method not in methods:
        also = " It needs more than one spectrum or points chosen by hand." if method in _OTHERS else ""
        raise InvalidInput(f"method {method!r} is no baseline; {did_you_mean(method, methods)}.{also}")
    from pybaselines import Baseline

    run = getattr(Baseline(x), method)
    parameters = inspect.signature(run).parameters
    allowed = {n for n, p in parameters.items() if p.kind is not p.VAR_KEYWORD and n != "data"}
    for key in options:
        if key not in allowed:
            raise UnknownOption(f"the baseline {method} has no option {key!r}; {did_you_mean(key, allowed)}.")
    if not options and method in COMPILED:
        return
    t = np.linspace(-1, 1, x.size)
    trial = (
        100.0 - 20 * t + 50 / (1 + (t / 0.05) ** 2) + np.sin(1e4 * t)
    )  # a band on a slope, and something like noise
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            run(trial, **options)
    except (ValueError, TypeError, IndexError, np.linalg.LinAlgError) as error:
        said = str(error).strip().rstrip(".")
        raise InvalidInput(
            f"the baseline {method} cannot work with {dict(options)} on {x.size} points: {said}. Change its options, or "
            "use more of the axis."
        ) from None
