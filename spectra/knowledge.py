"""Numbers from the literature: TOML tables that lie in the package of a technique, each number with unit and source.

``status`` of a number is ``read`` (seen in the named source), ``computed`` (from a formula or from measured data) or
``to-verify`` (not yet checked against its source: a verb that uses it says so).
"""

from __future__ import annotations

import functools
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

from spectra.errors import InvalidInput

__all__ = ["number", "read_table", "read_toml"]


@functools.cache
def read_table(package: str, name: str) -> dict[str, Any]:
    """The table ``name`` as it lies in ``package`` (``xps.tables``), to be read and not written to.

    Raises
    ------
    InvalidInput
        If the file is no TOML; the sentence says which, and in which line.
    """
    text = (resources.files(package) / f"{name}.toml").read_text("utf-8")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"{package.replace('.', '/')}/{name}.toml is no TOML file: {error}.") from None


def read_toml(path: str | Path, called: str) -> dict[str, Any]:
    """Content of a TOML file that a user names; ``called`` is what errors say it should hold.

    Raises
    ------
    InvalidInput
        If it cannot be read, or is no TOML; the sentence says which file, and in which line.
    """
    try:
        return tomllib.loads(Path(path).expanduser().read_text("utf-8"))
    except OSError as error:
        raise InvalidInput(f"{called} {path} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{Path(path).name} is no TOML file: {error}.") from None


def number(entry: dict[str, Any] | float) -> float:
    """Value of an entry ``{ value = ..., unit = ..., source = ..., status = ... }``, or a bare number."""
    return float(entry["value"] if isinstance(entry, dict) else entry)
