"""Disorder of carbon: the measured pair, ratios that cover, sizes where formulas hold, and refusals where they do not."""

import numpy as np
import pytest

import raman
import spectra
from raman.carbon.crystallites import size_formula
from raman.carbon.end_line import EndLine
from raman.tables import load_table
from spectra.dataset import flag_names
from spectra.errors import InvalidInput
from spectra.verbs import history

X = np.arange(800.0, 2000.0, 3.0)


def soot(n=None, *, counts=None, noise=1.0, area=(3e4, 2e4), g_width=80.0, seed=1, **attrs):
    """D and G on a slope, simulated."""
    lines = {
        "D": {"shape": "lorentzian", "position": 1345.0, "area": area[0], "fwhm": 150.0},
        "G": {"shape": "lorentzian", "position": 1585.0, "area": area[1], "fwhm": g_width},
    }
    said = {"name": "counts", "units": "counts"} if counts else {"name": "intensity"}
    data = spectra.simulate(
        X,
        lines,
        background=50 + 0.01 * X,
        counts=counts,
        noise=noise,
        n=n,
        rng=seed,
        axis="raman_shift",
        attrs=attrs,
        **said,
    )
    return data.drop_vars([v for v in data if str(v) in ("counts_sigma", "intensity_sigma")])


class TestMeasured:
    """Two spectra of one carbon; numbers of a linear baseline through 900 to 960 and 1800 to 1900, by lmfit."""

    @pytest.mark.parametrize(
        ("file", "model", "d", "g", "height", "area"),
        [
            ("pos1", "two_bands", (1345.3, 196), (1578.3, 87), 1.00, 2.24),
            ("pos1", "five_bands", (1341.5, 152), (1576.7, 52), 1.77, 5.24),
            ("pos2", "two_bands", (1336.3, 196), (1576.8, 84), 1.34, 3.14),
            ("pos2", "five_bands", (1338.8, 153), (1582.3, 53), 1.91, 5.54),
        ],
    )
    def test_the_pair_gives_the_published_numbers(self, data_dir, file, model, d, g, height, area):
        data = raman.read(data_dir / "raman" / "carbon" / f"testDW38C_{file}.txt")
        by_height, by_area = (raman.carbon_disorder(data, measure=m, model=model) for m in ("height", "area"))
        assert by_height.id_ig_ratio.item() == pytest.approx(height, abs=0.0051)
        assert by_area.id_ig_ratio.item() == pytest.approx(area, abs=0.0051)
        for name, (position, width) in (("D1" if model == "five_bands" else "D", d), ("G", g)):
            band = by_height.sel(component=name)
            assert band.position.item() == pytest.approx(position, abs=0.051)
            assert band.fwhm.item() == pytest.approx(width, abs=0.8)

    def test_no_size_without_the_laser_that_the_files_do_not_name(self, data_dir):
        data = raman.read(data_dir / "raman" / "carbon" / "testDW38C_pos1.txt")
        with pytest.raises(
            InvalidInput, match="needs the wavelength of the laser, which the dataset does not say"
        ):
            raman.carbon_disorder(data, measure="area", size="cancado")
        found = raman.carbon_disorder(data, measure="area")
        assert "crystallite_size" not in found
        assert found.id_ig_ratio.attrs["laser_wavelength_nm"] == "not known"

    def test_five_bands_on_a_limit_are_flagged(self, data_dir):
        """The second spectrum does not determine D2 and D3: the ratio is that of the limits, and says so."""
        data = raman.read(data_dir / "raman" / "carbon" / "testDW38C_pos2.txt")
        found = raman.carbon_disorder(data, measure="height", model="five_bands")
        assert found.at_limit.sel(component="D3").item() == 1
        assert "at_bound" in flag_names(found)
        changes = {"D2": {"position": {"value": 1620.0, "min": 1580.0, "max": 1640.0}}}
        freer = raman.carbon_disorder(data, measure="height", model="five_bands", changes=changes)
        assert abs(freer.id_ig_ratio.item() - found.id_ig_ratio.item()) > 0.5


