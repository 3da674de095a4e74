"""The Raman axis calibrated: known distortions found again, sigmas that cover, disagreement said, bad input refused."""

import json

import numpy as np
import pytest

import raman
import spectra
from raman.axis.calibration import AxisCalibration
from raman.axis.line_matching import match_lines
from raman.axis.line_positions import find_lines
from raman.reading.wavelengths import raman_shift, vacuum_wavelength
from raman.tables import load_table
from spectra.dataset import flag_names

TABLE = {s["name"]: s for s in load_table("calibration_lines")["standard"]}
SILICON = 520.45


def values(name):
    return np.array([line["value"] for line in TABLE[name]["lines"]])


def pixels(n=1000, low=100.0, high=1900.0):
    """Axis as the spectrometer states it, and as it is: off by some 1/cm, bent, never backwards."""
    stated = np.linspace(low, high, n)
    t = (stated - 1000) / 900
    return stated, stated - 2.0 + 1.2 * t + 0.8 * t**2


def measured(rng, name, *, laser=785.0, true_laser=785.0, counts=4000.0, width=5.0, axis=None, shift=0.0):
    """Spectrum of a standard on a bent axis, the laser off what it is called; strengths of lines at random."""
    stated, true = axis or pixels()
    true = true + 1e7 / true_laser - 1e7 / laser  # what the axis, made for the called laser, shows of shifts
    if name == "neon":
        places = raman_shift(vacuum_wavelength(values("neon")), true_laser)
    else:
        places = values(name) + shift
    y = np.full(stated.size, 60.0)
    for at in places:
        strength = counts * (1.0 if places.size == 1 else rng.uniform(0.1, 1.0))
        y += strength * np.exp(-4 * np.log(2) * ((true - at) / width) ** 2)
    data = spectra.from_arrays(
        stated, rng.poisson(y), axis="raman_shift", attrs={"technique": "raman", "laser_wavelength": laser}
    )
    return data, true


def test_wavelengths_in_air_and_vacuum():
    """Vacuum wavelengths and shifts of the reference's table, which was computed apart from this."""
    air = [540.0562, 585.2488, 640.2248, 794.3181, 837.7607, 849.5360, 914.8672]
    vacuum = [540.2063, 585.4110, 640.4018, 794.5366, 837.9909, 849.7694, 915.1183]
    np.testing.assert_allclose(vacuum_wavelength(air), vacuum, atol=6e-5)
    np.testing.assert_allclose(raman_shift(vacuum[1:3], 532.0), [1715.0, 3181.8], atol=0.06)
    np.testing.assert_allclose(raman_shift(vacuum[4:6], 785.0), [805.6, 971.0], atol=0.06)


def test_the_table_says_where_every_line_is_from():
    for standard in TABLE.values():
        assert standard["kind"] in {"lamp", "shift"}
        assert standard["uncertainty"]["unit"] == standard["unit"]
        for line in standard["lines"]:
            assert line.get("status", standard["status"]) in {"read", "secondary", "to-verify"}
        assert (np.diff(values(standard["name"])) > 0).all() if len(standard["lines"]) > 1 else True
    assert values("silicon") == [SILICON]
    assert len(values("neon")) == 40
    assert (len(values("polystyrene")), len(values("cyclohexane")), len(values("paracetamol"))) == (
        11,
        11,
        24,
    )


class TestLines:
    @pytest.mark.parametrize("shape", ["gaussian", "lorentzian"])
    def test_positions_between_pixels_with_sigmas_that_cover(self, rng, shape):
        x = np.arange(100.0, 200.0, 2.0)
        pulls = []
        for _ in range(200):
            at, width = rng.uniform(140, 160), rng.uniform(6, 12)
            u = 2 * (x - at) / width
            line = np.exp(-np.log(2) * u**2) if shape == "gaussian" else 1 / (1 + u**2)
            found = find_lines(x, rng.poisson(100 + 3000 * line).astype(float))
            i = np.abs(found.position - at).argmin()
            pulls.append((found.position[i] - at) / found.sigma[i])
        inside = np.mean(np.abs(pulls) < 1)
        assert 0.63 < inside < 0.79
        assert np.abs(pulls).max() < 6

    def test_noise_and_slopes_hold_no_lines(self, rng):
        x = np.arange(1000.0)
        assert find_lines(x, rng.poisson(100 + x).astype(float)).position.size == 0
        assert find_lines(x, np.zeros(1000)).position.size == 0
        assert find_lines(x[:5], np.arange(5.0)).position.size == 0
        assert find_lines(x, np.full(1000, np.nan)).position.size == 0

    def test_missing_points_do_no_harm(self, rng):
        x = np.arange(0.0, 100.0)
        y = rng.poisson(50 + 5000 * np.exp(-(((x - 50.3) / 3) ** 2))).astype(float)
        y[[20, 48]] = np.nan
        assert find_lines(x, y).position == pytest.approx([50.3], abs=0.15)


