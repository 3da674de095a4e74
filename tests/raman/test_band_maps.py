"""Maps of fitted quantities: grey where a fit failed or a band was not found; what a report shows of them."""

import numpy as np
import pytest
import xarray as xr

import raman
import spectra
from raman.figures import figures
from spectra.errors import InvalidInput
from spectra.report.gallery import gallery

SHIFT = np.arange(420.0, 680.0, 2.0)


@pytest.fixture(scope="module")
def fitted():
    """A small map of LiCoO2, simulated; one pixel lost, one without bands."""
    y, x = np.mgrid[:3, :4]
    lines = {
        "Eg": {"shape": "lorentzian", "position": (485.0 + 0.5 * x).ravel(), "area": 900.0, "fwhm": 12.0},
        "A1g": {"shape": "lorentzian", "position": 590.0, "area": (2e3 + 500.0 * y).ravel(), "fwhm": 14.0},
    }
    data = spectra.simulate(SHIFT, lines, background=20.0, noise=1.0, rng=2, axis="raman_shift")
    values = data.intensity.values.reshape(3, 4, -1).copy()
    values[0, 0] = np.nan
    values[2, 3] = 20.0 + np.random.default_rng(4).normal(size=SHIFT.size)
    grid = xr.Dataset(
        {"intensity": (("y", "x", "raman_shift"), values, {"units": ""})},
        coords={"raman_shift": data.raman_shift, "y": ("y", np.arange(3.0), {"units": "um"}), "x": ("x", np.arange(4.0), {"units": "um"})},
        attrs={"signal": "intensity", "technique": "raman"},
    )  # fmt: skip
    return raman.fit_bands(grid, "licoo2")


def test_a_panel_for_each_quantity_with_grey_where_there_is_nothing(fitted):
    figure = raman.plot_map(fitted)
    panels = [ax for ax in figure.axes if ax.get_xlabel()]
    assert [ax.get_xlabel() for ax in panels] == ["x (µm)"] * 3
    shown = panels[0].collections[0].get_array().reshape(3, 4)
    assert np.ma.getmaskarray(np.ma.masked_invalid(shown)).nonzero()[0].tolist() == [0, 2]
    assert figure.get_suptitle() == raman.plot_map(fitted, component="A1g").get_suptitle()


def test_numbers_per_spectrum_need_no_band(fitted):
    assert len([ax for ax in raman.plot_map(fitted, "redchi").axes if ax.get_xlabel()]) == 1


def test_a_report_shows_maps_and_fits(fitted):
    assert [name for name, _, _ in figures(fitted)] == ["map_1", "map_0"]
    names = [picture.name for picture in gallery(fitted, fits=2)]
    assert "map_1" in names
    assert any(name.startswith("fit_") for name in names)
    assert list(figures(fitted.isel(y=0))) == []


def test_a_fit_is_drawn_where_it_was_made():
    data = spectra.simulate(
        np.arange(100.0, 1500.0, 2.0),
        {"a": {"shape": "lorentzian", "position": 590.0, "area": 900.0, "fwhm": 12.0}},
        background=10.0, noise=1.0, rng=1, axis="raman_shift",
    )  # fmt: skip
    ax = raman.fit_bands(data, (590.0,)).spectra.plot("best_fit")
    low, high = ax.get_xlim()
    assert 450 < low < 590 < high < 750


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda d: raman.plot_map(d.isel(y=0)), "map of two dimensions; this dataset has x"),
        (lambda d: raman.plot_map(d, "positon"), "did you mean 'position'"),
        (lambda d: raman.plot_map(d, component="A1"), "no band 'A1'; did you mean 'A1g'"),
        (lambda d: raman.plot_map(d, "best_fit"), "is no number per spectrum"),
    ],
)
def test_what_cannot_be_drawn_is_refused(fitted, call, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        call(fitted)
