"""The ``paths`` and ``parameters`` of a fit as the user gives them: files and tables become paths with expressions."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spectra.errors import InvalidInput, did_you_mean
from xas.paths.feff import FeffPath, feff_paths

__all__ = ["PathEntry", "read_entries", "starting_parameters"]

#: What a path takes where neither its table nor a parameter of that name says anything.
NEUTRAL: dict[str, float] = {
    "s02": 1.0, "e0": 0.0, "deltar": 0.0, "sigma2": 0.0, "third": 0.0, "fourth": 0.0, "ei": 0.0
}  # fmt: skip
#: Parameters of a fit where the user names none.
USUAL: dict[str, Any] = {"s02": 0.9, "e0": 0.0, "deltar": 0.0, "sigma2": 0.005}

_KEYS = {"file", "content", "path", "label", "spectrum", "degen", *NEUTRAL}


@dataclass(frozen=True)
class PathEntry:
    """A path of a fit: FEFF's path and a number or an expression for each of its parameters."""

    path: FeffPath
    label: str
    degeneracy: float  # what ``degen`` means in expressions: FEFF's
    values: dict[str, float | str]  # degen, s02, e0, deltar, sigma2, third, fourth, ei
    spectrum: int | None = None  # the only one of several data sets that it belongs to

    def to_table(self) -> dict[str, Any]:
        """As it can be given again without the file."""
        only = {} if self.spectrum is None else {"spectrum": self.spectrum}
        return {"content": self.path.to_spec(), "label": self.label, **only, **self.values}


def starting_parameters(parameters: Mapping[str, Any] | None) -> dict[str, Any]:
    """Parameters of a fit, those of a single shell where none are given."""
    return dict(USUAL if parameters is None else parameters)


def read_entries(paths: Any, parameters: Mapping[str, Any]) -> tuple[PathEntry, ...]:
    """Paths of a fit.

    Parameters
    ----------
    paths : str, FeffPath, mapping, or a list of these
        A folder or a file of FEFF, a path, or a table: ``{"file": ..., "label": ..., "sigma2": "ss2"}``. A mapping
        with "content" holds a list of tables, as the history keeps it.
    parameters : mapping
        Global parameters; a path takes the one of the same name for what its table does not say.

    Raises
    ------
    InvalidInput
        None of these, or two paths of one label.
    ReadError
        A file that is not FEFF's.
    """
    if isinstance(paths, Mapping) and not isinstance(paths.get("content"), Mapping) and "content" in paths:
        paths = paths["content"]
    if isinstance(paths, str | os.PathLike | FeffPath | Mapping):
        paths = (paths,)
    if not isinstance(paths, Sequence) or not paths:
        raise InvalidInput(
            "paths must be a folder with FEFF's feffNNNN.dat, files, or tables such as "
            f"{{'file': 'feff0001.dat', 'sigma2': 'ss2'}}, got {paths!r}."
        )
    entries = [entry for one in paths for entry in _entries(one, parameters)]
    entries = _labelled(entries)
    absorbers = {f"{e.path.absorber} {e.path.edge}" for e in entries if e.spectrum is None}
    if len(absorbers) > 1:
        raise InvalidInput(
            f"paths of different absorbers ({', '.join(sorted(absorbers))}) cannot add up to one spectrum; say to which "
            "spectrum each belongs with 'spectrum' in its table, or leave some out."
        )
    return tuple(entries)


def _entries(one: Any, parameters: Mapping[str, Any]) -> list[PathEntry]:
    if not isinstance(one, Mapping):
        found = (one,) if isinstance(one, FeffPath) else feff_paths(one)
        return [_entry(path, {}, parameters) for path in found]
    for key in one:
        if key not in _KEYS:
            raise InvalidInput(f"the table of a path has no key {key!r}; {did_you_mean(str(key), _KEYS)}.")
    sources = [key for key in ("file", "content", "path") if key in one]
    if len(sources) != 1:
        raise InvalidInput(f"the table of a path needs its 'file', got {', '.join(map(str, one))}.")
    if "file" in one:
        if Path(one["file"]).is_dir():
            raise InvalidInput(f"{one['file']!r} is a folder; the table of a path needs one file of it.")
        path = feff_paths(one["file"])[0]
    else:
        given = one[sources[0]]
        path = given if isinstance(given, FeffPath) else FeffPath.from_spec(given)
    return [_entry(path, one, parameters)]


def _entry(path: FeffPath, table: Mapping[str, Any], parameters: Mapping[str, Any]) -> PathEntry:
    values: dict[str, float | str] = {"degen": path.degeneracy}
    values |= {name: name if name in parameters else neutral for name, neutral in NEUTRAL.items()}
    for name in values:
        given = table.get(name)
        if given is None:
            continue
        if isinstance(given, bool) or not isinstance(given, int | float | str):
            raise InvalidInput(
                f"{name} of path {path.name} must be a number or an expression, got {given!r}."
            )
        values[name] = given if isinstance(given, str) else float(given)
    spectrum = table.get("spectrum")
    return PathEntry(
        path, str(table.get("label") or ""), path.degeneracy, values, None if spectrum is None else int(spectrum)
    )  # fmt: skip


def _labelled(entries: list[PathEntry]) -> list[PathEntry]:
    """Every path with a label: the user's, else the name of its file."""
    labels = [entry.label or entry.path.name for entry in entries]
    for label in labels:
        if labels.count(label) > 1:
            raise InvalidInput(f"two paths are called {label!r}; give each a 'label' of its own.")
    return [
        PathEntry(entry.path, label, entry.degeneracy, entry.values, entry.spectrum)
        for entry, label in zip(entries, labels, strict=True)
    ]
