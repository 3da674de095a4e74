"""Line scans from a microscope: core losses and, where they were measured together, the low losses beside them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from spectra.dataset import series_dims, signal_name
from spectra.errors import InvalidInput, ReadError
from spectra.reading.registry import options_of_readers
from spectra.reading.series import read_each, stack
from spectra.verbs import note, reading_verb
from xas.eels.reading.measurements import measurement, told_settings

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["low_losses", "read_line_scan"]

AXIS, LOW_AXIS = "energy_loss", "low_energy_loss"
#: Units of length and how many nm they are.
_LENGTHS = {"nm": 1.0, "um": 1e3, "µm": 1e3, "m": 1e9, "mm": 1e6, "angstrom": 0.1, "Å": 0.1}


@reading_verb("xas.eels.read_line_scan", passes_on=options_of_readers)
def read_line_scan(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    dim: str = "distance",
    spacing: float | None = None,
    start: float = 0.0,
    select: str | int | tuple[str | int, ...] | None = None,
    reader: str | None = None,
    beam_energy: float | None = None,
    convergence_angle: float | None = None,
    collection_angle: float | None = None,
    **reader_options: Any,
) -> xr.Dataset:
    r"""Read a line scan of core losses, with the low losses of the same places if they are among the files (dual EELS).

    What holds the loss zero is a low loss, the rest are core losses.

    Parameters
    ----------
    paths : path, pattern or list of such
        One file with the line; or one with the core losses and one with the low losses; or a file for each spectrum, in
        the order of the line.
    dim : str
        Name of the dimension along the line.
    spacing : float, optional
        Distance between spectra in nm. Default: what the file says; without it spectra are counted.
    start : float
        Distance of the first spectrum in nm, where ``spacing`` is given.
    select : str, int or tuple, optional
        Which measurements of each file, by name or number from 0.
    reader : str, optional
        Name of the reader where the content should not decide.
    beam_energy : float, optional
        Energy of the electrons in keV, where the files do not say it or say it wrong.
    convergence_angle : float, optional
        Semi-angle of convergence in mrad, where the files do not say it or say it wrong.
    collection_angle : float, optional
        Semi-angle of collection in mrad, where the files do not say it or say it wrong.
    **reader_options
        Further options, of the reader: ``spectra list readers NAME`` shows those that it has.

    Returns
    -------
    xarray.Dataset
        ``counts`` along ``dim`` (nm) and ``energy_loss`` (of an image: rows in front), and ``low_loss`` along
        ``low_energy_loss``, which :func:`xas.eels.align_zero_loss` and :func:`xas.eels.quantify` take by themselves.

    Raises
    ------
    ReadError
        No core loss, no line, or core and low losses that do not belong together.

    Examples
    --------
    >>> import pathlib, tempfile, xas.eels
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for n in range(3):
    ...     _ = (folder / f"core{n}.msa").write_text(f"630,{n}00\n631,200\n")
    ...     _ = (folder / f"low{n}.msa").write_text("-1,10\n0,900\n1,20\n")
    >>> line = xas.eels.read_line_scan(folder / "*.msa", spacing=0.5)
    >>> line.distance.values, line.low_loss.dims
    (array([0. , 0.5, 1. ]), ('distance', 'low_energy_loss'))
    """
    told = told_settings(beam_energy, convergence_angle, collection_angle)
    if spacing is not None and not 0 < spacing < np.inf:
        raise InvalidInput(f"spacing is the distance between spectra in nm, above 0, got {spacing:g}.")
    each = read_each(
        paths, select=select, reader=reader, options=reader_options, hints={"default_axis": AXIS}
    )
    scans = [(label, measurement(scan, told)) for label, scan in each]
    lows = [(label, scan) for label, scan in scans if float(scan[AXIS][0]) <= 0 < float(scan[AXIS][-1])]
    cores = [(label, scan) for label, scan in scans if float(scan[AXIS][0]) > 0]
    if not cores:
        raise ReadError(
            f"none of the {len(scans)} measurements is a core loss: all hold the loss zero. Name the files of the core losses too."
        )
    core = _line(cores, dim)
    core = core.assign_coords({dim: _distance(core, dim, spacing, start)})
    return core if not lows else _with_low(core, lows, dim)


def _line(scans: list[tuple[str, xr.Dataset]], dim: str) -> xr.Dataset:
    """One line: the file that holds it, or single spectra in their order."""
    inside = [series_dims(scan) for _, scan in scans]
    if len(scans) == 1 and inside[0]:
        last = inside[0][-1]
        return scans[0][1] if last == dim else scans[0][1].rename({last: dim})
    if any(inside):
        raise ReadError(
            f"{len(scans)} line scans or images are no line ({', '.join(label for label, _ in scans[:4])}): select one."
        )
    if len(scans) == 1:
        raise ReadError(
            f"{scans[0][0]} holds a single spectrum, which is no line: name the files of all its points."
        )
    return stack(scans, dim=dim)


def _distance(core: xr.Dataset, dim: str, spacing: float | None, start: float) -> xr.Variable:
    """Distances in nm; counts of spectra where neither the file nor the user says a length."""
    import xarray as xr

    size = core.sizes[dim]
    if spacing is not None:
        return xr.Variable(dim, start + spacing * np.arange(size), {"units": "nm"})
    units = str(core[dim].attrs.get("units", "")) if dim in core.coords else ""
    if units in _LENGTHS:
        values = core[dim].values.astype(float) * _LENGTHS[units]
        return xr.Variable(dim, np.round(values, 9), {"units": "nm"})
    note(f"{dim}: no length is said; spectra are counted. Give spacing in nm.")
    return xr.Variable(dim, np.arange(size, dtype=float), {"units": ""})


def _with_low(core: xr.Dataset, lows: list[tuple[str, xr.Dataset]], dim: str) -> xr.Dataset:
    low = lows[0][1] if len(lows) == 1 and not series_dims(lows[0][1]) else _line(lows, dim)
    sizes = {d: low.sizes[d] for d in series_dims(low)}
    if sizes and sizes != {d: core.sizes[d] for d in series_dims(core)}:
        here = {d: core.sizes[d] for d in series_dims(core)}
        raise ReadError(
            f"the low losses lie along {sizes} and the core losses along {here}: they were not measured together."
        )
    values = low[signal_name(low)].rename({AXIS: LOW_AXIS})
    values = values.drop_vars([c for c in values.coords if c != LOW_AXIS])
    if not sizes:
        note("one low loss for all core losses")
    made = core.assign(low_loss=values.assign_attrs(long_name="low loss"))
    return made.assign_coords(
        {LOW_AXIS: (LOW_AXIS, low[AXIS].values, {"units": "eV", "long_name": "energy loss of the low loss"})}
    )


def low_losses(dataset: xr.Dataset) -> xr.Dataset:
    """The low losses beside core losses as a dataset of their own; the dataset itself where there are none."""
    if "low_loss" not in dataset or LOW_AXIS not in dataset.coords:
        return dataset
    import xarray as xr

    values = dataset["low_loss"].rename({LOW_AXIS: AXIS})
    return xr.Dataset({"low_loss": values}, attrs={"technique": "eels", "signal": "low_loss"})
