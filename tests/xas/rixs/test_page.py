"""The page on RIXS: every block runs, on the measured files and the simulated ones, and says what the page says."""

import re
from pathlib import Path

import numpy as np
import pytest

from spectra.dataset import flag_names

PAGE = Path(__file__).parents[3] / "docs" / "rixs.md"


def test_its_blocks_run(data_dir, monkeypatch):
    monkeypatch.chdir(data_dir / "rixs")
    scope: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 7
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), scope)
    np.testing.assert_allclose(scope["spectrum"].channel_shift[0], [270.4, 149.8, 0], atol=0.05)
    np.testing.assert_allclose(scope["elastic"].resolution[1:], [0.083, 0.088], atol=1e-3)
    np.testing.assert_allclose(scope["elastic"].redchi[1:], [1.0, 1.3], atol=0.05)
    assert flag_names(scope["whole"]) == ["scale_drifted"]
    assert float(scope["whole"].scale_drift) == pytest.approx(-0.007, abs=5e-4)
    assert float(scope["whole"].shape_p_value) == pytest.approx(0.3, abs=0.05)
    assert "normalizations_disagree" in flag_names(scope["energies"], incident=0)
    lines, emission = scope["lines"], scope["emission"]
    for name, truth in (("vibrational_energy", 0.1959), ("anharmonicity", 0.00149)):
        assert abs(float(lines[name]) - truth) < 3 * float(lines[f"{name}_sigma"])
    assert emission.oxygen_verdict.item() == "seen"
    oxygen = scope["rixs_map"].partial_yield.sel(window="O2")
    assert float(oxygen.incident_energy[oxygen.argmax("incident_energy")]) == 531.0
    assert len(scope["figure"].axes) == 3


def test_its_table_names_every_function():
    import xas.rixs

    named = set(re.findall(r"^\| `xas\.rixs\.(\w+)`", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert set(xas.rixs.STEPS) - {"read_series"} <= named
