"""Chunks of large fields, compressed in threads and written as they are.

HDF5 compresses one chunk after the other, on one core; most of the time that saving takes is spent there. Here chunks
are shuffled and deflated as HDF5 does it, outside of its lock, and handed over ready: any program reads them as usual.
"""

from __future__ import annotations

import itertools
import math
import os
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from spectra.dataset.stored import StoredArray, opened

__all__ = ["LEVEL", "Compressed", "copy_parts", "packed_chunks", "write_compressed"]

#: Of gzip. On shuffled spectra, higher levels take up to seven times as long for one or two percent of the size.
LEVEL = 1
#: Chunks in work, of each thread.
_AHEAD = 4

_Box = tuple[slice, ...]


class Compressed:
    """A chunked, shuffled and deflated HDF5 field for dask to store blocks in: compressed by the thread that comes with one.

    Parameters
    ----------
    field : h5py.Dataset
    """

    def __init__(self, field: Any) -> None:
        self._field = field
        self.shape, self.dtype, self.ndim = field.shape, field.dtype, len(field.shape)

    def __setitem__(self, index: _Box, values: npt.ArrayLike) -> None:
        block = np.asarray(values, self.dtype)
        corner = [part.start or 0 for part in index]
        for box in _chunks(self.shape, self._field.chunks, corner, block.shape):
            inside = tuple(
                slice(max(part.start, first), min(part.stop, first + size))
                for part, first, size in zip(box, corner, block.shape, strict=True)
            )
            part = block[tuple(slice(s.start - c, s.stop - c) for s, c in zip(inside, corner, strict=True))]
            if inside == box:
                packed = _deflated(part, self._field.chunks)
                self._field.id.write_direct_chunk(tuple(s.start for s in box), packed)
            else:  # another block has the rest of the chunk
                self._field[inside] = part


def write_compressed(field: Any, array: npt.NDArray[Any]) -> None:
    """Write ``array`` to an empty HDF5 field of its shape and type, which is chunked, shuffled and deflated."""
    boxes = list(_chunks(field.shape, field.chunks, [0] * array.ndim, array.shape))
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with ThreadPoolExecutor(threads) as pool:
        for first in range(0, len(boxes), _AHEAD * threads):
            some = boxes[first : first + _AHEAD * threads]
            for box, packed in zip(
                some, pool.map(lambda box: _deflated(array[box], field.chunks), some), strict=True
            ):
                field.id.write_direct_chunk(tuple(part.start for part in box), packed)


def packed_chunks(parts: Sequence[StoredArray]) -> tuple[int, ...] | None:
    """Shape of the chunks of these fields, if the first is chunked, shuffled and deflated as here."""
    if not parts:
        return None
    with opened(parts[0]) as field:
        return field.chunks if _is_packed(field) else None


def copy_parts(parts: Sequence[StoredArray], field: Any) -> None:
    """Write fields of other files, one behind the other, to an empty field that holds them all.

    Chunks that lie in their file as they will lie in ``field`` are handed over as they are; others are packed anew.
    """
    first = 0
    for part in parts:
        with opened(part) as source:
            if _is_packed(source) and _fits(source, field, first):
                for box in _chunks(source.shape, source.chunks, [0] * source.ndim, source.shape):
                    corner = tuple(s.start for s in box)
                    skipped, packed = source.id.read_direct_chunk(corner)
                    field.id.write_direct_chunk((corner[0] + first, *corner[1:]), packed, skipped)
            else:
                write = Compressed(field)
                step = source.chunks[0] if source.chunks else len(source)
                for start in range(0, len(source), step):
                    rows = slice(start, min(start + step, len(source)))
                    write[(slice(first + rows.start, None), *[slice(0, None)] * (source.ndim - 1))] = source[
                        rows
                    ]
            first += len(source)


def _is_packed(field: Any) -> bool:
    """Whether all chunks are there, shuffled, then deflated, and nothing else."""
    import h5py

    if field.chunks is None or field.id.get_num_chunks() != math.prod(
        -(-length // step) for length, step in zip(field.shape, field.chunks, strict=True)
    ):
        return False  # a measurement that was interrupted has no chunks where nothing was measured
    recipe = field.id.get_create_plist()
    steps = [recipe.get_filter(number)[0] for number in range(recipe.get_nfilters())]
    return bool(steps == [h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE])


def _fits(source: Any, field: Any, first: int) -> bool:
    """Whether the chunks of ``source``, put at row ``first``, are chunks of ``field``."""
    rows, alike = field.chunks[0], source.chunks == field.chunks and source.dtype == field.dtype
    return alike and first % rows == 0 and (len(source) % rows == 0 or first + len(source) == len(field))


def _chunks(
    shape: tuple[int, ...], chunk: tuple[int, ...], corner: list[int], size: tuple[int, ...]
) -> Iterator[_Box]:
    """What the field's chunks hold of it, of those that a block of this size at this corner touches."""
    along = [
        [slice(start, min(start + step, length)) for start in range(first // step * step, first + n, step)]
        for length, step, first, n in zip(shape, chunk, corner, size, strict=True)
    ]
    yield from itertools.product(*along)


def _deflated(values: npt.NDArray[Any], chunk: tuple[int, ...]) -> bytes:
    """A chunk as HDF5's filters leave it: filled up with zeros at an edge, byte by byte of all numbers, deflated."""
    if values.shape != chunk:
        whole = np.zeros(chunk, values.dtype)
        whole[tuple(slice(n) for n in values.shape)] = values
        values = whole
    flat = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
    return zlib.compress(np.ascontiguousarray(flat.reshape(-1, values.itemsize).T).data, LEVEL)
