"""Collections of texts that lead the library of HDF5 round for ever are found wherever they lie in a file."""

from __future__ import annotations

import mmap

import pytest

from spectra.errors import ReadError
from spectra.reading import hdf5_file
from spectra.reading.hdf5_file import check_heaps

HEAD = b"\x89HDF\r\n\x1a\n\x00\x00\x00\x00\x00\x08\x08\x00"
#: Of 4096 bytes, with a free piece of size zero.
HEAP = b"GCOL\x01\0\0\0" + (4096).to_bytes(8, "little") + bytes(4080)


@pytest.mark.parametrize("at", [mmap.PAGESIZE - 4, mmap.PAGESIZE - 7, mmap.PAGESIZE, 3 * mmap.PAGESIZE - 1])
def test_across_what_is_looked_at_in_one_go(tmp_path, monkeypatch, at):
    monkeypatch.setattr(hdf5_file, "_PIECE", mmap.PAGESIZE)
    file = tmp_path / "scan.h5"
    file.write_bytes(HEAD.ljust(at, b"\0") + HEAP + bytes(100))
    with pytest.raises(ReadError, match=f"collection of texts at byte {at}"):
        check_heaps(file, "scan.h5")


def test_the_ends_of_a_large_file(tmp_path, monkeypatch):
    monkeypatch.setattr(hdf5_file, "_WHOLE", 10_000)
    monkeypatch.setattr(hdf5_file, "_END", 6_000)
    monkeypatch.setattr(hdf5_file, "_PIECE", mmap.PAGESIZE)
    file = tmp_path / "scan.h5"
    file.write_bytes(HEAD.ljust(20_000, b"\0") + HEAP)
    with pytest.raises(ReadError, match="at byte 20000"):
        check_heaps(file, "scan.h5")
