"""Derivative maximum and inflection of the edge, gaps on the edge, saturated channels: truth, coverage, refusals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import spectra
import xas
from spectra.dataset import failed, flag_names
from xas.xanes.edge import derivative_maximum, half_step, integral_edge, second_derivative_zero

RANGES = {"e0": 6548.0, "pre": (-150.0, -30.0), "post": (50.0, 700.0)}
KERNELS = (derivative_maximum, second_derivative_zero)
METHODS = ("derivative_maximum", "second_derivative_zero")


def logistic(x, middle=6548.03, width=1.5):
    return 1 / (1 + np.exp(-(x - middle) / width))


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("spacing", [0.1, 0.25, 0.5])
def test_the_inflection_of_a_logistic_rise_is_its_middle(kernel, spacing):
    x = np.arange(6518, 6608, spacing)
    middles = np.array([6546.0, 6548.07, 6551.4])
    position, _ = kernel(x, logistic(x, middles[:, None]), np.zeros(3))
    np.testing.assert_allclose(position, middles, rtol=0, atol=0.01)


@pytest.mark.parametrize("kernel", KERNELS)
def test_stated_sensitivities_are_the_derivatives(kernel, rng):
    x = np.arange(6518.0, 6608, 0.3)
    y = (logistic(x) + 0.3 * np.exp(-(((x - 6556) / 5) ** 2)))[None]
    position, by_point = kernel(x, y, np.array([1e-5]))
    change = 1e-6 * rng.normal(size=y.shape)
    moved, _ = kernel(x, y + change, np.array([1e-5]))
    assert (moved - position).item() == pytest.approx((by_point * change).sum(), rel=2e-2)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("noise", [8e-4, 4e-3])
def test_the_uncertainty_covers(simulated, method, noise):
    truth = xas.edge_position(xas.normalize(simulated(), **RANGES), method=method)
    got = xas.edge_position(xas.normalize(simulated(3000, noise=noise, seed=2), **RANGES), method=method)
    pull = ((got.edge_position - truth.edge_position) / got.edge_position_sigma).values
    assert 0.63 < (abs(pull) < 1).mean() < 0.73


@given(shift=st.floats(-5, 5))
def test_positions_follow_a_shift(shift):
    x = np.arange(6518.0, 6608, 0.25)
    y = (logistic(x) + 0.3 * np.exp(-(((x - 6560) / 3) ** 2)))[None]
    for kernel in KERNELS:
        here, there = kernel(x, y, np.zeros(1))[0], kernel(x + shift, y, np.zeros(1))[0]
        assert (there - here).item() == pytest.approx(shift, abs=1e-5)


def test_noise_that_makes_many_zeros_is_said(simulated):
    scans = xas.normalize(simulated(6, noise=2e-2), **RANGES)
    got = xas.edge_position(scans, method="derivative_maximum")
    assert "noisy_derivative" in flag_names(got, scan=0)
    assert not failed(got).any()
    assert np.isfinite(got.edge_position).all()
    assert np.isnan(got.edge_position_sigma).all()
    wide = xas.edge_position(scans, method="derivative_maximum", smoothing=3.0)
    assert "noisy_derivative" not in flag_names(wide, scan=0)
    assert np.isfinite(wide.edge_position_sigma).all()


#: Noise in parts of the step up to which a sigma is stated.
STATED = {1.5: 0.005, 3.0: 0.02}


@pytest.mark.long
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("smoothing", list(STATED))
def test_what_is_stated_covers_and_what_would_not_is_refused(simulated, method, smoothing):
    truth = xas.edge_position(xas.normalize(simulated(), **RANGES), method=method, smoothing=smoothing)
    for noise in (0.001, 0.005, 0.01, 0.02):
        scans = xas.normalize(simulated(900, noise=0.8 * noise, seed=4), **RANGES)
        got = xas.edge_position(scans, method=method, smoothing=smoothing)
        stated = np.isfinite(got.edge_position_sigma).values
        if noise > STATED[smoothing]:
            assert stated.mean() < 0.02
            continue
        assert stated.mean() > 0.95
        off = np.abs(got.edge_position - truth.edge_position) < got.edge_position_sigma
        assert 0.63 < off.values[stated].mean() < 0.73


def test_foils_are_calibrated_by_it(measured, larch):
    """First inflections of foils, near those of larch (a grid point) and of the table of energies."""
    for name, energy in (
        ("Cu_foil_rt_larch", 8980.5),
        ("Ni-K-NickelFoil_bmm", 8332.7),
        ("Fe_foil_rt_xaslib", 7110.8),
    ):
        scan = xas.normalize(measured(name))
        got = xas.edge_position(scan, method="derivative_maximum", smoothing=0.8)
        theirs = larch.find_e0(scan.energy.values, scan.mu.values)
        assert float(got.edge_position) == pytest.approx(theirs, abs=1.0)
        assert float(got.edge_position) == pytest.approx(energy, abs=1.2)


def test_a_gap_on_the_edge_is_no_edge_position():
    x = np.concatenate([np.arange(6480.0, 6545, 0.5), np.arange(6553.0, 6700, 0.5)])
    scan = spectra.from_arrays(
        x, logistic(x), name="mu", attrs={"normalized": "yes", "element": "Mn", "edge": "K"}
    )
    for method in ("half_step", "integral"):
        assert flag_names(xas.edge_position(scan, method=method)) == ["no_edge_position"]
    y = logistic(x)[None]
    for kernel in (half_step, integral_edge, derivative_maximum):
        assert np.isnan(kernel(x, y, np.zeros(1))[0]).all()


@pytest.mark.parametrize("smoothing", [0.0, -1.0, 50.0])
def test_smoothing_has_limits(simulated, smoothing):
    with pytest.raises(ValueError, match="smoothing is a half width in eV"):
        xas.edge_position(
            xas.normalize(simulated(), **RANGES), method="derivative_maximum", smoothing=smoothing
        )


def test_names_of_uncertainties_are_no_names(simulated):
    with pytest.raises(ValueError, match="name is a variable's name"):
        xas.edge_position(xas.normalize(simulated(), **RANGES), name="edge_scatter")


@pytest.mark.parametrize("y", [np.zeros(180), np.ones(180), np.full(180, 0.5), -np.linspace(0, 1, 180)])
def test_curves_without_a_rise_have_no_position(y):
    x = np.arange(6518.0, 6608, 0.5)
    for kernel in (half_step, integral_edge, *KERNELS):
        position, by_point = kernel(x, y[None], np.zeros(1))
        assert np.isnan(position).all()
        assert np.isfinite(by_point).all()
