"""Exposures of the SAXES spectrometer at ADRESS, SLS (HDF5): photons counted by sub-pixel channels, one CCD per file."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset.construct import from_arrays
from spectra.errors import InvalidInput, ReadError
from spectra.reading.hdf5 import holds
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
    "ExitSlit": "exit_slit",
}
#: Photons that may be counted otherwise by the instrument's program, at the ends of channels.
_ROUNDING = 3


def sniff(source: Source) -> float:
    """Sure of the names of the groups."""
    return 0.95 if holds(source, b"NDAttributes", b"events", b"spectrum", b"PhotonEnergy") else 0.0


def scans(source: Source, *, curvature: tuple[float, ...] | None = None) -> list[xr.Dataset]:
    """The one exposure of a file; ``curvature`` as in :func:`xas.rixs.read`."""
    import h5py

    try:
        with h5py.File(source.path, "r") as file:
            return [_exposure(file, source, curvature)]
    except InvalidInput as error:
        raise ReadError(f"{source.name}: {error}") from None
    except (OSError, RuntimeError, KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        if isinstance(error, ReadError):
            raise
        raise ReadError(f"{source.name} is damaged or truncated HDF5 ({error}).".replace("\n", " ")) from None


reader = Reader("adress", "RIXS exposures of SLS ADRESS (HDF5): photons by channel of a CCD", (".h5",), sniff, scans)  # fmt: skip


def _exposure(file: h5py.File, source: Source, curvature: tuple[float, ...] | None) -> xr.Dataset:
    settings = {
        name: np.atleast_1d(item[()]) for name, item in file[_SETTINGS].items() if item.dtype.kind in "iuf"
    }
    counts = np.asarray(file["entry/analysis/spectrum"][()])
    photons = np.asarray(file["entry/analysis/events"][()], float)
    rows = int(file["entry/analysis/bad"].shape[0])
    notes: list[str] = []
    subpixels = max(1, round(counts.size / rows))
    said = _curvature(settings)
    own = histogram_of_photons(photons, rows=rows, curvature=said, subpixels=subpixels)
    if curvature is not None:
        counts = histogram_of_photons(photons, rows=rows, curvature=curvature, subpixels=subpixels)
        notes.append(f"photons were counted again with the curvature {', '.join(f'{a:g}' for a in curvature)} instead of {', '.join(f'{a:g}' for a in said)}")  # fmt: skip
    elif own.size != counts.size or np.abs(own - counts).sum() > _ROUNDING:
        notes.append(
            "the spectrum in the file is not what its photons give with its curvature: it was made otherwise"
        )
    if len(photons) > counts.sum():
        notes.append(f"{len(photons) - int(counts.sum())} of {len(photons)} photons lie beyond the channels")
    notes.append(
        "the axis is the channel of the detector: the file holds no energy scale (xas.rixs.reduce makes one)"
    )
    scan = from_arrays(
        np.arange(counts.size, dtype=np.float64),
        np.round(counts).astype(np.int64),
        axis="detector_channel",
        name="counts",
        units="counts",
        attrs=_attributes(settings, source) | {"photons": int(counts.sum()), "subpixels": subpixels},
    )
    return add_note(scan, *notes)


def _curvature(settings: dict[str, npt.NDArray[Any]]) -> tuple[float, ...]:
    return tuple(float(settings[f"CurvatureCF{k}"][0]) for k in (1, 2, 3) if f"CurvatureCF{k}" in settings)


def _attributes(settings: dict[str, npt.NDArray[Any]], source: Source) -> dict[str, Any]:
    detector = re.search(r"_d(\d)$", source.path.stem)
    attrs: dict[str, Any] = {"technique": "rixs", "title": source.path.stem}
    attrs |= {name: float(np.mean(settings[key])) for key, name in _KEPT.items() if key in settings}
    if "PhotonEnergy" in settings:
        attrs["incident_energy_spread"] = float(np.std(settings["PhotonEnergy"]))
        attrs["frames"] = int(settings["PhotonEnergy"].size)
    if detector:
        attrs["detector"] = int(detector.group(1))
    attrs["metadata"] = json.dumps({key: float(np.mean(v)) for key, v in settings.items() if v.size})
    return attrs
