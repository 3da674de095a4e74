"""A part of the spectral axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spectra.dataset.conventions import spectral_axis
from spectra.errors import InvalidInput
from spectra.verbs import verb

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["crop"]


@verb("spectra.crop")
def crop(dataset: xr.Dataset, *, window: tuple[float, float]) -> xr.Dataset:
    """Keep the part of the spectral axis inside ``window``; both ends are kept.

    Parameters
    ----------
    dataset : xarray.Dataset
        Spectra of any technique.
    window : (float, float)
        Limits in the units of the spectral axis, in either order.

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    InvalidInput
        If fewer than two points lie inside.

    Examples
    --------
    >>> import spectra
    >>> data = spectra.from_arrays(range(10), range(10), axis="raman_shift")
    >>> spectra.crop(data, window=(2, 5)).sizes["raman_shift"]
    4
    """
    axis = spectral_axis(dataset)
    low, high = sorted(window)
    x = dataset[axis].values
    inside = (x >= low) & (x <= high)
    if inside.sum() < 2:
        raise InvalidInput(
            f"window ({low:g}, {high:g}) holds {inside.sum()} points of {axis}, which runs from {x[0]:g} to {x[-1]:g}; "
            "at least 2 are needed. Move or widen the window."
        )
    return dataset.isel({axis: inside})
