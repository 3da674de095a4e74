"""Baselines: a contract that every compiled algorithm keeps, pybaselines by name, the verb, bad input."""

import warnings

import h5py
import numpy as np
import pytest
from pybaselines import Baseline

import spectra
from spectra.dataset import flag_names
from spectra.preprocessing import (
    Baselines,
    baseline_methods,
    pybaselines_curves,
    snip_baselines,
    whittaker_baselines,
)

LAM = {"asls": 1e5, "arpls": 1e5, "airpls": 1e5}


def some_spectra(rng, count=40, n=300):
    """Bands of several widths on fluorescence, with Poisson noise: (count, n), and the fluorescence."""
    x = np.linspace(0, 1, n)
    glow = rng.uniform(500, 4000, (count, 1)) * np.exp(-rng.uniform(0.5, 3, (count, 1)) * x) + 200
    bands = sum(
        rng.uniform(100, 3000, (count, 1)) / (1 + ((x - rng.uniform(0.1, 0.9, (count, 1))) / w) ** 2)
        for w in (0.006, 0.012, 0.02)
    )
    return rng.poisson(glow + bands).astype(float), glow


def peer(method, y, **options):
    """Pybaselines, one spectrum at a time."""
    fitter = Baseline(np.arange(y.shape[-1], dtype=float))
    return np.stack([getattr(fitter, method)(row, **options)[0] for row in y])


