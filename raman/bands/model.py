"""Bands as a model of the fit engine: shapes, start values, limits, shared widths, a polynomial below them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from raman.bands.table import Band, Phase, find_phase, read_phases
from spectra.errors import InvalidInput, did_you_mean
from spectra.knowledge import read_toml

__all__ = [
    "BASELINE",
    "BandModel",
    "BandShape",
    "Bands",
    "BaselineDegree",
    "Widths",
    "band_model",
    "chosen_bands",
    "with_content",
]

#: How bands are asked for: a phase of the table, a file, positions, tables, or the content of a file.
Bands = str | tuple[str | float | dict[str, Any], ...] | dict[str, Any]
BandShape = Literal["lorentzian", "gaussian", "pseudo_voigt", "voigt"]
BaselineDegree = Literal["none", "constant", "linear", "quadratic", "cubic"]
Widths = Literal["free", "shared"] | tuple[tuple[str, ...], ...]

DEGREES = {"none": None, "constant": 0, "linear": 1, "quadratic": 2, "cubic": 3}
#: Name of the component that the polynomial is.
BASELINE = "baseline"
CHANGES = ("position", "fwhm", "fwhm_g", "fraction", "area")
#: Shape parameters that shared widths share too; the Gaussian part of a Voigt line is the instrument's, of all bands.
WIDTHS = {
    "lorentzian": ("fwhm",),
    "gaussian": ("fwhm",),
    "pseudo_voigt": ("fwhm", "fraction"),
    "voigt": ("fwhm_l",),
}


@dataclass(frozen=True)
class BandModel:
    """Bands and the model they make, as :func:`spectra.fit` takes it; the polynomial, if any, is the last component."""

    bands: tuple[Band, ...]
    prefixes: tuple[str, ...]
    tables: tuple[dict[str, Any], ...]
    params: dict[str, dict[str, Any]]

    def prefix(self, name: str) -> str:
        """What stands before the parameters of the band ``name``."""
        return self.prefixes[[band.name for band in self.bands].index(name)]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the components."""
        return tuple(b.name for b in self.bands) + ((BASELINE,) if len(self.tables) > len(self.bands) else ())


def chosen_bands(bands: Bands, technique: str) -> tuple[tuple[Band, ...], tuple[Phase, ...]]:
    """Bands by ascending position, and the phases they are of; one name for each band.

    Raises
    ------
    InvalidInput
        An unknown phase, a table that does not hold bands, two bands of one name, none at all.
    """
    phases: list[Phase] = []
    loose: list[Any] = []
    for wanted in _listed(bands):
        if _is_file(wanted) or (isinstance(wanted, Mapping) and "phase" in wanted):
            phases += read_phases(wanted, technique)
        elif isinstance(wanted, str):
            phases.append(find_phase(wanted, technique))
        else:
            loose.append(wanted)
    phases = [phase for phase in phases if phase.technique == technique]
    given = read_phases({"phase": [{"name": "given", "bands": loose}]}, technique) if loose else ()
    several = len(phases) > 1
    named = [replace(b, name=f"{p.name} {b.name}") if several else b for p in phases for b in p.bands]
    named += [band for phase in given for band in phase.bands]
    if not named:
        raise InvalidInput(f"bands names no band of {technique}: give a phase, a file or positions.")
    names = [band.name for band in named]
    twice = next((n for n in names if names.count(n) > 1), None)
    if twice is not None:
        raise InvalidInput(f"bands has the band {twice!r} twice: give each a name of its own.")
    return tuple(sorted(named, key=lambda band: band.position)), (*phases, *given)


def with_content(bands: Bands) -> tuple[Any, ...] | None:
    """``bands`` with the content of each file in its place; None where no file is named."""
    listed = _listed(bands)
    if not any(_is_file(wanted) for wanted in listed):
        return None
    return tuple(read_toml(wanted, "the table of bands") if _is_file(wanted) else wanted for wanted in listed)


def _listed(bands: Bands) -> Sequence[Any]:
    if isinstance(bands, Mapping) and "content" in bands:  # as the history keeps what a file held
        bands = bands["content"]
    return (bands,) if isinstance(bands, str | Mapping) else bands


