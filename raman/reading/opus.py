"""Bruker OPUS files: the result, and beside it the single channels, phases and interferograms it was made from.

The axis of a spectrum runs from ``FXV`` to ``LXV`` in ``NPT`` points, in the units ``DXU``; values are float32 or
integers times ``CSF``. Interferograms are sampled at zero crossings of a laser (``HFL``, 1/cm): two neighbours lie
1 / (2 HFL) of path difference apart. Where ``GBW`` scans were taken on the way back, these follow those of the way
forth in the same block.
"""

from __future__ import annotations

import datetime
import json
import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from raman.reading.infrared import even_steps, floats, infrared_scan
from raman.reading.opus_blocks import CONTENTS, MARK, Block, Parameters, blocks, parameters
from spectra.errors import ReadError
from spectra.reading.registry import Reader
from spectra.reading.source import Source

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["reader", "scans", "sniff"]

FloatArray = npt.NDArray[np.float64]

#: Types of numbers, 4 bytes each.
_TYPES = {1: "<f4", 2: "<i4"}
_SINGLE, _INTERFEROGRAM, _PHASE, _RAMAN, _POWER = 1, 2, 3, 10, 14
#: What instruments keep beside a result.
_BESIDE = (_SINGLE, _INTERFEROGRAM, _PHASE, _POWER)
#: Sorts of parameters.
_DATA, _INSTRUMENT, _ACQUISITION, _TRANSFORM, _OPTICS, _ORIGIN = 1, 2, 3, 4, 6, 10


def sniff(source: Source) -> float:
    """Certain by the mark that OPUS files begin with."""
    return 1.0 if source.head.startswith(MARK) else 0.0


def scans(source: Source) -> list[xr.Dataset]:
    """The result of the measurement, then what was kept beside it.

    A file of a background alone gives its single channel; that it holds no result is noted.
    """
    content, file = source.content, source.name
    directory = blocks(content, file)
    described = {
        b.describes: parameters(content, b, file) for b in directory if b.sort == _DATA and not b.extension
    }
    settings = {
        (b.channel, b.sort): parameters(content, b, file)
        for b in directory
        if b.sort > _DATA and not b.content and not b.extension
    }
    data = [b for b in directory if b.is_data and b.kind in described and _has_axis(b, described[b.kind])]
    left = [b.name for b in directory if not b.is_known and b not in data]
    if not data:
        raise ReadError(
            f"{file} is an OPUS file without a spectrum"
            + (f"; it holds {', '.join(left)}, which are not read." if left else " or an interferogram.")
        )
    results = [b for b in data if b.content not in _BESIDE]
    main = results or [b for b in data if b.content == _SINGLE][:1] or data[:1]
    notes = [f"blocks left out: {', '.join(left)}"] if left else []
    if not results:
        notes.append(
            f"the file holds no absorbance or other ratio, only {', '.join(b.name for b in data)}; "
            f"its {main[0].name} is what is read"
        )
    ordered = [*main, *(b for b in data if b not in main)]
    return [
        _scan(content, b, described[b.kind], settings, file, notes, auxiliary=b not in main) for b in ordered
    ]


reader = Reader(
    "opus",
    "Bruker OPUS files, every spectrum and interferogram in them",
    (".0", ".0000", ".opus"),
    sniff,
    scans,
)


def _has_axis(block: Block, about: Parameters) -> bool:
    """Whether the axis is one of wavenumber or wavelength, of points for an interferogram; traces along time are none."""
    return str(about.get("DXU", "")) in (("PNT",) if block.content == _INTERFEROGRAM else ("WN", "MI", "RSH"))


def _scan(
    content: bytes,
    block: Block,
    about: Parameters,
    settings: dict[tuple[str, int], Parameters],
    file: str,
    notes: list[str],
    *,
    auxiliary: bool,
) -> xr.Dataset:
    where = f"{file}: {block.name}"
    quantity, units, _ = CONTENTS[block.content]
    values = _values(content, block, about, where)
    of_channel = _of_channel(settings, block.channel)
    attrs = _attributes(of_channel, about, block)
    dims: tuple[str, ...] = ()
    coords: dict[str, Any] = {}
    said = list(notes)
    if block.content == _INTERFEROGRAM:
        axis, x, values, more = _path(values, of_channel, where)
        said += more
        if values.ndim == 2:
            dims, coords = ("direction",), {"direction": ("direction", np.array(["forward", "backward"]))}
    else:
        axis = "raman_shift" if block.content == _RAMAN or about.get("DXU") == "RSH" else "wavenumber"
        x = even_steps(_number(about, "FXV"), _number(about, "LXV"), values.size, where)
        if about.get("DXU") == "MI":
            if not (x > 0).all():
                raise ReadError(f"{where} has wavelengths that are not positive; the file is damaged.")
            x = 1e4 / x
            said.append("wavelengths in um were turned into wavenumbers")
    return infrared_scan(
        where, x, values, quantity, units=units, axis=axis, dims=dims, coords=coords, attrs=attrs, notes=said,
        auxiliary=auxiliary,
    )  # fmt: skip


