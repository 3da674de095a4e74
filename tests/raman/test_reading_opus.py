"""OPUS files: the result by default, everything else by its name, the file's own blocks against each other."""

import struct

import numpy as np
import pytest

import raman
import spectra
from spectra.errors import InvalidInput, ReadError
from spectra.reading.registry import read_scans
from spectra.reading.scan import notes_of


@pytest.fixture
def files(data_dir):
    return data_dir / "ftir" / "opus"


def test_the_result_is_read_and_the_rest_by_name(files):
    file = files / "brukeropus_file.0"
    scan = raman.read(file)
    assert (scan.attrs["signal"], scan.attrs["title"], scan.attrs["sample"]) == (
        "absorbance",
        "absorbance",
        "File Test",
    )
    assert dict(scan.sizes) == {"wavenumber": 4927}
    assert scan.wavenumber.values[[0, -1]] == pytest.approx([499.4039959572754, 9997.720922928467])
    assert scan.attrs["start_time"] == "2019-05-03T13:34:44.641000-04:00"
    assert (scan.attrs["resolution"], scan.attrs["scans"], scan.attrs["apodization"]) == (4.0, 50, "B3")
    names = [s.attrs["title"] for s in read_scans(file)]
    assert names == [
        "absorbance", "sample interferogram", "sample phase", "sample single channel", "reference interferogram",
        "reference single channel",
    ]  # fmt: skip
    for name in names[1:]:
        assert raman.read(file, select=name).attrs["title"] == name


def test_absorbance_is_the_ratio_of_the_channels_beside_it(files):
    """Blocks of one file against each other, to float32, where light is left."""
    for name in ("brukeropus_file.0", "test.0000", "test.0001"):
        absorbance = raman.read(files / name)
        sample = raman.read(files / name, select="sample single channel")
        reference = raman.read(files / name, select="reference single channel")
        near = reference.single_channel.sel(wavenumber=sample.wavenumber.values, method="nearest").values
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = -np.log10(sample.single_channel.values / near)
        bright = (near > 0.05 * near.max()) & (absorbance.absorbance.values < 2)
        assert bright.sum() > 500
        np.testing.assert_allclose(
            absorbance.absorbance.values[bright], ratio[bright], atol=2e-6, err_msg=name
        )


def test_interferograms_lie_on_their_path_difference(files):
    """As many points per cm as the laser has half waves in it; the spectrum's own steps say the same."""
    file = files / "brukeropus_file.0"
    reference = raman.read(file, select="reference interferogram")
    spectrum = raman.read(file, select="reference single channel")
    step = np.diff(reference.path_difference.values)
    assert step == pytest.approx(0.5 / 15795.820598)
    assert reference.path_difference.attrs["units"] == "cm"
    assert 1 / (16384 * step[0]) == pytest.approx(np.diff(spectrum.wavenumber.values).mean(), rel=1e-9)
    burst = int(np.abs(reference.interferogram.values).argmax())
    assert reference.path_difference.values[burst] == 0.0
    sample = raman.read(file, select="sample interferogram")
    assert sample.interferogram.dims == ("direction", "path_difference")
    assert list(sample.direction.values) == ["forward", "backward"]
    one_sided = raman.read(files / "test.0000", select="sample interferogram")
    assert one_sided.path_difference.values[-1] == pytest.approx(0.248, abs=1e-3)  # 4 1/cm


def test_a_background_alone_says_that_it_is_one(files):
    scan = raman.read(files / "background.0")
    assert (scan.attrs["signal"], scan.attrs["title"]) == ("single_channel", "reference single channel")
    assert any("holds no absorbance or other ratio" in note for note in scan.spectra.history[0]["notes"])


def test_raman_of_an_fourier_spectrometer(files):
    scan = raman.read(files / "test_opus.0")
    assert dict(scan.sizes) == {"raman_shift": 4096}
    assert scan.attrs["technique"] == "raman"
    assert scan.attrs["laser_wavelength"] == pytest.approx(1064.407, abs=1e-3)
    assert any("kind 0x0 (unknown)" in note for note in notes_of(read_scans(files / "test_opus.0")[0]))


def test_a_series_takes_the_results(files):
    series = raman.read_series(files / "test.00*", dim="time")
    assert dict(series.sizes) == {"time": 2, "wavenumber": 2567}
    np.testing.assert_allclose(series.time, [0, 4.137])
    assert list(series.label.values) == ["test.0000", "test.0001"]
    beside = raman.read_series(files / "test.00*", select="sample single channel")
    assert beside.single_channel.sizes["scan"] == 2


def test_saturated_points_are_counted(files):
    notes = raman.read(files / "brukeropus_file.0").spectra.history[0]["notes"]
    assert any("stand at the highest absorbance, 6: no light was left" in note for note in notes)


def test_an_omnic_file_among_them_is_read_as_what_it_is(files, data_dir):
    scan = raman.read(files / "not_opus.spa")
    assert scan.attrs["reader"] == "omnic"
    assert scan.equals(raman.read(data_dir / "ftir" / "omnic" / "7_CZ0-100_Pd_101.SPA"))


