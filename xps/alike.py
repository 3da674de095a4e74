"""Whether the spectra of a series were measured alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["different_pass_energies"]


def different_pass_energies(dataset: xr.Dataset) -> tuple[float, ...]:
    """Pass energies in eV where the spectra of a series have more than one; empty otherwise."""
    known = dataset.coords.get("pass_energy")
    if known is None or known.ndim == 0 or known.dtype.kind not in "fiu":
        return ()
    values = np.unique(known.values[np.isfinite(known.values)])
    return tuple(float(v) for v in values) if values.size > 1 else ()
