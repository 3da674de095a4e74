"""Fermi edge: fitted position and width against known truth, coverage of sigma, and a measured edge of gold."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

import spectra
import xps
from spectra.dataset import flag_names
from spectra.errors import InvalidInput
from xps.energy_scale.fermi_edge import BOLTZMANN, NORMALS, fermi_edge

X = np.arange(-3, 3, 0.05)
FINE = np.arange(-8, 8, 0.002)


def edge(position=0.13, fwhm=0.3, temperature=300.0, height=400.0, slope=20.0, level=30.0, x=X):
    """The edge by brute force: the Fermi function convolved with a Gaussian on a fine grid."""
    occupied = expit((FINE - position) / (BOLTZMANN * temperature))
    if fwhm:
        kernel = np.exp(-4 * np.log(2) * (FINE / fwhm) ** 2)
        padded = np.pad(occupied, FINE.size // 2, mode="edge")
        occupied = np.convolve(padded, kernel / kernel.sum(), "valid")[1:]
    return level + np.interp(x, FINE, occupied) * (height + slope * (x - position))


def dataset(y, x=X, dims=(), units="counts"):
    attrs = {"technique": "xps", "region": "EF"}
    return spectra.from_arrays(
        x, y, axis="binding_energy", name="counts", units=units, dims=dims, attrs=attrs
    )


def test_the_sum_of_normals_is_the_fermi_function():
    from scipy.special import ndtr

    t = np.linspace(-40, 40, 20001)
    assert np.abs(sum(w * ndtr(t / s) for w, s in NORMALS) - expit(t)).max() < 6e-6
    assert sum(w for w, _ in NORMALS) == pytest.approx(1, abs=1e-8)


@pytest.mark.parametrize("temperature", [80.0, 300.0, 900.0])
@pytest.mark.parametrize("fwhm", [0.15, 0.4, 0.9])
def test_without_noise_the_truth_comes_back(fwhm, temperature, frozen):
    y = edge(fwhm=fwhm, temperature=temperature)
    found = fermi_edge(frozen(X), frozen(y), variance=frozen(y), temperature=temperature, reach=2.0)
    assert found.position == pytest.approx(0.13, abs=2e-3)
    assert found.resolution == pytest.approx(fwhm, rel=5e-3)
    np.testing.assert_allclose(
        found.best_fit[np.isfinite(found.best_fit)], y[np.isfinite(found.best_fit)], rtol=2e-3
    )


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("fwhm", [0.1, 0.4])
def test_stated_uncertainty_covers_the_truth(fwhm, weighted, rng):
    y = rng.poisson(edge(fwhm=fwhm), size=(600, X.size)).astype(float)
    found = fermi_edge(X, y, variance=np.maximum(y, 1) if weighted else None)
    pull = (found.position - 0.13) / found.sigma
    assert np.isfinite(pull).all()
    assert abs(pull.mean()) < 4 / np.sqrt(600)
    assert np.mean(np.abs(pull) < 1) == pytest.approx(0.683, abs=0.06)
    assert np.mean(np.abs(pull) < 2) == pytest.approx(0.954, abs=0.03)


def test_an_instrument_without_width_is_found_as_such(rng):
    found = fermi_edge(X, rng.poisson(edge(fwhm=0), size=(200, X.size)).astype(float))
    assert np.median(found.resolution) < 0.05
    assert np.isnan(found.resolution_sigma[found.resolution == 0]).all()


def test_a_series_is_a_loop_and_a_broken_spectrum_stays_alone(rng):
    y = rng.poisson([edge(0.1), edge(-0.4), edge(0.9)]).astype(float)
    y[1, 40] = np.nan
    together = fermi_edge(X, y)
    assert np.isnan(together.position[1])
    for i in (0, 2):
        assert together.position[i] == fermi_edge(X, y[i]).position
    assert fermi_edge(X, y.reshape(3, 1, -1)).position.shape == (3, 1)


def test_what_is_no_edge_is_nan(rng):
    noise = rng.poisson(50, size=X.size).astype(float)
    found = fermi_edge(X, np.stack([noise, 0 * X, edge()[::-1]]))
    assert np.isnan(found.position).all()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"temperature": 0.0}, "temperature must be positive, in K, got 0"),
        ({"reach": -1.0}, "reach must be positive, in eV, or None, got -1"),
    ],
)
def test_misuse_is_one_sentence(options, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        fermi_edge(X, edge(), **options)


@pytest.fixture(scope="module")
def gold(data_dir):
    """Valence band of gold near the edge, photoemission at a synchrotron."""
    table = np.genfromtxt(data_dir / "xps/lg4x/170109_1712_Ef.csv", delimiter=",", skip_header=1)[::-1]
    return table[:, 0], table[:, 1]


class TestGold:
    def test_the_measured_edge(self, gold):
        """Position within its sigma whatever part of the plateau is fitted; half of the rise lies there too."""
        x, y = gold
        found = [fermi_edge(x, y, reach=r) for r in (0.8, 1.0, 1.3)]
        positions = [float(f.position) for f in found]
        assert np.ptp(positions) < 0.005
        assert all(f.sigma < 0.006 for f in found)
        smooth = np.convolve(y, np.ones(5) / 5, "same")
        half = (y[(x > -1) & (x < -0.3)].mean() + y[(x > 0.4) & (x < 1)].mean()) / 2
        near = np.abs(x) < 0.4
        assert positions[1] == pytest.approx(np.interp(half, smooth[near], x[near]), abs=0.02)
        assert 0.15 < found[1].resolution < 0.3

    def test_calibrates_the_scale(self, gold):
        x, y = gold
        before = dataset(y, x, units="")
        after = xps.calibrate(before, reference="Fermi edge")
        assert float(after.charge_shift) == pytest.approx(-0.031, abs=0.002)
        assert 0.003 < float(after.charge_shift_sigma) < 0.006
        assert after.charge_shift.attrs["measured_by"] == "fitted at 300 K between -5 and 5 eV"
        again = fermi_edge(after.binding_energy, after.counts)
        assert float(again.position) == pytest.approx(0, abs=1e-9)

    def test_the_window_says_what_is_fitted(self, gold):
        x, y = gold
        wide = xps.calibrate(dataset(y, x, units=""), reference="Fermi edge", window=(-0.8, 0.8))
        assert float(wide.charge_shift) == pytest.approx(-0.0273, abs=0.002)


def test_sigma_goes_into_every_position_found_later(rng):
    """Shift and sigma of an edge, given to another region, are in the uncertainty of its lines."""
    metal = xps.calibrate(dataset(rng.poisson(edge(0.25))), reference="Fermi edge")
    energy = np.arange(632.0, 662.0, 0.1)
    lines = {"a": {"shape": "sgl", "position": 641.9, "area": 4000.0, "fwhm": 2.0}}
    lines["b"] = {"shape": "sgl", "position": 653.55, "area": 2000.0, "fwhm": 2.4}
    mn = spectra.simulate(
        energy, lines, background=50.0, axis="binding_energy", name="counts", units="counts"
    )
    sigma = float(metal.charge_shift_sigma)
    mn = xps.calibrate(mn, reference="Fermi edge", shift=float(metal.charge_shift), sigma=sigma)
    mn = xps.deconvolve(mn, states=("Mn4+",), background="linear", positions={"Mn4+": 641.6})
    first = mn.isel(component=0)
    own = float(mn.best_value_sigma.sel(parameter="mn4_2p3_2_position"))
    assert float(first.position_sigma) == pytest.approx(np.hypot(own, sigma), rel=1e-6)


class TestOneSample:
    def series(self, shifts, samples):
        y = np.stack([edge(s) for s in shifts])
        return dataset(y, dims=("region",)).assign_coords(sample=("region", list(samples)))

    def test_shifts_that_differ_inside_a_sample_are_flagged(self):
        after = xps.calibrate(self.series([0.3, 0.3, 0.9, 1.5], "aaab"), reference="Fermi edge")
        assert [("shifts_differ" in flag_names(after, region=i)) for i in range(4)] == [
            False,
            False,
            True,
            False,
        ]

    def test_shifts_that_agree_are_not(self):
        after = xps.calibrate(self.series([0.3, 0.32, 1.5, 1.5], "aabb"), reference="Fermi edge")
        assert all("shifts_differ" not in flag_names(after, region=i) for i in range(4))


def test_no_edge_is_one_sentence(rng):
    with pytest.raises(InvalidInput, match=r"no Fermi edge between -5\.0 and 5\.0 eV .* the metal's edge"):
        xps.calibrate(dataset(rng.poisson(np.full(X.size, 50.0))), reference="Fermi edge")
