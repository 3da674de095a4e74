"""Simulated spectra hold exactly the truth they state, and noise of the size they state."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spectra
import xas.demo
import xps.demo
from spectra.errors import InvalidInput

X = np.linspace(630.0, 660.0, 601)
DOUBLET = {
    "a": {"shape": "gaussian", "position": [641.0, 641.5, 642.0], "area": [100.0, 50.0, 0.0], "fwhm": 2.0},
    "b": {"shape": "lorentzian", "position": 648.0, "area": 80.0, "fwhm": 1.5},
}


def test_without_noise_the_curve_is_the_sum_written_out_by_hand():
    data = spectra.simulate(X, DOUBLET, background=7.0, axis="binding_energy")
    for i, (position, area) in enumerate(zip([641.0, 641.5, 642.0], [100.0, 50.0, 0.0], strict=True)):
        sigma = 2.0 / np.sqrt(8 * np.log(2))
        gauss = area * np.exp(-((X - position) ** 2) / (2 * sigma**2)) / (sigma * np.sqrt(2 * np.pi))
        lorentz = 80.0 / np.pi * 0.75 / ((X - 648.0) ** 2 + 0.75**2)
        np.testing.assert_allclose(data.intensity[i], gauss + lorentz + 7.0, rtol=1e-12)
    assert "intensity_sigma" not in data


def test_the_truth_adds_up_and_is_labelled():
    data = spectra.simulate(
        X, DOUBLET, background=lambda x, peaks: 5 + 0.1 * np.cumsum(peaks, -1), counts=500, rng=1, dim="depth",
        axis="binding_energy", name="counts", units="counts", attrs={"simulated_from": "10.1000/xyz"},
    )  # fmt: skip
    np.testing.assert_allclose(
        data.true_component_curve.sum("component") + data.true_background, data.true_curve
    )
    assert data.true_curve.max() == pytest.approx(500)
    assert data.attrs["simulated"] == "yes"
    assert data.attrs["simulated_from"] == "10.1000/xyz"
    assert data.component.values.tolist() == ["a", "b"]
    assert dict(data.sizes) == {"depth": 3, "binding_energy": 601, "component": 2}
    # the stated area is that of the scaled curve
    inside = np.trapezoid(data.true_component_curve.sel(component="a"), X)
    np.testing.assert_allclose(inside, data.true_area.sel(component="a"), rtol=1e-6)


def test_parameters_that_a_shape_has_not_are_nan():
    data = spectra.simulate(
        X, {"step": {"shape": "arctan_step", "position": 640}, "line": {"shape": "gaussian"}}
    )
    assert np.isnan(data.true_area.sel(component="step"))
    assert np.isnan(data.true_height.sel(component="line"))


def test_the_same_seed_gives_the_same_spectra():
    same = [spectra.simulate(X, DOUBLET, background=1, counts=100, rng=3).intensity.values for _ in range(2)]
    np.testing.assert_array_equal(*same)
    other = spectra.simulate(X, DOUBLET, background=1, counts=100, rng=4).intensity.values
    assert (other != same[0]).any()


def test_a_generator_goes_on():
    rng = np.random.default_rng(0)
    first, second = (spectra.simulate(X, DOUBLET, background=1, counts=100, rng=rng) for _ in range(2))
    assert (first.intensity != second.intensity).any()


def test_stated_uncertainty_is_that_of_the_noise():
    """χ² per point against the truth is 1 within its own scatter, for counts and for Gaussian noise."""
    flat = {"line": {"shape": "gaussian", "position": 645, "area": 1.0, "fwhm": 5.0}}
    for options in ({"counts": 400.0}, {"noise": 0.01}, {"counts": 400.0, "noise": 30.0}):
        data = spectra.simulate(X, flat, background=1.0, n=200, rng=5, **options)
        pull = (data.intensity - data.true_curve) / data.intensity_sigma
        assert float((pull**2).mean()) == pytest.approx(1.0, abs=5 * np.sqrt(2 / pull.size) + 0.01)


@settings(max_examples=25)
@given(shift=st.floats(-20, 20), scale=st.floats(0.01, 100))
def test_shift_and_scale(shift, scale):
    base = {"a": {"shape": "voigt", "position": 645.0, "area": 3.0, "fwhm_g": 1.0, "fwhm_l": 0.5}}
    moved = {"a": {**base["a"], "position": 645.0 + shift, "area": 3.0 * scale}}
    np.testing.assert_allclose(
        spectra.simulate(X + shift, moved).intensity, scale * spectra.simulate(X, base).intensity, rtol=1e-6
    )


def test_inputs_are_left_alone(frozen):
    x, area = frozen(X), frozen([1.0, 2.0])
    spectra.simulate(
        x, {"a": {"shape": "gaussian", "position": 645, "area": area, "fwhm": 3}}, background=frozen(0 * X)
    )


@pytest.mark.parametrize(
    ("components", "options", "says"),
    [
        ({}, {}, "simulate needs at least one component"),
        ({"a": {}}, {}, "component 'a' needs \"shape\""),
        ({"a": {"shape": "gausian"}}, {}, "did you mean 'gaussian'"),
        ({"a": {"shape": "gaussian", "widht": 1}}, {}, "gaussian has no parameter 'widht'"),
        ({"a": {"shape": "gaussian", "area": [1, 2], "fwhm": [1, 2, 3]}}, {}, "parameters are given for 2, 3 spectra"),
        ({"a": {"shape": "gaussian", "area": [1, 2]}}, {"n": 5}, "for 2 spectra and n = 5"),
        ({"a": {"shape": "gaussian"}}, {"n": 0}, "n must be at least 1, got 0"),
        ({"a": {"shape": "gaussian", "area": np.nan}}, {}, "area must be finite"),
        ({"a": {"shape": "gaussian"}}, {"noise": -1.0}, "noise must be 0 or more, got -1.0"),
        ({"a": {"shape": "gaussian"}}, {"background": -1.0, "counts": 10.0}, "expected counts must be finite, none negative"),
        ({"a": {"shape": "gaussian"}}, {"background": np.ones(7)}, "background has shape (7,)"),
        ({"a": {"shape": "gaussian"}}, {"axis": "enrgy"}, "did you mean 'energy'"),
    ],
)  # fmt: skip
def test_bad_input(components, options, says):
    with pytest.raises(InvalidInput) as caught:
        spectra.simulate(X, components, **options)
    assert says in str(caught.value)


class TestDemoInput:
    def test_the_edge_lies_where_the_publication_puts_it(self):
        """Half of the step of the near-edge model, found by brute force, against the stated truth."""
        series = xas.demo.charge_series()
        near = (series.true_component_curve.sel(component=["edge", "white line"]).sum("component")) / 1.1
        fine = np.arange(6540, 6560, 0.001)
        for i in range(series.sizes["time"]):
            curve = np.interp(fine, series.energy, near.isel(time=i))
            assert fine[np.argmax(curve >= 0.5)] == pytest.approx(float(series.true_half_step[i]), abs=0.02)
        assert series.true_half_step[-1] == pytest.approx(6551.3)
        assert series.true_half_step[-1] - series.true_half_step[0] == pytest.approx(3.5 * 0.5)

    def test_counts_are_poisson_about_the_curve(self):
        series = xas.demo.charge_series(rng=8)
        pull = (series.i0 - 4e7) / np.sqrt(4e7)
        assert float((pull**2).mean()) == pytest.approx(1, abs=0.1)
        mu = np.log(series.i0 / series.itrans)
        expected = np.sqrt(1 / series.i0 + 1 / series.itrans)
        assert float((((mu - series["mu"]) / expected) ** 2).mean()) == pytest.approx(1, abs=0.1)

    def test_xps_positions_and_splittings_are_the_printed_ones(self):
        truth = xps.demo.regions()["Mn 2p"]
        at = {
            str(c): float(p) - 0.6
            for c, p in zip(truth.component.values, truth.true_position.values, strict=True)
        }
        assert at["Mn3+ 2p3/2"] == pytest.approx(641.2)
        assert at["Mn4+ 2p3/2"] == pytest.approx(642.7)
        assert at["Mn3+ 2p1/2"] - at["Mn3+ 2p3/2"] == pytest.approx(11.3)
        assert at["Mn4+ 2p1/2"] - at["Mn4+ 2p3/2"] == pytest.approx(11.5)

    def test_the_files_say_that_they_are_simulated(self, tmp_path):
        for file in [*xas.demo.write_inputs(tmp_path), *xps.demo.write_inputs(tmp_path)]:
            assert "SIMULATED, not measured: from figures published in 10.1039/d4sc02754j" in file.read_text()

    def test_every_number_of_the_tables_says_where_it_is_from(self):
        from xas.tables import load_table as xas_table
        from xps.tables import load_table as xps_table

        def entries(table):
            for value in (
                table.values() if isinstance(table, dict) else table if isinstance(table, list) else ()
            ):
                if isinstance(value, dict) and "value" in value:
                    yield value
                else:
                    yield from entries(value)

        found = [*entries(xas_table("demo_mn_charge")), *entries(xps_table("demo_mn2p"))]
        assert len(found) > 40
        for entry in found:
            assert entry["status"] in ("read", "computed", "to-verify", "chosen")
            assert entry["source"]
            assert "unit" in entry
