"""Principal components of a series, how many of them are more than noise, and whether a spectrum is made of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["CRITERIA", "Decomposition", "Target", "cross_validation", "decompose", "project_target"]

Array = npt.NDArray[np.float64]

#: Criteria for the number of components, in the order of :attr:`Decomposition.suggested`.
CRITERIA = ("indicator", "imbedded_error", "significance", "scree", "cross_validation", "noise")
#: Probability of a component being noise up to which it counts as significant.
LEVEL = 0.05
#: The real error may exceed the noise by this factor: what the noise's own estimate allows.
ABOVE_NOISE = 1.1
MOST_TRIED = 20
MOST_ROWS = 400


@dataclass(frozen=True)
class Decomposition:
    """Principal components of spectra, without centring, and what each number of them leaves.

    ``real_error``, ``imbedded_error``, ``indicator``, ``significance`` and ``press`` are for 1, 2, ... components.
    """

    curves: Array  # (k, n) orthonormal
    scores: Array  # (rows, k)
    singular_values: Array  # (c,)
    real_error: Array  # (c - 1,)
    imbedded_error: Array  # (c - 1,)
    indicator: Array  # (c - 1,)
    significance: Array  # (c - 1,) probability that the component is noise
    press: Array  # (tried,) mean square error of predicting what was left out
    suggested: Array  # (criteria,) number of components; NaN where a criterion does not decide


def decompose(spectra: Array, *, largest: int = 10, noise: float = np.nan) -> Decomposition:
    r"""Singular value decomposition with Malinowski's error theory.

    With singular values s of an r by c matrix (c the smaller side) and n components kept:

    .. math:: \mathrm{RE} = \sqrt{\frac{\sum_{j>n} s_j^2}{r (c - n)}}, \quad
              \mathrm{IE} = \mathrm{RE}\sqrt{n/c}, \quad \mathrm{IND} = \frac{\mathrm{RE}}{(c - n)^2}

    .. math:: F(1, c-n) = \frac{\sum_{j>n} (r-j+1)(c-j+1)}{(r-n+1)(c-n+1)} \frac{s_n^2}{\sum_{j>n} s_j^2}

    Parameters
    ----------
    spectra : (rows, n) array
        Finite; at least 3 rows.
    largest : int
        Components that are kept.
    noise : float
        Standard deviation of the noise of a point, where it is known.

    Returns
    -------
    Decomposition
        Signs are such that the sum of each curve is not negative.

    References
    ----------
    E. R. Malinowski, Anal. Chem. 49, 606 and 612 (1977), doi:10.1021/ac50012a026, doi:10.1021/ac50012a027;
    E. R. Malinowski, J. Chemom. 3, 49 (1989), doi:10.1002/cem.1180030106
    """
    curves, singular = _right_vectors(spectra)
    r, c = max(spectra.shape), min(spectra.shape)
    kept = min(largest, c)
    curves = curves[:kept] * np.where(curves[:kept].sum(1) < 0, -1.0, 1.0)[:, None]
    squares = singular**2
    n = np.arange(1, c)
    left = np.cumsum(squares[::-1])[::-1][1:]  # behind component n
    left = np.maximum(left, np.finfo(float).eps ** 2 * squares.sum())
    real = np.sqrt(left / (r * (c - n)))
    degrees = (r - np.arange(c)) * (c - np.arange(c)).astype(float)
    behind = np.cumsum(degrees[::-1])[::-1][1:]
    from scipy.stats import f as f_distribution

    ratio = behind / degrees[:-1] * squares[:-1] / left
    significance = f_distribution.sf(ratio, 1, c - n)
    press = cross_validation(spectra, largest=min(MOST_TRIED, c - 1))
    indicator, imbedded = real / (c - n) ** 2, real * np.sqrt(n / c)
    suggested = _suggested(singular, real, imbedded, indicator, significance, press, noise)
    return Decomposition(
        curves, spectra @ curves.T, singular, real, imbedded, indicator, significance, press, suggested
    )  # fmt: skip


def _right_vectors(spectra: Array) -> tuple[Array, Array]:
    """Right singular vectors (c, n) and values; of a long series by way of the products of its columns."""
    rows, n = spectra.shape
    if rows <= 4 * n:
        _, singular, vectors = np.linalg.svd(spectra, full_matrices=False)
        return vectors, singular
    values, vectors = np.linalg.eigh(spectra.T @ spectra)
    return vectors.T[::-1], np.sqrt(np.clip(values[::-1], 0, None))


def _suggested(
    singular: Array,
    real: Array,
    imbedded: Array,
    indicator: Array,
    significance: Array,
    press: Array,
    noise: float,
) -> Array:
    half = max(1, len(real) * 3 // 4)  # the last errors rest on too few components to be compared
    significant = np.flatnonzero(significance[:half] < LEVEL)
    low = np.flatnonzero(real <= ABOVE_NOISE * noise) if np.isfinite(noise) else np.array([], int)
    steps = np.log(np.maximum(singular[:-1], 1e-300) / np.maximum(singular[1:], 1e-12 * singular[0]))
    first_rise = np.flatnonzero(np.diff(imbedded[:half]) > 0)
    return np.array([
        1 + np.argmin(indicator[:half]),
        1 + (first_rise[0] if first_rise.size else half - 1),
        1 + significant[-1] if significant.size else np.nan,
        1 + np.argmax(steps[:half]),
        1 + np.argmin(press) if np.isfinite(press).any() else np.nan,
        1 + low[0] if low.size else np.nan,
    ], float)  # fmt: skip


def cross_validation(spectra: Array, *, largest: int, folds: int = 5) -> Array:
    r"""Mean square error of predicting a block of points from the others, for 1, 2, ... components.

    The matrix is cut into blocks of rows and columns; the block A left out is predicted from its neighbours B (same
    rows), C (same columns) and D (neither) as :math:`B D_k^+ C`, with D at rank k.

    Parameters
    ----------
    spectra : (rows, n) array
        Of more than 400 rows that many are taken, evenly spread.
    largest : int
    folds : int
        Blocks to each side; every fifth row and column belongs to one.

    Returns
    -------
    (k,) array
        Shorter than ``largest`` where blocks are too small.

    References
    ----------
    A. B. Owen & P. O. Perry, Ann. Appl. Stat. 3, 564 (2009), doi:10.1214/08-AOAS227
    """
    take = np.unique(np.linspace(0, len(spectra) - 1, min(len(spectra), MOST_ROWS)).round().astype(int))
    data = spectra[take]
    rows, columns = data.shape
    row_folds, column_folds = min(folds, rows), min(folds, columns)
    tried = max(0, min(largest, rows - -(-rows // row_folds), columns - -(-columns // column_folds)))
    total = np.zeros(tried)
    for i in range(row_folds):
        out = np.arange(rows) % row_folds == i
        for j in range(column_folds):
            cut = np.arange(columns) % column_folds == j
            u, s, v = np.linalg.svd(data[np.ix_(~out, ~cut)], full_matrices=False)
            good = s > 1e-12 * s[0]
            left, right = data[np.ix_(out, ~cut)] @ v.T, u.T @ data[np.ix_(~out, cut)]
            residual = data[np.ix_(out, cut)].copy()
            for k in range(tried):
                if good[k]:
                    residual -= np.outer(left[:, k] / s[k], right[k])
                total[k] += (residual**2).sum()
    return np.asarray(total / data.size)


@dataclass(frozen=True)
class Target:
    """How well components describe spectra that did not make them."""

    predicted: Array  # (m, n)
    rfactor: Array  # (m,)
    apparent_error: Array  # (m,) root mean square difference
    spoil: Array  # (m,)


def project_target(targets: Array, curves: Array, singular_values: Array, real_error: float) -> Target:
    r"""Target transformation: projection of candidates on components, with Malinowski's SPOIL.

    .. math:: \mathrm{AET}^2 = \frac{\sum_i (\hat x_i - x_i)^2}{n - k}, \quad
              \mathrm{REP} = \mathrm{RE} \sqrt{\sum_j (v_j \cdot x)^2 / s_j^2}, \quad
              \mathrm{SPOIL} = \frac{\sqrt{\mathrm{AET}^2 - \mathrm{REP}^2}}{\mathrm{REP}}

    Parameters
    ----------
    targets : (m, n) array
    curves : (k, n) array
        Orthonormal components.
    singular_values : (k,) array
    real_error : float
        RE of k components.

    Returns
    -------
    Target

    References
    ----------
    E. R. Malinowski, Anal. Chim. Acta 103, 339 (1978), doi:10.1016/S0003-2670(01)83099-3
    """
    k, n = curves.shape
    weights = targets @ curves.T
    predicted = weights @ curves
    squares = ((predicted - targets) ** 2).sum(1)
    apparent = squares / (n - k)
    predictor = real_error**2 * (weights**2 / singular_values**2).sum(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        spoil = np.sqrt(np.clip(apparent - predictor, 0, None) / predictor)
    return Target(predicted, squares / (targets**2).sum(1), np.sqrt(apparent), spoil)
