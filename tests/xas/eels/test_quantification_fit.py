"""O/Mn by a model of the whole spectrum: known truth, sigmas that cover, a measured film, angles, what all spectra share."""

import numpy as np
import pytest

import spectra
import xas.eels
from spectra.dataset import failed
from spectra.errors import InvalidInput
from xas.eels import cross_section, effective_collection_angle
from xas.eels.composition.edge_model import convolved, edge_profile, fit_edges
from xas.eels.profiles.demo import simulate_line_scan

WINDOWS = {"background": ((465.0, 524.0), (595.0, 632.0)), "signal": ((530.5, 580.5), (639.0, 689.0))}
FIT = {"method": "fit", "model": "sigmak_sigmal", **WINDOWS}
SCOPE = {"beam_energy": 200.0, "collection_angle": 30.0}


@pytest.fixture(scope="module")
def clean():
    """Two spectra of the simulated line without noise: shell and core."""
    return simulate_line_scan(None).isel(distance=[0, 30])


def test_the_model_finds_the_atoms_that_windows_miss(clean):
    truth = clean.true_atomic_ratio.values
    fit = xas.eels.quantify(clean, **FIT)
    windows = xas.eels.quantify(clean, model="sigmak_sigmal", **WINDOWS)
    alone = xas.eels.quantify(clean.drop_vars("low_loss"), **FIT)
    np.testing.assert_allclose(fit.atomic_ratio[:, 0], truth, rtol=0.04)
    assert (np.abs(alone.atomic_ratio[:, 0] / truth - 1) < 0.08).all()
    assert (windows.atomic_ratio[:, 0] < 0.7 * truth).all()
    assert (fit.edge_redchi < 1).all()
    assert "caution" in fit.atomic_ratio.attrs
    assert fit.atomic_ratio.attrs["method"] == "fit"


def test_a_line_that_was_aligned_comes_back_to_the_truth():
    """Ends that alignment left empty cost nothing; the mean over the noise is right to 2 %."""
    line = simulate_line_scan(0)
    found = xas.eels.quantify(xas.eels.align_zero_loss(line, parts=False), **FIT)
    away = (found.atomic_ratio[:, 0] / line.true_atomic_ratio - 1).values
    assert np.isnan(away).sum() == 1  # the dead one
    assert abs(np.nanmean(away)) < 0.02
    assert float(found.edge_redchi.median()) == pytest.approx(1.0, abs=0.1)


def test_the_low_loss_may_come_beside(clean):
    low = spectra.from_arrays(
        clean.low_energy_loss.values, clean.low_loss.values, axis="energy_loss", dims=("distance",)
    )
    core = clean.drop_vars("low_loss")
    inside = xas.eels.quantify(clean, **FIT).atomic_ratio
    np.testing.assert_allclose(xas.eels.quantify(core, low_loss=low, **FIT).atomic_ratio, inside)
    one = xas.eels.quantify(core, low_loss=low.isel(distance=0), **FIT).atomic_ratio
    np.testing.assert_allclose(one, inside, rtol=1e-3)
    coarse = low.isel(energy_loss=slice(None, None, 2))
    np.testing.assert_allclose(
        xas.eels.quantify(core, low_loss=coarse, **FIT).atomic_ratio, inside, rtol=0.01
    )
    moved = clean.assign_coords(low_energy_loss=clean.low_energy_loss + 3.1)
    np.testing.assert_allclose(xas.eels.quantify(moved, **FIT).atomic_ratio, inside, rtol=1e-3)


@pytest.mark.parametrize("count", [150, pytest.param(600, marks=pytest.mark.long)])
def test_sigmas_of_the_fit_cover(rng, clean, count):
    mean = clean.isel(distance=1)
    truth = float(xas.eels.quantify(mean, gain=1.0, **FIT).atomic_ratio[0])
    noisy = rng.poisson(mean.counts.values, (count, mean.sizes["energy_loss"]))
    drawn = mean.drop_vars(["counts"]).assign(counts=(("scan", "energy_loss"), noisy, {"units": "counts"}))
    found = xas.eels.quantify(drawn, **FIT)
    inside = float((np.abs(found.atomic_ratio - truth) < found.atomic_ratio_sigma).mean())
    assert abs(inside - 0.683) < 3 * np.sqrt(0.68 * 0.32 / count) + 0.01, inside


