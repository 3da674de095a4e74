r"""Positions that the counts do not determine: what else they may be, and what that makes of every other number.

All that is known of such a position is its room, the limits it was given. A prior that is nearly even over the room and
falls off smoothly at its ends is a sum of a few Gaussians of the variance of an even distribution,

.. math:: P(p) \propto \sum_k \exp\left(-\frac{(p - q_k)^2}{2 h^2}\right).

For each of them the spectrum is fitted once more, with :math:`q_k \pm h` as one more measured point for the position, so
that every one of these fits is a regular one, whatever the counts say; the limits hold in all of them. They are averaged with the evidence of each. A
sigma is the distance that holds 68.3 % of the average: if positions are anywhere in their rooms, and fractions anything,
one sigma holds the truth in 68.3 % of all spectra.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg import hadamard

from spectra.fitting import fit_arrays
from spectra.fitting.arrays import FitResult
from spectra.fitting.spec import Model
from spectra.fitting.understand import Understood, understand
from xps.deconvolution.averaged import Numbers
from xps.tables import load_table, number

__all__ = ["with_room"]

FloatArray = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Room = tuple[float, float]  # middle and half width

#: Gaussians along each of so many positions.
LEVELS = {1: 4, 2: 3, 3: 2}
CLOSE_ENOUGH = 1e-7  # share of chi2 that a step must promise: evidence to a thousandth
PATIENCE = 150  # evaluations of a fit that others stand beside
NEAR = 2.5  # sigmas from a limit
RIVAL = 14.0  # chi2 by which a fit with lines exchanged may be worse: a thousandth of the evidence
PORTION = 1024  # spectra averaged at a time


@dataclass(frozen=True)
class _Spectra:
    """What was fitted: one spectrum per row, or the spectra of a joint fit."""

    model: Understood
    x: FloatArray
    net: FloatArray  # (row, spectrum, n)
    sigma: FloatArray
    shared: tuple[str, ...]
    moves: tuple[FloatArray, ...]

    def fit(self, rows: Any, model: Understood, **options: Any) -> FitResult:
        """Another fit of some rows, with the same weights."""
        return fit_arrays(
            model, None, self.x, self.net[rows], sigma=self.sigma[rows], shared=self.shared, component_curves=False,
            moves=[move[rows] for move in self.moves], restarts=0, tolerance=CLOSE_ENOUGH, max_nfev=PATIENCE, **options,
        )  # fmt: skip


def with_room(
    result: FitResult,
    model: Model,
    x: FloatArray,
    net: FloatArray,
    sigma: FloatArray,
    *,
    shared: Sequence[str] = (),
    moves: Sequence[FloatArray] = (),
) -> FitResult:
    """``result`` with those spectra averaged whose positions are not determined within their rooms.

    Their fractions and mean valence become those of the average. All other values stay those of the best fit, and
    their sigma is the distance from it that holds 68.3 %. In a joint fit shared positions are looked at.
    """
    known, understood = _rooms(model, shared or result.free), understand(model)
    if understood.compiled is None or (shared and not known):
        return result
    grid = (-1, net.shape[-2] if shared else 1)
    spectra = _Spectra(
        understood, x, net.reshape(*grid, x.size), np.broadcast_to(sigma, net.shape).reshape(*grid, x.size), tuple(shared),
        tuple(np.broadcast_to(move, net.shape).reshape(*grid, x.size) for move in moves),
    )  # fmt: skip
    made = Numbers.of(result, grid)
    unsure, lost = _unsure(made, known, spectra), _lost(made) & (not shared)
    # together, spectra with little of a state say where its line is not: there areas stay positive
    released = understood if shared else understand(_released(model))
    for pattern in np.unique(unsure[lost | unsure.any(1)], axis=0):
        rows = np.flatnonzero((unsure == pattern).all(1) & (lost | unsure.any(1)))
        rooms = {name: room for (name, room), doubt in zip(known.items(), pattern, strict=True) if doubt}
        for first in range(0, rows.size, PORTION):
            part = rows[first : first + PORTION]
            made.average(part, list(_fits(spectra, released, made, part, rooms)), model, rooms)
    return made.into(result)


def _rooms(model: Model, free: Sequence[str]) -> dict[str, Room]:
    """Room of each fitted position that has limits."""
    found = {}
    for name, setting in model.settings.items():
        half = 0.5 * (setting.max - setting.min)
        if name.endswith("position") and name in free and np.isfinite(half):
            found[name] = (0.5 * (setting.max + setting.min), half)
    return found


def _unsure(made: Numbers, known: Mapping[str, Room], spectra: _Spectra) -> Flags:
    """Positions that are unsure by a large share of their room, on a limit or near one; (row, position).

    All of them where an area on its limit has no sigma, since its line may lie elsewhere, and where lines may have
    changed places.
    """
    share = number(load_table("checks")["position_room"]["share"])
    found = []
    for name, (middle, half) in known.items():
        at = made.parameters.index(name)
        value, sigma = made.value[..., at], made.sigma[..., at]
        clear = (sigma <= share * 2 * half) & (half - np.abs(value - middle) >= NEAR * sigma)
        found.append((made.seen() & ~clear).any(-1))
    unsure = np.array(found, bool).reshape(len(known), len(made.chi2)).T
    if spectra.shared or not known:
        return unsure
    unsure |= _lost(made)[:, None]
    rest = np.asarray(~unsure.all(1))
    return np.asarray(unsure | _exchanged(made, known, spectra, rest)[:, None])


def _lost(made: Numbers) -> Flags:
    """Where a fraction has no sigma because an area is on its limit."""
    return np.asarray((made.seen() & np.isnan(made.sigma[..., made.fractions()]).any(-1)).any(-1))


def _exchanged(made: Numbers, known: Mapping[str, Room], spectra: _Spectra, asked: Flags) -> Flags:
    """Whether two lines that both lie where the other may be can change places: the counts do not say which is which."""
    found = np.zeros(asked.size, bool)
    free = [made.parameters[i] for i in made.free]
    for (one, (a, room_a)), (other, (b, room_b)) in itertools.combinations(known.items(), 2):
        i, j = free.index(one), free.index(other)
        begin = made.value[:, :, made.free]
        here, there = begin[:, 0, i], begin[:, 0, j]
        both = asked & ~found & (np.abs(there - a) <= room_a) & (np.abs(here - b) <= room_b)
        rows = np.flatnonzero(both)
        if not rows.size:
            continue
        begin = begin[rows]
        pairs = [(one, other), tuple(f"{name.removesuffix('position')}area" for name in (one, other))]
        for first, second in pairs:
            if first in free and second in free:
                swap = [free.index(first), free.index(second)]
                begin[..., swap] = begin[..., swap[::-1]]
        fit = spectra.fit(rows, spectra.model, begin=begin)
        moved = np.abs(fit.value[:, 0, made.free] - made.value[rows][:, 0, made.free])[:, i]
        elsewhere = moved > made.sigma[rows, 0, made.free[i]]
        found[rows] = elsewhere & (fit.chi2[:, 0] < made.chi2[rows, 0] + RIVAL)
    return found


def _fits(
    spectra: _Spectra,
    released: Understood,
    made: Numbers,
    rows: npt.NDArray[np.intp],
    rooms: Mapping[str, Room],
) -> Iterator[FitResult]:
    """One fit for each Gaussian of the prior, from its middle; from the best fit where that must end lower."""
    names = [made.parameters.index(name) for name in rooms]
    best = made.value[rows]
    for middles, width in _priors(list(rooms.values())):
        places = dict(zip(rooms, middles, strict=True))
        known = {name: (q, width * rooms[name][1]) for name, q in places.items()}
        model = _started(released, places)
        fit = spectra.fit(rows, model, known=known)
        if known and not spectra.shared:
            q, h = np.array(list(known.values())).T
            enough = made.chi2[rows] + (((best[..., names] - q) / h) ** 2).sum(-1)
            missed = np.flatnonzero(~(fit.chi2 <= enough)[:, 0])
            if missed.size:
                again = spectra.fit(rows[missed], model, known=known, begin=best[missed][..., made.free])
                fit = _lower(fit, missed, again)
        yield fit


def _lower(fit: FitResult, rows: npt.NDArray[np.intp], again: FitResult) -> FitResult:
    """``fit`` with those of ``rows`` that ``again`` ended lower for."""
    better = ~(fit.chi2[rows, 0] <= again.chi2[:, 0])

    def replaced(a: FloatArray, b: FloatArray) -> FloatArray:
        a = a.copy()
        a[rows[better]] = b[better]
        return a

    return replace(
        fit, value=replaced(fit.value, again.value), sigma=replaced(fit.sigma, again.sigma),
        covariance=replaced(fit.covariance, again.covariance), chi2=replaced(fit.chi2, again.chi2),
        quantity={n: replaced(v, again.quantity[n]) for n, v in fit.quantity.items()},
        quantity_sigma={n: replaced(v, again.quantity_sigma[n]) for n, v in fit.quantity_sigma.items()},
    )  # fmt: skip


def _priors(rooms: Sequence[Room]) -> Iterator[tuple[tuple[float, ...], float]]:
    """Middles of the Gaussians in all dimensions, and their width in half rooms.

    With a width of half their distance the sum is even within 2 %, and the distance gives it the variance 1/3.
    """
    m = len(rooms)
    if not m:
        yield (), 1.0
        return
    levels = LEVELS.get(m, 2)
    apart = 2 / np.sqrt(levels**2 + 2)
    along = apart * (np.arange(levels) - 0.5 * (levels - 1))
    if m in LEVELS:
        grid = np.array(list(itertools.product(along, repeat=m)))
    else:  # not all corners: so many that any two positions are independent
        grid = along[1] * hadamard(max(16, 1 << m.bit_length()))[:, 1 : m + 1]
    middle, half = np.array(rooms).T
    for row in grid:
        yield tuple(middle + half * row), 0.5 * apart


def _released(model: Model) -> Model:
    """The model with areas that may be negative: how much of them is, is judged in the average."""
    areas = (n for n, s in model.settings.items() if n.endswith("area") and s.vary and not s.expr)
    free = {name: replace(model.settings[name], min=-np.inf) for name in areas}
    return Model(model.components, {**model.settings, **free})


def _started(understood: Understood, places: Mapping[str, float]) -> Understood:
    """The same model with other start values."""
    compiled = understood.compiled
    if compiled is None:
        return understood
    start = compiled.start.copy()
    for name, value in places.items():
        start[compiled.free.index(name)] = value
    return replace(understood, compiled=replace(compiled, start=start))
