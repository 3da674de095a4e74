"""Linear combination as the verb gives it: parity, coverage from raw spectra, refusals."""

from pathlib import Path

import numpy as np
import pytest

import spectra
import xas
from spectra.dataset import failed, flag_names
from spectra.larch_guard import larch_attribute, larch_function
from spectra.results.rerun import rerun

RANGES = {"pre": (-180, -30), "post": (60, 700)}


@pytest.fixture(scope="module")
def ends(simulated):
    """Two standards, normalised."""
    return {
        "low": xas.normalize(simulated(edge=6546.0, white_line=0.3), e0=6547.0, **RANGES),
        "high": xas.normalize(simulated(edge=6549.5, white_line=0.6), e0=6547.0, **RANGES),
    }


def true_fraction(ends, share):
    """Of "high" in a mixture of raw spectra: each counts by its edge step."""
    low, high = (
        (1 - np.asarray(share)) * float(ends["low"].edge_step),
        np.asarray(share) * float(ends["high"].edge_step),
    )
    return high / (low + high)


def mixture(simulated, share, noise=0.0, seed=0, n=None):
    low = simulated(edge=6546.0, white_line=0.3).mu.values
    high = simulated(edge=6549.5, white_line=0.6).mu.values
    mu = np.multiply.outer(1 - np.asarray(share), low) + np.multiply.outer(np.asarray(share), high)
    if n is not None:
        mu = np.broadcast_to(mu, (n, mu.shape[-1]))
    mu = mu + noise * np.random.default_rng(seed).normal(size=mu.shape)
    data = spectra.from_arrays(
        simulated().energy.values, mu, name="mu", dims=("scan",) * (mu.ndim - 1),
        attrs={"technique": "xas", "element": "Mn", "edge": "K"},
    )  # fmt: skip
    return xas.normalize(data, e0=6547.0, **RANGES)


def test_exact_mixtures_come_back(simulated, ends):
    share = np.array([0.0, 0.25, 0.9])
    found = xas.linear_combination(mixture(simulated, share), standards=ends)
    np.testing.assert_allclose(found.fraction.sel(reference="high"), true_fraction(ends, share), atol=1e-9)
    np.testing.assert_allclose(found.fraction.sum("reference"), 1, atol=1e-12)
    inside = np.isfinite(found.best_fit)
    np.testing.assert_allclose(found.best_fit.where(inside, 0), found.norm.where(inside, 0), atol=1e-9)
    energies = found.energy.values[inside.isel(scan=0).values]
    assert energies[0] >= 6527
    assert energies[-1] <= 6607


@pytest.mark.parametrize("form", ["norm", "flat", "derivative"])
def test_sigma_covers_from_the_raw_spectrum_on(simulated, ends, form):
    """Noise of mu through the normalisation to the fraction: 1500 draws, 63 to 73 %."""
    found = xas.linear_combination(
        mixture(simulated, 0.4, noise=0.004, n=1500), standards=ends, form=form, select="all"
    )
    covered = float(
        (
            np.abs(found.fraction.sel(reference="high") - true_fraction(ends, 0.4))
            < found.fraction_sigma.sel(reference="high")
        ).mean()
    )
    assert 0.63 < covered < 0.73


@pytest.mark.long
@pytest.mark.parametrize("sum_to_one", [True, False])
@pytest.mark.parametrize("noise", [0.001, 0.004, 0.02])
def test_sigma_covers_at_any_noise(simulated, ends, noise, sum_to_one):
    found = xas.linear_combination(
        mixture(simulated, 0.4, noise=noise, n=4000, seed=7),
        standards=ends,
        sum_to_one=sum_to_one,
        select="all",
    )
    truth = float(true_fraction(ends, 0.4))
    error = np.abs(found.fraction - [1 - truth, truth]) < found.fraction_sigma
    for covered in error.mean("scan").values:
        assert 0.63 < covered < 0.73, covered


def two_shells(energy, edge, white_line, r):
    """Absorption of Mn with shells at ``r`` and 1 Å further out."""
    x = energy - edge
    k = np.sqrt(0.2624684 * np.clip(x, 0, None))
    near = 1.5 * np.sin(2 * r * k + 0.5) * np.exp(-0.01 * k**2)
    far = 0.8 * np.sin(2 * (r + 1) * k + 1.0) * np.exp(-0.016 * k**2)
    rise = 0.5 + np.arctan(x / 1.5) / np.pi
    shells = 1 + (near + far) / (1 + k) ** 2 * k**4 / (k**4 + 16)
    return 0.3 - 2e-4 * (energy - 6540) + 0.8 * (rise * shells + white_line * np.exp(-(((x - 8) / 5) ** 2)))


