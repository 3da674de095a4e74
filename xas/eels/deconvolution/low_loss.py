"""Low losses as what deconvolution needs of them: the zero-loss peak apart, the step of another axis, the noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset import series_dims, signal_name
from spectra.errors import InvalidInput
from spectra.verbs import note, resolve

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["LowLoss", "ZeroLoss", "even_step", "find_zero_loss", "noise_of", "on_step", "paired"]

Array = npt.NDArray[Any]
AXIS = "energy_loss"

#: The zero-loss peak lies so near to zero (eV).
SEARCH = 5.0
#: Data that begin above this share of the peak have cut its rising side.
RISING = 0.2
#: The end of the peak is looked for up to this loss (eV), and below this share of the peak.
LAST_END, FOOT = 15.0, 0.2
#: Steps that differ by less than this share of a channel over the whole axis are the same.
SAME = 0.1
#: Channels of counts whose mean tells the variance of the one in their middle: one without counts has a variance, too.
AROUND = 9
#: How a spectrum's zero-loss peak is told.
SOUND, MISSING, CUT, HOLES = 0, 1, 2, 3


@dataclass(frozen=True)
class ZeroLoss:
    """The zero-loss peak of rows of low losses."""

    inside: Array  # (rows, n) bool: the channels up to its end
    position: Array  # (rows,) eV, its middle at half height
    fwhm: Array  # (rows,) eV
    end: Array  # (rows,) eV
    verdict: Array  # (rows,) SOUND, MISSING, CUT or HOLES


@dataclass(frozen=True)
class LowLoss:
    """A low loss beside a dataset: variable, sigma if stated, axis, and the variance per count if it is known."""

    values: xr.DataArray
    sigma: xr.DataArray | None
    energy: Array
    step: float
    gain: float | None


def find_zero_loss(energy: Array, y: Array, end: float | None = None, *, alone: bool = False) -> ZeroLoss:
    """Find the zero-loss peak of each row, and where it ends.

    Parameters
    ----------
    energy : (n,) array
        Energy loss in eV, ascending.
    y : (rows, n) array
        Low losses; NaN at the ends, which alignment leaves, is no fault, inside it is.
    end : float, optional
        Loss in eV where the peak ends. Default: in each row the first minimum behind it.
    alone : bool
        Whether a peak that nothing comes after is one, too; its end is then 15 eV, or that of the data.

    Returns
    -------
    ZeroLoss
        Numbers are NaN where ``verdict`` is not SOUND.
    """
    known = np.isfinite(y)
    holes = ~known.any(-1) | (known.sum(-1) < _extent(known))
    last = min(max(int(np.searchsorted(energy, LAST_END)) + 2, 4), energy.size)
    near_energy, values = energy[:last], np.where(known[:, :last], y[:, :last], 0)
    near = np.abs(near_energy) <= SEARCH
    first = int(near.argmax())
    rows = np.arange(len(y))
    if near.sum() < 4:
        top = np.zeros(len(y), int)
        missing = np.ones(len(y), bool)
    else:
        top = first + values[:, near].argmax(-1)
        missing = top == first + int(near.sum()) - 1  # still rising: what is there is no zero-loss peak
    height = values[rows, top]
    missing |= ~(height > 0) | (top >= last - 2)
    begin = known.argmax(-1)
    cut = (top <= begin + 1) | (values[rows, np.minimum(begin, last - 1)] > RISING * height)
    left, right = _half_height(near_energy, values, top, height)
    missing |= ~(right <= SEARCH)
    cut |= ~np.isfinite(left)
    ends = _first_minimum(near_energy, values, top) if end is None else np.full(len(y), float(end))
    if alone:
        ends = np.where(np.isnan(ends), min(LAST_END, float(energy[-1])), ends)
    missing |= ~(ends > energy[top])
    verdict = np.where(holes, HOLES, np.where(missing, MISSING, np.where(cut, CUT, SOUND)))
    sound = verdict == SOUND
    inside = (energy <= np.where(sound, ends, -np.inf)[:, None]) & known
    none = np.where(sound, 0.0, np.nan)
    return ZeroLoss(inside, (left + right) / 2 + none, right - left + none, ends + none, verdict)


def _extent(known: Array) -> Array:
    """Channels from the first to the last that are known."""
    n = known.shape[-1]
    return np.asarray(n - known.argmax(-1) - known[:, ::-1].argmax(-1))


def _half_height(energy: Array, values: Array, top: Array, height: Array) -> tuple[Array, Array]:
    """Where the peak has half of its height on both sides, between channels; NaN where it never has."""
    n = energy.size
    rows, index = np.arange(len(values)), np.arange(n)
    low = values < (height / 2)[:, None]
    before, behind = low & (index < top[:, None]), low & (index > top[:, None])
    i = n - 1 - before[:, ::-1].argmax(-1)
    j = behind.argmax(-1)
    i, j = np.minimum(i, n - 2), np.maximum(j, 1)

    def crossing(a: Array, b: Array) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):
            part = (height / 2 - values[rows, a]) / (values[rows, b] - values[rows, a])
        return np.asarray(energy[a] + part * (energy[b] - energy[a]))

    left = np.where(before.any(-1), crossing(i, i + 1), np.nan)
    return left, np.where(behind.any(-1), crossing(j - 1, j), np.nan)


def _first_minimum(energy: Array, values: Array, top: Array) -> Array:
    """Loss of the lowest point of the lightly smoothed spectrum before it rises again; NaN where it never does."""
    padded = np.pad(values, ((0, 0), (1, 1)), mode="edge")
    smooth = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    height = smooth.max(-1, keepdims=True)
    behind = energy[:-1] > energy[top][:, None]
    rising = (smooth[:, 1:] >= smooth[:, :-1]) & behind & (smooth[:, :-1] < FOOT * height)
    return np.where(rising.any(-1), energy[rising.argmax(-1)], np.nan)


def on_step(energy: Array, y: Array, step: float, zero: float = 0.0) -> tuple[Array, Array]:
    """Rows of counts on channels of width ``step`` with the middle of one at ``zero``: what lies in a channel is shared out.

    Sums are kept; a channel of the old axis counts as even over its width. NaN counts as nothing.

    Returns
    -------
    energy : (m,) array
        Whole channels from ``zero`` that lie inside the old axis.
    y : (rows, m) array
    """
    old = float(energy[-1] - energy[0]) / (energy.size - 1)
    edges = energy[0] - old / 2 + old * np.arange(energy.size + 1)
    first = int(np.ceil((edges[0] - zero) / step + 0.5 - 1e-9))
    last = int(np.floor((edges[-1] - zero) / step - 0.5 + 1e-9))
    if last - first < 2:
        raise InvalidInput(
            f"a low loss from {energy[0]:g} to {energy[-1]:g} eV holds less than three channels of {step:g} eV."
        )
    grid = zero + step * np.arange(first, last + 1)
    wanted = np.append(grid - step / 2, grid[-1] + step / 2)
    place = np.clip((wanted - edges[0]) / old, 0, energy.size)
    whole = np.minimum(place.astype(int), energy.size - 1)
    part = place - whole
    running = np.zeros((*y.shape[:-1], energy.size + 1))
    np.cumsum(np.nan_to_num(y), axis=-1, dtype=float, out=running[..., 1:])
    at = running[..., whole] * (1 - part) + running[..., whole + 1] * part
    return grid, np.diff(at, axis=-1).astype(np.result_type(y.dtype, np.float32), copy=False)


def noise_of(y: Array, transform: Array, gain: float | None, sigma: Array | None) -> tuple[Array, Array]:
    """Variance of each channel (rows, n), and the power (rows,) that this noise has at each frequency.

    Sigmas where they are stated, else ``gain`` times counts. Where nothing is known, the power of the highest quarter of
    the frequencies, shared out as counts are; that is too much where the zero-loss peak is two channels wide.
    """
    if sigma is not None:
        variance = np.where(np.isfinite(sigma), sigma, 0) ** 2
        return variance, variance.sum(-1)
    counts = np.maximum(y, 0)
    if gain is None:
        high = transform[..., 3 * transform.shape[-1] // 4 :]
        power = (high.real**2 + high.imag**2).mean(-1)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.nan_to_num(counts * (power / counts.sum(-1))[..., None]), power
    return gain * counts, gain * counts.sum(-1)


def even_step(energy: Array, what: str) -> float:
    """Step of an even axis; an uneven one is refused."""
    step = float(energy[-1] - energy[0]) / (energy.size - 1)
    if not np.allclose(np.diff(energy), step, rtol=0.02):
        raise InvalidInput(f"{what} has an uneven energy_loss: resample it first (spectra.resample).")
    return step


def same_step(one: float, other: float, channels: int) -> bool:
    """Whether two steps are the same as far as ``channels`` of them can tell."""
    return abs(one / other - 1) * channels < SAME


def known_gain(dataset: xr.Dataset, gain: float | None) -> float | None:
    """Variance per count: as given, or 1 for counts, or unknown."""
    if gain is not None and not gain > 0:
        raise InvalidInput(f"gain is the variance per count, above 0, got {gain:g}.")
    units = str(dataset[signal_name(dataset)].attrs.get("units", ""))
    return 1.0 if gain is None and units.startswith("count") else gain


def paired(dataset: xr.Dataset, low: Any, name: str, verb: str, gain: float | None = None) -> LowLoss:
    """The low loss ``low`` beside ``dataset``: of the same series, or one for all.

    Raises
    ------
    InvalidInput
        If it lies along another axis or other series dimensions, is uneven, or cannot hold a zero-loss peak.
    """
    from spectra.dataset import as_dataset

    if low is None:
        raise InvalidInput(f"{verb} needs {name}: the low-loss spectra with their zero-loss peak.")
    data = as_dataset(_from_content(low), verb=verb)
    if AXIS not in data.dims:
        raise InvalidInput(f"{name} has the dimensions {dict(data.sizes)}: it needs an axis energy_loss.")
    sizes = {d: data.sizes[d] for d in series_dims(data)}
    if any(dataset.sizes.get(d) != size for d, size in sizes.items()):
        raise InvalidInput(
            f"{name} has the series {sizes}, and the dataset { ({d: dataset.sizes[d] for d in series_dims(dataset)}) }: give "
            "one low loss per spectrum (dual EELS), or a single one for all."
        )
    energy = data[AXIS].values.astype(float)
    step = even_step(energy, name)
    if energy[0] >= -step:
        raise InvalidInput(
            f"{name} begins at {energy[0]:g} eV: the zero-loss peak is cut or missing, and without its rising side nothing "
            "can be deconvolved. Measure the low loss from some eV below zero."
        )
    signal = signal_name(data)
    sigma = data.get(f"{signal}_sigma")
    if not sizes:
        resolve(**{name: {"content": _content(data[signal], sigma, energy)}})
        if series_dims(dataset):
            note(f"one {name} for all spectra")
    return LowLoss(data[signal], sigma, energy, step, None if sigma is not None else known_gain(data, gain))


def _content(values: xr.DataArray, sigma: xr.DataArray | None, energy: Array) -> dict[str, Any]:
    """A single low loss as the history keeps it, so that a results file runs again by itself."""
    made = {"energy": energy, "values": values.values, "units": str(values.attrs.get("units", ""))}
    return made if sigma is None else made | {"sigma": sigma.values}


def _from_content(low: Any) -> Any:
    from spectra.dataset import from_arrays

    if not isinstance(low, dict) or "content" not in low:
        return low
    made = low["content"]
    return from_arrays(
        np.asarray(made["energy"]), np.asarray(made["values"]), axis=AXIS, name="counts", units=made["units"],
        sigma=np.asarray(made["sigma"]) if "sigma" in made else None,
    )  # fmt: skip
