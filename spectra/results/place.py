"""Variables of a dataset in groups of a NeXus tree, and the record of where each of them lies.

The record makes a file loadable without guessing: names, dimensions, kinds and attributes of the dataset are in it,
the numbers are where NeXus wants them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from spectra.results.fields import safe_name, to_field

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Places", "Tree", "data_group", "field_name", "is_number", "link", "put"]

Tree = dict[str, Any]


@dataclass
class Places:
    """Path inside the entry and kind of each variable; several paths where it is split along a dimension."""

    found: dict[str, Tree] = field(default_factory=dict)

    def add(self, name: str, path: str, record: Mapping[str, str]) -> None:
        """``name`` lies at ``path``; ``record`` is what :func:`put` said of it."""
        self.found[name] = {"path": path, **record}

    def add_part(self, name: str, path: str, record: Mapping[str, str], dim: str) -> None:
        """The next slice of ``name`` along ``dim`` lies at ``path``."""
        entry = self.found.setdefault(name, {"path": [], "split": dim, **record})
        entry["path"].append(path)

    def describe(self, dataset: xr.Dataset, *, without: Iterable[str] = ()) -> Tree:
        """The record that :func:`spectra.load` builds the dataset from."""
        return {
            "attrs": {k: v for k, v in dataset.attrs.items() if k not in set(without)},
            "coords": [str(name) for name in dataset.coords],
            "variables": {
                str(name): {
                    "dims": list(variable.dims),
                    "attrs": dict(variable.attrs),
                    **self.found[str(name)],
                }
                for name, variable in dataset.variables.items()
            },
        }


def field_name(name: str, taken: Collection[str], among: Collection[str] = ()) -> str:
    """Field for the variable ``name``: ``<x>_sigma`` is ``<x>_errors`` in NeXus where ``<x>`` is ``among`` them."""
    stem = name.removesuffix("_sigma")
    return (
        safe_name(stem, taken, suffix="_errors") if stem != name and stem in among else safe_name(name, taken)
    )


def put(group: Tree, name: str, variable: xr.Variable, *, called: str, titled: bool = True) -> dict[str, str]:
    """Write ``variable`` (in the dataset: ``called``) into ``group`` as field ``name``, with units.

    Returns what a reader must know of it. ``titled`` fields also say what a viewer should write at their axis.
    """
    lazy = hasattr(variable.data, "dask")
    values, record = to_field(variable.data if lazy else variable.values, called)
    group[name] = values
    if values.dtype.kind not in "biufc":
        return record
    units = "s" if variable.dtype.kind in "mM" else str(variable.attrs.get("units", ""))
    group[f"{name}@units"] = units
    if titled and variable.ndim:
        text = str(variable.attrs.get("long_name") or called.replace("_", " "))
        since = f" since {record['start']}" if "start" in record else ""
        group[f"{name}@long_name"] = f"{text} ({units}{since})" if units else text
    return record


def data_group(
    dataset: xr.Dataset,
    path: str,
    names: Sequence[str],
    places: Places,
    *,
    signal: str | None,
    called: Mapping[str, str] | None = None,
) -> Tree:
    """NXdata with the variables ``names``, and copies of the coordinates that a plot of them needs.

    Parameters
    ----------
    dataset : xarray.Dataset
    path : str
        Of the group, inside the entry.
    names : sequence of str
        Variables that lie here; recorded in ``places``.
    signal : str or None
        The one that a viewer shows.
    called : mapping, optional
        Field names that differ from those of the variables.
    """
    group: Tree = {"@NX_class": "NXdata" if signal else "NXcollection"}
    dims = dataset[signal].dims if signal else ()
    beside = [
        str(c)
        for c, v in dataset.coords.items()
        if v.ndim and set(v.dims) <= set(dims) and c not in names and is_number(v.variable)
    ]
    fields: dict[str, str] = {}
    if signal and signal not in names:  # drawn on an axis that a verb moved; it lies where it was measured
        beside.insert(0, signal)
    for name in [*names, *beside]:
        fields[name] = (called or {}).get(name) or field_name(name, group, names)
        record = put(group, fields[name], dataset[name].variable, called=name)
        if name in names:
            places.add(name, f"{path}/{fields[name]}", record)
        if name in dataset.coords and dims and set(dataset[name].dims) <= set(dims) and dataset[name].ndim:
            group[f"@{fields[name]}_indices"] = [dims.index(d) for d in dataset[name].dims]
    if signal:
        group["@signal"] = fields[signal]
        if dims:
            group["@axes"] = [_axis(str(d), fields, group) for d in dims]
    return group


def link(group: Tree, field: str, entry: Tree, where: str, path: str) -> None:
    """Make ``field`` of ``group`` a link to the field at ``path`` of ``entry``, which is called ``where``."""
    for key in [key for key in group if key == field or key.startswith(f"{field}@")]:
        del group[key]
    *parents, name = path.split("/")
    source = entry
    for parent in parents:
        source = source[parent]
    group[f">{field}"] = source[f"{name}@target"] = f"/{where}/{path}"


def is_number(variable: xr.Variable) -> bool:
    """Whether NXdata can hold it: numbers, booleans, dates; no text."""
    return variable.dtype.kind in "biufcmM"


def _axis(dim: str, fields: Mapping[str, str], group: Tree) -> str:
    """Field to plot against along ``dim``: numbers only, ``.`` where there are none."""
    name = fields.get(dim, ".")
    return name if getattr(group.get(name), "dtype", np.dtype(object)).kind in "iuf" else "."
