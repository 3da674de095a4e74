"""Numbers as a page of a report holds them: text, and no more points than can be seen."""

from __future__ import annotations

import base64
import math
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["decoded", "encoded", "thinned"]


def encoded(values: npt.ArrayLike) -> dict[str, Any]:
    """Numbers as text: 32-bit floats above an offset, so that a small change of a large number is kept."""
    array = np.asarray(values, float).ravel()
    finite = array[np.isfinite(array)]
    offset = float(finite.min()) if finite.size and np.ptp(finite) < 0.01 * abs(finite.min()) else 0.0
    small = np.where(np.isfinite(array), array - offset, np.nan)
    limit = np.finfo(np.float32).max
    packed = np.clip(small, -limit, limit).astype("<f4")
    return {"o": offset, "f": base64.b64encode(packed.tobytes()).decode()}


def decoded(text: dict[str, Any]) -> npt.NDArray[np.float64]:
    """Numbers that :func:`encoded` made, as the page reads them."""
    packed = np.frombuffer(base64.b64decode(text["f"]), "<f4")
    return packed.astype(float) + float(text["o"])


def thinned(n: int, most: int) -> slice:
    """Every so many of ``n`` points, ``most`` at most."""
    return slice(None, None, max(math.ceil(n / most), 1))
