"""Monte Carlo of one fit: the spread of the draws is the uncertainty that the fit states."""

import numpy as np
import pytest

import spectra
import xps
from spectra.errors import InvalidInput

X = np.linspace(0.0, 20.0, 201)
PEAK = 900.0 * np.exp(-4 * np.log(2) * ((X - 9.0) / 2.5) ** 2)
MODEL = ({"shape": "gaussian"}, {"shape": "polynomial", "degree": 0})
START = {"position": 8.5, "area": 1000.0, "fwhm": 2.0, "c0": 10.0}


def counts(n, rng):
    y = rng.poisson(np.broadcast_to(200.0 + PEAK, (n, X.size)))
    return spectra.from_arrays(
        X, y, axis="binding_energy", name="counts", units="counts", dims=("scan",), attrs={"technique": "xps"}
    )


def test_the_spread_is_the_uncertainty(rng):
    fitted = spectra.fit(counts(2, rng), model=MODEL, params=START, weights="poisson")
    drawn = spectra.monte_carlo(fitted, draws=800, rng=1, scan=1)
    assert drawn.sizes["draw"] == 800
    for name in ("position", "area", "fwhm", "height"):
        stated, value = (float(fitted[n][1, 0]) for n in (f"{name}_sigma", name))
        assert float(drawn[name][:, 0].std()) == pytest.approx(stated, rel=0.12)
        assert float(drawn[name][:, 0].mean()) == pytest.approx(value, abs=0.2 * stated)
    again = spectra.monte_carlo(fitted, draws=800, rng=1, scan=1)
    np.testing.assert_array_equal(again.area, drawn.area)


def test_known_uncertainties_and_none(rng):
    y = 5.0 + PEAK + rng.normal(scale=8.0, size=X.size)
    data = spectra.from_arrays(X, y, axis="raman_shift", name="intensity")
    fitted = spectra.fit(data, model=MODEL, params=START)
    drawn = spectra.monte_carlo(fitted, draws=600)
    assert float(drawn.position[:, 0].std()) == pytest.approx(float(fitted.position_sigma[0]), rel=0.15)
    data["intensity_sigma"] = (("raman_shift",), np.full(X.size, 8.0))
    fitted = spectra.fit(data, model=MODEL, params=START)
    drawn = spectra.monte_carlo(fitted, draws=600)
    assert float(drawn.area[:, 0].std()) == pytest.approx(float(fitted.area_sigma[0]), rel=0.15)


@pytest.mark.parametrize("background", ["active_linear", "linear"])
def test_a_background_is_drawn_with_its_spectrum(background, rng):
    """Subtracted before or fitted inside: the verbs that made it run again."""
    lines = ({"name": "line", "shape": "gaussian", "position": {"value": 9.0, "min": 8.0, "max": 10.0}},)
    data = counts(1, rng).isel(scan=0)
    if background == "linear":
        fitted = xps.deconvolve(xps.subtract_background(data, method="linear"), components=lines)
    else:
        fitted = xps.deconvolve(data, components=lines, background=background)
    drawn = spectra.monte_carlo(fitted, draws=600)
    assert float(drawn.area[:, 0].std()) == pytest.approx(float(fitted.area_sigma[0]), rel=0.15)
    assert drawn.background.dims == ("draw", "binding_energy")
    assert float(drawn.background.std("draw").max()) > 0


def test_bad_input(rng):
    data = counts(2, rng)
    with pytest.raises(InvalidInput, match="holds no fit"):
        spectra.monte_carlo(data, scan=0)
    fitted = spectra.fit(data, model=MODEL, params=START, weights="poisson")
    with pytest.raises(InvalidInput, match="say which along scan"):
        spectra.monte_carlo(fitted)
    with pytest.raises(InvalidInput, match="draws must be at least 2"):
        spectra.monte_carlo(fitted, draws=1, scan=0)
    broken = spectra.fit(data * np.nan, model=MODEL, params=START, weights="none")
    with pytest.raises(InvalidInput, match="failed"):
        spectra.monte_carlo(broken, scan=0)


def test_spectra_fitted_together_are_drawn_together(rng):
    """A width in common: it scatters from draw to draw, not within one, as its uncertainty says."""
    data = counts(3, rng)
    options = {"model": MODEL, "params": START, "weights": "poisson", "shared": ("fwhm",)}
    fitted = spectra.fit(data, **options)
    drawn = spectra.monte_carlo(fitted, draws=300)
    assert dict(drawn.sizes)["scan"] == 3
    assert np.ptp(drawn.fwhm.isel(component=0).values, axis=1).max() < 1e-9
    stated = float(fitted.shared_value_sigma[0])
    assert float(drawn.shared_value[:, 0].std()) == pytest.approx(stated, rel=0.15)
    area = drawn.area.isel(component=0).std("draw") / fitted.area_sigma.isel(component=0)
    np.testing.assert_allclose(area, 1.0, atol=0.15)
    with pytest.raises(InvalidInput, match="along scan were fitted together and are drawn together"):
        spectra.monte_carlo(fitted, scan=0)


def test_start_values_are_not_handed_from_draw_to_draw(rng):
    fitted = spectra.fit(counts(3, rng), model=MODEL, params=START, weights="poisson", start="previous")
    fresh = spectra.fit(counts(3, rng), model=MODEL, params=START, weights="poisson")
    assert spectra.monte_carlo(fitted, draws=20, scan=1).sizes["draw"] == 20
    assert spectra.monte_carlo(fresh, draws=20, scan=1).sizes["draw"] == 20
