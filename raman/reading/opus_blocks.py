"""Blocks of a Bruker OPUS file: the directory, the parameters, and what the number of a kind says.

After the mark stand a version (float64) and three integers: offset of the directory, its capacity, and how many
entries it holds. An entry is a kind, a length in words of 4 bytes and an offset. A kind is a number of bits: part of
a complex number (2), channel (2), sort of parameters (6), content (7), derivative (2), extension (3). A parameter is
three letters and a zero, a type, a length in words of 2 bytes, and the value.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from spectra.errors import ReadError

__all__ = ["CONTENTS", "MARK", "Block", "Parameters", "blocks", "parameters"]

MARK = b"\n\n\xfe\xfe"

Parameters = dict[str, int | float | str]

#: Contents of data blocks that lie along wavenumbers or path difference: quantity, its units, name.
CONTENTS = {
    1: ("single_channel", "", "single channel"),
    2: ("interferogram", "", "interferogram"),
    3: ("phase", "rad", "phase"),
    4: ("absorbance", "", "absorbance"),
    5: ("transmittance", "", "transmittance"),
    6: ("kubelka_munk", "", "Kubelka-Munk"),
    10: ("intensity", "", "Raman"),
    11: ("emission", "", "emission"),
    12: ("reflectance", "", "reflectance"),
    14: ("single_channel", "", "power spectrum"),
    15: ("log_reflectance", "", "log reflectance"),
    16: ("absorbance", "", "ATR"),
    17: ("photoacoustic", "", "photoacoustic"),
    18: ("transmittance", "", "transmittance (calculated)"),
    19: ("absorbance", "", "absorbance (calculated)"),
}
_DIRECTORY = 13
#: Extensions of a kind: what such a block holds.
_EXTENSIONS = {
    1: "information on compounds",
    2: "a series",
    3: "the structure of a molecule",
    4: "compact data",
    5: "the history of the file",
}
_DERIVATIVES = {1: "first derivative of ", 2: "second derivative of ", 3: "derivative of "}
_PARTS = {1: " (real part)", 2: " (imaginary part)"}
_CHANNELS = {1: "sample", 2: "reference"}


@dataclass(frozen=True)
class Block:
    """One entry of the directory."""

    kind: int
    size: int  # bytes
    offset: int

    @property
    def channel(self) -> str:
        """``sample``, ``reference``, or "" for their ratio and for what belongs to neither."""
        return _CHANNELS.get((self.kind >> 2) & 3, "")

    @property
    def sort(self) -> int:
        """Sort of parameters; 0 for data, 1 for what describes data."""
        return (self.kind >> 4) & 63

    @property
    def content(self) -> int:
        """Number of the content, as in ``CONTENTS``."""
        return (self.kind >> 10) & 127

    @property
    def extension(self) -> int:
        """Everything above the bits of the derivative."""
        return self.kind >> 19

    @property
    def describes(self) -> int:
        """Kind of the data that this block describes."""
        return self.kind & ~(63 << 4)

    @property
    def is_data(self) -> bool:
        """Whether it holds numbers along an axis that is known here."""
        return not self.sort and not self.extension and self.content in CONTENTS

    @property
    def is_known(self) -> bool:
        """Whether it is known that it holds no spectrum."""
        if self.extension:
            return self.extension & 7 in (1, 3, 5)
        return bool(self.sort) or self.content == _DIRECTORY

    @property
    def name(self) -> str:
        """``sample interferogram``, ``absorbance``; for a block that is not read, what is known of it."""
        if not self.is_data:
            said = _EXTENSIONS.get(self.extension & 7, "unknown") if self.extension else "unknown"
            return f"kind {self.kind:#x} ({said})"
        derivative = _DERIVATIVES.get((self.kind >> 17) & 3, "")
        part = _PARTS.get(self.kind & 3, "")
        return derivative + f"{self.channel} {CONTENTS[self.content][2]}{part}".strip()


def blocks(content: bytes, file: str) -> list[Block]:
    """All entries of the directory."""
    if len(content) < 24:
        raise ReadError(f"{file} is truncated: it ends inside the header of an OPUS file.")
    start, _, count = struct.unpack_from("<3i", content, 12)
    if not 24 <= start <= len(content) or not 0 < count <= 4096 or start + 12 * count > len(content):
        raise ReadError(
            f"{file} is truncated or damaged: its directory of {count} blocks does not lie inside of it."
        )
    found = []
    for number in range(count):
        kind, words, offset = struct.unpack_from("<3I", content, start + 12 * number)
        found.append(Block(kind, 4 * words, offset))
    return found


def parameters(content: bytes, block: Block, file: str) -> Parameters:
    """Values of a block of parameters, by their three letters."""
    found: Parameters = {}
    at, end = block.offset, block.offset + block.size
    if end > len(content):
        raise ReadError(
            f"{file} is truncated: a block of parameters ends {end - len(content)} bytes after it."
        )
    while at + 8 <= end:
        key = content[at : at + 3].decode("latin-1")
        if key == "END" or not key.strip("\0"):
            break
        kind, words = struct.unpack_from("<2H", content, at + 4)
        raw = content[at + 8 : min(at + 8 + 2 * words, end)]
        if kind == 0 and len(raw) >= 4:
            found[key] = int(struct.unpack_from("<i", raw)[0])
        elif kind == 1 and len(raw) >= 8:
            found[key] = float(struct.unpack_from("<d", raw)[0])
        elif kind in (2, 3, 4):
            found[key] = raw.split(b"\0")[0].decode("cp1252", "replace").strip()
        at += 8 + 2 * words
    return found
