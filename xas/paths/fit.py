"""Fits of scattering paths to arrays of chi(k): one spectrum, several at once, or thousands one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spectra.errors import InvalidInput
from spectra.fitting.arrays import FitResult, Start, fit_arrays
from spectra.fitting.understand import Understood
from xas.exafs.transform import checked_k_range
from xas.paths.entries import PathEntry, read_entries, starting_parameters
from xas.paths.kernels import SLOTS
from xas.paths.model import PathModel, path_model
from xas.paths.space import FitSpace, Space, fit_space
from xas.paths.uncertainty import ProjectedNoise, Uncertainty, propagated, without_lost
from xas.points.wavenumber import K_STEP, Window

__all__ = ["PathFit", "PathProblem", "fit_chi", "path_problem"]

Array = npt.NDArray[np.float64]

#: A fit ends where a step promises less than this share of the sum of squares: parameters stand to 1e-6 sigma.
TOLERANCE = 1e-13


@dataclass(frozen=True)
class PathFit:
    """What a fit of paths says, with the leading shape of the spectra; NaN where a fit failed.

    ``value`` and ``sigma`` (..., parameter) are of ``parameters``, ``correlation`` (..., free, free) of those that were
    varied. ``path_value`` and ``path_sigma`` hold ``amplitude`` (N S0²), ``e0``, ``deltar``, ``sigma2``, ``third``,
    ``fourth`` and ``ei`` of each path (..., data set, path), NaN for a path that is not in the data set.
    """

    entries: tuple[PathEntry, ...]
    parameters: tuple[str, ...]
    free: tuple[str, ...]
    value: Array
    sigma: Array
    correlation: Array
    path_value: dict[str, Array]
    path_sigma: dict[str, Array]
    path_chi: Array  # (..., data set, path, n)
    rfactor: Array  # (...)
    redchi: Array
    aicc: Array
    epsilon_k: Array  # (..., data set) noise of chi(k)
    nfev: npt.NDArray[np.int64]
    independent: float
    flags: dict[str, npt.NDArray[np.bool_]]


@dataclass(frozen=True)
class PathProblem:
    """A fit that is ready to run on any number of spectra."""

    k: Array
    entries: tuple[PathEntry, ...]
    space: FitSpace
    model: PathModel
    data_sets: int
    drawn: int  # points of k that FEFF's tables reach
    k_range: tuple[float, float]

    @property
    def independent(self) -> float:
        """Independent points of all data sets."""
        return self.space.independent * self.data_sets

    def fit(
        self,
        chi: Array,
        *,
        sources: Array | None = None,
        sizes: Array | None = None,
        uncertainty: Uncertainty = "propagated",
        start: Start = "fresh",
        workers: int | None = None,
        curves: bool = True,
    ) -> PathFit:
        """Fit chi(k) (..., data set, n).

        The noise of chi(k) is ``sources`` (n, p) times independent noise of the ``sizes`` (..., data set, p), in any
        unit; without sizes they are equal, without sources the points of chi(k) are independent.
        """
        first, last = self.space.points
        part = np.ascontiguousarray(chi[..., first:last])
        projected = part @ self.space.matrix[:, first:last].T
        x = np.tile(self.k[: self.drawn], self.data_sets)
        y = projected.reshape(*projected.shape[:-2], -1)
        # a gap in one data set spoils all that are fitted together
        y = np.where(np.isfinite(y).all(-1, keepdims=True), y, np.nan)
        understood = Understood(self.model.compiled.model, self.model.compiled)
        found = fit_arrays(
            understood, None, x, y, sigma=1.0, start=start, component_curves=curves, workers=workers,
            tolerance=TOLERANCE,
        )  # fmt: skip
        found = without_lost(found)
        if uncertainty == "propagated":
            part_of = None if sources is None else sources[first:last]
            noise = ProjectedNoise.of(self.space.matrix[:, first:last], part_of, sizes, self.data_sets)
            covered, sigma, left = propagated(found, noise)
        else:
            scale = found.chi2 / (self.independent - len(found.free))
            left = np.full(scale.shape, 1 - len(found.free) / self.independent)
            covered, sigma = (
                found.covariance * scale[..., None, None],
                found.sigma * np.sqrt(scale)[..., None],
            )
        known = np.isfinite(sigma[..., [found.parameters.index(name) for name in found.free]])
        covered = np.where(known[..., :, None] & known[..., None, :], covered, np.nan)
        return self._said(found, covered, sigma, left, y, chi, curves)

    def _said(
        self, found: FitResult, covered: Array, sigma: Array, left: Array, y: Array, chi: Array, curves: bool
    ) -> PathFit:
        names, free = self.model.reported, found.free
        k, n = len(free), self.independent
        with np.errstate(invalid="ignore", divide="ignore"):
            size = np.sqrt(np.diagonal(covered, axis1=-2, axis2=-1))
            correlation = covered / (size[..., :, None] * size[..., None, :])
            noise = _noise(self.space.noise, chi)
            redchi = found.chi2 / (left * self.space.count * (noise**2).sum(-1))
            rfactor = found.chi2 / (y**2).sum(-1)
            aicc = n * np.log(redchi * (n - k) / n) + 2 * k
            aicc = aicc + (2 * k * (k + 1) / (n - k - 1) if n > k + 1 else np.nan)
        rows = self.model.rows
        values = np.where(rows >= 0, found.value[..., rows], np.nan)
        sigmas = np.where(rows >= 0, sigma[..., rows], np.nan)
        reported = [found.parameters.index(name) for name in names]
        return PathFit(
            entries=self.entries, parameters=names, free=free, value=found.value[..., reported],
            sigma=sigma[..., reported], correlation=correlation,
            path_value={s: values[..., i] for i, s in enumerate(SLOTS)},
            path_sigma={s: sigmas[..., i] for i, s in enumerate(SLOTS)},
            path_chi=self._curves(found.component_curve) if curves else np.empty((*values.shape[:-1], 0)),
            rfactor=rfactor, redchi=redchi, aicc=aicc, epsilon_k=noise, nfev=found.nfev,
            independent=self.independent, flags=found.flags,
        )  # fmt: skip

    def _curves(self, drawn: Array) -> Array:
        """Curves of the components (..., component, point of any data set) as (..., data set, path, n)."""
        present = self.model.rows[:, :, 0] >= 0
        out = np.full((*drawn.shape[:-2], *present.shape, self.k.size), np.nan)
        for c, (d, i) in enumerate(np.argwhere(present)):
            out[..., d, i, : self.drawn] = drawn[..., c, d * self.drawn : (d + 1) * self.drawn]
        return out


def path_problem(
    k: Array,
    *,
    paths: Any,
    parameters: Mapping[str, Any] | None = None,
    k_range: tuple[float, float] | None = None,
    r_range: tuple[float, float] = (1.0, 3.0),
    kweights: tuple[float, ...] = (2.0,),
    dk: float = 1.0,
    window: Window = "hanning",
    space: Space = "r",
    conditions: Mapping[str, Sequence[float]] | None = None,
    data_sets: int = 1,
) -> PathProblem:
    """Paths, parameters and ranges made ready to be fitted; options as in :func:`xas.fit_paths`."""
    if k.size < 20 or not np.allclose(k, K_STEP * np.arange(k.size), atol=1e-6):
        raise InvalidInput(
            f"k must run from 0 in steps of {K_STEP:g} 1/Å, as xas.autobk makes it: interpolate chi(k) onto that grid."
        )
    given = starting_parameters(parameters)
    entries = read_entries(paths, given)
    low, high = checked_k_range(k, k_range, dk, window)
    for entry in entries:
        if high > entry.path.k[-1] + 1e-6:
            raise InvalidInput(
                f"k = ({low:g}, {high:g}) reaches beyond FEFF's table of path {entry.label!r}, which ends at "
                f"{entry.path.k[-1]:g} 1/Å: use k = ({low:g}, {entry.path.k[-1]:g}) or less."
            )
        if entry.spectrum is not None and not 0 <= entry.spectrum < data_sets:
            raise InvalidInput(
                f"path {entry.label!r} belongs to spectrum {entry.spectrum}, and {data_sets} are fitted together: give a "
                f"number from 0 to {data_sets - 1}."
            )
    if not kweights:
        raise InvalidInput("kweight is empty; give at least one power of k, as (2.0,).")
    chosen = fit_space(
        k, space=space, k_range=(low, high), r_range=r_range, kweights=kweights, dk=dk, shape=window
    )  # fmt: skip
    drawn = max(int((k <= min(e.path.k[-1] for e in entries) + 1e-6).sum()), chosen.points[1])
    rows = _block_diagonal(chosen.matrix[:, :drawn], data_sets)
    model = path_model(entries, given, rows, conditions=conditions, data_sets=data_sets)
    independent = chosen.independent * data_sets
    if len(model.free) > independent - 1:
        raise InvalidInput(
            f"{len(model.free)} parameters vary ({', '.join(model.free)}), and the ranges of k and r hold "
            f"{independent:.1f} independent points: widen the ranges, fix parameters or tie them."
        )
    return PathProblem(np.asarray(k, float), entries, chosen, model, data_sets, drawn, (low, high))


def fit_chi(
    k: npt.ArrayLike,
    chi: npt.ArrayLike,
    *,
    together: bool = False,
    uncertainty: Uncertainty = "propagated",
    start: Start = "fresh",
    workers: int | None = None,
    **options: Any,
) -> PathFit:
    """Fit paths to arrays of chi(k).

    Parameters
    ----------
    k : (n,) array
        From 0 in steps of 0.05 1/Å.
    chi : (..., n) array
        Spectra, each fitted for itself.
    together : bool
        The last but one dimension of ``chi`` holds data sets that share the parameters: other temperatures, or other
        edges of the same sample, whose paths say which ``spectrum`` they belong to.
    uncertainty, start, workers
        As in :func:`xas.fit_paths`; the points of chi(k) count as independent and equally noisy.
    **options
        ``paths``, ``parameters``, ``k_range``, ``r_range``, ``kweights``, ``dk``, ``window``, ``space``,
        ``conditions``, as in :func:`path_problem`.

    Returns
    -------
    PathFit
        Without the dimension of data sets unless they are fitted ``together``.
    """
    values, grid = np.asarray(chi, float), np.asarray(k, float)
    if not together:
        values = values[..., None, :]
    if grid.ndim != 1 or values.ndim < 2 or values.shape[-1] != grid.size:
        raise InvalidInput(
            f"k has shape {grid.shape} and chi {np.shape(chi)}; the last dimensions must be equal."
        )
    problem = path_problem(grid, data_sets=values.shape[-2], **options)
    return problem.fit(values, uncertainty=uncertainty, start=start, workers=workers)


def _block_diagonal(block: Array, count: int) -> Array:
    return np.asarray(np.kron(np.eye(count), block), float)


def _noise(form: Array, chi: Array) -> Array:
    """Noise of chi(k), (..., data set)."""
    used = np.flatnonzero(form.any(0))
    part = slice(int(used[0]), int(used[-1]) + 1)
    some = chi[..., part]
    return np.asarray(np.sqrt(((some @ form[part, part]) * some).sum(-1)))
