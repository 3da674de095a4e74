"""Calibration: the line is found, the scale moves by the right amount, and the stated uncertainty is right."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import spectra
import xps
from spectra.dataset import flag_names
from spectra.errors import InvalidInput
from xps.energy_scale.calibration import line_top

X = np.arange(278, 296, 0.1)


def carbon(position, x=X, height=3000.0, width=1.4):
    """C 1s of adventitious carbon: one symmetric line on a flat background."""
    d = x - np.asarray(position)[..., None]
    return height / 5 + height * np.exp(-4 * np.log(2) * (d / width) ** 2)


def dataset(y, x=X, dims=(), **more):
    return spectra.from_arrays(
        x,
        y,
        axis="binding_energy",
        name="counts",
        units="counts",
        dims=dims,
        attrs={"technique": "xps", "region": "C 1s"},
        **more,
    )


class TestLineTop:
    def test_finds_a_line_between_two_points(self, frozen):
        found = line_top(frozen(X), frozen(carbon([285.937, 283.111])))
        np.testing.assert_allclose(found.position, [285.937, 283.111], atol=3e-3)

    @pytest.mark.parametrize("poisson", [True, False])
    def test_stated_uncertainty_covers_the_truth(self, poisson, rng):
        """The share of 3000 simulated lines whose truth lies within one and two sigma.

        Without the variance of the counts, sigma comes from the scatter of about ten points: Student's t.
        """
        y = rng.poisson(carbon(285.93), size=(3000, X.size))
        found = line_top(X, y, variance=np.maximum(y, 1) if poisson else None)
        pull = np.abs((found.position - 285.93) / found.sigma)
        expected = stats.norm if poisson else stats.t(8)
        for k in (1, 2):
            assert np.mean(pull < k) == pytest.approx(expected.cdf(k) - expected.cdf(-k), abs=0.03)

    @given(shift=st.floats(-200, 200), scale=st.floats(1e-2, 1e4), offset=st.floats(0, 1e5))
    @settings(max_examples=30)
    def test_moves_with_the_axis_and_not_with_the_counts(self, shift, scale, offset):
        one, two = line_top(X, carbon(285.9)), line_top(X + shift, scale * carbon(285.9) + offset)
        assert two.position - one.position == pytest.approx(shift, abs=1e-4)

    def test_what_is_no_line_is_nan(self, rng):
        flank = carbon(296.5)
        hole = carbon(285.9)
        hole[80] = np.nan
        noise = rng.poisson(30.0, X.size).astype(float)
        good = carbon(285.9)
        found = line_top(X, np.stack([flank, hole, noise, np.zeros(X.size), good]))
        assert np.isnan(found.position[:4]).all()
        assert np.isnan(found.sigma[:4]).all()
        assert found.position[4] == line_top(X, good).position

    def test_descending_axis_is_refused(self):
        with pytest.raises(InvalidInput, match="x must ascend strictly"):
            line_top(X[::-1], carbon(285.9))


class TestOneSpectrum:
    def test_carbon_goes_where_it_should(self, rng, frozen):
        before = dataset(frozen(rng.poisson(carbon(286.1))))
        after = xps.calibrate(before)
        assert float(after.charge_shift) == pytest.approx(-1.3, abs=0.02)
        assert float(line_top(after.binding_energy, after.counts).position) == pytest.approx(284.8, abs=1e-3)
        np.testing.assert_array_equal(after.counts, before.counts)
        assert after.binding_energy.attrs["units"] == "eV"
        about = after.charge_shift.attrs
        assert (about["reference"], about["reference_position"], about["units"]) == ("C 1s", 284.8, "eV")
        assert after.spectra.history[-1]["resolved"] == {"position": 284.8, "sigma": 0.25}

    def test_uncertainties_add_in_quadrature(self, rng):
        y = rng.poisson(carbon(286.1, height=300))
        found = line_top(X, y, variance=np.maximum(y, 1))
        after = xps.calibrate(dataset(y), sigma=0.1)
        assert float(after.charge_shift_sigma) == pytest.approx(np.hypot(0.1, found.sigma), rel=1e-3)

    def test_position_measured_in_another_region(self):
        manganese = dataset(np.ones(351), np.linspace(630, 665, 351))
        after = xps.calibrate(manganese, measured=286.1)
        np.testing.assert_allclose(after.binding_energy, np.linspace(630, 665, 351) - 1.3)
        assert float(after.charge_shift_sigma) == 0.25

    def test_shift_and_its_uncertainty_from_another_region(self, rng):
        c1s = xps.calibrate(dataset(rng.poisson(carbon(286.1))))
        manganese = dataset(np.ones(351), np.linspace(630, 665, 351))
        after = xps.calibrate(manganese, shift=float(c1s.charge_shift), sigma=float(c1s.charge_shift_sigma))
        assert float(after.charge_shift) == float(c1s.charge_shift)
        assert float(after.charge_shift_sigma) == float(c1s.charge_shift_sigma)
        assert after.charge_shift.attrs["measured_by"] == "shift given"

    def test_a_reference_of_ones_own(self):
        after = xps.calibrate(
            dataset(carbon(285.0)), reference="F 1s of LiF", position=685.0, measured=684.9, sigma=0.1
        )
        assert after.charge_shift.attrs["reference"] == "F 1s of LiF"
        assert float(after.charge_shift) == pytest.approx(0.1)

    def test_twice_is_the_sum(self):
        once = xps.calibrate(dataset(carbon(286.1)), shift=-1.0)
        twice = xps.calibrate(once, shift=-0.3)
        assert float(twice.charge_shift) == pytest.approx(-1.3)
        np.testing.assert_allclose(twice.binding_energy, X - 1.3)
        assert any("calibrated before" in n for n in twice.spectra.history[-1]["notes"])


class TestSeries:
    positions = np.array([286.1, 286.14, 285.3, 286.7])

    def test_each_spectrum_by_its_own_line(self):
        before = dataset(carbon(self.positions), dims=("scan",), coords={"scan": np.arange(4)})
        before["counts_sigma"] = before.counts**0.5
        after = xps.calibrate(before)
        np.testing.assert_allclose(after.charge_shift, 284.8 - self.positions, atol=3e-3)
        found = line_top(after.binding_energy, after.counts).position
        np.testing.assert_allclose(found, 284.8, atol=0.051)  # half a step
        assert np.isin(after.counts.values, before.counts.values).all()  # moved, never interpolated
        np.testing.assert_allclose(after.counts_sigma, after.counts**0.5)
        assert after.sizes["binding_energy"] == X.size - 14
        assert after.counts.dims == before.counts.dims
        assert float(after.charge_shift_sigma[0]) == pytest.approx(
            np.hypot(0.25, 0.1 / np.sqrt(12)), rel=1e-2
        )
        xr.testing.assert_identical(after.scan, before.scan)

    def test_numbers_given_per_spectrum(self):
        after = xps.calibrate(dataset(carbon(self.positions), dims=("scan",)), measured=tuple(self.positions))
        found = line_top(after.binding_energy, after.counts).position
        np.testing.assert_allclose(found, 284.8, atol=0.055)

    def test_a_common_shift_leaves_the_counts_alone(self):
        before = dataset(carbon(self.positions), dims=("scan",))
        after = xps.calibrate(before, shift=-1.234)
        np.testing.assert_array_equal(after.counts, before.counts)
        np.testing.assert_allclose(after.binding_energy, X - 1.234)

    def test_a_spectrum_without_the_line_is_flagged(self):
        y = carbon([286.0, 286.0, 286.0])
        y[1] = 50
        after = xps.calibrate(dataset(y, dims=("scan",)))
        assert [flag_names(after, scan=i) for i in range(3)] == [[], ["no_reference_line"], []]
        assert np.isnan(after.charge_shift[1])
        assert np.isnan(after.charge_shift_sigma[1])
        np.testing.assert_array_equal(after.counts, y)

    def test_lazy_series_stay_lazy(self):
        eager = dataset(carbon(self.positions), dims=("scan",))
        after = xps.calibrate(eager.chunk(scan=2))
        assert after.counts.chunks is not None
        xr.testing.assert_allclose(after.compute().counts, xps.calibrate(eager).counts)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"reference": "C1s"}, "reference 'C1s' is not in the table, .* did you mean 'C 1s'"),
        (
            {"window": (700, 710)},
            r"looked for between 700.0 and 710.0 eV, where the axis \(278.0 to 295.9 eV\) has 0",
        ),
        ({"window": (290, 294)}, "no maximum of C 1s between 290.0 and 294.0 eV in any spectrum"),
        (
            {"measured": 285.0, "shift": 0.2},
            "takes one of measured, shift and window, got measured and shift",
        ),
        ({"measured": (285.0, 285.1)}, "measured holds 2 values, .* none, it is a single spectrum"),
        ({"shift": float("nan")}, "shift must be finite, got nan"),
        ({"sigma": -0.1}, "sigma must not be negative, got -0.1"),
    ],
)
def test_misuse_is_one_sentence(options, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        xps.calibrate(dataset(carbon(285.0)), **options)


def test_shifts_of_an_uneven_axis_are_refused():
    x = np.concatenate([np.arange(278, 286, 0.1), np.arange(286, 296, 0.2)])
    with pytest.raises(InvalidInput, match="the axis is not even: resample it"):
        xps.calibrate(dataset(np.ones((2, x.size)), x, ("scan",)), shift=(0.0, 1.0))


def test_shifts_wider_than_the_axis_are_refused():
    with pytest.raises(InvalidInput, match="nothing is left that all of them have"):
        xps.calibrate(dataset(carbon([285.0, 286.0]), dims=("scan",)), shift=(0.0, 30.0))