class CompiledContract:
    """What every compiled baseline promises; a new one inherits this."""

    method: str
    options: dict

    def run(self, y, **options):
        raise NotImplementedError

    def test_equals_pybaselines_on_random_spectra(self, rng, frozen):
        y = frozen(some_spectra(rng)[0])
        expected = peer(self.method, y, **self.options)
        np.testing.assert_allclose(self.run(y).baseline, expected, rtol=0, atol=1e-6 * np.ptp(y))

    def test_equals_pybaselines_on_measured_spectra(self, data_dir):
        with h5py.File(data_dir / "raman/map_plastics_29x287x672.h5") as file:
            y = file["intensity"][14, 100:140].astype(float)
        y = y[np.isfinite(y).all(1) & (np.ptp(y, axis=1) > 0)]
        assert len(y) > 30
        expected = peer(self.method, y, **self.options)
        off = np.abs(self.run(y).baseline - expected).max(1) / np.ptp(y, axis=1)
        assert off.max() < 1e-6

    def test_a_series_equals_a_loop_and_any_leading_shape(self, rng):
        y = some_spectra(rng, 36)[0]
        whole = self.run(y.reshape(3, 12, -1)).baseline.reshape(y.shape)
        for i in (0, 17, 35):
            np.testing.assert_array_equal(self.run(y[i]).baseline, whole[i])

    def test_threads_change_nothing(self, rng):
        y = some_spectra(rng, 1100, 60)[0]
        np.testing.assert_array_equal(self.run(y, workers=2).baseline, self.run(y, workers=1).baseline)

    def test_reversed_spectra_have_reversed_baselines(self, rng):
        y = some_spectra(rng, 8)[0]
        off = self.run(y[:, ::-1]).baseline[:, ::-1] - self.run(y).baseline
        assert np.abs(off).max() < 1e-6 * np.ptp(y)

    @pytest.mark.parametrize("scale", [1e-9, 0.37, 1e6])
    def test_scales_with_the_intensity(self, rng, scale):
        y = some_spectra(rng, 8)[0]
        scaled, plain = self.run(scale * y).baseline, self.run(y).baseline
        np.testing.assert_allclose(scaled, scale * plain, rtol=0, atol=1e-7 * scale * np.ptp(y))

    def test_missing_points_weigh_nothing(self, rng):
        y, _ = some_spectra(rng, 3)
        spoiled = y.copy()
        spoiled[:, 100:104] = 1e6
        holes = np.where(np.arange(y.shape[1]) // 4 == 25, np.nan, y)
        clean, filled = self.run(y), self.run(holes)
        assert np.isfinite(filled.baseline).all()
        assert np.abs(filled.baseline - clean.baseline).max() < 0.02 * np.ptp(y)
        # what a missing point would have held makes no difference
        for hole in (np.nan, np.inf, -np.inf):
            other = np.where(np.isnan(holes), hole, spoiled)
            np.testing.assert_array_equal(self.run(other).baseline, filled.baseline)

    def test_a_lost_spectrum_is_nan_and_its_neighbours_are_not_touched(self, rng):
        y = some_spectra(rng, 5)[0]
        bad = y.copy()
        bad[2], bad[3, 4:] = np.nan, np.nan
        got = self.run(bad)
        assert got.failed.tolist() == [False, False, True, True, False]
        assert np.isnan(got.baseline[2:4]).all()
        np.testing.assert_array_equal(got.baseline[[0, 1, 4]], self.run(y).baseline[[0, 1, 4]])

    def test_zeros_constants_and_negative_intensities_pass(self):
        x = np.linspace(0, 1, 50)
        y = np.stack([0 * x, 0 * x + 7, -100 + 20 * x, 1e-30 * (1 + x)])
        got = self.run(y)
        assert not got.failed.any()
        np.testing.assert_allclose(got.baseline, y, atol=1e-6 * np.abs(y).max(1, keepdims=True).max())

    def test_a_few_points_are_enough_and_fewer_fail(self):
        assert not self.run(np.array([1.0, 2, 3, 4, 5])).failed
        assert self.run(np.array([1.0, 2, 3, 4])).failed

    def test_takes_whole_numbers_and_single_precision(self, rng):
        y = some_spectra(rng, 3)[0]
        for kind in (np.int32, np.float32, np.uint16):
            np.testing.assert_allclose(self.run(y.astype(kind)).baseline, self.run(y).baseline)


class WhittakerContract(CompiledContract):
    """What the penalised ones promise beside."""

    @property
    def options(self):
        return {"lam": LAM[self.method]}

    def run(self, y, **options):
        return whittaker_baselines(y, method=self.method, **self.options, **options)

    @pytest.mark.parametrize("lam", [1e3, 1e5, 1e7])
    def test_equals_pybaselines_whatever_the_stiffness(self, rng, lam):
        y = some_spectra(rng, 6)[0]
        got = whittaker_baselines(y, method=self.method, lam=lam).baseline
        np.testing.assert_allclose(got, peer(self.method, y, lam=lam), rtol=0, atol=1e-6 * np.ptp(y))

    def test_says_whether_it_settled_as_pybaselines_does(self, rng):
        y = some_spectra(rng, 20)[0]
        fitter = Baseline(np.arange(y.shape[1]))
        for limit in (2, 50):
            history = [
                getattr(fitter, self.method)(row, lam=LAM[self.method], max_iter=limit)[1]["tol_history"]
                for row in y
            ]
            got = self.run(y, max_iter=limit)
            assert got.converged.tolist() == [bool(h[-1] < 1e-3) for h in history]

    @pytest.mark.parametrize(
        ("options", "sentence"),
        [
            ({"lam": 0.0}, "lam is above zero, got 0"),
            ({"lam": np.nan}, "lam is above zero, got nan"),
            ({"tol": -1.0}, "tol is above zero"),
            ({"p": 1.5}, "p is a weight between 0 and 1, got 1.5"),
            ({"max_iter": -1}, "max_iter counts steps"),
        ],
    )
    def test_senseless_options_are_refused(self, options, sentence):
        with pytest.raises(ValueError, match=sentence):
            whittaker_baselines(np.ones(10), method=self.method, **options)


class TestAsls(WhittakerContract):
    method = "asls"


class TestArpls(WhittakerContract):
    method = "arpls"


class TestAirpls(WhittakerContract):
    method = "airpls"


class TestSnip(CompiledContract):
    method = "snip"
    options = {"max_half_window": 40}  # noqa: RUF012

    def run(self, y, **options):
        baseline = snip_baselines(y, **self.options, **options)
        failed = ~np.isfinite(baseline).all(-1)
        return Baselines(baseline, ~failed, failed)

    @pytest.mark.parametrize("decreasing", [False, True])
    @pytest.mark.parametrize("window", [1, 7, 149, 1000])
    def test_equals_pybaselines_whatever_the_window(self, rng, window, decreasing):
        y = some_spectra(rng, 6)[0]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of windows that reach beyond the spectrum
            expected = peer("snip", y, max_half_window=window, decreasing=decreasing)
        got = snip_baselines(y, max_half_window=window, decreasing=decreasing)
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-9 * np.ptp(y))

    def test_a_window_of_no_points_is_refused(self):
        with pytest.raises(ValueError, match="max_half_window is a number of points from 1 on, got 0"):
            snip_baselines(np.ones(10), max_half_window=0)


