"""Thermo OMNIC files: single spectra (.spa) and groups (.spg), with the interferograms kept beside them.

After the mark and a title of 256 bytes stands, at byte 294, the number of entries; they begin at byte 304, 16 bytes
each: a kind, an offset (at 2), a length (at 6), the number of the spectrum in the group (at 10). Kind 2 describes a
spectrum (points at 4, units of x and y at 8 and 12, limits at 16, scans at 36, wavenumber of the laser at 80, its
crossings between two points at 84), 3 holds its values as float32, 27 its history as text, 107 its title in a group,
102 and 103 the interferograms of sample and background. Times are seconds since the last day of 1899.
"""

from __future__ import annotations

import datetime
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from raman.reading.infrared import even_steps, floats, infrared_scan
from spectra.errors import ReadError
from spectra.reading.registry import Reader
from spectra.reading.source import Source

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["reader", "scans", "sniff"]

FloatArray = npt.NDArray[np.float64]

_MARK, _SERIES = b"Spectral Data File", b"Spectral Exte File"
_TITLE, _TIME, _COUNT, _ENTRIES = 30, 296, 294, 304
_ABOUT, _VALUES, _HISTORY, _NAME = 2, 3, 27, 107
_INTERFEROGRAMS = {102: "sample interferogram", 103: "background interferogram"}
_EPOCH = datetime.datetime(1899, 12, 31, tzinfo=datetime.UTC)
_SHORTEST_ABOUT = 88

#: Units of y: quantity and its units.
_QUANTITIES = {
    11: ("reflectance", "%"),
    12: ("log_reflectance", ""),
    15: ("single_channel", ""),
    16: ("transmittance", "%"),
    17: ("absorbance", ""),
    20: ("kubelka_munk", ""),
    21: ("reflectance", ""),
    22: ("interferogram", "V"),
    26: ("photoacoustic", ""),
    31: ("intensity", ""),
}
_WAVENUMBER, _POINTS, _NANOMETRE, _MICROMETRE, _RAMAN_SHIFT = 1, 2, 3, 4, 32


@dataclass(frozen=True)
class _About:
    """What is said of one spectrum."""

    points: int
    x_units: int
    y_units: int
    first: float
    last: float
    scans: int
    background_scans: int
    laser: float  # 1/cm
    spacing: float  # crossings of the laser's interferogram from point to point, two in its wavelength

    @property
    def step(self) -> float:
        """Path difference from point to point of the interferogram in cm; NaN where it is not known."""
        known = 1e3 < self.laser < 1e5 and 0 < self.spacing <= 64
        return self.spacing / (2 * self.laser) if known else float("nan")


def sniff(source: Source) -> float:
    """Certain by the words that OMNIC files begin with."""
    return 1.0 if source.head.startswith((_MARK, _SERIES)) else 0.0


def scans(source: Source) -> list[xr.Dataset]:
    """Every spectrum of a file or group in its order, then the interferograms kept beside them."""
    content, file = source.content, source.name
    if content.startswith(_SERIES):
        raise ReadError(
            f"{file} is an OMNIC series of another kind (.srs), which is not read here: save it as .spg."
        )
    entries = _entries(content, file)
    groups = sorted({number for kind, number in entries if kind == _VALUES})
    if not groups:
        raise ReadError(f"{file} is an OMNIC file without a spectrum.")
    title = _text(content[_TITLE : _TITLE + 256])
    found, beside = [], []
    for number in groups:
        where = f"{file}: spectrum {number + 1}" if len(groups) > 1 else file
        if (_ABOUT, number) not in entries:
            raise ReadError(f"{where} is damaged: nothing describes its values.")
        about = _about(_part(content, entries[_ABOUT, number], where), where)
        name = entries.get((_NAME, number))
        named = _part(content, name, where) if name else content[_TITLE : _TIME + 4]
        seconds = (
            struct.unpack_from("<I", named, 256 if name else _TIME - _TITLE)[0] if len(named) >= 260 else 0
        )
        label = _text(named[:256]) or title
        history = entries.get((_HISTORY, number))
        told = _text(_part(content, history, where)) if history else ""
        attrs = {
            "title": label,
            "start_time": _time(seconds),
            "resolution": _resolution(told),
            "scans": about.scans or None,
            "background_scans": about.background_scans or None,
            "laser_wavenumber": about.laser if np.isfinite(about.step) else None,
            "header": told,
        }
        found.append(_spectrum(_floats(content, entries[_VALUES, number], where), about, attrs, where))
        for kind, what in _INTERFEROGRAMS.items():
            if (kind, number) in entries and np.isfinite(about.step):
                values = _floats(content, entries[kind, number], f"{where}: {what}")
                own = {**attrs, "title": what, "sample": label}
                beside.append(_interferogram(values, about, own, f"{where}: {what}", auxiliary=True))
    return [*found, *beside]


