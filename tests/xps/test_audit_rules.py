"""Every rule of the audit has evidence that makes it fire and evidence that keeps it quiet."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spectra.errors import InvalidInput
from tests.xps.audit_samples import FREE, TIED, X, counted, doublet, given, line
from xps.rules.auditing import RULES, audit_assignments, judge
from xps.rules.evidence import Setting
from xps.tables import load_table

BOUND = Setting(641.0, 642.0)


def noise():
    return np.random.default_rng(7)


def mn(label="Mn4+", position=642.3, **more):
    return doublet("Mn 2p", label, position, 11.65, 0.5, **more)


def oxygen(label="lattice", position=529.7, **more):
    return line(f"O 1s {label}", position, **more)


def carbon(label, position, **more):
    return line(f"C 1s {label}", position, **more)


def packet(settings, n=5):
    return [
        line(
            f"Mn 2p3/2 Mn4+ {i}".replace(f" {i}", ""),
            642 + i,
            fwhm=0.9,
            settings=settings if i else {"position": FREE},
        )
        for i in range(n)
    ]


def series(drift=0.0, widening=0.0):
    turn = np.linspace(0, 1, 5)
    return given(line("Mn 2p3/2 Mn4+", 642.3 + drift * turn, fwhm=1.5 * (1 + widening * turn)))


CALIBRATED = {"reference": "C 1s", "reference_position": 284.8, "measured_by": "maximum"}
TOLD = {
    "instrument": "K",
    "source": "Al Kα mono",
    "pass_energy": 20.0,
    "spot_size": "400 µm",
    "photon_energy": 1486.6,
}
ETCHED = np.array([0.0, 60.0, 300.0])
SHARP = {"v": {"shape": "sgl"}}


def mn_3s(splitting, **more):
    return given(line("Mn 3s", 83.5), line("Mn 3s", 83.5 + splitting), **more)


#: By rule: what makes it fire, with a piece of what it then says; and what keeps it quiet.
CASES = {
    "A01": [
        (given(*doublet("Sr 3d", "", 133.5, 1.76, 0.717)), "area ratio 0.717 instead of 0.667"),
        (given(*doublet("Sr 3d", "", 133.5, 1.76, 0.667)), None),
        (given(*doublet("Mn 2p", "", 642.0, 11.65, 0.517)), None),  # Scofield instead of 1:2
    ],
    "A02": [
        (
            given(line("Mn 2p3/2 Mn4+", 642.3), window=(636, 660)),
            "no partner near 653.9 eV, inside the window",
        ),
        (given(line("Mn 2p3/2 Mn4+", 642.3), window=(636, 650)), "outside the window"),
        (given(line("Mn 2p3/2 Mn4+", 642.3), window=(636, 650), declared={"one_line": True}), None),
        (given(*mn(), line("Mn 2p satellite", 648.0)), None),
        (given(oxygen()), None),
    ],
    "A03": [
        (given(*doublet("Mn 2p", "Mn4+", 642.3, 12.2, 0.5)), "splitting 12.20 eV, tables have 11.1 to 11.8"),
        (
            given(*doublet("Sr 3d", "a", 133.5, 1.80, 0.667), *doublet("Sr 3d", "b", 134.5, 1.58, 0.667)),
            "splittings of its doublets differ by 0.22 eV",
        ),
        (given(*mn("Mn3+", 641.2), *mn("Mn4+", 642.7)), None),
        (given(*doublet("Sr 3d", "a", 133.5, 1.80, 0.667), *doublet("Sr 3d", "b", 134.5, 1.76, 0.667)), None),
    ],
    "A04": [
        (given(*mn(fwhm=(2.0, 1.7))), "width ratio 0.850"),
        (given(*mn(fwhm=(1.0, 2.5))), "width ratio 2.500"),
        (given(*mn(fwhm=(2.0, 2.6))), None),
    ],
    "A05": [
        (given(line("Fe 2p3/2 Fe3+", 711.0, fwhm=0.2)), "0.200 eV wide, narrower"),
        (given(line("Fe 2p3/2 Fe3+", 711.0, fwhm=4.2)), "4.20 eV wide and not called"),
        (given(line("Fe 2p3/2 satellite", 719.0, fwhm=4.2)), None),
    ],
    "A06": [
        (given(oxygen(fwhm=1.0), oxygen("OH", 531.3, fwhm=1.9)), "ratio 1.90"),
        (given(oxygen(fwhm=1.2), oxygen("OH", 531.3, fwhm=1.5)), None),
        (given(line("Ti 2p3/2 Ti metal", 454.0, fwhm=0.6), line("Ti 2p3/2 TiO2", 458.8, fwhm=1.1)), None),
        (given(line("Mn 2p3/2 Mn2+", 641.0, fwhm=3.2), line("Mn 2p3/2 Mn4+", 642.0, fwhm=1.2)), None),
    ],
    "A07": [
        (
            given(line("O 1s", 642.0, numbers={"position": 642.0}, settings={"position": BOUND})),
            "lies on a limit",
        ),
        (
            given(
                line(
                    "O 1s",
                    530.0,
                    numbers={"area": 100.0},
                    sigmas={"area": 70.0},
                    settings={"area": Setting()},
                )
            ),
            "uncertain by 70%",
        ),
        (
            given(
                line("O 1s", 530.0, settings={"area": Setting()}),
                correlation=(("a_area", "b_area"), np.array([[[1.0, -0.97], [-0.97, 1.0]]])),
            ),
            "correlation -0.970",
        ),
        (
            given(
                line(
                    "O 1s",
                    641.5,
                    numbers={"position": 641.5, "area": 100.0},
                    sigmas={"area": 5.0},
                    settings={"position": BOUND, "area": Setting(0.0, 1e6)},
                ),
                correlation=(("a_area", "b_area"), np.array([[[1.0, 0.5], [0.5, 1.0]]])),
            ),
            None,
        ),
    ],
    "A08": [
        (given(oxygen(area=-20.0)), "area -20"),
        (given(oxygen(area=0.0)), "area 0"),
        (given(oxygen(area=20.0)), None),
    ],
    "A09": [
        (
            given(oxygen(area=30.0, area_sigma=10.0, settings={"area": FREE, "position": FREE}), x=X),
            "BIC falls by -",
        ),
        (given(oxygen(area=300.0, area_sigma=10.0, settings={"area": FREE, "position": FREE}), x=X), None),
    ],
    "A10": [
        (counted(noise(), missing=60.0), "neighbouring points of the residual"),
        (counted(noise(), redchi=np.array([2.4])), "reduced chi-square 2.40"),
        (counted(noise(), residual=np.sin(X / 3)[None] * 10), "Durbin–Watson"),
        (counted(noise(), redchi=np.array([1.02])), None),
    ],
    "A11": [
        (
            counted(noise(), net=np.where(abs(X - 526) < 0.5, -40.0, 0.0)[None]),
            "off the background, below it",
        ),
        (counted(noise(), [oxygen(curve=-np.ones((1, X.size)))]), "below the background"),
        (counted(noise(), [oxygen(curve=np.ones((1, X.size)))]), None),
    ],
    "A12": [
        (given(oxygen(fwhm=1.5), window=(527.0, 540.0)), "the low end of the window is 1.8 widths"),
        (
            given(oxygen(fwhm=1.0), window=(520.0, 540.0), background={"method": "linear", "n_end": 1}),
            "1 point at each",
        ),
        (
            given(oxygen(), window=(520.0, 540.0), flags={"end_on_slope": np.array([True])}),
            "on the flank of a line",
        ),
        (given(oxygen(fwhm=1.5), window=(522.0, 540.0), background={"method": "linear", "n_end": 5}), None),
    ],
    "A13": [
        (
            given(
                oxygen(),
                background={"method": "shirley"},
                flags={"background_not_converged": np.array([True])},
            ),
            "did not settle",
        ),
        (
            given(oxygen(), background={"method": "shirley"}, flags={"background_falls": np.array([True])}),
            "fall towards",
        ),
        (
            counted(noise(), counts=(2000 - 50 * (X - 520))[None], background={"method": "Shirley"}),
            "under a Shirley background",
        ),
        (counted(noise(), background={"method": "Shirley"}), None),
        (counted(noise(), counts=(2000 - 50 * (X - 520))[None]), None),  # a linear one may fall
    ],
    "A14": [
        (given(oxygen(shape="SGL(60)", fwhm=3.0), window=(525.0, 534.0)), "of its area lies outside"),
        (given(oxygen(shape="SGL(90)", fwhm=1.0), window=(500.0, 560.0)), "90% Lorentzian"),
        (given(oxygen(shape="GL(80)", fwhm=3.0), window=(527.5, 532.0)), "of its area lies outside"),
        (given(oxygen(shape="LA(0.8,2,70)", fwhm=1.5), window=(522.0, 536.0)), "of its area lies outside"),
        (
            given(oxygen(shape="LF(0.6,2,80,100,6)", fwhm=3.0), window=(528.0, 533.0)),
            "of its area lies outside",
        ),
        (given(oxygen(shape="GL(30)", fwhm=1.2), window=(520.0, 540.0)), None),
        (given(oxygen(shape="LA(1.53,243)", fwhm=1.2), window=(520.0, 540.0)), None),
        (given(oxygen(shape="SGL(30)", fwhm=1.2), window=(520.0, 540.0)), None),
    ],
    "A15": [
        (given(line("Fe 2p Fe2O3", 710.8, shape="LF(0.6,2,80,100,6)")), "is asymmetric, on Fe2O3"),
        (given(line("Pt 4f7/2 Pt metal", 71.0, shape="GL(30)")), "is symmetric, on a metal"),
        (given(line("Pt 4f7/2 Pt metal", 71.0, shape="LA(2,1.2,70)")), "tail towards low binding energy"),
        (
            given(
                line("Pt 4f7/2 Pt metal", 71.0, shape="LA(1.2,85,70)"),
                line("Pt 4f7/2 PtO2", 74.0, shape="GL(30)"),
            ),
            None,
        ),
    ],
    "A16": [
        (given(line("Pt 4f7/2", 71.0, area=2590.0, shape="DS (A, σ, γ)")), "has no finite area"),
        (
            given(line("Pt 4f7/2", 71.0, area=2590.0, shape="LA(0.4,5,20)")),
            "with exponent 0.4 has no finite area",
        ),
        (given(line("Pt 4f7/2", 71.0, area=2590.0, shape="doniach")), "has no finite area"),
        (given(line("C 1s", 285.0, area=2590.0, shape="LA(0.5,243)")), "with exponent 0.5"),
        (
            given(
                line(
                    "Pt 4f7/2",
                    71.08,
                    area=7939.0,
                    fwhm=1.02,
                    shape="LA (Area, σ, γ)",
                    numbers={"sigma": 0.85, "gamma": 2.01},
                ),
                origin="khervefitting",
                window=(61.99, 89.99),
            ),
            "its area was summed inside the window, and 4.4% of the line lies outside",
        ),
        (given(line("Pt 4f7/2", 71.0, area=2590.0, shape="LA(1.2,85,70)")), None),
    ],
    "A17": [
        (given(*mn()), "1 line for Mn4+"),
        (given(*mn(), fractions=("Mn4+",)), "and its fraction is reported"),
        (
            given(line("V 2p3/2 V3+", 515.5), fractions=("V3+",)),
            "1 line for V3+, and its fraction is reported",
        ),
        (given(*doublet("V 2p", "V5+", 517.2, 7.4, 0.5)), None),
        (given(*packet({})), None),
    ],
    "A18": [
        (given(*packet({"position": FREE, "area": FREE})), "position, area free in more than one"),
        (given(*packet({"position": TIED, "area": TIED})), None),
    ],
    "A19": [
        (
            given(*doublet("V 2p", "V5+", 517.2, 7.4, 0.5), window=(510.0, 528.0)),
            "the window ends at 528.0 eV",
        ),
        (given(*doublet("V 2p", "V5+", 517.2, 7.4, 0.5), oxygen(), window=(507.0, 540.0)), None),
    ],
    "A20": [
        (given(oxygen("oxygen vacancy", 531.5)), "a vacancy emits no electron"),
        (given(oxygen("defects", 531.2)), "a vacancy emits no electron"),
        (given(oxygen("OH", 531.5)), None),
    ],
    "A21": [
        (
            given(
                oxygen("C=O", 531.8, area=2930.0),
                carbon("C-C", 284.8, area=900.0),
                carbon("C-O", 286.3, area=100.0),
            ),
            "10.00 times",
        ),
        (given(oxygen("C=O", 531.8, area=2930.0), carbon("C-O", 286.3, area=900.0)), None),
    ],
    "A22": [
        (
            given(line("Ni 2p3/2 Ni(OH)2", 855.6), regions={"O 1s": given(oxygen(position=529.5))}),
            "no O 1s line of a hydroxide",
        ),
        (
            given(line("Ni 2p3/2 NiOOH", 855.6), regions={"O 1s": given(oxygen("OH", 531.2))}),
            "no O 1s line of an oxide",
        ),
        (given(line("Ni 2p3/2 Ni(OH)2", 855.6), regions={"O 1s": given(oxygen("OH", 531.2))}), None),
    ],
    "A23": [
        (
            given(*mn(), mean_valence=np.array([3.2]), regions={"Mn 3s": mn_3s(4.5)}),
            "mean valence 3.20 from 2p, 3.89 to 3.96",
        ),
        (given(*mn(), mean_valence=np.array([3.8]), regions={"Mn 3s": mn_3s(4.5)}), None),
        (
            given(
                mean_valence=np.array([3.2]), attrs={"region": "Mn 2p"}, regions={"Mn 3s": mn_3s(4.5)}
            ),  # of whole reference spectra
            "mean valence 3.20 from 2p",
        ),
        (
            given(
                *mn(), mean_valence=np.array([3.0]), regions={"Mn 3s": given(splitting_3s=np.array([5.3]))}
            ),
            None,
        ),
    ],
    "A24": [
        (mn_3s(6.6), "splitting 6.60 eV, beyond the oxides"),
        (mn_3s(5.9, declared={"compound": "MnF2"}), "MnF2 is no simple oxide"),
        (mn_3s(4.6, declared={"elements": ("Mg",)}), "Mg 2s lies there"),
        (mn_3s(5.3, declared={"compound": "LiMn2O4"}), None),
    ],
    "A25": [
        (given(line("V 2p3/2 V2+", 516.4)), "at 516.40 eV; V2+: 513.1 to 514.1 eV"),
        (given(line("Mn 2p3/2 Mn3+", 641.2)), None),
        (given(line("V 2p3/2 V3+", 517.7)), "at 517.70 eV; V3+"),
        (given(line("V 2p3/2 V3+", 517.7), shift_sigma=np.array([0.1])), "at 517.70 eV; V3+"),
        (given(line("V 2p3/2 V3+", 517.7), shift_sigma=np.array([0.6])), None),
        (given(line("Mn 2p3/2 Mn2+", 641.1, area=278.0), line("Mn 2p3/2 Mn2+", 645.9, area=91.0)), None),
    ],
    "A26": [
        (given(oxygen()), "no calibration is stored"),
        (given(oxygen(), calibration=CALIBRATED | {"reference_position": 285.5}), "set to 285.5 eV"),
        (given(oxygen(), calibration=CALIBRATED, shift=np.array([-6.2])), "-6.20 eV"),
        (
            given(oxygen(), calibration=CALIBRATED, shift=np.array([-1.2]), declared={"conducting": True}),
            "adventitious carbon on a",
        ),
        (
            given(
                oxygen(),
                calibration=CALIBRATED,
                shift=np.array([-1.2]),
                regions={"C 1s": given(shift=np.array([-0.6]))},
            ),
            "C 1s was shifted by 0.60 eV",
        ),
        (
            given(
                oxygen(),
                calibration=CALIBRATED,
                shift=np.array([-1.2]),
                regions={"C 1s": given(shift=np.array([-1.2]))},
            ),
            None,
        ),
    ],
    "A27": [
        (given(*mn("Mn2+", 641.0), *mn("Mn3+", 641.4)), "hold no uncertainty of the scale"),
        (
            given(*mn("Mn2+", 641.0), *mn("Mn3+", 641.4), shift_sigma=np.array([0.35])),
            "indistinguishable by energy",
        ),
        (given(*mn("Mn2+", 641.0), *mn("Mn3+", 641.4), shift_sigma=np.array([0.1])), None),
    ],
    "A28": [
        (given(carbon("C-C", 284.8), carbon("C-O", 285.7)), "C–O 0.90 eV from C–C; known: 1 to 1.7"),
        (given(carbon("C-C", 284.8), carbon("C=O", 288.8)), "C=O 4.00 eV"),
        (
            given(
                carbon("C-C", 284.8), carbon("C-O", 286.3), carbon("O-C=O", 288.9), carbon("carbonate", 289.7)
            ),
            None,
        ),
    ],
    "A29": [
        (
            given(line("W 4f WO3", 35.4, rsf=9.8), region_rsf=11.36, attrs={"region": "W 4f"}),
            "factor 11.36 for the region, 9.8 for its components",
        ),
        (
            given(line("S 2s", 226.1, rsf=10.8), region_rsf=10.8, attrs={"region": "Mo 3d"}),
            "carries the factor 10.8 of Mo 3d",
        ),
        (given(oxygen(), quantified={}), "the scale of their factors is not named"),
        (given(oxygen(), quantified={"sensitivity_scale": "Scofield"}), None),
        (given(line("W 4f WO3", 35.4, rsf=9.8), region_rsf=9.8, attrs={"region": "W 4f"}), None),
    ],
    "A30": [
        (given(*mn(), line("Mn 2p satellite", 647.0), fractions=("Mn4+",)), "left out of the area"),
        (
            given(*mn(), line("Mn 2p satellite", 647.0), fractions=("Mn4+", "satellite")),
            "counted as a chemical state",
        ),
        (given(*mn(), fractions=("Mn4+",)), None),
    ],
    "A31": [
        (given(*mn(), declared={"elements": ("Ni",)}), "Ni LMM may lie there"),
        (given(*mn(), declared={"elements": ("Li",)}), None),
        (given(*mn(), declared={"elements": ("Ni",)}, attrs={"photon_energy": 1253.6}), None),
    ],
    "A32": [
        (counted(noise(), [oxygen(height=40.0)]), "times the noise"),
        (
            given(oxygen(), verbs=("xps.read", "spectra.smooth", "xps.deconvolve")),
            "spectra.smooth before the fit",
        ),
        (counted(noise(), [oxygen(height=40.0, settings={"area": TIED})]), None),
        (counted(noise(), [oxygen(height=800.0)], verbs=("xps.deconvolve", "spectra.smooth")), None),
    ],
    "A33": [
        (given(oxygen(fwhm=0.4), x=X), "0.25 of the width"),
        (given(oxygen(fwhm=1.2), x=X), None),
    ],
    "A34": [
        (given(oxygen()), "not stored"),
        (given(oxygen(), attrs={"photon_energy": 0.0}), "binding energies cannot come of it"),
        (given(oxygen(), attrs={"photon_energy": 1253.6}), "without monochromator"),
        (
            given(oxygen(position=531.0), window=(520.0, 540.0), attrs={"photon_energy": 1253.6}),
            "a Kα3,4 satellite of this line lies at 522.6 eV, inside the window",
        ),
        (
            given(oxygen(), window=(519.0, 540.0), attrs={"photon_energy": 1486.6, "source": "Dual anode"}),
            "lies at 519.9 eV",
        ),
        (given(oxygen(), window=(525.0, 540.0), attrs={"photon_energy": 1253.6}), None),
        (
            given(
                oxygen(position=531.0),
                line("O 1s satellite", 522.4),
                line("Kα4", 520.8),
                window=(520.0, 540.0),
                attrs={"photon_energy": 1253.6},
            ),
            None,
        ),
        (given(oxygen(), attrs={"photon_energy": 1486.6, "source": "Al mono"}), None),
    ],
    "A35": [
        (
            given(oxygen()),
            "not stored: instrument, source, pass energy, spot size, background, calibration, line shapes",
        ),
        (
            given(oxygen(shape="sgl"), attrs=TOLD, background={"method": "linear"}, calibration=CALIBRATED),
            None,
        ),
    ],
    "A36": [
        (series(drift=0.5), "moves by 0.50 eV"),
        (series(widening=0.4), "its width changes by 40%"),
        (replace(series(), pass_energies=(20.0, 50.0)), "spectra of 20 and 50 eV pass energy in one series"),
        (series(drift=0.1, widening=0.1), None),
    ],
    "A37": [
        (given(line("Mn 2p3/2 Mn2+", [641.0] * 3), etched=ETCHED), "Mn2+ after up to 300 s of etching"),
        (given(line("Mn 2p3/2 Mn4+", [642.3] * 3), etched=ETCHED), None),
        (given(line("Mn 2p3/2 Mn2+", [641.0] * 3), etched=0 * ETCHED), None),
    ],
}


def test_every_rule_fires_somewhere_and_is_quiet_somewhere():
    rules = [row["id"] for row in load_table("audit")["rule"]]
    assert rules == list(RULES) == [f"A{n:02d}" for n in range(1, 38)] == list(CASES)
    for rule, cases in CASES.items():
        assert {said is None for _, said in cases} == {True, False}, rule


@pytest.mark.parametrize(
    ("rule", "evidence", "said"),
    [(rule, *case) for rule, cases in CASES.items() for case in cases],
    ids=[f"{rule}-{n}" for rule, cases in CASES.items() for n in range(len(cases))],
)
def test_rule(rule, evidence, said):
    audit = judge(evidence)
    found = audit.of_rule(rule)
    if said is None:
        assert found == ()
        assert rule in audit.judged, dict(audit.not_judged).get(rule)
        return
    assert any(said in finding.found for finding in found), [finding.found for finding in found]
    for finding in found:
        assert finding.severity in ("error", "warning")
        assert all((finding.title, finding.subject, finding.source, finding.advice))


def test_every_rule_has_a_severity_a_source_with_status_and_advice():
    for row in load_table("audit")["rule"]:
        assert row["severity"] in ("error", "warning", "error or warning")
        assert row["status"] in ("read", "computed", "to-verify")
        assert row["source"]
        assert row["advice"].endswith(".")
        assert all(set(t) == {"value", "unit"} for t in row.get("thresholds", {}).values())


class TestThresholds:
    off = given(*doublet("Sr 3d", "", 133.5, 1.76, 0.717))

    def test_can_be_changed_in_a_table(self):
        assert judge(self.off, {"A01": {"warning": 0.1}}).of_rule("A01") == ()
        found = judge(self.off, {"A01": {"error": 0.07}}).of_rule("A01")
        assert found[0].severity == "error"
        assert "error: 7%" in found[0].threshold

    def test_can_be_changed_in_a_file(self, tmp_path):
        file = tmp_path / "mine.toml"
        file.write_text("[A01]\nwarning = 0.1\n")
        assert judge(self.off, str(file)).of_rule("A01") == ()

    @pytest.mark.parametrize(
        ("thresholds", "sentence"),
        [
            ({"A1": {"warning": 0.1}}, "thresholds names the rule 'A1'; did you mean 'A"),
            ({"A01": {"warnin": 0.1}}, "rule A01 has no threshold 'warnin'; did you mean 'warning'"),
            ({"A01": {"warning": "much"}}, "threshold 'warning' of A01 must be a number, got 'much'"),
            ("nowhere.toml", "thresholds: no file 'nowhere.toml'; give a TOML file or a table by rule"),
        ],
    )
    def test_a_wrong_one_is_one_sentence(self, thresholds, sentence):
        with pytest.raises(InvalidInput, match=sentence):
            judge(self.off, thresholds)


@pytest.mark.parametrize(
    ("line_", "sentence"),
    [
        ({"level": "Mn 2p"}, "line 0 needs 'position'"),
        ({"position": 530.0}, "line 0 needs 'level'"),
        ({"level": "manganese", "position": 642.0}, "has the level 'manganese': write it as 'Mn 2p'"),
        (
            {"level": "Mn 2p", "position": 642.0, "lable": "Mn4+"},
            "line 0 has no 'lable'; did you mean 'label'",
        ),
    ],
)
def test_a_wrong_assignment_is_one_sentence(line_, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        audit_assignments([line_])


def test_what_cannot_be_judged_is_said():
    audit = judge(given(oxygen()))
    assert dict(audit.not_judged)["A36"] == "a series"
    assert "A36 not asked: it needs a series" in str(audit)
    assert set(audit.judged) | {rule for rule, _ in audit.not_judged} == set(RULES)
