"""Peaks of KherveFitting as components: the curves that a project holds, its heights and widths, its ties."""

from __future__ import annotations

import json

import numpy as np
import pytest

import spectra
import xps
from spectra.errors import InvalidInput

FOLDER = "xps/khervefitting"


def drawn(dataset, **options):
    """The fit of the project here; its background is taken as it stands there."""
    net = dataset.assign(net=dataset.intensity - dataset.khervefitting_background)
    return xps.deconvolve(net, components=xps.khervefitting_components(dataset), **options)


@pytest.fixture(scope="module")
def strontium(data_dir):
    return [xps.read(data_dir / FOLDER / "LaSrTiO3.json", select=i) for i in range(5)]


def test_a_project_is_fitted_on_its_own_background(strontium):
    with_peaks = next(s for s in strontium if "peaks" in s.attrs.get("khervefitting", ""))
    here = xps.deconvolve(with_peaks, components="khervefitting", vary=False)
    there = drawn(with_peaks, vary=False)
    np.testing.assert_array_equal(here.best_fit, there.best_fit)
    np.testing.assert_array_equal(here.net, there.net)
    assert "net is the measured less khervefitting_background" in here.attrs["history"]


def test_the_curves_of_la_that_the_project_holds(data_dir):
    file = data_dir / FOLDER / "Pt4f.json"
    stored = json.loads(file.read_text())["Core levels"]["Pt4f1"]["Fitting"]["Peaks"]
    here = drawn(xps.read(file, select=1), vary=False)
    for i, peak in enumerate(stored.values()):
        curve = here.component_curve.isel(component=i)
        there = np.array(peak["y_values"])[::-1]  # written in descending energy
        # the position is written to 0.01 eV, the height is that of the highest point
        np.testing.assert_allclose(curve, there, atol=2e-3 * there.max())


@pytest.mark.parametrize("level", range(5))
def test_heights_and_widths_are_those_that_are_listed(strontium, level):
    peaks = json.loads(strontium[level].attrs["khervefitting"])["peaks"]
    here = drawn(strontium[level], vary=False)
    np.testing.assert_allclose(here.height, [p["Height"] for p in peaks], rtol=4e-3)
    np.testing.assert_allclose(here.position, [p["Position"] for p in peaks], atol=0.011)
    width = [p["FWHM"] for p in peaks]
    if peaks[0]["Fitting Model"].startswith("GL"):  # the parameter of a product, wider than its line
        assert (here.fwhm <= width).all()
        assert (here.fwhm > 0.95 * np.array(width)).all()
    else:
        np.testing.assert_allclose(here.fwhm, width, rtol=6e-3)


def test_what_is_left_is_small(strontium):
    """The sum of the lines describes the spectrum, where the project's own fit did."""
    for level, share in ((1, 0.01), (2, 0.01), (3, 0.006)):
        here = drawn(strontium[level], vary=False)
        left = float((here.residual**2).mean() ** 0.5 / here.net.max())
        assert left < share


def test_ties_are_kept(strontium):
    lines = {line["name"]: line for line in xps.khervefitting_components(strontium[0])}
    second = lines["Sr3d3/2_p2"]
    assert second["partner"] == "Sr3d5/2 p1"
    assert second["splitting"] == pytest.approx({"value": 1.73, "min": 1.5, "max": 1.9})
    assert second["area_ratio"]["max"] == pytest.approx(0.717)
    assert second["width_factor"] == 1.0
    third = lines["Sr3d5/2 p3"]
    assert third["fwhm"] == "sr3d5_2_p1_fwhm * 1.0"
    assert third["position"] == pytest.approx({"value": 134.55, "min": 134.55, "max": 134.75})
    titanium = {line["name"]: line for line in xps.khervefitting_components(strontium[2])}
    assert titanium["Ti2p1/2_p2"]["width_factor"] == pytest.approx(
        {"value": 1.5, "min": 0.3 / 1.42, "max": 3.5 / 1.42}
    )
    assert titanium["Ti2p1/2_p4"]["width_factor"] == pytest.approx(1.5)  # tied to the other second line


def test_fitted_from_there_it_ends_no_worse(strontium):
    for level in (1, 3):
        before, after = drawn(strontium[level], vary=False), drawn(strontium[level])
        assert float((after.residual**2).sum()) <= float((before.residual**2).sum())
        names = [str(n) for n in after.component.values]
        assert names == [p["name"] for p in json.loads(after.attrs["khervefitting"])["peaks"]]


def a_peak(**changes):
    peak = {
        "name": "a",
        "Fitting Model": "GL (Area)",
        "Position": 530.0,
        "FWHM": 1.2,
        "L/G": 30,
        "Height": 90.0,
    }
    x = np.arange(525.0, 536.0, 0.1)
    dataset = spectra.from_arrays(x, 0 * x, axis="binding_energy", name="intensity", units="")
    return dataset.assign_attrs(khervefitting=json.dumps({"peaks": [peak | changes]}))


@pytest.mark.parametrize(
    ("dataset", "sentence"),
    [
        (
            a_peak(**{"Fitting Model": "DS (A, σ, γ)"}),
            "the peak 'a' has the shape 'DS \\(A, σ, γ\\)', which is not drawn",
        ),
        (a_peak(Constraints={"Position": "D+1.5"}), "the peak 'a' is tied to peak D, which the file lacks"),
        (a_peak().assign_attrs(khervefitting="{}"), "held no peaks of KherveFitting"),
    ],
)
def test_bad_projects_are_one_sentence(dataset, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        xps.khervefitting_components(dataset)
