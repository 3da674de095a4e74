"""Whether a spectrum, or a series of them, can carry what is asked of it: sentences and flags."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xps.tables import load_table, number

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["different_pass_energies", "flag_coarse_step"]

AXIS = "binding_energy"


def different_pass_energies(dataset: xr.Dataset) -> tuple[float, ...]:
    """Pass energies in eV where the spectra of a series have more than one; empty otherwise."""
    known = dataset.coords.get("pass_energy")
    if known is None or known.ndim == 0 or known.dtype.kind not in "fiu":
        return ()
    values = np.unique(known.values[np.isfinite(known.values)])
    return tuple(float(v) for v in values) if values.size > 1 else ()


def flag_coarse_step(dataset: xr.Dataset) -> xr.Dataset:
    """Mark spectra with a line that is narrower than three steps of the axis: its width is not known from so few points."""
    from spectra.dataset import flag

    if "fwhm" not in dataset or "component" not in dataset["fwhm"].dims:
        return dataset
    part = number(load_table("checks")["coarse_step"]["part"])
    step = float(np.diff(dataset[AXIS].values).max())
    coarse = (step > part * dataset["fwhm"]).any("component")
    if coarse.chunks is None and not bool(coarse.any()):
        return dataset
    return flag(
        dataset,
        coarse,
        "coarse_step",
        f"The step of the axis, {step:.2g} eV, is more than {part:.2f} of the width of a line: measure with a finer one, or "
        "keep the width from elsewhere.",
        severity="warning",
    )
