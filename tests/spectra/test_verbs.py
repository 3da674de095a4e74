"""What the decorator promises of every verb, shown on small ones made here."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import xarray as xr

import spectra
from spectra.errors import InvalidInput, did_you_mean
from spectra.verbs import as_measured, find_verb, history, list_verbs, note, resolve, verb


@verb("test.scale", axis=("energy", "binding_energy"))
def scale(
    dataset: xr.Dataset,
    *,
    factor: float = 2.0,
    window: tuple[float, float] | None = None,
    method: Literal["multiply", "divide"] = "multiply",
) -> xr.Dataset:
    """Scale the spectra."""
    if window is None:
        resolve(window=(float(dataset.energy[0]), float(dataset.energy[-1])))
    note(f"scaled by {factor:g}")
    dataset["scaled"] = dataset.intensity * (factor if method == "multiply" else 1 / factor)
    dataset["intensity"].attrs["touched"] = "yes"
    return dataset


@verb("test.after", needs={"scaled": "test.scale"})
def after(dataset: xr.Dataset) -> xr.Dataset:
    """Use what another verb made."""
    return dataset.assign(after=dataset.scaled + 1)


@pytest.fixture
def data(frozen):
    return spectra.from_arrays(frozen([1.0, 2, 3]), frozen(np.ones((2, 3))), dims=("scan",))


def test_the_dataset_given_is_never_changed(data):
    before = data.copy(deep=True)
    scale(data)
    xr.testing.assert_identical(data, before)


def test_history_holds_options_defaults_choices_and_notes(data):
    (entry,) = history(scale(data, factor=np.float64(3)))
    assert entry["verb"] == "test.scale"
    assert entry["options"] == {"factor": 3.0, "window": None, "method": "multiply"}
    assert entry["resolved"] == {"window": [1.0, 3.0]}
    assert entry["notes"] == ["scaled by 3"]
    assert entry["added"] == ["scaled"]
    assert history(data) == []


def test_history_grows_in_order(data):
    assert [e["verb"] for e in after(scale(data)).spectra.history] == ["test.scale", "test.after"]


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        (dict(facter=1), TypeError, "test.scale has no option 'facter'; did you mean 'factor'"),
        (dict(factor="2"), ValueError, "factor must be a valid number, got '2'"),
        (dict(factor=None), ValueError, "factor must be a valid number, got None"),
        (dict(window=(1.0,)), ValueError, "window must be"),
        (dict(method="multiplied"), ValueError, "did you mean 'multiply'"),
    ],
)
def test_bad_options_are_named_with_what_is_allowed(data, options, error, sentence):
    with pytest.raises(error, match=sentence):
        scale(data, **options)


def test_a_list_from_a_recipe_serves_as_a_pair(data):
    (entry,) = history(scale(data, window=[1, 2]))
    assert entry["options"]["window"] == [1, 2]


def test_the_wrong_technique_is_refused():
    raman = spectra.from_arrays([1.0, 2], [1.0, 2], axis="raman_shift", attrs={"technique": "raman"})
    with pytest.raises(
        ValueError, match=r"works along energy or binding_energy, and this dataset has raman_shift"
    ):
        scale(raman)


def test_a_missing_step_is_named(data):
    with pytest.raises(ValueError, match="needs the variable 'scaled', which test.scale adds: call it first"):
        after(data)


def test_data_as_measured_travel_along(data):
    result = after(scale(data))
    xr.testing.assert_identical(as_measured(result), data)
    assert np.shares_memory(as_measured(result).intensity.values, data.intensity.values)


def test_a_series_cut_outside_of_verbs_is_a_new_start(data):
    cut = scale(data).isel(scan=[0])
    result = after(cut)
    start = as_measured(result)
    assert start.sizes["scan"] == 1
    assert [e["verb"] for e in history(start)] == ["test.scale"]  # not to be run again


def test_every_announced_verb_is_found_and_documented():
    verbs = list_verbs()
    assert {"spectra.crop", "xas.normalize", "xps.deconvolve", "spectra.read"} <= {v.name for v in verbs}
    for found in verbs:
        assert found.summary, f"{found.name} has no summary line"
        assert found.function is find_verb(found.name).function


def test_an_unknown_verb_names_the_closest():
    with pytest.raises(ValueError, match="no verb 'xas.normalise'; did you mean 'xas.normalize'"):
        find_verb("xas.normalise")


@verb("test.choose")
def choose(dataset: xr.Dataset, *, how: Literal["one", "other"], names: tuple[str, ...] = ()) -> xr.Dataset:
    """Choose."""
    return dataset


def test_what_was_not_given_comes_with_what_it_may_be(data):
    with pytest.raises(
        InvalidInput, match="test.choose needs 'how', which was not given; it is 'one' or 'other'"
    ):
        choose(data)


def test_what_was_not_given_is_said_in_words_where_it_is_no_choice(data):
    with pytest.raises(
        InvalidInput, match="'window', which was not given: Limits in the units of the spectral axis"
    ):
        spectra.crop(data)


def test_one_text_where_several_are_wanted_is_shown_as_a_tuple(data):
    with pytest.raises(
        InvalidInput, match=r"names must be a valid tuple, got 'Mn'; one alone is \('Mn',\), with a comma"
    ):
        choose(data, how="one", names="Mn")


def test_a_name_in_other_capitals_is_found():
    assert did_you_mean("LNMO", ["lnmo", "nmc"]).startswith("did you mean 'lnmo'?")
