"""Datasets as a tree of NeXus groups: a pure function, tested as a dictionary without a file.

One NXentry per dataset (technique × region × series). ``data`` holds what was measured, ``process_NN_<verb>`` what
each verb made of it, ``fit`` the fit, ``provenance`` all that is needed to do it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spectra.dataset.conventions import series_dims, signal_name, spectral_axis
from spectra.results.definitions import claim_definition, describe_experiment
from spectra.results.fields import safe_name, to_json
from spectra.results.fit_group import fit_group, fit_variables, link_inputs, static_background
from spectra.results.place import Places, Tree, data_group, is_number
from spectra.results.process_group import process_group
from spectra.results.provenance import Provenance, provenance_group
from spectra.verbs import as_measured, history

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["SCHEMA", "to_nexus"]

#: Version of the layout; a reader refuses files of a later one.
SCHEMA = "1"

_OUTSIDE = -1  # the maker of a variable that no verb made

#: Derived curves in the order in which a viewer should open them.
_SHOWN_FIRST = ("norm", "net", "chi", "chir_mag", "wavelet")


def to_nexus(datasets: Mapping[str, xr.Dataset], provenance: Provenance | None = None) -> Tree:
    """Tree of a results file.

    Parameters
    ----------
    datasets : mapping of str to xarray.Dataset
    provenance : Provenance, optional
        What is not in the datasets: time, command, environment, recipe, bytes of the inputs.

    Returns
    -------
    dict
        Groups are dicts, fields arrays or text; ``"@name"`` and ``"field@name"`` are attributes.
    """
    said = provenance or Provenance()
    root: Tree = {
        "@NX_class": "NXroot",
        "@creator": "redox-spectra",
        "@spectra_schema": SCHEMA,
        **said.root(),
    }
    for name, dataset in datasets.items():
        where = safe_name(name, root)
        root[where] = _entry(name, dataset, said, where)
    root["@default"] = next(key for key in root if not key.startswith("@"))
    return root


@dataclass(frozen=True)
class _Analysis:
    """A dataset, what it was made from, and which verb made which variable."""

    dataset: xr.Dataset
    start: xr.Dataset
    steps: list[dict[str, Any]]
    first: int  # entries of the history that had happened before ``start``
    made: dict[str, int | None]  # number of the verb, None for what was measured, _OUTSIDE for anything else

    def made_by(self, maker: int) -> list[str]:
        return [name for name, by in self.made.items() if by == maker]


def _analysis(dataset: xr.Dataset) -> _Analysis:
    start = as_measured(dataset)
    steps, first = history(dataset), len(history(start))
    made: dict[str, int | None] = {}
    for name, variable in dataset.variables.items():
        old = start.variables.get(name)
        by = [i for i, step in enumerate(steps) if i >= first and str(name) in step.get("added", ())]
        measured = old is not None and _same(old, variable)
        made[str(name)] = None if measured else by[-1] if by else _OUTSIDE
    return _Analysis(dataset, start, steps, first, made)


def _entry(name: str, dataset: xr.Dataset, said: Provenance, where: str) -> Tree:
    work = _analysis(dataset)
    before, after = Places(), Places()
    entry: Tree = {
        "@NX_class": "NXentry",
        "@default": "data",
        "title": str(work.start.attrs.get("title") or name),
        **_measured(work.start, before),
        **describe_experiment(work.start),
    }
    after.found = {v: before.found[v] for v, maker in work.made.items() if maker is None}
    _add_processes(entry, work, after)
    _add_fit(entry, work, after, where)
    record = {
        "name": name,
        "measured": before.describe(work.start, without=["history"]),
        "result": after.describe(dataset, without=["history"]) if dataset is not work.start else None,
    }
    log = [
        *(f"{step['verb']}: {text}" for step in work.steps for text in step.get("notes", [])),
        *claim_definition(entry, work.start, where),
        *_not_repeated(work),
    ]
    entry["provenance"] = provenance_group(said, work.start, work.steps, work.first, to_json(record), log)
    return entry


def _add_processes(entry: Tree, work: _Analysis, places: Places) -> None:
    """A NXprocess for each verb, with what it made; a group of its own for what no verb made."""
    fit = fit_variables(work.dataset, work.made)
    for index, step in enumerate(work.steps):
        key = f"process_{index + 1:02d}_{safe_name(step['verb'].rpartition('.')[2])}"
        groups = _groups(work.dataset, [v for v in work.made_by(index) if v not in fit], key, places)
        entry[key] = process_group(step, index + 1, groups)
        best = _default(groups)
        if best:
            entry[key]["@default"] = best
            entry["@default"] = key
    if work.made_by(_OUTSIDE):
        groups = _groups(work.dataset, work.made_by(_OUTSIDE), "outside_of_verbs", places)
        entry["outside_of_verbs"] = {"@NX_class": "NXcollection", **groups}


def _add_fit(entry: Tree, work: _Analysis, places: Places, where: str) -> None:
    """The fit, if there is one, and the background that was subtracted for it."""
    names = fit_variables(work.dataset, work.made)
    index, background = work.made.get("best_fit"), work.made.get("background")
    if not names or index is None:
        return
    entry["fit"] = fit_group(work.dataset, names, work.steps[index], places)
    entry["@default"] = "fit"
    link_inputs(entry, where, work.dataset, work.steps[index], places)
    if background is not None and 0 <= background <= index:
        subtracted = static_background(entry, where, work.dataset, work.steps[background], places)
        active = work.dataset["background"].attrs.get("treatment") == "active"
        entry["fit"][f"background_{'active' if active else 'static'}"] = subtracted


def _not_repeated(work: _Analysis) -> list[str]:
    """Lines for the log on what a re-run will not do."""
    lines = []
    if work.made_by(_OUTSIDE):
        outside = ", ".join(work.made_by(_OUTSIDE))
        lines.append(f"not made by a verb, so a re-run does not make it: {outside}")
    done = [step["verb"] for step in work.steps if step.get("added")]
    if work.dataset is work.start and done:
        lines.append(
            f"the series was cut or joined after {', '.join(done)}: what they made counts as measured here, "
            "and a re-run does not repeat them"
        )
    return lines


def _measured(start: xr.Dataset, places: Places) -> Tree:
    """NXdata of what was measured, under the field names that NeXus definitions ask for; text stands beside."""
    signal, axis = signal_name(start), spectral_axis(start)
    called = {signal: "data", f"{signal}_sigma": "data_errors"}
    if axis in ("binding_energy", "kinetic_energy"):
        called[axis] = "energy"
    names = [
        *(n for n in called if n in start.variables),
        *(str(v) for v in start.variables if str(v) not in called),
    ]
    numbers = [n for n in names if is_number(start[n].variable)]
    group = data_group(start, "data", numbers, places, signal=signal, called=called)
    if axis in called:
        group["energy@type"] = axis.removesuffix("_energy")
    texts = [n for n in names if n not in numbers]
    return {"data": group} | (
        {"labels": data_group(start, "labels", texts, places, signal=None)} if texts else {}
    )


def _same(old: xr.Variable, new: xr.Variable) -> bool:
    if old._data is new._data:
        return True
    lazy = hasattr(old.data, "dask") or hasattr(new.data, "dask")
    return old.dtype == new.dtype and not lazy and bool(old.equals(new))  # type: ignore[no-untyped-call]


def _groups(dataset: xr.Dataset, names: list[str], path: str, places: Places) -> dict[str, Tree]:
    """Variables that one verb made, a group for each kind of axes beyond the series'."""
    axis, series = spectral_axis(dataset), series_dims(dataset)
    kinds: dict[tuple[str, ...], list[str]] = {}
    texts = [name for name in names if not is_number(dataset[name].variable)]
    for name in names:
        if name not in texts:
            own = tuple(str(d) for d in dataset[name].dims if d not in series)
            kinds.setdefault(own, []).append(name)
    groups: dict[str, Tree] = {}
    for own, members in sorted(kinds.items(), key=lambda item: (item[0] != (axis,), len(item[0]), item[0])):
        key = "data" if own == (axis,) else "_".join(["data", *own]) if own else "values"
        signal = _signal(dataset, members, own)
        if signal is None and own == (axis,):  # the verb moved the axis: show what was measured on it
            signal = signal_name(dataset)
        key = safe_name(key, groups)
        groups[key] = data_group(dataset, f"{path}/{key}", members, places, signal=signal)
    if texts:
        key = safe_name("labels", groups)
        groups[key] = data_group(dataset, f"{path}/{key}", texts, places, signal=None)
    return groups


def _signal(dataset: xr.Dataset, names: list[str], own: tuple[str, ...]) -> str | None:
    """The variable that a viewer shows of a group; none where nothing can be drawn."""
    series = series_dims(dataset)
    candidates = [
        name
        for name in names
        if name in dataset.data_vars
        and dataset[name].ndim
        and dataset[name].dtype.kind in "iuf"
        and not name.endswith("_sigma")
        and name != "status"
        and (own or set(dataset[name].dims) == set(series))
    ]
    return min(candidates, key=lambda n: (_rank(n), -dataset[n].ndim), default=None)


def _default(groups: Mapping[str, Tree]) -> str | None:
    """The group that a viewer opens: of several, the one with the curve of the highest rank."""
    drawn = [key for key, group in groups.items() if group["@NX_class"] == "NXdata"]
    return min(drawn, key=lambda key: _rank(str(groups[key]["@signal"])), default=None)


def _rank(name: str) -> int:
    return _SHOWN_FIRST.index(name) if name in _SHOWN_FIRST else len(_SHOWN_FIRST)
