"""What was done, from what and by what, in words: the methods part of a report, taken from the dataset's history."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spectra.dataset import series_dims, signal_name, spectral_axis
from spectra.errors import SpectraError
from spectra.pipeline.describe import readable, toml_value
from spectra.verbs import find_verb, history

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["InputFile", "MethodStep", "facts", "inputs", "simulated", "steps"]

_FACTS = ("technique", "sample", "element", "edge", "region", "facility", "beamline", "instrument")


@dataclass(frozen=True)
class MethodStep:
    """One verb as it was applied."""

    number: int
    verb: str
    summary: str
    options: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    when: str
    version: str


@dataclass(frozen=True)
class InputFile:
    """A file that was read."""

    name: str
    size: str
    sha256: str


def steps(dataset: xr.Dataset) -> tuple[MethodStep, ...]:
    """The history, each option with the value it had, and what a default of none came to."""
    return tuple(
        MethodStep(
            number,
            call["verb"],
            _summary(call["verb"]),
            tuple(_options(call)),
            tuple(call.get("notes", ())),
            str(call.get("time", "")),
            str(call.get("version", "")),
        )
        for number, call in enumerate(history(dataset), 1)
    )


def _summary(verb: str) -> str:
    try:
        return readable(find_verb(verb).summary)
    except (SpectraError, ImportError, AttributeError):  # made by a package that is not installed here
        return ""


def _options(call: dict[str, Any]) -> list[tuple[str, str]]:
    resolved = call.get("resolved", {})
    found = []
    for name, value in {**call.get("options", {}), **resolved}.items():
        if value is not None:
            text = toml_value(_short(value))
            found.append((name, text if len(text) <= 160 else f"{text[:150]} …"))
    return found


def _short(value: Any) -> Any:
    """Numbers as people read them; the results file has all digits."""
    if isinstance(value, float):
        return float(f"{value:.7g}")
    if isinstance(value, list | tuple):
        return [_short(v) for v in value]
    return {k: _short(v) for k, v in value.items()} if isinstance(value, dict) else value


def inputs(dataset: xr.Dataset) -> tuple[InputFile, ...]:
    """Files that the dataset was read from."""
    listed = json.loads(dataset.attrs.get("inputs", "[]"))
    return tuple(InputFile(i["file"], _bytes(i["size"]), i["sha256"]) for i in listed)


def _bytes(size: int) -> str:
    return f"{size} B" if size < 1000 else f"{size / 1e3:.0f} kB" if size < 1e6 else f"{size / 1e6:.1f} MB"


def facts(dataset: xr.Dataset) -> tuple[tuple[str, str], ...]:
    """What the dataset is, in a few words each."""
    axis = spectral_axis(dataset)
    x = dataset[axis].values
    units = dataset[axis].attrs.get("units", "")
    dims = series_dims(dataset)
    count = math.prod(dataset.sizes[d] for d in dims)
    shape = f"along {dims[0]}" if len(dims) == 1 else " × ".join(f"{dataset.sizes[d]} {d}" for d in dims)
    known = [(name, str(dataset.attrs[name])) for name in _FACTS if dataset.attrs.get(name)]
    return (
        *known,
        ("spectra", f"{count} ({shape})" if shape else "1"),
        ("measured", signal_name(dataset)),
        (axis.replace("_", " "), f"{x[0]:g} to {x[-1]:g} {units}, {x.size} points"),
    )


def simulated(dataset: xr.Dataset) -> str:
    """What the data were simulated from; empty for measured data."""
    label = str(dataset.attrs.get("simulated", ""))
    if not label:
        return ""
    source = str(dataset.attrs.get("simulated_from", ""))
    return f"simulated from {source}" if source else "simulated"
