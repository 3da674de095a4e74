"""Transmittance, attenuated and diffuse reflection: against Fresnel's equations, measured blocks, coverage, bad input."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import raman
import spectra
from raman.infrared.transmission import absorbance
from spectra.dataset import flag_names
from spectra.errors import InvalidInput
from spectra.results.rerun import rerun

NU = np.arange(900.0, 1100.0, 2.0)


def dataset(values, name, *, units="", sigma=None, dims=()):
    values = np.asarray(values, float)
    return spectra.from_arrays(
        NU[: values.shape[-1]], values, axis="wavenumber", name=name, units=units, sigma=sigma, dims=dims
    )


# ---- absorbance ------------------------------------------------------------------------------------------------


@given(st.floats(-0.3, 5))
def test_absorbance_undoes_transmittance(a):
    assert absorbance(10**-a).absorbance == pytest.approx(a, abs=1e-12)


@pytest.mark.parametrize("units", ["", "%"])
def test_fraction_and_percent_give_the_same(units):
    a = np.linspace(0, 2, 50)
    scan = raman.to_absorbance(dataset((100 if units else 1) * 10**-a, "transmittance", units=units))
    np.testing.assert_allclose(scan.absorbance, a, atol=1e-12)
    assert scan.attrs["signal"] == "absorbance"
    assert scan.spectra.history[-1]["resolved"]["units"] == ("percent" if units else "fraction")


def test_percent_where_a_fraction_is_stated():
    with pytest.raises(
        InvalidInput, match="reaches 98, so it is percent and no fraction; say units='percent'"
    ):
        raman.to_absorbance(dataset(np.full(50, 98.0), "transmittance"))
    scan = raman.to_absorbance(dataset(np.full(50, 10.0), "transmittance"), units="percent")
    np.testing.assert_allclose(scan.absorbance, 1.0)


def test_absorbance_stays_as_it_is():
    """Files of both kinds go through one recipe."""
    given = dataset(np.linspace(0, 1, 50), "absorbance")
    made = raman.to_absorbance(given)
    np.testing.assert_array_equal(made.absorbance, given.absorbance)
    assert made.spectra.history[-1]["notes"] == ["absorbance already: left as it is"]


def test_what_is_no_transmittance_is_refused():
    with pytest.raises(InvalidInput, match="holds absorbance already; leave reference and units out"):
        raman.to_absorbance(dataset(np.ones(50), "absorbance"), units="percent")
    with pytest.raises(InvalidInput, match="holds intensity. Say units='fraction' or 'percent'"):
        raman.to_absorbance(dataset(np.ones(50), "intensity"))
    with pytest.raises(InvalidInput, match="holds kubelka_munk"):
        raman.to_absorbance(dataset(np.ones(50), "kubelka_munk"))
    with pytest.raises(InvalidInput, match="is a ratio already"):
        raman.to_absorbance(
            dataset(np.ones(50), "transmittance"), reference=dataset(np.ones(50), "single_channel")
        )
    with pytest.raises(InvalidInput, match="is in 'V'"):
        raman.to_absorbance(dataset(np.ones(50), "transmittance", units="V"))
    scan = raman.to_absorbance(dataset(np.full(50, 0.1), "intensity"), units="fraction")
    np.testing.assert_allclose(scan.absorbance, 1.0)


def test_darkness_is_flagged_and_touches_no_neighbour():
    values = np.full((3, 50), 0.1)
    values[1, 10:12] = 0.0, -0.01
    values[2] = -1.0
    scan = raman.to_absorbance(dataset(values, "transmittance", dims=("scan",)))
    assert np.isnan(scan.absorbance[1]).sum() == 2
    assert [flag_names(scan, scan=i) for i in range(3)] == [[], ["no_light"], ["not_measured"]]


def test_channels_of_a_measured_file_give_its_absorbance(data_dir):
    file = data_dir / "ftir" / "opus" / "test.0000"
    sample = raman.read(file, select="sample single channel")
    background = raman.read(file, select="reference single channel")
    scan = raman.to_absorbance(sample, reference=background)
    measured = raman.read(file).absorbance.values
    clear = (measured < 2) & (background.single_channel.interp(wavenumber=sample.wavenumber).values > 0.01)
    np.testing.assert_allclose(scan.absorbance.values[clear], measured[clear], atol=2e-6)


def test_a_background_alone_is_no_absorbance(data_dir):
    scan = raman.read(data_dir / "ftir" / "opus" / "background.0")
    with pytest.raises(InvalidInput, match="holds the background alone, which is no absorbance yet"):
        raman.to_absorbance(scan)


def test_references_that_do_not_fit():
    sample = dataset(np.full(50, 0.5), "single_channel")
    with pytest.raises(InvalidInput, match="runs from 900 to 940 1/cm and the spectra from 900 to 998"):
        raman.to_absorbance(sample, reference=(NU[:21], np.ones(21)))
    with pytest.raises(
        InvalidInput, match="reference is absorbance, and single_channel or intensity is needed"
    ):
        raman.to_absorbance(sample, reference=dataset(np.ones(50), "absorbance"))
    with pytest.raises(InvalidInput, match="is a series"):
        raman.to_absorbance(sample, reference=dataset(np.ones((2, 50)), "single_channel", dims=("scan",)))
    with pytest.raises(InvalidInput, match="repeats wavenumbers"):
        raman.to_absorbance(sample, reference=([900, 900, 1100], [1, 1, 1]))
    with pytest.raises(InvalidInput, match="0 finite points"):
        raman.to_absorbance(sample, reference=(NU, np.full(NU.size, np.nan)))
    with pytest.raises(InvalidInput, match="cannot be read"):
        raman.to_absorbance(sample, reference="nowhere.0")


def test_what_was_handed_in_can_be_computed_again(tmp_path):
    sample = dataset(np.full(50, 0.5), "single_channel")
    scan = raman.to_absorbance(
        sample, reference=dataset(np.full(50, 2.0), "single_channel", sigma=np.full(50, 0.1))
    )
    file = scan.spectra.save(tmp_path / "a.nxs")
    assert rerun(file).identical


# ---- attenuated total reflection -------------------------------------------------------------------------------


@pytest.mark.parametrize(("crystal", "depth"), [(2.4, 2.005), (4.0, 0.664)])
def test_depth_against_published_values(crystal, depth):
    made = raman.AttenuatedReflection(crystal, 1.5, 45.0)
    assert raman.penetration_depth(1000.0, made) == pytest.approx(depth, abs=6e-4)


def fresnel(crystal, sample, absorption, angle, polarization):
    """Reflectance by Fresnel's equations with a complex index behind the surface."""
    ratio = (sample + 1j * absorption) / crystal
    theta = np.radians(angle)
    root = np.sqrt(ratio**2 - np.sin(theta) ** 2 + 0j)
    s = (np.cos(theta) - root) / (np.cos(theta) + root)
    p = (ratio**2 * np.cos(theta) - root) / (ratio**2 * np.cos(theta) + root)
    return abs(s if polarization == "s" else p) ** 2


