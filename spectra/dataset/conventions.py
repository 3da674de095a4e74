"""What a spectrum's dataset looks like, and the check that it does.

One spectral axis (a dimension with a coordinate of the same name, ascending, finite, without duplicates, units in
``attrs["units"]``), any other dimensions, the measured quantity under its own name, its standard uncertainty as
``<name>_sigma``. ``attrs["signal"]`` names the measured quantity, ``attrs["technique"]`` the technique.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from spectra.errors import InvalidInput

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["AXES", "SCALES", "TOLD", "as_dataset", "series_dims", "signal_name", "spectral_axis", "validate"]

#: Measured spectral axes and their units (NeXus spelling). Derived axes (``k``, ``r``) stand beside, never instead.
AXES = {
    "energy": "eV",
    "binding_energy": "eV",
    "kinetic_energy": "eV",
    "energy_loss": "eV",
    "raman_shift": "1/cm",
    "wavenumber": "1/cm",
    "path_difference": "cm",  # of an interferogram
    "detector_channel": "",  # of photons before there is an energy scale
    "trial_valence": "",  # of what sources say of a valence, as densities
}
#: Those that a user names: the others are made here, or by a reader.
TOLD = ("energy", "binding_energy", "kinetic_energy", "energy_loss", "raman_shift", "wavenumber")
#: Units that an axis may be given in, by its own units: how many of these they are.
SCALES = {
    "eV": {"eV": 1.0, "keV": 1e3, "meV": 1e-3},
    "1/cm": {"1/cm": 1.0, "1/m": 1e-2},
    "cm": {"cm": 1.0, "mm": 0.1, "um": 1e-4},
    "": {"": 1.0},
}


def spectral_axis(dataset: xr.Dataset) -> str:
    """Name of the one spectral axis of ``dataset``."""
    found = [name for name in AXES if name in dataset.dims]
    if len(found) != 1:
        what = (
            f"two ({', '.join(found)})"
            if found
            else f"none (dimensions: {', '.join(map(str, dataset.dims))})"
        )
        raise InvalidInput(
            f"a dataset of spectra has one spectral axis out of {', '.join(AXES)}; this one has {what}."
        )
    return found[0]


def signal_name(dataset: xr.Dataset) -> str:
    """Name of the measured quantity of ``dataset``: ``mu``, ``counts``, ``intensity``, ..."""
    name = dataset.attrs.get("signal")
    if name in dataset.variables:
        return str(name)
    axis = spectral_axis(dataset)
    candidates = [
        str(n) for n, v in dataset.data_vars.items() if axis in v.dims and not str(n).endswith("_sigma")
    ]
    if len(candidates) == 1:
        return candidates[0]
    raise InvalidInput(
        f"which variable was measured is not said; set dataset.attrs['signal'] to one of {', '.join(candidates)}."
    )


def series_dims(dataset: xr.Dataset) -> tuple[str, ...]:
    """Dimensions of the measured quantity beside the spectral axis, in order; empty for a single spectrum."""
    axis = spectral_axis(dataset)
    return tuple(str(d) for d in dataset[signal_name(dataset)].dims if d != axis)


def as_dataset(data: Any, *, verb: str = "this function") -> xr.Dataset:
    """``data`` as a validated dataset; a larch Group, a HyperSpy signal or a DataFrame is converted."""
    import xarray as xr

    import spectra.dataset.accessor  # noqa: F401  every dataset that passed here has ``.spectra``

    if isinstance(data, xr.Dataset):
        return validate(data)
    from spectra.dataset.convert import from_foreign

    converted = from_foreign(data)
    if converted is None:
        raise InvalidInput(
            f"{verb} takes an xarray.Dataset of spectra (or a larch Group, a HyperSpy signal, a pandas DataFrame), "
            f"got {type(data).__name__}. Read a file with spectra.read or build one with spectra.from_arrays."
        )
    return validate(converted)


def validate(dataset: xr.Dataset) -> xr.Dataset:
    """``dataset`` itself if it keeps the conventions; otherwise an error that says which one it breaks."""
    axis = spectral_axis(dataset)
    if axis not in dataset.coords:
        raise InvalidInput(f"the spectral axis {axis} has no values: assign a coordinate named {axis!r}.")
    values = dataset[axis].values
    if not np.issubdtype(values.dtype, np.number):
        raise InvalidInput(f"the spectral axis {axis} holds {values.dtype}, not numbers.")
    if values.size < 2:
        raise InvalidInput(f"a spectrum needs at least 2 points along {axis}, got {values.size}.")
    if not np.isfinite(values).all():
        raise InvalidInput(
            f"{axis} holds {np.count_nonzero(~np.isfinite(values))} values that are not finite: remove these points "
            "(spectra.from_arrays does it and says so)."
        )
    if not (np.diff(values) > 0).all():
        raise InvalidInput(
            f"{axis} does not ascend strictly: sort it and average duplicates (spectra.from_arrays does both and says so)."
        )
    signal = dataset[signal_name(dataset)]
    if axis not in signal.dims:
        raise InvalidInput(
            f"the measured quantity {signal.name!r} does not lie along {axis}, but along {signal.dims}."
        )
    if not (np.issubdtype(signal.dtype, np.number) or signal.dtype == bool):
        raise InvalidInput(f"the measured quantity {signal.name!r} holds {signal.dtype}, not numbers.")
    return dataset
