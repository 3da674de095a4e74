"""Spectra fitted together with shared parameters: lmfit's joint minimum and covariance, for series of any length."""

from __future__ import annotations

import lmfit
import numpy as np
import pytest
import xarray as xr

import spectra
from spectra.dataset import failed, flag_names
from spectra.fitting import fit_arrays
from spectra.verbs import find_verb, history

X = np.linspace(0.0, 20.0, 81)
MODEL = (
    {"shape": "gaussian", "prefix": "a_"},
    {"shape": "gaussian", "prefix": "b_"},
    {"shape": "polynomial", "degree": 0},
)
PARAMS = {
    "a_position": 7.6,
    "a_area": {"value": 20.0, "min": 0.0},
    "a_fwhm": {"value": 2.0, "min": 0.2, "max": 8.0},
    "b_position": {"expr": "a_position + 3"},
    "b_area": {"value": 20.0, "min": 0.0},
    "b_fwhm": {"expr": "1.2 * a_fwhm"},
    "c0": 0.5,
}
SHARED = ("a_position", "a_fwhm")
LOCAL = ("a_area", "b_area", "c0")


def gauss(x, position, area, fwhm):
    return (
        2 * area / fwhm * np.sqrt(np.log(2) / np.pi) * np.exp(-4 * np.log(2) * ((x - position) / fwhm) ** 2)
    )


def curve(position, fwhm, a, b, c):
    a, b, c = (np.asarray(v)[..., None] for v in (a, b, c))
    return gauss(X, position, a, fwhm) + gauss(X, position + 3, b, 1.2 * fwhm) + c


def series(n=5, noise=0.3, seed=0, weak=False):
    rng = np.random.default_rng(seed)
    a, b, c = rng.uniform(10, 40, n), rng.uniform(10, 40, n), rng.uniform(0, 1, n)
    if weak:
        a[0] = 0.0  # one ends on its limit or near it
    y = curve(8.0, 2.5, a, b, c) + noise * rng.normal(size=(n, X.size))
    return spectra.from_arrays(
        X, y, axis="raman_shift", name="intensity", sigma=np.full_like(y, noise), dims=("depth",)
    )


def lmfit_together(data, *, known=True):
    """The slow, obvious way: all residuals one after another, all parameters at once."""
    y = data.intensity.values
    together = lmfit.Parameters()
    for name in SHARED:
        given = PARAMS[name] if isinstance(PARAMS[name], dict) else {"value": PARAMS[name]}
        together.add(name, **given)
    for i in range(len(y)):
        for name in LOCAL:
            given = PARAMS[name] if isinstance(PARAMS[name], dict) else {"value": PARAMS[name]}
            together.add(f"{name}_{i}", **given)

    def residual(p):
        values = [[p[f"{name}_{i}"].value for i in range(len(y))] for name in LOCAL]
        off = curve(p["a_position"].value, p["a_fwhm"].value, *values) - y
        return (off / (data.intensity_sigma.values if known else 1.0)).ravel()

    tight = {"ftol": 1e-13, "xtol": 1e-13, "gtol": 1e-13}
    return lmfit.minimize(residual, together, scale_covar=not known, **tight)


@pytest.mark.parametrize("known", [True, False], ids=["sigma known", "scaled by the reduced chi-square"])
def test_minimum_and_covariance_are_those_of_lmfit_over_all_residuals(known):
    data = series()
    mine = spectra.fit(data, model=MODEL, params=PARAMS, shared=SHARED, weights="sigma" if known else "none")
    theirs = lmfit_together(data, known=known)
    assert float(mine.joint_redchi) == pytest.approx(theirs.redchi, rel=1e-8)
    for name in SHARED:
        one = mine.sel(shared=name)
        assert float(one.shared_value) == pytest.approx(theirs.params[name].value, rel=1e-6)
        assert float(one.shared_value_sigma) == pytest.approx(theirs.params[name].stderr, rel=1e-3)
    for i in range(5):
        one = mine.isel(depth=i)
        names = [*SHARED, *(f"{n}_{i}" for n in LOCAL)]
        at = [theirs.var_names.index(n) for n in names]
        wanted = theirs.covar[np.ix_(at, at)]
        found = one.covariance.sel(varied=[*SHARED, *LOCAL], varied_2=[*SHARED, *LOCAL]).values
        root = np.sqrt(np.diag(wanted))
        np.testing.assert_allclose(found, wanted, atol=2e-3 * np.outer(root, root).max(), rtol=5e-3)
        for name, full in zip((*SHARED, *LOCAL), names, strict=True):
            value = float(one.best_value.sel(parameter=name))
            assert value == pytest.approx(theirs.params[full].value, abs=1e-4 * theirs.params[full].stderr)
            sigma = float(one.best_value_sigma.sel(parameter=name))
            assert sigma == pytest.approx(theirs.params[full].stderr, rel=2e-3)
        # an expression of a shared parameter
        width = one.best_value_sigma.sel(parameter="b_fwhm")
        assert float(width) == pytest.approx(1.2 * theirs.params["a_fwhm"].stderr, rel=2e-3)


