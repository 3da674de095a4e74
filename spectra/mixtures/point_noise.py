"""Noise along a spectrum as fits of it see it: of unequal size, and shared by points that were made of the same ones."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["PointNoise"]

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.intp]


@dataclass(frozen=True)
class PointNoise:
    """Noise of the points: ``root`` (n, p) times independent sources of ``sizes`` (rows, p); None: ones."""

    root: Array | None
    sizes: Array | None

    def of(self, rows: slice) -> PointNoise:
        """That of some of the spectra."""
        return self if self.sizes is None else PointNoise(self.root, self.sizes[rows])

    @property
    def white(self) -> bool:
        """Whether all points are alike and independent."""
        return self.root is None and self.sizes is None

    @functools.cached_property
    def independent(self) -> float:
        r"""Part of the points that count as independent, :math:`(\mathrm{tr}\,C)^2 / (n\,\mathrm{tr}\,C^2)`."""
        if self.root is None:
            return 1.0
        covariance = self.root @ self.root.T
        return float(np.trace(covariance) ** 2 / (len(covariance) * (covariance**2).sum()))

    def seen(self, by_point: Array, rows: Index) -> Array:
        """(rows, q, q) covariance of sums over the points with weights ``by_point`` (rows, q, n)."""
        sources = by_point if self.root is None else by_point @ self.root
        if self.sizes is not None:
            sources = sources * self.sizes[rows][:, None, :]
        return np.asarray(sources @ np.swapaxes(sources, 1, 2))

    def expected_squares(self, jacobian: Array, by_point: Array, weights: Array, rows: Index) -> Array:
        """(rows,) weighted squares that this noise leaves after a fit: tr(W C) - tr(W J B C), B the fit's sums."""
        squares = np.ones((1, weights.shape[1])) if self.sizes is None else self.sizes[rows] ** 2
        if self.root is None:
            each = squares
            inside = (jacobian * by_point).sum(1) * weights * squares
        else:
            each = squares @ (self.root**2).T if self.sizes is not None else (self.root**2).sum(1)
            sized = (by_point @ self.root) * (1.0 if self.sizes is None else squares[:, None, :])
            inside = (jacobian * (sized @ self.root.T)).sum(1) * weights
        return np.asarray((weights * each - inside).sum(1))
