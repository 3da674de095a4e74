"""Spectra of the RRUFF project: ``##KEY=value`` lines, then shift and intensity behind a comma."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from raman.reading.measured import Measured
from raman.reading.rows import number_rows, text_of
from raman.reading.settings import laser_of, settings
from spectra.errors import ReadError
from spectra.reading.registry import Reader
from spectra.reading.source import Source

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["reader", "scans", "sniff"]


def sniff(source: Source) -> float:
    """Certain by the keys."""
    return 1.0 if source.head.lstrip().startswith(b"##") and b"##RRUFFID=" in source.head else 0.0


def scans(source: Source, *, laser: float | None = None) -> list[xr.Dataset]:
    """The one spectrum of a file; ``laser`` as in :func:`raman.read`."""
    lines = text_of(source).split("\n")
    header = {
        key.strip(): value.strip() for key, value in re.findall(r"^##([^=\n]+)=(.*)$", "\n".join(lines), re.M)
    }
    start = next(
        (n for n, line in enumerate(lines) if line.strip() and not line.startswith("##")), len(lines)
    )
    end = next((n for n in range(start, len(lines)) if lines[n].startswith("##END")), None)
    if start == len(lines):
        raise ReadError(f"{source.name} is cut short: it holds keys and no spectrum.")
    body = lines[start : len(lines) if end is None else end]
    table, notes = number_rows(body, ",", file=source.name, first_line=start + 1)
    if table.shape[1] != 2:
        raise ReadError(f"{source.name}: {table.shape[1]} columns; a shift and an intensity are due.")
    if end is None:
        notes.append("the file is cut short: it has no ##END")
    infrared = "infrared" in source.path.name.lower()
    name = header.get("NAMES", "")
    return [
        Measured(
            source.name,
            table[:, 0],
            table[:, 1],
            units="infrared" if infrared else "shift",
            laser=laser_of(header),
            told=laser,
            quantity="absorbance" if infrared else "intensity",
            attrs={
                **settings(header),
                "title": name or source.path.stem,
                "sample": name,
                "rruff_id": header.get("RRUFFID"),
            },
            notes=notes,
        ).dataset()
    ]


reader = Reader("rruff", "spectra of the RRUFF project", (".txt", ".rruff"), sniff, scans)
