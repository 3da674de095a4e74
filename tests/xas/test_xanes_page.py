"""The page on XANES: every block runs, one after the other, on the data that it names, and says what the page says."""

import re
from pathlib import Path

import matplotlib as mpl
import pytest

PAGE = Path(__file__).parents[2] / "docs" / "xas-xanes.md"
FILES = {
    **{f"{n}.xdi": f"{n}_rt_01_xaslib.xdi" for n in ("MnO", "Mn3O4", "Mn2O3", "MnO2")},
    **{f"{n}.xdi": f"{n}_xaslib.xdi" for n in ("VO2", "V2O5")},
    "MnO2_02.xdi": "MnO2_rt_02_xaslib.xdi",
    "Vglasses.prj": "prj/Vglasses.prj",
    "operando": "operando_LNO_NiK",
}


@pytest.mark.long
def test_its_blocks_run(data_dir, tmp_path, monkeypatch, capsys):
    mpl.use("Agg")
    for name, source in FILES.items():
        (tmp_path / name).symlink_to(data_dir / "xas" / source)
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text(encoding="utf-8")
    scope: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 7
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), scope)
    said = capsys.readouterr().out
    for number in re.findall(r"\| (65\d\d\.\d{3}) \|", text):
        assert number in said
    assert "not measured like the standards" in said
    repeat = scope["repeat"]
    assert f"{float(repeat.valence):.2f} ± {float(repeat.valence_sigma):.2f}, of which" in text
    assert (tmp_path / "xanes.png").stat().st_size > 20_000
    assert (PAGE.parent / "images" / "xanes.png").is_file()
