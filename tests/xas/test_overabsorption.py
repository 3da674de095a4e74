"""Over-absorption: simulated truth, the measured pair of a copper foil, parity with larch for thick samples, refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spectra
import xas
from spectra.dataset import failed, flag_names
from spectra.larch_guard import larch_attribute, quiet_larch
from xas.normalization.self_absorption import Sample, fluorescence, sample_absorption, true_absorption

RANGES = {"e0": 8345.0, "pre": (-150.0, -30.0), "post": (100.0, 900.0)}
GRID = np.concatenate([np.arange(8150.0, 8320, 5), np.arange(8320, 8400, 0.25), np.arange(8400, 9300, 2.0)])


def atom(x):
    """Normalised absorption of a nickel oxide with white line and one shell."""
    k = np.sqrt(0.2624684 * np.clip(x - 8345, 0, None))
    rise = 0.5 + np.arctan((x - 8345) / 1.5) / np.pi
    shell = 0.8 * np.sin(4 * k) * np.exp(-0.01 * k**2) / (1 + k) * k**4 / (k**4 + 16)
    return rise * (1 + shell) + 0.5 * np.exp(-(((x - 8352) / 4) ** 2))


def measured_in_fluorescence(thickness=None, density=None, noise=0.0, n=None, **angles):
    sample = sample_absorption(
        "LiNiO2C20", "Ni", "K", GRID, thickness=thickness, density=density, **angles
    )  # fmt: skip
    signal = 0.7 * fluorescence(atom(GRID), sample) + 0.05
    if n:
        signal = signal + noise * np.random.default_rng(0).normal(size=(n, GRID.size))
    dims = ("scan",) * (signal.ndim - 1)
    return spectra.from_arrays(GRID, signal, name="mu", dims=dims, attrs={"element": "Ni", "edge": "K"})


@pytest.mark.parametrize(
    ("thickness", "angles"),
    [(None, {}), (500.0, {}), (20.0, {}), (2.0, {}), (20.0, {"angle_in": 80.0, "angle_out": 10.0})],
)
def test_simulated_truth_comes_back(thickness, angles):
    density = None if thickness is None else 2.0
    described = {"thickness": thickness, "density": density, **angles}
    scan = xas.normalize(measured_in_fluorescence(**described), **RANGES)
    fixed = xas.correct_overabsorption(scan, formula="LiNiO2C20", **described)
    truth = spectra.from_arrays(GRID, atom(GRID), name="mu", attrs={"element": "Ni", "edge": "K"})
    truth = xas.normalize(truth, **RANGES)
    # the atomic level is that of the fits before and after: what they differ by is not the correction's
    np.testing.assert_allclose(fixed.flat, truth.flat, atol=0.04)
    before, after = (float(abs(s.flat - truth.flat).max()) for s in (scan, fixed))
    assert after < 0.35 * before or before < 0.05


@settings(deadline=None)  # other work runs beside
@given(n=st.floats(-0.05, 3.0), beta=st.floats(0.01, 20.0), s=st.floats(1e-4, 20.0), thick=st.booleans())
def test_the_inverse_is_the_inverse(n, beta, s, thick):
    if n < 0 and beta + s * n <= 0.005:
        return  # a negative absorption as large as everything else's
    sample = Sample(np.array([beta]), np.array([s]), thick)
    back, growth = true_absorption(fluorescence(np.array([n]), sample), sample)
    np.testing.assert_allclose(back, n, rtol=1e-7, atol=1e-9)
    step = 1e-6
    ends = fluorescence(np.array([n - step, n + step])[:, None], sample)[:, 0]
    assert growth.item() == pytest.approx(2 * step / (ends[1] - ends[0]), rel=1e-3)


def test_thin_samples_need_no_correction_and_very_thick_ones_that_of_thick():
    thin, slab, thick = (
        sample_absorption("NiO", "Ni", "K", GRID, thickness=t, density=6.7) for t in (0.01, 5000.0, None)
    )
    n = atom(GRID)
    np.testing.assert_allclose(fluorescence(n, thin), n, atol=0.002)
    np.testing.assert_allclose(fluorescence(n, slab), fluorescence(n, thick), rtol=1e-9)


def test_grazing_exit_needs_less():
    """The textbook remedy: the deeper atoms are not seen, so every depth seen is lit alike."""
    flat, grazing = (
        sample_absorption("NiO", "Ni", "K", GRID, angle_in=90.0, angle_out=a) for a in (45.0, 1.0)
    )
    assert abs(fluorescence(atom(GRID), grazing) - atom(GRID)).max() < 0.05
    assert abs(fluorescence(atom(GRID), flat) - atom(GRID)).max() > 0.25


def test_thick_samples_as_larch(simulated):
    """The same formula, with larch's absorption of the material at the edge."""
    scan = xas.normalize(measured_in_fluorescence(), **RANGES)
    theirs = larch_attribute("larch.xafs", "fluo_corr")
    group = larch_attribute("larch", "Group")(energy=GRID, mu=np.array(scan.mu.values))
    with quiet_larch():
        theirs(
            group.energy, group.mu, "LiNiO2C20", "Ni", edge="K", group=group, anginp=45, angout=45,
            e0=8345.0, pre1=-150, pre2=-30, norm1=100, norm2=900, nnorm=2,
        )  # fmt: skip
    fixed = xas.correct_overabsorption(scan, formula="LiNiO2C20")
    near = (GRID > 8330) & (GRID < 8400)
    assert abs(fixed.norm.values - group.norm_corr)[near].max() < 0.03
    assert abs(scan.norm.values - group.norm_corr)[near].max() > 0.25


