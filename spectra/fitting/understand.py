"""Whatever a user calls a model, ready to be fitted: compiled, or, where the engine cannot express it, by lmfit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spectra.errors import InvalidInput
from spectra.fitting.expressions import CannotCompile
from spectra.fitting.from_lmfit import build, describe, lmfit_pair, setting_of
from spectra.fitting.program import Compiled, compile_model
from spectra.fitting.spec import Model, from_tables, overlay

__all__ = ["Understood", "read_model", "understand"]


@dataclass(frozen=True)
class Understood:
    """A model: written where it can be, and either compiled or lmfit's own with the reason why."""

    written: Model | None
    compiled: Compiled | None
    lmfit_model: Any = None
    lmfit_params: Any = None
    reason: str = ""

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of all parameters."""
        return self.compiled.parameters if self.compiled else tuple(self.lmfit_params)

    @property
    def free(self) -> tuple[str, ...]:
        """Names of the parameters that a fit varies."""
        if self.compiled:
            return self.compiled.free
        return tuple(n for n, p in self.lmfit_params.items() if p.vary and not p.expr)

    @property
    def components(self) -> tuple[str, ...]:
        """Names of the components: their prefixes, or their shapes."""
        if self.compiled:
            return self.compiled.components
        parts = self.lmfit_model.components
        return tuple(c.prefix.rstrip("_") or f"component_{i + 1}" for i, c in enumerate(parts))


def understand(model: Any, params: Mapping[str, Any] | None = None) -> Understood:
    """The model compiled, or as lmfit's objects where the engine cannot express it.

    Raises
    ------
    InvalidInput
        Neither a model of lmfit's nor a written one, or a wrong name in it.
    """
    written = None
    try:
        written = read_model(model, params)
        return Understood(written, compile_model(written))
    except CannotCompile as reason:
        pair = lmfit_pair(model, params) if written is None else build(written)
        return Understood(written, None, *pair, reason=str(reason))


def read_model(model: Any, params: Mapping[str, Any] | None = None) -> Model:
    """The model and the settings of its parameters, written.

    Raises
    ------
    CannotCompile
        A model of lmfit's that cannot be written.
    InvalidInput
        Neither a model of lmfit's nor a written one, or a wrong name in it.
    """
    settings = {n: setting_of(p) for n, p in (params or {}).items() if hasattr(p, "vary")}
    if isinstance(model, Model):
        return overlay(model, params) if params else model
    if hasattr(model, "make_params"):
        if settings and len(settings) == len(params or {}):
            return describe(model, params)
        return overlay(describe(model), params or {})
    if isinstance(model, Mapping):
        model = (model,)
    if not isinstance(model, list | tuple):
        raise InvalidInput(
            "model must be an lmfit.Model or one table per component, such as ({'shape': 'voigt'},), "
            f"got {model!r}."
        )
    plain = {n: settings[n].to_table() if n in settings else p for n, p in (params or {}).items()}
    written = from_tables(model, plain)
    return Model(written.components, {**written.settings, **settings})
