"""JCAMP-DX files (.dx, .jdx): spectra and interferograms, one block or several, tables of one or several variables.

A file is a list of records ``##LABEL=value``; ``$$`` begins a comment. What its factors, first and last values say is
checked against the numbers of the table.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from raman.reading.infrared import infrared_scan, quantity_of_label
from raman.reading.jcamp_numbers import Row, decode_pairs, decode_rows
from spectra.errors import ReadError
from spectra.reading.registry import Reader
from spectra.reading.source import Source

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["reader", "scans", "sniff"]

FloatArray = npt.NDArray[np.float64]
Lines = list[tuple[int, str]]

_RECORD = re.compile(r"^\s*##([^=]*)=(.*)$")
_TABLES = ("XYDATA", "XYPOINTS", "DATATABLE")
#: How far an abscissa at the beginning of a line may lie from where it should, in steps.
_OFF = 0.6
#: Relative difference between what a header says of the values and the values.
_AGREES = 2e-3


@dataclass
class _Block:
    """Records of one block, the table with the lines that follow it, and the pages of a table of several variables."""

    records: dict[str, str] = field(default_factory=dict)
    tables: list[tuple[dict[str, str], str, Lines]] = field(default_factory=list)

    def get(self, label: str, default: str = "") -> str:
        return self.records.get(label, default)


@dataclass(frozen=True)
class _Scale:
    """What is said of one variable: factor, first and last value, name and units; NaN where nothing is."""

    factor: float = 1.0
    first: float = math.nan
    last: float = math.nan
    lowest: float = math.nan
    highest: float = math.nan
    units: str = ""


def sniff(source: Source) -> float:
    """Certain where the first record is a title and one of the next says JCAMP."""
    head = source.head.lstrip(b"\xef\xbb\xbf \r\n\t$")
    if not head.upper().startswith(b"##TITLE"):
        return 0.0
    return 1.0 if re.search(rb"##\s*JCAMP[-_ /]?(DX|CS)", head, re.IGNORECASE) else 0.3


def scans(source: Source) -> list[xr.Dataset]:
    """Every spectrum and interferogram of every block; tables of peaks and other techniques are refused by name."""
    if not source.is_text:
        raise ReadError(f"{source.name} is binary, and JCAMP-DX is text; the file is damaged.")
    found: list[xr.Dataset] = []
    refused: list[str] = []
    for block in _blocks(source.text):
        for about, layout, lines in block.tables:
            merged = {**block.records, **about}
            try:
                found += _table(merged, layout, lines, source.name)
            except _OtherTable as reason:
                refused.append(str(reason))
    if not found:
        why = refused[0] if refused else "it holds no table of values (XYDATA, XYPOINTS, DATA TABLE)"
        raise ReadError(f"{source.name} holds no spectrum that is read here: {why}.")
    if refused:
        from spectra.reading.scan import add_note

        found = [add_note(scan, f"left out: {'; '.join(dict.fromkeys(refused))}") for scan in found]
    return found


reader = Reader(
    "jcamp", "JCAMP-DX spectra and interferograms, plain or packed", (".dx", ".jdx", ".jcamp"), sniff, scans
)


class _OtherTable(Exception):
    """A table that holds no vibrational spectrum; says what it holds."""


def _blocks(text: str) -> Iterator[_Block]:
    """Blocks in their order; one that only links others has no table."""
    open_blocks: list[_Block] = []
    lines: Lines = []
    label = ""
    page = ""

    def close(block: _Block) -> None:
        nonlocal label, lines
        if label in _TABLES:
            layout, rows = lines[0][1], lines[1:]
            block.tables.append(({"PAGE": page} if page else {}, layout, rows))
        elif label:
            block.records.setdefault(label, "\n".join(t for _, t in lines).strip())
        label, lines = "", []

    for number, line in enumerate(text.split("\n"), start=1):
        line = line.partition("$$")[0].rstrip()
        record = _RECORD.match(line)
        if record is None:
            if label and line.strip():
                lines.append((number, line))
            continue
        name = re.sub(r"[\s\-/_]", "", record.group(1)).upper()
        if open_blocks:
            close(open_blocks[-1])
        if name == "TITLE":
            open_blocks.append(_Block())
            page = ""
        if not open_blocks:
            continue
        if name == "END":
            yield open_blocks.pop()
            continue
        if name == "PAGE":
            page = record.group(2).strip()
            continue
        label, lines = name, [(number, record.group(2).strip())]
    while open_blocks:  # without its last record
        close(open_blocks[-1])
        yield open_blocks.pop()


def _table(records: Mapping[str, str], layout: str, lines: Lines, file: str) -> list[xr.Dataset]:
    kind = records.get("DATATYPE", "").upper()
    if "PEAK" in kind or "ASSIGN" in kind:
        raise _OtherTable(f"a table of peaks ({kind})")
    x, y, n_points = _scales(records, layout)
    plain = re.sub(r"\s", "", layout.partition(",")[0]).upper()
    notes: list[str] = []
    if re.fullmatch(r"\((\w)\+\+\((\w)\.\.\2\)\)", plain):
        grid, values, notes = _even(decode_rows(lines, file), x, y, n_points, file)
    elif re.fullmatch(r"\((\w)(\w)\.\.\1\2\)", plain):
        pairs = np.array(decode_pairs(lines, file), float).reshape(-1, 2)
        if len(pairs) < 2:
            raise ReadError(f"{file}: its table holds {len(pairs)} points; a spectrum needs at least 2.")
        if np.isfinite(n_points) and len(pairs) != n_points:
            raise ReadError(
                f"{file} is truncated or damaged: {n_points:g} points are announced, {len(pairs)} are there."
            )
        grid, values = pairs[:, 0] * x.factor, pairs[:, 1] * y.factor
    else:
        raise _OtherTable(f"a table laid out as {layout or 'nothing known'}")
    notes += _doubts(values, y)
    return [_scan(records, kind, grid, values, x, y, file, notes)]


def _scales(records: Mapping[str, str], layout: str) -> tuple[_Scale, _Scale, float]:
    """What is said of abscissa and ordinate, and how many points there are."""
    if "SYMBOL" not in records:
        first = _number(records.get("FIRSTX")), _number(records.get("FIRSTY"))
        return (
            _Scale(_number(records.get("XFACTOR"), 1.0), first[0], _number(records.get("LASTX")), units=records.get("XUNITS", "")),
            _Scale(
                _number(records.get("YFACTOR"), 1.0), first[1], lowest=_number(records.get("MINY")),
                highest=_number(records.get("MAXY")), units=records.get("YUNITS", ""),
            ),
            _number(records.get("NPOINTS")),
        )  # fmt: skip
    columns = {
        key: [word.strip() for word in records.get(label, "").split(",")]
        for key, label in (
            ("symbol", "SYMBOL"), ("factor", "FACTOR"), ("first", "FIRST"), ("last", "LAST"), ("lowest", "MIN"),
            ("highest", "MAX"), ("units", "UNITS"), ("points", "VARDIM"),
        )
    }  # fmt: skip
    letters = re.findall(r"[A-Za-z]", layout.partition(",")[0])
    symbols = [s.upper() for s in columns["symbol"]]

    def of(letter: str) -> dict[str, str]:
        at = symbols.index(letter) if letter in symbols else -1
        return {key: (words[at] if 0 <= at < len(words) else "") for key, words in columns.items()}

    made, points = [], math.nan
    for letter in (letters[0].upper(), letters[1].upper()) if len(letters) > 1 else ("X", "Y"):
        said = of(letter)
        points = _number(said["points"]) if math.isnan(points) else points
        made.append(
            _Scale(
                _number(said["factor"], 1.0), _number(said["first"]), _number(said["last"]),
                _number(said["lowest"]), _number(said["highest"]), said["units"],
            )
        )  # fmt: skip
    return made[0], made[1], points


def _number(text: str | None, default: float = math.nan) -> float:
    try:
        value = float((text or "").strip().replace(",", "."))
    except ValueError:
        return default
    return value if math.isfinite(value) else default


@np.errstate(over="ignore", invalid="ignore")  # what is beyond all bounds counts as missing
def _even(
    rows: Sequence[Row], x: _Scale, y: _Scale, announced: float, file: str
) -> tuple[FloatArray, FloatArray, list[str]]:
    """Axis and values of a table with even steps; every line must begin where it should."""
    values = np.array([v for row in rows for v in row.values], float) * y.factor
    if values.size < 2:
        raise ReadError(f"{file}: its table holds {values.size} points; a spectrum needs at least 2.")
    if np.isfinite(announced) and values.size != announced:
        raise ReadError(
            f"{file} is truncated or damaged: {announced:g} points are announced, {values.size} are there."
        )
    starts = np.cumsum([0, *(len(row.values) for row in rows[:-1])])
    written = np.array([row.x for row in rows]) * x.factor
    first = x.first if math.isfinite(x.first) else written[0]
    if math.isfinite(x.last):
        step = (x.last - first) / (values.size - 1)
    elif len(rows) > 1:
        step = (written[-1] - written[0]) / (starts[-1] - starts[0])
    else:
        raise ReadError(f"{file} does not say where its axis ends (LASTX).")
    if not math.isfinite(first) or not math.isfinite(step) or step == 0:
        raise ReadError(
            f"{file}: its axis from {first:g} in steps of {step:g} is none; the header is damaged."
        )
    grid: FloatArray = np.asarray(first + step * np.arange(values.size), np.float64)
    # packed abscissae are whole numbers of their factor
    allowed = _OFF * abs(step) + 0.5 * abs(x.factor) + 5e-6 * np.abs(written)
    checked = np.array([row.checked for row in rows], int)
    for due in (grid[starts - checked], grid[starts]):  # some programs write the abscissa after the check
        wrong = np.flatnonzero(~(np.abs(written - due) <= allowed))
        if wrong.size == 0:
            return grid, values, []
    due = grid[starts - checked]
    wrong = np.flatnonzero(~(np.abs(written - due) <= allowed))
    at = int(wrong[0])
    if at > 0 and wrong.size < len(rows):
        raise ReadError(
            f"{file}: line {rows[at].line} begins at {written[at]:g}, where {due[at]:g} is due: points are "
            "missing or doubled."
        )
    raise ReadError(
        f"{file}: its first line begins at {written[0]:g}, and the header says {first:g} (FIRSTX, XFACTOR)."
    )


def _doubts(values: FloatArray, y: _Scale) -> list[str]:
    """What the header says of the values and is not so."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return []
    span = max(float(np.ptp(finite)), float(np.abs(finite).max()), abs(y.factor))
    told = (
        ("first", y.first, values[0]),
        ("lowest", y.lowest, finite.min()),
        ("highest", y.highest, finite.max()),
    )
    return [
        f"the header says {said:g} for the {which} value and the table holds {there:g}: a factor may be wrong"
        for which, said, there in told
        if math.isfinite(said) and abs(said - there) > _AGREES * span + abs(y.factor)
    ]


