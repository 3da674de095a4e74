"""EMSC against truth and coverage; the correction for spheres against the expected values of its authors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import raman
import spectra
from raman.infrared.mie_scatter import Spheres, extinction_curves
from raman.infrared.scatter_correction import multiplicative_correction
from spectra.dataset import flag_names
from spectra.errors import InvalidInput
from spectra.results.rerun import rerun

NU = np.linspace(900, 1900, 501)
U = 2 * (NU - 1400) / 1000
PURE = np.exp(-(((NU - 1250) / 30) ** 2)) + 0.6 * np.exp(-(((NU - 1650) / 40) ** 2))
VAPOUR = np.exp(-(((NU - 1500) / 8) ** 2)) - 0.5 * np.exp(-(((NU - 1540) / 8) ** 2))


def dataset(values, name="absorbance", sigma=None, axis="wavenumber"):
    values = np.asarray(values, float)
    dims = ("scan",) if values.ndim == 2 else ()
    return spectra.from_arrays(NU, values, axis=axis, name=name, dims=dims, sigma=sigma)


@given(
    scale=st.floats(0.05, 20),
    terms=st.tuples(*[st.floats(-3, 3)] * 3),
    amount=st.floats(-2, 2),
)
def test_what_was_added_is_taken_off(scale, terms, amount):
    y = scale * PURE + sum(c * U**k for k, c in enumerate(terms)) + amount * VAPOUR
    made = multiplicative_correction(NU, y, PURE, interferents=VAPOUR[None])
    np.testing.assert_allclose(made.corrected, PURE, atol=1e-7 / scale + 1e-9)
    assert made.scale == pytest.approx(scale, rel=1e-6)


def test_what_differs_chemically_stays():
    """A further band, orthogonal to all that is fitted, is found back over the scale."""
    extra = 0.1 * np.exp(-(((NU - 1050) / 10) ** 2))
    model = np.column_stack([np.ones_like(U), U, U**2, PURE])
    extra = extra - model @ np.linalg.lstsq(model, extra, rcond=None)[0]
    made = raman.emsc(dataset(0.5 * (PURE + extra) + 0.3 - 0.2 * U), reference=(NU, PURE))
    np.testing.assert_allclose(made.absorbance, PURE + extra, atol=1e-12)
    np.testing.assert_allclose(made.emsc_baseline, 0.3 - 0.2 * U, atol=1e-12)
    assert float(made.emsc_scale) == pytest.approx(0.5)


def test_gaps_windows_and_lost_spectra():
    values = np.stack([0.5 * PURE + 0.1, 0.5 * PURE + 0.1, np.full(NU.size, np.nan), 0.2 - 0.5 * PURE])
    values[1, 50:60] = np.nan
    made = raman.emsc(dataset(values), reference=(NU, PURE), window=(1000, 1800))
    np.testing.assert_allclose(made.absorbance[0], PURE, atol=1e-12)
    good = np.isfinite(values[1])
    np.testing.assert_allclose(made.absorbance[1][good], PURE[good], atol=1e-12)
    assert [flag_names(made, scan=i) for i in range(4)] == [[], [], ["not_measured"], ["no_reference"]]


def test_sigmas_cover(rng):
    """Points and scales: 68 % within one sigma of what the spectra without noise give."""
    y = np.array([0.8, 0.3])[:, None] * PURE + 0.2 + 0.1 * U**2 + 0.05 * VAPOUR
    sigma = 0.005 * (1 + (NU > 1400))
    noisy = y[:, None] + rng.normal(size=(2, 300, NU.size)) * sigma
    made = multiplicative_correction(
        NU, noisy, PURE, interferents=VAPOUR[None], sigma=np.broadcast_to(sigma, noisy.shape)
    )
    assert 0.67 < (np.abs(made.corrected - PURE) < made.sigma).mean() < 0.695
    off = made.scale - np.array([[0.8], [0.3]])
    assert 0.63 < (np.abs(off) < made.scale_sigma).mean() < 0.73
    scan = raman.emsc(dataset(noisy[0], sigma=np.broadcast_to(sigma, noisy[0].shape)), reference=(NU, PURE))
    assert scan.absorbance_sigma.dims == ("scan", "wavenumber")
    assert {"emsc_scale", "emsc_scale_sigma"} <= set(scan.data_vars)


def test_raman_spectra_too():
    made = raman.emsc(
        dataset(3 * PURE + 7, name="intensity", axis="raman_shift"), reference=(NU, PURE), polynomial=0
    )
    np.testing.assert_allclose(made.intensity, PURE, atol=1e-12)


def test_what_was_handed_in_can_be_computed_again(tmp_path):
    made = raman.emsc(
        dataset(0.5 * PURE + 0.1), reference=dataset(PURE), interferents={"water": (NU, VAPOUR)}
    )
    assert rerun(made.spectra.save(tmp_path / "a.nxs")).identical


# ---- spheres ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "options", "iterations"),
    [
        (0, {}, 19),
        (1, {"components": 14}, 20),
        (2, {"max_iterations": 1}, 1),
    ],
)
def test_expected_values_of_the_authors(data_dir, row, options, iterations):
    """Every 20th point of three settings, given for a measured spectrum and a reference on another grid."""
    folder = data_dir / "ftir" / "emsc"
    raw, reference = (raman.read(folder / name) for name in ("MieStd1_rawSpec.csv", "MieStd2_refSpec.csv"))
    expected = np.genfromtxt(folder / "MieStd3_corr.csv", delimiter=",")[row, 1:]
    made = raman.emsc(raw, reference=reference, method="me_emsc", **options)
    np.testing.assert_allclose(made.intensity.values[::20], expected, atol=1e-10)
    assert int(made.iterations) == iterations
    assert made.spectra.history[-1]["resolved"]["components"] == options.get("components", 7)


def test_extinction_of_a_sphere_that_absorbs_nothing():
    """Van de Hulst: Q = 2 - 4 sin(rho)/rho + 4 (1 - cos(rho))/rho^2."""
    spheres = Spheres()
    alpha, _ = spheres.optical()
    rho = alpha * NU * 100
    made = extinction_curves(NU, np.zeros_like(NU), spheres)
    np.testing.assert_allclose(made, 2 - 4 * np.sin(rho) / rho + 4 * (1 - np.cos(rho)) / rho**2, atol=1e-10)


def test_spheres_flag_what_they_cannot_correct():
    values = np.stack([0.5 * PURE + 0.1, np.full(NU.size, np.nan)])
    made = raman.emsc(
        dataset(values, sigma=np.full(values.shape, 0.1)), reference=(NU, PURE), method="me_emsc", max_iterations=3,
        components=4,
    )  # fmt: skip
    assert flag_names(made, scan=1) == ["not_measured"]
    assert "absorbance_sigma" not in made
    assert any("no uncertainty is stated" in note for note in made.spectra.history[-1]["notes"])


# ---- bad input -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"polynomial": 11}, "polynomial must lie between 0 and 10, got 11"),
        ({"window": (1000, 1004)}, "window holds 3 points; 5 are needed"),
        ({"interferents": {"same": (NU, 2 * PURE + 1)}}, "reference and same cannot be told from each other"),
        ({"interferents": (NU, 0 * NU)}, "is zero in the window"),
        ({"interferents": {}}, "interferents is empty"),
        ({"reference": (NU[:9], PURE[:9])}, "reference runs from 900 to 916 1/cm"),
        ({"method": "me_emsc", "window": (1000, 1500)}, "takes no interferents and no window"),
        ({"method": "me_emsc", "components": 0}, "components must lie between 1 and 100, got 0"),
        ({"method": "me_emsc", "max_iterations": 0}, "max_iterations must be at least 1, got 0"),
        ({"method": "me_emsc", "radius": (3.0, 2.0)}, "radius must ascend from above 0 um"),
        ({"method": "me_emsc", "index": (0.9, 1.2)}, "index must ascend from above 1"),
    ],
)
def test_bad_options(options, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        raman.emsc(dataset(PURE), **{"reference": (NU, PURE), **options})


def test_light_is_no_absorbance():
    with pytest.raises(InvalidInput, match="holds transmittance; call raman.to_absorbance first"):
        raman.emsc(dataset(PURE, name="transmittance"), reference=(NU, PURE))
    with pytest.raises(InvalidInput, match="lies along raman_shift; a spectrum along wavenumber is needed"):
        raman.emsc(dataset(PURE), reference=dataset(PURE, axis="raman_shift"))
    with pytest.raises(InvalidInput, match="is for infrared transmission"):
        raman.emsc(dataset(PURE, axis="raman_shift"), reference=(NU, PURE), method="me_emsc")
