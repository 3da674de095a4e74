"""Figures of vibrational spectroscopy that a report shows beside those that every dataset has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from spectra.dataset import series_dims

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["figures"]

#: Bands of which a report shows maps, the strongest first.
MOST = 4


def figures(dataset: xr.Dataset) -> Iterator[tuple[str, str, Any]]:
    """Name, caption and matplotlib figure of each: a verdict's evidence, and maps of the bands, grey where nothing is."""
    if "evidence_weight" in dataset:
        from raman.order.picture import plot_ordering

        first = dict.fromkeys(series_dims(dataset), 0)
        caption = "Bands that were judged, and what each row of evidence weighs" + (
            " in the first spectrum." if first else "."
        )
        yield "ordering", caption, plot_ordering(dataset, **first)
    if (
        "found" not in dataset
        or len(series_dims(dataset)) != 2
        or min(dataset.sizes[d] for d in series_dims(dataset)) < 2
    ):
        return
    from raman.bands.maps import plot_map

    strength = dataset["height"].median(series_dims(dataset), skipna=True).values
    order = [int(i) for i in np.argsort(-np.nan_to_num(strength, nan=-np.inf)) if np.isfinite(strength[i])]
    for i in order[:MOST]:
        band = str(dataset["component"].values[i])
        caption = f"Position, height and width of the band {band} over the map; grey where it was not found or the fit failed."
        yield f"map_{i}", caption, plot_map(dataset, component=band)
