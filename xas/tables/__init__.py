"""Numbers from the literature that the verbs use: TOML tables with unit, source and status."""

from __future__ import annotations

from typing import Any

from spectra.knowledge import read_table

__all__ = ["edge_energy", "load_table", "next_edge"]


def load_table(name: str) -> dict[str, Any]:
    """The table ``name`` as it lies in this folder, to be read and not written to."""
    return read_table(__name__, name)


def edge_energy(element: str | None, edge: str | None) -> float | None:
    """Tabulated energy in eV of the absorption edge ``edge`` ("K", "L3") of ``element``; None if not tabulated."""
    levels = load_table("edges")["edge"].get(str(element).strip().capitalize(), {})
    value = levels.get(str(edge).strip().upper())
    return None if value is None else float(value)


def next_edge(element: str | None, edge: str | None) -> float | None:
    """Energy in eV of the next edge of the same element above ``edge``; None if there is none."""
    here = edge_energy(element, edge)
    levels = load_table("edges")["edge"].get(str(element).strip().capitalize(), {})
    above = [float(v) for v in levels.values() if here is not None and v > here]
    return min(above, default=None)
