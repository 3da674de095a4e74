"""Two published analyses, on spectra simulated from the printed numbers: those come out again, and the verdict with them.

A: disordered LiNi0.5Mn1.5O4, Li et al. 2024, doi:10.1039/d4sc02754j. B: V2O3 under a carbon coat, Osman et al. 2022,
doi:10.1002/advs.202205575. No measured spectrum of either is openly available; everything here is simulated.
"""

import numpy as np
import pytest

import raman
import spectra
from spectra.results.rerun import rerun
from tests.raman.ordering_samples import infrared

#: The instrument of case A: its axis is off by so much, and one wafer says so.
OFF = 2.4
SILICON = 520.45


def exported(path, x, y, label):
    rows = "\n".join(f"{a:.3f}\t{b:.6f}" for a, b in zip(x, y, strict=True))
    path.write_text(f"# simulated {label}\n# {label} (1/cm)\tintensity\n{rows}\n")
    return path


def line(position, area, fwhm=18.0):
    return {"shape": "lorentzian", "position": position, "area": area, "fwhm": fwhm}


@pytest.fixture
def bench(tmp_path):
    """Files as the spectrometer exports them: two spinels and a wafer, on one axis that is off."""
    x = np.arange(150.0, 760.0, 1.0)
    samples = {
        "lnmo": {"A1g": line(633.0, 30.0), "F2g(3)": line(590.0, 12.0), "F2g(2)": line(491.0, 12.0), "Eg": line(398.0, 8.0)},
        "lmo": {"A1g": line(625.0, 30.0, 24.0), "sh": line(580.0, 12.0, 30.0)},
        "wafer": {"Si": line(SILICON, 20.0, 5.0)},
    }  # fmt: skip
    for number, (name, bands) in enumerate(samples.items()):
        made = spectra.simulate(x, bands, noise=0.01, rng=number, axis="raman_shift")
        exported(tmp_path / f"{name}.txt", x + OFF, made.intensity.values, "Raman shift")
    ir = infrared(0.6, noise=0.005)
    rows = "\n".join(
        f"{a:.3f},{b:.6f}" for a, b in zip(ir.wavenumber.values, ir.absorbance.values, strict=True)
    )
    (tmp_path / "lnmo_ir.csv").write_text(f"wavenumber (1/cm),absorbance\n{rows}\n")
    return tmp_path


class TestSpinel:
    """A1g moved from 625 to 633, bands at 491, 398 and one at 590, I(621) > I(586), nothing at 646, 464, 430."""

    def analysed(self, bench):
        recipe = {
            "title": "case A, simulated",
            "read": {"verb": "raman.read"},
            "step": [
                {"verb": "raman.calibrate", "references": {"silicon": str(bench / "wafer.txt")}},
                {"verb": "raman.fit_bands", "bands": "lnmo-disordered"},
                {"verb": "raman.diagnose_ordering", "infrared": str(bench / "lnmo_ir.csv")},
            ],
        }
        return spectra.run(recipe, bench / "lnmo.txt", out=bench / "lnmo.nxs")

    def test_the_printed_numbers_and_the_verdict(self, bench):
        got = self.analysed(bench)
        bands = got.isel(component=slice(4))
        order = np.argsort(bands.position.values.ravel())
        found, sigma = bands.position.values.ravel()[order], bands.position_sigma.values.ravel()[order]
        assert (np.abs(found - [398.0, 491.0, 590.0, 633.0]) < 3 * sigma).all()
        assert got.verdict.item() == "disordered"
        assert got.ordering_probability.sel(order="disordered").item() > 0.99
        table = raman.ordering_evidence(got)
        assert table.loc["I(587)/I(621)", "value"] == pytest.approx(0.6, abs=0.1)
        for absent in ("band at 646", "bands at 464, 430"):
            assert table.loc[absent, "disordered" if "disordered" in table else "ordered"] <= 0

    def test_the_file_runs_itself_again_and_reports(self, bench):
        got = self.analysed(bench)
        for name in ("wafer.txt", "lnmo.txt", "lnmo_ir.csv"):
            (bench / name).unlink()
        assert rerun(bench / "lnmo.nxs").identical
        page = got.spectra.report(bench / "lnmo.html").read_text(encoding="utf-8")
        assert "disordered" in page
        assert "what each row of evidence weighs" in page

    def test_the_uncertainty_of_the_axis_reaches_bands_and_verdict(self, bench):
        got = self.analysed(bench)
        axis = got.raman_shift_sigma.sel(raman_shift=633, method="nearest").item()
        assert axis > 0.1
        raw = raman.fit_bands(raman.read(bench / "lnmo.txt"), "lnmo-disordered")
        alone = raw.position_sigma.sel(component="A1g").item()
        assert got.position_sigma.sel(component="A1g").item() == pytest.approx(
            np.hypot(alone, axis), rel=0.05
        )
        assert raw.position.sel(component="A1g").item() == pytest.approx(633 + OFF, abs=0.2)
        row = raman.ordering_evidence(got).loc["A1g position"]
        assert row["value"] == pytest.approx(633.0, abs=3 * row["sigma"])
        assert row["sigma"] > 0.9 * axis
        refused = raman.ordering_evidence(raman.diagnose_ordering(raman.read(bench / "lnmo.txt"))).loc[
            "A1g position"
        ]
        assert np.isnan(refused["value"])

    def test_the_move_from_625_is_surer_than_the_axis(self, bench):
        """Both samples share the axis: its error cancels in the difference, which Mn from +3.5 to +4 rests on."""
        calibrated = {
            name: raman.fit_bands(
                raman.calibrate(raman.read(bench / f"{name}.txt"), references={"silicon": bench / "wafer.txt"}), bands
            )
            for name, bands in (("lnmo", "lnmo-disordered"), ("lmo", (625.0, 580.0)))
        }  # fmt: skip
        a1g = calibrated["lnmo"].sel(component="A1g"), calibrated["lmo"].sel(component="625")
        moved = a1g[0].position.item() - a1g[1].position.item()
        assert moved == pytest.approx(8.0, abs=0.3)


