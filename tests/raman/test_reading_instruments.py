"""LightField, TriVista, NXraman and stacked HDF5: measured files against what they state of themselves."""

import struct

import h5py
import numpy as np
import pytest

import raman
from spectra.dataset import failed
from spectra.errors import InvalidInput, ReadError
from spectra.reading.registry import read_scans


@pytest.fixture
def measured(data_dir):
    return lambda name, **options: raman.read(data_dir / "raman" / name, **options)


def test_lightfield_has_wavelengths_and_laser_in_its_footer(measured):
    scan = measured("other/S0N_50x.spe")
    assert dict(scan.sizes) == {"raman_shift": 1340}
    assert scan.attrs["laser_wavelength"] == 531.988
    assert float(scan.raman_shift[0]) == pytest.approx(1e7 / 531.988 - 1e7 / 534.00047611653622, abs=1e-9)
    assert scan.attrs["integration_time"] == pytest.approx(30)
    # silicon, by the laser of the file
    assert float(scan.raman_shift[np.argmax(scan.intensity.values)]) == pytest.approx(520.5, abs=1.5)


def _lightfield(frames, wavelengths, *, kind="MonochromeUnsigned16"):
    count, height, width = frames.shape
    dtype = {"MonochromeUnsigned16": "<u2", "MonochromeFloating32": "<f4"}[kind]
    data = frames.astype(dtype).tobytes()
    size = len(data) // count
    head = bytearray(4100)
    struct.pack_into("<H", head, 42, width)
    struct.pack_into("<H", head, 656, height)
    struct.pack_into("<f", head, 1992, 3.0)
    struct.pack_into("<Q", head, 678, 4100 + len(data))
    xml = (
        '<SpeFormat version="3.0" xmlns="http://www.princetoninstruments.com/spe/2009"><DataFormat>'
        f'<DataBlock type="Frame" count="{count}" pixelFormat="{kind}" size="{size}" stride="{size}">'
        f'<DataBlock type="Region" count="1" width="{width}" height="{height}" size="{size}" stride="{size}"/>'
        '</DataBlock></DataFormat><Calibrations><WavelengthMapping laserLine="532">'
        f"<Wavelength>{','.join(map(str, wavelengths))}</Wavelength></WavelengthMapping></Calibrations></SpeFormat>"
    )
    return bytes(head) + data + xml.encode()


@pytest.mark.parametrize("kind", ["MonochromeUnsigned16", "MonochromeFloating32"])
def test_frames_and_rows_of_lightfield(tmp_path, kind):
    frames = np.arange(2 * 3 * 5).reshape(2, 3, 5) + 7
    file = tmp_path / "frames.spe"
    file.write_bytes(_lightfield(frames, np.linspace(540, 560, 5), kind=kind))
    scan = raman.read(file)
    assert scan.intensity.dims == ("scan", "row", "raman_shift")
    np.testing.assert_array_equal(scan.intensity, frames)


def test_winspec_is_named(tmp_path):
    content = bytearray(5000)
    struct.pack_into("<H", content, 42, 10)
    struct.pack_into("<H", content, 656, 1)
    struct.pack_into("<f", content, 1992, 2.5)
    file = tmp_path / "old.spe"
    file.write_bytes(content)
    with pytest.raises(ReadError, match=r"WinSpec or WinView file \(.spe, version 2.5\)"):
        raman.read(file)


def test_trivista_map_and_several_spectrometers(measured):
    with pytest.raises(ReadError, match=r"no laser wavelength \(it lists lasers at 790 nm\)"):
        measured("other/trivista_map.tvf")
    scan = measured("other/trivista_map.tvf", laser=790.0)
    assert dict(scan.sizes) == {"y": 9, "x": 9, "raman_shift": 1024}
    np.testing.assert_allclose(scan.x, np.arange(-100, 101, 25))
    assert float(scan.intensity.sel(x=-100, y=-100)[0]) == 531
    assert float(scan.intensity.sel(x=-75, y=-100)[1]) == 516
    one = measured("other/trivista_spec_multiple_spectrometers.tvf", laser=790.0)
    assert dict(one.sizes) == {"raman_shift": 1024}
    assert one.attrs["instrument"] == "SP-2-500i + SP-2-750i"
    assert one.attrs["start_time"] == "2022-06-27T17:55:55.294969"


def test_nxraman_is_raman_although_its_axis_is_called_wavenumber(data_dir, measured):
    file = data_dir / "raman" / "other" / "spectra_demo.nxs"
    assert [scan.attrs["title"] for scan in read_scans(file)] == ["S0B", "PST"]
    with pytest.raises(InvalidInput, match="2 scans"):
        raman.read(file)
    scan = measured("other/spectra_demo.nxs", select="S0B")
    assert scan.intensity.dims == ("raman_shift",)
    assert scan.attrs["laser_wavelength"] == 532.0
    assert scan.sizes["raman_shift"] == 762


def test_stacked_map_in_hdf5(measured):
    scan = measured("map_plastics_29x287x672.h5")
    assert scan.intensity.dims == ("y", "x", "raman_shift")
    assert dict(scan.sizes) == {"y": 29, "x": 287, "raman_shift": 672}
    assert scan.intensity.attrs["units"] == "detector counts"
    assert "laser_wavelength" not in scan.attrs


def test_missing_pixels_are_flagged(tmp_path):
    values = np.random.default_rng(3).normal(100, 1, (3, 4, 50)).astype("f4")
    values[1, 2] = np.nan
    values[2, 3] = 0
    file = tmp_path / "map.h5"
    with h5py.File(file, "w") as h5:
        h5["raman_shift"] = np.linspace(100, 600, 50)
        h5["intensity"] = values
        h5["intensity"].attrs["axes"] = ["y", "x", "raman_shift"]
    scan = raman.read(file)
    missing = failed(scan).values
    np.testing.assert_array_equal(np.argwhere(missing), [[1, 2], [2, 3]])
    assert np.isnan(scan.intensity.values[missing]).all()
