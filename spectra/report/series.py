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
_MOST_ROWS = 1000
_MOST_NAMES = 12
_MOST_BARS = 300
_MOST_STEPS = 2000
_LONG = 7200  # s; longer series are drawn in hours


@dataclass(frozen=True)
class Coordinate:
    """What a series is drawn against; ``names`` where it counts things and is no quantity."""

    name: str
    values: npt.NDArray[np.float64]
    unit: str = ""
    since: str = ""
    names: tuple[str, ...] | None = None

    @property
    def label(self) -> str:
        """Label of the axis."""
        if self.names is not None:
            return ""
        named = f"{self.name} since {self.since}" if self.since else self.name
        return f"{named} ({self.unit})" if self.unit else named

    def text(self, i: int) -> str:
        """What one spectrum of the series is called: its coordinate and its place."""
        place = f"{i % self.values.size + 1} of {self.values.size}"
        if self.names is not None:
            return f"{self.names[i]} ({place})"
        return f"{self.name} {self.values[i]:.4g} {self.unit}".strip() + f" ({place})"


def coordinate(dataset: xr.Dataset, dim: str) -> Coordinate:
    """The coordinate of a series: long times become hours since its start, and texts stay names."""
    name = conventions.literal(dim.replace("_", " ").capitalize())
    if dim not in dataset.coords:
        return Coordinate(f"{name} number", np.arange(dataset.sizes[dim], dtype=float))
    values, attrs = dataset[dim].values, dataset[dim].attrs
    names = _names(dataset, dim)
    if names is not None:
        return Coordinate(name, np.arange(values.size, dtype=float), names=names)
    if np.issubdtype(values.dtype, np.datetime64):
        since = np.datetime_as_string(np.nanmin(values), unit="m").replace("T", " ")
        return Coordinate(name, (values - np.nanmin(values)) / np.timedelta64(3600, "s"), "h", since)
    if np.issubdtype(values.dtype, np.timedelta64):
        return Coordinate(name, values / np.timedelta64(3600, "s"), "h")
    numbers = values.astype(float)
    if attrs.get("units") == "s" and np.nanmax(numbers) - np.nanmin(numbers) > _LONG:
        return Coordinate(name, numbers / 3600, "h", str(attrs.get("start", ""))[:16].replace("T", " "))
    return Coordinate(name, numbers, conventions.unit_text(str(attrs.get("units", ""))))


def _names(dataset: xr.Dataset, dim: str) -> tuple[str, ...] | None:
    """What the spectra are called, where their coordinate is text, or only counts a short series."""
    values = dataset[dim].values
    if values.dtype.kind in "OUT":
        return tuple(map(conventions.literal, values))
    counts = values.dtype.kind in "iu" and np.array_equal(values, np.arange(values.size))
    for name in ("sample", "label") if counts and values.size <= _MOST_NAMES else ():
        if name in dataset.coords and dataset[name].dims == (dim,):
            texts = tuple(map(conventions.literal, dataset[name].values))
            if len(set(texts)) == values.size:
                return texts
    return None


def draw_curves(ax: Axes, dataset: xr.Dataset, variable: str, axis: str) -> None:
    """Every spectrum of a series: lines while they can be told apart, a map beyond."""
    x = dataset[axis].values
    dims = conventions.series_of(dataset, variable)
    one = coordinate(dataset, dims[0])
    if len(dims) > 1:
        one = Coordinate("Spectrum number", np.arange(np.prod([dataset.sizes[d] for d in dims]), dtype=float))
    label = conventions.variable_label(dataset, variable)
    if one.values.size > _MOST_LINES:
        _draw_map(ax, x, one, *_some_curves(dataset, variable, dims), label)
        return
    values = conventions.weighted(dataset, variable)
    order = [dataset[variable].dims.index(d) for d in (*dims, axis)]
    curves = values.transpose(order).reshape(-1, x.size)
    few = one.names is not None and len(curves) <= _MOST_NAMES
    colours = style.COLOURS[: len(curves)] if few and len(curves) <= 5 else _by_value(one)
    for i, curve in enumerate(curves):
        name = one.names[i] if few and one.names is not None else None
        ax.plot(x, curve, color=colours[i], lw=1.0, label=name)
    if few:
        ax.legend()
    elif len(curves) > 1:
        _colour_bar(ax, one)
    ax.set_ylabel(label)