@pytest.mark.parametrize("polarization", ["s", "p"])
@pytest.mark.parametrize(
    ("crystal", "sample", "angle"), [(2.4, 1.5, 45), (4.0, 1.5, 45), (4.0, 1.33, 60), (3.4, 1.6, 35)]
)
def test_thickness_is_the_weak_limit_of_fresnel(crystal, sample, angle, polarization):
    """A layer of the effective thickness absorbs in transmission what one reflection loses."""
    k, nu = 1e-6, 1500.0
    lost = -np.log10(fresnel(crystal, sample, k, angle, polarization))
    made = raman.AttenuatedReflection(crystal, sample, angle)
    layer = raman.effective_thickness(nu, made, polarization) * 1e-4  # cm
    assert 4 * np.pi * k * nu * layer / np.log(10) == pytest.approx(lost, rel=2e-5)


def test_a_reflection_becomes_the_transmission_it_stands_for():
    """Simulated: k of two bands, reflected by Fresnel's equations, corrected to 2 um of transmission."""
    k = 1e-4 * (np.exp(-(((NU - 950) / 10) ** 2)) + np.exp(-(((NU - 1050) / 10) ** 2)))
    truth = 4 * np.pi * k * NU * 2e-4 / np.log(10)
    reflected = -3 * np.log10((fresnel(2.4, 1.5, k, 45, "s") + fresnel(2.4, 1.5, k, 45, "p")) / 2)
    scan = raman.correct_atr(dataset(reflected, "absorbance"), bounces=3, path=2.0)
    np.testing.assert_allclose(scan.absorbance, truth, rtol=2e-3, atol=1e-9)
    assert scan.penetration_depth.attrs["units"] == "um"
    notes = scan.spectra.history[-1]["notes"]
    assert any("absorbance is that of 2 um in transmission" in note for note in notes)


