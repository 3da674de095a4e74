"""Maps of incident energy and loss: what is emitted in windows, as a function of the incident energy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset.conventions import series_dims
from spectra.dataset.flags import flag
from spectra.errors import InvalidInput, did_you_mean
from spectra.verbs import note, verb
from xas.rixs.incident import Scale, incident_energy, within

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["integrate_windows"]

FloatArray = npt.NDArray[np.float64]
_of_each = incident_energy  # the option of the verb has its name


@verb("xas.rixs.integrate_windows", axis="energy_loss")
def integrate_windows(
    dataset: xr.Dataset,
    *,
    windows: dict[str, tuple[float, float]],
    scale: Scale = "emission_energy",
    divide: Literal["none", "flux"] = "none",
    inverse: tuple[str, ...] = (),
    incident_energy: float | None = None,
) -> xr.Dataset:
    r"""Photons in windows of emission: partial fluorescence yields, and inverse ones of lines that are not resonant.

    The yield of a window is the sum of its photons, over incident flux and time where asked for. The emission of *another*
    element, or of another shell, competes for the same incident photons: its inverse is proportional to the absorption and
    free of saturation (inverse partial fluorescence yield), up to a constant.

    Parameters
    ----------
    dataset : xarray.Dataset
        ``counts`` along ``energy_loss``; a map has one spectrum per incident energy.
    windows : dict
        Windows by name, in eV on ``scale``: ``{"O2": (522.5, 523.5), "band": (524.5, 527)}``.
    scale : {"emission_energy", "energy_loss"}
        What the windows are given in. Fluorescence stays at one emission energy, Raman-like losses at one loss.
    divide : {"none", "flux"}
        By ``flux_divisor``, which :func:`xas.rixs.normalize` adds.
    inverse : tuple of str
        Windows whose inverse is wanted too.
    incident_energy : float, optional
        Photon energy in eV of all spectra. Default: that of each.

    Returns
    -------
    xarray.Dataset
        ``partial_yield`` ± sigma along ``window``; ``inverse_yield`` ± sigma along ``inverse_window``. Windows of which a
        spectrum holds only a part are NaN there, with the warning ``window_cut``; where the elastic line
        runs through a window, the warning is ``elastic_in_window``. Spectra without counts are flagged
        ``missing_counts``.

    Raises
    ------
    InvalidInput
        No window, one without channels, an unknown name in ``inverse``, no flux.

    References
    ----------
    A. J. Achkar et al., Sci. Rep. 1, 182 (2011), doi:10.1038/srep00182 (inverse yield); of Mn L in maps of O K:
    K. Dai et al. (2018), doi:10.1016/j.joule.2018.11.014.

    Examples
    --------
    >>> import numpy as np, spectra, xas.rixs
    >>> loss = np.arange(0, 12, 0.1)
    >>> energies = np.array([528.0, 531.0])
    >>> counts = np.round(50 * np.exp(-(((energies[:, None] - loss - 525.5) / 1) ** 2)))
    >>> rixs_map = spectra.from_arrays(
    ...     loss, counts, axis="energy_loss", name="counts", units="counts", dims=("incident_energy",),
    ...     coords={"incident_energy": (energies, "eV")},
    ... )
    >>> rixs_map = xas.rixs.integrate_windows(rixs_map, windows={"band": (524.5, 526.5)})
    >>> rixs_map.partial_yield.values.round().tolist()
    [[766.0], [766.0]]
    """
    if not windows:
        raise InvalidInput("windows: at least one is needed, such as {'band': (524.5, 527)}.")
    unknown = [name for name in inverse if name not in windows]
    if unknown:
        raise InvalidInput(f"inverse: no window {unknown[0]!r}; {did_you_mean(unknown[0], windows)}.")
    if divide == "flux" and "flux_divisor" not in dataset:
        raise InvalidInput("divide='flux' needs flux_divisor, which xas.rixs.normalize adds: call it first.")
    if "counts" not in dataset:
        raise InvalidInput(
            "xas.rixs.integrate_windows needs photons as 'counts', as xas.rixs.reduce makes them."
        )
    dims = series_dims(dataset)
    counts = dataset["counts"].transpose(*dims, "energy_loss")
    loss, y = dataset["energy_loss"].values, np.asarray(counts.values, float)
    incident = _of_each(dataset, incident_energy)
    sums, cuts = [], []
    with_elastic = np.zeros(y.shape[:-1], bool)
    for name, window in windows.items():
        mask = np.broadcast_to(within(loss, incident, window, scale, name=f"windows: {name!r}"), y.shape)
        sums.append(np.where(mask, y, 0.0).sum(axis=-1))
        low, high = sorted(window)
        if scale == "emission_energy" and incident is not None:
            with_elastic |= (incident >= low) & (incident <= high)
        cuts.append(_cut(loss, incident, window, scale, y.shape[:-1]))
    cut = np.stack(cuts, axis=-1)
    photons = np.where(cut, np.nan, np.stack(sums, axis=-1))
    share = np.zeros_like(photons)
    divisor = np.ones_like(photons)
    if divide == "flux":
        divisor = dataset["flux_divisor"].transpose(*dims).values[..., None]
        share = dataset["flux_divisor_sigma"].transpose(*dims).values[..., None] / divisor
    value = photons / divisor
    sigma = np.sqrt(photons + (photons * share) ** 2) / divisor
    units = {"units": "counts" if divide == "none" else ""}
    said = units | {
        "long_name": "photons in the window" + (" over flux and time" if divide == "flux" else "")
    }
    where = [*dims, "window"]
    result = dataset.assign_coords(
        window=("window", list(windows), {"long_name": "window of emission"})
    ).assign(partial_yield=(where, value, said), partial_yield_sigma=(where, sigma, units))
    if inverse:
        at = [list(windows).index(name) for name in inverse]
        with np.errstate(divide="ignore", invalid="ignore"):
            turned = np.where(value[..., at] > 0, 1 / value[..., at], np.nan)
            turned_sigma = np.where(value[..., at] > 0, sigma[..., at] / value[..., at] ** 2, np.nan)
        where = [*dims, "inverse_window"]
        result = result.assign_coords(inverse_window=("inverse_window", list(inverse))).assign(
            inverse_yield=(where, turned, {"units": "", "long_name": "inverse partial yield"}),
            inverse_yield_sigma=(where, turned_sigma, {"units": ""}),
        )
        note(
            "an inverse yield is proportional to the absorption up to a constant, if the window holds no resonant emission"
        )
    missing = ~np.isfinite(y).all(axis=-1)
    if (cut.any(axis=-1) & ~missing).any():
        told = "a window reaches beyond the losses of this spectrum: its yield is left out"
        result = flag(result, cut.any(axis=-1) & ~missing, "window_cut", told, severity="warning")
    if with_elastic.any():
        told = "the elastic line lies inside a window at this incident energy: its photons are in the yield"
        result = flag(result, with_elastic, "elastic_in_window", told, severity="warning")
    return flag(result, missing, "missing_counts", "counts are missing (NaN) in this spectrum")


def _cut(
    loss: FloatArray,
    incident: FloatArray | None,
    window: tuple[float, float],
    scale: Scale,
    lead: tuple[int, ...],
) -> npt.NDArray[np.bool_]:
    """Spectra whose axis does not reach over the whole window, half a channel allowed."""
    low, high = (np.asarray(end, float) for end in sorted(window))
    half = float(np.median(np.diff(loss))) / 2
    if scale == "emission_energy" and incident is not None:
        low, high = incident - high, incident - low
    return np.broadcast_to((low < loss[0] - half) | (high > loss[-1] + half), lead)
