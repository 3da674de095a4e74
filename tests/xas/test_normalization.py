"""Normalisation: larch's numbers, the stated uncertainties, missing points, bad spectra, ranges."""

import json
import warnings

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import spectra
import xas
from spectra.dataset import failed, flag_names
from xas.normalization.ranges import choose_ranges

RANGES = {"e0": 6548.0, "pre": (-150.0, -30.0), "post": (50.0, 700.0)}


def by_larch(larch, energy, mu, **options):
    group = larch.Group(energy=np.array(energy), mu=np.array(mu))
    larch.pre_edge(group, **options)
    return group


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({}, {}),
        (
            {"pre": (-120.0, -25.0), "post": (40.0, 500.0)},
            {"pre1": -120, "pre2": -25, "norm1": 40, "norm2": 500},
        ),
        (
            {"pre": (-61.3, -20.7), "post": (30.0, 133.0)},
            {"pre1": -61.3, "pre2": -20.7, "norm1": 30, "norm2": 133},
        ),
        ({"order": 3}, {"nnorm": 3}),
        ({"order": 5, "post": (20.0, 750.0)}, {"nnorm": 5, "norm1": 20, "norm2": 750}),
        ({"pre_order": 0, "order": 0}, {"npre": 0, "nnorm": 0}),
        ({"victoreen": 3.0}, {"nvict": 3}),
    ],
)
@pytest.mark.parametrize("e0", [6548.0, 6547.93])  # on the grid and off it
def test_same_numbers_as_larch(simulated, larch, ours, theirs, e0):
    scan = simulated(noise=1e-3)
    got = xas.normalize(scan, e0=e0, **ours)
    expected = by_larch(larch, scan.energy, scan.mu, e0=e0, **theirs)
    assert float(got.edge_step) == pytest.approx(expected.edge_step, rel=1e-9)
    for name in ("norm", "flat", "pre_edge", "post_edge"):
        np.testing.assert_allclose(got[name].values, getattr(expected, name), atol=2e-10, err_msg=name)


@pytest.mark.parametrize(
    "name",
    [
        "Cu_foil_rt_larch",
        "Fe2O3_rt_xaslib",
        "Mn-Manganosite_bmm",
        "NiOH2_rt_01_xaslib",
        "V2O5_xaslib",
        "CeO2_L3_xaslib",
    ],
)
def test_same_numbers_as_larch_on_measured_spectra(measured, larch, name):
    scan = measured(name)
    got = xas.normalize(scan)
    expected = by_larch(larch, scan.energy, scan.mu, e0=float(got.e0))
    assert float(got.edge_step) == pytest.approx(expected.edge_step, rel=1e-9)
    np.testing.assert_allclose(got.flat.values, expected.flat, atol=1e-9)


def test_a_negative_end_counts_from_the_end_of_the_data(simulated):
    scan = simulated(noise=1e-3)
    end = float(scan.energy[-1]) - 6548.0
    from_end = xas.normalize(scan, e0=6548.0, post=(50.0, -200.0))
    from_e0 = xas.normalize(scan, e0=6548.0, post=(50.0, end - 200.0))
    assert float(from_end.edge_step) == float(from_e0.edge_step)
    assert float(from_end.edge_step) != float(xas.normalize(scan, e0=6548.0, post=(50.0, end)).edge_step)


def test_one_fit_per_spectrum_gives_the_same(simulated):
    """The obvious way: a loop with polyfit on the points of the ranges."""
    scans = simulated(4, noise=0.01, edge=6548.0)
    got = xas.normalize(scans, **RANGES, order=2)
    energy = scans.energy.values
    first = np.flatnonzero(energy <= 6548 - 150)[-1], np.argmin(abs(energy - (6548 - 30)))
    second = np.flatnonzero(energy <= 6548 + 50)[-1], np.argmin(abs(energy - (6548 + 700)))
    for i, mu in enumerate(scans.mu.values):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            line = np.polyval(np.polyfit(energy[slice(*first)], mu[slice(*first)], 1), energy)
            above = np.polyfit(energy[slice(*second)] - 6548, (mu - line)[slice(*second)], 2)
        step = np.polyval(above, energy[np.argmin(abs(energy - 6548))] - 6548)
        assert float(got.edge_step[i]) == pytest.approx(step, rel=1e-9)
        np.testing.assert_allclose(got.norm[i], (mu - line) / step, atol=1e-9)


