"""How figures look: legible in a printed supplement, told apart by every eye, and without pyplot's global state."""

from __future__ import annotations

import contextvars
import functools
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np

from spectra.errors import InvalidInput

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "COLOURS", "DATA", "FIT", "FLOOR", "WIDTHS", "column_width", "figure_of", "new_axes", "new_figure", "png", "saved",
    "sequence", "styled",
]  # fmt: skip

P = ParamSpec("P")
R = TypeVar("R")

#: Okabe & Ito's colours, told apart with any colour vision (doi:10.1038/nmeth.1618), without black and yellow.
COLOURS = ("#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255", "#999933", "#44AA99")
DATA, FIT, FLOOR = "#333333", "#D55E00", "#777777"

_RC: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.labelsize": 9.0,
    "axes.titlesize": 9.0,
    "axes.linewidth": 0.8,
    "axes.formatter.useoffset": False,
    "axes.formatter.limits": (-4, 5),
    "axes.formatter.use_mathtext": True,
    "legend.fontsize": 8.0,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "xtick.minor.visible": True,
    "ytick.minor.visible": True,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "errorbar.capsize": 2.0,
    "figure.dpi": 100.0,
    "svg.hashsalt": "spectra",
    "svg.fonttype": "none",
}


#: Columns of a journal in mm; figures that are made for one have its width and letters of 7 points.
WIDTHS = {"single": 85.0, "double": 174.0}
_SMALL = {"font.size": 7.0, "axes.labelsize": 7.0, "axes.titlesize": 7.0, "legend.fontsize": 6.0, "xtick.labelsize": 6.5,
          "ytick.labelsize": 6.5, "lines.linewidth": 1.0, "lines.markersize": 2.6, "axes.linewidth": 0.6}  # fmt: skip
_wanted: contextvars.ContextVar[float | None] = contextvars.ContextVar("figure_width", default=None)


@contextmanager
def column_width(width: str | None) -> Iterator[None]:
    """Make every new figure as wide as a journal's column, ``single`` or ``double``; None: as it is on a screen."""
    if width is not None and width not in WIDTHS:
        raise InvalidInput(f"the width of a figure is one of {', '.join(WIDTHS)}, got {width!r}.")
    before = _wanted.set(None if width is None else WIDTHS[width] / 25.4)
    try:
        yield
    finally:
        _wanted.reset(before)


@contextmanager
def _rc() -> Iterator[None]:
    import matplotlib

    settings: dict[Any, Any] = {**matplotlib.rcParamsDefault, **_RC, **(_SMALL if _wanted.get() else {})}
    del settings["backend"]  # the user's own stays: no context puts it back
    with matplotlib.rc_context(settings):
        yield


def styled(function: Callable[P, R]) -> Callable[P, R]:
    """Run ``function`` with this style in force and put the user's own back."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        with _rc():
            return function(*args, **kwargs)

    return call


def new_figure(width: float = 5.0, height: float = 3.4) -> Figure:
    """A figure (inches) that belongs to nobody's pyplot; a notebook shows it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from spectra.report.shown import ShownFigure

    wanted = _wanted.get()
    if wanted is not None:
        width, height = wanted, wanted * max(height / width, 0.62 if wanted < 4 else 0.4)
    figure = ShownFigure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def new_axes(width: float = 5.0, height: float = 3.4) -> Axes:
    """The one panel of a new figure."""
    return new_figure(width, height).add_subplot()


def sequence(n: int) -> list[Any]:
    """``n`` colours from dark to light in the order of a series; the palest end is left out on white paper."""
    from matplotlib import colormaps

    return list(colormaps["viridis"](np.linspace(0.0, 0.9, max(n, 1))))


@styled
def png(drawn: Figure | Axes, *, dpi: int = 160) -> bytes:
    """The figure (or the one that a panel belongs to) as a PNG file; the same figure gives the same bytes."""
    return saved(drawn, "png", dpi=dpi)


@styled
def saved(drawn: Figure | Axes, format: str, *, dpi: int = 160) -> bytes:
    """The figure as a file: ``png``, ``svg`` or ``pdf``, without a date, its letters still letters."""
    figure = figure_of(drawn)
    buffer = io.BytesIO()
    known = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
    figure.savefig(buffer, format=format, dpi=dpi, metadata=known[format])
    return buffer.getvalue()


def figure_of(drawn: Figure | Axes) -> Figure:
    """The figure that a panel belongs to."""
    from matplotlib.axes import Axes

    figure = drawn.get_figure(root=True) if isinstance(drawn, Axes) else drawn
    if figure is None:
        raise InvalidInput("this panel belongs to no figure any more: draw it anew.")
    return figure
