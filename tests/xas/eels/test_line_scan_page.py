"""The page on line scans: every block runs, and what it prints is what the page says."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "eels-line-scan.md"


@pytest.mark.long
def test_its_blocks_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 3
    scope: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), scope)
    said = capsys.readouterr().out
    assert "that both have one step" in said
    printed = [
        float(p)
        for p in re.findall(
            r"^\| (?:l3_l2_ratio|atomic_ratio|together) \| step \| [\d.]+ \| ([\d.]+) ±", text, re.MULTILINE
        )
    ]
    line = scope["line"]
    assert [*line.step_position.values, line.shared_step_position.item()] == pytest.approx(printed, abs=0.2)
    assert (tmp_path / "line.png").stat().st_size > 10_000
    assert float(scope["absolute"].edge_redchi.median()) == pytest.approx(1, abs=0.1)
