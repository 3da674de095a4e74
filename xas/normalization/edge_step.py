"""Edge step: pre-edge line and post-edge polynomial of a whole series in closed form, with the uncertainty of each."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from xas.normalization.e0 import ABOVE_TABLE, find_rise
from xas.normalization.range_choice import (
    OTHER_FAMILY,
    Choices,
    Member,
    RangeFamily,
    RedoneFamily,
    other_ranges,
)
from xas.normalization.ranges import Ranges, points_between
from xas.normalization.saturation import saturated
from xas.points.finite import on_finite_points
from xas.points.noise import estimate_noise

__all__ = [
    "NormalizationOperator",
    "min_max",
    "normalization_operator",
    "normalize_spectra",
    "other_choices",
]

Array = npt.NDArray[np.float64]

#: What a spectrum's code in the output ``failure`` of :func:`normalize_spectra` means.
FINE, NO_EDGE, NO_RANGE, SATURATED = 0.0, 1.0, 2.0, 3.0
CURVES = ("pre_edge", "post_edge", "norm", "norm_sigma", "flat")
NUMBERS = ("edge_step", "edge_step_sigma", "edge_step_systematic", "noise", "failure")

Method = Literal["edge_step", "area", "minmax"]


@dataclass(frozen=True)
class NormalizationOperator:
    """Two least-squares fits as matrices; they depend on the grid and the ranges, not on the spectra."""

    pre: slice
    post: slice
    at_e0: int  # grid point nearest to E0
    pre_basis: Array  # (n, p) functions of the pre-edge curve
    pre_fit: Array  # (p, points) their coefficients from the spectrum
    post_basis: Array  # (n, q)
    post_fit: Array  # (q, points)

    @functools.cached_property
    def step_weights(self) -> Array:
        """(n,) The edge step is the sum of the spectrum with these weights."""
        weights = np.zeros(len(self.pre_basis))
        at_e0 = self.post_basis[self.at_e0] @ self.post_fit
        weights[self.post] = at_e0
        weights[self.pre] -= at_e0 @ self.pre_basis[self.post] @ self.pre_fit
        return weights

    @functools.cached_property
    def leverage(self) -> Array:
        """(n,) Weight of a point in the value of the pre-edge curve at that point."""
        own = np.zeros(len(self.pre_basis))
        own[self.pre] = np.einsum("ia,ai->i", self.pre_basis[self.pre], self.pre_fit)
        return own

    @functools.cached_property
    def unit_variances(self) -> tuple[Array, Array, Array]:
        """:meth:`variances` of points that all have the variance 1."""
        return self.variances(np.ones((1, len(self.pre_basis))))

    def variances(self, variance: Array) -> tuple[Array, Array, Array]:
        r"""Of points with ``variance`` (rows, n): the step's (rows,), and (rows, n) what with a norm of n makes

        .. math:: \mathrm{Var}(S\,\delta n) = n^2 \,\mathrm{Var}(S) + n\,\mathrm{linear} + \mathrm{constant}
        """
        weights, basis, fit = self.step_weights, self.pre_basis, self.pre_fit
        inside = variance[:, self.pre]
        covariance = np.einsum("ri,ai,bi->rab", inside, fit, fit, optimize=True)
        with_step = inside @ (fit * weights[self.pre]).T
        constant = variance * (1 - 2 * self.leverage) + np.einsum(
            "rab,ia,ib->ri", covariance, basis, basis, optimize=True
        )
        return variance @ weights**2, 2 * (with_step @ basis.T - variance * weights), constant


def normalization_operator(
    energy: Array, e0: float, ranges: Ranges, *, victoreen: float = 0.0, method: Method = "edge_step"
) -> NormalizationOperator | None:
    """Matrices of the pre- and post-edge fits on one grid, or None if the ranges hold too few of its points.

    The polynomials are in (E - E0) scaled to one, where they are well conditioned. For the method "area" the post-edge
    curve is a constant, the mean over the post-edge range by the trapezoid rule.
    """
    pre = points_between(energy, e0 + ranges.pre[0], e0 + ranges.pre[1])
    post = points_between(energy, e0 + ranges.post[0], e0 + ranges.post[1])
    if pre.stop - pre.start <= ranges.pre_order or post.stop - post.start <= max(ranges.order, 1):
        return None
    x = (energy - e0) / np.abs(energy - e0).max()
    power = (energy / e0) ** victoreen
    order = 0 if method == "area" else ranges.order
    line, polynomial = np.vander(x, ranges.pre_order + 1), np.vander(x, order + 1)
    return NormalizationOperator(
        pre,
        post,
        int(np.abs(energy - e0).argmin()),
        line / power[:, None],
        np.linalg.pinv(line[pre]) * power[pre],
        polynomial,
        _mean_by_trapezoids(energy[post]) if method == "area" else np.linalg.pinv(polynomial[post]),
    )


def _mean_by_trapezoids(x: Array) -> Array:
    """(1, n) weights of the points in the integral over ``x`` divided by its length."""
    steps = np.diff(x)
    weights = np.zeros(x.size)
    weights[1:] += steps / 2
    weights[:-1] += steps / 2
    return weights[None] / np.ptp(x)


def normalize_spectra(
    energy: Array,
    mu: Array,
    e0: Array,
    ranges: Ranges,
    *,
    sigma: Array | None = None,
    victoreen: float = 0.0,
    method: Method = "edge_step",
    edge_step: float | None = None,
) -> dict[str, Array]:
    """Normalise spectra on one grid.

    Parameters
    ----------
    energy : (n,) array
        In eV, ascending.
    mu : (..., n) array
        Absorption; points that are not finite are left out of the fits and stay NaN.
    e0 : (...) array
        Origins in eV. One matrix product for all spectra that share one.
    ranges : Ranges
        Where the curves are fitted.
    sigma : (...) or (..., n) array, optional
        Standard deviation of the noise of ``mu``, per spectrum or per point. Default: estimated from each spectrum.
    victoreen : float
        The pre-edge curve is a polynomial divided by E to this power.
    method : {"edge_step", "area", "minmax"}
        What becomes one: the edge step, the mean over the post-edge range, or the distance from minimum to maximum.
    edge_step : float, optional
        A step that is known and not fitted, for the method "edge_step": without uncertainty.

    Returns
    -------
    dict of arrays
        ``pre_edge``, ``post_edge``, ``norm``, ``norm_sigma``, ``flat`` (..., n); ``edge_step``, ``edge_step_sigma``,
        ``edge_step_systematic``, ``noise`` (median over the points), ``failure`` (...): 0 fine, 1 no edge, 2 too few
        points in a range, 3 cut off at the top (NaN in all others).
    """

    def prepare(grid: Array) -> Callable[..., dict[str, Array]]:
        operator = functools.cache(
            lambda origin: normalization_operator(grid, origin, ranges, victoreen=victoreen, method=method)
        )
        choices = functools.cache(
            lambda origin: other_choices(
                grid, origin, ranges, victoreen=victoreen, method=method, edge_step=edge_step
            )
        )

        def share(origin: float, rows: Array, known: Array | None) -> dict[str, Array]:
            """Spectra that share one origin."""
            fits = operator(origin) if np.isfinite(origin) else None
            if fits is None:
                failure = np.full(len(rows), NO_RANGE if np.isfinite(origin) else NO_EDGE)
                return _failed(rows) | {"failure": failure}
            present = find_rise(grid, rows, origin - ABOVE_TABLE).present
            cut_off = saturated(rows)
            noise = estimate_noise(grid, rows) if known is None else known
            if method == "minmax":
                made = min_max(grid, rows, noise, origin, ranges)
            else:
                made = _normalized(fits, rows, noise, edge_step)
            made["noise"] = noise if noise.ndim == 1 else np.median(noise, axis=1)
            made["edge_step_systematic"] = choices(origin).step_systematic(rows)
            bad = ~present | cut_off
            for values in made.values() if bad.any() else ():
                values[bad] = np.nan
            failure = np.where(cut_off, SATURATED, np.where(present, FINE, NO_EDGE))
            return made | {"failure": failure}

        def kernel(rows: Array, origins: Array, known: Array | None = None) -> dict[str, Array]:
            if (origins == origins[0]).all():
                return share(float(origins[0]), rows, known)
            out = _failed(rows)
            # ranges move over the grid with E0: no two spectra share their matrices
            for i in range(len(rows)):
                one = slice(i, i + 1)
                made = share(float(origins[i]), rows[one], None if known is None else known[one])
                for name, values in made.items():
                    out[name][one] = values
            return out

        return kernel

    shapes: dict[str, tuple[int, ...] | None] = {**dict.fromkeys(CURVES), **dict.fromkeys(NUMBERS, ())}
    others = [e0] if sigma is None else [e0, sigma]
    result = on_finite_points(prepare, energy, mu, *others, shapes=shapes)
    result["failure"] = np.where(np.isnan(result["failure"]), NO_RANGE, result["failure"])
    return result


def _failed(rows: Array) -> dict[str, Array]:
    return {
        **{name: np.full(rows.shape, np.nan) for name in CURVES},
        **{name: np.full(len(rows), np.nan) for name in NUMBERS},
    }


def min_max(energy: Array, mu: Array, sigma: Array, e0: float, ranges: Ranges) -> dict[str, Array]:
    """Spectra between 0 at the lowest point of the pre-edge range and 1 at the highest behind E0; no line is fitted.

    Noise pulls both ends outwards by two to three standard deviations of a point.
    """
    low, high = _ends(energy, mu, e0, ranges)
    each = np.arange(len(mu))
    variance = np.broadcast_to(sigma[:, None] ** 2 if sigma.ndim == 1 else sigma**2, mu.shape)
    bottom, of_low, of_high = mu[each, low], variance[each, low], variance[each, high]
    step = mu[each, high] - bottom
    with np.errstate(divide="ignore", invalid="ignore"):
        norm = (mu - bottom[:, None]) / step[:, None]
        total = variance + (1 - norm) ** 2 * of_low[:, None] + norm**2 * of_high[:, None]
        total[each, low], total[each, high] = 0.0, 0.0  # zero and one by definition
        return {
            "pre_edge": np.broadcast_to(bottom[:, None], mu.shape).copy(),
            "post_edge": np.broadcast_to((bottom + step)[:, None], mu.shape).copy(),
            "norm": norm,
            "norm_sigma": np.sqrt(total) / np.abs(step[:, None]),
            "flat": norm.copy(),
            "edge_step": step,
            "edge_step_sigma": np.sqrt(of_low + of_high),
        }


def _ends(
    energy: Array, mu: Array, e0: float, ranges: Ranges
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Grid points (rows,) of the minimum below the edge and of the maximum behind it."""
    below = points_between(energy, e0 + ranges.pre[0], e0 + ranges.pre[1])
    above = slice(int(np.searchsorted(energy, e0)), points_between(energy, e0, e0 + ranges.post[1]).stop + 1)
    return mu[:, below].argmin(1) + below.start, mu[:, above].argmax(1) + above.start


