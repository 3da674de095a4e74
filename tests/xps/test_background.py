"""Backgrounds: truth they were built from, the contract of all of them, their noise, and CasaXPS' own curve."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import cumulative_trapezoid

import spectra
import xps
from spectra.dataset import flag_names
from spectra.errors import InvalidInput, UnknownOption
from xps.background.subtraction import BACKGROUNDS, Method, linear, polynomial, shirley, slope
from xps.background.tougaard import Loss, cross_section, known_losses, named_loss, tougaard

X = np.linspace(630, 665, 351)


def doublet(x=X, height=2000.0, position=642.0, width=1.5):
    """Two Gaussian lines that end well inside the axis, so that both ends are bare background."""
    line = np.exp(-(((x - position) / width) ** 2)) + 0.5 * np.exp(-(((x - position - 11.5) / width) ** 2))
    return np.where(np.abs(x - position - 5) < 12, height * line, 0)


def steps_of(x, peaks, base=1000.0, share=0.05):
    return base + share * cumulative_trapezoid(peaks, x, initial=0)


def dataset(y, x=X, dims=(), **attrs):
    return spectra.from_arrays(
        x,
        y,
        axis="binding_energy",
        name="counts",
        units="counts",
        dims=dims,
        attrs={"technique": "xps", **attrs},
    )


class TestShirley:
    def test_recovers_the_background_it_was_built_from(self, frozen):
        peaks = doublet()
        truth = steps_of(X, peaks)
        result = shirley(frozen(X), frozen(peaks + truth), tol=1e-9)
        assert result.converged
        np.testing.assert_allclose(result.background, truth, atol=1e-6 * np.ptp(truth))

    def test_is_the_textbook_iteration(self, rng):
        """Against the formula written as loops over every point, on noisy data."""
        y = rng.poisson(doublet() + steps_of(X, doublet())).astype(float)
        low, high = y[:5].mean(), y[-5:].mean()
        background = np.full(y.size, low)
        for _ in range(50):
            net = y - background
            area = [0.0]
            for i in range(1, y.size):
                area.append(area[-1] + (net[i] + net[i - 1]) / 2 * (X[i] - X[i - 1]))
            new = low + (high - low) * np.array(area) / area[-1]
            change, background = np.abs(new - background).max(), new
            if change <= 1e-6 * abs(high - low):
                break
        np.testing.assert_allclose(shirley(X, y).background, background, rtol=1e-12)

    def test_settles_in_a_few_iterations(self):
        result = shirley(X, doublet() + steps_of(X, doublet()))
        assert 3 <= result.iterations <= 10

    def test_without_a_peak_says_so(self):
        hole = shirley(X, 1000 - doublet(height=100) + steps_of(X, doublet()))
        assert not hole.converged
        assert np.isnan(hole.background).all()

    def test_too_few_iterations_are_reported(self):
        result = shirley(X, doublet() + steps_of(X, doublet()), max_iter=2)
        assert not result.converged
        assert result.iterations == 2


class TestSlope:
    def test_recovers_the_background_it_was_built_from(self, frozen):
        """The peaks integrated twice: their area bends the background."""
        peaks = doublet()
        truth = 1000 + 0.004 * cumulative_trapezoid(cumulative_trapezoid(peaks, X, initial=0), X, initial=0)
        found = slope(frozen(X), frozen(peaks + truth), n_end=1, tol=1e-9)
        assert found.converged
        assert 3 < found.iterations < 40
        np.testing.assert_allclose(found.background, truth, atol=1e-6 * np.ptp(truth))

    def test_is_flat_before_the_lines_and_straight_behind(self):
        peaks = doublet()
        once = cumulative_trapezoid(peaks, X, initial=0)
        found = slope(X, peaks + 1000 + 0.004 * cumulative_trapezoid(once, X, initial=0), n_end=1)
        bend = np.diff(found.background, 2)
        outside = (X[1:-1] < 636) | (X[1:-1] > 658.5)
        assert np.abs(bend[outside]).max() < 0.02 * np.abs(bend).max()
        assert abs(found.background[40] - found.background[0]) < 1e-3 * np.ptp(found.background)


class TestPolynomial:
    @pytest.mark.parametrize("degree", [1, 2, 3])
    def test_a_polynomial_under_the_lines_comes_back(self, degree, frozen):
        truth = 1000 + 40 * np.polyval(np.arange(1, degree + 2), (X - 647) / 10)
        found = polynomial(frozen(X), frozen(doublet() + truth), n_end=20, degree=degree)
        assert found.converged
        np.testing.assert_allclose(found.background, truth, rtol=1e-9)

    def test_of_degree_one_with_one_point_per_end_is_the_line(self):
        y = doublet() + steps_of(X, doublet())
        ours, line = polynomial(X, y, n_end=1, degree=1), linear(X, y, n_end=1)
        np.testing.assert_allclose(ours.background, line.background, rtol=1e-12)
        np.testing.assert_allclose(ours.low_share, line.low_share, atol=1e-12)

    def test_moves_hold_the_whole_variance(self, rng):
        """What a fit is repeated with says the same as the variance of the curve."""
        y = rng.poisson(doublet() + 500, (3, X.size)).astype(float)
        found = polynomial(X, y, n_end=12, degree=3)
        moves = found.moves(y, 12)
        assert len(moves) == 4
        of_curve, _ = found.carried(y, 12)
        np.testing.assert_allclose(sum(move**2 for move in moves), of_curve, rtol=1e-9)

    @pytest.mark.parametrize("degree", [0, 6])
    def test_a_degree_that_the_ends_cannot_hold_is_refused(self, degree):
        with pytest.raises(InvalidInput, match=f"degree must be from 1 to n_end = 5, got {degree}: lower it"):
            polynomial(X, doublet(), degree=degree)
        with pytest.raises(InvalidInput, match=f"degree must be from 1 to n_end = 5, got {degree}"):
            xps.subtract_background(dataset(doublet()), method="polynomial", degree=degree)


class TestLinear:
    def test_a_line_is_its_own_background(self):
        truth = 300 - 2.5 * (X - 640)
        np.testing.assert_allclose(linear(X, truth + doublet()).background, truth, rtol=1e-13)


class TestTougaard:
    def test_universal_cross_section(self):
        """Its integral is B/2C = 0.872 and its maximum lies at √(C/3) = 23.4 eV."""
        t = np.linspace(0, 5000, 2_000_001)
        k = cross_section(named_loss("universal"), t)
        assert t[k.argmax()] == pytest.approx(np.sqrt(1643 / 3), abs=0.01)
        assert np.trapezoid(k, t) == pytest.approx(2866 / (2 * 1643), abs=1e-4)

    @pytest.mark.parametrize(
        "loss",
        [
            named_loss("universal"),
            named_loss("polymer"),
            Loss(335.45, 551, 436, 3),
            Loss(2866, 1643, 0, 0, 1),
            Loss(900, 400, 150, 0, 0.7),
            Loss(900, 200, 3000, 0, 1.5),
            Loss(400, 100, 500, 0, -1.2),
            Loss(300, -90, 0, 0, -0.8),
        ],
    )
    def test_is_the_convolution_with_the_cross_section(self, loss):
        """Against the sum over points written out, on a fine axis."""
        x = np.linspace(0, 50, 1001)
        y = 100 + 1000 * np.exp(-((x - 10) ** 2))
        expected = [100 + np.sum(cross_section(loss, xi - x[x < xi]) * (y[x < xi] - 100)) * 0.05 for xi in x]
        result = tougaard(x, y, loss=loss, meet_end=False)
        np.testing.assert_allclose(result.background, expected, atol=2e-3 * np.ptp(expected))

    def test_four_parameters_hold_the_other_forms(self):
        """C' = +1 with D = 0 is the two-parameter form; D = 4 C C' with C' < 0 has a closed form of its own."""
        x = np.linspace(0, 60, 601)
        y = 100 + 1000 * np.exp(-((x - 10) ** 2))
        two, four = named_loss("universal"), Loss(2866, 1643, 0, 0, 1)
        np.testing.assert_allclose(
            tougaard(x, y, loss=four).background, tougaard(x, y, loss=two).background, rtol=1e-12
        )
        edge, beside = (Loss(400, 100, 400 * f, 0, -1.0000001) for f in (1, 1 + 1e-5))
        np.testing.assert_allclose(
            tougaard(x, y, loss=edge).background, tougaard(x, y, loss=beside).background, rtol=1e-4
        )

    def test_four_parameters_through_the_verb(self):
        data = dataset(doublet() + steps_of(X, doublet()))
        result = xps.subtract_background(data, method="tougaard", loss=(2866.0, 1643.0, 0.0, 0.0, 1.0))
        plain = xps.subtract_background(data, method="tougaard")
        np.testing.assert_allclose(result.background, plain.background, rtol=1e-12)
        again = Method.from_attrs(result.background.attrs)
        assert again.loss == Loss(2866, 1643, 0, 0, 1)

    def test_recovers_the_background_it_was_built_from(self):
        """Loss by loss: peaks, what they lose, what that loses again, ... summed until nothing is left."""
        loss = named_loss("universal")
        x = np.linspace(630, 700, 701)
        peaks = doublet(x)
        grid = x[:, None] - x
        once = np.where(grid > 0, cross_section(loss, np.abs(grid)), 0) * 0.1
        spectrum = np.linalg.solve(np.eye(x.size) - once, peaks)
        result = tougaard(x, spectrum + 50, loss=Loss(1.0, loss.c, loss.d), n_end=5)
        assert result.b == pytest.approx(loss.b, rel=2e-3)
        np.testing.assert_allclose(
            result.background, spectrum - peaks + 50, atol=3e-3 * np.ptp(spectrum - peaks)
        )

    def test_axis_may_be_coarse_and_uneven(self, rng):
        fine, coarse = np.linspace(0, 60, 6001), np.sort(rng.uniform(0, 60, 500))

        def line(x):
            return 100 + 1000 * np.exp(-(((x - 15) / 3) ** 2))

        loss = Loss(335.45, 551, 436, 3)
        one = tougaard(fine, line(fine), loss=loss, meet_end=False).background
        two = tougaard(coarse, line(coarse), loss=loss, meet_end=False).background
        np.testing.assert_allclose(two, np.interp(coarse, fine, one), atol=5e-3 * np.ptp(one))

    @pytest.mark.parametrize(
        "numbers",
        [
            (1, 551, 0),
            (1, -1643, 5),
            (1, 100, 500),
            (-1, 551, 436),
            (1, 551, 436, -1),
            (1, 551, 0, 0, -0.9),
            (1, 551, 436, 0, 0),
            (1, 551, -1, 0, 1),
        ],
    )
    def test_a_cross_section_without_finite_values_is_refused(self, numbers):
        with pytest.raises(InvalidInput, match="is not a cross section: b must be positive"):
            Loss(*numbers)

    def test_unknown_name(self):
        assert set(known_losses()) == {"universal", "polymer"}
        with pytest.raises(InvalidInput, match="no cross section 'univrsal'; did you mean 'universal'"):
            named_loss("univrsal")


