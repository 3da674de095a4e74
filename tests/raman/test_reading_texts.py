"""Text of Raman spectrometers: every trap of the measured files, and what the files state of themselves."""

import json

import numpy as np
import pytest

import raman
from spectra.dataset import failed, flag_names
from spectra.errors import ReadError, SpectraError
from spectra.reading.registry import read_scans


@pytest.fixture
def measured(data_dir):
    return lambda name, **options: raman.read(data_dir / "raman" / name, **options)


@pytest.fixture
def written(tmp_path):
    def write(text, name="simulated.txt", encoding="utf-8", **options):
        file = tmp_path / name
        file.write_bytes(text.encode(encoding))
        return raman.read(file, **options)

    return write


def notes(scan):
    return scan.spectra.history[0].get("notes", [])


LABSPEC = ("532nm-191216-Si_200mu", "SMC1-Initial_RT", "LiNbWO6-0-H", "LiNbWO6-90-H")


@pytest.mark.parametrize("name", LABSPEC)
def test_labspec_header_in_cp1252(measured, name):
    scan = measured(f"horiba/{name}.txt")
    assert scan.attrs["reader"] == "labspec-text"
    assert dict(scan.sizes) == {"raman_shift": 1024}
    assert scan.attrs["laser_wavelength"] == 532
    assert scan.intensity.attrs["units"] == "detector counts"
    assert "Detector temperature (°C)" in json.loads(scan.attrs["metadata"])
    assert {"stage_X", "objective", "grating", "accumulations", "start_time"} <= set(scan.attrs)


def test_labspec_says_when_and_how_long(measured):
    scan = measured("horiba/SMC1-Initial_RT.txt")
    assert scan.attrs["start_time"] == "2019-02-14T10:03:18"  # days first
    assert (scan.attrs["integration_time"], scan.attrs["accumulations"]) == (120.0, 2)
    assert scan.attrs["laser_power_percent"] == 10.0


def test_labspec_series_that_was_stopped(measured):
    """The last 58 rows of 168 are exact zeros: they stay in the series, as NaN and flagged."""
    series = measured("horiba/serie190214-1.txt")
    assert dict(series.sizes) == {"time": 168, "raman_shift": 1024}
    missing = failed(series).values
    np.testing.assert_array_equal(np.flatnonzero(missing), np.arange(110, 168))
    assert float(series.time[110]) == pytest.approx(6586.8, abs=1)
    assert np.isfinite(series.intensity.values[:110]).all()
    assert np.isnan(series.intensity.values[110:]).all()
    assert any("58 spectra hold nothing but exact zeros" in note for note in notes(series))
    assert series.time.attrs["start"] == "2019-02-14T10:41:56"


def test_labspec_without_a_header(measured):
    scan = measured("horiba/PST10_iR785_OP01_8000msx8.txt")
    assert scan.attrs["technique"] == "raman"
    assert dict(scan.sizes) == {"raman_shift": 1024}
    assert "laser_wavelength" not in scan.attrs
    assert measured("horiba/PST10_iR785_OP01_8000msx8.txt", laser=785.0).attrs["laser_wavelength"] == 785.0


def test_labspec_map_in_text(written):
    header = "#Acq. time (s)=\t1\n#Accumulations=\t1\n#Grating=\t600\n"
    rows = "".join(f"{y}\t{x}\t{100 * y + x}\t2\t3\n" for y in (0, 5) for x in (0, 1, 2))
    scan = written(f"{header}\t\t100\t200\t300\n{rows}")
    assert scan.intensity.dims == ("y", "x", "raman_shift")
    np.testing.assert_array_equal(scan.intensity[..., 0], [[0, 1, 2], [500, 501, 502]])
    assert any("taken as y" in note for note in notes(scan))


