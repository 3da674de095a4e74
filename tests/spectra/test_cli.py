"""The command line: exit status, one sentence for every error, nothing half-written; some of it in real processes."""

import io
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

import spectra
import spectra.cli.progress
import spectra.cli.tables
from spectra.cli import app

runner = CliRunner()


def run(*arguments):
    return runner.invoke(app, [str(a) for a in arguments])


def says(result, sentence, status):
    """The command ended with ``status`` and this one sentence on stderr, without a traceback."""
    assert result.exit_code == status, result.output
    assert sentence in result.stderr
    assert "Traceback" not in result.output
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to work in; nothing may be left in it but what a test expects."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def recipe(here, kitchen, recipe_text):
    (here / "pots.toml").write_text(recipe_text)
    return Path("pots.toml")


def files_in(folder):
    return sorted(p.name for p in folder.iterdir())


class TestRun:
    def test_results_report_and_summary(self, recipe, pots, here):
        (here / "fine.toml").write_text(recipe.read_text().replace("limit = 800", "limit = 1000"))
        result = run("run", "fine.toml", *pots, "-o", "out.nxs")
        assert result.exit_code == 0, result.output
        assert files_in(here) == ["fine.toml", "out.html", "out.nxs", "pots.toml"]
        assert "strength (counts)" in result.stdout
        assert "300 ± 17" in result.stdout
        assert "3 spectra in" in result.stdout
        assert spectra.load("out.nxs").sizes["pot"] == 3

    def test_failed_spectra_give_status_3(self, recipe, pots, here):
        result = run("run", recipe, *pots)
        assert result.exit_code == 3
        assert "finished, but 1 of 3 spectra failed." in result.stderr
        assert "too_strong" in result.stdout
        assert "It was brewed too long; lower factor." in result.stdout
        assert files_in(here) == ["pots.html", "pots.nxs", "pots.toml"]

    def test_a_file_left_out_gives_status_3_and_is_named(self, recipe, pots, here, tmp_path):
        (here / "fine.toml").write_text(recipe.read_text().replace("limit = 800", "limit = 1000"))
        empty = tmp_path / "empty.txt"
        empty.write_text("tea")
        result = run("run", "fine.toml", pots[0], empty, "-o", "out.nxs")
        assert result.exit_code == 3
        assert f"{empty} was left out: empty.txt holds no two columns of numbers." in result.stderr
        assert spectra.load("out.nxs").sizes["pot"] == 1

    def test_without_a_report(self, recipe, pots, here):
        run("run", recipe, *pots, "--no-report", "-o", "out.nxs")
        assert files_in(here) == ["out.nxs", "pots.toml"]

    @pytest.mark.parametrize(
        ("old", "new", "sentence"),
        [
            ("factor = 3 ", "factr = 3 ", "pots.toml, line 13: kitchen.brew has no option 'factr'; did you mean 'factor'?"),
            ("limit = 800", "limit = ", "pots.toml, line 21: this is not TOML"),
        ],
    )  # fmt: skip
    def test_a_typo_in_the_recipe_is_usage(self, recipe, pots, here, old, new, sentence):
        recipe.write_text(recipe.read_text().replace(old, new))
        says(run("run", recipe, *pots), sentence, 2)
        assert files_in(here) == ["pots.toml"]

    def test_an_unknown_recipe_is_usage(self, here, pots):
        says(run("run", "mn_k_edge_oxide", *pots), "no recipe 'mn_k_edge_oxide' ships", 2)
        says(run("run", "absent.toml", *pots), "there is no recipe file 'absent.toml'", 2)

    def test_a_missing_file(self, recipe, here):
        result = run("run", recipe, "absent.txt")
        assert result.exit_code == 1
        assert "absent.txt" in result.stderr

    def test_wrong_technique_for_a_verb(self, kitchen, here, pots):
        (here / "wrong.toml").write_text('[read]\nverb = "kitchen.read"\n[[step]]\nverb = "xas.normalize"\n')
        says(
            run("run", "wrong.toml", pots[0]),
            "xas.normalize works along energy, and this dataset has raman_shift",
            1,
        )
        assert files_in(here) == ["wrong.toml"]

    def test_output_that_cannot_be_written(self, recipe, pots, here):
        says(run("run", recipe, *pots, "-o", "absent/out.nxs"), "there is no folder", 1)
        says(run("run", recipe, *pots, "-o", here), "is a folder", 1)
        says(run("run", recipe, *pots, "-o", pots[0]), "is one of the files to read", 1)
        assert files_in(here) == ["pots.toml"]

    def test_an_interrupt_says_so_and_writes_nothing(self, recipe, pots, here, monkeypatch, kitchen):
        def interrupted(dataset, *, limit: float):
            raise KeyboardInterrupt

        (here / "out.nxs").write_text("precious")
        monkeypatch.setattr(kitchen, "taste", interrupted)
        says(run("run", recipe, *pots, "-o", "out.nxs"), "Interrupted", 130)
        assert (here / "out.nxs").read_text() == "precious"
        assert files_in(here) == ["out.nxs", "pots.toml"]

    def test_a_fault_of_the_program_is_one_sentence_unless_asked(self, recipe, pots, monkeypatch, kitchen):
        def broken(dataset, *, limit: float):
            raise ZeroDivisionError("division by zero")

        monkeypatch.setattr(kitchen, "taste", broken)
        says(run("run", recipe, *pots), "Unexpected ZeroDivisionError: division by zero.", 1)
        assert isinstance(run("--debug", "run", recipe, *pots).exception, ZeroDivisionError)

    def test_results_are_not_overwritten_by_the_report(self, recipe, pots, here):
        says(run("run", recipe, *pots, "-o", "out.html"), "name the results file out.nxs", 2)

    def test_warnings_are_sentences_too(self, recipe, pots, monkeypatch, kitchen):
        original = kitchen.taste

        def doubtful(dataset, *, limit: float):
            warnings.warn("the tea may be cold", stacklevel=1)
            return original(dataset, limit=1000.0)

        monkeypatch.setattr(kitchen, "taste", doubtful)
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            says(run("run", recipe, *pots, "--no-report"), "spectra: the tea may be cold", 0)

    def test_the_bar_shows_files_speed_and_failures(self, recipe, pots, monkeypatch):
        screen = io.StringIO()
        terminal = Console(file=screen, force_terminal=True, width=160)
        monkeypatch.setattr(spectra.cli.progress, "console", lambda stderr: terminal)
        run("run", recipe, *pots, "--no-report")
        for expected in (
            "Pots: reading",
            "Pots: kitchen.taste",
            "3 spectra, ",
            " spectra/s, 1 failed",
            "Pots: writing",
        ):
            assert expected in screen.getvalue()

    def test_a_narrow_terminal_leaves_out_columns_and_says_so(self, recipe, pots, monkeypatch):
        monkeypatch.setattr(spectra.cli.tables, "console", lambda **_: Console(width=36))
        result = run("run", recipe, *pots, "--no-report")
        assert " ".join(result.stdout.split()).count("not shown: more columns (strength (counts))") == 1
        assert "too_strong" in result.stdout


