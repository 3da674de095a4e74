"""Ratio of two elements from the intensities of their edges, with a factor that is known or computed."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag, map_spectra, signal_name
from spectra.errors import InvalidInput
from spectra.verbs import note, resolve, verb
from xas.eels.background_fit import fit_curve
from xas.eels.curves import power_law
from xas.eels.hydrogenic import cross_section
from xas.eels.linear_variance import Noise

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["quantify", "window_weights"]

Array = npt.NDArray[np.float64]
Window = tuple[float, float]

#: Fewest channels of a background.
_FEWEST = 6


@verb("xas.eels.quantify", axis="energy_loss")
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
    gain: float | None = None,
) -> xr.Dataset:
    r"""Atomic ratio of two elements from their edges: intensity over background, and a factor between them.

    .. math:: \frac{N_1}{N_2} = k\,\frac{I_1}{I_2}, \qquad
              \left(\frac{\sigma}{N_1/N_2}\right)^2 = \frac{\sigma_1^2}{I_1^2} + \frac{\sigma_2^2}{I_2^2}
              + \frac{\sigma_k^2}{k^2}

    Each edge has a power law fitted in front of it by Poisson maximum likelihood, whose covariance is part of
    :math:`\sigma_i`. Exactly one of three sources of the factor must be named, the better ones first: ``k`` from a
    standard of known composition, measured alike; ``core`` with its known ratio, for a profile relative to the core of
    a particle; a hydrogenic ``model``.

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
        Hydrogenic cross-sections; ``beam_energy`` and ``collection_angle`` must be known.
    gain : float, optional
        Variance of a channel per count. Default: 1 where the unit is counts, else what the scatter in front of the edge
        says.

    Returns
    -------
    xarray.Dataset
        With ``atomic_ratio`` ± sigma along ``pair``, and ``edge_intensity`` (counts eV) ± sigma along ``edge``. The
        attributes of ``atomic_ratio`` say the factor, its sigma and where it comes from. Spectra whose background could
        not be fitted, or where an edge is weaker than its sigma, are flagged ``no_edge`` and NaN.

    Raises
    ------
    InvalidInput
        Windows that overlap, lie outside the data or differ in width; no source of the factor, or several; settings of
        the microscope that a cross-section needs are missing.

    Notes
    -----
    The sigma does not hold what the windows decide: without deconvolution of plural scattering, with white lines that
    the hydrogenic model does not know and with the tail of the first edge under the second, an absolute O/Mn from one
    window is wrong by up to a factor of two. A profile relative to the core is what can be relied upon. The sigma of
    ``k`` is common to all spectra of a series.

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
    _check_windows(energy, background, signal)
    names = [_edge(text) for text in edges]
    _check_source(k, core, core_ratio, model)
    name = signal_name(dataset)
    if gain is None and str(dataset[name].attrs.get("units", "")).startswith("count"):
        gain = 1.0
    resolve(gain=gain if gain is not None else "scatter inside the window")
    known = dataset.get(f"{name}_sigma")
    made = _intensities(dataset[name], known, energy, background, signal, gain)
    area, error = made["area"], made["error"]
    factor = _factor(dataset, names, signal, (k, k_sigma), (core, core_ratio), model, made)
    resolve(k=factor.value)
    strong = ((area > error) & np.isfinite(error)).all("edge")
    area, error = area.where(strong), error.where(strong)
    first, second = (area.isel(edge=i, drop=True) for i in (0, 1))
    ratio = factor.value * first / second
    relative = (error / area) ** 2
    spread = ratio * np.sqrt(relative.sum("edge", skipna=False) + (factor.sigma / factor.value) ** 2)
    pair = f"{names[0][0]}/{names[1][0]}"
    said = {"units": "", "k": factor.value, "k_sigma": factor.sigma, "k_from": factor.source}
    order = [str(d) for d in dataset[name].dims if d != "energy_loss"]

    def placed(values: xr.DataArray, along: str, **attrs: Any) -> xr.DataArray:
        return values.transpose(*order, along).assign_attrs(**attrs)

    result = dataset.assign(
        atomic_ratio=placed(ratio.expand_dims(pair=[pair]), "pair", long_name="atomic ratio", **said),
        atomic_ratio_sigma=placed(spread.expand_dims(pair=[pair]), "pair", units=""),
        edge_intensity=placed(area.assign_coords(edge=list(edges)), "edge", units="counts eV"),
        edge_intensity_sigma=placed(error.assign_coords(edge=list(edges)), "edge", units="counts eV"),
    )
    if factor.source.startswith("hydrogenic"):
        note(
            "absolute ratios from hydrogenic cross-sections are wrong by up to a factor of two: rely on relative ones"
        )
    return flag(
        result, ~strong, "no_edge",
        "an edge is not above its background by more than sigma, or the background could not be fitted: look at the windows",
    )  # fmt: skip


