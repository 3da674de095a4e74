"""The engine against NIST's certified values: 17 nonlinear regressions, both starting points.

The lower difficulties of the collection are left to others; these are the ones near to spectra (sums of lines and
exponentials), and the hard rational functions. Each formula is an expression, compiled with exact derivatives; none is
left to lmfit. All with the default options.
"""

import json

import numpy as np
import pytest

from spectra.fitting import fit_arrays

GAUSS = "b1*exp(-b2*x) + b3*exp(-(x-b4)**2/b5**2) + b6*exp(-(x-b7)**2/b8**2)"
LANCZOS = "b1*exp(-b2*x) + b3*exp(-b4*x) + b5*exp(-b6*x)"
RATIONAL = "(b1 + b2*x + b3*x**2 + b4*x**3)/(1 + b5*x + b6*x**2 + b7*x**3)"
MODELS = {
    "Bennett5": "b1*(b2+x)**(-1/b3)",
    "BoxBOD": "b1*(1-exp(-b2*x))",
    "Chwirut1": "exp(-b1*x)/(b2+b3*x)",
    "ENSO": "b1 + b2*cos(2*pi*x/12) + b3*sin(2*pi*x/12) + b5*cos(2*pi*x/b4) + b6*sin(2*pi*x/b4)"
    " + b8*cos(2*pi*x/b7) + b9*sin(2*pi*x/b7)",
    "Eckerle4": "(b1/b2)*exp(-0.5*((x-b3)/b2)**2)",
    "Gauss1": GAUSS,
    "Gauss2": GAUSS,
    "Gauss3": GAUSS,
    "Hahn1": RATIONAL,
    "Kirby2": "(b1 + b2*x + b3*x**2)/(1 + b4*x + b5*x**2)",
    "Lanczos1": LANCZOS,
    "Lanczos2": LANCZOS,
    "Lanczos3": LANCZOS,
    "MGH10": "b1*exp(b2/(x+b3))",
    "MGH17": "b1 + b2*exp(-x*b4) + b3*exp(-x*b5)",
    "Roszman1": "b1 - b2*x - atan(b3/(x-b4))/pi",
    "Thurber": RATIONAL,
}


@pytest.fixture(scope="module")
def certified(data_dir):
    return json.loads((data_dir / "nist_strd" / "certified.json").read_text())


def fitted(data_dir, certified, name, start):
    y, x = np.loadtxt(data_dir / "nist_strd" / f"{name}.dat", skiprows=60).T
    order = np.argsort(x, kind="stable")
    params = {k: v[start] for k, v in certified[name]["parameters"].items()}
    return fit_arrays(({"expression": MODELS[name]},), params, x[order], y[order])


@pytest.mark.parametrize("start", ["start1", "start2"])
@pytest.mark.parametrize("name", list(MODELS))
def test_certified_values_and_standard_errors_to_six_digits(data_dir, certified, name, start):
    result = fitted(data_dir, certified, name, start)
    truth = certified[name]["parameters"]
    value = np.array([truth[p]["certified"] for p in result.parameters])
    stderr = np.array([truth[p]["stderr"] for p in result.parameters])
    if name == "Eckerle4":  # b1 and b2 with both signs turned are the same curve
        value *= np.sign(result.value[1]) ** np.array([1, 1, 0])
    np.testing.assert_allclose(result.value, value, rtol=1e-6)
    if name != "Lanczos1":  # exact data: the residual is rounding, and so is what NIST certifies of it
        np.testing.assert_allclose(result.sigma, stderr, rtol=1e-6)
        np.testing.assert_allclose(result.chi2, certified[name]["rss"], rtol=1e-6)


def test_lmfit_ends_on_a_plateau_where_the_engine_tries_another_start(data_dir, certified):
    import lmfit

    y, x = np.loadtxt(data_dir / "nist_strd" / "BoxBOD.dat", skiprows=60).T
    model = lmfit.models.ExpressionModel(MODELS["BoxBOD"])
    start = {k: v["start1"] for k, v in certified["BoxBOD"]["parameters"].items()}
    assert model.fit(y, x=x, **start).chisqr > 5 * certified["BoxBOD"]["rss"]
    result = fitted(data_dir, certified, "BoxBOD", "start1")
    assert result.flags["several_minima"]  # the plateau was seen too
