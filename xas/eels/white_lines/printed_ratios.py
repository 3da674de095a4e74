"""Ratios and shifts of white lines that the literature prints: shown beside measured ones, never made a calibration."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from spectra.errors import InvalidInput, did_you_mean
from xas.eels.tables import load_table

__all__ = ["listing", "refuse_printed"]

#: Words that ask for the numbers of the literature.
ASKED = ("literature", "printed", "published", "table", "default")


def listing(name: str) -> Iterator[tuple[str, ...]]:
    """Rows for ``spectra list ratios``: all, or those of one element; the first row holds the headers."""
    table = load_table("ratios")
    elements = dict.fromkeys(r["element"] for r in (*table["ratio"], *table["shift"]))
    if name and name.capitalize() not in elements:
        raise InvalidInput(f"no printed ratios of {name!r}; {did_you_mean(name, elements)}.")
    yield "element", "compound", "valence", "what", "printed", "status", "source", "note"
    for row in _of(name, table["ratio"]):
        yield (
            row["element"], row.get("compound", ""), f"{row['valence']:g}", "L3/L2", _range(row), table["status"],
            ", ".join(row["sources"]), row.get("note", ""),
        )  # fmt: skip
    for row in _of(name, table["shift"]):
        low, high = row["valences"]
        yield (
            row["element"], "", f"{low:g} to {high:g}", "shift of L3 (eV)", _range(row), table["status"],
            ", ".join(row["sources"]), "",
        )  # fmt: skip


def refuse_printed(asked: str) -> None:
    """Say why numbers of the literature make no valence, where ``asked`` asks for them by element, word or source.

    Raises
    ------
    InvalidInput
        With the numbers and what to do instead.
    """
    table = load_table("ratios")
    elements = dict.fromkeys(r["element"] for r in table["ratio"])
    named = [e for e in elements if re.search(rf"(?<![A-Za-z]){e}(?![a-z])", asked)]
    named += [r["element"] for r in table["ratio"] if any(s in asked for s in r["sources"])]
    if not named and not any(word in asked.lower() for word in ASKED):
        return
    rows = _of(named[0], table["ratio"]) if named else []
    what = "; ".join(f"{r['valence']:g}+: {_range(r)}" for r in rows)
    of = f" of {named[0]} ({what})" if rows else ""
    raise InvalidInput(
        f"printed L3/L2{of} have the status {table['status']}: their windows and steps are not known, and windows alone move a ratio "
        "by up to 25 %, so that they make no valence. Calibrate by own standards, measured as the data are, in one call: "
        "xas.calibrate_valence(standards, valences=(2, 3, 4), variable='branching_ratio'); 'spectra list ratios' shows them all."
    )


def _of(name: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if name in ("", row["element"]) or row["element"] == name.capitalize()]


def _range(row: dict[str, Any]) -> str:
    low, high = row["range"]
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"
