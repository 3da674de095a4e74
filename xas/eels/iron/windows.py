"""Ratio of the white lines of iron in two fixed windows above two arctangents: the verb."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag, map_spectra, series_dims, signal_name, spectral_axis
from spectra.errors import InvalidInput
from spectra.knowledge import number
from spectra.verbs import note, resolve, series_value, verb
from xas.eels.background.subtraction import AXES
from xas.eels.channels.curves import Curve
from xas.eels.channels.linear_variance import Noise, ratio_variance
from xas.eels.iron.scale import fe2_maximum_of
from xas.eels.tables import load_table
from xas.eels.white_lines.weights import channel_edges, overlap

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["IronWindows", "iron_window_ratio", "window_weights"]

Array = npt.NDArray[Any]
BLOCK = 512


@dataclass(frozen=True)
class IronWindows:
    """Where and above what the lines are summed, in eV on a scale with L3 of Fe2+ at ``fe2_maximum``."""

    l3: tuple[float, float]
    l2: tuple[float, float]
    inflections: tuple[float, float]
    arctan_width: float
    fe2_maximum: float
    post: tuple[float, float]
    steps: tuple[float, float]
    broadening: float  # full width of a Gaussian in front of everything, 0 for none

    def moved(self, by: float) -> IronWindows:
        """The same on a scale that lies ``by`` higher."""
        ends = {
            n: (getattr(self, n)[0] + by, getattr(self, n)[1] + by)
            for n in ("l3", "l2", "inflections", "post")
        }
        return IronWindows(
            **ends, arctan_width=self.arctan_width, fe2_maximum=self.fe2_maximum + by, steps=self.steps,
            broadening=self.broadening,
        )  # fmt: skip

    def described(self) -> dict[str, Any]:
        """What a calibration must share with the data: windows, continuum, scale, broadening."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in vars(self).items()}