def _scan(
    records: Mapping[str, str], kind: str, grid: FloatArray, values: FloatArray, x: _Scale, y: _Scale, file: str,
    notes: list[str],
) -> xr.Dataset:  # fmt: skip
    quantity, units, said = _quantity(kind, y.units)
    axis, x_values, more = _axis(kind, x.units, grid, file)
    title = records.get("TITLE", "").partition("\n")[0]
    page = records.get("PAGE", "")
    attrs: dict[str, Any] = {
        "title": f"{title} {page}".strip(),
        "sample": records.get("SAMPLEDESCRIPTION", "").partition("\n")[0],
        "start_time": _start(records),
        "instrument": records.get("SPECTROMETERDATASYSTEM"),
        "resolution": _known(records.get("RESOLUTION")),
        "origin": records.get("ORIGIN"),
        "owner": records.get("OWNER"),
        "metadata": json.dumps({k: v for k, v in records.items() if len(v) <= 500}),
    }
    return infrared_scan(
        file, x_values, values, quantity, units=units, axis=axis, attrs=attrs, notes=[*notes, *said, *more]
    )


def _known(text: str | None) -> float | None:
    value = _number(text)
    return value if math.isfinite(value) else None


def _quantity(kind: str, label: str) -> tuple[str, str, list[str]]:
    if "INTERFEROGRAM" in kind:
        return "interferogram", "V" if label.upper() == "VOLTS" else "", []
    known = quantity_of_label(label)
    if known is not None:
        return (*known, [])
    said = (
        f"its ordinate {label!r} is not known here; it is called intensity"
        if label
        else "the file does not say what was measured (YUNITS)"
    )
    return "intensity", "", [said]


