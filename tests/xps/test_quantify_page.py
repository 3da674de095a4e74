"""The page on composition: every block runs, one after the other, and prints what the page says."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "xps-quantify.md"


def test_its_blocks_run(data_dir, tmp_path, monkeypatch, capsys):
    (tmp_path / "film.vms").symlink_to(data_dir / "xps" / "lg4x" / "0-150W.vms")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 5
    scope: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), scope)
    said = capsys.readouterr().out
    assert "W: 13.6 ± 0.4 at%" in said
    assert "O: 56.5 ± 1.6 at%" in said
    assert "C: 29.9 ± 1.9 at%" in said
    assert "valence nan" in said
    assert "valence_undecided" in said
    assert "not seen below 0.5 at%, would be found from 0.9 at%" in said
    assert "(counts)" in said
