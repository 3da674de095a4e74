"""The page on plural scattering: every block runs, and prints what the page says of it."""

import re
from pathlib import Path

import numpy as np
import pytest

PAGE = Path(__file__).parents[3] / "docs" / "eels-deconvolution.md"


@pytest.mark.long
def test_its_blocks_run(data_dir, tmp_path, monkeypatch, capsys):
    for name in ("LSMO_lowloss_raw.msa", "LSMO_coreloss_raw.msa"):
        (tmp_path / name).symlink_to(data_dir / "eels" / "exspy" / name)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 3
    scope: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), scope)
    said = capsys.readouterr().out
    assert "t/λ = 0.48" in said
    assert "as measured: L3/L2 = 3.2" in said
    assert "single: L3/L2 = 2.6" in said
    before, after = (scope[name].branching_ratio for name in ("before", "after"))
    assert before[0] < 0.78
    assert before[-1] > 1
    pull = (after - after.mean()) / scope["after"].branching_ratio_sigma
    assert float(np.abs(pull).max()) < 3.5
    assert "Richardson-Lucy, 15 iterations, zero-loss peak" in said
    assert np.isfinite(scope["sharp"].net_sigma.sel(energy_loss=slice(600, 740))).all()
