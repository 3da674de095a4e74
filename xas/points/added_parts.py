"""Parts of one measurement added up: counts and times, what is the same in all, flags joined."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["added_up"]

#: Coordinates of parts that add up; others that differ from part to part are averaged.
_ADD_UP = ("frames", "exposure_time", "photons")


def added_up(dataset: xr.Dataset, along: str, axis: str, others: list[str], signal: str) -> xr.Dataset:
    """The whole: counts and times added, other numbers of the parts averaged, flags joined.

    Stated sigmas of the signal are added in quadrature; what else lies along the axis is of the parts and left out.
    """
    kept = {n: v for n, v in dataset.data_vars.items() if along not in v.dims and n != signal}
    total = dataset[signal].sum(along, skipna=False).transpose(*others, axis)
    result = dataset[list(kept)].assign({signal: total.assign_attrs(dataset[signal].attrs)})
    result = result.drop_vars([str(n) for n, c in dataset.coords.items() if along in c.dims], errors="ignore")
    sigma = f"{signal}_sigma"
    if sigma in dataset and along in dataset[sigma].dims:
        root = (dataset[sigma] ** 2).sum(along, skipna=False) ** 0.5
        result = result.assign({sigma: root.transpose(*others, axis).assign_attrs(dataset[sigma].attrs)})
    for name, c in dataset.coords.items():
        if along in c.dims and str(name) not in (along, "first_frame") and c.dtype.kind in "fiu":
            joined = c.sum(along) if name in _ADD_UP else c.mean(along)
            result = result.assign_coords({str(name): joined.assign_attrs(c.attrs)})
    for name, v in dataset.data_vars.items():
        if str(name) == "status":
            joined_flags: Any = np.bitwise_or.reduce(v.transpose(*others, along).values, axis=-1)
            result = result.assign(status=(others, joined_flags, v.attrs))
        elif (
            along in v.dims and axis not in v.dims and v.dtype.kind == "f"
        ):  # shifts and elastic line, the same in all
            result = result.assign({str(name): v.isel({along: 0}, drop=True)})
    return result
