"""Sample and instrument of an entry, and the NeXus definition that it may claim.

A definition is a promise: it is written only where every field that it requires is there. What is not known is left
out, never invented; the log of the file says what is missing.
"""

from __future__ import annotations

import datetime
import logging
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from spectra.dataset.conventions import signal_name, spectral_axis
from spectra.results.place import Tree

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["XAS_DEFINITION", "XPS_DEFINITION", "describe_experiment"]

_log = logging.getLogger(__name__)

#: Name and version; the one for absorption is a draft and may be renamed.
XPS_DEFINITION = ("NXxps", "v2026.01")
XAS_DEFINITION = ("NXxas_trans", "draft-2026")

#: Fields of an instrument and the attributes of a dataset that fill them.
_ANALYSER = {
    "work_function": ("work_function", "eV"),
    "collectioncolumn/scheme": ("collection_scheme", None),
    "collectioncolumn/lens_mode": ("lens_mode", None),
    "energydispersion/scheme": ("dispersion_scheme", None),
    "energydispersion/energy_scan_mode": ("analyser_mode", None),
    "energydispersion/pass_energy": ("pass_energy", "eV"),
}
_CLASSES = {"collectioncolumn": "NXcollectioncolumn", "energydispersion": "NXenergydispersion"}

_METHODS = {"xps": "X-ray photoelectron spectroscopy (XPS)"}


def describe_experiment(entry: Tree, start: xr.Dataset, where: str) -> list[str]:
    """Add to ``entry`` what the attributes of ``start`` say of the experiment, and a definition where it is kept.

    Parameters
    ----------
    entry : dict
        With its group ``data``.
    start : xarray.Dataset
        As measured.
    where : str
        Name of the entry in the file.

    Returns
    -------
    list of str
        Lines for the log: which definition was left out, and which attributes it needs.
    """
    attrs = start.attrs
    if attrs.get("sample"):
        entry["sample"] = {"@NX_class": "NXsample", "name": str(attrs["sample"])}
    if attrs.get("start_time"):
        entry["start_time"] = str(attrs["start_time"])
    describe = {"xps": _photoemission, "xas": _absorption}.get(str(attrs.get("technique", "")))
    if describe is None:
        return []
    (name, version), missing = describe(entry, start, where)
    if missing:
        line = f"no NeXus definition {name} is claimed: the dataset has no attribute {', '.join(missing)}"
        _log.info("%s: %s", entry["title"], line)
        return [line]
    entry["definition"] = name
    entry["definition@version"] = version
    return []


def _photoemission(entry: Tree, start: xr.Dataset, where: str) -> tuple[tuple[str, str], list[str]]:
    """NXinstrument of a photoelectron spectrometer."""
    attrs = start.attrs
    entry["method"] = _METHODS["xps"]
    instrument: Tree = {"@NX_class": "NXinstrument"}
    if attrs.get("photon_energy"):
        beam = {"@NX_class": "NXbeam", **_number("incident_energy", attrs["photon_energy"], "eV")}
        instrument["beam_probe"] = beam
    analyser: Tree = {
        "@NX_class": "NXelectronanalyzer",
        "electron_detector": {"@NX_class": "NXelectron_detector"},
    }
    for path, (key, unit) in _ANALYSER.items():
        if attrs.get(key) in (None, ""):
            continue
        parent, _, field = path.rpartition("/")
        group = analyser.setdefault(parent, {"@NX_class": _CLASSES[parent]}) if parent else analyser
        group.update(_number(field, attrs[key], unit) if unit else {field: str(attrs[key])})
    instrument["electronanalyzer"] = analyser
    entry["instrument"] = instrument
    needed = [
        "sample",
        "photon_energy",
        "work_function",
        "collection_scheme",
        "dispersion_scheme",
        "analyser_mode",
    ]
    missing = [key for key in needed if attrs.get(key) in (None, "")]
    if not _has_zone(attrs.get("start_time")):
        missing.insert(0, "start_time (with time zone)")
    if spectral_axis(start) == "energy":
        missing.append("binding_energy or kinetic_energy as axis")
    return XPS_DEFINITION, missing


def _absorption(entry: Tree, start: xr.Dataset, where: str) -> tuple[tuple[str, str], list[str]]:
    """Element, edge and the spectrum where the definition for transmission looks for them."""
    attrs = start.attrs
    if attrs.get("element"):
        entry["element"] = {
            "@NX_class": "NXelement",
            "symbol": str(attrs["element"]),
            "name": str(attrs["element"]),
        }
    if attrs.get("edge"):
        entry["edge"] = {"@NX_class": "NXabsorption_edge", "name": str(attrs["edge"])}
    missing = [] if attrs.get("sample") else ["sample"]
    if not re.fullmatch(r"[A-Z][a-z]?", str(attrs.get("element", ""))):
        missing.append("element (as its symbol)")
    if not re.fullmatch(r"K|[L-P][1-7](,[1-7])?", str(attrs.get("edge", ""))):
        missing.append("edge (as K, L3, L2,3)")
    transmission = attrs.get("mode") == "transmission" or "itrans" in start.variables
    if not transmission:
        missing.append("mode = 'transmission' (or a variable itrans)")
    if start[signal_name(start)].dtype.kind != "f":
        missing.append(f"{signal_name(start)} as floating-point numbers")
    if not missing:
        entry["is_experimental"] = np.bool_(attrs.get("simulated") in (None, "", "no", False))
        for name, field in (("energy", "energy"), ("intensity", "data")):
            entry[f">{name}"] = entry["data"][f"{field}@target"] = f"/{where}/data/{field}"
    return XAS_DEFINITION, missing


def _number(field: str, value: Any, unit: str) -> Tree:
    return {field: np.float64(value), f"{field}@units": unit}


def _has_zone(text: Any) -> bool:
    try:
        return datetime.datetime.fromisoformat(str(text)).tzinfo is not None
    except ValueError:
        return False
