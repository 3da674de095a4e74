"""Lines from the surface into the bulk, row by row: every number that is told of a step, from its posterior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from xas.eels.profiles.evidence import (
    MODELS,
    Line,
    Place,
    Posterior,
    Step,
    change_point,
    describe,
    evened,
    find_step,
    gradient,
)

__all__ = ["ALONE", "LEVELS", "MASKS", "PLACES", "VERDICTS", "WORDS", "Asked", "all_rows", "outputs", "pairs"]

Array = npt.NDArray[Any]

WORDS = np.array([*MODELS, "undecided"])
#: A step is blurred, and has a width, where a sharp one is less probable than this.
SHARP = 0.05
#: Chi-square per degree of freedom above one, in units of its own standard deviation, that stated sigmas do not explain.
EXCESS = 4.0
#: Per quantity and for the shared step: what it is, in units of the distance ("d"), of the quantity ("q") or none.
PLACES = {
    "step_position": ("d", "position of the step"),
    "step_position_low": ("d", "lower end of the central 95 % of the step's position"),
    "step_position_high": ("d", "upper end of the central 95 % of the step's position"),
    "step_width": ("d", "width of the step from 10 to 90 % of its rise; none where a sharp one does as well"),
    "step_width_upper": ("d", "upper limit (95 %) of the width of the step"),
    "sharp_probability": (
        "",
        "probability that the step, if there is one, is sharper than the sampling shows",
    ),
}
LEVELS = {
    "surface_level": ("q", "level on the side of the surface"),
    "core_level": ("q", "level on the side of the core"),
    "level_ratio": ("", "level at the surface over that of the core"),
}
ALONE = {
    "change_point": ("d", "the one change between two constant levels"),
    "change_point_low": ("d", "lower end of the central 95 % of the change's position"),
    "change_point_high": ("d", "upper end of the central 95 % of the change's position"),
    "profile_gradient": ("q", "slope of a straight gradient from the surface to the core, per unit of distance"),
}  # fmt: skip
WITH_SIGMA = ("step_position", "step_width", *LEVELS, "change_point", "profile_gradient")


@dataclass(frozen=True)
class Asked:
    """What is asked of every line."""

    place: Array
    surface: str
    shared: bool
    shape: Any
    confidence: float
    free: tuple[bool, ...]


MASKS = ("is_missing", "is_beyond")
VERDICTS = ("profile_verdict", "shared_profile_verdict")


def pairs(count: int) -> list[tuple[int, int]]:
    """Pairs of quantities by their numbers."""
    return [(i, j) for i in range(count) for j in range(i + 1, count)]


def outputs(asked: Asked, dim: str) -> dict[str, tuple[str, ...]]:
    """Variables and their dimensions beside those of the lines."""
    one = ("quantity",)
    names: dict[str, tuple[str, ...]] = dict.fromkeys(
        (*PLACES, *LEVELS, *ALONE, "profile_verdict", *MASKS), one
    )
    names |= {f"{n}_sigma": one for n in WITH_SIGMA}
    names |= {"profile_probability": ("quantity", "profile_model")}
    names |= dict.fromkeys(("profile_curve", "profile_curve_sigma"), ("quantity", dim))
    if not asked.shared:
        return names
    common = (*PLACES, "step_position_sigma", "step_width_sigma", "profile_verdict")
    names |= {f"shared_{n}": () for n in common} | {"same_step_probability": ()}
    names |= {f"shared_{n}{end}": one for n in LEVELS for end in ("", "_sigma")}
    names |= {"shared_profile_probability": ("profile_model",)}
    names |= {f"shared_profile_curve{end}": ("quantity", dim) for end in ("", "_sigma")}
    return names | {f"step_difference{end}": ("quantity_pair",) for end in ("", "_sigma")}


def all_rows(asked: Asked, rows: tuple[Array, ...]) -> dict[str, Array]:
    """All numbers of lines of any leading shape: for each quantity its values and its sigmas along the line."""
    lead = np.broadcast_shapes(*(r.shape for r in rows))[:-1]
    flat = [np.broadcast_to(r, (*lead, r.shape[-1])).reshape(-1, r.shape[-1]) for r in rows]
    made = [_one_row(asked, [r[i] for r in flat]) for i in range(int(np.prod(lead, dtype=int)))]
    whole = {n: np.stack([m[n] for m in made]).reshape((*lead, *np.shape(made[0][n]))) for n in made[0]}
    return whole | {n: whole[n].astype(WORDS.dtype) for n in VERDICTS if n in whole}


def _one_row(asked: Asked, rows: list[Array]) -> dict[str, Array]:
    """All numbers of one line, for every quantity and for the shared step."""
    side = 1.0 if asked.surface == "low" else -1.0  # the surface comes first
    x = side * asked.place
    used = np.flatnonzero(np.isfinite(x))
    order = used[np.argsort(x[used])]
    lines = [
        Line.of(x[order], v[order], evened(x[order], v[order], s[order], asked.shape), free=free)
        for v, s, free in zip(rows[::2], rows[1::2], asked.free, strict=True)
    ]
    alone = [_one_line(asked, line, x, side) for line in lines]
    made = {n: np.stack([a[0][n] for a in alone]) for n in alone[0][0]}
    if not asked.shared:
        return made
    found = [a[1] for a in alone]
    return made | _together(asked, lines, found, x, side)


def _one_line(
    asked: Asked, line: Line | None, x: Array, side: float
) -> tuple[dict[str, Any], Posterior | None]:
    if line is None:
        return _empty(x), None
    found = find_step([line], line.inner(), asked.shape)
    against, slope, slope_sigma = gradient(line)
    made = _judged(asked, [0.0, against, found.log_evidence])
    told = describe(line, found, x, asked.shape)
    stepped = made["profile_verdict"] not in MODELS[:2]
    made |= _placed(found, side, stepped) | _sided(told, stepped)
    made |= _spot("change_point", change_point(line), side, stepped)
    made |= {"profile_gradient": side * slope, "profile_gradient_sigma": slope_sigma, "is_missing": 0.0}
    made["is_beyond"] = float(
        not line.free and told.excess > 1 + EXCESS * np.sqrt(2 / max(line.x.size - 4, 1))
    )
    return made, found


def _judged(asked: Asked, log_evidence: list[float]) -> dict[str, Any]:
    share = np.exp(np.array(log_evidence) - max(log_evidence))
    share /= share.sum()
    best = int(share.argmax())
    return {
        "profile_probability": share,
        "profile_verdict": WORDS[best if share[best] >= asked.confidence else 3],
    }


def _spot(name: str, place: Place, side: float, stepped: bool) -> dict[str, float]:
    ends = sorted((side * place.low, side * place.high))
    values = dict(zip(("", "_sigma", "_low", "_high"), (side * place.value, place.sigma, *ends), strict=True))
    return {f"{name}{end}": value if stepped else np.nan for end, value in values.items()}


def _placed(found: Posterior, side: float, stepped: bool) -> dict[str, float]:
    width, sigma, upper = found.breadth()
    blurred = stepped and found.sharp_probability < SHARP
    return _spot("step_position", found.place(), side, stepped) | {
        "step_width": width if blurred else np.nan,
        "step_width_sigma": sigma if blurred else np.nan,
        "step_width_upper": upper if stepped else np.nan,
        "sharp_probability": found.sharp_probability,
    }


def _sided(told: Step, stepped: bool) -> dict[str, Any]:
    values: dict[str, Any] = {
        "surface_level": told.surface, "surface_level_sigma": told.surface_sigma, "core_level": told.core,
        "core_level_sigma": told.core_sigma, "level_ratio": told.ratio, "level_ratio_sigma": told.ratio_sigma,
        "profile_curve": told.curve, "profile_curve_sigma": told.curve_sigma,
    }  # fmt: skip
    return values if stepped else {n: np.full(np.shape(v), np.nan) for n, v in values.items()}


def _empty(x: Array) -> dict[str, Any]:
    names = [*PLACES, *LEVELS, *ALONE, *(f"{n}_sigma" for n in WITH_SIGMA)]
    curves = {n: np.full(x.shape, np.nan) for n in ("profile_curve", "profile_curve_sigma")}
    return dict.fromkeys(names, np.nan) | curves | {
        "profile_probability": np.full(3, np.nan), "profile_verdict": WORDS[3], "is_missing": 1.0, "is_beyond": 0.0,
    }  # fmt: skip


def _together(
    asked: Asked, lines: list[Line | None], found: list[Posterior | None], x: Array, side: float
) -> dict[str, Any]:
    """One step for all quantities, and how far apart each has its own."""
    both = pairs(len(lines))
    places = [f.place() if f is not None else None for f in found]
    apart = [(places[i], places[j]) for i, j in both]
    made: dict[str, Any] = {
        "step_difference": np.array([side * (a.value - b.value) if a and b else np.nan for a, b in apart]),
        "step_difference_sigma": np.array(
            [np.hypot(a.sigma, b.sigma) if a and b else np.nan for a, b in apart]
        ),
    }
    good = [line for line in lines if line is not None]
    low, high = (max(li.inner()[0] for li in good), min(li.inner()[1] for li in good)) if good else (0.0, 0.0)
    if len(good) < len(lines) or not low < high:
        empty = {
            n: v for n, v in _empty(x).items() if n in (*PLACES, "step_position_sigma", "step_width_sigma")
        }
        sides = {n: np.full((len(lines), *np.shape(v)), np.nan) for n, v in _empty(x).items() if n in _SIDES}
        whole = {"profile_probability": np.full(3, np.nan), "profile_verdict": WORDS[3]}
        return (
            made
            | {f"shared_{n}": v for n, v in (empty | sides | whole).items()}
            | {"same_step_probability": np.nan}
        )
    step = find_step(good, (low, high), asked.shape)
    own = sum(f.log_evidence for f in found if f is not None)
    judged = _judged(asked, [0.0, sum(gradient(line)[0] for line in good), step.log_evidence])
    stepped = judged["profile_verdict"] not in MODELS[:2]
    told = [_sided(describe(line, step, x, asked.shape), stepped) for line in good]
    joint = judged | _placed(step, side, stepped) | {n: np.stack([t[n] for t in told]) for n in told[0]}
    made["same_step_probability"] = 1 / (1 + np.exp(np.clip(own - step.log_evidence, -700, 700)))
    return made | {f"shared_{n}": v for n, v in joint.items()}


_SIDES = (*LEVELS, *(f"{n}_sigma" for n in LEVELS), "profile_curve", "profile_curve_sigma")
