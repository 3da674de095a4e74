"""Edges as sums of reference edges: known mixtures of measured curves, sigmas by Monte Carlo, an independent fit beside."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import CubicSpline
from scipy.optimize import minimize_scalar, nnls

import spectra
import xas
from spectra.errors import InvalidInput
from spectra.verbs import history
from xas.eels.references.curves import ReferenceCurve
from xas.eels.references.fit import fit_reference_curves

VALENCES = {"MnO": 2.0, "LaMnO3": 3.0, "SrMnO3": 4.0}
#: Shares, shift in eV and energies in eV of the simulated mixtures.
SHARES, SHIFT, GRID = np.array([0.3, 0.5, 0.2]), 0.37, np.arange(638.6, 660.4, 0.1)


@pytest.fixture(scope="module")
def measured(data_dir):
    """Digitised soft X-ray curves of manganese oxides without their background, averaged on even distances."""
    curves = {}
    for name in (*VALENCES, "YBaMn3AlO7"):
        path = data_dir / "softxas" / "mn_l23" / f"Data2_{name}.csv"
        energy, mu = np.genfromtxt(path, delimiter=",", skip_header=1, encoding="utf-8-sig").T
        energy, first = np.unique(energy, return_index=True)
        curves[name] = ReferenceCurve(energy, mu[first] - mu[first][:10].mean()).regular()
    return curves


@pytest.fixture(scope="module")
def references(measured):
    return [measured[n] for n in VALENCES]


def mixture(references, shares, shift, x=GRID):
    """Sum of the references, each of area 1 inside the window, moved up by ``shift``."""
    unit = [CubicSpline(c.x, c.y)(x - shift) / c.between(x[0], x[-1]) for c in references]
    return np.asarray(shares) @ np.array(unit)


def inside(value, truth, sigma):
    return (np.abs(value - truth) < sigma).mean(0)


@pytest.mark.parametrize("shares", [(0.3, 0.5, 0.2), (0.0, 1.0, 0.0), (0.9, 0.0, 0.1)])
@pytest.mark.parametrize("shift", [-1.3, 0.0, 0.37])
def test_mixtures_of_measured_curves_are_recovered(references, frozen, shares, shift):
    x = np.arange(638.6, 660.4, 0.1)
    made = fit_reference_curves(
        frozen(x), frozen(1e4 * mixture(references, shares, shift)), references, gain=1.0
    )
    np.testing.assert_allclose(made.fraction, shares, atol=2e-4)
    assert float(made.shift) == pytest.approx(shift, abs=2e-4)
    assert float(made.misfit) < 1e-3


def test_an_independent_fit_agrees(references, rng):
    """Slow and obvious: the best shift by a search, at each the non-negative least squares of scipy with the same weights."""
    mean = 600 * mixture(references, SHARES, SHIFT) / 0.05 + 300
    for _ in range(3):
        y = rng.poisson(mean).astype(float)
        sigma = np.sqrt(mean)
        made = fit_reference_curves(
            GRID, y, references, variance=sigma**2, background="linear", shift=(-1.0, 1.0), spikes=False
        )
        ramp = 2 * (GRID - GRID[0]) / (GRID[-1] - GRID[0]) - 1
        sides = np.stack([np.ones_like(ramp), -np.ones_like(ramp), ramp, -ramp])

        def solved(s, y=y, sigma=sigma, sides=sides):
            unit = [CubicSpline(c.x, c.y)(GRID - s) / c.between(GRID[0], GRID[-1]) for c in references]
            return nnls((np.concatenate([unit, sides]) / sigma).T, y / sigma)

        best = minimize_scalar(
            lambda s: solved(s)[1], bounds=(0.2, 0.6), method="bounded", options={"xatol": 1e-7}
        )
        area = solved(best.x)[0][:3]
        np.testing.assert_allclose(made.fraction, area / area.sum(), atol=2e-3)
        assert float(made.shift) == pytest.approx(best.x, abs=2e-3)
        assert float(made.redchi) == pytest.approx(best.fun**2 / (GRID.size - 6), rel=1e-4)


def scatter(references, counts, rows, rng, shares=SHARES, background="linear", level=0.5):
    """Fits of Poisson counts of a mixture with ``counts`` per channel on the edge, on a level of part of that."""
    mean = mixture(references, shares, SHIFT)
    mean = mean / mean.mean() * counts + level * counts
    y = rng.poisson(mean, size=(rows, GRID.size)).astype(float)
    return fit_reference_curves(GRID, y, references, gain=1.0, background=background, keep_fit=False)


@settings(max_examples=25)
@given(scale=st.floats(1e-3, 1e4), move=st.floats(-200, 200), order=st.permutations(range(3)))
def test_scale_place_and_order_change_nothing_else(references, scale, move, order):
    """Other units with their gain, another place on the axis and another order of the references: the same numbers."""
    y = np.random.default_rng(3).poisson(400 * mixture(references, SHARES, SHIFT) / 0.05 + 200).astype(float)
    one = fit_reference_curves(GRID, y, references, gain=1.0, background="linear")
    moved = [ReferenceCurve(references[k].x + move, references[k].y) for k in order]
    other = fit_reference_curves(GRID + move, scale * y, moved, gain=scale, background="linear")
    np.testing.assert_allclose(other.fraction, one.fraction[list(order)], atol=0.02 * sigma_of(one).min())
    np.testing.assert_allclose(sigma_of(other), sigma_of(one)[list(order)], rtol=1e-3)
    assert float(other.shift) == pytest.approx(float(one.shift), abs=0.02 * float(one.shift_sigma))
    assert float(other.redchi) == pytest.approx(float(one.redchi), rel=1e-3)


def sigma_of(made):
    return np.sqrt(np.einsum("...ii->...i", made.covariance))


@pytest.mark.parametrize("counts", [10, 1000])
def test_sigmas_cover_quickly(references, rng, counts):
    made = scatter(references, counts, 800, rng)
    assert (
        (inside(made.fraction, SHARES, sigma_of(made)) > 0.6)
        & (inside(made.fraction, SHARES, sigma_of(made)) < 0.76)
    ).all()
    assert 0.6 < inside(made.shift, SHIFT, made.shift_sigma) < 0.76


@pytest.mark.long
@pytest.mark.parametrize("counts", [10, 30, 100, 1000, 1e5])
def test_fractions_shift_and_valence_are_covered_and_unbiased(references, rng, counts):
    """Shares away from 0 and 1: ± sigma holds the truth in 63 to 73 % of cases, and the mean is within 2.5 % of a sigma."""
    rows = 6000
    made = scatter(references, counts, rows, rng)
    valences = np.array([2.0, 3.0, 4.0])
    value, sigma = xas.mixture_valence(made.fraction, made.covariance, valences)
    for got, truth, spread in (
        *zip(made.fraction.T, SHARES, sigma_of(made).T, strict=True), (made.shift, SHIFT, made.shift_sigma), (value, SHARES @ valences, sigma),
    ):  # fmt: skip
        assert np.isfinite(got).all()
        assert 0.63 < inside(got, truth, spread) < 0.73
        assert got.std() == pytest.approx(spread.mean(), rel=0.06)
        assert abs(got.mean() - truth) < 3.5 * got.std() / np.sqrt(rows) + 0.025 * got.std()
    assert made.redchi.mean() == pytest.approx(1, abs=0.02)


def test_at_nothing_and_everything_sigmas_cover_more(references, rng):
    """A share of zero is found as zero half of the time, and its sigma says what would go unnoticed."""
    made = scatter(references, 300, 1500, rng, shares=(0.0, 1.0, 0.0))
    held = made.fraction[:, 0] == 0
    assert 0.4 < held.mean() < 0.75
    covered = inside(made.fraction, np.array([0, 1.0, 0]), sigma_of(made))
    assert (covered > 0.68).all()
    assert (covered < 0.97).all()
    assert made.fraction[:, 0].mean() < sigma_of(made)[:, 0].mean()  # the bias that the limit makes


def test_a_reference_of_its_own_noise(references, rng):
    """Noisy references move all fits alike: by as much as ``reference_covariance`` says."""
    truth = mixture(references, SHARES, 0.0)
    got, said = [], []
    for _ in range(150):
        noisy = []
        for one in references:
            variance = np.full(one.y.size, (0.001 * one.y.max()) ** 2)
            noisy.append(
                ReferenceCurve(one.x, one.y + rng.normal(size=one.y.size) * np.sqrt(variance), variance)
            )
        made = fit_reference_curves(GRID, 1e6 * truth, noisy, gain=1.0, shift=None, spikes=False)
        got.append(made.fraction)
        said.append(np.sqrt(np.diag(made.reference_covariance)))
    np.testing.assert_allclose(np.std(got, axis=0), np.mean(said, axis=0), rtol=0.2)


def power_law(loss, counts=2000.0):
    return counts * (loss / 620) ** -3.2


def core_loss(references, rng, rows, loss, counts=3000.0, background=2000.0):
    made = counts / 0.05 * mixture(references, SHARES, SHIFT, loss)
    return rng.poisson(power_law(loss, background) + made, size=(rows, loss.size)).astype(float)


@pytest.fixture(scope="module")
def long_references(measured):
    """The curves with nothing in front of the edge, and going on level behind it: for energy losses."""
    out = []
    for name in VALENCES:
        one = measured[name]
        front, back = np.arange(570.0, one.x[0] - 0.05, 0.1), np.arange(one.x[-1] + 0.1, 690.0, 0.1)
        y = np.concatenate([0 * front, one.y, 0 * back + one.y[-5:].mean()])
        out.append(ReferenceCurve(np.concatenate([front, one.x, back]), y))
    return out


@pytest.mark.parametrize("where", ["before", "inside"])
def test_the_background_s_doubt_is_part_of_sigma(long_references, rng, where):
    """Power law subtracted before from a short window, or fitted together: sigmas cover in both."""
    rows, loss = 700, np.arange(610.0, 670.0, 0.2)
    y = core_loss(long_references, rng, rows, loss, counts=300.0)
    scan = spectra.from_arrays(
        loss, y, axis="energy_loss", name="counts", units="counts", dims=("scan",), attrs={"element": "Mn"}
    )
    if where == "before":
        scan = xas.eels.subtract_background(scan, window=(612, 634))
    named = {
        n: spectra.from_arrays(c.x, c.y, axis="energy_loss", name="intensity")
        for n, c in zip(VALENCES, long_references, strict=True)
    }
    window = (636, 665) if where == "before" else (612, 665)
    made = xas.eels.fit_references(scan, references=named, valences=VALENCES, window=window, keep="numbers")
    unit = np.array([c.between(*window) for c in long_references])
    before = np.array([c.between(loss[0], loss[-1]) for c in long_references])
    truth = SHARES * unit / before
    truth = truth / truth.sum()
    for i, share in enumerate(truth):
        assert 0.61 < inside(made.fraction.values[:, i], share, made.fraction_sigma.values[:, i]) < 0.75
    assert 0.61 < inside(made.reference_shift.values, SHIFT, made.reference_shift_sigma.values) < 0.75
    assert abs(made.valence.mean() - truth @ [2, 3, 4]) < 0.1 * made.valence_sigma.mean()
    assert "best_fit" not in made


def series(references, y, x=GRID, **attrs):
    return spectra.from_arrays(
        x, y, axis="energy", name="counts", units="counts", dims=("pixel",),
        attrs={"technique": "xas", "element": "Mn", "edge": "L3"} | attrs,
    )  # fmt: skip


@pytest.fixture(scope="module")
def named(references):
    attrs = {"element": "Mn", "edge": "L3"}
    return {
        n: spectra.from_arrays(c.x, c.y, axis="energy", name="mu", attrs=attrs)
        for n, c in zip(VALENCES, references, strict=True)
    }


def test_bad_pixels_are_flagged_and_the_others_are_what_they_were(references, named, rng):
    mean = 2000 * mixture(references, SHARES, SHIFT) / 0.05 + 500
    y = rng.poisson(mean, size=(8, GRID.size)).astype(float)
    options = {"references": named, "valences": VALENCES, "window": (638.6, 660.3)}
    good = xas.eels.fit_references(series(references, y), **options)
    bad = y.copy()
    bad[0] = np.nan
    bad[1] = 0
    bad[2] = -5
    bad[3, 100] += 60000
    bad[4, 50] = np.nan
    bad[5, 3] = -400
    moved = rng.poisson(2000 * mixture(references, SHARES, 2.6) / 0.05 + 500)
    bad[6] = moved
    made = xas.eels.fit_references(series(references, bad), **options)
    names = [spectra.dataset.flag_names(made, pixel=i) for i in range(8)]
    for i in (0, 1, 2):
        assert "no_combination" in names[i]
        assert np.isnan(made.valence[i])
    assert "spikes_left_out" in names[3]
    assert abs(made.valence[3] - good.valence[3]) < 0.3 * good.valence_sigma[3]
    assert names[4] == []
    assert abs(made.valence[4] - good.valence[4]) < 0.5 * good.valence_sigma[4]
    assert "negative_counts" in names[5]
    assert "shift_at_limit" in names[6]
    assert np.isnan(made.reference_shift_sigma[6])
    np.testing.assert_array_equal(made.valence[7], good.valence[7])


def test_a_reference_that_ends_inside_the_window_is_said(references, named, rng):
    x = np.arange(638.0, 662.0, 0.1)
    mean = np.interp(x + 1.3, GRID, 2000 * mixture(references, SHARES, 0.0) / 0.05 + 500)
    scan = series(references, rng.poisson(mean, size=(2, mean.size)), np.arange(638.0, 662.7, 0.1)[: x.size])
    made = xas.eels.fit_references(scan, references=named, window=(638, 661.9))
    assert spectra.dataset.flag_names(made, pixel=0).count("reference_too_short") == 1


def test_what_no_reference_shows_is_undecided(references, named, measured, rng):
    """A trivalent compound is no mixture of a divalent and a tetravalent one, whatever the sum says."""
    pure = 4000 * mixture([measured["LaMnO3"]], [1.0], 0.0) / 0.05
    scan = series(references, rng.poisson(pure, size=(2, GRID.size)))
    ends = {n: named[n] for n in ("MnO", "SrMnO3")}
    made = xas.eels.fit_references(
        scan, references=ends, valences={"MnO": 2.0, "SrMnO3": 4.0}, background="none"
    )
    assert {"undecided", "references_insufficient"} <= set(spectra.dataset.flag_names(made, pixel=0))
    assert (made.misfit > 0.1).all()
    fine = xas.eels.fit_references(scan, references=named, valences=VALENCES, background="none")
    assert "undecided" not in spectra.dataset.flag_names(fine, pixel=0)
    np.testing.assert_allclose(fine.valence, 3.0, atol=0.03)


def test_residuals_that_go_together_are_fewer_values(references, rng):
    """Noise correlated over channels, as resampling leaves it: with it unknown, sigmas grow until they cover again."""
    r, rows = 0.8, 1500
    noise = rng.normal(size=(rows, GRID.size))
    for i in range(1, GRID.size):
        noise[:, i] = r * noise[:, i - 1] + np.sqrt(1 - r**2) * noise[:, i]
    y = 1e4 * mixture(references, SHARES, 0.2) + 4 * noise
    made = fit_reference_curves(GRID, y, references, counting=False, keep_fit=False)
    covered = inside(made.fraction, SHARES, sigma_of(made))
    assert ((covered > 0.6) & (covered < 0.9)).all()
    assert (
        sigma_of(made).mean()
        > 2
        * sigma_of(
            fit_reference_curves(GRID, y, references, variance=np.full(GRID.size, 16.0), keep_fit=False)
        ).mean()
    )


def test_broadening_makes_sharper_references_alike(references, rng):
    broad = [one.broadened(1.0) for one in references]
    y = rng.poisson(3000 * mixture(broad, SHARES, 0.2) / 0.05, size=(20, GRID.size)).astype(float)
    made = fit_reference_curves(GRID, y, broad, gain=1.0)
    plain = fit_reference_curves(GRID, y, references, gain=1.0)
    assert made.redchi.mean() < 1.2 < plain.redchi.mean()
    np.testing.assert_allclose(made.fraction.mean(0), SHARES, atol=0.01)


def test_a_common_broadening_is_found_on_the_series(references, named, rng):
    """Every spectrum with a shift of its own: a sum of them would be broader than any."""
    broad = [one.broadened(0.8) for one in references]
    y = [rng.poisson(2000 * mixture(broad, SHARES, s) / 0.05 + 300) for s in rng.uniform(-0.4, 0.4, 12)]
    scan = series(references, np.array(y))
    made = xas.eels.fit_references(scan, references=named, valences=VALENCES, broadening="common")
    said = next(text for text in history(made)[-1]["notes"] if "found on the series" in text)
    width, sigma = (float(v) for v in re.findall(r"([0-9.]+) ± ([0-9.]+) eV", said)[0])
    assert abs(width - 0.8) < 3.5 * sigma
    assert 0 < sigma < 0.05
    assert history(made)[-1]["resolved"]["broadening"] == pytest.approx(width, abs=1e-3)
    assert made.redchi.mean() < 1.1
    sharp = series(
        references, rng.poisson(200 * mixture(references, SHARES, 0.1) / 0.05 + 300, size=(6, GRID.size))
    )
    assert (
        float(
            re.findall(
                r"with ([0-9.]+) ±",
                " ".join(
                    history(xas.eels.fit_references(sharp, references=named, broadening="common"))[-1][
                        "notes"
                    ]
                ),
            )[0]
        )
        < 0.25
    )


def test_the_history_holds_the_references_and_runs_again(references, named, rng):
    y = rng.poisson(2000 * mixture(references, SHARES, SHIFT) / 0.05 + 500, size=(2, GRID.size))
    made = xas.eels.fit_references(series(references, y), references=named, valences=VALENCES, keep="curves")
    kept = history(made)[-1]["resolved"]
    again = xas.eels.fit_references(
        series(references, y), references=kept["references"], valences=VALENCES, window=tuple(kept["window"])
    )
    np.testing.assert_allclose(again.fraction, made.fraction, atol=1e-12)
    total = made.reference_curve.sum("reference") + made.fitted_background
    np.testing.assert_allclose(total, made.best_fit, rtol=1e-3, atol=1e-3 * float(made.best_fit.max()))


class TestBadInput:
    def fit(self, scan, named, **options):
        return xas.eels.fit_references(scan, **({"references": named} | options))

    @pytest.fixture
    def scan(self, references):
        return series(references, np.full((2, GRID.size), 100.0) + mixture(references, SHARES, 0.0) * 1e4)

    @pytest.mark.parametrize(
        ("options", "sentence"),
        [
            ({"references": {}}, "references are 1 to 8 spectra by name, got 0"),
            ({"shift": (1.0, -1.0)}, r"shift is two ascending numbers within ±10 eV, or None, got \(1, -1\)"),
            ({"broadening": -1.0}, "broadening is a full width of 0 to 10 eV, or 'common', got -1"),
            ({"gain": 0.0}, "gain is the variance per count, above 0, got 0"),
            ({"valences": {"MnO": 2.0}}, "valences name all references, MnO, LaMnO3, SrMnO3, got MnO"),
            ({"window": (600.0, 660.0)}, "reference 'MnO' runs from .* and the fit needs 600.0 to 660.0 eV"),
            (
                {"window": (640.0, 641.0)},
                r"window \(640, 641\) holds 11 channels, and 6 numbers are fitted: widen it",
            ),
            (
                {"background": "subtracted"},
                "needs the variable 'net', which xas.eels.subtract_background adds",
            ),
        ],
    )
    def test_a_sentence_each(self, scan, named, options, sentence):
        with pytest.raises(InvalidInput, match=sentence):
            self.fit(scan, named, **options)

    def test_another_element_is_refused(self, scan, named):
        iron = named["MnO"].assign_attrs(element="Fe")
        with pytest.raises(
            InvalidInput, match="reference 'FeO' is of the element 'Fe' and the data are of 'Mn'"
        ):
            self.fit(scan, {"FeO": iron, "SrMnO3": named["SrMnO3"]})

    def test_the_same_twice_is_refused(self, scan, named):
        with pytest.raises(
            InvalidInput, match="references 'a' and 'b' are the same spectrum inside the window"
        ):
            self.fit(scan, {"a": named["MnO"], "b": 2 * named["MnO"].assign_attrs(signal="mu")})

    def test_another_resolution_is_said(self, scan, named):
        sharp = {n: d.assign_attrs(energy_resolution=0.2) for n, d in named.items()}
        made = self.fit(scan.assign_attrs(energy_resolution=0.8), sharp)
        assert any("broadening=0.77 makes them alike" in text for text in history(made)[-1]["notes"])
        made = self.fit(scan.assign_attrs(energy_resolution=0.1), sharp)
        assert any("sharper data cannot be described" in text for text in history(made)[-1]["notes"])

    def test_a_series_is_no_reference(self, scan, named):
        with pytest.raises(
            InvalidInput, match="reference 'many' is one spectrum along energy_loss or energy, got pixel"
        ):
            self.fit(scan, {"many": scan, "MnO": named["MnO"]})
