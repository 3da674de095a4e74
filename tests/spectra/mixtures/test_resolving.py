"""Species of series and maps without a model: amounts and spectra found again, uncertainties, lost spectra, bad input."""

import numpy as np
import pytest
import xarray as xr

import spectra
from spectra.dataset import flag_names
from spectra.errors import InvalidInput
from spectra.verbs import history

X = np.arange(400.0, 1100.0, 4.0)
PURE = np.stack(
    [
        sum(h * np.exp(-(((X - at) / 15) ** 2)) for at, h in bands)
        for bands in (((485, 1.0), (590, 0.7)), ((700, 1.0),), ((994, 1.0), (530, 0.5)))
    ]
)


def mixtures(rng, count=60, noise=0.01):
    amounts = rng.dirichlet(np.full(3, 0.3), count) * rng.uniform(0.5, 2.0, (count, 1))
    amounts[:3] = np.eye(3)
    data = spectra.from_arrays(
        X, amounts @ PURE + rng.normal(scale=noise, size=(count, X.size)), axis="raman_shift", dims=("scan",)
    )
    return data, amounts


def matched(found, amounts):
    """Order of the species that goes with the truth."""
    resolved = found.species_amount.values.reshape(-1, 3)
    return np.abs(np.corrcoef(resolved.T, amounts.T)[:3, 3:]).argmax(0)


@pytest.mark.parametrize("start", ["extremes", "simplisma"])
def test_species_are_found_again(rng, start):
    data, amounts = mixtures(rng)
    found = spectra.mcr_als(data, n=3, start=start)
    order = matched(found, amounts)
    assert sorted(order) == [0, 1, 2]
    np.testing.assert_allclose(found.species_amount.values[:, order], amounts, atol=0.06)
    np.testing.assert_allclose(found.species_spectrum.values[order], PURE, atol=0.08)
    assert float(found.lack_of_fit) < 6
    assert any("settled after" in text for text in history(found)[-1]["notes"])


def test_uncertainties_hold_with_the_spectra_held(rng):
    """Where each species is alone at many points, its amount scatters as stated."""
    data, amounts = mixtures(rng, count=400, noise=0.02)
    found = spectra.mcr_als(data, n=3)
    order = matched(found, amounts)
    inner = (amounts > 0.15).all(1)  # away from the limit at zero
    off = ((found.species_amount.values[:, order] - amounts) / found.species_amount_sigma.values[:, order])[
        inner
    ]
    off -= off.mean(0)  # what the species' spectra make of all amounts alike is in no sigma
    assert 0.55 <= (np.abs(off) < 1).mean() <= 0.80


def test_a_map_with_lost_pixels(rng):
    data, _ = mixtures(rng)
    values = data.intensity.values.reshape(6, 10, -1).copy()
    values[2, 3, 50] = np.nan
    grid = xr.Dataset(
        {"intensity": (("y", "x", "raman_shift"), values, {"units": ""})},
        coords={"raman_shift": data.raman_shift},
        attrs={"signal": "intensity"},
    )
    found = spectra.mcr_als(grid, n=3)
    assert found.species_amount.dims == ("y", "x", "species")
    assert flag_names(found, y=2, x=3) == ["not_resolved"]
    assert np.isnan(found.species_amount.values[2, 3]).all()
    assert np.isfinite(found.species_amount.values).sum() == 59 * 3


def test_net_is_taken_and_a_window_kept(rng):
    data, _ = mixtures(rng)
    data = data.assign(net=data.intensity.assign_attrs(units=""), intensity=data.intensity + 50)
    found = spectra.mcr_als(data, n=3, window=(450, 1050))
    assert history(found)[-1]["resolved"]["variable"] == "net"
    assert np.isnan(found.best_fit.sel(raman_shift=420.0, method="nearest")).all()
    assert float(found.lack_of_fit) < 8


def test_what_did_not_settle_is_flagged(rng):
    data, _ = mixtures(rng)
    assert flag_names(spectra.mcr_als(data, n=3, max_iter=1), scan=0) == ["not_settled"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"n": 9}, "between 1 and 8 species"),
        ({"n": 3, "window": (400, 404)}, "holds 2 points"),
        ({"n": 3, "variable": "nett"}, "no variable 'nett'"),
        ({"n": 3, "max_iter": 0}, "max_iter is at least 1"),
    ],
)
def test_bad_input_is_refused(rng, options, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        spectra.mcr_als(mixtures(rng)[0], **options)


def test_too_few_spectra_are_refused(rng):
    data, _ = mixtures(rng)
    with pytest.raises(InvalidInput, match="this is a single spectrum"):
        spectra.mcr_als(data.isel(scan=0), n=1)
    with pytest.raises(InvalidInput, match="3 species need more than 3 whole spectra"):
        spectra.mcr_als(data.isel(scan=slice(0, 3)), n=3)
