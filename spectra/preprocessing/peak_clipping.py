"""SNIP baselines of series and maps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from spectra.errors import InvalidInput
from spectra.preprocessing.smoothing import fill_gaps

__all__ = ["snip_baselines"]

#: Spectra that one thread takes at a time, and fewest points that a spectrum has.
_SHARE = 512
LEAST = 5


def snip_baselines(
    y: npt.ArrayLike, *, max_half_window: int, decreasing: bool = False, workers: int | None = None
) -> npt.NDArray[np.float64]:
    r"""Baselines by clipping every point to the mean of two points ever farther apart (SNIP), compiled.

    .. math:: v_i \leftarrow \min\big(v_i, \tfrac12 (v_{i-m} + v_{i+m})\big), \quad m = 1, 2, \dots, M

    Parameters
    ----------
    y : (..., n) array
        Spectra; missing points are bridged by lines, and ends go on as the line through M points.
    max_half_window : int
        M, about the width of a band at its foot in points; more than (n − 1)/2 have no effect.
    decreasing : bool
        m goes down from M instead: smoother.
    workers : int, optional
        Threads. Default: all cores.

    Returns
    -------
    (..., n) array
        NaN for spectra with fewer than five finite points; else equal to pybaselines' ``snip`` with its filter of
        order 2.

    References
    ----------
    C. G. Ryan et al., Nucl. Instrum. Methods B 34, 396 (1988)

    Examples
    --------
    >>> import numpy as np
    >>> x = np.linspace(0, 1, 200)
    >>> y = 5 + 3 * x + np.exp(-(((x - 0.5) / 0.03) ** 2))
    >>> bool(abs(snip_baselines(y, max_half_window=30) - 5 - 3 * x).max() < 0.01)
    True
    """
    from spectra.preprocessing.clipping import clip_peaks
    from spectra.preprocessing.compiled import in_shares

    values = np.asarray(y)
    n = values.shape[-1]
    rows = values.reshape(-1, n)
    if max_half_window < 1:
        raise InvalidInput(f"max_half_window is a number of points from 1 on, got {max_half_window}.")
    reach = min(int(max_half_window), (n - 1) // 2)
    out = np.full(rows.shape, np.nan)
    if n < LEAST:
        return out.reshape(values.shape)

    def work(start: int, stop: int) -> None:
        part = np.array(rows[start:stop], float)
        part[np.isfinite(part).sum(-1) < LEAST] = np.nan
        clip_peaks(fill_gaps(part), reach, bool(decreasing), out[start:stop])

    in_shares(work, len(rows), _SHARE, workers)
    return out.reshape(values.shape)
