"""Text tables of any dialect: written one way, read back the same; what cannot be read is named in one sentence."""

import json
import string

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import spectra
from spectra.errors import InvalidInput, ReadError, UnknownOption
from spectra.reading.scan import variable_name
from spectra.reading.source import Source
from spectra.reading.table import Dialect, find_dialect, parse_tables


def notes(dataset):
    return dataset.spectra.history[0].get("notes", [])


@pytest.fixture
def write(tmp_path):
    def write_file(text, name="scan.txt", encoding="utf-8"):
        file = tmp_path / name
        file.write_bytes(text.encode(encoding))
        return file

    return write_file


# ---- round trip through every dialect -------------------------------------------------------------------------

DIALECTS = [(d, ".") for d in ("\t", ";", ",", "  ", " | ")] + [(d, ",") for d in ("\t", ";", "  ")]
LABELS = st.text(string.ascii_letters, min_size=2, max_size=8).filter(
    lambda s: (
        s.lower()
        not in ("nan", "inf", "null", "none", "na", "ee", "ev", "kev", "nrg", "be", "ke", "infinity")
    )
)


@st.composite
def written_tables(draw):
    """A table of numbers, the text it is written as, and how."""
    rows, columns = draw(st.integers(2, 30)), draw(st.integers(1, 5))
    numbers = st.floats(-1e6, 1e6, allow_nan=False).map(lambda v: round(v, draw(st.integers(0, 6))))
    values = np.array(
        draw(st.lists(st.lists(numbers, min_size=columns, max_size=columns), min_size=rows, max_size=rows))
    )
    energy = 6500 + np.cumsum(
        draw(st.lists(st.sampled_from([0.25, 0.5, 1.0, 7.0]), min_size=rows, max_size=rows))
    )
    delimiter, mark = draw(st.sampled_from(DIALECTS))
    labels = draw(st.lists(LABELS, min_size=columns, max_size=columns, unique_by=variable_name))
    comment = draw(st.sampled_from(["", "# ", "% ", "; " if delimiter != ";" else "# "]))
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    header = draw(st.sampled_from([[], [f"{comment}Sample: LiMn2O4"], ["# taken at night", "# 3.5 mm slit"]]))
    position = draw(st.integers(0, columns))  # of the energy
    table = np.insert(values, position, energy, axis=1)
    head = delimiter.join(np.insert(np.array(labels, object), position, "energy"))
    body = [delimiter.join(repr(float(v)).replace(".", mark) for v in row) for row in table]
    text = end.join([*header, comment + head, *body]) + draw(st.sampled_from(["", end, end * 3]))
    return energy, dict(zip(map(variable_name, labels), values.T, strict=True)), text


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    written=written_tables(),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1"]),
)
def test_a_table_written_in_any_dialect_comes_back_equal(written, encoding, write):
    energy, variables, text = written
    scan = spectra.read(write(text, encoding=encoding))
    np.testing.assert_array_equal(scan.energy, energy)
    for name, values in variables.items():
        np.testing.assert_array_equal(scan[name], values, err_msg=name)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), per_line=st.integers(1, 4), width=st.integers(3, 9), rows=st.integers(3, 12))
def test_records_wrapped_over_lines_are_joined(data, per_line, width, rows, write):
    assume(width % per_line or width // per_line > 1)
    assume(width > per_line)
    values = np.arange(rows * width, dtype=float).reshape(rows, width) % 97
    values[:, 0] = 7000 + np.arange(rows)
    lines = [
        "  ".join(f"{v:.2f}" for v in row[i : i + per_line])
        for row in values
        for i in range(0, width, per_line)
    ]
    widths = {len(line.split()) for line in lines}
    assume(len(widths) > 1)  # lines of one width are rows, whatever the writer meant
    scan = spectra.read(write("\n".join(lines)), axis="energy")
    assert scan.sizes["energy"] == rows
    np.testing.assert_array_equal(scan[f"column_{width}"], values[:, -1])


@given(
    numbers=st.lists(st.lists(st.floats(-1e9, 1e9), min_size=3, max_size=3), min_size=2, max_size=8),
    delimiter=st.sampled_from(["\t", ";", ","]),
)
def test_parser_is_the_slow_obvious_one(numbers, delimiter):
    """Against splitting by hand and float(), cell by cell."""
    lines = [delimiter.join(map(repr, row)) for row in numbers]
    slow = [[float(cell) for cell in line.split(delimiter)] for line in lines]
    (table,) = parse_tables(lines, Dialect(delimiter, "."), file="f")
    np.testing.assert_array_equal(table.values, slow)


def test_dialect_of_numbers_that_could_be_two_things():
    assert find_dialect(["1,5 2,5", "1,6 2,7"]) == Dialect("", ",")
    assert find_dialect(["1,5;2,5", "1,6;2,7"]) == Dialect(";", ",")
    assert find_dialect(["1.5,2.5", "1.6,2.7"]) == Dialect(",", ".")
    assert find_dialect(["1, 2, 3", "4, 5, 6"]) == Dialect(",", ".")
    assert find_dialect(["1.5\t2.5", "1.6\t2.7"]) == Dialect("\t", ".")
    assert find_dialect(["1,5;2,5"] * 3, delimiter=",") == Dialect(",", ".")


# ---- what the header says -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "axis"),
    [
        ("energy", "energy"),
        ("shifted energy", "energy"),
        ("Mono Energy (alt) *", "energy"),
        ("E(eV)", "energy"),
        ("BE/eV", "binding_energy"),
        ("Binding Energy [eV]", "binding_energy"),
        ("K.E.", "kinetic_energy"),
        ("Raman shift / cm-1", "raman_shift"),
        ("wavenumber", "wavenumber"),
        ("cm-1", "wavenumber"),
        ("Energy loss (eV)", "energy_loss"),
    ],
)
def test_axis_by_label(write, label, axis):
    scan = spectra.read(write(f"{label}\tvalue\n650\t1\n651\t2\n652\t4\n"))
    assert axis in scan.dims
    assert scan[axis].attrs["units"] == ("1/cm" if axis in ("raman_shift", "wavenumber") else "eV")