@verb("xas.eels.iron_window_ratio", axis=AXES)
def iron_window_ratio(
    dataset: xr.Dataset,
    *,
    fe2_maximum: float | None = None,
    scale_sigma: float | None = None,
    resolution: float | None = None,
    l3: tuple[float, float] | None = None,
    l2: tuple[float, float] | None = None,
    post: tuple[float, float] | None = None,
    steps: tuple[float, float] | None = None,
) -> xr.Dataset:
    r"""Sum the white lines of iron in two windows of 2 eV above two arctangents, and take their ratio.

    .. math:: R = \frac{\int_{l_3} (N - C)\,dE}{\int_{l_2} (N - C)\,dE}, \quad
              C = H \sum_i s_i \left[\frac{1}{\pi}\arctan\frac{\pi (E - E_i)}{w} + \frac12\right]

    with the net signal N and its level H behind L2. The scale is moved first so that L3 of Fe²⁺ has its maximum at
    707.8 eV, and only for this: the axis of the data stays as it is.

    Parameters
    ----------
    dataset : xarray.Dataset
        With ``net`` from :func:`xas.eels.subtract_background`; or spectra that came without background.
    fe2_maximum : float, optional
        Where L3 of Fe²⁺ has its maximum on the axis of the data, in eV. Default: the first of two maxima of the sum of
        all spectra, where two 1.0 to 2.4 eV apart are seen.
    scale_sigma : float, optional
        Standard uncertainty of that in eV, for the systematic. Default: 0.1.
    resolution : float, optional
        Full width at half maximum of the data's resolution in eV. If it is better than the 0.8 eV of the curve, the data
        are broadened to that by a Gaussian, exactly in value and sigma. Default: not broadened, and a note.
    l3, l2 : (float, float), optional
        Windows in eV on the moved scale. Default: 708.5 to 710.5 and 719.7 to 721.7.
    post : (float, float), optional
        Where H is read, in eV on the moved scale. Default: 727 to 731, or as far as the data go.
    steps : (float, float), optional
        Heights of the arctangents at L3 and L2, as shares of H. Default: 2/3 and 1/3.

    Returns
    -------
    xarray.Dataset
        With ``window_ratio`` ± sigma, ``window_ratio_systematic`` (the scale's uncertainty and the other usual heights,
        3:2, together), ``l3_window`` and ``l2_window`` ± sigma (signal × eV). Flags: ``no_window_ratio`` (failed),
        ``weak_line`` (the window of L2 holds less than two of its sigmas; warning).

    Raises
    ------
    InvalidInput
        The maximum of Fe²⁺ cannot be told and was not given; the data do not hold the windows and the level behind L2.

    Notes
    -----
    Fe³⁺ has a weaker line near the maximum of Fe²⁺, which pulls the maximum of a mixture up by 0.1 to 0.2 eV: measure a
    compound of Fe²⁺ on the same scale, or take a larger ``scale_sigma``.

    References
    ----------
    P. A. van Aken & B. Liebscher, Phys. Chem. Minerals (2002), doi:10.1007/s00269-001-0222-6.

    Examples
    --------
    >>> import numpy as np, spectra, xas.eels
    >>> energy = np.arange(700.0, 732.0, 0.2)
    >>> places = ((707.8, 0.7, 3.0), (709.5, 0.8, 3.0), (720.7, 1.2, 1.0), (722.5, 1.2, 1.0))
    >>> lines = sum(h * np.exp(-(((energy - at) / w) ** 2)) for at, w, h in places)
    >>> iron = spectra.from_arrays(energy, lines + 0.2 * (energy > 708), name="mu", attrs={"element": "Fe"})
    >>> iron = xas.eels.iron_window_ratio(iron)
    >>> round(float(iron.window_ratio), 1)
    2.0
    """
    table = load_table("iron")
    energy = dataset[spectral_axis(dataset)].values.astype(float)
    moved = (
        fe2_maximum
        if fe2_maximum is not None
        else series_value("fe2_maximum", lambda: _found(dataset, energy, table))
    )
    windows = _windows(table, l3, l2, post, steps, resolution)
    shipped = table["van_aken_liebscher"]
    if shipped["status"] == "to-verify" and (l3 is None or l2 is None):
        note(f"the windows of the lines are yet to be verified in {shipped['source']}: {shipped['note']}")
    here = windows.moved(moved - windows.fe2_maximum)
    _check(energy, here, number(table["continuum"]["least_post"]))
    slack = number(table["maximum"]["scale_sigma"]) if scale_sigma is None else scale_sigma
    if not slack >= 0:
        raise InvalidInput(f"scale_sigma is in eV, 0 or above, got {slack:g}.")
    resolve(
        fe2_maximum=moved,
        scale_sigma=slack,
        broadening=windows.broadening,
        steps=windows.steps,
        post=windows.post,
    )
    other = tuple(table["continuum"]["other_steps"]["value"])
    made = _measured(dataset, energy, here, slack, other)
    return _labelled(dataset, made, windows, moved)


def window_weights(energy: Array, windows: IronWindows) -> tuple[Array, Array]:
    """Weights (n,) of the net signal whose sums are both windows above the arctangents, by channel."""
    at = np.asarray(windows.inflections)
    rise = np.arctan(np.pi * (energy - at[:, None]) / windows.arctan_width) / np.pi + 0.5
    continuum = np.asarray(windows.steps) @ rise
    level = overlap(energy, np.array([windows.post[0]]), np.array([windows.post[1]]), "fractional")[0]
    level = level / level.sum()
    made = []
    for low, high in (windows.l3, windows.l2):
        own = overlap(energy, np.array([low]), np.array([high]), "fractional")[0]
        made.append(_broadened(energy, own - (own @ continuum) * level, windows.broadening))
    return made[0], made[1]


def _broadened(energy: Array, weights: Array, width: float) -> Array:
    """Weights that see the signal as weights see the signal broadened by a Gaussian of full width ``width``."""
    if width <= 0:
        return weights
    sigma = width / (2 * np.sqrt(2 * np.log(2)))
    spread = np.exp(-((energy[:, None] - energy) ** 2) / (2 * sigma**2)) * np.diff(channel_edges(energy))
    return np.asarray(weights @ (spread / spread.sum(-1, keepdims=True)))


