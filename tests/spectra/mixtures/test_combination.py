"""Sums of known components: exact, ranked, with uncertainties that cover."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize, nnls

from spectra.errors import InvalidInput
from spectra.mixtures import combine, list_subsets, nonnegative_fractions, spline_curve, subset_aicc


def components(x):
    """Edges with white lines, as standards of one element differ."""
    return np.stack([
        0.5 + np.arctan((x - e) / 1.5) / np.pi + w * np.exp(-(((x - e - 6) / 4) ** 2))
        for e, w in ((0.0, 0.5), (1.7, 0.3), (3.2, 0.6), (5.0, 0.2))
    ])  # fmt: skip


X = np.linspace(-20, 60, 161)
A = components(X)
CURVES = [spline_curve(X, a) for a in A]


def mixed(fractions, noise=0.0, seed=1):
    y = np.asarray(fractions) @ A
    y = y + noise * np.random.default_rng(seed).normal(size=y.shape)
    y.setflags(write=False)
    return y


@given(st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=40)
def test_nonnegative_fractions_are_those_of_the_slow_ways(seed, sum_to_one):
    rng = np.random.default_rng(seed)
    a, y = rng.random((4, 30)), rng.normal(size=(3, 30))
    found = nonnegative_fractions(y, a, sum_to_one=sum_to_one)
    assert (found >= 0).all()
    for row, f in zip(y, found, strict=True):
        if not sum_to_one:
            np.testing.assert_allclose(f, nnls(a.T, row)[0], atol=1e-9)
            continue
        assert f.sum() == pytest.approx(1, abs=1e-9)
        cost = lambda g: ((g @ a - row) ** 2).sum()  # noqa: E731, B023
        slow = minimize(
            cost, np.full(4, 0.25), method="SLSQP", bounds=[(0, None)] * 4, options={"ftol": 1e-13},
            constraints={"type": "eq", "fun": lambda g: g.sum() - 1},
        )  # fmt: skip
        assert cost(f) <= slow.fun * (1 + 1e-7) + 1e-12


def test_the_combination_of_lowest_aicc_is_found_and_ranked_as_by_trying_each():
    """Slow and obvious: every subset by lstsq, the sum rule by elimination."""
    y = mixed([0.3, 0.0, 0.7, 0.0], noise=0.01)
    found = combine(X, y, CURVES, ranks=5)
    tried = []
    for size in range(1, 5):
        for subset in itertools.combinations(range(4), size):
            last, others = subset[-1], subset[:-1]
            f = np.zeros(4)
            if others:
                f[list(others)] = np.linalg.lstsq((A[list(others)] - A[last]).T, y - A[last], rcond=None)[0]
            f[last] = 1 - f.sum()
            if (f < 0).any():
                continue
            chi2, n, k = ((y - f @ A) ** 2).sum(), X.size, size - 1
            tried.append((n * np.log(chi2 / n) + 2 * k + 2 * k * (k + 1) / (n - k - 1), tuple(f)))
    tried.sort()
    n = min(5, len(tried))
    np.testing.assert_allclose(found.ranked_aicc[:n], [t[0] for t in tried[:n]], rtol=1e-9)
    np.testing.assert_allclose(found.ranked_fractions[:n], [t[1] for t in tried[:n]], atol=1e-9)
    np.testing.assert_allclose(found.fractions, tried[0][1], atol=1e-9)
    assert found.rfactor == pytest.approx(((y - found.fit) ** 2).sum() / (y**2).sum(), rel=1e-12)


@pytest.mark.parametrize(
    ("weighted", "sum_to_one"), [(False, True), (False, False), (True, True), (True, False)]
)
def test_one_sigma_covers(weighted, sum_to_one):
    """Interior fractions, 3000 draws: the stated sigma contains the truth in 63 to 73 %."""
    truth = np.array([0.35, 0.2, 0.45])
    noise = 0.004 * (1 + 2 * (X > 0)) if weighted else np.full(X.size, 0.006)
    y = truth @ A[:3] + noise * np.random.default_rng(3).normal(size=(3000, X.size))
    weights = np.broadcast_to(1 / noise**2, y.shape) if weighted else None
    found = combine(X, y, CURVES[:3], weights=weights, sum_to_one=sum_to_one, select="all")
    covered = (np.abs(found.fractions - truth) < found.sigma).mean(0)
    assert (covered > 0.63).all()
    assert (covered < 0.73).all(), covered
    scatter = np.cov(found.fractions.T)
    np.testing.assert_allclose(found.covariance.mean(0), scatter, atol=0.08 * np.abs(scatter).max())


@pytest.mark.parametrize("shift", ["common", "each"])
def test_shifts_are_recovered_and_covered(shift):
    truth, moved = np.array([0.6, 0.4]), np.array([0.5, 0.5 if shift == "common" else -0.3])
    clean = sum(f * CURVES[j](X - d)[0] for f, d, j in zip(truth, moved, (0, 2), strict=True))
    y = clean + 0.003 * np.random.default_rng(5).normal(size=(600, X.size))
    found = combine(X, y, [CURVES[0], CURVES[2]], shift=shift, max_shift=2.0, select="all")
    for values, sigma, true in (
        (found.fractions, found.sigma, truth),
        (found.shifts, found.shift_sigma, moved),
    ):
        covered = (np.abs(values - true) < sigma).mean(0)
        assert (covered > 0.62).all(), covered
        assert (covered < 0.74).all(), covered
    exact = combine(X, clean, [CURVES[0], CURVES[2]], shift=shift, max_shift=2.0, select="all")
    np.testing.assert_allclose(exact.shifts, moved, atol=1e-5)


def test_a_shift_stops_at_its_limit_and_says_so():
    y = CURVES[0](X - 1.5)[0]
    found = combine(X, y, CURVES[:2], shift="common", max_shift=0.5, select="all")
    assert found.at_limit == 1
    assert np.abs(found.shifts).max() == pytest.approx(0.5)


def test_missing_points_are_left_out_and_a_lost_spectrum_touches_no_other():
    y = np.array(mixed([[0.3, 0.7, 0, 0], [0.5, 0, 0.5, 0], [0, 0.2, 0.3, 0.5]], 0.002))
    whole = combine(X, y, CURVES)
    y[0, 40:60] = np.nan
    y[1] = np.nan
    found = combine(X, y, CURVES)
    kept = np.isfinite(y[0])
    alone = combine(X[kept], y[0, kept], CURVES)
    np.testing.assert_allclose(found.fractions[0], alone.fractions, atol=1e-10)
    np.testing.assert_allclose(found.sigma[0], alone.sigma, rtol=1e-8)
    assert np.isnan(found.fractions[1]).all()
    assert np.isnan(found.aicc[1])
    np.testing.assert_allclose(found.fractions[2], whole.fractions[2], atol=1e-10)


@given(st.floats(1e-3, 1e3))
@settings(max_examples=20)
def test_scaling_all_spectra_changes_no_fraction(scale):
    y = np.array(mixed([[0.3, 0.3, 0.4, 0.0]], 0.003))
    a = combine(X, y, CURVES)
    b = combine(X, scale * y, [spline_curve(X, scale * c) for c in A])
    np.testing.assert_allclose(b.fractions, a.fractions, atol=1e-8)
    np.testing.assert_allclose(b.sigma, a.sigma, rtol=1e-6)
    np.testing.assert_allclose(b.rfactor, a.rfactor, rtol=1e-7)


def test_aicc_of_all_subsets_is_that_of_the_smaller_one_where_a_fraction_would_be_negative():
    y = mixed([[1.4, -0.4, 0, 0]])
    table, subsets = subset_aicc(X, y, CURVES)[0], list_subsets(4).members
    n = X.size
    chi2 = np.exp((table[subsets.index((0, 1))] - 2 - 4 / (n - 2)) / n) * n
    assert chi2 == pytest.approx(((y[0] - A[0]) ** 2).sum(), rel=1e-9)


def test_too_many_combinations_are_refused_with_what_to_do():
    with pytest.raises(
        InvalidInput, match="20 components taken up to 10 at a time make 616665 combinations.* at most 3"
    ):
        list_subsets(20, largest=10)
