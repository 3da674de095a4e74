"""Names of core levels, as files write them."""

from __future__ import annotations

import re

__all__ = ["core_level"]

_LEVEL = re.compile(r"(?<![A-Za-z])([A-Z][a-z]?)\s*([1-6][spdf])(?:\s*([1357]/2))?(?![A-Za-z0-9])")
_SURVEY = re.compile(r"(?<![A-Za-z])(survey|wide|overview)(?![A-Za-z])", re.IGNORECASE)


def core_level(*texts: str) -> tuple[str | None, str | None]:
    """Core level and element that the first telling text names: ``"2:Mn2p"`` is ``("Mn 2p", "Mn")``.

    A survey is ``("survey", None)``; where nothing tells, both are None.
    """
    for text in texts:
        match = _LEVEL.search(text)
        if match:
            return f"{match.group(1)} {match.group(2)}{match.group(3) or ''}", match.group(1)
        if _SURVEY.search(text):
            return "survey", None
    return None, None
