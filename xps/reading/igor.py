"""Igor binary waves (.ibw), versions 2 and 5: the numbers, the scale of each dimension, units and the note.

The layout is WaveMetrics' Technical Note 003. A checksum over the headers makes a wave certain.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spectra.errors import ReadError

__all__ = ["Wave", "is_wave", "read_wave"]

_TYPES = {2: "f4", 4: "f8", 8: "i1", 16: "i2", 32: "i4", 72: "u1", 80: "u2", 96: "u4"}
#: Bytes of the headers, by version.
_HEADERS = {2: 16 + 110, 5: 64 + 320}


@dataclass(frozen=True)
class Wave:
    """A wave: values (first dimension first), and for each dimension where it starts, its step and its units."""

    name: str
    values: npt.NDArray[np.float64]
    starts: tuple[float, ...]
    steps: tuple[float, ...]
    units: tuple[str, ...]
    data_units: str
    note: str


def is_wave(head: bytes) -> bool:
    """Whether bytes begin as an Igor wave does: version, and a checksum of the headers that comes out."""
    order = _order(head)
    if order is None:
        return False
    version = struct.unpack_from(f"{order}h", head)[0]
    length = _HEADERS[version]
    if len(head) < length:
        return False
    return bool(sum(struct.unpack_from(f"{order}{length // 2}h", head)) & 0xFFFF == 0)


def _order(head: bytes) -> str | None:
    """Byte order of the file by its version number; None where it is no version read here."""
    if len(head) < 2:
        return None
    return next((order for order in "<>" if struct.unpack_from(f"{order}h", head)[0] in _HEADERS), None)


def read_wave(content: bytes, file: str) -> Wave:
    """The wave in the bytes of a file.

    Raises
    ------
    ReadError
        If the bytes are no wave of numbers, or fewer than the headers announce.
    """
    order = _order(content)
    if order is None:
        raise ReadError(f"{file} is no Igor binary wave of version 2 or 5.")
    version = struct.unpack_from(f"{order}h", content)[0]
    if len(content) < _HEADERS[version]:
        raise ReadError(
            f"{file} is truncated: it ends in the header of the wave, after {len(content)} bytes."
        )
    if not is_wave(content):
        raise ReadError(f"{file} is damaged: the checksum of its header does not come out.")
    return _version_5(content, order, file) if version == 5 else _version_2(content, order, file)


def _numbers(
    content: bytes, order: str, kind: int, at: int, shape: tuple[int, ...], file: str
) -> npt.NDArray[np.float64]:
    if kind not in _TYPES:
        raise ReadError(f"{file}: its wave holds text or complex numbers (type {kind}), no spectrum.")
    dtype = np.dtype(order + _TYPES[kind])
    count = 1
    for length in shape:
        count *= length
    if not shape or min(shape) < 1:
        raise ReadError(f"{file}: its wave holds no points.")
    if at + count * dtype.itemsize > len(content):
        raise ReadError(
            f"{file} is truncated: its wave announces {count} numbers, of which "
            f"{max(len(content) - at, 0) // dtype.itemsize} are there."
        )
    return np.frombuffer(content, dtype, count, at).reshape(shape, order="F").astype(np.float64)


def _version_5(content: bytes, order: str, file: str) -> Wave:
    sizes = struct.unpack_from(f"{order}3i", content, 8)  # formula, note, units of the data
    unit_sizes = struct.unpack_from(f"{order}4i", content, 20)
    if min(*sizes, *unit_sizes) < 0:
        raise ReadError(f"{file} is damaged: the header of its wave announces texts of negative length.")
    kind = struct.unpack_from(f"{order}h", content, 80)[0]
    name = _text(content, 92, 32)
    lengths = struct.unpack_from(f"{order}4i", content, 132)
    shape = lengths[: next((i for i, n in enumerate(lengths) if n == 0), 4)]
    count = len(shape)
    steps = struct.unpack_from(f"{order}4d", content, 148)[:count]
    starts = struct.unpack_from(f"{order}4d", content, 180)[:count]
    short = [_text(content, 216 + 4 * i, 4) for i in range(4)]
    values = _numbers(content, order, kind, _HEADERS[5], shape, file)
    at = _HEADERS[5] + values.size * np.dtype(_TYPES[kind]).itemsize
    ends = at + sum(sizes) + sum(unit_sizes)
    if ends > len(content):
        raise ReadError(
            f"{file} is truncated: the note after its wave ends {ends - len(content)} bytes after the file."
        )
    at += sizes[0]
    note, at = _text(content, at, sizes[1]), at + sizes[1]
    data_units, at = _text(content, at, sizes[2]), at + sizes[2]
    units = []
    for own, size in zip(short, unit_sizes, strict=True):
        units.append(_text(content, at, size) if size else own)
        at += size
    return Wave(name, values, starts, steps, tuple(units[:count]), data_units or _text(content, 212, 4), note)


def _version_2(content: bytes, order: str, file: str) -> Wave:
    note_size = struct.unpack_from(f"{order}i", content, 6)[0]
    kind = struct.unpack_from(f"{order}h", content, 16)[0]
    name = _text(content, 22, 20)
    data_units, units = _text(content, 50, 4), _text(content, 54, 4)
    (points,) = struct.unpack_from(f"{order}i", content, 58)
    step, start = struct.unpack_from(f"{order}2d", content, 64)
    if points < 0 or note_size < 0:
        raise ReadError(f"{file} is damaged: the header of its wave announces a negative length.")
    values = _numbers(content, order, kind, _HEADERS[2], (points,), file)
    at = _HEADERS[2] + points * np.dtype(_TYPES[kind]).itemsize + 16  # 16 bytes lie between numbers and note
    if note_size and at + note_size > len(content):
        raise ReadError(f"{file} is truncated: the note after its wave is cut short.")
    return Wave(name, values, (start,), (step,), (units,), data_units, _text(content, at, note_size))


def _text(content: bytes, at: int, length: int) -> str:
    text = content[at : at + length].split(b"\0")[0]
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("latin-1")
