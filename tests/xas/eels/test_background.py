"""Backgrounds: truth recovered, sigmas that cover, bad pixels that stop nothing."""

import numpy as np
import pytest

import spectra
import xas
from spectra.dataset import flag_names
from spectra.errors import InvalidInput
from xas.eels.background.fit import fit_curve
from xas.eels.background.neighbourhood import box_sum
from xas.eels.channels.curves import Curve, exponential, polynomial, power_law, power_laws

LOSS = np.arange(572.0, 690.0, 0.3)
WINDOW = (592.0, 632.0)
FRONT = (LOSS >= WINDOW[0]) & (LOSS <= WINDOW[1])
L3 = (LOSS >= 639) & (LOSS <= 649)


def edge(level):
    """Counts under and of a simulated Mn L3, nearly as high as the background; its tail reaches the fit window."""
    background = level * (LOSS / 632) ** -3.0
    line = 0.9 * level / (1 + ((LOSS - 644) / 1.6) ** 2) + 0.2 * level * (LOSS > 644)
    return background, line


def dataset(counts, **options):
    dims = ("scan", "y", "x")[3 - (np.ndim(counts) - 1) :] if np.ndim(counts) > 1 else ()
    return spectra.from_arrays(
        LOSS, counts, axis="energy_loss", name="counts", units=options.pop("units", "counts"), dims=dims,
        attrs={"technique": "eels"}, **options,
    )  # fmt: skip


def net_of_l3(counts, estimator):
    """Net counts of L3, and their sigma in closed form."""
    curve = power_law(LOSS[FRONT])
    fitted = fit_curve(curve, LOSS[FRONT], counts[:, FRONT], estimator=estimator)
    net = counts[:, L3].sum(-1) - curve.value(LOSS[L3], fitted.parameters).sum(-1)
    slope = curve.response(LOSS[L3], fitted.parameters, np.ones((len(counts), L3.sum())))
    variance = counts[:, L3].sum(-1) + np.einsum("ri,rij,rj->r", slope, fitted.covariance, slope)
    return net, np.sqrt(variance)


@pytest.mark.parametrize("level", [1877, 9])
def test_the_closed_form_is_the_scatter_of_a_monte_carlo(level, rng):
    background, line = edge(level)
    counts = rng.poisson(background + line, size=(4000, LOSS.size)).astype(float)
    net, sigma = net_of_l3(counts, "maximum_likelihood")
    assert np.mean(sigma) / np.std(net) == pytest.approx(1, abs=0.05)
    inside = np.abs(net - net.mean()) < sigma
    assert 0.63 < inside.mean() < 0.73


@pytest.mark.long
@pytest.mark.parametrize(
    ("level", "worse", "percent"),
    [(1877, 0.0, 1.6), (188, 0.6, 5.0), (47, 2.5, 10.2), (19, 6.2, 16.0), (9, 12.6, 22.6)],
)
def test_the_table_of_biases(level, worse, percent, rng):
    """Two areas and maximum likelihood differ by noise only; logarithms lose percents of the edge as counts get few."""
    background, line = edge(level)
    counts = rng.poisson(background + line, size=(4000, LOSS.size)).astype(float)
    bias, scatter = {}, {}
    for estimator in ("two_area", "log_linear", "maximum_likelihood"):
        net, sigma = net_of_l3(counts, estimator)
        bias[estimator], scatter[estimator] = 100 * (net.mean() / line[L3].sum() - 1), net.std()
        if estimator != "log_linear":
            assert sigma.mean() / net.std() == pytest.approx(1, abs=0.05)
    noise = 100 * scatter["maximum_likelihood"] / line[L3].sum() / np.sqrt(4000)
    tail = 100 * (net_of_l3((background + line)[None], "maximum_likelihood")[0][0] / line[L3].sum() - 1)
    assert -4 < tail < -1
    for estimator in ("two_area", "maximum_likelihood"):
        assert bias[estimator] == pytest.approx(tail, abs=4 * noise + 0.3)
    assert bias["maximum_likelihood"] - bias["log_linear"] == pytest.approx(worse, rel=0.15, abs=0.15)
    assert 100 * scatter["maximum_likelihood"] / line[L3].sum() == pytest.approx(percent, rel=0.08)
    assert scatter["two_area"] > 1.05 * scatter["maximum_likelihood"]


