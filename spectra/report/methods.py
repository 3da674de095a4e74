"""What was done, from what and by what, in words: the methods part of a report, taken from the dataset's history."""

from __future__ import annotations

import inspect
import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spectra.dataset import series_dims, signal_name, spectral_axis
from spectra.errors import SpectraError
from spectra.options import plain
from spectra.pipeline.describe import readable, toml_value
from spectra.verbs import find_verb, history

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["InputFile", "MethodStep", "Paragraph", "facts", "inputs", "paragraph", "simulated", "steps"]

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


@dataclass(frozen=True)
class Paragraph:
    """Methods as a paper's supplement tells them, with what it cites."""

    text: str
    references: tuple[str, ...]


def paragraph(dataset: xr.Dataset) -> Paragraph:
    """The history as one paragraph: every verb, options that differ from their defaults or were found, references.

    The references are those that the documentation of each verb names.
    """
    calls = history(dataset)
    if not calls:
        return Paragraph("", ())
    references: list[str] = []
    told = []
    for call in calls:
        marks = []
        for reference in _references(call["verb"]):
            if reference not in references:
                references.append(reference)
            marks.append(references.index(reference) + 1)
        said = re.split(r"[;:.](?:\s|$)", _summary(call["verb"]))[0]
        said = said[:1].lower() + said[1:] if said[1:2].islower() else said
        options = [f"{name} = {value}" for name, value in _options(_changed(call)) if len(value) <= 80]
        inside = "; ".join(filter(None, [call["verb"], ", ".join(options)]))
        cited = f" [{', '.join(map(str, marks))}]" if marks else ""
        told.append(f"{said} ({inside}){cited}" if said else f"{inside}{cited}")
    steps = "; ".join(f"({i}) {one}" for i, one in enumerate(told, 1))
    versions = " and ".join(dict.fromkeys(str(call.get("version", "")) for call in calls))
    text = (
        f"Data were processed with redox-spectra {versions} in these steps, options in brackets: {steps}. "
        "Uncertainties are one standard uncertainty."
    )
    return Paragraph(text, tuple(references))


def _changed(call: dict[str, Any]) -> dict[str, Any]:
    """The call without the options that had their defaults."""
    try:
        known = inspect.signature(find_verb(call["verb"]).function).parameters
    except (SpectraError, ImportError, AttributeError):
        return call
    options = {
        name: value
        for name, value in call.get("options", {}).items()
        if name not in known
        or json.dumps(plain(known[name].default), default=str) != json.dumps(value, default=str)
    }
    return {**call, "options": options}


def _references(verb: str) -> list[str]:
    """References that the documentation of a verb gives, one by one."""
    try:
        text = inspect.getdoc(find_verb(verb).function) or ""
    except (SpectraError, ImportError, AttributeError):
        return []
    found = re.search(r"^References\n-+\n(.*?)(?=\n\n\w+\n-+\n|\Z)", text, flags=re.DOTALL | re.MULTILINE)
    if found is None:
        return []
    flowing = re.sub(
        r"(?<!\n)\n(?=\S)", lambda m: "\n" if _ends_a_reference(found[1], m.start()) else " ", found[1]
    )
    parts = re.split(r"\n+|;\s+(?=[A-Z][\w-]*\.)", readable(flowing))
    return [re.sub(r"^\.\.\s*\[\w+\]\s*", "", part).strip().rstrip(";.") for part in parts if part.strip()]


def _ends_a_reference(text: str, place: int) -> bool:
    line = text[:place].rpartition("\n")[2]
    return re.search(r"doi:\S+$", line) is not None


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
