"""A third party's technique, installed for the duration of a test: recipes and commands must work with any."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import xarray as xr

import spectra.verbs
from spectra.dataset import flag, from_arrays
from spectra.errors import InvalidInput, ReadError
from spectra.verbs import reading_verb, verb


def _numbers(path):
    try:
        rows = np.loadtxt(path, ndmin=2)
    except ValueError as error:
        raise ReadError(f"{Path(path).name} holds no two columns of numbers.") from error
    return rows[:, 0], rows[:, 1]


@reading_verb("kitchen.read")
def read(path, *, units: str = "counts") -> xr.Dataset:
    """Read one pot.

    Parameters
    ----------
    path : path
        A text file of two columns.
    units : str
        Units of what was measured.
    """
    x, y = _numbers(path)
    return from_arrays(x, y, axis="raman_shift", units=units)


@reading_verb("kitchen.read_series")
def read_series(paths, *, dim: str = "pot") -> xr.Dataset:
    """Read a row of pots.

    Parameters
    ----------
    paths : paths
        Text files of two columns.
    dim : str
        Name of the row.
    """
    pots = [_numbers(path) for path in paths]
    if len({len(x) for x, _ in pots}) > 1:
        raise InvalidInput("the pots are not of one size.")
    return from_arrays(
        pots[0][0], np.stack([y for _, y in pots]), axis="raman_shift", units="counts", dims=(dim,)
    )


@verb("kitchen.brew")
def brew(
    dataset: xr.Dataset,
    *,
    factor: float = 2.0,
    window: tuple[float, float] | None = None,
    method: Literal["boil", "steam"] = "boil",
    strict: bool = False,
) -> xr.Dataset:
    """Multiply what was measured; add ``brewed``.

    Parameters
    ----------
    dataset : xarray.Dataset
        Any spectra.
    factor : float
        What each value is multiplied with. Larger numbers
        make it stronger.
    window : (float, float), optional
        Part of the axis (e.g. 100 to 200). Default: all of it.
    method : {"boil", "steam"}
        How.
    strict : bool
        Refuse ``steam``.
    """
    brewed = (dataset.intensity * factor).assign_attrs(units="counts")
    strength = brewed.max("raman_shift").assign_attrs(units="counts")
    return dataset.assign(brewed=brewed, strength=strength, strength_sigma=strength**0.5)


@verb("kitchen.taste", axis="raman_shift", needs={"brewed": "kitchen.brew"})
def taste(dataset: xr.Dataset, *, limit: float) -> xr.Dataset:
    """Flag spectra that are too strong.

    Parameters
    ----------
    dataset : xarray.Dataset
        With ``brewed``.
    limit : float
        Highest strength that is fine.
    """
    return flag(dataset, dataset.strength > limit, "too_strong", "It was brewed too long; lower factor.")


@pytest.fixture
def kitchen(monkeypatch):
    """The technique, known to recipes as ``kitchen``; its verbs are module attributes."""
    module = types.ModuleType("kitchen")
    for function in (read, read_series, brew, taste):
        setattr(module, function.__name__, function)
    monkeypatch.setitem(sys.modules, "kitchen", module)
    announced = {**spectra.verbs.announced_verbs(), "kitchen": ("read", "read_series", "brew", "taste")}
    monkeypatch.setattr(spectra.verbs, "announced_verbs", lambda: announced)
    return module


@pytest.fixture
def pots(tmp_path):
    """Three text files of one spectrum each; the second is the strongest."""
    files = []
    for i, height in enumerate((100.0, 300.0, 200.0)):
        x = np.linspace(100, 200, 21)
        y = height * np.exp(-(((x - 150) / 10) ** 2))
        file = tmp_path / f"pot_{i}.txt"
        np.savetxt(file, np.column_stack([x, y]))
        files.append(file)
    return files


RECIPE = """\
# our best recipe
title = "Pots"
description = '''
Brew,
then taste: [[step]] in a text is no step.
'''

[read]
verb = "kitchen.read_series"

[[step]]
verb = "kitchen.brew"
factor = 3          # strong
window = [
    110,
    190,
]

[[step]]
verb = "kitchen.taste"
limit = 800
"""


@pytest.fixture
def recipe_text():
    """A recipe with strings, comments and arrays over several lines."""
    return RECIPE
