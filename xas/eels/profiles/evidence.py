"""Is there a step in numbers along a line, where, how wide: evidence and posterior on a grid, levels integrated out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = [
    "LEAST",
    "MODELS",
    "Line",
    "Place",
    "Posterior",
    "Step",
    "change_point",
    "describe",
    "evened",
    "find_step",
    "gradient",
    "rise",
]

Array = npt.NDArray[np.float64]
Shape = Literal["error_function", "logistic"]

#: Fewest points of a line.
LEAST = 6
MODELS = ("level", "gradient", "step")
#: Prior of a contrast: normal, its standard deviation log-uniform between these, in units of a point's median sigma.
CONTRASTS = np.geomspace(0.5, 50.0, 7)
#: Full width between 10 and 90 % of the rise in units of what the shape is written with.
RISE = {"error_function": 2 * 1.2815515655446004, "logistic": 2 * np.log(9.0)}
#: The prior of the width is uniform from 0 to this share of the line.
WIDEST = 0.5
_POSITIONS, _WIDTHS, _ZOOMS = 101, 25, 8
#: Cells this much less probable (natural logarithm) than the best are left out when the grid zooms.
_DEPTH = 18.0
#: Nothing finer than this share of the line is told.
_FINEST = 1e-6
#: Sigmas are moved by this factor at most.
_EVENED = 2.0


@dataclass(frozen=True)
class Line:
    """Numbers along a line, points that are missing left out, in units of their median sigma.

    ``free``: sigmas are relative, their common scale is unknown (Jeffreys' prior) and integrated out.
    """

    x: Array  # (n,) ascending
    v: Array  # (n,)
    weight: Array  # (n,)
    unit: float
    free: bool

    @classmethod
    def of(cls, x: Array, values: Array, sigma: Array | None, *, free: bool) -> Line | None:
        """None where fewer points than :data:`LEAST` are left."""
        sound = np.isfinite(values)
        if sigma is not None:
            sound = sound & np.isfinite(sigma) & (sigma > 0)
        if np.count_nonzero(sound) < LEAST:
            return None
        error = np.ones(int(sound.sum())) if sigma is None else sigma[sound]
        unit = float(np.median(error))
        return cls(x[sound], values[sound] / unit, (unit / error) ** 2, unit, free)

    @property
    def total(self) -> float:
        """Sum of the weights."""
        return float(self.weight.sum())

    @property
    def mean(self) -> float:
        """Weighted mean of the values."""
        return float(self.weight @ self.v) / self.total

    @property
    def scatter(self) -> float:
        """Weighted sum of squares about the mean."""
        return float(self.weight @ (self.v - self.mean) ** 2)

    def inner(self) -> tuple[float, float]:
        """Where a step can lie: with two points on each of its sides."""
        return float(self.x[1]), float(self.x[-2])


@dataclass(frozen=True)
class _Answer:
    """What a line says of contrasts with given courses, for each width of their prior (last axis)."""

    bayes_factor: Array  # (..., t) logarithm, against a level without contrast
    contrast: Array  # (..., t) mean
    variance: Array  # (..., t) of the contrast
    middle: Array  # (...) weighted mean of the course
    noise: Array  # (..., t) mean of the variance of unit weight


def _ask(line: Line, course: Array) -> _Answer:
    r"""Evidence of ``mean + contrast * (course - its mean)``: the mean has a flat prior, the contrast a normal one.

    .. math:: \ln B = -\tfrac12 \ln(1 + c\tau^2) + \tfrac12 \frac{b^2 \tau^2}{1 + c\tau^2}, \quad
              c = \sum w (S - \bar S)^2, \quad b = \sum w (S - \bar S) v
    """
    w = line.weight
    middle = course @ w / line.total
    c = np.maximum(np.square(course) @ w - line.total * middle**2, 0.0)
    b = course @ (w * (line.v - line.mean))
    tau = CONTRASTS**2
    shrink = tau / (1 + c[..., None] * tau)
    gain = b[..., None] ** 2 * shrink
    occam = -0.5 * np.log1p(c[..., None] * tau)
    if line.free:
        n, whole = line.x.size, max(line.scatter, 1e-300)
        left = np.maximum(1 - gain / whole, 1e-12)
        factor = occam - 0.5 * (n - 1) * np.log(left)
        noise = whole * left / (n - 3)
    else:
        factor, noise = occam + 0.5 * gain, np.ones_like(gain)
    return _Answer(factor, b[..., None] * shrink, shrink * noise, middle, noise)


def _log_mean(values: Array) -> Array:
    """Logarithm of the mean of exponentials along the last axis."""
    top = values.max(-1)
    return np.asarray(top + np.log(np.exp(values - top[..., None]).mean(-1)))


def rise(x: Array, position: Array, width: Array, shape: Shape) -> Array:
    """Course (p, w, n) from 0 to 1 of steps at ``position`` (p,), 10 to 90 % of it inside ``width`` (w,)."""
    from scipy.special import expit, ndtr

    away = x - position[:, None, None]
    scale = width[None, :, None] / RISE[shape]
    with np.errstate(divide="ignore", invalid="ignore"):
        argument = np.where(
            away == 0, 0.0, away / scale
        )  # a width of zero: a sharp step, half up where it stands
    return np.asarray(ndtr(argument) if shape == "error_function" else expit(argument))


def gradient(line: Line) -> tuple[float, float, float]:
    """Logarithmic Bayes factor of a straight gradient against a level; its slope and the sigma of that, per unit of x."""
    span = float(np.ptp(line.x))
    answer = _ask(line, (line.x - line.x[0])[None, :] / span)
    share = _normal(answer.bayes_factor[0])
    mean = float(share @ answer.contrast[0])
    variance = float(share @ (answer.variance[0] + answer.contrast[0] ** 2)) - mean**2
    unit = line.unit / span
    return float(_log_mean(answer.bayes_factor)[0]), mean * unit, float(np.sqrt(variance)) * unit


def _normal(log: Array) -> Array:
    share = np.exp(log - log.max())
    return np.asarray(share / share.sum())


@dataclass(frozen=True)
class Posterior:
    """Where a step lies and how wide it is: a grid for blurred steps, the gaps between points for a sharp one."""

    position: Array  # (p,)
    width: Array  # (w,)
    blurred: Array  # (p, w) sums to 1
    edge: Array  # (g + 1,) points between which a sharp step may lie
    gap: Array  # (g,) sums to 1
    sharp_probability: float  # that the step is a sharp one, as far as the sampling goes
    log_evidence: float  # against a level without contrast

    @property
    def share(self) -> Array:
        """Posterior (p, w) of blurred steps."""
        return self.blurred * (1 - self.sharp_probability)

    @property
    def sharp(self) -> Array:
        """Posterior (g,) of sharp steps."""
        return self.gap * self.sharp_probability

    def place(self) -> Place:
        """Position, averaged over widths."""
        gap, middle = np.diff(self.edge), (self.edge[1:] + self.edge[:-1]) / 2
        grid = self.share.sum(1)
        mean = float(grid @ self.position + self.sharp @ middle)
        spread = grid @ (self.position - mean) ** 2 + self.sharp @ ((middle - mean) ** 2 + gap**2 / 12)
        at = np.unique(np.concatenate([self.position, self.edge]))
        running = np.interp(at, self.position, _cumulated(self.position, grid / _trapezoid(self.position)))
        running = running + np.interp(at, self.edge, np.concatenate([[0.0], np.cumsum(self.sharp)]))
        low, high = np.interp([0.025, 0.975], running / running[-1], at)
        return Place(mean, float(np.sqrt(spread)), float(low), float(high))

    def breadth(self) -> tuple[float, float, float]:
        """Mean and standard deviation of the width of a blurred step, and what it is below with 95 %.

        The limit leaves the sharp step out, which would make it a promise of the prior.
        """
        grid = self.blurred.sum(0)
        mean = float(grid @ self.width)
        sigma = float(np.sqrt(grid @ (self.width - mean) ** 2))
        running = _cumulated(self.width, grid / _trapezoid(self.width))
        return mean, sigma, float(np.interp(0.95 * running[-1], running, self.width))


def _cumulated(values: Array, density: Array) -> Array:
    return np.concatenate([[0.0], np.cumsum(np.diff(values) * (density[1:] + density[:-1]) / 2)])


@dataclass(frozen=True)
class Place:
    """A position with its standard deviation and the ends of its central 95 %."""

    value: float
    sigma: float
    low: float
    high: float


@dataclass(frozen=True)
class Step:
    """What a line says of its step, under the posterior of position and width."""

    surface: float
    core: float
    surface_sigma: float
    core_sigma: float
    ratio: float  # surface over core
    ratio_sigma: float
    curve: Array  # (all x,)
    curve_sigma: Array
    excess: float  # chi-square per degree of freedom at the best cell; of stated sigmas only


def find_step(lines: list[Line], reach: tuple[float, float], shape: Shape) -> Posterior:
    """Posterior of one position and one width common to all ``lines``, each with levels of its own.

    Parameters
    ----------
    lines : list of Line
    reach : (float, float)
        Where the step may lie; its prior is uniform there. Half of the prior is a sharp step, half one with a width that
        is uniform up to half of the line.
    shape : {"error_function", "logistic"}
    """
    length = reach[1] - reach[0]
    position, width, log = _zoomed(lines, reach, shape)
    cell = _trapezoid(position)[:, None] * _trapezoid(width)
    edge, gap_log = _gaps(lines, reach)
    gap = np.diff(edge)
    widest = WIDEST * max(float(np.ptp(line.x)) for line in lines)
    tops = float(log.max()), float(gap_log.max())
    blurred, sharp = (
        np.exp(log - tops[0]) * cell / (length * widest),
        np.exp(gap_log - tops[1]) * gap / length,
    )
    logs = [top + float(np.log(part.sum() / 2)) for top, part in zip(tops, (blurred, sharp), strict=True)]
    whole = float(np.logaddexp(logs[0], logs[1]))
    return Posterior(
        position,
        width,
        blurred / blurred.sum(),
        edge,
        sharp / sharp.sum(),
        float(np.exp(logs[1] - whole)),
        whole,
    )


def _zoomed(lines: list[Line], reach: tuple[float, float], shape: Shape) -> tuple[Array, Array, Array]:
    """Logarithmic evidence on a grid of positions and widths, which is made finer around what is probable."""
    low, high = reach
    narrow, wide = 0.0, WIDEST * max(float(np.ptp(line.x)) for line in lines)
    most = max(_POSITIONS, 4 * max(line.x.size for line in lines))
    for _ in range(_ZOOMS):
        position, width = np.linspace(low, high, most), np.linspace(narrow, wide, _WIDTHS)
        log = np.zeros((most, _WIDTHS))
        for line in lines:
            log += _log_mean(_ask(line, rise(line.x, position, width, shape)).bayes_factor)
        near = log >= log.max() - _DEPTH
        (p0, p1), (w0, w1) = (_around(near.any(1 - a)) for a in (0, 1))
        if (p1 - p0) * (w1 - w0) > 0.5 * (most - 1) * (_WIDTHS - 1):
            break
        if min(position[p1] - position[p0], width[w1] - width[w0]) < _FINEST * (reach[1] - reach[0]):
            break
        low, high, narrow, wide = position[p0], position[p1], width[w0], width[w1]
        most = _POSITIONS
    return position, width, log


def _gaps(lines: list[Line], reach: tuple[float, float]) -> tuple[Array, Array]:
    """Points between which a sharp step may lie, and its logarithmic evidence in each gap."""
    points = np.unique(np.concatenate([line.x for line in lines]))
    edge = points[(points >= reach[0]) & (points <= reach[1])]
    log = np.zeros(edge.size - 1)
    for line in lines:
        log += _log_mean(_ask(line, (line.x > edge[:-1, None]).astype(float)).bayes_factor)
    return edge, log


def _around(inside: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """First and last index that hold, one more on each side."""
    at = np.flatnonzero(inside)
    return max(int(at[0]) - 1, 0), min(int(at[-1]) + 1, inside.size - 1)


def _trapezoid(x: Array) -> Array:
    step = np.diff(x)
    return np.concatenate([step[:1], step[1:] + step[:-1], step[-1:]]) / 2


def describe(line: Line, found: Posterior, x: Array, shape: Shape) -> Step:
    """Levels on both sides and the curve at all ``x``, averaged over a posterior."""
    start, gap = found.edge[:-1, None], np.diff(found.edge)[:, None]

    def courses(at: Array) -> Array:
        blurred = rise(at, found.position, found.width, shape).reshape(-1, at.size)
        return np.concatenate([blurred, np.clip((at - start) / gap, 0.0, 1.0)])

    course = courses(line.x)
    answer = _ask(line, course)
    share = np.exp(answer.bayes_factor - answer.bayes_factor.max(-1, keepdims=True))
    cells = np.concatenate([found.share.ravel(), found.sharp])
    share *= (cells / share.sum(-1))[:, None]
    d, q, s = answer.contrast, answer.variance, answer.middle[:, None]
    base = float((share * answer.noise).sum()) / line.total
    sides, parts = (line.mean - d * s, line.mean + d * (1 - s)), (-s, 1 - s)
    surface, core = (float((share * side).sum()) for side in sides)
    covariance = np.array([[float((share * (a * b + u * v * q)).sum()) for b, v in zip(sides, parts, strict=True)]
                           for a, u in zip(sides, parts, strict=True)])  # fmt: skip
    covariance += base - np.outer([surface, core], [surface, core])
    slope = np.array([1 / core, -surface / core**2]) if core else np.full(2, np.nan)
    off = courses(x) - s
    curve = (share * d).sum(-1) @ off
    spread = (share * (d**2 + q)).sum(-1) @ off**2 - curve**2 + base
    sigma = np.sqrt(np.maximum(np.diag(covariance), 0)) * line.unit
    return Step(
        surface * line.unit, core * line.unit, float(sigma[0]), float(sigma[1]),
        surface / core if core else np.nan, float(np.sqrt(max(slope @ covariance @ slope, 0.0))),
        (line.mean + curve) * line.unit, np.sqrt(np.maximum(spread, 0)) * line.unit,
        _excess(line, course[int(cells.argmax())]),
    )  # fmt: skip


def _excess(line: Line, course: Array) -> float:
    """Weighted squares about a curve per degree of freedom, of which levels, position and width take four."""
    off = course - course @ line.weight / line.total
    strength = float(line.weight @ off**2)
    gain = float((line.weight * off) @ line.v) ** 2 / strength if strength > 0 else 0.0
    return (line.scatter - gain) / max(line.x.size - 4, 1)


def evened(x: Array, values: Array, sigma: Array, shape: Shape) -> Array:
    r"""Sigmas (n,) freed of the noise of the points that they belong to.

    The sigma of a ratio grows with the ratio, so that points that fluctuated down would weigh more and pull every level
    with them. What a sigma depends on the value, :math:`\sigma \propto |v|^p`, is taken at the fitted curve instead.
    """
    line = Line.of(x, values, sigma, free=True)
    sound = np.isfinite(values) & np.isfinite(sigma) & (sigma > 0)
    if line is None or np.abs(np.sign(values[sound]).sum()) < sound.sum() or not np.ptp(sigma[sound]):
        return sigma
    with np.errstate(invalid="ignore", divide="ignore"):
        v, e = np.log(np.abs(values[sound])), np.log(sigma[sound])
        power = float(np.clip((v - v.mean()) @ (e - e.mean()) / ((v - v.mean()) ** 2).sum(), -4, 4))
        curve = describe(line, find_step([line], line.inner(), shape), x, shape).curve
        moved = sigma * np.clip(np.abs(curve / values) ** power, 1 / _EVENED, _EVENED)
    return np.where(sound & np.isfinite(moved), moved, sigma)


def change_point(line: Line) -> Place:
    """The one change between two constant levels: its posterior is uniform inside each gap between two points.

    No shape is assumed, and nothing finer than the sampling is claimed.
    """
    edge, log = _gaps([line], line.inner())
    gap, middle = np.diff(edge), (edge[1:] + edge[:-1]) / 2
    share = np.exp(log - log.max()) * gap
    share /= share.sum()
    mean = float(share @ middle)
    sigma = float(np.sqrt(share @ ((middle - mean) ** 2 + gap**2 / 12)))
    low, high = np.interp([0.025, 0.975], np.concatenate([[0.0], np.cumsum(share)]), edge)
    return Place(mean, sigma, float(low), float(high))
