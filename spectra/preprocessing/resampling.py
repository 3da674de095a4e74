"""Spectra brought to another grid, with what that does to their sigmas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag, map_spectra, signal_name, spectral_axis
from spectra.errors import InvalidInput
from spectra.preprocessing.linear_operators import apply_weights, resampling_weights
from spectra.verbs import note, resolve, verb

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["resample"]

Array = npt.NDArray[np.float64]

MOST_POINTS = 1_000_000


@verb("spectra.resample")
def resample(
    dataset: xr.Dataset,
    *,
    step: float | None = None,
    window: tuple[float, float] | None = None,
    points: tuple[float, ...] | None = None,
    method: Literal["cubic", "linear", "mean"] = "cubic",
) -> xr.Dataset:
    r"""Bring spectra to another grid; sigmas follow as those of weighted sums.

    Every new point is a weighted sum of old ones, :math:`\tilde y_i = \sum_j S_{ij} y_j`, and so
    :math:`\tilde\sigma_i^2 = \sum_j S_{ij}^2 \sigma_j^2`. Points on a finer grid are not independent of each other,
    which no fit knows.

    Parameters
    ----------
    dataset : xarray.Dataset
        Spectra of any technique. All variables along the spectral axis are resampled.
    step : float, optional
        Distance of new points in units of the axis. Default: the median one of the old grid.
    window : (float, float), optional
        Where the new grid begins and ends, in the units of the axis. Default: the old axis.
    points : tuple of float, optional
        The new grid itself, ascending, instead of ``step`` and ``window``; as that of another dataset:
        ``tuple(other.raman_shift.values)``.
    method : {"cubic", "linear", "mean"}
        The cubic through the four points around, the line between two, or the mean over the width of a new point, which
        keeps areas: for grids coarser than the old one.

    Returns
    -------
    xarray.Dataset
        On the new grid. Masks (true or false) are true where any point that has a say is. A point is NaN where one that
        has a say is missing; spectra without a finite point are flagged ``empty``.

    Raises
    ------
    InvalidInput
        If the new grid reaches beyond the old one, does not ascend, or has fewer than two points.

    Examples
    --------
    >>> import numpy as np, spectra
    >>> shift = np.array([100.0, 103, 107, 110, 114, 117, 121])
    >>> one = spectra.from_arrays(shift, shift**2, axis="raman_shift")
    >>> spectra.resample(one, step=5).intensity.values.round(6).tolist()
    [10000.0, 11025.0, 12100.0, 13225.0, 14400.0]
    """
    axis = spectral_axis(dataset)
    x = dataset[axis].values.astype(float)
    grid = _grid(x, axis, step, window, points)
    weights = resampling_weights(x, grid, method)
    resolve(step=float(np.median(np.diff(grid))), window=(float(grid[0]), float(grid[-1])))
    if grid.size > x.size:
        note(f"{x.size} points became {grid.size}: their noise is correlated")
    coordinate = (axis, grid, dict(dataset[axis].attrs))
    along = [str(n) for n, v in dataset.data_vars.items() if axis in v.dims]
    made = {n: _resampled(dataset[n], axis, grid, x, weights) for n in along}
    result = dataset.drop_vars([n for n in dataset.variables if axis in dataset[n].dims])
    result = result.assign_coords({axis: coordinate}).assign(made)
    result = result[list(dataset.data_vars)]
    signal = dataset[signal_name(dataset)]
    return flag(
        result, signal.isnull().all(axis), "empty", "the spectrum holds no finite point: it was not measured"
    )


def _grid(
    x: Array,
    axis: str,
    step: float | None,
    window: tuple[float, float] | None,
    points: tuple[float, ...] | None,
) -> Array:
    if points is not None:
        if step is not None or window is not None:
            raise InvalidInput("resample takes either points or step and window.")
        grid = np.asarray(points, float)
    else:
        low, high = sorted(window) if window else (float(x[0]), float(x[-1]))
        distance = float(np.median(np.diff(x))) if step is None else step
        if not (distance > 0 and np.isfinite(distance)):
            raise InvalidInput(f"step is a distance above zero, got {distance:g}.")
        if (high - low) / distance > MOST_POINTS:
            raise InvalidInput(
                f"step = {distance:g} would make more than a million points of {axis}: choose a longer one."
            )
        grid = low + distance * np.arange(int((high - low) / distance + 1e-9) + 1)
    if grid.size < 2 or not (np.isfinite(grid).all() and (np.diff(grid) > 0).all()):
        raise InvalidInput(f"the new grid has {grid.size} points; it needs at least 2, and to ascend.")
    slack = 1e-9 * (x[-1] - x[0])
    if grid[0] < x[0] - slack or grid[-1] > x[-1] + slack:
        raise InvalidInput(
            f"the new grid runs from {grid[0]:g} to {grid[-1]:g}, and {axis} from {x[0]:g} to {x[-1]:g}: nothing was measured "
            "beyond it. Choose a narrower window."
        )
    return np.asarray(np.clip(grid, x[0], x[-1]))


def _resampled(variable: xr.DataArray, axis: str, grid: Array, x: Array, weights: Any) -> xr.DataArray:
    """One variable on the new grid: in quadrature if it is a sigma, where any is true if it is a mask."""
    name = str(variable.name)
    mask = variable.dtype == bool

    def kernel(y: Array) -> dict[str, npt.NDArray[Any]]:
        if mask:
            return {"y": apply_weights(abs(weights), y) > 1e-9}
        if name == f"{axis}_sigma":  # of the axis itself, common to its points
            return {
                "y": np.interp(grid, x, y) if y.ndim == 1 else np.stack([np.interp(grid, x, r) for r in y])
            }
        return {"y": apply_weights(weights, y, quadrature=name.endswith("_sigma"))}

    made = map_spectra(
        kernel,
        [(variable, (axis,))],
        {"y": (axis,)},
        sizes={axis: grid.size},
        dtypes={"y": bool if mask else float},
    )["y"]
    made = made.drop_vars(axis, errors="ignore")
    return made.transpose(*variable.dims).assign_attrs(variable.attrs)