def _axis(kind: str, label: str, grid: FloatArray, file: str) -> tuple[str, FloatArray, list[str]]:
    plain = re.sub(r"[\s\-^]", "", label).upper()
    if plain in (
        "1/CM",
        "CM1",
        "WAVENUMBER",
        "WAVENUMBERS",
        "RAMANSHIFT(1/CM)",
        "RAMANSHIFT",
        "WAVENUMBERS(CM1)",
    ):
        return ("raman_shift" if "RAMAN" in kind or "RAMAN" in plain else "wavenumber"), grid, []
    if "INTERFEROGRAM" in kind and plain in ("CM", "CENTIMETERS", "PATHDIFFERENCE"):
        return "path_difference", grid, []
    scale = {"MICROMETERS": 1e4, "MICRONS": 1e4, "UM": 1e4, "NANOMETERS": 1e7, "NM": 1e7}.get(plain)
    if scale is not None and "INTERFEROGRAM" not in kind and "RAMAN" not in kind and (grid > 0).all():
        return "wavenumber", scale / grid, [f"wavelengths ({label.lower()}) were turned into wavenumbers"]
    what = f"{kind or 'data'} along {label or 'an axis without units'}"
    raise _OtherTable(f"{what.lower()} lies along no wavenumber, Raman shift or path difference in cm")


def _start(records: Mapping[str, str]) -> str | None:
    """Date and time: 2020/12/31 in LONGDATE, 20/12/31 (year first) in DATE."""
    long = re.match(r"(\d{4})/(\d{1,2})/(\d{1,2})(?:\s+(\d{1,2}:\d{2}:\d{2}))?", records.get("LONGDATE", ""))
    short = re.match(r"(\d{2})/(\d{1,2})/(\d{1,2})", records.get("DATE", ""))
    clock = re.match(r"(\d{1,2}:\d{2}:\d{2})", records.get("TIME", ""))
    if long:
        year, month, day = (int(long.group(i)) for i in (1, 2, 3))
        time = long.group(4) or (clock.group(1) if clock else "")
    elif short:
        year, month, day = (int(g) for g in short.groups())
        year += 1900 if year >= 70 else 2000
        time = clock.group(1) if clock else ""
    else:
        return None
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    return f"{year:04d}-{month:02d}-{day:02d}" + (f"T{time:>08}" if time else "")
