"""XML that Horiba LabSpec 6 exports: spectra and maps along shifts, wavelengths, energies or absolute wavenumbers."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from raman.reading.labspec_text import wavelength_of_labspec
from raman.reading.measured import Measured, detector_units
from raman.reading.settings import first_number, laser_of, settings
from raman.reading.shift import AxisUnits, Medium
from spectra.errors import ReadError
from spectra.reading.registry import Reader
from spectra.reading.source import Source

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["reader", "scans", "sniff"]

FloatArray = npt.NDArray[np.float64]

#: Numbers of the entries, as LabSpec writes them.
_AXES, _TYPE, _UNIT, _LABEL, _VALUES = "0x7B697861", "0x6D707974", "0x7C696E75", "0x6D6261D8", "0x7D6CD4DB"
_TITLE, _ROTATION = "0x6C7469D9", "0x6C676EC6"
_SETTINGS, _NAME, _SHOWN, _EXACT = "0x6C62D4D9", "0x6D6D616E", "0x7D6C61DB", "0x8736F70"

_UNITS: dict[str, AxisUnits] = {"1/cm": "shift", "1/cm abs": "absolute", "nm": "nm", "eV": "eV"}
#: Dimensions by the type of their axis: name and the factor to µm or s by unit.
_DIMS = {"x": "x", "xa": "x", "y": "y", "ya": "y", "z": "z", "time": "time", "t": "time"}
_FACTORS = {"s": 1.0, "min": 60.0, "mm": 1e3, "nm": 1e-3}


def sniff(source: Source) -> float:
    """Certain by the name of the root."""
    return 1.0 if b"<LSX_Data" in source.head[:400] else 0.0


def scans(source: Source, *, laser: float | None = None, medium: Medium = "vacuum") -> list[xr.Dataset]:
    """The spectrum or the map of a file; options as in :func:`raman.read`."""
    root = _parsed(source)
    axes = root.find(f".//LSX[@ID='{_AXES}']")
    if axes is None or len(axes) < 2:
        raise ReadError(f"{source.name} holds no axes: it is damaged, or no spectrum.")
    spectral, further = axes[1], list(axes)[2:]
    x = _numbers(_entry(spectral, _VALUES), source.name)
    unit = _entry(spectral, _UNIT)
    if unit not in _UNITS:
        raise ReadError(
            f"{source.name}: its axis is in {unit!r}, which is no Raman shift and cannot be made one."
        )
    values = _matrix(root, x.size, source.name)
    dims, coords = _places(further, source.name)
    shape = tuple(len(coords[dim][1]) for dim in dims)
    notes: list[str] = []
    units = _UNITS[unit]
    if units == "eV":
        x, units = wavelength_of_labspec(x, notes), "nm"
    if int(np.prod(shape)) != len(values):
        raise ReadError(
            f"{source.name} is damaged: {len(values)} spectra where {' × '.join(map(str, shape)) or 'one'} are due."
        )
    rotation = root.find(f".//LSX[@ID='{_ROTATION}']")
    angle = float(rotation[0].text or 0) if rotation is not None and len(rotation) else 0.0
    if angle and "x" in dims:
        notes.append(
            f"x and y are those of the map, turned by {np.degrees(angle):.1f} degrees from the stage's"
        )
    metadata = _metadata(root)
    title = next((e.text for e in root.iter("LSX") if e.get("ID") == _TITLE and e.text), None)
    return [
        Measured(
            source.name,
            x,
            values.reshape(*shape, x.size),
            units=units,
            laser=laser_of(metadata),
            told=laser,
            medium=medium,
            quantity_units=detector_units(_entry(axes[0], _UNIT)),
            dims=dims,
            coords=coords,
            attrs={
                **settings(metadata),
                "title": title or source.path.stem,
                "rotation": angle or None,
                "stage_X": first_number(metadata.get("X (µm)", "")),
                "stage_Y": first_number(metadata.get("Y (µm)", "")),
            },
            notes=notes,
        ).dataset()
    ]


reader = Reader("labspec-xml", "XML that Horiba LabSpec exports: spectra and maps", (".xml",), sniff, scans)


def _parsed(source: Source) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(source.content)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise ReadError(f"{source.name} is damaged or cut short: its XML ends or breaks ({error}).") from None


def _entry(element: ElementTree.Element, number: str) -> str:
    """Text of the entry of that number inside of ``element``; "" where it has none."""
    return next(((e.text or "").strip() for e in element if e.get("ID") == number), "")


def _numbers(text: str, name: str) -> FloatArray:
    try:
        return np.array(text.split(), float)
    except ValueError:
        raise ReadError(f"{name} is damaged: it holds words where numbers are due.") from None


def _matrix(root: ElementTree.Element, points: int, name: str) -> FloatArray:
    """Spectra, one in each row."""
    matrix = root.find("LSX_Matrix")
    if matrix is None:
        raise ReadError(f"{name} holds no matrix of intensities: it is damaged, or no spectrum.")
    rows = [_numbers(row.text or "", name) for row in matrix.iter("LSX_Row")]
    odd = next((number for number, row in enumerate(rows) if row.size != points), None)
    if odd is not None or not rows:
        found = rows[odd].size if odd is not None else 0
        raise ReadError(f"{name} is damaged: spectrum {odd or 0} has {found} points on an axis of {points}.")
    return np.stack(rows)


def _places(
    axes: list[ElementTree.Element], name: str
) -> tuple[tuple[str, ...], dict[str, tuple[tuple[str, ...], Any, str]]]:
    """Further dimensions, the slowest first, with their coordinates."""
    dims: list[str] = []
    coords: dict[str, tuple[tuple[str, ...], Any, str]] = {}
    for number, axis in enumerate(axes):
        kind = _entry(axis, _TYPE).lower()
        dim = _DIMS.get(kind, f"dim_{number}")
        unit = _entry(axis, _UNIT)
        values = _numbers(_entry(axis, _VALUES), name) * _FACTORS.get(unit, 1.0)
        dims.insert(0, dim)
        units = "s" if dim == "time" else "um" if dim in "xyz" else unit
        coords[dim] = ((dim,), values, units)
    return tuple(dims), coords


def _metadata(root: ElementTree.Element) -> dict[str, str]:
    """Settings by name; the exact value of one where it is shown rounded."""
    found: dict[str, str] = {}
    settings_of = root.find(f".//LSX[@ID='{_SETTINGS}']")
    for entry in settings_of.iter("LSX") if settings_of is not None else ():
        key = _entry(entry, _NAME)
        if key:
            exact = _entry(entry, _EXACT) if key == "Laser (nm)" else ""
            found.setdefault(key, exact or _entry(entry, _SHOWN))
    return found
