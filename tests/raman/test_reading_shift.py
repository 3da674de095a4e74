"""Axes made Raman shifts, positions made maps, and marks on what was never measured: the functions by themselves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import raman
from raman.reading.faults import saturated, unmeasured_ends
from raman.reading.measured import detector_units
from raman.reading.positions import lay_out
from raman.reading.shift import EV_TO_WAVENUMBER, shift_of
from raman.reading.wdf_properties import properties
from spectra.errors import InvalidInput


@given(shift=st.floats(-1000, 4000), laser=st.floats(240, 1070))
def test_every_unit_comes_to_the_same_shift(shift, laser):
    absolute = 1e7 / laser - shift
    for x, units in (
        (shift, "shift"),
        (absolute, "absolute"),
        (1e7 / absolute, "nm"),
        (absolute / EV_TO_WAVENUMBER, "eV"),
    ):
        assert float(shift_of(x, units, laser)) == pytest.approx(shift, abs=1e-6)


def test_air_for_vacuum_makes_shifts_too_large():
    """By 0.14 at 520 and 0.8 at 3000 1/cm."""
    for shift, off in ((520, 0.14), (3000, 0.8)):
        air = np.array([1e7 / (1e7 / 532 - shift)])
        vacuum, true = shift_of(air, "nm", 532.0), shift_of(air, "nm", 532.0, "air")
        assert float((vacuum - true)[0]) == pytest.approx(off, rel=0.1)


def test_medium_is_an_option(data_dir):
    file = data_dir / "raman" / "witec" / "Si-wafer-Raman-Spectrum-1.txt"
    air, vacuum = (raman.read(file, laser=532.0, medium=medium) for medium in ("air", "vacuum"))
    assert float(vacuum.raman_shift[-1] - air.raman_shift[-1]) == pytest.approx(1.0, abs=0.1)
    assert any("wavelengths in air" in note for note in air.spectra.history[0]["notes"])
    with pytest.raises(InvalidInput, match="medium must be"):
        raman.read(file, laser=532.0, medium="water")


@pytest.mark.parametrize("laser", [0.532, 0.0, -532.0, 5320.0, float("nan")])
def test_a_laser_is_a_wavelength_in_nm(tmp_path, laser):
    file = tmp_path / "two.txt"
    file.write_text("100\t1\n200\t2\n")
    for read in (raman.read, raman.read_series):
        with pytest.raises(InvalidInput, match="laser must be a wavelength in nm between 150 and 2500"):
            read(file, laser=laser)


def test_units_of_detectors():
    assert {detector_units(u) for u in ("Cnt", "CCD cts", "Counts", "counts")} == {"detector counts"}
    assert detector_units("Cnt/sec") == "detector counts/s"
    assert detector_units("Arbitr.Units") == detector_units("a.u.") == ""


def test_intensities_of_a_detector_are_not_fitted_as_counts(data_dir):
    """A CCD's numbers are whole and in counts, and their noise is still not their square root."""
    scan = raman.read(data_dir / "raman" / "horiba" / "532nm-191216-Si_200mu.txt")
    assert (scan.intensity.values == np.rint(scan.intensity.values)).all()
    assert scan.intensity.attrs["units"] != "counts"


@given(
    rows=st.integers(2, 6), columns=st.integers(2, 6), seed=st.integers(0, 2**31), step=st.floats(0.05, 500)
)
def test_any_order_of_a_map_comes_into_place(rows, columns, seed, step):
    rng = np.random.default_rng(seed)
    order = rng.permutation(rows * columns)
    x, y = (order % columns) * step, (order // columns) * step
    jitter = rng.uniform(-0.05, 0.05, (2, order.size)) * step
    layout = lay_out(x + jitter[0], y + jitter[1])
    assert layout.dims == ("y", "x")
    assert layout.shape == (rows, columns)
    np.testing.assert_array_equal(layout.place(order.astype(float)).ravel(), np.arange(rows * columns))
    assert not layout.missing.any()


@given(rows=st.integers(3, 6), columns=st.integers(3, 6), share=st.floats(0.45, 0.99))
def test_interrupted_maps_stay_maps(rows, columns, share):
    count = max(int(share * rows * columns), columns + 1)
    at = np.arange(count)
    planned = (np.arange(columns) * 2.0, np.arange(rows) * 3.0)
    layout = lay_out((at % columns) * 2.0, (at // columns) * 3.0, planned=planned)
    assert layout.shape == (rows, columns)
    assert int(layout.missing.sum()) == rows * columns - count
    np.testing.assert_array_equal(layout.place(at.astype(float))[~layout.missing], at)


def test_two_spectra_in_one_place_are_no_map():
    layout = lay_out([0, 1, 0, 1, 0], [0, 0, 1, 1, 0])
    assert layout.dims == ("scan",)
    assert set(layout.coords) == {"scan", "x", "y"}


def test_zeros_at_the_ends():
    rng = np.random.default_rng(1)
    values = rng.normal(500, 5, (5, 40))
    values[0, :4] = 0  # a run
    values[1, -1] = 0  # one, with a jump behind it
    values[2] = 0  # all
    values[3] = np.linspace(0, 10, 40)  # a curve that begins at zero
    values[4, 5] = 0  # inside
    blank = unmeasured_ends(values)
    np.testing.assert_array_equal(blank.sum(axis=1), [4, 1, 40, 0, 0])


def test_single_photons_measure_zeros():
    values = np.random.default_rng(2).poisson(0.3, (1, 500)).astype(float)
    values[0, :5] = 0
    assert not unmeasured_ends(values).any()


def test_saturation():
    values = np.tile(np.linspace(0, 5000, 50), (4, 1))
    values[0, 20] = 65535
    values[1, 10:14] = 6000
    values[2, 10:12] = 6000  # two equal values are chance
    values[3] /= 1e4
    values[3, 10:14] = 0.7  # normalised: what is a plateau there is not known
    np.testing.assert_array_equal(saturated(values).sum(axis=1), [1, 4, 0, 0])


def test_damaged_property_sets_give_what_they_can():
    good = b"i\x00\x01\x80\x07\x00\x00\x00k\x00\x01\x80\x04\x00\x00\x00Name"
    assert properties(b"PSET" + len(good).to_bytes(4, "little") + good) == {"Name": 7}
    for end in range(len(good)):
        assert properties(b"PSET" + len(good).to_bytes(4, "little") + good[:end]) == {}
        assert set(properties(b"PSET" + end.to_bytes(4, "little") + good[:end])) <= {"Name"}


def test_laser_that_differs_from_the_file_leaves_its_shifts(data_dir):
    file = data_dir / "raman" / "renishaw" / "sp.wdf"
    told, stated = raman.read(file, laser=532.0), raman.read(file)
    np.testing.assert_array_equal(told.raman_shift, stated.raman_shift)
    assert told.attrs["laser_wavelength"] == 532.0
    assert any("shifts of the file stand as they are" in note for note in told.spectra.history[0]["notes"])
