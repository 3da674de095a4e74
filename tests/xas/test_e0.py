"""E0 on the main rise: not in pre-edges, not up the white line, not where there is no edge."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import spectra
import xas
from spectra.errors import InvalidInput
from xas.normalization.e0 import find_e0, has_edge, local_slope, measure_e0
from xas.normalization.origins import choose_origins
from xas.tables import edge_energy, load_table, next_edge


def test_e0_is_the_middle_of_a_symmetric_edge_between_grid_points():
    energy = np.concatenate(
        [np.arange(6400.0, 6530, 5), np.arange(6530, 6580, 0.25), np.arange(6580, 7000, 2)]
    )
    edges = np.array([6547.9, 6548.03, 6550.11])
    mu = 1 / (1 + np.exp(-(energy - edges[:, None]) / 1.5))
    np.testing.assert_allclose(find_e0(energy, mu, 6539.0), edges, rtol=0, atol=0.02)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("V2O5_xaslib", 5480, 5484),  # pre-edge at 5470.7, edge at 5481.4
        ("VO2_xaslib", 5479, 5485),
        ("Cr-K-K2CrO4_bmm", 6005, 6009),  # pre-edge at 5993, as tall as the edge
        ("Ti-K-Fresnoite_bmm", 4978, 4984),
        ("Fe-Hematite_bmm", 7121, 7128),
        ("Mn-Manganosite_bmm", 6542, 6546),  # larch: 5 eV up the white line
        ("Mn-Bixbyite_bmm", 6547, 6553),
    ],
)
def test_pre_edges_and_white_lines_do_not_catch_it(measured, name, low, high):
    # the column mutrans of K2CrO4 is not the absorption of the sample
    scan = measured(name, channel="transmission" if "K2CrO4" in name else "auto")
    assert low < float(xas.normalize(scan).e0) < high


@pytest.mark.parametrize(
    ("name", "expected"),  # maxima of the derivative of the foils, measured on this set
    [
        ("V_foil_xaslib", 5465.5),
        ("Fe_foil_rt_xaslib", 7110.8),
        ("Co_metal_rt_xaslib", 7709.0),
        ("Ni_metal_rt_01_xaslib", 8331.5),
        ("Cu_foil_rt_larch", 8980.5),
    ],
)
def test_metals_keep_their_first_inflection(measured, name, expected):
    assert float(xas.normalize(measured(name)).e0) == pytest.approx(expected, abs=0.25)


def test_without_element_the_largest_step_is_found(measured):
    scan = measured("V2O5_xaslib")
    for name in ("element", "edge"):
        scan.attrs.pop(name)
    found = xas.normalize(scan)
    assert 5480 < float(found.e0) < 5484
    assert "element and edge are not named" in found.spectra.history[-1]["notes"][0]


def test_a_channel_without_edge_has_none(data_dir):
    foil = xas.read(data_dir / "xas" / "Mn-Mnfoil_bmm.xdi", channel="mu")
    assert not has_edge(foil.energy.values, foil.mu.values, 6539.0)
    with pytest.raises(ValueError, match="no absorption edge was found in any spectrum"):
        xas.normalize(foil)


@given(scale=st.floats(1e-3, 1e3), slope=st.floats(-1e-3, 1e-3), offset=st.floats(-5, 5))
def test_scale_and_background_do_not_move_it(scale, slope, offset):
    energy = np.arange(6400.0, 6800, 0.5)
    mu = 1 / (1 + np.exp(-(energy - 6548.2) / 1.5))
    moved = scale * (mu + slope * (energy - 6548) + offset)
    assert float(find_e0(energy, moved, 6539.0)) == pytest.approx(6548.2, abs=0.05)


@given(shift=st.floats(-8, 8))
def test_it_follows_the_edge(shift):
    energy = np.arange(6400.0, 6800, 0.5)
    mu = 1 / (1 + np.exp(-(energy - 6548.2 - shift) / 1.5))
    assert float(find_e0(energy, mu, 6539.0)) == pytest.approx(6548.2 + shift, abs=0.05)


def test_noise_and_flat_spectra_have_no_edge(rng):
    energy = np.arange(6400.0, 6800, 0.5)
    flat = np.stack([rng.normal(size=energy.size), np.ones(energy.size), 1e-3 * (energy - 6400), -energy])
    assert not has_edge(energy, flat, 6539.0).any()
    assert np.isnan(find_e0(energy, flat, 6539.0)).all()


def test_a_bad_spectrum_does_not_move_the_common_e0(simulated):
    good = simulated(6, noise=1e-3)
    bad = good.copy(deep=True)
    bad["mu"][3] = 1.0
    bad["mu"][4] = np.nan
    assert float(xas.normalize(bad).e0) == float(xas.normalize(good).e0)
    first_bad = bad.isel(scan=[3, 4, 0, 1])
    assert float(xas.normalize(first_bad).e0) == float(xas.normalize(good).e0)


def test_slopes_of_a_parabola_are_exact_on_an_uneven_grid(rng):
    x = np.cumsum(rng.uniform(0.1, 3, 40))
    np.testing.assert_allclose(local_slope(x, 1.5) @ (3 + 2 * x - 0.5 * x**2), 2 - x, atol=1e-9)


def test_slope_equals_a_fit_at_each_point(rng):
    """The obvious way: one weighted polynomial fit per point."""
    x, y = np.sort(rng.uniform(0, 20, 60)), rng.normal(size=60)
    got = local_slope(x, 1.5) @ y
    for i, center in enumerate(x):
        reach = max(1.5, 1.01 * np.sort(np.abs(x - center))[4])
        inside = np.abs(x - center) < reach
        weight = 1 - ((x[inside] - center) / reach) ** 2
        fit = np.polyfit(x[inside] - center, y[inside], 2, w=np.sqrt(weight))
        assert got[i] == pytest.approx(fit[1], rel=1e-6, abs=1e-8)


def test_tabulated_edges():
    assert edge_energy("Mn", "K") == 6539.0
    assert edge_energy("mn", "l3") == 638.7
    assert edge_energy("Xx", "K") is None
    assert edge_energy(None, None) is None
    assert next_edge("Ce", "L3") == 6164.0
    assert next_edge("Mn", "K") is None
    about = load_table("edges")["about"]
    assert (about["unit"], about["status"]) == ("eV", "read")
    assert about["source"].startswith("10.")


def test_a_dataset_of_another_edge_is_looked_at_where_it_is():
    """The attributes name an edge that is not in the data: the largest step is taken."""
    energy = np.arange(8200.0, 8800, 0.5)
    mu = 1 / (1 + np.exp(-(energy - 8345) / 1.5))
    data = spectra.from_arrays(energy, mu, name="mu", attrs={"element": "Mn", "edge": "K"})
    assert float(xas.normalize(data).e0) == pytest.approx(8345, abs=0.2)


def test_the_sigma_covers(simulated):
    """Stated uncertainty against the scatter over draws of the noise, on a series and per point."""
    truth = float(find_e0(simulated().energy.values, simulated().mu.values, 6539.0))
    for noise in (1e-3, 8e-3):
        scans = simulated(2000, noise=noise)
        energy, mu = scans.energy.values, scans.mu.values
        for known in (None, np.full(len(mu), noise), np.full(mu.shape, noise)):
            got = measure_e0(energy, mu, 6539.0, known)
            inside = np.abs(got["e0"] - truth) < got["e0_sigma"]
            assert 0.63 < inside.mean() < 0.73


@pytest.mark.long
@pytest.mark.parametrize("white_line", [0.0, 1.0])
@pytest.mark.parametrize("pre_edge", [0.0, 0.4])
@pytest.mark.parametrize("noise", [4e-4, 4e-3, 8e-3])
def test_the_sigma_covers_on_many_shapes(simulated, white_line, pre_edge, noise):
    shape = {"white_line": white_line, "pre_edge": pre_edge}
    clean = simulated(**shape)
    truth = float(find_e0(clean.energy.values, clean.mu.values, 6539.0))
    scans = simulated(4000, noise=noise, **shape)
    got = measure_e0(scans.energy.values, scans.mu.values, 6539.0)
    assert 0.63 < (np.abs(got["e0"] - truth) < got["e0_sigma"]).mean() < 0.73


def test_one_origin_for_a_series_or_one_each(simulated):
    scans = simulated(noise=2e-3, edge=6548.0 + 0.3 * np.arange(5))
    one, each = choose_origins(scans, "series"), choose_origins(scans, "each")
    assert one.e0.ndim == 0
    assert float(one.e0) == pytest.approx(float(each.e0[0]), abs=0.051)
    assert 0.1 / np.sqrt(12) < float(one.e0_sigma) < 0.1
    np.testing.assert_allclose(np.diff(each.e0), 0.3, atol=0.15)
    assert (each.e0_sigma > 0.005).all()
    lazy = choose_origins(scans.chunk({"scan": 2}), "each")
    np.testing.assert_array_equal(lazy.e0.compute(), each.e0)
    given = choose_origins(scans, 6548.0)
    assert (float(given.e0), given.e0_sigma) == (6548.0, None)
    with pytest.raises(
        InvalidInput, match="no absorption edge was found in any spectrum .* or give e0 in eV"
    ):
        choose_origins(scans.assign(mu=scans.mu * 0 + 1))


def test_a_rise_that_goes_on_to_the_last_point_is_no_edge():
    energy = np.arange(6400.0, 6546.0, 0.5)
    mu = 1 / (1 + np.exp(-(energy - 6548.2) / 1.5))
    assert np.isnan(find_e0(energy, mu, 6539.0))


def test_a_later_edge_of_another_element_does_not_catch_it(measured):
    """Ba L3 at 5247 eV in Ba2TiSi2O8 rises more than Ti K."""
    scan = measured("Ti-K-Fresnoite_bmm")
    assert scan.energy[-1] > 5600
    assert 4978 < float(choose_origins(scan).e0) < 4984
