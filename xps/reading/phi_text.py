"""Text that PHI MultiPak exports: a line that names region, cycle, time per step and sweeps, then energy and counts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from spectra.errors import ReadError
from spectra.reading.registry import Reader
from spectra.reading.source import Source
from xps.reading.levels import core_level
from xps.reading.spectrum import CUT_LINE, Quantity, Spectrum, are_whole, ends_inside_a_line, whole_counts

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["reader", "scans", "sniff"]

_HEAD = re.compile(r"Element\s*([^;]*);\s*Region\s+(\d{1,9})\s+of\s+(\d{1,9})\s*;(.*)$")
_CYCLE = re.compile(r"Depth Cycle\s+(\d{1,9})\s+of\s+(\d{1,9})")

#: Text holds a rate with six significant digits.
_PRECISION = 1e-5


@dataclass
class _Block:
    name: str
    region: int
    regions: int
    cycle: int
    cycles: int
    rest: str
    line: int
    rows: list[tuple[float, float]] = field(default_factory=list)

    def number(self, key: str) -> float | None:
        match = re.search(rf"{key}\s+(\d+\.?\d*(?:[eE][+-]?\d+)?)", self.rest)
        return float(match.group(1)) if match else None


def sniff(source: Source) -> float:
    """Certain where one of the first lines opens a region."""
    return 1.0 if re.search(rb"(^|\n)Element[^;\n]{0,60}; Region +\d+ of +\d+", source.head) else 0.0


def scans(source: Source) -> list[xr.Dataset]:
    """Every region and cycle of the file."""
    blocks = _blocks(source.text.split("\n"), source.name)
    _check_complete(blocks, source.name)
    notes = [CUT_LINE] if ends_inside_a_line(source.text) else []
    return [_dataset(block, source.name, notes) for block in blocks]


reader = Reader(
    "phi-text", "text that PHI MultiPak exports, all regions and cycles", (".txt", ".asc"), sniff, scans
)


def _blocks(lines: list[str], file: str) -> list[_Block]:
    blocks: list[_Block] = []
    for number, line in enumerate(lines, start=1):
        head = _HEAD.match(line.strip())
        if head:
            cycle = _CYCLE.search(head.group(4))
            now, of = (int(cycle.group(1)), int(cycle.group(2))) if cycle else (1, 1)
            name, region, regions, rest = head.groups()
            blocks.append(_Block(name.strip(), int(region), int(regions), now, of, rest, number))
        elif blocks and line.strip():
            blocks[-1].rows.append(_row(line, number, file))
    if not blocks:
        raise ReadError(f"{file}: no line opens a region (Element ...; Region 1 of ...).")
    return blocks


def _row(line: str, number: int, file: str) -> tuple[float, float]:
    words = re.split(r"[\s,;]+", line.strip())
    try:
        energy, value = map(float, words)
    except ValueError:
        raise ReadError(
            f"{file}: line {number} holds {line.strip()[:40]!r}, not an energy and its counts."
        ) from None
    return energy, value


def _check_complete(blocks: list[_Block], file: str) -> None:
    """Every region and cycle that the lines announce must be there."""
    there = {(b.region, b.cycle) for b in blocks}
    for block in blocks:
        for region in range(1, min(block.regions, len(blocks) + 1) + 1):
            if not any(r == region for r, _ in there):
                raise ReadError(f"{file} is truncated: region {region} of {block.regions} is not there.")
        for cycle in range(1, min(block.cycles, len(blocks) + 1) + 1):
            if (block.region, cycle) not in there:
                raise ReadError(
                    f"{file} is truncated: cycle {cycle} of {block.cycles} of {block.name} is not there."
                )
        same = [b for b in blocks if b.region == block.region]
        if len({len(b.rows) for b in same}) > 1:
            raise ReadError(f"{file} is truncated: the cycles of region {block.name} differ in length.")


def _dataset(block: _Block, file: str, notes: list[str]) -> xr.Dataset:
    where = f"{file}: region {block.name or block.region!r}"
    if len(block.rows) < 2:
        raise ReadError(
            f"{where} is truncated: it has {len(block.rows)} points after its heading in line {block.line}."
        )
    energy, values = np.array(block.rows).T
    dwell, sweeps = block.number("Time Per Step"), block.number("Sweeps")
    seconds = (dwell or 0) / 1000 * (sweeps or 1)
    quantity: Quantity = "counts"
    if not are_whole(values) and seconds:
        rate = are_whole(whole_counts(values * seconds, _PRECISION))
        quantity = "count_rate" if rate else "intensity"
    source = re.search(r"Anode\s+([^;]+);", block.rest)
    level, element = core_level(block.name)
    kinetic = re.search(r";\s*AES\b", block.rest) is not None
    return Spectrum(
        where,
        energy,
        values,
        quantity,
        kinetic=kinetic,
        photon_energy=block.number("Photon Energy"),
        dwell_time=dwell / 1000 if dwell else None,
        sweeps=sweeps,
        precision=_PRECISION,
        attrs={
            "title": block.name or "survey",
            "region": level or ("survey" if not block.name else block.name),
            "element": element,
            "source": source.group(1).strip() if source else None,
            "cycle": block.cycle - 1 if block.cycles > 1 else None,
        },
        notes=notes,
    ).dataset()