def test_labspec_maps_and_series_without_a_header(written):
    """Empty cells before an axis in the first row: a spectrum stands in each row, behind its place."""
    axis = "\t".join(str(x) for x in range(100, 160))

    def row(*cells):
        return "\t".join(map(str, [*cells, *(100 * sum(cells) + k for k in range(60))])) + "\n"

    scan = written(f"\t\t{axis}\n" + "".join(row(y, x) for y in (0, 10) for x in (0, 1, 2)))
    assert dict(scan.sizes) == {"y": 2, "x": 3, "raman_shift": 60}
    np.testing.assert_array_equal(scan.intensity[..., 0], [[0, 100, 200], [1000, 1100, 1200]])
    series = written(f"\t{axis}\n" + "".join(row(t) for t in range(5)))
    assert dict(series.sizes) == {"scan": 5, "raman_shift": 60}
    np.testing.assert_array_equal(series.first_column, np.arange(5))


def test_labspec_axis_in_nm(written):
    text = "#Acq. time (s)=\t1\n#Accumulations=\t1\n#Spectro (nm)=\t550\n#Laser=\t{}\n540\t1\n550\t2\n"
    np.testing.assert_allclose(
        written(text.format("532nm")).raman_shift, 1e7 / 532 - 1e7 / np.array([540, 550]), rtol=1e-12
    )
    with pytest.raises(ReadError, match="axis in nm with no laser wavelength"):
        written(text.format(""))


def test_labspec_xml_in_three_units_is_one_spectrum(measured):
    """The same measurement exported in 1/cm, absolute 1/cm and eV: its shifts agree to what six digits hold."""
    names = ("cm-1", "abs-cm-1", "eV")
    shift, absolute, energy = (measured(f"horiba/jobinyvon_test_spec_3s_{name}.xml") for name in names)
    assert shift.attrs["laser_wavelength"] == 632.817  # stated beside the rounded 633
    np.testing.assert_allclose(absolute.raman_shift, shift.raman_shift, atol=0.06)
    np.testing.assert_allclose(energy.raman_shift, shift.raman_shift, atol=0.06)
    np.testing.assert_array_equal(energy.intensity, shift.intensity)
    assert shift.intensity.attrs["units"] == "detector counts/s"


def test_labspec_xml_maps(measured):
    straight = measured("horiba/jobinyvon_test_map_x3-y2.xml")
    turned = measured("horiba/jobinyvon_test_map_x2-y2_rotated.xml")
    for scan in (straight, turned):
        assert scan.intensity.dims == ("y", "x", "raman_shift")
        assert dict(scan.sizes) == {"y": 2, "x": 3, "raman_shift": 34}
        np.testing.assert_array_equal(scan.x, [-2, 0, 2])
        np.testing.assert_array_equal(scan.y, [-1, 1])
        # the axis of the file is in nm, from 720.924 to 771.797
        assert float(scan.raman_shift[-1]) == pytest.approx(1e7 / 632.817 - 1e7 / 771.797, abs=0.01)
    assert float(straight.intensity[0, 0, -1]) == 254.5 or float(straight.intensity.max()) == 295.5
    assert turned.attrs["rotation"] == pytest.approx(-0.5323225)
    assert any("turned by -30.5 degrees" in note for note in notes(turned))


def test_witec_table_needs_the_laser_and_is_saturated(measured):
    name = "witec/Si-wafer-Raman-Spectrum-1.txt"
    with pytest.raises(ReadError, match=r"axis in nm with no laser wavelength; say it with raman.read"):
        measured(name)
    scan = measured(name, laser=532.26)
    peak = scan.sel(raman_shift=slice(400, 600))
    assert float(peak.raman_shift[np.argmax(peak.intensity.values)]) == pytest.approx(520.5, abs=2.8)
    assert flag_names(scan) == ["saturated"]
    assert not failed(scan).any()
    assert any("saturated at" in note for note in notes(scan))


