"""Series of Raman measurements: many files, the spectra of one, maps of one shape."""

import numpy as np
import pytest

import raman
import spectra
from spectra.dataset import failed
from spectra.errors import ReadError
from tests.raman.spectrum_files import shifts, spectrum, wdf

X = shifts()


def test_two_columns_become_a_series(data_dir):
    folder = data_dir / "raman" / "carbon"
    series = raman.read_series(
        [folder / f"testDW38C_pos{n}.txt" for n in (1, 2)], dim="position", coordinate=(0.0, 5.0)
    )
    assert dict(series.sizes) == {"position": 2, "raman_shift": 1600}
    assert series.attrs["technique"] == "raman"
    np.testing.assert_array_equal(series.intensity[1], raman.read(folder / "testDW38C_pos2.txt").intensity)


def test_one_file_with_a_series_or_a_map_keeps_its_dimensions(data_dir):
    folder = data_dir / "raman"
    for name in ("horiba/serie190214-1.txt", "renishaw/interrupted_acquisition.wdf", "renishaw/line.wdf"):
        series, read = raman.read_series(folder / name), raman.read(folder / name)
        assert series.intensity.identical(read.intensity)
        np.testing.assert_array_equal(failed(series), failed(read))
        assert series.spectra.history[0]["verb"] == "raman.read_series"


def test_several_time_series_go_one_after_the_other(tmp_path):
    """Two files of three spectra, begun 100 s apart, are six spectra along one wall clock."""
    for number in range(2):
        ticks = (
            np.uint64(133_000_000_000_000_000 + number * 1_000_000_000)
            + np.arange(3, dtype=np.uint64) * 20_000_000
        )
        values = (3 * number + np.arange(3))[:, None] + spectrum(X)
        (tmp_path / f"part{number}.wdf").write_bytes(wdf(X, values, origins=[(11, 24, ticks)], kind=2))
    series = raman.read_series(tmp_path / "*.wdf", dim="time")
    np.testing.assert_allclose(series.time, [0, 2, 4, 100, 102, 104], atol=1e-5)
    np.testing.assert_allclose(series.intensity[:, -1] - series.intensity[0, -1], np.arange(6), atol=1e-4)
    assert series.time.attrs["start"].startswith("2022-06-18")


def test_maps_of_one_shape_are_stacked(tmp_path):
    xs, ys = np.tile([0.0, 2.0], 2), np.repeat([0.0, 3.0], 2)
    for number in range(3):
        values = (10 * number + np.arange(4))[:, None] + spectrum(X)
        origins = [(3, 5, xs), (4, 5, ys)]
        (tmp_path / f"step{number}.wdf").write_bytes(
            wdf(X, values, origins=origins, plan=(0, 0, 0, 2, 3, 2, 2))
        )
    series = raman.read_series(tmp_path / "*.wdf", dim="voltage", coordinate=(3.0, 3.5, 4.0))
    assert series.intensity.dims == ("voltage", "y", "x", "raman_shift")
    np.testing.assert_array_equal(series.y, [0, 3])
    assert float(
        series.intensity.sel(voltage=4.0, x=2, y=3)[0] - series.intensity[0, 0, 0, 0]
    ) == pytest.approx(23)
    values = np.ones((6, 1)) * spectrum(X)
    odd = [(3, 5, np.tile([0.0, 2.0, 4.0], 2)), (4, 5, np.repeat([0.0, 3.0], 3))]
    (tmp_path / "step9.wdf").write_bytes(wdf(X, values, origins=odd, plan=(0, 0, 0, 2, 3, 3, 2)))
    with pytest.raises(ReadError, match="different dimensions"):
        raman.read_series(tmp_path / "*.wdf")


def test_maps_on_other_axes_are_interpolated(tmp_path):
    xs, ys = np.tile([0.0, 2.0], 2), np.repeat([0.0, 3.0], 2)
    for number in range(2):
        x = X + number
        origins = [(3, 5, xs), (4, 5, ys)]
        (tmp_path / f"m{number}.wdf").write_bytes(
            wdf(x, np.arange(1, 5)[:, None] * x, origins=origins, plan=(0, 0, 0, 2, 3, 2, 2))
        )
    with pytest.raises(ReadError, match="say grid="):
        raman.read_series(tmp_path / "*.wdf")
    series = raman.read_series(tmp_path / "*.wdf", grid="intersection")
    expected = np.arange(1, 5).reshape(2, 2)[..., None] * series.raman_shift.values
    np.testing.assert_allclose(series.intensity[0], expected, rtol=1e-5)
    np.testing.assert_allclose(series.intensity[1], expected, rtol=1e-5)


def test_spectra_in_three_units_are_one_series(data_dir):
    series = raman.read_series(data_dir / "raman" / "horiba" / "jobinyvon_test_spec_3s_*.xml", grid="first")
    assert dict(series.sizes) == {"scan": 3, "raman_shift": 34}
    inside = series.intensity.values[:, 1:-1]
    np.testing.assert_allclose(inside - inside[0], 0, atol=0.01 * inside.max())


def test_a_map_is_saved_and_comes_back(data_dir, tmp_path):
    scan = raman.read(data_dir / "raman" / "renishaw" / "interrupted_acquisition.wdf")
    file = tmp_path / "map.nxs"
    spectra.save(file, scan)
    again = raman.read(file)
    assert again.intensity.dims == ("y", "x", "raman_shift")
    np.testing.assert_array_equal(again.intensity, scan.intensity)
    np.testing.assert_array_equal(failed(again), failed(scan))
    np.testing.assert_array_equal(again.time, scan.time)
