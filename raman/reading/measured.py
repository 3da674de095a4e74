"""From what a spectrometer's file states to a dataset: Raman shifts, positions in µm, and what was done for that.

Every reader of vibrational spectra hands its numbers in here as they stand in the file, so one rule holds for all: an
axis in nm, eV or absolute wavenumbers becomes a Raman shift with the wavelength of the laser, which the file or the
user states; without it the file is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from raman.reading.shift import AxisUnits, Medium, shift_of
from spectra.errors import InvalidInput, ReadError
from spectra.reading.scan import add_note

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["COUNTS", "LASERS", "Measured", "as_float", "detector_units"]

FloatArray = npt.NDArray[np.float64]

#: Units of what a CCD gives. They are no ``counts``: one is a number of electrons that the gain decides, so the noise
#: is not its square root, and no fit may take it for that.
COUNTS = "detector counts"

#: Lasers of Raman spectrometers lie between these wavelengths (nm); what does not is no laser.
LASERS = (150.0, 2500.0)

_NAMES = {"nm": "in nm", "eV": "in eV", "absolute": "in absolute wavenumbers"}


def as_float(values: npt.NDArray[Any]) -> FloatArray:
    """Values as float64; what a damaged file holds in place of numbers is NaN without a warning."""
    with np.errstate(invalid="ignore"):
        return values.astype(np.float64)


def detector_units(text: str) -> str:
    """Units of intensities as a file calls them: ``Cnt``, ``CCD cts``, ``Counts``, ``Cnt/sec``."""
    words = text.strip().lower()
    if words.startswith(("cnt", "ccd", "count", "cts")):
        return f"{COUNTS}/s" if "/s" in words or "per s" in words else COUNTS
    return "" if words.startswith("arb") or words in ("a.u.", "a. u.") else text.strip()


@dataclass(frozen=True)
class Measured:
    """One measurement as a file states it: a spectrum, a series or a map.

    Parameters
    ----------
    where : str
        The file, for errors.
    x : (n,) array
        Spectral axis in any order.
    values : (..., n) array
        What was measured.
    units : {"shift", "absolute", "nm", "eV", "infrared"}
        What ``x`` is.
    laser : float, optional
        Wavelength of the laser in nm that the file states.
    told : float, optional
        The one that the user states; it is taken where both are there.
    medium : {"vacuum", "air"}
        What the wavelengths were measured in.
    hint : str
        What else the file says of lasers, for the error where it states none.
    quantity, quantity_units : str
        What was measured.
    dims : sequence of str
        Names of the leading dimensions of ``values``.
    coords : mapping
        Coordinates: name → (dims, values, units).
    variables : mapping
        Further quantities along the axis, shaped as ``values``.
    attrs : mapping
        Further attributes; those that are None or empty are left out.
    notes : sequence of str
        What was done so far.
    """

    where: str
    x: npt.NDArray[Any]
    values: npt.NDArray[Any]
    units: AxisUnits = "shift"
    laser: float | None = None
    told: float | None = None
    medium: Medium = "vacuum"
    hint: str = ""
    quantity: str = "intensity"
    quantity_units: str = ""
    dims: Sequence[str] = ()
    coords: Mapping[str, tuple[Sequence[str], Any, str]] = field(default_factory=dict)
    variables: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    attrs: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def dataset(self) -> xr.Dataset:
        """The measurement by the rules of this library."""
        from spectra.dataset.construct import from_arrays

        notes = list(self.notes)
        axis, x = self._axis(notes)
        if np.count_nonzero(np.isfinite(x)) < 2:
            raise ReadError(
                f"{self.where}: fewer than 2 points have a place on the axis; a spectrum needs 2."
            )
        arrays = {self.quantity: self.values, **self.variables}
        try:
            scan = from_arrays(
                x,
                {name: np.asarray(values, float) for name, values in arrays.items()},
                axis=axis,
                units=self.quantity_units,
                dims=self.dims,
                attrs=self._attributes(axis),
            )
        except InvalidInput as error:
            raise ReadError(f"{self.where}: {error}") from None
        scan = scan.assign_coords(
            {
                name: (tuple(dims), np.asarray(values), {"units": units})
                for name, (dims, values, units) in self.coords.items()
            }
        )
        if "time" in scan.coords and "start_time" in scan.attrs:
            scan["time"].attrs |= {
                "start": scan.attrs["start_time"],
                "long_name": "time since the first spectrum",
            }
        return add_note(scan, *notes)

    def _axis(self, notes: list[str]) -> tuple[str, FloatArray]:
        if self.units == "infrared":
            return "wavenumber", np.asarray(self.x, float)
        if self.units == "shift":
            return "raman_shift", np.asarray(self.x, float)
        laser, by = (self.told, "as told") if self.told is not None else (_laser(self.laser), "of the file")
        if laser is None:
            raise ReadError(
                f"{self.where}: axis {_NAMES[self.units]} with no laser wavelength{self.hint}; say it with "
                "raman.read(..., laser=532.0) (nm), found with a line of silicon or neon if need be."
            )
        notes.append(
            f"the axis, {_NAMES[self.units]}, was converted to Raman shift with the laser at {laser:g} nm "
            f"({by}; wavelengths in {self.medium})"
        )
        shift = shift_of(self.x, self.units, laser, self.medium)
        return "raman_shift", np.where(np.isfinite(shift), shift, np.nan)

    def _attributes(self, axis: str) -> dict[str, Any]:
        converted = self.told is not None and self.units != "shift"
        laser = self.told if converted else _laser(self.laser)
        said = {
            "technique": "raman" if axis == "raman_shift" else "ftir",
            "laser_wavelength": laser if axis == "raman_shift" else None,
            **self.attrs,
        }
        return {key: value for key, value in said.items() if value is not None and value != ""}


def _laser(wavelength: float | None) -> float | None:
    """A wavelength that a laser can have; programs write 0 where they do not know it."""
    if wavelength is None or not LASERS[0] <= wavelength <= LASERS[1]:
        return None
    return float(wavelength)
