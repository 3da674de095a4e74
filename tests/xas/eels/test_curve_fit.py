"""The curve fit of white lines: the minimum and covariance of a slow fit, counts by their likelihood, the background's doubt."""

import numpy as np
import pytest
from scipy.optimize import least_squares

from xas.eels.channels.curves import power_law
from xas.eels.channels.linear_variance import Noise
from xas.eels.white_lines.fit import BEHIND, FRONT, fit_lines

LOSS = np.arange(600.0, 700.0, 0.2)
PLACES = np.array([[643.0], [654.2]])
TRUTH = np.array([1200.0, 60.0, 643.1, 2.8, 0.4, 420.0, 30.0, 654.1, 3.1, 0.6])
STEP = 1.0
#: From the truth to where the slow fit starts.
AWAY = np.array([9, -3, 0.05, 0.1, 0.01, 7, 2, -0.05, -0.1, 0.01])


def model(p, x=LOSS):
    """Slow and obvious; of each line area, step, position, full width, Lorentzian share."""
    total = np.zeros_like(x)
    for area, height, at, width, share in p.reshape(2, 5):
        t = (x - at) / width
        gauss = 2 * np.sqrt(np.log(2) / np.pi) / width * np.exp(-4 * np.log(2) * t**2)
        lorentz = 2 / (np.pi * width) / (1 + 4 * t**2)
        total += area * ((1 - share) * gauss + share * lorentz)
        total += height * (np.arctan(np.pi * (x - at) / STEP) / np.pi + 0.5)
    return total


def seen():
    """Channels of the fit."""
    return (LOSS >= PLACES[0] - FRONT) & (LOSS < PLACES[1] + BEHIND)


def stated(rows, sigma):
    return Noise(LOSS, np.broadcast_to(sigma**2, (rows, LOSS.size)).copy())


def slow(net, sigma, gaussian=False):
    """By SciPy, with numerical derivatives; parameters, covariance of the areas and chi-square."""
    near = seen()
    free = [0, 1, 2, 3, 5, 6, 7, 8] if gaussian else list(range(10))
    base = np.where(np.isin(np.arange(10), [4, 9]), 0.0, TRUTH) if gaussian else TRUTH

    def residual(q):
        p = base.copy()
        p[free] = q
        return (model(p, LOSS[near]) - net[near]) / sigma[near]

    low, high = np.full(10, -np.inf), np.full(10, np.inf)
    low[[4, 9]], high[[4, 9]] = 0, 1
    found = least_squares(
        residual, (base + AWAY)[free], jac="3-point", x_scale=np.abs(base[free]) + 0.1,
        bounds=(low[free], high[free]), xtol=1e-14, ftol=1e-14, gtol=1e-14,
    )  # fmt: skip
    return found.x, np.linalg.inv(found.jac.T @ found.jac), 2 * found.cost


@pytest.mark.parametrize("gaussian", [False, True])
def test_the_minimum_of_a_slow_fit(gaussian, rng):
    sigma = np.full(LOSS.size, 6.0)
    truth = TRUTH * np.array([1, 1, 1, 1, 0, 1, 1, 1, 1, 0]) if gaussian else TRUTH
    net = model(truth) + rng.normal(scale=sigma, size=(3, LOSS.size))
    made = fit_lines(LOSS, net, np.repeat(PLACES, 3, 1), stated(3, sigma), STEP, gaussian=gaussian)
    for row in range(3):
        q, c, chi2 = slow(net[row], sigma, gaussian)
        second = 4 if gaussian else 5
        assert made.chi_square[row] == pytest.approx(chi2, abs=1e-4)
        errors = np.sqrt(np.diag(c))[[0, second]]
        np.testing.assert_allclose(made.area[row], q[[0, second]], atol=0.01 * errors.min())
        np.testing.assert_allclose(
            made.covariance[row],
            c[np.ix_([0, second], [0, second])],
            rtol=0.01,
            atol=0.01 * errors.min() ** 2,
        )
        assert made.position[row] == pytest.approx(q[[2, second + 2]], abs=1e-3)


def test_curves_without_noise_are_found_exactly():
    made = fit_lines(LOSS, model(TRUTH)[None], PLACES, stated(1, np.ones(LOSS.size)), STEP)
    np.testing.assert_allclose(made.area[0], TRUTH[[0, 5]], rtol=1e-4)
    np.testing.assert_allclose(made.shape[0], TRUTH.reshape(2, 5)[:, 3:], rtol=1e-3)


def counted(counts, base):
    """Noise of counts above a background that is known."""
    rows = len(counts)
    return Noise(
        LOSS, np.maximum(counts, 0.0), subtracted=np.broadcast_to(base, counts.shape).copy(), per_count=np.ones(rows)
    )  # fmt: skip


