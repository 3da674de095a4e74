"""How sure a count is: the variance of measured counts, stated or from counting statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spectra.dataset import signal_name
from spectra.errors import InvalidInput

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["counting_variance", "counts_per_rate"]


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


def counting_variance(dataset: xr.Dataset) -> tuple[xr.DataArray | None, str]:
    """Variance of each measured value, and one sentence on where it comes from; None where it cannot be known.

    Counts are Poisson distributed: their variance is their number, at least one (an empty channel does not make a
    spectrum certain). Counts per second are turned back into counts where ``attrs["dwell_time"]`` is known.
    """
    name = signal_name(dataset)
    counts = dataset[name]
    if f"{name}_sigma" in dataset:
        return dataset[f"{name}_sigma"] ** 2, f"uncertainty of each point from {name}_sigma"
    units = str(counts.attrs.get("units", ""))
    if units == "counts":
        return counts.clip(min=1), "uncertainty of each point from counting statistics (Poisson)"
    if units == "counts/s" and "dwell_time" in dataset.attrs:
        seconds = float(dataset.attrs["dwell_time"]) * float(dataset.attrs.get("sweeps", 1))
        said = f"uncertainty of each point from counting statistics (Poisson) over {seconds:g} s"
        return (counts * seconds).clip(min=1) / seconds**2, said
    return None, (
        f"{name} is in {units or 'unknown units'}, not in counts, and has no {name}_sigma: "
        "uncertainties from counting statistics cannot be stated"
    )
