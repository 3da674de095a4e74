"""The rooms of a technique: none imports, by whatever way round, a room that imports it."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def modules(package: str) -> dict[str, Path]:
    """Every module of a package and its rooms, by its dotted name."""
    files = (ROOT / package).rglob("*.py")
    return {".".join(f.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): f for f in files}


def arrows(package: str) -> dict[str, set[str]]:
    """Of each room the rooms it takes something from; the package's own folder, where figures and demos are, left out."""
    known = modules(package)

    def room(module: str) -> str:
        return module if known[module].name == "__init__.py" else module.rpartition(".")[0]

    found: dict[str, set[str]] = {}
    for module, file in known.items():
        for line in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(line, ast.ImportFrom) and line.module and line.level == 0:
                named = [f"{line.module}.{alias.name}" for alias in line.names]
                for target in {name if name in known else line.module for name in named} & set(known):
                    if room(target) != room(module):
                        found.setdefault(room(module), set()).add(room(target))
    return {here: there - {package} for here, there in found.items() if here != package}


@pytest.mark.parametrize("package", ["xas", "xps", "raman"])
def test_no_two_rooms_need_each_other(package):
    try:
        order = list(TopologicalSorter(arrows(package)).static_order())
    except CycleError as error:
        pytest.fail(f"these rooms import each other in a circle: {' -> '.join(error.args[1])}")
    assert len(order) > 5


@pytest.mark.parametrize("package", ["xas", "xps", "raman"])
def test_every_room_says_what_it_is(package):
    for name, file in modules(package).items():
        assert ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))), name
