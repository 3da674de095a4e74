"""The audit on measured fits: those that CasaXPS and KherveFitting left in files, and fits made here."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest

import spectra
import xps
from xps.rules.sources import evidence
from xps.rules.tails import outside

FEO = "xps/pynxtools/FeO_analyzed.vms"
ASSIGNED = "xps/cheminfo/assigned.vms"


def audited(path, **select):
    return xps.audit(xps.read(path, **select)).spectra.audit()


def said(audit, rule):
    return [f"{finding.subject}: {finding.found}" for finding in audit.of_rule(rule)]


@pytest.fixture(scope="module")
def feo(data_dir):
    return audited(data_dir / "xps/pynxtools/FeO_analyzed.vms")


@pytest.fixture(scope="module")
def audits(data_dir):
    regions = [xps.read(data_dir / ASSIGNED, select=i) for i in range(54)]
    return [
        (r.attrs["region"], xps.audit(r).spectra.audit())
        for r in regions
        if '"components"' in r.attrs.get("casaxps", "")
    ]


@pytest.fixture(scope="module")
def pet(data_dir):
    """C 1s of poly(ethylene terephthalate): its three carbons."""
    c1s = xps.read(data_dir / "xps/lg4x/PET_C1s.csv")
    top = float(c1s.binding_energy[int(c1s.intensity.values.argmax())])
    named = (("C-C", 0.0, 0.3), ("C-O", 1.6, 0.4), ("O-C=O", 4.0, 0.4))
    width = {"value": 1.3, "min": 0.5, "max": 3.0}
    lines = tuple(
        {
            "name": name,
            "shape": "sgl",
            "fwhm": width,
            "position": {"value": top + off, "min": top + off - room, "max": top + off + room},
        }
        for name, off, room in named
    )
    return xps.deconvolve(c1s, components=lines, background="shirley", window=(top - 4, top + 5.6))


class TestFeO:
    """CasaXPS on Fe 2p of FeO."""

    def test_the_second_line_stands_on_two_limits(self, feo):
        assert said(feo, "A07") == [
            "Fe 2p: fwhm 8 lies on a limit of 1.07 to 8",
            "Fe 2p: position 716 lies on a limit of 714 to 716",
        ]

    def test_tails_of_named_shapes_are_those_of_the_drawn_curves(self, data_dir):
        """What lies outside the window, by the formulas of LF and SGL and by the curves drawn here."""
        here = xps.subtract_background(xps.read(data_dir / FEO), method="tougaard")
        drawn = evidence(xps.deconvolve(here, components="casaxps", vary=False))
        listed = evidence(xps.read(data_dir / FEO))
        for stored, curve in zip(listed.components, drawn.components, strict=True):
            by_shape = outside(stored, None, drawn.window)
            np.testing.assert_allclose(by_shape, outside(curve, drawn.x, drawn.window), atol=5e-4)

    def test_an_asymmetric_shape_on_an_oxide(self, feo):
        assert said(feo, "A15") == ["Fe 2p: LF(0.54,10,80,100,6) is asymmetric, on FeO"] * 2

    def test_the_doublet_of_the_main_lines(self, feo):
        """LF areas 49042 and 63507; the SGL pair keeps its ratio, and both their splittings."""
        (ratio,) = feo.of_rule("A01")
        assert ratio.severity == "error"
        assert ratio.value == pytest.approx(49042.126 / 63507.374)
        assert feo.of_rule("A03") == ()

    def test_what_it_does_not_blame(self, feo):
        for rule in ("A02", "A08", "A14", "A16", "A18", "A29", "A33", "A34"):
            assert rule in feo.judged
            assert feo.of_rule(rule) == (), rule

    def test_drawn_here_the_residual_speaks_too(self, data_dir, feo):
        drawn = spectra.run("feo_fe2p", data_dir / "xps/pynxtools/FeO_analyzed.vms")
        found = xps.audit(drawn).spectra.audit()
        for rule in ("A01", "A07", "A15"):
            assert len(found.of_rule(rule)) == len(feo.of_rule(rule)), rule
        assert found.of_rule("A02") == found.of_rule("A29") == ()
        assert any("Durbin–Watson" in text for text in said(found, "A10"))
        assert any("neighbouring points of the residual" in text for text in said(found, "A10"))
        assert found.of_rule("A14") == ()  # 4 % of the widest line lie outside


class TestAssigned:
    """54 regions of MoS2 and WS2 with the components of CasaXPS."""

    def test_28_of_96_components_stand_on_a_limit(self, audits, data_dir):
        with (data_dir / "xps/casa_components.csv").open() as file:
            rows = [
                r for r in csv.DictReader(file) if r["kind"] == "component" and r["file"] == "assigned.vms"
            ]
        limits = [word for row in rows for word in row["at_bound"].replace("pos", "position").split()]
        assert (len(rows), sum(bool(row["at_bound"]) for row in rows)) == (96, 28)
        found = [finding.found.split()[0] for _, audit in audits for finding in audit.of_rule("A07")]
        assert sorted(found) == sorted(limits)

    def test_molybdenum_widths(self, audits):
        _, audit = next(pair for pair in audits if pair[0] == "Mo 3d")
        assert said(audit, "A04") == ["Mo 3d MoS2 2H: width ratio 0.864 (0.765 to 0.885 eV)"]

    def test_sensitivity_factors(self, audits):
        found = {(region, text) for region, audit in audits for text in said(audit, "A29")}
        assert ("W 4f", "W 4f: factor 11.365 for the region, 9.8 for its components") in found
        assert ("Mo 3d", "S 2s: carries the factor 10.805 of Mo 3d") in found
        assert not any(region == "S 2p" for region, _ in found)

    def test_tied_areas_are_not_blamed(self, audits):
        """All doublets of the file are tied at 2:3, 3:4 and 1:2."""
        assert not any(audit.of_rule("A01") or audit.of_rule("A03") for _, audit in audits)

    def test_a_line_of_the_oxide_without_its_partner(self, audits):
        _, audit = next(pair for pair in audits if pair[0] == "Mo 3d")
        assert said(audit, "A02") == ["Mo 3d MoO3: no partner near 235.9 eV, inside the window of the fit"]


class TestKherveFitting:
    def test_strontium_ratios_and_splittings(self, data_dir):
        file = data_dir / "xps/khervefitting/LaSrTiO3.json"
        one, two = (audited(file, select=i) for i in (0, 1))
        ratios = [finding.value for audit in (one, two) for finding in audit.of_rule("A01")]
        assert ratios == pytest.approx([0.717, 0.717, 0.617], abs=1e-3)
        assert all(f.severity == "warning" for audit in (one, two) for f in audit.of_rule("A01"))
        assert said(one, "A03") == ["Sr 3d: splittings of its doublets differ by 0.15 eV (1.58 to 1.73)"]
        assert two.of_rule("A03") == ()
        assert one.of_rule("A04") == two.of_rule("A04") == ()

    def test_ratios_that_stopped_where_their_ties_end(self, data_dir):
        """Areas tied at 0.667 ± 0.05: the first fit at 0.717, the second with one line at 0.617."""
        file = data_dir / "xps/khervefitting/LaSrTiO3.json"
        one, two = (
            {text.split(":")[0] for text in said(audited(file, select=i), "A07") if "area" in text}
            for i in (0, 1)
        )
        assert one == {"Sr3d3/2_p2", "Sr3d3/2_p4"}
        assert two == {"Sr3d3/2 p4"}

    def test_platinum_has_no_area_with_doniach_sunjic(self, data_dir):
        file = data_dir / "xps/khervefitting/Pt4f.json"
        ds, la = (audited(file, select=i) for i in (0, 1))
        assert [f.value for f in ds.of_rule("A16")] == [2590.54, 1819.95]
        assert all(f.severity == "error" for f in ds.of_rule("A16"))
        # 7939.0 is what lies inside the window of a line that is 8308 large
        outside = [f.value for f in la.of_rule("A16")]
        whole = 5112.07 * 1.15627 / 4 * np.sqrt(np.pi) * _gamma_ratio(0.85, 2.01)
        assert 7939.0 / (1 - outside[0]) == pytest.approx(whole, rel=2e-3)
        assert [f.value for f in la.of_rule("A14")] == [outside[1]]


def _gamma_ratio(*exponents):
    """Sum of the areas of both sides of an LA line, in units of a quarter of its width and the square root of pi."""
    return sum(math.gamma(e - 0.5) / math.gamma(e) for e in exponents)


def test_a_source_without_monochromator(data_dir):
    """Mg Kα of an older PHI, and the monochromatic Al Kα of another."""
    mg = xps.read(data_dir / "xps/phi_bn/BN-BS-1_multiplex.spe", select="O 1s")
    assert "source of 1253.6 eV without monochromator" in said(xps.audit(mg).spectra.audit(), "A34")[0]
    line = {"name": "oxide", "position": {"value": 533, "min": 532, "max": 534}}
    fitted = {"background": "linear", "components": (line,)}
    near = xps.audit(xps.deconvolve(mg, window=(526, 545), **fitted))
    assert said(near.spectra.audit(), "A34") == []  # the satellites lie below the window
    wide = said(xps.audit(xps.deconvolve(mg, window=(517, 545), **fitted)).spectra.audit(), "A34")
    assert "a Kα3,4 satellite of this line lies at 524" in wide[0]
    al = xps.read(data_dir / "xps/cheminfo/multiplex.vms", select="O 1s")
    assert xps.audit(al).spectra.audit().of_rule("A34") == ()


class TestMeasuredHere:
    """Fits made here on measured spectra."""

    def test_the_carbons_of_a_polymer_are_where_they_should_be(self, pet):
        audit = xps.audit(pet).spectra.audit()
        assert "A28" in audit.judged
        assert audit.of_rule("A28") == ()
        assert audit.of_rule("A08") == ()
        assert audit.of_rule("A33") == ()

    def test_named_wrongly_they_are_not(self, pet):
        swapped = pet.assign_coords(component=["C-C", "O-C=O", "C-O"])
        found = said(xps.audit(swapped).spectra.audit(), "A28")
        assert len(found) == 2
        assert "O–C=O 1." in found[0]

    @pytest.mark.parametrize("oxide", ["MnO", "Mn2O3", "MnO2"])
    def test_manganese_oxides_as_single_doublets(self, data_dir, oxide):
        """One line per ion, a residual that says so; only one of the regions was ever calibrated."""
        mn = xps.read(
            data_dir / "xps/xpsdeeplearning/Mn_references.vms", select=["MnO", "Mn2O3", "MnO2"].index(oxide)
        )
        mn = xps.deconvolve(
            mn, states=("Mn2+", "Mn3+", "Mn4+"), background="shirley", window=(634, 660), position_range=1.5
        )
        audit = xps.audit(mn, compound=oxide).spectra.audit()
        assert {f.severity for f in audit.of_rule("A17")} == {"error"}
        assert len(audit.of_rule("A17")) == 3
        assert [f.severity for f in audit.of_rule("A26")] == ([] if oxide == "Mn2O3" else ["error"])
        assert any("neighbouring points of the residual" in text for text in said(audit, "A10"))
        assert bool(audit.of_rule("A08")) is (oxide == "Mn2O3")  # where a state came out as nothing
        calibrated = xps.audit(xps.calibrate(mn, shift=0.0, sigma=0.3)).spectra.audit()
        assert calibrated.of_rule("A26") == ()


def test_a_depth_profile(data_dir):
    """Simulated through the series: the same Mn2+ doublet after longer and longer etching."""
    energy = np.arange(632.0, 662.0, 0.1)
    lines = {"a": {"shape": "sgl", "position": 641.4, "area": 9e4, "fwhm": 2.0}}
    lines["b"] = {"shape": "sgl", "position": 653.1, "area": 4.5e4, "fwhm": 2.4}
    one = spectra.simulate(
        energy, lines, background=50.0, axis="binding_energy", name="counts", units="counts"
    )
    counts = np.stack([one.counts.values] * 3)
    profile = spectra.from_arrays(
        energy,
        counts,
        axis="binding_energy",
        name="counts",
        units="counts",
        dims=("sputter_time",),
        attrs={"technique": "xps", "region": "Mn 2p", "element": "Mn"},
    ).assign_coords(sputter_time=("sputter_time", [0.0, 60.0, 180.0], {"units": "s"}))
    mn = xps.deconvolve(profile, states=("Mn2+",), background="linear")
    (finding,) = xps.audit(mn).spectra.audit().of_rule("A37")
    assert (finding.value, finding.spectra, finding.of) == (180.0, 2, 3)
