"""TIA (.ser) of FEI: series of spectra, whose units and microscope lie in the .emi beside, which is not needed here."""

from __future__ import annotations

import datetime
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.errors import ReadError
from spectra.reading.registry import Reader
from spectra.reading.source import Source
from xas.eels.reading.spectrum import LossSpectrum, counts_units

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["reader", "scans", "sniff"]

_MAGIC = b"II\x97\x01"
#: Version from which on places in the file have 64 bits.
_LONG = 0x0220
_SPECTRA, _IMAGES = 0x4120, 0x4122
_TAG_TIME, _TAG_PLACE = 0x4152, 0x4142
_KINDS = {1: "u1", 2: "<u2", 3: "<u4", 4: "i1", 5: "<i2", 6: "<i4", 7: "<f4", 8: "<f8"}
#: Steps of an axis in eV; those of images are lengths in m.
_STEPS = (1e-4, 1e3)


def sniff(source: Source) -> float:
    """Certain of the first bytes."""
    return 0.98 if source.head.startswith(_MAGIC) and len(source.head) >= 30 else 0.0


def scans(source: Source) -> list[xr.Dataset]:
    """The spectra of the file as one dataset, in the order of the scan where it is complete."""
    try:
        return [_series(source).dataset()]
    except (struct.error, KeyError, ValueError, OverflowError) as error:
        if isinstance(error, ReadError):
            raise
        raise ReadError(f"{source.name} is a damaged or truncated TIA file (.ser).") from None


reader = Reader("tia", "TIA series of spectra (.ser)", (".ser",), sniff, scans)


@dataclass(frozen=True)
class _Dimension:
    size: int
    offset: float
    step: float
    description: str
    units: str

    def values(self) -> npt.NDArray[np.float64]:
        return self.offset + self.step * np.arange(self.size, dtype=np.float64)


def _series(source: Source) -> LossSpectrum:
    content = source.content
    version, kind, tag_kind, total, valid = struct.unpack_from("<HIIII", content, 4)
    place = "<Q" if version >= _LONG else "<I"
    (table,) = struct.unpack_from(place, content, 22)
    at = 22 + struct.calcsize(place)
    (number,) = struct.unpack_from("<I", content, at)
    if kind == _IMAGES:
        raise ReadError(f"{source.name} is a TIA file of images, not of spectra.")
    if kind != _SPECTRA:
        raise ReadError(f"{source.name} is a TIA file of kind {kind:#x}, which is not known here.")
    if not 0 < valid <= total <= len(content) or number > 8:
        raise struct.error
    dimensions, at = _dimensions(content, at + 4, number)
    places = np.frombuffer(content, place, 2 * total, table)
    elements = [_element(content, int(p)) for p in places[:valid]]
    offset, step, _ = elements[0]
    same = all(e[:2] == (offset, step) and e[2].size == elements[0][2].size for e in elements)
    if not same:
        raise ReadError(f"{source.name} holds spectra with different axes, which make no dataset.")
    if not _STEPS[0] <= abs(step) <= _STEPS[1]:
        raise ReadError(f"{source.name} has an axis in steps of {step:g}, which are no energies in eV.")
    counts = np.stack([e[2] for e in elements])
    dims, coords, counts = _places(dimensions, counts, valid)
    notes = ["the file states no units, which lie in the .emi beside it: its axis was taken as energy loss in eV, beam energy and angles are not known"]  # fmt: skip
    if valid < total:
        notes.append(f"{valid} of the {total} spectra that were planned are in the file")
    tags = places[total : total + valid]
    return LossSpectrum(
        source.name, offset + step * np.arange(counts.shape[-1], dtype=np.float64), counts, units=counts_units("", counts), dims=dims, coords=coords,
        attrs={"title": source.path.stem, "start_time": _time(content, int(tags[0]), tag_kind)}, notes=notes,
    )  # fmt: skip


def _dimensions(content: bytes, at: int, number: int) -> tuple[list[_Dimension], int]:
    found = []
    for _ in range(number):
        size, offset, step, _, length = struct.unpack_from("<IddII", content, at)
        description = content[at + 28 : at + 28 + length].decode("latin-1")
        at += 28 + length
        (length,) = struct.unpack_from("<I", content, at)
        units = content[at + 4 : at + 4 + length].decode("latin-1")
        at += 4 + length
        found.append(_Dimension(size, offset, step, description, units))
    return found, at


def _element(content: bytes, at: int) -> tuple[float, float, npt.NDArray[Any]]:
    """First energy, step and counts of one spectrum."""
    offset, step, channel, kind, length = struct.unpack_from("<ddIHI", content, at)
    return offset - step * channel, step, np.frombuffer(content, _KINDS[kind], length, at + 26)


def _places(
    dimensions: list[_Dimension], counts: npt.NDArray[Any], valid: int
) -> tuple[list[str], dict[str, Any], npt.NDArray[Any]]:
    """Dimensions of the series: those of the scan where all of it was measured, else a running number."""
    if valid == 1:
        return [], {}, counts[0]
    kept = [d for d in dimensions if d.size > 1]
    if int(np.prod([d.size for d in kept])) != valid or len(kept) > 3:
        return ["scan"], {"scan": np.arange(valid)}, counts
    names = ["position" if kept[0].units else "scan"] if len(kept) == 1 else ["x", "y", "z"][: len(kept)]
    coords = {name: (d.values(), d.units) for name, d in zip(names, kept, strict=True)}
    return names[::-1], coords, counts.reshape([d.size for d in kept[::-1]] + [counts.shape[-1]])


def _time(content: bytes, at: int, kind: int) -> str | None:
    """Wall-clock time of a spectrum, in UTC."""
    if kind not in (_TAG_TIME, _TAG_PLACE) or not 0 < at <= len(content) - 8:
        return None
    (seconds,) = struct.unpack_from("<I", content, at + 4)
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat() if seconds else None
