"""Write ``docs/reference``: names from docstrings, numbers from tables, flags and lists from the code.

``python docs/maker/make_reference.py`` writes the pages; ``--check`` says which are not what it would write, and exits 1.
Needs the developers' packages (``pip install -e ".[dev]"``).
"""

import re
import sys
from pathlib import Path

from reference_lists import flags_page, lists_page, rules_page
from reference_markdown import table
from reference_names import PACKAGES, ROOM_PAGE, addresses, package_page, rooms_page, verb_index
from reference_numbers import counts, numbers_page, packages, page_name, statuses

FOLDER = Path(__file__).parents[1] / "reference"
NOTE = "<!-- Written by docs/maker/make_reference.py from docstrings, tables and code: change those, and run it again. -->"


def pages():
    """Every page by its file name."""
    tables = packages()
    made = {
        page: package_page(package, about, page_name(package) if package in tables else None)
        for page, package, about in PACKAGES
    }
    made[ROOM_PAGE] = rooms_page()
    made |= {page_name(package): numbers_page(package) for package in tables}
    made |= {"flags.md": flags_page(), "audit-rules.md": rules_page(), "lists.md": lists_page()}
    made["index.md"] = _index(tables)
    where = addresses()
    return {name: f"{NOTE}\n\n{_names_linked(text, where).rstrip()}\n" for name, text in made.items()}


def _names_linked(text, where):
    """``text`` with the public names in it as links, but for examples and what is a link already."""

    def linked(match):
        name = match.group(1)
        return f"[`{name}`]({where[name]})" if name in where else match.group(0)

    parts = re.split(r"(^```.*?^```$)", text, flags=re.DOTALL | re.MULTILINE)
    return "".join(p if i % 2 else re.sub(r"(?<!\[)`([\w.]+)`(?!\])", linked, p) for i, p in enumerate(parts))


def _index(tables):
    names = [(f"[{package}]({page})", about) for page, package, about in PACKAGES]
    names.append(
        (
            f"[rooms of the core]({ROOM_PAGE})",
            "arrays and datasets beneath the verbs, for readers and verbs of one's own",
        )
    )
    numbers = []
    for package, real in tables.items():
        total, open_ = counts(real)
        numbers.append(
            (
                f"[{package}]({page_name(package)})",
                str(total),
                str(open_ or ""),
                ", ".join(t.name for t in real),
            )
        )
    total, open_ = counts([t for real in tables.values() for t in real])
    return "\n\n".join([
        "# Reference",
        "Made from the docstrings, the tables and the code, and checked against them by a test: it says what this version does.",
        "## Names",
        table(("package", "what is in it"), names),
        "## Numbers and what they rest on",
        f"{total} numbers, of which {open_} are to be verified. Every one has a unit, a source and a status:",
        statuses(),
        table(("technique", "numbers", "to verify", "tables"), numbers),
        "## Lists",
        table(
            ("page", "what is in it"),
            [
                ("[flags](flags.md)", "every flag that a spectrum can carry: what happened and what to do"),
                ("[rules of the audit](audit-rules.md)", "what is asked of every fit of a core level, with thresholds and sources"),
                ("[lists](lists.md)", "readers, line shapes, backgrounds, baselines, recipes"),
            ],
        ),
        "## Verbs",
        table(("verb", "what it does"), verb_index()),
    ])  # fmt: skip


def stale(made):
    """Names of the pages in the folder that are not what ``made`` holds, or are there and should not be."""
    there = {path.name: path.read_text("utf-8") for path in FOLDER.glob("*.md")}
    return sorted(name for name in {*there, *made} if there.get(name) != made.get(name))


def main():
    """Write the pages, or check them."""
    made = pages()
    old = stale(made)
    if "--check" in sys.argv:
        sys.exit(
            f"not what the code says: {', '.join(old)}; run python docs/maker/make_reference.py" if old else 0
        )
    FOLDER.mkdir(exist_ok=True)
    for name in old:
        if name in made:
            (FOLDER / name).write_text(made[name], "utf-8")
        else:
            (FOLDER / name).unlink()
    print(f"{len(made)} pages, of which {len(old)} changed")


if __name__ == "__main__":
    main()
