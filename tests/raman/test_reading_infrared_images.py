"""PerkinElmer, Agilent and photothermal files: spectra and images, pixels where they belong."""

import shutil
import struct

import h5py
import numpy as np
import pytest

import raman
import spectra
from spectra.errors import InvalidInput, ReadError
from spectra.reading.registry import read_scans


@pytest.fixture
def files(data_dir):
    return data_dir / "ftir"


def test_a_pixel_saved_on_its_own_is_where_the_image_has_it(files):
    """Its title gives its place on the stage: 17530, 2799 um."""
    image = raman.read(files / "perkinelmer" / "4x4_pixel_PE_image.fsm")
    one = raman.read(files / "perkinelmer" / "single_PE_spectrum.sp")
    assert image.transmittance.dims == ("y", "x", "wavenumber")
    assert image.transmittance.shape == (4, 4, 1626)
    assert "17530, 2799" in one.attrs["title"]
    pixel = image.transmittance.sel(x=17530, y=2799, method="nearest")
    np.testing.assert_array_equal(pixel.values, one.transmittance.values.astype("f4"))
    np.testing.assert_allclose(np.diff(image.x), 50, atol=1e-4)
    for scan in (image, one):
        assert scan.transmittance.attrs["units"] == "%"
        assert (scan.attrs["instrument"], scan.attrs["resolution"]) == ("Spotlight/Spectrum 3 FT-IR", 4.0)
        assert scan.attrs["start_time"] == "2024-10-28T16:08:45"
        assert scan.wavenumber.values[[0, -1]] == pytest.approx([750, 4000])


def test_an_agilent_image_from_any_of_its_parts(files):
    folder = files / "agilent"
    scan = raman.read(folder / "4_noimage_agg256.dat")
    assert scan.absorbance.dims == ("y", "x", "wavenumber")
    assert scan.absorbance.shape == (8, 8, 9)
    assert scan.wavenumber.values[[0, -1]] == pytest.approx([1990.17823, 2113.60013], abs=1e-4)
    assert scan.attrs["start_time"] == "2018-01-02T14:01:52"
    for part in (".bsp", ".hdr"):
        assert raman.read(folder / f"4_noimage_agg256{part}").equals(scan)
    assert len(scan.spectra.history) == 1


def test_the_description_holds_the_pixel_that_its_operator_looked_at(files):
    """Row 1, column 4 counted from 0; seven of its nine values stand in the description as float64."""
    content = (files / "agilent" / "4_noimage_agg256.bsp").read_bytes()
    assert b"Row = 1 Col = 4" in content
    pixel = raman.read(files / "agilent" / "4_noimage_agg256.dat").absorbance[1, 4]
    np.testing.assert_allclose(pixel.values[:7], np.frombuffer(content, "<f8", 7, 2244), rtol=1e-7)


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ((".dat",), "no wavenumbers: tile.bsp or .hdr must lie beside it"),
        ((".bsp",), "its values are missing: tile.dat must lie beside it"),
        ((".hdr",), "its values are missing: tile.dat must lie beside it"),
        ((".bsp", ".hdr"), "its values are missing"),
    ],
)
def test_missing_parts_are_named(files, tmp_path, parts, sentence):
    for part in parts:
        shutil.copy(files / "agilent" / f"4_noimage_agg256{part}", tmp_path / f"tile{part}")
    with pytest.raises(ReadError, match=sentence):
        spectra.read(tmp_path / f"tile{parts[0]}")


