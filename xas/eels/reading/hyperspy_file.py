"""HyperSpy files (.hspy): signals with an axis of energy loss, their navigation axes, and what the microscope was set to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset.stored import read_all
from spectra.errors import ReadError
from spectra.reading.hdf5 import holds
from spectra.reading.hdf5_file import opened
from spectra.reading.registry import Reader
from spectra.reading.source import Source
from xas.eels.reading.spectrum import LossSpectrum, counts_units, plain_metadata

if TYPE_CHECKING:
    import h5py
    import xarray as xr

__all__ = ["reader", "scans", "sniff"]

_ENERGY = {"ev": 1.0, "kev": 1e3, "mev": 1e-3}
_TEM = "metadata/Acquisition_instrument/TEM"
#: Points that an axis may say it has.
_LONGEST = 2**26
#: Kinds of signals that may be energy losses; HyperSpy leaves it empty where nobody said.
_KINDS = ("EELS", "")


def sniff(source: Source) -> float:
    """Sure of the names that HyperSpy gives to its groups."""
    return 0.95 if holds(source, b"Experiments", b"learning_results", b"original_metadata") else 0.0


def scans(source: Source) -> list[xr.Dataset]:
    """Every signal of the file that lies along an energy."""
    with opened(source) as file:
        experiments = file.get("Experiments")
        names = list(experiments) if experiments is not None else []
        left: list[str] = []
        found = [spectrum for name in names if (spectrum := _spectrum(experiments[name], name, source, left))]
    if not found:
        raise ReadError(f"{source.name} holds no energy-loss spectrum ({'; '.join(left) or 'no signals'}).")
    return [spectrum.dataset() for spectrum in found]


reader = Reader("hyperspy", "HyperSpy files of energy losses", (".hspy",), sniff, scans)


def _spectrum(group: h5py.Group, name: str, source: Source, left: list[str]) -> LossSpectrum | None:
    where = f"{source.name}: {name}"
    kind = _text(_attribute(group, "metadata/Signal", "signal_type"))
    data = group["data"]
    axes = [group[f"axis-{i}"] for i in range(data.ndim)]
    signal = [i for i, axis in enumerate(axes) if not bool(axis.attrs.get("navigate", True))]
    if kind not in _KINDS:
        left.append(f"{name} is of the kind {kind}")
        return None
    if len(signal) != 1:
        left.append(f"{name} has {len(signal)} signal axes")
        return None
    (spectral,) = signal
    units = _text(axes[spectral].attrs.get("units")).strip().lower()
    notes: list[str] = []
    if units not in _ENERGY:
        if kind != "EELS" or units not in ("", "<undefined>"):
            left.append(f"{name} lies along {units or 'no units'}")
            return None
        notes.append("the units of the energy are not defined: taken to be eV")
    energy = _axis(axes[spectral], where) * _ENERGY.get(units, 1.0)
    counts = np.moveaxis(read_all(data), spectral, -1)
    others = [axis for i, axis in enumerate(axes) if i != spectral]
    dims = _dims(others)
    tem = {key: _attribute(group, _TEM, key) for key in ("beam_energy", "convergence_angle")}
    eels = {
        key: _attribute(group, f"{_TEM}/Detector/EELS", key)
        for key in (
            "collection_angle",
            "dwell_time",
            "exposure",
            "aperture_size",
            "spectrometer",
            "frame_number",
        )
    }
    dwell = eels["dwell_time"] if eels["dwell_time"] is not None else eels["exposure"]
    elements = group.get("metadata/Sample/_list_elements")
    general = group.get("metadata/General")
    return LossSpectrum(
        where,
        energy,
        counts,
        units=counts_units(_text(_attribute(group, "metadata/Signal", "quantity")), counts),
        dims=dims,
        coords={
            dim: (
                _axis(axis, where),
                _text(axis.attrs.get("units")).replace("µ", "u").replace("<undefined>", ""),
            )
            for dim, axis in zip(dims, others, strict=True)
        },
        settings={
            "beam_energy": _number(tem["beam_energy"]),
            "convergence_angle": _number(tem["convergence_angle"]),
            "collection_angle": _number(eels["collection_angle"]),
            "dwell_time": _number(dwell),
        },
        attrs={
            "title": _text(_attribute(group, "metadata/General", "title"))
            or name.replace("__unnamed__", source.path.stem),
            "frames": _whole(eels["frame_number"]),
            "element": _text(elements[0]) if elements is not None and elements.shape == (1,) else "",
            "metadata": plain_metadata(
                {f"General.{k}": _plain(v) for k, v in (general.attrs.items() if general is not None else ())}
                | {f"EELS.{k}": _plain(v) for k, v in eels.items()}
            ),
        },
        notes=notes,
    )


def _axis(group: h5py.Group, where: str) -> npt.NDArray[np.float64]:
    """Values of an axis: evenly spaced, or as listed."""
    if "axis" in group:
        return read_all(group["axis"]).astype(float)
    attrs = group.attrs
    if not {"scale", "offset", "size"} <= set(attrs):
        raise ReadError(f"{where} has an axis without scale and offset (a function), which is not read.")
    if not 0 < int(attrs["size"]) < _LONGEST:
        raise ReadError(f"{where} has an axis of {int(attrs['size'])} points.")
    return float(attrs["offset"]) + float(attrs["scale"]) * np.arange(int(attrs["size"]), dtype=np.float64)


def _dims(axes: list[h5py.Group]) -> list[str]:
    """Names of the navigation axes: as HyperSpy calls them where these are names, else by their number."""
    names = [_text(axis.attrs.get("name")).strip().lower() for axis in axes]
    if len(set(names)) == len(names) and all(n.isidentifier() and n != "energy_loss" for n in names):
        return names
    return ["position"] if len(axes) == 1 else ["w", "z", "y", "x"][-len(axes) :]


def _attribute(group: h5py.Group, path: str, name: str) -> Any:
    found = group.get(path)
    return None if found is None else found.attrs.get(name)


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _whole(value: Any) -> int | None:
    found = _number(value)
    return int(found) if found is not None and found >= 1 else None


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else _text(value)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
