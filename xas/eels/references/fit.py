"""Multiple linear least squares of edges over reference edges, with one common shift: arrays in, arrays out."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
import numpy.typing as npt

from spectra.errors import InvalidInput
from xas.eels.references.curves import (
    ReferenceCurve,
    levelled,
    sampled,
    seen_noise,
    tabulated,
    unit_area,
)

__all__ = ["Inside", "Prior", "ReferenceFit", "fit_reference_curves"]

Array = npt.NDArray[np.float64]
Inside = Literal["none", "linear", "power_law"]

#: Distance in eV of the shifts that are tried first.
COARSE = 0.4
#: Exponent that a power law starts from.
EXPONENT = 3.0
#: More chi-square than noise leaves by so many of its standard deviations: the references do not describe the spectrum.
BEYOND_NOISE = 4.0
#: So much of the residual that goes together with its neighbour is no noise, in so many channels at least.
STRUCTURE, ENOUGH = 0.5, 30
#: Correlation of neighbouring residuals is counted up to this.
MOST_ALIKE = 0.98
#: So much of the amplitude left over, beyond noise, and what the references say of the spectrum is undecided.
FOREIGN = 0.1
BLOCK = 256


@dataclass(frozen=True)
class Prior:
    """A background that was subtracted before: what it was, and how far its parameters can be trusted."""

    background: Array  # (..., n)
    covariance: Array  # (..., terms, terms)
    basis: Array  # (n, terms) of the background, or of its logarithm
    logarithmic: bool


@dataclass(frozen=True)
class ReferenceFit:
    """What the references make of each spectrum; NaN where nothing could be fitted."""

    area: Array  # (..., m) of each reference inside the window
    fraction: Array  # (..., m)
    covariance: Array  # (..., m, m) of the fractions
    reference_covariance: Array  # (..., m, m) of the fractions, from the noise of the references
    shift: Array  # (...)
    shift_sigma: Array
    shift_covariance: Array  # (..., m) of shift and fractions
    background_parameter: Array  # (..., b) of the background inside the fit
    background_covariance: Array  # (..., b, b)
    redchi: Array
    misfit: Array  # (...) part of the references' amplitude that is left over and is no noise
    fit: Array  # (..., n), or (..., 0)
    left_out: Array  # (...) channels that stand out as spikes
    is_empty: Array  # (...) masks, 0 or 1
    is_unsettled: Array
    is_at_limit: Array
    is_short: Array
    is_excess: Array
    is_foreign: Array

    def curves(self, x: Array, references: Sequence[ReferenceCurve]) -> Array:
        """The references as they are in the sums (..., m, n)."""
        from scipy.interpolate import CubicSpline

        at = x - np.nan_to_num(self.shift)[..., None]
        made = []
        for k, one in enumerate(references):
            unit = unit_area(one.regular(), x[0], x[-1])
            made.append(self.area[..., k, None] * levelled(CubicSpline(unit.x, unit.y), unit, at))
        return np.stack(made, -2)

    def below(self, x: Array, background: Inside) -> Array:
        """The background that was fitted with them (..., n)."""
        columns, parameter = _columns(x, background), self.background_parameter
        if background == "power_law":
            return np.asarray(np.exp(parameter @ (columns * np.array([[1.0], [-1.0]]))))
        return np.asarray(parameter @ columns)


def fit_reference_curves(
    x: Array,
    y: Array,
    references: Sequence[ReferenceCurve],
    *,
    variance: Array | None = None,
    gain: Array | float | None = None,
    counting: bool = True,
    background: Inside = "none",
    prior: Prior | None = None,
    shift: tuple[float, float] | None = (-2.0, 2.0),
    spikes: bool = True,
    keep_fit: bool = True,
) -> ReferenceFit:
    r"""Fit every spectrum by the references.

    .. math:: y(E) = \sum_k a_k S_k(E - s) + B(E), \quad a_k \ge 0, \quad f_k = a_k / \textstyle\sum_j a_j

    with references of area 1 inside the window. Weights are those of the expected counts, so that at any number of
    counts this is the maximum of the Poisson likelihood.

    Parameters
    ----------
    x : (n,) array
        Energies in eV inside the window.
    y : (..., n) array
        Spectra; NaN is left out.
    references : sequence of m ReferenceCurve
        Where a shift asks for more than was measured they go on level.
    variance : (..., n) array, optional
        Of each channel, where it is known.
    gain : array or float, optional
        Variance of a channel per expected count. Neither this nor ``variance``: what is left over says how large it is.
    counting : bool
        Whether, without ``variance``, it grows with the expected counts, or is the same in all channels.
    background : {"none", "linear", "power_law"}
        Fitted together with the references.
    prior : Prior, optional
        The background that was subtracted before: its counts are noise too, and its doubt is propagated.
    shift : (float, float), optional
        Limits of the common shift in eV; None: no shift.
    spikes : bool
        Whether single channels far above their surroundings are left out.
    keep_fit : bool
        Whether the fitted curves are returned.

    Returns
    -------
    ReferenceFit
        Covariances are those of the least squares without the limits, also where a fraction stands at zero: its sigma
        says how large a share would go unnoticed. They grow by the mean square of what is left over where the noise is not
        known, or where more is left than noise explains, and by (1 + r)/(1 - r) where neighbours in it are correlated (r).
    """
    from xas.eels.references.kernels import BACKGROUNDS, fit_rows

    lead, n, m = y.shape[:-1], x.size, len(references)
    rows = np.ascontiguousarray(y.reshape(-1, n), float)
    low, high = shift or (0.0, 0.0)
    curves = [unit_area(one.regular(), x[0], x[-1]) for one in references]
    tables, slopes, first, step = tabulated(x, curves, low, high)
    columns = _columns(x, background)
    kind, b = BACKGROUNDS["power_law" if background == "power_law" else "columns"], len(columns)
    scanned = columns * _fall(x) if background == "power_law" else columns
    nodes = np.linspace(low, high, max(2, int(np.ceil((high - low) / COARSE)) + 1) if high > low else 1)
    design = np.stack([np.concatenate([sampled(x - s, curves), scanned]) for s in nodes])
    solutions = np.stack([_solutions(d, m) for d in design])
    flat = design.reshape(-1, n)
    own_noise = seen_noise(x, curves)
    known = variance is not None or gain is not None
    size, terms = m + b + 1, 0 if prior is None else prior.basis.shape[1]
    given = _per_row(variance, y.shape)
    gains = np.broadcast_to(1.0 if gain is None else gain, lead).reshape(-1)
    if prior is not None:
        before = np.broadcast_to(prior.background, y.shape).reshape(-1, n)
        doubts = np.broadcast_to(prior.covariance, (*lead, terms, terms)).reshape(-1, terms, terms)
    parts = []
    for start in range(0, max(len(rows), 1), BLOCK):
        part = slice(start, start + BLOCK)
        block = rows[part]
        count = len(block)
        seen: npt.NDArray[np.bool_] = np.asarray(np.isfinite(block) & np.isfinite(gains[part])[:, None])
        stated = np.empty((0, n))
        if given is not None:
            good = np.isfinite(given[part]) & (given[part] > 0)
            seen &= good
            stated = np.where(seen, 1 / np.where(good, given[part], 1.0), 0.0)
        base, doubt = np.empty((0, n)), np.empty((count, 0, 0))
        if prior is not None:
            base, doubt = np.array(before[part], float), np.array(doubts[part], float)
            seen &= np.isfinite(base) & np.isfinite(doubt.sum((1, 2)))[:, None]
            base, doubt = np.where(seen, base, 0.0), np.nan_to_num(doubt)
        filled = _filled(x, block, seen)
        there = seen.astype(float)
        solved: dict[str, Array] = {
            "theta": np.full((count, size), np.nan), "covariance": np.full((count, size, size), np.nan),
            "from_references": np.full((count, m, m) if own_noise.size else (count, 0, 0), np.nan),
            "squares": np.full(count, np.nan), "used": np.full(count, np.nan),
            "together": np.full(count, np.nan), "lacking": np.full(count, np.nan), "state": np.ones(count),
            "left_out": np.zeros(count), "fits": np.full((count, n) if keep_fit else (0, n), np.nan),
        }  # fmt: skip
        fit_rows(
            filled, there, stated, base, gains[part].astype(float), counting and given is None, known, spikes, tables,
            slopes, first, step, columns, kind, low, high, (filled @ flat.T).reshape(count, *design.shape[:2]), solutions, nodes, EXPONENT,
            np.ascontiguousarray(prior.basis.T) if prior is not None else np.empty((0, n)),
            prior is not None and prior.logarithmic, doubt, own_noise, np.gradient(x), *solved.values(),
        )  # fmt: skip
        parts.append(_result(x, curves, solved, m, (low, high), known, keep_fit))
    joined = {f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(ReferenceFit)}
    return ReferenceFit(**{name: array.reshape((*lead, *array.shape[1:])) for name, array in joined.items()})


def _per_row(values: Array | None, shape: tuple[int, ...]) -> Array | None:
    return None if values is None else np.broadcast_to(values, shape).reshape(-1, shape[-1])


def _columns(x: Array, background: Inside) -> Array:
    """What the background inside the fit is made of (b, n); of a power law its logarithm."""
    if background == "none":
        return np.empty((0, x.size))
    if background == "linear":
        return np.stack([np.ones_like(x), 2 * (x - x[0]) / (x[-1] - x[0]) - 1])
    if x[0] <= 0:
        raise InvalidInput(f"a power law needs energies above 0 eV, the window begins at {x[0]:g} eV.")
    return np.stack([np.ones_like(x), np.log(x / x[0])])


def _fall(x: Array) -> Array:
    return np.asarray((x / x[0]) ** -EXPONENT)


def _solutions(design: Array, m: int) -> Array:
    """For each set of references, with all of the background: the matrix from products to coefficients (sets, p, p)."""
    size = len(design)
    normal = design @ design.T
    sets = [s for k in range(1, m + 1) for s in itertools.combinations(range(m), k)]
    out = np.zeros((len(sets), size, size))
    for number, members in enumerate(sets):
        index = np.array([*members, *range(m, size)])
        out[number][np.ix_(index, index)] = np.linalg.pinv(normal[np.ix_(index, index)])
    return out


def _filled(x: Array, rows: Array, seen: npt.NDArray[np.bool_]) -> Array:
    """Rows with what is missing interpolated; rows that lack more than half are zero."""
    out = np.where(seen, rows, 0.0)
    for r in np.flatnonzero(~seen.all(1)):
        if seen[r].sum() > x.size / 2:
            out[r] = np.interp(x, x[seen[r]], rows[r, seen[r]])
        else:
            seen[r] = False
    return out


def _result(
    x: Array,
    curves: Sequence[ReferenceCurve],
    solved: dict[str, Array],
    m: int,
    limits: tuple[float, float],
    known: bool,
    keep_fit: bool,
) -> ReferenceFit:
    theta, state, used = solved["theta"], solved["state"], solved["used"]
    size, rows = theta.shape[1], len(theta)
    area = theta[:, :m]
    total = area.sum(1)
    good = (state == 0) & (total > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        degrees = np.maximum(used - size + (limits[0] == limits[1]), 1.0)
        redchi = solved["squares"] / degrees
        excess = known & (redchi > 1 + BEYOND_NOISE * np.sqrt(2 / degrees))
        structured = (solved["together"] > STRUCTURE * solved["squares"]) & (used > ENOUGH)
        foreign = solved["lacking"] > FOREIGN
        foreign &= solved["together"] > BEYOND_NOISE * solved["squares"] / np.sqrt(used)
        # neighbours that go together are fewer independent values: those of a first-order autoregression
        alike = np.clip(solved["together"] / solved["squares"], 0.0, MOST_ALIKE)
        fewer = np.where(alike > BEYOND_NOISE / np.sqrt(used), (1 + alike) / (1 - alike), 1.0)
        scale = np.where(excess | (not known), redchi * fewer, 1.0)
        fraction = area / total[:, None]
        change = np.zeros((rows, m + 1, size))
        change[:, :m, :m] = (np.eye(m) - fraction[:, :, None]) / total[:, None, None]
        change[:, m, -1] = 1.0
        spread = change @ (solved["covariance"] * scale[:, None, None]) @ change.swapaxes(1, 2)
        part = change[:, :m, :m]
        from_references = (
            part @ solved["from_references"] @ part.swapaxes(1, 2)
            if solved["from_references"].size
            else np.full((rows, m, m), np.nan)
        )
        shift = theta[:, -1]
        moving = (shift > limits[0]) & (shift < limits[1])
        missing = np.stack(
            [(x[0] - shift < c.x[0] - 0.05) | (x[-1] - shift > c.x[-1] + 0.05) for c in curves], -1
        )
        short = (missing & (area > 0)).any(-1)

    def kept(values: Array) -> Array:
        return np.asarray(np.where(good.reshape(-1, *(1,) * (values.ndim - 1)), values, np.nan))

    return ReferenceFit(
        area=kept(area),
        fraction=kept(fraction),
        covariance=kept(spread[:, :m, :m]),
        reference_covariance=kept(from_references),
        shift=kept(shift),
        shift_sigma=kept(np.where(moving, np.sqrt(np.maximum(spread[:, m, m], 0)), np.nan)),
        shift_covariance=kept(spread[:, :m, m]),
        background_parameter=kept(theta[:, m:-1]),
        background_covariance=kept(solved["covariance"][:, m:-1, m:-1] * scale[:, None, None]),
        redchi=kept(redchi),
        misfit=kept(solved["lacking"]),
        fit=kept(solved["fits"]) if keep_fit else np.empty((rows, 0)),
        left_out=kept(solved["left_out"]),
        is_empty=((state == 1) | ((state == 0) & ~(total > 0))).astype(float),
        is_unsettled=(state == 2).astype(float),
        is_at_limit=(good & ~moving & (limits[0] < limits[1])).astype(float),
        is_short=(good & short).astype(float),
        is_foreign=(good & foreign).astype(float),
        is_excess=(good & (excess | (structured & (not known)))).astype(float),
    )
