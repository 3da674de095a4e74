"""``spectra.fit``: lmfit's language in, lmfit's minimum out, on series, with flags and a history that re-runs."""

import lmfit
import numpy as np
import pytest
import xarray as xr

import spectra
from spectra.dataset import failed, flag_names
from spectra.fitting import shape_model
from spectra.verbs import find_verb, history

X = np.linspace(634, 662, 281)


def doublet_model():
    """Two tied Voigt doublets in lmfit's own models and parameters, as a user would write them."""
    names = ("a", "b", "c", "d")
    model = lmfit.models.VoigtModel(prefix="a_")
    for name in names[1:]:
        model = model + lmfit.models.VoigtModel(prefix=f"{name}_")
    params = model.make_params()
    params["a_center"].set(641.0, min=640, max=642)
    params["c_center"].set(642.9, min=642.2, max=644)
    params.add("split", value=11.5, min=11, max=12)
    params["b_center"].set(expr="a_center + split")
    params["d_center"].set(expr="c_center + split")
    for first, second in (("a", "b"), ("c", "d")):
        params[f"{first}_amplitude"].set(3000, min=0)
        params[f"{second}_amplitude"].set(expr=f"{first}_amplitude / 2")
    params["a_sigma"].set(0.6, min=0.1, max=2)
    params["a_gamma"].set(0.3, min=0.0, max=2, vary=True, expr="")
    for name in names[1:]:
        params[f"{name}_sigma"].set(expr="a_sigma")
        params[f"{name}_gamma"].set(expr="a_gamma")
    return model, params


def series(n=6, seed=0):
    model, params = doublet_model()
    rng = np.random.default_rng(seed)
    curves = []
    for i in range(n):
        truth = params.copy()
        truth["a_amplitude"].value = 5000 * (1 - i / (2 * n))
        truth["c_amplitude"].value = 2500 * (1 + i / n)
        curves.append(model.eval(truth, x=X))
    sigma = np.sqrt(np.array(curves) + 100)
    data = spectra.from_arrays(
        X, curves + rng.normal(size=sigma.shape) * sigma, axis="binding_energy", name="counts", units="counts",
        sigma=sigma, dims=("scan",),
    )  # fmt: skip
    return data, model, params


@pytest.fixture(scope="module")
def fitted():
    data, model, params = series()
    return spectra.fit(data, model=model, params=params)


def test_the_minimum_and_the_uncertainties_are_lmfits(fitted):
    data, model, params = series()
    for i in range(data.sizes["scan"]):
        one = data.isel(scan=i)
        theirs = model.fit(
            one.counts.values, params, x=X, weights=1 / one.counts_sigma.values, scale_covar=False
        )
        assert float(fitted.redchi[i]) == pytest.approx(theirs.redchi, rel=1e-6)
        for name in theirs.var_names:
            mine = fitted.isel(scan=i).sel(parameter=name)
            assert float(mine.best_value) == pytest.approx(
                theirs.params[name].value, abs=2e-2 * theirs.params[name].stderr
            )
            assert float(mine.best_value_sigma) == pytest.approx(theirs.params[name].stderr, rel=2e-2)


def test_components_add_up_and_carry_what_is_seen_of_them(fitted):
    xr.testing.assert_allclose(fitted.component_curve.sum("component"), fitted.best_fit)
    xr.testing.assert_allclose(fitted.counts - fitted.best_fit, fitted.residual)
    area = fitted.area.sel(component="a")
    np.testing.assert_allclose(area, fitted.best_value.sel(parameter="a_amplitude"), rtol=1e-9)
    ratio = fitted.area_sigma.sel(component="b") / fitted.area_sigma.sel(component="a")
    np.testing.assert_allclose(ratio, 0.5, rtol=1e-9)  # a tie carries its uncertainty
    wanted = fitted.component_curve.sel(component="a").max("binding_energy")
    np.testing.assert_allclose(fitted.height.sel(component="a"), wanted, rtol=1e-2)


def test_one_spectrum_as_lmfits_own_result(fitted):
    result = spectra.to_lmfit(fitted, scan=2)
    assert isinstance(result, lmfit.model.ModelResult)
    assert "[[Variables]]" in result.fit_report()
    value = float(fitted.best_value.sel(parameter="a_center")[2])
    assert result.params["a_center"].value == pytest.approx(value, abs=1e-4)
    with pytest.raises(ValueError, match="say which along scan"):
        spectra.to_lmfit(fitted)
    with pytest.raises(ValueError, match="call spectra.fit first"):
        spectra.to_lmfit(series()[0], scan=0)


def test_the_history_runs_the_fit_again(fitted):
    entry = history(fitted)[-1]
    options = {k: entry["resolved"].get(k, v) for k, v in entry["options"].items()}
    again = find_verb("spectra.fit").function(series()[0], **options)
    np.testing.assert_array_equal(again.parameter, fitted.parameter)
    np.testing.assert_allclose(again.best_value, fitted.best_value, rtol=1e-10)


