"""The object that flows: what from_arrays repairs, what it refuses, and what every dataset keeps."""

import dask.array
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import spectra
from spectra.dataset import as_dataset, map_spectra, series_dims, signal_name, spectral_axis
from spectra.dataset.construct import ordered_axis


def test_single_spectrum_has_axis_units_and_signal(frozen):
    data = spectra.from_arrays(
        frozen([1.0, 2, 3]), frozen([5, 6, 7]), axis="binding_energy", name="counts", units="counts"
    )
    assert spectral_axis(data) == "binding_energy"
    assert signal_name(data) == "counts"
    assert series_dims(data) == ()
    assert data.binding_energy.attrs["units"] == "eV"
    assert data.counts.attrs["units"] == "counts"
    assert np.issubdtype(data.counts.dtype, np.integer)  # counts stay counts


def test_series_coordinates_keep_their_units():
    data = spectra.from_arrays(
        [1.0, 2],
        np.ones((3, 2)),
        dims=("voltage",),
        coords={"voltage": ([3.8, 4.3, 4.6], "V"), "label": ("voltage", ["a", "b", "c"])},
    )
    assert data.voltage.attrs["units"] == "V"
    assert list(data.label.values) == ["a", "b", "c"]
    assert series_dims(data) == ("voltage",)


def test_kev_axis_becomes_ev():
    data = spectra.from_arrays([6.5, 6.6], [0.0, 1], axis_units="keV")
    np.testing.assert_allclose(data.energy, [6500, 6600])


@given(
    st.lists(st.integers(0, 12), min_size=2, max_size=40).filter(lambda v: len(set(v)) > 1),
    st.integers(0, 2**31),
)
def test_any_order_with_repeats_becomes_an_ascending_axis_of_means(positions, seed):
    x = np.array(positions, float)
    y = np.random.default_rng(seed).normal(size=x.size)
    data = spectra.from_arrays(x, y)
    expected = {value: y[x == value].mean() for value in sorted(set(positions))}  # slow and obvious
    np.testing.assert_array_equal(data.energy, list(expected))
    np.testing.assert_allclose(data.intensity, list(expected.values()), atol=1e-12)


def test_arrays_that_are_computed_later_stay_so(rng):
    """Whatever the order of the axis, nothing is read before a result is asked for."""
    x = np.array([3.0, 2, 2, 1, np.nan, 0])
    y, sigma = rng.normal(size=(4, 6)), rng.uniform(1, 2, (4, 6))
    now = spectra.from_arrays(x, y, name="mu", sigma=sigma, dims=("scan",))

    def refuse(block):
        raise AssertionError("read too early")

    for lazy in (dask.array.from_array(y, chunks=(2, 3)), dask.array.from_array(y, chunks=(1, -1))):
        later = spectra.from_arrays(x, lazy, name="mu", sigma=dask.array.from_array(sigma), dims=("scan",))
        assert isinstance(later.mu.data, dask.array.Array)
        xr.testing.assert_allclose(later.compute(), now)
    never = dask.array.from_array(y).map_blocks(refuse, dtype=float, meta=np.empty((0, 0)))
    spectra.from_arrays(x, never, name="mu", dims=("scan",))


def test_repeated_points_average_their_uncertainty_in_quadrature():
    axis, arrays, notes = ordered_axis([1, 1, 2], {"mu": [1.0, 3, 5], "mu_sigma": [0.3, 0.4, 0.1]})
    np.testing.assert_allclose(arrays["mu"], [2, 5])
    np.testing.assert_allclose(arrays["mu_sigma"], [0.25, 0.1])
    assert axis.size == 2
    assert "1 points at repeated axis values were averaged" in notes


def test_what_was_repaired_is_said_in_the_history():
    data = spectra.from_arrays([3.0, 2, 1, np.nan], np.arange(4.0))
    (entry,) = data.spectra.history
    assert entry["notes"] == [
        "1 points without a finite axis value were dropped",
        "the axis descended and was reversed",
    ]


