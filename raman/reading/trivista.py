"""TriVista files (``.tvf``): XML with one document for each measurement, a frame for each spectrum."""

from __future__ import annotations

import datetime
import xml.etree.ElementTree as ElementTree
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from raman.reading.measured import Measured, detector_units
from raman.reading.positions import Layout, lay_out
from raman.reading.settings import settings
from raman.reading.shift import AxisUnits, Medium
from spectra.errors import ReadError
from spectra.reading.registry import Reader
from spectra.reading.source import Source

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["reader", "scans", "sniff"]

FloatArray = npt.NDArray[np.float64]
_UNITS: dict[str, AxisUnits] = {
    "nanometer": "nm", "wavenumber": "absolute", "relativewavenumber": "shift", "electronvolt": "eV",
}  # fmt: skip


def sniff(source: Source) -> float:
    """Certain by the remark of its first line."""
    return 1.0 if b"TriVista-File" in source.head[:200] else 0.0


def scans(source: Source, *, laser: float | None = None, medium: Medium = "vacuum") -> list[xr.Dataset]:
    """One dataset for each document with spectra; options as in :func:`raman.read`."""
    try:
        root = ElementTree.fromstring(source.content)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise ReadError(f"{source.name} is cut short or damaged: its XML ends or breaks ({error}).") from None
    documents = [d for d in root.iter("Document") if d.find("Data/Frame") is not None]
    if not documents:
        raise ReadError(f"{source.name} holds no document with spectra.")
    hint = _lasers(root)
    title = source.path.stem
    return [
        _dataset(
            document, title if len(documents) == 1 else f"{title} {number}", hint, source.name, laser, medium
        )
        for number, document in enumerate(documents)
    ]


reader = Reader(
    "trivista", "TriVista: spectra and maps of one to three spectrometers", (".tvf",), sniff, scans
)


def _dataset(
    document: ElementTree.Element, title: str, hint: str, name: str, laser: float | None, medium: Medium
) -> xr.Dataset:
    calibration = document.find("xDim/Calibration")
    if calibration is None:
        raise ReadError(f"{name} is damaged: its spectra have no calibration.")
    unit = str(calibration.get("Unit", "")).lower()
    if unit not in _UNITS:
        raise ReadError(f"{name}: its axis is in {unit!r}, which is no Raman shift and cannot be made one.")
    x = _numbers(str(calibration.get("ValueArray", "")).split("|")[1:], name)
    frames = document.findall("Data/Frame")
    values = np.stack([_frame(frame, x.size, name) for frame in frames])
    notes: list[str] = []
    rows = values.shape[1]
    layout = _layout(frames, notes)
    placed = layout.place(values) if layout.dims else values[0]
    dims = layout.dims
    if rows == 1:
        placed = placed[..., 0, :]
    else:
        dims = (*dims, "row")
    metadata = _information(document)
    return Measured(
        name,
        x,
        placed,
        units=_UNITS[unit],
        laser=_positive(calibration.get("LaserWave")),
        told=laser,
        medium=medium,
        hint=hint,
        quantity_units=detector_units(str(document.get("DataLabel", ""))),
        dims=dims,
        coords=layout.coords,
        attrs={
            **settings(metadata),
            "title": title,
            "start_time": _ticks(frames[0]),
        },
        notes=notes,
    ).dataset()


def _frame(frame: ElementTree.Element, points: int, name: str) -> FloatArray:
    values = _numbers((frame.text or "").strip().strip(";").split(";"), name)
    if points == 0 or values.size % points or not values.size:
        raise ReadError(f"{name} is damaged: a frame of {values.size} values on an axis of {points} points.")
    return values.reshape(-1, points)


def _numbers(words: list[str], name: str) -> FloatArray:
    try:
        return np.array(words, float)
    except ValueError:
        raise ReadError(f"{name} is damaged: it holds something else than numbers.") from None


def _layout(frames: list[ElementTree.Element], notes: list[str]) -> Layout:
    """Map, line or series by the positions of the frames (um), or by their times."""
    if len(frames) == 1:
        return Layout((), (), ())
    order = (np.arange(len(frames)),)
    places = [str(frame.get("ValuePosition", "")).split(";") for frame in frames]
    try:
        x, y, z = np.array(places, float).T
    except ValueError:
        seconds = np.array([int(frame.get("TimeStamp", "0") or 0) for frame in frames]) * 1e-7
        if (np.diff(seconds) > 0).all():
            return Layout(("time",), (len(frames),), order, {"time": (("time",), seconds - seconds[0], "s")})
        return Layout(("scan",), (len(frames),), order, {"scan": (("scan",), order[0], "")})
    return lay_out(np.round(x, 6), np.round(y, 6), z=np.round(z, 6))


def _positive(text: str | None) -> float | None:
    try:
        number = float(text or 0)
    except ValueError:
        return None
    return number or None


def _lasers(root: ElementTree.Element) -> str:
    """What the file lists as lasers, for the error where it does not say which was used."""
    listed = [
        value
        for source in root.iter("LightSource")
        if source.get("Type") == "Laser"
        for lines in source.iter("Wavelengths")
        for key, value in lines.attrib.items()
        if key.startswith("Value_") and _positive(value)
    ]
    return f" (it lists lasers at {', '.join(f'{float(v):g}' for v in listed)} nm)" if listed else ""


def _ticks(frame: ElementTree.Element) -> str | None:
    """ISO 8601 of 100 ns since the year 1."""
    ticks = str(frame.get("TimeStamp", ""))
    if not (ticks.isdecimal() and len(ticks) < 20) or not 6.2e17 < int(ticks) < 6.6e17:
        return None
    start = datetime.datetime(1, 1, 1)  # noqa: DTZ001  the file says no zone
    return (start + datetime.timedelta(microseconds=int(ticks) // 10)).isoformat()


def _information(document: ElementTree.Element) -> dict[str, str]:
    """Settings of the experiment; of several spectrometers all values, in their order."""
    try:
        root = ElementTree.fromstring(str(document.get("InfoSerialized", "")).encode("utf-16"))
    except (ElementTree.ParseError, ValueError):
        return {}
    found: dict[str, Any] = {}
    for item in root.iter("Item"):
        key, value = item.findtext("Name", ""), item.findtext("Value", "")
        if key and value:
            found.setdefault(key, []).append(value)
    return {key: " + ".join(dict.fromkeys(v)) if len(v) > 1 else v[0] for key, v in found.items()}
