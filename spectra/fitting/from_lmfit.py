"""lmfit's models read into a written model, and a written model built as lmfit's."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from spectra.errors import InvalidInput, did_you_mean
from spectra.fitting.expressions import CannotCompile, prefixed
from spectra.fitting.models import model_options, shape_model
from spectra.fitting.shapes import list_shapes
from spectra.fitting.spec import Component, Model, Setting

if TYPE_CHECKING:
    import lmfit

__all__ = [
    "LMFIT_EXPRESSIONS",
    "LMFIT_SHAPES",
    "build",
    "describe",
    "lmfit_component",
    "lmfit_pair",
    "setting_of",
]

_GAUSS = repr(2 * math.sqrt(2 * math.log(2)))

#: lmfit's models that are one of our shapes: ours in terms of lmfit's parameters.
LMFIT_SHAPES: dict[str, tuple[str, dict[str, str]]] = {
    "GaussianModel": ("gaussian", {"position": "center", "area": "amplitude", "fwhm": f"{_GAUSS}*sigma"}),
    "LorentzianModel": ("lorentzian", {"position": "center", "area": "amplitude", "fwhm": "2*sigma"}),
    "VoigtModel": (
        "voigt",
        {"position": "center", "area": "amplitude", "fwhm_g": f"{_GAUSS}*sigma", "fwhm_l": "2*gamma"},
    ),
    "PseudoVoigtModel": (
        "pseudo_voigt",
        {"position": "center", "area": "amplitude", "fwhm": "2*sigma", "fraction": "fraction"},
    ),
    "ConstantModel": ("polynomial", {"c0": "c"}),
    "LinearModel": ("polynomial", {"c0": "intercept", "c1": "slope"}),
    "QuadraticModel": ("polynomial", {"c0": "c", "c1": "b", "c2": "a"}),
    "ExponentialModel": ("exponential", {"amplitude": "amplitude", "decay": "decay"}),
    "PowerLawModel": ("power_law", {"amplitude": "amplitude", "exponent": "exponent"}),
}

_STEPS = {
    "atan": "amplitude*(0.5+atan((x-center)/sigma)/pi)",
    "arctan": "amplitude*(0.5+atan((x-center)/sigma)/pi)",
    "erf": "amplitude*0.5*(1+erf((x-center)/sigma))",
    "logistic": "amplitude*0.5*(1+tanh((x-center)/sigma/2))",
    "linear": "amplitude*min(1,max(0,(x-center)/sigma+0.5))",
}

#: lmfit's models that are written as a formula; where there are several forms, by form.
LMFIT_EXPRESSIONS: dict[str, str | dict[str, str]] = {
    "BreitWignerModel": "amplitude*(q*sigma/2+x-center)**2/((sigma/2)**2+(x-center)**2)",
    "DoniachModel": "amplitude/sigma**(1-gamma)*cos(pi*gamma/2+(1-gamma)*atan((x-center)/sigma))"
    "/(1+((x-center)/sigma)**2)**((1-gamma)/2)",
    "MoffatModel": "amplitude/(((x-center)/sigma)**2+1)**beta",
    "SineModel": "amplitude*sin(shift+x*frequency)",
    "SkewedGaussianModel": "amplitude/(sigma*sqrt(2*pi))*exp(-((x-center)/sigma)**2/2)"
    "*(1+erf(gamma*(x-center)/(sigma*sqrt(2))))",
    "StepModel": _STEPS,
}


def describe(model: lmfit.Model, params: Mapping[str, Any] | None = None) -> Model:
    """The lmfit model as a written one.

    Raises
    ------
    CannotCompile
        The model holds a Python function, or combines components otherwise than by adding them.
    """
    parameters = params if params is not None else model.make_params()
    settings = {name: setting_of(p) for name, p in parameters.items()}
    return Model(tuple(_describe(part) for part in _summands(model)), settings)


def setting_of(parameter: Any) -> Setting:
    """One of lmfit's parameters, written; what an expression gives now is no part of it."""
    low, high = float(parameter.min), float(parameter.max)
    if parameter.expr:
        return Setting(min=low, max=high, expr=parameter.expr)
    return Setting(float(parameter.value), low, high, bool(parameter.vary))


