"""Agilent images of one tile: values (.dat) with their description (.bsp) and its ENVI header (.hdr).

The values are float32, band by band, after 1020 bytes that begin with counts: bands at byte 9, columns and rows at
24. The description is an OLE container; it says at which multiple of which step the wavenumbers begin, what was
measured, and how large a pixel is. Any of the three names the image; the values and one of the others are needed.
"""

from __future__ import annotations

import datetime
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from raman.reading.infrared import floats, infrared_scan, quantity_of_label
from spectra.errors import ReadError
from spectra.reading.registry import Reader
from spectra.reading.source import Source, open_source

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["reader", "scans", "sniff"]

FloatArray = npt.NDArray[np.float64]

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_HEADER = 1020
_STEP, _FIRST, _BANDS = 2216, 2228, 2236
#: Two descriptions of one axis may differ by this part of a step.
_SAME = 0.01


@dataclass(frozen=True)
class _Axis:
    """Wavenumbers as one of the files beside the values has them, with what else it says."""

    wavenumbers: FloatArray
    quantity: str
    units: str
    pixel: float  # um; NaN where it is not said
    start_time: str | None


def sniff(source: Source) -> float:
    """All but certain by the counts that give the size of the file, the words of the description, or those of ENVI."""
    if source.head.startswith(_OLE):
        return 0.95 if b"SpectName" in source.head and b"Wavenumber" in source.head else 0.0
    if source.head.startswith(b"ENVI") and b"bands" in source.head:
        return 0.9
    counts = _counts(source.head)
    return 0.95 if counts is not None and _HEADER + 4 * int(np.prod(counts)) == source.size else 0.0


def scans(source: Source) -> list[xr.Dataset]:
    """The image along ``y`` and ``x``, rows and columns in the order of the file."""
    parts = _parts(source)
    if ".dat" not in parts:
        raise ReadError(
            f"{source.name} describes an Agilent image and its values are missing: "
            f"{source.path.with_suffix('.dat').name} must lie beside it."
        )
    if len(parts) == 1:
        raise ReadError(
            f"{source.name} holds the values of an Agilent image and no wavenumbers: "
            f"{source.path.with_suffix('.bsp').name} or .hdr must lie beside it."
        )
    values, file = parts[".dat"], parts[".dat"].name
    counts = _counts(values.content)
    if counts is None or len(values.content) < _HEADER + 4 * int(np.prod(counts)):
        raise ReadError(
            f"{file} is truncated or damaged: its {len(values.content)} bytes do not hold its image."
        )
    bands, rows, columns = counts
    cube = floats(values.content, "<f4", bands * rows * columns, _HEADER).reshape(counts)
    described = [
        read(parts[end]) for end, read in ((".bsp", _of_description), (".hdr", _of_header)) if end in parts
    ]
    axis = described[0]
    for one in described:
        if one.wavenumbers.size != bands:
            raise ReadError(
                f"{file} has {bands} bands and what lies beside it {one.wavenumbers.size}; they do not belong together."
            )
        step = np.abs(np.diff(axis.wavenumbers)).min()
        if np.abs(one.wavenumbers - axis.wavenumbers).max() > _SAME * step:
            raise ReadError(
                f"{file}: .bsp and .hdr beside it give different wavenumbers; they do not belong together."
            )
    missing = [end for end in (".bsp", ".hdr") if end not in parts]
    notes = [f"{missing[0]} is missing beside it and was not needed for the axis"] if missing else []
    if axis.quantity == "intensity":
        notes.append("what was measured is said only in the .bsp; it is called intensity")
    scale, unit = (axis.pixel, "um") if np.isfinite(axis.pixel) else (1.0, "")
    coords = {
        name: (name, scale * np.arange(count), {"units": unit})
        for name, count in (("y", rows), ("x", columns))
    }
    attrs = {"start_time": axis.start_time, "title": source.path.stem}
    return [
        infrared_scan(
            file, axis.wavenumbers, np.moveaxis(cube, 0, -1), axis.quantity, units=axis.units, dims=("y", "x"),
            coords=coords, attrs=attrs, notes=notes,
        )
    ]  # fmt: skip


reader = Reader(
    "agilent", "Agilent infrared images (.dat with .bsp and .hdr)", (".dat", ".bsp", ".hdr"), sniff, scans
)


