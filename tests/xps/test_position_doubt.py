"""Positions that their limits decide are flagged; where the flag is quiet, uncertainties hold."""

from __future__ import annotations

import numpy as np
import pytest

import spectra
import xps
from spectra.fitting.lineshapes import sgl

X = np.arange(630.0, 668.0, 0.1)
LINES = ((641.3, 0.4, 11.7), (642.3, 0.6, 11.65))


def fitted(peak, n, rng, **options):
    net = sum(
        sgl(X, place, share, 3.2, 0.3) + sgl(X, place + apart, share / 2, 3.52, 0.3)
        for place, share, apart in LINES
    )
    y = rng.poisson(np.broadcast_to(300.0 + peak * net / net.max(), (n, X.size)))
    data = spectra.from_arrays(X, y, axis="binding_energy", name="counts", units="counts", dims=("scan",))
    return xps.deconvolve(data, states=("Mn2+", "Mn4+"), background="active_linear", **options)


def vanadium(peak, n, rng, room):
    """V4+ and V5+, each anywhere in its room, in any mixture; the fit, and the fractions of V4+."""
    x, y, truth = np.arange(508.0, 528.0, 0.1), [], rng.uniform(0, 1, n)
    for share in truth:
        lines = [(p + rng.uniform(-room, room), s) for p, s in ((515.9, share), (516.9, 1 - share))]
        net = sum(sgl(x, p, s, 2.2, 0.3) + sgl(x, p + 7.4, s / 2, 2.86, 0.3) for p, s in lines)
        y.append(rng.poisson(300.0 + peak * net / net.max()))
    data = spectra.from_arrays(
        x, np.array(y), axis="binding_energy", name="counts", units="counts", dims=("scan",)
    )
    found = xps.deconvolve(
        data, states=("V4+", "V5+"), positions={"V4+": 515.9, "V5+": 516.9}, background="active_linear",
        position_range=room,
    )  # fmt: skip
    return found, truth


def flagged(found):
    names = found.status.attrs["flag_meanings"].split() if "status" in found else ()
    if "position_not_determined" not in names:
        return np.zeros(found.sizes["scan"], bool)
    return (found.status.values >> names.index("position_not_determined")) & 1 == 1


def test_few_counts_are_flagged_and_many_are_not(rng):
    assert flagged(fitted(500.0, 40, rng, position_range=0.3)).mean() > 0.8
    assert not flagged(fitted(20_000.0, 40, rng, position_range=0.3)).any()
    assert not flagged(fitted(500.0, 40, rng, position_range=0.0)).any()


@pytest.mark.long
def test_where_it_is_quiet_uncertainties_hold(rng):
    found = fitted(5000.0, 600, rng, position_range=0.3)
    quiet = ~flagged(found)
    off = ((found.fraction[:, 0] - 0.4) / found.fraction_sigma[:, 0]).values[quiet]
    assert quiet.mean() > 0.8
    assert 0.63 < (np.abs(off) < 1).mean() < 0.73


def test_a_position_on_its_limit_is_unsure_by_its_room(rng):
    """Anywhere between limits 0.6 eV apart: 0.6 / sqrt(12) eV, for its doublet too."""
    found = fitted(500.0, 20, rng, position_range=0.3)
    place = found.best_value.sel(parameter="mn2_2p3_2_position") - 641.3
    held = np.abs(np.abs(place) - 0.3) < 1e-9
    assert held.any()
    room = found.position_sigma.sel(component=["Mn2+ 2p3/2", "Mn2+ 2p1/2"])[held]
    assert (room >= 0.6 / np.sqrt(12) - 1e-9).all()
    alone = found.best_value_sigma.sel(parameter="mn2_2p3_2_position")[held]
    assert (alone >= 0.6 / np.sqrt(12) - 1e-9).all()
    assert np.isfinite(found.fraction_sigma[held]).all()


@pytest.mark.long
@pytest.mark.parametrize("peak", [500.0, 2000.0, 10_000.0])
def test_where_limits_decide_uncertainties_hold(rng, peak):
    """V4+ and V5+, 1 eV apart and 2.2 eV wide, each anywhere within 0.4 eV."""
    found, truth = vanadium(peak, 500, rng, 0.4)
    assert flagged(found).mean() > (0.25 if peak < 1e4 else 0.05)
    off = ((found.fraction[:, 0] - truth) / found.fraction_sigma[:, 0]).values
    assert np.isfinite(off).all()
    assert abs(off.mean()) < 0.25
    assert 0.63 < (np.abs(off) < 1).mean() < 0.73


def test_fractions_are_means_over_the_room_and_the_rest_the_best_fit(rng):
    found = fitted(500.0, 20, rng, position_range=0.3)
    assert flagged(found).any()
    np.testing.assert_allclose(found.fraction.sum("state"), 1.0, rtol=1e-9)
    np.testing.assert_allclose(found.fraction_sigma[:, 0], found.fraction_sigma[:, 1], rtol=1e-6)
    np.testing.assert_allclose(found.mean_valence, 2 * found.fraction[:, 0] + 4 * found.fraction[:, 1])
    np.testing.assert_allclose(found.mean_valence_sigma, 2 * found.fraction_sigma[:, 0], rtol=1e-6)
    area = found.area.values
    assert not np.allclose(found.fraction[:, 0], area[:, :2].sum(1) / area.sum(1), atol=0.01)
    again = xps.deconvolve(
        found[["counts"]].assign_attrs(found.attrs),
        states=("Mn2+", "Mn4+"),
        background="active_linear",
        position_range=0.3,
    )
    np.testing.assert_array_equal(again.fraction, found.fraction)


def test_two_lines_in_the_same_room_may_have_changed_places(rng):
    """0.16 eV apart in rooms of 0.5 eV that overlap, the counts do not say which is which."""
    x = np.arange(508.0, 528.0, 0.1)
    net = sum(
        sgl(x, p, s, 1.4, 0.3) + sgl(x, p + 7.4, s / 2, 1.6, 0.3) for p, s in ((516.0, 0.2), (516.4, 0.8))
    )
    y = rng.poisson(np.broadcast_to(300.0 + 50_000 * net / net.max(), (6, x.size)))
    data = spectra.from_arrays(x, y, axis="binding_energy", name="counts", units="counts", dims=("scan",))
    same = {"positions": {"V4+": 516.1, "V5+": 516.3}, "splittings": {"V4+": 7.4, "V5+": 7.4}}
    found = xps.deconvolve(data, states=("V4+", "V5+"), background="active_linear", **same)
    assert (found.fraction_sigma > 0.2).all()
    assert (np.abs(found.fraction[:, 0] - 0.2) < 1.2 * found.fraction_sigma[:, 0]).all()
    apart = xps.deconvolve(
        data, states=("V4+", "V5+"), background="active_linear", position_range=0.15, **same
    )
    assert (apart.fraction_sigma < 0.1).all()


def test_no_position_on_its_limit_is_sure(data_dir):
    """Of measured MnO, whose counts press three positions against their limits: no fit but the best has a weight."""
    mn = xps.read(data_dir / "xps" / "xpsdeeplearning" / "Mn_references.vms", select="MnO")
    mn = xps.subtract_background(mn, window=(636, 660))
    found = xps.deconvolve(mn, states=("Mn2+", "Mn3+", "Mn4+"))
    assert (found.position_sigma >= 1 / np.sqrt(12) - 1e-9).all()
