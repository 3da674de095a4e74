"""Zero-loss peaks: found between channels, moved to zero with the core loss beside, thickness from their share."""

import numpy as np
import pytest

import spectra
import xas
from spectra.dataset import flag_names
from spectra.errors import InvalidInput
from tests.xas.eels.test_measured_ratios import columns
from xas.eels.energy_axis.zero_loss import move_rows, zero_loss_position

LOSS = np.arange(-20.0, 80.0, 0.25)


def peak(at, height=1e5):
    return height * np.exp(-(((LOSS - np.asarray(at)[..., None]) / 0.6) ** 2))


def low_loss(counts, **options):
    dims = ("y", "x")[3 - np.ndim(counts) :] if np.ndim(counts) > 1 else ()
    return spectra.from_arrays(
        LOSS, counts, axis="energy_loss", name="counts", units="counts", dims=dims, **options
    )


def test_positions_between_channels():
    at = np.linspace(-7.3, 6.1, 41)
    found, _ = zero_loss_position(LOSS, peak(at), (-20, 20), 0.75)
    np.testing.assert_allclose(found, at, atol=0.03 * 0.25)


@pytest.mark.parametrize("height", [50, 500])
def test_the_sigma_of_the_position_covers(height, rng):
    at = rng.uniform(-3, 3, 2000)
    found, sigma = zero_loss_position(LOSS, rng.poisson(peak(at, height)), (-20, 20), 0.75)
    inside = np.abs(found - at) < sigma
    assert 0.63 < inside.mean() < 0.75


def test_moving_against_interpolation(rng):
    y = rng.normal(size=(30, 50))
    shift = rng.uniform(-60, 60, 30)
    shift[:3] = 0, 4, -7
    slow = np.array(
        [
            np.interp(np.arange(50) + s, np.arange(50), row, np.nan, np.nan)
            for row, s in zip(y, shift, strict=True)
        ]
    )
    np.testing.assert_allclose(move_rows(y, shift), slow, atol=1e-12)


class TestAlign:
    def test_the_core_loss_moves_with_it(self, frozen, rng):
        drift = rng.uniform(-4, 4, (3, 5))
        loss = np.arange(600.0, 700.0, 0.25)
        edges = np.exp(-(((loss - 643 - drift[..., None]) / 1.5) ** 2))
        core = spectra.from_arrays(loss, frozen(edges), axis="energy_loss", name="counts", dims=("y", "x"))
        made = xas.eels.align_zero_loss(core, zero_loss=low_loss(frozen(rng.poisson(peak(drift)))))
        np.testing.assert_allclose(made.zero_loss_position, drift, atol=0.01)
        assert made.sizes == core.sizes
        kept = made.counts.sel(energy_loss=slice(630, 656))
        truth = np.exp(-(((kept.energy_loss - 643) / 1.5) ** 2))
        assert float(np.abs(kept - truth).max()) < 0.02
        empty = made.counts.isnull().sum("energy_loss")
        np.testing.assert_allclose(empty, np.ceil(np.abs(drift) / 0.25), atol=1)

    def test_whole_channels_leave_counts(self, rng):
        counts = rng.poisson(peak([0.6, -1.2]) + 10)
        made = xas.eels.align_zero_loss(low_loss(counts), parts=False)
        finite = made.counts.values[np.isfinite(made.counts.values)]
        np.testing.assert_array_equal(finite, np.round(finite))

    def test_sigmas_follow(self, rng):
        counts, sigma = peak([0.1]) + 100, np.full((1, LOSS.size), 3.0)
        made = xas.eels.align_zero_loss(low_loss(counts, sigma=sigma))
        assert float(made.counts_sigma[0, 200]) == pytest.approx(3 * np.hypot(0.6, 0.4), abs=0.05)

    def test_bad_pixels_stop_nothing(self, rng):
        counts = rng.poisson(peak(np.zeros((2, 3)))).astype(float)
        counts[0, 0], counts[0, 1], counts[0, 2, 80] = 0, -1, np.nan
        counts[1, 0] = np.where(LOSS > 3, 5, 0)
        made = xas.eels.align_zero_loss(low_loss(counts))
        assert [flag_names(made, y=0, x=x) for x in range(3)] == [["no_zero_loss"]] * 3
        assert flag_names(made, y=1, x=0) == ["no_zero_loss"]
        assert flag_names(made, y=1, x=2) == []
        assert made.counts[0].isnull().all()

    def test_bad_input(self):
        core = spectra.from_arrays(np.arange(600.0, 700), np.ones(100), axis="energy_loss", name="counts")
        with pytest.raises(
            InvalidInput, match=r"search \(-20, 20\) holds 0 channels of data from 600 to 699 eV"
        ):
            xas.eels.align_zero_loss(core)
        with pytest.raises(InvalidInput, match="both need the same series"):
            xas.eels.align_zero_loss(core, zero_loss=low_loss(peak([0.0, 1.0])))
        uneven = spectra.from_arrays(np.arange(20.0) ** 2, np.ones(20), axis="energy_loss", name="counts")
        with pytest.raises(InvalidInput, match="energy_loss is not even"):
            xas.eels.align_zero_loss(uneven)


