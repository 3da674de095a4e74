"""Rules A11–A16: the background, the window, and the tails of line shapes in them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from xps.rules.breach import Breach, Limits, where
from xps.rules.evidence import Component, Evidence, NotJudged
from xps.rules.statistics import together
from xps.rules.tails import asymmetry_of, exponents, lorentzian, outside

__all__ = [
    "areas_finite",
    "asymmetry",
    "background_above_data",
    "background_method",
    "tails",
    "window_ends",
]


def background_above_data(e: Evidence, t: Limits) -> Iterator[Breach]:
    """A11: nothing below the background, and the background not above the data."""
    for c in e.components:
        if c.curve is not None:
            lowest = np.nanmin(c.curve, -1)
            scale = np.nanmax(np.abs(c.curve), -1)
            said = "its curve reaches {value:.3g}, below the background"
            yield from where(lowest < -1e-6 * scale, lowest, c.name, said, "0")
    net = e.need("net", "a background subtracted here")
    sigma = e.need("sigma", "the uncertainty of each point")
    run = together(net, sigma, e.background_sigma, int(t["points"]))
    lowest = np.nanmin(np.where(np.isfinite(run), run, 0), -1)
    said = f"{int(t['points'])} neighbouring points lie {{value:.1f}} sigma off the background, below it"
    yield from where(lowest < -t["sigmas"], lowest, "background", said, f"{t['sigmas']:g} sigma")


def window_ends(e: Evidence, t: Limits) -> Iterator[Breach]:
    """A12: ends of the window on bare background, known from several points, far enough from the lines."""
    if e.window is None:
        raise NotJudged("the window of the background")
    cut = e.flags.get("end_on_slope")
    if cut is not None and cut.any():
        yield Breach("background", "an end of the window lies on the flank of a line", spectra=int(cut.sum()))
    ends = (e.background or {}).get("n_end")
    if ends is not None and int(ends) < t["points"]:
        yield Breach("background", f"{int(ends)} point at each end", float(ends), f"{t['points']:g} points")
    lines = [
        c for c in e.components if not (c.says("metal") and c.says("satellite"))
    ]  # a metal's losses are wide
    known = [c for c in lines if c.position is not None and c.fwhm is not None]
    if not known:
        return
    low, high = e.window
    for side, reach in (
        ("low", [(c, (c.position - low) / c.fwhm) for c in known]),  # type: ignore[operator]
        ("high", [(c, (high - c.position) / c.fwhm) for c in known]),  # type: ignore[operator]
    ):
        nearest, room = min(reach, key=lambda pair: float(np.nanmin(pair[1])))
        said = f"the {side} end of the window is {{value:.1f}} widths from it"
        yield from where(room < t["widths"], room, nearest.name, said, f"{t['widths']:g} widths", worst=-room)


def background_method(e: Evidence, t: Limits) -> Iterator[Breach]:
    """A13: an iterated background that settled, under data that rise."""
    if e.background is None:
        raise NotJudged("a background")
    method = str(e.background.get("method", "background"))
    unsettled, falls = (e.flags.get(f"background_{name}") for name in ("not_converged", "falls"))
    if unsettled is not None and unsettled.any():
        said = "the background did not settle"
        yield Breach(method, said, threshold="settled", severity="error", spectra=int(unsettled.sum()))
    if falls is not None and falls.any():
        said = "the data fall towards high binding energy under a background that cannot"
        yield Breach(method, said, threshold="3 sigma", severity="warning", spectra=int(falls.sum()))
    if "shirley" not in str(e.background.get("method", "")).lower() or e.counts is None or e.x is None:
        return
    if e.flags or e.window is None or e.sigma is None:
        return
    inside = np.flatnonzero((e.x >= e.window[0]) & (e.x <= e.window[1]))
    if inside.size < 20:
        return
    ends = [
        (e.counts[:, part].mean(-1), np.sqrt((e.sigma[:, part] ** 2).mean(-1) / 5))
        for part in (inside[:5], inside[-5:])
    ]
    fall = (ends[0][0] - ends[1][0]) / np.hypot(ends[0][1], ends[1][1])
    said = "the data fall by {value:.1f} sigma towards high binding energy under a Shirley background"
    yield from where(
        fall > t["sigmas"], fall, "background", said, f"{t['sigmas']:g} sigma", severity="warning"
    )


def tails(e: Evidence, t: Limits) -> Iterator[Breach]:
    """A14: the area of a component inside the window, and its shape not all tail."""
    if e.window is None or not e.components:
        raise NotJudged("components and the window of the background")
    for c in e.components:
        beyond = outside(c, e.x, e.window)
        if beyond is not None:
            said = "{value:.1%} of its area lies outside the window"
            yield from where(beyond > t["outside"], beyond, c.name, said, f"{t['outside']:.0%}")
        share = lorentzian(c)
        if share is not None and not c.says("metal"):
            said = "{value:.0%} Lorentzian"
            yield from where(share > t["lorentzian"], share, c.name, said, f"{t['lorentzian']:.0%}")


def asymmetry(e: Evidence, t: Limits) -> Iterator[Breach]:
    """A15: tails where electrons at the Fermi level make them: on metals, towards high binding energy."""
    shaped = [(c, asymmetry_of(c)) for c in e.components]
    if not any(tail is not None for _, tail in shaped):
        raise NotJudged("line shapes")
    for c, tail in shaped:
        if tail is None or c.says("satellite"):
            continue
        if tail < 0:
            yield Breach(
                c.name, f"{c.shape} has its tail towards low binding energy", tail, "no such tail", "error"
            )
        elif tail > t["tail"] and _insulates(c, e):
            yield Breach(
                c.name,
                f"{c.shape} is asymmetric, on {_what(c, e)}",
                tail,
                "symmetric on oxides and insulators",
                "warning",
            )
        elif tail <= t["tail"] and c.says("metal"):
            yield Breach(
                c.name, f"{c.shape or 'its shape'} is symmetric, on a metal", tail, "a tail", "warning"
            )


def _insulates(c: Component, e: Evidence) -> bool:
    if "conducting" in e.declared:
        return not e.declared["conducting"]
    if c.says("metal"):
        return False
    return c.says("oxide") or bool(
        re.search(r"[A-Z][a-z]?\d*O\d*", str(e.declared.get("compound") or e.attrs.get("sample") or ""))
    )


def _what(c: Component, e: Evidence) -> str:
    return c.label or str(e.declared.get("compound") or e.attrs.get("sample") or "an insulator")


def areas_finite(e: Evidence, t: Limits) -> Iterator[Breach]:
    """A16: areas that do not depend on the window."""
    for c in e.components:
        if c.area is None:
            continue
        shape = c.shape.replace(" ", "")
        if shape.startswith(("DS", "doniach", "breit_wigner_fano")):
            yield Breach(
                c.name,
                f"{c.shape} has no finite area: that listed is one of the window",
                float(np.nanmedian(c.area)),
                "a finite area",
            )
            continue
        two = exponents(c)
        if two and min(two) <= t["exponent"]:
            yield Breach(
                c.name,
                f"{c.shape} with exponent {min(two):g} has no finite area",
                min(two),
                f"exponents above {t['exponent']:g}",
            )
        elif e.origin == "khervefitting" and two and e.window is not None:
            beyond = outside(c, e.x, e.window)
            if beyond is not None:
                said = "its area was summed inside the window, and {value:.1%} of the line lies outside"
                yield from where(beyond > t["outside"], beyond, c.name, said, f"{t['outside']:.0%}")
