"""What people hand in by mistake, on the way from file to verdict: a sentence, or a flag on that spectrum alone."""

import shutil

import numpy as np
import pytest
import xarray as xr

import raman
import spectra
from spectra.dataset import failed
from spectra.errors import InvalidInput, ReadError

SHIFT = np.arange(420.0, 680.0, 2.0)
CORNERS = {
    "unmeasured": (0, 0),
    "holes": (1, 1),
    "gap": (2, 2),
    "zero": (2, 0),
    "negative": (0, 2),
    "overflow": (1, 3),
}


def licoo2(rng=1):
    """Counts of a map of 3 × 4 pixels."""
    bands = 300 / (1 + ((SHIFT - 485) / 6) ** 2) + 900 / (1 + ((SHIFT - 592) / 7) ** 2) + 50
    values = np.random.default_rng(rng).poisson(np.broadcast_to(bands, (3, 4, SHIFT.size))).astype(float)
    return xr.Dataset(
        {"counts": (("y", "x", "raman_shift"), values, {"units": "counts"})},
        coords={"raman_shift": ("raman_shift", SHIFT, {"units": "1/cm"})},
        attrs={"signal": "counts", "technique": "raman"},
    )


def spoiled():
    """The same map with every way in which a pixel can be missing or wrong."""
    data = licoo2()
    values = data.counts.values.copy()
    values[CORNERS["unmeasured"]] = np.nan
    values[CORNERS["holes"]][::7] = np.nan
    values[CORNERS["gap"]][50:70] = np.nan
    values[CORNERS["zero"]] = 0.0
    values[CORNERS["negative"]] *= -1
    values[CORNERS["overflow"]] = np.inf
    return data.assign(counts=(data.counts.dims, values, data.counts.attrs))


def percent(name="transmittance", units="%"):
    nu = np.arange(400.0, 800.0)
    values = 92 - 40 * np.exp(-(((nu - 621) / 15) ** 2)) - 30 * np.exp(-(((nu - 587) / 15) ** 2))
    return spectra.from_arrays(
        nu, values, axis="wavenumber", name=name, units=units, attrs={"technique": "ftir"}
    )


STEPS = {
    "despike": spectra.despike,
    "beside": lambda d: spectra.despike(d, against="neighbours"),
    "smooth": spectra.smooth,
    "resample": lambda d: spectra.resample(d, step=4.0),
    "denoise": lambda d: spectra.denoise(d, components=2),
    "normalize": raman.normalize,
    "fit": lambda d: raman.fit_bands(d, "licoo2"),
    "order": raman.diagnose_ordering,
    "species": lambda d: spectra.mcr_als(d, n=2),
} | {
    m: lambda d, m=m: spectra.subtract_baseline(d, method=m)
    for m in ("asls", "arpls", "airpls", "snip", "rubberband", "modpoly")
}  # fmt: skip


class TestMapWithMissingPixels:
    @pytest.mark.parametrize("step", STEPS)
    def test_no_step_stops(self, step):
        made = STEPS[step](spoiled())
        assert (made.sizes["y"], made.sizes["x"]) == (3, 4)

    def test_the_chain_gives_the_others_what_they_have_without_it(self):
        def chain(data):
            data = spectra.despike(data)
            data = spectra.subtract_baseline(data, method="arpls", options={"lam": 1e5})
            return raman.fit_bands(data, "licoo2", start="fresh", weights="none")

        sound, hurt = chain(licoo2()), chain(spoiled())
        lost = failed(hurt).values
        assert lost[CORNERS["unmeasured"]]
        assert lost[CORNERS["overflow"]]
        untouched = np.ones((3, 4), bool)
        for place in CORNERS.values():
            untouched[place] = False
        assert not lost[untouched].any()
        np.testing.assert_allclose(
            hurt.position.values[untouched][:, :2], sound.position.values[untouched][:, :2], atol=1e-6
        )
        for kind in ("holes", "gap"):
            assert float(hurt.position[CORNERS[kind]][1]) == pytest.approx(592, abs=1)
        for kind in ("zero", "negative"):
            assert hurt.found.values[CORNERS[kind]][1] != 1

    def test_negative_pixels_are_flagged(self):
        flagged = spectra.despike(spoiled()).spectra.flags.set_index("flag")
        assert flagged.loc["negative_intensity", "spectra"] == 1


