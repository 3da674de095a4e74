"""Energy-loss spectra from files of any kind: a spectrum, a line scan, an image or a series of measurements."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from spectra.dataset.conventions import series_dims, signal_name, spectral_axis
from spectra.errors import InvalidInput, ReadError
from spectra.reading.registry import choose, options_of_readers, read_scans
from spectra.reading.scan import add_note
from spectra.reading.series import Grid, read_each, stack
from spectra.verbs import history, reading_verb
from xas.eels.reading.spectrum import counts_units, marked

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["measurement", "read", "read_series", "told_settings"]


@reading_verb("xas.eels.read", passes_on=options_of_readers)
def read(
    path: str | os.PathLike[str],
    *,
    select: str | int | None = None,
    reader: str | None = None,
    beam_energy: float | None = None,
    convergence_angle: float | None = None,
    collection_angle: float | None = None,
    columns: dict[str, int | str] | None = None,
    axis_units: Literal["eV", "keV", "meV"] | None = None,
    delimiter: str | None = None,
    decimal: Literal[".", ","] | None = None,
    encoding: str | None = None,
    **reader_options: Any,
) -> xr.Dataset:
    r"""Read one measurement: ``counts`` along ``energy_loss`` (eV, ascending), with ``y`` and ``x`` for an image.

    Energies are as the file gives them: absolute axes of different files of one film differ by up to 7 eV, so align
    on the zero-loss peak where there is one. Counts are kept as they are; negative ones, spikes, a saturated detector,
    a zero-loss peak that is missing or cut, a background that was removed and a calibration that is missing are named
    in the history.

    Parameters
    ----------
    path : str or Path
        EMSA/MAS (.msa), DigitalMicrograph (.dm3, .dm4), HyperSpy (.hspy), TIA (.ser), Velox (.emd),
        two columns of text, HDF5/NeXus, or any other file a reader is installed for. The content decides.
    select : str or int, optional
        Which of several spectra or images: its name, or its number from 0.
    reader : str, optional
        Name of the reader where the content should not decide.
    beam_energy : float, optional
        Energy of the electrons in keV, where the file does not say it or says it wrong.
    convergence_angle : float, optional
        Semi-angle of convergence in mrad, where the file does not say it or says it wrong.
    collection_angle : float, optional
        Semi-angle of collection in mrad, where the file does not say it or says it wrong.
    columns : dict, optional
        Text: name → column, by number from 1 or label: ``{"energy_loss": 1, "counts": 2}``.
    axis_units : {"eV", "keV", "meV"}, optional
        Text and HDF5: units of the energy where they are not stated.
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
        Attributes ``beam_energy`` (keV), ``convergence_angle`` and ``collection_angle`` (mrad), ``dwell_time`` (s of
        one frame) and ``frames`` where they are known; an angle of zero counts as unknown. ``background_removed`` is
        ``"yes"`` where a core loss begins at zero. ``electrons_per_count`` is the conversion that DigitalMicrograph
        keeps; the counts are not multiplied by it.

    Raises
    ------
    ReadError
        The file cannot be read, or its axis is no energy loss; the sentence says why and what to do.
    InvalidInput
        The file holds several measurements and none or an unknown one was selected; a setting is not positive.

    Examples
    --------
    >>> import pathlib, tempfile, xas.eels
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "mn.msa"
    >>> _ = file.write_text("630,1200\n630.5,1190\n631,1185\n")
    >>> mn = xas.eels.read(file, beam_energy=200.0)
    >>> mn.energy_loss.values, mn.attrs["beam_energy"]
    (array([630. , 630.5, 631. ]), 200.0)
    """
    told = told_settings(beam_energy, convergence_angle, collection_angle)
    options = _options(columns, axis_units, delimiter, decimal, encoding) | reader_options
    scans = read_scans(path, reader=reader, options=options, hints={"default_axis": "energy_loss"})
    return measurement(choose(scans, select, file=os.fspath(path)), told)


@reading_verb("xas.eels.read_series", passes_on=options_of_readers)
def read_series(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    dim: str = "scan",
    coordinate: tuple[float, ...] | str | None = None,
    select: str | int | tuple[str | int, ...] | None = None,
    grid: Grid | None = None,
    reader: str | None = None,
    beam_energy: float | None = None,
    convergence_angle: float | None = None,
    collection_angle: float | None = None,
    columns: dict[str, int | str] | None = None,
    axis_units: Literal["eV", "keV", "meV"] | None = None,
    delimiter: str | None = None,
    decimal: Literal[".", ","] | None = None,
    encoding: str | None = None,
    **reader_options: Any,
) -> xr.Dataset:
    r"""Read a series of measurements, many files or the spectra of one, into one dataset with a series dimension.

    Parameters
    ----------
    paths : path, pattern or list of such
        ``"line/*.msa"``; a pattern is sorted with numbers by value, a list keeps its order.
    dim : str
        Name of the series dimension; ``time`` makes the wall clock its coordinate.
    coordinate : tuple of float or str, optional
        Coordinate of ``dim``: one number per spectrum, or the name of a number in the metadata.
    select : str, int or tuple, optional
        Which measurements of each file, by name or number from 0; a name may fit several.
    grid : {"first", "union", "intersection"}, optional
        Energies to interpolate to where the spectra differ; without it differing spectra are refused. Interpolation
        correlates neighbouring channels: uncertainties from counts no longer hold.
    reader : str, optional
        Name of the reader where the content should not decide.
    beam_energy : float, optional
        Energy of the electrons in keV, where the files do not say it or say it wrong.
    convergence_angle : float, optional
        Semi-angle of convergence in mrad, where the files do not say it or say it wrong.
    collection_angle : float, optional
        Semi-angle of collection in mrad, where the files do not say it or say it wrong.
    columns : dict, optional
        Text: name → column, by number from 1 or label.
    axis_units : {"eV", "keV", "meV"}, optional
        Text and HDF5: units of the energy where they are not stated.
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
        along ``dim``. One file that holds a line or an image comes back with its own dimensions; images of one shape
        are stacked.

    Raises
    ------
    ReadError
        A file cannot be read, or the spectra do not fit together.

    Examples
    --------
    >>> import pathlib, tempfile, xas.eels
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for n in (1, 2):
    ...     _ = (folder / f"point{n}.msa").write_text(f"630,{n}00\n631,200\n")
    >>> xas.eels.read_series(folder / "*.msa", dim="position").counts.dims
    ('position', 'energy_loss')
    """
    told = told_settings(beam_energy, convergence_angle, collection_angle)
    options = _options(columns, axis_units, delimiter, decimal, encoding) | reader_options
    hints = {"default_axis": "energy_loss"}
    each = read_each(paths, select=select, reader=reader, options=options, hints=hints)
    scans = [(label, measurement(scan, told)) for label, scan in each]
    if len(scans) == 1 and series_dims(scans[0][1]) and coordinate is None:
        return scans[0][1]
    return stack(scans, dim=dim, coordinate=coordinate, grid=grid)


def measurement(scan: xr.Dataset, told: Mapping[str, float]) -> xr.Dataset:
    """The scan as energy-loss spectrum: technique, name of the counts, settings that were told."""
    axis = spectral_axis(scan)
    if axis != "energy_loss":
        where = scan.encoding.get("file") or scan.attrs.get("title") or "the scan"
        instead = "; xas.read reads X-ray absorption" if axis == "energy" else ""
        raise ReadError(f"{where} lies along {axis}, which is no energy loss{instead}.")
    if history(scan) and history(scan)[0]["verb"] != "spectra.from_arrays":
        return scan  # a result of ours comes back as it was saved
    if scan.attrs.get("technique") != "eels":
        scan = marked(_named(scan).assign_attrs(technique="eels"))
    return _with_settings(scan, told)


def _named(scan: xr.Dataset) -> xr.Dataset:
    """The measured variable of a general file as ``counts``."""
    signal = signal_name(scan)
    if signal != "counts" and "counts" not in scan.variables:
        label = scan[signal].attrs.get("long_name", signal)
        units = scan[signal].attrs.get("units", "")
        scan = scan.rename({signal: "counts"}).assign_attrs(signal="counts")
        scan["counts"].attrs["long_name"] = label
        scan["counts"].attrs["units"] = counts_units(str(units), scan["counts"].values) or str(units)
    return scan


def _with_settings(scan: xr.Dataset, told: Mapping[str, float]) -> xr.Dataset:
    said = [
        f"the file states {name.replace('_', ' ')} {scan.attrs[name]:g}, and {value:g} was told and is used"
        for name, value in told.items()
        if name in scan.attrs and abs(scan.attrs[name] - value) > 1e-6 * value
    ]
    return add_note(scan, *said).assign_attrs(told)


def told_settings(
    beam_energy: float | None, convergence_angle: float | None, collection_angle: float | None
) -> dict[str, float]:
    """Settings that the user gave, each positive."""
    given = {
        "beam_energy": (beam_energy, "keV", 200.0),
        "convergence_angle": (convergence_angle, "mrad", 20.0),
        "collection_angle": (collection_angle, "mrad", 30.0),
    }
    for name, (value, units, example) in given.items():
        if value is not None and not 0 < value < float("inf"):
            raise InvalidInput(
                f"{name} must be a positive number in {units}, got {value}; such as {example:g}."
            )
    return {name: float(value) for name, (value, _, _) in given.items() if value is not None}


def _options(
    columns: dict[str, int | str] | None,
    axis_units: str | None,
    delimiter: str | None,
    decimal: str | None,
    encoding: str | None,
) -> dict[str, Any]:
    return {
        "columns": columns,
        "axis_units": axis_units,
        "delimiter": delimiter,
        "decimal": decimal,
        "encoding": encoding,
    }
