"""Maps of stacks: optical density and its sigma, drift of frames, and the measured stack of iron from file to Fe3+."""

import h5py
import numpy as np
import pytest

import spectra
import xas
import xas.eels
from spectra.dataset import flag_names
from spectra.errors import InvalidInput
from spectra.verbs import history
from xas.eels.frames.drift import frame_shifts, moved_frames
from xas.eels.optical_density import empty_pixels

ENERGY = np.arange(700.0, 731.0, 0.5)


def transmitted(density, rng, light=2000.0, gain=1.0):
    """Intensities with variance gain times their mean, pixels by energies."""
    mean = light * (1 + 0.001 * (ENERGY - 700)) * np.exp(-density)
    return gain * rng.poisson(mean / gain)


def stack(values, **variables):
    data = spectra.from_arrays(
        ENERGY, values.astype(float), name="itrans", units="counts", dims=("pixel",), attrs={"technique": "xas"}
    )  # fmt: skip
    return data.assign({n: ("energy", v, {"units": "counts"}) for n, v in variables.items()})


def densities(n=200, empty=80):
    rise = 0.2 + 0.8 / (1 + np.exp(-(ENERGY - 708) / 0.5))
    return np.concatenate([np.zeros(empty), np.linspace(0.2, 1.2, n - empty)])[:, None] * rise


class TestOpticalDensity:
    @pytest.mark.parametrize("gain", [1.0, 0.15])
    def test_density_and_gain_are_those_it_was_made_with(self, rng, gain):
        truth = densities()
        made = xas.eels.optical_density(stack(transmitted(truth, rng, gain=gain)), empty=0.3)
        pull = ((made.optical_density - truth) / made.optical_density_sigma).values
        assert np.std(pull) == pytest.approx(1, abs=0.05)
        assert abs(np.mean(np.abs(pull) < 1) - 0.683) < 0.025
        assert float(made.count_gain.mean()) == pytest.approx(gain, rel=0.06)
        assert history(made)[-1]["resolved"]["gain"] == pytest.approx(gain, rel=0.1)
        assert made.attrs["signal"] == "optical_density"

    def test_gain_is_found_by_energy(self, rng):
        """Frames shifted by parts of a pixel have lost a part of their noise."""
        mean = 3000.0 * np.ones((400, ENERGY.size))
        gains = np.linspace(0.2, 0.05, ENERGY.size)
        found = empty_pixels(mean + rng.standard_normal(mean.shape) * np.sqrt(gains * mean), 0.9)
        np.testing.assert_allclose(found.gain, gains, rtol=0.35)
        assert abs(np.polyfit(gains, found.gain, 1)[0] - 1) < 0.1

    def test_the_measured_light_has_its_own_scale(self, rng):
        truth = densities()
        light = 2000.0 * (1 + 0.001 * (ENERGY - 700))
        data = stack(transmitted(truth, rng), i0=2.5 * light)
        made = xas.eels.optical_density(data, incident="measured", gain=1.0)
        np.testing.assert_allclose((made.optical_density - truth).mean(), np.log(2.5), atol=0.005)
        one = xas.eels.optical_density(data.isel(pixel=3), incident="measured", gain=1.0)
        np.testing.assert_allclose(one.optical_density, made.optical_density.isel(pixel=3))

    def test_dead_and_thick_pixels_are_flagged_and_stop_nothing(self, rng):
        truth = densities()
        truth[100, 30] = 1.7
        values = transmitted(truth, rng).astype(float)
        values[150], values[151, 4], values[152, 7] = 0, -1, np.nan
        made = xas.eels.optical_density(stack(values), empty=0.3)
        assert [flag_names(made, pixel=i) for i in (99, 100, 150, 151, 152)] == [
            [], ["too_thick"], *[["no_transmission"]] * 3,
        ]  # fmt: skip
        assert np.isfinite(made.optical_density.values).all(-1).sum() == 197
        thin = xas.eels.optical_density(stack(values), empty=0.3, thickest=3.0)
        assert flag_names(thin, pixel=100) == []

    @pytest.mark.parametrize(
        ("change", "options", "words"),
        [
            (lambda d: d.drop_vars("itrans").assign_attrs(signal="mu"), {}, "needs the transmitted intensity 'itrans'"),
            (lambda d: d, {"empty": 0.01}, "of 200 whole spectra are 2, and at least 8 are needed"),
            (lambda d: d, {"empty": 1.5}, "share of pixels without sample"),
            (lambda d: d, {"gain": 0.0}, "gain is the variance of a channel per unit"),
            (lambda d: d, {"thickest": -1.0}, "thickest is an optical density above 0"),
            (lambda d: d, {"incident": "measured", "gain": 1.0}, "needs i0 along energy"),
            (lambda d: d.isel(pixel=0), {}, "a single spectrum has no empty pixels beside it"),
        ],
    )  # fmt: skip
    def test_refused(self, rng, change, options, words):
        data = stack(transmitted(densities(), rng)).assign(mu=lambda d: d.itrans)
        with pytest.raises(InvalidInput, match=words):
            xas.eels.optical_density(change(data), **options)


