"""Spectra of which nothing was measured, marked in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from spectra.dataset import flag, map_spectra, signal_name, spectral_axis

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["flag_not_measured"]


def flag_not_measured(dataset: xr.Dataset) -> xr.Dataset:
    """Dataset with the flag ``not_measured`` where the measured quantity holds no finite value."""
    signal, axis = signal_name(dataset), spectral_axis(dataset)
    made = map_spectra(
        lambda values: {"lost": ~np.isfinite(values).any(-1)}, [(dataset[signal], (axis,))], {"lost": ()},
        dtypes={"lost": bool},
    )  # fmt: skip
    return flag(
        dataset, made["lost"], "not_measured", "the spectrum holds no finite value: nothing was measured here"
    )
