"""Maps of single spectra over two axes, a wavelet transform over k and R for example, for the page of a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from spectra.dataset import failed, series_dims
from spectra.report import conventions
from spectra.report.packed import encoded, thinned

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["planes"]

#: Bytes of all maps of a page before they are written as text, points of a map along each axis, spectra.
_BYTES, _POINTS, _SPECTRA = 1_500_000, 200, 12


def planes(dataset: xr.Dataset, share: float = 1.0) -> list[dict[str, Any]]:
    """Every variable over two axes, of some spectra that did not fail: the first, the last and evenly spread ones.

    Parameters
    ----------
    dataset : xarray.Dataset
        Lazy arrays stay lazy but for what is drawn.
    share : float
        Of the page's size that this dataset may take.
    """
    return [_plane(dataset, name, share) for name in map(str, dataset.data_vars) if _is_plane(dataset, name)]


def _is_plane(dataset: xr.Dataset, name: str) -> bool:
    axes = conventions.axes_of(dataset, name)
    known = {*axes, *series_dims(dataset)}
    return len(axes) == 2 and set(map(str, dataset[name].dims)) <= known and dataset[name].dtype.kind == "f"


def _plane(dataset: xr.Dataset, name: str, share: float) -> dict[str, Any]:
    down, across = conventions.axes_of(dataset, name)
    bare = dataset.drop_vars([n for n in dataset.coords if n not in dataset.dims])
    bare = bare.isel({axis: conventions.shown_part(dataset, name, axis) for axis in (down, across)})
    rows, columns = (thinned(bare.sizes[axis], _POINTS) for axis in (down, across))
    thin = bare.isel({down: rows, across: columns})
    size = 4 * thin.sizes[down] * thin.sizes[across]
    chosen = _chosen(dataset, name, min(max(int(share * _BYTES / size), 1), _SPECTRA))
    label = conventions.plain_text(conventions.short_label(dataset, name))
    veil = conventions.veil(dataset, name)
    return {
        "name": name,
        "label": f"Map of {label}",
        "title": conventions.plain_text(conventions.variable_label(dataset, name)),
        "down": {
            "label": conventions.plain_text(conventions.axis_label(dataset, down)),
            "values": encoded(thin[down]),
        },
        "across": {
            "label": conventions.plain_text(conventions.axis_label(dataset, across)),
            "values": encoded(thin[across]),
            "descends": conventions.descends(across),
        },
        "every": [rows.step, columns.step],
        "veil": None if veil is None else encoded(thin[veil].transpose(down, across)),
        "spectra": chosen,
        "values": [encoded(_one(thin, name, flat).transpose(down, across)) for flat in chosen],
    }


def _chosen(dataset: xr.Dataset, name: str, most: int) -> list[int]:
    if not conventions.series_of(dataset, name):
        return [0]
    good = np.flatnonzero(~np.asarray(failed(dataset).values, bool).ravel())
    spread = np.unique(np.linspace(0, good.size - 1, min(most, good.size)).round().astype(int))
    return [int(flat) for flat in good[spread]]


def _one(dataset: xr.Dataset, name: str, flat: int) -> xr.DataArray:
    dims = series_dims(dataset)
    places = np.unravel_index(flat, tuple(dataset.sizes[d] for d in dims)) if dims else ()
    values = dataset[name]
    return values.isel({d: int(i) for d, i in zip(dims, places, strict=True) if d in values.dims})
