"""Velox files (.emd) of Thermo Fisher: energy-loss spectra, lines and images, with what the microscope was set to.

The layout is that which two public programs agree on; it is not published by the maker. ``Data/EelsSpectrumImage/<id>``
holds ``Data``, energies in the middle of an image (x, energy, y) and last of a line, and two texts of JSON stored as bytes:
``Metadata`` (of the microscope) and ``AcquisitionMetadata`` (offset and dispersion in eV). Each range of energies of the
detector has an id of its own. Sizes of pixels stand with the X-ray image of the same scan, or with the spectra themselves.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset.stored import read_all
from spectra.errors import ReadError
from spectra.reading.hdf5 import holds
from spectra.reading.hdf5_file import opened
from spectra.reading.registry import Reader
from spectra.reading.source import Source
from xas.eels.reading.spectrum import LossSpectrum, counts_units, plain_metadata, positive

if TYPE_CHECKING:
    import h5py
    import xarray as xr

__all__ = ["reader", "scans", "sniff"]

#: Groups of a Velox file that hold spectra of X-rays, not of electrons.
_XRAYS = ("SpectrumStream", "SpectrumImage", "Spectrum")
#: Angles below this are radians: no microscope converges or collects over one radian, none over a hundredth of a mrad.
_RADIANS = 1.0
_LENGTHS = {"m": 1e9, "mm": 1e6, "um": 1e3, "µm": 1e3, "nm": 1.0}


def sniff(source: Source) -> float:
    """Sure of the names of its groups; files with X-ray spectra alone are claimed to be refused with a sentence."""
    if holds(source, b"EelsSpectrumImage"):
        return 0.96
    if source.path.suffix.lower() != ".emd":
        return 0.0
    return 0.95 if any(holds(source, name.encode()) for name in _XRAYS) else 0.0


def scans(source: Source) -> list[xr.Dataset]:
    """Every range of energies of every spectrum, line or image."""
    import h5py

    with opened(source) as file:
        group = file.get("Data/EelsSpectrumImage")
        if not isinstance(group, h5py.Group) or not len(group):
            raise ReadError(_why_none(file, source))
        frames = _frames(file)
        found = [_spectrum(group[name], name, source, file, frames) for name in group]
    return [spectrum.dataset() for spectrum in found]


reader = Reader("velox", "Velox: energy-loss spectra, lines and images", (".emd",), sniff, scans)


def _why_none(file: h5py.File, source: Source) -> str:
    held = sorted(file["Data"]) if "Data" in file else []
    if any(name in held for name in _XRAYS):
        return f"{source.name} is a Velox file of X-ray spectra or images ({', '.join(held)}) without energy losses."
    what = (
        f"its Data holds {', '.join(held)}" if held else "it has no group Data, as the .emd of other programs"
    )
    return f"{source.name} holds no energy-loss spectra of Velox (Data/EelsSpectrumImage): {what}."


def _spectrum(
    group: h5py.Group, name: str, source: Source, file: h5py.File, frames: int | None
) -> LossSpectrum:
    where = f"{source.name}: {name}"
    if "Data" not in group:
        raise ReadError(f"{where} holds no Data.")
    item = group["Data"]
    if item.ndim not in (1, 2, 3):
        raise ReadError(f"{where} has {item.ndim} dimensions; a spectrum has 1, a line 2 and an image 3.")
    energies = _json(group, "AcquisitionMetadata").get("Data", {})
    values = read_all(item)
    cube = values.transpose(2, 0, 1) if values.ndim == 3 else values  # (x, energy, y) to (y, x, energy)
    axis, notes = _energies(energies, cube.shape[-1], where)
    said = _json(group, "Metadata")
    dims = {1: (), 2: ("position",), 3: ("y", "x")}[cube.ndim]
    coords, more = _places(_binary_result(said, file), dims, cube.shape[:-1])
    settings, told = _settings(said)
    notes += [*more, *told, *_pedestal(frames)]
    detector = str(_at(said, "BinaryResult", "Detector") or "")
    return LossSpectrum(
        where, axis, cube, units=counts_units("", cube), dims=dims, coords=coords, settings=settings,
        attrs={
            "title": f"{source.path.stem} {detector}".strip(),
            "instrument": str(_at(said, "Instrument", "InstrumentModel") or ""),
            "frames": frames,
            "start_time": _start(said),
            "metadata": plain_metadata(_flat(said) | {f"Data.{k}": v for k, v in _flat(energies).items()}),
        },
        notes=notes,
    )  # fmt: skip


def _json(group: h5py.Group, name: str) -> dict[str, Any]:
    """A text stored as bytes, one column for each frame, of which the first counts."""
    if name not in group:
        return {}
    stored = read_all(group[name])
    first = stored[:, 0] if stored.ndim == 2 else stored.ravel()
    text = (
        bytes(first.astype(np.uint8)) if first.dtype.kind in "iu" else b"".join(np.atleast_1d(first).tolist())
    )
    try:
        found = json.loads(text.rstrip(b"\0").decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _at(tree: Mapping[str, Any], *path: str) -> Any:
    found: Any = tree
    for name in path:
        if not isinstance(found, Mapping) or name not in found:
            return None
        found = found[name]
    return found


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _energies(said: Mapping[str, Any], size: int, where: str) -> tuple[npt.NDArray[np.float64], list[str]]:
    step, offset = positive(said.get("dispersion")), _number(said.get("offset"))
    if size < 2:
        raise ReadError(f"{where}: {size} point; a spectrum needs at least 2.")
    if step is None or offset is None:
        return np.arange(size, dtype=np.float64), [
            "the energy is not calibrated: channels were counted as eV"
        ]
    return offset + step * np.arange(size, dtype=np.float64), []


def _binary_result(said: Mapping[str, Any], file: h5py.File) -> Mapping[str, Any]:
    """Sizes of pixels: of the spectra, else of the X-ray image of the same scan."""
    own = _at(said, "BinaryResult")
    if isinstance(own, Mapping) and "PixelSize" in own:
        return own
    beside = file.get("Data/SpectrumImage")
    for name in beside if beside is not None else ():
        found = _at(_json(beside[name], "Metadata"), "BinaryResult")
        if isinstance(found, Mapping):
            return found
    return {}


def _places(
    said: Mapping[str, Any], dims: tuple[str, ...], shape: tuple[int, ...]
) -> tuple[dict[str, Any], list[str]]:
    """Coordinates in nm; numbers of pixels where their size is not known."""
    keys = {
        "y": ("height", "y", "PixelUnitY"),
        "x": ("width", "x", "PixelUnitX"),
        "position": ("width", "x", "PixelUnitX"),
    }
    coords: dict[str, Any] = {}
    for dim, size in zip(dims, shape, strict=True):
        length, start, unit = keys[dim]
        step = positive(_at(said, "PixelSize", length))
        scale = _LENGTHS.get(str(said.get(unit, "")))
        if step is None or scale is None:
            return {}, ["the size of the pixels is not known: they are counted"]
        first = _number(_at(said, "Offset", start)) or 0.0
        coords[dim] = ((first + step * np.arange(size)) * scale, "nm")
    return coords, []


def _settings(said: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    voltage = positive(_at(said, "Optics", "AccelerationVoltage"))
    end = positive(_at(said, "CustomProperties", "EnergyFilter.CollectionAngleRange.End", "value"))
    converging = positive(_at(said, "Optics", "BeamConvergence"))
    notes = []
    if any(a is not None and a < _RADIANS for a in (end, converging)):
        notes.append("angles below 1 were taken to be in rad")
    angles = [None if a is None else 1000 * a if a < _RADIANS else a for a in (end, converging)]
    settings = {
        "beam_energy": voltage / 1000 if voltage else None,
        "collection_angle": angles[0],
        "convergence_angle": angles[1],
        "dwell_time": positive(_at(said, "Scan", "DwellTime")),
    }
    return settings, notes


def _frames(file: h5py.File) -> int | None:
    """How often the scan was repeated: the images beside hold every frame."""
    import h5py

    images = file.get("Data/Image")
    if not isinstance(images, h5py.Group):
        return None
    found = [
        images[n]["Data"].shape[-1] for n in images if "Data" in images[n] and images[n]["Data"].ndim == 3
    ]
    return max(found, default=None)


def _pedestal(frames: int | None) -> list[str]:
    if not frames:
        return []
    return [
        f"the scan has {frames} frames; one program takes 100 counts for each off such data as the pedestal of the detector: "
        "nothing was taken off here, look at the spectrum where no electrons are"
    ]


def _start(said: Mapping[str, Any]) -> str | None:
    seconds = positive(_at(said, "Acquisition", "AcquisitionStartDatetime", "DateTime"))
    if seconds is None:
        return None
    try:
        moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    except (OverflowError, ValueError, OSError):
        return None
    return moment.isoformat(timespec="seconds")


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{name}.")
        elif isinstance(value, int | float | str) and value != "":
            found[f"{prefix}{name}"] = value
    return found
