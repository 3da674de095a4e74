"""First against last frames of a stack: unchanged samples stay unchanged whatever drifts, changed ones are seen."""

import numpy as np
import pytest

import spectra
import xas.eels
import xas.rixs
from spectra.dataset import failed, flag_names
from spectra.errors import InvalidInput
from xas.eels.frames.change import compare_ends

LOSS = np.arange(600.0, 700.0, 0.25)
WINDOWS = {"L3": (638.0, 647.0), "L2": (650.0, 657.0)}
MASKS = np.array([(LOSS >= low) & (LOSS <= high) for low, high in WINDOWS.values()])


def edge(shift=0.0, l3=1.0):
    """Mn L2,3 on a power law, one count per channel at 600 eV."""
    e = LOSS - shift
    lines = 0.8 * l3 * np.exp(-(((e - 642) / 1.5) ** 2)) + 0.4 * np.exp(-(((e - 653) / 1.5) ** 2))
    return (e / 600) ** -3 + lines + 0.4 / (1 + np.exp(-(e - 643)))


def stacks(rng, frames, counts, *, repeats=1, gain=1.0, drift=0.0, change=0.0, tilt=0.0):
    """(repeats, frames, n): the scale moves by ``drift`` eV, L3 and the strength change in proportion to the frame."""
    part = np.linspace(0, 1, frames)
    mean = np.stack([edge(drift * t, 1 + change * t) * (1 + tilt * t) for t in part]) * counts
    return rng.poisson(np.broadcast_to(mean / gain, (repeats, *mean.shape))) * gain


def dataset(counts, **attrs):
    dims = ("y", "x", "frame")[-(counts.ndim - 1) :]
    return spectra.from_arrays(
        LOSS,
        counts,
        axis="energy_loss",
        name="counts",
        units="counts",
        dims=dims,
        attrs={"technique": "eels"} | attrs,
    )


CASES = [
    (4, 1000, {}),
    (6, 100, {"drift": 0.3}),
    (6, 3000, {"drift": 1.5, "gain": 4.0}),
    (12, 10000, {"drift": 1.5, "tilt": -0.2}),
    (30, 30, {"gain": 4.0}),
]


