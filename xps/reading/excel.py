"""Excel workbooks of spectra: exports of Thermo Avantage, and sheets with an energy and what was measured at it.

Avantage names energies and units in two rows above the numbers and says how many there are; the curves of its fit
stand beside. Any other sheet is read where its first column ascends or descends as an energy does. Sheets without a
spectrum (peak tables, titles, quantification) are left out and named.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.errors import InvalidInput, ReadError
from spectra.reading.columns import Columns
from spectra.reading.labels import axis_of_label
from spectra.reading.registry import Reader
from spectra.reading.scan import add_note, unique_names
from spectra.reading.source import Source
from xps.reading.levels import core_level
from xps.reading.spectrum import Quantity, Spectrum
from xps.reading.workbook import Group, Sheet, groups, is_workbook, sheets

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["reader", "scans", "sniff"]

FloatArray = npt.NDArray[np.float64]

#: Two columns of energies apart by the same number within this are one energy twice (eV).
_SAME_SHIFT = 1e-6


def sniff(source: Source) -> float:
    """Nearly certain where the content begins as a workbook does."""
    return 0.9 if is_workbook(source.head) else 0.0


def scans(
    source: Source,
    *,
    columns: dict[str, int | str] | None = None,
    axis: str | None = None,
    default_axis: str | None = None,
) -> list[xr.Dataset]:
    """Every spectrum of a workbook.

    ``columns`` and ``axis`` are as in :func:`spectra.read`; ``default_axis`` is what an energy without a label is, for
    those who know the technique.
    """
    book = sheets(source)
    avantage = [sheet for sheet in book if _heading(sheet) is not None]
    found: list[xr.Dataset] = []
    left: list[str] = []
    for sheet in avantage or book:
        where = f"{source.name}: sheet {sheet.name!r}"
        read = _avantage(sheet, where) if avantage else _plain(sheet, where, columns, axis, default_axis)
        found += read
        if not read:
            left.append(sheet.name)
    left += [sheet.name for sheet in book if avantage and sheet not in avantage]
    if not found:
        names = ", ".join(sheet.name for sheet in book)
        raise ReadError(
            f"{source.name}: no sheet holds a spectrum, an energy and what was measured at it ({names}); where the "
            "energy has no label, say axis=."
        )
    said = f"sheets that hold no spectrum were left out: {', '.join(left)}"
    return [add_note(scan, said) if left else scan for scan in found]


reader = Reader(
    "excel",
    "Excel workbooks of Thermo Avantage, and sheets of energies and values",
    (".xlsx", ".xlsm"),
    sniff,
    scans,
)


# ---- Avantage --------------------------------------------------------------------------------------------------


def _heading(sheet: Sheet) -> tuple[int, int] | None:
    """Row of the labels of an Avantage sheet, and how many energies it announces."""
    announced = None
    for number, row in enumerate(sheet.rows[:60]):
        cells = [cell for cell in row if cell is not None]
        if cells[:2] == ["Axis", "Energy"] and len(cells) > 3 and isinstance(cells[3], int):
            announced = cells[3]
        first = row[0] if row else None
        if announced is not None and isinstance(first, str) and re.match(r"(Binding|Kinetic) Energy", first):
            return number, announced
    return None


def _avantage(sheet: Sheet, where: str) -> list[xr.Dataset]:
    at, announced = _heading(sheet) or (0, 0)
    names, units = sheet.rows[at], sheet.rows[at + 1] if at + 1 < len(sheet.rows) else ()
    rows = sheet.rows[at + 2 :]
    filled = [n for n in range(1, len(units)) if isinstance(units[n], str) and units[n]]
    if not filled:
        raise ReadError(f"{where} names no quantity beside its energies.")
    if len(rows) != announced:
        raise ReadError(
            f"{where} is damaged: {announced} energies are announced, {len(rows)} rows are there."
        )
    table = _columns(rows, [0, *filled], where)
    label, unit = str(names[0]), str(units[filled[0]])
    measured = [n for n in filled if not (n < len(names) and names[n])] or filled[:1]
    fitted = [n for n in filled if n not in measured]
    levels = len(measured) > 1
    further = unique_names([f"avantage {names[n]}" for n in fitted])
    region, element = core_level(sheet.name)
    found = []
    for level, column in enumerate(measured):
        spectrum = Spectrum(
            where,
            table[0],
            table[column],
            _quantity(unit),
            kinetic="kinetic" in label.lower(),
            label=unit,
            variables={} if levels else {name: table[n] for name, n in zip(further, fitted, strict=True)},
            labels={} if levels else {name: str(names[n]) for name, n in zip(further, fitted, strict=True)},
            units={}
            if levels
            else dict.fromkeys(further, "counts/s" if _quantity(unit) == "count_rate" else ""),
            attrs={
                "title": sheet.name,
                "region": region or re.sub(r"\s*Scan$", "", sheet.name),
                "element": element,
                "level": level if levels else None,
                "avantage_file": next((c for r in sheet.rows[:at] for c in r if _is_path(c)), None),
            },
        )
        found.append(spectrum.dataset())
    return found


def _is_path(cell: Any) -> bool:
    return isinstance(cell, str) and cell.lower().endswith(".vgd")


def _quantity(unit: str) -> Quantity:
    if re.match(r"counts\s*/\s*s|cps", unit, re.IGNORECASE):
        return "count_rate"
    return "counts" if re.match(r"counts", unit, re.IGNORECASE) else "intensity"


def _columns(rows: list[tuple[Any, ...]], wanted: list[int], where: str) -> dict[int, FloatArray]:
    try:
        return {n: np.array([np.nan if row[n] is None else float(row[n]) for row in rows]) for n in wanted}
    except (TypeError, ValueError, IndexError):
        raise ReadError(f"{where} holds something else than numbers among its values.") from None


# ---- any other sheet -------------------------------------------------------------------------------------------


def _plain(
    sheet: Sheet, where: str, columns: dict[str, int | str] | None, axis: str | None, default_axis: str | None
) -> list[xr.Dataset]:
    """Spectra of a sheet; further groups of columns on the same energies go to the first."""
    found: list[xr.Dataset] = []
    first: Group | None = None
    if default_axis is None and core_level(sheet.name)[0] is not None:
        default_axis = "binding_energy"  # a sheet named after a core level
    for group in groups(sheet):
        if group.values.shape[1] < 2 or not _is_energy(group, axis or default_axis):
            continue
        if first is not None and _same_energies(first, group) and any(group.labels):
            found[-1] = _with_further(found[-1], first, group)
            continue
        first = group
        found.append(_scan(sheet, group, where, columns, axis, default_axis))
    return found


def _is_energy(group: Group, known: str | None) -> bool:
    """Whether the first column is one: it has such a label, or none, and runs one way."""
    x = group.values[:, 0]
    one_way = bool((np.diff(x) > 0).all() or (np.diff(x) < 0).all())
    label = group.labels[0]
    return one_way and (axis_of_label(label) is not None if label else known is not None)


def _same_energies(a: Group, b: Group) -> bool:
    return len(a.values) == len(b.values) and bool(
        np.allclose(a.values[:, 0], b.values[:, 0], rtol=0, atol=_SAME_SHIFT)
    )


def _with_further(scan: xr.Dataset, first: Group, group: Group) -> xr.Dataset:
    names = unique_names(
        [f"sheet {label or 'column'}" for label in group.labels[1:]], taken=tuple(map(str, scan.variables))
    )
    (axis,) = scan.dims
    descending = first.values[0, 0] > first.values[-1, 0]
    for n, name in enumerate(names, start=1):
        values = group.values[::-1, n] if descending else group.values[:, n]
        scan[name] = (axis, values, {"units": "", "long_name": group.labels[n]})
    return scan


def _scan(
    sheet: Sheet,
    group: Group,
    where: str,
    columns: dict[str, int | str] | None,
    axis: str | None,
    default_axis: str | None,
) -> xr.Dataset:
    region, element = core_level(sheet.name, group.title)
    values, labels, said = group.values, group.labels, []
    shifts = values[:, 1:] - values[:, :1]
    twice = (
        [n for n in range(shifts.shape[1]) if np.ptp(shifts[:, n]) < _SAME_SHIFT]
        if shifts.shape[1] > 1
        else []
    )
    if twice and columns is None:
        shift = float(shifts[0, twice[0]])
        said.append(
            f"column {twice[0] + 2} is the energy once more, shifted by {shift:+.4g} eV; energies are those of column 1"
        )
        kept = [n for n in range(values.shape[1]) if n - 1 not in twice]
        values, labels = values[:, kept], [labels[n] for n in kept]
    try:
        return Columns(where, values, labels if any(labels) else None, group.first_row).scan(
            columns=columns,
            axis=axis,
            default_axis=default_axis,
            attrs={
                "title": sheet.name,
                "sample": group.title,
                "region": region,
                "element": element,
                "file_shift": float(shifts[0, twice[0]]) if twice else None,
            },
            notes=said,
        )
    except InvalidInput as error:
        raise ReadError(f"{where}: {error}") from None