def test_a_step_between_a_line_and_a_parabola_comes_back():
    """What the model describes exactly is recovered exactly."""
    energy = np.arange(6340.0, 7340, 1)
    x, steps = energy - 6548, np.array([[0.05], [0.8], [2.5]])
    rise = 1 / (1 + np.exp(-np.clip(x / 0.8, -700, 700)))
    mu = 0.3 - 2e-4 * x + steps * rise * (1 - 1e-4 * x + 5e-8 * x**2)
    scans = spectra.from_arrays(energy, mu, name="mu", dims=("scan",))
    got = xas.normalize(scans, **RANGES)
    np.testing.assert_allclose(got.edge_step, steps[:, 0], rtol=1e-9)
    np.testing.assert_allclose(got.flat.sel(energy=slice(6600, None)), 1, atol=1e-8)
    np.testing.assert_allclose(got.flat.sel(energy=slice(None, 6500)), 0, atol=1e-8)


@given(scale=st.floats(1e-4, 1e4), slope=st.floats(-1e-2, 1e-2), offset=st.floats(-10, 10))
def test_a_line_and_a_factor_leave_the_normalised_spectrum_as_it_is(scale, slope, offset):
    energy = np.arange(6400.0, 7000, 1)
    mu = 0.8 / (1 + np.exp(-(energy - 6548) / 1.5))
    both = np.stack([mu, scale * (mu + slope * (energy - 6548) + offset)])
    scans = spectra.from_arrays(energy, both, name="mu", dims=("scan",))
    got = xas.normalize(scans, e0=6548.0, pre=(-120.0, -30.0), post=(50.0, 400.0))
    np.testing.assert_allclose(got.norm[1], got.norm[0], atol=1e-9)
    assert float(got.edge_step[1]) == pytest.approx(scale * float(got.edge_step[0]), rel=1e-8)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("noise", [1e-3, 2e-2])
def test_the_uncertainties_cover(simulated, known, noise):
    """Of 1500 draws, the values scatter about that without noise as the sigmas say."""
    truth = xas.normalize(simulated(), **RANGES)
    got = xas.normalize(simulated(1500, noise=noise, known=known, seed=4), **RANGES)
    pull = (got.edge_step - truth.edge_step) / got.edge_step_sigma
    assert abs(float(pull.mean())) < 0.1
    assert float(pull.std()) == pytest.approx(1, abs=0.06)
    pulls = (got.norm - truth.norm) / got.norm_sigma
    # before the range, in the pre-edge range, on the edge, in the post-edge range, behind it
    for energy in (6350, 6450, 6548, 6556, 6800, 7320):
        assert float(pulls.sel(energy=energy, method="nearest").std()) == pytest.approx(1, abs=0.07), energy
    assert got.edge_step_sigma.attrs["noise"] == ("mu_sigma" if known else "estimated from the spectrum")


def test_uncertainties_per_point_are_propagated(simulated, rng):
    """Noise that grows with energy, given with the data."""
    clean = simulated()
    sigma = np.linspace(1e-3, 3e-2, clean.energy.size)
    mu = clean.mu.values + sigma * rng.normal(size=(1500, sigma.size))
    scans = spectra.from_arrays(
        clean.energy.values, mu, name="mu", dims=("scan",), sigma=np.broadcast_to(sigma, mu.shape)
    )
    truth, got = xas.normalize(clean, **RANGES), xas.normalize(scans, **RANGES)
    assert float(((got.edge_step - truth.edge_step) / got.edge_step_sigma).std()) == pytest.approx(
        1, abs=0.06
    )
    pulls = ((got.norm - truth.norm) / got.norm_sigma).std("scan")
    np.testing.assert_allclose(pulls[::20], 1, atol=0.08)


