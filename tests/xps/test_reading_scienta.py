"""Scienta: Igor waves against the text of the same measurements; energies by the name of the axis alone."""

import struct

import numpy as np
import pytest

import spectra
import xps
from spectra.errors import ReadError
from spectra.reading.registry import read_scans
from spectra.reading.scan import notes_of
from xps.reading.igor import is_wave, read_wave


@pytest.mark.parametrize(("number", "hv", "region"), [(1, 520.0, "Ag 3d"), (2, 153.0, "VB")])
def test_wave_equals_text(data_dir, number, hv, region):
    folder = data_dir / "xps" / "pynxtools"
    text = xps.read(folder / f"Ag_000{number}.txt")
    wave = xps.read(folder / f"Ag_000{number}Ag__00{number}.ibw")
    np.testing.assert_allclose(wave.intensity, text.intensity, rtol=1e-6)
    np.testing.assert_allclose(wave.binding_energy, text.binding_energy, atol=1e-8)
    same = (
        "photon_energy",
        "pass_energy",
        "sweeps",
        "start_time",
        "sample",
        "region",
        "instrument",
        "time_per_channel",
    )
    assert {k: wave.attrs[k] for k in same} == {k: text.attrs[k] for k in same}
    assert (wave.attrs["photon_energy"], wave.attrs["region"]) == (hv, region)


def test_the_header_contradicts_itself_and_the_axis_decides(data_dir):
    """Energy Scale=Binding and Energy Unit=Kinetic stand in one header; low kinetic energy 138 = 520 - 382."""
    scan = xps.read(data_dir / "xps" / "pynxtools" / "Ag_0001.txt")
    assert (scan.binding_energy.values[0], scan.binding_energy.values[-1]) == (364.0, 382.0)
    assert '"Low Energy": "138"' in scan.attrs["metadata"]


def test_charge_is_no_count(data_dir):
    scan = xps.read(data_dir / "xps" / "pynxtools" / "Ag_0001Ag__001.ibw")
    assert scan.attrs["signal"] == "intensity"
    assert any("(ADC)" in note for note in notes_of(scan))
    assert "dwell_time" not in scan.attrs


# ---- text written here -----------------------------------------------------------------------------------------


def ses(
    *,
    axis="Kinetic Energy [eV]",
    hv="1486.6",
    rows=("800 5", "801 7", "802 9"),
    size=3,
    extra="",
    mode="Pulse",
    regions=1,
):
    return (
        f"[Info]\nNumber of Regions={regions}\nVersion=1.3.1\n\n[Region 1]\nRegion Name=Mn2p\nDimension 1 name={axis}\n"
        f"Dimension 1 size={size}\n{extra}\n[Info 1]\nRegion Name=Mn2p\nExcitation Energy={hv}\nPass Energy=50\n"
        f"Number of Sweeps=2\nDetectorMode={mode}\nSample=LMO\nDate=2024-03-01\nTime=10:00:00\n"
        "[Run Mode Information 1]\n\n[Data 1]\n" + "\n".join(rows) + "\n\n"
    )


@pytest.fixture
def write(tmp_path):
    def write_file(content, name="ses.txt"):
        file = tmp_path / name
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    return write_file


def test_kinetic_energies_become_binding_energies(write):
    scan = xps.read(write(ses()))
    np.testing.assert_allclose(scan.binding_energy, [684.6, 685.6, 686.6])
    assert scan.counts.values.tolist() == [9, 7, 5]


@pytest.mark.parametrize("hv", ["0", ""])
def test_without_a_photon_energy_they_stay_kinetic(write, hv):
    scan = xps.read(write(ses(hv=hv)))
    assert scan.kinetic_energy.values.tolist() == [800, 801, 802]
    assert any("energies stay kinetic" in note for note in notes_of(scan))


