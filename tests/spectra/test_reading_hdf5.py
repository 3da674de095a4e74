"""HDF5 and NeXus: default plots, named datasets, and our own results files as they were saved."""

import h5py
import numpy as np
import pytest

import spectra
from spectra.errors import InvalidInput, ReadError

ENERGY = np.array([6.55, 6.56, 6.57])


@pytest.fixture
def nexus(tmp_path):
    """A NeXus file with a default plot: a series of two spectra, energies descending and in keV."""
    file = tmp_path / "scan.nxs"
    with h5py.File(file, "w") as root:
        root.attrs["default"] = "entry"
        entry = root.create_group("entry")
        entry.attrs.update({"NX_class": "NXentry", "default": "plot"})
        data = entry.create_group("plot")
        data.attrs.update({"NX_class": "NXdata", "signal": "mu", "axes": ["voltage", "energy"]})
        data["energy"] = ENERGY[::-1]
        data["energy"].attrs["units"] = "keV"
        data["voltage"] = [3.6, 4.2]
        data["voltage"].attrs["units"] = "V"
        data["mu"] = np.arange(6.0).reshape(2, 3)
        data["mu_errors"] = np.full((2, 3), 0.1)
        data["title"] = "LiNiO2"
        other = entry.create_group("other")
        other.attrs.update({"NX_class": "NXdata", "signal": "counts", "axes": ["energy"]})
        other["energy"] = ENERGY
        other["energy"].attrs.update({"type": "binding", "units": "eV"})
        other["counts"] = [1, 2, 3]
    return file


def test_the_default_plot(nexus):
    scan = spectra.read(nexus)
    np.testing.assert_allclose(scan.energy, 1e3 * ENERGY)
    np.testing.assert_array_equal(scan.mu, [[2, 1, 0], [5, 4, 3]])
    np.testing.assert_array_equal(scan.mu_sigma, np.full((2, 3), 0.1))
    assert scan.mu.dims == ("voltage", "energy")
    assert scan.voltage.attrs["units"] == "V"
    assert scan.attrs["title"] == "LiNiO2"
    assert "the axis descended and was reversed" in scan.spectra.history[0]["notes"]


def test_without_a_default_every_nxdata_is_a_scan(nexus):
    with h5py.File(nexus, "r+") as root:
        del root.attrs["default"]
    table = spectra.inspect(nexus)
    assert sorted(table.axis) == ["binding_energy", "energy"]
    assert spectra.read(nexus, select=0).attrs["signal"] == "counts"


def test_plain_hdf5_by_paths(tmp_path):
    file = tmp_path / "plain.h5"
    with h5py.File(file, "w") as root:
        root["scan/e"] = ENERGY
        root["scan/mu"] = np.arange(6.0).reshape(2, 3)
    with pytest.raises(
        ReadError, match=r"names no default plot .*it holds /scan/e \(3,\), /scan/mu \(2, 3\)"
    ):
        spectra.read(file)
    scan = spectra.read(file, columns={"energy": "scan/e", "mu": "/scan/mu"}, axis_units="keV")
    assert dict(scan.sizes) == {"scan": 2, "energy": 3}
    assert scan.energy.values[0] == 6550
    with pytest.raises(ReadError, match="has no dataset 'scan/x'; did you mean '/scan/e'"):
        spectra.read(file, columns={"energy": "scan/x", "mu": "/scan/mu"})
    with pytest.raises(ReadError, match="columns must name one spectral axis"):
        spectra.read(file, columns={"mu": "/scan/mu"})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda data: data.attrs.pop("signal"), "does not say which of its fields is the signal"),
        (lambda data: data.attrs.__setitem__("axes", ["energy"]), "the signal has 2 dimensions and 1 axes"),
        (lambda data: data.pop("energy"), "the last axis 'energy' of the signal 'mu' is not there"),
        (lambda data: data["energy"].attrs.modify("units", "mm"), "energy is in 'mm'; say axis_units="),
        (lambda data: data["mu"].write_direct(np.full((2, 3), np.nan)), "mu holds no finite value"),
    ],
)
def test_incomplete_plots(nexus, change, sentence):
    with h5py.File(nexus, "r+") as root:
        change(root["entry/plot"])
    with pytest.raises(ReadError, match=sentence):
        spectra.read(nexus)


def test_an_axis_that_is_none(nexus):
    with h5py.File(nexus, "r+") as root:
        data = root["entry/plot"]
        data.move("energy", "x")
        data.attrs["axes"] = ["voltage", "x"]
    with pytest.raises(ReadError, match="its axis 'x' is no spectral axis; say axis="):
        spectra.read(nexus)
    assert spectra.read(nexus, axis="energy").energy.size == 3
    with pytest.raises((ReadError, InvalidInput), match="axis 'enegry' is not a spectral axis"):
        spectra.read(nexus, axis="enegry")


def test_our_own_results_keep_their_history(tmp_path, data_dir):
    import xas

    scan = spectra.crop(xas.read(data_dir / "xas" / "Cu_foil_rt_larch.xdi"), window=(8900, 9100))
    file = spectra.save(tmp_path / "results.nxs", scan)
    again = spectra.read(file)
    assert [entry["verb"] for entry in again.spectra.history] == ["xas.read", "spectra.crop"]
    np.testing.assert_array_equal(again.mu, scan.mu)
