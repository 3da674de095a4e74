"""PHI MultiPak: binaries against the text of the same measurements, depth profiles, counts proven by their noise."""

import json
import struct

import numpy as np
import pytest

import spectra
import xps
from spectra.errors import InvalidInput, ReadError
from spectra.reading.registry import read_scans
from spectra.reading.scan import notes_of
from xps.reading.phi_header import parse_header, phi_region, regions

PAIRS = [
    "BN-BS-1_SURVEY",
    "BN-BS-1_multiplex",
    "BN-BS-2_MULTIPLEX",
    "BN-BS-2_SURVEY",
    "BN-BS-3_MULTIPLEX",
    "BN-BS-3_SURVEY",
]


@pytest.fixture
def files(data_dir):
    return data_dir / "xps"


@pytest.fixture(scope="module")
def profile(data_dir):
    return read_scans(data_dir / "xps" / "pynxtools" / "SnO2_10nm_1.pro")


@pytest.mark.parametrize("name", PAIRS)
def test_binary_equals_text_count_for_count(files, name):
    """The binary holds counts per second as float64 (and calls them u8), the text counts."""
    binary = read_scans(files / "phi_bn" / f"{name}.spe")
    text = read_scans(files / "phi_bn" / f"{name}.txt")
    assert len(binary) == len(text) == (1 if "SURVEY" in name else 6)
    for a, b in zip(binary, text, strict=True):
        np.testing.assert_array_equal(a.counts, b.counts)
        np.testing.assert_allclose(a.binding_energy, b.binding_energy, atol=1e-9)
        assert a.attrs["region"] == b.attrs["region"]
        assert a.attrs["photon_energy"] == b.attrs["photon_energy"] == 1253.6
        assert a.attrs["dwell_time"] == pytest.approx(b.attrs["dwell_time"] * b.attrs["sweeps"])
        assert a.counts.attrs["units"] == "counts"


def test_first_system_by_the_numbers_known_of_it(files):
    scan = xps.read(files / "phi_bn" / "BN-BS-1_multiplex.spe", select="Sr 3d")
    assert (scan.attrs["dwell_time"], scan.attrs["pass_energy"], scan.attrs["date"]) == (
        1.2,
        22.36,
        "2024-01-26",
    )
    assert any("multiplied by the 1.2 s" in note for note in notes_of(scan))
    scan = xps.read(files / "phi_bn" / "BN-BS-1_multiplex.txt", select="Sr 3d")
    assert (scan.attrs["dwell_time"], scan.attrs["sweeps"], scan.attrs["source"]) == (0.05, 24, "Mg")


def test_new_system(files):
    scan = xps.read(files / "pynxtools" / "SnO2_10nm.spe")
    assert dict(scan.sizes) == {"binding_energy": 1751}
    assert (scan.binding_energy.values[0], scan.binding_energy.values[-1]) == (0.0, 1400.0)
    assert (scan.attrs["photon_energy"], scan.attrs["pass_energy"]) == (1486.6, 224.0)
    assert (scan.attrs["sample"], scan.attrs["region"]) == ("SnO2_10nm", "survey")
    assert (np.mod(scan.counts, 1) == 0).all()


def test_depth_profile_as_a_series(files):
    file = files / "pynxtools" / "SnO2_10nm_1.pro"
    series = xps.read_series(file, select="Sn 3d5/2", dim="sputter_time")
    assert dict(series.sizes) == {"sputter_time": 21, "binding_energy": 101}
    np.testing.assert_array_equal(series.sputter_time, np.arange(0, 601, 30))
    assert series.sputter_time.attrs["units"] == "s"
    height = series.counts.max("binding_energy").values
    assert height[0] < height[4] > 2.5 * height[-1]  # contamination goes, then the tin oxide
    assert xps.read_series(file, select="Si2p").sizes["scan"] == 21
    with pytest.raises(InvalidInput, match="holds 21 scans called 'C 1s'"):
        xps.read(file, select="C 1s")


