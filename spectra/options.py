"""Options of verbs: one signature checks calls, recipes and command lines alike."""

from __future__ import annotations

import functools
import inspect
import re
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

from spectra.errors import InvalidInput, UnknownOption, did_you_mean

__all__ = ["by_name", "check_option", "check_options", "option_types", "passed_on", "plain"]


def _options(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """What ``function`` can be told besides its first argument, the data."""
    _, *others = inspect.signature(function).parameters.values()
    kinds = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return {p.name: p for p in others if p.kind in kinds}


def by_name(
    name: str, function: Callable[..., Any], leading: tuple[Any, ...], given: Mapping[str, Any]
) -> Mapping[str, Any]:
    """``given`` with the values in ``leading`` under the names that ``function`` has for them.

    Raises
    ------
    UnknownOption
        More values without a name than ``function`` takes, or one of them given twice.
    """
    if not leading:
        return given
    options = _options(function)
    names = [n for n, p in options.items() if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    if len(leading) > len(names):
        example = next((n for n in options if n not in names), "option")
        raise UnknownOption(
            f"{name} takes its options by name, such as {example}=...; got {leading[-1]!r} alone."
        )
    twice = next((n for n in names[: len(leading)] if n in given), None)
    if twice is not None:
        raise UnknownOption(f"{name} was given {twice!r} twice.")
    return {**dict(zip(names, leading, strict=False)), **given}


def option_types(function: Callable[..., Any]) -> dict[str, Any]:
    """Options of ``function`` and their types, evaluated."""
    options = _options(function).values()
    annotated = types.SimpleNamespace(__annotations__={p.name: p.annotation for p in options})
    scope = getattr(inspect.unwrap(function), "__globals__", {})
    return typing.get_type_hints(annotated, globalns=scope, localns=scope, include_extras=True)


def passed_on(function: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Options that ``function`` has only to hand them on, as a verb that reads does to the file's reader, and their types.

    Whoever takes them checks them again: which reader a file needs is known once it is open.
    """
    others: Callable[[Mapping[str, Any]], dict[str, Any]] | None = getattr(function, "passes_on", None)
    own = _options(function)
    if others is None or all(key in own for key in given):
        return {}
    return {key: hint for key, hint in others(given).items() if key not in own}


def plain(value: Any) -> Any:
    """Value with NumPy scalars and arrays turned into Python numbers and tuples (what TOML and JSON can hold)."""
    if hasattr(value, "tolist") and type(value).__module__.startswith("numpy"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return tuple(plain(v) for v in value)
    if isinstance(value, Mapping) and not type(value).__module__.startswith("xarray"):  # a dataset stays one
        return {str(k): plain(v) for k, v in value.items()}
    return value


def check_options(name: str, function: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """All options of ``function``: the given ones checked against their types, the others at their defaults.

    Those that it only hands on (:func:`passed_on`) are there where they were given.

    Raises
    ------
    UnknownOption
        An option that ``function`` does not have, with the closest one that it has.
    InvalidInput
        A value of the wrong type or outside a closed list, or a missing option that has no default.
    """
    parameters, others = _options(function), passed_on(function, given)
    for key in given:
        if key not in parameters and key not in others:
            raise UnknownOption(f"{name} has no option {key!r}; {did_you_mean(key, [*parameters, *others])}.")
    missing = [p.name for p in parameters.values() if p.default is p.empty and p.name not in given]
    if missing:
        raise InvalidInput(f"{name} needs {missing[0]!r}, which was not given{_meant(function, missing[0])}.")
    hints = option_types(function) | others
    values = {key: check_option(name, key, value, hints.get(key, Any)) for key, value in given.items()}
    return {key: parameter.default for key, parameter in parameters.items()} | values


def _meant(function: Callable[..., Any], key: str) -> str:
    """What an option may be, or else what it is, as the end of a sentence."""
    from spectra.pipeline.describe import parameter_texts

    choices = _literals(option_types(function).get(key, Any))
    if choices:
        return f"; it is {' or '.join(map(repr, choices))}"
    text = parameter_texts(inspect.getdoc(function) or "").get(key, "").split(". ")[0].rstrip(".")
    return f": {re.sub(r'(:[a-z]+:)?`+', '', text)}" if text else ""


def check_option(name: str, key: str, value: Any, hint: Any) -> Any:
    """``value`` made plain, if it is of the type ``hint``; otherwise an error with what ``name`` allows for ``key``."""
    import pydantic

    value = plain(value)
    try:
        _adapter(hint).validate_python(value, strict=True)
    except pydantic.ValidationError as error:
        wanted = dict.fromkeys(problem["msg"].removeprefix("Input should be ") for problem in error.errors())
        choices = [c for c in _literals(hint) if isinstance(c, str)]
        hint_text = f"; {did_you_mean(value, choices)}" if isinstance(value, str) and choices else ""
        if isinstance(value, str | int | float) and "a valid tuple" in wanted:
            hint_text = f"; one alone is ({value!r},), with a comma, or [{value!r}]"
        raise InvalidInput(
            f"{name}: {key} must be {' or '.join(wanted)}, got {value!r}{hint_text}."
        ) from None
    return value


@functools.lru_cache(maxsize=1024)
def _adapter(hint: Any) -> Any:
    import pydantic

    try:
        return pydantic.TypeAdapter(hint, config=pydantic.ConfigDict(arbitrary_types_allowed=True))
    except pydantic.PydanticUserError:  # the type brings its own configuration
        return pydantic.TypeAdapter(hint)


def _literals(hint: Any) -> list[Any]:
    if typing.get_origin(hint) is typing.Literal:
        return list(typing.get_args(hint))
    return [choice for part in typing.get_args(hint) for choice in _literals(part)]