def test_degrees_of_freedom_add_up_to_those_of_the_joint_fit():
    mine = spectra.fit(series(), model=MODEL, params=PARAMS, shared=SHARED)
    freedom = X.size - len(LOCAL) - len(SHARED) / 5
    chi2 = float((mine.redchi * freedom).sum())
    assert chi2 / (5 * freedom) == pytest.approx(float(mine.joint_redchi), rel=1e-12)
    assert int(mine.joint_spectra) == 5
    assert int(mine.joint_status) == 0


def test_a_parameter_on_a_limit_is_held_there_and_the_others_are_those_of_lmfit():
    data = series(weak=True, seed=3)
    lowered = data.copy(deep=True)
    lowered.intensity[0] -= gauss(X, 8.0, 6.0, 2.5)
    mine = spectra.fit(lowered, model=MODEL, params=PARAMS, shared=SHARED)
    theirs = lmfit_together(lowered)
    assert float(mine.best_value.sel(parameter="a_area")[0]) == 0.0
    assert flag_names(mine, depth=0) == ["at_bound", "weak_component"]
    assert np.isnan(float(mine.best_value_sigma.sel(parameter="a_area")[0]))
    assert float(mine.joint_redchi) == pytest.approx(theirs.redchi, rel=1e-6)
    for name in SHARED:
        assert float(mine.shared_value.sel(shared=name)) == pytest.approx(theirs.params[name].value, rel=1e-6)


def test_a_shared_parameter_on_a_limit_has_no_uncertainty():
    limits = PARAMS | {"a_fwhm": {"value": 2.0, "min": 0.2, "max": 2.3}}
    mine = spectra.fit(series(), model=MODEL, params=limits, shared=SHARED)
    assert float(mine.shared_value.sel(shared="a_fwhm")) == 2.3
    assert np.isnan(float(mine.shared_value_sigma.sel(shared="a_fwhm")))
    assert np.isfinite(float(mine.shared_value_sigma.sel(shared="a_position")))
    assert all("at_bound" in flag_names(mine, depth=i) for i in range(5))


def test_everything_shared_is_one_fit_of_all_points():
    y = curve(8.0, 2.5, 20.0, 15.0, 0.3) + 0.2 * np.random.default_rng(2).normal(size=(4, X.size))
    mine = fit_arrays(MODEL, PARAMS, X, y, sigma=0.2, shared=("a_position", "a_fwhm", *LOCAL))
    mean = fit_arrays(MODEL, PARAMS, X, y.mean(0), sigma=0.1)
    np.testing.assert_allclose(mine.value, np.tile(mean.value, (4, 1)), rtol=1e-6)
    np.testing.assert_allclose(mine.sigma, np.tile(mean.sigma, (4, 1)), rtol=1e-5)