def test_maximum_likelihood_is_the_maximum(rng):
    """Scoring against a slow minimisation of the likelihood itself."""
    from scipy.optimize import minimize

    counts = rng.poisson(edge(30)[0][FRONT]).astype(float)
    curve = power_law(LOSS[FRONT])

    def minus_log_likelihood(p):
        mu = np.exp(p[0]) * (LOSS[FRONT] / curve.reference) ** -p[1]
        return (mu - counts * np.log(mu)).sum()

    slow = minimize(
        minus_log_likelihood, [3, 2], method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-10}
    )
    fast = fit_curve(curve, LOSS[FRONT], counts)
    np.testing.assert_allclose(fast.parameters, slow.x, atol=2e-5)


@pytest.mark.parametrize("estimator", ["maximum_likelihood", "two_area", "log_linear"])
def test_a_power_law_is_found_exactly(estimator):
    curve = power_law(LOSS[FRONT])
    truth = np.array([[7.0, 3.2], [2.0, 0.5]])
    tolerance = 1e-4 if estimator == "two_area" else 1e-9  # a channel holds its middle, not its mean
    found = fit_curve(curve, LOSS[FRONT], curve.value(LOSS[FRONT], truth), estimator=estimator)
    np.testing.assert_allclose(found.parameters, truth, atol=tolerance)


@pytest.mark.parametrize(
    ("curve", "truth"),
    [
        (exponential(LOSS[FRONT]), [6.0, 0.004]),
        (power_laws(LOSS[FRONT], (2.0, 4.0)), [300.0, 500.0]),
        (polynomial(LOSS[FRONT], 2), [900.0, -80.0, 4.0]),
    ],
    ids=lambda v: v.kind if isinstance(v, Curve) else "",
)
class TestOtherCurves:
    def test_found_exactly(self, curve, truth):
        found = fit_curve(curve, LOSS[FRONT], curve.value(LOSS[FRONT], np.array(truth)))
        np.testing.assert_allclose(found.parameters, truth, rtol=1e-7)

    def test_the_covariance_is_the_scatter(self, curve, truth, rng):
        counts = rng.poisson(curve.value(LOSS[FRONT], np.array(truth)), size=(3000, FRONT.sum()))
        found = fit_curve(curve, LOSS[FRONT], counts)
        stated = found.covariance.mean(0)
        np.testing.assert_allclose(
            np.cov(found.parameters.T), stated, rtol=0.1, atol=0.05 * np.abs(stated).max()
        )


