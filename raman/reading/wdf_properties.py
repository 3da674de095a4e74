"""Property sets inside of Renishaw files (``PSET``): what the instrument was set to, by name."""

from __future__ import annotations

import datetime
import struct
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["file_time", "properties", "property_sets"]

#: Formats of values of one size, by their letter.
_PLAIN = {
    "?": "<?", "c": "<b", "s": "<h", "i": "<i", "w": "<q", "r": "<f", "q": "<d", "t": "<Q",
}  # fmt: skip
_NAMED = 0x8000
_ARRAY, _COMPRESSED = 0x80, 0x40
#: Sets inside of sets deeper than this are none.
_DEEPEST = 12


def properties(block: bytes) -> dict[str, Any]:
    """Named values of every property set in ``block``; the first of a name counts."""
    found: dict[str, Any] = {}
    for one in property_sets(block):
        found = one | found
    return found


def property_sets(block: bytes) -> list[dict[str, Any]]:
    """Named values of each property set in ``block``, those inside of others after them.

    What cannot be understood ends its set and leaves the others.
    """
    found: list[dict[str, Any]] = []
    at = block.find(b"PSET")
    while at >= 0:
        end = at + 8
        if end <= len(block):
            (size,) = struct.unpack_from("<I", block, at + 4)
            if size <= len(block) - end:
                _collect(block[end : end + size], found, {})
                end += size
        at = block.find(b"PSET", max(end, at + 4))
    return found


def _collect(data: bytes, found: list[dict[str, Any]], outer: Mapping[int, str], depth: int = 0) -> None:
    """Values by the names that this set, or one around it, gives to their keys."""
    values: list[tuple[int, Any]] = []
    names: dict[int, str] = dict(outer)
    nested: list[bytes] = []
    for letter, key, value in _items(data):
        if letter == "k":
            names[key] = value
        elif letter == "p":
            nested.append(value)
        else:
            values.append((key, value))
    found.append({names[key]: value for key, value in values if key & _NAMED and key in names})
    if depth < _DEEPEST:
        for one in nested:
            _collect(one, found, names, depth + 1)


def _items(data: bytes) -> Iterator[tuple[str, int, Any]]:
    """Letter of the type, key and value of each item, as long as they make sense."""
    at = 0
    while at + 4 <= len(data):
        letter, flag, key = chr(data[at]), data[at + 1], int.from_bytes(data[at + 2 : at + 4], "little")
        at += 4
        if letter in _PLAIN and not flag & _ARRAY:
            size = struct.calcsize(_PLAIN[letter])
            if at + size > len(data):
                return
            yield letter, key, struct.unpack_from(_PLAIN[letter], data, at)[0]
            at += size
        elif letter in "ukpb" or (letter in _PLAIN and flag & _ARRAY):
            if at + 4 > len(data):
                return
            (count,) = struct.unpack_from("<I", data, at)
            size = count * (struct.calcsize(_PLAIN[letter]) if letter in _PLAIN else 1)
            at += 4
            if size > len(data) - at:
                return
            content = data[at : at + size]
            at += size
            if flag & _COMPRESSED or letter == "b":
                continue
            if letter in "uk":
                yield letter, key, content.decode("utf-8", "replace").rstrip("\0")
            elif letter == "p":
                yield letter, key, content
        else:
            return


def file_time(ticks: int) -> str | None:
    """ISO 8601 of a time in 100 ns since 1601 (UTC); None where it is none of this age."""
    if not 119_000_000_000_000_000 < ticks < 160_000_000_000_000_000:  # 1978 to 2108
        return None
    start = datetime.datetime(1601, 1, 1, tzinfo=datetime.UTC)
    return (start + datetime.timedelta(microseconds=ticks // 10)).isoformat()