def test_the_fluorescence_is_found_again(rng):
    x = np.linspace(0, 1, 1000)
    glow = 200 + rng.uniform(500, 4000, (60, 1)) * np.exp(-rng.uniform(0.5, 3, (60, 1)) * x)
    bands = sum(3000 * np.exp(-(((x - at) / 0.008) ** 2)) for at in (0.2, 0.35, 0.4, 0.8))
    found = whittaker_baselines(rng.poisson(glow + bands), method="arpls", lam=1e6).baseline
    off = np.abs(found - glow) / np.sqrt(glow)
    assert np.median(off) < 0.4
    assert np.quantile(off, 0.99) < 2


def ramp(n=300, scans=4):
    shift = np.linspace(200, 1800, n)
    band = 100 * np.exp(-(((shift - 620) / 15) ** 2))
    glow = np.arange(1, scans + 1)[:, None] * 300 * np.exp(-shift / 900)
    noise = np.random.default_rng(5).normal(0, 1, (scans, n))
    return spectra.from_arrays(
        shift, band + glow + noise, axis="raman_shift", dims=("scan",), sigma=np.ones((scans, n)),
        attrs={"technique": "raman"}, units="counts",
    )  # fmt: skip


def test_the_verb_adds_baseline_and_net_with_units_and_sigma():
    made = spectra.subtract_baseline(ramp())
    np.testing.assert_allclose(made.baseline + made.net, made.intensity)
    np.testing.assert_array_equal(made.net_sigma, made.intensity_sigma)
    assert made.baseline.attrs["units"] == made.net.attrs["units"] == "counts"
    assert made.spectra.history[-1]["resolved"]["options"]["lam"] == 1e6
    assert int(made.status.sum()) == 0


def test_compiled_and_pybaselines_give_the_same_through_the_verb():
    data = ramp()
    for method, options in (
        ("asls", None),
        ("arpls", None),
        ("airpls", None),
        ("snip", {"max_half_window": 30}),
    ):
        one, other = (
            spectra.subtract_baseline(data, method=method, options=options, engine=e)
            for e in ("auto", "pybaselines")
        )
        assert "compiled" in one.spectra.history[-1]["notes"][0]
        assert "notes" not in other.spectra.history[-1]
        np.testing.assert_allclose(one.baseline, other.baseline, atol=1e-6 * 1000)


def test_an_option_that_only_pybaselines_has_goes_there():
    data = ramp()
    made = spectra.subtract_baseline(data, method="asls", options={"lam": 1e4, "diff_order": 1})
    expected = Baseline(data.raman_shift.values).asls(data.intensity.values[2], lam=1e4, diff_order=1)[0]
    np.testing.assert_allclose(made.baseline[2], expected)


@pytest.mark.parametrize(
    "method", ["imodpoly", "snip", "mor", "rubberband", "pspline_arpls", "drpls", "aspls"]
)
def test_methods_of_pybaselines_by_their_names(method):
    data = ramp()
    made = spectra.subtract_baseline(data, method=method)
    expected = getattr(Baseline(data.raman_shift.values), method)(data.intensity.values[1])[0]
    np.testing.assert_allclose(made.baseline[1], expected)


