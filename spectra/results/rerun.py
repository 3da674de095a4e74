"""An analysis computed again from its results file alone, and compared number by number."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset.conventions import series_dims
from spectra.errors import SpectraError
from spectra.results.provenance import package_versions
from spectra.results.unpack import Entry, read_entries
from spectra.verbs import find_verb, settled

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["RerunReport", "largest_difference", "rerun"]


@dataclass(frozen=True)
class RerunReport:
    """What came out of a re-run.

    Attributes
    ----------
    datasets : dict of str to xarray.Dataset
        As computed now.
    differences : pandas.DataFrame
        A row per variable that a verb made: ``entry``, ``variable``, ``difference`` (largest, relative), ``same``,
        ``remark``.
    identical : bool
        Every stored variable was made again and is the same to the tolerance.
    versions : tuple of str
        Packages that have another version than when the file was written.
    """

    datasets: dict[str, xr.Dataset]
    differences: pd.DataFrame
    identical: bool
    versions: tuple[str, ...]

    def __str__(self) -> str:
        table = self.differences
        if len(table):
            shown = table.assign(
                difference=table["difference"].map("{:.1e}".format), same=table["same"].map(_yes_no)
            )
            lines = [shown.to_string(index=False)]
        else:
            lines = ["No verb was applied to these data: there is nothing to compute again."]
        if self.versions:
            lines.append("Versions that changed since: " + ", ".join(self.versions) + ".")
        count = int(table["same"].sum()) if len(table) else 0
        lines.append(f"{count} of {len(table)} variables are the same." if len(table) else "")
        return "\n".join(line for line in lines if line)

    def _repr_html_(self) -> str:
        from spectra.notebook.pages import frame_html, page_html, sentence_html

        table = self.differences
        same = int(table["same"].sum()) if len(table) else 0
        changed = f"Versions that changed since: {', '.join(self.versions)}." if self.versions else ""
        return page_html(
            f"{same} of {len(table)} variables are the same"
            if len(table)
            else "No verb was applied to these data",
            sentence_html(changed) if changed else "",
            frame_html(
                table.assign(
                    difference=table["difference"].map("{:.1e}".format), same=table["same"].map(_yes_no)
                )
            )
            if len(table)
            else "",
        )


def _yes_no(value: bool) -> str:
    return "yes" if value else "no"


def rerun(
    path: str | os.PathLike[str], *, out: str | os.PathLike[str] | None = None, rtol: float = 1e-10
) -> RerunReport:
    """Apply the verbs in a results file again to the data as measured in it, and compare what comes out.

    Parameters
    ----------
    path : path
        Results file. Nothing else is read.
    out : path, optional
        Where to save what is computed now.
    rtol : float
        Largest relative difference that counts as the same. A curve is compared relative to its own largest value,
        a number relative to itself.

    Returns
    -------
    RerunReport

    Raises
    ------
    ReadError
        The file is not a results file, or damaged.
    SpectraError
        A verb is not installed, or an option could not be stored when the file was written.

    Examples
    --------
    >>> import pathlib, tempfile, spectra
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "results.nxs"
    >>> data = spectra.from_arrays([1.0, 2, 3, 4], [5.0, 6, 7, 8])
    >>> _ = spectra.save(file, spectra.crop(data, window=(2, 4)))
    >>> rerun(file).identical
    True
    """
    import pandas as pd

    entries = read_entries(path)
    datasets = {entry.name: replay(entry.start, entry.steps[entry.first :]) for entry in entries}
    rows = [row for entry in entries for row in _compared(entry, datasets[entry.name], rtol)]
    table = pd.DataFrame(rows, columns=["entry", "variable", "difference", "same", "remark"])
    if out is not None:
        from spectra.results.store import save

        save(out, datasets, command=f"spectra.results.rerun.rerun({Path(path).name!r})")
    required = table[table["remark"] != _OUTSIDE]
    return RerunReport(datasets, table, bool(required["same"].all()), tuple(_changed_versions(entries)))


def replay(start: xr.Dataset, steps: list[dict[str, Any]]) -> xr.Dataset:
    """``start`` with the verbs of a history applied in order."""
    dataset = start
    for number, step in enumerate(steps, 1):
        try:
            with settled(step.get("series", {})):
                dataset = find_verb(step["verb"]).function(dataset, **_options(step))
        except SpectraError as error:
            raise type(error)(f"the re-run stops at verb {number} of {len(steps)}: {error}") from error
    return dataset


def _options(step: Mapping[str, Any]) -> dict[str, Any]:
    """Options as given; an object that JSON cannot hold is replaced by the description that its verb left, and a file
    by the content that its verb took from it.
    """
    options = {}
    for name, value in step["options"].items():
        described = step.get("resolved", {}).get(name)
        if isinstance(described, Mapping) and "content" in described:
            value = described
        if isinstance(value, Mapping) and "not_storable" in value:
            if name not in step.get("resolved", {}):
                raise SpectraError(
                    f"{step['verb']} was called with {name}={value.get('text', '')}, which could not be stored"
                )
            value = step["resolved"][name]
        options[name] = value
    return options


_OUTSIDE = "not made by a verb"


def _compared(entry: Entry, again: xr.Dataset, rtol: float) -> Iterator[tuple[str, str, float, bool, str]]:
    """A row for every variable of the stored dataset that is not as measured."""
    for name, path in entry.paths.items():
        if path.startswith("outside_of_verbs/"):
            yield entry.name, name, np.nan, False, _OUTSIDE
        elif name in entry.missing:
            yield entry.name, name, np.nan, False, "deleted from the file"
        elif name not in again.variables:
            yield entry.name, name, np.nan, False, "not made again"
        else:
            difference = largest_difference(entry.left, again, name)
            yield entry.name, name, difference, difference <= rtol, ""


def largest_difference(stored: xr.Dataset, again: xr.Dataset, name: str) -> float:
    """Largest relative difference of one variable; infinite where kind, shape or missing values differ."""
    old, new = stored.variables[name], again.variables[name]
    if old.dims != new.dims or old.shape != new.shape or old.dtype.kind != new.dtype.kind:
        return np.inf
    a, b = np.asarray(old.values), np.asarray(new.values)
    if a.dtype.kind not in "fc":
        return 0.0 if np.array_equal(a, b, equal_nan=a.dtype.kind in "Mm") else np.inf
    if not np.array_equal(np.isnan(a), np.isnan(b)):
        return np.inf
    curve = tuple(i for i, d in enumerate(old.dims) if _is_curve_axis(stored, str(d)))
    return _relative(a, b, curve)


def _is_curve_axis(dataset: xr.Dataset, dim: str) -> bool:
    numeric = dim in dataset.coords and dataset[dim].dtype.kind in "fiu"
    return numeric and dim not in series_dims(dataset)


def _relative(a: npt.NDArray[Any], b: npt.NDArray[Any], curve: tuple[int, ...]) -> float:
    with np.errstate(invalid="ignore"):  # equal infinities
        difference = np.where(a == b, 0.0, np.abs(a - b))
    scale = np.nan_to_num(np.abs(a), posinf=0.0)
    if curve:
        scale = scale.max(axis=curve, keepdims=True)
    different = np.nan_to_num(difference, nan=0.0, posinf=np.inf) > 0
    if not different.any():
        return 0.0
    with np.errstate(divide="ignore"):
        return float(np.max((difference / scale)[different]))


def _changed_versions(entries: list[Entry]) -> list[str]:
    now = package_versions()
    then = {
        name: version for entry in entries for name, version in entry.environment.get("packages", {}).items()
    }
    return [f"{n} {v} → {now.get(n, 'not installed')}" for n, v in then.items() if now.get(n) != v]
