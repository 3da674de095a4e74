"""EC-Lab text files (``.mpt``): voltage, current and charge of a cell against time, in any locale."""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from spectra.errors import ReadError
from spectra.reading.registry import Reader
from spectra.reading.source import Source

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["cycler", "reader", "sniff"]

Array = npt.NDArray[np.float64]

#: Our names, the columns that hold them (the first that a file has), and their units.
_COLUMNS = {
    "voltage": (
        ("Ewe/V", "<Ewe>/V", "Ewe-Ece/V", "<Ewe/V>", "Ecell/V", "<Ecell>/V"),
        "V",
        "voltage of the cell",
    ),
    "current": (("<I>/mA", "I/mA", "control/mA"), "mA", "current, positive in charge"),
    "charge": (("(Q-Qo)/mA.h", "Q-Qo/mA.h"), "mA*h", "charge passed since the start"),
    "cycle": (("cycle number",), "", "cycle"),
    "half_cycle": (("half cycle",), "", "half cycle"),
}
_TIME = "time/s"


def sniff(source: Source) -> float:
    """Certain where the first line says EC-Lab."""
    return 1.0 if re.match(rb"\s*(BT-Lab|EC-Lab) ASCII FILE", source.head) else 0.0


def refuse(source: Source) -> list[xr.Dataset]:
    """Say what to do with a cycler's file, which holds no spectrum."""
    raise ReadError(
        f"{source.name} is the log of a battery cycler and holds no spectrum: join it to a series by "
        f"spectra.join_cycler(series, cycler={source.path.name!r}), or look at it with spectra.read_cycler."
    )


reader = Reader(
    "eclab", "logs of battery cyclers (EC-Lab .mpt), to be joined to a series", (".mpt",), sniff, refuse
)


def cycler(source: Source) -> xr.Dataset:
    """Log of a cell along ``time`` (s since ``attrs["start"]`` of that coordinate).

    Raises
    ------
    ReadError
        No table, no time or voltage, or no word on when it began.
    """
    lines = source.text.split("\n")
    labels, first = _labels(lines, source.name)
    values, complete = _table(lines[first:], len(labels), source.name)
    named = {label: values[:, i] for i, label in enumerate(labels)}
    start, note = _start(lines[:first], source.name)
    if _TIME not in named:
        raise ReadError(f"{source.name} has no column {_TIME!r}; export it with the time in seconds.")
    found = {
        name: (next((named[c] for c in columns if c in named), None), units, text)
        for name, (columns, units, text) in _COLUMNS.items()
    }
    if found["voltage"][0] is None:
        raise ReadError(f"{source.name} has no column of a voltage (Ewe/V); it has {', '.join(labels)}.")
    return _dataset(
        source, named[_TIME], {n: f for n, f in found.items() if f[0] is not None}, start, [note, complete]
    )


def _labels(lines: list[str], file: str) -> tuple[list[str], int]:
    """Labels of the columns and the number of the first line of numbers."""
    match = re.search(r":\s*(\d{1,9})\b", lines[1]) if len(lines) > 1 else None
    count = int(match.group(1)) if match else 0
    if not 2 < count < len(lines):
        raise ReadError(
            f"{file}: line 2 does not say how many lines its header has, or there is nothing below it."
        )
    return [label.strip() for label in lines[count - 1].rstrip("\n").split("\t") if label.strip()], count


def _table(lines: list[str], width: int, file: str) -> tuple[Array, str]:
    """Numbers of the table, with decimal points or commas; what was done with a last line that is cut."""
    rows = [line for line in lines if line.strip()]
    said = ""
    if rows and len(rows[-1].split("\t")) < width:  # copied while the cycler was writing
        said, rows = f"the last line of {file} is incomplete and was left out", rows[:-1]
    text = [row.replace(",", ".").rstrip("\t") for row in rows]
    try:
        return np.loadtxt(text, delimiter="\t", comments=None, ndmin=2, usecols=range(width)), said
    except (ValueError, IndexError):
        number = next((i for i, row in enumerate(text, 1) if not _is_row(row, width)), 0)
        raise ReadError(
            f"{file}: row {number} of its table is not {width} numbers; mend or remove that line."
        ) from None


def _is_row(row: str, width: int) -> bool:
    cells = row.split("\t")
    try:
        return len([float(cell) for cell in cells[:width]]) == width
    except ValueError:
        return False


def _start(header: list[str], file: str) -> tuple[datetime.datetime, str]:
    """Wall clock of time zero. EC-Lab writes the month first; where that is no month, the day."""
    text = next((line.partition(":")[2].strip() for line in header if "Acquisition started on" in line), "")
    match = re.match(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})\s+(\d{1,2}):(\d{2}):(\d{2})(?:[.,](\d+))?", text)
    if match is None:
        raise ReadError(
            f"{file} does not say when it began (Acquisition started on : ...): spectra cannot be joined."
        )
    a, b, year, hour, minute, second = (int(match.group(i)) for i in range(1, 7))
    month, day = (a, b) if a <= 12 else (b, a)
    micro = int(float(f"0.{match.group(7) or 0}") * 1e6)
    try:
        start = datetime.datetime(year, month, day, hour, minute, second, micro)  # noqa: DTZ001  local time, as written
    except ValueError:
        raise ReadError(f"{file} began on {text!r}, which is no date.") from None
    doubt = a <= 12 and b <= 12 and a != b
    return start, f"{text} was read as {start:%d %B %Y}: EC-Lab writes the month first" if doubt else ""


def _dataset(
    source: Source, seconds: Array, found: dict[str, tuple[Array | None, str, str]], start: datetime.datetime,
    notes: list[str],
) -> xr.Dataset:  # fmt: skip
    import xarray as xr

    order = np.argsort(seconds, kind="stable")
    time = (
        "time",
        seconds[order],
        {"units": "s", "start": start.isoformat(), "long_name": "time since the start"},
    )
    variables = {
        name: ("time", np.asarray(values)[order], {"units": units, "long_name": text})
        for name, (values, units, text) in found.items()
    }
    attrs = {
        "title": source.path.stem,
        "start_time": start.isoformat(),
        "notes": "\n".join(filter(None, notes)),
    }
    return xr.Dataset(variables, {"time": time}, attrs)
