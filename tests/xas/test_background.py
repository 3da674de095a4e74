"""AUTOBK in closed form: larch's numbers, truth, scale, coverage, missing points, degenerate input."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import UnivariateSpline, splev, splrep

import spectra
import xas
from spectra.dataset import failed, flag_names
from xas.exafs.spline_operator import BackgroundOptions, autobk_operator
from xas.points.wavenumber import K_STEP, window

RANGES = {"e0": 6548.0, "pre": (-150.0, -30.0), "post": (50.0, 700.0)}


def by_larch(larch, scan, **options):
    group = larch.Group(energy=scan.energy.values.copy(), mu=scan.mu.values.copy())
    larch.autobk(group, ek0=float(scan.e0), edge_step=float(scan.edge_step), **options)
    return group


def difference(got, group):
    """Largest |Δχ k²|."""
    assert got.k.size == len(group.k)
    return float(np.abs((got.chi.values - group.chi) * group.k**2).max())


MEASURED = [
    ("Cu_foil_rt_larch", {}),
    ("Ni2O3_rt_01_xaslib", {}),
    ("Mn-Bixbyite_bmm", {}),
    ("Fe2O3_rt_xaslib", {"rbkg": 1.3, "kweight": 2}),
    ("Co-K-CoO_bmm", {"kmin": 1.0, "kmax": 12.0, "kweight": 0}),
    ("V2O3_xaslib", {"window": "kaiser", "dk": 2.0}),
]


@pytest.mark.parametrize(("name", "options"), MEASURED)
def test_same_chi_as_larch_without_clamps(measured, larch, name, options):
    scan = xas.normalize(measured(name))
    theirs = {"win" if k == "window" else k: v for k, v in options.items()}
    group = by_larch(larch, scan, nclamp=0, **theirs)
    got = xas.autobk(scan, clamp="none", **options)
    assert difference(got, group) < 1e-9
    np.testing.assert_allclose(got.bkg.values, group.bkg, atol=1e-9)


@pytest.mark.parametrize(("name", "options"), MEASURED)
def test_same_chi_as_larch_with_its_clamps(measured, larch, name, options):
    """On mu scaled to a step of one, where larch's clamps are in their working range."""
    raw = xas.normalize(measured(name))
    scan = xas.normalize(raw.assign(mu=raw.mu / float(raw.edge_step)), e0=float(raw.e0))
    theirs = {"win" if k == "window" else k: v for k, v in options.items()}
    assert difference(xas.autobk(scan, clamp="larch", **options), by_larch(larch, scan, **theirs)) < 1e-6


@pytest.mark.parametrize("name", ["MnO2_rt_02_xaslib", "MnO2_rt_03_xaslib"])
@pytest.mark.parametrize("scale", [1.0, 10.0, 100.0])
def test_same_chi_as_larch_on_short_scans_where_it_damps_its_steps(measured, larch, name, scale):
    """To k = 4.5 the splines are hardly determined and larch's last full step leads uphill."""
    raw = xas.normalize(measured(name))
    scan = xas.normalize(raw.assign(mu=scale * raw.mu / float(raw.edge_step)), e0=float(raw.e0))
    assert difference(xas.autobk(scan, clamp="larch"), by_larch(larch, scan)) < 1e-9


def test_same_chi_as_larch_on_an_operando_series(charge, larch):
    scans = charge.isel(time=[0, 25, 57]).assign(e0=8340.0, edge_step=("time", np.ones(3)))
    free, clamped = xas.autobk(scans, clamp="none"), xas.autobk(scans, clamp="larch")
    for i in range(3):
        assert difference(free.isel(time=i), by_larch(larch, scans.isel(time=i), nclamp=0)) < 1e-9
        assert difference(clamped.isel(time=i), by_larch(larch, scans.isel(time=i))) < 1e-6


def athena_chi(data_dir, name):
    return np.loadtxt(data_dir / "xas" / name, comments="#", unpack=True)[:2]


