"""Where white lines cannot be measured: one sentence that says what is missing or in the way."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.errors import InvalidInput
from xas.eels.white_lines.areas import Places
from xas.eels.white_lines.weights import Windows

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["refuse_foreign", "refuse_if_all", "refuse_short"]

Array = npt.NDArray[np.float64]


def refuse_foreign(
    dataset: xr.Dataset, symbol: str, table: dict[str, Any], windows: Windows, places: Places
) -> None:
    """Edges of other elements that lie under the lines or under the level behind them."""
    named = " ".join(str(dataset.attrs.get(key, "")) for key in ("sample", "title", "formula"))
    for other in table["overlap"]:
        if other["element"] == symbol and re.search(rf"{other['other']}(?![a-z])", named):
            raise InvalidInput(
                f"{other['other']} {other['edge']} ({other['value']:g} eV) lies under {symbol} L3 of this sample "
                f"({named.strip()!r}): areas of its white lines mean nothing before {other['other']} is subtracted."
            )
    following = table["next_edge"].get(symbol)
    last = places.given[1] if places.given else table["edge"][symbol]["l2"]
    if following and last + windows.post[1] > following["value"]:
        raise InvalidInput(
            f"post ({windows.post[0]:g}, {windows.post[1]:g}) eV behind {symbol} L2 lies under the {following['edge']} edge "
            f"at {following['value']:g} eV: end it {following['value'] - last:.0f} eV behind L2 at most, as in post=(4, 8)."
        )


def refuse_short(
    energy: Array, symbol: str, methods: tuple[str, ...], windows: Windows, places: Places
) -> None:
    """Data that cannot hold both lines wherever L3 is looked for."""
    first, last = places.given or (places.search[0], places.search[0] + places.splitting)
    if energy[0] > (places.given[0] if places.given else places.search[1]) or energy[-1] < last:
        raise InvalidInput(
            f"the data from {energy[0]:g} to {energy[-1]:g} eV do not hold L3 and L2 of {symbol}: L3 is looked for from "
            f"{first:g} eV, and L2 lies about {places.splitting:.1f} eV behind it."
        )


def refuse_if_all(
    made: dict[str, xr.DataArray], energy: Array, symbol: str, windows: Windows, places: Places
) -> None:
    """One sentence instead of a series of flags, where no spectrum can be measured (data in memory only)."""
    if made["l3_position"].chunks is not None:
        return
    found = made["l3_position"].notnull()
    if not bool(found.any()):
        return
    if bool((made["is_missing"] == 1).where(found, True).all()):
        at, usual = float(made["l2_position"].median()), sum(places.l3_between) / 2
        raise InvalidInput(
            f"hardly anything stands where L3 of {symbol} is looked for ({places.search[0]:g} to {places.search[1]:g} eV), and "
            f"something strong at {at:.1f} eV: if that is L3, the energy scale is off by about {at - usual:.0f} eV. Move it before "
            f"the background, as in xas.eels.calibrate_energy(dataset, features={{'{symbol} L3': ({at - 5:.0f}, {at + 5:.0f}, "
            f"{usual:.1f})}}), or give positions."
        )
    if bool((made["is_without_post"] == 1).where(found, True).all()) and bool(
        made["l3_l2_ratio"].isnull().all()
    ):
        last = float(made["l2_position"].max())
        raise InvalidInput(
            f"the level behind L2 ({last:.1f} eV) is read from {last + windows.post[0]:.1f} to {last + windows.post[1]:.1f} "
            f"eV, and the data end at {energy[-1]:g} eV: {max(last + windows.post[1] - energy[-1], 0):.1f} eV are missing. Choose "
            "post inside the data, or method='second_derivative' or 'curve_fit'."
        )
    if bool((made["is_behind_another"] == 1).where(found, True).all()):
        raise InvalidInput(
            f"another edge, as strong as L3, stands in front of it ({float(made['l3_position'].mean()):.1f} eV): its tail "
            "lies under both lines and areas mean nothing. Subtract it, or begin the background behind it; if it is L3 of "
            f"{symbol} itself, the energy scale is off: move it with xas.eels.calibrate_energy."
        )
