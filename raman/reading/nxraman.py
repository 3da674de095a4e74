"""NeXus files with the definition NXraman: their axis is the Raman shift, whatever its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spectra.reading import hdf5
from spectra.reading.hdf5_file import opened
from spectra.reading.registry import Reader
from spectra.reading.source import Source

if TYPE_CHECKING:
    import h5py
    import xarray as xr

__all__ = ["reader", "scans", "sniff"]

#: Bytes of a file in which its definition is looked for.
_LOOKED_AT = 16 * 2**20
_LASERS = ("beam_incident/wavelength", "beam_incident/incident_wavelength", "beam_laser/incident_wavelength")


def sniff(source: Source) -> float:
    """Sure of the definition, looked for in the first bytes as they stand; results files of ours are not meant.

    Nothing is opened for that: of a damaged file the library of HDF5 may never come back.
    """
    if not hdf5.sniff(source):
        return 0.0
    try:
        with source.path.open("rb") as file:
            beginning = file.read(_LOOKED_AT)
    except OSError:
        return 0.0
    return 0.95 if b"NXraman" in beginning and b"redox-spectra" not in beginning else 0.0


def scans(source: Source, *, columns: dict[str, int | str] | None = None) -> list[xr.Dataset]:
    """Every NXdata with a spectrum; ``columns`` as in :func:`raman.read`."""
    found = hdf5.scans(source, columns=columns) if columns else hdf5.scans(source, axis="raman_shift")
    with opened(source) as file:
        return [scan.assign_attrs(_attributes(file, scan)) for scan in found]


reader = Reader("nxraman", "NeXus files of the definition NXraman", (".nxs", ".h5", ".hdf5"), sniff, scans)


def _attributes(file: h5py.File, scan: xr.Dataset) -> dict[str, Any]:
    """Laser, instrument and sample of the entry that a scan stands in."""
    entry = file.get(str(scan.attrs.get("path", "")).strip("/").split("/")[0])
    said: dict[str, Any] = {"technique": "raman"}
    if entry is None:
        return said
    for path in _LASERS:
        item = entry.get(f"instrument/{path}")
        if item is not None and item.shape == ():
            units = _text(item.attrs.get("units", item.attrs.get("unit")))
            said["laser_wavelength"] = float(item[()]) * {"m": 1e9, "um": 1e3}.get(units, 1.0)
            break
    for name, path in (
        ("instrument", "instrument/device_information/vendor"),
        ("sample", "sample/substance/name"),
    ):
        item = entry.get(path)
        if item is not None and item.shape == ():
            said[name] = _text(item[()])
    return said


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
