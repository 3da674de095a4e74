"""Glitches: put in and found again, none where there is none, and no edge or white line taken for one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spectra
import xas
from spectra.dataset import failed, flag_names
from spectra.errors import InvalidInput
from tests.xas.conftest import absorption, grid
from xas.normalization.e0 import series_e0
from xas.preparation.glitches import fill_glitches, find_glitches

ENERGY = grid()
EDGE = [(6518.0, 6608.0)]


def notes(dataset):
    return dataset.spectra.history[-1]["notes"]


@pytest.mark.parametrize("length", [1, 2, 3])
@pytest.mark.parametrize("sign", [1, -1])
def test_glitches_of_any_length_are_found_and_nothing_else(rng, length, sign):
    noise = 1e-3
    clean = absorption(ENERGY)
    allowed = np.flatnonzero((ENERGY < 6515) | (ENERGY > 6612))
    allowed = allowed[(allowed > 3) & (allowed < ENERGY.size - 4 - length)]
    starts = rng.choice(allowed, 200)
    mu = clean + rng.normal(scale=noise, size=(200, ENERGY.size))
    truth = np.zeros(mu.shape, bool)
    for row, start in enumerate(starts):
        truth[row, start : start + length] = True
    mu = mu + truth * sign * 25 * noise
    got = find_glitches(ENERGY, mu, structured=EDGE, line_width=1.16)
    found = (got == truth).all(1)
    assert found.mean() > 0.93
    near = np.array([np.convolve(row, np.ones(9), "same") > 0 for row in truth])
    assert not (got & ~near).any()
    assert (got & ~truth).any(1).mean() < 0.05
    # the curve that they are put on
    filled = fill_glitches(ENERGY, mu, truth)
    assert np.abs((filled - clean)[truth]).max() < 12 * noise


def test_a_glitch_on_the_fine_rise_of_an_edge_is_found():
    """Points 0.25 eV apart: a single one is narrower than any line."""
    mu = absorption(ENERGY) + np.random.default_rng(0).normal(scale=1e-4, size=ENERGY.size)
    where = int(np.searchsorted(ENERGY, 6566.0))
    mu[where] += 0.05
    got = find_glitches(ENERGY, mu, structured=EDGE, line_width=1.16)
    assert list(np.flatnonzero(got)) == [where]


@pytest.mark.parametrize("noise", [0.0, 1e-5, 1e-3, 2e-2])
def test_no_glitches_in_noise(noise):
    rng = np.random.default_rng(1)
    mu = absorption(ENERGY, white_line=1.5, pre_edge=0.5) + rng.normal(scale=noise, size=(60, ENERGY.size))
    assert find_glitches(ENERGY, mu, structured=EDGE, line_width=1.16).sum() == 0


def test_sharp_lines_on_coarse_grids_are_kept():
    """A Lorentzian of the core hole's width, of any height, on grids as coarse as anybody scans."""
    for step in (0.1, 0.2, 0.35, 0.5, 0.7, 1.0, 2.0):
        for offset in (0.0, 0.37):
            x = np.arange(6500.0, 6600, step) + offset * step
            line = 1 / (1 + ((x - 6541) / 0.58) ** 2)
            rise = 0.5 + np.arctan((x - 6548) / 0.6) / np.pi
            for height in (0.05, 1.0, 5.0):
                mu = height * line + rise
                assert not find_glitches(x, mu, structured=EDGE, line_width=1.16).any(), (
                    step,
                    offset,
                    height,
                )


def test_no_edge_and_no_white_line_of_a_measured_file_is_taken(data_dir):
    """Every file that reads: nothing within 30 eV below and 60 eV above the edge, but points of real spikes."""
    files = sorted((data_dir / "xas").glob("*.*")) + sorted(
        (data_dir / "xas" / "fe_references_als").glob("*.e")
    )
    looked = 0
    for file in files:
        try:
            scan = xas.read(file)
        except ValueError:
            continue
        if scan.sizes["energy"] < 30 or series_e0(scan)[0] is None:
            continue
        looked += 1
        got = xas.deglitch(scan)
        e0 = series_e0(scan)[0]
        taken = got.energy.values[got.glitch.values]
        assert not ((taken > e0 - 30) & (taken < e0 + 60)).any(), (file.name, taken)
        assert taken.size <= 5, (file.name, taken)
    assert looked > 60


