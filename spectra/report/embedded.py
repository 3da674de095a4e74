"""What the page of a report draws from: numbers and curves of a dataset, few enough for a browser.

The numbers of up to a few ten thousand spectra, a few hundred curves and up to two hundred fits go with the page,
chosen evenly, and the flagged ones besides; of a lazily loaded dataset only these are computed. What was left out is
told in the data themselves, so that the page can say so.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset import failed, series_dims, signal_name, spectral_axis
from spectra.report import conventions
from spectra.report.fit import fit_parts
from spectra.report.gallery import fits_to_show
from spectra.report.packed import encoded, thinned
from spectra.report.planes import planes
from spectra.report.series import Coordinate, coordinate
from spectra.report.summary import asked_first

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["choose", "embedded", "first_spectra"]

#: Bytes that the numbers, the fits and the curves of one page may take before they are written as text.
_NUMBERS, _FITS, _CURVES = 3_000_000, 2_500_000, 2_000_000
_MOST_FITS, _MOST_CURVES = 200, 300
_POINTS = 600  # of a curve
_PARAMETERS = ("parameter", "varied", "varied_2")

Chosen = npt.NDArray[np.intp]


def embedded(dataset: xr.Dataset, *, share: float = 1.0, printed: int = 6) -> dict[str, Any]:
    """Everything that the page draws of ``dataset``, as plain JSON values.

    Parameters
    ----------
    dataset : xarray.Dataset
        Of any technique; lazy arrays stay lazy but for what is drawn.
    share : float
        Of the page's size that this dataset may take.
    printed : int
        Fits that are drawn on paper.
    """
    dims = series_dims(dataset)
    shape = tuple(dataset.sizes[d] for d in dims)
    status = np.asarray(dataset["status"].transpose(*dims).values if "status" in dataset else np.zeros(shape))
    bad = np.flatnonzero(np.asarray(failed(dataset).values).ravel())
    warned = np.setdiff1d(np.flatnonzero(status.ravel()), bad)
    paper = fits_to_show(dataset, printed)
    rare = (
        warned if warned.size <= _MOST_FITS // 4 else warned[:0]
    )  # what nearly all have, evenly spread ones show
    first = np.array(list(dict.fromkeys([*paper, *bad.tolist(), *rare.tolist()])), np.intp)
    fits = _fits(dataset, shape, first, share)
    flagged = np.concatenate([bad, warned])
    drawn = np.array([one["spectrum"] for one in fits["spectra"]], np.intp) if fits else flagged[:0]
    wanted = np.concatenate([drawn, flagged[~np.isin(flagged, drawn)]])
    chosen, numbers = _numbers(dataset, shape, wanted, share)
    return {
        "total": math.prod(shape),
        "dims": [_dimension(dataset, d) for d in dims] if len(dims) == 2 else [],
        "numbers": numbers,
        "curves": _curves(dataset, chosen, share),
        "planes": planes(dataset, share),
        "fits": fits,
        "printed": [flat for flat in paper if flat in drawn],
    }


def choose(shape: tuple[int, ...], most: int, first: npt.NDArray[np.integer]) -> tuple[Chosen, int]:
    """Flat indices of about ``most`` spectra, evenly spread, up to half of them from ``first``; and the step of a map.

    Of a map every so many rows and columns are taken, so that what is left is a map again.
    """
    total = math.prod(shape)
    if total <= most:
        return np.arange(total), 1
    wanted = first[: most // 2]
    room = most - wanted.size
    step = 1
    if len(shape) == 2:
        step = math.ceil(math.sqrt(total / room))
        even = np.arange(total).reshape(shape)[::step, ::step].ravel()
    else:
        even = np.linspace(0, total - 1, room).round().astype(np.intp)
    return np.unique(np.concatenate([even, wanted]).astype(np.intp)), step


def first_spectra(dataset: xr.Dataset, most: int) -> xr.Dataset:
    """The numbers of the first ``most`` spectra, in memory: enough for as many rows of a table."""
    slim = _slim(dataset)
    shape = tuple(dataset.sizes[d] for d in series_dims(dataset))
    return _picked(slim, [str(n) for n in slim.data_vars], np.arange(min(most, math.prod(shape))))


def _dimension(dataset: xr.Dataset, dim: str) -> dict[str, Any]:
    one = coordinate(dataset, dim)
    return {"name": dim, "size": dataset.sizes[dim], **_told(one)}


def _told(one: Coordinate) -> dict[str, Any]:
    names = None if one.names is None else [conventions.plain_text(name) for name in one.names]
    return {
        "label": conventions.plain_text(one.label or one.name),
        "values": encoded(one.values),
        "names": names,
    }


def _picked(dataset: xr.Dataset, names: list[str], chosen: Chosen) -> xr.Dataset:
    """Variables of some spectra, in memory, along one dimension."""
    import xarray as xr

    dims = series_dims(dataset)
    part = dataset[names]
    if not dims:
        return part.load()
    shape = tuple(dataset.sizes[d] for d in dims)
    if len(dims) == 1:
        whole = chosen.size == shape[0]
        return (part if whole else part.isel({dims[0]: chosen})).load()
    places = np.unravel_index(chosen, shape)
    index = {d: xr.DataArray(i, dims="spectrum") for d, i in zip(dims, places, strict=True)}
    return part.isel(index).load()


def _numbers(
    dataset: xr.Dataset, shape: tuple[int, ...], first: npt.NDArray[np.integer], share: float
) -> tuple[Chosen, dict[str, Any]]:
    """Table of results, a row per spectrum and component, column by column."""
    from spectra.results.table import tidy_table

    slim = _slim(dataset)
    names = [str(n) for n in slim.data_vars]
    parts = slim.sizes.get("component", 1)
    width = sum(4 * (parts if "component" in slim[n].dims else 1) * _labels(slim, n) for n in names)
    chosen, step = choose(shape, max(int(share * _NUMBERS / max(width, 1)), 500), first)
    part = _picked(slim, names, chosen)
    frame = asked_first(tidy_table(part), part)
    state = part["status"].values.ravel() if "status" in part else np.zeros(chosen.size)
    bad = np.broadcast_to(np.asarray(failed(part).values).ravel(), chosen.size)
    return chosen, {
        "spectra": encoded(chosen),
        "step": step,
        "failed": encoded(bad),
        "flagged": encoded(np.broadcast_to(state != 0, chosen.size)),
        "components": [_plain(n) for n in part["component"].values] if "component" in part.dims else None,
        "columns": _columns(part, frame, dataset),
        "against": _against(part),
    }


def _plain(name: object) -> str:
    return conventions.plain_text(conventions.species_text(name))


def _labels(dataset: xr.Dataset, name: str) -> int:
    """How many columns of a table a variable takes."""
    return math.prod(dataset.sizes[d] for d in dataset[name].dims if d not in _rows(dataset))


def _rows(dataset: xr.Dataset) -> set[str]:
    return {*series_dims(dataset), "component"}


def _slim(dataset: xr.Dataset) -> xr.Dataset:
    """The dataset without its curves; of what was measured two points stay, which make it a dataset of spectra."""
    axis, signal = spectral_axis(dataset), signal_name(dataset)
    curves = [
        n
        for n, v in dataset.variables.items()
        if n not in (signal, axis) and ({axis, *_PARAMETERS} & set(v.dims) or _is_curve(dataset, str(n)))
    ]
    return dataset.drop_vars(curves).isel({axis: slice(0, 2)})


def _is_curve(dataset: xr.Dataset, name: str) -> bool:
    """Whether a variable lies along a dimension that has no texts as labels, beside those of the table's rows."""
    extra = [d for d in dataset[name].dims if d not in _rows(dataset)]
    return any(d not in dataset.coords or dataset[d].dtype.kind not in "OUT" for d in extra)


