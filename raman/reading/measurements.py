"""Raman and infrared spectra from files of any kind: a spectrum, a map or a series of one measurement."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from raman.reading.faults import marked
from raman.reading.labelled import as_raman
from raman.reading.labspec_text import is_stacked
from raman.reading.measured import LASERS, detector_units
from raman.reading.shift import Medium
from spectra.dataset.conventions import series_dims, spectral_axis
from spectra.errors import InvalidInput, ReadError
from spectra.reading.registry import choose, options_of_readers, read_scans
from spectra.reading.scan import add_note
from spectra.reading.series import Grid, Paths, expand, read_each, stack
from spectra.reading.source import Source
from spectra.verbs import history, reading_verb

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["read", "read_series"]

Axis = Literal["raman_shift", "wavenumber"]
_TECHNIQUES = {"raman_shift": "raman", "wavenumber": "ftir", "path_difference": "ftir"}


@reading_verb("raman.read", passes_on=options_of_readers)
def read(
    path: str | os.PathLike[str],
    *,
    select: str | int | None = None,
    reader: str | None = None,
    laser: float | None = None,
    medium: Medium = "vacuum",
    columns: dict[str, int | str] | None = None,
    axis: Axis | None = None,
    delimiter: str | None = None,
    decimal: Literal[".", ","] | None = None,
    encoding: str | None = None,
    **reader_options: Any,
) -> xr.Dataset:
    r"""Read one measurement: Raman ``intensity`` along ``raman_shift``, or infrared spectra along ``wavenumber``.

    Parameters
    ----------
    path : str or Path
        A file of any kind that a reader is installed for; what it is is decided by its content.
    select : str or int, optional
        Which of several measurements: its name, or its number from 0.
    reader : str, optional
        Name of the reader where the content should not decide.
    laser : float, optional
        Wavelength of the laser in nm, for files that do not state it or state it wrong. Axes in nm, eV or absolute
        wavenumbers become Raman shifts with it; an axis that is a Raman shift stays what it is.
    medium : {"vacuum", "air"}
        What wavelengths in nm, that of the laser too, were measured in; files do not say it. Those in air taken for
        those in vacuum make shifts too large by the factor 1.00028.
    columns : dict, optional
        Text: name → column, by number from 1 or label: ``{"raman_shift": 1, "intensity": 2}``.
    axis : {"raman_shift", "wavenumber"}, optional
        Text: which axis it is. Default: what the file says; the Raman shift where it says nothing.
    delimiter : str, optional
        Text: what stands between columns. Default: found from the content.
    decimal : {".", ","}, optional
        Text: the decimal mark. Default: found from the content.
    encoding : str, optional
        Text: the encoding. Default: found from the content.
    **reader_options
        Further options, of the reader: ``spectra list readers NAME`` shows those that it has.

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    ReadError
        The file cannot be read; the sentence says why and what to do.
    InvalidInput
        The file holds several measurements and none or an unknown one was selected; ``laser`` is no wavelength in nm.

    Examples
    --------
    >>> import pathlib, tempfile, raman
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "carbon.txt"
    >>> _ = file.write_text("1360\t310\n1350\t320\n1340\t300\n")
    >>> raman.read(file).raman_shift.values
    array([1340., 1350., 1360.])
    """
    options = _options(columns, axis, delimiter, decimal, encoding) | reader_options
    scans = read_scans(path, reader=_reader(path, reader), options=options, hints=_hints(axis, laser, medium))
    return marked(_measurement(choose(scans, select, file=os.fspath(path)), laser, medium))


@reading_verb("raman.read_series", passes_on=options_of_readers)
def read_series(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    dim: str = "scan",
    coordinate: tuple[float, ...] | str | None = None,
    select: str | int | tuple[str | int, ...] | None = None,
    grid: Grid | None = None,
    reader: str | None = None,
    laser: float | None = None,
    medium: Medium = "vacuum",
    columns: dict[str, int | str] | None = None,
    axis: Axis | None = None,
    delimiter: str | None = None,
    decimal: Literal[".", ","] | None = None,
    encoding: str | None = None,
    **reader_options: Any,
) -> xr.Dataset:
    r"""Read a series of measurements, many files or the spectra of one, into one dataset with a series dimension.

    Parameters
    ----------
    paths : path, pattern or list of such
        ``"operando/*.wdf"``; a pattern is sorted with numbers by value, a list keeps its order.
    dim : str
        Name of the series dimension; ``time`` makes the wall clock its coordinate.
    coordinate : tuple of float or str, optional
        Coordinate of ``dim``: one number per spectrum, or the name of a number in the metadata.
    select : str, int or tuple, optional
        Which measurements of each file, by name or number from 0; a name may fit several.
    grid : {"first", "union", "intersection"}, optional
        Axis values to interpolate to where the spectra differ; without it differing spectra are refused.
    reader : str, optional
        Name of the reader where the content should not decide.
    laser : float, optional
        Wavelength of the laser in nm, for files that do not state it or state it wrong. Axes in nm, eV or absolute
        wavenumbers become Raman shifts with it; an axis that is a Raman shift stays what it is.
    medium : {"vacuum", "air"}
        What wavelengths in nm, that of the laser too, were measured in; files do not say it. Those in air taken for
        those in vacuum make shifts too large by the factor 1.00028.
    columns : dict, optional
        Text: name → column, by number from 1 or label.
    axis : {"raman_shift", "wavenumber"}, optional
        Text: which axis it is. Default: what the file says; the Raman shift where it says nothing.
    delimiter : str, optional
        Text: what stands between columns.
    decimal : {".", ","}, optional
        Text: the decimal mark.
    encoding : str, optional
        Text: the encoding.
    **reader_options
        Further options, of the reader: ``spectra list readers NAME`` shows those that it has.

    Returns
    -------
    xarray.Dataset
        Coordinates ``label`` (file and measurement) and, where the files say it, ``time`` (s since the first) lie
        along ``dim``. One file that holds a series or a map itself comes back with its own dimensions; the spectra
        of several time series go one after the other; maps of one shape are stacked.

    Raises
    ------
    ReadError
        A file cannot be read, or the spectra do not fit together.

    Examples
    --------
    >>> import pathlib, tempfile, raman
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for n in (1, 2):
    ...     _ = (folder / f"step{n}.txt").write_text(f"500\t{n}\n520\t2\n")
    >>> raman.read_series(folder / "*.txt").intensity.dims
    ('scan', 'raman_shift')
    """
    options = _options(columns, axis, delimiter, decimal, encoding) | reader_options
    hints = _hints(axis, laser, medium)
    each = read_each(paths, select=select, reader=_reader(paths, reader), options=options, hints=hints)
    scans = [(label, _measurement(scan, laser, medium)) for label, scan in each]
    if len(scans) == 1 and series_dims(scans[0][1]) and coordinate is None:
        return marked(scans[0][1])
    single = [one for label, scan in scans for one in _unrolled(label, scan)]
    return marked(stack(single, dim=dim, coordinate=coordinate, grid=grid))


def _unrolled(label: str, scan: xr.Dataset) -> Iterator[tuple[str, xr.Dataset]]:
    """The spectra of a series of one place, each with the time it was taken at; maps and lines stay what they are."""
    dims = series_dims(scan)
    if len(dims) != 1 or dims[0] not in ("time", "scan"):
        yield label, scan.rename(time="time_in_scan") if "time" in scan.coords else scan
        return
    for number in range(scan.sizes[dims[0]]):
        one = scan.isel({dims[0]: number})
        if "time" in one.coords and "start_time" in scan.attrs:
            start = datetime.datetime.fromisoformat(str(scan.attrs["start_time"]))
            at = start + datetime.timedelta(seconds=float(one["time"]))
            one = one.assign_attrs(start_time=at.isoformat())
        yield f"{label} {number}", one.drop_vars([name for name in ("time", "scan") if name in one.coords])


def _reader(paths: Paths, told: str | None) -> str | None:
    """The reader that is told, or that of LabSpec for its tables without a header, which no content gives away."""
    if told is not None or not isinstance(paths, str | os.PathLike | Sequence):
        return told
    first = Source(expand(paths)[0])
    return "labspec-text" if is_stacked(first) else None


def _options(
    columns: dict[str, int | str] | None,
    axis: str | None,
    delimiter: str | None,
    decimal: str | None,
    encoding: str | None,
) -> dict[str, Any]:
    return {
        "columns": columns,
        "axis": axis,
        "delimiter": delimiter,
        "decimal": decimal,
        "encoding": encoding,
    }


def _hints(axis: str | None, laser: float | None, medium: Medium) -> dict[str, Any]:
    low, high = LASERS
    if laser is not None and not low <= laser <= high:
        raise InvalidInput(
            f"laser must be a wavelength in nm between {low:g} and {high:g}, got {laser:g}; 532 nm is laser=532.0."
        )
    return {
        "default_axis": axis or "raman_shift",
        "bad_lines": "skip",
        "laser": laser,
        "medium": medium,
    }


def _measurement(scan: xr.Dataset, laser: float | None, medium: Medium) -> xr.Dataset:
    """The scan as vibrational spectrum: technique, names of the field, the laser that was told."""
    if scan.attrs.get("reader") == "text":
        scan = as_raman(scan, laser, medium)
    axis = spectral_axis(scan)
    if axis not in _TECHNIQUES:
        where = scan.encoding.get("file") or scan.attrs.get("title") or "the scan"
        raise ReadError(f"{where} lies along {axis}, which is no axis of a Raman or infrared spectrum.")
    if history(scan) and history(scan)[0]["verb"] != "spectra.from_arrays":
        return scan  # a result of ours comes back as it was saved
    scan = scan.assign_attrs(technique=scan.attrs.get("technique", _TECHNIQUES[axis]))
    if axis != "raman_shift":
        return scan
    return _with_laser(_named(scan), laser)


def _named(scan: xr.Dataset) -> xr.Dataset:
    """The measured variable as ``intensity``, in the counts of a detector where it is in counts."""
    signal = str(scan.attrs["signal"])
    if signal not in ("intensity", "counts") and "intensity" not in scan.variables:
        label = scan[signal].attrs.get("long_name", signal)
        scan = scan.rename({signal: "intensity"}).assign_attrs(signal="intensity")
        scan["intensity"].attrs["long_name"] = label
        signal = "intensity"
    if signal == "intensity":
        scan["intensity"].attrs["units"] = detector_units(str(scan["intensity"].attrs.get("units", "")))
    return scan


def _with_laser(scan: xr.Dataset, laser: float | None) -> xr.Dataset:
    if laser is None:
        return scan
    stated = scan.attrs.get("laser_wavelength")
    if stated is not None and abs(stated - laser) > 1e-6 * laser:
        scan = add_note(
            scan,
            f"the file states a laser of {stated:g} nm, {laser:g} nm was told: the Raman shifts of the file stand as they are",
        )
    return scan.assign_attrs(laser_wavelength=laser)
