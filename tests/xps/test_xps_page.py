"""The first page on photoelectron spectra: its blocks run one after the other, and its pages are there."""

import re
import tomllib
from pathlib import Path

import xps

PAGE = Path(__file__).parents[2] / "docs" / "xps.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_its_blocks_run(data_dir, tmp_path, monkeypatch):
    """On a file that holds Mn 2p of three samples, of which one is named."""
    (tmp_path / "sample.vms").symlink_to(data_dir / "xps/xpsdeeplearning/Mn_references.vms")
    monkeypatch.chdir(tmp_path)
    scope: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        block = block.replace('select="Mn 2p"', 'select="Mn 2p MnO2"')
        exec(compile(block, str(PAGE), "exec"), scope)
    found = scope["mn"]
    assert list(found.state.values) == ["Mn3+", "Mn4+"]
    assert float(found.charge_shift_sigma) == 0.25
    assert (found.position_sigma >= 0.25).where(found.position_sigma.notnull(), True).all()


def test_its_components_are_a_recipe_step(data_dir):
    (recipe,) = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    (step,) = tomllib.loads(recipe)["step"]
    mn = xps.read(data_dir / "xps/xpsdeeplearning/Mn_references.vms", select="Mn 2p MnO2")
    found = xps.deconvolve(mn, components=tuple(step["components"]), background="shirley", window=(634, 667))
    assert [str(name) for name in found.component.values] == ["Mn3+ 2p3/2", "Mn3+ 2p1/2", "satellite"]


def test_its_links_lead_somewhere():
    for page in PAGE.parent.glob("xps*.md"):
        for target in re.findall(r"\]\((?!http)([^)#]+\.(?:md|png))", page.read_text(encoding="utf-8")):
            assert (page.parent / target).is_file(), f"{page.name}: {target}"
