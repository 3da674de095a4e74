"""Results out of the file, for other programs: tables as CSV, curves as text on the grids they were computed on."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset.conventions import as_dataset, series_dims
from spectra.dataset.flags import flag_names
from spectra.errors import InvalidInput, WriteError, did_you_mean
from spectra.results.atomic import replace_file
from spectra.results.fields import safe_name
from spectra.results.provenance import inputs_of
from spectra.results.table import parameter_table, tidy_table
from spectra.verbs import history

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["export"]

_INPUTS = 5  # named in the head of each file


def export(
    results: str | os.PathLike[str] | xr.Dataset | Mapping[str, xr.Dataset],
    folder: str | os.PathLike[str],
    *,
    format: Literal["csv", "text"] = "csv",
) -> list[Path]:
    """Write results as files that any program reads.

    Parameters
    ----------
    results : path, xarray.Dataset or mapping of str to xarray.Dataset
        A results file, or what would be saved in one.
    folder : path
        Where the files go; made if missing. Files of the same names are replaced.
    format : {"csv", "text"}
        ``csv``: ``<name>.csv`` with a row per spectrum and component, and ``<name>_parameters.csv`` with a row per
        spectrum and fit parameter. ``text``: for each spectrum and each grid (energy, k, r, ...) one file with the
        curves in columns. In both, lines with ``#`` above the numbers say units and origin:
        ``pandas.read_csv(file, comment="#")``, ``numpy.loadtxt(file)``.

    Returns
    -------
    list of Path
        The files, in order.

    Raises
    ------
    InvalidInput
        Another ``format``.
    ReadError
        ``results`` is a path and not of a results file.
    WriteError
        A file cannot be written.

    Examples
    --------
    >>> import tempfile, spectra
    >>> data = spectra.from_arrays([1.0, 2, 3], [[4.0, 5, 6], [7, 8, 9]], dims=("scan",))
    >>> [file.name for file in export({"demo": data}, tempfile.mkdtemp(), format="text")]
    ['demo_scan0_energy.txt', 'demo_scan1_energy.txt']
    """
    writers = {"csv": _tables, "text": _curves}
    if format not in writers:
        raise InvalidInput(
            f"format {format!r} is not one that export writes; {did_you_mean(format, writers)}."
        )
    place = Path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"the folder {place} cannot be made: {error.strerror}.") from error
    names: set[str] = set()
    written = []
    for name, dataset in _datasets(results).items():
        stem = safe_name(name, names)
        names.add(stem)
        for file, text in writers[format](stem, as_dataset(dataset, verb="export")):
            written.append(replace_file(place / file, text.encode()))
    return written


def _datasets(results: Any) -> dict[str, xr.Dataset]:
    import xarray as xr

    if isinstance(results, xr.Dataset):
        return {str(results.attrs.get("title") or "spectra"): results}
    if isinstance(results, Mapping):
        return dict(results)
    from spectra.results.store import load_all

    return load_all(results)


def _tables(stem: str, dataset: xr.Dataset) -> Iterator[tuple[str, str]]:
    yield f"{stem}.csv", _csv(tidy_table(dataset), dataset)
    parameters = parameter_table(dataset)
    if parameters is not None:
        yield f"{stem}_parameters.csv", _csv(parameters, dataset)


def _csv(table: pd.DataFrame, dataset: xr.Dataset) -> str:
    """Comment lines, then a plain table: full precision, text in quotes (it may hold a ``#``), dates in UTC."""
    units = table.attrs["units"]
    dated = table.assign(
        **{str(c): table[c].dt.tz_localize("UTC") for c in table.select_dtypes("datetime64")}
    )
    lines = [*_origin(dataset), "units: " + ", ".join(_line(f"{c} {units[c]}") for c in table if c in units)]
    text = io.StringIO()
    text.writelines(f"# {line}\n" for line in lines)
    dated.to_csv(text, index=False, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    return text.getvalue()


def _origin(dataset: xr.Dataset) -> list[str]:
    """Lines that say where numbers come from."""
    steps, inputs = history(dataset), inputs_of(dataset)
    versions = _line(", ".join(dict.fromkeys(str(step.get("version", "")) for step in steps)))
    verbs = _line(", ".join(str(step["verb"]) for step in steps))
    lines = [f"title: {_line(dataset.attrs['title'])}"] if dataset.attrs.get("title") else []
    lines.append(f"made by redox-spectra {versions}: {verbs}" if steps else "data as they were handed in")
    lines += [f"input: {_line(item['file'])} sha256 {_line(item['sha256'])}" for item in inputs[:_INPUTS]]
    more = len(inputs) - _INPUTS
    return [*lines, f"and {more} more inputs"] if more > 0 else lines


def _line(text: Any) -> str:
    """One line without characters that a terminal obeys."""
    return "".join(c for c in " ".join(str(text).split()) if c.isprintable())


def _curves(stem: str, dataset: xr.Dataset) -> Iterator[tuple[str, str]]:
    """Name and text of one file per spectrum and grid."""
    series = series_dims(dataset)
    grids = _grids(dataset)
    origin = _origin(dataset)
    width = [len(str(max(dataset.sizes[d] - 1, 0))) for d in series]
    for place in np.ndindex(*(dataset.sizes[d] for d in series)):
        index = dict(zip(series, place, strict=True))
        label = "_".join(
            [stem, *(f"{safe_name(d)}{i:0{w}d}" for d, i, w in zip(series, place, width, strict=True))]
        )
        said = [*origin, *_numbers(dataset, index)]
        for grid, names in grids.items():
            labels, columns = _columns(dataset, index, grid, names)
            text = io.StringIO()
            text.writelines(
                f"# {line}\n" for line in [*said, "units: " + "  ".join(_units(dataset, [*grid, *names]))]
            )
            np.savetxt(text, np.column_stack(columns), fmt="%.12g", header="  ".join(labels))
            yield f"{label}_{safe_name('_'.join(grid))}.txt", text.getvalue()


def _grids(dataset: xr.Dataset) -> dict[tuple[str, ...], list[str]]:
    """Curves by the axes they lie on; a curve of each component counts as several on the same axis."""
    series = series_dims(dataset)
    grids: dict[tuple[str, ...], list[str]] = {}
    for name, variable in dataset.data_vars.items():
        own = tuple(str(d) for d in variable.dims if d not in series and _is_numeric(dataset, str(d)))
        if own and variable.dtype.kind in "biuf":
            grids.setdefault(own, []).append(str(name))
    return grids


def _is_numeric(dataset: xr.Dataset, dim: str) -> bool:
    return dim in dataset.coords and dataset[dim].dtype.kind in "iuf"


def _columns(
    dataset: xr.Dataset, index: Mapping[str, int], grid: tuple[str, ...], names: list[str]
) -> tuple[list[str], list[npt.NDArray[Any]]]:
    """Labels and columns of one spectrum on one grid; a grid of two axes is written out point by point."""
    axes = np.meshgrid(*(dataset[d].values for d in grid), indexing="ij")
    labels, columns = list(grid), [axis.ravel() for axis in axes]
    for name in names:
        variable = dataset[name].variable.isel({d: i for d, i in index.items() if d in dataset[name].dims})
        extra = [str(d) for d in variable.dims if d not in grid]
        values = np.asarray(variable.transpose(*extra, *grid).values)
        for place in np.ndindex(values.shape[: len(extra)]):
            marks = [_line(dataset[d].values[i]).replace(" ", "_") for d, i in zip(extra, place, strict=True)
                     if d in dataset.coords]  # fmt: skip
            labels.append(_line(f"{name}[{','.join(marks)}]" if extra else name))
            columns.append(values[place].ravel())
    return labels, columns


def _units(dataset: xr.Dataset, names: list[str]) -> list[str]:
    return [
        f"{name}={_line(dataset[name].attrs['units'])}" for name in names if dataset[name].attrs.get("units")
    ]


def _numbers(dataset: xr.Dataset, index: Mapping[str, int]) -> list[str]:
    """Every number and text of one spectrum, a line each, with its uncertainty and unit."""
    lines = []
    for name, variable in dataset.variables.items():
        extra = [str(d) for d in variable.dims if d not in index]
        own = name in extra or any(_is_numeric(dataset, d) or d not in dataset.coords for d in extra)
        if own or name == "status" or str(name).endswith("_sigma") or len(extra) > 1:
            continue
        here = {d: i for d, i in index.items() if d in variable.dims}
        values, sigma = dataset[name].isel(here), f"{name}_sigma"
        errors = dataset[sigma].isel(here) if sigma in dataset.data_vars else None
        for place in np.ndindex(*values.shape):
            label = f"{name}[{_line(dataset[extra[0]].values[place[0]])}]" if extra else name
            error = f" ± {errors.values[place]:.6g}" if errors is not None else ""
            lines.append(
                _line(f"{label} = {_shown(values.values[place])}{error} {variable.attrs.get('units', '')}")
            )
    flags = flag_names(dataset, **index)
    return [*lines, _line(f"flags: {', '.join(flags)}")] if flags else lines


def _shown(value: Any) -> str:
    return f"{value:.12g}" if isinstance(value, float | np.floating) else _line(value)
