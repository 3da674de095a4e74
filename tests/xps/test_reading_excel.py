"""Excel workbooks: Avantage exports, sheets of other programs, sheets without any spectrum."""

import builtins
import zipfile

import numpy as np
import openpyxl
import pytest

import spectra
import xps
from spectra.errors import ReadError
from spectra.reading.registry import read_scans
from spectra.reading.scan import notes_of


@pytest.fixture
def folder(data_dir):
    return data_dir / "xps"


def cells(file, sheet):
    book = openpyxl.load_workbook(file, read_only=True, data_only=True)
    try:
        return list(book[sheet].iter_rows(values_only=True))
    finally:
        book.close()


def test_avantage_export(folder):
    file = folder / "khervefitting" / "Hard_carbon_Thermo.xlsx"
    scans = read_scans(file)
    assert [s.attrs["region"] for s in scans] == ["survey", "O 1s", "Na 1s", "C 1s", "CKLL"]
    for scan in scans:
        assert scan.attrs["signal"] == "count_rate"  # the file does not say how long was counted
        assert scan.count_rate.attrs["units"] == "counts/s"
        assert any("left out: Peak Table, Titles, Quantifications" in note for note in notes_of(scan))
    carbon = xps.read(file, select="C 1s")
    rows = np.array([[r[0], r[2], r[10], r[11]] for r in cells(file, "C1s Scan")[16:]], float)[::-1]
    np.testing.assert_array_equal(carbon.binding_energy, rows[:, 0])
    np.testing.assert_array_equal(carbon.count_rate, rows[:, 1])
    np.testing.assert_array_equal(carbon.avantage_envelope, rows[:, 2])
    np.testing.assert_allclose(carbon.count_rate - carbon.avantage_envelope, rows[:, 3], atol=1)  # six digits
    assert carbon.avantage_c1s_sp2_c.attrs == {"units": "counts/s", "long_name": "C1s sp2 C"}


def test_sheets_of_energies_and_values(folder):
    scans = read_scans(folder / "khervefitting" / "Tougaard_Fit.xlsx")
    assert [s.attrs["region"] for s in scans] == ["Na 1s", "Zn 2p", "O 1s", "C 1s", "S 2p", "survey"]
    survey = xps.read(folder / "khervefitting" / "Tougaard_Fit.xlsx", select="survey")
    assert survey.attrs["signal"] == "intensity"  # not labelled, not whole: no counting statistics
    assert survey.intensity.values[-1] == 218205
    assert survey.sheet_background.values[-2] == 180296.7798153102
    assert any("taken as intensity without counting statistics" in note for note in notes_of(survey))


@pytest.mark.parametrize(
    ("level", "shifts"), [("C 1s", (0.11, -2.43)), ("F 1s", (0.11, -2.43)), ("O 1s", (0.11, -2.43))]
)
def test_two_states_of_charge_in_one_sheet(folder, level, shifts):
    file = folder / "battery_states" / f"Multiplex Data - {level.replace(' ', '')}.xlsx"
    assert list(spectra.inspect(file).region) == [level, level]
    for scan, shift, column in zip(read_scans(file), shifts, (2, 5), strict=True):
        rows = np.array(cells(file, openpyxl.load_workbook(file, read_only=True).sheetnames[0])[1:], float)[
            ::-1
        ]
        np.testing.assert_array_equal(scan.binding_energy, rows[:, column - 2])
        np.testing.assert_array_equal(scan.intensity, rows[:, column])
        assert scan.attrs["file_shift"] == pytest.approx(shift)
        assert any("is the energy once more, shifted by" in note for note in notes_of(scan))
    charged = xps.read(file, select="Area1 - 3.4 V")
    assert charged.attrs["sample"] == "Area1 - 3.4 V"
    series = xps.read_series(file, dim="sample")
    assert series.sample.values.tolist()[1] == "Area1 - 3.4 V"


# ---- workbooks written here ------------------------------------------------------------------------------------


@pytest.fixture
def write(tmp_path):
    def write_file(sheets, name="book.xlsx"):
        book = openpyxl.Workbook()
        book.remove(book.active)
        for title, rows in sheets.items():
            sheet = book.create_sheet(title)
            for row in rows:
                sheet.append(row)
        file = tmp_path / name
        book.save(file)
        return file

    return write_file