class TestRatio:
    @pytest.mark.parametrize("measure", ["height", "area"])
    @pytest.mark.parametrize("kind", ["noise", "counts"])
    def test_covers_the_truth(self, kind, measure):
        how = {"noise": 4.0} if kind == "noise" else {"counts": 2000, "noise": 0.0}
        data = soot(600, seed=3, **how)
        found = raman.carbon_disorder(data, measure=measure, baseline="linear")
        truth = 1.5 if measure == "area" else 1.5 * 80 / 150
        off = (found.id_ig_ratio - truth) / found.id_ig_ratio_sigma
        assert abs(float((abs(off) < 1).mean()) - 0.683) < 0.05
        assert abs(float(off.mean())) < 0.2

    @pytest.mark.parametrize("measure", ["height", "area"])
    def test_above_a_line_covers_what_the_line_gives(self, measure):
        """By the ends the ratio is that of a protocol: the sigma covers what it gives without noise."""
        data = soot(600, counts=2000, noise=0.0, seed=4)
        clean = data.isel(scan=0).assign(counts=data.true_curve.isel(scan=0).assign_attrs(units="counts"))
        expected = raman.carbon_disorder(clean, measure=measure, weights="poisson").id_ig_ratio.item()
        found = raman.carbon_disorder(data, measure=measure)
        off = (found.id_ig_ratio - expected) / found.id_ig_ratio_sigma
        assert 0.63 <= float((abs(off) < 1).mean()) <= 0.80
        assert abs(float(off.mean())) < 0.35

    @pytest.mark.parametrize("measure", ["height", "area"])
    def test_the_systematic_is_of_the_size_of_what_the_line_takes(self, measure):
        truth = 1.5 if measure == "area" else 1.5 * 80 / 150
        found = raman.carbon_disorder(soot(noise=0.5), measure=measure)
        distance = abs(found.id_ig_ratio.item() - truth)
        assert distance < 1.5 * found.id_ig_ratio_systematic.item() + 3 * found.id_ig_ratio_sigma.item()
        fitted = raman.carbon_disorder(soot(noise=0.5), measure=measure, baseline="linear")
        assert "id_ig_ratio_systematic" not in fitted
        assert fitted.id_ig_ratio.item() == pytest.approx(truth, abs=4 * fitted.id_ig_ratio_sigma.item())

    def test_agrees_with_its_bands(self):
        for measure in ("height", "area"):
            found = raman.carbon_disorder(soot(3), measure=measure)
            by_hand = found[measure].sel(component="D") / found[measure].sel(component="G")
            np.testing.assert_allclose(found.id_ig_ratio, by_hand, rtol=1e-9)
        assert "id_ig_ratio" not in found.parameter.values

    def test_the_convention_travels_with_it(self, tmp_path):
        found = raman.carbon_disorder(soot(laser_wavelength=532.0), measure="height")
        said = spectra.load(found.spectra.save(tmp_path / "soot.nxs")).id_ig_ratio.attrs
        assert said["measure"] == "height"
        assert said["model"] == "two_bands"
        assert "900.0, 960.0" in said["baseline"]
        assert float(said["laser_wavelength_nm"]) == 532.0
        assert {"baseline", "net"} <= set(found)

    def test_a_net_that_is_there_is_taken(self):
        data = soot()
        data["net"] = data.intensity - data.true_background
        found = raman.carbon_disorder(data, measure="area")
        assert found.id_ig_ratio.item() == pytest.approx(1.5, abs=5 * found.id_ig_ratio_sigma.item())

    def test_to_lmfit_still_works(self):
        found = raman.carbon_disorder(soot(), measure="area")
        peer = spectra.to_lmfit(found)
        assert peer.params["d_area"].value == pytest.approx(found.area.sel(component="D").item(), rel=1e-4)


