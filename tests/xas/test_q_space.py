"""Back-transform: larch's numbers, the round trip, one shell cut out, intervals that cover, ends of chi(R)."""

import numpy as np
import pytest
import xarray as xr

import xas
from spectra.dataset import failed, flag_names
from spectra.larch_guard import larch_function
from xas.exafs.q_space import back_matrix
from xas.exafs.transform import fourier_matrix
from xas.points.wavenumber import K_STEP, R_STEP, k_grid, window

WINDOWS = ("hanning", "parzen", "welch", "kaiser", "sine", "gaussian")


@pytest.fixture
def scan(simulated):
    return xas.fourier(xas.autobk(xas.normalize(simulated(noise=1e-3), e0=6548.0)), k=(3, 12))


@pytest.mark.parametrize("shape", WINDOWS)
@pytest.mark.parametrize(
    ("low", "high", "dr", "rweight"), [(1, 3, 0.5, 0), (0.93, 2.71, 0.2, 1), (0, 9.5, 1, 2)]
)
def test_same_back_transform_as_larch(scan, larch, shape, low, high, dr, rweight):
    got = xas.back_fourier(scan, r=(low, high), dr=dr, window=shape, rweight=rweight, qmax=20.0)
    chir = scan.chir_re.values + 1j * scan.chir_im.values
    group = larch.Group(r=scan.r.values.copy(), chir=chir)
    larch_function("larch.xafs", "xftr")(
        group, rmin=low, rmax=high, dr=dr, window=shape, rw=rweight, qmax_out=20
    )
    size = abs(group.chiq).max()
    np.testing.assert_allclose(got.q, group.q, atol=1e-12)
    np.testing.assert_allclose(got.chiq_re + 1j * got.chiq_im, group.chiq, atol=1e-12 * size)
    np.testing.assert_allclose(got.chiq_mag, group.chiq_mag, atol=1e-12 * size)


def test_there_and_back_again():
    """Over all R the real part is what was transformed, window and weight included."""
    k = k_grid(14.0)
    chi = np.sin(5 * k) / (1 + k)
    everything = np.pi / (2 * K_STEP)
    _, there = fourier_matrix(k, 3.0, 12.0, kweight=2.0, taper=1.0, shape="hanning", rmax=everything + R_STEP)
    back = back_matrix(len(there), 0.0, everything, k, rweight=0.0, taper=0.0, shape="flat")
    weighted = chi * k**2 * window(k, 3.0, 12.0, taper=1.0)
    got = back @ (there @ chi)
    ends = back[:, :1] @ (there[:1] @ chi) / 2  # R = 0 has no partner at -R
    np.testing.assert_allclose((got - ends).real, weighted, atol=2e-3 * abs(weighted).max())


def test_one_of_two_shells_is_cut_out():
    k = k_grid(14.0)
    shells = [
        np.sin(2 * 1.8 * k) * np.exp(-0.01 * k**2),
        0.8 * np.sin(2 * 3.4 * k + 1) * np.exp(-0.01 * k**2),
    ]
    r, there = fourier_matrix(k, 3.0, 12.0, kweight=2.0, taper=2.0, shape="hanning", rmax=8.0)
    back = back_matrix(r.size, 1.0, 2.6, k, rweight=0.0, taper=0.2, shape="hanning")
    got, alone = (back @ (there @ chi) for chi in (sum(shells), shells[0]))
    middle = (k > 5) & (k < 10)
    expected = (shells[0] * k**2)[middle]
    assert abs(got.real[middle] - expected).max() < 0.05 * abs(expected).max()
    assert abs(got - alone)[middle].max() < 0.05 * abs(expected).max()


@pytest.mark.parametrize("known", [False, True])
def test_the_uncertainties_cover(simulated, known):
    truth, got = (
        xas.back_fourier(xas.fourier(xas.autobk(xas.normalize(d, e0=6548.0, pre=(-150.0, -30.0))), k=(3, 12)))
        for d in (simulated(), simulated(1200, noise=2e-3, seed=8, known=known))
    )
    inner = slice(3.5, 11.5)
    for name in ("chiq_re", "chiq_im", "chiq_mag"):
        inside = (abs(got[name] - truth[name]) < got[f"{name}_sigma"]).mean("scan").sel(q=inner)
        assert float(inside.mean()) == pytest.approx(0.683, abs=0.025), name
        assert 0.63 < float(inside.min()), name
        assert float(inside.max()) < 0.73, name


def test_units_axis_and_what_is_left_out(scan):
    got = xas.back_fourier(scan)
    assert got.q.attrs["units"] == "1/angstrom"
    assert got.chiq_re.attrs["units"] == "1/angstrom^2"
    np.testing.assert_allclose(got.q, scan.k, atol=1e-12)
    again = xas.back_fourier(got, qmax=10.0)
    assert float(again.q[-1]) == pytest.approx(10.0)
    assert "results along q of an earlier call were replaced" in again.spectra.history[-1]["notes"]
    bare = scan.copy()
    bare.attrs.pop("history")
    assert "chiq_re_sigma" not in xas.back_fourier(bare)


def test_a_series_a_lazy_series_and_a_bad_spectrum(simulated):
    scans = simulated(3, noise=1e-3).copy(deep=True)
    scans["mu"][1] = np.nan
    chir = xas.fourier(xas.autobk(xas.normalize(scans, e0=6548.0)))
    got = xas.back_fourier(chir)
    assert failed(got).values.tolist() == [False, True, False]
    assert "no_chi" in flag_names(got, scan=1)
    np.testing.assert_allclose(got.chiq_re[2], xas.back_fourier(chir.isel(scan=2)).chiq_re, atol=1e-13)
    xr.testing.assert_allclose(xas.back_fourier(chir.chunk({"scan": 1})).compute().chiq_mag, got.chiq_mag)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"r": (1.0, 12.0)}, r"r = \(1, 12\) reaches beyond chi\(R\), which ends at 9.97"),
        ({"r": (3.0, 1.0)}, r"r = \(3, 1\) holds no window"),
        ({"r": (-1.0, 1.0)}, r"r = \(-1, 1\) holds no window"),
        ({"dr": -0.1}, "dr = -0.1 makes no hanning window"),
        ({"dr": 0.0, "window": "gaussian"}, "dr = 0 makes no gaussian window"),
        ({"dr": 4.0}, "the tapers would overlap"),
        ({"qmax": 0.0}, "qmax = 0 1/Å"),
        ({"window": "hamming"}, "did you mean 'hanning'"),
    ],
)
def test_nonsense_is_refused_in_one_sentence(scan, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        xas.back_fourier(scan, **options)


def test_it_needs_chi_of_r_and_says_where_it_is_cut(scan):
    with pytest.raises(ValueError, match="needs the variable 'chir_re', which xas.fourier adds"):
        xas.back_fourier(scan.drop_vars(["chir_re", "chir_im"]))
    end = float(scan.r[-1])
    notes = xas.back_fourier(scan, r=(1.0, end)).spectra.history[-1]["notes"]
    assert notes == [f"chi(R) ends at {end:.4g} Å, inside the window's last taper: the window is cut there"]


def test_another_grid_of_r_is_refused(scan):
    with pytest.raises(ValueError, match=r"steps of 0.0307 Å from 0"):
        xas.back_fourier(scan.isel(r=slice(0, None, 2)))