class TestMatching:
    def test_the_pattern_counts_whatever_the_strengths(self, rng):
        expected = np.sort(rng.uniform(0, 2000, 15))
        expected = expected[np.append(True, np.diff(expected) > 25)]
        for _ in range(40):
            offset, tilt = rng.uniform(-8, 8), rng.uniform(-2, 2)
            shown = np.sort(rng.choice(expected.size, expected.size - 3, replace=False))
            strangers = rng.uniform(0, 2000, 6)
            place = expected - offset - tilt * (expected - 1000) / 1000 + rng.normal(0, 0.2, expected.size)
            found = np.concatenate([place[shown], strangers])
            order = np.argsort(found)
            first, second = match_lines(found[order], expected, 12.0)
            truth = np.concatenate([shown, np.full(6, -1)])[order]
            right = truth[first] == second
            assert right.sum() >= shown.size - 1
            assert (~right & (truth[first] >= 0)).sum() == 0

    def test_no_line_is_used_twice(self, rng):
        first, second = match_lines(np.array([100.0, 102, 300, 500]), np.array([101.0, 300, 503]), 10.0)
        assert len(set(first)) == first.size
        assert len(set(second)) == second.size

    def test_a_single_line_is_the_highest_near_its_place(self):
        found = np.array([515.0, 523.0, 700.0])
        assert match_lines(found, np.array([520.45]), 10.0, np.array([5.0, 90.0, 900.0]))[0].tolist() == [1]
        assert match_lines(found, np.array([600.0]), 10.0)[0].size == 0
        assert match_lines(np.empty(0), np.array([1.0, 2.0]), 10.0)[0].size == 0


def test_neon_and_silicon_find_the_axis_and_the_laser(rng):
    neon, true = measured(rng, "neon", true_laser=785.03)
    silicon, _ = measured(rng, "silicon", true_laser=785.03, counts=20000)
    made = raman.calibrate_axis({"neon": neon, "silicon": silicon}, degree=2)
    assert made.laser_wavelength == pytest.approx(785.03, abs=3 * made.laser_wavelength_sigma)
    assert 0.005 < made.laser_wavelength_sigma < 0.02
    x = neon.raman_shift.values
    inside = (x > made.range[0]) & (x < made.range[1])
    assert np.abs(made.shift(x) - true)[inside].max() < 1.0
    assert made.rms < 0.8
    assert sum(line.standard == "neon" for line in made.lines) >= 12


def test_polystyrene_alone_finds_the_axis(rng):
    film, true = measured(rng, "polystyrene", width=9.0, axis=pixels(1500, 500, 3200))
    made = raman.calibrate_axis({"polystyrene": film})
    x = film.raman_shift.values
    inside = (x > 620) & (x < 3050)
    assert np.abs(made.shift(x) - true)[inside].max() < 0.6
    assert made.laser_wavelength is None
    assert made.sigma(1000.0) == pytest.approx(0.6, abs=0.1)


def coverage(rng, draws):
    """Share of places on the axis, one per draw, whose truth lies within one sigma; lines and standards drawn anew."""
    inside, far = [], []
    for _ in range(draws):
        laser = 785.0 + rng.normal(0, 0.03)
        off = rng.normal(0, TABLE["silicon"]["uncertainty"]["value"])
        neon, true = measured(rng, "neon", true_laser=laser)
        silicon, _ = measured(rng, "silicon", true_laser=laser, counts=3000, shift=off)
        made = raman.calibrate_axis({"neon": neon, "silicon": silicon})
        at = int(rng.integers(100, 850))
        x = neon.raman_shift.values[at]
        pull = (made.shift(x) - true[at]) / made.sigma(x)
        inside.append(abs(pull) < 1)
        far.append(abs(pull) > 3)
    return np.mean(inside), np.mean(far)


