"""Averages over several fits: against draws, and against what is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm, truncnorm

from xps.deconvolution.averaging import evidence, mean_within, possible, radius, weights_of


def test_one_fit_keeps_its_sigma(frozen):
    value, sigma = frozen([[3.0, -2.0]]), frozen([[0.5, 2.0]])
    weight = frozen([[1.0, 1.0]])
    np.testing.assert_allclose(radius(value, sigma, weight, value[0]), sigma[0], rtol=1e-6)


def test_radius_holds_its_share_of_draws(frozen, rng):
    value, sigma, weight = frozen([0.1, 0.5, 0.9]), frozen([0.3, 0.05, 0.2]), frozen([0.5, 0.2, 0.3])
    which = rng.choice(3, 200_000, p=weight)
    # each is cut at the limits, not drawn less often
    a, b = (0 - value) / sigma, (1 - value) / sigma
    drawn = truncnorm.rvs(a[which], b[which], value[which], sigma[which], random_state=rng)
    mean = (weight * mean_within(value, sigma, 0.0, 1.0)).sum()
    assert drawn.mean() == pytest.approx(mean, abs=0.003)
    around = radius(value, sigma, weight, np.asarray(mean), 0.0, 1.0)
    assert (np.abs(drawn - mean) < around).mean() == pytest.approx(0.6827, abs=0.005)


def test_what_lies_far_beyond_a_limit_lies_on_it(frozen):
    np.testing.assert_allclose(mean_within(frozen([-50.0, 60.0]), frozen([1.0, 1.0]), 0.0, 1.0), [0.0, 1.0])


def test_two_fractions_are_possible_where_one_is(frozen):
    fraction, sigma = frozen([[0.1, 0.9], [-0.2, 1.2], [0.5, 0.5]]), frozen([[0.1] * 2, [0.1] * 2, [5.0] * 2])
    a, b = -fraction[:, 0] / sigma[:, 0], (1 - fraction[:, 0]) / sigma[:, 0]
    np.testing.assert_allclose(possible(fraction, sigma), norm.cdf(b) - norm.cdf(a))


def test_three_fractions_are_possible_as_often_as_in_draws(rng, frozen):
    """A pair that cannot be told apart beside a third line that is sure."""
    sigma, middle = 0.6, np.array([0.3, 0.3, 0.4])
    noise = rng.normal(0, sigma, 100_000)
    drawn = middle + np.stack([noise, -noise, 0 * noise], -1)
    share = (drawn >= 0).all(-1).mean()
    assert possible(frozen(middle), frozen([sigma, sigma, 1e-6])) == pytest.approx(share, abs=0.01)


def test_evidence_is_the_integral_of_the_likelihood(frozen):
    covariance = frozen([[[2.0, 0.5], [0.5, 1.0]], [[0.1, 0.0], [0.0, 3.0]]])
    chi2 = frozen([10.0, 12.0])
    expected = -0.5 * chi2 + 0.5 * np.log(np.linalg.det(covariance))
    found = evidence(chi2, covariance)
    assert found[1] - found[0] == pytest.approx(expected[1] - expected[0])
    assert weights_of(found).sum() == pytest.approx(1.0)
    held = covariance.copy()
    held[1, 1, :] = held[1, :, 1] = np.nan  # on a limit: as unsure as in the other fit, and half of it beyond
    half = evidence(chi2, held)
    assert half[1] == pytest.approx(-6.0 + 0.5 * np.log(0.1 * 1.0) - np.log(2))


def test_no_fit_is_no_average(frozen):
    lost = evidence(frozen([np.nan, np.nan]), frozen(np.full((2, 1, 1), np.nan)))
    assert np.isnan(weights_of(lost)).all()
