"""Spectra made comparable in two ways: by the incident flux, and by the main emission of the valence band."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset.conventions import series_dims
from spectra.dataset.flags import flag
from spectra.errors import InvalidInput, did_you_mean
from spectra.knowledge import number
from spectra.verbs import note, resolve, verb
from xas.rixs.incident import Scale, incident_energy, number_of_each, within
from xas.rixs.shares import divided_by_own
from xas.rixs.tables import load_table

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["normalize"]

FloatArray = npt.NDArray[np.float64]

#: The elastic line is left out over so many of its full widths to each side.
_TAILS = 1.5
#: Currents that measure the incident flux, the better first.
_FLUX = ("mirror_current", "ring_current")


@verb("xas.rixs.normalize", axis="energy_loss")
def normalize(
    dataset: xr.Dataset,
    *,
    emission: tuple[float, float],
    scale: Scale = "emission_energy",
    incident_energy: float | None = None,
    elastic: Literal["leave_out", "subtract", "keep"] = "leave_out",
    oxygen: Literal["leave_out", "keep"] = "leave_out",
    flux: str | None = None,
    flux_error: float = 0.0,
    along: str | None = None,
) -> xr.Dataset:
    r"""Divide by incident flux and time, and beside it by the area of the main emission; say where the two disagree.

    Neither is right by itself: currents drift and do not see where the beam falls on the sample; the main emission is not
    the same at every state of charge. No common practice is documented, so both columns are kept.

    Parameters
    ----------
    dataset : xarray.Dataset
        ``counts`` along ``energy_loss``, as :func:`xas.rixs.reduce` makes them; any series dimensions.
    emission : (float, float)
        Main emission of the valence band in eV, on the scale of ``scale``.
    scale : {"emission_energy", "energy_loss"}
        Fluorescence stays at its emission energy, the incident energy less the loss, while the loss moves.
    incident_energy : float, optional
        Photon energy in eV of all spectra. Default: that of each, from its file.
    elastic : {"leave_out", "subtract", "keep"}
        The elastic line inside the window: its channels (1.5 full widths to each side) are not counted, or the Gaussian
        that :func:`xas.rixs.reduce` fitted is subtracted from the area, or nothing is done.
    oxygen : {"leave_out", "keep"}
        Whether channels in which molecular oxygen may lie (vibrations, the loss at 4.3 eV, the emission at 523 eV) are left
        out of the area, for incident energies of the O K edge.
    flux : str, optional
        Coordinate or attribute that measures the incident flux. Default: ``mirror_current`` where it is known to three times
        its spread in every spectrum, else ``ring_current``, which knows nothing of mirrors and slits.
    flux_error : float
        Its relative uncertainty, which no file says.
    along : str, optional
        Dimension along which the two divisors are compared, such as the state of charge. Default: the only one of a series
        that has one; a single spectrum has nothing to compare.

    Returns
    -------
    xarray.Dataset
        ``counts_per_flux`` and ``counts_per_emission`` ± sigma along ``energy_loss``; their divisors ``flux_divisor`` ± sigma (current times
        s) and ``emission_area`` ± sigma (photons); ``emission_window`` (1 in the channels that were counted); along
        a series ``divisor_ratio`` ± sigma, emission area over flux relative to their mean. Spectra in which it is off one by
        more than sigma get the warning ``normalizations_disagree``: report both columns. Spectra without emission are
        flagged ``no_emission``.

    Raises
    ------
    InvalidInput
        The window holds no channel, or the incident energy or the fitted elastic line is needed and missing.

    Examples
    --------
    >>> import numpy as np, spectra, xas.rixs
    >>> loss = np.arange(-1, 12, 0.05)
    >>> y = np.round(300 * np.exp(-((loss / 0.1) ** 2)) + 80 * np.exp(-(((loss - 5.5) / 1.5) ** 2)) + 1)
    >>> oxide = spectra.from_arrays(
    ...     loss, y, axis="energy_loss", name="counts", units="counts",
    ...     attrs={"incident_energy": 531.0, "ring_current": 400.0, "exposure_time": 900.0},
    ... )
    >>> oxide = xas.rixs.normalize(oxide, emission=(524.5, 527.0))
    >>> float(oxide.flux_divisor), bool(oxide.counts_per_emission.max() < 1)
    (360000.0, True)
    """
    if not 0 <= flux_error < 1:
        raise InvalidInput(f"flux_error is a share of the flux, from 0 to 1; got {flux_error:g}.")
    if "counts" not in dataset:
        raise InvalidInput("xas.rixs.normalize needs photons as 'counts', as xas.rixs.reduce makes them.")
    dims = series_dims(dataset)
    counts = dataset["counts"].transpose(*dims, "energy_loss")
    loss, y = dataset["energy_loss"].values, np.asarray(counts.values, float)
    incident = _incident(dataset, incident_energy)
    used = np.broadcast_to(within(loss, incident, emission, scale, name="emission"), y.shape).copy()
    if oxygen == "leave_out":
        used &= ~_oxygen(loss, incident, y.shape)
    removed = removed_sigma = shared = np.zeros(y.shape[:-1])
    if elastic == "leave_out":
        used &= ~_near_elastic(dataset, loss)
    elif elastic == "subtract":
        removed, removed_sigma, shared = _elastic_photons(dataset, loss, used)
    share = divided_by_own(y, used, removed=removed, removed_sigma=removed_sigma, shared=shared)
    divisor, source = _flux_and_time(dataset, flux)
    resolve(flux=source)
    per_flux, per_flux_sigma = _over(y, divisor, flux_error)
    note(
        f"the area of the emission from {min(emission):g} to {max(emission):g} eV ({scale.replace('_', ' ')}) is counted in "
        f"{int(used.sum(axis=-1).min())} channels or more; elastic line: {elastic}; windows of molecular oxygen: {oxygen}"
    )
    along_axis = ("units", "1/count")
    full = (*dims, "energy_loss")
    result = dataset.assign(
        counts_per_emission=(full, share.values, dict([along_axis]) | {"long_name": "counts over the area of the emission"}),
        counts_per_emission_sigma=(full, share.sigma, dict([along_axis])),
        emission_area=(dims, share.area, {"units": "counts"}),
        emission_area_sigma=(dims, share.area_sigma, {"units": "counts"}),
        emission_window=(full, used.astype(np.int8), {"units": "", "long_name": "channels of the emission's area"}),
    )  # fmt: skip
    if divisor is not None:
        units = {"units": "", "long_name": f"counts over {source} and time"}
        result = result.assign(
            counts_per_flux=(full, per_flux, units),
            counts_per_flux_sigma=(full, per_flux_sigma, {"units": ""}),
            flux_divisor=(dims, divisor, {"units": "", "long_name": f"{source} times seconds"}),
            flux_divisor_sigma=(dims, divisor * flux_error, {"units": ""}),
        )
        result = _compared(result, dims, along)
    ok = np.isfinite(y).all(axis=-1)
    missing = ~(share.area > 0) | ~ok
    told = "no photons of the emission that the spectrum is divided by, or counts that are missing: move the window"
    return flag(result, missing, "no_emission", told)


_incident = incident_energy  # the option of the verb has its name


def _oxygen(loss: FloatArray, incident: FloatArray | None, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Channels in which molecular oxygen may lie, for spectra excited at the O K edge."""
    if incident is None:
        note("the incident energy is not known: no windows of molecular oxygen were left out")
        return np.zeros(shape, bool)
    windows = load_table("oxygen")["windows"]
    low, high = windows["edge"]["value"]
    at_edge = (incident >= low) & (incident <= high)
    if not at_edge.any():
        return np.zeros(shape, bool)
    note("windows of molecular oxygen are choices of this project (table oxygen), not measured numbers")
    emitted = incident[..., None] - loss
    first, last = windows["emission"]["value"]
    mask = (emitted >= first) & (emitted <= last)
    for name in ("vibrations", "second"):
        first, last = windows[name]["value"]
        mask = mask | ((loss >= first) & (loss <= last))
    return np.asarray(mask & at_edge[..., None])


