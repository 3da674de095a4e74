"""Ratio of two elements from the intensities of their edges, with a factor that is known or computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag, map_spectra, signal_name
from spectra.errors import InvalidInput
from spectra.verbs import note, resolve, verb
from xas.eels.composition.edge_intensities import LowLossAxis, from_model, from_windows
from xas.eels.composition.edge_model import edge_profile
from xas.eels.composition.hydrogenic import cross_section
from xas.eels.composition.quantification_input import (
    check_source,
    check_windows,
    edge_of,
    even_step,
    fitted_channels,
    low_loss_of,
    settings_of,
)

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["quantify"]

Array = npt.NDArray[np.float64]
Window = tuple[float, float]

#: A model whose chi-square per degree of freedom is larger than this is said not to describe the spectra.
_POOR = 2.0


@verb("xas.eels.quantify", axis="energy_loss", together=lambda options: options["core"] is not None)
def quantify(
    dataset: xr.Dataset,
    *,
    edges: tuple[str, str] = ("O K", "Mn L"),
    background: tuple[Window, Window],
    signal: tuple[Window, Window],
    k: float | None = None,
    k_sigma: float = 0.0,
    core: dict[str, Window] | None = None,
    core_ratio: float | None = None,
    model: Literal["sigmak_sigmal", "sigmal_white_lines"] | None = None,
    method: Literal["windows", "fit"] = "windows",
    low_loss: Any = None,
    near_edge: float = 30.0,
    fit_range: Window | None = None,
    effective_angle: bool = False,
    gain: float | None = None,
) -> xr.Dataset:
    r"""Atomic ratio of two elements from their edges: intensity over background, and a factor between them.

    .. math:: \frac{N_1}{N_2} = k\,\frac{I_1}{I_2}, \qquad
              \left(\frac{\sigma}{N_1/N_2}\right)^2 = \frac{\sigma_1^2}{I_1^2} + \frac{\sigma_2^2}{I_2^2}
              - \frac{2\sigma_{12}}{I_1 I_2} + \frac{\sigma_k^2}{k^2}

    The intensities are areas above a power law in front of each edge, or those of a model of the whole spectrum: one
    power law and two hydrogenic edges, convolved with the low loss where there is one, fitted away from the near-edge
    structure. That knows the tail of the first edge under the second, and plural scattering. Exactly one of three
    sources of the factor must be named, the better ones first: ``k`` from a standard of known composition, measured and
    evaluated alike; ``core`` with its known ratio, for a profile relative to the core of a particle; a hydrogenic
    ``model``.

    Parameters
    ----------
    dataset : xarray.Dataset
        Counts along ``energy_loss`` with both edges; any series dimensions.
    edges : (str, str)
        Element and shell of the two; the ratio is the first over the second.
    background : two windows
        eV; in front of each edge.
    signal : two windows
        eV, as wide as each other, from each onset; they and those of the background must not overlap.
    k : float, optional
        Factor from a standard: its known ratio over its ratio of intensities, in the same windows.
    k_sigma : float
        Standard uncertainty of ``k``.
    core : dict, optional
        Region of known composition by coordinates: ``{"position": (40.0, 60.0)}``. Its summed intensities give k, with
        their uncertainty.
    core_ratio : float, optional
        Known ratio in the core, such as 2.0 for LiMO₂.
    model : {"sigmak_sigmal", "sigmal_white_lines"}, optional
        Hydrogenic cross-sections; ``beam_energy`` and ``collection_angle`` must be known. With ``method="fit"`` beside
        another source of the factor, only the course of the edges is taken from them.
    method : {"windows", "fit"}
        ``fit`` needs ``beam_energy`` and ``collection_angle`` for the course of the edges; its intensities are those
        of single scattering inside of ``signal``.
    low_loss : xarray.Dataset, optional
        Low-loss spectra with their zero-loss peak, one for each spectrum or one for all, for ``fit``. Default: the
        variable ``low_loss`` of the dataset, if there is one.
    near_edge : float
        eV behind each onset, with 7 eV in front of it, of which ``fit`` takes the sum only, and nothing without a low
        loss: white lines and fine structure are not in the hydrogenic course, their plural scattering is in the model.
    fit_range : (float, float), optional
        Losses in eV between which ``fit`` works. Default: from the first background to 50 eV behind the second signal
        window or to the end of the data; no third edge may lie there.
    effective_angle : bool
        Cross-sections for the collection angle that a parallel beam would need
        (:func:`xas.eels.effective_collection_angle`); ``convergence_angle`` must be known.
    gain : float, optional
        Variance of a channel per count. Default: 1 where the unit is counts, else what the scatter in front of the edge
        says.

    Returns
    -------
    xarray.Dataset
        With ``atomic_ratio`` ± sigma along ``pair``, of which ``atomic_ratio_common_sigma`` is that of the factor: the
        same share for all spectra, so that cov(i, j) = ``common[i] * common[j]``; ``edge_intensity`` (counts eV) ± sigma
        along ``edge``; ``edge_redchi`` of a fit. The attributes of ``atomic_ratio`` say the factor, its sigma and where it
        comes from. Spectra whose background could not be fitted, without a zero-loss peak where one is needed, or where
        an edge is weaker than its sigma, are flagged ``no_edge`` and NaN.

    Raises
    ------
    InvalidInput
        Windows that overlap, lie outside the data or differ in width; no source of the factor, or several; settings of
        the microscope that a cross-section needs are missing.

    Notes
    -----
    The sigma does not hold what the method decides: with plural scattering, with white lines that the hydrogenic model
    does not know and with the tail of the first edge under the second, an absolute O/Mn from one window is wrong by up to
    a factor of two. On a measured film of La0.7Sr0.3MnO3 (nominal O/Mn 3.0) windows of 40 eV give 1.4 or 2.2 by the two
    cross-sections, the fit without the low loss 2.1 by both, and with it 2.6 to 2.7 by both. A profile relative to the core is what can be relied upon.

    References
    ----------
    R. F. Egerton, Electron Energy-Loss Spectroscopy in the Electron Microscope, doi:10.1007/978-1-4419-9583-4

    Examples
    --------
    >>> import numpy as np, spectra, xas.eels
    >>> loss = np.arange(450.0, 720.0, 0.5)
    >>> counts = 9e3 * (loss / 500) ** -3 + 800.0 * ((loss > 532) & (loss < 585)) + 500.0 * (loss > 640)
    >>> edge = spectra.from_arrays(loss, counts, axis="energy_loss", name="counts", units="counts")
    >>> windows = {"background": ((460, 525), (590, 635)), "signal": ((532, 582), (640, 690))}
    >>> ratio = xas.eels.quantify(edge, k=1.4, k_sigma=0.1, **windows)
    >>> round(float(ratio.atomic_ratio.sel(pair="O/Mn")), 2)
    2.24
    """
    energy = dataset["energy_loss"].values.astype(float)
    check_windows(energy, background, signal)
    names = [edge_of(text) for text in edges]
    check_source(k, core, core_ratio, model, method)
    name = signal_name(dataset)
    if gain is None and str(dataset[name].attrs.get("units", "")).startswith("count"):
        gain = 1.0
    resolve(gain=gain if gain is not None else "scatter inside the window")
    settings = settings_of(dataset, signal, effective_angle) if model or method == "fit" else []
    known = dataset.get(f"{name}_sigma")
    inputs: list[Any] = [(dataset[name], ("energy_loss",))]
    inputs += [(known, ("energy_loss",))] if known is not None else []
    if method == "windows":
        kernel = from_windows(energy, background, signal, gain)
    else:
        low = low_loss_of(dataset, low_loss)
        inputs += [(low[0], ("low_loss_channel",))] if low else []
        profiles = np.stack([
            edge_profile(
                energy, *edge, window=window, model=model or "sigmak_sigmal", beam_energy=one["beam_energy"],
                collection_angle=one["collection_angle"],
            )
            for edge, window, one in zip(names, signal, settings, strict=True)
        ])  # fmt: skip
        channels = fitted_channels(energy, background, signal, near_edge, fit_range)
        kernel = from_model(
            energy, profiles, *channels, gain, low=LowLossAxis(low[1], even_step(energy)) if low else None, stated=known is not None
        )  # fmt: skip
    made = map_spectra(
        kernel, inputs, {"area": ("edge",), "error": ("edge",), "shared": (), "redchi": ()}, sizes={"edge": 2}
    )
    if k is not None:
        factor = _Factor(float(k), float(k_sigma), "a standard")
    elif core is not None and core_ratio is not None:
        factor = _from_core(dataset, made, core, core_ratio)
    else:
        factor = _from_sections(names, signal, settings, model)
    resolve(k=factor.value)
    return _labelled(dataset, made, factor, edges, names, method)


def _labelled(
    dataset: xr.Dataset,
    made: dict[str, xr.DataArray],
    factor: _Factor,
    edges: tuple[str, str],
    names: list[tuple[str, str]],
    method: str,
) -> xr.Dataset:
    area, error = made["area"], made["error"]
    strong = ((area > error) & np.isfinite(error)).all("edge")
    area, error = area.where(strong), error.where(strong)
    first, second = (area.isel(edge=i, drop=True) for i in (0, 1))
    ratio = factor.value * first / second
    relative = ((error / area) ** 2).sum("edge", skipna=False) - 2 * made["shared"] / (first * second)
    common = ratio * factor.sigma / factor.value
    spread = (ratio**2 * relative.clip(min=0.0) + common**2) ** 0.5
    pair = f"{names[0][0]}/{names[1][0]}"
    said: dict[str, Any] = {
        "k": factor.value,
        "k_sigma": factor.sigma,
        "k_from": factor.source,
        "method": method,
    }
    if factor.absolute:
        said["caution"] = CAUTION
        note(CAUTION)
    order = [str(d) for d in dataset[signal_name(dataset)].dims if d != "energy_loss"]

    def placed(values: xr.DataArray, along: str, **attrs: Any) -> xr.DataArray:
        return values.transpose(*order, along).assign_attrs(**attrs)

    text = "standard uncertainty of the atomic ratio"
    result = dataset.assign(
        atomic_ratio=placed(
            ratio.expand_dims(pair=[pair]), "pair", units="", long_name="atomic ratio", **said
        ),
        atomic_ratio_sigma=placed(spread.expand_dims(pair=[pair]), "pair", units="", long_name=text),
        atomic_ratio_common_sigma=placed(
            common.expand_dims(pair=[pair]),
            "pair",
            units="",
            long_name=f"part of the {text} that all spectra share",
        ),
        edge_intensity=placed(area.assign_coords(edge=list(edges)), "edge", units="counts eV"),
        edge_intensity_sigma=placed(error.assign_coords(edge=list(edges)), "edge", units="counts eV"),
    )
    if method == "fit":
        redchi = made["redchi"].transpose(*order).assign_attrs(
            units="", long_name="chi-square per degree of freedom of the model of both edges"
        )  # fmt: skip
        result = result.assign(edge_redchi=redchi)
        if redchi.chunks is None and bool((redchi > _POOR).any()):
            note(
                f"the model leaves more than noise (chi-square per degree of freedom {float(redchi.median()):.1f}): sigmas are those of counts alone"
            )
    return flag(
        result, ~strong, "no_edge",
        "an edge is not above its background by more than sigma, or the background could not be fitted: look at the windows",
    )  # fmt: skip


CAUTION = (
    "absolute ratios from hydrogenic cross-sections are wrong by up to a factor of two: rely on relative ones"
)


@dataclass(frozen=True)
class _Factor:
    value: float
    sigma: float
    source: str
    absolute: bool = False  # computed, not calibrated


def _from_sections(
    names: list[tuple[str, str]], signal: tuple[Window, Window], settings: list[dict[str, float]], model: Any
) -> _Factor:
    sections = [
        cross_section(element, shell, model=model, width=window[1] - window[0], **one)
        for (element, shell), window, one in zip(names, signal, settings, strict=True)
    ]
    said = f"hydrogenic cross-sections ({model}, {settings[0]['collection_angle']:.3g} mrad)"
    return _Factor(sections[1].value / sections[0].value, 0.0, said, absolute=True)


def _from_core(
    dataset: xr.Dataset, made: dict[str, xr.DataArray], core: dict[str, Window], ratio: float
) -> _Factor:
    area, error, shared = (made[n].compute() for n in ("area", "error", "shared"))
    for dim, window in core.items():
        if dim not in area.dims:
            raise InvalidInput(
                f"core: there is no dimension {dim!r} ({', '.join(str(d) for d in area.dims if d != 'edge')})."
            )
        place = dataset[dim].values if dim in dataset.coords else np.arange(area.sizes[dim])
        inside = np.flatnonzero((place >= window[0]) & (place <= window[1]))
        if not inside.size:
            raise InvalidInput(f"core: no spectrum with {dim} between {window[0]:g} and {window[1]:g}.")
        area, error, shared = (v.isel({dim: inside}) for v in (area, error, shared))
    dims = [d for d in area.dims if d != "edge"]
    total, spread = area.sum(dims).values, np.sqrt((error**2).sum(dims).values)
    if not (total > 0).all():
        raise InvalidInput("core: its spectra show no edges above their background; look at the windows.")
    value = ratio * float(total[1] / total[0])
    relative = float(((spread / total) ** 2).sum()) - 2 * float(shared.sum()) / float(total[0] * total[1])
    return _Factor(
        value, value * float(np.sqrt(max(relative, 0.0))), f"the core ({core}), taken as {ratio:g}"
    )
