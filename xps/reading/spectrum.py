"""From what a spectrometer's file states to a dataset: binding energies, counts, and what was done for that.

Every reader of photoelectron spectra hands its numbers in here as they stand in the file, so one rule holds for all:
energies become binding energies with the photon energy that the file states and stay kinetic where it states none (0
is none); counts per second become counts where the time counted at each point is known; what is neither counts nor
counts per second is an ``intensity`` without counting statistics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.errors import ReadError
from spectra.reading.scan import make_scan
from xps.reading.levels import core_level

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "CUT_LINE",
    "NOT_WHOLE",
    "QUANTITY_UNITS",
    "UNITS",
    "Spectrum",
    "are_whole",
    "ends_inside_a_line",
    "positive",
    "steps_of_energy",
    "whole_counts",
]

FloatArray = npt.NDArray[np.float64]
Quantity = Literal["counts", "count_rate", "intensity"]

#: Units of the attributes that state how a spectrum was measured.
UNITS = {
    "photon_energy": "eV",
    "pass_energy": "eV",
    "dwell_time": "s",
    "work_function": "eV",
    "sputter_time": "s",
    "time_per_channel": "s",
    "file_shift": "eV",
}

#: Above any energy of a photoelectron (eV).
HIGHEST = 1e5

#: Units of what is measured, by its name.
QUANTITY_UNITS: dict[str, str] = {"counts": "counts", "count_rate": "counts/s", "intensity": ""}

#: Notes that several readers make.
NOT_WHOLE = "counts are not whole numbers: they were averaged or corrected before they were written"
CUT_LINE = "the file does not end with a line end: its last number may be cut short"


@dataclass(frozen=True)
class Spectrum:
    """One region as a file states it.

    Parameters
    ----------
    where : str
        File and region, for errors.
    energy : (n,) array
        In eV, in any order.
    values : (n,) array
        What was measured.
    quantity : {"counts", "count_rate", "intensity"}
        What ``values`` are.
    kinetic : bool
        Whether ``energy`` is kinetic.
    stays_kinetic : bool
        Whether a kinetic energy was asked for.
    photon_energy : float, optional
        In eV; None where the file gives none.
    dwell_time, sweeps : float, optional
        Time in s of one sweep at one point, and how often it was swept; together the time counted at each point.
    precision : float
        Relative precision to which the file stores its values: counts that are whole numbers within it are rounded.
    variables, labels : mapping
        Further quantities along the energies, and what the file calls them.
    attrs : mapping
        Further attributes; those that are None or empty are left out.
    notes : sequence of str
        What was done so far.
    """

    where: str
    energy: FloatArray
    values: FloatArray
    quantity: Quantity
    kinetic: bool = False
    stays_kinetic: bool = False
    photon_energy: float | None = None
    dwell_time: float | None = None
    sweeps: float | None = None
    precision: float = 1e-12
    label: str = ""
    variables: Mapping[str, FloatArray] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    attrs: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def dataset(self) -> xr.Dataset:
        """The region by the rules of this library."""
        notes = list(self.notes)
        with np.errstate(invalid="ignore"):
            beyond = self.energy[np.abs(self.energy) > HIGHEST]
        if beyond.size:
            raise ReadError(f"{self.where}: {beyond[0]:g} eV is no energy of a photoelectron.")
        axis, energy = self._axis(notes)
        quantity, values, factor = self._counted(notes)
        if quantity == "counts" and not are_whole(values):
            notes.append(NOT_WHOLE)
        ascending = slice(None, None, -1) if energy.size > 1 and energy[0] > energy[-1] else slice(None)
        further = {
            name: v * factor if self.units.get(name) == "counts/s" else v
            for name, v in self.variables.items()
        }
        units = {n: "counts" if u == "counts/s" and factor != 1 else u for n, u in self.units.items()}
        return make_scan(
            self.where,
            energy[ascending],
            {quantity: values[ascending], **{n: v[ascending] for n, v in further.items()}},
            axis=axis,
            signal=quantity,
            units={**units, quantity: QUANTITY_UNITS[quantity]},
            labels={**self.labels, quantity: self.label},
            attrs=self._attributes(),
            notes=notes,
        )

    def _axis(self, notes: list[str]) -> tuple[str, FloatArray]:
        if not self.kinetic:
            return "binding_energy", self.energy
        if self.stays_kinetic:
            return "kinetic_energy", self.energy
        if not positive(self.photon_energy):
            notes.append("the file gives no photon energy: energies stay kinetic")
            return "kinetic_energy", self.energy
        return "binding_energy", np.round(float(self.photon_energy or 0) - self.energy, 9) + 0.0

    def _counted(self, notes: list[str]) -> tuple[Quantity, FloatArray, float]:
        """What was measured, its values, and what counts per second were multiplied by."""
        dwell = positive(self.dwell_time)
        if self.quantity != "count_rate" or dwell is None:
            if self.quantity == "count_rate":
                notes.append("the file does not say how long was counted: counts per second stay as they are")
            return self.quantity, self.values, 1.0
        seconds = dwell * (positive(self.sweeps) or 1.0)
        notes.append(f"counts per second were multiplied by the {seconds:g} s counted at each point")
        with np.errstate(over="ignore"):
            return "counts", whole_counts(self.values * seconds, self.precision), seconds

    def _attributes(self) -> dict[str, Any]:
        region, element = core_level(str(self.attrs.get("region") or ""), str(self.attrs.get("title") or ""))
        said = {
            "technique": "xps",
            "photon_energy": positive(self.photon_energy),
            "dwell_time": positive(self.dwell_time),
            "sweeps": None if self.sweeps is None else positive(float(self.sweeps)),
            **self.attrs,
        }
        return said | {
            "region": region or self.attrs.get("region"),
            "element": self.attrs.get("element") or element,
        }


def steps_of_energy(start: float, step: float, points: int, where: str) -> FloatArray:
    """Energies in equal steps, without the last digits that adding up would leave.

    Raises
    ------
    ReadError
        If start or end are no energies.
    """
    for energy in (start, start + step * points):
        if not abs(energy) <= HIGHEST:
            raise ReadError(f"{where}: {energy:g} eV is no energy of a photoelectron.")
    return np.asarray(np.round(start + step * np.arange(points, dtype=np.float64), 9))


def positive(value: float | None) -> float | None:
    """A number that has a meaning only above zero; programs write 0 where they do not know it."""
    return value if value is not None and np.isfinite(value) and value > 0 else None


def are_whole(values: FloatArray) -> bool:
    """Whether all values that are there are whole numbers."""
    finite = values[np.isfinite(values)]
    return bool((finite == np.rint(finite)).all())


def whole_counts(counts: FloatArray, precision: float) -> FloatArray:
    """Counts rounded to whole numbers where all are whole within a relative ``precision``, else as they are."""
    nearest = np.rint(counts)
    with np.errstate(invalid="ignore"):  # infinity in a text
        within = np.abs(counts - nearest) <= precision * np.maximum(np.abs(counts), 1)
    return np.asarray(nearest if within[np.isfinite(counts)].all() else counts)


def ends_inside_a_line(text: str) -> bool:
    """Whether a text stops without a line end, so that its last number may be cut short."""
    return not text.endswith("\n")
