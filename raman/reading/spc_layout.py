"""Layout of SPC files (Galactic, Thermo): headers, spectra and log of the new formats and the old one, bounds checked."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from raman.reading.measured import as_float
from spectra.errors import ReadError

__all__ = ["Header", "SubSpectrum", "log_entries", "read_header", "sub_spectra", "version_of"]

FloatArray = npt.NDArray[np.float64]

#: Bits of the first byte.
SHORT, MULTIPLE, RANDOM_Z, ORDERED_Z, OWN_LABELS, OWN_AXES, VALUES_OF_X = 1, 4, 8, 16, 32, 64, 128
NEW, NEW_BIG_ENDIAN, OLD = 0x4B, 0x4C, 0x4D
_SUB_HEADER = 32
#: Exponent that stands for values stored as float32.
_AS_FLOAT = -128


@dataclass(frozen=True)
class Header:
    """What the head of a file says of all its spectra."""

    version: int
    flags: int
    exponent: int
    points: int
    first: float
    last: float
    count: int
    x_type: int
    y_type: int
    z_type: int
    date: tuple[int, ...]  # year, month, day, hour, minute
    comment: str
    labels: tuple[str, ...]  # of x, y and z, where the file brings its own
    log_at: int
    z_step: float
    planes: int
    size: int  # of the header

    @property
    def order(self) -> str:
        """Byte order."""
        return ">" if self.version == NEW_BIG_ENDIAN else "<"


@dataclass(frozen=True)
class SubSpectrum:
    """One spectrum: its axis, its values, and its place on the third and fourth axis."""

    x: FloatArray
    y: FloatArray
    z: float
    w: float


def version_of(content: bytes) -> int | None:
    """Version of the format if ``content`` can be the beginning of an SPC file; None otherwise."""
    if len(content) < 512 and not (len(content) >= 256 and content[1] == OLD):
        return None
    version = content[1]
    if version not in (NEW, NEW_BIG_ENDIAN, OLD):
        return None
    try:
        header = read_header(content, "")
    except (ReadError, struct.error):
        return None
    bounded = (
        np.isfinite([header.first, header.last]).all() and max(abs(header.first), abs(header.last)) < 1e9
    )
    return version if bounded and 0 < header.points < 2**31 and 0 < header.count < 2**24 else None


def read_header(content: bytes, name: str) -> Header:
    """Header of a file.

    Raises
    ------
    ReadError
        The file is shorter than its header.
    """
    if len(content) < (256 if len(content) > 1 and content[1] == OLD else 512):
        raise ReadError(f"{name} is cut short: {len(content)} bytes are no whole header.")
    return _old_header(content) if content[1] == OLD else _new_header(content)


def _new_header(content: bytes) -> Header:
    version = content[1]
    o = ">" if version == NEW_BIG_ENDIAN else "<"
    flags, _, _, exponent, points, first, last, count, x, y, z, _, date = struct.unpack_from(
        f"{o}BBBbIddIBBBBI", content, 0
    )
    log_at, z_step, planes = (
        struct.unpack_from(o + f, content, at)[0] for f, at in (("I", 248), ("f", 312), ("I", 316))
    )
    return Header(
        version, flags, exponent, points, first, last, count, x, y, z,
        (date >> 20, (date >> 16) & 15, (date >> 11) & 31, (date >> 6) & 31, date & 63),
        _text(content[88:218]), tuple(_text(part) for part in content[218:248].split(b"\0")[:3]),
        log_at, z_step, planes, 512,
    )  # fmt: skip


def _old_header(content: bytes) -> Header:
    flags, _, exponent, points, first, last, x, y, year = struct.unpack_from("<BBhfffBBH", content, 0)
    points = int(points) if np.isfinite(points) and 0 < points < 2**31 else 0
    date = (year & 0xFFF, *content[20:24])
    return Header(
        OLD, flags & ~VALUES_OF_X & ~OWN_AXES, exponent, points, first, last, 1, x, y, 0, date,
        _text(content[64:194]), tuple(_text(part) for part in content[194:224].split(b"\0")[:3]), 0, 0.0, 0, 224,
    )  # fmt: skip


def _text(field: bytes) -> str:
    return field.split(b"\0")[0].decode("latin-1").strip()


def sub_spectra(content: bytes, header: Header, name: str) -> Iterator[SubSpectrum]:
    """Every spectrum of a file, one after the other.

    Raises
    ------
    ReadError
        The file ends before its last spectrum does.
    """
    o, at = header.order, header.size
    if not header.flags & OWN_AXES and 2 * header.points > len(content):
        raise ReadError(
            f"{name} is cut short: {header.points} points are announced, and the file has {len(content)} bytes."
        )
    shared = np.empty(0) if header.flags & OWN_AXES else np.linspace(header.first, header.last, header.points)
    if header.flags & VALUES_OF_X and not header.flags & OWN_AXES:
        shared = _floats(content, at, header.points, o, name)
        at += 4 * header.points
    number = 0
    several_old = header.version == OLD and header.flags & MULTIPLE  # which does not say how many
    while number < header.count or (several_old and at + _SUB_HEADER + 4 * header.points <= len(content)):
        if at + _SUB_HEADER > len(content):
            raise _cut(name, number, header)
        _, exponent, _, z, _, _, points, _, w = struct.unpack_from(f"{o}BbHfffIIf", content, at)
        at += _SUB_HEADER
        x = shared
        if header.flags & OWN_AXES:
            x = _floats(content, at, points, o, name)
            at += 4 * points
        if not header.flags & MULTIPLE or (header.version == OLD and exponent == 0):
            exponent = header.exponent
        y, size = _values(content, at, x.size, exponent, header, name)
        at += size
        yield SubSpectrum(x, y, _number(z), _number(w))
        number += 1


def _values(
    content: bytes, at: int, points: int, exponent: int, header: Header, name: str
) -> tuple[FloatArray, int]:
    """Values from ``at`` on, and how many bytes they take: floats, or integers with a common exponent."""
    o = header.order
    if exponent == _AS_FLOAT or (header.version == OLD and exponent == 128):
        return _floats(content, at, points, o, name), 4 * points
    if header.version == OLD:  # halves of a word exchanged
        words = _numbers(content, at, 2 * points, "<u2", name).astype(np.int64).reshape(-1, 2)
        whole = ((words[:, 0] << 16) | words[:, 1]).astype(np.uint32).view(np.int32)
        return np.asarray(whole * 2.0 ** (exponent - 32), np.float64), 4 * points
    if header.flags & SHORT:
        return _numbers(content, at, points, f"{o}i2", name) * 2.0 ** (exponent - 16), 2 * points
    return _numbers(content, at, points, f"{o}i4", name) * 2.0 ** (exponent - 32), 4 * points


def _floats(content: bytes, at: int, points: int, o: str, name: str) -> FloatArray:
    return as_float(_numbers(content, at, points, f"{o}f4", name))


def _numbers(content: bytes, at: int, count: int, kind: str, name: str) -> npt.NDArray[Any]:
    if at + count * np.dtype(kind).itemsize > len(content):
        raise ReadError(
            f"{name} is cut short: {count} values are announced at byte {at}, and the file has {len(content)} bytes."
        )
    return np.frombuffer(content, kind, count, at)


def _cut(name: str, number: int, header: Header) -> ReadError:
    return ReadError(
        f"{name} is cut short: it holds {number} of the {header.count} spectra that it announces."
    )


def _number(value: float) -> float:
    return float(value) if np.isfinite(value) else float("nan")


def log_entries(content: bytes, header: Header) -> dict[str, str]:
    """``key = value`` lines of the log at the end of a file; empty where it has none or is cut."""
    if not 0 < header.log_at <= len(content) - 20:
        return {}
    size, _, text_at = struct.unpack_from(f"{header.order}III", content, header.log_at)
    text = content[header.log_at + text_at : header.log_at + size].decode("latin-1")
    found: dict[str, str] = {}
    for line in re.split(r"[\r\n]+", text.replace("\0", "")):
        key, equals, value = line.partition("=")
        if equals and key.strip():
            found.setdefault(key.strip(), value.strip())
    return found