def test_witec_map_table(written):
    columns = ",".join(f"s{n}" for n in range(6))
    rows = "".join(f" {x}, " + ", ".join(str(x + n) for n in range(6)) + "\n" for x in (100.0, 200.0))
    header = "[Header]\nGraphName = m\nSizeX = 3\nSizeY = 2\nSizeGraph = 2\nScanWidth = 6\nScanHeight = 2\n"
    scan = written(
        f"//Exported\n{header}XAxisUnit = rel. 1/cm\nDataUnit = CCD cts\n\n[Data]\nX,{columns}\n{rows}"
    )
    assert scan.intensity.dims == ("y", "x", "raman_shift")
    np.testing.assert_array_equal(scan.intensity[..., 0], 100 + np.arange(6).reshape(2, 3))
    np.testing.assert_array_equal(scan.x, [0, 2, 4])


@pytest.mark.parametrize(
    ("name", "low", "points"),
    [
        ("witec/PST_WiICV532_Z050OP02_075_800msx10.txt", -42.75, 1024),
        ("carbon/Si_spectrum01.txt", -95.79, 1600),
    ],
)
def test_two_columns_keep_anti_stokes_points(measured, name, low, points):
    scan = measured(name)
    assert scan.sizes["raman_shift"] == points
    assert float(scan.raman_shift[0]) == pytest.approx(low, abs=0.01)


def test_bwtek_decimal_comma_and_blank_cells(measured):
    scan = measured("bwtek/PST10_iR532_Probe_100_3000msx7.txt")
    assert scan.sizes["raman_shift"] == 2048 - 247
    assert scan.attrs["laser_wavelength"] == 532.02
    assert (scan.attrs["integration_time"], scan.attrs["accumulations"]) == (3.0, 7)
    assert scan.attrs["start_time"] == "2022-01-21T11:52:01"
    assert any("247 points without a finite axis value" in note for note in notes(scan))
    row = scan.sel(raman_shift=528.23)
    assert (float(row.intensity), float(row.raw), float(row.dark)) == (1793.0, 2943.5714, 1150.5714)


def test_bwtek_numbers_its_spectra(tmp_path):
    names = "Pixel;Wavelength;Raman Shift;Dark;Raw data #1;Dark Subtracted #1;Raw data #2;Dark Subtracted #2;"
    rows = "".join(
        f"{n};{540 + n},0;{300 + 10 * n},5;10;{20 + n};{10 + n};{40 + n};{30 + n};\n" for n in range(30)
    )
    file = tmp_path / "two.txt"
    file.write_text(f"File Version;BWRam4.11\nlaser_wavelength;532,1\n{names}\n{rows}")
    with pytest.raises(SpectraError, match="2 scans"):
        raman.read(file)
    second = raman.read(file, select=1)
    np.testing.assert_array_equal(second.intensity, 30 + np.arange(30))
    np.testing.assert_array_equal(second.raw, 40 + np.arange(30))
    np.testing.assert_allclose(second.raman_shift, 300.5 + 10 * np.arange(30))
    assert raman.read_series(file).sizes["scan"] == 2


def test_bwtek_lamp_was_changed_by_its_program(measured):
    lamp = measured("bwtek/lamp Ne 10ms 0%.txt")
    assert any("not raw minus dark" in note for note in notes(lamp))
    assert any("are negative" in note for note in notes(lamp))
    line = lamp.raman_shift[np.argmax((lamp.raw - lamp.dark).values)]
    assert float(line) == pytest.approx(806.4, abs=0.1)  # neon, 837.8 nm


def test_neegala_columns(measured):
    scan = measured("other/neegala_PST_532_SEX139.txt")
    assert float(scan.raman_shift[0]) == pytest.approx(-1118.29, abs=0.01)
    np.testing.assert_array_equal(scan.raw - scan.background, scan.intensity)
    assert (scan.attrs["integration_time"], scan.attrs["accumulations"]) == (9.0, 20)
    assert scan.attrs["laser_wavelength"] == 532.0