def test_two_parts_are_enough(files, tmp_path):
    for part in (".dat", ".hdr"):
        shutil.copy(files / "agilent" / f"4_noimage_agg256{part}", tmp_path / f"tile{part}")
    scan = raman.read(tmp_path / "tile.dat")
    assert scan.attrs["signal"] == "intensity"  # the header does not say what was measured
    assert any(".bsp is missing" in note for note in scan.spectra.history[0]["notes"])
    shutil.copy(files / "agilent" / "4_noimage_agg256.bsp", tmp_path / "tile.bsp")
    (tmp_path / "tile.hdr").unlink()
    assert raman.read(tmp_path / "tile.dat").attrs["signal"] == "absorbance"
    text = (files / "agilent" / "4_noimage_agg256.hdr").read_text()
    (tmp_path / "tile.hdr").write_text(text.replace("1990.17823", "1991.17823"))
    with pytest.raises(ReadError, match="different wavenumbers"):
        raman.read(tmp_path / "tile.dat")
    (tmp_path / "tile.hdr").write_text(text.replace("bsq", "bip"))
    with pytest.raises(ReadError, match="another layout"):
        raman.read(tmp_path / "tile.dat")


def test_photothermal_spectra_by_name(files):
    file = files / "photothermal" / "Nodax_Spectral_Array.ptir"
    names = [s.attrs["title"] for s in read_scans(file)]
    assert names == ["Background 1", *(f"{kind} Spectrum {i}" for i in (5, 6, 7) for kind in ("IR", "Raman"))]
    infrared = raman.read(file, select="IR Spectrum 5")
    assert infrared.attrs["signal"] == "photothermal"
    assert infrared.photothermal.attrs["units"] == "mV"
    assert infrared.wavenumber.values[[0, -1]] == pytest.approx([801, 1797])
    both = raman.read(file, select="Raman Spectrum 7")
    assert both.intensity.dims == ("raman_shift",)
    assert both.attrs["laser_wavelength"] == 532.15
    background = raman.read(file, select="Background 1")
    assert background.attrs["signal"] == "single_channel"
    with pytest.raises(InvalidInput, match="choose one with select="):
        raman.read(file)
    series = raman.read_series(file, select=tuple(f"IR Spectrum {i}" for i in (5, 6, 7)))
    assert series.photothermal.shape == (3, 499)


def test_the_content_decides_and_not_the_ending(files, tmp_path):
    for name, reader in (
        ("photothermal/Nodax_Spectral_Array.ptir", "ptir"),
        ("perkinelmer/4x4_pixel_PE_image.fsm", "perkinelmer"),
        ("opus/test.0000", "opus"),
        ("omnic/spectre.SPA", "omnic"),
    ):
        copy = tmp_path / "renamed.h5"
        shutil.copyfile(files / name, copy)
        assert {s.attrs["reader"] for s in read_scans(copy)} == {reader}


# ---- files written here ----------------------------------------------------------------------------------------


def member(number, content):
    return struct.pack("<hi", number, len(content)) + content


def text(words, kind=0x7523):
    return struct.pack("<HH", kind, len(words)) + words.encode()


def sp(values, *, label="%T", x_label="cm-1", first=4000.0, last=400.0, points=None):
    values = np.asarray(values, "<f8")
    inside = (
        member(-29838, struct.pack("<H2d", 0x751D, first, last))
        + member(-29835, struct.pack("<Hi", 0x752B, len(values) if points is None else points))
        + member(-29833, text(x_label))
        + member(-29832, text(label))
        + member(-29828, struct.pack("<Hi", 0x7516, values.nbytes) + values.tobytes())
    )
    return b"PEPE" + b"2D constant interval DataSet file".ljust(40, b"\0") + member(120, inside)


def fsm(values, *, label="A", drop=0, columns=None):
    """An image of (rows, columns, points)."""
    values = np.asarray(values, "<f4")
    rows, wide, points = values.shape
    words = [b"Y - micrometers", b"X - micrometers", b"cm-1", label.encode()]
    about = struct.pack(
        "<h5s10d3i",
        5,
        b"Image",
        10.0,
        20.0,
        -1.0,
        4000.0,
        400.0,
        0,
        0,
        100.0,
        200.0,
        4000.0,
        columns or wide,
        rows,
        points,
    )
    about += b"".join(struct.pack("<h", len(w)) + w for w in words)
    pixels = [member(5105, p.tobytes()) for p in values.reshape(-1, points)]
    return (
        b"PEPE"
        + b"DataSet - 4DConst3DInterval".ljust(40, b"\0")
        + member(5100, about)
        + b"".join(pixels[: len(pixels) - drop])
    )


