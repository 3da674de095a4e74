"""Water and carbon dioxide taken off: known amounts found back, coverage, a measured atmosphere, bad input."""

import numpy as np
import pytest

import raman
import spectra
from raman.infrared.atmosphere import fit_atmosphere, line_windows
from spectra.dataset import flag_names
from spectra.errors import InvalidInput
from spectra.results.rerun import rerun

NU = np.arange(1000.0, 2500.0, 1.0)
SAMPLE = 0.8 * np.exp(-(((NU - 1650) / 70) ** 2)) + 0.3 * np.exp(-(((NU - 1200) / 50) ** 2)) + 0.1


def lines(seed, low, high, count, width=3.0, moved=0.0):
    """Simulated: lines of a gas at random places."""
    rng = np.random.default_rng(seed)
    places, heights = rng.uniform(low, high, count), rng.uniform(0.02, 0.1, count)
    return (heights / (1 + ((NU[:, None] - places - moved) / (width / 2)) ** 2)).sum(-1)


WATER = lines(1, 1350, 1900, 90)
CARBON_DIOXIDE = lines(2, 2300, 2380, 40)
ATMOSPHERE = {"water": (NU, WATER), "carbon_dioxide": (NU, CARBON_DIOXIDE)}


def dataset(values, sigma=None):
    values = np.asarray(values, float)
    dims = ("scan",) if values.ndim == 2 else ()
    return spectra.from_arrays(NU, values, axis="wavenumber", name="absorbance", dims=dims, sigma=sigma)


def test_known_amounts_are_found_back_within_noise(rng):
    amounts = np.array([[0.5, 0.2], [-0.3, 1.0], [0.0, 0.0]])
    noise = 3e-4
    y = SAMPLE + amounts @ np.stack([WATER, CARBON_DIOXIDE]) + rng.normal(scale=noise, size=(3, NU.size))
    made = raman.remove_atmosphere(dataset(y), atmosphere=ATMOSPHERE)
    assert made.atmosphere_amount.dims == ("scan", "gas")
    assert list(made.gas.values) == ["water", "carbon_dioxide"]
    pull = (made.atmosphere_amount.values - amounts) / made.atmosphere_amount_sigma.values
    assert np.abs(pull).max() < 3.5
    left = made.absorbance.values - SAMPLE
    assert left.std() < 1.15 * noise
    assert np.abs(left).max() < 6 * noise


def test_lines_beside_those_of_the_gas_spectrum():
    """Of lines that moved a little, what is left goes with the square of the shift, without the derivative with it."""
    still = lines(1, 1350, 1900, 90, width=8.0)
    left = {}
    for moved in (0.2, 0.1):
        y = 0.1 + 0.5 * lines(1, 1350, 1900, 90, width=8.0, moved=moved)
        for shift in (True, False):
            made = raman.remove_atmosphere(dataset(y), atmosphere=(NU, still), shift=shift)
            left[moved, shift] = float(np.abs(made.absorbance - 0.1).max())
            assert ("atmosphere_shift" in made) == shift
            if shift:
                assert made.atmosphere_shift.values == pytest.approx(moved, rel=0.03)
    assert left[0.1, True] < 0.1 * left[0.1, False]
    assert left[0.2, False] / left[0.1, False] == pytest.approx(2, rel=0.15)
    assert left[0.2, True] / left[0.1, True] == pytest.approx(4, rel=0.25)


@pytest.mark.parametrize("known", [True, False])
def test_sigmas_cover(rng, known):
    """Amounts in all spectra, and the points of the corrected ones where sigmas came with them."""
    sigma = 1e-3 * (1 + (NU > 1600)) if known else np.full(NU.size, 1e-3)
    y = SAMPLE + 0.4 * WATER + rng.normal(size=(400, NU.size)) * sigma
    made = fit_atmosphere(NU, y, WATER[None], sigma=np.broadcast_to(sigma, y.shape) if known else None)
    share = (np.abs(made.amount - 0.4) < made.amount_sigma).mean()
    assert 0.61 < share < 0.75
    if known:
        clean = fit_atmosphere(NU, SAMPLE + 0.4 * WATER, WATER[None], sigma=sigma).corrected
        assert 0.67 < (np.abs(made.corrected - clean) < made.sigma).mean() < 0.695
    else:
        assert np.isnan(made.sigma).all()


def test_the_fit_is_the_obvious_one(rng):
    """The slow sum of squares of one spectrum, with its weights, by another solver."""
    from raman.infrared.atmosphere import _splines

    y = SAMPLE + 0.4 * WATER + rng.normal(scale=1e-3, size=NU.size)
    sigma = 1e-3 * (1 + rng.random(NU.size))
    inside = line_windows(NU, WATER[None], 20.0)
    made = fit_atmosphere(NU, y, WATER[None], sigma=sigma, shift=False)
    model = np.column_stack([WATER, _splines(NU, inside, 20.0)])[inside]
    weight = 1 / sigma[inside]
    terms = np.linalg.lstsq(model * weight[:, None], y[inside] * weight, rcond=None)[0]
    assert made.amount[0] == pytest.approx(terms[0], rel=1e-9)