# ---- files written here ----------------------------------------------------------------------------------------


def parameters(**values):
    parts = []
    for key, value in values.items():
        if isinstance(value, str):
            raw = value.encode("cp1252") + b"\0"
            raw += b"\0" * (len(raw) % 2)
            kind = 2
        else:
            kind, raw = (
                (1, struct.pack("<d", value)) if isinstance(value, float) else (0, struct.pack("<i", value))
            )
        parts.append(key.encode() + b"\0" + struct.pack("<2H", kind, len(raw) // 2) + raw)
    raw = b"".join(parts) + b"END\0" + b"\0" * 4
    return raw + b"\0" * (-len(raw) % 4)


def opus(*blocks):
    """An OPUS file out of (kind, bytes)."""
    start, at = 24, 24 + 12 * len(blocks)
    directory, body = b"", b""
    for kind, raw in blocks:
        directory += struct.pack("<3I", kind, len(raw) // 4, at + len(body))
        body += raw
    return b"\n\n\xfe\xfe" + struct.pack("<d3i", 920622.0, start, len(blocks), len(blocks)) + directory + body


def spectrum(kind, values, *, first=4000.0, last=400.0, units="WN", scale=1.0, code=1, **more):
    dtype = "<f4" if code == 1 else "<i4"
    about = parameters(DPF=code, NPT=len(values), FXV=first, LXV=last, CSF=scale, DXU=units, **more)
    return (kind, np.asarray(values).astype(dtype).tobytes()), (kind | 0x10, about)


@pytest.mark.parametrize(
    ("content", "signal", "title"),
    [(5, "transmittance", "transmittance"), (6, "kubelka_munk", "Kubelka-Munk"), (12, "reflectance", "reflectance"),
     (15, "log_reflectance", "log reflectance"), (17, "photoacoustic", "photoacoustic"),
     (19, "absorbance", "absorbance (calculated)")],
)  # fmt: skip
def test_every_quantity_has_its_name(tmp_path, content, signal, title):
    file = tmp_path / "made.0"
    file.write_bytes(opus(*spectrum(0x3 | 3 << 2 | content << 10, [0.1, 0.2, 0.4])))
    scan = raman.read(file)
    assert (scan.attrs["signal"], scan.attrs["title"]) == (signal, title)
    np.testing.assert_allclose(scan[signal].values, [0.4, 0.2, 0.1], rtol=1e-6)


def test_integers_scales_wavelengths_and_derivatives(tmp_path):
    file = tmp_path / "made.0"
    file.write_bytes(
        opus(*spectrum(0x100F | 1 << 17, [1, 2, 4], first=2.5, last=10.0, units="MI", scale=0.5, code=2))
    )
    scan = raman.read(file)
    assert scan.attrs["title"] == "first derivative of absorbance"
    np.testing.assert_allclose(scan.absorbance.values, [2, 1, 0.5])
    np.testing.assert_allclose(scan.wavenumber.values, [1000, 1600, 4000])


def test_two_results_have_to_be_chosen(tmp_path):
    file = tmp_path / "made.0"
    file.write_bytes(opus(*spectrum(0x100F, [1, 2]), *spectrum(0x140F, [0.1, 0.01])))
    with pytest.raises(InvalidInput, match="holds 2 scans: choose one"):
        raman.read(file)
    assert raman.read(file, select="transmittance").attrs["signal"] == "transmittance"


def test_unknown_blocks_are_named(tmp_path):
    file = tmp_path / "made.0"
    file.write_bytes(opus(*spectrum(0x100F, [1, 2]), (0x7F << 22, b"\0" * 8), (2 << 19 | 0x100F, b"\0" * 8)))
    (note,) = [n for n in raman.read(file).spectra.history[0]["notes"] if "left out" in n]
    assert "(unknown)" in note
    assert "(a series)" in note


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\n\n\xfe\xfe", "ends inside the header"),
        (b"\n\n\xfe\xfe" + struct.pack("<d3i", 1.0, 24, 9, 9), "does not lie inside of it"),
        (opus((0x3400, b"\0" * 8)), "without a spectrum or an interferogram"),
        (opus(*spectrum(0x100F, [1, 2, 3]))[:-80], "truncated"),
        (opus(*spectrum(0x100F, [1, 2], last=4000.0)), "make no axis"),
        (opus(*spectrum(0x807, [1, 2], units="PNT")), "does not say how its interferogram was sampled"),
        (opus(*spectrum(0x100F, [1, 2], units="MIN")), "without a spectrum"),
        (opus(*spectrum(0x100F, [1e30, 2])), "numbers that nothing measures"),
        (opus(*spectrum(0x100F, [np.nan, np.nan])), "holds no finite value"),
    ],
)
def test_damaged_files_are_refused_with_a_sentence(tmp_path, content, sentence):
    file = tmp_path / "bad.0"
    file.write_bytes(content)
    with pytest.raises(ReadError, match=sentence) as caught:
        spectra.read(file)
    assert str(caught.value).endswith(".")
    assert "bad.0" in str(caught.value)
