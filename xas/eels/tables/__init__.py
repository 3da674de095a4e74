"""Numbers from the literature on L edges: TOML tables with unit, source and status."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from spectra.knowledge import read_table

__all__ = ["load_table", "say_unverified"]


def load_table(name: str) -> dict[str, Any]:
    """The table ``name`` as it lies in this folder, to be read and not written to."""
    return read_table(__name__, name)


def say_unverified(table: Mapping[str, Any], used: Iterable[str]) -> None:
    """Note in the history which of the numbers ``used`` of ``table`` nobody has compared with their source."""
    from spectra.verbs import note

    for name in used:
        entry = table[name]
        if entry["status"] == "to-verify":
            value, unit = entry["value"], entry.get("unit", "")
            said = " to ".join(f"{v:g}" for v in value) if isinstance(value, list) else f"{value:g}"
            note(
                f"{name} = {said} {unit} is yet to be verified in its source, {entry['source']}".replace(
                    "  ", " "
                )
            )
