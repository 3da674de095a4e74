"""Whether a spectrum holds what a fit asks of it: enough counts, and enough points across each line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from spectra.dataset import flag, signal_name
from xps.counting import counting
from xps.tables import load_table, number

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["flag_sampling"]

AXIS = "binding_energy"
FEW = (
    "Hardly anything was counted: fewer than {least:g} counts per point in the window, or all lines together not {sigmas:g} "
    "times the noise of what was counted there. Uncertainties hold roughly only; count longer."
)
COARSE = (
    "The step of the axis is more than {part:.0%} of the width of a line, so that its width and area rest on two or "
    "three points: measure with a smaller step."
)


def flag_sampling(result: xr.Dataset, limits: tuple[float, float]) -> xr.Dataset:
    """``few_counts`` and ``coarse_step`` where the spectrum inside ``limits`` does not carry a fit of lines."""
    checks = load_table("checks")
    least, sigmas = (number(checks["few_counts"][key]) for key in ("least", "sigmas"))
    part = number(checks["coarse_step"]["part"])
    found = []
    few = _few(result.sel({AXIS: slice(*limits)}), least, sigmas)
    if few is not None:
        found.append((few, "few_counts", FEW.format(least=least, sigmas=sigmas)))
    x = result[AXIS].sel({AXIS: slice(*limits)}).values
    coarse = (result["fwhm"] * part < float(np.diff(x).max())).any("component")
    found.append((coarse, "coarse_step", COARSE.format(part=part)))
    for where, name, text in found:
        if where.chunks is not None or bool(where.any()):
            result = flag(result, where, name, text, severity="warning")
    return result


def _few(window: xr.Dataset, least: float, sigmas: float) -> xr.DataArray | None:
    """Where the counts are few; None where it is not known what was counted."""
    seconds = counting(window).seconds
    if seconds is None:
        return None
    values = window[signal_name(window)]
    lines = window["best_fit"].sum(AXIS, skipna=False)
    if "background" in window and window["background"].attrs.get("treatment") == "active":
        lines = lines - window["background"].sum(
            AXIS, skipna=False
        )  # what the lines stand on was fitted, too
    nothing = values.mean(AXIS) * seconds < least
    positive: xr.DataArray = np.fmax(values, 0.0)  # type: ignore[assignment]  # NaN counts as nothing
    counted = positive.sum(AXIS, skipna=False) * seconds
    few: xr.DataArray = nothing | (lines * seconds < sigmas * np.sqrt(counted.clip(min=1)))
    return few
