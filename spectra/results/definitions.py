"""Sample and instrument of an entry, and the NeXus definition that it may claim.

A definition is a promise: it is written only where every field that it requires is there. What is not known is left
out, never invented; the log of the file says what is missing.
"""

from __future__ import annotations

import datetime
import logging
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from spectra.dataset.conventions import signal_name, spectral_axis
from spectra.results.place import Tree

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["RAMAN_DEFINITION", "XAS_DEFINITION", "XPS_DEFINITION", "claim_definition", "describe_experiment"]

_log = logging.getLogger(__name__)

#: Name and version; the one for absorption is a draft and may be renamed.
XPS_DEFINITION = ("NXxps", "v2026.01")
XAS_DEFINITION = ("NXxas_trans", "draft-2026")
RAMAN_DEFINITION = ("NXraman", "v2026.01")
_RAMAN_URL = "https://fairmat-nfdi.github.io/nexus_definitions/classes/applications/NXraman.html"

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


def describe_experiment(start: xr.Dataset) -> Tree:
    """Fields and groups of an entry that say how ``start`` was measured, as far as its attributes do."""
    attrs = start.attrs
    said: Tree = {}
    if attrs.get("sample"):
        said["sample"] = {"@NX_class": "NXsample", "name": str(attrs["sample"])}
    if attrs.get("start_time"):
        said["start_time"] = str(attrs["start_time"])
    if attrs.get("technique") == "xps":
        said["method"] = "X-ray photoelectron spectroscopy (XPS)"
        said["instrument"] = _spectrometer(attrs)
    if attrs.get("technique") == "raman":
        said |= _raman_bench(start)
    if attrs.get("technique") == "xas" and attrs.get("element"):
        symbol = str(attrs["element"])
        said["element"] = {"@NX_class": "NXelement", "symbol": symbol, "name": symbol}
    if attrs.get("technique") == "xas" and attrs.get("edge"):
        said["edge"] = {"@NX_class": "NXabsorption_edge", "name": str(attrs["edge"])}
    return said


def _spectrometer(attrs: Mapping[Any, Any]) -> Tree:
    """NXinstrument of a photoelectron spectrometer."""
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
    instrument: Tree = {"@NX_class": "NXinstrument", "electronanalyzer": analyser}
    if attrs.get("photon_energy"):
        energy = _number("incident_energy", attrs["photon_energy"], "eV")
        instrument["beam_probe"] = {"@NX_class": "NXbeam", **energy}
    return instrument


def _raman_bench(start: xr.Dataset) -> Tree:
    """Kind of experiment and NXinstrument of a Raman spectrometer."""
    attrs = start.attrs
    instrument: Tree = {"@NX_class": "NXinstrument"}
    if attrs.get("scattering_configuration"):
        instrument["scattering_configuration"] = str(attrs["scattering_configuration"])
    if attrs.get("laser_wavelength"):
        beam = _number("wavelength", attrs["laser_wavelength"], "nm")
        instrument["beam_incident"] = {"@NX_class": "NXbeam", "parameter_reliability": "nominal", **beam}
    channels = _detector_channels(attrs)
    if channels:
        instrument["detector_spectra"] = {"@NX_class": "NXdetector", "detector_channel_type": channels}
    said: Tree = {"experiment_type": "Raman spectroscopy"}
    kind = attrs.get("raman_experiment_type") or ("Raman imaging" if {"y", "x"} <= set(start.dims) else None)
    if kind:
        said["raman_experiment_type"] = str(kind)
    return said | ({"instrument": instrument} if len(instrument) > 1 else {})


def _detector_channels(attrs: Mapping[Any, Any]) -> str:
    """Stated, or that of a CCD."""
    array = re.search(r"\bccd\b", str(attrs.get("detector", "")), re.IGNORECASE)
    return str(attrs.get("detector_channel_type") or ("multichannel" if array else ""))


