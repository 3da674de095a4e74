"""The page on the published cases: its Python runs, and what it says was recovered is what the tables print."""

import re
from pathlib import Path

from spectra.demo import list_demos

PAGE = Path(__file__).parents[1] / "docs" / "cases.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_its_blocks_run_and_say_what_the_page_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("a-raman", "a-infrared"):
        (tmp_path / "redox-demo" / "input" / name).mkdir(parents=True)
        list_demos()[name].write_inputs(tmp_path / "redox-demo" / "input" / name)
    demo, order = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    exec(compile(demo, str(PAGE), "exec"), {})
    said = capsys.readouterr().out
    assert "found 397.4993 ± 0.0054, agrees: True" in said
    assert "report.html" in said
    exec(compile(order, str(PAGE), "exec"), {})
    said = capsys.readouterr().out
    assert said.startswith("disordered, P = ")
    assert f"```\n{said}```" in TEXT


def test_every_recipe_is_named():
    for demo in list_demos().values():
        assert f"`{demo.recipe}`" in TEXT, demo.recipe


def test_its_images_are_there():
    for target in re.findall(r"\]\((?!http)([^)#]+\.(?:md|png))", TEXT):
        assert (PAGE.parent / target).is_file(), target
