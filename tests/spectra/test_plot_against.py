"""Figures of a series against what was done to the sample."""

import numpy as np
import pytest

import spectra
from spectra.errors import InvalidInput


@pytest.fixture
def series():
    coords = {
        "time": ("time", np.arange(5) * 3600.0, {"units": "s", "start": "2022-07-26T23:01:58"}),
        "voltage": ("time", np.linspace(3.6, 4.2, 5), {"units": "V"}),
        "reference": ["a", "b"],
    }
    data = spectra.from_arrays(np.arange(4.0), np.ones((5, 4)), dims=("time",), coords=coords)
    share = np.linspace(0, 1, 5)
    both = np.stack([1 - share, share], axis=1)
    return data.assign(
        fraction=(("time", "reference"), both), fraction_sigma=(("time", "reference"), 0 * both + 0.02),
        edge_position=("time", 8344 + share, {"units": "eV"}),
        edge_position_least=("time", 8343 + share), edge_position_most=("time", 8345 + share),
    )  # fmt: skip


def test_panels_share_one_axis_and_say_what_they_show(series):
    figure = spectra.plot_against(series, ["fraction", "edge_position"], against="voltage")
    top, bottom = figure.axes
    assert bottom.get_xlabel() == "Voltage (V)"
    assert top.get_xlabel() == ""
    assert bottom.get_ylabel() == "Edge position (eV)"
    assert [t.get_text() for t in top.get_legend().get_texts()] == ["a", "b"]
    line = top.containers[0].lines[0]
    np.testing.assert_allclose(line.get_xdata(), series.voltage)
    np.testing.assert_allclose(line.get_ydata(), series.fraction[:, 0])
    assert len(bottom.collections) >= 1  # the band


def test_long_times_are_hours_since_the_wall_clock(series):
    (panel,) = spectra.plot_against(series, "voltage").axes
    assert panel.get_xlabel() == "Time since 2022-07-26 23:01 (h)"
    np.testing.assert_allclose(panel.containers[0].lines[0].get_xdata(), np.arange(5))


def test_a_long_label_takes_more_lines_than_one(series):
    series["edge_position"].attrs.update(
        long_name="mean square disorder of the half path length", units="angstrom^2"
    )
    (panel,) = spectra.plot_against(series, "edge_position").axes
    assert panel.get_ylabel() == "Mean square disorder of\nthe half path length (Å²)"


def test_a_variable_on_the_common_axis(series):
    (panel,) = spectra.plot_against(series, "voltage", against="edge_position").axes
    assert panel.get_xlabel().lower() == "edge position (ev)"


@pytest.mark.parametrize(
    ("text", "variables", "against"),
    [
        ("has no 'fracton' to draw; did you mean 'fraction'", "fracton", None),
        ("has no 'voltag' to draw", "fraction", "voltag"),
        ("'intensity' is no number per spectrum", "intensity", None),
        ("variables is empty", [], None),
    ],
)
def test_refusals(series, text, variables, against):
    with pytest.raises(InvalidInput, match=text):
        spectra.plot_against(series, variables, against=against)


def test_a_map_is_refused(series):
    with pytest.raises(InvalidInput, match="along one dimension; this dataset has y, time"):
        spectra.plot_against(series.expand_dims(y=2), "fraction")
    with pytest.raises(InvalidInput, match="this dataset has none"):
        spectra.plot_against(series.isel(time=0), "fraction")
