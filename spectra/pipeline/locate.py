"""Where in a TOML text a table or a key stands: the standard library's parser does not say.

The text is cut into statements by that same parser: lines are joined until they parse. So strings, arrays and
comments of any shape are cut where TOML itself cuts them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["Statement", "line_of", "statements"]


@dataclass(frozen=True)
class Statement:
    """A header or a key with its value: first and last line (counted from 1) and the path it writes to.

    In the path every entry of an array of tables has its number: ``("step", 1, "window")``.
    """

    first: int
    last: int
    path: tuple[str | int, ...]
    is_header: bool


def statements(text: str) -> Iterator[Statement]:
    """Headers and keys of a valid TOML text, in order."""
    here: tuple[str | int, ...] = ()
    counts: dict[tuple[str | int, ...], int] = {}
    for first, last, source in _chunks(text):
        keys = tuple(_keys(tomllib.loads(source)))
        if not source.lstrip().startswith("["):
            yield Statement(first, last, (*here, *keys), False)
            continue
        here = _numbered(keys, counts, new=source.lstrip().startswith("[["))
        yield Statement(first, last, here, True)


def line_of(text: str, path: tuple[str | int, ...]) -> int | None:
    """Line where ``path`` is written, or the closest table around it; None where nothing of it is."""
    best: tuple[int, int] | None = None
    for statement in statements(text):
        common = 0
        for ours, theirs in zip(path, statement.path, strict=False):
            if ours != theirs:
                break
            common += 1
        if common and (best is None or common > best[0]):
            best = (common, statement.first)
    return best[1] if best else None


def _chunks(text: str) -> Iterator[tuple[int, int, str]]:
    lines, start = text.replace("\r\n", "\n").split("\n"), 0
    for end in range(1, len(lines) + 1):
        source = "\n".join(lines[start:end])
        try:
            found = tomllib.loads(source)
        except tomllib.TOMLDecodeError:
            continue  # a string or an array that goes on in the next line
        if found:
            yield start + 1, end, source
        start = end


def _keys(found: dict[str, Any]) -> Iterator[str]:
    """Path of the one thing that a statement writes: dotted keys open nested tables of one entry each."""
    value: Any = found
    while isinstance(value, dict) and len(value) == 1:
        key, value = next(iter(value.items()))
        yield key
        value = value[0] if isinstance(value, list) and value == [{}] else value


def _numbered(
    keys: tuple[str, ...], counts: dict[tuple[str | int, ...], int], *, new: bool
) -> tuple[str | int, ...]:
    path: tuple[str | int, ...] = ()
    for i, key in enumerate(keys):
        path = (*path, key)
        if new and i == len(keys) - 1:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path
