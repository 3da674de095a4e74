"""The figures of a dataset that a report shows, in the order a reader asks for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spectra.dataset import failed, series_dims, signal_name
from spectra.report import conventions, style
from spectra.report.figures import plot, spectrum_name
from spectra.report.methods import simulated
from spectra.report.series import draw_trend

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Picture", "gallery", "write_overview", "write_pictures"]


@dataclass(frozen=True)
class Picture:
    """A figure with the name of its file and a caption."""

    name: str
    caption: str
    png: bytes


def gallery(dataset: xr.Dataset, *, fits: int = 6) -> Iterator[Picture]:
    """Curves, fits and trends of a dataset, each as a picture."""
    for name in _curves(dataset):
        caption = conventions.short_label(dataset, name)
        yield Picture(name, f"{caption[:1].upper()}{caption[1:]}{_extent(dataset)}.", _single(dataset, name))
    for index in _fits_to_show(dataset, fits):
        place = "_".join(str(i) for i in index.values())
        told = spectrum_name(dataset, **index)
        caption = "Fit with its components; residual on top" + (f": {told}." if told else ".")
        ax = plot(dataset, "best_fit", ax=None, **index)
        yield Picture(f"fit_{place}".strip("_"), caption, style.png(ax))
    yield from _trends(dataset)


def write_pictures(folder: str | Path, dataset: xr.Dataset, *, prefix: str = "", fits: int = 3) -> list[Path]:
    """Write the figures of a dataset as PNG files into an existing folder."""
    from spectra.results.atomic import replace_file

    return [
        replace_file(Path(folder) / f"{prefix}{picture.name}.png", picture.png)
        for picture in gallery(dataset, fits=fits)
    ]


@style.styled
def write_overview(path: str | Path, panels: Sequence[tuple[xr.Dataset, str, str]]) -> Path:
    """One picture of several results: a panel for each (dataset, variable, title), side by side."""
    from spectra.results.atomic import replace_file

    figure = style.new_figure(3.6 * len(panels), 3.3)
    for i, (dataset, variable, title) in enumerate(panels, 1):
        ax = figure.add_subplot(1, len(panels), i)
        plot(dataset, variable, ax=ax)
        told = simulated(dataset).partition(" ")[0]
        ax.set_title(f"{title} ({told})" if told else title, loc="left")
    return replace_file(path, style.png(figure, dpi=200))


def _curves(dataset: xr.Dataset) -> list[str]:
    """What was measured and every curve of the default list, the fit aside."""
    wanted = [signal_name(dataset), *reversed(conventions.default_variables())]
    return [n for n in dict.fromkeys(wanted) if n in dataset and n != "best_fit"]


def _extent(dataset: xr.Dataset) -> str:
    dims = series_dims(dataset)
    return f" of the {int(np.prod([dataset.sizes[d] for d in dims]))} spectra" if dims else ""


def _single(dataset: xr.Dataset, name: str) -> bytes:
    return style.png(plot(dataset, name))


def _fits_to_show(dataset: xr.Dataset, most: int) -> list[dict[str, int]]:
    """Spectra whose fit is shown: those that failed first, then evenly spread ones, in the order of the series."""
    if "best_fit" not in dataset or most < 1:
        return []
    dims = series_dims(dataset)
    shape = tuple(dataset.sizes[d] for d in dims)
    bad = np.flatnonzero(np.asarray(failed(dataset).values).ravel())[: max(most // 2, 1)]
    total = int(np.prod(shape))
    spread = np.unique(np.linspace(0, total - 1, min(most, total)).round().astype(int))
    chosen = sorted(dict.fromkeys([*bad.tolist(), *spread.tolist()][:most]))
    return [
        {d: int(i) for d, i in zip(dims, np.unravel_index(flat, shape) if dims else (), strict=True)}
        for flat in chosen
    ]


@style.styled
def _trends(dataset: xr.Dataset) -> Iterator[Picture]:
    dims = series_dims(dataset)
    names = [str(n) for n in dataset.data_vars if conventions.is_trend(dataset, str(n))]
    if len(dims) != 1 or dataset.sizes[dims[0]] < 2:
        return
    for name in sorted(names, key=lambda n: f"{n}_sigma" not in dataset):
        values = dataset[name].values
        if not np.isfinite(values).any() or dataset[name].ndim > 2:
            continue
        ax = style.new_axes()
        draw_trend(ax, dataset, name)
        label = conventions.short_label(dataset, name)
        bars = "; bars are one standard uncertainty" if f"{name}_sigma" in dataset else ""
        yield Picture(name, f"{label[:1].upper()}{label[1:]} along the series{bars}.", style.png(ax))
