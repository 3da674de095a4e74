"""Shifts of the energy scale: right from 10 eV off, between grid points, with a sigma that covers; and taking them back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import CubicSpline

import spectra
import xas
from spectra.dataset import failed, flag_names
from spectra.errors import InvalidInput
from tests.xas.conftest import absorption, grid
from xas.preparation.shifts import Reference, measure_shifts, move_spectra, smoother

WINDOW = (6525.0, 6600.0)


@pytest.fixture(scope="module")
def scans(simulated):
    """Twelve scans whose foil and sample are off by the same known shift, up to 10 eV."""
    shift = np.array([0, 10, -10, 0.1, -0.13, 3.21, -7.7, 1.05, 0.02, -0.4, 5, -2.5])
    sample = simulated(edge=6548 + shift, noise=1e-3)
    foil = simulated(edge=6539 + shift, white_line=0.1, noise=1e-3, seed=1)
    return sample.assign(mu_ref=foil.mu), shift


def test_shifts_from_ten_electronvolts_away(scans):
    data, truth = scans
    got = xas.align(data, to="first", largest=12.0)
    assert got.energy_shift.attrs["channel"] == "mu_ref"
    assert (np.abs(got.energy_shift + truth) < 4 * got.energy_shift_sigma).all()
    assert (got.energy_shift_sigma < 0.006).all()
    assert (got.energy_shift_sigma > 0.001).all()
    # afterwards the samples, which nothing was compared of, lie over each other
    e0 = xas.normalize(got, e0="each").e0
    np.testing.assert_allclose(e0, float(e0[0]), rtol=0, atol=0.05)
    assert "read off at the common energies" in got.spectra.history[-1]["notes"][0]


@pytest.mark.parametrize("to", ["median", 3, "given"])
def test_any_reference_gives_the_same_differences(scans, to):
    data, truth = scans
    option = (grid(), absorption(grid(), edge=6539.0, white_line=0.1)) if to == "given" else to
    got = xas.align(data, to=option, largest=22.0, apply="no")
    difference = (got.energy_shift - got.energy_shift[0]).values + truth
    assert (np.abs(difference) < 4 * np.hypot(got.energy_shift_sigma, got.energy_shift_sigma[0])).all()
    if to == "median":
        assert abs(float(got.energy_shift.median())) < 0.005
    np.testing.assert_array_equal(got.mu, data.mu)


def test_what_the_energies_rest_on_is_said(scans):
    """As calibrations of valence compare it: a foil's edge put where it is known to be; the sample's own is no scale."""
    data, _ = scans
    foil = xas.align(data, to="first", largest=12.0, e0=6539.0)
    assert foil.attrs["energy_scale"] == "steepest rise of the reference channel at 6539 eV"
    again = xas.align(data.isel(scan=slice(0, 4)), largest=22.0, e0=6539.0)
    assert again.attrs["energy_scale"] == foil.attrs["energy_scale"]
    assert "energy_scale" not in xas.align(data, to="first", largest=12.0).attrs
    assert "energy_scale" not in xas.align(data, to="first", largest=12.0, e0=6539.0, apply="no").attrs
    own = xas.align(foil, channel="mu", to="first", e0=6550.0)
    assert "energy_scale" not in own.attrs
    assert "were moved by their own edge" in str(own.spectra.history[-1]["notes"])
    assert foil.attrs["energy_scale"] == again.attrs["energy_scale"]


@pytest.mark.parametrize("noise", [1e-3, 8e-3])
def test_the_sigma_covers(noise):
    """Noise in spectrum and reference, other grids, fresh draws of both."""
    check_coverage(noise, draws=150, low=0.60, high=0.78)


@pytest.mark.long
@pytest.mark.parametrize("noise", [1e-3, 8e-3])
@pytest.mark.parametrize("other_grid", [False, True])
def test_the_sigma_covers_in_many_draws(noise, other_grid):
    check_coverage(noise, draws=600, low=0.63, high=0.74, other_grid=other_grid)


def check_coverage(noise, *, draws, low, high, other_grid=False):
    rng = np.random.default_rng(7)
    energy, own = grid(), np.arange(6500.0, 6640.0, 0.4) if other_grid else grid()[30:330]
    truth = rng.uniform(-2, 2, (draws, 4))
    inside = []
    for row in truth:
        curve = absorption(own) + rng.normal(scale=noise, size=own.size)
        mu = absorption(energy, edge=6548 + row) + rng.normal(scale=noise, size=(4, energy.size))
        got = measure_shifts(energy, mu, Reference(own, curve, noise), WINDOW, largest=5.0)
        inside.append(np.abs(got["shift"] - row) < got["shift_sigma"])
    assert low < np.mean(inside) < high


def test_the_sigma_of_shifts_against_their_own_median_covers(simulated):
    shift = np.tile([0.0, 0.7, -1.1, 0.3, 2.0], 1)
    inside = []
    for seed in range(60):
        data = simulated(edge=6548 + shift, noise=2e-3, seed=seed)
        got = xas.align(data, apply="no", largest=4.0)
        off = got.energy_shift + shift
        inside.append(np.abs(off - off.mean()) < got.energy_shift_sigma)
    assert 0.62 < np.mean(inside) < 0.76


@settings(max_examples=15)
@given(
    shift=st.floats(-10, 10),
    scale=st.floats(1e-3, 1e3),
    offset=st.floats(-5, 5),
    slope=st.floats(-1e-3, 1e-3),
    stretch=st.floats(0.3, 3),
)
def test_height_scale_and_background_do_not_matter(shift, scale, offset, slope, stretch):
    energy = grid()
    reference = Reference(energy, absorption(energy), 1e-6)
    mu = scale * (stretch * absorption(energy, edge=6548 + shift) + offset + slope * (energy - 6548))
    got = measure_shifts(energy, mu, reference, WINDOW)
    assert float(got["shift"]) == pytest.approx(shift, abs=2e-3)


def test_the_order_of_the_energies_does_not_matter(scans):
    data, _ = scans
    backwards = spectra.from_arrays(
        data.energy.values[::-1], data.mu_ref.values[:, ::-1], name="mu", dims=("scan",), attrs=data.attrs
    )
    forwards = spectra.from_arrays(
        data.energy.values, data.mu_ref.values, name="mu", dims=("scan",), attrs=data.attrs
    )
    np.testing.assert_array_equal(xas.align(backwards).energy_shift, xas.align(forwards).energy_shift)


def test_a_bad_channel_is_flagged_and_not_moved(scans):
    data, _ = scans
    data = data.copy(deep=True)
    data["mu_ref"][3] = np.nan
    data["mu_ref"][5] = 1.0
    data["mu_ref"][6] = np.random.default_rng(3).normal(size=data.sizes["energy"])
    got = xas.align(data, to="first", largest=12.0)
    assert list(np.flatnonzero(failed(got))) == [3, 5, 6]
    assert flag_names(got, scan=3) == ["no_shift"]
    assert np.isnan(got.energy_shift[[3, 5, 6]]).all()
    np.testing.assert_array_equal(got.mu[3], data.mu[3])
    good = xas.align(scans[0], to="first", largest=12.0)
    np.testing.assert_allclose(got.energy_shift[[1, 2, 4]], good.energy_shift[[1, 2, 4]], rtol=0, atol=1e-9)


def test_missing_points_are_left_out_and_move_along(simulated):
    data = simulated(edge=np.array([6548.0, 6551.0]), noise=1e-3).copy(deep=True)
    gap = (data.energy >= 6560) & (data.energy <= 6562)
    data["mu"][1] = data.mu[1].where(~gap)
    got = xas.align(data, to="first")
    assert float(got.energy_shift[1]) == pytest.approx(-3.0, abs=0.02)
    missing = got.energy.values[np.isnan(got.mu[1].values) & (got.energy.values < 7000)]
    np.testing.assert_allclose((missing.min(), missing.max()), (6557.0, 6559.0), atol=0.3)


def test_moving_equals_a_spline_through_each_spectrum(rng, frozen):
    energy = np.cumsum(rng.uniform(0.2, 2, 80))
    values, shift = frozen(rng.normal(size=(2, 3, 80))), rng.uniform(-5, 5, (2, 3))
    got = move_spectra(energy, values, shift)
    for i in np.ndindex(2, 3):
        expected = CubicSpline(energy, values[i])(energy - shift[i], extrapolate=False)
        np.testing.assert_allclose(got[i], expected, atol=1e-9)
    np.testing.assert_allclose(move_spectra(energy, values, np.zeros((2, 3))), values, atol=1e-12)
    np.testing.assert_array_equal(move_spectra(energy, values, np.full((2, 3), np.nan)), values)


def test_a_smoother_keeps_parabolas_and_coarse_parts():
    x = np.concatenate([np.arange(0, 50, 5.0), np.arange(50, 60, 0.3), np.arange(60, 90, 4.0)])
    y = 2 - x + 0.3 * x**2
    np.testing.assert_allclose(smoother(x, 1.5) @ y, y)
    matrix = smoother(x, 1.5)
    np.testing.assert_array_equal(matrix[:10], np.eye(x.size)[:10])
    variance = (matrix**2).sum(1)
    assert (variance[16:38] < 0.35).all()
    np.testing.assert_array_equal(variance[45:], 1.0)


def test_the_axis_of_one_spectrum_is_moved_without_interpolation(simulated):
    one = simulated(edge=6550.0)
    reference = (grid(), absorption(grid()))
    got = xas.align(one, to=reference, apply="axis")
    np.testing.assert_array_equal(got.mu, one.mu)
    np.testing.assert_allclose(got.energy, one.energy - 2.0, atol=1e-3)
    foil = xas.align(one, to=reference, apply="axis", e0=6539.0)
    assert float(xas.normalize(foil, e0="each").e0) == pytest.approx(6539.0, abs=1e-3)
    with pytest.raises(InvalidInput, match="apply = 'axis' moves the energy axis, which all spectra"):
        xas.align(simulated(2), apply="axis")


def test_measured_foils(data_dir):
    """One scan of a foil in steps, one as a quick scan on another grid: the same edge within their scatter."""
    iron = xas.read(data_dir / "xas" / "Fe_foil_rt_xaslib.xdi")
    other = xas.read(data_dir / "xas" / "Fe-K-IronFoil_bmm.xdi")
    got = xas.align(iron, to=(other.energy.values, other.mu.values), apply="no")
    # maxima of the derivatives: 7110.8 and 7112.0
    assert float(got.energy_shift) == pytest.approx(1.2, abs=0.25)
    assert 0 < float(got.energy_shift_sigma) < 0.1


def test_a_series_measured_with_its_reference(data_dir):
    """Three scans of MnO2 minutes apart, each with the foil behind it."""
    files = [data_dir / "xas" / f"MnO2_rt_0{i}_xaslib.xdi" for i in (1, 2, 3)]
    scans = xas.read_series(files)
    got = xas.align(scans, largest=8.0)
    assert np.abs(got.energy_shift).max() < 0.15
    assert not failed(got).any()


def test_misaligned_foils_of_a_project(data_dir):
    """Three scans of iron whose steepest rises lie at 7112.0, 7110.1 and 7110.6 eV."""
    scans = xas.read_series(data_dir / "xas" / "prj" / "align_merge.prj", grid="intersection")
    got = xas.align(scans, to="first")
    np.testing.assert_allclose(got.energy_shift, [0, 1.81, 1.23], atol=0.05)
    merged = xas.merge(got)
    assert (merged.merge_weight > 0.98).all()
    e0 = [float(xas.normalize(data, e0="each").e0) for data in (merged, scans.isel(scan=0))]
    assert e0[0] == pytest.approx(e0[1], abs=0.2)


def test_an_operando_day_on_its_reference_channel(data_dir):
    """58 scans in 10.9 h: the foil's channel, a derivative here, stays within the monochromator's 0.01 eV."""
    scans = xas.read_series(data_dir / "xas" / "operando_LNO_NiK" / "*.txt", dim="time")
    got = xas.align(scans, apply="no")
    assert got.energy_shift.attrs["channel"] == "mu_ref"
    assert not failed(got).any()
    assert float(got.energy_shift.std()) < 0.02
    assert float(got.energy_shift_sigma.max()) < 0.01
    # the sample's own edge moves, which is chemistry
    assert float(np.ptp(xas.align(scans, channel="mu", apply="no").energy_shift.values)) > 0.5


def test_bad_input(simulated):
    data = simulated(3)
    for options, sentence in (
        ({"channel": "mu_rfe"}, "'mu_rfe' is no variable along energy"),
        ({"to": 5}, "to = 5 counts spectra from 0, and there are 3"),
        ({"to": "medain"}, "to must be"),
        ({"largest": 0.0}, "largest is a shift in eV and above zero, got 0"),
        ({"largest": 500.0}, "leaves 0 points .* Lower largest"),
        ({"to": ((1.0, 2.0), (1.0,))}, "needs two arrays of the same length"),
        ({"to": (tuple(np.ones(20)), tuple(np.ones(20)))}, "holds an energy twice"),
    ):
        with pytest.raises(InvalidInput, match=sentence):
            xas.align(data, **options)
    with pytest.raises(InvalidInput, match="takes the reference out of a series, and this is one spectrum"):
        xas.align(simulated())
    with pytest.raises(InvalidInput, match="found no absorption edge in any spectrum"):
        xas.align(data.assign(mu=data.mu * 0 + 1))
