"""The response of a spectrometer along its axis, taken off by a source whose spectrum is known."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset import as_dataset, flag, series_dims, signal_name, spectral_axis
from spectra.errors import InvalidInput
from spectra.preprocessing.linear_operators import apply_weights, gaussian_weights
from spectra.preprocessing.smoothing import fill_gaps
from spectra.verbs import note, resolve, verb

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["calibrate_intensity"]

Array = npt.NDArray[np.float64]

AXIS = "raman_shift"
#: Below this part of its largest value a source says nothing about the response.
FAINT = 0.01


@verb("raman.calibrate_intensity", axis=AXIS)
def calibrate_intensity(
    dataset: xr.Dataset,
    *,
    source: Any,
    coefficients: tuple[float, ...] | None = None,
    curve: Any = None,
    window: tuple[float, float] | None = None,
    fwhm: float = 30.0,
    dark: float = 0.0,
) -> xr.Dataset:
    r"""Correct the intensities for the response of the spectrometer, by a source of known spectrum measured on it.

    .. math:: y' = y\,\frac{I_s(\nu)}{\tilde y_s(\nu)}\,\Big/\,\Big\langle\frac{I_s}{\tilde y_s}\Big\rangle

    with the measured source :math:`\tilde y_s`, smoothed and less ``dark``, and its certified relative intensity
    :math:`I_s`: :math:`\sum_i A_i \nu^i` of a luminescent glass (NIST SRM 2241 to 2246), or a curve of a lamp or LED.
    The mean over the window is taken out, so counts stay about what they were.

    Parameters
    ----------
    dataset : xarray.Dataset
        Spectra along ``raman_shift``, measured with the same grating, and baselines not yet subtracted.
    source : xarray.Dataset or path
        Spectrum of the source; repeats are averaged.
    coefficients : tuple of float, optional
        :math:`A_0, A_1, \dots` of the source's certificate, for shifts in 1/cm. None are built in: they belong to the
        glass and the laser that the certificate names.
    curve : xarray.Dataset or path, optional
        Known relative intensity of the source along ``raman_shift`` instead. Without either the source is taken as white:
        of equal intensity at all shifts.
    window : (float, float), optional
        In 1/cm, where the certificate holds; outside the result is NaN. Default: where the source was measured.
    fwhm : float
        Full width in 1/cm of the Gaussian that the measured source is smoothed by; 0 leaves it.
    dark : float
        Counts that the detector adds to the source's spectrum.

    Returns
    -------
    xarray.Dataset
        With the intensities (and their sigma) corrected, and ``intensity_correction`` along the axis, its sigma where the
        source has one. Flags: ``empty``.

    Raises
    ------
    InvalidInput
        Coefficients and a curve together, a source that is dark or negative inside the window, or one that does not
        overlap the spectra.

    Examples
    --------
    >>> import numpy as np, spectra, raman
    >>> shift = np.arange(200.0, 1800.0, 2.0)
    >>> response = np.exp(-(((shift - 900) / 900) ** 2))
    >>> attrs = {"technique": "raman"}
    >>> glass = spectra.from_arrays(shift, 5000 * response * (1 + shift / 4000), axis="raman_shift", attrs=attrs)
    >>> flat = spectra.from_arrays(shift, 100 * response, axis="raman_shift", attrs=attrs)
    >>> done = raman.calibrate_intensity(flat, source=glass, coefficients=(1.0, 1 / 4000))
    >>> round(float(done.intensity[50:-50].std() / done.intensity[50:-50].mean()), 3)
    0.0
    """
    if coefficients is not None and curve is not None:
        raise InvalidInput("the source's certificate is either coefficients or a curve; both were given.")
    if fwhm < 0:
        raise InvalidInput(f"fwhm is a width in 1/cm, 0 for none, got {fwhm:g}.")
    x = dataset[AXIS].values.astype(float)
    correction, sigma = _stored(source, x) or _correction(x, source, coefficients, curve, window, fwhm, dark)
    resolve(source={"content": {"raman_shift": x, "correction": correction, "sigma": sigma}})
    if coefficients is None and curve is None and _stored(source, x) is None:
        note("neither coefficients nor a curve were given: the source was taken as white")
    lost = int(np.isnan(correction).sum())
    if lost:
        note(f"{lost} of {x.size} points lie outside of the window or of the source, and are NaN")
    return _applied(dataset, correction, sigma)


def _applied(dataset: xr.Dataset, correction: Array, sigma: Array | None) -> xr.Dataset:
    import xarray as xr

    name = signal_name(dataset)
    factor = xr.DataArray(correction, dims=AXIS)
    result = dataset.assign({name: (dataset[name] * factor).assign_attrs(dataset[name].attrs)})
    if f"{name}_sigma" in dataset:
        before = dataset[f"{name}_sigma"]
        result[f"{name}_sigma"] = (before * factor).assign_attrs(before.attrs)
    result["intensity_correction"] = factor.assign_attrs(
        units="", long_name="factor that the intensities were multiplied with"
    )
    if sigma is not None:
        about = {
            "units": "",
            "long_name": "standard uncertainty of intensity_correction, common to all spectra",
        }
        result["intensity_correction_sigma"] = xr.DataArray(sigma, dims=AXIS, attrs=about)
    return flag(
        result,
        dataset[name].isnull().all(AXIS),
        "empty",
        "the spectrum holds no finite point: it was not measured",
    )


def _stored(source: Any, x: Array) -> tuple[Array, Array | None] | None:
    """The correction as a history holds it, so that a re-run needs no file."""
    if not (isinstance(source, Mapping) and set(source) == {"content"}):
        return None
    content = source["content"]
    if not np.allclose(content["raman_shift"], x):
        raise InvalidInput(
            "this stored intensity correction was made for another axis: give the spectrum of the source."
        )
    sigma = content["sigma"]
    return np.asarray(content["correction"], float), None if sigma is None else np.asarray(sigma, float)


def _curve_of(given: Any, what: str) -> tuple[Array, Array, Array | None]:
    """Axis, values and sigma of one spectrum or the mean of repeats."""
    if isinstance(given, str | os.PathLike):
        from raman.reading import read

        given = read(os.fspath(given))
        for file in json.loads(given.attrs.get("inputs", "[]")):
            note(f"{what} read from {file['file']}, SHA-256 {file['sha256']}")
    data = as_dataset(given, verb=f"calibrate_intensity ({what})")
    if spectral_axis(data) != AXIS:
        raise InvalidInput(
            f"{what} lies along {spectral_axis(data)}; calibrate_intensity needs it along {AXIS}."
        )
    signal, dims = data[signal_name(data)], series_dims(data)
    y = (signal.mean(dims) if dims else signal).values.astype(float)
    if not np.isfinite(y).any():
        raise InvalidInput(f"{what} holds no finite point.")
    sigma = data.get(f"{signal.name}_sigma")
    if sigma is None:
        return data[AXIS].values.astype(float), y, None
    if dims:
        count = int(np.prod([data.sizes[d] for d in dims]))
        sigma = (sigma**2).sum(dims) ** 0.5 / count
    return data[AXIS].values.astype(float), y, sigma.values.astype(float)


def _correction(
    x: Array, source: Any, coefficients: tuple[float, ...] | None, curve: Any,
    window: tuple[float, float] | None, fwhm: float, dark: float,
) -> tuple[Array, Array | None]:  # fmt: skip
    at, y, sigma = _curve_of(source, "the source")
    y = fill_gaps(y) - dark
    if fwhm > 0:
        weights = gaussian_weights(at, fwhm)
        y = apply_weights(weights, y)
        sigma = None if sigma is None else apply_weights(weights, fill_gaps(sigma), quadrature=True)
    low, high = sorted(window) if window else (-np.inf, np.inf)
    low, high = max(low, float(at[0])), min(high, float(at[-1]))
    inside = (x >= low) & (x <= high)
    if inside.sum() < 2:
        raise InvalidInput(
            f"the source was measured from {at[0]:.0f} to {at[-1]:.0f} 1/cm, and between {low:.0f} and {high:.0f} the spectra have "
            f"{int(inside.sum())} points: measure it with the same grating, or widen window."
        )
    measured = np.interp(x, at, y)
    if coefficients is not None:
        known = np.polynomial.polynomial.polyval(x, coefficients)
    elif curve is not None:
        where, values, _ = _curve_of(curve, "the curve")
        inside &= (x >= where[0]) & (x <= where[-1])
        known = np.interp(x, where, fill_gaps(values))
    else:
        known = np.ones(x.size)
    faint = inside & ~((measured > FAINT * measured[inside].max()) & (known > 0))
    if faint.any():
        raise InvalidInput(
            f"the source or its certificate is dark or negative at {int(faint.sum())} points between {x[faint].min():.0f} and "
            f"{x[faint].max():.0f} 1/cm: narrow window to where both stand, or look at dark."
        )
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.where(inside, known / measured, np.nan)
    factor /= np.nanmean(factor)
    if sigma is None:
        return factor, None
    return factor, np.abs(factor) * np.interp(x, at, sigma) / np.abs(measured)
