"""Datasets from arrays: the one door through which measured numbers come in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset.conventions import AXES, SCALES, TOLD, validate
from spectra.errors import InvalidInput, did_you_mean
from spectra.verbs import record

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["from_arrays", "ordered_axis"]


def ordered_axis(
    x: npt.ArrayLike, values: Mapping[str, npt.ArrayLike]
) -> tuple[npt.NDArray[np.float64], dict[str, npt.NDArray[Any]], list[str]]:
    """Axis made finite, ascending and free of duplicates, the values along with it, and what was done.

    Parameters
    ----------
    x : (n,) array
        Spectral axis in any order.
    values : mapping of (..., n) arrays
        Quantities along the axis; points at equal ``x`` are averaged (``*_sigma``: in quadrature, over the number).

    Returns
    -------
    tuple
        The axis (m,), the values (..., m), and one sentence for each thing done.
    """
    axis = np.asarray(x, float)
    arrays = {name: _as_array(v) for name, v in values.items()}
    notes: list[str] = []
    finite = np.isfinite(axis)
    if not finite.all():
        notes.append(f"{np.count_nonzero(~finite)} points without a finite axis value were dropped")
        axis, arrays = axis[finite], {n: v[..., finite] for n, v in arrays.items()}
    steps = np.diff(axis)
    if (steps > 0).all():
        return axis, arrays, notes
    if steps.size and (steps < 0).all():
        notes.append("the axis descended and was reversed")
    elif (steps < 0).any():
        notes.append(f"the axis ran backwards at {np.count_nonzero(steps < 0)} points and was sorted")
    order = np.argsort(axis, kind="stable")
    axis, arrays = axis[order], {n: v[..., order] for n, v in arrays.items()}
    unique, start, count = np.unique(axis, return_index=True, return_counts=True)
    if unique.size < axis.size:
        notes.append(f"{axis.size - unique.size} points at repeated axis values were averaged")
        arrays = {n: _averaged(v, start, count, n.endswith("_sigma")) for n, v in arrays.items()}
    return unique, arrays, notes


def _as_array(values: Any) -> Any:
    """A NumPy array; arrays that are computed later stay what they are."""
    return values if hasattr(values, "__dask_graph__") else np.asarray(values)


def _averaged(values: Any, start: npt.NDArray[np.intp], count: npt.NDArray[np.intp], quadrature: bool) -> Any:
    if not isinstance(values, np.ndarray):
        whole = values.rechunk({-1: -1})
        chunks = (*whole.chunks[:-1], (len(start),))
        return whole.map_blocks(_averaged, start, count, quadrature, dtype=float, chunks=chunks)
    with np.errstate(over="ignore", invalid="ignore"):
        if quadrature:
            return np.asarray(np.sqrt(np.add.reduceat(values**2, start, axis=-1)) / count)
        return np.asarray(np.add.reduceat(values, start, axis=-1) / count)


def from_arrays(
    x: npt.ArrayLike,
    y: npt.ArrayLike | Mapping[str, npt.ArrayLike],
    *,
    axis: str = "energy",
    name: str = "intensity",
    units: str = "",
    axis_units: str | None = None,
    sigma: npt.ArrayLike | None = None,
    dims: Sequence[str] = (),
    coords: Mapping[str, Any] | None = None,
    attrs: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Labelled dataset from a spectral axis and one or many spectra.

    Parameters
    ----------
    x : (n,) array
        Spectral axis, in any order. It is sorted, repeated values are averaged and points without a finite value
        dropped; the history says so.
    y : (..., n) array or mapping of such
        Measured quantity, spectral axis last; or several by name, the first being the measured one. A dask array stays
        one: it is read block by block when results are asked for.
    axis : str
        ``energy``, ``binding_energy``, ``kinetic_energy``, ``energy_loss``, ``raman_shift``, ``wavenumber``, or the
        ``path_difference`` of an interferogram.
    name : str
        Name of the measured quantity where ``y`` is an array: ``mu``, ``counts``, ``intensity``, ``absorbance``.
    units : str
        Units of the measured quantity; "" for a dimensionless one.
    axis_units : str, optional
        Units of ``x`` where they differ from the axis' own: ``keV`` for an energy in eV.
    sigma : (..., n) array, optional
        Standard uncertainty of the measured quantity, added as ``<name>_sigma``.
    dims : sequence of str
        Names of the leading dimensions of ``y``.
    coords : mapping, optional
        Coordinates of the leading dimensions: values, or ``(values, units)``, or an xarray variable.
    attrs : mapping, optional
        Attributes of the dataset (``technique``, ``title``, ``sample``, ``element``, ``edge``, ...).

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    InvalidInput
        Unknown axis or unit, shapes that do not fit, fewer than two points, nothing finite.

    Examples
    --------
    >>> import numpy as np, spectra
    >>> energy = np.linspace(6530, 6580, 101)
    >>> dataset = spectra.from_arrays(energy, np.ones((3, 101)), name="mu", dims=("scan",))
    >>> dict(dataset.sizes)
    {'scan': 3, 'energy': 101}
    """
    import xarray as xr

    import spectra.dataset.accessor  # noqa: F401  the new dataset has ``.spectra``

    if axis not in AXES:
        raise InvalidInput(f"axis {axis!r} is not a spectral axis; {did_you_mean(axis, TOLD)}.")
    grid = np.asarray(x, float) * _scale(axis, axis_units)
    named = dict(y) if isinstance(y, Mapping) else {name: y}
    signal = next(iter(named))
    if sigma is not None:
        named[f"{signal}_sigma"] = sigma
    arrays = {n: _numbers(n, v) for n, v in named.items()}
    for n, v in arrays.items():
        expected = (len(dims) + 1, grid.size)
        if grid.ndim != 1 or (v.ndim, v.shape[-1] if v.ndim else 0) != expected:
            raise InvalidInput(
                f"{n} has shape {v.shape}; with an axis of {grid.size} points and leading dimensions "
                f"{tuple(dims)} it needs {len(dims) + 1} dimensions, the last of length {grid.size}."
            )
    if isinstance(arrays[signal], np.ndarray) and not np.isfinite(arrays[signal]).any():
        raise InvalidInput(f"{signal} holds no finite value: nothing was measured here.")
    grid, arrays, notes = ordered_axis(grid, arrays)
    dataset = xr.Dataset(
        {
            n: ((*dims, axis), v, {"units": units if n.removesuffix("_sigma") == signal else ""})
            for n, v in arrays.items()
        },
        coords={
            axis: (axis, grid, {"units": AXES[axis]}),
            **{n: _coordinate(n, c) for n, c in (coords or {}).items()},
        },
        attrs={**(attrs or {}), "signal": signal},
    )
    return record(validate(dataset), "spectra.from_arrays", {}, notes=notes) if notes else validate(dataset)


def _numbers(name: str, values: npt.ArrayLike) -> Any:
    array = _as_array(values)
    if not (np.issubdtype(array.dtype, np.number) or array.dtype == bool):
        raise InvalidInput(f"{name} holds {array.dtype}, not numbers.")
    return array


def _scale(axis: str, units: str | None) -> float:
    known = SCALES[AXES[axis]]
    if units is None:
        return 1.0
    if units not in known:
        raise InvalidInput(f"{axis} cannot be given in {units!r}; {did_you_mean(units, known)}.")
    return known[units]


def _coordinate(name: str, value: Any) -> Any:
    """Values, (values, units) or (dim, values, attrs) as xarray wants a coordinate."""
    if (
        isinstance(value, tuple)
        and len(value) == 2
        and isinstance(value[1], str)
        and not isinstance(value[0], str)
    ):
        return (name, np.asarray(value[0]), {"units": value[1]})
    if isinstance(value, list | np.ndarray):
        return (name, np.asarray(value))
    return value
