"""A recipe from what was done: the verbs of a history as ``spectra run`` takes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from spectra.errors import RecipeError
from spectra.pipeline.describe import describe_options
from spectra.pipeline.recipe import parse_recipe
from spectra.verbs import Verb, find_verb

__all__ = ["recipe_text"]


def recipe_text(steps: Iterable[Mapping[str, Any]], *, title: str = "", description: str = "") -> str:
    """The steps of a history (:func:`spectra.verbs.history`) as a recipe; options at their defaults are left out.

    Where the history does not begin with reading, as that of arrays given in Python, the recipe reads with
    ``spectra.read``.

    Raises
    ------
    RecipeError
        A step cannot be written: its verb is not installed, or an option was an object of Python's.

    Examples
    --------
    >>> print(recipe_text([{"verb": "spectra.crop", "options": {"window": [505, 509]}}], title="Part"))
    title = "Part"
    <BLANKLINE>
    [read]
    verb = "spectra.read"
    <BLANKLINE>
    [[step]]
    verb = "spectra.crop"
    window = [
        505,
        509,
    ]
    <BLANKLINE>
    """
    import tomli_w

    reading: list[dict[str, Any]] = []
    following: list[dict[str, Any]] = []
    for step in steps:
        if step["verb"] == "spectra.from_arrays":
            continue
        verb = find_verb(step["verb"])
        (reading if verb.reads_files else following).append({"verb": verb.name, **_options(verb, step)})
    head = {key: text for key, text in (("title", title), ("description", description)) if text}
    content = {**head, "read": (reading or [{"verb": "spectra.read"}])[0], "step": following}
    # tables in arrays on lines of their own are TOML as well, and longer
    text = tomli_w.dumps(content)
    parse_recipe(text)
    return text


def _options(verb: Verb, step: Mapping[str, Any]) -> dict[str, Any]:
    defaults = {option.name: option.default for option in describe_options(verb.function)}
    written = {}
    for name, value in step.get("options", {}).items():
        if isinstance(value, Mapping) and "not_storable" in value:
            value = step.get("resolved", {}).get(name)
            if value is None:
                raise RecipeError(
                    f"{verb.name} was called with an object of Python's as {name}, which a recipe cannot hold: "
                    "call it with plain values or the name of a file."
                )
        plain = _without_none(value)
        if plain not in (None, []) and plain != defaults.get(name):
            written[name] = plain
    return written


def _without_none(value: Any) -> Any:
    """Lists and tables as TOML holds them, which has no None."""
    if isinstance(value, Mapping):
        return {str(k): _without_none(v) for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return [_without_none(v) for v in value]
    return value
