"""Values written as Perl literals (lists, hashes, strings, numbers), read without running anything."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

__all__ = ["PerlError", "statements"]

_STATEMENT = re.compile(r"^([@$%])(\w+)\s*=\s*|^(\[record\])", re.MULTILINE)
_TOKEN = re.compile(
    r"""\s*(?: (?P<string>'(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*")
             | (?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
             | (?P<mark>=>|[()\[\]{},;])
             | (?P<word>[A-Za-z_]\w*) )""",
    re.VERBOSE | re.DOTALL,
)
#: A list of numbers only, as the arrays of a spectrum are: cut at the commas at once.
_NUMBERS = re.compile(r"\(((?:'?+[-+\d.eE]++'?+,?+)++)\)")
_CLOSING = {"(": ")", "[": "]", "{": "}"}


class PerlError(ValueError):
    """Text that is no Perl literal, or ends inside one."""


def statements(text: str, wanted: Collection[str] | None = None) -> Iterator[tuple[str, Any]]:
    """Assignments at the beginning of lines, name and value in order; ``("[record]", None)`` where a record ends.

    Only variables that are ``wanted`` (default: all) are looked at; whatever else stands in the file is passed over.
    The items of a list of nothing but numbers stay the text they are written as.
    """
    at = 0
    while (found := _STATEMENT.search(text, at)) is not None:
        if found.group(3):
            yield "[record]", None
            at = found.end()
        elif wanted is not None and found.group(2) not in wanted:
            at = found.end()
        else:
            numbers = _NUMBERS.match(text, found.end())
            if numbers is not None:
                value, at = numbers.group(1).replace("'", "").strip(",").split(","), numbers.end()
            else:
                value, at = _value(text, found.end(), found.group(2))
            yield found.group(2), value


def _next(text: str, at: int, where: str) -> re.Match[str]:
    token = _TOKEN.match(text, at)
    if token is None:
        raise PerlError(
            f"it ends inside of {where}" if not text[at:].strip() else f"{where} holds {text[at : at + 30]!r}"
        )
    return token


def _value(text: str, at: int, where: str) -> tuple[Any, int]:
    token = _next(text, at, where)
    kind, word = str(token.lastgroup), token.group(str(token.lastgroup))
    if kind == "string":
        return re.sub(r"\\(.)", r"\1", word[1:-1], flags=re.DOTALL), token.end()
    if kind == "number":
        return float(word) if re.search(r"[.eE]", word) or len(word) > 300 else int(word), token.end()
    if kind == "word":
        if word == "bless":  # an object: its content
            inside, end = _value(text, token.end(), where)
            return (inside[0] if isinstance(inside, list) and inside else None), end
        if word == "undef":
            return None, token.end()
        if re.match(r"\s*=>", text[token.end() :][:20]):  # the key of a hash
            return word, token.end()
        raise PerlError(f"{where} holds {word!r}, which is no value")
    if word not in _CLOSING:
        raise PerlError(f"{where} holds {word!r} where a value is due")
    return _collection(text, token.end(), word, where)


def _collection(text: str, at: int, opening: str, where: str) -> tuple[Any, int]:
    items: list[Any] = []
    while True:
        token = _next(text, at, where)
        mark = token.group("mark")
        if mark == _CLOSING[opening]:
            if opening == "{":
                return dict(zip(map(str, items[::2]), items[1::2], strict=False)), token.end()
            return items, token.end()
        if mark in (",", "=>"):
            at = token.end()
            continue
        item, at = _value(text, at, where)
        items.append(item)
