"""Rows for ``spectra list states``: the chemical states that fits can use, with what each number rests on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from spectra.errors import InvalidInput, did_you_mean
from xps.tables import load_table, number

__all__ = ["listing"]


def listing(name: str) -> Iterator[tuple[str, ...]]:
    """All states, or those of one name or level, the first row holding the headers."""
    rows = load_table("states")["state"]
    found = [row for row in rows if name in ("", row["name"], row["level"])]
    if not found:
        known = [*(row["name"] for row in rows), *(row["level"] for row in rows)]
        raise InvalidInput(f"no state {name!r}; {did_you_mean(name, dict.fromkeys(known))}.")
    yield "state", "level", "valence", "position (eV)", "range", "lines", "status", "source"
    for row in found:
        position = row["position"]
        low, high = position.get("range", ("", ""))
        yield (
            row["name"],
            row["level"],
            str(row.get("valence", "")),
            f"{number(position):g}",
            f"{low:g} to {high:g}" if "range" in position else "",
            _lines(row),
            position["status"],
            str(position["source"]),
        )


def _lines(row: Mapping[str, Any]) -> str:
    if "metal" in row:
        return f"asymmetric doublet with {len(row['metal']['losses'])} losses"
    return f"packet of {len(row['packet']['positions'])}" if "packet" in row else "one doublet or line"