def _number(about: Parameters, key: str) -> float:
    value = about.get(key, math.nan)
    return float(value) if isinstance(value, int | float) else math.nan


def _values(content: bytes, block: Block, about: Parameters, where: str) -> FloatArray:
    points, kind = about.get("NPT"), about.get("DPF", 1)
    if not isinstance(points, int) or points < 2 or kind not in _TYPES:
        raise ReadError(f"{where} has {points} points of type {kind}, which makes no spectrum.")
    size = 4 * points
    if size > block.size or block.offset + size > len(content):
        raise ReadError(
            f"{where} is truncated: {points} points are announced, and its block ends before them."
        )
    scale = _number(about, "CSF")
    values = floats(content, _TYPES[int(kind)], points, block.offset)
    with np.errstate(over="ignore"):
        return values * (scale if math.isfinite(scale) and scale != 0 else 1.0)


def _of_channel(settings: dict[tuple[str, int], Parameters], channel: str) -> dict[int, Parameters]:
    """Parameters of each sort that belong to a channel; those of the sample carry no channel in the directory."""
    wanted = "reference" if channel == "reference" else ""
    found: dict[int, Parameters] = {}
    for sort in (_INSTRUMENT, _ACQUISITION, _TRANSFORM, _OPTICS, _ORIGIN):
        found[sort] = settings.get((wanted, sort)) or settings.get(("", sort)) or {}
    return found


def _path(
    values: FloatArray, settings: dict[int, Parameters], where: str
) -> tuple[str, FloatArray, FloatArray, list[str]]:
    """Path difference of an interferogram in cm, zero at its burst; both ways of the mirror apart."""
    instrument = settings[_INSTRUMENT]
    highest = _number(instrument, "HFL")
    if not highest > 0:
        highest = _number(instrument, "LWN") / max(_number(instrument, "SSP"), 1.0)
    if not highest > 0:
        raise ReadError(f"{where}: the file does not say how its interferogram was sampled (HFL, LWN).")
    notes = [f"neighbouring points lie {1 / (2 * highest):.6g} cm of path difference apart, from the laser"]
    backward = _number(instrument, "GBW")
    if backward > 0 and values.size % 2 == 0:
        values = values.reshape(2, -1)
        notes.append("the ways forth and back of the mirror are apart in the dimension 'direction'")
    burst = int(np.argmax(np.abs(np.atleast_2d(values)[0])))
    step = 1.0 / (2.0 * highest)
    path: FloatArray = np.asarray((np.arange(values.shape[-1]) - burst) * step, np.float64)
    return "path_difference", path, values, notes


def _attributes(settings: dict[int, Parameters], about: Parameters, block: Block) -> dict[str, Any]:
    instrument, acquisition = settings[_INSTRUMENT], settings[_ACQUISITION]
    optics, origin, transform = settings[_OPTICS], settings[_ORIGIN], settings[_TRANSFORM]
    laser = _number(instrument, "RLW")
    scans = (
        instrument.get("ASS")
        if block.channel != "reference"
        else instrument.get("ASS", instrument.get("ARS"))
    )
    return {
        "title": block.name,
        "sample": origin.get("SNM"),
        "start_time": _start(str(about.get("DAT", "")), str(about.get("TIM", ""))),
        "instrument": instrument.get("INS"),
        "resolution": acquisition.get("RES"),
        "scans": scans,
        "apodization": transform.get("APF"),
        "phase_correction": transform.get("PHZ"),
        "zero_filling": transform.get("ZFF"),
        "laser_wavenumber": instrument.get("LWN"),
        "laser_wavelength": 1e7 / laser if block.content == _RAMAN and laser > 0 else None,
        "detector": optics.get("DTC"),
        "beam_splitter": optics.get("BMS"),
        "source": optics.get("SRC"),
        "metadata": json.dumps({**instrument, **acquisition, **transform, **optics, **origin, **about}),
    }


def _start(day: str, clock: str) -> str | None:
    """When the measurement began; days are written 31/12/2020 or 2020/12/31, the clock 13:09:58.095 (GMT+1)."""
    found = re.match(r"(\d{1,4})/(\d{1,2})/(\d{1,4})$", day)
    time = re.match(r"(\d{1,2}):(\d{2}):(\d{2})(\.\d{1,6})?(?:\s*\(GMT([+-]\d{1,2})(?::(\d{2}))?\))?", clock)
    if not found or not time:
        return None
    a, month, b = (int(part) for part in found.groups())
    year, date = (a, b) if a > 31 else (b, a)
    zone = None
    if time.group(5):
        minutes = int(time.group(6) or 0) * (-1 if time.group(5).startswith("-") else 1)
        zone = datetime.timezone(datetime.timedelta(hours=int(time.group(5)), minutes=minutes))
    micro = round(float(time.group(4) or 0) * 1e6)
    try:
        return datetime.datetime(
            year, month, date, int(time.group(1)), int(time.group(2)), int(time.group(3)), micro, zone
        ).isoformat()
    except ValueError:
        return None
