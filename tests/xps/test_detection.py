"""Lines that are not seen: false alarms, overlooked lines and upper limits occur as often as stated."""

from __future__ import annotations

import numpy as np
import pytest

import spectra
import xps
from spectra.dataset import flag_names
from spectra.errors import InvalidInput
from xps.quantities.seeking import Sought, line_limits

MN = np.arange(630.0, 666.0, 0.2)
NA = np.arange(1060.0, 1084.0, 0.1)
MN2P = {"line": "Mn 2p", "position": 642.0}
NA1S = {"line": "Na 1s", "position": 1071.5, "fwhm": 1.6}


def measured(x, mean, rng, n=None, **attrs):
    y = rng.poisson(mean, np.shape(mean) if n is None else (n, x.size))
    stored = {"technique": "xps", "photon_energy": 1486.6, **attrs}
    dims = () if n is None else ("scan",)
    return spectra.from_arrays(
        x, y, axis="binding_energy", name="counts", units="counts", dims=dims, attrs=stored
    )


def line(x, area, at=642.0):
    return area * Sought.of("Mn 2p", at, None, None).curve(x, at)


def sloping(x, level):
    return level * (1 + 0.01 * (x - x[0]))


@pytest.mark.parametrize("level", [3.0, 40.0, 2000.0])
class TestProbabilities:
    n = 2000

    def result(self, rng, level, area=0.0, **options):
        data = measured(MN, sloping(MN, level) + line(MN, area), rng, self.n)
        return xps.detection_limit(data, **MN2P, **options)

    def close(self, share, expected):
        assert abs(share - expected) < 3.5 * np.sqrt(expected * (1 - expected) / self.n) + 0.006

    def test_false_alarms_and_overlooked_lines(self, rng, level):
        nothing = self.result(rng, level)
        self.close(float(nothing.detected.mean()), 0.05)
        limit = float(nothing.detection_limit.mean())
        there = self.result(rng, level, limit)
        self.close(1 - float(there.detected.mean()), 0.05)
        self.close(float((there.upper_limit < limit).mean()), 0.05)

    def test_the_area_has_the_sigma_that_is_stated(self, rng, level):
        for area in (0.0, 60 * np.sqrt(level)):
            found = self.result(rng, level, area)
            inside = float((np.abs(found.sought_area - area) < found.sought_area_sigma).mean())
            assert 0.63 < inside < 0.73
            assert abs(float(found.sought_area.mean()) - area) < 0.1 * float(found.sought_area_sigma.mean())

    def test_other_probabilities(self, rng, level):
        strict = self.result(rng, level, false_alarm=0.01)
        self.close(float(strict.detected.mean()), 0.01)

    def test_a_line_that_may_lie_elsewhere_needs_to_be_larger(self, rng, level):
        searched = self.result(rng, level, position_range=2.0)
        assert float(searched.detected.mean()) < 0.085  # at 3 counts a point, Rice's formula is rough
        fixed = self.result(rng, level)
        assert float(searched.detection_limit.mean()) > float(fixed.detection_limit.mean())
        moved = measured(MN, sloping(MN, level) + line(MN, 90 * np.sqrt(level), at=643.4), rng)
        found = xps.detection_limit(moved, position_range=2.0, **MN2P)
        assert int(found.detected) == 1
        assert float(found.sought_position) == pytest.approx(643.4, abs=1.0)


class TestKernel:
    def test_without_noise_it_is_exact(self):
        y = sloping(MN, 500.0) + line(MN, 800.0)
        curve = [line(MN, 1.0)]
        found = line_limits(MN, y, y, curve, np.array([642.0]), width=3.2)
        assert float(found.area) == pytest.approx(800.0, rel=1e-6)

    def test_sigma_is_that_of_the_obvious_way(self):
        """Weighted linear least squares written out for one spectrum."""
        y = sloping(MN, 500.0)
        found = line_limits(MN, y, y, [line(MN, 1.0)], np.array([642.0]), width=3.2)
        t = MN - MN.mean()
        design = np.stack([line(MN, 1.0), np.ones_like(t), t], 1)
        covariance = np.linalg.inv(design.T @ (design / y[:, None]))
        assert float(found.sigma) == pytest.approx(np.sqrt(covariance[0, 0]), rel=1e-6)
        assert float(found.decision) == pytest.approx(1.644854 * np.sqrt(covariance[0, 0]), rel=1e-6)

    def test_points_that_are_missing_are_left_out(self):
        y = sloping(MN, 500.0) + line(MN, 800.0)
        y[[3, 60]] = np.nan
        found = line_limits(MN, y, y, [line(MN, 1.0)], np.array([642.0]), width=3.2)
        assert float(found.area) == pytest.approx(800.0, rel=1e-6)

    def test_nothing_counted_at_all(self):
        """No counts in a window: Currie's 2.71 counts, here as an area."""
        found = line_limits(MN, 0 * MN, 0 * MN, [line(MN, 1.0)], np.array([642.0]), width=3.2)
        assert 0 < float(found.detection) < 10
        assert found.few


