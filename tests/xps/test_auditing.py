"""The verb xps.audit: what it keeps, what a series shows, where findings are read again, and that it covers."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.integrate import cumulative_trapezoid

import spectra
import xps
from spectra.dataset import flag_names
from spectra.errors import InvalidInput
from spectra.findings import Audit, Finding, audit_of
from spectra.fitting.lineshapes import sgl
from xps.rules.evidence import named, splitting_of
from xps.rules.sources import evidence

X = np.arange(520.0, 540.0, 0.1)
TOLD = {
    "technique": "xps",
    "region": "O 1s",
    "element": "O",
    "photon_energy": 1486.6,
    "source": "Al Kα, monochromatic",
    "instrument": "simulated",
    "pass_energy": 20.0,
    "spot_size": "400 µm",
}
LATTICE = {"name": "lattice", "position": {"value": 529.8, "min": 529.0, "max": 530.5}}
HYDROXIDE = {"name": "hydroxide", "position": {"value": 531.6, "min": 531.0, "max": 532.2}}
WIDTH = {"fwhm": {"value": 1.3, "min": 0.6, "max": 3.0}}


def truth(position=529.8, second=3000.0):
    def line(p, area, w):
        return area * 0.93944 / w * np.exp(-4 * np.log(2) * ((X - p) / w) ** 2)

    return 200 + line(position, 9000.0, 1.2) + line(531.5, second, 1.4)


def oxygen(counts, dims=(), **attrs):
    return spectra.from_arrays(
        X, counts, axis="binding_energy", name="counts", units="counts", dims=dims, attrs=TOLD | attrs
    )


def fitted(dataset, *lines):
    lines = lines or (LATTICE, HYDROXIDE)
    own = tuple({"shape": "gaussian", **WIDTH, **one} for one in lines)
    calibrated = xps.calibrate(dataset, shift=0.0, sigma=0.2)
    return xps.deconvolve(calibrated, components=own, background="linear")


class TestAGoodFit:
    @pytest.mark.parametrize("seed", range(4))
    def test_is_not_blamed(self, seed):
        """The model that the counts were made from: no error, no warning."""
        counts = np.random.default_rng(seed).poisson(truth())
        audit = xps.audit(fitted(oxygen(counts))).spectra.audit()
        assert [str(finding) for finding in audit.findings] == []
        assert set(audit.judged) >= {f"A{n:02d}" for n in range(1, 21)} - {"A19"}

    @pytest.mark.long
    def test_statistics_rules_are_rarely_wrong(self):
        """Of 200 good fits A10 blames 3; no other rule says anything of any. 8 would be 1 in 1000 for its share."""
        rng = np.random.default_rng(1)
        wrong = []
        for _ in range(200):
            audit = xps.audit(fitted(oxygen(rng.poisson(truth())))).spectra.audit()
            wrong += {finding.rule for finding in audit.findings}
        assert set(wrong) <= {"A10"}
        assert len(wrong) <= 8

    @pytest.mark.long
    def test_they_are_with_a_background_inside_the_fit_of_two_levels(self, rng):
        """V 2p and O 1s above an active Shirley background: 1 or 2 in 200 (2000 and 20,000 counts at the maximum)."""
        x = np.arange(505.0, 543.0, 0.1)
        lines = (
            (515.8, 0.2, 1.5),
            (523.2, 0.1, 2.2),
            (517.4, 0.4, 1.5),
            (524.8, 0.2, 2.2),
            (529.6, 2.0, 1.5),
        )
        net = sum(sgl(x, place, area, width, 0.3) for place, area, width in lines)
        net *= 2000.0 / net.max()
        y = 300.0 + net + 0.01 * cumulative_trapezoid(net, x, initial=0)
        wrong = 0
        for _ in range(30):
            data = spectra.from_arrays(
                x, rng.poisson(y), axis="binding_energy", name="counts", units="counts",
                attrs={"technique": "xps", "region": "V 2p", "element": "V"},
            )  # fmt: skip
            found = xps.deconvolve(data, states=("V3+", "V5+", "O 1s lattice"), background="active_shirley")
            audit = xps.audit(found).spectra.audit()
            wrong += any(audit.of_rule(rule) for rule in ("A09", "A10", "A11", "A32"))
        assert wrong <= 3

    def test_with_a_line_left_out_it_is(self, rng):
        audit = xps.audit(fitted(oxygen(rng.poisson(truth())), LATTICE)).spectra.audit()
        assert audit.of_rule("A10")

    def test_with_a_line_too_many_it_is(self, rng):
        third = {"name": "water", "position": {"value": 533.5, "min": 533.0, "max": 534.0}}
        audit = xps.audit(fitted(oxygen(rng.poisson(truth())), LATTICE, HYDROXIDE, third)).spectra.audit()
        assert [f.subject for f in audit.of_rule("A09")] == ["water"] or audit.of_rule("A08")

    @pytest.mark.parametrize("seed", [2, 11])
    def test_a_line_too_many_is_judged_by_the_fit_without_it(self, seed):
        """What A09 finds is the difference of the criteria of two fits."""
        third = {"name": "water", "position": {"value": 533.5, "min": 533.0, "max": 534.0}}
        counts = oxygen(np.random.default_rng(seed).poisson(truth()))
        three, two = fitted(counts, LATTICE, HYDROXIDE, third), fitted(counts)
        (finding,) = xps.audit(three).spectra.audit().of_rule("A09")
        assert "fitted again without it" in finding.found
        # each fit takes its weights from its own curve: the criteria differ by that
        assert finding.value == pytest.approx(float(two.bic - three.bic), abs=1.0)

    def test_a_doublet_is_left_out_as_a_whole(self, rng):
        """Both lines of a state go together, the shared width stays, and what is there is needed."""
        x = np.arange(632.0, 664.0, 0.1)
        lines = {
            "a": {"shape": "sgl", "position": 641.6, "area": 9000.0, "fwhm": 2.0},
            "b": {"shape": "sgl", "position": 653.25, "area": 4500.0, "fwhm": 2.2},
        }
        mn = spectra.simulate(
            x, lines, background=200.0, axis="binding_energy", name="counts", units="counts"
        )
        mn = mn.assign(counts=mn.counts.copy(data=rng.poisson(mn.counts).astype(float)))
        fit = xps.deconvolve(mn, states=("Mn3+", "Mn4+"), background="linear", position_range=0.0)
        found = xps.audit(fit).spectra.audit().of_rule("A09")
        assert {f.subject for f in found} == {"Mn4+ 2p3/2"}
        refit = evidence(fit).refit
        alone = xps.deconvolve(mn, states=("Mn3+",), background="linear", position_range=0.0)
        assert refit.gain(2, [0])[0] == pytest.approx(float(alone.bic - fit.bic), abs=1.0)
        assert refit.gain(0, [0])[0] > 1000

    def test_with_a_background_inside_the_fit(self, rng):
        """The fit without a line has the background inside too."""
        water = {"name": "water", "position": {"value": 533.5, "min": 533.0, "max": 534.0}}
        counts = xps.calibrate(oxygen(rng.poisson(truth())), shift=0.0, sigma=0.2)

        def inside(*lines):
            own = tuple({"shape": "gaussian", **WIDTH, **one} for one in lines)
            return xps.deconvolve(counts, components=own, background="active_shirley")

        three, two = inside(LATTICE, HYDROXIDE, water), inside(LATTICE, HYDROXIDE)
        (finding,) = xps.audit(three).spectra.audit().of_rule("A09")
        assert finding.subject == "water"
        assert finding.value == pytest.approx(float(two.bic - three.bic), abs=1.0)

    def test_of_a_long_series_the_most_doubtful_are_fitted_again(self, rng):
        third = {"name": "water", "position": {"value": 533.5, "min": 533.0, "max": 534.0}}
        series = fitted(oxygen(rng.poisson([truth()] * 4), ("scan",)), LATTICE, HYDROXIDE, third)
        audit = xps.audit(series, thresholds={"A09": {"refits": 1}}).spectra.audit()
        (finding,) = (f for f in audit.of_rule("A09") if f.subject == "water")
        assert finding.spectra == 4

    def test_called_a_vacancy_it_is(self, rng):
        named_so = {**HYDROXIDE, "name": "oxygen vacancy"}
        audit = xps.audit(fitted(oxygen(rng.poisson(truth())), LATTICE, named_so)).spectra.audit()
        assert [f.rule for f in audit.errors] == ["A20"]


class TestSeries:
    def test_findings_count_the_spectra_and_show_the_worst(self, rng):
        counts = rng.poisson([truth(), truth(530.3), truth()])
        result = xps.audit(fitted(oxygen(counts, ("scan",))))
        audit = result.spectra.audit()
        (drift,) = audit.of_rule("A36")
        assert drift.value == pytest.approx(0.5, abs=0.05)
        assert drift.of == 3
        assert "[1 of 3 spectra]" in str(drift)

    def test_what_is_said_of_the_fit_is_said_of_all_spectra(self, rng):
        series = fitted(oxygen(rng.poisson([truth()] * 3), ("scan",), instrument=""))
        (told,) = xps.audit(series).spectra.audit().of_rule("A35")
        assert (told.found, told.spectra, told.of) == ("not stored: instrument", 3, 3)

    def test_a_failed_spectrum_is_left_out(self, rng):
        counts = rng.poisson([truth()] * 3).astype(float)
        counts[1] = np.nan
        result = xps.audit(fitted(oxygen(counts, ("scan",))))
        assert result.spectra.audit().findings == ()
        assert "counts_not_finite" in flag_names(result, scan=1)

    def test_a_background_that_did_not_settle(self, rng):
        """The spectrum is lost, and the audit says why; the others are judged."""
        counts = rng.poisson([truth(), np.full(X.size, 200.0), truth()])
        lines = tuple({"shape": "gaussian", **WIDTH, **one} for one in (LATTICE, HYDROXIDE))
        series = xps.deconvolve(oxygen(counts, ("scan",)), components=lines, background="shirley")
        (finding,) = (f for f in xps.audit(series).spectra.audit().of_rule("A13") if f.severity == "error")
        assert finding.found == "the background did not settle"
        assert finding.spectra >= 1
        alone = xps.audit(series.isel(scan=1)).spectra.audit()
        first = alone.of_rule("A13")[0]
        assert (first.spectra, first.of) == (1, 1)

    def test_without_a_good_one_nothing_can_be_asked(self):
        series = oxygen(np.stack([truth()] * 2), ("scan",))
        result = xps.audit(fitted(series.assign(counts=series.counts * np.nan)))
        assert "A10" in dict(result.spectra.audit().not_judged)


class TestKept:
    @pytest.fixture(scope="class")
    @classmethod
    def result(cls):
        counts = np.random.default_rng(3).poisson(truth())
        return xps.audit(fitted(oxygen(counts), LATTICE, {**HYDROXIDE, "name": "oxygen vacancy"}))

    def test_nothing_but_attributes_and_status(self, result):
        step = result.spectra.history[-1]
        assert step["verb"] == "xps.audit"
        assert step["notes"] == ["1 errors and 0 warnings by the rules A20"]
        assert set(step.get("added", [])) <= {"status"}
        assert json.loads(result.attrs["audit"])["findings"][0]["rule"] == "A20"

    def test_in_the_results_file(self, result, tmp_path):
        result.spectra.save(tmp_path / "o.nxs")
        loaded = spectra.load(tmp_path / "o.nxs")
        again = loaded if hasattr(loaded, "data_vars") else next(iter(loaded.values()))
        assert again.spectra.audit() == result.spectra.audit()

    def test_in_the_report(self, result, tmp_path):
        page = result.spectra.report(tmp_path / "o.html").read_text()
        assert "<h3>Audit</h3>" in page
        assert "a vacancy emits no electron" in page
        assert "Easton and Morgan" in page
        assert "A36 (needs a series)" in page

    def test_in_a_report_of_a_fit_that_nobody_audited(self, result, tmp_path):
        bare = result.drop_attrs(deep=False).assign_attrs(
            {k: v for k, v in result.attrs.items() if k != "audit"}
        )
        steps = [s for s in result.spectra.history if s["verb"] != "xps.audit"]
        page = bare.assign_attrs(history=json.dumps(steps)).spectra.report(tmp_path / "o.html").read_text()
        assert "a vacancy emits no electron" in page

    def test_a_report_without_a_fit_has_none(self, tmp_path):
        page = oxygen(truth()).spectra.report(tmp_path / "o.html").read_text()
        assert "<h3>Audit</h3>" not in page
        assert oxygen(truth()).spectra.audit() is None

    def test_what_was_done_since_is_judged_anew(self, result):
        """A fit made after the audit is not covered by it, but the thresholds given then are kept."""
        after = xps.calibrate(result, shift=6.5, sigma=0.2)
        assert [f.rule for f in after.spectra.audit().of_rule("A26")] == ["A26"]
        loose = xps.audit(result, thresholds={"A26": {"shift": 10.0}})
        assert xps.calibrate(loose, shift=6.5, sigma=0.2).spectra.audit().of_rule("A26") == ()

    def test_as_a_table_and_as_text(self, result):
        audit = result.spectra.audit()
        row = audit.table().iloc[0]
        assert (row.rule, row.severity, row.subject) == ("A20", "error", "oxygen vacancy")
        assert row.value == pytest.approx(531.5, abs=0.1)
        text = str(audit)
        assert text.startswith("1 errors, 0 warnings;")
        assert "to do: Call it OH" in text
        assert "A36 not asked: it needs a series" in text


def test_json_comes_back_as_it_was():
    finding = Finding("A01", "error", "t", "s", "found", None, "", "source", "do", 2, 3)
    audit = Audit((finding,), ("A01",), (("A02", "a fit"),))
    assert Audit.from_json(audit.to_json()) == audit


def test_other_techniques_have_no_audit():
    data = spectra.from_arrays(np.arange(9.0), np.arange(9.0), axis="raman_shift")
    assert audit_of(data) is None


def test_regions_of_the_sample_speak_to_each_other(rng):
    nickel = spectra.simulate(
        np.arange(845.0, 890.0, 0.1),
        {
            "a": {"shape": "sgl", "position": 855.8, "area": 9e4, "fwhm": 2.5},
            "b": {"shape": "sgl", "position": 873.2, "area": 4.5e4, "fwhm": 3.0},
        },
        background=50.0,
        axis="binding_energy",
        name="counts",
        units="counts",
    ).assign_attrs(TOLD | {"region": "Ni 2p", "element": "Ni"})
    lines = (
        {"name": "Ni(OH)2 2p3/2", "position": {"value": 855.8, "min": 855, "max": 857}},
        {"name": "Ni(OH)2 2p1/2", "partner": "Ni(OH)2 2p3/2", "splitting": 17.4, "area_ratio": 0.5},
    )
    nickel = xps.deconvolve(nickel, components=lines, background="linear")
    with_oh = fitted(oxygen(rng.poisson(truth())))
    without = fitted(oxygen(rng.poisson(truth(second=0.0))), LATTICE)
    assert xps.audit(nickel, regions={"O 1s": with_oh}).spectra.audit().of_rule("A22") == ()
    found = xps.audit(nickel, regions={"O 1s": without}).spectra.audit().of_rule("A22")
    assert [f.found for f in found] == ["no O 1s line of a hydroxide"]


@pytest.mark.parametrize(
    ("name", "region", "read"),
    [
        ("Mo 3d MoS2 2H", "Mo 3d", ("Mo 3d", None, "MoS2 2H")),
        ("Sr3d5/2 p1", "Sr 3d", ("Sr 3d", "5/2", "")),
        ("Sr3d3/2_p2", "Sr 3d", ("Sr 3d", "3/2", "")),
        ("Mn3+ 2p3/2", "Mn 2p", ("Mn 2p", "3/2", "Mn3+")),
        ("S 2s", "Mo 3d", ("S 2s", None, "")),
        ("Mn4+ 2p1/2 p3", "Mn 2p", ("Mn 2p", "1/2", "Mn4+")),
        ("Fe 2p 1", "Fe 2p", ("Fe 2p", None, "")),
        ("Mo 3d MoO3 2", "Mo 3d", ("Mo 3d", None, "MoO3")),
        ("NiO 2p3/2", "O 1s", ("Ni 2p", "3/2", "NiO")),
        ("VN 2p3/2", "V 2p", ("V 2p", "3/2", "VN")),
        ("Satellite 2p3/2", "Co 2p", ("Co 2p", "3/2", "Satellite")),
        ("lattice", "O 1s", ("O 1s", None, "lattice")),
        ("V–N", None, (None, None, "V–N")),
    ],
)
def test_names_of_components_are_read(name, region, read):
    assert named(name, region, region.split()[0] if region else None) == read


def test_splittings_of_levels():
    assert splitting_of("Mn 2p")[:3] == (11.65, 11.1, 11.8)
    assert splitting_of("Pt 4f")[0] == pytest.approx(3.3, abs=0.15)
    assert splitting_of("Sr 3d")[0] == pytest.approx(1.8, abs=0.1)
    assert splitting_of("O 1s") is None
    assert splitting_of("W 4d")[0] == pytest.approx(12.4, abs=0.3)


def test_misuse_is_one_sentence(rng):
    o = fitted(oxygen(rng.poisson(truth())))
    with pytest.raises(InvalidInput, match="rule A20 has no threshold 'lo'; did you mean 'low'"):
        xps.audit(o, thresholds={"A20": {"lo": 1.0}})
    with pytest.raises(InvalidInput, match="conducting must be a valid boolean"):
        xps.audit(o, conducting="yes")
