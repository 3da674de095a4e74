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
