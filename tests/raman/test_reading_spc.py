"""SPC: measured files, and simulated ones for the forms of which there is none."""

import numpy as np
import pytest

import raman
from spectra.errors import InvalidInput, ReadError
from spectra.reading.registry import read_scans
from spectra.reading.scan import notes_of
from tests.raman.spectrum_files import (
    MULTIPLE,
    OWN_AXES,
    OWN_LABELS,
    SHORT,
    VALUES_OF_X,
    old_spc,
    shifts,
    spc,
    spectrum,
)

X = shifts()
Y = spectrum(X)


@pytest.fixture
def written(tmp_path):
    def write(content, name="simulated.spc", **options):
        file = tmp_path / name
        file.write_bytes(content)
        return raman.read(file, **options)

    return write


@pytest.mark.parametrize("version", [0x4B, 0x4C])
@pytest.mark.parametrize(
    ("flags", "exponent"), [(0, -128), (0, 12), (SHORT, 12), (VALUES_OF_X, -128), (VALUES_OF_X | SHORT, 12)]
)
def test_every_form_of_values(written, version, flags, exponent):
    """Floats, long and short integers with an exponent, even axes and stated ones, either byte order."""
    x = X + 3 * np.sin(X / 200) if flags & VALUES_OF_X else X
    scan = written(spc(x, Y, flags=flags, exponent=exponent, version=version))
    np.testing.assert_allclose(scan.raman_shift, x, rtol=1e-6)
    np.testing.assert_allclose(scan.intensity, Y, atol=2.0 ** (exponent - 16) if flags & SHORT else 1e-4)


def test_old_format(written):
    scan = written(old_spc(X, Y))
    np.testing.assert_allclose(scan.raman_shift, X, rtol=1e-6)
    np.testing.assert_allclose(scan.intensity, Y, atol=1e-4)
    assert scan.attrs["comment"] == "old spectrum"
    assert scan.attrs["start_time"] == "1995-03-17T11:45:00"


def test_several_spectra_in_the_old_format(written):
    content = old_spc(X, np.stack([Y, 2 * Y, Y + 5]))
    for trailing in (b"", b"end"):
        scan = written(content + trailing)
        assert dict(scan.sizes) == {"scan": 3, "raman_shift": 200}
        np.testing.assert_allclose(scan.intensity, [Y, 2 * Y, Y + 5], atol=1e-4)


@pytest.mark.parametrize(
    ("z_type", "dim", "factor"),
    [(2, "z", 1), (29, "z", 1e3), (4, "time", 1), (5, "time", 60), (0, "scan", 1)],
)
def test_several_spectra_are_a_series(written, z_type, dim, factor):
    z = np.array([1.0, 2.5, 7.0])
    scan = written(spc(X, np.arange(1, 4)[:, None] * Y, flags=MULTIPLE, z=z, z_type=z_type))
    assert scan.intensity.dims == (dim, "raman_shift")
    np.testing.assert_allclose(scan["z" if dim == "scan" else dim], z * factor)
    np.testing.assert_allclose(scan.intensity, np.arange(1, 4)[:, None] * Y, rtol=1e-6)


def test_spectra_with_axes_of_their_own(tmp_path):
    axes = [X[:50], X[30:90], X]
    file = tmp_path / "own.spc"
    content = b""
    for number, x in enumerate(axes):
        one = spc(x, Y[: len(x)] + number, flags=MULTIPLE | OWN_AXES | VALUES_OF_X, axes=[x])
        content += one[512:] if number else one
    content = bytearray(content)
    content[24:28] = (3).to_bytes(4, "little")
    file.write_bytes(content)
    scans = read_scans(file)
    assert [scan.sizes["raman_shift"] for scan in scans] == [50, 60, 200]
    np.testing.assert_allclose(scans[1].intensity, Y[:60] + 1)
    with pytest.raises(InvalidInput, match="3 scans"):
        raman.read(file)
    assert raman.read(file, select=2).sizes["raman_shift"] == 200


