"""Regions of photoelectron spectra from files of any kind: one, or a series of the same region."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from spectra.reading.registry import choose, options_of_readers, read_scans
from spectra.reading.scan import add_note
from spectra.reading.series import Grid, read_each, stack
from spectra.verbs import note, reading_verb
from xps.alike import different_pass_energies
from xps.reading.levels import core_level
from xps.reading.spectrum import QUANTITY_UNITS, UNITS, are_whole

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["read", "read_series"]


_HINTS = {"default_axis": "binding_energy"}


@reading_verb("xps.read", passes_on=options_of_readers)
def read(
    path: str | os.PathLike[str],
    *,
    select: str | int | None = None,
    reader: str | None = None,
    columns: dict[str, int | str] | None = None,
    axis: Literal["binding_energy", "kinetic_energy"] | None = None,
    delimiter: str | None = None,
    decimal: Literal[".", ","] | None = None,
    encoding: str | None = None,
    **reader_options: Any,
) -> xr.Dataset:
    r"""Read one region of photoelectron spectra: ``counts`` along ``binding_energy``, ascending.

    Energies are binding energies on the scale of the file (photon energy of the file minus kinetic energy), not
    calibrated: see :func:`xps.calibrate`. Where the file states no photon energy they stay kinetic. Counts stay
    counts; counts per second become counts where the file says how long was counted, else ``count_rate``; what is
    neither is ``intensity``. The transmission of the analyser stands beside them as ``transmission``; photon energy
    (eV), pass energy (eV), dwell time (s) and sweeps are attributes.

    Parameters
    ----------
    path : str or Path
        VAMAS, PHI, Scienta, SPECS, Avantage, CasaXPS, text, or any other file a reader is installed for.
    select : str or int, optional
        Which of several regions: its name (``"Mn 2p"``), its sample, both (``"Mn 2p MnO"``), or its number from 0.
        A prefix such as ``2:`` is left out of account.
    reader : str, optional
        Name of the reader where the content should not decide.
    columns : dict, optional
        Text: name → column, by number from 1 or label: ``{"binding_energy": 1, "counts": 2}``.
    axis : {"binding_energy", "kinetic_energy"}, optional
        Text: which energy to take. Default: what the file says; the binding energy where it has both or says nothing.
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
        The file holds several regions and none or an unknown one was selected.

    Examples
    --------
    >>> import pathlib, tempfile, xps
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "mn2p.txt"
    >>> _ = file.write_text("BE/eV\tcounts\n660\t310\n650\t320\n640\t400\n")
    >>> xps.read(file).binding_energy.values
    array([640., 650., 660.])
    """
    options = _options(columns, axis, delimiter, decimal, encoding) | reader_options
    scans = read_scans(path, reader=reader, options=options, hints=_HINTS)
    return _region(choose([_named(scan) for scan in scans], select, file=os.fspath(path)))


@reading_verb("xps.read_series", passes_on=options_of_readers)
def read_series(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    dim: str = "scan",
    coordinate: tuple[float, ...] | str | None = None,
    select: str | int | tuple[str | int, ...] | None = None,
    grid: Grid | None = None,
    reader: str | None = None,
    columns: dict[str, int | str] | None = None,
    axis: Literal["binding_energy", "kinetic_energy"] | None = None,
    delimiter: str | None = None,
    decimal: Literal[".", ","] | None = None,
    encoding: str | None = None,
    **reader_options: Any,
) -> xr.Dataset:
    r"""Read a series of one region (many files, or the blocks of one) into one dataset with a series dimension.

    Parameters
    ----------
    paths : path, pattern or list of such
        ``"profile/*.vms"``; a pattern is sorted with numbers by value, a list keeps its order.
    dim : str
        Name of the series dimension; ``time`` makes the wall clock its coordinate, ``sputter_time`` (s) the etching
        time of a depth profile.
    coordinate : tuple of float or str, optional
        Coordinate of ``dim``: one number per spectrum, or the name of a number in the metadata.
    select : str, int or tuple, optional
        Which regions of each file, by name, sample, both or number from 0; a name may fit several.
    grid : {"first", "union", "intersection"}, optional
        Energies to interpolate to where the scans differ; without it differing scans are refused.
    reader : str, optional
        Name of the reader where the content should not decide.
    columns : dict, optional
        Text: name → column, by number from 1 or label: ``{"binding_energy": 1, "counts": 2}``.
    axis : {"binding_energy", "kinetic_energy"}, optional
        Text: which energy to take. Default: what the file says; the binding energy where it has both or says nothing.
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
        Coordinates ``label`` (file and scan) and, where the files say it, ``time`` (s since the first, its attribute
        ``start`` the wall clock) lie along ``dim``.

    Raises
    ------
    ReadError
        A file cannot be read, or the scans do not fit together.

    Examples
    --------
    >>> import pathlib, tempfile, xps
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for n in (1, 2):
    ...     _ = (folder / f"step{n}.txt").write_text(f"BE/eV\tcounts\n640\t{n}\n650\t2\n")
    >>> xps.read_series(folder / "*.txt").counts.dims
    ('scan', 'binding_energy')
    """
    options = _options(columns, axis, delimiter, decimal, encoding) | reader_options
    each = read_each(paths, select=select, reader=reader, options=options, hints=_HINTS, prepare=_named)
    series = stack(
        [(label, _region(scan)) for label, scan in each], dim=dim, coordinate=coordinate, grid=grid
    )
    mixed = different_pass_energies(series)
    if mixed:
        energies = ", ".join(f"{value:g}" for value in mixed)
        note(
            f"the spectra were measured with different pass energies ({energies} eV): widths and areas are not comparable"
        )
    for name in UNITS:  # what differs from spectrum to spectrum became a coordinate
        if name in series.coords:
            series[name].attrs.setdefault("units", UNITS[name])
    return series


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


def _named(scan: xr.Dataset) -> xr.Dataset:
    """The scan with its region and element, from its title where the file says no more."""
    if "region" in scan.attrs:
        return scan
    region, element = core_level(str(scan.attrs.get("title", "")))
    said = {"region": region, "element": element}
    return scan.assign_attrs({key: value for key, value in said.items() if value})


def _region(scan: xr.Dataset) -> xr.Dataset:
    """The scan as photoelectron spectrum: technique, and the measured variable under the field's name."""
    scan = scan.assign_attrs(technique=scan.attrs.get("technique", "xps"))
    signal = str(scan.attrs["signal"])
    if signal in QUANTITY_UNITS:
        return _with_units(scan, signal)
    label = str(scan[signal].attrs.get("long_name", signal))
    metadata: Mapping[str, Any] = json.loads(scan.attrs.get("metadata", "{}"))
    text = " ".join([label, *map(str, metadata.values())]).lower()
    passed = re.match(r"PE:\s*(\d+\.?\d*)\s*eV$", label)
    if passed:
        scan = scan.assign_attrs(pass_energy=float(passed.group(1)))
    if re.search(r"cps|counts?\s*(/\s*s\b|per sec)", text):
        named, why = "count_rate", ""
    elif "count" in label.lower():
        named, why = "counts", ""
    elif are_whole(np.asarray(scan[signal].values, float)):
        named, why = "counts", ": its values are whole numbers"
    else:
        named, why = (
            "intensity",
            " without counting statistics: its values are no whole numbers, its label says no more",
        )
    if named in scan.variables:
        return scan
    scan = scan.rename({signal: named}).assign_attrs(signal=named)
    return _with_units(
        add_note(scan, f"the column {signal} was taken as {named.replace('_', ' ')}{why}"), named
    )


def _with_units(scan: xr.Dataset, signal: str) -> xr.Dataset:
    """The scan with the units that the name of its signal stands for, where the file says none."""
    attrs = scan[signal].attrs
    if attrs.get("units") or not QUANTITY_UNITS[signal]:
        return scan
    return scan.assign({signal: scan[signal].assign_attrs(units=QUANTITY_UNITS[signal])})
