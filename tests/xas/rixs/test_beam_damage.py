"""First frames against last: false alarms as stated, changes found with their size, measured exposures that kept."""

import numpy as np
import pytest

import spectra
import xas.rixs
from spectra.dataset import failed, flag_names
from spectra.errors import InvalidInput

LOSS = np.arange(0.0, 10.0, 0.05)
BAND = 4 * np.exp(-0.5 * ((LOSS - 5) / 1.2) ** 2) + 0.2
FINGERPRINT = np.exp(-0.5 * ((LOSS - 8) / 0.3) ** 2)
WINDOWS = {"O2": (7.4, 8.6), "second": (4.0, 4.6)}


def parts(rng, strengths, count=1, scale=1.0):
    mean = scale * (BAND + np.asarray(strengths, float)[:, None] * FINGERPRINT)
    return rng.poisson(mean, (count, *mean.shape))


def dataset(counts, dims=("scan", "part"), **coords):
    return spectra.from_arrays(
        LOSS, counts, axis="energy_loss", name="counts", units="counts", dims=dims, coords=coords
    )


@pytest.mark.parametrize("count", [70, pytest.param(1500, marks=pytest.mark.long)])
def test_unchanged_samples_are_called_changed_no_more_than_stated(rng, count):
    found = xas.rixs.compare_parts(dataset(parts(rng, (1, 1, 1), count)), windows=WINDOWS, level=0.05)
    called = np.mean(found.status.values > 0)
    assert called < 0.05 + 3 * np.sqrt(0.05 * 0.95 / count)
    inside = np.abs(found.window_change) < found.window_change_sigma
    assert inside.mean("scan").values == pytest.approx(0.683, abs=3.5 * np.sqrt(0.68 * 0.32 / count))


def test_a_fading_fingerprint_is_found_with_its_size(rng):
    found = xas.rixs.compare_parts(dataset(parts(rng, (3, 2, 1), 200, scale=4.0)), windows=WINDOWS)
    mask = (LOSS >= 7.4) & (LOSS <= 8.6)
    share = [((BAND + s * FINGERPRINT)[mask].sum()) / (BAND + s * FINGERPRINT).sum() for s in (3, 1)]
    change, sigma = found.window_change.sel(window="O2"), found.window_change_sigma.sel(window="O2")
    assert float(change.mean()) == pytest.approx(share[1] / share[0] - 1, abs=0.02)
    assert float(change.std()) == pytest.approx(float(sigma.mean()), rel=0.25)
    assert np.mean(found.status.values > 0) > 0.98
    assert flag_names(found, scan=0) == ["changed_in_the_beam"]
    assert not failed(found).any()


def test_detectable_is_seen_nine_times_in_ten_at_least(rng):
    """A change of the size that the first, unchanged exposures call detectable."""
    still = xas.rixs.compare_parts(dataset(parts(rng, (1, 1), 50, scale=2.0)), windows={"O2": (7.4, 8.6)})
    size = float(still.window_detectable.mean())
    mask = (LOSS >= 7.4) & (LOSS <= 8.6)
    mean = np.array([2 * (BAND + FINGERPRINT)] * 2)
    share = mean[0, mask].sum() / mean[0].sum()
    mean[1, mask] *= (
        (1 + size) * (1 - share) / (1 - (1 + size) * share)
    )  # the share grows by the factor 1 + size
    moved = xas.rixs.compare_parts(dataset(rng.poisson(mean, (400, *mean.shape))), windows={"O2": (7.4, 8.6)})
    assert np.mean(moved.status.values > 0) > 0.86


def test_parts_add_up_and_their_times_too(rng):
    counts = parts(rng, (1, 1, 1, 1, 1, 1))[0]
    time = ("part", np.full(6, 30.0), {"units": "s"})
    current = ("part", np.linspace(400, 390, 6), {"units": ""})
    found = xas.rixs.compare_parts(
        dataset(counts, ("part",), exposure_time=time, ring_current=current), windows=WINDOWS
    )
    np.testing.assert_array_equal(found.counts, counts.sum(axis=0))
    np.testing.assert_array_equal(found.counts_first, counts[:2].sum(axis=0))
    np.testing.assert_array_equal(found.counts_last, counts[4:].sum(axis=0))
    assert (float(found.exposure_time), float(found.ring_current)) == (180.0, 395.0)
    assert abs(float(found.rate_change)) < 4 * float(found.rate_change_sigma)
    assert "part" not in found.dims