@pytest.mark.parametrize("label", ["pass energy", "ring energy", "ref.derivative", "time", "I0"])
def test_labels_that_name_no_axis(write, label):
    with pytest.raises(ReadError, match="say axis='energy'"):
        spectra.read(write(f"{label}\tvalue\n650\t1\n651\t2\n"))


@pytest.mark.parametrize(
    ("text", "first"), [("energy (keV)", 6550.0), ("energy", 6550.0), ("energy (meV)", 0.00655)]
)
def test_units_by_label_or_size(write, text, first):
    scan = spectra.read(write(f"{text};mu\n6.55;0.1\n6.56;1.2\n"))
    assert scan.energy[0] == pytest.approx(first)
    assert any("taken as keV" in n for n in notes(scan)) == (text == "energy")


def test_user_has_the_last_word(write):
    file = write("energy time i0 it\n1 6550 5 3\n2 6551 6 4\n3 6552 7 5\n")
    scan = spectra.read(file, columns={"energy": 2, "itrans": "it", "first": 1})
    assert list(scan.data_vars) == ["itrans", "first"]
    assert scan.energy[0] == 6550
    assert scan.attrs["signal"] == "itrans"
    scan = spectra.read(file, columns={"energy": "time"}, axis_units="meV")
    assert scan.energy[-1] == pytest.approx(6.552)
    assert "it" in scan


def test_header_and_metadata_are_kept(write):
    text = "# Sample: LiNiO2\n# Time at start=2022-07-26 23:01:58.055\n# a remark\n# energy mu\n8333 0.1\n8334 0.2\n"
    scan = spectra.read(write(text))
    assert json.loads(scan.attrs["metadata"])["Sample"] == "LiNiO2"
    assert "a remark" in scan.attrs["header"]
    assert scan.attrs["start_time"] == "2022-07-26T23:01:58.055000"


def test_prose_above_a_table_is_no_line_of_labels(write):
    scan = spectra.read(
        write("Sample notes:  Raman confirmed.\nSee energies.  Good.\n7000 0.1\n7001 0.2\n"), axis="energy"
    )
    assert scan.energy[0] == 7000


def test_metadata_of_several_tables_stays_with_each(write):
    text = "# Region: Fe 2p\n# energy counts\n750 1\n749 2\n748 3\n\n# Region: O 1s\n# energy counts\n545 4\n544 5\n543 6\n"
    file = write(text)
    with pytest.raises(InvalidInput, match=r"2 scans: choose one.*0: 'Fe 2p', 1: 'O 1s'"):
        spectra.read(file)
    scan = spectra.read(file, select="o 1s")
    assert scan.counts.values.tolist() == [6, 5, 4]
    assert spectra.read(file, select=1).counts.values.tolist() == [6, 5, 4]


@pytest.mark.parametrize(
    ("encoding", "sample"),
    [("latin-1", "Échantillon n° 3"), ("cp1252", "Échantillon – 3"), ("utf-16", "試料 µ")],
)
def test_encodings(write, encoding, sample):
    file = write(f"# Sample: {sample}\nenergy\tmu\n6550\t1\n6551\t2\n", encoding=encoding)
    assert json.loads(spectra.read(file).attrs["metadata"])["Sample"] == sample
    assert json.loads(spectra.read(file, encoding=encoding).attrs["metadata"])["Sample"] == sample


