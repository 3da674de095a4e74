"""Blocks of a VAMAS file (ISO 14976) as they are written, line after line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from spectra.errors import ReadError
from spectra.reading.source import Source

__all__ = ["MAGIC", "Block", "parse"]

MAGIC = "VAMAS Surface Chemical Analysis Standard Data Transfer Format 1988 May 4"
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
    experiment_units: dict[str, str] = field(default_factory=dict)


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
        return None if math.isnan(value) or abs(value) >= _NOT_GIVEN else value

    def count(self, what: str, *, least: int = 0) -> int:
        value = self.number(what)
        if value is None or value != int(value) or value < least:
            raise ReadError(
                f"{self._file}: line {self.at} in {self.where}: the {what} must be a whole number, not below {least}."
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


def parse(source: Source) -> list[Block]:
    """Blocks of a VAMAS file as they are written."""
    lines = source.text.split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    reading = _Lines(lines, source.name)
    while not reading.text("format identifier").startswith(MAGIC):
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
    variables: list[tuple[str, str]]  # label and units of each experimental variable
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
        (label, units)
        for label, units in (
            lines.texts(2, "experimental variable")
            for _ in range(lines.count("number of experimental variables"))
        )
    ]
    included = lines.count("number of entries in the parameter inclusion list", least=-40)
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
    block.experiment = {label: lines.number(label) for label, _ in layout.variables}
    block.experiment_units = dict(layout.variables)
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
