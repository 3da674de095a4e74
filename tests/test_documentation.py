"""Every page of the documentation is found from its first page, and no link leads nowhere."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FIRST = ROOT / "docs" / "index.md"
_LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s]+)\)")
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "docs").rglob("*.ipynb")])


def text_of(page: Path) -> str:
    """Its prose: of a notebook, the cells that are not code; of a page, all but the blocks of code."""
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def links(page: Path) -> list[tuple[str, Path, str]]:
    found = []
    for link in _LINK.findall(text_of(page)):
        path, _, anchor = link.partition("#")
        found.append((link, (page.parent / path).resolve() if path else page, anchor))
    return found


def anchors(page: Path) -> set[str]:
    """Names of the headings, as hosts of Markdown make them."""
    if page.suffix != ".md":
        return set()
    made: set[str] = set(re.findall(r'<a (?:id|name)="([^"]+)"', page.read_text(encoding="utf-8")))
    for heading in re.findall(r"^#+ (.*)$", text_of(page), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        name = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        number = 0
        while (unique := f"{name}-{number}" if number else name) in made:
            number += 1
        made.add(unique)
    return made


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for link, target, anchor in links(page):
        assert target.exists(), link
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), link


def test_every_page_is_found_from_the_first():
    found, waiting = {FIRST}, [FIRST]
    while waiting:
        for _, target, _ in links(waiting.pop()):
            if target.suffix in (".md", ".ipynb") and target.is_file() and target not in found:
                found.add(target)
                waiting.append(target)
    missing = [
        str(page.relative_to(ROOT))
        for page in PAGES
        if page.is_relative_to(ROOT / "docs") and page not in found
    ]
    assert not missing
