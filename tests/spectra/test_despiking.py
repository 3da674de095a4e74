"""Cosmic rays: injected ones found, real bands left, false alarms below the stated rate; never silent."""

import h5py
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

import raman
import spectra
from spectra.dataset import flag_names
from spectra.preprocessing import despike_arrays, spike_threshold
from spectra.preprocessing.cosmic_rays import SAFE, neighbour_table

N = 1000
X = np.arange(N)


def expectation(bands=((3000, 200, 3), (5000, 300, 2), (2000, 600, 5), (4000, 800, 1.6), (1500, 820, 8))):
    """Fluorescence and bands with full widths down to 3.2 points."""
    curve = 200 + 1500 * np.exp(-X / 400)
    return curve + sum(height / (1 + ((X - at) / half) ** 2) for height, at, half in bands)


def inject(rng, y, sigma, size, length):
    """``y`` with one run per spectrum, ``size`` times the noise high, away from the ends; and where."""
    spoiled = y.copy()
    start = rng.integers(10, N - 20, len(y))
    marks = np.zeros(y.shape, bool)
    for k in range(length):
        spoiled[np.arange(len(y)), start + k] += size * sigma[start + k]
        marks[np.arange(len(y)), start + k] = True
    return spoiled, marks


class TestSingleSpectra:
    def test_no_more_false_alarms_than_stated(self, rng):
        curve = expectation()
        for y in (rng.normal(1000, 10, (800, N)), rng.poisson(np.broadcast_to(curve, (800, N)))):
            found = despike_arrays(y, false_alarms=0.01).marks
            assert found.sum() <= 0.01 * 800 + 3 * np.sqrt(0.01 * 800)

    def test_few_counts_coarse_digits_and_smoothed_noise_hold_no_rays(self, rng):
        """Where noise is not normal, or not white, and a median of deviations says too little of it."""
        for mean in (0.02, 0.1, 0.5, 1, 2, 5, 20):
            assert despike_arrays(rng.poisson(mean, (400, N))).marks.sum() <= 4 + 6
        assert despike_arrays(np.rint(rng.normal(0, 0.4, (400, N)))).marks.sum() <= 4 + 6
        for fwhm in (1.5, 2.0, 3.0, 5.0):
            smoothed = gaussian_filter1d(rng.normal(size=(400, N)), fwhm / 2.355, axis=1)
            assert despike_arrays(smoothed).marks.sum() <= 4 + 6

    def test_rays_among_few_counts_are_found(self, rng):
        y = rng.poisson(0.5, (200, N))
        spoiled, marks = inject(rng, y, np.ones(N, int), 15, 1)
        assert despike_arrays(spoiled).marks[marks].mean() > 0.95

    @pytest.mark.long
    def test_no_more_false_alarms_than_stated_in_many_spectra(self, rng):
        curve = expectation(((2000, 600, 5), (1500, 820, 8), (6000, 300, 4)))
        for width, stated in ((1, 0.01), (2, 0.01), (3, 0.03), (5, 0.1)):
            for y in (rng.normal(0, 3, (6000, N)), rng.poisson(np.broadcast_to(curve, (6000, N)))):
                found = despike_arrays(y, width=width, false_alarms=stated).marks
                assert found.sum() <= stated * 6000

    @pytest.mark.parametrize(("length", "size"), [(1, 15), (2, 20), (3, 30)])
    def test_rays_of_the_stated_size_are_found(self, rng, length, size):
        curve = expectation(((2000, 600, 5),))
        y = rng.poisson(np.broadcast_to(curve, (400, N))).astype(float)
        spoiled, marks = inject(rng, y, np.sqrt(curve), size, length)
        found = despike_arrays(spoiled, width=max(length, 2))
        assert found.marks[marks].mean() > 0.95
        hit = marks & found.marks
        off = (found.values - np.broadcast_to(curve, y.shape))[hit] / np.broadcast_to(
            np.sqrt(curve), y.shape
        )[hit]
        assert np.sqrt(np.mean(off**2)) < 1.5  # the cubic's own noise

    @pytest.mark.parametrize("shape", ["lorentzian", "gaussian"])
    @pytest.mark.parametrize("width", [1, 2, 3, 4, 6, 8])
    def test_a_real_sharp_line_stays_however_strong(self, rng, width, shape):
        center, height = 100 + rng.uniform(-1, 1, (1000, 1)), 10 ** rng.uniform(1.5, 6, (1000, 1))
        u = 2 * (np.arange(200) - center) / SAFE[width]
        line = 1 / (1 + u**2) if shape == "lorentzian" else np.exp(-np.log(2) * u**2)
        found = despike_arrays(rng.poisson(100 + height * line), width=width).marks
        assert found[:, 80:120].any(1).mean() < 0.015

    @pytest.mark.parametrize(("length", "least"), [(3, 0.97), (4, 0.90)])
    def test_wider_rays_than_looked_for_are_told_of_and_left(self, rng, length, least):
        curve = expectation(((2000, 600, 5),))
        y = rng.poisson(np.broadcast_to(curve, (400, N))).astype(float)
        spoiled, marks = inject(rng, y, np.sqrt(curve), 30, length)
        found = despike_arrays(spoiled)
        assert found.wider.mean() > least
        assert not found.marks[marks].any()
        all_taken = despike_arrays(spoiled, width=8)
        assert all_taken.marks[marks].mean() > least
        assert not all_taken.wider.any()

    def test_bands_are_no_wider_rays(self, rng):
        """Noise, fluorescence and bands down to 3.2 points full width; and lines as wide as the longest runs leave."""
        for curve in (expectation(), expectation(((2000, 600, 5),))):
            assert despike_arrays(rng.poisson(np.broadcast_to(curve, (1000, N)))).wider.mean() < 0.005
        center, height = 100 + rng.uniform(-1, 1, (1000, 1)), 10 ** rng.uniform(1.5, 6, (1000, 1))
        u = 2 * (np.arange(200) - center) / SAFE[8]
        for line in (1 / (1 + u**2), np.exp(-np.log(2) * u**2)):
            assert despike_arrays(rng.poisson(100 + height * line)).wider.mean() < 0.01

    def test_what_is_no_spike_stays_as_measured(self, rng):
        y = rng.poisson(np.broadcast_to(expectation(), (50, N))).astype(float)
        spoiled, _ = inject(rng, y, np.sqrt(expectation()), 40, 1)
        found = despike_arrays(spoiled)
        np.testing.assert_array_equal(found.values[~found.marks], spoiled[~found.marks])

    def test_a_known_sigma_is_used(self, rng):
        y = rng.normal(0, 1, (200, N))
        spoiled, marks = inject(rng, y, np.ones(N), 12, 1)
        assert despike_arrays(spoiled, sigma=1.0).marks[marks].mean() > 0.9
        assert despike_arrays(spoiled, sigma=10.0).marks.sum() == 0

    def test_missing_points_do_not_matter_and_stay_missing(self, rng):
        y = rng.normal(100, 2, (1, N))
        y[0, 500] += 100
        y[0, 300:310], y[0, 498] = np.nan, np.inf
        found = despike_arrays(y)
        assert np.flatnonzero(found.marks).tolist() == [500]
        assert np.isnan(found.values[0, 300:310]).all()
        assert np.isinf(found.values[0, 498])

    def test_counts_stay_counts(self, rng):
        """A fit that takes whole numbers for counts takes them so afterwards."""
        y, _ = inject(rng, rng.poisson(100, (10, N)).astype(float), np.full(N, 10.0), 40, 2)
        found = despike_arrays(np.rint(y))
        assert found.marks.sum() >= 15
        np.testing.assert_array_equal(found.values, np.rint(found.values))
        np.testing.assert_allclose(found.values, despike_arrays(np.rint(y) + 0.25).values - 0.25, atol=0.5001)

    def test_dips_are_no_cosmic_rays(self, rng):
        y = rng.normal(100, 2, N)
        y[400] -= 80
        assert not despike_arrays(y).marks.any()

    def test_scale_and_offset_change_nothing(self, rng):
        y, _ = inject(rng, rng.normal(1000, 5, (20, N)), np.full(N, 5.0), 30, 2)
        marks = despike_arrays(y).marks
        np.testing.assert_array_equal(despike_arrays(1e-3 * y).marks, marks)
        np.testing.assert_array_equal(despike_arrays(1e5 * y).marks, marks)

    def test_threads_and_shape_change_nothing(self, rng):
        y, _ = inject(rng, rng.normal(1000, 5, (600, N)), np.full(N, 5.0), 30, 1)
        one = despike_arrays(y, workers=1)
        two = despike_arrays(y.reshape(20, 30, N), workers=2)
        np.testing.assert_array_equal(two.values.reshape(y.shape), one.values)

    @pytest.mark.parametrize("n", [2, 7, 15, 16, 40])
    def test_short_spectra_pass(self, n):
        assert not despike_arrays(np.arange(float(n))).marks.any()

    def test_constants_and_zeros_pass(self):
        assert not despike_arrays(np.zeros((2, 100))).marks.any()
        for height, found in ((1.0, []), (50.0, [50]), (0.3, [50])):  # one count is no ray
            lonely = np.zeros(100)
            lonely[50] = height
            assert np.flatnonzero(despike_arrays(lonely).marks).tolist() == found


