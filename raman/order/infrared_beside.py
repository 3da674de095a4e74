"""The infrared spectra that stand beside Raman spectra of the same sample, kept so that the analysis runs again alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from spectra.dataset import as_dataset, spectral_axis
from spectra.errors import InvalidInput

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["infrared_beside", "kept"]

AXIS = "wavenumber"


def infrared_beside(given: Any) -> xr.Dataset:
    """Spectra along ``wavenumber``: a dataset, the name of a file, or what :func:`kept` made.

    Raises
    ------
    InvalidInput
        It lies along another axis.
    """
    if isinstance(given, Mapping) and set(given) == {"content"}:
        return _made(given["content"])
    if hasattr(given, "dims"):
        found = as_dataset(given, verb="infrared")
    else:
        from raman.reading import read

        found = read(given)
    if spectral_axis(found) != AXIS:
        raise InvalidInput(f"infrared must lie along wavenumber, it lies along {spectral_axis(found)}.")
    return found


def kept(data: xr.Dataset, name: str) -> dict[str, Any] | None:
    """What of ``data`` is judged, as a results file keeps it; None where it is not in memory."""
    wanted = [n for n in (name, f"{name}_sigma") if n in data]
    if any(data[n].chunks is not None for n in wanted):
        return None
    about = {
        n: {"dims": list(map(str, data[n].dims)), "values": data[n].values.tolist(), "units": data[n].attrs.get("units", "")}
        for n in wanted
    }  # fmt: skip
    return {"wavenumber": data[AXIS].values.tolist(), "signal": name, "variables": about}


def _made(content: Mapping[str, Any]) -> xr.Dataset:
    import xarray as xr

    return xr.Dataset(
        {
            n: (tuple(v["dims"]), np.asarray(v["values"], float), {"units": v["units"]})
            for n, v in content["variables"].items()
        },
        coords={AXIS: (AXIS, np.asarray(content["wavenumber"], float), {"units": "1/cm"})},
        attrs={"signal": content["signal"], "technique": "ftir"},
    )