def claim_definition(entry: Tree, start: xr.Dataset, where: str) -> list[str]:
    """Write the definition that ``entry`` keeps; where it keeps none, say what is missing.

    Parameters
    ----------
    entry : dict
        Complete but for its provenance.
    start : xarray.Dataset
        As measured.
    where : str
        Name of the entry in the file.

    Returns
    -------
    list of str
        At most one line for the log.
    """
    check = {"xps": _photoemission, "xas": _absorption, "raman": _raman}.get(
        str(start.attrs.get("technique", ""))
    )
    if check is None:
        return []
    (name, version), missing = check(entry, start)
    if missing:
        line = f"no NeXus definition {name} is claimed; it needs {', '.join(missing)}"
        _log.info("%s: %s", entry["title"], line)
        return [line]
    if "fit" in entry and name != XPS_DEFINITION[0]:
        _collected(entry["fit"])
    entry["definition"] = name
    entry["definition@version"] = version
    if name == RAMAN_DEFINITION[0]:
        entry["definition@URL"] = _RAMAN_URL
    if name == XAS_DEFINITION[0]:
        entry["is_experimental"] = np.bool_(start.attrs.get("simulated") in (None, "", "no", False))
        for field, source in (("energy", "energy"), ("intensity", "data")):
            entry[f">{field}"] = entry["data"][f"{source}@target"] = f"/{where}/data/{source}"
    return []


def _collected(group: Tree) -> None:
    """Say NXcollection, which every definition allows, where only NXxps knows the classes of a fit."""
    if group["@NX_class"] in ("NXfit", "NXpeak", "NXfit_function"):
        group["@collects"] = group["@NX_class"]
        group["@NX_class"] = "NXcollection"
    for below in group.values():
        if isinstance(below, dict) and "@NX_class" in below:
            _collected(below)


def _photoemission(entry: Tree, start: xr.Dataset) -> tuple[tuple[str, str], list[str]]:
    attrs = start.attrs
    needed = [
        "sample",
        "photon_energy",
        "work_function",
        "collection_scheme",
        "dispersion_scheme",
        "analyser_mode",
    ]
    missing = [f"the attribute {key}" for key in needed if attrs.get(key) in (None, "")]
    if not _has_zone(attrs.get("start_time")):
        missing.append("the attribute start_time with a time zone")
    if spectral_axis(start) == "energy":
        missing.append("binding_energy or kinetic_energy as axis")
    fit = entry.get("fit", {})
    if fit and not any(key.startswith("background_") for key in fit):
        missing.append("a background in the fit or subtracted before it")
    return XPS_DEFINITION, missing


def _absorption(entry: Tree, start: xr.Dataset) -> tuple[tuple[str, str], list[str]]:
    attrs, signal = start.attrs, start[signal_name(start)]
    missing = [] if attrs.get("sample") else ["the attribute sample"]
    if not re.fullmatch(r"[A-Z][a-z]?", str(attrs.get("element", ""))):
        missing.append("the attribute element (a symbol)")
    if not re.fullmatch(r"K|[L-P][1-7](,[1-7])?", str(attrs.get("edge", ""))):
        missing.append("the attribute edge (K, L3, ...)")
    if attrs.get("channel") != "transmission" and "itrans" not in start.variables:
        missing.append("the attribute channel = 'transmission'")
    if signal.dtype.kind != "f":
        missing.append(f"{signal.name} as floating-point numbers")
    return XAS_DEFINITION, missing


def _raman(entry: Tree, start: xr.Dataset) -> tuple[tuple[str, str], list[str]]:
    attrs = start.attrs
    needed = ["sample", "laser_wavelength", "scattering_configuration"]
    missing = [f"the attribute {key}" for key in needed if attrs.get(key) in (None, "")]
    if "raman_experiment_type" not in entry:
        missing.append("the attribute raman_experiment_type")
    if not _detector_channels(attrs):
        missing.append("the attribute detector_channel_type ('multichannel' or 'single-channel')")
    return RAMAN_DEFINITION, missing


def _number(field: str, value: Any, unit: str) -> Tree:
    return {field: np.float64(value), f"{field}@units": unit}


def _has_zone(text: Any) -> bool:
    try:
        return datetime.datetime.fromisoformat(str(text)).tzinfo is not None
    except ValueError:
        return False
