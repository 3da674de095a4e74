"""How sure a count is: the variance of measured counts, stated or from counting statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spectra.dataset import signal_name

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["counting_variance"]


def counting_variance(dataset: xr.Dataset) -> tuple[xr.DataArray | None, str]:
    """Variance of each measured value, and one sentence on where it comes from; None where it cannot be known.

    Counts are Poisson distributed: their variance is their number, at least one (an empty channel does not make a
    spectrum certain). Counts per second are turned back into counts where the dwell time is known.
    """
    name = signal_name(dataset)
    counts = dataset[name]
    if f"{name}_sigma" in dataset:
        return dataset[f"{name}_sigma"] ** 2, f"uncertainty of each point from {name}_sigma"
    units = str(counts.attrs.get("units", ""))
    if units == "counts":
        return counts.clip(min=1), "uncertainty of each point from counting statistics (Poisson)"
    return None, (
        f"{name} is in {units or 'unknown units'}, not in counts, and has no {name}_sigma: "
        "uncertainties from counting statistics cannot be stated"
    )