def test_the_sigma_of_the_axis_covers(rng):
    inside, far = coverage(rng, 25)
    assert 0.45 < inside < 0.9
    assert far < 0.1


@pytest.mark.long
def test_the_sigma_of_the_axis_covers_by_monte_carlo(rng):
    inside, far = coverage(rng, 200)
    assert 0.63 < inside < 0.78
    assert far < 0.02


def test_the_uncertainty_of_a_standard_is_common_to_its_lines(rng):
    """Eleven lines of one film, all off together, do not become surer than one."""
    pulls = []
    for _ in range(40):
        off = rng.normal(0, 0.6)
        film, true = measured(rng, "polystyrene", width=9.0, shift=off)
        made = raman.calibrate_axis({"polystyrene": film}, degree=2)
        pulls.append(
            (float(made.shift(1000.0)) - np.interp(1000.0, film.raman_shift, true))
            / float(made.sigma(1000.0))
        )
    assert 0.7 < np.std(pulls) < 1.3


def test_standards_that_disagree_are_named_and_widen_the_sigma(rng):
    neon, _ = measured(rng, "neon")
    silicon, _ = measured(rng, "silicon", counts=20000)
    for shift, disagree in ((0.2, False), (4.0, True)):
        film, _ = measured(rng, "polystyrene", width=9.0, shift=shift)
        made = raman.calibrate_axis({"neon": neon, "silicon": silicon, "polystyrene": film})
        found = {d.standard: d for d in made.disagreements}
        assert set(found) == {"silicon", "polystyrene"}
        assert found["polystyrene"].significant is disagree
        assert found["polystyrene"].offset == pytest.approx(shift, abs=1.0)
        assert (made.disagreement > 0) is disagree
        done = raman.calibrate(film, calibration=made)
        said = " ".join(done.spectra.history[-1]["notes"])
        assert "polystyrene is" in said
        assert ("they disagree" in said) is disagree
        assert (float(done.raman_shift_sigma[500]) > 1.5) is disagree


def test_a_blind_line_is_left_out(rng):
    """A line that is not where its pattern says, as one next to a stray line, is no part of the calibration."""
    neon, _ = measured(rng, "neon")
    good = raman.calibrate_axis({"neon": neon}, degree=2)
    line = next(entry for entry in good.lines if entry.name.startswith("859"))
    x = neon.raman_shift.values
    moved = neon.copy(deep=True)
    inside = np.abs(x - line.position) < 15
    moved.intensity[inside] = 60 + 3000 * np.exp(
        -4 * np.log(2) * ((x[inside] - line.position - 3.5) / 5) ** 2
    )
    made = raman.calibrate_axis({"neon": moved}, degree=2)
    bad = next(entry for entry in made.lines if entry.name.startswith("859"))
    assert not bad.used
    assert bad.residual == pytest.approx(3.5, abs=0.5)
    np.testing.assert_allclose(made.shift(x[100:900]), good.shift(x[100:900]), atol=0.2)


def test_lines_that_are_not_resolved_weigh_less(rng):
    neon, _ = measured(rng, "neon", width=12.0)
    made = raman.calibrate_axis({"neon": neon})
    sigma = {line.name[:7]: line.sigma for line in made.lines}
    assert sigma["878.062"] > 1.0
    assert sigma["837.761"] < 0.3