@pytest.mark.parametrize("estimator", ["maximum_likelihood", "two_area", "log_linear"])
def test_each_estimator_covers_where_counts_are_many(estimator, rng):
    """The background 12 eV behind its window, within the sigma of its parameters."""
    curve, truth = power_law(LOSS[FRONT]), np.array([np.log(5000.0), 3.0])
    counts = rng.poisson(curve.value(LOSS[FRONT], truth), size=(3000, FRONT.sum()))
    found = fit_curve(curve, LOSS[FRONT], counts, estimator=estimator)
    behind = LOSS[L3]
    off = (curve.value(behind, found.parameters) - curve.value(behind, truth)).sum(-1)
    slope = curve.response(behind, found.parameters, np.ones((3000, L3.sum())))
    sigma = np.sqrt(np.einsum("ri,rij,rj->r", slope, found.covariance, slope))
    assert 0.63 < (np.abs(off) < sigma).mean() < 0.73


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("power_law", {}),
        ("power_law", {"average": 3}),
        ("power_laws", {"exponents": (2.0, 4.0)}),
        ("exponential", {}),
        ("polynomial", {"degree": 2}),
        ("linear", {}),
    ],
)
def test_each_model_covers(method, options, rng):
    """What is left behind the window of a background of the model's own shape, within the sigma of all its parts."""
    from xas.eels.channels.linear_variance import Noise

    t = (LOSS - 612) / 20
    shapes = {
        "power_law": 300 * (LOSS / 612) ** -3.0,
        "power_laws": 100 * (LOSS / 612) ** -2.0 + 200 * (LOSS / 612) ** -4.0,
        "exponential": 300 * np.exp(-(LOSS - 612) / 200),
        "polynomial": 300 - 20 * t + 2 * t**2,
        "linear": 300 - 12 * t,
    }
    counts = rng.poisson(shapes[method], size=(40, 40, LOSS.size)).astype(float)
    made = xas.eels.subtract_background(dataset(counts), window=WINDOW, method=method, **options)
    flat = {n: made[n].values.reshape(1600, *made[n].shape[2:]) for n in made.data_vars}
    noise = Noise(
        LOSS, flat["counts"], Curve.from_attrs(made.background.attrs), flat["background_parameter"],
        flat["background_covariance"], flat["background"],
    )  # fmt: skip
    sums, covariance = noise.sums(np.broadcast_to(L3.astype(float), (1, 1600, LOSS.size)), flat["net"])
    inside = np.abs(sums[:, 0]) < np.sqrt(covariance[:, 0, 0])
    assert 0.63 < inside.mean() < (0.75 if "average" in options else 0.73)  # neighbours share their exponents


def test_two_areas_as_they_are_often_written():
    """With the arithmetic middle and without the 1: the same but for some thousandths."""
    curve = power_law(LOSS[FRONT])
    y = curve.value(LOSS[FRONT], np.array([7.0, 3.2]))
    half = FRONT.sum() // 2
    first, second = y[:half].sum() * 0.3, y[half : 2 * half].sum() * 0.3
    e1, e2 = LOSS[FRONT][0] - 0.15, LOSS[FRONT][2 * half - 1] + 0.15
    r = 2 * np.log(first / second) / np.log(e2 / e1)
    amplitude = (1 - r) * (first + second) / (e2 ** (1 - r) - e1 ** (1 - r))
    own = fit_curve(curve, LOSS[FRONT], y, estimator="two_area").parameters
    assert own[1] == pytest.approx(r, abs=0.02)
    assert np.exp(own[0]) == pytest.approx(amplitude * curve.reference**-r, rel=1e-3)


def test_single_rows_are_what_they_are_in_a_block(rng):
    counts = rng.poisson(edge(20)[0], size=(300, LOSS.size))[:, FRONT]
    whole = fit_curve(power_law(LOSS[FRONT]), LOSS[FRONT], counts)
    one = fit_curve(power_law(LOSS[FRONT]), LOSS[FRONT], counts[17])
    np.testing.assert_array_equal(one.parameters, whole.parameters[17])


def test_linear_amplitudes_are_not_negative():
    curve = power_laws(LOSS[FRONT], (2.0, 4.0))
    steeper = 1000 * (LOSS[FRONT] / 610) ** -6.0
    found = fit_curve(curve, LOSS[FRONT], steeper)
    assert found.parameters[0] == 0
    assert found.covariance[0, 0] == 0


def test_the_gain_is_what_the_scatter_says(rng):
    counts = 7.0 * rng.poisson(edge(400)[0], size=(200, LOSS.size))
    one = fit_curve(power_law(LOSS[FRONT]), LOSS[FRONT], counts[:, FRONT], gain=None)
    assert one.dispersion.mean() == pytest.approx(7, rel=0.02)
    known = fit_curve(power_law(LOSS[FRONT]), LOSS[FRONT], counts[:, FRONT], gain=7.0)
    np.testing.assert_allclose(one.covariance.mean(0), known.covariance.mean(0), rtol=0.03)


