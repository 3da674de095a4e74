"""Detectors of one exposure brought to the same channels, by what they saw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spectra.errors import InvalidInput

__all__ = ["Shifts", "align_channels"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Shifts:
    """How many channels higher each detector sees the same line than the reference, with the counting uncertainty."""

    shift: FloatArray  # (detectors,) channels
    sigma: FloatArray  # (detectors,) channels, 0 for the reference
    reference: int


def align_channels(counts: npt.ArrayLike, *, width: float = 6.0) -> Shifts:
    r"""Shifts between detectors from the maximum of their cross-correlation.

    Spectra are smoothed by a Gaussian of standard deviation ``width``; the maximum of
    :math:`C(s) = \sum_i y_i\, r_{i-s}` is that of the parabola through the three channels around the largest value. By
    error propagation of Poisson counts through :math:`C'(s) = 0`,

    .. math:: \sigma_s^2 = \frac{\sum_i r_i'^2 y_i + \sum_i y_i'^2 r_i}{\left(\sum_i y_i r_i''\right)^2},

    where the smoothing, being the same for both, stands in the template and its derivatives.

    Parameters
    ----------
    counts : (detectors, n) array
        Photons per channel.
    width : float
        Smoothing in channels; about the standard deviation of the lines serves best.

    Returns
    -------
    Shifts
        The reference is the detector with most photons. A detector without photons has NaN.

    Raises
    ------
    InvalidInput
        Counts that are not one row per detector, missing or negative; a width that is not positive.
    """
    from scipy.ndimage import gaussian_filter1d

    y = np.asarray(counts, float)
    if y.ndim != 2 or y.shape[-1] < 3:
        raise InvalidInput(f"counts must be one row of channels per detector, got the shape {y.shape}.")
    if not (y >= 0).all():
        raise InvalidInput("counts must be photons, none of them missing (NaN) or negative.")
    if not 0 < width < np.inf:
        raise InvalidInput(f"width must be a positive number of channels, got {width:g}.")
    n = y.shape[-1]
    best = int(np.argmax(y.sum(axis=-1)))
    # r is smoothed twice: the smoothing of both spectra put into one of them
    smooth = np.sqrt(2.0) * width

    def template(values: FloatArray, order: int) -> FloatArray:
        return np.asarray(gaussian_filter1d(values, smooth, axis=-1, order=order, mode="constant"))

    size = 2 * n
    spectrum = np.fft.rfft(template(y[best], 0) - template(y[best], 0).mean(), size)
    shift, sigma = np.full(len(y), np.nan), np.full(len(y), np.nan)
    for k, one in enumerate(y):
        if not one.any():
            continue
        correlation = np.fft.irfft(np.fft.rfft(one - one.mean(), size) * np.conj(spectrum), size)
        shift[k] = 0.0 if k == best else _maximum(correlation)
        sigma[k] = 0.0 if k == best else _sigma(one, y[best], round(shift[k]), template)
    return Shifts(shift, sigma, best)


def _maximum(correlation: FloatArray) -> float:
    """Place of the largest value between channels, negative ones from the upper half."""
    at = int(np.argmax(correlation))
    before, here, after = (correlation[(at + k) % correlation.size] for k in (-1, 0, 1))
    bend = before - 2 * here + after
    place = at + (0.5 * (before - after) / bend if bend < 0 else 0.0)
    return float(place if at < correlation.size // 2 else place - correlation.size)


def _sigma(y: FloatArray, reference: FloatArray, shift: int, template) -> float:  # type: ignore[no-untyped-def]
    moved = np.roll(y, -shift)
    slope, other = template(reference, 1), template(moved, 1)
    bend = float(np.sum(moved * template(reference, 2)))
    return (
        float(np.sqrt(np.sum(slope**2 * moved) + np.sum(other**2 * reference)) / abs(bend))
        if bend
        else np.nan
    )