def test_zolix_zeros_at_the_ends_were_not_measured(measured):
    scan = measured("other/zolix_PST02_Zolix785_Probe_070_190ms.txt")
    missing = np.isnan(scan.intensity.values)
    np.testing.assert_array_equal(
        np.flatnonzero(missing), [0, 1, 2, 3, *range(missing.size - 43, missing.size)]
    )
    assert any("47 points are exact zeros" in note for note in notes(scan))
    assert float(scan.raman_shift[0]) < -241


def test_lightnovo_header(measured):
    scan = measured("other/lightnovo_polystyrene_worsened.tsv")
    assert scan.attrs["laser_wavelength"] == 785.0
    assert (scan.attrs["laser_power"], scan.attrs["integration_time"]) == (11.1111111, 0.111)
    assert scan.sizes["raman_shift"] == 2290
    assert float(scan.intensity[-1]) == 0.0  # a small value next to others as small


def test_bad_lines_are_skipped_and_counted(measured):
    """A blank line and three of letters inside the numbers: everything else is there, and the note says which."""
    broken = measured("carbon/wrong-values-in-lines_pos1.txt")
    whole = measured("carbon/testDW38C_pos1.txt")
    assert any("4 lines without a row of numbers skipped (3, 13, 28, 1600)" in note for note in notes(broken))
    assert broken.sizes["raman_shift"] == 1596
    kept = whole.sel(raman_shift=broken.raman_shift)
    np.testing.assert_array_equal(kept.intensity, broken.intensity)


def test_two_tables_are_not_joined_over_bad_lines(written):
    table = "".join(f"{x}\t1\n" for x in range(100, 140))
    with pytest.raises(SpectraError, match="2 scans"):
        written(f"{table}remark\n{table}")


def test_rruff_keys(measured):
    scan = measured("rruff/Anatase__R060277__Broad_Scan____0__unoriented__Raman_Data_RAW__21346.txt")
    assert (scan.attrs["sample"], scan.attrs["rruff_id"]) == ("Anatase", "R060277")
    assert np.isnan(scan.intensity.values[0])  # an exact zero where the next value is 24506
    assert scan.sizes["raman_shift"] == 1753


def test_rod_record(measured):
    scan = measured("rod/rod_file_1000679.rod")
    assert dict(scan.sizes) == {"raman_shift": 1159}
    assert scan.attrs["sample"] == "K-cymrite"
    assert scan.attrs["laser_wavelength"] == 488.0
    assert scan.attrs["doi"] == "10.2465/jmps.111020i"
    assert (float(scan.raman_shift[0]), float(scan.intensity[0])) == (50.0, 429.0)
    assert (
        json.loads(scan.attrs["metadata"])["_raman_measurement.environment_details"]
        == "The sample was measured in air."
    )


def test_wire_map_in_text(written):
    rows = "".join(
        f"{x}\t{y}\t{w}\t{10 * x + y + w}\n" for y in (0, 1) for x in (0, 3) for w in (300, 200, 100)
    )
    scan = written(f"#X\t\t#Y\t\t#Wave\t\t#Intensity\n{rows}")
    assert scan.intensity.dims == ("y", "x", "raman_shift")
    np.testing.assert_array_equal(scan.intensity.sel(raman_shift=200), [[200, 230], [201, 231]])
    cut = written(f"#X\t\t#Y\t\t#Wave\t\t#Intensity\n{rows}".rsplit("\n", 2)[0] + "\n")
    assert any("the last spectrum ends after 2 of 3 points" in note for note in notes(cut))
    assert failed(cut).values.sum() == 1


