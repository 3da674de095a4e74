"""A line scan from files to the step: read, recipe on the command line, results file, report, re-run, figure, table."""

import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

import spectra
import xas.eels
from spectra.cli import app
from spectra.dataset import flag_names
from spectra.errors import InvalidInput, ReadError
from spectra.results.rerun import rerun
from tests.xas.eels.eels_files import digital_micrograph, dm_image
from xas.eels.profiles.demo import simulate_line_scan, write_inputs
from xas.eels.profiles.picture import figures

WINDOWS = {"background": ((465.0, 524.0), (595.0, 632.0)), "signal": ((528.0, 578.0), (637.0, 687.0))}
CORE = {"core": {"distance": (9.0, 15.0)}, "core_ratio": 1.0}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return write_inputs(tmp_path_factory.mktemp("line"))


@pytest.fixture(scope="module")
def results(files, tmp_path_factory):
    """The recipe, run by the command line; what it wrote."""
    out = tmp_path_factory.mktemp("out") / "line.nxs"
    said = CliRunner().invoke(app, ["run", "eels_line_scan", *map(str, files), "-o", str(out), "--no-report"])
    assert said.exit_code in (0, 3), said.output  # 3: the dead spectrum
    return out


def analysed(line, **options):
    line = xas.eels.quantify(line, **CORE, **WINDOWS)
    line = xas.eels.subtract_background(line, window=(595, 632))
    return xas.eels.surface_profile(xas.eels.white_line_ratio(line, "Mn"), **options)


def test_the_recipe_finds_the_shell_that_was_simulated(results):
    found = spectra.load(results)
    truth = simulate_line_scan(None)
    assert found.profile_verdict.values.tolist() == ["step", "step"]
    assert abs(found.shared_step_position - 5.0) < 3 * found.shared_step_position_sigma
    assert 0.05 < found.shared_step_position_sigma < 0.4
    ratio, oxygen = (found.level_ratio.sel(quantity=q) for q in ("l3_l2_ratio", "atomic_ratio"))
    assert ratio > 1.25
    expected = truth.true_atomic_ratio.values
    assert float(oxygen) == pytest.approx(expected[0] / expected[-1], abs=0.06)
    assert found.core_level.sel(quantity="atomic_ratio") == pytest.approx(1.0, abs=0.05)
    np.testing.assert_allclose(found.zero_loss_position.dropna("distance"),
                               simulate_line_scan(0).true_shift.drop_isel(distance=22), atol=0.1)  # fmt: skip


def test_the_dead_spectrum_is_flagged_and_stops_nothing(results):
    found = spectra.load(results)
    assert "no_zero_loss" in flag_names(found, distance=22)
    assert np.isnan(found.l3_l2_ratio.values).sum() == 1
    assert flag_names(found, distance=21) == []


def test_the_file_runs_again(results):
    again = CliRunner().invoke(app, ["rerun", str(results)])
    assert again.exit_code == 0, again.output
    assert rerun(results).identical


@pytest.mark.long
def test_a_report_shows_the_figure_and_the_verdict(results, tmp_path):
    found = spectra.load(results)
    kept = [
        n
        for n in found.data_vars
        if "profile" in n or n.startswith(("counts", "l3_l2", "shared", "step", "status", "atomic"))
    ]
    found[kept].spectra.report(tmp_path / "line.html")
    page = (tmp_path / "line.html").read_text(encoding="utf-8")
    assert "Profile along distance" in page
    assert "profile_verdict" in page


def test_the_table_says_it_in_a_line_each(results):
    found = spectra.load(results)
    table = xas.eels.profile_table(found)
    assert table["quantity"].tolist() == ["l3_l2_ratio", "atomic_ratio", "together"]
    assert table["verdict"].tolist() == ["step"] * 3
    assert table["position (nm)"][2].startswith("5.")
    with pytest.raises(InvalidInput, match="call xas.eels.surface_profile first"):
        xas.eels.profile_table(simulate_line_scan(0))


