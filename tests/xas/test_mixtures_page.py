"""The page on mixtures: every block runs, one after the other, on the data that it names."""

import re
from pathlib import Path

import matplotlib as mpl
import pytest

PAGE = Path(__file__).parents[2] / "docs" / "xas-mixtures.md"


@pytest.mark.long
def test_its_blocks_run(data_dir, tmp_path, monkeypatch, capsys):
    mpl.use("Agg")
    source = data_dir / "xas" / "operando_LNO_NiK"
    (tmp_path / "operando").symlink_to(source)
    (tmp_path / "cell.mpt").symlink_to(source / "220726cell4operandoxas_C06.mpt.gz")
    monkeypatch.chdir(tmp_path)
    scope: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 4
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), scope)
    said = capsys.readouterr().out
    assert "indicator" in said
    assert "settled after" in said
    assert {p.name for p in tmp_path.iterdir()} >= {
        "charge.csv",
        "charge.png",
        "species.png",
        "first.xdi",
        "charge.prj",
    }
    assert set(re.findall(r"images/([\w-]+\.png)", PAGE.read_text(encoding="utf-8"))) <= {
        p.name for p in (PAGE.parent / "images").iterdir()
    }
