"""The page on valence: every block runs, one after the other, on the data that it names, and says what the page says."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "eels-valence.md"


@pytest.mark.long
def test_its_blocks_run(data_dir, tmp_path, monkeypatch, capsys):
    for path in (data_dir / "softxas" / "mn_l23").glob("*.csv"):
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 4
    scope: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), scope)
    said = capsys.readouterr().out
    found = re.findall(r"(\w+) by (\w+): ([\d.]+) ± ([\d.]+)", said)
    page = PAGE.read_text(encoding="utf-8")
    for _, _, value, sigma in found:
        assert f"{value} ± {sigma}" in page
    assert len(found) == 6
    image = scope["image"]
    assert abs(float(image.valence[:, 0].mean()) - 3.8) < 0.05
    assert abs(float(image.reference_shift.mean()) - 0.3) < 0.03
    assert (tmp_path / "eels-references.png").stat().st_size > 10_000
    assert "pre_edge_not_seen" in said
    assert "have the status to-verify" in said
