r"""Joint fits: spectra of a series with one value of each shared parameter, the others per spectrum.

What is minimised is the sum of squares of all spectra. It is a function of the shared parameters alone once every
spectrum is fitted at them, and that function is minimised by Levenberg-Marquardt in a trust region inside the bounds,
with the bordered Jacobian of :mod:`spectra.fitting.bordered`. At the minimum it is the same fit as one of all parameters
together, covariance included; on the way a spectrum that is hard to fit holds up none of the others. Each spectrum gets
the marginal covariance of its parameters and the shared ones, out of which everything else is derived as in a single fit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spectra.errors import InvalidInput, did_you_mean
from spectra.fitting.batch import NO_DATA, ROUNDS, SETTLED, Results
from spectra.fitting.bordered import Rows, report_rows, shared_covariance
from spectra.fitting.leastsq import CONVERGED, NOT_CONVERGED
from spectra.fitting.program import Arrays, Compiled
from spectra.fitting.shared_search import Together, hold

__all__ = ["NO_SIGNAL", "Shared", "check_shared", "fit_together"]

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

#: Outcome of a spectrum whose values are all zero, beside those of the engine.
NO_SIGNAL = 4
#: Another minimum of a spectrum's own parameters is taken where it is lower by more than this share.
LOWER = 1e-6


@dataclass(frozen=True)
class Shared:
    """What a joint fit says of the parameters that its spectra share; one row per joint fit."""

    names: tuple[str, ...]
    value: Floats  # (..., shared)
    sigma: Floats
    covariance: Floats  # (..., shared, shared)
    chi2: Floats  # (...) of all spectra together
    redchi: Floats
    aicc: Floats
    bic: Floats
    spectra: npt.NDArray[np.int64]  # that took part
    status: npt.NDArray[np.int64]  # 0 converged, 1 not converged, 2 nothing to fit


def check_shared(shared: Sequence[str], free: Sequence[str], known: Sequence[str]) -> npt.NDArray[np.int64]:
    """Places of the shared parameters among the free ones.

    Raises
    ------
    InvalidInput
        No such parameter, one named twice, or one that is fixed or given by an expression.
    """
    for name in shared:
        if name not in known:
            raise InvalidInput(f"shared names {name!r}, which is no parameter; {did_you_mean(name, free)}.")
        if name not in free:
            raise InvalidInput(
                f"shared names {name!r}, which is fixed or given by an expression: share what is varied "
                f"({', '.join(free)})."
            )
    if len(set(shared)) < len(shared):
        raise InvalidInput("shared names a parameter twice.")
    return np.array([list(free).index(name) for name in shared], np.int64)


def fit_together(
    compiled: Compiled,
    model: Arrays,
    shared: npt.NDArray[np.int64],
    x: Floats,
    y: Floats,
    weight: Floats,
    alone: Results,
    out: Results,
    *,
    poisson: bool,
    moves: Sequence[Floats],
    workers: int,
    restarts: int,
    tolerance: float,
    max_nfev: int,
) -> dict[str, Any]:
    """One joint fit of the rows of ``y``; fills ``out`` and returns what it says of the shared parameters.

    Parameters
    ----------
    compiled, model
        The model, and its arrays with their addresses on ``x``.
    shared : (m,) array
        Places of the shared parameters among the free ones.
    weight : (spectrum, n) array
        1/sigma; those of counts are replaced by those of the fitted curves.
    alone : Results
        Of fits of each spectrum by itself: start values.
    moves : sequence of (spectrum, n) arrays
        One-sigma moves of the data, independent of each other and from spectrum to spectrum, whose effect on all
        parameters is added to their covariance.
    """
    points = (weight > 0).sum(1)
    silent = (weight > 0).any(1) & ~((y != 0) & (weight > 0)).any(1)
    own = len(compiled.free) - shared.size
    out.points[:] = points
    out.outcome[:] = np.where(silent, NO_SIGNAL, np.where(points <= own, NO_DATA, NOT_CONVERGED))
    taken = out.outcome == NOT_CONVERGED
    with ThreadPoolExecutor(workers) as pool:
        this = Together(
            model, shared, x, y, weight, taken, _sharing(pool if workers > 1 else None), tolerance, max_nfev
        )
        answer = _fit_together(this, compiled.start, alone, restarts, poisson)
        if answer is None:
            return _nothing(shared.size)
        values, rows, converged = answer
        if not converged:
            return _nothing(shared.size) | {"status": 1}
        out.outcome[:] = np.where(this.taken, CONVERGED, out.outcome)
        out.chi2[:], out.nfev[:], out.free[:] = rows.chi2, alone.nfev + rows.nfev, rows.free
        return _report(this, values, rows, moves, out)


def _sharing(pool: ThreadPoolExecutor | None) -> Callable[[Callable[[int, int], None], int], None]:
    """Work on rows shared out to the threads of ``pool``."""

    def share_out(work: Callable[[int, int], None], total: int, portion: int = 16) -> None:
        starts = range(0, total, portion)
        if pool is None or total <= portion:
            work(0, total)
        else:
            list(pool.map(lambda start: work(start, min(start + portion, total)), starts))

    return share_out


def _nothing(m: int) -> dict[str, Any]:
    nan = np.full(m, np.nan)
    return {
        "value": nan, "sigma": nan, "covariance": np.full((m, m), np.nan), "chi2": np.nan, "points": 0,
        "spectra": 0, "status": 2,
    }  # fmt: skip


def _fit_together(
    this: Together, start: Floats, alone: Results, restarts: int, poisson: bool
) -> tuple[Floats, Rows, bool] | None:
    """From the best of several starts to the minimum, without the spectra that no fit can be made of."""
    values, rows = _begin(this, start, alone, restarts)
    this.taken &= rows.outcome == CONVERGED
    if not this.taken.any():
        return None
    before, converged = np.inf, False
    for _ in range(ROUNDS if poisson else 1):
        if poisson:
            this.reweigh(rows)
            rows = _go_on(this, values, rows)
        values, rows, converged = _settle(this, values, rows, start, restarts)
        chi2 = this.chi2(rows)
        if not converged or abs(chi2 - before) <= SETTLED * chi2:
            break
        before, restarts = chi2, -1
    return values, rows, converged


def _go_on(this: Together, values: Floats, rows: Rows) -> Rows:
    """The same shared values again, from where the own parameters are."""
    again = this.rows(values, rows.free)
    again.nfev[:] += rows.nfev
    again.several[:] |= rows.several
    return again


def _begin(this: Together, start: Floats, alone: Results, restarts: int) -> tuple[Floats, Rows]:
    """Shared values to begin with: those given, or what the spectra say by themselves, whichever fits better."""
    m = this.shared
    lower, upper = this.model.lower[m], this.model.upper[m]
    given = np.tile(start, (len(this.y), 1))
    tries = [(start[m], given)]
    good = this.taken & (alone.outcome == CONVERGED)
    if good.any():
        begin = np.where(good[:, None], alone.free, given)
        found = alone.free[good][:, m]
        tries += [(np.median(found, axis=0), begin)]
        mean = _weighted_mean(found, alone.covariance[good][:, m[:, None], m])
        tries += [(mean, begin)] if mean is not None else []
    made = [(np.clip(v, lower, upper), b) for v, b in tries]
    results = [(v, this.rows(v, b, restarts)) for v, b in made]
    # the best where most spectra could be fitted
    return min(
        results,
        key=lambda r: (-(r[1].outcome == CONVERGED).sum(), r[1].chi2[r[1].outcome == CONVERGED].sum()),
    )


def _weighted_mean(values: Floats, covariance: Floats) -> Floats | None:
    """Mean with the inverse covariances as weights, of those that have one."""
    known = np.isfinite(covariance).all((1, 2))
    if not known.any():
        return None
    try:
        weight = np.linalg.inv(covariance[known])
        mean = np.linalg.solve(weight.sum(0), (weight @ values[known][:, :, None]).sum(0))[:, 0]
    except np.linalg.LinAlgError:
        return None
    return mean if np.isfinite(mean).all() else None


def _settle(
    this: Together, values: Floats, rows: Rows, start: Floats, restarts: int
) -> tuple[Floats, Rows, bool]:
    """The minimum; spectra whose own fit fails there are left out, those that do better from afresh are moved there."""
    for _ in range(3):
        while True:
            values, rows, converged, _tried = this.minimise(values, rows)
            lost = this.taken & (rows.outcome != CONVERGED)
            if not lost.any():
                break
            this.taken &= ~lost
            if not this.taken.any():
                return values, rows, False
        if restarts < 0 or not converged:
            break
        fresh = this.rows(values, np.tile(start, (len(this.y), 1)), restarts)
        better = this.taken & (fresh.outcome == CONVERGED) & (fresh.chi2 < rows.chi2 * (1 - LOWER))
        worse = this.taken & (fresh.outcome == CONVERGED) & (fresh.chi2 > rows.chi2 * (1 + LOWER))
        fresh.several[:] |= better | worse
        rows.several[:] |= fresh.several
        fresh.nfev[:] += rows.nfev
        for mine, other in zip(rows, fresh, strict=True):
            mine[better] = other[better]
        if not better.any():
            break
    return values, rows, converged


def _report(
    this: Together, values: Floats, rows: Rows, moves: Sequence[Floats], out: Results
) -> dict[str, Any]:
    """Marginal covariance of each spectrum's parameters, and all that is derived from them."""
    m = this.shared
    root, rest = this.border(rows)
    lower, upper = this.model.lower[m], this.model.upper[m]
    chi2 = this.chi2(rows)
    scale, held, _ = hold(root, rest, np.zeros(m.size), values, lower, upper, chi2)
    covariance = np.empty((m.size, m.size))
    shared_covariance(root, scale, held, covariance)
    lost = ~held & np.isnan(np.diag(covariance))
    counting = np.nan_to_num(covariance, nan=0.0)
    full = rows.own + rows.follow @ counting @ rows.follow.transpose(0, 2, 1)
    all_held, all_lost = rows.held.copy(), rows.lost.copy()
    for move in moves:
        added, among, failed = _moved(this, values, rows, move, counting)
        full += added
        covariance += among
        all_lost[failed] = True
    all_held[:, m], all_lost[:, m] = held, lost
    unknown = all_held | all_lost
    full[unknown[:, :, None] | unknown[:, None, :]] = np.nan
    this.share_out(
        lambda a, b: report_rows(
            this.model, this.x, this.y, this.weight, rows.free, full, all_held, all_lost, rows.several, this.taken,
            a, b, out,
        ),
        len(this.y),
    )  # fmt: skip
    return {
        "value": values,
        "sigma": np.sqrt(np.diag(covariance)),
        "covariance": covariance,
        "chi2": chi2,
        "points": int(out.points[this.taken].sum()),
        "spectra": int(this.taken.sum()),
        "status": 0,
    }