class TestVerb:
    def references(self, rng):
        return {
            "neon": measured(rng, "neon", true_laser=785.02)[0],
            "silicon": measured(rng, "silicon", true_laser=785.02, counts=20000)[0],
        }

    def sample(self, rng, scans=3):
        stated, true = pixels()
        true = true + 1e7 / 785.02 - 1e7 / 785.0
        y = 100 + 3000 / (1 + ((true - 633.0) / 8) ** 2) + 2000 / (1 + ((true - 1350.0) / 8) ** 2)
        attrs = {"technique": "raman", "laser_wavelength": 785.0}
        return spectra.from_arrays(
            stated, rng.poisson(np.broadcast_to(y, (scans, y.size))), axis="raman_shift", units="counts",
            dims=("scan",), attrs=attrs,
        )  # fmt: skip

    def test_bands_lie_where_they_are_and_carry_the_sigma(self, rng):
        data = self.sample(rng)
        done = raman.calibrate(data, references=self.references(rng))
        assert (np.diff(done.raman_shift) > 0).all()
        assert done.raman_shift_sigma.attrs["units"] == "1/cm"
        assert done.attrs["laser_wavelength"] == pytest.approx(785.02, abs=0.04)
        np.testing.assert_array_equal(done.intensity, data.intensity)
        fitted = raman.fit_bands(done, (633.0, 1350.0))
        position = fitted.position.isel(scan=0).values[:2]
        sigma = fitted.position_sigma.isel(scan=0).values[:2]
        np.testing.assert_allclose(position, [633.0, 1350.0], atol=0.7)
        assert (sigma > 0.14).all()
        before = raman.fit_bands(data, (633.0, 1350.0))
        assert abs(float(before.position[0, 0]) - 633.0) > 1.5
        assert float(before.position_sigma[0, 0]) < 0.14

    def test_a_calibration_is_saved_and_used_again(self, rng, tmp_path):
        made = raman.calibrate_axis(self.references(rng))
        path = made.save(tmp_path / "monday.toml")
        assert raman.load_calibration(path) == made
        assert AxisCalibration.from_spec(json.loads(json.dumps(made.to_spec()))) == made
        data = self.sample(rng)
        once = raman.calibrate(data, calibration=made)
        for how in (path, str(path), made.to_spec()):
            again = raman.calibrate(data, calibration=how)
            np.testing.assert_array_equal(again.raman_shift, once.raman_shift)
            np.testing.assert_array_equal(again.raman_shift_sigma, once.raman_shift_sigma)

    def test_a_results_file_holds_the_calibration_and_runs_again(self, rng, tmp_path):
        data = self.sample(rng)
        done = raman.calibrate(data, references=self.references(rng))
        path = done.spectra.save(tmp_path / "done.nxs")
        made = raman.load_calibration(path)
        np.testing.assert_allclose(made.shift(data.raman_shift), done.raman_shift)
        from spectra.results.rerun import rerun

        assert rerun(path).identical

    def test_files_are_read_and_their_names_told(self, rng, tmp_path):
        references = self.references(rng)
        for name, one in references.items():
            np.savetxt(
                tmp_path / f"{name}.txt", np.column_stack([one.raman_shift, one.intensity]), fmt="%.3f"
            )
        named = {name: str(tmp_path / f"{name}.txt") for name in references}
        data = self.sample(rng)
        done = raman.calibrate(data, references=named)
        expected = raman.calibrate(data, references=references)
        np.testing.assert_allclose(done.raman_shift, expected.raman_shift, atol=0.01)
        said = " ".join(done.spectra.history[-1]["notes"])
        assert "neon.txt, SHA-256" in said

    def test_a_part_beyond_the_lines_is_flagged(self, rng):
        made = raman.calibrate_axis(self.references(rng))
        x = np.linspace(100, 3200, 1500)
        wide = spectra.from_arrays(
            x, rng.poisson(100, x.size), axis="raman_shift", attrs={"technique": "raman"}
        )
        done = raman.calibrate(wide, calibration=made)
        assert flag_names(done) == ["beyond_calibration"]
        assert float(done.raman_shift_sigma[-1]) > float(done.raman_shift_sigma[700])
        assert (np.diff(done.raman_shift) > 0).all()

    def test_lost_spectra_are_flagged(self, rng):
        data = self.sample(rng).astype(float)
        data.intensity[1] = np.nan
        done = raman.calibrate(data, references=self.references(rng))
        assert [flag_names(done, scan=i) for i in range(3)] == [[], ["empty"], []]

    def test_a_lamp_alone_leaves_the_laser_as_it_is_called(self, rng):
        done = raman.calibrate(self.sample(rng), references={"neon": self.references(rng)["neon"]})
        assert any("785 nm was taken as exact" in n for n in done.spectra.history[-1]["notes"])
        assert done.attrs["laser_wavelength"] == 785.0

    def test_numbers_nobody_compared_are_named(self, rng):
        film, _ = measured(rng, "cyclohexane", width=9.0)
        done = raman.calibrate(film, references={"cyclohexane": film})
        said = done.spectra.history[-1]["notes"]
        assert "not compared with its source: cyclohexane their uncertainty" in said

    def test_a_second_calibration_is_told(self, rng):
        references = self.references(rng)
        once = raman.calibrate(self.sample(rng), references=references)
        twice = raman.calibrate(
            once, references={"silicon": raman.calibrate(references["silicon"], references=references)}
        )
        assert any("had been calibrated before" in n for n in twice.spectra.history[-1]["notes"])


