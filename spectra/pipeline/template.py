"""Recipes to start from: every option of every verb in place, commented, with its type, default and meaning."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from spectra.errors import RecipeError
from spectra.pipeline.describe import Option, describe_options, first_sentence, readable, toml_value
from spectra.pipeline.locate import statements
from spectra.pipeline.recipe import parse_recipe
from spectra.verbs import Verb, find_verb, list_verbs

__all__ = ["annotated_recipe", "fresh_recipe"]

_HEAD = """\
# A recipe: read files, then apply verbs in order.  Run it with
#     spectra run {name}.toml FILES... -o results.nxs
# Lines that start with "# " and hold a "=" are options at their defaults: take the "# " away to change one.
title = {title}
description = ""
"""


def annotated_recipe(text: str, *, name: str = "recipe") -> str:
    """A recipe's text, kept as it is, with the options it leaves at their defaults added as comments."""
    recipe = parse_recipe(text, name=name)
    lines = text.replace("\r\n", "\n").split("\n")
    tables = {("read",): recipe.read} | {("step", i): step for i, step in enumerate(recipe.steps)}
    last = {}
    for statement in statements(text):
        for path in tables:
            if statement.path[: len(path)] == path:
                last[path] = statement.last
    for path, end in sorted(last.items(), key=lambda item: item[1], reverse=True):
        step = tables[path]
        unset = [o for o in describe_options(find_verb(step.verb).function) if o.name not in step.options]
        lines[end:end] = _commented(unset)
    return "\n".join(lines)


def fresh_recipe(verbs: Sequence[str] = (), *, name: str = "recipe") -> str:
    """A new recipe with ``verbs``; without any, ``spectra.read`` and all announced steps, commented out.

    Raises
    ------
    RecipeError
        For a verb that does not exist, or a second one that reads.
    """
    found = [find_verb(verb) for verb in verbs]
    reading = [verb for verb in found if verb.reads_files] or [find_verb("spectra.read")]
    if len(reading) > 1:
        raise RecipeError(
            f"a recipe reads once, got {' and '.join(v.name for v in reading)}: name one of them."
        )
    head = _HEAD.format(name=name, title=toml_value(name.replace("_", " ")))
    blocks = [head, "\n".join([f"# {readable(reading[0].summary)}", "[read]", *_verb_lines(reading[0])])]
    steps = [verb for verb in found if not verb.reads_files]
    blocks += ["\n".join([f"# {readable(step.summary)}", "[[step]]", *_verb_lines(step)]) for step in steps]
    if not verbs:
        blocks.append(
            '# ---- Every step there is: take the first "#" of each line of those you want away. ----'
        )
        blocks += [_all_commented(step) for step in list_verbs() if not step.reads_files]
    return "\n\n".join(blocks) + "\n"


def _verb_lines(verb: Verb) -> list[str]:
    return [f"verb = {toml_value(verb.name)}", *_commented(describe_options(verb.function))]


def _all_commented(verb: Verb) -> str:
    return "\n".join(f"#{line}" for line in [f"# {readable(verb.summary)}", "[[step]]", *_verb_lines(verb)])


def _commented(options: Iterable[Option]) -> list[str]:
    lines = []
    for option in options:
        needed = "needed; " if option.required else ""
        text = f"{needed}{option.type}. {first_sentence(option.text)}".strip()
        lines += textwrap.wrap(text, 100, initial_indent="# ", subsequent_indent="#   ")
        unset = option.required or option.default is None
        lines.append(f"# {option.name} = {f'<{option.type}>' if unset else toml_value(option.default)}")
    return lines
