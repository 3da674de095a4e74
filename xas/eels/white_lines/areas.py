"""White lines of rows of spectra: positions, areas above their continuum and covariances, by five methods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from xas.eels.channels.linear_variance import Noise, ratio_limits, ratio_sigma
from xas.eels.white_lines.doubts import Surroundings
from xas.eels.white_lines.fit import FittedLines, fit_lines
from xas.eels.white_lines.positions import Positions, binned, find_lines
from xas.eels.white_lines.weights import Windows, curvature_weights, overlap, step_weights

__all__ = ["METHODS", "Places", "Reference", "find_reference", "measure_lines"]

Array = npt.NDArray[Any]

#: What each method is, in words; ``{...}`` are its windows.
METHODS: Mapping[str, str] = {
    "double_step": "areas above two steps, {l3:g} and {l2:g} eV about the lines, steps {steps} of the level {post} eV behind L2",
    "double_arctan": "areas above two arctangents of {arctan_width:g} eV, {l3:g} and {l2:g} eV about the lines, steps {steps} of "
    "the level {post} eV behind L2",
    "second_derivative": "positive lobes of minus the second derivative after a Gaussian filter of {filter_width:g} eV",
    "curve_fit": "areas of two {line_shape} lines on two arctangents of {arctan_width:g} eV fitted together",
    "normalized_sum": "as double_step, beside the sum of both lines over the signal {normal} eV behind L3",
}
#: A line is looked for in a spectrum of a series where it is so many of its sigmas; else where their sum has it.
CLEAR = 10.0
#: The ratio of a spectrum of a series is stated where L2 should be so many of its sigmas, by the share that it has in
#: the sum: what each spectrum shows itself would choose those in which noise makes it strong. One in which L2 is so
#: many of its sigmas is another than the others, and stands.
EXPECTED, SEEN = 2.0, 4.0


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
    beyond: float = 0.0  # L2 that is farther from L3 than it should be is missed up to here, eV
    least_ratio: float = -np.inf  # of L3 and L2; below it what was taken for L2 may be L3


@dataclass(frozen=True)
class Setting:
    """Where the lines of each row are measured, and what of them is not taken from the row itself."""

    places: Array  # (2, rows) of L3 and L2, eV
    halves: Array  # (2, rows) of their windows, eV
    lobes: Array  # (2, rows, 2) ends of the lobes of the second derivative in eV; NaN: the row's own
    shapes: Array  # (rows, 2, 2) widths and Lorentzian shares that a fit begins with; NaN: any
    borrowed: Array  # (2, rows) bool, lines that are not looked for in the row

    def rows(self, index: Array) -> Setting:
        """The same for a part of the rows."""
        return Setting(
            self.places[:, index], self.halves[:, index], self.lobes[:, index], self.shapes[index], self.borrowed[:, index]
        )  # fmt: skip


@dataclass(frozen=True)
class Reference:
    """Lines of the sum of a series, from which spectra borrow what they are too noisy to show."""

    places: Array  # (2,) in eV
    lobes: Array  # (2, 2) in eV
    shapes: Array  # (2, 2)
    expected: (
        Array  # (methods, 2) area of L2 per count, and its variance per count; NaN where counts are not known
    )

    def to_row(self) -> Array:
        """As one row of numbers."""
        return np.concatenate([self.places, self.lobes.ravel(), self.shapes.ravel(), self.expected.ravel()])

    @classmethod
    def from_row(cls, row: Array) -> Reference:
        """From such a row."""
        return cls(row[:2], row[2:6].reshape(2, 2), row[6:10].reshape(2, 2), row[10:].reshape(-1, 2, 2))


def measure_lines(
    energy: Array,
    net: Array,
    noise: Noise,
    methods: tuple[str, ...],
    windows: Windows,
    places: Places,
    reference: Reference | None = None,
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
    reference : Reference, optional
        Of the sum of the series: a line of a row that is less than ``CLEAR`` of its sigmas is measured where the sum
        has it, from the row's own L3 if that is clear, and with the sum's shape.

    Returns
    -------
    dict of arrays
        (rows,) each, ``ratios`` and ``ratios_sigma`` (rows, methods), and masks that begin with ``is_``.
    """
    bins = binned(energy, net)
    found = _found(energy, net, places, bins)
    own = _setting(found, windows, reference)
    out: dict[str, Array] = {}
    setting, ratios = own, []
    for number, method in enumerate(methods):
        sums, c, used = _areas(method, energy, net, noise, own, windows, places, reference)
        pair = sums[:, 0], sums[:, 1], c[:, 0, 0], c[:, 1, 1], c[:, 0, 1]
        unseen = ~(pair[1] > np.sqrt(pair[3])) & np.isfinite(pair[3])
        if reference is not None:
            unseen |= _not_expected(net, noise, reference.expected[number, 0], pair[1], np.sqrt(pair[3]))
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(unseen, np.nan, pair[0] / pair[1])
        ratios.append((ratio, np.where(unseen, np.nan, ratio_sigma(*pair))))
        if number == 0:
            setting = used
            out |= _first(*pair, *ratios[0])
            if sums.shape[1] > 2:
                unseen = ~(sums[:, 2] > np.sqrt(c[:, 2, 2])) & np.isfinite(c[:, 2, 2])
                if reference is not None:
                    unseen |= _not_expected(
                        net, noise, reference.expected[number, 1], sums[:, 2], np.sqrt(c[:, 2, 2])
                    )
                out |= {n: np.where(unseen, np.nan, v) for n, v in _normalized(sums, c).items()}
    out["ratios"], out["ratios_sigma"] = (np.stack(r, -1) for r in zip(*ratios, strict=True))
    (l3, l2), gap = setting.places, setting.places[1] - setting.places[0]
    out |= {"l3_position": l3, "l2_position": l2, "splitting": gap}
    out |= _position_sigmas(noise, found, setting.borrowed)
    out["l3_half_width"], out["l2_half_width"] = setting.halves
    post_end, left = np.minimum(l2 + windows.post[1], energy[-1]), energy[-1] - (l2 + windows.post[0])
    with np.errstate(invalid="ignore"):
        out["is_missing"] = _missing(out, places)
        around = Surroundings.of(*bins[:2], noise.variance)
        out["is_behind_another"] = around.another_in_front(l3, places.window_end) & ~out["is_missing"]
        out["is_shrunk"] = np.asarray((setting.halves < np.array([[windows.l3], [windows.l2]])).any(0))
        out["is_truncated"] = (post_end < l2 + windows.post[1] - 0.5) & (left >= places.least_post)
        out["is_without_post"] = left < places.least_post
        out["is_unseen"] = np.isfinite(out["l2_sigma"]) & ~np.isfinite(out["l3_l2_ratio"])
        out["is_weak"] = ~(out["l2"] > 2 * out["l2_sigma"]) & np.isfinite(out["l2_sigma"])
        out["is_displaced"] = _outside(l3, places.l3_between)
        out["is_odd_gap"] = _outside(gap, places.gap_between)
        if places.given is None:
            out["is_odd_gap"] |= around.another_behind(l3, l2, places.splitting, places.beyond)
        out["is_touching"] = places.window_end > l3 - setting.halves[0]
        takes = places.given is None or not set(methods) <= {"double_step", "double_arctan", "normalized_sum"}
        out["is_borrowed"] = np.asarray(setting.borrowed.any(0) & takes)
    return out


