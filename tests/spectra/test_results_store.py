"""What was saved is what is loaded: values, kinds, attributes, history, and the data as measured."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import spectra
from spectra.results import load, load_all, save
from spectra.verbs import as_measured, history, note, resolve, verb


@verb("test.halve")
def halve(dataset: xr.Dataset, *, below: float | None = None) -> xr.Dataset:
    """Half of the spectra."""
    resolve(below=0.5 if below is None else below)
    note("halved")
    dataset["half"] = dataset[dataset.attrs["signal"]] * 0.5
    return spectra.dataset.flag(
        dataset, dataset["half"].max("energy") > 2, "large", "too large; measure less"
    )


def round_trip(tmp_path, datasets, **options):
    return load(save(tmp_path / "results.nxs", datasets, **options))


def series(frozen, **attrs):
    values = np.arange(12.0).reshape(3, 4)
    values[1, 2] = np.nan
    return spectra.from_arrays(
        frozen([1.0, 2, 3, 4]),
        frozen(values),
        name="mu",
        sigma=frozen(0.1 + values),
        dims=("scan",),
        attrs=attrs,
    )


_SHAPES = st.lists(st.integers(1, 3), min_size=0, max_size=2)
_DTYPES = [
    "f8",
    "f4",
    "i4",
    "i8",
    "u2",
    ">f8",
    "c16",
    "?",
    "U5",
    "O",
    "M8[ns]",
    "M8[us]",
    "M8[s]",
    "M8[D]",
    "m8[ns]",
]


def _values(draw, dtype, shape):
    text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
    if dtype == "O":
        return draw(arrays(object, shape, elements=text))
    if dtype.startswith("U"):
        return draw(arrays(dtype, shape, elements=text))
    if dtype[0] in "Mm":
        count = st.integers(-(10**18), 10**18) if dtype.endswith("[ns]") else st.integers(-40_000, 40_000)
        return draw(arrays("i8", shape, elements=count)).astype(dtype)
    return draw(arrays(dtype, shape))


@st.composite
def datasets(draw):
    """Datasets of every shape, with variables and coordinates of every kind."""
    shape = draw(_SHAPES)
    dims = ("y", "x")[: len(shape)]
    n = draw(st.integers(2, 5))
    signal = draw(arrays(draw(st.sampled_from(["f8", "i8", "f4"])), (*shape, n), fill=st.nothing()))
    signal.flat[0] = 1
    made = spectra.from_arrays(
        np.arange(n), signal, name="counts", dims=dims, axis="binding_energy", units="counts"
    )
    for number, dtype in enumerate(draw(st.lists(st.sampled_from(_DTYPES), max_size=4))):
        over = draw(st.sampled_from([(), dims, dims[:1], (*dims, "binding_energy"), ("state",)]))
        length = {**made.sizes, "state": 2}
        variable = (
            over,
            _values(draw, dtype, tuple(length[d] for d in over)),
            {"units": "V"} if number % 2 else {},
        )
        name = draw(
            st.sampled_from(["voltage", "i0 (nA)", "I0 (nA)", "time", "energy", "data", "a_sigma", "Ω"])
        )
        made = made.assign_coords({name: variable}) if draw(st.booleans()) else made.assign({name: variable})
    attrs = st.dictionaries(
        st.text(max_size=4).filter(lambda k: k not in ("signal", "history")),
        st.one_of(
            st.text(), st.integers(), st.floats(), st.booleans(), st.none(), st.lists(st.floats(), max_size=2)
        ),
        max_size=3,
    )
    return made.assign_attrs(draw(attrs))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(dataset=datasets())
def test_any_dataset_comes_back_identical(tmp_path, dataset):
    loaded = round_trip(tmp_path, dataset)
    xr.testing.assert_identical(loaded, dataset)
    assert list(loaded.variables) == list(dataset.variables)
    for name, variable in dataset.variables.items():
        if variable.dtype.kind not in "UMm":  # xarray itself may widen text; days become seconds
            assert loaded[name].dtype == variable.dtype, name
        assert loaded[name].dims == variable.dims


def test_history_flags_and_the_data_as_measured_come_back(tmp_path, frozen):
    data = series(frozen, sample="Ω-phase", technique="xas")
    done = spectra.crop(halve(data), window=(2, 4))
    loaded = round_trip(tmp_path, done)
    xr.testing.assert_identical(loaded, done)
    xr.testing.assert_identical(as_measured(loaded), data)
    assert history(loaded) == history(done)
    assert loaded.spectra.flags.equals(done.spectra.flags)
    assert [e["verb"] for e in loaded.spectra.history] == ["test.halve", "spectra.crop"]


def test_verbs_go_on_after_loading_and_saving_again_keeps_the_start(tmp_path, frozen):
    data = series(frozen)
    once = round_trip(tmp_path, halve(data))
    twice = round_trip(tmp_path, spectra.crop(once, window=(1, 3)))
    xr.testing.assert_identical(as_measured(twice), data)
    assert len(history(twice)) == 2


def test_results_stay_in_double_precision_and_counts_stay_integer(tmp_path, rng):
    counts = rng.poisson(100, (4, 50))
    data = halve(spectra.from_arrays(np.arange(50), counts, name="counts", dims=("scan",)))
    loaded = round_trip(tmp_path, data)
    assert loaded.counts.dtype == counts.dtype
    assert loaded.half.dtype == np.float64
    np.testing.assert_array_equal(loaded.half, counts * 0.5)


def test_several_datasets_come_back_by_their_own_names(tmp_path, frozen):
    several = {"Mn K / Å": series(frozen), "mn k   Å": halve(series(frozen)), "": series(frozen)}
    loaded = round_trip(tmp_path, several)
    assert list(loaded) == list(several)
    for name, dataset in several.items():
        xr.testing.assert_identical(loaded[name], dataset)


def test_one_dataset_comes_back_as_one_and_by_name_where_that_is_asked(tmp_path, frozen):
    path = save(tmp_path / "one.nxs", {"Ni K": series(frozen)})
    assert isinstance(load(path), xr.Dataset)
    assert list(load_all(path)) == ["Ni K"]


def test_tuples_and_arrays_in_attributes_come_back_as_lists(tmp_path, frozen):
    data = series(frozen, window=(1, 2), grid=np.array([1.0, np.inf]), nested={"a": (1, None)})
    loaded = round_trip(tmp_path, data)
    assert loaded.attrs["window"] == [1, 2]
    assert loaded.attrs["grid"] == [1.0, np.inf]
    assert loaded.attrs["nested"] == {"a": [1, None]}


def test_dates_are_kept_to_the_nanosecond_over_years(tmp_path, frozen):
    dates = np.array(["2024-06-11T08:00:00.123456789", "NaT", "1999-01-01T00:00:00.000000001"], "M8[ns]")
    loaded = round_trip(tmp_path, series(frozen).assign(measured=("scan", dates)))
    np.testing.assert_array_equal(loaded.measured.values, dates)


def test_a_lazy_series_is_written_block_by_block(tmp_path, frozen):
    data = series(frozen)
    lazy = halve(data.chunk(scan=1))
    assert lazy.half.chunks is not None
    loaded = round_trip(tmp_path, lazy)
    xr.testing.assert_identical(loaded.drop_attrs(), halve(data).drop_attrs())
    assert lazy.half.chunks is not None


@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
def test_every_compression_gives_the_same_numbers(tmp_path, rng, compression):
    data = spectra.from_arrays(np.arange(500), rng.random((40, 500)), dims=("scan",))
    xr.testing.assert_identical(round_trip(tmp_path, data, compression=compression), data)


def test_the_accessor_saves(tmp_path, frozen):
    data = series(frozen)
    xr.testing.assert_identical(load(data.spectra.save(tmp_path / "a.nxs", command="here")), data)


def test_nothing_given_is_changed(tmp_path, frozen):
    data = halve(series(frozen))
    before, encoding = data.copy(deep=True), dict(data.encoding)
    save(tmp_path / "a.nxs", data)
    xr.testing.assert_identical(data, before)
    assert data.encoding.keys() == encoding.keys()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda d: d.assign(odd=("scan", [object(), None, 1])),
            "odd holds NoneType, int, object, which a results file",
        ),
        (lambda d: d.assign(odd=("scan", ["a\0b", "", ""])), "odd holds the text .* not valid UTF-8"),
        (lambda d: d.assign(odd=("scan", ["\ud800", "", ""])), "odd holds the text .* not valid UTF-8"),
    ],
)
def test_what_a_file_cannot_hold_is_named(tmp_path, frozen, change, sentence):
    with pytest.raises(OSError, match=sentence):
        save(tmp_path / "a.nxs", change(series(frozen)))
    assert not list(tmp_path.iterdir())


def test_saving_nothing_or_something_else_is_refused(tmp_path):
    with pytest.raises(ValueError, match="nothing to save"):
        save(tmp_path / "a.nxs", {})
    with pytest.raises(ValueError, match="spectra.save takes an xarray.Dataset of spectra .* got int"):
        save(tmp_path / "a.nxs", 3)


def test_an_unknown_compression_is_refused(tmp_path, frozen):
    with pytest.raises(ValueError, match="compression must be 'gzip', 'zstd' or 'none', got 'lzf'"):
        save(tmp_path / "a.nxs", series(frozen), compression="lzf")
