"""Plural scattering taken off: known thickness, any low loss, bad pixels, and what cannot be deconvolved."""

import math

import numpy as np
import pytest

import spectra
import xas
from spectra.dataset import flag_names
from spectra.errors import InvalidInput
from spectra.results.rerun import rerun
from spectra.verbs import history
from tests.xas.eels.deconvolution_samples import (
    CORE,
    LOW,
    POST,
    STEP,
    WINDOW,
    background,
    core_truth,
    dataset,
    low_truth,
)
from xas.eels.deconvolution.low_loss import CUT, HOLES, MISSING, SOUND, find_zero_loss, on_step
from xas.eels.deconvolution.single_scattering import single_scattering

BEHIND = LOW > 3
INSIDE = (CORE > 604) & (CORE < 744)


def noted(data):
    return " ".join(history(data)[-1].get("notes", []))


class TestFourierLog:
    @pytest.mark.parametrize("t", [0.3, 0.8, 1.5])
    def test_single_scattering_of_a_known_thickness(self, frozen, t):
        low, truth = low_truth(t)
        made = xas.eels.fourier_log(dataset(LOW, frozen(low)), end=2.0, damping=0.0)
        np.testing.assert_allclose(made.single_scattering[BEHIND], truth[BEHIND], atol=1e-3 * truth.max())

    @pytest.mark.parametrize("modifier", ["zero_loss", "gaussian"])
    @pytest.mark.parametrize("t", [0.3, 0.8, 1.5])
    def test_with_noise(self, rng, t, modifier):
        low, truth = low_truth(t)
        rows = rng.poisson(low, size=(60, LOW.size))
        made = xas.eels.fourier_log(dataset(LOW, rows), end=2.0, modifier=modifier)
        part = BEHIND & (low > 20)
        pull = ((made.single_scattering - truth) / made.single_scattering_sigma).values[:, part]
        assert 0.63 < np.mean(np.abs(pull) < 1) < 0.73
        assert np.abs(pull.mean(0)).max() < 0.9

    def test_its_area_is_the_thickness(self, rng):
        low, _ = low_truth(0.8)
        data = dataset(LOW, rng.poisson(low))
        made = xas.eels.fourier_log(xas.eels.thickness(data, end=2.0), end=2.0, damping=0.0)
        peak = float(data.counts.sel(energy_loss=slice(None, 2.0)).sum())
        assert float(made.single_scattering.sum()) / peak == pytest.approx(float(made.thickness), abs=0.01)
        assert float(made.single_scattering.sum()) / peak == pytest.approx(
            math.log(float(data.counts.sum()) / peak), abs=1e-3
        )

    def test_a_thick_specimen_keeps_its_phase(self):
        """Beyond t/λ of π the phase of the logarithm leaves the principal branch."""
        low, truth = low_truth(4.0, 1e8)
        made = xas.eels.fourier_log(dataset(LOW, low), end=2.0, damping=0.0).single_scattering.values
        part = LOW > 8
        np.testing.assert_allclose(made[part], truth[part], atol=0.05 * truth.max())

    def test_against_slow_sums(self):
        """The logarithm as its series, summed by convolutions of the spectrum itself: a thin specimen."""
        loss = LOW[LOW < 75]  # what comes behind has no say
        low = low_truth(0.15)[0][: loss.size]
        inside = loss <= 2.0
        zero, rest = np.where(inside, low, 0), np.where(inside, 0, low)
        # S = Z ln(1 + P/Z): with P/Z by least squares, in the space of channels
        n = loss.size
        lags = np.arange(n)[:, None] - np.arange(n) + 100
        toeplitz = np.where((lags >= 0) & (lags < n), zero[np.clip(lags, 0, n - 1)], 0)
        ratio = np.linalg.lstsq(toeplitz, rest, rcond=1e-7)[0]
        power, made = rest.copy(), rest.copy()
        for k in range(2, 8):
            power = np.convolve(power, ratio)[100 : 100 + n]
            made += (-1) ** (k + 1) / k * power
        fast = single_scattering(loss, low, end=2.0, damping=0.0).values
        part = (loss > 5) & (loss < 65)
        np.testing.assert_allclose(fast[part], made[part], atol=0.02 * made[part].max())

    def test_the_same_in_single_precision(self, rng):
        rows = rng.poisson(low_truth(0.8)[0], size=(3, LOW.size)).astype(np.float32)
        one, other = single_scattering(LOW, rows), single_scattering(LOW, rows.astype(float))
        assert one.values.dtype == np.float32
        assert float(np.abs((one.values - other.values) / other.sigma).max()) < 0.05

    def test_bad_pixels_stop_nothing(self, rng):
        rows = rng.poisson(low_truth(0.5)[0], size=(6, LOW.size)).astype(float)
        rows[0], rows[1, 300], rows[2] = 0, np.nan, np.where(LOW < 4, -1, rows[2])
        rows[3, :80], rows[4, :97] = np.nan, np.nan  # what alignment leaves, and a rising side cut
        made = xas.eels.fourier_log(dataset(LOW, rows))
        flags = [flag_names(made, x=i) for i in range(6)]
        assert flags == [["no_zero_loss"], ["missing_channels"], ["no_zero_loss"], [], ["zero_loss_cut"], []]
        assert np.isnan(made.single_scattering[[0, 1, 2, 4]]).all()
        assert np.isfinite(made.single_scattering[5]).all()
        assert np.isfinite(made.single_scattering[3, 80:]).all()

    def test_measured_files_without_a_whole_peak(self, data_dir):
        folder = data_dir / "eels" / "eelsdb"
        for name, begin in (
            ("BN_nanotube_lowloss", "4.007"),
            ("CaTiO3_lowloss_headerless_space", "0.100001"),
        ):
            low = xas.eels.read(folder / f"{name}.msa")
            with pytest.raises(
                InvalidInput, match=rf"data from {begin} to .* do not hold the zero-loss peak"
            ):
                xas.eels.fourier_log(low)
            with pytest.raises(InvalidInput, match=f"low_loss begins at {begin} eV: .* cut or missing"):
                xas.eels.fourier_ratio(dataset(CORE, core_truth(0.5)[0]), low)

    def test_measured_low_losses(self, data_dir):
        """t/λ by the area of the single scattering; a peak that two channels hold; units that are not counts."""
        lsmo = xas.eels.read(data_dir / "eels" / "exspy" / "LSMO_lowloss_raw.msa")
        made = xas.eels.fourier_log(xas.eels.thickness(xas.eels.align_zero_loss(lsmo)))
        peak = float(made.counts.sel(energy_loss=slice(None, float(made.zero_loss_end))).sum())
        assert float(made.single_scattering.sum()) / peak == pytest.approx(float(made.thickness), abs=0.02)
        helium = xas.eels.read(data_dir / "eels" / "eelsdb" / "Co_He_lowloss_headerless_comma.msa")
        done = xas.eels.fourier_log(helium)
        assert "noise was read from the highest quarter" in noted(done)
        assert flag_names(done) == []
        assert np.isfinite(done.single_scattering_sigma).all()


