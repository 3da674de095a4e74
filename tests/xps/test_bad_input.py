"""Spectra that cannot carry what is asked of them: each is a sentence, or a flag on the spectrum."""

from __future__ import annotations

import numpy as np
import pytest

import spectra
import xps
from spectra.dataset import flag_names
from spectra.errors import InvalidInput
from spectra.reading.scan import notes_of
from spectra.verbs import history

STATES = ("Mn3+", "Mn4+")
LINES = {
    "a": {"shape": "sgl", "position": 641.6, "area": 9000.0, "fwhm": 1.8},
    "b": {"shape": "sgl", "position": 653.25, "area": 4500.0, "fwhm": 2.1},
}
ATTRS = {"technique": "xps", "region": "Mn 2p", "element": "Mn", "photon_energy": 1486.6}


def manganese(rng, *, scale=1.0, step=0.1, low=630.0, high=664.0, n=1, **attrs):
    x = np.arange(low, high, step)
    truth = spectra.simulate(x, LINES, background=200.0, axis="binding_energy", name="counts", units="counts")
    counts = rng.poisson(np.tile(truth.counts.values * scale, (n, 1))).astype(float)
    dims, counts = ((), counts[0]) if n == 1 else (("scan",), counts)
    return spectra.from_arrays(
        x, counts, axis="binding_energy", name="counts", units="counts", dims=dims, attrs=ATTRS | attrs
    )


def told(dataset):
    return " ".join(text for step in history(dataset) for text in step.get("notes", ()))


class TestTooFewCounts:
    @pytest.mark.parametrize("background", ["linear", "shirley", "tougaard"])
    @pytest.mark.parametrize("seed", range(3))
    def test_a_few_counts_in_all(self, background, seed):
        """A tenth of a count per point: no number without a flag that says so."""
        few = manganese(np.random.default_rng(seed), scale=5e-4)
        fit = xps.deconvolve(few, states=STATES, background=background)
        assert {"weak_component", "undetermined", "background_not_converged"} & set(flag_names(fit))
        assert "few_counts" in flag_names(fit)

    @pytest.mark.parametrize("background", ["active_shirley", "active_linear", "linear"])
    def test_few_counts_in_a_series_are_marked_one_by_one(self, background):
        together = manganese(np.random.default_rng(3), n=3)
        together = together.assign(counts=together.counts.copy())
        together.counts[1] = np.random.default_rng(1).poisson(together.counts[1] * 2e-3)
        fit = xps.deconvolve(together, states=("Mn3+",), background=background)
        assert ["few_counts" in flag_names(fit, scan=i) for i in range(3)] == [False, True, False]
        said = fit.status.attrs["flag_explanations"].splitlines()
        few = said[fit.status.attrs["flag_meanings"].split().index("few_counts")]
        assert few.startswith(
            "Hardly anything was counted: fewer than 2 counts per point in the window, or all lines"
        )

    def test_the_audit_says_how_few(self, rng):
        weak = xps.deconvolve(
            manganese(rng, scale=4e-3), states=("Mn3+",), background="linear", position_range=0.0
        )
        found = xps.audit(weak).spectra.audit().of_rule("A32")
        assert "times the noise of a point there" in found[0].found

    def test_none_where_a_line_is_sought(self, rng):
        sought = xps.detection_limit(
            manganese(rng, scale=5e-4), line="Mn 2p", position=641.6, fwhm=1.8, splitting=11.65
        )
        assert "few_counts" in flag_names(sought)


@pytest.mark.parametrize("background", ["linear", "shirley", "tougaard"])
class TestZeroAndNegativeCounts:
    def test_zero_counts(self, background, rng):
        nothing = manganese(rng)
        nothing = nothing.assign(counts=nothing.counts * 0)
        fit = xps.deconvolve(nothing, states=STATES, background=background)
        assert set(flag_names(fit)) & {"background_not_converged", "undetermined"}
        assert np.isnan(fit.fraction).all()
        assert "few_counts" in flag_names(fit)

    def test_negative_counts(self, background, rng):
        wrong = manganese(rng)
        wrong = wrong.assign(counts=wrong.counts - 500.0)
        fit = xps.deconvolve(wrong, states=STATES, background=background)
        assert "negative_counts" in flag_names(fit)

    def test_they_do_not_touch_the_spectra_beside_them(self, background, rng):
        series = manganese(rng, n=3)
        spoiled = series.assign(counts=series.counts.copy())
        spoiled.counts[0], spoiled.counts[2] = 0.0, spoiled.counts[2] - 500.0
        alone = xps.deconvolve(series.isel(scan=1), states=STATES, background=background)
        fit = xps.deconvolve(spoiled, states=STATES, background=background)
        np.testing.assert_allclose(fit.fraction.isel(scan=1), alone.fraction, rtol=1e-6)
        assert flag_names(fit, scan=1) == flag_names(alone)


