"""How far the result of a curve resolution may turn and still describe the data: bands of feasible solutions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Bands", "feasible_bands"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Bands:
    """Each species where its part of the signal is least (0) and largest (1)."""

    fractions: Array  # (2, rows, k)
    spectra: Array  # (2, k, n)
    signal: Array  # (2, k) part of the signal that the species makes up


def feasible_bands(
    fractions: Array,
    spectra: Array,
    *,
    known: int = 0,
    closure: bool = True,
    fraction_error: float = 0.0,
    spectrum_error: float = 0.0,
) -> Bands:
    r"""Extremes of each species over all turned solutions :math:`C T^{-1}, T S` that keep the constraints.

    T leaves known spectra alone and keeps the sum rule (or, without it, the mean of each spectrum); the size of a
    species' signal :math:`\lVert c_j s_j \rVert / \lVert C S \rVert` is made least and largest.

    Parameters
    ----------
    fractions : (rows, k) array
    spectra : (k, n) array
    known : int
        So many spectra at the head stay as they are.
    closure : bool
        Whether fractions add up to one.
    fraction_error, spectrum_error : float
        How far below zero noise may have put a fraction or a point of a spectrum.

    Returns
    -------
    Bands
        Unimodality is not asked of the turned solutions: with it the bands may be narrower.

    References
    ----------
    R. Tauler, J. Chemom. 15, 627 (2001), doi:10.1002/cem.654
    """  # fmt: skip
    k = len(spectra)
    free = k - known
    if free == 0 or k == 1:
        return _still(fractions, spectra)
    mass = np.ones(k) if closure else np.maximum(spectra.mean(1), 1e-12)
    basis = np.linalg.svd(mass[None, :])[2][1:]  # directions that keep T mass = mass
    corners, points = _corners(fractions, flat=closure), _corners(spectra.T, flat=False)
    low_c = np.minimum(corners.min(0), 0.0) - fraction_error - 1e-9
    low_s = np.minimum(points.min(0), 0.0) - spectrum_error - 1e-9
    size = float(np.linalg.norm(fractions @ spectra))

    def turned(theta: Array) -> Array:
        matrix = np.eye(k)
        matrix[known:] += theta.reshape(free, k - 1) @ basis
        return matrix

    def inside(theta: Array) -> Array:
        matrix = turned(theta)
        if abs(np.linalg.det(matrix)) < 1e-6:
            return np.full(corners.size + points.shape[0] * free, -1.0)
        new = corners @ np.linalg.inv(matrix) - low_c
        return np.concatenate([new.ravel(), (points @ matrix.T - low_s)[:, known:].ravel()])

    def signal(theta: Array, j: int) -> float:
        matrix = turned(theta)
        if abs(np.linalg.det(matrix)) < 1e-6:
            return np.nan
        return float(
            np.linalg.norm(fractions @ np.linalg.inv(matrix)[:, j])
            * np.linalg.norm(matrix[j] @ spectra)
            / size
        )

    out = Bands(np.empty((2, *fractions.shape)), np.empty((2, *spectra.shape)), np.empty((2, k)))
    for j in range(k):
        for side, sign in enumerate((1.0, -1.0)):
            theta = _extreme(lambda t, j=j, sign=sign: sign * signal(t, j), inside, free * (k - 1))  # type: ignore[misc]
            matrix = turned(theta)
            out.fractions[side, :, j] = (fractions @ np.linalg.inv(matrix))[:, j]
            out.spectra[side, j] = matrix[j] @ spectra
            out.signal[side, j] = signal(theta, j)
    return out


def _still(fractions: Array, spectra: Array) -> Bands:
    size = np.linalg.norm(fractions @ spectra)
    part = np.linalg.norm(fractions, axis=0) * np.linalg.norm(spectra, axis=1) / size
    return Bands(np.stack([fractions] * 2), np.stack([spectra] * 2), np.stack([part] * 2))


def _extreme(goal: Callable[[Array], float], inside: Callable[[Array], Array], count: int) -> Array:
    """Best feasible point from a few starts near the solution; the solution itself if none is better."""
    from scipy.optimize import minimize

    best, found = goal(np.zeros(count)), np.zeros(count)
    rng = np.random.default_rng(0)
    for start in (np.zeros(count), *(0.02 * rng.normal(size=(2, count)))):
        with np.errstate(all="ignore"):
            made = minimize(
                goal, start, method="SLSQP", constraints={"type": "ineq", "fun": inside},
                options={"maxiter": 200, "ftol": 1e-9},
            )  # fmt: skip
        if np.isfinite(made.fun) and made.fun < best and inside(made.x).min() > -1e-6:
            best, found = float(made.fun), made.x
    return found


def _corners(points: Array, *, flat: bool) -> Array:
    """Points (m, k) that are corners of the cloud: the others are inside whenever these are."""
    from scipy.spatial import ConvexHull, QhullError

    k = points.shape[1]
    seen = points[:, :-1] if flat else points  # fractions that add up to one lie in a plane
    if seen.shape[1] == 1:
        return points[[int(np.argmin(seen)), int(np.argmax(seen))]]
    if len(points) <= 4 * k:
        return points
    try:
        return np.asarray(points[ConvexHull(seen).vertices])
    except QhullError:
        return points
