"""Spectra that a general reader took out of a table: what their labels and headers say is heard here."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import numpy as np

from raman.reading.measured import Measured
from raman.reading.settings import laser_of, settings
from raman.reading.shift import AxisUnits, Medium
from spectra.dataset.conventions import series_dims, signal_name, spectral_axis
from spectra.reading.scan import notes_of

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["as_raman"]

_WAVELENGTH = re.compile(r"wave.?length|\bnm\b|\[nm\]|\(nm\)|lambda|λ", re.IGNORECASE)
#: Light of a laser line in eV; wavenumbers (1/cm) beyond these are absolute, of visible light.
_LIGHT = (0.4, 8.0)
_VISIBLE = 9_000.0


def as_raman(scan: xr.Dataset, laser: float | None, medium: Medium) -> xr.Dataset:
    """``scan`` with a Raman shift where its label says a wavelength or its values are those of light, and with its header.

    Parameters
    ----------
    scan : xarray.Dataset
        Of the general reader of text.
    laser, medium
        As in :func:`raman.read`.
    """
    header = {str(k): str(v) for k, v in json.loads(scan.attrs.get("metadata", "{}")).items()}
    stated = {k: v for k, v in settings(header).items() if v is not None and v != "" and k != "metadata"}
    units = _units(scan, laser)
    if units is None:
        found = laser_of(header)
        if found is not None and spectral_axis(scan) == "raman_shift":
            stated["laser_wavelength"] = found
        return scan.assign_attrs({k: v for k, v in stated.items() if k not in scan.attrs})
    signal = signal_name(scan)
    variables = {str(n): np.asarray(v.values) for n, v in scan.data_vars.items() if n != signal}
    return Measured(
        str(scan.encoding.get("file") or scan.attrs.get("title", "the scan")),
        scan[spectral_axis(scan)].values,
        np.asarray(scan[signal].values),
        units=units,
        laser=laser_of(header),
        told=laser,
        medium=medium,
        quantity=signal,
        quantity_units=str(scan[signal].attrs.get("units", "")),
        variables=variables,
        attrs={
            **stated,
            **{k: v for k, v in scan.attrs.items() if k not in ("history", "signal", "technique")},
        },
        notes=[text for text in notes_of(scan) if "was taken as the raman_shift" not in text],
    ).dataset()


def _units(scan: xr.Dataset, laser: float | None) -> AxisUnits | None:
    """What an axis is that is no Raman shift; None where it is one, or no light at all."""
    axis = spectral_axis(scan)
    if series_dims(scan):
        return None
    x = scan[axis].values
    label = str(scan[axis].attrs.get("long_name", ""))
    if (
        axis == "raman_shift"
        and _WAVELENGTH.search(label)
        and not re.search(r"shift|cm", label, re.IGNORECASE)
    ):
        return "nm"
    if axis == "energy" and _LIGHT[0] <= x[0] and x[-1] <= _LIGHT[1]:
        return "eV"
    if axis == "wavenumber" and x[0] > _VISIBLE and laser is not None:
        return "absolute"
    return None
