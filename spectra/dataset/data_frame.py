"""pandas DataFrames as datasets and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset.construct import from_arrays
from spectra.dataset.conventions import AXES, as_dataset, series_dims, signal_name, spectral_axis
from spectra.errors import InvalidInput, did_you_mean

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["from_pandas", "to_pandas"]


def from_pandas(
    frame: pd.DataFrame, *, axis: str | None = None, signal: str | None = None, dim: str | None = None
) -> xr.Dataset:
    """Dataset of a DataFrame whose index or one column is the spectral axis.

    Parameters
    ----------
    frame : pandas.DataFrame
        One row per point. The axis is the index if its name is a spectral axis, else the first column whose name is.
    axis : str, optional
        Spectral axis where no name says it: the index, or the column of that name.
    signal : str, optional
        Name of the measured quantity. Default: the first other column; ``intensity`` with ``dim``.
    dim : str, optional
        Other columns are spectra of one quantity along this series dimension, with the columns' names as coordinate.
        Default: they are different variables of one spectrum.

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    InvalidInput
        If no axis is found or a column holds no numbers.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"energy": [6530.0, 6540.0], "a": [0.1, 1.2], "b": [0.2, 1.1]})
    >>> dict(from_pandas(frame, dim="sample", signal="mu").sizes)
    {'sample': 2, 'energy': 2}
    """
    name, x, rest = _frame_axis(frame, axis)
    if rest.shape[1] == 0:
        raise InvalidInput("the DataFrame has no column beside its spectral axis.")
    values = {str(column): np.asarray(rest[column]) for column in rest.columns}
    if dim is None:
        if signal is not None:
            if signal not in values:
                raise InvalidInput(
                    f"signal: the DataFrame has no column {signal!r}; {did_you_mean(signal, values)}."
                )
            values = {signal: values.pop(signal), **values}
        return from_arrays(x, values, axis=name)
    stacked = np.stack([np.asarray(v, float) for v in values.values()])
    try:
        labels: Any = np.array([float(label) for label in values])
    except ValueError:
        labels = np.array(list(values))
    return from_arrays(x, stacked, axis=name, name=signal or "intensity", dims=(dim,), coords={dim: labels})


def _frame_axis(frame: pd.DataFrame, axis: str | None) -> tuple[str, npt.NDArray[np.float64], pd.DataFrame]:
    if axis is not None and axis not in AXES:
        raise InvalidInput(f"axis {axis!r} is not a spectral axis; {did_you_mean(axis, AXES)}.")
    index = str(frame.index.name or "")
    if index in AXES and axis in (None, index):
        return index, np.asarray(frame.index, float), frame
    found = next((c for c in frame.columns if str(c) in AXES and axis in (None, str(c))), None)
    if found is not None:
        return str(found), np.asarray(frame[found], float), frame.drop(columns=[found])
    if axis is not None:
        return axis, np.asarray(frame.index, float), frame
    raise InvalidInput(
        f"neither the index nor a column of the DataFrame is named after a spectral axis ({', '.join(AXES)}); "
        "say which it is with axis=."
    )


def to_pandas(dataset: xr.Dataset, variable: str | None = None) -> pd.DataFrame:
    """DataFrame with the spectral axis as index: one column per variable, or per spectrum of a series.

    Parameters
    ----------
    dataset : xarray.Dataset
        With no series dimension, or one.
    variable : str, optional
        Which variable of a series. Default: the measured quantity.

    Returns
    -------
    pandas.DataFrame

    Examples
    --------
    >>> import spectra
    >>> to_pandas(spectra.from_arrays([6530, 6540], [0.1, 1.2], name="mu")).columns.tolist()
    ['mu']
    """
    import pandas as pd

    data = as_dataset(dataset, verb="to_pandas")
    axis, dims = spectral_axis(data), series_dims(data)
    index = pd.Index(data[axis].values, name=axis)
    if not dims and variable is None:
        along = [n for n, v in data.data_vars.items() if v.dims == (axis,)]
        return pd.DataFrame({str(n): data[n].values for n in along}, index=index)
    name = variable or signal_name(data)
    if name not in data.data_vars or axis not in data[name].dims or len(dims) > 1:
        raise InvalidInput(
            f"to_pandas takes one variable along {axis} and at most one series dimension; {name!r} is no such."
        )
    values = data[name].transpose(axis, *dims)
    columns = data[dims[0]].values if dims and dims[0] in data.coords else None
    return pd.DataFrame(values.values, index=index, columns=columns if dims else [name])
