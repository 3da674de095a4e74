"""RIXS: photons counted again as the instrument does, detectors aligned, the elastic line at zero, sigmas that cover."""

import h5py
import numpy as np
import pytest

import spectra
import xas.rixs
from spectra.dataset import failed, flag_names
from spectra.errors import InvalidInput, ReadError
from spectra.reading.registry import read_scans
from xas.rixs.faults import find_saturation, find_spikes
from xas.rixs.homogeneity import same_shape


def exposure(rng, *, centre=400.0, photons=100.0, n=800, shifts=(0,), floor=0.5):
    """Elastic line and a broad feature 140 channels below, on detectors that see them shifted."""
    channel = np.arange(n)

    def lines(c):
        return photons * (np.exp(-0.5 * ((channel - c) / 6) ** 2) + 0.3 * np.exp(-0.5 * ((channel - c + 140) / 15) ** 2))  # fmt: skip

    return rng.poisson(floor + np.array([lines(centre + s) for s in shifts]))


def dataset(counts, dims=("detector",)):
    channel = np.arange(counts.shape[-1], dtype=float)
    return spectra.from_arrays(
        channel, counts, axis="detector_channel", name="counts", units="counts", dims=dims
    )


class TestReading:
    @pytest.mark.parametrize(
        ("name", "energy", "photons", "frames"),
        [
            ("OK_0002_d2", 528.0, 2597, 30),
            ("Co_0609_d1", 775.0, 2829, 100),
            ("Co_0609_d2", 775.0, 3659, 100),
            ("Co_0609_d3", 775.0, 3811, 100),
            ("Co_0612_d1", 775.5, 4408, 100),
            ("Co_0616_d1", 776.0, 9197, 150),
        ],
    )
    def test_exposures(self, data_dir, name, energy, photons, frames):
        scan = xas.rixs.read(data_dir / "rixs" / f"{name}.h5")
        assert scan.counts.dims == ("detector_channel",)
        assert int(scan.counts.sum()) == photons == scan.attrs["photons"]
        assert scan.attrs["incident_energy"] == pytest.approx(energy, abs=0.01)
        assert (scan.attrs["frames"], scan.attrs["detector"]) == (frames, int(name[-1]))
        assert (scan.attrs["technique"], scan.attrs["subpixels"]) == ("rixs", 4)
        (notes,) = [entry["notes"] for entry in scan.spectra.history]
        assert any("holds no energy scale" in text for text in notes)

    def test_the_photons_give_the_spectrum_of_the_instrument(self, data_dir):
        """The spectrum in every file is that of its photons with its curvature, to at most one photon."""
        for file in (data_dir / "rixs").glob("*.h5"):
            with h5py.File(file) as raw:
                settings = raw["entry/instrument/NDAttributes"]
                bend = [settings[f"CurvatureCF{k}"][0] for k in (1, 2, 3)]
                photons, truth = raw["entry/analysis/events"][()], raw["entry/analysis/spectrum"][()]
                rows = raw["entry/analysis/bad"].shape[0]
            own = xas.rixs.histogram_of_photons(photons, rows=rows, curvature=bend, subpixels=4)
            assert np.abs(own - truth).sum() <= 1, file
            assert not any(
                "made otherwise" in n for s in read_scans(file) for n in s.spectra.history[0]["notes"]
            )

    def test_another_curvature(self, data_dir):
        file = data_dir / "rixs" / "Co_0609_d3.h5"
        bent = xas.rixs.read(file, curvature=(0.0,))
        assert int(bent.counts.max()) < 0.5 * int(xas.rixs.read(file).counts.max())
        assert "counted again with the curvature 0" in bent.spectra.history[0]["notes"][0]

    def test_refused(self, data_dir, tmp_path):
        with pytest.raises(ReadError, match="neither channels of a RIXS detector nor energy losses"):
            xas.rixs.read(data_dir / "softxas" / "Fe_L23_stxm_71214098.h5")
        whole = (data_dir / "rixs" / "Co_0609_d1.h5").read_bytes()
        for part in (0.3, 0.6, 0.9):
            copy = tmp_path / "copy.h5"
            copy.write_bytes(whole[: int(part * len(whole))])
            with pytest.raises(ReadError, match=r"copy\.h5.*\.$"):
                xas.rixs.read(copy)


