"""Datasets as a tree of NeXus groups: a pure function, tested as a dictionary without a file.

One NXentry per dataset (technique × region × series). ``data`` holds what was measured, ``process_NN_<verb>`` what
each verb made of it, ``fit`` the fit, ``provenance`` all that is needed to do it again.
"""

from __future__ import annotations

from collections.abc import Mapping
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


def _entry(name: str, dataset: xr.Dataset, said: Provenance, where: str) -> Tree:
    start = as_measured(dataset)
    steps, first = history(dataset), len(history(start))
    before, after = Places(), Places()
    entry: Tree = {
        "@NX_class": "NXentry",
        "@default": "data",
        "title": str(start.attrs.get("title") or name),
        **_measured(start, before),
        **describe_experiment(start),
    }
    made = _makers(start, dataset, steps, first)
    after.found = {v: before.found[v] for v, maker in made.items() if maker is None}
    _add_processes(entry, dataset, steps, made, after)
    _add_fit(entry, dataset, steps, made, after, where)
    record = {
        "name": name,
        "measured": before.describe(start, without=["history"]),
        "result": after.describe(dataset, without=["history"]) if dataset is not start else None,
    }
    log = [
        *(f"{step['verb']}: {text}" for step in steps for text in step.get("notes", [])),
        *claim_definition(entry, start, where),
        *_not_repeated(dataset, start, made, steps),
    ]
    entry["provenance"] = provenance_group(said, start, steps, first, to_json(record), log)
    return entry


def _add_processes(
    entry: Tree,
    dataset: xr.Dataset,
    steps: list[dict[str, Any]],
    made: Mapping[str, int | None],
    places: Places,
) -> None:
    """A NXprocess for each verb, with what it made; a group of its own for what no verb made."""
    fit = fit_variables(dataset, made)
    for index, step in enumerate(steps):
        key = f"process_{index + 1:02d}_{safe_name(step['verb'].rpartition('.')[2])}"
        mine = [v for v, maker in made.items() if maker == index and v not in fit]
        groups = _groups(dataset, mine, key, places)
        entry[key] = process_group(step, index + 1, groups)
        best = _default(groups)
        if best:
            entry[key]["@default"] = best
            entry["@default"] = key
    outside = [v for v, maker in made.items() if maker == _OUTSIDE]
    if outside:
        groups = _groups(dataset, outside, "outside_of_verbs", places)
        entry["outside_of_verbs"] = {"@NX_class": "NXcollection", **groups}


def _add_fit(
    entry: Tree,
    dataset: xr.Dataset,
    steps: list[dict[str, Any]],
    made: Mapping[str, int | None],
    places: Places,
    where: str,
) -> None:
    """The fit, if there is one, and the background that was subtracted before it."""
    names, index, background = fit_variables(dataset, made), made.get("best_fit"), made.get("background")
    if not names or index is None:
        return
    entry["fit"] = fit_group(dataset, names, steps[index], places)
    entry["@default"] = "fit"
    link_inputs(entry, where, dataset, steps[index], places)
    if background is not None and 0 <= background < index:
        subtracted = static_background(entry, where, dataset, steps[background], places)
        entry["fit"]["background_static"] = subtracted


def _not_repeated(
    dataset: xr.Dataset, start: xr.Dataset, made: Mapping[str, int | None], steps: list[dict[str, Any]]
) -> list[str]:
    """Lines for the log on what a re-run will not do."""
    lines = []
    outside = [v for v, maker in made.items() if maker == _OUTSIDE]
    if outside:
        lines.append(f"not made by a verb, so a re-run does not make it: {', '.join(outside)}")
    done = [step["verb"] for step in steps if step.get("added")]
    if dataset is start and done:
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


def _makers(
    start: xr.Dataset, dataset: xr.Dataset, steps: list[dict[str, Any]], first: int
) -> dict[str, int | None]:
    """For each variable the number of the verb that made it, None for what was measured, ``_OUTSIDE`` for the rest."""
    made: dict[str, int | None] = {}
    for name, variable in dataset.variables.items():
        old = start.variables.get(name)
        if old is not None and _same(old, variable):
            made[str(name)] = None
            continue
        by = [i for i, step in enumerate(steps) if i >= first and str(name) in step.get("added", ())]
        made[str(name)] = by[-1] if by else _OUTSIDE
    return made


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
