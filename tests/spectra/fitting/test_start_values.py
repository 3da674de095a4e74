"""Start values handed along a series: a line that moves far is followed, whatever the order and whatever fails."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import spectra
from spectra.dataset import failed
from spectra.verbs import history

X = np.linspace(0.0, 100.0, 401)
MODEL = ({"shape": "gaussian", "prefix": "a_"}, {"shape": "polynomial", "degree": 0})
PARAMS = {
    "a_position": 12.0,
    "a_area": {"value": 20.0, "min": 0.0},
    "a_fwhm": {"value": 2.0, "min": 0.5, "max": 8.0},
    "c0": 0.0,
}
PLACES = np.linspace(12.0, 88.0, 60)  # half a width from one spectrum to the next


def moving(places=PLACES, noise=0.1):
    rng = np.random.default_rng(4)
    y = 10 * np.exp(-4 * np.log(2) * ((X - np.asarray(places)[..., None]) / 2.5) ** 2) + 1.0
    y = y + noise * rng.normal(size=y.shape)
    dims = ("step",) if np.ndim(places) == 1 else ("sample", "step")
    return spectra.from_arrays(X, y, axis="raman_shift", sigma=np.full_like(y, noise), dims=dims)


def fitted(data, start, **options):
    return spectra.fit(data, model=MODEL, params=PARAMS, start=start, restarts=0, **options)


def lost(result, places=PLACES):
    return int((np.abs(result.position.isel(component=0).values - places) > 0.5).sum())


def test_fresh_starts_get_lost_and_handed_on_ones_do_not():
    data = moving()
    assert lost(fitted(data, "fresh")) > 40
    assert lost(fitted(data, "previous")) == 0
    assert lost(fitted(data, "neighbour")) == 0


def test_the_result_does_not_depend_on_the_order():
    """Backwards, the first spectra are those that fresh starts do not find; neighbours lead there all the same."""
    data = moving()
    there = fitted(data, "neighbour")
    back = fitted(data.isel(step=slice(None, None, -1)), "neighbour").isel(step=slice(None, None, -1))
    np.testing.assert_allclose(back.best_value, there.best_value, rtol=1e-6, atol=1e-6)
    previous = fitted(data, "previous")
    np.testing.assert_allclose(previous.best_value, there.best_value, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("start", ["previous", "neighbour"])
def test_what_failed_is_not_handed_on(start):
    """Dead spectra, and some without the line: the next starts from the last one before them that was clear."""
    data = moving()
    data.intensity[20] = np.nan
    empty = data.intensity.isel(step=40)
    data.intensity[40] = 1.0 + 0.1 * np.random.default_rng(1).normal(size=empty.size)
    result = fitted(data, start)
    assert list(np.flatnonzero(failed(result))) == [20]
    seen = [i for i in range(60) if i not in (20, 40)]
    assert lost(result.isel(step=seen), PLACES[seen]) == 0


def test_along_says_in_which_direction():
    """Two samples: along the samples nothing can be handed on, along the steps everything."""
    places = np.stack([PLACES, PLACES[::-1]])
    data = moving(places).transpose("step", "sample", "raman_shift")
    first = fitted(data, "previous", along="step").transpose("sample", "step", ...)
    assert lost(first.isel(sample=0)) == 0
    assert lost(first.isel(sample=1), PLACES[::-1]) > 10  # begins where the line is lost
    assert history(first)[-1]["resolved"]["along"] == ["step"]
    assert lost(fitted(data, "neighbour").isel(sample=1), PLACES[::-1]) == 0


@pytest.mark.parametrize("start", ["previous", "neighbour"])
def test_lazy_series_hand_on_over_the_borders_of_their_blocks(start):
    data = moving()
    lazy = fitted(data.chunk(step=7), start)
    assert lazy.best_fit.chunks is not None
    xr.testing.assert_allclose(lazy.compute().position, fitted(data, start).position)


def test_a_joint_fit_starts_from_what_was_handed_on():
    """The line moves, its width is one for all."""
    data = moving()
    together = fitted(data, "previous", shared=("a_fwhm",))
    assert lost(together) == 0
    assert float(together.shared_value[0]) == pytest.approx(
        2.5, abs=4 * float(together.shared_value_sigma[0])
    )
