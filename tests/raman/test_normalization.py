"""Normalised Raman spectra: scales by hand, sigmas by Monte Carlo, spectra without a scale flagged."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import raman
import spectra
from raman.scale.normalization import scales
from spectra.dataset import flag_names

METHODS = ["area", "max", "vector", "band", "snv"]


def series(rng=None, scans=4, sigma=0.5):
    x = np.cumsum(np.linspace(1.0, 1.6, 400)) + 400
    pure = 80 * np.exp(-(((x - 600) / 15) ** 2)) + 30 * np.exp(-(((x - 750) / 25) ** 2))
    y = pure * np.arange(1, scans + 1)[:, None]
    if rng is not None:
        y = y + rng.normal(0, sigma, y.shape)
    return spectra.from_arrays(
        x, y, axis="raman_shift", dims=("scan",), units="counts", sigma=np.full(y.shape, sigma),
        attrs={"technique": "raman"},
    )  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
class TestEveryMethod:
    def run(self, data, method, **options):
        window = {"window": (540.0, 660.0)} if method == "band" else {}
        return raman.normalize(data, method=method, **window, **options)

    def test_spectra_that_differ_in_scale_become_equal(self, method):
        done = self.run(series(), method)
        for i in range(1, 4):
            np.testing.assert_allclose(done.norm[i], done.norm[0], rtol=1e-10, atol=1e-12)

    def test_the_sigma_of_points_and_of_the_scale(self, rng, method):
        draws = series(rng, 1).isel(scan=[0] * 2000)
        noisy = draws.assign(intensity=draws.intensity + rng.normal(0, 3.0, draws.intensity.shape))
        noisy["intensity_sigma"] = noisy.intensity_sigma * 0 + 3.0
        done = self.run(noisy, method)
        np.testing.assert_allclose(done.norm_sigma[0], 3.0 / done.norm_scale[0])
        if method not in {"snv", "max"}:  # the highest of noisy points is no normal variable
            assert float(done.norm_scale_sigma.mean()) == pytest.approx(float(done.norm_scale.std()), rel=0.1)

    def test_a_map_a_lazy_one_and_a_single_spectrum(self, rng, method):
        data = series(rng)
        whole = self.run(data, method)
        np.testing.assert_allclose(self.run(data.isel(scan=2), method).norm, whole.norm[2])
        lazy = self.run(data.chunk({"scan": 1}), method)
        assert lazy.norm.chunks is not None
        np.testing.assert_allclose(lazy.norm.compute(), whole.norm)

    def test_lost_and_empty_spectra_are_flagged(self, rng, method):
        data = series(rng).drop_vars("intensity_sigma")
        data.intensity[1], data.intensity[2] = np.nan, 0.0
        done = self.run(data, method)
        assert [flag_names(done, scan=i) for i in range(4)] == [
            [],
            ["not_normalized"],
            ["not_normalized"],
            [],
        ]
        assert np.isnan(done.norm[1:3]).all()
        assert "norm_sigma" not in done

    def test_missing_points_are_left_out(self, method):
        data = series()
        holes = data.copy(deep=True)
        holes.intensity[0, 30:33] = np.nan  # where there is nothing
        whole, done = self.run(data, method), self.run(holes, method)
        np.testing.assert_allclose(done.norm_scale[0], whole.norm_scale[0], rtol=0.01)
        assert int(done.norm[0].isnull().sum()) == 3


def test_scales_by_hand():
    x, y = np.array([0.0, 1.0, 3.0, 4.0]), np.array([1.0, 2.0, 4.0, 1.0])
    assert scales(x, y, "area")[1] == pytest.approx(1.5 + 6.0 + 2.5)
    assert scales(x, y, "max")[1] == 4.0
    assert scales(x, y, "vector")[1] == pytest.approx(np.sqrt(22))
    assert scales(x, y, "band")[1] == pytest.approx(10.0 - 4.0)
    offset, scale, _ = scales(x, y, "snv")
    assert (offset, scale) == (pytest.approx(2.0), pytest.approx(np.std(y, ddof=1)))


@given(slope=st.floats(-5, 5), level=st.floats(-100, 100))
def test_a_line_below_a_band_does_not_change_its_area(slope, level):
    x = np.linspace(500, 600, 60)
    band = 50 * np.exp(-(((x - 550) / 8) ** 2))
    plain, tilted = (scales(x, y, "band")[1] for y in (band, band + level + slope * (x - 550)))
    assert tilted == pytest.approx(plain, rel=1e-6)


def test_net_is_taken_where_it_is(rng):
    data = spectra.subtract_baseline(series(rng))
    done = raman.normalize(data, method="max")
    np.testing.assert_allclose(done.norm.max("raman_shift"), 1.0)
    assert done.spectra.history[-1]["resolved"]["variable"] == "net"
    raw = raman.normalize(series(rng), method="max")
    assert any("with its baseline" in n for n in raw.spectra.history[-1]["notes"])
    assert done.norm_scale.attrs["units"] == "counts"
    assert raman.normalize(data).norm_scale.attrs["units"] == "counts 1/cm"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"method": "band"}, "method 'band' needs the window"),
        ({"window": (10.0, 20.0)}, r"window \(10, 20\) holds 0 points of raman_shift, which runs from"),
        ({"variable": "nte"}, "no variable 'nte' along raman_shift"),
        ({"method": "areas"}, "did you mean 'area'"),
    ],
)
def test_what_cannot_be_done_is_said(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        raman.normalize(series(), **options)
