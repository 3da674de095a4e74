"""How kernels are compiled: without the interpreter's lock, division as NumPy does it, cached on disk.

Only the engine's few entry points are cached (:func:`entry_point`); what they call is compiled into them. Numba's
cache notices a change of the file an entry point is in, but not of the files it calls, so a fingerprint of all of
them is made part of the entry point itself.
"""

from __future__ import annotations

import functools
import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

__all__ = ["entry_point", "fingerprint", "kernel", "open_kernel", "reduction"]

_log = logging.getLogger(__name__)

#: Fused multiply-add is welcome; NaN and infinity keep their meaning.
OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"contract", "nsz"}}

#: Kernels are only called by kernels: what Python would need to call them is not compiled.
_INNER: dict[str, Any] = {**OPTIONS, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}

kernel = numba.njit(**_INNER)
#: A kernel that Python calls, too.
open_kernel = numba.njit(**OPTIONS)
#: For sums, which may be added up in any order and so in vector registers.
reduction = numba.njit(**{**_INNER, "fastmath": {"contract", "nsz", "reassoc"}})


@functools.cache
def fingerprint() -> int:
    """A number that changes with any source that is compiled: the files that import from here, and their constants."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        text = path.read_bytes()
        if b"fitting.compiled import" in text or path.stem in {"compiled", "kinds", "opcodes"}:
            digest.update(text)
    return int.from_bytes(digest.digest()[:7], "big")


def entry_point(make: Callable[[int], Callable[..., Any]]) -> Callable[..., Any]:
    """Compile the function that ``make(fingerprint())`` returns, once per change of the sources, cached on disk."""
    function = make(fingerprint())
    try:
        return numba.njit(cache=True, **OPTIONS)(function)  # type: ignore[no-any-return]
    except RuntimeError as error:  # nowhere to write: every process compiles for itself
        _log.warning("compiled fits cannot be cached (%s); set NUMBA_CACHE_DIR to a writable folder", error)
        return numba.njit(**OPTIONS)(function)  # type: ignore[no-any-return]
