"""Lines of one fit in a composition: their correlation, and the doubt about factors beside the counting statistics."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import cumulative_trapezoid

import spectra
import xps
from spectra.errors import InvalidInput
from spectra.fitting.lineshapes import sgl
from xps.quantities.quantification import atomic_fractions

STATES = ("V5+", "O 1s lattice")
COMPONENTS = {"V 2p": ("V5+ 2p3/2", "V5+ 2p1/2"), "O 1s": ("O 1s lattice",)}


def region(n, rng):
    x = np.arange(507.0, 540.0, 0.1)
    lines = (
        sgl(x, 517.4, 3000.0, 1.5, 0.3) + sgl(x, 524.8, 1500.0, 2.25, 0.3) + sgl(x, 530.2, 4000.0, 1.5, 0.3)
    )
    expected = 300.0 + 10.0 * (x - x[0]) + lines + 0.008 * cumulative_trapezoid(lines, x, initial=0)
    about = {"technique": "xps", "photon_energy": 1486.6}
    y = rng.poisson(np.broadcast_to(expected, (n, x.size)))
    return spectra.from_arrays(
        x, y, axis="binding_energy", name="counts", units="counts", dims=("scan",), attrs=about
    )


@pytest.fixture(scope="module")
def made():
    data = region(400, np.random.default_rng(8))
    found = xps.deconvolve(data, states=STATES, position_range=0.0, background="active_shirley", degree=1)
    return xps.quantify(found, lines=("V 2p", "O 1s"), components=COMPONENTS, transmission="none")


def test_sigma_is_the_spread(made):
    spread = made.atomic_fraction.std("scan")
    stated = made.atomic_fraction_sigma.median("scan")
    np.testing.assert_allclose(stated, spread, rtol=0.1)
    # taken as independent the lines would give another number
    path = made.relative_path * made.sensitivity
    _, alone = atomic_fractions(
        (made.line_area / path).transpose("scan", "line"),
        (made.line_area_sigma / path).transpose("scan", "line"),
    )
    assert abs(np.median(alone[:, 0]) / float(stated[0]) - 1) > 0.02


def test_systematic_is_that_of_the_factors(made):
    x = made.atomic_fraction.values
    expected = 0.1 * x[:, 0] * x[:, 1] * np.sqrt(2)
    np.testing.assert_allclose(made.atomic_fraction_systematic.values[:, 0], expected, rtol=1e-9)
    one = made.isel(scan=0)
    again = xps.quantify(
        one, lines=("V 2p", "O 1s"), components=COMPONENTS, transmission="none", factor_sigma=0.2
    )
    np.testing.assert_allclose(again.atomic_fraction_systematic, 2 * one.atomic_fraction_systematic)
    none = xps.quantify(
        one, lines=("V 2p", "O 1s"), components=COMPONENTS, transmission="none", factor_sigma=0.0
    )
    np.testing.assert_array_equal(none.atomic_fraction_systematic, 0.0)
    np.testing.assert_allclose(none.atomic_fraction_sigma, one.atomic_fraction_sigma)


def test_correlated_amounts(rng):
    """Against draws of the amounts themselves."""
    amount, sigma = np.array([3.0, 5.0, 2.0]), np.array([0.05, 0.04, 0.06])
    correlation = np.array([[1.0, 0.6, -0.3], [0.6, 1.0, 0.2], [-0.3, 0.2, 1.0]])
    drawn = rng.multivariate_normal(amount, correlation * np.outer(sigma, sigma), size=200_000)
    x, doubt = atomic_fractions(amount, sigma, correlation)
    np.testing.assert_allclose(doubt, (drawn / drawn.sum(-1, keepdims=True)).std(0), rtol=0.02)
    np.testing.assert_allclose(
        atomic_fractions(amount, sigma, np.eye(3))[1], atomic_fractions(amount, sigma)[1], rtol=1e-12
    )
    assert x.sum() == pytest.approx(1.0)


def test_a_share_of_the_factor(made):
    with pytest.raises(InvalidInput, match="factor_sigma is a share"):
        xps.quantify(
            made.isel(scan=0),
            lines=("V 2p", "O 1s"),
            components=COMPONENTS,
            transmission="none",
            factor_sigma=10.0,
        )