def rms(got, k, chi, low=3.0, high=15.0):
    """Root of the mean square difference of k²χ and the largest k²χ, between two k."""
    inside = got.k.values[(got.k > low) & (got.k < high)]
    other = np.interp(inside, k, chi) * inside**2
    return np.sqrt(np.mean((got.chi.sel(k=inside).values * inside**2 - other) ** 2)), abs(other).max()


def test_chi_of_copper_at_10_k_is_athenas_within_half_a_percent(data_dir):
    """Parameters as in the header of Athena's file."""
    energy, mu = np.loadtxt(data_dir / "xas" / "Cu_foil_10K_demeter.dat", comments="#", unpack=True)
    scan = spectra.from_arrays(energy, mu, name="mu", attrs={"element": "Cu", "edge": "K"})
    scan = xas.normalize(scan, e0=8977.58, pre=(-150.0, -30.0), post=(50.0, 2364.89))
    assert float(scan.edge_step) == pytest.approx(2.306, rel=2e-3)
    got = xas.autobk(scan, rbkg=1.0, kweight=1)
    difference, size = rms(got, *athena_chi(data_dir, "ref_Cu_10K_athena.chi"))
    assert difference < 0.005 * size


def test_chi_of_copper_is_ifeffits(measured, data_dir):
    got = xas.autobk(xas.normalize(measured("Cu_foil_rt_larch"), e0=8981.0))
    difference, size = rms(got, *athena_chi(data_dir, "ref_Cu_ifeffit.chi"))
    assert difference < 0.007 * size


def test_the_obvious_way_gives_the_same(simulated):
    """Spline coefficients by least squares on residuals that are computed one unit vector at a time."""
    scan = xas.normalize(simulated(noise=1e-3), **RANGES)
    got = xas.autobk(scan, clamp="linear", clamp_low=0.3, clamp_high=2.0, nclamp=4, kweight=2)
    energy, mu = scan.energy.values, scan.mu.values
    first = np.flatnonzero(energy <= 6548.0)[-1]
    k = np.sign(energy[first:] - 6548) * np.sqrt(0.2624684 * abs(energy[first:] - 6548))
    grid, n_r = got.k.values, 0
    count = 1 + int(2 * k[-1] / np.pi)
    n_r = int(1 + (count - 1) * np.pi / (2 * np.pi / (K_STEP * 2048) * k[-1]))
    sites = np.array([k[np.argmin(abs(k - q))] for q in np.linspace(0, k[-1], count)])
    weight = grid**2 * window(grid, 0, k[-1], taper=0.1)

    def residual(background, data):
        chi = UnivariateSpline(k, data - background, s=0)(grid)
        fourier = np.fft.fft(chi * weight, 2048)[:n_r] * K_STEP / np.sqrt(np.pi)
        return np.concatenate([fourier.real, fourier.imag, 0.3 * chi[:4], 2.0 * chi[-4:]]), chi

    splines = [splev(k, splrep(sites, unit, k=3)) for unit in np.eye(count)]
    columns = np.stack([residual(s, np.zeros_like(k))[0] for s in splines], axis=1)
    start, _ = residual(np.zeros_like(k), mu[first:])
    solution = np.linalg.lstsq(-columns, start, rcond=None)[0]
    background = solution @ np.array(splines)
    np.testing.assert_allclose(got.bkg.values[first:], background, atol=1e-6)
    _, chi = residual(background, mu[first:])
    np.testing.assert_allclose(got.chi.values, chi / float(scan.edge_step), atol=1e-6)