def test_two_scans_of_a_foil_have_the_monochromators_glitch_in_common(data_dir):
    """Copper at 10 and 50 K: three points at 9450 to 9458 eV, 1 % of the step, in both."""
    for kelvin in (10, 50):
        got = xas.deglitch(xas.read(data_dir / "xas" / f"Cu_foil_{kelvin}K.xmu"))
        taken = got.energy.values[got.glitch.values]
        np.testing.assert_allclose(taken, [9449.97, 9454.21, 9458.45], atol=0.1)
        assert f"{taken[0]:.2f}" in notes(got)[0]


@pytest.mark.parametrize("method", ["interpolate", "mask", "list"])
def test_what_is_done_is_said(simulated, method):
    scans = simulated(3, noise=1e-3).copy(deep=True)
    place = int(np.searchsorted(ENERGY, 6900.0))
    scans["mu"][1, place] += 0.1
    got = xas.deglitch(scans, method=method)
    assert list(got.n_glitches.values) == [0, 1, 0]
    assert bool(got.glitch[1, place])
    assert flag_names(got, scan=1) == ["glitches"]
    assert not failed(got).any()
    assert f"scan 1: {ENERGY[place]:.2f} eV" in notes(got)[0]
    value, clean = float(got.mu[1, place]), absorption(ENERGY)[place]
    if method == "interpolate":
        assert value == pytest.approx(clean, abs=0.01)
    elif method == "mask":
        assert np.isnan(value)
    else:
        assert value == float(scans.mu[1, place])
    others = np.ones(scans.mu.shape, bool)
    others[1, place] = False
    np.testing.assert_array_equal(got.mu.values[others], scans.mu.values[others])


def test_known_glitches_are_treated_wherever_they_are(simulated):
    scan = simulated(noise=1e-3)
    got = xas.deglitch(scan, at=(6548.1, 6700.0), width=0, method="mask")
    assert list(got.energy.values[got.glitch.values]) == [6548.0, 6700.0]
    assert np.isnan(got.mu.values[got.glitch.values]).all()
    assert "no glitches were found" in notes(xas.deglitch(scan, width=0))[0]


@given(scale=st.floats(1e-4, 1e4), offset=st.floats(-10, 10), slope=st.floats(-1e-2, 1e-2))
@settings(max_examples=15)
def test_scale_and_background_do_not_matter(scale, offset, slope):
    rng = np.random.default_rng(4)
    mu = absorption(ENERGY) + rng.normal(scale=1e-3, size=ENERGY.size)
    for place in (20, 350, 480):
        mu[place] += 0.05
    expected = find_glitches(ENERGY, mu, structured=EDGE)
    got = find_glitches(ENERGY, scale * (mu + offset + slope * (ENERGY - 6548)), structured=EDGE)
    # the slope of the background counts as unsteady energy, which 0.01 eV times 0.01 per eV does not reach
    np.testing.assert_array_equal(got, expected)


def test_missing_points_and_lazy_datasets(simulated):
    scans = simulated(4, noise=1e-3).copy(deep=True)
    scans["mu"][0, 300:303] = np.nan
    scans["mu"][0, 400] += 0.1
    scans["mu"][2] = np.nan
    got = xas.deglitch(scans)
    assert list(np.flatnonzero(got.glitch[0])) == [400]
    assert np.isnan(got.mu[0, 300:303]).all()
    assert list(failed(got).values) == [False, False, True, False]
    lazy = xas.deglitch(scans.chunk({"scan": 1}))
    assert lazy.mu.chunks is not None
    np.testing.assert_array_equal(lazy.glitch.compute(), got.glitch)
    np.testing.assert_allclose(lazy.mu.compute(), got.mu)


def test_backwards_data_give_the_same(simulated):
    scan = simulated(noise=1e-3).copy(deep=True)
    scan["mu"][420] += 0.1
    turned = spectra.from_arrays(ENERGY[::-1], scan.mu.values[::-1], name="mu", attrs=scan.attrs)
    np.testing.assert_array_equal(xas.deglitch(turned).glitch, xas.deglitch(scan).glitch)


def test_without_an_edge_only_the_narrowest_is_taken(simulated):
    flat = simulated(noise=1e-3)
    flat = flat.assign(mu=flat.mu * 0 + 1)
    assert "no edge was found" in notes(xas.deglitch(flat))[0]


def test_bad_input(simulated):
    scan = simulated()
    for options, sentence in (
        ({"threshold": 0.0}, "threshold counts standard deviations and is above zero, got 0"),
        ({"at": (7.1,)}, r"at holds 7.1 eV, outside of the data \(6340 to"),
        ({"method": "maks"}, "method must be .* did you mean 'mask'"),
        ({"width": 9}, "width must be"),
    ):
        with pytest.raises(InvalidInput, match=sentence):
            xas.deglitch(scan, **options)
