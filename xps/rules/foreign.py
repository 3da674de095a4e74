"""Fits that other programs left in a file, as evidence: CasaXPS and KherveFitting."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from xps.rules.evidence import Component, Origin, Setting, named

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["foreign_background", "foreign_components", "region_rsf"]


def region_rsf(dataset: xr.Dataset) -> float | None:
    """Sensitivity factor of the region."""
    regions = json.loads(dataset.attrs.get("casaxps", "{}")).get("regions", [])
    return float(regions[0]["rsf"]) if regions else None


def foreign_background(dataset: xr.Dataset) -> dict[str, Any] | None:
    """Method of the background, by its name there."""
    regions = json.loads(dataset.attrs.get("casaxps", "{}")).get("regions", [])
    if regions:
        return {"method": str(regions[0]["background"])}
    stored = json.loads(dataset.attrs.get("khervefitting", "{}")).get("background", {})
    return {"method": str(stored["Bkg Type"])} if stored.get("Bkg Type") else None


def foreign_components(dataset: xr.Dataset) -> tuple[tuple[Component, ...], Origin]:
    """Components of the fit that another program left in the file."""
    casa = json.loads(dataset.attrs.get("casaxps", "{}")).get("components", [])
    region, element = dataset.attrs.get("region"), dataset.attrs.get("element")
    if casa:
        return tuple(_of_casaxps(c, region, element) for c in casa), "casaxps"
    peaks = json.loads(dataset.attrs.get("khervefitting", "{}")).get("peaks", [])
    if peaks:
        return tuple(_of_khervefitting(p, peaks, region, element) for p in peaks), "khervefitting"
    return (), "fit"


def _of_casaxps(c: Mapping[str, Any], region: str | None, element: str | None) -> Component:
    level, j, label = named(str(c["name"]), region, element)
    numbers, settings = {}, {}
    for key, short in (("area", "area"), ("fwhm", "fwhm"), ("position_binding", "position")):
        entry = c[key]
        if entry["value"] is None:
            continue
        numbers[short] = np.array([float(entry["value"])])
        low, high = (np.nan if entry[k] is None else float(entry[k]) for k in ("low", "high"))
        settings[short] = Setting(
            -np.inf if np.isnan(low) else low,
            np.inf if np.isnan(high) else high,
            entry["link"] is None,
            entry["link"],
        )
    rsf = c.get("rsf")
    return Component(
        str(c["name"]),
        level,
        j,
        label,
        str(c["shape"]),
        position=numbers.get("position"),
        fwhm=numbers.get("fwhm"),
        area=numbers.get("area"),
        numbers=numbers,
        settings=settings,
        rsf=None if rsf is None else float(rsf),
    )


def _of_khervefitting(
    p: Mapping[str, Any], peaks: Sequence[Mapping[str, Any]], region: str | None, element: str | None
) -> Component:
    """A peak of KherveFitting; ``A*0.5#0.05`` is a tie to the first peak that may move by 0.05."""
    level, j, label = named(str(p["name"]), region, element)
    constraints = p.get("Constraints") or {}
    numbers, settings = {}, {}
    for key, short in (("Area", "area"), ("FWHM", "fwhm"), ("Position", "position"), ("Height", "height")):
        if not isinstance(p.get(key), int | float):
            continue
        numbers[short] = np.array([float(p[key])])
        settings[short] = _constraint(str(constraints.get(key, "")), [other.get(key) for other in peaks])
    for key, short, unit in (("Sigma", "sigma", 1.0), ("Gamma", "gamma", 1.0), ("L/G", "share", 100.0)):
        if isinstance(p.get(key), int | float):
            numbers[short] = np.array([float(p[key]) / unit])
    return Component(
        str(p["name"]),
        level,
        j,
        label,
        str(p.get("Fitting Model", "")),
        position=numbers.get("position"),
        fwhm=numbers.get("fwhm"),
        area=numbers.get("area"),
        height=numbers.get("height"),
        numbers=numbers,
        settings=settings,
    )


def _constraint(text: str, values: Sequence[Any]) -> Setting:
    """Limits and tie of one number; ``values`` are those that the peaks A, B, C ... have of it."""
    tie = re.match(r"([A-Z])\s*([*+-])\s*([\d.]+)(?:#([\d.]+))?", text)
    if tie:
        to = ord(tie.group(1)) - ord("A")
        leader = values[to] if to < len(values) else None
        if tie.group(4) is None or not isinstance(leader, int | float):
            return Setting(free=tie.group(4) is not None, tied_to=to)
        change, room = float(tie.group(3)), float(tie.group(4))
        ends = {
            "*": (leader * (change - room), leader * (change + room)),
            "+": (leader + change - room, leader + change + room),
            "-": (leader - change - room, leader - change + room),
        }[tie.group(2)]
        return Setting(min(ends), max(ends), True, to)
    limits = re.fullmatch(r"\s*([-+\d.eE]+)\s*[:,]\s*([-+\d.eE]+)\s*", text)
    if limits:
        return Setting(float(limits.group(1)), float(limits.group(2)))
    return Setting(free=text.strip().lower() != "fixed")
