"""The page on one valence from many techniques: its blocks run, and say what the page says."""

import re
from pathlib import Path

import pytest

import spectra

PAGE = Path(__file__).parents[2] / "docs" / "one-valence.md"


@pytest.mark.long
def test_its_blocks_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == 3
    scope: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), scope)
    found = scope["found"]
    assert isinstance(found, spectra.Comparison)
    assert found.verdict == "disagree"
    assert found.combined is None
    assert re.search(r"\*(It goes with depth.*?)\*", page)[1] in found.reason
    for row in found.table.itertuples():
        assert f"| {row.valence:.2f} |" in page
    back = spectra.Comparison.from_dataset(spectra.load(tmp_path / "one-valence.nxs"))
    assert back.data.identical(found.data)
    assert back.data.attrs["simulated"] == 1
    assert (tmp_path / "one-valence.png").stat().st_size > 10_000
    # the line without its profile is averaged, and says that it is not the same everywhere
    whole = spectra.compare_valence(
        {"XANES": scope["scans"], "EELS": scope["line"]}, element="Mn", variables={"EELS": "valence"}
    )
    assert "the sample is not the same everywhere" in whole.table.remarks[1]
