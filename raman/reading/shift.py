"""Raman shifts out of what spectrometers write: wavelengths, photon energies, absolute wavenumbers."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = ["EV_TO_WAVENUMBER", "AxisUnits", "Medium", "raman_shift", "vacuum_wavelength"]

FloatArray = npt.NDArray[np.float64]

#: What an axis in a file may be: a Raman shift or an absolute wavenumber in 1/cm, a wavelength, a photon energy.
AxisUnits = Literal["shift", "absolute", "nm", "eV", "infrared"]
Medium = Literal["vacuum", "air"]

#: 1 eV in 1/cm: e / (h c), exact in the SI of 2019.
EV_TO_WAVENUMBER = 8065.543937349212


def vacuum_wavelength(air: npt.ArrayLike) -> FloatArray:
    r"""Wavelength in vacuum of a wavelength measured in standard air (15 °C, 101325 Pa, 450 ppm CO2).

    .. math:: n - 1 = 10^{-8}\left(\frac{5792105}{238.0185 - \sigma^2} + \frac{167917}{57.362 - \sigma^2}\right)

    with :math:`\sigma` the wavenumber in 1/µm.

    Parameters
    ----------
    air : array
        Wavelengths in nm.

    Returns
    -------
    array
        Wavelengths in nm.

    References
    ----------
    P. E. Ciddor, Appl. Opt. 35, 1566 (1996), doi:10.1364/AO.35.001566

    Examples
    --------
    >>> float(vacuum_wavelength(585.2488).round(4))
    585.411
    """
    wavelength = np.asarray(air, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        square = (1e3 / wavelength) ** 2
        excess = 1e-8 * (5792105 / (238.0185 - square) + 167917 / (57.362 - square))
    return np.asarray(wavelength * (1 + excess))


def raman_shift(
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
    >>> float(raman_shift(547.0, "nm", 532.0).round(1))
    515.5
    """
    axis = np.asarray(x, float)
    if units in ("shift", "infrared"):
        return axis
    if laser is None:
        raise ValueError("a laser wavelength is needed")
    in_air = medium == "air"
    with np.errstate(divide="ignore", invalid="ignore"):
        if units == "nm":
            axis = 1e7 / (vacuum_wavelength(axis) if in_air else axis)
        elif units == "eV":
            axis = axis * EV_TO_WAVENUMBER
        return np.asarray(1e7 / float(vacuum_wavelength(laser) if in_air else laser) - axis)
