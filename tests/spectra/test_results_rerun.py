"""A results file is enough to compute its results again, and says where they differ."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest
import xarray as xr

import spectra
from spectra.results import load, save
from spectra.results.rerun import largest_difference, rerun
from spectra.verbs import verb
from tests.spectra.results_samples import (
    xas_analysed,
    xas_measured,
    xps_analysed,
    xps_deconvolved,
    xps_together,
)


@pytest.fixture
def both(tmp_path):
    named = {
        "Mn K": xas_analysed(),
        "Mn 2p": xps_analysed(),
        "states": xps_deconvolved(),
        "together": xps_together(),
    }
    return save(tmp_path / "results.nxs", named)


def what_was_done(history: str) -> list:
    """The history without the time of day, objects replaced by what they resolved to."""
    return [
        {"verb": step["verb"], "options": step["options"] | step.get("resolved", {}), "added": step["added"]}
        for step in json.loads(history)
    ]


def same_but_for_the_clock(a: xr.Dataset, b: xr.Dataset) -> None:
    assert what_was_done(a.attrs["history"]) == what_was_done(b.attrs["history"])
    xr.testing.assert_identical(a.drop_attrs(deep=False), b.drop_attrs(deep=False))


def test_every_number_of_both_techniques_is_made_again(both):
    report = rerun(both)
    assert report.identical
    assert report.versions == ()
    assert report.differences["same"].all()
    assert (report.differences["difference"] <= 1e-10).all()
    made = set(report.differences["variable"])
    assert {
        "norm",
        "chi",
        "k",
        "chir_mag",
        "edge_position",
        "area",
        "component",
        "covariance",
        "status",
    } <= made
    assert not made & {"mu", "i0", "time", "counts", "depth"}  # as measured
    for name, dataset in report.datasets.items():
        same_but_for_the_clock(dataset, load(both)[name])


def delete_results(path):
    """Remove every NXprocess and NXfit from a file."""
    with h5py.File(path, "r+") as file:
        for entry in file.values():
            for name in list(entry):
                if entry[name].attrs.get("NX_class") in ("NXprocess", "NXfit"):
                    del entry[name]


def test_the_measured_data_and_the_recipe_are_enough(both):
    """Delete all results from the file, run it again, compare with what was saved."""
    stored = load(both)
    delete_results(both)
    report = rerun(both)
    for name, dataset in report.datasets.items():
        same_but_for_the_clock(dataset, stored[name])
    assert not report.identical  # nothing is left to compare with
    assert set(report.differences["remark"]) == {"deleted from the file"}
    with pytest.raises(ValueError, match=r"is missing in the results file .* spectra rerun makes them again"):
        load(both)


def test_what_was_computed_now_can_be_saved(both, tmp_path):
    delete_results(both)
    rerun(both, out=tmp_path / "again.nxs")
    assert rerun(tmp_path / "again.nxs").identical


def test_a_changed_number_is_found(both):
    with h5py.File(both, "r+") as file:
        field = file["mn_k/process_04_edge_position/values/edge_position"]
        field[1] = field[1] * (1 + 3e-9)
    report = rerun(both)
    assert not report.identical
    (row,) = report.differences[~report.differences["same"]].to_dict("records")
    assert row["variable"] == "edge_position"
    assert row["difference"] == pytest.approx(3e-9, rel=1e-3)
    assert f"{len(report.differences) - 1} of {len(report.differences)} variables are the same" in str(report)
    assert "edge_position    3.0e-09   no" in str(report)


def test_other_versions_are_said(both):
    with h5py.File(both, "r+") as file:
        for entry in file.values():
            note = entry["provenance/environment"]
            changed = json.loads(note["data"][()]) | {"packages": {"numpy": "1.0", "gone": "2.0"}}
            del note["data"]
            note["data"] = json.dumps(changed)
    report = rerun(both)
    assert report.identical
    assert f"numpy 1.0 → {np.__version__}" in report.versions
    assert "gone 2.0 → not installed" in report.versions
    assert "Versions that changed since: numpy 1.0" in str(report)


def test_data_without_verbs_have_nothing_to_compare(tmp_path):
    report = rerun(save(tmp_path / "a.nxs", xas_measured()))
    assert report.identical
    assert "nothing to compute again" in str(report)


def test_what_no_verb_made_is_listed_and_does_not_count(tmp_path):
    report = rerun(
        save(tmp_path / "a.nxs", spectra.crop(xas_measured(None), window=(6400, 7000)).assign(mine=1.0))
    )
    assert report.identical
    assert report.differences.set_index("variable").loc["mine", "remark"] == "not made by a verb"


def test_a_model_of_lmfit_is_replaced_by_its_description(both):
    (fit,) = [step for step in load(both)["Mn 2p"].spectra.history if step["verb"] == "spectra.fit"]
    assert "not_storable" in fit["options"]["model"]
    assert fit["resolved"]["model"][0]["shape"] == "sgl"
    assert rerun(both).identical


@verb("spectra.crop")  # under a name that a re-run finds
def opaque(dataset: xr.Dataset, *, window: object = None) -> xr.Dataset:
    """An option that leaves no description."""
    return dataset.assign(x=1.0)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda s: s | {"verb": "xas.normalise"}, "the re-run stops at verb 1 of 1: no verb 'xas.normalise'"),
        (lambda s: s | {"options": {"old": 1}}, r"stops at verb 1 of 1: xas.normalize has no option 'old'"),
        (lambda s: s | {"options": {"order": "x"}}, "stops at verb 1 of 1: xas.normalize: order must be"),
    ],
)
def test_a_verb_that_cannot_run_is_one_sentence(tmp_path, change, sentence):
    import xas

    data = xas.normalize(xas_measured(None))
    (step,) = json.loads(data.attrs["history"])
    path = save(tmp_path / "a.nxs", data.assign_attrs(history=json.dumps([change(step)])))
    with pytest.raises(spectra.SpectraError, match=sentence):
        rerun(path)


def test_an_option_that_was_lost_is_named(tmp_path):
    path = save(tmp_path / "a.nxs", opaque(xas_measured(None), window=object()))
    with pytest.raises(
        spectra.SpectraError, match=r"spectra.crop was called with window=<object .* not be stored"
    ):
        rerun(path)


def dataset_with(values, **coords):
    base = spectra.from_arrays([1.0, 2, 3], np.ones((2, 3)), dims=("scan",))
    return base.assign_coords(coords).assign(v=values)


@pytest.mark.parametrize(
    ("old", "new", "difference"),
    [
        (("scan", [1.0, 100.0]), ("scan", [1.0 + 1e-6, 100.0]), 1e-6),  # a number: relative to itself
        (("energy", [0.0, 1.0, 10.0]), ("energy", [1e-6, 1.0, 10.0]), 1e-7),  # a curve: to its largest value
        (("scan", [np.nan, 1.0]), ("scan", [np.nan, 1.0]), 0.0),
        (("scan", [np.nan, 1.0]), ("scan", [0.0, 1.0]), np.inf),
        (("scan", [np.inf, 1.0]), ("scan", [np.inf, 1.0]), 0.0),
        (("scan", [0.0, 1.0]), ("scan", [1e-300, 1.0]), np.inf),
        (("scan", [1, 2]), ("scan", [1, 3]), np.inf),
        (("scan", ["a", "b"]), ("scan", ["a", "b"]), 0.0),
        (("scan", [1.0, 2.0]), ("scan", [1, 2]), np.inf),
        (("scan", [1.0, 2.0]), ("energy", [1.0, 2.0, 3.0]), np.inf),
        (((), 2.0), ((), 2.0 * (1 - 1e-12)), 1e-12),
    ],
)
def test_differences_are_measured_as_stated(old, new, difference):
    found = largest_difference(dataset_with(old), dataset_with(new), "v")
    assert found == pytest.approx(difference, rel=1e-3)
