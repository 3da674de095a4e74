"""Results of a dataset as one tidy table: a row per spectrum and component, a column per quantity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset.conventions import as_dataset, series_dims
from spectra.dataset.flags import status_bits

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["parameter_table", "tidy_table"]

#: Dimensions of a fit's parameters; they have a table of their own.
_PARAMETERS = ("parameter", "varied", "varied_2")


def tidy_table(dataset: xr.Dataset) -> pd.DataFrame:
    """One row per spectrum and component (per spectrum where there are no components).

    Columns: the coordinates of the series, the component, its quantities, the quantities of the whole spectrum, each
    followed by its ``_sigma``, and ``flags`` as text. Curves are not in it. A quantity with another labelled
    dimension has a column for each label: ``fraction[Ni3+]``. Units are in ``table.attrs["units"]``.

    Parameters
    ----------
    dataset : xarray.Dataset

    Returns
    -------
    pandas.DataFrame

    Examples
    --------
    >>> import spectra
    >>> data = spectra.from_arrays([1.0, 2, 3], [[4.0, 5, 6], [7, 8, 9]], dims=("scan",))
    >>> tidy_table(data.assign(area=("scan", [1.0, 2.0])))
       scan  area
    0     0   1.0
    1     1   2.0
    """
    dataset = as_dataset(dataset, verb="the table")
    rows = [*series_dims(dataset), *(["component"] if "component" in dataset.dims else [])]
    # a covariance between sources is no number of one of them; what a file says beside its data is a text of many
    skip = {"status", "source_2", *_PARAMETERS, *(["metadata"] if "metadata" in dataset.coords else [])}
    return _table(dataset, rows, skip=skip)


def parameter_table(dataset: xr.Dataset) -> pd.DataFrame | None:
    """One row per spectrum and parameter of a fit, free, tied or fixed; None where no fit was made."""
    dataset = as_dataset(dataset, verb="the table")
    if "parameter" not in dataset.dims:
        return None
    names = [n for n, v in dataset.variables.items() if "parameter" in v.dims]
    series = {str(n): c for n, c in dataset.coords.items() if set(c.dims) <= set(series_dims(dataset))}
    part = dataset[[n for n in names if n in dataset.data_vars]].assign_coords(series)
    return _table(part.assign(status=dataset["status"]) if "status" in dataset else part,
                  [*series_dims(dataset), "parameter"], skip={"status", "varied", "varied_2"})  # fmt: skip


def _table(dataset: xr.Dataset, rows: list[str], *, skip: set[str]) -> pd.DataFrame:
    import pandas as pd

    sizes = {d: dataset.sizes[d] for d in rows}
    columns: dict[str, npt.NDArray[Any]] = {}
    units: dict[str, str] = {}
    for name, variable in _ordered(dataset, rows):
        if name in skip or skip & set(variable.dims):
            continue
        for column, part in _spread(dataset, name, variable, rows):
            columns[column] = _column(part, sizes)
            if variable.attrs.get("units"):
                units[column] = str(variable.attrs["units"])
    if "status" in dataset:
        columns["flags"] = _column(_flags(status_bits(dataset).variable), sizes)
    firsts = [c for c in columns if not (c.endswith("_sigma") and c.removesuffix("_sigma") in columns)]
    ordered = {c: columns[c] for first in firsts for c in (first, f"{first}_sigma") if c in columns}
    table = pd.DataFrame(ordered, index=pd.RangeIndex(int(np.prod(list(sizes.values()), dtype=int))))
    table.attrs["units"] = units
    return table


def _column(variable: xr.Variable, sizes: dict[str, int]) -> npt.NDArray[Any]:
    """One value per row, repeated along the rows' dimensions that the variable has not."""
    values = np.asarray(variable.transpose(*(d for d in sizes if d in variable.dims)).values)
    shape = [length if d in variable.dims else 1 for d, length in sizes.items()]
    return np.broadcast_to(values.reshape(shape), tuple(sizes.values())).ravel()


def _ordered(dataset: xr.Dataset, rows: list[str]) -> list[tuple[str, xr.Variable]]:
    """Variables as columns should stand: where we are, then what was found there."""
    import xarray as xr

    index = {d: dataset[d].variable for d in rows}  # a plain count where a dimension has no coordinate
    series = [d for d in rows if d != "component"]
    names = [str(n) for n in dataset.variables if str(n) not in index]
    coords = [n for n in names if n in dataset.coords]
    data = [n for n in names if n not in dataset.coords]
    beside = [n for n in coords if set(dataset[n].dims) <= set(series)]
    component = [n for n in coords if n not in beside]
    quantities = sorted(data, key=lambda n: "component" not in dataset[n].dims)
    order = [*series, *beside, *(d for d in rows if d not in series), *component, *quantities]
    return [(n, index[n] if n in index else xr.Variable(dataset[n].dims, dataset[n].values, dataset[n].attrs))
            for n in dict.fromkeys(order) if n in index or _is_tabular(dataset, n, rows)]  # fmt: skip


def _is_tabular(dataset: xr.Dataset, name: str, rows: list[str]) -> bool:
    """Numbers and texts per row; dimensions beside must be labelled, so that a curve is none.

    A coordinate along such a dimension says what the labels mean, and nothing about a spectrum.
    """
    extra = [d for d in dataset[name].dims if d not in rows]
    if extra and name in dataset.coords:
        return False
    return all(d in dataset.coords and d != name and dataset[d].dtype.kind in "OUT" for d in extra)


def _spread(
    dataset: xr.Dataset, name: str, variable: xr.Variable, rows: list[str]
) -> list[tuple[str, xr.Variable]]:
    """Columns of a variable: one, or one for each label of its dimensions beside the rows."""
    extra = [str(d) for d in variable.dims if d not in rows]
    columns = []
    for place in np.ndindex(*(variable.sizes[d] for d in extra)):
        index = dict(zip(extra, place, strict=True))
        labels = ", ".join(str(dataset[d].values[i]) for d, i in index.items())
        stem = name.removesuffix("_sigma")
        sigma = name[len(stem) :]
        columns.append((f"{stem}[{labels}]{sigma}" if extra else name, variable.isel(index)))
    return columns


def _flags(status: xr.Variable) -> xr.Variable:
    """Names of the flags that are set, as text; empty where all is well."""
    names = str(status.attrs.get("flag_meanings", "")).split()
    texts = np.empty(status.shape, object)
    for value in np.unique(status.values):
        texts[status.values == value] = ", ".join(n for i, n in enumerate(names) if int(value) & (1 << i))
    return status.copy(data=texts)
