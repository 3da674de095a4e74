"""How the kernels of this folder are compiled: as those of the fit engine, each entry point in the file of its kernels.

Numba's cache notices a change of the file that an entry point is in, so an entry point and all that it calls stand in
one file.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba

from spectra.fitting.compiled import OPTIONS, kernel

__all__ = ["cores", "entry_point", "in_shares", "kernel"]

_log = logging.getLogger(__name__)


def entry_point(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function that Python calls, cached on disk."""
    try:
        return numba.njit(cache=True, **OPTIONS)(function)  # type: ignore[no-any-return]
    except RuntimeError as error:  # nowhere to write: every process compiles for itself
        _log.warning(
            "compiled kernels cannot be cached (%s); set NUMBA_CACHE_DIR to a writable folder", error
        )
        return numba.njit(**OPTIONS)(function)  # type: ignore[no-any-return]


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_shares(work: Callable[[int, int], None], rows: int, share: int, workers: int | None) -> None:
    """Call ``work(start, stop)`` for all rows, ``share`` at a time, in threads where there is more than one share."""
    starts = range(0, rows, share)
    threads = workers or cores()
    if threads == 1 or len(starts) < 2:
        for start in starts:
            work(start, min(start + share, rows))
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda start: work(start, min(start + share, rows)), starts))
