"""eps_k and eps_r: white noise recovered, larch's mean square, an uncertainty that covers, what a scan's steps hide."""

import numpy as np
import pytest

import xas
from spectra.dataset import failed, flag_names
from spectra.larch_guard import larch_function
from xas.exafs.high_r_noise import high_r_noise
from xas.points.wavenumber import k_grid


@pytest.mark.parametrize("kweight", [0.0, 1.0, 2.0, 2.5, 3.0])
@pytest.mark.parametrize("shape", ["flat", "hanning", "kaiser"])
def test_white_noise_is_recovered(rng, kweight, shape):
    k = k_grid(15.0)
    found = high_r_noise(
        k, 0.01 * rng.normal(size=(1500, k.size)), 2.0, 14.0, kweight=kweight, taper=1.0, shape=shape
    )
    assert np.sqrt(np.mean(found.eps_k**2)) == pytest.approx(0.01, rel=0.01)
    pull = (found.eps_k - 0.01) / (found.relative * found.eps_k)
    assert 0.63 < np.mean(abs(pull) < 1) < 0.73


def test_same_mean_square_as_larch(larch, rng):
    """Larch divides by the mean of the window, which is always its Kaiser-Bessel, and integrates the weight without it."""
    k = k_grid(15.0)
    chi = np.sin(4 * k) * np.exp(-0.02 * k**2) + 0.01 * rng.normal(size=k.size)
    group = larch.Group(k=k, chi=chi)
    larch_function("larch.xafs", "estimate_noise")(group, kmin=2, kmax=14, kweight=2, dk=1)
    mean = larch.ftwindow(k, xmin=2, xmax=14, dx=1, window="kaiser").sum() * 0.05 / 12
    found = high_r_noise(k, chi, 2.0, 14.0, kweight=2.0, taper=1.0, shape="kaiser")
    assert float(found.eps_r) == pytest.approx(group.epsilon_r * mean, rel=1e-10)
    assert float(found.eps_k) == pytest.approx(group.epsilon_k, rel=0.2)


def test_it_agrees_with_the_noise_of_the_points(simulated):
    """Where the scan's steps are finer than those of k it is chi_sigma; where they are coarser it is less."""
    fine = np.concatenate([np.arange(6340.0, 6540, 4), np.arange(6540.0, 7340, 0.8)])
    chi = xas.autobk(xas.normalize(simulated(200, noise=2e-3, energy=fine), e0=6548.0))
    got = xas.estimate_noise(chi, k=(6, 13))
    expected = float(chi.chi_sigma.sel(k=slice(6, 13)).mean())
    assert float(np.sqrt((got.eps_k**2).mean())) == pytest.approx(expected, rel=0.05)
    transform = xas.fourier(chi, k=(6, 13), rmax=28.0)
    far = transform.chir_re_sigma.sel(r=slice(16, 27)).mean()
    assert float(np.sqrt((got.eps_r**2).mean())) == pytest.approx(float(far), rel=0.05)
    coarse = xas.autobk(xas.normalize(simulated(200, noise=2e-3), e0=6548.0))
    low = xas.estimate_noise(coarse, k=(3, 6), kweight=1.0)
    assert float(low.eps_k.mean()) < 0.8 * float(coarse.chi_sigma.sel(k=slice(3, 6)).mean())


def test_correlated_noise_is_said(simulated):
    """A scan smoothed over neighbouring points: what a point's neighbours do not predict is less than its noise."""
    fine = np.concatenate([np.arange(6340.0, 6540, 4), np.arange(6540.0, 7340, 0.8)])
    rough = simulated(20, noise=4e-3, energy=fine)
    smooth = rough.assign(mu=rough.mu.rolling(energy=5, center=True, min_periods=1).mean())
    chi = xas.autobk(xas.normalize(smooth, e0=6548.0))
    notes = xas.estimate_noise(chi, k=(6, 13)).spectra.history[-1]["notes"]
    assert any("times the chi_sigma of the points: their noise is correlated" in n for n in notes)
    plain = xas.estimate_noise(xas.autobk(xas.normalize(rough, e0=6548.0)), k=(6, 13))
    assert not plain.spectra.history[-1].get("notes")


def test_a_series_its_units_and_a_bad_spectrum(simulated):
    scans = simulated(3, noise=1e-3).copy(deep=True)
    scans["mu"][1] = np.nan
    chi = xas.autobk(xas.normalize(scans, e0=6548.0))
    got = xas.estimate_noise(chi)
    assert failed(got).values.tolist() == [False, True, False]
    assert "no_chi" in flag_names(got, scan=1)
    assert (got.eps_k.attrs["units"], got.eps_r.attrs["units"]) == ("", "1/angstrom^3")
    assert float(xas.estimate_noise(chi.isel(scan=2)).eps_k) == pytest.approx(float(got.eps_k[2]))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"r": (30.0, 15.0)}, r"r = \(30, 15\) is no range"),
        ({"r": (15.0, 60.0)}, "ends below 31.4"),
        ({"k": (3.0, 20.0)}, r"k = \(3, 20\) reaches beyond chi\(k\)"),
    ],
)
def test_nonsense_is_refused_in_one_sentence(simulated, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        xas.estimate_noise(xas.autobk(xas.normalize(simulated(), e0=6548.0)), **options)
