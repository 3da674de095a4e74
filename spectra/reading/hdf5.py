"""HDF5 and NeXus: the default plot of a file, or datasets named by their paths.

NeXus says what to plot by a chain of ``@default`` from the root to an NXdata group, and there by ``@signal`` and
``@axes``. Files without that chain are searched for NXdata groups; plain HDF5 needs ``columns=``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from spectra.dataset.conventions import AXES, SCALES
from spectra.dataset.stored import is_lazy, read_all, read_or_leave
from spectra.errors import InvalidInput, ReadError, did_you_mean
from spectra.reading.hdf5_file import opened, walk
from spectra.reading.labels import axis_of_label
from spectra.reading.registry import Reader
from spectra.reading.scan import unique_names
from spectra.reading.source import Source

if TYPE_CHECKING:
    import h5py
    import xarray as xr

__all__ = ["holds", "reader", "scans", "sniff"]

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_CREATOR = "redox-spectra"
#: Bytes of a file in which names are looked for.
_LOOKED_AT = 16 * 2**20
#: Other spellings of the units of axes, in lower case.
_SPELLINGS = {
    "ev": "eV",
    "kev": "keV",
    "mev": "meV",
    "cm-1": "1/cm",
    "cm^-1": "1/cm",
    "cm⁻¹": "1/cm",
    "cm¯¹": "1/cm",
}


def sniff(source: Source) -> float:
    """All but certain by the signature of HDF5 (also behind a user block): who knows what is inside knows better."""
    blocks = (0, 512, 1024, 2048)
    return 0.9 if any(source.head[at : at + 8] == _SIGNATURE for at in blocks) else 0.0


def holds(source: Source, *names: bytes) -> bool:
    """Whether a file is HDF5 and all ``names`` stand in its first bytes; a results file of ours never does.

    Nothing is opened for that: of a damaged file the library of HDF5 may never come back.
    """
    if not sniff(source):
        return False
    try:
        with source.path.open("rb") as file:
            beginning = file.read(_LOOKED_AT)
    except OSError:
        return False
    return all(name in beginning for name in names) and _CREATOR.encode() not in beginning


def scans(
    source: Source,
    *,
    columns: dict[str, int | str] | None = None,
    axis: str | None = None,
    axis_units: str | None = None,
) -> list[xr.Dataset]:
    """The plots of a NeXus file, or the datasets that ``columns`` names; results files of our own as they were saved."""
    with opened(source) as file:
        creator = _text(file.attrs.get("creator"))
        if creator != _CREATOR or columns:
            if columns:
                return [_named(file, columns, axis_units, source)]
            return _plots(file, axis, axis_units, source)
    from spectra.results.store import load_all

    return [
        dataset.assign_attrs(title=dataset.attrs.get("title", name))
        for name, dataset in load_all(source.path, lazy=is_lazy()).items()
    ]


reader = Reader(
    "hdf5",
    "HDF5 and NeXus: default plots, or datasets by path",
    (".nxs", ".h5", ".hdf5", ".hdf"),
    sniff,
    scans,
)


def _plots(file: h5py.File, axis: str | None, axis_units: str | None, source: Source) -> list[xr.Dataset]:
    group = _default_plot(file)
    groups = [group] if group is not None else list(_data_groups(file))
    labelled = [] if groups else list(_labelled(file))
    if labelled:
        return [_with_named_axes(item, axes, axis_units, source) for item, axes in labelled]
    if not groups:
        paths = ", ".join(f"{name} {shape}" for name, shape in _arrays(file))
        raise ReadError(
            f"{source.name} names no default plot and has no NXdata; name datasets with columns=, such as "
            f"columns={{'energy': '/entry/energy', 'mu': '/entry/mu'}} (it holds {paths or 'no numbers'})."
        )
    found, faults = [], []
    for one in groups:
        try:
            found.append(_plot(one, axis, axis_units, source))
        except (ReadError, InvalidInput) as error:
            faults.append(str(error))
    if not found:
        raise ReadError(faults[0])
    return found


def _labelled(file: h5py.File) -> Iterator[tuple[h5py.Dataset, list[str]]]:
    """Arrays with an attribute ``axes`` that names their dimensions, the last one a spectral axis that lies beside."""
    import h5py

    for item in file.values():
        if not isinstance(item, h5py.Dataset) or "axes" not in item.attrs:
            continue
        axes = [_text(name) for name in np.atleast_1d(item.attrs["axes"])]
        if item.ndim == len(axes) and axes[-1] in AXES and axes[-1] in file:
            yield item, axes


def _with_named_axes(
    item: h5py.Dataset, axes: list[str], axis_units: str | None, source: Source
) -> xr.Dataset:
    from spectra.dataset.construct import from_arrays

    *dims, axis = axes
    where, beside = f"{source.name}: {item.name}", item.parent
    return from_arrays(
        read_all(beside[axis]).astype(float) * _scale(beside[axis], axis, axis_units, where),
        {str(item.name).strip("/"): read_or_leave(item)},
        axis=axis,
        units=_text(item.attrs.get("units")),
        dims=dims,
        coords={d: (read_all(beside[d]), _text(beside[d].attrs.get("units"))) for d in dims if d in beside},
        attrs={"title": source.path.stem, "source": _text(item.file.attrs.get("source"))},
    )


def _default_plot(group: h5py.Group) -> h5py.Group | None:
    """NXdata at the end of the chain of ``@default``; None where the chain breaks."""
    for _ in range(12):
        if _text(group.attrs.get("NX_class")) == "NXdata" or "signal" in group.attrs:
            return group
        name = _text(group.attrs.get("default"))
        if not name or name not in group:
            return None
        group = group[name]
    return None


def _data_groups(group: h5py.Group) -> Iterator[h5py.Group]:
    import h5py

    for _, item in walk(group):
        if isinstance(item, h5py.Group) and _text(item.attrs.get("NX_class")) == "NXdata":
            yield item


def _arrays(file: h5py.File) -> list[tuple[str, tuple[int, ...]]]:
    import h5py

    arrays = (
        (path, item.shape)
        for path, item in walk(file, soft=False)
        if isinstance(item, h5py.Dataset) and item.shape and np.issubdtype(item.dtype, np.number)
    )
    return list(itertools.islice(arrays, 12))


def _plot(group: h5py.Group, axis: str | None, axis_units: str | None, source: Source) -> xr.Dataset:
    where = f"{source.name}: {group.name}"
    signal = _text(group.attrs.get("signal")) or _old_signal(group)
    if not signal or signal not in group:
        raise ReadError(f"{where} does not say which of its fields is the signal.")
    values = read_or_leave(group[signal])
    axes = [_text(a) for a in np.atleast_1d(group.attrs.get("axes", []))] or [
        *[""] * (values.ndim - 1),
        _old_axis(group),
    ]
    if len(axes) != values.ndim:
        raise ReadError(
            f"{where}: the signal has {values.ndim} dimensions and {len(axes)} axes ({', '.join(axes)})."
        )
    last = axes[-1]
    if last not in group:
        raise ReadError(f"{where}: the last axis {last!r} of the signal {signal!r} is not there.")
    name = _axis_name(group[last], last, axis, where)
    x = read_all(group[last]).astype(float) * _scale(group[last], name, axis_units, where)
    others = {
        n: read_or_leave(item)
        for n, item in group.items()
        if n not in (signal, *axes)
        and getattr(item, "shape", None) == values.shape
        and np.issubdtype(item.dtype, np.number)
    }
    errors = next((others.pop(n) for n in (f"{signal}_errors", "errors") if n in others), None)
    dims = [d if d not in ("", ".") else f"dim_{i}" for i, d in enumerate(axes[:-1])]
    coords = {d: (read_all(group[d]), _text(group[d].attrs.get("units")) or "") for d in dims if d in group}
    variable = unique_names([signal], taken=tuple(AXES))[0]
    variable = "intensity" if variable == "data" else variable
    return _dataset({variable: values, **others}, x, name, errors, dims, coords, group, signal, where)


def _dataset(
    values: dict[str, Any],
    x: Any,
    axis: str,
    errors: Any,
    dims: list[str],
    coords: dict[str, Any],
    group: h5py.Group,
    signal: str,
    where: str,
) -> xr.Dataset:
    from spectra.dataset.construct import from_arrays

    variable = next(iter(values))
    title = group.get("title")
    entry = group.name.strip("/").split("/")[0]
    try:
        return from_arrays(
            x,
            values,
            axis=axis,
            units=_text(group[signal].attrs.get("units")) or "",
            sigma=errors,
            dims=dims,
            coords=coords,
            attrs={
                "title": _text(title[()]) if title is not None else entry,
                "path": group.name,
                "signal": variable,
            },
        )
    except InvalidInput as error:
        raise ReadError(f"{where}: {error}") from None


def _named(
    file: h5py.File, columns: Mapping[str, int | str], axis_units: str | None, source: Source
) -> xr.Dataset:
    """The datasets at the paths that ``columns`` names."""
    from spectra.dataset.construct import from_arrays

    known = [name for name, _ in _arrays(file)]
    arrays = {}
    for name, path in columns.items():
        if not isinstance(path, str) or path not in file:
            raise InvalidInput(
                f"columns: {source.name} has no dataset {path!r}; {did_you_mean(str(path), known)}."
            )
        arrays[name] = file[path]
    axes = [name for name in arrays if name in AXES]
    if len(axes) != 1 or len(arrays) < 2:
        raise InvalidInput(
            f"columns must name one spectral axis ({', '.join(AXES)}) and at least one variable; got {', '.join(arrays)}."
        )
    axis = axes[0]
    scale = _scale(arrays[axis], axis, axis_units, source.name)
    values = {name: read_or_leave(item) for name, item in arrays.items() if name != axis}
    first = next(iter(values.values()))
    dims = [f"dim_{i}" for i in range(first.ndim - 1)] if first.ndim != 2 else ["scan"]
    return from_arrays(read_all(arrays[axis]).astype(float) * scale, values, axis=axis, dims=dims)


def _axis_name(item: h5py.Dataset, label: str, axis: str | None, where: str) -> str:
    """The spectral axis that a field is: as told, by its name, its long name or its type."""
    if axis is not None:
        if axis not in AXES:
            raise InvalidInput(f"axis {axis!r} is not a spectral axis; {did_you_mean(axis, AXES)}.")
        named = axis_of_label(label)
        return named if named in AXES and label in AXES else axis
    kind = _text(item.attrs.get("type"))
    if kind in ("binding", "kinetic"):
        return f"{kind}_energy"
    for text in (label, _text(item.attrs.get("long_name"))):
        found = axis_of_label(text.replace("_", " ")) if text else None
        if found:
            return found
    raise ReadError(f"{where}: its axis {label!r} is no spectral axis; say axis= one of {', '.join(AXES)}.")


def _scale(item: h5py.Dataset, axis: str, axis_units: str | None, where: str) -> float:
    units = axis_units or _text(item.attrs.get("units")) or AXES[axis]
    plain = _SPELLINGS.get(units.lower(), units.lower())
    if plain not in SCALES[AXES[axis]]:
        raise ReadError(f"{where}: {axis} is in {units!r}; say axis_units= if that is wrong.")
    return SCALES[AXES[axis]][plain]


def _old_signal(group: h5py.Group) -> str:
    """Signal of files from before 2014, marked on the field itself."""
    return next((str(n) for n, item in group.items() if str(_text(item.attrs.get("signal"))) == "1"), "")


def _old_axis(group: h5py.Group) -> str:
    return next((str(n) for n, item in group.items() if "axis" in item.attrs), "")


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)
