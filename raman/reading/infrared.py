"""What infrared spectrometers measure: quantities and their units, checked against the values, as datasets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset.construct import from_arrays
from spectra.errors import InvalidInput, ReadError
from spectra.reading.registry import AUXILIARY
from spectra.reading.scan import add_note

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["QUANTITIES", "checked_units", "even_steps", "infrared_scan"]

#: Measured quantities and what they are called on an axis.
QUANTITIES = {
    "absorbance": "absorbance",
    "transmittance": "transmittance",
    "reflectance": "reflectance",
    "kubelka_munk": "Kubelka-Munk function",
    "log_reflectance": "log(1/R)",
    "single_channel": "single channel",
    "interferogram": "interferogram",
    "phase": "phase",
    "emission": "emission",
    "photoacoustic": "photoacoustic signal",
    "photothermal": "photothermal signal",
    "intensity": "intensity",
}

#: A fraction of light above this is none; its values are percent.
_NO_FRACTION = 5.0
#: Percent below this throughout may be fractions.
_NO_PERCENT = 1.5
#: Absorbance above this, in the median, is none.
_NO_ABSORBANCE = 6.0


def infrared_scan(
    where: str,
    x: npt.ArrayLike,
    values: npt.ArrayLike,
    quantity: str,
    *,
    units: str = "",
    axis: str = "wavenumber",
    dims: Sequence[str] = (),
    coords: Mapping[str, Any] | None = None,
    attrs: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
    auxiliary: bool = False,
) -> xr.Dataset:
    """Dataset of one measurement.

    Parameters
    ----------
    where : str
        File and part of it, for errors.
    x : (n,) array
        Axis in its own units (1/cm, or cm of path difference), in any order.
    values : (..., n) array
        What was measured.
    quantity : str
        Its name, out of :data:`QUANTITIES`.
    units : str
        Its units as the file states them; ``%`` for percent.
    axis : str
        ``wavenumber``, ``raman_shift`` or ``path_difference``.
    dims, coords : optional
        Of a map.
    attrs : mapping, optional
        Attributes; those that are None or empty are left out.
    notes : sequence of str
        What was done with the data so far.
    auxiliary : bool
        Kept by the instrument beside its result (a background, an interferogram): read where it is asked for.

    Raises
    ------
    ReadError
        Fewer than two points, or nothing finite.
    """
    array = np.asarray(values, float)
    units, doubts = checked_units(quantity, units, array)
    try:
        scan = from_arrays(
            np.asarray(x, float),
            {quantity: array},
            axis=axis,
            units=units,
            dims=dims,
            coords=coords,
            attrs={
                "technique": "raman" if axis == "raman_shift" else "ftir",
                **{k: v for k, v in (attrs or {}).items() if v is not None and v != ""},
            },
        )
    except InvalidInput as error:
        raise ReadError(f"{where}: {error}") from None
    scan[quantity].attrs["long_name"] = QUANTITIES[quantity]
    scan = add_note(scan, *notes, *doubts) if (notes or doubts) else scan
    if auxiliary:
        scan.encoding[AUXILIARY] = True
    return scan


def checked_units(quantity: str, units: str, values: npt.NDArray[np.float64]) -> tuple[str, list[str]]:
    """Units of ``values``, corrected where they cannot be what is stated, and what is to be said about that.

    Headers are often wrong: what is called a fraction and reaches 98 is percent.
    """
    finite = values[np.isfinite(values)]
    if not finite.size:
        return units, []
    # the middle of what is there, and nearly the highest: single wild points decide nothing
    middle, high = np.quantile(finite, (0.5, 0.99))
    if quantity in ("transmittance", "reflectance"):
        if units != "%" and high > _NO_FRACTION:
            return "%", [
                f"the file calls its {quantity} a fraction and its values reach {high:.4g}: taken as percent"
            ]
        if units == "%" and 0 < high < _NO_PERCENT:
            return units, [
                f"{quantity} in percent reaches {high:.3g} only: if these are fractions, multiply them by 100"
            ]
    if quantity == "absorbance" and middle > _NO_ABSORBANCE:
        return units, [
            f"the file says absorbance, and half of the values lie above {middle:.3g}: they may be percent transmittance"
        ]
    return units, []


def even_steps(first: float, last: float, points: int, where: str) -> npt.NDArray[np.float64]:
    """Axis of ``points`` even steps from ``first`` to ``last``."""
    if points < 2 or not math.isfinite(first) or not math.isfinite(last) or first == last:
        raise ReadError(
            f"{where}: {points} points from {first:g} to {last:g} make no axis; the file is damaged."
        )
    if max(abs(first), abs(last)) > 1e7:
        raise ReadError(
            f"{where}: an axis from {first:g} to {last:g} was never measured; the file is damaged."
        )
    return np.linspace(first, last, points)