def _by_value(one: Coordinate) -> list[Any]:
    from matplotlib import colormaps

    low, high = np.nanmin(one.values), np.nanmax(one.values)
    share = (one.values - low) / (high - low) if high > low else np.zeros(one.values.size)
    return list(colormaps["viridis"](0.9 * np.nan_to_num(share)))


def _colour_bar(ax: Axes, one: Coordinate) -> None:
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    shown = ListedColormap(colormaps["viridis"](np.linspace(0.0, 0.9, 256)))
    scale = ScalarMappable(Normalize(np.nanmin(one.values), np.nanmax(one.values)), shown)
    ax.figure.colorbar(scale, ax=ax, label=one.label or "Spectrum number", pad=0.02, aspect=25)


def _some_curves(
    dataset: xr.Dataset, variable: str, dims: tuple[str, ...]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]]:
    """At most as many spectra as a picture has rows, evenly spread; of a lazy dataset only they are computed."""
    import xarray as xr

    shape = tuple(dataset.sizes[d] for d in dims)
    total = int(np.prod(shape))
    chosen = np.unique(np.linspace(0, total - 1, min(total, _MOST_ROWS)).round().astype(int))
    index = dict(zip(dims, np.unravel_index(chosen, shape), strict=True))
    part = dataset.drop_vars([n for n in dataset.coords if n not in dataset.dims]).isel(
        {d: xr.DataArray(i, dims="spectrum") for d, i in index.items()}
    )
    values = conventions.weighted(part, variable)
    return chosen, np.moveaxis(values, part[variable].dims.index("spectrum"), 0)


def _draw_map(
    ax: Axes,
    x: npt.NDArray[Any],
    one: Coordinate,
    chosen: npt.NDArray[np.intp],
    curves: npt.NDArray[np.float64],
    label: str,
) -> None:
    y = one.values[chosen]
    order = np.argsort(y, kind="stable")
    finite = curves[np.isfinite(curves)]
    low, high = np.percentile(finite, [0.5, 99.5]) if finite.size else (0.0, 1.0)
    mesh = ax.pcolormesh(
        x, y[order], curves[order], shading="nearest", cmap="viridis", vmin=low, vmax=high, rasterized=True
    )
    ax.figure.colorbar(mesh, ax=ax, label=label, pad=0.02, aspect=25, extend="both")
    ax.set_ylabel(one.label or "Spectrum number")
    if chosen.size < one.values.size:
        ax.set_title(f"{chosen.size} of {one.values.size} spectra, evenly spread", loc="right")


def draw_trend(ax: Axes, dataset: xr.Dataset, variable: str) -> None:
    """A number per spectrum, with its uncertainty, against the series; one line for each component, if any."""
    (dim,) = conventions.series_of(dataset, variable)
    others = [str(d) for d in dataset[variable].dims if d != dim]
    one = coordinate(dataset, dim)
    values = dataset[variable].transpose(dim, *others).values.reshape(dataset.sizes[dim], -1)
    named = f"{variable}_sigma"
    sigma = dataset[named].transpose(dim, *others).values.reshape(values.shape) if named in dataset else None
    labelled = bool(others) and others[0] in dataset.coords
    names = [conventions.species_text(n) for n in dataset[others[0]].values] if labelled else []
    for j in range(values.shape[1]):
        error = sigma[:, j] if sigma is not None else None
        _draw_line(ax, one, values[:, j], error, j, names[j] if j < len(names) else None)
    _draw_systematic(ax, one, dataset, variable, [dim, *others])
    if names:  # the best place takes long to find among many points
        ax.legend(loc="best" if len(values) <= _MOST_BARS else "upper right")
    ax.set_ylabel(conventions.variable_label(dataset, variable))
    ax.set_xlabel(one.label)
    if one.names is not None:
        _name_ticks(ax, one.names)


