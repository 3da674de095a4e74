"""What the README says of speed is what was measured, and can be measured again; nothing is timed here."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def module(name):
    """A script of the benchmarks, imported."""
    made = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    loaded = importlib.util.module_from_spec(made)
    sys.modules[name] = loaded  # dataclasses look their module up
    try:
        made.loader.exec_module(loaded)
    finally:
        del sys.modules[name]
    return loaded


@pytest.fixture(scope="module")
def headline():
    return module("headline")


@pytest.fixture(scope="module")
def table():
    return module("table")


@pytest.fixture(scope="module")
def results(headline):
    return json.loads(headline.RESULTS.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def readme(headline):
    text = headline.README.read_text(encoding="utf-8")
    assert text.count(headline.BEGIN) == text.count(headline.END) == 1
    return text.partition(headline.BEGIN)[2].partition(headline.END)[0]


def test_the_readme_says_what_the_results_file_holds(headline, results, readme):
    assert readme == headline.readme_block(results)


def test_the_table_is_that_of_the_results_file(headline, results):
    assert (ROOT / "benchmarks" / "results.md").read_text(encoding="utf-8") == headline.table(results)


def test_every_ratio_of_the_readme_lies_inside_the_range_of_its_row(headline, results, readme):
    rows = {row["claim"]: row for row in results["rows"]}
    lines = [line.split(" | ") for line in readme.splitlines() if line.startswith("| ")][1:]
    shown = [rows[claim] for claim in headline.SHOWN if claim in rows and rows[claim]["ratio"] is not None]
    assert len(lines) == len(shown) > 10
    for line, row in zip(lines, shown, strict=True):
        low, high = row["ratio_range"]
        rounding = 0.05 * row["ratio"]  # two digits are shown
        assert low - rounding <= float(line[4]) <= high + rounding, row["claim"]


def test_rows_are_consistent(results):
    claims = [row["claim"] for row in results["rows"]]
    assert len(set(claims)) == len(claims)
    for row in results["rows"]:
        low, high = row["ours_range"]
        assert 0 < low <= row["ours"] <= high, row["claim"]
        assert row["agreement"] or row["ratio"] is None, row["claim"]
        if row["theirs"] is not None:
            assert row["ratio"] == pytest.approx(row["theirs"] / row["ours"])
            assert row["ratio_range"][0] <= row["ratio"] <= row["ratio_range"][1]
            assert row["peer_spectra"] > 0
            assert row["peer"]


def test_the_results_say_where_when_and_with_what_they_were_measured(results):
    assert results["failed"] == []
    assert set(results["machine"]) == {"cpu", "cores", "memory_gib", "system"}
    assert {"Python", "numpy", "numba", "lmfit", "xraylarch", "pybaselines"} <= set(results["versions"])
    assert results["others"] >= 0
    assert results["date"].endswith("UTC")


def test_a_busy_machine_and_few_spectra_are_said(headline, results):
    said = headline.circumstances({**results, "quick": True, "others": 1.0})
    assert "with few spectra and while others used the machine: the numbers are rough" in said
    assert "rough" not in headline.circumstances({**results, "quick": False, "others": 0.1})


def test_a_ratio_is_that_of_medians_and_its_range_that_of_the_repetitions(table):
    row = table.beside(
        "name", "what", [2.0, 1.0, 4.0], "peer", [10.0, 20.0, 60.0, 10.0, 20.0, 60.0], spectra=7
    )
    assert (row.ours, row.theirs, row.ratio, row.peer_spectra) == (2.0, 20.0, 10.0, 6)
    assert row.ours_range == (1.0, 4.0)
    assert row.theirs_range == (10.0, 60.0)
    assert row.ratio_range == (2.5, 60.0)


def test_a_peer_that_is_not_there_is_said(headline, table, results):
    row = table.beside("mn2p_composite", "what", [1.0], "peer", None, agreement="the same")
    assert (row.theirs, row.ratio, row.agreement) == (None, None, "not installed")
    beside = {**results, "rows": [{"script": "fit_engine", **vars(row)}]}
    assert "not installed" in headline.table(beside)
    assert "| peer |" not in headline.readme_block(beside)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(2712.0, "2700"), (85.4, "85"), (3.44, "3.4"), (0.381, "0.38"), (100.0, "100"), (99.6, "100")],
)
def test_two_digits_are_shown(headline, value, shown):
    assert headline.digits(value) == shown


def test_every_script_is_there(headline):
    assert all(script.path.is_file() for script in headline.SCRIPTS)


@pytest.mark.long
@pytest.mark.parametrize("name", [script.name for script in module("headline").SCRIPTS] + ["headline"])
def test_every_script_explains_itself(name):
    told = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / f"{name}.py"), "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.startswith("usage:")
    assert "--rows" in told.stdout or name == "headline"
