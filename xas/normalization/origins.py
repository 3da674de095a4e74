"""Where the energies of a dataset begin: E0 of a series or of each spectrum, with its uncertainty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset import map_spectra, series_dims, signal_name
from spectra.errors import InvalidInput
from spectra.verbs import note
from xas.normalization.e0 import first_indices, measure_e0, series_e0
from xas.tables import edge_energy

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Origins", "choose_origins"]

Array = npt.NDArray[np.float64]

#: E0 of a series is rounded to this many eV.
ROUNDING = 0.1
#: Below this (eV) no absorption edge is measured: an axis that ends there is in keV, or the angle of a monochromator.
LOWEST = 30.0
#: An axis that ends here or below may be an angle in degrees, unless a named edge lies on it.
RIGHT_ANGLE = 90.0


@dataclass(frozen=True)
class Origins:
    """E0 of a dataset: the common one that ranges refer to, and that of the spectra, one for all or one each."""

    common: float
    e0: xr.DataArray
    e0_sigma: xr.DataArray | None  # None for a number that was given

    def added_to(self, dataset: xr.Dataset) -> xr.Dataset:
        """``dataset`` with ``e0`` and, where it was measured, ``e0_sigma``."""
        dataset = dataset.drop_vars("e0_sigma", errors="ignore")
        made = dataset.assign(e0=self.e0.assign_attrs(units="eV", long_name="origin of energies E0"))
        if self.e0_sigma is None:
            return made
        text = "standard uncertainty of E0 from noise"
        return made.assign(e0_sigma=self.e0_sigma.assign_attrs(units="eV", long_name=text))


def choose_origins(dataset: xr.Dataset, e0: float | Literal["series", "each"] = "series") -> Origins:
    """E0 of the spectra of ``dataset`` with its uncertainty in eV.

    Parameters
    ----------
    dataset : xarray.Dataset
        Absorption along ``energy``.
    e0 : float or {"series", "each"}
        A number is taken as exact. "series": that of the first spectrum with an edge, to 0.1 eV, its uncertainty being
        that of noise and rounding. "each": that of each spectrum.

    Raises
    ------
    InvalidInput
        If no spectrum has an edge, or the axis is in keV or an angle.
    """
    import xarray as xr

    _check_axis(dataset)
    if not isinstance(e0, str):
        return Origins(float(e0), xr.DataArray(float(e0)), None)
    common, near, why = series_e0(dataset)
    if common is None:
        raise InvalidInput(
            f"no absorption edge was found in any spectrum ({why}): the absorption does not rise there. Choose another "
            "channel of the file, or name the element and the edge in dataset.attrs, or give e0 in eV."
        )
    note(f"e0 was looked for {why}")
    energy, signal = dataset["energy"].values.astype(float), dataset[signal_name(dataset)]
    sigma = dataset.get(f"{signal.name}_sigma")
    inputs = [signal] if sigma is None else [signal, sigma]
    if e0 == "series":  # the same spectrum as series_e0 took
        for index in first_indices(signal, series_dims(dataset)):
            first = [np.asarray(array.isel(index, missing_dims="ignore").values, float) for array in inputs]
            found = measure_e0(energy, first[0], near, *first[1:])
            if np.isfinite(found["e0"]):
                spread = float(np.hypot(found["e0_sigma"], ROUNDING / np.sqrt(12)))
                return Origins(common, xr.DataArray(common), xr.DataArray(spread))

    def kernel(mu: Array, *known: Array) -> dict[str, Array]:
        spread = [np.broadcast_to(k, mu.shape).astype(float) for k in known]
        return measure_e0(energy, mu.astype(float), near, *spread)

    made = map_spectra(kernel, [(array, ("energy",)) for array in inputs], {"e0": (), "e0_sigma": ()})
    return Origins(common, made["e0"], made["e0_sigma"])


def _check_axis(dataset: xr.Dataset) -> None:
    first, last = (float(dataset["energy"].values[i]) for i in (0, -1))
    named = edge_energy(dataset.attrs.get("element"), dataset.attrs.get("edge"))
    if LOWEST <= last <= RIGHT_ANGLE and not (named is not None and first <= named <= last):
        raise InvalidInput(
            f"energies run from {first:g} to {last:g}, which may be eV or degrees of a monochromator. If they are eV "
            "name the edge: dataset.attrs['element'] = 'Al', dataset.attrs['edge'] = 'L3'."
        )
    if last < LOWEST:
        raise InvalidInput(
            f"energies run from {first:g} to {last:g}, which is no absorption in eV. If they are in keV give "
            "axis_units='keV' to spectra.from_arrays or xas.read; if they are the angle of a "
            "monochromator, turn them into energies by its lattice plane first."
        )
