"""Fourier transform and its windows: larch's numbers, the definition, real weights, ends of the data."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import spectra
import xas
from spectra.dataset import failed, flag_names
from xas.exafs.transform import fourier_matrix
from xas.points.wavenumber import INVERSE_KINETIC, K_STEP, energy_of, k_grid, wavenumber, window

WINDOWS = ("hanning", "parzen", "welch", "kaiser", "sine", "gaussian")


@pytest.fixture
def scan(simulated):
    return xas.autobk(xas.normalize(simulated(noise=1e-3), e0=6548.0))


@pytest.mark.parametrize("shape", WINDOWS)
def test_same_windows_as_larch(larch, rng, shape):
    k = k_grid(17.4)
    for _ in range(60):
        low, high, taper = rng.uniform(0, 6), rng.uniform(8, 20), rng.choice([0.1, 0.5, 1, 2, 4])
        if rng.random() < 0.3:
            low, high = round(low), round(high)
        expected = larch.ftwindow(k, xmin=low, xmax=high, dx=taper, window=shape)
        np.testing.assert_allclose(window(k, low, high, taper=taper, shape=shape), expected, atol=1e-11)


@pytest.mark.parametrize("shape", WINDOWS)
@pytest.mark.parametrize("kweight", [0, 1, 2, 3])
@pytest.mark.parametrize(("low", "high", "dk"), [(3, 12, 1), (2.03, 11.21, 0.5), (0, 13.95, 3)])
def test_same_transform_as_larch(scan, larch, shape, kweight, low, high, dk):
    got = xas.fourier(scan, k=(low, high), kweight=kweight, dk=dk, window=shape)
    group = larch.Group(k=scan.k.values.copy(), chi=scan.chi.values.copy())
    larch.xftf(group, kmin=low, kmax=high, kweight=kweight, dk=dk, window=shape)
    size = abs(group.chir).max()
    np.testing.assert_allclose(got.r, group.r, rtol=1e-14)
    np.testing.assert_allclose(got.chir_re + 1j * got.chir_im, group.chir, atol=1e-12 * size)
    np.testing.assert_allclose(got.chir_mag, group.chir_mag, atol=1e-12 * size)


def test_amplitudes_under_the_windows_of_a_copper_foil(measured):
    """Values measured with larch: k 3 to 14, weight 2, dk 1."""
    foil = xas.autobk(xas.normalize(measured("Cu_foil_rt_larch"), e0=8980.5), clamp="none")
    for shape, expected in zip(WINDOWS, (3.836, 3.836, 3.871, 3.175, 3.107, 1.264), strict=True):
        got = xas.fourier(foil, k=(3, 14), kweight=2, dk=1, window=shape)
        assert float(got.chir_mag.max()) == pytest.approx(expected, abs=6e-4)


def test_the_definition_gives_the_same(scan):
    """One sum per R, with a weight that is not a whole number."""
    got = xas.fourier(scan, k=(3.0, 12.0), kweight=2.5, rmax=6.0)
    k, chi = scan.k.values, scan.chi.values
    weighted = chi * k**2.5 * window(k, 3.0, 12.0, taper=1.0)
    expected = [K_STEP / np.sqrt(np.pi) * np.sum(weighted * np.exp(-2j * k * r)) for r in got.r.values]
    np.testing.assert_allclose(got.chir_re + 1j * got.chir_im, expected, atol=1e-11)
    assert got.r.attrs["units"] == "angstrom"
    assert got.chir_mag.attrs["units"] == "1/angstrom^3.5"


def test_a_weight_of_two_and_a_half_lies_between_two_and_three(scan):
    heights = [float(xas.fourier(scan, k=(3, 12), kweight=w).chir_mag.max()) for w in (2, 2.5, 3)]
    assert heights[0] < heights[1] < heights[2]
    assert heights[1] == pytest.approx(np.sqrt(heights[0] * heights[2]), rel=0.1)


@given(distance=st.floats(1.0, 5.0), amplitude=st.floats(0.01, 10))
def test_a_single_shell_peaks_at_its_distance(distance, amplitude):
    k = k_grid(14.0)
    r, matrix = fourier_matrix(k, 3.0, 12.0, kweight=0.0, taper=1.0, shape="hanning", rmax=8.0)
    peak = matrix @ (amplitude * np.sin(2 * distance * k))
    assert r[np.argmax(abs(peak))] == pytest.approx(distance, abs=r[1])
    # half the window's area over the square root of pi, apart from the wave at -R
    assert abs(peak).max() == pytest.approx(amplitude * 9 / 2 / np.sqrt(np.pi), rel=0.06)


def covered(truth, got, name, least):
    """Share of draws whose interval of one sigma holds the truth, where the magnitude exceeds ``least`` times those of its parts."""
    inside = (abs(got[name] - truth[name]) < got[f"{name}_sigma"]).mean("scan")
    widest = np.maximum(got.chir_re_sigma, got.chir_im_sigma).mean("scan")
    clear = truth.chir_mag > least * widest
    # close to R = 0 one of the two parts has hardly any noise, and the magnitude's is not of first order
    return inside.values[clear.values & (truth.r.values > (0.3 if name == "chir_mag" else 0.01))]


@pytest.mark.parametrize("known", [False, True])
def test_the_uncertainties_cover(simulated, known):
    """Below rbkg as above: the correlation that the background leaves in chi(k) is taken along."""
    truth, got = (
        xas.fourier(xas.autobk(xas.normalize(d, e0=6548.0, pre=(-150.0, -30.0))), k=(3, 12))
        for d in (simulated(), simulated(1500, noise=2e-3, seed=6, known=known))
    )
    for name, least in (("chir_re", 0), ("chir_im", 0), ("chir_mag", 2)):
        share = covered(truth, got, name, least)
        assert share.size > 60
        assert share.mean() == pytest.approx(0.683, abs=0.02), name
        assert 0.63 < share.min(), name
        assert share.max() < 0.73, name


@pytest.mark.long
def test_the_uncertainties_cover_with_noise_of_its_own_at_each_point(simulated, rng):
    clean = simulated()
    sigma = 1e-3 * (1 + 3 * (clean.energy.values > 6800) + 2 * np.sin(clean.energy.values / 50) ** 2)
    mu = clean.mu.values + sigma * rng.normal(size=(4000, sigma.size))
    noisy = spectra.from_arrays(
        clean.energy.values, mu, name="mu", dims=("scan",), sigma=np.broadcast_to(sigma, mu.shape)
    )
    truth, got = (
        xas.fourier(xas.autobk(xas.normalize(d, e0=6548.0, pre=(-150.0, -30.0))), k=(3, 12), kweight=2)
        for d in (clean, noisy)
    )
    for name, least in (("chir_re", 0), ("chir_im", 0), ("chir_mag", 2)):
        share = covered(truth, got, name, least)
        assert 0.63 < share.min(), name
        assert share.max() < 0.73, name


def test_chi_without_a_history_counts_as_uncorrelated(scan):
    bare = scan.copy()
    bare.attrs.pop("history")
    k, sigma = scan.k.values, scan.chi_sigma.values
    weight = K_STEP / np.sqrt(np.pi) * k**2 * window(k, 3.0, 12.0)
    got = xas.fourier(bare, k=(3, 12))
    expected = np.sqrt(np.sum((weight * sigma * np.cos(2 * k * got.r.values[50])) ** 2))
    assert float(got.chir_re_sigma[50]) == pytest.approx(expected, rel=1e-9)
    without = scan.drop_vars("chi_sigma")
    assert "chir_re_sigma" not in xas.fourier(without)


def test_a_flat_window_is_the_plain_sum(scan):
    k = scan.k.values
    got = xas.fourier(scan, k=(3.0, 12.0), window="flat", kweight=1.0)
    inside = (k > 2.99) & (k < 12.01)
    at = got.sel(r=2.0, method="nearest")
    phase = np.exp(-2j * k[inside] * float(at.r))
    expected = K_STEP / np.sqrt(np.pi) * np.sum((scan.chi.values * k)[inside] * phase)
    assert float(at.chir_re) + 1j * float(at.chir_im) == pytest.approx(expected, rel=1e-10)


@settings(max_examples=20)
@given(weight=st.floats(0.0, 3.5), scale=st.floats(1e-3, 1e3))
def test_a_transform_is_linear(weight, scale):
    k = k_grid(14.0)
    _, matrix = fourier_matrix(k, 3.0, 12.0, kweight=weight, taper=1.0, shape="kaiser", rmax=6.0)
    one, two = np.sin(4 * k), np.cos(5 * k + 1)
    np.testing.assert_allclose(
        matrix @ (scale * one + two), scale * (matrix @ one) + matrix @ two, rtol=1e-9, atol=1e-9 * scale
    )


def test_the_window_may_not_reach_beyond_the_data(scan):
    end = float(scan.k[-1])
    with pytest.raises(
        ValueError, match=rf"k = \(3, 20\) reaches beyond chi\(k\), which ends at {end:g} 1/Å"
    ):
        xas.fourier(scan, k=(3, 20))
    notes = xas.fourier(scan, k=(3, end)).spectra.history[-1]["notes"]
    assert notes == [f"the data end at {end:g} 1/Å, inside the window's last taper: the window is cut there"]


def test_the_default_window_ends_with_short_data(simulated):
    short = xas.autobk(xas.normalize(simulated(energy=np.arange(6400.0, 6900, 0.5)), e0=6548.0))
    got = xas.fourier(short).spectra.history[-1]
    end = float(short.k[-1])
    assert got["resolved"]["k"] == [3.0, pytest.approx(end)]
    assert got["notes"] == [f"the window ends at {end:g} 1/Å with the data instead of 12"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"k": (12.0, 3.0)}, r"k = \(12, 3\) holds no window"),
        ({"k": (-1.0, 3.0)}, r"k = \(-1, 3\) holds no window"),
        ({"dk": 0.0, "window": "kaiser"}, "dk = 0 makes no kaiser window"),
        ({"dk": -1.0}, "dk = -1 makes no hanning window"),
        ({"k": (3.0, 6.0), "dk": 4.0}, "the tapers would overlap"),
        ({"rmax": 0.0}, "rmax is a distance above zero"),
        ({"kweight": float("nan")}, "kweight"),
        ({"window": "haning"}, "did you mean 'hanning'"),
    ],
)
def test_nonsense_is_refused_in_one_sentence(scan, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        xas.fourier(scan, **options)


def test_it_needs_chi(simulated):
    with pytest.raises(ValueError, match="needs the variable 'chi', which xas.autobk adds"):
        xas.fourier(xas.normalize(simulated(), e0=6548.0))


@pytest.mark.parametrize("verb", ["fourier", "wavelet", "estimate_noise"])
def test_a_missing_or_uneven_k_axis_is_refused(scan, verb):
    with pytest.raises(ValueError, match="chi has no k axis"):
        getattr(xas, verb)(scan.drop_vars("k"))
    with pytest.raises(ValueError, match="uniform grid of k from 0"):
        getattr(xas, verb)(scan.assign_coords(k=scan.k.values**1.1))
    with pytest.raises(ValueError, match="uniform grid of k from 0"):
        getattr(xas, verb)(scan.isel(k=slice(20, None)))


def test_only_spectra_that_reach_through_the_window_have_a_transform(simulated):
    scans = simulated(3, noise=1e-3).copy(deep=True)
    scans["mu"][1, -100:] = np.nan  # ends at k = 11.8
    scans["mu"][2] = np.nan
    chi = xas.autobk(xas.normalize(scans, e0=6548.0))
    got = xas.fourier(chi, k=(3, 13))
    assert failed(got).values.tolist() == [False, True, True]
    assert flag_names(got, scan=1) == ["no_chi"]
    shorter = xas.fourier(chi, k=(3, 11))
    assert failed(shorter).values.tolist() == [False, False, True]
    assert np.isfinite(shorter.chir_mag[1]).all()


def test_a_series_a_lazy_series_and_a_second_call(simulated):
    chi = xas.autobk(xas.normalize(simulated(4, noise=1e-3), e0=6548.0))
    got = xas.fourier(chi)
    for i in range(4):
        np.testing.assert_allclose(got.chir_re[i], xas.fourier(chi.isel(scan=i)).chir_re, atol=1e-13)
    xr.testing.assert_allclose(xas.fourier(chi.chunk({"scan": 2})).compute().chir_mag, got.chir_mag)
    again = xas.fourier(got, rmax=6.0)
    assert float(again.r[-1]) == pytest.approx(6.0, abs=0.031)
    assert "results along r of an earlier call were replaced" in again.spectra.history[-1]["notes"]


def test_wavenumbers():
    assert pytest.approx(0.262468424, rel=1e-8) == INVERSE_KINETIC
    energy = np.array([6540.0, 6548.0, 6600.0])
    k = wavenumber(energy, 6548.0)
    assert k[1] == 0
    assert k[0] == pytest.approx(-np.sqrt(0.262468424 * 8))
    assert energy_of(k[2], 6548.0) == pytest.approx(6600.0)
    assert k_grid(1.0).size == 21
    with pytest.raises(ValueError, match="window 'hann' is not known; did you mean 'hanning'"):
        window(k_grid(10.0), 2, 8, shape="hann")
