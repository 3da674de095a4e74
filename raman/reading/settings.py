"""How a spectrum was measured, out of the names that programs give to it: laser, power, time, objective, grating."""

from __future__ import annotations

import datetime
import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from spectra.reading.times import parse_time

__all__ = ["LASER", "first_number", "laser_of", "settings"]

_NUMBER = re.compile(r"[+-]?(?:\d+[.,]?\d*|[.,]\d+)(?:[eE][+-]?\d+)?")

#: Names of the wavelength of the laser in nm.
LASER = (
    "laser_wavelength",
    "laserwavelength_nm",
    "laser wavelength (nm)",
    "laser (nm)",
    "laserline",
    "excit_line",
    "excitationwavelength",
    "excitation wavelength",
    "excitation wavelength (nm)",
    "wl",
    "laser",
)


def first_number(text: str) -> float | None:
    """The first number in a text, with a point or a comma; None where there is none."""
    match = _NUMBER.search(text)
    number = float(match.group().replace(",", ".")) if match else math.nan
    return number if math.isfinite(number) else None


def laser_of(metadata: Mapping[str, str]) -> float | None:
    """Wavelength of the laser in nm; None where no entry states one."""
    lower = {key.strip().lower(): value for key, value in metadata.items()}
    for key in LASER:
        number = first_number(str(lower[key])) if key in lower else None
        if number is not None and 150 <= number <= 2500:
            return number
    return None


def _milliseconds(text: str) -> float | None:
    number = first_number(text)
    return None if number is None else number / 1e3


def _exposure(text: str) -> float | None:
    """Renishaw's exposure: ``Time: 10s``, or ``Time: 3000`` in ms."""
    return first_number(text) if re.search(r"\d\s*s\b", text) else _milliseconds(text)


def _whole(text: str) -> int | None:
    number = first_number(text)
    return int(number) if number is not None and 0 < number < 1e15 and number == int(number) else None


def _words(text: str) -> str:
    return re.sub(r"^(Objective|Grating|Laser power):\s*", "", text.strip())


def _when(text: str) -> str | None:
    """Time of an instrument that writes days first with points (14.02.2019 10:03:18), or of any other."""
    match = re.match(r"(\d{1,2})\.(\d{1,2})\.(\d{4}) (\d{1,2}):(\d{2})(?::(\d{2}))?$", text.strip())
    if match:
        day, month, year, hour, minute, second = (int(g or 0) for g in match.groups())
        try:
            return datetime.datetime(year, month, day, hour, minute, second).isoformat()  # noqa: DTZ001
        except ValueError:
            return None
    return parse_time(text)


#: Our names: theirs in lower case, the surest first, and how their values are understood.
_KEYS: dict[str, tuple[tuple[str, Callable[[str], Any]], ...]] = {
    "integration_time": (
        ("acq. time (s)", first_number),
        ("exposure (s)", first_number),
        ("intigration times(ms)", _milliseconds),
        ("integration times(ms)", _milliseconds),
        ("exposure_ms", _milliseconds),
        ("exposure_time", _exposure),
        ("exposure_time_(ms)", _milliseconds),
        ("integration time", first_number),
        ("time", first_number),
    ),
    "accumulations": (
        ("accumulations", _whole),
        ("accum", _whole),
        ("average number", _whole),
        ("averages", _whole),
        ("repetitioncount", _whole),
        ("no_of_accumulations", _whole),
    ),
    "laser_power": (("laserpower_mw", first_number), ("laser power (mw)", first_number)),
    "laser_power_percent": (
        ("nd filter", first_number),
        ("laser_powerlevel", first_number),
        ("laser_power", first_number),
        ("laserpower", first_number),
    ),
    "objective": (("objective", _words), ("objectiv", _words), ("microscope_objective", _words)),
    "grating": (("grating", _words), ("grating_grooves", _words), ("groove_density", _words)),
    "instrument": (("instrument", str), ("device", str), ("model", str)),
    "detector": (("detector", str),),
    "sample": (("sample", str),),
    "operator": (("operator", str), ("user", str)),
    "start_time": (("acquired", _when), ("time_stamp", _when), ("date", _when)),
}


def settings(metadata: Mapping[str, str], *, leave: tuple[str, ...] = ()) -> dict[str, Any]:
    """Attributes of a dataset out of the entries of a header, the whole header as ``metadata`` (JSON).

    Parameters
    ----------
    metadata : mapping
        Entries as the file names them.
    leave : tuple of str
        Attributes that these entries do not state whatever their names.
    """
    lower = {key.strip().lower(): str(value).strip() for key, value in metadata.items()}
    found: dict[str, Any] = {}
    for name, known in _KEYS.items():
        if name in leave:
            continue
        for key, understood in known:
            value = understood(lower[key]) if lower.get(key) else None
            if value is not None and value != "":
                found[name] = value
                break
    return found | {"metadata": json.dumps(dict(metadata), ensure_ascii=False) if metadata else ""}