reader = Reader("omnic", "Thermo OMNIC spectra (.spa) and groups (.spg)", (".spa", ".spg"), sniff, scans)


def _entries(content: bytes, file: str) -> dict[tuple[int, int], tuple[int, int]]:
    """Offset and length of each part, by its kind and the number of its spectrum; the first of each counts."""
    count = struct.unpack_from("<H", content, _COUNT)[0] if len(content) >= _ENTRIES else 0
    if not count or _ENTRIES + 16 * count > len(content):
        raise ReadError(
            f"{file} is truncated or damaged: its list of {count} parts does not lie inside of it."
        )
    found: dict[tuple[int, int], tuple[int, int]] = {}
    for i in range(count):
        at = _ENTRIES + 16 * i
        offset, length = struct.unpack_from("<II", content, at + 2)
        number = struct.unpack_from("<H", content, at + 10)[0]
        found.setdefault((content[at], number), (offset, length))
    return found


def _part(content: bytes, place: tuple[int, int], where: str) -> bytes:
    offset, length = place
    if offset + length > len(content):
        raise ReadError(
            f"{where} is truncated: a part of {length} bytes ends {offset + length - len(content)} after the file."
        )
    return content[offset : offset + length]


def _floats(content: bytes, place: tuple[int, int], where: str) -> FloatArray:
    part = _part(content, place, where)
    return floats(part, "<f4", len(part) // 4)


def _text(raw: bytes) -> str:
    return raw.split(b"\0")[0].decode("cp1252", "replace").replace("\r\n", "\n").strip()


def _about(part: bytes, where: str) -> _About:
    if len(part) < _SHORTEST_ABOUT:
        raise ReadError(f"{where} is damaged: the description of its values has {len(part)} bytes.")
    points = struct.unpack_from("<I", part, 4)[0]
    first, last = struct.unpack_from("<2f", part, 16)
    scans, background = struct.unpack_from("<I", part, 36)[0], struct.unpack_from("<I", part, 52)[0]
    laser, spacing = struct.unpack_from("<2f", part, 80)
    limit = 10**7  # of scans; beyond it stand bits and not counts
    return _About(
        points, part[8], part[12], first, last,
        scans if scans < limit else 0, background if background < limit else 0, laser, spacing,
    )  # fmt: skip


def _spectrum(values: FloatArray, about: _About, attrs: Mapping[str, Any], where: str) -> xr.Dataset:
    if values.size != about.points:
        raise ReadError(f"{where}: {about.points} points are announced, {values.size} are there.")
    notes = []
    quantity, units = _QUANTITIES.get(about.y_units, ("intensity", ""))
    if about.y_units not in _QUANTITIES:
        notes.append(f"the number {about.y_units} of its quantity is not known here; it is called intensity")
    if quantity == "interferogram":
        if about.x_units != _POINTS or not np.isfinite(about.step):
            raise ReadError(f"{where}: the file does not say how its interferogram was sampled.")
        return _interferogram(values, about, attrs, where)
    x = even_steps(about.first, about.last, about.points, where)
    axis = "raman_shift" if about.x_units == _RAMAN_SHIFT else "wavenumber"
    if about.x_units in (_NANOMETRE, _MICROMETRE):
        if not (x > 0).all():
            raise ReadError(f"{where} has wavelengths that are not positive; the file is damaged.")
        x = (1e7 if about.x_units == _NANOMETRE else 1e4) / x
        notes.append("wavelengths were turned into wavenumbers")
    elif about.x_units not in (_WAVENUMBER, _RAMAN_SHIFT):
        raise ReadError(
            f"{where}: its axis is no wavenumber (number {about.x_units}, from {about.first:g} to {about.last:g}); "
            "export the spectrum along wavenumbers."
        )
    return infrared_scan(where, x, values, quantity, units=units, axis=axis, attrs=attrs, notes=notes)


def _interferogram(
    values: FloatArray, about: _About, attrs: Mapping[str, Any], where: str, *, auxiliary: bool = False
) -> xr.Dataset:
    if not np.isfinite(values).any():
        raise ReadError(f"{where} holds no finite value.")
    x = (np.arange(values.size) - int(np.nanargmax(np.abs(values - np.nanmean(values))))) * about.step
    notes = [f"neighbouring points lie {about.step:.6g} cm of path difference apart, from the laser"]
    return infrared_scan(
        where, x, values, "interferogram", units="V", axis="path_difference", attrs=attrs, notes=notes,
        auxiliary=auxiliary,
    )  # fmt: skip


def _time(seconds: int) -> str | None:
    return (_EPOCH + datetime.timedelta(seconds=seconds)).isoformat() if seconds else None


def _resolution(history: str) -> float | None:
    """Resolution in 1/cm out of the history, which is written in the language of the operator."""
    found = re.search(r"R.solution\s*:\s*(\d+)[.,](\d+)", history)
    return float(f"{found.group(1)}.{found.group(2)}") if found else None
