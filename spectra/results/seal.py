"""The checksum at the end of a results file, by which a single changed byte is found.

It stands behind the last byte of HDF5, where every program that reads HDF5 passes over it.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import BinaryIO

from spectra.errors import ReadError

__all__ = ["add_seal", "check_seal", "read_seal", "sealed"]

_MARK = b"\n#sha256 "
_LENGTH = len(_MARK) + 64 + 1
_BLOCK = 1 << 20


def add_seal(file: BinaryIO) -> str:
    """Append the SHA-256 of all that is in ``file``, open for reading and writing; return it."""
    digest = _digest(file, file.seek(0, os.SEEK_END))
    file.seek(0, os.SEEK_END)
    file.write(sealed(digest))
    return digest


def sealed(digest: str) -> bytes:
    """What stands at the end of a file with this checksum."""
    return _MARK + digest.encode() + b"\n"


def check_seal(path: str | os.PathLike[str]) -> str:
    """SHA-256 of the results file ``path``, if it is the one that was written into it.

    Raises
    ------
    ReadError
        The file is missing, bears no checksum, or is not what was written.
    """
    shown, said = os.fspath(path), read_seal(path)
    try:
        with Path(path).open("rb") as file:
            digest = _digest(file, file.seek(0, os.SEEK_END) - _LENGTH)
    except OSError as error:
        raise ReadError(f"{shown} cannot be read: {error.strerror}.") from None
    if said != digest:
        raise ReadError(
            f"{shown} is not what was written: its checksum is {digest[:12]}… instead of {said[:12]}…. Take a copy, or "
            "compute it again."
        )
    return digest


def read_seal(path: str | os.PathLike[str]) -> str:
    """The checksum that the results file ``path`` bears, as it stands there: for a file that was just written.

    Raises
    ------
    ReadError
        The file is missing or bears none.
    """
    shown = os.fspath(path)
    try:
        with Path(path).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _LENGTH))
            end = file.read(_LENGTH)
    except OSError as error:
        raise ReadError(f"{shown} cannot be read: {error.strerror}.") from None
    if not (end.startswith(_MARK) and end.endswith(b"\n")):
        raise ReadError(
            f"{shown} bears no checksum at its end: it was cut short, changed by another program, or is no results file."
        )
    return end[len(_MARK) : -1].decode(errors="replace")


def _digest(file: BinaryIO, length: int) -> str:
    """SHA-256 of the first ``length`` bytes."""
    digest = hashlib.sha256()
    file.seek(0)
    while length > 0 and (block := file.read(min(_BLOCK, length))):
        digest.update(block)
        length -= len(block)
    return digest.hexdigest()