class TestKernel:
    @pytest.mark.parametrize(("frames", "counts", "more"), CASES)
    def test_unchanged_samples_are_called_changed_as_often_as_stated(self, rng, frames, counts, more):
        found = compare_ends(
            stacks(rng, frames, counts, repeats=200, **more), MASKS, at_each_end=max(1, frames // 3)
        )
        assert (found.p_value < 0.01).mean() <= 0.035
        assert (found.window_p_value < 0.01).mean() <= 0.03
        assert np.median(found.gain) == pytest.approx(more.get("gain", 1.0), rel=0.12)
        pull = found.change / found.change_sigma
        assert pull.std() == pytest.approx(1.0, abs=0.2)

    def test_probabilities_are_even(self, rng):
        p = compare_ends(stacks(rng, 9, 500, repeats=400), MASKS[:0], at_each_end=3).p_value
        assert np.histogram(p, 4, (0, 1))[0].min() > 70

    @pytest.mark.parametrize("drift", [0.0, 0.3, -1.5])
    def test_the_drift_between_the_ends_and_its_sigma(self, rng, drift):
        found = compare_ends(stacks(rng, 12, 10000, repeats=60, drift=drift), MASKS, at_each_end=4)
        truth = drift / 0.25 * 8 / 11  # channels between the middles of the first and last four
        off = (found.shift - truth) / found.shift_sigma
        assert abs(off.mean()) < 0.5
        assert 0.7 < off.std() < 1.3

    @pytest.mark.parametrize(("change", "covered"), [(-0.1, True), (-0.4, False)])
    def test_a_change_of_a_line_and_its_sigma(self, rng, change, covered):
        found = compare_ends(
            stacks(rng, 12, 1000, repeats=200, drift=0.4, change=change), MASKS, at_each_end=4
        )
        thirds = np.split(np.linspace(0, 1, 12), 3)
        early, late = (np.mean([edge(0, 1 + change * t) for t in thirds[k]], 0) for k in (0, 2))
        truth = [(late[m].sum() / late.sum()) / (early[m].sum() / early.sum()) - 1 for m in MASKS]
        assert found.change[:, 0].mean() == pytest.approx(truth[0], rel=0.06)
        if covered:
            off = np.abs(found.change - truth) / found.change_sigma
            assert (off < 1).mean() == pytest.approx(0.68, abs=0.08)
        else:
            assert (found.p_value < 0.01).all()

    def test_without_drift_and_gain_it_is_the_test_of_photons(self, rng):
        y = stacks(rng, 2, 3, repeats=20)
        found = compare_ends(y, MASKS[:0], gain=1.0, drift=False)
        np.testing.assert_allclose(found.p_value, xas.rixs.same_shape(y, least=25.0).p_value)

    def test_the_scale_of_the_counts_changes_nothing(self, rng):
        y = stacks(rng, 6, 500, repeats=5)
        one, other = (compare_ends(f * y, MASKS, at_each_end=2) for f in (1.0, 7.0))
        np.testing.assert_allclose(
            other.gain, 7 * one.gain, rtol=0.3
        )  # groups of as many counts are narrower
        np.testing.assert_allclose(other.change, one.change, atol=0.2 * one.change_sigma.max())


class TestVerb:
    def test_a_change_is_seen_and_told_from_a_drift(self, rng, frozen):
        fading = dataset(frozen(stacks(rng, 9, 2000, change=-0.4, drift=0.6)[0]), frames=1)
        whole = xas.eels.compare_frames(fading, windows=WINDOWS)
        assert whole.counts.dims == ("energy_loss",)
        np.testing.assert_array_equal(whole.counts, fading.counts.sum("frame"))
        np.testing.assert_array_equal(whole.counts_first, fading.counts[:3].sum("frame"))
        assert whole.attrs["frames"] == 9
        assert flag_names(whole) == ["scale_drifted", "changed_in_the_beam"]
        assert float(whole.scale_drift) == pytest.approx(0.6 * 6 / 8, abs=0.2)  # and some of the change
        assert float(whole.window_change.sel(window="L3")) < -5 * float(
            whole.window_change_sigma.sel(window="L3")
        )
        assert float(whole.frame_gain) == pytest.approx(1, abs=0.25)
        drifting = dataset(stacks(rng, 9, 2000, drift=0.6)[0])
        assert flag_names(xas.eels.compare_frames(drifting, windows=WINDOWS)) == ["scale_drifted"]
        blamed = xas.eels.compare_frames(drifting, windows=WINDOWS, drift="keep")
        assert flag_names(blamed) == ["changed_in_the_beam"]
        assert "scale_drift" not in blamed

    def test_what_would_have_been_seen_is(self, rng):
        weak = xas.eels.compare_frames(dataset(stacks(rng, 9, 300)[0]), windows=WINDOWS, gain=1.0)
        reach = float(weak.window_detectable.sel(window="L3"))
        assert 0.02 < reach < 0.04
        share = edge()[MASKS[0]].sum() / edge().sum()
        more = (1 + reach) * (1 - share) / (
            1 - (1 + reach) * share
        ) - 1  # of the counts, so that the share grows by reach
        y = rng.poisson(300 * edge(), (200, 9, LOSS.size)).astype(float)
        y[:, 6:] += rng.poisson(300 * more * edge() * MASKS[0], (200, 3, LOSS.size))
        found = compare_ends(y, MASKS, at_each_end=3, gain=1.0)
        assert (np.c_[found.p_value, found.window_p_value] < 0.01 / 3).any(-1).mean() > 0.85

    def test_places_of_a_map_stand_for_themselves(self, rng):
        y = stacks(rng, 6, 1000, repeats=6).reshape(2, 3, 6, -1)
        y[1, 2] = stacks(rng, 6, 1000, change=-0.8)[0]
        y[0, 1, 5, 7] = np.nan
        y[0, 2] = 0
        found = xas.eels.compare_frames(dataset(y), windows=WINDOWS)
        assert found.shape_p_value.dims == ("y", "x")
        assert "changed_in_the_beam" in flag_names(found, y=1, x=2)
        assert failed(found).values.tolist() == [[False, True, True], [False, False, False]]
        alone = xas.eels.compare_frames(dataset(y[1, 2]), windows=WINDOWS)
        np.testing.assert_array_equal(alone.window_change, found.window_change[1, 2])

    def test_stated_sigmas_add_up(self, rng):
        data = dataset(stacks(rng, 4, 100)[0])
        whole = xas.eels.compare_frames(data.assign(counts_sigma=np.sqrt(data.counts + 1)))
        np.testing.assert_allclose(whole.counts_sigma**2, data.counts.sum("frame") + 4)

    @pytest.mark.parametrize(
        ("options", "sentence"),
        [
            ({"along": "time"}, "along: 'time' must be a dimension with at least two frames; allowed: frame"),
            ({"share": 0.7}, "share must be above 0 and at most 0.5"),
            ({"gain": 0.0}, "gain is the variance per count and above zero, got 0"),
            ({"level": 1.0}, "level must lie between 0 and 1"),
            (
                {"windows": {"Fe": (705.0, 712.0)}},
                r"'Fe' \(705, 712\) holds no channel; energy_loss runs from 600",
            ),
        ],
    )
    def test_what_cannot_be_done_is_said(self, rng, options, sentence):
        with pytest.raises(InvalidInput, match=sentence):
            xas.eels.compare_frames(dataset(stacks(rng, 6, 100)[0]), **options)

    def test_few_frames_need_a_gain(self, rng):
        with pytest.raises(InvalidInput, match="along: 'frame' holds one frame, and two at least"):
            xas.eels.compare_frames(dataset(stacks(rng, 6, 100)[0]).isel(frame=[0]))
        pair = dataset(stacks(rng, 2, 1000)[0])
        with pytest.raises(
            InvalidInput, match="2 frames do not show their own noise, at least 4 do: give gain="
        ):
            xas.eels.compare_frames(pair)
        assert flag_names(xas.eels.compare_frames(pair, gain=1.0)) == []