def test_a_bad_spectrum_does_not_touch_the_others(rng, clean):
    counts = rng.poisson(clean.counts.values[[0, 1, 0, 1]]).astype(float)
    losses = clean.low_loss.values[[0, 1, 0, 1]].copy()
    counts[1, 300:], losses[2] = np.nan, 0.0
    counts[0, :20] = np.nan  # as alignment leaves it
    made = clean.drop_dims("distance").assign(
        counts=(("scan", "energy_loss"), counts, {"units": "counts"}),
        low_loss=(("scan", "low_energy_loss"), losses, {"units": "counts"}),
    )
    found = xas.eels.quantify(made, **FIT)
    assert failed(found).values.tolist() == [False, True, True, False]
    good = xas.eels.quantify(made.isel(scan=[0, 3]), **FIT)
    np.testing.assert_allclose(found.atomic_ratio.isel(scan=[0, 3]), good.atomic_ratio)
    lazy = xas.eels.quantify(made.chunk({"scan": 1}), **FIT)
    np.testing.assert_allclose(lazy.atomic_ratio, found.atomic_ratio)


def test_a_measured_film_is_nearer_to_its_formula_and_the_cross_sections_agree(data_dir):
    """La0.7Sr0.3MnO3, nominal 3.0: 2.1 without, and 2.6 to 2.7 with the low loss, white lines in the model or not."""
    folder = data_dir / "eels" / "exspy"
    film = xas.eels.read(folder / "LSMO_coreloss_raw.msa", beam_energy=300.0, collection_angle=30.0)
    low = xas.eels.read(folder / "LSMO_lowloss_raw.msa")
    windows = {"background": ((485.0, 525.0), (595.0, 635.0)), "signal": ((532.0, 582.0), (645.0, 695.0))}
    found = {}
    for model in ("sigmak_sigmal", "sigmal_white_lines"):
        for name, loss in (("alone", None), ("low", low)):
            fit = xas.eels.quantify(film, method="fit", model=model, low_loss=loss, **windows)
            found[name, model] = float(fit.atomic_ratio[0])
    assert list(found.values()) == pytest.approx([2.09, 2.65, 2.09, 2.65], abs=0.1)
    assert any("chi-square per degree of freedom" in n for n in fit.spectra.history[-1]["notes"])


def test_what_all_spectra_share_is_told_apart(rng, clean):
    counts = rng.poisson(clean.counts.values[[0, 0, 1, 1, 1]])
    line = clean.drop_dims("distance").assign(
        counts=(("distance", "energy_loss"), counts, {"units": "counts"})
    )
    line = line.assign_coords(distance=("distance", np.arange(5.0), {"units": "nm"}))
    core = {"core": {"distance": (2.0, 4.0)}, "core_ratio": 10 / 3}
    for options in ({}, {"method": "fit"}):
        found = xas.eels.quantify(line, **core, **options, **WINDOWS)
        attrs = found.atomic_ratio.attrs
        assert "caution" not in attrs
        share = found.atomic_ratio_common_sigma / found.atomic_ratio
        np.testing.assert_allclose(share, attrs["k_sigma"] / attrs["k"])
        assert (found.atomic_ratio_common_sigma < found.atomic_ratio_sigma).all()
        np.testing.assert_allclose(found.atomic_ratio[2:, 0].mean(), 10 / 3, rtol=0.01)


def test_the_shared_factor_covers(rng, clean):
    """Shell over core, with k from the core of the same line: the sigma holds the noise of both."""
    counts = rng.poisson(clean.counts.values[[0, 1, 1]], (100, 3, clean.sizes["energy_loss"]))
    truth = xas.eels.quantify(clean, k=1.0, gain=1.0, **WINDOWS).atomic_ratio
    truth = float(truth[0, 0] / truth[1, 0])
    hits = []
    for one in counts:
        line = clean.drop_dims("distance").assign(
            counts=(("distance", "energy_loss"), one, {"units": "counts"})
        )
        found = xas.eels.quantify(line, core={"distance": (1.0, 2.0)}, core_ratio=1.0, **WINDOWS)
        hits.append(abs(float(found.atomic_ratio[0, 0]) - truth) < float(found.atomic_ratio_sigma[0, 0]))
    assert abs(np.mean(hits) - 0.683) < 3 * np.sqrt(0.217 / 100)


