"""Text that CasaXPS exports: blocks of kinetic energy, counts, curves of the fit, binding energy, counts per second.

A block opens with its name, then a line of tab, ``Characteristic Energy eV`` (the photon energy) and ``Acquisition
Time s`` (counted at each point), then names, positions, widths, areas and shapes of the components of a fit.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.errors import ReadError
from spectra.reading.registry import Reader
from spectra.reading.scan import unique_names
from spectra.reading.source import Source
from xps.reading.casaxps import exported_component
from xps.reading.levels import core_level
from xps.reading.spectrum import CUT_LINE, Spectrum, ends_inside_a_line, positive

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["reader", "scans", "sniff"]

FloatArray = npt.NDArray[np.float64]

_OPENS = re.compile(r"\s*Characteristic Energy eV\t([^\t]*)\tAcquisition Time s\t([^\t]*)")
_KINETIC, _BINDING = "K.E.", "B.E."
_ABOUT = {"Name": "name", "Position": "position", "FWHM": "fwhm", "Area": "area", "Lineshape": "shape"}

#: Numbers are exported with seven significant digits.
_PRECISION = 1e-6


@dataclass(frozen=True)
class _Block:
    title: str
    photon_energy: float | None
    seconds: float | None
    about: dict[str, list[str]]
    labels: list[str]
    rows: list[list[str]]
    line: int


def sniff(source: Source) -> float:
    """Certain where the second line of a block stands near the top."""
    return 1.0 if b"\tCharacteristic Energy eV\t" in source.head else 0.0


def scans(
    source: Source, *, axis: Literal["binding_energy", "kinetic_energy"] = "binding_energy"
) -> list[xr.Dataset]:
    """Every block of the text, on binding energies unless ``axis`` asks for kinetic ones."""
    lines = source.text.split("\n")
    starts = [i for i, line in enumerate(lines) if i and _OPENS.match(line)]
    if not starts:
        raise ReadError(f"{source.name}: no line states the characteristic energy of a block.")
    ends = [start - 1 for start in starts[1:]] + [len(lines)]
    notes = [CUT_LINE] if ends_inside_a_line(source.text) else []
    blocks = [_block(lines, a, b, source.name) for a, b in zip(starts, ends, strict=True)]
    return [_dataset(block, source.name, notes, axis == "kinetic_energy") for block in blocks]


reader = Reader(
    "casaxps-text", "text that CasaXPS exports, with the curves of a fit", (".txt",), sniff, scans
)


def _block(lines: list[str], start: int, end: int, file: str) -> _Block:
    title = lines[start - 1].strip()
    opening = _OPENS.match(lines[start])
    energy, seconds = (_float(text) for text in opening.groups()) if opening else (None, None)
    about: dict[str, list[str]] = {}
    for i in range(start + 1, end):
        cells = lines[i].split("\t")
        if cells[0].strip() == _KINETIC:
            rows = [line.split("\t") for line in lines[i + 1 : end] if line.strip()]
            return _Block(title, energy, seconds, about, [c.strip() for c in cells], rows, i + 2)
        if cells[0] in _ABOUT:
            about[_ABOUT[cells[0]]] = [cell.strip() for cell in cells[2:]]
    raise ReadError(f"{file} is truncated: block {title!r} has no columns ({_KINETIC}, Counts, ...).")


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _dataset(block: _Block, file: str, notes: list[str], stays_kinetic: bool) -> xr.Dataset:
    where = f"{file}: block {block.title!r}"
    table = _table(block, where)
    labels = block.labels
    columns = {n: label for n, label in enumerate(labels) if label}
    first_rate = next((n for n, label in columns.items() if label == _BINDING), len(labels))
    counts = next((n for n, label in columns.items() if label == "Counts"), None)
    if counts is None:
        raise ReadError(f"{where} has no column Counts ({', '.join(columns.values())}).")
    photon = positive(block.photon_energy)
    curves = [n for n in columns if counts < n < first_rate]
    names = unique_names([f"casaxps {labels[n]}" for n in curves])
    components = _components(block, photon)
    shapes = [c["shape"] for c in components]
    described = {
        name: f"{labels[n]}{f', {shapes[i]}, on the background' if i < len(shapes) else ''}"
        for i, (name, n) in enumerate(zip(names, curves, strict=True))
    }
    sample, level = _sample_and_level(block.title)
    region, element = core_level(level)
    return Spectrum(
        where,
        table[:, 0],
        table[:, counts],
        "counts",
        kinetic=True,
        stays_kinetic=stays_kinetic,
        photon_energy=photon,
        dwell_time=positive(block.seconds),
        precision=_PRECISION,
        label="Counts",
        variables={name: table[:, n] for name, n in zip(names, curves, strict=True)},
        labels=described,
        units=dict.fromkeys(names, "counts"),
        attrs={
            "title": block.title,
            "region": region or level,
            "element": element,
            "sample": sample,
            "casaxps": json.dumps({"components": components}) if components else "",
        },
        notes=[*notes, *_shift_note(table, labels, first_rate, photon)],
    ).dataset()


def _table(block: _Block, where: str) -> FloatArray:
    """Numbers of a block; NaN in the empty column that parts kinetic from binding energies."""
    if len(block.rows) < 2:
        raise ReadError(f"{where} is truncated: {len(block.rows)} rows follow its heading.")
    width = len(block.labels)
    for n, row in enumerate(block.rows):
        if len(row) < width or any(row[i].strip() == "" for i, label in enumerate(block.labels) if label):
            raise ReadError(
                f"{where} is truncated: line {block.line + n} holds fewer numbers than its heading names."
            )
    try:
        cells = [
            [cell if label else "nan" for cell, label in zip(row, block.labels, strict=False)]
            for row in block.rows
        ]
        return np.array(cells, float)
    except ValueError:
        raise ReadError(f"{where} holds something else than numbers in its columns.") from None


def _components(block: _Block, photon: float | None) -> list[dict[str, Any]]:
    names = [name for name in block.about.get("name", []) if name]
    found = []
    for i, name in enumerate(names):
        cells = {key: values[i] for key, values in block.about.items() if i < len(values)}
        position, width, area = (_float(cells.get(key, "")) for key in ("position", "fwhm", "area"))
        if position is not None and width is not None and area is not None:
            found.append(exported_component(name, cells.get("shape", ""), position, width, area, photon))
    return found


def _sample_and_level(title: str) -> tuple[str | None, str]:
    """``Cycle 4:Ni:Ni2p`` is the sample Ni and the level Ni2p."""
    parts = title.split(":")
    return (parts[-2].strip() or None, parts[-1].strip()) if len(parts) >= 3 else (None, parts[-1].strip())


def _shift_note(table: FloatArray, labels: list[str], binding: int, photon: float | None) -> list[str]:
    """What the exported binding energies were shifted by against those of the photon energy."""
    if photon is None or binding >= len(labels):
        return []
    shift = float(np.median(table[:, binding] - (photon - table[:, 0])))
    if abs(shift) < 1e-3:
        return []
    return [
        f"CasaXPS had shifted the exported binding energies by {shift:+.4g} eV; energies are as "
        "measured and its components (attrs casaxps) are on the shifted scale"
    ]