def window_weights(energy: Array, window: Window) -> Array:
    """Width (eV) of each channel that lies inside of a window; channels at its ends count in part."""
    middle = (energy[1:] + energy[:-1]) / 2
    edges = np.concatenate([[2 * energy[0] - middle[0]], middle, [2 * energy[-1] - middle[-1]]])
    inside = np.clip(edges, *window)
    return np.asarray(np.diff(inside))


@dataclass(frozen=True)
class _Factor:
    value: float
    sigma: float
    source: str


def _intensities(
    counts: xr.DataArray,
    known: xr.DataArray | None,
    energy: Array,
    background: tuple[Window, Window],
    signal: tuple[Window, Window],
    gain: float | None,
) -> dict[str, xr.DataArray]:
    """Areas above the background of both edges, and their standard uncertainties."""

    def kernel(y: Array, *more: Array) -> dict[str, Array]:
        rows = y.reshape(-1, energy.size).astype(float)
        stated = np.broadcast_to(more[0], y.shape).reshape(rows.shape) ** 2 if more else None
        areas, errors = np.empty((len(rows), 2)), np.empty((len(rows), 2))
        for i, (front, window) in enumerate(zip(background, signal, strict=True)):
            inside = (energy >= front[0]) & (energy <= front[1])
            curve = power_law(energy[inside])
            fitted = fit_curve(
                curve, energy[inside], rows[:, inside], gain=gain,
                variance=None if stated is None else stated[:, inside],
            )  # fmt: skip
            weights = window_weights(energy, window)
            used = weights > 0  # nothing else of the spectrum has a say
            part, u = energy[used], weights[used]
            below = curve.value(part, fitted.parameters)
            areas[:, i] = (rows[:, used] - below) @ u
            channel = np.clip(rows[:, used], 0.0, None) * fitted.dispersion[:, None]
            noise = Noise(
                part,
                channel if stated is None else stated[:, used],
                curve,
                fitted.parameters,
                fitted.covariance,
            )
            spread = np.broadcast_to(u, (len(rows), u.size))
            errors[:, i] = np.sqrt(noise.between(spread, spread))
        return {"area": areas.reshape(*y.shape[:-1], 2), "error": errors.reshape(*y.shape[:-1], 2)}

    inputs: list[Any] = [(counts, ("energy_loss",))] + (
        [(known, ("energy_loss",))] if known is not None else []
    )
    return map_spectra(kernel, inputs, {"area": ("edge",), "error": ("edge",)}, sizes={"edge": 2})


def _factor(
    dataset: xr.Dataset,
    names: list[tuple[str, str]],
    signal: tuple[Window, Window],
    standard: tuple[float | None, float],
    known: tuple[dict[str, Window] | None, float | None],
    model: Any,
    made: dict[str, xr.DataArray],
) -> _Factor:
    if standard[0] is not None:
        return _Factor(float(standard[0]), float(standard[1]), "a standard")
    core, ratio = known
    if core is not None and ratio is not None:
        return _from_core(dataset, made, core, ratio)
    sections = [
        cross_section(
            element, shell, beam_energy=dataset.attrs.get("beam_energy"), model=model, width=window[1] - window[0],
            collection_angle=dataset.attrs.get("collection_angle"),
        )
        for (element, shell), window in zip(names, signal, strict=True)
    ]  # fmt: skip
    return _Factor(sections[1].value / sections[0].value, 0.0, f"hydrogenic cross-sections ({model})")


