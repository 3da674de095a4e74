"""Whole measured spectra as components: fractions of them in a spectrum, with shift, broadening and background fitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from xps.background.shirley import shirley

__all__ = ["Reference", "ReferenceFit", "fit_reference_spectra"]

FloatArray = npt.NDArray[np.float64]

TO_FWHM = 2 * np.sqrt(2 * np.log(2))
NODES = 10  # broadenings between which a reference is interpolated
STEPS, SETTLED = 60, 1e-9
STARTS = 9  # shifts that are tried first
ROUNDS = 2  # of weights taken anew from the fit
BLOCK = 500  # spectra at a time
STRUCTURE = 0.5  # correlation of neighbouring residuals, 0 for noise; a Durbin–Watson statistic of 1
BEYOND_NOISE = 3.0  # standard deviations of the reduced chi-square that noise alone leaves


@dataclass(frozen=True)
class Reference:
    """One measured spectrum on its own grid, above its level at low binding energy; area of its lines 1.

    ``curve`` keeps the inelastic step that was measured with the lines; ``lines`` is their area up to each energy.
    """

    x: FloatArray  # (n,) eV, ascending
    curve: FloatArray  # (n,) 1/eV
    lines: FloatArray  # (n,)

    @classmethod
    def of(
        cls, x: FloatArray, counts: FloatArray, window: tuple[float, float] | None = None, n_end: int = 5
    ) -> Reference | None:
        """From counts, by the Shirley background inside ``window``; None where there is none."""
        from scipy.integrate import cumulative_trapezoid

        low, high = window or (x[0], x[-1])
        inside = np.flatnonzero((x >= low) & (x <= high))
        if inside.size < 3 * n_end:
            return None
        part = slice(inside[0], inside[-1] + 1)
        found = shirley(x[part], counts[part], n_end=n_end)
        lines = cumulative_trapezoid(counts[part] - found.background, x[part], initial=0.0)
        if not found.converged or not lines[-1] > 0:
            return None
        level = counts[part][:n_end].mean()
        beyond = np.interp(x, x[part], lines / lines[-1])
        return cls(x, (counts - level) / lines[-1], beyond)


@dataclass(frozen=True)
class ReferenceFit:
    """What each spectrum is made of; NaN where nothing could be fitted. m references, n points."""

    fraction: FloatArray  # (..., m)
    covariance: FloatArray  # (..., m, m)
    area: FloatArray  # (..., m) of the lines, counts eV
    shift: FloatArray  # (...) eV
    shift_sigma: FloatArray
    broadening: FloatArray  # (...) FWHM in eV of the Gaussian that all references are convolved with
    broadening_sigma: FloatArray
    step: FloatArray  # (...) 1/eV, inelastic step beyond that of the references, per area
    step_sigma: FloatArray
    fit: FloatArray  # (..., n)
    background: FloatArray  # (..., n) constant, slope and step beyond that of the references
    curves: FloatArray  # (..., m, n)
    redchi: FloatArray  # (...)
    at_limit: npt.NDArray[np.bool_]  # (...) the shift stands at its limit
    excess: npt.NDArray[np.bool_]  # (...) more is left than noise explains, or what is left is no noise


class _Family:
    """Curves of the references at any shift and broadening, with derivatives.

    Cubic B-splines on a grid twice as fine as the data; their coefficients are splines of the broadening.
    """

    def __init__(self, references: Sequence[Reference], widest: float) -> None:
        from scipy.interpolate import CubicSpline
        from scipy.ndimage import gaussian_filter1d, spline_filter1d

        low, high = min(r.x[0] for r in references), max(r.x[-1] for r in references)
        step = min(0.1, *(float(np.diff(r.x).min()) for r in references)) / 2
        grid = np.linspace(low, high, round((high - low) / step) + 1)
        self.low, self.step, self.points = float(low), float(grid[1] - grid[0]), grid.size
        sigmas = np.linspace(0, widest / TO_FWHM, NODES)
        fine = np.stack([np.interp(grid, r.x, v) for r in references for v in (r.curve, r.lines)])
        tables = [
            spline_filter1d(
                fine if s == 0 else gaussian_filter1d(fine, s / self.step, mode="nearest", truncate=6.0),
                mode="mirror",
            )
            for s in sigmas
        ]
        padded = np.pad(np.stack(tables), ((0, 0), (0, 0), (1, 1)), mode="edge")
        self.shape = padded.shape[1:]
        self.tables = padded.reshape(NODES, -1)
        self.weights = CubicSpline(sigmas, np.eye(NODES))
        self.slopes = self.weights.derivative()

    def __call__(
        self, at: FloatArray, sigma: FloatArray, dx: int = 0, ds: int = 0
    ) -> tuple[FloatArray, FloatArray]:
        """Curves and areas (rows, m, n) at the energies ``at`` (rows, n); ends go on as they are."""
        place = np.clip((at - self.low) / self.step, 0, self.points - 1.001)
        index = place.astype(int)
        t = place - index
        if dx:
            taps = (-((1 - t) ** 2) / 2, (3 * t**2 - 4 * t) / 2, (1 + 2 * t - 3 * t**2) / 2, t**2 / 2)
        else:
            taps = (
                (1 - t) ** 3 / 6,
                (3 * t**3 - 6 * t**2 + 4) / 6,
                (-3 * t**3 + 3 * t**2 + 3 * t + 1) / 6,
                t**3 / 6,
            )
        coefficients = ((self.slopes if ds else self.weights)(sigma) @ self.tables).reshape(-1, *self.shape)
        found = sum(
            tap[:, None] * np.take_along_axis(coefficients, (index + k)[:, None], 2)
            for k, tap in enumerate(taps)
        )
        found = np.asarray(found) / (self.step if dx else 1.0)
        return found[:, 0::2], found[:, 1::2]


def fit_reference_spectra(
    x: FloatArray,
    counts: FloatArray,
    references: Sequence[Reference],
    *,
    variance: FloatArray | None = None,
    seconds: float | None = None,
    max_shift: float = 1.0,
    max_broadening: float = 2.0,
) -> ReferenceFit:
    r"""Fit spectra by whole reference spectra on one background.

    .. math:: y(x) = b_0 + b_1 x + \sum_j a_j \left[R_j + k \int^x r_j\right]_{(x - \delta) * G(w)},
              \qquad a_j \ge 0, \quad f_j = a_j / \sum_i a_i

    with the reference R above its level at low binding energy, its lines r of area 1, and shift, broadening w and
    inelastic step k common to all references.

    Parameters
    ----------
    x : (n,) array
        Binding energy in eV, ascending.
    counts : (..., n) array
        NaN is left out.
    references : sequence of m Reference
    variance : (..., n) array, optional
        Of each point. Without it all points weigh the same.
    seconds : float, optional
        Counting statistics hold: counts times this are Poisson numbers; the variance is then taken from the fit.
    max_shift : float
        Largest shift in eV to either side.
    max_broadening : float
        Largest FWHM in eV of the Gaussian.

    Returns
    -------
    ReferenceFit
        Uncertainties hold the noise of the spectrum, and are scaled by the residual where it is more than noise.
        That of a fraction at zero says how large one could go unnoticed.
    """
    lead = counts.shape[:-1]
    y = counts.reshape(-1, x.size).astype(float)
    var = None if variance is None else np.broadcast_to(variance, counts.shape).reshape(y.shape)
    sigma = max_broadening / TO_FWHM
    problem = _Problem(x, _Family(references, max_broadening), len(references), max_shift, sigma)
    parts = []
    for first in range(0, max(len(y), 1), BLOCK):
        part = slice(first, first + BLOCK)
        parts.append(_fit(problem, y[part], None if var is None else var[part], seconds))
    joined = {f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(ReferenceFit)}
    return ReferenceFit(**{n: array.reshape((*lead, *array.shape[1:])) for n, array in joined.items()})


def _fit(
    problem: _Problem, y: FloatArray, variance: FloatArray | None, seconds: float | None
) -> ReferenceFit:
    """Spectra of one block; with counting statistics the weights are taken anew from the fit."""
    there = np.isfinite(y)
    good = there.sum(1) > problem.m + 6
    y = np.where(there & good[:, None], y, 0.0)
    largest = np.abs(y).max(1)
    scale = np.where(largest > 0, largest, 1.0)[:, None]
    var = np.ones_like(y) if variance is None else variance / scale**2
    weights = np.where(there & np.isfinite(var) & (var > 0), 1 / np.where(var > 0, var, 1.0), 0.0)
    p = _start(problem, y / scale)
    p, model, jacobian = _solve(problem, y / scale, weights, p)
    exposure = seconds or 1.0
    for _ in range(0 if seconds is None or variance is None else ROUNDS):
        expected = (model * scale * exposure).clip(min=1) / (exposure * scale) ** 2
        weights = np.where(weights > 0, 1 / expected, 0.0)
        p, model, jacobian = _solve(problem, y / scale, weights, p)
    return _result(
        problem, _Solved(y / scale, weights, p, model, jacobian, variance is not None), scale, good
    )


@dataclass(frozen=True)
class _Solved:
    """Spectra in units of their largest value, with the fit."""

    y: FloatArray
    weights: FloatArray
    p: FloatArray
    model: FloatArray
    jacobian: FloatArray
    known: bool  # whether the weights are those of the noise


@dataclass(frozen=True)
class _Problem:
    """Parameters of a spectrum: m areas, constant, slope, step, shift, standard deviation of the broadening."""

    x: FloatArray
    family: _Family
    m: int
    max_shift: float
    max_sigma: float

    @property
    def ramp(self) -> FloatArray:
        return np.asarray((self.x - self.x[0]) / (self.x[-1] - self.x[0]))

    @property
    def limits(self) -> tuple[FloatArray, FloatArray]:
        free = np.full(3, np.inf)
        low = np.concatenate([np.zeros(self.m), -free, [-self.max_shift, 0.0]])
        return low, np.concatenate([np.full(self.m, np.inf), free, [self.max_shift, self.max_sigma]])

    def model(self, p: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Model (rows, n) and its derivatives (rows, n, m + 5)."""
        m = self.m
        at, sigma = self.x - p[:, m + 3, None], p[:, m + 4]
        step = p[:, m + 2, None, None]
        area = p[:, :m]
        curves, lines = self.family(at, sigma)
        jacobian = np.empty((len(p), self.x.size, m + 5))
        jacobian[:, :, :m] = np.swapaxes(curves + step * lines, 1, 2)
        jacobian[:, :, m] = 1.0
        jacobian[:, :, m + 1] = self.ramp
        jacobian[:, :, m + 2] = np.einsum("rj,rjn->rn", area, lines)
        for column, order in ((m + 3, (1, 0)), (m + 4, (0, 1))):
            by_curve, by_lines = self.family(at, sigma, *order)
            sign = -1.0 if column == m + 3 else 1.0
            jacobian[:, :, column] = sign * np.einsum("rj,rjn->rn", area, by_curve + step * by_lines)
        model = np.einsum("rnj,rj->rn", jacobian[:, :, : m + 2], p[:, : m + 2])
        return model, jacobian