class TestThickness:
    def test_of_a_poisson_process(self, rng):
        """Plural scattering of a known thickness; sigma from counts covers."""
        t, total = 0.7, 20_000
        from math import factorial

        single = np.exp(-(((LOSS - 22) / 4) ** 2))
        shares = [t**k * np.exp(-t) / factorial(k) for k in range(4)]
        spectrum = shares[0] * peak(0.0, 1) / peak(0.0, 1).sum()
        plural = single / single.sum()
        for k in range(1, 4):  # the losses of two and more still lie inside the data in part
            centre = np.exp(-(((LOSS - 22 * k) / (4 * np.sqrt(k))) ** 2))
            spectrum = spectrum + shares[k] * (plural if k == 1 else centre / centre.sum())
        truth = float(np.log(spectrum.sum() / spectrum[LOSS < 5].sum()))
        assert truth == pytest.approx(t, abs=0.02)
        made = xas.eels.thickness(low_loss(rng.poisson(total * spectrum, size=(1500, LOSS.size))), end=5.0)
        inside = np.abs(made.thickness - truth) < made.thickness_sigma
        assert 0.63 < float(inside.mean()) < 0.73
        own = xas.eels.thickness(low_loss(1e6 * spectrum))
        assert float(own.thickness) == pytest.approx(truth, abs=0.01)
        assert 1 < float(own.zero_loss_end) < 12

    def test_after_alignment(self, rng):
        counts = rng.poisson(peak([2.0, -3.0]) + 500 * np.exp(-(((LOSS - 25) / 4) ** 2)))
        made = xas.eels.thickness(xas.eels.align_zero_loss(low_loss(counts)), end=4.0)
        assert not made.thickness.isnull().any()

    def test_measured(self, data_dir):
        loss, y = columns(data_dir / "eels" / "exspy" / "LSMO_lowloss_raw.msa")
        loss = loss - loss[y.argmax()]  # its axis is that of the header, which is not read here
        made = xas.eels.thickness(spectra.from_arrays(loss, y, axis="energy_loss", name="counts"))
        assert 0.1 < float(made.thickness) < 3
        assert float(made.thickness_systematic) > 0

    def test_bad_input(self):
        core = spectra.from_arrays(np.arange(600.0, 700), np.ones(100), axis="energy_loss", name="counts")
        with pytest.raises(InvalidInput, match="do not hold the zero-loss peak"):
            xas.eels.thickness(core)
        with pytest.raises(InvalidInput, match="end is a loss above 0"):
            xas.eels.thickness(low_loss(peak(0.0)), end=200.0)
        with pytest.raises(InvalidInput, match="gain is the variance per count"):
            xas.eels.thickness(low_loss(peak(0.0)), gain=0.0)

    def test_a_zero_loss_peak_that_is_missing(self, data_dir, rng):
        counts = np.where(LOSS > 4, 100.0, 0.0)[None]
        made = xas.eels.thickness(low_loss(counts))
        assert flag_names(made, x=0) == ["no_zero_loss"]

    @pytest.mark.parametrize("name", ["BN_nanotube_lowloss", "CaTiO3_lowloss_headerless_space"])
    def test_measured_ones_that_are_removed_or_cut(self, name, data_dir):
        loss, y = columns(data_dir / "eels" / "eelsdb" / f"{name}.msa")
        low = spectra.from_arrays(loss, y, axis="energy_loss", name="counts")
        assert flag_names(xas.eels.align_zero_loss(low)) == ["no_zero_loss"]
        with pytest.raises(InvalidInput, match="do not hold the zero-loss peak"):
            xas.eels.thickness(low)
