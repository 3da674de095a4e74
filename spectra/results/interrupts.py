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
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    usual = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    heard: list[tuple[int, FrameType | None]] = []

    def let_through() -> None:
        if heard:
            number, frame = heard.pop()
            usual[signal.Signals(number)](number, frame)  # type: ignore[operator,misc]

    held = [number for number, handler in usual.items() if callable(handler)]
    for number in held:
        signal.signal(number, lambda number, frame: heard.append((number, frame)))
    try:
        yield let_through
    finally:
        for number in held:
            signal.signal(number, usual[number])
    let_through()