class TestMeasured:
    def test_detectors_of_one_exposure(self, data_dir):
        """The strongest line lies at channels 1971, 1851 and 1700 of the three."""
        files = data_dir / "rixs" / "Co_0609_d*.h5"
        series = xas.rixs.read_series(files)
        assert series.counts.argmax("detector_channel").values.tolist() == [1971, 1851, 1700]
        spectrum = xas.rixs.reduce(series, dispersion=0.009)
        np.testing.assert_allclose(spectrum.channel_shift, [271, 151, 0], atol=1.5)
        assert (spectrum.channel_shift_sigma < 0.3).all()
        assert float(spectrum.elastic_channel) == pytest.approx(1700.5, abs=1.0)
        assert abs(float(spectrum.elastic_loss)) <= 0.0045
        together = int(spectrum.counts.sel(energy_loss=slice(-0.3, 0.3)).sum())
        apart = sum(int(series.counts[i, c - 33 : c + 34].sum()) for i, c in enumerate((1971, 1851, 1700)))
        assert together == pytest.approx(apart, rel=0.01)
        # one line, as narrow as on a single detector
        one = xas.rixs.reduce(series.isel(detector=2), dispersion=0.009)
        assert float(spectrum.elastic_fwhm) < 1.1 * float(one.elastic_fwhm)

    def test_a_series_of_incident_energies(self, data_dir):
        files = [data_dir / "rixs" / f"Co_{n}_d1.h5" for n in ("0609", "0612", "0616")]
        series = xas.rixs.read_series(files, dim="incident", coordinate="incident_energy")
        spectrum = xas.rixs.reduce(series, dispersion=0.009)
        np.testing.assert_allclose(spectrum.incident, [775, 775.5, 776], atol=0.01)
        assert (spectrum.incident.attrs["units"], spectrum.incident_energy.attrs["units"]) == ("eV", "eV")
        assert (np.diff(spectrum.elastic_channel) > 40).all()
        assert abs(spectrum.energy_loss.values[spectrum.counts.argmax("energy_loss")]).max() < 0.03

    def test_elastic_lines_with_a_shoulder_are_named(self, data_dir):
        """At 775.5 and 776 eV there is more at 40 meV: zero moves by 4 and 11 meV with the window, ten times its sigma."""
        files = [data_dir / "rixs" / f"Co_{n}_d1.h5" for n in ("0609", "0612", "0616")]
        series = xas.rixs.read_series(files, dim="incident", coordinate="incident_energy")
        found = xas.rixs.reduce(series, dispersion=0.009)
        named = ["elastic_not_gaussian" in flag_names(found, incident=k) for k in range(3)]
        assert named == [False, True, True]
        np.testing.assert_allclose(found.elastic_loss_systematic[1:], [0.0038, 0.0106], atol=5e-4)
        assert (found.elastic_loss_systematic > found.elastic_loss_sigma)[1:].all()
        lines = xas.rixs.fit_lines(found, vibrations=0, resolution=0.09, window=(-0.3, 0.3))
        shoulder = {"shoulder": (0.05, 0.2)}
        better = xas.rixs.fit_lines(
            found, vibrations=0, resolution=0.09, window=(-0.3, 0.3), features=shoulder
        )
        for k in range(3):
            assert "lines_do_not_fit" in flag_names(lines, incident=k)
            assert "lines_do_not_fit" not in flag_names(better, incident=k)
        np.testing.assert_allclose(better.position.sel(component="shoulder")[1:], 0.041, atol=0.006)

    def test_the_detectors_saw_one_spectrum(self, data_dir):
        """After alignment nothing but chance is between them; a shift of four channels would show."""
        series = xas.rixs.read_series(data_dir / "rixs" / "Co_0609_d*.h5")
        spectrum = xas.rixs.reduce(series, dispersion=0.009)
        assert float(spectrum.detector_p_value) == pytest.approx(0.094, abs=0.005)
        assert flag_names(spectrum) == []
        moved = series.copy(deep=True)
        moved["counts"] = series.counts.astype(np.int64)
        shift = np.round(spectrum.channel_shift.values).astype(int)
        shift[1] += 4
        for k, s in enumerate(shift):
            moved.counts[k] = np.roll(series.counts.values[k], -s)
        spoiled = xas.rixs.reduce(moved, dispersion=0.009, align=False)
        assert float(spoiled.detector_p_value) < 1e-6
        assert flag_names(spoiled) == ["detectors_differ"]

    def test_parts_of_an_exposure(self, data_dir):
        """Frames are told apart by the number of photons up to each; together they are the whole again."""
        file = data_dir / "rixs" / "Co_0616_d1.h5"
        whole, parts = xas.rixs.read(file), xas.rixs.read(file, parts=3)
        np.testing.assert_array_equal(parts.counts.sum("part"), whole.counts)
        assert parts.frames.values.tolist() == [50, 50, 50]
        with h5py.File(file) as raw:
            ends = raw["entry/instrument/NDAttributes/EventCount"][()]
        here = parts.counts.sum("detector_channel").values
        assert (
            np.abs(here - np.diff(ends[[49, 99, 149]], prepend=0)).sum() <= 1
        )  # one lies beyond the channels
        together = xas.rixs.reduce(parts, dispersion=0.009)
        alone = xas.rixs.reduce(whole, dispersion=0.009)
        np.testing.assert_array_equal(together.counts.sum("part"), alone.counts)
        np.testing.assert_array_equal(together.elastic_channel, [float(alone.elastic_channel)] * 3)
        with pytest.raises(ReadError, match="parts must be 1 to 150, the number of frames; got 151"):
            xas.rixs.read(file, parts=151)

    def test_what_the_file_does_not_say(self, data_dir):
        """No flux from the mirror, and no sure time of a frame where exposures were split."""
        notes = xas.rixs.read(data_dir / "rixs" / "Co_0609_d1.h5").spectra.history[0]["notes"]
        assert any("measures no incident flux" in n for n in notes)
        assert any("times are relative" in n for n in notes)
        oxygen = xas.rixs.read(data_dir / "rixs" / "OK_0002_d2.h5")
        assert oxygen.attrs["exposure_time"] == 900.0
        assert not any("times are relative" in n for n in oxygen.spectra.history[0]["notes"])