def test_copper_foil_in_fluorescence_against_transmission(data_dir):
    """A 4 µm foil: the file holds k·chi(k), its amplitudes are half of those in transmission, and come back."""
    energy, mu = np.loadtxt(data_dir / "xas" / "Cu_50K_trans_for_overabs_demeter.dat").T
    k, weighted = np.loadtxt(data_dir / "xas" / "Cu_overabsorbed_fluo_demeter.dat").T
    truth = spectra.from_arrays(energy, mu, name="mu", attrs={"element": "Cu", "edge": "K"})
    truth = xas.autobk(xas.normalize(truth, pre=(-150.0, -30.0), post=(150.0, 900.0)))
    grid = np.arange(4, 12, 0.05)
    expected, found = np.interp(grid, truth.k, truth.chi), np.interp(grid, k, weighted / k)
    sample = sample_absorption("Cu", "Cu", "K", 8979 + grid**2 / 0.262468424, thickness=4.0, density=8.96)
    fixed = true_absorption(1 + found, sample)[0] - 1

    def amplitude(chi):
        return np.sqrt(np.mean((grid * chi) ** 2) / np.mean((grid * expected) ** 2))

    assert amplitude(found) == pytest.approx(0.54, abs=0.02)
    assert amplitude(fixed) == pytest.approx(1.0, abs=0.1)  # 30 K against 50 K, angles not in the file


def test_uncertainties_grow_with_the_correction():
    clean = xas.correct_overabsorption(
        xas.normalize(measured_in_fluorescence(), **RANGES), formula="LiNiO2C20"
    )  # fmt: skip
    noisy = xas.normalize(measured_in_fluorescence(noise=1e-3, n=400), **RANGES)
    fixed = xas.correct_overabsorption(noisy, formula="LiNiO2C20")
    pulls = ((fixed.norm - clean.norm) / fixed.norm_sigma).std("scan").values
    assert 0.9 < np.median(pulls) < 1.1
    assert float(fixed.amplification.max()) > 1.5


def test_mu_is_corrected_for_what_follows():
    scan = xas.normalize(measured_in_fluorescence(), **RANGES)
    fixed = xas.correct_overabsorption(scan, formula="LiNiO2C20")
    again = xas.normalize(fixed, **RANGES)
    np.testing.assert_allclose(again.norm, fixed.norm, atol=0.05)
    chi, raw = xas.autobk(fixed).chi, xas.autobk(scan).chi
    assert float(chi.std() / raw.std()) > 1.3
    assert float(fixed.edge_step) == float(scan.edge_step)


def test_more_fluorescence_than_possible_is_flagged():
    scans = measured_in_fluorescence(n=2, noise=1e-5).copy(deep=True)
    scans["mu"][1, 140:150] += 5
    fixed = xas.correct_overabsorption(xas.normalize(scans, **RANGES), formula="NiO")
    assert failed(fixed).values.tolist() == [False, True]
    assert "overcorrected" in flag_names(fixed, scan=1)


@pytest.mark.parametrize(
    ("attrs", "options", "sentence"),
    [
        ({}, {"formula": "LiMnO2"}, "formula 'LiMnO2' holds no Ni"),
        ({}, {"formula": "Li(Ni"}, "cannot be read"),
        ({}, {"formula": "NiO", "angle_in": 0.0}, "angle_in is in degrees from the surface"),
        ({}, {"formula": "NiO", "angle_out": 91.0}, "angle_out is in degrees from the surface"),
        ({}, {"formula": "NiO", "thickness": 5.0}, "to come with the density"),
        ({}, {"formula": "NiO", "thickness": -5.0, "density": 1.0}, "needs to be positive"),
        ({"edge": "Q"}, {"formula": "NiO"}, "is not tabulated"),
    ],
)
def test_nonsense_is_refused(attrs, options, sentence):
    scan = xas.normalize(measured_in_fluorescence(), **RANGES).assign_attrs(attrs)
    with pytest.raises(ValueError, match=sentence):
        xas.correct_overabsorption(scan, **options)


def test_raw_data_are_refused():
    with pytest.raises(ValueError, match=r"needs the variable 'flat', which xas.normalize adds"):
        xas.correct_overabsorption(measured_in_fluorescence(), formula="NiO")