def image(rows=48, columns=40, down=0.0, across=0.0):
    y, x = np.mgrid[:rows, :columns]
    blobs = ((20, 18, 6, 1.0), (30, 25, 3, 0.7), (12, 28, 2.5, 0.5))
    return sum(h * np.exp(-(((y - b - down) ** 2 + (x - c - across) ** 2) / w**2)) for b, c, w, h in blobs)


def moving(shifts, rng=None, noise=0.0):
    frames = np.stack([image(down=a, across=b) for a, b in shifts])
    if noise:
        frames = frames + noise * rng.standard_normal(frames.shape)
    return spectra.from_arrays(
        np.arange(700.0, 700.0 + len(frames)), np.moveaxis(frames, 0, -1), name="mu", dims=("y", "x")
    )


class TestFrames:
    @pytest.mark.parametrize("window", [None, (700.0, 701.0)])
    def test_shifts_are_found_and_taken_out(self, window, rng):
        truth = np.array([[0, 0], [0, 0], [0.4, -0.3], [1.2, -1.1], [2.5, -2.0]])
        made = xas.eels.align_frames(moving(truth, rng, 0.01), window=window)
        np.testing.assert_allclose(made.frame_shift, truth, atol=0.12)
        inner = made.mu.isel(y=slice(6, -6), x=slice(6, -6))
        assert float((inner - inner.isel(energy=0)).std()) < 0.03
        before = moving(truth, rng, 0.01).mu.isel(y=slice(6, -6), x=slice(6, -6))
        assert float((before - before.isel(energy=0)).std()) > 0.06
        assert np.isnan(made.mu.values[-1, :, -1]).any()  # nothing was seen there

    def test_what_is_aligned_is_left_as_it_is(self, rng):
        data = moving(np.full((6, 2), 0.05), rng, 0.01)
        made = xas.eels.align_frames(data)
        np.testing.assert_array_equal(made.mu, data.mu)
        assert "nothing was moved" in history(made)[-1]["notes"][0]
        assert history(made)[-1]["resolved"]["moved"] is False

    def test_whole_pixels_keep_the_values(self):
        made = xas.eels.align_frames(moving([[0, 0], [2.1, -0.9]]), by_parts=False)
        was = moving([[0, 0], [2.1, -0.9]]).mu.values[..., 1]
        np.testing.assert_allclose(made.mu.values[:-2, 1:, 1], was[2:, :-1])

    def test_a_bad_pixel_does_not_stop_it(self):
        data = moving([[0, 0], [1, 1]])
        data.mu[10, 10] = np.nan
        np.testing.assert_allclose(xas.eels.align_frames(data).frame_shift[1], [1, 1], atol=0.1)

    def test_kernels(self):
        frames = np.stack([image(), image(down=3, across=-4)])
        np.testing.assert_allclose(frame_shifts(frames)[1], [3, -4], atol=0.05)
        back = moved_frames(frames, np.array([[0, 0], [3.0, -4.0]]))
        np.testing.assert_allclose(back[1, :-3, 4:], image()[:-3, 4:], atol=1e-6)

    @pytest.mark.parametrize(
        ("change", "options", "words"),
        [
            (lambda d: d.isel(y=0), {}, "works on maps of two dimensions"),
            (lambda d: d.isel(y=slice(4)), {}, "at least 8 pixels by side; this dataset has y: 4, x: 40"),
            (lambda d: d, {"window": (800.0, 810.0)}, "holds no energy of the data"),
            (lambda d: d, {"least": -1.0}, "least is in pixels"),
        ],
    )
    def test_refused(self, change, options, words):
        with pytest.raises(InvalidInput, match=words):
            xas.eels.align_frames(change(moving([[0, 0], [1, 1]])), **options)


