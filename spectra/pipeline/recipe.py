"""What a recipe is, and the check that one can be run as it is written.

A recipe is a TOML file: how to read (``[read]``) and which verbs follow (``[[step]]``), each with its options under
their own names. Nothing in it is executed: only verbs that installed packages announce can be named, and options
are plain values checked against the verb's signature.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spectra.errors import RecipeError, SpectraError, did_you_mean
from spectra.options import check_option, check_options, option_types, passed_on
from spectra.pipeline.locate import line_of
from spectra.verbs import find_verb

__all__ = ["Recipe", "Step", "load_recipe", "parse_recipe", "read_text"]

#: Characters of an error at most: a recipe may hold a number of thousands of digits.
_LONGEST = 1500
#: Bytes of a recipe file at most.
_LARGEST = 2**22
_TOP = ("title", "description", "read", "step")


@dataclass(frozen=True)
class Step:
    """A verb and the options that the recipe gives it."""

    verb: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def resolved(self) -> dict[str, Any]:
        """The verb with every option it has, defaults included."""
        return {"verb": self.verb, **check_options(self.verb, find_verb(self.verb).function, self.options)}


@dataclass(frozen=True)
class Recipe:
    """A recipe that passed the check; ``text`` is the TOML it was written in, if it was."""

    name: str
    title: str
    description: str
    read: Step
    steps: tuple[Step, ...]
    text: str = field(default="", compare=False)

    def resolved(self) -> dict[str, Any]:
        """The recipe as plain data with every option of every verb, as results files store it."""
        return {
            "title": self.title,
            "description": self.description,
            "read": self.read.resolved(),
            "step": [step.resolved() for step in self.steps],
        }


def load_recipe(recipe: str | Path | Mapping[str, Any] | Recipe) -> Recipe:
    """Recipe by the path of its file, by the name it ships under, or from the same data in Python.

    Raises
    ------
    RecipeError
        If there is no such recipe or it cannot be run as written; the sentence names file, line, key, what was got,
        what is allowed and the closest match.

    Examples
    --------
    >>> recipe = load_recipe({"read": {"verb": "spectra.read"}, "step": [{"verb": "spectra.crop", "window": [1, 2]}]})
    >>> recipe.steps[0].options["window"]
    (1, 2)
    """
    from spectra.pipeline.shipped import find_recipe

    if isinstance(recipe, Recipe):
        return recipe
    if isinstance(recipe, Mapping):
        return _check(recipe, name="recipe", text=None)
    path = Path(recipe)
    if path.is_file():
        return parse_recipe(read_text(path), name=path.name)
    if path.suffix == ".toml" or path.name != str(recipe):
        raise RecipeError(
            f"there is no recipe file {str(recipe)!r}; `spectra list recipes` shows those that ship."
        )
    shipped = find_recipe(str(recipe))
    return parse_recipe(shipped.text, name=shipped.name)


def read_text(path: Path) -> str:
    """Text of a recipe file; one sentence where it has none."""
    try:
        if path.stat().st_size > _LARGEST:
            raise RecipeError(f"{path.name} is larger than any recipe ({_LARGEST >> 20} MiB).")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise RecipeError(f"{path.name} is not UTF-8 text: a recipe is a TOML file.") from None
    except OSError as error:
        raise RecipeError(f"{path.name} cannot be read: {error.strerror}.") from None


def parse_recipe(text: str, *, name: str = "recipe") -> Recipe:
    """Recipe from its TOML text; ``name`` is what errors call it."""
    text = text.replace("\r\n", "\n")
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        what, _, place = str(error).partition(" (at ")
        line = re.match(r"line (\d+)", place)
        at = f"line {line.group(1)}" if line else "at its end"
        raise RecipeError(f"{name}, {at}: this is not TOML ({what}).") from None
    except (
        ValueError,
        RecursionError,
    ) as error:  # a number of thousands of digits, brackets in brackets without end
        raise RecipeError(f"{name} cannot be read as TOML ({error}).") from None
    return _check(content, name=name, text=text)


@dataclass(frozen=True)
class _Fault:
    """Makes the error about one place of one recipe."""

    name: str
    text: str | None

    def __call__(self, sentence: str, *path: str | int) -> RecipeError:
        line = line_of(self.text, path) if self.text is not None else None
        place = f"{self.name}, line {line}" if line else self.name
        where = (
            f"{path[0]} {path[1] + 1}, " if len(path) > 1 and isinstance(path[1], int) and not line else ""
        )
        if len(sentence) > _LONGEST:
            sentence = f"{sentence[: _LONGEST - 300]} … {sentence[-290:]}"
        return RecipeError(f"{place}: {where}{sentence}")


def _check(content: Mapping[str, Any], *, name: str, text: str | None) -> Recipe:
    fault = _Fault(name, text)
    for key in content:
        if key not in _TOP:
            raise fault(f"a recipe has no {key!r}; {did_you_mean(key, _TOP)}.", key)
    for key in ("title", "description"):
        if not isinstance(content.get(key, ""), str):
            raise fault(f"{key} must be text, got {content[key]!r}.", key)
    if not isinstance(content.get("read"), Mapping):
        raise fault(
            'a recipe needs a table [read] with verb = "spectra.read" or another reading verb.', "read"
        )
    steps = content.get("step", [])
    if not isinstance(steps, list | tuple) or not all(isinstance(step, Mapping) for step in steps):
        raise fault("steps are written as [[step]], in double brackets, one for each verb.", "step")
    return Recipe(
        name=name.removesuffix(".toml"),
        title=content.get("title", ""),
        description=content.get("description", "").strip(),
        read=_step(content["read"], fault, "read", reads=True),
        steps=tuple(_step(step, fault, "step", i, reads=False) for i, step in enumerate(steps)),
        text=text or "",
    )


def _step(table: Mapping[str, Any], fault: _Fault, *path: str | int, reads: bool) -> Step:
    here = f"[{path[0]}]" if reads else f"[[{path[0]}]] number {int(path[1]) + 1}"
    name = table.get("verb")
    if not isinstance(name, str):
        got = f", got {name!r}" if "verb" in table else ""
        raise fault(
            f'{here} needs verb = "package.verb" (`spectra list steps` shows them){got}.', *path, "verb"
        )
    try:
        found = find_verb(name)
    except RecipeError as error:
        raise fault(str(error), *path, "verb") from None
    if found.reads_files != reads:
        wrong = "reads files and belongs into [read]" if found.reads_files else "does not read files"
        raise fault(f"{name} {wrong}, so it cannot stand in {here}.", *path, "verb")
    given = {key: value for key, value in table.items() if key != "verb"}
    hints = option_types(found.function) | passed_on(found.function, given)
    for key, value in given.items():
        if key not in hints:
            raise fault(f"{name} has no option {key!r}; {did_you_mean(key, hints)}.", *path, key)
        try:
            given[key] = check_option(name, key, value, hints[key])
        except SpectraError as error:
            raise fault(str(error), *path, key) from None
    try:
        check_options(name, found.function, given)
    except SpectraError as error:  # an option without a default is missing
        raise fault(str(error), *path) from None
    return Step(name, given)
