"""Scienta (SES): the text it exports and the Igor waves it saves, which carry the same header.

The header says ``Energy Scale=Binding`` and ``Energy Unit=Kinetic`` at once; what the energies are is said by the name
of the first dimension (``Binding Energy [eV]``). A detector read by its charge (``DetectorMode=ADC``) gives no counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.errors import ReadError
from spectra.reading.labels import axis_of_label
from spectra.reading.registry import Reader
from spectra.reading.source import Source
from xps.reading.igor import Wave, is_wave, read_wave
from xps.reading.levels import core_level
from xps.reading.spectrum import (
    CUT_LINE,
    Quantity,
    Spectrum,
    are_whole,
    ends_inside_a_line,
    steps_of_energy,
)

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["text_reader", "wave_reader"]

FloatArray = npt.NDArray[np.float64]
Info = Mapping[str, str]

_SECTION = re.compile(r"\[([A-Za-z ]+?)\s*(\d+)?(?::(\d+))?\]\s*$")
_SPECTRUM_AXES = ("binding_energy", "kinetic_energy")


# ---- text ------------------------------------------------------------------------------------------------------


def sniff_text(source: Source) -> float:
    """Certain where the text opens as SES writes it."""
    return 1.0 if re.match(rb"(\xef\xbb\xbf)?\[Info\]\s+Number of Regions=", source.head) else 0.0


def text_scans(
    source: Source, *, axis: Literal["binding_energy", "kinetic_energy"] | None = None
) -> list[xr.Dataset]:
    """Every region of the text; every slice and every step of a region on its own.

    ``axis`` says what the energies are, where the text does not name them.
    """
    sections = _sections(source.text.split("\n"), source.name)
    announced = _count(_entries(sections.get(("Info", 0, 0), [])), "Number of Regions", source.name)
    numbers = sorted({number for kind, number, _ in sections if kind == "Data"})
    if not numbers or len(numbers) != announced:
        raise ReadError(
            f"{source.name} is truncated: it announces {announced} regions, the data of {len(numbers)} are there."
        )
    notes = [CUT_LINE] if ends_inside_a_line(source.text) else []
    found: list[xr.Dataset] = []
    for number in numbers:
        region = _entries(sections.get(("Region", number, 0), []))
        info = _entries(sections.get(("Info", number, 0), []))
        steps = sorted(step for kind, n, step in sections if (kind, n) == ("Data", number))
        _check_steps(region, steps, source.name)
        for step in steps:
            table = _table(sections["Data", number, step], region, f"{source.name}: region {number}")
            about = {**info, "step": str(step)} if len(steps) > 1 else info
            found += _slices(
                table[:, 0],
                table[:, 1:].T,
                axis.replace("_", " ") if axis else region.get("Dimension 1 name", ""),
                _scale(region, 2),
                about,
                source.name,
                "",
                notes,
            )
    return found


def _sections(lines: list[str], file: str) -> dict[tuple[str, int, int], list[str]]:
    """Lines below each heading such as ``[Data 1]`` or ``[Data 1:2]``."""
    found: dict[tuple[str, int, int], list[str]] = {}
    inside: list[str] = []
    for line in lines:
        heading = _SECTION.match(line)
        if heading:
            key = (heading.group(1), int(heading.group(2) or 0), int(heading.group(3) or 0))
            if key[0] == "Data" and key in found:
                raise ReadError(f"{file} is damaged: the section {line.strip()} stands there twice.")
            inside = found.setdefault(key, [])
        else:
            inside.append(line)
    return found


def _entries(lines: list[str]) -> dict[str, str]:
    return {key.strip(): value.strip() for line in lines for key, eq, value in [line.partition("=")] if eq}


def _count(entries: Info, key: str, file: str) -> int:
    text = entries.get(key, "")
    if not re.fullmatch(r"\d{1,9}", text):
        raise ReadError(f"{file}: {key} is {text[:20]!r} in its header, not a whole number.")
    return int(text)


def _check_steps(region: Info, steps: list[int], file: str) -> None:
    if "Dimension 3 size" in region:
        announced = _count(region, "Dimension 3 size", file)
        if announced != len(steps):
            raise ReadError(f"{file} is truncated: {announced} steps are announced, {len(steps)} are there.")


def _table(lines: list[str], region: Info, where: str) -> FloatArray:
    rows = [line.split() for line in lines if line.strip()]
    points = _count(region, "Dimension 1 size", where)
    if len(rows) != points:
        raise ReadError(f"{where} is truncated: {points} points are announced, {len(rows)} are there.")
    width = 1 + (_count(region, "Dimension 2 size", where) if "Dimension 2 size" in region else 1)
    odd = next((row for row in rows if len(row) != width), None)
    if odd is not None:
        raise ReadError(f"{where} is damaged: a row holds {len(odd)} numbers where {width} are due.")
    try:
        return np.array(rows, float)
    except ValueError:
        raise ReadError(f"{where} holds something else than numbers among its data.") from None


def _scale(region: Info, dimension: int) -> tuple[str, list[float]] | None:
    """Name and values of a further dimension."""
    text = region.get(f"Dimension {dimension} scale")
    if text is None:
        return None
    try:
        return region.get(f"Dimension {dimension} name", ""), [float(word) for word in text.split()]
    except ValueError:
        return None


text_reader = Reader("scienta", "text that Scienta SES exports", (".txt",), sniff_text, text_scans)


# ---- Igor waves ------------------------------------------------------------------------------------------------


def sniff_wave(source: Source) -> float:
    """Certain where the checksum of the headers comes out."""
    return 1.0 if is_wave(source.head) else 0.0


def wave_scans(
    source: Source,
    *,
    axis: Literal["binding_energy", "kinetic_energy"] | None = None,
    default_axis: str | None = None,
) -> list[xr.Dataset]:
    """The wave as a spectrum, every slice of a wave of two dimensions on its own.

    ``axis`` says what the energies are; ``default_axis`` what energies are that the wave does not name, for those who
    know the technique.
    """
    wave = read_wave(source.content, source.name)
    if wave.values.ndim > 2:
        raise ReadError(
            f"{source.name}: its wave has {wave.values.ndim} dimensions; read are waves of one or two."
        )
    label = wave.units[0]
    if axis is not None or axis_of_label(label) not in ("binding_energy", "kinetic_energy"):
        label = (axis or default_axis or label).replace("_", " ")
    energy = steps_of_energy(wave.starts[0], wave.steps[0], wave.values.shape[0], source.name)
    table = wave.values.reshape(wave.values.shape[0], -1).T
    return _slices(energy, table, label, _second(wave), _note(wave.note), source.name, wave.data_units, [])


def _second(wave: Wave) -> tuple[str, list[float]] | None:
    if wave.values.ndim == 1:
        return None
    return wave.units[1], (wave.starts[1] + wave.steps[1] * np.arange(wave.values.shape[1])).tolist()


def _note(note: str) -> dict[str, str]:
    return _entries(re.split(r"[\r\n]+", note))


wave_reader = Reader(
    "igor", "Igor binary waves (.ibw), with the header of Scienta SES", (".ibw",), sniff_wave, wave_scans
)


# ---- both ------------------------------------------------------------------------------------------------------


def _slices(
    energy: FloatArray,
    table: FloatArray,
    label: str,
    second: tuple[str, list[float]] | None,
    info: Info,
    file: str,
    data_units: str,
    notes: list[str],
) -> list[xr.Dataset]:
    """One spectrum for each row of ``table``."""
    axis = axis_of_label(label)
    name = info.get("Region Name", "")
    where = f"{file}: region {name!r}" if name else file
    if axis not in _SPECTRUM_AXES:
        raise ReadError(
            f"{where}: its first dimension is {label!r}, not said to be an energy of electrons; say which it is with "
            "axis=, or save it as text with labels."
        )
    several = len(table) > 1 and second is not None and len(second[1]) == len(table)
    found = []
    for number, values in enumerate(table):
        place: dict[str, Any] = {"slice": number} if len(table) > 1 else {}
        if several and second is not None:
            place |= {"slice_position": second[1][number], "slice_axis": second[0]}
        spectrum = Spectrum(
            where,
            energy,
            values,
            _quantity(data_units, info, values),
            kinetic=axis != "binding_energy",
            photon_energy=_number(info, "Excitation Energy"),
            sweeps=_number(info, "Number of Sweeps"),
            label=data_units,
            attrs={**_attributes(info, name), **place},
            notes=[*notes, *_said(info)],
        )
        found.append(spectrum.dataset())
    return found


def _quantity(units: str, info: Info, values: FloatArray) -> Quantity:
    if re.search(r"/\s*s|cps|per sec", units, re.IGNORECASE):
        return "count_rate"
    adc = info.get("DetectorMode", "").upper() == "ADC"
    return "counts" if not adc and are_whole(values) else "intensity"


def _said(info: Info) -> list[str]:
    if info.get("DetectorMode", "").upper() == "ADC":
        return ["the detector was read by its charge (ADC): the intensities are no counts"]
    return []


def _number(info: Info, key: str) -> float | None:
    match = re.match(r"[+-]?\d+\.?\d*(?:[eE][+-]?\d+)?", info.get(key, ""))
    return float(match.group()) if match else None


def _attributes(info: Info, name: str) -> dict[str, Any]:
    region, element = core_level(name)
    day, clock = info.get("Date", ""), info.get("Time", "")
    started = f"{day}T{clock}" if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", f"{day}T{clock}") else None
    return {
        "title": name or info.get("Spectrum Name"),
        "region": region or name,
        "element": element,
        "sample": info.get("Sample"),
        "start_time": started,
        "instrument": info.get("Instrument"),
        "pass_energy": _number(info, "Pass Energy"),
        "time_per_channel": _number(info, "Time per Spectrum Channel"),
        "analyser_mode": info.get("Acquisition Mode"),
        "lens_mode": info.get("Lens Mode"),
        "step": int(info["step"]) if "step" in info else None,
        "metadata": json.dumps(dict(info)) if info else "",
    }
