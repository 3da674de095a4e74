"""Bins that follow the edge: area kept, noise as stated, nowhere finer than the data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spectra
import xas
from spectra.dataset import failed
from spectra.errors import InvalidInput
from tests.xas.conftest import absorption
from xas.preparation.rebinning import bin_limits, bin_means

FINE = np.arange(6340.0, 7340.0, 0.2)


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(30, 400))
@settings(max_examples=40)
def test_the_area_is_kept_on_any_grid(seed, n):
    rng = np.random.default_rng(seed)
    energy = np.sort(rng.uniform(6400, 6800, n))
    mu = rng.normal(size=(3, n))
    limits = bin_limits(energy, 6548.0)
    assert limits[0] == energy[0]
    assert limits[-1] == energy[-1]
    assert (np.histogram(energy, limits)[0] > 0).all()
    area = (bin_means(energy, mu, limits) * np.diff(limits)).sum(1)
    np.testing.assert_allclose(area, np.trapezoid(mu, energy), rtol=1e-9, atol=1e-9 * np.ptp(energy))


def test_a_mean_is_the_integral_between_its_limits(rng):
    """The obvious way: many points of the broken line in each bin."""
    energy = np.sort(rng.uniform(6400, 6700, 60))
    mu = rng.normal(size=60)
    limits = bin_limits(energy, 6548.0, pre_step=20, xanes=(-30, 40), xanes_step=6, k_step=0.4)
    got = bin_means(energy, mu, limits)
    for low, high, mean in zip(limits[:-1], limits[1:], got, strict=True):
        x = np.unique(np.concatenate([np.linspace(low, high, 400), energy[(energy > low) & (energy < high)]]))
        assert mean == pytest.approx(np.trapezoid(np.interp(x, energy, mu), x) / (high - low), abs=1e-9)


def test_steps_are_the_ones_asked_for():
    limits = bin_limits(FINE, 6548.0, pre_step=4, xanes=(-25, 35), xanes_step=0.5, k_step=0.06)
    steps, middle = np.diff(limits), (limits[1:] + limits[:-1]) / 2 - 6548
    np.testing.assert_allclose(steps[(middle < -26)][1:], 4)
    np.testing.assert_allclose(steps[(middle > -25) & (middle < 35)], 0.5)
    k = np.sqrt(0.262468424 * (limits[limits >= 6548 + 34.9] - 6548))
    np.testing.assert_allclose(np.diff(k)[:-1], 0.06, rtol=1e-6)


def test_values_and_area_of_a_series(simulated):
    scans = simulated(energy=FINE, edge=np.array([6548.0, 6549.0]), noise=1e-3)
    got = xas.rebin(scans)
    assert got.sizes["energy"] < 0.2 * scans.sizes["energy"]
    clean = absorption(got.energy.values, edge=[6548.0, 6549.0])
    pull = (got.mu - clean) / got.mu_sigma
    assert (
        np.abs(pull) < 5
    ).mean() > 0.99  # the mean over a bin differs from its middle where the edge bends
    e0 = [xas.normalize(data, e0="each").e0.values for data in (scans, got)]
    np.testing.assert_allclose(e0[1], e0[0], atol=0.1)
    assert got.energy.attrs["units"] == "eV"
    assert "points became" in got.spectra.history[-1]["notes"][0]


@pytest.mark.parametrize("known", [False, True])
def test_the_sigma_covers(known):
    noise = 2e-3
    scans = np.random.default_rng(5).normal(scale=noise, size=(40, FINE.size))
    data = spectra.from_arrays(
        FINE,
        scans,
        name="mu",
        dims=("scan",),
        sigma=np.full(scans.shape, noise) if known else None,
        attrs={"element": "Mn", "edge": "K"},
    )
    got = xas.rebin(data, e0=6548.0)
    assert 0.66 < float((np.abs(got.mu) < got.mu_sigma).mean()) < 0.71
    # narrow bins of 0.3 eV hold one or two points of 0.2 eV, wide ones of 5 eV 25
    assert float(got.mu_sigma[0, 3]) == pytest.approx(noise / 5, rel=0.08)


@given(scale=st.floats(1e-3, 1e3), offset=st.floats(-5, 5))
@settings(max_examples=10)
def test_scale_and_offset_go_through(scale, offset):
    energy = FINE[::5]
    mu = absorption(energy)
    attrs = {"element": "Mn", "edge": "K"}
    one = xas.rebin(spectra.from_arrays(energy, mu, name="mu", attrs=attrs), e0=6548.0)
    other = xas.rebin(
        spectra.from_arrays(energy[::-1], (scale * mu + offset)[::-1], name="mu", attrs=attrs), e0=6548.0
    )
    np.testing.assert_allclose(other.mu, scale * one.mu + offset, rtol=1e-9, atol=1e-9)


def test_every_variable_along_the_energy_goes_along(simulated):
    scan = simulated(2, noise=1e-3, energy=FINE)
    scan = scan.assign(i0=scan.mu * 0 + 3.0, glitch=scan.mu > 100, temperature=("scan", [1.0, 2.0]))
    scan["glitch"][0, 1000] = True
    got = xas.rebin(scan)
    np.testing.assert_allclose(got.i0, 3.0)
    assert got.glitch.dtype == bool
    assert got.energy.values[got.glitch[0].values] == pytest.approx(FINE[1000], abs=0.2)
    assert not got.glitch[1].any()
    np.testing.assert_array_equal(got.temperature, [1.0, 2.0])


def test_missing_points_and_empty_spectra(simulated):
    scan = simulated(3, noise=1e-3, energy=FINE).copy(deep=True)
    gap = (FINE > 6700) & (FINE < 6720)
    scan["mu"][1] = scan.mu[1].where(~gap)
    scan["mu"][2] = np.nan
    got = xas.rebin(scan)
    inside = (got.energy > 6703) & (got.energy < 6717)
    assert np.isnan(got.mu[1].values[inside]).all()
    assert np.isfinite(got.mu[1].values[(got.energy < 6697) | (got.energy > 6723)]).all()
    assert list(failed(got).values) == [False, False, True]
    whole = xas.rebin(simulated(3, noise=1e-3, energy=FINE))
    np.testing.assert_allclose(got.mu[0], whole.mu[0], rtol=1e-12)


def test_coarse_data_stay_what_they_are(simulated):
    scan = simulated(energy=np.arange(6340.0, 7340, 4.0))
    got = xas.rebin(scan)
    assert got.sizes["energy"] <= scan.sizes["energy"]
    assert np.isfinite(got.mu).all()


def test_the_measured_series_keeps_its_edge(charge):
    got = xas.rebin(charge)
    assert got.sizes["energy"] < 0.6 * charge.sizes["energy"]
    positions = [
        xas.edge_position(data.assign_attrs(normalized="yes")).edge_position for data in (charge, got)
    ]
    np.testing.assert_allclose(positions[1], positions[0], atol=0.05)


def test_bad_input(simulated):
    scan = simulated()
    for options, sentence in (
        ({"pre_step": 0.0}, "pre_step is a width and above zero, got 0"),
        ({"xanes_step": -1.0}, "xanes_step is a width and above zero, got -1"),
        ({"k_step": 0.0}, "k_step is a width"),
        ({"xanes": (30.0, -20.0)}, "xanes is from low to high"),
        ({"e0": 9000.0}, "e0 = 9000 eV lies outside of the data"),
    ):
        with pytest.raises(InvalidInput, match=sentence):
            xas.rebin(scan, **options)
    with pytest.raises(InvalidInput, match="found no absorption edge in any spectrum"):
        xas.rebin(scan.assign(mu=scan.mu * 0 + 1))


@pytest.mark.parametrize("method", ["half_step", "integral"])
def test_positions_on_rebinned_scans_cover(method):
    """Where a bin holds a point or two its mean shares them with the next one."""
    energy = np.arange(6400.0, 6900, 0.4)
    mu = 0.3 + 0.8 / (1 + np.exp(-(energy - 6548) / 1.5)) + 0.3 * np.exp(-(((energy - 6556) / 4) ** 2))
    noisy = mu + 4e-3 * np.random.default_rng(3).normal(size=(1500, energy.size))
    options = {"e0": 6548.0, "pre": (-120.0, -30.0), "post": (50.0, 340.0)}

    def measured(values, **more):
        dims, attrs = ("scan",) * (values.ndim - 1), {"element": "Mn", "edge": "K"}
        scans = spectra.from_arrays(energy, values, name="mu", dims=dims, attrs=attrs, **more)
        scans = xas.normalize(xas.rebin(scans, e0=6548.0, xanes_step=0.5), **options)
        return xas.edge_position(scans, method=method)

    got = measured(noisy, sigma=np.full(noisy.shape, 4e-3))
    truth = float(measured(mu, sigma=np.full(mu.shape, 4e-3)).edge_position)
    assert 0.63 < (np.abs(got.edge_position - truth) < got.edge_position_sigma).mean() < 0.73
    residual = (got.mu - got.mu.mean("scan")).values
    seen = (residual[:, :-1] * residual[:, 1:]).mean(0) / np.sqrt(
        (residual[:, :-1] ** 2).mean(0) * (residual[:, 1:] ** 2).mean(0)
    )
    np.testing.assert_allclose(got.noise_correlation[:-1], seen, atol=0.12)
    assert got.noise_correlation.max() > 0.15
