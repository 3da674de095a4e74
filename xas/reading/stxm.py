"""Image stacks of soft X-ray microscopes (STXM): transmitted intensity of every pixel along the photon energy.

Two layouts are known: that of HERMES at SOLEIL and of other beamlines with NXstxm, ``entry/counter/data`` with
``energy``, ``sample_y`` and ``sample_x`` beside; and arrays ``transmitted`` and ``incident`` with their axes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset.construct import from_arrays
from spectra.dataset.stored import read_all
from spectra.errors import ReadError
from spectra.reading.hdf5 import holds
from spectra.reading.hdf5_file import opened, walk
from spectra.reading.registry import Reader
from spectra.reading.scan import add_note
from spectra.reading.source import Source

if TYPE_CHECKING:
    import h5py
    import xarray as xr

__all__ = ["reader", "scans", "sniff"]


def sniff(source: Source) -> float:
    """Sure of the names of the arrays."""
    ours = (b"sample_x", b"sample_y", b"energy"), (b"transmitted", b"incident", b"energy")
    return 0.93 if any(holds(source, *names) for names in ours) else 0.0


def scans(source: Source) -> list[xr.Dataset]:
    """Every stack of a file: ``itrans`` (y, x, energy), with ``i0`` (energy) where it was measured."""
    with opened(source) as file:
        if {"transmitted", "energy"} <= set(file):
            return [_plain(file, source)]
        found = [_counter(group, source) for group in _counters(file)]
    if not found:
        raise ReadError(f"{source.name} holds no image stack with energy, sample_y and sample_x beside it.")
    return found


reader = Reader("stxm", "image stacks of soft X-ray microscopes (HERMES, NXstxm)", (".hdf5", ".h5", ".nxs"), sniff, scans)  # fmt: skip


def _counters(file: h5py.File) -> list[h5py.Group]:
    import h5py

    return [
        item
        for _, item in walk(file, soft=False)
        if isinstance(item, h5py.Group) and {"data", "energy", "sample_x", "sample_y"} <= set(item)
    ]


def _counter(group: h5py.Group, source: Source) -> xr.Dataset:
    """A stack with the energy first, as NXstxm says, and as the lengths of the axes say where they can."""
    axes = {name: np.atleast_1d(read_all(group[key]).astype(float)) for name, key in _KEYS.items()}
    data = read_all(group["data"])
    sizes = [axes[name].size for name in ("energy", "y", "x")]
    order, notes = _order(data.shape, sizes, f"{source.name}: {group.name}")
    beamline = group.parent.get("collection/beamline")
    title = str(group.name).strip("/").replace("/", " ")
    attrs = {
        "title": f"{source.path.stem} {title}",
        "technique": "xas",
        "beamline": _text(beamline[()].flat[0]) if beamline is not None and beamline.size else "",
    }
    return _stack(axes, data.transpose([order.index(n) for n in ("y", "x", "energy")]), None, _units(group["data"]), attrs, notes)  # fmt: skip


_KEYS = {"energy": "energy", "y": "sample_y", "x": "sample_x"}


def _order(shape: tuple[int, ...], sizes: list[int], where: str) -> tuple[list[str], list[str]]:
    """Names of the dimensions in the order of the file."""
    energy, y, x = sizes
    known = (["energy", "y", "x"], [energy, y, x]), (["y", "x", "energy"], [y, x, energy]), (["energy", "x", "y"], [energy, x, y])  # fmt: skip
    fitting = [names for names, lengths in known if tuple(lengths) == shape]
    if not fitting:
        raise ReadError(
            f"{where} has the shape {shape}, and {energy} energies, {y} rows and {x} columns: these do not fit together."
        )
    several = len(fitting) > 1
    said = "the lengths of the axes do not tell their order: taken as energy, y, x (NXstxm)"
    return fitting[0], [said] if several else []


def _plain(file: h5py.File, source: Source) -> xr.Dataset:
    item = file["transmitted"]
    axes_said = [_text(name) for name in np.atleast_1d(item.attrs.get("axes", ["y", "x", "energy"]))]
    if sorted(axes_said) != ["energy", "x", "y"] or item.ndim != 3:
        raise ReadError(
            f"{source.name}: transmitted has the axes {', '.join(axes_said)}, not y, x and energy."
        )
    data = read_all(item).transpose([axes_said.index(n) for n in ("y", "x", "energy")])
    axes = {
        name: read_all(file[name]).astype(float) if name in file else np.arange(size, dtype=np.float64)
        for name, size in zip(("y", "x", "energy"), data.shape, strict=True)
    }
    incident = read_all(file["incident"]).astype(float) if "incident" in file else None
    attrs = {"title": source.path.stem, "technique": "xas", "comment": _text(file.attrs.get("source"))}
    return _stack(axes, data, incident, _units(item), attrs, [], _units(file["x"]) if "x" in file else "")


def _stack(
    axes: dict[str, npt.NDArray[np.float64]],
    data: npt.NDArray[Any],
    incident: npt.NDArray[np.float64] | None,
    units: str,
    attrs: dict[str, Any],
    notes: list[str],
    lengths: str = "um",
) -> xr.Dataset:
    variables: dict[str, Any] = {"itrans": data}
    if incident is not None:
        variables["i0"] = np.broadcast_to(incident, data.shape)
    scan = from_arrays(
        axes["energy"],
        variables,
        units=units,
        dims=("y", "x"),
        coords={"y": (axes["y"], lengths), "x": (axes["x"], lengths)},
        attrs={k: v for k, v in attrs.items() if v},
    )
    if incident is None:
        return add_note(scan, *notes, "the file holds no incident intensity: only what was transmitted")
    one = scan.i0.isel(y=0, x=0, drop=True)
    return add_note(scan.assign(i0=one), *notes) if notes else scan.assign(i0=one)


def _units(item: h5py.Dataset) -> str:
    return _text(item.attrs.get("units"))


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
