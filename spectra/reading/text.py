"""Delimited text and CSV of any dialect: columns by label or number, units by label or size, headers kept."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from spectra.errors import ReadError
from spectra.reading.columns import Columns
from spectra.reading.labels import axis_of_header, column_labels, metadata_of
from spectra.reading.registry import Reader
from spectra.reading.source import Source
from spectra.reading.table import find_dialect, parse_tables
from spectra.reading.times import start_time

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["reader", "scans", "sniff"]


def sniff(source: Source) -> float:
    """Any text may be a table; every reader that knows its format better comes first."""
    return 0.05 if source.is_text else 0.0


def scans(
    source: Source,
    *,
    columns: dict[str, int | str] | None = None,
    axis: str | None = None,
    default_axis: str | None = None,
    axis_units: str | None = None,
    delimiter: str | None = None,
    decimal: Literal[".", ","] | None = None,
    bad_lines: Literal["refuse", "skip"] = "refuse",
) -> list[xr.Dataset]:
    """Every table in a text file as a dataset; options as in :func:`spectra.read`, and two more.

    Parameters
    ----------
    default_axis : str, optional
        What an axis without a label is, for those who know the technique.
    bad_lines : {"refuse", "skip"}
        Whether lines without numbers inside of a table are refused, or skipped and counted.
    """
    if not source.is_text:
        raise ReadError(f"{source.name} is binary, not text.")
    lines = source.text.split("\n")
    dialect = find_dialect(lines, delimiter=delimiter, decimal=decimal)
    skip = bad_lines == "skip"
    tables = parse_tables(lines, dialect, file=source.name, skip_bad_lines=skip) if dialect else []
    if not tables or dialect is None:
        raise ReadError(f"{source.name}: {_why_no_table(lines)}")
    found: list[xr.Dataset] = []
    labels: list[str] | None = None
    for number, table in enumerate(tables):
        labels = column_labels(table.header, table.values.shape[1], dialect.delimiter) or (
            labels if labels is not None and len(labels) == table.values.shape[1] else None
        )
        metadata = metadata_of(table.header)
        found.append(
            Columns(source.name, table.values, labels, table.first_line, table.words).scan(
                columns=columns,
                axis=axis,
                default_axis=default_axis,
                stated_axis=axis_of_header(metadata),
                axis_units=axis_units,
                attrs={
                    "title": _block_title(table.header)
                    or (f"table {number + 1}" if len(tables) > 1 else source.path.stem),
                    "header": "\n".join(table.header).strip(),
                    "metadata": json.dumps(metadata) if metadata else "",
                    "start_time": start_time(metadata),
                },
                notes=table.notes,
            )
        )
    return found


reader = Reader(
    "text",
    "delimited text and CSV of any dialect",
    (".txt", ".csv", ".dat", ".tsv", ".xy", ".xmu", ".asc", ".prn"),
    sniff,
    scans,
)


def _why_no_table(lines: Sequence[str]) -> str:
    rows = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if len(rows) <= 2 and any(any(map(str.isdigit, row)) for row in rows):
        return "one point at most; a spectrum needs at least 2."
    return "no table of numbers was found; a spectrum needs two columns and at least 2 rows."


def _block_title(header: Sequence[str]) -> str | None:
    """What a table calls itself: its region, cycle or scan line."""
    for pattern in (r"^\W*Region:\s*(.+)", r"^(Cycle \d+:.+)", r"^Element\s+([^;]+\S)\s*;", r"^#S\s+(.+)"):
        for line in header:
            match = re.match(pattern, line)
            if match:
                return match.group(1).strip()
    return None
