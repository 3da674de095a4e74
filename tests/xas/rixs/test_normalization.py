"""Two divisors side by side: truth, sigmas that cover, windows that are left out, and where they disagree."""

import numpy as np
import pytest

import spectra
import xas.rixs
from spectra.dataset import failed, flag_names
from spectra.errors import InvalidInput

LOSS = np.arange(-1.0, 12.0, 0.02)
INCIDENT = 531.0


def mean(scale=1.0, oxygen=0.0, emission=1.0):
    """Elastic line, valence-band emission at 525.5 eV, and the fluorescence of molecular oxygen at 523 eV."""
    elastic = 120 * np.exp(-4 * np.log(2) * (LOSS / 0.08) ** 2)
    band = 6 * np.exp(-4 * np.log(2) * ((INCIDENT - LOSS - 525.5) / 2.0) ** 2)
    molecule = oxygen * np.exp(-4 * np.log(2) * ((INCIDENT - LOSS - 523.0) / 0.8) ** 2)
    return scale * (elastic + emission * band + molecule + 0.05)


def dataset(counts, dims=(), **more):
    attrs = {"technique": "rixs", "incident_energy": INCIDENT, "exposure_time": 600.0, "ring_current": 400.0}
    return spectra.from_arrays(
        LOSS, counts, axis="energy_loss", name="counts", units="counts", dims=dims, attrs=attrs | more
    )


def test_both_columns_and_what_is_stored(rng):
    found = xas.rixs.normalize(dataset(rng.poisson(mean())), emission=(524.0, 527.5))
    assert float(found.flux_divisor) == 240000.0
    np.testing.assert_allclose(found.counts_per_flux, found.counts / 240000.0)
    np.testing.assert_allclose(found.counts_per_emission, found.counts / float(found.emission_area))
    used = found.emission_window.values.astype(bool)
    assert float(found.emission_area) == found.counts.values[used].sum()
    emitted = INCIDENT - LOSS
    assert not used[(emitted < 524.5) | (emitted > 527.5)].any()  # 522 to 524.5 eV may be molecules
    assert not used[(LOSS > 3.8) & (LOSS < 4.8)].any()
    (entry,) = [e for e in found.spectra.history if e["verb"] == "xas.rixs.normalize"]
    assert entry["resolved"] == {"flux": "ring_current"}
    assert any("what mirrors, slits and their drift take away" in n for n in entry["notes"])
    assert any("choices of this project" in n for n in entry["notes"])


def test_molecules_move_one_divisor_only_if_their_windows_are_counted():
    plain, charged = (xas.rixs.normalize(dataset(mean(100, o)), emission=(520, 528)) for o in (0, 5))
    assert float(charged.emission_area / plain.emission_area) == pytest.approx(1.0, abs=0.01)
    with_windows = [
        xas.rixs.normalize(dataset(mean(100, o)), emission=(520, 528), oxygen="keep") for o in (0, 5)
    ]
    assert float(with_windows[1].emission_area / with_windows[0].emission_area) > 1.2


@pytest.mark.parametrize("repeats", [400, pytest.param(3000, marks=pytest.mark.long)])
@pytest.mark.parametrize("elastic", ["leave_out", "subtract"])
def test_sigmas_are_the_scatter(rng, repeats, elastic):
    """Also of an elastic line that is fitted to the same photons and taken off."""
    drawn = rng.poisson(mean(), (repeats, LOSS.size))
    data = dataset(drawn, ("scan",))
    if elastic == "subtract":
        near = np.abs(LOSS) < 0.12
        area = drawn[:, near].sum(axis=1) - 0.05 * near.sum()  # what a Gaussian on a known floor comes to
        more = {
            "elastic_area": ("scan", area),
            "elastic_area_sigma": ("scan", np.sqrt(area)),
            "elastic_loss": ("scan", np.zeros(repeats)),
            "elastic_fwhm": ("scan", np.full(repeats, 0.08)),
        }
        data = data.assign(more)
    found = xas.rixs.normalize(
        data, emission=(-0.5, 7.0), scale="energy_loss", elastic=elastic, oxygen="keep", flux_error=0.0
    )
    area = found.emission_area
    assert float(area.std()) == pytest.approx(
        float(found.emission_area_sigma.mean()), rel=4 / np.sqrt(2 * repeats)
    )
    band = found.counts_per_emission.sel(energy_loss=5.5, method="nearest")
    sigma = found.counts_per_emission_sigma.sel(energy_loss=5.5, method="nearest")
    assert float(band.std()) == pytest.approx(float(np.sqrt((sigma**2).mean())), rel=4 / np.sqrt(2 * repeats))


