"""Wavelet transform: larch's numbers, the definition, one amplitude for all R, resolution as stated, areas that cover."""

import math

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import spectra
import xas
from spectra.dataset import failed, flag_names
from spectra.larch_guard import larch_function
from xas.exafs import wavelets
from xas.exafs.wavelet_filter import (
    adjoint,
    cone_of_influence,
    wavelet_filter,
    wavelet_magnitude,
    wavelet_transform,
)
from xas.exafs.wavelet_regions import trapezoid_weights
from xas.points.wavenumber import k_grid

KINDS = ("cauchy", "morlet")


@pytest.fixture(scope="module")
def scan(simulated):
    return xas.autobk(xas.normalize(simulated(noise=1e-3), e0=6548.0))


@pytest.mark.parametrize(("rmax", "kweight"), [(10.0, 0), (6.0, 2)])
def test_same_map_as_larch_at_its_order_and_grid(scan, larch, rmax, kweight):
    """Larch's order is its number of rows, its transform is 4096 long, its constant that of the publication."""
    k, chi = scan.k.values, scan.chi.values
    group = larch.Group(k=k.copy(), chi=chi.copy())
    larch_function("larch.xafs", "cauchy_wavelet")(group, kweight=kweight, rmax_out=rmax)
    n = len(group.wcauchy_r)
    r = np.linspace(0, rmax, n)
    filters = wavelet_filter(r, k.size, k[1], width=math.sqrt(n), length=4096)
    constant = math.exp(math.log(math.pi) - math.lgamma(n + 1) + n * math.log(n) - n)
    got = constant * wavelet_transform(chi * k**kweight, filters)
    size = abs(group.wcauchy).max()
    np.testing.assert_allclose(got, group.wcauchy, atol=1e-8 * size)
    magnitude = constant * wavelet_magnitude(chi * k**kweight, filters)
    np.testing.assert_allclose(magnitude, group.wcauchy_mag, atol=1e-8 * size)


@pytest.mark.parametrize("kind", KINDS)
def test_the_definition_gives_the_same(kind, rng):
    """The sum over k with the wavelet itself, as published: its scale at R is n/2R or η/2R."""
    k, r, s = k_grid(12.0), np.array([1.4, 2.3, 3.1]), 5.0
    x = rng.normal(size=k.size) * np.exp(-((k - 6) ** 2) / 8)
    distance = k[:, None] - k
    for row, one in zip(
        r, wavelet_transform(x, wavelet_filter(r, k.size, 0.05, kind=kind, width=s, length=4096)), strict=True
    ):
        t = distance * 2 * row
        if kind == "cauchy":
            n = s**2
            shape = (1 - 1j * t / n) ** -(n + 1)
            unit = 2 * row * 2 * math.exp(n - (n + 1) * math.log(n) + math.lgamma(n + 1)) / (2 * math.pi)
        else:
            shape = (np.exp(1j * t) - math.exp(-(s**2) / 2)) * np.exp(-(t**2) / (2 * s**2))
            unit = 2 * 2 * row / s / math.sqrt(2 * math.pi)
        np.testing.assert_allclose(one, 0.05 * unit * shape @ x, atol=1e-5 * abs(one).max())