class TestFourierRatio:
    @pytest.mark.parametrize("t", [0.3, 0.8, 1.5])
    def test_single_core_losses_of_a_known_thickness(self, frozen, t):
        plural, single = core_truth(t)
        made = xas.eels.fourier_ratio(
            dataset(CORE, frozen(plural)), dataset(LOW, frozen(low_truth(t)[0])), end=2.0
        )
        assert float(np.abs(plural - single)[INSIDE].max()) > 0.1 * single.max()
        np.testing.assert_allclose(made.net[INSIDE], single[INSIDE], atol=0.01 * single.max())

    def test_gaussian_modifier_changes_the_resolution(self):
        plural, _ = core_truth(0.5)
        wide = core_truth(0.5, resolution=2.0)[1]
        low = dataset(LOW, low_truth(0.5)[0])
        made = xas.eels.fourier_ratio(dataset(CORE, plural), low, modifier="gaussian", fwhm=2.0, end=2.0)
        np.testing.assert_allclose(made.net[INSIDE], wide[INSIDE], atol=0.01 * wide.max())
        assert "modifier gaussian of 2 eV" in made.net.attrs["deconvolution"]

    @pytest.mark.parametrize("step", [0.1, 0.4, 0.3001])
    def test_a_low_loss_of_another_step_and_length(self, step):
        plural, single = core_truth(0.8)
        low = dataset(LOW, low_truth(0.8)[0])
        energy, counts = on_step(LOW, low_truth(0.8)[0][None], step)
        short = slice(int((energy < -15).sum()), int((energy < 160).sum()))
        made = xas.eels.fourier_ratio(
            dataset(CORE, plural),
            dataset(energy[short], counts[0, short]),
            modifier="gaussian",
            fwhm=2.0,
            end=2.0,
        )
        same = xas.eels.fourier_ratio(dataset(CORE, plural), low, modifier="gaussian", fwhm=2.0, end=2.0)
        assert "its counts shared out" in noted(made)
        np.testing.assert_allclose(made.net[INSIDE], same.net[INSIDE], atol=0.02 * single.max())

    def test_a_low_loss_that_ends_early_is_said(self):
        low = dataset(LOW, low_truth(0.5)[0]).sel(energy_loss=slice(None, 60))
        assert "the low loss ends at 60 eV" in noted(
            xas.eels.fourier_ratio(dataset(CORE, core_truth(0.5)[0]), low)
        )

    def test_an_image_less_its_background(self, rng, frozen):
        """A pixel of zeros, a dead one, a spike of NaN, and low losses that are missing or cut: the others go on."""
        plural, _ = core_truth(0.5)
        core = rng.poisson(plural + background(), size=(2, 4, CORE.size)).astype(np.float32)
        low = rng.poisson(low_truth(0.5)[0], size=(2, 4, LOW.size)).astype(np.float32)
        core[0, 0], core[0, 1], core[0, 2, 200], core[0, 3] = 0, -1, np.nan, np.nan
        low[1, 0], low[1, 1], low[1, 2, 600] = 0, np.nan, np.nan
        image = dataset(CORE, frozen(core), dims=("y", "x"))
        net = xas.eels.subtract_background(image, window=WINDOW)
        made = xas.eels.fourier_ratio(net, dataset(LOW, frozen(low), dims=("y", "x")))
        flags = [[flag_names(made, y=y, x=x) for x in range(4)] for y in range(2)]
        assert flags[0][0] == flags[0][1] == flags[0][3] == ["no_background", "missing_channels"]
        assert flags[0][2] == ["missing_channels"]
        assert flags[1] == [["no_zero_loss"], ["missing_channels"], ["missing_channels"], []]
        assert np.isnan(made.net[0]).all()
        assert made.net.dtype == np.float32
        alone = xas.eels.fourier_ratio(net.isel(y=1, x=3), dataset(LOW, low[1, 3]))
        np.testing.assert_allclose(made.net[1, 3], alone.net, atol=0.01)
        ratio = xas.eels.white_line_ratio(made, "Mn", post=POST)
        assert float(ratio.l3_l2_ratio[1, 3]) == pytest.approx(2.8, abs=1.2)
        assert np.isnan(ratio.l3_l2_ratio[0]).all()

    def test_ends_that_alignment_left_empty(self):
        plural, single = core_truth(0.5)
        plural[:5], plural[-5:] = np.nan, np.nan
        made = xas.eels.fourier_ratio(dataset(CORE, plural), dataset(LOW, low_truth(0.5)[0]), end=2.0)
        assert flag_names(made) == []
        assert np.isnan(made.net[-5:]).all()
        np.testing.assert_allclose(made.net[INSIDE], single[INSIDE], atol=0.01 * single.max())

    def test_nothing_is_taken_from_below_the_background(self, rng):
        """Another edge in front of the window does not come through."""
        plural, _ = core_truth(0.5)
        one = rng.poisson(plural + background()).astype(float)
        other = one + np.where(CORE < 620, 5000, 0)
        low = dataset(LOW, low_truth(0.5)[0])
        made = [
            xas.eels.fourier_ratio(xas.eels.subtract_background(dataset(CORE, y), window=(621, 637)), low).net
            for y in (one, other)
        ]
        np.testing.assert_array_equal(*made)
        assert (made[0].sel(energy_loss=slice(None, 620)) == 0).all()

    def test_bad_input(self, rng):
        core, low = dataset(CORE, core_truth(0.5)[0]), dataset(LOW, low_truth(0.5)[0])
        done = xas.eels.fourier_ratio(core, low)
        for sentence, data, other, options in (
            ("needs low_loss: the low-loss spectra", core, None, {}),
            (
                r"low_loss has the series \{'x': 3\}, and the dataset \{\}",
                core,
                dataset(LOW, np.ones((3, LOW.size))),
                {},
            ),
            ("low_loss has an uneven energy_loss", core, dataset(np.arange(-5.0, 25) ** 3, np.ones(30)), {}),
            ("net was deconvolved before", done, low, {}),
            ("damping is in units of the power of the noise", core, low, {"damping": -1.0}),
            ("fwhm is that of modifier='gaussian'", core, low, {"fwhm": 1.0}),
            ("fwhm is the width of the modifier", core, low, {"modifier": "gaussian", "fwhm": 0.0}),
            ("end is a loss above 0 inside the low loss", core, low, {"end": -1.0}),
            ("start at 749 eV leaves 4 channels", core, low, {"start": 749.0}),
            ("gain is the variance per count, above 0, got 0", core, low, {"gain": 0.0}),
        ):
            with pytest.raises(InvalidInput, match=sentence):
                xas.eels.fourier_ratio(data, other, **options)

    def test_a_results_file_runs_again(self, rng, tmp_path):
        core = dataset(CORE, rng.poisson(core_truth(0.5)[0] + background(), size=(2, CORE.size)))
        core = xas.eels.subtract_background(core, window=WINDOW)
        made = xas.eels.fourier_ratio(core, dataset(LOW, low_truth(0.5)[0]))
        made = xas.eels.white_line_ratio(made, "Mn", post=POST)
        made.spectra.save(tmp_path / "core.nxs")
        loaded = spectra.load(tmp_path / "core.nxs")
        again = xas.eels.white_line_ratio(loaded, "Mn", post=POST, method="double_arctan")
        here = xas.eels.white_line_ratio(made, "Mn", post=POST, method="double_arctan")
        np.testing.assert_allclose(again.l3_l2_ratio_sigma, here.l3_l2_ratio_sigma, rtol=1e-5)
        assert rerun(tmp_path / "core.nxs").identical


