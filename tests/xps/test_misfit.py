"""Lines that do not make up a spectrum are said to; lines that do are left in peace."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import spectra
import xps
from spectra.dataset import failed, flag_names

X = np.arange(632.0, 662.0, 0.1)


def sample(satellite, peak=20_000, rng=1):
    lines = {
        f"{state} {k}": {
            "shape": "sgl",
            "position": at + 11.65 * k,
            "area": share * peak * 3 / (1 + k),
            "fwhm": 1.8,
        }
        for state, at, share in (("Mn3+", 641.6, 0.6), ("Mn4+", 642.7, 0.4))
        for k in (0, 1)
    }
    if satellite:
        lines["satellite"] = {
            "shape": "gaussian",
            "position": 647.0,
            "area": satellite * peak * 3,
            "fwhm": 3.0,
        }
    return spectra.simulate(
        X, lines, background=300.0, counts=peak, rng=rng, axis="binding_energy", name="counts", units="counts",
        attrs={"technique": "xps", "region": "Mn 2p", "element": "Mn"},
    )  # fmt: skip


def fitted(data, **options):
    return xps.deconvolve(data, states=("Mn3+", "Mn4+"), **{"background": "active_shirley", **options})


@pytest.mark.parametrize("background", ["active_shirley", "shirley"])
def test_a_line_that_no_state_has_is_said(background):
    made = fitted(sample(0.15), background=background)
    assert float(made.redchi) > 2
    assert "lines_insufficient" in flag_names(made)
    text = made.spectra.flags.set_index("flag").loc["lines_insufficient"].to_string()
    assert "More is left than noise" in text


def test_noise_is_not_said():
    assert "lines_insufficient" not in flag_names(fitted(sample(0.0)))


def test_of_a_series_only_the_spectra_that_have_it():
    parts = [sample(s, rng=n)[["counts"]] for n, s in enumerate((0.0, 0.15, 0.0))]
    made = fitted(xr.concat(parts, dim="depth"))
    bearing = ["lines_insufficient" in flag_names(made.isel(depth=n)) for n in range(3)]
    assert bearing == [False, True, False]
    assert not failed(made).any()  # a warning: the numbers stand


def test_without_known_noise_nothing_is_said():
    data = sample(0.15).drop_vars("counts_sigma", errors="ignore")
    data.counts.attrs["units"] = "arbitrary"
    assert "lines_insufficient" not in flag_names(fitted(data, background="shirley"))
