"""Recipes that installed packages ship: every ``*.toml`` of a package announced by ``spectra.recipes``."""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.resources
from dataclasses import dataclass

from spectra.errors import RecipeError, did_you_mean

__all__ = ["ShippedRecipe", "find_recipe", "list_recipes"]


@dataclass(frozen=True)
class ShippedRecipe:
    """A recipe as it ships: its name (the file's, without suffix), its package and its TOML text."""

    name: str
    package: str
    text: str


@functools.cache
def list_recipes() -> tuple[ShippedRecipe, ...]:
    """All shipped recipes, by name."""
    packages = {entry.value for entry in importlib.metadata.entry_points(group="spectra.recipes")}
    found = [
        ShippedRecipe(resource.name.removesuffix(".toml"), package, resource.read_text(encoding="utf-8"))
        for package in sorted(packages)
        for resource in importlib.resources.files(package).iterdir()
        if resource.name.endswith(".toml")
    ]
    return tuple(sorted(found, key=lambda recipe: recipe.name))


def find_recipe(name: str) -> ShippedRecipe:
    """The shipped recipe called ``name``."""
    recipes = {recipe.name: recipe for recipe in list_recipes()}
    if name not in recipes:
        raise RecipeError(
            f"no recipe {name!r} ships and no such file is here; {did_you_mean(name, recipes)}."
        )
    return recipes[name]