@pytest.mark.parametrize("name", BACKGROUNDS)
class TestContract:
    """What every registered background promises."""

    def series(self, rng, n=4):
        return rng.poisson(doublet() + steps_of(X, doublet()), size=(n, X.size)).astype(float)

    def test_input_unchanged_and_series_equals_loop(self, name, rng, frozen):
        y = self.series(rng).reshape(2, 2, -1)
        together = BACKGROUNDS[name](frozen(X), frozen(y), n_end=5)
        assert together.background.shape == y.shape
        assert together.converged.shape == together.iterations.shape == (2, 2)
        for index in np.ndindex(2, 2):
            alone = BACKGROUNDS[name](X, y[index], n_end=5)
            np.testing.assert_allclose(together.background[index], alone.background, rtol=1e-12)
            assert together.iterations[index] == alone.iterations

    def test_descending_axis_is_refused(self, name, rng):
        with pytest.raises(InvalidInput, match="x must ascend strictly: reverse"):
            BACKGROUNDS[name](X[::-1], self.series(rng), n_end=5)

    def test_type_is_kept(self, name, rng):
        y = self.series(rng)
        assert BACKGROUNDS[name](X, y.astype(np.float32), n_end=5).background.dtype == np.float32
        assert BACKGROUNDS[name](X, y.astype(int), n_end=5).background.dtype == float

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_one_bad_spectrum_does_not_touch_its_neighbours(self, name, bad, rng):
        y = self.series(rng)
        good = BACKGROUNDS[name](X, y, n_end=5)
        y[1, 100] = bad
        result = BACKGROUNDS[name](X, y, n_end=5)
        assert result.converged.tolist() == [True, False, True, True]
        np.testing.assert_allclose(result.background[[0, 2, 3]], good.background[[0, 2, 3]], rtol=1e-13)

    def test_wrong_shapes_are_refused(self, name):
        with pytest.raises(InvalidInput, match="the last dimension of y must run along x"):
            BACKGROUNDS[name](X, np.ones((X.size, 3)), n_end=5)
        with pytest.raises(InvalidInput, match="needs at least 15"):
            BACKGROUNDS[name](X[:14], np.ones(14), n_end=5)

    @given(scale=st.floats(1e-3, 1e6), offset=st.floats(-1e4, 1e4), shift=st.floats(-600, 600))
    @settings(max_examples=25)
    def test_scales_and_shifts_with_the_counts_and_the_axis(self, name, scale, offset, shift):
        y = doublet() + steps_of(X, doublet())
        one = BACKGROUNDS[name](X, y, n_end=5).background
        two = BACKGROUNDS[name](X + shift, scale * y + offset, n_end=5).background
        np.testing.assert_allclose(two, scale * one + offset, rtol=1e-7, atol=1e-7 * scale * np.ptp(one))


