"""PHI MultiPak binary files: spectra (.spe) and sputter depth profiles (.pro), old and new.

After the header stand four numbers (the second: how many blocks; the last: where the list of blocks begins) and an
entry of 96 bytes per block: region (word 3), points and cycles (words 5, 6), names of both dimensions, units, type of
the numbers, bytes and offset (words 18 to 20). Files of old systems call the type ``u8`` and hold float64 all the same.
Intensities are counts per second.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.errors import ReadError
from spectra.reading.registry import Reader
from spectra.reading.source import Source
from xps.reading.phi_header import Region, parse_header, phi_attributes, phi_region, regions
from xps.reading.spectrum import Spectrum, positive, steps_of_energy, whole_counts

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["reader", "scans", "sniff"]

FloatArray = npt.NDArray[np.float64]

_START, _END = b"SOFH", b"EOFH"
_ENTRY = 96
_TYPES: dict[str, np.dtype[Any]] = {"f4": np.dtype("<f4"), "f8": np.dtype("<f8"), "u8": np.dtype("<f8")}

#: How closely float32 holds a rate, times a few operations.
_PRECISION = 1e-6
#: Fewer points than this may share a divisor by chance.
_ENOUGH = 20
#: Above any rate or area in counts per second.
_HIGHEST = 1e15


@dataclass(frozen=True)
class _Block:
    """One block of numbers: for which region, along what, in which units."""

    region: int
    dims: tuple[str, str]
    units: str
    values: FloatArray  # (cycles, points)


def sniff(source: Source) -> float:
    """Certain where the content begins with the mark of the header."""
    return 1.0 if source.head.startswith((_START + b"\n", _START + b"\r\n")) else 0.0


def scans(source: Source) -> list[xr.Dataset]:
    """Every region of a MultiPak file, each cycle of a depth profile on its own."""
    at = source.content.find(_END)
    if not source.content.startswith(_START) or at < 0:
        raise ReadError(f"{source.name} is truncated or no MultiPak file: its header has no {_END.decode()}.")
    header = parse_header(source.content[:at].decode("latin-1").splitlines())
    defined = {region.number: region for region in regions(header, source.name)}
    body = source.content[at + len(_END) :].removeprefix(b"\r").removeprefix(b"\n")
    blocks = _blocks(body, source.name)
    spectra = [b for b in blocks if b.units == "c/s" and b.region in defined]
    missing = [r.name for r in defined.values() if r.number not in {b.region for b in spectra}]
    if missing:
        raise ReadError(
            f"{source.name}: there are no counts of the region {missing[0]!r} that its header defines."
        )
    times = next((b.values for b in blocks if b.units == "s" and b.dims == ("cyc", "reg")), None)
    left = sorted({b.units for b in blocks if b not in spectra and b.units != "s"})
    notes = [f"blocks that hold no spectra were left out (in {', '.join(left)})"] if left else []
    found = []
    for block in spectra:
        found += _cycles(block, defined[block.region], header, times, notes, source.name)
    return found


reader = Reader("phi", "PHI MultiPak spectra and depth profiles, old and new", (".spe", ".pro"), sniff, scans)


def _blocks(body: bytes, file: str) -> list[_Block]:
    if len(body) < 16:
        raise ReadError(f"{file} is truncated: it ends with its header, before the spectra.")
    _, count, _, first = struct.unpack_from("<4I", body)
    if first + count * _ENTRY > len(body) or first < 16:
        raise ReadError(
            f"{file} is truncated or damaged: it announces {count} blocks and has {len(body)} bytes."
        )
    return [_block(body, first + i * _ENTRY, file, i + 1) for i in range(count)]


def _block(body: bytes, at: int, file: str, number: int) -> _Block:
    words = struct.unpack_from("<24I", body, at)
    kind = _text(body, at + 72, 4)
    region, points, cycles, size, offset = words[3], words[5], words[6], words[19], words[20]
    if kind not in _TYPES:
        raise ReadError(f"{file}: block {number} holds numbers of the unknown type {kind!r}.")
    dtype = _TYPES[kind]
    if size != points * cycles * dtype.itemsize or not points or not cycles:
        raise ReadError(f"{file}: block {number} announces {points} x {cycles} numbers in {size} bytes.")
    if offset + size > len(body):
        raise ReadError(
            f"{file} is truncated: block {number} of {size} bytes ends {offset + size - len(body)} bytes after the file."
        )
    values = np.frombuffer(body, dtype, points * cycles, offset).reshape(cycles, points)
    if not (np.abs(values) < _HIGHEST).all():
        raise ReadError(f"{file} is damaged: block {number} holds numbers that nothing measures.")
    dims = (_text(body, at + 32, 4), _text(body, at + 40, 4))
    return _Block(region, dims, _text(body, at + 56, 16), values.astype(np.float64))


def _text(body: bytes, at: int, length: int) -> str:
    return body[at : at + length].split(b"\0")[0].decode("latin-1")


def _cycles(
    block: _Block, region: Region, header: dict[str, list[str]], times: Any, notes: list[str], file: str
) -> list[xr.Dataset]:
    """Every cycle of one region."""
    where = f"{file}: region {region.name!r}"
    cycles, points = block.values.shape
    if points != region.points:
        raise ReadError(f"{where} has {points} points, its definition in the header {region.points}.")
    about = phi_attributes(header)
    seconds, said = _seconds(block.values, positive(region.seconds))
    if header.get("IntensityRecal", ["no"])[0].lower().startswith("y"):
        said = [*said, "MultiPak had corrected the intensities (IntensityRecal)"]
    level, element = phi_region(region.name)
    found = []
    for cycle, rate in enumerate(block.values):
        spectrum = Spectrum(
            where,
            steps_of_energy(region.start, region.step, points, where),
            rate,
            "count_rate",
            kinetic=about["technique"] == "aes",
            photon_energy=about["photon_energy"],
            dwell_time=seconds,
            precision=_PRECISION,
            attrs={
                **about,
                "title": region.name,
                "region": level or region.name,
                "element": element,
                "pass_energy": positive(region.pass_energy),
                "cycle": cycle if cycles > 1 else None,
                "sputter_time": _sputter_time(times, cycle, region.number) if cycles > 1 else None,
                "metadata": json.dumps({key: "; ".join(values) for key, values in header.items()}),
            },
            notes=[*said, *notes],
        )
        found.append(spectrum.dataset())
    return found


def _seconds(rates: FloatArray, seconds: float | None) -> tuple[float | None, list[str]]:
    """Time counted at each point: that of the header, or the fraction of it that the counts themselves show.

    A region whose counts by the time of the header are all multiples of ten was swept once where ten sweeps were
    planned; its noise is that of a tenth of the counts.
    """
    if seconds is None:
        return None, []
    counts = whole_counts(rates * seconds, _PRECISION)
    counted = counts[counts > 0]
    if counted.size < _ENOUGH or (np.mod(counted, 1) != 0).any():
        return seconds, []
    divisor = int(np.gcd.reduce(counted.astype(np.int64)))
    if divisor == 1:
        return seconds, []
    return seconds / divisor, [
        f"every count by the {seconds:g} s per point of the header is a multiple of {divisor}: "
        f"counted were {seconds / divisor:g} s per point"
    ]


def _sputter_time(times: Any, cycle: int, region: int) -> float | None:
    """Time of sputtering in s before this cycle of this region."""
    if times is None or region > len(times) or cycle >= times.shape[1]:
        return None
    return float(times[region - 1, cycle]) + 0.0