GRIDS = {
    "step": np.concatenate(
        [np.arange(6340.0, 6525, 5), np.arange(6525.0, 6580, 0.25), np.arange(6580.0, 7340, 2.5)]
    ),
    "fine": np.arange(6340.0, 7340, 0.5),
    "even in k": np.concatenate(
        [
            np.arange(6340.0, 6525, 5),
            np.arange(6525.0, 6580, 0.5),
            6547 + 3.81 * np.arange(2.95, 14.3, 0.07) ** 2,
        ]
    ),
}


def covered_by(n, *, form, grid="step", noise=0.004, known=False, rebinned=False, **options):
    """Share of 1-sigma intervals that hold the truth, for mixtures 60:40 of two oxides with noise from mu on.

    With ``known`` the noise is three times larger behind 6700 eV and the data say so.
    """
    energy = GRIDS[grid]
    low, high = two_shells(energy, 6546.0, 0.3, 2.0), two_shells(energy, 6548.0, 0.5, 2.15)
    size = noise * np.where(known & (energy > 6700), 3.0, 1.0)
    mixed = 0.6 * low + 0.4 * high + size * np.random.default_rng(5).normal(size=(n, energy.size))

    def made(mu, **more):
        attrs = {"technique": "xas", "element": "Mn", "edge": "K"}
        dims = ("scan",) * (mu.ndim - 1)
        scans = spectra.from_arrays(energy, mu, name="mu", dims=dims, attrs=attrs, **more)
        scans = xas.normalize(xas.rebin(scans, e0=6547.0) if rebinned else scans, e0=6547.0, **RANGES)
        return xas.autobk(scans) if form == "chi" else scans

    standards = {"low": made(low), "high": made(high)}
    steps = np.array([0.6, 0.4]) * [float(s.edge_step) for s in standards.values()]
    sigma = np.broadcast_to(size, mixed.shape) if known else None
    found = xas.linear_combination(
        made(mixed, sigma=sigma), standards=standards, form=form, select="all", **options
    )
    error = np.abs(found.fraction - steps / steps.sum())
    return (error < found.fraction_sigma).mean("scan").values


@pytest.mark.parametrize("grid", ["step", "fine"])
def test_fractions_of_chi_cover_though_its_points_share_noise(grid):
    """chi on its grid of 0.05 1/Å is interpolated: at high k from points that lie farther apart, and nearer at low k."""
    for covered in covered_by(700, form="chi", grid=grid):
        assert 0.62 < covered < 0.74


@pytest.mark.long
@pytest.mark.parametrize(
    ("grid", "options"),
    [
        ("step", {"sum_to_one": False, "noise": 0.001}),
        ("step", {"known": True, "weighted": True, "kweight": 1.0}),
        ("fine", {"known": True}),
        ("even in k", {"noise": 0.001}),
        ("even in k", {"shift": "common", "max_shift": 0.2, "noise": 0.001}),
    ],
)
def test_fractions_of_chi_cover(grid, options):
    for covered in covered_by(1500, form="chi", grid=grid, **options):
        assert 0.63 < covered < 0.73


@pytest.mark.long
@pytest.mark.parametrize("form", ["norm", "flat", "derivative"])
@pytest.mark.parametrize("window", [(-20.0, 60.0), (-20.0, 400.0)])
def test_fractions_cover_where_the_noise_is_not_the_same_everywhere(form, window):
    for covered in covered_by(1500, form=form, known=True, window=window):
        assert 0.63 < covered < 0.73


@pytest.mark.long
@pytest.mark.parametrize("form", ["norm", "flat", "chi"])
def test_fractions_of_rebinned_spectra_cover(form):
    for covered in covered_by(1500, form=form, grid="fine", known=True, rebinned=True):
        assert 0.63 < covered < 0.73


