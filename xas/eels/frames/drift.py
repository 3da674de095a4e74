"""Drift of the image between the energies of a stack: measured, and taken out where it is worth it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset import series_dims, signal_name, spectral_axis
from spectra.errors import InvalidInput
from spectra.verbs import note, resolve, verb
from xas.eels.background.subtraction import AXES

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["align_frames", "frame_shifts", "moved_frames"]

Array = npt.NDArray[Any]

#: Fewest pixels by side that a shift is told from.
LEAST = 8
#: A shift is settled when it changes by less than this (pixels), after so many rounds at most.
SETTLED, ROUNDS = 0.005, 8


@verb("xas.eels.align_frames", axis=AXES, together=True)
def align_frames(
    dataset: xr.Dataset,
    *,
    window: tuple[float, float] | None = None,
    least: float = 0.25,
    by_parts: bool = True,
) -> xr.Dataset:
    """Measure how far the image of each energy lies from the others, and move it back where that is worth it.

    Parameters
    ----------
    dataset : xarray.Dataset
        A map of two dimensions, measured image by image: a stack of a soft X-ray microscope.
    window : (float, float), optional
        Energies in eV whose mean is the image that the others are compared with, best in front of the edge. Default:
        each image is compared with the one before it and the steps are added up.
    least : float
        Images are moved if one of them lies farther off than so many pixels; less is left as it is, as moving by parts of
        a pixel takes noise away and shares it between neighbours.
    by_parts : bool
        Whether images are moved by parts of a pixel (linear interpolation) or by whole pixels.

    Returns
    -------
    xarray.Dataset
        With ``frame_shift`` along the energy and ``frame_direction`` (pixels, down and across). Where images were moved,
        the signal is, pixels that no data reach hold NaN, and stated sigmas are moved with them (of whole pixels exactly,
        else as if neighbours' noise were the same).

    Raises
    ------
    InvalidInput
        No map of two dimensions with at least 8 pixels by side.

    Notes
    -----
    The shift is the maximum of the cross-correlation of the images, in a Hann window, refined by parabolas. An image whose
    contrast changes with energy moves the maximum a little: compare within the pre-edge, or look at the shifts.

    Examples
    --------
    >>> import numpy as np, spectra, xas.eels
    >>> y, x = np.mgrid[:40, :40]
    >>> images = [np.exp(-(((y - 20) / 6) ** 2) - ((x - 18 - 0.5 * i) / 5) ** 2) for i in range(5)]
    >>> energy = np.arange(700.0, 705.0)
    >>> stack = spectra.from_arrays(energy, np.moveaxis(np.array(images), 0, -1), name="mu", dims=("y", "x"))
    >>> moved = xas.eels.align_frames(stack)
    >>> moved.frame_shift.sel(frame_direction="x").values.round(1).tolist()
    [0.0, 0.5, 1.0, 1.5, 2.0]
    """
    axis, signal, dims = spectral_axis(dataset), signal_name(dataset), series_dims(dataset)
    if len(dims) != 2 or min(dataset.sizes[d] for d in dims) < LEAST:
        raise InvalidInput(
            f"align_frames works on maps of two dimensions with at least {LEAST} pixels by side; this dataset has "
            f"{', '.join(f'{d}: {dataset.sizes[d]}' for d in dims) or 'one spectrum'}."
        )
    if not least >= 0:
        raise InvalidInput(f"least is in pixels, 0 or above, got {least:g}.")
    energy = dataset[axis].values
    inside = None if window is None else (energy >= window[0]) & (energy <= window[1])
    if inside is not None and not inside.any():
        raise InvalidInput(f"window ({window[0]:g}, {window[1]:g}) holds no energy of the data.")  # type: ignore[index]
    frames = dataset[signal].transpose(axis, *dims).values.astype(float)
    shifts = frame_shifts(frames, inside)
    worst = float(np.abs(shifts).max())
    move = worst > least
    by = shifts if by_parts else np.round(shifts)
    resolve(moved=bool(move))
    result = dataset.assign(
        frame_shift=(
            (axis, "frame_direction"),
            shifts,
            {"units": "", "long_name": "shift of the image in pixels"},
        )
    ).assign_coords(frame_direction=list(dims))
    if not move:
        note(f"images lie within {worst:.2f} pixels of each other: nothing was moved")
        return result
    note(
        f"images lie up to {worst:.2f} pixels off and were moved {'by parts of a pixel' if by_parts else 'by whole pixels'}"
    )
    for name in (signal, f"{signal}_sigma"):
        if name in dataset and set(dataset[name].dims) == {axis, *dims}:
            moved = moved_frames(dataset[name].transpose(axis, *dims).values.astype(float), by)
            array = dataset[name].transpose(axis, *dims).copy(data=moved).transpose(*dataset[name].dims)
            result = result.assign({name: array})
    return result


def frame_shifts(frames: Array, reference: Array | None = None) -> Array:
    """Shift (n, 2) in pixels of each image of ``frames`` (n, rows, columns), by cross-correlation.

    ``reference`` masks the images whose mean is compared with; without it each is compared with the one before.
    """
    filled = np.where(np.isfinite(frames), frames, np.nanmean(frames))
    if reference is not None:
        mean = filled[reference].mean(0)
        return np.stack([_found(frame, mean) for frame in filled])
    steps = [np.zeros(2)] + [_found(after, before) for before, after in itertools.pairwise(filled)]
    return np.cumsum(steps, axis=0)


def _found(image: Array, other: Array) -> Array:
    """Shift (2,) of an image from another; found again in the moved image, as the window pulls it towards zero."""
    from scipy.ndimage import shift

    window = np.hanning(image.shape[0])[:, None] * np.hanning(image.shape[1])
    window /= window.sum()
    base = np.fft.rfft2((other - (other * window).sum()) * window)
    found = np.zeros(2)
    for _ in range(ROUNDS):
        moved = shift(image, -found, order=1, mode="nearest") if found.any() else image
        step = _shift(np.fft.rfft2((moved - (moved * window).sum()) * window), base, image.shape)
        found = found + step
        if np.abs(step).max() < SETTLED:
            break
    return found


def _shift(image: Array, other: Array, shape: tuple[int, ...]) -> Array:
    """Shift (2,) of an image from another, both as Fourier transforms."""
    product = np.fft.irfft2(image * np.conj(other), shape)
    top = np.unravel_index(int(product.argmax()), shape)
    found = np.zeros(2)
    for i, size in enumerate(shape):
        around = [
            product[tuple((top[j] + d) % shape[j] if j == i else top[j] for j in (0, 1))] for d in (-1, 0, 1)
        ]
        bend = around[0] - 2 * around[1] + around[2]
        part = 0.5 * (around[0] - around[2]) / bend if bend < 0 else 0.0
        place = top[i] + part
        found[i] = place - size if place > size / 2 else place
    return found


def moved_frames(frames: Array, shifts: Array) -> Array:
    """Images (n, rows, columns) moved back by ``shifts`` (n, 2), linearly between pixels; NaN where nothing was seen."""
    from scipy.ndimage import shift

    return np.stack(
        [shift(f, -by, order=1, mode="constant", cval=np.nan) for f, by in zip(frames, shifts, strict=True)]
    )
