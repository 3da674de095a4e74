"""HDF5 files from anywhere, opened so that a damaged one is an error and neither a process that hangs nor an endless walk."""

from __future__ import annotations

import contextlib
import mmap
import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from spectra.errors import ReadError, SpectraError
from spectra.reading.source import Source

if TYPE_CHECKING:
    import h5py

__all__ = ["check_heaps", "opened", "walk"]

#: Members of a file that are looked at, and how deep: what goes beyond is a way round, not a measurement.
_MOST, _DEEPEST = 200_000, 64
#: Beginning of a collection of texts of variable length: "GCOL", its version, three zeros.
_HEAP = re.compile(rb"GCOL\x01\0\0\0")
_LEAST_HEAP = 4096
#: Bytes of a file that are looked through; of a larger one, so many at each end.
_WHOLE, _END = 2**30, 2**26
#: Bytes of it that are in memory at a time, and how far a beginning may reach beyond them.
_PIECE, _OVERLAP = 2**24, 7


@contextlib.contextmanager
def opened(source: Source) -> Iterator[h5py.File]:
    """The file, open for reading; every way in which its content can be wrong becomes one sentence.

    Raises
    ------
    ReadError
        It is not HDF5, damaged, or holds things of another kind than the reader that looks at it expects.
    """
    import h5py

    check_heaps(source.path, source.name)
    try:
        with h5py.File(source.path, "r") as file:
            yield file
    except SpectraError:
        raise
    except MemoryError:
        raise ReadError(f"{source.name} claims more data than fits into memory.") from None
    except (
        OSError, RuntimeError, KeyError, IndexError, TypeError, AttributeError, ValueError, ArithmeticError,
    ) as error:  # what h5py raises for what it cannot follow, and readers for what is of another kind  # fmt: skip
        detail = " ".join(str(error).split())[:300]
        raise ReadError(f"{source.name} is damaged or truncated HDF5 ({detail}).") from error


def check_heaps(path: str | os.PathLike[str], shown: str) -> None:
    """Refuse a file on whose collections of texts the library of HDF5 would never come back.

    It walks such a collection from one free piece to the next by their sizes, and a damaged size of zero leads nowhere.

    Raises
    ------
    ReadError
        There is one.
    """
    if os.path.getsize(path) == 0:
        return
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        width = _width_of_sizes(content)
        ends = (
            [(0, len(content))]
            if len(content) <= _WHOLE
            else [(0, _END), (len(content) - _END, len(content))]
        )
        for first, last in ends:
            for start in range(first // _PIECE * _PIECE, last, _PIECE):
                for found in _HEAP.finditer(content, max(start, first), min(start + _PIECE + _OVERLAP, last)):
                    if _leads_nowhere(content, found.start(), width):
                        raise ReadError(
                            f"{shown} is damaged HDF5 (a collection of texts at byte {found.start()})."
                        )
                if hasattr(mmap, "MADV_DONTNEED"):  # the memory of a process does not grow by the file
                    content.madvise(mmap.MADV_DONTNEED, start, min(_PIECE, len(content) - start))


def _width_of_sizes(content: Any) -> int:
    """Bytes of a size in this file, as the superblock says (8 in nearly all)."""
    start = max(content.find(b"\x89HDF\r\n\x1a\n", 0, 1 << 20), 0)
    head = content[start : start + 16].ljust(16, b"\0")
    width = head[14] if head[8] < 2 else head[10]
    return width if width in (2, 4, 8) else 8


def _leads_nowhere(content: Any, start: int, width: int) -> bool:
    size = int.from_bytes(content[start + 8 : start + 8 + width], "little")
    if not _LEAST_HEAP <= size <= len(content) - start:
        return False
    at, end, header = start + -(-(8 + width) // 8) * 8, start + size, -(-(8 + width) // 8) * 8
    while at + header <= end:
        number = int.from_bytes(content[at : at + 2], "little")
        length = int.from_bytes(content[at + 8 : at + 8 + width], "little")
        step = length if number == 0 else header + -(-length // 8) * 8
        step %= 1 << (8 * width)  # as the library counts
        if step == 0:
            return True
        at += step
    return False


def walk(group: h5py.Group, *, soft: bool = True) -> Iterator[tuple[str, Any]]:
    """Path and member for all that lies below a group, each once, whatever way leads back to where one was.

    Links that lead nowhere are passed over; ``soft=False`` passes over all that are not the member itself.

    Raises
    ------
    ReadError
        There are more members than any measurement has.
    """
    import h5py

    seen = {group.id}
    waiting = [(group, "", 0)]
    while waiting:
        here, path, depth = waiting.pop()
        below = []
        for name in here:
            if not soft and here.get(name, getclass=True, getlink=True) is not h5py.HardLink:
                continue
            item = here.get(name)
            if item is None or item.id in seen:
                continue
            if len(seen) >= _MOST:
                raise ReadError(f"it holds more than {_MOST} groups and fields; it is damaged.")
            seen.add(item.id)
            yield f"{path}/{name}", item
            if isinstance(item, h5py.Group) and depth < _DEEPEST:
                below.append((item, f"{path}/{name}", depth + 1))
        waiting += reversed(below)
