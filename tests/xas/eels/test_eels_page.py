"""The page on core losses: every block runs, one after the other, on the data that it names."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "eels.md"


@pytest.mark.long
def test_its_blocks_run(data_dir, tmp_path, monkeypatch, capsys):
    for name in ("LSMO_lowloss_raw.msa", "LSMO_coreloss_raw.msa"):
        (tmp_path / name).symlink_to(data_dir / "eels" / "exspy" / name)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 4
    scope: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), scope)
    said = capsys.readouterr().out
    assert "L3/L2 = 3.2" in said
    assert float(scope["core"].background_redchi) == pytest.approx(2.9, abs=0.05)
    assert "no_background" in said
    assert "['scale_drifted', 'changed_in_the_beam']" in said
    assert float(scope["whole"].window_change.sel(window="L3")) < -0.05
