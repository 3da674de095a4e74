"""SpecsLab 2 documents (.xml): raw counts of every detector, put together on one energy axis.

A SPECS analyser counts with several detectors at once, each at its own energy: ``shift`` times the pass energy above
the nominal one. Every scan therefore begins ``mcd_head`` steps below the first energy and ends ``mcd_tail`` above
the last. Here each detector's counts go to the nearest step, so that they stay counts.
"""

from __future__ import annotations

import datetime
import math
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.errors import ReadError
from spectra.reading.registry import Reader
from spectra.reading.source import Source
from xps.reading.spectrum import Spectrum, positive, steps_of_energy

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["reader", "scans", "sniff", "summed_detectors"]

FloatArray = npt.NDArray[np.float64]


def sniff(source: Source) -> float:
    """Certain where an XML document names the serializer of SPECS."""
    head = source.head
    if not head.lstrip(b"\xef\xbb\xbf \r\n").startswith(b"<?xml"):
        return 0.0
    return 1.0 if b"specs.de/" in head or b"XMLSerializer" in head else 0.0


def scans(source: Source) -> list[xr.Dataset]:
    """Every region of every group; every cycle of a region on its own, the scans of a cycle summed."""
    if "<!ENTITY" in source.text:
        raise ReadError(f"{source.name} defines XML entities, which no SpecsLab file does; it is not read.")
    try:
        root = ET.fromstring(source.text)
    except ET.ParseError as error:
        raise ReadError(f"{source.name} is truncated or damaged XML ({error}).") from None
    found = []
    for group in _structs(root, "RegionGroup"):
        for region in _structs(group, "RegionData"):
            found += _cycles(region, _string(group, "name"), source.name)
    if not found:
        raise ReadError(f"{source.name} is XML of SPECS without a region that holds a scan.")
    return found


reader = Reader(
    "specs-xml", "SpecsLab 2 documents with the counts of every detector (.xml)", (".xml",), sniff, scans
)


def _structs(element: ET.Element, kind: str) -> Iterator[ET.Element]:
    return element.iterfind(f".//struct[@type_name='{kind}']")


def _string(element: ET.Element, name: str) -> str:
    found = element.find(f"string[@name='{name}']")
    return (found.text or "").strip() if found is not None else ""


