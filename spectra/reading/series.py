"""A series of scans (many files, or many scans of one) as one dataset with a series dimension."""

from __future__ import annotations

import contextlib
import contextvars
import functools
import glob
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset.conventions import series_dims, spectral_axis
from spectra.dataset.flags import flag
from spectra.errors import InvalidInput, ReadError
from spectra.reading.coordinate import with_coordinate, with_time
from spectra.reading.registry import (
    choose,
    matching,
    options_of_readers,
    read_scans,
    results_of,
    scan_name,
)
from spectra.reading.scan import notes_of
from spectra.verbs import note, reading_verb

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Grid", "Paths", "expand", "natural_order", "part_of_files", "read_each", "read_series", "stack"]

Grid = Literal["first", "union", "intersection"]
Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]

#: Longest text that becomes a coordinate where it differs from scan to scan.
_SHORT = 200

#: Relative difference of energies that are the same: what printing with 8 digits leaves.
_SAME_GRID = 1e-8


#: More points than any scan has by this factor are several between the same two measured ones.
_DENSER = 1.5
_OVERSAMPLED = (
    "Interpolated to several points between the same two measured ones: noise and all uncertainties told from it are far "
    "too small. Read with grid = first, which keeps the points of a scan, or read the scans apart."
)


def expand(paths: Paths) -> list[str]:
    """Files that ``paths`` names: a pattern is sorted with numbers by value, a list keeps its order."""
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    files: list[str] = []
    for item in (os.path.expanduser(os.fspath(path)) for path in given):
        if glob.has_magic(item) and not Path(item).exists():
            found = sorted(
                (f for f in glob.glob(item, recursive=True) if Path(f).is_file()), key=natural_order
            )
            if not found:
                raise ReadError(f"no file matches {item!r} (looked in {Path.cwd()}).")
            files += found
        else:
            files.append(item)
    if not files:
        raise InvalidInput("a series needs at least one file; the list of paths is empty.")
    return files