def test_where_the_divisors_disagree(rng):
    """The third spectrum has 20 % less flux than its current says; the others agree as often as sigma says."""
    drawn = np.array([rng.poisson(mean(3 * s)) for s in (1, 1, 0.8, 1)])
    found = xas.rixs.normalize(dataset(drawn, ("soc",)), emission=(524.5, 527.5))
    assert float(found.divisor_ratio[2]) == pytest.approx(0.84, abs=0.03)
    assert "normalizations_disagree" in flag_names(found, soc=2)
    assert not failed(found).any()
    same = xas.rixs.normalize(
        dataset(rng.poisson(mean(), (300, LOSS.size)), ("soc",)), emission=(524.5, 527.5)
    )
    inside = np.mean(np.abs(same.divisor_ratio - 1) < same.divisor_ratio_sigma)
    assert abs(float(inside) - 0.683) < 3 * np.sqrt(0.68 * 0.32 / 300)


def test_currents_of_a_mirror_come_first_unless_they_are_noise():
    known = xas.rixs.normalize(
        dataset(mean(), mirror_current=2.0, mirror_current_spread=0.01), emission=(524.5, 527)
    )
    assert float(known.flux_divisor) == 1200.0
    noise = xas.rixs.normalize(
        dataset(mean(), mirror_current=0.001, mirror_current_spread=0.01), emission=(524.5, 527)
    )
    assert float(noise.flux_divisor) == 240000.0
    none = dataset(mean())
    del none.attrs["ring_current"]
    bare = xas.rixs.normalize(none, emission=(524.5, 527))
    assert "counts_per_flux" not in bare
    assert any("no incident flux is known" in n for n in bare.spectra.history[-1]["notes"])


def test_measured_series(data_dir):
    """Co L3 at three incident energies: losses of d-d excitations and charge transfer, no windows of oxygen there."""
    files = [data_dir / "rixs" / f"Co_{n}_d1.h5" for n in ("0609", "0612", "0616")]
    series = xas.rixs.read_series(files, dim="incident", coordinate="incident_energy")
    found = xas.rixs.normalize(
        xas.rixs.reduce(series, dispersion=0.009), emission=(0.4, 5.0), scale="energy_loss"
    )
    assert (
        found.emission_area.values.tolist()
        == found.counts.sel(energy_loss=slice(0.4, 5.0)).sum("energy_loss").values.tolist()
    )
    assert "normalizations_disagree" in flag_names(found, incident=0)
    assert not any("molecular oxygen are choices" in n for n in found.spectra.history[-1]["notes"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"emission": (600, 610)}, r"emission \(600, 610\) eV of emission_energy holds no channel; the data run from 519"),
        ({"emission": (30, 40), "scale": "energy_loss"}, "of energy_loss holds no channel; the data run from -1 to"),
        ({"emission": (524, 527), "flux": "i0"}, "flux: the dataset has no number 'i0' for every spectrum"),
        ({"emission": (524, 527), "flux_error": 1.5}, "flux_error is a share of the flux"),
        ({"emission": (524, 527), "incident_energy": -1.0}, "incident_energy must be a positive number of eV"),
        ({"emission": (524, 527), "elastic": "subtract"}, "needs elastic_area and elastic_fwhm, which xas.rixs.reduce adds"),
        ({"emission": (524, 527), "along": "soc"}, "along: the dataset has no dimension 'soc'"),
    ],
)  # fmt: skip
def test_refused(options, words):
    with pytest.raises(InvalidInput, match=words):
        xas.rixs.normalize(dataset(mean()), **options)


def test_an_unknown_incident_energy():
    bare = dataset(mean())
    del bare.attrs["incident_energy"]
    with pytest.raises(InvalidInput, match="needs the incident energy, which this dataset does not say"):
        xas.rixs.normalize(bare, emission=(524, 527))


def test_a_spectrum_without_emission_is_flagged(rng):
    drawn = np.array([rng.poisson(mean()), np.zeros(LOSS.size, int), rng.poisson(mean())])
    found = xas.rixs.normalize(dataset(drawn, ("scan",)), emission=(524.5, 527.5))
    assert failed(found).values.tolist() == [False, True, False]
    assert "no_emission" in flag_names(found, scan=1)
    assert np.isnan(found.counts_per_emission.values[1]).all()
