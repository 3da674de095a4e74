"""Peaks with Shirley backgrounds of their own: derivatives, recovery, coverage, and lmfit on the same model."""

import numpy as np
import pytest

import spectra
from spectra.errors import InvalidInput
from spectra.fitting import fit_arrays, shape_model
from spectra.fitting.lineshapes import voigt

X = np.linspace(634.0, 662.0, 281)
MODEL = (
    {"shape": "voigt", "prefix": "a_", "background": "shirley"},
    {"shape": "voigt", "prefix": "b_", "background": "shirley"},
    {"shape": "polynomial", "degree": 0},
)
TIES = {"b_fwhm_g": {"expr": "a_fwhm_g"}, "b_fwhm_l": {"expr": "a_fwhm_l"}}
START = {
    "a_position": {"value": 641.0, "min": 639.0, "max": 643.0}, "b_position": {"value": 653.3, "min": 651, "max": 656},
    "a_area": 1000.0, "b_area": 1000.0, "a_fwhm_g": {"value": 2.0, "min": 0.1}, "a_fwhm_l": {"value": 0.5, "min": 0.0},
    "c0": 100.0, **TIES,
}  # fmt: skip
TRUTH = {"a": (641.6, 8000.0, 0.012), "b": (653.2, 4000.0, 0.03)}
COMMON = {"b_shirley": {"expr": "a_shirley"}}


def area_below(curve):
    """Slow and obvious: the trapezoid up to each point."""
    return np.array([np.trapezoid(curve[: i + 1], X[: i + 1]) for i in range(X.size)])


def truth(common=False):
    total = np.full(X.size, 120.0)
    for position, area, strength in TRUTH.values():
        peak = voigt(X, position, area, 2.2, 0.7)
        total += peak + (0.012 if common else strength) * area_below(peak)
    return total


@pytest.mark.parametrize("common", [False, True])
def test_a_spectrum_without_noise_gives_the_truth(common):
    params = START | (COMMON if common else {})
    fitted = fit_arrays(MODEL, params, X, truth(common))
    values = dict(zip(fitted.parameters, fitted.value, strict=True))
    for name, (position, area, strength) in TRUTH.items():
        assert values[f"{name}_position"] == pytest.approx(position, abs=1e-6)
        assert values[f"{name}_area"] == pytest.approx(area, rel=1e-6)
        assert values[f"{name}_shirley"] == pytest.approx(0.012 if common else strength, rel=1e-5)
    np.testing.assert_allclose(fitted.best_fit, truth(common), rtol=1e-7)
    # a component is the peak alone: what stands above it in the fit is background
    np.testing.assert_allclose(
        fitted.component_curve[0], voigt(X, 641.6, 8000.0, 2.2, 0.7), rtol=1e-5, atol=1e-3
    )
    assert fitted.quantity["height"][0] == pytest.approx(fitted.component_curve[0].max(), rel=1e-3)


def test_lmfit_finds_the_same(rng):
    y = rng.poisson(truth()).astype(float)
    sigma = np.sqrt(np.maximum(y, 1))
    fitted = fit_arrays(MODEL, START, X, y, sigma=sigma)
    model = shape_model("voigt", prefix="a_", background="shirley")
    model = (
        model + shape_model("voigt", prefix="b_", background="shirley") + shape_model("polynomial", degree=0)
    )
    params = model.make_params()
    for name, setting in START.items():
        params[name].set(**(setting if isinstance(setting, dict) else {"value": setting}))
    peer = model.fit(y, params, x=X, weights=1 / sigma, scale_covar=False)
    assert fitted.chi2 == pytest.approx(peer.chisqr, rel=1e-7)
    for name, value, spread in zip(fitted.parameters, fitted.value, fitted.sigma, strict=True):
        assert value == pytest.approx(peer.params[name].value, abs=0.01 * max(spread, 1e-9)), name
        if peer.params[name].stderr:
            assert spread == pytest.approx(peer.params[name].stderr, rel=0.01), name
    again = fit_arrays(model, params, X, y, sigma=sigma)  # read back from lmfit
    assert again.model.components[0].options == {"background": "shirley"}
    assert again.chi2 == pytest.approx(fitted.chi2, rel=1e-9)


