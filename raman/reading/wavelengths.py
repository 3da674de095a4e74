"""Wavelengths in air and in vacuum, and what they are as Raman shifts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from raman.tables import load_table, number

__all__ = ["raman_shift", "vacuum_wavelength"]

Array = npt.NDArray[np.float64]


def vacuum_wavelength(air: npt.ArrayLike) -> Array:
    r"""Wavelength in vacuum of light with the wavelength ``air`` in standard air (dry, 15 °C, 101.325 kPa).

    .. math:: \lambda_\mathrm{vac} = n\,\lambda_\mathrm{air}, \quad
              n - 1 = \frac{k_1}{k_0 - s} + \frac{k_3}{k_2 - s}, \quad s = \lambda_\mathrm{vac}^{-2}

    Parameters
    ----------
    air : array
        In nm, between 230 and 1690.

    Returns
    -------
    array
        In nm.

    References
    ----------
    P. E. Ciddor, Appl. Opt. 35, 1566 (1996), doi:10.1364/AO.35.001566

    Examples
    --------
    >>> round(float(vacuum_wavelength(640.2248)), 4)
    640.4018
    """
    table = load_table("calibration_lines")["air"]
    k0, k1, k2, k3 = (number(table[k]) for k in ("k0", "k1", "k2", "k3"))
    given = np.asarray(air, float)
    vacuum = given.copy()
    for _ in range(4):  # n hardly depends on which of the two wavelengths it is taken at
        s = (1e3 / vacuum) ** 2
        vacuum = given * (1 + k1 / (k0 - s) + k3 / (k2 - s))
    return vacuum


def raman_shift(wavelength: npt.ArrayLike, laser: float) -> Array:
    """Raman shift in 1/cm of light scattered from a laser, both wavelengths in nm and in the same medium.

    Parameters
    ----------
    wavelength : array
        Of the scattered light, in nm.
    laser : float
        Of the laser, in nm.

    Returns
    -------
    array
        In 1/cm; above zero on the Stokes side.

    Examples
    --------
    >>> round(float(raman_shift(vacuum_wavelength(837.7607), 785.0)), 1)
    805.6
    """
    return np.asarray(1e7 / laser - 1e7 / np.asarray(wavelength, float))
