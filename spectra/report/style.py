"""How figures look: legible in a printed supplement, told apart by every eye, and without pyplot's global state."""

from __future__ import annotations

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

__all__ = ["COLOURS", "DATA", "FIT", "FLOOR", "new_axes", "new_figure", "png", "sequence", "styled"]

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
}


@contextmanager
def _rc() -> Iterator[None]:
    import matplotlib

    settings: dict[Any, Any] = {**matplotlib.rcParamsDefault, **_RC}
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
    """A figure (inches) that belongs to nobody's pyplot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
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
    from matplotlib.axes import Axes

    figure = drawn.get_figure(root=True) if isinstance(drawn, Axes) else drawn
    if figure is None:
        raise InvalidInput("this panel belongs to no figure any more: draw it anew.")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()
