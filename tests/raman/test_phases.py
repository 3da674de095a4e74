"""Band sets ranked: published sets, every phase simulated and sought blindly, mixtures, heating, what is not known."""

import numpy as np
import pytest

import raman
import spectra
from raman.bands.seeking import find_peaks, noise_size
from raman.bands.table import list_phases
from spectra.dataset import flag_names
from spectra.errors import InvalidInput
from spectra.verbs import history

HEIGHT = {"s": 30.0, "m": 15.0, "": 15.0, "w": 7.0, "sh": 10.0}
PHASES = [p for p in list_phases().values() if not p.same_as]


def simulated(*phases, rng, shares=(1.0, 1.0, 1.0), noise=0.3, n=None):
    """Bands of phases, each moved inside its range, on fluorescence; simulated from the table."""
    reach = 1100.0 if max(p.bands[-1].position for p in phases) < 1050 else 2000.0
    lines = {
        f"{p.name} {b.name}": {
            "shape": b.shape or "lorentzian",
            "position": b.position
            + rng.uniform(-0.7, 0.7) * min(b.position - b.range[0], b.range[1] - b.position),
            "area": np.pi / 2 * b.fwhm * HEIGHT[b.intensity] * share,
            "fwhm": b.fwhm,
        }
        for p, share in zip(phases, shares, strict=False)
        for b in p.bands
    }
    x = np.arange(100.0, reach, 1.0)
    return spectra.simulate(
        x, lines, background=60 * np.exp(-x / 900), noise=noise, rng=rng, n=n, axis="raman_shift"
    )


def judged(data, **options):
    found = raman.fit_bands(data, raman.seek_bands(data), baseline="cubic")
    return raman.rank_phases(found, **options)


class TestPublished:
    def test_the_set_of_the_heterophase_is_v2o5_and_not_v2o3(self):
        """408, 522, 690 and 994, printed for V2O3 (10.1002/advs.202205575): the family of V2O5, V2O3 not supported."""
        ranking = raman.identify_phases((408, 522, 690, 994))
        assert ranking.best.phase.name == "v2o5"
        assert ranking.best.support == "supported"
        assert [b.position for b in ranking.best.missing] == [483.0]
        assert ranking.together == ("v2o5",)
        assert ranking.unexplained == ()
        v2o3 = ranking.match("v2o3")
        assert (v2o3.support, v2o3.score, v2o3.pairs) == ("not supported", 0.0, ())
        assert any("to be verified" in text for text in ranking.warnings)

    def test_with_its_carbon(self):
        ranking = raman.identify_phases((408, 522, 690, 994, 1350.3, 1586.5))
        assert ranking.together == ("v2o5", "carbon")

    def test_the_spinel_is_disordered_before_ordered(self):
        ranking = raman.identify_phases((398, 491, 590, 633), window=(350, 700))
        assert ranking.best.phase.name == "lnmo-disordered"
        assert ranking.best.unchecked == ()
        assert raman.identify_phases((483, 580, 625)).best.phase.name == "limn2o4"