def _columns(part: xr.Dataset, frame: pd.DataFrame, dataset: xr.Dataset) -> list[dict[str, Any]]:
    parts = part.sizes.get("component", 1)
    units = frame.attrs.get("units", {})
    columns = []
    for name in map(str, frame.columns):
        stem, _, _ = name.partition("[")
        ends = ("_sigma", "_systematic")
        if any(name.endswith(end) and name.removesuffix(end) in frame.columns for end in ends):
            continue
        along = stem == "component" or (stem in part.variables and "component" in part[stem].dims)
        step = 1 if along else parts
        column: dict[str, Any] = {
            "name": name,
            "label": conventions.plain_text(conventions.unit_text(units[name])) if name in units else "",
            "component": bool(along and "component" in part.dims),
            **_values(frame[name].iloc[::step]),
        }
        for end in ends:
            if f"{name}{end}" in frame.columns and "values" in column:
                column[end[1:]] = encoded(frame[f"{name}{end}"].iloc[::step].to_numpy(float))
        column["trend"] = stem in dataset.data_vars and conventions.is_trend(dataset, stem)
        if column["trend"]:
            column["group"] = stem
            column["answer"] = stem in conventions.answers()
            column["title"] = conventions.plain_text(conventions.variable_label(dataset, stem))
        columns.append(column)
    return columns


def _values(column: pd.Series[Any]) -> dict[str, Any]:
    """A column as numbers, or as texts that are each told once."""
    if column.dtype.kind in "fiub":
        return {"values": encoded(column.to_numpy(float))}
    texts = [str(value) for value in column]
    known = {text: i for i, text in enumerate(dict.fromkeys(texts))}
    return {"texts": list(known), "codes": [known[text] for text in texts]}


def _against(part: xr.Dataset) -> list[dict[str, Any]]:
    """Coordinates of the series that numbers may be drawn against: a value per spectrum."""
    (dim,) = series_dims(part) or ("",)
    found = []
    for name in map(str, part.coords):
        if dim and part[name].dims == (dim,) and part[name].dtype.kind in "fiumM" and part[name].size:
            if part[name].dtype.kind in "f" and not np.isfinite(part[name].values).any():
                continue
            found.append({"name": name, **_told(coordinate(part, name))})
    return sorted(found, key=lambda one: one["name"] != dim)


