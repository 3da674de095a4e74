"""Cosmic rays in spectra of a detector: found in one spectrum, or against its neighbours in time or on a map."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spectra.errors import InvalidInput

__all__ = ["SAFE", "Spikes", "despike_arrays", "spike_threshold"]

Array = npt.NDArray[np.float64]
Marks = npt.NDArray[np.bool_]

#: Least threshold: real lines, which have wings, stay below it if they are as wide as SAFE says.
LEAST_THRESHOLD = 4.5
#: Full width at half maximum, in points, from which on fewer than one Lorentzian or Gaussian line in a hundred, however
#: strong, is taken for a spike; by longest run of points.
SAFE = {1: 2.0, 2: 2.5, 3: 3.5, 4: 4.0, 5: 4.0, 6: 4.0, 7: 4.0, 8: 4.0}
#: Spectra in which a longer run of noise may be told of, as part of those with a false alarm.
RARER = 0.01
#: Spectra that one thread takes at a time.
_SHARE = 256


@dataclass(frozen=True)
class Spikes:
    """Spectra with their spikes on the curve around them, and where these were."""

    values: Array  # (..., n)
    marks: Marks  # (..., n)
    wider: Marks  # (...) longer runs than ``width`` points stand out as spikes do, and were left


def spike_threshold(points: int, width: int, false_alarms: float) -> float:
    r"""Standard deviations above the curve around from which on a run of points is a spike.

    .. math:: t = \max\left(4.5,\ \Phi^{-1}\left(1 - \frac{f}{w\,n}\right)\right)

    for f false alarms per spectrum of n points and runs of up to w points.

    Parameters
    ----------
    points, width : int
        n and w.
    false_alarms : float
        f.
    """
    from statistics import NormalDist

    if not (false_alarms > 0 and math.isfinite(false_alarms)):
        raise InvalidInput(f"false_alarms is a number of points above zero, got {false_alarms:g}.")
    share = false_alarms / (max(points, 1) * width)
    return max(LEAST_THRESHOLD, NormalDist().inv_cdf(1 - share)) if share < 0.5 else LEAST_THRESHOLD


def despike_arrays(
    y: npt.ArrayLike,
    *,
    sigma: npt.ArrayLike | None = None,
    width: int = 2,
    false_alarms: float = 0.01,
    neighbours: int = 0,
    workers: int | None = None,
) -> Spikes:
    r"""Find cosmic rays and put the curve around them in their place.

    A cubic is fitted to the four points to each side of a run of one to ``width`` points. The run is a spike if its
    points are above the cubic, the highest by

    .. math:: y_i - p_i > t\,\sqrt{1 + \textstyle\sum_j h_{ij}^2}\;\max(\sigma_i, c_w s),

    and all by half of that, where the h are the weights of the eight points in p, s is their scatter about the cubic,
    :math:`c_w` a factor from 1.25 for single points to 6 for eight, and :math:`\sigma_i` the noise. The points around
    a real band lie on no cubic, so s is large there and the band stays.

    Parameters
    ----------
    y : (..., n) array
        Spectra on the pixels of a detector. Missing points (NaN) are left out.
    sigma : array that broadcasts with y, optional
        Noise. Default: from the spectrum, locally, growing with the signal as that of counts does.
    width : int
        Longest run of points, 1 to 8.
    false_alarms : float
        Expected number of spikes found in a spectrum of noise.
    neighbours : int
        So many of the leading dimensions, the last ones, are places or times: each spectrum is looked at less the
        median of its neighbours there (two to each side along one dimension, the box around in more). 0: by itself.
    workers : int, optional
        Threads. Default: all cores.

    Returns
    -------
    Spikes

    Notes
    -----
    The noise is taken as modified z-scores are, from medians of absolute deviations; differences to neighbouring
    pixels stand in Whitaker & Hayes for what the cubic leaves here, and take sharp bands for spikes.

    References
    ----------
    D. A. Whitaker & K. Hayes, Chemom. Intell. Lab. Syst. 179, 82 (2018)

    Examples
    --------
    >>> import numpy as np
    >>> y = np.random.default_rng(1).normal(100, 3, 200)
    >>> y[50] += 200
    >>> np.flatnonzero(despike_arrays(y).marks)
    array([50])
    """
    from spectra.preprocessing.compiled import in_shares
    from spectra.preprocessing.spikes import LONGEST, find_runs, references

    if not 1 <= width <= LONGEST:
        raise InvalidInput(f"width is a number of points between 1 and {LONGEST}, got {width}.")
    given = np.asarray(y, float)
    shape, n = given.shape, given.shape[-1]
    rows = given.reshape(-1, n)
    known = None if sigma is None else np.broadcast_to(np.asarray(sigma, float), shape).reshape(-1, n)
    values, marks, wider = np.empty_like(rows), np.zeros(rows.shape, bool), np.zeros(len(rows), bool)
    threshold = spike_threshold(n, width, false_alarms)
    high = spike_threshold(n, LONGEST, RARER * false_alarms)
    table = neighbour_table(shape[:-1], neighbours)
    if table.shape[1] and not rows.flags.writeable:
        rows = rows.copy()  # read-only arrays are another type to the compiler
    nothing = np.empty((0, n))

    def work(start: int, stop: int) -> None:
        reference = nothing
        if table.shape[1]:
            reference = np.empty((stop - start, n))
            references(rows, table[start:stop], reference)
        part = np.array(rows[start:stop])
        noise = nothing if known is None else np.array(known[start:stop])
        found = (values[start:stop], marks[start:stop])
        find_runs(part, reference, noise, threshold, width, *found, high, wider[start:stop])

    in_shares(work, len(rows), _SHARE, workers)
    return Spikes(values.reshape(shape), marks.reshape(shape), wider.reshape(shape[:-1]))


def neighbour_table(lead: tuple[int, ...], dims: int) -> npt.NDArray[np.int64]:
    """(rows, neighbours) numbers of the spectra next to each on the last ``dims`` dimensions, −1 where the grid ends."""
    if dims == 0:
        return np.empty((math.prod(lead), 0), np.int64)
    steps = [(-2,), (-1,), (1,), (2,)] if dims == 1 else [
        s for s in itertools.product((-1, 0, 1), repeat=dims) if any(s)
    ]  # fmt: skip
    where = np.indices(lead).reshape(len(lead), -1)
    sizes = np.array(lead)[:, None]
    out = np.empty((where.shape[1], len(steps)), np.int64)
    for k, step in enumerate(steps):
        moved = where.copy()
        moved[-dims:] += np.array(step)[:, None]
        inside = ((moved >= 0) & (moved < sizes)).all(0)
        flat = np.ravel_multi_index(tuple(np.clip(moved, 0, sizes - 1)), lead)
        out[:, k] = np.where(inside, flat, -1)
    return out
