"""Sigmas and intervals of white lines against Monte Carlo, positions found in each spectrum, down to 9 counts per channel."""

import numpy as np
import pytest

import spectra
import xas
from spectra.dataset import flag_names
from xas.eels.channels.linear_variance import ratio_limits, ratio_sigma
from xas.eels.white_lines.areas import METHODS

LOSS = np.arange(590.0, 750.0, 0.3)
WINDOW = (592.0, 632.0)
PLACES = (644.0, 655.2)


def mean(level, ratio=3.0):
    """Counts of a Mn L edge, lines half Gaussian and half Lorentzian, 3:1, on two steps and a power law."""

    def line(place):
        t = (LOSS - place) / 1.6
        return (np.exp(-(t**2)) + 1 / (1 + t**2)) / 2

    steps = (2 * (LOSS > PLACES[0]) + (LOSS > PLACES[1])) / 3
    lines = ratio * line(PLACES[0]) + line(PLACES[1])
    return level * ((LOSS / 632) ** -3.0 + 0.35 * lines + 0.06 * steps)


def measured(counts, method, positions=None):
    dims = ("x",)[: np.ndim(counts) - 1]
    scan = spectra.from_arrays(
        LOSS, counts, axis="energy_loss", name="counts", units="counts", dims=dims, attrs={"element": "Mn"}
    )
    scan = xas.eels.subtract_background(scan, window=WINDOW)
    return xas.eels.white_line_ratio(scan, method=method, positions=positions)


def inside(made, truth, name, scale=1.0):
    stated = made[name].notnull()
    return float(
        (np.abs(made[name] - scale * float(truth[name])) < made[f"{name}_sigma"]).where(stated).mean()
    )


def check(method, level, number, rng, positions=None):
    """Shares of spectra inside ± sigma and inside the interval; none stated where the sum says that L2 is not seen."""
    made = measured(rng.poisson(mean(level), size=(number, LOSS.size)), method, positions)
    truth = measured(mean(1e5), method, PLACES)
    assert 0.63 < inside(made, truth, "l2", level / 1e5) < 0.73
    assert 0.63 < inside(made, truth, "branching_ratio") < 0.73
    within = (made.l3_l2_ratio_low <= truth.l3_l2_ratio) & (truth.l3_l2_ratio <= made.l3_l2_ratio_high)
    assert 0.63 < float(within.mean()) < 0.73
    stated = float(made.l3_l2_ratio.notnull().mean())
    if stated > 0.5:
        assert 0.63 < inside(made, truth, "l3_l2_ratio") < 0.73
    if method == "normalized_sum" and level > 1000:
        assert 0.63 < inside(made, truth, "normalized_sum") < 0.73
    elif method == "normalized_sum":  # what lies behind the lines is not seen above the background's doubt
        assert float(made.normalized_sum.isnull().mean()) > 0.9
    return stated


def test_the_interval_holds_at_nineteen_counts(rng):
    assert check("double_step", 19, 1000, rng) > 0.9


@pytest.mark.long
@pytest.mark.parametrize("level", [1877, 188, 47, 19, 9])
@pytest.mark.parametrize("method", METHODS)
def test_sigmas_and_intervals_cover(method, level, rng):
    """Every method, positions found in each spectrum or, where it is too noisy, in the sum."""
    stated = check(method, level, 1500, rng)
    assert stated > 0.95 or level < 20


@pytest.mark.long
@pytest.mark.parametrize("method", ["second_derivative", "curve_fit"])
def test_they_cover_at_positions_given(method, rng):
    """Ends of lobes and shapes of lines chosen in noise would be as biased as positions are."""
    check(method, 47, 1500, rng, PLACES)


@pytest.mark.long
@pytest.mark.parametrize("level", [1877, 188, 47, 19, 9])
def test_the_closed_form_of_the_ratio_is_its_scatter(level, rng):
    """Half the width that holds 68 % of the simulated ratios, against the sigma stated at the middle of them."""
    made = measured(rng.poisson(mean(level), size=(3000, LOSS.size)), "double_step")
    low, high = np.nanpercentile(made.branching_ratio, [15.87, 84.13])
    assert float(made.branching_ratio_sigma.median()) / ((high - low) / 2) == pytest.approx(1, abs=0.05)
    if level > 100:
        low, high = np.nanpercentile(made.l3_l2_ratio, [15.87, 84.13])
        assert float(made.l3_l2_ratio_sigma.median()) / ((high - low) / 2) == pytest.approx(1, abs=0.05)