def _curves(dataset: xr.Dataset, known: Chosen, share: float) -> list[dict[str, Any]]:
    """Curves of a series, as they were measured and as they became."""
    names = [n for n in conventions.shown_curves(dataset) if len(conventions.axes_of(dataset, n)) == 1]
    series = set(series_dims(dataset))
    names = [
        n for n in names if {str(d) for d in dataset[n].dims} <= series | set(conventions.axes_of(dataset, n))
    ]
    found = []
    for name in names:
        (axis,) = conventions.axes_of(dataset, name)
        thin = thinned(dataset.sizes[axis], _POINTS)
        points = len(range(*thin.indices(dataset.sizes[axis])))
        most = min(max(int(share * _CURVES / (4 * points * len(names))), 8), _MOST_CURVES)
        whole = series <= {str(d) for d in dataset[name].dims}
        chosen = (
            known[np.unique(np.linspace(0, known.size - 1, most).round().astype(int))] if whole else known[:1]
        )
        part = _one_curve(dataset, name, chosen, {axis: thin})
        values = conventions.weighted(part, name)
        order = [part[name].dims.index(d) for d in part[name].dims if d != axis] + [
            part[name].dims.index(axis)
        ]
        label = conventions.plain_text(conventions.short_label(dataset, name))
        found.append(
            {
                "name": name,
                "label": f"{label[:1].upper()}{label[1:]}" if label[1:2].isalpha() else label,
                "title": conventions.plain_text(conventions.variable_label(dataset, name)),
                "axis": conventions.plain_text(conventions.axis_label(dataset, axis)),
                "descends": conventions.descends(axis),
                "x": encoded(part[axis].values),
                "spectra": encoded(chosen),
                "values": encoded(values.transpose(order)),
                "every": thin.step,
                "zoom": conventions.zoom(dataset, name),
            }
        )
    return found


def _one_curve(dataset: xr.Dataset, name: str, chosen: Chosen, index: dict[str, slice]) -> xr.Dataset:
    """One variable of some spectra, with nothing beside its axis."""
    signal = signal_name(dataset)
    bare = dataset.drop_vars([n for n in dataset.coords if n not in dataset.dims])
    return _picked(bare[list(dict.fromkeys([name, signal]))].isel(index), [name], chosen)


def _fits(
    dataset: xr.Dataset, shape: tuple[int, ...], first: npt.NDArray[np.integer], share: float
) -> dict[str, Any] | None:
    """Fits with data, components, background and residual; of a few spectra ``first``."""
    if "best_fit" not in dataset or "residual" not in dataset:
        return None
    (axis,) = conventions.axes_of(dataset, "best_fit")
    signal = signal_name(dataset)
    wanted = [signal, f"{signal}_sigma", "best_fit", "residual", "component_curve", "background", "baseline",
              "net_sigma", "fit_sigma", "height", "status"]  # fmt: skip
    names = [n for n in wanted if n in dataset]
    thin = thinned(dataset.sizes[axis], _POINTS)
    points = len(range(*thin.indices(dataset.sizes[axis])))
    curves = 4 + dataset.sizes.get("component", 0)
    most = min(max(int(share * _FITS / (4 * points * curves)), 5), _MOST_FITS)
    chosen, _ = choose(shape, most, first)
    part = _picked(dataset, names, chosen)
    dims = series_dims(part)
    components = [_plain(n) for n in part["component"].values] if "component_curve" in part else []
    spectra = []
    for i, flat in enumerate(chosen):
        one = part.isel({dims[0]: i}) if dims else part
        spectra.append(_fit(one, int(flat), thin))
    return {
        "axis": conventions.plain_text(conventions.axis_label(dataset, axis)),
        "descends": conventions.descends(axis),
        "title": conventions.plain_text(conventions.variable_label(dataset, signal)),
        "x": encoded(part[axis].values[thin]),
        "components": components,
        "every": thin.step,
        "spectra": spectra,
    }


def _fit(one: xr.Dataset, flat: int, thin: slice) -> dict[str, Any]:
    found = fit_parts(one)
    if found is None:
        measured = np.asarray(one[signal_name(one)].values, float)
        return {"spectrum": flat, "data": encoded(measured[thin]), "fit": None}
    scale = 1.0 if found.sigma is None else found.sigma
    with np.errstate(divide="ignore", invalid="ignore"):
        over = found.residual / scale
    order = [str(n) for n in one["component"].values] if "component_curve" in one else []
    return {
        "spectrum": flat,
        "data": encoded(found.data[thin]),
        "fit": encoded(found.fit[thin]),
        "base": encoded(found.base[thin]),
        "parts": {order.index(name): encoded(curve[thin]) for name, curve in found.components.items()},
        "residual": encoded(over[thin]),
        "over_sigma": found.sigma is not None,
    }
