"""Lines fitted to spectra freed of a static background: what the fit says, and what the background adds to its doubt.

The fit itself is the core's. Here are the two things that a background taken off before asks for: weights from all
that was counted, background included, and the uncertainty that the ends of the background hand on to every number.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from spectra.fitting import fit_arrays
from spectra.fitting.arrays import FitResult, Start, criteria
from spectra.fitting.from_lmfit import build
from spectra.fitting.spec import Model, Setting, from_tables
from spectra.fitting.understand import understand
from xps.background.subtraction import Method
from xps.counting import poisson_variance
from xps.deconvolution.room import with_room
from xps.links import LinkedModel, identifier

__all__ = [
    "MEAN_VALENCE",
    "draw_lines",
    "end_moves",
    "fit_lines",
    "fraction_name",
    "start_positions",
    "written",
]

FloatArray = npt.NDArray[np.float64]

MEAN_VALENCE = "mean_valence"
ROUNDS = 2  # of weights taken anew from the fitted curve; a third changes nothing


def fraction_name(state: str) -> str:
    """Name of the parameter that holds the fraction of ``state``."""
    return f"fraction_{identifier(state)}".rstrip("_")


def written(linked: LinkedModel) -> Model:
    """The model with what is derived from its areas: the fraction of each state and the mean valence.

    Fractions are those of one level. They are expressions of the fit, so that all correlations of the areas go into their uncertainties.
    """
    model = from_tables(linked.model, linked.params)
    levels: dict[str | None, dict[str, list[str]]] = {}
    for line in linked.lines:
        if line.state is not None:
            levels.setdefault(line.level, {}).setdefault(line.state, []).append(f"{line.prefix}area")
    valences = {str(line.state): line.valence for line in linked.lines if line.state is not None}
    derived: dict[str, str] = {}
    means = []
    for members in levels.values():
        total = " + ".join(area for areas in members.values() for area in areas)
        derived |= {fraction_name(s): f"({' + '.join(areas)}) / ({total})" for s, areas in members.items()}
        if all(valences[s] is not None for s in members):
            means.append(" + ".join(f"{valences[s]!r} * {fraction_name(s)}" for s in members))
    if len(means) == 1:  # of two elements it would be the mean valence of neither
        derived[MEAN_VALENCE] = means[0]
    return Model(model.components, model.settings | {n: Setting(expr=e) for n, e in derived.items()})


def start_positions(model: Model, linked: LinkedModel) -> dict[str, float]:
    """Position that each line starts from, ties included."""
    _, parameters = build(model)
    return {line.name: float(parameters[f"{line.prefix}position"].value) for line in linked.lines}


def end_moves(
    method: Method | None, x: FloatArray, y: FloatArray, variance: FloatArray, net: FloatArray
) -> tuple[FloatArray, ...]:
    """How the background moves when what it hangs on at the ends is one sigma off; (..., n) each.

    The window of the background is where ``net`` is finite. Nothing for a background that came from elsewhere: it is
    taken as known.
    """
    inside = np.flatnonzero(np.isfinite(net).reshape(-1, x.size).any(0))
    if method is None or not inside.size:
        return ()
    window = slice(inside[0], inside[-1] + 1)
    result = method(x[window], y[..., window])
    moves = []
    for inside_window in result.moves(variance[..., window], method.n_end):
        move = np.zeros(y.shape)
        move[..., window] = inside_window
        moves.append(move)
    return tuple(moves)


def fit_lines(
    model: Model,
    x: FloatArray,
    net: FloatArray,
    *,
    background: FloatArray | float = 0.0,
    variance: FloatArray | None = None,
    seconds: float | None = None,
    moves: Sequence[FloatArray] = (),
    shared: Sequence[str] = (),
    start: Start = "fresh",
    below_sigma: bool = False,
) -> tuple[FitResult, FloatArray | None]:
    """Fit ``model`` to net counts.

    Parameters
    ----------
    model : Model
        As :func:`written` makes it.
    x : (n,) array
        Binding energy in eV, ascending.
    net : (..., n) array
        What is fitted; NaN is left out.
    background : array, optional
        What was taken off: it was counted too.
    variance : (..., n) array, optional
        Variance of each point. Without it all points weigh the same.
    seconds : float, optional
        Counting statistics hold: counts per second times this are Poisson numbers (1 for counts). The variance is
        then taken from the fitted curve; that of the counts themselves pulls every area down.
    moves : sequence of (..., n) arrays
        One-sigma moves of the background, each independent of the others. The fit is repeated with each, and what
        it changes is added to the uncertainties in quadrature. In a joint fit they are independent from spectrum to
        spectrum, too.
    shared : sequence of str
        Parameters with one value for all spectra along the last series dimension: a joint fit.
    start : {"fresh", "previous", "neighbour"}
        Start values, as :func:`spectra.fit` hands them along.
    below_sigma : bool
        State the uncertainty of the background that is part of the model.

    Returns
    -------
    FitResult, array or None
        And the standard uncertainty of each point that the fit was weighted by.
    """
    understood = understand(model)
    fit = functools.partial(fit_arrays, understood, None, x, start=start, shared=shared)
    if (
        seconds == 1.0 and np.ndim(background) == 0 and background == 0
    ):  # counts as they are: the engine's own weights
        result = fit(net, poisson=True, below_sigma=below_sigma)
        counted: FloatArray = np.sqrt(np.maximum(result.best_fit, 1.0))
        return with_room(result, model, x, net, counted, shared=shared), counted
    sigma: FloatArray | None = None if variance is None else np.sqrt(variance)
    rounds = 0 if sigma is None or seconds is None else ROUNDS
    result = fit(
        net, sigma=sigma, component_curves=not rounds, moves=() if rounds else moves, below_sigma=below_sigma
    )
    for left in reversed(range(rounds)):
        counted = np.sqrt(poisson_variance(result.best_fit + background, seconds or 1.0))
        sigma = np.asarray(np.where(np.isfinite(counted), counted, 0.0 if sigma is None else sigma))
        result = fit(
            net, sigma=sigma, component_curves=not left, moves=() if left else moves, below_sigma=below_sigma
        )
    if sigma is None:
        return result, None
    best = result
    result = with_room(best, model, x, net, sigma, shared=shared, moves=moves if shared else ())
    for move in () if shared else moves:  # a joint fit has them in its covariance
        moved = fit(net - move, sigma=sigma, component_curves=False)
        result = _widened(result, best, moved)
    return result, sigma


def _widened(result: FitResult, best: FitResult, moved: FitResult) -> FitResult:
    """``result`` with the change from ``best`` to ``moved`` as one more source of uncertainty.

    Where the moved fit failed the uncertainty is not known: NaN, and the spectrum is marked.
    """

    def wider(sigma: FloatArray, one: FloatArray, other: FloatArray) -> FloatArray:
        return np.asarray(np.hypot(sigma, other - one))

    of = {name: n for n, name in enumerate(result.parameters)}
    free = [of[name] for name in result.free]
    lost = np.isfinite(result.chi2) & ~np.isfinite(moved.chi2)
    change = (moved.value - best.value)[..., free]
    return replace(
        result,
        sigma=wider(result.sigma, best.value, moved.value),
        covariance=result.covariance + change[..., :, None] * change[..., None, :],
        quantity_sigma={
            name: wider(sigma, best.quantity[name], moved.quantity[name])
            for name, sigma in result.quantity_sigma.items()
        },
        flags=result.flags | {"undetermined": result.flags["undetermined"] | lost},
    )


def draw_lines(
    model: Model, x: FloatArray, net: FloatArray, *, variance: FloatArray | None = None
) -> FitResult:
    """The lines at the values that ``model`` holds, nothing fitted, compared with the net counts."""
    settings = {n: s if s.expr else replace(s, vary=False) for n, s in model.settings.items()}
    fixed = Model(model.components, settings)
    total, parameters = build(fixed)
    curve = total.eval(parameters, x=x)
    # fitted to its own curve, nothing moves, and heights and widths are seen as in any fit
    one = next(n for n, s in settings.items() if s.expr is None and n.endswith(("area", "amplitude")))
    drawn = fit_arrays(
        Model(fixed.components, settings | {one: replace(settings[one], vary=True)}), None, x, curve
    )
    shape = net.shape[:-1]
    weight = np.ones_like(net) if variance is None else 1 / variance
    misfit = weight * (net - drawn.best_fit) ** 2
    chi2 = np.where(np.isfinite(net).any(-1), np.nansum(misfit, -1), np.nan)
    count = np.isfinite(net).sum(-1).astype(float)
    redchi, aicc, bic = criteria(chi2, count, 0, variance is not None)

    def everywhere(values: Any) -> Any:
        return np.broadcast_to(values, shape + np.shape(values))

    return replace(
        drawn,
        free=(),
        value=everywhere(drawn.value),
        sigma=everywhere(0 * drawn.sigma),
        covariance=np.zeros((*shape, 0, 0)),
        quantity={n: everywhere(v) for n, v in drawn.quantity.items()},
        quantity_sigma={n: everywhere(0 * v) for n, v in drawn.quantity_sigma.items()},
        best_fit=everywhere(drawn.best_fit),
        component_curve=everywhere(drawn.component_curve),
        chi2=chi2,
        redchi=redchi,
        aicc=aicc,
        bic=bic,
        runs_p_value=np.full(shape, np.nan),
        nfev=everywhere(np.int64(0)),
        flags={n: np.zeros(shape, bool) for n in drawn.flags},
    )
