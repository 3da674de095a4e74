"""Diffuse reflection of powders: the Kubelka-Munk function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from raman.infrared.transmission import fraction_of
from spectra.dataset import flag, map_spectra, signal_name
from spectra.verbs import note, verb

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["RemissionFunction", "kubelka_munk", "remission_function"]

FloatArray = npt.NDArray[np.float64]

_LN10 = float(np.log(10.0))


@dataclass(frozen=True)
class RemissionFunction:
    """Absorption over scattering and its standard uncertainty, NaN where no light came back."""

    value: FloatArray  # (..., n)
    sigma: FloatArray  # (..., n), NaN without uncertainties
    dark: npt.NDArray[np.bool_]  # (...) some points sent no light back
    above: npt.NDArray[np.bool_]  # (...) some points reflect more than the standard, beyond 3 sigma
    blind: npt.NDArray[np.bool_]  # (...) no point sent any light back


def remission_function(
    reflectance: npt.ArrayLike, *, sigma: npt.ArrayLike | None = None
) -> RemissionFunction:
    r"""Kubelka-Munk function :math:`F(R_\infty) = (1 - R_\infty)^2 / (2 R_\infty) = K / S`.

    Parameters
    ----------
    reflectance : (..., n) array
        Diffuse reflectance of an optically thick layer relative to a standard that reflects all light, as a fraction.
    sigma : (..., n) array, optional
        Its standard uncertainty; :math:`\sigma_F = |1 - R^2| / (2 R^2)\, \sigma_R`.

    Returns
    -------
    RemissionFunction
        ``value`` and its ``sigma``, both without units and NaN where no light came back, and which spectra had such
        points, points above the standard, or no light at all.

    Examples
    --------
    >>> remission_function([0.5, 1.0]).value
    array([0.25, 0.  ])
    """
    r = np.asarray(reflectance, float)
    lit = r > 0
    safe = np.where(lit, r, 1.0)
    value = np.where(lit, (1 - safe) ** 2 / (2 * safe), np.nan)
    errors = np.full(r.shape, np.nan) if sigma is None else np.asarray(sigma, float)
    slack = 1e-9 if sigma is None else 3 * errors
    return RemissionFunction(
        value,
        np.where(lit, np.abs(1 - safe**2) / (2 * safe**2) * errors, np.nan),
        np.asarray((np.isfinite(r) & ~lit).any(-1)),
        np.asarray((r > 1 + slack).any(-1)),
        np.asarray(~lit.any(-1)),
    )


@verb("raman.kubelka_munk", axis="wavenumber")
def kubelka_munk(dataset: xr.Dataset, *, units: Literal["fraction", "percent"] | None = None) -> xr.Dataset:
    r"""Kubelka-Munk function of diffuse reflectance; add ``kubelka_munk``.

    :math:`F(R_\infty) = (1 - R_\infty)^2 / (2 R_\infty) = K/S` is proportional to concentration where the layer is
    optically thick and light is scattered isotropically, and where :math:`R_\infty` is relative to a standard that
    absorbs nothing, measured like the sample. Points without light are NaN (flag ``no_light``); reflectance above 1
    gives values that rise again and mean nothing (flag ``above_standard``).

    Parameters
    ----------
    dataset : xarray.Dataset
        With ``reflectance``, or ``log_reflectance`` (log10 1/R), along ``wavenumber``; any series dimensions.
    units : {"fraction", "percent"}, optional
        What the reflectance is in. Default: what the dataset says; values that contradict it are refused.

    Returns
    -------
    xarray.Dataset
        With ``kubelka_munk`` as the measured quantity, and ``kubelka_munk_sigma`` where the reflectance has its own.

    Raises
    ------
    InvalidInput
        Another quantity, or percent that is called a fraction.

    References
    ----------
    P. Kubelka, F. Munk, Z. Tech. Phys. 12, 593 (1931).

    Examples
    --------
    >>> import raman, spectra
    >>> data = spectra.from_arrays([1000, 1001], [50.0, 100.0], axis="wavenumber", name="reflectance", units="%")
    >>> raman.kubelka_munk(data).kubelka_munk.values
    array([0.25, 0.  ])
    """
    logarithmic = signal_name(dataset) == "log_reflectance"
    if logarithmic:
        signal, factor = "log_reflectance", 1.0
    else:
        signal, factor = fraction_of(dataset, units, "raman.kubelka_munk", ("reflectance", "log_reflectance"))
    sigma = dataset.get(f"{signal}_sigma")
    axis = "wavenumber"
    inputs = [(dataset[signal], (axis,))] + ([] if sigma is None else [(sigma, (axis,))])

    def kernel(light: FloatArray, errors: FloatArray | None = None) -> dict[str, FloatArray]:
        r = 10.0**-light if logarithmic else light * factor
        slope = _LN10 * r if logarithmic else factor
        return dict(vars(remission_function(r, sigma=None if errors is None else errors * slope)))

    outputs: dict[str, tuple[str, ...]] = {"value": (axis,), "dark": (), "above": (), "blind": ()}
    if sigma is not None:
        outputs["sigma"] = (axis,)
    made = map_spectra(kernel, inputs, outputs, dtypes={"dark": bool, "above": bool, "blind": bool})
    attrs = {"units": "", "long_name": "Kubelka-Munk function"}
    result = dataset.assign(kubelka_munk=made["value"].assign_attrs(attrs)).assign_attrs(
        signal="kubelka_munk"
    )
    if sigma is not None:
        result = result.assign(kubelka_munk_sigma=made["sigma"].assign_attrs(units=""))
    note("valid for an optically thick layer and relative to a standard that absorbs nothing")
    blind = made["blind"]
    result = flag(
        result, made["dark"] & ~blind, "no_light",
        "no light came back at some wavenumbers, where the function is NaN: crop them, or dilute the sample",
        severity="warning",
    )  # fmt: skip
    result = flag(
        result, made["above"] & ~blind, "above_standard",
        "some points reflect more than the standard, and the function means nothing there: measure the standard again",
        severity="warning",
    )  # fmt: skip
    return flag(
        result,
        blind,
        "not_measured",
        "no point has any light: the spectrum is empty or its background is missing",
    )
