"""A nested dictionary as an HDF5 file: the one place that writes HDF5.

A tree is a dict. Its keys: ``"name"`` for a group (a dict) or a field (an array, text or number), ``"@name"`` for an
attribute of the group, ``"field@name"`` for an attribute of a field, ``">name"`` for a link to the path it holds.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset.stored import stored_parts
from spectra.errors import InvalidInput
from spectra.results.atomic import new_file
from spectra.results.chunks import LEVEL, Compressed, copy_parts, packed_chunks, write_compressed
from spectra.results.interrupts import interrupts_held
from spectra.results.seal import add_seal, sealed

__all__ = ["Compression", "chunk_shape", "write_tree"]

Compression = Literal["gzip", "zstd", "none"]

_SMALL = 16_000  # bytes; below, a filter costs more than it saves
_CHUNK = 1 << 20  # bytes; a read of one spectrum or one column stays cheap
_LONG_TEXT = 1 << 20  # characters; HDF5 does not compress strings of variable length


def write_tree(
    path: str | os.PathLike[str], tree: Mapping[str, Any], *, compression: Compression = "gzip"
) -> Path:
    """Write ``tree`` to the HDF5 file ``path``, replacing it in one step.

    HDF5 cannot recover from a disk that fills up, nor from being interrupted, while it writes. It therefore writes
    to memory, where neither can happen, and the finished file goes to the disk as plain bytes. Fields that are
    computed block by block may be larger than memory; with such, it writes to a file that keeps a fault to itself
    until HDF5 has ended. The checksum of the file stands at its end (:mod:`spectra.results.seal`).

    Parameters
    ----------
    path : path
    tree : mapping
        See the module's description. The same tree gives the same bytes.
    compression : {"gzip", "zstd", "none"}
        ``gzip`` is read by every program. ``zstd`` writes about five times faster; readers need a plug-in
        (Python: ``import hdf5plugin``).

    Raises
    ------
    WriteError
        The file could not be written; whatever stood there before is intact.
    """
    filters = _filters(compression)
    if not _is_lazy(tree):
        image = io.BytesIO()
        _write_hdf5(image, tree, filters)
        with new_file(path) as file:
            file.write(image.getbuffer())
            file.write(sealed(hashlib.sha256(image.getbuffer()).hexdigest()))
        return Path(path)
    with new_file(path) as file:
        patient = _PatientFile(file)
        try:
            _write_hdf5(patient, tree, filters)
        finally:
            if patient.fault is not None:
                raise patient.fault
        add_seal(file)
    return Path(path)


def _write_hdf5(target: Any, tree: Mapping[str, Any], filters: Mapping[str, Any]) -> None:
    import h5py

    with h5py.File(target, "w") as file:
        lazy: list[tuple[Any, Any]] = []
        with interrupts_held() as let_through:
            _write_group(file, tree, _Writing(filters, lazy, let_through))
        whole = [pair for pair in lazy if _copied(*pair)]
        lazy = [pair for pair in lazy if not _copied(*pair)]
        for source, field in whole:
            copy_parts(stored_parts(source), field)
        if lazy:  # block by block and all in one pass: what they share is computed once
            import dask.array

            targets = [Compressed(field) if _is_deflated(field) else field for _, field in lazy]
            dask.array.store(
                [source for source, _ in lazy], targets, lock=False
            )  # h5py has a lock of its own


def _copied(source: Any, field: Any) -> bool:
    """Whether the field is made of fields that lie in other files, packed as it will be."""
    return _is_deflated(field) and packed_chunks(stored_parts(source)) == field.chunks


def _is_lazy(tree: Mapping[str, Any]) -> bool:
    return any(
        _is_lazy(value) if isinstance(value, Mapping) else hasattr(value, "dask") for value in tree.values()
    )


class _PatientFile:
    """A file for HDF5 to write to; after a fault it swallows what comes, so that HDF5 can end, and keeps the fault."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.fault: OSError | None = None

    def write(self, data: Any) -> int:
        length = memoryview(data).nbytes
        if self.fault is None:
            try:
                return self._file.write(data)
            except OSError as error:
                self.fault = error
        return length

    def truncate(self, size: int | None = None) -> int:
        try:
            return self._file.truncate(size)
        except OSError as error:
            self.fault = self.fault or error
            return size or 0

    def flush(self) -> None:
        """Left to the end: the file is forced to the disk before it is renamed."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def chunk_shape(shape: tuple[int, ...], itemsize: int, target: int = _CHUNK) -> tuple[int, ...]:
    """Chunk of about ``target`` bytes: whole along the last dimension, as many rows as fit along the others."""
    chunk, room = [], max(1, target // max(1, itemsize))
    for length in reversed(shape):
        step = max(1, min(length, room))
        chunk.append(step)
        room //= step
    return tuple(reversed(chunk))


def _fitting(rows: int, blocks: tuple[int, ...]) -> int:
    """Rows of a chunk of which whole ones make a block, where nearly as many do: no chunk is compressed twice."""
    if any(block != blocks[0] for block in blocks[:-1]):
        return rows
    return next((n for n in range(rows, rows // 2, -1) if blocks[0] % n == 0), rows)


def _filters(compression: Compression) -> dict[str, Any]:
    if compression == "none":
        return {}
    if compression == "gzip":
        return {"compression": "gzip", "compression_opts": LEVEL, "shuffle": True}
    if compression != "zstd":
        raise InvalidInput(f"compression must be 'gzip', 'zstd' or 'none', got {compression!r}.")
    try:
        import hdf5plugin
    except ImportError:
        raise InvalidInput(
            "compression 'zstd' needs the package hdf5plugin: pip install hdf5plugin, or use 'gzip'."
        ) from None
    return {**hdf5plugin.Zstd(clevel=3), "shuffle": True}


@dataclass(frozen=True)
class _Writing:
    """What holds for the whole file: filters, fields still to be computed, and the place for Ctrl-C."""

    filters: Mapping[str, Any]
    lazy: list[tuple[Any, Any]]
    let_through: Callable[[], None]


def _write_group(group: Any, tree: Mapping[str, Any], writing: _Writing) -> None:
    import h5py

    for key, value in tree.items():
        if key.startswith(">"):
            group[key[1:]] = h5py.SoftLink(value)
        elif "@" not in key and isinstance(value, Mapping):
            _write_group(group.create_group(key), value, writing)
        elif "@" not in key:
            _write_field(group, key, value, writing)
    for key, value in tree.items():
        if "@" in key:
            field, _, name = key.partition("@")
            _write_attribute(group[field] if field else group, name, value)


def _write_field(group: Any, name: str, value: Any, writing: _Writing) -> None:
    import h5py

    writing.let_through()
    if isinstance(value, str) and len(value) > _LONG_TEXT:
        value = np.frombuffer(value.encode(), np.uint8)
    array = value if hasattr(value, "dask") else np.asarray(value)
    if array.dtype.kind in "UO":
        group.create_dataset(name, data=np.asarray(array, object), dtype=h5py.string_dtype())
        return
    options: dict[str, Any] = {}
    if array.ndim and array.nbytes > _SMALL and writing.filters:
        chunk = chunk_shape(array.shape, array.dtype.itemsize)
        blocks = value.chunks[0] if hasattr(value, "dask") else array.shape[:1]
        chunk = (_fitting(chunk[0], blocks), *chunk[1:])
        options = {"chunks": packed_chunks(stored_parts(value)) or chunk, **writing.filters}
    field = group.create_dataset(name, shape=array.shape, dtype=array.dtype, **options)
    if hasattr(value, "dask"):
        writing.lazy.append((value, field))
    elif array.size and _is_deflated(field):
        write_compressed(field, array)
    elif array.size:
        field[...] = array


def _is_deflated(field: Any) -> bool:
    return field.compression == "gzip" and field.dtype.kind in "biufc"


def _write_attribute(node: Any, name: str, value: Any) -> None:
    import h5py

    array = np.asarray(value)
    if array.dtype.kind in "UO":
        node.attrs.create(name, data=_text(array), dtype=h5py.string_dtype())
    else:
        node.attrs.create(name, data=array, dtype=array.dtype)


def _text(array: npt.NDArray[Any]) -> Any:
    return str(array) if array.ndim == 0 else array.astype(object)