def test_the_shell_of_a_simulated_spectrum_comes_back():
    """One shell at 2.5 Å on a smooth background: chi is what was put in, inside the range."""
    energy = np.concatenate(
        [np.arange(6340.0, 6540, 5), np.arange(6540, 6580, 0.25), np.arange(6580, 7400, 2)]
    )
    k = np.sqrt(0.2624684 * np.clip(energy - 6548, 0, None))
    truth = 0.5 * np.sin(5.0 * k) * np.exp(-0.012 * k**2) / (1 + k)
    rise = 1 / (1 + np.exp(-np.clip((energy - 6548) / 0.3, -700, 700)))
    mu = 0.2 + 0.9 * rise * (1 - 1e-4 * (energy - 6548) + 0.02 * np.sin(k / 3)) + 0.9 * rise * truth
    scan = xas.autobk(xas.normalize(spectra.from_arrays(energy, mu, name="mu"), **RANGES), kweight=1)
    expected = 0.5 * np.sin(5.0 * scan.k) * np.exp(-0.012 * scan.k**2) / (1 + scan.k)
    inside = scan.k.values[(scan.k > 3) & (scan.k < 13)]
    error = ((scan.chi - expected) * scan.k**2).sel(k=inside)
    assert float(abs(error).max()) < 0.05 * float(abs(expected * scan.k**2).max())


@settings(max_examples=25)
@given(scale=st.floats(1e-3, 1e3))
def test_chi_does_not_depend_on_the_scale_of_mu(scale):
    energy = np.concatenate(
        [np.arange(6340.0, 6540, 5), np.arange(6540, 6580, 0.5), np.arange(6580, 7200, 3)]
    )
    k = np.sqrt(0.2624684 * np.clip(energy - 6548, 0, None))
    mu = (1 + 0.1 * np.sin(5 * k) * np.exp(-0.01 * k**2)) / (1 + np.exp(-(energy - 6548) / 1.5))
    scans = spectra.from_arrays(energy, np.stack([mu, scale * mu]), name="mu", dims=("scan",))
    got = xas.autobk(xas.normalize(scans, e0=6548.0), clamp_high=5.0)
    np.testing.assert_allclose(got.chi[1], got.chi[0], atol=1e-11)


def test_a_thousandfold_mu_changes_nothing_on_measured_spectra(measured):
    scan = measured("Cu_foil_rt_larch")
    got = xas.autobk(xas.normalize(scan, e0=8980.5))
    large = xas.autobk(xas.normalize(scan.assign(mu=1000 * scan.mu), e0=8980.5))
    assert float(abs((large.chi - got.chi) * got.k**2).max()) < 1e-11


def test_larch_clamps_that_do_not_settle_are_said(simulated):
    scan = simulated(2, noise=1e-3)
    large = xas.normalize(scan.assign(mu=5000 * scan.mu), **RANGES)
    got = xas.autobk(large, clamp="larch")
    assert flag_names(got, scan=0) in ([], ["clamp_not_settled"])
    assert not failed(got).any()
    assert flag_names(xas.autobk(xas.normalize(scan, **RANGES), clamp="larch"), scan=0) == []


def test_clamps_pull_the_ends_to_zero(simulated):
    scan = xas.normalize(simulated(noise=5e-3), **RANGES)
    free, held = xas.autobk(scan, clamp="none"), xas.autobk(scan, clamp_high=100.0)
    assert float(abs(held.chi[-3:]).max()) < float(abs(free.chi[-3:]).max())
    none = xas.autobk(scan, clamp="linear", clamp_high=0.0)
    np.testing.assert_allclose(none.chi, free.chi, atol=1e-12)


@pytest.mark.parametrize("known", [True, False])
def test_the_uncertainty_of_chi_covers(simulated, known):
    truth = xas.autobk(xas.normalize(simulated(), **RANGES))
    got = xas.autobk(xas.normalize(simulated(1500, noise=4e-3, known=known, seed=3), **RANGES))
    pulls = ((got.chi - truth.chi) / got.chi_sigma).isel(k=slice(10, None, 5))
    # the step, which all points share, adds its own uncertainty in proportion to chi: small here
    np.testing.assert_allclose(pulls.std("scan"), 1, atol=0.08)
    assert abs(float(pulls.mean())) < 0.05
    assert float((abs(pulls) < 1).mean()) == pytest.approx(0.683, abs=0.02)


