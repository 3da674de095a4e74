"""Merging repeats: the plain mean of good scans, bad ones and bad points out, and a sigma that covers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spectra
import xas
from spectra.dataset import failed, flag, flag_names
from spectra.errors import InvalidInput
from tests.xas.conftest import absorption, grid
from xas.preparation.merging import merge_spectra

ENERGY = grid()
CLEAN = absorption(ENERGY)


def notes(dataset):
    return dataset.spectra.history[-1]["notes"]


def draws(rows, scans, noise=1e-3, seed=0):
    return CLEAN + np.random.default_rng(seed).normal(scale=noise, size=(rows, scans, ENERGY.size))


@pytest.mark.parametrize("scans", [2, 3, 4, 5, 10, 40])
def test_the_sigma_covers(scans):
    made = merge_spectra(ENERGY, draws(120, scans))
    inside = np.abs(made.mean - CLEAN) < made.sigma
    assert 0.64 < inside.mean() < 0.70
    np.testing.assert_allclose(made.sigma.mean(), 1e-3 / np.sqrt(scans), rtol=0.03)
    assert (made.weight > 0.98).all()


def test_good_scans_are_averaged_plainly():
    y = draws(1, 6)[0]
    got = merge_spectra(ENERGY, y)
    near = np.abs(y - np.median(y, axis=0)).max(0) < 2e-3
    np.testing.assert_allclose(got.mean[near], y.mean(0)[near], rtol=1e-12)
    plain = merge_spectra(ENERGY, y, robust=False)
    np.testing.assert_allclose(plain.mean, y.mean(0), rtol=1e-12)


@pytest.mark.parametrize("scans", [3, 4, 7])
@pytest.mark.parametrize("fault", ["offset", "shift", "noise", "step"])
def test_an_outlying_scan_is_left_out(scans, fault):
    y = draws(30, scans)
    bad = {
        "offset": CLEAN + 0.05,
        "shift": absorption(ENERGY, edge=6550.0) + 0.01,
        "noise": CLEAN + np.random.default_rng(9).normal(scale=0.03, size=ENERGY.size),
        "step": CLEAN + 0.04 * (ENERGY > 6600),
    }[fault]
    y[:, 1] = bad
    made = merge_spectra(ENERGY, y)
    assert (made.weight[:, 1] == 0).all()
    assert (np.delete(made.weight, 1, axis=1) > 0.95).all()
    inside = np.abs(made.mean - CLEAN) < made.sigma
    assert 0.63 < inside.mean() < 0.71


@pytest.mark.parametrize("scans", [3, 5, 9])
def test_single_bad_points_do_not_count(scans, rng):
    y = draws(20, scans)
    where = rng.integers(0, ENERGY.size, 60), rng.integers(0, scans, 60), rng.integers(0, 20, 60)
    y[where[2], where[1], where[0]] += 0.2
    made = merge_spectra(ENERGY, y)
    assert (made.weight > 0.9).all()
    assert np.abs(made.mean - CLEAN).max() < 7 * 1e-3
    assert np.abs(merge_spectra(ENERGY, y, robust=False).mean - CLEAN).max() > 0.01


def test_the_spread_follows_the_energy():
    """Twice the noise behind the edge."""
    noise = np.where(ENERGY > 6560, 2e-3, 1e-3)
    y = CLEAN + noise * np.random.default_rng(3).normal(size=(50, 6, ENERGY.size))
    sigma = merge_spectra(ENERGY, y).sigma.mean(0) * np.sqrt(6)
    assert sigma[ENERGY < 6550].mean() == pytest.approx(1e-3, rel=0.04)
    assert sigma[ENERGY > 6600].mean() == pytest.approx(2e-3, rel=0.04)


def test_missing_points_leave_the_rest():
    y = draws(1, 5)[0]
    y[2, 100:200] = np.nan
    y[:, 300] = np.nan
    y[4] = np.nan
    made = merge_spectra(ENERGY, y)
    assert np.isnan(made.mean[300])
    assert np.isfinite(np.delete(made.mean, 300)).all()
    assert made.weight[4] == 0
    assert made.sigma[100:200].mean() == pytest.approx(1e-3 / np.sqrt(3), rel=0.15)
    assert made.sigma[400:].mean() == pytest.approx(1e-3 / 2, rel=0.15)


def test_one_scan_left_has_its_own_noise():
    y = draws(1, 3)[0]
    y[1:] = np.nan
    made = merge_spectra(ENERGY, y)
    np.testing.assert_array_equal(made.mean, y[0])
    np.testing.assert_allclose(made.sigma, 1e-3, rtol=0.15)


def test_weights_from_noise(simulated):
    noise = np.array([1e-3, 1e-3, 5e-3])[:, None]
    y = CLEAN + noise * np.random.default_rng(5).normal(size=(40, 3, ENERGY.size))
    attrs = {"element": "Mn", "edge": "K"}
    scans = spectra.from_arrays(ENERGY, y, name="mu", dims=("y", "scan"), attrs=attrs)
    equal, weighted = (xas.merge(scans, dim="scan", weights=w, threshold=50.0) for w in ("equal", "noise"))
    assert float(weighted.mu_sigma.mean()) < 0.6 * float(equal.mu_sigma.mean())
    inside = np.abs(weighted.mu - CLEAN) < weighted.mu_sigma
    assert 0.63 < float(inside.mean()) < 0.73
    known = scans.assign(mu_sigma=scans.mu * 0 + noise)
    np.testing.assert_allclose(
        xas.merge(known, dim="scan", weights="noise").mu, weighted.mu, rtol=0, atol=1e-3
    )


def test_scans_are_named_and_flagged(simulated):
    scans = simulated(5, noise=1e-3).copy(deep=True)
    scans["mu"][3] += 0.1
    scans = scans.assign_coords(label=("scan", [f"run_{i}" for i in range(5)]))
    got = xas.merge(scans)
    assert got.mu.dims == ("energy",)
    assert list(got.merge_weight.values > 0) == [True, True, True, False, True]
    assert flag_names(got) == ["outlying_scans"]
    assert notes(got) == ["1 scans that stand apart were left out: run_3"]
    good = xas.merge(simulated(5, noise=1e-3))
    assert flag_names(good) == []
    assert notes(good) == ["all 5 scans along scan were merged"]
    assert abs(float(xas.normalize(got).e0) - float(xas.normalize(good).e0)) < 0.11


def test_a_map_keeps_its_other_dimensions_and_channels(simulated):
    scans = simulated(4, noise=1e-3)
    pixels = scans.expand_dims(x=3).copy(deep=True)
    pixels["mu"][1] = np.nan
    pixels = pixels.assign(i0=pixels.mu * 0 + 2.0, temperature=("scan", [1.0, 2, 3, 4]), good=pixels.mu > 0)
    got = xas.merge(pixels, dim="scan")
    assert got.mu.dims == ("x", "energy")
    assert list(failed(got).values) == [False, True, False]
    np.testing.assert_allclose(got.i0[0], 2.0)
    assert got.temperature.dims == ("scan",)
    assert "good" not in got
    lazy = xas.merge(pixels.chunk({"x": 1, "scan": 2}), dim="scan")
    assert lazy.mu.chunks is not None
    np.testing.assert_allclose(lazy.mu.compute(), got.mu)


def test_failed_scans_are_left_out(simulated):
    scans = flag(simulated(4, noise=1e-3), np.array([False, True, False, False]), "no_edge", "why")
    got = xas.merge(scans)
    assert float(got.merge_weight[1]) == 0
    np.testing.assert_allclose(got.mu, xas.merge(simulated(4, noise=1e-3).isel(scan=[0, 2, 3])).mu)


@given(scale=st.floats(1e-3, 1e4), offset=st.floats(-5, 5))
@settings(max_examples=10)
def test_scale_and_order_do_not_matter(scale, offset):
    y = draws(1, 5)[0]
    y[2] += 0.05
    y[1, 77] += 0.3
    one, other = merge_spectra(ENERGY, y), merge_spectra(ENERGY, scale * (y[::-1] + offset))
    np.testing.assert_allclose(other.mean, scale * (one.mean + offset), rtol=1e-6, atol=1e-6 * scale)
    np.testing.assert_allclose(other.sigma, scale * one.sigma, rtol=1e-5)
    np.testing.assert_allclose(other.weight[::-1], one.weight, atol=1e-5)


def test_measured_repeats(data_dir):
    """Three scans of MnO2: they differ by more than noise where the edge is steep."""
    files = [data_dir / "xas" / f"MnO2_rt_0{i}_xaslib.xdi" for i in (1, 2, 3)]
    scans = xas.align(xas.read_series(files), channel="mu_ref", largest=8.0)
    got = xas.merge(scans)
    assert flag_names(got) == []
    np.testing.assert_allclose(got.mu, scans.mu.mean("scan"), atol=0.02)
    assert "energy_shift" in got


def test_bad_input(simulated):
    scans = simulated(3)
    for data, options, sentence in (
        (scans, {"dim": "time"}, "dim = 'time' is no dimension of the series; allowed: scan"),
        (scans, {"threshold": 1.0}, "threshold compares a scan with the typical one and is above 1, got 1"),
        (simulated(), {}, "the dataset has one spectrum and nothing to merge"),
        (scans.expand_dims(x=2), {}, r"several dimensions \(.*\); name the one of the repeats with dim="),
        (scans.isel(scan=[0]), {}, "needs at least 2 scans along scan, got 1"),
    ):
        with pytest.raises(InvalidInput, match=sentence):
            xas.merge(data, **options)