def _near_elastic(dataset: xr.Dataset, loss: FloatArray) -> npt.NDArray[np.bool_]:
    """Channels of the elastic line; 0.1 eV to each side where its width was not fitted."""
    width, place = number_of_each(dataset, "elastic_fwhm"), number_of_each(dataset, "elastic_loss")
    needed = number(load_table("oxygen")["resolution"]["needed"])
    reach = needed if width is None else np.where(np.isfinite(width), _TAILS * width, needed)
    middle = 0.0 if place is None else np.nan_to_num(place)
    return np.asarray(np.abs(loss - np.asarray(middle)[..., None]) <= np.asarray(reach)[..., None])


def _elastic_photons(
    dataset: xr.Dataset, loss: FloatArray, used: npt.NDArray[np.bool_]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Photons of the fitted Gaussian in the channels that are counted, their sigma, and their covariance with these."""
    found = [number_of_each(dataset, n) for n in ("elastic_loss", "elastic_fwhm", "elastic_area", "elastic_area_sigma")]  # fmt: skip
    if any(values is None for values in found):
        raise InvalidInput(
            "elastic='subtract' needs elastic_area and elastic_fwhm, which xas.rixs.reduce adds: call it first, or "
            "leave the channels out."
        )
    place, width, area, sigma = (np.nan_to_num(np.asarray(v)) for v in found)
    safe = np.where(width > 0, width, np.inf)[..., None]
    shape = np.exp(-4 * np.log(2) * ((loss - place[..., None]) / safe) ** 2)
    part = (shape * used).sum(axis=-1) / np.maximum(shape.sum(axis=-1), 1e-300)
    return part * area, part * sigma, part**2 * area


def _flux_and_time(dataset: xr.Dataset, flux: str | None) -> tuple[FloatArray | None, str]:
    """Current times seconds of every spectrum and the name of the current; None where one is not known."""
    if flux is not None and number_of_each(dataset, flux) is None:
        there = [
            str(n) for n in [*dataset.coords, *dataset.attrs] if number_of_each(dataset, str(n)) is not None
        ]
        raise InvalidInput(f"flux: the dataset has no number {flux!r} for every spectrum; {did_you_mean(flux, there)}.")  # fmt: skip
    source = flux or next((name for name in _FLUX if _measures(dataset, name)), "")
    current, time = number_of_each(dataset, source), number_of_each(dataset, "exposure_time")
    if current is None or time is None:
        missing = "incident flux" if current is None else "exposure time"
        note(
            f"no {missing} is known: counts_per_flux was left out, and the only column is counts_per_emission"
        )
        return None, source
    if source == "ring_current":
        note(
            "the current of the ring stands for the incident flux: what mirrors, slits and their drift take away is not in it"
        )
    divisor = current * time
    return np.where(divisor > 0, divisor, np.nan), source


def _measures(dataset: xr.Dataset, name: str) -> bool:
    """Whether the current is known in every spectrum, and not only noise about zero."""
    values, spread = number_of_each(dataset, name), number_of_each(dataset, f"{name}_spread")
    return values is not None and bool((values > 3 * (0.0 if spread is None else spread)).all())


def _over(y: FloatArray, divisor: FloatArray | None, error: float) -> tuple[FloatArray, FloatArray]:
    if divisor is None:
        return y, y
    d = divisor[..., None]
    return y / d, np.sqrt(y + (y * error) ** 2) / d


def _compared(result: xr.Dataset, dims: tuple[str, ...], along: str | None) -> xr.Dataset:
    """Emission over flux relative to its mean along the series, and a warning where the two divisors disagree."""
    if along is not None and along not in dims:
        raise InvalidInput(f"along: the dataset has no dimension {along!r}; {did_you_mean(along, dims)}.")
    dim = along or (dims[0] if len(dims) == 1 else None)
    if dim is None or result.sizes[dim] < 2:
        return result
    ratio = result["emission_area"] / result["flux_divisor"]
    relative = sum(
        (result[f"{name}_sigma"] / result[name]) ** 2 for name in ("emission_area", "flux_divisor")
    )
    n = ratio.notnull().sum(dim)
    mean = ratio.mean(dim)
    # the mean holds the spectrum itself: (1 - 1/n)² of its own variance, and 1/n² of each of the others'
    variance = (ratio / mean) ** 2 * relative
    sigma = (variance * (1 - 2 / n) + variance.sum(dim) / n**2) ** 0.5
    told = {"units": "", "long_name": "emission area over flux, relative to the mean"}
    result = result.assign(
        divisor_ratio=(ratio / mean).transpose(*dims).assign_attrs(told),
        divisor_ratio_sigma=sigma.transpose(*dims).assign_attrs(units=""),
    )
    off = abs(result["divisor_ratio"].values - 1) > result["divisor_ratio_sigma"].values
    return flag(
        result,
        off,
        "normalizations_disagree",
        "flux and main emission divide this spectrum differently by more than sigma: report both columns",
        severity="warning",
    )
