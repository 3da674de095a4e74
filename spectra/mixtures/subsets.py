"""Every choice of components out of a list, and the best non-negative fractions of each, for all spectra at once.

Non-negative least squares over a handful of components needs no iteration: its solution is the plain least-squares
solution of the subset of components that are not zero. So all subsets are solved in closed form, those with a negative
fraction are dropped (their best non-negative solution is that of a smaller subset), and the best of the rest is the
non-negative one. The work per spectrum is a product of small matrices.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
import numpy.typing as npt

from spectra.errors import InvalidInput

__all__ = ["MOST_SUBSETS", "Subsets", "list_subsets", "nonnegative_fractions", "subset_inverse"]

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.intp]

#: So many subsets are tried at most: 12 components up to 6 at a time, or 30 up to 3.
MOST_SUBSETS = 5000
#: A fraction this little below zero is rounding.
NEGLIGIBLE = 1e-12


@dataclass(frozen=True)
class Subsets:
    """Subsets of ``count`` components, smallest first."""

    count: int
    members: tuple[tuple[int, ...], ...]


def list_subsets(count: int, *, largest: int | None = None, within: Sequence[int] | None = None) -> Subsets:
    """All subsets of ``count`` components with one to ``largest`` members, all of them out of ``within``.

    Raises
    ------
    InvalidInput
        More than 5000 subsets.
    """
    allowed = range(count) if within is None else sorted(within)
    n = len(allowed)
    largest = n if largest is None else min(largest, n)
    total = sum(comb(n, size) for size in range(1, largest + 1))
    if total > MOST_SUBSETS:
        fitting = next(
            (s for s in range(largest, 0, -1) if sum(comb(n, i) for i in range(1, s + 1)) <= MOST_SUBSETS), 1
        )  # fmt: skip
        raise InvalidInput(
            f"{n} components taken up to {largest} at a time make {total} combinations, and at most {MOST_SUBSETS} "
            f"are tried: allow at most {fitting} components at a time, or leave out some."
        )
    chosen = (subset for size in range(1, largest + 1) for subset in itertools.combinations(allowed, size))
    return Subsets(count, tuple(chosen))


def subset_inverse(normal: Array, members: Sequence[int], *, sum_to_one: bool) -> Array:
    """Inverse of the normal equations of a subset, bordered by the sum rule where it holds.

    Parameters
    ----------
    normal : (..., m, m) array
        Products of all components with each other.
    members : sequence of int
    sum_to_one : bool

    Returns
    -------
    (..., p, p) array, or (..., p + 1, p + 1) with the sum rule
        The upper left p by p block times the variance of the noise is the covariance of the fractions. NaN where the
        components are not independent.
    """
    p = len(members)
    part = normal[..., np.asarray(members)[:, None], np.asarray(members)]
    scale = np.einsum("...ii->...i", part).mean(-1)[..., None, None]
    scale = np.where(
        scale > 0, scale, 1.0
    )  # a component that is zero everywhere, or a spectrum without points
    bordered = np.zeros((*part.shape[:-2], p + sum_to_one, p + sum_to_one))
    bordered[..., :p, :p] = part / scale
    if sum_to_one:
        bordered[..., p, :p] = bordered[..., :p, p] = 1.0
    good = np.asarray(np.isfinite(bordered).all((-1, -2)))
    good &= np.linalg.cond(np.where(good[..., None, None], bordered, np.eye(p + sum_to_one))) < 1e13
    inverse = np.linalg.inv(np.where(good[..., None, None], bordered, np.eye(p + sum_to_one)))
    inverse[..., :p, :p] /= scale
    inverse[..., p:, p:] *= scale
    return np.where(good[..., None, None], inverse, np.nan)


def subset_fractions(inverse: Array, right: Array, *, sum_to_one: bool) -> Array:
    """Fractions (..., p) of a subset from :func:`subset_inverse` and its products with the spectra ``right`` (..., p)."""
    p = right.shape[-1]
    fractions = np.einsum("...ab,...b->...a", inverse[..., :p, :p], right, optimize=True)
    return np.asarray(fractions + inverse[..., :p, p] if sum_to_one else fractions)


def nonnegative_fractions(
    spectra: Array, components: Array, *, sum_to_one: bool = False, weights: Array | None = None
) -> Array:
    r"""Non-negative least squares of many spectra over a few components.

    .. math:: \min_f \sum_i w_i \Big(y_i - \sum_j f_j a_{ji}\Big)^2, \quad f_j \ge 0, \quad
              \Big(\sum_j f_j = 1\Big)

    Parameters
    ----------
    spectra : (..., n) array
        Finite.
    components : (m, n) array
        At most 12 of them; independent of each other.
    sum_to_one : bool
        Whether the fractions of each spectrum add up to one.
    weights : (n,) array, optional
        Of the points.

    Returns
    -------
    (..., m) array

    Notes
    -----
    Exact, without iteration: the best of all subsets of components with no negative fraction.

    References
    ----------
    C. L. Lawson & R. J. Hanson, Solving Least Squares Problems (1974), doi:10.1137/1.9781611971217, chapter 23

    Examples
    --------
    >>> nonnegative_fractions(np.array([[2.0, 1.0], [1.0, -1.0]]), np.eye(2))
    array([[2., 1.],
           [1., 0.]])
    """
    rows = spectra.reshape(-1, spectra.shape[-1])
    weighted = components if weights is None else components * weights
    normal, right = weighted @ components.T, rows @ weighted.T
    m = len(components)
    best, fractions = np.zeros(len(rows)), np.zeros((len(rows), m))
    if sum_to_one:
        best.fill(np.inf)
    for members in list_subsets(m).members:
        index = list(members)
        inverse = subset_inverse(normal, index, sum_to_one=sum_to_one)
        f = subset_fractions(inverse, right[:, index], sum_to_one=sum_to_one)
        part = normal[np.ix_(index, index)]
        cost = np.einsum("ra,ab,rb->r", f, part, f, optimize=True) - 2 * np.einsum(
            "ra,ra->r", f, right[:, index]
        )
        better = (f >= -NEGLIGIBLE).all(1) & (cost < best)
        fractions[better] = 0.0
        fractions[np.ix_(better, index)] = np.clip(f[better], 0, None)
        best[better] = cost[better]
    return fractions.reshape((*spectra.shape[:-1], m))
