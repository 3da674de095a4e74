"""The figure that the field expects of a dataset: one call, one panel, any of its variables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from spectra.dataset import series_dims
from spectra.errors import InvalidInput, did_you_mean
from spectra.report import conventions, style
from spectra.report.fit import draw_fit
from spectra.report.series import coordinate, draw_curves, draw_image, draw_trend

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

__all__ = ["plot", "spectrum_name"]


@style.styled
def plot(dataset: xr.Dataset, variable: str | None = None, *, ax: Axes | None = None, **index: int) -> Axes:
    """Draw a variable as the field does, with its units.

    Binding energies and wavenumbers descend to the right, χ(k) is weighted with the power of k it was transformed
    with, a fit comes with its components, background and residual. A series is drawn as lines coloured by its
    coordinate, as a map when there are too many, and as a trend with error bars where the variable is a number per
    spectrum.

    Parameters
    ----------
    dataset : xarray.Dataset
        Spectra of any technique, at any stage.
    variable : str, optional
        What to draw. Default: the fit if there is one, else the most worked-out curve, else what was measured.
    ax : matplotlib.axes.Axes, optional
        Panel to draw in. Default: a new figure that pyplot does not know (``ax.figure.savefig(...)``).
    **index : int
        Spectra to draw, as in ``Dataset.isel``: ``scan=3``.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InvalidInput
        If there is no such variable or dimension, or the variable is one number or has too many dimensions.

    Examples
    --------
    >>> import numpy as np, spectra
    >>> energy = np.linspace(640, 660, 50)
    >>> data = spectra.from_arrays(energy, np.ones(50), axis="binding_energy", name="counts", units="counts")
    >>> plot(data).get_xlabel()
    'Binding energy (eV)'
    """
    name = conventions.checked_variable(dataset, variable)
    dims = series_dims(dataset)
    for dim in index:
        if dim not in dims:
            raise InvalidInput(
                f"there is no series dimension {dim!r} to pick from; {did_you_mean(dim, dims)}."
            )
    size = {dim: dataset.sizes[dim] for dim in index}
    for dim, i in index.items():
        if not -size[dim] <= i < size[dim]:
            raise InvalidInput(
                f"{dim} = {i} is outside the series: it holds {size[dim]} spectra, 0 to {size[dim] - 1}."
            )
    if variable is None:
        name = _most_for_one(dataset, name, len(index))
    if name == "best_fit":  # a fit is looked at one spectrum at a time
        index = {dim: index.get(dim, 0) for dim in dims}
    picked = dataset.isel(index)
    if name == "best_fit":
        picked = _where_fitted(picked)
    panel = style.new_axes() if ax is None else ax
    _draw(panel, picked, name)
    if index and not panel.get_title():
        panel.set_title(spectrum_name(dataset, **index), loc="left")
    return panel


def spectrum_name(dataset: xr.Dataset, **index: int) -> str:
    """What one spectrum of a series is called: its place in the series and its coordinate."""
    return ", ".join(coordinate(dataset, dim).text(i) for dim, i in index.items())


def _most_for_one(dataset: xr.Dataset, name: str, picked: int) -> str:
    """The default for one spectrum: its wavelet map, which holds χ(R) and where in k it comes from."""
    alone = picked == len(series_dims(dataset))
    return "wavelet" if name == "chir_mag" and alone and "wavelet" in dataset else name


def _where_fitted(dataset: xr.Dataset) -> xr.Dataset:
    """The stretch of the axis that was fitted; all of it where nothing was."""
    axis = conventions.axes_of(dataset, "best_fit")[0]
    fitted = np.flatnonzero(np.isfinite(dataset["best_fit"].values))
    return dataset.isel({axis: slice(fitted[0], fitted[-1] + 1)}) if fitted.size > 1 else dataset


def _draw(ax: Axes, dataset: xr.Dataset, name: str) -> None:
    axes, series = conventions.axes_of(dataset, name), conventions.series_of(dataset, name)
    if name == "best_fit" and not series:
        draw_fit(ax, dataset)
    elif len(axes) == 1 and series:
        draw_curves(ax, dataset, name, axes[0])
    elif len(axes) == 1:
        _draw_single(ax, dataset, name, axes[0])
    elif len(axes) == 2 and not series:
        draw_image(ax, dataset, name, (axes[0], axes[1]))
    elif not axes and len(series) == 1:
        draw_trend(ax, dataset, name)
    elif not axes and len(series) == 2 and dataset[name].ndim == 2:
        draw_image(ax, dataset, name, (series[0], series[1]))
    else:
        shape = dict(dataset[name].sizes) or "a single number"
        raise InvalidInput(
            f"{name!r} cannot be drawn in one panel: it is {shape}. Pick spectra or another variable."
        )
    if len(axes) == 1:
        ax.set_xlabel(conventions.axis_label(dataset, axes[0]))
        low, high = dataset[axes[0]].values[[0, -1]]
        ax.set_xlim(*((high, low) if conventions.descends(axes[0]) else (low, high)))


def _draw_single(ax: Axes, dataset: xr.Dataset, name: str, axis: str) -> None:
    x = dataset[axis].values
    values = conventions.weighted(dataset, name)
    if values.ndim == 2:  # one curve per component
        other = next(str(d) for d in dataset[name].dims if d != axis)
        for i, curve in enumerate(np.moveaxis(values, dataset[name].dims.index(axis), -1)):
            label = (
                conventions.species_text(dataset[other].values[i])
                if other in dataset.coords
                else f"{other} {i + 1}"
            )
            ax.plot(x, curve, color=style.COLOURS[i % len(style.COLOURS)], label=label)
        ax.legend()
    else:
        beside = conventions.companions(dataset, name)
        ax.plot(x, values, color=style.DATA, label=conventions.short_label(dataset, name) if beside else None)
        for i, other in enumerate(beside):
            ax.plot(
                x,
                conventions.weighted(dataset, other),
                color=style.COLOURS[i],
                ls="--",
                lw=1.0,
                label=conventions.short_label(dataset, other),
            )
        _mark_edge(ax, dataset, name, axis)
        if ax.get_legend_handles_labels()[1]:
            ax.legend()
    ax.set_ylabel(conventions.variable_label(dataset, name))


def _mark_edge(ax: Axes, dataset: xr.Dataset, name: str, axis: str) -> None:
    """E0 on the spectrum of an absorption edge."""
    if "e0" not in dataset or dataset["e0"].ndim or axis != "energy" or name not in ("mu", "norm", "flat"):
        return
    e0 = float(dataset["e0"])
    if np.isfinite(e0):
        ax.axvline(e0, color=style.FLOOR, lw=0.8, ls=":", label=f"$E_0$ = {e0:.1f} eV")
