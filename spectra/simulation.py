"""Spectra whose truth is known: to try an analysis, to test one, to show one without measured data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.errors import InvalidInput, did_you_mean

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["simulate"]

Array = npt.NDArray[np.float64]
#: Parameters that a curve is proportional to; all others say where and how wide it is.
_PROPORTIONAL = {"area", "amplitude", "height", *(f"c{k}" for k in range(8))}

Background = float | npt.ArrayLike | Callable[[Array, Array], npt.ArrayLike]


def simulate(
    x: npt.ArrayLike,
    components: Mapping[str, Mapping[str, Any]],
    *,
    background: Background = 0.0,
    counts: float | None = None,
    noise: float = 0.0,
    n: int | None = None,
    rng: int | np.random.Generator | None = None,
    axis: str = "energy",
    name: str = "intensity",
    units: str = "",
    dim: str = "scan",
    coords: Mapping[str, Any] | None = None,
    attrs: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    r"""Simulate one spectrum or a series from line shapes, a background and noise, and keep the truth beside it.

    .. math:: y_i(x) \sim \mathrm{Poisson}\big(s\,[b_i(x) + \sum_c f_c(x; p_{ic})]\big)

    Parameters
    ----------
    x : (m,) array
        Spectral axis.
    components : mapping
        Name of each component → its ``shape`` (``spectra list shapes``) and that shape's parameters, each a number
        or one number per spectrum: ``{"Mn3+": {"shape": "voigt", "position": 641.2, "area": [900, 700]}}``.
        Parameters that are not given have the shape's start values.
    background : float, array or callable
        Everything that is not a component: a number, an array that broadcasts with (n, m), or a function
        ``(x, peaks) -> array`` of the axis and the noise-free sum of all components.
    counts : float, optional
        Expected counts at the highest point of the series: everything is scaled to it and drawn from a Poisson
        distribution. Default: no counting noise.
    noise : float
        Standard deviation of additional Gaussian noise, in the units of the result.
    n : int, optional
        Number of spectra. Default: as many as the longest parameter has numbers; a single spectrum if none has more
        than one.
    rng : int or numpy.random.Generator, optional
        Seed or generator: the same one gives the same spectra.
    axis, name, units : str
        Spectral axis, measured quantity and its units, as in :func:`spectra.from_arrays`.
    dim : str
        Name of the series' dimension.
    coords, attrs : mapping, optional
        As in :func:`spectra.from_arrays`; ``attrs["simulated_from"]`` may say where the numbers come from.

    Returns
    -------
    xarray.Dataset
        The spectra (``<name>_sigma``: what a measurement would state), labelled ``attrs["simulated"] = "yes"``, and
        the truth: ``true_curve``, ``true_background``, ``true_component_curve`` and each parameter as
        ``true_<parameter>`` per ``component``.

    Raises
    ------
    InvalidInput
        For an unknown shape or parameter, lengths that do not fit, or expected counts below zero.

    Examples
    --------
    >>> import numpy as np, spectra
    >>> line = {"line": {"shape": "gaussian", "position": [500, 510], "area": 4.0, "fwhm": 8.0}}
    >>> data = spectra.simulate(np.linspace(450, 550, 201), line, counts=1000, rng=1, axis="raman_shift")
    >>> data["true_position"].values.ravel()
    array([500., 510.])
    """
    import xarray as xr

    from spectra.dataset import from_arrays

    grid = np.sort(np.asarray(x, float))
    known = {label: _parameters(label, given) for label, given in components.items()}
    size = _series_length(known, n)
    curves = np.stack([_curve(grid, components[c]["shape"], known[c], size) for c in known], axis=1)
    peaks = curves.sum(axis=1)
    floor = np.broadcast_to(_background(background, grid, peaks), peaks.shape)
    expected = peaks + floor
    scale = 1.0 if counts is None else _scale(expected, counts)
    values, sigma = _measured(scale * expected, counted=counts is not None, noise=noise, rng=rng)
    single = size is None
    dims = () if single else (dim,)
    result = from_arrays(
        grid,
        values[0] if single else values,
        axis=axis,
        name=name,
        units=units,
        sigma=None if sigma is None else sigma[0] if single else sigma,
        dims=dims,
        coords=coords,
        attrs={**(attrs or {}), "simulated": "yes"},
    )

    def truth(array: Array, *own: str) -> xr.Variable:
        return xr.Variable((*dims, *own), (array[0] if single else array), {"units": units})

    return result.assign_coords(component=list(known)).assign(
        true_curve=truth(scale * expected, axis),
        true_background=truth(scale * floor, axis),
        true_component_curve=truth(scale * curves, "component", axis),
        **_true_parameters(known, len(values), scale, dims, units),
    )


def _parameters(label: str, given: Mapping[str, Any]) -> dict[str, Array]:
    """Every parameter of a component's shape as an array: of one number, or of one per spectrum."""
    from spectra.fitting.shapes import shape

    if "shape" not in given:
        raise InvalidInput(f'component {label!r} needs "shape", the name of a line shape, e.g. "voigt".')
    found = shape(given["shape"])
    for key in given:
        if key != "shape" and key not in found.names:
            raise InvalidInput(
                f"component {label!r}: {found.name} has no parameter {key!r}; {did_you_mean(key, found.names)}."
            )
    values = {p.name: np.atleast_1d(np.asarray(given.get(p.name, p.value), float)) for p in found.parameters}
    for key, value in values.items():
        if value.ndim != 1 or not np.isfinite(value).all():
            raise InvalidInput(
                f"component {label!r}: {key} must be finite, one number or one per spectrum, got {given[key]!r}."
            )
    return values


