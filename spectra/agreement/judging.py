"""The judgement as one dataset: what each source says, whether they agree, on what, and what stands apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from spectra.agreement.explaining import entries_of, reason_of
from spectra.agreement.shared import Shared
from spectra.agreement.sources import Source
from spectra.agreement.statistics import combine_means, difference_from_others, smallest_seen
from spectra.dataset import flag
from spectra.verbs import record

__all__ = ["AXIS", "judge"]

Array = npt.NDArray[np.float64]
AXIS = "trial_valence"
POINTS = 241  # of the curves; a sigma is then some 15 of them wide where sources agree


def judge(sources: Sequence[Source], shared: Shared, facts: Mapping[str, Any]) -> xr.Dataset:
    """Dataset of the comparison, along ``source``, the series' dimensions and, for the curves, ``trial_valence``."""
    series = tuple(str(d) for d in sources[0].value.dims)

    def stacked(name: str) -> Array:
        arrays = [getattr(s, name).transpose(*series).values for s in sources]
        return np.asarray(np.stack(arrays, axis=-1), float)  # (..., source)

    value, sigma, systematic = (stacked(n) for n in ("value", "sigma", "systematic"))
    sigma = np.where(np.isfinite(value), sigma, np.nan)
    systematic = np.where(np.isfinite(value), systematic, np.nan)
    total = np.hypot(sigma, np.where(np.isfinite(systematic), systematic, 0.0))
    covariance = shared.covariance(sigma, systematic)
    data = _labelled(sources, shared, series, value, sigma, systematic, total, covariance)
    data = data.assign(_verdicts(value, covariance, series, float(facts["threshold"])))
    data = data.assign(_texts(data.assign_attrs(threshold=facts["threshold"]), series))
    data = data.assign(_curves(data, value, total, series))
    attrs = {"technique": "comparison", "signal": "density", **{k: v for k, v in facts.items() if v != ""}}
    of = f" in {facts['sample']}" if facts.get("sample") else ""
    attrs["title"] = f"Valence of {facts['element']}{of} by {len(sources)} sources"
    if facts.get("simulated"):
        attrs["title"] += " (simulated)"
    data = data.assign_attrs(attrs)
    data = _flagged(data)
    options = {
        "element": facts["element"],
        "threshold": facts["threshold"],
        "sources": [s.name for s in sources],
    }
    return record(data, "spectra.compare_valence", options, notes=_notes(sources))


def _notes(sources: Sequence[Source]) -> list[str]:
    return [f"{s.name}: {text}" for s in sources for text in s.remarks]


def _labelled(
    sources: Sequence[Source], shared: Shared, series: tuple[str, ...], value: Array, sigma: Array,
    systematic: Array, total: Array, covariance: Array,
) -> xr.Dataset:  # fmt: skip
    names = [s.name for s in sources]

    def each(array: Array, long_name: str) -> tuple[Any, ...]:
        return ("source", *series), np.moveaxis(array, -1, 0), {"units": "", "long_name": long_name}

    def per_source(values: list[float], long_name: str) -> tuple[Any, ...]:
        return "source", np.array(values, float), {"units": "nm", "long_name": long_name}

    coords: dict[str, Any] = {
        d: (d, sources[0].value[d].values, sources[0].value[d].attrs)
        for d in series
        if d in sources[0].value.coords
    }
    texts = {
        "source_technique": [s.technique or "–" for s in sources],
        "source_method": [s.method for s in sources],
        "depth_from": [s.depth_from for s in sources],
        "remarks": ["; ".join(s.remarks) for s in sources],
    }
    matrix = ("source", "source_2", *series)
    return xr.Dataset(
        {
            "valence": each(value, "valence"),
            "valence_sigma": each(sigma, "standard uncertainty of the valence from noise"),
            "valence_systematic": each(systematic, "systematic standard uncertainty of the valence; NaN: not stated"),
            "valence_total": each(total, "standard uncertainty of the valence, noise and systematic"),
            "valence_covariance": (
                matrix, np.moveaxis(covariance, (-2, -1), (0, 1)),
                {"units": "", "long_name": "covariance of the valences, with what sources share"},
            ),
            "information_depth": per_source([s.depth for s in sources], "95 % of the signal come from above it"),
            "information_depth_sigma": per_source(
                [s.depth_sigma for s in sources], "standard uncertainty of the information depth"
            ),
            "shared_causes": (("source", "source_2"), np.array(shared.words(), dtype=str)),
            **{n: ("source", np.array(t, dtype=str)) for n, t in texts.items()},
        },
        {"source": ("source", np.array(names, dtype=str)), "source_2": ("source_2", np.array(names, dtype=str)), **coords},
    )  # fmt: skip


