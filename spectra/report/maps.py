"""A number per spectrum over a map: colours where it is known, grey where not, hatched where it needs a look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset.flags import status_bits
from spectra.report import conventions

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

__all__ = ["draw_map", "warned"]

#: Share of the values at either end that the colours do not resolve: one wild pixel must not hide the map.
_CLIPPED = 1.0
_LENGTHS = ("um", "µm", "mm", "nm")


def draw_map(
    ax: Axes,
    dataset: xr.Dataset,
    values: npt.NDArray[np.float64],
    dims: tuple[str, ...],
    label: str,
    *,
    hatched: npt.NDArray[np.bool_] | None = None,
    limits: tuple[float, float] | None = None,
) -> None:
    """Draw ``values`` (rows, columns) over the dimensions ``dims`` of ``dataset``, with a bar of colours.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    dataset : xarray.Dataset
        Of which the coordinates of ``dims`` are drawn.
    values : (rows, columns) array
        NaN is grey.
    dims : (str, str)
        Down and across.
    label : str
        Of the bar.
    hatched : (rows, columns) bool array, optional
        Pixels whose value needs a look.
    limits : (float, float), optional
        Ends of the colours. Default: what leaves one percent out at either end.
    """
    across, down = (_coordinate(dataset, d) for d in (dims[1], dims[0]))
    finite = values[np.isfinite(values)]
    if limits is None:
        low, high = np.percentile(finite, [_CLIPPED, 100 - _CLIPPED]) if finite.size else (0.0, 1.0)
    else:
        low, high = limits
    ax.set_facecolor("#dddddd")
    mesh = ax.pcolormesh(
        across[0], down[0], values, shading="nearest", cmap="viridis", vmin=low, vmax=high, rasterized=True
    )
    beyond = "neither" if finite.size == 0 or (finite.min() >= low and finite.max() <= high) else "both"
    square = across[2] and down[2]
    ax.figure.colorbar(mesh, ax=ax, label=label, pad=0.02, extend=beyond, shrink=0.85 if square else 1.0)
    if hatched is not None and hatched.any() and min(hatched.shape) > 1:
        ax.contourf(
            across[0], down[0], hatched.astype(float), levels=[0.5, 1.5], colors="none", hatches=["/////"]
        )
    ax.set_xlabel(across[1])
    ax.set_ylabel(down[1])
    if square:
        ax.set_aspect("equal")


def warned(dataset: xr.Dataset) -> npt.NDArray[np.bool_]:
    """Spectra with a flag that is a warning, in the order of the status' dimensions."""
    if "status" not in dataset:
        return np.zeros((), bool)
    attrs = dataset["status"].attrs
    levels = str(attrs.get("flag_severity", "")).split()
    mask = sum(1 << i for i, level in enumerate(levels) if level == "warning")
    return np.asarray((status_bits(dataset).values & mask) != 0)


def _coordinate(dataset: xr.Dataset, dim: str) -> tuple[Any, str, bool]:
    """Values of a dimension, its label, and whether it is a length."""
    if dim in dataset.coords and np.issubdtype(dataset[dim].dtype, np.number) and dataset[dim].size > 1:
        units = str(dataset[dim].attrs.get("units", ""))
        text = conventions.unit_text(units)
        return dataset[dim].values, f"{dim} ({text})" if text else dim, units in _LENGTHS
    return np.arange(dataset.sizes[dim]), f"{dim} (pixel)", True
