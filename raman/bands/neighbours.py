"""Maps: a fit that failed, or stands out among its neighbours, is tried again from where they ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from spectra.fitting.arrays import FitResult

__all__ = ["refit_from_neighbours"]

#: A reduced chi-square this many times that of its neighbours is looked at again.
WORSE = 1.5
#: So many neighbours are tried, the best fitted first.
TRIED = 2
#: A minimum is another one where chi-square falls by more than this share.
LOWER = 1e-6


def refit_from_neighbours(
    result: FitResult, refit: Callable[[npt.NDArray[np.intp]], FitResult]
) -> tuple[FitResult, int]:
    """The fits of a map, those in doubt replaced where the start values of a neighbour lead lower.

    Parameters
    ----------
    result : FitResult
        Of all spectra, any leading shape; next to each other along any of its dimensions are neighbours.
    refit : callable
        Given (pair, 2) indices of spectra counted through the leading shape, fits the second of each pair from the
        result of the first, and returns both, (pair, 2) leading.

    Returns
    -------
    FitResult, int
        And how many spectra were replaced.
    """
    shape = result.chi2.shape
    pairs = _pairs(result, shape)
    if not len(pairs):
        return result, 0
    again = refit(pairs)
    lower = np.where(np.isfinite(again.chi2[:, 1]), again.chi2[:, 1], np.inf)
    order = np.lexsort((lower, pairs[:, 1]))
    suspects, first = np.unique(pairs[order, 1], return_index=True)
    best = order[first]
    before = result.chi2.ravel()[suspects]
    with np.errstate(invalid="ignore"):
        better = np.isfinite(lower[best]) & ~(lower[best] >= before * (1 - LOWER))
    return _with_rows(result, shape, suspects[better], again, best[better]), int(better.sum())


def _pairs(result: FitResult, shape: tuple[int, ...]) -> npt.NDArray[np.intp]:
    """(pair, 2) of a neighbour that is sound and a spectrum that is in doubt."""
    wild = ~np.isfinite(result.chi2) | result.flags["undetermined"] | result.flags["several_minima"]
    quality = np.where(wild, np.nan, result.redchi)
    number = np.arange(int(np.prod(shape)), dtype=np.intp).reshape(shape)
    beside = []
    around = np.full((2 * len(shape), *shape), np.nan)
    for axis in range(len(shape)):
        ahead, behind = [
            tuple(part if d == axis else slice(None) for d in range(len(shape)))
            for part in (slice(1, None), slice(None, -1))
        ]
        for k, (here, there) in enumerate(((ahead, behind), (behind, ahead))):
            beside.append(np.stack([number[there].ravel(), number[here].ravel()], -1))
            around[2 * axis + k][here] = quality[there]
    with np.errstate(invalid="ignore"):  # a comparison with NaN is false
        doubted = (
            ~np.isfinite(result.chi2)
            | result.flags["several_minima"]
            | (result.redchi > WORSE * _median(around))
        )
    pairs = np.concatenate(beside) if beside else np.empty((0, 2), np.intp)
    pairs = pairs[doubted.ravel()[pairs[:, 1]] & ~wild.ravel()[pairs[:, 0]]]
    pairs = pairs[np.lexsort((quality.ravel()[pairs[:, 0]], pairs[:, 1]))]
    _, first, count = np.unique(pairs[:, 1], return_index=True, return_counts=True)
    rank = np.arange(len(pairs)) - np.repeat(first, count)
    return np.asarray(pairs[rank < TRIED])


def _median(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Median over the first dimension of what is finite, NaN where nothing is."""
    ordered = np.sort(values, axis=0)  # NaN comes last
    count = np.isfinite(values).sum(0)
    low = np.take_along_axis(ordered, np.maximum((count - 1) // 2, 0)[None], 0)[0]
    high = np.take_along_axis(ordered, np.maximum(count // 2, 0)[None], 0)[0]
    return np.where(count > 0, (low + high) / 2, np.nan)


def _with_rows(
    result: FitResult, shape: tuple[int, ...], rows: Any, other: FitResult, others: Any
) -> FitResult:
    """``result`` with ``rows`` (counted through ``shape``) taken from the second of the pairs ``others``."""

    def exchanged(mine: Any, theirs: Any) -> Any:
        flat = np.array(mine).reshape(int(np.prod(shape)), *mine.shape[len(shape) :])
        flat[rows] = theirs[others, 1]
        return flat.reshape(mine.shape)

    changes: dict[str, Any] = {}
    for each in fields(result):
        mine, theirs = getattr(result, each.name), getattr(other, each.name)
        if isinstance(mine, np.ndarray):
            changes[each.name] = exchanged(mine, theirs)
        elif isinstance(mine, Mapping):
            changes[each.name] = {name: exchanged(value, theirs[name]) for name, value in mine.items()}
    return replace(result, **changes)
