"""Larch Groups as datasets and back; the history goes into the journal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset.construct import from_arrays
from spectra.dataset.conventions import as_dataset, series_dims, spectral_axis
from spectra.errors import InvalidInput, did_you_mean
from spectra.verbs import history

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["from_larch_group", "to_larch_group"]

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
