"""The errors a user meets: each sentence says the parameter, what was got, what is allowed and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "InvalidInput",
    "ReadError",
    "RecipeError",
    "SpectraError",
    "UnknownOption",
    "WriteError",
    "did_you_mean",
]


class SpectraError(Exception):
    """Every error that redox-spectra raises on purpose; the command line prints it in one line and exits 1."""


class InvalidInput(SpectraError, ValueError):
    """A value or a dataset that the called function cannot work with."""


class UnknownOption(SpectraError, TypeError):
    """An option that the called verb does not have."""


class ReadError(SpectraError, ValueError):
    """A file that cannot be read as the data it claims to hold."""


class WriteError(SpectraError, OSError):
    """A file that could not be written; whatever stood there before is intact."""


class RecipeError(SpectraError, ValueError):
    """A recipe that cannot be run as it is written."""


def did_you_mean(name: str, allowed: Iterable[str]) -> str:
    """Closing half-sentence of an error about an unknown name: the closest match, or all that is allowed."""
    names = sorted(map(str, allowed))
    written = str(name).casefold()
    close = [n for n in names if n.casefold() == written] or difflib.get_close_matches(str(name), names, n=1)
    listed = ", ".join(names) if names else "none"
    return f"did you mean {close[0]!r}? Allowed: {listed}" if close else f"allowed: {listed}"
