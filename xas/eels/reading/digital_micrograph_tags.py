"""The tree of tags that a DigitalMicrograph file (.dm3, .dm4) is; long arrays are left in the file until asked for.

The layout is as documented publicly by C. Boothroyd and others: a header, then groups of named entries. Lengths and
kinds of entries are big-endian, 32 bits in version 3 and 64 bits in version 4; values are in the order of bytes that
the header says.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spectra.errors import ReadError

__all__ = ["Array", "Tags", "parse_tags"]

Tags = dict[str, Any]

_GROUP, _ENTRY, _MARK = 20, 21, b"%%%%"
_STRUCT, _STRING, _ARRAY = 15, 18, 20
#: Kinds of values as NumPy names them.
_KINDS = {
    2: "i2",
    3: "i4",
    4: "u2",
    5: "u4",
    6: "f4",
    7: "f8",
    8: "u1",
    9: "i1",
    10: "i1",
    11: "i8",
    12: "u8",
}
#: Arrays of 16-bit numbers up to this length are texts where they stand in a tag.
_LONGEST_TEXT = 4096
_DEEPEST = 64


@dataclass(frozen=True)
class Array:
    """An array of numbers in the file: where it begins, how many of what."""

    content: bytes
    start: int
    count: int
    kind: str

    def values(self, kind: str | None = None) -> npt.NDArray[Any]:
        """The numbers, as ``kind`` where the file knows better than the tag."""
        size = np.dtype(self.kind).itemsize * self.count
        used = np.dtype(kind or self.kind)
        return np.frombuffer(self.content, used, size // used.itemsize, self.start)

    def text(self) -> str:
        """The numbers as characters."""
        end = self.start + 2 * self.count
        encoding = "utf-16-le" if self.kind[0] == "<" else "utf-16-be"
        return self.content[self.start : end].decode(encoding, "replace").rstrip("\0")


def parse_tags(content: bytes, name: str) -> Tags:
    """All tags of a file, groups as dictionaries; entries without a name are called by their number.

    Raises
    ------
    ReadError
        The file is cut or damaged.
    """
    try:
        return _Parser(content, name).tree()
    except (struct.error, IndexError, KeyError, UnicodeDecodeError, OverflowError):
        raise ReadError(f"{name} is a damaged or truncated DigitalMicrograph file.") from None


class _Parser:
    def __init__(self, content: bytes, name: str) -> None:
        self.content, self.name, self.at = content, name, 0
        (version,) = struct.unpack_from(">I", content)
        self.long = version == 4
        self.at = 12 if self.long else 8
        (little,) = self._take(">I")
        self.order = "<" if little else ">"

    def tree(self) -> Tags:
        return self._group(0)

    def _take(self, form: str) -> tuple[Any, ...]:
        found = struct.unpack_from(form, self.content, self.at)
        self.at += struct.calcsize(form)
        return found

    def _length(self) -> int:
        return int(self._take(">Q" if self.long else ">I")[0])

    def _group(self, depth: int) -> Tags:
        if depth > _DEEPEST:
            raise ReadError(f"{self.name} is a damaged DigitalMicrograph file: its tags do not end.")
        self.at += 2  # whether the group is sorted, and open on the screen
        found: Tags = {}
        for number in range(self._length()):
            kind, size = self._take(">BH")
            if kind not in (_GROUP, _ENTRY):
                raise IndexError
            label = self.content[self.at : self.at + size].decode("latin-1") or str(number)
            self.at += size + (8 if self.long else 0)
            found[label] = self._group(depth + 1) if kind == _GROUP else self._entry()
        return found

    def _entry(self) -> Any:
        if self.content[self.at : self.at + 4] != _MARK:
            raise IndexError
        self.at += 4
        count = self._length()
        if not 0 < count <= len(self.content) // 4:
            raise IndexError
        return self._value([self._length() for _ in range(count)])

    def _value(self, info: list[int]) -> Any:
        kind = info[0]
        if kind in _KINDS:
            return self._number(kind)
        if kind == _STRUCT:
            return tuple(self._number(k) for k in info[4 : 4 + 2 * info[2] : 2])
        if kind == _STRING:
            return self._array("u2", info[1]).text()
        if kind == _ARRAY:
            if info[1] == _STRUCT:
                fields = info[5 : 5 + 2 * info[3] : 2]
                self._array("u1", info[-1] * sum(np.dtype(_KINDS[k]).itemsize for k in fields))
                return None
            found = self._array(_KINDS[info[1]], info[-1])
            return found.text() if _KINDS[info[1]] == "u2" and found.count <= _LONGEST_TEXT else found
        raise IndexError

    def _number(self, kind: int) -> Any:
        (value,) = np.frombuffer(
            self.content, self.order + _KINDS[kind], 1, self._advance(np.dtype(_KINDS[kind]).itemsize)
        )
        return value.item()

    def _array(self, kind: str, count: int) -> Array:
        return Array(self.content, self._advance(np.dtype(kind).itemsize * count), count, self.order + kind)

    def _advance(self, size: int) -> int:
        start = self.at
        if start + size > len(self.content):
            raise IndexError
        self.at += size
        return start
