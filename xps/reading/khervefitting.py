"""Projects of KherveFitting (.json): core levels with raw data, background and the peaks of its fits.

Its raw data are what it was given, often divided by the transmission of the analyser: no counts. The peaks are kept
in ``attrs["khervefitting"]`` as they stand there, constraints as text (``A*0.5#0.05`` ties to the first peak).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.errors import ReadError
from spectra.reading.registry import Reader
from spectra.reading.source import Source
from xps.reading.levels import core_level
from xps.reading.spectrum import Spectrum

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["reader", "scans", "sniff"]

FloatArray = npt.NDArray[np.float64]

_CURVES = ("Bkg X", "Bkg Y")


def sniff(source: Source) -> float:
    """Certain where a JSON document speaks of core levels near its top."""
    head = source.head
    return 1.0 if head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"{") and b'"Core levels"' in head else 0.0


def scans(source: Source) -> list[xr.Dataset]:
    """Every core level; a level that was fitted twice stands there twice."""
    try:
        project = json.loads(source.text)
    except (ValueError, RecursionError) as error:
        raise ReadError(f"{source.name} is truncated or damaged JSON ({error}).") from None
    levels = project.get("Core levels") if isinstance(project, dict) else None
    if not isinstance(levels, dict) or not levels:
        raise ReadError(f"{source.name} is JSON without core levels.")
    announced = project.get("Number of Core levels")
    notes = []
    if isinstance(announced, int) and announced != len(levels):
        notes.append(f"{announced} core levels are announced, {len(levels)} are there")
    correction = project.get("BEcorrection")
    if isinstance(correction, int | float) and correction:
        notes.append(f"KherveFitting had shifted the binding energies by {correction:+g} eV")
    return [_dataset(name, level, source.name, notes) for name, level in levels.items()]


reader = Reader(
    "khervefitting", "projects of KherveFitting with their fits (.json)", (".json",), sniff, scans
)


def _dataset(name: str, level: Any, file: str, notes: list[str]) -> xr.Dataset:
    where = f"{file}: core level {name!r}"
    if not isinstance(level, dict):
        raise ReadError(f"{where} is no table of values.")
    energy, values = _array(level, "B.E.", where), _array(level, "Raw Data", where)
    if energy.size != values.size:
        raise ReadError(f"{where} is damaged: it has {energy.size} energies and {values.size} values.")
    background = _table(level.get("Background"))
    curve = background.get("Bkg Y")
    drawn = (
        _array(background, "Bkg Y", where) if isinstance(curve, list) and len(curve) == energy.size else None
    )
    region, element = core_level(re.sub(r"(?<=[spdf])\d+$", "", str(level.get("Name") or name)))
    return Spectrum(
        where,
        energy,
        values,
        "intensity",
        label="Raw Data",
        variables={} if drawn is None else {"khervefitting_background": drawn},
        labels={} if drawn is None else {"khervefitting_background": "Bkg Y"},
        attrs={
            "title": name,
            "region": region or name,
            "element": element,
            "khervefitting": json.dumps(_fit(level, background)),
        },
        notes=["the raw data of KherveFitting are no counts: there are no counting statistics", *notes],
    ).dataset()


def _array(table: Mapping[str, Any], key: str, where: str) -> FloatArray:
    try:
        values = np.array([np.nan if v is None else float(v) for v in table.get(key) or []])
    except (TypeError, ValueError):
        raise ReadError(f"{where} holds something else than numbers in {key!r}.") from None
    if values.size < 2:
        raise ReadError(f"{where} has {values.size} numbers in {key!r}; a spectrum needs at least 2.")
    return values


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _fit(level: Mapping[str, Any], background: Mapping[str, Any]) -> dict[str, Any]:
    """Model, background and peaks as the project holds them, without the curves."""
    fitting = _table(level.get("Fitting"))
    peaks = [
        {"name": name, **{k: v for k, v in _table(peak).items() if not isinstance(v, list)}}
        for name, peak in _table(fitting.get("Peaks")).items()
    ]
    return {
        "model": fitting.get("Model"),
        "background": {k: v for k, v in background.items() if k not in _CURVES and not isinstance(v, list)},
        "peaks": peaks,
    }
