"""Filters that act on whole spectra by their Fourier transforms, and what they make of noise."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "by_blocks",
    "damped",
    "gaussian",
    "log_ratio",
    "modified",
    "padded_length",
    "power_of",
    "transform",
    "variance_after",
]

Array = npt.NDArray[Any]

#: Rows that are worked on at a time: their transforms stay in the processor's cache.
BLOCK = 16
#: The phase of J/Z stays within pi of zero for spectra up to about this ln(J/Z) at zero frequency, unless noise moves it.
THIN = 2.5


def padded_length(channels: int) -> int:
    """Length of transforms that hold so many channels, even, with small factors."""
    from scipy.fft import next_fast_len

    return 2 * int(next_fast_len((channels + 1) // 2, real=True))


def transform(y: Array, length: int) -> Array:
    """Transform (rows, f) of rows of real channels, in their own precision."""
    from scipy.fft import rfft

    return np.asarray(rfft(y, length, axis=-1))


def inverse(y: Array, length: int) -> Array:
    """Real channels (rows, length) of a transform."""
    from scipy.fft import irfft

    return np.asarray(irfft(y, length, axis=-1))


def gaussian(length: int, fwhm: Array, position: Array, area: Array) -> Array:
    """Transform (rows, f) of Gaussians: width, middle and area (rows,) in channels."""
    f = np.arange(length // 2 + 1) / length
    width = fwhm[..., None] / np.sqrt(8 * np.log(2))
    return np.asarray(
        area[..., None] * np.exp(-2 * (np.pi * width * f) ** 2 - 2j * np.pi * f * position[..., None])
    )


def power_of(y: Array) -> Array:
    """Power at each frequency of a transform."""
    made = y.real * y.real
    made += y.imag * y.imag
    return np.asarray(made)


def damped(top: Array, bottom: Array, power: Array) -> Array:
    r"""Ratio of transforms with Wiener's damping: :math:`t\,\bar b / (|b|^2 + P)`, P (rows,) the power of the noise in b."""
    below = power_of(bottom)
    below += power[..., None].astype(below.dtype)
    np.maximum(below, np.finfo(below.dtype).tiny, out=below)
    made: Array = top * bottom.conj()
    made *= np.reciprocal(below, out=below)
    return made


def log_ratio(top: Array, bottom: Array) -> Array:
    """Logarithm of the ratio of two transforms, its phase continuous from zero frequency on."""
    tiny = np.sqrt(np.finfo(top.real.dtype).tiny)  # nothing, as a power
    ratio = top * bottom.conj()
    made = np.empty_like(top)
    np.arctan2(ratio.imag, ratio.real, out=made.imag)
    size = np.maximum(power_of(top), tiny)
    size /= np.maximum(power_of(bottom), tiny)
    np.log(np.maximum(size, tiny, out=size), out=size)
    np.multiply(size, 0.5, out=made.real)
    thick = np.flatnonzero(size[..., 0] > 2 * THIN)
    if thick.size:
        made.imag[thick] = np.unwrap(made.imag[thick], axis=-1)
    return made


def modified(zero: Array, modifier: str, length: int, fwhm: Array, position: Array) -> Array:
    """Transform of what a loss-free electron becomes: the zero-loss peak ``zero`` itself, or a Gaussian of its area."""
    if modifier == "zero_loss":
        return zero
    area = zero[..., 0].real
    return gaussian(length, np.nan_to_num(fwhm), np.nan_to_num(position), area).astype(zero.dtype)


def variance_after(pairs: Sequence[tuple[Array, Array]], out: int, around: int = 1) -> Array:
    """Variance (rows, out) of channels that are sums of independent ones.

    Each pair is the transform (rows, f) of a response around zero lag and the variances (rows, n) of what it acts on;
    those of the first are taken as the mean of ``around`` channels.
    """
    length = 2 * (pairs[0][0].shape[-1] - 1)
    spread: Array | None = None
    for response, variance in pairs:
        squared = inverse(response, length)
        squared *= squared
        one = transform(squared, length)
        one *= transform(variance.astype(squared.dtype, copy=False), length)
        if spread is None and around > 1:
            one *= _box(length, around).astype(squared.dtype)
        spread = one if spread is None else spread + one
    assert spread is not None
    return np.maximum(inverse(spread, length)[..., :out], 0)


@functools.lru_cache(maxsize=8)
def _box(length: int, width: int) -> Array:
    """Transform of the mean of ``width`` channels around each, an odd number; real."""
    f = np.arange(length // 2 + 1) / length
    return np.asarray(sum(np.cos(2 * np.pi * f * k) for k in range(-(width // 2), width // 2 + 1)) / width)


def by_blocks(work: Callable[[slice], None], rows: int, workers: int | None = None) -> None:
    """Call ``work`` for all rows, some at a time, in threads."""
    from spectra.preprocessing.compiled import in_shares

    in_shares(lambda start, stop: work(slice(start, stop)), rows, BLOCK, workers)
