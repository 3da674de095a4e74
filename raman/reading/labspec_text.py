"""Text that Horiba LabSpec exports: a header of ``#`` lines, then a spectrum in two columns or a spectrum in each row."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from raman.reading.measured import COUNTS, Measured
from raman.reading.positions import Layout, lay_out
from raman.reading.rows import number_rows, text_of, unfinished
from raman.reading.settings import first_number, laser_of, settings
from raman.reading.shift import AxisUnits, Medium
from spectra.errors import ReadError
from spectra.reading.registry import Reader
from spectra.reading.source import Source

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["is_stacked", "reader", "scans", "sniff", "wavelength_of_labspec"]

FloatArray = npt.NDArray[np.float64]
_ENTRY = re.compile(r"#\s*(.+?)\s*=\t?\s*(.*?)\s*$")
#: What LabSpec divides by a wavelength in nm for an energy in eV: spectra exported in eV, 1/cm and nm agree with it.
_LABSPEC_HC = 1240.0
#: Units of the axis as LabSpec writes them.
_AXES: dict[str, AxisUnits] = {
    "1/cm": "shift",
    "cm-1": "shift",
    "nm": "nm",
    "ev": "eV",
    "1/cm abs": "absolute",
}


def sniff(source: Source) -> float:
    """Sure of a header of ``#name=`` lines with the names of LabSpec."""
    head = source.head
    known = (b"#Acq. time", b"#Accumulations=", b"#Grating=", b"#Spectro (", b"#AxisUnit[")
    return (
        0.95 if head.lstrip(b"\xef\xbb\xbf").startswith(b"#") and sum(k in head for k in known) >= 2 else 0.0
    )


def is_stacked(source: Source) -> bool:
    """Whether a text without a header begins as LabSpec's maps and series do: one or two empty cells, then an axis.

    No reader claims it for that alone, as other techniques write such tables too; who asks for Raman spectra means it.
    """
    first = re.match(rb"(?:\xef\xbb\xbf)?\t\t?(?!\t)([^\r\n]+)", source.head)
    if first is None:
        return False
    cells = first.group(1).split(b"\t")[:-1]  # the last may be cut
    try:
        steps = np.diff(np.array(cells[:50], float))
    except ValueError:
        return False
    return steps.size >= 4 and bool((steps > 0).all() or (steps < 0).all())


def scans(source: Source, *, laser: float | None = None, medium: Medium = "vacuum") -> list[xr.Dataset]:
    """The spectrum, the series or the map of a file; options as in :func:`raman.read`."""
    text = text_of(source)
    lines = text.split("\n")
    start = next((n for n, line in enumerate(lines) if not line.startswith("#")), len(lines))
    entries = [match for line in lines[:start] if (match := _ENTRY.match(line))]
    header = {str(match.group(1)): str(match.group(2)) for match in entries}
    if not any(line.strip() for line in lines[start:]):
        raise ReadError(f"{source.name} holds the header of LabSpec and no spectrum.")
    leading = len(lines[start]) - len(lines[start].lstrip("\t"))
    notes: list[str] = unfinished(text)
    if leading:
        x, values, layout = _stacked(lines, start, leading, header, source.name, notes)
    else:
        table, said = number_rows(lines[start:], None, file=source.name, first_line=start + 1)
        notes += said
        if table.shape[1] != 2:
            raise ReadError(f"{source.name}: {table.shape[1]} columns; LabSpec writes a spectrum in two.")
        x, values, layout = table[:, 0], table[:, 1], Layout((), (), ())
    units = _units(header)
    if units == "eV":
        x, units = wavelength_of_labspec(x, notes), "nm"
    attrs = settings(header)
    attrs["title"] = header.get("Title") or source.path.stem
    attrs |= {
        f"stage_{name}": first_number(header[f"{name} (µm)"]) for name in "XYZ" if header.get(f"{name} (µm)")
    }
    return [
        Measured(
            source.name,
            x,
            values,
            units=units,
            laser=laser_of(header),
            told=laser,
            medium=medium,
            quantity_units=COUNTS,
            dims=layout.dims,
            coords=layout.coords,
            attrs=attrs,
            notes=notes,
        ).dataset()
    ]


reader = Reader(
    "labspec-text", "text that Horiba LabSpec exports: spectra, series, maps", (".txt",), sniff, scans
)


def wavelength_of_labspec(energy: FloatArray, notes: list[str]) -> FloatArray:
    """Wavelength in nm of LabSpec's eV, which are 1240 / nm: with hc in full, shifts would be 1.7 1/cm off at 633 nm."""
    notes.append("LabSpec's eV are 1240 divided by the wavelength in nm, and were turned back into it")
    with np.errstate(divide="ignore"):
        return np.asarray(_LABSPEC_HC / energy)


def _units(header: dict[str, str]) -> AxisUnits:
    """What the axis is: stated in new files, elsewhere what the spectrometer's position is given in."""
    stated = header.get("AxisUnit[1]", "").strip().lower()
    if stated in _AXES:
        return _AXES[stated]
    shown = next((key.lower() for key in header if key.lower().startswith("spectro (")), "")
    return "nm" if "(nm)" in shown else "eV" if "(ev)" in shown else "shift"


def _stacked(
    lines: Sequence[str], start: int, leading: int, header: dict[str, str], file: str, notes: list[str]
) -> tuple[FloatArray, FloatArray, Layout]:
    """Axis in the first row behind empty cells, below it spectra behind as many cells with their place or time."""
    try:
        x = np.array([float(cell) for cell in lines[start].split("\t")[leading:] if cell.strip()])
    except ValueError:
        raise ReadError(
            f"{file}: line {start + 1} is no axis: it holds something else than numbers."
        ) from None
    table, said = number_rows(
        [line.rstrip("\t") for line in lines[start + 1 :]], "\t", file=file, first_line=start + 2
    )
    notes += said
    if table.shape[1] != x.size + leading:
        raise ReadError(
            f"{file}: rows of {table.shape[1]} numbers below an axis of {x.size} points; {x.size + leading} are due."
        )
    places, values = table[:, :leading], table[:, leading:]
    if leading == 2:
        notes.append("the first column was taken as y, the second as x (um)")
        layout = lay_out(places[:, 1], places[:, 0])
        return x, layout.place(values), layout
    return x, values, _one_column(places[:, -1], header, notes)


def _one_column(places: FloatArray, header: dict[str, str], notes: list[str]) -> Layout:
    """A series in time where the steps are about as long as one spectrum took, else one with its numbers beside it."""
    order = (np.arange(places.size),)
    steps = np.diff(places)
    exposure = (first_number(header.get("Acq. time (s)", "")) or 0.0) * (
        first_number(header.get("Accumulations", "")) or 1.0
    )
    if steps.size and (steps > 0).all() and exposure and 0.5 < float(np.median(steps)) / exposure < 5:
        notes.append("the first column was taken as time in s")
        return Layout(("time",), (places.size,), order, {"time": (("time",), places, "s")})
    coords: dict[str, Any] = {
        "scan": (("scan",), order[0], ""),
        "first_column": (("scan",), places, ""),
    }
    return Layout(("scan",), (places.size,), order, coords)
