"""Figures of RIXS that a report shows beside those that every dataset has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["figures"]


def figures(dataset: xr.Dataset) -> Iterator[tuple[str, str, Any]]:
    """Name, caption and matplotlib figure of each: the map of incident energies, and first against last frames."""
    if dataset.attrs.get("technique") != "rixs" or "counts" not in dataset:
        return
    from xas.rixs.map_picture import incident_dim, plot_map, plot_parts

    if "energy_loss" in dataset.dims and incident_dim(dataset) is not None:
        yields = (
            " Beside it the yields of the marked windows, each over its maximum."
            if "partial_yield" in dataset
            else ""
        )
        yield (
            "rixs_map",
            f"Photons by incident energy and loss; what stays at one loss is Raman-like, what runs along the diagonal is fluorescence.{yields}",
            plot_map(dataset),
        )
    if "counts_first" in dataset and "shape_p_value" in dataset:
        index = dict.fromkeys(dataset["shape_p_value"].dims, 0)
        which = " of the first exposure" if index else ""
        yield (
            "rixs_parts",
            f"First and last parts{which}, scaled to one total; below, their difference over its noise.",
            plot_parts(dataset, **{str(d): i for d, i in index.items()}),
        )
