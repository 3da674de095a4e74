"""Soft X-ray absorption: image stacks, libraries, and curves read off figures."""

import h5py
import numpy as np
import pytest

import spectra
import xas
from spectra.errors import InvalidInput, ReadError
from spectra.reading.scan import notes_of


@pytest.fixture
def folder(data_dir):
    return data_dir / "softxas"


def test_the_iron_stack_becomes_optical_densities(folder):
    file = folder / "Fe_L23_stxm_71214098.h5"
    stack = xas.read(file)
    assert dict(stack.mu.sizes) == {"y": 150, "x": 150, "energy": 123}
    assert (stack.i0.dims, stack.attrs["mu_from"]) == (("energy",), "ln(i0 / itrans)")
    with h5py.File(file) as raw:
        truth = np.log(raw["incident"][()] / raw["transmitted"][7, 9])
        np.testing.assert_allclose(stack.mu.values[7, 9], truth, rtol=1e-6)
        np.testing.assert_array_equal(stack.y.values, raw["y"][()])
    assert stack.x.attrs["units"] == "um"
    assert float(stack.mu.mean(("y", "x")).idxmax("energy")) == pytest.approx(709.5, abs=1.0)  # Fe L3


def test_a_stack_without_incident_intensity(folder, tmp_path):
    file = folder / "HERMES_small_OK.hdf5"
    stack = spectra.read(file)
    assert dict(stack.itrans.sizes) == {"y": 2, "x": 2, "energy": 2}
    assert stack.attrs["beamline"] == "Hermes"
    np.testing.assert_allclose(stack.itrans.values[0, 0], [1000.1, 3000.1])
    assert stack.x.values.tolist() == [1.1, 2.1]
    with pytest.raises(ReadError, match="holds the transmitted intensity without the incident one"):
        xas.read(file)


@pytest.mark.parametrize("order", ["energy y x", "y x energy", "energy x y"])
def test_the_lengths_of_the_axes_tell_their_order(tmp_path, order):
    sizes = {"energy": 5, "y": 3, "x": 4}
    cube = np.arange(60.0).reshape(3, 4, 5) + 1
    names = order.split()
    with h5py.File(tmp_path / "stack.hdf5", "w") as file:
        group = file.create_group("entry1/Counter0")
        group["data"] = cube.transpose([("y", "x", "energy").index(n) for n in names])
        group["energy"] = 700.0 + np.arange(sizes["energy"])
        group["sample_y"], group["sample_x"] = np.arange(3.0), np.arange(4.0)
    stack = spectra.read(tmp_path / "stack.hdf5")
    np.testing.assert_array_equal(stack.itrans.transpose("y", "x", "energy").values, cube)
    assert not any("do not tell their order" in text for text in notes_of(stack))


def test_stacks_that_do_not_fit_together(tmp_path):
    with h5py.File(tmp_path / "stack.hdf5", "w") as file:
        group = file.create_group("entry1/Counter0")
        group["data"], group["energy"] = np.ones((5, 3, 4)), np.arange(6.0)
        group["sample_y"], group["sample_x"] = np.arange(3.0), np.arange(4.0)
    with pytest.raises(ReadError, match="6 energies, 3 rows and 4 columns: these do not fit together"):
        spectra.read(tmp_path / "stack.hdf5")


def test_a_library_of_flexpes(folder):
    file = folder / "CuO_OK_CuL_flexpes_library.h5"
    with pytest.raises(InvalidInput, match="4 scans: choose one with select="):
        xas.read(file)
    copper = xas.read(file, select="Cu L2,3 (2p) in CuO")
    assert [copper.attrs[k] for k in ("element", "edge", "sample")] == ["Cu", "L3", "CuO"]
    assert copper.attrs["detector"] == "b107a_em_03_ch1"
    assert float(copper.mu.idxmax("energy")) == pytest.approx(931.3, abs=0.7)
    assert "normalised the spectrum (Area)" in copper.spectra.history[0]["notes"][0]
    oxygen = xas.read_series(file, select=(0, 1))
    assert oxygen.mu.dims == ("scan", "energy")


def test_the_manganese_series(folder):
    """L3 maxima that the authors of the collection give: 640.5, 640.4, 642.3 and 643.2 eV."""
    maxima = {"MnO": 640.5, "YBaMn3AlO7": 640.4, "LaMnO3": 642.3, "SrMnO3": 643.2}
    for name, energy in maxima.items():
        scan = xas.read(folder / "mn_l23" / f"Data2_{name}.csv")
        assert float(scan.mu.idxmax("energy")) == pytest.approx(energy, abs=0.1), name