class TestVerb:
    def test_background_and_net_make_the_signal(self, frozen, rng):
        counts = rng.poisson(sum(edge(300)), size=(2, 3, LOSS.size))
        made = xas.eels.subtract_background(dataset(frozen(counts)), window=WINDOW)
        np.testing.assert_allclose(made.background + made.net, counts)
        assert made.background_parameter.dims == ("y", "x", "background_term")
        sigma = made.background_parameter_sigma.values
        np.testing.assert_allclose(sigma**2, np.einsum("...ii->...i", made.background_covariance.values))
        assert made.background_redchi.values == pytest.approx(1, abs=0.4)

    def test_bad_pixels_stop_nothing(self, frozen, rng):
        """Dead, negative, not finite, and zero in one half of the window."""
        counts = rng.poisson(sum(edge(300)), size=(2, 3, LOSS.size)).astype(float)
        good = xas.eels.subtract_background(dataset(frozen(counts)), window=WINDOW)
        counts[0, 0] = 0
        counts[0, 1] = -5
        counts[0, 2, 120] = np.nan
        counts[1, 0, LOSS > 610] = 0
        counts[1, 1, 100] = -30
        made = xas.eels.subtract_background(dataset(frozen(counts)), window=WINDOW)
        for x in range(3):
            assert flag_names(made, y=0, x=x) == ["no_background"]
            assert made.net[0, x].isnull().all()
        assert flag_names(made, y=1, x=1) == []
        assert np.isfinite(made.net[1, 1]).all()
        np.testing.assert_array_equal(made.net[1, 2], good.net[1, 2])

    def test_single_precision_stays(self, rng):
        counts = rng.poisson(sum(edge(300)), size=(4, LOSS.size)).astype(np.float32)
        made = xas.eels.subtract_background(dataset(counts), window=WINDOW)
        assert made.net.dtype == made.background.dtype == np.float32
        double = xas.eels.subtract_background(dataset(counts.astype(float)), window=WINDOW)
        np.testing.assert_allclose(made.net, double.net, atol=0.01)

    def test_soft_x_rays_get_a_line(self, rng):
        energy = np.arange(630.0, 665.0, 0.1)
        truth = 0.2 + 0.003 * (energy - 630)
        mu = truth + (energy > 640) + rng.normal(scale=0.01, size=energy.size)
        scan = spectra.from_arrays(energy, mu, name="mu", attrs={"technique": "xas"})
        made = xas.eels.subtract_background(scan, window=(630, 638))
        assert made.background.attrs["method"] == "linear"
        np.testing.assert_allclose(
            made.background.sel(energy=slice(None, 638)), truth[energy <= 638], atol=0.01
        )
        assert float(made.background_dispersion) == pytest.approx(1e-4, rel=0.4)
        assert made.background_dispersion.attrs["of"] == "channel"

    def test_stated_sigmas_weigh(self, rng):
        sigma = np.where(LOSS < 612, 5.0, 500.0)
        counts = edge(1000)[0] + rng.normal(scale=sigma)
        made = xas.eels.subtract_background(dataset(counts, sigma=sigma, units=""), window=WINDOW)
        assert float(made.background_redchi) == pytest.approx(1, abs=0.25)
        assert float(made.background_parameter[1]) == pytest.approx(
            3, abs=5 * float(made.background_parameter_sigma[1])
        )

    def test_neighbours_share_the_exponent(self, rng):
        counts = rng.poisson(edge(15)[0] * rng.uniform(0.5, 1.5, size=(12, 12, 1)))
        counts[3, 3] = 0
        alone = xas.eels.subtract_background(dataset(counts), window=WINDOW)
        together = xas.eels.subtract_background(dataset(counts), window=WINDOW, average=5)
        own, shared = (m.background_parameter.sel(background_term="exponent") for m in (alone, together))
        assert float(shared.std()) < 0.4 * float(own.std())
        beyond = LOSS > 640
        for made in (alone, together):  # the sigma of the extrapolated background is the scatter of the net
            curve = Curve.from_attrs(made.background.attrs)
            slope = curve.response(
                LOSS[beyond], made.background_parameter.values, np.ones((12, 12, beyond.sum()))
            )
            covariance = made.background_covariance.values
            total = made.counts[..., beyond].sum("energy_loss")
            variance = np.einsum("yxi,yxij,yxj->yx", slope, covariance, slope) + total
            pulls = made.net[..., beyond].sum("energy_loss") / np.sqrt(variance)
            assert float(pulls.std()) == pytest.approx(1, abs=0.2)
        assert flag_names(together, y=3, x=3) == ["no_background"]

    def test_two_power_laws_of_an_image(self, rng):
        exponents = np.linspace(2.5, 3.5, 40)
        counts = rng.poisson(5000 * (LOSS / 632) ** -exponents[:, None])
        made = xas.eels.subtract_background(
            spectra.from_arrays(LOSS, counts, axis="energy_loss", name="counts", units="counts", dims=("x",)),
            window=WINDOW, method="power_laws",
        )  # fmt: skip
        beyond = made.net.sel(energy_loss=slice(640, None)).mean("energy_loss")
        assert float(np.abs(beyond).max()) < 150
        assert list(made.background_term.values) == ["amplitude_1", "amplitude_2"]

    @pytest.mark.parametrize(
        ("options", "sentence"),
        [
            ({"window": (700, 720)}, "holds 0 channels of data from 572 to 689.9 eV"),
            ({"window": (640, 620)}, "give two ascending energies"),
            ({"window": (600, 800)}, "window ends at 800 eV and the data at 689.9 eV"),
            (
                {"window": WINDOW, "method": "linear", "estimator": "two_area"},
                "is of the power law, not of linear",
            ),
            ({"window": WINDOW, "average": 2}, "average is an odd number"),
            ({"window": WINDOW, "average": 3}, "average needs spectra beside each other"),
            ({"window": WINDOW, "average": 3, "method": "exponential"}, "exponential has none"),
            ({"window": WINDOW, "average": 3, "estimator": "two_area"}, "average goes with"),
            ({"window": WINDOW, "gain": -1.0}, "gain is the variance per count"),
            ({"window": WINDOW, "method": "polynomial", "degree": 9}, "degree is 0 to 5"),
            ({"window": WINDOW, "method": "power_laws"}, "a single spectrum has no spread of exponents"),
            ({"window": WINDOW, "method": "power_laws", "exponents": (2.0, 2.0)}, "two different numbers"),
        ],
    )
    def test_bad_input(self, options, sentence):
        with pytest.raises(InvalidInput, match=sentence.replace("(", r"\(").replace(")", r"\)")):
            xas.eels.subtract_background(dataset(sum(edge(50))), **options)

    def test_more_bad_input(self):
        low = spectra.from_arrays(np.arange(-20.0, 80), np.ones(100), axis="energy_loss", name="counts")
        with pytest.raises(InvalidInput, match="a power law needs energies above 0 eV"):
            xas.eels.subtract_background(low, window=(-10, 10))
        sigma = np.full(LOSS.size, 2.0)
        with pytest.raises(InvalidInput, match="gain is for counts without counts_sigma"):
            xas.eels.subtract_background(dataset(sum(edge(50)), sigma=sigma), window=WINDOW, gain=1.0)
        image = dataset(np.ones((2, 2, LOSS.size)), sigma=np.ones((2, 2, LOSS.size)))
        with pytest.raises(InvalidInput, match="average sums counts"):
            xas.eels.subtract_background(image, window=WINDOW, average=3)


def test_sums_of_neighbours_against_loops(rng):
    values = rng.normal(size=(5, 4, 3))
    slow = np.zeros_like(values)
    for y in range(5):
        for x in range(4):
            slow[y, x] = values[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].sum((0, 1))
    np.testing.assert_allclose(box_sum(values, 3, (0, 1)), slow, atol=1e-12)
