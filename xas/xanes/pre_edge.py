"""Pre-edge peaks: what stands above a baseline below the edge, its area, centroid and components."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag, map_spectra
from spectra.errors import InvalidInput
from spectra.verbs import resolve, series_value, verb
from xas.normalization.normalized import Normalized, known_origins, normalized_between, require_normalized
from xas.points.finite import on_finite_points
from xas.xanes.pre_edge_baseline import BaselineName, Sides, fit_baseline, least_points
from xas.xanes.white_line import highest_point

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["measure_pre_edge", "pre_edge_peaks"]

Array = npt.NDArray[np.float64]
Range = tuple[float, float]

#: Default window and peaks in eV from E0.
WINDOW, PEAKS = (-30.0, -4.0), (-15.0, -6.0)
#: The peaks' area must exceed its uncertainty so many times, or there is no centroid to speak of.
LEAST_AREA = 3.0
#: Half width in eV of the parabola that finds the highest peak.
TOP = 0.8
#: The systematic: so much of its width is each side shortened by, from either end.
SHORTER = 0.25
FAMILY = (
    "root mean square change when one of the four limits of the sides moves by a quarter of the side's width, and, in "
    "quadrature, when the normalisation ranges change"
)
MEASURES = ("area", "centroid", "height", "position")
UNITS = {"area": "eV", "centroid": "eV", "height": "", "position": "eV"}
WORDS = {
    "area": "area of the pre-edge peaks",
    "centroid": "mean energy of the pre-edge peaks, weighted by intensity",
    "height": "height of the highest pre-edge peak",
    "position": "energy of the highest pre-edge peak",
}


def measure_pre_edge(sides: Sides, y: Array, baseline: BaselineName, order: int) -> dict[str, Array]:
    r"""Area, centroid, height and position of what stands above a baseline.

    .. math:: A = \int (y - b)\,dE, \quad C = \frac{1}{A}\int E\,(y - b)\,dE

    over the points inside, by the trapezoid rule.

    Parameters
    ----------
    sides : Sides
    y : (rows, n) array
        Normalised absorption in the window, all finite.
    baseline, order
        As in :func:`xas.xanes.pre_edge_baseline.fit_baseline`.

    Returns
    -------
    dict of arrays
        ``area``, ``centroid``, ``height``, ``position`` (rows,); each with its derivative by each point,
        ``by_<name>`` (rows, n), the baseline's part included; ``baseline`` and ``net`` (rows, n).
    """
    curve, back = fit_baseline(sides, y, baseline, order)
    net = y - curve
    inside = np.flatnonzero(sides.inside)
    x = sides.x[inside]
    area, centroid, weights = _moments(sides, net)
    with np.errstate(divide="ignore", invalid="ignore"):
        lever = weights * (sides.x - centroid[:, None]) / area[:, None]
    top = highest_point(x, net[:, inside], TOP)
    own = {"area": np.broadcast_to(weights, y.shape), "centroid": lever}
    for name in ("height", "position"):
        own[name] = np.zeros_like(y)
        own[name][:, inside] = top[f"by_{name}"]
    return {
        "area": area,
        "centroid": centroid,
        "height": top["height"],
        "position": top["position"],
        "baseline": curve,
        "net": net,
        **{f"by_{n}": by - back(by) for n, by in own.items()},
    }


def _moments(sides: Sides, net: Array) -> tuple[Array, Array, Array]:
    """Area and centroid (rows,) of what stands above the baseline, and the weights (n,) of its points in the area."""
    inside = np.flatnonzero(sides.inside)
    weights = np.zeros(sides.x.size)
    weights[inside] = _trapezoids(sides.x[inside])
    area = net @ weights
    with np.errstate(divide="ignore", invalid="ignore"):
        return area, net @ (weights * sides.x) / area, weights


def _trapezoids(x: Array) -> Array:
    """Weights of the points of an integral by the trapezoid rule."""
    steps = np.diff(x)
    return np.asarray((np.concatenate([steps, [0.0]]) + np.concatenate([[0.0], steps])) / 2)


@verb("xas.pre_edge_peaks", axis="energy")
def pre_edge_peaks(
    dataset: xr.Dataset,
    *,
    window: tuple[float, float] | None = None,
    peaks: tuple[float, float] | None = None,
    baseline: Literal["arctan", "erf", "spline", "pchip", "polynomial", "victoreen"] = "arctan",
    order: Literal[1, 2, 3, 4] = 3,
    components: tuple[float, ...] = (),
    shape: Literal["gaussian", "lorentzian", "pseudo_voigt"] = "gaussian",
) -> xr.Dataset:
    r"""Measure pre-edge peaks above a baseline: area, centroid, height and position; components if asked for.

    The baseline runs through the points of ``window`` outside of ``peaks`` and is integrated against inside of them:

    .. math:: A = \int (\mathrm{flat} - b)\,dE, \quad C = \frac{1}{A}\int E\,(\mathrm{flat} - b)\,dE

    Parameters
    ----------
    dataset : xarray.Dataset
        With ``flat`` from :func:`xas.normalize`, or normalised data (``attrs["normalized"] == "yes"``).
    window : (float, float), optional
        Energies in eV where the baseline begins and ends. Default: 30 to 4 eV below E0.
    peaks : (float, float), optional
        Energies in eV that the baseline leaves out and the area is taken over. Default: 15 to 6 eV below E0.
    baseline : {"arctan", "erf", "spline", "pchip", "polynomial", "victoreen"}
        "arctan", "erf": a line plus the foot of the edge, centred at E0, with its own height and width. "polynomial":
        of degree ``order``. "victoreen": a + b/E³ + c/E⁴, for peaks far below the edge. "spline": a cubic spline with
        knots at both ends of the peaks. "pchip": monotone through the means of the halves of both sides.
    order : {1, 2, 3, 4}
        Degree of "polynomial".
    components : tuple of float
        Energies in eV near which single peaks are fitted to the net absorption. Default: none are.
    shape : {"gaussian", "lorentzian", "pseudo_voigt"}
        Of the components.

    Returns
    -------
    xarray.Dataset
        With ``pre_edge_area`` (eV), ``pre_edge_centroid``, ``pre_edge_position`` (eV), ``pre_edge_height`` per
        spectrum, each with ``_sigma`` from noise, the baseline's included; area and centroid with ``_systematic`` from
        the choice of baseline points and normalisation ranges; ``pre_edge_baseline`` and ``pre_edge_net`` along
        ``energy`` (NaN outside the window). With ``components`` also ``position``, ``height``, ``area`` and ``fwhm``
        per ``component``. Spectra whose area is less than three times its uncertainty are flagged
        ``no_pre_edge_peak``: the area stands, the rest is NaN. Where too few points are left the flag is ``no_pre_edge``.

    Raises
    ------
    InvalidInput
        If the data are not normalised, or window and peaks leave too few points for the baseline or the integral.

    Notes
    -----
    Area and centroid hold only with their baseline: compare spectra that have the same one. Areas taken under
    different baselines differ by 10 to 30 %. Components are fitted to the net curve with its noise; the baseline's own
    uncertainty is not in their sigmas.

    References
    ----------
    J. Wong, F. W. Lytle, R. P. Messmer & D. H. Maylotte, Phys. Rev. B 30, 5596 (1984), doi:10.1103/PhysRevB.30.5596

    Examples
    --------
    >>> import numpy as np, spectra, xas
    >>> energy = np.arange(5365.0, 5800.0, 0.25)
    >>> edge = 0.5 + np.arctan((energy - 5482) / 2) / np.pi
    >>> mu = edge + 0.5 * np.exp(-(((energy - 5470.4) / 1.2) ** 2))
    >>> scan = spectra.from_arrays(energy, mu, name="mu", attrs={"element": "V", "edge": "K", "normalized": "yes"})
    >>> scan = xas.pre_edge_peaks(scan, window=(5455, 5477), peaks=(5465, 5475))
    >>> round(float(scan.pre_edge_centroid), 1), round(float(scan.pre_edge_area), 1)
    (5470.4, 1.1)
    """
    require_normalized(dataset, "xas.pre_edge_peaks")
    origins = known_origins(dataset, "xas.pre_edge_peaks")
    e0 = series_value("e0", lambda: float(np.median(origins)))
    window = window or (e0 + WINDOW[0], e0 + WINDOW[1])
    peaks = peaks or (e0 + PEAKS[0], e0 + PEAKS[1])
    if not window[0] < peaks[0] < peaks[1] < window[1]:
        raise InvalidInput(
            f"the peaks {_text(peaks)} lie inside the window {_text(window)}, with points on both sides for the baseline; "
            "both are ascending energies in eV."
        )
    resolve(e0=e0, window=window, peaks=peaks)
    data = normalized_between(dataset, "xas.pre_edge_peaks", *window, e0, 8)
    _check_points(data.energy, window, peaks, baseline, order)
    numbers = [f"{m}{end}" for m in MEASURES for end in ("", "_sigma")]
    numbers += ["area_systematic", "centroid_systematic", "failure"]
    curves = dict.fromkeys(("baseline", "net"), ("near",))
    made = map_spectra(
        lambda *arrays: _measured(data, arrays, window, peaks, e0, baseline, order),
        data.inputs,
        {**dict.fromkeys(numbers, ()), **curves},
    )
    failure = made.pop("failure")
    limits = f"peaks {_text(peaks)} in {_text(window)} eV"
    result = _labelled(dataset, made, data, baseline, order, limits)
    if components:
        from xas.xanes.pre_edge_components import add_components

        result = add_components(result, data, made["net"], peaks, components, shape)
    result = flag(
        result, failure == 2, "no_pre_edge",
        "too few points are left below the edge, or the spectrum failed before: mend or drop it, or move the window",
    )  # fmt: skip
    return flag(
        result, failure == 1, "no_pre_edge_peak",
        "no peak stands out: its area is less than three times its uncertainty, and has no centroid",
        severity="warning",
    )  # fmt: skip


def _text(limits: Range) -> str:
    return f"({limits[0]:g}, {limits[1]:g})"


def _check_points(energy: Array, window: Range, peaks: Range, baseline: BaselineName, order: int) -> None:
    inside = (energy >= peaks[0]) & (energy <= peaks[1])
    below, above = int((energy < peaks[0]).sum()), int((energy > peaks[1]).sum())
    least = least_points(baseline, order)
    if inside.sum() < 5 or min(below, above) < 2 or below + above < least:
        raise InvalidInput(
            f"window {_text(window)} and peaks {_text(peaks)} leave {below} points below, {int(inside.sum())} inside and "
            f"{above} above the peaks; at least 2, 5 and 2 are needed, and {least} beside them for the baseline "
            f"{baseline!r}. Widen the window or choose a simpler baseline."
        )


def _sides(x: Array, window: Range, left_out: Range, peaks: Range, e0: float) -> Sides | None:
    """The points of a grid that carry the baseline; None if too few lie on a side or between."""
    outside = (x >= window[0]) & (x <= window[1]) & ~((x >= left_out[0]) & (x <= left_out[1]))
    inside = (x >= peaks[0]) & (x <= peaks[1])
    few = (outside & (x < peaks[0])).sum() < 2 or (outside & (x > peaks[1])).sum() < 2 or inside.sum() < 5
    return None if few else Sides(x, outside, inside, e0)


def _measured(
    data: Normalized,
    arrays: tuple[Array, ...],
    window: Range,
    peaks: Range,
    e0: float,
    baseline: BaselineName,
    order: int,
) -> dict[str, Array]:
    """All numbers and curves of spectra given as the arrays of ``data.inputs``."""
    others = _other_windows(window, peaks)

    def prepare(grid: Array) -> Callable[..., dict[str, Array]]:
        sides = _sides(grid, window, peaks, peaks, e0)
        enough = sides is not None and sides.outside.sum() >= least_points(baseline, order)
        changed = [s for pair in others if (s := _sides(grid, *pair, peaks, e0)) is not None]
        changed = [s for s in changed if s.outside.sum() >= least_points(baseline, order)]

        def kernel(y: Array, own: Array, shared: Array) -> dict[str, Array]:
            if sides is None or not enough:
                return {n: np.full(len(y), np.nan) for n in numbers} | {
                    n: np.full(y.shape, np.nan) for n in curves
                }
            made = measure_pre_edge(sides, y, baseline, order)
            noise = own[:, None] if own.ndim == 1 else own
            out = {n: made[n] for n in ("baseline", "net", "by_area", "by_centroid", *MEASURES)}
            for name in MEASURES:
                by_point = made[f"by_{name}"]
                variance = ((by_point * noise) ** 2).sum(1) + (by_point * shared).sum(1) ** 2
                out[f"{name}_sigma"] = np.sqrt(variance)
            again = [_moments(s, y - fit_baseline(s, y, baseline, order)[0]) for s in changed]
            for i, name in enumerate(("area", "centroid")):
                change = [a[i] - made[name] for a in again] or [np.full(len(y), np.nan)]
                out[f"{name}_moves"] = np.sqrt(np.square(change).mean(0))
            return out

        return kernel

    numbers = [*MEASURES, *(f"{n}_sigma" for n in MEASURES), "area_moves", "centroid_moves"]
    curves = ["baseline", "net", "by_area", "by_centroid"]
    shapes: dict[str, tuple[int, ...] | None] = {**dict.fromkeys(numbers, ()), **dict.fromkeys(curves)}
    y, own, shared = data.uncertainties(*arrays)
    made = on_finite_points(prepare, data.energy, y, own, shared, shapes=shapes)
    for name in ("area", "centroid"):
        of_ranges = data.shift_systematic(arrays, made.pop(f"by_{name}"))
        of_ranges = np.where(np.isfinite(of_ranges), of_ranges, 0.0)  # a normalisation without a family
        made[f"{name}_systematic"] = np.hypot(made.pop(f"{name}_moves"), of_ranges)
    with np.errstate(invalid="ignore"):
        weak = made["area"] < LEAST_AREA * np.hypot(
            made["area_sigma"], np.nan_to_num(made["area_systematic"])
        )
    for name in ("centroid", "height", "position"):
        for end in ("", "_sigma", "_systematic"):
            if f"{name}{end}" in made:
                made[f"{name}{end}"] = np.where(weak | np.isnan(made[name]), np.nan, made[f"{name}{end}"])
    return made | {"failure": np.where(np.isnan(made["area"]), 2.0, np.where(weak, 1.0, 0.0))}


def _other_windows(window: Range, peaks: Range) -> list[tuple[Range, Range]]:
    """Windows and what the baseline leaves out of them, with one side shorter at one of its ends."""
    below, above = SHORTER * (peaks[0] - window[0]), SHORTER * (window[1] - peaks[1])
    return [
        ((window[0] + below, window[1]), peaks),
        ((window[0], window[1] - above), peaks),
        (window, (peaks[0] - below, peaks[1])),
        (window, (peaks[0], peaks[1] + above)),
    ]


def _labelled(
    dataset: xr.Dataset,
    made: dict[str, xr.DataArray],
    data: Normalized,
    baseline: str,
    order: int,
    limits: str,
) -> xr.Dataset:
    """The dataset with everything that was measured, named and explained."""
    import xarray as xr

    text = f"above a baseline {baseline}{f' of degree {order}' if baseline == 'polynomial' else ''}, {limits}"
    new: dict[str, Any] = {}
    for name in MEASURES:
        full = f"pre_edge_{name}"
        new[full] = made[name].assign_attrs(
            units=UNITS[name], long_name=WORDS[name], definition=text, normalization=data.record_text
        )
        new[f"{full}_sigma"] = made[f"{name}_sigma"].assign_attrs(
            units=UNITS[name], long_name=f"standard uncertainty of the {WORDS[name]} from noise"
        )
        if name in {"area", "centroid"}:
            new[f"{full}_systematic"] = made[f"{name}_systematic"].assign_attrs(
                units=UNITS[name], long_name=f"what choices do to the {WORDS[name]}", family=FAMILY
            )
    before, after = data.part.start, dataset.sizes["energy"] - data.part.stop
    for name, words in (
        ("baseline", "baseline of the pre-edge peaks"),
        ("net", "absorption above the baseline"),
    ):
        curve = made[name].drop_vars("near", errors="ignore").rename(near="energy")
        whole = curve.pad(energy=(before, after), constant_values=np.nan)
        new[f"pre_edge_{name}"] = xr.DataArray(whole.data, dims=whole.dims).assign_attrs(
            units="", long_name=words
        )
    return dataset.assign(new)
