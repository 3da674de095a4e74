"""Bands of phases: the table of this package or a user's own, made into objects that fits and rankings read."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raman.tables import load_table
from spectra.errors import InvalidInput, did_you_mean
from spectra.knowledge import number, read_toml

__all__ = ["TECHNIQUES", "Band", "Phase", "find_phase", "list_phases", "listing", "read_phases"]

#: Technique of a table by the axis that its spectra lie along.
TECHNIQUES = {"raman_shift": "raman", "wavenumber": "ftir"}

#: Half a range, and widths, in 1/cm, of a band of which nothing but the position is known.
TOLERANCE = 8.0
WIDTH = {"value": 20.0, "range": [3.0, 100.0]}

PHASE_KEYS = {
    "name", "aliases", "title", "family", "technique", "unit", "elements", "tolerance", "fwhm", "source", "status",
    "said", "heating_product_of", "same_as", "bands",
}  # fmt: skip
BAND_KEYS = {"name", "position", "fwhm", "intensity", "assignment", "shape"}
POSITION_KEYS = {"value", "range", "sigma", "source", "status", "said", "also"}


@dataclass(frozen=True)
class Band:
    """One band of a phase; positions and widths in 1/cm."""

    name: str
    position: float
    range: tuple[float, float]
    fwhm: float
    fwhm_range: tuple[float, float]
    intensity: str  # s, m, w, sh; "" where the source does not say
    assignment: str
    source: str
    status: str
    said: str
    also: tuple[Mapping[str, Any], ...] = ()
    shape: str | None = None


@dataclass(frozen=True)
class Phase:
    """A phase and its bands as one technique shows them, by ascending position."""

    name: str
    title: str
    family: str
    technique: str
    tolerance: float
    bands: tuple[Band, ...]
    aliases: tuple[str, ...] = ()
    heating_product_of: tuple[str, ...] = ()
    same_as: str = ""
    said: str = ""

    @property
    def to_verify(self) -> tuple[str, ...]:
        """Names of the bands whose positions nobody has compared with their source, or on which sources disagree."""
        return tuple(b.name for b in self.bands if b.status in ("to-verify", "conflicting"))


def list_phases(technique: str = "raman") -> dict[str, Phase]:
    """Every phase of the table as ``technique`` ("raman" or "ftir") shows it, by name.

    Examples
    --------
    >>> [band.position for band in list_phases()["v2o3"].bands]
    [242.0, 290.0, 500.0]
    """
    return {phase.name: phase for phase in _shipped() if phase.technique == technique}


@functools.cache
def _shipped() -> tuple[Phase, ...]:
    return read_phases(load_table("bands"))


def find_phase(name: str, technique: str = "raman") -> Phase:
    """The phase called ``name``, or known under it.

    Raises
    ------
    InvalidInput
        If the table has none of that name for the technique.
    """
    phases = list_phases(technique)
    found = phases.get(name) or next((p for p in phases.values() if name in p.aliases), None)
    if found is None:
        names = [*phases, *(alias for p in phases.values() for alias in p.aliases)]
        raise InvalidInput(
            f"no bands called {name!r} for {technique}; {did_you_mean(name, names)}. A table of your own is given as a "
            "file (bands.toml)."
        )
    return found


def read_phases(table: Mapping[str, Any] | str | Path, technique: str = "raman") -> tuple[Phase, ...]:
    """Phases of a table, or of a TOML file, in the form of ``raman/tables/bands.toml``.

    Parameters
    ----------
    table : mapping or path
        With ``phase``, a list of tables, each with ``name`` and ``bands``. A band needs a ``position``: a number, or a
        table with ``value`` and ``range``. All else may be left out.
    technique : str
        Of a phase that does not say its own.

    Raises
    ------
    InvalidInput
        A file that cannot be read, an unknown key, a phase without bands, a position that is no number.
    """
    where = "the table of bands"
    if isinstance(table, str | Path):
        where, table = Path(table).name, read_toml(table, "the table of bands")
    phases = table.get("phase")
    if not isinstance(phases, Sequence) or not phases:
        raise InvalidInput(f"{where} has no [[phase]]: give at least one, with name and bands.")
    return tuple(_phase(entry, technique, where) for entry in phases)


def _phase(entry: Mapping[str, Any], technique: str, where: str) -> Phase:
    _check_keys(entry, PHASE_KEYS, f"a phase in {where}")
    if not isinstance(entry.get("name"), str) or not entry.get("bands"):
        raise InvalidInput(f"a phase in {where} needs name and bands, got {sorted(entry)}.")
    tolerance = number(entry.get("tolerance", TOLERANCE))
    bands = [_band(band, entry, tolerance, f"phase {entry['name']!r} in {where}") for band in entry["bands"]]
    names = [band.name for band in bands]
    twice = next((n for n in names if names.count(n) > 1), None)
    if twice is not None:
        raise InvalidInput(f"phase {entry['name']!r} in {where} has two bands called {twice!r}.")
    return Phase(
        name=entry["name"],
        title=entry.get("title", entry["name"]),
        family=entry.get("family", ""),
        technique=entry.get("technique", technique),
        tolerance=tolerance,
        bands=tuple(sorted(bands, key=lambda band: band.position)),
        aliases=tuple(entry.get("aliases", ())),
        heating_product_of=tuple(entry.get("heating_product_of", ())),
        same_as=entry.get("same_as", ""),
        said=entry.get("said", ""),
    )


def _band(band: Any, phase: Mapping[str, Any], tolerance: float, where: str) -> Band:
    if isinstance(band, int | float) and not isinstance(band, bool):
        band = {"position": band}
    if not isinstance(band, Mapping):
        raise InvalidInput(f"a band of {where} must be a number or a table, got {band!r}.")
    _check_keys(band, BAND_KEYS, f"a band of {where}")
    position = band.get("position")
    if isinstance(position, int | float) and not isinstance(position, bool):
        position = {"value": position}
    if not isinstance(position, Mapping) or not isinstance(position.get("value"), int | float):
        raise InvalidInput(f"a band of {where} needs a position in 1/cm, got {band!r}.")
    _check_keys(position, POSITION_KEYS, f"a position of {where}")
    value = float(position["value"])
    low, high = position.get("range", (value - tolerance, value + tolerance))
    width = band.get("fwhm", phase.get("fwhm", WIDTH))
    if isinstance(width, int | float):
        width = {"value": width}
    narrow, wide = width.get("range", (width["value"] / 5, width["value"] * 5))
    if not low <= value <= high or not 0 < narrow <= width["value"] <= wide:
        raise InvalidInput(f"the band at {value:g} of {where} starts outside its range of position or width.")
    return Band(
        name=str(band.get("name", f"{value:g}")),
        position=value,
        range=(float(low), float(high)),
        fwhm=float(width["value"]),
        fwhm_range=(float(narrow), float(wide)),
        intensity=band.get("intensity", ""),
        assignment=band.get("assignment", ""),
        source=position.get("source", phase.get("source", "")),
        status=position.get("status", phase.get("status", "")),
        said=position.get("said", "" if "source" in position else phase.get("said", "")),
        also=tuple(position.get("also", ())),
        shape=band.get("shape"),
    )


def _check_keys(table: Mapping[str, Any], allowed: set[str], what: str) -> None:
    for key in table:
        if key not in allowed:
            raise InvalidInput(f"{what} has no {key!r}; {did_you_mean(key, allowed)}.")


def listing(name: str) -> Iterator[tuple[str, ...]]:
    """Rows for ``spectra list bands``, the first holding the headers: all phases, or the bands of one."""
    if not name:
        yield "phase", "technique", "what it is", "bands in 1/cm (? = to be verified or conflicting)"
        for phase in _shipped():
            yield phase.name, phase.technique, phase.title, ", ".join(map(_short, phase.bands))
        return
    found = [p for p in _shipped() if name in (p.name, *p.aliases)]
    if not found:
        find_phase(name)
    yield (
        "phase", "technique", "band", "position in 1/cm", "range in 1/cm", "intensity", "assignment", "status", "source",
    )  # fmt: skip
    for phase in found:
        for band in phase.bands:
            span = f"{band.range[0]:g} to {band.range[1]:g}"
            others = "".join(f"; {a['value']:g} ({a['status']}: {a['source']})" for a in band.also)
            said = f" ({band.said})" if band.said else ""
            yield (
                phase.name, phase.technique, band.name, f"{band.position:g}{others}", span, band.intensity,
                band.assignment, band.status, f"{band.source}{said}",
            )  # fmt: skip


def _short(band: Band) -> str:
    return f"{band.position:g}{'?' if band.status in ('to-verify', 'conflicting') else ''}"