def test_cycles_and_regions_are_listed(files):
    table = spectra.inspect(files / "pynxtools" / "SnO2_10nm_1.pro")
    assert len(table) == 84
    assert set(table.region) == {"survey", "C 1s", "Si 2p", "Sn 3d5/2"}
    assert table.note.str.contains("blocks that hold no spectra were left out").all()


def test_time_counted_is_what_the_noise_shows(profile):
    """Sn 3d of the profile was swept once where ten sweeps were planned: its noise is that of a tenth."""
    by_region = {}
    for scan in profile:
        by_region.setdefault(scan.attrs["region"], []).append(scan)
    assert {s.attrs["dwell_time"] for s in by_region["C 1s"]} == {0.8}
    assert {s.attrs["dwell_time"] for s in by_region["Sn 3d5/2"]} == {0.08}
    assert any(
        "is a multiple of 10: counted were 0.08 s" in note for note in notes_of(by_region["Sn 3d5/2"][0])
    )
    for region in ("C 1s", "Sn 3d5/2"):
        flat = np.array([s.counts.values[:13] for s in by_region[region][6:]])  # below the lines
        noise = np.diff(flat, n=3) / np.sqrt(20)  # what a cubic leaves
        assert (noise**2).mean() / flat.mean() == pytest.approx(1, abs=0.4), region


def test_header_also_where_it_stands_in_a_vamas_comment(data_dir):
    folder = data_dir / "xps" / "pynxtools" / "comment_fragments"
    header = parse_header((folder / "phi.vms").read_text().splitlines())
    reference = json.loads((folder / "phi_ref.json").read_text())
    assert header["Platform"] == [reference["platform"]]
    found = regions(header, "phi.vms")
    assert [r.name for r in found] == ["Su1s", "C1s", "Si2p", "Sn3d5"]
    assert [r.points for r in found] == [1751, 101, 101, 101]


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("Sn3d5", ("Sn 3d5/2", "Sn")),
        ("Fe2p", ("Fe 2p", "Fe")),
        ("Su1s", ("survey", None)),
        ("Sur1", ("survey", None)),
        ("S2p", ("S 2p", "S")),
        ("", ("survey", None)),
    ],
)
def test_names_of_regions(name, level):
    assert phi_region(name) == level


# ---- files written here ----------------------------------------------------------------------------------------


def spe(
    rates=(10.0, 20.0, 30.0),
    *,
    technique="XPS",
    kind=b"f4",
    units=b"c/s",
    seconds="0.5",
    recal="no",
    entry=None,
):
    points = len(rates)
    header = (
        f"SOFH\nPlatform: PC\nTechnique: {technique}\nXraySource: Al 1486.6 mono\nIntensityRecal: {recal}\n"
        f"NoSpectralReg: 1\nSpectralRegDef: 1 1 Mn2p 25 {points} -0.5 660 659 660 659 {seconds} 26 AREA\nEOFH\n"
    )
    code = {b"f4": "f", b"f8": "d", b"u8": "d"}.get(kind, "f")
    data = struct.pack(f"<{points}{code}", *rates)
    words = [1, 1, 1, 1, 1, points, 1, 1]
    block = (
        struct.pack("<8I", *words)
        + b"pnt\0\0\0\0\0sar\0"
        + bytes(12)
        + units.ljust(16, b"\0")
        + kind
        + b"\0\0"
    )
    block += struct.pack("<2I", *(entry or (len(data), 112))) + bytes(12)
    return header.encode() + struct.pack("<4I", 1, 1, 96, 16) + block + data


@pytest.fixture
def write(tmp_path):
    def write_file(content, name="file.spe"):
        file = tmp_path / name
        file.write_bytes(content)
        return file

    return write_file


@pytest.mark.parametrize("kind", [b"f4", b"f8", b"u8"])
def test_written_spectrum(write, kind):
    scan = xps.read(write(spe(kind=kind)))
    np.testing.assert_array_equal(scan.counts, [15, 10, 5])
    np.testing.assert_allclose(scan.binding_energy, [659, 659.5, 660])


