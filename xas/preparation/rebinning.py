"""Fewer points where fewer are needed: a grid that follows the edge, and the mean of the spectrum in each of its bins."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag, map_spectra, signal_name
from spectra.errors import InvalidInput
from spectra.verbs import note, resolve, series_value, verb
from xas.normalization.e0 import series_e0
from xas.points.finite import on_finite_points
from xas.points.noise import estimate_noise
from xas.points.wavenumber import INVERSE_KINETIC, wavenumber

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["bin_limits", "bin_means", "neighbour_correlation", "rebin"]

Array = npt.NDArray[np.float64]


def bin_limits(
    energy: Array,
    e0: float,
    *,
    pre_step: float = 5.0,
    xanes: tuple[float, float] = (-20.0, 30.0),
    xanes_step: float = 0.25,
    k_step: float = 0.05,
) -> Array:
    """Limits of bins that tile the range of ``energy``: even below and across the edge, even in k behind it.

    A bin without a point of ``energy`` is joined to the one below it, so the grid is nowhere finer than the data.

    Parameters
    ----------
    energy : (n,) array
        In eV, ascending.
    e0 : float
        In eV.
    pre_step, xanes_step : float
        Widths in eV.
    xanes : (float, float)
        Where the narrow bins are, in eV from ``e0``.
    k_step : float
        Width in 1/Å behind them.

    Returns
    -------
    (m + 1,) array
        The first and the last are those of ``energy``.
    """
    low, high = float(energy[0]), float(energy[-1])
    start, stop = (min(max(e0 + x, low), high) for x in xanes)
    below = start - pre_step * np.arange(int((start - low) / pre_step), 0, -1)
    across = np.linspace(start, stop, max(round((stop - start) / xanes_step), 1) + 1)
    k_stop, k_high = wavenumber(np.array([stop, high]), e0)
    behind = k_stop + k_step * np.arange(1, max(int((k_high - k_stop) / k_step), 0) + 1)
    limits = np.concatenate([[low], below, across, e0 + behind**2 / INVERSE_KINETIC, [high]])
    limits = np.unique(limits[(limits >= low) & (limits <= high)])
    wide = np.append(True, np.diff(limits) > 1e-6 * (high - low) / energy.size)
    limits = limits[wide]
    limits[-1] = high
    # the last point belongs to the last bin
    held = np.histogram(energy, limits)[0] > 0
    kept = np.append(limits[:-1][held], high)
    kept[0] = low
    return np.asarray(kept)


def bin_means(energy: Array, values: Array, limits: Array, *, quadrature: bool = False) -> Array:
    r"""Mean of each spectrum in each bin, its points being joined by straight lines.

    .. math:: \bar\mu_b = \frac{1}{E_{b+1} - E_b} \int_{E_b}^{E_{b+1}} \mu(E)\,dE

    so that the sum of means times widths is the area under the spectrum, exactly.

    Parameters
    ----------
    energy : (n,) array
        In eV, ascending.
    values : (..., n) array
        Points that are not finite are left out; a bin with none left is NaN.
    limits : (m + 1,) array
        From :func:`bin_limits`.
    quadrature : bool
        The values are standard deviations of independent points; what comes back are those of the means.

    Returns
    -------
    (..., m) array
    """

    def prepare(grid: Array) -> Callable[[Array], dict[str, Array]]:
        weights, held = _weights(grid, limits)
        squared = weights.multiply(weights)

        def kernel(rows: Array) -> dict[str, Array]:
            means = np.sqrt((squared @ (rows**2).T).T) if quadrature else (weights @ rows.T).T
            return {"means": np.where(held, means, np.nan)}

        return kernel

    rows = np.asarray(values, float)
    return on_finite_points(prepare, energy, rows, shapes={"means": (limits.size - 1,)}, least=2)["means"]


def neighbour_correlation(energy: Array, limits: Array) -> Array:
    """Correlation (m,) of the noise of each mean with that of the next one, for independent points; the last is zero."""
    weights, _ = _weights(energy, limits)
    variance = np.asarray(weights.multiply(weights).sum(1)).ravel()
    shared = np.asarray(weights[:-1].multiply(weights[1:]).sum(1)).ravel()
    return np.append(shared / np.sqrt(variance[:-1] * variance[1:]), 0.0)


def _weights(grid: Array, limits: Array) -> tuple[Any, npt.NDArray[np.bool_]]:
    """(m, n) weight of each point in each mean, sparse, and which bins hold a point."""
    from scipy.sparse import csr_array

    m, n = limits.size - 1, grid.size
    at = np.clip(limits, grid[0], grid[-1])
    u = np.union1d(grid, at)  # straight pieces, none of which crosses a limit
    left = np.clip(np.searchsorted(grid, u, side="right") - 1, 0, n - 2)
    t = (u - grid[left]) / (grid[left + 1] - grid[left])
    row = np.arange(u.size)
    line = csr_array(
        (np.concatenate([1 - t, t]), (np.concatenate([row, row]), np.concatenate([left, left + 1]))),
        (u.size, n),
    )
    which = np.clip(np.searchsorted(at, (u[1:] + u[:-1]) / 2) - 1, 0, m - 1)
    width = np.diff(at)
    half = np.diff(u) / 2 / width[which]
    piece = row[:-1]
    trapezoid = csr_array(
        (np.concatenate([half, half]), (np.concatenate([which, which]), np.concatenate([piece, piece + 1]))),
        (m, u.size),
    )
    return trapezoid @ line, (np.histogram(grid, limits)[0] > 0) & (width > 0)


@verb("xas.rebin", axis="energy")
def rebin(
    dataset: xr.Dataset,
    *,
    e0: float | None = None,
    pre_step: float = 5.0,
    xanes: tuple[float, float] = (-20.0, 30.0),
    xanes_step: float | None = None,
    k_step: float = 0.05,
) -> xr.Dataset:
    r"""Put spectra on a coarser grid that follows the edge: wide bins before it, narrow ones across it, even ones in k.

    Quick scans hold many more points than an edge and its fine structure have room for. Each new point is the mean of
    the spectrum in its bin, so the area under the spectrum stays what it was and the noise goes down.

    Parameters
    ----------
    dataset : xarray.Dataset
        Absorption along ``energy``. All variables along the energy are binned, ``_sigma`` in quadrature.
    e0 : float, optional
        Energy in eV that the grid refers to. Default: the common E0 of the series.
    pre_step : float
        Width in eV of the bins below ``xanes``.
    xanes : (float, float)
        Where the narrow bins are, in eV from E0.
    xanes_step : float, optional
        Their width in eV. Default: E0/25000 to 0.05 eV, about a fifth of the core-hole width, and not below 0.1.
    k_step : float
        Width in 1/Å of the bins behind ``xanes``.

    Returns
    -------
    xarray.Dataset
        On the new grid, with the uncertainty of the measured quantity, and ``noise_correlation`` along the energy: how
        much of its noise each point shares with the next one. Spectra without a finite point are flagged ``empty``.

    Raises
    ------
    InvalidInput
        If no spectrum has an edge and ``e0`` is not given, a width is not above zero, or nothing is left to bin.

    Notes
    -----
    Where the measured quantity has no sigma its noise is estimated from each spectrum. The grid is nowhere finer than
    the data: bins without a point are joined to the next one. Means of neighbouring bins share the point between
    them: little where a bin holds many points, a third where it holds one. ``noise_correlation`` tells the verbs that
    need to know it (:func:`xas.edge_position`, :func:`xas.white_line`, :func:`xas.linear_combination`).

    Examples
    --------
    >>> import numpy as np, spectra, xas
    >>> energy = np.arange(6400.0, 7000.0, 0.1)
    >>> mu = 0.3 + 0.8 / (1 + np.exp(-(energy - 6548) / 1.5))
    >>> scan = spectra.from_arrays(energy, mu, name="mu", attrs={"element": "Mn", "edge": "K"})
    >>> xas.rebin(scan).sizes["energy"]
    388
    """
    energy = dataset["energy"].values.astype(float)
    origin = _origin(dataset, e0)
    step = max(0.1, 0.05 * round(origin / 25000 / 0.05)) if xanes_step is None else xanes_step
    for name, value in (("pre_step", pre_step), ("xanes_step", step), ("k_step", k_step)):
        if not value > 0:
            raise InvalidInput(f"{name} is a width and above zero, got {value:g}.")
    if not xanes[0] < xanes[1]:
        raise InvalidInput(f"xanes is from low to high in eV from E0, as in (-20, 30), got {xanes}.")
    if not energy[0] < origin < energy[-1]:
        raise InvalidInput(
            f"e0 = {origin:g} eV lies outside of the data, {energy[0]:g} to {energy[-1]:g} eV: give the energy of an edge in it."
        )
    asked = max(xanes[1], 1.0)
    limits = bin_limits(
        energy, origin, pre_step=pre_step, xanes=(xanes[0], asked), xanes_step=step, k_step=k_step
    )
    resolve(e0=origin, xanes_step=step)
    grid = (limits[1:] + limits[:-1]) / 2
    note(
        f"{energy.size} points became {grid.size}: {pre_step:g} eV up to {origin + xanes[0]:g} eV, {step:g} eV up to "
        f"{origin + asked:g} eV, {k_step:g} 1/Å behind, and nowhere finer than the data"
    )
    return _binned(dataset, energy, limits, grid)


def _origin(dataset: xr.Dataset, e0: float | None) -> float:
    if e0 is not None:
        return float(e0)
    if "e0" in dataset.variables and np.isfinite(dataset["e0"].values).any():
        return series_value("e0", lambda: float(np.nanmedian(dataset["e0"].values)))
    found, _, why = series_e0(dataset)
    if found is None:
        raise InvalidInput(
            f"xas.rebin found no absorption edge in any spectrum ({why}): choose another channel, or give e0 in eV."
        )
    return found


def _binned(dataset: xr.Dataset, energy: Array, limits: Array, grid: Array) -> xr.Dataset:
    size = {"energy": grid.size}
    signal = dataset[signal_name(dataset)]
    made: dict[str, xr.DataArray] = {}

    first = np.searchsorted(energy, limits[:-1])  # every bin holds a point

    def binned(values: Array) -> dict[str, Array]:
        return {"out": bin_means(energy, values, limits)}

    def in_quadrature(values: Array) -> dict[str, Array]:
        return {"out": bin_means(energy, values, limits, quadrature=True)}

    def marked(values: npt.NDArray[np.bool_]) -> dict[str, npt.NDArray[np.bool_]]:
        return {"out": np.logical_or.reduceat(values, first, axis=-1)}

    def one(variable: xr.DataArray, kernel: Callable[..., dict[str, Any]]) -> xr.DataArray:
        kind = {"out": bool} if kernel is marked else None
        out = map_spectra(kernel, [(variable, ("energy",))], {"out": ("energy",)}, sizes=size, dtypes=kind)[
            "out"
        ]
        return out.drop_vars("energy", errors="ignore").assign_attrs(variable.attrs)

    for name, variable in dataset.data_vars.items():
        if "energy" in variable.dims and name != "noise_correlation":
            sigma = str(name).endswith("_sigma")
            kernel = marked if variable.dtype.kind == "b" else in_quadrature if sigma else binned
            made[str(name)] = one(variable, kernel)
    own = f"{signal.name}_sigma"
    if own not in dataset:

        def spread(values: Array) -> dict[str, Array]:
            rows = np.asarray(values, float)
            noise = np.broadcast_to(estimate_noise(energy, rows)[..., None], rows.shape)
            return {
                "out": bin_means(energy, np.where(np.isfinite(rows), noise, np.nan), limits, quadrature=True)
            }

        text = f"standard uncertainty of {signal.name} from the noise before binning"
        made[own] = one(signal, spread).assign_attrs(long_name=text)
    axis: dict[str, Any] = dict(dataset["energy"].attrs)
    result = dataset.drop_dims("energy").assign_coords(energy=("energy", grid, axis)).assign(made)
    described = {"units": "", "long_name": "correlation of the noise of a point with that of the next one"}
    result = result.assign(noise_correlation=("energy", neighbour_correlation(energy, limits), described))
    return flag(
        result, result[str(signal.name)].isnull().all("energy"), "empty",
        "the spectrum holds no finite point: drop it, or read another channel",
    )  # fmt: skip
