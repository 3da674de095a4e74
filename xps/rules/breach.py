"""What a rule hands back: the breach of a threshold, at the spectrum of a series where it is worst."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = ["Breach", "Limits", "where"]

FloatArray = npt.NDArray[np.float64]
Limits = Mapping[str, float]
Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Breach:
    """Something beyond a threshold; ``severity`` only where a rule knows two."""

    subject: str
    found: str
    value: float = float("nan")
    threshold: str = ""
    severity: Severity | None = None
    spectra: int | None = None  # how many; None: what is said of the whole fit


def where(
    bad: npt.ArrayLike,
    values: npt.ArrayLike,
    subject: str,
    found: str,
    threshold: str,
    *,
    worst: npt.ArrayLike | None = None,
    severity: Severity | None = None,
) -> Iterator[Breach]:
    """One breach if any spectrum is ``bad``: the value where ``worst`` (default: the value) is largest.

    ``found`` is a text with ``{value}`` in it, formatted with that value.
    """
    values = np.atleast_1d(np.asarray(values, float))
    mask = np.broadcast_to(np.asarray(bad, bool), values.shape)
    if not mask.any():
        return
    size = np.broadcast_to(np.abs(values) if worst is None else np.asarray(worst, float), values.shape)
    size = np.where(mask & np.isfinite(size), size, -np.inf)
    value = float(values[size.argmax()] if np.isfinite(size).any() else values[mask.argmax()])
    yield Breach(subject, found.format(value=value), value, threshold, severity, int(mask.sum()))