def _draw_line(
    ax: Axes,
    one: Coordinate,
    values: npt.NDArray[np.float64],
    sigma: npt.NDArray[np.float64] | None,
    j: int,
    label: str | None,
) -> None:
    """Points with error bars; a line in a band where there are too many for that."""
    colour = style.COLOURS[j % len(style.COLOURS)]
    if values.size > _MOST_BARS:
        order = np.argsort(one.values, kind="stable")
        x, y = one.values[order], values[order]
        ax.plot(x, y, color=colour, lw=0.8, label=label)
        if sigma is not None:
            ax.fill_between(*_band(x, y, sigma[order]), color=colour, alpha=0.25, lw=0)
        return
    known = sigma is not None and bool(np.isfinite(values + sigma).any())
    ax.errorbar(
        one.values,
        values,
        yerr=sigma if known else None,  # of bars that are all unknown, matplotlib asks for the extent
        color=colour,
        marker="osD^v<>p"[j % 8],
        ls="none" if one.names is not None else "-",
        lw=0.8,
        elinewidth=0.8,
        label=label,
    )


def _draw_systematic(ax: Axes, one: Coordinate, dataset: xr.Dataset, variable: str, dims: list[str]) -> None:
    """Pale bars of what all values may be off by together; the limits stay those of the values and their noise."""
    named = f"{variable}_systematic"
    if named not in dataset or one.values.size > _MOST_BARS:
        return
    shape = (one.values.size, -1)
    values = dataset[variable].transpose(*dims).values.reshape(shape)
    common = np.broadcast_to(dataset[named], dataset[variable].shape) if dataset[named].ndim == 0 else None
    wide = (dataset[named].transpose(*dims).values if common is None else common).reshape(shape)
    limits = ax.get_ylim()
    for j in range(values.shape[1]):
        low, high = values[:, j] - wide[:, j], values[:, j] + wide[:, j]
        known = np.isfinite(high)  # of lines that are unknown, matplotlib asks for the extent
        ax.vlines(
            one.values[known],
            low[known],
            high[known],
            color=style.COLOURS[j % len(style.COLOURS)],
            lw=4,
            alpha=0.2,
            zorder=0,
        )
    ax.set_ylim(limits)


def _band(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], sigma: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """One standard uncertainty to either side; of very long series its hull over as many neighbours as share a pixel."""
    first = np.arange(0, x.size, max(x.size // _MOST_STEPS, 1))
    low, high = np.fmin.reduceat(y - sigma, first), np.fmax.reduceat(y + sigma, first)
    return x[first], low, high


def _name_ticks(ax: Axes, names: tuple[str, ...]) -> None:
    ax.set_xticks(range(len(names)), names)
    if max(map(len, names)) * len(names) > 45:
        for label in ax.get_xticklabels():
            label.set(rotation=30, ha="right", rotation_mode="anchor")
    ax.tick_params(axis="x", which="minor", bottom=False, top=False)
    ax.set_xlim(-0.5, len(names) - 0.5)


def draw_image(ax: Axes, dataset: xr.Dataset, variable: str, axes: tuple[str, str]) -> None:
    """A quantity over two axes, R and k for example."""
    down, across = axes
    values = dataset[variable].transpose(down, across).values.astype(float)
    mesh = ax.pcolormesh(
        dataset[across].values, dataset[down].values, values, shading="nearest", cmap="viridis", rasterized=True
    )  # fmt: skip
    ax.figure.colorbar(mesh, ax=ax, label=conventions.variable_label(dataset, variable), pad=0.02, aspect=25)
    ax.set_xlabel(conventions.axis_label(dataset, across))
    ax.set_ylabel(conventions.axis_label(dataset, down))
