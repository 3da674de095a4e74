"""Species found without standards, where the truth is known, and how far they may turn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spectra.mixtures import extreme_spectra, feasible_bands, resolve_curves, simplisma
from spectra.mixtures.curve_resolution import unimodal

X = np.linspace(-20, 60, 120)
T = np.linspace(0, 1, 40)


def edge(e, w):
    return 0.5 + np.arctan((X - e) / 1.5) / np.pi + w * np.exp(-(((X - e - 6) / 4) ** 2))


SPECIES = np.stack([edge(0.0, 0.5), edge(1.7, 0.3), edge(3.2, 0.6)])


def profiles(k):
    if k == 2:
        return np.stack([1 - T, T], axis=1)
    c = np.stack(
        [np.clip(1 - T / 0.6, 0, None), np.exp(-(((T - 0.5) / 0.2) ** 2)), np.clip((T - 0.4) / 0.6, 0, None)],
        axis=1,
    )
    return c / c.sum(1, keepdims=True)


def mixture(k, noise=0.0, seed=0):
    s = SPECIES[[0, 2]] if k == 2 else SPECIES
    data = profiles(k) @ s
    data = data + noise * np.random.default_rng(seed).normal(size=data.shape)
    data.setflags(write=False)
    return profiles(k), s, data


def matched(found, truth):
    """Order of the species found that fits the truth."""
    import itertools

    return min(
        itertools.permutations(range(truth.shape[1])), key=lambda p: np.abs(found[:, list(p)] - truth).max()
    )


@pytest.mark.parametrize("choose", [simplisma, extreme_spectra])
@pytest.mark.parametrize(
    ("k", "noise", "tolerance"), [(2, 0.0, 1e-6), (2, 1e-3, 5e-3), (3, 0.0, 0.03), (3, 1e-3, 0.05)]
)
def test_species_come_back(choose, k, noise, tolerance):
    """The series passes through (nearly) pure spectra: there the solution is the truth."""
    fractions, spectra, data = mixture(k, noise)
    found = resolve_curves(data, data[choose(data, k)])
    order = list(matched(found.fractions, fractions))
    assert found.converged
    np.testing.assert_allclose(found.fractions[:, order], fractions, atol=tolerance)
    np.testing.assert_allclose(found.spectra[order], spectra, atol=max(tolerance, 5 * noise))
    assert (found.fractions >= 0).all()
    assert (found.spectra >= 0).all()
    np.testing.assert_allclose(found.fractions.sum(1), 1, atol=1e-12)
    expected = 100 * noise * np.sqrt(data.size / (data**2).sum())
    assert found.lack_of_fit == pytest.approx(expected, rel=0.1, abs=0.02)


def test_known_spectra_stay_and_help():
    fractions, spectra, data = mixture(3, 1e-3)
    start = np.vstack([spectra[1], data[[0, -1]]])
    found = resolve_curves(data, start, known=1)
    np.testing.assert_array_equal(found.spectra[0], spectra[1])
    order = list(matched(found.fractions, fractions))
    np.testing.assert_allclose(found.fractions[:, order], fractions, atol=0.02)


def test_without_closure_amounts_are_free():
    fractions, spectra, _ = mixture(2)
    amount = np.linspace(0.5, 2, T.size)[:, None]
    found = resolve_curves(fractions * amount @ spectra, (fractions @ spectra)[[0, -1]], closure=False)
    np.testing.assert_allclose(found.spectra.max(1), 1)
    total = (found.fractions * spectra.max(1) ** -1 * spectra.max(1)) @ found.spectra
    np.testing.assert_allclose(total, fractions * amount @ spectra, atol=1e-6)


def test_too_few_iterations_are_said():
    _, _, data = mixture(3, 1e-3)
    found = resolve_curves(data, data[[3, 15, 30]], max_iter=2)
    assert not found.converged
    assert found.iterations == 2


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=12))
@settings(max_examples=40)
def test_unimodal_is_the_nearest_curve_with_one_maximum(values):
    values = np.array(values)
    found = unimodal(values)
    top = int(np.argmax(found))
    assert (np.diff(found[: top + 1]) >= -1e-12).all()
    assert (np.diff(found[top:]) <= 1e-12).all()
    if top in (0, values.size - 1) or (np.diff(values) == 0).all():
        return
    assert ((found - values) ** 2).sum() <= ((values - values.mean()) ** 2).sum() + 1e-9


def test_one_maximum_along_the_series():
    fractions, _, data = mixture(3, 5e-3)
    found = resolve_curves(data, data[simplisma(data, 3)], unimodal_fractions=True)
    for column in found.fractions.T:
        steps = np.diff(column)
        assert np.count_nonzero(np.diff(np.sign(steps[np.abs(steps) > 0.02])) != 0) <= 1
    order = list(matched(found.fractions, fractions))
    np.testing.assert_allclose(found.fractions[:, order], fractions, atol=0.1)


class TestBands:
    def test_of_two_species_are_where_lawton_and_sylvestre_have_them(self):
        """Slow and obvious: move each spectrum along the line through both until a constraint is met."""
        fractions, spectra, _ = mixture(2)
        inner = 0.1 + 0.8 * fractions  # no pure spectrum in the series
        bands = feasible_bands(inner, spectra)
        for j in (0, 1):
            other = 1 - j
            steps = np.linspace(-3, 1, 400001)
            pure = [
                (spectra[j, i] + steps * (spectra[other, i] - spectra[j, i])) >= -1e-9 for i in range(X.size)
            ]
            allowed = steps[np.all(pure, axis=0)]
            inward = inner[:, other].min()  # no further than the purest spectrum of the series
            lowest, highest = allowed.min(), min(allowed.max(), inward)
            ends = [spectra[j] + s * (spectra[other] - spectra[j]) for s in (lowest, highest)]
            got = [bands.spectra[0, j], bands.spectra[1, j]]
            for end in ends:
                assert min(np.abs(end - g).max() for g in got) < 1e-3

    @pytest.mark.parametrize("k", [2, pytest.param(3, marks=pytest.mark.long)])
    def test_hold_the_truth_and_close_on_known_spectra(self, k):
        fractions, spectra, data = mixture(k)
        inner = 0.05 + (1 - 0.05 * k) * fractions
        data = inner @ spectra
        found = resolve_curves(data, data[simplisma(data, k)])
        bands = feasible_bands(found.fractions, found.spectra, fraction_error=1e-3, spectrum_error=1e-3)
        order = list(matched(found.fractions, inner))
        size = np.linalg.norm(data)
        truth = np.linalg.norm(inner, axis=0) * np.linalg.norm(spectra, axis=1) / size
        assert (bands.signal[0, order] <= truth + 1e-3).all()
        assert (bands.signal[1, order] >= truth - 1e-3).all()
        fixed = feasible_bands(inner, spectra, known=k)
        np.testing.assert_array_equal(fixed.fractions[0], fixed.fractions[1])
        one_less = feasible_bands(inner, spectra, known=k - 1)
        width = (one_less.signal[1] - one_less.signal[0])[-1]
        all_free = feasible_bands(inner, spectra)
        assert width <= (all_free.signal[1] - all_free.signal[0])[-1] + 1e-6

    def test_keep_the_constraints(self):
        fractions, spectra, _ = mixture(2)
        bands = feasible_bands(fractions, spectra)
        for side in (0, 1):
            assert (bands.fractions[side] > -1e-6).all()
            assert (bands.fractions[side] < 1 + 1e-6).all()
            assert (bands.spectra[side] > -1e-6).all()