class TestNeighbours:
    def grid(self, rng, shape=(12, 15), scale=True):
        """A map of one kind of spectrum with sharp bands in differing strength."""
        strength = rng.uniform(0.5, 2, (*shape, 1)) if scale else np.ones((*shape, 1))
        bands = expectation(((6000, 300, 1.2), (3000, 200, 3), (4000, 800, 1.0)))
        return rng.poisson(strength * bands).astype(float), strength * bands

    def test_rays_on_sharp_bands_are_found(self, rng):
        y, curve = self.grid(rng)
        marks = np.zeros(y.shape, bool)
        for i in range(y.shape[0]):
            at = 300 + i % 3 - 1
            y[i, i, at] += 25 * np.sqrt(curve[i, i, at])
            marks[i, i, at] = True
        found = despike_arrays(y, neighbours=2).marks
        assert found[marks].mean() > 0.9
        assert (found & ~marks).sum() <= 2

    def test_no_more_false_alarms_than_stated(self, rng):
        y, _ = self.grid(rng, (20, 20))
        assert despike_arrays(y, neighbours=2).marks.sum() <= 4 + 6
        assert despike_arrays(y, neighbours=1).marks.sum() <= 4 + 6

    def test_wide_tracks_are_found_in_time(self, rng):
        y, _ = self.grid(rng, (30,))
        y[12, 640:647] += (1500, 2600, 2550, 2600, 3500, 2250, 1400)
        found = despike_arrays(y, neighbours=1, width=8)
        assert found.marks[12, 640:647].all()
        assert found.marks.sum() < 10

    def test_lost_neighbours_do_not_matter(self, rng):
        y, _ = self.grid(rng)
        y[4, 5, 500] += 2000
        y[3:6, 4], y[3:6, 6], y[3, 5] = np.nan, np.nan, np.nan
        found = despike_arrays(y, neighbours=2).marks
        assert np.argwhere(found).tolist() == [[4, 5, 500]]
        assert not found[3, 4].any()

    def test_neighbours_are_those_on_the_grid(self):
        table = neighbour_table((2, 3), 2)
        assert [sorted(row[row >= 0]) for row in table] == [
            [1, 3, 4], [0, 2, 3, 4, 5], [1, 4, 5], [0, 1, 4], [0, 1, 2, 3, 5], [1, 2, 4],
        ]  # fmt: skip
        chain = neighbour_table((2, 4), 1)
        assert [sorted(row[row >= 0]) for row in chain[:4]] == [[1, 2], [0, 2, 3], [0, 1, 3], [1, 2]]
        assert sorted(chain[4][chain[4] >= 0]) == [5, 6]


