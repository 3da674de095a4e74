"""What is in files, in a table: one row per scan, a fault where a file cannot be read, never an exception."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from spectra.dataset.conventions import spectral_axis
from spectra.errors import SpectraError
from spectra.reading.registry import find_reader, read_scans
from spectra.reading.scan import notes_of
from spectra.reading.series import expand
from spectra.reading.source import Source

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["inspect"]

_COLUMNS = (
    "file",
    "reader",
    "number",
    "scan",
    "technique",
    "element",
    "edge",
    "region",
    "sample",
    "points",
    "axis",
    "first",
    "last",
    "units",
    "variables",
    "start",
    "note",
    "fault",
)


def inspect(*paths: str | os.PathLike[str]) -> pd.DataFrame:
    """List every scan in files of any kind.

    Parameters
    ----------
    *paths : path or pattern
        Files, or patterns such as ``"data/*.xdi"``.

    Returns
    -------
    pandas.DataFrame
        One row per scan: file, reader, number and name of the scan (what ``select=`` takes), technique, element,
        edge, region, sample, points, axis with its first and last value and units, variables, start of the
        measurement, what was noted on reading, and the fault of a file that cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile, spectra
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "empty.csv"
    >>> _ = file.write_text("")
    >>> spectra.inspect(file).fault[0].endswith("is empty (0 bytes).")
    True
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for path in paths:
        try:
            files = expand(path)
        except SpectraError as error:
            rows.append({"file": os.fspath(path), "fault": str(error)})
            continue
        for file in files:
            rows += _rows(file)
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def _rows(file: str) -> list[dict[str, Any]]:
    reader = None
    try:
        reader = find_reader(Source(file)).name
        return [_row(file, number, scan) for number, scan in enumerate(read_scans(file))]
    except SpectraError as error:
        fault = str(error)
    except (
        Exception
    ) as error:  # a reader's own mistake is a fault of the file to the one who asks what is in it
        fault = f"{file}: the {reader} reader failed on it ({type(error).__name__}: {error})."
    return [{"file": file, "reader": reader, "fault": fault}]


def _row(file: str, number: int, scan: xr.Dataset) -> dict[str, Any]:
    axis = spectral_axis(scan)
    x = np.asarray(scan[axis].values)
    attrs = scan.attrs
    return {
        "file": file,
        "reader": attrs.get("reader"),
        "number": number,
        "scan": attrs.get("title"),
        **{key: attrs.get(key) for key in ("technique", "element", "edge", "region", "sample")},
        "points": x.size,
        "axis": axis,
        "first": float(x[0]),
        "last": float(x[-1]),
        "units": scan[axis].attrs.get("units", ""),
        "variables": ", ".join(map(str, scan.data_vars)),
        "start": attrs.get("start_time"),
        "note": "; ".join(notes_of(scan)) or None,
    }
