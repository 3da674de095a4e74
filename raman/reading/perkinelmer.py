"""PerkinElmer spectra (.sp) and Spotlight images (.fsm).

After the mark and a description of 40 bytes come members: a number (int16), a length (int32), a content. Members 120
to 127 hold members; a value in them begins with its type. An image has one member that describes it (steps, limits,
origin, pixels, labels) and one with float32 values for each pixel, row by row.
"""

from __future__ import annotations

import datetime
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from raman.reading.infrared import even_steps, floats, infrared_scan, quantity_of_label
from spectra.errors import ReadError
from spectra.reading.registry import Reader
from spectra.reading.source import Source

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["reader", "scans", "sniff"]

FloatArray = npt.NDArray[np.float64]

_MARK, _START = b"PEPE", 44
_CONTAINERS = range(120, 128)
_IMAGE, _SETTINGS, _PIXEL = 5100, 5104, 5105
_DEEPEST = 8
#: Types of values.
_TEXT, _DOUBLE, _DOUBLES, _RANGE = 0x7523, 0x751C, 0x7516, 0x751D
#: Members of a spectrum.
_ABSCISSA, _POINTS, _X_LABEL, _Y_LABEL, _VALUES = -29838, -29835, -29833, -29832, -29828
#: Members of the history, and what they say.
_FACTS = {
    -29838: "microscope", -29836: "date", -29834: "sample", -29699: "instrument", -29695: "detector",
    -29694: "source", -29693: "beam_splitter", -29692: "resolution",
}  # fmt: skip


def sniff(source: Source) -> float:
    """Certain by the mark and the description that follows it."""
    return 1.0 if source.head.startswith((_MARK + b"2D", _MARK + b"DataSet")) else 0.0


def scans(source: Source) -> list[xr.Dataset]:
    """One spectrum, or one image along ``y`` and ``x`` (um on the stage)."""
    content, file = source.content, source.name
    members = list(_members(content, _START, len(content), file))
    if any(number == _IMAGE for number, _ in members):
        return [_image(members, file)]
    inside = dict(_members(members[0][1], 0, len(members[0][1]), file)) if members else {}
    return [_spectrum(inside, _facts(content, file), file)]


reader = Reader(
    "perkinelmer", "PerkinElmer spectra (.sp) and Spotlight images (.fsm)", (".sp", ".fsm"), sniff, scans
)


def _members(content: bytes, at: int, end: int, file: str) -> Iterator[tuple[int, bytes]]:
    while at + 6 <= end:
        number, length = struct.unpack_from("<hi", content, at)
        if length < 0 or at + 6 + length > end:
            raise ReadError(
                f"{file} is truncated or damaged: member {number} of {length} bytes does not end in it."
            )
        yield number, content[at + 6 : at + 6 + length]
        at += 6 + length


def _facts(content: bytes, file: str) -> dict[str, Any]:
    """What the history says, wherever in it; one that cannot be followed says nothing."""
    found: dict[str, Any] = {}

    def look(part: bytes, depth: int) -> None:
        for number, inside in _members(part, 0, len(part), file):
            holds_members = len(inside) >= 6 and struct.unpack_from("<h", inside)[0] in _CONTAINERS
            if number in _CONTAINERS or holds_members:
                if depth < _DEEPEST:
                    look(inside, depth + 1)
            elif number in _FACTS and len(inside) >= 4:
                value = _value(inside)
                if value not in (None, ""):
                    found.setdefault(_FACTS[number], value)

    try:
        look(content[_START:] if content.startswith(_MARK) else content, 0)
    except (ReadError, struct.error):
        pass
    return found


def _value(inside: bytes) -> Any:
    kind = struct.unpack_from("<H", inside)[0]
    if kind == _TEXT:
        length = struct.unpack_from("<H", inside, 2)[0]
        return inside[4 : 4 + length].split(b"\0")[0].decode("cp1252", "replace").strip()
    if kind == _DOUBLE and len(inside) >= 10:
        return float(struct.unpack_from("<d", inside, 2)[0])
    return None


