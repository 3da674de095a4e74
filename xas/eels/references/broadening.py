"""The broadening that brings references to the resolution of a series."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from spectra.dataset import series_dims
from spectra.errors import InvalidInput

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["common_broadening", "some_spectra"]

Array = npt.NDArray[np.float64]

#: Spectra that are looked at, the largest full width (eV), and how near the best one is searched (eV).
MOST, WIDEST, NEAR = 256, 3.0, 2e-3


def some_spectra(dataset: xr.Dataset) -> xr.Dataset:
    """At most 256 spectra of a series at even distances, along one dimension."""
    dims = series_dims(dataset)
    if not dims:
        return dataset
    row = "spectrum_number"
    flat = dataset.drop_vars([n for n in dataset.coords if set(dataset[n].dims) & set(dims)]).stack(
        {row: dims}, create_index=False
    )
    count = flat.sizes[row]
    return flat.isel({row: np.unique(np.linspace(0, count - 1, min(count, MOST)).astype(int))})


def common_broadening(left: Callable[[float], Array], *, degrees: int) -> tuple[float, float]:
    r"""Full width of the Gaussian with which the references describe all spectra best, and its standard uncertainty.

    .. math:: \min_b \sum_r \nu \ln \chi^2_r(b)

    over spectra r, which needs no knowledge of their noise; the uncertainty is where this has risen by one.

    Parameters
    ----------
    left : callable
        Reduced chi-square (rows,) of the fits with references of that broadening in eV; NaN where there is none.
    degrees : int
        Channels of a spectrum.

    Raises
    ------
    InvalidInput
        No spectrum can be fitted.
    """
    from scipy.optimize import minimize_scalar

    start = left(0.0)
    good = np.isfinite(start) & (start > 0)
    if not good.any():
        raise InvalidInput(
            "broadening='common' is found on the series, and none of its spectra can be fitted: look at them."
        )

    def cost(width: float) -> float:
        found = left(width)[good]
        return float(degrees * np.where(np.isfinite(found), np.log(np.maximum(found, 1e-30)), 50.0).sum())

    grid = np.linspace(0.0, WIDEST, 13)
    costs = [float(degrees * np.log(start[good]).sum()), *(cost(w) for w in grid[1:])]
    best = int(np.argmin(costs))
    ends = (float(grid[max(best - 1, 0)]), float(grid[min(best + 1, grid.size - 1)]))
    made = minimize_scalar(cost, bounds=ends, method="bounded", options={"xatol": NEAR})
    width = float(made.x) if made.fun < costs[0] else 0.0
    if width < 2 * NEAR:
        return 0.0, float("nan")
    step = 0.1 * width
    bend = (cost(width + step) - 2 * made.fun + cost(width - step)) / step**2
    return width, float(np.sqrt(2 / bend)) if bend > 0 else float("nan")
