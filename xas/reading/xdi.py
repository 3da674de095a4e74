"""XDI 1.0 and 1.1, the interchange format of the X-ray absorption community, with every fault of a file named.

A fault that leaves the numbers in doubt refuses the file; any other is noted and the file is read.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.errors import ReadError
from spectra.reading.columns import Columns
from spectra.reading.registry import Reader
from spectra.reading.scan import add_note
from spectra.reading.source import Source
from spectra.reading.table import Dialect, Table, parse_tables
from spectra.reading.times import parse_time
from xas.reading.bragg import photon_energy
from xas.reading.elements import edge_name, element_symbol

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["reader", "scans", "sniff"]

_VERSION = re.compile(r"#\s*XDI/(\d+)\.(\d+)(\.\d+)?\s*(.*)$")
_FIELD = re.compile(r"([A-Za-z][\w-]*)\.([\w-]+)\s*:\s*(.*)$")
_NUMBER_WITH_UNIT = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
_FAMILIES = {"facility", "beamline", "mono", "detector", "sample", "scan", "element", "column"}

#: Fields whose value is a number with one of these units.
_QUANTITIES = {
    "facility.energy": ("GeV", "MeV"),
    "facility.current": ("mA", "A"),
    "sample.temperature": ("K", "C", "degrees K", "degrees C"),
}


@dataclass
class _Header:
    """Fields of an XDI header by lower-case name, columns by number, comments, and what is wrong with it."""

    fields: dict[str, str] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)
    comments: list[str] = field(default_factory=list)
    label_line: str = ""
    faults: list[str] = field(default_factory=list)


def sniff(source: Source) -> float:
    """Certain where the first line says XDI; likely where the fields of XDI stand without it."""
    if not source.is_text:
        return 0.0
    head = source.head.decode("utf-8", "replace")
    if _VERSION.match(head.partition("\n")[0].strip("\r\ufeff ")):
        return 1.0
    fields = re.findall(
        r"^#\s*(Column\.1|Element\.symbol|Element\.edge|Mono\.d_spacing)\s*:", head, re.MULTILINE
    )
    return 0.7 if len(set(fields)) >= 2 else 0.0


def scans(
    source: Source,
    *,
    columns: dict[str, int | str] | None = None,
    axis: str | None = None,
    axis_units: str | None = None,
) -> list[xr.Dataset]:
    """The one scan of an XDI file; options as in :func:`spectra.read`."""
    lines = source.text.lstrip("\ufeff").split("\n")
    first = next(
        (i for i, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#")), None
    )
    header = _header(lines[:first])
    if first is None:
        raise ReadError(f"{source.name}: the header ends without a table of numbers.")
    tables = parse_tables(lines, Dialect("", "."), file=source.name)
    if len(tables) != 1:
        raise ReadError(
            f"{source.name}: one table of numbers was expected after the header, {len(tables)} were found."
        )
    table = tables[0]
    if (table.first_line - 1) != first:
        raise ReadError(
            f"{source.name}: line {first + 1} is neither header nor numbers: {lines[first].strip()[:60]!r}."
        )
    names, units = _columns(header, table, source.name)
    values, units = _in_energy(table.values, names, units, header, source.name)
    scan = Columns(source.name, values, names, table.first_line, table.words, units).scan(
        columns=columns,
        axis=axis,
        axis_units=axis_units,
        attrs=_attributes(header, source),
        notes=header.faults,
    )
    return [_edge_inside(scan, header)]


reader = Reader("xdi", "XDI 1.0 and 1.1, X-ray absorption data interchange", (".xdi",), sniff, scans)


def _header(lines: list[str]) -> _Header:
    header = _Header()
    version = _VERSION.match(lines[0].strip()) if lines else None
    if version is None:
        header.faults.append("line 1 does not say which version of XDI the file has (# XDI/1.0)")
    where = "fields"
    for number, line in enumerate(lines, start=1):
        text = line.strip().lstrip("#").strip()
        if number == 1 and version is not None:
            continue
        if re.match(r"#\s*/{3,}", line.strip()):
            where = "comments"
        elif re.match(r"#\s*-{3,}\s*$", line.strip()):
            where = "labels"
        elif where == "labels":
            header.label_line = header.label_line or text
        elif where == "comments":
            header.comments.append(text)
        elif text:
            _field(header, text, number)
    if where != "labels":
        header.faults.append("no line of dashes (#---) ends the header")
        header.label_line = header.comments.pop() if header.comments else ""
    _check_fields(header, version.group(4) if version else "")
    return header


def _field(header: _Header, text: str, number: int) -> None:
    match = _FIELD.match(text)
    if match is None:
        header.faults.append(f"line {number} is no field of the form Family.key: value: {text[:60]!r}")
        return
    name, value = f"{match.group(1)}.{match.group(2)}", match.group(3).strip()
    if not value:
        header.faults.append(f"line {number}: {name} has no value")
    header.fields[name.lower()] = value
    header.written[name] = value


def _check_fields(header: _Header, applications: str) -> None:
    fields, faults = header.fields, header.faults
    symbol, edge = fields.get("element.symbol"), fields.get("element.edge")
    if "column.1" not in fields or fields["column.1"].lower().startswith(("energy", "angle")):
        for name, value, valid in (
            ("Element.symbol", symbol or fields.get("scan.element"), element_symbol),
            ("Element.edge", edge or fields.get("scan.edge"), edge_name),
        ):
            if value is None:
                faults.append(f"{name} is missing, which XDI requires")
            elif valid(value) is None:
                faults.append(
                    f"{name} is {value!r}, which is no {'element' if 'symbol' in name else 'absorption edge'}"
                )
    for name in ("scan.start_time", "scan.end_time"):
        value = fields.get(name)
        if value and not re.match(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}", value):
            faults.append(f"{name.capitalize()} is {value!r}, not ISO 8601 such as 2001-06-26T22:27:31")
    if "mono.d_spacing" in fields and _float(fields["mono.d_spacing"]) is None:
        faults.append(f"Mono.d_spacing is {fields['mono.d_spacing']!r}, not a number")
    bare = [
        name.capitalize() for name in _QUANTITIES if re.fullmatch(_NUMBER_WITH_UNIT, fields.get(name, ""))
    ]
    if bare:  # one sentence without the values: a series of scans says it once
        faults.append(f"{' and '.join(bare)} {'have' if bare[1:] else 'has'} no units, which XDI asks for")
    for name, units in _QUANTITIES.items():
        value = fields.get(name)
        if (
            value
            and name.capitalize() not in bare
            and not re.match(rf"{_NUMBER_WITH_UNIT}\s+({'|'.join(units)})\s*(\|\|.*)?$", value, re.IGNORECASE)
        ):
            faults.append(f"{name.capitalize()} is {value!r}, not a number with units ({' or '.join(units)})")
    foreign = sorted({name.partition(".")[0] for name in fields} - _FAMILIES)
    if foreign and not applications:
        listed = ", ".join(foreign)
        faults.append(f"line 1 names no application for the fields that are not of XDI itself ({listed})")


def _float(text: str) -> float | None:
    match = re.match(rf"{_NUMBER_WITH_UNIT}(?=\s|$)", text.strip())
    return float(match.group(0)) if match else None


def _columns(header: _Header, table: Table, file: str) -> tuple[list[str], dict[int, str]]:
    """Names and units of the columns, from the fields ``Column.N`` or, without them, the line of labels."""
    width = table.values.shape[1]
    declared = {int(k[7:]): v for k, v in header.fields.items() if re.fullmatch(r"column\.\d{1,6}", k)}
    if not declared:
        header.faults.append("no Column.1, Column.2, ... say what the columns are")
        words = header.label_line.split()
        if len(words) != width:
            raise ReadError(
                f"{file}: neither Column.N nor a line of {width} labels says what the columns are."
            )
        return words, {}
    beyond = {n: v for n, v in declared.items() if n > width}
    if beyond:
        listed = ", ".join(f"Column.{n} ({v.split()[0] if v else ''})" for n, v in beyond.items())
        raise ReadError(f"{file}: {listed} is declared and the table has {width} columns; mend the header.")
    missing = [n for n in range(1, width + 1) if n not in declared]
    if missing:
        header.faults.append(f"Column.{missing[0]} is not declared, the table has {width} columns")
    parts = [declared.get(n, "").partition("||")[0].split() for n in range(1, width + 1)]
    names = [words[0] if words else "" for words in parts]
    return names, {n: " ".join(words[1:]) for n, words in enumerate(parts) if len(words) > 1}


def _in_energy(
    values: npt.NDArray[np.float64], names: list[str], units: dict[int, str], header: _Header, file: str
) -> tuple[npt.NDArray[np.float64], dict[int, str]]:
    """Table with a monochromator angle replaced by the photon energy; energies stay as they are."""
    lower = [name.lower() for name in names]
    if "angle" not in lower or any(name.startswith("energy") for name in lower):
        return values, units
    position = lower.index("angle")
    spacing = _float(header.fields.get("mono.d_spacing", ""))
    if spacing is None:
        raise ReadError(
            f"{file}: column {position + 1} is an angle and Mono.d_spacing is missing: no energy can be computed."
        )
    unit = units.get(position, "degrees").lower()
    angle = np.deg2rad(values[:, position]) if unit.startswith("deg") else values[:, position]
    changed = values.copy()
    changed[:, position] = photon_energy(angle, spacing)
    names[position] = "energy"
    header.faults.append(f"the angle was turned into energy with Mono.d_spacing = {spacing:g} Å")
    return changed, {**units, position: "eV"}


def _attributes(header: _Header, source: Source) -> dict[str, Any]:
    fields = header.fields
    return {
        "title": source.path.stem,
        "sample": fields.get("sample.name"),
        "element": element_symbol(fields.get("element.symbol") or fields.get("scan.element")),
        "edge": edge_name(fields.get("element.edge") or fields.get("scan.edge")),
        "facility": fields.get("facility.name"),
        "beamline": fields.get("beamline.name"),
        "start_time": parse_time(fields.get("scan.start_time", "")),
        "metadata": json.dumps(header.written),
        "comments": "\n".join(header.comments).strip(),
    }


def _edge_inside(scan: xr.Dataset, header: _Header) -> xr.Dataset:
    """The scan, with a note where the edge that the header names lies outside of it."""
    edge = _float(header.fields.get("scan.edge_energy", ""))
    if edge is None or "energy" not in scan.coords:
        return scan
    low, high = float(scan.energy[0]), float(scan.energy[-1])
    if low < edge < high:
        return scan
    return add_note(scan, f"Scan.edge_energy, {edge:g} eV, lies outside the scan ({low:g} to {high:g} eV)")
