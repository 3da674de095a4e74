"""How sure each point of a spectrum is, before bands are fitted to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset import map_spectra, signal_name, spectral_axis
from spectra.errors import InvalidInput

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Noise", "Weights", "local_mean", "noise_of"]

Weights = Literal["auto", "sigma", "poisson", "none"]

#: Points over which counts are averaged where what is fitted is not what was counted: their own scatter must not
#: weigh them.
AVERAGED = 9


@dataclass(frozen=True)
class Noise:
    """How a fit is weighted; ``sigma`` by the variable ``called`` where the engine does not make its own."""

    weights: Literal["sigma", "poisson", "none"]
    sigma: xr.DataArray | None
    called: str
    said: str


def noise_of(dataset: xr.Dataset, name: str, weights: Weights) -> Noise:
    """Uncertainty of the points of the variable ``name``.

    Stated uncertainties come first. Counts are Poisson distributed: of counts themselves the fit takes the variance of
    the fitted curve, of counts less a baseline that of a running mean over nine points. Everything else weighs alike,
    and the covariance is scaled by what the fit leaves over.

    Raises
    ------
    InvalidInput
        If ``weights`` asks for what the dataset does not have.
    """
    signal = signal_name(dataset)
    stated = next((f"{n}_sigma" for n in (name, signal) if f"{n}_sigma" in dataset), None)
    if weights == "sigma" and stated is None:
        raise InvalidInput(f"weights='sigma' needs the variable '{name}_sigma', which is not there.")
    if stated is not None and weights in ("auto", "sigma"):
        return Noise("sigma", dataset[stated], stated, f"uncertainty of each point from {stated}")
    if weights == "poisson" and dataset[signal].attrs.get("units") != "counts":
        raise InvalidInput(
            f"weights='poisson' needs counts, and {signal} is in {dataset[signal].attrs.get('units') or 'no units'}."
        )
    if weights == "poisson" or (weights == "auto" and _counted(dataset[signal])):
        if name == signal:
            return Noise("poisson", None, "", "uncertainty of each point from counting statistics")
        said = f"uncertainty of each point from the counts, averaged over {AVERAGED} points"
        return Noise("sigma", _of_counts(dataset), "fit_sigma", said)
    return Noise("none", None, "", "all points weigh alike; uncertainties from what the fit leaves over")


def _counted(values: xr.DataArray) -> bool:
    """Whether the values can be numbers of events; of a lazy dataset the first spectrum is looked at."""
    if values.attrs.get("units") != "counts":
        return False
    if np.issubdtype(values.dtype, np.integer):
        return True
    if values.chunks is not None:
        values = values[(0,) * (values.ndim - 1)].compute()
    finite = values.values[np.isfinite(values.values)]
    return bool((finite >= 0).all() and (finite == np.rint(finite)).all())


def _of_counts(dataset: xr.Dataset) -> xr.DataArray:
    axis, signal = spectral_axis(dataset), signal_name(dataset)

    def kernel(counts: npt.NDArray[np.float64]) -> dict[str, npt.NDArray[np.float64]]:
        return {"sigma": np.sqrt(np.maximum(local_mean(counts, AVERAGED), 1.0))}

    made = map_spectra(kernel, [(dataset[signal], (axis,))], {"sigma": (axis,)})["sigma"]
    return made.assign_attrs(units="counts", long_name="uncertainty that the fit was weighted by")


def local_mean(values: npt.ArrayLike, width: int) -> npt.NDArray[np.float64]:
    """Running mean over ``width`` points along the last axis, fewer at the ends; points that are not finite are left out."""
    y = np.asarray(values, float)
    finite = np.isfinite(y)
    start = np.maximum(np.arange(y.shape[-1]) - width // 2, 0)
    stop = np.minimum(np.arange(y.shape[-1]) + width // 2 + 1, y.shape[-1])

    def summed(part: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        total = np.concatenate([np.zeros((*y.shape[:-1], 1)), np.cumsum(part, axis=-1)], axis=-1)
        return np.asarray(total[..., stop] - total[..., start])

    with np.errstate(invalid="ignore", divide="ignore"):
        return summed(np.where(finite, y, 0.0)) / summed(finite.astype(float))