def test_missing_points_change_nothing_beside_them(simulated):
    scans = simulated(3, noise=1e-3).copy(deep=True)
    scans["mu"][1, [10, 100, 300]] = np.nan
    whole = xas.normalize(scans, **RANGES)
    assert np.isnan(whole.norm[1, [10, 100, 300]]).all()
    kept = np.delete(np.arange(scans.energy.size), [10, 100, 300])
    alone = xas.normalize(scans.isel(scan=1, energy=kept), **RANGES)
    np.testing.assert_allclose(whole.norm[1, kept], alone.norm, rtol=1e-12)
    np.testing.assert_allclose(whole.norm_sigma[1, kept], alone.norm_sigma, rtol=1e-9)
    for i in (0, 2):
        xr.testing.assert_equal(
            whole.norm[i],
            xas.normalize(simulated(3, noise=1e-3), **RANGES).norm[i].drop_vars("scan", errors="ignore"),
        )


def test_one_bad_spectrum_is_flagged_and_the_others_are_as_without_it(simulated):
    good = simulated(5, noise=1e-3)
    bad = good.copy(deep=True)
    bad["mu"][1] = np.nan
    bad["mu"][2] = 0.3  # a dead channel
    bad["mu"][3, :60] = np.nan  # nothing before the edge
    got, reference = xas.normalize(bad), xas.normalize(good)
    assert failed(got).values.tolist() == [False, True, True, True, False]
    assert [flag_names(got, scan=i) for i in (1, 2, 3)] == [["no_range"], ["no_edge"], ["no_range"]]
    for name in ("edge_step", "norm", "flat", "norm_sigma", "pre_edge"):
        assert np.isnan(got[name][[1, 2, 3]]).all(), name
        np.testing.assert_allclose(got[name][[0, 4]], reference[name][[0, 4]], rtol=1e-12, atol=1e-14)


def test_a_spectrum_that_falls_at_the_edge_has_no_step(simulated):
    falling = simulated(2).copy(deep=True)
    falling["mu"][1] = -falling.mu[1]
    assert flag_names(xas.normalize(falling, **RANGES), scan=1) == ["no_edge"]


def test_each_spectrum_may_have_its_own_e0(simulated):
    edges = np.array([6546.0, 6548.5, 6551.0])
    scans = simulated(edge=edges, noise=1e-4)
    got = xas.normalize(scans, e0="each", pre=(-150.0, -30.0), post=(50.0, 700.0))
    np.testing.assert_allclose(np.diff(got.e0), np.diff(edges), atol=0.06)
    for i in range(3):
        alone = xas.normalize(
            scans.isel(scan=i), e0=float(got.e0[i]), pre=(-150.0, -30.0), post=(50.0, 700.0)
        )
        np.testing.assert_allclose(got.flat[i], alone.flat, atol=1e-12)
    lost = scans.copy(deep=True)
    lost["mu"][1] = 1.0
    assert failed(xas.normalize(lost, e0="each")).values.tolist() == [False, True, False]


def test_a_lazy_series_gives_the_same(simulated):
    scans = simulated(6, noise=1e-3)
    lazy = xas.normalize(scans.chunk({"scan": 2}), **RANGES)
    assert lazy.norm.chunks is not None
    xr.testing.assert_allclose(lazy.compute().norm, xas.normalize(scans, **RANGES).norm, rtol=1e-12)


def test_history_says_what_the_defaults_came_to(simulated):
    (entry,) = json.loads(xas.normalize(simulated()).attrs["history"])[-1:]
    assert set(entry["resolved"]) == {"e0", "pre", "post", "order", "pre_order"}
    assert entry["resolved"]["order"] == 2
    assert "near the tabulated Mn K edge at 6539 eV" in entry["notes"][0]


def test_the_next_edge_ends_the_default_range():
    energy = np.arange(5600.0, 6400, 1)
    mu = 1 / (1 + np.exp(-(energy - 5727) / 2)) + 0.5 / (1 + np.exp(-(energy - 6168) / 2))
    ceria = spectra.from_arrays(energy, mu, name="mu", attrs={"element": "Ce", "edge": "L3"})
    got = xas.normalize(ceria)
    entry = got.spectra.history[-1]
    assert entry["resolved"]["post"][1] + float(got.e0) == pytest.approx(6154)
    assert any("next edge at 6164 eV" in n for n in entry["notes"])
    assert float(got.edge_step) == pytest.approx(1, abs=0.01)
    across = xas.normalize(ceria, post=(50.0, 650.0)).spectra.history[-1]["notes"]
    assert "the next edge at 6164 eV lies inside the post-edge range" in across