@pytest.mark.parametrize(
    ("label", "signal", "units"),
    [("A", "absorbance", ""), ("%T", "transmittance", "%"), ("%R", "reflectance", "%"), ("KM", "kubelka_munk", ""),
     ("Log(1/R)", "log_reflectance", ""), ("SC", "single_channel", ""), ("?", "intensity", "")],
)  # fmt: skip
def test_labels_of_perkinelmer(tmp_path, label, signal, units):
    file = tmp_path / "made.sp"
    file.write_bytes(sp([10.0, 20.0, 30.0], label=label))
    scan = raman.read(file)
    assert scan.attrs["signal"] == signal
    assert scan[signal].attrs["units"] == units


def test_rows_and_columns_of_an_image_that_is_not_square(tmp_path):
    values = np.arange(2 * 3 * 4.0).reshape(2, 3, 4)
    file = tmp_path / "made.fsm"
    file.write_bytes(fsm(values))
    scan = raman.read(file)
    np.testing.assert_array_equal(scan.absorbance, values[..., ::-1])
    np.testing.assert_array_equal(scan.x, [100, 110, 120])
    np.testing.assert_array_equal(scan.y, [200, 220])


def test_an_image_that_was_interrupted_stays_an_image(tmp_path):
    file = tmp_path / "made.fsm"
    file.write_bytes(fsm(np.ones((2, 3, 4)), drop=2))
    scan = raman.read(file)
    assert np.isnan(scan.absorbance[1, 1:]).all()
    assert np.isfinite(scan.absorbance[0]).all()
    assert any("2 of 6 pixels were not measured" in note for note in scan.spectra.history[0]["notes"])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (sp([1.0, 2.0])[:-4], "is truncated or damaged"),
        (sp([1.0, 2.0], points=5), "5 points are announced, 2 are there"),
        (sp([1.0, 2.0], x_label="nm"), "lies along 'nm', not along wavenumbers"),
        (sp([1.0, 2.0], first=400.0), "make no axis"),
        (b"PEPE2D".ljust(44, b"\0"), "holds no spectrum with limits and values"),
        (fsm(np.ones((2, 3, 4)), columns=2), "2 x 2 pixels are announced, 6 are there"),
        (fsm(np.ones((2, 3, 4)))[:100], "is truncated or damaged"),
    ],
)
def test_damaged_perkinelmer_files_are_refused_with_a_sentence(tmp_path, content, sentence):
    file = tmp_path / "bad.sp"
    file.write_bytes(content)
    with pytest.raises(ReadError, match=sentence) as caught:
        spectra.read(file)
    assert "bad.sp" in str(caught.value)


def test_photothermal_faults(tmp_path):
    file = tmp_path / "made.ptir"
    with h5py.File(file, "w") as made:
        made.attrs["SoftwareVersion"] = b"PTIR Studio 4"
    with pytest.raises(ReadError, match="without a spectrum"):
        spectra.read(file)
    with h5py.File(file, "a") as made:
        group = made.create_group("Measurement_000")
        group["Spectroscopic_Values"] = np.arange(5.0)[None]
        group["Channel_000/Raw_Data"] = np.ones((2, 4))
    with pytest.raises(ReadError, match="do not fit an axis of 5 points"):
        spectra.read(file)
    with h5py.File(file, "a") as made:
        del made["Measurement_000/Channel_000/Raw_Data"]
        made["Measurement_000/Channel_000/Raw_Data"] = np.arange(10.0).reshape(2, 5)
        made.create_group("Measurement_001").attrs["Label"] = b"Height map"
    scan = raman.read(file)
    assert dict(scan.sizes) == {"point": 2, "wavenumber": 5}
    assert any("left out: Height map" in note for note in scan.spectra.history[0]["notes"])
