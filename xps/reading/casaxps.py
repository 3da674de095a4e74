"""What CasaXPS writes into the comments of a VAMAS block: calibrations, regions and components of its fits.

Positions and limits stand there as kinetic energies; here they are given as binding energies too. A link is the
number of the component (from 0, in the same block) that a value is tied to, with a factor (area, width) or an
offset (position).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from xps.tables import load_table

__all__ = ["casaxps_comments", "exported_component", "is_approximate"]

_NUMBER = r"([+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)"
_NAMES = r"\(\*(.*?)\*\)\s*\(\*(.*?)\*\)"
_REGION = re.compile(rf"\s*CASA region {_NAMES}\s+((?:{_NUMBER}\s+){{3}}.*)$")
_COMPONENT = re.compile(
    rf"\s*CASA comp {_NAMES}\s+Area {' '.join([_NUMBER] * 5)} MFWHM {' '.join([_NUMBER] * 5)} "
    rf"Position {' '.join([_NUMBER] * 5)} RSF {_NUMBER}"
)
_REST = re.compile(
    rf"MASS {_NUMBER} INDEX {_NUMBER} \(\*(.*?)\*\) CONST \(\*(.*?)\*\)(?: UNCORRECTEDRSF {_NUMBER})?"
)
_CALIBRATION = re.compile(rf"\s*Calib M = {_NUMBER}(?:,{_NUMBER})? A = {_NUMBER} (BE|KE)")


def casaxps_comments(lines: Sequence[str], photon_energy: float | None) -> dict[str, Any]:
    """Calibrations, regions and components in the comment lines of a block; empty where CasaXPS wrote none.

    Parameters
    ----------
    lines : sequence of str
        Comment lines of the block.
    photon_energy : float or None
        In eV; binding energies are None without it.

    Returns
    -------
    dict
        ``calibrations``, ``regions``, ``components``, and ``unread``: lines of CasaXPS that could not be understood.
    """
    calibrations = [_calibration(m) for line in lines if (m := _CALIBRATION.match(line))]
    regions = [_region(m, photon_energy) for line in lines if (m := _REGION.match(line))]
    components = [_component(m, photon_energy) for line in lines if (m := _COMPONENT.match(line))]
    unread = [
        line.strip()
        for line in lines
        if re.match(r"\s*(CASA (comp|region)|Calib) ", line)
        and not any(known.match(line) for known in (_CALIBRATION, _REGION, _COMPONENT))
    ]
    found = {
        "calibrations": calibrations,
        "regions": regions,
        "components": components,
        "unread": unread,
    }
    return {key: value for key, value in found.items() if value}


def _binding(kinetic: float, photon_energy: float | None) -> float | None:
    return None if photon_energy is None else round(photon_energy - kinetic, 9)


def _calibration(match: re.Match[str]) -> dict[str, Any]:
    measured = float(match.group(1))
    if match.group(2):  # a range was marked: its middle
        measured = (measured + float(match.group(2))) / 2
    assigned = float(match.group(3))
    return {
        "measured": measured,
        "assigned": assigned,
        "shift": round(assigned - measured, 9),
        "scale": match.group(4),
    }


def _region(match: re.Match[str], photon_energy: float | None) -> dict[str, Any]:
    numbers = [float(word) for word in re.findall(_NUMBER, re.sub(r"\(\*.*?\*\)", " ", match.group(3)))]
    low, high, rsf = numbers[:3]
    tag = re.search(r"\(\*(.*?)\*\)", match.group(3))
    return {
        "name": match.group(1),
        "tag": tag.group(1) if tag else "",
        "background": match.group(2),
        "kinetic_energy": [low, high],
        "binding_energy": [_binding(high, photon_energy), _binding(low, photon_energy)],
        "rsf": rsf,
        "background_parameters": numbers[3:],
    }


def _component(match: re.Match[str], photon_energy: float | None) -> dict[str, Any]:
    numbers = [float(word) for word in match.groups()[2:]]
    area, width, position = (_quantity(numbers[i : i + 5]) for i in (0, 5, 10))
    position["offset"] = position.pop("factor")
    tied = position["link"] is not None
    rest = _REST.search(match.string, match.end())
    return {
        "name": match.group(1),
        "shape": match.group(2),
        "approximate": is_approximate(match.group(2)),
        "area": area,
        "fwhm": width,
        "position_kinetic": position,
        "position_binding": {
            "value": _binding(position["value"], photon_energy),
            "low": None if tied else _binding(position["high"], photon_energy),
            "high": None if tied else _binding(position["low"], photon_energy),
            "link": position["link"],
            "offset": -position["offset"] if tied else None,
        },
        "rsf": numbers[15],
        "uncorrected_rsf": float(rest.group(5)) if rest and rest.group(5) else None,
        "mass": float(rest.group(1)) if rest else None,
        "tag": rest.group(3) if rest else "",
        "constraint": rest.group(4) if rest else "",
    }


def exported_component(
    name: str, shape: str, position: float, width: float, area: float, photon_energy: float | None
) -> dict[str, Any]:
    """A component of which only the values were exported (binding energy, eV): without limits, links and factors."""
    kinetic = None if photon_energy is None else round(photon_energy - position, 9)
    return {
        "name": name,
        "shape": shape,
        "approximate": is_approximate(shape),
        "area": _value_only(area),
        "fwhm": _value_only(width),
        "position_kinetic": _value_only(kinetic, "offset"),
        "position_binding": _value_only(position, "offset"),
        "rsf": None,
    }


def _value_only(value: float | None, change: str = "factor") -> dict[str, Any]:
    return {"value": value, "low": None, "high": None, "link": None, change: None}


def is_approximate(shape: str) -> bool:
    """Whether a line shape of CasaXPS is drawn here by a curve that no exported one has confirmed."""
    return not (re.fullmatch(r"SGL\([\d.]+\)", shape) or shape in load_table("casaxps")["lf"]["checked"])


def _quantity(numbers: list[float]) -> dict[str, Any]:
    value, low, high, link, factor = numbers
    return {
        "value": value,
        "low": low,
        "high": high,
        "link": None if link < 0 else int(link),
        "factor": factor,
    }
