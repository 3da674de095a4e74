"""The page on reading energy losses: every block runs, and every reader stands in its table."""

import re
from pathlib import Path

import pytest

from spectra.reading.registry import readers

PAGE = Path(__file__).parents[3] / "docs" / "eels-reading.md"


def test_its_blocks_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scope: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), scope)
    mn = scope["mn"]
    assert (mn.attrs["beam_energy"], mn.attrs["convergence_angle"]) == (200.0, 20.0)
    assert "collection_angle" not in mn.attrs
    assert abs(scope["shift"] - 30) < 1
    assert abs(scope["zero"]) <= 0.005
    assert scope["k"] == pytest.approx(1.40, abs=0.01)


def test_its_table_names_every_reader():
    named = set(re.findall(r"^\| `([\w-]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    here = ("xas.eels.", "xas.rixs.", "xas.reading.stxm", "xas.reading.flexpes")
    ours = {name for name, reader in readers().items() if reader.scans.__module__.startswith(here)}
    assert named == ours
