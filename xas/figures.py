"""Figures of X-ray absorption that a report shows beside those that every dataset has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from spectra.dataset import failed, series_dims

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["figures"]


def figures(dataset: xr.Dataset) -> Iterator[tuple[str, str, Any]]:
    """Name, caption and matplotlib figure of each: wavelet maps of the first and the last spectrum, in one scale."""
    if dataset.attrs.get("technique") != "xas" or "wavelet" not in dataset:
        return
    from xas.wavelet_picture import plot_wavelet

    dims = series_dims(dataset)
    shape = tuple(dataset.sizes[d] for d in dims)
    good = np.flatnonzero(~np.asarray(failed(dataset).values, bool).ravel())
    chosen: list[dict[str, Any]] = [
        {d: int(i) for d, i in zip(dims, np.unravel_index(flat, shape), strict=True)} if dims else {}
        for flat in dict.fromkeys(good[[0, -1]].tolist() if good.size else [])
    ]
    most = max((float(dataset["wavelet"].isel(one).max()) for one in chosen), default=None)
    for one, which in zip(chosen, (" of the first spectrum", " of the last spectrum"), strict=False):
        caption = (
            f"Wavelet transform{which if one else ''}: |W(k, R)| with χ(k) below and |χ(R)| beside it. R is not "
            "corrected for phase shifts; where the map is veiled the ends of the data reach."
        )
        place = "_".join(str(i) for i in one.values())
        yield f"wavelet_{place}".strip("_"), caption, plot_wavelet(dataset, vmax=most, **one)
