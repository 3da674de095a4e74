"""The figures of a dataset that a report shows, in the order a reader asks for them."""

from __future__ import annotations

import functools
import importlib.metadata
import logging
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from spectra.dataset import failed, series_dims
from spectra.errors import InvalidInput, WriteError
from spectra.report import conventions, style
from spectra.report.figures import plot, spectrum_name
from spectra.report.methods import simulated

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "Drawing", "Picture", "drawings", "fits_to_show", "gallery", "standing_pictures", "write_figures", "write_overview",
    "write_pictures",
]  # fmt: skip

_FORMATS = ("png", "svg", "pdf")
_log = logging.getLogger(__name__)

#: Of a dataset: (name, caption, figure) of each.
_Figures = Callable[["xr.Dataset"], Iterable[tuple[str, str, Any]]]


@dataclass(frozen=True)
class Drawing:
    """A figure that can be drawn, with the name of its file and a caption."""

    name: str
    caption: str
    draw: Callable[[Any], Any]  # in a panel, or with None in a figure of its own
    fills_a_panel: bool = True  # and the page of a report draws the same from the numbers


@dataclass(frozen=True)
class Picture:
    """A figure with the name of its file and a caption."""

    name: str
    caption: str
    png: bytes
    redrawn: bool = True  # the page of a report draws the same from the numbers


def gallery(dataset: xr.Dataset, *, fits: int = 6) -> Iterator[Picture]:
    """Curves, fits and trends of a dataset, each as a picture."""
    yield from _pictures(drawings(dataset, fits=fits))


def standing_pictures(dataset: xr.Dataset) -> Iterator[Picture]:
    """What a page shows that draws nothing: a fit, or else a curve, and the trend most wanted; and what only techniques draw.

    All else the page draws from the numbers, on paper too: a picture takes a third of a second, and a page as many
    spectra as one likes.
    """
    first = [*_curves(dataset)][-1:] if "best_fit" not in dataset else _fits(dataset, 1)
    yield from _pictures([*first, *_trends(dataset, 1), *_others(dataset)])


def _pictures(drawn: Iterable[Drawing]) -> Iterator[Picture]:
    for one in drawn:
        yield Picture(one.name, one.caption, style.png(one.draw(None)), redrawn=one.fills_a_panel)


def drawings(dataset: xr.Dataset, *, fits: int = 6) -> Iterator[Drawing]:
    """Curves, fits and trends of a dataset, each ready to be drawn."""
    yield from _curves(dataset)
    yield from _fits(dataset, fits)
    yield from _others(dataset)
    yield from _trends(dataset)


def _curves(dataset: xr.Dataset) -> Iterator[Drawing]:
    curves = conventions.shown_curves(dataset)
    zoomed = [name for name in curves if conventions.zoom(dataset, name)][-1:]
    for name in curves:
        caption = f"{_caption(dataset, name)}{_extent(dataset)}"
        yield Drawing(name, f"{caption}.", _drawn(dataset, name))
        if name in zoomed:
            yield Drawing(f"{name}_zoom", f"{caption}, near the edge.", _drawn(_part(dataset, name), name))


def _fits(dataset: xr.Dataset, most: int) -> Iterator[Drawing]:
    dims = series_dims(dataset)
    shape = tuple(dataset.sizes[d] for d in dims)
    for flat in fits_to_show(dataset, most):
        places = np.unravel_index(flat, shape) if dims else ()
        index = {d: int(i) for d, i in zip(dims, places, strict=True)}
        place = "_".join(str(i) for i in index.values())
        told = conventions.plain_text(spectrum_name(dataset, **index))
        caption = "Fit with its components; residual on top" + (f": {told}." if told else ".")
        yield Drawing(f"fit_{place}".strip("_"), caption, _drawn(dataset, "best_fit", **index))


def _others(dataset: xr.Dataset) -> Iterator[Drawing]:
    for source, figures in _of_techniques().items():
        yield from _drawn_by(source, figures, dataset)


def _drawn_by(source: str, figures: _Figures, dataset: xr.Dataset) -> Iterator[Drawing]:
    """What a technique draws; where it cannot, the report is written with the reason in the figure's place."""
    try:
        made = list(figures(dataset))
    except (
        Exception
    ) as error:  # whatever a figure of a technique or of a third party does, the results are to be read
        _log.warning("a figure of %s could not be drawn", source, exc_info=True)
        why = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        caption = f"A figure of {source} could not be drawn ({why}); the results are not touched by it."
        yield Drawing(f"{source}_not_drawn", caption, lambda ax: _note("not drawn"), fills_a_panel=False)
        return
    for name, caption, figure in made:
        yield Drawing(name, caption, functools.partial(_ready, figure), fills_a_panel=False)


@style.styled
def _note(text: str) -> Any:
    """A small figure that says why there is no other."""
    ax = style.new_axes(5.0, 0.8)
    ax.set_axis_off()
    ax.text(0.5, 0.5, text, ha="center", va="center", color=style.FLOOR)
    return ax


def _drawn(dataset: xr.Dataset, name: str, **index: int) -> Callable[[Any], Any]:
    return lambda ax: plot(dataset, name, ax=ax, **index)


def _ready(figure: Any, ax: Any) -> Any:
    return figure


