"""Maps of what was fitted: one panel for each quantity of a band, grey where there is nothing to show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from spectra.dataset import failed, series_dims
from spectra.errors import InvalidInput, did_you_mean
from spectra.report import conventions, style
from spectra.report.maps import draw_map

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

__all__ = ["plot_map"]


@style.styled
def plot_map(
    dataset: xr.Dataset,
    variables: str | Sequence[str] = ("position", "height", "fwhm"),
    *,
    component: str | None = None,
) -> Figure:
    """Draw quantities of one band over a map, side by side.

    Spectra that failed, and those in which the band was not found, are grey.

    Parameters
    ----------
    dataset : xarray.Dataset
        Fitted map with the dimensions ``y`` and ``x`` (or any two).
    variables : str or sequence of str
        Numbers per spectrum, or per spectrum and component.
    component : str, optional
        The band. Default: the one with the largest median height.

    Returns
    -------
    matplotlib.figure.Figure
        ``figure.savefig("map.png", dpi=200)``.

    Raises
    ------
    InvalidInput
        No map, no such variable or band.
    """
    dims = series_dims(dataset)
    if len(dims) != 2:
        raise InvalidInput(
            f"plot_map draws a map of two dimensions; this dataset has {', '.join(dims) or 'none'}."
        )
    names = (variables,) if isinstance(variables, str) else tuple(variables)
    band = (
        _band(dataset, component) if any("component" in dataset.get(n, dataset).dims for n in names) else None
    )
    figure = style.new_figure(2.7 * len(names), 2.6)
    for ax, name in zip(
        np.atleast_1d(np.asarray(figure.subplots(1, len(names)), object)), names, strict=True
    ):
        values = _values(dataset, name, band, dims)
        draw_map(ax, dataset, values, dims, conventions.variable_label(dataset, name))
        if ax is not figure.axes[0]:
            ax.set_ylabel("")
    if band is not None:
        figure.suptitle(conventions.species_text(band), x=0.01, ha="left", fontsize=9)
    return figure


def _band(dataset: xr.Dataset, component: str | None) -> str:
    names = [str(n) for n in dataset["component"].values]
    if component is not None:
        if component not in names:
            raise InvalidInput(f"there is no band {component!r}; {did_you_mean(component, names)}.")
        return component
    strength = dataset["height"].median(series_dims(dataset), skipna=True).fillna(-np.inf)
    return names[int(np.argmax(strength.values))]


def _values(dataset: xr.Dataset, name: str, band: str | None, dims: tuple[str, ...]) -> Any:
    if name not in dataset:
        raise InvalidInput(
            f"there is no variable {name!r}; {did_you_mean(name, map(str, dataset.data_vars))}."
        )
    values = dataset[name].where(~failed(dataset))
    if "component" in values.dims:
        values = values.sel(component=band)
        if "found" in dataset:
            values = values.where(dataset["found"].sel(component=band) == 1)
    if set(values.dims) != set(dims):
        raise InvalidInput(
            f"{name!r} is no number per spectrum: it has {', '.join(map(str, values.dims)) or 'none'}."
        )
    return values.transpose(*dims).values.astype(float)
