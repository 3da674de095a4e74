"""The pages of the reference are what the code, its docstrings and its tables say, and are of use to a reader."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
FOLDER = DOCS / "reference"

pytestmark = pytest.mark.dev  # the docstrings are read by numpydoc


@pytest.fixture(scope="module")
def made():
    """Every page as the script would write it now."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(DOCS / "maker"))
        from make_reference import pages

        return pages()


def test_the_pages_are_what_the_script_writes(made):
    from make_reference import stale

    old = stale(made)
    assert not old, f"{', '.join(old)}: run python docs/maker/make_reference.py and commit docs/reference"


def test_every_public_function_says_its_parameters_and_what_it_returns(made):
    import inspect

    from reference_names import PACKAGES, public_names

    silent = []
    for name in (name for _, package, _ in PACKAGES for name in public_names(package)):
        if inspect.isclass(name.thing) or not callable(name.thing):
            continue
        said = {part.strip().lstrip("*") for p in name.doc["Parameters"] for part in p.name.split(",")}
        silent += [f"{name.full}: {p}" for p in inspect.signature(name.thing).parameters if p not in said]
        if not name.doc["Returns"]:
            silent.append(f"{name.full}: what it returns")
        if not name.summary.endswith("."):
            silent.append(f"{name.full}: a first sentence that ends with a full stop")
    assert not silent, f"docstrings (numpydoc) that do not say: {'; '.join(silent)}"


def test_every_flag_that_a_docstring_names_is_on_the_page(made):
    from reference_flags import PACKAGES, ROOT, flags

    known = {flag.name for flag in flags()[0]}
    named = set()
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        for said in re.findall(
            r"flagged\s+((?:``\w+``(?:,\s*|\s+and\s+|\s+or\s+)?)+)", path.read_text("utf-8")
        ):
            named |= set(re.findall(r"``(\w+)``", said))
    assert len(named) > 10
    assert named - known == set()
    assert all(flag.text for flag in flags()[0])


def test_flags_of_calls_loops_tables_and_helpers_are_found(made):
    rows = [line.split(" | ") for line in made["flags.md"].splitlines() if line.startswith("| `")]
    found = {(row[0].strip("| `"), row[1].strip("*")) for row in rows}
    assert ("no_edge", "failed") in found  # a call
    assert ("background_falls", "warning") in found  # a table by name
    assert ("splitting_off", "warning") in found  # a table by another key
    assert ("ratio_above_curve", "failed") in found  # rows of a loop
    assert ("size_conflicting", "warning") in found  # a helper's argument
    assert ("unphysical_path", "warning") in found  # one entry of a table
    assert ("coarse_step", "warning") in found  # a list that is filled


def test_links_lead_somewhere(made):
    from reference_markdown import anchor

    for name, text in made.items():
        for target in re.findall(r"\]\((?!http)([^)]+)\)", text):
            page, _, heading = target.partition("#")
            if page and page not in made:
                assert (FOLDER / page).resolve().exists(), f"{name}: {target}"
            if heading:
                headings = re.findall(r"^#+ (.*)$", made[page or name], re.MULTILINE)
                assert heading in {anchor(h) for h in headings}, f"{name}: {target}"


def test_tables_have_as_many_cells_as_headers(made):
    for name, text in made.items():
        width = 0
        for line in text.splitlines():
            if line.startswith("|"):
                cells = len(re.findall(r"(?<!\\)\|", line)) - 1
                assert cells == (width or cells), f"{name}: {line}"
                width = cells
            else:
                width = 0


def test_no_mark_of_a_docstring_is_left(made):
    for name, text in made.items():
        plain = re.sub(r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$\n]*\$", "", text, flags=re.DOTALL)
        assert re.findall(r":\w+:`|\.\. \w+::|``", plain) == [], name
