"""Files that are either there in full or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from spectra.errors import WriteError

__all__ = ["new_file", "replace_file"]


def replace_file(path: str | os.PathLike[str], content: bytes | memoryview) -> Path:
    """Put ``content`` at ``path`` in one step; until then, and on every failure, what stood there stays.

    Raises
    ------
    WriteError
        The folder is missing, not writable or full, or ``path`` is a folder.
    """
    with new_file(path) as file:
        file.write(content)
    return Path(path)


@contextlib.contextmanager
def new_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file, open for writing and reading, that takes the place of ``path`` when the block ends well.

    Its content goes to a hidden file in the same folder, is forced to the disk and renamed. The new file has the
    rights that any new file of the user gets. Where ``path`` is a symbolic link, the file it points to is replaced.

    Raises
    ------
    WriteError
        The folder is missing, not writable or full, or ``path`` is a folder.
    """
    shown = os.path.expanduser(os.fspath(path))
    target = Path(os.path.realpath(shown))
    if target.is_dir():
        raise WriteError(f"{shown} is a folder: name a file in it.")
    part = target.with_name(f".{target.name[:200]}.{secrets.token_hex(4)}.part")
    try:
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    except OSError as error:
        raise WriteError(_sentence(shown, target, error)) from error
    finally:  # also after Ctrl-C: nothing half-written stays
        with contextlib.suppress(OSError):
            part.unlink()
    _sync_folder(target.parent)


def _sentence(shown: str, target: Path, error: OSError) -> str:
    if not target.parent.is_dir():
        return f"{shown} cannot be written: there is no folder {target.parent}. Make it first or name another one."
    kept = "the file that was there is unchanged" if target.exists() else "nothing was left behind"
    return f"{shown} cannot be written: {error.strerror or error}; {kept}. Make room or name another place."


def _sync_folder(folder: Path) -> None:
    """Make the new name survive a power cut, where the system lets a folder be opened for that."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
