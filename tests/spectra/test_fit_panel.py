"""The widgets of the fit panel without a browser: each event changes the session, and the session is what is shown."""

import sys

import numpy as np
import pytest

import spectra
from spectra.errors import SpectraError
from spectra.pipeline.recipe import parse_recipe

X = np.linspace(400.0, 800.0, 201)
LINE = {"a": {"shape": "lorentzian", "position": 560.0, "area": 4000.0, "fwhm": 24.0}}


@pytest.fixture
def panel():
    data = spectra.simulate(X, LINE, background=20.0, axis="raman_shift", n=2)
    made = spectra.fit_panel(data)
    yield made
    made.close()


def row(panel, parameter):
    """Slider, number, tick and tie of a parameter of the chosen component."""
    return next(r.children for r in panel.rows.children if r.children[0].description == parameter)


def test_from_nothing_to_a_recipe(panel):
    assert "No component yet" in panel.quality.value
    panel.shape.value = "lorentzian"
    panel.buttons["add"].click()
    assert panel.component.value == "peak1"
    drawn = bytes(panel.figure.value)
    assert drawn.startswith(b"\x89PNG")
    row(panel, "position")[0].value = 570.0
    assert panel.session.values["peak1_position"] == pytest.approx(570.0, abs=1)
    assert bytes(panel.figure.value) != drawn
    row(panel, "fwhm")[1].value = 20.0
    panel.shape.value = "polynomial"
    panel.buttons["add"].click()
    assert "drawn, not fitted" in panel.quality.value
    panel.buttons["fit"].click()
    assert panel.message.value == ""
    assert ">fitted<" in panel.quality.value
    assert panel.session.values["peak1_position"] == pytest.approx(560.0)
    recipe = parse_recipe(panel.recipe.value)
    assert recipe.steps[-1].options["params"]["peak1_position"]["value"] == pytest.approx(570.0, abs=1)
    panel.component.value = "peak1"
    assert row(panel, "position")[1].value == pytest.approx(560.0)


def test_keep_tie_undo_remove(panel):
    panel.shape.value = "gaussian"
    panel.buttons["add"].click()
    panel.buttons["add"].click()
    row(panel, "fwhm")[3].value = "peak1_fwhm"
    assert panel.session.parameters("peak2")["fwhm"].expr == "peak1_fwhm"
    assert row(panel, "fwhm")[1].disabled
    row(panel, "position")[2].value = True
    assert not panel.session.parameters("peak2")["position"].vary
    row(panel, "position")[2].value = False
    assert panel.session.parameters("peak2")["position"].vary
    panel.component.value = "peak1"
    panel.buttons["remove"].click()
    assert "free peak2_fwhm first" in panel.message.value
    panel.component.value = "peak2"
    row(panel, "fwhm")[3].value = ""
    assert panel.session.parameters("peak2")["fwhm"].expr is None
    panel.buttons["remove"].click()
    assert panel.component.options == ("peak1",)
    panel.buttons["undo"].click()
    assert panel.component.options == ("peak1", "peak2")


def test_another_spectrum(panel):
    panel.place["scan"].value = 1
    assert panel.session.index == {"scan": 1}
    panel.buttons["undo"].click()
    assert panel.place["scan"].value == 0


def test_what_cannot_be_done_is_said_and_harmless(panel):
    panel.shape.value = "gaussian"
    panel.buttons["add"].click()
    before = panel.session.model
    row(panel, "fwhm")[3].value = "<b>q</b>"
    assert "&lt;b&gt;" in panel.message.value
    assert panel.session.model == before
    assert row(panel, "fwhm")[3].value == ""


def test_without_ipywidgets_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    data = spectra.simulate(X, LINE, axis="raman_shift")
    with pytest.raises(SpectraError, match=r"needs ipywidgets: pip install 'redox-spectra\[notebook\]'"):
        spectra.fit_panel(data)
