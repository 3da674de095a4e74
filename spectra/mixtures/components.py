"""Principal components of a series, how many of them are more than noise, and whether a spectrum is made of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = [
    "CRITERIA",
    "Decomposition",
    "Target",
    "along_series",
    "cross_validation",
    "decompose",
    "project_target",
]

Array = npt.NDArray[np.float64]

#: Criteria for the number of components, in the order of :attr:`Decomposition.suggested`.
CRITERIA = (
    "indicator",
    "imbedded_error",
    "significance",
    "scree",
    "cross_validation",
    "noise",
    "repeatability",
)
#: Scores of a series that has a course change by less than this from one spectrum to the next, in units of what
#: scores without order do (von Neumann's ratio over 2).
ORDERED = 0.25
#: Probability of a component being noise up to which it counts as significant.
LEVEL = 0.05
#: The real error may exceed the noise by this factor: what the noise's own estimate allows.
ABOVE_NOISE = 1.1
MOST_TRIED = 20
MOST_ROWS = 400
#: Stretches of neighbouring columns in each block of the cross-validation.
STRETCHES = 3


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


def decompose(
    spectra: Array, *, largest: int = 10, noise: float = np.nan, ordered: bool = True
) -> Decomposition:
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
        Standard deviation of the noise of a point, where it is known. What neighbours in a series do not share is taken
        instead where that is larger: noise that is correlated from point to point is not seen in a single spectrum.
    ordered : bool
        Whether neighbouring rows are neighbours in a series; of a map they are not, at the ends of its lines.

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
    unshared = along_series(spectra, curves, singular) if ordered else np.empty((0, spectra.shape[1]))
    if unshared.size:
        noise = float(np.fmax(noise, np.sqrt((unshared**2).mean())))
    suggested = _suggested(singular, real, imbedded, indicator, significance, press, noise)
    suggested = np.append(suggested, _repeatable(singular, unshared, len(spectra)))
    return Decomposition(
        curves, spectra @ curves.T, singular, real, imbedded, indicator, significance, press, suggested
    )  # fmt: skip


def along_series(spectra: Array, curves: Array, singular_values: Array) -> Array:
    r"""What a cubic through its four neighbours in the series does not predict of each spectrum: its own noise.

    .. math:: e_i = \frac{y_i - (4 y_{i-1} + 4 y_{i+1} - y_{i-2} - y_{i+2})/6}{\sqrt{1 + 34/36}}

    It holds all that changes from one spectrum to the next, correlated along the axis or not: counting noise, noise that
    was smoothed or interpolated, jitter of the energy, scatter of the normalisation.

    Returns
    -------
    (rows - 4, n) array
        Of the size of a spectrum's noise. Empty for fewer than 9 spectra, or where they come in no order: where the
        second component changes from one to the next as much as it does altogether.
    """
    nothing = np.empty((0, spectra.shape[1]))
    if len(spectra) < 9 or not singular_values[1:2].size:
        return nothing
    score = spectra @ curves[1] if len(curves) > 1 else spectra @ curves[0]
    swing = ((score - score.mean()) ** 2).sum()
    if not swing > 0 or (np.diff(score) ** 2).sum() / (2 * swing) > ORDERED:
        return nothing
    near = 4 * (spectra[1:-3] + spectra[3:-1]) - spectra[:-4] - spectra[4:]
    return np.asarray((spectra[2:-2] - near / 6) / np.sqrt(1 + 34 / 36))


def _repeatable(singular: Array, unshared: Array, rows: int) -> float:
    """Components larger than the largest that noise of this kind makes in as many spectra."""
    if not unshared.size:
        return float("nan")
    _, noise = _right_vectors(unshared)
    return float(max(1, (singular > noise[0] * np.sqrt(rows / len(unshared))).sum()))


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
        Blocks to each side: every fifth row, and stretches of columns, so that noise which is correlated from column to
        column does not predict itself.

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
            cut = (np.arange(columns) * STRETCHES * column_folds // columns) % column_folds == j
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
