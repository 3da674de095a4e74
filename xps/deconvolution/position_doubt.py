"""Positions that a fit does not determine within the room they are given, and what that does to fractions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spectra.dataset import failed, flag
from xps.links import LinkedModel
from xps.tables import load_table, number

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["flag_positions"]

TEXT = (
    "A position ended on its limit, or is unsure by a large share of its room: the limits then say more about it than the "
    "counts. Fractions and mean valence are means over all that positions may be, and uncertainties hold that. Keep "
    "positions (position_range = 0), fit spectra together, or count longer."
)


def flag_positions(result: xr.Dataset, linked: LinkedModel) -> xr.Dataset:
    """``position_not_determined`` where the limits of a fitted position say more about it than the counts do.

    Every other number rests on such a position: its room is in their sigmas (:mod:`xps.deconvolution.room`), and should be as wide as
    what is really not known.
    """
    share = number(load_table("checks")["position_room"]["share"])
    doubt = None
    for line in linked.lines:
        name = f"{line.prefix}position"
        setting = linked.params.get(name, {})
        room = float(setting.get("max", float("inf"))) - float(setting.get("min", -float("inf")))
        if not setting.get("vary") or setting.get("expr") or not room < float("inf"):
            continue
        sigma = result["best_value_sigma"].sel(parameter=name, drop=True)
        known = result["best_value"].sel(parameter=name, drop=True).notnull()
        unsure = known & ~(sigma <= share * room)
        doubt = unsure if doubt is None else doubt | unsure
    if doubt is None:
        return result
    doubt = doubt & ~failed(result)
    if doubt.chunks is not None or bool(doubt.any()):
        result = flag(result, doubt, "position_not_determined", TEXT, severity="warning")
    return result
