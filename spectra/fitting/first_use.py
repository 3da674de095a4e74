"""Says that the engine is being compiled: a minute without a word, once after an installation, looks like a fault."""

from __future__ import annotations

import logging
from typing import Any

from numba.core import event

__all__ = ["say_when_compiled"]

_log = logging.getLogger(__name__)


class _Compiling(event.Listener):  # type: ignore[misc]  # numba has no types
    """Hears when one function is compiled; what comes from the cache on disk is not."""

    def __init__(self, function: Any) -> None:
        self.function = function

    def on_start(self, event: event.Event) -> None:
        if event.data["dispatcher"] is self.function:
            _log.warning(
                "the fit engine is compiled at its first use: about a minute, once after an installation"
            )

    def on_end(self, event: event.Event) -> None:
        """Nothing is said."""


def say_when_compiled(function: Any) -> None:
    """Log a sentence where ``function``, compiled by numba, is not in the cache and has to be compiled."""
    event.register("numba:compile", _Compiling(function))
