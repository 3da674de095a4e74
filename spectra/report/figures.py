"""The figure that the field expects of a dataset: one call, one panel, any of its variables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from spectra.dataset import series_dims
from spectra.errors import InvalidInput, did_you_mean
from spectra.report import conventions, style
from spectra.report.fit import draw_fit
from spectra.report.maps import draw_map, warned
from spectra.report.series import coordinate, draw_curves, draw_image, draw_trend

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr
    from matplotlib.axes import Axes

__all__ = ["one_spectrum", "plot", "spectrum_name"]


@style.styled
def plot(
    dataset: xr.Dataset, variable: str | None = None, *, ax: Axes | None = None, **index: int | str
) -> Axes:
    """Draw a variable as the field does, with its units.

    Binding energies and wavenumbers descend to the right, χ(k) is weighted with the power of k it was transformed
    with, a fit comes with its components, background and residual. A series is drawn as lines coloured by its
    coordinate, as a map when there are too many, and as a trend with error bars where the variable is a number per
    spectrum. A number per spectrum of a map is drawn over the map: grey where it is not known, hatched where a flag
    asks for a look.

    Parameters
    ----------
    dataset : xarray.Dataset
        Spectra of any technique, at any stage.
    variable : str, optional
        What to draw. Default: the fit if there is one (of a fitted map, what was asked, over the map), else the most
        worked-out curve, else what was measured.
    ax : matplotlib.axes.Axes, optional
        Panel to draw in. Default: a new figure that pyplot does not know (``ax.figure.savefig(...)``).
    **index : int or str
        Spectra to draw, as in ``Dataset.isel``: ``scan=3``; or one of what has names: ``component="Mn4+ 2p3/2"``.

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
    places = {dim: _place(dataset, dim, which) for dim, which in index.items()}
    dims = series_dims(dataset)
    spectrum = {dim: i for dim, i in places.items() if dim in dims}
    name = conventions.checked_variable(dataset, variable)
    if variable is None:
        name = _default(dataset, name, len(spectrum))
    if name == "best_fit":  # a fit is looked at one spectrum at a time
        places |= {dim: places.get(dim, 0) for dim in dims}
        spectrum = {dim: places[dim] for dim in dims}
    picked = dataset.isel(places)
    if name == "best_fit":
        picked = _where_fitted(picked)
    panel = style.new_axes() if ax is None else ax
    _draw(panel, picked, name)
    if places and not panel.get_title():
        things = [conventions.species_text(dataset[d].values[i]) for d, i in places.items() if d not in dims]
        panel.set_title(", ".join([*things, *_told(dataset, spectrum)]), loc="left")
    return panel


def _place(dataset: xr.Dataset, dim: str, which: int | str) -> int:
    """Where along a dimension of the series, or of what has names, something stands."""
    series = series_dims(dataset)
    named = [str(d) for d in dataset.dims if d in dataset.coords and dataset[d].dtype.kind in "OUT"]
    if dim not in {*series, *named}:
        raise InvalidInput(
            f"there is no series dimension {dim!r} to pick from; {did_you_mean(dim, [*series, *named])}."
        )
    if isinstance(which, str):
        names = [str(n) for n in dataset[dim].values] if dim in dataset.coords else []
        if which not in names:
            raise InvalidInput(f"there is no {dim} {which!r}; {did_you_mean(which, names)}.")
        return names.index(which)
    if not isinstance(which, int | np.integer):
        raise InvalidInput(f"{dim} = {which!r} is no place along it: give a whole number, 0 for the first.")
    size = dataset.sizes[dim]
    if not -size <= which < size:
        raise InvalidInput(
            f"{dim} = {which} is outside the series: it holds {size} spectra, 0 to {size - 1}."
            if dim in series
            else f"{dim} = {which} is not there: 0 to {size - 1} are, or a name."
        )
    return int(which)


def spectrum_name(dataset: xr.Dataset, **index: int) -> str:
    """What one spectrum of a series is called: its place in the series and its coordinate."""
    return ", ".join(_told(dataset, index))


def one_spectrum(dataset: xr.Dataset, index: dict[str, int]) -> tuple[xr.Dataset, str]:
    """One spectrum, the first where ``index`` does not say which, and its name: the sample's, and its place in the series."""
    dims = series_dims(dataset)
    for dim in index:
        if dim not in dims:
            raise InvalidInput(
                f"there is no series dimension {dim!r} to pick from; {did_you_mean(dim, dims)}."
            )
    picked = {dim: _place(dataset, dim, index.get(dim, 0)) for dim in dims}
    sample = dataset.attrs.get("sample") or ("" if dims else dataset.attrs.get("title", ""))
    parts = [conventions.species_text(sample), spectrum_name(dataset, **picked) if dims else ""]
    return dataset.isel(picked), ": ".join(part for part in parts if part)


def _told(dataset: xr.Dataset, index: dict[str, int]) -> list[str]:
    return [coordinate(dataset, dim).text(i) for dim, i in index.items()]


def _default(dataset: xr.Dataset, name: str, picked: int) -> str:
    """Instead of ``name``: of one spectrum its wavelet, which holds χ(R) and where in k it comes from; of a map a number."""
    dims = series_dims(dataset)
    if name == "chir_mag" and picked == len(dims) and "wavelet" in dataset:
        return "wavelet"
    if len(dims) == 2 and not picked:
        numbers = [n for n in conventions.trends(dataset) if set(dataset[n].dims) == set(dims)]
        if numbers and (name == "best_fit" or numbers[0] in conventions.answers()):
            return numbers[0]
    return name


def _where_fitted(dataset: xr.Dataset) -> xr.Dataset:
    """The stretch of the axis that was fitted; all of it where nothing was."""
    axis = conventions.axes_of(dataset, "best_fit")[0]
    fitted = np.flatnonzero(np.isfinite(dataset["best_fit"].values + dataset["residual"].values))
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
        values = np.asarray(dataset[name].transpose(*series).values, float)
        label = conventions.variable_label(dataset, name)
        draw_map(ax, dataset, values, (series[0], series[1]), label, hatched=_hatched(dataset, series))
    else:
        shape = dict(dataset[name].sizes) or "a single number"
        raise InvalidInput(
            f"{name!r} cannot be drawn in one panel: it is {shape}. Pick spectra or another variable."
        )
    if len(axes) == 1:
        ax.set_xlabel(conventions.axis_label(dataset, axes[0]))
        low, high = dataset[axes[0]].values[[0, -1]]
        ax.set_xlim(*((high, low) if conventions.descends(axes[0]) else (low, high)))


def _hatched(dataset: xr.Dataset, dims: tuple[str, ...]) -> npt.NDArray[np.bool_] | None:
    """Pixels of a map whose flags ask for a look; None where all do, which is no news of a pixel."""
    if "status" not in dataset or dataset["status"].dims != dims:
        return None
    marked = warned(dataset)
    return None if marked.all() else marked


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