@pytest.mark.parametrize("kind", KINDS)
@given(r=st.floats(1.5, 5.0), amplitude=st.floats(0.01, 50), phase=st.floats(0, 6.3), s=st.floats(4, 9))
@settings(max_examples=25)
def test_a_wave_stands_with_its_amplitude_at_its_distance(kind, r, amplitude, phase, s):
    k = k_grid(20.0)
    rows = r + np.linspace(-0.5, 0.5, 101)
    image = wavelet_magnitude(
        amplitude * np.cos(2 * k * r + phase), wavelet_filter(rows, k.size, 0.05, kind=kind, width=s)
    )
    middle = image[:, k.size // 2]
    assert middle[50] == pytest.approx(amplitude, rel=3e-3)
    assert rows[middle.argmax()] == pytest.approx(r, abs=0.011)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("r", [1.5, 3.0])
def test_the_resolution_is_as_stated(kind, r):
    """A pulse in k spreads by σ_k = s/2R, a long wave in R by R/s."""
    k, s = k_grid(20.0), 6.0
    pulse = np.zeros(k.size)
    pulse[200] = 1
    spread = wavelet_magnitude(pulse, wavelet_filter(np.array([r]), k.size, 0.05, kind=kind, width=s))[0]
    width = np.ptp(k[spread > spread.max() / 2])
    assert width == pytest.approx(2.3548 * s / (2 * r), rel=0.04, abs=0.05)
    rows = np.arange(0.5, 5.0, 0.005)
    wave = wavelet_magnitude(np.cos(2 * k * r), wavelet_filter(rows, k.size, 0.05, kind=kind, width=s))[
        :, 200
    ]
    assert np.ptp(rows[wave > wave.max() / 2]) == pytest.approx(2.3548 * r / s, rel=0.04)


def test_full_widths_of_the_reference():
    """Orders 31, 100 and 326 at 2.2 Å: 2.9, 5.3 and 9.6 1/Å."""
    k = k_grid(40.0)
    pulse = np.zeros(k.size)
    pulse[400] = 1
    for n, expected in ((31, 2.9), (100, 5.3), (326, 9.6)):
        filters = wavelet_filter(np.array([2.2]), k.size, 0.05, width=math.sqrt(n))
        spread = wavelet_magnitude(pulse, filters)[0]
        assert np.ptp(k[spread > spread.max() / 2]) == pytest.approx(expected, abs=0.1)


def test_the_map_does_not_depend_on_rows_or_length_outside_of_the_cone(scan):
    """In larch both change amplitude and resolution."""
    near, far = xas.wavelet(scan, rmax=4.0), xas.wavelet(scan, rmax=8.0)
    np.testing.assert_allclose(far.wavelet[: near.r.size], near.wavelet, rtol=1e-9, atol=1e-12)
    k = scan.k.values
    x = scan.chi.values * k**2
    r = near.r.values
    for kind in KINDS:
        usual, long = (
            wavelet_magnitude(x, wavelet_filter(r, k.size, 0.05, kind=kind, width=5.0, length=n))
            for n in (None, 8192)
        )
        clear = ~cone_of_influence(r, k, 0.0, k[-1], 5.0)
        assert abs(usual - long)[clear].max() < 1e-6 * long.max()


def test_cauchy_and_morlet_are_alike(scan):
    cauchy = xas.wavelet(scan, resolution=1.5)
    morlet = xas.wavelet(scan, kind="morlet", resolution=1.5)
    assert float(abs(cauchy.wavelet - morlet.wavelet).max()) < 0.12 * float(cauchy.wavelet.max())
    assert cauchy.spectra.history[-1]["resolved"]["order"] == pytest.approx(56.25)
    assert morlet.spectra.history[-1]["resolved"]["eta_sigma"] == pytest.approx(7.5)
    same = xas.wavelet(scan, order=56.25)
    np.testing.assert_array_equal(same.wavelet, cauchy.wavelet)


def test_the_edges_of_the_cone():
    k = k_grid(15.0)
    cone = cone_of_influence(np.array([0.0, 1.0, 2.5]), k, 3.0, 12.0, 5.0)
    assert cone[0].all()
    assert cone[1].all()  # 2σ = 5 from either end of 9
    assert k[~cone[2]].min() == pytest.approx(5.0)
    assert k[~cone[2]].max() == pytest.approx(10.0)


def test_heavy_and_light_neighbours_part_in_k():
    """Two shells at one distance, one strong at low k as of oxygen, one at high k as of a metal."""
    k = k_grid(14.0)
    light = np.exp(-(((k - 4.5) / 1.5) ** 2)) * np.cos(2 * 2.4 * k)
    heavy = np.exp(-(((k - 9.5) / 1.5) ** 2)) * np.cos(2 * 2.4 * k)
    image = wavelet_magnitude(light + heavy, wavelet_filter(np.array([2.4]), k.size, 0.05, width=2 * 2.4))[0]
    at = [int(np.argmin(abs(k - q))) for q in (4.5, 7.0, 9.5)]
    assert image[at[0]] > 2 * image[at[1]]
    assert image[at[2]] > 2 * image[at[1]]


@given(scale=st.floats(1e-3, 1e3), add=st.floats(-1, 1))
@settings(max_examples=10)
def test_the_map_is_linear_and_its_adjoint_is_one(scale, add):
    rng = np.random.default_rng(4)
    k = k_grid(10.0)
    filters = wavelet_filter(np.array([1.0, 2.0, 3.0]), k.size, 0.05, width=5.0)
    x, y = rng.normal(size=(2, k.size))
    both = wavelet_transform(scale * x + add * y, filters)
    np.testing.assert_allclose(
        both,
        scale * wavelet_transform(x, filters) + add * wavelet_transform(y, filters),
        atol=1e-11 * (scale + 1),
    )
    image = rng.normal(size=(3, k.size)) + 1j * rng.normal(size=(3, k.size))
    product = np.real(np.conj(image) * wavelet_transform(x, filters)).sum()
    assert adjoint(image, filters) @ x == pytest.approx(product, rel=1e-9)


@given(low=st.floats(0, 4), width=st.floats(0.01, 5))
def test_weights_integrate_the_line_between_points(low, width):
    grid = np.linspace(0.0, 9.0, 31)
    values = np.abs(np.sin(grid))
    fine = np.linspace(low, low + width, 20001)
    expected = np.trapezoid(np.interp(fine, grid, values), fine)
    assert trapezoid_weights(grid, low, low + width) @ values == pytest.approx(expected, rel=1e-5, abs=1e-9)


def test_an_area_is_the_integral_of_the_map(scan):
    box = {"shell": ((4.0, 9.0), (1.5, 2.5))}
    got = xas.wavelet(xas.fourier(scan, rmax=4.0), regions=box)
    part = got.wavelet.sel(k=slice(3.99, 9.01)).interp(r=np.linspace(1.5, 2.5, 201))
    expected = part.integrate("k").integrate("r")
    assert float(got.wavelet_area[0]) == pytest.approx(float(expected), rel=2e-4)
    only = xas.wavelet(scan, regions=box, maps=False)
    assert float(only.wavelet_area[0]) == pytest.approx(float(got.wavelet_area[0]), rel=1e-12)
    assert "wavelet" not in only
    assert got.region.values.tolist() == ["shell"]


def test_a_box_in_the_cone_is_said(scan):
    boxes = {"edge": ((3.0, 5.0), (1.0, 1.5)), "middle": ((6.0, 9.0), (2.5, 3.5))}
    notes = xas.wavelet(scan, regions=boxes, maps=False).spectra.history[-1]["notes"]
    assert [n for n in notes if "'edge' lies in the cone of influence" in n]
    assert not [n for n in notes if "'middle'" in n]


@pytest.mark.parametrize("known", [False, True])
def test_the_uncertainty_of_an_area_covers(simulated, known):
    truth, got = (
        xas.wavelet(
            xas.autobk(xas.normalize(d, e0=6548.0, pre=(-150.0, -30.0))), maps=False, kind="morlet",
            regions={"shell": ((4.0, 9.0), (1.4, 2.4)), "low": ((3.0, 6.0), (1.6, 2.2))},
        )
        for d in (simulated(), simulated(500, noise=1e-3, seed=9, known=known))
    )  # fmt: skip
    pull = (got.wavelet_area - truth.wavelet_area) / got.wavelet_area_sigma
    inside = (abs(pull) < 1).mean("scan")
    assert ((inside > 0.63) & (inside < 0.73)).all(), inside.values
    np.testing.assert_allclose(pull.std("scan"), 1, atol=0.1)


def test_rows_are_those_of_chi_of_r(scan):
    with_r = xas.fourier(scan, rmax=5.0)
    got = xas.wavelet(with_r)
    np.testing.assert_array_equal(got.r, with_r.r)
    assert got.wavelet.dims == ("r", "k")
    assert got.wavelet.attrs["units"] == "1/angstrom^2"
    assert "chir_mag" in got
    assert set(np.unique(got.cone_of_influence)) == {0, 1}
    other = xas.wavelet(with_r, rmax=3.0, kweight=0.0)
    assert "chir_mag" not in other
    assert other.wavelet.attrs["units"] == ""
    assert "results along r of an earlier call were replaced" in other.spectra.history[-1]["notes"][0]
    again = xas.wavelet(got, resolution=0.7)
    np.testing.assert_array_equal(again.r, with_r.r)


def test_complex_parts_and_single_precision(scan):
    got = xas.wavelet(scan, rmax=3.0, parts="complex", precision="single")
    assert got.wavelet.dtype == got.wavelet_re.dtype == np.float32
    np.testing.assert_allclose(np.hypot(got.wavelet_re, got.wavelet_im), got.wavelet, rtol=1e-5, atol=1e-6)
    double = xas.wavelet(scan, rmax=3.0)
    np.testing.assert_allclose(got.wavelet, double.wavelet, atol=1e-6 * float(double.wavelet.max()))


def test_a_lazy_series_is_made_in_small_blocks(simulated, monkeypatch):
    chi = xas.autobk(xas.normalize(simulated(8, noise=1e-3), e0=6548.0))
    box = {"shell": ((4.0, 9.0), (1.4, 2.4))}
    whole = xas.wavelet(chi, rmax=3.0, regions=box)
    each = whole.r.size * whole.k.size * 8
    monkeypatch.setattr(wavelets, "BLOCK", 2 * each)
    lazy = xas.wavelet(chi.chunk({"scan": 8}), rmax=3.0, regions=box)
    assert lazy.wavelet.chunks[0] == (2, 2, 2, 2)
    for name in ("wavelet", "wavelet_area", "wavelet_area_sigma"):
        xr.testing.assert_allclose(lazy[name].compute(), whole[name], rtol=1e-9)
    monkeypatch.setattr(wavelets, "MOST", 3 * each)
    with pytest.raises(ValueError, match=r"the maps of 8 spectra would take .* maps = False"):
        xas.wavelet(chi, rmax=3.0)
    assert xas.wavelet(chi, maps=False, regions=box).sizes["region"] == 1


def test_missing_points_and_short_spectra_are_flagged(simulated):
    scans = simulated(3, noise=1e-3).copy(deep=True)
    scans["mu"][1, -100:] = np.nan  # ends at k = 11.8
    scans["mu"][2] = np.nan
    chi = xas.autobk(xas.normalize(scans, e0=6548.0))
    got = xas.wavelet(chi, k=(3, 13), regions={"shell": ((4.0, 9.0), (1.4, 2.4))})
    assert failed(got).values.tolist() == [False, True, True]
    assert "no_chi" in flag_names(got, scan=1)
    assert np.isnan(got.wavelet[1:]).all()
    assert np.isnan(got.wavelet_area[1:]).all()
    assert np.isfinite(got.wavelet[0]).all()
    shorter = xas.wavelet(chi, k=(3, 11))
    assert np.isfinite(shorter.wavelet[1]).all()


@settings(max_examples=8)
@given(scale=st.floats(1e-3, 1e3), constant=st.floats(-5, 5), slope=st.floats(-1e-3, 1e-3))
def test_scale_constant_and_line_of_mu_do_not_matter(scale, constant, slope):
    energy = np.concatenate(
        [np.arange(6340.0, 6540, 5), np.arange(6540, 6580, 0.5), np.arange(6580, 7200, 3)]
    )
    k = np.sqrt(0.2624684 * np.clip(energy - 6548, 0, None))
    mu = (1 + 0.1 * np.sin(5 * k) * np.exp(-0.01 * k**2)) / (1 + np.exp(-(energy - 6548) / 1.5))
    other = scale * (mu + constant + slope * (energy - 6548))
    scans = spectra.from_arrays(energy, np.stack([mu, other]), name="mu", dims=("scan",))
    chi = xas.autobk(xas.normalize(scans, e0=6548.0), clamp_high=0.0)
    got = xas.wavelet(xas.fourier(chi), k=(3.0, 12.0))
    size = float(got.wavelet[0].max())
    np.testing.assert_allclose(got.wavelet[1], got.wavelet[0], atol=1e-5 * size)
    np.testing.assert_allclose(got.chir_mag[1], got.chir_mag[0], atol=1e-5 * float(got.chir_mag[0].max()))
    reverse = spectra.from_arrays(energy[::-1], mu[::-1], name="mu")
    turned = xas.fourier(xas.autobk(xas.normalize(reverse, e0=6548.0), clamp_high=0.0))
    np.testing.assert_allclose(turned.chir_mag, got.chir_mag[0], atol=1e-9)


def test_resampling_changes_little():
    fine = np.concatenate(
        [np.arange(6340.0, 6530, 5), np.arange(6530, 6580, 0.25), np.arange(6580, 7340, 1.0)]
    )
    coarse = np.concatenate(
        [np.arange(6340.0, 6530, 8), np.arange(6530, 6580, 0.5), np.arange(6580, 7340, 2.0)]
    )
    maps = []
    for energy in (fine, coarse):
        k = np.sqrt(0.2624684 * np.clip(energy - 6548, 0, None))
        rise = 1 / (1 + np.exp(-np.clip((energy - 6548) / 1.0, -700, 700)))
        mu = rise * (1 + 0.4 * np.sin(5 * k) * np.exp(-0.01 * k**2) / (1 + k))
        scan = xas.autobk(xas.normalize(spectra.from_arrays(energy, mu, name="mu"), e0=6548.0), kmax=14.0)
        maps.append(xas.wavelet(scan, k=(3.0, 12.0)).wavelet)
    assert float(abs(maps[0] - maps[1]).max()) < 0.02 * float(maps[0].max())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"k": (3.0, 20.0)}, r"k = \(3, 20\) reaches beyond chi\(k\)"),
        ({"k": (9.0, 3.0)}, r"k = \(9, 3\) holds no window"),
        ({"kind": "morlet", "order": 31.0}, "order does not belong to the morlet wavelet: give eta_sigma"),
        ({"eta_sigma": 5.0}, "eta_sigma does not belong to the cauchy wavelet: give order"),
        ({"order": 0.5}, "order 0.5"),
        ({"resolution": 0.0}, r"ησ = 0\)"),
        ({"resolution": 1.0, "resolution_at": -1.0}, "resolution_at"),
        ({"rmax": 0.0}, "rmax is a distance up to 30 Å, got 0"),
        ({"maps": False}, "leaves nothing to do without regions"),
        (
            {"regions": {"O": ((2.0, 9.0), (1.0, 2.0))}},
            r"region 'O' is k = \(2, 9\).*stays within the window, 3 to 12",
        ),
        ({"regions": {"O": ((4.0, 9.0), (2.0, 1.0))}}, r"R = \(2, 1\): both ascend"),
        ({"kind": "moret"}, "did you mean 'morlet'"),
    ],
)
def test_nonsense_is_refused_in_one_sentence(scan, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        xas.wavelet(scan, **options)


def test_it_needs_chi(simulated):
    with pytest.raises(ValueError, match="needs the variable 'chi', which xas.autobk adds"):
        xas.wavelet(xas.normalize(simulated(), e0=6548.0))
