"""Deconvolution: the truth comes back, with the uncertainty that is stated, from one spectrum or a series."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import spectra
import xps
from spectra.dataset import flag_names
from spectra.errors import InvalidInput
from spectra.fitting.asymmetric import doniach
from spectra.fitting.lineshapes import sgl

X = np.linspace(632, 662, 301)
STATES = ("Mn3+", "Mn4+")
#: LiNi0.5Mn1.5O4: positions and splittings printed in 10.1039/d4sc02754j.
TRUTH = {"Mn3+": (641.2, 11.3), "Mn4+": (642.7, 11.5)}
OPTIONS = {
    "states": STATES,
    "positions": {s: p for s, (p, _) in TRUTH.items()},
    "splittings": {s: d for s, (_, d) in TRUTH.items()},
}
FWHM, FACTOR = 1.8, 1.2


def lines(fraction3, total=20000.0, x=X):
    """Mn 2p of two states: two linked doublets of one width."""
    fraction3 = np.asarray(fraction3)[..., None]
    curve = 0.0
    for share, (position, splitting) in zip((fraction3, 1 - fraction3), TRUTH.values(), strict=True):
        curve = curve + share * sgl(x, position, total / 1.5, FWHM, 0.3)
        curve = curve + share * sgl(x, position + splitting, total / 3, FWHM * FACTOR, 0.3)
    return curve


def sloping(x=X):
    return 2000 + 8.0 * (x - x[0])


def dataset(y, x=X, dims=(), **attrs):
    stored = {"technique": "xps", "region": "Mn 2p", "element": "Mn", **attrs}
    return spectra.from_arrays(
        x, y, axis="binding_energy", name="counts", units="counts", dims=dims, attrs=stored
    )


def known_background(y, **more):
    """A series whose background is known: net counts, and counts whose variance is that of the measurement."""
    data = dataset(y, **more)
    data["background"] = (("binding_energy",), sloping(), {"units": "counts"})
    data["net"] = (data.counts - data.background).assign_attrs(units="counts")
    return data


class TestRecovery:
    @pytest.mark.parametrize("background", ["linear", "shirley"])
    def test_truth_without_noise(self, background, frozen):
        peaks = lines(0.3)
        step = 0.04 * np.cumsum(peaks) * 0.1 if background == "shirley" else 8.0 * (X - X[0])
        data = dataset(frozen(peaks + 2000 + step))
        result = xps.deconvolve(data, background=background, **OPTIONS)
        assert result.status == 0
        # the tails of the lines reach the ends of the window: a static background takes its share of them
        assert float(result.fraction.sel(state="Mn3+")) == pytest.approx(0.3, abs=0.01)
        assert float(result.mean_valence) == pytest.approx(3.7, abs=0.01)
        np.testing.assert_allclose(result.position, [641.2, 652.5, 642.7, 654.2], atol=0.02)
        np.testing.assert_allclose(result.fwhm, [FWHM, FWHM * FACTOR] * 2, rtol=0.03)

    def test_truth_with_known_background_is_exact(self):
        result = xps.deconvolve(known_background(lines(0.3) + sloping()), **OPTIONS)
        np.testing.assert_allclose(result.fraction, [0.3, 0.7], rtol=1e-6)
        np.testing.assert_allclose(result.position, [641.2, 652.5, 642.7, 654.2], rtol=1e-8)
        np.testing.assert_allclose(result.area, np.array([0.3, 0.15, 0.7, 0.35]) * 20000 / 1.5, rtol=1e-6)
        np.testing.assert_allclose(result.component_curve.sum("component"), result.best_fit, rtol=1e-9)
        np.testing.assert_allclose(result.net - result.best_fit, result.residual, atol=1e-6)
        assert list(result.component.values) == ["Mn3+ 2p3/2", "Mn3+ 2p1/2", "Mn4+ 2p3/2", "Mn4+ 2p1/2"]
        assert list(result.state.values) == list(STATES)
        assert result.position.attrs["units"] == "eV"

    def test_a_series_is_a_loop(self, rng):
        y = rng.poisson(lines([0.1, 0.5, 0.9]) + sloping())
        series = xps.deconvolve(dataset(y, dims=("scan",)), background="linear", **OPTIONS)
        assert series.fraction.dims == ("scan", "state")
        for i in range(3):
            alone = xps.deconvolve(dataset(y[i]), background="linear", **OPTIONS)
            for name in ("fraction", "fraction_sigma", "position", "position_sigma", "area", "mean_valence"):
                np.testing.assert_allclose(series[name][i], alone[name], rtol=1e-6, atol=1e-9)

    def test_lazy_series_give_the_same(self, rng):
        y = rng.poisson(lines([0.1, 0.5, 0.9]) + sloping())
        data = xps.subtract_background(dataset(y, dims=("scan",)), method="linear")
        lazy = xps.deconvolve(data.chunk(scan=1), **OPTIONS)
        assert lazy.best_fit.chunks is not None
        eager = xps.deconvolve(data, **OPTIONS)
        for name in ("fraction", "mean_valence", "position_sigma", "status"):
            np.testing.assert_allclose(lazy[name].compute(), eager[name], rtol=1e-8)


def shares(pull):
    return [float((np.abs(pull) < k).mean()) for k in (1, 2)]


EXPECTED = [stats.norm.cdf(k) - stats.norm.cdf(-k) for k in (1, 2)]


def assert_covered(result, n, generous=0.0, **truth):
    """The share of spectra whose truth lies within one and two sigma, three binomial deviations allowed.

    ``generous`` is how much larger the share may be: sigma is then too large, never too small.
    """
    for name, value in truth.items():
        found = shares((result[name] - value) / result[f"{name}_sigma"])
        for share, expected in zip(found, EXPECTED, strict=True):
            allowed = 3 * np.sqrt(expected * (1 - expected) / n)
            assert expected - allowed < share < expected + allowed + generous, (name, found)


class TestCoverage:
    def test_known_background(self, rng):
        n = 300
        result = xps.deconvolve(
            known_background(rng.poisson(lines(0.4) + sloping(), (n, X.size)), dims=("scan",)), **OPTIONS
        )
        assert_covered(
            result.isel(state=0, component=0),
            n,
            fraction=0.4,
            mean_valence=3.6,
            area=0.4 * 20000 / 1.5,
            fwhm=FWHM,
        )

    @pytest.mark.long
    @pytest.mark.parametrize("total", [4000.0, 20000.0])
    def test_known_background_at_length(self, rng, total):
        n = 3000
        y = rng.poisson(lines(0.4, total) + sloping(), (n, X.size))
        result = xps.deconvolve(known_background(y, dims=("scan",)), **OPTIONS).isel(state=0, component=0)
        assert_covered(
            result, n, fraction=0.4, mean_valence=3.6, area=0.4 * total / 1.5, fwhm=FWHM, position=641.2
        )
        assert float(result.redchi.mean()) == pytest.approx(1, abs=0.02)

    @pytest.mark.long
    @pytest.mark.parametrize("total", [4000.0, 20000.0])
    @pytest.mark.parametrize("method", ["linear", "shirley"])
    def test_background_with_the_noise_of_its_ends(self, rng, method, total):
        """Lines without tails at the ends, so that the background is what the method assumes, but for noise."""
        n = 2000
        compact = np.where(np.abs(X - 647) < 12, lines(0.4, total), 0)
        truth = sloping() if method == "linear" else 2000 + 0.04 * np.cumsum(compact) * 0.1
        data = xps.subtract_background(
            dataset(rng.poisson(compact + truth, (n, X.size)), dims=("scan",)), method=method
        )
        result = xps.deconvolve(data, **OPTIONS).isel(state=0, component=0)
        fine = result.isel(scan=np.flatnonzero(~np.isnan(result.fraction)))
        assert fine.sizes["scan"] > 0.98 * n
        expected = {"fraction": 0.4, "mean_valence": 3.6, "area": 0.4 * total / 1.5, "position": 641.2}
        # in weak spectra some Shirley backgrounds are close to having no solution: their sigma is large
        generous = 0.04 if (method, total) == ("shirley", 4000.0) else 0.0
        assert_covered(fine, fine.sizes["scan"], generous, **expected)

    def test_without_the_noise_of_the_ends_widths_would_be_too_sure(self, rng):
        """The check above can fail: with the background taken as known, sigma of the width is far too small."""
        compact = np.where(np.abs(X - 647) < 12, lines(0.4), 0)
        data = dataset(rng.poisson(compact + sloping(), (300, X.size)), dims=("scan",))
        honest = xps.subtract_background(data, method="linear")
        bold = honest.copy()
        bold["background"] = bold["background"].drop_attrs()
        pulls = {}
        for name, given in (("honest", honest), ("bold", bold)):
            result = xps.deconvolve(given, **OPTIONS).isel(component=0)
            pulls[name] = shares((result.fwhm - FWHM) / result.fwhm_sigma)[0]
        assert pulls["honest"] == pytest.approx(0.683, abs=0.09)
        assert pulls["bold"] < 0.5


class TestCalibration:
    def test_the_uncertainty_of_the_scale_goes_into_positions(self):
        data = known_background(lines(0.3) + sloping())
        plain = xps.deconvolve(data, **OPTIONS)
        moved = xps.deconvolve(xps.calibrate(data, shift=0.0, sigma=0.2), **OPTIONS)
        np.testing.assert_allclose(moved.position_sigma, np.hypot(plain.position_sigma, 0.2), rtol=1e-6)
        np.testing.assert_allclose(moved.best_value_sigma, plain.best_value_sigma, rtol=1e-6)
        assert any("include charge_shift_sigma" in n for n in moved.spectra.history[-1]["notes"])

    def test_a_scale_that_was_not_found_leaves_positions_without_uncertainty(self, rng):
        data = known_background(lines([0.3, 0.3]) + sloping(), dims=("scan",))
        data["charge_shift_sigma"] = ("scan", [0.2, np.nan], {"units": "eV"})
        result = xps.deconvolve(data, **OPTIONS)
        assert np.isfinite(result.position_sigma[0]).all()
        assert np.isnan(result.position_sigma[1]).all()


class TestComponents:
    own = (
        {
            "name": "main",
            "position": {"value": 641.5, "min": 640, "max": 643},
            "fwhm": {"value": 2, "min": 0.5, "max": 5},
        },
        {
            "name": "second",
            "partner": "main",
            "splitting": {"value": 11.3, "min": 10, "max": 13},
            "area_ratio": 0.5,
            "width_factor": {"value": 1.1, "min": 0.9, "max": 2},
        },
    )

    def test_states_in_one_place_are_unsure_by_all_that_is_possible(self, rng):
        """A fraction that cannot be negative is no further from the truth than the farther of 0 and 1."""
        data = known_background(rng.poisson(lines([0.2, 0.9]) + sloping()), dims=("scan",))
        one = {
            "states": STATES,
            "positions": {"Mn3+": 641.6, "Mn4+": 641.602},
            "splittings": dict.fromkeys(STATES, 11.4),
            "position_range": 0.0,
        }
        found = xps.deconvolve(data, **one)
        reach = np.maximum(found.fraction, 1 - found.fraction)
        np.testing.assert_allclose(found.fraction_sigma, reach)
        np.testing.assert_allclose(
            found.mean_valence_sigma, np.maximum(found.mean_valence - 3, 4 - found.mean_valence)
        )
        area = {"area": {"value": 1e4, "min": -1e7, "max": 1e7}}
        negative = xps.deconvolve(data, changes={f"{state} 2p3/2": area for state in STATES}, **one)
        assert float(negative.fraction_sigma.min()) > 1

    def test_own_components_without_states(self):
        one = 30 * sgl(X, 641.3, 100.0, 2.2, 0.3) + 30 * sgl(X, 653.0, 50.0, 2.6, 0.3)
        result = xps.deconvolve(known_background(one + sloping()), components=self.own)
        np.testing.assert_allclose(result.position, [641.3, 653.0], rtol=1e-7)
        np.testing.assert_allclose(result.fwhm, [2.2, 2.6], rtol=1e-5)
        assert "fraction" not in result
        assert "mean_valence" not in result
        assert "kept where they were put" not in str(result.spectra.history[-1]["notes"])

    def test_states_without_valence_have_fractions_only(self):
        own = (
            {"name": "a", "state": "lattice", "position": 641.2, "fwhm": 1.8},
            {"name": "b", "state": "other", "position": 652.5, "fwhm": 2.16},
        )
        data = known_background(sgl(X, 641.2, 300.0, 1.8, 0.3) + sgl(X, 652.5, 100.0, 2.16, 0.3) + sloping())
        result = xps.deconvolve(data, components=own)
        np.testing.assert_allclose(result.fraction, [0.75, 0.25], rtol=1e-6)
        assert "mean_valence" not in result
        assert "kept where they were put, because their position is a plain number: a, b" in str(
            result.spectra.history[-1]["notes"]
        )

    def test_asymmetric_shapes(self):
        own = (
            {"name": "a", "shape": "la", "position": 642.0, "fwhm_l": 1.5, "fwhm_g": 0.8, "a": 0.9, "b": 1.3},
        )
        result = xps.deconvolve(known_background(lines(0.3) + sloping()), components=own)
        assert float(result.maximum[0]) > 642.0
        assert np.isfinite(result.area_sigma).all()

    def test_nothing_varied_is_drawn(self):
        own = (
            {"name": "a", "state": "x", "valence": 2, "position": 641.2, "fwhm": 1.8, "area": 300.0},
            {"name": "b", "partner": "a", "splitting": 11.3, "area_ratio": 0.5, "width_factor": 1.2},
        )
        data = known_background(lines([0.3, 0.6]) + sloping(), dims=("scan",))
        result = xps.deconvolve(data, components=own, vary=False)
        expected = sgl(X, 641.2, 300.0, 1.8, 0.3) + sgl(X, 652.5, 150.0, 2.16, 0.3)
        np.testing.assert_allclose(result.best_fit, np.stack([expected] * 2), rtol=1e-9)
        np.testing.assert_allclose(result.residual, data.net - result.best_fit)
        np.testing.assert_allclose(result.fwhm[1], [1.8, 2.16], rtol=1e-9)
        np.testing.assert_allclose(result.fraction, 1)
        np.testing.assert_allclose(result.mean_valence, 2)
        assert not [
            n for n in result.data_vars if str(n).startswith(("position_sigma", "area_sigma", "covariance"))
        ]

    @pytest.mark.parametrize("vary", [True, False])
    def test_lines_without_area_are_fitted_and_drawn(self, vary):
        shape = {"fwhm_l": 0.6, "asymmetry": 0.1, "fwhm_g": 1.1}
        truth = doniach(X, 641.2, 900.0, *shape.values()) + doniach(X, 652.5, 450.0, *shape.values())
        start = {} if vary else {"amplitude": 900.0}
        own = (
            {"name": "a", "shape": "doniach", "position": 641.2, **shape, **start},
            {"name": "b", "partner": "a", "splitting": 11.3, "area_ratio": 0.5},
        )
        result = xps.deconvolve(known_background(truth + sloping()), components=own, vary=vary)
        np.testing.assert_allclose(result.best_fit, truth, atol=0.05)
        np.testing.assert_allclose(result.height[1] / result.height[0], 0.5, rtol=1e-3)
        assert np.isnan(result.area).all()

    def test_rates_are_fitted_like_counts(self, rng):
        y = rng.poisson(lines(0.4) + sloping())
        counted = xps.deconvolve(dataset(y), background="linear", **OPTIONS)
        seconds = {"dwell_time": 0.5, "sweeps": 4, "technique": "xps", "element": "Mn"}
        rate = spectra.from_arrays(
            X, y / 2, axis="binding_energy", name="counts", units="counts/s", attrs=seconds
        )
        rated = xps.deconvolve(rate, background="linear", **OPTIONS)
        np.testing.assert_allclose(rated.area, counted.area / 2, rtol=1e-5)
        np.testing.assert_allclose(rated.fraction_sigma, counted.fraction_sigma, rtol=1e-4)

    def test_the_result_continues_in_lmfit(self, rng):
        data = dataset(rng.poisson(lines([0.4, 0.6]) + sloping()), dims=("scan",))
        result = xps.deconvolve(data, background="linear", **OPTIONS)
        fitted = spectra.to_lmfit(result, scan=1)
        assert fitted.params["mn3_2p3_2_area"].value == pytest.approx(float(result.area[1, 0]), rel=1e-4)
        assert fitted.redchi == pytest.approx(float(result.redchi[1]), rel=1e-4)


class TestBadInput:
    def test_bad_spectra_are_flagged_and_the_others_are_not_touched(self, rng):
        y = rng.poisson(lines([0.3] * 4) + sloping()).astype(float)
        good = xps.deconvolve(dataset(y, dims=("scan",)), background="linear", **OPTIONS)
        y[1, 100], y[2] = np.nan, 0.0
        result = xps.deconvolve(dataset(y, dims=("scan",)), background="linear", **OPTIONS)
        assert "counts_not_finite" in flag_names(result, scan=1)
        assert np.isnan(result.fraction[1]).all()
        assert not np.isfinite(result.fraction_sigma[2]).all()  # no counts: nothing is known of fractions
        for i in (0, 3):
            assert flag_names(result, scan=i) == []
            np.testing.assert_array_equal(result.fraction[i], good.fraction[i])

    @pytest.mark.parametrize(
        ("options", "sentence"),
        [
            ({}, "takes either states or components; give one of them"),
            ({"states": STATES, "components": TestComponents.own}, "takes either states or components"),
            (
                {"states": STATES},
                "fits the variable 'net', which is not there: call xps.subtract_background first",
            ),
            ({"states": ("Fe3+",)}, r"states Fe3\+ are of Fe 2p, and this dataset is the region 'Mn 2p'"),
            ({"states": ("Mn9+",)}, r"no state 'Mn9\+'"),
            ({"states": ("Mn(IV)",)}, r"no state 'Mn\(IV\)'.*: Mn 2p satellite, .*, Mn4\+\. Others"),
            (
                {"components": TestComponents.own, "positions": {"a": 1.0}},
                "positions and splittings belong to states",
            ),
            ({"components": "casaxps"}, "the file read held none"),
            ({"components": "casa"}, "components must be 'casaxps' or"),
            (
                {"states": STATES, "background": "linear", "window": (634.0, 648.0)},
                r"the line 'Mn3\+ 2p1/2' at 653.2 eV lies outside what is fitted, 634.0 to 648.0 eV",
            ),
            (
                {"states": STATES, "background": "linear", "window": (641.0, 641.3)},
                "holds 4 points .* needs at least 15",
            ),
            (
                {"states": STATES, "background": "linear", "shape": "lf"},
                "states cannot be drawn with the shape 'lf'",
            ),
        ],
    )
    def test_misuse_is_one_sentence(self, options, sentence):
        with pytest.raises(InvalidInput, match=sentence):
            xps.deconvolve(dataset(lines(0.3) + sloping()), **options)

    def test_too_few_points_for_the_parameters(self):
        data = known_background(lines(0.3) + sloping())
        with pytest.raises(
            InvalidInput, match=r"holds 4 points, and 6 parameters are fitted: widen the window"
        ):
            xps.deconvolve(data, states=STATES, window=(641.0, 641.3))

    def test_a_region_without_a_name_is_recognised_by_its_energies(self):
        data = dataset(np.ones(561), np.linspace(694, 750, 561))
        data.attrs = {"signal": "counts", "technique": "xps"}
        with pytest.raises(
            InvalidInput, match="at 641.6 eV lies outside what is fitted, 694.0 to 750.0 eV: is this"
        ):
            xps.deconvolve(data, states=("Mn3+",), background="linear")
