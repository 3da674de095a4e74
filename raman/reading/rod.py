"""Records of the Raman Open Database (``.rod``): CIF with the spectrum in a loop."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from raman.reading.measured import Measured
from raman.reading.rows import text_of
from raman.reading.settings import first_number
from spectra.errors import ReadError
from spectra.reading.registry import Reader
from spectra.reading.source import Source

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["reader", "scans", "sniff"]

_SHIFT, _INTENSITY = "_raman_spectrum.raman_shift", "_raman_spectrum.intensity"
_DEVICE, _MEASUREMENT = "_raman_measurement_device", "_raman_measurement"
#: Most entries that are no numbers in a spectrum, as a share of its points.
_MOST_BAD = 0.2


def sniff(source: Source) -> float:
    """Sure of a CIF block with names of Raman spectra."""
    head = source.head
    return (
        0.95
        if re.search(rb"^data_", head, re.MULTILINE) and (b"_raman_" in head or b"_rod_" in head)
        else 0.0
    )


def scans(source: Source, *, laser: float | None = None) -> list[xr.Dataset]:
    """The spectrum of each block; ``laser`` as in :func:`raman.read`."""
    text = text_of(source, "utf-8")
    blocks = re.split(r"^data_", text, flags=re.MULTILINE)[1:]
    found = []
    for block in blocks:
        entries, loops = _parsed(block)
        spectrum = next((loop for loop in loops if _SHIFT in loop and _INTENSITY in loop), None)
        if spectrum is not None:
            found.append(_dataset(source, entries, spectrum, laser, block.split(None, 1)[0]))
    if not found:
        raise ReadError(f"{source.name} holds no spectrum: it has no loop of {_SHIFT} and {_INTENSITY}.")
    return found


reader = Reader("rod", "Raman Open Database (CIF)", (".rod",), sniff, scans)


def _dataset(
    source: Source, entries: dict[str, str], spectrum: dict[str, list[str]], laser: float | None, code: str
) -> xr.Dataset:
    pairs = list(zip(spectrum[_SHIFT], spectrum[_INTENSITY], strict=False))
    numbers = [(a, b) for x, y in pairs if (a := _number(x)) is not None and (b := _number(y)) is not None]
    notes = []
    if len(numbers) < len(pairs):
        notes.append(f"{len(pairs) - len(numbers)} of {len(pairs)} points hold no numbers and were skipped")
    if len(numbers) < max(2, (1 - _MOST_BAD) * len(pairs)):
        raise ReadError(f"{source.name}: {len(numbers)} of {len(pairs)} points of its spectrum are numbers.")
    last = _number(entries.get(f"{_MEASUREMENT}.range_max", ""))
    values = np.array(numbers)
    if last is not None and values[:, 0].max() < last - 2 * float(np.median(np.abs(np.diff(values[:, 0])))):
        notes.append(f"the file is cut short: it announces shifts up to {last:g} 1/cm")
    return Measured(
        source.name,
        values[:, 0],
        values[:, 1],
        laser=_number(entries.get(f"{_DEVICE}.excitation_laser_wavelength", "")),
        told=laser,
        attrs=_attributes(entries, code),
        notes=notes,
    ).dataset()


def _attributes(entries: dict[str, str], code: str) -> dict[str, Any]:
    magnification = _number(entries.get(f"{_DEVICE}.microscope_objective_magnification", ""))
    name = entries.get("_chemical_name_mineral") or entries.get("_chemical_name_common")
    return {
        "title": name or entries.get("_chemical_formula_sum") or code,
        "sample": name,
        "formula": entries.get("_chemical_formula_sum"),
        "laser_power": _number(entries.get(f"{_DEVICE}.power_on_sample", "")),
        "integration_time": _number(entries.get(f"{_MEASUREMENT}.integration_time", "")),
        "objective": f"x{magnification:g}" if magnification else None,
        "grating": entries.get(f"{_DEVICE}.diffraction_grating"),
        "resolution": _number(entries.get(f"{_DEVICE}.resolution", "")),
        "start_time": entries.get(f"{_MEASUREMENT}.datetime_initiated"),
        "doi": entries.get("_journal_paper_doi"),
        "rod_code": entries.get("_rod_database.code"),
        "metadata": json.dumps(entries, ensure_ascii=False),
    }


def _number(text: str) -> float | None:
    """A CIF number, its uncertainty in brackets left out."""
    match = re.fullmatch(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?:\(\d+\))?\s*", text)
    return first_number(match.group(1)) if match else None


def _parsed(block: str) -> tuple[dict[str, str], list[dict[str, list[str]]]]:
    """Entries and loops of a CIF block."""
    entries: dict[str, str] = {}
    loops: list[dict[str, list[str]]] = []
    names: list[str] = []
    key: str | None = None
    column = -1  # of the next value of a loop; -1 outside of one
    for kind, word in _words(block):
        if kind == "loop":
            names, column, key = [], 0, None
            loops.append({})
        elif kind == "name" and column == 0 and not any(loops[-1].values()):
            names.append(word)
            loops[-1][word] = []
        elif kind == "name":
            key, column = word, -1
        elif column >= 0 and names:
            loops[-1][names[column % len(names)]].append(word)
            column += 1
        elif key is not None:
            entries[key] = word
            key = None
    return entries, loops


def _words(block: str) -> Iterator[tuple[str, str]]:
    """Names, values and beginnings of loops, in their order; texts between semicolons as one value."""
    pattern = re.compile(
        r"^;(?P<text>.*?)^;|(?P<remark>(?<!\S)#[^\n]*)|(?P<loop>(?<!\S)loop_(?!\S))|(?P<name>(?<!\S)_\S+)"
        r"|'(?P<single>[^\n]*?)'(?=\s|$)|\"(?P<double>[^\n]*?)\"(?=\s|$)|(?P<word>\S+)",
        re.MULTILINE | re.DOTALL | re.IGNORECASE,
    )
    for match in pattern.finditer(block.split("\n", 1)[-1]):
        kind = str(match.lastgroup)
        if kind in ("loop", "name"):
            yield kind, match.group()
        elif kind != "remark":
            yield "value", match.group(kind).strip()