def test_an_empty_spectrum_does_not_take_the_others_with_it(tmp_path):
    axes = [X[:50], X[:0], X]
    content = b""
    for number, x in enumerate(axes):
        y = Y[: len(x)]
        one = spc(X, y, flags=MULTIPLE | OWN_AXES | VALUES_OF_X, axes=[x])
        content += one[512:] if number else one
    content = bytearray(content)
    content[24:28] = (3).to_bytes(4, "little")
    file = tmp_path / "gap.spc"
    file.write_bytes(content)
    scans = read_scans(file)
    assert [scan.sizes["raman_shift"] for scan in scans] == [50, 200]
    assert any("1 of 3 spectra" in note for note in notes_of(scans[0]))


def test_infrared_keeps_its_quantity(written):
    scan = written(spc(X + 400, Y / 1000, x_type=1, y_type=2))
    assert scan.attrs["technique"] == "ftir"
    assert scan.absorbance.dims == ("wavenumber",)
    np.testing.assert_allclose(scan.wavenumber, X + 400)


def test_own_label_names_the_axis(written):
    content = spc(X, Y, flags=OWN_LABELS, x_type=0, label="Raman shift (cm-1)\0(arb)")
    np.testing.assert_allclose(written(content).raman_shift, X)
    with pytest.raises(ReadError, match="neither a Raman shift nor"):
        written(spc(X, Y, flags=OWN_LABELS, x_type=0, label="Elapsed (s)"))


def test_laser_of_the_log_converts_nm(written):
    nm = 1e7 / (1e7 / 532.2 - X)
    content = spc(nm, Y, flags=VALUES_OF_X, x_type=3, log="EXCIT_LINE = 532.2\n\rTIME = 4\n\rACCUM = 2\n\r")
    scan = written(content)
    np.testing.assert_allclose(scan.raman_shift, X, atol=0.2)
    assert scan.attrs["laser_wavelength"] == 532.2
    assert (scan.attrs["integration_time"], scan.attrs["accumulations"]) == (4.0, 2)
    moved = written(content, laser=532.0)
    assert float(moved.raman_shift[0] - scan.raman_shift[0]) == pytest.approx(
        1e7 / 532.0 - 1e7 / 532.2, abs=0.1
    )


def test_ole_container_is_named(written):
    with pytest.raises(ReadError, match="OLE container"):
        written(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2000))


def test_what_is_announced_must_be_there(written):
    content = bytearray(spc(X, Y))
    content[4:8] = (2**30).to_bytes(4, "little")
    with pytest.raises(ReadError, match="cut short"):
        written(bytes(content))
    several = bytearray(spc(X, Y, flags=MULTIPLE))
    several[24:28] = (4).to_bytes(4, "little")
    with pytest.raises(ReadError, match="holds 1 of the 4 spectra"):
        written(bytes(several))


def test_measured_files(data_dir):
    folder = data_dir / "raman" / "spc"
    depth = raman.read(folder / "CAthickyellow_try4_17_ZSCAN.spc")
    assert dict(depth.sizes) == {"z": 31, "raman_shift": 1024}
    np.testing.assert_allclose(depth.z[[0, -1]], [-95.0085, 94.997], atol=1e-3)
    # explicit axis in nm with the laser of the log
    assert float(depth.raman_shift[-1]) == pytest.approx(1e7 / 532.2 - 1e7 / 731.58966, abs=0.01)
    with pytest.raises(ReadError, match="axis in absolute wavenumbers with no laser wavelength"):
        raman.read(folder / "KRY3.SPC")
    lamp = raman.read(folder / "KRY3.SPC", laser=600.0)
    assert (lamp.intensity.values == np.rint(lamp.intensity.values)).all()  # integers with an exponent
    assert lamp.intensity.values.max() == 29
    np.testing.assert_allclose(lamp.raman_shift[[0, -1]], 1e7 / 600 - np.array([15590.0, 15575.0]))
    witec = raman.read(data_dir / "raman" / "witec" / "PST_WITEcAlpha532_100x Spec.Data 1.spc")
    assert witec.sizes["raman_shift"] == 1600
