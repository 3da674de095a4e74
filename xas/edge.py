"""Position of the edge: measures of valence on the normalised absorption, each between grid points and with a sigma."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag, map_spectra, signal_name
from spectra.errors import InvalidInput
from spectra.verbs import note, resolve, verb
from xas.e0 import series_e0
from xas.finite import on_finite_points
from xas.noise import estimate_noise

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["edge_position", "half_step", "integral_edge"]

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.intp]

#: Where the edge is looked for, in eV from E0, and how far behind its half height the white line may lie.
BEFORE, AFTER, TO_WHITE_LINE = -30.0, 60.0, 30.0
#: A level's crossing is read off a cubic that reaches so far to each side as the curve rises by 16 standard deviations
#: of the noise, but by no more than 0.2 steps: it passes through four points where the noise is small and smoothes more
#: where it is large, without bending with the edge. What moves by more than 3 eV from the first guess is not believed.
SIGMAS, OF_RISE, WIDEST = 16.0, 0.2, 3.0
NEIGHBOURS = 16  # points to each side


def half_step(x: Array, y: Array, sigma: Array, level: float = 0.5) -> tuple[Array, Array]:
    r"""Last energy before the white line at which the normalised absorption passes ``level``.

    Read off the cubic through the four points around the crossing or, where the noise reaches further, fitted to the
    points within 16 sigma / slope of it (at most 0.2 / slope, Epanechnikov weights). The crossings of pre-edge peaks
    do not count: they come earlier.

    Parameters
    ----------
    x : (n,) array
        Energy in eV around the edge.
    y : (rows, n) array
        Normalised, flattened absorption, all finite.
    sigma : (rows,) array
        Standard deviation of its noise.
    level : float

    Returns
    -------
    position : (rows,) array
        In eV; NaN where the level is not passed.
    sensitivity : (rows, n) array
        Derivative of the position with respect to each point, in eV.
    """
    sigma = np.nan_to_num(sigma)  # not known: two points to each side
    coarse = _smoothed(x, y, sigma)
    before = _last_below(coarse, level, _white_line(x, coarse))
    start = np.where(before >= 0, _linear(x, coarse, before, level), x[0])
    index = np.clip(before, 0, None)[:, None] + np.arange(1 - NEIGHBOURS, NEIGHBOURS + 1)
    exists = (index >= 0) & (index < x.size)
    index = np.clip(index, 0, x.size - 1)
    near, values = x[index], np.take_along_axis(y, index, axis=1)
    position, reach, by_point = start, np.full(len(y), 1.0), np.zeros_like(near)
    for _ in range(5):  # the first cubic reaches one eV and gives the slope to compare the noise with
        reach = np.maximum(reach, _reach_of_four(near, position))
        value, slope, by_point = _local_cubic(near, values, exists, position, reach)
        moved = np.where(slope > 0, (level - value) / np.where(slope > 0, slope, 1), np.nan)
        good = np.abs(position + moved - start) < WIDEST
        position = np.where(good, position + moved, start)
        reach = np.where(good, np.minimum(SIGMAS * sigma, OF_RISE) / np.where(good, slope, 1), 0)
    sensitivity = np.zeros_like(y)
    np.add.at(sensitivity, (np.arange(len(y))[:, None], index), by_point)
    return np.where(before >= 0, position, np.nan), sensitivity


def _reach_of_four(x: Array, center: Array) -> Array:
    """Distance from ``center`` within which two points lie to each side, the outer one just so."""
    i = np.clip((x <= center[:, None]).sum(1) - 1, 1, x.shape[1] - 3)
    left, right = (np.take_along_axis(x, (i + d)[:, None], axis=1)[:, 0] for d in (-1, 2))
    return np.asarray(1.01 * np.maximum(center - left, right - center))


def _local_cubic(
    x: Array, y: Array, exists: npt.NDArray[np.bool_], center: Array, reach: Array
) -> tuple[Array, Array, Array]:
    """Value and slope at ``center`` of the cubic through the points within ``reach``, and -value by point over slope."""
    u = (x - center[:, None]) / reach[:, None]
    weight = np.where(exists, np.clip(1 - u**2, 0, None), 0)
    powers = np.empty((len(u), 7, u.shape[1]))
    powers[:, 0] = 1
    for degree in range(1, 7):
        np.multiply(powers[:, degree - 1], u, out=powers[:, degree])
    moments = (powers @ weight[..., None])[..., 0]
    normal = moments[:, np.arange(4)[:, None] + np.arange(4)]
    normal += 1e-13 * np.eye(4)  # fewer than four points at the end of the data
    hats = np.linalg.solve(normal, powers[:, :4] * weight[:, None, :])
    value, slope = (hats[:, :2] @ y[..., None])[..., 0].T
    slope = slope / reach
    with np.errstate(divide="ignore", invalid="ignore"):
        return value, slope, -hats[:, 0] / slope[:, None]


def _smoothed(x: Array, y: Array, sigma: Array) -> Array:
    """Curve to look for crossings on: where the noise exceeds one percent of the step, a running mean over 3 eV."""
    noisy = sigma > 0.01
    if not noisy.any():
        return y
    weight = np.clip(1 - ((x - x[:, None]) / 1.5) ** 2, 0, None)
    smooth = y[noisy] @ (weight / weight.sum(1, keepdims=True)).T
    result = y.copy()
    result[noisy] = smooth
    return result


def integral_edge(
    x: Array, y: Array, sigma: Array, levels: tuple[float, float] = (0.15, 1.0)
) -> tuple[Array, Array]:
    r"""Mean energy of the rise between two levels.

    .. math:: E = \frac{1}{\mu_2 - \mu_1} \int_{\mu_1}^{\mu_2} E \, d\mu
                = E_2 - \frac{1}{\mu_2 - \mu_1} \int_{E_1}^{E_2} (\mu - \mu_1)\, dE

    from the last energy :math:`E_1` before the white line at :math:`\mu_1` to the first after it at :math:`\mu_2`. The
    right-hand form needs no single-valued E(μ), is linear in the points, so that noise averages out, and does not
    depend to first order on where the two ends were found. For a rise without a dip it is the left-hand one.

    Parameters
    ----------
    x : (n,) array
        Energy in eV around the edge.
    y : (rows, n) array
        Normalised, flattened absorption, all finite.
    sigma : (rows,) array
        Standard deviation of its noise.
    levels : (float, float)

    Returns
    -------
    position : (rows,) array
        In eV; NaN where a level is not passed.
    sensitivity : (rows, n) array
        Derivative of the position with respect to each point, in eV.
    """
    low, high = levels
    coarse, index = _smoothed(x, y, sigma), np.arange(x.size)
    white_line = _white_line(x, coarse)
    start = _last_below(coarse, low, white_line)
    reached = (coarse >= high) & (index > start[:, None]) & (index <= white_line[:, None])
    stop = np.where(reached.any(1), np.argmax(reached, axis=1), -1)
    found = (start >= 0) & (stop > 0)
    first, last = _linear(x, coarse, start, low), _linear(x, coarse, stop - 1, high)
    inside = found[:, None] & (index > start[:, None]) & (index < stop[:, None])
    # trapezoid on the points inside and the two ends, where the integrand is 0 and high - low
    left = np.where(index - 1 == start[:, None], first[:, None], np.roll(x, 1))
    right = np.where(index + 1 == stop[:, None], last[:, None], np.roll(x, -1))
    weights = np.where(inside, (right - left) / 2, 0.0)
    before_last = np.maximum(first, x[np.clip(stop - 1, 0, None)])
    area = (weights * (y - low)).sum(1) + (high - low) * (last - before_last) / 2
    return np.where(found, last - area / (high - low), np.nan), -weights / (high - low)


def _white_line(x: Array, y: Array) -> Index:
    """Index of the highest point within 30 eV behind the last passage of one half."""
    half = _last_below(y, 0.5, np.full(len(y), x.size - 1))
    start = x[np.clip(half, 0, None)][:, None]
    behind = (x > start) & (x <= start + TO_WHITE_LINE)
    return np.asarray(np.argmax(np.where(behind, y, -np.inf), axis=1))


def _last_below(y: Array, level: float, end: Index) -> Index:
    """Index of the last point below ``level`` up to ``end``; -1 if there is none or the level is not reached there."""
    n = y.shape[1]
    below = (y < level) & (np.arange(n) < end[:, None])
    last = n - 1 - np.argmax(below[:, ::-1], axis=1)
    passed = below.any(1) & (np.take_along_axis(y, end[:, None], axis=1)[:, 0] >= level)
    return np.asarray(np.where(passed, last, -1))


def _linear(x: Array, y: Array, i: Index, level: float) -> Array:
    """Where the straight line from point ``i`` to the next passes ``level``."""
    i = np.clip(i, 0, x.size - 2)
    low, high = (np.take_along_axis(y, (i + d)[:, None], axis=1)[:, 0] for d in (0, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(x[i] + (level - low) / (high - low) * (x[i + 1] - x[i]))


@verb("xas.edge_position", axis="energy")
def edge_position(
    dataset: xr.Dataset,
    *,
    method: Literal["half_step", "integral"] = "half_step",
    level: float = 0.5,
    levels: tuple[float, float] = (0.15, 1.0),
    name: str = "edge_position",
) -> xr.Dataset:
    """Measure the position of the absorption edge, which follows the valence within one family of compounds.

    "half_step" is where the flattened absorption passes ``level`` for the last time before the white line, so that
    pre-edge peaks do not count; "integral" is the mean energy of the rise between two ``levels``.

    Parameters
    ----------
    dataset : xarray.Dataset
        With ``flat`` from :func:`xas.normalize`, or normalised data (``attrs["normalized"] == "yes"``).
    method : {"half_step", "integral"}
        The measure.
    level : float
        Level of "half_step", in edge steps.
    levels : (float, float)
        Levels of "integral", in edge steps.
    name : str
        Name of the variable, to keep several measures side by side.

    Returns
    -------
    xarray.Dataset
        With ``edge_position`` (or ``name``) and its ``_sigma`` in eV per spectrum. Spectra that do not pass a level
        are flagged ``no_edge_position`` and hold NaN.

    Raises
    ------
    InvalidInput
        If the data are not normalised, a level cannot be one, or ``name`` is taken.

    Notes
    -----
    The sigma propagates the noise of the points (``mu_sigma``, or estimated from each spectrum) and, where
    :func:`xas.normalize` was run, what noise does to pre-edge line and edge step. It does not hold the choice of the
    normalisation ranges, which moves edges by tenths of an eV and more on short scans, nor the calibration of the
    energy: compare spectra that were treated alike. Half step and derivative maximum differ by 1 to 3 eV.

    References
    ----------
    H. Dau, P. Liebisch & M. Haumann, Anal. Bioanal. Chem. 376, 562 (2003), doi:10.1007/s00216-003-1982-2, for the
    integral measure.

    Examples
    --------
    >>> import numpy as np, spectra, xas
    >>> energy = np.arange(6400.0, 6900.0, 0.5)
    >>> shift = np.array([[0.0], [1.2]])
    >>> mu = 0.3 + 0.8 / (1 + np.exp(-(energy - 6548 - shift) / 1.5))
    >>> scans = spectra.from_arrays(energy, mu, name="mu", dims=("scan",), attrs={"element": "Mn", "edge": "K"})
    >>> scans = xas.edge_position(xas.normalize(scans, pre=(-120, -30), post=(50, 340)))
    >>> scans.edge_position.values.round(1).tolist()
    [6548.0, 6549.2]
    """
    _check_options(dataset, level, levels, name)
    flat, inputs, uncertainties = _normalized(dataset)
    energy = dataset["energy"].values.astype(float)
    low, high = _search_range(dataset)
    part = slice(*map(int, np.searchsorted(energy, [low, high])))
    if part.stop - part.start < 8:
        raise InvalidInput(
            f"xas.edge_position finds {part.stop - part.start} points between {low:g} and {high:g} eV, where the edge is "
            "looked for; at least 8 are needed. Check e0, the element and the energy axis."
        )

    def prepare(grid: Array) -> Callable[..., dict[str, Array]]:
        near = slice(*map(int, np.searchsorted(grid, [low, high])))

        def kernel(y: Array, own: Array, shared: Array) -> dict[str, Array]:
            x, y, own, shared = grid[near], y[:, near], own[:, near], shared[:, near]
            noise = np.median(own, axis=1)
            if method == "half_step":
                position, by_point = half_step(x, y, noise, level)
            else:
                position, by_point = integral_edge(x, y, noise, levels)
            own, shared = (np.where(by_point != 0, part, 0) for part in (own, shared))
            variance = ((by_point * own) ** 2).sum(1) + (by_point * shared).sum(1) ** 2
            sigma = np.where(np.isfinite(position), np.sqrt(variance), np.nan)
            return {"position": position, "sigma": sigma}

        return kernel

    shapes: dict[str, tuple[int, ...] | None] = {"position": (), "sigma": ()}

    def kernel(y: Array, *parts: Array) -> dict[str, Array]:
        own, shared = uncertainties(energy, y, *parts)
        return on_finite_points(prepare, energy, y, own, shared, shapes=shapes)

    made = map_spectra(kernel, [(flat, ("energy",)), *inputs], dict.fromkeys(shapes, ()))
    definition = f"last passage of {level:g} before the white line"
    if method == "integral":
        definition = f"mean energy between the levels {levels[0]:g} and {levels[1]:g}"
    texts = {"units": "eV", "long_name": "edge position", "definition": definition}
    of_noise = {"units": "eV", "long_name": "standard uncertainty of the edge position from noise"}
    position, sigma = made["position"].assign_attrs(texts), made["sigma"].assign_attrs(of_noise)
    result = dataset.assign({name: position, f"{name}_sigma": sigma})
    return flag(
        result, position.isnull(), "no_edge_position",
        "the absorption does not pass the level before its white line, or the spectrum failed before: check "
        "the normalisation or choose another level",
    )  # fmt: skip


def _check_options(dataset: xr.Dataset, level: float, levels: tuple[float, float], name: str) -> None:
    if not 0 < level < 5:
        raise InvalidInput(
            f"level is in edge steps and lies between 0 and the white line's height, got {level:g}."
        )
    if not 0 <= levels[0] < levels[1] < 5:
        raise InvalidInput(
            f"levels are two ascending numbers in edge steps, as in (0.15, 1.0), got ({levels[0]:g}, {levels[1]:g})."
        )
    if not name.isidentifier() or name.endswith("_sigma"):
        raise InvalidInput(f"name is a variable's name, as in 'integral_edge', got {name!r}.")
    if name in dataset.variables and "definition" not in dataset[name].attrs:
        raise InvalidInput(f"name = {name!r} is a variable of this dataset already; choose another one.")


Noise = Callable[..., tuple[Array, Array]]


def _normalized(dataset: xr.Dataset) -> tuple[xr.DataArray, list[Any], Noise]:
    """Normalised absorption, what its noise is computed from, and the function that computes it.

    The function gives, for each point, the part of the uncertainty that is the point's own and the part that it shares
    with all others, through pre-edge line and edge step.
    """
    signal = dataset[signal_name(dataset)]
    sigma = dataset.get(f"{signal.name}_sigma")
    if "flat" in dataset:
        inputs: list[Any] = [(dataset["edge_step"], ()), (dataset["norm_sigma"], ("energy",))]
        inputs += [(signal if sigma is None else sigma, ("energy",))]

        def of_normalized(
            energy: Array, y: Array, step: Array, total: Array, third: Array
        ) -> tuple[Array, Array]:
            third = np.broadcast_to(third, y.shape)
            raw = estimate_noise(energy, third)[..., None] if sigma is None else third
            own = np.broadcast_to(raw / np.broadcast_to(step, y.shape[:-1])[..., None], y.shape)
            return own, np.sqrt(np.clip(total**2 - own**2, 0, None))

        return dataset["flat"], inputs, of_normalized
    if dataset.attrs.get("normalized") != "yes":
        raise InvalidInput(
            "xas.edge_position needs the variable 'flat', which xas.normalize adds: call it first, or set "
            "dataset.attrs['normalized'] = 'yes' if the data came normalised."
        )

    def of_given(energy: Array, y: Array, *given: Array) -> tuple[Array, Array]:
        own = given[0] if given else estimate_noise(energy, y)[..., None]
        return np.broadcast_to(own, y.shape), np.zeros(y.shape)

    return signal, [] if sigma is None else [(sigma, ("energy",))], of_given


def _search_range(dataset: xr.Dataset) -> tuple[float, float]:
    """Energies between which edge and white line are looked for."""
    if "e0" in dataset:
        origins = dataset["e0"].values
        origins = origins[np.isfinite(origins)]
    else:
        found, near, why = series_e0(dataset)
        note(f"the edge was looked for {why}")
        origins = np.array([near if found is None else found])
    if not origins.size:
        raise InvalidInput(
            "xas.edge_position: no spectrum has an E0; look at the flags that xas.normalize set."
        )
    low, high = float(origins.min()) + BEFORE, float(origins.max()) + AFTER
    resolve(searched=(low, high))
    return low, high