def other_choices(
    energy: Array,
    e0: float,
    ranges: Ranges,
    *,
    victoreen: float = 0.0,
    method: Method = "edge_step",
    edge_step: float | None = None,
) -> Choices:
    """A normalisation on one grid and what one could have chosen instead, for the systematic of results."""
    if method == "edge_step":
        return RangeFamily(energy, e0, ranges, victoreen, edge_step)

    def by_area(chosen: Ranges) -> Member | None:
        fits = normalization_operator(energy, e0, chosen, victoreen=victoreen, method="area")
        return None if fits is None else functools.partial(_step_and_flat, fits)

    def by_ends(chosen: Ranges, *, line: bool = False) -> Member | None:
        fits = normalization_operator(energy, e0, chosen, victoreen=victoreen)
        return (
            None
            if fits is None
            else functools.partial(_between_ends, energy, e0, chosen, fits if line else None)
        )

    first, last, late, early = other_ranges(ranges)[:4]
    if method == "area":
        flipped = by_area(replace(ranges, pre_order=1 - ranges.pre_order))
        kinds = ((by_area(first), by_area(last)), (by_area(late), by_area(early)), (flipped,))
        return RedoneFamily(
            by_area(ranges), kinds, OTHER_FAMILY.format("the pre-edge is a constant and not a line")
        )
    kinds = ((by_ends(first), by_ends(last)), (by_ends(late), by_ends(early)), (by_ends(ranges, line=True),))
    return RedoneFamily(by_ends(ranges), kinds, OTHER_FAMILY.format("a pre-edge line is subtracted first"))