def _counts(content: bytes) -> tuple[int, int, int] | None:
    """Bands, rows and columns as the values begin with them; None where these bytes are no counts."""
    if len(content) < _HEADER or content[:4] not in (b"\0rG\0",):
        return None
    bands = struct.unpack_from("<H", content, 9)[0]
    columns, rows = struct.unpack_from("<2H", content, 24)
    return (bands, rows, columns) if bands and rows and columns else None


def _parts(source: Source) -> dict[str, Source]:
    """The files of the image that are there, by their ending."""
    own = source.path.suffix.lower()
    found: dict[str, Source] = {}
    for end in (".dat", ".bsp", ".hdr"):
        if end == own:
            found[end] = source
            continue
        there = next(
            (p for p in (source.path.with_suffix(end), source.path.with_suffix(end.upper())) if p.is_file()),
            None,
        )
        if there is not None:
            found[end] = open_source(_named_alike(source, there))
    if own not in found:  # another ending: the values, told by their content
        found[".dat"] = source
    return found


def _named_alike(source: Source, path: Path) -> str:
    """Name of a file beside ``source``, written as that of ``source`` was."""
    return source.name[: len(source.name) - len(source.path.name)] + path.name


def _of_description(source: Source) -> _Axis:
    content = source.content
    if not content.startswith(_OLE) or len(content) < _BANDS + 4:
        raise ReadError(
            f"{source.name} is truncated or no description of an Agilent image (an OLE container)."
        )
    step = struct.unpack_from("<d", content, _STEP)[0]
    first, bands = struct.unpack_from("<i", content, _FIRST)[0], struct.unpack_from("<i", content, _BANDS)[0]
    if not 0 < step < 1e4 or not 0 <= first < 10**6 or not 2 <= bands < 10**6:
        raise ReadError(
            f"{source.name} is damaged: {bands} bands from {first} steps of {step:g} 1/cm make no axis."
        )
    found = re.search(rb"Wavenumber.{12}([A-Z][ -~]{2,30})", content, re.DOTALL)
    quantity, units = (quantity_of_label(found.group(1).decode("ascii")) if found else None) or (
        "intensity",
        "",
    )
    pixel, binned = (
        _number(content, b"FPA Pixel Size"),
        re.search(rb"PixelAggregationSize.{0,80}?(\d+)\x04", content, re.DOTALL),
    )
    side = float(np.sqrt(int(binned.group(1)))) if binned else 1.0
    return _Axis(step * (first + np.arange(bands)), quantity, units, pixel * side, _time(content))


def _number(content: bytes, name: bytes) -> float:
    """float64 that a property holds; NaN without one."""
    found = re.search(
        re.escape(name) + rb".{20,90}?\x01\x00\x00\x00\x08\x00\x00\x00(.{8})", content, re.DOTALL
    )
    value = struct.unpack("<d", found.group(1))[0] if found else float("nan")
    return value if 0 < value < 1e4 else float("nan")


def _time(content: bytes) -> str | None:
    found = re.search(rb"[A-Z][a-z]+day, ([A-Z][a-z]+ \d{1,2}, \d{4} \d{2}:\d{2}:\d{2})", content)
    if found is None:
        return None
    try:
        return datetime.datetime.strptime(found.group(1).decode("ascii"), "%B %d, %Y %H:%M:%S").isoformat()  # noqa: DTZ007  the file has no zone
    except ValueError:
        return None


def _of_header(source: Source) -> _Axis:
    """Wavenumbers of an ENVI header, which must describe the layout that Agilent writes."""
    fields: dict[str, Any] = {
        key.strip().lower(): value.strip("{} \n")
        for key, value in re.findall(r"^([^=\n]+?)\s*=\s*(\{[^}]*\}|[^\n]*)", source.text, re.MULTILINE)
    }
    if fields.get("interleave", "bsq").lower() != "bsq" or fields.get("data type", "4") != "4":
        raise ReadError(
            f"{source.name} describes another layout than float32 band by band, which is not read here."
        )
    try:
        wavenumbers = np.array([float(word) for word in fields["wavelength"].replace(",", " ").split()])
    except (KeyError, ValueError):
        raise ReadError(f"{source.name} gives no wavenumbers (wavelength = {{...}}).") from None
    if wavenumbers.size < 2:
        raise ReadError(f"{source.name} gives {wavenumbers.size} wavenumbers; an image needs at least 2.")
    return _Axis(wavenumbers, "intensity", "", float("nan"), None)
