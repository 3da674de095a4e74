"""EMSA/MAS spectral data files (ISO 22029): .msa and what programs make of them, also without any header.

References
----------
ISO 22029:2022, Microbeam analysis: EMSA/MAS standard file format for spectral-data exchange.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset.conventions import AXES, spectral_axis
from spectra.errors import InvalidInput, ReadError, did_you_mean
from spectra.reading import text as text_reader
from spectra.reading.registry import Reader
from spectra.reading.scan import add_note, make_scan
from spectra.reading.source import Source
from spectra.reading.times import parse_time
from xas.eels.reading.spectrum import LossSpectrum, counts_units, plain_metadata

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["reader", "scans", "sniff"]

FloatArray = npt.NDArray[np.float64]

_LINE = re.compile(r"#\s*([A-Za-z]+)\s*(?:-\s*([A-Za-z%/]+)\s*)?:(.*)$")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][+-]?\d+)?$")
_XRAY = re.compile(r"x-?rays?\b|\bxas\b|xanes|nexafs|electron.?yield", re.IGNORECASE)
_NAMELESS = ("", "<undefined>", "undefined", "none", "unknown")
_SCALES = {"ev": 1.0, "kev": 1e3, "mev": 1e-3}
#: Kinds of spectra that the format knows beside energy losses.
_OTHERS = {"EDS": "X-ray emission", "WDS": "X-ray emission", "XRF": "X-ray fluorescence", "AES": "Auger electrons",
           "PES": "photoelectrons", "CLS": "cathodoluminescence", "GAM": "gamma rays"}  # fmt: skip
#: How far, in channels, the axis may differ from that of the header's numbers before it is worth a word.
_HALF = 0.5


def sniff(source: Source) -> float:
    """Sure of the first keyword; a .msa of numbers alone only by its ending."""
    if re.match(rb"(\xef\xbb\xbf)?\s*#\s*FORMAT\b[^\n]*EMSA", source.head, re.IGNORECASE):
        return 0.97
    if source.path.suffix.lower() != ".msa" or not source.is_text:
        return 0.0
    first = source.text[:200].strip().split("\n")[0]
    return 0.3 if _values(first) else 0.05


def scans(source: Source, *, axis: str | None = None, default_axis: str | None = None) -> list[xr.Dataset]:
    """The one spectrum of a file.

    ``axis`` says what the axis is, whatever the file says; ``default_axis`` what it is where the file says nothing
    that can be relied upon.
    """
    if axis is not None and axis not in AXES:
        raise InvalidInput(f"axis {axis!r} is not a spectral axis; {did_you_mean(axis, AXES)}.")
    if not source.is_text:
        raise ReadError(f"{source.name} is binary, not EMSA/MAS text.")
    if not re.search(r"^\s*#\s*[A-Za-z]+.*:", source.text[:4096], re.MULTILINE):
        return _headerless(source, axis or default_axis or "energy_loss")
    file = _parse(source)
    x, y = _columns(file)
    chosen = _axis(file, axis, default_axis)
    title = file.words.get("TITLE") or source.path.stem
    start = _start(file)
    shared = {"title": title, "start_time": start, "metadata": plain_metadata(file.words)}
    if chosen == "energy_loss":
        spectrum = LossSpectrum(
            source.name, x, y, units=counts_units(file.words.get("YUNITS", ""), y),
            settings=_settings(file), attrs=shared | {"owner": file.words.get("OWNER")}, notes=file.notes,
        )  # fmt: skip
        return [spectrum.dataset()]
    signal = "mu" if chosen == "energy" else "counts"
    attrs = shared | ({"technique": "xas"} if chosen == "energy" else {})
    return [make_scan(source.name, x, {signal: y}, axis=chosen, signal=signal, attrs=attrs, notes=file.notes)]


reader = Reader("emsa", "EMSA/MAS (ISO 22029) in all its forms, and .msa without a header", (".msa", ".ems", ".emsa"), sniff, scans)  # fmt: skip


@dataclass
class _File:
    """Keywords of the header with their units, the numbers of the body, and what was noticed."""

    name: str
    words: dict[str, str]
    units: dict[str, str]
    rows: list[list[float]]
    notes: list[str] = field(default_factory=list)

    def number(self, key: str) -> float | None:
        found = re.match(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][+-]?\d+)?)", self.words.get(key, ""))
        number = float(found.group(1).lower().replace("d", "e")) if found else math.nan
        return number if math.isfinite(number) else None


def _headerless(source: Source, axis: str) -> list[xr.Dataset]:
    """Two columns of numbers under the name .msa."""
    from xas.eels.reading.spectrum import marked

    (scan, *_) = text_reader.scans(source, default_axis=axis)
    said = "the file has no header, though its name says EMSA/MAS"
    if axis != "energy_loss":
        return [add_note(scan, said)]
    if spectral_axis(scan) != axis:
        raise ReadError(f"{source.name} lies along {spectral_axis(scan)}, which is no energy loss.")
    y = scan[scan.attrs["signal"]]
    scan = scan.rename({y.name: "counts"}).assign_attrs(signal="counts", technique="eels")
    scan.counts.attrs["units"] = counts_units("", y.values)
    said += (
        ": its two columns were taken as energy loss in eV and counts; beam energy and angles are not known"
    )
    return [marked(add_note(scan, said))]


def _parse(source: Source) -> _File:
    words: dict[str, str] = {}
    units: dict[str, str] = {}
    rows: list[list[float]] = []
    notes: list[str] = []
    began = ended = False
    bad = 0
    lines = source.text.split("\n")
    for number, line in enumerate(lines):
        match = _LINE.match(line.strip())
        if match is None:
            if line.strip() and began and not ended:
                values = _values(line)
                whole = values and not (number == len(lines) - 1)  # the last line may stop inside of a number
                rows += [values] if values and (whole or ended) else []
                bad += not whole
            continue
        key, unit, value = match.group(1).upper(), match.group(2) or "", match.group(3).strip()
        if key == "SPECTRUM":
            began = True
        elif key == "ENDOFDATA":
            ended = True
        elif key in words and key not in ("XLABEL", "YLABEL", "COMMENT"):
            notes.append(f"the keyword {key} stands twice in the header; the first counts")
        else:
            words[key], units[key] = value or words.get(key, ""), unit
    if not began:
        raise ReadError(
            f"{source.name} has no line #SPECTRUM, after which the values begin: it is cut or damaged."
        )
    if not ended:
        notes.append("the file lacks its last line, #ENDOFDATA: it may be cut")
    elif bad:
        notes.append(f"{bad} lines of the data that are no numbers were left out")
    if not rows:
        raise ReadError(f"{source.name} holds no values after its header.")
    return _File(source.name, words, units, rows, notes)


def _values(line: str) -> list[float]:
    """The numbers of a line; none where anything else stands in it."""
    cells = [c for c in re.split(r"[,;\s]+", line.strip()) if c]
    if not cells or not all(_NUMBER.match(c) for c in cells):
        return []
    return [float(c.lower().replace("d", "e")) for c in cells]


@np.errstate(over="ignore", invalid="ignore")  # numbers beyond all bounds are refused with the axis
def _columns(file: _File) -> tuple[FloatArray, FloatArray]:
    """Axis in eV and values: the pairs of the file where it has such, else the axis from its keywords."""
    flat = np.array([v for row in file.rows for v in row])
    said, step, offset = file.number("NPOINTS"), file.number("XPERCHAN"), file.number("OFFSET")
    pairs = file.words.get("DATATYPE", "").upper().startswith("XY")
    if not pairs and said is not None and flat.size == 2 * int(said) and all(len(r) == 2 for r in file.rows):
        file.notes.append("DATATYPE says Y and the lines are pairs: read as XY")
        pairs = True
    if pairs and all(len(row) == 1 for row in file.rows):
        file.notes.append("DATATYPE says XY and the lines hold one value: read as Y")
        pairs = False
    if pairs and flat.size % 2:
        file.notes.append("the last value has no partner and was left out")
        flat = flat[:-1]
    y = flat[1::2] if pairs else flat
    if said is not None and y.size != int(said):
        file.notes.append(f"NPOINTS says {int(said)} and the file holds {y.size} points")
    if y.size < 2:
        raise ReadError(f"{file.name}: {y.size} point; a spectrum needs at least 2.")
    scale = _scale(file)
    if not pairs:
        if not step or offset is None:
            raise ReadError(
                f"{file.name} holds values without an axis: its XPERCHAN and OFFSET do not say the energies."
            )
        return (offset + step * np.arange(y.size, dtype=np.float64)) * scale, y
    x = flat[::2]
    if step and offset is not None:
        far = np.max(np.abs(x - offset - step * np.arange(x.size))) / abs(step)
        if far > _HALF:
            file.notes.append(
                f"the x column differs from OFFSET and XPERCHAN by up to {far:.3g} channels: the column is the axis"
            )
    return x * scale, y


def _scale(file: _File) -> float:
    units = file.words.get("XUNITS", "").strip().lower()
    found = re.search(r"\b([km]?ev)\b", units)
    if found:
        return _SCALES[found.group(1)]
    if units not in _NAMELESS:
        raise ReadError(f"{file.name}: its axis is in {file.words['XUNITS']!r}, not eV: no energy loss.")
    file.notes.append("XUNITS is not defined: the axis was taken to be in eV")
    return 1.0


def _axis(file: _File, axis: str | None, default: str | None) -> str:
    """What the axis is: as told, else by SIGNALTYPE, unless the title says that X-rays were used."""
    if axis is not None:
        return axis
    kind, title = file.words.get("SIGNALTYPE", "").upper(), file.words.get("TITLE", "")
    xray = _XRAY.search(re.sub(r"_|\d", " ", title))
    if xray and kind in ("ELS", "XAS", ""):
        if kind == "ELS":
            file.notes.append(
                f"SIGNALTYPE says ELS and the title {title!r} X-rays: this seems to be X-ray absorption"
            )
        return default if default in ("energy", "energy_loss") else "energy"
    if kind == "XAS":
        return "energy"
    if kind in _OTHERS:
        raise ReadError(f"{file.name} holds {_OTHERS[kind]} (SIGNALTYPE {kind}), no energy losses.")
    if kind == "ELS" or "loss" in (file.words.get("XUNITS", "") + file.words.get("XLABEL", "")).lower():
        return "energy_loss"
    file.notes.append("SIGNALTYPE is not given: read as energy loss")
    return "energy_loss"


def _settings(file: _File) -> dict[str, Any]:
    """Settings that the analysis needs, in keV, mrad and s."""
    dwell = file.number("DWELLTIME")
    live = file.number("LIVETIME") or file.number("INTEGTIME")
    times = {"dwell_time": dwell / 1000} if dwell else {"dwell_time": live} if live else {}
    return {
        "beam_energy": file.number("BEAMKV"),
        "convergence_angle": file.number("CONVANGLE"),
        "collection_angle": file.number("COLLANGLE"),
        **times,
    }


def _start(file: _File) -> str | None:
    date, time = file.words.get("DATE", ""), file.words.get("TIME", "")
    if not date:
        return None
    start = parse_time(f"{date} {time}:00" if time.count(":") == 1 else f"{date} {time}".strip())
    if start is None:
        file.notes.append(f"the date {f'{date} {time}'.strip()!r} cannot be read without a guess")
    return start