class TestVerb:
    @pytest.mark.parametrize("method", ["shirley", "slope"])
    def test_says_how_fast_each_spectrum_settled(self, method, rng):
        y = rng.poisson(doublet() + steps_of(X, doublet()), size=(3, X.size)).astype(float)
        y[1] = np.nan
        result = xps.subtract_background(dataset(y, dims=("scan",)), method=method)
        kernel = BACKGROUNDS[method](X, y)
        np.testing.assert_array_equal(result.background_iterations, kernel.iterations)
        assert (result.background_iterations.values[[0, 2]] > 2).all()
        assert result.background_iterations.values[1] == 0
        assert "background_iterations" not in xps.subtract_background(dataset(y[0]), method="linear")

    def test_adds_background_and_net_with_units(self, frozen):
        data = dataset(frozen(doublet() + steps_of(X, doublet())))
        result = xps.subtract_background(data, window=(632, 660))
        outside = (X < 631.999) | (X > 660.001)
        assert np.isnan(result.background.values[outside]).all()
        assert np.isfinite(result.background.values[~outside]).all()
        np.testing.assert_allclose((result.background + result.net)[~outside], result.counts[~outside])
        assert {result[n].attrs["units"] for n in ("background", "net", "background_sigma", "net_sigma")} == {
            "counts"
        }
        assert result.background.attrs["treatment"] == "static"
        assert result.status == 0
        assert result.spectra.history[-1]["resolved"]["window"] == pytest.approx([632, 660])

    @pytest.mark.parametrize("method", BACKGROUNDS)
    def test_lazy_series_stay_lazy(self, method, rng):
        y = rng.poisson(doublet() + steps_of(X, doublet()), size=(6, X.size))
        data = dataset(y, dims=("scan",))
        eager = xps.subtract_background(data, method=method)
        lazy = xps.subtract_background(data.chunk(scan=2), method=method)
        assert lazy.net.chunks is not None
        np.testing.assert_allclose(lazy.net.compute(), eager.net, rtol=1e-12)
        np.testing.assert_array_equal(lazy.status.compute(), eager.status)

    def test_bad_spectra_are_flagged_and_the_others_are_not(self, rng):
        y = rng.poisson(doublet() + steps_of(X, doublet()), size=(5, X.size)).astype(float)
        y[1, 30] = np.nan
        y[2] = 0
        y[3, 40] = -5
        result = xps.subtract_background(dataset(y, dims=("scan",)))
        assert [flag_names(result, scan=i) for i in range(5)] == [
            [],
            ["counts_not_finite"],
            ["background_not_converged"],
            ["negative_counts"],
            [],
        ]
        assert np.isnan(result.net.values[1:3]).all()
        assert np.isfinite(result.net.values[[0, 3, 4]]).all()

    def test_counts_that_are_not_finite_outside_the_window_do_no_harm(self):
        y = doublet() + steps_of(X, doublet())
        y[0] = np.nan
        result = xps.subtract_background(dataset(y), window=(632, 660))
        assert result.status == 0
        assert np.isfinite(result.net.sel(binding_energy=slice(632.01, 659.99))).all()

    def test_a_window_that_cuts_a_line_is_flagged(self, rng):
        y = rng.poisson(doublet() + steps_of(X, doublet())).astype(float)
        assert flag_names(xps.subtract_background(dataset(y), window=(632, 642.5), method="linear")) == [
            "end_on_slope"
        ]
        assert flag_names(xps.subtract_background(dataset(y), window=(632, 647), method="linear")) == []

    def test_a_background_that_falls_is_flagged(self, rng):
        y = rng.poisson(doublet() + 3000 - 5 * (X - 630))
        assert flag_names(xps.subtract_background(dataset(y))) == ["background_falls"]
        assert flag_names(xps.subtract_background(dataset(y), method="linear")) == []

    def test_a_window_beyond_the_data_is_said(self):
        result = xps.subtract_background(dataset(doublet() + 100.0), window=(620, 660), method="linear")
        assert any(
            "reaches beyond the data, which run from 630.00" in n for n in result.spectra.history[-1]["notes"]
        )

    def test_rates_without_dwell_have_no_uncertainty(self):
        data = spectra.from_arrays(X, doublet() + 5, axis="binding_energy", name="counts", units="counts/s")
        result = xps.subtract_background(data, method="linear")
        assert "net_sigma" not in result
        assert "not in counts" in result.spectra.history[-1]["notes"][0]

    @pytest.mark.parametrize(
        ("options", "sentence"),
        [
            (
                {"window": (636.0, 636.6)},
                r"window \(636.0, 636.6\) holds 7 points .* needs at least 15 \(3 × n_end = 5\). Widen",
            ),
            ({"window": (700, 750)}, r"holds 0 points of an axis from 630.0 to 665.0 eV"),
            ({"n_end": 0}, "n_end must be at least 1, got 0"),
            ({"method": "shirly"}, "did you mean 'shirley'"),
            ({"loss": "universal"}, "loss and meet_end belong to method 'tougaard', got method 'shirley'"),
            ({"degree": 2}, "degree belongs to method 'polynomial', got method 'shirley'"),
            ({"method": "tougaard", "loss": (335.0, 551.0, 0.0, 3.0)}, "is not a cross section"),
        ],
    )
    def test_misuse_is_one_sentence(self, options, sentence):
        with pytest.raises(InvalidInput, match=sentence):
            xps.subtract_background(dataset(doublet()), **options)

    def test_other_axes_and_options_are_refused(self):
        other = spectra.from_arrays(X, doublet(), axis="energy", name="mu", attrs={"technique": "xas"})
        with pytest.raises(InvalidInput, match="works along binding_energy, and this dataset has energy"):
            xps.subtract_background(other)
        with pytest.raises(UnknownOption, match="did you mean 'window'"):
            xps.subtract_background(dataset(doublet()), windows=(632, 660))


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("linear", {}),
        ("shirley", {}),
        ("slope", {}),
        ("polynomial", {"n_end": 20}),
        ("polynomial", {"n_end": 20, "degree": 3}),
        ("tougaard", {}),
        ("tougaard", {"meet_end": False, "loss": (500, -1643, 0, 0)}),
    ],
)
def test_stated_noise_is_the_noise(method, options, rng):
    """Scatter of background and net over 2000 simulated spectra against the stated sigma at every point."""
    x = np.linspace(630, 670, 201)
    peaks = doublet(x)
    rises = method not in ("linear", "polynomial")
    truth = steps_of(x, peaks) if rises else 1000 + 5.0 * (x - 630)
    series = dataset(rng.poisson(peaks + truth, (2000, x.size)), x, ("scan",))
    result = xps.subtract_background(series, method=method, **options)
    for name in ("background", "net"):
        ratio = result[name].std("scan") / result[f"{name}_sigma"].mean("scan")
        assert float(np.abs(ratio.dropna("binding_energy") - 1).max()) < 0.1, name