def test_wire_time_series_in_text(written):
    rows = "".join(f"{t}\t{w}\t{t + w}\n" for t in (0.0, 3.5) for w in (300, 200))
    scan = written(f"#Time\t\t#Wave\t\t#Intensity\n{rows}")
    np.testing.assert_array_equal(scan.time, [0, 3.5])


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "horiba/PST10_iR785_OP01_8000msx8.l6s",
            "binary file of Horiba LabSpec .*export it in LabSpec as text or XML",
        ),
        (
            "renishaw/PST_Reflex532_Z050_010_10000msx2.wxd",
            "old measurement of Renishaw WiRE .*save it as .wdf",
        ),
    ],
)
def test_closed_formats_are_named(measured, name, sentence):
    with pytest.raises(ReadError, match=sentence):
        measured(name)


def test_encoding_can_be_told(tmp_path):
    """LabSpec writes cp1252, newer programs UTF-8; the user knows better than the content."""
    text = "#Acq. time (s)=\t1\n#Accumulations=\t1\n#Title=\t°C\n#Grating=\t1\n100\t1\n200\t2\n"
    file = tmp_path / "labspec.txt"
    for encoding in ("cp1252", "utf-8"):
        file.write_bytes(text.encode(encoding))
        assert raman.read(file).attrs["title"] == "°C"
    file.write_bytes(text.encode("cp437"))
    assert raman.read(file).attrs["title"] != "°C"
    assert raman.read(file, encoding="cp437").attrs["title"] == "°C"


@pytest.mark.parametrize("label", ["Wavelength (nm)", "lambda/nm", "Wavelength"])
def test_wavelengths_in_any_text_are_no_shifts(written, label):
    """A label of nm over the first column: converted with the laser, refused without; never taken for a shift."""
    text = f"{label}\tcounts\n540\t1\n545\t7\n550\t2\n"
    with pytest.raises(ReadError, match="axis in nm with no laser wavelength"):
        written(text)
    scan = written(text, laser=532.0)
    np.testing.assert_allclose(scan.raman_shift, 1e7 / 532 - 1e7 / np.array([540, 545, 550]), rtol=1e-12)
    assert scan.attrs["technique"] == "raman"
    stated = written(f"# Laser wavelength (nm): 532.2\n# Integration time: 4\n{text}")
    assert stated.attrs["laser_wavelength"] == 532.2
    assert stated.attrs["integration_time"] == 4.0


def test_photon_energies_in_any_text(written):
    text = "energy (eV)\tintensity\n2.0\t1\n2.1\t7\n2.2\t2\n"
    with pytest.raises(ReadError, match="axis in eV with no laser wavelength"):
        written(text)
    scan = written(text, laser=532.0)
    assert float(scan.raman_shift[0]) == pytest.approx(1e7 / 532 - 2.2 * 8065.543937)
    assert scan.intensity.values.tolist() == [2, 7, 1]


def test_header_of_any_text_names_the_laser(written):
    scan = written("# Laser wavelength (nm): 785\nraman shift\tintensity\n100\t1\n200\t2\n")
    assert scan.attrs["laser_wavelength"] == 785.0


def test_text_may_be_infrared(written):
    scan = written("wavenumber/cm-1\tabsorbance\n400\t0.1\n500\t0.2\n")
    assert scan.attrs["technique"] == "ftir"
    assert scan.absorbance.dims == ("wavenumber",)
    assert written("400\t0.1\n500\t0.2\n", axis="wavenumber").intensity.dims == ("wavenumber",)
    with pytest.raises(ReadError, match="no axis of a Raman or infrared spectrum"):
        written("energy/eV\tmu\n6530\t0.1\n6540\t0.2\n")


def test_readers_that_are_asked_by_name_refuse_what_is_not_theirs(data_dir):
    other = data_dir / "raman" / "carbon" / "Si_spectrum01.txt"
    for reader in (
        "wdf",
        "spc",
        "labspec-xml",
        "witec-text",
        "keyed-tables",
        "spe",
        "trivista",
        "rod",
        "rruff",
        "nxraman",
    ):
        with pytest.raises(SpectraError, match="Si_spectrum01"):
            read_scans(other, reader=reader)