class TestTruth:
    def test_sums_keep_to_the_poisson_law_and_neighbours_are_independent(self, rng):
        """Photons at places between channels, counted by sub-pixels on two detectors, aligned and added."""
        sums = []
        for _ in range(25):
            rows = []
            for shift in (0.0, 7.4):
                places = np.concatenate(
                    [rng.normal(50 + shift, 1.5, rng.poisson(400)), rng.uniform(0, 100, rng.poisson(400))]
                )
                photons = np.column_stack([np.zeros_like(places), places])
                rows.append(xas.rixs.histogram_of_photons(photons, rows=100, subpixels=4))
            data = dataset(np.array(rows))
            sums.append(
                xas.rixs.reduce(data, dispersion=0.01, elastic=200.0)
                .sel(energy_loss=slice(-0.8, 0.8))
                .counts.values
            )
        drawn = np.array(sums, float)
        away = np.r_[0:30, 131:161]  # beside the line, whose own place is fitted to a channel
        flat = drawn[:, away]
        assert (flat.var(axis=0) / flat.mean(axis=0)).mean() == pytest.approx(
            1.0, abs=4 * np.sqrt(2 / flat.size)
        )
        centred = flat[:, :30] - flat[:, :30].mean(axis=0)
        correlation = (centred[:, 1:] * centred[:, :-1]).mean() / centred.var()
        assert abs(correlation) < 4 / np.sqrt(centred[:, 1:].size)

    def test_known_shifts_and_zero(self, rng):
        counts = exposure(rng, shifts=(0, 30, -12.0), photons=300)
        spectrum = xas.rixs.reduce(dataset(counts), dispersion=0.01)
        away = spectrum.channel_shift - spectrum.channel_shift[0]
        np.testing.assert_allclose(away, [0, 30, -12], atol=0.6)
        peak = spectrum.counts.sel(energy_loss=slice(1.0, 1.8))
        centre = float((peak.energy_loss * peak).sum() / peak.sum())
        assert centre == pytest.approx(1.4, abs=0.01)
        assert spectrum.counts.dtype.kind == "i"

    def test_the_sign_of_the_dispersion(self, rng):
        counts = exposure(rng, photons=300)[0]
        up = xas.rixs.reduce(dataset(counts, ()), dispersion=0.01)
        down = xas.rixs.reduce(dataset(counts[::-1].copy(), ()), dispersion=-0.01)
        n = min(up.sizes["energy_loss"], down.sizes["energy_loss"])
        assert n == 800
        np.testing.assert_array_equal(up.counts.values, down.counts.values)
        np.testing.assert_allclose(up.energy_loss, down.energy_loss, atol=1e-12)

    @pytest.mark.parametrize("repeats", [40, pytest.param(250, marks=pytest.mark.long)])
    def test_sigmas_cover(self, rng, repeats):
        truth, found, sigma, place, place_sigma = 20.3, [], [], [], []
        for _ in range(repeats):
            shifts = xas.rixs.align_channels(exposure(rng, shifts=(0, truth), photons=20.0))
            other = 1 - shifts.reference
            found.append(shifts.shift[other] * (1 if other else -1))
            sigma.append(shifts.sigma[other])
        # coverage of ± sigma, three standard errors of 68 % either way
        margin = 3 * np.sqrt(0.68 * 0.32 / repeats)
        inside = np.mean(np.abs(np.array(found) - truth) < np.array(sigma))
        assert abs(inside - 0.683) < margin, (inside, np.std(found), np.mean(sigma))
        for _ in range(repeats):
            line = xas.rixs.reduce(
                dataset(exposure(rng, centre=400.3)[0], ()), dispersion=0.01, elastic=400.0
            )
            place.append(float(line.elastic_channel))
            place_sigma.append(float(line.elastic_channel_sigma))
        inside = np.mean(np.abs(np.array(place) - 400.3) < np.array(place_sigma))
        assert abs(inside - 0.683) < margin, (inside, np.std(place), np.mean(place_sigma))

    @pytest.mark.long
    def test_the_sigma_of_what_is_normalized(self, rng):
        drawn = np.concatenate([exposure(rng) for _ in range(120)])
        spectra_ = xas.rixs.reduce(
            dataset(drawn, ("scan",)), dispersion=0.01, elastic=400.0, normalize=(1.0, 1.8)
        )
        at = spectra_.sel(energy_loss=[0.0, 1.4, 3.0], method="nearest")
        np.testing.assert_allclose(
            at.normalized.std("scan"), np.sqrt((at.normalized_sigma**2).mean("scan")), rtol=0.2
        )


