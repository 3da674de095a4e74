"""Whether the lines of a fit make up the spectrum: more is left than noise where they do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spectra.dataset import flag
from xps.tables import load_table, number

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["flag_misfit"]

TEXT = (
    "More is left than noise: reduced chi2 is above {limit:g}. The lines are not the shape of this spectrum (multiplets, a "
    "satellite, a state that is missing, the background), and the stated sigmas are those of noise alone: compare with "
    "xps.fit_references, look at the residual and the audit."
)


def flag_misfit(result: xr.Dataset) -> xr.Dataset:
    """``lines_insufficient`` where a fit weighted by known noise leaves far more than noise."""
    if "fit_sigma" not in result:
        return result
    limit = number(load_table("checks")["misfit"]["redchi"])
    beyond = result["redchi"] > limit
    if beyond.chunks is None and not beyond.any():
        return result
    return flag(result, beyond, "lines_insufficient", TEXT.format(limit=limit), severity="warning")
