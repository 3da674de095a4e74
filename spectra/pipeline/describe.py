"""Options of verbs as people read them: type, default and meaning, taken from signature and docstring.

Recipe templates, ``spectra list steps`` and the documentation tables are made from these, so that they cannot
drift from the code.
"""

from __future__ import annotations

import inspect
import json
import math
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from spectra.options import option_types, plain

__all__ = [
    "Option",
    "describe_options",
    "first_sentence",
    "parameter_texts",
    "readable",
    "toml_value",
    "unfolded",
]

_WORDS = {float: "number", int: "integer", str: "text", bool: "true or false", Any: "anything"}


@dataclass(frozen=True)
class Option:
    """One option of a verb."""

    name: str
    type: str
    required: bool
    default: Any
    text: str


def describe_options(function: Callable[..., Any]) -> list[Option]:
    """Keyword-only options of ``function`` in the order of its signature."""
    texts = parameter_texts(inspect.getdoc(function) or "")
    hints = option_types(function)
    parameters = inspect.signature(function).parameters
    return [
        Option(
            name,
            _type_text(hint),
            parameters[name].default is inspect.Parameter.empty,
            plain(parameters[name].default),
            readable(texts.get(name, "")),
        )
        for name, hint in hints.items()
    ]


def parameter_texts(docstring: str) -> dict[str, str]:
    """Descriptions of the section ``Parameters`` of a numpydoc docstring, by parameter, each as one line."""
    match = re.search(
        r"^Parameters\n-+\n(.*?)(?=^\S[^\n]*\n-{3,}\n|\Z)", unfolded(docstring), re.MULTILINE | re.DOTALL
    )
    texts: dict[str, str] = {}
    names: list[str] = []
    for line in match.group(1).splitlines() if match else []:
        if line[:1].strip():  # a line that is not indented names parameters: ``low, high : float``
            names = [name.strip().lstrip("*") for name in line.partition(":")[0].split(",")]
            texts |= dict.fromkeys(names, "")
        else:
            texts |= {name: f"{texts[name]} {line.strip()}".strip() for name in names}
    return texts


def unfolded(docstring: str) -> str:
    """Docstring with types that a backslash continues on the next line on one line."""
    return re.sub(r"^(\w[^\n]* : [^\n]*\S)\s*\\\n\s*", r"\1 ", docstring, flags=re.MULTILINE)


def readable(text: str) -> str:
    """Docstring text without the marks that only documentation builders need."""
    return re.sub(r":\w+:`~?([^`]*)`", r"\1", text).replace("``", "").replace(".. math:: ", "")


def first_sentence(text: str) -> str:
    """Text up to its first full stop that ends a sentence (not ``e.g.``, not ``0.5``)."""
    match = re.match(r".*?(?<!e\.g)(?<!i\.e)(?<!\bet al)(?<!\bNo)[.](?=\s+[A-Z`]|\s*$)", text)
    return match.group(0) if match else text


def toml_value(value: Any) -> str:
    """Value as TOML writes it on one line."""
    value = plain(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_key(k)} = {toml_value(v)}" for k, v in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, int | float):
        return repr(value)
    return _quoted(str(value))


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _quoted(name)


def _quoted(text: str) -> str:
    """Text in quotes: TOML escapes what JSON does, and the control character 7F."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _type_text(hint: Any) -> str:
    """Type in the words of somebody who writes TOML."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint in _WORDS:
        return _WORDS[hint]
    if origin is typing.Literal:
        return " | ".join(toml_value(choice) for choice in inner)
    if origin in (typing.Union, types.UnionType):
        return " | ".join(dict.fromkeys(_type_text(part) for part in inner if part is not type(None)))
    if origin is typing.Annotated:
        return _type_text(inner[0])
    if origin is tuple:
        parts = [_type_text(part) if part is not ... else "…" for part in inner]
        return f"[{', '.join(parts)}]"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"table of {_type_text(inner[1])}"
    return getattr(hint, "__name__", str(hint))