def test_the_threshold_follows_from_the_false_alarms():
    assert spike_threshold(1000, 1, 0.01) == 4.5
    assert spike_threshold(1000, 2, 1e-6) == pytest.approx(6.1, abs=0.1)
    assert spike_threshold(1000, 1, 1e-9) > spike_threshold(1000, 1, 1e-6)


def test_injected_rays_are_found_in_a_measured_map(rng, data_dir):
    with h5py.File(data_dir / "raman/map_plastics_29x287x672.h5") as file:
        y = file["intensity"][10:16, 40:100].astype(float)
    good = np.isfinite(y).all(-1)
    assert good.mean() > 0.9
    flat = y[good]
    natural = despike_arrays(flat).marks
    assert natural.sum() < 0.05 * len(flat)  # what the map holds of its own
    step = np.diff(flat, axis=1)
    noise = 1.4826 * np.median(np.abs(step - np.median(step, axis=1, keepdims=True)), axis=1) / np.sqrt(2)
    at = rng.integers(20, 650, len(flat))
    flat[np.arange(len(flat)), at] += 20 * noise
    found = despike_arrays(flat).marks
    assert found[np.arange(len(flat)), at].mean() > 0.95


def test_rays_of_a_measured_series_are_found_both_ways(data_dir):
    """Forty rays and more in a series that a user measured: seen alone, and by the spectra before and behind."""
    path = data_dir / "raman/horiba/serie190214-1.txt"
    y = raman.read(path).intensity.values
    alone, beside = despike_arrays(y).marks, despike_arrays(y, neighbours=1).marks
    assert 70 < alone.sum() < 90
    assert (alone & beside).sum() > 0.95 * max(alone.sum(), beside.sum())
    wide = despike_arrays(y, width=3).marks
    assert (wide & alone).sum() == alone.sum()