def _step_and_flat(fits: NormalizationOperator, mu: Array) -> tuple[Array, Array]:
    made, _ = _curves(fits, mu, None)
    return made["edge_step"], made["flat"]


def _between_ends(
    energy: Array, e0: float, ranges: Ranges, line: NormalizationOperator | None, mu: Array
) -> tuple[Array, Array]:
    if line is not None:
        mu = mu - (mu[:, line.pre] @ line.pre_fit.T) @ line.pre_basis.T
    low, high = (np.take_along_axis(mu, i[:, None], 1) for i in _ends(energy, mu, e0, ranges))
    with np.errstate(divide="ignore", invalid="ignore"):
        return (high - low)[:, 0], (mu - low) / (high - low)


def _normalized(
    fits: NormalizationOperator, mu: Array, sigma: Array, edge_step: float | None = None
) -> dict[str, Array]:
    made, scale = _curves(fits, mu, edge_step)
    # a step that is given has no error, and none that moves with the height of a point
    height = made["norm"] if edge_step is None else np.zeros_like(made["norm"])
    step_variance, norm_sigma = _spread(fits, height, sigma)
    norm_sigma *= np.abs(scale)
    step_sigma = np.sqrt(step_variance) if edge_step is None else np.zeros(len(mu))
    return made | {
        "norm_sigma": norm_sigma,
        "edge_step_sigma": np.broadcast_to(step_sigma, len(mu)).copy(),
    }