def test_the_figure(results):
    found = spectra.load(results)
    (name, caption, figure), *others = figures(found)
    assert (name, others) == ("line_scan", [])
    assert caption.startswith("Profile along distance")
    assert [ax.get_ylabel() for ax in figure.axes] == ["$L_3/L_2$", "O/Mn"]
    assert "step: 5." in figure.axes[0].get_title(loc="right")
    assert figure.axes[-1].get_xlabel() == "Distance (nm)"
    alone = xas.eels.plot_line_scan(found, ("atomic_ratio", "branching_ratio"), shared=False)
    assert len(alone.axes) == 2
    with_valence = found.assign(valence=4.2 - 0.4 * found.l3_l2_ratio)
    assert [ax.get_ylabel() for ax in xas.eels.plot_line_scan(with_valence).axes][-1] == "Valence"
    for options, words in (
        ({"y": 1}, "no lines along 'y'"),
        ({"quantities": ("l3l2",)}, "no variable 'l3l2' along distance; did you mean"),
    ):
        with pytest.raises(InvalidInput, match=words):
            xas.eels.plot_line_scan(found, **options)


class TestReading:
    def test_two_files(self, files):
        line = xas.eels.read_line_scan(files)
        truth = simulate_line_scan(0)
        np.testing.assert_array_equal(line.counts, truth.counts)
        np.testing.assert_array_equal(line.low_loss, truth.low_loss)
        np.testing.assert_allclose(line.distance, truth.distance)
        assert line.distance.attrs["units"] == "nm"
        assert line.attrs["beam_energy"] == 200.0
        again = xas.eels.read_line_scan(files[::-1])  # in any order
        np.testing.assert_array_equal(again.counts, truth.counts)

    def test_a_core_loss_alone(self, files):
        line = xas.eels.read_line_scan(files[0], spacing=0.3, start=1.0)
        assert "low_loss" not in line
        np.testing.assert_allclose(line.distance[:3], [1.0, 1.3, 1.6])

    def test_a_file_for_each_spectrum_and_one_low_loss(self, tmp_path):
        for n in range(4):
            (tmp_path / f"core_{n}.msa").write_text(f"630,{100 + n}\n631,90\n632,80\n")
        (tmp_path / "low.msa").write_text("-1,10\n0,900\n1,20\n")
        line = xas.eels.read_line_scan(tmp_path / "*.msa")
        assert line.counts.sizes == {"distance": 4, "energy_loss": 3}
        assert line.low_loss.dims == ("low_energy_loss",)
        notes = line.spectra.history[0]["notes"]
        assert any("spectra are counted. Give spacing in nm" in n for n in notes)
        assert "one low loss for all core losses" in notes

    def test_a_spectrum_image_of_digital_micrograph(self, tmp_path, rng):
        counts = rng.poisson(50, (2, 8, 40)).astype("f4")
        tags = {"ImageList": {"0": dm_image(counts, [(-600.0, 1.0, "eV"), (0, 0.002, "µm"), (0, 1, "nm")])}}
        tags["ImageList"]["0"]["ImageData"]["Calibrations"]["Dimension"]["0"]["Origin"] = -600.0
        (tmp_path / "image.dm3").write_bytes(digital_micrograph(tags))
        image = xas.eels.read_line_scan(tmp_path / "image.dm3")
        assert image.counts.dims == ("y", "distance", "energy_loss")
        np.testing.assert_allclose(image.distance, 2.0 * np.arange(8))

    def test_refused(self, files, tmp_path):
        with pytest.raises(ReadError, match="none of the 1 measurements is a core loss"):
            xas.eels.read_line_scan(files[1])
        with pytest.raises(ReadError, match="2 line scans or images are no line"):
            xas.eels.read_line_scan([files[0], shutil.copy(files[0], tmp_path / "other.hspy")])
        (tmp_path / "one.msa").write_text("630,1\n631,2\n")
        with pytest.raises(ReadError, match="holds a single spectrum, which is no line"):
            xas.eels.read_line_scan(tmp_path / "one.msa")
        (tmp_path / "two.msa").write_text("630,3\n631,2\n")
        for n in range(3):
            (tmp_path / f"low{n}.msa").write_text("-1,10\n0,900\n1,20\n")
        with pytest.raises(ReadError, match="they were not measured together"):
            xas.eels.read_line_scan(tmp_path / "*.msa")
        with pytest.raises(InvalidInput, match="spacing is the distance between spectra in nm"):
            xas.eels.read_line_scan(files, spacing=0.0)