def test_a_bridge_over_carbon_dioxide():
    dark = SAMPLE + 3 * (CARBON_DIOXIDE > 0.05)
    sigma = np.full(NU.size, 1e-3)
    made = raman.remove_atmosphere(dataset(dark, sigma), atmosphere=(NU, WATER), bridge=((2290.0, 2390.0),))
    gap = (NU >= 2290) & (NU <= 2390)
    np.testing.assert_allclose(made.absorbance.values[gap], SAMPLE[gap], atol=1e-4)
    assert np.isnan(made.absorbance_sigma.values[gap]).all()
    assert np.isfinite(made.absorbance_sigma.values[~gap]).all()
    assert any("drawn over from 2290 to 2390" in note for note in made.spectra.history[-1]["notes"])


def test_gaps_and_lost_spectra():
    values = np.stack([SAMPLE + 0.4 * WATER] * 3)
    values[1, 500:520], values[2] = np.nan, np.nan
    made = raman.remove_atmosphere(dataset(values), atmosphere=(NU, WATER))
    np.testing.assert_allclose(made.atmosphere_amount.values[:2, 0], 0.4, atol=1e-3)
    assert [flag_names(made, scan=i) for i in range(3)] == [[], [], ["not_measured"]]


def test_water_that_an_instrument_saw_is_found_in_a_measured_spectrum(data_dir):
    """OPUS took water off a spectrum whose interferogram it kept: the difference is a measured atmosphere."""
    file = data_dir / "ftir" / "opus" / "brukeropus_file.0"
    options = {"apodization": "blackman_harris_3", "zero_filling": 2, "phase_resolution": 100.0}
    wet = raman.transform_interferogram(raman.read(file, select="sample interferogram"), **options)
    dry = spectra.crop(raman.read(file, select="sample single channel"), window=(1250, 2150))
    nu = dry.wavenumber.values
    seen = wet.single_channel.mean("direction").interp(wavenumber=nu).values
    water = -np.log10(seen / (np.median(seen / dry.single_channel.values) * dry.single_channel.values))
    measured = spectra.crop(raman.read(data_dir / "ftir" / "opus" / "test.0000"), window=(1260, 2140))
    known = 0.6 * np.interp(measured.wavenumber, nu, water)
    wet_sample = measured.assign(absorbance=measured.absorbance + known)
    before = raman.remove_atmosphere(measured, atmosphere=(nu, water), shift=False)
    after = raman.remove_atmosphere(wet_sample, atmosphere=(nu, water), shift=False)
    added = float((after.atmosphere_amount - before.atmosphere_amount).item())
    assert added == pytest.approx(0.6, abs=1e-9)
    np.testing.assert_allclose(after.absorbance, before.absorbance, atol=1e-9)


def test_what_was_handed_in_can_be_computed_again(tmp_path):
    made = raman.remove_atmosphere(dataset(SAMPLE + 0.4 * WATER), atmosphere=ATMOSPHERE)
    assert rerun(made.spectra.save(tmp_path / "a.nxs")).identical


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"atmosphere": (NU, SAMPLE)},
            "atmosphere has no lines in the windows, and cannot be told from the sample",
        ),
        ({"atmosphere": (NU, np.ones(NU.size))}, "no lines are in the spectrum of the atmosphere"),
        ({"atmosphere": {"a": (NU, WATER), "b": (NU, 2 * WATER)}}, "a, b are alike"),
        ({"atmosphere": (NU[:100], WATER[:100])}, "runs from 1000 to 1099 1/cm"),
        ({"windows": ((3000.0, 3100.0),)}, "holds no point; the axis runs from 1000 to 2499"),
        ({"windows": ((1500.0, 1504.0),)}, "more than are fitted"),
        ({"spacing": 1.0}, "spacing must be wider than two steps of the axis, got 1 1/cm"),
        ({"bridge": ((2400.0, 2600.0),)}, "at least 2 are needed on both"),
    ],
)
def test_bad_options(options, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        raman.remove_atmosphere(dataset(SAMPLE), **{"atmosphere": (NU, WATER), **options})


def test_light_is_no_absorbance():
    data = spectra.from_arrays(NU, SAMPLE, axis="wavenumber", name="transmittance")
    with pytest.raises(InvalidInput, match="holds transmittance; call raman.to_absorbance first"):
        raman.remove_atmosphere(data, atmosphere=(NU, WATER))
