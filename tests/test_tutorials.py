"""Tutorials are notebooks, kept with what they print and show; here they are run again from top to bottom.

How to write one
----------------
A notebook in ``docs/tutorials`` finds measured files under ``os.environ.get("REDOX_SPECTRA_DATA", "data")`` and writes
only beside itself: it is run in an empty folder. It is kept with its outputs, so that it reads as a page where
nothing is installed. A cell whose metadata has the tag ``"checked"`` (``cell.metadata["tags"] = ["checked"]``) prints
what the text around it says; whatever it prints, and the text of its last line, must come out letter by letter as it
was kept. So it prints numbers with as many digits as they are sure of, never times, paths or the texts of pictures
(``<Figure size ...>``). Cells without the tag must run without an error and without a warning.
"""

import base64
import os
import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.ipynb"))
EXAMPLE = ROOT / "examples" / "fit_panel.ipynb"


def _name(path):
    return path.stem


def _code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _is_checked(cell):
    return "checked" in cell.metadata.get("tags", [])


def _text(cell):
    """What a cell printed, in however many pieces it came, and the text of its last line; spaces at ends do not count."""
    printed = "".join(o.text for o in cell.outputs if o.output_type == "stream" and o.name == "stdout")
    last = [o.data["text/plain"] for o in cell.outputs if o.output_type == "execute_result"]
    return [line.rstrip() for line in "\n".join([printed.rstrip("\n"), *last]).strip("\n").splitlines()]


def _without_pictures(output):
    return {kind: text for kind, text in output.get("data", {}).items() if not kind.startswith("image/")}


def _warned(cell):
    return "".join(o.text for o in cell.outputs if o.output_type == "stream" and o.name == "stderr")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a notebook in an empty folder, as in a window: figures inline, nothing written to the user's own folders."""
    from nbclient import NotebookClient

    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / ".ipython"))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    for kind in ("CONFIG", "DATA", "RUNTIME"):
        monkeypatch.setenv(f"JUPYTER_{kind}_DIR", str(tmp_path / ".jupyter"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])))
    place = tmp_path / "beside"
    place.mkdir()

    def execute(path):
        notebook = nbformat.read(path, as_version=4)
        client = NotebookClient(
            notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(place)}}
        )
        return client.execute(), place

    return execute


@pytest.mark.long
@pytest.mark.parametrize("path", TUTORIALS, ids=_name)
def test_a_tutorial_runs_and_prints_what_was_kept(path, run, data_dir, monkeypatch):
    """No cell fails or warns, and every cell tagged "checked" prints what stands in the file (see above)."""
    monkeypatch.setenv("REDOX_SPECTRA_DATA", str(data_dir))
    kept = nbformat.read(path, as_version=4)
    done, _ = run(path)
    for before, now in zip(_code(kept), _code(done), strict=True):
        assert _warned(now) == "", before.source
        if _is_checked(before):
            assert _text(now) == _text(before), before.source


@pytest.mark.long
def test_the_example_of_the_fit_panel_runs(run):
    notebook, place = run(EXAMPLE)
    assert all(_warned(cell) == "" for cell in _code(notebook))
    assert (place / "by_hand.toml").is_file()


@pytest.mark.parametrize("path", TUTORIALS, ids=_name)
class TestAsKept:
    """A tutorial reads as a page: outputs are in the file, small, from one run, and say nothing of a machine."""

    def test_is_whole_and_from_one_run(self, path):
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        cells = _code(notebook)
        assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
        checked = [cell for cell in cells if _is_checked(cell)]
        assert checked
        assert all(_text(cell) for cell in checked)
        assert not any(output.output_type == "error" for cell in cells for output in cell.outputs)
        assert not any(_warned(cell) for cell in cells)

    def test_is_small(self, path):
        assert path.stat().st_size <= 500_000
        pictures = [
            len(base64.b64decode(output.data["image/png"]))
            for cell in _code(nbformat.read(path, as_version=4))
            for output in cell.outputs
            if "image/png" in output.get("data", {})
        ]
        assert pictures
        assert max(pictures) <= 60_000

    def test_names_no_machine(self, path):
        notebook = nbformat.read(path, as_version=4)
        said = [cell.source for cell in notebook.cells]
        said += [
            str({**output, "data": _without_pictures(output)})
            for cell in _code(notebook)
            for output in cell.outputs
        ]
        assert not re.search(r"(?<![\w.])/(home|tmp|work|root|Users)/", "\n".join(said))
        assert set(notebook.metadata) == {"kernelspec", "language_info"}
        assert notebook.metadata.kernelspec.name == "python3"
        assert set(notebook.metadata.language_info) == {"name"}

    def test_links_lead_somewhere(self, path):
        text = "\n".join(
            c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "markdown"
        )
        for link in re.findall(r"\]\((?!https?:|#|mailto:)([^)\s#]+)", text):
            assert (path.parent / link).exists(), link


def test_the_example_is_kept_without_outputs():
    cells = _code(nbformat.read(EXAMPLE, as_version=4))
    assert all(cell.outputs == [] and cell.execution_count is None for cell in cells)
