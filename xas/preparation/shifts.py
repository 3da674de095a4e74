"""How far spectra lie apart along the energy, and moving them by that: least squares against a reference spectrum."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xas.points.finite import in_blocks, on_finite_points
from xas.points.noise import estimate_noise

__all__ = ["Reference", "measure_shifts", "move_spectra", "smoother"]

Array = npt.NDArray[np.float64]

#: Half width in eV of the local parabola that takes noise off both spectra before they are laid over each other.
SMOOTHING = 1.5
#: Step in eV of the search for the right valley of the misfit; an edge is wider than that.
COARSE = 0.5
#: The reference must account for this part of what a line does not, or the two spectra show different things.
LEAST_LIKENESS = 0.5
ITERATIONS = 12


@dataclass(frozen=True)
class Reference:
    """Spectrum that others are laid over.

    ``noise`` is that of its points. Where it was made from the spectra that are compared with it, it moves with each
    of them: ``own`` is the part of a spectrum's variance that this takes off.
    """

    energy: Array  # (n,) in eV, ascending
    mu: Array  # (n,) finite
    noise: float
    own: float = 0.0


def smoother(x: Array, half_width: float) -> Array:
    """(n, n) matrix that replaces each value by that of the parabola fitted around it; coarse parts stay as they are.

    Epanechnikov weights within ``half_width``, where that holds at least five points and lies inside of the grid.
    """
    n = x.size
    matrix = np.eye(n)
    first = np.searchsorted(x, x - half_width, side="right")
    stop = np.searchsorted(x, x + half_width, side="left")
    for i in np.flatnonzero((stop - first >= 5) & (x - half_width >= x[0]) & (x + half_width <= x[-1])):
        part = slice(first[i], stop[i])
        u = (x[part] - x[i]) / half_width
        weight = 1 - u**2
        powers = np.vander(u, 3, increasing=True)
        matrix[i, i] = 0
        matrix[i, part] = np.linalg.solve(
            powers.T @ (weight[:, None] * powers), (weight[:, None] * powers).T
        )[0]
    return matrix


def measure_shifts(
    energy: Array,
    mu: Array,
    reference: Reference,
    window: tuple[float, float],
    *,
    largest: float = 15.0,
    sigma: Array | None = None,
) -> dict[str, Array]:
    r"""Energies by which spectra lie above the reference, from what noise leaves of them.

    .. math:: \mu(E) = a\,\mu_\mathrm{ref}(E - s) + b + cE

    is fitted by least squares in s, a, b and c, after both were smoothed alike: interpolation between noisy points
    would otherwise favour shifts of half a step. The valley is found by trying all shifts in steps of 0.5 eV, the
    minimum in it by Gauss-Newton. The variance of s carries the noise of spectrum and reference through smoothing and
    fit; where the misfit is larger than noise explains, sigma is larger by the root of that ratio.

    Parameters
    ----------
    energy : (n,) array
        In eV, ascending.
    mu : (..., n) array
        Spectra; points that are not finite are left out.
    reference : Reference
        It must reach ``largest`` beyond ``window`` at both ends.
    window : (float, float)
        Energies in eV between which the spectra are compared.
    largest : float
        Shifts up to this many eV are found.
    sigma : (...) or (..., n) array, optional
        Standard deviation of the noise of ``mu``. Default: estimated from each spectrum.

    Returns
    -------
    dict of (...) arrays
        ``shift`` and ``shift_sigma`` in eV, NaN where the spectra have nothing in common or the shift is larger than
        ``largest``; ``scale``, the a above; ``misfit``, the ratio of the residuals' variance to that of noise.
    """
    from scipy.interpolate import CubicSpline

    noise = estimate_noise(energy, mu) if sigma is None else sigma
    part = slice(*map(int, np.searchsorted(energy, window)))
    margin = largest + 10 * SMOOTHING
    low, high = np.searchsorted(reference.energy, [window[0] - margin, window[1] + margin])
    own = reference.energy[low:high]
    target = smoother(own, SMOOTHING)
    curve = CubicSpline(own, target @ reference.mu[low:high])
    slope = curve.derivative()
    between = CubicSpline(own, target)

    def prepare(x: Array) -> Callable[..., dict[str, Array]]:
        smooth = smoother(x, SMOOTHING)
        line = np.stack([np.ones_like(x), (x - x.mean()) / np.ptp(x)], axis=1)
        trials = np.arange(-largest, largest + COARSE / 2, COARSE)
        independent = max(float((smooth**2).sum()), 5.0)  # points that smoothing leaves
        by_chance = 1 + 2 * np.sqrt(2 / independent)

        @functools.cache
        def sums(s: float) -> Array:
            """The reference, smoothed and moved, as sums over its points: for its noise."""
            return np.asarray(between(x - s))

        def kernel(rows: Array, known: Array) -> dict[str, Array]:
            y = rows @ smooth.T
            shift = trials[_valley(y, [np.column_stack([curve(x - s), line]) for s in trials])]
            shift, scale, rest, gain = _settle(x, y, line, curve, slope, shift, largest)
            variance = np.broadcast_to((known if known.ndim == 2 else known[:, None]) ** 2, rows.shape)
            by_point = gain @ smooth
            by_reference, of_reference = np.empty(len(rows)), np.empty(len(rows))
            rounded = np.where(np.isfinite(shift), np.rint(np.clip(shift, -largest, largest)), 0.0)
            for s in np.unique(rounded):  # to 1 eV: only for the density of the reference's points
                at = rounded == s
                by_reference[at] = ((gain[at] @ sums(s)) ** 2).sum(1)
                of_reference[at] = (sums(s) ** 2).sum(1).mean()
            squared = (scale * reference.noise) ** 2
            expected = (variance @ (smooth**2).T).mean(1) + squared * of_reference
            misfit = (rest**2).mean(1) / (expected * (1 - 4 / independent))
            total = (by_point**2 * variance).sum(1) * (1 - reference.own) + squared * by_reference
            alike = 1 - (rest**2).sum(1) / ((y - y @ _projector(line)) ** 2).sum(1)
            found = (alike > LEAST_LIKENESS) & (scale > 0) & (np.abs(shift) <= largest)
            return {
                "shift": np.where(found, shift, np.nan),
                "shift_sigma": np.where(found, np.sqrt(total * np.maximum(misfit / by_chance, 1.0)), np.nan),
                "scale": np.where(found, scale, np.nan),
                "misfit": np.where(found, misfit, np.nan),
            }

        def quiet(rows: Array, known: Array) -> dict[str, Array]:
            with np.errstate(divide="ignore", invalid="ignore"):  # nothing but a line in it: NaN
                return kernel(rows, known)

        return quiet

    near = noise if noise.ndim < mu.ndim else noise[..., part]
    shapes: dict[str, tuple[int, ...] | None] = dict.fromkeys(("shift", "shift_sigma", "scale", "misfit"), ())
    return on_finite_points(prepare, energy[part], mu[..., part], near, shapes=shapes)


def _projector(basis: Array) -> Array:
    """Matrix that projects rows onto the columns of ``basis``."""
    orthogonal = np.linalg.qr(basis)[0]
    return np.asarray(orthogonal @ orthogonal.T)


def _valley(y: Array, designs: list[Array]) -> npt.NDArray[np.intp]:
    """Which of the designs, with the reference in the first column, leaves least of each row and has it upright."""
    total = (y**2).sum(1)
    left = np.empty((len(designs), len(y)))
    for i, design in enumerate(designs):
        orthogonal, triangle = np.linalg.qr(
            design[:, ::-1]
        )  # the reference last: its coefficient comes first
        parts = y @ orthogonal
        upright = parts[:, -1] / triangle[-1, -1] > 0
        left[i] = np.where(upright, total - (parts**2).sum(1), np.inf)
    return np.asarray(np.argmin(left, axis=0))


def _settle(
    x: Array,
    y: Array,
    line: Array,
    curve: Callable[[Array], Array],
    slope: Callable[[Array], Array],
    shift: Array,
    largest: float,
) -> tuple[Array, Array, Array, Array]:
    """Gauss-Newton from ``shift``: the shift, the scale, what is left, and the weight of each point in the shift."""
    r, m = y.shape
    design = np.empty((r, 4, m))
    design[:, 2:] = line.T
    for _ in range(ITERATIONS):
        at = np.clip(shift, -largest, largest)
        design[:, 1] = curve(x - at[:, None])
        # the derivative of scale × curve without the scale: its coefficient is scale × change
        design[:, 0] = -slope(x - at[:, None])
        normal = design @ design.transpose(0, 2, 1)
        solution = _solve(normal, (design @ y[:, :, None])[..., 0])
        scale = solution[:, 1]
        change = solution[:, 0] / scale
        shift = at + np.clip(change, -1.0, 1.0)
        if not (np.abs(change) > 1e-9).any():
            break
    rest = y - (solution[:, None] @ design)[:, 0]
    first = _solve(normal, np.broadcast_to([1.0, 0, 0, 0], (r, 4)))
    gain = (first[:, None] @ design)[:, 0] / scale[:, None]
    return shift, scale, rest, gain


def _solve(normal: Array, right: Array) -> Array:
    """Solutions of many small symmetric systems, NaN where one is singular."""
    size = np.sqrt(np.einsum("raa->ra", normal))
    scaled = normal / (size[:, :, None] * size[:, None, :])
    regular = np.isfinite(scaled).all((1, 2)) & (np.linalg.det(np.nan_to_num(scaled)) > 1e-12)
    scaled[~regular] = np.eye(normal.shape[1])
    solution = np.linalg.solve(scaled, (right / size)[..., None])[..., 0] / size
    return np.where(regular[:, None], solution, np.nan)


def move_spectra(energy: Array, values: Array, shift: Array, *, linear: bool = False) -> Array:
    """Values on the grid ``energy`` after each spectrum was moved up by its ``shift``: ``values(energy - shift)``.

    Parameters
    ----------
    energy : (n,) array
        In eV, ascending.
    values : (..., n) array
        Cubic splines go through them. A gap of points that are not finite moves along.
    shift : (...) array
        In eV; a spectrum whose shift is not finite stays where it is.
    linear : bool
        Straight lines between the points instead: for uncertainties, which must not overshoot.

    Returns
    -------
    (..., n) array
        NaN where a spectrum does not reach.
    """
    lead, n = values.shape[:-1], energy.size
    rows = np.asarray(values, float).reshape(-1, n)
    by = np.where(np.isfinite(shift), shift, 0.0).reshape(-1)
    out = {"moved": np.empty(rows.shape)}
    in_blocks(lambda y, s: {"moved": _moved(energy, y, s, linear)}, rows, [by], out)
    out["moved"][by == 0] = rows[by == 0]
    return out["moved"].reshape((*lead, n))


def _moved(x: Array, y: Array, shift: Array, linear: bool) -> Array:
    from scipy.interpolate import CubicSpline

    finite = np.isfinite(y)
    gaps = np.flatnonzero(~finite.all(1))
    y = y.copy() if gaps.size else y
    for i in gaps:
        y[i] = np.interp(x, x[finite[i]], y[i, finite[i]]) if finite[i].any() else 0.0
    wanted = x - shift[:, None]
    left = np.clip(np.searchsorted(x, wanted, side="right") - 1, 0, x.size - 2)
    across = x[left + 1] - x[left]
    t = (wanted - x[left]) / across
    at = [np.take_along_axis(y, left + i, axis=1) for i in (0, 1)]
    if linear or x.size < 4:
        moved = at[0] + t * (at[1] - at[0])
    else:
        spline = CubicSpline(x, y, axis=1)
        slopes = np.concatenate([spline.c[2].T, spline(x[-1:], 1)], axis=1)
        slope = [np.take_along_axis(slopes, left + i, axis=1) * across for i in (0, 1)]
        rise = at[1] - at[0]
        moved = at[0] + t * (
            slope[0] + t * (3 * rise - 2 * slope[0] - slope[1] + t * (slope[0] + slope[1] - 2 * rise))
        )
    exact = np.abs(wanted - x[left]) < 1e-9
    known = np.take_along_axis(finite, left, axis=1) & (exact | np.take_along_axis(finite, left + 1, axis=1))
    last = (np.abs(wanted - x[-1]) < 1e-9) & finite[:, -1:]
    return np.where((known & (wanted >= x[0]) & (wanted <= x[-1])) | last, moved, np.nan)