def _first(
    l3: Array, l2: Array, v3: Array, v2: Array, cov: Array, ratio: Array, sigma: Array
) -> dict[str, Array]:
    """What the first method makes of the areas and their covariance."""
    low, high = ratio_limits(l3, l2, v3, v2, cov)
    with np.errstate(divide="ignore", invalid="ignore"):
        branching = l3 / (l3 + l2)
    return {
        "l3": l3, "l2": l2, "l3_sigma": np.sqrt(v3), "l2_sigma": np.sqrt(v2),
        "l3_l2_ratio": ratio, "l3_l2_ratio_sigma": sigma, "l3_l2_ratio_low": low, "l3_l2_ratio_high": high,
        "branching_ratio": branching,
        "branching_ratio_sigma": ratio_sigma(l3, l3 + l2, v3, v3 + 2 * cov + v2, v3 + cov),
    }  # fmt: skip


def _normalized(sums: Array, c: Array) -> dict[str, Array]:
    """Both lines over what is behind them."""
    both, behind = sums[:, 0] + sums[:, 1], sums[:, 2]
    spread = c[:, :2, :2].sum((1, 2)), c[:, 2, 2], c[:, :2, 2].sum(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        total = both / behind
    return {"normalized_sum": total, "normalized_sum_sigma": ratio_sigma(both, behind, *spread)}


def _not_expected(net: Array, noise: Noise, expected: Array, area: Array, sigma: Array) -> Array:
    """Whether an area, by its share in the sum of the series, is less than ``EXPECTED`` of its sigmas, and not seen."""
    counts = net.sum(-1) + (0.0 if noise.subtracted is None else noise.subtracted.sum(-1))
    with np.errstate(invalid="ignore"):
        smooth = np.sqrt(expected[1] * counts)
        less = expected[0] * counts < EXPECTED * np.where(np.isfinite(smooth), smooth, sigma)
        return np.asarray(less & ~(area > SEEN * sigma))


def find_reference(
    energy: Array, total: Array, noise: Noise, methods: tuple[str, ...], windows: Windows, places: Places
) -> Reference:
    """Lines of the sum ``total`` (1, n) of the spectra of a series without background; NaN where there are none."""
    setting = _setting(_found(energy, total, places, binned(energy, total)), windows)
    lobes, shapes = setting.lobes, setting.shapes
    if "second_derivative" in methods:
        l3, l2 = setting.places
        lobes = curvature_weights(energy, total, l3, l2, windows.filter_width)[1]
    if "curve_fit" in methods:
        shapes = _fit(energy, total, noise, windows, setting).shape
    frozen = Setting(setting.places, setting.halves, lobes, shapes, np.ones((2, 1), bool))
    counts = total.sum() + (0.0 if noise.subtracted is None else noise.subtracted.sum())
    expected = np.full((len(methods), 2, 2), np.nan)
    for number, method in enumerate(methods):
        sums, covariance = _by_method(method, energy, total, noise, frozen, windows, places)
        with np.errstate(divide="ignore", invalid="ignore"):
            for part in range(1, sums.shape[1]):
                expected[number, part - 1] = sums[0, part] / counts, covariance[0, part, part] / counts
    if noise.per_count is None:
        expected[..., 1] = np.nan
    return Reference(setting.places[:, 0], lobes[:, 0], shapes[0], expected)


def _found(energy: Array, net: Array, places: Places, bins: tuple[Array, Array, Array]) -> Positions:
    if places.given is None:
        return find_lines(energy, net, places.search, places.splitting, places.half_width, bins)
    sound = np.where(bins[2], 0.0, np.nan)
    nothing, nowhere = np.full((len(net), 1), np.nan), np.zeros((len(net), 1), int)
    l3, l2 = (p + sound for p in places.given)
    return Positions(l3, l2, nothing, nothing, nowhere, nowhere)


def _setting(found: Positions, windows: Windows, reference: Reference | None = None) -> Setting:
    rows = found.l3.size
    places = np.stack([found.l3, found.l2])
    halves, nothing = _halves(found.l2 - found.l3, windows), np.full((2, rows, 2), np.nan)
    shapes = np.full((rows, 2, 2), np.nan) if reference is None else np.tile(reference.shapes, (rows, 1, 1))
    return Setting(places, halves, nothing, shapes, np.zeros((2, rows), bool))


def _areas(
    method: str,
    energy: Array,
    net: Array,
    noise: Noise,
    own: Setting,
    windows: Windows,
    places: Places,
    reference: Reference | None,
) -> tuple[Array, Array, Setting]:
    """Areas of all rows, their covariance, and where they were measured; what is not clear with the reference's help."""
    sums, c = _by_method(method, energy, net, noise, own, windows, places)
    if reference is None:
        return sums, c, own
    with np.errstate(invalid="ignore"):
        clear = np.stack([sums[:, line] > CLEAR * np.sqrt(c[:, line, line]) for line in (0, 1)])
    known = np.isfinite(noise.variance).all(-1) & np.isfinite(own.places).all(0)
    setting = _borrowed(own, reference, windows, ~clear & known & np.isfinite(reference.places).all())
    again = np.flatnonzero(setting.borrowed.any(0))
    if again.size:
        part = noise.rows(again), setting.rows(again), windows, places
        sums[again], c[again] = _by_method(method, energy, net[again], *part)
    return sums, c, setting


def _borrowed(own: Setting, reference: Reference, windows: Windows, weak: Array) -> Setting:
    """Lines that are ``weak`` (2, rows) as the reference has them; L2 from an own L3 that is not."""
    shift = np.where(weak[0], 0.0, own.places[0] - reference.places[0])
    places = np.where(weak, reference.places[:, None] + shift, own.places)
    lobes = np.where(weak[..., None], reference.lobes[:, None] + shift[:, None], np.nan)
    return Setting(places, _halves(places[1] - places[0], windows), lobes, own.shapes, weak)


def _position_sigmas(noise: Noise, found: Positions, borrowed: Array) -> dict[str, Array]:
    v3, v2, common = noise.pair_at(found.at_l3, found.by_l3, found.at_l2, found.by_l2)
    both = v3 + v2 - 2 * common
    v3, v2 = np.where(borrowed[0], np.nan, v3), np.where(borrowed[1], np.nan, v2)
    both = np.where(borrowed.any(0), np.nan, both)
    return {
        "l3_position_sigma": np.sqrt(v3), "l2_position_sigma": np.sqrt(v2), "splitting_sigma": np.sqrt(np.maximum(both, 0)),
    }  # fmt: skip


def _missing(out: Mapping[str, Array], places: Places) -> Array:
    """Whether at L3 stands hardly anything and at L2 something clear: L3 itself, on a scale that is off."""
    clear = ~(out["l2"] < CLEAR * out["l2_sigma"]) & (out["l2"] > 0)
    return np.asarray(clear & (out["l3"] < places.least_ratio * out["l2"]) & (places.given is None))


def _outside(values: Array, between: tuple[float, float]) -> Array:
    return np.asarray((values < between[0]) | (values > between[1]))


def _halves(gap: Array, windows: Windows) -> Array:
    """Half widths (2, rows) of both windows; where they would overlap, at most half of the gap."""
    overlapping = gap < windows.l3 + windows.l2
    if windows.overlapping == "keep":
        overlapping = np.zeros_like(overlapping)
    return np.stack(
        [np.where(overlapping, np.minimum(width, gap / 2), width) for width in (windows.l3, windows.l2)]
    )


def _by_method(
    method: str, energy: Array, net: Array, noise: Noise, setting: Setting, windows: Windows, places: Places
) -> tuple[Array, Array]:
    """Areas (rows, 2) of L3 and L2 and their covariance; with ``normalized_sum`` the signal behind them as a third."""
    if method == "curve_fit":
        lines = _fit(energy, net, noise, windows, setting)
        return lines.area, lines.covariance
    l3, l2 = setting.places
    if method == "second_derivative":
        weights = curvature_weights(energy, net, l3, l2, windows.filter_width, setting.lobes)[0]
    else:
        weights = step_weights(energy, l3, l2, tuple(setting.halves), windows, method == "double_arctan")
        weights[:, l2 + windows.post[0] + places.least_post > energy[-1]] = np.nan
    if method == "normalized_sum":
        low, high = l3 + places.behind[0], l3 + places.behind[1]
        behind = overlap(energy, low, high, windows.channels)
        behind[high > energy[-1] + 0.5] = np.nan
        weights = np.concatenate([weights, behind[None]])
    return noise.sums(weights, net)


def _fit(energy: Array, net: Array, noise: Noise, windows: Windows, setting: Setting) -> FittedLines:
    return fit_lines(
        energy, net, setting.places, noise, windows.arctan_width, gaussian=windows.line_shape == "gaussian",
        shape=setting.shapes, frozen=setting.borrowed,
    )  # fmt: skip
