"""``inspect``: one row per scan of any file, and a fault instead of an exception."""

import numpy as np
import pytest

import spectra
from spectra.reading import registry


def test_one_row_per_scan(data_dir):
    table = spectra.inspect(data_dir / "xps" / "lg4x" / "0-150W.vms")
    assert table.scan.tolist() == ["wide", "Ni 2p", "O 1s", "C 1s", "W 4f"]
    assert table.number.tolist() == [0, 1, 2, 3, 4]
    assert set(table.technique) == {"xps"}
    assert table.fault.isna().all()
    row = table.iloc[1]
    assert (row.reader, row.region, row.element, row["sample"], row.points) == (
        "vamas",
        "Ni 2p",
        "Ni",
        "Ni-W",
        601,
    )
    assert (row["first"], row["last"], row.units, row.axis) == (
        pytest.approx(840),
        pytest.approx(900),
        "eV",
        "binding_energy",
    )
    assert row.variables == "counts, transmission"


def test_patterns_notes_and_faults_side_by_side(data_dir):
    folder = data_dir / "xas" / "formats" / "badxdi"
    table = spectra.inspect(folder / "*.xdi", folder / "nothing.xdi")
    assert len(table) == 25
    refused = table[table.fault.notna()]
    assert refused.file.str[-6:-4].tolist() == ["09", "10", "12", "13", "16", "ng"]
    assert "line 31 holds 3 columns" in refused.fault.iloc[3]
    assert refused.reader.iloc[0] == "xdi"
    read = table[table.fault.isna()]
    assert (read.element.fillna("?") == "Cu").sum() >= 15
    assert read.note.str.contains("lies outside the scan").all()


def test_nothing_that_lies_on_a_disk_raises(data_dir, tmp_path):
    (tmp_path / "empty").write_text("")
    (tmp_path / "random.dat").write_bytes(np.random.default_rng(1).bytes(5000))
    (tmp_path / "folder.d").mkdir()
    table = spectra.inspect(tmp_path / "*", tmp_path, data_dir / "xps" / "README.md", tmp_path / "none.txt")
    assert table.fault.notna().all()
    assert len(table) == 5
    assert not table.fault.str.contains("\n").any()


def test_a_reader_that_breaks_is_a_fault_of_its_own(tmp_path, monkeypatch):
    def scans(source):
        raise ZeroDivisionError("division by zero")

    broken = registry.Reader("broken", "breaks", (".brk",), lambda source: 1.0, scans)
    monkeypatch.setattr(registry, "readers", lambda: {"broken": broken})
    file = tmp_path / "a.brk"
    file.write_text("1")
    (fault,) = spectra.inspect(file).fault
    assert "the broken reader failed on it (ZeroDivisionError: division by zero)." in fault


def test_every_file_of_an_empty_call():
    assert spectra.inspect().empty
