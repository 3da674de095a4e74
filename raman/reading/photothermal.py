"""Photothermal (O-PTIR) documents (.ptir): infrared and Raman spectra of points of a sample, in HDF5.

Every group ``Measurement_NNN`` has its axis in ``Spectroscopic_Values`` and, for each channel, its values in
``Channel_NNN/Raw_Data``; attributes say whether it is Raman, or a background, and where it was taken.
"""

from __future__ import annotations

import datetime
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from raman.reading.infrared import infrared_scan, quantity_of_label
from spectra.dataset.stored import read_all
from spectra.errors import ReadError
from spectra.reading.hdf5 import holds
from spectra.reading.hdf5_file import opened
from spectra.reading.registry import Reader
from spectra.reading.source import Source

if TYPE_CHECKING:
    import h5py
    import xarray as xr

__all__ = ["reader", "scans", "sniff"]


def sniff(source: Source) -> float:
    """Certain where HDF5 says that PTIR Studio wrote it."""
    return 1.0 if holds(source, b"SoftwareVersion", b"PTIR Studio") else 0.0


def scans(source: Source) -> list[xr.Dataset]:
    """Every channel of every measurement; backgrounds are kept beside them."""
    found: list[xr.Dataset] = []
    left: list[str] = []
    with opened(source) as file:
        for name in sorted(n for n in file if n.startswith("Measurement")):
            group = file[name]
            if "Spectroscopic_Values" not in group:
                left.append(_text(group.attrs.get("Label")) or name)
                continue
            channels = sorted(n for n in group if n.startswith("Channel"))
            found += [_scan(group, group[channel], f"{source.name}: {name}") for channel in channels]
    if not found:
        raise ReadError(f"{source.name} is a photothermal document without a spectrum.")
    if left:
        from spectra.reading.scan import add_note

        note = f"measurements without a spectral axis were left out: {', '.join(left)}"
        found = [_like(add_note(scan, note), scan) for scan in found]
    return found


reader = Reader(
    "ptir",
    "photothermal infrared (O-PTIR) documents with their Raman spectra (.ptir)",
    (".ptir",),
    sniff,
    scans,
)


def _like(scan: xr.Dataset, before: xr.Dataset) -> xr.Dataset:
    scan.encoding = dict(before.encoding)
    return scan


def _scan(group: h5py.Group, channel: h5py.Group, where: str) -> xr.Dataset:
    raw = channel["Raw_Data"]
    values = np.atleast_2d(read_all(raw).astype(float))
    x = read_all(group["Spectroscopic_Values"]).astype(float).ravel()
    if values.shape[-1] != x.size or values.ndim != 2:
        raise ReadError(f"{where}: values of the shape {values.shape} do not fit an axis of {x.size} points.")
    label, units = _text(channel.attrs.get("Label")), _text(raw.attrs.get("units"))
    is_raman, is_background = _is(group, "IsRaman"), _is(group, "IsBackground")
    quantity = "single_channel" if is_background else (quantity_of_label(label) or ("intensity", ""))[0]
    dims: tuple[str, ...] = ("point",)
    coords: dict[str, Any] = {}
    if values.shape[0] == 1:
        values, dims = values[0], ()
    notes = []
    if "cm" in units:  # where the units of the axis were written for those of the values
        units = ""
    if not label:
        notes.append("its channel has no label")
    several = len([n for n in group if n.startswith("Channel")]) > 1
    title = _text(group.attrs.get("Label")) or where
    wavelength = _number(group, "ExcitationWavelength")
    offset = _number(group, "WavenumberOffset")
    if offset:
        notes.append(f"PTIR Studio had moved the axis by {offset:g} 1/cm")
    attrs = {
        "title": f"{title} {label}" if several and label else title,
        "start_time": _time(_text(group.attrs.get("timestamp"))),
        "instrument": _text(group.attrs.get("SoftwareVersion")),
        "resolution": _number(group, "SpectralResolution"),
        "scans": _number(group, "Averages"),
        "laser_wavelength": wavelength if is_raman else None,
        "stage_x": _number(group, "LocationX", zero=True),
        "stage_y": _number(group, "LocationY", zero=True),
        "stage_z": _number(group, "LocationZ", zero=True),
        "metadata": json.dumps({k: _plain(v) for k, v in group.attrs.items()}),
    }
    return infrared_scan(
        where, x, values, quantity, units=units, axis="raman_shift" if is_raman else "wavenumber", dims=dims,
        coords=coords, attrs=attrs, notes=notes, auxiliary=is_background,
    )  # fmt: skip


def _text(value: Any) -> str:
    return (
        value.decode("utf-8", "replace")
        if isinstance(value, bytes)
        else str(value)
        if value is not None
        else ""
    )


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return _text(value)
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        return str(array.tolist())
    return array.item() if array.size == 1 else array.tolist()


def _is(group: h5py.Group, key: str) -> bool:
    return bool(np.any(np.asarray(group.attrs.get(key, 0))))


def _number(group: h5py.Group, key: str, *, zero: bool = False) -> float | None:
    """A number of the group; 0 stands for one that is not known, unless ``zero``."""
    array = np.asarray(group.attrs.get(key, np.nan)).ravel()
    if array.dtype.kind not in "fiu" or not array.size:
        return None
    value = float(array[0])
    return value if np.isfinite(value) and (zero or value) else None


def _time(text: str) -> str | None:
    try:
        return datetime.datetime.strptime(text, "%Y_%m_%d-%H_%M_%S").isoformat()  # noqa: DTZ007  the file has no zone
    except ValueError:
        return None
