"""Velox files, written here after the layout that two public programs agree on: synthetic, no measured one is at hand."""

import h5py
import numpy as np
import pytest

import spectra
import xas.eels
from spectra.errors import InvalidInput, ReadError
from spectra.reading.scan import notes_of
from tests.xas.eels.eels_files import velox

METADATA = {
    "Optics": {"AccelerationVoltage": "300000", "BeamConvergence": "0.0213"},
    "CustomProperties": {
        "EnergyFilter.CollectionAngleRange.Begin": {"value": "0"},
        "EnergyFilter.CollectionAngleRange.End": {"value": "0.045"},
    },
    "Scan": {"DwellTime": "0.002"},
    "Instrument": {"InstrumentModel": "Iliad"},
    "Acquisition": {"AcquisitionStartDatetime": {"DateTime": "1700000000"}},
}
PIXELS = {
    "BinaryResult": {
        "PixelSize": {"width": "2e-10", "height": "3e-10"}, "PixelUnitX": "m", "PixelUnitY": "m",
        "Offset": {"x": "-1e-9", "y": "0"},
    }
}  # fmt: skip


def notes(scan):
    return " | ".join(notes_of(scan) or scan.spectra.history[0].get("notes", []))


def cube(rows=3, columns=4, n=200):
    """Counts (y, x, energy), each pixel with its own edge."""
    loss = 500 + 0.5 * np.arange(n)
    height = 100 * (1 + np.arange(rows)[:, None] + 10 * np.arange(columns))[..., None]
    return np.round(5000 * (loss / 500) ** -3 + height * (loss > 532)).astype(np.uint32)


def test_an_image_has_its_energies_last_and_its_pixels_in_their_places(tmp_path):
    truth = cube()
    file = velox(
        tmp_path / "map.emd",
        {"core": (truth.transpose(1, 2, 0), 500.0, 0.5)},
        METADATA,
        beside=PIXELS,
        frames=7,
    )
    scan = xas.eels.read(file)
    assert (scan.attrs["reader"], scan.counts.dims) == ("velox", ("y", "x", "energy_loss"))
    np.testing.assert_array_equal(scan.counts.values, truth)
    np.testing.assert_allclose(scan.energy_loss.values[[0, -1]], [500.0, 599.5])
    np.testing.assert_allclose(scan.x.values, -1 + 0.2 * np.arange(4))
    np.testing.assert_allclose(scan.y.values, 0.3 * np.arange(3))
    assert scan.x.attrs["units"] == "nm"
    said = ("beam_energy", "convergence_angle", "collection_angle", "dwell_time", "frames", "instrument")
    assert [scan.attrs[k] for k in said] == [
        300.0,
        pytest.approx(21.3),
        pytest.approx(45.0),
        0.002,
        7,
        "Iliad",
    ]
    assert scan.attrs["start_time"].startswith("2023-11-14T22:13:20")
    assert "100 counts for each" in notes(scan)
    assert "taken to be in rad" in notes(scan)


def test_a_line_and_a_spectrum(tmp_path):
    truth = cube(1)[0]
    line = xas.eels.read(velox(tmp_path / "line.emd", {"core": (truth, 500.0, 0.5)}, METADATA))
    assert line.counts.dims == ("position", "energy_loss")
    np.testing.assert_array_equal(line.counts.values, truth)
    assert "the size of the pixels is not known" in notes(line)
    one = xas.eels.read(velox(tmp_path / "one.emd", {"core": (truth[0], 500.0, 0.5)}))
    assert one.counts.dims == ("energy_loss",)
    assert "beam_energy" not in one.attrs
    assert one.counts.attrs["units"] == "counts"


def test_every_range_of_the_detector_is_one(tmp_path):
    low, high = cube(1)[0], cube(1)[0] + 3
    file = velox(tmp_path / "two.emd", {"a": (low, -20.0, 0.1), "b": (high, 500.0, 0.5)}, METADATA)
    with pytest.raises(InvalidInput, match="2 "):
        xas.eels.read(file)
    assert xas.eels.read(file, select=1).energy_loss.values[0] == 500.0
    assert spectra.inspect(file) is not None


def test_an_axis_without_calibration_says_so(tmp_path):
    scan = xas.eels.read(velox(tmp_path / "raw.emd", {"core": (cube(1)[0], None, 0.0)}))
    assert scan.energy_loss.values[1] == 1.0
    assert "channels were counted as eV" in notes(scan)


def test_what_is_no_energy_loss_is_refused(tmp_path):
    with pytest.raises(
        ReadError, match=r"Velox file of X-ray spectra or images \(.*SpectrumStream.*\) without energy losses"
    ):
        xas.eels.read(velox(tmp_path / "edx.emd", {}, xrays=True))
    with h5py.File(tmp_path / "odd.emd", "w") as file:
        file["Data/EelsSpectrumImage/a/Data"] = np.zeros((2, 2, 2, 2))
    with pytest.raises(ReadError, match="has 4 dimensions; a spectrum has 1, a line 2 and an image 3"):
        xas.eels.read(tmp_path / "odd.emd")
    with h5py.File(tmp_path / "none.emd", "w") as file:
        file.create_group("Data/EelsSpectrumImage")
    with pytest.raises(ReadError, match="holds no energy-loss spectra of Velox"):
        xas.eels.read(tmp_path / "none.emd")
    with h5py.File(tmp_path / "lost.emd", "w") as file:
        file.create_group("Data/EelsSpectrumImage/a")
    with pytest.raises(ReadError, match="holds no Data"):
        xas.eels.read(tmp_path / "lost.emd")


def test_a_copy_that_was_cut_is_refused(tmp_path):
    file = velox(tmp_path / "map.emd", {"core": (cube(), 500.0, 0.5)}, METADATA)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ReadError, match="damaged or truncated HDF5"):
        xas.eels.read(file)


def test_metadata_that_are_damaged_do_not_lose_the_spectra(tmp_path):
    file = velox(tmp_path / "map.emd", {"core": (cube(1)[0], 500.0, 0.5)}, METADATA)
    with h5py.File(file, "r+") as opened:
        del opened["Data/EelsSpectrumImage/core/Metadata"]
        opened["Data/EelsSpectrumImage/core/Metadata"] = np.frombuffer(b"{ broken", np.uint8)[:, None]
    scan = xas.eels.read(file)
    assert scan.energy_loss.values[0] == 500.0
    assert "beam_energy" not in scan.attrs