def _summands(model: Any) -> list[Any]:
    if not hasattr(model, "op"):
        return [model]
    if model.op.__name__ != "add":
        raise CannotCompile(f"components combined by {model.op.__name__}; the engine adds them")
    return [*_summands(model.left), *_summands(model.right)]


def _describe(model: Any) -> Component:
    name, module = type(model).__name__, type(model).__module__
    for known in list_shapes().values():
        if known.function in (model.func, getattr(model.func, "peak", None)):
            return Component("shape", known.name, model.prefix, model_options(known, model))
    if list(model.independent_vars)[:1] != ["x"]:
        raise CannotCompile(f"{model.name} depends on {', '.join(model.independent_vars)}, not on x")
    if name == "ExpressionModel":
        return Component("expression", model.expr, "")
    if module != "lmfit.models":
        raise CannotCompile(f"{model.name} is a Python function")
    component = Component("lmfit", name, model.prefix, _options(model))
    try:
        again = lmfit_component(component)
    except TypeError:  # it takes more than a table can say
        again = None
    # make_params has added the hinted names to a model that was used, so a fresh one may have fewer
    if again is None or not set(again.param_names) <= set(model.param_names):
        raise CannotCompile(f"{model.name} cannot be written as a table")
    return component


def _options(model: Any) -> dict[str, Any]:
    """What besides its name and prefix makes one of lmfit's models."""
    if hasattr(model, "poly_degree"):
        return {"degree": int(model.poly_degree)}
    return {"form": str(model.opts["form"])} if "form" in model.opts else {}


def lmfit_component(component: Component) -> lmfit.Model:
    """One component as an lmfit model."""
    import lmfit

    if component.source == "shape":
        return shape_model(component.name, prefix=component.prefix, **component.options)
    if component.source == "expression":
        return lmfit.models.ExpressionModel(prefixed(component.name, component.prefix))
    known = {n for n, c in inspect.getmembers(lmfit.models, inspect.isclass) if issubclass(c, lmfit.Model)}
    if component.name not in known:
        raise InvalidInput(f"lmfit has no model {component.name!r}; {did_you_mean(component.name, known)}.")
    make = getattr(lmfit.models, component.name)
    return make(prefix=component.prefix, **component.options)


def lmfit_pair(model: Any, params: Mapping[str, Any] | None) -> tuple[lmfit.Model, lmfit.Parameters]:
    """A model that cannot be written, and its parameters as ``lmfit.Parameters`` of their own."""
    import lmfit

    made = model.make_params()
    for name, given in (params or {}).items():
        if not hasattr(given, "vary"):
            if name not in made:
                raise InvalidInput(f"the model has no parameter {name!r}; {did_you_mean(name, made)}.")
            made[name].set(**(given if isinstance(given, Mapping) else {"value": given}))
    if params and all(hasattr(p, "vary") for p in params.values()):
        made = lmfit.Parameters(usersyms=_user_symbols(params))
        for p in params.values():
            made.add(p.name, value=p.value, vary=p.vary, min=p.min, max=p.max)
        for p in params.values():
            if p.expr:
                made[p.name].set(expr=p.expr)
    return model, made


def _user_symbols(params: Mapping[str, Any]) -> dict[str, Any]:
    """What the user added to the language of lmfit's expressions."""
    interpreters = [p._expr_eval for p in params.values() if getattr(p, "_expr_eval", None) is not None]
    if not interpreters:
        return {}
    symbols = interpreters[0]
    return {n: symbols.symtable[n] for n in symbols.user_defined_symbols() if n not in params}


def build(model: Model) -> tuple[lmfit.Model, lmfit.Parameters]:
    """The written model as lmfit's ``Model`` and ``Parameters``."""
    import lmfit

    parts = [lmfit_component(c) for c in model.components]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    parameters = lmfit.Parameters()
    # values first and ties last, so that a tie may name a parameter that stands after it
    for name, s in model.settings.items():
        value = 0.0 if math.isnan(s.value) else s.value
        parameters.add(name, value=value, min=s.min, max=s.max, vary=s.vary)
    for name, s in model.settings.items():
        if s.expr:
            parameters[name].set(expr=s.expr)
    return total, parameters