def _windows(
    table: dict[str, Any],
    l3: tuple[float, float] | None,
    l2: tuple[float, float] | None,
    post: tuple[float, float] | None,
    steps: tuple[float, float] | None,
    resolution: float | None,
) -> IronWindows:
    curve, continuum = table["van_aken_liebscher"], table["continuum"]
    wanted = number(curve["resolution"])
    if resolution is None:
        note(
            f"the resolution of the data was not given and nothing was broadened; the curve is of {wanted:g} eV"
        )
    elif not resolution > 0:
        raise InvalidInput(f"resolution is a full width in eV, above 0, got {resolution:g}.")
    elif resolution > wanted:
        note(f"the data are broader ({resolution:g} eV) than the curve was made with ({wanted:g} eV)")
    made = IronWindows(
        l3=l3 or tuple(curve["l3"]), l2=l2 or tuple(curve["l2"]),
        inflections=tuple(curve["inflections"]), arctan_width=curve["arctan_width"], fe2_maximum=curve["fe2_maximum"],
        post=post or tuple(continuum["post"]["value"]), steps=steps or tuple(continuum["steps"]["value"]),
        broadening=0.0 if resolution is None else float(np.sqrt(max(wanted**2 - resolution**2, 0.0))),
    )  # fmt: skip
    for name in ("l3", "l2", "post"):
        low, high = getattr(made, name)
        if not low < high:
            raise InvalidInput(f"{name} is two ascending energies in eV, got ({low:g}, {high:g}).")
    if min(made.steps) < 0 or abs(sum(made.steps) - 1) > 0.01:
        raise InvalidInput(f"steps are two shares that add up to 1, as (0.667, 0.333), got {made.steps}.")
    return made


def _check(energy: Array, here: IronWindows, least: float) -> None:
    if energy[0] > here.l3[0] or energy[-1] < here.l2[1]:
        raise InvalidInput(
            f"the windows {here.l3[0]:.1f} to {here.l3[1]:.1f} and {here.l2[0]:.1f} to {here.l2[1]:.1f} eV do not lie in the "
            f"data, {energy[0]:g} to {energy[-1]:g} eV: is this the L edge of iron, and fe2_maximum right?"
        )
    if energy[-1] < here.post[0] + least:
        raise InvalidInput(
            f"the level behind L2 is read from {here.post[0]:.1f} to {here.post[1]:.1f} eV, and the data end at "
            f"{energy[-1]:g} eV: give post with at least {least:g} eV inside the data."
        )
    if here.post[0] < here.l2[1]:
        raise InvalidInput(f"post begins at {here.post[0]:g} eV, inside the window of L2: it lies behind.")


def _found(dataset: xr.Dataset, energy: Array, table: dict[str, Any]) -> float:
    """Maximum of Fe2+ in the sum of all spectra."""
    axis = spectral_axis(dataset)
    values = dataset["net" if "net" in dataset else signal_name(dataset)]
    total = values.sum([d for d in values.dims if d != axis], skipna=True).values.astype(float)
    at = fe2_maximum_of(energy, total, table["maximum"])
    note(
        f"L3 of Fe2+ was found at {at:.2f} eV in the sum of all spectra, and put at 707.8 eV for the windows"
    )
    return at


def _measured(
    dataset: xr.Dataset, energy: Array, here: IronWindows, slack: float, other: tuple[float, float]
) -> dict[str, xr.DataArray]:
    axis, signal = spectral_axis(dataset), signal_name(dataset)
    curve = Curve.from_attrs(dataset["background"].attrs) if "background" in dataset else None
    known = dataset.get(f"{signal}_sigma")
    inputs: list[Any] = [
        (dataset["net" if "net" in dataset else signal], (axis,)),
        (dataset[signal], (axis,)),
    ]
    if known is not None:
        inputs.append((known, (axis,)))
    if curve is not None:
        inputs += [
            (dataset["background_parameter"], ("background_term",)),
            (dataset["background_covariance"], ("background_term", "background_term_2")),
            (dataset["background_dispersion"], ()),
        ]
    if known is None and curve is None:
        note("without a background fitted here or stated sigmas no uncertainty can be given")
    of_count = curve is not None and dataset["background_dispersion"].attrs.get("of") == "count"
    u3, u2 = window_weights(energy, here)
    ways = [here.moved(slack), here.moved(-slack), IronWindows(**{**here.__dict__, "steps": other})]
    others = [window_weights(energy, way) for way in ways]

    def kernel(net: Array, y: Array, *more: Array) -> dict[str, Array]:
        lead = net.shape[:-1]
        rows = [np.asarray(a, float).reshape((-1, *a.shape[len(lead) :])) for a in (net, y, *more)]
        parts = [
            _ratio(
                energy, [a[i : i + BLOCK] for a in rows], (u3, u2), others, curve, known is not None, of_count
            )
            for i in range(0, max(len(rows[0]), 1), BLOCK)
        ]
        return {name: np.concatenate([p[name] for p in parts]).reshape(lead) for name in parts[0]}

    return map_spectra(kernel, inputs, dict.fromkeys(_NAMES, ()))


