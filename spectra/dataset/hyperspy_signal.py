"""HyperSpy signals as datasets and back, by the attributes they have: HyperSpy itself is needed only for the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from spectra.dataset.conventions import AXES, as_dataset, series_dims, signal_name, spectral_axis
from spectra.errors import InvalidInput, did_you_mean

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["from_hyperspy", "to_hyperspy"]


def from_hyperspy(signal: Any) -> xr.Dataset:
    """Dataset of a HyperSpy signal with one signal dimension; navigation dimensions become series dimensions.

    Parameters
    ----------
    signal : hyperspy.signals.Signal1D
        Lazy signals stay lazy.

    Returns
    -------
    xarray.Dataset
        The signal axis is ``energy_loss`` for EELS, else what its name and units say; the values are ``intensity``.
        ``attrs`` hold ``beam_energy`` (keV) and the semi-angles (mrad) of the metadata; an angle of zero is left out.

    Raises
    ------
    InvalidInput
        If the signal has not one signal dimension, or its axis is no spectral axis.
    """
    import xarray as xr

    axes = signal.axes_manager.signal_axes
    if len(axes) != 1:
        raise InvalidInput(
            f"a signal with one signal dimension becomes a dataset of spectra; this one has {len(axes)}."
        )
    axis = _hyperspy_axis(signal, axes[0])
    # HyperSpy names navigation axes fastest first, the array has them slowest first
    navigation = list(signal.axes_manager.navigation_axes)[::-1]
    dims = [_axis_text(a, "name") or f"dim_{i}" for i, a in enumerate(navigation)]
    x = np.asarray(axes[0].axis, float) * (1e3 if _axis_text(axes[0], "units") == "keV" else 1.0)
    data = signal.data
    if x.size > 1 and x[0] > x[-1]:
        x, data = x[::-1], data[..., ::-1]
    coords = {
        d: (d, np.asarray(a.axis), {"units": _axis_text(a, "units")})
        for d, a in zip(dims, navigation, strict=True)
    }
    general = getattr(getattr(signal, "metadata", None), "General", None)
    title = str(getattr(general, "title", "") or "")
    attrs: dict[str, Any] = {"signal": "intensity", "title": title}
    if axis == "energy_loss":
        attrs |= {"technique": "eels", **_settings(signal)}
    return as_dataset(
        xr.Dataset(
            {"intensity": ((*dims, axis), data, {"units": ""})},
            coords={axis: (axis, x, {"units": AXES[axis]}), **coords},
            attrs=attrs,
        )
    )


def _axis_text(axis: Any, key: str) -> str:
    """Name or units of a HyperSpy axis; what it leaves undefined is no text."""
    value = getattr(axis, key, "")
    return value if isinstance(value, str) else ""


def _settings(signal: Any) -> dict[str, float]:
    """What the metadata say of the microscope, above zero: programs write zero where nobody set it."""
    instrument = getattr(getattr(signal, "metadata", None), "Acquisition_instrument", None)
    tem = getattr(instrument, "TEM", None)
    spectrometer = getattr(getattr(tem, "Detector", None), "EELS", None)
    said = {
        "beam_energy": getattr(tem, "beam_energy", None),
        "convergence_angle": getattr(tem, "convergence_angle", None),
        "collection_angle": getattr(spectrometer, "collection_angle", None),
    }
    return {
        key: float(value)
        for key, value in said.items()
        if isinstance(value, int | float | np.number) and value > 0
    }


def _hyperspy_axis(signal: Any, axis: Any) -> str:
    from spectra.reading.labels import axis_of_label

    kind = str(getattr(signal, "_signal_type", ""))
    if kind == "EELS":
        return "energy_loss"
    name, units = _axis_text(axis, "name"), _axis_text(axis, "units")
    found = axis_of_label(name.replace("_", " ")) if name else None
    found = found or {"eV": "energy", "keV": "energy", "1/cm": "raman_shift", "cm^-1": "raman_shift"}.get(
        units
    )
    if found is None:
        raise InvalidInput(
            f"the signal axis {name or '?'} ({units or 'no units'}) is no spectral axis; name it one of {', '.join(AXES)}."
        )
    return found


def to_hyperspy(dataset: xr.Dataset, variable: str | None = None) -> Any:
    """HyperSpy signal of one variable of a dataset; series dimensions become navigation dimensions.

    Parameters
    ----------
    dataset : xarray.Dataset
    variable : str, optional
        Default: the measured quantity.

    Returns
    -------
    hyperspy.signals.Signal1D

    Raises
    ------
    InvalidInput
        If HyperSpy is not installed, or the variable does not lie along the spectral axis.
    """
    try:
        import hyperspy.api as hs
    except ImportError:
        raise InvalidInput(
            "to_hyperspy needs HyperSpy, which is not installed: pip install hyperspy."
        ) from None
    data = as_dataset(dataset, verb="to_hyperspy")
    axis, name = spectral_axis(data), variable or signal_name(data)
    if name not in data.data_vars or axis not in data[name].dims:
        raise InvalidInput(
            f"to_hyperspy: {name!r} is no variable along {axis}; {did_you_mean(name, map(str, data.data_vars))}."
        )
    values = data[name].transpose(*series_dims(data), axis)
    described = []
    for dim in values.dims:
        known = dim in data.coords and np.issubdtype(data[dim].dtype, np.number)
        entry: dict[str, Any] = {
            "name": str(dim),
            "units": str(data[dim].attrs.get("units", "")) if known else "",
        }
        entry["axis"] = (
            np.array(data[dim].values, float) if known else np.arange(data.sizes[dim], dtype=float)
        )
        entry["navigate"] = dim != axis
        described.append(entry)
    metadata = {"General": {"title": str(data.attrs.get("title", ""))}}
    return hs.signals.Signal1D(np.array(values.values), axes=described, metadata=metadata)
