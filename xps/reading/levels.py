"""Names of core levels, as files write them."""

from __future__ import annotations

import re

__all__ = ["core_level"]

_LEVEL = re.compile(r"\b([A-Z][a-z]?)\s*([1-6][spdf])(?:\s*([1357]/2))?\b")
_SURVEY = re.compile(r"\b(survey|wide|overview)\b", re.IGNORECASE)


def core_level(*texts: str) -> tuple[str, str | None]:
    """Core level and element that the first telling text names: ``"2:Mn2p"`` is ``("Mn 2p", "Mn")``.

    A survey is ``("survey", None)``; where nothing tells, the last text itself is the region.
    """
    for text in texts:
        match = _LEVEL.search(text)
        if match:
            return f"{match.group(1)} {match.group(2)}{match.group(3) or ''}", match.group(1)
        if _SURVEY.search(text):
            return "survey", None
    return re.sub(r"^\d+:", "", texts[-1]).strip(), None
