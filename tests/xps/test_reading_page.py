"""The page on reading photoelectron spectra: every block runs, and every reader stands in its table."""

import re
from pathlib import Path

from spectra.reading.registry import readers

PAGE = Path(__file__).parents[2] / "docs" / "xps-reading.md"
FILES = {
    "multiplex.spe": "phi_bn/BN-BS-1_multiplex.spe",
    "profile.pro": "pynxtools/SnO2_10nm_1.pro",
    "states.xlsx": "battery_states/Multiplex Data - F1s.xlsx",
    "feo.vms": "pynxtools/FeO_analyzed.vms",
    "fit.json": "khervefitting/LaSrTiO3.json",
}


def test_its_blocks_run(data_dir, tmp_path, monkeypatch):
    for name, measured in FILES.items():
        (tmp_path / name).symlink_to(data_dir / "xps" / measured)
    monkeypatch.chdir(tmp_path)
    scope: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 4
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), scope)
    assert scope["profile"].sizes["sputter_time"] == 21
    assert scope["states"].sizes["sample"] == 2
    assert scope["ti"].attrs["dwell_time"] == 0.8
    assert scope["fe"].sizes["component"] == 4
    assert scope["sr"].sizes["component"] == 4


def test_its_table_names_every_reader():
    named = set(re.findall(r"^\| `([\w-]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert named - {"text"} == {
        name for name, reader in readers().items() if reader.scans.__module__.startswith("xps.")
    }
