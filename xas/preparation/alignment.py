"""Energy scales brought together: the shift of every spectrum against a reference, with its uncertainty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag, map_spectra, series_dims, signal_name
from spectra.errors import InvalidInput, did_you_mean
from spectra.verbs import note, resolve, verb
from xas.normalization.e0 import MAX_SPECTRA, find_e0, measure_e0, series_e0
from xas.points.noise import estimate_noise
from xas.preparation.shifts import Reference, measure_shifts, move_spectra

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["align"]

Array = npt.NDArray[np.float64]
Numbers = tuple[float, ...]

#: Where spectra are compared, in eV from the reference's E0: the edge and what follows it closely.
WINDOW = (-25.0, 50.0)
#: Fewer points than this in the window say nothing reliable about a shift.
LEAST_POINTS = 12


@verb("xas.align", axis="energy", together=lambda options: not isinstance(options["to"], tuple))
def align(
    dataset: xr.Dataset,
    *,
    to: Literal["median", "first"] | int | tuple[Numbers, Numbers] = "median",
    channel: str = "auto",
    window: tuple[float, float] | None = None,
    largest: float = 15.0,
    e0: float | None = None,
    apply: Literal["interpolate", "axis", "no"] = "interpolate",
) -> xr.Dataset:
    r"""Measure how far the energy scale of each spectrum is off, and take it back.

    The reference channel of each spectrum (that of a foil behind the sample, where there is one) is laid over a
    reference spectrum: shift, height and a line are fitted by least squares, the right valley being searched up to
    ``largest`` eV away. What the foil's channel is off by, all variables of that spectrum are moved by.

    Parameters
    ----------
    dataset : xarray.Dataset
        A series, or one spectrum if ``to`` holds another one.
    to : {"median", "first"}, int or (energies, values)
        What is laid under the spectra. "median": their own median (of up to 64), so that the middle of the series stays
        where it is. "first": the first spectrum with an edge. A number: that spectrum, counted from 0. Two arrays: any
        other spectrum, as in ``to=(foil.energy.values, foil.mu_ref.values)``.
    channel : str
        Variable that is compared: "auto" is ``mu_ref`` where the dataset has it and the measured quantity where not.
    window : (float, float), optional
        Energies in eV between which the spectra are compared. Default: from 25 eV below to 50 eV above the E0 of the
        reference, as far as the reference reaches ``largest`` beyond.
    largest : float
        Largest shift in eV that is looked for, to both sides.
    e0 : float, optional
        Energy in eV that the steepest rise of the reference is moved to, as in 7112.0 for an iron foil. Default: the
        energy scale of the reference stands. Moved by a reference channel (``mu_ref``), the spectra say so in
        ``attrs["energy_scale"]``, which calibrations of valence compare; spectra of the sample itself are no energy scale.
    apply : {"interpolate", "axis", "no"}
        A series has one energy axis: "interpolate" moves each spectrum and reads it off at the energies of that axis
        (cubic spline), so that the ends of moved spectra are NaN. "axis" moves the axis itself, for a single spectrum
        only. "no" measures and leaves the spectra where they are.

    Returns
    -------
    xarray.Dataset
        With ``energy_shift`` and ``energy_shift_sigma`` in eV: what was added to the energies of each spectrum. Spectra
        whose shift was not found are flagged ``no_shift``, hold NaN there and were not moved.

    Raises
    ------
    InvalidInput
        If there is no reference, no edge in it, or the window holds too few points.

    Notes
    -----
    The sigma holds the noise of spectrum and reference, through smoothing and fit (:func:`xas.preparation.shifts.measure_shifts`);
    where a spectrum differs from the reference by more than noise, it grows with the misfit. A shift against spectra
    of the sample itself takes every change of valence for a change of the energy scale: use it for repeats, and a
    reference channel for everything else. With ``e0`` the sigma holds that of the reference's own E0, which all
    spectra share. Spectra read off between their points have slightly less noise, and correlated; their ``_sigma`` is
    that of the points beside. Call it before :func:`xas.normalize`.

    Examples
    --------
    >>> import numpy as np, spectra, xas
    >>> energy = np.arange(6400.0, 6900.0, 0.5)
    >>> edges = np.array([[6548.0], [6549.3], [6541.0]])
    >>> mu = 0.3 + 0.8 / (1 + np.exp(-(energy - edges) / 1.5))
    >>> scans = spectra.from_arrays(energy, mu, name="mu", dims=("scan",), attrs={"element": "Mn", "edge": "K"})
    >>> xas.align(scans, to="first").energy_shift.values[1:].round(2).tolist()
    [-1.3, 7.0]
    """
    compared = _channel(dataset, channel)
    energy = dataset["energy"].values.astype(float)
    if largest <= 0:
        raise InvalidInput(f"largest is a shift in eV and above zero, got {largest:g}.")
    if apply == "axis" and series_dims(dataset):
        raise InvalidInput(
            "apply = 'axis' moves the energy axis, which all spectra of a series share; use 'interpolate', or take one "
            "spectrum out of the series."
        )
    signal = dataset[compared]
    sigma = dataset.get(f"{compared}_sigma")
    reference, origin = _reference(dataset, compared, to, window, largest)
    limits = _window(energy, reference, origin, window, largest)
    extra, extra_sigma = 0.0, 0.0
    if e0 is not None:
        own = measure_e0(reference.energy, reference.mu, origin, np.asarray(reference.noise))
        extra, extra_sigma = e0 - float(own["e0"]), float(own["e0_sigma"])
    resolve(channel=compared, window=limits)

    def kernel(values: Array, *known: Array) -> dict[str, Array]:
        rows = np.asarray(values, float)
        noise = np.broadcast_to(known[0], rows.shape).astype(float) if known else None
        found = measure_shifts(energy, rows, reference, limits, largest=largest, sigma=noise)
        spread = np.hypot(found["shift_sigma"], extra_sigma)
        return {"shift": extra - found["shift"], "sigma": spread}

    inputs: list[Any] = [(signal, ("energy",))] + ([] if sigma is None else [(sigma, ("energy",))])
    made = map_spectra(kernel, inputs, {"shift": (), "sigma": ()})
    said = {"units": "eV", "channel": compared}
    shift = made["shift"].assign_attrs(said, long_name="energy shift: added to the energies")
    result = _moved(dataset, shift, apply).assign(
        energy_shift=shift,
        energy_shift_sigma=made["sigma"].assign_attrs(
            said, long_name="standard uncertainty of the energy shift"
        ),
    )
    if e0 is not None and apply != "no":
        result = _with_scale(result, compared, e0)
    return flag(
        result, shift.isnull(), "no_shift",
        "the spectrum does not look like the reference within the largest shift, and was not moved: check the channel, "
        "widen largest, or choose another reference",
    )  # fmt: skip


def _channel(dataset: xr.Dataset, channel: str) -> str:
    along = [
        str(n) for n, v in dataset.data_vars.items() if "energy" in v.dims and not str(n).endswith("_sigma")
    ]
    if channel == "auto":
        return "mu_ref" if "mu_ref" in along else signal_name(dataset)
    if channel not in along:
        raise InvalidInput(
            f"channel = {channel!r} is no variable along energy of this dataset; {did_you_mean(channel, along)}."
        )
    return channel


def _reference(
    dataset: xr.Dataset,
    channel: str,
    to: Literal["median", "first"] | int | tuple[Numbers, Numbers],
    window: tuple[float, float] | None,
    largest: float,
) -> tuple[Reference, float]:
    """What the spectra are laid over, and its E0."""
    energy = dataset["energy"].values.astype(float)
    alone = dataset.assign_attrs(signal=channel)
    if isinstance(to, tuple):
        reference = _given(*to)
        alone = alone.isel(dict.fromkeys(series_dims(dataset), 0)).drop_dims("energy")
        alone = alone.assign_coords(energy=("energy", reference.energy))
        alone = alone.assign({channel: ("energy", reference.mu)})
        return reference, _origin(alone, "the reference", window)
    if not series_dims(dataset):
        raise InvalidInput(
            f"to = {to!r} takes the reference out of a series, and this is one spectrum: give another one as "
            "to=(energies, values)."
        )
    rows = _some_spectra(alone[channel], to)
    origin = _origin(alone, "any spectrum", window)
    with_edge = [row for row in rows if np.isfinite(find_e0(energy, row, origin)) or window is not None]
    if not with_edge:
        raise InvalidInput(
            f"to = {to!r}: the reference has no absorption edge near {origin:g} eV in {channel}; choose another one."
        )
    first = _as_reference(energy, with_edge[0])
    if to != "median" or len(with_edge) == 1:
        return first, origin
    return _median(energy, np.array(with_edge), first, origin, window, largest), origin


def _given(energies: Numbers, values: Numbers) -> Reference:
    x, y = np.array(energies, float), np.array(values, float)
    if x.shape != y.shape or x.size < LEAST_POINTS:
        raise InvalidInput(
            f"to = (energies, values) needs two arrays of the same length, at least {LEAST_POINTS} points, got {x.size} "
            f"and {y.size}."
        )
    order = np.argsort(x)
    if not (np.diff(x[order]) > 0).all():
        raise InvalidInput(
            "to = (energies, values) holds an energy twice or none: average such points first."
        )
    return _as_reference(x[order], y[order])


def _as_reference(energy: Array, mu: Array) -> Reference:
    finite = np.isfinite(mu)
    if finite.sum() < LEAST_POINTS:
        raise InvalidInput(
            f"the reference has {finite.sum()} finite points, at least {LEAST_POINTS} are needed."
        )
    return Reference(energy[finite], mu[finite], float(estimate_noise(energy[finite], mu[finite])))


def _some_spectra(signal: xr.DataArray, to: str | int | tuple[Numbers, Numbers]) -> Array:
    """The spectrum that ``to`` counts, or up to 64 of the series, evenly spaced."""
    dims = [d for d in signal.dims if d != "energy"]
    sizes = [signal.sizes[d] for d in dims]
    count = int(np.prod(sizes))
    if isinstance(to, int):
        if not -count <= to < count:
            raise InvalidInput(f"to = {to} counts spectra from 0, and there are {count}.")
        numbers = np.array([to % count])
    else:
        numbers = np.unique(np.linspace(0, count - 1, min(count, MAX_SPECTRA)).astype(int))
    picked = [
        signal.isel(dict(zip(dims, map(int, np.unravel_index(n, sizes)), strict=True))).values
        for n in numbers
    ]
    return np.array(picked, float)


def _origin(alone: xr.Dataset, what: str, window: tuple[float, float] | None) -> float:
    found, _, why = series_e0(alone)
    if found is not None:
        return found
    if window is not None:
        return sum(window) / 2
    raise InvalidInput(
        f"xas.align found no absorption edge in {what} ({why}): choose another channel, or give the window to compare."
    )


def _median(
    energy: Array,
    rows: Array,
    first: Reference,
    origin: float,
    window: tuple[float, float] | None,
    largest: float,
) -> Reference:
    """Median of spectra laid over each other, where the middle of their shifts is."""
    reference = first
    for _ in range(2):
        limits = _window(energy, reference, origin, window, largest)
        shift = measure_shifts(energy, rows, reference, limits, largest=largest)["shift"]
        found = np.isfinite(shift)
        moved = move_spectra(energy, rows[found], np.median(shift[found]) - shift[found])
        count = int(found.sum())
        whole = np.isfinite(moved).all(0)
        noise = float(np.median(estimate_noise(energy, rows[found])))
        # variance of the median of n normal numbers, and its covariance with each of them, in units of theirs
        variance = 1 / count if count < 3 else np.pi / (2 * count + 1)
        reference = Reference(
            energy[whole], np.median(moved[:, whole], axis=0), noise * np.sqrt(variance), min(2 / count, 1.0)
        )
    return reference


def _window(
    energy: Array, reference: Reference, origin: float, window: tuple[float, float] | None, largest: float
) -> tuple[float, float]:
    low, high = (origin + WINDOW[0], origin + WINDOW[1]) if window is None else sorted(window)
    low = max(low, float(reference.energy[0]) + largest, float(energy[0]))
    high = min(high, float(reference.energy[-1]) - largest, float(energy[-1]))
    held = int(((energy >= low) & (energy <= high)).sum())
    if held < LEAST_POINTS or not (window is not None or low < origin < high):
        raise InvalidInput(
            f"xas.align compares spectra where the reference reaches {largest:g} eV further to both sides, and that "
            f"leaves {held} points between {low:g} and {high:g} eV around its edge at {origin:g} eV; at least "
            f"{LEAST_POINTS} are needed. Lower largest, or use a longer reference."
        )
    return low, high


def _with_scale(dataset: xr.Dataset, compared: str, e0: float) -> xr.Dataset:
    """The dataset with what its energies now rest on; two that say the same have one energy scale."""
    if compared == "mu_ref":
        return dataset.assign_attrs(energy_scale=f"steepest rise of the reference channel at {e0:.8g} eV")
    result = dataset.copy()
    said = result.attrs.pop("energy_scale", None)
    if said:
        note(f"energies no longer rest on {said!r}: the spectra were moved by their own edge")
    return result


def _moved(dataset: xr.Dataset, shift: xr.DataArray, apply: str) -> xr.Dataset:
    if "e0" in dataset.variables and apply != "no":
        note("e0 and what does not lie along energy are of before the shift: run xas.normalize again")
    if apply == "axis":
        by = float(np.nan_to_num(float(shift)))
        axis = dataset["energy"]
        return dataset.assign_coords(energy=("energy", axis.values + by, dict(axis.attrs)))
    if apply == "no":
        note("shifts were measured, the spectra left where they are")
        return dataset
    energy = dataset["energy"].values.astype(float)
    moved: dict[str, xr.DataArray] = {}
    for name, variable in dataset.data_vars.items():
        if "energy" not in variable.dims or variable.dtype.kind not in "fiu":
            continue
        linear = str(name).endswith("_sigma")

        def kernel(values: Array, by: Array, linear: bool = linear) -> dict[str, Array]:
            lead = np.broadcast_shapes(values.shape[:-1], by.shape)
            whole = np.broadcast_to(values, (*lead, values.shape[-1]))
            return {"moved": move_spectra(energy, whole, np.broadcast_to(by, lead), linear=linear)}

        out = map_spectra(kernel, [(variable, ("energy",)), (shift, ())], {"moved": ("energy",)})["moved"]
        dims = [*(d for d in out.dims if d != "energy"), "energy"]
        moved[str(name)] = out.transpose(*dims).assign_attrs(variable.attrs)
    note(
        "spectra were moved by energy_shift and read off at the common energies (cubic spline); ends without data are NaN"
    )
    return dataset.assign(moved)