class TestSize:
    @pytest.mark.parametrize(
        ("formula", "measure", "laser", "ratio", "size"),
        [
            ("tuinstra-koenig", "height", 514.5, 1.0, 4.4),
            ("tuinstra-koenig", "height", 514.5, 0.1, 44.0),
            ("cancado", "area", 488.0, 1.0, 13.6),
            ("cancado", "area", 514.5, 1.0, 16.8),
            ("cancado", "area", 532.0, 1.0, 19.2),
            ("cancado", "area", 632.8, 1.0, 38.5),
            ("ferrari-robertson", "height", 514.5, 2.2, 2.0),
            ("ferrari-robertson", "height", 514.5, 0.55, 1.0),
        ],
    )
    def test_is_that_of_the_formula(self, formula, measure, laser, ratio, size):
        found, sigma = raman.crystallite_size(
            ratio, formula=formula, measure=measure, laser_wavelength=laser, ratio_sigma=0.01 * ratio
        )
        assert float(found) == pytest.approx(size, rel=5e-3)
        assert float(sigma) == pytest.approx(
            float(found) * (0.005 if formula == "ferrari-robertson" else 0.01)
        )

    def test_both_regimes_meet_at_two_nanometres(self):
        falling, rising = (size_formula(n) for n in ("tuinstra-koenig", "ferrari-robertson"))
        assert falling(np.array(2.2), 514.5) == pytest.approx(2.0)
        assert rising(np.array(2.2), 514.5) == pytest.approx(2.0)

    @pytest.mark.parametrize(
        ("formula", "measure", "laser", "sentence"),
        [
            ("cancado", "height", 532.0, "cancado takes the ratio of areas"),
            ("tuinstra-koenig", "area", 514.5, "takes the ratio of heights"),
            (
                "tuinstra-koenig",
                "height",
                532.0,
                "holds for lasers from 510 to 519 nm, and this one has 532 nm",
            ),
            ("cancado", "area", 785.0, "holds for lasers from 458 to 647 nm, and this one has 785 nm"),
            ("ferrari-robertson", "height", None, "needs the wavelength of the laser"),
            ("cancado", "area", 5.0, "must lie between 100 and 2000 nm"),
        ],
    )
    def test_is_refused_outside(self, formula, measure, laser, sentence):
        with pytest.raises(InvalidInput, match=sentence):
            raman.carbon_disorder(soot(), measure=measure, size=formula, laser_wavelength=laser)

    def test_a_ratio_outside_the_sizes_is_flagged_and_holds_no_number(self):
        data = soot(area=(6e4, 1e4))
        found = raman.carbon_disorder(data, measure="height", size="tuinstra-koenig", laser_wavelength=514.5)
        assert found.id_ig_ratio.item() > 2.2
        assert np.isnan(found.crystallite_size.item())
        assert np.isnan(found.crystallite_size_sigma.item())
        assert "size_outside_range" in flag_names(found)

    def test_below_32_nm_it_is_disputed(self):
        data = soot(laser_wavelength=532.0)
        small = raman.carbon_disorder(data, measure="area", size="cancado")
        assert small.crystallite_size.item() < 32
        assert "size_conflicting" in flag_names(small)
        large = raman.carbon_disorder(
            soot(area=(5e3, 2e4)), measure="area", size="cancado", laser_wavelength=532.0, baseline="linear"
        )
        assert large.crystallite_size.item() > 32
        assert "size_conflicting" not in flag_names(large)

    def test_wide_bands_are_called_amorphous_and_unchecked_constants_named(self):
        data = soot(g_width=130.0)
        found = raman.carbon_disorder(
            data, measure="height", size="ferrari-robertson", laser_wavelength=514.5, baseline="linear"
        )
        assert "amorphous" in flag_names(found)
        assert any(
            "constant of ferrari-robertson is to be verified" in t for t in history(found)[-1]["notes"]
        )
        assert found.crystallite_size.attrs["constant_status"] == "to-verify"

    def test_every_number_of_the_table_has_source_and_status(self):
        table = load_table("carbon")
        for row in table["formula"]:
            for key in ("constant", "laser", "size"):
                assert row[key]["source"]
                assert row[key]["status"] in {"read", "secondary", "to-verify", "chosen", "computed"}


class TestEndLine:
    def test_recovers_a_line_and_leaves_gaps_out(self, frozen, rng):
        line = EndLine(X, (900.0, 960.0), (1800.0, 1900.0))
        truth = 3.0 + 0.02 * X
        y = np.stack([truth, truth])
        y[1, (X > 930) & (X < 960)] = np.nan
        np.testing.assert_allclose(line(frozen(y)), np.stack([truth, truth]), rtol=1e-10)

    def test_its_moves_are_its_scatter(self, rng):
        line = EndLine(X, (900.0, 960.0), (1800.0, 1900.0))
        y = rng.normal(scale=2.0, size=(3000, X.size))
        scatter = line(y).std(0)
        for sigma in (None, np.full(X.size, 2.0)):
            stated = np.sqrt(sum((m**2).mean(0) for m in line.moves(y, sigma)))
            np.testing.assert_allclose(stated, scatter, rtol=0.08)

    def test_needs_points(self):
        with pytest.raises(InvalidInput, match="needs 3 points at its high end, 2100 to 2200 1/cm"):
            EndLine(X, (900.0, 960.0), (2100.0, 2200.0))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "needs 'measure'"),
        ({"measure": "width"}, "height.*area"),
        ({"measure": "area", "window": (1400.0, 1700.0), "baseline": "linear"}, "does not hold D: widen the window"),
        ({"measure": "area", "baseline": "linear", "ends": ((900.0, 960.0), (1800.0, 1900.0))}, "ends belongs to"),
        ({"measure": "height", "shape": "pseudo_voigt"}, "a ratio of heights needs"),
        ({"measure": "area", "ends": ((2000.0, 2100.0), (1800.0, 1900.0))}, "needs 3 points at its low end"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_with_a_sentence(options, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        raman.carbon_disorder(soot(), **options)
