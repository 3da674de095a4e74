"""What is known of parameters beside the data, start values of each spectrum, and the sigma of what lies below peaks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import cumulative_trapezoid

from spectra.errors import InvalidInput
from spectra.fitting import fit_arrays
from spectra.fitting.lineshapes import gaussian

X = np.linspace(0.0, 10.0, 201)
MODEL = (
    {"shape": "gaussian", "prefix": "a_"},
    {"shape": "gaussian", "prefix": "b_"},
    {"shape": "polynomial", "degree": 1},
)
PARAMS = {"a_position": 4.0, "b_position": 5.2, "c0": 10.0, "c1": 0.0}


def curve(position=4.0):
    return 30.0 + gaussian(X, position, 640.0, 1.5) + gaussian(X, 5.2, 480.0, 1.5)


def drawn(n, rng, truth=None):
    truth = curve() if truth is None else truth
    return rng.poisson(np.broadcast_to(truth, (n, X.size))).astype(float), np.sqrt(truth)


def at(result, name):
    return result.parameters.index(name)


def test_a_known_value_is_one_more_measured_point(rng):
    """Far weaker than the data it changes nothing, far stronger it decides; between, the two are weighed."""
    y, sigma = drawn(3, rng)
    free = fit_arrays(MODEL, PARAMS, X, y, sigma=sigma)
    i, j = at(free, "a_position"), free.free.index("a_position")
    for width in (1e3, 1e-6):
        known = fit_arrays(MODEL, PARAMS, X, y, sigma=sigma, known={"a_position": (4.05, width)})
        expected = free.value[:, i] if width > 1 else 4.05
        np.testing.assert_allclose(known.value[:, i], expected, atol=1e-5)
    own = free.covariance[:, j, j]
    known = fit_arrays(MODEL, PARAMS, X, y, sigma=sigma, known={"a_position": (4.05, 0.02)})
    precision = 1 / own + 1 / 0.02**2
    np.testing.assert_allclose(known.sigma[:, i], precision**-0.5, rtol=0.05)
    weighed = (free.value[:, i] / own + 4.05 / 0.02**2) / precision
    np.testing.assert_allclose(known.value[:, i], weighed, atol=0.2 * 0.02)
    off = (known.value[:, i] - 4.05) / 0.02
    misfit = (((y - known.best_fit) / sigma) ** 2).sum(-1)
    np.testing.assert_allclose(known.chi2, misfit + off**2, rtol=1e-9)


def test_a_shared_parameter_is_known_once(rng):
    y, sigma = drawn(6, rng)
    shared = {"shared": ("a_position",)}
    free = fit_arrays(MODEL, PARAMS, X, y, sigma=sigma, **shared).shared
    known = fit_arrays(MODEL, PARAMS, X, y, sigma=sigma, known={"a_position": (4.0, 0.02)}, **shared).shared
    expected = (1 / free.sigma**2 + 1 / 0.02**2) ** -0.5
    np.testing.assert_allclose(known.sigma, expected, rtol=0.05)


def test_start_values_of_each_spectrum(rng):
    """Lines that start in each other's places end there."""
    y, sigma = drawn(2, rng)
    once = fit_arrays(MODEL, PARAMS, X, y, sigma=sigma)
    begin = once.value[:, [at(once, n) for n in once.free]].copy()
    ab = (
        [i for i, n in enumerate(once.free) if n[:2] == "a_"],
        [i for i, n in enumerate(once.free) if n[:2] == "b_"],
    )
    begin[0, ab[0] + ab[1]] = begin[0, ab[1] + ab[0]]
    again = fit_arrays(MODEL, PARAMS, X, y, sigma=sigma, begin=begin, restarts=0)
    np.testing.assert_allclose(again.value[0, at(once, "a_position")], once.value[0, at(once, "b_position")])
    np.testing.assert_allclose(again.value[1], once.value[1], rtol=1e-6)
    np.testing.assert_allclose(again.chi2, once.chi2)


@pytest.mark.parametrize("tied", [True, False])
def test_sigma_of_what_lies_below_the_peaks(tied, rng):
    """Against derivatives by differences; by hand for the polynomial alone."""
    tails = tuple({**table, "background": "shirley"} for table in MODEL[:2])
    model = (*tails, {"shape": "polynomial", "degree": 0})
    second = {"expr": "a_shirley"} if tied else {"value": 0.02, "min": -1.0}
    params = {"a_position": 4.0, "b_position": 5.2, "c0": 10.0, "a_shirley": {"value": 0.02, "min": -1.0}}
    peaks = curve() - 30.0
    y, sigma = drawn(2, rng, 30.0 + 20 * peaks + 0.02 * cumulative_trapezoid(20 * peaks, X, initial=0))
    fit = fit_arrays(model, params | {"b_shirley": second}, X, y, sigma=sigma, below_sigma=True)

    def below(free):
        p = dict(zip(fit.free, free, strict=True))
        total = np.full(X.size, p["c0"])
        for k in "ab":
            line = gaussian(X, p[f"{k}_position"], p[f"{k}_area"], p[f"{k}_fwhm"])
            strength = p["a_shirley"] if tied else p[f"{k}_shirley"]
            total += strength * cumulative_trapezoid(line, X, initial=0)
        return total

    best = fit.value[0, [at(fit, n) for n in fit.free]]
    steps = np.diag(1e-5 * np.maximum(1.0, np.abs(best)))
    slopes = np.array([(below(best + h) - below(best - h)) / (2 * h.sum()) for h in steps])
    expected = np.sqrt(np.einsum("ji,jk,ki->i", slopes, fit.covariance[0], slopes))
    np.testing.assert_allclose(fit.below_sigma[0], expected, rtol=1e-5)

    plain = fit_arrays(MODEL, PARAMS, X, y, sigma=sigma, below_sigma=True)
    pair = [plain.free.index(n) for n in ("c0", "c1")]
    powers = np.vander(X, 2, increasing=True)
    spread = np.einsum("ia,ab,ib->i", powers, plain.covariance[1][np.ix_(pair, pair)], powers)
    np.testing.assert_allclose(plain.below_sigma[1], np.sqrt(spread), rtol=1e-9)
    assert fit_arrays(MODEL, PARAMS, X, y, sigma=sigma).below_sigma.shape == (2, 0)


@pytest.mark.parametrize(
    ("known", "sigma", "sentence"),
    [
        ({"a_place": (4.0, 0.1)}, 1.0, "is no parameter"),
        ({"a_position": (4.0, 0.1)}, None, "known needs a model that the engine can express, and sigma"),
    ],
)
def test_bad_input(known, sigma, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        fit_arrays(MODEL, PARAMS, X, curve(), sigma=sigma, known=known)
