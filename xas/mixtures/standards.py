"""Standards: measured spectra of known samples, by name, and whether they were treated like the data."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset import as_dataset, failed, series_dims, signal_name
from spectra.errors import InvalidInput
from spectra.verbs import history, note

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Form", "Standard", "check_treatment", "choose_standards", "fitted_curve", "how_treated"]

Array = npt.NDArray[np.float64]
#: What is compared: normalised, flattened, its derivative, or chi(k) times a power of k.
Form = Literal["norm", "flat", "derivative", "chi"]


@dataclass(frozen=True)
class Standard:
    """One standard on its own grid, all finite."""

    name: str
    x: Array
    y: Array
    treated: str  # how it was normalised, as JSON; empty where nobody knows

    def to_spec(self) -> dict[str, Any]:
        """The numbers, as a results file keeps them to compute the analysis again."""
        return {"x": self.x.tolist(), "y": self.y.tolist(), "treated": self.treated}


def fitted_curve(dataset: xr.Dataset, form: Form, kweight: float = 0.0) -> xr.DataArray:
    """Variable of ``dataset`` that is compared, along ``energy`` or ``k``.

    Raises
    ------
    InvalidInput
        If it is not there.
    """
    if form == "chi":
        if "chi" not in dataset:
            raise InvalidInput("form = 'chi' needs the variable 'chi', which xas.autobk adds: call it first.")
        return (dataset["chi"] * dataset["k"] ** kweight).transpose(..., "k")
    name = "flat" if form == "flat" else "norm"
    if name in dataset:
        curve = dataset[name]
    elif dataset.attrs.get("normalized") == "yes":
        curve = dataset[signal_name(dataset)]
    else:
        raise InvalidInput(
            f"form = {form!r} needs the variable {name!r}, which xas.normalize adds: call it first, or set "
            "dataset.attrs['normalized'] = 'yes' if the data came normalised."
        )
    return (curve.differentiate("energy") if form == "derivative" else curve).transpose(..., "energy")


def how_treated(dataset: xr.Dataset, form: Form) -> str:
    """How the compared curve was made, as JSON: verbs and their options, without those that say where E0 is."""
    names = {"norm": ("norm",), "flat": ("flat",), "derivative": ("norm",), "chi": ("norm", "chi")}[form]
    said = []
    for name in names:
        steps = [step for step in history(dataset) if name in step.get("added", [])]
        if steps:
            last = steps[-1]
            options = {**last.get("options", {}), **last.get("resolved", {})}
            said.append([last["verb"], {k: _rounded(v) for k, v in sorted(options.items()) if k != "e0"}])
    if not said and dataset.attrs.get("normalized") == "yes":
        return json.dumps("normalised before it was read")
    return json.dumps(said) if said else ""


def _rounded(value: Any) -> Any:
    """Numbers to six digits: a range that was typed and one that was computed are the same."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return float(f"{value:.6g}")
    if isinstance(value, list | tuple):
        return [_rounded(v) for v in value]
    return str(value)


def check_treatment(ours: str, standards: list[Standard], *, refuse: bool) -> None:
    """Refuse, or note, standards that were normalised in another way than the data.

    Raises
    ------
    InvalidInput
    """
    for standard in standards:
        if standard.treated == ours:
            continue
        difference = _difference(ours, standard.treated)
        if refuse:
            raise InvalidInput(
                f"standard {standard.name!r} was not normalised like the data ({difference}), and fractions would hold the "
                "difference: normalise all alike, or say treatment='any' if you know better."
            )
        note(f"standard {standard.name} was not normalised like the data: {difference}")


def _difference(ours: str, theirs: str) -> str:
    """What differs between two treatments, in half a sentence."""
    if not ours or not theirs:
        return "nothing says how " + ("the data were" if not ours else "it was")
    first, second = json.loads(ours), json.loads(theirs)
    if isinstance(first, str) or isinstance(second, str):
        return "one came normalised, the other was normalised here"
    for (verb, a), (other, b) in zip(first, second, strict=False):
        if verb != other:
            return f"{other} instead of {verb}"
        for key in {**a, **b}:
            if a.get(key) != b.get(key):
                return f"{verb}: {key} = {_shown(b.get(key))} instead of {_shown(a.get(key))}"
    return "other verbs were applied"


