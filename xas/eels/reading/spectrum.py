"""From what a file of an energy-loss spectrometer holds to a dataset: ``counts`` along ``energy_loss`` (eV)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset.construct import from_arrays
from spectra.dataset.flags import flag
from spectra.errors import InvalidInput, ReadError
from spectra.reading.scan import add_note, notes_of
from xas.eels.reading.doubts import background_removed, doubts, saturated

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["LossSpectrum", "counts_units", "marked", "plain_metadata", "positive"]

#: Angles in mrad and energies in keV that a microscope can have.
_LIMITS = {"beam_energy": (0.05, 3000.0), "convergence_angle": (0.0, 500.0), "collection_angle": (0.0, 500.0)}
_UNITS = {"beam_energy": "keV", "convergence_angle": "mrad", "collection_angle": "mrad"}


def positive(value: Any) -> float | None:
    """A number above zero; None for everything else that stands where one should."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and number > 0 else None


def counts_units(said: str, values: npt.NDArray[Any]) -> str:
    """Units of the signal: counts where the file says so or where they are whole numbers, else none."""
    if said.strip().lower() in ("counts", "count", "cts"):
        return "counts"
    part = values.reshape(-1)[:4096]
    part = part[np.isfinite(part)] if part.dtype.kind == "f" else part
    return "counts" if part.size and bool((part == np.round(part)).all()) and part.max() > 1 else ""


def plain_metadata(found: Mapping[str, Any]) -> str:
    """Settings as JSON, those that are empty left out."""
    kept = {k: v for k, v in found.items() if v is not None and v != ""}
    return json.dumps(kept, default=str) if kept else ""


@dataclass(frozen=True)
class LossSpectrum:
    """One spectrum, line scan or image as a file holds it.

    Parameters
    ----------
    where : str
        File, and what of it, for errors.
    energy : (n,) array
        Energy loss in eV.
    counts : (..., n) array
    units : str
        Of the signal.
    dims, coords
        Of the leading dimensions, as in :func:`spectra.from_arrays`.
    settings : mapping
        ``beam_energy`` (keV), ``convergence_angle``, ``collection_angle`` (mrad), ``dwell_time`` (s); None, zero and
        what no microscope has count as missing.
    attrs, notes
        Further attributes, and what was done or found so far.
    """

    where: str
    energy: npt.NDArray[np.float64]
    counts: npt.NDArray[Any]
    units: str = ""
    dims: Sequence[str] = ()
    coords: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    attrs: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def dataset(self) -> xr.Dataset:
        """The dataset, with notes on what is doubtful about it.

        Raises
        ------
        ReadError
            No two points, nothing finite, or numbers that are none.
        """
        settings, missing = _settings(self.settings)
        attrs = {**self.attrs, **settings, "technique": "eels"}
        try:
            scan = from_arrays(
                self.energy,
                np.asarray(self.counts, self.counts.dtype.newbyteorder("=")),
                axis="energy_loss",
                name="counts",
                units=self.units,
                dims=self.dims,
                coords=self.coords,
                attrs={k: v for k, v in attrs.items() if v is not None and v != ""},
            )
        except InvalidInput as error:
            raise ReadError(f"{self.where}: {error}") from None
        scan = add_note(scan, *self.notes, *missing)
        return marked(scan)


def marked(scan: xr.Dataset) -> xr.Dataset:
    """``scan`` with what is doubtful about it in the notes; what is there already is not said again."""
    x, counts = scan.energy_loss.values, scan.counts.transpose(..., "energy_loss").values
    said = set(notes_of(scan))
    scan = add_note(scan, *[text for text in doubts(x, counts) if text not in said])
    full = saturated(counts)
    if full.any():
        scan = flag(
            scan, full, "saturated",
            "the highest value stands at three points or more: the detector may be saturated, and what is made of these points "
            "is too low; measure again with less dose per frame",
            severity="warning",
        )  # fmt: skip
    return scan.assign_attrs(background_removed="yes") if background_removed(x, counts) else scan


def _settings(given: Mapping[str, Any]) -> tuple[dict[str, float], list[str]]:
    kept: dict[str, float] = {}
    notes: list[str] = []
    for name, value in given.items():
        number = positive(value)
        low, high = _LIMITS.get(name, (0.0, math.inf))
        if number is not None and low < number < high:
            kept[name] = number
        elif value is not None and value != "":
            what = f"{name.replace('_', ' ')} {value} {_UNITS.get(name, '')}".strip()
            notes.append(f"{what} was not set or is impossible, and counts as missing")
    return kept, notes
