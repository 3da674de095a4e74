"""The recipes that ship, on the measurements they were written for."""

import numpy as np
import pytest

import spectra
import xas
from spectra.dataset import failed

OXIDES = ("MnO", "Mn3O4", "Mn2O3", "MnO2")


def test_mn_k_edge_oxides(data_dir):
    files = [data_dir / "xas" / f"{name}_rt_01_xaslib.xdi" for name in OXIDES]
    got = spectra.run("mn_k_edge_oxides", files)
    np.testing.assert_allclose(got.edge_position, [6543.8, 6546.0, 6549.7, 6551.3], rtol=0, atol=0.1)
    np.testing.assert_allclose(got.integral_edge_position, [6544.4, 6546.7, 6550.5, 6551.7], rtol=0, atol=0.1)
    for name in ("edge_position_sigma", "integral_edge_position_sigma"):
        assert (got[name] > 0.002).all()
        assert (got[name] < 0.05).all()
    assert not failed(got).any()
    by_hand = xas.normalize(
        xas.read_series(files, dim="sample"), e0=6548.0, pre=(-28, -12), post=(42, 82), pre_order=0, order=0
    )
    np.testing.assert_array_equal(xas.edge_position(by_hand).edge_position, got.edge_position)


def test_repeated_scans_agree_within_their_uncertainty(data_dir):
    """Two scans of MnO, three of MnO2, minutes apart."""
    for name, count in (("MnO", 2), ("MnO2", 3)):
        files = [data_dir / "xas" / f"{name}_rt_0{i + 1}_xaslib.xdi" for i in range(count)]
        got = spectra.run("mn_k_edge_oxides", files)
        spread = float(got.edge_position.max() - got.edge_position.min())
        assert spread < 0.12  # the monochromator's repeatability, above the noise's 0.02 eV


def test_operando_edge(data_dir):
    got = spectra.run("operando_edge", data_dir / "xas" / "operando_LNO_NiK" / "*.txt")
    assert got.edge_position.dims == ("time",)
    assert got.sizes["time"] == 58
    assert got.edge_position.values[0] == pytest.approx(8344.76, abs=0.05)
    assert got.edge_position.values[-1] == pytest.approx(8346.16, abs=0.05)
    assert (np.diff(got.time) > 0).all()
    assert float(got.time[-1] - got.time[0]) == pytest.approx(10.9 * 3600, abs=600)
    assert got.time.attrs["start"].startswith("2022-07-26T23:01:58")
    assert not failed(got).any()
