"""Renishaw files: every measured one against what is known of it, and simulated ones for what no measured file shows."""

import struct

import numpy as np
import pytest

import raman
from spectra.dataset import failed
from spectra.errors import ReadError
from tests.raman.spectrum_files import shifts, spectrum, wdf

X = shifts()


def notes(scan):
    return scan.spectra.history[0].get("notes", [])


@pytest.fixture
def written(tmp_path):
    def write(content):
        file = tmp_path / "map.wdf"
        file.write_bytes(content)
        return raman.read(file)

    return write


@pytest.fixture
def measured(data_dir):
    return lambda name: raman.read(data_dir / "raman" / "renishaw" / name)


def test_one_spectrum_three_ways(measured):
    """The .wdf, the text and the .spc that WiRE wrote of one spectrum agree; only the .spc was put on an even axis."""
    name = "nCal_Qontor785_z005H12_100_1x3s"
    binary, text, spc = (measured(f"{name}.{suffix}") for suffix in ("wdf", "txt", "spc"))
    np.testing.assert_allclose(text.raman_shift, binary.raman_shift, atol=1e-6)
    np.testing.assert_allclose(text.intensity, binary.intensity, rtol=1e-7, atol=1e-6)
    on_even = np.interp(spc.raman_shift, binary.raman_shift, binary.intensity)
    np.testing.assert_allclose(spc.intensity, on_even, atol=2e-5 * float(binary.intensity.max()))
    assert spc.raman_shift[0] == pytest.approx(float(binary.raman_shift[0]), abs=1e-6)
    assert binary.attrs["laser_wavelength"] == pytest.approx(785.0156, abs=1e-4)
    assert binary.attrs["integration_time"] == spc.attrs["integration_time"] == 3.0
    assert binary.raman_shift[0] < -150  # anti-Stokes light is kept


def test_reflex_text_and_spc_agree(measured):
    text, spc = (measured(f"PST_Reflex532_Z050_010_10000msx2.{suffix}") for suffix in ("txt", "spc"))
    on_even = np.interp(spc.raman_shift, text.raman_shift, text.intensity)
    np.testing.assert_allclose(spc.intensity, on_even, atol=5e-4 * float(text.intensity.max()))
    assert spc.attrs["integration_time"] == 10.0
    assert spc.attrs["accumulations"] == 2


@pytest.mark.parametrize(
    ("name", "dims"),
    [
        ("sp.wdf", {"raman_shift": 1015}),
        ("undefined.wdf", {"scan": 2, "raman_shift": 1015}),
        ("orange_single-spectrum_undefined-type.wdf", {"raman_shift": 1015}),
        ("line.wdf", {"position": 235, "raman_shift": 1015}),
        ("renishaw_test_map.wdf", {"y": 3, "x": 3, "raman_shift": 47}),
        ("renishaw_test_timeseries.wdf", {"time": 3, "raman_shift": 1007}),
        ("renishaw_test_focustrack_invariant.wdf", {"time": 10, "raman_shift": 1010}),
        ("interrupted_acquisition.wdf", {"y": 4, "x": 4, "raman_shift": 1010}),
    ],
)
def test_what_each_file_holds(measured, name, dims):
    scan = measured(name)
    assert dict(scan.intensity.sizes) == dims
    assert scan.attrs["technique"] == "raman"
    assert scan.attrs["signal"] == "intensity"


def test_map_is_in_place_and_in_shifts(measured):
    scan = measured("renishaw_test_map.wdf")
    np.testing.assert_allclose(scan.x, [-100, 0, 100])
    np.testing.assert_allclose(scan.y, [-100, 0, 100])
    assert scan.x.attrs["units"] == "um"
    # the file is in nm: 346.77 to 350.68 with a laser of 325.0003
    assert float(scan.raman_shift[0]) == pytest.approx(1e7 / 325.0003323 - 1e7 / 346.7727967, abs=1e-3)
    assert any("in nm, was converted" in note for note in notes(scan))
    assert (np.diff(scan.time.values.ravel()) > 0).all()
    assert "integration_time" not in scan.attrs  # the file states two


def test_interrupted_map_survives_as_a_map(measured):
    scan = measured("interrupted_acquisition.wdf")
    missing = failed(scan)
    assert missing.dims == ("y", "x")
    np.testing.assert_array_equal(missing, [[False] * 4] * 3 + [[True] * 4])
    assert np.isnan(scan.intensity.values[3]).all()
    assert np.isfinite(scan.intensity.values[:3]).all()
    assert any("12 of 16 spectra" in note for note in notes(scan))
    np.testing.assert_allclose(np.diff(scan.y), 10)


def test_line_has_its_positions(measured):
    scan = measured("line.wdf")
    assert {"x", "y", "position", "time"} <= set(scan.coords)
    np.testing.assert_allclose(np.diff(scan.position), 0.25, atol=1e-3)
    assert scan.attrs["integration_time"] == 2.0


def test_series_have_times(measured):
    series = measured("renishaw_test_timeseries.wdf")
    np.testing.assert_allclose(series.time, [0, 3.088, 6.133], atol=1e-3)
    assert series.time.attrs["units"] == "s"
    assert series.time.attrs["start"].startswith("2023-02-10T13:47")
    focus = measured("renishaw_test_focustrack_invariant.wdf")
    assert any("did not move" in note for note in notes(focus))


