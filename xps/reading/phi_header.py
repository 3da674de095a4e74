"""The header of PHI MultiPak files (``SOFH`` to ``EOFH``), old and new; it also stands in comments of VAMAS files."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from spectra.errors import ReadError
from xps.reading.levels import core_level

__all__ = ["Region", "parse_header", "phi_attributes", "phi_region", "regions"]

#: Fields of a region definition, after its name.
_FIELDS = 10
#: Longer than any time counted at a point (s).
_LONGEST = 1e6


@dataclass(frozen=True)
class Region:
    """A spectral region as the header defines it; energies in eV, ``seconds`` is the time counted at each point."""

    number: int
    name: str
    points: int
    step: float
    start: float
    end: float
    seconds: float
    pass_energy: float


def parse_header(lines: Sequence[str]) -> dict[str, list[str]]:
    """Entries ``key: value`` of a header, with all values of a key that stands several times."""
    found: dict[str, list[str]] = {}
    for line in lines:
        key, colon, value = line.partition(":")
        if colon:
            found.setdefault(key.strip(), []).append(value.strip())
    return found


def regions(header: dict[str, list[str]], file: str) -> list[Region]:
    """Regions that the header defines.

    Raises
    ------
    ReadError
        If there is none, fewer than announced, or a definition that cannot be understood.
    """
    found = [_region(text, file) for text in header.get("SpectralRegDef", [])]
    announced = _whole(header.get("NoSpectralReg", ["0"])[0])
    if not found:
        raise ReadError(f"{file}: its header defines no spectral region.")
    if announced is not None and announced != len(found):
        raise ReadError(
            f"{file}: its header announces {announced} spectral regions and defines {len(found)}."
        )
    return found


def _region(text: str, file: str) -> Region:
    words = text.split()
    try:
        first, last = words[:2], words[-_FIELDS:]
        number, name = int(first[0]), " ".join(words[2:-_FIELDS])
        _element, points, step, start, end, _low, _high, seconds, pass_energy, _use = last
        region = Region(
            number,
            name,
            int(points),
            float(step),
            float(start),
            float(end),
            float(seconds),
            float(pass_energy),
        )
    except (ValueError, IndexError):
        raise ReadError(
            f"{file}: the spectral region {text[:60]!r} of its header cannot be understood."
        ) from None
    if region.points < 2 or not 0 < abs(region.step) < math.inf or not math.isfinite(region.start):
        raise ReadError(f"{file}: region {name} has {region.points} points and a step of {region.step:g} eV.")
    if not 0 <= region.seconds < _LONGEST:
        raise ReadError(f"{file}: region {name} was counted for {region.seconds:g} s per point.")
    return region


def phi_region(name: str) -> tuple[str | None, str | None]:
    """Core level and element of a region: ``Sn3d5`` is ``Sn 3d5/2``; ``Su1s``, ``Sur1`` and no name are surveys."""
    if re.fullmatch(r"(su(r|rvey)?\d*s?)?", name.strip(), re.IGNORECASE):
        return "survey", None
    return core_level(re.sub(r"(?<=[pdf])([1357])$", r"\1/2", name.strip()))


def phi_attributes(header: dict[str, list[str]]) -> dict[str, Any]:
    """What the header says of the measurement as a whole."""
    one = {key: values[0] for key, values in header.items()}
    source = re.match(r"(\S+)\s+(\d+\.?\d*)", one.get("XraySource", ""))
    technique = one.get("Technique", "XPS").strip().lower() or "xps"
    sample = re.match(r"\(\d+,\s*(.*)\)$", one.get("FileDesc", ""))
    work_function = re.match(r"\d+\.?\d*", one.get("AnalyserWorkFcn", ""))
    return {
        "technique": "xps" if technique in ("xps", "ups") else technique,
        "photon_energy": float(source.group(2)) if source and technique == "xps" else None,
        "source": one.get("XraySource"),
        "sample": sample.group(1) if sample else None,
        "date": _date(one.get("AcqFileDate") or one.get("FileDate", "")),
        "instrument": one.get("InstrumentModel"),
        "work_function": float(work_function.group()) if work_function else None,
        "analyser_mode": one.get("AnalyserMode"),
    }


def _date(text: str) -> str | None:
    """Day of the measurement (the time of day is not given): ``24 01 26`` is 2024-01-26."""
    numbers = [n for word in text.split() if (n := _whole(word)) is not None]
    if len(numbers) != 3:
        return None
    year, month, day = numbers
    year += 0 if year > 99 else 2000 if year < 80 else 1900
    return f"{year:04d}-{month:02d}-{day:02d}" if 1 <= month <= 12 and 1 <= day <= 31 else None


def _whole(word: str) -> int | None:
    return int(word) if re.fullmatch(r"\d{1,9}", word.strip()) else None
