"""The registry of line shapes: what each is called, its parameters, and what they mean.

A shape is a pure NumPy function ``(x, **parameters)`` and a compiled kernel with analytic derivatives, known to the
engine by a number (``kind``). Widths are full widths at half maximum of what their name says: ``fwhm`` of the whole
line, ``fwhm_g`` of its Gaussian part, ``fwhm_l`` of its Lorentzian part. ``area`` is the integral over all x wherever
it is finite; a shape of infinite area has an ``amplitude`` instead.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spectra.errors import InvalidInput, did_you_mean

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

__all__ = ["Parameter", "Shape", "list_shapes", "register", "shape"]


@dataclass(frozen=True)
class Parameter:
    """One parameter of a shape: start value, limits, and whether a fit varies it unless told otherwise."""

    name: str
    value: float
    meaning: str
    min: float = -math.inf
    max: float = math.inf
    vary: bool = True


@dataclass(frozen=True)
class Shape:
    """A line shape.

    ``function`` draws it with NumPy; ``kind`` is its number in the compiled kernels, which take the parameters in
    the order of ``parameters``.
    """

    name: str
    function: Callable[..., Any]
    kind: int
    parameters: tuple[Parameter, ...]
    peak: bool  # has a maximum, a height and a width
    symmetric: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters, in the order of the kernel."""
        return tuple(p.name for p in self.parameters)

    @property
    def summary(self) -> str:
        """First line of the function's description."""
        return (self.function.__doc__ or "").strip().partition("\n")[0]

    def with_derivatives(self, x: npt.ArrayLike, **parameters: float) -> tuple[Floats, Floats]:
        """The curve at ``x`` (n,) and its derivative by every parameter (parameter, n), from the compiled kernel."""
        import numpy as np

        from spectra.fitting.curves import draw_shape

        for name in parameters:
            if name not in self.names:
                raise InvalidInput(
                    f"{self.name} has no parameter {name!r}; {did_you_mean(name, self.names)}."
                )
        values = [float(parameters.get(p.name, p.value)) for p in self.parameters]
        curve, slopes = draw_shape(self.kind, np.array(x, float), np.array(values))
        return curve, slopes


_SHAPES: dict[str, Shape] = {}


def register(
    kind: int, *parameters: Parameter, peak: bool = True, symmetric: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter the decorated function into the registry under its own name."""

    def enter(function: Callable[..., Any]) -> Callable[..., Any]:
        name = function.__name__
        _SHAPES[name] = Shape(name, function, kind, parameters, peak, symmetric)
        return function

    return enter


def list_shapes() -> dict[str, Shape]:
    """Every registered shape by name."""
    # each module enters its shapes when it is imported
    import spectra.fitting.asymmetric
    import spectra.fitting.lineshapes
    import spectra.fitting.steps  # noqa: F401

    return dict(_SHAPES)


def shape(name: str) -> Shape:
    """The registered shape called ``name``."""
    shapes = list_shapes()
    if name not in shapes:
        raise InvalidInput(f"no line shape {name!r}; {did_you_mean(name, shapes)}.")
    return shapes[name]
