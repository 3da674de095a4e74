"""Pre-edge of O K in rows of spectra: place, area above a continuum through the ends of its window, distance of the main peak."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from xas.eels.channels.linear_variance import Noise, ratio_variance
from xas.eels.white_lines.positions import vertex
from xas.eels.white_lines.weights import overlap

__all__ = ["PreEdge", "continuum_weights", "measure_pre_edges"]

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

#: Distance in eV of the places that are tried, and how many standard deviations a bump is that is no accident.
TRIED, CLEAR = 0.1, 4.0
#: Reach of the parabolas that give positions (eV), and width of the box that smooths what is searched.
REACH, BOX = 1.0, 1.0
#: Critical level and detection limit in standard deviations, 5 % of false alarms and of misses (Currie).
CRITICAL, LIMIT = 1.645, 3.29


@dataclass(frozen=True)
class PreEdge:
    """How the pre-edge is measured; energies in eV."""

    search: tuple[float, float]
    half_width: float
    end: float  # averaged at each end of the window
    total: float  # of the sum that the area is divided by, from the low end of the window
    main: tuple[float, float]  # distances at which the main peak is looked for
    continuum: Literal["linear", "arctan"]
    arctan_width: float
    given: tuple[float, float] | None = None  # positions of both peaks


def continuum_weights(energy: Array, place: Array, main: Array, how: PreEdge) -> Array:
    r"""Weights (rows, n) of the area inside the window above a continuum through the means at its ends.

    .. math:: C(E) = \bar N_l + (\bar N_u - \bar N_l)
              \frac{\varphi(E) - \varphi(E_l)}{\varphi(E_u) - \varphi(E_l)}

    with :math:`\varphi = E`, or an arctangent about the main peak.
    """
    low, high = place - how.half_width, place + how.half_width

    def shape(at: Array) -> Array:
        if how.continuum == "linear":
            return at
        return np.arctan(np.pi * (at - main[:, None]) / how.arctan_width)

    own = overlap(energy, low, high, "fractional")
    ends = [overlap(energy, at - how.end / 2, at + how.end / 2, "fractional") for at in (low, high)]
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = [e / e.sum(-1, keepdims=True) for e in ends]
        left, right = shape(low[:, None]), shape(high[:, None])
        t = (shape(np.broadcast_to(energy, own.shape)) - left) / (right - left)
    rise = (own * t).sum(-1, keepdims=True)
    return np.asarray(own - (own.sum(-1, keepdims=True) - rise) * ends[0] - rise * ends[1])


def measure_pre_edges(energy: Array, net: Array, noise: Noise, how: PreEdge) -> dict[str, Array]:
    """Everything that is measured of the pre-edge of each row.

    Parameters
    ----------
    energy : (n,) array
        In eV.
    net : (rows, n) array
        Spectra without background.
    noise : Noise
        Of the rows; NaN variances where nothing is known.
    how : PreEdge

    Returns
    -------
    dict of arrays
        (rows,) each; masks begin with ``is_``.
    """
    rows = len(net)
    sound = np.isfinite(net).all(-1)
    clear: Mask
    if how.given is None:
        place, clear = _bump(energy, net, noise, how)
        place = np.where(clear, _on_top(energy, net, place), place)
        main = _highest(energy, net, place + how.main[0], place + how.main[1])
    else:
        place, main, clear = np.full(rows, how.given[0]), np.full(rows, how.given[1]), np.full(rows, True)
    area_of = continuum_weights(energy, place, main, how)
    low = place - how.half_width
    sum_of = overlap(energy, low, low + how.total, "fractional")
    area, total = (np.einsum("rn,rn->r", w, net) for w in (area_of, sum_of))
    var_area, var_total, both = noise.pair(area_of, sum_of)
    out = {"pre_edge_area": area, "pre_edge_area_sigma": np.sqrt(var_area)}
    with np.errstate(divide="ignore", invalid="ignore"):
        out["pre_edge_share"] = area / total
        sigma = np.sqrt(ratio_variance(area, total, var_area, var_total, both))
        out["pre_edge_share_sigma"] = sigma
        out["pre_edge_limit"] = LIMIT * np.sqrt(var_area) / total
    out |= _positions(energy, net, noise, place, main, clear)
    with np.errstate(invalid="ignore"):
        empty = ~sound | ~(total > 0) | (total < CLEAR * np.sqrt(var_total))
        out["is_without_edge"] = empty
        out["is_unseen"] = ~empty & (~(area > CRITICAL * np.sqrt(var_area)) | ~(area > 0))
        out["is_truncated"] = ~empty & (low + how.total > energy[-1] + 0.5)
    for name, values in out.items():
        if not name.startswith("is_"):
            values[empty] = np.nan
    unseen = out["is_unseen"]
    for name in ("pre_edge_position", "pre_main_splitting"):
        out[name][unseen] = np.nan
        out[f"{name}_sigma"][unseen] = np.nan
    return out


def _bump(energy: Array, net: Array, noise: Noise, how: PreEdge) -> tuple[Array, Mask]:
    """Where the area above a straight line is largest, and whether it is clear; the middle of the search where not."""
    low, high = how.search
    places = np.arange(low, high + TRIED / 2, TRIED)
    weights = continuum_weights(energy, places, places, PreEdge(**{**vars(how), "continuum": "linear"}))
    areas = np.nan_to_num(net) @ weights.T
    best = areas.argmax(-1)
    rows = np.arange(len(net))
    chosen = weights[best]
    spread = np.sqrt(noise.pair(chosen, chosen)[0])
    with np.errstate(invalid="ignore"):
        clear = (areas[rows, best] > CLEAR * spread) | (np.isnan(spread) & (areas[rows, best] > 0))
    clear &= (best > 0) & (
        best < places.size - 1
    )  # what still grows at the end of the search lies outside of it
    return np.where(clear, places[best], (low + high) / 2), clear


def _on_top(energy: Array, net: Array, place: Array) -> Array:
    """The vertex of the peak where it has one: noise makes the place of the largest area, but not this, prefer more area."""
    at, by, _ = vertex(energy, np.ascontiguousarray(np.nan_to_num(net), dtype=float), place, _reach(energy))
    return np.where(np.isfinite(by.sum(-1)) & (np.abs(at - place) < REACH), at, place)


def _reach(energy: Array) -> float:
    return max(REACH, 4 * float(np.median(np.diff(energy))))


def _highest(energy: Array, net: Array, low: Array, high: Array) -> Array:
    """Energy of the highest point between two energies per row, after a box."""
    half = max(1, round(BOX / float(np.median(np.diff(energy))) / 2))
    padded = np.pad(np.nan_to_num(net), ((0, 0), (half + 1, half)), mode="edge")
    running = np.cumsum(padded, -1)
    smooth = running[:, 2 * half + 1 :] - running[:, : -2 * half - 1]
    between = (energy >= low[:, None]) & (energy <= high[:, None])
    return np.asarray(energy[np.where(between, smooth, -np.inf).argmax(-1)])


def _positions(
    energy: Array, net: Array, noise: Noise, place: Array, main: Array, clear: Mask
) -> dict[str, Array]:
    """Vertices of parabolas through both peaks, NaN where there is none near, and their distance."""
    reach = _reach(energy)
    found, variances, answers = [], [], []
    rows = np.ascontiguousarray(np.nan_to_num(net), dtype=float)
    for start in (place, main):
        at, by, index = vertex(energy, rows, start, reach)
        peaked: Mask = np.asarray(np.isfinite(by.sum(-1)) & np.isfinite(net.sum(-1)))
        by = np.where(peaked[:, None], by, 0.0)
        own = (by**2 * np.take_along_axis(noise.variance, index, -1)).sum(-1)
        answer = noise.answer_at(index, by)
        found.append(np.where(peaked, at, np.nan))
        variances.append(np.where(peaked, own + noise.shared(answer, answer), np.nan))
        answers.append(answer)
    found[0] = np.where(clear, found[0], np.nan)
    apart = variances[0] + variances[1] - 2 * noise.shared(*answers)  # the peaks have no channel in common
    return {
        "pre_edge_position": found[0],
        "pre_edge_position_sigma": np.sqrt(variances[0]),
        "main_position": found[1],
        "main_position_sigma": np.sqrt(variances[1]),
        "pre_main_splitting": found[1] - found[0],
        "pre_main_splitting_sigma": np.sqrt(np.maximum(apart, 0.0)),
    }
