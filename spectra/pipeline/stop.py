"""Ctrl-C and the signal that asks a program to end, heard between two pieces of work."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

__all__ = ["Stopped", "stop_on_signals"]


class Stopped(KeyboardInterrupt):
    """A run was asked to end; what is done is kept. ``signal`` is the number of the signal."""

    def __init__(self, message: str, signal: int = int(signal.SIGINT)) -> None:
        super().__init__(message)
        self.signal = signal


@contextlib.contextmanager
def stop_on_signals() -> Iterator[None]:
    """Turn SIGTERM and SIGINT inside the block into :class:`Stopped`."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    usual: dict[signal.Signals, Any] = {}

    def stop(number: int, _: FrameType | None) -> None:
        raise Stopped(
            "Interrupted: nothing is half-written, and what stood there before is as it was.", number
        )

    try:
        for one in (signal.SIGINT, signal.SIGTERM):
            usual[one] = signal.signal(one, stop)
        yield
    finally:
        for one, handler in usual.items():
            signal.signal(one, handler)
