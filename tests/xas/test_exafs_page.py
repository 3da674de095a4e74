"""The page on EXAFS: every block runs, one after the other, on the data that it names."""

import re
from pathlib import Path

import matplotlib as mpl

PAGE = Path(__file__).parents[2] / "docs" / "xas-exafs.md"


def test_its_blocks_run(data_dir, tmp_path, monkeypatch, capsys):
    mpl.use("Agg")
    (tmp_path / "operando").symlink_to(data_dir / "xas" / "operando_LNO_NiK")
    (tmp_path / "Cu_foil.xdi").symlink_to(data_dir / "xas" / "Cu_foil_rt_larch.xdi")
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 3
    scope: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), scope)
    said = capsys.readouterr().out
    assert "first shell at 2.2" in said
    assert "'Ni-O': 1.3" in said
    assert "their noise is correlated" in said
    assert {p.name for p in tmp_path.iterdir()} >= {"foil.png", "wavelet.png"}
    for image in re.findall(r"images/([\w-]+\.png)", text):
        assert (PAGE.parent / "images" / image).is_file()
