"""Glitches: points that leave the smooth curve which their neighbours on both sides lie on."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from xas.points.finite import on_finite_points
from xas.points.noise import estimate_noise

__all__ = ["fill_glitches", "find_glitches"]

Array = npt.NDArray[np.float64]
Marks = npt.NDArray[np.bool_]
Index = npt.NDArray[np.intp]

#: Points outside of a run that predict it, by a cubic through them; at least two lie to each side.
NEIGHBOURS = 8
#: Around an edge, a run is looked at if its neighbours lie within this part of the core-hole width: what is narrower
#: than an absorption line can be is no absorption line. A Lorentzian then stays below 3.5 of the threshold's units.
NARROW = 0.8
#: Energies repeat to about this many eV: on a slope that is noise.
JITTER = 0.01
#: Points over which the local noise is taken.
BLOCK = 16
PASSES = 3


def find_glitches(
    energy: Array,
    mu: Array,
    *,
    threshold: float = 6.0,
    width: int = 3,
    structured: Sequence[tuple[float, float]] = (),
    line_width: float = 1.0,
    sigma: Array | None = None,
) -> Marks:
    r"""Which points of each spectrum are glitches.

    A cubic is fitted to the eight points around a run of one to ``width`` points. The run is a glitch if each of its
    points is off the cubic, the farthest by

    .. math:: |\mu_i - p_i| > t\,\sqrt{1 + \textstyle\sum_j h_{ij}^2}\;\max(\sigma, s),

    where the h are the weights of the eight in p, s is the scatter of the eight points themselves about their cubic and :math:`\sigma` the noise, that of the
    spectrum or of the 48 points around, whichever is larger, with what energies that repeat to 0.01 eV make of a slope. On an edge and on a white line the eight points do not lie
    on a cubic either: s is large, and nothing is found.

    Parameters
    ----------
    energy : (n,) array
        In eV, ascending.
    mu : (..., n) array
        Points that are not finite are left out.
    threshold : float
        The t above.
    width : int
        Longest run of points.
    structured : sequence of (float, float)
        Energies between which narrow lines may stand: around edges.
    line_width : float
        Full width in eV of the narrowest line there: that of the core hole.
    sigma : (...) or (..., n) array, optional
        Standard deviation of the noise. Default: estimated from each spectrum.

    Returns
    -------
    (..., n) array of bool
    """

    def prepare(grid: Array) -> Callable[..., dict[str, Array]]:
        runs = [_Runs(grid, length, structured, NARROW * line_width) for length in range(1, width + 1)]

        def kernel(rows: Array, known: Array | None = None) -> dict[str, Array]:
            noise = _noise(grid, rows, known)
            marks = np.zeros(rows.shape, bool)
            clean = rows
            for _ in range(PASSES):
                new = np.zeros(rows.shape, bool)
                suspicious = np.abs(_unpredicted(grid, clean)) > 0.4 * threshold * noise
                for run in runs:
                    run.mark(clean, noise, threshold, suspicious, new)
                if not new.any():
                    break
                marks |= new
                clean = fill_glitches(grid, clean, new)
            return {"glitch": marks.astype(float)}

        return kernel

    others = [] if sigma is None else [sigma]
    return np.asarray(
        on_finite_points(prepare, energy, mu, *others, shapes={"glitch": None}, least=12)["glitch"] == 1
    )


class _Runs:
    """All runs of ``length`` points on one grid, with the matrices that predict them from the points around."""

    def __init__(
        self, x: Array, length: int, structured: Sequence[tuple[float, float]], narrow: float
    ) -> None:
        n = x.size
        start = np.arange(2, max(n - length - 1, 2))
        gap = x[start + length] - x[start - 1]
        near = np.zeros(start.size, bool)
        for low, high in structured:
            near |= (x[start + length] > low) & (x[start - 1] < high)
        start = start[~near | (gap <= narrow)]
        self.length, self.start = length, start
        first = np.clip(start - NEIGHBOURS // 2, 0, max(n - NEIGHBOURS - length, 0))
        beside = first[:, None] + np.arange(NEIGHBOURS)
        self.beside = np.clip(np.where(beside >= start[:, None], beside + length, beside), 0, n - 1)
        self.inside = start[:, None] + np.arange(length)
        scale = np.ptp(x[self.beside], axis=1)[:, None] if start.size else 1.0
        middle = x[start][:, None]
        u, v = (x[self.beside] - middle) / scale, (x[self.inside] - middle) / scale
        powers = np.arange(4)
        fit = np.linalg.pinv(u[..., None] ** powers)  # (runs, 4, 8)
        self.predict = v[..., None] ** powers @ fit  # (runs, length, 8)
        self.left = np.eye(NEIGHBOURS) - u[..., None] ** powers @ fit  # (runs, 8, 8)
        self.slope = fit[:, 1] / (scale if start.size else 1.0)
        self.spread = np.sqrt(1 + (self.predict**2).sum(-1))

    def mark(self, y: Array, noise: Array, threshold: float, suspicious: Marks, marks: Marks) -> None:
        """Set ``marks`` on the runs that are glitches and touch none of those already set."""
        if not self.start.size:
            return
        touched = suspicious[:, self.start - 1] | suspicious[:, self.start + self.length]
        touched |= suspicious[:, self.inside].any(-1)
        row, run = np.nonzero(touched & ~marks[:, self.inside].any(-1))
        if not row.size:
            return
        around, here = y[row[:, None], self.beside[run]], y[row[:, None], self.inside[run]]
        off = np.abs(here - np.einsum("cij,cj->ci", self.predict[run], around)) / self.spread[run]
        rest = np.einsum("cij,cj->ci", self.left[run], around)
        scatter = np.sqrt((rest**2).sum(1) / (NEIGHBOURS - 4))
        unsteady = JITTER * np.abs(np.einsum("cj,cj->c", self.slope[run], around))
        unit = np.maximum(scatter, np.hypot(noise[row, self.start[run]], unsteady))
        with np.errstate(divide="ignore", invalid="ignore"):
            size = off / unit[:, None]
        bad = (size.max(1) > threshold) & (size.min(1) > threshold / 2)
        for i in np.flatnonzero(bad)[np.argsort(-size[bad].max(1), kind="stable")]:
            points = self.inside[run[i]]
            if not marks[row[i], max(points[0] - 1, 0) : points[-1] + 2].any():
                marks[row[i], points] = True


def _unpredicted(x: Array, y: Array) -> Array:
    """What the cubic through two neighbours to each side does not predict of each point, in units of noise."""
    n = x.size
    out = np.zeros(y.shape)
    offsets = (-2, -1, 1, 2)
    here, near = x[2 : n - 2], [x[2 + o : n - 2 + o] for o in offsets]
    weights = [
        np.prod([(here - b) / (a - b) for j, b in enumerate(near) if j != i], axis=0)
        for i, a in enumerate(near)
    ]
    rest = y[:, 2 : n - 2] - sum(w * y[:, 2 + o : n - 2 + o] for o, w in zip(offsets, weights, strict=True))
    out[:, 2 : n - 2] = rest / np.sqrt(1 + np.square(weights).sum(0))
    return out


def _noise(x: Array, y: Array, known: Array | None) -> Array:
    """Noise at each point: that of the spectrum, or of the points around where they scatter more."""
    whole = estimate_noise(x, y) if known is None else known
    whole = whole if whole.ndim == 2 else whole[:, None]
    size = np.abs(_unpredicted(x, y))
    blocks = max(x.size // BLOCK, 1)
    limits = np.linspace(0, x.size, blocks + 1).astype(int)
    median = np.stack([np.median(size[:, a:b], axis=1) for a, b in itertools.pairwise(limits)], axis=1)
    padded = np.pad(median, ((0, 0), (1, 1)), mode="edge")
    largest = functools.reduce(np.maximum, (padded[:, i : i + blocks] for i in range(3)))
    local = 1.4826 * np.repeat(largest, np.diff(limits), axis=1)
    # a spectrum without any noise still has rounding
    tiny = 1e-9 * np.ptp(y, axis=1, keepdims=True)
    return np.asarray(np.maximum(np.maximum(whole, local), tiny))


def fill_glitches(energy: Array, mu: Array, marks: Marks) -> Array:
    """Spectra with the marked points replaced by the cubic through the eight points nearest to each run of them.

    Parameters
    ----------
    energy : (n,) array
        In eV, ascending.
    mu : (..., n) array
        Points that are not finite do not take part.
    marks : (..., n) array of bool
        Points to replace.

    Returns
    -------
    (..., n) array
        NaN where fewer than four points are left to go by.
    """
    n = energy.size
    rows = np.array(mu, float).reshape(-1, n)
    which = marks.reshape(-1, n)
    for i in np.flatnonzero(which.any(1)):
        good = np.flatnonzero(~which[i] & np.isfinite(rows[i]))
        bad = np.flatnonzero(which[i])
        for run in np.split(bad, np.flatnonzero(np.diff(bad) > 1) + 1):
            place = int(np.searchsorted(good, run[0]))
            around = good[max(place - NEIGHBOURS // 2, 0) : place + NEIGHBOURS // 2]
            if around.size < 4:
                rows[i, run] = np.nan
                continue
            u = energy[around] - energy[run[0]]
            scale = np.abs(u).max()
            curve = np.polynomial.Polynomial.fit(u / scale, rows[i, around], 3 if around.size > 5 else 1)
            rows[i, run] = curve((energy[run] - energy[run[0]]) / scale)
    return rows.reshape(mu.shape)
