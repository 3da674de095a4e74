"""Numbers from the literature for RIXS: TOML tables with unit, source and status."""

from __future__ import annotations

from typing import Any

from spectra.knowledge import read_table

__all__ = ["load_table"]


def load_table(name: str) -> dict[str, Any]:
    """The table ``name`` as it lies in this folder, to be read and not written to."""
    return read_table(__name__, name)