def test_the_uncertainties_cover(rng):
    """Background fitted with the peaks: areas and strengths, from counts."""
    draws = rng.poisson(truth(), size=(1500, X.size)).astype(float)
    fitted = fit_arrays(MODEL, START, X, draws, poisson=True)
    for name, (position, area, strength) in TRUTH.items():
        for quantity, value in (("position", position), ("area", area), ("shirley", strength)):
            at = fitted.parameters.index(f"{name}_{quantity}")
            pull = (fitted.value[:, at] - value) / fitted.sigma[:, at]
            assert abs(np.nanmean(pull)) < 0.25, (name, quantity)
            assert 0.63 < (abs(pull) < 1).mean() < 0.73, (name, quantity)


def test_on_datasets_and_back_to_lmfit(rng):
    data = spectra.from_arrays(X, rng.poisson(truth(), size=(2, X.size)).astype(float), axis="binding_energy",
                               name="counts", units="counts", dims=("scan",))  # fmt: skip
    fitted = spectra.fit(data, model=MODEL, params=START, weights="poisson")
    background = fitted.best_fit - fitted.component_curve.sum("component")
    assert (background.diff("binding_energy") > -1e-9).all()
    result = spectra.to_lmfit(fitted, scan=1)
    assert result.params["a_area"].value == pytest.approx(float(fitted.area[1, 0]), rel=1e-3)


LOSS = (551.0, 436.0, 3.0, -1.0)


@pytest.mark.parametrize(("background", "strength"), [("slope", 0.002), ("tougaard", 250.0)])
def test_other_tails(background, strength, rng):
    """A slope is the integral of the step, and losses are a sum over the peak: truth, lmfit and counts."""
    peak = voigt(X, 641.6, 8000.0, 2.2, 0.7)
    if background == "slope":
        tail = area_below(area_below(peak))
    else:
        fine = np.linspace(
            X[0], X[-1], 20 * (X.size - 1) + 1
        )  # slow and obvious: the integral on a fine grid
        drawn = voigt(fine, 641.6, 8000.0, 2.2, 0.7)
        lost = X[:, None] - fine
        section = np.where(lost >= 3.0, lost / ((551.0 - lost**2) ** 2 + 436.0 * lost**2), 0.0)
        tail = np.trapezoid(section * drawn, fine, axis=-1)
    curve = 120.0 + peak + strength * tail
    options = {"background": background} | ({"loss": LOSS} if background == "tougaard" else {})
    model = ({"shape": "voigt", "prefix": "a_", **options}, {"shape": "polynomial", "degree": 0})
    params = {k: v for k, v in START.items() if k.startswith(("a_", "c0"))}
    fitted = fit_arrays(model, params, X, curve)
    values = dict(zip(fitted.parameters, fitted.value, strict=True))
    assert values[f"a_{background}"] == pytest.approx(strength, rel=1e-3)
    assert values["a_area"] == pytest.approx(8000.0, rel=1e-4)

    y = rng.poisson(curve).astype(float)
    sigma = np.sqrt(np.maximum(y, 1))
    ours = fit_arrays(model, params, X, y, sigma=sigma)
    peer = shape_model("voigt", prefix="a_", **options) + shape_model("polynomial", degree=0)
    start = peer.make_params()
    for name, setting in params.items():
        start[name].set(**(setting if isinstance(setting, dict) else {"value": setting}))
    theirs = peer.fit(y, start, x=X, weights=1 / sigma, scale_covar=False)
    assert ours.chi2 == pytest.approx(theirs.chisqr, rel=1e-6)
    at = ours.parameters.index(f"a_{background}")
    assert ours.sigma[at] == pytest.approx(theirs.params[f"a_{background}"].stderr, rel=0.02)
    again = fit_arrays(peer, start, X, y, sigma=sigma)  # read back from lmfit
    assert again.chi2 == pytest.approx(ours.chi2, rel=1e-9)


@pytest.mark.parametrize(
    ("component", "sentence"),
    [
        ({"shape": "voigt", "background": "step"}, "a peak may have 'shirley'"),
        ({"shape": "voigt", "background": "tougaard"}, "needs the numbers"),
        (
            {"shape": "voigt", "background": "shirley", "loss": (551.0, 436.0, 0.0, -1.0)},
            "no other background",
        ),
        ({"shape": "erf_step", "background": "shirley"}, "other shapes none"),
    ],
)
def test_other_backgrounds_are_refused(component, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        fit_arrays((component,), {}, X, truth())
