"""Noise read off a spectrum, and series of which some spectra lack points."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xas.points.finite import on_finite_points
from xas.points.noise import estimate_noise


def uneven_grid():
    return np.concatenate(
        [np.arange(6400.0, 6530, 5), np.arange(6530, 6570, 0.2), np.arange(6570, 7300, 2.0)]
    )


def test_white_noise_is_recovered_on_an_uneven_grid(rng):
    x = uneven_grid()
    smooth = np.arctan((x - 6548) / 1.5) + 0.1 * np.sin(np.sqrt(np.clip(x - 6548, 0, None)))
    sigma = estimate_noise(x, smooth + 0.01 * rng.normal(size=(400, x.size)))
    assert sigma.shape == (400,)
    assert np.mean(sigma) == pytest.approx(0.01, rel=0.03)
    assert np.std(sigma) < 0.08 * 0.01


def test_a_smooth_curve_and_glitches_are_no_noise(rng, frozen):
    x = uneven_grid()
    y = np.sin((x - 6400) / 60)
    assert estimate_noise(x, frozen(y)) < 1e-5
    noisy = y + 1e-3 * rng.normal(size=x.size)
    glitched = noisy.copy()
    glitched[[100, 300]] += 5
    glitched[150] = np.nan
    assert estimate_noise(x, glitched) == pytest.approx(float(estimate_noise(x, noisy)), rel=0.05)


def test_without_enough_points_the_noise_is_not_a_number():
    assert np.isnan(estimate_noise(np.arange(6.0), np.ones((2, 6)))).all()
    assert np.isnan(estimate_noise(np.arange(50.0), np.full((1, 50), np.nan))).all()


@given(scale=st.floats(1e-6, 1e6), line=st.floats(-1e3, 1e3))
def test_noise_scales_with_the_spectrum_and_does_not_see_a_line(scale, line):
    x = uneven_grid()
    noise = np.random.default_rng(7).normal(size=x.size)
    expected = scale * float(estimate_noise(x, noise))
    got = float(estimate_noise(x, scale * (noise + line * (x - 6548) / 500)))
    assert got == pytest.approx(expected, rel=1e-6)


def test_missing_points_are_left_out_one_pattern_at_a_time(rng):
    energy, mu = np.arange(20.0), rng.normal(size=(3, 2, 20))
    mu[0, 0, 3] = mu[2, 1, 3] = np.nan
    mu[1, 1, [5, 19]] = np.inf
    mu[2, 0, :15] = np.nan  # too few are left
    factor = rng.normal(size=(3, 2))
    calls = []

    def prepare(grid):
        calls.append(grid.size)

        def kernel(rows, factors):
            return {"scaled": rows * factors[:, None] + grid, "mean": rows.mean(1), "pair": rows[:, :2]}

        return kernel

    got = on_finite_points(prepare, energy, mu, factor, shapes={"scaled": None, "mean": (), "pair": (2,)})
    assert sorted(calls) == [18, 19, 20]
    for index in np.ndindex(3, 2):
        kept = np.isfinite(mu[index])
        if index == (2, 0):
            assert np.isnan(got["scaled"][index]).all()
            assert np.isnan(got["mean"][index])
            continue
        np.testing.assert_allclose(
            got["scaled"][index][kept], mu[index][kept] * factor[index] + energy[kept], rtol=1e-14
        )
        assert np.isnan(got["scaled"][index][~kept]).all()
        assert got["mean"][index] == pytest.approx(mu[index][kept].mean())
        np.testing.assert_array_equal(got["pair"][index], mu[index][kept][:2])


def test_blocks_do_not_show(rng):
    """More spectra than one block holds, and a single spectrum without leading dimensions."""
    short = on_finite_points(
        lambda grid: lambda rows: 1 / 0, np.arange(5.0), np.ones((2, 5)), shapes={"sum": ()}
    )
    assert np.isnan(short["sum"]).all()  # fewer points than the least that a kernel is given
    energy, mu = np.arange(60_000.0), rng.normal(size=(5, 60_000))
    got = on_finite_points(lambda grid: lambda rows: {"sum": rows.sum(1)}, energy, mu, shapes={"sum": ()})
    np.testing.assert_allclose(got["sum"], mu.sum(1))
    one = on_finite_points(lambda grid: lambda rows: {"sum": rows.sum(1)}, energy, mu[0], shapes={"sum": ()})
    assert one["sum"].shape == ()