def test_uncertainties_per_point_are_propagated(simulated, rng):
    clean = simulated()
    sigma = np.linspace(1e-3, 2e-2, clean.energy.size)
    mu = clean.mu.values + sigma * rng.normal(size=(1500, sigma.size))
    scans = spectra.from_arrays(
        clean.energy.values, mu, name="mu", dims=("scan",), sigma=np.broadcast_to(sigma, mu.shape)
    )
    truth, got = (xas.autobk(xas.normalize(d, **RANGES)) for d in (clean, scans))
    pulls = ((got.chi - truth.chi) / got.chi_sigma).isel(k=slice(10, None, 5))
    np.testing.assert_allclose(pulls.std("scan"), 1, atol=0.09)


@pytest.mark.long
@pytest.mark.parametrize("clamp", ["none", "linear", "larch"])
def test_the_covariance_of_chi_is_exact_at_every_k(simulated, clamp):
    truth = xas.autobk(xas.normalize(simulated(), **RANGES), clamp=clamp)
    got = xas.autobk(xas.normalize(simulated(6000, noise=2e-3, known=True, seed=5), **RANGES), clamp=clamp)
    step = got.edge_step / truth.edge_step  # taken out: chi_sigma is that of the points
    pulls = (got.chi * step - truth.chi) / got.chi_sigma
    np.testing.assert_allclose(pulls.std("scan"), 1, atol=0.04)


def test_missing_points_stay_where_they_are(simulated):
    scans = simulated(3, noise=1e-4).copy(deep=True)
    scans["mu"][1, [200, 350, 500]] = np.nan
    whole = xas.autobk(xas.normalize(scans, **RANGES))
    complete = xas.autobk(xas.normalize(simulated(3, noise=1e-4), **RANGES))
    assert np.isnan(whole.bkg[1, [200, 350, 500]]).all()
    assert np.isfinite(whole.chi).all()
    assert not failed(whole).any()
    for i in (0, 2):
        np.testing.assert_allclose(whole.chi[i], complete.chi[i], rtol=1e-10, atol=1e-14)
    kept = np.delete(np.arange(scans.energy.size), [200, 350, 500])
    alone = xas.autobk(xas.normalize(scans.isel(scan=1, energy=kept), **RANGES))
    np.testing.assert_allclose(whole.chi[1], alone.chi, atol=1e-12)


def test_chi_beyond_the_last_finite_point_is_not_known(simulated):
    scans = simulated(2, noise=1e-4).copy(deep=True)
    scans["mu"][1, -100:] = np.nan
    got = xas.autobk(xas.normalize(scans, e0=6548.0))
    last = np.sqrt(0.2624684 * (float(scans.energy[-101]) - 6548))
    assert np.isfinite(got.chi[1].sel(k=slice(None, last - 0.05))).all()
    assert np.isnan(got.chi[1].sel(k=slice(last + 0.05, None))).all()
    assert np.isfinite(got.chi[0]).all()


def test_one_bad_spectrum_is_flagged_and_the_others_are_as_without_it(simulated):
    good = simulated(4, noise=1e-3)
    bad = good.copy(deep=True)
    bad["mu"][1], bad["mu"][2] = np.nan, 0.3
    got, reference = (xas.autobk(xas.normalize(d, **RANGES)) for d in (bad, good))
    assert failed(got).values.tolist() == [False, True, True, False]
    assert np.isnan(got.chi[[1, 2]]).all()
    assert "no_background" in flag_names(got, scan=2)
    np.testing.assert_allclose(got.chi[[0, 3]], reference.chi[[0, 3]], rtol=1e-10, atol=1e-14)


def test_spectra_with_their_own_e0_share_the_k_grid(simulated):
    scans = xas.normalize(simulated(edge=np.array([6546.0, 6549.0])), e0="each", pre=(-150.0, -30.0))
    got = xas.autobk(scans)
    for i in range(2):
        alone = xas.autobk(scans.isel(scan=i), kmax=float(got.spectra.history[-1]["resolved"]["kmax"]))
        np.testing.assert_allclose(got.chi[i], alone.chi, atol=1e-12)


def test_a_lazy_series_gives_the_same(simulated):
    scans = xas.normalize(simulated(6, noise=1e-3), **RANGES)
    lazy = xas.autobk(scans.chunk({"scan": 2}))
    assert lazy.chi.chunks is not None
    xr.testing.assert_allclose(lazy.compute().chi, xas.autobk(scans).chi, rtol=1e-10)