class TestOtherCommands:
    @pytest.fixture
    def results(self, recipe, pots):
        run("run", recipe, *pots, "-o", "out.nxs", "--no-report")
        return Path("out.nxs")

    def test_rerun(self, results):
        result = run("rerun", results)
        assert result.exit_code == 0, result.output
        assert "variables are the same to 1e-10 relative." in result.stdout

    def test_rerun_with_another_outcome(self, results, kitchen, monkeypatch):
        other = kitchen.brew

        def twice(dataset, **options):
            return other(dataset, **{**options, "factor": 2 * options["factor"]})

        monkeypatch.setattr(kitchen, "brew", twice)
        result = run("rerun", results)
        assert result.exit_code == 1
        assert "the others are listed above" in result.stderr

    def test_report(self, results, here):
        assert run("report", results).exit_code == 0
        assert "too_strong" in (here / "out.html").read_text()
        assert run("report", results, "-o", "other.html").exit_code == 0
        assert (here / "other.html").is_file()

    def test_report_for_print_and_for_a_paper(self, results, here):
        result = run("report", results, "--pdf", "--figures", "paper", "--format", "svg", "--width", "single")
        assert result.exit_code == 0, result.output
        assert (here / "out.pdf").read_bytes().startswith(b"%PDF")
        assert {p.suffix for p in (here / "paper").iterdir()} == {".svg"}
        says(run("report", results, "--width", "double"), "say where to with --figures FOLDER", 2)

    def test_export(self, results, here):
        result = run("export", results)
        assert result.exit_code == 0, result.output
        assert {p.suffix for p in (here / "out").iterdir()} == {".csv", ".txt"}
        assert run("export", results, "-o", "tables", "--format", "csv").exit_code == 0
        assert {p.suffix for p in (here / "tables").iterdir()} == {".csv"}
        assert run("export", results, "--format", "xls").exit_code == 2

    @pytest.mark.parametrize("command", ["rerun", "report", "export"])
    def test_not_a_results_file(self, here, command):
        result = run(command, "absent.nxs")
        assert result.exit_code == 1
        assert "absent.nxs" in result.stderr
        (here / "text.nxs").write_text("energy mu")
        result = run(command, "text.nxs")
        assert result.exit_code == 1
        assert "text.nxs" in result.stderr
        assert "Traceback" not in result.output

    def test_inspect(self, here):
        scan = np.column_stack([np.linspace(6500, 6600, 11), np.ones(11)])
        np.savetxt("scan.txt", scan, header="energy mu", comments="")
        result = run("inspect", "scan.txt")
        assert result.exit_code == 0, result.output
        assert "scan.txt" in result.stdout
        assert "6500 … 6600 eV" in result.stdout
        assert "None" not in result.stdout  # what the file does not say is left blank
        Path("empty.txt").touch()
        result = run("inspect", "scan.txt", "empty.txt")
        assert "scan.txt" in result.stdout
        says(result, "empty.txt", 1)

    def test_init_of_a_new_recipe(self, kitchen, here):
        result = run("init", "mine.toml", "kitchen.read", "kitchen.brew")
        assert result.exit_code == 0, result.output
        assert 'verb = "kitchen.brew"' in (here / "mine.toml").read_text()
        says(run("init", "mine.toml", "kitchen.read"), "mine.toml is there already", 2)
        assert run("init", "mine.toml", "kitchen.read", "--force").exit_code == 0
        assert "kitchen.brew" not in (here / "mine.toml").read_text()
        says(run("init", "other.toml", "kitchen.bru"), "did you mean 'kitchen.brew'", 2)

    def test_init_of_a_shipped_recipe(self, here):
        from spectra.pipeline.recipe import load_recipe
        from spectra.pipeline.shipped import list_recipes

        name = list_recipes()[0].name
        assert run("init", name).exit_code == 0
        assert load_recipe(here / f"{name}.toml") == load_recipe(name)

    def test_list(self, kitchen):
        result = run("list")
        assert result.exit_code == 0, result.output
        for expected in ("kitchen.brew", "xas.normalize", "vamas", "gaussian", "Multiply what was measured"):
            assert expected in result.stdout
        assert "Also: baselines, numbers," in result.stdout
        detail = run("list", "steps", "kitchen.brew").stdout
        assert "What each value is multiplied with." in detail
        assert '"boil" | "steam"' in detail
        reader = run("list", "readers", "text").stdout
        assert "Options of text, for any verb that reads" in reader
        assert "skipped and counted" in reader  # its own
        assert "Needed for text whose axis has no label" in reader  # of the verbs that read
        says(run("list", "readers", "tekst"), "no reader 'tekst'; did you mean 'text'", 1)
        says(run("list", "stepps"), "did you mean 'steps'", 2)
        says(run("list", "steps", "kitchen.bru"), "did you mean 'kitchen.brew'", 2)

    def test_doctor(self):
        result = run("doctor")
        assert result.exit_code == 0, result.output
        assert "numpy" in result.stdout

    def test_doctor_finds_an_old_package_and_a_cache_it_cannot_write(self, monkeypatch, tmp_path):
        from spectra.cli import health

        assert "older than 1.26" in health._too_old("numpy", "1.25.9", "numpy>=1.26")
        assert health._too_old("numpy", "1.26", "numpy>=1.26") == ""
        (tmp_path / "file").touch()
        monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file" / "cache"))
        result = run("doctor")
        assert result.exit_code == 1
        assert "set NUMBA_CACHE_DIR" in result.stderr

    def test_unknown_commands_and_options_are_usage(self):
        for arguments in (["rnu"], ["run"], ["run", "x", "y", "--oot", "z"], ["rerun"]):
            result = run(*arguments)
            assert result.exit_code == 2
            assert "Traceback" not in result.output
        assert "run" in run("rnu").stderr

    def test_version(self):
        assert run("--version").stdout.startswith("redox-spectra ")


