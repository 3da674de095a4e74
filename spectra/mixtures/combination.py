"""Spectra as linear combinations of known ones: every subset tried and ranked, fractions with their covariance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
import numpy.typing as npt

from spectra.mixtures.point_noise import PointNoise
from spectra.mixtures.shifts import Curve, Shift, fit_shifted
from spectra.mixtures.subsets import NEGLIGIBLE, Subsets, list_subsets, subset_fractions, subset_inverse

__all__ = ["Combination", "combine", "spline_curve", "subset_aicc"]

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.intp]
#: ``aicc``: the subset of lowest AICc; ``all``: the best fractions over all components.
Select = Literal["aicc", "all"]

BLOCK = 2000  # spectra at a time


@dataclass(frozen=True)
class Combination:
    """Fractions of m components in each spectrum; NaN in all where nothing could be fitted.

    ``sigma`` of a component that is not part of the combination says how large its fraction could be and stay
    unnoticed; the covariance is that of the components which are part of it, zero elsewhere.
    """

    fractions: Array  # (..., m)
    sigma: Array  # (..., m)
    covariance: Array  # (..., m, m)
    shifts: Array  # (..., m) in units of the axis
    shift_sigma: Array  # (..., m)
    fit: Array  # (..., n)
    redchi: Array  # (...)
    aicc: Array  # (...)
    rfactor: Array  # (...)
    ranked_fractions: Array  # (..., ranks, m)
    ranked_aicc: Array  # (..., ranks)
    ranked_rfactor: Array  # (..., ranks)
    at_limit: Array  # (...) 1 where a shift stands at its limit


def spline_curve(x: Array, y: Array) -> Curve:
    """Value and slope of the cubic spline through the points of a component."""
    from scipy.interpolate import CubicSpline

    spline = CubicSpline(x, y)
    slope = spline.derivative()
    return lambda at: (spline(at), slope(at))


def combine(
    x: Array,
    spectra: Array,
    curves: Sequence[Curve],
    *,
    weights: Array | None = None,
    shared_errors: Array | None = None,
    noise_root: Array | None = None,
    noise_sizes: Array | None = None,
    nonnegative: bool = True,
    sum_to_one: bool = True,
    shift: Shift = "none",
    max_shift: float = 1.0,
    largest: int | None = None,
    within: Sequence[int] | None = None,
    select: Select = "aicc",
    ranks: int = 1,
) -> Combination:
    r"""Fit each spectrum by every subset of components and rank the fits.

    .. math:: y(x) = \sum_j f_j\, a_j(x - \delta_j), \quad f_j \ge 0, \quad \sum_j f_j = 1

    Without shifts each subset is one small linear system for all spectra. AICc is
    :math:`n \ln(\chi^2/n) + 2k + 2k(k+1)/(n-k-1)` with k free parameters.

    Parameters
    ----------
    x : (n,) array
    spectra : (..., n) array
        NaN where a point is missing.
    curves : sequence of m callables
        Value and slope of each component at any positions (:func:`spline_curve`).
    weights : (..., n) array, optional
        1/variance of the points, up to a factor. Default: all alike.
    shared_errors : (..., q, n) array, optional
        Independent errors that run through all points of a spectrum, such as those of a normalisation, each at its
        standard deviation.
    noise_root : (n, p) array, optional
        The noise of the points is this matrix times independent noise of p sources. Default: the points are the
        sources. It changes the uncertainties and the number of points that AICc counts, not the fractions.
    noise_sizes : (..., p) array, optional
        Sizes of the sources, up to a factor for each spectrum. Default: all alike.
    nonnegative, sum_to_one : bool
        Constraints on the fractions.
    shift : {"none", "common", "each"}
        Whether the components may move along ``x``.
    max_shift : float
        By how much, to each side.
    largest : int, optional
        Most components in one combination. Default: all.
    within : sequence of int, optional
        Components that may take part. Default: all.
    select : {"aicc", "all"}
        Which combination counts.
    ranks : int
        How many of the best combinations are kept.

    Returns
    -------
    Combination
        Uncertainties are scaled by the residual, so that they hold the noise of spectrum and components alike.
    """
    lead, rows = spectra.shape[:-1], spectra.reshape(-1, x.size)
    subsets = list_subsets(len(curves), largest=largest, within=within)
    ranks = min(ranks, len(subsets.members))
    options = _Options(subsets, nonnegative, sum_to_one, shift, max_shift, select, ranks)
    w = None if weights is None else weights.reshape(rows.shape)
    shared = None if shared_errors is None else shared_errors.reshape(len(rows), -1, x.size)
    sizes = None if noise_sizes is None else np.broadcast_to(noise_sizes, (*lead, noise_sizes.shape[-1]))
    noise = PointNoise(noise_root, None if sizes is None else np.nan_to_num(sizes.reshape(len(rows), -1)))
    parts = []
    size = BLOCK if shift == "none" else BLOCK // 10
    for start in range(0, max(len(rows), 1), size):
        part = slice(start, start + size)
        problem = _Problem.of(x, rows[part], curves, None if w is None else w[part], options, noise.of(part))
        parts.append(_solve(problem, None if shared is None else shared[part]))
    joined = {f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Combination)}
    return Combination(**{name: array.reshape((*lead, *array.shape[1:])) for name, array in joined.items()})


def subset_aicc(
    x: Array,
    spectra: Array,
    curves: Sequence[Curve],
    *,
    weights: Array | None = None,
    noise_root: Array | None = None,
    nonnegative: bool = True,
    sum_to_one: bool = True,
    shift: Shift = "none",
    max_shift: float = 1.0,
    largest: int | None = None,
) -> Array:
    """AICc of every subset of components for each spectrum: (..., subsets), in the order of :func:`list_subsets`.

    Options as in :func:`combine`. Where the best fractions of a subset are not all positive, those of the smaller
    subset that is left count, with the penalty for all its members.
    """  # fmt: skip
    lead, rows = spectra.shape[:-1], spectra.reshape(-1, x.size)
    subsets = list_subsets(len(curves), largest=largest)
    inside = [[i for i, s in enumerate(subsets.members) if set(s) <= set(whole)] for whole in subsets.members]
    options = _Options(subsets, nonnegative, sum_to_one, shift, max_shift, "all", 1)
    w = None if weights is None else weights.reshape(rows.shape)
    out = np.empty((len(rows), len(inside)))
    for start in range(0, len(rows), BLOCK):
        part = slice(start, start + BLOCK)
        noise = PointNoise(noise_root, None)
        problem = _Problem.of(x, rows[part], curves, None if w is None else w[part], options, noise)
        squares, _ = _scan(problem)
        for i, members in enumerate(subsets.members):
            out[part, i] = problem.aicc(squares[:, inside[i]].min(1), problem.free(members))
    return np.where(np.isfinite(out), out, np.nan).reshape((*lead, len(inside)))


@dataclass(frozen=True)
class _Options:
    subsets: Subsets
    nonnegative: bool
    sum_to_one: bool
    shift: Shift
    max_shift: float
    select: Select
    ranks: int


@dataclass(frozen=True)
class _Problem:
    """Spectra of one block beside the components, and the products that all subsets share."""

    x: Array
    y: Array  # (rows, n), 0 where a point is missing
    weights: Array  # (rows, n), 0 where a point is missing
    count: Array  # (rows,) points that are there
    curves: Sequence[Curve]
    components: Array  # (m, n)
    origin: Array  # (n,) subtracted from both under the sum rule, which keeps the digits of good fits
    normal: Array  # (m, m), or (rows, m, m) where the weights differ
    right: Array  # (rows, m)
    squares: Array  # (rows,)
    options: _Options
    noise: PointNoise

    @classmethod
    def of(
        cls, x: Array, spectra: Array, curves: Sequence[Curve], weights: Array | None, options: _Options, noise: PointNoise
    ) -> _Problem:  # fmt: skip
        there = np.isfinite(spectra)
        alike = weights is None and bool(there.all())
        w = np.where(there, 1.0 if weights is None else weights, 0.0)
        y = np.where(there, spectra, 0.0)
        a = np.stack([curve(x)[0] for curve in curves])
        origin = a.mean(0) if options.sum_to_one else np.zeros(x.size)
        b, z = a - origin, y - origin
        products = (b[:, None] * b).reshape(-1, x.size)
        normal = b @ b.T if alike else (w @ products.T).reshape(-1, len(b), len(b))
        right = (w * z) @ b.T
        return cls(
            x, y, w, there.sum(1).astype(float), curves, a, origin, normal, right, (w * z**2).sum(1), options, noise
        )  # fmt: skip

    def free(self, members: Sequence[int]) -> int:
        """Free parameters of a fit by these components."""
        shifts = {"none": 0, "common": 1, "each": len(members)}[self.options.shift]
        return len(members) - self.options.sum_to_one + shifts

    def linear(self, members: Sequence[int], rows: Index | slice) -> tuple[Array, Array]:
        """Fractions of unshifted components and the inverse they come from."""
        normal = self.normal if self.normal.ndim == 2 else self.normal[rows]
        inverse = subset_inverse(normal, members, sum_to_one=self.options.sum_to_one)
        right = self.right[rows][:, list(members)]
        return subset_fractions(inverse, right, sum_to_one=self.options.sum_to_one), inverse

    def linear_squares(self, members: Sequence[int], fractions: Array) -> Array:
        """Weighted sum of squares from the shared products, without going through the points."""
        index = np.asarray(members)
        part = self.normal[..., index[:, None], index]
        model = np.einsum("...ab,rb->ra" if part.ndim == 2 else "rab,rb->ra", part, fractions, optimize=True)
        return np.asarray(self.squares + ((model - 2 * self.right[:, index]) * fractions).sum(1))

    def aicc(self, squares: Array, free: int, rows: Index | slice = slice(None)) -> Array:
        n = self.count[rows] * self.noise.independent
        # a residual of 1e-7 of the spectrum is rounding of the products: all fits that leave no more are equally good
        floor = 1e-14 * (self.weights[rows] * self.y[rows] ** 2).sum(1) + 1e-300
        with np.errstate(divide="ignore", invalid="ignore"):
            value = (
                n * np.log(np.maximum(squares, floor) / n) + 2 * free + 2 * free * (free + 1) / (n - free - 1)
            )
        return np.where(n > free + 1, value, np.nan)

    def feasible(self, fractions: Array) -> npt.NDArray[np.bool_]:
        good = np.asarray(np.isfinite(fractions).all(1))
        return np.asarray(good & (fractions >= -NEGLIGIBLE).all(1)) if self.options.nonnegative else good


@dataclass(frozen=True)
class _Fit:
    """One subset fitted to some spectra."""

    fractions: Array  # (rows, p)
    shifts: Array  # (rows, p)
    covariance: Array  # (rows, p + q, p + q) of fractions and shifts, for noise of unit variance
    jacobian: Array  # (rows or 1, p + q, n)
    own_shift: list[int]  # (p,) place in the covariance of each component's shift; none without shifts
    model: Array  # (rows, n)
    squares: Array  # (rows,)
    at_limit: npt.NDArray[np.bool_]


def _fit(problem: _Problem, members: tuple[int, ...], rows: Index) -> _Fit:
    p, options = len(members), problem.options
    fractions, inverse = problem.linear(members, rows)
    y, w = problem.y[rows], problem.weights[rows]
    if options.shift == "none":
        model = fractions @ (
            problem.components[list(members)] - (problem.origin if options.sum_to_one else 0)
        )
        model += problem.origin if options.sum_to_one else 0
        covariance = np.broadcast_to(inverse[..., :p, :p], (len(rows), p, p))
        limit, jacobian = (
            np.zeros(len(rows), bool),
            (problem.components[list(members)] - problem.origin)[None],
        )
        cost = (w * (y - model) ** 2).sum(1)
        return _Fit(fractions, np.zeros_like(fractions), covariance, jacobian, [], model, cost, limit)
    start = np.nan_to_num(np.clip(fractions, 0.05, None), nan=1 / p) if options.nonnegative else fractions
    start = start / start.sum(1, keepdims=True) if options.sum_to_one else start
    made = fit_shifted(
        problem.x, y, w, [problem.curves[j] for j in members], start,
        shift=options.shift, limit=options.max_shift, sum_to_one=options.sum_to_one,
    )  # fmt: skip
    own = [j if made.shifts.shape[1] > 1 else 0 for j in range(p)]
    at_limit = np.asarray((np.abs(made.shifts) >= options.max_shift * (1 - 1e-12)).any(1))
    return _Fit(
        made.fractions, made.shifts[:, own], made.covariance, np.swapaxes(made.jacobian, 1, 2), [p + j for j in own],
        made.model, made.squares, at_limit,
    )  # fmt: skip


def _scan(problem: _Problem) -> tuple[Array, Array]:
    """Weighted squares and AICc (rows, subsets); infinite where a fraction is negative or nothing can be fitted."""
    members = problem.options.subsets.members
    squares = np.full((len(problem.y), len(members)), np.inf)
    aicc = squares.copy()
    everyone = np.arange(len(problem.y))
    for i, subset in enumerate(members):
        if problem.options.shift == "none":
            fractions, _ = problem.linear(subset, slice(None))
            cost = problem.linear_squares(subset, fractions)
        else:
            made = _fit(problem, subset, everyone)
            fractions, cost = made.fractions, made.squares
        good = problem.feasible(fractions)
        value = problem.aicc(cost, problem.free(subset))
        good = good & np.isfinite(value)
        squares[good, i], aicc[good, i] = cost[good], value[good]
    return squares, aicc


def _solve(problem: _Problem, shared: Array | None) -> Combination:
    options, (total, n) = problem.options, problem.y.shape
    m = len(problem.components)
    squares, aicc = _scan(problem)
    order = np.argsort(aicc, axis=1, kind="stable")[:, : options.ranks]
    chosen = order[:, 0] if options.select == "aicc" else np.argmin(squares, axis=1)
    nothing = np.asarray(~np.isfinite(np.take_along_axis(aicc, chosen[:, None], 1)[:, 0]))
    out = {
        **{name: np.full((total, m), np.nan) for name in ("fractions", "sigma", "shifts", "shift_sigma")},
        "covariance": np.full((total, m, m), np.nan),
        "fit": np.full((total, n), np.nan),
        **{name: np.full(total, np.nan) for name in ("redchi", "aicc", "rfactor", "at_limit")},
        "ranked_fractions": np.full((total, options.ranks, m), np.nan),
        "ranked_aicc": np.where(np.isfinite(a := np.take_along_axis(aicc, order, 1)), a, np.nan),
        "ranked_rfactor": np.full((total, options.ranks), np.nan),
    }
    for subset in np.unique(chosen[~nothing]):
        rows = np.flatnonzero((chosen == subset) & ~nothing)
        _put(problem, options.subsets.members[subset], rows, shared, out)
    for rank in range(options.ranks):
        known = np.isfinite(out["ranked_aicc"][:, rank])
        for subset in np.unique(order[known, rank]):
            rows = np.flatnonzero((order[:, rank] == subset) & known)
            members = options.subsets.members[subset]
            made = _fit(problem, members, rows)
            out["ranked_fractions"][rows, rank] = _spread(made.fractions, members, m)
            out["ranked_rfactor"][rows, rank] = _rfactor(problem, made.model, rows)
    return Combination(**out)


def _spread(values: Array, members: Sequence[int], m: int) -> Array:
    full = np.zeros((len(values), m))
    full[:, list(members)] = values
    return full


def _rfactor(problem: _Problem, model: Array, rows: Index) -> Array:
    """Squares of the residual over those of the spectrum, without weights, as larch and Athena have it."""
    there = problem.weights[rows] > 0
    y = problem.y[rows]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((there * (y - model) ** 2).sum(1) / (there * y**2).sum(1))


def _by_noise(problem: _Problem, fit: _Fit, rows: Index, unit: Array, jacobian: Array) -> Array:
    """Covariance (rows, q, q) from the noise as it is distributed; its size is that of the residual.

    ``unit`` (rows, q, q) is the covariance for independent noise of unit variance, ``jacobian`` (rows or 1, q, n).
    """
    weights, noise = problem.weights[rows], problem.noise
    if noise.white:
        free = problem.free(range(fit.fractions.shape[1]))
        return np.asarray(unit * (fit.squares / (problem.count[rows] - free))[:, None, None])
    own = fit.covariance @ (fit.jacobian * weights[:, None, :])  # of the parameters, by each point
    size = fit.squares / noise.expected_squares(fit.jacobian, own, weights, rows)
    by_point = own if unit is fit.covariance else unit @ (jacobian * weights[:, None, :])
    return np.asarray(noise.seen(by_point, rows) * size[:, None, None])


def _shift_sigma(covariance: Array, fit: _Fit) -> Array:
    """(rows, p) of each component's shift; zero without shifts."""
    if not fit.own_shift:
        return np.zeros_like(fit.fractions)
    return np.asarray(np.sqrt(np.einsum("rii->ri", covariance)[:, fit.own_shift]))


