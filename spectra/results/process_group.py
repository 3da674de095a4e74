"""One verb as a NXprocess: program, version, date, parameters with their meaning, notes, what it made."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from spectra.errors import SpectraError
from spectra.results.fields import safe_name, to_json
from spectra.results.place import Tree

__all__ = ["process_group"]

_UNIT = re.compile(r"\bin (?:units of )?(eV|keV|meV|1/cm|1/Å|Å|s|K|V|nm|degrees?)\b")


def process_group(step: Mapping[str, Any], number: int, groups: Mapping[str, Tree]) -> Tree:
    """NXprocess of one entry of the history.

    Parameters
    ----------
    step : mapping
        Entry of :func:`spectra.verbs.history`.
    number : int
        Its place in the history, from 1.
    groups : mapping
        Groups of the variables that it made.
    """
    summary, texts = _documentation(step["verb"])
    return {
        "@NX_class": "NXprocess",
        "program": "redox-spectra",
        "version": str(step.get("version", "")),
        "date": str(step.get("time", "")),
        "sequence_index": np.int64(number),
        "parameters": _parameters(step, texts),
        "remarks": {
            "@NX_class": "NXnote",
            "type": "text/plain",
            "description": "\n".join([f"{step['verb']}: {summary}".rstrip(": "), *step.get("notes", ())]),
        },
        **groups,
    }


def _parameters(step: Mapping[str, Any], texts: Mapping[str, str]) -> Tree:
    """Options as used: what one left at its default of None came to stands in its place."""
    group: Tree = {"@NX_class": "NXparameters"}
    resolved = dict(step.get("resolved", {}))
    for name, value in {**resolved, **step.get("options", {})}.items():
        used = resolved[name] if name in resolved and (value is None or _is_object(value)) else value
        if used is None:
            continue
        field = safe_name(name, group)
        group[field] = _value(used)
        text = texts.get(name, "")
        if text:
            group[f"{field}@description"] = text
        unit = _UNIT.search(text)
        if unit and not isinstance(group[field], str):
            group[f"{field}@units"] = unit.group(1).replace("Å", "angstrom")
    return group


def _is_object(value: Any) -> bool:
    return isinstance(value, Mapping) and "not_storable" in value


def _value(value: Any) -> Any:
    """Number, text, or a list of numbers as they are; anything richer as JSON."""
    if isinstance(value, bool):
        return np.bool_(value)
    if isinstance(value, int | float | str):
        return value if isinstance(value, str) else np.asarray(value)
    if isinstance(value, list | tuple) and value and all(type(v) in (int, float) for v in value):
        return np.asarray(value)
    return to_json(value)


@functools.cache
def _documentation(name: str) -> tuple[str, dict[str, str]]:
    """Summary of a verb and the meaning of its options; empty for one that is not installed here."""
    from spectra.pipeline.describe import parameter_texts
    from spectra.verbs import find_verb

    try:
        found = find_verb(name)
    except (SpectraError, ImportError, AttributeError):
        return "", {}
    return found.summary, parameter_texts(inspect.getdoc(found.function) or "")
