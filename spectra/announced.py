"""Verbs that installed packages announce under the entry point group ``spectra.steps``."""

from __future__ import annotations

import functools
import importlib.metadata
import logging

__all__ = ["announced_verbs"]

_log = logging.getLogger(__name__)


@functools.cache
def announced_verbs() -> dict[str, tuple[str, ...]]:
    """Names of verbs (``STEPS``) by the package that has them."""
    found: dict[str, tuple[str, ...]] = {}
    for entry in importlib.metadata.entry_points(group="spectra.steps"):
        try:
            found[entry.value.partition(":")[0]] = tuple(entry.load())
        except Exception as error:
            if entry.dist is not None and entry.dist.name == "redox-spectra":
                raise
            # a broken package of somebody else must not stop the verbs of all others
            _log.warning("steps %s (%s) cannot be loaded: %s", entry.name, entry.value, error)
    return found
