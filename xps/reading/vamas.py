"""VAMAS (ISO 14976) in the dialects of SPECS, Kratos, Thermo and CasaXPS.

Energies become binding energies with the photon energy that the file itself states, and stay kinetic where it
states none. Counts stay counts. What the file gives as 1E+37 was not given.

References
----------
W. A. Dench, L. B. Hazell, M. P. Seah, Surf. Interface Anal. 13, 63 (1988), doi:10.1002/sia.740130202
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.errors import ReadError
from spectra.reading.registry import Reader
from spectra.reading.scan import make_scan, unique_names
from spectra.reading.source import Source
from xps.reading.casaxps import casaxps_comments
from xps.reading.levels import core_level

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Block", "parse", "reader", "scans", "sniff"]

_MAGIC = "VAMAS Surface Chemical Analysis Standard Data Transfer Format 1988 May 4"
_NOT_GIVEN = 1e37

_EXPERIMENTS = ("NORM", "SDP", "SDPSV", "NOEXP")
_MAPS = {"MAP": "a map", "MAPDP": "a map with depth", "MAPSV": "a map of sums", "MAPSVDP": "a map of sums with depth",
         "SEM": "an electron micrograph"}  # fmt: skip
_SPUTTERED = ("FABMS", "FABMS energy spec", "ISS", "SIMS", "SIMS energy spec", "SNMS", "SNMS energy spec")
_SPUTTERING_SOURCE = ("AES diff", "AES dir", "EDX", "ELS", "UPS", "XPS", "XRF")


@dataclass
class Block:
    """One block of a VAMAS file as it is written; numbers that were not given are None."""

    name: str
    sample: str
    date: tuple[int, ...]
    comments: list[str]
    technique: str
    numbers: dict[str, float | None] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    variables: list[tuple[str, str]] = field(default_factory=list)  # label and units of each ordinate
    ordinates: npt.NDArray[np.float64] = field(
        default_factory=lambda: np.empty((0, 0))
    )  # (points, variables)
    experiment: dict[str, float | None] = field(default_factory=dict)


class _Lines:
    """Lines of the file, taken one after the other; where they run out, the error says what was missing."""

    def __init__(self, lines: Sequence[str], file: str) -> None:
        self._lines, self._file, self.at = lines, file, 0
        self.where = "the header"

    def text(self, what: str) -> str:
        if self.at >= len(self._lines):
            raise ReadError(f"{self._file} is truncated: it ends in {self.where}, before the {what}.")
        self.at += 1
        return self._lines[self.at - 1].strip()

    def number(self, what: str) -> float | None:
        word = self.text(what)
        try:
            value = float(word)
        except ValueError:
            raise ReadError(
                f"{self._file}: line {self.at} in {self.where} holds {word[:40]!r} where the {what} is due, a number."
            ) from None
        return None if abs(value) >= _NOT_GIVEN else value

    def count(self, what: str) -> int:
        value = self.number(what)
        if value is None or value != int(value):
            raise ReadError(
                f"{self._file}: line {self.at} in {self.where}: the {what} must be a whole number."
            )
        return int(value)

    def texts(self, how_many: int, what: str) -> list[str]:
        return [self.text(what) for _ in range(how_many)]

    def numbers(self, how_many: int, what: str) -> npt.NDArray[np.float64]:
        words = self._lines[self.at : self.at + how_many]
        if len(words) < how_many:
            raise ReadError(
                f"{self._file} is truncated: {self.where} announces {how_many} {what}, {len(words)} are there."
            )
        try:
            values = np.array(words, float)
        except ValueError:
            raise ReadError(
                f"{self._file}: {self.where} holds something else than numbers among its {what}."
            ) from None
        self.at += how_many
        return np.where(np.abs(values) >= _NOT_GIVEN, np.nan, values)


def sniff(source: Source) -> float:
    """Certain where one of the first lines is the format identifier."""
    return 1.0 if _MAGIC.encode() in source.head[:400] else 0.0


def scans(source: Source) -> list[xr.Dataset]:
    """Every block of a VAMAS file as a dataset."""
    return [_dataset(block, source.name) for block in parse(source)]


reader = Reader(
    "vamas", "VAMAS (ISO 14976) of SPECS, Kratos, Thermo and CasaXPS", (".vms", ".vamas"), sniff, scans
)


def parse(source: Source) -> list[Block]:
    """Blocks of a VAMAS file as they are written."""
    lines = source.text.split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    reading = _Lines(lines, source.name)
    while not reading.text("format identifier").startswith(_MAGIC):
        pass
    layout = _header(reading, source.name)
    blocks = []
    for number in range(layout.blocks):
        reading.where = f"block {number + 1} of {layout.blocks}"
        blocks.append(_block(reading, layout))
    return blocks


@dataclass
class _Layout:
    experiment: str
    regular: bool
    variables: list[str]
    extra_per_block: int
    blocks: int


def _header(lines: _Lines, file: str) -> _Layout:
    lines.texts(4, "institution, instrument, operator and experiment")
    lines.texts(lines.count("number of comment lines"), "comments")
    experiment, scan = lines.text("experiment mode").upper(), lines.text("scan mode").upper()
    if experiment not in _EXPERIMENTS:
        what = _MAPS.get(experiment, "of a kind that is not read")
        raise ReadError(
            f"{file}: its experiment mode {experiment} is {what}; read are {', '.join(_EXPERIMENTS)}."
        )
    if scan not in ("REGULAR", "IRREGULAR"):
        raise ReadError(f"{file}: its scan mode {scan} is not read; read are REGULAR and IRREGULAR.")
    if experiment in ("NORM", "SDP"):
        lines.count("number of spectral regions")
    variables = [
        lines.texts(2, "experimental variable")[0]
        for _ in range(lines.count("number of experimental variables"))
    ]
    included = lines.count("number of entries in the parameter inclusion list")
    if included:
        raise ReadError(
            f"{file}: its blocks leave out parameters (inclusion list of {included}), which is not read."
        )
    lines.texts(lines.count("number of manually entered items"), "manually entered items")
    extra = lines.count("number of future upgrade experiment entries")
    extra_per_block = lines.count("number of future upgrade block entries")
    lines.texts(extra, "future upgrade entries")
    blocks = lines.count("number of blocks")
    if blocks < 1:
        raise ReadError(f"{file} holds no blocks.")
    return _Layout(experiment, scan == "REGULAR", variables, extra_per_block, blocks)


def _block(lines: _Lines, layout: _Layout) -> Block:
    name, sample = lines.texts(2, "block and sample identifiers")
    lines.where = f"{lines.where} ({name})"
    date = tuple(int(lines.number("date and time") or 0) for _ in range(7))
    comments = lines.texts(lines.count("number of comment lines"), "comments")
    block = Block(name, sample, date, comments, lines.text("technique"))
    n, w = block.numbers, block.words
    block.experiment = {label: lines.number(label) for label in layout.variables}
    w["source"] = lines.text("source label")
    if layout.experiment in ("SDP", "SDPSV") or block.technique in _SPUTTERED:
        lines.texts(3, "sputtering species")
    for key in (
        "photon_energy",
        "source_strength",
        "beam_width_x",
        "beam_width_y",
        "source_polar",
        "source_azimuth",
    ):
        n[key] = lines.number(key.replace("_", " "))
    w["analyser_mode"] = lines.text("analyser mode")
    n["pass_energy"] = lines.number("pass energy")
    if block.technique == "AES diff":
        n["differential_width"] = lines.number("differential width")
    for key in (
        "magnification",
        "work_function",
        "target_bias",
        "width_x",
        "width_y",
        "take_off_polar",
        "take_off_azimuth",
    ):
        n[key] = lines.number(key.replace("_", " "))
    w["species"], w["transition"] = lines.texts(2, "species and transition")
    n["charge"] = lines.number("charge of the detected particle")
    if layout.regular:
        w["abscissa"], w["abscissa_units"] = lines.texts(2, "abscissa label and units")
        n["start"], n["increment"] = lines.number("abscissa start"), lines.number("abscissa increment")
    block.variables = [
        (label, units)
        for label, units in (
            lines.texts(2, "label and units") for _ in range(lines.count("number of variables"))
        )
    ]
    w["signal_mode"] = lines.text("signal mode")
    for key in ("dwell_time", "sweeps", "time_correction"):
        n[key] = lines.number(key.replace("_", " "))
    if layout.experiment in ("SDP", "SDPSV") and block.technique in _SPUTTERING_SOURCE:
        lines.texts(7, "sputtering source")
    for key in ("tilt_polar", "tilt_azimuth", "rotation"):
        n[key] = lines.number(key.replace("_", " "))
    for _ in range(lines.count("number of additional parameters")):
        label, _units = lines.texts(2, "additional parameter")
        n[f"additional {label}"] = lines.number(label)
    lines.texts(layout.extra_per_block, "future upgrade block entries")
    values = lines.count("number of ordinate values")
    lines.texts(2 * len(block.variables), "limits of the ordinates")
    if not block.variables or values % len(block.variables):
        raise ReadError(
            f"{lines._file}: {lines.where} announces {values} values for {len(block.variables)} variables."
        )
    block.ordinates = lines.numbers(values, "ordinate values").reshape(-1, len(block.variables))
    return block


def _dataset(block: Block, file: str) -> xr.Dataset:
    where = f"{file}: block {block.name!r}"
    abscissa, units, x, variables, columns = _abscissa(block, where)
    notes: list[str] = []
    axis, energies = _energies(block, abscissa, units, x, where, notes)
    if energies[0] > energies[-1]:  # kinetic energies ascend as a rule, so binding energies descend
        energies, columns = energies[::-1], columns[::-1]
    named, signal = _ordinates(block, variables, columns)
    if signal == "counts" and not (np.mod(named[signal][0], 1) == 0).all():
        notes.append("counts are not whole numbers: they were averaged or corrected before they were written")
    casa = casaxps_comments(block.comments, _positive(block, "photon_energy"))
    if "calibrations" in casa:
        shift = sum(c["shift"] for c in casa["calibrations"])
        notes.append(
            f"CasaXPS had shifted this block by {shift:+.4g} eV in all; energies are as measured and its components "
            "(attrs casaxps) are on the shifted scale"
        )
    return make_scan(
        where,
        energies,
        {name: values for name, (values, _, _) in named.items()},
        axis=axis,
        signal=signal,
        units={name: unit for name, (_, unit, _) in named.items()},
        labels={name: label for name, (_, _, label) in named.items()},
        attrs=_attributes(block) | ({"casaxps": json.dumps(casa)} if casa else {}),
        notes=notes,
    )


def _abscissa(
    block: Block, where: str
) -> tuple[str, str, npt.NDArray[np.float64], list[tuple[str, str]], npt.NDArray[np.float64]]:
    """Label, units and values of the abscissa, and what is left as ordinates."""
    if "abscissa" in block.words:
        start, step = block.numbers["start"], block.numbers["increment"]
        if start is None or not step:
            raise ReadError(f"{where}: start and increment of its abscissa are not given.")
        x = start + step * np.arange(len(block.ordinates), dtype=np.float64)
        return block.words["abscissa"], block.words["abscissa_units"], x, block.variables, block.ordinates
    label, units = block.variables[0]
    if len(block.variables) < 2:
        raise ReadError(f"{where}: its one variable {label!r} is the abscissa; nothing was measured.")
    return label, units, block.ordinates[:, 0], block.variables[1:], block.ordinates[:, 1:]


def _energies(
    block: Block, label: str, units: str, x: npt.NDArray[np.float64], where: str, notes: list[str]
) -> tuple[str, npt.NDArray[np.float64]]:
    if units.lower() != "ev":
        raise ReadError(
            f"{where}: its abscissa {label!r} is in {units!r}, not eV: no photoelectron spectrum."
        )
    if "binding" in label.lower():
        return "binding_energy", x
    photon = _positive(block, "photon_energy")
    if photon is None:
        notes.append("the file gives no photon energy: energies stay kinetic")
        return "kinetic_energy", x
    return "binding_energy", np.round(photon - x, 9) + 0.0


def _ordinates(
    block: Block, variables: list[tuple[str, str]], columns: npt.NDArray[np.float64]
) -> tuple[dict[str, tuple[npt.NDArray[np.float64], str, str]], str]:
    """Variables by name with their values, units and labels, and which was measured."""
    label, units = variables[0]
    rate = re.search(r"cps|counts?/s|/s$", f"{label} {units}", re.IGNORECASE) is not None
    counting = "count" in f"{block.words['signal_mode']} {label}".lower()
    signal = "count_rate" if rate else "counts" if counting else "intensity"
    unit = {"count_rate": "counts/s", "counts": "counts", "intensity": ""}[signal]
    named = {signal: (columns[:, 0], unit, label)}
    names = unique_names([label for label, _ in variables[1:]], taken=(signal, "transmission"))
    for n, (name, (label, _)) in enumerate(zip(names, variables[1:], strict=True), start=1):
        values = columns[:, n]
        # CasaXPS writes the transmission second, under whatever label, and ones where there is none
        named_so = label.lower().startswith("transmission")
        casa = n == 1 and (label == variables[0][0] or bool((values == 1).all()))
        second = "transmission" not in named and (named_so or casa)
        named["transmission" if second else name] = (values, "", label)
    return named, signal


def _positive(block: Block, key: str) -> float | None:
    """A number that has a meaning only above zero; programs write 0 where they do not know it."""
    value = block.numbers.get(key)
    return value if value is not None and value > 0 else None


def _attributes(block: Block) -> dict[str, Any]:
    region, element = core_level(f"{block.words['species']} {block.words['transition']}", block.name)
    year, month, day, hour, minute, second, offset = block.date
    zone = datetime.timezone(datetime.timedelta(hours=offset)) if -24 < offset < 24 and offset else None
    try:
        start = datetime.datetime(year, month, day, hour, minute, second, tzinfo=zone).isoformat()
    except ValueError:  # 0/0/0: no date
        start = None
    given = {k: v for k, v in block.experiment.items() if v is not None}
    return {
        "technique": "xps" if block.technique.upper() in ("XPS", "UPS") else block.technique.lower(),
        "title": block.name,
        "region": region or re.sub(r"^\d+:", "", block.name).strip(),
        "element": element,
        "sample": block.sample,
        "start_time": start,
        "source": block.words["source"],
        "photon_energy": _positive(block, "photon_energy"),
        "pass_energy": _positive(block, "pass_energy"),
        "dwell_time": _positive(block, "dwell_time"),
        "sweeps": _positive(block, "sweeps"),
        "work_function": block.numbers.get("work_function"),
        "analyser_mode": block.words["analyser_mode"],
        "signal_mode": block.words["signal_mode"],
        "experiment": json.dumps(given) if given else "",
        "comments": "\n".join(block.comments).strip(),
    }
