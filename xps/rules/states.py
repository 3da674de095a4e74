"""Rules A19–A25, A28, A30, A31 and A37: whether the names that lines were given can be theirs."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from xps.rules.breach import Breach, Limits, where
from xps.rules.evidence import Component, Evidence, FloatArray, NotJudged, doublets
from xps.tables import load_table, number

__all__ = [
    "carbon_offsets",
    "hydroxides",
    "manganese_3s",
    "organic_oxygen",
    "overlaps",
    "positions",
    "reference_positions",
    "satellites",
    "sputtered",
    "vacancies",
    "valences",
    "vanadium_with_oxygen",
]


def _assigned(e: Evidence) -> tuple[Component, ...]:
    if not e.components:
        raise NotJudged("a fit, or assignments")
    return e.components


def vanadium_with_oxygen(e: Evidence, t: Limits) -> Iterator[Breach]:
    """A19: V 2p fitted together with O 1s, under one background."""
    if not any(c.level == "V 2p" for c in _assigned(e)):
        return
    if e.origin == "printed" or e.window is None:
        raise NotJudged("the window of the fit")
    if e.window[1] < t["reach"] or not e.at("O 1s"):
        said = (
            f"the window ends at {e.window[1]:.1f} eV"
            if e.window[1] < t["reach"]
            else "no O 1s among the lines"
        )
        yield Breach("V 2p", said, e.window[1], f"O 1s in the window, which reaches {t['reach']:g} eV")


def vacancies(e: Evidence, t: Limits) -> Iterator[Breach]:
    """A20: no O 1s line is an oxygen vacancy."""
    for c in _assigned(e):
        if c.level == "O 1s" and c.says("vacancy") and c.position is not None:
            inside = (c.position >= t["low"]) & (c.position <= t["high"])
            said = "at {value:.2f} eV, where OH, C=O, carbonate and adsorbed water lie: a vacancy emits no electron"
            yield from where(inside, c.position, c.name, said, f"{t['low']:g} to {t['high']:g} eV")


def organic_oxygen(e: Evidence, t: Limits) -> Iterator[Breach]:
    """A21: oxygen bound to carbon in O 1s as much as the C 1s lines of the same sample allow."""
    oxygen = [c for c in e.everywhere if c.level == "O 1s" and c.says("organic") and c.area is not None]
    carbon = [c for c in e.everywhere if c.level == "C 1s" and c.says("organic") and c.area is not None]
    if not oxygen:
        return
    if not carbon:
        raise NotJudged("the fitted C 1s of the same sample (option 'regions')")
    factors = {row["level"]: number(row["factor"]) for row in load_table("audit")["sensitivity"]}
    found = sum(np.nansum(c.area) for c in oxygen if c.area is not None) / factors["O 1s"]
    # at most two oxygens per carbon of a carboxyl or carbonate, one per other
    allowed = (
        sum((2 if c.says("carboxyl") else 1) * np.nansum(c.area) for c in carbon if c.area is not None)
        / factors["C 1s"]
    )
    ratio = found / allowed if allowed else np.inf
    said = f"{ratio:.2f} times the oxygen that the C 1s lines can bind"
    limits = f"{t['lowest']:g} to {t['highest']:g}"
    if not t["lowest"] <= ratio <= t["highest"]:
        yield Breach("O 1s bound to carbon", said, float(ratio), limits)


def hydroxides(e: Evidence, t: Limits) -> Iterator[Breach]:
    """A22: a hydroxide has its oxygen, an oxyhydroxide both of its."""
    claims = [c for c in _assigned(e) if c.level and c.level != "O 1s" and c.says("hydroxide")]
    if not claims:
        return
    oxygen = [c for c in e.everywhere if c.level == "O 1s" and c.position is not None]
    if not oxygen:
        raise NotJudged("the fitted O 1s of the same sample (option 'regions')")
    places = np.array([float(np.nanmedian(c.position)) for c in oxygen if c.position is not None])
    for c in {c.label: c for c in claims}.values():
        if not ((places >= t["low"]) & (places <= t["high"])).any():
            yield Breach(c.name, "no O 1s line of a hydroxide", threshold=f"{t['low']:g} to {t['high']:g} eV")
        if (
            "OOH" in c.label.replace(" ", "")
            and not ((places >= t["oxide_low"]) & (places <= t["oxide_high"])).any()
        ):
            yield Breach(
                c.name, "no O 1s line of an oxide", threshold=f"{t['oxide_low']:g} to {t['oxide_high']:g} eV"
            )


def _valences_3s(e: Evidence) -> FloatArray | None:
    """Mn valence by both laws, (law, s), from the splitting of Mn 3s here or in another region."""
    laws = [(number(law["a"]), number(law["b"])) for law in load_table("mn3s")["law"]]
    for one in (e, *e.regions.values()):
        if one.splitting_3s is not None:
            return np.stack([a - b * one.splitting_3s for a, b in laws])
        lines = [c for c in one.at("Mn 3s") if c.position is not None]
        if len(lines) == 2:
            apart = np.abs(lines[1].position - lines[0].position)  # type: ignore[operator]
            return np.stack([a - b * apart for a, b in laws])
    return None


def valences(e: Evidence, t: Limits) -> Iterator[Breach]:
    """A23: the same Mn valence from 2p and from 3s."""
    from_2p = e.mean_valence
    if not (from_2p is not None and e.attrs.get("region") == "Mn 2p"):  # of whole spectra: no lines
        if not any(c.level == "Mn 2p" for c in _assigned(e)):
            return
    from_3s = _valences_3s(e)
    if from_2p is None or from_3s is None:
        raise NotJudged("the mean valence from Mn 2p and the splitting of Mn 3s (option 'regions')")
    if from_3s.shape[1] not in (1, from_2p.size):
        raise NotJudged("Mn 3s of as many spectra as Mn 2p")
    apart = np.maximum(from_3s.min(0) - from_2p, from_2p - from_3s.max(0))
    said = f"mean valence {np.nanmedian(from_2p):.2f} from 2p, {np.nanmin(from_3s):.2f} to {np.nanmax(from_3s):.2f} from 3s"
    yield from where(apart > t["difference"], apart, "Mn", said, f"{t['difference']:g} apart")


def manganese_3s(e: Evidence, t: Limits) -> Iterator[Breach]:
    """A24: Mn 3s read as a valence only where the law holds and nothing else lies there."""
    lines = [c for c in _assigned(e) if c.level == "Mn 3s" and c.position is not None]
    splitting = e.splitting_3s
    if splitting is None and len(lines) == 2:
        splitting = np.abs(lines[1].position - lines[0].position)  # type: ignore[operator]
    if splitting is None:
        if any(c.level == "Mn 3s" for c in e.components):
            raise NotJudged("two lines of Mn 3s, or multiplet_splitting")
        return
    off = np.maximum(t["lowest"] - splitting, splitting - t["highest"])
    limits = f"{t['lowest']:g} to {t['highest']:g} eV"
    yield from where(
        off > 0, splitting, "Mn 3s", "splitting {value:.2f} eV, beyond the oxides", limits, worst=off
    )
    compound = str(e.declared.get("compound") or e.attrs.get("sample") or "")
    other = re.search(r"F\d?(?![a-z])|S\d?(?![a-z])|Cl|Br|OOH", compound)
    if other:
        yield Breach(
            "Mn 3s", f"{compound} is no simple oxide: the law was found on those", threshold="oxides"
        )
    for row in load_table("audit")["overlap"]:
        if row["level"] == "Mn 3s" and row["element"] in _elements(e):
            yield Breach(
                "Mn 3s", f"{row['element']} {row['line']} lies there: {row['where']}", threshold="modelled"
            )


def _elements(e: Evidence) -> set[str]:
    """Elements said to be in the sample, or seen in one of its regions."""
    said = set(e.declared.get("elements") or ()) | set(
        re.findall(r"[A-Z][a-z]?", str(e.declared.get("compound") or ""))
    )
    return said | {c.element for c in e.everywhere if c.element}


def positions(e: Evidence, t: Limits) -> Iterator[Breach]:
    """A25: a label where reference tables have it, as far as the scale is sure."""
    unsure = 0.0 if e.shift_sigma is None else np.nan_to_num(e.shift_sigma)
    second = {id(pair.second) for pair in doublets(_assigned(e))}
    for c in e.components:
        if c.position is None or id(c) in second or c.says("satellite") or c.j == "1/2":
            continue
        if not _is_strongest(c, e):
            continue
        row = _reference(c)
        if row is None:
            continue
        low, high = row["range"]
        off = np.maximum(low - c.position, c.position - high)
        beside = row.get("also")
        said = f"at {{value:.2f}} eV; {row['name']}: {low:g} to {high:g} eV ({row['source']})"
        said += f"; also {beside}" if beside else ""
        room = np.maximum(t["margin"], unsure)
        limit = f"{np.median(room):.2g} eV outside" + (
            " (sigma of the scale)" if (room > t["margin"]).any() else ""
        )
        yield from where(off > room + 1e-9, c.position, c.name, said, limit, worst=off)


def _is_strongest(c: Component, e: Evidence) -> bool:
    """Whether a component is the strongest of those with its name: a packet lies where its strongest line does."""
    if c.area is None or not c.label:
        return True
    packet = [o.area for o in e.at(str(c.level)) if (o.label, o.j) == (c.label, c.j) and o.area is not None]
    return float(np.nanmedian(c.area)) >= max(float(np.nanmedian(area)) for area in packet)


@functools.cache
def reference_positions() -> tuple[dict[str, Any], ...]:
    """Where labels lie: ``level``, ``name`` with other ``names``, ``value``, ``range``, ``source``.

    The table of the audit, and what only that of the states has; C 1s lines are judged by their distances (A28).
    """
    own = list(load_table("audit")["position"])
    known = {(row["level"], name) for row in own for name in (row["name"], *row.get("names", ()))}
    for state in load_table("states")["state"]:
        name = state["name"].removeprefix(state["level"]).strip()
        entry = state["position"]
        if "range" not in entry or state["level"] == "C 1s" or (state["level"], name) in known:
            continue
        about = {"value": number(entry), "range": entry["range"], "source": entry["source"]}
        own.append({"level": state["level"], "name": name, **about})
    return tuple(own)


def _reference(c: Component) -> dict[str, Any] | None:
    """Row of the reference ranges that the label of a component names: the longest name that is a word of it."""
    rows: list[dict[str, Any]] = [
        row
        for row in reference_positions()
        if row["level"] == c.level
        and any(_is_word(name, c.label) for name in (row["name"], *row.get("names", ())))
    ]
    return max(rows, key=lambda row: len(row["name"]), default=None)


def _is_word(name: str, label: str) -> bool:
    return re.search(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9+(])", label) is not None


def carbon_offsets(e: Evidence, t: Limits) -> Iterator[Breach]:
    """A28: C 1s lines as far from C–C as their names say."""
    lines = [c for c in _assigned(e) if c.level == "C 1s" and c.position is not None]
    if not lines:
        return
    rows = load_table("audit")["carbon"]
    base = [c for c in lines if re.search(rows[0]["words"], c.label)]
    if not base:
        raise NotJudged("a line called C–C or C–H in C 1s")
    for c in lines:
        row = next((r for r in rows[1:] if re.search(r["words"], c.label)), None)
        if row is None or c.position is None or base[0].position is None:
            continue
        off = c.position - base[0].position if row.get("offset", True) else c.position
        low, high = row["range"]
        beyond = np.maximum(low - off, off - high)
        what = "from C–C" if row.get("offset", True) else ""
        said = f"{row['name']} {{value:.2f}} eV {what}; known: {low:g} to {high:g}"
        yield from where(
            beyond > t["margin"] + 1e-9, off, c.name, said, f"{t['margin']:g} eV outside", worst=beyond
        )


def satellites(e: Evidence, t: Limits) -> Iterator[Breach]:
    """A30: satellites are part of the element and no chemical state."""
    found = [
        c for c in _assigned(e) if c.says("satellite") and c.level and not c.says("metal")
    ]  # losses count
    states = [
        s for s in e.fractions if re.search(load_table("audit")["words"]["satellite"], s, re.IGNORECASE)
    ]
    for state in states:
        yield Breach(state, "a satellite is counted as a chemical state", threshold="states only")
    if found and e.fractions and not states:
        names = ", ".join(c.name for c in found)
        yield Breach(
            names, "left out of the area that fractions are taken of", threshold="in the total of the element"
        )


def overlaps(e: Evidence, t: Limits) -> Iterator[Breach]:
    """A31: lines of other elements in the window."""
    levels = dict.fromkeys(c.level for c in e.components if c.level) or {str(e.attrs.get("region", "")): None}
    rows = [
        row for row in load_table("audit")["overlap"] if row["level"] in levels and row["level"] != "Mn 3s"
    ]
    if rows and not _elements(e) - {str(level).split()[0] for level in levels}:
        raise NotJudged("the elements of the sample (option 'elements')")
    photon = float(e.attrs.get("photon_energy", 0) or 0)
    for row in rows:
        auger = "source_energy" in row
        right_source = not auger or not photon or abs(photon - row["source_energy"]) < 2
        drawn = any(c.level == f"{row['element']} {row['line']}" for c in e.components)
        if row["element"] in _elements(e) and right_source and not drawn:
            yield Breach(
                row["level"],
                f"{row['element']} {row['line']} may lie there: {row['where']}",
                threshold="modelled, or shown to be absent",
            )


def sputtered(e: Evidence, t: Limits) -> Iterator[Breach]:
    """A37: states found after etching may be made by it."""
    if e.etched is None:
        raise NotJudged("etching times")
    if not (e.etched > 0).any():
        return
    reduced = load_table("audit")["reduced_by_sputtering"]
    labels = dict.fromkeys(
        (c.level, ion) for c in e.main for ion in reduced.get(str(c.element), ()) if ion in c.label
    )
    for level, ion in labels:
        said = f"{ion} after up to {{value:g}} s of etching: ions reduce these oxides"
        yield from where(e.etched > 0, e.etched, f"{level} {ion}", said, "not etched")
