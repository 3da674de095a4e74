"""The page on maps: every block runs, one after the other, on every third pixel of the stack that it names."""

import re
from pathlib import Path

import h5py
import numpy as np
import pytest

PAGE = Path(__file__).parents[3] / "docs" / "eels-maps.md"


@pytest.mark.long
def test_its_blocks_run(data_dir, tmp_path, monkeypatch, capsys):
    name = "Fe_L23_stxm_71214098.h5"
    with h5py.File(data_dir / "softxas" / name) as whole, h5py.File(tmp_path / name, "w") as part:
        part["transmitted"] = whole["transmitted"][::3, ::3]
        part["transmitted"].attrs["axes"] = ["y", "x", "energy"]
        for axis in ("energy", "incident"):
            part[axis] = whole[axis][()]
        for axis in ("y", "x"):
            part[axis] = whole[axis][::3]
            part[axis].attrs["units"] = "um"
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 3
    scope: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), scope)
    assert {p.name for p in tmp_path.glob("*.png")} == {"iron.png", "edge.png", "eels-iron-map.png"}
    said = capsys.readouterr().out
    assert "too_thick" in said
    apart = {float(a): float(b) for a, b in re.findall(r"([\d.]+) to [\d.]+: ([+-][\d.]+)", said)}
    assert abs(apart[0.1]) < 0.1
    assert abs(apart[0.3]) < 0.1
    assert 0.1 < apart[0.5] < 0.3
    stack = scope["stack"]
    sure = stack.ferric_fraction_sigma < 0.1
    assert float(stack.ferric_fraction.where(sure).median()) == pytest.approx(0.28, abs=0.03)
    # of the simulated particle the truth is known: the curve is not made for these lines, the order of shares is
    particle, share = scope["particle"], scope["share"]
    known = particle.ferric_fraction_sigma.values < 0.1
    found = particle.ferric_fraction.values
    assert np.corrcoef(found[known], share[known])[0, 1] > 0.95
    assert abs(np.median(found[known] - share[known])) < 0.05


def test_every_figure_of_the_page_is_there():
    for name in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", PAGE.read_text(encoding="utf-8")):
        assert (PAGE.parent / name).stat().st_size > 10_000