def _is_file(wanted: Any) -> bool:
    return isinstance(wanted, str) and wanted.endswith(".toml")


def band_model(
    bands: Sequence[Band],
    *,
    shape: BandShape | None = None,
    baseline: BaselineDegree = "linear",
    origin: float = 0.0,
    widths: Widths = "free",
    position_range: float | None = None,
    instrument_width: float | None = None,
    changes: Mapping[str, Mapping[str, Any]] | None = None,
) -> BandModel:
    """Model of ``bands``.

    Parameters
    ----------
    bands : sequence of Band
    shape : {"lorentzian", "gaussian", "pseudo_voigt", "voigt"}, optional
        Of all bands. Default: that of the table where it has one, else Lorentzian.
    baseline : {"none", "constant", "linear", "quadratic", "cubic"}
        Polynomial fitted with the bands.
    origin : float
        Position in 1/cm from which the polynomial counts.
    widths : {"free", "shared"} or tuple of tuple of str
        Widths of all bands alike, or of the groups of bands named.
    position_range : float, optional
        Positions are fitted within this many 1/cm of the table's; 0 keeps them. Default: the ranges of the table.
    instrument_width : float, optional
        In 1/cm: no band is narrower; of Voigt lines it is the Gaussian part, kept.
    changes : mapping, optional
        Band → what to change: ``position``, ``fwhm``, ``fwhm_g``, ``fraction``, ``area``, each a number that is kept
        or a table with ``value``, ``min``, ``max``.

    Raises
    ------
    InvalidInput
        Names of no band, limits that exclude the start value.
    """
    _check(bands, widths, position_range, instrument_width, changes or {})
    prefixes = _prefixes(bands)
    tables: list[dict[str, Any]] = []
    params: dict[str, dict[str, Any]] = {}
    for band, prefix in zip(bands, prefixes, strict=True):
        drawn = shape or band.shape or "lorentzian"
        tables.append({"shape": drawn, "prefix": prefix})
        params |= _own(band, prefix, drawn, position_range, instrument_width)
    _share(bands, prefixes, tables, widths, params, instrument_width)
    for name, change in (changes or {}).items():
        at = next(i for i, band in enumerate(bands) if band.name == name)
        params |= _changed(name, prefixes[at], str(tables[at]["shape"]), change, params)
    degree = DEGREES[baseline]
    if degree is not None:
        tables.append({"shape": "polynomial", "prefix": f"{BASELINE}_", "degree": degree})
        params |= {f"{BASELINE}_c{k}": {"value": 0.0} for k in range(degree + 1)}
        params[f"{BASELINE}_origin"] = {"value": float(origin), "vary": False}
    return BandModel(tuple(bands), prefixes, tuple(tables), params)


def _check(
    bands: Sequence[Band],
    widths: Widths,
    position_range: float | None,
    instrument_width: float | None,
    changes: Mapping[str, Any],
) -> None:
    names = [band.name for band in bands]
    groups = widths if isinstance(widths, tuple) else ()
    for what, named in (("changes", changes), *(("widths", group) for group in groups)):
        for name in named:
            if name not in names:
                raise InvalidInput(
                    f"{what} names {name!r}, which is no band here; {did_you_mean(name, names)}."
                )
    listed = [name for group in groups for name in group]
    if len(set(listed)) < len(listed):
        raise InvalidInput("widths names a band in two groups: each belongs to one.")
    for option, value in (("position_range", position_range), ("instrument_width", instrument_width)):
        if value is not None and not 0 <= value < float("inf"):
            raise InvalidInput(f"{option} must be 0 or more 1/cm, got {value:g}.")


def _prefixes(bands: Sequence[Band]) -> tuple[str, ...]:
    """Names of the bands as expressions write them, with the underscore that a parameter follows."""
    found: list[str] = []
    for band in bands:
        text = re.sub(r"[^0-9A-Za-z]+", "_", band.name).strip("_").lower()
        text = text if text[:1].isalpha() else f"b{text}"
        found.append(f"{text}_{len(found)}_" if f"{text}_" in found else f"{text}_")
    return tuple(found)