def test_repairs_are_said(write):
    scan = spectra.read(write("energy mu\n6552 3\n6551 2\n6551 4\n6550 1\nnan 9\n"))
    assert scan.energy.values.tolist() == [6550, 6551, 6552]
    assert scan.mu.values.tolist() == [1, 3, 3]
    assert any("without a finite axis value" in n for n in notes(scan))
    assert any("repeated axis values were averaged" in n for n in notes(scan))


@pytest.mark.parametrize("cell", ["", "nan", "NaN", "n/a", "-", "****", "-1.#IND", "1.#QNAN0", "inf"])
def test_cells_without_a_number_are_nan_and_counted(write, cell):
    scan = spectra.read(write(f"energy;mu;i0\n6550;1;2\n6551;{cell};3\n6552;5;4\n6553;6;5\n"))
    assert np.isnan(scan.mu[1])
    assert scan.sizes["energy"] == 4
    assert any(n.startswith("mu holds no number in 1 of 4 rows (row 2)") for n in notes(scan))


def test_fortran_exponents(write):
    scan = spectra.read(write("energy mu\n6.550D+03 1.0d-01\n6.551D+03 2.0D-01\n"))
    assert scan.energy.values.tolist() == [6550, 6551]
    assert scan.mu.values.tolist() == [0.1, 0.2]


def test_a_cut_last_line_is_left_out_and_said(write):
    scan = spectra.read(write("energy mu i0\n6550 1 2\n6551 2 3\n6552 3 4\n6553 4\n"))
    assert scan.sizes["energy"] == 3
    assert notes(scan) == ["line 5 holds 2 of 3 columns and was left out"]


def test_empty_cells_at_the_end_of_rows_are_no_wrapped_records(write):
    rows = "\n".join(f"{6550 + n}\t{n}" + ("\t5" if n % 2 else "\t") for n in range(8))
    scan = spectra.read(write(f"energy\tmu\ti0\n{rows}\n"))
    assert scan.sizes["energy"] == 8
    assert np.isnan(scan.i0[::2]).all()
    assert (scan.i0[1::2] == 5).all()


def test_remarks_behind_numbers(write):
    scan = spectra.read(write("energy mu\n6550 1\n6551 2 # glitch\n6552 3\n6553 4\n"))
    assert scan.mu.values.tolist() == [1, 2, 3, 4]


def test_a_row_apart_is_said(write):
    scan = spectra.read(write("energy mu\n6550 1\n6551 2\n6552 3\nbeam lost at\n6553 4\n"))
    assert scan.sizes["energy"] == 3
    assert notes(scan) == ["line 6 stands apart from the table and was left out"]


def test_an_energy_is_what_the_user_says_it_is(write):
    file = write("time energy counts\n1 800 5\n2 801 6\n3 802 9\n")
    scan = spectra.read(file, axis="kinetic_energy")
    assert scan.kinetic_energy.values.tolist() == [800, 801, 802]


def test_history_and_inputs(write):
    file = write("energy mu\n6550 1\n6551 2\n")
    scan = spectra.read(file, delimiter=" ")
    (entry,) = scan.spectra.history
    assert entry["verb"] == "spectra.read"
    assert entry["options"]["delimiter"] == " "
    (used,) = json.loads(scan.attrs["inputs"])
    source = Source(file)
    assert used == {"file": str(file), "sha256": source.sha256, "size": file.stat().st_size}


# ---- bad input: one sentence each -----------------------------------------------------------------------------

