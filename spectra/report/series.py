"""A series in a figure: the coordinate it is drawn against, curves on top of each other, maps, trends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from spectra.report import conventions, style

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr
    from matplotlib.axes import Axes

__all__ = ["Coordinate", "coordinate", "draw_curves", "draw_image", "draw_trend"]

_MOST_LINES = 100
_MOST_NAMES = 12
_LONG = 7200  # s; longer series are drawn in hours


@dataclass(frozen=True)
class Coordinate:
    """Values to draw a series against; ``names`` where the series counts things and not a quantity."""

    values: npt.NDArray[np.float64]
    label: str
    names: tuple[str, ...] | None = None

    def text(self, i: int) -> str:
        """What one spectrum of the series is called."""
        if self.names is not None:
            return self.names[i]
        return f"{self.label.partition(' (')[0]} {self.values[i]:.4g}"


def coordinate(dataset: xr.Dataset, dim: str) -> Coordinate:
    """The coordinate of a series: times become hours since its start, texts stay names, nothing becomes numbers."""
    size = dataset.sizes[dim]
    name = dim.replace("_", " ")
    if dim not in dataset.coords:
        return Coordinate(np.arange(size, dtype=float), f"{name.capitalize()} number")
    values = dataset[dim].values
    names = _names(dataset, dim)
    if names is not None:
        return Coordinate(np.arange(size, dtype=float), "", names)
    if np.issubdtype(values.dtype, np.datetime64):
        start = values.min()
        hours = (values - start) / np.timedelta64(3600, "s")
        return Coordinate(hours, f"Time since {np.datetime_as_string(start, unit='m').replace('T', ' ')} (h)")
    if np.issubdtype(values.dtype, np.timedelta64):
        return Coordinate(values / np.timedelta64(3600, "s"), f"{name.capitalize()} (h)")
    attrs = dataset[dim].attrs
    if attrs.get("units") == "s" and values.max() - values.min() > _LONG:
        since = str(attrs.get("start", ""))[:16].replace("T", " ")
        return Coordinate(values / 3600, f"Time since {since} (h)" if since else f"{name.capitalize()} (h)")
    if np.issubdtype(values.dtype, np.number):
        units = conventions.unit_text(str(dataset[dim].attrs.get("units", "")))
        label = str(dataset[dim].attrs.get("long_name", name)).capitalize()
        return Coordinate(values.astype(float), f"{label} ({units})" if units else label)
    return Coordinate(np.arange(size, dtype=float), "", tuple(map(str, values)))


def _names(dataset: xr.Dataset, dim: str) -> tuple[str, ...] | None:
    """What the spectra of a short series are called, where their coordinate only counts them."""
    size = dataset.sizes[dim]
    values = dataset[dim].values
    if size > _MOST_NAMES or values.dtype.kind not in "iu" or not np.array_equal(values, np.arange(size)):
        return None
    for name in ("sample", "label"):
        if name in dataset.coords and dataset[name].dims == (dim,):
            texts = tuple(map(str, dataset[name].values))
            if len(set(texts)) == size:
                return texts
    return None


def draw_curves(ax: Axes, dataset: xr.Dataset, variable: str, axis: str) -> None:
    """Every spectrum of a series: lines while they can be told apart, a map beyond."""
    x = dataset[axis].values
    dims = conventions.series_of(dataset, variable)
    values = conventions.weighted(dataset, variable)
    order = [dataset[variable].dims.index(d) for d in (*dims, axis)]
    curves = values.transpose(order).reshape(-1, x.size)
    one = coordinate(dataset, dims[0]) if len(dims) == 1 else None
    if one is None:
        one = Coordinate(np.arange(len(curves), dtype=float), "Spectrum number")
    if len(curves) > _MOST_LINES:
        _draw_map(ax, x, one, curves, conventions.variable_label(dataset, variable))
        return
    few = one.names is not None and len(curves) <= _MOST_NAMES
    colours = style.COLOURS[: len(curves)] if few and len(curves) <= 5 else _by_value(one)
    for i, curve in enumerate(curves):
        ax.plot(x, curve, color=colours[i], lw=1.0, label=one.text(i) if few else None)
    if few:
        ax.legend()
    elif len(curves) > 1:
        _colour_bar(ax, one)
    ax.set_ylabel(conventions.variable_label(dataset, variable))


def _by_value(one: Coordinate) -> list[Any]:
    from matplotlib import colormaps

    low, high = one.values.min(), one.values.max()
    share = (one.values - low) / (high - low) if high > low else np.zeros(one.values.size)
    return list(colormaps["viridis"](0.9 * share))


def _colour_bar(ax: Axes, one: Coordinate) -> None:
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    shown = ListedColormap(colormaps["viridis"](np.linspace(0.0, 0.9, 256)))
    scale = ScalarMappable(Normalize(one.values.min(), one.values.max()), shown)
    ax.figure.colorbar(scale, ax=ax, label=one.label or "Spectrum number", pad=0.02, aspect=25)


def _draw_map(
    ax: Axes, x: npt.NDArray[Any], one: Coordinate, curves: npt.NDArray[np.float64], label: str
) -> None:
    order = np.argsort(one.values, kind="stable")
    low, high = np.nanpercentile(curves, [0.5, 99.5])
    mesh = ax.pcolormesh(
        x,
        one.values[order],
        curves[order],
        shading="nearest",
        cmap="viridis",
        vmin=low,
        vmax=high,
        rasterized=True,
    )
    ax.figure.colorbar(mesh, ax=ax, label=label, pad=0.02, aspect=25, extend="both")
    ax.set_ylabel(one.label or "Spectrum number")


def draw_trend(ax: Axes, dataset: xr.Dataset, variable: str) -> None:
    """A number per spectrum, with its error bar, against the series; one line for each component, if any."""
    (dim,) = conventions.series_of(dataset, variable)
    others = [str(d) for d in dataset[variable].dims if d != dim]
    one = coordinate(dataset, dim)
    values = dataset[variable].transpose(dim, *others).values.reshape(dataset.sizes[dim], -1)
    named = f"{variable}_sigma"
    sigma = dataset[named].transpose(dim, *others).values.reshape(values.shape) if named in dataset else None
    names = (
        [conventions.species_text(str(n)) for n in dataset[others[0]].values]
        if others and others[0] in dataset.coords
        else []
    )
    line = "none" if one.names is not None else "-"
    for j in range(values.shape[1]):
        error = sigma[:, j] if sigma is not None else None
        ax.errorbar(
            one.values,
            values[:, j],
            yerr=error,
            color=style.COLOURS[j % len(style.COLOURS)],
            marker="osD^v<>p"[j % 8],
            ls=line,
            lw=0.8,
            elinewidth=0.8,
            label=names[j] if j < len(names) else None,
        )
    if names:
        ax.legend()
    ax.set_ylabel(conventions.variable_label(dataset, variable))
    ax.set_xlabel(one.label)
    if one.names is not None:
        _name_ticks(ax, one.names)


def _name_ticks(ax: Axes, names: tuple[str, ...]) -> None:
    ax.set_xticks(range(len(names)), names)
    if max(map(len, names)) * len(names) > 45:
        for label in ax.get_xticklabels():
            label.set(rotation=30, ha="right", rotation_mode="anchor")
    ax.tick_params(axis="x", which="minor", bottom=False, top=False)
    ax.set_xlim(-0.5, len(names) - 0.5)


def draw_image(ax: Axes, dataset: xr.Dataset, variable: str, dims: tuple[str, str]) -> None:
    """A quantity over two dimensions: a map of a sample, or one over R and k."""
    down, across = dims
    rows, columns = (_grid(dataset, d) for d in dims)
    values = dataset[variable].transpose(down, across).values.astype(float)
    mesh = ax.pcolormesh(columns[0], rows[0], values, shading="nearest", cmap="viridis", rasterized=True)
    ax.figure.colorbar(mesh, ax=ax, label=conventions.variable_label(dataset, variable), pad=0.02, aspect=25)
    ax.set_xlabel(columns[1])
    ax.set_ylabel(rows[1])


def _grid(dataset: xr.Dataset, dim: str) -> tuple[npt.NDArray[np.float64], str]:
    if dim in conventions.axes_of(dataset, dim):
        return np.asarray(dataset[dim].values, float), conventions.axis_label(dataset, dim)
    one = coordinate(dataset, dim)
    return one.values, one.label or dim.replace("_", " ").capitalize()
