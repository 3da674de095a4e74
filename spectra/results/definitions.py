"""Sample and instrument of an entry, and the NeXus definition it may claim."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spectra.results.place import Tree

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["describe_experiment"]


def describe_experiment(entry: Tree, start: xr.Dataset) -> list[str]:
    """Add to ``entry`` what the dataset's attributes say of the experiment; returns lines for the log."""
    if start.attrs.get("sample"):
        entry["sample"] = {"@NX_class": "NXsample", "name": str(start.attrs["sample"])}
    return []
