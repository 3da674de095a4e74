"""Rows of evidence for and against the order of Ni and Mn: what each says, what it means, how far it is trusted."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from raman.order.doublet import doublet_evidence
from raman.order.infrared import infrared_bands
from raman.order.lines import find_lines
from raman.tables import load_table
from spectra.fitting import fit_arrays
from spectra.fitting.spec import from_tables
from spectra.fitting.understand import Understood, understand

__all__ = ["ROWS", "Evidence", "Row", "combined", "infrared_rows", "raman_rows"]

Array = npt.NDArray[np.float64]

SEEN = 5.0  # sigma that the reference band must stand out, for anything to be judged
DOI = "10.1039/d4sc02754j"


@dataclass(frozen=True)
class Row:
    """What one row of evidence is."""

    name: str
    kind: str
    units: str
    meaning: str
    status: str
    source: str


@dataclass(frozen=True)
class Evidence:
    """What one row says of each spectrum; natural logarithms of likelihoods over that of disorder."""

    value: Array
    sigma: Array
    ordered: Array
    mixed: Array


ROWS = {
    row.name: row
    for row in (
        Row("F2g(3) splitting", "raman", "1/cm", "two bands between 580 and 610 if ordered, one if not", "to-verify", DOI),
        Row("F2g(3) AICc", "raman", "", "AICc of one band less that of two; what it weighs is in the splitting", "computed", ""),
        Row("A1g position", "raman", "1/cm", "625 with much Mn3+, 633 with Mn4+: valence, not order; needs a calibrated axis", "read", DOI),
        Row("A1g width", "raman", "1/cm", "full width at half maximum; no width of either phase is tabulated", "computed", ""),
        Row("Ni–O width", "raman", "1/cm", "full width of the band near 491; sharper if ordered, no width is tabulated", "to-verify", DOI),
        Row("low-frequency lines", "raman", "", "lines near 160, 220, 240 that stand out, of those in range", "to-verify", "recalled"),
        Row("I(587)/I(621)", "infrared", "", "above 1 if ordered, below if not; heights above a straight baseline", "to-verify", DOI),
        Row("band at 646", "infrared", "", "height over that of 621; only if ordered", "to-verify", DOI),
        Row("bands at 464, 430", "infrared", "", "bands that stand out, of those in range; only if ordered", "to-verify", DOI),
    )
}  # fmt: skip


def raman_rows(
    x: Array,
    y: Array,
    sigma: Array | None,
    *,
    splitting: tuple[float, float] | None,
    shift_sigma: float,
    calibrated: bool,
    false_alarms: float,
) -> dict[str, Any]:
    """Rows that Raman spectra give, by name, with ``missing``, ``unresolved`` and the splitting beside them.

    Parameters
    ----------
    x : (n,) array
        Raman shift in 1/cm, ascending.
    y, sigma : (..., n) array
        Intensity and its uncertainty; None where it is read off the spectrum.
    splitting, shift_sigma, false_alarms
        As in :func:`raman.diagnose_ordering`.
    calibrated : bool
        Whether positions mean anything.
    """
    sigma = _noise(y) if sigma is None else sigma
    seen = doublet_evidence(x, y, sigma, splitting=splitting, shift_sigma=shift_sigma)
    nothing = np.zeros(y.shape[:-1])
    failed = np.isnan(seen.two) | np.isnan(
        seen.both
    )  # of two answers compared with the third, both must be known
    two, both = (np.where(failed, np.nan, evidence) for evidence in (seen.two, seen.both))
    missing = ~(seen.a1g_height > SEEN * seen.a1g_height_sigma)
    hidden = np.full(y.shape[:-1], np.nan)
    lines, found, weak = _lines(
        "low-frequency lines", x, y, sigma, seen.a1g_height, shift_sigma, false_alarms
    )
    position = (np.hypot(seen.a1g_sigma, shift_sigma), seen.a1g) if calibrated else (hidden, hidden)
    return {
        "F2g(3) splitting": Evidence(seen.splitting, seen.splitting_sigma, *_trusted("doublet", two, both)),
        "F2g(3) AICc": Evidence(seen.aicc, hidden, nothing, nothing),
        "A1g position": Evidence(position[1], position[0], nothing, nothing),
        "A1g width": Evidence(seen.a1g_fwhm, seen.a1g_fwhm_sigma, nothing, nothing),
        "Ni–O width": Evidence(*_nickel_width(x, y, sigma), nothing, nothing),
        "low-frequency lines": Evidence(lines, hidden, *_trusted("lines", found, weak)),
        "missing": missing,
        "unresolved": (seen.two > 0) & (seen.splitting < seen.fwhm / 2),
        "splitting": seen.splitting,
        "splitting_sigma": seen.splitting_sigma,
        "splitting_limit": seen.splitting_limit,
    }  # fmt: skip


def infrared_rows(x: Array, y: Array, sigma: Array | None, *, false_alarms: float) -> dict[str, Any]:
    """Rows that infrared spectra give; arguments as in :func:`raman_rows`, ``x`` in 1/cm."""
    sigma = _noise(y) if sigma is None else sigma
    seen = infrared_bands(x, y, sigma)
    missing = ~(seen.height > SEEN * seen.height_sigma)
    hidden = np.full(y.shape[:-1], np.nan)
    lines, found, weak = _lines("infrared extra bands", x, y, sigma, seen.height, 0.0, false_alarms)
    return {
        "I(587)/I(621)": Evidence(seen.ratio, seen.ratio_sigma, *_trusted("ratio", seen.ordered, seen.mixed)),
        "band at 646": Evidence(
            seen.extra, seen.extra_sigma, *_trusted("extra", seen.extra_ordered, seen.extra_mixed)
        ),
        "bands at 464, 430": Evidence(lines, hidden, *_trusted("extra", found, weak)),
        "missing_infrared": missing,
    }


def combined(rows: Mapping[str, Any], prior: tuple[float, float, float]) -> dict[str, Any]:
    """Probabilities and the table of evidence from rows; ``prior`` of ordered, disordered, mixed.

    Of rows of two kinds also the probabilities from each alone (``raman_alone``, ``infrared_alone``); one spectrum of
    the one kind stands beside each of a series of the other.
    """
    names = [n for n in ROWS if n in rows]
    shape = np.broadcast_shapes(*(rows[n].value.shape for n in names))
    missing = {
        kind: np.broadcast_to(rows[name], shape)
        for kind, name in (("raman", "missing"), ("infrared", "missing_infrared"))
        if name in rows
    }
    lost = np.logical_and.reduce(list(missing.values()))

    def stacked(part: str) -> Array:
        return np.stack([np.broadcast_to(getattr(rows[n], part), shape) for n in names], -1)

    weight = np.stack([stacked("ordered"), np.zeros((*shape, len(names))), stacked("mixed")], -1)
    alone = {}
    if len(missing) == 2:
        for kind, gone in missing.items():
            own = weight[..., [ROWS[n].kind == kind for n in names], :]
            alone[f"{kind}_alone"] = _probability(own, prior, gone)
    return {
        "ordering_probability": _probability(weight, prior, lost),
        **alone,
        "evidence_value": stacked("value"),
        "evidence_value_sigma": stacked("sigma"),
        "evidence_weight": weight,
        "missing": lost.astype(float),
        "unresolved": np.broadcast_to(np.asarray(rows.get("unresolved", False), float), shape),
        **{
            n: np.broadcast_to(rows[n], shape)
            for n in ("splitting", "splitting_sigma", "splitting_limit")
            if n in rows
        },
    }


def _probability(weight: Array, prior: tuple[float, float, float], lost: Array) -> Array:
    """Of each answer (..., 3) from the weights of rows (..., rows, 3); NaN where nothing was seen."""
    with np.errstate(divide="ignore"):
        total = np.log(np.array(prior) / sum(prior)) + np.nan_to_num(weight).sum(-2)
    share = np.exp(total - total.max(-1, keepdims=True))
    share /= share.sum(-1, keepdims=True)
    return np.asarray(np.where(lost[..., None], np.nan, share))


def _lines(
    group: str, x: Array, y: Array, sigma: Array, height: Array, shift: float, false_alarms: float
) -> tuple[Array, Array, Array]:
    """How many lines of ``group`` stand out, and the evidence for them; NaN where none lies in range."""
    row = next(line for line in load_table("ordering")["line"] if line["group"] == group)
    typical = row["height"] * np.where(height > 0, height, np.nan)
    found = find_lines(
        x, y, sigma, row["position"], reach=row["range"] + shift, widths=row["fwhm"], height=typical,
        span=row["span"] + 2 * shift, false_alarms=false_alarms,
    )  # fmt: skip
    looked = np.isfinite(found.signal_to_noise)
    with np.errstate(invalid="ignore"):
        count = np.where(looked.any(-1), (found.signal_to_noise > found.threshold).sum(-1), np.nan)
    nothing = ~looked.any(-1)
    evidence = [np.where(nothing, np.nan, np.nansum(e, -1)) for e in (found.evidence, found.weak)]
    return count, evidence[0], evidence[1]


def _nickel_width(x: Array, y: Array, sigma: Array) -> tuple[Array, Array]:
    """Full width of the band near 491 1/cm and its uncertainty; NaN where it is out of range or does not stand out."""
    low, high = load_table("ordering")["nickel"]["window"]["value"]
    inside = (x >= low) & (x <= high)
    hidden = np.full(y.shape[:-1], np.nan)
    if inside.sum() < 12 or x[0] > low + 5 or x[-1] < high - 5:
        return hidden, hidden
    spread = np.broadcast_to(sigma, y.shape)[..., inside]
    fit = fit_arrays(_nickel_model(), None, x[inside], y[..., inside], sigma=spread, component_curves=False)
    wider = np.sqrt(np.clip(fit.redchi, 1.0, None))
    height, width = (
        (fit.quantity[q][..., 0], fit.quantity_sigma[q][..., 0] * wider) for q in ("height", "fwhm")
    )
    with np.errstate(invalid="ignore"):
        seen = (height[0] > SEEN * height[1]) & np.isfinite(width[1])
    return np.where(seen, width[0], np.nan), np.where(seen, width[1], np.nan)


@functools.cache
def _nickel_model() -> Understood:
    table = load_table("ordering")["nickel"]
    params: dict[str, Any] = {"origin": table["position"]["value"]}
    for name in ("position", "fwhm"):
        least, most = table[name]["range"]
        params[name] = {"value": table[name]["value"], "min": least, "max": most}
    return understand(from_tables(({"shape": "lorentzian"}, {"shape": "polynomial", "degree": 1}), params))


def _trusted(row: str, ordered: Array, mixed: Array) -> list[Array]:
    """Weights of a sign that means what it is said to mean in a share t of samples, and nothing in the others.

    Likelihoods L of the three answers become t L / sum(L) + (1 - t) / 3.
    """
    t = load_table("ordering")["trust"][row]["value"]
    weights = np.stack([ordered, np.zeros_like(ordered), mixed])
    share = np.exp(weights - np.max(weights, axis=0))
    share = t * share / share.sum(0) + (1 - t) / len(weights)
    return [np.log(share[0] / share[1]), np.log(share[2] / share[1])]


def _noise(y: Array) -> Array:
    """Standard deviation of white noise of each spectrum, from its third differences; (..., 1)."""
    with np.errstate(all="ignore"):
        third = np.abs(np.diff(y, n=3, axis=-1))
    measured = np.isfinite(third).any(axis=-1, keepdims=True)
    third = np.where(np.isfinite(third), third, np.nan)
    size = 1.4826 * np.nanmedian(np.where(measured, third, 0.0), axis=-1, keepdims=True) / np.sqrt(20.0)
    return np.asarray(np.where(size > 0, size, np.finfo(float).tiny))
