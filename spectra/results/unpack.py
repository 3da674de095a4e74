"""A results file as datasets again. The file is not trusted: nothing in it is run, nothing outside it is opened."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset.stored import read_all, stored, stored_bytes
from spectra.errors import ReadError, SpectraError
from spectra.reading.hdf5_file import check_heaps
from spectra.results.fields import from_field, from_json

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Entry", "read_entries"]

_SCHEMA = 1
_FREE = 1 << 20  # bytes that a field may claim without having them in the file
_LEFT = 1 << 16  # bytes of a field that is left there until it is needed


@dataclass(frozen=True)
class Entry:
    """One entry of a results file: data as measured, what verbs did to them, and what came out.

    ``left`` is the dataset as saved, without the variables in ``missing``, whose groups were deleted.
    """

    name: str
    steps: list[dict[str, Any]]
    first: int  # entries of the history that had happened before the data as measured
    start: xr.Dataset
    left: xr.Dataset
    paths: dict[str, str]  # of what verbs made, by variable
    missing: tuple[str, ...]
    environment: dict[str, Any]

    def result(self) -> xr.Dataset:
        """The dataset as saved, carrying the data as measured along."""
        if self.missing:
            raise ReadError(
                f"{self.paths[self.missing[0]]} is missing in the results file (entry {self.name!r}): "
                "parts were deleted. spectra rerun makes them again."
            )
        return self.left


def read_entries(path: str | os.PathLike[str], *, lazy: bool = False) -> list[Entry]:
    """All entries of the results file ``path``; ``lazy`` leaves large arrays in the file until they are needed.

    Raises
    ------
    ReadError
        The file is missing, damaged, or not a results file.
    """
    with _opened(path) as file:
        names = [name for name in file if _text_attribute(_group(file, name), "NX_class") == "NXentry"]
        if not names:
            raise ReadError(f"{os.fspath(path)} holds no entry.")
        store = _Store(lazy)
        return [_entry(_group(file, name), store) for name in names]


@contextlib.contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[Any]:
    """The file, open; every way in which it can be wrong becomes one sentence."""
    import h5py

    shown = path = os.path.expanduser(os.fspath(path))
    if not Path(path).is_file():
        raise ReadError(f"{shown} does not exist." if not Path(path).exists() else f"{shown} is a folder.")
    if not h5py.is_hdf5(path):
        raise ReadError(
            f"{shown} is not a results file (not HDF5). Measured data are read with spectra.read."
        )
    check_heaps(path, shown)
    try:
        with h5py.File(path, "r", locking="best-effort") as file:
            _check_origin(shown, file)
            yield file
    except ReadError as error:
        if str(error).startswith(shown):
            raise
        raise ReadError(f"{shown}: {error}") from None
    except SpectraError as error:
        raise ReadError(f"{shown} is damaged or was changed by another program: {error}") from error
    except MemoryError:
        raise ReadError(f"{shown} holds more than fits into memory.") from None
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        detail = str(error).partition("\n")[0][:200]
        raise ReadError(f"{shown} is damaged or was changed by another program ({detail}).") from error


def _check_origin(shown: str, file: Any) -> None:
    schema = _text_attribute(file, "spectra_schema")
    if not schema.isdecimal():
        raise ReadError(
            f"{shown} was not written by spectra.save. Measured data in it are read with spectra.read."
        )
    if int(schema) > _SCHEMA:
        raise ReadError(
            f"{shown} was written by a later version (layout {schema}, this version knows {_SCHEMA}): update redox-spectra."
        )


def _entry(group: Any, store: _Store) -> Entry:
    recipe = from_json(_note(group, "recipe"))
    layout = from_json(_note(group, "layout"))
    steps, first = list(recipe["steps"]), int(recipe["measured_after"])
    measured, saved = layout["measured"], layout["result"]
    arrays: dict[str, Any] = {}
    _collect(group, measured, arrays, store)
    start = _dataset(measured, arrays, steps[:first])
    left, made, missing = start, {}, []
    if saved is not None:
        missing = _collect(group, saved, arrays, store, optional=True)
        left = _dataset(saved, arrays, steps)
        left.encoding = {"as_measured": start}
        own = {_key(info) for info in measured["variables"].values()}
        made = {n: str(info["path"]) for n, info in saved["variables"].items() if _key(info) not in own}
    environment = from_json(_note(group, "environment")) if "environment" in group["provenance"] else {}
    return Entry(str(layout["name"]), steps, first, start, left, made, tuple(missing), environment)


def _collect(
    group: Any, record: Mapping[str, Any], arrays: dict[str, Any], store: _Store, *, optional: bool = False
) -> list[str]:
    """Read the arrays of ``record`` that are not yet in ``arrays``; names of those that are not in the file."""
    missing = []
    for name, info in record["variables"].items():
        try:
            arrays[_key(info)] = arrays[_key(info)] if _key(info) in arrays else _array(group, info, store)
        except KeyError:
            if not optional:
                raise
            missing.append(str(name))
    return missing


def _key(info: Mapping[str, Any]) -> str:
    """The same for a variable that two datasets share: they share its array, too."""
    return json.dumps([info["path"], info["dtype"]])


def _dataset(record: Mapping[str, Any], arrays: Mapping[str, Any], steps: list[dict[str, Any]]) -> xr.Dataset:
    import xarray as xr

    import spectra.dataset.accessor  # noqa: F401  the dataset has ``.spectra``
    from spectra.dataset import validate

    variables = {
        name: xr.Variable(info["dims"], arrays[_key(info)], info["attrs"])
        for name, info in record["variables"].items()
        if _key(info) in arrays
    }
    attrs = dict(record["attrs"])
    if steps:
        attrs["history"] = json.dumps(steps)
    dataset = xr.Dataset(variables, attrs=attrs).set_coords([n for n in record["coords"] if n in variables])
    return dataset if len(variables) < len(record["variables"]) else validate(dataset)


def _note(entry: Any, name: str) -> str:
    value = _field(entry, f"provenance/{name}/data")[()]
    return value.tobytes().decode() if isinstance(value, np.ndarray) else value.decode()


def _array(entry: Any, info: Mapping[str, Any], store: _Store) -> Any:
    """Array of a variable; where it is split along a dimension, its parts joined."""
    if isinstance(info["path"], str):
        return store.values(entry, info["path"], info)
    if len(set(info["path"])) < len(info["path"]):
        raise ReadError(f"{info['path'][0]} is named twice among the parts of one variable.")
    parts = [store.values(entry, path, info) for path in info["path"]]
    along = info["dims"].index(info["split"])
    if any(hasattr(part, "dask") for part in parts):
        import dask.array

        return dask.array.stack(parts, axis=along)
    return np.stack(parts, axis=along)


@dataclass(frozen=True)
class _Store:
    """Where arrays come from: read at once, or, if ``lazy`` and large, left in the file until they are needed."""

    lazy: bool

    def values(self, entry: Any, path: str, info: Mapping[str, Any]) -> Any:
        found = _field(entry, path)
        plain = found.dtype.kind in "biufc" and str(found.dtype) == str(info["dtype"])
        if self.lazy and plain and found.nbytes > _LEFT and found.ndim:
            return stored(found)
        return _values(entry, path, info)


def _values(entry: Any, path: str, record: Mapping[str, Any]) -> npt.NDArray[Any]:
    import h5py

    found = _field(entry, path)
    raw = found.asstr()[()] if h5py.check_string_dtype(found.dtype) else read_all(found)
    return from_field(np.asarray(raw), record)


def _field(entry: Any, path: str) -> Any:
    """Field at ``path``: stored in this file, and no larger than what is stored."""
    import h5py

    parent, _, name = path.rpartition("/")
    group = _group(entry, parent)
    found = group[name] if _inside(group, name) else None
    if not isinstance(found, h5py.Dataset):
        raise KeyError(path)
    if found.is_virtual or found.external:
        raise ReadError(f"{path} points out of the file; a results file holds its own data.")
    if found.nbytes > _FREE and stored_bytes(found) < found.nbytes:
        raise ReadError(f"{path} claims {found.nbytes} bytes that are not in the file: it is damaged.")
    _load_filters(found)
    return found


def _load_filters(found: Any) -> None:
    """Filters beyond HDF5's own (zstd) come with a package that announces them when imported."""
    recipe = found.id.get_create_plist()
    if any(recipe.get_filter(i)[0] >= 256 for i in range(recipe.get_nfilters())):
        try:
            import hdf5plugin  # noqa: F401
        except ImportError:
            raise ReadError(
                "it is compressed with a filter that HDF5 itself has not: pip install hdf5plugin."
            ) from None


def _group(parent: Any, path: str) -> Any:
    for part in filter(None, path.split("/")):
        if not _inside(parent, part):
            raise KeyError(path)
        parent = parent[part]
    return parent


def _inside(group: Any, name: str) -> bool:
    """Whether ``name`` is a member of ``group`` in this very file, not a link to another one."""
    import h5py

    link = group.get(name, getclass=True, getlink=True)
    if link is h5py.ExternalLink:
        raise ReadError(f"{group.name}/{name} is a link to another file; a results file holds its own data.")
    return link is h5py.HardLink or name in group


def _text_attribute(node: Any, name: str) -> str:
    value = node.attrs.get(name, "")
    return value if isinstance(value, str) else ""
