"""Ratio of the white lines L3 and L2: the verb."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag, series_dims, signal_name, spectral_axis
from spectra.errors import InvalidInput, did_you_mean
from spectra.knowledge import number
from spectra.verbs import note, resolve, verb
from xas.eels.background.subtraction import AXES
from xas.eels.tables import load_table, say_unverified
from xas.eels.white_lines.areas import METHODS, Places
from xas.eels.white_lines.positions import half_channels
from xas.eels.white_lines.refusals import refuse_foreign, refuse_if_all, refuse_short
from xas.eels.white_lines.series import measure_series
from xas.eels.white_lines.weights import Windows

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["white_line_ratio"]

Array = npt.NDArray[Any]
Method = Literal["double_step", "double_arctan", "second_derivative", "curve_fit", "normalized_sum", "all"]

TEXTS = {
    "l3": "area of L3", "l2": "area of L2", "l3_l2_ratio": "ratio of the areas of L3 and L2",
    "l3_l2_ratio_low": "lower end of the 68 % interval of the ratio of L3 and L2",
    "l3_l2_ratio_high": "upper end of the 68 % interval of the ratio of L3 and L2",
    "branching_ratio": "area of L3 over that of both lines", "l3_position": "position of L3",
    "l2_position": "position of L2", "splitting": "distance of L2 from L3",
    "normalized_sum": "area of both lines over the signal behind them",
    "l3_half_width": "half width of the window of L3", "l2_half_width": "half width of the window of L2",
}  # fmt: skip
#: Numbers without a sigma.
LIMITS = ("l3_l2_ratio_low", "l3_l2_ratio_high", "l3_half_width", "l2_half_width")
#: Flags: mask of the kernel -> name, severity, explanation.
FLAGS = {
    "is_without_post": ("no_post_edge", "failed", "the data end before the level behind L2 can be read: choose post nearer to L2, or another method"),
    "is_missing": ("no_l3", "failed", "hardly anything stands where L3 is looked for, and something strong where L2 should be: if that is L3, the energy scale is off; move it with calibrate_energy, or give positions"),
    "is_behind_another": ("edge_in_front", "failed", "another edge stands in front of L3 and under it: areas mean nothing; subtract it first, or move the energy scale if that is L3 itself"),
    "is_truncated": ("post_truncated", "warning", "the data end inside the window behind L2: the level was read from what is there"),
    "is_shrunk": ("windows_shrunk", "warning", "the lines lie closer than their windows: both windows were shrunk to half of the distance"),
    "is_displaced": ("energy_scale_off", "warning", "L3 lies more than 2 eV outside of where compounds of the element have it: only distances and shifts inside one series count; align on the zero-loss peak"),
    "is_odd_gap": ("splitting_off", "warning", "the lines lie more than 2 eV nearer or farther than the 2p levels, or a higher maximum stands beside the place of L2: dispersion, or other lines"),
    "is_unseen": ("l2_not_seen", "warning", "L2 is not above its standard uncertainty, or less than four of them where by the sum of the series less than two are expected: no ratio, only its limits l3_l2_ratio_low and l3_l2_ratio_high; sum spectra, or use the branching ratio"),
    "is_weak": ("weak_line", "warning", "L2 is less than two of its standard uncertainties: the ratio is hardly determined; use l3_l2_ratio_low and l3_l2_ratio_high"),
    "is_borrowed": ("line_of_sum", "warning", "a line is less than ten of its standard uncertainties: its place, and what of its shape the method needs, are those of the sum of the series"),
    "is_touching": ("background_touches_line", "warning", "the window of the background reaches into that of L3: move it to lower energy"),
}  # fmt: skip
#: Everything that is measured of a spectrum whatever the method.
NUMBERS = [
    *(n for n in TEXTS if n != "normalized_sum"),
    *(f"{n}_sigma" for n in TEXTS if n not in ("normalized_sum", *LIMITS)),
]  # fmt: skip


@verb("xas.eels.white_line_ratio", axis=AXES, together=lambda options: options["positions"] != "own")
def white_line_ratio(
    dataset: xr.Dataset,
    element: str | None = None,
    *,
    method: Method = "double_step",
    positions: tuple[float, float] | Literal["own"] | None = None,
    l3: float | None = None,
    l2: float | None = None,
    post: tuple[float, float] | None = None,
    steps: tuple[float, float] | None = None,
    arctan_width: float | None = None,
    filter_width: float | None = None,
    line_shape: Literal["pseudo_voigt", "gaussian"] = "pseudo_voigt",
    half_width: float | None = None,
    channels: Literal["fractional", "whole"] = "fractional",
    overlapping: Literal["shrink", "keep"] = "shrink",
) -> xr.Dataset:
    r"""Measure the white lines L3 and L2 of a 3d metal: areas, their ratio, positions and splitting, each with sigma.

    .. math:: R = \frac{\int_{E_3 \pm w_3} (N - C) \, dE}{\int_{E_2 \pm w_2} (N - C) \, dE}, \quad
              C(E) = H \, [s_3 \theta(E - E_3) + s_2 \theta(E - E_2)]

    with the net signal N and its mean H behind L2. The sigmas hold the counts and the doubt about the background
    (:func:`xas.eels.subtract_background`), exactly for methods that are weighted sums of channels.

    Parameters
    ----------
    dataset : xarray.Dataset
        With ``net`` from :func:`xas.eels.subtract_background`; or spectra that came without background, whose sigmas
        are then those of ``<signal>_sigma``, or NaN.
    element : str, optional
        Ti, V, Cr, Mn, Fe, Co, Ni or Cu. Default: ``attrs["element"]``.
    method : {"double_step", "double_arctan", "second_derivative", "curve_fit", "normalized_sum", "all"}
        Areas above two steps, or above two arctangents; positive lobes of minus the second derivative; two
        pseudo-Voigt lines on two arctangents; the steps with the sum of both lines normalised to the signal 50 to
        100 eV behind L3. ``all``: the steps, with the ratios of the others beside and their spread.
    positions : (float, float) or "own", optional
        Of L3 and L2 in eV, for all spectra. Default: found in each. In a series a line that is less than ten of its
        sigmas is measured where the sum of the series has it (L2 at the sum's distance from an L3 that is clear) and
        with the sum's lobe or shape, which is flagged. "own": nothing is taken from the sum, whatever the noise.
    l3, l2 : float, optional
        Half widths of the windows in eV. Default: 5 and 4.
    post : (float, float), optional
        Where the level behind L2 is read, in eV from L2. Default: 15 to 25.
    steps : (float, float), optional
        Heights of the steps at L3 and L2, as shares of that level. Default: 2/3 and 1/3.
    arctan_width : float, optional
        The w of arctan(πE/w)/π + 1/2 in eV; its derivative has a full width of 2w/π. Default: 1.
    filter_width : float, optional
        Full width at half maximum in eV of the Gaussian before the second derivative. Default: 2.
    line_shape : {"pseudo_voigt", "gaussian"}
        Of the lines of the curve fit.
    half_width : float, optional
        Of the parabolas that find the positions, in eV. Default: six channels, at least 0.6 eV. It is part of what
        ``l3_position`` is: calibrations refuse another.
    channels : {"fractional", "whole"}
        Channels at the ends of windows and at the steps count by the part that lies inside, or wholly by their middle.
    overlapping : {"shrink", "keep"}
        What happens to windows of lines that lie closer than both: shrunk to half of the distance, or kept.

    Returns
    -------
    xarray.Dataset
        With ``l3``, ``l2`` (signal × eV), ``l3_l2_ratio``, ``branching_ratio`` (L3 over both), ``l3_position``,
        ``l2_position`` and ``splitting`` (eV), each with ``_sigma``; ``l3_l2_ratio_low`` and ``_high``, an interval
        that holds the ratio in 68 % of cases however weak L2 is; ``l3_half_width`` and ``l2_half_width`` as used; with
        ``normalized_sum`` that; with ``all`` ``ratio_by_method`` along ``line_method`` and ``ratio_spread``, the
        standard deviation between methods. Flags: ``no_post_edge``, ``no_l3``, ``edge_in_front`` and
        ``no_white_lines`` mean failure; ``l2_not_seen`` (no ratio, only its lower limit), ``weak_line``, ``line_of_sum``,
        ``post_truncated``, ``windows_shrunk``, ``background_touches_line``, ``energy_scale_off`` and ``splitting_off``
        (against tabulated levels) are warnings.

    Raises
    ------
    InvalidInput
        If the element has no table, the data do not hold both lines and the level behind them, or another element's
        edge lies there.

    Notes
    -----
    The windows alone move the ratio by up to 25 %: compare ratios of one method and one set of windows, and look at
    the spread of ``all``. Sigmas are statistical, and those of areas and ratios hold at the position that is used.
    The ratio of a noisy L2 is skewed: its sigma is the variance of L3 - R L2 at the ratio without its bias, its limits
    are Fieller's, and where L2 is not above its own sigma there is no ratio.

    References
    ----------
    T. Riedl et al., Ultramicroscopy 106, 284 (2006), doi:10.1016/j.ultramic.2005.09.002; D. H. Pearson et al., Phys.
    Rev. B 47, 8471 (1993), doi:10.1103/PhysRevB.47.8471; arctangents: P. A. van Aken et al., Phys. Chem. Minerals 25,
    323 (1998), doi:10.1007/s002690050122; second derivative: G. A. Botton et al., J. Microsc. 180, 211 (1995),
    doi:10.1111/j.1365-2818.1995.tb03681.x.

    Examples
    --------
    >>> import numpy as np, spectra, xas
    >>> loss = np.arange(590.0, 700.0, 0.2)
    >>> lines = 3 * np.exp(-(((loss - 643) / 1.2) ** 2)) + np.exp(-(((loss - 654) / 1.2) ** 2))
    >>> steps = 0.2 * (loss > 643) + 0.1 * (loss > 654)
    >>> counts = 2000 * (loss / 640) ** -3.0 + 1000 * (lines + steps)
    >>> edge = spectra.from_arrays(loss, counts, axis="energy_loss", name="counts", units="counts")
    >>> edge = xas.eels.subtract_background(edge, window=(595, 634))
    >>> edge = xas.eels.white_line_ratio(edge, "Mn")
    >>> round(float(edge.l3_l2_ratio), 1), round(float(edge.splitting), 1)
    (3.0, 11.0)
    """
    symbol, table = _element(dataset, element)
    axis = spectral_axis(dataset)
    windows = _windows(
        table["windows"], l3, l2, post, steps, arctan_width, filter_width, channels, overlapping, line_shape
    )
    methods = tuple(METHODS)[:4] if method == "all" else (method,)
    if arctan_width is None and {"double_arctan", "curve_fit"} & {*methods}:
        say_unverified(table["windows"], ["arctan_width"])
    if "normalized_sum" in methods:
        say_unverified(table["windows"], ["normal"])
    given = None if isinstance(positions, str) else positions
    places = _places(dataset, symbol, table, half_width, given)
    energy = dataset[axis].values.astype(float)
    refuse_foreign(dataset, symbol, table, windows, places)
    refuse_short(energy, symbol, methods, windows, places)
    resolve(
        element=symbol, l3=windows.l3, l2=windows.l2, post=windows.post, steps=windows.steps,
        arctan_width=windows.arctan_width, filter_width=windows.filter_width,
    )  # fmt: skip
    made = measure_series(
        dataset, energy, [*NUMBERS, *FLAGS], methods, windows, places, together=positions != "own"
    )
    _name_borrowed(made)
    refuse_if_all(made, energy, symbol, windows, places)
    made = {n: v if n in FLAGS else v.where(made["is_missing"] != 1) for n, v in made.items()}
    _name_offset(made, places)
    result = _labelled(dataset, made, symbol, method, methods, windows, places)
    for mask, (name, severity, explanation) in FLAGS.items():
        result = flag(result, made[mask] == 1, name, explanation, severity=severity)  # type: ignore[arg-type]
    return flag(
        result, result["l3"].isnull(), "no_white_lines",
        "the lines were not found, or the spectrum failed before: look at it, or give positions",
    )  # fmt: skip


def _element(dataset: xr.Dataset, element: str | None) -> tuple[str, dict[str, Any]]:
    table = load_table("l_edges")
    symbol = str(element or dataset.attrs.get("element") or "").strip().capitalize()
    if symbol not in table["edge"]:
        given = f"element {symbol!r} has no table of L edges" if symbol else "which element it is is not said"
        raise InvalidInput(f"{given}; {did_you_mean(symbol, table['edge'])}.")
    return symbol, table


def _name_offset(made: dict[str, xr.DataArray], places: Places) -> None:
    """Say in the history how far the energy scale is off, where it is (data in memory only)."""
    found = made["l3_position"]
    if found.chunks is None and bool((made["is_displaced"] == 1).any()):
        low, high = places.l3_between
        middle = float(found.where(made["is_displaced"] == 1).median())
        note(
            f"energy scale off: L3 at {middle:.1f} eV, {max(low - middle, middle - high) + 2:.1f} eV outside of where compounds "
            "have it"
        )


def _name_borrowed(made: dict[str, xr.DataArray]) -> None:
    """Say in the history how many spectra were measured where their sum has its lines (data in memory only)."""
    borrowed = made["is_borrowed"] == 1
    if borrowed.chunks is None and bool(borrowed.any()):
        note(
            f"{int(borrowed.sum())} of {borrowed.size} spectra are too noisy to show both lines: these were measured where, and "
            "as, the sum of the series has them"
        )


def _vertex(energy: Array, half_width: float | None) -> str:
    """How a position was found, in words: another half width finds another top of a line that is not symmetric."""
    reach = half_channels(energy, half_width) * float(np.median(np.diff(energy)))
    return f"vertex of the parabola through the top, {reach:.2g} eV on each side"


def _windows(
    table: dict[str, Any],
    l3: float | None,
    l2: float | None,
    post: tuple[float, float] | None,
    steps: tuple[float, float] | None,
    arctan_width: float | None,
    filter_width: float | None,
    channels: Literal["fractional", "whole"],
    overlapping: Literal["shrink", "keep"],
    line_shape: Literal["pseudo_voigt", "gaussian"],
) -> Windows:
    made = Windows(
        l3=number(table["l3"]) if l3 is None else l3,
        l2=number(table["l2"]) if l2 is None else l2,
        post=post or tuple(table["post"]["value"]),
        steps=steps or tuple(table["steps"]["value"]),
        arctan_width=number(table["arctan_width"]) if arctan_width is None else arctan_width,
        filter_width=number(table["filter_width"]) if filter_width is None else filter_width,
        channels=channels,
        overlapping=overlapping,
        line_shape=line_shape,
    )
    for name in ("l3", "l2", "arctan_width", "filter_width"):
        if not 0 < getattr(made, name) <= 30:
            raise InvalidInput(f"{name} is in eV, above 0 and up to 30, got {getattr(made, name):g}.")
    if not 0 <= made.post[0] < made.post[1]:
        raise InvalidInput(f"post is two ascending energies in eV behind L2, as (15, 25), got {made.post}.")
    if min(made.steps) < 0 or abs(sum(made.steps) - 1) > 0.01:
        raise InvalidInput(f"steps are two shares that add up to 1, as (0.667, 0.333), got {made.steps}.")
    return made


def _places(
    dataset: xr.Dataset,
    symbol: str,
    table: dict[str, Any],
    half_width: float | None,
    positions: tuple[float, float] | None,
) -> Places:
    l3, l2 = table["edge"][symbol]["l3"], table["edge"][symbol]["l2"]
    low, high = table["search"].get(symbol, table["search"]["default"])
    window = dataset["background"].attrs.get("window") if "background" in dataset else None
    if half_width is not None and not half_width > 0:
        raise InvalidInput(f"half_width is in eV, above 0, got {half_width:g}.")
    if positions is not None and not positions[0] < positions[1]:
        raise InvalidInput(
            f"positions are those of L3 and L2, ascending, got ({positions[0]:g}, {positions[1]:g})."
        )
    scale, slack = table["scale"], number(table["scale"]["tolerance"])
    return Places(
        search=(l3 + low, l3 + high),
        splitting=l2 - l3 if positions is None else positions[1] - positions[0],
        half_width=half_width,
        given=positions,
        behind=tuple(table["windows"]["normal"]["value"]),
        least_post=number(table["windows"]["least_post"]),
        window_end=float(window[1]) if window is not None else -np.inf,
        l3_between=(l3 + scale["l3"]["value"][0] - slack, l3 + scale["l3"]["value"][1] + slack),
        gap_between=tuple(
            l2 - l3 + v + s for v, s in zip(scale["splitting"]["value"], (-slack, slack), strict=True)
        ),
        beyond=0.0 if symbol in table["next_edge"] else number(scale["beyond"]),
        least_ratio=number(scale["least_ratio"]),
    )


def _labelled(
    dataset: xr.Dataset,
    made: dict[str, xr.DataArray],
    symbol: str,
    method: str,
    methods: tuple[str, ...],
    windows: Windows,
    places: Places,
) -> xr.Dataset:
    signal, dims = signal_name(dataset), series_dims(dataset)
    area = f"{dataset[signal].attrs.get('units', '')} eV".strip()
    units = {"l3": area, "l2": area, "l3_l2_ratio": "", "branching_ratio": "", "normalized_sum": ""}
    units |= {"l3_l2_ratio_low": "", "l3_l2_ratio_high": ""}
    words = vars(windows) | {"normal": list(places.behind)}
    words |= {n: f"({words[n][0]:.3g}, {words[n][1]:.3g})" for n in ("post", "steps", "normal")}
    background = dict(dataset["background"].attrs) if "background" in dataset else {"method": "elsewhere"}
    common = {"method": methods[0], "windows": json.dumps(vars(windows))}
    deconvolution = dataset["net"].attrs.get("deconvolution") if "net" in dataset else None
    prepared = f"background {background['method']}" + (f", {deconvolution}" if deconvolution else "")
    normalization = json.dumps({"method": prepared})
    new = {}
    for name, values in made.items():
        plain = name.removesuffix("_sigma")
        if plain not in TEXTS:
            continue
        text = TEXTS[plain] if plain == name else f"standard uncertainty of the {TEXTS[plain]} from noise"
        new[name] = values.transpose(*dims).assign_attrs(units=units.get(plain, "eV"), long_name=text)
        if plain == name and not name.endswith("half_width"):
            at = (
                "given"
                if places.given
                else _vertex(dataset[spectral_axis(dataset)].values, places.half_width)
            )
            definition = (
                at
                if name in ("l3_position", "l2_position", "splitting")
                else METHODS[methods[0]].format(**words)
            )
            if windows.channels == "whole" and definition != at:
                definition += ", whole channels"
            new[name].attrs.update(common, definition=definition, normalization=normalization)
    result = dataset.assign(new).assign_attrs(element=symbol, edge=dataset.attrs.get("edge") or "L3")
    if method != "all":
        return result
    ratios = made["ratios"].transpose(*dims, "line_method")
    spread = ratios.std("line_method", skipna=True, ddof=1)
    result = result.assign(
        ratio_by_method=ratios.assign_attrs(units="", long_name=TEXTS["l3_l2_ratio"], windows=common["windows"]),
        ratio_by_method_sigma=made["ratios_sigma"].transpose(*dims, "line_method").assign_attrs(
            units="", long_name="standard uncertainty of each ratio from noise"
        ),
        ratio_spread=spread.assign_attrs(
            units="", long_name="standard deviation of the ratio between methods, no part of its sigma"
        ),
    )  # fmt: skip
    return result.assign_coords(line_method=list(methods))