def test_nothing_repaired_leaves_no_entry():
    assert spectra.from_arrays([1.0, 2], [1.0, 2]).spectra.history == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (dict(x=[1.0], y=[1.0]), "needs at least 2 points along energy, got 1"),
        (dict(x=[], y=[]), "holds no finite value"),
        (dict(x=[1.0, 2], y=[np.nan, np.nan]), "intensity holds no finite value"),
        (dict(x=[1.0, 2], y=["a", "b"]), "intensity holds <U1, not numbers"),
        (dict(x=[1.0, 2], y=[1.0, 2, 3]), r"intensity has shape \(3,\)"),
        (dict(x=[1.0, 2], y=np.ones((2, 2))), r"it needs 1 dimensions, the last of length 2"),
        (dict(x=[1.0, 2], y=[1.0, 2], axis="energie"), "did you mean 'energy'"),
        (dict(x=[1.0, 2], y=[1.0, 2], axis_units="kev"), "did you mean 'keV'"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        spectra.from_arrays(arguments.pop("x"), arguments.pop("y"), **arguments)


@pytest.mark.parametrize(
    ("dataset", "sentence"),
    [
        (xr.Dataset({"mu": ("x", [1.0, 2])}), "this one has none"),
        (xr.Dataset({"mu": ("energy", [1.0, 2])}), "assign a coordinate named 'energy'"),
        (xr.Dataset({"mu": ("energy", [1.0, 2])}, {"energy": [2.0, 1]}), "does not ascend strictly"),
        (xr.Dataset({"mu": ("energy", [1.0, 2])}, {"energy": [1.0, np.nan]}), "1 values that are not finite"),
        (xr.Dataset({"mu": ("energy", [1.0, 2])}, {"energy": ["a", "b"]}), "not numbers"),
        (
            xr.Dataset({"a": ("energy", [1.0, 2]), "b": ("energy", [1.0, 2])}, {"energy": [1.0, 2]}),
            "set dataset.attrs",
        ),
        (
            xr.Dataset({"a": (("energy", "raman_shift"), [[1.0]])}, {"energy": [1.0], "raman_shift": [1.0]}),
            r"this one has two \(energy, raman_shift\)",
        ),
        ("mn.xdi", "got str. Read a file with spectra.read"),
    ],
)
def test_a_dataset_against_the_conventions_is_refused(dataset, sentence):
    with pytest.raises(ValueError, match=sentence):
        as_dataset(dataset)


def test_crop_keeps_both_ends_and_names_an_empty_window():
    data = spectra.from_arrays(np.arange(10.0), np.arange(10.0), axis="raman_shift")
    np.testing.assert_array_equal(spectra.crop(data, window=(5, 2)).raman_shift, [2, 3, 4, 5])
    with pytest.raises(ValueError, match=r"window \(20, 30\) holds 0 points of raman_shift"):
        spectra.crop(data, window=(20, 30))


def _moments(y):
    return {"total": y.sum(-1), "doubled": 2 * y}


@pytest.mark.parametrize("lazy", [False, True])
def test_kernels_see_arrays_and_give_back_labels(lazy):
    data = spectra.from_arrays([1.0, 2, 3], np.arange(12.0).reshape(2, 2, 3), dims=("y", "x"))
    signal = data.intensity.chunk({"y": 1}) if lazy else data.intensity
    out = map_spectra(_moments, [(signal, ("energy",))], {"total": (), "doubled": ("energy",)})
    assert (out["total"].chunks is not None) == lazy
    assert out["total"].dims == ("y", "x")
    np.testing.assert_array_equal(out["total"], data.intensity.sum("energy"))
    np.testing.assert_array_equal(out["doubled"].transpose("y", "x", "energy"), 2 * data.intensity)


@pytest.mark.parametrize("lazy", [False, True])
def test_kernels_leave_the_units_of_coordinates(lazy):
    """A verb that assigns what a kernel gave must not take the units off the axis."""
    time = ([0.0, 5.0], "s")
    data = spectra.from_arrays(
        [1.0, 2, 3], np.ones((2, 3)), units="counts", dims=("time",), coords={"time": time}
    )
    signal = data.intensity.chunk({"time": 1}) if lazy else data.intensity
    out = map_spectra(_moments, [(signal, ("energy",))], {"total": (), "doubled": ("energy",)})
    result = data.assign(out)
    assert result.energy.attrs == {"units": "eV"}
    assert result.time.attrs == {"units": "s"}
    assert result.total.attrs == result.doubled.attrs == {}
    assert result.intensity.attrs == {"units": "counts"}