def test_a_second_call_replaces_what_lies_along_k(simulated):
    scan = xas.fourier(xas.autobk(xas.normalize(simulated(noise=1e-3), **RANGES)))
    again = xas.autobk(scan, kmax=10.0)
    assert float(again.k[-1]) == pytest.approx(10.0)
    assert "chir_mag" not in again
    assert "results along k and r of an earlier call were replaced" in again.spectra.history[-1]["notes"]


def test_normalised_data_need_e0_only(charge):
    got = xas.autobk(charge.isel(time=[0]), e0=8340.0)
    assert got.chi.attrs["units"] == ""
    assert got.k.attrs["units"] == "1/angstrom"
    with pytest.raises(ValueError, match="needs e0, the origin of k"):
        xas.autobk(charge)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"kmin": 14.0}, r"kmin = 14 leaves nothing of the data, which end at k = 14.4"),
        ({"rbkg": 0.0}, "rbkg is a distance above zero"),
        ({"dk": -1.0}, "kmin, dk and nclamp are not below zero"),
        ({"nclamp": -3}, "kmin, dk and nclamp are not below zero"),
        ({"clamp": "linaer"}, "did you mean 'linear'"),
        ({"window": "hann"}, "did you mean 'hanning'"),
    ],
)
def test_nonsense_is_refused_in_one_sentence(simulated, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        xas.autobk(xas.normalize(simulated(), **RANGES), **options)


def test_too_few_points_above_e0(charge, simulated):
    coarse = charge.isel(time=[0], energy=slice(0, None, 200))
    with pytest.raises(
        ValueError, match=r"8 points lie between e0 = 8340 eV and k = \d+.\d+ 1/Å, too few for a spline"
    ):
        xas.autobk(coarse, e0=8340.0)
    scans = xas.normalize(simulated(2), **RANGES).copy(deep=True)
    scans["mu"][1, 210:550] = np.nan
    assert flag_names(xas.autobk(scans), scan=1) in ([], ["no_background"])
    assert np.isfinite(xas.autobk(scans).chi[0]).all()


def test_without_a_step_it_says_what_to_call(simulated):
    with pytest.raises(ValueError, match="needs the variable 'edge_step', which xas.normalize adds"):
        xas.autobk(simulated())


def test_notes_say_what_was_not_as_asked(simulated):
    scan = xas.normalize(simulated(), **RANGES)
    notes = xas.autobk(scan, kmax=30.0).spectra.history[-1]["notes"]
    assert notes == ["kmax = 30 1/Å was asked for and the data end at 14.395"]
    short = xas.normalize(simulated(energy=np.arange(6500.0, 6556, 0.5)), e0=6548.0)
    notes = xas.autobk(short, clamp="none").spectra.history[-1]["notes"]
    assert any("are determined to rank" in n for n in notes)


def test_chi_ends_before_the_next_edge():
    energy = np.arange(5600.0, 6400, 1)
    mu = 1 / (1 + np.exp(-(energy - 5727) / 2)) + 0.5 / (1 + np.exp(-(energy - 6168) / 2))
    ceria = spectra.from_arrays(energy, mu, name="mu", attrs={"element": "Ce", "edge": "L3"})
    got = xas.autobk(xas.normalize(ceria))
    assert float(got.k[-1]) == pytest.approx(np.sqrt(0.2624684 * (6154 - float(got.e0))), abs=0.05)


def test_operator_is_a_projection(simulated):
    """What the splines describe leaves no chi: O B = 0, in the span that the data determine."""
    energy = simulated().energy.values
    for clamp in ("none", "linear"):
        options = BackgroundOptions(1.0, 0.0, 14.0, 1.0, "hanning", 0.1, clamp, 0.0, 1.0, 3)
        operator = autobk_operator(energy, 6548.0, options)
        assert operator.rank == operator.splines.shape[1]
        assert np.abs(operator.chi @ operator.splines).max() < 1e-9
