"""From the columns of a file to a dataset that keeps the conventions, with what had to be done for that."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset.construct import ordered_axis
from spectra.dataset.conventions import AXES
from spectra.errors import ReadError
from spectra.verbs import history, record

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["add_note", "make_scan", "notes_of", "unique_names", "variable_name"]


def variable_name(label: str) -> str:
    """Label of a column as the name of a variable: lower case, words joined by underscores."""
    return re.sub(r"[^0-9a-z_]+", "_", label.lower()).strip("_")


def unique_names(labels: Sequence[str], *, taken: Sequence[str] = ()) -> list[str]:
    """A variable name for each label; the second of the same name gets ``_2``, an empty one its number."""
    names: list[str] = []
    for number, label in enumerate(labels, start=1):
        name = variable_name(label) or f"column_{number}"
        if name[0].isdigit():
            name = f"column_{name}"
        candidate, count = name, 1
        while candidate in names or candidate in taken:
            count += 1
            candidate = f"{name}_{count}"
        names.append(candidate)
    return names


def make_scan(
    file: str,
    x: npt.NDArray[np.float64],
    variables: Mapping[str, npt.NDArray[Any]],
    *,
    axis: str,
    signal: str,
    units: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    attrs: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
) -> xr.Dataset:
    """Dataset of one scan from its columns.

    Parameters
    ----------
    file : str
        Name of the file, for errors.
    x : (n,) array
        Spectral axis in its own units (eV or 1/cm), in any order.
    variables : mapping of (n,) arrays
        Quantities along it.
    axis, signal : str
        Names of the spectral axis and of the measured variable.
    units, labels : mapping, optional
        Units and names as the file writes them, by variable.
    attrs : mapping, optional
        Attributes of the dataset; those that are None or empty are left out.
    notes : sequence of str
        What was done with the data so far.

    Raises
    ------
    ReadError
        Fewer than two points, or nothing finite on the axis or in the signal.
    """
    import xarray as xr

    import spectra.dataset.accessor  # noqa: F401  the new dataset has ``.spectra``

    if x.size < 2:
        raise ReadError(f"{file}: {x.size} point; a spectrum needs at least 2.")
    if not np.isfinite(x).any():
        raise ReadError(f"{file}: {axis} holds no finite value; name another column with columns=.")
    if not np.isfinite(variables[signal]).any():
        raise ReadError(f"{file}: {signal} holds no finite value, so nothing was measured here.")
    grid, arrays, done = ordered_axis(x, variables)
    if grid.size < 2:
        raise ReadError(
            f"{file}: {axis} has one value only ({grid[0]:g}); name another column with columns=."
        )
    units, labels = units or {}, labels or {}
    dataset = xr.Dataset(
        {
            name: (axis, values, _described(units.get(name, ""), labels.get(name, ""), name))
            for name, values in arrays.items()
        },
        coords={axis: (axis, grid, _described(AXES[axis], labels.get(axis, ""), axis))},
        attrs={k: v for k, v in (attrs or {}).items() if v is not None and v != ""} | {"signal": signal},
    )
    done = [*notes, *done]
    return record(dataset, "spectra.from_arrays", {}, notes=done) if done else dataset


def add_note(scan: xr.Dataset, *texts: str) -> xr.Dataset:
    """``scan`` with more notes on how it was read."""
    return record(scan, "spectra.from_arrays", {}, notes=list(texts)) if texts else scan


def notes_of(scan: xr.Dataset) -> list[str]:
    """What was done with a scan while it was read."""
    return [text for entry in history(scan) for text in entry.get("notes", [])]


def _described(units: str, label: str, name: str) -> dict[str, str]:
    return {"units": units, "long_name": label} if label and label != name else {"units": units}