class TestBadInput:
    def test_options(self, rng):
        data = dataset(exposure(rng)[0], ())
        with pytest.raises(InvalidInput, match="dispersion must be eV per channel, not zero"):
            xas.rixs.reduce(data, dispersion=0.0)
        with pytest.raises(InvalidInput, match="elastic: .* photons within 40 channels of 5000"):
            xas.rixs.reduce(data, dispersion=0.01, elastic=5000.0)
        with pytest.raises(
            InvalidInput, match="normalize: no photons between 50 and 60 eV; the losses run from"
        ):
            xas.rixs.reduce(data, dispersion=0.01, normalize=(50.0, 60.0))
        with pytest.raises(InvalidInput, match="no line stands 5 times above the counting noise"):
            xas.rixs.reduce(dataset(rng.poisson(2.0, 400), ()), dispersion=0.01)

    def test_one_empty_exposure_of_a_series(self, rng):
        counts = np.stack([exposure(rng)[0], np.zeros(800), exposure(rng)[0]])
        found = xas.rixs.reduce(dataset(counts, ("scan",)), dispersion=0.01)
        assert failed(found).values.tolist() == [False, True, False]
        assert flag_names(found, scan=1) == ["no_elastic_line"]
        assert np.isnan(found.counts.values[1]).all()
        assert np.isfinite(found.counts.values[[0, 2]]).all()