@functools.cache
def _of_techniques() -> dict[str, _Figures]:
    """Figures that only a technique knows to draw, by the name under which it announces them."""
    entries = importlib.metadata.entry_points(group="spectra.figures")
    return {entry.name: entry.load() for entry in sorted(entries, key=lambda entry: entry.name)}


def write_pictures(folder: str | Path, pictures: Iterable[Picture], *, prefix: str = "") -> list[Path]:
    """Write figures as PNG files into a folder, which is made if it is not there."""
    return _written(folder, ((f"{prefix}{picture.name}.png", picture.png) for picture in pictures))


def write_figures(
    folder: str | Path,
    dataset: xr.Dataset,
    *,
    format: Literal["png", "svg", "pdf"] = "png",
    width: Literal["single", "double"] | None = None,
    fits: int = 6,
    prefix: str = "",
) -> list[Path]:
    """Write the figures of a dataset as files for a paper.

    Parameters
    ----------
    folder : path
        Made if it is not there.
    dataset : xarray.Dataset
    format : {"png", "svg", "pdf"}
        PNG with 600 points per inch where a width is given, else 160.
    width : {"single", "double"}, optional
        85 or 174 mm, a journal's column or page, with letters of 7 points. Default: the width on the page of a report.
    fits : int
        Fits drawn: the failed ones first, the others evenly spread.
    prefix : str
        Put before the name of every file.

    Returns
    -------
    list of Path

    Raises
    ------
    InvalidInput
        A width that is none of these.
    WriteError
        If the folder or a file cannot be written.
    """
    if format not in _FORMATS:
        raise InvalidInput(f"the format of a figure is one of {', '.join(_FORMATS)}, got {format!r}.")
    dpi = 160 if width is None else 600
    with style.column_width(width):
        files = [
            (f"{prefix}{one.name}.{format}", style.saved(one.draw(None), format, dpi=dpi))
            for one in drawings(dataset, fits=fits)
        ]
    return _written(folder, files)


def _written(folder: str | Path, files: Iterable[tuple[str, bytes]]) -> list[Path]:
    from spectra.results.atomic import replace_file

    place = Path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"the folder {place} cannot be made: {error.strerror}.") from error
    return [replace_file(place / name, content) for name, content in files]


@style.styled
def write_overview(path: str | Path, panels: Sequence[tuple[xr.Dataset, str, str]]) -> Path:
    """One picture of several results: a panel for each (dataset, variable, title), side by side."""
    from spectra.results.atomic import replace_file

    figure = style.new_figure(3.7 * len(panels), 3.4)
    parts = np.atleast_1d(np.asarray(figure.subfigures(1, len(panels), wspace=0.03), dtype=object))
    for part, (dataset, variable, title) in zip(parts, panels, strict=True):
        ax = part.add_subplot()
        plot(_part(dataset, variable), variable, ax=ax)
        told = simulated(dataset).partition(" ")[0]
        name = conventions.literal(title)
        ax.set_title(f"{name} ({told})" if told else name, loc="left")
    return replace_file(path, style.png(figure, dpi=200))


def _part(dataset: xr.Dataset, name: str) -> xr.Dataset:
    """The part of the axis that the field looks at first, if it has one."""
    window = conventions.zoom(dataset, name)
    if window is None:
        return dataset
    return dataset.sel({conventions.axes_of(dataset, name)[0]: slice(*window)})


def _caption(dataset: xr.Dataset, name: str) -> str:
    label = conventions.plain_text(conventions.short_label(dataset, name))
    return f"{label[:1].upper()}{label[1:]}" if label[1:2].isalpha() else label


def _extent(dataset: xr.Dataset) -> str:
    dims = series_dims(dataset)
    return f" of the {int(np.prod([dataset.sizes[d] for d in dims]))} spectra" if dims else ""


def fits_to_show(dataset: xr.Dataset, most: int) -> list[int]:
    """Flat places of spectra whose fit is shown: those that failed first, then evenly spread ones, in their order."""
    if "best_fit" not in dataset or most < 1:
        return []
    bad = np.flatnonzero(np.asarray(failed(dataset).values).ravel())
    good = np.setdiff1d(np.arange(math.prod(dataset.sizes[d] for d in series_dims(dataset))), bad)
    bad = bad[: most // 2 if good.size else most]
    spread = np.linspace(0, good.size - 1, min(most - bad.size, good.size)).round().astype(int)
    return sorted([*bad.tolist(), *good[np.unique(spread)].tolist()])


def _trends(dataset: xr.Dataset, most: int | None = None) -> Iterator[Drawing]:
    dims = series_dims(dataset)
    if len(dims) != 1 or dataset.sizes[dims[0]] < 2:
        return
    names = [n for n in conventions.trends(dataset) if dataset[n].ndim <= 2]
    names = [n for n in names if np.isfinite(dataset[n].values).any()]
    for name in names[:most]:
        bars = "; bars are one standard uncertainty" if f"{name}_sigma" in dataset else ""
        bars += ", pale ones what all may be off by together" if f"{name}_systematic" in dataset else ""
        yield Drawing(name, f"{_caption(dataset, name)} along the series{bars}.", _drawn(dataset, name))
