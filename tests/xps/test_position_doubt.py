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
    """V4+ and V5+, each anywhere in its room."""
    x, y = np.arange(508.0, 528.0, 0.1), []
    for _ in range(n):
        lines = [(p + rng.uniform(-room, room), share) for p, share in ((515.9, 0.4), (516.9, 0.6))]
        net = sum(sgl(x, p, s, 2.2, 0.3) + sgl(x, p + 7.4, s / 2, 2.86, 0.3) for p, s in lines)
        y.append(rng.poisson(300.0 + peak * net / net.max()))
    data = spectra.from_arrays(
        x, np.array(y), axis="binding_energy", name="counts", units="counts", dims=("scan",)
    )
    return xps.deconvolve(
        data, states=("V4+", "V5+"), positions={"V4+": 515.9, "V5+": 516.9}, background="active_linear",
        position_range=room,
    )  # fmt: skip


def covered(found, which):
    off = ((found.fraction[:, 0] - 0.4) / found.fraction_sigma[:, 0]).values[which]
    return (np.abs(off[np.isfinite(off)]) < 1).mean()


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
    assert 0.63 < (np.abs(off) < 1).mean() < 0.75


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
@pytest.mark.parametrize("peak", [500.0, 2000.0])
def test_where_limits_decide_uncertainties_hold_roughly(rng, peak):
    mn = fitted(peak, 500, rng, position_range=0.3)
    assert flagged(mn).mean() > 0.25
    assert 0.57 < covered(mn, slice(None)) < 0.76
    v = vanadium(peak, 500, rng, 0.3)
    assert 0.6 < covered(v, slice(None)) < 0.82