class TestFlags:
    def spoil(self, rng, change):
        counts = np.stack([exposure(rng, photons=200.0)[0] for _ in range(3)]).astype(float)
        change(counts[1])
        return xas.rixs.reduce(dataset(counts, ("scan",)), dispersion=0.01)

    @pytest.mark.parametrize(
        ("change", "name", "severe"),
        [
            (lambda y: y.__setitem__(slice(None), np.roll(y, 398)), "elastic_outside", True),
            (lambda y: y.__setitem__(620, 40), "spikes", False),
            (lambda y: np.minimum(y, 120, out=y), "saturated", False),
            (lambda y: y.__setitem__(5, np.nan), "missing_counts", True),
        ],
    )
    def test_one_spoiled_exposure(self, rng, change, name, severe):
        found = self.spoil(rng, change)
        assert name in flag_names(found, scan=1)
        assert failed(found).values.tolist() == [False, severe, False]
        assert flag_names(found, scan=0) == flag_names(found, scan=2) == []
        assert np.isnan(found.counts.values[1]).all() == severe

    def test_few_photons(self, rng):
        line = 6 * np.exp(-0.5 * ((np.arange(800) - 400) / 6) ** 2)
        poor = xas.rixs.reduce(dataset(rng.poisson(line), ()), dispersion=0.01, elastic=400.0)
        assert "poor_statistics" in flag_names(poor)
        with pytest.raises(InvalidInput, match="photons within 40 channels of 400; at least 10 are needed"):
            xas.rixs.reduce(dataset(np.eye(1, 800, 400, dtype=int)[0], ()), dispersion=0.01, elastic=400.0)

    def test_detectors_that_do_not_match(self, rng):
        counts = np.stack([exposure(rng)[0], np.zeros(800, int)])
        with pytest.raises(InvalidInput, match="1 of 2 detectors hold no photons"):
            xas.rixs.reduce(dataset(counts), dispersion=0.01)

    def test_what_is_no_photons(self, rng):
        data = dataset(exposure(rng)[0] - 1, ())
        with pytest.raises(InvalidInput, match="counts holds .* negative values: photons were not counted"):
            xas.rixs.reduce(data, dispersion=0.01)

    def test_a_gaussian_line_is_seldom_called_another(self, rng):
        drawn = np.concatenate([exposure(rng, photons=p, centre=400.3) for p in (10.0, 100.0, 1000.0) * 8])
        found = xas.rixs.reduce(dataset(drawn, ("scan",)), dispersion=0.01, elastic=400.0)
        named = ["elastic_not_gaussian" in flag_names(found, scan=k) for k in range(len(drawn))]
        assert np.mean(named) <= 0.05

    def test_false_alarms(self, rng):
        """Of spikes and saturation, on lines strong and weak: as rare as they say."""
        for photons in (2.0, 20.0, 300.0):
            drawn = np.concatenate([exposure(rng, photons=photons) for _ in range(400)])
            assert find_spikes(drawn).any(axis=-1).mean() <= 0.005
            assert find_saturation(drawn).mean() <= 0.01
        flat = rng.poisson(2.0, (1000, 600))
        assert find_spikes(flat).any(axis=-1).mean() <= 0.005