def _curves(
    fits: NormalizationOperator, mu: Array, edge_step: float | None
) -> tuple[dict[str, Array], Array]:
    """The curves and the edge step, and one over the step (rows, 1)."""
    pre_edge = (mu[:, fits.pre] @ fits.pre_fit.T) @ fits.pre_basis.T
    norm = mu - pre_edge
    polynomial = (norm[:, fits.post] @ fits.post_fit.T) @ fits.post_basis.T
    at_e0 = polynomial[:, fits.at_e0].copy()
    step = at_e0 if edge_step is None else np.full(len(mu), float(edge_step))
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = 1 / step[:, None]
        norm *= scale  # in place, here and below: these arrays are what normalisation spends its time on
        flat = norm.copy()
        behind = slice(fits.at_e0, None)
        flat[:, behind] += at_e0[:, None] * scale
        flat[:, behind] -= polynomial[:, behind] * scale
        polynomial += pre_edge
    made = {"pre_edge": pre_edge, "post_edge": polynomial, "norm": norm, "flat": flat, "edge_step": step}
    return made, scale


def _spread(fits: NormalizationOperator, norm: Array, sigma: Array) -> tuple[Array, Array]:
    r"""Variance of the edge step S and standard deviation of S·norm from independent noise of the points.

    To first order :math:`S\,\delta n_i = \delta\mu_i - \delta p_i - n_i\,\delta S` with the pre-edge curve p and the
    step linear in the spectrum; the covariances among the three are kept.
    """
    common = sigma.ndim == 1
    step, linear, constant = fits.unit_variances if common else fits.variances(sigma**2)
    total = norm * step[:, None]
    total += linear
    total *= norm
    total += constant
    np.sqrt(total, out=total)
    if common:
        total *= sigma[:, None]
        step = step * sigma**2
    return step, total
