"""Dates and times as instruments write them, without guessing which number is the month."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping

__all__ = ["parse_time", "start_time"]

_FORMATS = (
    "%a %b %d %H:%M:%S %Y",
    "%a %b %d %H:%M:%S %Y %Z",
    "%d %b %Y %H:%M:%S",
    "%d-%b-%Y %H:%M:%S",
    "%H:%M:%S %d-%b-%y",
    "%b %d %Y %H:%M:%S",
)
_NUMERIC = re.compile(
    r"(\d{1,2})[/.](\d{1,2})[/.](\d{2,4})[ T,]+(\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?)(?:\s*(UTC|GMT|Z))?$"
)

#: Keys of metadata that say when a measurement began, the surest first.
_KEYS = (
    "scan.start_time",
    "start_time",
    "time at start",
    "start time",
    "acquisition date",
    "scan started",
    "date",
    "d",
)


def parse_time(text: str) -> str | None:
    """ISO 8601 of a date and time; None where it cannot be read without a guess (03/04/2019)."""
    text = text.strip()
    try:
        return datetime.datetime.fromisoformat(text).isoformat()
    except ValueError:
        pass
    for form in _FORMATS:
        try:
            return datetime.datetime.strptime(text, form).isoformat()  # noqa: DTZ007  files rarely say the zone
        except ValueError:
            continue
    match = _NUMERIC.match(text)
    if match:
        a, b, year = int(match.group(1)), int(match.group(2)), int(match.group(3))
        month, day = (a, b) if b > 12 else (b, a) if a > 12 or a == b else (0, 0)
        zone = "+00:00" if match.group(5) else ""
        if 1 <= month <= 12 and ":" in match.group(4):
            year += 2000 if year < 70 else 1900 if year < 100 else 0
            clock = match.group(4) if len(match.group(4)) > 5 else match.group(4) + ":00"
            try:
                return datetime.datetime.fromisoformat(
                    f"{year:04}-{month:02}-{day:02}T{clock:0>8}{zone}"
                ).isoformat()
            except ValueError:
                return None
    return None


def start_time(metadata: Mapping[str, str]) -> str | None:
    """When the measurement began, out of the metadata of a file."""
    lower = {key.lower(): value for key, value in metadata.items()}
    found = (parse_time(lower[key]) for key in _KEYS if key in lower)
    return next((time for time in found if time), None)
