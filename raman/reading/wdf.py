"""Renishaw WiRE files (``.wdf``): spectra, maps, lines, depth and time series, interrupted ones too.

A file is a chain of blocks, each with a name of four letters and its length. DATA holds all spectra, XLST their axis,
ORGN where and when each was taken, WMAP how a map was planned, and PSET sets inside of WXDM, WXIS and WXCS what the
instrument was set to.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from raman.reading.measured import COUNTS, Measured, as_float
from raman.reading.positions import Layout, lay_out
from raman.reading.shift import AxisUnits, Medium
from raman.reading.wdf_properties import file_time, properties, property_sets
from spectra.errors import ReadError
from spectra.reading.registry import Reader
from spectra.reading.source import Source

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["reader", "scans", "sniff"]

_HEADER = 512
_AXES: dict[int, AxisUnits] = {0: "shift", 1: "shift", 2: "absolute", 3: "nm", 4: "eV"}
_KINDS = {0: "unspecified", 1: "single", 2: "series", 3: "map"}
#: What is stored of each spectrum, by the number of its kind in ORGN.
_X, _Y, _Z, _TIME = 3, 4, 5, 11
#: Units of positions, by their number, in µm.
_MICRONS = {5: 1.0, 8: 1e3, 9: 1e6, 3: 1e-3}
_FILE_TIME = 24
#: Blocks that are known, with what is in those that are left out.
_KNOWN = {
    "WDF1": "", "DATA": "", "YLST": "", "XLST": "", "ORGN": "", "WMAP": "", "TEXT": "", "WXDA": "", "WXDM": "",
    "WXIS": "", "WXCS": "", "ZLDC": "", "WHTL": "a white-light image", "BKXL": "", "WARP": "",
}  # fmt: skip


def sniff(source: Source) -> float:
    """Certain by the name of the first block."""
    return 1.0 if source.head.startswith(b"WDF1") else 0.0


def scans(source: Source, *, laser: float | None = None, medium: Medium = "vacuum") -> list[xr.Dataset]:
    """The one measurement of a file; ``laser`` and ``medium`` as in :func:`raman.read`."""
    file = _File(source.content, source.name)
    notes = list(file.notes)
    x, units = file.axis(notes)
    values = file.values()
    layout = file.layout(notes)
    return [
        Measured(
            source.name,
            x,
            layout.place(values) if layout.dims else values[0],
            units=units,
            laser=1e7 / file.laser if file.laser > 0 else None,
            told=laser,
            medium=medium,
            quantity_units=COUNTS if file.units == 6 else "",
            dims=layout.dims,
            coords=layout.coords,
            attrs=file.attributes(),
            notes=notes,
        ).dataset()
    ]


reader = Reader("wdf", "Renishaw WiRE: spectra, maps, lines, depth and time series", (".wdf",), sniff, scans)


@dataclass
class _File:
    """Header and blocks of a file, nothing of it read before its length is known to be there."""

    content: bytes
    name: str
    blocks: dict[str, memoryview] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if len(self.content) < _HEADER:
            raise ReadError(f"{self.name} is cut short: {len(self.content)} bytes, and its header has 512.")
        head = self.content
        self.points, self.capacity, self.count = struct.unpack_from("<IQQ", head, 60)
        self.accumulations, self.rows, self.columns, self.origins = struct.unpack_from("<IIII", head, 80)
        self.kind: int = struct.unpack_from("<I", head, 132)[0]
        self.start: int = struct.unpack_from("<Q", head, 136)[0]
        self.units: int = struct.unpack_from("<I", head, 152)[0]
        self.laser: float = struct.unpack_from("<f", head, 156)[0]
        self._find_blocks()

    def _find_blocks(self) -> None:
        at, content = 0, memoryview(self.content)
        while at + 16 <= len(self.content):
            name = self.content[at : at + 4].decode("latin-1")
            (size,) = struct.unpack_from("<Q", self.content, at + 8)
            if size < 16 or size > len(self.content) - at:
                self.notes.append(f"the file is cut short or damaged in its block {name!r}")
                break
            self.blocks.setdefault(name, content[at : at + size])
            at += size
        unknown = sorted(set(self.blocks) - set(_KNOWN))
        if unknown:
            self.notes.append(f"blocks that are not known were left out: {', '.join(map(repr, unknown))}")

    def block(self, name: str, size: int) -> memoryview:
        """A block that has to be there, at least ``size`` bytes long."""
        found = self.blocks.get(name)
        if found is None:
            raise ReadError(f"{self.name} is cut short or damaged: it has no block {name}.")
        if len(found) < size:
            raise ReadError(
                f"{self.name} is damaged: its block {name} has {len(found)} bytes, and {size} were announced."
            )
        return found

    def axis(self, notes: list[str]) -> tuple[npt.NDArray[np.float64], AxisUnits]:
        """Spectral axis as it stands in the file, and what it is."""
        if self.points < 2 or self.columns != self.points:
            raise ReadError(
                f"{self.name}: {self.points} points on an axis of {self.columns}; spectra of two or more are read."
            )
        block = self.block("XLST", 24 + 4 * self.columns)
        (number,) = struct.unpack_from("<I", block, 20)
        if number not in _AXES:
            raise ReadError(f"{self.name}: its axis has units of number {number}, which are no Raman shift.")
        if number == 0:
            notes.append("the file does not say what its axis is; it was taken as the Raman shift")
        return as_float(np.frombuffer(block, "<f4", self.columns, 24)), _AXES[number]

    def values(self) -> npt.NDArray[np.float64]:
        """All spectra that were measured (count, points)."""
        if not 0 < self.count <= self.capacity:
            raise ReadError(
                f"{self.name} holds {self.count} of {self.capacity} spectra: nothing was measured."
            )
        block = self.block("DATA", 16 + 4 * self.points * self.count)
        flat = np.frombuffer(block, "<f4", self.points * self.count, 16)
        return as_float(flat).reshape(self.count, self.points)

    def origin(self, kind: int) -> npt.NDArray[np.float64] | None:
        """What ORGN holds of each spectrum: positions in µm, times in s since the first; None where it does not."""
        block = self.blocks.get("ORGN")
        size = 24 + 8 * self.capacity
        if block is None or len(block) < 20 + size:
            return None
        for number in range(min(self.origins, (len(block) - 20) // size)):
            at = 20 + number * size
            found, units = struct.unpack_from("<II", block, at)
            if found & 0x7FFFFFFF != kind:
                continue
            if kind == _TIME and units == _FILE_TIME:
                ticks = np.frombuffer(block, "<u8", self.count, at + 24)
                self.start = int(ticks.min())
                return np.asarray((ticks - ticks.min()).astype(float) * 1e-7)
            return np.frombuffer(block, "<f8", self.count, at + 24) * _MICRONS.get(units, 1.0)
        return None

    def layout(self, notes: list[str]) -> Layout:
        """How the spectra lie on the sample and in time."""
        if self.count == 1 and self.capacity == 1:
            return Layout((), (), ())
        x, y, z = (self.origin(kind) for kind in (_X, _Y, _Z))
        time = self.origin(_TIME)
        if x is None or y is None:
            x = y = np.zeros(self.count)
        layout = lay_out(x, y, z=z, planned=self._planned())
        if layout.dims == ("scan",):
            layout = self._series(layout, z, time, notes)
        elif time is not None:
            layout.coords["time"] = (layout.dims, layout.place(time), "s")
        if self.count < self.capacity:
            notes.append(
                f"the measurement was interrupted: {self.count} of {self.capacity} spectra"
                + ("; the others are NaN" if layout.missing.any() else "")
            )
        return layout

    def _series(
        self,
        layout: Layout,
        z: npt.NDArray[np.float64] | None,
        time: npt.NDArray[np.float64] | None,
        notes: list[str],
    ) -> Layout:
        """Spectra of one place: a series in time where the file says when each was taken."""
        if "x" in layout.coords and not np.ptp(layout.coords["x"][1]):
            for name in "xy":
                layout.coords.pop(name)
        if z is not None and not np.ptp(z):
            notes.append(f"a depth series that did not move: z is {z[0]:g} um in all spectra")
        if time is None or (np.diff(time) <= 0).any():
            return layout
        renamed = {
            name: (("time",), values, units)
            for name, (_, values, units) in layout.coords.items()
            if name != "scan"
        }
        return Layout(("time",), layout.shape, layout.index, {"time": (("time",), time, "s"), **renamed})

    def _planned(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None:
        """Columns and rows of a map, as WMAP planned them; None where there is none, or it is not one in x and y."""
        block = self.blocks.get("WMAP")
        if block is None or len(block) < 64:
            return None
        flags, _, x0, y0, _, dx, dy, _, nx, ny, nz, _ = struct.unpack_from("<II3f3f4I", block, 16)
        if flags & 0x81 or nz > 1 or nx * ny != self.capacity or not (dx and dy) or nx < 2 or ny < 2:
            return None  # points at random, or along a line
        return np.sort(x0 + dx * np.arange(nx)), np.sort(y0 + dy * np.arange(ny))

    def _bytes(self, name: str) -> bytes:
        return bytes(self.blocks.get(name, b""))

    def attributes(self) -> dict[str, Any]:
        """How the spectra were measured, as far as the file says it."""
        instrument = properties(self._bytes("WXIS"))
        camera = properties(self._bytes("WXCS"))
        measurement = [s for s in property_sets(self._bytes("WXDM")) if "Exposure Time" in s]
        exposures = {s["Exposure Time"] for s in measurement if not s.get("monitoring")}
        comment = self._bytes("TEXT")[16:].split(b"\0")[0].decode("utf-8", "replace")
        title = self.content[240:400].split(b"\0")[0].decode("utf-8", "replace").strip()
        user = self.content[208:240].split(b"\0")[0].decode("utf-8", "replace")
        power = str(instrument.get("ND Transmission %", ""))
        return {
            "title": title,
            "comment": comment.strip(),
            "operator": user,
            "start_time": file_time(self.start),
            "accumulations": self.accumulations or None,
            "integration_time": exposures.pop() / 1e3 if len(exposures) == 1 else None,
            "laser_power_percent": float(power) if power.replace(".", "", 1).isdigit() else None,
            "grating": instrument.get("Grating"),
            "detector": camera.get("CCD"),
            "measurement": _KINDS.get(self.kind, str(self.kind)),
            "blocks": " ".join(self.blocks),
            "metadata": json.dumps({**camera, **instrument}, default=str) if camera or instrument else "",
        }
