"""A band of something else inside what was fitted: what a fit leaves over stands out at one place."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["foreign_band"]

Array = npt.NDArray[np.float64]

#: What is left over is averaged over this many 1/cm: narrower is noise or a cosmic ray, bands are wider.
WIDTH = 12.0
#: Above its own scatter by this factor: misfit of a shape is spread over the window and raises the scatter itself.
OUTSTANDING = 6.0


def foreign_band(x: npt.ArrayLike, residual: npt.ArrayLike) -> tuple[Array, Array]:
    """Height and place of what stands out most of a residual.

    Parameters
    ----------
    x : (n,) array
        1/cm, ascending.
    residual : (..., n) array
        Measured less fitted; NaN outside of what was fitted.

    Returns
    -------
    height, position : (...) arrays
        NaN where nothing stands out.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(900.0, 1900.0)
    >>> left = np.random.default_rng(1).normal(size=x.size) + 30 / (1 + ((x - 994) / 8) ** 2)
    >>> height, position = foreign_band(x, left)
    >>> bool(abs(position - 994) < 4), bool(height > 20)
    (True, True)
    """
    axis, left = np.asarray(x, float), np.asarray(residual, float)
    there = np.isfinite(left)
    points = max(3, round(WIDTH / float(np.median(np.diff(axis)))))
    sums = [np.cumsum(np.where(there, values, 0.0), axis=-1) for values in (left, np.ones_like(left))]
    total, count = (s[..., points:] - s[..., :-points] for s in sums)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(count > points / 2, total / count, -np.inf)
    if mean.shape[-1] == 0:
        return np.full(left.shape[:-1], np.nan), np.full(left.shape[:-1], np.nan)
    usable = np.isfinite(mean)
    some = np.asarray(usable.any(axis=-1))
    sizes = np.where(usable, np.abs(mean), np.nan)
    typical = 1.4826 * np.nanmedian(np.where(some[..., None], sizes, 0.0), axis=-1)
    at = mean.argmax(axis=-1)
    height = np.take_along_axis(mean, at[..., None], axis=-1)[..., 0]
    found = some & (height > OUTSTANDING * typical)
    return np.where(found, height, np.nan), np.where(found, axis[at + (points + 1) // 2], np.nan)
