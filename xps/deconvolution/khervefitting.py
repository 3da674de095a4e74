"""Peaks of a KherveFitting project as the components of a fit here.

What each number of a peak is was found from projects that hold the curves or say the same thing twice: "Height" is the
height of the drawn curve and "FWHM" the width of the whole line; "L/G" is the share of the Lorentzian in percent; of a
Voigt line "Sigma" and "Gamma" are the full widths of its two parts, of LA its exponents at high and low binding energy.
"Area" is the area of a Gaussian for GL and a sum inside the window for LA, so areas are taken from the height.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from spectra.errors import InvalidInput
from xps.links import identifier

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["khervefitting_components"]

SHAPES = {"SGL": "sgl", "GL": "gl", "Voigt": "voigt", "LA": "la"}
#: Columns of a peak whose limits and ties go to the parameter of the same meaning.
WIDTH = {"sgl": "fwhm", "gl": "width", "la": "fwhm_l"}
TIE = re.compile(r"\s*([A-Z])\s*([*+-])\s*([\d.]+)(?:#([\d.]+))?\s*$")
LIMITS = re.compile(r"\s*([-+\d.eE]+)\s*[:,]\s*([-+\d.eE]+)\s*$")


def khervefitting_components(dataset: xr.Dataset) -> tuple[dict[str, Any], ...]:
    """Component tables of the fit that a KherveFitting project holds, for ``xps.deconvolve(components=...)``.

    A second line tied to a first one in position and area becomes its partner: with a splitting, an area ratio and a
    width factor, fitted inside the room that the project leaves them. Other ties without room become expressions,
    those with room limits about where the first line stands.

    Parameters
    ----------
    dataset : xarray.Dataset
        A core level as ``xps.read`` gives it; its ``intensity`` less ``khervefitting_background`` is what was fitted.

    Returns
    -------
    tuple of dict
        One per peak; areas in the units of the intensity times eV.

    Raises
    ------
    InvalidInput
        If the file held no such fit, or a shape without a finite area (Doniach-Šunjić).

    Examples
    --------
    >>> import json, numpy as np, spectra, xps
    >>> peak = {"name": "O1s p1", "Fitting Model": "SGL (Area)", "Position": 530.0, "FWHM": 1.2, "L/G": 30, "Height": 900.0}
    >>> energy = np.arange(525.0, 536.0, 0.1)
    >>> o = spectra.from_arrays(energy, 0 * energy, axis="binding_energy", name="intensity", units="")
    >>> o = o.assign_attrs(khervefitting=json.dumps({"peaks": [peak]}))
    >>> (line,) = xps.khervefitting_components(o)
    >>> line["name"], line["shape"], round(line["area"]["value"])
    ('O1s p1', 'sgl', 1314)
    """
    peaks = json.loads(dataset.attrs.get("khervefitting", "{}")).get("peaks", [])
    if not peaks:
        raise InvalidInput(
            "the file read held no peaks of KherveFitting: give states, or components as tables."
        )
    shapes = [_shape(peak) for peak in peaks]
    tables: list[dict[str, Any]] = []
    for number, peak in enumerate(peaks):
        first = _first_line(peak, number, shapes)
        if first is None:
            tables.append(_line(peak, shapes[number], peaks, shapes))
        else:
            tables.append(_second_line(peak, peaks[first]))
    return tuple(tables)


def _shape(peak: Mapping[str, Any]) -> str:
    model = str(peak.get("Fitting Model", ""))
    kind = model.partition(" ")[0]
    if kind not in SHAPES:
        raise InvalidInput(
            f"the peak {peak.get('name')!r} has the shape {model!r}, which is not drawn here from the numbers of the file "
            f"({', '.join(SHAPES)} are): give the components as tables."
        )
    return SHAPES[kind]


def _tie(peak: Mapping[str, Any], column: str) -> re.Match[str] | None:
    return TIE.match(str((peak.get("Constraints") or {}).get(column, "")))


def _first_line(peak: Mapping[str, Any], number: int, shapes: Sequence[str]) -> int | None:
    """Number of the line that this one is the second of: tied to it in position and in area."""
    ties = [_tie(peak, column) for column in ("Position", "Area")]
    to = [ord(tie.group(1)) - ord("A") for tie in ties if tie]
    if len(to) < 2 or to[0] != to[1] or to[0] >= number or shapes[to[0]] != shapes[number]:
        return None
    return to[0]


def _second_line(peak: Mapping[str, Any], first: Mapping[str, Any]) -> dict[str, Any]:
    """A line by its splitting, area ratio and width factor."""
    splitting = _room(peak["Position"] - first["Position"], _tie(peak, "Position"))
    ratio = _room(peak["Height"] / first["Height"] * peak["FWHM"] / first["FWHM"], _tie(peak, "Area"))
    width = _width_factor(peak, first)
    tied = {"splitting": splitting, "area_ratio": ratio, "width_factor": width}
    return {"name": peak["name"], "partner": first["name"], **tied}


def _width_factor(peak: Mapping[str, Any], first: Mapping[str, Any]) -> Any:
    """Width over that of the first line: as both are tied, between the limits of the width, or as it stands."""
    factor, text = peak["FWHM"] / first["FWHM"], str((peak.get("Constraints") or {}).get("FWHM", ""))
    tie, limits = TIE.match(text), LIMITS.match(text)
    if limits:
        low, high = sorted(float(limits.group(k)) / first["FWHM"] for k in (1, 2))
        return {"value": float(np.clip(factor, low, high)), "min": low, "max": high}
    # tied to another line than its first, "B*1", it keeps its factor
    return _room(factor, tie) if tie and float(tie.group(3)) == factor else float(factor)


def _room(value: float, tie: re.Match[str] | None) -> Any:
    """A number, or a table with the limits that a tie leaves it."""
    if tie is None or tie.group(4) is None:
        return float(value) if tie is None else float(tie.group(3)) * (-1 if tie.group(2) == "-" else 1)
    middle, room = float(tie.group(3)) * (-1 if tie.group(2) == "-" else 1), float(tie.group(4))
    low, high = middle - room, middle + room
    return {"value": float(np.clip(value, low, high)), "min": low, "max": high}


def _line(
    peak: Mapping[str, Any], shape: str, peaks: Sequence[Mapping[str, Any]], shapes: Sequence[str]
) -> dict[str, Any]:
    """A line that stands for itself."""
    height, fwhm = float(peak["Height"]), float(peak["FWHM"])
    share = float(peak.get("L/G") or 0.0) / 100
    exponents = float(peak.get("Sigma") or 1.0), float(peak.get("Gamma") or 1.0)
    position = _number(peak, "Position", peaks, shapes, "position")
    table: dict[str, Any] = {"name": peak["name"], "shape": shape, "position": position}
    if shape == "voigt":
        table["fwhm_g"] = _number(peak, "Sigma", peaks, shapes, "fwhm_g")
        table["fwhm_l"] = _number(peak, "Gamma", peaks, shapes, "fwhm_l")
        size = _area(shape, fwhm_g=exponents[0], fwhm_l=exponents[1])
    elif shape == "la":
        lorentz = 2 * fwhm / sum(np.sqrt(2 ** (1 / e) - 1) for e in exponents)
        table |= {"fwhm_l": _scaled(_number(peak, "FWHM", peaks, shapes, "fwhm_l"), lorentz / fwhm)}
        table |= {"a": exponents[0], "b": exponents[1], "fwhm_g": 0.0}
        size = _area(shape, fwhm_l=lorentz, a=exponents[0], b=exponents[1], fwhm_g=0.0)
    else:
        table[WIDTH[shape]] = _number(peak, "FWHM", peaks, shapes, WIDTH[shape])
        table["fraction"] = share
        size = _area(shape, **{WIDTH[shape]: fwhm, "fraction": share})
    return table | {"area": {"value": height * size, "min": 0.0}}


def _area(shape: str, **parameters: float) -> float:
    """Area of a line of height one."""
    from spectra.fitting import lineshapes
    from spectra.fitting.asymmetric import la

    draw = la if shape == "la" else getattr(lineshapes, shape)
    return 1.0 / float(draw(np.zeros(1), 0.0, 1.0, **parameters)[0])


def _number(
    peak: Mapping[str, Any],
    column: str,
    peaks: Sequence[Mapping[str, Any]],
    shapes: Sequence[str],
    parameter: str,
) -> Any:
    """One parameter with its limits, or tied to that of another line."""
    value = float(peak[column])
    tie = _tie(peak, column)
    if tie is not None:
        to = ord(tie.group(1)) - ord("A")
        if to >= len(peaks):
            raise InvalidInput(
                f"the peak {peak['name']!r} is tied to peak {tie.group(1)}, which the file lacks."
            )
        sign, change, room = tie.group(2), float(tie.group(3)), tie.group(4)
        leader = float(peaks[to][column])
        if room is None and shapes[to] == SHAPES[str(peak["Fitting Model"]).partition(" ")[0]]:
            return f"{identifier(peaks[to]['name'])}{parameter} {sign} {change!r}"
        ends = (
            [leader * (change + r * float(room or 0)) for r in (-1, 1)]
            if sign == "*"
            else [leader + (-change if sign == "-" else change) + r * float(room or 0) for r in (-1, 1)]
        )
        return {"value": float(np.clip(value, ends[0], ends[1])), "min": ends[0], "max": ends[1]}
    limits = LIMITS.match(str((peak.get("Constraints") or {}).get(column, "")))
    if limits is None:
        return (
            value if str((peak.get("Constraints") or {}).get(column)).lower() == "fixed" else {"value": value}
        )
    low, high = sorted(float(limits.group(k)) for k in (1, 2))
    return {"value": value, "min": min(low, value), "max": max(high, value)}


def _scaled(entry: Any, factor: float) -> Any:
    """Limits of a width as those of the parameter that makes it; ties stay as they are."""
    if isinstance(entry, Mapping):
        return {key: float(value) * factor for key, value in entry.items()}
    return entry if isinstance(entry, str) else float(entry) * factor
