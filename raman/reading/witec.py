"""Text that WITec Project exports as a table: ``[Header]``, ``[Data]``, the axis in column 1 and spectra beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from raman.reading.measured import Measured, detector_units
from raman.reading.rows import number_rows, text_of, unfinished
from raman.reading.settings import first_number, laser_of, settings
from raman.reading.shift import AxisUnits, Medium
from spectra.errors import ReadError
from spectra.reading.registry import Reader
from spectra.reading.source import Source

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["reader", "scans", "sniff"]

_UNITS: dict[str, AxisUnits] = {"nm": "nm", "rel. 1/cm": "shift", "1/cm": "absolute", "ev": "eV"}
#: WITec writes a position of 0 as this.
_NOWHERE = 1e-6


def sniff(source: Source) -> float:
    """Certain by the first line and the sections."""
    return 1.0 if b"[Header]" in source.head[:200] and b"XAxisUnit" in source.head else 0.0


def scans(source: Source, *, laser: float | None = None, medium: Medium = "vacuum") -> list[xr.Dataset]:
    """The spectrum, or the spectra beside each other, of a file; options as in :func:`raman.read`."""
    text = text_of(source)
    lines = text.split("\n")
    start = next((n for n, line in enumerate(lines) if line.strip() == "[Data]"), None)
    if start is None:
        raise ReadError(f"{source.name} is cut short: it has a header of WITec and no [Data].")
    header = dict(re.findall(r"^(\w+) = ?(.*?)\s*$", "\n".join(lines[:start]), re.MULTILINE))
    first = next((n for n in range(start + 1, len(lines)) if re.match(r"\s*[+-]?\d", lines[n])), len(lines))
    titles = lines[start + 1].split(",")[1:] if first > start + 1 else []
    table, notes = number_rows(lines[first:], ",", file=source.name, first_line=first + 1)
    notes += unfinished(text)
    if table.shape[1] < 2:
        raise ReadError(f"{source.name}: its table has one column; the axis and a spectrum are due.")
    announced = first_number(header.get("SizeGraph", ""))
    if announced is not None and len(table) < announced:
        notes.append(f"the file is cut short: {len(table)} of {announced:g} points")
    unit = header.get("XAxisUnit", "").strip().lower()
    if unit not in _UNITS:
        raise ReadError(
            f"{source.name}: its axis is in {unit!r}, which is no Raman shift and cannot be made one."
        )
    dims, shape, coords = _places(header, table.shape[1] - 1)
    return [
        Measured(
            source.name,
            table[:, 0],
            table[:, 1:].T.reshape(*shape, len(table)),
            units=_UNITS[unit],
            laser=laser_of(header),
            told=laser,
            medium=medium,
            quantity_units=detector_units(header.get("DataUnit", "")),
            dims=dims,
            coords=coords,
            attrs={**settings(header), **_stage(header), "title": _title(header, titles, source)},
            notes=notes,
        ).dataset()
    ]


reader = Reader("witec-text", "tables that WITec Project exports as text", (".txt",), sniff, scans)


def _title(header: Mapping[str, str], titles: Sequence[str], source: Source) -> str:
    return header.get("GraphName") or (titles[0].strip() if titles else "") or source.path.stem


def _stage(header: Mapping[str, str]) -> dict[str, float]:
    found = {f"stage_{name}": first_number(header.get(f"Position{name}", "")) for name in "XYZ"}
    return {k: 0.0 if abs(v) < _NOWHERE else v for k, v in found.items() if v is not None}


def _places(
    header: Mapping[str, str], count: int
) -> tuple[tuple[str, ...], tuple[int, ...], dict[str, tuple[tuple[str, ...], npt.NDArray[Any], str]]]:
    """Dimensions of several spectra: a map of SizeX by SizeY, x the faster, or one after the other."""
    if count == 1:
        return (), (), {}
    sizes = {n: int(first_number(header.get(f"Size{n}", "")) or 1) for n in "XY"}
    if sizes["X"] * sizes["Y"] != count or min(sizes.values()) < 2:
        return ("scan",), (count,), {"scan": (("scan",), np.arange(count), "")}
    coords: dict[str, tuple[tuple[str, ...], npt.NDArray[Any], str]] = {}
    for name, extent in (("y", "ScanHeight"), ("x", "ScanWidth")):
        points = sizes[name.upper()]
        length = first_number(header.get(extent, ""))
        step = length / points if length else 1.0
        coords[name] = ((name,), step * np.arange(points), "um" if length else "")
    return ("y", "x"), (sizes["Y"], sizes["X"]), coords
