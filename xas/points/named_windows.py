"""Windows on the spectral axis, by name, as the channels that they hold."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from spectra.errors import InvalidInput

__all__ = ["window_masks"]


def window_masks(
    x: npt.NDArray[np.float64], windows: Mapping[str, tuple[float, float]], axis: str
) -> npt.NDArray[np.bool_]:
    """Channels (windows, n) between the ends of each window, both included, in either order.

    Raises
    ------
    InvalidInput
        A window holds none.
    """
    masks = np.zeros((len(windows), x.size), bool)
    for mask, (name, (low, high)) in zip(masks, windows.items(), strict=True):
        mask[:] = (x >= min(low, high)) & (x <= max(low, high))
        if not mask.any():
            raise InvalidInput(
                f"windows: {name!r} ({low:g}, {high:g}) holds no channel; {axis} runs from {x[0]:g} to {x[-1]:g}."
            )
    return masks
