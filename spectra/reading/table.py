"""Tables of numbers in text: which dialect they are written in, where they stand, and what they hold.

The common case (one table to the end of the file, every row alike) is one call of NumPy's C parser. What that
refuses is taken line by line: several tables, records wrapped over lines, cells without a number.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from spectra.errors import ReadError

__all__ = ["Dialect", "Table", "find_dialect", "parse_tables", "split_cells"]

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eEdD][+-]?\d+)?$")
_MISSING = re.compile(r"([+-]?nan|n/?a|null|none|-+|\*+|[+-]?1\.#[A-Z]+\w*|[+-]?inf(inity)?)$", re.IGNORECASE)
_COMMENT = re.compile(r"\s*(#|%|;|!|//|\*|&|')")
_LONGEST_RECORD = 32


@dataclass(frozen=True)
class Dialect:
    """How numbers are written: ``delimiter`` is ``""`` for any white space, ``decimal`` is ``.`` or ``,``."""

    delimiter: str
    decimal: str


@dataclass(frozen=True)
class Table:
    """Rows of numbers and the text lines above them."""

    header: list[str]
    values: npt.NDArray[np.float64]  # (rows, columns), NaN where a cell is empty or says so
    first_line: int  # of the rows in the file, from 1
    notes: list[str] = field(default_factory=list)
    words: dict[int, str] = field(
        default_factory=dict
    )  # columns (from 0) that hold text, with their first cell


_DIALECTS = (
    Dialect("\t", "."),
    Dialect(";", "."),
    Dialect("\t", ","),
    Dialect(";", ","),
    Dialect(",", "."),
    Dialect("", "."),
    Dialect("", ","),
    Dialect("|", "."),
)


def split_cells(line: str, delimiter: str) -> list[str]:
    """Cells of a line; empty ones at the end are dropped."""
    if not delimiter:
        return line.split()
    cells = [cell.strip().strip('"').strip() for cell in line.split(delimiter)]
    while cells and not cells[-1]:
        cells.pop()
    return cells


def find_dialect(
    lines: Sequence[str], *, delimiter: str | None = None, decimal: str | None = None
) -> Dialect | None:
    """The dialect in which most of the lines are rows of numbers; None if hardly any line is.

    Parameters
    ----------
    lines : sequence of str
        All lines of a file; some hundred of them are looked at.
    delimiter, decimal : str, optional
        What is known of it.
    """
    wanted = None if delimiter is None else delimiter.strip(" ")
    known = [d for d in _DIALECTS if wanted in (None, d.delimiter) and decimal in (None, d.decimal)]
    if not known and wanted is not None:
        known = [Dialect(wanted, mark) for mark in ".," if decimal in (None, mark) and mark != wanted]
    sample = _sample(lines)
    written = "".join(sample)
    known = [d for d in known if d.delimiter in written and (d.decimal == "." or "," in written)]
    if len(known) == 1:
        return known[0]
    scores = [(_score(sample, dialect), -rank) for rank, dialect in enumerate(known)]
    if not scores:
        return None
    best, rank = max(scores)
    return known[-rank] if best > 0 else None


def _sample(lines: Sequence[str]) -> list[str]:
    """Lines that may hold numbers, mostly from the middle and the end, where tables are."""
    n = len(lines)
    if n > 80:
        lines = [*lines[n // 2 : n // 2 + 24], *lines[n - n // 10 :][:16], *lines[-8:], *lines[:16]]
    return [
        line for line in lines if line.strip() and not _COMMENT.match(line) and any(map(str.isdigit, line))
    ]


def _score(sample: Sequence[str], dialect: Dialect) -> float:
    """How many lines are rows of numbers; rows with words in them count little, odd widths lower the whole."""
    widths: Counter[int] = Counter()
    score = 0.0
    for line in sample:
        cells = split_cells(line, dialect.delimiter)
        if len(cells) < 2:
            continue
        filled = [cell for cell in cells if cell]
        numbers = sum(_number(cell, dialect.decimal) is not None for cell in filled)
        if numbers:
            widths[len(cells)] += 1
            score += 1.0 if numbers == len(filled) else 0.3 * numbers / len(filled)
    return score * (widths.most_common(1)[0][1] / sum(widths.values())) if widths else 0.0


def _number(cell: str, decimal: str) -> float | None:
    """Value of a cell: NaN where it is empty or says that nothing was measured, None where it is a word."""
    if len(cell) > _LONGEST_NUMBER:
        return None
    if decimal == ",":
        if "." in cell and not _MISSING.match(cell):
            return None
        cell = cell.replace(",", ".")
    if not cell or _MISSING.match(cell):
        return math.nan
    if not _NUMBER.match(cell):
        return None
    return float(cell.replace("D", "E").replace("d", "e"))


def parse_tables(
    lines: Sequence[str], dialect: Dialect, *, file: str, skip_bad_lines: bool = False
) -> list[Table]:
    """Every table of at least two rows and two columns in ``lines``.

    With ``skip_bad_lines`` a few lines that are no rows inside of one table are left out, which a note says.

    Raises
    ------
    ReadError
        A row inside a table has another number of cells than its neighbours, or a word where they have a number.
    """
    whole = _one_table(lines, dialect)
    if whole is None and skip_bad_lines:
        whole = _table_with_gaps(lines, dialect)
    return [whole] if whole is not None else _tables_by_line(lines, dialect, file)


def _table_with_gaps(lines: Sequence[str], dialect: Dialect) -> Table | None:
    """The one table between whose rows stand a few lines that are none, if its first column goes on over them."""
    cells = {
        i: split_cells(line, dialect.delimiter) for i, line in enumerate(lines) if _is_row(line, dialect)
    }
    if len(cells) < 2:
        return None
    width = Counter(map(len, cells.values())).most_common(1)[0][0]
    rows = [i for i in cells if len(cells[i]) == width]
    bad = sorted(set(range(rows[0], rows[-1])) - set(rows))
    bad += [i for i in range(rows[-1] + 1, len(lines)) if lines[i].strip()]
    if width < 2 or not 0 < len(bad) <= 0.1 * len(rows):
        return None
    values = np.array([[_number(c, dialect.decimal) for c in cells[i]] for i in rows], float)
    with np.errstate(invalid="ignore"):
        steps = np.diff(values[:, 0])
    if not ((steps > 0).all() or (steps < 0).all()):
        return None
    shown = ", ".join(str(i + 1) for i in bad[:8]) + (", ..." if len(bad) > 8 else "")
    said = f"{len(bad)} line{'s' if len(bad) > 1 else ''} without a row of numbers skipped ({shown})"
    return Table(list(lines[: rows[0]]), np.where(np.isinf(values), np.nan, values), rows[0] + 1, [said])


def _one_table(lines: Sequence[str], dialect: Dialect) -> Table | None:
    """The table that runs from some line to the end of the file, if it is as simple as that."""
    start = next((i for i, line in enumerate(lines) if _is_row(line, dialect)), None)
    if start is None:
        return None
    end = len(lines)
    while end > start and not lines[end - 1].strip():
        end -= 1
    body = lines[start:end]
    if dialect.decimal == ",":
        body = [line.replace(",", ".") for line in body]
    try:
        values = np.loadtxt(body, delimiter=dialect.delimiter or None, comments=None, ndmin=2)
    except ValueError:
        return None
    if values.shape[0] != len(body) or values.shape[0] < 2 or values.shape[1] < 2:
        return None  # blank lines stand between rows, or this is no table
    return Table(list(lines[:start]), np.where(np.isinf(values), np.nan, values), start + 1)


def _is_row(line: str, dialect: Dialect) -> bool:
    if not line or _COMMENT.match(line):
        return False
    cells = split_cells(line, dialect.delimiter)
    return len(cells) > 0 and all(_number(c, dialect.decimal) is not None for c in cells) and any(cells)


#: Characters of a cell that may be a number.
_LONGEST_NUMBER = 100


@dataclass
class _Row:
    line: int
    cells: list[str]


def _tables_by_line(lines: Sequence[str], dialect: Dialect, file: str) -> list[Table]:
    runs = _runs(lines, dialect)
    _refuse_words(lines, runs, dialect, file)
    tables: list[Table] = []
    alone: list[_Row] = []
    header_from = 0
    for run in runs:
        rows, notes = _records(run, dialect, file)
        if len(rows) < 2 or len(rows[0].cells) < 2:
            alone += rows
            continue
        header = list(lines[header_from : rows[0].line])
        values = np.array([[_number(c, dialect.decimal) for c in row.cells] for row in rows], float)
        values[np.isinf(values)] = np.nan
        if tables and _continues(tables[-1].values, header, values):
            last = tables[-1]
            tables[-1] = replace(
                last, values=np.concatenate([last.values, values]), notes=[*last.notes, *notes]
            )
        else:
            tables.append(Table(header, values, rows[0].line + 1, notes))
        header_from = run[-1].line + 1
    for row in alone:  # a row between two texts: a number of the header, or a point that got lost
        if tables and len(row.cells) == tables[0].values.shape[1]:
            tables[0].notes.append(f"line {row.line + 1} stands apart from the table and was left out")
    return tables or _mixed_table(lines, dialect, file)


def _continues(before: npt.NDArray[np.float64], between: list[str], after: npt.NDArray[np.float64]) -> bool:
    """Whether rows after a few blank or comment lines go on with the scan before them."""
    texts = [line for line in between if line.strip()]
    if before.shape[1] != after.shape[1] or len(texts) > 2 or not all(map(_COMMENT.match, texts)):
        return False
    steps, jump = np.diff(before[:, 0]), after[0, 0] - before[-1, 0]
    typical = float(np.median(steps))
    return bool((np.sign(steps) == np.sign(typical)).all()) and 0 < jump / (typical or np.inf) < 10


def _refuse_words(lines: Sequence[str], runs: list[list[_Row]], dialect: Dialect, file: str) -> None:
    """A word in a row of numbers is named, not passed over as if the row were a heading."""
    widths = {row.line: len(row.cells) for run in runs for row in run}
    first = min(widths, default=0)
    for i, line in enumerate(lines):
        if i in widths or not line.strip() or _COMMENT.match(line):
            continue
        cells = split_cells(line, dialect.delimiter)
        if len(cells) not in (widths.get(i - 1), widths.get(i + 1)):
            continue
        words = [(n, c) for n, c in enumerate(cells, start=1) if _number(c, dialect.decimal) is None]
        if 2 * len(words) <= len(cells) and (i > first or words[0][0] > 1):
            raise ReadError(
                f"{file}: line {i + 1}, column {words[0][0]} holds {words[0][1]!r}, not a number; mend or remove that line."
            )


def _runs(lines: Sequence[str], dialect: Dialect) -> list[list[_Row]]:
    """Rows of numbers that stand one below the other, a remark behind the numbers cut off."""
    runs: list[list[_Row]] = []
    previous = -2
    for i, line in enumerate(lines):
        numbers = line if _COMMENT.match(line) else re.split(r"\s#", line, maxsplit=1)[0]
        if not _is_row(numbers, dialect):
            continue
        if i != previous + 1:
            runs.append([])
        runs[-1].append(_Row(i, split_cells(numbers, dialect.delimiter)))
        previous = i
    return runs


def _records(run: list[_Row], dialect: Dialect, file: str) -> tuple[list[_Row], list[str]]:
    """Rows of one width out of a run: lines of a record joined, a cut row at an end left out, odd ones refused."""
    widths = [len(row.cells) for row in run]
    if len(set(widths)) == 1:
        return run, []
    if dialect.delimiter:  # cells at the end may be empty, and what is empty was dropped
        widest = max(widths)
        full = [_Row(row.line, row.cells + [""] * (widest - len(row.cells))) for row in run]
        return full, [f"{sum(w < widest for w in widths)} rows have empty cells at their end"]
    period = _period(widths)
    if period:
        whole = len(run) // period * period
        notes = [f"each record stood on {period} lines"]
        if whole < len(run):
            notes.append(f"the last record ends after {len(run) - whole} of {period} lines and was left out")
        joined = [
            _Row(run[i].line, [c for row in run[i : i + period] for c in row.cells])
            for i in range(0, whole, period)
        ]
        return joined, notes
    width = Counter(widths).most_common(1)[0][0]
    first, last = widths.index(width), len(widths) - 1 - widths[::-1].index(width)
    odd = next((row for row in run[first:last] if len(row.cells) != width), None)
    if odd is not None:
        raise ReadError(
            f"{file}: line {odd.line + 1} holds {len(odd.cells)} columns, the lines around it {width}; "
            "mend or remove that line."
        )
    cut = [
        row for row in (*run[:first], *run[last + 1 :]) if len(row.cells) > 1
    ]  # one number alone is a heading
    notes = [f"line {row.line + 1} holds {len(row.cells)} of {width} columns and was left out" for row in cut]
    return run[first : last + 1], notes


def _period(widths: Sequence[int]) -> int | None:
    """Lines per record where the widths repeat, at least twice; None where they do not."""
    for period in range(2, min(_LONGEST_RECORD, len(widths) // 2) + 1):
        if all(a == b for a, b in zip(widths, widths[period:], strict=False)):
            return period
    return None


def _mixed_table(lines: Sequence[str], dialect: Dialect, file: str) -> list[Table]:
    """The one table whose rows hold words (dates, names) in some columns: those columns become NaN and are named."""
    rows: list[_Row] = []
    for i, line in enumerate(lines):
        cells = split_cells(line, dialect.delimiter)
        if len(cells) >= 2 and not _COMMENT.match(line) and any(_is_value(c, dialect) for c in cells):
            rows.append(_Row(i, cells))
    if len(rows) < 2:
        return []
    width = Counter(len(row.cells) for row in rows).most_common(1)[0][0]
    odd = [row.line + 1 for row in rows if len(row.cells) != width]
    rows = [row for row in rows if len(row.cells) == width]
    texts = sum(bool(line.strip()) for line in lines[rows[0].line :])
    if len(rows) < 2 or len(rows) < 0.8 * texts:
        return []
    numeric = [sum(_is_value(row.cells[n], dialect) for row in rows) > 0.5 * len(rows) for n in range(width)]
    for row in rows:
        for n, cell in enumerate(row.cells):
            if numeric[n] and _number(cell, dialect.decimal) is None:
                raise ReadError(
                    f"{file}: line {row.line + 1}, column {n + 1} holds {cell!r}, not a number; mend or remove that line."
                )
    words = {n: rows[0].cells[n] for n in range(width) if not numeric[n]}
    values = np.full((len(rows), width), np.nan)
    for n in range(width):
        if numeric[n]:
            values[:, n] = [_number(row.cells[n], dialect.decimal) for row in rows]
    inside = [line for line in odd if line > rows[0].line]
    notes = [f"lines of another width were left out ({', '.join(map(str, inside[:5]))})"] if inside else []
    return [Table(list(lines[: rows[0].line]), values, rows[0].line + 1, notes, words)]


def _is_value(cell: str, dialect: Dialect) -> bool:
    number = _number(cell, dialect.decimal)
    return number is not None and not math.isnan(number)
