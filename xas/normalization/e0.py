"""E0: the origin of energies on the main rise of an edge, not fooled by pre-edge peaks and white lines.

E0 is where the photoelectron's wavenumber is zero, and the point that ranges refer to. It is a convention and not a
measure of valence; that is :func:`xas.edge_position`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from spectra.dataset import series_dims, signal_name
from xas.points.finite import on_finite_points
from xas.points.noise import estimate_noise
from xas.tables import edge_energy

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "Rise",
    "find_e0",
    "find_rise",
    "first_indices",
    "first_spectra",
    "has_edge",
    "local_slope",
    "measure_e0",
    "rise_ends",
    "series_e0",
]

Array = npt.NDArray[np.float64]

#: Energies in eV from where the edge is expected: the points that scale the spectrum, and those that are looked at.
FAR_BEFORE, BEFORE, AFTER, FAR_AFTER = -150.0, -20.0, 60.0, 100.0
#: From 0.2 to 0.8 an edge rises within that many eV; what takes longer is the slope of a spectrum without an edge.
WIDEST = 25.0
#: Edges of oxides lie about that many eV above the tabulated energy of the atom.
ABOVE_TABLE = 8.0
#: Half width in eV of the local parabola that gives the slope: about the core-hole width of the 3d metals' K edges.
SLOPE_WIDTH = 1.5
#: A pre-edge peak is followed by a fall of at least this part of the edge step.
DIP = 0.1
#: A step smaller than this many standard deviations of the points before the edge is no edge.
LEAST_STEP = 3.0
#: So many spectra of a series are looked at for one with an edge.
MAX_SPECTRA = 64


@dataclass(frozen=True)
class Rise:
    """Main rise of an edge on the grid around it, in units of the edge step."""

    inside: slice  # the grid points looked at
    level: Array  # (..., m) absorption there, 0 before the edge and about 1 behind it
    half: npt.NDArray[np.intp]  # (...) index in it: last point below one half
    present: npt.NDArray[np.bool_]  # (...) whether there is an edge
    step: Array  # (...) the edge step, roughly, in units of the spectrum


def find_rise(energy: Array, mu: Array, near: float) -> Rise:
    """Where the absorption rises for good near the energy ``near``.

    A line through the points before the edge and the mean of those well behind it scale the spectrum. The rise passes
    one half where the spectrum is below one half for the last time; it begins at the bottom of the deepest dip before
    that, if a peak stands before the dip.

    Parameters
    ----------
    energy : (n,) array
        In eV, ascending.
    mu : (..., n) array
        Absorption, all finite.
    near : float
        Expected energy of the edge in eV, to 20 eV.

    Returns
    -------
    Rise
    """
    part, inside = _windows(energy, near)
    within = slice(inside.start - part.start, inside.stop - part.start)
    level, noise, step = _scaled(energy[part] - near, mu[..., part], within)
    m = level.shape[-1]
    half, low = _last(level < 0.5), _last(level < 0.2)
    high = _first((level >= 0.8) & (np.arange(m) > half[..., None]))
    x = energy[inside]
    with np.errstate(invalid="ignore"):
        present = (half >= 0) & (high < m) & (noise < 1 / LEAST_STEP)
    present &= x[np.minimum(high, m - 1)] - x[np.maximum(low, 0)] < WIDEST
    half = np.maximum(half, 0)
    return Rise(inside, level, half, present, step)


def rise_ends(rise: Rise) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """First and last index of the rise: behind the last pre-edge peak, and where 0.9 of the step is reached."""
    level, m = rise.level, rise.level.shape[-1]
    before_half = np.arange(m) <= rise.half[..., None]
    dip = np.where(before_half, np.maximum.accumulate(level, axis=-1) - level, 0.0)
    foot = np.where(dip.max(-1) > DIP, np.argmax(dip, axis=-1), 0)
    return foot, np.minimum(_first((level >= 0.9) & ~before_half), m - 1)


def _first(true: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """Index of the first true value along the last axis; its length if there is none."""
    return np.asarray(np.where(true.any(-1), np.argmax(true, axis=-1), true.shape[-1]))


def _last(true: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """Index of the last true value along the last axis; -1 if there is none."""
    return np.asarray(true.shape[-1] - 1 - _first(true[..., ::-1]))


def _windows(energy: Array, near: float) -> tuple[slice, slice]:
    """Grid points that scale the spectrum, and those among them where the rise is looked for."""
    start, first, last, stop = map(
        int, np.searchsorted(energy - near, [FAR_BEFORE, BEFORE, AFTER, FAR_AFTER])
    )
    first = min(first, energy.size - 4)
    last = max(last, first + 4)
    return slice(min(start, first), max(stop, last)), slice(first, last)


def _scaled(x: Array, mu: Array, inside: slice) -> tuple[Array, Array, Array]:
    """Points ``inside`` between 0 before and 1 behind the edge, roughly, the scatter before it on that scale, the scale.

    Only what is asked for is scaled: normalisation looks for an edge in every spectrum of a series.
    """
    before, behind = slice(0, max(3, int((x < -12).sum()))), slice(int((x <= 25).sum()), x.size)
    if x.size - behind.start < 3:
        behind = slice(x.size - max(3, x.size // 10), x.size)
    degree = 1 if np.ptp(x[before]) > 20 else 0
    basis = np.vander(x, degree + 1)
    coefficients = mu[..., before] @ np.linalg.pinv(basis[before]).T
    step = mu[..., behind].mean(-1) - coefficients @ basis[behind].mean(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.where(step > 0, 1 / step, np.nan)
        scatter = np.sqrt(((mu[..., before] - coefficients @ basis[before].T) ** 2).mean(-1)) * scale
        level = (mu[..., inside] - coefficients @ basis[inside].T) * scale[..., None]
    return level, scatter, step


def find_e0(energy: Array, mu: Array, near: float) -> Array:
    """Energy of steepest ascent on the main rise, between grid points: :func:`measure_e0` without its uncertainty.

    Parameters
    ----------
    energy : (n,) array
        In eV, ascending.
    mu : (..., n) array
        Absorption; points that are not finite are left out.
    near : float
        Expected energy of the edge in eV, to 20 eV.

    Returns
    -------
    (...) array
        In eV; NaN where no edge was found.
    """
    # the noise costs more than E0 itself and is not asked for here
    return measure_e0(energy, mu, near, np.zeros(np.shape(mu)[:-1]))["e0"]


def measure_e0(energy: Array, mu: Array, near: float, sigma: Array | None = None) -> dict[str, Array]:
    r"""Energy of steepest ascent on the main rise, between grid points, and what noise does to it.

    The slope is that of a local parabola (half width 1.5 eV, at least two points to each side); its maximum is sought
    behind the last pre-edge peak and below 0.9 of the step, and refined by a parabola through three points. To first
    order that is a linear function of the spectrum, :math:`\delta E_0 = \sum_i c_i\,\delta\mu_i`, so that
    :math:`\sigma^2 = \sum_i c_i^2 \sigma_i^2`. Where noise makes another maximum of the slope, from about 2 % of the
    step, E0 jumps by more than that.

    Parameters
    ----------
    energy : (n,) array
        In eV, ascending.
    mu : (..., n) array
        Absorption; points that are not finite are left out.
    near : float
        Expected energy of the edge in eV, to 20 eV.
    sigma : (...) or (..., n) array, optional
        Standard deviation of the noise of ``mu``, per spectrum or per point. Default: estimated from each spectrum.

    Returns
    -------
    dict of (...) arrays
        ``e0`` and ``e0_sigma`` in eV; NaN where no edge was found.
    """

    def prepare(grid: Array) -> Callable[..., dict[str, Array]]:
        x = grid[_windows(grid, near)[1]]
        slopes = local_slope(x, SLOPE_WIDTH)

        def kernel(rows: Array, known: Array | None = None) -> dict[str, Array]:
            rise = find_rise(grid, rows, near)
            foot, top = rise_ends(rise)
            slope, index = rise.level @ slopes.T, np.arange(x.size)
            allowed = (index >= foot[:, None]) & (index <= top[:, None]) & np.isfinite(slope)
            peak = np.argmax(np.where(allowed, slope, -np.inf), axis=-1)
            e0, middle, weights = _vertex(x, slope, peak)
            # a rise that still gains where the scan ends is no edge yet
            behind = np.argmax(np.where(index >= peak[:, None], slope, -np.inf), axis=-1)
            found = rise.present & (rise.inside.start + behind < grid.size - 2)
            by_point = np.einsum("rk,rkm->rm", weights, slopes[middle[:, None] + [-1, 0, 1]])
            noise = estimate_noise(grid, rows) if known is None else known
            noise = noise[:, None] if noise.ndim == 1 else noise[:, rise.inside]
            with np.errstate(divide="ignore", invalid="ignore"):
                spread = np.sqrt(((by_point * noise) ** 2).sum(1)) / rise.step
            return {"e0": np.where(found, e0, np.nan), "e0_sigma": np.where(found, spread, np.nan)}

        return kernel

    others = [] if sigma is None else [sigma]
    return on_finite_points(prepare, energy, mu, *others, shapes={"e0": (), "e0_sigma": ()})


def has_edge(energy: Array, mu: Array, near: float) -> npt.NDArray[np.bool_]:
    """Whether each spectrum has an absorption edge near the energy ``near``; shapes as in :func:`find_e0`."""

    def prepare(grid: Array) -> Callable[[Array], dict[str, Array]]:
        return lambda rows: {"present": find_rise(grid, rows, near).present.astype(float)}

    return np.asarray(on_finite_points(prepare, energy, mu, shapes={"present": ()})["present"] == 1.0)


def local_slope(x: Array, half_width: float) -> Array:
    """Matrix that turns values on the grid ``x`` into the slopes of parabolas fitted around each point.

    Points within ``half_width`` take part (at least two to each side, where the grid has them), with Epanechnikov
    weights; x (n,) gives (n, n).
    """
    n = x.size
    last = np.searchsorted(x, x + half_width, side="right") - 1
    most = max(4, int((last - np.arange(n)).max()))  # at the ends of the grid all neighbours lie to one side
    offsets = np.arange(-most, most + 1)
    index = np.arange(n)[:, None] + offsets
    exists = (index >= 0) & (index < n)
    index = np.clip(index, 0, n - 1)
    distance = np.where(exists, x[index] - x[:, None], np.inf)
    fifth = np.sort(np.abs(distance), axis=1)[:, min(4, n - 1)]
    reach = np.maximum(half_width, 1.01 * fifth)[:, None]
    u = np.where(exists, distance / reach, 2.0)
    weight = np.clip(1 - u**2, 0, None)
    powers = u[..., None] ** np.arange(3)
    normal = np.einsum("ij,ija,ijb->iab", weight, powers, powers)
    hats = np.linalg.solve(normal, np.moveaxis(weight[..., None] * powers, 2, 1))[:, 1, :] / reach
    matrix = np.zeros((n, n))
    np.add.at(matrix, (np.arange(n)[:, None], index), np.where(exists, hats, 0))
    return matrix


def _vertex(x: Array, y: Array, peak: npt.NDArray[np.intp]) -> tuple[Array, npt.NDArray[np.intp], Array]:
    """Vertex of the parabola through ``peak`` and the points beside it; at the ends of the grid the point itself.

    With it come the index of the parabola's middle point, and the derivative of the vertex with respect to the three
    ordinates, (rows, 3), NaN where there is no vertex.
    """
    middle = np.clip(peak, 1, x.size - 2)
    left, here, right = (np.take_along_axis(y, (middle + i)[:, None], axis=-1)[:, 0] for i in (-1, 0, 1))
    a, b = x[middle] - x[middle - 1], x[middle + 1] - x[middle]
    rise, fall = (here - left) / a, (here - right) / b
    bend = rise + fall
    with np.errstate(divide="ignore", invalid="ignore"):
        shift = 0.5 * (rise * b - fall * a) / bend
        # d shift = (d rise · fall - d fall · rise) (a + b) / (2 bend²)
        by_rise, by_fall = 0.5 * fall * (a + b) / bend**2, -0.5 * rise * (a + b) / bend**2
        # noise in a curvature over three neighbours would make sigma too small as often as too large
        steadier = bend / (_curvature(x, y, middle) * (a + b) / 2)
    weights = np.stack([-by_rise / a, by_rise / a + by_fall / b, -by_fall / b], axis=1) * steadier[:, None]
    inner = (peak == middle) & (bend > 0)
    known = inner & (steadier > 0)
    position = np.where(inner, x[middle] + np.clip(shift, -a, b), x[peak])
    return position, middle, np.where(known[:, None], weights, np.nan)


def series_e0(dataset: xr.Dataset) -> tuple[float | None, float, str]:
    """Common E0 of a series, to 0.1 eV, where it was looked for, and why there; None if no spectrum has an edge.

    That of the first spectrum that has an edge, so that no bad spectrum later in the series moves it. It is rounded
    because it is an origin and not a measurement: 0.1 eV can be typed into another program.
    """
    energy = dataset["energy"].values.astype(float)
    near, why = np.nan, ""
    for spectrum in first_spectra(dataset[signal_name(dataset)], series_dims(dataset)):
        near, why = _expected(dataset, energy, spectrum)
        found = float(find_e0(energy, spectrum, near))
        if np.isfinite(found):
            return round(found, 1), near, why
    return None, near, why


def _curvature(x: Array, y: Array, middle: npt.NDArray[np.intp]) -> Array:
    """Downward curvature at ``middle`` from points about a third of SLOPE_WIDTH away."""
    left = np.clip(np.searchsorted(x, x[middle] - SLOPE_WIDTH / 3), 0, middle - 1)
    right = np.clip(np.searchsorted(x, x[middle] + SLOPE_WIDTH / 3, side="right") - 1, middle + 1, x.size - 1)
    below, here, above = (np.take_along_axis(y, i[:, None], axis=-1)[:, 0] for i in (left, middle, right))
    a, b = x[middle] - x[left], x[right] - x[middle]
    return np.asarray(((here - below) / a + (here - above) / b) * 2 / (a + b))


def first_spectra(signal: xr.DataArray, dims: tuple[str, ...]) -> Iterator[Array]:
    """The first spectrum of a series, then others evenly spaced over it, one by one as they are asked for."""
    for index in first_indices(signal, dims):
        yield np.asarray(signal.isel(index).values, float)


def first_indices(signal: xr.DataArray, dims: tuple[str, ...]) -> Iterator[dict[str, int]]:
    """Places in the series, one after another, of a few spectra to look at."""
    sizes = tuple(signal.sizes[d] for d in dims)
    count = int(np.prod(sizes))
    for number in np.unique(np.linspace(0, count - 1, min(count, MAX_SPECTRA)).astype(int)):
        places = np.unravel_index(number, sizes) if dims else ()
        yield dict(zip(dims, map(int, places), strict=True))


def _expected(dataset: xr.Dataset, energy: Array, spectrum: Array) -> tuple[float, str]:
    """Where to look for the edge: at the tabulated energy, or where the absorption steps up most."""
    element, edge = dataset.attrs.get("element"), dataset.attrs.get("edge")
    tabulated = edge_energy(element, edge)
    if tabulated is not None and energy[0] < tabulated + AFTER and energy[-1] > tabulated + BEFORE:
        return tabulated, f"near the tabulated {element} {edge} edge at {tabulated:g} eV"
    guess = _largest_step(energy, spectrum) - ABOVE_TABLE
    return guess, "at the largest step, as element and edge are not named"


def _largest_step(energy: Array, spectrum: Array, reach: float = 25.0) -> float:
    """Energy around which the mean absorption of ``reach`` eV above exceeds most that of ``reach`` eV below."""
    known = np.isfinite(spectrum)
    if known.sum() < 2:
        return float(energy.mean())
    mu = np.interp(energy, energy[known], spectrum[known])
    area = np.concatenate([[0.0], np.cumsum(np.diff(energy) * (mu[1:] + mu[:-1]) / 2)])
    reach = min(reach, float(np.ptp(energy)) / 4)
    low, high = (np.interp(energy + d, energy, area) for d in (-reach, reach))
    whole = (energy - energy[0] >= reach) & (energy[-1] - energy >= reach)
    return float(energy[np.argmax(np.where(whole, high - 2 * area + low, -np.inf))])
