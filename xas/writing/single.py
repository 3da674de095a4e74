"""One absorption spectrum out of a dataset, checked for what file formats ask of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from spectra.dataset import as_dataset, series_dims, signal_name, spectral_axis
from spectra.errors import InvalidInput, did_you_mean

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["each_spectrum", "one_spectrum"]


def one_spectrum(dataset: Any, index: Mapping[str, int], what: str) -> xr.Dataset:
    """The spectrum that ``index`` (as in ``Dataset.isel``) leaves."""
    data = as_dataset(dataset, verb=what)
    if spectral_axis(data) != "energy":
        raise InvalidInput(
            f"{what} writes absorption along energy; this dataset lies along {spectral_axis(data)}."
        )
    unknown = [dim for dim in index if dim not in data.dims]
    if unknown:
        known = map(str, series_dims(data))
        raise InvalidInput(
            f"{what}: there is no series dimension {unknown[0]!r}; {did_you_mean(unknown[0], known)}."
        )
    one = data.isel(index)
    if series_dims(one):
        example = ", ".join(f"{dim}=0" for dim in series_dims(one))
        raise InvalidInput(
            f"{what} takes one spectrum; choose it along {', '.join(series_dims(one))}, such as {example}."
        )
    return one


def each_spectrum(data: xr.Dataset) -> Iterator[tuple[str, xr.Dataset]]:
    """Every spectrum of a series with what it is called."""
    dims = series_dims(data)
    title = str(data.attrs.get("sample") or data.attrs.get("title") or signal_name(data))
    if not dims:
        yield title, data
        return
    for place in np.ndindex(*(data.sizes[d] for d in dims)):
        one = data.isel(dict(zip(dims, place, strict=True)))
        named = next(
            (str(one[n].values) for n in ("label", "sample") if n in one.coords and str(one[n].values)), ""
        )
        yield named or f"{title} {', '.join(f'{d} {i}' for d, i in zip(dims, place, strict=True))}", one
