"""How much memory a run may take, and what that makes of a series: shards of so many spectra."""

from __future__ import annotations

import re
from pathlib import Path

from spectra.errors import InvalidInput

__all__ = ["allowed_memory", "read_size", "spectra_per_shard"]

#: Part of the free memory that a run takes if nothing is said.
_SHARE = 0.25
#: Copies of a spectrum and its results that a chain of verbs holds at the same time, measured on the shipped recipes.
_COPIES = 4
#: Spectra of a shard at most: what a crash can lose, and how often a bar moves.
_MOST = 2000
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def read_size(text: str | int | float) -> int:
    """Bytes of a size such as ``"4G"``, ``"500M"`` or a plain number.

    Examples
    --------
    >>> read_size("1.5G")
    1610612736
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?\s*", str(text), re.IGNORECASE)
    size = int(float(match.group(1)) * _UNITS[match.group(2).upper()]) if match else 0
    if size < 2**20:
        raise InvalidInput(f"memory must be a size of at least 1M, such as '500M' or '4G', got {text!r}.")
    return size


def allowed_memory(given: str | int | float | None) -> int:
    """Bytes that a run may take: as given, else a quarter of what is free on this machine or in this job."""
    import psutil

    if given is not None:
        return read_size(given)
    free = int(psutil.virtual_memory().available)
    for limit in _LIMITS:
        try:
            free = min(free, int(limit.read_text()))
        except (OSError, ValueError):
            continue
    return max(2**20, int(_SHARE * free))


def spectra_per_shard(bytes_each: float, memory: int, workers: int) -> int:
    """Spectra that each of several workers can hold with all that its verbs make of them."""
    return max(1, min(_MOST, int(memory / (workers * _COPIES * max(bytes_each, 1.0)))))
