"""States and levels that a user brings: fitted by name, said in the history, kept in the results file, refused in a sentence."""

from __future__ import annotations

import copy
import tomllib

import numpy as np
import pytest

import spectra
import xps
from spectra.errors import InvalidInput
from spectra.results.rerun import rerun
from spectra.verbs import history
from xps.states.doublets import doublet_components

TEXT = """
[[level]]
name = "Cr 2p"
lines = ["2p3/2", "2p1/2"]
splitting = { value = 9.8, unit = "eV", source = "simulated", status = "computed" }
area_ratio = { value = 0.5, unit = "", source = "2j + 1", status = "computed" }
width_factor = { value = 1.1, range = [1.0, 2.0], unit = "", source = "simulated", status = "computed" }
fwhm = { value = 1.8, range = [0.7, 4.0], unit = "eV", source = "simulated", status = "computed" }

[[state]]
name = "Cr3+"
level = "Cr 2p"
valence = 3
multiplets = true
position = { value = 576.6, unit = "eV", source = "simulated", status = "computed" }

[[state]]
name = "Cr6+"
level = "Cr 2p"
valence = 6
position = { value = 579.6, unit = "eV", source = "simulated", status = "to-verify" }
"""


def own():
    return tomllib.loads(TEXT)


def chromium(rng, share=0.25, n=1):
    x = np.arange(566.0, 598.0, 0.1)
    areas = {"a": (576.6, 1 - share), "b": (579.6, share)}
    lines = {
        f"{name}{k}": {
            "shape": "sgl",
            "position": at + 9.8 * k,
            "area": 30000.0 * part / (1 + k),
            "fwhm": 1.7 * (1 + 0.2 * k),
        }
        for name, (at, part) in areas.items()
        for k in (0, 1)
    }
    truth = spectra.simulate(x, lines, background=400.0, axis="binding_energy", name="counts", units="counts")
    counts = rng.poisson(np.tile(truth.counts.values, (n, 1))).astype(float)
    attrs = {"technique": "xps", "region": "Cr 2p", "element": "Cr"}
    return spectra.from_arrays(
        x, counts, axis="binding_energy", name="counts", units="counts", dims=("scan",), attrs=attrs
    )


def test_states_of_ones_own_are_fitted_and_covered(rng):
    # with the background inside the fit: a static one would take its share of the tails
    fit = xps.deconvolve(
        chromium(rng, n=24),
        states=("Cr3+", "Cr6+"),
        own_tables=own(),
        background="active_linear",
        position_range=0.3,
    )
    pull = ((fit.fraction - 0.25) / fit.fraction_sigma).sel(state="Cr6+").values
    assert np.all(np.isfinite(pull))
    assert 0.7 < pull.std() < 1.35
    assert abs(pull.mean()) < 0.5
    np.testing.assert_allclose(fit.mean_valence, 3.75, atol=0.1)


def test_the_history_says_whose_numbers_they_are_and_the_file_runs_again(rng, tmp_path):
    fit = xps.deconvolve(
        chromium(rng), states=("Cr3+", "Cr6+"), own_tables=own(), background="linear", position_range=0.3
    )
    notes = " ".join(history(fit)[-1]["notes"])
    assert "Cr3+ is from own_tables: 576.6 eV (simulated; status computed)" in notes
    assert "the position of Cr6+ (579.6 eV, simulated) is yet to be verified" in notes
    assert "multiplets of ions" in notes
    fit.spectra.save(tmp_path / "cr.nxs")
    loaded = spectra.load(tmp_path / "cr.nxs")
    assert history(loaded)[-1]["options"]["own_tables"]["state"][1]["name"] == "Cr6+"
    assert rerun(tmp_path / "cr.nxs").identical


def test_a_state_of_the_library_can_be_replaced_and_that_is_said():
    row = {
        "name": "V5+", "level": "V 2p", "valence": 5,
        "position": {"value": 517.9, "unit": "eV", "source": "our V2O5, Au 4f at 84.0", "status": "computed"},
    }  # fmt: skip
    (first, _), said = doublet_components(["V5+"], own_tables={"state": (row,)})
    assert first["position"]["value"] == 517.9
    assert any("stands in for the 517" in text for text in said)
    assert doublet_components(["V5+"])[0][0]["position"]["value"] != 517.9


def _without(table, kind, number, key):
    changed = copy.deepcopy(table)
    del changed[kind][number][key]
    return changed


def _with(table, kind, number, key, value):
    changed = copy.deepcopy(table)
    changed[kind][number][key] = value
    return changed


POSITION = own()["state"][0]["position"]


@pytest.mark.parametrize(
    ("tables", "sentence"),
    [
        ({"states": ()}, "own_tables holds 'states'; did you mean 'state'"),
        (_without(own(), "state", 0, "name"), "a state needs a name, got None"),
        (_without(own(), "state", 0, "position"), "the state 'Cr3\\+' needs 'position'"),
        (_with(own(), "state", 0, "level", "Cr 2s"), "the level 'Cr 2s' of the state 'Cr3\\+' is in no table"),
        (_with(own(), "state", 0, "positon", 1), "state 'Cr3\\+' has 'positon'; did you mean 'position'"),
        (_with(own(), "state", 0, "valence", "three"), "valence of the state 'Cr3\\+' must be a number, got 'three'"),
        (_with(own(), "state", 0, "position", 576.6), "position of the state 'Cr3\\+' must be { value = "),
        (_with(own(), "state", 0, "position", POSITION | {"value": np.inf}), "must be a finite number, got inf"),
        (_with(own(), "state", 0, "position", POSITION | {"unit": "keV"}), "must be 'eV', got 'keV'"),
        (_with(own(), "state", 0, "position", POSITION | {"source": " "}), "needs a source: a DOI"),
        (_with(own(), "state", 0, "position", POSITION | {"status": "sure"}), "one of read, computed, to-verify"),
        (_with(own(), "state", 0, "position", POSITION | {"range": [577, 579]}), "two numbers around its value 576.6"),
        (_with(own(), "state", 0, "fwhm", POSITION), "range of the fwhm of the state 'Cr3\\+' must be two numbers"),
        (_with(own(), "level", 0, "name", "chromium"), "a level is an element and a shell such as 'Cr 2p'"),
        (_with(own(), "level", 0, "lines", "2p3/2"), "lines of the level 'Cr 2p' must be one or two names"),
        (_without(own(), "level", 0, "splitting"), "the level 'Cr 2p' with 2 lines needs 'splitting'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_a_sentence(rng, tables, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        xps.deconvolve(chromium(rng), states=("Cr3+",), own_tables=tables, background="linear")


def test_voigt_lines_ask_for_the_natural_width(rng):
    with pytest.raises(InvalidInput, match="natural_width of Cr 2p"):
        xps.deconvolve(chromium(rng), states=("Cr3+",), own_tables=own(), background="linear", shape="voigt")


def test_they_belong_to_states(rng):
    with pytest.raises(InvalidInput, match="own_tables and changes; components carry"):
        xps.deconvolve(
            chromium(rng),
            components=({"name": "a", "position": 576.6},),
            own_tables=own(),
            background="linear",
        )
