"""DigitalMicrograph (.dm3, .dm4) of Gatan: spectra, line scans and spectrum images with what the microscope was set to."""

from __future__ import annotations

import datetime
import json
import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.errors import ReadError
from spectra.reading.registry import Reader
from spectra.reading.source import Source
from spectra.reading.times import parse_time
from xas.eels.reading.digital_micrograph_tags import Array, Tags, parse_tags
from xas.eels.reading.spectrum import LossSpectrum, counts_units, positive

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["reader", "scans", "sniff"]

#: Kinds of pixels by their number in the file.
_PIXELS = {1: "i2", 2: "f4", 6: "u1", 7: "i4", 9: "i1", 10: "u2", 11: "u4", 12: "f8"}
_ENERGY = {"ev": 1.0, "kev": 1e3, "mev": 1e-3}
_EELS = "ImageTags.EELS.Acquisition."
_CONDITIONS = "ImageTags.EELS.Experimental Conditions."
_MICROSCOPE = "ImageTags.Microscope Info."
#: Attributes of the dataset that are texts in the tags.
_TEXTS = {
    "sample": "ImageTags.Session Info.Specimen",
    "instrument": "ImageTags.Session Info.Microscope",
    "spectrometer": "ImageTags.EELS Spectrometer.Instrument name",
    "aperture": "ImageTags.EELS Spectrometer.Aperture label",
}


def sniff(source: Source) -> float:
    """Certain of the version, the order of bytes and the first group in their places."""
    if len(source.head) < 24:
        return 0.0
    (version,) = struct.unpack_from(">I", source.head)
    if version not in (3, 4):
        return 0.0
    order, first = struct.unpack_from(">IB", source.head, 8 if version == 3 else 12)
    return 0.98 if order in (0, 1) and first in (0, 1) else 0.0


def scans(source: Source) -> list[xr.Dataset]:
    """Every image of the file with an axis of energy; pictures, the thumbnail among them, are left out."""
    tree = parse_tags(source.content, source.name)
    images = tree.get("ImageList")
    if not isinstance(images, dict) or not images:
        raise ReadError(f"{source.name} is a DigitalMicrograph file without images.")
    found = [
        spectrum
        for image in images.values()
        if isinstance(image, dict) and (spectrum := _spectrum(image, source)) is not None
    ]
    if not found:
        raise ReadError(
            f"{source.name} holds {len(images)} pictures and no spectrum: none has an axis in eV or says that it is EELS."
        )
    return [spectrum.dataset() for spectrum in found]


reader = Reader("digital-micrograph", "DigitalMicrograph: energy-loss spectra, line scans and images", (".dm3", ".dm4"), sniff, scans)  # fmt: skip


def _tag(tree: Tags, path: str) -> Any:
    """What stands at a path of names joined by full stops; None where there is nothing."""
    found: Any = tree
    for name in path.split("."):
        if not isinstance(found, dict) or name not in found:
            return None
        found = found[name]
    return found


def _spectrum(image: Tags, source: Source) -> LossSpectrum | None:
    """The image as spectrum, if it is one."""
    data = _tag(image, "ImageData.Data")
    pixel = _PIXELS.get(_tag(image, "ImageData.DataType"))
    sizes = [v for v in (_tag(image, "ImageData.Dimensions") or {}).values() if isinstance(v, int)]
    if not isinstance(data, Array) or pixel is None or not sizes:
        return None
    name = str(_tag(image, "Name") or source.path.stem)
    where = f"{source.name}: {name}"
    calibrations = [_calibration(image, i) for i in range(len(sizes))]
    axis, notes = _energy_axis(image, calibrations, sizes, where)
    if axis is None:
        return None
    values = data.values(data.kind[0] + pixel)
    if values.size < int(np.prod(sizes)):
        raise ReadError(f"{where} should hold {sizes} values and holds {values.size}.")
    # the first dimension of the file runs fastest
    cube = np.moveaxis(values[: int(np.prod(sizes))].reshape(sizes[::-1]), len(sizes) - 1 - axis, -1)
    energy = _axis_values(calibrations[axis], sizes[axis], image, notes)
    others = [i for i in range(len(sizes)) if i != axis]
    dims, coords, cube = _places(others, calibrations, sizes, cube)
    units = str(_tag(image, "ImageData.Calibrations.Brightness.Units") or "")
    gain = positive(_tag(image, "ImageData.Calibrations.Brightness.Scale"))
    attrs, settings = _attributes(image, name)
    if units == "e-" and gain is not None and gain != 1.0:
        attrs["electrons_per_count"] = gain
        notes.append(
            f"values are counts of the detector; DigitalMicrograph takes {gain:.4g} electrons for each"
        )
        units = "detector counts"  # whose noise is not their square root
    return LossSpectrum(
        where, energy, cube, units=_counted(units, cube),
        dims=dims, coords=coords, settings=settings, attrs=attrs, notes=notes,
    )  # fmt: skip


def _counted(units: str, cube: npt.NDArray[Any]) -> str:
    if units == "detector counts":
        return units
    return "counts" if units in ("e-", "Counts") else counts_units(units, cube)