class TestBadInput:
    def test_neither_or_both(self, rng):
        data, _ = measured(rng, "silicon")
        with pytest.raises(ValueError, match="takes either calibration .* none was given"):
            raman.calibrate(data)
        with pytest.raises(ValueError, match="both were given"):
            raman.calibrate(data, calibration={}, references={})

    def test_lines_that_are_not_found(self, rng):
        x, _ = pixels()
        flat = spectra.from_arrays(
            x, rng.poisson(100, x.size), axis="raman_shift", attrs={"technique": "raman"}
        )
        with pytest.raises(
            ValueError, match="no line of silicon was found within 10 1/cm of its place.* raise search"
        ):
            raman.calibrate_axis({"silicon": flat})
        far = spectra.from_arrays(x + 5000, rng.poisson(100, x.size), axis="raman_shift")
        with pytest.raises(ValueError, match="of 11 lines 0 lie on the axis"):
            raman.calibrate_axis({"polystyrene": far})

    def test_chance_agreements_are_no_calibration(self, rng):
        neon, _ = measured(rng, "neon")
        for laser in (532.0, 780.0, 784.0, 786.0, 830.0):
            with pytest.raises(ValueError, match="of neon was found within 10 1/cm"):
                raman.calibrate_axis({"neon": neon}, laser=laser)
        for other in ("polystyrene", "cyclohexane", "paracetamol"):
            with pytest.raises(ValueError, match=f"of {other} was found within 10 1/cm"):
                raman.calibrate_axis({other: neon})

    def test_a_lamp_without_a_laser(self, rng):
        neon, _ = measured(rng, "neon")
        with pytest.raises(ValueError, match="neon has wavelengths, .* give laser "):
            raman.calibrate_axis({"neon": neon.drop_attrs()})

    @pytest.mark.parametrize(
        ("references", "options", "sentence"),
        [
            ({}, {}, "references is a mapping"),
            ("neon.txt", {}, "references is a mapping"),
            ({"nion": None}, {}, "'nion' is no standard of the table; did you mean 'neon'"),
            ({"silicon": 3.0}, {}, "calibrate_axis takes an xarray.Dataset"),
            (
                "silicon",
                {"degree": 3},
                "degree is between 0 and 5 and needs 4 lines; got degree 3 and 1 lines",
            ),
            ("silicon", {"search": 0.0}, "search is a distance in 1/cm above zero"),
        ],
    )
    def test_what_cannot_be_done_is_said(self, rng, references, options, sentence):
        if references == "silicon":
            references = {"silicon": measured(rng, "silicon", counts=20000)[0]}
        with pytest.raises(ValueError, match=sentence):
            raman.calibrate_axis(references, **options)

    def test_another_axis(self):
        infrared = spectra.from_arrays(np.arange(400.0, 500.0), np.ones(100), axis="wavenumber")
        with pytest.raises(ValueError, match="the spectrum of silicon lies along wavenumber"):
            raman.calibrate_axis({"silicon": infrared})

    def test_calibrations_that_are_none(self, rng, tmp_path):
        data, _ = measured(rng, "silicon", counts=20000)
        spec = raman.calibrate_axis({"silicon": data}).to_spec()
        with pytest.raises(ValueError, match="this table is no calibration of a Raman axis"):
            raman.calibrate(data, calibration={k: v for k, v in spec.items() if k != "half"})
        with pytest.raises(ValueError, match="1 coefficients and a covariance of shape"):
            raman.calibrate(data, calibration={**spec, "covariance": [[1.0, 2.0]]})
        with pytest.raises(ValueError, match="calibration is an AxisCalibration, its table, or a file"):
            raman.calibrate(data, calibration=3.0)
        with pytest.raises(OSError, match=r"written as \.toml"):
            raman.calibrate_axis({"silicon": data}).save(tmp_path / "made.json")

    def test_an_axis_that_would_run_backwards(self, rng):
        data, _ = measured(rng, "silicon", counts=20000)
        made = raman.calibrate_axis({"silicon": data})
        bent = AxisCalibration.from_spec({
            **made.to_spec(), "coefficients": [0.0, 0.0, 900.0], "covariance": np.eye(3).tolist(), "center": 1000.0, "half": 900.0,
            "range": [100.0, 1900.0],
        })  # fmt: skip
        with pytest.raises(ValueError, match="would not ascend strictly"):
            raman.calibrate(data, calibration=bent)