def test_wavelengths_without_the_laser(data_dir):
    wafer = data_dir / "raman" / "witec" / "Si-wafer-Raman-Spectrum-1.txt"
    with pytest.raises(ReadError, match="axis in nm with no laser wavelength"):
        raman.read(wafer)
    with pytest.raises(ReadError, match="axis in nm with no laser wavelength"):
        spectra.run("lnmo_ordering", wafer)


def test_a_saturated_detector_is_flagged_to_the_end(data_dir):
    scan = raman.read(data_dir / "raman" / "witec" / "Si-wafer-Raman-Spectrum-1.txt", laser=532.26)
    scan = raman.fit_bands(scan, "silicon")
    assert "saturated" in scan.spectra.flags.flag.tolist()


def test_a_spectrum_that_ends_inside_a_band():
    data = licoo2().isel(y=0, x=0)
    cut = raman.fit_bands(data.sel(raman_shift=slice(None, 594)), "licoo2")
    assert "band_cut_off" in cut.spectra.flags.flag.tolist()
    with pytest.raises(InvalidInput, match="the raman evidence needs 560 to 670"):
        raman.diagnose_ordering(data.sel(raman_shift=slice(None, 640)))
    with pytest.raises(InvalidInput, match="none of the bands asked for"):
        raman.fit_bands(data, "carbon")


class TestPercentWhereAbsorbanceIsAsked:
    @pytest.mark.parametrize(
        "verb", ["correct_atr", "remove_atmosphere", "emsc", "fit_bands", "diagnose_ordering"]
    )
    def test_that_says_so(self, verb):
        with pytest.raises(InvalidInput, match=r"transmittance.*to_absorbance|to_absorbance"):
            self.call(verb, percent())

    @pytest.mark.parametrize(
        "verb", ["correct_atr", "remove_atmosphere", "emsc", "to_absorbance", "diagnose_ordering"]
    )
    def test_that_is_called_absorbance(self, verb):
        with pytest.raises(InvalidInput, match="so it is no absorbance but percent transmittance"):
            self.call(verb, percent("absorbance", ""))

    def test_is_made_absorbance(self):
        made = raman.diagnose_ordering(raman.to_absorbance(percent()))
        assert made.evidence_value.sel(evidence="I(587)/I(621)").item() == pytest.approx(0.7, abs=0.1)

    @staticmethod
    def call(verb, data):
        line = (data.wavenumber.values, np.exp(-(((data.wavenumber.values - 600) / 5) ** 2)))
        options = {
            "remove_atmosphere": {"atmosphere": {"water": line}},
            "emsc": {"reference": line},
            "fit_bands": {"bands": (621.0,)},
        }
        return getattr(raman, verb)(data, **options.get(verb, {}))


def test_an_opus_file_of_a_background_alone(data_dir):
    file = data_dir / "ftir" / "opus" / "background.0"
    scan = raman.read(file)
    assert any("holds no absorbance" in note for note in scan.spectra.history[0]["notes"])
    with pytest.raises(InvalidInput, match="holds the background alone, which is no absorbance yet"):
        spectra.run("ftir_absorbance", file)
    with pytest.raises(InvalidInput, match="single_channel has them downwards"):
        raman.fit_bands(scan, (1650.0,))


def test_an_ole_container_called_spc(data_dir, tmp_path):
    shutil.copy(
        data_dir / "raman" / "renishaw" / "PST_Reflex532_Z050_010_10000msx2.wxd", tmp_path / "film.spc"
    )
    with pytest.raises(ReadError, match=r"Renishaw WiRE \(.wxd\), which is not read here: open it in WiRE"):
        raman.read(tmp_path / "film.spc")