@pytest.mark.parametrize(("name", "p"), [("OK_0002_d2", 0.872), ("Co_0612_d1", 0.947), ("Co_0616_d1", 0.160)])
def test_measured_exposures_kept(data_dir, name, p):
    """None of the measured samples changed; what would have been seen is said."""
    exposure = xas.rixs.read(data_dir / "rixs" / f"{name}.h5", parts=3)
    found = xas.rixs.compare_parts(exposure)
    assert float(found.shape_p_value) == pytest.approx(p, abs=0.01)
    assert flag_names(found) == []
    reduced = xas.rixs.reduce(exposure, dispersion=0.009)
    at_zero = xas.rixs.compare_parts(reduced, windows={"elastic": (-0.1, 0.1)})
    assert float(at_zero.window_p_value[0]) > 0.01
    assert 0 < float(at_zero.window_detectable[0]) < 0.5
    assert float(at_zero.elastic_channel) == float(reduced.elastic_channel[0])


def test_a_drift_of_the_scale_is_no_change_of_the_sample(data_dir):
    """All three detectors of one measured exposure see the elastic line 0.5 to 1 channel higher at its end."""
    exposure = xas.rixs.read_series(data_dir / "rixs" / "Co_0609_d*.h5", parts=3)
    found = xas.rixs.compare_parts(xas.rixs.reduce(exposure, dispersion=0.009), windows={"d-d": (0.3, 3.0)})
    assert float(found.scale_drift) == pytest.approx(-0.007, abs=0.002)
    assert float(found.scale_drift) / float(found.scale_drift_sigma) < -4
    assert flag_names(found) == ["scale_drifted"]
    assert float(found.shape_p_value) > 0.01
    assert abs(float(found.window_change[0])) < 3 * float(found.window_change_sigma[0])
    reduced = xas.rixs.reduce(exposure, dispersion=0.009)
    kept = xas.rixs.compare_parts(reduced, drift="keep")
    assert float(kept.shape_p_value) == pytest.approx(0.0019, abs=0.0005)
    assert flag_names(kept) == ["scale_drifted", "changed_in_the_beam"]


@pytest.mark.parametrize("moved", [0.0, 2.4])
def test_drifts_are_measured(rng, moved):
    lines = [300 * np.exp(-0.5 * ((np.arange(400) - 200 - m) / 6) ** 2) + 1 for m in (0, moved)]
    counts = rng.poisson(lines, (100, 2, 400))
    data = spectra.from_arrays(
        np.arange(400.0),
        counts,
        axis="detector_channel",
        name="counts",
        units="counts",
        dims=("scan", "part"),
    )
    found = xas.rixs.compare_parts(data)
    inside = np.abs(found.scale_drift - moved) < found.scale_drift_sigma
    assert abs(float(inside.mean()) - 0.683) < 3.5 * np.sqrt(0.68 * 0.32 / 100)
    assert np.mean(found.status.values > 0) > 0.95 if moved else np.mean(found.status.values > 0) < 0.05


def test_an_empty_part_is_flagged(rng):
    counts = parts(rng, (1, 1, 1), 3).astype(float)
    counts[1, 2] = 0
    found = xas.rixs.compare_parts(dataset(counts), windows=WINDOWS)
    assert failed(found).values.tolist() == [False, True, False]
    assert np.isnan(found.window_change.values[1]).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"along": "frame"}, "along: 'frame' must be a dimension with at least two parts"),
        ({"share": 0.7}, "share must be above 0 and at most 0.5"),
        ({"level": 0.0}, "level must lie between 0 and 1, got 0"),
        ({"windows": {"O2": (20.0, 21.0)}}, r"windows: 'O2' \(20, 21\) holds no channel; energy_loss runs from 0 to"),
    ],
)  # fmt: skip
def test_refused(rng, options, words):
    with pytest.raises(InvalidInput, match=words):
        xas.rixs.compare_parts(dataset(parts(rng, (1, 1, 1))), **options)


def test_the_kernel_refuses():
    with pytest.raises(InvalidInput, match=r"same channels, got the shapes \(5,\), \(4,\) and \(1, 5\)"):
        xas.rixs.compare_spectra(np.ones(5), np.ones(4), np.ones((1, 5), bool))
    with pytest.raises(InvalidInput, match="level must lie between 0 and 1, got 2"):
        xas.rixs.compare_spectra(np.ones(5), np.ones(5), np.ones((1, 5), bool), level=2.0)