def test_as_larch_fits_it(data_dir):
    """Fractions, their errors, R-factor and the order of the combinations, on larch's own example."""
    folder = data_dir / "xas" / "lcf_larch"
    scans = {name: xas.read(folder / f"{name}.dat") for name in ("unknown", *(f"s{i}" for i in range(1, 7)))}
    for scan in scans.values():
        scan.attrs.update(element="Au", edge="L3")
    unknown = scans.pop("unknown")
    group = larch_attribute("larch", "Group")

    def larch_group(name, scan):
        return group(energy=scan.energy.values.copy(), norm=scan.mu.values.copy(), filename=name)

    for names in (["s1", "s2"], ["s1", "s2", "s5"]):
        some = {name: scans[name] for name in names}
        ours = xas.linear_combination(unknown, standards=some, nonnegative=False, select="all")
        x = ours.energy.values[np.isfinite(ours.best_fit.values)]
        theirs = larch_function("larch.math.lincombo_fitting", "lincombo_fit")(
            larch_group("u", unknown), [larch_group(n, s) for n, s in some.items()], xmin=x[0], xmax=x[-1]
        )
        np.testing.assert_allclose(ours.fraction, [theirs.weights[n] for n in names], atol=1e-7)
        np.testing.assert_allclose(ours.fraction_sigma, [theirs.params[n].stderr for n in names], rtol=1e-5)
        np.testing.assert_allclose(ours.rfactor, theirs.rfactor, rtol=1e-7)
    found = xas.linear_combination(unknown, standards=scans, max_components=6)
    ranked = larch_function("larch.math.lincombo_fitting", "lincombo_fitall")(
        larch_group("u", unknown), [larch_group(n, s) for n, s in scans.items()], xmin=x[0], xmax=x[-1],
        minvals=[0] * 6, maxvals=[1] * 6,
    )  # fmt: skip
    np.testing.assert_allclose(found.fraction, [ranked[0].weights.get(n, 0) for n in scans], atol=1e-5)


def test_one_combination_for_a_series_and_the_same_lazily(simulated):
    """AICc of single spectra takes in a third standard here and there; that of the series does not."""

    def normalised(mu, **coords):
        dims = ("scan",) * (mu.ndim - 1)
        attrs = {"technique": "xas", "element": "Mn", "edge": "K", "normalized": "yes"}
        return spectra.from_arrays(energy, mu, name="mu", dims=dims, attrs=attrs, **coords)

    energy = simulated().energy.values
    curves = [
        simulated(edge=e, white_line=w).mu.values for e, w in ((6546.0, 0.3), (6549.5, 0.6), (6552.0, 0.1))
    ]
    share = np.linspace(0.1, 0.9, 40)[:, None]
    noise = 0.003 * np.random.default_rng(2).normal(size=(40, energy.size))
    scans = normalised((1 - share) * curves[0] + share * curves[1] + noise)
    standards = dict(zip(("low", "high", "third"), map(normalised, curves), strict=True))
    each = xas.linear_combination(scans, standards=standards)
    assert (each.fraction.sel(reference="third") > 0).any()
    found = xas.linear_combination(scans, standards=standards, select="series")
    assert (found.fraction.sel(reference="third") == 0).all()
    assert "the combination of the series is low, high" in found.spectra.history[-1]["notes"]
    lazy = xas.linear_combination(scans.chunk({"scan": 20}), standards=standards, select="series")
    np.testing.assert_allclose(lazy.fraction.values, found.fraction.values, atol=1e-12)


def test_shifted_standards(simulated, ends):
    scans = mixture(simulated, [0.3, 0.6], noise=1e-3)
    moved = scans.assign_coords(energy=scans.energy + 0.4)
    found = xas.linear_combination(moved, standards=ends, shift="common", window=(-20, 50))
    np.testing.assert_allclose(found.reference_shift, 0.4, atol=0.05)
    np.testing.assert_allclose(found.fraction.sel(reference="high"), [0.3, 0.6], atol=0.03)
    stuck = xas.linear_combination(moved, standards=ends, shift="common", max_shift=0.1, window=(-20, 50))
    assert flag_names(stuck, scan=0) == ["shift_at_limit"]
    assert not failed(stuck).any()


def test_chi_and_derivative(simulated, ends):
    scan = mixture(simulated, 0.3)
    found = xas.linear_combination(
        xas.autobk(scan), standards={n: xas.autobk(s) for n, s in ends.items()}, form="chi", window=(2, 11)
    )
    assert "k" in found.best_fit.dims
    assert float(found.fraction.sel(reference="high")) == pytest.approx(
        float(true_fraction(ends, 0.3)), abs=0.02
    )
    steep = xas.linear_combination(scan, standards=ends, form="derivative")
    assert float(steep.fraction.sel(reference="high")) == pytest.approx(
        float(true_fraction(ends, 0.3)), abs=1e-6
    )


def test_a_results_file_holds_the_standards(simulated, ends, tmp_path):
    found = xas.linear_combination(mixture(simulated, [0.3, 0.5], noise=1e-3), standards=ends)
    spectra.save(tmp_path / "mixture.nxs", found)
    again = spectra.load(tmp_path / "mixture.nxs")
    np.testing.assert_array_equal(again.fraction, found.fraction)
    report = rerun(tmp_path / "mixture.nxs")
    assert report.identical, str(report)


