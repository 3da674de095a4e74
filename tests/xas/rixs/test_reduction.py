"""RIXS: photons counted again as the instrument does, detectors aligned, the elastic line at zero, sigmas that cover."""

import h5py
import numpy as np
import pytest

import spectra
import xas.rixs
from spectra.dataset import failed, flag_names
from spectra.errors import InvalidInput, ReadError
from spectra.reading.registry import read_scans


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
        assert (np.diff(spectrum.elastic_channel) > 40).all()
        assert abs(spectrum.energy_loss.values[spectrum.counts.argmax("energy_loss")]).max() < 0.03


class TestTruth:
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

    @pytest.mark.parametrize("repeats", [60, pytest.param(250, marks=pytest.mark.long)])
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
        assert flag_names(found.isel(scan=1)) == ("not_reduced",) or "not_reduced" in str(found.status.attrs)
        assert np.isnan(found.counts.values[1]).all()
        assert np.isfinite(found.counts.values[[0, 2]]).all()