class TestVanadiumOxideUnderCarbon:
    """408, 522, 690 and 994, D 1350.3 and G 1586.5: printed as V2O3, the V2O5 family by the tables."""

    RATIO = 0.96

    @pytest.fixture
    def coated(self):
        bands = {
            str(p): line(p, a, 16.0)
            for p, a in ((408.0, 900.0), (522.0, 700.0), (690.0, 1500.0), (994.0, 1800.0))
        }
        carbon = {"D": line(1350.3, 9000.0, 150.0), "G": line(1586.5, 5000.0, 80.0)}
        return spectra.simulate(
            np.arange(200.0, 1950.0, 1.5),
            bands | carbon,
            background=20.0,
            noise=0.6,
            rng=2,
            axis="raman_shift",
        )

    def test_the_printed_bands_and_what_they_are(self, coated):
        got = raman.rank_phases(raman.fit_bands(coated, raman.seek_bands(coated)))
        found = np.sort(got.position.values.ravel()[:6])
        np.testing.assert_allclose(found, [408, 522, 690, 994, 1350.3, 1586.5], atol=0.6)
        evidence = raman.phase_evidence(got)
        assert evidence.together == ("v2o5", "carbon")
        assert evidence.match("v2o3").support == "not supported"

    def test_a_surface_oxide_is_asked_about(self):
        printed = raman.identify_phases((408, 522, 690, 994, 1350.3, 1586.5))
        asked = printed.question("v2o3")
        assert asked.startswith("these bands do not support v2o3 but v2o5 and carbon: missing are 500")
        assert "408, 522, 690, 994" in asked
        assert "is it an oxidised surface, or made by the laser?" in asked
        assert printed.question("v2o5") == ""

    def test_the_ratio_says_that_vanadyl_stands_in_the_window(self, coated):
        """The band at 994 lies where carbon is fitted: flagged, and left out the truth is found."""
        leaning = raman.carbon_disorder(coated, measure="area", baseline="linear")
        flags = leaning.spectra.flags.set_index("flag")
        assert "near 99" in flags.loc["other_band", "explanation"]
        assert abs(leaning.id_ig_ratio.item() - 1.8) > 10 * leaning.id_ig_ratio_sigma.item()
        for measure, truth in (("height", self.RATIO), ("area", 1.8)):
            got = raman.carbon_disorder(coated, measure=measure, baseline="linear", window=(1100, 1900))
            assert abs(got.id_ig_ratio.item() - truth) < 3 * got.id_ig_ratio_sigma.item()
            assert "other_band" not in got.spectra.flags.flag.tolist()
            d, g = (got.sel(component=name) for name in "DG")
            assert d.position.item() == pytest.approx(1350.3, abs=3 * d.position_sigma.item())
            assert g.position.item() == pytest.approx(1586.5, abs=3 * g.position_sigma.item())

    def test_measured_carbon_alone_is_not_suspected(self, data_dir):
        for place in ("pos1", "pos2"):
            soot = raman.read(data_dir / "raman" / "carbon" / f"testDW38C_{place}.txt")
            assert (
                "other_band" not in raman.carbon_disorder(soot, measure="height").spectra.flags.flag.tolist()
            )
