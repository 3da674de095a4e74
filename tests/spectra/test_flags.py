"""Flags: set per spectrum, explained, and never in each other's way."""

import numpy as np
import pytest

import spectra
from spectra.dataset import failed, flag, flag_names, flag_table


@pytest.fixture
def series():
    return spectra.from_arrays([1.0, 2], np.ones((4, 2)), dims=("scan",))


def test_no_flag_means_nothing_failed(series):
    assert not failed(series).any()
    assert flag_names(series, scan=0) == []
    assert flag_table(series).empty


def test_flags_add_up_and_keep_their_severity(series):
    one = flag(series, [True, False, False, True], "no_edge", "No edge in range; widen the window.")
    two = flag(one, [True, True, False, False], "weak", "Weak.", severity="warning")
    assert "status" not in series  # the dataset given is left as it was
    assert flag_names(two, scan=0) == ["no_edge", "weak"]
    assert flag_names(two, scan=1) == ["weak"]
    assert flag_names(two, scan=2) == []
    np.testing.assert_array_equal(failed(two), [True, False, False, True])
    table = flag_table(two)
    assert list(table["flag"]) == ["no_edge", "weak"]
    assert list(table["spectra"]) == [2, 2]
    assert table["explanation"][0] == "No edge in range; widen the window."


def test_flags_that_no_spectrum_has_are_not_listed(series):
    looked_for = flag(series, [False] * 4, "no_edge", "No edge.")
    assert flag_table(looked_for).empty
    one = flag(looked_for, [False, True, False, False], "weak", "Weak.", severity="warning")
    assert one.spectra.flags.to_numpy().tolist() == [["weak", "warning", 1, "Weak."]]
    assert one.isel(scan=0).spectra.flags.empty
    assert one.isel(scan=1).spectra.flags.flag.tolist() == ["weak"]


def test_the_same_flag_set_twice_is_one_flag(series):
    twice = flag(flag(series, [True, False, False, False], "a", "A."), [False, True, False, False], "a", "A.")
    assert list(flag_table(twice)["spectra"]) == [2]


def test_a_single_spectrum_has_a_scalar_status():
    single = flag(spectra.from_arrays([1.0, 2], [1.0, 2]), True, "flat", "Flat channel.")
    assert single.status.shape == ()
    assert bool(failed(single))


def test_32_flags_are_refused(series):
    data = series
    for i in range(31):
        data = flag(data, False, f"f{i}", "x")
    with pytest.raises(ValueError, match="at most 31"):
        flag(data, False, "one_more", "x")


def test_spectra_that_where_left_out_are_no_flag_and_failed(series):
    """``Dataset.where`` makes numbers with NaN of every variable, of the flags too."""
    flagged = flag(series, [True, False, False, True], "no_edge", "No edge.")
    left = flagged.where(series.scan > 0)
    assert list(flag_table(left)["spectra"]) == [1]
    np.testing.assert_array_equal(failed(left), [True, False, False, True])
    again = flag(left, [False, True, False, False], "weak", "Weak.", severity="warning")
    assert again.status.dtype == np.int32
    assert flag_names(again, scan=3) == ["no_edge"]
    assert flag_names(left, scan=0) == []
    assert left.spectra.table()["flags"].tolist() == ["", "", "", "no_edge"]


def test_names_are_of_one_spectrum(series):
    flagged = flag(series, [True, False, False, True], "no_edge", "No edge.")
    with pytest.raises(
        ValueError, match=r"several along scan: say which, as in flag_names\(dataset, scan=0\)"
    ):
        flag_names(flagged)
