"""Text that Renishaw WiRE exports: ``#Wave`` and ``#Intensity``, for maps and series with places or times before them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from raman.reading.measured import COUNTS, Measured
from raman.reading.positions import Layout, lay_out
from raman.reading.rows import number_rows, text_of, unfinished
from raman.reading.shift import AxisUnits, Medium
from spectra.errors import ReadError
from spectra.reading.registry import Reader
from spectra.reading.source import Source

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["reader", "scans", "sniff"]

FloatArray = npt.NDArray[np.float64]
_AXES: dict[str, AxisUnits] = {"wave": "shift", "wavelength": "nm"}


def sniff(source: Source) -> float:
    """Certain by the names of the columns."""
    first = source.head.removeprefix(b"\xef\xbb\xbf").split(b"\n")[0]
    return 1.0 if re.match(rb"(#\w+\s+)*#Wave(length)?\s+#Intensity\s*$", first) else 0.0


def scans(source: Source, *, laser: float | None = None, medium: Medium = "vacuum") -> list[xr.Dataset]:
    """The spectrum, the series or the map of a file; options as in :func:`raman.read`."""
    text = text_of(source)
    lines = text.split("\n")
    names = [name.lower() for name in re.findall(r"#(\w+)", lines[0])]
    table, notes = number_rows(lines[1:], None, file=source.name, first_line=2)
    notes += unfinished(text)
    if table.shape[1] != len(names):
        raise ReadError(
            f"{source.name}: rows of {table.shape[1]} numbers below {len(names)} names of columns."
        )
    x, values, first = _blocks(table, source.name, notes)
    layout = _layout(names, table[first])
    return [
        Measured(
            source.name,
            x,
            layout.place(values) if layout.dims else values[0],
            units=_AXES.get(names[-2], "shift"),
            told=laser,
            medium=medium,
            quantity_units=COUNTS,
            dims=layout.dims,
            coords=layout.coords,
            attrs={"title": source.path.stem},
            notes=notes,
        ).dataset()
    ]


reader = Reader(
    "wire-text", "text that Renishaw WiRE exports: spectra, series, maps", (".txt",), sniff, scans
)


def _blocks(
    table: FloatArray, name: str, notes: list[str]
) -> tuple[FloatArray, FloatArray, npt.NDArray[np.intp]]:
    """Axis, spectra below each other, and the row in which each begins."""
    if table.shape[1] < 2:
        raise ReadError(f"{name} has one column of numbers, where WiRE writes the shift and the intensity.")
    wave = table[:, -2]
    again = np.flatnonzero(wave == wave[0])
    points = int(again[1]) if again.size > 1 else wave.size
    count = wave.size // points
    if count * points < wave.size:
        notes.append(
            f"the last spectrum ends after {wave.size - count * points} of {points} points and was left out"
        )
    x = wave[:points]
    if not np.array_equal(wave[: count * points].reshape(count, points), np.broadcast_to(x, (count, points))):
        raise ReadError(f"{name} is damaged: its spectra do not lie on one axis.")
    return x, table[: count * points, -1].reshape(count, points), np.arange(count) * points


def _layout(names: Sequence[str], rows: FloatArray) -> Layout:
    """Where each spectrum was taken, or when."""
    if len(rows) == 1:
        return Layout((), (), ())
    at = {name: rows[:, column] for column, name in enumerate(names[:-2])}
    if "x" in at and "y" in at:
        return lay_out(at["x"], at["y"], z=at.get("z"))
    order = (np.arange(len(rows)),)
    for name, units in (("time", "s"), ("z", "um")):
        if name in at and len(set(at[name].tolist())) == len(rows):
            return Layout((name,), (len(rows),), order, {name: ((name,), at[name], units)})
    return Layout(("scan",), (len(rows),), order, {"scan": (("scan",), order[0], "")})
