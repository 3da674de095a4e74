"""The registered shapes as lmfit models: composed with ``+``, bounded and tied as lmfit does it."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Literal

from spectra.errors import InvalidInput
from spectra.fitting.shapes import Shape, shape
from spectra.fitting.tails import TAILS, loss_of, tail_below

if TYPE_CHECKING:
    import lmfit

__all__ = ["shape_model"]


def shape_model(
    name: str,
    *,
    prefix: str = "",
    degree: int | None = None,
    background: Literal["shirley", "slope", "tougaard"] | None = None,
    loss: tuple[float, float, float, float] | None = None,
) -> lmfit.Model:
    """An ``lmfit.Model`` of a registered line shape.

    Parameters
    ----------
    name : str
        A shape: ``"voigt"``, ``"sgl"``, ``"doniach"``, ``"erf_step"``, ...; ``spectra.fitting.list_shapes()`` has all.
    prefix : str
        Put before every parameter's name, so that shapes can be added: ``"a_"``.
    degree : int, optional
        Degree of a polynomial, 0 to 7. Other shapes have none.
    background : {"shirley", "slope", "tougaard"}, optional
        A peak with a background of its own: at each point ``shirley`` times the area of the peak below it; ``slope``
        times the integral of that area; or ``tougaard`` (B) times the tail of the peak by energy losses.
    loss : (float, float, float, float), optional
        For ``tougaard``: (C, D, T0, C') of the cross section B T / ((C + C' T²)² + D T²).

    Returns
    -------
    lmfit.Model
        Start values, limits and what is fixed are in its parameter hints; ``model.make_params()`` applies them.

    Raises
    ------
    InvalidInput
        Unknown shape, or a degree where there is none.

    Examples
    --------
    >>> from spectra.fitting import shape_model
    >>> model = shape_model("voigt", prefix="a_") + shape_model("polynomial", degree=1)
    >>> list(model.make_params(a_position=641.2))
    ['a_position', 'a_area', 'a_fwhm_g', 'a_fwhm_l', 'c0', 'c1', 'origin']
    """
    import lmfit

    found = shape(name)
    names = parameter_names(found, degree, background)
    section = loss_of({"background": background, "loss": loss})
    function = found.function if background is None else _with_tail(found, background, section)
    model = lmfit.Model(function, independent_vars=["x"], param_names=list(names), prefix=prefix, name=name)
    for p in (*found.parameters, *TAILS.values()):
        if p.name in names:
            model.set_param_hint(p.name, value=p.value, min=p.min, max=p.max, vary=p.vary)
    return model


def _with_tail(found: Shape, background: str, loss: tuple[float, ...] | None) -> Any:
    """The peak with its background."""
    import numpy as np

    strength = TAILS[background]

    def with_tail(x: Any, **parameters: float) -> Any:
        behind = parameters.pop(background, strength.value)
        peak = np.asarray(found.function(x, **parameters))
        return peak + behind * tail_below(background, np.asarray(x, float), peak, loss)

    with_tail.peak = found.function  # type: ignore[attr-defined]  # by which it is known again
    with_tail.loss = loss  # type: ignore[attr-defined]
    known = inspect.signature(found.function)  # lmfit looks for parameters by name
    last = inspect.Parameter(background, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=strength.value)
    with_tail.__signature__ = known.replace(parameters=[*known.parameters.values(), last])  # type: ignore[attr-defined]
    return with_tail


def parameter_names(found: Shape, degree: int | None, background: str | None = None) -> tuple[str, ...]:
    """Parameters of a shape, without the coefficients above a polynomial's degree, with that of its background."""
    if background is not None:
        if background not in TAILS or not found.peak:
            raise InvalidInput(
                f"background of {found.name} is {background!r}; a peak may have 'shirley', 'slope' or 'tougaard', other "
                "shapes none."
            )
        return (*found.names, background)
    if found.name != "polynomial":
        if degree is not None:
            raise InvalidInput(f"{found.name} has no degree, got degree={degree}; only polynomial has one.")
        return found.names
    highest = len(found.names) - 2
    if degree is None or not 0 <= degree <= highest:
        raise InvalidInput(f"a polynomial needs a degree from 0 to {highest}, got {degree}.")
    return (*(f"c{k}" for k in range(degree + 1)), "origin")


def model_options(found: Shape, model: Any) -> dict[str, Any]:
    """What besides name and prefix describes a model made here."""
    if found.name != "polynomial":
        tail = next((name for name in TAILS if name in model._param_root_names), None)
        loss = getattr(model.func, "loss", None)
        return ({"background": tail} if tail else {}) | ({"loss": loss} if loss else {})
    coefficients = [n for n in model._param_root_names if n.startswith("c")]
    return {"degree": len(coefficients) - 1}
