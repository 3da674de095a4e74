"""Results files: saved in one step, loaded as the datasets that were saved."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spectra.errors import InvalidInput
from spectra.results.writer import Compression

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["load", "load_all", "save"]


def save(
    path: str | os.PathLike[str],
    datasets: xr.Dataset | Mapping[str, xr.Dataset],
    *,
    recipe: Mapping[str, Any] | str | None = None,
    command: str | None = None,
    compression: Compression = "gzip",
    embed_limit: float = 5e6,
) -> Path:
    """Write one or several datasets to a NeXus file that opens in any viewer and can re-run itself.

    The file appears in one step. If anything fails, a full disk or Ctrl-C included, the file that was there before is
    intact. A results file is never changed in place: to add a dataset, load the others and save all.

    Parameters
    ----------
    path : path
        File to write, by convention ``*.nxs``.
    datasets : xarray.Dataset or mapping of str to xarray.Dataset
        One dataset, or several by name; each becomes one entry.
    recipe : mapping or str, optional
        The recipe as it was written; the verbs with their resolved options are in the file in any case.
    command : str, optional
        Command line or notebook cell that made this.
    compression : {"gzip", "zstd", "none"}
        ``gzip`` is read by every program; ``zstd`` is faster for large series and needs a plug-in to read.
    embed_limit : float
        Bytes of input files to keep in the results file, all together. Their SHA-256 is kept in any case.

    Returns
    -------
    Path
        Of the file.

    Raises
    ------
    WriteError
        The file cannot be written, or a variable holds what a file cannot.
    InvalidInput
        No dataset, or one that does not keep the conventions.

    Notes
    -----
    Numbers are stored as they are: counts as integers, results in double precision, so that a re-run can be compared
    to 1e-10. Not stored: ``Dataset.encoding``. Tuples and arrays in attributes come back as lists.

    Examples
    --------
    >>> import pathlib, tempfile, spectra
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "results.nxs"
    >>> data = spectra.from_arrays([1.0, 2, 3, 4], [5.0, 6, 7, 8])
    >>> _ = spectra.save(file, spectra.crop(data, window=(2, 4)))
    >>> spectra.load(file).intensity.values
    array([6., 7., 8.])
    """
    from spectra.dataset import as_dataset
    from spectra.results.provenance import gather
    from spectra.results.tree import to_nexus
    from spectra.results.writer import write_tree

    named = dict(datasets) if _is_several(datasets) else {_name(datasets, path): datasets}
    if not named:
        raise InvalidInput("nothing to save: datasets is empty.")
    checked = {str(name): as_dataset(dataset, verb="spectra.save") for name, dataset in named.items()}
    said = gather(checked.values(), recipe=recipe, command=command, embed_limit=embed_limit)
    return write_tree(path, to_nexus(checked, said), compression=compression)


def _is_several(datasets: Any) -> bool:
    import xarray as xr

    return isinstance(datasets, Mapping) and not isinstance(datasets, xr.Dataset)


def _name(dataset: Any, path: str | os.PathLike[str]) -> str:
    """What a single dataset is called: by its sample and its edge or region, else as the file."""
    attrs = getattr(dataset, "attrs", {})
    edge = attrs.get("region") or " ".join(str(attrs[k]) for k in ("element", "edge") if attrs.get(k))
    parts = [str(part) for part in (attrs.get("sample"), edge) if part]
    return " ".join(parts) or Path(path).stem


def load(path: str | os.PathLike[str], *, lazy: bool = False) -> xr.Dataset | dict[str, xr.Dataset]:
    """Datasets of a results file, as they were saved: values, units, flags, history and the data as measured.

    Parameters
    ----------
    path : path
        A file that :func:`spectra.save` wrote.
    lazy : bool
        Leave large arrays in the file, as arrays of dask, until they are needed: for files larger than memory. The
        file must stay where it is. Needs the package dask.

    Returns
    -------
    xarray.Dataset or dict of str to xarray.Dataset
        The dataset where the file holds one, several by name.

    Raises
    ------
    ReadError
        The file is missing, damaged, or not a results file. (Measured data of other programs: ``spectra.read``.)
    """
    datasets = load_all(path, lazy=lazy)
    return next(iter(datasets.values())) if len(datasets) == 1 else datasets


def load_all(path: str | os.PathLike[str], *, lazy: bool = False) -> dict[str, xr.Dataset]:
    """As :func:`load`, by name even where there is one."""
    from spectra.results.unpack import read_entries

    return {entry.name: entry.result() for entry in read_entries(path, lazy=lazy)}
