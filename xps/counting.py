"""How sure a count is: the variance of measured counts, stated or from counting statistics."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from spectra.dataset import signal_name
from spectra.errors import InvalidInput
from xps.alike import different_pass_energies

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Counting", "counting", "counts_per_rate", "poisson_variance"]


def counts_per_rate(dataset: xr.Dataset, name: str) -> float:
    """What one count per second is in the units of the variable ``name``: dwell time times sweeps for counts.

    Raises
    ------
    InvalidInput
        If the dwell time is not known.
    """
    units = str(dataset[name].attrs.get("units", ""))
    if units == "counts/s":
        return 1.0
    dwell = dataset.attrs.get("dwell_time")
    if units != "counts" or dwell is None:
        raise InvalidInput(
            f"counts per second cannot be turned into the units of {name} ({units or 'unknown'}): the dataset needs "
            "units 'counts' and attrs['dwell_time'] in s (and attrs['sweeps'], 1 if left out)."
        )
    return float(dwell) * float(dataset.attrs.get("sweeps", 1))


@dataclass(frozen=True)
class Counting:
    """How sure the measured values are.

    ``seconds`` is set where counting statistics hold: value times seconds is a Poisson number. Otherwise ``measured``
    is the stated sigma, or None.
    """

    measured: xr.DataArray | None
    seconds: float | None
    said: str

    @property
    def known(self) -> bool:
        """Whether there is a variance: to ask costs nothing, to compute it a pass over a whole series."""
        return self.measured is not None

    @property
    def variance(self) -> xr.DataArray | None:
        """Variance of each measured value; None where it cannot be known."""
        if self.measured is None or self.seconds is None:
            return None if self.measured is None else self.measured**2
        variance: xr.DataArray = poisson_variance(self.measured, self.seconds)
        return variance


def counting(dataset: xr.Dataset) -> Counting:
    """Variance of each measured value, and one sentence on where it comes from; None where it cannot be known.

    Counts are Poisson distributed: their variance is their number, at least one (an empty channel does not make a
    spectrum certain). Counts per second are turned back into counts where ``attrs["dwell_time"]`` is known.
    """
    known = _variance(dataset)
    mixed = different_pass_energies(dataset)
    if not mixed:
        return known
    energies = ", ".join(f"{value:g}" for value in mixed)
    said = f"the spectra were measured with different pass energies ({energies} eV): widths and areas are not comparable"
    return replace(known, said=f"{known.said}; {said}")


def _variance(dataset: xr.Dataset) -> Counting:
    name = signal_name(dataset)
    counts = dataset[name]
    if f"{name}_sigma" in dataset:
        sigma = dataset[f"{name}_sigma"]
        if sigma.dims != counts.dims:  # one for all spectra of a series
            sigma = sigma.broadcast_like(counts).transpose(*counts.dims)
        return Counting(sigma, None, f"uncertainty of each point from {name}_sigma")
    units = str(counts.attrs.get("units", ""))
    if units == "counts":
        return Counting(counts, 1.0, "uncertainty of each point from counting statistics")
    if units == "counts/s" and "dwell_time" in dataset.attrs:
        seconds = float(dataset.attrs["dwell_time"]) * float(dataset.attrs.get("sweeps", 1))
        said = f"uncertainty of each point from counting statistics over {seconds:g} s"
        return Counting(counts, seconds, said)
    return Counting(
        None,
        None,
        f"{name} is in {units or 'unknown units'}, not in counts, and has no {name}_sigma: uncertainties from counting "
        "statistics cannot be stated",
    )


def poisson_variance(value: Any, seconds: float) -> Any:
    """Variance of counts, or of counts per second, that were collected for ``seconds``."""
    if seconds == 1.0:
        return value.clip(min=1)
    return (value * seconds).clip(min=1) / seconds**2
