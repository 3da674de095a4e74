"""Datasets from and to what other programs hold: larch Groups, HyperSpy signals, pandas DataFrames."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset.construct import from_arrays
from spectra.dataset.conventions import AXES, as_dataset, series_dims, signal_name, spectral_axis
from spectra.errors import InvalidInput, did_you_mean
from spectra.verbs import history

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = [
    "from_foreign",
    "from_hyperspy",
    "from_larch_group",
    "from_pandas",
    "to_hyperspy",
    "to_larch_group",
    "to_pandas",
]

#: Arrays of a larch Group by the axis they lie along, with larch's names; the first of each is the axis itself.
_LARCH = {
    "energy": (
        "mu",
        "i0",
        "itrans",
        "irefer",
        "norm",
        "flat",
        "pre_edge",
        "post_edge",
        "bkg",
        "dmude",
        "mu_std",
    ),
    "k": ("chi", "kwin", "delta_chi"),
    "r": ("chir_re", "chir_im", "chir_mag", "chir_pha", "rwin"),
    "q": ("chiq_re", "chiq_im", "chiq_mag", "chiq_pha"),
}
_LARCH_UNITS = {"energy": "eV", "k": "1/angstrom", "r": "angstrom", "q": "1/angstrom"}
_LARCH_NUMBERS = {"e0": "eV", "edge_step": ""}


def from_foreign(obj: Any) -> xr.Dataset | None:
    """``obj`` as a dataset if it is a larch Group, a HyperSpy signal or a DataFrame; None if it is none of these."""
    module, name = type(obj).__module__, type(obj).__name__
    if name == "Group" and module.partition(".")[0] == "larch":
        return from_larch_group(obj)
    if hasattr(obj, "axes_manager") and hasattr(obj, "data"):
        return from_hyperspy(obj)
    if name == "DataFrame" and module.partition(".")[0] == "pandas":
        return from_pandas(obj)
    return None


def from_larch_group(group: Any) -> xr.Dataset:
    """Dataset of a larch Group: arrays along ``energy``, ``k``, ``r`` and ``q`` that it has, ``e0`` and ``edge_step``.

    Parameters
    ----------
    group : larch.Group
        With ``energy`` and ``mu`` (or ``norm``). It is not changed.

    Returns
    -------
    xarray.Dataset
        Energies ascending. Arrays of another length than their axis are left out, which the history says.

    Raises
    ------
    InvalidInput
        If the group has no energies or nothing along them.

    Examples
    --------
    >>> from spectra.larch_guard import larch_attribute
    >>> group = larch_attribute("larch", "Group")(energy=[6530.0, 6540.0], mu=[0.1, 1.2])
    >>> from_larch_group(group).mu.values
    array([0.1, 1.2])
    """
    import xarray as xr

    from spectra.reading.scan import add_note

    energy = _array(group, "energy")
    if energy is None:
        raise InvalidInput("a larch Group needs energy to become a dataset; this one has none.")
    along = {n: a for n in _LARCH["energy"] if (a := _array(group, n)) is not None}
    fitting = {n: a for n, a in along.items() if a.shape == energy.shape}
    if not fitting:
        raise InvalidInput(
            "a larch Group needs mu or norm along its energy to become a dataset; this one has neither."
        )
    dataset = from_arrays(energy, fitting, axis="energy", attrs=_larch_attributes(group))
    left = sorted(set(along) - set(fitting))
    if left:
        dataset = add_note(dataset, f"arrays of another length than energy were left out: {', '.join(left)}")
    for axis in ("k", "r", "q"):
        x = _array(group, axis)
        if x is None:
            continue
        values = {n: a for n in _LARCH[axis] if (a := _array(group, n)) is not None and a.shape == x.shape}
        named = {n: (axis, a, {"units": ""}) for n, a in values.items()}
        dataset = dataset.assign_coords({axis: (axis, x, {"units": _LARCH_UNITS[axis]})}).assign(named)
    for name, units in _LARCH_NUMBERS.items():
        value = getattr(group, name, None)
        if value is not None:
            dataset[name] = xr.DataArray(float(value), attrs={"units": units})
    return dataset


def _array(group: Any, name: str) -> npt.NDArray[np.float64] | None:
    value = getattr(group, name, None)
    if value is None:
        return None
    array = np.asarray(value)
    return array.astype(float) if array.ndim == 1 and np.issubdtype(array.dtype, np.number) else None


def _larch_attributes(group: Any) -> dict[str, Any]:
    texts = {key: getattr(group, key, None) for key in ("filename", "label", "groupname")}
    title = next((str(t) for t in texts.values() if isinstance(t, str) and t), "")
    said = {
        "technique": "xas",
        "title": title,
        "element": getattr(group, "atsym", None),
        "edge": getattr(group, "edge", None),
        "larch_journal": _journal(group),
    }
    return {key: value for key, value in said.items() if isinstance(value, str) and value}


def _journal(group: Any) -> str:
    entries = [[str(e.key), e.value] for e in getattr(group, "journal", None) or []]
    return json.dumps(entries, default=str) if entries else ""


def to_larch_group(dataset: xr.Dataset, **index: int) -> Any:
    """Larch Group of one spectrum, the dataset's history in its journal.

    Parameters
    ----------
    dataset : xarray.Dataset
        X-ray absorption spectra along ``energy``.
    **index : int
        Which spectrum of a series, as in ``Dataset.isel``: ``to_larch_group(scans, time=3)``.

    Returns
    -------
    larch.Group
        With copies of the arrays; larch may write into them.

    Raises
    ------
    InvalidInput
        If the dataset does not lie along energy, or the index leaves more than one spectrum.

    Examples
    --------
    >>> import spectra
    >>> data = spectra.from_arrays([6530, 6540], [0.1, 1.2], name="mu")
    >>> to_larch_group(data).energy
    array([6530., 6540.])
    """
    from spectra.larch_guard import larch_attribute

    data = as_dataset(dataset, verb="to_larch_group")
    if spectral_axis(data) != "energy":
        raise InvalidInput(
            f"a larch Group holds X-ray absorption along energy; this dataset lies along {spectral_axis(data)}."
        )
    data = _single(data, index, "to_larch_group")
    group = larch_attribute("larch", "Group")(name=str(data.attrs.get("title", "spectrum")))
    for axis, names in _LARCH.items():
        if axis in data.coords:
            setattr(group, axis, np.array(data[axis].values, float))
            for name in names:
                if name in data.data_vars and data[name].dims == (axis,):
                    setattr(group, name, np.array(data[name].values, float))
    for name in _LARCH_NUMBERS:
        if name in data.data_vars and data[name].ndim == 0:
            setattr(group, name, float(data[name]))
    group.filename = str(data.attrs.get("title", ""))
    for ours, theirs in (("element", "atsym"), ("edge", "edge")):
        if data.attrs.get(ours):
            setattr(group, theirs, str(data.attrs[ours]))
    group.journal = larch_attribute("larch", "Journal")()
    for entry in history(data):
        group.journal.add(entry["verb"], json.dumps(entry["options"]), dtime=entry["time"])
    return group


def _single(data: xr.Dataset, index: Mapping[str, int], what: str) -> xr.Dataset:
    unknown = [dim for dim in index if dim not in data.dims]
    if unknown:
        raise InvalidInput(
            f"{what}: the dataset has no dimension {unknown[0]!r}; {did_you_mean(unknown[0], map(str, data.dims))}."
        )
    one = data.isel(index)
    left = series_dims(one)
    if left:
        example = ", ".join(f"{dim}=0" for dim in left)
        raise InvalidInput(
            f"{what} takes one spectrum; choose it along {', '.join(left)}, such as {example}."
        )
    return one


def from_hyperspy(signal: Any) -> xr.Dataset:
    """Dataset of a HyperSpy signal with one signal dimension; navigation dimensions become series dimensions.

    Parameters
    ----------
    signal : hyperspy.signals.Signal1D
        Lazy signals stay lazy.

    Returns
    -------
    xarray.Dataset
        The signal axis is ``energy_loss`` for EELS, else what its name and units say; the values are ``intensity``.

    Raises
    ------
    InvalidInput
        If the signal has not one signal dimension, or its axis is no spectral axis.
    """
    import xarray as xr

    axes = signal.axes_manager.signal_axes
    if len(axes) != 1:
        raise InvalidInput(
            f"a signal with one signal dimension becomes a dataset of spectra; this one has {len(axes)}."
        )
    axis = _hyperspy_axis(signal, axes[0])
    # HyperSpy names navigation axes fastest first, the array has them slowest first
    navigation = list(signal.axes_manager.navigation_axes)[::-1]
    dims = [_axis_text(a, "name") or f"dim_{i}" for i, a in enumerate(navigation)]
    x = np.asarray(axes[0].axis, float) * (1e3 if _axis_text(axes[0], "units") == "keV" else 1.0)
    data = signal.data
    if x.size > 1 and x[0] > x[-1]:
        x, data = x[::-1], data[..., ::-1]
    coords = {
        d: (d, np.asarray(a.axis), {"units": _axis_text(a, "units")})
        for d, a in zip(dims, navigation, strict=True)
    }
    general = getattr(getattr(signal, "metadata", None), "General", None)
    title = str(getattr(general, "title", "") or "")
    attrs = {"signal": "intensity", "title": title} | ({"technique": "eels"} if axis == "energy_loss" else {})
    return as_dataset(
        xr.Dataset(
            {"intensity": ((*dims, axis), data, {"units": ""})},
            coords={axis: (axis, x, {"units": AXES[axis]}), **coords},
            attrs=attrs,
        )
    )


def _axis_text(axis: Any, key: str) -> str:
    """Name or units of a HyperSpy axis; what it leaves undefined is no text."""
    value = getattr(axis, key, "")
    return value if isinstance(value, str) else ""


def _hyperspy_axis(signal: Any, axis: Any) -> str:
    from spectra.reading.labels import axis_of_label

    kind = str(getattr(signal, "_signal_type", ""))
    if kind == "EELS":
        return "energy_loss"
    name, units = _axis_text(axis, "name"), _axis_text(axis, "units")
    found = axis_of_label(name.replace("_", " ")) if name else None
    found = found or {"eV": "energy", "keV": "energy", "1/cm": "raman_shift", "cm^-1": "raman_shift"}.get(
        units
    )
    if found is None:
        raise InvalidInput(
            f"the signal axis {name or '?'} ({units or 'no units'}) is no spectral axis; name it one of {', '.join(AXES)}."
        )
    return found


def to_hyperspy(dataset: xr.Dataset, variable: str | None = None) -> Any:
    """HyperSpy signal of one variable of a dataset; series dimensions become navigation dimensions.

    Parameters
    ----------
    dataset : xarray.Dataset
    variable : str, optional
        Default: the measured quantity.

    Returns
    -------
    hyperspy.signals.Signal1D

    Raises
    ------
    InvalidInput
        If HyperSpy is not installed, or the variable does not lie along the spectral axis.
    """
    try:
        import hyperspy.api as hs
    except ImportError:
        raise InvalidInput(
            "to_hyperspy needs HyperSpy, which is not installed: pip install hyperspy."
        ) from None
    data = as_dataset(dataset, verb="to_hyperspy")
    axis, name = spectral_axis(data), variable or signal_name(data)
    if name not in data.data_vars or axis not in data[name].dims:
        raise InvalidInput(
            f"to_hyperspy: {name!r} is no variable along {axis}; {did_you_mean(name, map(str, data.data_vars))}."
        )
    values = data[name].transpose(*series_dims(data), axis)
    described = []
    for dim in values.dims:
        known = dim in data.coords and np.issubdtype(data[dim].dtype, np.number)
        entry: dict[str, Any] = {
            "name": str(dim),
            "units": str(data[dim].attrs.get("units", "")) if known else "",
        }
        entry["axis"] = (
            np.array(data[dim].values, float) if known else np.arange(data.sizes[dim], dtype=float)
        )
        entry["navigate"] = dim != axis
        described.append(entry)
    metadata = {"General": {"title": str(data.attrs.get("title", ""))}}
    return hs.signals.Signal1D(np.array(values.values), axes=described, metadata=metadata)


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
