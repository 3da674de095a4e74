"""The registered shapes as lmfit models: composed with ``+``, bounded and tied as lmfit does it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spectra.errors import InvalidInput
from spectra.fitting.shapes import Shape, shape

if TYPE_CHECKING:
    import lmfit

__all__ = ["shape_model"]


def shape_model(name: str, *, prefix: str = "", degree: int | None = None) -> lmfit.Model:
    """An ``lmfit.Model`` of a registered line shape.

    Parameters
    ----------
    name : str
        A shape: ``"voigt"``, ``"sgl"``, ``"doniach"``, ``"erf_step"``, ...; ``spectra.fitting.list_shapes()`` has all.
    prefix : str
        Put before every parameter's name, so that shapes can be added: ``"a_"``.
    degree : int, optional
        Degree of a polynomial, 0 to 7. Other shapes have none.

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
    names = parameter_names(found, degree)
    model = lmfit.Model(
        found.function, independent_vars=["x"], param_names=list(names), prefix=prefix, name=name
    )
    for p in found.parameters:
        if p.name in names:
            model.set_param_hint(p.name, value=p.value, min=p.min, max=p.max, vary=p.vary)
    return model


def parameter_names(found: Shape, degree: int | None) -> tuple[str, ...]:
    """Parameters of a shape, without the coefficients above a polynomial's degree."""
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
        return {}
    coefficients = [n for n in model._param_root_names if n.startswith("c")]
    return {"degree": len(coefficients) - 1}
