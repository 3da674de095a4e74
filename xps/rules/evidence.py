"""What the rules of the audit look at: one view of a fit, wherever it was made.

Numbers of a component lie along the spectra of the series, flattened: (s,). What is not known is None, and a rule that
needs it raises :class:`NotJudged` by :meth:`Evidence.need`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from xps.rules.refit import Refit
from xps.tables import load_table

__all__ = ["Component", "Doublet", "Evidence", "NotJudged", "Setting", "doublets", "named", "splitting_of"]

FloatArray = npt.NDArray[np.float64]
Origin = Literal["fit", "casaxps", "khervefitting", "printed"]


class NotJudged(Exception):
    """Raised by a rule that lacks what it needs; the text says what."""


@dataclass(frozen=True)
class Setting:
    """One number of a component as the fit had it: its limits, whether it was free, what it was tied to."""

    low: float = -np.inf
    high: float = np.inf
    free: bool = True
    tied_to: int | None = None  # number of the component it follows


@dataclass(frozen=True)
class Component:
    """One line: what it is called, what that means, and its numbers per spectrum."""

    name: str
    level: str | None = None  # "Mn 2p"
    j: str | None = None  # "3/2"
    label: str = ""  # what is left of the name: state, compound, role
    shape: str = ""
    position: FloatArray | None = None  # eV; place of the maximum where that is known
    fwhm: FloatArray | None = None
    area: FloatArray | None = None
    height: FloatArray | None = None
    area_sigma: FloatArray | None = None
    numbers: Mapping[str, FloatArray] = field(default_factory=dict)  # every parameter by its short name
    settings: Mapping[str, Setting] = field(default_factory=dict)
    sigmas: Mapping[str, FloatArray] = field(default_factory=dict)
    rsf: float | None = None
    curve: FloatArray | None = None  # (s, n)

    @property
    def element(self) -> str | None:
        """Symbol of the element."""
        return self.level.split()[0] if self.level else None

    @property
    def orbital(self) -> str:
        """``2p`` of ``Mn 2p``; empty where the level is not known."""
        return self.level.split()[1] if self.level else ""

    def says(self, kind: str) -> bool:
        """Whether the name of the component says that it is a ``satellite``, a ``vacancy``, a ``hydroxide`` ..."""
        pattern = load_table("audit")["words"][kind]
        return re.search(pattern, f"{self.label} " if self.level else self.name, re.IGNORECASE) is not None


@dataclass(frozen=True)
class Doublet:
    """Two components of one level: ``first`` has the higher j and the lower binding energy."""

    first: Component
    second: Component

    @property
    def name(self) -> str:
        """Names of both."""
        one, two = self.first.name, self.second.name
        return one if one == two else f"{one} / {two}"


@dataclass(frozen=True)
class Evidence:
    """Everything that is known about one region of one sample, or of a series of samples."""

    origin: Origin
    components: tuple[Component, ...]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    x: FloatArray | None = None  # (n,)
    counts: FloatArray | None = None  # (s, n)
    net: FloatArray | None = None
    sigma: FloatArray | None = None  # of each point
    residual: FloatArray | None = None
    background_sigma: FloatArray | None = None  # of the background, shared by neighbouring points
    background: Mapping[str, Any] | None = None  # method, n_end ... of the background
    window: tuple[float, float] | None = None  # of the background
    flags: Mapping[str, npt.NDArray[np.bool_]] = field(default_factory=dict)
    redchi: FloatArray | None = None
    refit: Refit | None = None  # the fit, to be made again without a component
    correlation: tuple[tuple[str, ...], FloatArray] | None = None  # names, (s, p, p)
    shift: FloatArray | None = None  # (s,) eV
    shift_sigma: FloatArray | None = None
    calibration: Mapping[str, Any] | None = None  # reference, reference_position, measured_by
    fractions: tuple[str, ...] = ()  # states that the result reports fractions of
    mean_valence: FloatArray | None = None
    splitting_3s: FloatArray | None = None
    verbs: tuple[str, ...] = ()
    pass_energies: tuple[float, ...] = ()  # eV, where those of a series differ
    etched: FloatArray | None = None  # etching time per spectrum, s
    region_rsf: float | None = None
    quantified: Mapping[str, Any] | None = None  # what atomic fractions say of their scale
    declared: Mapping[str, Any] = field(
        default_factory=dict
    )  # compound, conducting, elements ... as the user says
    regions: Mapping[str, Evidence] = field(default_factory=dict)  # other regions of the same sample

    def need(self, name: str, why: str) -> Any:
        """The value ``name``, or :class:`NotJudged` saying ``why`` it is needed."""
        value = getattr(self, name)
        if value is None:
            raise NotJudged(why)
        return value

    @property
    def spectra(self) -> int:
        """Number of spectra."""
        known = [c.position for c in self.components if c.position is not None]
        return known[0].size if known else 1 if self.counts is None else len(self.counts)

    def at(self, level: str) -> tuple[Component, ...]:
        """Components of one level."""
        return tuple(c for c in self.components if c.level == level)

    @property
    def everywhere(self) -> tuple[Component, ...]:
        """Components of this region and of the others given beside it."""
        return (*self.components, *(c for other in self.regions.values() for c in other.components))

    @property
    def main(self) -> tuple[Component, ...]:
        """Components that stand for a chemical state: no satellites, no plasmons."""
        return tuple(c for c in self.components if not c.says("satellite"))


_LEVEL = re.compile(r"\b([A-Z][a-z]?)\s?([1-7][spdf])(?=$|[^a-z])\s?_?([1357]/2)?")
_LINE = re.compile(r"\b([1-7][spdf])_?\s?([1357]/2)")


def named(name: str, region: str | None, element: str | None) -> tuple[str | None, str | None, str]:
    """Level, j and what is left of the name of a component: ``Mo 3d MoS2 2H``, ``Sr3d5/2 p1``, ``Mn3+ 2p3/2``.

    The region stands in where the name has no level of its own.
    """
    found = _LEVEL.search(name)
    if found:
        level = f"{found.group(1)} {found.group(2)}"
        rest = (name[: found.start()] + " " + name[found.end() :]).strip()
        return level, found.group(3), _unnumbered(rest)
    line = _LINE.search(name)
    rest = (name[: line.start()] + " " + name[line.end() :]).strip() if line else name
    symbol = re.match(r"[A-Z][a-z]?", rest)
    owner = symbol.group(0) if symbol and _is_element(symbol.group(0)) else element
    if line:
        return f"{owner} {line.group(1)}" if owner else None, line.group(2), _unnumbered(rest)
    known = re.match(r"([A-Z][a-z]?) ?([1-7][spdf])", region or "")
    return (f"{known.group(1)} {known.group(2)}" if known else None), None, _unnumbered(rest)


def _is_element(symbol: str) -> bool:
    import xraydb

    try:
        return bool(xraydb.atomic_number(symbol))
    except ValueError:
        return False


def _unnumbered(text: str) -> str:
    """Without the numbers that programs give to components: ``p1``, ``_p2``, `` 2``."""
    return re.sub(r"\b_?p\d+\b|(^|\s)\d+$", "", text).strip(" _:")


ELEMENTS = "level energies of the element, xraydb"


def splitting_of(level: str) -> tuple[float, float, float, str] | None:
    """Splitting of a level in eV: usual value, lowest and highest known one, source (:data:`ELEMENTS` at worst)."""
    own = {row["level"]: row for row in load_table("audit")["splitting"]}
    of_levels = {row["name"]: row.get("splitting", {}) for row in load_table("levels")["level"]}
    for row in (own.get(level, {}), of_levels.get(level, {})):
        if "range" in row:
            return float(row["value"]), float(row["range"][0]), float(row["range"][1]), row["source"]
    element, orbital = level.split()
    return _of_elements(element, orbital)


def _of_elements(element: str, orbital: str) -> tuple[float, float, float, str] | None:
    """From tabulated energies of the element's levels."""
    import xraydb

    shell = "KLMNOP"[int(orbital[0]) - 1]
    pair = {"p": (2, 3), "d": (4, 5), "f": (6, 7)}.get(orbital[1])
    if pair is None:
        return None
    edges = xraydb.xray_edges(element)
    low, high = (edges.get(f"{shell}{number}") for number in pair)
    if low is None or high is None or not low.energy > high.energy:
        return None
    value = float(low.energy - high.energy)
    return value, value, value, ELEMENTS


