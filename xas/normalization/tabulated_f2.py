"""Normalisation against tabulated scattering factors: the whole spectrum is matched to f2 of the free atom (MBACK)."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset import map_spectra, signal_name
from spectra.errors import InvalidInput
from spectra.verbs import note, resolve, verb
from xas.normalization.by_edge_step import flag_failures, flag_short_scans
from xas.normalization.e0 import ABOVE_TABLE, find_rise
from xas.normalization.edge_step import (
    FINE,
    NO_EDGE,
    NO_RANGE,
    SATURATED,
    NormalizationOperator,
    normalization_operator,
)
from xas.normalization.further_edges import following_energy
from xas.normalization.origins import choose_origins
from xas.normalization.range_choice import OTHER_FAMILY, Member, RedoneFamily, other_ranges
from xas.normalization.ranges import Ranges, choose_ranges, points_between
from xas.normalization.saturation import saturated
from xas.points.finite import on_finite_points
from xas.points.noise import estimate_noise

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["MatchOperator", "match_f2", "match_operator", "mback", "other_matches", "tabulated_f2"]

Array = npt.NDArray[np.float64]

CURVES = ("pre_edge", "post_edge", "norm", "norm_sigma", "flat", "matched")
NUMBERS = ("edge_step", "edge_step_sigma", "edge_step_systematic", "noise", "failure")
HIGHEST = 5

#: What the systematic uncertainties hold, as their attributes say it.
FAMILY = OTHER_FAMILY.format("the polynomial of the match has one degree more or less, or is a line")


def tabulated_f2(element: str, energy: Array) -> Array:
    """Imaginary part of the atomic scattering factor (n,) in electrons at ``energy`` in eV, from Chantler's table.

    References
    ----------
    C. T. Chantler, J. Phys. Chem. Ref. Data 29, 597 (2000), doi:10.1063/1.1321055
    """
    import xraydb

    return np.asarray(xraydb.f2_chantler(element, np.asarray(energy, float)), float)


@dataclass(frozen=True)
class MatchOperator:
    """The linear part of the match on one grid: what the polynomial takes up, and f2 in what is left."""

    f2: Array  # (n,)
    fitted: npt.NDArray[np.intp]  # (m,) grid points that take part
    weight: Array  # (m,)
    basis: Array  # (n, q) polynomials of E - E0
    fit: Array  # (q, m) coefficients of a weighted polynomial fit
    step: NormalizationOperator  # pre- and post-edge curves of the smooth curve f2 + polynomial

    def left_over(self, values: Array) -> Array:
        """Weighted values (..., m) minus their polynomial."""
        return np.asarray(
            values * self.weight - (values @ self.fit.T) @ (self.basis[self.fitted] * self.weight[:, None]).T
        )

    @functools.cached_property
    def f2_left(self) -> Array:
        """(m,) what the polynomial leaves of f2."""
        return self.left_over(self.f2[self.fitted])


def match_operator(
    energy: Array, f2: Array, e0: float, pre: slice, post: slice, order: int, step: NormalizationOperator
) -> MatchOperator:
    """Operator for polynomials of degree ``order``, the points of the two ranges weighing the same together.

    ``pre`` and ``post`` are slices of the grid.
    """
    fitted = np.r_[pre, post]
    count = np.r_[
        np.full(pre.stop - pre.start, pre.stop - pre.start),
        np.full(post.stop - post.start, post.stop - post.start),
    ]
    weight = 1 / np.sqrt(count)
    basis = np.vander((energy - e0) / np.abs(energy - e0).max(), order + 1)
    fit = np.linalg.pinv(basis[fitted] * weight[:, None]) * weight
    return MatchOperator(f2, fitted, weight, basis, fit, step)


def match_f2(match: MatchOperator, mu: Array, sigma: Array) -> dict[str, Array]:
    r"""Scale and polynomial that make spectra most like f2 outside of the near-edge region.

    .. math:: \min_{s, c} \sum_i w_i^2 \Big[f_2(E_i) + \sum_j c_j (E_i - E_0)^j - s\,\mu_i\Big]^2

    For a given s the polynomial is linear, so with the projection P that takes the polynomial out,
    :math:`s = \langle P\mu, P f_2\rangle / \langle P\mu, P\mu\rangle`: no iteration.

    Parameters
    ----------
    match : MatchOperator
    mu : (rows, n) array
        All finite.
    sigma : (rows,) array
        Noise of a point.

    Returns
    -------
    dict of arrays
        ``matched`` is s·mu minus the polynomial, in electrons; ``norm``, ``flat``, ``pre_edge``, ``post_edge`` (rows, n)
        and ``edge_step`` refer to mu, with their sigmas.
    """
    made, near, left, power, scale, jump = _match(match, mu)
    return made | _sigmas(match, near, left, power, scale, jump, made["norm"], sigma)


def _match(match: MatchOperator, mu: Array) -> tuple[dict[str, Array], Array, Array, Array, Array, Array]:
    """Curves and edge step of :func:`match_f2`, and what their uncertainties are computed from."""
    near, fits = mu[:, match.fitted], match.step
    left = match.left_over(near)
    power = (left**2).sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = (left @ match.f2_left) / power
    coefficients = (scale[:, None] * near - match.f2[match.fitted]) @ match.fit.T
    polynomial = coefficients @ match.basis.T
    smooth = match.f2 + polynomial
    pre = (smooth[:, fits.pre] @ fits.pre_fit.T) @ fits.pre_basis.T
    post = ((smooth - pre)[:, fits.post] @ fits.post_fit.T) @ fits.post_basis.T
    jump = post[:, fits.at_e0]
    behind = slice(fits.at_e0, None)
    with np.errstate(divide="ignore", invalid="ignore"):
        norm = (scale[:, None] * mu - pre) / jump[:, None]
        flat = norm.copy()
        flat[:, behind] += 1 - post[:, behind] / jump[:, None]
        made = {
            "pre_edge": pre / scale[:, None],
            "post_edge": (pre + post) / scale[:, None],
            "norm": norm,
            "flat": flat,
            "matched": scale[:, None] * mu - polynomial,
            "edge_step": jump / scale,
        }
    return made, near, left, power, scale, jump


def _sigmas(
    match: MatchOperator,
    near: Array,
    left: Array,
    power: Array,
    scale: Array,
    jump: Array,
    norm: Array,
    sigma: Array,
) -> dict[str, Array]:
    r"""Standard uncertainties of edge step and norm to first order in the noise.

    Pre-edge curve p and jump J are linear in the polynomial's coefficients c, which are linear in s·mu, and s is a
    quotient of quadratic forms in mu: :math:`J\,\delta n_i = s\,\delta\mu_i + \mu_i\,\delta s - \delta p_i - n_i\,\delta J`.
    """
    fits, rows = match.step, len(near)
    pre_by_c = fits.pre_basis @ (fits.pre_fit @ match.basis[fits.pre])
    jump_by_c = fits.post_basis[fits.at_e0] @ fits.post_fit @ (match.basis - pre_by_c)[fits.post]
    with np.errstate(divide="ignore", invalid="ignore"):
        # left is projected and weighted already: the derivative of s by mu
        by_mu = match.weight * (match.f2_left - 2 * scale[:, None] * left) / power[:, None]
        c_by_mu = (near @ match.fit.T)[:, :, None] * by_mu[:, None, :] + scale[:, None, None] * match.fit
        step_by_mu = np.einsum("q,rqm->rm", jump_by_c, c_by_mu) - (jump / scale)[:, None] * by_mu
        common = np.concatenate(
            [by_mu[:, None], c_by_mu], axis=1
        )  # of s and c, by the points that are fitted
        pre_of_f2 = fits.pre_basis @ (fits.pre_fit @ match.f2[fits.pre])
        c = (scale[:, None] * near - match.f2[match.fitted]) @ match.fit.T
        mu = (norm * jump[:, None] + pre_of_f2 + c @ pre_by_c.T) / scale[:, None]
        by_common = np.empty((rows, mu.shape[1], 1 + c.shape[1]))  # of J·norm, by s and c
        by_common[..., 0] = mu
        by_common[..., 1:] = -pre_by_c - norm[..., None] * jump_by_c
        variance = scale[:, None] ** 2 + ((by_common @ (common @ common.swapaxes(1, 2))) * by_common).sum(-1)
        fitted = by_common[:, match.fitted]
        variance[:, match.fitted] += 2 * scale[:, None] * np.einsum("rmk,rkm->rm", fitted, common)
        return {
            "edge_step_sigma": sigma * np.sqrt((step_by_mu**2).sum(-1)) / np.abs(scale),
            "norm_sigma": sigma[:, None] * np.sqrt(variance) / np.abs(jump[:, None]),
        }


@verb("xas.mback", axis="energy")
def mback(
    dataset: xr.Dataset,
    *,
    e0: float | Literal["series", "each"] = "series",
    pre: tuple[float, float] | None = None,
    post: tuple[float, float] | None = None,
    order: Literal[0, 1, 2, 3, 4, 5] = 3,
) -> xr.Dataset:
    r"""Normalise absorption spectra by matching them to tabulated f2 of the free atom (MBACK).

    One scale and one polynomial make the points below and well above the edge most like the tabulated curve; the edge
    step is that of the match. The pre-edge and the post-edge are described together, so the step depends less on the
    ranges than that of two separate fits, above all on short scans:

    .. math:: \min_{s, c} \sum_i w_i^2 \Big[f_2(E_i) + \sum_j c_j (E_i - E_0)^j - s\,\mu_i\Big]^2

    Parameters
    ----------
    dataset : xarray.Dataset
        Absorption ``mu`` along ``energy`` in eV; ``attrs["element"]`` and ``attrs["edge"]`` say whose f2.
    e0 : float or {"series", "each"}
        Origin in eV, as in :func:`xas.normalize`; "each" is not cheaper than a loop.
    pre : (float, float), optional
        Range below the edge in eV from E0. Default: that of :func:`xas.normalize`.
    post : (float, float), optional
        Range above the edge in eV from E0; a negative end counts from the end of the data. Default: from 100 eV, or a
        quarter of the way on short scans, to the end or the next edge.
    order : {0, 1, 2, 3, 4, 5}
        Degree of the polynomial.

    Returns
    -------
    xarray.Dataset
        With ``e0``, ``edge_step``, ``pre_edge``, ``post_edge``, ``norm``, ``flat`` and their sigmas as
        :func:`xas.normalize` adds them, ``edge_step_systematic``, and ``matched`` and ``f2`` (electrons) along ``energy``. Flags as there.

    Raises
    ------
    InvalidInput
        If the element is not named, no spectrum has an edge, or a range holds too few points.

    Notes
    -----
    For a given s the polynomial is a linear fit, so s has a closed form and a whole series is matched by two matrix
    products; larch's ``mback`` (without error function) reaches the same minimum by iteration. The two ranges weigh the
    same. The error function that describes the detector's resolution in the published method is left out, as in larch's
    default. The edge step is that of pre- and post-edge curves of the smooth curve f2 + polynomial.

    ``edge_step_systematic`` is what other choices do to the edge step, squares added: the pre-edge range begins or ends
    30 % of its width later or earlier, the post-edge range 20 %, the polynomial has one degree more or less or is a line
    (which tells what the curvature that it fits is worth); :func:`xas.edge_position` and :func:`xas.white_line` state what the same choices do to them. That f2 of the
    free atom may itself be wrong by some percent is in none of them.

    References
    ----------
    T.-C. Weng, G. S. Waldo & J. E. Penner-Hahn, J. Synchrotron Rad. 12, 506 (2005), doi:10.1107/S0909049504034193

    Examples
    --------
    >>> import numpy as np, spectra, xas
    >>> from xas.normalization.tabulated_f2 import tabulated_f2
    >>> energy = np.arange(6400.0, 7100.0, 1.0)
    >>> mu = 0.2 * tabulated_f2("Mn", energy) + 0.5 - 2e-4 * (energy - 6500)
    >>> scan = spectra.from_arrays(energy, mu, name="mu", attrs={"element": "Mn", "edge": "K"})
    >>> scan = xas.mback(scan, e0=6545.0)
    >>> round(float(scan.edge_step), 3)
    0.696
    """
    element = str(dataset.attrs.get("element", ""))
    signal = dataset[signal_name(dataset)]
    energy = dataset["energy"].values.astype(float)
    if not element:
        raise InvalidInput(
            "xas.mback matches the spectrum to tabulated values of its element: set dataset.attrs['element'], as in 'Mn'."
        )
    origins = choose_origins(dataset, e0)
    origin = origins.common
    above = following_energy(dataset, origin)
    end = choose_ranges(energy, origin, next_edge=above).post[1]
    ranges = choose_ranges(
        energy, origin, pre=pre, post=post or (min(100.0, end / 4), end), order=2, next_edge=above
    )
    resolve(e0=origin, pre=ranges.pre, post=ranges.post)
    for text in ranges.notes:
        note(text)
    f2 = tabulated_f2(element, energy)
    sigma = dataset.get(f"{signal.name}_sigma")

    def kernel(mu: Array, starts: Array, *given: Array) -> dict[str, Array]:
        rows = np.asarray(mu, float)
        known = [np.broadcast_to(g, rows.shape).astype(float) for g in given]
        return _matched(energy, f2, rows, np.broadcast_to(starts, rows.shape[:-1]), ranges, order, known)

    inputs: list[Any] = [(signal, ("energy",)), (origins.e0, ())]
    inputs += [] if sigma is None else [(sigma, ("energy",))]
    made = map_spectra(kernel, inputs, {**dict.fromkeys(CURVES, ("energy",)), **dict.fromkeys(NUMBERS, ())})
    failure = made.pop("failure")
    result = origins.added_to(dataset).assign(made)
    result = result.assign(f2=("energy", f2))
    units = str(signal.attrs.get("units", ""))
    for name, (text, own) in {**LABELS, "f2": ("tabulated f2 of the atom", "")}.items():
        result[name].attrs.update(units=units if own == "mu" else own, long_name=text)
    result["edge_step_systematic"].attrs["family"] = FAMILY
    record = {"method": "mback", "e0": origin, "pre": ranges.pre, "post": ranges.post, "order": order}
    record |= {"pre_order": ranges.pre_order}
    for name in ("norm", "flat"):
        result[name].attrs["normalization"] = json.dumps(record)
    result = flag_failures(result, failure)
    return flag_short_scans(result, energy, origin)


LABELS = {
    "edge_step": ("edge step", "mu"),
    "edge_step_sigma": ("standard uncertainty of the edge step from noise", "mu"),
    "edge_step_systematic": ("what the choice of ranges and of the polynomial does to the edge step", "mu"),
    "noise": ("standard deviation of the noise of a point", "mu"),
    "pre_edge": ("pre-edge curve of the match", "mu"),
    "post_edge": ("post-edge curve of the match", "mu"),
    "norm": ("normalised absorption", ""),
    "norm_sigma": ("standard uncertainty of the normalised absorption from noise", ""),
    "flat": ("flattened normalised absorption", ""),
    "matched": ("absorption matched to f2", ""),
}


def _matched(
    energy: Array, f2: Array, mu: Array, e0: Array, ranges: Ranges, order: int, sigma: list[Array]
) -> dict[str, Array]:
    """Spectra of any leading shape, matched block by block; each origin has its own operator."""

    def prepare(grid: Array) -> Callable[..., dict[str, Array]]:
        f2_here = np.interp(grid, energy, f2)
        operator = functools.cache(lambda origin: _operator(grid, f2_here, origin, ranges, order))
        choices = functools.cache(lambda origin: other_matches(grid, f2_here, origin, ranges, order))

        def kernel(rows: Array, origins: Array, *known: Array) -> dict[str, Array]:
            out = {n: np.full(rows.shape, np.nan) for n in CURVES} | {
                n: np.full(len(rows), np.nan) for n in NUMBERS
            }
            noise = np.median(known[0], axis=1) if known else estimate_noise(grid, rows)
            for origin in np.unique(origins):
                of = origins == origin if np.isfinite(origin) else ~np.isfinite(origins)
                match = operator(float(origin)) if np.isfinite(origin) else None
                if match is None:
                    out["failure"][of] = NO_RANGE if np.isfinite(origin) else NO_EDGE
                    continue
                present = find_rise(grid, rows[of], float(origin) - ABOVE_TABLE).present
                cut_off = saturated(rows[of])
                made = match_f2(match, rows[of], noise[of]) | {"noise": noise[of].copy()}
                made["edge_step_systematic"] = choices(float(origin)).step_systematic(rows[of])
                for name, values in made.items():
                    values[~present | cut_off] = np.nan
                    out[name][of] = values
                out["failure"][of] = np.where(cut_off, SATURATED, np.where(present, FINE, NO_EDGE))
            return out

        return kernel

    shapes: dict[str, tuple[int, ...] | None] = {**dict.fromkeys(CURVES), **dict.fromkeys(NUMBERS, ())}
    result = on_finite_points(prepare, energy, mu, e0, *sigma, shapes=shapes)
    result["failure"] = np.where(np.isnan(result["failure"]), NO_RANGE, result["failure"])
    return result


def _operator(grid: Array, f2: Array, e0: float, ranges: Ranges, order: int) -> MatchOperator | None:
    step = normalization_operator(grid, e0, ranges)
    if step is None:
        return None
    near = points_between(grid, e0 + ranges.pre[0], e0 + ranges.pre[1])
    first = int(np.abs(grid - e0 - ranges.post[0]).argmin())
    last = int(np.searchsorted(grid, e0 + ranges.post[1], side="right"))
    pre, post = slice(near.start, near.stop + 1), slice(max(first, near.stop + 1), last)
    if pre.stop - pre.start + post.stop - post.start < order + 3:
        return None
    return match_operator(grid, f2, e0, pre, post, order, step)


def other_matches(energy: Array, f2: Array, e0: float, ranges: Ranges, order: int) -> RedoneFamily:
    """A match on one grid and what one could have chosen instead, for the systematic of results."""

    def matched(chosen: Ranges, degree: int) -> Member | None:
        match = _operator(energy, f2, e0, chosen, degree)

        def normalized(mu: Array) -> tuple[Array, Array]:
            assert match is not None
            made = _match(match, mu)[0]
            return made["edge_step"], made["flat"]

        return None if match is None else normalized

    first, last, late, early = other_ranges(ranges)[:4]
    degrees = sorted({1, order - 1, order + 1} & set(range(HIGHEST + 1)) - {order})
    kinds = (
        (matched(first, order), matched(last, order)),
        (matched(late, order), matched(early, order)),
        tuple(matched(ranges, degree) for degree in degrees),
    )
    return RedoneFamily(matched(ranges, order), kinds, FAMILY)