def test_a_short_pre_edge_gives_a_constant():
    """High-resolution scans begin a few eV below the edge."""
    energy = np.arange(6544.0, 6650, 0.25)
    mu = 0.1 + 0.8 / (1 + np.exp(-(energy - 6548) / 0.8))
    got = xas.normalize(spectra.from_arrays(energy, mu, name="mu"), e0=6548.0, pre=(-4.0, -3.4))
    assert "holds fewer than 3 points: constant, not a line" in str(got.spectra.history[-1]["notes"])
    assert float(got.edge_step) == pytest.approx(0.79, abs=0.02)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"e0": 9000.0}, r"e0 = 9000 eV lies outside of the data, 6340 to 7337.5 eV"),
        ({"pre": (-150.0, 30.0)}, r"pre = \(-150, 30\) reaches above e0"),
        ({"pre": (-400.0, -300.0)}, r"pre = \(-400, -300\) holds no data: they begin 208.0 eV below e0"),
        ({"post": (-50.0, 100.0)}, r"post = \(-50, 100\) begins below e0"),
        ({"post": (900.0, 950.0)}, r"post = \(900, 950\) holds no data: they end 789.5 eV above e0"),
        ({"post": (101.0, 101.5)}, r"post = \(101, 101.5\) holds \d points"),
        ({"post": (100.0, 106.0), "order": 5}, r"order = 5 needs more than 5 points"),
        ({"order": 7}, r"order must be"),
        ({"e0": "first"}, r"e0 must be a valid number or 'series' or 'each'"),
        ({"pre": "low"}, r"pre must be"),
    ],
)
def test_nonsense_is_refused_in_one_sentence(simulated, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        xas.normalize(simulated(), **{"e0": 6548.0, **options})


def test_ranges_that_reach_beyond_the_data_are_cut_and_said(simulated):
    notes = xas.normalize(simulated(), e0=6548.0, pre=(-400.0, -30.0), post=(50.0, 2000.0)).spectra.history[
        -1
    ]["notes"]
    assert "the pre-edge range was asked from -400 eV and begins with the data at -208.0 eV" in notes
    assert "the post-edge range was asked to 2000 eV and ends with the data at 789.5 eV" in notes


def test_default_ranges_are_those_of_larch():
    energy = np.arange(6340.0, 7340, 1)
    ranges = choose_ranges(energy, 6548.0)
    assert ranges.pre == (-205.0, -102.5)
    assert ranges.post == (25.0, 790.0)
    short = choose_ranges(np.arange(6520.0, 6570, 0.5), 6548.0)
    assert (short.post, short.order) == ((5.0, 20.0), 0)


def test_the_wrong_technique_is_refused():
    xps = spectra.from_arrays(
        np.arange(100.0), np.ones(100), axis="binding_energy", attrs={"technique": "xps"}
    )
    with pytest.raises(ValueError, match="works along energy, and this dataset has binding_energy"):
        xas.normalize(xps)


def test_an_axis_that_may_be_an_angle_needs_its_edge_named():
    energy = np.linspace(40.0, 85.0, 400)
    mu = 0.3 + 0.8 / (1 + np.exp(-(energy - 54.7) / 0.3))
    with pytest.raises(
        ValueError, match="may be eV or degrees of a monochromator. If they are eV name the edge"
    ):
        xas.normalize(spectra.from_arrays(energy, mu, name="mu"))
    named = spectra.from_arrays(energy, mu, name="mu", attrs={"element": "Li", "edge": "K"})
    assert 0.5 < xas.normalize(named, pre=(-14, -4), post=(8, 29)).edge_step < 1.2


@pytest.mark.parametrize(("low", "high"), [(6.4, 6.9), (10.0, 12.0)])
def test_an_axis_in_kev_or_degrees_is_told(low, high):
    energy = np.linspace(low, high, 400)
    mu = 0.3 + 0.8 / (1 + np.exp(-(energy - energy[150]) / 0.002))
    scan = spectra.from_arrays(energy, mu, name="mu", attrs={"element": "Mn", "edge": "K"})
    for options in ({}, {"e0": float(energy[150])}):
        with pytest.raises(
            ValueError, match=r"is no absorption in eV. If they are in keV give axis_units='keV'"
        ):
            xas.normalize(scan, **options)
