"""The file is there in full or not at all, whatever happens; and it is small, plain and the same every time."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

import spectra
from spectra.results import load, save
from spectra.results.atomic import replace_file
from spectra.results.writer import chunk_shape, write_tree


@pytest.fixture
def small(frozen):
    return spectra.from_arrays(
        frozen([1.0, 2, 3]), frozen([4.0, 5, 6]), attrs={"title": "the file that was there"}
    )


@pytest.fixture
def large(rng):
    return spectra.from_arrays(
        np.arange(1000), rng.random((100, 1000)), dims=("scan",), attrs={"title": "the new one"}
    )


def only_the_old_file_is_there(folder: Path, old: xr.Dataset) -> bool:
    return [f.name for f in folder.iterdir()] == ["results.nxs"] and load(folder / "results.nxs").identical(
        old
    )


def test_the_new_file_takes_the_place_of_the_old_one(tmp_path, small, large):
    save(tmp_path / "results.nxs", small)
    assert save(tmp_path / "results.nxs", large) == tmp_path / "results.nxs"
    assert only_the_old_file_is_there(tmp_path, large)


def test_the_new_file_has_the_rights_of_any_new_file(tmp_path, small):
    before = os.umask(0o027)
    try:
        path = save(tmp_path / "results.nxs", small)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_link_stays_and_the_file_behind_it_is_replaced(tmp_path, small):
    (tmp_path / "real").mkdir()
    (tmp_path / "link.nxs").symlink_to(tmp_path / "real" / "results.nxs")
    save(tmp_path / "link.nxs", small)
    assert (tmp_path / "link.nxs").is_symlink()
    assert only_the_old_file_is_there(tmp_path / "real", small)


@pytest.mark.parametrize("method", ["write", "flush"])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, small, large, monkeypatch, method):
    save(tmp_path / "results.nxs", small)
    opened = os.fdopen

    def on_a_full_disk(*arguments):
        file = opened(*arguments)

        class Full:
            def __enter__(self):
                return self

            def __exit__(self, *_):
                file.close()

            def __getattr__(self, name):
                return full if name == method else getattr(file, name)

        def full(*_):
            file.write(b"half of it")
            raise OSError(28, "No space left on device")

        return Full()

    monkeypatch.setattr(os, "fdopen", on_a_full_disk)
    with pytest.raises(
        spectra.SpectraError,
        match=r"cannot be written: No space left on device; the file that was there is unchanged",
    ):
        save(tmp_path / "results.nxs", large)
    monkeypatch.undo()
    assert only_the_old_file_is_there(tmp_path, small)


_LIMITED = """
import resource, sys
import numpy as np
import spectra
from spectra.results import save
data = spectra.from_arrays(np.arange(1000), np.random.default_rng(1).random((100, 1000)), dims=("scan",))
limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    save(sys.argv[1], data)
except spectra.SpectraError as error:
    sys.exit(str(error))
"""


@pytest.mark.parametrize("limit", [100, 300_000])
def test_a_disk_that_really_ends_leaves_the_old_file(tmp_path, small, limit):
    save(tmp_path / "results.nxs", small)
    ended = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(tmp_path / "results.nxs"), str(limit)],
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 1, ended.stderr
    assert ended.stderr.count("\n") == 1
    assert "cannot be written: File too large; the file that was there is unchanged" in ended.stderr
    assert only_the_old_file_is_there(tmp_path, small)


_REPEATING = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the tests themselves run in the background
import numpy as np
import spectra
from spectra.results import save
data = spectra.from_arrays(np.arange(1000), np.random.default_rng(1).random((300, 1000)), dims=("scan",))
save(sys.argv[1], data)
print("ready", flush=True)
while True:
    save(sys.argv[1], data)
"""


def interrupted_while_writing(path: Path, how: signal.Signals, wait: float) -> bytes:
    """What a process that writes ``path`` again and again says when it is stopped."""
    command = [sys.executable, "-c", _REPEATING, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as writer:
        try:
            assert writer.stdout.readline() == b"ready\n"
            time.sleep(wait)
            writer.send_signal(how)
            return writer.communicate(timeout=60)[1]
        finally:
            writer.kill()


@pytest.mark.parametrize("wait", [0.02, 0.11])
def test_ctrl_c_leaves_a_whole_file_and_nothing_else(tmp_path, wait):
    said = interrupted_while_writing(tmp_path / "results.nxs", signal.SIGINT, wait)
    assert said.endswith(b"KeyboardInterrupt\n")
    assert [f.name for f in tmp_path.iterdir()] == ["results.nxs"]
    assert load(tmp_path / "results.nxs").sizes["scan"] == 300


def test_a_killed_writer_leaves_a_whole_file(tmp_path):
    interrupted_while_writing(tmp_path / "results.nxs", signal.SIGKILL, 0.07)
    assert load(tmp_path / "results.nxs").sizes["scan"] == 300


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("missing/results.nxs", "cannot be written: there is no folder .*missing. Make it first"),
        ("folder", "folder is a folder: name a file in it"),
        ("file/results.nxs", "cannot be written: there is no folder .*file"),
    ],
)
def test_an_output_path_that_cannot_be_written_is_one_sentence(tmp_path, small, name, sentence):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=sentence) as caught:
        save(tmp_path / name, small)
    assert isinstance(caught.value, spectra.SpectraError)
    assert "\n" not in str(caught.value)
    assert sorted(f.name for f in tmp_path.iterdir()) == ["file", "folder"]
    assert not list((tmp_path / "folder").iterdir())


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs a folder that nobody can write to")
def test_a_read_only_folder_is_one_sentence(small):
    with pytest.raises(OSError, match=r"^/proc/results.nxs cannot be written: .*; nothing was left behind"):
        save("/proc/results.nxs", small)


