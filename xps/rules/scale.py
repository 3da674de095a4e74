"""Rules A26, A27, A29, A34 and A35: the energy scale, the scale of areas, and what a reader must be told."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from xps.rules.breach import Breach, Limits, where
from xps.rules.evidence import Component, Evidence, FloatArray, NotJudged
from xps.rules.states import reference_positions
from xps.tables import load_table

__all__ = ["calibration", "calibration_uncertainty", "metadata", "sensitivity", "source"]


def calibration(e: Evidence, t: Limits) -> Iterator[Breach]:
    """A26: how the scale was set, and whether that can be."""
    if e.origin == "printed":
        raise NotJudged("the dataset")
    if e.calibration is None:
        yield Breach(
            "binding energies",
            "no calibration is stored",
            threshold="peak, value and shift",
            severity="error",
        )
        return
    reference = str(e.calibration.get("reference", ""))
    place = e.calibration.get("reference_position")
    if reference == "C 1s" and place is not None and not t["carbon_low"] <= float(place) <= t["carbon_high"]:
        limits = f"{t['carbon_low']:g} to {t['carbon_high']:g} eV"
        yield Breach("C 1s", f"set to {float(place):g} eV", float(place), limits, "warning")
    shift = e.shift if e.shift is not None else np.array([float(e.calibration.get("shift", np.nan))])
    with np.errstate(invalid="ignore"):
        large = np.abs(shift) > t["shift"]
    yield from where(
        large, shift, "charge shift", "{value:+.2f} eV", f"{t['shift']:g} eV", severity="warning"
    )
    if reference == "C 1s" and e.declared.get("conducting"):
        said = "adventitious carbon on a conducting sample, which has a Fermi edge or takes gold"
        yield Breach("binding energies", said, threshold="Fermi edge or Au 4f", severity="warning")
    flagged = e.flags.get("shifts_differ")
    if flagged is not None and flagged.any():
        yield Breach(
            "charge shift", "differs inside one sample", severity="warning", spectra=int(flagged.sum())
        )
    for name, other in e.regions.items():
        if e.shift is None or other.shift is None:
            continue
        apart = np.abs(np.nanmedian(other.shift) - np.nanmedian(e.shift))
        said = f"{name} was shifted by {{value:.2f}} eV more or less than this region"
        yield from where(
            apart > t["difference"],
            [apart],
            "charge shift",
            said,
            f"{t['difference']:g} eV",
            severity="warning",
        )


def calibration_uncertainty(e: Evidence, t: Limits) -> Iterator[Breach]:
    """A27: labels that differ by less than the scale is sure."""
    references: dict[str, list[tuple[float, str]]] = {}
    rows = reference_positions()
    for c in e.main:
        row = next((r for r in rows if r["level"] == c.level and r["name"] in c.label), None)
        if row and c.level:
            references.setdefault(c.level, []).append((float(row["value"]), str(row["name"])))
    close = [
        (level, one[1], two[1], abs(one[0] - two[0]))
        for level, found in references.items()
        for i, one in enumerate(sorted(set(found)))
        for two in sorted(set(found))[:i]
    ]
    if not close:
        return
    level, one, two, apart = min(close, key=lambda pair: pair[3])
    known = e.shift_sigma is not None and bool((e.shift_sigma > 0).all())
    sure = float(np.nanmedian(e.shift_sigma)) if e.shift_sigma is not None and known else t["sigma"]
    if not known and apart < t["sigma"] * t["times"]:
        said = f"{one} and {two} differ by {apart:.2f} eV, and positions hold no uncertainty of the scale"
        yield Breach(level, said, apart, f"{t['sigma'] * t['times']:g} eV")
    elif known and apart < sure:
        said = f"{one} and {two} differ by {apart:.2f} eV, the scale is sure to {sure:.2f} eV: indistinguishable by energy"
        yield Breach(level, said, apart, f"{sure:.2g} eV")


def sensitivity(e: Evidence, t: Limits) -> Iterator[Breach]:
    """A29: one scale of sensitivity factors, each applied to what it is for."""
    if e.quantified is not None:
        if not str(e.quantified.get("sensitivity_scale", "")):
            yield Breach(
                "atomic fractions", "the scale of their factors is not named", threshold="a named scale"
            )
        return
    with_factor = [c for c in e.components if c.rsf is not None]
    if e.region_rsf is None or not with_factor:
        raise NotJudged("sensitivity factors of region and components")
    own = [c for c in with_factor if c.level == e.attrs.get("region") or c.level is None]
    other = [c for c in with_factor if c not in own]
    off = [c for c in own if c.rsf and abs(c.rsf / e.region_rsf - 1) > t["difference"]]
    if off:
        factors = ", ".join(f"{value:g}" for value in sorted({c.rsf for c in off if c.rsf is not None}))
        said = f"factor {e.region_rsf:.5g} for the region, {factors} for its components"
        yield Breach(str(e.attrs.get("region", "region")), said, off[0].rsf or np.nan, "one factor per level")
    for c in other:
        if c.rsf is not None and abs(c.rsf / e.region_rsf - 1) <= 1e-3:
            said = f"carries the factor {c.rsf:.5g} of {e.attrs.get('region')}"
            yield Breach(c.name, said, c.rsf, "the factor of its own level")


def source(e: Evidence, t: Limits) -> Iterator[Breach]:
    """A34: the photon energy, and the satellites of a source without monochromator."""
    if e.origin == "printed":
        raise NotJudged("the dataset")
    photon = e.attrs.get("photon_energy")
    if photon is None:
        yield Breach("photon energy", "not stored", threshold="stored")
        return
    if float(photon) <= 0:
        yield Breach(
            "photon energy",
            f"{float(photon):g} eV: binding energies cannot come of it",
            float(photon),
            "above 0",
        )
        return
    text = " ".join(str(e.attrs.get(key, "")) for key in ("source", "source_label", "anode", "monochromator"))
    magnesium = abs(float(photon) - t["magnesium"]) < 1
    plain = magnesium or re.search(r"non.?mono|\bMg\b|Dual|achromatic", text, re.IGNORECASE) is not None
    if not plain or any("satellite" in verb for verb in e.verbs):
        return
    known = load_table("audit")["source_satellite"]["Mg" if magnesium else "Al"]
    shifts, parts = np.array(known["shifts"]), np.array(known["parts"])
    what = f"source of {float(photon):.1f} eV without monochromator"
    if not e.components or e.window is None:
        said = f"{what}: Kα3,4 satellites {shifts[0]:g} and {shifts[1]:g} eV below each line"
        yield Breach("source", said, float(photon), "satellites removed or modelled")
        return
    for c in e.components:
        if c.position is None or _of_source(c):
            continue
        places = c.position[:, None] - shifts
        there = (places >= e.window[0]) & (places <= e.window[1]) & ~_modelled(places, e, t["near"])
        there &= _visible(c, places, parts, e, t["noise"])
        said = f"{what}: a Kα3,4 satellite of this line lies at {{value:.1f}} eV, inside the window"
        place = np.where(there, places, -np.inf).max(1)
        yield from where(there.any(1), place, c.name, said, "satellites removed or modelled")


def _visible(
    c: Component, places: FloatArray, parts: FloatArray, e: Evidence, ratio: float
) -> npt.NDArray[np.bool_]:
    """Whether a satellite is as high as the noise of a point there; (s, satellite)."""
    if c.height is None or e.sigma is None or e.x is None:
        return np.ones(places.shape, bool)
    point = np.abs(e.x - np.nanmedian(places, 0)[:, None]).argmin(1)
    return np.asarray(c.height[:, None] * parts > ratio * e.sigma[:, point])


def _of_source(c: Component) -> bool:
    """Whether a component is called a satellite of the source."""
    return re.search(load_table("audit")["words"]["source_satellite"], c.name, re.IGNORECASE) is not None


def _modelled(expected: FloatArray, e: Evidence, near: float) -> npt.NDArray[np.bool_]:
    """Whether a component called a satellite stands where one of the source is expected; (s, satellite)."""
    found = np.zeros(expected.shape, bool)
    for c in e.components:
        if c.position is not None and (_of_source(c) or c.says("satellite")):
            found |= np.abs(expected - c.position[:, None]) <= near
    return found


def metadata(e: Evidence, t: Limits) -> Iterator[Breach]:
    """A35: what has to be reported beside a fit."""
    if e.origin == "printed":
        raise NotJudged("the dataset")
    wanted = load_table("audit")["reported"]
    missing = [name for name, keys in wanted.items() if not any(str(e.attrs.get(key, "")) for key in keys)]
    if e.background is None:
        missing.append("background")
    if e.calibration is None:
        missing.append("calibration")
    if not any(c.shape for c in e.components):
        missing.append("line shapes")
    if missing:
        yield Breach("report", f"not stored: {', '.join(missing)}", float(len(missing)), "all of them")