def test_the_two_thicknesses_differ_by_a_factor():
    scan = dataset(np.ones((2, 60)), "absorbance", sigma=np.full((2, 60), 0.1), dims=("scan",))
    one = raman.correct_atr(scan)
    other = raman.correct_atr(scan, method="penetration_depth")
    ratio = (one.absorbance / other.absorbance).values
    np.testing.assert_allclose(ratio, ratio[0, 0])
    np.testing.assert_allclose(one.absorbance_sigma, 0.1 * one.absorbance)
    assert any("intensity is 1/e at half of it" in note for note in other.spectra.history[-1]["notes"])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"crystal_index": 1.4}, "sample_index must be at least 1 and below crystal_index = 1.4, got 1.5"),
        ({"angle": 30.0}, "angle must lie between the critical angle, 38.7 degrees"),
        ({"angle": 90.0}, "angle must lie between"),
        ({"bounces": 0}, "bounces must be at least 1, got 0"),
        ({"path": 0.0}, "path must be above 0 um, got 0"),
        ({"polarization": "q"}, "polarization must be 'none', 's' or 'p'"),
    ],
)
def test_bad_options_of_reflection(options, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        raman.correct_atr(dataset(np.ones(50), "absorbance"), **options)


def test_reflection_needs_absorbance_and_wavenumbers_above_zero():
    with pytest.raises(InvalidInput, match="holds transmittance; call raman.to_absorbance first"):
        raman.correct_atr(dataset(np.ones(50), "transmittance"))
    with pytest.raises(InvalidInput, match="the axis begins at 0 1/cm"):
        raman.correct_atr(spectra.from_arrays([0, 1, 2], [1, 1, 1], axis="wavenumber", name="absorbance"))


# ---- diffuse reflection ----------------------------------------------------------------------------------------


@given(st.floats(1e-3, 1e3))
def test_kubelka_munk_undoes_the_reflectance_of_a_thick_layer(ratio):
    r = 1 + ratio - np.sqrt(ratio**2 + 2 * ratio)
    assert raman.remission_function(r).value == pytest.approx(ratio, rel=1e-6)


def test_the_logarithm_of_reflectance_gives_the_same():
    r = np.linspace(0.1, 0.9, 50)
    one = raman.kubelka_munk(dataset(r, "reflectance", sigma=0.01 * r))
    other = raman.kubelka_munk(dataset(-np.log10(r), "log_reflectance", sigma=np.full(50, 0.01 / np.log(10))))
    np.testing.assert_allclose(other.kubelka_munk, one.kubelka_munk, rtol=1e-12)
    np.testing.assert_allclose(other.kubelka_munk_sigma, one.kubelka_munk_sigma, rtol=1e-12)


def test_faults_of_reflectance_are_flagged():
    values = np.full((4, 50), 0.5)
    values[1, 3], values[2, 3], values[3] = 0.0, 1.2, np.nan
    scan = raman.kubelka_munk(dataset(values, "reflectance", dims=("scan",)))
    assert [flag_names(scan, scan=i) for i in range(4)] == [
        [],
        ["no_light"],
        ["above_standard"],
        ["not_measured"],
    ]
    with pytest.raises(
        InvalidInput, match="works on reflectance or log_reflectance, and this dataset holds absorbance"
    ):
        raman.kubelka_munk(dataset(np.ones(50), "absorbance"))
    with pytest.raises(InvalidInput, match="reaches 60, so it is percent"):
        raman.kubelka_munk(dataset(np.full(50, 60.0), "reflectance"))


# ---- uncertainties ---------------------------------------------------------------------------------------------


def inside(estimate, sigma, truth):
    return (np.abs(estimate - truth) < sigma).mean()


def test_sigmas_cover(rng):
    """68 % of 40,000 values lie within one sigma, for each of the conversions."""
    truth = rng.uniform(0.1, 1.5, (400, 100))
    light = 10**-truth
    noisy = light + rng.normal(scale=0.003, size=light.shape)
    scan = raman.to_absorbance(
        dataset(noisy, "transmittance", sigma=np.full(light.shape, 0.003), dims=("scan",))
    )
    assert 0.66 < inside(scan.absorbance, scan.absorbance_sigma, truth) < 0.70
    corrected = raman.correct_atr(scan)
    factor = raman.correct_atr(dataset(np.ones(100), "absorbance")).absorbance
    assert 0.66 < inside(corrected.absorbance, corrected.absorbance_sigma, truth * factor.values) < 0.70
    r = rng.uniform(0.2, 0.9, (400, 100))
    noisy = r + rng.normal(scale=0.003, size=r.shape)
    scan = raman.kubelka_munk(dataset(noisy, "reflectance", sigma=np.full(r.shape, 0.003), dims=("scan",)))
    assert 0.66 < inside(scan.kubelka_munk, scan.kubelka_munk_sigma, (1 - r) ** 2 / (2 * r)) < 0.70
    found = []
    for _ in range(60):
        i, i0 = 0.6 + rng.normal(scale=0.003, size=100), 2 + rng.normal(scale=0.02, size=100)
        sample = dataset(i, "single_channel", sigma=np.full(100, 0.003))
        without = dataset(i0, "single_channel", sigma=np.full(100, 0.02))
        one = raman.to_absorbance(sample, reference=without)
        found.append(inside(one.absorbance, one.absorbance_sigma, np.log10(2 / 0.6)))
    assert 0.66 < np.mean(found) < 0.70