def spawn(*arguments, **options):
    command = [sys.executable, "-m", "spectra", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


class TestProcesses:
    def test_help_loads_nothing_heavy(self):
        code = (
            "import sys; sys.argv = ['spectra', '--help']\n"
            "from spectra.cli import main\n"
            "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
            "print([m for m in ('numpy', 'scipy', 'xarray', 'matplotlib', 'h5py', 'pandas') if m in sys.modules])"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip().endswith("[]")

    def test_a_run_and_its_exit_status(self, tmp_path):
        scan = np.column_stack([np.linspace(6500, 6600, 11), np.ones(11)])
        np.savetxt(tmp_path / "scan.txt", scan, header="energy mu", comments="")
        (tmp_path / "crop.toml").write_text(
            '[read]\nverb = "spectra.read"\n[[step]]\nverb = "spectra.crop"\nwindow = [6510, 6590]\n'
        )
        good = spawn("run", "crop.toml", "scan.txt", "--no-report", cwd=tmp_path)
        out, err = good.communicate()
        assert (good.returncode, err) == (0, "")
        assert "crop.nxs" in out
        (tmp_path / "empty.txt").write_text("")
        bad = spawn("run", "crop.toml", "empty.txt", "-o", "bad.nxs", cwd=tmp_path)
        out, err = bad.communicate()
        assert bad.returncode == 1
        assert "empty.txt" in err
        assert len(err.strip().splitlines()) == 1
        assert files_in(tmp_path) == ["crop.nxs", "crop.toml", "empty.txt", "scan.txt"]

    def test_a_full_disk_leaves_the_old_file(self, tmp_path):
        """A limit on the size of files stands for a full disk: writing fails half-way."""
        scan = np.random.default_rng(0).random((5000, 2)).cumsum(axis=0)
        np.savetxt(tmp_path / "scan.txt", scan, header="raman_shift intensity", comments="")
        (tmp_path / "copy.toml").write_text('[read]\nverb = "spectra.read"\n')
        (tmp_path / "copy.nxs").write_text("precious")

        def small_files():
            import resource

            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

        process = spawn("run", "copy.toml", "scan.txt", cwd=tmp_path, preexec_fn=small_files)
        _, err = process.communicate()
        assert process.returncode == 1
        assert "copy.nxs cannot be written" in err
        assert "Traceback" not in err
        assert (tmp_path / "copy.nxs").read_text() == "precious"
        assert files_in(tmp_path) == ["copy.nxs", "copy.toml", "scan.txt"]

    def test_ctrl_c(self, tmp_path):
        """The process is interrupted while it waits for a file that never comes."""
        os.mkfifo(tmp_path / "scan.txt")
        (tmp_path / "copy.toml").write_text('[read]\nverb = "spectra.read"\n')
        process = spawn("run", "copy.toml", "scan.txt", cwd=tmp_path)
        with (tmp_path / "scan.txt").open("w"):  # opens when the process has opened it, too
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=20)
        assert process.returncode == 130
        assert (
            err.strip()
            == "spectra: Interrupted: nothing is half-written, and what stood there before is as it was."
        )
        assert files_in(tmp_path) == ["copy.toml", "scan.txt"]
