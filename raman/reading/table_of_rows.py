"""Text tables with a spectrum in each row: the first row is the axis, every other one a name and its values.

Orange, chemometrics programs and spreadsheets write them so (``wn,1000.9,1004.8,...``).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import numpy as np

from raman.reading.infrared import infrared_scan
from spectra.errors import ReadError
from spectra.reading.registry import Reader
from spectra.reading.source import Source

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["reader", "scans", "sniff"]

_CORNER = re.compile(
    r"\W*(?:(?P<infrared>wn|wave.?numbers?|cm\W?-?1|1/cm)|(?P<raman>raman.?shifts?))(?:\W.{0,12})?$",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$")
#: Cells that make a row of values and not a few columns.
_FEWEST = 8


def sniff(source: Source) -> float:
    """Nearly certain where the first cell names a wavenumber or shift and many numbers follow it in the same line."""
    if not source.is_text:
        return 0.0
    line = source.head.split(b"\n", 1)[0].decode("utf-8", "replace").strip()
    cells = _cells(line)
    if len(cells) < _FEWEST or not _CORNER.match(cells[0]):
        return 0.0
    inner = cells[1:-1]  # the last may be cut
    return 0.9 if all(_NUMBER.match(cell) for cell in inner) else 0.0


def scans(source: Source, *, axis: Literal["raman_shift", "wavenumber"] | None = None) -> list[xr.Dataset]:
    """Every row as a spectrum of its own, called by its first cell."""
    lines = [line for line in source.text.split("\n") if line.strip()]
    head = _cells(lines[0])
    corner = _CORNER.match(head[0])
    if corner is None:
        raise ReadError(
            f"{source.name} is no table with spectra in its rows: its first cell is {head[0][:40]!r}."
        )
    name = axis or ("raman_shift" if corner.group("raman") else "wavenumber")
    x = _values(head[1:], f"{source.name}: line 1")
    found = []
    for number, line in enumerate(lines[1:], start=2):
        cells = _cells(line)
        if len(cells) != len(head):
            raise ReadError(
                f"{source.name} is damaged: row {number} has {len(cells)} cells, and the axis {len(head)}."
            )
        values = _values(cells[1:], f"{source.name}: row {number}")
        found.append(
            infrared_scan(
                f"{source.name}: row {number}", x, values, "intensity", axis=name, attrs={"title": cells[0]},
                notes=["the file does not say what was measured: absorbance, transmittance or another quantity"],
            )
        )  # fmt: skip
    if not found:
        raise ReadError(f"{source.name} has an axis and no row of values.")
    return found


reader = Reader("rows", "text tables with a spectrum in each row", (".csv", ".txt", ".tsv"), sniff, scans)


def _cells(line: str) -> list[str]:
    mark = next((m for m in "\t;" if m in line), ",")
    return [cell.strip().strip('"') for cell in line.split(mark)]


def _values(cells: list[str], where: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Numbers of cells; an empty one is NaN."""
    wrong = next((cell for cell in cells if cell and not _NUMBER.match(cell)), None)
    if wrong is not None:
        raise ReadError(f"{where} holds {wrong[:20]!r}, which is no number.")
    return np.array([float(cell) if cell else np.nan for cell in cells], np.float64)
