"""Pre-edge peak of O K: the verb."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag, map_spectra, series_dims, signal_name, spectral_axis
from spectra.errors import InvalidInput
from spectra.knowledge import number
from spectra.verbs import note, resolve, verb
from xas.eels.background.subtraction import AXES, subtract_background
from xas.eels.channels.curves import Curve
from xas.eels.channels.linear_variance import Noise
from xas.eels.oxygen.weights import PreEdge, measure_pre_edges
from xas.eels.tables import load_table, say_unverified

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["oxygen_pre_edge"]

Array = npt.NDArray[Any]
#: Rows that are worked on at a time, and what is kept in front of the search (eV).
BLOCK, MARGIN = 256, 8.0

TEXTS: Mapping[str, str] = {
    "pre_edge_area": "area of the pre-edge peak above its continuum",
    "pre_edge_share": "area of the pre-edge peak over the signal from its onset on",
    "pre_edge_position": "position of the pre-edge peak",
    "main_position": "position of the main peak",
    "pre_main_splitting": "distance of the main peak from the pre-edge peak",
}
FLAGS = {
    "is_without_edge": ("no_edge", "failed", "values that are not finite, or no edge above the background: look at the spectrum, its background and its energies"),
    "is_unseen": ("pre_edge_not_seen", "warning", "nothing stands above the continuum where a pre-edge peak was looked for: its share is below pre_edge_limit; other places by search or positions"),
    "is_truncated": ("sum_truncated", "warning", "the data end inside the sum that the area is divided by: shares compare only with those of the same range"),
}  # fmt: skip


@verb("xas.eels.oxygen_pre_edge", axis=AXES)
def oxygen_pre_edge(
    dataset: xr.Dataset,
    *,
    positions: tuple[float, float] | None = None,
    search: tuple[float, float] | None = None,
    continuum: Literal["linear", "arctan"] = "linear",
    half_width: float | None = None,
    total: float | None = None,
    main: tuple[float, float] | None = None,
    arctan_width: float | None = None,
    background: tuple[float, float] | None = None,
) -> xr.Dataset:
    r"""Measure the pre-edge peak of O K: its area above a continuum, its share of the edge, its distance from the main peak.

    .. math:: A = \int_{E_p \pm w} (N - C)\,dE, \quad q = A \Big/ \int_{E_p - w}^{E_p - w + 40} N\,dE

    with the net signal N and a continuum C through the signal at both ends of the window, straight or an arctangent
    about the main peak. All are weighted sums of channels, and sigmas hold the counts and the doubt about the background.

    Parameters
    ----------
    dataset : xarray.Dataset
        Spectra along ``energy_loss`` or ``energy`` (soft X-rays) in eV; with ``net`` from
        :func:`xas.eels.subtract_background`, which is else called here.
    positions : (float, float), optional
        Of the pre-edge and the main peak in eV, for all spectra: for noisy ones, those of their sum. Default: found.
    search : (float, float), optional
        Energies in eV between which the pre-edge peak is looked for. Default: 527 to 534, which asks for an energy scale
        that is right.
    continuum : {"linear", "arctan"}
        Under the peak, through the means over 0.5 eV at both ends of its window.
    half_width : float, optional
        Of the window in eV. Default: 1.5.
    total : float, optional
        Width in eV of the sum that the area is divided by, from the low end of the window. Default: 40.
    main : (float, float), optional
        Distances in eV from the pre-edge peak between which the main peak, the highest point, is looked for. Default: 2.5
        to 15.
    arctan_width : float, optional
        The w of arctan(πE/w) in eV. Default: 2.
    background : (float, float), optional
        Where ``net`` is missing: window in eV of the background, a power law for energy losses and a straight line for soft
        X-rays. Default: 485 to 525, and 515 to 526, as far as there are data.

    Returns
    -------
    xarray.Dataset
        With ``pre_edge_area`` (signal × eV), ``pre_edge_share``, ``pre_edge_position``, ``main_position`` and
        ``pre_main_splitting`` (eV), each with ``_sigma``, and ``pre_edge_limit``, the share that would be seen in 95 % of
        cases. A shoulder without maximum has an area and no position. Flags: ``no_edge`` means failure;
        ``pre_edge_not_seen`` (less than 1.64 sigma) and ``sum_truncated`` are warnings.

    Raises
    ------
    InvalidInput
        If the data do not hold the window, or options do not go together.

    Notes
    -----
    Where no bump of four sigmas is found inside ``search``, the middle of it is measured, so that noise does not choose
    the place. Where one is found its place is that of the largest area, and positions follow the noise of the spectrum.
    The area counts what lies above the continuum chosen, a part of the peak: compare shares of one choice. In manganites the
    distance is linear in the valence, but it depends on coordination as well.

    References
    ----------
    Phys. Rev. B 79, 085117 (2009), doi:10.1103/PhysRevB.79.085117. Detection limit: L. A. Currie, Anal.
    Chem. 40, 586 (1968), doi:10.1021/ac60259a007.

    Examples
    --------
    >>> import numpy as np, spectra, xas
    >>> loss = np.arange(480.0, 600.0, 0.2)
    >>> peaks = np.exp(-(((loss - 530) / 0.8) ** 2)) + 2 * np.exp(-(((loss - 537) / 2) ** 2))
    >>> counts = 3e4 * (loss / 500) ** -3.0 + 6000 * (peaks + (loss > 534))
    >>> edge = spectra.from_arrays(loss, counts, axis="energy_loss", name="counts", units="counts")
    >>> edge = xas.eels.oxygen_pre_edge(edge)
    >>> round(float(edge.pre_main_splitting), 1), round(float(edge.pre_edge_share), 3)
    (7.0, 0.03)
    """
    table = load_table("oxygen")["windows"]
    axis = spectral_axis(dataset)
    how = _how(table, positions, search, continuum, half_width, total, main, arctan_width)
    asked = {"search": search or positions, "half_width": half_width, "total": total}
    say_unverified(table, [name for name, given in asked.items() if given is None])
    if "net" not in dataset:
        dataset = _without_background(dataset, table, background)
    elif background is not None:
        raise InvalidInput(
            "background is for spectra without 'net'; this dataset has it: leave background out."
        )
    energy = dataset[axis].values.astype(float)
    _check_reach(energy, how)
    resolve(
        search=how.search, half_width=how.half_width, total=how.total, main=how.main, arctan_width=how.arctan_width
    )  # fmt: skip
    made = _measured(dataset, energy, how)
    result = _labelled(dataset, made, how)
    for mask, (name, severity, explanation) in FLAGS.items():
        result = flag(result, made[mask] == 1, name, explanation, severity=severity)  # type: ignore[arg-type]
    return result


def _how(
    table: dict[str, Any],
    positions: tuple[float, float] | None,
    search: tuple[float, float] | None,
    continuum: Literal["linear", "arctan"],
    half_width: float | None,
    total: float | None,
    main: tuple[float, float] | None,
    arctan_width: float | None,
) -> PreEdge:
    made = PreEdge(
        search=search or tuple(table["search"]["value"]),
        half_width=number(table["half_width"]) if half_width is None else half_width,
        end=number(table["end"]),
        total=number(table["total"]) if total is None else total,
        main=main or tuple(table["main"]["value"]),
        continuum=continuum,
        arctan_width=number(table["arctan_width"]) if arctan_width is None else arctan_width,
        given=positions,
    )
    for name in ("half_width", "total", "arctan_width"):
        if not 0 < getattr(made, name) <= 200:
            raise InvalidInput(f"{name} is in eV, above 0 and up to 200, got {getattr(made, name):g}.")
    for name in ("search", "main"):
        low, high = getattr(made, name)
        if not 0 < low < high:
            raise InvalidInput(f"{name} is two ascending energies in eV, got ({low:g}, {high:g}).")
    if positions is not None and search is not None:
        raise InvalidInput(
            "positions say where the peaks are, search where they are looked for: give one of both."
        )
    if positions is not None and not positions[0] + made.half_width < positions[1]:
        raise InvalidInput(
            f"positions are those of the pre-edge and the main peak, ascending, the second behind the window of the first, got "
            f"({positions[0]:g}, {positions[1]:g})."
        )
    return made


def _without_background(
    dataset: xr.Dataset, table: dict[str, Any], background: tuple[float, float] | None
) -> xr.Dataset:
    """``dataset`` with its background subtracted, as :func:`xas.eels.subtract_background` does."""
    axis = spectral_axis(dataset)
    low, high = (
        background or table["background_losses" if axis == "energy_loss" else "background_x_rays"]["value"]
    )
    if background is None:
        say_unverified(table, ["background_losses" if axis == "energy_loss" else "background_x_rays"])
    low = max(low, float(dataset[axis][0]))
    note(f"background from {low:g} to {high:g} eV")
    resolve(background=(low, high))
    made: xr.Dataset = inspect.unwrap(subtract_background)(dataset, window=(low, high))
    return made


def _check_reach(energy: Array, how: PreEdge) -> None:
    first, last = how.given or (how.search[0], how.search[1] + how.main[0])
    low = first - how.half_width - how.end
    if energy[0] > low or energy[-1] < last + 1:
        raise InvalidInput(
            f"the data from {energy[0]:g} to {energy[-1]:g} eV do not hold the pre-edge and the main peak of O K, which are looked "
            f"for from {low:g} to {last + 1:g} eV: give search or positions where the energy scale is off."
        )


def _measured(dataset: xr.Dataset, energy: Array, how: PreEdge) -> dict[str, xr.DataArray]:
    axis, signal = spectral_axis(dataset), signal_name(dataset)
    first, last = how.given or how.search
    end = last + max(how.main[1], how.total) + 3
    near = slice(*np.searchsorted(energy, (first - how.half_width - MARGIN, end)))
    grid = energy[near]
    correlated = "deconvolution" in dataset["net"].attrs
    fitted = "background" in dataset and not correlated
    curve = Curve.from_attrs(dataset["background"].attrs) if fitted else None
    stated = None if correlated else dataset.get(f"{signal}_sigma")
    if correlated:
        note("net was deconvolved: its channels are correlated, and no sigma is stated")
    inputs: dict[str, tuple[xr.DataArray, tuple[str, ...]]] = {
        "net": (dataset["net"].isel({axis: near}), (axis,))
    }
    inputs["raw"] = (dataset[signal].isel({axis: near}), (axis,))
    if stated is not None:
        inputs["sigma"] = (stated.isel({axis: near}), (axis,))
    of_count = False
    if curve is not None:
        inputs["parameters"] = (dataset["background_parameter"], ("background_term",))
        inputs["covariance"] = (dataset["background_covariance"], ("background_term", "background_term_2"))
        inputs["dispersion"] = (dataset["background_dispersion"], ())
        of_count = dataset["background_dispersion"].attrs.get("of") == "count"
    if stated is None and curve is not None and not of_count:
        note(
            "sigmas are those of the scatter in front of the edge, which may be less than that on it: state its sigma if it is known"
        )
    names = tuple(inputs)
    outputs = [*(f"{n}{end}" for n in TEXTS for end in ("", "_sigma")), "pre_edge_limit", *FLAGS]

    def kernel(*arrays: Array) -> dict[str, Array]:
        lead = arrays[0].shape[:-1]
        rows = [np.asarray(a, float).reshape((-1, *a.shape[len(lead) :])) for a in arrays]
        parts = []
        for start in range(0, max(len(rows[0]), 1), BLOCK):
            given = {n: a[start : start + BLOCK] for n, a in zip(names, rows, strict=True)}
            noise = Noise(
                grid, _variance(given, of_count), curve, given.get("parameters"), given.get("covariance")
            )
            parts.append(measure_pre_edges(grid, given["net"], noise, how))
        return {n: np.concatenate([p[n] for p in parts]).reshape(lead).astype(float) for n in outputs}

    return map_spectra(kernel, list(inputs.values()), dict.fromkeys(outputs, ()))


def _variance(given: Mapping[str, Array], of_count: bool) -> Array:
    """Of the channels: stated, of counts, one for all, or unknown."""
    if "sigma" in given:
        return np.asarray(given["sigma"] ** 2)
    if "dispersion" not in given:
        return np.full_like(given["raw"], np.nan)
    size = given["dispersion"][:, None]
    return np.asarray(size * (np.maximum(given["raw"], 0.0) if of_count else np.ones_like(given["raw"])))


def _labelled(dataset: xr.Dataset, made: dict[str, xr.DataArray], how: PreEdge) -> xr.Dataset:
    signal, dims = signal_name(dataset), series_dims(dataset)
    area = f"{dataset[signal].attrs.get('units', '')} eV".strip()
    units = {"pre_edge_area": area, "pre_edge_share": ""}
    method = (
        dataset["background"].attrs.get("method", "elsewhere") if "background" in dataset else "elsewhere"
    )
    common = {
        "method": f"{how.continuum} continuum",
        "windows": json.dumps({k: v for k, v in vars(how).items() if v is not None}),
        "normalization": json.dumps({"method": f"background {method}"}),
    }
    definition = {
        "pre_edge_area": f"area within {how.half_width:g} eV of the peak above a {how.continuum} continuum through its ends",
        "pre_edge_share": f"area within {how.half_width:g} eV of the peak above a {how.continuum} continuum through its ends, over "
        f"{how.total:g} eV from there on",
    }
    at = "given" if how.given else "vertex of the parabola through the top"
    new = {}
    for name, text in TEXTS.items():
        new[name] = made[name].transpose(*dims).assign_attrs(
            units=units.get(name, "eV"), long_name=text, definition=definition.get(name, at), **common
        )  # fmt: skip
        new[f"{name}_sigma"] = made[f"{name}_sigma"].transpose(*dims).assign_attrs(
            units=units.get(name, "eV"), long_name=f"standard uncertainty of the {text} from noise"
        )  # fmt: skip
    new["pre_edge_limit"] = made["pre_edge_limit"].transpose(*dims).assign_attrs(
        units="", long_name="share of a pre-edge peak that would be seen in 95 % of cases"
    )  # fmt: skip
    return dataset.assign(new).assign_attrs(
        element=dataset.attrs.get("element") or "O", edge=dataset.attrs.get("edge") or "K"
    )