def _shown(value: Any) -> str:
    return f"({', '.join(map(str, value))})" if isinstance(value, list) else repr(value)


def choose_standards(given: Any, form: Form, kweight: float, like: xr.Dataset) -> list[Standard]:
    """Standards as the user hands them in: one dataset with a series of them, or a dataset or file for each name.

    A file is read and treated as ``like`` was.

    Raises
    ------
    InvalidInput
        None at all, two of one name, or one that holds no single finite spectrum.
    """
    import xarray as xr

    if isinstance(given, Mapping) and not isinstance(given, xr.Dataset):
        given = given["content"] if set(given) == {"content"} else given
        given = {
            name: _read_alike(one, like) if isinstance(one, str | os.PathLike) else one
            for name, one in given.items()
        }
        found = [_one(str(name), one, form, kweight) for name, one in given.items()]
    else:
        data = as_dataset(given, verb="standards")
        dims = series_dims(data)
        if len(dims) > 1:
            raise InvalidInput(
                f"standards have the series dimensions {', '.join(dims)}; give one, or a mapping of name to spectrum."
            )
        names = (
            _names(data, dims[0])
            if dims
            else [str(data.attrs.get("sample") or data.attrs.get("title") or "1")]
        )
        parts = [data.isel({dims[0]: i}) for i in range(data.sizes[dims[0]])] if dims else [data]
        found = [_one(name, one, form, kweight) for name, one in zip(names, parts, strict=True)]
    if not found:
        raise InvalidInput("no standards were given: a mapping such as {'NiO': nio, 'LiNiO2': lno}.")
    twice = [s.name for s in found if [o.name for o in found].count(s.name) > 1]
    if twice:
        raise InvalidInput(
            f"two standards are called {twice[0]!r}: give a mapping of different names to spectra."
        )
    return found


def _read_alike(path: str | os.PathLike[str], like: xr.Dataset) -> xr.Dataset:
    """The spectrum in a file after the verbs that made the curves of ``like``, with the options they came to."""
    from spectra.verbs import find_verb
    from xas.reading import read

    data = read(path)
    for step in history(like):
        if {"norm", "chi"} & set(step.get("added", [])):
            function = find_verb(step["verb"]).function
            options = {
                **step.get("options", {}),
                **{k: v for k, v in step.get("resolved", {}).items() if k in step["options"]},
            }
            data = function(data, **options)
    return data


def _names(data: xr.Dataset, dim: str) -> list[str]:
    for name in ("sample", dim, "label"):
        if (
            name in data.coords
            and data[name].dims == (dim,)
            and (name != dim or data[dim].dtype.kind in "OUT")
        ):
            texts = [str(v) for v in data[name].values]
            if len(set(texts)) == len(texts) and all(texts):
                return texts
    return [f"{dim} {i}" for i in range(data.sizes[dim])]


def _one(name: str, given: Any, form: Form, kweight: float) -> Standard:
    if isinstance(given, Mapping) and set(given) == {"x", "y", "treated"}:
        x, y = np.array(given["x"], float), np.array(given["y"], float)
        return Standard(name, x, y, str(given["treated"]))
    data = as_dataset(given, verb=f"standard {name!r}")
    if series_dims(data):
        raise InvalidInput(
            f"standard {name!r} is a series ({', '.join(series_dims(data))}); merge it or choose one spectrum with isel."
        )
    if bool(failed(data)):
        raise InvalidInput(
            f"standard {name!r} is flagged as failed: look at its flags (dataset.spectra.flags)."
        )
    curve = fitted_curve(data, form, kweight).astype(float)
    x, y = curve[curve.dims[-1]].values.astype(float), curve.values
    finite = np.isfinite(y)
    if finite.sum() < 8:
        raise InvalidInput(f"standard {name!r} has {finite.sum()} finite points; at least 8 are needed.")
    return Standard(name, x[finite], y[finite], how_treated(data, form))