def test_files_are_read_and_normalised_like_the_data(simulated, ends, tmp_path):
    files = {}
    for name, (edge, line) in {"low": (6546.0, 0.3), "high": (6549.5, 0.6)}.items():
        scan = simulated(edge=edge, white_line=line)
        files[name] = str(tmp_path / f"{name}.dat")
        np.savetxt(files[name], np.column_stack([scan.energy, scan.mu]), header="energy mu", fmt="%.17g")
    data = mixture(simulated, [0.2, 0.7], noise=1e-3)
    found = xas.linear_combination(data, standards=files)
    np.testing.assert_allclose(
        found.fraction, xas.linear_combination(data, standards=ends).fraction, atol=1e-9
    )
    spectra.save(tmp_path / "mixture.nxs", found)
    for file in files.values():
        Path(file).unlink()
    assert rerun(tmp_path / "mixture.nxs").identical


class TestRefusals:
    def refused(self, text, data, **options):
        with pytest.raises(ValueError, match=text):
            xas.linear_combination(data, **options)

    def test_standards_normalised_in_another_way(self, simulated, ends):
        other = xas.normalize(simulated(edge=6549.5), e0=6547.0, pre=(-180, -30), post=(60, 400))
        scan = mixture(simulated, 0.5)
        text = r"standard 'high' was not normalised like the data \(xas.normalize: post = \(60.0, 400.0\) instead of"
        self.refused(text, scan, standards={**ends, "high": other})
        found = xas.linear_combination(scan, standards={**ends, "high": other}, treatment="any")
        assert "standard high was not normalised like the data" in found.spectra.history[-1]["notes"][0]

    def test_standards_that_nobody_knows_how_they_were_made(self, simulated, ends):
        bare = simulated(edge=6549.5).assign_attrs(normalized="yes")
        text = "one came normalised, the other was normalised here"
        self.refused(text, mixture(simulated, 0.5), standards={**ends, "bare": bare})

    def test_a_standard_that_ends_inside_the_window(self, simulated, ends):
        short = ends["high"].isel(energy=ends["high"].energy < 6590)
        text = "standard 'high' runs from .* to 6587.5 eV, and the fit needs .* to 6607 eV: narrow the window"
        self.refused(text, mixture(simulated, 0.5), standards={**ends, "high": short})

    def test_the_same_standard_twice(self, simulated, ends):
        text = "standards 'low' and 'again' are the same spectrum"
        self.refused(text, mixture(simulated, 0.5), standards={**ends, "again": ends["low"]})

    def test_data_that_are_not_normalised(self, simulated, ends):
        self.refused("needs the variable 'norm', which xas.normalize adds", simulated(), standards=ends)

    def test_a_series_as_one_standard(self, simulated, ends):
        text = r"standard 'both' is a series \(scan\)"
        self.refused(text, mixture(simulated, 0.5), standards={"both": mixture(simulated, [0.1, 0.2])})

    def test_nothing_to_fit_by(self, simulated):
        self.refused("no standards were given", mixture(simulated, 0.5), standards={})

    @pytest.mark.parametrize(
        ("text", "options"),
        [
            ("max_shift is above 0 and at most 20 eV, got 0", {"max_shift": 0.0}),
            ("max_components is at least 1, got 0", {"max_components": 0}),
            ("ranks is at least 1, got 0", {"ranks": 0}),
            ("has no width", {"window": (5.0, 5.0)}),
            ("holds 3 points; a fit by up to 2 standards needs at least", {"window": (0.0, 0.6)}),
            (
                r"window = \(6530, 6560\) eV from E0, 130\d\d to 13\d\d\d eV, holds 0 points",
                {"window": (6530.0, 6560.0)},
            ),
            ("form = 'chi' needs the variable 'chi'", {"form": "chi"}),
        ],
    )
    def test_options(self, simulated, ends, text, options):
        self.refused(text, mixture(simulated, 0.5), standards=ends, **options)

    def test_a_lost_spectrum_is_flagged(self, simulated, ends):
        scans = mixture(simulated, [0.2, 0.5]).copy(deep=True)
        scans["norm"][0] = np.nan
        found = xas.linear_combination(scans, standards=ends)
        assert flag_names(found, scan=0) == ["no_combination"]
        assert float(found.fraction[1, 1]) == pytest.approx(float(true_fraction(ends, 0.5)), abs=1e-9)
