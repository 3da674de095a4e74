"""The demo: files in, results, figures and a report out, all labelled as simulated, the truth found again."""

from pathlib import Path

import numpy as np
import pytest

import spectra
import xas.demo
import xps.demo
from spectra.demo import Demo, choose_demos, list_demos, run_demo
from spectra.errors import InvalidInput, WriteError
from spectra.results.rerun import rerun


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    return run_demo(tmp_path_factory.mktemp("demo") / "redox-demo", only=("xas", "xps"))


def test_everything_is_where_it_says(done):
    assert sorted(p.name for p in done.folder.iterdir()) == [
        "demo.png",
        "figures",
        "input",
        "report.html",
        "xas.nxs",
        "xps.nxs",
    ]
    for file in [
        done.report,
        *done.figures,
        *done.results.values(),
        *(f for fs in done.inputs.values() for f in fs),
    ]:
        assert file.stat().st_size > 500


def test_it_says_that_nothing_was_measured(done):
    page = done.report.read_text(encoding="utf-8")
    assert page.count("Not measured:") == 2
    for demo in (list_demos()[name] for name in ("xas", "xps")):
        assert "simulated from figures published in doi:" in demo.statement
        for doi in demo.sources:
            assert doi in page
    for file in done.results.values():
        assert spectra.load(file).attrs["simulated"] == "yes"


def test_no_spectrum_fails(done):
    from spectra.dataset import failed

    assert not any(bool(failed(dataset).any()) for dataset in done.datasets.values())


def test_edge_positions_follow_the_truth(done):
    """Absolute within what the fine structure above the edge does to a normalisation; the course within the noise."""
    truth = xas.demo.charge_series().true_half_step.values
    found = done.datasets["xas"].edge_position.values
    assert np.abs(found - truth).max() < 0.1
    slope = np.polyfit(truth, found, 1)[0]
    assert slope == pytest.approx(1.0, abs=0.02)


def test_the_states_of_manganese_are_found_again(done):
    truth = xps.demo.regions()["Mn 2p"]
    result = done.datasets["xps"]
    fraction = result.fraction.sel(state="Mn3+")
    assert float(fraction) == pytest.approx(
        0.35, abs=max(4 * float(result.fraction_sigma.sel(state="Mn3+")), 0.02)
    )
    at = result.position.sel(component=["Mn3+ 2p3/2", "Mn4+ 2p3/2"]).values
    assert at == pytest.approx(
        truth.true_position.sel(component=["Mn3+ 2p3/2", "Mn4+ 2p3/2"]).values - 0.6, abs=0.1
    )


def test_results_compute_again_to_the_same(done):
    for file in done.results.values():
        assert rerun(file).identical


def test_a_second_demo_replaces_the_first(done):
    again = run_demo(done.folder, only="xas")
    np.testing.assert_array_equal(again.datasets["xas"].edge_position, done.datasets["xas"].edge_position)


def test_the_command(tmp_path, monkeypatch):
    from typer.testing import CliRunner

    from spectra.cli import app

    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["demo", "xps"])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "redox-demo" / "report.html").is_file()
    assert "simulated from figures published in doi:10.1039/d4sc02754j" in result.stdout
    assert "Nothing here was measured." in result.stdout
    assert "641.21 ± 0.25 eV" in result.stdout
    assert "questioned: A31 warning: Mn 2p: Ni LMM may lie there" in result.stdout
    assert result.stdout.rstrip().endswith(str(Path("redox-demo", "report.html")))


def test_a_case_or_a_demo_that_there_is_not():
    assert {demo.case for demo in choose_demos("b").values()} == {"B"}
    assert list(choose_demos("c-xps-nitrogen")) == ["c-xps-nitrogen"]
    with pytest.raises(
        InvalidInput, match="no demo and no case 'c-xps-nitrogem'; did you mean 'c-xps-nitrogen'"
    ):
        choose_demos("c-xps-nitrogem")


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match="cannot be made"):
        run_demo(tmp_path / "file" / "demo")


def test_a_third_party_brings_its_own(tmp_path, monkeypatch, kitchen, recipe_text):
    """Any package's demo runs: it writes files and names a recipe."""

    def write_inputs(folder):
        file = folder / "pot.txt"
        np.savetxt(file, np.column_stack([np.linspace(100, 200, 21), np.ones(21)]))
        return [file]

    (tmp_path / "pots.toml").write_text(recipe_text)
    own = Demo("Pots", ("10.1000/xyz",), write_inputs, str(tmp_path / "pots.toml"), shown=("brewed",))
    monkeypatch.setattr("spectra.demo.list_demos", lambda: {"kitchen": own})
    done = run_demo(tmp_path / "demo")
    assert done.datasets["kitchen"].attrs["simulated_from"] == "figures published in doi:10.1000/xyz"
    monkeypatch.setattr("spectra.demo.list_demos", dict)
    with pytest.raises(InvalidInput, match="no installed package brings a demo"):
        run_demo(tmp_path / "other")
