"""What is easily forgotten with a new verb, beside its line in the contract and the pages of the reference.

The list of steps is in CONTRIBUTING.md, "A new verb".
"""

import functools
import importlib
import inspect
import logging
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

import spectra.verbs
from spectra.announced import announced_verbs
from spectra.errors import RecipeError
from spectra.verbs import find_verb, list_verbs

ROOT = Path(__file__).parents[1]
PACKAGES = ("spectra", "xas", "xps", "raman")
ANNOUNCED = {v.name: v for v in list_verbs() if v.name.partition(".")[0] in PACKAGES}
DECORATED = {
    name: path
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
    for name in re.findall(r'^@(?:verb|reading_verb)\(\s*"([^"]+)"', path.read_text("utf-8"), re.MULTILINE)
}


@functools.cache
def _text(folder: str, pattern: str, but: str) -> str:
    """All files below a folder, but the file or folder of that name."""
    files = sorted((ROOT / folder).rglob(pattern))
    return "\n".join(p.read_text("utf-8") for p in files if but not in (p.name, p.parent.name))


@pytest.mark.parametrize("name", sorted(DECORATED))
def test_a_verb_of_the_source_is_announced_and_public(name):
    package, _, short = name.rpartition(".")
    where = DECORATED[name].relative_to(ROOT)
    assert name in ANNOUNCED, f"{name} ({where}) is not in STEPS of {package}: no recipe can name it"
    public = getattr(importlib.import_module(package), short, None)
    assert public is ANNOUNCED[name].function, f"{name} ({where}) is not in __init__.pyi of {package}"


@pytest.mark.parametrize("name", sorted(ANNOUNCED))
def test_a_verb_has_an_example_a_page_and_a_test(name):
    short = name.rpartition(".")[2]
    doc = inspect.getdoc(ANNOUNCED[name].function) or ""
    assert ">>> " in doc, f"the docstring of {name} has no example: a few lines with >>> that run in a second"
    assert name in _text("docs", "*.md", "reference"), (
        f"no page of docs names {name}: say on the page of its subject what question it answers"
    )
    assert short in _text("tests", "*.py", "test_verb_contract.py"), (
        f"nothing below tests/ calls {name}: recover a known truth, refuse bad input"
    )


def test_a_step_that_its_package_does_not_have_is_named(monkeypatch):
    monkeypatch.setattr(spectra.verbs, "announced_verbs", lambda: {"spectra": ("crop", "unheard_of")})
    with pytest.raises(RecipeError, match=r"spectra announces 'unheard_of', .* add it to __init__\.pyi"):
        find_verb("spectra.unheard_of")


def test_a_broken_package_is_logged_and_the_verbs_of_others_are_there(monkeypatch, caplog):
    def load():
        raise ImportError("no module named vendor")

    ours = SimpleNamespace(value="spectra:STEPS", load=lambda: ("crop",))
    broken = SimpleNamespace(name="vendor", value="vendor:STEPS", dist=None, load=load)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [broken, ours])
    with caplog.at_level(logging.WARNING, "spectra.announced"):
        found = announced_verbs.__wrapped__()
    assert found == {"spectra": ("crop",)}
    assert "steps vendor (vendor:STEPS) cannot be loaded: no module named vendor" in caplog.text
