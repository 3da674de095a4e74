"""Text that SPECS programs export (SpecsLab 2, Prodigy: .xy): a header that says what the numbers are, then blocks.

Counts or counts per second, kinetic or binding energy and whether scans stand apart is said at the top only.
"""

from __future__ import annotations

import datetime
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from spectra.errors import ReadError
from spectra.reading.registry import Reader
from spectra.reading.scan import unique_names
from spectra.reading.source import Source
from xps.reading.spectrum import CUT_LINE, Spectrum, ends_inside_a_line, positive

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["reader", "scans", "sniff"]

_OPENS = re.compile(r"Cycle:\s*(\d+),\s*Curve:\s*(\d+)(?:,\s*Scan:\s*(\d+))?(?:,\s*Channel:\s*(\d+))?")
_ENTRY = re.compile(r"([A-Za-z][^:]*?):\s+(.*)$|([A-Za-z][^:]*):$")
_INTENSITY = re.compile(r"counts?(/s)?|intensity", re.IGNORECASE)


@dataclass
class _Block:
    """One table of numbers with what was said above it."""

    about: dict[str, str]
    place: tuple[str | None, ...] = ()  # cycle, curve, scan, channel
    labels: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    line: int = 0
    external: bool = False

    @property
    def name(self) -> str:
        return self.about.get("Region", "?")


def sniff(source: Source) -> float:
    """Certain where the first lines name the serializer of SPECS."""
    said = re.search(rb"Created by:\s+Specs|XY-Serializer Export Settings", source.head[:1500])
    return 1.0 if said else 0.0


def scans(source: Source) -> list[xr.Dataset]:
    """Every region, cycle, curve and scan of the file."""
    settings, blocks = _blocks(source.text.split("\n"), source.name)
    _check_complete(blocks, settings, source.name)
    spectra = [b for b in blocks if not b.external]
    others = sorted({b.labels[-1] if b.labels else "?" for b in blocks if b.external})
    notes = [f"channels that are no spectra were left out ({', '.join(others)})"] if others else []
    if ends_inside_a_line(source.text):
        notes.append(CUT_LINE)
    return [_dataset(block, settings, source.name, notes) for block in spectra]


reader = Reader("specs-xy", "text that SPECS SpecsLab 2 and Prodigy export (.xy)", (".xy",), sniff, scans)


def _blocks(lines: list[str], file: str) -> tuple[dict[str, str], list[_Block]]:
    """What the top of the file says, and its tables."""
    prefix = lines[0][:1] if lines and lines[0][:1] in "#%;!*" else "#"
    settings: dict[str, str] = {}
    about: dict[str, str] = {}
    blocks: list[_Block] = []
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if text and not text.startswith(prefix):
            if blocks:
                blocks[-1].rows.append(text.split())
            continue
        text = text.lstrip(prefix).strip()
        opens = _OPENS.search(text)
        if opens:
            blocks.append(
                _Block(dict(about), opens.groups(), line=number, external="external" in text.lower())
            )
            continue
        key, value = _entry(text)
        if key == "ColumnLabels" and blocks:
            blocks[-1].labels = value.split()
        elif key == "Region":
            about = {k: v for k, v in about.items() if k == "Group"} | {"Region": value}
        elif key == "Group":
            about = {"Group": re.sub(r"^\d+\s+", "", value)}
        elif key == "Acquisition Date" and blocks and not blocks[-1].rows and "Region" in about:
            blocks[-1].about[key] = value
        elif key and "Region" not in about:
            settings[key] = value
        elif key:
            about[key] = value
    if "Region" in about and not (blocks and blocks[-1].name == about["Region"]):
        raise ReadError(
            f"{file} is truncated: the values of its last region {about['Region']} are not there."
        )
    return settings, blocks


def _entry(text: str) -> tuple[str, str]:
    match = _ENTRY.match(text)
    if match is None:
        return "", ""
    return (match.group(1) or match.group(3)).strip(), (match.group(2) or "").strip()


def _check_complete(blocks: list[_Block], settings: dict[str, str], file: str) -> None:
    """All values and scans that the headings announce must be there."""
    if not any(block.rows for block in blocks):
        raise ReadError(f"{file} is truncated: its header is not followed by a spectrum.")
    for block in blocks:
        announced = block.about.get("Values/Curve", "")
        if announced.isdecimal() and len(announced) < 10 and int(announced) != len(block.rows):
            raise ReadError(
                f"{file} is truncated: region {block.name} announces {announced} values, {len(block.rows)} are there."
            )
    if settings.get("Separate Scan Data", "").lower() != "yes":
        return
    last = [b for b in blocks if not b.external][-1]
    announced = last.about.get("Number of Scans", "")
    same = {b.place[2] for b in blocks if b.about.get("Region") == last.name and b.place[0] == last.place[0]}
    if announced.isdecimal() and len(announced) < 10 and len(same) < int(announced):
        raise ReadError(
            f"{file} is truncated: region {last.name} announces {announced} scans, {len(same)} are there."
        )