def test_faults_of_the_undefined_files_are_said(measured):
    assert any("does not say what its axis is" in note for note in notes(measured("undefined.wdf")))
    damaged = measured("orange_single-spectrum_undefined-type.wdf")
    assert any("'WXDA'" in note for note in notes(damaged))


def _origins(xs, ys):
    return [(0x80000003, 5, xs), (0x80000004, 5, ys)]


def test_positions_decide_where_a_spectrum_lies(written):
    """A map measured column by column and one measured back and forth: the places of the stage count, not the order."""
    columns, rows = np.arange(4) * 2.0, np.arange(3) * 5.0
    snake = [(x, y) for j, y in enumerate(rows) for x in (columns if j % 2 == 0 else columns[::-1])]
    by_column = [(x, y) for x in columns for y in rows]
    for places in (snake, by_column):
        xs, ys = np.array(places).T
        values = spectrum(X) * (1 + xs + 10 * ys)[:, None]
        scan = written(wdf(X, values, origins=_origins(xs, ys), plan=(0, 0, 0, 2, 5, 4, 3)))
        factor = 1 + scan.x + 10 * scan.y
        expected = np.asarray(factor.transpose("y", "x"))[..., None] * spectrum(X)
        np.testing.assert_allclose(scan.intensity, expected, rtol=1e-6)


def test_stage_that_went_elsewhere_than_planned(written):
    """StreamLine: the plan of the map is not where the spectra were taken; ORGN is."""
    xs, ys = np.tile(np.arange(4) * 1.3, 3), np.repeat(np.arange(3) * 2.7, 4)
    scan = written(
        wdf(X, np.arange(12)[:, None] + spectrum(X), origins=_origins(xs, ys), plan=(8, 0, 0, 1, 2, 4, 3))
    )
    assert dict(scan.sizes) == {"y": 3, "x": 4, "raman_shift": 200}
    np.testing.assert_allclose(scan.x, np.arange(4) * 1.3)
    np.testing.assert_allclose(scan.intensity.values[..., -1].ravel() - spectrum(X)[-1], np.arange(12))


def test_descending_plan_is_sorted(written):
    xs, ys = np.tile([4.0, 2.0, 0.0], 2), np.repeat([1.0, 0.0], 3)
    scan = written(
        wdf(X, np.arange(1, 7)[:, None] * spectrum(X), origins=_origins(xs, ys), plan=(0, 4, 1, -2, -1, 3, 2))
    )
    np.testing.assert_array_equal(scan.x, [0, 2, 4])
    assert float(scan.intensity.sel(x=4, y=1).max() / scan.intensity.sel(x=0, y=0).max()) == pytest.approx(
        1 / 6
    )


def test_depth_scan_has_z(written):
    z = np.array([-3.0, -1.0, 1.0])
    scan = written(wdf(X, np.ones((3, 1)) * spectrum(X), origins=[(0x80000005, 5, z)], kind=2))
    assert scan.intensity.dims == ("z", "raman_shift")
    np.testing.assert_array_equal(scan.z, z)
    assert scan.z.attrs["units"] == "um"


def test_points_at_random_stay_in_order(written):
    rng = np.random.default_rng(4)
    xs, ys = rng.uniform(0, 100, (2, 9))
    scan = written(
        wdf(X, np.ones((9, 1)) * spectrum(X), origins=_origins(xs, ys), plan=(1, 0, 0, 1, 1, 9, 1))
    )
    assert scan.intensity.dims == ("scan", "raman_shift")
    np.testing.assert_allclose(scan.x, xs)


def test_unknown_blocks_are_named(written):
    scan = written(wdf(X, spectrum(X), blocks=[(b"NEWB", b"12345678")]))
    assert any("'NEWB'" in note for note in notes(scan))
    np.testing.assert_array_equal(scan.intensity, spectrum(X))


def test_axis_in_nm_needs_a_laser(tmp_path):
    nm = 1e7 / (1e7 / 532.0 - X)
    file = tmp_path / "nm.wdf"
    file.write_bytes(wdf(nm, spectrum(X), units=3, laser=0.0))
    with pytest.raises(ReadError, match="axis in nm with no laser wavelength"):
        raman.read(file)
    np.testing.assert_allclose(raman.read(file, laser=532.0).raman_shift, X, atol=0.2)  # float32 in the file


@pytest.mark.parametrize(
    ("at", "form", "value", "sentence"),
    [
        (60, "<I", 2**31, "points on an axis of"),
        (72, "<Q", 2**60, "nothing was measured"),
        (64, "<Q", 2**60, None),
        (72, "<Q", 0, "nothing was measured"),
        (88, "<I", 7, "points on an axis of 7"),
        (520, "<Q", 2**62, "has no block"),
    ],
)
def test_sizes_are_checked_before_anything_is_made(tmp_path, at, form, value, sentence):
    content = bytearray(wdf(X, spectrum(X)))
    struct.pack_into(form, content, at, value)
    file = tmp_path / "damaged.wdf"
    file.write_bytes(content)
    if sentence is None:  # more was planned than the file can hold: what is there is read
        assert raman.read(file).sizes["raman_shift"] == 200
        return
    with pytest.raises(ReadError, match=sentence):
        raman.read(file)
