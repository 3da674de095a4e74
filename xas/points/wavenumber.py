"""Photoelectron wavenumber, its grid, and the windows on it."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from scipy.constants import e as elementary_charge
from scipy.constants import hbar, m_e
from scipy.special import i0 as bessel_i0

from spectra.errors import InvalidInput, did_you_mean

__all__ = [
    "INVERSE_KINETIC",
    "K_STEP",
    "N_FFT",
    "R_STEP",
    "Window",
    "energy_of",
    "k_grid",
    "wavenumber",
    "window",
]

Array = npt.NDArray[np.float64]
Window = Literal["hanning", "parzen", "welch", "kaiser", "sine", "gaussian", "flat"]

#: k² = INVERSE_KINETIC · (E − E0): 2 m / ħ² in 1/(eV Å²), 0.2625.
INVERSE_KINETIC = 2 * m_e * elementary_charge / hbar**2 * 1e-20
#: Step of the k grid in 1/Å, and length of the Fourier transform: they set the step in R, π/(K_STEP · N_FFT) Å.
K_STEP = 0.05
N_FFT = 2048
R_STEP = np.pi / (K_STEP * N_FFT)


def wavenumber(energy: Array, e0: float) -> Array:
    r"""Wavenumber in 1/Å of the photoelectron: :math:`k = \mathrm{sign}(E - E_0)\sqrt{2m|E - E_0|}/\hbar`."""
    above = energy - e0
    return np.asarray(np.sign(above) * np.sqrt(INVERSE_KINETIC * np.abs(above)))


def energy_of(k: float, e0: float) -> float:
    """Energy in eV at which the photoelectron has the wavenumber ``k`` in 1/Å."""
    return float(e0 + k * k / INVERSE_KINETIC)


def k_grid(k_max: float) -> Array:
    """Grid of wavenumbers from 0 to ``k_max`` in steps of 0.05 1/Å."""
    return K_STEP * np.arange(int(1.01 + k_max / K_STEP), dtype=float)


def window(k: Array, low: float, high: float, *, taper: float = 1.0, shape: Window = "hanning") -> Array:
    r"""Window on a uniform grid, one between ``low`` and ``high`` and tapered at both ends.

    The ends of the tapers, :math:`x_{1,2} = \mathrm{low} \mp \mathrm{taper}/2` and
    :math:`x_{3,4} = \mathrm{high} \mp \mathrm{taper}/2`, are moved to grid points. Same values as larch's ``ftwindow``,
    which has no "flat".

    Parameters
    ----------
    k : (n,) array
        Uniform grid.
    low, high : float
        Middles of the two tapers.
    taper : float
        Their width ("dk"). For "kaiser" it is the Bessel function's parameter, for "gaussian" the standard deviation.
    shape : {"hanning", "parzen", "welch", "kaiser", "sine", "gaussian", "flat"}
        On the rising side: sin² (hanning), linear (parzen), parabola (welch). "kaiser" (Kaiser-Bessel, zero at the
        ends), "sine" and "gaussian" have no flat part: amplitudes under different windows do not compare. "flat" is
        one from ``low`` to ``high``, both included, and zero outside, without tapers.

    Returns
    -------
    (n,) array
    """
    if shape not in get_args(Window):
        raise InvalidInput(f"window {shape!r} is not known; {did_you_mean(shape, get_args(Window))}.")
    step = (k[-1] - k[0]) / (k.size - 1)
    tiny = 1e-4 * step
    if shape == "flat":
        return np.where((k >= low - tiny) & (k <= high + tiny), 1.0, 0.0)
    edges = (
        max(k[0], low - taper / 2),
        low + taper / 2 + tiny,
        high - taper / 2 - tiny,
        min(k[-1], high + taper / 2),
    )
    i1, i2, i3, i4 = (min(max(0, int((x + tiny) / step)), k.size - 1) for x in edges)
    if i2 == i1:
        i1 = max(0, i2 - 1)
    if i4 == i3:
        i3 = max(i2, i4 - 1)
    x1, x2, x3, x4 = k[i1], k[i2], k[i3], k[i4]
    x2, x4 = x2 + tiny * (x1 == x2), x4 + tiny * (x3 == x4)
    middle, half = (x1 + x4) / 2, (x4 - x1) / 2
    if shape == "gaussian":
        return np.asarray(np.exp(-((k - middle) ** 2) / (2 * max(taper, tiny) ** 2)))
    if shape == "kaiser":
        inside = np.sqrt(np.clip(1 - ((k - middle) / half) ** 2, 0, None))
        return np.asarray((bessel_i0(taper * inside) - 1) / max(1e-10, float(bessel_i0(taper)) - 1))
    values = np.zeros(k.size)
    if shape == "sine":
        values[i1 : i4 + 1] = np.sin(np.pi * (x4 - k[i1 : i4 + 1]) / (x4 - x1))
        return values
    values[i2:i3] = 1
    up, down = (k[i1 : i2 + 1] - x1) / (x2 - x1), (x4 - k[i3 : i4 + 1]) / (x4 - x3)
    values[i1 : i2 + 1] = _taper(up, shape)
    values[i3 : i4 + 1] = _taper(down, shape)
    return values


def _taper(t: Array, shape: Window) -> Array:
    """From 0 at t = 0 to 1 at t = 1."""
    if shape == "hanning":
        return np.asarray(np.sin(np.pi / 2 * t) ** 2)
    return t if shape == "parzen" else 1 - (1 - t) ** 2
