"""Smoothing, resampling and denoising: what they do to curves, to missing points and to sigmas."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d
from scipy.signal import savgol_filter
from scipy.sparse import diags_array, eye_array
from scipy.sparse.linalg import spsolve

import spectra
from spectra.dataset import flag_names
from spectra.preprocessing.linear_operators import (
    apply_weights,
    gaussian_weights,
    resampling_weights,
    savgol_weights,
    whittaker_weights,
)


def uneven(n=300):
    return np.cumsum(1.5 + np.linspace(0, 0.7, n))


def series(rng, scans=5, n=300, sigma=2.0):
    x = uneven(n)
    curve = 100 + 50 * np.exp(-(((x - 250) / 20) ** 2)) + 0.05 * x
    y = curve + rng.normal(0, sigma, (scans, n))
    return spectra.from_arrays(
        x, y, axis="raman_shift", dims=("scan",), sigma=np.full((scans, n), sigma), units="counts",
        attrs={"technique": "raman"},
    )  # fmt: skip


class TestOperators:
    @pytest.mark.parametrize(("window", "order"), [(5, 2), (9, 3), (21, 4), (3, 0)])
    def test_savgol_equals_scipy(self, rng, window, order):
        y = rng.normal(size=(4, 60))
        expected = savgol_filter(y, window, order, axis=-1, mode="interp")
        np.testing.assert_allclose(apply_weights(savgol_weights(60, window, order), y), expected, atol=1e-12)

    def test_gaussian_equals_scipy_inside(self, rng):
        y = rng.normal(size=(3, 200))
        fwhm = 6.0
        expected = gaussian_filter1d(y, fwhm / np.sqrt(8 * np.log(2)), truncate=6)
        got = apply_weights(gaussian_weights(np.arange(200.0), fwhm), y)
        np.testing.assert_allclose(got[:, 20:-20], expected[:, 20:-20], atol=2e-4)

    @pytest.mark.parametrize("n", [3, 4, 5, 6, 80])
    def test_whittaker_minimises_what_it_says(self, rng, n):
        y = rng.normal(size=n)
        d = diags_array(
            [np.ones(n - 2), -2 * np.ones(n - 2), np.ones(n - 2)], offsets=[0, 1, 2], shape=(n - 2, n)
        )
        expected = spsolve((eye_array(n) + 30.0 * (d.T @ d)).tocsc(), y)
        np.testing.assert_allclose(whittaker_weights(n, 30.0) @ y, expected, atol=1e-10)

    @given(degree=st.integers(0, 3), step=st.floats(0.3, 8))
    def test_cubics_are_resampled_exactly(self, degree, step):
        x = uneven(60)
        grid = np.arange(x[0], x[-1], step)
        u = (x - 60) / 60
        weights = resampling_weights(x, grid, "cubic")
        np.testing.assert_allclose(apply_weights(weights, u**degree), ((grid - 60) / 60) ** degree, atol=1e-9)

    def test_areas_stay_what_they_were(self, rng):
        x = uneven(400)
        y = 5 + 100 * np.exp(-(((x - 300) / 9) ** 2)) + rng.normal(size=400)
        grid = np.linspace(x[0], x[-1], 90)
        made = apply_weights(resampling_weights(x, grid, "mean"), y)
        edges = np.concatenate([[x[0]], (grid[1:] + grid[:-1]) / 2, [x[-1]]])
        inside = slice(5, -5)
        area = (made * np.diff(edges))[inside].sum()
        old = np.concatenate([[x[0]], (x[1:] + x[:-1]) / 2, [x[-1]]])
        low, high = edges[5], edges[-6]
        shared = np.clip(np.minimum(old[1:], high) - np.maximum(old[:-1], low), 0, None)
        assert area == pytest.approx((y * shared).sum(), rel=1e-12)

    def test_the_same_grid_changes_nothing(self, rng):
        x, y = uneven(50), rng.normal(size=(2, 50))
        for method in ("linear", "cubic", "mean"):
            np.testing.assert_allclose(apply_weights(resampling_weights(x, x, method), y), y, atol=1e-12)

    def test_sums_of_weights_are_one(self):
        x = uneven(80)
        for weights in (
            savgol_weights(80, 9, 2), gaussian_weights(x, 8.0), whittaker_weights(80, 5.0),
            *(resampling_weights(x, np.linspace(5, 100, 33), m) for m in ("linear", "cubic", "mean")),
        ):  # fmt: skip
            np.testing.assert_allclose(np.asarray(weights.sum(1)).ravel(), 1.0, atol=1e-9)


METHODS = [
    ("smooth", {"method": "savgol", "window": 11, "order": 2}),
    ("smooth", {"method": "gaussian", "fwhm": 8.0}),
    ("smooth", {"method": "whittaker", "lam": 50.0}),
    ("resample", {"step": 1.1, "method": "cubic"}),
    ("resample", {"step": 5.0, "method": "linear"}),
    ("resample", {"step": 9.0, "method": "mean"}),
]


@pytest.mark.parametrize(("verb", "options"), METHODS)
class TestVerbs:
    def run(self, verb, data, options):
        return getattr(spectra, verb)(data, **options)

    def test_the_sigma_is_that_of_the_new_points(self, rng, verb, options):
        data = series(rng, 1500)
        done = self.run(verb, data, options)
        spread = done.intensity.std("scan").values
        np.testing.assert_allclose(done.intensity_sigma.isel(scan=0).values, spread, rtol=0.12)
        assert done.intensity_sigma.attrs["units"] == "counts"

    def test_a_missing_point_touches_only_those_around(self, rng, verb, options):
        data = series(rng)
        holes = data.copy(deep=True)
        holes.intensity[2, 100] = np.nan
        plain, done = (self.run(verb, d, options) for d in (data, holes))
        x = data.raman_shift.values[100]
        far = np.abs(done.raman_shift.values - x) > 60
        np.testing.assert_allclose(done.intensity[2, far], plain.intensity[2, far], atol=1e-4)
        np.testing.assert_array_equal(done.intensity[[0, 1, 3, 4]], plain.intensity[[0, 1, 3, 4]])
        lost = int(done.intensity[2].isnull().sum())
        assert (1 if options.get("method") != "linear" else 0) <= lost <= 8

    def test_a_lost_spectrum_is_flagged(self, rng, verb, options):
        data = series(rng)
        data.intensity[3] = np.nan
        done = self.run(verb, data, options)
        assert [flag_names(done, scan=i) for i in range(5)] == [[], [], [], ["empty"], []]
        assert done.intensity[3].isnull().all()

    def test_lazy_data_stay_lazy(self, rng, verb, options):
        data = series(rng)
        done = self.run(verb, data.chunk({"scan": 2}), options)
        assert done.intensity.chunks is not None
        np.testing.assert_allclose(done.intensity.compute(), self.run(verb, data, options).intensity)


def test_resampling_takes_everything_along_the_axis(rng):
    data = spectra.despike(series(rng))
    data = data.assign(
        raman_shift_sigma=("raman_shift", np.linspace(0.2, 0.6, 300), {"units": "1/cm"}),
        voltage=("scan", np.arange(5.0)),
    )
    data["spike"] = data.spike.copy()
    data.spike[1, 50] = True
    done = spectra.resample(data, step=2.0)
    assert done.spike.dtype == bool
    assert 1 <= int(done.spike[1].sum()) <= 8
    assert int(done.spike.sum()) == int(done.spike[1].sum())
    np.testing.assert_array_equal(done.voltage, data.voltage)
    expected = np.interp(done.raman_shift, data.raman_shift, data.raman_shift_sigma)
    np.testing.assert_allclose(done.raman_shift_sigma, expected)
    assert done.raman_shift.attrs["units"] == "1/cm"
    np.testing.assert_allclose(np.diff(done.raman_shift), 2.0)


def test_two_datasets_on_one_grid(rng):
    one, other = series(rng), spectra.crop(spectra.resample(series(rng), step=3.0), window=(50, 400))
    done = spectra.resample(one, points=tuple(other.raman_shift.values))
    np.testing.assert_allclose(done.raman_shift, other.raman_shift)


@pytest.mark.parametrize(
    ("verb", "options", "sentence"),
    [
        ("smooth", {"window": 8}, "window is an odd number of points above the order, got 8"),
        ("smooth", {"window": 3, "order": 3}, "above the order, got 3 with order 3"),
        ("smooth", {"window": 301}, "longer than the spectrum, which has 300"),
        ("smooth", {"method": "gaussian", "fwhm": -1.0}, "fwhm is a width above zero"),
        ("smooth", {"method": "whittaker", "lam": 0.0}, "lam is above zero"),
        ("smooth", {"variable": "net"}, "no variable 'net' along raman_shift"),
        ("resample", {"step": 0.0}, "step is a distance above zero"),
        ("resample", {"step": 1e-7}, "more than a million points"),
        ("resample", {"window": (0.0, 100.0)}, "nothing was measured beyond it"),
        ("resample", {"points": (3.0, 2.0)}, "it needs at least 2, and to ascend"),
        ("resample", {"points": (3.0, 4.0), "step": 1.0}, "either points or step and window"),
        ("denoise", {"components": 5}, "components is between 1 and 4 for 5 spectra of 300 points, got 5"),
        ("denoise", {"variable": "net"}, "no variable 'net' along raman_shift"),
    ],
)
def test_what_cannot_be_done_is_said(rng, verb, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        getattr(spectra, verb)(series(rng), **options)


class TestDenoising:
    def mixture(self, rng, scans=80, sigma=0.05, n=300):
        x = np.arange(float(n))
        pure = np.exp(-(((x - np.array([[90], [130], [220]])) / [[8], [20], [30]]) ** 2))
        truth = rng.uniform(0.2, 1, (scans, 3)) @ pure
        y = truth + rng.normal(0, sigma, truth.shape)
        data = spectra.from_arrays(x, y, axis="raman_shift", dims=("scan",), sigma=np.full(y.shape, sigma))
        return data, truth

    def test_the_number_of_components_is_found_and_noise_goes(self, rng):
        data, truth = self.mixture(rng, scans=60, n=200)
        done = spectra.denoise(data)
        assert int(done.pc_number) in (3, 4)
        before, after = (float(np.sqrt(np.mean((d.intensity - truth) ** 2))) for d in (data, done))
        assert after < 0.3 * before
        np.testing.assert_allclose(done.pc_rms, 0.05, rtol=0.25)

    def test_the_sigma_covers(self, rng):
        pulls = []
        for _ in range(6):
            data, truth = self.mixture(rng, scans=40)
            done = spectra.denoise(data, components=3)
            pulls.append((done.intensity.values - truth) / done.intensity_sigma.values)
        assert 0.63 < np.mean(np.abs(pulls) < 1) < 0.73

    def test_spectra_with_holes_stay_as_they_are(self, rng):
        data, _ = self.mixture(rng)
        data.intensity[7, 20] = np.nan
        done = spectra.denoise(data, components=3)
        np.testing.assert_array_equal(done.intensity[7], data.intensity[7])
        assert flag_names(done, scan=7) == ["not_denoised"]
        assert flag_names(done, scan=8) == []
        assert np.isnan(done.pc_rms[7])

    def test_a_map_is_one_series(self, rng):
        data, _ = self.mixture(rng)
        grid = spectra.from_arrays(
            data.raman_shift.values,
            data.intensity.values.reshape(8, 10, -1),
            axis="raman_shift",
            dims=("y", "x"),
        )
        one, other = spectra.denoise(grid, components=3), spectra.denoise(data, components=3)
        np.testing.assert_allclose(one.intensity.values.reshape(80, -1), other.intensity, atol=1e-10)

    def test_too_few_spectra_are_refused(self, rng):
        data, _ = self.mixture(rng)
        with pytest.raises(ValueError, match="needs at least 4 good spectra; this dataset has 3"):
            spectra.denoise(data.isel(scan=slice(0, 3)))
        with pytest.raises(ValueError, match="needs at least 4 good spectra; this dataset has 1"):
            spectra.denoise(data.isel(scan=0))
