"""What the areas of several lines of one fit have in common: their correlation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset import map_spectra
from spectra.verbs import note
from xps.quantities.lines import How, component_areas

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["correlation_of_areas"]

FloatArray = npt.NDArray[np.floating]


def correlation_of_areas(dataset: xr.Dataset, names: Sequence[str], how: How) -> xr.DataArray | None:
    """Correlation (group, group_2) of the areas of lines that are summed components of the fit in ``dataset``.

    None where the areas are of net counts, or of one line.
    """
    of_fit = "covariance" in dataset and how.areas != "net" and how.background is None
    if not of_fit or len(names) < 2:
        return None
    groups = [how.components[name] for name in names]
    _, covariance = component_areas(dataset, groups, " and ".join(names))
    note(f"the areas of {', '.join(names)} are of one fit, and their correlation is in atomic_fraction_sigma")

    def kernel(spread: FloatArray) -> dict[str, Any]:
        sigma = np.sqrt(np.einsum("...ii->...i", spread))
        with np.errstate(divide="ignore", invalid="ignore"):
            return {"correlation": spread / (sigma[..., :, None] * sigma[..., None, :])}

    found = map_spectra(
        kernel, [(covariance, ("group", "group_2"))], {"correlation": ("group", "group_2")},
        sizes={"group": len(groups), "group_2": len(groups)},
    )  # fmt: skip
    return found["correlation"]
