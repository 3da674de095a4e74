"""Rows of numbers in the text that spectrometers write: bad lines are skipped and counted, never an end in silence."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from spectra.errors import ReadError
from spectra.reading.source import Source

__all__ = ["CUT_LINE", "number_rows", "text_of", "unfinished"]

FloatArray = npt.NDArray[np.float64]

#: Most lines without numbers that a table may hold, as a share of all.
_MOST_BAD = 0.2
CUT_LINE = "the file does not end with a line end: its last number may be cut short"


def text_of(source: Source, encoding: str = "cp1252") -> str:
    """Text in the encoding that the user names, else UTF-8, else the one its program writes; line feeds at line ends."""
    content = source.content
    named = source.told_encoding
    if named is not None or content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return source.text
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode(encoding, "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def unfinished(text: str) -> list[str]:
    """The note on a text that stops inside of a line."""
    return [] if text.endswith("\n") else [CUT_LINE]


def number_rows(
    lines: Sequence[str],
    delimiter: str | None,
    *,
    file: str,
    first_line: int = 1,
    decimal: str = ".",
) -> tuple[FloatArray, list[str]]:
    """Table (rows, columns) out of lines, and what is to be said of lines that were left out.

    Parameters
    ----------
    lines : sequence of str
        Lines below the header.
    delimiter : str or None
        What stands between cells; None for any white space. An empty cell is NaN.
    file : str
        For errors.
    first_line : int
        Number of the first of the lines in the file.
    decimal : {".", ","}
        Decimal mark.

    Raises
    ------
    ReadError
        Fewer than two rows of numbers, or too many lines that are none.
    """
    if decimal == ",":
        lines = [line.replace(",", ".") for line in lines]
    body = [line for line in lines if line.strip()]
    if len(body) < 2:
        raise ReadError(f"{file} is cut short: {len(body)} line of numbers; a spectrum needs at least 2.")
    try:
        values = np.loadtxt(body, delimiter=delimiter, comments=None, ndmin=2)
        if len(body) == len(lines) and values.shape[0] == len(body) >= 2:
            return values, []
    except ValueError:
        pass
    rows: list[tuple[int, list[float]]] = []
    bad: list[int] = []
    for number, line in enumerate(lines, start=first_line):
        if not line.strip():
            continue
        cells = line.split(delimiter) if delimiter is not None else line.split()
        try:
            rows.append((number, [float(cell) if cell.strip() else math.nan for cell in cells]))
        except ValueError:
            bad.append(number)
    width = Counter(len(row) for _, row in rows).most_common(1)[0][0] if rows else 0
    bad += [number for number, row in rows if len(row) != width]
    kept = [row for _, row in rows if len(row) == width]
    if len(kept) < 2 or width < 1:
        raise ReadError(f"{file}: {len(kept)} lines of numbers; a spectrum needs at least 2.")
    if len(bad) > _MOST_BAD * len(lines):
        raise ReadError(
            f"{file}: {len(bad)} of {len(lines)} lines are no rows of {width} numbers (the first is line {min(bad)})."
        )
    values = np.array(kept, float)
    values[np.isinf(values)] = np.nan
    return values, _said(lines, sorted(bad), first_line)


def _said(lines: Sequence[str], bad: Sequence[int], first_line: int) -> list[str]:
    """What is to be said of lines without numbers; blank ones count where rows follow them."""
    last = max((n for n, line in enumerate(lines) if line.strip()), default=0)
    blank = [first_line + n for n, line in enumerate(lines[:last]) if not line.strip()]
    notes = []
    for numbers, what in ((bad, "that are no rows of numbers"), (blank, "that are blank")):
        if numbers:
            shown = ", ".join(map(str, numbers[:8])) + (", ..." if len(numbers) > 8 else "")
            count = f"{len(numbers)} line{'s' if len(numbers) > 1 else ''}"
            notes.append(f"{count} {what} {'were' if len(numbers) > 1 else 'was'} skipped ({shown})")
    return notes