class TestRichardsonLucy:
    def test_each_iteration_raises_the_likelihood_and_keeps_the_sum(self, rng):
        plural, _ = core_truth(0.8)
        y = rng.poisson(plural).astype(float)
        core, low = dataset(CORE, y), dataset(LOW, low_truth(0.8)[0])
        chi = [
            float(xas.eels.richardson_lucy(core, low, iterations=i).deconvolution_redchi)
            for i in (2, 5, 15, 40)
        ]
        assert chi == sorted(chi, reverse=True)
        made = xas.eels.richardson_lucy(core, low, part="zero_loss")
        assert float(made.net.sum()) == pytest.approx(y.sum(), rel=0.01)

    def test_against_slow_sums(self, rng):
        plural, _ = core_truth(0.5)
        low = low_truth(0.5)[0]
        n, y = CORE.size, rng.poisson(plural + 5).astype(float)
        lags = np.arange(n)[:, None] - np.arange(n) + 100
        matrix = np.where((lags >= 0) & (lags < LOW.size), low[np.clip(lags, 0, LOW.size - 1)], 0)
        matrix /= low[: 100 + n + 1].sum()
        x = np.maximum(y, 0.01 * y.mean())
        for _ in range(8):
            x = x * (matrix.T @ (y / (matrix @ x))) / matrix.sum(0)
        made = xas.eels.richardson_lucy(dataset(CORE, y), dataset(LOW, low), iterations=8).net.values
        # the middle of the peak is read at half height, within some thousandths of a channel of its place
        np.testing.assert_allclose(made[:-8], x[:-8], atol=0.01 * x.max())

    @pytest.mark.parametrize("channels", [40, 400, 1300])
    def test_a_psf_of_any_length(self, channels):
        plural, _ = core_truth(0.8)
        low = dataset(LOW, low_truth(0.8)[0]).isel(energy_loss=slice(90, 90 + channels))
        made = xas.eels.richardson_lucy(dataset(CORE, plural), low, part="zero_loss", end=2.0)
        whole = xas.eels.richardson_lucy(
            dataset(CORE, plural), dataset(LOW, low_truth(0.8)[0]), part="zero_loss", end=2.0
        )
        np.testing.assert_allclose(made.net[INSIDE], whole.net[INSIDE], rtol=1e-3)

    def test_a_psf_of_another_step(self):
        plural, _ = core_truth(0.8)
        energy, counts = on_step(LOW, low_truth(0.8)[0][None], 0.1)
        made = xas.eels.richardson_lucy(dataset(CORE, plural), dataset(energy, counts[0]), end=2.0)
        same = xas.eels.richardson_lucy(dataset(CORE, plural), dataset(LOW, low_truth(0.8)[0]), end=2.0)
        assert "from its step of 0.1 eV to that of the core loss, 0.25 eV" in noted(made)
        np.testing.assert_allclose(made.net[INSIDE], same.net[INSIDE], atol=0.1 * float(same.net.max()))

    def test_it_sharpens_above_a_background(self, rng):
        plural, single = core_truth(0.3, counts=20_000)
        core = dataset(CORE, rng.poisson(plural + background()))
        core = xas.eels.subtract_background(core, window=WINDOW)
        made = xas.eels.richardson_lucy(core, dataset(LOW, low_truth(0.3)[0]), end=2.0)
        assert (made.net >= 0).all()
        top = CORE[made.net.values.argmax()]
        assert top == pytest.approx(643, abs=STEP)
        bare = 20_000 * (1.5 / (1 + ((CORE - 643) / 0.7) ** 2))
        height = float(made.net.max()) * float(low_truth(0.3)[0][LOW <= 2].sum() / low_truth(0.3)[0].sum())
        assert single.max() < height < 1.2 * bare.max()
        assert 0.8 < float(made.deconvolution_redchi) < 1.2

    def test_no_sigma_without_draws_and_none_for_ratios(self, rng):
        core = dataset(CORE, rng.poisson(core_truth(0.3)[0] + background(), size=(3, CORE.size)))
        core = xas.eels.subtract_background(core, window=WINDOW)
        low = dataset(LOW, low_truth(0.3)[0])
        made = xas.eels.richardson_lucy(core, low, part="zero_loss")
        assert made.net_sigma.isnull().all()
        lines = xas.eels.white_line_ratio(made, "Mn", post=POST)
        assert np.isfinite(lines.l3_l2_ratio).all()
        assert lines.l3_l2_ratio_sigma.isnull().all()
        assert "no linear function of counts" in noted(lines)

    def test_bad_pixels_stop_nothing(self, rng):
        rows = rng.poisson(core_truth(0.3)[0] + background(), size=(4, CORE.size)).astype(float)
        rows[0], rows[1, 300] = 0, np.nan
        low = np.tile(low_truth(0.3)[0], (4, 1))
        low[2] = 0
        core = xas.eels.subtract_background(dataset(CORE, rows), window=WINDOW)
        made = xas.eels.richardson_lucy(core, dataset(LOW, low), draws=2)
        flags = [flag_names(made, x=i)[-1:] for i in range(4)]
        assert flags == [["missing_channels"], ["missing_channels"], ["no_zero_loss"], []]
        assert np.isfinite(made.net[3]).all()

    def test_bad_input(self):
        core, low = dataset(CORE, core_truth(0.5)[0]), dataset(LOW, low_truth(0.5)[0])
        bare = dataset(CORE, core_truth(0.5)[0], units="")
        for sentence, data, other, options in (
            ("needs psf: the low-loss spectra", core, None, {}),
            ("iterations is 1 or more, 15 by default, got 0", core, low, {"iterations": 0}),
            ("draws is 0 for no sigma, or 2 and more, 50 say, got 1", core, low, {"draws": 1}),
            ("draws needs the noise", bare, low, {"draws": 10}),
            ("end is a loss above 0 inside psf", core, low, {"end": 1e4}),
        ):
            with pytest.raises(InvalidInput, match=sentence):
                xas.eels.richardson_lucy(data, other, **options)


class TestZeroLoss:
    def test_verdicts(self):
        low = low_truth(0.5)[0]
        rows = np.stack(
            [low, np.where(LOW < 3, 0, low), np.roll(low, -99), np.where(LOW > 50, np.nan, low), low]
        )
        rows[2, -99:], rows[4, 500] = 0, np.nan
        found = find_zero_loss(LOW, rows)
        assert list(found.verdict) == [SOUND, MISSING, CUT, SOUND, HOLES]
        assert found.position[0] == pytest.approx(0, abs=0.01)
        assert found.fwhm[0] == pytest.approx(1.0, abs=0.02)
        assert np.isnan(found.end[[1, 2, 4]]).all()

    def test_another_step_keeps_counts_and_places(self, rng):
        y = rng.poisson(low_truth(0.5)[0], size=(2, LOW.size))
        for step in (0.1, 0.25, 0.6):
            energy, made = on_step(LOW, y, step)
            assert energy[np.argmin(np.abs(energy))] == pytest.approx(0, abs=1e-9)
            np.testing.assert_allclose(made.sum(-1), y.sum(-1), rtol=1e-3)
            np.testing.assert_allclose((made @ energy) / made.sum(-1), (y @ LOW) / y.sum(-1), rtol=0.01)
