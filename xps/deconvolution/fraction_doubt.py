"""How unsure fractions and mean valence are where areas are on limits, or lines cannot be told apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from xps.links import LinkedModel

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["with_doubt", "within_reach"]


def with_doubt(sigma: xr.DataArray, derived: Sequence[str]) -> xr.DataArray:
    """Where one fraction has no uncertainty because its area is on a limit, the rest have none that is only rounding."""
    together = sigma.sel(parameter=list(derived))
    unknown = together.isnull().any("parameter") & sigma["parameter"].isin(list(derived))
    return sigma.where(~(unknown & (sigma < 1e-12)))


def within_reach(result: xr.Dataset, linked: LinkedModel) -> xr.Dataset:
    """``result`` with sigmas of fractions and mean valence that reach no further than the farther end of what can be.

    Lines in the same place have areas of any size with any sign as far as their covariance knows, and a fraction would
    be unsure by ten. It lies between 0 and 1, and the distance to the farther of the two holds all that it can be.
    """
    areas = [s for name, s in linked.params.items() if name.endswith("area") and s.get("vary")]
    if any(s.get("min", -np.inf) < 0 for s in areas):
        return result
    valences = [line.valence for line in linked.lines if line.valence is not None] or [0.0]
    for name, low, high in (("fraction", 0.0, 1.0), ("mean_valence", min(valences), max(valences))):
        if name in result:
            value, sigma = result[name], result[f"{name}_sigma"]
            reach = np.maximum(value - low, high - value)
            result[f"{name}_sigma"] = sigma.where(~(sigma > reach), reach).assign_attrs(sigma.attrs)
    return result