def lsmo(data_dir, name, window):
    """A measured Mn L edge of a film, brought to 640 eV, on an even grid."""
    film = xas.eels.read(data_dir / "eels" / "eelsdb" / name)
    x, y = film.energy_loss.values, film.counts.values.astype(float)
    peak = x[y.argmax()]
    return np.interp(window, x - peak + 642.0, y)


@pytest.mark.parametrize("rows", [1, pytest.param(20, marks=pytest.mark.long)])
def test_measured_shapes_of_bulk_and_vacancies_along_a_line(data_dir, rng, rows):
    """Semi-synthetic: La0.7Sr0.3MnO3 in the core, its oxygen-deficient shape in a shell of 5 nm, counted."""
    grid = np.arange(632.0, 672.0, 0.2)
    bulk, vacancy = (lsmo(data_dir, f"LSMO_{n}_MnL.msa", grid) for n in ("bulk", "Ovac"))
    bulk, vacancy = bulk / bulk.sum(), vacancy / vacancy.sum()
    distance = np.arange(0.0, 15.25, 0.5)
    inside = (distance > 5.2)[:, None]
    mean = 6e4 * np.clip(np.where(inside, bulk, vacancy), 0, None)
    line = spectra.from_arrays(
        grid, rng.poisson(mean, (rows, *mean.shape)), axis="energy_loss", name="counts", units="counts",
        dims=("y", "distance"), coords={"distance": (distance, "nm")}, sigma=np.broadcast_to(np.sqrt(mean + 1), (rows, *mean.shape)),
    )  # fmt: skip
    line = xas.eels.white_line_ratio(line, "Mn", post=(10, 15))
    found = xas.eels.surface_profile(line, quantities=("l3_l2_ratio",))
    assert (found.profile_verdict == "step").all()
    position = found.step_position[:, 0]
    assert (np.abs(position - 5.25) < 0.5).all()
    covers = (found.step_position_low[:, 0] <= 5.25) & (found.step_position_high[:, 0] >= 5.25)
    assert covers.mean() > (0.8 if rows > 1 else 0.5)
    assert (found.level_ratio > 1.2).all()


@pytest.mark.long
def test_the_whole_chain_covers():
    """Twenty lines at once, each with its own counts: positions, and what the two quantities have in common."""
    rng = np.random.default_rng(11)
    clean = simulate_line_scan(None)
    counts = rng.poisson(clean.counts.values, (20, *clean.counts.shape))
    lines = clean.drop_vars("counts").assign(
        counts=(("y", "distance", "energy_loss"), counts, {"units": "counts"})
    )
    found = analysed(lines, quantities=("branching_ratio", "atomic_ratio"))
    away = np.abs(found.shared_step_position - 5.0)
    assert 0.4 < float((away < found.shared_step_position_sigma).mean()) < 0.95
    covers = (found.shared_step_position_low <= 5) & (found.shared_step_position_high >= 5)
    assert covers.mean() > 0.8
    assert float((found.same_step_probability > 0.5).mean()) > 0.85
    still = analysed(clean)
    for name in ("branching_ratio", "atomic_ratio"):
        level = found.surface_level.sel(quantity=name)
        truth = float(still[name].values.reshape(31, -1)[0, 0])
        assert abs(float(level.mean()) - truth) < 0.4 * float(
            found.surface_level_sigma.sel(quantity=name).mean()
        )
