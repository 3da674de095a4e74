"""Calls through an address: parts of the engine that are compiled on their own, when a model first needs them.

What a kernel calls by name is compiled into it, and optimised again at every level above. Behind an address it is
compiled once. A model carries the addresses of what it needs, so a fit of Gaussians never compiles the other shapes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from spectra.fitting.compiled import OPTIONS, fingerprint

__all__ = ["addressed", "call"]

_log = logging.getLogger(__name__)

_FLOATS, _INTS = types.CPointer(types.float64), types.CPointer(types.int64)
#: sizes, then arrays whose meaning the two sides agree on
_SIGNATURE = types.void(_INTS, _INTS, _FLOATS, _FLOATS, _FLOATS, _FLOATS, _FLOATS, _FLOATS)


def addressed(make: Callable[[int], Callable[..., None]]) -> Any:
    """Compile the function ``make(fingerprint())`` returns, cached on disk; its ``address`` is what :func:`call` takes."""
    function = make(fingerprint())
    options = {"nopython": True, **{k: v for k, v in OPTIONS.items() if k != "nogil"}}
    try:
        return numba.cfunc(_SIGNATURE, cache=True, **options)(function)
    except RuntimeError as error:  # nowhere to write: every process compiles for itself
        _log.warning("compiled fits cannot be cached (%s); set NUMBA_CACHE_DIR to a writable folder", error)
        return numba.cfunc(_SIGNATURE, **options)(function)


@intrinsic
def call(typing, address, sizes, code, a, b, c, d, e, f):
    """Call the function at ``address`` with the memory of eight contiguous arrays, the first two of integers."""
    arrays = (sizes, code, a, b, c, d, e, f)

    def generate(context, builder, signature, values):
        pointers = [
            context.make_array(k)(context, builder, v).data for k, v in zip(arrays, values[1:], strict=True)
        ]
        function = ir.FunctionType(ir.VoidType(), [p.type for p in pointers])
        builder.call(builder.inttoptr(values[0], function.as_pointer()), pointers)
        return context.get_dummy_value()

    return types.void(address, *arrays), generate