def _calibration(image: Tags, number: int) -> tuple[float, float, str]:
    """Origin (in channels), scale and units of a dimension."""
    path = f"ImageData.Calibrations.Dimension.{number}"
    origin, scale = _tag(image, f"{path}.Origin"), _tag(image, f"{path}.Scale")
    units = _tag(image, f"{path}.Units")
    return (
        float(origin) if isinstance(origin, int | float) else 0.0,
        float(scale) if isinstance(scale, int | float) else 1.0,
        units if isinstance(units, str) else "",
    )


def _energy_axis(
    image: Tags, calibrations: list[tuple[float, float, str]], sizes: list[int], where: str
) -> tuple[int | None, list[str]]:
    """Number of the dimension that is an energy, and what had to be assumed."""
    energies = [i for i, (_, _, units) in enumerate(calibrations) if units.strip().lower() in _ENERGY]
    signal, form = _tag(image, "ImageTags.Meta Data.Signal"), _tag(image, "ImageTags.Meta Data.Format")
    if isinstance(signal, str) and signal and signal != "EELS" and energies:
        return None, []  # X-ray emission and others along energies
    if energies:
        return energies[-1], []
    if signal != "EELS" or (isinstance(form, str) and not form.lower().startswith("spectrum")):
        return None, []
    longest = int(np.argmax(sizes)) if len(sizes) != 3 else 2
    return longest, [f"no dimension has units of energy: dimension {longest + 1} was taken as energy loss"]


def _axis_values(
    calibration: tuple[float, float, str], size: int, image: Tags, notes: list[str]
) -> npt.NDArray[np.float64]:
    """Energies: the origin is the channel at which the energy is zero."""
    origin, scale, units = calibration
    if notes or not scale:
        dispersion = positive(_tag(image, "ImageTags.EELS Spectrometer.Dispersion (eV/ch)"))
        if dispersion is not None:
            notes.append(
                f"the dispersion {dispersion:g} eV is that of the spectrometer; the zero is not calibrated"
            )
        else:
            notes.append("the energy is not calibrated: channels were counted as eV")
        scale, units = dispersion or 1.0, "eV"
    return (np.arange(size, dtype=np.float64) - origin) * scale * _ENERGY.get(units.strip().lower(), 1.0)


def _places(
    others: list[int], calibrations: list[tuple[float, float, str]], sizes: list[int], cube: npt.NDArray[Any]
) -> tuple[list[str], dict[str, Any], npt.NDArray[Any]]:
    """Names and coordinates of the dimensions beside the energy: ``y`` and ``x`` of an image, ``position`` of a line."""
    kept = [i for i in others if sizes[i] > 1 or len(others) == 2]
    if len(kept) < len(others):
        cube = cube.reshape([sizes[i] for i in kept[::-1]] + [cube.shape[-1]])
    names = ["position"] if len(kept) == 1 else ["x", "y", "z", "w"][: len(kept)]
    coords = {
        name: ((np.arange(sizes[i]) - calibrations[i][0]) * calibrations[i][1], _length(calibrations[i][2]))
        for name, i in zip(names, kept, strict=True)
    }
    return names[::-1], coords, cube


def _length(units: str) -> str:
    return units.strip().replace("µ", "u").replace("μ", "u")


def _attributes(image: Tags, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is kept of the tags, and the settings that the analysis needs."""
    attrs: dict[str, Any] = {key: _tag(image, path) for key, path in _TEXTS.items()}
    frames = _tag(image, _EELS + "Number of frames")
    voltage = positive(_tag(image, _MICROSCOPE + "Voltage"))
    kept = {
        key: value
        for part in ("EELS", "EELS Spectrometer", "Microscope Info", "Meta Data")
        for key, value in _flat(_tag(image, f"ImageTags.{part}") or {}, part).items()
    }
    attrs |= {
        "title": name,
        "frames": frames if isinstance(frames, int) and frames > 0 else None,
        "start_time": _start(image),
        "probe_current": positive(_tag(image, _MICROSCOPE + "Probe Current (nA)")),
        "metadata": json.dumps(kept) if kept else "",
    }
    settings = {
        "beam_energy": voltage / 1000 if voltage else None,
        "convergence_angle": _tag(image, _CONDITIONS + "Convergence semi-angle (mrad)"),
        "collection_angle": _tag(image, _CONDITIONS + "Collection semi-angle (mrad)"),
        "dwell_time": _tag(image, _EELS + "Exposure (s)"),
    }
    return attrs, settings


def _flat(tree: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}.{name}")
        elif isinstance(value, int | float | str) and value != "":
            found[f"{prefix}.{name}"] = value
    return found


def _start(image: Tags) -> str | None:
    """Begin of the acquisition, where its date can be read without a guess."""
    for part in (_EELS, "ImageTags.SI.Acquisition."):
        date, time = _tag(image, part + "Date"), _tag(image, part + "Start time")
        if isinstance(date, str) and isinstance(time, str):
            return parse_time(f"{date} {_clock(time)}")
    return None


def _clock(time: str) -> str:
    """A time with AM or PM as one of 24 hours."""
    try:
        return datetime.datetime.strptime(time.strip(), "%I:%M:%S %p").strftime("%H:%M:%S")  # noqa: DTZ007  a time alone
    except ValueError:
        return time