class TestCut:
    def test_a_region_that_begins_inside_a_line(self, rng):
        cut = xps.deconvolve(manganese(rng, low=641.0), states=STATES, background="shirley")
        assert {"end_on_slope", "background_falls", "background_not_converged"} & set(flag_names(cut))

    def test_a_window_that_ends_on_a_line(self, rng):
        cut = xps.subtract_background(manganese(rng), method="linear", window=(632.0, 652.5))
        assert "end_on_slope" in flag_names(cut)
        fit = xps.deconvolve(cut, states=("Mn3+",), one_line=True)
        assert any("flank of a line" in f.found for f in xps.audit(fit).spectra.audit().of_rule("A12"))

    def test_a_window_without_the_line(self, rng):
        sentence = (
            "the line 'Mn3\\+ 2p3/2' at 641.6 eV lies outside what is fitted, 645.0 to 660.0 eV: is this the"
        )
        with pytest.raises(InvalidInput, match=sentence):
            xps.deconvolve(manganese(rng), states=STATES, background="linear", window=(645.0, 660.0))


class TestWrongElement:
    def test_by_the_name_of_the_region(self, rng):
        with pytest.raises(
            InvalidInput, match="states Fe3\\+ are of Fe 2p, and this dataset is the region 'Mn 2p'"
        ):
            xps.deconvolve(manganese(rng), states=("Fe3+",), background="linear")

    def test_by_the_energies(self, rng):
        nameless = manganese(rng)
        del nameless.attrs["region"], nameless.attrs["element"]
        with pytest.raises(
            InvalidInput, match="lies outside what is fitted, 630.0 to 663.9 eV: is this the right region"
        ):
            xps.deconvolve(nameless, states=("Fe3+",), background="linear")

    def test_a_reference_of_another_element(self, rng):
        iron = manganese(rng).assign_coords(binding_energy=np.arange(630.0, 664.0, 0.1) + 70)
        with pytest.raises(InvalidInput, match="reference 'iron' runs from 700.0 to 733.9 eV"):
            xps.fit_references(manganese(rng), references={"iron": iron})


def test_a_partner_outside_the_window(rng):
    with pytest.raises(InvalidInput, match="the line 'Mn3\\+ 2p1/2' at 653.2 eV lies outside what is fitted"):
        xps.deconvolve(manganese(rng), states=("Mn3+",), background="linear", window=(632.0, 650.0))
    alone = xps.deconvolve(
        manganese(rng), states=("Mn3+",), background="linear", window=(632.0, 650.0), one_line=True
    )
    (finding,) = xps.audit(alone).spectra.audit().of_rule("A02")
    assert "outside the window of the fit" in finding.found
    assert xps.audit(alone, one_line=True).spectra.audit().of_rule("A02") == ()


class TestStep:
    def test_a_step_larger_than_a_third_of_a_width(self, rng):
        coarse = xps.deconvolve(manganese(rng, step=0.8), states=("Mn3+",), background="linear")
        (finding, *_) = xps.audit(coarse).spectra.audit().of_rule("A33")
        assert "step 0.8 eV, 0.4" in finding.found
        assert "coarse_step" in flag_names(coarse)
        assert "more than 33% of the width of a line" in coarse.status.attrs["flag_explanations"]

    def test_a_finer_one_is_not_marked(self, rng):
        fine = xps.deconvolve(manganese(rng, step=0.2), states=("Mn3+",), background="linear")
        assert xps.audit(fine).spectra.audit().of_rule("A33") == ()
        assert not {"coarse_step", "few_counts"} & set(flag_names(fine))


class TestPassEnergies:
    SENTENCE = "the spectra were measured with different pass energies (20, 50 eV): widths and areas are not comparable"

    @pytest.fixture
    def series(self, rng):
        together = manganese(rng, n=3)
        return together.assign_coords(pass_energy=("scan", [20.0, 50.0, 20.0], {"units": "eV"}))

    def test_every_verb_that_weighs_the_counts_says_so(self, series):
        fit = xps.deconvolve(series, states=("Mn3+",), background="linear")
        assert self.SENTENCE in told(fit)
        (finding,) = (f for f in xps.audit(fit).spectra.audit().of_rule("A36") if f.subject == "series")
        assert finding.found == "spectra of 20 and 50 eV pass energy in one series"
        references = {"a": series.isel(scan=0, drop=True)}
        assert self.SENTENCE in told(xps.fit_references(series, references=references))

    def test_spectra_measured_alike_are_not_marked(self, series):
        alike = series.assign_coords(pass_energy=("scan", [20.0, 20.0, np.nan]))
        assert "pass energies" not in told(xps.deconvolve(alike, states=("Mn3+",), background="linear"))

    def test_a_survey_and_a_region_of_one_file(self, data_dir):
        """Kratos: the survey at 160 eV, the region at 20 eV."""
        file = data_dir / "xps/lg4x/0-150W.vms"
        mixed = xps.read_series(file, select=("survey", "C 1s"), grid="intersection")
        assert any("different pass energies (20, 160 eV)" in note for note in notes_of(mixed))
        with pytest.raises(InvalidInput, match="measured with different pass energies"):
            xps.quantify(
                xps.read(file, select="C 1s"),
                regions={"O 1s": xps.read(file, select="survey")},
                windows={"C 1s": (280, 292), "O 1s": (520, 545)},
                background="linear",
            )