class TestSimulated:
    @pytest.mark.parametrize("phase", PHASES, ids=lambda p: p.name)
    def test_every_phase_comes_first_when_sought_blindly(self, phase, rng):
        found = judged(simulated(phase, rng=rng))
        evidence = raman.phase_evidence(found)
        assert evidence.best.phase.name == phase.name
        assert evidence.together == (phase.name,)
        assert evidence.unexplained == ()
        assert float(found.phase_score.sel(phase=phase.name)) == pytest.approx(evidence.best.score)

    @pytest.mark.long
    def test_it_comes_first_in_nearly_every_draw(self, rng):
        """Five draws of each phase, shifts within 0.7 of its ranges: at least 95 % come first."""
        right = [
            raman.phase_evidence(judged(simulated(phase, rng=rng))).best.phase.name == phase.name
            for phase in PHASES
            for _ in range(5)
        ]
        assert np.mean(right) >= 0.95

    @pytest.mark.parametrize(
        "pair",
        [("v2o5", "carbon"), ("limn2o4", "li2co3"), ("licoo2", "carbon"), ("v2o5", "v2o3")],
        ids="+".join,
    )
    def test_mixtures_are_explained_together(self, pair, rng):
        phases = [list_phases()[name] for name in pair]
        evidence = raman.phase_evidence(judged(simulated(*phases, rng=rng)))
        assert set(evidence.together) == set(pair)

    def test_a_table_shows_what_explains_each_spectrum(self, rng, tmp_path):
        data = simulated(list_phases()["licoo2"], list_phases()["carbon"], rng=rng, n=2)
        found = judged(data)
        assert set(found.explained_by.values[0].split(" + ")) == {"licoo2", "carbon"}
        assert {"licoo2", "carbon"} <= set(found.phase.values)
        assert 3 <= found.sizes["phase"] < 8
        table = found.spectra.table()
        assert table.explained_by.tolist() == [found.explained_by.values[0]] * len(table)
        again = spectra.load(found.spectra.save(tmp_path / "phases.nxs"))
        assert again.explained_by.values.tolist() == found.explained_by.values.tolist()
        chosen = raman.rank_phases(found, phases=("vo2", "silicon"))
        assert chosen.phase.values.tolist() == ["vo2", "silicon"]

    def test_a_heating_product_is_flagged(self, rng):
        mixture = simulated(list_phases()["alpha-mno2"], list_phases()["mn3o4"], rng=rng)
        found = judged(mixture)
        assert "laser_heating" in flag_names(found)
        said = raman.phase_evidence(found).warnings
        assert any("mn3o4 forms under the laser from" in text for text in said)
        cold = judged(simulated(list_phases()["alpha-mno2"], rng=rng))
        assert "laser_heating" not in flag_names(cold)
        acetylide = raman.identify_phases((1090.0, 1845.0))
        assert acetylide.together == ("acetylide", "li2co3") or set(acetylide.together) == {
            "acetylide",
            "li2co3",
        }
        assert any("li2co3" in text and "less power" in text for text in acetylide.warnings)


class TestRules:
    def test_only_bands_inside_the_spectrum_are_missing(self):
        narrow = raman.identify_phases((994.0, 701.0), window=(650, 1050)).match("v2o5")
        wide = raman.identify_phases((994.0, 701.0), window=(100, 1050)).match("v2o5")
        assert narrow.missing == ()
        assert len(narrow.unreached) == 6
        assert len(wide.missing) == 6
        assert narrow.score > wide.score

    def test_one_band_of_many_supports_nothing_and_one_of_one_is_no_proof(self):
        assert raman.identify_phases((994.0,)).match("v2o5").support == "not supported"
        assert raman.identify_phases((520.4,)).match("silicon").support == "possible"
        assert raman.identify_phases((520.4,)).together == ("silicon",)

    def test_a_band_of_another_width_is_another_band(self):
        sharp, wide = (raman.identify_phases((1845.0,), fwhm=(w,)) for w in (10.0, 300.0))
        assert sharp.together == ("acetylide",)
        assert wide.together == ()
        assert wide.unexplained == (1845.0,)

    def test_bands_pair_one_to_one(self):
        match = raman.identify_phases((588.0, 591.0), phases=("lnmo",)).match("lnmo")
        assert len(match.pairs) == 1

    def test_the_table_shows_the_evidence(self):
        table = raman.identify_phases((408, 522, 690, 994), phases=("v2o5", "v2o3", "vo2")).table()
        assert table.phase.tolist()[0] == "v2o5"
        assert "690 (701 -11.0)" in table.matched[0]
        assert table.missing[0] == "483"
        assert table.set_index("phase").loc["v2o3", "unexplained"] == "408, 522, 690, 994"

    def test_a_spectrum_without_bands_is_flagged(self):
        x = np.arange(300.0, 800.0)
        empty = np.random.default_rng(3).normal(100.0, 2.0, (2, x.size))
        empty[1] += 900 / (1 + ((x - 590) / 8) ** 2)
        data = spectra.from_arrays(x, empty, axis="raman_shift", dims=("scan",))
        found = raman.rank_phases(raman.fit_bands(data, (590.0,), significance=6.0), phases=("licoo2",))
        assert flag_names(found, scan=0)[-1] == "no_bands"
        assert np.isnan(found.phase_score.values[0]).all()
        assert "no_bands" not in flag_names(found, scan=1)
        with pytest.raises(InvalidInput, match="no band stands out"):
            raman.phase_evidence(found, scan=0)

    def test_scores_on_unchecked_positions_are_named(self, rng):
        found = judged(simulated(list_phases()["mn2o3"], rng=rng), phases=("mn2o3", "vo2"))
        (note,) = history(found)[-1]["notes"]
        assert "mn2o3" in note
        assert "vo2" not in note


