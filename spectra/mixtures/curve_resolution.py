"""Multivariate curve resolution: spectra and fractions of unknown species out of a series, by alternating least squares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spectra.mixtures.subsets import nonnegative_fractions

__all__ = ["Resolved", "resolve_curves", "unimodal"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Resolved:
    """One solution out of many: see :func:`spectra.mixtures.feasible_bands`."""

    fractions: Array  # (rows, k)
    spectra: Array  # (k, n)
    lack_of_fit: float  # percent
    iterations: int
    converged: bool
    change: float  # relative, of the residual in the last iteration


def resolve_curves(
    data: Array,
    start: Array,
    *,
    known: int = 0,
    closure: bool = True,
    unimodal_fractions: bool = False,
    max_iter: int = 500,
    tol: float = 1e-6,
) -> Resolved:
    r"""Alternating least squares of :math:`D = C S` with constraints.

    Parameters
    ----------
    data : (rows, n) array
        Finite, in the order of the series.
    start : (k, n) array
        Spectra to begin with.
    known : int
        So many spectra at the head of ``start`` stay as they are.
    closure : bool
        Whether the fractions of each row add up to one; otherwise the largest value of each unknown spectrum is one.
    unimodal_fractions : bool
        Whether each fraction has a single maximum along the series.
    max_iter : int
    tol : float
        Settled when the sum of squares changes by less than this part of itself.

    Returns
    -------
    Resolved
        Fractions and spectra are not negative. The lack of fit is
        :math:`100 \sqrt{\sum (D - C S)^2 / \sum D^2}`.

    References
    ----------
    R. Tauler, Chemom. Intell. Lab. Syst. 30, 133 (1995), doi:10.1016/0169-7439(95)00047-X
    """
    spectra = np.maximum(start, 0.0)
    spectra[:known] = start[:known]
    total, before, change, converged, iteration = float((data**2).sum()), np.inf, np.inf, False, 0
    fractions = _fractions(data, spectra, closure, unimodal_fractions)
    while iteration < max_iter and not converged:
        iteration += 1
        if known < len(spectra):
            rest = data - fractions[:, :known] @ spectra[:known]
            spectra[known:] = nonnegative_fractions(rest.T, fractions[:, known:].T).T
            if not closure:
                height = spectra[known:].max(1, keepdims=True)
                spectra[known:] /= np.where(height > 0, height, 1.0)
        fractions = _fractions(data, spectra, closure, unimodal_fractions)
        now = float(((data - fractions @ spectra) ** 2).sum())
        change = abs(before - now) / max(now, 1e-300) if np.isfinite(before) else np.inf
        before = now
        converged = change < tol or now < 1e-24 * total
    lack = 100 * np.sqrt(before / total) if np.isfinite(before) else np.nan
    return Resolved(fractions, spectra, float(lack), iteration, converged, float(change))


def _fractions(data: Array, spectra: Array, closure: bool, single_maximum: bool) -> Array:
    fractions = nonnegative_fractions(data, spectra, sum_to_one=closure)
    if single_maximum:
        fractions = np.stack([unimodal(column) for column in fractions.T], axis=1)
        if closure:
            total = fractions.sum(1, keepdims=True)
            fractions = fractions / np.where(total > 0, total, 1.0)
    return fractions


def unimodal(values: Array) -> Array:
    """Least-squares fit to ``values`` (n,) that rises to one maximum and falls behind it.

    Every place of the maximum is tried, or of a long series the 100 highest.
    """
    from scipy.optimize import isotonic_regression

    places = np.argsort(values)[-100:]
    best, fitted = np.inf, values
    for place in places:
        rising = isotonic_regression(values[: place + 1]).x
        falling = isotonic_regression(values[place:], increasing=False).x
        top = max(rising[-1], falling[0])
        candidate = np.concatenate([rising[:-1], [top], falling[1:]])
        cost = float(((candidate - values) ** 2).sum())
        if cost < best:
            best, fitted = cost, candidate
    return np.asarray(fitted)