def natural_order(name: str) -> list[tuple[int, int, str]]:
    """Key that sorts names with numbers by value."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", name)]


def read_each(
    paths: Paths,
    *,
    select: str | int | tuple[str | int, ...] | None = None,
    reader: str | None = None,
    options: Mapping[str, Any] | None = None,
    hints: Mapping[str, Any] | None = None,
    prepare: Callable[[xr.Dataset], xr.Dataset] = lambda scan: scan,
) -> list[tuple[str, xr.Dataset]]:
    """Every selected scan of every file, each with its label: file, and name of the scan where a file has several."""
    files = expand(paths)
    found: list[tuple[str, xr.Dataset]] = []
    series = _all_files.get() or files
    names, stems = (
        _counted(tuple(Path(f).name for f in series)),
        _counted(tuple(Path(f).stem for f in series)),
    )
    for file in files:
        scans = [prepare(scan) for scan in read_scans(file, reader=reader, options=options, hints=hints)]
        chosen = _chosen(scans, select, file)
        path = Path(file)
        if names[path.name] > 1:
            name = str(path.with_suffix(""))
        else:  # scan.001 and scan.002 differ in what stands for an ending
            name = path.stem if stems[path.stem] == 1 else path.name
        several = len(chosen) > 1 and len({scan_name(s) for s in chosen}) > 1
        found += [(f"{name} {scan_name(scan)}" if several else name, scan) for scan in chosen]
    return found


@contextlib.contextmanager
def part_of_files(files: Sequence[str]) -> Iterator[None]:
    """Say that the files read inside the block are a part of these: labels are told apart among all."""
    token = _all_files.set(tuple(files))
    try:
        yield
    finally:
        _all_files.reset(token)


_all_files: contextvars.ContextVar[tuple[str, ...]] = contextvars.ContextVar("spectra_all_files", default=())


@functools.lru_cache(maxsize=4)
def _counted(names: tuple[str, ...]) -> Counter[str]:
    return Counter(names)


def _chosen(
    scans: list[xr.Dataset], select: str | int | tuple[str | int, ...] | None, file: str
) -> list[xr.Dataset]:
    if select is None:
        return results_of(scans)
    chosen: list[xr.Dataset] = []
    for one in select if isinstance(select, tuple) else (select,):
        several = matching(scans, one) if isinstance(one, str) else []
        chosen += several or [choose(scans, one, file=file)]
    return chosen


def stack(
    scans: Sequence[tuple[str, xr.Dataset]],
    *,
    dim: str = "scan",
    coordinate: tuple[float, ...] | str | None = None,
    grid: Grid | None = None,
) -> xr.Dataset:
    """Labelled scans as one dataset; options as in :func:`read_series`."""
    import xarray as xr

    datasets = [scan for _, scan in scans]
    axis = _common_axis(scans)
    _note_together(datasets)
    energies = _common_grid(scans, axis, grid)
    names = _common_variables(datasets)
    x = energies if energies is not None else datasets[0][axis].values
    _refuse_different_shapes(scans, axis)
    variables = {
        name: (
            (dim, *datasets[0][name].dims),
            _stacked(datasets, name, axis, energies),
            datasets[0][name].attrs,
        )
        for name in names
    }
    axis_coordinate = (axis, x, dict(datasets[0][axis].attrs))
    shared, differing = _common_attributes(datasets, dim)
    dataset = xr.Dataset(variables, {axis: axis_coordinate}, shared)
    dataset = dataset.assign_coords(
        {key: (dim, values) for key, values in differing.items() if key not in variables}
        | _further_coordinates(datasets, axis, dim)
        | {"label": (dim, [label for label, _ in scans], {"long_name": "file and scan"})}
    )
    if x.size > _DENSER * max(scan.sizes[axis] for scan in datasets):
        every = np.ones([dataset.sizes[d] for d in series_dims(dataset)], bool)
        dataset = flag(dataset, every, "oversampled", _OVERSAMPLED, severity="warning")
    return with_coordinate(with_time(dataset, datasets, dim), datasets, dim, coordinate)


def _common_axis(scans: Sequence[tuple[str, xr.Dataset]]) -> str:
    axes = {label: spectral_axis(scan) for label, scan in scans}
    if len(set(axes.values())) > 1:
        shown = ", ".join(f"{label}: {axis}" for label, axis in list(axes.items())[:4])
        raise ReadError(
            f"the scans lie along different axes and make no series ({shown}); select those that belong together."
        )
    return next(iter(axes.values()))


def _refuse_different_shapes(scans: Sequence[tuple[str, xr.Dataset]], axis: str) -> None:
    """Maps and the like make a series only where all have the same dimensions, of the same length."""
    shapes = {label: {str(d): n for d, n in scan.sizes.items() if d != axis} for label, scan in scans}
    first_label, first = next(iter(shapes.items()))
    odd = next((label for label, shape in shapes.items() if shape != first), None)
    if odd is not None:
        raise ReadError(
            f"{first_label} and {odd} have different dimensions ({first}; {shapes[odd]}) and make no series; "
            "read them apart."
        )


def _further_coordinates(datasets: Sequence[xr.Dataset], axis: str, dim: str) -> dict[str, Any]:
    """Coordinates of the dimensions that each scan has itself: once where all agree, else one for each scan."""
    found: dict[str, Any] = {}
    for name, first in datasets[0].coords.items():
        if name in (axis, dim) or not all(name in scan.coords for scan in datasets):
            continue
        if all(scan[name].equals(first) for scan in datasets) or name in first.dims:
            found[str(name)] = (first.dims, first.values, first.attrs)
        else:
            values = np.stack([scan[name].values for scan in datasets])
            found[str(name)] = ((dim, *first.dims), values, first.attrs)
    return found


def _note_together(datasets: Sequence[xr.Dataset]) -> None:
    counted = Counter(text for scan in datasets for text in notes_of(scan))
    for text, count in counted.items():
        note(text if count == len(datasets) == 1 else f"{text} ({count} of {len(datasets)} scans)")


def _common_grid(
    scans: Sequence[tuple[str, xr.Dataset]], axis: str, grid: Grid | None
) -> npt.NDArray[np.float64] | None:
    """Grid to interpolate to; None where all scans have the same."""
    first_label, first = scans[0][0], scans[0][1][axis].values
    odd = next((label for label, scan in scans if not _same(scan[axis].values, first)), None)
    if odd is None:
        return None
    if grid is None:
        raise ReadError(
            f"{first_label} and {odd} have different {axis} values; say grid='first', 'union' or 'intersection' to "
            "interpolate (in a recipe below [read]), or read them apart."
        )
    grids = [scan[axis].values for _, scan in scans]
    low, high = max(g[0] for g in grids), min(g[-1] for g in grids)
    if grid == "first":
        chosen = first
    else:
        merged = np.unique(np.concatenate(grids))
        merged = merged[np.append(True, np.diff(merged) > _SAME_GRID * np.abs(merged[1:]))]
        chosen = merged if grid == "union" else merged[(merged >= low) & (merged <= high)]
    if chosen.size < 2:
        raise ReadError(
            f"the scans share no {axis} range ({low:g} to {high:g}); grid='intersection' leaves nothing."
        )
    note(
        f"scans were interpolated linearly to {chosen.size} points ({grid}); outside of its own range a scan is NaN"
    )
    return np.asarray(chosen)


def _same(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> bool:
    return a.shape == b.shape and bool((np.abs(a - b) <= _SAME_GRID * np.abs(b)).all())


def _common_variables(datasets: Sequence[xr.Dataset]) -> list[str]:
    signal = str(datasets[0].attrs["signal"])
    shared = [str(n) for n in datasets[0].data_vars if all(n in scan.data_vars for scan in datasets)]
    if signal not in shared or any(scan.attrs["signal"] != signal for scan in datasets):
        signals = ", ".join(sorted({str(scan.attrs["signal"]) for scan in datasets}))
        raise ReadError(
            f"the scans measured different things ({signals}) and make no series; read them apart."
        )
    left = sorted({str(n) for scan in datasets for n in scan.data_vars} - set(shared))
    if left:
        note(f"variables that not every scan has were left out: {', '.join(left)}")
    return [signal, *(name for name in shared if name != signal)]


def _stacked(
    datasets: Sequence[xr.Dataset], name: str, axis: str, energies: npt.NDArray[np.float64] | None
) -> npt.NDArray[Any]:
    if energies is None:
        return np.stack([scan[name].values for scan in datasets])
    return np.stack([_interpolated(scan, name, axis, energies) for scan in datasets])


def _interpolated(
    scan: xr.Dataset, name: str, axis: str, energies: npt.NDArray[np.float64]
) -> npt.NDArray[Any]:
    """Values of a variable at other energies; one that does not lie along them as it is."""
    if axis not in scan[name].dims:
        return np.asarray(scan[name].values)
    at = scan[name].dims.index(axis)

    def one(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.asarray(np.interp(energies, scan[axis].values, values, left=np.nan, right=np.nan))

    return np.apply_along_axis(one, at, scan[name].values)


def _common_attributes(
    datasets: Sequence[xr.Dataset], dim: str
) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """Attributes that all scans share, and the short ones that differ, one value per scan."""
    keys = dict.fromkeys(
        k for scan in datasets for k in scan.attrs if k not in ("history", "title", "signal")
    )
    shared: dict[str, Any] = {"signal": datasets[0].attrs["signal"]}
    differing: dict[str, list[Any]] = {}
    for key in keys:
        values = [scan.attrs.get(key) for scan in datasets]
        if all(value == values[0] for value in values):
            shared[key] = values[0]
        elif all(value is None or isinstance(value, int | float) for value in values):
            differing[key] = [np.nan if value is None else value for value in values]
        elif all(len(str(value)) <= _SHORT for value in values):
            differing[key] = ["" if value is None else str(value) for value in values]
    titles = [str(scan.attrs.get("title", "")) for scan in datasets]
    shared["title"] = (
        titles[0] if len(set(titles)) == 1 else f"{titles[0]} … {titles[-1]} ({len(titles)} along {dim})"
    )
    return shared, differing


@reading_verb("spectra.read_series", passes_on=options_of_readers)
def read_series(
    paths: Paths,
    *,
    dim: str = "scan",
    coordinate: tuple[float, ...] | str | None = None,
    select: str | int | tuple[str | int, ...] | None = None,
    grid: Grid | None = None,
    reader: str | None = None,
    columns: dict[str, int | str] | None = None,
    axis: str | None = None,
    axis_units: str | None = None,
    delimiter: str | None = None,
    decimal: Literal[".", ","] | None = None,
    encoding: str | None = None,
    **reader_options: Any,
) -> xr.Dataset:
    r"""Read a series of scans, many files or many scans of one file, into one dataset with a series dimension.

    Parameters
    ----------
    paths : path, pattern or list of such
        ``"operando/*.xdi"``; a pattern is sorted with numbers by value, a list keeps its order.
    dim : str
        Name of the series dimension. With ``time`` the wall clock is its coordinate and orders it.
    coordinate : tuple of float or str, optional
        Coordinate of ``dim``: one number per spectrum, or the name of a number in the metadata
        (``Sample.temperature``). Default: the running number from 0.
    select : str, int or tuple, optional
        Which scans of each file, by name or number from 0; a name may fit several. Default: all.
    grid : {"first", "union", "intersection"}, optional
        Axis values to interpolate to (linearly) where the scans differ: those of the first scan, all, or all inside
        the range that every scan has. Without it differing scans are refused.
    reader : str, optional
        Name of the reader where the content should not decide.
    columns : dict, optional
        Name of the axis or variable → column, by number from 1 or label.
    axis : str, optional
        Spectral axis (``energy``, ``raman_shift``, …) where the files do not say it.
    axis_units : str, optional
        Units of the axis in the files where they are not stated.
    delimiter : str, optional
        Text: what stands between columns.
    decimal : {".", ","}, optional
        Text: the decimal mark.
    encoding : str, optional
        Text: the encoding.
    **reader_options
        Further options, of the reader: ``spectra list readers NAME`` shows those that it has.

    Returns
    -------
    xarray.Dataset
        Along ``dim`` lie the coordinates ``label`` (file and scan), what the files say differently (``start_time``,
        ``sample``, ...) and, where every file says when it began, ``time``: s since the first spectrum, the wall clock
        of which is its attribute ``start``.

    Raises
    ------
    ReadError
        A file cannot be read, or the scans do not fit together.

    Examples
    --------
    >>> import pathlib, tempfile, spectra
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for n in (1, 2, 10):
    ...     _ = (folder / f"scan{n}.txt").write_text(f"energy mu\n6530 {n}\n6540 1\n")
    >>> spectra.read_series(folder / "*.txt").mu[:, 0].values
    array([ 1.,  2., 10.])
    """
    options = {
        "columns": columns,
        "axis": axis,
        "axis_units": axis_units,
        "delimiter": delimiter,
        "decimal": decimal,
        "encoding": encoding,
        **reader_options,
    }
    each = read_each(paths, select=select, reader=reader, options=options)
    return stack(each, dim=dim, coordinate=coordinate, grid=grid)
