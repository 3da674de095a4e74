"""Numbers from the literature that the verbs use: TOML tables, each number with unit, source and status.

``status`` is ``read`` (seen in the named source), ``computed`` (from a formula or from measured data) or
``to-verify`` (not yet checked against its source: a verb that uses it says so).
"""

from __future__ import annotations

import functools
import tomllib
from importlib import resources
from typing import Any

__all__ = ["load_table", "number"]


@functools.cache
def load_table(name: str) -> dict[str, Any]:
    """The table ``name`` as it lies in this folder, to be read and not written to."""
    return tomllib.loads((resources.files(__name__) / f"{name}.toml").read_text("utf-8"))


def number(entry: dict[str, Any] | float) -> float:
    """Value of an entry ``{ value = ..., unit = ..., source = ..., status = ... }``, or a bare number."""
    return float(entry["value"] if isinstance(entry, dict) else entry)