def _own(
    band: Band, prefix: str, shape: str, position_range: float | None, instrument_width: float | None
) -> dict[str, dict[str, Any]]:
    """Settings of a band that stands for itself; area 1 is a hint, strengths are solved for."""
    low, high = band.range
    if position_range is not None:
        low, high = band.position - position_range, band.position + position_range
    settings = {f"{prefix}position": _limited(band.position, low, high)}
    settings[f"{prefix}area"] = {"value": 1.0, "min": 0.0}
    narrow, wide = band.fwhm_range
    if shape == "voigt":
        settings[f"{prefix}fwhm_l"] = _limited(band.fwhm, 0.0, wide)
        start = instrument_width if instrument_width is not None else 0.3 * band.fwhm
        settings[f"{prefix}fwhm_g"] = _limited(start, 0.0, wide) | {"vary": instrument_width is None}
        return settings
    if instrument_width is not None:
        narrow = instrument_width
        wide = max(wide, 1.5 * narrow)
    settings[f"{prefix}fwhm"] = _limited(min(max(band.fwhm, 1.1 * narrow), wide), narrow, wide)
    if shape == "pseudo_voigt":
        settings[f"{prefix}fraction"] = _limited(0.7, 0.0, 1.0)
    return settings


def _limited(value: float, low: float, high: float) -> dict[str, Any]:
    if low == high:
        return {"value": value, "vary": False}
    return {"value": value, "min": low, "max": high}


def _share(
    bands: Sequence[Band],
    prefixes: Sequence[str],
    tables: Sequence[Mapping[str, Any]],
    widths: Widths,
    params: dict[str, dict[str, Any]],
    instrument_width: float | None,
) -> None:
    """Tie the widths of a group to those of its first band, which gets the limits of all."""
    groups = [tuple(band.name for band in bands)] if widths == "shared" else []
    groups += list(widths) if isinstance(widths, tuple) else []
    at = {band.name: i for i, band in enumerate(bands)}
    for group in groups:
        members = [at[name] for name in group]
        shapes = {str(tables[i]["shape"]) for i in members}
        if len(shapes) > 1:
            raise InvalidInput(f"bands of the shapes {' and '.join(sorted(shapes))} cannot share a width.")
        for name in WIDTHS[shapes.pop()]:
            _tie([f"{prefixes[i]}{name}" for i in members], params)
    if instrument_width is None:
        _tie([f"{p}fwhm_g" for p, t in zip(prefixes, tables, strict=True) if t["shape"] == "voigt"], params)


def _tie(names: Sequence[str], params: dict[str, dict[str, Any]]) -> None:
    if len(names) < 2:
        return
    low = min(params[n]["min"] for n in names)
    high = max(params[n]["max"] for n in names)
    start = sum(params[n]["value"] for n in names) / len(names)
    params[names[0]] = _limited(start, low, high)
    for name in names[1:]:
        params[name] = {"expr": names[0]}


def _changed(
    band: str, prefix: str, shape: str, change: Mapping[str, Any], params: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    made = {}
    for key, value in change.items():
        name = f"{prefix}fwhm_l" if key == "fwhm" and shape == "voigt" else f"{prefix}{key}"
        if key not in CHANGES or name not in params:
            own = [k for k in CHANGES if f"{prefix}{k}" in params or (k == "fwhm" and shape == "voigt")]
            raise InvalidInput(f"changes: band {band!r} ({shape}) has no {key!r}; {did_you_mean(key, own)}.")
        if isinstance(value, int | float) and not isinstance(value, bool):
            made[name] = {"value": float(value), "vary": False}
            continue
        if not isinstance(value, Mapping) or not set(value) <= {"value", "min", "max"}:
            raise InvalidInput(
                f"changes: {key} of {band!r} must be a number that is kept or a table of value, min and max, got {value!r}."
            )
        base = {} if "expr" in params[name] else {k: v for k, v in params[name].items() if k != "vary"}
        setting = {**base, **value}
        low, high = setting.get("min", -float("inf")), setting.get("max", float("inf"))
        setting.setdefault("value", low)
        if not low <= setting["value"] <= high:
            raise InvalidInput(
                f"changes: {key} of {band!r} starts at {setting['value']:g}, outside its limits {low:g} to {high:g}."
            )
        made[name] = setting
    return made
