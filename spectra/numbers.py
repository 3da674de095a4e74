"""Every number of every table of knowledge, one a row, with unit, source and status: for lists and documentation.

The tables have many forms, made for those who read and write them; here a number is a row whatever form it stands in.
What an entry does not say of itself (unit, source, status) it has from what it stands in: a section, a table ``about``,
or the head of the file. ``units`` there names the units of keys, and ``areas_unit`` beside ``areas`` that of one.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any

from spectra.errors import InvalidInput, did_you_mean
from spectra.knowledge import read_table

__all__ = ["STATUSES", "Number", "Table", "list_tables", "listing", "numbers", "of_simulations"]

#: What a status says of a number.
STATUSES = {
    "read": "seen in the named source",
    "secondary": "seen in two or more later works that agree and name the source, not in the source itself",
    "computed": "from a formula, a database or measured data, as the source says",
    "chosen": "a limit or convention of this project, no measured number",
    "conflicting": "sources disagree; all their values are kept",
    "to-verify": "not yet compared with its source: a verb that uses it says so in its result",
}
#: Keys that name an entry, in the order in which they are said.
_NAMES = (
    "id", "name", "element", "compound", "level", "other", "edge", "case", "technique", "what", "valences",
)  # fmt: skip
_VALUES = (
    "value", "range", "sigma", "unit", "source", "sources", "status", "said", "note", "secondary", "n", "also",
)  # fmt: skip
_Said = Mapping[str, Any]
_INHERITED = ("unit", "source", "status")
#: What is said of all numbers of a file stands at its head or in this section.
_ABOUT = "about"


@dataclass(frozen=True)
class Number:
    """One number, or several that belong together, of a table."""

    section: str
    name: str
    value: str
    unit: str | None  # "" where it has none; None where nobody says
    source: str
    status: str
    note: str


@dataclass(frozen=True)
class Table:
    """A file of numbers inside the package of a technique."""

    package: str
    name: str

    @property
    def path(self) -> str:
        """Where the file lies, from the root of the project or of the installed packages."""
        return f"{self.package.replace('.', '/')}/tables/{self.name}.toml"

    @property
    def text(self) -> str:
        """The file as it is."""
        return (resources.files(f"{self.package}.tables") / f"{self.name}.toml").read_text("utf-8")

    @property
    def content(self) -> dict[str, Any]:
        """The file as mappings and sequences."""
        return read_table(f"{self.package}.tables", self.name)

    @property
    def about(self) -> str:
        """What the head of the file says of it."""
        return _comment(self.text.splitlines())


def list_tables() -> list[Table]:
    """Every table of every installed package that announces verbs, by package and name.

    Examples
    --------
    >>> "xps/tables/states.toml" in [table.path for table in list_tables()]
    True
    """
    entries = importlib.metadata.entry_points(group="spectra.steps")
    packages = sorted({entry.value.partition(":")[0] for entry in entries})
    return [Table(package, name) for package in packages for name in _files(package)]


def _files(package: str) -> list[str]:
    folder = resources.files(package) / "tables"
    names = [item.name for item in folder.iterdir()] if folder.is_dir() else []
    return sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml"))


def of_simulations(table: Table) -> bool:
    """Whether a table only says what demos and published cases are simulated from."""
    return table.name == "cases" or table.name.startswith("demo_")


def numbers(table: Table) -> list[Number]:
    """Every number of ``table``, in the order of its file."""
    content = table.content
    inherited = _handed_on(content, {"unit": None, "units": {}, "source": "", "status": ""})
    inherited = _handed_on(content.get(_ABOUT, {}), inherited)
    comments = _section_comments(table.text)
    rows: list[Number] = []
    for section, node in content.items():
        if section not in _VALUES or not isinstance(node, str):
            rows += [replace(row, section=section) for row in _walk(node, (), section, inherited)]
    return [replace(row, note=_joined(row.note, comments.get((row.section, row.name), ""))) for row in rows]


def listing(name: str) -> Iterator[tuple[str, ...]]:
    """Rows for ``spectra list numbers``: the tables, or every number of one (``xps.states``); the headers first."""
    tables = {f"{table.package}.{table.name}": table for table in list_tables()}
    if not name:
        yield "table", "numbers", "to verify", "file", "about"
        for full, table in tables.items():
            rows = numbers(table)
            open_ = sum(row.status == "to-verify" for row in rows)
            about = (
                "what demos are simulated from" if of_simulations(table) else table.about.partition(". ")[0]
            )
            yield full, str(len(rows)), str(open_ or ""), table.path, about
        return
    found = [full for full in tables if name in (full, full.rpartition(".")[2])]
    if not found:
        raise InvalidInput(f"no table of numbers {name!r}; {did_you_mean(name, tables)}.")
    yield "of", "number", "value", "unit", "status", "source", "note"
    for full in found:
        for row in numbers(tables[full]):
            yield row.section, row.name, row.value, row.unit or "", row.status, row.source, row.note


def _walk(node: Any, path: tuple[str, ...], key: str, inherited: _Said, note: str = "") -> Iterator[Number]:
    """Rows of whatever stands under ``key``: an entry, entries in a mapping or a sequence, or bare numbers."""
    if isinstance(node, Mapping):
        yield from _walk_mapping(node, path, inherited)
    elif _is_entries(node):
        for place, entry in enumerate(node, start=1):
            name = _label(entry)
            of = (*path[:-1], name) if name else (*path, str(place))
            yield from _walk(entry, of, key, inherited)
    elif _is_number(node) or (isinstance(node, Sequence) and not isinstance(node, str) and _flat(node)):
        yield _row(path or (key,), _text(node), inherited, note)


def _walk_mapping(node: Mapping[str, Any], path: tuple[str, ...], inherited: _Said) -> Iterator[Number]:
    own = _handed_on(node, inherited)
    entry = _is_entry(node)
    if entry:
        yield _entry(node, path, own)
    for key, inner in node.items():
        if _is_told(key, inner, entry):
            continue
        theirs = {**own, **{k: str(node[f"{key}_{k}"]) for k in _INHERITED if f"{key}_{k}" in node}}
        if key in own["units"]:
            theirs["unit"] = own["units"][key]
        yield from _walk(inner, (*path, key), key, theirs)


def _is_entry(node: Mapping[str, Any]) -> bool:
    """Whether a mapping is one number with what is said of it."""
    return ("value" in node and not isinstance(node["value"], Mapping)) or isinstance(node.get("range"), list)


def _is_told(key: str, inner: Any, entry: bool) -> bool:
    """Whether what stands under ``key`` is said with the name or the value of its entry, and is no row of its own."""
    if isinstance(inner, Mapping) or _is_entries(inner):
        return False
    return key == "valence" or (key in _NAMES and not _is_number(inner)) or (entry and key in _VALUES)


def _entry(node: Mapping[str, Any], path: tuple[str, ...], own: _Said) -> Number:
    parts = []
    if "value" in node:
        parts.append(_text(node["value"]))
    if "sigma" in node and _is_number(node["sigma"]):
        parts.append(f"± {_text(node['sigma'])}")
    if "range" in node:
        ends = node["range"] if isinstance(node["range"], list) else [node["range"]]
        span = " to ".join(map(_text, ends))
        parts.append(f"({span})" if parts else span)
    said = [node.get("said"), node.get("note"), node.get("secondary")]
    said.append(f"of {node['n']} published values" if node.get("n", 1) > 1 else None)
    return _row(path, " ".join(parts), own, "; ".join(str(text) for text in said if text))


def _row(path: Sequence[str], value: str, own: _Said, note: str) -> Number:
    return Number("", " · ".join(path), value, own["unit"], own["source"], own["status"], note)


def _handed_on(node: Mapping[str, Any], inherited: _Said) -> _Said:
    """Unit, source and status that hold inside of ``node``."""
    own: dict[str, Any] = {key: str(node[key]) for key in _INHERITED if isinstance(node.get(key), str)}
    if isinstance(node.get("sources"), Sequence):
        own["source"] = ", ".join(map(str, node["sources"]))
    if isinstance(node.get("units"), Mapping):
        own["units"] = node["units"]
    return {**inherited, **own}


def _label(entry: Any) -> str:
    """How an entry of a sequence is called."""
    if not isinstance(entry, Mapping):
        return ""
    said = [_text(entry[key]) for key in _NAMES if key in entry and not isinstance(entry[key], Mapping)]
    if "valence" in entry and _is_number(entry["valence"]) and "range" in entry:
        said.append(f"{entry['valence']:g}+")
    return " ".join(dict.fromkeys(said))


def _is_entries(node: Any) -> bool:
    return (
        isinstance(node, Sequence) and not isinstance(node, str) and any(isinstance(n, Mapping) for n in node)
    )


def _is_number(node: Any) -> bool:
    return isinstance(node, int | float) and not isinstance(node, bool)


def _flat(node: Sequence[Any]) -> bool:
    """Whether a sequence holds numbers, or sequences of numbers."""
    return bool(node) and all(_is_number(n) or (isinstance(n, list) and _flat(n)) for n in node)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ("; " if any(isinstance(v, list) for v in value) else ", ").join(map(_text, value))
    return f"{value:.8g}" if isinstance(value, float) else str(value)


def _joined(*texts: str) -> str:
    return "; ".join(text for text in texts if text)


def _comment(lines: Sequence[str]) -> str:
    """The comment that ``lines`` begin with, as one line."""
    said: list[str] = []
    for line in lines:
        if not line.startswith("#"):
            break
        said.append(line.lstrip("#").strip())
    return " ".join(said).strip()


def _section_comments(text: str) -> dict[tuple[str, str], str]:
    """What comments right above a key, or behind it, say of that number: by section and key."""
    found: dict[tuple[str, str], str] = {}
    section, above = "", ""
    for line in text.splitlines():
        header = re.match(r"\[\[?([\w.-]+)\]?\]", line)
        key = re.match(r"([\w.-]+)\s*=", line)
        if header:
            section = header.group(1)
        elif key:
            name = (*section.split(".")[1:], *key.group(1).split("."))
            behind = re.search(r"\s#\s+([^\"\]}]*)$", line)
            said = _joined(above, behind.group(1) if behind else "")
            if said:
                found[section.partition(".")[0] or key.group(1), " · ".join(name)] = said
        above = f"{above} {line.lstrip('#').strip()}".strip() if line.startswith("#") else ""
    return found
