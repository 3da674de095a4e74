"""Files that are there whole or not at all: written beside, then renamed over what stood there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spectra.errors import WriteError

__all__ = ["replacing", "write_whole"]


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary file (``*.part``) in the folder of ``path`` that takes its place when the block ends well.

    Whatever goes wrong before, an interrupt included, leaves the file at ``path`` as it was and removes the other.

    Raises
    ------
    WriteError
        If the folder or the disk does not let the file be written.
    """
    target = Path(path)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    except OSError as error:
        raise WriteError(f"{target} cannot be written: {_reason(error)}.") from error
    part = Path(name)
    try:
        os.close(handle)
        yield part
        _settle(part, target)
    except OSError as error:
        if isinstance(error, WriteError):
            raise
        raise WriteError(
            f"{target} could not be written and is as it was before: {_reason(error)}."
        ) from error
    finally:
        part.unlink(missing_ok=True)


def write_whole(path: str | Path, content: bytes | str) -> Path:
    """Write ``content`` (text as UTF-8) to ``path``, whole or not at all."""
    with replacing(path) as part:
        part.write_bytes(content.encode() if isinstance(content, str) else content)
    return Path(path)


def _settle(part: Path, target: Path) -> None:
    """Give the file the permissions a new one has, bring it to the disk, put it in place."""
    mask = os.umask(0)
    os.umask(mask)
    part.chmod(0o666 & ~mask)
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    part.replace(target)
    if hasattr(os, "O_DIRECTORY"):
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).rstrip(".").lower()