def doublets(components: Sequence[Component]) -> tuple[Doublet, ...]:
    """Pairs of lines: tied to each other, of one label with two j, or apart by about the splitting of their level."""
    free = [i for i, c in enumerate(components) if _may_pair(c)]
    pairs: list[Doublet] = []

    def take(i: int, k: int) -> None:
        one, two = sorted((components[i], components[k]), key=lambda c: float(np.nanmedian(_positions(c))))
        pairs.append(Doublet(one, two))
        free.remove(i)
        free.remove(k)

    for tells in (_are_tied, _differ_in_j, _fit_the_splitting):
        for i in tuple(free):
            partners = [k for k in free if k != i and tells(components, i, k)]
            if i in free and partners:
                take(i, min(partners, key=lambda k: _misfit(components[i], components[k])))
    return tuple(pairs)


def _positions(c: Component) -> FloatArray:
    return np.full(1, np.nan) if c.position is None else c.position


def _may_pair(c: Component) -> bool:
    known = c.level is not None and c.orbital[-1:] in ("p", "d", "f") and c.position is not None
    return known and bool(np.isfinite(_positions(c)).any()) and not c.says("satellite")


def _apart(one: Component, two: Component) -> float:
    return float(abs(np.nanmedian(_positions(two)) - np.nanmedian(_positions(one))))


def _misfit(one: Component, two: Component) -> float:
    """How far two lines are from being the splitting apart, as a part of it."""
    known = splitting_of(str(one.level))
    return np.inf if known is None else abs(_apart(one, two) / known[0] - 1)


def _are_tied(components: Sequence[Component], i: int, k: int) -> bool:
    one, two = components[i], components[k]
    tie = [c.settings.get("position", Setting()).tied_to for c in (one, two)]
    return (
        one.level == two.level
        and (tie[0] == k or tie[1] == i)
        and (one.j is None or one.j != two.j)
        and _misfit(one, two) < 0.5
    )


def _differ_in_j(components: Sequence[Component], i: int, k: int) -> bool:
    one, two = components[i], components[k]
    return (
        one.level == two.level
        and None not in (one.j, two.j)
        and one.j != two.j
        and one.label == two.label
        and _misfit(one, two) < 0.5
    )


def _fit_the_splitting(components: Sequence[Component], i: int, k: int) -> bool:
    one, two = components[i], components[k]
    same = one.level == two.level and one.shape.partition("(")[0] == two.shape.partition("(")[0]
    return same and (one.j is None or one.j != two.j) and one.label == two.label and _misfit(one, two) < 0.15