def test_the_user_says_what_the_energies_are(write):
    file = write(ses(axis="Energy [eV]", hv="0"))
    with pytest.raises(ReadError, match="say which it is with axis="):
        xps.read(file)
    assert xps.read(file, axis="binding_energy").binding_energy.values.tolist() == [800, 801, 802]


def test_slices_of_the_detector_stand_apart(write):
    file = write(
        ses(
            rows=("800 5 1", "801 7 2", "802 9 3"),
            extra="Dimension 2 name=Y-Scale [deg]\nDimension 2 size=2\nDimension 2 scale=-1.5 1.5\n",
        )
    )
    series = xps.read_series(file, dim="slice_position")
    assert series.slice_position.values.tolist() == [-1.5, 1.5]
    np.testing.assert_array_equal(series.counts, [[9, 7, 5], [3, 2, 1]])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (ses(size=4), "truncated: 4 points are announced, 3 are there"),
        (ses(regions=2), "truncated: it announces 2 regions, the data of 1 are there"),
        (ses(rows=("800 5", "801", "802 9")), "a row holds 1 numbers where 2 are due"),
        (ses(rows=("800 5", "801 x", "802 9")), "holds something else than numbers"),
        (
            ses(axis="Angle [deg]"),
            "its first dimension is 'Angle .deg.', not said to be an energy of electrons",
        ),
        (ses(size="many"), "Dimension 1 size is 'many' in its header"),
        (ses(size=999_999_999), "truncated: 999999999 points are announced"),
        (ses() + "[Data 1]\n800 5\n", r"the section \[Data 1\] stands there twice"),
    ],
)
def test_bad_text_is_one_sentence(write, text, sentence):
    with pytest.raises(ReadError, match=sentence) as caught:
        xps.read(write(text))
    assert "ses.txt" in str(caught.value)


# ---- waves written here ----------------------------------------------------------------------------------------


def wave_5(
    values, *, start=(800.0, 0.0), step=(1.0, 1.0), units="Kinetic Energy [eV]", note="", kind=4, order="<"
):
    values = np.asarray(values, f"{order}f8")
    shape = list(values.shape) + [0] * (4 - values.ndim)
    note_bytes, unit_bytes = note.encode(), units.encode()
    first = struct.pack(f"{order}2h", 5, 0)
    sizes = struct.pack(f"{order}i3i4i4i", 0, 0, len(note_bytes), 0, len(unit_bytes), 0, 0, 0, 0, 0, 0, 0)
    head = first + sizes + bytes(64 - len(first) - len(sizes))
    wave = (
        bytes(12)
        + struct.pack(f"{order}i2h", values.size, kind, 0)
        + bytes(8)
        + b"wave".ljust(32, b"\0")
        + bytes(8)
    )
    wave += struct.pack(f"{order}4i", *shape)
    wave += struct.pack(f"{order}4d", *step, 1, 1) + struct.pack(f"{order}4d", *start, 0, 0)
    wave = wave.ljust(320, b"\0")
    headers = bytearray(head + wave)
    total = sum(struct.unpack(f"{order}192h", bytes(headers)))
    struct.pack_into(f"{order}h", headers, 2, ((-total + 2**15) & 0xFFFF) - 2**15)
    return bytes(headers) + values.tobytes(order="F") + note_bytes + unit_bytes


def wave_2(values, *, start=800.0, step=1.0, units=b"eV", note=b"", order=">"):
    values = np.asarray(values, f"{order}f4")
    head = struct.pack(f"{order}h3i", 2, 0, len(note), 0) + bytes(2)
    wave = (
        struct.pack(f"{order}h", 2)
        + bytes(4)
        + b"wave".ljust(20, b"\0")
        + bytes(8)
        + bytes(4)
        + units.ljust(4, b"\0")
    )
    wave += struct.pack(f"{order}i", values.size) + bytes(2) + struct.pack(f"{order}2d", step, start)
    headers = bytearray(head + wave.ljust(110, b"\0"))
    total = sum(struct.unpack(f"{order}63h", bytes(headers)))
    struct.pack_into(f"{order}h", headers, 14, ((-total + 2**15) & 0xFFFF) - 2**15)
    return bytes(headers) + values.tobytes() + bytes(16) + note


