"""White lines of rows of spectra: positions, areas above their continuum and covariances, by five methods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from xas.eels.line_fit import fit_lines
from xas.eels.line_positions import Positions, binned, find_lines
from xas.eels.line_weights import Windows, curvature_weights, overlap, step_weights
from xas.eels.linear_variance import Noise, ratio_variance

__all__ = ["METHODS", "Lines", "Places", "measure_lines"]

Array = npt.NDArray[Any]

#: What each method is, in words; ``{...}`` are its windows.
METHODS: Mapping[str, str] = {
    "double_step": "areas above two steps, {l3:g} and {l2:g} eV about the lines, steps {steps} of the level {post} eV behind L2",
    "double_arctan": "areas above two arctangents of {arctan_width:g} eV, {l3:g} and {l2:g} eV about the lines, steps {steps} of "
    "the level {post} eV behind L2",
    "second_derivative": "positive lobes of minus the second derivative after a Gaussian filter of {filter_width:g} eV",
    "curve_fit": "areas of two pseudo-Voigt lines on two arctangents of {arctan_width:g} eV fitted together",
    "normalized_sum": "as double_step, beside the sum of both lines over the signal {normal} eV behind L3",
}
#: What stands in front of L3 may reach this share of it; looked for so far in front (eV).
IN_FRONT, FAR, NEAR = 0.5, 25.0, 10.0


@dataclass(frozen=True)
class Places:
    """Where to look: for L3, for L2 behind it, and in front of which the background was fitted."""

    search: tuple[float, float]
    splitting: float
    half_width: float | None
    given: tuple[float, float] | None
    behind: tuple[float, float]  # of the sum that both lines are compared with, eV behind L3
    least_post: float
    window_end: float  # eV; minus infinity where no background was fitted here
    l3_between: tuple[float, float] = (-np.inf, np.inf)  # outside of it the energy scale is doubted, eV
    gap_between: tuple[float, float] = (-np.inf, np.inf)


@dataclass(frozen=True)
class Lines:
    """Areas of L3 and L2 in rows, with their covariance; the normalised sum where it is asked for."""

    l3: Array
    l2: Array
    var3: Array
    var2: Array
    cov: Array
    total: Array | None = None
    total_sigma: Array | None = None


def measure_lines(
    energy: Array, net: Array, noise: Noise, methods: tuple[str, ...], windows: Windows, places: Places
) -> dict[str, Array]:
    """Everything that is measured of the white lines of each row.

    Parameters
    ----------
    energy : (n,) array
        In eV.
    net : (rows, n) array
        Spectra without background.
    noise : Noise
        Of the rows; NaN variances where nothing is known.
    methods : tuple of str
        The first makes ``l3``, ``l2`` and what follows from them; ratios are made by all.
    windows, places
        How, and where.

    Returns
    -------
    dict of arrays
        (rows,) each, ``ratios`` and ``ratios_sigma`` (rows, methods), and masks that begin with ``is_``.
    """
    if places.given is None:
        found = find_lines(energy, net, places.search, places.splitting, places.half_width)
    else:
        sound = np.where(np.isfinite(net).all(-1), 0.0, np.nan)
        nothing, nowhere = np.full((len(net), 1), np.nan), np.zeros((len(net), 1), int)
        found = Positions(
            places.given[0] + sound, places.given[1] + sound, nothing, nothing, nowhere, nowhere
        )
    gap = found.l2 - found.l3
    halves, shrunk = _halves(gap, windows)
    post_end = np.minimum(found.l2 + windows.post[1], energy[-1])
    out: dict[str, Array] = {"l3_position": found.l3, "l2_position": found.l2, "splitting": gap}
    out |= _position_sigmas(noise, found)
    out["l3_half_width"], out["l2_half_width"] = halves
    ratios = []
    end = energy[-1]
    out["is_behind_another"] = _in_front(energy, net, found.l3, places)
    part = _needed(energy, found, windows, places, methods)
    energy, net, noise = energy[part], net[:, part], noise.cut(part)
    for number, method in enumerate(methods):
        lines = _by_method(method, energy, net, noise, found, halves, windows, places)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = lines.l3 / lines.l2
        sigma = np.sqrt(ratio_variance(lines.l3, lines.l2, lines.var3, lines.var2, lines.cov))
        ratios.append((ratio, sigma))
        if number == 0:
            out |= {"l3": lines.l3, "l2": lines.l2, "l3_l2_ratio": ratio, "l3_l2_ratio_sigma": sigma}
            out |= {"l3_sigma": np.sqrt(lines.var3), "l2_sigma": np.sqrt(lines.var2)}
            with np.errstate(divide="ignore", invalid="ignore"):
                out["branching_ratio"] = ratio / (1 + ratio)
                out["branching_ratio_sigma"] = sigma / (1 + ratio) ** 2
        if lines.total is not None and lines.total_sigma is not None:
            out["normalized_sum"], out["normalized_sum_sigma"] = lines.total, lines.total_sigma
    out["ratios"] = np.stack([r for r, _ in ratios], -1)
    out["ratios_sigma"] = np.stack([s for _, s in ratios], -1)
    left = end - (found.l2 + windows.post[0])
    with np.errstate(invalid="ignore"):
        out["is_shrunk"] = shrunk
        out["is_truncated"] = (post_end < found.l2 + windows.post[1] - 0.5) & (left >= places.least_post)
        out["is_without_post"] = left < places.least_post
        out["is_weak"] = ~(out["l2"] > 2 * out["l2_sigma"]) & np.isfinite(out["l2_sigma"])
        out["is_displaced"] = _outside(found.l3, places.l3_between)
        out["is_odd_gap"] = _outside(gap, places.gap_between)
        out["is_touching"] = places.window_end > found.l3 - halves[0]
    return out


def _position_sigmas(noise: Noise, found: Positions) -> dict[str, Array]:
    v3, v2, shared = noise.pair_at(found.at_l3, found.by_l3, found.at_l2, found.by_l2)
    both = v3 + v2 - 2 * shared
    return {
        "l3_position_sigma": np.sqrt(v3), "l2_position_sigma": np.sqrt(v2), "splitting_sigma": np.sqrt(np.maximum(both, 0)),
    }  # fmt: skip


def _needed(
    energy: Array, found: Positions, windows: Windows, places: Places, methods: tuple[str, ...]
) -> slice:
    """Channels that the methods see, in all rows together."""
    if not np.isfinite(found.l3).any() or not set(methods) <= {"double_step", "double_arctan"}:
        return slice(None)
    low = np.nanmin(found.l3) - windows.l3
    high = max(np.nanmax(found.l2) + windows.post[1], np.nanmax(found.l2) + windows.l2)
    first, last = np.searchsorted(energy, (low, high))
    return slice(max(int(first) - 2, 0), int(last) + 2)


def _outside(values: Array, between: tuple[float, float]) -> Array:
    return np.asarray((values < between[0]) | (values > between[1]))


def _halves(gap: Array, windows: Windows) -> tuple[tuple[Array, Array], Array]:
    """Half widths of both windows; where they would overlap, at most half of the gap."""
    overlapping = gap < windows.l3 + windows.l2
    if windows.overlapping == "keep":
        overlapping = np.zeros_like(overlapping)
    l3 = np.where(overlapping, np.minimum(windows.l3, gap / 2), windows.l3)
    l2 = np.where(overlapping, np.minimum(windows.l2, gap / 2), windows.l2)
    return (l3, l2), overlapping


def _by_method(
    method: str,
    energy: Array,
    net: Array,
    noise: Noise,
    found: Positions,
    halves: tuple[Array, Array],
    windows: Windows,
    places: Places,
) -> Lines:
    if method == "curve_fit":
        l3, l2, c = fit_lines(energy, net, found.l3, noise, places.splitting, windows.arctan_width)
        return Lines(l3, l2, c[:, 0, 0], c[:, 1, 1], c[:, 0, 1])
    if method == "second_derivative":
        u3, u2 = curvature_weights(energy, net, found.l3, found.l2, windows.filter_width)
    else:
        u3, u2 = step_weights(energy, found.l3, found.l2, halves, windows, method == "double_arctan")
        short = found.l2 + windows.post[0] + places.least_post > energy[-1]
        u3[short], u2[short] = np.nan, np.nan
    l3, l2 = (np.einsum("rn,rn->r", u, net) for u in (u3, u2))
    lines = Lines(l3, l2, *noise.pair(u3, u2))
    if method != "normalized_sum":
        return lines
    low, high = found.l3 + places.behind[0], found.l3 + places.behind[1]
    v = overlap(energy, low, high, windows.channels)
    v[high > energy[-1] + 0.5] = np.nan
    both, behind = u3 + u2, np.einsum("rn,rn->r", v, net)
    spread = ratio_variance(l3 + l2, behind, *noise.pair(both, v))
    with np.errstate(divide="ignore", invalid="ignore"):
        return replace(lines, total=(l3 + l2) / behind, total_sigma=np.sqrt(spread))


def _in_front(energy: Array, net: Array, l3: Array, places: Places) -> Array:
    """Whether something as strong as a part of L3 stands in front of it: the edge of another element."""
    middle, bins = binned(energy, net)
    around = np.pad(bins, ((0, 0), (1, 1)), mode="edge")
    smooth = (around[:, :-2] + around[:, 1:-1] + around[:, 2:]) / 3
    low = np.maximum(places.window_end, l3 - FAR)[:, None]
    front = np.where((middle > low) & (middle < (l3 - NEAR)[:, None]), smooth, -np.inf).max(-1)
    top = np.where(np.abs(middle - l3[:, None]) < 2, smooth, -np.inf).max(-1)
    return np.asarray((front > IN_FRONT * top) & np.isfinite(l3))
