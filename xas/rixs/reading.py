"""Exposures of RIXS spectrometers: photons by channel of the detector, before there is an energy scale."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from spectra.dataset.conventions import spectral_axis
from spectra.errors import ReadError
from spectra.reading.registry import choose, options_of_readers, read_scans
from spectra.reading.series import read_each, stack
from spectra.verbs import reading_verb

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["read", "read_series"]

#: Units of what may differ from file to file.
_UNITS = {
    "incident_energy": "eV",
    "incident_energy_spread": "eV",
    "exposure_time": "s",
    "dwell_time": "s",
    "sample_temperature": "K",
    "ring_current": "mA",
}
_AXES = ("detector_channel", "energy_loss")


@reading_verb("xas.rixs.read", passes_on=options_of_readers)
def read(
    path: str | os.PathLike[str],
    *,
    curvature: tuple[float, ...] | None = None,
    parts: int | None = None,
    select: str | int | None = None,
    reader: str | None = None,
    **reader_options: Any,
) -> xr.Dataset:
    r"""Read one exposure of one detector: ``counts`` of photons along ``detector_channel``, or along ``energy_loss``.

    Parameters
    ----------
    path : str or Path
        HDF5 of the SAXES spectrometer at ADRESS (SLS), or any file whose axis is an energy loss.
    curvature : tuple of float, optional
        Count the photons of the file again, with these coefficients of the lines of equal energy (pixels per pixel, and
        per pixel squared, ...) as :func:`xas.rixs.histogram_of_photons` uses them. Default: those of the file, whose
        spectrum is then read as it is.
    parts : int, optional
        Keep the frames apart in so many consecutive parts of the exposure, along ``part``:
        :func:`xas.rixs.compare_parts` asks whether the sample changed in the beam. Default: their sum.
    select : str or int, optional
        Which of several spectra: its name, or its number from 0.
    reader : str, optional
        Name of the reader where the content should not decide.
    **reader_options
        Further options, of the reader: ``spectra list readers NAME`` shows those that it has.

    Returns
    -------
    xarray.Dataset
        Attributes ``incident_energy`` (eV, mean of the frames) with ``incident_energy_spread``, ``dwell_time`` (s of
        one frame), ``exposure_time`` (s, all frames), ``frames``, ``photons``, ``subpixels`` (channels per row), ``detector`` (by the name of the file),
        ``sample_temperature``, ``ring_current``, ``mirror_current`` (the incident flux, where it was measured) and others. :func:`xas.rixs.reduce` makes the energy scale.

    Raises
    ------
    ReadError
        The file cannot be read, or holds no photons by channel and no energy losses.

    Examples
    --------
    >>> import pathlib, tempfile, xas.rixs
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "reduced.csv"
    >>> _ = file.write_text("energy loss (eV),counts\n-0.1,3\n0,90\n0.1,4\n")
    >>> xas.rixs.read(file).energy_loss.values
    array([-0.1,  0. ,  0.1])
    """
    hints = {"default_axis": "energy_loss", "curvature": curvature, "parts": parts}
    scans = read_scans(path, reader=reader, options=reader_options, hints=hints)
    return _exposure(choose(scans, select, file=os.fspath(path)), parts)


@reading_verb("xas.rixs.read_series", passes_on=options_of_readers)
def read_series(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    dim: str = "detector",
    coordinate: tuple[float, ...] | str | None = None,
    curvature: tuple[float, ...] | None = None,
    parts: int | None = None,
    select: str | int | tuple[str | int, ...] | None = None,
    reader: str | None = None,
    **reader_options: Any,
) -> xr.Dataset:
    r"""Read one exposure of several detectors, or several exposures of one, into one dataset.

    Parameters
    ----------
    paths : path, pattern or list of such
        ``"Co_0609_d*.h5"``; a pattern is sorted with numbers by value, a list keeps its order.
    dim : str
        Name of the series dimension: ``detector`` for the detectors of one exposure.
    coordinate : tuple of float or str, optional
        Coordinate of ``dim``: one number per file, or the name of a number in the metadata: ``incident_energy``.
    curvature : tuple of float, optional
        As in :func:`xas.rixs.read`, the same for all files.
    parts : int, optional
        As in :func:`xas.rixs.read`.
    select : str, int or tuple, optional
        Which spectra of each file, by name or number from 0.
    reader : str, optional
        Name of the reader where the content should not decide.
    **reader_options
        Further options, of the reader: ``spectra list readers NAME`` shows those that it has.

    Returns
    -------
    xarray.Dataset
        ``counts`` along ``dim`` and ``detector_channel``; what differs from file to file is a coordinate.

    Raises
    ------
    ReadError
        A file cannot be read, or the spectra do not fit together.

    Examples
    --------
    >>> import pathlib, tempfile, xas.rixs
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for n in (1, 2):
    ...     _ = (folder / f"reduced{n}.csv").write_text(f"energy loss (eV),counts\n0,{n}\n0.1,4\n")
    >>> xas.rixs.read_series(folder / "*.csv", dim="scan").counts.dims
    ('scan', 'energy_loss')
    """
    hints: dict[str, Any] = {"default_axis": "energy_loss", "curvature": curvature, "parts": parts}
    each = read_each(paths, select=select, reader=reader, options=reader_options, hints=hints)
    scans = [(label, _exposure(scan, parts)) for label, scan in each]
    return _with_units(stack(scans, dim=dim, coordinate=coordinate), dim, coordinate)


def _with_units(series: xr.Dataset, dim: str, coordinate: tuple[float, ...] | str | None) -> xr.Dataset:
    """Units of the settings that differ from file to file, and so became coordinates."""
    named = {name: units for name, units in _UNITS.items() if name in series.coords}
    if isinstance(coordinate, str) and coordinate in _UNITS and dim in series.coords:
        named[dim] = _UNITS[coordinate]
    told = {
        name: series[name].assign_attrs(units=series[name].attrs.get("units") or units)
        for name, units in named.items()
    }
    if isinstance(coordinate, str) and dim in told:
        told[dim] = told[dim].assign_attrs(long_name=coordinate.replace("_", " "))
    return series.assign_coords(told)


def _exposure(scan: xr.Dataset, parts: int | None) -> xr.Dataset:
    axis = spectral_axis(scan)
    if parts is not None and "part" not in scan.dims:
        raise ReadError(
            f"parts: {scan.attrs.get('title') or 'this file'} holds a spectrum and no photons by frame; read it whole."
        )
    if axis not in _AXES:
        where = scan.encoding.get("file") or scan.attrs.get("title") or "the scan"
        raise ReadError(f"{where} lies along {axis}: neither channels of a RIXS detector nor energy losses.")
    return scan.assign_attrs(technique="rixs")