def _number(element: ET.Element, name: str, where: str) -> float:
    found = next((e for e in element if e.get("name") == name), None)
    try:
        value = float((found.text or "") if found is not None else "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ReadError(f"{where}: it does not say its {name.replace('_', ' ')}.")
    return value


def _numbers(element: ET.Element | None, what: str, where: str) -> FloatArray:
    """Numbers of a sequence, as many as it announces."""
    if element is None:
        return np.empty(0)
    try:
        values = np.array(" ".join(part.text or "" for part in element).split(), float)
    except ValueError:
        raise ReadError(f"{where}: its {what} hold something else than numbers.") from None
    if str(values.size) != element.get("length", "").strip():
        raise ReadError(
            f"{where} is damaged: {element.get('length')} {what} are announced, {values.size} are there."
        )
    return values


def _cycles(region: ET.Element, group: str, file: str) -> list[xr.Dataset]:
    name = _string(region, "name")
    where = f"{file}: region {name!r}"
    definition = region.find("struct[@name='region']")
    if definition is None:
        raise ReadError(f"{where} has no definition of its energies.")
    head, tail = (_number(region, key, where) for key in ("mcd_head", "mcd_tail"))
    detectors = list(_structs(region, "Detector"))
    shifts: FloatArray = np.array([_number(d, "shift", where) for d in detectors] or [0.0], np.float64)
    gains = np.array([_number(d, "gain", where) for d in detectors] or [1.0])
    points, step = _number(definition, "values_per_curve", where), _number(definition, "scan_delta", where)
    pass_energy = _number(definition, "pass_energy", where)
    transmission = _numbers(region.find("sequence[@name='transmission']"), "transmission values", where)
    cycles = list(_structs(region, "Cycle"))
    found = []
    for number, cycle in enumerate(cycles):
        each = [
            _numbers(counts, "counts", where)
            for scan in _structs(cycle, "ScanData")
            for counts in scan.findall("sequence[@name='counts']")
        ]
        if not each:
            continue
        with np.errstate(all="ignore"):
            steps = shifts * pass_energy / np.float64(step)
        length = int(points + head + tail) * len(shifts)
        if not (np.abs(steps) <= length).all() or not (gains > 0).all():
            raise ReadError(
                f"{where} is damaged: its detectors lie outside of its energies or count nothing."
            )
        if any(counts.size != length for counts in each):
            raise ReadError(
                f"{where}: {points:g} points of {len(shifts)} detectors with {head:g} and {tail:g} further steps make "
                f"{length} counts, and {each[0].size} are there."
            )
        counts = sum(summed_detectors(c, steps, gains, int(head), int(points)) for c in each)
        energy = steps_of_energy(_number(definition, "kinetic_energy", where), step, int(points), where)
        found.append(
            Spectrum(
                where,
                energy,
                np.asarray(counts, np.float64),
                "counts",
                kinetic=True,
                photon_energy=_number(definition, "excitation_energy", where),
                dwell_time=_number(definition, "dwell_time", where),
                sweeps=len(each),
                variables={"transmission": transmission} if transmission.size == points else {},
                attrs=_attributes(region, definition, group, number if len(cycles) > 1 else None, cycle),
                notes=_notes(cycle, len(shifts), len(each), step),
            ).dataset()
        )
    return found


def summed_detectors(
    counts: FloatArray, steps: FloatArray, gains: FloatArray, head: int, points: int
) -> FloatArray:
    """Counts of all detectors on the nominal energies.

    Parameters
    ----------
    counts : (m * d,) array
        Counts of ``d`` detectors at ``m`` settings of the analyser, detector by detector at each setting.
    steps : (d,) array
        How many steps above the nominal energy each detector counts.
    gains : (d,) array
        Sensitivities that the counts are divided by.
    head : int
        Settings before the first nominal energy.
    points : int
        Nominal energies.

    Returns
    -------
    (points,) array
        Settings that a detector would need beyond the ends count nothing.

    Examples
    --------
    >>> import numpy as np
    >>> counts = np.array([[0, 1], [1, 2], [2, 3], [3, 4.0]]).ravel()  # the second detector is one step ahead
    >>> summed_detectors(counts, np.array([0.0, 1.0]), np.ones(2), head=1, points=3)
    array([2., 4., 6.])
    """
    table = counts.reshape(-1, len(steps))
    total = np.zeros(points)
    for detector, (shift, gain) in enumerate(zip(np.rint(steps).astype(int), gains, strict=True)):
        first = head - shift
        low, high = max(first, 0), min(first + points, len(table))
        if low < high:
            part = table[low:high, detector]
            total[low - first : high - first] += part if gain == 1 else part / gain
    return total


def _notes(cycle: ET.Element, detectors: int, there: int, step: float) -> list[str]:
    notes = []
    if detectors > 1:
        notes.append(
            f"the counts of {detectors} detectors were summed, each at the nearest step ({step / 2:g} eV off at most)"
        )
    sequence = cycle.find("sequence[@name='scans']")
    announced = sequence.get("length", "") if sequence is not None else ""
    if announced != str(there):
        notes.append(f"{announced} scans are announced, {there} are there and were summed")
    elif there > 1:
        notes.append(f"{there} scans were summed")
    return notes


def _attributes(
    region: ET.Element, definition: ET.Element, group: str, number: int | None, cycle: ET.Element
) -> dict[str, Any]:
    method = _string(definition, "analysis_method").lower()
    mode = definition.find("struct[@name='scan_mode']")
    return {
        "technique": "xps" if method in ("xps", "ups", "") else method,
        "title": _string(region, "name"),
        "region": _string(region, "name"),
        "sample": group,
        "start_time": _start(cycle),
        "source": next((_string(s, "name") for s in _structs(region, "SourceInfo")), None),
        "instrument": next((_string(s, "name") for s in _structs(region, "AnalyzerInfo")), None),
        "pass_energy": positive(_number(definition, "pass_energy", "")),
        "work_function": positive(_number(definition, "effective_workfunction", "the region")),
        "analyser_mode": _string(mode, "name") if mode is not None else None,
        "lens_mode": _string(definition, "analyzer_lens"),
        "cycle": number,
    }


def _start(cycle: ET.Element) -> str | None:
    """When a cycle began; the file has seconds since 1970."""
    try:
        seconds = _number(cycle, "time", "")
        return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat() if seconds > 0 else None
    except (ReadError, OverflowError, OSError, ValueError):
        return None