def avantage(points=10, announced=None, unit="Counts / s", label="Binding Energy (E)"):
    rows = [[None], ["Axis", "Energy", "Elements=", announced or points], [None], [label], ["eV", None, unit]]
    return rows + [[640.0 + n, None, 10.0 * n] for n in range(points)]


TABLE = [[600.0 + n, 5 * n] for n in range(12)]


def test_units_of_avantage(write):
    scan = xps.read(write({"Mn2p Scan": avantage(unit="Counts")}))
    assert (scan.attrs["signal"], scan.attrs["region"]) == ("counts", "Mn 2p")
    scan = xps.read(write({"Mn2p Scan": avantage(label="Kinetic Energy (E)")}))
    assert "kinetic_energy" in scan.dims


def test_any_technique_by_its_labels(write):
    scan = spectra.read(write({"scan": [["energy (eV)", "mu"], *[[6530.0 + n, 0.1 * n] for n in range(12)]]}))
    assert (scan.attrs["signal"], scan.sizes["energy"]) == ("mu", 12)
    scan = xps.read(write({"Mn 2p": [["K.E. (eV)", "counts"], *TABLE]}))
    assert "kinetic_energy" in scan.dims
    assert scan.counts.attrs["units"] == "counts"


def test_what_is_no_spectrum_is_left_out_and_named(write):
    results = [["Name", "Peak BE", "Area"], *[[f"p{n}", 600.0 - 7 * (n % 3), 2.0] for n in range(12)]]
    scan = xps.read(write({"Results": results, "Mn2p": [["BE", "counts"], *TABLE], "Empty": []}))
    assert any("left out: Results, Empty" in note for note in notes_of(scan))


def test_unlabelled_energies_need_a_word(write):
    file = write({"data": TABLE})
    assert xps.read(file).sizes["binding_energy"] == 12
    with pytest.raises(ReadError, match="where the energy has no label, say axis="):
        spectra.read(file)
    assert "binding_energy" in spectra.read(file, axis="binding_energy").dims


@pytest.mark.parametrize(
    ("sheets", "sentence"),
    [
        ({"Mn2p Scan": avantage(announced=11)}, "11 energies are announced, 10 rows are there"),
        ({"Mn2p Scan": avantage(announced=10**12)}, "1000000000000 energies are announced"),
        ({"Mn2p Scan": [*avantage()[:-1], [649.0, None, "x"]]}, "something else than numbers"),
        ({"Notes": [["hello"]]}, "no sheet holds a spectrum"),
    ],
)
def test_bad_workbooks_are_one_sentence(write, sheets, sentence):
    with pytest.raises(ReadError, match=sentence) as caught:
        xps.read(write(sheets))
    assert "book.xlsx" in str(caught.value)


def test_without_openpyxl_the_sentence_says_what_to_install(write, monkeypatch):
    file, imports = write({"Mn2p": TABLE}), builtins.__import__

    def no_openpyxl(name, *args, **kwargs):
        if name.startswith("openpyxl"):
            raise ImportError(name)
        return imports(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_openpyxl)
    with pytest.raises(ReadError, match=r"needs openpyxl: pip install 'redox-spectra\[readers\]'"):
        xps.read(file)


def test_workbooks_larger_than_any_measurement_are_refused(write, tmp_path):
    bomb = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("xl/workbook.xml", "w") as part:
            for _ in range(65):
                part.write(bytes(8 * 2**20))
    with pytest.raises(ReadError, match="unpacks to 545259520 bytes"):
        xps.read(bomb)
    far = write({"Mn2p": TABLE})
    book = openpyxl.load_workbook(far)
    book["Mn2p"].cell(row=1_000_000, column=2, value=1.0)
    book.save(far)
    with pytest.raises(ReadError, match="has 1000000 rows; sheets up to 200000 rows are read"):
        xps.read(far)
    archive = tmp_path / "xl.xlsx"
    with zipfile.ZipFile(archive, "w") as parts:
        parts.writestr("docProps/a.txt", "hello")
    with pytest.raises(ReadError, match="is a zip archive without sheets"):
        xps.read(archive)