def test_missing_points_are_left_out_by_pybaselines_too():
    data = ramp()
    holes = data.copy(deep=True)
    holes.intensity[1, 100:103] = np.nan
    made = spectra.subtract_baseline(holes, method="imodpoly")
    whole = spectra.subtract_baseline(data, method="imodpoly")
    assert np.isfinite(made.baseline).all()
    assert np.isnan(made.net[1]).sum() == 3
    np.testing.assert_allclose(made.baseline[1], whole.baseline[1], atol=2)


def test_lost_pixels_of_a_map_are_flagged_and_kept():
    data = ramp(scans=6)
    intensity = data.intensity.values.copy()
    intensity[4] = np.nan
    grid = spectra.from_arrays(
        data.raman_shift.values, intensity.reshape(2, 3, -1), axis="raman_shift", dims=("y", "x")
    )
    for engine in ("auto", "pybaselines"):
        made = spectra.subtract_baseline(grid, engine=engine)
        assert flag_names(made, y=1, x=1) == ["no_baseline"]
        assert flag_names(made, y=0, x=0) == []
        assert made.sizes["x"] == 3


def test_a_baseline_that_still_moves_is_said_to():
    made = spectra.subtract_baseline(ramp(), options={"max_iter": 1})
    assert flag_names(made, scan=0) == ["baseline_not_settled"]
    assert np.isfinite(made.net).all()
    other = spectra.subtract_baseline(ramp(), options={"max_iter": 1}, engine="pybaselines")
    assert flag_names(other, scan=0) == ["baseline_not_settled"]


def test_the_baseline_of_another_variable():
    data = ramp().assign(smooth=ramp().intensity * 2)
    made = spectra.subtract_baseline(data, variable="smooth")
    assert "net_sigma" not in made
    np.testing.assert_allclose(made.net + made.baseline, data.smooth)


def test_a_lazy_map_stays_lazy():
    made = spectra.subtract_baseline(ramp().chunk({"scan": 2}), method="arpls")
    assert made.net.chunks is not None
    np.testing.assert_allclose(made.net.compute(), spectra.subtract_baseline(ramp(), method="arpls").net)


@pytest.mark.parametrize(
    ("options", "kind", "sentence"),
    [
        ({"method": "aslss"}, ValueError, "method 'aslss' is no baseline; did you mean '.*asls'"),
        ({"method": "collab_pls"}, ValueError, "needs more than one spectrum"),
        ({"options": {"lamb": 1.0}}, TypeError, "asls has no option 'lamb'; did you mean 'lam'"),
        ({"options": {"p": 2.0}}, ValueError, "asls cannot work with .* p must be between 0 and 1"),
        ({"variable": "nte"}, ValueError, "no variable 'nte' along raman_shift"),
        ({"engine": "fast"}, ValueError, "engine must be 'auto' or 'pybaselines'"),
    ],
)
def test_what_cannot_be_done_is_said(options, kind, sentence):
    with pytest.raises(kind, match=sentence):
        spectra.subtract_baseline(ramp(), **options)


def test_a_spectrum_too_short_for_the_window_of_a_method_is_refused():
    few = ramp().isel(raman_shift=slice(0, 4))
    with pytest.raises(ValueError, match="at least 5 points; these spectra have 4"):
        spectra.subtract_baseline(few)
    short = ramp().isel(raman_shift=slice(0, 8))
    with pytest.raises(ValueError, match="the baseline loess cannot work with .* on 8 points"):
        spectra.subtract_baseline(short, method="loess", options={"total_points": 20})


def test_every_method_of_pybaselines_is_announced():
    assert {"asls", "snip", "beads", "custom_bc"} <= set(baseline_methods())
    assert "collab_pls" not in baseline_methods()
    with pytest.raises(AttributeError):
        pybaselines_curves(np.arange(9.0), np.ones(9), method="nothing", options={})
