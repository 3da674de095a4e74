"""Larch, loaded only where it is needed and without a trace: warning filters and root logger stay the user's."""

from __future__ import annotations

import contextlib
import importlib
import logging
import warnings
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["larch_attribute", "larch_function", "quiet_larch"]


@contextlib.contextmanager
def quiet_larch() -> Iterator[None]:
    """Import larch inside of this: its import sets a blanket warning filter, and level and handlers of the root logger.

    Examples
    --------
    >>> with quiet_larch():
    ...     from larch import Group
    """
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # larch's own imports warn of things that its users cannot mend
        try:
            yield
        finally:
            root.setLevel(level)
            root.handlers[:] = handlers


def larch_attribute(module: str, name: str) -> Any:
    """``name`` out of a module of larch, as ``larch_attribute("larch", "Group")``."""
    with quiet_larch():
        return getattr(importlib.import_module(module), name)


def larch_function(module: str, name: str) -> Callable[..., Any]:
    """A function of larch that warns and logs as little when called as it does when loaded."""
    function = larch_attribute(module, name)

    def call(*args: Any, **options: Any) -> Any:
        with quiet_larch():
            return function(*args, **options)

    return call
