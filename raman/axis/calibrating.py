"""The verb that applies a calibration to the axis of Raman spectra."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from raman.axis.calibration import AxisCalibration, load_calibration
from raman.axis.standards import calibrate_axis
from spectra.dataset import flag, series_dims, signal_name
from spectra.errors import InvalidInput
from spectra.verbs import note, resolve, verb

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["calibrate"]

AXIS = "raman_shift"


@verb("raman.calibrate", axis=AXIS)
def calibrate(
    dataset: xr.Dataset,
    *,
    calibration: Any = None,
    references: Any = None,
    laser: float | None = None,
    degree: int | None = None,
    search: float = 10.0,
) -> xr.Dataset:
    r"""Calibrate the Raman axis; add ``raman_shift_sigma``, which the positions of bands carry on.

    Parameters
    ----------
    dataset : xarray.Dataset
        Spectra along ``raman_shift``, measured on the same spectrometer with the same grating as the references.
    calibration : AxisCalibration, table or path, optional
        From :func:`raman.calibrate_axis`, its table, or the TOML or results file it was saved in.
    references : table of str to xarray.Dataset or path, optional
        Spectra of standards by name, from which the calibration is made: ``{"neon": "neon.txt", "silicon": "si.txt"}``.
    laser : float, optional
        As the laser is called, in nm, for lamp lines. Default: ``attrs["laser_wavelength"]`` of a reference or of the
        dataset.
    degree : int, optional
        Of the polynomial. Default: by AICc, up to 3.
    search : float
        Lines of references are looked for within this many 1/cm of their place.

    Returns
    -------
    xarray.Dataset
        On the calibrated axis, with ``raman_shift_sigma`` (1/cm) along it. The history holds the calibration with every
        line; standards that disagree are named there. A warning ``beyond_calibration`` is set where more than a tenth
        of the axis lies beyond the outermost lines.

    Raises
    ------
    InvalidInput
        Neither or both of ``calibration`` and ``references``, or what :func:`raman.calibrate_axis` refuses.

    Notes
    -----
    ``raman_shift_sigma`` is common to all spectra and strongly correlated along the axis: differences of positions are
    surer than it says.

    Examples
    --------
    >>> import numpy as np, spectra, raman
    >>> shift = np.arange(450.0, 600.0, 1.0)
    >>> wafer = 50 + 1000 / (1 + ((shift - 522.0) / 2.5) ** 2)
    >>> attrs = {"technique": "raman"}
    >>> wafer = spectra.from_arrays(shift, np.random.default_rng(1).poisson(wafer), axis="raman_shift", attrs=attrs)
    >>> made = raman.calibrate(wafer, references={"silicon": wafer})
    >>> round(float(made.raman_shift[0]), 1), round(float(made.raman_shift_sigma[0]), 2)
    (448.4, 0.15)
    """
    if (calibration is None) == (references is None):
        raise InvalidInput(
            "raman.calibrate takes either calibration (made before) or references (spectra of standards); "
            + ("none was given." if calibration is None else "both were given.")
        )
    if calibration is not None:
        made = _given(calibration)
        resolve(calibration={"content": made.to_spec()})
    else:
        stored = isinstance(references, Mapping) and set(references) == {"content"}
        nominal = laser or dataset.attrs.get("laser_wavelength")
        made = (
            AxisCalibration.from_spec(references["content"])
            if stored
            else _with_laser(references, nominal, degree, search)
        )
        resolve(references={"content": made.to_spec()})
    _say(made, dataset)
    return _applied(dataset, made)


def _with_laser(references: Any, laser: float | None, degree: int | None, search: float) -> AxisCalibration:
    return calibrate_axis(
        references, laser=None if laser is None else float(laser), degree=degree, search=search
    )


def _given(calibration: Any) -> AxisCalibration:
    if isinstance(calibration, AxisCalibration):
        return calibration
    if isinstance(calibration, str | Path):
        return load_calibration(calibration)
    if isinstance(calibration, Mapping):
        return AxisCalibration.from_spec(calibration.get("content", calibration))
    raise InvalidInput(
        f"calibration is an AxisCalibration, its table, or a file that holds one; got {type(calibration).__name__}."
    )


def _say(made: AxisCalibration, dataset: xr.Dataset) -> None:
    note(f"axis calibrated: {made}")
    for d in made.disagreements:
        much = ": they disagree, and half of it is part of raman_shift_sigma" if d.significant else ""
        note(
            f"{d.standard} is {d.offset:+.2f} ± {d.sigma:.2f} 1/cm off what the other standards say ({d.lines} lines){much}"
        )
    if made.laser_wavelength is not None and made.laser_wavelength_sigma is None:
        note(
            f"no Raman standard fixed the laser: {made.laser_wavelength:g} nm was taken as exact, and its error is in no sigma"
        )
    for number_used in made.to_verify:
        note(f"not compared with its source: {number_used}")
    if f"{AXIS}_sigma" in dataset:
        note("the axis had been calibrated before: this calibration was applied to it as it was")


def _applied(dataset: xr.Dataset, made: AxisCalibration) -> xr.Dataset:
    x = dataset[AXIS].values.astype(float)
    shift = made.shift(x)
    if not (np.diff(shift) > 0).all():
        raise InvalidInput(
            "the calibrated axis would not ascend strictly: this calibration was made for another range "
            f"({made.range[0]:.0f} to {made.range[1]:.0f} 1/cm), and these spectra run from {x[0]:.0f} to {x[-1]:.0f}."
        )
    result = dataset.assign_coords({AXIS: (AXIS, shift, dict(dataset[AXIS].attrs))})
    about = {
        "units": "1/cm",
        "long_name": "standard uncertainty of the calibrated Raman shift",
        "calibration": json.dumps(made.to_spec()),
    }
    result[f"{AXIS}_sigma"] = (AXIS, made.sigma(x), about)
    if made.laser_wavelength_sigma is not None and made.laser_wavelength is not None:
        result = result.assign_attrs(laser_wavelength=made.laser_wavelength)
    signal = result[signal_name(result)]
    outside = (x < made.range[0]) | (x > made.range[1])
    result = flag(
        result, signal.isnull().all(AXIS), "empty", "the spectrum holds no finite point: it was not measured"
    )
    everywhere = np.full(tuple(result.sizes[d] for d in series_dims(result)), outside.mean() > 0.1)
    return flag(
        result, everywhere, "beyond_calibration",
        f"a part of the axis lies beyond the outermost calibration lines ({made.range[0]:.0f} to {made.range[1]:.0f} 1/cm): "
        "raman_shift_sigma grows there; crop it, or use a standard with lines there",
        severity="warning",
    )  # fmt: skip
