"""Models as tables and as lmfit's objects: read, written, built, and drawn the same by both."""

import inspect
import warnings

import lmfit
import numpy as np
import pytest

from spectra.errors import InvalidInput
from spectra.fitting import fit_arrays, list_shapes, shape_model
from spectra.fitting.from_lmfit import LMFIT_EXPRESSIONS, LMFIT_SHAPES, build, describe
from spectra.fitting.program import compile_model
from spectra.fitting.spec import Setting, from_tables
from spectra.fitting.understand import understand

X = np.linspace(0.5, 9.5, 61)

#: Every model of lmfit's that the engine draws, with values that tell its parameters apart.
MODELS = {
    "GaussianModel": {"amplitude": 3, "center": 4, "sigma": 0.7},
    "LorentzianModel": {"amplitude": 3, "center": 4, "sigma": 0.7},
    "VoigtModel": {"amplitude": 3, "center": 4, "sigma": 0.7},
    "PseudoVoigtModel": {"amplitude": 3, "center": 4, "sigma": 0.7, "fraction": 0.3},
    "MoffatModel": {"amplitude": 3, "center": 4, "sigma": 0.7, "beta": 1.4},
    "BreitWignerModel": {"amplitude": 3, "center": 4, "sigma": 0.7, "q": 1.7},
    "DoniachModel": {"amplitude": 3, "center": 4, "sigma": 0.7, "gamma": 0.2},
    "SkewedGaussianModel": {"amplitude": 3, "center": 4, "sigma": 0.7, "gamma": 1.5},
    "SineModel": {"amplitude": 3, "frequency": 1.2, "shift": 0.4},
    "ConstantModel": {"c": 2.5},
    "LinearModel": {"slope": 0.3, "intercept": 2},
    "QuadraticModel": {"a": 0.1, "b": 0.3, "c": 2},
    "PolynomialModel": {"c0": 1, "c1": 0.5, "c2": -0.1, "c3": 0.02},
    "ExponentialModel": {"amplitude": 3, "decay": 2.2},
    "PowerLawModel": {"amplitude": 3, "exponent": -1.3},
    "StepModel": {"amplitude": 3, "center": 4, "sigma": 0.7},
}
OPTIONS = [("PolynomialModel", {"degree": 3})] + [
    ("StepModel", {"form": form}) for form in ("linear", "atan", "arctan", "erf", "logistic")
]
CASES = [(n, {}) for n in MODELS if n not in {"PolynomialModel", "StepModel"}] + OPTIONS


def test_every_translation_is_tested():
    assert set(MODELS) == set(LMFIT_SHAPES) | set(LMFIT_EXPRESSIONS) | {"PolynomialModel"}


@pytest.mark.parametrize(
    ("name", "options"), CASES, ids=[f"{n}-{'-'.join(map(str, o.values()))}" for n, o in CASES]
)
class TestLmfitModels:
    def test_drawn_as_lmfit_draws_it(self, name, options):
        model = getattr(lmfit.models, name)(prefix="m_", **options)
        params = model.make_params(**MODELS[name])
        expected = model.eval(params, x=X)
        result = fit_arrays(model, params, X, expected)
        np.testing.assert_allclose(result.best_fit, expected, rtol=1e-9, atol=1e-9)
        # every parameter, with those that lmfit derives (height, fwhm)
        np.testing.assert_allclose(result.value, [p.value for p in params.values()], rtol=1e-7)

    def test_written_and_read_again(self, name, options):
        model = getattr(lmfit.models, name)(prefix="m_", **options)
        params = model.make_params(**MODELS[name])
        written = describe(model, params)
        again = from_tables(*written.to_tables())
        assert again == written
        built, built_params = build(again)
        np.testing.assert_array_equal(built.eval(built_params, x=X), model.eval(params, x=X))
        assert {n: (p.min, p.max, p.vary, p.expr) for n, p in built_params.items()} == {
            n: (p.min, p.max, p.vary, p.expr) for n, p in params.items()
        }


def test_fit_of_a_composite_like_lmfit(rng):
    model = (
        lmfit.models.VoigtModel(prefix="v_")
        + lmfit.models.PseudoVoigtModel(prefix="p_")
        + lmfit.models.LinearModel(prefix="b_")
    )
    params = model.make_params(
        v_center=3,
        v_amplitude=10,
        v_sigma=0.3,
        p_center=6,
        p_amplitude=8,
        p_sigma=0.5,
        b_slope=0.1,
        b_intercept=1,
    )
    params["v_gamma"].set(value=0.2, expr="", vary=True, min=0)
    params["p_center"].set(expr="v_center + 3.02")
    y = model.eval(params, x=X) + rng.normal(0, 0.05, X.size)
    sigma = np.full(X.size, 0.05)
    ours = fit_arrays(model, params, X, y, sigma=sigma)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = model.fit(y, params, x=X, weights=1 / sigma, scale_covar=False)
    assert ours.chi2 == pytest.approx(theirs.chisqr, rel=1e-8)
    assert ours.chi2 <= theirs.chisqr * (1 + 1e-12)
    for name, value, spread in zip(ours.parameters, ours.value, ours.sigma, strict=True):
        assert value == pytest.approx(theirs.params[name].value, rel=1e-4, abs=2e-4), name
        assert spread == pytest.approx(theirs.params[name].stderr, rel=0.02), name
    assert ours.redchi == pytest.approx(theirs.redchi, rel=1e-8)