class TestSeeking:
    def test_bands_and_widths_are_found(self, rng):
        x = np.arange(200.0, 1200.0, 1.5)
        lines = {
            str(p): {"shape": "lorentzian", "position": p, "area": 15.0 * w * np.pi, "fwhm": w}
            for p, w in ((300.0, 8.0), (520.0, 15.0), (560.0, 15.0), (900.0, 60.0))
        }
        data = spectra.simulate(x, lines, background=0.05 * x, noise=0.5, rng=rng, axis="raman_shift")
        found = find_peaks(x, data.intensity.values)
        np.testing.assert_allclose(found.position, [300, 520, 560, 900], atol=2.0)
        np.testing.assert_allclose(found.fwhm, [8, 15, 15, 60], rtol=0.25)
        tables = raman.seek_bands(data)
        assert [t["name"] for t in tables] == [f"{p:.0f}" for p in found.position]
        fitted = raman.fit_bands(data, tables)
        assert (fitted.found.values[:4] == 1).all()

    def test_noise_and_slopes_are_no_bands(self, rng):
        x = np.arange(200.0, 1200.0)
        false = [
            find_peaks(x, 500 * np.exp(-x / 700) + rng.normal(size=x.size)).position.size for _ in range(40)
        ]
        assert np.mean(false) <= 0.05

    def test_noise_is_measured_under_bands(self, rng):
        x = np.arange(0.0, 1000.0)
        y = 50 / (1 + ((x - 500) / 15) ** 2) + rng.normal(scale=2.0, size=x.size)
        assert noise_size(y) == pytest.approx(2.0, rel=0.1)

    def test_a_series_is_sought_in_its_mean(self, rng):
        data = simulated(list_phases()["licoo2"], rng=rng, n=3)
        assert len(raman.seek_bands(data, window=(400, 700))) == 2


class TestBadInput:
    @pytest.mark.parametrize(
        ("call", "sentence"),
        [
            (lambda: raman.identify_phases(()), "one or more numbers"),
            (lambda: raman.identify_phases((400, np.nan)), "one or more numbers"),
            (lambda: raman.identify_phases((400, 500), sigma=(1.0,)), "sigma must be 2 numbers"),
            (lambda: raman.identify_phases((400, 500), strengths=(1.0, -1.0)), "strengths must be 2 numbers"),
            (lambda: raman.identify_phases((400,), phases=("v2o",)), "did you mean"),
            (lambda: raman.identify_phases((400,), phases=("vo2",)).match("lnmo"), "lnmo-disordered was no candidate"),
            (lambda: raman.seek_bands(spectra.from_arrays(range(30), range(30))), "works along raman_shift"),
        ],
    )  # fmt: skip
    def test_is_refused_with_a_sentence(self, call, sentence):
        with pytest.raises(InvalidInput, match=sentence):
            call()

    def test_of_the_verb(self, rng):
        data = simulated(list_phases()["licoo2"], rng=rng, n=2)
        with pytest.raises(InvalidInput, match="which raman.fit_bands adds"):
            raman.rank_phases(data)
        with pytest.raises(InvalidInput, match="call it first"):
            raman.phase_evidence(data)
        found = raman.fit_bands(data, "licoo2")
        with pytest.raises(InvalidInput, match="reach must be more than 0"):
            raman.rank_phases(found, reach=0.0)
        with pytest.raises(InvalidInput, match="takes one spectrum; choose it along scan"):
            raman.phase_evidence(found)
        with pytest.raises(InvalidInput, match="seek_bands needs 20 points"):
            raman.seek_bands(data, window=(500, 510))
        with pytest.raises(InvalidInput, match="no variable 'nett'"):
            raman.seek_bands(data, variable="nett")