def _dataset(block: _Block, settings: dict[str, str], file: str, notes: list[str]) -> xr.Dataset:
    where = f"{file}: region {block.name!r}"
    width = len(block.rows[0]) if block.rows else 0
    odd = next((row for row in block.rows if len(row) != width), None)
    if width < 2 or odd is not None:
        raise ReadError(
            f"{where} is damaged: a row holds {len(odd or [])} numbers where {max(width, 2)} are due."
        )
    try:
        columns = np.array(block.rows, float).T
    except ValueError:
        raise ReadError(f"{where} holds something else than numbers among its values.") from None
    labels = block.labels if len(block.labels) == width else ["energy", "counts", *[""] * (width - 2)]
    found = [n for n, label in enumerate(labels) if n and _INTENSITY.match(label)]
    position = found[0] if found else 1
    per_second = "per second" in settings.get("Count Rate", labels[position]).lower() or labels[
        position
    ].endswith("/s")
    kinetic = "binding" not in settings.get("Energy Axis", "").lower()
    said = (
        []
        if "Energy Axis" in settings
        else ["the header names no energy axis: energies were taken as kinetic"]
    )
    others = [n for n in range(1, width) if n != position]
    names = unique_names([labels[n] for n in others], taken=("counts", "count_rate", "intensity"))
    rates = {
        name: "counts/s" for name, n in zip(names, others, strict=True) if per_second and "/s" in labels[n]
    }
    return Spectrum(
        where,
        columns[0],
        columns[position],
        "count_rate" if per_second else "counts",
        kinetic=kinetic,
        photon_energy=_number(block, "Excitation Energy"),
        dwell_time=_number(block, "Dwell Time"),
        sweeps=_sweeps(block, settings),
        label=labels[position],
        variables={name: columns[n] for name, n in zip(names, others, strict=True)},
        labels={name: labels[n] for name, n in zip(names, others, strict=True)},
        units=rates,
        attrs=_attributes(block),
        notes=[*notes, *said],
    ).dataset()


def _sweeps(block: _Block, settings: dict[str, str]) -> float | None:
    """Sweeps that are in one table: one where scans stand apart, else all of them."""
    if settings.get("Separate Scan Data", "no").lower() == "yes":
        return 1.0
    return _number(block, "Number of Scans")


def _number(block: _Block, key: str) -> float | None:
    try:
        return positive(float(block.about.get(key, "")))
    except ValueError:
        return None


def _attributes(block: _Block) -> dict[str, Any]:
    about = block.about
    technique = about.get("Analysis Method", "XPS").lower()
    places = dict(zip(("cycle", "curve", "scan_number", "channel"), block.place, strict=False))
    work_function = _number(block, "Eff. Workfunction")
    return {
        "technique": "xps" if technique in ("xps", "ups") else technique,
        "title": about.get("Region"),
        "region": about.get("Region"),
        "sample": about.get("Group"),
        "start_time": _time(about.get("Acquisition Date", "")),
        "source": about.get("Source"),
        "instrument": about.get("Analyzer"),
        "pass_energy": _number(block, "Pass Energy"),
        "work_function": work_function,
        "analyser_mode": about.get("Scan Mode"),
        "lens_mode": about.get("Analyzer Lens"),
        **{key: int(value) for key, value in places.items() if value is not None},
        "metadata": json.dumps(about),
    }


def _time(text: str) -> str | None:
    """``08/24/23 14:11:36 UTC`` (month first) in ISO 8601."""
    match = re.match(r"(\d\d/\d\d/\d\d(?:\d\d)? \d\d:\d\d:\d\d)(\s+UTC)?", text)
    if match is None:
        return None
    pattern = "%m/%d/%Y %H:%M:%S" if len(match.group(1)) == 19 else "%m/%d/%y %H:%M:%S"
    try:
        when = datetime.datetime.strptime(match.group(1), pattern).replace(tzinfo=datetime.UTC)
    except ValueError:
        return None
    return when.isoformat() if match.group(2) else when.replace(tzinfo=None).isoformat()