def test_a_series_of_one_is_the_single_fit():
    y = series(1).intensity.values
    mine = fit_arrays(MODEL, PARAMS, X, y, sigma=0.3, shared=SHARED)
    alone = fit_arrays(MODEL, PARAMS, X, y, sigma=0.3)
    np.testing.assert_allclose(mine.value, alone.value, rtol=1e-6)
    np.testing.assert_allclose(mine.sigma, alone.sigma, rtol=1e-5, atol=1e-12)
    np.testing.assert_allclose(mine.covariance, alone.covariance, rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(mine.redchi, alone.redchi, rtol=1e-9)


def test_a_dead_spectrum_is_left_out_and_flagged_and_the_rest_is_the_fit_without_it():
    data = series(6)
    dead = data.copy(deep=True)
    dead.intensity[1] = np.nan
    dead.intensity[3] = 0.0
    mine = spectra.fit(dead, model=MODEL, params=PARAMS, shared=SHARED)
    rest = spectra.fit(data.isel(depth=[0, 2, 4, 5]), model=MODEL, params=PARAMS, shared=SHARED)
    np.testing.assert_array_equal(failed(mine), [False, True, False, True, False, False])
    assert flag_names(mine, depth=1) == ["fit_too_few_points"]
    assert flag_names(mine, depth=3) == ["no_signal"]
    assert int(mine.joint_spectra) == 4
    np.testing.assert_allclose(mine.shared_value, rest.shared_value, rtol=1e-9)
    np.testing.assert_allclose(mine.area[[0, 2, 4, 5]], rest.area, rtol=1e-6)
    assert np.isnan(mine.area[[1, 3]]).all()


def test_nothing_to_fit_is_said_and_not_raised():
    data = series(3)
    mine = spectra.fit(data * 0 + np.nan, model=MODEL, params=PARAMS, shared=SHARED, variable="intensity")
    assert int(mine.joint_status) == 2
    assert np.isnan(mine.shared_value).all()
    assert failed(mine).all()


def maps():
    """Two samples of three depths each; the second sample's lines lie elsewhere."""
    first, second = series(3, seed=5), series(3, seed=6)
    moved = second.assign(intensity=second.intensity.roll(raman_shift=4))
    return xr.concat([first, moved], dim="sample").transpose("depth", "sample", "raman_shift")


def test_one_joint_fit_for_each_of_the_other_dimensions():
    data = maps()
    both = spectra.fit(data, model=MODEL, params=PARAMS, shared=SHARED, along="depth")
    assert both.shared_value.dims == ("sample", "shared")
    assert both.best_fit.dims == ("depth", "sample", "raman_shift")
    for i in range(2):
        one = spectra.fit(data.isel(sample=i), model=MODEL, params=PARAMS, shared=SHARED)
        np.testing.assert_allclose(both.shared_value[i], one.shared_value, rtol=1e-9)
        np.testing.assert_allclose(both.area.isel(sample=i), one.area, rtol=1e-9)
        np.testing.assert_allclose(both.covariance.isel(sample=i), one.covariance, rtol=1e-6, atol=1e-12)


def test_over_several_dimensions_at_once():
    data = maps()
    flat = data.stack(spot=("sample", "depth")).transpose("spot", ...).reset_index("spot", drop=True)
    mine = spectra.fit(data, model=MODEL, params=PARAMS, shared=SHARED, along=("sample", "depth"))
    one = spectra.fit(flat, model=MODEL, params=PARAMS, shared=SHARED)
    assert mine.shared_value.dims == ("shared",)
    assert mine.area.dims == ("depth", "sample", "component")
    np.testing.assert_allclose(mine.shared_value, one.shared_value, rtol=1e-9)
    np.testing.assert_allclose(
        mine.area.transpose("sample", "depth", ...).values.reshape(6, -1), one.area, rtol=1e-7
    )


def test_lazy_series_give_the_same():
    data = maps()
    lazy = spectra.fit(
        data.chunk(depth=1, sample=1), model=MODEL, params=PARAMS, shared=SHARED, along="depth"
    )
    assert lazy.best_fit.chunks is not None
    eager = spectra.fit(data, model=MODEL, params=PARAMS, shared=SHARED, along="depth")
    for name in ("shared_value", "area", "best_value_sigma", "joint_spectra"):
        np.testing.assert_allclose(lazy.compute()[name], eager[name], rtol=1e-9)


def test_a_joint_fit_runs_again_from_its_file_and_from_its_history(tmp_path):
    mine = spectra.fit(series(), model=MODEL, params=PARAMS, shared=SHARED)
    entry = history(mine)[-1]
    options = {k: entry["resolved"].get(k, v) for k, v in entry["options"].items()}
    again = find_verb("spectra.fit").function(series(), **options)
    np.testing.assert_allclose(again.shared_value, mine.shared_value, rtol=1e-12)
    xr.testing.assert_allclose(spectra.load(spectra.save(tmp_path / "a.nxs", mine)), mine)


def test_one_spectrum_as_lmfits_own_result_keeps_what_is_shared():
    mine = spectra.fit(series(), model=MODEL, params=PARAMS, shared=SHARED)
    one = spectra.to_lmfit(mine, depth=2)
    assert one.var_names == ["a_area", "b_area", "c0"]
    assert one.params["a_fwhm"].value == float(mine.shared_value.sel(shared="a_fwhm"))
    area = float(mine.area.isel(depth=2).sel(component="a"))
    assert one.params["a_area"].value == pytest.approx(area, rel=1e-5)


def test_a_second_fit_without_sharing_leaves_nothing_of_the_first():
    mine = spectra.fit(series(), model=MODEL, params=PARAMS, shared=SHARED)
    alone = spectra.fit(mine, model=MODEL, params=PARAMS)
    assert not [n for n in alone.variables if str(n).startswith(("joint", "shared"))]


def test_parameters_without_effect_are_marked_and_spoil_nothing():
    """The position of a line that is not there, per spectrum."""
    free = PARAMS | {
        "b_position": {"value": 15.0, "min": 13.0, "max": 17.0},
        "b_area": {"value": 5.0, "vary": False},
    }
    data = series(4, seed=8)
    data["intensity"] = data.intensity - data.intensity + curve(8.0, 2.5, [20.0, 30.0, 25.0, 15.0], 0.0, 0.4)
    free["b_area"] = {"value": 0.0, "vary": False}
    mine = spectra.fit(data, model=MODEL, params=free, shared=SHARED)
    assert float(mine.shared_value.sel(shared="a_position")) == pytest.approx(8.0, abs=1e-6)
    assert all("undetermined" in flag_names(mine, depth=i) for i in range(4))
    assert np.isnan(mine.best_value_sigma.sel(parameter="b_position")).all()
    assert np.isfinite(mine.best_value_sigma.sel(parameter="a_area")).all()


def test_many_spectra_cost_memory_and_time_in_proportion():
    """10,000 spectra with 2 shared and 3 own parameters: a dense Hessian would have 30,002 rows."""
    n = 10_000
    rng = np.random.default_rng(1)
    a, b = rng.uniform(10, 40, n), rng.uniform(10, 40, n)
    y = curve(8.0, 2.5, a, b, np.full(n, 0.4))[:, ::2] + 0.3 * rng.normal(size=(n, 41))
    found = fit_arrays(MODEL, PARAMS, X[::2], y, sigma=0.3, shared=SHARED, component_curves=False)
    assert found.shared.status == 0
    pull = (found.shared.value - [8.0, 2.5]) / found.shared.sigma
    assert (np.abs(pull) < 4).all()
    at = found.parameters.index("a_area")
    covered = np.abs((found.value[:, at] - a) / found.sigma[:, at]) < 1
    assert 0.66 < covered.mean() < 0.70


@pytest.mark.parametrize(
    "poisson", [False, pytest.param(True, marks=pytest.mark.long)], ids=["sigma", "counts"]
)
def test_one_sigma_of_shared_and_own_parameters_covers(poisson):
    """600 joint fits of four noisy spectra each."""
    rng = np.random.default_rng(7)
    truth = {"a_position": 8.0, "a_fwhm": 2.5, "a_area": 60.0, "b_area": 90.0, "c0": 6.0}
    y = np.broadcast_to(curve(8.0, 2.5, 60.0, 90.0, 6.0), (600, 4, X.size))
    y = rng.poisson(y).astype(float) if poisson else y + 2.0 * rng.normal(size=y.shape)
    weights = {"poisson": True} if poisson else {"sigma": 2.0}
    found = fit_arrays(MODEL, PARAMS, X, y, shared=SHARED, component_curves=False, **weights)
    for name, value in truth.items():
        at = found.parameters.index(name)
        pull = (found.value[..., at] - value) / found.sigma[..., at]
        assert abs(pull.mean()) < 0.15, name
        assert 0.63 < (np.abs(pull) < 1).mean() < 0.73, name


def test_moves_of_the_data_widen_as_many_joint_fits_with_moved_data_do():
    """Independent offsets of each spectrum, propagated, against the scatter of joint fits with such offsets drawn."""
    data = series(4, noise=0.02, seed=2)
    y, move = data.intensity.values, 0.2 * gauss(X, 9.0, 5.0, 3.0) * np.ones((4, 1))
    found = fit_arrays(MODEL, PARAMS, X, y, sigma=0.02, shared=SHARED, moves=(move,))
    still = fit_arrays(MODEL, PARAMS, X, y, sigma=0.02, shared=SHARED)
    drawn = y + np.random.default_rng(3).normal(size=(500, 4, 1)) * move
    many = fit_arrays(MODEL, PARAMS, X, drawn, sigma=0.02, shared=SHARED, component_curves=False)
    scatter = np.hypot(many.value.std(0), still.sigma)
    np.testing.assert_allclose(found.sigma, scatter, rtol=0.12)
    np.testing.assert_allclose(
        found.shared.sigma, np.hypot(many.shared.value.std(0), still.shared.sigma), rtol=0.12
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"shared": ("a_positon",)}, "no parameter; did you mean 'a_position'"),
        ({"shared": ("b_fwhm",)}, "fixed or given by an expression: share what is varied"),
        ({"shared": ("a_fwhm", "a_fwhm")}, "names a parameter twice"),
        ({"shared": SHARED, "along": "dephts"}, "no dimension of the series; did you mean 'depth'"),
        ({"shared": SHARED}, "say along which of them the parameters are shared"),
        ({"along": "depth"}, "name shared parameters, or say start='previous'"),
        ({"shared": "a_fwhm"}, "shared must be a valid tuple"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        spectra.fit(maps(), model=MODEL, params=PARAMS, **options)


def test_what_cannot_be_shared_is_refused():
    with pytest.raises(ValueError, match="no meaning for a single spectrum"):
        spectra.fit(series().isel(depth=0), model=MODEL, params=PARAMS, shared=SHARED)
    with pytest.raises(ValueError, match="no meaning for a single spectrum"):
        fit_arrays(MODEL, PARAMS, X, series().intensity.values[0], shared=SHARED)

    def plateau(x, level):
        return level + 0 * x

    with pytest.raises(ValueError, match="shared needs a model that the engine can express"):
        spectra.fit(series(), model=lmfit.Model(plateau), params={"level": 1.0}, shared=("level",))
