"""OMNIC files: spectra, groups as series, interferograms on their path difference."""

import struct

import numpy as np
import pytest

import raman
import spectra
from spectra.errors import ReadError
from spectra.reading.registry import read_scans


@pytest.fixture
def files(data_dir):
    return data_dir / "ftir" / "omnic"


def test_a_spectrum(files):
    scan = raman.read(files / "orange_sample1.spa")
    assert dict(scan.sizes) == {"wavenumber": 1738}
    assert scan.wavenumber.values[[0, -1]] == pytest.approx([649.9036, 3999.7031], abs=1e-4)
    assert (scan.attrs["scans"], scan.attrs["background_scans"]) == (32, 256)
    assert scan.attrs["start_time"] == "2015-04-09T02:45:41+00:00"
    assert "Position (X,Y): 367.12, 1270.59" in scan.attrs["header"]


def test_a_group_is_a_series_in_time(files):
    series = raman.read_series(files / "CO@Mo_Al2O3.SPG", dim="time")
    assert dict(series.sizes) == {"time": 19, "wavenumber": 3112}
    assert (np.diff(series.time) > 0).all()
    assert series.time.attrs["start"] == "2016-10-18T13:49:35+00:00"
    assert (np.diff(series.absorbance.max("wavenumber")) > 0).all()  # CO goes on adsorbing
    two = raman.read_series(files / "wodger.spg")
    assert two.absorbance.shape == (2, 5549)


def test_interferograms_of_a_group_are_asked_for_by_name(files):
    series = raman.read_series(files / "CO@Mo_Al2O3.SPG", select="sample interferogram")
    assert dict(series.sizes) == {"scan": 19, "path_difference": 8192}
    assert len(read_scans(files / "CO@Mo_Al2O3.SPG")) == 3 * 19


def test_the_interferogram_is_that_of_the_spectrum(files):
    """One file holds the interferogram alone, the other the spectrum made of it and the interferogram beside it."""
    alone = raman.read(files / "interfero.SPA")
    beside = raman.read(files / "spectre.SPA", select="sample interferogram")
    assert alone.attrs["technique"] == "ftir"
    np.testing.assert_array_equal(alone.interferogram, beside.interferogram)
    np.testing.assert_array_equal(alone.path_difference, beside.path_difference)
    spectrum = raman.read(files / "spectre.SPA")
    assert spectrum.attrs["signal"] == "single_channel"
    step = np.diff(alone.path_difference.values).mean()
    assert 1 / (16384 * step) == pytest.approx(np.diff(spectrum.wavenumber.values).mean(), rel=1e-6)


def test_names_and_resolution(files):
    scan = raman.read(files / "7_CZ0-100_Pd_101.SPA")
    assert (scan.attrs["title"], scan.attrs["resolution"]) == ("7_CZ0-100 Pd_101", 4.0)
    assert "Acquisition échantillon" in scan.attrs["header"]


# ---- files written here ----------------------------------------------------------------------------------------


def omnic(
    values,
    *,
    x_units=1,
    y_units=17,
    first=4000.0,
    last=400.0,
    points=None,
    laser=15798.0,
    cut=0,
    mark=b"Spectral Data File",
):
    values = np.asarray(values, "<f4").tobytes()
    about = bytearray(140)
    struct.pack_into("<I", about, 4, len(values) // 4 if points is None else points)
    about[8], about[12] = x_units, y_units
    struct.pack_into("<2f", about, 16, first, last)
    struct.pack_into("<I", about, 36, 16)
    struct.pack_into("<2f", about, 80, laser, 2.0)
    head = bytearray(336)
    head[: len(mark)] = mark
    head[30:38] = b"made up\0"
    struct.pack_into("<H", head, 294, 2)
    struct.pack_into("<BxII", head, 304, 2, 336, 140)
    struct.pack_into("<BxII", head, 320, 3, 476, len(values))
    content = bytes(head) + bytes(about) + values
    return content[: len(content) - cut]


@pytest.mark.parametrize(
    ("number", "signal", "units"),
    [(11, "reflectance", "%"), (12, "log_reflectance", ""), (16, "transmittance", "%"), (20, "kubelka_munk", ""),
     (15, "single_channel", ""), (26, "photoacoustic", ""), (99, "intensity", "")],
)  # fmt: skip
def test_every_quantity_has_its_name_and_units(tmp_path, number, signal, units):
    file = tmp_path / "made.spa"
    file.write_bytes(omnic([10.0, 20.0, 30.0], y_units=number))
    scan = raman.read(file)
    assert scan.attrs["signal"] == signal
    assert scan[signal].attrs["units"] == units
    np.testing.assert_allclose(scan[signal].values, [30, 20, 10])
    assert any("is not known here" in note for note in scan.spectra.history[0]["notes"]) == (number == 99)


def test_raman_and_wavelengths(tmp_path):
    file = tmp_path / "made.spa"
    file.write_bytes(omnic([1, 2, 3], x_units=32, y_units=31, first=3000.0, last=100.0))
    assert raman.read(file).intensity.dims == ("raman_shift",)
    file.write_bytes(omnic([1, 2, 3], x_units=4, first=2.5, last=25.0))
    assert raman.read(file).wavenumber.values[[0, -1]] == pytest.approx([400, 4000])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (omnic([1, 2, 3], cut=4), "truncated"),
        (omnic([1, 2, 3])[:300], "list of 0 parts"),
        (omnic([1, 2, 3], points=5), "5 points are announced, 3 are there"),
        (omnic([1, 2, 3], x_units=2), "its axis is no wavenumber"),
        (
            omnic([1, 2, 3], x_units=2, y_units=22, laser=0.0),
            "does not say how its interferogram was sampled",
        ),
        (omnic([1, 2, 3], mark=b"Spectral Exte File"), "series of another kind"),
        (omnic([1, 2, 3], first=400.0), "make no axis"),
    ],
)
def test_damaged_files_are_refused_with_a_sentence(tmp_path, content, sentence):
    file = tmp_path / "bad.spa"
    file.write_bytes(content)
    with pytest.raises(ReadError, match=sentence) as caught:
        spectra.read(file)
    assert "bad.spa" in str(caught.value)