class TestCases:
    def test_case_a_manganese_on_lithium(self, rng):
        """Simulated: no Mn 2p on lithium metal after cycling is a number of atoms, not none."""
        li = np.arange(45.0, 66.0, 0.1)
        li1s = measured(
            li,
            400 + 9000 * np.exp(-(((li - 55.3) / 1.0) ** 2)),
            rng,
            region="Li 1s",
            dwell_time=0.5,
            pass_energy=20.0,
        )
        o = np.arange(520.0, 540.0, 0.1)
        o1s = measured(
            o,
            3000 + 60000 * np.exp(-(((o - 531.5) / 1.0) ** 2)),
            rng,
            region="O 1s",
            dwell_time=0.5,
            pass_energy=20.0,
        )
        mn = measured(
            MN, sloping(MN, 8000.0), rng, region="Mn 2p", dwell_time=0.5, sweeps=4, pass_energy=20.0
        )
        found = xps.detection_limit(mn, regions={"Li 1s": li1s, "O 1s": o1s}, background="linear", **MN2P)
        assert 1e-5 < float(found.detection_limit_fraction) < 5e-3
        assert float(found.upper_limit_fraction) < float(found.detection_limit_fraction) * 1.6
        assert float(found.sought_fraction_sigma) > 0
        seconds = 0.5 * 4
        expected = float(found.detection_limit) / seconds / (13.914 * ((1486.6 - 638.7) / 1000) ** 0.75)
        others = [
            (float(a.sum() - 0), s * ((1486.6 - e) / 1000) ** 0.75)
            for a, s, e in (
                ((li1s.counts - 400) * 0.1 / 0.5, 0.05679, 54.7),
                ((o1s.counts - 3000) * 0.1 / 0.5, 2.931, 530.0),
            )
        ]
        rest = sum(a / s for a, s in others)
        assert float(found.detection_limit_fraction) == pytest.approx(expected / (expected + rest), rel=0.03)

    def test_case_b_sodium_that_appears(self, rng):
        """Simulated: none at first, sharp after discharge."""
        shape = np.exp(-(((NA - 1071.5) / 0.96) ** 2))
        mean = sloping(NA, 5000.0) + np.array([0.0, 0.0, 60.0, 2500.0])[:, None] * shape
        states = measured(NA, mean, rng, n=4, region="Na 1s")
        found = xps.detection_limit(states, **NA1S)
        assert found.detected.values[-1] == 1
        assert found.detected.values[:2].tolist() == [0, 0]
        weak = float(found.sought_area[2])
        assert weak == pytest.approx(60 * 0.96 * np.pi**0.5, abs=4 * float(found.sought_area_sigma[2]))

    def test_nickel_in_a_measured_film(self, data_dir):
        """Five regions of one file: Ni 2p is at the edge of being seen, and the limit says so."""
        file = data_dir / "xps" / "lg4x" / "0-150W.vms"
        regions = dict.fromkeys(("W 4f", "O 1s", "C 1s"), str(file))
        windows = {"W 4f": (28.0, 45.0), "O 1s": (526.0, 538.0), "C 1s": (280.0, 292.0)}
        found = xps.detection_limit(
            xps.read(file, select="Ni 2p"), line="Ni 2p", position=853.0, fwhm=2.5, splitting=17.3,
            position_range=1.5, window=(843.0, 885.0), degree=2, regions=regions, windows=windows, background="shirley",
        )  # fmt: skip
        assert 0 < float(found.detection_limit_fraction) < 0.2
        assert found.sought_fraction.attrs["transmission"] == "of the file"

    def test_a_series_is_lazy_and_runs_again(self, rng, tmp_path):
        from spectra.results.rerun import rerun

        data = measured(NA, sloping(NA, 500.0), rng, n=4, dwell_time=1.0)
        regions = {"O 1s": {"area": 9000.0, "area_sigma": 90.0, "photon_energy": 1486.6, "seconds": 1.0}}
        eager = xps.detection_limit(data, regions=regions, **NA1S)
        lazy = xps.detection_limit(data.chunk(scan=2), regions=regions, **NA1S)
        assert lazy.detection_limit.chunks is not None
        np.testing.assert_allclose(lazy.detection_limit_fraction.compute(), eager.detection_limit_fraction)
        report = rerun(eager.spectra.save(tmp_path / "na.nxs"))
        assert report.identical, report

    def test_stated_uncertainties_serve_too(self, rng):
        y = sloping(NA, 500.0)
        data = spectra.from_arrays(NA, rng.normal(y, 11.0), axis="binding_energy", name="intensity", units="")
        data["intensity_sigma"] = ("binding_energy", np.full(NA.size, 11.0), {"units": ""})
        counted = measured(NA, np.full(NA.size, 121.0), rng)
        ours, theirs = (xps.detection_limit(d, **NA1S) for d in (data, counted))
        assert float(ours.decision_limit) == pytest.approx(float(theirs.decision_limit), rel=0.03)


