"""Arrays that stay in their HDF5 file until they are needed, for series larger than memory."""

from __future__ import annotations

import contextlib
import contextvars
import os
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spectra.errors import ReadError

__all__ = [
    "StoredArray",
    "is_lazy",
    "lazily",
    "one_behind_the_other",
    "opened",
    "read_all",
    "read_or_leave",
    "stored",
    "stored_bytes",
    "stored_parts",
]

#: Bytes of a field that is read at once in any case.
_SMALL = 1 << 22
#: Bytes that a field may claim without having them in the file, and how much more it may claim than is there: a map
#: that was interrupted is not damaged.
_FREE, _MORE = 1 << 26, 16
#: Bytes of a block that is read when it is needed.
_BLOCK = 1 << 22

_lazily: contextvars.ContextVar[bool] = contextvars.ContextVar("spectra_lazily", default=False)


@contextlib.contextmanager
def lazily() -> Iterator[None]:
    """Let readers inside the block leave large arrays in their file, where the format allows it."""
    token = _lazily.set(True)
    try:
        yield
    finally:
        _lazily.reset(token)


def is_lazy() -> bool:
    """Whether large arrays may be left in their file."""
    return _lazily.get()


def read_or_leave(field: Any) -> Any:
    """Values of a field of an open HDF5 file: read, or, inside :func:`lazily` and if they are large, left there."""
    if not _lazily.get() or field.ndim < 2 or field.nbytes <= _SMALL or field.dtype.kind not in "biuf":
        return read_all(field)
    return stored(field)


def read_all(field: Any) -> npt.NDArray[Any]:
    """Values of a field of an open HDF5 file, which claims no more than it has and than fits into memory.

    Raises
    ------
    ReadError
        It does: nothing was asked of the memory.
    """
    if not hasattr(field, "nbytes"):
        raise ReadError(f"{field.file.filename}: {field.name} is a group where a field should be.")
    if field.nbytes > _FREE:
        import psutil

        where = f"{field.file.filename}: {field.name} claims {field.nbytes} bytes"
        if not (field.is_virtual or field.external) and field.nbytes > _MORE * stored_bytes(field):
            raise ReadError(f"{where} that are not in the file: it is damaged.")
        free = psutil.virtual_memory().available
        if field.nbytes > free:
            raise ReadError(f"{where}, and {free} bytes of memory are free.")
    return np.asarray(field[()])


def stored_bytes(field: Any) -> int:
    """Bytes that the stored chunks of a field stand for once unpacked."""
    if field.chunks is None:
        return int(field.id.get_storage_size())
    return int(field.id.get_num_chunks() * np.prod(field.chunks) * field.dtype.itemsize)


def stored(field: Any) -> Any:
    """Dask array of a field of an open HDF5 file, which is read block by block when it is needed."""
    import dask.array

    least = field.chunks[0] if field.chunks else 1
    row = max(1, field.nbytes // field.shape[0])
    rows = min(field.shape[0], max(least, _BLOCK // row // least * least))
    array = StoredArray(os.path.abspath(field.file.filename), field.name, field.shape, field.dtype)
    chunks = (rows, *field.shape[1:])
    made = dask.array.from_array(array, chunks=chunks, asarray=False, name=f"{field.name}-{uuid.uuid4()}")
    return _made_of(made, (array,))


def one_behind_the_other(arrays: Sequence[Any]) -> Any:
    """Arrays, some of dask, as one dask array, behind one another along the first dimension."""
    import dask.array

    made, parts = dask.array.concatenate(arrays, axis=0), [stored_parts(array) for array in arrays]
    return _made_of(made, tuple(part for each in parts for part in each)) if all(parts) else made


def _made_of(array: Any, parts: tuple[StoredArray, ...]) -> Any:
    # with its name: an array that is written to in place is the same object by another name
    array._stored_parts = (array.name, parts)
    return array


def stored_parts(array: Any) -> tuple[StoredArray, ...]:
    """The fields that ``array`` is, one behind the other along the first dimension; none where it is anything else.

    What is computed from such an array, or written into it, has no parts: whoever writes the array as it is can hand
    over the bytes of its fields.
    """
    name, parts = getattr(array, "_stored_parts", ("", ()))
    return parts if parts and array.name == name else ()


@dataclass(frozen=True)
class StoredArray:
    """A field of an HDF5 file, opened for each block: nothing is kept open, and other processes can read it."""

    path: str
    field: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    def __getitem__(self, index: Any) -> npt.NDArray[Any]:
        with opened(self) as field:
            return np.asarray(field[index])


@contextlib.contextmanager
def opened(array: StoredArray) -> Iterator[Any]:
    """Its field, in the open file.

    Raises
    ------
    ReadError
        The file is no longer what it was.
    """
    import h5py

    try:
        with h5py.File(array.path, "r", locking="best-effort") as file:
            yield file[array.field]
    except (OSError, KeyError) as error:
        raise ReadError(f"{array.path} can no longer be read ({error}).".replace("\n", " ")) from None