def test_the_same_tree_gives_the_same_bytes(tmp_path, rng):
    tree = {"@NX_class": "NXroot", "a": {"x": rng.random((200, 300)), "x@units": "eV", "t": "µ"}, "b": {}}
    first = write_tree(tmp_path / "1.h5", tree).read_bytes()
    time.sleep(1.1)  # a time stamp would differ
    assert write_tree(tmp_path / "2.h5", tree).read_bytes() == first


def test_a_tree_becomes_groups_fields_attributes_and_links(tmp_path):
    tree = {
        "@NX_class": "NXroot",
        "@names": ["a", "bµ"],
        "group": {
            "number": 3,
            "number@units": "eV",
            "text": "µ",
            "texts": np.array(["x", "yy"]),
            "flag": np.bool_(True),
        },
        ">link": "/group/number",
        "long": "x" * 1_100_000,
    }
    with h5py.File(write_tree(tmp_path / "a.h5", tree)) as file:
        assert file.attrs["NX_class"] == "NXroot"
        assert list(file.attrs["names"]) == ["a", "bµ"]
        assert file["link"][()] == 3
        assert file["group/number"].attrs["units"] == "eV"
        assert list(file["group/texts"].asstr()) == ["x", "yy"]
        assert file["group/flag"][()]
        assert file["long"].dtype == np.uint8
        assert file["long"].compression == "gzip"
        assert bytes(file["long"][()]).decode() == tree["long"]


def test_only_large_arrays_are_compressed_and_a_chunk_holds_whole_spectra(tmp_path):
    tree = {
        "large": np.zeros((1000, 500)),
        "small": np.zeros(1000),
        "counts": np.zeros((3, 10_000), np.int32),
    }
    with h5py.File(write_tree(tmp_path / "a.h5", tree)) as file:
        assert file["small"].chunks is None
        assert file["large"].chunks == (250, 500)  # four whole ones; 262 rows would be 1 MiB
        assert (file["large"].compression, file["large"].shuffle) == ("gzip", True)
        assert file["counts"].dtype == np.int32


@pytest.mark.parametrize(
    ("shape", "chunk"),
    [
        ((10,), (10,)),
        ((10**7,), (131072,)),
        ((50, 60, 2000), (1, 60, 2000)),
        ((9, 10**6), (1, 131072)),
        ((0, 5), (1, 5)),
    ],
)
def test_chunks_are_about_a_megabyte(shape, chunk):
    assert chunk_shape(shape, 8) == chunk


def large_fields(rng):
    """One of each kind that is compressed by this library itself, with chunks that end at an edge."""
    return {
        "double": rng.normal(size=(1001, 503)),
        "counts": rng.integers(0, 99, (777, 1201)).astype("u2"),
        "complex": rng.normal(size=(700, 50)) + 1j,
        "flag": rng.random((900, 200)) < 0.3,
        "wide": rng.normal(size=(3, 200_000)),
        "cube": rng.normal(size=(20, 30, 1000)).astype("f4"),
        "other_order": rng.normal(size=(500, 50)).astype(">f8"),
        "column": np.arange(30_000),
    }


@pytest.mark.parametrize("rows", [None, 37, 200, 250])
def test_what_is_compressed_in_threads_is_what_hdf5_reads(tmp_path, rng, rows):
    """At once, and block by block: blocks that end inside a chunk share it."""
    import dask.array

    fields = large_fields(rng)
    tree = fields
    if rows is not None:
        tree = {n: dask.array.from_array(a, chunks=(rows, *a.shape[1:])) for n, a in fields.items()}
    with h5py.File(write_tree(tmp_path / "a.h5", tree)) as file:
        for name, array in fields.items():
            assert file[name].compression == "gzip"
            assert file[name].dtype == array.dtype
            np.testing.assert_array_equal(file[name][()], array, err_msg=name)


def test_chunks_are_those_that_hdf5_would_write(tmp_path, rng):
    """Byte by byte, so that no program can tell them apart."""
    array = rng.integers(0, 99, (777, 1201)).astype("u2")
    ours = write_tree(tmp_path / "ours.h5", {"x": array})
    with h5py.File(ours) as file, h5py.File(tmp_path / "theirs.h5", "w") as other:
        options = {"compression": "gzip", "compression_opts": file["x"].compression_opts, "shuffle": True}
        theirs = other.create_dataset("x", data=array, chunks=file["x"].chunks, **options)
        for start in range(0, 777, theirs.chunks[0]):
            (mask, mine), (_, written) = (one.id.read_direct_chunk((start, 0)) for one in (file["x"], theirs))
            assert mask == 0
            assert zlib.decompress(mine) == zlib.decompress(written)


def test_chunks_of_a_lazy_field_fit_its_blocks(tmp_path):
    import dask.array

    lazy = dask.array.zeros((5000, 500), chunks=(2000, 500))
    with h5py.File(write_tree(tmp_path / "a.h5", {"x": lazy})) as file:
        assert file["x"].chunks == (250, 500)


def test_replace_file_takes_bytes_and_returns_the_path(tmp_path):
    assert replace_file(tmp_path / "a.txt", b"abc").read_bytes() == b"abc"
