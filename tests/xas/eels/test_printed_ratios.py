"""Ratios that the literature prints: shown with their status, and no calibration."""

import pytest

import spectra
import xas
from spectra.errors import InvalidInput
from xas.eels.tables import load_table
from xas.eels.white_lines.printed_ratios import listing


def test_every_point_has_an_element_a_range_and_sources():
    table = load_table("ratios")
    assert table["status"] == "to-verify"
    for row in (*table["ratio"], *table["shift"]):
        assert row["range"][0] <= row["range"][1]
        assert row["sources"]


def test_the_listing_shows_all_and_one():
    headers, *rows = listing("")
    assert headers[:4] == ("element", "compound", "valence", "what")
    assert {row[0] for row in rows} == {"Mn", "Fe", "Co", "Ni", "V"}
    assert all(row[5] == "to-verify" for row in rows)
    assert len(list(listing("mn"))) == 6
    with pytest.raises(InvalidInput, match="no printed ratios of 'Zn'"):
        list(listing("Zn"))


@pytest.mark.parametrize("asked", ["Mn", "Mn L3/L2, literature", "10.1016/j.matchar.2010.09.001"])
def test_a_calibration_of_the_literature_is_refused_with_what_to_do(asked):
    sentence = r"printed L3/L2 of Mn \(2\+: 3.9 to 5; 2.67\+: 2.7 to 3.1; .*status to-verify.*xas.calibrate_valence\(standards"
    with pytest.raises(InvalidInput, match=sentence):
        xas.load_calibration(asked)


def test_a_verb_that_is_given_a_word_says_the_same():
    made = spectra.from_arrays([530.0, 540.0], [1.0, 2.0], name="mu", attrs={"element": "Mn", "edge": "L3"})
    with pytest.raises(InvalidInput, match="printed L3/L2 have the status to-verify"):
        xas.valence(made, calibration="published")
    with pytest.raises(InvalidInput, match="calibration is a Calibration or its table, got 'mine'"):
        xas.valence(made, calibration="mine")