def test_without_a_time_rates_stay_rates(write):
    scan = xps.read(write(spe(seconds="0")))
    assert scan.attrs["signal"] == "count_rate"
    assert scan.count_rate.attrs["units"] == "counts/s"
    assert any("does not say how long was counted" in note for note in notes_of(scan))


def test_auger_energies_stay_kinetic(write):
    scan = xps.read(write(spe(technique="AES")))
    assert "kinetic_energy" in scan.dims
    assert "photon_energy" not in scan.attrs


def test_intensities_that_were_corrected_are_said(write):
    assert any(
        "had corrected the intensities" in note for note in notes_of(xps.read(write(spe(recal="yes"))))
    )


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (spe(kind=b"x9"), r"block 1 holds numbers of the unknown type 'x9'"),
        (spe((1.0, float("nan"), 2.0)), r"is damaged: block 1 holds numbers that nothing measures"),
        (spe().replace(b" 660 659 660", b" 66000000 659 660"), r"6.6e\+07 eV is no energy of a photoelectron"),
        (spe(units=b"V"), r"there are no counts of the region 'Mn2p'"),
        (spe(entry=(8, 112)), r"block 1 announces 3 x 1 numbers in 8 bytes"),
        (spe(entry=(12, 4_000_000_000)), r"is truncated: block 1 of 12 bytes ends \d+ bytes after the file"),
        (spe()[:-1], r"is truncated: block 1 of 12 bytes ends 1 bytes after the file"),
        (spe().replace(b"NoSpectralReg: 1", b"NoSpectralReg: 2"), r"announces 2 spectral regions and defines 1"),
        (spe().replace(b"Mn2p 25 3", b"Mn2p 25 x"), r"the spectral region .* cannot be understood"),
        (spe().replace(b"SpectralRegDef:", b"Spectral:"), r"its header defines no spectral region"),
        (b"SOFH\nPlatform: PC\n", r"its header has no EOFH"),
        (spe().replace(b"EOFH\n", b"EOFH\n" + struct.pack("<4I", 1, 2**31, 96, 16)), r"announces 2147483648 blocks"),
    ],
)  # fmt: skip
def test_bad_binaries_are_one_sentence(write, content, sentence):
    with pytest.raises(ReadError, match=sentence) as caught:
        xps.read(write(content))
    assert "\n" not in str(caught.value)
    assert "file.spe" in str(caught.value)


HEAD = "Element Mn 2p; Region 1 of 1; Depth Cycle 1 of 1; Time Per Step 50; Sweeps 8; Anode Al; Photon Energy 1486.6; XPS;\n"


def test_text_of_rates(write):
    """Where the values times the time are whole numbers, they are counts per second."""
    scan = xps.read(write((HEAD + "660\t12.5\n659\t2.5\n").encode(), "a.txt"))
    assert scan.counts.values.tolist() == [1, 5]
    scan = xps.read(write((HEAD + "660\t12.51\n659\t2.5\n").encode(), "a.txt"))
    assert scan.attrs["signal"] == "intensity"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            HEAD.replace("1 of 1; Depth", "1 of 3; Depth") + "660 1\n659 2\n",
            "truncated: region 2 of 3 is not there",
        ),
        (HEAD.replace("Cycle 1 of 1", "Cycle 1 of 2") + "660 1\n659 2\n", "truncated: cycle 2 of 2 of Mn 2p"),
        (HEAD + "660 1\n", "is truncated: it has 1 points"),
        (HEAD + "660 1\n659\n", "line 3 holds '659', not an energy and its counts"),
        (HEAD.replace("1 of 1; Depth", "1 of 999999999; Depth") + "660 1\n659 2\n", "region 2 of 999999999"),
    ],
)
def test_bad_text_is_one_sentence(write, text, sentence):
    with pytest.raises(ReadError, match=sentence):
        xps.read(write(text.encode(), "file.txt"))
