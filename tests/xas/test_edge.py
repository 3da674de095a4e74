"""Edge positions: reference values of measured oxides, truth, coverage, noise, pre-edges, degenerate spectra."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import spectra
import xas
from spectra.dataset import failed, flag_names
from xas.xanes.edge import half_step, integral_edge

RANGES = {"e0": 6548.0, "pre": (-150.0, -30.0), "post": (50.0, 700.0)}
SHORT_SCANS = {"e0": 6548.0, "pre": (-28.0, -12.0), "post": (42.0, 82.0), "pre_order": 0, "order": 0}


def linear_crossing(x, y, level):
    """Half step as the reference table has it: straight line between the two points of the last passage."""
    half = np.flatnonzero(y < 0.5)[-1]
    white_line = half + 1 + np.argmax(np.where(x[half + 1 :] <= x[half] + 30, y[half + 1 :], -np.inf))
    i = np.flatnonzero(y[:white_line] < level)[-1]
    return x[i] + (level - y[i]) / (y[i + 1] - y[i]) * (x[i + 1] - x[i])


def integral_by_running_maximum(x, y, low, high):
    """The integral of E over the absorption, made single-valued by its running maximum."""
    start, stop = linear_crossing(x, y, low), linear_crossing(x, y, high)
    inside = (x > start) & (x < stop)
    rising = np.maximum.accumulate(np.concatenate([[low], y[inside], [high]]))
    return np.trapezoid(np.concatenate([[start], x[inside], [stop]]), rising) / (high - low)


@pytest.mark.parametrize(
    ("name", "half", "integral"),
    [
        ("MnO_rt_01_xaslib", 6543.8, 6544.4),
        ("Mn3O4_rt_01_xaslib", 6546.0, 6546.7),
        ("Mn2O3_rt_01_xaslib", 6549.7, 6550.5),
        ("MnO2_rt_01_xaslib", 6551.3, 6551.7),
    ],
)
def test_manganese_oxides(measured, name, half, integral):
    scan = xas.normalize(measured(name), **SHORT_SCANS)
    for method, expected in (("half_step", half), ("integral", integral)):
        got = xas.edge_position(scan, method=method)
        assert float(got.edge_position) == pytest.approx(expected, abs=0.1)
        assert 0.002 < float(got.edge_position_sigma) < 0.05


@pytest.mark.parametrize(
    ("name", "half", "integral"),  # with the default ranges, which are not quite those of the table
    [
        ("Mn-Manganosite_bmm", 6544.5, 6545.5),
        ("Mn-Bixbyite_bmm", 6549.0, 6549.7),
        ("Ni-K-LanthanumNickelate_bmm", 8345.5, 8345.5),
        ("Co-K-CoO_bmm", 7718.6, 7719.2),
        ("V2O3_xaslib", 5477.8, 5478.5),
        ("VO2_xaslib", 5480.8, 5481.3),
        ("V2O5_xaslib", 5481.4, 5482.1),  # the first passage of one half, in the pre-edge, is at 5470.2
        ("Fe2O3_rt_xaslib", 7123.3, 7123.8),
    ],
)
def test_other_oxides(measured, name, half, integral):
    scan = xas.normalize(measured(name))
    assert float(xas.edge_position(scan).edge_position) == pytest.approx(half, abs=0.3)
    assert float(xas.edge_position(scan, method="integral").edge_position) == pytest.approx(integral, abs=0.3)


def test_charge_of_lithium_nickel_oxide(charge):
    got = xas.edge_position(charge)
    assert got.edge_position.dims == ("time",)
    first, last = got.edge_position.values[[0, -1]]
    assert first == pytest.approx(8344.76, abs=0.02)
    assert last == pytest.approx(8346.16, abs=0.02)
    assert not failed(got).any()
    obvious = [linear_crossing(charge.energy.values, mu, 0.5) for mu in charge.mu.values]
    np.testing.assert_allclose(got.edge_position, obvious, rtol=0, atol=0.005)


def test_integral_is_the_published_one(charge, measured):
    """By parts here, by the running maximum there."""
    scan = xas.normalize(measured("Mn2O3_rt_01_xaslib"), **SHORT_SCANS)
    cases = [(scan, scan.flat.values), (charge.isel(time=0), charge.mu.values[0])]
    for data, y in cases:
        got = float(xas.edge_position(data, method="integral").edge_position)
        expected = integral_by_running_maximum(data.energy.values, y, 0.15, 1.0)
        assert got == pytest.approx(expected, abs=1e-3)


def test_known_edges_come_back(simulated):
    """A logistic rise passes a level L at its middle + width · ln(L / (1 − L))."""
    energy = np.concatenate(
        [np.arange(6400.0, 6530, 5), np.arange(6530, 6600, 0.25), np.arange(6600, 6900, 2)]
    )
    middle = np.array([6546.0, 6548.07, 6551.4])
    mu = 1 / (1 + np.exp(-(energy - middle[:, None]) / 1.5)) + 0.3 * np.exp(
        -(((energy - middle[:, None] - 14) / 3) ** 2)
    )
    scans = spectra.from_arrays(
        energy, mu, name="mu", dims=("scan",), attrs={"normalized": "yes", "technique": "xas"}
    )
    for level in (0.3, 0.5, 0.8):
        got = xas.edge_position(scans, level=level).edge_position
        np.testing.assert_allclose(got, middle + 1.5 * np.log(level / (1 - level)), rtol=0, atol=2e-3)
    low, high = 0.2, 0.8
    entropy = [level * np.log(level) + (1 - level) * np.log(1 - level) for level in (low, high)]
    got = xas.edge_position(scans, method="integral", levels=(low, high)).edge_position
    expected = middle + 1.5 * (entropy[1] - entropy[0]) / (high - low)
    np.testing.assert_allclose(got, expected, rtol=0, atol=5e-3)


@given(shift=st.floats(-5, 5))
def test_the_position_follows_a_shift_of_the_energies(shift):
    energy = np.concatenate(
        [np.arange(6400.0, 6530, 5), np.arange(6530, 6600, 0.25), np.arange(6600, 6900, 2)]
    )
    mu = 1 / (1 + np.exp(-(energy - 6548.3) / 1.5)) + 0.3 * np.exp(-(((energy - 6562) / 3) ** 2))
    attrs = {"normalized": "yes", "element": "Mn", "edge": "K"}
    for method in ("half_step", "integral"):
        here = xas.edge_position(spectra.from_arrays(energy, mu, name="mu", attrs=attrs), method=method)
        there = xas.edge_position(
            spectra.from_arrays(energy + shift, mu, name="mu", attrs=attrs), method=method
        )
        assert float(there.edge_position - here.edge_position) == pytest.approx(shift, abs=1e-6)


@pytest.mark.parametrize("method", ["half_step", "integral"])
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("noise", [8e-4, 8e-3, 2e-2])  # 0.1, 1 and 2.5 % of the step
def test_the_uncertainty_covers(simulated, method, known, noise):
    truth = xas.edge_position(xas.normalize(simulated(), **RANGES), method=method)
    got = xas.edge_position(
        xas.normalize(simulated(8000, noise=noise, known=known, seed=2), **RANGES), method=method
    )
    pull = ((got.edge_position - truth.edge_position) / got.edge_position_sigma).values
    assert abs(pull.mean()) < 0.05
    assert 0.63 < (abs(pull) < 1).mean() < 0.73  # 0.68 for a normal distribution
    assert 0.90 < (abs(pull) < 2).mean() < 0.99


@pytest.mark.long
@pytest.mark.parametrize("method", ["half_step", "integral"])
@pytest.mark.parametrize("width", [0.8, 1.5, 2.5])
@pytest.mark.parametrize("spacing", [0.1, 0.2, 0.3])
@pytest.mark.parametrize("noise", [1e-3, 5e-3, 1e-2, 2e-2, 4e-2])
def test_the_uncertainty_covers_whatever_the_edge(method, width, spacing, noise):
    """Edges of several widths on grids of scans, against the crossing of the continuous curve."""

    def curve(x):
        return 0.5 + np.arctan((x - 6548.03) / width) / np.pi + 0.4 * np.exp(-(((x - 6556) / 5) ** 2))

    x, fine = np.arange(6518, 6608, spacing), np.arange(6518, 6608, 1e-3)
    draws = curve(x) + noise * np.random.default_rng(1).normal(size=(1500, x.size))
    sigma = np.full(1500, noise)
    if method == "half_step":
        truth = linear_crossing(fine, curve(fine), 0.5)
        got, by_point = half_step(x, draws, sigma)
    else:
        truth = integral_by_running_maximum(fine, curve(fine), 0.15, 1.0)
        got, by_point = integral_edge(x, draws, sigma)
    interpolation = (
        0.002  # eV, what straight lines and cubics between the points leave: not noise, not in the sigma
    )
    pull = (got - truth) / np.hypot(noise * np.sqrt((by_point**2).sum(1)), interpolation)
    assert abs(np.median(pull)) < 0.35
    assert (abs(pull) < 1).mean() > 0.58
    assert (abs(pull) < 2).mean() > 0.88


def test_sensitivity_is_the_derivative(rng):
    x = np.arange(6518.0, 6608, 0.3)
    y = (0.5 + np.arctan((x - 6548) / 1.5) / np.pi + 0.4 * np.exp(-(((x - 6556) / 5) ** 2)))[None]
    for kernel in (half_step, integral_edge):
        position, by_point = kernel(x, y, np.array([1e-5]))
        change = 1e-6 * rng.normal(size=y.shape)
        moved, _ = kernel(x, y + change, np.array([1e-5]))
        assert (moved - position).item() == pytest.approx((by_point * change).sum(), rel=1e-2)


def test_a_pre_edge_peak_higher_than_the_level_does_not_count(simulated):
    plain = xas.edge_position(xas.normalize(simulated(edge=6550.0), **RANGES))
    peaked = xas.edge_position(xas.normalize(simulated(edge=6550.0, pre_edge=0.7), **RANGES))
    assert float(peaked.edge_position) == pytest.approx(float(plain.edge_position), abs=0.01)


def test_a_level_that_is_not_reached_is_flagged(simulated):
    scans = xas.normalize(simulated(2, white_line=0.0), **RANGES)
    got = xas.edge_position(scans, level=1.6)
    assert np.isnan(got.edge_position).all()
    assert np.isnan(got.edge_position_sigma).all()
    assert flag_names(got, scan=0) == ["no_edge_position"]
    got = xas.edge_position(scans, method="integral", levels=(0.15, 1.6))
    assert failed(got).all()


def test_a_bad_spectrum_is_flagged_and_the_others_stand(simulated):
    good = simulated(4, noise=1e-3)
    bad = good.copy(deep=True)
    bad["mu"][1] = np.nan
    bad["mu"][2] = 0.2
    got = xas.edge_position(xas.normalize(bad, **RANGES))
    expected = xas.edge_position(xas.normalize(good, **RANGES))
    assert failed(got).values.tolist() == [False, True, True, False]
    np.testing.assert_allclose(got.edge_position[[0, 3]], expected.edge_position[[0, 3]], rtol=1e-12)
    assert "no_edge_position" in flag_names(got, scan=1)


def test_a_missing_point_on_the_edge_moves_it_little(simulated):
    scans = simulated(2).copy(deep=True)
    middle = int(np.argmin(abs(scans.energy.values - 6548)))
    scans["mu"][1, middle] = np.nan
    got = xas.edge_position(xas.normalize(scans, **RANGES)).edge_position
    assert float(got[1]) == pytest.approx(float(got[0]), abs=0.02)
    assert float(got[1]) != float(got[0])


def test_two_measures_side_by_side(simulated):
    scan = xas.edge_position(xas.normalize(simulated(noise=1e-3), **RANGES))
    both = xas.edge_position(scan, method="integral", name="integral_edge")
    assert float(both.edge_position) == float(scan.edge_position)
    assert {"integral_edge", "integral_edge_sigma"} <= set(both.data_vars)
    assert both.integral_edge.attrs["definition"] == "mean energy between the levels 0.15 and 1"
    again = xas.edge_position(both, level=0.8)
    assert float(again.edge_position) > float(both.edge_position)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"level": 0.0}, "level is in edge steps"),
        ({"level": 7.0}, "level is in edge steps"),
        ({"levels": (1.0, 0.15)}, "levels are two ascending numbers"),
        ({"name": "my edge"}, "name is a variable's name"),
        ({"name": "flat"}, "name = 'flat' is a variable of this dataset already"),
        ({"method": "integrall"}, "did you mean 'integral'"),
    ],
)
def test_nonsense_is_refused_in_one_sentence(simulated, options, sentence):
    scan = xas.normalize(simulated(), **RANGES)
    with pytest.raises(ValueError, match=sentence):
        xas.edge_position(scan, **options)


def test_data_that_are_not_normalised_are_refused(simulated):
    with pytest.raises(ValueError, match="needs the variable 'flat', which xas.normalize adds"):
        xas.edge_position(simulated())


@pytest.mark.parametrize("count", [8, 9, 12, 20])
@pytest.mark.parametrize("kind", ["edge", "flat", "one point"])
def test_few_points_end_in_numbers_flags_or_sentences(count, kind):
    energy = np.linspace(6530.0, 6570, count)
    mu = {
        "edge": 1 / (1 + np.exp(-(energy - 6548) / 1.5)),
        "flat": np.ones(count),
        "one point": np.full(count, np.nan),
    }
    mu["one point"][0] = 1.0
    scan = spectra.from_arrays(
        energy, mu[kind], name="mu", attrs={"normalized": "yes", "element": "Mn", "edge": "K"}
    )
    for method in ("half_step", "integral"):
        got = xas.edge_position(scan, method=method)
        assert (
            bool(failed(got)) == bool(np.isnan(got.edge_position)) == bool(np.isnan(got.edge_position_sigma))
        )
        assert bool(failed(got)) or kind == "edge"


def test_no_points_where_the_edge_is(charge):
    far = charge.sel(energy=slice(8500, 9500))
    with pytest.raises(ValueError, match=r"xas.edge_position finds \d+ points between"):
        xas.edge_position(far.assign_attrs(element="Mn", edge="K").assign(e0=8345.0))
