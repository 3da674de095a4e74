"""Exposures of the SAXES spectrometer at ADRESS, SLS (HDF5): photons counted by sub-pixel channels, one CCD per file."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset.construct import from_arrays
from spectra.dataset.stored import read_all
from spectra.errors import InvalidInput
from spectra.reading.hdf5 import holds
from spectra.reading.hdf5_file import opened
from spectra.reading.registry import Reader
from spectra.reading.scan import add_note
from spectra.reading.source import Source
from xas.rixs.photons import histogram_of_photons

if TYPE_CHECKING:
    import h5py
    import xarray as xr

__all__ = ["reader", "scans", "sniff"]

_SETTINGS = "entry/instrument/NDAttributes"
#: Settings that are kept as attributes: their means over the frames, and the names they get.
_KEPT = {
    "PhotonEnergy": "incident_energy",
    "AcquireTime": "dwell_time",
    "SampleTemp": "sample_temperature",
    "SampleTheta": "sample_theta",
    "BeamCurrent": "ring_current",
    "RMUCurrent": "mirror_current",
    "ExitSlit": "exit_slit",
}
#: Photons that may be counted otherwise by the instrument's program, at the ends of channels.
_ROUNDING = 3
#: A frame is named that holds so many times the root of the usual number of photons more than that.
_BURST = 6.0


def sniff(source: Source) -> float:
    """Sure of the names of the groups."""
    return 0.95 if holds(source, b"NDAttributes", b"events", b"spectrum", b"PhotonEnergy") else 0.0


def scans(
    source: Source, *, curvature: tuple[float, ...] | None = None, parts: int | None = None
) -> list[xr.Dataset]:
    """The one exposure of a file; ``curvature`` and ``parts`` as in :func:`xas.rixs.read`."""
    with opened(source) as file:
        return [_exposure(file, source, curvature, parts)]


reader = Reader("adress", "RIXS exposures of SLS ADRESS (HDF5): photons by channel of a CCD", (".h5",), sniff, scans)  # fmt: skip


def _exposure(
    file: h5py.File, source: Source, curvature: tuple[float, ...] | None, parts: int | None
) -> xr.Dataset:
    settings = {
        name: np.atleast_1d(read_all(item))
        for name, item in file[_SETTINGS].items()
        if item.dtype.kind in "iuf" and item.size
    }
    counts = np.round(read_all(file["entry/analysis/spectrum"])).astype(np.int64)
    photons = read_all(file["entry/analysis/events"]).astype(float)
    rows = int(file["entry/analysis/bad"].shape[0])
    subpixels = max(1, round(counts.size / rows))
    said = _curvature(settings)

    def counted(some: npt.NDArray[Any], bend: tuple[float, ...]) -> npt.NDArray[np.int64]:
        return histogram_of_photons(some, rows=rows, curvature=bend, subpixels=subpixels)

    notes: list[str] = []
    if curvature is not None:
        counts = counted(photons, curvature)
        notes.append(f"photons were counted again with the curvature {', '.join(f'{a:g}' for a in curvature)} instead of {', '.join(f'{a:g}' for a in said)}")  # fmt: skip
    else:
        own = counted(photons, said)
        if own.size != counts.size or np.abs(own - counts).sum() > _ROUNDING:
            notes.append(
                "the spectrum in the file is not what its photons give with its curvature: it was made otherwise"
            )
    if len(photons) > counts.sum():
        notes.append(f"{len(photons) - int(counts.sum())} of {len(photons)} photons lie beyond the channels")
    notes += _doubts(settings)
    notes.append(
        "the axis is the channel of the detector: the file holds no energy scale (xas.rixs.reduce makes one)"
    )
    attrs = _attributes(settings, source) | {"photons": int(counts.sum()), "subpixels": subpixels}
    dims: tuple[str, ...] = ()
    coords: dict[str, Any] = {}
    if parts is not None:
        ends = _frame_ends(settings, len(photons))
        bounds, coords = _in_parts(settings, ends, parts)
        bend = said if curvature is None else curvature
        counts = np.array([counted(photons[a:b], bend) for a, b in bounds])
        dims = ("part",)
        attrs = {k: v for k, v in attrs.items() if k not in coords}
    scan = from_arrays(
        np.arange(counts.shape[-1], dtype=np.float64),
        counts,
        axis="detector_channel",
        name="counts",
        units="counts",
        dims=dims,
        coords=coords,
        attrs=attrs,
    )
    return add_note(scan, *notes)


def _frame_ends(settings: dict[str, npt.NDArray[Any]], photons: int) -> npt.NDArray[np.int64]:
    """Number of photons up to the end of each frame; they are stored in the order of the frames."""
    ends = np.asarray(settings.get("EventCount", []), np.int64)
    if not ends.size or ends[-1] != photons or (np.diff(ends) < 0).any():
        raise InvalidInput(
            f"parts: the file does not say which of its {photons} photons belong to which frame; read it whole."
        )
    return ends


def _in_parts(
    settings: dict[str, npt.NDArray[Any]], ends: npt.NDArray[np.int64], parts: int
) -> tuple[list[tuple[int, int]], dict[str, Any]]:
    """First and last photon of each part, and what differs from part to part."""
    if not 1 <= parts <= ends.size:
        raise InvalidInput(f"parts must be 1 to {ends.size}, the number of frames; got {parts}.")
    frames = np.array_split(np.arange(ends.size), parts)
    starts = np.append(0, ends[:-1])
    bounds = [(int(starts[f[0]]), int(ends[f[-1]])) for f in frames]

    def along(values: list[Any], units: str = "") -> tuple[str, npt.NDArray[Any], dict[str, str]]:
        return ("part", np.asarray(values), {"units": units})

    coords = {
        "part": along([float(k) for k in range(parts)]),
        "frames": along([f.size for f in frames]),
        "first_frame": along([int(f[0]) for f in frames]),
    }
    if "AcquireTime" in settings:
        dwell = settings["AcquireTime"]
        coords["exposure_time"] = along([float(dwell[f].sum()) for f in frames], "s")
    for key, name in (("BeamCurrent", "ring_current"), ("RMUCurrent", "mirror_current")):
        if key in settings:
            coords[name] = along([float(settings[key][f].mean()) for f in frames])
    return bounds, coords


def _doubts(settings: dict[str, npt.NDArray[Any]]) -> list[str]:
    """What the settings say of frames with too many photons, of the time of a frame, and of the incident flux."""
    notes: list[str] = []
    per_frame = np.diff(np.asarray(settings.get("EventCount", []), float), prepend=0.0)
    if per_frame.size > 2:
        usual = max(float(np.median(per_frame)), 1.0)
        notes += [
            f"frame {k} holds {per_frame[k]:.0f} photons where {usual:.0f} are usual: a cosmic ray or stray light"
            for k in np.flatnonzero(per_frame > usual + _BURST * np.sqrt(usual))
        ]
    if float(np.mean(settings.get("ExposureSplit", [1.0]))) > 1:
        notes.append("exposures were split (ExposureSplit > 1): the file does not say whether AcquireTime is that of a frame or of all its parts, so times are relative")  # fmt: skip
    mirror = np.asarray(settings.get("RMUCurrent", []), float)
    if mirror.size > 1 and not mirror.mean() > 3 * mirror.std():
        notes.append("the current of the mirror (RMUCurrent) is noise about zero: it measures no incident flux here")  # fmt: skip
    return notes


def _curvature(settings: dict[str, npt.NDArray[Any]]) -> tuple[float, ...]:
    return tuple(float(settings[f"CurvatureCF{k}"][0]) for k in (1, 2, 3) if f"CurvatureCF{k}" in settings)


def _attributes(settings: dict[str, npt.NDArray[Any]], source: Source) -> dict[str, Any]:
    detector = re.search(r"_d(\d)$", source.path.stem)
    attrs: dict[str, Any] = {"technique": "rixs", "title": source.path.stem}
    attrs |= {name: float(np.mean(settings[key])) for key, name in _KEPT.items() if key in settings}
    if "PhotonEnergy" in settings:
        attrs["incident_energy_spread"] = float(np.std(settings["PhotonEnergy"]))
        attrs["frames"] = int(settings["PhotonEnergy"].size)
    if "AcquireTime" in settings:
        attrs["exposure_time"] = float(settings["AcquireTime"].sum())
    if "RMUCurrent" in settings:
        attrs["mirror_current_spread"] = float(np.std(settings["RMUCurrent"]))
    if detector:
        attrs["detector"] = int(detector.group(1))
    attrs["metadata"] = json.dumps({key: float(np.mean(v)) for key, v in settings.items() if v.size})
    return attrs
