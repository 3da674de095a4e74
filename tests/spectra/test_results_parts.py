"""Fields that lie in other files, one behind the other, become one field: as they are packed, or packed anew."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

import spectra
from spectra.dataset.stored import one_behind_the_other, stored, stored_parts
from spectra.errors import ReadError
from spectra.results import chunks
from spectra.results.writer import write_tree


@pytest.fixture
def handed_over(monkeypatch):
    """How many chunks are packed; those handed over as they are do not count."""
    packed = []
    usual = chunks._deflated

    def counted(values, shape):
        packed.append(shape)
        return usual(values, shape)

    monkeypatch.setattr(chunks, "_deflated", counted)
    return packed


def parts(folder, arrays):
    """Each in a file of its own, and the series that they are."""
    for number, array in enumerate(arrays):
        write_tree(folder / f"{number}.h5", {"entry": {"y": array}})
    fields = []
    for number in range(len(arrays)):
        with h5py.File(folder / f"{number}.h5") as file:
            fields.append(stored(file["entry/y"]))
    return one_behind_the_other(fields)


def written(folder, array):
    with h5py.File(write_tree(folder / "whole.h5", {"y": array})) as file:
        return file["y"][()], file["y"].chunks


class TestJoined:
    @pytest.mark.parametrize("dtype", [float, np.uint16, bool])
    def test_chunks_are_handed_over_as_they_are(self, tmp_path, rng, handed_over, dtype):
        arrays = [(rng.normal(size=(n, 500)) * 50 + 100).astype(dtype) for n in (2000, 2000, 700)]
        series = parts(tmp_path, arrays)
        handed_over.clear()
        found, shape = written(tmp_path, series)
        assert np.array_equal(found, np.concatenate(arrays))
        with h5py.File(tmp_path / "0.h5") as first:
            assert shape == first["entry/y"].chunks
        assert len(handed_over) <= -(-700 // shape[0])  # only where a short part was cut into other chunks

    def test_parts_that_do_not_end_with_a_chunk_are_packed_anew(self, tmp_path, rng, handed_over):
        arrays = [rng.normal(size=(n, 500)) for n in (1999, 40, 2000)]
        found, _ = written(tmp_path, parts(tmp_path, arrays))
        assert np.array_equal(found, np.concatenate(arrays))

    def test_small_parts_that_are_not_packed(self, tmp_path, rng):
        arrays = [rng.normal(size=(n, 5)) for n in (3, 1, 4)]
        found, _ = written(tmp_path, parts(tmp_path, arrays))
        assert np.array_equal(found, np.concatenate(arrays))

    def test_what_is_computed_from_them_is_not_them(self, tmp_path, rng):
        arrays = [rng.normal(size=(2000, 500)) for _ in range(2)]
        series = parts(tmp_path, arrays)
        assert [part.path for part in stored_parts(series)] == [str(tmp_path / f"{n}.h5") for n in (0, 1)]
        assert stored_parts(series[:, ::2]) == stored_parts(2 * series) == ()
        found, _ = written(tmp_path, 2 * series)
        assert np.array_equal(found, 2 * np.concatenate(arrays))

    def test_a_part_that_is_gone_is_named(self, tmp_path, rng):
        series = parts(tmp_path, [rng.normal(size=(2000, 500)) for _ in range(2)])
        (tmp_path / "1.h5").unlink()
        with pytest.raises(ReadError, match=r"1\.h5 can no longer be read"):
            write_tree(tmp_path / "whole.h5", {"y": series})
        assert not (tmp_path / "whole.h5").exists()


class TestWhatOnlyLooksLikeThem:
    """Bytes are handed over only where they say the same in the other file."""

    @staticmethod
    def stored(file, name="y"):
        with h5py.File(file) as source:
            return stored(source[name])

    def test_an_array_that_was_written_to_in_place(self, tmp_path, rng):
        array = rng.normal(size=(2000, 500))
        write_tree(tmp_path / "0.h5", {"y": array})
        lazy = self.stored(tmp_path / "0.h5")
        lazy[3] = np.nan
        found, _ = written(tmp_path, lazy)
        array[3] = np.nan
        np.testing.assert_array_equal(found, array)

    def test_a_loaded_dataset_that_was_written_to_in_place(self, tmp_path, rng):
        data = spectra.from_arrays(
            np.arange(500.0), rng.normal(size=(2000, 500)), axis="raman_shift", dims=("spot",)
        )
        spectra.save(tmp_path / "first.nxs", data)
        loaded = spectra.load(tmp_path / "first.nxs", lazy=True)
        loaded["intensity"][3] = -1.0
        spectra.save(tmp_path / "second.nxs", loaded)
        again = spectra.load(tmp_path / "second.nxs").intensity.values
        assert (again[3] == -1.0).all()
        np.testing.assert_array_equal(again[4:], data.intensity.values[4:])

    def test_filters_in_another_order(self, tmp_path, rng):
        array = rng.normal(size=(2000, 500))
        recipe = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        recipe.set_chunk((250, 500))
        recipe.set_deflate(1)
        recipe.set_shuffle()
        with h5py.File(tmp_path / "0.h5", "w") as file:
            space = h5py.h5s.create_simple(array.shape)
            field = h5py.Dataset(h5py.h5d.create(file.id, b"y", h5py.h5t.NATIVE_DOUBLE, space, recipe))
            field[...] = array
        found, _ = written(tmp_path, self.stored(tmp_path / "0.h5"))
        np.testing.assert_array_equal(found, array)

    def test_a_map_that_was_interrupted(self, tmp_path, rng):
        array = rng.normal(size=(1000, 500))
        with h5py.File(tmp_path / "0.h5", "w") as file:
            file.create_dataset(
                "y", shape=(2000, 500), dtype=float, chunks=(250, 500), compression="gzip", shuffle=True,
                fillvalue=np.nan,
            )  # fmt: skip
            file["y"][:1000] = array
        found, _ = written(tmp_path, self.stored(tmp_path / "0.h5"))
        np.testing.assert_array_equal(found[:1000], array)
        assert np.isnan(found[1000:]).all()

    def test_another_byte_order(self, tmp_path, rng):
        array = rng.normal(size=(2000, 500)).astype(">f8")
        with h5py.File(tmp_path / "0.h5", "w") as file:
            file.create_dataset("y", data=array, chunks=(250, 500), compression="gzip", shuffle=True)
        found, _ = written(tmp_path, self.stored(tmp_path / "0.h5"))
        np.testing.assert_array_equal(found, array)
