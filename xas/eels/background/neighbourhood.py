"""Backgrounds of an image: the exponent of a spectrum from the spectra around it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset import map_spectra, series_dims, signal_name, spectral_axis
from spectra.errors import InvalidInput
from xas.eels.background.fit import fit_curve
from xas.eels.channels.curves import Curve

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["box_sum", "local_exponent"]

Array = npt.NDArray[Any]


def box_sum(values: Array, size: int, axes: tuple[int, ...]) -> Array:
    """Sum over ``size`` neighbours along each of ``axes``; at the borders over those that are there."""
    half = size // 2
    for axis in axes:
        moved = np.moveaxis(values, axis, 0)
        zero = np.zeros((1, *moved.shape[1:]))
        running = np.concatenate([zero, np.cumsum(moved, axis=0, dtype=float)])
        places = np.arange(moved.shape[0])
        upper, lower = np.minimum(places + half + 1, places.size), np.maximum(places - half, 0)
        values = np.moveaxis(running[upper] - running[lower], 0, axis)
    return values


def local_exponent(
    dataset: xr.Dataset, curve: Curve, inside: slice, size: int, gain: float | None, sigmas: bool
) -> tuple[xr.DataArray, xr.DataArray]:
    """Exponent of each spectrum's neighbourhood, fitted to the sum of the counts, and its variance.

    The neighbourhood lies along the last two series dimensions; spectra that are not finite or hold no counts are left
    out of it.
    """
    axis, signal, dims = spectral_axis(dataset), signal_name(dataset), series_dims(dataset)[-2:]
    if sigmas:
        raise InvalidInput(
            f"average sums counts, and this dataset states {signal}_sigma: drop the sigmas, or leave average at 1."
        )
    if not dims:
        raise InvalidInput("average needs spectra beside each other; this is a single one: leave it at 1.")
    energy = dataset[axis].values[inside].astype(float)

    def kernel(y: Array) -> dict[str, Array]:
        total = y.sum(-1, dtype=float)
        usable = np.isfinite(total) & (total > 0)
        axes = tuple(range(y.ndim - 1 - len(dims), y.ndim - 1))
        around = box_sum(np.where(usable[..., None], y, 0.0), size, axes)
        fitted = fit_curve(curve, energy, around, gain=1.0)
        return {
            "exponent": np.where(usable, fitted.parameters[..., 1], np.nan),
            "variance": np.where(usable, fitted.covariance[..., 1, 1], np.nan),
        }

    made = map_spectra(
        kernel,
        [(dataset[signal].isel({axis: inside}), (*dims, axis))],
        {"exponent": dims, "variance": dims},
    )
    return made["exponent"], made["variance"]
