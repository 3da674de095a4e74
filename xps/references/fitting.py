"""Fit by whole measured spectra: how much of each reference a spectrum holds."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset import as_dataset, flag, map_spectra, series_dims, signal_name
from spectra.errors import InvalidInput
from spectra.verbs import note, resolve, verb
from xps.counting import counting
from xps.references.fit import Reference, fit_reference_spectra

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["fit_references"]

AXIS = "binding_energy"
MOST = 9
FloatArray = npt.NDArray[np.float64]
Curve = tuple[FloatArray, FloatArray]


@verb("xps.fit_references", axis=AXIS)
def fit_references(
    dataset: xr.Dataset,
    *,
    references: Any,
    window: tuple[float, float] | None = None,
    max_shift: float = 1.0,
    max_broadening: float = 2.0,
    valences: dict[str, float] | None = None,
) -> xr.Dataset:
    r"""Fit spectra by whole measured reference spectra; add ``fraction`` of each.

    Shape, multiplets and satellites of a state are those that were measured, and no lines are drawn. Shift,
    broadening and inelastic background are common to all references and fitted with their areas:

    .. math:: y(x) = b_0 + b_1 x + \sum_j a_j \left[R_j + k \int^x r_j\right]_{(x - \delta) * G(w)},
              \qquad a_j \ge 0, \quad \text{fraction}_j = a_j / \sum_i a_i

    with each reference R counted from its level at low binding energy and its lines r, free of their Shirley
    background, of area 1 inside the window: fractions are those of the lines' areas there, of atoms where all
    references count alike. The
    step k, per eV, is what the sample has beyond the steps that were measured with the references.

    Parameters
    ----------
    dataset : xarray.Dataset
        With counts along ``binding_energy`` in eV; any series dimensions.
    references : mapping of str to xarray.Dataset or path, xarray.Dataset, or path
        Spectra of pure compounds by name, or a series or file of them, on energy scales that agree with each other
        and measured over the window with ``max_shift`` to both sides where they can be.
    window : (float, float), optional
        Binding energies in eV that are fitted. Default: what data and references have in common.
    max_shift : float
        Largest common shift in eV, to either side.
    max_broadening : float
        Largest FWHM in eV of the Gaussian that the references are broadened by. A sample measured more sharply than
        the references cannot be told from one measured alike.
    valences : table of float, optional
        Valence by reference; then ``mean_valence`` is added.

    Returns
    -------
    xarray.Dataset
        ``fraction`` with ``_sigma`` and ``fraction_covariance`` per ``reference``; ``reference_shift``,
        ``broadening`` (eV) and ``inelastic_step`` (1/eV) with ``_sigma``, that of the shift with
        ``charge_shift_sigma`` after a calibration; ``best_fit``, ``residual``, ``background``,
        ``reference_curve``; ``redchi``. Flags: ``no_combination`` (failed), ``shift_at_limit``,
        ``references_insufficient`` (warnings).

    Raises
    ------
    InvalidInput
        No or too many references, two alike, one that does not reach over the window or holds no lines.

    Notes
    -----
    Uncertainties hold the noise of the spectra and the correlation with shift, broadening and background, and are
    scaled by the residual where it is more than noise. The noise of the references, what they have in other shares
    than their name says, and states that none of them shows are not in them. The sigma of a fraction at zero says
    how large a one would go unnoticed.

    References
    ----------
    D. A. Shirley, Phys. Rev. B 5, 4709 (1972), doi:10.1103/PhysRevB.5.4709

    Examples
    --------
    >>> import numpy as np, spectra, xps
    >>> energy = np.arange(630.0, 665.0, 0.1)
    >>> lines = [np.exp(-(((energy - p) / w) ** 2)) for p, w in ((641.0, 1.5), (643.5, 1.2))]
    >>> pure = [400 + 5e4 * line + 200 * np.cumsum(line) for line in lines]
    >>> def region(counts):
    ...     return spectra.from_arrays(energy, counts, axis="binding_energy", name="counts", units="counts")
    >>> mixed = region(0.3 * pure[0] + 0.7 * pure[1])
    >>> found = xps.fit_references(mixed, references={"a": region(pure[0]), "b": region(pure[1])})
    >>> found.fraction.values.round(1)
    array([0.3, 0.7])
    """
    curves = _curves(references)
    _check(curves, max_shift, max_broadening, valences)
    low, high = _window(dataset, curves, window)
    known = [_reference(name, curve, low, high, max_shift) for name, curve in curves.items()]
    _check_different(list(curves), known, low, high)
    content = {name: {"x": x.tolist(), "y": y.tolist()} for name, (x, y) in curves.items()}
    resolve(references={"content": content}, window=(low, high))
    statistics = counting(dataset)
    note(statistics.said)
    axis = dataset[AXIS].values.astype(float)
    inside = np.flatnonzero((axis >= low) & (axis <= high))
    part = slice(int(inside[0]), int(inside[-1]) + 1) if inside.size else slice(0, 0)
    x = axis[part]
    if x.size < 4 * (len(curves) + 5):
        raise InvalidInput(
            f"window ({low:.1f}, {high:.1f}) holds {x.size} points, and {len(curves) + 5} numbers are fitted: widen it."
        )
    counts = dataset[signal_name(dataset)]

    def kernel(y: FloatArray, *variance: FloatArray) -> Mapping[str, Any]:
        made = fit_reference_spectra(
            x, np.asarray(y, float), known, variance=variance[0] if variance else None,
            seconds=statistics.seconds, max_shift=max_shift, max_broadening=max_broadening,
        )  # fmt: skip
        return {name: getattr(made, name) for name in _OUTPUTS}

    inputs = [counts, *([] if statistics.variance is None else [statistics.variance])]
    made = map_spectra(
        kernel,
        [(one.isel({AXIS: part}), (AXIS,)) for one in inputs],
        _OUTPUTS,
        sizes={"reference": len(known), "reference_2": len(known)},
        dtypes={"at_limit": bool, "excess": bool},
    )
    return _described(dataset, made, list(curves), valences)


#: Names in the kernel's result, and their dimensions beside the series.
_OUTPUTS: dict[str, tuple[str, ...]] = {
    "fraction": ("reference",),
    "covariance": ("reference", "reference_2"),
    **dict.fromkeys(("shift", "shift_sigma", "broadening", "broadening_sigma", "step", "step_sigma"), ()),
    "fit": (AXIS,),
    "background": (AXIS,),
    "curves": ("reference", AXIS),
    **dict.fromkeys(("redchi", "at_limit", "excess"), ()),
}
#: In the dataset: name, units (None: those of the counts), meaning.
_NAMES: dict[str, tuple[str, str | None, str]] = {
    "fraction": ("fraction", "", "fraction of the area of all references"),
    "covariance": ("fraction_covariance", "", "covariance of the fractions"),
    "shift": ("reference_shift", "eV", "shift common to all references"),
    "shift_sigma": ("reference_shift_sigma", "eV", "standard uncertainty of the shift"),
    "broadening": ("broadening", "eV", "width (FWHM) that the references were broadened by"),
    "broadening_sigma": ("broadening_sigma", "eV", "standard uncertainty of the broadening"),
    "step": ("inelastic_step", "1/eV", "inelastic step beyond that of the references"),
    "step_sigma": ("inelastic_step_sigma", "1/eV", "standard uncertainty of the inelastic step"),
    "fit": ("best_fit", None, "sum of the references and the background"),
    "background": ("background", None, "constant, slope and step beyond those of the references"),
    "curves": ("reference_curve", None, "references as they are in the sum"),
    "redchi": ("redchi", "", "reduced chi-square"),
}


def _curves(given: Any) -> dict[str, Curve]:
    """Energies and counts of each reference by name."""
    import xarray as xr

    if isinstance(given, str | os.PathLike):
        from xps.reading import read_series

        given = read_series(given)
    if isinstance(given, Mapping) and not isinstance(given, xr.Dataset):
        return {str(n): _curve(str(n), one) for n, one in given.get("content", given).items()}
    data = as_dataset(given, verb="references")
    dims = series_dims(data)
    if len(dims) != 1:
        raise InvalidInput(
            f"references must be a series of spectra along one dimension, got {', '.join(dims) or 'one spectrum'}: give a "
            "mapping of name to spectrum."
        )
    names = [
        str(n) for n in (data["sample"] if "sample" in data.coords else data[dims[0]]).values.reshape(-1)
    ]
    if len(set(names)) != data.sizes[dims[0]]:
        raise InvalidInput("references of a series need different names in the coordinate 'sample'.")
    return {name: _curve(name, data.isel({dims[0]: i})) for i, name in enumerate(names)}


def _curve(name: str, given: Any) -> Curve:
    if isinstance(given, Mapping) and set(given) == {"x", "y"}:
        return np.array(given["x"], float), np.array(given["y"], float)
    if isinstance(given, str | os.PathLike):
        from xps.reading import read

        given = read(given)
    data = as_dataset(given, verb=f"reference {name!r}")
    if series_dims(data) or AXIS not in data.coords:
        found = ", ".join(series_dims(data)) or "no binding_energy"
        raise InvalidInput(
            f"reference {name!r} must be one spectrum along binding_energy, got {found}: choose with isel."
        )
    counts = np.asarray(data[signal_name(data)].values, float)
    finite = np.isfinite(counts)
    return data[AXIS].values[finite].astype(float), counts[finite]


def _check(
    curves: Mapping[str, Curve], max_shift: float, max_broadening: float, valences: Mapping[str, float] | None
) -> None:
    if not 1 <= len(curves) <= MOST:
        raise InvalidInput(f"references must be 1 to {MOST} spectra, got {len(curves)}.")
    for option, value, most in (("max_shift", max_shift, 10.0), ("max_broadening", max_broadening, 10.0)):
        if not 0 < value <= most:
            raise InvalidInput(f"{option} must be above 0 and at most {most:g} eV, got {value:g}.")
    if valences is not None and set(valences) != set(curves):
        raise InvalidInput(
            f"valences must name all references, {', '.join(curves)}, got {', '.join(valences) or 'none'}."
        )


def _window(
    dataset: xr.Dataset, curves: Mapping[str, Curve], window: tuple[float, float] | None
) -> tuple[float, float]:
    """Limits of the fit."""
    x = dataset[AXIS].values
    starts = [float(x[0]), *(float(c[0][0]) for c in curves.values() if c[0].size)]
    ends = [float(x[-1]), *(float(c[0][-1]) for c in curves.values() if c[0].size)]
    low, high = sorted(window) if window else (max(starts), min(ends))
    for name, (own, _) in curves.items():
        if own.size < 20 or own[0] > low + 1e-6 or own[-1] < high - 1e-6 or high <= low:
            reach = f"{own[0]:.1f} to {own[-1]:.1f} eV" if own.size else "nowhere"
            raise InvalidInput(
                f"reference {name!r} runs from {reach} with {own.size} points, and the fit needs {low:.1f} to {high:.1f} eV: "
                "narrow the window, or leave the reference out."
            )
    return low, high


def _reference(name: str, curve: Curve, low: float, high: float, margin: float) -> Reference:
    x, y = curve
    near = (x >= low - margin) & (x <= high + margin)
    found = Reference.of(x[near], y[near], (low, high))
    if found is None:
        raise InvalidInput(
            f"reference {name!r} has no Shirley background between {low:.1f} and {high:.1f} eV: does the window hold its lines?"
        )
    return found


def _check_different(names: list[str], references: list[Reference], low: float, high: float) -> None:
    x = np.linspace(low, high, 200)
    values = [np.interp(x, r.x, r.curve) for r in references]
    for i, one in enumerate(values):
        for k in range(i):
            if np.abs(one - values[k]).max() <= 1e-6 * np.abs(one).max():
                raise InvalidInput(
                    f"references {names[k]!r} and {names[i]!r} are the same spectrum: leave one out."
                )


def _described(
    dataset: xr.Dataset, made: dict[str, xr.DataArray], names: list[str], valences: Mapping[str, float] | None
) -> xr.Dataset:
    """The results under their names, with units and flags."""
    import xarray as xr

    dataset = dataset.drop_dims(["reference", "reference_2"], errors="ignore")
    counts = dataset[signal_name(dataset)]
    result = dataset
    for key, (name, units, meaning) in _NAMES.items():
        values = made[key]
        if AXIS in values.dims:
            values = values.reindex({AXIS: dataset[AXIS]}).transpose(..., AXIS)
        units = str(counts.attrs.get("units", "")) if units is None else units
        result[name] = values.assign_attrs(units=units, long_name=meaning)
    if "charge_shift_sigma" in dataset:
        both = (made["shift_sigma"] ** 2 + dataset["charge_shift_sigma"] ** 2) ** 0.5
        both = both.transpose(*made["shift_sigma"].dims)
        result["reference_shift_sigma"] = both.assign_attrs(result["reference_shift_sigma"].attrs)
        note("reference_shift_sigma includes charge_shift_sigma")
    variance = xr.concat(
        [made["covariance"].isel(reference=i, reference_2=i) for i in range(len(names))], "reference"
    )
    result["fraction_sigma"] = (
        (variance.clip(min=0) ** 0.5)
        .transpose(*made["fraction"].dims)
        .assign_attrs(units="", long_name="standard uncertainty of the fraction")
    )
    residual = (counts - result["best_fit"]).transpose(*counts.dims)
    result["residual"] = residual.assign_attrs(
        units=counts.attrs.get("units", ""), long_name="what the fit leaves"
    )
    if valences is not None:
        v = xr.DataArray([float(valences[n]) for n in names], dims="reference")
        mean = (made["fraction"] * v).sum("reference", skipna=False)
        spread = (made["covariance"] * v * v.rename(reference="reference_2")).sum(
            ["reference", "reference_2"], skipna=False
        )
        result["mean_valence"] = mean.assign_attrs(units="", long_name="mean valence")
        result["mean_valence_sigma"] = (spread.clip(min=0) ** 0.5).assign_attrs(
            units="", long_name="standard uncertainty of the mean valence"
        )
    result = result.assign_coords(reference=("reference", names, {"long_name": "reference spectrum"}))
    result = flag(
        result, made["redchi"].isnull(), "no_combination",
        "no combination of the references was found: counts that are not finite, or no lines inside the window",
    )  # fmt: skip
    result = flag(
        result, made["at_limit"], "shift_at_limit",
        "the shift of the references stands at its limit: calibrate the spectrum, or allow a larger max_shift",
        severity="warning",
    )  # fmt: skip
    return flag(
        result, made["excess"], "references_insufficient",
        "more is left than noise, or neighbouring residuals go together: the sample holds something that no reference shows",
        severity="warning",
    )  # fmt: skip
