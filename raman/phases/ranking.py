"""Which phases explain a set of bands: ranked, with what agrees, what is missing, and what nothing explains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from raman.bands.table import Band, Phase, find_phase, list_phases
from raman.tables import load_table, number
from spectra.errors import InvalidInput, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Observed", "PhaseMatch", "PhaseRanking", "candidates", "identify_phases", "match_phase"]

Support = Literal["supported", "possible", "not supported"]


@dataclass(frozen=True)
class Observed:
    """Bands of a spectrum: positions, their uncertainties, heights, widths (0 where not known), all (n,)."""

    position: npt.NDArray[np.float64]
    sigma: npt.NDArray[np.float64]
    strength: npt.NDArray[np.float64]
    fwhm: npt.NDArray[np.float64]

    def without(self, numbers: Sequence[int]) -> Observed:
        """The others."""
        return Observed(
            *(np.delete(v, numbers) for v in (self.position, self.sigma, self.strength, self.fwhm))
        )


@dataclass(frozen=True)
class PhaseMatch:
    """How well one phase explains the bands that were observed.

    ``recall`` is the share of the phase's bands (by weight, of those that the spectrum reaches) that were observed,
    ``precision`` the share of what was observed that the phase explains, ``score`` their harmonic mean.
    """

    phase: Phase
    score: float
    recall: float
    precision: float
    pairs: tuple[
        tuple[Band, int, float], ...
    ]  # band, number of the observed one, observed minus table in 1/cm
    missing: tuple[Band, ...]
    unreached: tuple[Band, ...]
    support: Support

    @property
    def unchecked(self) -> tuple[str, ...]:
        """Names of the bands that agree with a position that is to be verified or conflicting."""
        return tuple(b.name for b, _, _ in self.pairs if b.name in self.phase.to_verify)


@dataclass(frozen=True)
class PhaseRanking:
    """Phases by falling score, for bands at ``positions`` in spectra that reach over ``window``."""

    positions: tuple[float, ...]
    window: tuple[float, float]
    matches: tuple[PhaseMatch, ...]
    together: tuple[str, ...]

    def _repr_html_(self) -> str:
        from spectra.notebook.pages import page_html, sentence_html, table_html

        rows = [
            (m.phase.name, m.support, f"{m.recall:.2f}", f"{m.precision:.2f}", ", ".join(f"{b.position:g}" for b in m.missing))
            for m in self.matches[:8]
        ]  # fmt: skip
        left = ", ".join(f"{p:g}" for p in self.unexplained)
        return page_html(
            f"Bands at {', '.join(f'{p:g}' for p in self.positions)} 1/cm: "
            f"{' and '.join(self.together) or 'no phase that they support'}",
            table_html(["phase", "support", "recall", "precision", "missing (1/cm)"], rows),
            sentence_html(f"Explained by none of them: {left} 1/cm.", "warning") if left else "",
        )

    @property
    def best(self) -> PhaseMatch:
        """The phase that explains most."""
        return self.matches[0]

    @property
    def unexplained(self) -> tuple[float, ...]:
        """Positions that no phase of ``together`` explains."""
        used = {j for m in self.matches if m.phase.name in self.together for _, j, _ in m.pairs}
        return tuple(p for j, p in enumerate(self.positions) if j not in used)

    def match(self, name: str) -> PhaseMatch:
        """What is said of the phase ``name``, which must be one of the candidates."""
        phase = find_phase(name, self.best.phase.technique)
        found = next((m for m in self.matches if m.phase.name == phase.name), None)
        if found is None:
            raise InvalidInput(
                f"{phase.name} was no candidate; {did_you_mean(name, [m.phase.name for m in self.matches])}."
            )
        return found

    def question(self, claimed: str) -> str:
        """What to ask of somebody who calls these bands ``claimed``; empty where they support it.

        Examples
        --------
        >>> import raman
        >>> raman.identify_phases((408, 522, 690, 994)).question("v2o3").partition(": ")[0]
        'these bands do not support v2o3 but v2o5'
        """
        match = self.match(claimed)
        if match.support == "supported" or match.phase.name in self.together:
            return ""
        explained = {j for _, j, _ in match.pairs}
        left = ", ".join(f"{p:g}" for j, p in enumerate(self.positions) if j not in explained)
        missing = ", ".join(f"{b.position:g}" for b in match.missing) or "none inside the spectrum"
        instead = f" but {' and '.join(self.together)}" if self.together else ""
        return (
            f"these bands do not support {match.phase.name}{instead}: missing are {missing}, unexplained {left or 'none'}. "
            "Raman sees little more than the surface of dark samples: is it an oxidised surface, or made by the laser?"
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """Heating products among the phases that are supported, and scores that rest on unchecked positions."""
        said = []
        for match in self.matches:
            if match.support == "not supported" or match.phase.name not in self.together:
                continue
            parents = match.phase.heating_product_of
            if parents:
                said.append(
                    f"{match.phase.name} forms under the laser from {' or '.join(parents)}: measure again with less "
                    "power, on a fresh spot, before it is called a phase of the sample."
                )
            if match.unchecked:
                said.append(
                    f"{match.phase.name}: {len(match.unchecked)} of {len(match.pairs)} bands agree with positions that are "
                    "to be verified or conflicting."
                )
        return tuple(said)

    def table(self) -> pd.DataFrame:
        """One row per phase: score, support, bands that agree (with their distance), that are missing, left over."""
        import pandas as pd

        rows = [
            {
                "phase": m.phase.name,
                "score": round(m.score, 3),
                "recall": round(m.recall, 3),
                "precision": round(m.precision, 3),
                "support": m.support,
                "matched": ", ".join(
                    f"{round(self.positions[j], 1):g} ({b.position:g} {d:+.1f})" for b, j, d in m.pairs
                ),
                "missing": ", ".join(f"{b.position:g}" for b in m.missing),
                "unexplained": ", ".join(
                    f"{round(p, 1):g}"
                    for j, p in enumerate(self.positions)
                    if j not in {k for _, k, _ in m.pairs}
                ),
                "unchecked": ", ".join(m.unchecked),
                "heating_product_of": ", ".join(m.phase.heating_product_of),
            }
            for m in self.matches
        ]
        return pd.DataFrame(rows)


def identify_phases(
    positions: npt.ArrayLike,
    *,
    sigma: npt.ArrayLike = 0.0,
    strengths: npt.ArrayLike | None = None,
    fwhm: npt.ArrayLike | None = None,
    window: tuple[float, float] | None = None,
    phases: Sequence[str] | None = None,
    technique: Literal["raman", "ftir"] = "raman",
    reach: float | None = None,
) -> PhaseRanking:
    r"""Rank phases of the table by how well they explain bands at ``positions``.

    Observed and tabulated bands are paired one to one. A pair agrees by

    .. math:: q = (1 - \tfrac14 u^2)\,\exp\!\big(-\tfrac12\, r^2 / (w^2 + \sigma^2)\big)

    with u the distance from the tabulated position over half the range (1 at most), r that from the range. With weights :math:`W` by intensity,
    recall = Σ W q / Σ W over the bands that the spectrum reaches, precision = Σ h q / Σ h over the observed ones
    with strengths h, and the score is their harmonic mean.

    Parameters
    ----------
    positions : sequence of float
        Of the bands that were observed, in 1/cm.
    sigma : float or sequence of float
        Their uncertainties in 1/cm, that of the calibration included.
    strengths : sequence of float, optional
        Their heights; their square roots weigh the precision. Default: all alike.
    fwhm : sequence of float, optional
        Their widths in 1/cm: a band more than twice as wide as the table's limit is another one.
    window : (float, float), optional
        What the spectrum reaches over, in 1/cm: only bands inside can be missing. Default: 50 1/cm beyond ``positions``.
    phases : sequence of str, optional
        Candidates. Default: all of the table.
    technique : {"raman", "ftir"}
    reach : float, optional
        Largest distance in 1/cm from the tabulated position. Default: that of the table.

    Returns
    -------
    PhaseRanking
        ``together`` are phases that explain the set with one another, the best first.

    Raises
    ------
    InvalidInput
        No positions, lengths that differ, an unknown phase.

    Examples
    --------
    >>> import raman
    >>> ranking = raman.identify_phases((408, 522, 690, 994))
    >>> ranking.best.phase.name, ranking.match("v2o3").support
    ('v2o5', 'not supported')
    """
    observed = np.asarray(positions, float)
    if observed.ndim != 1 or not observed.size or not np.isfinite(observed).all():
        raise InvalidInput(f"positions must be one or more numbers in 1/cm, got {positions!r}.")
    seen = Observed(
        observed,
        np.full(observed.shape, float(sigma))
        if isinstance(sigma, (int, float))
        else np.asarray(sigma, float),
        np.ones(observed.shape) if strengths is None else np.asarray(strengths, float),
        np.zeros(observed.shape) if fwhm is None else np.asarray(fwhm, float),
    )
    for name, given in (("sigma", seen.sigma), ("strengths", seen.strength), ("fwhm", seen.fwhm)):
        if given.shape != observed.shape or not (given >= 0).all():
            raise InvalidInput(
                f"{name} must be {observed.size} numbers, none negative, one for each position."
            )
    low, high = window or (float(observed.min()) - 50.0, float(observed.max()) + 50.0)
    listed = candidates(phases, technique)
    reached = (min(low, high), max(low, high))
    matches = sorted(
        (match_phase(phase, seen, reached, reach) for phase in listed), key=lambda m: (-m.score, m.phase.name)
    )
    together = _together(listed, seen, reached, reach)
    return PhaseRanking(tuple(float(p) for p in observed), reached, tuple(matches), together)


def candidates(phases: Sequence[str] | None, technique: str) -> tuple[Phase, ...]:
    """Phases by name; where none are named all of ``technique``, each in one model."""
    if phases is None:
        return tuple(phase for phase in list_phases(technique).values() if not phase.same_as)
    return tuple({p.name: p for p in (find_phase(name, technique) for name in phases)}.values())


def match_phase(
    phase: Phase, seen: Observed, window: tuple[float, float], reach: float | None = None
) -> PhaseMatch:
    """How well ``phase`` explains the bands that were ``seen``."""
    from scipy.optimize import linear_sum_assignment

    rules = load_table("ranking")
    reached = [b for b in phase.bands if window[0] <= b.position <= window[1]]
    unreached = tuple(b for b in phase.bands if b not in reached)
    weight = np.array([number(rules["weight"][b.intensity or "m"]) for b in reached])
    agreement = _agreement(reached, seen, reach)
    worth = agreement * weight[:, None] if len(reached) else agreement
    rows, columns = linear_sum_assignment(worth, maximize=True) if worth.size else ((), ())
    pairs = [(i, j) for i, j in zip(rows, columns, strict=True) if worth[i, j] > 0]
    share = np.sqrt(seen.strength)
    recall = sum(worth[i, j] for i, j in pairs) / weight.sum() if len(reached) else 0.0
    precision = sum(share[j] * agreement[i, j] for i, j in pairs) / share.sum() if share.sum() > 0 else 0.0
    score = 2 * recall * precision / (recall + precision) if recall + precision > 0 else 0.0
    taken = {i for i, _ in pairs}
    return PhaseMatch(
        phase=phase,
        score=float(score),
        recall=float(recall),
        precision=float(precision),
        pairs=tuple((reached[i], int(j), float(seen.position[j] - reached[i].position)) for i, j in pairs),
        missing=tuple(b for i, b in enumerate(reached) if i not in taken),
        unreached=unreached,
        support=_support(
            float(weight[[i for i, _ in pairs]].sum() / max(weight.sum(), 1e-9)), len(pairs), len(phase.bands)
        ),
    )


def _agreement(bands: Sequence[Band], seen: Observed, reach: float | None) -> npt.NDArray[np.float64]:
    """(band, observed) from 1, at the position, to 0, out of reach or of another width."""
    rules = load_table("ranking")["agreement"]
    low, high, at, widest = (
        (
            np.array(v, float).reshape(-1, 1)
            for v in zip(
                *((b.range[0], b.range[1], b.position, 2 * b.fwhm_range[1]) for b in bands), strict=True
            )
        )
        if bands
        else (np.empty((0, 1)),) * 4
    )
    observed = seen.position
    outside = np.maximum(np.maximum(low - observed, observed - high), 0.0)
    inside = np.minimum(np.abs(observed - at) / np.where(observed < at, at - low, high - at), 1.0)
    centred = 1.0 - (1.0 - number(rules["edge"])) * inside**2
    width = np.hypot(number(rules["width"]), seen.sigma)
    far = np.maximum(number(rules["reach"]) if reach is None else reach, np.maximum(high - at, at - low))
    possible = (np.abs(observed - at) <= far) & (seen.fwhm <= widest)
    agreement = np.where(possible, centred * np.exp(-0.5 * (outside / width) ** 2), 0.0)
    return np.asarray(np.where(agreement >= number(rules["least"]), agreement, 0.0))


def _support(share: float, matched: int, bands: int) -> Support:
    """By the share of the phase's bands, weighted, that are there; one of several supports nothing, and one alone is no proof."""
    rules = load_table("ranking")["support"]
    if matched < min(2, bands):
        return "not supported"
    if share >= number(rules["supported"]):
        return "supported" if bands > 1 else "possible"
    return "possible" if share >= number(rules["possible"]) else "not supported"


def _together(
    phases: Sequence[Phase], seen: Observed, window: tuple[float, float], reach: float | None
) -> tuple[str, ...]:
    """Phases that explain the set with one another: the best first, each next the best for what is left."""
    found: list[str] = []
    while seen.position.size:
        rest = [match_phase(p, seen, window, reach) for p in phases if p.name not in found]
        rest = [
            m
            for m in rest
            if m.support == "supported" or (m.support == "possible" and len(m.phase.bands) == 1)
        ]
        if not rest:
            break
        best = max(rest, key=lambda m: m.score)
        found.append(best.phase.name)
        seen = seen.without([j for _, j, _ in best.pairs])
    return tuple(found)
