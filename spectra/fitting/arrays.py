"""Fits of arrays: a model, an axis and any number of spectra in; parameters, curves and what is seen of them out."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.errors import InvalidInput
from spectra.fitting.batch import (
    AT_BOUND,
    NO_DATA,
    SEVERAL_MINIMA,
    UNDETERMINED,
    WEAK,
    Results,
    fit_spectra,
    results,
)
from spectra.fitting.leastsq import CONVERGED, NOT_CONVERGED
from spectra.fitting.observing import AREA, FWHM, HEIGHT, MAXIMUM, POSITION
from spectra.fitting.program import Compiled
from spectra.fitting.spec import Model
from spectra.fitting.understand import Understood, understand

__all__ = ["FitResult", "Start", "criteria", "fit_arrays", "weighted_rows"]

_log = logging.getLogger(__name__)

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Start = Literal["fresh", "previous", "neighbour"]

#: Spectra that one thread takes at a time.
_SHARE = 16


@dataclass(frozen=True)
class FitResult:
    """What a fit says, every array with the leading shape of the spectra; NaN where a spectrum failed.

    ``quantity`` and ``quantity_sigma`` hold ``position``, ``height``, ``area``, ``fwhm`` and ``maximum`` of each
    component (..., component).
    """

    model: Model | None  # None where it cannot be written
    parameters: tuple[str, ...]
    free: tuple[str, ...]
    components: tuple[str, ...]
    value: Floats  # (..., parameter)
    sigma: Floats  # (..., parameter)
    covariance: Floats  # (..., free, free)
    slopes: Floats  # (..., parameter, free) derivatives of the parameters, only where a projection is fitted
    jacobian: Floats  # (..., free, fitted point) weighted derivatives of what is fitted, likewise
    quantity: dict[str, Floats]
    quantity_sigma: dict[str, Floats]
    best_fit: Floats  # (..., n)
    component_curve: Floats  # (..., component, n)
    chi2: Floats
    redchi: Floats
    aicc: Floats
    bic: Floats
    runs_p_value: Floats
    nfev: npt.NDArray[np.int64]
    flags: dict[str, Flags]  # by name of the flag


def fit_arrays(
    model: Any,
    params: Mapping[str, Any] | None,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    sigma: npt.ArrayLike | None = None,
    poisson: bool = False,
    start: Start = "fresh",
    component_curves: bool = True,
    workers: int | None = None,
    tolerance: float = 1e-15,
    max_nfev: int = 500,
    restarts: int = 8,
) -> FitResult:
    """Fit one spectrum or many with one model.

    Parameters
    ----------
    model, params
        An ``lmfit.Model`` with its ``Parameters``, or the tables of a recipe (:mod:`spectra.fitting.spec`), or a
        written model.
    x : (n,) array
        Axis, ascending.
    y : (..., n) array
        Spectra; points that are not finite are left out.
    sigma : array that broadcasts with y, optional
        Standard uncertainties. Without them, and without ``poisson``, all points weigh the same and the covariance
        is scaled by the reduced chi-square, as lmfit does by default; with them it is not scaled.
    poisson : bool
        ``y`` are counts: the weights are those of the fitted curve (maximum likelihood).
    start : {"fresh", "previous", "neighbour"}
        Start values: those of ``params``; the result of the spectrum before along the last series dimension; or
        fresh ones, and then again from the results of the neighbours, where those lead lower.
    component_curves : bool
        Keep the curve of each component.
    workers : int, optional
        Threads. Default: all cores.
    tolerance, max_nfev
        A fit ends when a step promises less than this share of chi-square, or fails after so many evaluations.
    restarts : int
        Other starts tried where a component is weak or a parameter undetermined; the best minimum is kept.

    Returns
    -------
    FitResult
        A spectrum whose fit failed holds NaN and a flag; nothing is raised for it.

    Raises
    ------
    InvalidInput
        The model or the shapes of the arrays do not fit.

    Notes
    -----
    A model that the engine cannot express is fitted by lmfit, spectrum by spectrum, and the log says so.

    Examples
    --------
    >>> import numpy as np
    >>> from spectra.fitting import fit_arrays
    >>> x = np.linspace(0, 10, 101)
    >>> y = np.exp(-4 * np.log(2) * ((x - 5) / 1.5) ** 2)
    >>> result = fit_arrays(({"shape": "gaussian"},), {"position": 4.5}, x, y)
    >>> [f"{v:.3f}" for v in result.quantity["fwhm"]]
    ['1.500']
    """
    understood = model if isinstance(model, Understood) else understand(model, params)
    axis = np.array(x, float)  # a copy: read-only arrays are another type to the compiler
    values = np.asarray(y, float)
    projected = len(understood.compiled.arrays.projection) if understood.compiled else 0
    if axis.ndim != 1 or values.ndim == 0 or values.shape[-1] != (projected or axis.size):
        raise InvalidInput(
            f"x has shape {axis.shape} and y {values.shape}; the last dimension of y must be that of x."
        )
    if not np.isfinite(axis).all():
        raise InvalidInput(
            f"x holds {np.count_nonzero(~np.isfinite(axis))} values that are not finite: remove them."
        )
    if understood.compiled is None:
        from spectra.fitting.fallback import fit_with_lmfit

        if understood is not model:
            _log.warning("fitted by lmfit, one spectrum after another: %s", understood.reason)
        return fit_with_lmfit(understood, axis, values, sigma=sigma, poisson=poisson, max_nfev=max_nfev)
    compiled = understood.compiled
    rows, weight = weighted_rows(values, sigma, poisson)
    chain = values.shape[-2] if start == "previous" and values.ndim > 1 else 0
    begin = np.tile(compiled.start, (len(rows), 1))
    run = _Runner(compiled, axis, rows, poisson, tolerance, max_nfev, workers or _cores())
    out = run(begin, weight, fresh=True, chain=chain, restarts=restarts, curves=component_curves)
    if start == "neighbour":
        for moved in _neighbours(out.free, values.shape[:-1]):
            _keep_better(out, run(moved, weight, fresh=False, chain=0, restarts=0, curves=component_curves))
    return _result(compiled, out, values.shape[:-1], known=sigma is not None or poisson)


def _cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def weighted_rows(y: Floats, sigma: npt.ArrayLike | None, poisson: bool) -> tuple[Floats, Floats]:
    """Spectra as rows without gaps, and 1/sigma of each point, 0 where it is left out."""
    usable = np.isfinite(y)
    if poisson:
        spread = np.sqrt(np.maximum(np.where(usable, y, 1.0), 1.0))
    elif sigma is not None:
        spread = np.broadcast_to(np.asarray(sigma, float), y.shape)
        usable = usable & np.isfinite(spread) & (spread > 0)
    else:
        spread = np.ones(y.shape)
    n = y.shape[-1]
    weight = np.divide(1.0, spread, out=np.zeros(y.shape), where=usable)
    return np.where(usable, y, 0.0).reshape(-1, n), weight.reshape(-1, n)


@dataclass(frozen=True)
class _Runner:
    """The engine over all rows, shared out to threads in whole chains."""

    compiled: Compiled
    x: Floats
    rows: Floats
    poisson: bool
    tolerance: float
    max_nfev: int
    workers: int

    def __call__(
        self, begin: Floats, weight: Floats, *, fresh: bool, chain: int, restarts: int, curves: bool
    ) -> Results:
        out = results(self.compiled, len(self.rows), self.x.size, curves)
        weight = weight.copy() if self.poisson else weight  # the engine writes its own weights for counts
        model, total = self.compiled.arrays.addressed().along(self.x, self.compiled.loss), len(self.rows)
        share = max(chain, _SHARE // chain * chain) if chain else _SHARE

        def part(first: int) -> None:
            fit_spectra(
                model, self.x, self.rows, weight, begin, fresh, chain, self.poisson, restarts,
                self.tolerance, self.max_nfev, first, min(first + share, total), out,
            )  # fmt: skip

        if self.workers == 1 or total <= share:
            for first in range(0, total, share):
                part(first)
        else:
            with ThreadPoolExecutor(self.workers) as pool:
                list(pool.map(part, range(0, total, share)))
        return out


def _neighbours(free: Floats, shape: Sequence[int]) -> list[Floats]:
    """Free parameters of the next spectrum on either side along each series dimension."""
    on_grid = free.reshape((*shape, -1))
    shifts = [(axis, step) for axis in range(len(shape)) for step in (1, -1)]
    moved = [np.roll(on_grid, step, axis).reshape(free.shape) for axis, step in shifts]
    return [np.where(np.isfinite(m), m, np.nan_to_num(free, nan=0.0)) for m in moved]


def _keep_better(out: Results, other: Results) -> None:
    """Put the rows of ``other`` that reached a lower chi-square into ``out``."""
    found = other.outcome == CONVERGED
    better = found & ((out.outcome != CONVERGED) | (other.chi2 < out.chi2 * (1 - 1e-9)))
    for mine, theirs in zip(out, other, strict=True):
        mine[better] = theirs[better]


def criteria(chi2: Floats, count: Floats, k: int, known: bool) -> tuple[Floats, Floats, Floats]:
    """Reduced chi-square, AICc and BIC of fits of ``k`` parameters to ``count`` points.

    With known uncertainties -2 log L is chi-square; without them it is N log(chi-square / N), as in lmfit.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        redchi = np.where(count > k, chi2 / (count - k), np.nan)
        misfit = chi2 if known else count * np.log(chi2 / count)
        aicc = np.where(count > k + 1, misfit + 2 * k + 2 * k * (k + 1) / (count - k - 1), np.nan)
        return redchi, aicc, misfit + k * np.log(count)


