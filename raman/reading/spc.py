"""SPC files of Galactic and Thermo, which many programs export: one spectrum or many, Raman or infrared."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from raman.reading.infrared import infrared_scan
from raman.reading.measured import COUNTS, Measured
from raman.reading.settings import laser_of, settings
from raman.reading.shift import AxisUnits, Medium
from raman.reading.spc_layout import (
    OWN_AXES,
    OWN_LABELS,
    Header,
    SubSpectrum,
    log_entries,
    read_header,
    sub_spectra,
    version_of,
)
from spectra.errors import ReadError
from spectra.reading.registry import Reader
from spectra.reading.scan import add_note
from spectra.reading.source import Source

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["reader", "scans", "sniff"]

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
#: How a workbook begins; its second byte is the version of an SPC file.
_ZIP = b"PK\x03\x04"

#: Axes by their number in the file, with the factor to our units.
_X: dict[int, tuple[AxisUnits, float]] = {
    1: ("infrared", 1.0), 2: ("nm", 1e3), 3: ("nm", 1.0), 13: ("shift", 1.0), 14: ("eV", 1.0),
}  # fmt: skip
#: What was measured, by its number: the quantities of infrared spectrometers with their units.
_INFRARED = {
    2: ("absorbance", ""), 3: ("kubelka_munk", ""), 10: ("log_reflectance", ""), 11: ("reflectance", "%"),
    128: ("transmittance", ""), 129: ("reflectance", ""), 130: ("single_channel", ""), 131: ("emission", ""),
}  # fmt: skip
_COUNTS = 4
#: Third axes by their number: dimension, units, factor.
_Z = {
    2: ("z", "um", 1.0), 29: ("z", "um", 1e3), 4: ("time", "s", 1.0), 5: ("time", "s", 60.0), 23: ("time", "s", 1e-3),
    30: ("time", "s", 3600.0), 20: ("temperature", "Celsius", 1.0), 21: ("temperature", "K", 1.0),
}  # fmt: skip
#: Light of a shorter wavelength than this has no infrared spectrum (1/cm).
_VISIBLE = 12_500.0


def sniff(source: Source) -> float:
    """Sure of a header that makes sense; of other containers under the name only so far as to say what they are."""
    if source.head.startswith(_ZIP):
        return 0.0
    if version_of(source.head) is not None and source.size > 256:
        return 0.95
    return 0.5 if source.head.startswith(_OLE) and source.path.suffix.lower() == ".spc" else 0.0


def scans(source: Source, *, laser: float | None = None, medium: Medium = "vacuum") -> list[xr.Dataset]:
    """The spectra of a file: one dataset where they share an axis; options as in :func:`raman.read`."""
    content = source.content
    if content.startswith(_OLE):
        raise ReadError(
            f"{source.name} is an OLE container (as Shimadzu and others write) and no SPC file, whatever its name; "
            "export it as text, JCAMP-DX or SPC."
        )
    header = read_header(content, source.name)
    log = log_entries(content, header)
    found = list(sub_spectra(content, header, source.name))
    if not found:
        raise ReadError(f"{source.name} is damaged: its header announces no spectrum.")
    if not header.flags & OWN_AXES or len(found) == 1:
        return [_dataset(source, header, found, log, laser, medium)]
    whole = [(number, one) for number, one in enumerate(found) if one.x.size >= 2]
    if not whole:
        raise ReadError(f"{source.name}: none of its {len(found)} spectra has two points.")
    several = [_dataset(source, header, [one], log, laser, medium, number) for number, one in whole]
    if len(whole) < len(found):
        said = f"{len(found) - len(whole)} of {len(found)} spectra of the file have fewer than two points"
        several = [add_note(scan, said) for scan in several]
    return several


reader = Reader(
    "spc", "SPC of Galactic and Thermo: one or many spectra, Raman or infrared", (".spc",), sniff, scans
)


def _dataset(
    source: Source,
    header: Header,
    found: Sequence[SubSpectrum],
    log: Mapping[str, str],
    laser: float | None,
    medium: Medium,
    number: int | None = None,
) -> xr.Dataset:
    units, factor = _axis(header, source.name, laser_of(log) or laser)
    x = found[0].x * factor
    values = np.stack([one.y for one in found]) if len(found) > 1 else found[0].y
    dims, coords = _series(header, found)
    title = source.path.stem
    attrs: dict[str, Any] = {
        "title": title if number is None else f"{title} {number}",
        "comment": header.comment,
        "start_time": _start(header.date),
        **{k: v for k, v in settings(log).items() if v is not None},
    }
    if number is not None:
        attrs |= {"z": found[0].z}
    if header.y_type in _INFRARED or units == "infrared":
        if units != "infrared":
            raise ReadError(
                f"{source.name}: an infrared spectrum along {units} is not read; export it in 1/cm."
            )
        quantity, quantity_units = _INFRARED.get(header.y_type, ("intensity", ""))
        infrared = {name: (tuple(d), np.asarray(v), {"units": u}) for name, (d, v, u) in coords.items()}
        scan = infrared_scan(source.name, x, values, quantity, units=quantity_units, dims=dims, attrs=attrs)
        return scan.assign_coords(infrared)
    return Measured(
        source.name,
        x,
        values,
        units=units,
        laser=laser_of(log),
        told=laser,
        medium=medium,
        quantity_units=COUNTS if header.y_type == _COUNTS else "",
        dims=dims,
        coords=coords,
        attrs=attrs,
    ).dataset()


def _axis(header: Header, name: str, laser: float | None) -> tuple[AxisUnits, float]:
    """What the axis is, and the factor to nm, eV or 1/cm."""
    label = header.labels[0].lower() if header.flags & OWN_LABELS and header.labels else ""
    highest = max(header.first, header.last)
    if "raman" in label or "shift" in label:
        return "shift", 1.0
    if header.x_type == 1 or "wavenumber" in label or "cm-1" in label or "1/cm" in label:
        infrared = header.y_type in _INFRARED or (highest <= _VISIBLE and laser is None)
        return ("infrared" if infrared else "absolute"), 1.0
    if header.x_type in _X:
        return _X[header.x_type]
    if "nm" in label or "wavelength" in label:
        return "nm", 1.0
    raise ReadError(
        f"{name}: its axis is of kind {header.x_type}{f' ({label})' if label else ''}, which is neither a Raman "
        "shift nor a wavenumber, wavelength or energy; export it with one of these."
    )


def _series(
    header: Header, found: Sequence[SubSpectrum]
) -> tuple[tuple[str, ...], dict[str, tuple[tuple[str, ...], Any, str]]]:
    """Dimension of several spectra, with their place on the third (and fourth) axis."""
    if len(found) == 1:
        return (), {}
    z = np.array([one.z for one in found])
    if header.z_step and not np.ptp(z):
        z = z[0] + header.z_step * np.arange(len(found))
    dim, units, factor = _Z.get(header.z_type, ("scan", "", 1.0))
    distinct = bool(np.isfinite(z).all()) and len(set(z.tolist())) == len(found)
    if dim != "scan" and distinct and not header.planes:
        return (dim,), {dim: ((dim,), z * factor, units)}
    coords: dict[str, tuple[tuple[str, ...], Any, str]] = {"scan": (("scan",), np.arange(len(found)), "")}
    if np.isfinite(z).all() and np.ptp(z):
        coords["z" if dim == "scan" else dim] = (("scan",), z * factor, units)
    if header.planes:
        coords["w"] = (("scan",), np.array([one.w for one in found]), "")
    return ("scan",), coords


def _start(date: Sequence[int]) -> str | None:
    """ISO 8601 of a date that can be one."""
    year, month, day, hour, minute = date
    if not 1980 <= year <= 2100:
        return None
    try:
        return datetime.datetime(year, month, day, hour, minute).isoformat()  # noqa: DTZ001  the file says no zone
    except ValueError:
        return None