_NAMES = ("l3", "l3_sigma", "l2", "l2_sigma", "ratio", "ratio_sigma", "ratio_systematic")


def _ratio(
    energy: Array,
    block: list[Array],
    weights: tuple[Array, Array],
    others: list[tuple[Array, Array]],
    curve: Curve | None,
    stated: bool,
    of_count: bool,
) -> dict[str, Array]:
    """Windows and their ratio of a block of rows, with sigmas and what the continuum and the scale do."""
    net, y = block[:2]
    if stated:
        variance = block[2] ** 2
    elif curve is None:
        variance = np.full_like(y, np.nan)
    else:
        variance = block[-1][:, None] * (np.maximum(y, 0.0) if of_count else np.ones_like(y))
    noise = Noise(energy, variance, curve, *(block[-3:-1] if curve is not None else ()))
    v3, v2, both = noise.pair(*(np.broadcast_to(u, net.shape) for u in weights))
    areas = [net @ u for u in weights]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = areas[0] / areas[1]
        up, down, split = ((net @ a) / (net @ b) for a, b in others)
    sound = np.isfinite(ratio) & (areas[1] > 0)
    ratio = np.where(sound, ratio, np.nan)
    systematic = np.hypot((up - down) / 2, split - ratio)
    return {
        "l3": areas[0], "l3_sigma": np.sqrt(v3), "l2": areas[1], "l2_sigma": np.sqrt(v2), "ratio": ratio,
        "ratio_sigma": np.where(sound, np.sqrt(ratio_variance(areas[0], areas[1], v3, v2, both)), np.nan),
        "ratio_systematic": np.where(sound, systematic, np.nan),
    }  # fmt: skip


def _labelled(
    dataset: xr.Dataset, made: dict[str, xr.DataArray], windows: IronWindows, moved: float
) -> xr.Dataset:
    dims, signal = series_dims(dataset), signal_name(dataset)
    made = {name: values.transpose(*dims) for name, values in made.items()}
    units = " ".join(part for part in (str(dataset[signal].attrs.get("units", "")), "eV") if part)
    text = "ratio of L3 and L2 of iron in windows above two arctangents"
    method = "background" not in dataset or dataset["background"].attrs.get("method")
    treated = {"method": "no background here" if method is True else f"background {method}"}
    how = {
        "definition": json.dumps(windows.described()), "fe2_maximum_found": moved, "normalization": json.dumps(treated),
    }  # fmt: skip
    new = {
        "window_ratio": made["ratio"].assign_attrs(units="", long_name=text, **how),
        "window_ratio_sigma": made["ratio_sigma"].assign_attrs(
            units="", long_name=f"standard uncertainty of the {text} from noise"
        ),
        "window_ratio_systematic": made["ratio_systematic"].assign_attrs(
            units="", long_name=f"what the scale and the heights of the arctangents do to the {text}"
        ),
    }
    for line in ("l3", "l2"):
        said = f"area of {line.upper()} of iron in its window"
        new[f"{line}_window"] = made[line].assign_attrs(units=units, long_name=said)
        new[f"{line}_window_sigma"] = made[f"{line}_sigma"].assign_attrs(
            units=units, long_name=f"standard uncertainty of the {said}"
        )
    result = dataset.assign(new).assign_attrs(element="Fe", edge=dataset.attrs.get("edge") or "L3")
    result = flag(
        result, new["window_ratio"].isnull(), "no_window_ratio",
        "the window of L2 holds nothing above its continuum, or the spectrum failed before: no iron, or too little",
    )  # fmt: skip
    weak = (made["l2"] < 2 * made["l2_sigma"]) & new["window_ratio"].notnull()
    return flag(
        result, weak, "weak_line",
        "L2 is less than two of its standard uncertainties: the ratio is hardly determined",
        severity="warning",
    )  # fmt: skip
