"""What a results file says a line is, evaluated: it is the line that was fitted."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, special

import spectra
from spectra.fitting.shapes import list_shapes
from spectra.results.formulas import BROADENED, FORMULAS
from spectra.results.tree import to_nexus
from tests.spectra.results_samples import xps_deconvolved, xps_measured

PEAKS = {name: known for name, known in list_shapes().items() if known.peak}
VALUES = {
    "position": 3.1, "area": 40.0, "amplitude": 7.0, "fwhm": 1.7, "width": 1.7, "fwhm_l": 1.3, "fwhm_g": 0.0,
    "fraction": 0.35, "asymmetry": 0.2, "inverse_q": 0.15, "a": 0.8, "b": 1.9, "w": 20.0,
}  # fmt: skip
NAMES = {n: getattr(np, n) for n in ("exp", "log", "sqrt", "cos", "arctan", "where", "pi", "real")}
NAMES |= {"erfcx": special.erfcx, "gamma": special.gamma, "wofz": special.wofz}


def tree_of(dataset):
    return to_nexus({"entry": dataset}, None)["entry"]


def evaluated(name, x, values):
    text = FORMULAS[name].replace(BROADENED, "")
    known = dict(values)
    if name == "voigt":
        known["s"] = values["fwhm_g"] / (2 * np.sqrt(np.log(2)))
        text = text.partition(", s =")[0]
    if name == "lf":
        text = text.partition(";")[0]
        line = text.removeprefix("area/N * ")

        def at(u):
            return eval(line, {}, NAMES | known | {"x": u})

        middle = values["position"]
        known["N"] = sum(
            integrate.quad(at, *ends, limit=500, epsabs=1e-10)[0]
            for ends in ((-np.inf, middle), (middle, middle + 50), (middle + 50, np.inf))
        )
    return eval(text, {}, NAMES | known | {"x": x})


@pytest.mark.parametrize("name", PEAKS)
def test_the_formula_of_a_shape_is_the_shape(name):
    x = np.linspace(-4.0, 11.0, 301)
    values = {n: VALUES[n] for n in PEAKS[name].names}
    if name == "voigt":
        values["fwhm_g"] = 0.9
    drawn = PEAKS[name].function(x, **values)
    np.testing.assert_allclose(evaluated(name, x, values), drawn, rtol=1e-6, atol=1e-9)


def test_every_peak_and_every_background_that_is_subtracted_has_one():
    assert set(FORMULAS) == {*PEAKS, "shirley", "slope", "tougaard", "linear", "polynomial"}


def test_it_is_in_the_file():
    fit = tree_of(xps_deconvolved())["fit"]
    assert fit["peak_0"]["function"]["formula_description"] == FORMULAS["sgl"]
    assert fit["background_static"]["function"]["formula_description"] == FORMULAS["linear"]


@pytest.mark.parametrize("method", ["shirley", "tougaard", "slope", "polynomial"])
def test_of_each_background(method):
    import xps

    found = xps.subtract_background(xps_measured(None), method=method)
    found = xps.deconvolve(found, states=("Mn3+",))
    function = tree_of(found)["fit"]["background_static"]["function"]
    assert function["formula_description"] == FORMULAS[method]


def test_a_formula_of_ones_own_has_no_other():
    x = np.linspace(0.0, 1.0, 30)
    data = spectra.from_arrays(x, 2 * x, axis="energy", name="mu")
    fit = tree_of(spectra.fit(data, model=({"expression": "k*x"},), params={"k": 1.0}, weights="none"))["fit"]
    groups = [g for key, g in fit.items() if key.startswith(("peak_", "background_")) and isinstance(g, dict)]
    assert all("formula_description" not in g["function"] for g in groups)
