"""Photons found one by one on a detector, counted by sub-pixel channels across the lines of equal energy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from spectra.errors import InvalidInput

__all__ = ["histogram_of_photons"]


def histogram_of_photons(
    photons: npt.ArrayLike, *, rows: int, curvature: tuple[float, ...] = (0.0,), subpixels: int = 4
) -> npt.NDArray[np.int64]:
    r"""Photons per channel, the lines of equal energy made straight.

    A photon at column :math:`c` and row :math:`r` falls into the channel
    :math:`\lfloor m\,(r - a_1 c - a_2 c^2 - \dots) \rfloor`, with :math:`m` channels per row. Centroids of charge clouds
    know the row to a fraction of a pixel; neighbouring channels stay independent, as each photon is counted once.

    Parameters
    ----------
    photons : (n, 2) array
        Column and row of every photon, in pixels.
    rows : int
        Rows of the detector; there are ``rows * subpixels`` channels. Photons beyond are left out.
    curvature : tuple of float
        :math:`a_1, a_2, \dots` in pixels per pixel to the power 1, 2, …
    subpixels : int
        Channels per row.

    Returns
    -------
    (rows * subpixels,) array of int

    Raises
    ------
    InvalidInput
        Photons that are not pairs, no rows or no channels per row.

    Examples
    --------
    >>> histogram_of_photons([[10.0, 1.3], [20.0, 1.8]], rows=2, curvature=(0.05,), subpixels=4)
    array([0, 0, 0, 2, 0, 0, 0, 0])
    """
    places = np.asarray(photons, float)
    if places.size and (places.ndim != 2 or places.shape[1] != 2):
        raise InvalidInput(f"photons must be pairs of column and row, got the shape {places.shape}.")
    if rows < 1 or subpixels < 1:
        raise InvalidInput(f"rows and subpixels must be at least 1, got {rows} and {subpixels}.")
    column, row = places.reshape(-1, 2).T
    straight = row - sum((a * column**k for k, a in enumerate(curvature, start=1)), np.zeros(len(row)))
    channel = np.floor(straight * subpixels)
    inside = np.isfinite(channel) & (channel >= 0) & (channel < rows * subpixels)
    return np.bincount(channel[inside].astype(int), minlength=rows * subpixels)