@pytest.mark.parametrize("order", ["<", ">"])
def test_waves_of_either_byte_order(write, order):
    scan = xps.read(
        write(wave_5([5, 7, 9], note="Excitation Energy=1486.6\rRegion Name=Mn2p\r", order=order), "a.ibw")
    )
    np.testing.assert_allclose(scan.binding_energy, [684.6, 685.6, 686.6])
    assert (scan.attrs["signal"], scan.attrs["region"]) == ("counts", "Mn 2p")
    wave = read_wave(wave_2([5, 7, 9], note=b"hello", order=order), "a.ibw")
    assert wave.values.tolist() == [5, 7, 9]
    assert (wave.starts, wave.steps, wave.units, wave.note) == ((800.0,), (1.0,), ("eV",), "hello")


def test_a_wave_of_two_dimensions_is_a_series(write):
    file = write(wave_5([[1, 10], [2, 20], [3, 30]], start=(800.0, -5.0), step=(1.0, 10.0)), "map.ibw")
    assert len(read_scans(file)) == 2
    series = spectra.read_series(file, dim="slice_position")
    assert series.slice_position.values.tolist() == [-5.0, 5.0]
    np.testing.assert_array_equal(series.counts, [[1, 2, 3], [10, 20, 30]])


def test_an_energy_without_a_name_is_what_the_technique_says(write):
    file = write(wave_2([5, 7, 9]), "old.ibw")
    assert "binding_energy" in xps.read(file).dims
    assert "kinetic_energy" in xps.read(file, axis="kinetic_energy").dims
    for units in ("eV", "Photon Energy [eV]", ""):
        file = write(wave_5([5, 7, 9], units=units), "plain.ibw")
        with pytest.raises(
            ReadError, match="not said to be an energy of electrons; say which it is with axis="
        ):
            spectra.read(file)
    assert "kinetic_energy" in spectra.read(file, axis="kinetic_energy").dims


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            wave_5([5, 7, 9])[:300],
            "is truncated: it ends in the header of the wave|is a damaged Igor binary wave",
        ),
        (wave_5([5, 7, 9], units="")[:-1], "truncated: its wave announces 3 numbers, of which 2 are there"),
        (wave_5([5, 7, 9])[:-1], "truncated: the note after its wave ends 1 bytes after the file"),
        (wave_5([5, 7, 9], kind=0), r"its wave holds text or complex numbers \(type 0\)"),
        (wave_5(np.zeros((0,))), "its wave holds no points"),
        (wave_5(np.ones((2, 2, 2)), start=(800.0, 0.0)), "its wave has 3 dimensions"),
    ],
)
def test_bad_waves_are_one_sentence(write, content, sentence):
    with pytest.raises(ReadError, match=sentence) as caught:
        xps.read(write(content, "bad.ibw"))
    assert "bad.ibw" in str(caught.value)


def test_a_changed_header_is_no_wave():
    content = bytearray(wave_5([5, 7, 9]))
    assert is_wave(bytes(content))
    content[140] ^= 1
    assert not is_wave(bytes(content))


def test_a_hostile_wave_takes_no_memory(write):
    content = bytearray(wave_5([5, 7, 9]))
    struct.pack_into("<4i", content, 132, 2**31 - 1, 2**31 - 1, 0, 0)
    content[2:4] = b"\0\0"
    total = sum(struct.unpack("<192h", bytes(content[:384])))
    struct.pack_into("<h", content, 2, ((-total + 2**15) & 0xFFFF) - 2**15)
    with pytest.raises(ReadError, match="is truncated: its wave announces 4611686014132420609 numbers"):
        xps.read(write(bytes(content), "bomb.ibw"))
