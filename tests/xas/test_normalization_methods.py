"""Area and min-max normalisation, saturated channels, scans too short for a line or a polynomial."""

import numpy as np
import pytest

import spectra
import xas
from spectra.dataset import failed, flag_names
from xas.normalization.saturation import saturated

RANGES = {"e0": 6548.0, "pre": (-150.0, -30.0), "post": (50.0, 700.0)}


def test_areas_become_equal(simulated):
    scans = simulated(step=np.array([0.4, 0.8, 2.0]))
    got = xas.normalize(scans, method="area", **RANGES)
    inside = (got.energy >= 6600) & (got.energy < 7247)
    part = got.norm.where(inside, drop=True)
    means = np.trapezoid(part, part.energy, axis=-1) / np.ptp(part.energy.values)
    np.testing.assert_allclose(means, 1, atol=2e-3)
    np.testing.assert_allclose(got.norm[0], got.norm[2], atol=1e-9)
    np.testing.assert_allclose(got.flat, got.norm, atol=1e-12)
    assert (got.edge_step_systematic > 0).all()
    assert '"method": "area"' in got.norm.attrs["normalization"]


def test_the_default_area_begins_at_the_edge(simulated):
    entry = xas.normalize(simulated(), method="area", e0=6548.0).spectra.history[-1]
    assert entry["resolved"]["post"][0] == 0


def test_min_max(simulated):
    scans = simulated(edge=np.array([6546.0, 6550.0]))
    got = xas.normalize(scans, method="minmax", **RANGES)
    mu, energy = scans.mu.values, scans.energy.values
    low = mu[:, (energy >= 6398) & (energy < 6518)].min(1)
    high = mu[:, energy >= 6548].max(1)
    np.testing.assert_allclose(got.edge_step, high - low)
    np.testing.assert_allclose(got.norm, (mu - low[:, None]) / (high - low)[:, None])


@pytest.mark.parametrize("method", ["area", "minmax"])
def test_the_uncertainty_covers(simulated, method):
    """Min and max are points chosen by noise itself; with noise far below the white line the choice is settled."""
    noise = 8e-4 if method == "area" else 1e-5
    truth = xas.normalize(simulated(), method=method, **RANGES)
    got = xas.normalize(simulated(1500, noise=noise, known=True), method=method, **RANGES)
    pull = ((got.edge_step - truth.edge_step) / got.edge_step_sigma).values
    assert 0.63 < (abs(pull) < 1).mean() < 0.73
    pulls = ((got.norm - truth.norm) / got.norm_sigma).std("scan").values
    assert 0.9 < np.nanmedian(pulls) < 1.1


def test_a_saturated_channel_is_flagged_and_the_others_stand(simulated):
    scans = simulated(3, noise=1e-3).copy(deep=True)
    scans["mu"][1] = np.minimum(scans.mu[1], 1.05)
    got = xas.normalize(scans, **RANGES)
    assert failed(got).values.tolist() == [False, True, False]
    assert flag_names(got, scan=1) == ["saturated"]
    assert np.isnan(got.flat[1]).all()


def test_what_runs_level_by_itself_is_not_saturated():
    x = np.linspace(-60, 60, 400)
    smooth = 1 / (1 + np.exp(-x))  # exactly one from 37 on
    assert not saturated(smooth[None])[0]
    assert not saturated(np.ones((1, 50)))[0]  # a flat channel has no edge, which is said otherwise
    assert saturated(np.minimum(smooth + 0.1 * np.exp(-((x - 5) ** 2)), 0.97)[None])[0]


def test_a_flat_channel_among_others_is_flagged(simulated):
    scans = simulated(3, noise=1e-3).copy(deep=True)
    scans["mu"][2] = 0.5
    assert flag_names(xas.normalize(scans, **RANGES), scan=2) == ["no_edge"]


def test_a_short_post_edge_says_which_verbs_hold():
    energy = np.arange(6500.0, 6585, 0.25)
    mu = 0.1 + 0.8 / (1 + np.exp(-(energy - 6548) / 0.8))
    got = xas.normalize(
        spectra.from_arrays(energy, mu, name="mu", attrs={"element": "Mn", "edge": "K"}), e0=6548.0
    )
    assert "short_post_edge" in flag_names(got)
    assert not failed(got).any()
    (text,) = [n for n in got.spectra.history[-1]["notes"] if "36.8 eV above E0" in n]
    assert "edge_position, white_line, pre_edge_peaks and linear_combination hold" in text
    assert "autobk, fourier, wavelet" in text
    assert np.isfinite(xas.edge_position(got).edge_position)


def test_a_short_pre_edge_is_said():
    energy = np.arange(6544.0, 6650, 0.25)
    mu = 0.1 + 0.8 / (1 + np.exp(-(energy - 6548) / 0.8))
    got = xas.normalize(spectra.from_arrays(energy, mu, name="mu"), e0=6548.0, pre=(-4.0, -3.0))
    assert "short_pre_edge" in flag_names(got)
    assert "the scan begins 4.0 eV below E0" in str(got.spectra.history[-1]["notes"])


def test_long_scans_carry_no_warning(simulated):
    assert flag_names(xas.normalize(simulated(), **RANGES)) == []


def test_an_unknown_method_is_refused(simulated):
    with pytest.raises(ValueError, match=r"method must be .*did you mean 'area'"):
        xas.normalize(simulated(), method="aera")
