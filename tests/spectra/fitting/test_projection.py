"""Fits of a projection of the curve, and curves that a technique draws from its own table."""

import numpy as np
import pytest
from numba import carray

from spectra.errors import InvalidInput
from spectra.fitting import fit_arrays
from spectra.fitting.boundary import addressed
from spectra.fitting.program import Tabulated, compile_model
from spectra.fitting.spec import Component, Model, Setting, from_tables
from spectra.fitting.understand import Understood

X = np.linspace(0.0, 10.0, 60)
LINE = ({"shape": "gaussian"}, {"shape": "polynomial", "degree": 0})
START = {"position": 4.6, "area": 3.0, "fwhm": 2.0, "c0": 0.1}
TRUTH = np.array([5.0, 4.0, 1.6, 0.3])


def line(x, position, area, fwhm, level):
    height = area / (fwhm * np.sqrt(np.pi / np.log(2)) / 2)
    return height * np.exp(-4 * np.log(2) * ((x - position) / fwhm) ** 2) + level


def projected(model, projection, **curves):
    return Understood(model, compile_model(model, curves, projection))


def _scaled_table(stamp):
    def run(sizes, _code, x, p, f, g, _work, table):
        _ = stamp
        n = sizes[1]
        curve, slopes = carray(f, n), carray(g, (2, n))
        values, ramp, parameters = carray(table, n), carray(x, n), carray(p, 2)
        for i in range(n):
            slopes[0, i] = values[i]
            slopes[1, i] = ramp[i]
            curve[i] = parameters[0] * values[i] + parameters[1] * ramp[i]

    return run


@pytest.fixture(scope="module")
def noisy():
    return line(X, *TRUTH) + np.random.default_rng(3).normal(0, 0.02, (5, X.size))


def test_a_rotation_changes_nothing(noisy):
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(X.size, X.size)))[0]
    model = from_tables(LINE, START)
    plain = fit_arrays(model, None, X, noisy, sigma=0.02)
    turned = fit_arrays(projected(model, rotation), None, X, noisy @ rotation.T, sigma=0.02)
    np.testing.assert_allclose(turned.value, plain.value, rtol=1e-8)  # a fit ends 1e-7 sigma from its minimum
    np.testing.assert_allclose(turned.covariance, plain.covariance, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(turned.best_fit, plain.best_fit, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(turned.chi2, plain.chi2, rtol=1e-10)
    assert plain.slopes.shape == (5, 0, 4)
    assert plain.jacobian.shape == (5, 4, 0)


def test_fewer_points_than_the_axis_has(noisy):
    """Sums over pairs of points, against the obvious least squares on them."""
    from scipy.optimize import least_squares

    sums = np.repeat(np.eye(30), 2, axis=1)
    data = noisy @ sums.T
    found = fit_arrays(projected(from_tables(LINE, START), sums), None, X, data, sigma=1.0)
    for i in range(5):
        slow = least_squares(
            lambda p, y=data[i]: line(X, *p) @ sums.T - y, list(START.values()), xtol=1e-12, ftol=1e-12
        )
        np.testing.assert_allclose(found.value[i, [0, 1, 2, 3]], slow.x, rtol=1e-5)
        inverse = np.linalg.inv(found.jacobian[i] @ found.jacobian[i].T)
        np.testing.assert_allclose(found.covariance[i], inverse, rtol=1e-6, atol=1e-12)
        varied = [found.parameters.index(name) for name in found.free]
        np.testing.assert_array_equal(found.slopes[i][varied], np.eye(4))
    assert np.isnan(found.runs_p_value).all()


def test_data_of_another_length_are_refused(noisy):
    model = projected(from_tables(LINE, START), np.eye(30, X.size))
    with pytest.raises(InvalidInput, match="the last dimension of y must be that of x"):
        fit_arrays(model, None, X, noisy)


def test_a_curve_of_ones_own_with_a_line_beside_it(noisy):
    """Components of the registry and tabulated ones add up, with parameters tied by expressions."""
    table = np.sin(X)
    own = Tabulated(int(_ADDRESSED.address), ("strength", "ramp"), table)
    settings = {
        **from_tables(LINE, START).settings,
        "own_strength": Setting(1.0),
        "own_ramp": Setting(expr="own_strength/10"),
    }
    components = (*from_tables(LINE, START).components, Component("tabulated", "sine", "own_"))
    model = Model(components, settings)
    data = noisy[0] + 0.7 * table + 0.07 * X
    found = fit_arrays(Understood(model, compile_model(model, {"sine": own})), None, X, data, sigma=0.02)
    said = dict(zip(found.parameters, zip(found.value, found.sigma, strict=True), strict=True))
    for name, truth in (("own_strength", 0.7), ("own_ramp", 0.07), ("position", 5.0)):
        assert abs(said[name][0] - truth) < 4 * said[name][1]
    assert said["own_ramp"][1] == pytest.approx(said["own_strength"][1] / 10)
    assert found.components[-1] == "own"


_ADDRESSED = addressed(_scaled_table)
