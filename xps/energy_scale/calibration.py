"""The binding-energy scale: moved so that a reference line lies where it should, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag, map_spectra, series_dims, signal_name
from spectra.errors import InvalidInput, did_you_mean
from spectra.verbs import note, resolve, series_value, verb
from xps.background.ends import spectra_along
from xps.counting import counting
from xps.energy_scale.fermi_edge import FermiEdge, fermi_edge
from xps.tables import load_table, number

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["LineTop", "calibrate", "line_top"]

AXIS = "binding_energy"
FERMI_EDGE = "Fermi edge"
SEARCH = 5.0  # eV to either side of the reference position in which its line is looked for
FloatArray = npt.NDArray[np.floating]


@dataclass(frozen=True)
class LineTop:
    """Energy of the maximum of a line and its standard uncertainty, NaN where there is no maximum."""

    position: FloatArray  # (...) eV
    sigma: FloatArray  # (...) eV


def line_top(
    x: npt.ArrayLike, y: npt.ArrayLike, *, variance: npt.ArrayLike | None = None, level: float = 0.7
) -> LineTop:
    """Maximum of the highest line: vertex of the parabola through the points above ``level`` of its height.

    For a symmetric line this is its position; a shoulder inside the top pulls it, which the uncertainty does not
    know of. NaN where the top is at the edge, spans fewer than 5 points or does not curve by three of its sigmas.

    Parameters
    ----------
    x : (n,) array
        Energy in eV, ascending.
    y : (..., n) array
        Counts.
    variance : (..., n) array, optional
        Variance of the counts. Default: the scatter about the parabola, the same for all points.
    level : float
        Part of the height above the lowest point of the smoothed spectrum from which on points belong to the top.
    """
    x, y, _ = spectra_along(x, y)
    top = _top(y, level)
    weight = np.where(top, 1.0 if variance is None else 1 / np.asarray(variance, float), 0)
    middle = np.where(top, x, 0).sum(-1) / np.maximum(top.sum(-1), 1)
    d = x - middle[..., None]
    powers = np.stack([np.ones_like(d), d, d**2], -1)
    normal = np.einsum("...n,...ni,...nj->...ij", weight, powers, powers)
    enough = (top.sum(-1) >= 5) & np.isfinite(normal).all((-1, -2))
    covariance = np.linalg.pinv(np.where(enough[..., None, None], normal, np.eye(3)), hermitian=True)
    values = np.where(top, np.nan_to_num(y), 0)
    terms = np.einsum("...ij,...n,...nj,...n->...i", covariance, weight, powers, values)
    if variance is None:
        rest = np.where(top, values - np.einsum("...i,...ni->...n", terms, powers), 0)
        free = np.maximum(top.sum(-1) - 3, 1)
        covariance = covariance * ((rest**2).sum(-1) / free)[..., None, None]
    slope, bend = terms[..., 1], terms[..., 2]
    clear = enough & (-bend > 3 * np.sqrt(np.abs(covariance[..., 2, 2])))
    safe = np.where(clear, bend, -1)
    gradient = np.stack([0 * slope, -0.5 / safe, 0.5 * slope / safe**2], -1)
    sigma = np.sqrt(np.einsum("...i,...ij,...j->...", gradient, covariance, gradient))
    inside = clear & (np.abs(-0.5 * slope / safe) <= np.where(top, np.abs(d), 0).max(-1))
    return LineTop(np.where(inside, middle - 0.5 * slope / safe, np.nan), np.where(inside, sigma, np.nan))


def _top(y: FloatArray, level: float) -> npt.NDArray[np.bool_]:
    """Points of the highest line above ``level``, as one unbroken stretch of the spectrum smoothed over 5 points."""
    n = y.shape[-1]
    if n < 9:
        return np.zeros(y.shape, bool)
    smooth = np.lib.stride_tricks.sliding_window_view(y, 5, axis=-1).mean(-1)
    finite = np.isfinite(smooth).all(-1)
    smooth = np.where(finite[..., None], smooth, 0)
    peak = smooth.argmax(-1)[..., None]
    low = smooth.min(-1, keepdims=True)
    below = smooth < low + level * (smooth.max(-1, keepdims=True) - low)
    index = np.arange(smooth.shape[-1])
    left = np.where(below & (index < peak), index, -1).max(-1, keepdims=True)
    right = np.where(below & (index > peak), index, index.size).min(-1, keepdims=True)
    whole = finite & (left >= 0)[..., 0] & (right < index.size)[..., 0]
    at = np.arange(n) - 2  # point j is the middle of the smoothed point j - 2
    return np.asarray((at > left) & (at < right) & whole[..., None])


@verb(
    "xps.calibrate",
    axis=AXIS,
    finish=lambda dataset, options: _samples_compared(dataset, options),
)
def calibrate(
    dataset: xr.Dataset,
    *,
    reference: str = "C 1s",
    position: float | None = None,
    measured: float | tuple[float, ...] | None = None,
    shift: float | tuple[float, ...] | None = None,
    sigma: float | None = None,
    window: tuple[float, float] | None = None,
    temperature: float = 300.0,
) -> xr.Dataset:
    """Move the binding-energy scale so that a reference lies where it should; add ``charge_shift``.

    The shift (eV, added to the binding energy) is ``position - measured``. The reference is a line, of which the
    maximum counts, or the Fermi edge, which is fitted (:func:`xps.energy_scale.fermi_edge.fermi_edge`). It is looked for in the
    dataset itself; where the dataset is another region of the same sample, give ``measured`` or ``shift`` from the region
    that holds the line. ``charge_shift_sigma`` goes into the uncertainty of every position found later.

    A shift that all spectra share moves the axis and leaves the counts alone. Where spectra of a series need
    different shifts, the axis takes the median and each spectrum moves by the nearest whole number of points, so
    that counts stay counts; the remainder, at most half a step, is part of ``charge_shift_sigma``, and points that
    not all spectra have any more are cut off.

    Parameters
    ----------
    dataset : xarray.Dataset
        With counts along ``binding_energy`` in eV; any series dimensions.
    reference : str
        The line: ``C 1s`` (adventitious carbon), ``Au 4f7/2``, ``Ag 3d5/2``, ``Cu 2p3/2``; ``Fermi edge`` (of a metal
        in contact with the sample: binding energy zero); or any other text with ``position`` and ``sigma`` given. It is
        stored with the result.
    position : float, optional
        Where the line should lie, in eV. Default: from the table of references (C 1s: 284.8).
    measured : float or tuple of float, optional
        Where the line was measured, in eV, one for all or one per spectrum. Default: its maximum in ``window``.
    shift : float or tuple of float, optional
        The shift itself, in eV, instead of ``measured``.
    sigma : float, optional
        Standard uncertainty in eV of the reference (or of ``measured`` or ``shift`` where given); that of the
        maximum found in the data is added. Default: from the table (C 1s: 0.25).
    window : (float, float), optional
        Binding energies in eV between which the line is looked for, and all points of which a Fermi edge is fitted to.
        Default: ``position`` ± 5 eV; of a Fermi edge, the points within 1 eV of the first rise in there.
    temperature : float
        Of the sample in K, for the width of a Fermi edge.

    Returns
    -------
    xarray.Dataset
        On the calibrated axis, with ``charge_shift`` and ``charge_shift_sigma`` (eV). Flags: ``no_reference_line``
        (the spectrum takes the median shift, its ``charge_shift`` is NaN), ``counts_not_finite``; ``shifts_differ``
        (warning: spectra with the same ``sample`` coordinate moved by different amounts).

    Raises
    ------
    InvalidInput
        If the dataset does not hold the line, or values given do not fit the series.

    References
    ----------
    G. Greczynski and L. Hultman, Prog. Mater. Sci. 107, 100591 (2020), on what adventitious carbon is worth

    Examples
    --------
    >>> import numpy as np, spectra, xps
    >>> energy = np.arange(280.0, 295.0, 0.1)
    >>> line = 100 + 900 * np.exp(-(((energy - 286.1) / 0.8) ** 2))
    >>> carbon = spectra.from_arrays(energy, line, axis="binding_energy", name="counts", units="counts")
    >>> carbon = xps.calibrate(carbon)
    >>> float(carbon.charge_shift.round(2))
    -1.3
    """
    position, sigma = _reference(reference, position, sigma)
    nothing = dataset[signal_name(dataset)].isnull().all(AXIS)
    dataset = flag(
        dataset, nothing, "counts_not_finite", "The spectrum holds no finite counts: it was not measured."
    )
    found, found_sigma, how = _shift(dataset, reference, position, measured, shift, window, temperature)
    resolve(position=position, sigma=sigma)
    common = series_value("charge_shift", lambda: float(found.median(skipna=True)))
    steps, step = _whole_steps(dataset, found - common)
    dataset = _moved(dataset, steps, common)
    rounding = step / np.sqrt(12) if steps.any() else 0.0
    total = (found_sigma**2 + sigma**2 + rounding**2) ** 0.5
    if "charge_shift" in dataset:
        note(
            "the axis was calibrated before: charge_shift is the sum, its uncertainty that of this calibration"
        )
        found = found + dataset["charge_shift"]
    about = {"reference": reference, "reference_position": position, "measured_by": how}
    dataset["charge_shift"] = found.assign_attrs(
        units="eV", long_name="shift added to the binding energy", **about
    )
    dataset["charge_shift_sigma"] = total.where(found.notnull()).assign_attrs(
        units="eV", long_name="standard uncertainty of charge_shift"
    )
    missing = found.isnull()
    if missing.any():
        dataset = flag(
            dataset,
            missing,
            "no_reference_line",
            "The reference line was not found: give the window it lies in, or measured or shift from another region.",
        )
    return dataset


def _samples_compared(dataset: xr.Dataset, options: Mapping[str, Any]) -> xr.Dataset:
    """Warn where spectra of one sample were moved by amounts that differ by more than their own uncertainty."""
    _, shared = _reference(options["reference"], options["position"], options["sigma"])
    shift, total = dataset["charge_shift"], dataset["charge_shift_sigma"]
    sigma = np.maximum(total**2 - shared**2, 0) ** 0.5  # that of the reference is the same for all
    sample = dataset.coords.get("sample")
    if sample is None or not sample.ndim or not set(sample.dims) <= set(shift.dims):
        return dataset
    apart = shift * 0
    for name in np.unique(sample.values):
        one = shift.where(sample == name)
        apart = apart.where(sample != name, np.abs(one - one.median(skipna=True)))
    allowed = number(load_table("checks")["shifts_differ"]["difference"])
    differs = apart > np.maximum(3 * sigma, allowed)
    if not differs.any():
        return dataset
    return flag(
        dataset,
        differs,
        "shifts_differ",
        f"The charge shift differs from that of the same sample by more than {allowed:g} eV and 3 sigma: charging "
        "changed, or another line was taken for the reference.",
        severity="warning",
    )


def _reference(name: str, position: float | None, sigma: float | None) -> tuple[float, float]:
    rows = {row["name"]: row for row in load_table("calibration")["reference"]}
    if name not in rows and (position is None or sigma is None):
        raise InvalidInput(
            f"reference {name!r} is not in the table, so position and sigma must be given; {did_you_mean(name, rows)}."
        )
    if sigma is not None and sigma < 0:
        raise InvalidInput(f"sigma must not be negative, got {sigma:g}.")
    return (
        number(rows[name]["position"]) if position is None else position,
        number(rows[name]["sigma"]) if sigma is None else sigma,
    )


def _shift(
    dataset: xr.Dataset,
    reference: str,
    position: float,
    measured: float | tuple[float, ...] | None,
    shift: float | tuple[float, ...] | None,
    window: tuple[float, float] | None,
    temperature: float,
) -> tuple[xr.DataArray, xr.DataArray, str]:
    """Shift and its uncertainty per spectrum, and in words where it comes from."""
    import xarray as xr

    given = [
        name for name, v in (("measured", measured), ("shift", shift), ("window", window)) if v is not None
    ]
    if len(given) > 1:
        raise InvalidInput(f"calibrate takes one of measured, shift and window, got {' and '.join(given)}.")
    exact = xr.DataArray(0.0)
    if shift is not None:
        return _per_spectrum(dataset, "shift", shift), exact, "shift given"
    if measured is not None:
        return position - _per_spectrum(dataset, "measured", measured), exact, "position given"
    low, high = sorted(window or (position - SEARCH, position + SEARCH))
    part = dataset.sel({AXIS: slice(low, high)})
    if part.sizes[AXIS] < 9:
        x = dataset[AXIS].values
        raise InvalidInput(
            f"{reference} is looked for between {low:.1f} and {high:.1f} eV, where the axis ({x[0]:.1f} to "
            f"{x[-1]:.1f} eV) has {part.sizes[AXIS]} points and 9 are needed. Give window, or measured or shift from "
            "the region of the same sample that holds the line."
        )
    edge = reference == FERMI_EDGE
    position_found, sigma_found = _located(part, edge, temperature, None if window else 1.0)
    what = "Fermi edge" if edge else f"maximum of {reference}"
    if not bool(position_found.notnull().any()):
        whole = "the metal's edge and the level above it" if edge else "the line with both its flanks"
        raise InvalidInput(
            f"no {what} between {low:.1f} and {high:.1f} eV in any spectrum. Give the window that "
            f"holds {whole}, or measured or shift."
        )
    how = f"fitted at {temperature:g} K" if edge else "maximum"
    return position - position_found, sigma_found, f"{how} between {low:g} and {high:g} eV"


def _located(
    dataset: xr.Dataset, edge: bool, temperature: float, reach: float | None
) -> tuple[xr.DataArray, xr.DataArray]:
    """Position of the reference in each spectrum and its uncertainty."""
    known = counting(dataset)
    note(known.said)
    x = dataset[AXIS].values

    def top(y: FloatArray, *var: FloatArray) -> dict[str, Any]:
        variance = var[0] if var else None
        result: LineTop | FermiEdge = (
            fermi_edge(x, y, variance=variance, temperature=temperature, reach=reach)
            if edge
            else line_top(x, y, variance=variance)
        )
        return {"position": result.position, "sigma": result.sigma}

    arrays = [dataset[signal_name(dataset)], *([] if known.variance is None else [known.variance])]
    found = map_spectra(top, [(a, (AXIS,)) for a in arrays], {"position": (), "sigma": ()})
    return found["position"].compute(), found["sigma"].compute()


def _per_spectrum(dataset: xr.Dataset, name: str, value: float | tuple[float, ...]) -> xr.DataArray:
    """One number for all spectra, or one for each of a series with one dimension."""
    import xarray as xr

    if not np.isfinite(value).all():
        raise InvalidInput(f"{name} must be finite, got {value}.")
    if not isinstance(value, tuple):
        return xr.DataArray(float(value))
    dims = series_dims(dataset)
    if len(dims) != 1 or dataset.sizes[dims[0]] != len(value):
        series = ", ".join(f"{d}: {dataset.sizes[d]}" for d in dims) or "none, it is a single spectrum"
        raise InvalidInput(
            f"{name} holds {len(value)} values, which needs a series of one dimension of that length; this dataset has "
            f"{series}. Give one number for all."
        )
    return xr.DataArray(np.asarray(value, float), dims=dims)


def _whole_steps(dataset: xr.Dataset, rest: xr.DataArray) -> tuple[xr.DataArray, float]:
    """Number of points by which each spectrum moves beside the common shift, and the step of the axis."""
    x = dataset[AXIS].values
    step = float((x[-1] - x[0]) / (x.size - 1))
    if np.allclose(rest.fillna(0), 0, atol=1e-9):
        return (0 * rest).fillna(0).astype(int), step
    if not np.allclose(np.diff(x), step, rtol=1e-2):
        raise InvalidInput(
            "the spectra need different shifts, which moves them by whole points, and the axis is not even: "
            "resample it, or calibrate each spectrum by itself."
        )
    return (rest / step).round().fillna(0).astype(int), step


def _moved(dataset: xr.Dataset, steps: xr.DataArray, common: float) -> xr.Dataset:
    """Spectra moved by whole points against each other, and the axis by the common shift."""
    import xarray as xr

    n = dataset.sizes[AXIS]
    x = dataset[AXIS]
    if steps.any():
        first, last = max(int(steps.max()), 0), n + min(int(steps.min()), 0)
        if last - first < 2:
            raise InvalidInput(
                f"the spectra need shifts that differ by {int(steps.max() - steps.min())} of {n} points: nothing is "
                "left that all of them have. Calibrate them one by one."
            )
        source = xr.DataArray(np.arange(first, last), dims=AXIS) - steps
        each = {str(d): xr.DataArray(np.arange(dataset.sizes[d]), dims=str(d)) for d in steps.dims}
        along = {str(k): v for k, v in dataset.data_vars.items() if AXIS in v.dims}
        moved = {
            k: v.drop_vars(AXIS).isel({AXIS: source, **{d: i for d, i in each.items() if d in v.dims}})
            for k, v in along.items()
        }
        rest = dataset.drop_vars(along).drop_dims(AXIS)
        dataset = rest.assign(
            {k: v.transpose(..., AXIS).assign_attrs(along[k].attrs) for k, v in moved.items()}
        )
        x = x[first:last]
        note(
            f"spectra moved by {int(steps.min())} to {int(steps.max())} points against the median shift; the "
            f"{n - (last - first)} points that not all of them have were cut off"
        )
    return dataset.assign_coords({AXIS: (AXIS, x.values + common, x.attrs)})