def _start(problem: _Problem, y: FloatArray) -> FloatArray:
    """Best of some shifts, everything else linear."""
    from spectra.mixtures import nonnegative_fractions

    m, ramp = problem.m, problem.ramp
    best = np.full(len(y), np.inf)
    p = np.zeros((len(y), m + 5))
    sigma = np.full(1, 0.15 * problem.max_sigma)
    for shift in np.linspace(-0.8, 0.8, STARTS) * problem.max_shift:
        curves, _ = problem.family(problem.x[None, :] - shift, sigma)
        columns = np.concatenate([curves[0], [ramp, 1 - ramp]])
        areas = nonnegative_fractions(y, columns)
        cost = ((y - areas @ columns) ** 2).sum(1)
        better = cost < best
        best[better] = cost[better]
        p[better, :m] = areas[better, :m]
        p[better, m], p[better, m + 1] = areas[better, m + 1], (areas[:, m] - areas[:, m + 1])[better]
        p[better, m + 3] = shift
    p[:, m + 4] = sigma
    p[:, :m] = np.maximum(p[:, :m], 1e-3 * p[:, :m].sum(1, keepdims=True))
    return p


def _solve(
    problem: _Problem, y: FloatArray, weights: FloatArray, start: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Levenberg–Marquardt for all rows at once; what stands at a limit and would leave it is held."""
    low, high = problem.limits
    p = start.copy()
    damping = np.full(len(p), 1e-4)
    model, jacobian = problem.model(p)
    squares = (weights * (y - model) ** 2).sum(1)
    active = np.ones(len(p), bool)
    for _ in range(STEPS):
        rows = np.flatnonzero(active)
        if not rows.size:
            break
        normal, gradient = _normal(jacobian[rows], weights[rows], y[rows] - model[rows])
        held = ((p[rows] <= low) & (gradient < 0)) | ((p[rows] >= high) & (gradient > 0))
        tried = np.clip(p[rows] + _step(normal, gradient, held, damping[rows]), low, high)
        new_model, new_jacobian = problem.model(tried)
        new = (weights[rows] * (y[rows] - new_model) ** 2).sum(1)
        better = new <= squares[rows]
        taken = rows[better]
        gain = (squares[rows] - new) / np.maximum(squares[rows], 1e-300)
        p[taken], squares[taken] = tried[better], new[better]
        model[taken], jacobian[taken] = new_model[better], new_jacobian[better]
        damping[rows] = np.where(better, damping[rows] / 10, damping[rows] * 10)
        active[rows] = ~((better & (gain < SETTLED)) | (damping[rows] > 1e8))
    return p, model, jacobian


def _normal(jacobian: FloatArray, weights: FloatArray, residual: FloatArray) -> tuple[FloatArray, FloatArray]:
    weighted = np.swapaxes(jacobian * weights[:, :, None], 1, 2)
    return weighted @ jacobian, (weighted @ residual[:, :, None])[..., 0]


def _step(
    normal: FloatArray, gradient: FloatArray, held: npt.NDArray[np.bool_], damping: FloatArray
) -> FloatArray:
    size = normal.shape[1]
    matrix, scale = _free(normal, held)
    matrix[:, range(size), range(size)] += damping[:, None]
    right = np.where(held, 0.0, gradient / scale)
    return np.asarray(np.linalg.solve(matrix, right[..., None])[..., 0] / scale)


def _free(normal: FloatArray, held: npt.NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
    """Normal equations with unit diagonal, the rows of what is held those of the identity, and the scale."""
    diagonal = np.einsum("rii->ri", normal)
    scale = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    fixed = held | ~(diagonal > 0)
    matrix = normal / (scale[:, :, None] * scale[:, None, :])
    matrix = np.where(fixed[:, :, None] | fixed[:, None, :], 0.0, matrix)
    index = np.arange(normal.shape[1])
    matrix[:, index, index] = 1.0
    return matrix, scale


def _covariance(problem: _Problem, solved: _Solved, held: npt.NDArray[np.bool_]) -> FloatArray:
    """Inverse of the normal equations; zero for what is held, NaN where it does not exist."""
    normal, _ = _normal(solved.jacobian, solved.weights, solved.y - solved.model)
    matrix, unit = _free(normal, held)
    singular = ~(np.linalg.cond(matrix) < 1e13)
    inverse = np.linalg.inv(np.where(singular[:, None, None], np.eye(problem.m + 5), matrix))
    covariance = inverse / (unit[:, :, None] * unit[:, None, :])
    covariance = np.where(held[:, :, None] | held[:, None, :], 0.0, covariance)
    return np.where(singular[:, None, None], np.nan, covariance)


def _structured(solved: _Solved) -> npt.NDArray[np.bool_]:
    """Whether neighbouring residuals go together, beyond what rounding leaves of spectra that are described exactly."""
    residual = np.sqrt(solved.weights) * (solved.y - solved.model)
    squares = (residual**2).sum(1)
    together = (residual[:, 1:] * residual[:, :-1]).sum(1) / np.where(squares > 0, squares, 1.0)
    return np.asarray((together > STRUCTURE) & (np.abs(solved.y - solved.model).max(1) > 1e-4))


def _result(
    problem: _Problem, solved: _Solved, scale: FloatArray, good: npt.NDArray[np.bool_]
) -> ReferenceFit:
    m, p, weights = problem.m, solved.p, solved.weights
    low, high = problem.limits
    held = (p <= low) | (p >= high)
    held[:, :m] = False  # how large could a fraction at zero be?
    covariance = _covariance(problem, solved, held)
    degrees = np.maximum((weights > 0).sum(1) - (m + 5.0), 1.0)
    redchi = (weights * (solved.y - solved.model) ** 2).sum(1) / degrees
    excess = solved.known & (redchi > 1 + BEYOND_NOISE * np.sqrt(2 / degrees))
    covariance = covariance * np.where(excess | (not solved.known), redchi, 1.0)[:, None, None]
    sigma = np.where(held, np.nan, np.sqrt(np.clip(np.einsum("rii->ri", covariance), 0, None)))
    total = p[:, :m].sum(1, keepdims=True)
    good = good & (total[:, 0] > 0) & np.isfinite(redchi)
    total = np.where(total > 0, total, np.nan)
    fraction = p[:, :m] / total
    change = (np.eye(m) - fraction[:, :, None]) / total[:, :, None]
    spread = change @ covariance[:, :m, :m] @ np.swapaxes(change, 1, 2)
    own = problem.family(problem.x - p[:, m + 3, None], p[:, m + 4])[0] * (p[:, :m] * scale)[:, :, None]

    def known(values: FloatArray) -> FloatArray:
        return np.asarray(np.where(good.reshape(-1, *(1,) * (values.ndim - 1)), values, np.nan))

    return ReferenceFit(
        fraction=known(fraction),
        covariance=known(spread),
        area=known(p[:, :m] * scale),
        shift=known(p[:, m + 3]),
        shift_sigma=known(sigma[:, m + 3]),
        broadening=known(p[:, m + 4] * TO_FWHM),
        broadening_sigma=known(sigma[:, m + 4] * TO_FWHM),
        step=known(p[:, m + 2]),
        step_sigma=known(sigma[:, m + 2]),
        fit=known(solved.model * scale),
        background=known(solved.model * scale - own.sum(1)),
        curves=known(own),
        redchi=known(redchi),
        at_limit=held[:, m + 3] & good,
        excess=(excess | _structured(solved)) & good,
    )