def test_the_default_leaves_measured_bands_that_wider_ones_take(data_dir):
    """Polystyrene at 4.4 1/cm per pixel: its bands at 621 and 1001 1/cm are as wide as rays are."""
    scan = raman.read(data_dir / "raman" / "witec" / "PST_WiICV532_Z050OP02_075_800msx10.txt")
    taken = {}
    for width in (2, 3):
        done = spectra.despike(scan, width=width)
        at = scan.raman_shift.values[done.spike.values]
        taken[width] = at[at > 100].round().tolist()  # below lies the laser
        assert flag_names(done) == (["wider_spikes"] if width == 2 else [])
    assert taken == {2: [], 3: [620.0, 625.0, 629.0, 1001.0, 1005.0, 1009.0]}


def test_wider_rays_of_a_measured_series_are_told_of(data_dir):
    """The spectra before and behind say that what the default leaves and flags are rays."""
    data = raman.read(data_dir / "raman/horiba/serie190214-1.txt")
    y, done = data.intensity.values, spectra.despike(data)
    flagged = done.spectra.flags.set_index("flag").spectra["wider_spikes"]
    assert 8 <= flagged <= 14
    left = despike_arrays(y, width=8).marks & ~done.spike.values
    beside = despike_arrays(y, neighbours=1, width=8).marks
    assert (left & beside).sum() > 0.95 * left.sum()
    lazy = spectra.despike(data.chunk({data.intensity.dims[0]: 50}))
    assert lazy.spectra.flags.set_index("flag").spectra["wider_spikes"] == flagged
    assert "wider_spikes" not in spectra.despike(data, width=8).spectra.flags.flag.tolist()


def series(rng, scans=4):
    y = rng.poisson(np.broadcast_to(expectation(), (scans, N))).astype(float)
    y[1, 500:502] += 3000
    return spectra.from_arrays(
        2.0 * X, y, axis="raman_shift", dims=("scan",), sigma=np.sqrt(y + 1), attrs={"technique": "raman"}
    )


def test_the_verb_counts_marks_and_says(rng):
    data = series(rng)
    done = spectra.despike(data)
    assert done.n_spikes.values.tolist() == [0, 2, 0, 0]
    assert done.raman_shift.values[done.spike.values[1]].tolist() == [1000.0, 1002.0]
    assert abs(float(done.intensity[1, 500]) - expectation()[500]) < 150
    assert (
        "2 points of cosmic rays in 1 of 4 spectra were interpolated" in done.spectra.history[-1]["notes"][0]
    )
    np.testing.assert_array_equal(done.intensity_sigma, data.intensity_sigma)
    masked = spectra.despike(data, method="mask")
    assert np.isnan(masked.intensity.values[1, 500:502]).all()
    assert int(masked.intensity.isnull().sum()) == 2
    listed = spectra.despike(data, method="list")
    np.testing.assert_array_equal(listed.intensity, data.intensity)
    assert int(listed.n_spikes.sum()) == 2


def test_the_verb_looks_at_neighbours_along_named_dimensions(rng):
    data = series(rng, 12)
    grid = spectra.from_arrays(
        data.raman_shift.values, data.intensity.values.reshape(3, 4, N), axis="raman_shift", dims=("y", "x")
    )
    for dims in (None, ("x",), ("y", "x")):
        done = spectra.despike(grid, against="neighbours", dims=dims)
        assert done.n_spikes.values.ravel().tolist() == [0, 2] + [0] * 10
        lazy = spectra.despike(grid.chunk({"y": 1, "x": 2}), against="neighbours", dims=dims)
        assert lazy.intensity.chunks is not None
        np.testing.assert_allclose(lazy.intensity.compute(), done.intensity)


def test_lost_and_ragged_spectra_are_flagged(rng):
    data = series(rng).copy(deep=True)
    data.intensity[2] = np.nan
    # every 20th point far above: hardly cosmic rays
    data.intensity[3, 10:-10:20] += 1e5
    done = spectra.despike(data.drop_vars("intensity_sigma"))
    assert flag_names(done, scan=2) == ["empty"]
    assert flag_names(done, scan=3) == ["many_spikes"]
    assert flag_names(done, scan=0) == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"width": 9}, "width must be 1, 2, 3"),
        ({"false_alarms": 0.0}, "false_alarms is a number of points above zero, got 0"),
        ({"dims": ("scan",)}, "dims are for against='neighbours'"),
        ({"against": "neighbours", "dims": ("time",)}, "no series dimension 'time'; allowed: scan"),
        ({"against": "neighbour"}, "did you mean 'neighbours'"),
        ({"variable": "net"}, "no variable 'net' along raman_shift"),
    ],
)
def test_what_cannot_be_done_is_said(rng, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        spectra.despike(series(rng), **options)


def test_a_single_spectrum_has_no_neighbours(rng):
    with pytest.raises(ValueError, match="there are none: use against='spectrum'"):
        spectra.despike(series(rng).isel(scan=0), against="neighbours")
