"""Excel workbooks as plain cells: opened within limits, read sheet by sheet, cut into tables of numbers."""

from __future__ import annotations

import warnings
import zipfile
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spectra.errors import ReadError
from spectra.reading.source import Source

__all__ = ["Group", "Sheet", "groups", "is_workbook", "sheets"]

#: Largest workbook, unpacked, in bytes; most rows and columns of a sheet.
_UNPACKED, _ROWS, _COLUMNS = 512 * 2**20, 200_000, 512

#: Fewer rows than this are a table of results, not a spectrum.
_FEWEST = 8

Cells = list[tuple[Any, ...]]


@dataclass(frozen=True)
class Sheet:
    """A sheet: its name and its cells, row by row."""

    name: str
    rows: Cells


@dataclass(frozen=True)
class Group:
    """Neighbouring columns of numbers with the labels above them ("" where there is none)."""

    title: str
    labels: list[str]
    values: npt.NDArray[np.float64]  # (rows, columns)
    first_row: int


def is_workbook(head: bytes) -> bool:
    """Whether bytes begin as an Excel workbook (.xlsx, .xlsm) does."""
    return head.startswith(b"PK\x03\x04") and any(
        part in head for part in (b"xl/", b"[Content_Types].xml", b"docProps/")
    )


def sheets(source: Source) -> list[Sheet]:
    """Sheets of a workbook.

    Raises
    ------
    ReadError
        If openpyxl is not installed, the file is damaged or larger than any measurement.
    """
    try:
        import openpyxl
    except ImportError:
        raise ReadError(
            f"{source.name} is an Excel workbook, which needs openpyxl: pip install 'redox-spectra[readers]', or save "
            "the sheet as CSV."
        ) from None
    _check_size(source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # styles and extensions that openpyxl does not know
            book = openpyxl.load_workbook(source.path, read_only=True, data_only=True)
            try:
                return [Sheet(sheet.title, _rows(sheet, source.name)) for sheet in book.worksheets]
            finally:
                book.close()
    except ReadError:
        raise
    except Exception as error:  # openpyxl raises whatever it stumbles over in a damaged workbook
        raise ReadError(f"{source.name} is a damaged workbook ({type(error).__name__}).") from None


def _check_size(source: Source) -> None:
    try:
        with zipfile.ZipFile(source.path) as archive:
            size = sum(part.file_size for part in archive.infolist())
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        raise ReadError(
            f"{source.name} is a truncated workbook: the list of its parts is not there."
        ) from None
    if not any(name.startswith("xl/") for name in names):
        raise ReadError(
            f"{source.name} is a zip archive without sheets, no Excel workbook; unpack it and read the files."
        )
    if size > _UNPACKED:
        raise ReadError(f"{source.name} unpacks to {size} bytes; workbooks up to {_UNPACKED} bytes are read.")


def _rows(sheet: Any, file: str) -> Cells:
    if (sheet.max_row or 0) > _ROWS:
        raise ReadError(
            f"{file}: sheet {sheet.title!r} has {sheet.max_row} rows; sheets up to {_ROWS} rows are read."
        )
    rows: Cells = []
    for row in sheet.iter_rows(
        values_only=True, max_row=_ROWS, max_col=min(sheet.max_column or _COLUMNS, _COLUMNS)
    ):
        rows.append(tuple(cell.strip() if isinstance(cell, str) else cell for cell in row))
    while rows and all(cell in (None, "") for cell in rows[-1]):
        rows.pop()
    return rows


def groups(sheet: Sheet) -> list[Group]:
    """Tables of numbers in a sheet: columns side by side that begin in the same row, parted where a label begins.

    A label over the first of several columns is the title of all of them.
    """
    width = max((len(row) for row in sheet.rows), default=0)
    runs = [_numbers(sheet.rows, column) for column in range(width)]
    found: list[Group] = []
    column = 0
    while column < width:
        first, length = runs[column]
        if length < _FEWEST:
            column += 1
            continue
        labels, members = [_label(sheet.rows, first, column)], [column]
        last = column + 1
        while last < width:
            label = _label(sheet.rows, first, last)
            if label and "" in labels:  # the label of a next group, as those before had one title for all
                break
            if runs[last][1] and _fits(runs[last], first, length):
                labels.append(label)
                members.append(last)
            elif not label:  # a labelled column without numbers parts nothing
                break
            last += 1
        several = len(members) > 1 and not any(labels[1:])
        values = _values(sheet.rows, members, first, length)
        found.append(
            Group(labels[0] if several else "", [""] * len(labels) if several else labels, values, first + 1)
        )
        column = last
    return found


def _numbers(rows: Cells, column: int) -> tuple[int, int]:
    """First row and number of rows of the longest run of numbers in a column."""
    best, start = (0, 0), 0
    for i in range(len(rows) + 1):
        cell = rows[i][column] if i < len(rows) and column < len(rows[i]) else None
        if not _is_number(cell):
            if i - start > best[1]:
                best = (start, i - start)
            start = i + 1
    return best


def _is_number(cell: Any) -> bool:
    return isinstance(cell, int | float) and not isinstance(cell, bool)


def _fits(run: tuple[int, int], first: int, length: int) -> bool:
    """Whether a column of numbers lies beside one that begins in the row ``first``."""
    return first <= run[0] < first + length


def _label(rows: Cells, first: int, column: int) -> str:
    """Text in the row above the numbers, or of the next two above it."""
    for row in rows[max(first - 1, 0) : first]:
        if column < len(row) and isinstance(row[column], str):
            return str(row[column])
    return ""


def _values(rows: Cells, columns: list[int], first: int, length: int) -> npt.NDArray[np.float64]:
    table = np.full((length, len(columns)), np.nan)
    for i, row in enumerate(rows[first : first + length]):
        for j, column in enumerate(columns):
            if column < len(row) and _is_number(row[column]):
                table[i, j] = row[column]
    return table
