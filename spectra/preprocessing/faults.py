"""What a detector does wrong, seen in the spectrum: saturation, and counts below nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag, map_spectra, spectral_axis

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["detector_faults", "flag_detector_faults"]

#: Quantities that a detector counts, and that can neither be cut off nor negative by themselves.
COUNTED = ("intensity", "counts")
#: So many neighbouring points at exactly the largest value are no coincidence, if they stand so many times above noise.
PLATEAU = 3
ABOVE = 20.0
#: Points so many times the noise below zero, and their share, from which on a spectrum is called negative.
BELOW = 5.0
SHARE = 0.01
#: Spectra that one thread takes at a time.
_ROWS = 512


def detector_faults(y: npt.ArrayLike) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Which spectra stand at the limit of their detector, and which lie below zero by more than noise.

    Parameters
    ----------
    y : (..., n) array

    Returns
    -------
    saturated, negative : (...) arrays of bool
    """
    from spectra.preprocessing.compiled import in_shares
    from spectra.preprocessing.extremes import extremes

    values = np.asarray(y)
    lead, n = values.shape[:-1], values.shape[-1]
    rows = values.reshape(-1, n)
    run, below = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)

    def work(start: int, stop: int) -> None:
        extremes(np.array(rows[start:stop], float), run[start:stop], below[start:stop])

    in_shares(work, len(rows), _ROWS, None)
    saturated, negative = run >= PLATEAU, below > SHARE * n
    for i in np.flatnonzero(saturated | negative):  # few: only these need their noise
        row = rows[i][np.isfinite(rows[i])].astype(float)
        if row.size < PLATEAU:  # nothing but infinities
            saturated[i] = negative[i] = False
            continue
        # the median of |difference| of normal noise is 0.954 of its sigma
        noise = float(np.median(np.abs(np.diff(row)))) / 0.954
        saturated[i] &= bool(row.max() > np.median(row) + ABOVE * noise)
        negative[i] &= noise > 0 and bool(np.mean(row < -BELOW * noise) > SHARE)
    return saturated.reshape(lead), negative.reshape(lead)


def flag_detector_faults(dataset: xr.Dataset, variable: str) -> xr.Dataset:
    """Dataset with warnings on spectra whose detector was at its limit, or that lie below zero."""
    if variable not in COUNTED:
        return dataset
    axis = spectral_axis(dataset)

    def kernel(y: npt.NDArray[Any]) -> dict[str, npt.NDArray[np.bool_]]:
        saturated, negative = detector_faults(y)
        return {"saturated": saturated, "negative": negative}

    kinds = {"saturated": bool, "negative": bool}
    made = map_spectra(
        kernel, [(dataset[variable], (axis,))], {"saturated": (), "negative": ()}, dtypes=kinds
    )
    if made["saturated"].chunks is None and not (made["saturated"].any() or made["negative"].any()):
        return dataset
    result = flag(
        dataset, made["saturated"], "saturated",
        "neighbouring points stand at exactly the largest value: the detector was at its limit; what lies there is not "
        "known, so measure shorter or crop it",
        severity="warning",
    )  # fmt: skip
    return flag(
        result, made["negative"], "negative_intensity",
        "more than 1 % of the points lie below zero by more than five times the noise: too much was subtracted before",
        severity="warning",
    )  # fmt: skip
