"""The page on infrared spectra: every block runs, one after the other, and prints what the page says."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "ftir.md"


def test_its_blocks_run(data_dir, tmp_path, monkeypatch, capsys):
    (tmp_path / "file.0").symlink_to(data_dir / "ftir" / "opus" / "brukeropus_file.0")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 5
    scope: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), scope)
    said = capsys.readouterr().out
    assert "absorbance {'wavenumber': 4927} 4.0 B3" in said
    assert "single_channel\n" in said
    assert float(re.search(r"([\d.]+) from what OPUS stored", said).group(1)) < 0.003
    assert "water 0.400 ± 0.000" in said
    assert "1.253 um at 1600 1/cm" in said
    assert "4.05" in said
    assert "[0.5 1.  2. ]" in said