def _put(
    problem: _Problem,
    members: tuple[int, ...],
    rows: Index,
    shared: Array | None,
    out: dict[str, Array],
) -> None:
    """The fit by one subset to some spectra, written to where it belongs."""
    m, index = len(problem.components), list(members)
    made = _fit(problem, members, rows)
    free = problem.free(members)
    redchi = made.squares / (problem.count[rows] - free)
    fractions = np.clip(made.fractions, 0, None) if problem.options.nonnegative else made.fractions
    p = len(index)
    every = _by_noise(problem, made, rows, made.covariance, made.jacobian)
    covariance = every[:, :p, :p]
    if shared is not None:
        seen = np.nan_to_num(shared[rows]) * problem.weights[rows][:, None, :]
        unit = made.covariance[:, :p, :p]
        moved = unit @ np.swapaxes(seen @ (problem.components[index] - problem.origin).T, 1, 2)
        covariance = covariance + moved @ np.swapaxes(moved, 1, 2)
    out["fractions"][rows] = _spread(fractions, members, m)
    out["shifts"][rows] = _spread(made.shifts, members, m)
    out["shift_sigma"][rows] = _spread(_shift_sigma(every, made), members, m)
    full = np.zeros((len(rows), m, m))
    full[:, np.asarray(index)[:, None], index] = covariance
    out["covariance"][rows] = full
    out["fit"][rows] = made.model
    out["redchi"][rows] = redchi
    out["aicc"][rows] = problem.aicc(made.squares, free, rows)
    out["rfactor"][rows] = _rfactor(problem, made.model, rows)
    out["at_limit"][rows] = made.at_limit
    sigma = np.sqrt(np.clip(np.einsum("rii->ri", full), 0, None))
    for absent in set(range(m)) - set(index):
        more = (*members, absent)
        _, inverse = problem.linear(more, rows)
        unit = np.broadcast_to(inverse[..., : p + 1, : p + 1], (len(rows), p + 1, p + 1))
        unseen = _by_noise(problem, made, rows, unit, (problem.components[list(more)] - problem.origin)[None])
        sigma[:, absent] = np.sqrt(np.clip(unseen[:, p, p], 0, None))
    if problem.options.sum_to_one and len(index) == 1 and m > 1:
        sigma[:, index[0]] = sigma.max(1)  # it is all there is, unless another one went unnoticed
    out["sigma"][rows] = sigma
