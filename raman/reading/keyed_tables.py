"""Text of spectrometers that write a header of keys and a table with named columns: BWTEK, Neegala, LightNovo."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from raman.reading.measured import COUNTS, Measured
from raman.reading.rows import number_rows, text_of, unfinished
from raman.reading.settings import laser_of, settings
from raman.reading.shift import AxisUnits, Medium
from spectra.errors import ReadError
from spectra.reading.registry import Reader
from spectra.reading.source import Source

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["reader", "scans", "sniff"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Kind:
    """How one maker's text is known, and what stands between its cells."""

    beginning: bytes
    also: bytes
    delimiter: str


_KINDS = (
    _Kind(b"File Version;BWRam", b"", ";"),
    _Kind(b"id,", b"Raman_Shift", ","),
    _Kind(b"DeviceSN\t", b"LaserWavelength_nm\t", "\t"),
)

#: Columns by what their names begin with, the surest first: the axis, and what it is.
_AXES: tuple[tuple[str, AxisUnits], ...] = (("raman", "shift"), ("wavelength", "nm"))
#: The measured quantity: what was freed of the dark signal before it was.
_SIGNALS = ("dark subtracted", "processed", "raw")
#: Other columns that are kept, by our name.
_BESIDE = {"raw": "raw", "dark": "dark", "background": "background", "reference": "reference"}


def sniff(source: Source) -> float:
    """Certain by the first key."""
    return 1.0 if _kind(source.head) is not None else 0.0


def _kind(head: bytes) -> _Kind | None:
    head = head.removeprefix(b"\xef\xbb\xbf")
    return next((kind for kind in _KINDS if head.startswith(kind.beginning) and kind.also in head), None)


def scans(source: Source, *, laser: float | None = None, medium: Medium = "vacuum") -> list[xr.Dataset]:
    """Every spectrum of a file (BWTEK numbers them); options as in :func:`raman.read`."""
    kind = _kind(source.head)
    if kind is None:
        raise ReadError(f"{source.name} is no text of BWTEK, Neegala or LightNovo.")
    text = text_of(source)
    lines = text.split("\n")
    start, names = _table(lines, kind, source.name)
    header: dict[str, str] = {}
    for line in lines[: start - bool(names)]:
        key, _, value = line.partition(kind.delimiter)
        header.setdefault(key.strip(), value.strip())
    below = [line.rstrip().removesuffix(kind.delimiter) if names else line.rstrip() for line in lines[start:]]
    decimal = "," if kind.delimiter == ";" and any("," in line for line in below[:3]) else "."
    table, notes = number_rows(below, kind.delimiter, file=source.name, first_line=start + 1, decimal=decimal)
    notes += unfinished(text)
    names = names or ["raman shift", "processed"]
    if table.shape[1] < len(names):
        raise ReadError(f"{source.name}: rows of {table.shape[1]} cells below {len(names)} names of columns.")
    if header.get("integ_unit") == "ms":  # Neegala
        header.setdefault("exposure_ms", header.get("integ_time", ""))
    attrs = settings(header)
    if "average number" in header or "averages" in header:
        notes.append(
            "intensities are averages over the accumulations" if (attrs.get("accumulations") or 1) > 1 else ""
        )
    found = []
    for number, columns in enumerate(_spectra(names)):
        x, units = _axis(names, table, columns, laser_of(header) or laser)
        values = {name: table[:, column] for name, column in columns.items()}
        intensity = values.pop("intensity")
        said = _compared(intensity, values)
        title = header.get("name") or source.path.stem
        found.append(
            Measured(
                source.name,
                x,
                intensity,
                units=units,
                laser=laser_of(header),
                told=laser,
                medium=medium,
                quantity_units=COUNTS,
                variables=values,
                attrs={**attrs, "title": title if not number else f"{title} #{number + 1}"},
                notes=[note for note in (*notes, *said) if note],
            ).dataset()
        )
    return found


reader = Reader(
    "keyed-tables",
    "text of BWTEK, Neegala and LightNovo: keys, then a table",
    (".txt", ".tsv", ".csv"),
    sniff,
    scans,
)


def _table(lines: Sequence[str], kind: _Kind, name: str) -> tuple[int, list[str]]:
    """Line of the first row of numbers (from 0), and the names of the columns in the line above it."""
    for number, line in enumerate(lines):
        cells = [cell.strip().lower() for cell in line.split(kind.delimiter)]
        if cells[0] in ("pixel", "pixels"):
            while cells and not cells[-1]:
                cells.pop()
            return number + 1, cells
        if (
            kind.beginning.startswith(b"DeviceSN")
            and all(_is_number(cell) for cell in cells)
            and len(cells) == 2
        ):
            return number, []
    raise ReadError(f"{name} is cut short: it holds the header of a spectrum and no table.")


def _is_number(cell: str) -> bool:
    return re.fullmatch(r"[+-]?\d+\.?\d*(e[+-]?\d+)?", cell) is not None


def _spectra(names: Sequence[str]) -> list[dict[str, int]]:
    """Columns of each spectrum by our names; those that are numbered (``#2``) make one each."""
    numbers = sorted({int(n) for name in names for n in re.findall(r"#(\d{1,9})$", name)}) or [0]
    found = []
    for number in numbers:
        mine = {
            re.sub(r"\s*#\d+$", "", name).replace("_", " "): column
            for column, name in enumerate(names)
            if not re.search(r"#\d+$", name) or name.endswith(f"#{number}")
        }
        signal = next((c for s in _SIGNALS for name, c in mine.items() if name.startswith(s)), None)
        if signal is None:
            continue
        columns = {"intensity": signal}
        for name, column in mine.items():
            ours = next(
                (b for key, b in _BESIDE.items() if name.startswith(key) and "subtracted" not in name), None
            )
            if ours is not None and column != signal:
                columns.setdefault(ours, column)
        found.append(columns)
    return found


def _compared(intensity: FloatArray, values: dict[str, FloatArray]) -> list[str]:
    """What is to be said where the intensity is not the raw signal minus the dark one."""
    dark = values.get("dark", values.get("background"))
    if "raw" not in values or dark is None:
        return []
    difference = values["raw"] - dark
    if np.abs(intensity - difference).max() <= 0.01 * max(1.0, float(np.abs(difference).max())):
        return []
    return ["the intensity of the file is not raw minus dark: its program changed it; both stand beside it"]


def _axis(
    names: Sequence[str], table: FloatArray, columns: dict[str, int], laser: float | None
) -> tuple[FloatArray, AxisUnits]:
    """Raman shift of the file, or its wavelengths where it has no shift."""
    for word, units in _AXES:
        for column, name in enumerate(names):
            if name.replace("_", " ").startswith(word) and np.isfinite(table[:, column]).any():
                return table[:, column], units
    return table[:, 0], "shift"
