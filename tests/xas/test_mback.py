"""MBACK: parity with larch, truth, coverage, refusals."""

import numpy as np
import pytest

import spectra
import xas
from spectra.dataset import failed, flag_names
from spectra.larch_guard import larch_attribute, quiet_larch
from xas.normalization.tabulated_f2 import tabulated_f2

MEASURED = (("Cu_foil_rt_larch", "Cu", 29), ("Fe2O3_rt_xaslib", "Fe", 26), ("Mn-Bixbyite_bmm", "Mn", 25))


def at_grid_point(scan):
    """E0 as larch uses it: a point of the grid."""
    e0 = float(xas.normalize(scan).e0)
    return float(scan.energy.values[np.abs(scan.energy.values - e0).argmin()])


def from_f2(scale=0.2, noise=0.0, n=None, seed=0):
    """f2 of Mn with another scale and background, as a thick sample in a real beam would have."""
    energy = np.concatenate(
        [np.arange(6350.0, 6530, 3), np.arange(6530.0, 6600, 0.5), np.arange(6600, 7300, 3)]
    )
    x = (energy - 6545) / 500
    mu = scale * (tabulated_f2("Mn", energy) + 1.5 - 0.4 * x + 0.2 * x**2)
    if n is not None:
        mu = mu + noise * np.random.default_rng(seed).normal(size=(n, energy.size))
    dims = ("scan",) * (mu.ndim - 1)
    return spectra.from_arrays(energy, mu, name="mu", dims=dims, attrs={"element": "Mn", "edge": "K"})


OPTIONS = {"e0": 6545.0, "pre": (-150.0, -40.0), "post": (100.0, 700.0)}


@pytest.mark.parametrize(("name", "element", "z"), MEASURED)
@pytest.mark.parametrize("order", [1, 3])
def test_the_minimum_is_that_of_larch(measured, name, element, z, order):
    theirs = larch_attribute("larch.xafs.mback", "mback")
    scan = measured(name).assign_attrs(element=element, edge="K")
    e0 = at_grid_point(scan)
    end = min(700.0, float(scan.energy[-1]) - e0)
    got = xas.mback(scan, e0=e0, pre=(-150.0, -50.0), post=(100.0, end), order=order)
    group = larch_attribute("larch", "Group")(energy=scan.energy.values, mu=scan.mu.values)
    with quiet_larch():
        theirs(
            group, z=z, edge="K", e0=e0, pre1=-150.0, pre2=-50.0, norm1=100.0, norm2=end, order=order
        )  # fmt: skip
    assert float(got.edge_step) == pytest.approx(group.edge_step, rel=1e-8)
    np.testing.assert_allclose(got.norm, group.norm, rtol=0, atol=1e-8)
    np.testing.assert_allclose(got.matched, group.fpp, rtol=0, atol=1e-8)
    np.testing.assert_allclose(got.f2, group.f2, rtol=1e-12)


def test_a_scaled_atom_comes_back():
    small, large = xas.mback(from_f2(0.02), **OPTIONS), xas.mback(from_f2(2.0), **OPTIONS)
    assert float(large.edge_step / small.edge_step) == pytest.approx(100, rel=1e-9)
    np.testing.assert_allclose(small.norm, large.norm, atol=1e-9)
    np.testing.assert_allclose(small.matched, small.f2, atol=1e-8)


def test_the_uncertainty_covers():
    noise = 1e-3
    truth = xas.mback(from_f2(), **OPTIONS)
    got = xas.mback(from_f2(noise=noise, n=1000), **OPTIONS)
    pull = ((got.edge_step - truth.edge_step) / got.edge_step_sigma).values
    assert 0.63 < (abs(pull) < 1).mean() < 0.73
    pulls = ((got.norm - truth.norm) / got.norm_sigma).std("scan").values
    assert 0.93 < np.median(pulls) < 1.07
    assert (abs(pulls - 1) < 0.15).all()


def test_it_goes_on_like_normalize(measured):
    scan = xas.mback(measured("Mn-Bixbyite_bmm"))
    ours, usual = xas.edge_position(scan), xas.edge_position(xas.normalize(measured("Mn-Bixbyite_bmm")))
    assert float(ours.edge_position) == pytest.approx(float(usual.edge_position), abs=0.3)
    assert float(ours.edge_position_sigma) > 0
    assert '"method": "mback"' in scan.norm.attrs["normalization"]
    assert np.isfinite(xas.autobk(scan).chi).any()


def test_bad_spectra_are_flagged_and_the_others_stand():
    scans = from_f2(noise=1e-4, n=4).copy(deep=True)
    reference = xas.mback(from_f2(noise=1e-4, n=4), **OPTIONS)
    scans["mu"][1] = np.nan
    scans["mu"][2] = 0.3
    scans["mu"][3, [4, 100]] = np.nan
    got = xas.mback(scans, **OPTIONS)
    assert failed(got).values.tolist() == [False, True, True, False]
    assert [flag_names(got, scan=i) for i in (1, 2)] == [["no_range"], ["no_edge"]]
    np.testing.assert_allclose(got.norm[0], reference.norm[0], rtol=1e-10)
    assert np.isfinite(got.edge_step_systematic.values).tolist() == [True, False, False, True]
    assert np.isnan(got.norm[3]).sum() == 2
    assert float(got.edge_step[3]) == pytest.approx(float(reference.edge_step[3]), rel=1e-3)


def test_a_detector_at_its_limit_is_flagged():
    scans = from_f2(noise=1e-4, n=2).copy(deep=True)
    scans["mu"][1] = np.minimum(scans.mu[1], float(scans.mu[1].max()) - 0.05)
    got = xas.mback(scans, **OPTIONS)
    assert flag_names(got, scan=1) == ["saturated"]
    assert flag_names(got, scan=0) == []
    assert np.isnan(got.norm[1]).all()


def test_each_spectrum_may_have_its_own_e0():
    got = xas.mback(from_f2(noise=1e-4, n=3), e0="each", pre=(-150.0, -40.0), post=(100.0, 700.0))
    assert got.e0.dims == ("scan",)
    assert np.isfinite(got.edge_step).all()


@pytest.mark.parametrize(
    ("attrs", "options", "sentence"),
    [
        ({"element": ""}, OPTIONS, r"set dataset.attrs\['element'\]"),
        ({}, {**OPTIONS, "post": (900.0, 950.0)}, "holds no data"),
        ({}, {**OPTIONS, "order": 9}, "order must be"),
        ({}, {**OPTIONS, "pre": (-400.0, -300.0)}, "holds no data"),
    ],
)
def test_nonsense_is_refused(attrs, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        xas.mback(from_f2().assign_attrs(attrs), **options)
