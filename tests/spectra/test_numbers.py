"""Every number of every table has a unit, a source and a status, and the lists show it."""

import pytest
from typer.testing import CliRunner

from spectra.cli import app
from spectra.errors import InvalidInput
from spectra.numbers import STATUSES, Table, list_tables, listing, numbers, of_simulations

REAL = [table for table in list_tables() if not of_simulations(table)]


def table_of(monkeypatch, content, text=""):
    monkeypatch.setattr(Table, "content", content)
    monkeypatch.setattr(Table, "text", text)
    return [
        (n.section, n.name, n.value, n.unit, n.source, n.status, n.note) for n in numbers(Table("p", "t"))
    ]


@pytest.mark.parametrize("table", REAL, ids=lambda table: table.path)
def test_every_number_says_its_unit_its_source_and_its_status(table):
    rows = numbers(table)
    assert rows
    faults = [f"{r.section} {r.name} has no unit" for r in rows if r.unit is None]
    faults += [f"{r.section} {r.name} has no source" for r in rows if not r.source and r.status != "chosen"]
    faults += [f"{r.section} {r.name}: status {r.status!r}" for r in rows if r.status not in STATUSES]
    assert not faults, f"{table.path}: {'; '.join(faults)}. Allowed status: {', '.join(STATUSES)}."


def test_an_entry_has_what_it_does_not_say_from_what_it_stands_in(monkeypatch):
    content = {
        "about": {"source": "a database", "status": "computed"},
        "edge": {"Mn": {"K": 6539.0, "z": 25}, "unit": "eV", "units": {"z": ""}},
        "law": [{"name": "line", "a": {"value": 2.0, "sigma": 0.1, "unit": "", "source": "10.1/x", "status": "read"}}],
    }  # fmt: skip
    assert table_of(monkeypatch, content) == [
        ("edge", "Mn · K", "6539", "eV", "a database", "computed", ""),
        ("edge", "Mn · z", "25", "", "a database", "computed", ""),
        ("law", "line · a", "2 ± 0.1", "", "10.1/x", "read", ""),
    ]


def test_ranges_other_values_and_a_key_with_its_own_unit_and_status(monkeypatch):
    packet = {
        "positions": [1.0, 2.0], "areas": [60, 40], "unit": "eV", "source": "a", "status": "read",
        "areas_unit": "%", "areas_status": "to-verify",
    }  # fmt: skip
    row = {"value": 3.0, "range": [2.5, 3.5], "n": 4, "unit": "eV", "source": "b", "status": "computed"}
    row["also"] = [{"value": 3.1, "source": "c", "status": "read"}]
    rows = table_of(monkeypatch, {"state": [{"name": "Mn", "valence": 3, "position": row, "packet": packet}]})
    assert rows == [
        ("state", "Mn · position", "3 (2.5 to 3.5)", "eV", "b", "computed", "of 4 published values"),
        ("state", "Mn · position · also · 1", "3.1", "eV", "c", "read", ""),
        ("state", "Mn · packet · positions", "1, 2", "eV", "a", "read", ""),
        ("state", "Mn · packet · areas", "60, 40", "%", "a", "to-verify", ""),
    ]


def test_what_a_comment_says_of_a_key_is_its_note(monkeypatch):
    text = "# Head.\n\n[limits]\n# below it the ratio says nothing\nlow = 3.0\nhigh = 4.0\n"
    rows = table_of(monkeypatch, {"limits": {"low": 3.0, "high": 4.0}}, text)
    assert [row[-1] for row in rows] == ["below it the ratio says nothing", ""]


def test_a_unit_that_nobody_states_is_none_and_not_dimensionless(monkeypatch):
    (row,) = table_of(monkeypatch, {"limits": {"low": 3.0}})
    assert row[3] is None


def test_the_list_of_tables_and_one_of_them():
    headers, *rows = listing("")
    counts = {row[0]: (int(row[1]), row[2]) for row in rows}
    assert headers[0] == "table"
    assert counts["xps.scofield"][0] > 1700
    assert counts["xas.eels.ratios"] == (15, "15")
    _, *loss = listing("xps.tougaard")
    assert ("loss", "universal · b", "2866", "eV2", "read", "10.1002/sia.740110902", "") in loss
    with pytest.raises(InvalidInput, match="no table of numbers 'xps.tougard'; did you mean 'xps.tougaard'"):
        next(listing("xps.tougard"))


@pytest.mark.parametrize(
    ("kind", "name", "shown"),
    [
        ("numbers", "tougaard", "2866"),
        ("baselines", "asls", "compiled"),
        ("rules", "a05", "widest 3.5 eV"),
        ("backgrounds", "active_shirley", "fitted with the lines"),
    ],
)
def test_the_command_lists_them_and_names_the_close_match(kind, name, shown):
    result = CliRunner().invoke(app, ["list", kind, name])
    assert result.exit_code == 0
    assert shown in result.output
    wrong = CliRunner().invoke(app, ["list", kind, f"{name}x"])
    assert wrong.exit_code != 0
    assert "did you mean" in wrong.output


def test_a_table_that_is_no_toml_is_named_with_its_line(tmp_path, monkeypatch):
    from spectra.knowledge import read_table

    (tmp_path / "bands.toml").write_text("a = 1\nb = { value = 1\nc = 2\n")
    monkeypatch.setattr("importlib.resources.files", lambda package: tmp_path)
    with pytest.raises(InvalidInput, match=r"raman/tables/bands\.toml is no TOML file: .*line 2"):
        read_table.__wrapped__("raman.tables", "bands")
