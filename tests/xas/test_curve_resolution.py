"""Curve resolution as a verb."""

import numpy as np
import pytest

import spectra
import xas
from spectra.dataset import flag_names

ATTRS = {"technique": "xas", "element": "Mn", "edge": "K", "normalized": "yes"}


@pytest.fixture(scope="module")
def pure(simulated):
    energy = simulated().energy.values
    shapes = {"low": (6546.0, 0.3), "high": (6549.5, 0.6)}
    curves = {
        n: (simulated(edge=e, white_line=w).mu.values - 0.3 + 2e-4 * (energy - 6540)) / 0.8
        for n, (e, w) in shapes.items()
    }
    return {name: spectra.from_arrays(energy, y, name="mu", attrs=ATTRS) for name, y in curves.items()}


def charge_of(pure, low=0.0, high=1.0, noise=1e-3):
    share = np.linspace(low, high, 20)
    energy = pure["low"].energy.values
    mu = np.outer(1 - share, pure["low"].mu.values) + np.outer(share, pure["high"].mu.values)
    mu = mu + noise * np.random.default_rng(3).normal(size=mu.shape)
    return share, spectra.from_arrays(energy, mu, name="mu", dims=("scan",), attrs=ATTRS)


def test_a_series_between_pure_ends(pure):
    share, scans = charge_of(pure)
    found = xas.mcr_als(scans, n=2)
    high = int(np.argmax(found.species_fraction.values[-1]))
    np.testing.assert_allclose(found.species_fraction[:, high], share, atol=0.01)
    np.testing.assert_allclose(found.residual.std(skipna=True), 1e-3, rtol=0.1)
    assert "settled after" in found.spectra.history[-1]["notes"][-1]
    assert set(found.spectra.flags.flag) == set()
    table = found.spectra.table()
    assert {"species_fraction[species 1]", "species_fraction_least[species 1]"} <= set(table.columns)


@pytest.mark.parametrize("closure", [True, False])
def test_sigmas_cover_where_the_spectra_are_known(pure, closure):
    """Then there is nothing to turn, and noise is all."""
    energy = pure["low"].energy.values
    mixed = 0.6 * pure["low"].mu.values + 0.4 * pure["high"].mu.values
    mu = mixed + 4e-3 * np.random.default_rng(8).normal(size=(1500, energy.size))
    scans = spectra.from_arrays(energy, mu, name="mu", dims=("scan",), attrs=ATTRS)
    found = xas.mcr_als(scans, n=2, known=pure, closure=closure, bands=False)
    off = np.abs(found.species_fraction - [0.6, 0.4]) < found.species_fraction_sigma
    for covered in off.mean("scan").values:
        assert 0.63 < covered < 0.73


def test_sigmas_are_those_of_the_spectra_as_found(pure):
    """New noise on what was found, fitted by the spectra as found: the spread of the fractions is the sigma."""
    from spectra.mixtures import nonnegative_fractions

    _, scans = charge_of(pure, 0.3, 0.7)
    found = xas.mcr_als(scans, n=2, bands=False)
    inside = np.isfinite(found.species_spectrum.values).all(0)
    species = found.species_spectrum.values[:, inside]
    fit = found.best_fit.values[10, inside]
    noise = 1e-3 * np.random.default_rng(0).normal(size=(2000, fit.size))
    spread = nonnegative_fractions(fit + noise, species, sum_to_one=True).std(0)
    np.testing.assert_allclose(found.species_fraction_sigma.mean("scan"), spread, rtol=0.1)
    assert "species_fraction[species 1]_sigma" in found.spectra.table().columns


def test_one_maximum_leaves_no_linear_law(pure):
    _, scans = charge_of(pure)
    assert "species_fraction_sigma" not in xas.mcr_als(scans, n=2, unimodal=True, bands=False)
    lost = scans.copy(deep=True)
    lost["mu"][3] = np.nan
    sigma = xas.mcr_als(lost, n=2, bands=False).species_fraction_sigma
    assert np.isnan(sigma[3]).all()
    assert np.isfinite(sigma.values[[0, 2, 4, 19]]).all()


def test_a_known_end_narrows_the_bands(pure):
    share, scans = charge_of(pure, 0.2, 0.8)
    free = xas.mcr_als(scans, n=2)
    held = xas.mcr_als(scans, n=2, known={"low": pure["low"]})
    assert list(held.species.values) == ["low", "species 1"]
    np.testing.assert_array_equal(
        held.species_spectrum[0].dropna("energy"), held.species_spectrum_most[0].dropna("energy")
    )

    def width(data):
        return float((data.species_signal_most - data.species_signal_least).max())

    assert width(held) < width(free)
    both = xas.mcr_als(scans, n=2, known=pure)
    np.testing.assert_allclose(both.species_fraction.sel(species="high"), share, atol=5e-3)
    assert width(both) == pytest.approx(0, abs=1e-12)


def test_one_maximum_and_a_lost_spectrum(pure):
    share, scans = charge_of(pure)
    scans = scans.copy(deep=True)
    scans["mu"][7] = np.nan
    found = xas.mcr_als(scans, n=2, unimodal=True, bands=False)
    assert flag_names(found, scan=7) == ["not_resolved"]
    assert np.isnan(found.species_fraction[7]).all()
    assert "species_fraction_least" not in found
    high = int(np.argmax(found.species_fraction.values[-1]))
    rest = np.arange(20) != 7
    np.testing.assert_allclose(found.species_fraction[rest, high], share[rest], atol=0.02)


def test_an_iteration_that_does_not_settle_is_flagged(pure):
    _, scans = charge_of(pure, 0.2, 0.8)
    found = xas.mcr_als(scans, n=3, max_iter=2, tol=1e-12, bands=False)
    assert flag_names(found, scan=0) == ["not_settled"]
    assert np.isfinite(found.species_fraction).all()


def test_the_same_from_the_file(pure, tmp_path):
    from spectra.results.rerun import rerun

    _, scans = charge_of(pure)
    spectra.save(tmp_path / "m.nxs", xas.mcr_als(scans, n=2, known={"low": pure["low"]}))
    report = rerun(tmp_path / "m.nxs", rtol=1e-8)
    assert report.identical, str(report)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("n is between 1 and 8 species, got 9", {"n": 9}),
        ("max_iter is at least 1 and tol above 0", {"n": 2, "max_iter": 0}),
        ("needs at least 4 good spectra; this dataset has 3", {"n": 3, "keep": 3}),
    ],
)
def test_refusals(pure, text, options):
    _, scans = charge_of(pure)
    scans = scans.isel(scan=slice(options.pop("keep", None)))
    with pytest.raises(ValueError, match=text):
        xas.mcr_als(scans, **options)


def test_more_known_than_species_and_maps(pure):
    _, scans = charge_of(pure)
    with pytest.raises(ValueError, match="known holds 2 spectra, more than the n = 1"):
        xas.mcr_als(scans, n=1, known=pure)
    with pytest.raises(
        ValueError, match="unimodal asks for a series along one dimension; this dataset has y, scan"
    ):
        xas.mcr_als(scans.expand_dims(y=2).transpose("y", "scan", "energy"), n=2, unimodal=True)
    short = pure["low"].isel(energy=pure["low"].energy < 6570)
    with pytest.raises(ValueError, match="known species 'low' runs from .* narrow the window"):
        xas.mcr_als(scans, n=2, known={"low": short})