def _series_length(known: Mapping[str, Mapping[str, Array]], n: int | None) -> int | None:
    if not known:
        raise InvalidInput("simulate needs at least one component, got none.")
    lengths = {value.size for values in known.values() for value in values.values()} - {1}
    if n is not None and n < 1:
        raise InvalidInput(f"n must be at least 1, got {n}.")
    if len(lengths | ({n} if n is not None else set())) > 1:
        wanted = f" and n = {n}" if n is not None else ""
        listed = ", ".join(map(str, sorted(lengths)))
        raise InvalidInput(
            f"parameters are given for {listed} spectra{wanted}: use one number of spectra, or a single value."
        )
    return n if n is not None else next(iter(lengths), None)


def _curve(grid: Array, shape_name: str, values: Mapping[str, Array], size: int | None) -> Array:
    from spectra.fitting.shapes import shape

    columns = {key: np.broadcast_to(value, (size or 1,))[:, None] for key, value in values.items()}
    return np.broadcast_to(shape(shape_name).function(grid, **columns), (size or 1, grid.size))


def _background(background: Background, grid: Array, peaks: Array) -> Array:
    values = np.asarray(background(grid, peaks) if callable(background) else background, float)
    try:
        np.broadcast_to(values, peaks.shape)
    except ValueError:
        raise InvalidInput(
            f"background has shape {values.shape}, which does not fit {peaks.shape[0]} spectra of {peaks.shape[1]} points."
        ) from None
    return values


def _scale(expected: Array, counts: float) -> float:
    if not (np.isfinite(expected).all() and (expected >= 0).all() and expected.max() > 0 and counts > 0):
        raise InvalidInput(
            "expected counts must be finite, none negative and not all zero: raise the background, or give a positive "
            f"counts (got {counts:g})."
        )
    return float(counts / expected.max())


def _measured(
    expected: Array, *, counted: bool, noise: float, rng: int | np.random.Generator | None
) -> tuple[Array, Array | None]:
    """Values with noise and the standard uncertainty that who measured them would state."""
    if noise < 0:
        raise InvalidInput(f"noise must be 0 or more, got {noise}.")
    random = np.random.default_rng(rng)
    values = random.poisson(expected).astype(float) if counted else expected
    variance = np.maximum(values, 1.0) if counted else np.zeros_like(expected)
    if noise:
        values = values + random.normal(0.0, noise, expected.shape)
    variance = variance + noise**2
    return values, np.sqrt(variance) if counted or noise else None


def _true_parameters(
    known: Mapping[str, Mapping[str, Array]], size: int, scale: float, dims: tuple[str, ...], units: str
) -> dict[str, Any]:
    """``true_<parameter>`` of every component; NaN where its shape has none of that name."""
    names = dict.fromkeys(name for values in known.values() for name in values)
    found = {}
    for name in names:
        factor = scale if name in _PROPORTIONAL else 1.0
        table = np.full((size, len(known)), np.nan)
        for j, values in enumerate(known.values()):
            if name in values:
                table[:, j] = factor * values[name]
        found[f"true_{name}"] = ((*dims, "component"), table if dims else table[0], {"units": ""})
    return found
