"""The page on preparation: every block runs, one after the other, on the data that it names."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "xas-preparation.md"
FILES = (
    "MnO2_rt_01_xaslib.xdi",
    "MnO2_rt_02_xaslib.xdi",
    "MnO2_rt_03_xaslib.xdi",
    "Cu_foil_10K.xmu",
    "V2O5_xaslib.xdi",
    "VO2_xaslib.xdi",
    "Ti-K-Fresnoite_bmm.xdi",
    "Fe-Hematite_bmm.xdi",
)


def test_its_blocks_run_and_say_what_it_says(data_dir, tmp_path, monkeypatch, capsys):
    for name in FILES:
        (tmp_path / name).symlink_to(data_dir / "xas" / name)
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 3
    scope: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), scope)
    said = capsys.readouterr().out
    assert "all 3 scans along scan were merged" in said
    assert "3 points of glitches were interpolated (9449.97, 9454.21, 9458.45 eV)" in said
    for line in (
        "V2O5_xaslib: 5481.53 ± 0.01",
        "VO2_xaslib: 5483.94 ± 0.02",
        "Fe-Hematite_bmm: 7126.55 ± 0.01",
    ):
        assert line in said
    assert "Ti-K-Fresnoite_bmm: 4981.74 ± 0.00 eV   Ba L3" in said
    assert "Ba L2" in said
