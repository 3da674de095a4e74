"""Rules A01–A06, A17 and A18: what the two lines of a doublet, and the lines of a multiplet packet, owe each other."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from xps.rules.breach import Breach, Limits, where
from xps.rules.evidence import (
    ELEMENTS,
    Component,
    Doublet,
    Evidence,
    NotJudged,
    Setting,
    doublets,
    splitting_of,
)
from xps.tables import load_table, number

__all__ = [
    "area_ratios",
    "lone_lines",
    "packets_tied",
    "single_lines",
    "splittings",
    "state_widths",
    "width_ratios",
    "widths",
]

RATIO = {"p": 1 / 2, "d": 2 / 3, "f": 3 / 4}


def _pairs(e: Evidence) -> tuple[Doublet, ...]:
    if not e.components:
        raise NotJudged("a fit, or assignments")
    return doublets(e.components)


def area_ratios(e: Evidence, t: Limits) -> Iterator[Breach]:
    """A01: areas of a doublet as their statistical weights."""
    for pair in _pairs(e):
        if pair.first.area is None or pair.second.area is None:
            continue
        expected = RATIO[pair.first.orbital[1]]
        ratio = pair.second.area / pair.first.area
        off = np.abs(ratio / expected - 1)
        said = f"area ratio {{value:.3f}} instead of {expected:.3f}"
        limit = f"off by {t['warning']:.0%} (error: {t['error']:.0%})"
        grave = bool((off > t["error"]).any())
        yield from where(
            off > t["warning"],
            ratio,
            pair.name,
            said,
            limit,
            worst=off,
            severity="error" if grave else "warning",
        )


def lone_lines(e: Evidence, t: Limits) -> Iterator[Breach]:
    """A02: no line of a doublet without the other."""
    paired = {id(c) for pair in _pairs(e) for c in (pair.first, pair.second)}
    for c in e.components:
        known = splitting_of(c.level) if c.level else None
        if id(c) in paired or known is None or c.says("satellite") or c.position is None:
            continue
        packet = [o for o in e.at(str(c.level)) if o.label == c.label and (o.j, o.level) == (c.j, c.level)]
        multiplets = c.level in load_table("audit")["multiplet"]["levels"]
        if multiplets and c.label and any(id(o) in paired for o in packet) and len(packet) > 2:
            continue  # a line of a packet of which others have their partner
        there = float(np.nanmedian(c.position))
        partner = there - known[0] if c.j in ("1/2", "3/2") and c.j != _high_j(c) else there + known[0]
        low, high = e.window or (-np.inf, np.inf)
        if e.declared.get("one_line") and not low <= partner <= high:
            continue
        inside = "inside" if low <= partner <= high else "outside"
        yield Breach(
            c.name,
            f"no partner near {partner:.1f} eV, {inside} the window of the fit",
            partner,
            f"{known[0]:.2f} eV away; 'one_line' declares a fit of one line whose window ends before the other",
        )


def _high_j(c: Component) -> str:
    return {"p": "3/2", "d": "5/2", "f": "7/2"}[c.orbital[1]]


def splittings(e: Evidence, t: Limits) -> Iterator[Breach]:
    """A03: a splitting inside the range of its level, and the same for all doublets of levels without multiplets."""
    apart: dict[str, list[tuple[Doublet, np.ndarray]]] = {}
    for pair in _pairs(e):
        level = str(pair.first.level)
        known = splitting_of(level)
        if known is None or pair.first.position is None or pair.second.position is None:
            continue
        split = pair.second.position - pair.first.position
        apart.setdefault(level, []).append((pair, split))
        _, low, high, source = known
        beyond = np.maximum(low - split, split - high)
        margin = t["elements"] if source == ELEMENTS else t["margin"]
        said = f"splitting {{value:.2f}} eV, tables have {low:g} to {high:g} ({source})"
        yield from where(beyond > margin, split, pair.name, said, f"{margin:g} eV beyond", worst=beyond)
    for level, found in apart.items():
        if len(found) > 1 and level not in load_table("audit")["multiplet"]["levels"]:
            values = np.stack([np.broadcast_to(s, found[0][1].shape) for _, s in found])
            spread = values.max(0) - values.min(0)
            said = f"splittings of its doublets differ by {{value:.2f}} eV ({values.min():.2f} to {values.max():.2f})"
            yield from where(spread > t["spread"], spread, level, said, f"{t['spread']:g} eV")


def width_ratios(e: Evidence, t: Limits) -> Iterator[Breach]:
    """A04: the line of lower j not narrower than the other nor far wider, and of the same shape."""
    for pair in _pairs(e):
        one, two = pair.first, pair.second
        if one.fwhm is not None and two.fwhm is not None:
            ratio = two.fwhm / one.fwhm
            text = f"width ratio {{value:.3f}} ({float(np.nanmedian(two.fwhm)):.3g} to {float(np.nanmedian(one.fwhm)):.3g} eV)"
            limits = f"{t['lowest']:g} to {t['highest']:g}"
            off = np.maximum(t["lowest"] / ratio, ratio / t["highest"])
            yield from where(
                (ratio < t["lowest"]) | (ratio > t["highest"]), ratio, pair.name, text, limits, worst=off
            )
        if one.shape and two.shape and one.shape != two.shape:
            yield Breach(pair.name, f"shapes differ: {one.shape} and {two.shape}", threshold="the same shape")
        for key in sorted(set(one.numbers) & set(two.numbers) & {"fraction", "asymmetry", "a", "b"}):
            off = np.abs(two.numbers[key] - one.numbers[key])
            yield from where(
                off > 1e-3,
                off,
                pair.name,
                f"{key} of the two lines differs by {{value:.3f}}",
                "the same shape",
            )


def widths(e: Evidence, t: Limits) -> Iterator[Breach]:
    """A05: no line narrower than the instrument and the lifetime allow, none too wide for one state."""
    rows = load_table("levels")["level"]
    known = {row["name"]: row["natural_width"] for row in rows if "natural_width" in row}
    natural = {name: number(entry) for name, entry in known.items() if entry["source"].startswith("10.")}
    for c in e.components:
        if c.fwhm is None:
            continue
        floor = max(t["floor"], natural.get(str(c.level), 0.0))
        yield from where(
            c.fwhm < floor,
            c.fwhm,
            c.name,
            "{value:.3f} eV wide, narrower than instrument and lifetime",
            f"{floor:g} eV",
            worst=-c.fwhm,
            severity="error",
        )
        if not c.says("satellite"):
            yield from where(
                c.fwhm > t["widest"],
                c.fwhm,
                c.name,
                "{value:.2f} eV wide and not called a satellite or plasmon",
                f"{t['widest']:g} eV",
                severity="warning",
            )


def state_widths(e: Evidence, t: Limits) -> Iterator[Breach]:
    """A06: states of one level of similar width; metals and levels with multiplets apart."""
    exempt = load_table("audit")["multiplet"]["levels"]
    second = {id(pair.second) for pair in doublets(e.components)}
    for level in dict.fromkeys(c.level for c in e.main if c.level):
        wide = [
            c for c in e.at(level) if not c.says("satellite") and not c.says("metal") and c.fwhm is not None
        ]
        wide = [c for c in wide if id(c) not in second]
        if len(wide) < 2 or level in exempt:
            continue
        values = np.stack([c.fwhm for c in wide if c.fwhm is not None])
        ratio = values.max(0) / values.min(0)
        said = f"widths from {values.min():.2f} to {values.max():.2f} eV, ratio {{value:.2f}}"
        yield from where(ratio > t["ratio"], ratio, level, said, f"ratio {t['ratio']:g}")


def _state(c: Component) -> str | None:
    """The ion or compound with unpaired electrons that a component stands for, as its table writes it."""
    states = load_table("states")["state"]
    listed = {row["name"] for row in states if row.get("multiplets") and row["level"] == c.level}
    if c.label in listed:
        return c.label
    return next(
        (ion for ion in load_table("audit")["multiplet"]["unpaired"] if ion in c.label.replace(" ", "")), None
    )


def single_lines(e: Evidence, t: Limits) -> Iterator[Breach]:
    """A17: an ion with unpaired d electrons is no single line."""
    second = {id(pair.second) for pair in doublets(e.components)}
    lines: dict[tuple[str | None, str], list[Component]] = {}
    for c in e.main:
        ion = _state(c)
        if ion and c.level in load_table("audit")["multiplet"]["levels"] and id(c) not in second:
            lines.setdefault((c.level, ion), []).append(c)
    for (level, ion), found in lines.items():
        first = [c for c in found if c.j in (None, "3/2")]
        if len(first) < t["lines"]:
            reported = any(ion in state for state in e.fractions)
            said = f"{len(first)} line for {ion}" + (", and its fraction is reported" if reported else "")
            yield Breach(
                f"{level} {ion}",
                said,
                float(len(first)),
                f"{t['lines']:g} lines or a measured reference",
                "error" if reported else "warning",
            )


def packets_tied(e: Evidence, t: Limits) -> Iterator[Breach]:
    """A18: the lines of a packet tied to each other in energy, width and area."""
    groups: dict[tuple[str | None, str, str | None], list[Component]] = {}
    for c in e.main:
        if c.level in load_table("audit")["multiplet"]["levels"] and c.label and c.settings:
            groups.setdefault((c.level, c.label, c.j), []).append(c)
    for (level, label, j), lines in groups.items():
        if len(lines) < t["lines"]:
            continue
        loose = [
            key
            for key in ("position", "area", "fwhm")
            if sum(c.settings.get(key, Setting(free=False)).free for c in lines) > 1
        ]
        if loose:
            yield Breach(
                f"{level}{j or ''} {label}",
                f"{len(lines)} lines of one packet, {', '.join(loose)} free in more than one",
                float(len(lines)),
                "one free position, area and width per packet",
            )