class TestShape:
    def test_probabilities_are_probabilities(self, rng):
        channel = np.arange(600)
        mean = 0.3 + 15 * np.exp(-0.5 * ((channel - 300) / 6) ** 2)
        p = same_shape(rng.poisson(mean * np.array([1.0, 0.4])[:, None], (1500, 2, 600))).p_value
        for level in (0.01, 0.05, 0.32):
            assert np.mean(p < level) == pytest.approx(level, abs=4 * np.sqrt(level * (1 - level) / 1500))

    def test_a_difference_is_seen(self, rng):
        channel = np.arange(600)
        one = 0.3 + 15 * np.exp(-0.5 * ((channel - 300) / 6) ** 2)
        other = one + 10 * np.exp(-0.5 * ((channel - 200) / 6) ** 2)
        assert (same_shape(rng.poisson([one, other], (50, 2, 600))).p_value < 1e-4).all()

    def test_too_little_and_bad_input(self):
        assert np.isnan(same_shape(np.ones((2, 3))).p_value)
        with pytest.raises(InvalidInput, match="at least two spectra to compare"):
            same_shape(np.ones((1, 30)))


class TestRefusedByKernels:
    @pytest.mark.parametrize(
        ("counts", "options", "words"),
        [
            (np.ones(30), {}, "counts must be one row of channels per detector, got the shape"),
            (np.full((2, 30), np.nan), {}, "none of them missing"),
            (np.ones((2, 30)), {"width": 0.0}, "width must be a positive number of channels, got 0"),
        ],
    )
    def test_align_channels(self, counts, options, words):
        with pytest.raises(InvalidInput, match=words):
            xas.rixs.align_channels(counts, **options)

    def test_histogram_of_photons(self):
        with pytest.raises(InvalidInput, match=r"pairs of column and row, got the shape \(4, 3\)"):
            xas.rixs.histogram_of_photons(np.ones((4, 3)), rows=5)
        with pytest.raises(InvalidInput, match="rows and subpixels must be at least 1, got 0 and 4"):
            xas.rixs.histogram_of_photons(np.ones((4, 2)), rows=0)


class TestFramesOfAFile:
    def copy(self, data_dir, tmp_path, change):
        file = tmp_path / "copy_d1.h5"
        file.write_bytes((data_dir / "rixs" / "OK_0002_d2.h5").read_bytes())
        with h5py.File(file, "r+") as raw:
            change(raw)
        return file

    def test_a_file_that_does_not_say_which_photon_is_of_which_frame(self, data_dir, tmp_path):
        def change(raw):
            del raw["entry/instrument/NDAttributes/EventCount"]

        file = self.copy(data_dir, tmp_path, change)
        assert int(xas.rixs.read(file).counts.sum()) == 2597
        with pytest.raises(ReadError, match="does not say which of its 2597 photons belong to which frame"):
            xas.rixs.read(file, parts=3)

    def test_a_frame_with_a_burst_is_named(self, data_dir, tmp_path):
        def change(raw):
            ends = raw["entry/instrument/NDAttributes/EventCount"]
            ends[...] = np.where(
                np.arange(ends.size) == 4, ends[()] + 60, ends[()]
            )  # frame 4 takes from frame 5

        notes = xas.rixs.read(self.copy(data_dir, tmp_path, change)).spectra.history[0]["notes"]
        assert any("frame 4 holds" in n and "are usual" in n for n in notes)
        assert not any(
            " holds " in n and "usual" in n
            for n in xas.rixs.read(data_dir / "rixs" / "OK_0002_d2.h5").spectra.history[0]["notes"]
        )

    def test_parts_of_a_file_without_frames(self, tmp_path):
        file = tmp_path / "reduced.csv"
        file.write_text("energy loss (eV),counts\n-0.1,3\n0,90\n0.1,4\n")
        with pytest.raises(ReadError, match="holds a spectrum and no photons by frame; read it whole"):
            xas.rixs.read(file, parts=3)
