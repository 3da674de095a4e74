"""Smoothing, with what it does to the noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag, map_spectra, signal_name, spectral_axis
from spectra.errors import InvalidInput
from spectra.preprocessing.linear_operators import (
    apply_weights,
    gaussian_weights,
    savgol_weights,
    whittaker_weights,
)
from spectra.verbs import note, resolve, verb

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["fill_gaps", "smooth"]

Array = npt.NDArray[np.float64]


def fill_gaps(y: Array) -> Array:
    """Spectra with missing points on the line between the points beside; those at the ends as the nearest one.

    Parameters
    ----------
    y : (..., n) array

    Returns
    -------
    (..., n) array
        NaN where a spectrum has no finite point.
    """
    rows = np.array(y, float).reshape(-1, y.shape[-1])
    at = np.arange(rows.shape[1])
    for row in rows[~np.isfinite(rows).all(1)]:
        good = np.isfinite(row)
        if good.any():
            row[~good] = np.interp(at[~good], at[good], row[good])
    lost = ~np.isfinite(rows).all(1)
    for i in np.flatnonzero(lost):
        good = np.isfinite(rows[i])
        rows[i] = np.interp(at, at[good], rows[i, good]) if good.any() else np.nan
    return rows.reshape(y.shape)


@verb("spectra.smooth")
def smooth(
    dataset: xr.Dataset,
    *,
    method: Literal["savgol", "gaussian", "whittaker"] = "savgol",
    window: int = 9,
    order: int = 2,
    fwhm: float | None = None,
    lam: float = 10.0,
    variable: str | None = None,
) -> xr.Dataset:
    r"""Smooth every spectrum; its sigma becomes that of the smoothed points.

    Every new point is a weighted sum of old ones, :math:`\tilde y_i = \sum_j S_{ij} y_j`, and so
    :math:`\tilde\sigma_i^2 = \sum_j S_{ij}^2 \sigma_j^2`. Neighbouring points are then correlated, which no fit knows:
    fit bands to what was measured, and smooth to look.

    Parameters
    ----------
    dataset : xarray.Dataset
        Spectra of any technique.
    method : {"savgol", "gaussian", "whittaker"}
        Savitzky–Golay (``window``, ``order``), a Gaussian (``fwhm``), or Whittaker's smoother (``lam``).
    window : int
        Of "savgol", points; odd.
    order : int
        Of "savgol", degree of the polynomial.
    fwhm : float, optional
        Of "gaussian", full width in units of the axis. Default: four steps of it.
    lam : float
        Of "whittaker", weight of squared second differences.
    variable : str, optional
        What is smoothed. Default: the measured quantity.

    Returns
    -------
    xarray.Dataset
        With the variable smoothed, and its sigma where there is one. Missing points are bridged by a line and stay
        missing. Spectra without a finite point are flagged ``empty``.

    Raises
    ------
    InvalidInput
        A window that does not fit the spectrum or its order, a width that is not above zero.

    References
    ----------
    A. Savitzky & M. J. E. Golay, Anal. Chem. 36, 1627 (1964); P. H. C. Eilers, Anal. Chem. 75, 3631 (2003)

    Examples
    --------
    >>> import numpy as np, spectra
    >>> y = np.random.default_rng(1).normal(0, 1, (4, 500))
    >>> noise = spectra.from_arrays(np.arange(500.0), y, axis="raman_shift", dims=("scan",), sigma=np.ones((4, 500)))
    >>> done = spectra.smooth(noise, window=11)
    >>> round(float(done.intensity.std()), 1), round(float(done.intensity_sigma[0, 250]), 1)
    (0.5, 0.5)
    """
    axis, name = spectral_axis(dataset), variable or signal_name(dataset)
    if name not in dataset or axis not in dataset[name].dims:
        raise InvalidInput(f"there is no variable {name!r} along {axis} to smooth.")
    x = dataset[axis].values.astype(float)
    width = 4 * float(np.median(np.diff(x))) if fwhm is None else fwhm
    weights = (
        savgol_weights(x.size, window, order)
        if method == "savgol"
        else gaussian_weights(x, width)
        if method == "gaussian"
        else whittaker_weights(x.size, lam)
    )
    resolve(variable=name, **({"fwhm": width} if method == "gaussian" else {}))
    note(f"{name} was smoothed: its points are correlated, and its sigma is that of single points")

    def values(y: Array) -> dict[str, npt.NDArray[Any]]:
        return {"y": np.where(np.isfinite(y), apply_weights(weights, fill_gaps(y)), np.nan)}

    def sigmas(s: Array) -> dict[str, npt.NDArray[Any]]:
        return {"s": np.where(np.isfinite(s), apply_weights(weights, fill_gaps(s), quadrature=True), np.nan)}

    source = dataset[name]
    made = map_spectra(values, [(source, (axis,))], {"y": (axis,)})["y"]
    result = dataset.assign({name: made.transpose(*source.dims).assign_attrs(source.attrs)})
    if f"{name}_sigma" in dataset:
        sigma = dataset[f"{name}_sigma"]
        made = map_spectra(sigmas, [(sigma, (axis,))], {"s": (axis,)})["s"]
        result[f"{name}_sigma"] = made.transpose(*sigma.dims).assign_attrs(sigma.attrs)
    return flag(
        result, source.isnull().all(axis), "empty", "the spectrum holds no finite point: it was not measured"
    )
