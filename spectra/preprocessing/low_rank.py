"""Series as sums of a few curves: scaled by their noise, with or without negative parts, and what such sums leave out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["count_scales", "leading_curves", "left_structure", "leverages", "nonnegative_factors"]

Array = npt.NDArray[np.float64]

#: Steps of the factorisation at most, and the relative change at which it has settled.
STEPS, SETTLED = 500, 1e-6
#: Widths in points of what is looked for in residuals, and how many standard deviations it must reach.
WIDTHS, SEEN = (5, 15, 45), 5.5


def count_scales(rows: Array) -> tuple[Array, Array]:
    """Scales (rows, 1) and (n,) whose product is the root of what counts (rows, n) are in the mean: their noise.

    Rows of the same shape have noise of one size everywhere after division by them; of others it is nearer to that.

    References
    ----------
    M. R. Keenan & P. G. Kotula (2004)
    """
    positive = np.maximum(rows, 0)
    of_rows, of_points = positive.mean(1, keepdims=True), positive.mean(0)
    mean = max(float(of_rows.mean()), np.finfo(float).tiny)
    least = mean / rows.size
    return np.sqrt(np.maximum(of_rows / mean, 1 / rows.shape[1])), np.sqrt(np.maximum(of_points, least))


def leading_curves(rows: Array, number: int) -> Array:
    """(number, n) leading right singular vectors; of a long series by way of the products of its columns."""
    if rows.shape[0] <= 4 * rows.shape[1]:
        return np.asarray(np.linalg.svd(rows, full_matrices=False)[2][:number])
    return np.asarray(np.linalg.eigh(rows.T @ rows)[1].T[::-1][:number])


def leverages(scores: Array) -> Array:
    """Leverage of each spectrum in its own components."""
    q = np.linalg.qr(scores)[0]
    return np.asarray((q**2).sum(1))


def nonnegative_factors(scores: Array, curves: Array) -> tuple[Array, Array, bool]:
    """Shares (rows, k) and curves (k, n), none negative, whose products are nearest to ``scores @ curves``.

    By hierarchical alternating least squares, from the rows at the corners of the cloud of scores. Only products of the
    factors are needed, so that the time of a step does not depend on rows times points.

    Returns
    -------
    shares, curves, settled

    References
    ----------
    A. Cichocki & A.-H. Phan (2009)
    """
    from spectra.mixtures import extreme_spectra

    number = len(curves)
    h = np.maximum(scores[extreme_spectra(scores, number)] @ curves, 0) if number > 1 else np.abs(curves)
    h += 1e-3 * h.mean()
    w = np.maximum(scores @ (curves @ np.linalg.pinv(h)), 0)
    size, before = float((scores**2).sum()), np.inf
    for _ in range(STEPS):
        _sweep(w, scores @ (curves @ h.T), h @ h.T)
        _sweep(h.T, curves.T @ (scores.T @ w), w.T @ w)
        scale = np.maximum(np.linalg.norm(h, axis=1), np.finfo(float).tiny)
        h /= scale[:, None]
        w *= scale
        cross = (scores.T @ w) * (curves @ h.T)
        left = size - 2 * cross.sum() + ((w.T @ w) * (h @ h.T)).sum()
        if before - left <= SETTLED * size * 1e-3:
            return w, h, True
        before = left
    return w, h, False


def _sweep(factor: Array, target: Array, gram: Array) -> None:
    """One pass over the columns of ``factor``, each at its best while the others stay; in place."""
    for k in range(factor.shape[1]):
        if gram[k, k] > 0:
            moved = factor[:, k] + (target[:, k] - factor @ gram[:, k]) / gram[k, k]
            factor[:, k] = np.maximum(moved, 0)


def left_structure(rows: Array, clean: Array, noise: Array) -> Array:
    """Whether something wider than noise was left out (rows,): a line, a shift, a step that the components do not have.

    Sums of what was left out over 5, 15 and 45 points, against ``noise`` (rows, n), the standard deviation of the points
    up to a factor, which the scatter of all rows tells.
    """
    pull = (rows - clean) / noise
    scale = 1.4826 * float(np.median(np.abs(pull)))
    if not scale > 0:
        return np.zeros(len(rows), bool)
    seen = np.zeros(len(rows), bool)
    running = np.zeros((len(rows), rows.shape[1] + 1))
    np.cumsum(pull, axis=1, out=running[:, 1:])
    for width in (w for w in WIDTHS if w <= rows.shape[1]):
        sums = running[:, width:] - running[:, :-width]
        seen |= np.abs(sums).max(1) > SEEN * scale * np.sqrt(width)
    return seen
