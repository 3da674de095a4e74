"""The page on long series: its Python runs on the demo's input, its commands and links exist."""

import re
from pathlib import Path

from typer.main import get_command

from spectra.cli import app
from xas.demo import write_inputs

PAGE = Path(__file__).parents[2] / "docs" / "running.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_its_block_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "redox-demo" / "input" / "xas"
    folder.mkdir(parents=True)
    write_inputs(folder)
    (block,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    exec(compile(block, str(PAGE), "exec"), {})
    assert (tmp_path / "series.nxs").is_file()
    assert "65" in capsys.readouterr().out


def test_its_options_exist():
    commands = get_command(app).commands
    for line in re.findall(r"^(?:#SBATCH.*\n)?spectra (\w+)(.*)$", TEXT, re.MULTILINE):
        name, rest = line
        known = {option for parameter in commands[name].params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", rest.partition("#")[0])) <= known


def test_its_links_lead_somewhere():
    for target in re.findall(r"\]\((?!http)([^)#]+\.(?:md|png))", TEXT):
        assert (PAGE.parent / target).is_file(), target