def _moved(
    this: Together, values: Floats, rows: Rows, move: Floats, covariance: Floats
) -> tuple[Floats, Floats, Flags]:
    """What data that are off by ``move``, each spectrum by itself, add to the covariances of all parameters.

    A spectrum's move changes its own parameters at given shared ones, and the shared ones by what it then says of them;
    the others follow those. Also says what is added to the shared ones alone, and which spectra could not be fitted so.
    """
    moved = this.rows(values, rows.free, y=this.y - move)
    gradient = np.einsum("iab,ia->ib", moved.root, moved.rest) - np.einsum("iab,ia->ib", rows.root, rows.rest)
    usable = this.taken & (moved.outcome == CONVERGED)
    pulled = np.where(
        usable[:, None], -gradient @ covariance, 0.0
    )  # of the shared parameters, by each spectrum
    among = pulled.T @ pulled
    own = np.where(usable[:, None], moved.free - rows.free, 0.0)
    own[:, this.shared] = 0.0
    change = own + np.einsum("ijb,ib->ij", rows.follow, pulled)
    others = among - pulled[:, :, None] * pulled[:, None, :]
    added = change[:, :, None] * change[:, None, :] + rows.follow @ others @ rows.follow.transpose(0, 2, 1)
    return added, among, this.taken & ~usable
