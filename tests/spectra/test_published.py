"""Printed beside found: numbers within sigma, verdicts, courses; what is not there is said."""

import numpy as np
import pytest
import xarray as xr

from spectra.errors import InvalidInput
from spectra.published import Printed, recover

FOUND = xr.Dataset({
    "position": (("state", "component"), [[633.2, 491.0], [625.0, np.nan]]),
    "position_sigma": (("state", "component"), [[0.1, 0.2], [0.1, np.nan]]),
    "position_systematic": ("component", [0.2, 0.0]),
    "verdict": ("state", ["ordered", "mixed"]),
    "detected": ("state", [0, 1]),
}, {"component": ["A1g", "F2g"]})  # fmt: skip
A1G = {"component": "A1g", "state": 0}
EARLIER = {"component": "A1g", "state": 1}
LOST = {"component": "F2g", "state": 1}


@pytest.mark.parametrize(("value", "agrees"), [(633.2, True), (632.6, True), (632.4, False)])
def test_a_number_agrees_within_both_uncertainties(value, agrees):
    got = recover(FOUND, Printed("A1g", value, "position", at=A1G))
    assert got.agrees is agrees
    assert got.sigma == pytest.approx(np.hypot(0.1, 0.2))
    assert got.apart == pytest.approx(abs(633.2 - value) / got.sigma)


def test_a_number_printed_as_near():
    assert recover(FOUND, Printed("A1g", 632.0, "position", at=A1G, rounding=0.6)).agrees


def test_places_of_one_dataset_share_what_is_systematic():
    got = recover(FOUND, Printed("shift", 8.0, "position", at=A1G, minus=EARLIER))
    assert (got.found, got.sigma) == (pytest.approx(8.2), pytest.approx(np.hypot(0.1, 0.1)))
    assert got.agrees


@pytest.mark.parametrize(("here", "there", "course"), [
    (A1G, EARLIER, "rises"), (EARLIER, A1G, "falls"), (A1G, A1G, "stays"), (LOST, A1G, "unknown"),
])  # fmt: skip
def test_courses(here, there, course):
    for word in ("rises", "falls", "stays"):
        assert recover(FOUND, Printed("A1g", word, "position", at=here, minus=there)).agrees is (
            word == course
        )


def test_verdicts_and_counts_are_the_same_or_not():
    assert recover(FOUND, Printed("order", "mixed", "verdict", at={"state": 1})).agrees
    assert not recover(FOUND, Printed("order", "mixed", "verdict", at={"state": 0})).agrees
    assert recover(FOUND, Printed("seen", 1, "detected", at={"state": 1})).agrees
    assert not recover(FOUND, Printed("seen", 1, "detected", at={"state": 0})).agrees


def test_what_was_lost_agrees_with_nothing():
    assert not recover(FOUND, Printed("F2g", 491.0, "position", at=LOST)).agrees


@pytest.mark.parametrize(("printed", "words"), [
    (Printed("A1g", 1.0, "area"), "A1g: the analysis gave no area"),
    (Printed("A1g", 1.0, "position", at={"component": "Eg"}), "position has no 'Eg' along component"),
    (Printed("A1g", 1.0, "position", at={"state": 7}), "position has no 7 along state"),
    (Printed("A1g", 1.0, "position", at={"state": 0}), "say where along each in at"),
])  # fmt: skip
def test_places_that_are_not_there(printed, words):
    with pytest.raises(InvalidInput, match=words):
        recover(FOUND, printed)
