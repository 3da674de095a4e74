"""Intensities corrected for the response of the spectrometer; detectors at their limit and below zero said."""

import numpy as np
import pytest

import raman
import spectra
from spectra.dataset import flag_names
from spectra.preprocessing import detector_faults

SHIFT = np.arange(200.0, 1900.0, 2.0)
GLASS = (0.6, 2e-3, -1.4e-6, 3e-10)


def response(x=SHIFT):
    return np.exp(-(((x - 900) / 700) ** 2)) * (1 + 0.05 * np.sin(x / 60))


def glass(rng, counts=2e5, repeats=3):
    y = counts * response() * np.polynomial.polynomial.polyval(SHIFT, GLASS)
    y = rng.poisson(np.broadcast_to(y, (repeats, y.size))).astype(float)
    return spectra.from_arrays(
        SHIFT, y, axis="raman_shift", dims=("scan",), sigma=np.sqrt(y + 1), attrs={"technique": "raman"}
    )


def sample(rng, scans=3):
    truth = 2000 + 3000 / (1 + ((SHIFT - 600) / 10) ** 2) + 3000 / (1 + ((SHIFT - 1580) / 10) ** 2)
    y = rng.poisson(np.broadcast_to(truth * response(), (scans, SHIFT.size))).astype(float)
    data = spectra.from_arrays(
        SHIFT,
        y,
        axis="raman_shift",
        dims=("scan",),
        sigma=np.sqrt(y + 1),
        units="counts",
        attrs={"technique": "raman"},
    )
    return data, truth


def test_ratios_of_bands_come_out_right(rng):
    data, truth = sample(rng)
    done = raman.calibrate_intensity(data, source=glass(rng), coefficients=GLASS, fwhm=8.0)
    ratio = done.intensity.mean("scan") / truth
    assert float(ratio[50:-50].std() / ratio[50:-50].mean()) < 0.05
    before = data.intensity.mean("scan") / truth
    assert float(before[50:-50].std() / before[50:-50].mean()) > 0.3
    np.testing.assert_allclose(done.intensity_correction.mean(), 1.0)
    relative = done.intensity_sigma / done.intensity
    np.testing.assert_allclose(relative, data.intensity_sigma / data.intensity)
    assert done.intensity.attrs["units"] == "counts"


def test_the_sigma_of_the_correction(rng):
    data, _ = sample(rng, 1)
    made = [
        raman.calibrate_intensity(data, source=glass(rng, 3000), coefficients=GLASS, fwhm=20.0)
        for _ in range(150)
    ]
    spread = np.std([m.intensity_correction.values[100:-100] for m in made], axis=0)
    stated = np.mean([m.intensity_correction_sigma.values[100:-100] for m in made], axis=0)
    assert np.median(stated / spread) == pytest.approx(1.0, abs=0.1)


def test_a_curve_of_a_lamp_and_a_white_source(rng):
    data, _ = sample(rng)
    known = np.polynomial.polynomial.polyval(SHIFT, GLASS)
    curve = spectra.from_arrays(SHIFT, known, axis="raman_shift")
    lamp = glass(rng)
    one = raman.calibrate_intensity(data, source=lamp, curve=curve)
    other = raman.calibrate_intensity(data, source=lamp, coefficients=GLASS)
    np.testing.assert_allclose(one.intensity, other.intensity, rtol=1e-6)
    white = raman.calibrate_intensity(data, source=lamp)
    assert any("taken as white" in n for n in white.spectra.history[-1]["notes"])
    np.testing.assert_allclose(
        white.intensity_correction * known / (other.intensity_correction), known[0] * white.intensity_correction[0] / other.intensity_correction[0], rtol=1e-6
    )  # fmt: skip


def test_outside_of_the_certificate_nothing_is_claimed(rng):
    data, _ = sample(rng)
    done = raman.calibrate_intensity(data, source=glass(rng), coefficients=GLASS, window=(400, 1800))
    outside = (SHIFT < 400) | (SHIFT > 1800)
    np.testing.assert_array_equal(np.isnan(done.intensity_correction), outside)
    assert np.isfinite(done.intensity[:, ~outside]).all()
    assert any(f"{outside.sum()} of {SHIFT.size} points" in n for n in done.spectra.history[-1]["notes"])


