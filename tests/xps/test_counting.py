"""A stated sigma that all spectra of a series have in common counts for each of them."""

import numpy as np
import pytest

import spectra
import xps

LINES = {
    "a": {"shape": "sgl", "position": 641.4, "area": 900.0, "fwhm": 2.0},
    "b": {"shape": "sgl", "position": 653.05, "area": 450.0, "fwhm": 2.4},
}


@pytest.mark.parametrize("background", ["linear", "active_linear"])
def test_one_sigma_for_a_series(background, rng):
    x = np.arange(632.0, 662.0, 0.1)
    one = spectra.simulate(
        x, LINES, background=50.0, counts=3000, rng=1, axis="binding_energy", name="counts", units="counts"
    )
    sigma = one.counts_sigma.values
    series = spectra.from_arrays(
        x, one.counts.values + rng.normal(0, sigma, (3, x.size)), axis="binding_energy", name="counts", units="counts",
        dims=("scan",), attrs={"technique": "xps"},
    )  # fmt: skip
    own = series.assign(counts_sigma=(("scan", "binding_energy"), np.tile(sigma, (3, 1))))
    common = series.assign(counts_sigma=("binding_energy", sigma))
    fits = [xps.deconvolve(data, states=("Mn3+",), background=background) for data in (own, common)]
    for name in ("position", "position_sigma", "area_sigma"):
        np.testing.assert_array_equal(*(fit[name] for fit in fits))
    fit = xps.deconvolve(one, states=("Mn3+",), background=background)
    drawn = spectra.monte_carlo(fit, draws=100, rng=2)
    scatter = drawn.position.isel(component=0).std("draw", ddof=1)
    assert float(scatter / fit.position_sigma[0]) == pytest.approx(1, abs=0.25)
