"""References as the user hands them in: measured edges by name, without their background, comparable with the data."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset import as_dataset, failed, series_dims, signal_name, spectral_axis
from spectra.errors import InvalidInput
from spectra.verbs import find_verb, history, note
from xas.eels.background.subtraction import AXES
from xas.eels.references.curves import ReferenceCurve

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Reference", "choose_references"]

Array = npt.NDArray[np.float64]
MOST, LEAST = 8, 8
#: Channels, and resolutions, this much wider are worth a word.
WIDER = 1.5


@dataclass(frozen=True)
class Reference:
    """One reference and what is said of it."""

    name: str
    curve: ReferenceCurve
    said: Mapping[str, Any]  # element, edge, axis, background, energy_resolution; without what nobody knows

    def to_spec(self) -> dict[str, Any]:
        """The numbers, as a results file keeps them to compute the analysis again."""
        table: dict[str, Any] = {
            "x": self.curve.x.tolist(),
            "y": self.curve.y.tolist(),
            "said": dict(self.said),
        }
        if self.curve.variance is not None:
            table["variance"] = self.curve.variance.tolist()
        return table


def choose_references(given: Any, dataset: xr.Dataset, *, broadening: float) -> list[Reference]:
    """References by name; those that are not comparable with the data are refused, lesser differences said.

    Raises
    ------
    InvalidInput
        None or too many, no single spectrum, another element or edge, or a series without names.
    """
    import xarray as xr

    if isinstance(given, Mapping) and not isinstance(given, xr.Dataset):
        named = dict(given["content"] if set(given) == {"content"} else given)
    else:
        data = as_dataset(given, verb="references")
        dims = series_dims(data)
        if len(dims) != 1:
            raise InvalidInput(
                f"references are a mapping of name to spectrum, or a series along one dimension, got {', '.join(dims) or 'one spectrum'}."
            )
        texts = data["sample"] if "sample" in data.coords and data["sample"].dims == dims else data[dims[0]]
        named = {str(n): data.isel({dims[0]: i}) for i, n in enumerate(texts.values)}
        if len(named) != data.sizes[dims[0]]:
            raise InvalidInput("references of a series need different names in the coordinate 'sample'.")
    if not 1 <= len(named) <= MOST:
        raise InvalidInput(f"references are 1 to {MOST} spectra by name, got {len(named)}.")
    found = [_one(str(name), one, dataset) for name, one in named.items()]
    ours = _said(dataset)
    for one in found:
        _compare(one, ours, dataset, broadening)
    return found


def _one(name: str, given: Any, like: xr.Dataset) -> Reference:
    if isinstance(given, Mapping) and {"x", "y"} <= set(given):
        variance = np.array(given["variance"], float) if "variance" in given else None
        curve = ReferenceCurve(np.array(given["x"], float), np.array(given["y"], float), variance)
        return Reference(name, curve, dict(given.get("said", {})))
    if isinstance(given, str | os.PathLike):
        given = _read_alike(given, like)
    data = as_dataset(given, verb=f"reference {name!r}")
    if series_dims(data) or spectral_axis(data) not in AXES:
        found = ", ".join(series_dims(data)) or spectral_axis(data)
        raise InvalidInput(
            f"reference {name!r} is one spectrum along energy_loss or energy, got {found}: choose with isel."
        )
    if bool(failed(data)):
        raise InvalidInput(
            f"reference {name!r} is flagged as failed: look at its flags (dataset.spectra.flags)."
        )
    signal = signal_name(data)
    x = data[spectral_axis(data)].values.astype(float)
    y = np.asarray(data["net" if "net" in data else signal].values, float)
    if "net" not in data:
        note(
            f"the reference {name} is taken as free of background (xas.eels.subtract_background, if it is not)"
        )
    variance = _variance(data, signal)
    good = np.isfinite(y) & (np.ones(y.size, bool) if variance is None else np.isfinite(variance))
    if good.sum() < LEAST:
        raise InvalidInput(f"reference {name!r} has {good.sum()} finite points; at least {LEAST} are needed.")
    curve = ReferenceCurve(x[good], y[good], None if variance is None else variance[good])
    return Reference(name, curve, _said(data))


def _variance(data: xr.Dataset, signal: str) -> Array | None:
    """Of the points of a reference, where something is known of their noise."""
    if f"{signal}_sigma" in data:
        return np.asarray(np.square(data[f"{signal}_sigma"].values))
    counts = np.asarray(data[signal].values, float)
    if "background_dispersion" in data:
        size = float(data["background_dispersion"])
        of_count = data["background_dispersion"].attrs.get("of") == "count"
        return np.asarray(size * np.maximum(counts, 0.0)) if of_count else None
    if str(data[signal].attrs.get("units", "")).startswith("count"):
        return np.asarray(np.maximum(counts, 0.0))
    return None


def _read_alike(path: str | os.PathLike[str], like: xr.Dataset) -> xr.Dataset:
    """The spectrum in a file, its background subtracted as that of the data was."""
    from xas.eels.reading import read

    data = read(path)
    for step in history(like):
        if "net" in step.get("added", []):
            data = find_verb(step["verb"]).function(data, **step.get("options", {}))
    if bool(failed(data).any()):
        raise InvalidInput(
            f"the reference in {os.fspath(path)!r} cannot be treated as the data were: its background was not found in the same "
            "window. Read it, subtract its background where that is, and give the dataset."
        )
    return data


def _said(data: xr.Dataset) -> dict[str, Any]:
    said: dict[str, Any] = {
        key: data.attrs[key] for key in ("element", "edge", "energy_resolution") if data.attrs.get(key)
    }
    if "background" in data and "method" in data["background"].attrs:
        said["background"] = str(data["background"].attrs["method"])
    return said | {"axis": spectral_axis(data)}


def _compare(one: Reference, ours: Mapping[str, Any], dataset: xr.Dataset, broadening: float) -> None:
    theirs = one.said
    for key, words in (("element", "of the element"), ("edge", "of the edge")):
        if key in ours and key in theirs and str(ours[key]) != str(theirs[key]):
            raise InvalidInput(
                f"reference {one.name!r} is {words} {theirs[key]!r} and the data are of {ours[key]!r}: take references of "
                "the edge that was measured."
            )
    if theirs.get("axis", ours["axis"]) != ours["axis"]:
        by = "X-rays" if theirs["axis"] == "energy" else "electrons"
        note(
            f"the reference {one.name} was measured by {by}, the data were not: widths and plural scattering differ"
        )
    if "background" in ours and "background" in theirs and ours["background"] != theirs["background"]:
        note(
            f"the background of the reference {one.name} is {theirs['background']}, that of the data {ours['background']}"
        )
    apart = float(np.median(np.diff(one.curve.x))) / float(np.median(np.diff(dataset[ours["axis"]].values)))
    if apart > WIDER:
        note(f"channels of the reference {one.name} are {apart:.1f} times as wide as those of the data")
    if "energy_resolution" in ours and "energy_resolution" in theirs:
        _compare_resolution(
            one.name, float(ours["energy_resolution"]), float(theirs["energy_resolution"]), broadening
        )


def _compare_resolution(name: str, ours: float, theirs: float, broadening: float) -> None:
    seen = float(np.hypot(theirs, broadening))
    if seen > 1.1 * ours:
        note(
            f"the reference {name} has a resolution of {seen:.2g} eV, the data one of {ours:.2g} eV: sharper data cannot be described "
            "by it, and fractions lean to what is broad"
        )
    elif seen < ours / 1.1:
        note(
            f"the reference {name} has a resolution of {seen:.2g} eV, the data one of {ours:.2g} eV: "
            f"broadening={np.sqrt(ours**2 - theirs**2):.2g} makes them alike"
        )
