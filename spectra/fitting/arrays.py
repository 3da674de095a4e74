"""Fits of arrays: a model, an axis and any number of spectra in; parameters, curves and what is seen of them out."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.errors import InvalidInput
from spectra.fitting.batch import UNDETERMINED, WEAK, Results, clear, fit_spectra, part_of, results
from spectra.fitting.fit_result import FitResult, criteria, joint_result, single_result
from spectra.fitting.joint import check_shared, fit_together
from spectra.fitting.leastsq import CONVERGED
from spectra.fitting.program import Arrays, Compiled
from spectra.fitting.understand import Understood, understand

__all__ = ["FitResult", "Start", "criteria", "fit_arrays", "weighted_rows"]

_log = logging.getLogger(__name__)

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Start = Literal["fresh", "previous", "neighbour"]

#: Spectra that one thread takes at a time.
_SHARE = 16


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
    shared: Sequence[str] = (),
    moves: Sequence[Floats] = (),
    known: Mapping[str, tuple[float, float]] | None = None,
    below_sigma: bool = False,
    begin: npt.ArrayLike | None = None,
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
        Start values: those of ``params``; the last clear result before along the last series dimension; or fresh
        ones, and then the results of the nearest neighbours on all sides, where those lead lower, until none does.
    component_curves : bool
        Keep the curve of each component.
    workers : int, optional
        Threads. Default: all cores.
    tolerance, max_nfev
        A fit ends when a step promises less than this share of chi-square. After so many evaluations it has failed,
        unless no parameter alone promises 1e-8 of chi-square any more.
    restarts : int
        Other starts tried where a component is weak or a parameter undetermined, until four led to the best minimum; that is kept.
    shared : sequence of str
        Free parameters that have one value for all spectra along the last series dimension: these are fitted together,
        one joint fit for each of the other dimensions. Sigmas and covariance of a spectrum's parameters are marginal.
    moves : sequence of (..., n) arrays
        Joint fits only: one-sigma moves of the data, independent of each other and from spectrum to spectrum, that
        add to all uncertainties.
    known : mapping, optional
        Value and standard uncertainty of free parameters from elsewhere, each fitted as one more point: of each
        spectrum, of a shared parameter once. Needs ``sigma``.
    below_sigma : bool
        State the uncertainty of what lies below the peaks: of polynomials and of what peaks leave behind them.
    begin : (..., free) array, optional
        Start values of each spectrum, strengths included, instead of those of ``params``. Not for joint fits.

    Returns
    -------
    FitResult
        A spectrum whose fit failed holds NaN and a flag; nothing is raised for it, and no joint fit is made with it.

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
    if shared and values.ndim < 2:
        raise InvalidInput("shared has no meaning for a single spectrum: give a series, or leave it out.")
    if not np.isfinite(axis).all():
        raise InvalidInput(
            f"x holds {np.count_nonzero(~np.isfinite(axis))} values that are not finite: remove them."
        )
    if understood.compiled is None and shared:
        raise InvalidInput(
            f"shared needs a model that the engine can express, and it cannot: {understood.reason}."
        )
    if known and (understood.compiled is None or sigma is None):
        raise InvalidInput(
            "known needs a model that the engine can express, and sigma: give sigma, or leave it out."
        )
    if understood.compiled is None:
        from spectra.fitting.fallback import fit_with_lmfit

        if understood is not model:
            _log.warning("fitted by lmfit, one spectrum after another: %s", understood.reason)
        return fit_with_lmfit(understood, axis, values, sigma=sigma, poisson=poisson, max_nfev=max_nfev)
    compiled, weighted = understood.compiled, sigma is not None or poisson
    places = check_shared(shared, compiled.free, compiled.parameters)
    rows, weight = weighted_rows(values, sigma, poisson)
    if known:
        compiled, rows, weight = _with_known(compiled, rows, weight, known, shared, values.shape[-2:-1])
    chain = values.shape[-2] if start == "previous" and values.ndim > 1 else 0
    fresh = begin is None
    first = (
        np.tile(compiled.start, (len(rows), 1))
        if begin is None
        else np.array(begin, float, order="C").reshape(len(rows), -1)
    )
    run = _Runner(compiled, axis, rows, poisson, tolerance, max_nfev, workers or _cores(), below_sigma)
    curves = component_curves and not shared
    out = run(first, weight, fresh=fresh, chain=chain, restarts=0 if shared else restarts, curves=curves)
    if start == "neighbour":
        _from_neighbours(run, out, weight, values.shape[:-1], curves)
    if not shared:
        return single_result(compiled, out, values.shape[:-1], known=weighted)
    more = rows.shape[1] - values.shape[-1]
    off = [
        np.pad(np.broadcast_to(m, values.shape).reshape(len(rows), -1), ((0, 0), (0, more))) for m in moves
    ]
    shape = values.shape[:-1]
    out, said = _together(run, places, out, weight, shape[-1], component_curves, restarts, off)
    return joint_result(compiled, out, said, shape, tuple(shared), known=weighted)


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
    # rows of another layout in memory would be another type to the compiler, and the engine compiled once more
    rows = np.where(usable, y, 0.0).reshape(-1, n)
    return np.ascontiguousarray(rows), np.ascontiguousarray(weight.reshape(-1, n))


def _with_known(
    compiled: Compiled,
    rows: Floats,
    weight: Floats,
    known: Mapping[str, tuple[float, float]],
    shared: Sequence[str],
    series: tuple[int, ...],
) -> tuple[Compiled, Floats, Floats]:
    """The model and its rows with one more point for each parameter of which something is known."""
    places = check_shared(tuple(known), compiled.free, compiled.parameters)
    # a shared parameter is met in every spectrum, and known only once
    times = [np.sqrt(series[0]) if name in shared else 1.0 for name in known]
    value = np.array([v for v, _ in known.values()], float)
    inverse = 1.0 / (np.array([s for _, s in known.values()], float) * times)
    used = np.asarray((weight > 0).any(1))
    more = np.where(used[:, None], inverse, 0.0)
    compiled = replace(compiled, arrays=compiled.arrays._replace(known=places))
    return compiled, np.hstack([rows, np.tile(value, (len(rows), 1))]), np.hstack([weight, more])


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
    below: bool = False

    def model(self) -> Arrays:
        """What the engine is given."""
        return self.compiled.arrays.addressed().along(self.x, self.compiled.loss)

    def __call__(
        self, begin: Floats, weight: Floats, *, fresh: bool, chain: int, restarts: int, curves: bool
    ) -> Results:
        out = results(self.compiled, len(self.rows), self.x.size, curves, self.below)
        weight = weight.copy() if self.poisson else weight  # the engine writes its own weights for counts
        model, total = self.model(), len(self.rows)
        share = max(chain, _SHARE // chain * chain) if chain else _SHARE

        def part(first: int) -> None:
            clear(out, slice(first, min(first + share, total)))
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


def _from_neighbours(run: _Runner, out: Results, weight: Floats, shape: Sequence[int], curves: bool) -> None:
    """Fit again from the nearest results on all sides, where those are new, as long as that leads lower somewhere."""
    news = np.ones(len(run.rows), bool)
    while news.any():
        lower = np.zeros_like(news)
        for nearest in _nearest(_clear(out).reshape(shape)):
            which = np.flatnonzero((nearest >= 0) & (out.points >= len(run.compiled.free)) & news[nearest])
            if not which.size:
                continue
            some = replace(run, rows=run.rows[which])
            other = some(
                out.free[nearest[which]], weight[which], fresh=False, chain=0, restarts=0, curves=curves
            )
            lower[which[_keep_better(out, other, which)]] = True
        news = lower


def _clear(out: Results) -> Flags:
    """Fits that are worth handing on."""
    return np.asarray((out.outcome == CONVERGED) & (out.warnings & (WEAK | UNDETERMINED) == 0))


def _nearest(good: Flags) -> list[npt.NDArray[np.int64]]:
    """For each spectrum the nearest ``good`` one on either side along each dimension; -1 where there is none."""
    number = np.where(good, np.arange(good.size).reshape(good.shape), -1)
    found = []
    for axis in range(good.ndim):
        for backwards in (False, True):
            line = np.moveaxis(number, axis, -1)
            line = line[..., ::-1] if backwards else line
            at = np.where(line >= 0, np.arange(line.shape[-1]), -1)
            last = np.maximum.accumulate(at, axis=-1)
            last = np.concatenate([np.full_like(last[..., :1], -1), last[..., :-1]], axis=-1)
            near = np.where(last >= 0, np.take_along_axis(line, np.maximum(last, 0), axis=-1), -1)
            near = near[..., ::-1] if backwards else near
            found.append(np.moveaxis(near, -1, axis).reshape(-1))
    return found


def _keep_better(out: Results, other: Results, which: npt.NDArray[np.int64]) -> Flags:
    """Put the rows of ``other``, fits of ``which``, that reached a lower chi-square into ``out``; says which did."""
    mine = out.chi2[which]
    better = (other.outcome == CONVERGED) & (
        (out.outcome[which] != CONVERGED) | (other.chi2 < mine * (1 - 1e-9))
    )
    for whole, part in zip(out, other, strict=True):
        whole[which[better]] = part[better]
    return np.asarray(better)


def _together(
    run: _Runner,
    shared: npt.NDArray[np.int64],
    alone: Results,
    weight: Floats,
    count: int,
    curves: bool,
    restarts: int,
    moves: Sequence[Floats],
) -> tuple[Results, list[dict[str, Any]]]:
    """Each ``count`` rows fitted together, from the results of single fits; threads take spectra, or whole fits."""
    out = results(run.compiled, len(run.rows), run.x.size, curves, run.below)
    groups = [slice(first, first + count) for first in range(0, len(run.rows), count)]
    model, few = run.model(), len(groups) < run.workers

    def together(group: slice) -> dict[str, Any]:
        clear(out, group)
        return fit_together(
            run.compiled, model, shared, run.x, run.rows[group], weight[group].copy(),
            part_of(alone, group), part_of(out, group), poisson=run.poisson,
            moves=[m[group] for m in moves], workers=run.workers if few else 1, restarts=restarts,
            tolerance=run.tolerance, max_nfev=run.max_nfev,
        )  # fmt: skip

    with ThreadPoolExecutor(1 if few else run.workers) as pool:
        return out, list(pool.map(together, groups))
