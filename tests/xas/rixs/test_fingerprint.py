"""The emission of molecular oxygen on simulated spectra: recovered, its sigma covers, and the verdicts."""

import numpy as np
import pytest

import spectra
import xas.rixs
from spectra.dataset import failed, flag_names
from spectra.errors import InvalidInput

LOSS = np.arange(1.0, 13.0, 0.05)


def line(place, width):
    return np.exp(-4 * np.log(2) * ((LOSS - place) / width) ** 2)


def simulated(rng, *, oxygen=0.0, second=0.0, incident=531.0, count=None, scale=1.0):
    mean = (
        30 * line(incident - 525.6, 2.4)
        + oxygen * line(incident - 523.1, 0.9)
        + second * line(4.3, 0.8)
        + 0.5
    )
    drawn = rng.poisson(scale * mean, (count, LOSS.size) if count else LOSS.size)
    return spectra.from_arrays(
        LOSS, drawn, axis="energy_loss", name="counts", units="counts", dims=("scan",) if count else (),
        attrs={"technique": "rixs", "incident_energy": incident, "title": "simulated"},
    )  # fmt: skip


@pytest.mark.parametrize("count", [60, pytest.param(500, marks=pytest.mark.long)])
@pytest.mark.parametrize("second", [False, True])
def test_sigmas_cover(rng, count, second):
    """Also where there is no emission at all: areas may come out negative."""
    width = 0.9 * np.sqrt(np.pi / (4 * np.log(2)))
    found = xas.rixs.oxygen_fingerprint(
        simulated(rng, oxygen=12.0, second=10.0 * second, count=count), second=second
    )
    margin = 3.5 * np.sqrt(0.68 * 0.32 / count)
    for name, truth in (("fingerprint_area", 12 * width), ("fingerprint_emission", 523.1)):
        inside = np.mean(np.abs(found[name] - truth) < found[f"{name}_sigma"])
        assert abs(float(inside) - 0.683) < margin, (name, float(inside))


def test_verdicts(rng):
    seen = xas.rixs.oxygen_fingerprint(simulated(rng, oxygen=12.0, second=10.0, scale=4))
    assert seen.oxygen_verdict.item() == "seen"
    assert float(seen.fingerprint_emission) == pytest.approx(
        523.1, abs=5 * float(seen.fingerprint_emission_sigma)
    )
    assert flag_names(seen) == []
    alone = xas.rixs.oxygen_fingerprint(simulated(rng, second=25.0, scale=8))
    assert alone.oxygen_verdict.item() == "second_only"
    assert "second_emission_alone" in flag_names(alone)
    assert any("no evidence of molecular oxygen by itself" in n for n in alone.spectra.history[-1]["notes"])
    off = xas.rixs.oxygen_fingerprint(simulated(rng, oxygen=12.0, incident=533.0, scale=4), second=False)
    assert off.oxygen_verdict.item() == "undecided"
    assert flag_names(off) == ["off_resonance"]


def test_no_verdict_where_the_model_does_not_fit(rng):
    """A band with a sharp foot, and no molecule."""
    mean = 400 * line(5.5, 2.4) * (LOSS < 6.0) + 80 * (LOSS >= 6.0) * np.exp(-(LOSS - 6.0) / 1.5) + 5
    data = simulated(rng).copy(data={"counts": rng.poisson(mean)})
    found = xas.rixs.oxygen_fingerprint(data)
    assert found.oxygen_verdict.item() == "undecided"
    assert "lines_do_not_fit" in flag_names(found)


def test_nothing_is_seldom_called_seen(rng):
    found = xas.rixs.oxygen_fingerprint(simulated(rng, count=150), second=False)
    assert np.mean(found.oxygen_verdict.values == "seen") <= 0.03


def test_a_series_along_the_charge(rng):
    """Simulated states of charge at one energy: fingerprint over flux and over emission grow alike, on voltages."""
    oxygen = np.array([0.0, 0.0, 6.0, 12.0, 18.0])
    counts = np.stack([simulated(rng, oxygen=o, scale=6).counts.values for o in oxygen])
    series = spectra.from_arrays(
        LOSS, counts, axis="energy_loss", name="counts", units="counts", dims=("voltage",),
        coords={"voltage": (np.array([3.0, 4.2, 4.4, 4.6, 4.8]), "V")},
        attrs={"technique": "rixs", "incident_energy": 531.0, "exposure_time": 600.0, "ring_current": 400.0},
    )  # fmt: skip
    series = xas.rixs.normalize(series, emission=(524.5, 527.5), flux_error=0.02)
    found = xas.rixs.oxygen_fingerprint(series, second=False)
    per_flux, sigma = found.fingerprint_per_flux.values, found.fingerprint_per_flux_sigma.values
    truth = 6 * oxygen * 0.9 * np.sqrt(np.pi / (4 * np.log(2))) / 240000.0
    assert (np.abs(per_flux - truth) < 3.5 * sigma).all()
    assert found.oxygen_verdict.values.tolist()[2:] == ["seen"] * 3
    assert found.oxygen_verdict.values.tolist()[:2] == ["not_seen"] * 2
    assert (np.diff(found.fingerprint_share.values[1:]) > 0).all()


def test_one_bad_spectrum(rng):
    data = simulated(rng, oxygen=12.0, count=3).astype(float)
    data["counts"][1] = np.nan
    found = xas.rixs.oxygen_fingerprint(data)
    assert failed(found).values.tolist() == [False, True, False]
    assert found.oxygen_verdict.values[1] == "undecided"


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        ({"incident_energy": 775.0}, {}, r"incident_energy is 775 eV, not at the O K edge \(525 to 545 eV\)"),
        (
            {},
            {"window": (2.0, 7.0)},
            "the emission of oxygen lies at a loss of 8.00 eV, outside of the window",
        ),
        ({"incident_energy": "unknown"}, {}, "incident_energy: this dataset does not say it"),
        ({}, {"incident_energy": -3.0}, "incident_energy must be a positive number"),
    ],
)
def test_refused(rng, change, options, words):
    with pytest.raises(InvalidInput, match=words):
        xas.rixs.oxygen_fingerprint(simulated(rng, oxygen=9.0).assign_attrs(change), **options)


def test_several_incident_energies_are_refused(rng):
    data = simulated(rng, count=2).assign_coords(incident_energy=("scan", [530.0, 531.0]))
    with pytest.raises(InvalidInput, match="runs from 530 to 531 eV: choose the spectra of one energy"):
        xas.rixs.oxygen_fingerprint(data)