class TestBadInput:
    def test_structure_is_flagged(self, rng):
        other = measured(MN, sloping(MN, 2000.0) + 600 * np.exp(-(((MN - 634) / 1.0) ** 2)), rng)
        assert "background_not_smooth" in flag_names(xps.detection_limit(other, **MN2P))

    def test_few_counts_are_flagged(self, rng):
        assert "few_counts" in flag_names(
            xps.detection_limit(measured(MN, np.full(MN.size, 0.2), rng), **MN2P)
        )

    def test_a_lost_spectrum_is_flagged(self, rng):
        data = measured(MN, np.full(MN.size, 50.0), rng, n=3)
        data["counts"] = data.counts.astype(float)
        data.counts[1] = np.nan
        found = xps.detection_limit(data, **MN2P)
        assert flag_names(found, scan=1) == ["no_limit"]
        assert np.isfinite(found.detection_limit).values.tolist() == [True, False, True]
        assert found.detected.values[1] == 0

    @pytest.mark.parametrize(
        ("options", "sentence"),
        [
            ({"line": "Na 1s"}, "no width of Na 1s is in the table: give fwhm"),
            ({"fwhm": -1.0}, "fwhm must be above 0"),
            ({"position": 631.0}, r"the line at 631 ± 0 eV, 3.2 eV wide, does not lie inside 630.0 to 665.8"),
            ({"position": 528.0}, "is this the right region"),
            ({"position_range": -1.0}, "position_range must not be negative"),
            ({"false_alarm": 0.7}, "false_alarm is a probability between 0 and 0.5, got 0.7"),
            ({"missed": 0.0}, "missed is a probability"),
            ({"line": "Mn 2p3/2", "splitting": 11.6}, "is one line and has no splitting"),
            (
                {"window": (640.0, 640.4), "fwhm": 0.01, "position": 640.2},
                "the window holds [23] points, and 13 are needed",
            ),
            (
                {"regions": {"Mn 3s": {"area": 1.0, "photon_energy": 1486.6}}},
                "regions holds another line of Mn",
            ),
            ({"degree": 7}, "degree must be"),
        ],
    )
    def test_sentences(self, rng, options, sentence):
        data = measured(MN, np.full(MN.size, 50.0), rng)
        with pytest.raises(InvalidInput, match=sentence):
            xps.detection_limit(data, **{**MN2P, **options})

    def test_intensities_without_statistics_have_no_limit(self):
        data = spectra.from_arrays(MN, MN, axis="binding_energy", name="intensity", units="")
        with pytest.raises(InvalidInput, match="a detection limit needs counting statistics"):
            xps.detection_limit(data, **MN2P)

    def test_a_doublet_that_no_table_knows_is_one_line(self, rng):
        data = measured(MN, np.full(MN.size, 50.0), rng)
        found = xps.detection_limit(data, line="Sn 3p", position=645.0, fwhm=3.0)
        assert any("it was looked for as one line" in n for n in found.spectra.history[-1]["notes"])
