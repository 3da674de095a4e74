"""Scatter of a number along a series about a smooth course: what repeats of the measurement disagree by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from spectra.dataset import series_dims

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["add_scatter", "scatter_about_course"]

Array = npt.NDArray[np.float64]

#: Dimensions along which neighbours are repeats of nearly the same state, and how many are needed.
ORDERED, LEAST = ("time", "scan"), 8


def scatter_about_course(values: Array) -> Array:
    r"""Standard deviation of each value about a course that is straight over three neighbours.

    .. math:: s = 1.4826\,\mathrm{median}_i \frac{|v_{i-1} - 2 v_i + v_{i+1}|}{\sqrt{6}}

    Parameters
    ----------
    values : (..., n) array
        In the order of the series; NaN where a spectrum failed.

    Returns
    -------
    (...) array
        NaN for fewer than 8 finite values. Its own relative uncertainty is about :math:`1.4/\sqrt{n}`.

    Notes
    -----
    A real course that bends by less than the scatter from one spectrum to the next does no harm; a periodic one of two
    spectra would be taken for scatter.
    """
    rows = values.reshape(-1, values.shape[-1])
    result = np.full(len(rows), np.nan)
    for i, row in enumerate(rows):
        kept = row[np.isfinite(row)]
        if kept.size >= LEAST:
            bend = np.abs(kept[:-2] - 2 * kept[1:-1] + kept[2:]) / np.sqrt(6)
            result[i] = 1.4826 * np.median(bend)
    return result.reshape(values.shape[:-1])


def add_scatter(dataset: xr.Dataset, name: str) -> xr.Dataset:
    """``dataset`` with ``<name>_scatter`` along its first ordered dimension of at least 8 spectra, if it has one."""
    import xarray as xr

    dims = [d for d in series_dims(dataset) if d in ORDERED and dataset.sizes[d] >= LEAST]
    if not dims:
        return dataset
    scatter = xr.apply_ufunc(
        scatter_about_course,
        dataset[name],
        input_core_dims=[[dims[0]]],
        dask="parallelized",
        output_dtypes=[float],
        dask_gufunc_kwargs={"allow_rechunk": True},
    )
    units = dataset[name].attrs.get("units", "")
    text = f"scatter of {dataset[name].attrs.get('long_name', name)} about a smooth course along {dims[0]}"
    return dataset.assign({f"{name}_scatter": scatter.assign_attrs(units=units, long_name=text)})
