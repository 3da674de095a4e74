"""Libraries of soft X-ray absorption spectra of the FlexPES beamline's program (HDF5, ``spectra/000001/x`` and ``y``)."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from spectra.dataset.stored import read_all
from spectra.reading.hdf5 import holds
from spectra.reading.hdf5_file import opened
from spectra.reading.registry import Reader
from spectra.reading.scan import make_scan
from spectra.reading.source import Source
from xas.reading.elements import edge_name, element_symbol

if TYPE_CHECKING:
    import h5py
    import xarray as xr

__all__ = ["reader", "scans", "sniff"]


def sniff(source: Source) -> float:
    """Sure of the program's name and of its attributes."""
    return 0.95 if holds(source, b"flexpes_nexafs", b"library_version") else 0.0


def scans(source: Source) -> list[xr.Dataset]:
    """Every spectrum of the library."""
    with opened(source) as file:
        groups = file.get("spectra")
        found = [_scan(groups[name], source) for name in groups] if groups is not None else []
    return found


reader = Reader("flexpes", "libraries of soft X-ray spectra of FlexPES (HDF5)", (".h5",), sniff, scans)


def _scan(group: h5py.Group, source: Source) -> xr.Dataset:
    said: dict[str, Any] = {key: _plain(value) for key, value in group.attrs.items()}
    edge = re.match(r"\S+", str(said.get("edge", "")))
    attrs = {
        "title": str(said.get("label", "")) or str(group.name).rsplit("/", 1)[-1],
        "technique": "xas",
        "sample": said.get("compound"),
        "element": element_symbol(str(said.get("element", ""))),
        # where both edges were scanned, the first of them is looked for
        "edge": (edge_name(edge.group(0)) or "").replace("L2,3", "L3") if edge else None,
        "comment": said.get("comment"),
        "detector": said.get("detector"),
        "metadata": json.dumps(said),
    }
    notes = []
    if str(said.get("post_normalization", "None")) not in ("None", ""):
        notes.append(f"the program had normalised the spectrum ({said['post_normalization']})")
    x, y = read_all(group["x"]).astype(float), read_all(group["y"]).astype(float)
    return make_scan(
        f"{source.name}: {group.name}", x, {"mu": y}, axis="energy", signal="mu", attrs=attrs, notes=notes
    )


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value.item() if isinstance(value, np.generic) else value
