"""Raman shifts out of what spectrometers write: wavelengths, photon energies, absolute wavenumbers."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from raman.reading.wavelengths import raman_shift, vacuum_wavelength

__all__ = ["EV_TO_WAVENUMBER", "AxisUnits", "Medium", "shift_of"]

FloatArray = npt.NDArray[np.float64]

#: What an axis in a file may be: a Raman shift or an absolute wavenumber in 1/cm, a wavelength, a photon energy.
AxisUnits = Literal["shift", "absolute", "nm", "eV", "infrared"]
Medium = Literal["vacuum", "air"]

#: 1 eV in 1/cm: e / (h c), exact in the SI of 2019.
EV_TO_WAVENUMBER = 8065.543937349212


def shift_of(
    x: npt.ArrayLike, units: AxisUnits, laser: float | None = None, medium: Medium = "vacuum"
) -> FloatArray:
    """Raman shift in 1/cm: wavenumber of the laser minus that of the light; anti-Stokes light has a negative one.

    Parameters
    ----------
    x : array
        Axis of a spectrum.
    units : {"shift", "absolute", "nm", "eV"}
        What ``x`` is; a shift is returned as it is.
    laser : float
        Wavelength of the laser in nm.
    medium : {"vacuum", "air"}
        What the wavelengths, that of the laser too, were measured in. Wavelengths in air taken for those in vacuum
        make shifts too large by the factor 1.00028: 0.8 at 3000 1/cm.

    Returns
    -------
    array

    Examples
    --------
    >>> float(shift_of(547.0, "nm", 532.0).round(1))
    515.5
    """
    axis = np.asarray(x, float)
    if units in ("shift", "infrared"):
        return axis
    if laser is None:
        raise ValueError("a laser wavelength is needed")
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):  # what a damaged file has for an axis
        if units == "eV":
            axis = 1e7 / (axis * EV_TO_WAVENUMBER)
        elif units == "absolute":
            axis = 1e7 / axis
        elif medium == "air":
            axis = vacuum_wavelength(axis)
        if medium == "air":
            laser = float(vacuum_wavelength(laser))
        return raman_shift(axis, laser)
