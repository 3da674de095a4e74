"""XDI: valid files with all they say, and every fault of the invalid ones named."""

import json

import numpy as np
import pytest

import spectra
import xas
from spectra.errors import ReadError

#: File → (refused or noted, words that name its fault). The faults are those that the collection lists for itself;
#: bad_00 is the valid file that the others were made from, and its only oddity is a scan that ends below the edge.
FAULTS = {
    "00": ("noted", "Scan.edge_energy, 8980 eV, lies outside the scan (8779 to 8889 eV)"),
    "01": ("noted", "line 1 does not say which version of XDI"),
    "03": ("noted", "Element.symbol is missing"),
    "04": ("noted", "Element.edge is 'Foo', which is no absorption edge"),
    "06": ("noted", "no line of dashes (#---) ends the header"),
    "07": ("noted", "no Column.1, Column.2, ... say what the columns are"),
    "09": ("refused", "Column.5 (misc_fluor) is declared and the table has 4 columns"),
    "10": ("refused", "Column.7 (mutrans) is declared and the table has 4 columns"),
    "12": ("refused", "column 1 is an angle and Mono.d_spacing is missing"),
    "13": ("refused", "line 31 holds 3 columns, the lines around it 4"),
    "15": ("noted", "i0 holds no number in 1 of 12 rows (row 1)"),
    "16": ("refused", "line 30, column 2 holds 'STRING', not a number"),
    "18": ("noted", "line 8: Family.key has no value"),
    "19": ("noted", "line 8 is no field of the form Family.key: value: 'Family.key  Value'"),
    "21": ("noted", "line 8 is no field of the form Family.key: value: 'Family key:  Value'"),
    "22": ("noted", "line 8 is no field of the form Family.key: value: 'Family.key.subkey:  Value'"),
    "24": ("noted", "line 8 is no field of the form Family.key: value: '2000Family.key:  Value'"),
    "25": ("noted", "line 1 names no application for the fields that are not of XDI itself (gse)"),
    "27": ("noted", "Scan.start_time is '2001-06-02 22:27:31', not ISO 8601"),
    "28": ("noted", "Scan.start_time is '2001-Jun-26 22:27:31', not ISO 8601"),
    "30": ("noted", "Element.symbol is 'Foo', which is no element"),
    "31": ("noted", "Mono.d_spacing is 'three point one three five five three', not a number"),
    "33": ("noted", "Sample.temperature is '300.0a K', not a number with units"),
    "34": ("noted", "Facility.energy is '7.00 missing units', not a number with units (GeV or MeV)"),
}


@pytest.mark.parametrize("number", FAULTS)
def test_every_fault_is_named(data_dir, number):
    file = data_dir / "xas" / "formats" / "badxdi" / f"bad_{number}.xdi"
    fate, words = FAULTS[number]
    if fate == "refused":
        with pytest.raises(ReadError) as caught:
            xas.read(file)
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)
    else:
        scan = xas.read(file)
        assert any(note.startswith(words) for note in scan.spectra.history[0]["notes"])
        assert scan.sizes["energy"] == 12


def test_the_table_of_faults_is_complete(data_dir):
    files = {f.stem.removeprefix("bad_") for f in (data_dir / "xas" / "formats" / "badxdi").glob("*.xdi")}
    assert files == set(FAULTS)


def test_a_valid_file_has_no_faults(data_dir):
    scan = spectra.read(data_dir / "xas" / "Cu_foil_rt_larch.xdi")
    assert "notes" not in scan.spectra.history[0]
    assert (scan.attrs["element"], scan.attrs["edge"], scan.attrs["sample"]) == ("Cu", "K", "Cu")
    assert scan.attrs["start_time"] == "2001-06-26T22:27:31"
    assert scan.attrs["comments"] == "Cu foil Room Temperature"
    assert json.loads(scan.attrs["metadata"])["Mono.d_spacing"] == "3.13553"
    assert list(scan.data_vars) == ["i0", "itrans", "mutrans"]
    assert scan.sizes["energy"] == 408


def test_units_of_columns_are_kept(data_dir):
    scan = spectra.read(data_dir / "xas" / "V2O3_xaslib.xdi")
    assert scan.i0.attrs["units"] == "counts"
    scan = spectra.read(data_dir / "xas" / "Mn-Manganosite_bmm.xdi")
    assert scan.it.attrs["units"] == "nA"


def test_valid_xdi_need_not_be_xafs(data_dir):
    for name in ("nonxafs_1d", "nonxafs_negvalues"):
        file = data_dir / "xas" / "formats" / f"{name}.xdi"
        with pytest.raises(ReadError, match=r"no label names the axis .*say axis='energy'"):
            spectra.read(file)
        scan = spectra.read(file, axis="energy", axis_units="eV")
        assert scan.sizes["energy"] == np.loadtxt(file).shape[0]
        assert not any("XDI requires" in n for n in scan.spectra.history[0].get("notes", []))


def test_an_angle_becomes_energy_with_the_spacing_of_the_file(tmp_path):
    file = tmp_path / "angle.xdi"
    energy = np.array([6539.0, 6550.0, 6600.0])
    angle = np.rad2deg(np.arcsin(12398.419843320026 / (2 * 3.1356 * energy)))
    rows = "\n".join(f"{a:.10f} {i}" for i, a in enumerate(angle))
    file.write_text(
        "# XDI/1.0\n# Column.1: angle degrees\n# Column.2: mutrans\n# Element.symbol: Mn\n# Element.edge: K\n"
        f"# Mono.d_spacing: 3.1356\n#---\n# angle mutrans\n{rows}\n"
    )
    scan = spectra.read(file)
    np.testing.assert_allclose(scan.energy, energy, atol=1e-6)
    assert any("Mono.d_spacing = 3.1356" in n for n in scan.spectra.history[0]["notes"])


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("# XDI/1.0\n# Column.1: energy eV\n#---\n", "the header ends without a table of numbers"),
        (
            "# XDI/1.0\n#---\nSTRING\n6550 1\n6551 2\n",
            "is neither header nor numbers|neither Column.N nor a line",
        ),
        (
            "# XDI/1.0\n# Column.1: energy eV\n# Column.2: i0\n#---\n6550 1\n",
            "one table of numbers was expected",
        ),
    ],
)
def test_broken_files(tmp_path, body, sentence):
    file = tmp_path / "broken.xdi"
    file.write_text(body)
    with pytest.raises(ReadError, match=sentence):
        spectra.read(file)


def test_numbers_without_units_are_told_of_once_in_a_series(data_dir):
    """Scans of one beamline lack the same units all, and their currents differ."""
    files = [data_dir / "xas" / f"Mn-{name}_bmm.xdi" for name in ("Bixbyite", "Manganosite", "Rhodocrosite")]
    notes = xas.read_series(files, grid="first").spectra.history[0]["notes"]
    about = [note for note in notes if "Facility" in note]
    assert about == ["Facility.energy and Facility.current have no units, which XDI asks for (3 of 3 scans)"]
    assert json.loads(xas.read(files[0]).attrs["metadata"])["Facility.current"] == "399.4"
