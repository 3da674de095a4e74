"""What a fit by references found, under its names, with units and meaning."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from spectra.dataset import series_dims, signal_name, spectral_axis
from xas.eels.references.input import Reference

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["label_fit"]

_TEXTS: Mapping[str, tuple[str, str]] = {
    "fraction": ("fraction", "share of the reference in the area of all"),
    "covariance": ("fraction_covariance", "covariance of the fractions"),
    "area": ("reference_area", "area of the reference inside the window"),
    "shift": ("reference_shift", "shift of the data against the references"),
    "shift_sigma": ("reference_shift_sigma", "standard uncertainty of the shift"),
    "redchi": ("redchi", "reduced chi-square"),
    "misfit": ("misfit", "part of the edge's amplitude that is left over and is no noise"),
    "valence": ("valence", "mean valence of the references"),
    "valence_sigma": ("valence_sigma", "standard uncertainty of the valence from the noise of the spectrum"),
    "valence_reference_sigma": ("valence_reference_sigma", "standard uncertainty of the valence from the noise of the references, common to all spectra"),
    "fit": ("best_fit", "sum of the references and of the background fitted with them"),
    "curves": ("reference_curve", "references as they are in the sum"),
    "below": ("fitted_background", "background fitted with the references"),
}  # fmt: skip


def label_fit(
    dataset: xr.Dataset,
    made: dict[str, xr.DataArray],
    known: Sequence[Reference],
    how: str,
    window: tuple[float, float],
    shift: tuple[float, float] | None,
    broadening: float,
    valences: Mapping[str, float] | None,
    keep: str,
) -> xr.Dataset:
    """``dataset`` with the variables of the fit."""
    axis, signal, dims = spectral_axis(dataset), signal_name(dataset), series_dims(dataset)
    units = str(dataset[signal].attrs.get("units", ""))
    area = f"{units} eV".strip()
    of = {"area": area, "shift": "eV", "shift_sigma": "eV", "fit": units, "curves": units, "below": units}
    result = dataset.drop_dims(["reference", "reference_2"], errors="ignore")
    noisy = all(one.curve.regular().variance is not None for one in known) and broadening == 0
    common = {
        "definition": "weighted least squares over references of area 1 inside the window, none negative",
        "windows": json.dumps({"window": list(window), "shift": None if shift is None else list(shift), "broadening": broadening, "background": how}),
    }  # fmt: skip
    new: dict[str, xr.DataArray] = {}
    for key, (name, text) in _TEXTS.items():
        if key not in made or (key == "valence_reference_sigma" and not noisy):
            continue
        values = made[key]
        if axis in values.dims:
            values = values.reindex({axis: dataset[axis]})
        order = [d for d in (*dims, "reference", "reference_2", axis) if d in values.dims]
        new[name] = values.transpose(*order).assign_attrs(units=of.get(key, ""), long_name=text)
    for name in ("fraction", "reference_shift", "valence"):
        if name in new:
            new[name].attrs.update(common)
    if valences is not None:
        new["valence"].attrs["references"] = json.dumps(
            {one.name: float(valences[one.name]) for one in known}
        )
    new["fraction_sigma"] = _root(made["covariance"], dims).assign_attrs(
        units="", long_name="standard uncertainty of the fraction from the noise of the spectrum"
    )
    if noisy:
        new["fraction_reference_sigma"] = _root(made["reference_covariance"], dims).assign_attrs(
            units="",
            long_name="standard uncertainty of the fraction from the noise of the references, common to all spectra",
        )
    if keep != "numbers":
        measured = dataset["net" if how == "subtracted" else signal]
        new["residual"] = (measured - new["best_fit"]).transpose(*measured.dims).assign_attrs(
            units=units, long_name="what the fit leaves"
        )  # fmt: skip
    names = [one.name for one in known]
    result = result.assign(new)
    return result.assign_coords(reference=("reference", names, {"long_name": "reference spectrum"}))


def _root(covariance: xr.DataArray, dims: tuple[str, ...]) -> xr.DataArray:
    """Square roots of the diagonal."""
    import xarray as xr

    made: xr.DataArray = xr.apply_ufunc(
        lambda c: np.sqrt(np.maximum(np.einsum("...ii->...i", c), 0)),
        covariance,
        input_core_dims=[["reference", "reference_2"]],
        output_core_dims=[["reference"]],
        dask="parallelized",
        output_dtypes=[float],
    )
    return made.transpose(*dims, "reference")
