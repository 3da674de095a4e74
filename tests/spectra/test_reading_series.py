"""Series: many files or many scans of one, on one grid, with their coordinate."""

import json

import numpy as np
import pytest

import spectra
import xas
from spectra.errors import InvalidInput, ReadError
from spectra.reading.series import expand


@pytest.fixture
def folder(tmp_path):
    def write(energies, *, header="", value=lambda n, e: n + e - 6550):
        for n, energy in enumerate(energies, start=1):
            rows = "\n".join(f"{e} {value(n, e)} {n}" for e in energy)
            (tmp_path / f"scan{n}.txt").write_text(f"{header.format(n=n)}# energy mu i0\n{rows}\n")
        return tmp_path

    return write


GRID = [6550.0, 6551.0, 6552.0, 6553.0]


def test_a_pattern_is_sorted_with_numbers_by_value(folder):
    series = spectra.read_series(folder([GRID] * 12) / "scan*.txt")
    assert series.label.values.tolist() == [f"scan{n}" for n in range(1, 13)]
    np.testing.assert_array_equal(series.mu[:, 0], np.arange(1, 13))
    assert series.mu.dims == ("scan", "energy")
    assert series.scan.values.tolist() == list(range(12))


def test_a_list_keeps_its_order(folder):
    path = folder([GRID] * 3)
    series = spectra.read_series([path / "scan3.txt", str(path / "scan1.txt")])
    assert series.label.values.tolist() == ["scan3", "scan1"]
    assert [entry["file"] for entry in json.loads(series.attrs["inputs"])] == [
        str(path / "scan3.txt"),
        str(path / "scan1.txt"),
    ]


def test_names_with_brackets_and_spaces_are_files(tmp_path):
    file = tmp_path / "Al192 [oa] (1).e"
    file.write_text("energy mu\n6550 1\n6551 2\n")
    assert spectra.read_series(file).sizes["scan"] == 1
    assert expand(str(file)) == [str(file)]


def test_equal_grids_are_not_interpolated(folder):
    path = folder([GRID, [e * (1 + 1e-11) for e in GRID]])
    series = spectra.read_series(path / "*.txt")
    np.testing.assert_array_equal(series.energy, GRID)
    assert "notes" not in series.spectra.history[0]


def test_different_grids_need_a_word(folder):
    path = folder([GRID, [6551.0, 6551.5, 6552.0, 6554.0]], value=lambda n, e: 2 * (e - 6550))
    with pytest.raises(
        ReadError, match=r"scan1 and scan2 have different energy values; say grid='first', 'union' or"
    ):
        spectra.read_series(path / "*.txt")
    first = spectra.read_series(path / "*.txt", grid="first")
    np.testing.assert_array_equal(first.energy, GRID)
    np.testing.assert_allclose(first.mu[1], [np.nan, 2, 4, 6])
    union = spectra.read_series(path / "*.txt", grid="union")
    np.testing.assert_array_equal(union.energy, [6550, 6551, 6551.5, 6552, 6553, 6554])
    np.testing.assert_allclose(union.mu, [[0, 2, 3, 4, 6, np.nan], [np.nan, 2, 3, 4, 6, 8]])
    both = spectra.read_series(path / "*.txt", grid="intersection")
    np.testing.assert_array_equal(both.energy, [6551, 6551.5, 6552, 6553])
    (note,) = both.spectra.history[0]["notes"]
    assert (
        note
        == "scans were interpolated linearly to 4 points (intersection); outside of its own range a scan is NaN"
    )


def test_a_grid_denser_than_any_scan_is_said(folder):
    grid = np.arange(6550.0, 6560.0)
    path = folder([grid, grid + 0.03], value=lambda n, e: 2 * (e - 6550))
    first = spectra.read_series(path / "*.txt", grid="first")
    assert len(first.spectra.history[0]["notes"]) == 1
    both = spectra.read_series(path / "*.txt", grid="intersection")
    assert both.sizes["energy"] == 2 * grid.size - 2
    assert "oversampled" not in first.spectra.flags.flag.tolist()
    (said,) = both.spectra.flags.itertuples()
    assert (said.flag, said.severity, said.spectra) == ("oversampled", "warning", 2)
    assert (
        "noise and all uncertainties told from it are far too small. Read with grid = first"
        in said.explanation
    )


def test_scans_that_share_no_range(folder):
    path = folder([GRID, [6560.0, 6561.0]])
    with pytest.raises(ReadError, match="the scans share no energy range"):
        spectra.read_series(path / "*.txt", grid="intersection")


def test_coordinates(folder):
    path = folder([GRID] * 3, header="# Sample.temperature: {n}00.5 K\n# Start time: 2024-05-01 1{n}:00:00\n")
    series = spectra.read_series(path / "*.txt", dim="temperature", coordinate="Sample.temperature")
    assert series.temperature.values.tolist() == [100.5, 200.5, 300.5]
    assert series.temperature.attrs["units"] == "K"
    assert series.time.values.tolist() == [0, 3600, 7200]
    series = spectra.read_series(path / "*.txt", dim="voltage", coordinate=(3.6, 3.9, 4.2))
    assert series.voltage.values.tolist() == [3.6, 3.9, 4.2]
    backwards = [path / f"scan{n}.txt" for n in (3, 1, 2)]
    series = spectra.read_series(backwards, dim="time")
    assert series.label.values.tolist() == ["scan1", "scan2", "scan3"]
    assert series.time.attrs["start"] == "2024-05-01T11:00:00"
    with pytest.raises(InvalidInput, match="coordinate has 2 values; the series has 3 spectra"):
        spectra.read_series(path / "*.txt", coordinate=(1.0, 2.0))
    with pytest.raises(InvalidInput, match="scan1 has no metadata 'voltage' to be the coordinate"):
        spectra.read_series(path / "*.txt", coordinate="voltage")


