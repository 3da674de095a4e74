"""Pages for those who come from another program: their blocks print what stands below them, in both programs.

Blocks of programs that are not installed here are left out; what they printed stands on the page, and the half of
this library is compared with it.
"""

import contextlib
import importlib
import importlib.util
import inspect
import io
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from spectra.larch_guard import quiet_larch
from spectra.verbs import list_verbs

DOCS = Path(__file__).parents[1] / "docs"
#: Each page's files: their names on the page, and where they are measured.
PAGES = {
    "larch": {"cu_metal_rt.xdi": "xas/Cu_foil_rt_larch.xdi"},
    "athena": {
        "cu.prj": "xas/prj/cu.prj",
        "cu10k.dat": "xas/Cu_foil_10K_demeter.dat",
        "cu10k.chi": "xas/ref_Cu_10K_athena.chi",
    },
    "casaxps": {
        name: f"xps/pynxtools/{name}" for name in ("FeO_analyzed.vms", "FeO_analyzed_lineshapes_cols.txt")
    },
    "hyperspy": {name: f"eels/exspy/{name}" for name in ("LSMO_coreloss_raw.msa", "LSMO_lowloss_raw.msa")},
    "ramanspy": {name: f"raman/renishaw/{name}" for name in ("nCal_Qontor785_z005H12_100_1x3s.wdf",)},
}
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")


@dataclass(frozen=True)
class Block:
    program: str  # whose code it is; "" for this library's
    code: str
    printed: str


def text_of(page: str) -> str:
    return (DOCS / "moving-over" / f"{page}.md").read_text(encoding="utf-8")


def blocks_of(page: str) -> list[Block]:
    found = re.findall(
        r"(?:<!-- theirs: (\w+) -->\n)?```python\n(.*?)```(?:\n```text\n(.*?)```)?", text_of(page), re.DOTALL
    )
    return [Block(*parts) for parts in found]


def run(block: Block, scope: dict[str, object]) -> str:
    """What a block prints; other programs may warn and log."""
    said = io.StringIO()
    guard = quiet_larch() if block.program else contextlib.nullcontext()
    with guard, contextlib.redirect_stdout(said):
        exec(compile(block.code, "page", "exec"), scope)
    return said.getvalue()


def assert_same(got: str, expected: str) -> None:
    """The same words; the same numbers, but for one unit of the last digit that is printed."""
    assert NUMBER.sub("#", got).split() == NUMBER.sub("#", expected).split(), got
    for ours, theirs in zip(NUMBER.findall(got), NUMBER.findall(expected), strict=True):
        digits = len(theirs.partition("e")[0].partition(".")[2])
        assert float(ours) == pytest.approx(float(theirs), abs=1.01 * 10.0**-digits), got


@pytest.mark.parametrize("page", PAGES)
def test_its_blocks_print_what_the_page_says(page, data_dir, tmp_path, monkeypatch):
    for name, measured in PAGES[page].items():
        (tmp_path / name).symlink_to(data_dir / measured)
    monkeypatch.chdir(tmp_path)
    scope: dict[str, object] = {}
    ours = 0
    for block in blocks_of(page):
        if block.program and importlib.util.find_spec(block.program) is None:
            continue
        assert_same(run(block, scope), block.printed)
        ours += not block.program
    assert ours >= 2


@pytest.mark.parametrize(
    ("page", "pairs", "tolerance"),
    [
        ("larch", {0: 1}, 1e-5),
        ("hyperspy", {0: 1}, 5e-3),
        ("hyperspy", {3: 4}, 5e-3),
        ("ramanspy", {0: 1}, 1e-4),
    ],
)
def test_both_programs_say_the_same(page, pairs, tolerance):
    """Numbers as printed: those of the other program, one by one, among the first of this library's."""
    blocks = blocks_of(page)
    for theirs, ours in pairs.items():
        assert blocks[theirs].program
        assert not blocks[ours].program
        expected = [float(v) for v in NUMBER.findall(blocks[theirs].printed)]
        got = [float(v) for v in NUMBER.findall(blocks[ours].printed)][: len(expected)]
        assert expected
        assert got == pytest.approx(expected, rel=tolerance)


@pytest.mark.parametrize("page", PAGES)
def test_every_name_of_this_library_exists(page):
    """Functions and their options as the tables name them."""
    options: dict[str, set[str]] = {}
    for verb in list_verbs():
        options.setdefault(verb.name.rpartition(".")[2], set()).update(
            inspect.signature(verb.function).parameters
        )
    column = [line.split("|")[2] for line in text_of(page).splitlines() if line.startswith("|")]
    named = [code for cell in column for code in re.findall(r"`([^`]+)`", cell)]
    for code in named:
        for dotted in re.findall(r"(?<![.\w])((?:spectra|xas\.eels|xas|xps|raman)\.[a-z_]\w*)", code):
            package, _, name = dotted.rpartition(".")
            assert hasattr(importlib.import_module(package), name), dotted
        for function, inside in re.findall(r"(\w+)\(([^()]*(?:\([^()]*\)[^()]*)*)\)", code):
            if function in options and function != "fit":
                given = set(re.findall(r"(\w+)=", re.sub(r"\([^()]*\)", "", inside)))
                assert given <= options[function], code


def test_the_overview_links_every_page():
    overview = (DOCS / "moving-over.md").read_text(encoding="utf-8")
    assert {f"moving-over/{page}.md" for page in PAGES} <= set(re.findall(r"\]\(([\w/-]+\.md)", overview))


@pytest.mark.parametrize("page", ["../moving-over", *PAGES])
def test_links_lead_somewhere(page):
    here = (DOCS / "moving-over" / f"{page}.md").resolve()
    for target in re.findall(r"\]\(((?!http)[^)]+)\)", here.read_text(encoding="utf-8")):
        name, _, heading = target.partition("#")
        linked = (here.parent / name).resolve()
        assert linked.is_file(), target
        headings = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
        slugs = {re.sub(r"[^\w -]", "", h.lower()).strip().replace(" ", "-") for h in headings}
        assert not heading or heading in slugs, target