def _result(compiled: Compiled, out: Results, shape: tuple[int, ...], *, known: bool) -> FitResult:
    def grid(values: Any) -> Any:
        return values.reshape((*shape, *values.shape[1:]))

    good = out.outcome == CONVERGED
    count, k = out.points.astype(float), len(compiled.free)
    chi2 = np.where(good, out.chi2, np.nan)
    redchi, aicc, bic = criteria(chi2, count, k, known)
    scale = np.ones_like(redchi) if known else redchi
    root = np.sqrt(scale)
    names = {"position": POSITION, "height": HEIGHT, "area": AREA, "fwhm": FWHM, "maximum": MAXIMUM}
    return FitResult(
        model=compiled.model,
        parameters=compiled.parameters,
        free=compiled.free,
        components=compiled.components,
        value=grid(out.value),
        sigma=grid(out.sigma * root[:, None]),
        covariance=grid(out.covariance * scale[:, None, None]),
        slopes=grid(out.slopes),
        jacobian=grid(out.jacobian),
        quantity={n: grid(out.seen[..., i].copy()) for n, i in names.items()},
        quantity_sigma={n: grid(out.seen_sigma[..., i] * root[:, None]) for n, i in names.items()},
        best_fit=grid(out.curve),
        component_curve=grid(out.parts),
        chi2=grid(chi2),
        redchi=grid(redchi),
        aicc=grid(aicc),
        bic=grid(bic),
        runs_p_value=grid(out.runs_p),
        nfev=grid(out.nfev),
        flags={
            "fit_not_converged": grid(out.outcome == NOT_CONVERGED),
            "fit_not_finite": grid(
                (out.outcome != CONVERGED) & (out.outcome != NOT_CONVERGED) & (out.outcome != NO_DATA)
            ),
            "fit_too_few_points": grid(out.outcome == NO_DATA),
            "at_bound": grid(good & (out.warnings & AT_BOUND > 0)),
            "undetermined": grid(good & (out.warnings & UNDETERMINED > 0)),
            "weak_component": grid(good & (out.warnings & WEAK > 0)),
            "several_minima": grid(good & (out.warnings & SEVERAL_MINIMA > 0)),
        },
    )
