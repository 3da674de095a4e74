"""What infrared spectrometers measure: quantities and their units, checked against the values, as datasets."""

from __future__ import annotations

import math
import re
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

__all__ = ["QUANTITIES", "checked_units", "even_steps", "floats", "infrared_scan", "quantity_of_label"]

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

#: How programs call them: quantity, units, and what their label begins with or is.
_LABELS = (
    ("transmittance", "%", r"%\s*t|percent\s*t|t(ransmittance|ransmission)?\s*\(?%"),
    ("reflectance", "%", r"%\s*r|percent\s*r|r(eflectance|eflection)?\s*\(?%"),
    ("log_reflectance", "", r"-?\s*log\s*\(?\s*(1\s*/\s*)?r|log reflect"),
    ("absorbance", "", r"abs|a$|o\.?d\.?$|log\s*\(?\s*(1\s*/\s*)?t"),
    ("transmittance", "", r"transm|t$"),
    ("kubelka_munk", "", r"kubelka|k\W?m\b"),
    ("reflectance", "", r"refl|r$"),
    ("single_channel", "", r"single|sc$|sb$|energy|egy"),
    ("interferogram", "", r"interferogram|igram"),
    ("interferogram", "V", r"volts?$"),
    ("photoacoustic", "", r"photo.?acoustic"),
    ("photothermal", "", r"o-?ptir|photo.?thermal"),
    ("emission", "", r"emission|emissivity"),
    ("intensity", "counts", r"counts"),
    ("intensity", "", r"arbitrary|intensity|raman|a\.u\."),
)

#: A fraction of light above this is none; its values are percent.
_NO_FRACTION = 5.0
#: Percent below this throughout may be fractions.
_NO_PERCENT = 1.5
#: Absorbance above this, in the median, is none.
_NO_ABSORBANCE = 6.0
#: Above anything that is measured.
_HIGHEST = 1e15
#: Points with one and the same highest value beyond chance.
_SEVERAL = 3


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
    if (np.abs(array) > _HIGHEST).any():
        raise ReadError(f"{where} is damaged: it holds numbers that nothing measures.")
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
    doubts = []
    if quantity == "absorbance":
        at_top, top = int(np.count_nonzero(finite == finite.max())), float(finite.max())
        if at_top >= _SEVERAL and top > 0:
            doubts.append(
                f"{at_top} points stand at the highest absorbance, {top:.3g}: no light was left there"
            )
        if middle > _NO_ABSORBANCE:
            doubts.append(
                f"the file says absorbance, and half of the values lie above {middle:.3g}: they may be percent transmittance"
            )
    return units, doubts


def floats(raw: bytes, dtype: str, count: int, offset: int = 0) -> npt.NDArray[np.float64]:
    """``count`` numbers out of bytes as float64; bit patterns that are no numbers become NaN without a word."""
    with np.errstate(invalid="ignore"):
        return np.frombuffer(raw, dtype, count, offset).astype(np.float64)


def quantity_of_label(label: str) -> tuple[str, str] | None:
    """Quantity and units that a program's label of the ordinate names: ``%T`` is transmittance in percent.

    Examples
    --------
    >>> quantity_of_label("% TRANSMITTANCE"), quantity_of_label("Log(1/R)"), quantity_of_label("m/z")
    (('transmittance', '%'), ('log_reflectance', ''), None)
    """
    plain = label.strip().lower()
    return next(((quantity, units) for quantity, units, words in _LABELS if re.match(words, plain)), None)


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