def test_tables_and_lmfit_models_are_one_model():
    x = np.linspace(0, 10, 101)
    y = 3 * np.exp(-4 * np.log(2) * ((x - 5) / 1.5) ** 2) + 0.2 + 0.05 * x
    data = spectra.from_arrays(x, y, axis="raman_shift")
    start = {"g_position": 4.6, "g_area": 3.0, "g_fwhm": 1.0}
    tables = ({"shape": "gaussian", "prefix": "g_"}, {"shape": "polynomial", "degree": 1})
    one = spectra.fit(data, model=tables, params=start)
    other = spectra.fit(
        data, model=shape_model("gaussian", prefix="g_") + shape_model("polynomial", degree=1), params=start
    )
    for name, value in {"g_position": 5.0, "g_fwhm": 1.5, "c0": 0.2, "c1": 0.05}.items():
        assert float(one.best_value.sel(parameter=name)) == pytest.approx(value, rel=1e-6)
        assert float(other.best_value.sel(parameter=name)) == pytest.approx(value, rel=1e-6)


def test_one_bad_spectrum_is_flagged_and_the_others_are_untouched():
    data, model, params = series()
    bad = data.copy(deep=True)
    bad.counts[1] = np.nan
    result, good = spectra.fit(bad, model=model, params=params), spectra.fit(data, model=model, params=params)
    np.testing.assert_array_equal(failed(result), np.arange(6) == 1)
    assert "fit_too_few_points" in " ".join(flag_names(result, scan=1)) or flag_names(result, scan=1)
    assert np.isnan(result.best_value[1]).all()
    np.testing.assert_allclose(result.best_value[[0, 2, 3]], good.best_value[[0, 2, 3]], rtol=1e-9)


def test_lazy_series_give_the_same():
    data, model, params = series()
    lazy = spectra.fit(data.chunk(scan=2), model=model, params=params)
    assert lazy.best_fit.chunks is not None
    np.testing.assert_allclose(lazy.area.compute(), spectra.fit(data, model=model, params=params).area)


def test_counts_are_fitted_without_the_bias_of_their_own_weights():
    rng = np.random.default_rng(4)
    x = np.linspace(0, 10, 101)
    truth = 30 * np.exp(-4 * np.log(2) * ((x - 5) / 2) ** 2) + 3
    data = spectra.from_arrays(
        x, rng.poisson(truth, (400, 101)), axis="raman_shift", name="counts", units="counts", dims=("scan",)
    )
    result = spectra.fit(
        data, model=({"shape": "gaussian"}, {"shape": "polynomial", "degree": 0}),
        params={"position": 5.0, "area": 50.0, "fwhm": 2.0, "c0": 1.0},
    )  # fmt: skip
    assert history(result)[-1]["resolved"]["weights"] == "poisson"
    area, spread = result.best_value.sel(parameter="area"), result.best_value_sigma.sel(parameter="area")
    pull = (area - 30 * 2 * np.sqrt(np.pi / np.log(2)) / 2) / spread
    assert abs(float(pull.mean())) < 0.2
    assert 0.63 < float((abs(pull) < 1).mean()) < 0.73


def test_what_the_engine_cannot_express_goes_to_lmfit_and_says_so():
    def sinc(x, amplitude, width):
        return amplitude * np.sinc(x / width)

    x = np.linspace(-5, 5, 101)
    data = spectra.from_arrays(x, 2 * np.sinc(x / 1.5), axis="raman_shift")
    result = spectra.fit(data, model=lmfit.Model(sinc), params={"amplitude": 1.5, "width": 1.4})
    assert float(result.best_value.sel(parameter="width")) == pytest.approx(1.5, rel=1e-6)
    assert any("lmfit" in note for note in history(result)[-1]["notes"])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"model": ({"shape": "gauss"},)}, "did you mean 'gaussian'"),
        ({"model": ()}, "model is empty"),
        ({"model": ({"shape": "gaussian"},), "params": {"positon": 1.0}}, "did you mean 'position'"),
        ({"model": ({"shape": "gaussian"},), "weights": "sigma"}, "counts_sigma"),
        ({"model": ({"shape": "gaussian"},), "variable": "net"}, "there is no variable 'net'"),
        ({"model": ({"shape": "gaussian"},), "start": "prevous"}, "did you mean 'previous'"),
        (
            {"model": ({"shape": "gaussian"},), "params": {"fwhm": {"expr": "import os"}}},
            "cannot be read|expression",
        ),
        (
            {"model": ({"shape": "gaussian"},), "params": {"fwhm": {"value": 1, "min": 3, "max": 2}}},
            "min 3 lies above max 2",
        ),
    ],
)
def test_bad_input_is_refused_in_one_sentence(options, sentence):
    data = spectra.from_arrays(X, np.ones((2, X.size)), axis="binding_energy", name="counts", dims=("scan",))
    with pytest.raises(ValueError, match=sentence):
        spectra.fit(data, **options)
