"""Wavelets of chi(k) as filters: a wave of the distance R passes the filter of its own R, and keeps its place in k."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.fft import fft, ifft, next_fast_len, rfft

__all__ = [
    "Wavelet",
    "WaveletFilter",
    "cone_of_influence",
    "wavelet_filter",
    "wavelet_magnitude",
    "wavelet_transform",
]

Array = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complex128]
Wavelet = Literal["cauchy", "morlet"]

#: Rows at a time: their transforms stay in the processor's cache.
BLOCK = 64


@dataclass(frozen=True)
class WaveletFilter:
    r"""Filters of the rows of a map, on the frequencies of a transform of ``length`` points.

    ``response[i, j]`` belongs to the row ``r[i]`` and the frequency :math:`2\pi j/(\delta k\,N)`; what lies above its
    last column passes none of the filters.
    """

    r: Array  # (n_r,)
    response: Array  # (n_r, m)
    length: int  # N
    points: int  # of chi(k)


def wavelet_filter(
    r: Array, points: int, step: float, *, kind: Wavelet = "cauchy", width: float, length: int | None = None
) -> WaveletFilter:
    r"""Filters H of the wavelets at the distances ``r``, of unit response to a wave :math:`\cos 2kR`.

    .. math:: H_\mathrm{Cauchy} = 2 u^n e^{n(1-u)}, \qquad
              H_\mathrm{Morlet} = 2 \left( e^{-s^2(u-1)^2/2} - e^{-s^2(u^2+1)/2} \right), \qquad
              u = \frac{\omega}{2R}

    Parameters
    ----------
    r : (n_r,) array
        Distances in Å; at 0 nothing passes.
    points : int
        Length of chi(k).
    step : float
        Of its grid, in 1/Å.
    kind : {"cauchy", "morlet"}
        The wavelet.
    width : float
        s: the product ησ of Morlet, or the square root of the order n of Cauchy. The standard deviations are
        :math:`\sigma_k = s/2R` and :math:`\sigma_R = R/s`.
    length : int, optional
        N. Default: twice the data. One end then reaches around to the other from :math:`6\sigma_k` away at least,
        wherever the map is outside of the cone of influence.

    Notes
    -----
    The published Cauchy wavelet, and larch's, has the constant :math:`(2\pi/n!)\, n^n e^{-n}` instead of 2, which falls
    with the order as :math:`\sqrt{2\pi/n}`.

    References
    ----------
    M. Muñoz, P. Argoul & F. Farges, American Mineralogist 88, 694 (2003), doi:10.2138/am-2003-0423
    H. Funke, A. C. Scheinost & M. Chukalina, Phys. Rev. B 71, 094110 (2005), doi:10.1103/PhysRevB.71.094110
    """
    length = int(next_fast_len(2 * points)) if length is None else length
    omega = 2 * np.pi / (step * length) * np.arange(length // 2)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        u = omega / (2 * r[:, None])
        if kind == "cauchy":
            response = 2 * np.exp(width**2 * (np.log(u) + 1 - u))
        else:
            response = 2 * (np.exp(-(width**2) * (u - 1) ** 2 / 2) - np.exp(-(width**2) * (u**2 + 1) / 2))
    response[~np.isfinite(response)] = 0.0
    passing = np.flatnonzero((response > 1e-20).any(0))
    last = int(passing[-1]) + 1 if passing.size else 1
    return WaveletFilter(r, np.ascontiguousarray(response[:, :last]), length, points)


def _rows(x: Array, filters: WaveletFilter, buffer: Complex) -> Iterator[tuple[slice, Complex]]:
    """The map of one signal (points,), some rows at a time, in ``buffer``."""
    m = filters.response.shape[1]
    spectrum = rfft(x, filters.length)[:m]
    for start in range(0, filters.r.size, BLOCK):
        rows = slice(start, min(start + BLOCK, filters.r.size))
        part = buffer[: rows.stop - rows.start]
        np.multiply(filters.response[rows], spectrum, out=part[:, :m])
        part[:, m:] = 0
        made = ifft(part, axis=-1, overwrite_x=True)
        yield rows, made[:, : filters.points]


def _buffer(filters: WaveletFilter) -> Complex:
    return np.empty((min(BLOCK, filters.r.size), filters.length), complex)


def wavelet_transform(x: Array, filters: WaveletFilter) -> Complex:
    r"""Complex maps (..., n_r, n_k) of signals (..., n_k): :math:`k^w\,\Omega(k)\,\chi(k)` on a uniform grid from 0."""
    signals = x.reshape(-1, x.shape[-1])
    out = np.empty((len(signals), filters.r.size, x.shape[-1]), complex)
    buffer = _buffer(filters)
    for signal, image in zip(signals, out, strict=True):
        for rows, made in _rows(signal, filters, buffer):
            image[rows] = made
    return out.reshape((*x.shape[:-1], *out.shape[1:]))


def wavelet_magnitude(
    x: Array, filters: WaveletFilter, dtype: npt.DTypeLike = float
) -> npt.NDArray[np.floating]:
    """Magnitudes (..., n_r, n_k) of :func:`wavelet_transform`, without the memory of the complex maps."""
    signals = x.reshape(-1, x.shape[-1])
    out = np.empty((len(signals), filters.r.size, x.shape[-1]), dtype)
    buffer = _buffer(filters)
    for signal, image in zip(signals, out, strict=True):
        for rows, made in _rows(signal, filters, buffer):
            np.abs(made, out=image[rows], casting="same_kind")
    return out.reshape((*x.shape[:-1], *out.shape[1:]))


def adjoint(image: Complex, filters: WaveletFilter) -> Array:
    """Signal (n_k,) whose product with any x is the real part of the product of ``image`` (n_r, n_k) with x's map."""
    spectrum = fft(image, filters.length, axis=-1)[:, : filters.response.shape[1]]
    whole = np.zeros(filters.length, complex)
    whole[: spectrum.shape[1]] = (spectrum * filters.response).sum(0)
    return np.asarray(ifft(whole)[: filters.points].real)


def cone_of_influence(r: Array, k: Array, low: float, high: float, width: float) -> npt.NDArray[np.bool_]:
    r"""Where a map (n_r, n_k) feels the ends of the data: closer to them than :math:`2\sigma_k = s/R`, or beyond.

    Parameters
    ----------
    r, k : arrays
        Axes of the map.
    low, high : float
        Ends of the data in 1/Å.
    width : float
        s; see :func:`wavelet_filter`.
    """
    with np.errstate(divide="ignore"):
        reach = np.where(r > 0, width / r, np.inf)[:, None]
    return (k - low < reach) | (high - k < reach)
