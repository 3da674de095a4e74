"""The page on notebooks: its blocks run on the demo's input and print what it says."""

import re
from pathlib import Path

import pytest

from xps.demo import write_inputs

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    place = tmp_path / "redox-demo" / "input" / "xps"
    place.mkdir(parents=True)
    write_inputs(place)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_its_blocks_run(folder, capsys):
    text = (ROOT / "docs" / "notebook.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 3
    scope: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "docs/notebook.md", "exec"), scope)
    shown = re.search(r"```\n(reduced.*?)```", text, re.DOTALL).group(1)
    assert capsys.readouterr().out == shown
    picture = re.search(r"\]\((images/\S+)\)", text).group(1)
    assert (ROOT / "docs" / picture).is_file()
