"""Number of components and targets, with the truth known."""

import numpy as np
import pytest

from spectra.mixtures import CRITERIA, decompose, project_target
from spectra.mixtures.components import along_series

X = np.linspace(-20, 60, 120)


def species(k):
    return np.stack(
        [
            0.5 + np.arctan((X - 2.5 * j) / 1.5) / np.pi + 0.2 * (j % 3) * np.exp(-(((X - 8 - j) / 4) ** 2))
            for j in range(k)
        ]
    )


def mixtures(k, rows=40, noise=2e-3, seed=0):
    rng = np.random.default_rng(seed)
    fractions = rng.dirichlet(np.ones(k), rows)
    data = fractions @ species(k) + noise * rng.normal(size=(rows, X.size))
    data.setflags(write=False)
    return data


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_the_number_of_species_is_found(k):
    found = dict(zip(CRITERIA, decompose(mixtures(k), noise=2e-3).suggested, strict=True))
    for name in ("indicator", "significance", "cross_validation", "noise"):
        assert found[name] == k, found


def course(k, correlated, rows=40, noise=2e-3, seed=0):
    """Species that come and go along a series; with ``correlated`` noise over 1 eV, as of interpolated scans."""
    t = np.linspace(0, 1, rows)
    shapes = [np.clip(1 - 2 * t, 0, 1) + 0.02, np.exp(-(((t - 0.4) / 0.2) ** 2))]
    shapes += [np.exp(-(((t - 0.65) / 0.15) ** 2)), np.clip(2 * t - 1, 0, 1)]
    fractions = np.stack(shapes[:k], axis=1)
    fractions /= fractions.sum(1, keepdims=True)
    white = np.random.default_rng(seed).normal(size=(rows, X.size + 40))
    hat = np.exp(-0.5 * (np.arange(-20, 21) * (X[1] - X[0])) ** 2) if correlated else np.eye(41)[20]
    hat = hat / np.sqrt((hat**2).sum())
    return fractions @ species(k) + noise * np.stack([np.convolve(row, hat, "valid") for row in white])


@pytest.mark.parametrize("k", [2, 3, 4])
@pytest.mark.parametrize("correlated", [False, True])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_noise_that_is_correlated_makes_no_species(k, correlated, seed):
    data = course(k, correlated, seed=seed)
    found = dict(zip(CRITERIA, decompose(data).suggested, strict=True))
    assert found["repeatability"] == k, found
    assert found["noise"] == k, found
    mixed = np.random.default_rng(seed).permutation(len(data))
    without_order = decompose(data[mixed]).suggested
    assert np.isnan(without_order[-1])
    assert np.floor(np.nanmedian(without_order)) == k
    assert np.isnan(decompose(data, ordered=False).suggested[-1])


def test_what_neighbours_do_not_share_is_the_noise():
    data = course(3, True, rows=200, noise=5e-3)
    _, singular, curves = np.linalg.svd(data, full_matrices=False)
    unshared = along_series(data, curves, singular)
    assert unshared.std() == pytest.approx(5e-3, rel=0.05)
    assert along_series(data[:8], curves, singular).size == 0


def test_errors_are_malinowskis():
    """Slow and obvious, from the eigenvalues of the covariance about the origin."""
    data = mixtures(3)
    found = decompose(data)
    values = np.sort(np.linalg.eigvalsh(data @ data.T))[::-1]
    r, c = 120, 40
    for n in (1, 2, 3, 7):
        real = np.sqrt(values[n:].sum() / (r * (c - n)))
        assert found.real_error[n - 1] == pytest.approx(real, rel=1e-8)
        assert found.imbedded_error[n - 1] == pytest.approx(real * np.sqrt(n / c), rel=1e-8)
        assert found.indicator[n - 1] == pytest.approx(real / (c - n) ** 2, rel=1e-8)
    assert found.real_error[2] == pytest.approx(2e-3, rel=0.05)


def test_the_f_test_has_its_level():
    """Pure noise behind three species: component four is called significant in about 5 % of draws, or less."""
    hits = [decompose(mixtures(3, rows=15, seed=s)).significance[3] < 0.05 for s in range(80)]
    assert np.mean(hits) < 0.12


def test_scores_and_curves_give_the_spectra_back():
    data = mixtures(3)
    found = decompose(data, largest=40)
    np.testing.assert_allclose(found.scores @ found.curves, data, atol=1e-10)
    np.testing.assert_allclose(found.curves @ found.curves.T, np.eye(40), atol=1e-10)


def test_a_long_series_gives_what_a_short_way_gives():
    data = mixtures(3, rows=700)
    long = decompose(data)
    singular = np.linalg.svd(data, compute_uv=False)
    np.testing.assert_allclose(long.singular_values, singular, rtol=1e-6)
    assert long.significance[2] < 0.05 < long.significance[3]


def test_targets_inside_and_outside():
    data = mixtures(3)
    found = decompose(data)
    others = np.stack([*species(3), 0.5 + np.arctan((X - 14) / 1.5) / np.pi])
    made = project_target(others, found.curves[:3], found.singular_values[:3], float(found.real_error[2]))
    assert (made.spoil[:3] < 2).all()
    assert made.spoil[3] > 20
    np.testing.assert_allclose(made.predicted[:3], others[:3], atol=5e-3)
    assert made.rfactor[3] > 100 * made.rfactor[:3].max()