def test_a_results_file_runs_again(rng, tmp_path):
    from spectra.results.rerun import rerun

    data, _ = sample(rng)
    done = raman.calibrate_intensity(data, source=glass(rng), coefficients=GLASS)
    assert rerun(done.spectra.save(tmp_path / "done.nxs")).identical


def test_the_measured_glass(data_dir):
    """NIST SRM 2241 and a LED on the Horiba at 785 nm: both sources, taken as white, see the same etaloning or not."""
    folder = data_dir / "raman" / "calib"
    film = raman.read(str(folder / "Ho785_polystyrene.txt"))
    for name in ("Ho785_NIST_SRM2241.txt", "Ho785_LED.txt"):
        done = raman.calibrate_intensity(film, source=str(folder / name), window=(200, 3000), dark=20.0)
        inside = (done.raman_shift > 200) & (done.raman_shift < 3000)
        assert np.isfinite(done.intensity_correction.where(inside, drop=True)).all()
        assert float(done.intensity_correction.where(inside, drop=True).min()) > 0


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"coefficients": (1.0,), "curve": 3}, "either coefficients or a curve; both were given"),
        ({"fwhm": -1.0}, "fwhm is a width in 1/cm, 0 for none"),
        ({"coefficients": (-1.0,)}, "dark or negative at .* points between"),
        ({"dark": 1e7}, "dark or negative at"),
        (
            {"window": (5000, 6000)},
            "measured from 200 to 1898 1/cm, and between 5000 and 1898 the spectra have 0 points",
        ),
    ],
)
def test_what_cannot_be_done_is_said(rng, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        raman.calibrate_intensity(sample(rng)[0], source=glass(rng), **options)


def test_a_source_along_another_axis_is_refused(rng):
    lamp = spectra.from_arrays(SHIFT, np.ones(SHIFT.size), axis="wavenumber")
    with pytest.raises(
        ValueError, match="the source lies along wavenumber; calibrate_intensity needs it along raman_shift"
    ):
        raman.calibrate_intensity(sample(rng)[0], source=lamp)


class TestDetector:
    def spectra(self, rng):
        y = rng.poisson(500 + 60000 * np.exp(-(((SHIFT - 800) / 20) ** 2)), (4, SHIFT.size)).astype(float)
        y[1] = np.minimum(y[1], 40000.0)
        y[2] -= 5000.0
        y[3] = np.nan
        return spectra.from_arrays(SHIFT, y, axis="raman_shift", dims=("scan",), attrs={"technique": "raman"})

    def test_limits_and_negative_counts_are_flagged_by_the_first_verbs(self, rng):
        data = self.spectra(rng)
        for done in (spectra.despike(data), spectra.subtract_baseline(data)):
            assert flag_names(done, scan=0) == []
            assert flag_names(done, scan=1) == ["saturated"]
            assert flag_names(done, scan=2) == ["negative_intensity"]
            assert "saturated" not in flag_names(done, scan=3)

    def test_lazy_data_are_not_looked_at_before_their_time(self, rng):
        done = spectra.despike(self.spectra(rng).chunk({"scan": 1}))
        assert done.status.chunks is not None
        assert flag_names(done.compute(), scan=1) == ["saturated"]

    def test_what_is_no_count_may_be_negative(self, rng):
        data = self.spectra(rng).rename(intensity="absorbance").assign_attrs(signal="absorbance")
        done = spectra.subtract_baseline(data)
        assert flag_names(done, scan=2) == []

    def test_flat_zero_and_noise_alone_are_no_faults(self, rng):
        for y in (
            np.zeros(50),
            np.full(50, 7.0),
            rng.normal(0, 1, 500),
            np.full(50, np.nan),
            rng.poisson(0.05, 500),
        ):
            saturated, negative = detector_faults(y)
            assert not saturated
            assert not negative

    def test_a_measured_saturated_laser_line(self, data_dir):
        wafer = raman.read(str(data_dir / "raman/witec/Si-wafer-Raman-Spectrum-1.txt"), laser=532.26)
        saturated, _ = detector_faults(wafer[wafer.attrs["signal"]].values)
        assert saturated
