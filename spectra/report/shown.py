"""A figure and its panels that a notebook shows when a cell ends with one; pyplot knows nothing of them."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["Panel", "ShownFigure"]

#: Points per inch on a screen.
_DPI = 110


class Panel(Axes):
    """A panel that shows the whole figure it belongs to."""

    name = "spectra"

    def _repr_png_(self) -> bytes:
        from spectra.report.style import png

        return png(self, dpi=_DPI)


class ShownFigure(Figure):
    """A figure whose panels show it."""

    def _repr_png_(self) -> bytes:
        from spectra.report.style import png

        return png(self, dpi=_DPI)

    def add_subplot(self, *args: Any, **kwargs: Any) -> Any:
        """A panel of this figure, unless another kind is asked for."""
        if not {"projection", "polar", "axes_class"} & set(kwargs):
            kwargs["axes_class"] = Panel
        return super().add_subplot(*args, **kwargs)