def test_every_shape_as_table():
    for name in list_shapes():
        degree = {"degree": 2} if name == "polynomial" else {}
        written = from_tables(({"shape": name, "prefix": "s_", **degree},))
        assert describe(*build(written)) == written


def test_expression_with_a_prefix():
    written = from_tables(({"expression": "k*x + d", "prefix": "line_"},), {"line_k": 2, "line_d": 1})
    model, params = build(written)
    np.testing.assert_allclose(model.eval(params, x=X), 2 * X + 1)
    result = fit_arrays(written, None, X, 3 * X + 2)
    assert dict(zip(result.parameters, result.value.round(9), strict=True)) == {"line_k": 3, "line_d": 2}


def test_parameters_of_lmfit_with_tables():
    tables = ({"shape": "gaussian"},)
    params = shape_model("gaussian").make_params(position=4.2, area=2.0)
    params["fwhm"].set(value=1.5, vary=False)
    written = understand(tables, params).written
    assert written.settings["fwhm"] == Setting(1.5, 0.0, vary=False)
    assert compile_model(written).free == ("position", "area")


def test_model_of_lmfit_with_a_table_of_parameters():
    written = understand(
        lmfit.models.GaussianModel(), {"center": {"value": 4, "min": 3, "max": 5}, "sigma": 1.2}
    ).written
    assert written.settings["center"] == Setting(4.0, 3.0, 5.0)
    assert written.settings["sigma"].value == 1.2
    assert written.settings["fwhm"].expr  # lmfit's own stay


def test_bounds_clip_what_an_expression_gives():
    """As in lmfit: a tied parameter stays inside its own limits."""
    model = lmfit.models.GaussianModel()
    params = model.make_params(center=4, amplitude=3, sigma=1.0)
    params.add("free", value=2.0)
    params["sigma"].set(expr="free/2", max=0.8)
    y = model.eval(params, x=X, sigma=0.8)
    result = fit_arrays(model, params, X, y)
    at = result.parameters.index("sigma")
    assert result.value[at] == 0.8


@pytest.mark.parametrize(
    ("model", "params", "sentence"),
    [
        ((), None, "model is empty"),
        (({"shape": "gausian"},), None, "no line shape 'gausian'; did you mean 'gaussian'"),
        (({"shpe": "gaussian"},), None, "a component has no key 'shpe'; did you mean 'shape'"),
        (({"prefix": "a_"},), None, "a component needs one of shape, expression and lmfit, got none"),
        (("gaussian",), None, "a component of a model is a table"),
        ("gaussian", None, "model must be an lmfit.Model or one table per component"),
        (({"shape": "gaussian"}, {"shape": "voigt"}), None, "'position' belongs to two components"),
        (({"shape": "gaussian"},), {"positon": 1}, "no component has a parameter 'positon'"),
        (({"shape": "gaussian"},), {"fwhm": {"vale": 1}}, "'fwhm' has no key 'vale'; did you mean 'value'"),
        (({"shape": "gaussian"},), {"fwhm": "wide"}, "'fwhm' must be a number or a table, got 'wide'"),
        (({"shape": "gaussian"},), {"fwhm": {"min": 2, "max": 1}}, "'fwhm': min 2 lies above max 1"),
        (({"shape": "gaussian"},), {"fwhm": {"expr": "aera"}}, "uses 'aera'; did you mean 'area'"),
        (({"shape": "gaussian"},), {"fwhm": {"expr": "2*"}}, "expression of parameter 'fwhm' cannot be read"),
        (({"expression": "a*x"},), None, "'a' has no start value"),
        (({"expression": "a*"},), None, "cannot be read"),
        (
            ({"lmfit": "GausianModel"},),
            None,
            "lmfit has no model 'GausianModel'; did you mean 'GaussianModel'",
        ),
        (({"shape": "gaussian"},), {"area": {"expr": "fwhm"}, "fwhm": {"expr": "area"}}, "depends on itself"),
        (
            ({"shape": "gaussian"},),
            {n: {"value": 1, "vary": False} for n in ("position", "area", "fwhm")},
            "every parameter of the model is fixed",
        ),
    ],
)
def test_refused_with_a_sentence(model, params, sentence):
    with pytest.raises(InvalidInput) as error:
        fit_arrays(model, params, X, X)
    assert sentence in str(error.value)


def test_component_names():
    written = from_tables(
        (
            {"shape": "voigt", "prefix": "a_"},
            {"shape": "polynomial", "degree": 0},
            {"expression": "k*x", "prefix": "b_"},
        ),
        {"b_k": 1.0},
    )
    assert compile_model(written).components == ("a", "polynomial", "b")


def test_all_of_lmfits_models_are_either_known_or_left_to_lmfit():
    """None of them is mistaken for something else."""
    seen = 0
    for name, made in inspect.getmembers(lmfit.models, inspect.isclass):
        if (
            not issubclass(made, lmfit.Model)
            or name in {"Model", "ExpressionModel", "SplineModel"}
            or "2d" in name
        ):
            continue
        if name in {"BoseModel", "FermiModel"} or "Complex" in name or "Thermal" in name:
            continue
        model = made()
        understood = understand(model, model.make_params(**MODELS.get(made.__name__, {})))
        assert (understood.compiled is not None) == (made.__name__ in MODELS), name
        assert understood.written is not None
        seen += 1
    assert seen >= 20