BAD = {
    "empty file": ("", r"is empty \(0 bytes\)\.$"),
    "blank file": ("\n\n  \n", r"no table of numbers was found"),
    "one point": ("energy mu\n6550 1\n", r"one point at most; a spectrum needs at least 2\.$"),
    "prose": ("Dear colleague,\nthe data are in the other file.\nYours\n", r"no table of numbers was found"),
    "all NaN": (
        "energy mu\n6550 nan\n6551 nan\n6552 nan\n",
        r"mu holds no finite value, so nothing was measured here\.$",
    ),
    "axis all NaN": ("energy mu\nnan 1\nnan 2\n", r"column 1, the energy, holds no finite value"),
    "axis constant": ("energy mu\n6550 1\n6550 2\n6550 3\n", r"energy has one value only \(6550\)"),
    "non-numeric column": (
        "energy mu\n6550 a\n6551 b\n6552 c\n",
        r"column 2 .*holds text \('a' in line 2\), not numbers",
    ),
    "non-numeric axis": ("energy mu\na 1\nb 2\nc 3\n", r"column 1, the energy, holds text \('a' in line 2\)"),
    "a word in a column": (
        "energy mu\n6550 1\n6551 2\n6552 oops\n6553 3\n",
        r"line 4, column 2 holds 'oops', not a number",
    ),
    "a short row": (
        "energy mu i0\n6550 1 1\n6551 2\n6552 3 3\n6553 3 3\n",
        r"line 3 holds 2 columns, the lines around it 3",
    ),
    "one column": ("6550\n6551\n6552\n", r"no table of numbers was found"),
    "pixels": ("0 5\n1 6\n2 7\n3 8\n", r"column 1 counts points or pixels and is no energy"),
    "chi of k": ("k chi\n0 5\n0.05 6\n0.1 7\n15 8\n", r"no photon energy in eV or keV"),
    "a measured column labelled as axis": (
        "energy x\n" + "\n".join(f"{6500 + 7 * (i * i % 5)} {i}" for i in range(40)),
        r"turns back and forth .* and is no energy",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused_in_one_sentence(write, name):
    text, sentence = BAD[name]
    labelled = any(c.isalpha() for c in text.partition("\n")[0])
    options = {} if labelled and not text.startswith("k ") else {"axis": "energy"}
    with pytest.raises(ReadError, match=sentence) as caught:
        spectra.read(write(text), **options)
    assert "\n" not in str(caught.value)
    assert "scan.txt" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            b"PK\x03\x04" + b"\x00" * 30 + b"xl/workbook.xml",
            "is a truncated workbook: the list of its parts is not there",
        ),
        (b"SOFH\nPlatform: PC\n\x00\x01", "is truncated or no MultiPak file"),
        (b"%PDF-1.7\n\x00", "is a PDF document"),
        (b"\x00\x01\x02\x03" * 50, "is binary and of no kind known here"),
        (b"\x1f\x8b\x08\x00broken", "is gzip-compressed and damaged"),
        (b"\x89HDF\r\n\x1a\nbroken", "is damaged or truncated HDF5"),
    ],
)
def test_binary_files_are_refused_by_name(tmp_path, content, sentence):
    file = tmp_path / "data.dat"
    file.write_bytes(content)
    with pytest.raises(ReadError, match=sentence):
        spectra.read(file)


def test_paths_that_hold_nothing(tmp_path):
    with pytest.raises(ReadError, match=r"nothing\.txt does not exist \(looked in"):
        spectra.read(tmp_path / "nothing.txt")
    with pytest.raises(ReadError, match="is a folder; name a file in it"):
        spectra.read(tmp_path)
    with pytest.raises(InvalidInput, match="read several files with read_series"):
        spectra.read([tmp_path])


def test_options_are_checked(write):
    file = write("energy mu\n6550 1\n6551 2\n")
    with pytest.raises(UnknownOption, match="did you mean 'delimiter'"):
        spectra.read(file, delimeter=",")
    with pytest.raises(InvalidInput, match="decimal must be"):
        spectra.read(file, decimal=":")
    with pytest.raises(InvalidInput, match=r"there is no reader 'txt'; did you mean 'text'"):
        spectra.read(file, reader="txt")
    with pytest.raises(ReadError, match=r"axis 'enrgy' is not a spectral axis; did you mean 'energy'"):
        spectra.read(file, axis="enrgy")
    with pytest.raises(ReadError, match=r"column 7 was asked for; the table has columns 1 to 2"):
        spectra.read(file, columns={"mu": 7})
    with pytest.raises(ReadError, match=r"no column is labelled 'muu'; did you mean 'mu'"):
        spectra.read(file, columns={"mu": "muu"})
    with pytest.raises(ReadError, match=r"energy cannot be given in '1/cm'; allowed: eV, keV, meV"):
        spectra.read(file, axis_units="1/cm")
    with pytest.raises(ReadError, match="is not utf-16 text|is not utf-16-le text"):
        spectra.read(write("energy mu\n6550 1\n6551 2\n5"), encoding="utf-16-le")
    with pytest.raises(InvalidInput, match=r"holds no 'other'; it holds 0: 'scan'"):
        spectra.read(file, select="other")
    with pytest.raises(InvalidInput, match=r"holds 1 scans; select=3 must be at most 0"):
        spectra.read(file, select=3)


def test_energies_in_ev_are_not_taken_for_kev(tmp_path):
    file = tmp_path / "ev.txt"
    file.write_text("energy mu\n6520 0.1\n6550 1.1\n6600 1.0\n")
    with pytest.raises(
        ReadError, match="runs from 6520 to 6600, which is no photon energy in keV: it is in eV already"
    ):
        spectra.read(file, axis_units="keV")


def test_energies_turned_into_ev_are_told(tmp_path):
    file = tmp_path / "kev.txt"
    file.write_text("energy (keV) mu\n6.52 0.1\n6.55 1.1\n6.60 1.0\n")
    assert "energy is written in keV and was turned into eV" in notes(spectra.read(file))