@pytest.fixture(scope="module")
def iron_stack(data_dir):
    """Every third pixel of the measured stack, both ways."""
    data = spectra.read(data_dir / "softxas" / "Fe_L23_stxm_71214098.h5").isel(
        y=slice(None, None, 3), x=slice(None, None, 3)
    )
    data = xas.eels.optical_density(data)
    data = xas.eels.align_frames(data, window=(700, 705))
    data = xas.eels.subtract_background(data, window=(700, 705), method="polynomial", degree=0)
    return xas.eels.ferric_fraction(xas.eels.iron_window_ratio(data))


class TestMeasuredStack:
    def test_the_frames_were_aligned(self, iron_stack):
        assert float(np.abs(iron_stack.frame_shift).max()) < 0.25
        assert any("nothing was moved" in t for entry in history(iron_stack) for t in entry.get("notes", []))

    def test_shares_lie_where_the_two_peaks_of_l3_put_them(self, iron_stack):
        data = iron_stack
        level = data.net.sel(energy=slice(726, 731)).mean("energy")
        sure = (level > 0.04) & (data.ferric_fraction_sigma < 0.1)
        assert int(sure.sum()) > 200
        peaks = data.net.sel(energy=slice(709.3, 709.9)).mean("energy") / data.net.sel(
            energy=slice(707.8, 708.3)
        ).mean("energy")
        shares = [
            float(data.ferric_fraction.where(sure & (peaks > low) & (peaks < high)).median())
            for low, high in ((0.0, 0.75), (0.75, 0.95), (0.95, 1.2), (1.2, 1.6), (1.6, 9.0))
        ]
        assert (np.diff(shares) > 0.02).all()
        assert shares[0] == pytest.approx(0.17, abs=0.05)
        assert shares[-1] == pytest.approx(0.60, abs=0.08)

    def test_sigma_is_the_scatter_of_repeats(self, iron_stack):
        """Every second energy left out of the windows changes a share by no more than the noise explains."""
        data = iron_stack
        pull = []
        for part in (slice(0, None, 2), slice(1, None, 2)):
            one = data.drop_vars(["status"]).isel(energy=part)
            one = xas.eels.subtract_background(one, window=(700, 705), method="polynomial", degree=0)
            pull.append(xas.eels.iron_window_ratio(one, fe2_maximum=708.07))
        level = data.net.sel(energy=slice(726, 731)).mean("energy")
        both = np.hypot(pull[0].window_ratio_sigma, pull[1].window_ratio_sigma)
        apart = ((pull[0].window_ratio - pull[1].window_ratio) / both).where(level > 0.04)
        apart = apart - apart.median()  # the two grids see the lines differently
        assert 1.4826 * float(np.abs(apart).median()) == pytest.approx(1, abs=0.25)

    def test_thick_places_are_flagged(self, iron_stack):
        names = spectra.dataset.flag_table(iron_stack).set_index("flag")["spectra"]
        assert 50 < names["too_thick"] < 500
        assert names["ratio_below_curve"] > 300  # where there is no iron


@pytest.mark.long
def test_the_recipe_is_the_same_and_its_file_runs_again(iron_stack, data_dir, tmp_path):
    with h5py.File(data_dir / "softxas" / "Fe_L23_stxm_71214098.h5") as whole:
        with h5py.File(tmp_path / "part.h5", "w") as part:
            part["transmitted"] = whole["transmitted"][::3, ::3]
            part["transmitted"].attrs["axes"] = ["y", "x", "energy"]
            for axis, step in (("energy", 1), ("incident", 1), ("y", 3), ("x", 3)):
                part[axis] = whole[axis][::step]
    got = spectra.run("iron_map", tmp_path / "part.h5")
    np.testing.assert_allclose(got.ferric_fraction, iron_stack.ferric_fraction, rtol=1e-6)
    got.spectra.save(tmp_path / "map.nxs")
    again = spectra.load(tmp_path / "map.nxs")
    np.testing.assert_array_equal(again.ferric_fraction, got.ferric_fraction)
    np.testing.assert_array_equal(again.status, got.status)