def test_names_are_no_coordinate_and_the_error_says_what_is(tmp_path):
    for n in (1, 2):
        fields = f"# Element.symbol: Mn\n# Sample.name: S{n}\n# Sample.temperature: {n}00 K\n"
        clock = f"# Scan.start_time: 2024-05-01T1{n}:00:00\n# Column.1: energy eV\n# Column.2: mu\n# ----\n"
        (tmp_path / f"scan{n}.xdi").write_text(f"# XDI/1.0\n{fields}{clock}6550 1\n6551 2\n")
    files = tmp_path / "*.xdi"
    by_name = spectra.read_series(files, dim="sample")
    assert by_name.sample.values.tolist() == ["S1", "S2"]
    assert by_name.mu.dims == ("sample", "energy")
    assert spectra.read_series(files, coordinate="sample.temperature").scan.values.tolist() == [100.0, 200.0]
    for coordinate, sentence in (
        (
            "sample",
            "scan1 S1: sample is 'S1', not a number; say dim='sample' instead, or give coordinate= as numbers",
        ),
        ("Sample.name", "scan1 S1: Sample.name is 'S1', not a number; give coordinate= as numbers"),
        ("start_time", "not a number; say dim='time' instead"),
        ("time", "time is no metadata: dim='time' puts the spectra along it, without coordinate="),
        (
            "Sample.temperatur",
            "no metadata 'Sample.temperatur' to be the coordinate; did you mean 'Sample.temperature'",
        ),
    ):
        with pytest.raises(InvalidInput, match=sentence):
            spectra.read_series(files, coordinate=coordinate)


def test_no_time_is_invented(folder):
    with pytest.raises(
        ReadError, match=r"2 of 2 scans do not say when they began; choose another dim or coordinate="
    ):
        spectra.read_series(folder([GRID] * 2) / "*.txt", dim="time")
    series = spectra.read_series(folder([GRID] * 2, header="# Start time: 03/04/2019 12:00:00\n") / "*.txt")
    assert "time" not in series.coords  # 3 April or 4 March


def test_notes_of_all_scans_are_counted(folder):
    series = spectra.read_series(folder([GRID, GRID[::-1], GRID[::-1]]) / "*.txt")
    assert series.spectra.history[0]["notes"] == ["the axis descended and was reversed (2 of 3 scans)"]


def test_one_bad_file_is_named(folder):
    path = folder([GRID] * 3)
    (path / "scan2.txt").write_text("")
    with pytest.raises(ReadError, match=r"scan2\.txt is empty"):
        spectra.read_series(path / "*.txt")


def test_nothing_to_read(tmp_path):
    with pytest.raises(ReadError, match=r"no file matches '.*\*\.xdi' \(looked in"):
        spectra.read_series(tmp_path / "*.xdi")
    with pytest.raises(InvalidInput, match="the list of paths is empty"):
        spectra.read_series([])


def test_scans_that_do_not_belong_together(tmp_path):
    (tmp_path / "a.txt").write_text("energy mu\n6550 1\n6551 2\n")
    (tmp_path / "b.txt").write_text("raman mu\n550 1\n551 2\n")
    (tmp_path / "c.txt").write_text("energy counts\n6550 1\n6551 2\n")
    with pytest.raises(
        ReadError, match=r"lie along different axes and make no series \(a: energy, b: raman_shift\)"
    ):
        spectra.read_series([tmp_path / "a.txt", tmp_path / "b.txt"])
    with pytest.raises(ReadError, match=r"measured different things \(counts, mu\) and make no series"):
        spectra.read_series([tmp_path / "a.txt", tmp_path / "c.txt"])


def test_what_differs_is_a_coordinate(data_dir):
    series = xas.read_series(sorted((data_dir / "xas").glob("Mn*_bmm.xdi")), grid="first")
    assert series.sample.values.tolist()[0] == "Mn2O3"
    assert series.attrs["element"] == "Mn"
    assert set(series.channel.values if "channel" in series.coords else [series.attrs["channel"]]) == {"mu"}
    assert series.sizes["scan"] == 7
    assert series.time.values.min() == 0


def test_the_series_equals_its_files(data_dir):
    files = sorted((data_dir / "xas").glob("MnO2_rt_0*_xaslib.xdi"))
    series = xas.read_series(files)
    for n, file in enumerate(files):
        np.testing.assert_array_equal(series.mu[n], xas.read(file).mu)
    assert "status" not in series


def test_the_home_folder_is_found_where_files_are_read_and_written(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder([GRID] * 2)))
    monkeypatch.setenv("USERPROFILE", str(folder([GRID] * 2)))
    assert spectra.read("~/scan1.txt").sizes == {"energy": 4}
    series = spectra.read_series("~/scan*.txt")
    assert series.sizes["scan"] == 2
    series.spectra.save("~/both.nxs")
    assert spectra.load("~/both.nxs").sizes["scan"] == 2


def test_a_pattern_given_to_what_reads_one_file_says_who_takes_it(folder):
    with pytest.raises(
        ReadError, match=r"scan\*\.txt does not exist .* a pattern of several files is for read_series"
    ):
        spectra.read(folder([GRID] * 2) / "scan*.txt")