class TestMeasured:
    """Calibration set of a Horiba spectrometer at 785 nm: neon, silicon and polystyrene."""

    @pytest.fixture
    def files(self, data_dir):
        folder = data_dir / "raman" / "calib"
        names = {"neon": "Ho785_Neon", "silicon": "Ho785_Si_S0B", "polystyrene": "Ho785_polystyrene"}
        return {name: str(folder / f"{file}.txt") for name, file in names.items()}

    def test_neon(self, files):
        made = raman.calibrate_axis({"neon": files["neon"]}, laser=785.0)
        assert len(made.lines) >= 13
        assert made.rms < 0.6
        assert max(abs(line.residual) for line in made.lines) < 1.6
        safest = [line for line in made.lines if line.name in {"837.761 nm", "849.536 nm"}]
        assert [abs(line.residual) < 0.15 for line in safest] == [True, True]

    def test_silicon_sets_the_laser(self, files):
        made = raman.calibrate_axis({k: files[k] for k in ("neon", "silicon")}, laser=785.0)
        silicon = next(line for line in made.lines if line.standard == "silicon")
        assert silicon.position == pytest.approx(522.6, abs=0.35)
        assert float(made.shift(silicon.position)) == pytest.approx(SILICON, abs=0.1)
        assert made.laser_wavelength == pytest.approx(785.0, abs=0.06)

    @pytest.mark.parametrize(
        "file",
        [
            "bwtek/PST10_iR532_Probe_100_3000msx7.txt",
            "horiba/PST10_iR785_OP01_8000msx8.txt",
            "other/lightnovo_polystyrene_worsened.tsv",
            "other/neegala_PST_532_SEX139.txt",
            "other/zolix_PST02_Zolix785_Probe_070_190ms.txt",
            "renishaw/PST_Reflex532_Z050_010_10000msx2.txt",
            "witec/PST_WiICV532_Z050OP02_075_800msx10.txt",
        ],
    )
    def test_polystyrene_of_seven_makers(self, data_dir, file):
        """Axes off by up to 5 1/cm: at least eight lines each, on a curve to about what the table is sure of."""
        made = raman.calibrate_axis({"polystyrene": raman.read(str(data_dir / "raman" / file))})
        used = [line for line in made.lines if line.used]
        assert len(used) >= 8
        assert made.rms < 1.1
        strongest = next(line for line in used if line.name.startswith("1001.4"))
        assert abs(strongest.residual) < 0.6

    def test_wrong_files_are_refused(self, files, data_dir):
        lamp = str(data_dir / "raman/bwtek/lamp Ne 10ms 0%.txt")  # which shows one line of neon at the most
        for name, file in (("neon", lamp), ("polystyrene", files["neon"]), ("cyclohexane", files["neon"])):
            with pytest.raises(ValueError, match=f"of {name} was found within 10 1/cm of its place"):
                raman.calibrate_axis({name: file})

    def test_silicon_and_polystyrene_disagree(self, files):
        made = raman.calibrate_axis(files, laser=785.0)
        found = {d.standard: d for d in made.disagreements}
        assert -3 < found["polystyrene"].offset < -0.8
        assert 0.7 < found["silicon"].offset < 3
        film = raman.calibrate(raman.read(files["polystyrene"]), calibration=made)
        assert found["silicon"].significant
        assert sum("off what the other standards say" in n for n in film.spectra.history[-1]["notes"]) == 2
