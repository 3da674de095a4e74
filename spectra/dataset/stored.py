"""Arrays that stay in their HDF5 file until they are needed, for series larger than memory."""

from __future__ import annotations

import contextlib
import contextvars
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spectra.errors import ReadError

__all__ = ["StoredArray", "is_lazy", "lazily", "read_or_leave", "stored"]

#: Bytes of a field that is read at once in any case.
_SMALL = 1 << 22
#: Bytes of a block that is read when it is needed.
_BLOCK = 1 << 26

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
        return np.asarray(field[()])
    return stored(field)


def stored(field: Any) -> Any:
    """Dask array of a field of an open HDF5 file, which is read block by block when it is needed."""
    import dask.array

    least = field.chunks[0] if field.chunks else 1
    row = max(1, field.nbytes // field.shape[0])
    rows = min(field.shape[0], max(least, _BLOCK // row // least * least))
    array = StoredArray(os.path.abspath(field.file.filename), field.name, field.shape, field.dtype)
    chunks = (rows, *field.shape[1:])
    return dask.array.from_array(array, chunks=chunks, asarray=False, name=f"{field.name}-{uuid.uuid4()}")


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
        import h5py

        try:
            with h5py.File(self.path, "r", locking="best-effort") as file:
                return np.asarray(file[self.field][index])
        except (OSError, KeyError) as error:
            raise ReadError(f"{self.path} can no longer be read ({error}).".replace("\n", " ")) from None