def _from_core(
    dataset: xr.Dataset, made: dict[str, xr.DataArray], core: dict[str, Window], ratio: float
) -> _Factor:
    area, error = made["area"].compute(), made["error"].compute()
    for dim, window in core.items():
        if dim not in area.dims:
            raise InvalidInput(
                f"core: there is no dimension {dim!r} ({', '.join(str(d) for d in area.dims if d != 'edge')})."
            )
        place = dataset[dim].values if dim in dataset.coords else np.arange(area.sizes[dim])
        inside = np.flatnonzero((place >= window[0]) & (place <= window[1]))
        if not inside.size:
            raise InvalidInput(f"core: no spectrum with {dim} between {window[0]:g} and {window[1]:g}.")
        area, error = area.isel({dim: inside}), error.isel({dim: inside})
    dims = [d for d in area.dims if d != "edge"]
    total, spread = area.sum(dims).values, np.sqrt((error**2).sum(dims).values)
    if not (total > 0).all():
        raise InvalidInput("core: its spectra show no edges above their background; look at the windows.")
    value = ratio * float(total[1] / total[0])
    return _Factor(
        value, value * float(np.sqrt(((spread / total) ** 2).sum())), f"the core ({core}), taken as {ratio:g}"
    )


def _edge(text: str) -> tuple[str, str]:
    element, _, shell = text.strip().partition(" ")
    if not element or shell not in ("K", "L"):
        raise InvalidInput(f"edges are element and shell, as 'O K' and 'Mn L'; got {text!r}.")
    return element, shell


def _check_windows(energy: Array, background: tuple[Window, Window], signal: tuple[Window, Window]) -> None:
    named = {
        f"{kind} window {i + 1}": w
        for kind, pair in (("background", background), ("signal", signal))
        for i, w in enumerate(pair)
    }
    for name, (low, high) in named.items():
        if not low < high:
            raise InvalidInput(f"{name} must ascend, got ({low:g}, {high:g}).")
        if low < energy[0] or high > energy[-1]:
            raise InvalidInput(
                f"{name} ({low:g}, {high:g}) lies outside of the data, {energy[0]:g} to {energy[-1]:g} eV."
            )
    ordered = sorted(named.items(), key=lambda item: item[1])
    for (one, a), (other, b) in itertools.pairwise(ordered):
        if a[1] > b[0]:
            raise InvalidInput(
                f"{one} ({a[0]:g}, {a[1]:g}) and {other} ({b[0]:g}, {b[1]:g}) overlap: their noise is shared."
            )
    for front in background:
        channels = int(((energy >= front[0]) & (energy <= front[1])).sum())
        if channels < _FEWEST:
            raise InvalidInput(
                f"background window ({front[0]:g}, {front[1]:g}) holds {channels} channels, {_FEWEST} are needed."
            )
    first, second = (w[1] - w[0] for w in signal)
    if abs(first - second) > 1e-6 * first:
        raise InvalidInput(
            f"the signal windows must be as wide as each other, got {first:g} and {second:g} eV."
        )


def _check_source(k: float | None, core: Any, core_ratio: float | None, model: Any) -> None:
    sources = [k is not None, core is not None or core_ratio is not None, model is not None]
    if sum(sources) != 1:
        raise InvalidInput(
            f"one source of the factor is needed, got {sum(sources)}: k= from a standard, core= with core_ratio=, or "
            "model= for hydrogenic cross-sections, the last only for want of the others."
        )
    if k is not None and not 0 < k < np.inf:
        raise InvalidInput(f"k must be a positive number, got {k}.")
    if (core is None) != (core_ratio is None):
        raise InvalidInput("core and core_ratio go together: where the composition is known, and what it is.")
    if core_ratio is not None and not 0 < core_ratio < np.inf:
        raise InvalidInput(f"core_ratio must be a positive number, got {core_ratio}.")