def _verdicts(value: Array, covariance: Array, series: tuple[str, ...], threshold: float) -> dict[str, Any]:
    """Numbers of the test, for each entry of the series."""
    found = combine_means(value, covariance)
    difference, sigma, others = difference_from_others(value, covariance)
    agree = found.p_value >= threshold
    verdict = np.where(np.isfinite(found.p_value), np.where(agree, "agree", "disagree"), "undecided")
    # leaving out one of two leaves nothing that could agree
    clears = (others.p_value >= threshold) & (verdict == "disagree")[..., None]
    seen = [smallest_seen(f, threshold) if f > 0 else np.nan for f in range(value.shape[-1] + 1)]
    smallest = sigma * np.array(seen)[found.freedom][..., None]
    spread = np.sqrt(found.covariance[..., 0, 0])

    def one(array: Any, long_name: str) -> tuple[Any, ...]:
        return series, np.asarray(array), {"units": "", "long_name": long_name}

    def each(array: Any, long_name: str) -> tuple[Any, ...]:
        return (
            ("source", *series),
            np.moveaxis(np.asarray(array), -1, 0),
            {"units": "", "long_name": long_name},
        )

    return {
        "combined_valence": one(np.where(agree, found.mean[..., 0], np.nan), "valence on which the sources agree"),
        "combined_valence_sigma": one(np.where(agree, spread, np.nan), "standard uncertainty of the combined valence"),
        "combined_weight": each(
            np.where(agree[..., None], found.weights[..., 0, :], np.nan), "weight of the source in the combined valence"
        ),
        "chi2": one(np.where(found.freedom > 0, found.chi2, np.nan), "chi2 of the sources about their mean"),
        "degrees_of_freedom": one(found.freedom, "degrees of freedom of chi2"),
        "p_value": one(found.p_value, "probability of a chi2 as large or larger, were all sources of one truth"),
        "birge_ratio": one(found.birge_ratio, "root of chi2 over its degrees of freedom"),
        "difference_from_others": each(difference, "valence minus what the other sources lead to expect of it"),
        "difference_from_others_sigma": each(sigma, "standard uncertainty of that difference"),
        "p_value_without": each(others.p_value, "p-value of the other sources without this one"),
        "smallest_seen": each(smallest, "by how much this source must be off to be found in four of five comparisons"),
        "agree_without": each(clears.astype(np.int8), "1: without this source the others agree"),
        "verdict": (series, np.asarray(verdict, dtype=str)),
    }  # fmt: skip


def _texts(data: xr.Dataset, series: tuple[str, ...]) -> dict[str, Any]:
    shape = tuple(data.sizes[d] for d in series)
    reasons = np.empty(shape, dtype=object)
    for place, one in entries_of(data, series):
        reasons[place] = reason_of(one)
    return {"reason": (series, np.asarray(reasons.tolist(), dtype=str))}


def _curves(data: xr.Dataset, value: Array, total: Array, series: tuple[str, ...]) -> dict[str, Any]:
    """Density of each source along a valence that is tried."""
    low, high = value - 4 * total, value + 4 * total
    known = np.isfinite(low)
    first, last = (float(low[known].min()), float(high[known].max())) if known.any() else (0.0, 1.0)
    grid = np.linspace(first, last, POINTS)
    with np.errstate(invalid="ignore", divide="ignore"):
        z = (grid - value[..., None]) / total[..., None]
        density = np.exp(-0.5 * z**2) / (np.sqrt(2 * np.pi) * total[..., None])
    return {
        AXIS: (AXIS, grid, {"units": "", "long_name": "valence"}),
        "density": (
            ("source", *series, AXIS),
            np.moveaxis(density, -2, 0),
            {"units": "", "long_name": "probability density of the valence"},
        ),
    }


def _flagged(data: xr.Dataset) -> xr.Dataset:
    every = xr.ones_like(data["valence"], dtype=bool)
    said = (
        ("disagree", "sources_disagree", "the sources do not agree on one valence: the reason says which and why they could"),
        ("undecided", "undecided", "whether the sources agree cannot be said: the reason says why"),
    )  # fmt: skip
    for verdict, name, text in said:
        data = flag(data, every & (data["verdict"] == verdict), name, text, severity="warning")
    return flag(
        data, data["valence"].isnull(), "no_valence", "this source has no valence here: look at the flags of its dataset"
    )  # fmt: skip
