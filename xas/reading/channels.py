"""X-ray absorption scans from files of any kind, with μ(E) made from what the detectors wrote."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal

from spectra.reading.registry import choose, options_of_readers, read_scans
from spectra.reading.series import Grid, Paths, read_each, stack
from spectra.verbs import reading_verb
from xas.reading.absorption import Channel, with_mu

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["read", "read_series"]


@reading_verb("xas.read", passes_on=options_of_readers)
def read(
    path: str | os.PathLike[str],
    *,
    channel: Channel = "auto",
    select: str | int | None = None,
    reader: str | None = None,
    columns: dict[str, int | str] | None = None,
    axis_units: Literal["eV", "keV"] | None = None,
    d_spacing: float | None = None,
    delimiter: str | None = None,
    decimal: Literal[".", ","] | None = None,
    encoding: str | None = None,
    **reader_options: Any,
) -> xr.Dataset:
    r"""Read one X-ray absorption scan: ``mu`` along ``energy`` (eV, ascending).

    The detector channels that were recognised stay beside it as ``i0``, ``itrans``, ``ifluor``, ``irefer``; where
    there is a reference behind the sample, its absorption is ``mu_ref``. Points whose logarithm does not exist are
    NaN and the length is kept. A ``mu`` without an edge beside a reference with one is flagged ``flat_mu``.

    Parameters
    ----------
    path : str or Path
        XDI, Athena project, column text, HDF5/NeXus, or any other file a reader is installed for.
    channel : {"auto", "mu", "transmission", "fluorescence", "reference"}
        ``mu`` takes the column the file gives, ``transmission`` is ln(i0/itrans), ``fluorescence`` ifluor/i0 (elements
        of the detector summed), ``reference`` ln(itrans/irefer). ``auto`` takes the file's own μ, else what its
        metadata name, else fluorescence where the file has the elements of such a detector, else transmission; the choice is kept in ``attrs["channel"]``.
    select : str or int, optional
        Which of several scans: its name, or its number from 0.
    reader : str, optional
        Name of the reader where the content should not decide.
    columns : dict, optional
        Role → column, by number from 1 or label: ``{"energy": 1, "i0": 2, "itrans": 3}`` or ``{"mu": 2}``.
    axis_units : {"eV", "keV"}, optional
        Units of the energy where the file does not say them.
    d_spacing : float, optional
        Spacing of the monochromator's planes in Å, for files that hold its angle and not the spacing.
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
        Attributes ``element``, ``edge``, ``sample``, ``start_time`` and others where the file says them;
        ``normalized`` is ``"yes"`` for a column that the file calls normalised. ``mu_sigma`` is there only where
        single photons were counted (regions of interest of a fluorescence detector).

    Raises
    ------
    ReadError
        The file cannot be read, or its columns do not say how to make μ.
    InvalidInput
        The file lacks the channel asked for, or holds several scans and none was selected.

    Examples
    --------
    >>> import pathlib, tempfile, xas
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "scan.dat"
    >>> _ = file.write_text("# energy i0 it\n6530 100 50\n6540 100 25\n")
    >>> xas.read(file).mu.values.round(3)
    array([0.693, 1.386])
    """
    options = _options(columns, axis_units, d_spacing, delimiter, decimal, encoding) | reader_options
    scans = read_scans(path, reader=reader, options=options, hints={"default_axis": "energy"})
    return with_mu(choose(scans, select, file=os.fspath(path)), channel=channel)


@reading_verb("xas.read_series", passes_on=options_of_readers)
def read_series(
    paths: Paths,
    *,
    dim: str = "scan",
    coordinate: tuple[float, ...] | str | None = None,
    channel: Channel = "auto",
    select: str | int | tuple[str | int, ...] | None = None,
    grid: Grid | None = None,
    reader: str | None = None,
    columns: dict[str, int | str] | None = None,
    axis_units: Literal["eV", "keV"] | None = None,
    d_spacing: float | None = None,
    delimiter: str | None = None,
    decimal: Literal[".", ","] | None = None,
    encoding: str | None = None,
    **reader_options: Any,
) -> xr.Dataset:
    r"""Read a series of X-ray absorption scans into one dataset: ``mu`` along ``dim`` and ``energy``.

    Parameters
    ----------
    paths : path, pattern or list of such
        ``"operando/*.xdi"``; a pattern is sorted with numbers by value, a list keeps its order. One file with several
        scans is a series too.
    dim : str
        Name of the series dimension; ``time`` makes the wall clock its coordinate.
    coordinate : tuple of float or str, optional
        Coordinate of ``dim``: one number per spectrum, or the name of a number in the metadata.
    channel : {"auto", "mu", "transmission", "fluorescence", "reference"}
        Which absorption, the same of every scan; what each stands for is told at :func:`read`.
    select : str, int or tuple, optional
        Which scans of each file, by name or number from 0. Default: all.
    grid : {"first", "union", "intersection"}, optional
        Energies to interpolate to where the scans differ; without it differing scans are refused.
    reader : str, optional
        Name of the reader where the content should not decide.
    columns : dict, optional
        Role → column, by number from 1 or label: ``{"energy": 1, "i0": 2, "itrans": 3}`` or ``{"mu": 2}``.
    axis_units : {"eV", "keV"}, optional
        Units of the energy where the files do not say them.
    d_spacing : float, optional
        Spacing of the monochromator's planes in Å, for files that hold its angle and not the spacing.
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
        Coordinates ``label`` (file and scan) and, where the files say it, ``time`` (s since the first; its attribute
        ``start`` is the wall clock) and ``start_time`` lie along ``dim``.

    Raises
    ------
    ReadError
        A file cannot be read, or the scans do not fit together.

    Examples
    --------
    >>> import pathlib, tempfile, xas
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for n in (1, 2):
    ...     _ = (folder / f"scan{n}.dat").write_text(f"energy mu\n6530 {n}\n6540 2\n")
    >>> xas.read_series(folder / "*.dat").mu.dims
    ('scan', 'energy')
    """
    options = _options(columns, axis_units, d_spacing, delimiter, decimal, encoding) | reader_options
    each = read_each(paths, select=select, reader=reader, options=options, hints={"default_axis": "energy"})
    return stack(
        [(label, with_mu(scan, channel=channel)) for label, scan in each],
        dim=dim,
        coordinate=coordinate,
        grid=grid,
    )


def _options(
    columns: dict[str, int | str] | None,
    axis_units: str | None,
    d_spacing: float | None,
    delimiter: str | None,
    decimal: str | None,
    encoding: str | None,
) -> dict[str, Any]:
    return {
        "columns": columns,
        "axis_units": axis_units,
        "d_spacing": d_spacing,
        "delimiter": delimiter,
        "decimal": decimal,
        "encoding": encoding,
    }