def _spectrum(members: dict[int, bytes], facts: dict[str, Any], file: str) -> xr.Dataset:
    limits, raw = members.get(_ABSCISSA, b""), members.get(_VALUES, b"")
    if len(limits) < 18 or len(raw) < 6 or struct.unpack_from("<H", raw)[0] != _DOUBLES:
        raise ReadError(f"{file} is damaged: it holds no spectrum with limits and values.")
    first, last = struct.unpack_from("<2d", limits, 2)
    size = struct.unpack_from("<i", raw, 2)[0]
    if size < 16 or size % 8 or 6 + size > len(raw):
        raise ReadError(
            f"{file} is truncated: {size} bytes of values are announced, {len(raw) - 6} are there."
        )
    values = floats(raw, "<f8", size // 8, 6)
    told = members.get(_POINTS, b"")
    points = struct.unpack_from("<i", told, 2)[0] if len(told) >= 6 else values.size
    if points != values.size:
        raise ReadError(f"{file}: {points} points are announced, {values.size} are there.")
    x_label, y_label = (str(_value(members.get(key, b"\0\0\0\0")) or "") for key in (_X_LABEL, _Y_LABEL))
    quantity, units, notes = _quantity(y_label)
    _refuse_other_axis(x_label, file)
    x = even_steps(first, last, values.size, file)
    attrs = _attributes(facts)
    return infrared_scan(file, x, values, quantity, units=units, attrs=attrs, notes=notes)


def _image(members: list[tuple[int, bytes]], file: str) -> xr.Dataset:
    about = next(part for number, part in members if number == _IMAGE)
    try:
        length = struct.unpack_from("<h", about)[0]
        name = about[2 : 2 + length].decode("cp1252", "replace").strip()
        at = 2 + length
        dx, dy, _, first, last, _, _, x0, y0, _ = struct.unpack_from("<10d", about, at)
        columns, rows, points = struct.unpack_from("<3i", about, at + 80)
        at += 92
        labels = []
        for _ in range(4):
            length = struct.unpack_from("<h", about, at)[0]
            labels.append(about[at + 2 : at + 2 + length].decode("cp1252", "replace").strip())
            at += 2 + length
    except struct.error:
        raise ReadError(f"{file} is truncated: the description of its image is incomplete.") from None
    pixels = [part for number, part in members if number == _PIXEL]
    if not 0 < columns * rows <= 10**8 or points < 2 or any(len(part) != 4 * points for part in pixels):
        raise ReadError(
            f"{file} is damaged: {columns} x {rows} pixels of {points} points do not fit what it holds."
        )
    if len(pixels) > columns * rows:
        raise ReadError(
            f"{file} is damaged: {columns} x {rows} pixels are announced, {len(pixels)} are there."
        )
    notes = []
    values = np.full((rows * columns, points), np.nan)
    for number, part in enumerate(pixels):
        values[number] = floats(part, "<f4", points)
    if len(pixels) < rows * columns:
        notes.append(
            f"{rows * columns - len(pixels)} of {rows * columns} pixels were not measured and are NaN"
        )
    quantity, units, more = _quantity(labels[3])
    _refuse_other_axis(labels[2], file)
    settings = next((part for number, part in members if number == _SETTINGS), b"")
    attrs = _attributes(_facts(settings, file))
    coords = {
        "y": ("y", y0 + dy * np.arange(rows), {"units": "um"}),
        "x": ("x", x0 + dx * np.arange(columns), {"units": "um"}),
    }
    return infrared_scan(
        file, even_steps(first, last, points, file), values.reshape(rows, columns, points), quantity, units=units,
        dims=("y", "x"), coords=coords, attrs={**attrs, "title": name or None}, notes=[*notes, *more],
    )  # fmt: skip


def _quantity(label: str) -> tuple[str, str, list[str]]:
    known = quantity_of_label(label)
    if known is None:
        return "intensity", "", [f"its ordinate {label!r} is not known here; it is called intensity"]
    return (*known, [])


def _refuse_other_axis(label: str, file: str) -> None:
    if label and label.lower().replace(" ", "") not in ("cm-1", "1/cm", "cm^-1"):
        raise ReadError(
            f"{file} lies along {label!r}, not along wavenumbers (cm-1): convert it where it was measured."
        )


def _attributes(facts: dict[str, Any]) -> dict[str, Any]:
    date = facts.pop("date", None)
    try:
        start = datetime.datetime.strptime(str(date), "%a %b %d %H:%M:%S %Y").isoformat()  # noqa: DTZ007  the file has no zone
    except ValueError:
        start = None
    sample = facts.get("sample")
    return {**facts, "title": sample, "start_time": start}
