"""How deep a photoelectron line looks: by hand, and by what has to be said of it."""

import numpy as np
import pytest

import spectra
import xps
from spectra.errors import InvalidInput
from spectra.verbs import history
from xps.quantities.attenuation import find_material


def region(**attrs):
    energy = np.arange(636.0, 660.0, 0.5)
    said = {"region": "Mn 2p", "photon_energy": 1486.6, **attrs}
    return spectra.from_arrays(
        energy, np.ones(energy.size), axis="binding_energy", name="counts", units="counts", attrs=said
    )


def test_is_three_attenuation_lengths_along_the_normal():
    made = xps.information_depth(region(), material="MnO", angle=40.0, binding_energy=640.0)
    path = float(find_material("MnO").path(846.6))
    expected = 3 * 0.875 * path * np.cos(np.deg2rad(40))
    assert float(made.information_depth) == pytest.approx(expected)
    assert float(made.information_depth_sigma) == pytest.approx(
        expected * np.hypot(0.11, 0.15 / np.sqrt(12) / 0.875)
    )
    assert made.information_depth.attrs["units"] == "nm"
    assert "40° from the surface normal" in made.information_depth.attrs["geometry"]


def test_lines_of_less_kinetic_energy_look_less_deep():
    deep = xps.information_depth(region(), material="MnO")
    hard = xps.information_depth(region(), material="MnO", photon_energy=1253.6)
    assert float(hard.information_depth) < float(deep.information_depth)


def test_says_what_is_yet_to_be_verified():
    made = xps.information_depth(region(), material="LiMn2O4")
    assert made.information_depth.attrs["status"] == "to-verify"
    notes = " ".join(history(made)[-1]["notes"])
    assert "the factor of elastic scattering (0.875) is yet to be verified" in notes
    assert "the density of LiMn2O4" in notes


@pytest.mark.parametrize(
    ("attrs", "options", "sentence"),
    [
        ({}, {"angle": 60.0}, "angle must be at least 0 and below 60 degrees, got 60"),
        ({"photon_energy": None}, {}, "the file states no photon energy: give photon_energy"),
        ({"region": "survey"}, {}, "which line is meant is not said"),
        ({}, {"binding_energy": 1480.0}, "the line has a kinetic energy of 7 eV"),
        ({}, {"material": "MnX"}, "no material 'MnX'"),
    ],
)
def test_says_what_is_wrong(attrs, options, sentence):
    data = region()
    data.attrs = {k: v for k, v in {**data.attrs, **attrs}.items() if v is not None}
    with pytest.raises(InvalidInput, match=sentence):
        xps.information_depth(data, **{"material": "MnO", **options})