def test_counts_by_their_likelihood(rng):
    """Where the fit ends, the slope of the Poisson likelihood by the areas and steps is zero; areas have no bias."""
    base = 20 * (LOSS / 640) ** -3.0
    p = TRUTH * np.where(np.isin(np.arange(10), [0, 1, 5, 6]), 0.03, 1)
    counts = rng.poisson(base + model(p), size=(1500, LOSS.size)).astype(float)
    shape = np.broadcast_to(p.reshape(2, 5)[:, 3:], (1500, 2, 2))
    made = fit_lines(
        LOSS, counts - base, np.repeat(p.reshape(2, 5)[:, [2]], 1500, 1), counted(counts, base), STEP,
        shape=shape, frozen=np.ones((2, 1500), bool),
    )  # fmt: skip
    spread = np.sqrt(np.einsum("rii->ri", made.covariance))
    pull = (made.area - p[[0, 5]]) / spread
    assert np.abs(pull.mean(0)).max() < 0.1
    assert pull.std(0) == pytest.approx([1, 1], abs=0.06)
    near = (LOSS >= p[2] - FRONT) & (LOSS < p[7] + BEHIND)
    columns = []
    for k in (0, 1, 5, 6):
        one = np.where(np.isin(np.arange(10), [0, 1, 5, 6]), 0.0, p)
        one[k] = 1.0
        columns.append(model(one, LOSS[near]))
    linear = np.array(columns)
    weight = 1 / (base + model(p))[near]
    for row in range(3):  # iteratively weighted least squares, slowly
        for _ in range(40):
            normal = (linear * weight) @ linear.T
            q = np.linalg.solve(normal, (linear * weight) @ (counts[row] - base)[near])
            weight = 1 / np.maximum(base[near] + q @ linear, 1e-2)
        np.testing.assert_allclose(made.area[row], q[[0, 2]], atol=0.02 * spread[row].min())


def test_the_doubt_about_the_background_is_that_of_fitting_again(rng):
    """To first order: the background moved by one standard deviation along each axis of its covariance, fitted again."""
    curve = power_law(LOSS[(LOSS > 602) & (LOSS < 632)])
    parameters = np.array([[np.log(800.0), 3.0]])
    base = curve.value(LOSS, parameters)
    counts = base + model(TRUTH)
    c = np.array([[[2e-5, 1e-4], [1e-4, 4e-3]]])
    noise = Noise(LOSS, counts, curve, parameters, c, base, np.ones(1))
    alone = Noise(LOSS, counts, subtracted=base, per_count=np.ones(1))
    whole, own = (fit_lines(LOSS, counts - base, PLACES, n, STEP) for n in (noise, alone))
    added = np.zeros((2, 2))
    values, vectors = np.linalg.eigh(c[0])
    for value, vector in zip(values, vectors.T, strict=True):
        moved = curve.value(LOSS, parameters + 0.1 * np.sqrt(value) * vector)
        other = Noise(LOSS, counts, subtracted=moved, per_count=np.ones(1))
        change = (fit_lines(LOSS, counts - moved, PLACES, other, STEP).area - own.area)[0] / 0.1
        added += np.outer(change, change)
    np.testing.assert_allclose(whole.covariance[0] - own.covariance[0], added, rtol=0.08)


def test_an_uneven_axis_and_bad_rows(rng):
    uneven = np.sort(np.concatenate([LOSS, LOSS[200:260] + 0.1]))
    net = np.stack([model(TRUTH, uneven)] * 3)
    net[1, 230] = np.nan
    noise = Noise(uneven, np.ones(net.shape))
    made = fit_lines(uneven, net, np.array([[643.0, 643.0, np.nan], [654.2, 654.2, np.nan]]), noise, STEP)
    np.testing.assert_allclose(made.area[0], TRUTH[[0, 5]], rtol=1e-4)
    assert np.isnan(made.area[1:]).all()


def test_lines_that_are_frozen_stay(rng):
    net = (model(TRUTH) + rng.normal(scale=6, size=LOSS.size))[None]
    frozen = np.array([[False], [True]])
    shape = np.array([[[3.0, 0.5], [3.3, 0.2]]])
    made = fit_lines(LOSS, net, PLACES, stated(1, np.full(LOSS.size, 6.0)), STEP, shape=shape, frozen=frozen)
    assert made.position[0, 1] == 654.2
    assert made.shape[0, 1].tolist() == [3.3, 0.2]
    assert made.position[0, 0] != 643.0


def test_without_noise_stated_there_is_no_covariance():
    made = fit_lines(LOSS, model(TRUTH)[None], PLACES, Noise(LOSS, np.full((1, LOSS.size), np.nan)), STEP)
    np.testing.assert_allclose(made.area[0], TRUTH[[0, 5]], rtol=1e-4)
    assert np.isnan(made.covariance).all()
