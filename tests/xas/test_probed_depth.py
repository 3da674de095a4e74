"""How deep an absorption spectrum looks, by the way it was measured."""

import numpy as np
import pytest
import xraydb

import spectra
import xas
from spectra.errors import InvalidInput


def scan(axis="energy", **attrs):
    energy = np.arange(6500.0, 6700.0, 1.0)
    return spectra.from_arrays(
        energy, 1.0 * (energy > 6545), axis=axis, name="mu", attrs={"element": "Mn", "edge": "K", **attrs}
    )


def test_transmission_sees_all_of_the_sample():
    made = xas.information_depth(scan(channel="transmission"))
    assert np.isinf(float(made.information_depth))
    assert made.information_depth.attrs["method"] == "all of the sample"


def test_fluorescence_is_attenuated_on_both_ways():
    made = xas.information_depth(
        scan(channel="fluorescence"), formula="LiMn2O4", density=2.5, angle_in=30.0, angle_out=60.0
    )
    inward, outward = xraydb.material_mu("LiMn2O4", np.array([6589.0, 5900.3]), density=2.5)
    per_cm = inward / np.sin(np.pi / 6) + outward / np.sin(np.pi / 3)
    assert float(made.information_depth) == pytest.approx(3e7 / per_cm, rel=5e-3)
    assert "30° in, 60° out" in made.information_depth.attrs["geometry"]


def test_electron_yield_comes_from_some_nanometres_and_is_not_known_beyond():
    made = xas.information_depth(scan(edge="L3"), detection="electron_yield")
    assert 5 < float(made.information_depth) < 14.1
    assert made.information_depth.attrs["status"] == "to-verify"
    hard = xas.information_depth(scan(), detection="electron_yield")
    assert np.isnan(float(hard.information_depth))


def test_core_losses_see_the_foil():
    line = scan("energy_loss", technique="eels", edge="L3")
    made = xas.information_depth(line, thickness=60.0, thickness_sigma=5.0)
    assert (float(made.information_depth), float(made.information_depth_sigma)) == (60.0, 5.0)
    unknown = xas.information_depth(line)
    assert np.isnan(float(unknown.information_depth))
    assert "thickness is not known" in unknown.information_depth.attrs["method"]


@pytest.mark.parametrize(
    ("attrs", "options", "sentence"),
    [
        ({}, {}, "how the spectrum was measured is not said in the dataset: give detection="),
        ({}, {"detection": "fluorescence"}, "needs the formula and the density"),
        (
            {"edge": "Q"},
            {"detection": "fluorescence", "formula": "MnO", "density": 5.0},
            "the edge Mn Q is not one of the table",
        ),
        ({}, {"detection": "fluorescence", "formula": "Mn)O", "density": 5.0}, "formula 'Mn\\)O' is not one"),
        ({}, {"detection": "transmission", "angle_in": 0.0}, "angle_in lies between 0 and 90 degrees"),
        ({}, {"detection": "transmission", "thickness": -1.0}, "thickness is in nm and above 0, got -1"),
    ],
)
def test_says_what_is_wrong(attrs, options, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        xas.information_depth(scan(**attrs), **options)
