"""The energy of the incident photons of each spectrum, and what follows from it: energies of emission, windows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset.conventions import series_dims
from spectra.errors import InvalidInput

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Scale", "incident_energy", "number_of_each", "within"]

Scale = Literal["energy_loss", "emission_energy"]
FloatArray = npt.NDArray[np.float64]


def number_of_each(dataset: xr.Dataset, name: str) -> FloatArray | None:
    """The variable, coordinate or attribute ``name`` over the series' dimensions; None where it is missing."""
    dims = series_dims(dataset)
    lead = tuple(dataset.sizes[d] for d in dims)
    if name in dataset.variables:
        array = dataset[name]
        foreign = [str(d) for d in array.dims if d not in dims]
        if foreign or array.dtype.kind not in "fiu":
            return None
        missing = {d: dataset.sizes[d] for d in dims if d not in array.dims}
        return np.asarray(array.expand_dims(missing).transpose(*dims).values, float)
    value = dataset.attrs.get(name)
    return np.full(lead, float(value)) if isinstance(value, int | float | np.number) else None


def incident_energy(dataset: xr.Dataset, given: float | None = None) -> FloatArray | None:
    """Incident photon energy in eV of every spectrum: the one given, or ``incident_energy`` of the dataset."""
    if given is None:
        return number_of_each(dataset, "incident_energy")
    if not 0 < given < np.inf:
        raise InvalidInput(f"incident_energy must be a positive number of eV, got {given:g}.")
    return np.full(tuple(dataset.sizes[d] for d in series_dims(dataset)), float(given))


def within(
    loss: FloatArray, incident: FloatArray | None, window: tuple[float, float], scale: Scale, *, name: str
) -> npt.NDArray[np.bool_]:
    """Channels whose loss, or emission energy (incident less loss), lies inside ``window``.

    Returns
    -------
    (..., n) array of bool
        (n,) for losses; one row per spectrum for emission energies.

    Raises
    ------
    InvalidInput
        The incident energy is not known and ``scale`` needs it; no channel of any spectrum lies inside.
    """
    low, high = sorted(window)
    x: FloatArray
    if scale == "energy_loss":
        x = loss
    elif incident is None:
        raise InvalidInput(
            f"{name} in emission energies needs the incident energy, which this dataset does not say: "
            "give incident_energy, or windows on the scale energy_loss."
        )
    else:
        x = incident[..., None] - loss
    inside = (x >= low) & (x <= high)
    if not inside.any():
        raise InvalidInput(
            f"{name} ({low:g}, {high:g}) eV of {scale} holds no channel; the data run from {np.nanmin(x):g} to {np.nanmax(x):g} eV."
        )
    return inside
