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
    """Name, caption and matplotlib figure of each: wavelet maps, in one scale, and fits of paths, of both ends of a series."""
    if dataset.attrs.get("technique") != "xas":
        return
    chosen = _ends(dataset)
    if "wavelet" in dataset:
        from xas.exafs.wavelet_picture import plot_wavelet

        most = max((float(dataset["wavelet"].isel(one).max()) for one, _ in chosen), default=None)
        for one, which in chosen:
            caption = (
                f"Wavelet transform{which}: |W(k, R)| with χ(k) below and |χ(R)| beside it. R is not "
                "corrected for phase shifts; where the map is veiled the ends of the data reach."
            )
            yield _name("wavelet", one), caption, plot_wavelet(dataset, vmax=most, **one)
    if "chi_fit" in dataset:
        from xas.paths.picture import plot_paths

        for one, which in chosen:
            caption = (
                f"Fit of scattering paths{which}: weighted χ(k) and |χ(R)|, the paths below with their half lengths R. The "
                "ranges of the fit are shaded; the axis of R is not corrected for phase shifts."
            )
            yield _name("paths", one), caption, plot_paths(dataset, **one)


def _ends(dataset: xr.Dataset) -> list[tuple[dict[str, Any], str]]:
    """First and last spectrum that did not fail, and how a caption calls them."""
    dims = series_dims(dataset)
    shape = tuple(dataset.sizes[d] for d in dims)
    good = np.flatnonzero(~np.asarray(failed(dataset).values, bool).ravel())
    chosen: list[dict[str, Any]] = [
        {d: int(i) for d, i in zip(dims, np.unravel_index(flat, shape), strict=True)} if dims else {}
        for flat in dict.fromkeys(good[[0, -1]].tolist() if good.size else [])
    ]
    names = (" of the first spectrum", " of the last spectrum")
    return [(one, which if one else "") for one, which in zip(chosen, names, strict=False)]


def _name(stem: str, one: dict[str, Any]) -> str:
    return "_".join([stem, *(str(i) for i in one.values())])
