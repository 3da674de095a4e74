"""The exponential function over a row, in vector registers, compiled."""

from __future__ import annotations

import math

import numpy as np

from spectra.preprocessing.compiled import kernel

__all__ = ["exponential"]

#: ln 2 in two parts, of which the first has so few digits that its multiples are exact.
_LN2, _LN2_REST, _PER_LN2 = 0.693147180369123816490, 1.90821492927058770002e-10, 1.4426950408889634


@kernel
def exponential(first, slope, at, bits, out):
    """``out = exp(first + slope * at)``: 2**k times a polynomial of the rest, to 1e-15; ``bits`` is as long, of int64."""
    for i in range(at.size):
        x = min(max(first + slope * at[i], -708.0), 708.0)
        k = math.floor(x * _PER_LN2 + 0.5)
        r = (x - k * _LN2) - k * _LN2_REST
        p = 1.0 / 479001600.0
        p = p * r + 1.0 / 39916800.0
        p = p * r + 1.0 / 3628800.0
        p = p * r + 1.0 / 362880.0
        p = p * r + 1.0 / 40320.0
        p = p * r + 1.0 / 5040.0
        p = p * r + 1.0 / 720.0
        p = p * r + 1.0 / 120.0
        p = p * r + 1.0 / 24.0
        p = p * r + 1.0 / 6.0
        p = p * r + 0.5
        p = p * r + 1.0
        out[i] = p * r + 1.0
        bits[i] = (np.int64(k) + 1023) << 52
    powers = bits.view(np.float64)
    for i in range(at.size):
        out[i] *= powers[i]
