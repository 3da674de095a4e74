"""The page on reading Raman spectra: every block runs, and every reader of Raman files stands in its table."""

import re
from pathlib import Path

from spectra.reading.registry import readers

PAGE = Path(__file__).parents[2] / "docs" / "raman-reading.md"


def test_its_blocks_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scope: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), scope)
    assert abs(scope["peak"] - 520.5) < 1.0
    assert dict(scope["map_"].sizes) == {"y": 3, "x": 4, "raman_shift": 1100}
    assert scope["failed"](scope["map_"]).values.sum() == 1
    assert scope["series"].intensity.identical(scope["map_"].intensity)


def test_its_table_names_every_reader():
    text = PAGE.read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w-]+)`", "\n".join(re.findall(r"^\| (`.*?) \|", text, re.MULTILINE))))
    named |= set(
        re.findall(
            r"`([\w-]+)`", next(line for line in text.split("\n") if line.startswith("Infrared files"))
        )
    )
    ours = {name for name, reader in readers().items() if reader.scans.__module__.startswith("raman.")}
    assert ours <= named