def slow_share(convergence, collection, theta, count=60):
    """Share collected of an evenly filled cone over that of a parallel beam: averaged over directions of incidence."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    half = (nodes + 1) / 2
    a, b = convergence * np.sqrt(half), collection * np.sqrt(half)
    angle = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    away = (
        a[:, None, None] ** 2
        + b[None, :, None] ** 2
        - 2 * a[:, None, None] * b[None, :, None] * np.cos(angle)
    )
    mean = np.einsum("i,j,ijk->", weights / 2, weights / 2, 1 / (away + theta**2)) / angle.size
    return mean * collection**2 / np.log1p((collection / theta) ** 2)


@pytest.mark.parametrize(("convergence", "collection"), [(10.0, 30.0), (20.0, 21.0), (30.0, 10.0)])
def test_the_effective_angle_is_that_of_direct_integration(convergence, collection):
    beam, loss, rest = 200e3, 640.0, 511060.0
    theta = 1e3 * loss * (beam + rest) / (beam * (beam + 2 * rest))
    share = slow_share(convergence, collection, theta) * max(1.0, (convergence / collection) ** 2)
    expected = theta * np.sqrt(np.expm1(share * np.log1p((collection / theta) ** 2)))
    got = effective_collection_angle(collection, convergence, beam_energy=200.0, loss=loss)
    assert got == pytest.approx(expected, rel=5e-3)


def test_the_effective_angle_of_a_parallel_beam_is_the_angle_itself():
    assert effective_collection_angle(30.0, 1e-3, beam_energy=200.0, loss=640.0) == pytest.approx(
        30.0, rel=1e-4
    )


def test_angles_of_the_microscope_are_used_or_asked_for(clean):
    plain = xas.eels.quantify(clean, model="sigmak_sigmal", **WINDOWS)
    wide = clean.assign_attrs(convergence_angle=30.0)
    corrected = xas.eels.quantify(wide, model="sigmak_sigmal", effective_angle=True, **WINDOWS)
    assert corrected.atomic_ratio.attrs["k"] != pytest.approx(plain.atomic_ratio.attrs["k"], rel=1e-4)
    said = corrected.spectra.history[-1]["resolved"]["collection_angle"]
    assert said == pytest.approx(
        [effective_collection_angle(35.0, 30.0, beam_energy=200.0, loss=e) for e in (555.5, 664.0)]
    )
    assert max(said) < 30
    lacking = clean.copy()
    del lacking.attrs["convergence_angle"]
    with pytest.raises(InvalidInput, match="needs convergence_angle in mrad, a positive number; got None"):
        xas.eels.quantify(lacking, model="sigmak_sigmal", effective_angle=True, **WINDOWS)
    del lacking.attrs["collection_angle"]
    with pytest.raises(InvalidInput, match="needs collection_angle in mrad"):
        xas.eels.quantify(lacking, k=1.0, method="fit", **WINDOWS)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"near_edge": 130.0}, "channels before, between and behind the edges; 6 are needed in each"),
        ({"fit_range": (525.0, 700.0)}, "behind the onsets leaves 0, "),
        ({"low_loss": "core"}, "does not hold the zero-loss peak"),
        ({"low_loss": "other"}, "give one low loss per spectrum"),
    ],
)
def test_refused(clean, options, words):
    core = clean.drop_vars("low_loss")
    three = spectra.from_arrays(
        np.arange(-10.0, 50.0), np.ones((3, 60)), axis="energy_loss", dims=("distance",)
    )
    given = {"core": core.drop_vars("true_shift"), "other": three}
    options = options | ({"low_loss": given[options["low_loss"]]} if "low_loss" in options else {})
    with pytest.raises(InvalidInput, match=words):
        xas.eels.quantify(core, **(FIT | options))


def test_kernels_keep_areas():
    energy = np.arange(500.0, 800.0, 0.5)
    profile = edge_profile(energy, "O", "K", window=(532.2, 582.2), model="sigmak_sigmal", **SCOPE)
    inside = (energy > 532) & (energy <= 582.2)
    assert profile[inside].sum() * 0.5 == pytest.approx(1.0, abs=0.01)
    section = cross_section("O", "K", width=50.0, onset=532.2, **SCOPE).value
    assert profile.max() * section == pytest.approx(section / 50, rel=0.6)
    peak = np.zeros((1, 80))
    peak[0, 20] = 100.0
    np.testing.assert_allclose(convolved(profile, peak, np.array([20.0]))[0], profile, atol=1e-12)
    half = convolved(profile, peak, np.array([19.0]))[0]  # the peak one channel late: the edge, too
    np.testing.assert_allclose(half[1:], profile[:-1], atol=1e-12)


def test_the_fit_is_that_of_least_squares_where_sigmas_are_given(rng):
    energy = np.arange(460.0, 760.0, 1.0)
    edges = np.stack([
        edge_profile(energy, *edge, window=window, model="sigmak_sigmal", **SCOPE)
        for edge, window in ((("O", "K"), (532.0, 582.0)), (("Mn", "L"), (640.0, 690.0)))
    ])  # fmt: skip
    mean = 4e3 * (energy / 500) ** -3.0 + 3e4 * edges[0] + 2e4 * edges[1]
    variance = np.full((1, energy.size), 25.0)
    y = mean + 5 * rng.normal(size=(1, energy.size))
    fitted = fit_edges(energy, y, edges[None], energy > 0, variance=variance)

    from scipy.optimize import curve_fit

    def model(x, a, r, i, j):
        return a * (x / 500) ** -r + i * edges[0] + j * edges[1]

    best, cov = curve_fit(
        model, energy, y[0], p0=(4e3, 3, 3e4, 2e4), sigma=np.full(energy.size, 5.0), absolute_sigma=True
    )
    np.testing.assert_allclose(fitted.intensity[0], best[2:], rtol=1e-5)
    np.testing.assert_allclose(fitted.covariance[0], cov[2:, 2:], rtol=1e-3)