class TestWhatIsTakenFromTheSum:
    def test_noisy_spectra_say_so(self, rng):
        made = measured(rng.poisson(mean(30), size=(200, LOSS.size)), "double_step")
        assert "line_of_sum" in flag_names(made, x=0)
        assert np.isnan(made.l2_position_sigma).all()
        assert float(made.l2_position.std()) < 0.3
        history = made.spectra.history[-1]
        assert "are too noisy to show both lines" in " ".join(history["notes"])

    def test_clear_ones_are_what_they_are_alone(self, rng):
        counts = rng.poisson(mean(5000), size=(5, LOSS.size))
        together, own = (measured(counts, "double_step", p) for p in (None, "own"))
        np.testing.assert_array_equal(together.l3_l2_ratio, own.l3_l2_ratio)
        assert flag_names(together, x=0) == []

    def test_a_line_that_moves_keeps_its_distance(self, rng):
        """L3 is clear and moves, L2 is not: it is taken at the distance that the sum has."""
        shift = np.array([-1.5, -0.5, 0.0, 0.5, 1.5] * 20)
        counts = np.array([np.interp(LOSS - s, LOSS, mean(60)) for s in shift])
        made = measured(rng.poisson(counts), "double_step")
        clear = made.l3_position_sigma.notnull().values
        assert clear.mean() > 0.5
        assert np.abs(made.splitting.values[clear] - 11.2).max() < 0.5

    def test_a_ratio_that_is_not_seen_has_its_limit(self, rng):
        made = measured(rng.poisson(mean(9), size=(300, LOSS.size)), "double_step")
        unseen = made.l3_l2_ratio.isnull().values
        assert unseen.mean() > 0.3
        place = int(np.flatnonzero(unseen)[0])
        assert "l2_not_seen" in flag_names(made, x=place)
        assert made.l3.notnull().all()
        assert made.branching_ratio.notnull().all()
        assert not made.l3_l2_ratio_low.isnull().any()

    def test_a_single_spectrum_has_no_sum(self, rng):
        counts = rng.poisson(mean(40), size=LOSS.size)
        alone, row = (measured(c, "double_step") for c in (counts, counts[None]))
        assert float(row.l3_l2_ratio[0]) == float(alone.l3_l2_ratio)
        assert "line_of_sum" not in flag_names(row, x=0)

    def test_a_particle_among_much_else_is_measured(self, rng):
        """Nearly all spectra hold no manganese: their sum says nothing of the few that do."""
        counts = rng.poisson(np.tile(2000 * (LOSS / 632) ** -3.0, (200, 1)))
        counts[:8] = rng.poisson(mean(2000), size=(8, LOSS.size))
        made = measured(counts, "double_step")
        assert made.l3_l2_ratio[:8].notnull().all()
        np.testing.assert_allclose(made.l3_l2_ratio[:8], 3.0, atol=0.6)
        assert float(made.l3_l2_ratio[8:].isnull().mean()) > 0.9

    def test_lazily(self, rng):
        counts = rng.poisson(mean(40), size=(24, LOSS.size)).astype(float)
        scan = spectra.from_arrays(
            LOSS,
            counts,
            axis="energy_loss",
            name="counts",
            units="counts",
            dims=("x",),
            attrs={"element": "Mn"},
        )
        eager = xas.eels.white_line_ratio(xas.eels.subtract_background(scan, window=WINDOW))
        lazy = xas.eels.white_line_ratio(xas.eels.subtract_background(scan.chunk(x=7), window=WINDOW))
        assert lazy.l3_l2_ratio.chunks is not None
        np.testing.assert_allclose(lazy.l3_l2_ratio, eager.l3_l2_ratio, rtol=1e-9)


class TestKernels:
    def test_limits_are_the_ratios_that_are_not_excluded(self, rng):
        """Against the inequality itself on a fine grid of ratios."""
        grid = np.linspace(-50, 200, 250_001)
        for _ in range(20):
            a, b = rng.uniform(2, 9), rng.uniform(0.2, 4)
            va, vb = rng.uniform(0.5, 2, 2)
            c = rng.uniform(-0.5, 0.5) * np.sqrt(va * vb)
            allowed = (a - grid * b) ** 2 <= va - 2 * grid * c + grid**2 * vb
            low, high = ratio_limits(*(np.array([v]) for v in (a, b, va, vb, c)))
            if b**2 > vb and high[0] < 200:
                assert grid[allowed][[0, -1]] == pytest.approx([low[0], high[0]], abs=2e-3)
            elif b**2 <= vb:
                assert high[0] == np.inf
                above = grid[allowed & (grid > 0)]
                assert low[0] == pytest.approx(above[0], abs=2e-3) or not np.isfinite(low[0])

    def test_limits_of_nothing(self):
        one = np.ones(1)
        assert np.isnan(ratio_limits(np.nan * one, one, one, one, 0 * one)).all()
        assert np.isinf(ratio_limits(3 * one, -5 * one, one, one, 0 * one)).all()

    def test_sigma_is_that_of_first_order_for_strong_lines(self):
        strong = ratio_sigma(np.array(300.0), np.array(100.0), 1.0, 1.0, 0.3)
        assert float(strong) == pytest.approx(np.sqrt(1 - 2 * 3 * 0.3 + 9) / 100, rel=1e-3)