@pytest.fixture(scope="module")
def feo(data_dir):
    """Columns of the CasaXPS export: binding energy, counts and background, ascending."""
    text = (data_dir / "xps/pynxtools/FeO_analyzed_lineshapes_cols.txt").read_text("latin-1").splitlines()
    rows = [line.split("\t") for line in text[8:] if line.strip()]
    table = np.array([[float(row[i]) for i in (9, 1, 6)] for row in rows])[::-1]
    return dict(zip(("x", "counts", "background"), table.T, strict=True))


class TestCasaXPS:
    region = (1486.61 - 786.7632, 1486.61 - 737.52081)
    loss = (335.44588, 551.0, 436.0, 3.0)

    @pytest.mark.parametrize(("meet_end", "tolerance"), [(False, 5e-4), (True, 1.7e-3)])
    def test_tougaard_background_of_feo(self, feo, meet_end, tolerance):
        """The stored U3 constants give the exported background, to a part of its rise; B may be left free."""
        result = xps.subtract_background(
            dataset(feo["counts"], feo["x"]),
            method="tougaard",
            window=self.region,
            loss=self.loss,
            n_end=3,
            meet_end=meet_end,
        )
        inside = np.isfinite(result.background.values)
        rise = np.ptp(feo["background"][inside])
        assert np.abs(result.background.values - feo["background"])[inside].max() < tolerance * rise
        assert float(result.tougaard_b) == pytest.approx(335.44588, rel=2e-3)
