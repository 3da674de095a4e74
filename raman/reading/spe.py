"""Princeton Instruments LightField files (``.spe``, version 3): a header, the frames, and an XML text at the end."""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from raman.reading.measured import COUNTS, Measured, as_float
from raman.reading.shift import Medium
from spectra.errors import ReadError
from spectra.reading.registry import Reader
from spectra.reading.source import Source

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["reader", "scans", "sniff"]

_DATA_AT = 4100
_PIXELS = {
    "MonochromeUnsigned16": "<u2", "MonochromeUnsigned32": "<u4", "MonochromeFloating32": "<f4",
}  # fmt: skip
#: More frames or rows than this were never measured.
_MOST = 10_000_000


def sniff(source: Source) -> float:
    """Sure of the version number of Princeton's header, and of a size that holds it."""
    if source.is_text or source.size <= _DATA_AT or len(source.head) < 1996:
        return 0.0
    (version,) = struct.unpack_from("<f", source.head, 1992)
    width, height = (struct.unpack_from("<H", source.head, at)[0] for at in (42, 656))
    return 0.9 if round(version, 3) in (3.0, 2.5, 2.2, 2.0, 1.6) and width and height else 0.0


def scans(source: Source, *, laser: float | None = None, medium: Medium = "vacuum") -> list[xr.Dataset]:
    """One dataset for each region of the detector; options as in :func:`raman.read`."""
    content = source.content
    if len(content) <= _DATA_AT:
        raise ReadError(f"{source.name} is no .spe file: it ends within its header.")
    (version,) = struct.unpack_from("<f", content, 1992)
    if version < 3:
        raise ReadError(
            f"{source.name} is a WinSpec or WinView file (.spe, version {version:.1f}), which is not read here: "
            "open it in LightField and save it again, or export it as text."
        )
    footer = _footer(content, source.name)
    frame = _first(footer, "DataBlock")
    if frame is None or frame.get("type") != "Frame":
        raise ReadError(f"{source.name} is damaged: its XML describes no frames.")
    mapping = _first(footer, "WavelengthMapping")
    text = next((e.text for e in footer.iter() if _tag(e) == "Wavelength"), None)
    if mapping is None or not text:
        raise ReadError(
            f"{source.name} has no wavelengths: its spectrometer was not calibrated, and pixels are no Raman shift."
        )
    x = _numbers(text, source.name)
    stated = mapping.get("laserLine")
    found = []
    regions = [e for e in frame if _tag(e) == "DataBlock" and e.get("type") == "Region"]
    at = 0
    for number, region in enumerate(regions):
        block = _Region.of(frame, region, at, source.name)
        at = block.at + block.size
        values = block.values(content, source.name)
        if block.width != x.size:
            raise ReadError(
                f"{source.name}: a region of {block.width} pixels and {x.size} wavelengths; choose the whole width."
            )
        dims, values = _dims(values)
        found.append(
            Measured(
                source.name,
                x,
                values,
                units="nm",
                laser=float(stated) if stated else None,
                told=laser,
                medium=medium,
                quantity_units=COUNTS,
                dims=dims,
                coords={d: ((d,), np.arange(n), "") for d, n in zip(dims, values.shape, strict=False)},
                attrs=_attributes(footer)
                | {"title": source.path.stem + (f" {number}" if len(regions) > 1 else "")},
            ).dataset()
        )
    if not found:
        raise ReadError(f"{source.name} holds no region of the detector.")
    return found


reader = Reader("spe", "Princeton Instruments LightField (.spe 3)", (".spe",), sniff, scans)


@dataclass(frozen=True)
class _Region:
    """Where the pixels of one region lie in each frame."""

    at: int  # in the frame
    size: int
    width: int
    height: int
    frames: int
    stride: int
    kind: str

    @classmethod
    def of(cls, frame: ElementTree.Element, region: ElementTree.Element, at: int, name: str) -> _Region:
        """The region as the XML describes it."""
        kind = _PIXELS.get(str(frame.get("pixelFormat")))
        try:
            size, width, height = (int(str(region.get(key))) for key in ("size", "width", "height"))
            count, stride = int(str(frame.get("count"))), int(str(frame.get("stride")))
        except ValueError:
            raise ReadError(f"{name} is damaged: the sizes in its XML are no numbers.") from None
        if kind is None or min(size, width, height, count, stride) <= 0 or count > _MOST:
            raise ReadError(
                f"{name}: {count} frames of {width} by {height} pixels ({frame.get('pixelFormat')}) are not read."
            )
        return cls(at, size, width, height, count, stride, kind)

    def values(self, content: bytes, name: str) -> npt.NDArray[np.float64]:
        """Values (frames, height, width)."""
        pixels = self.width * self.height
        each = np.dtype(self.kind).itemsize
        last = _DATA_AT + (self.frames - 1) * self.stride + self.at + pixels * each
        if last > len(content) or pixels * each > self.size:
            raise ReadError(
                f"{name} is cut short: its frames end at byte {last}, the file at {len(content)}."
            )
        starts = _DATA_AT + self.at + self.stride * np.arange(self.frames)
        frames = [np.frombuffer(content, self.kind, pixels, int(s)) for s in starts]
        return as_float(np.stack(frames)).reshape(self.frames, self.height, self.width)


def _dims(values: npt.NDArray[np.float64]) -> tuple[tuple[str, ...], npt.NDArray[np.float64]]:
    """Dimensions of frames and rows of the detector, those of length one left out."""
    dims = tuple(d for d, n in zip(("scan", "row"), values.shape, strict=False) if n > 1)
    return dims, values.reshape(*(n for n in values.shape[:-1] if n > 1), values.shape[-1])


def _footer(content: bytes, name: str) -> ElementTree.Element:
    (at,) = struct.unpack_from("<Q", content, 678)
    if not _DATA_AT < at < len(content):
        raise ReadError(f"{name} is cut short: its description should begin at byte {at} of {len(content)}.")
    try:
        return ElementTree.fromstring(content[at:])
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise ReadError(
            f"{name} is cut short or damaged: its description ends or breaks ({error})."
        ) from None


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _first(root: ElementTree.Element, tag: str) -> ElementTree.Element | None:
    return next((e for e in root.iter() if _tag(e) == tag), None)


def _numbers(text: str, name: str) -> npt.NDArray[np.float64]:
    try:
        return np.array(text.split(","), float)
    except ValueError:
        raise ReadError(f"{name} is damaged: its wavelengths hold something else than numbers.") from None


def _whole(element: ElementTree.Element | None) -> int | None:
    text = "" if element is None else (element.text or "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _attributes(footer: ElementTree.Element) -> dict[str, Any]:
    exposure, created = _first(footer, "ExposureTime"), _first(footer, "FileInformation")
    frames = _first(footer, "FramesToAverage") or _first(footer, "FramesToCombine")
    camera, grating = _first(footer, "Camera"), _first(footer, "Grating")
    selected = None if grating is None else next((e.text for e in grating if _tag(e) == "Selected"), None)
    return {
        "integration_time": float(exposure.text) / 1e3 if exposure is not None and exposure.text else None,
        "accumulations": _whole(frames),
        "start_time": None if created is None else (created.get("created") or "")[:19] or None,
        "detector": None if camera is None else camera.get("model"),
        "grating": selected,
    }
