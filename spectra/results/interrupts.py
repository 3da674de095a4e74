"""Ctrl-C that is neither lost nor harmful while HDF5 is at work."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

__all__ = ["interrupts_held"]


@contextlib.contextmanager
def interrupts_held() -> Iterator[Callable[[], None]]:
    """Hold Ctrl-C back inside the block; the function given lets it through where that is safe.

    Python delivers an interrupt wherever it happens to be. Inside h5py that is often a clean-up whose exceptions are
    dropped: the interrupt is lost and the program goes on. Here it is kept until it can be heard, at the latest when
    the block ends.
    """
    usual = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(usual):
        yield lambda: None
        return
    heard: list[FrameType | None] = []

    def let_through() -> None:
        if heard:
            usual(signal.SIGINT, heard.pop())

    signal.signal(signal.SIGINT, lambda _, frame: heard.append(frame))
    try:
        yield let_through
    finally:
        signal.signal(signal.SIGINT, usual)
    let_through()
