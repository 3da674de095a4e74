"""Disorder of carbon: D and G fitted, their ratio with everything it hangs on, the size of crystallites where it may be said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from raman.bands.fit import check_points, fitted_variable, labelled, say, sigma_of_axis
from raman.bands.foreign import foreign_band
from raman.bands.kernel import BandFitter
from raman.bands.model import BandModel, BandShape, BaselineDegree, band_model
from raman.bands.noise import noise_of
from raman.bands.table import find_phase
from raman.carbon.crystallites import Measure, Size, crystallite_size, size_formula
from raman.carbon.end_line import EndLine
from raman.tables import load_table, number
from spectra.dataset import failed, flag, map_spectra
from spectra.errors import InvalidInput
from spectra.fitting.spec import Model, Setting, from_tables
from spectra.fitting.understand import understand
from spectra.verbs import note, resolve, verb

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["carbon_disorder"]

AXIS = "raman_shift"
PHASES = {"two_bands": "carbon", "five_bands": "carbon-five"}
#: Name of the parameter that holds the ratio, an expression of the fit: all correlations go into its uncertainty.
RATIO = "id_ig_ratio"


@verb("raman.carbon_disorder", axis=AXIS)
def carbon_disorder(
    dataset: xr.Dataset,
    *,
    measure: Measure,
    model: Literal["two_bands", "five_bands"] = "two_bands",
    size: Size | None = None,
    laser_wavelength: float | None = None,
    baseline: Literal["ends"] | BaselineDegree | None = None,
    ends: tuple[tuple[float, float], tuple[float, float]] | None = None,
    window: tuple[float, float] | None = None,
    shape: BandShape | None = None,
    changes: dict[str, dict[str, Any]] | None = None,
    weights: Literal["auto", "sigma", "poisson", "none"] = "auto",
) -> xr.Dataset:
    r"""Fit carbon's bands; add ``id_ig_ratio`` with the convention it was measured by, and ``crystallite_size``.

    .. math:: r = I_D / I_G, \qquad
              \sigma_r^2 = \nabla r^{\mathsf T} C\, \nabla r

    with C the covariance of the fit, and what the scatter of the baseline's ends changes in r. The same spectrum gives
    ratios from 1 to 5 by another model or measure: both travel with the number (``attrs``), and neither has a silent
    default that matters.

    Parameters
    ----------
    dataset : xarray.Dataset
        Spectra along ``raman_shift``; any series dimensions.
    measure : {"height", "area"}
        What of D and G is compared.
    model : {"two_bands", "five_bands"}
        Two Lorentzians D and G; or G, D1, D2, D4 as Lorentzians and D3 as a Gaussian (Sadezky), of which D1 is
        compared with G. Five bands are strongly correlated: ``at_limit`` says where a limit of the table decided.
    size : {"tuinstra-koenig", "cancado", "ferrari-robertson"}, optional
        Formula for the size La of crystallites (:func:`raman.crystallite_size`). Default: none is stated.
    laser_wavelength : float, optional
        In nm. Default: ``attrs["laser_wavelength"]``.
    baseline : {"ends", "none", "constant", "linear", "quadratic", "cubic"}, optional
        "ends": a straight line through two stretches is taken off first (``baseline``, ``net``). The
        others are fitted with the bands. Default: "none" where ``net`` is there, else "ends".
    ends : ((float, float), (float, float)), optional
        The two stretches in 1/cm. Default: 900 to 960 and 1800 to 1900.
    window : (float, float), optional
        What is fitted, in 1/cm. Default: 900 to 1900.
    shape : {"lorentzian", "gaussian", "pseudo_voigt", "voigt"}, optional
        Of all bands, instead of the model's. Ratios of heights need Lorentzians or Gaussians.
    changes : table of tables, optional
        As in ``raman.fit_bands``: ``{"D3": {"position": {"value": 1500.0, "min": 1470.0, "max": 1550.0}}}``.
    weights : {"auto", "sigma", "poisson", "none"}
        As in ``raman.fit_bands``.

    Returns
    -------
    xarray.Dataset
        The variables of ``raman.fit_bands``, ``id_ig_ratio`` and ``crystallite_size`` (nm), each with its ``_sigma``;
        with "ends" also ``id_ig_ratio_systematic``, by how much a line or a parabola fitted with the bands changes the
        ratio; their attributes say model, measure, laser, baseline and formula. Flags, all warnings:
        ``size_outside_range`` (NaN size), ``size_conflicting`` (below 32 nm the ratio is disputed as a measure),
        ``amorphous`` (no one La), ``other_band`` (a band that is not carbon's lies in the window).

    Raises
    ------
    InvalidInput
        A size without laser wavelength, with one outside the formula's range, or of the wrong measure; ends where
        nothing was measured.

    Notes
    -----
    The line through the ends takes the tails of wide Lorentzians with it: ratios by it are those of a protocol, which
    ``id_ig_ratio_sigma`` covers and the true ratio it does not; ``id_ig_ratio_systematic`` is of the size of the
    difference. "linear" is the baseline for a model that is taken at its word.

    References
    ----------
    A. Sadezky et al., Carbon 43, 1731 (2005), doi:10.1016/j.carbon.2005.02.018

    Examples
    --------
    >>> import numpy as np, spectra, raman
    >>> lines = {
    ...     "D": {"shape": "lorentzian", "position": 1345.0, "area": 3e4, "fwhm": 150.0},
    ...     "G": {"shape": "lorentzian", "position": 1585.0, "area": 2e4, "fwhm": 80.0},
    ... }
    >>> soot = spectra.simulate(
    ...     np.arange(800.0, 2000.0, 2.0), lines, background=50.0, noise=1.0, rng=1, axis="raman_shift"
    ... )
    >>> soot = raman.carbon_disorder(soot, measure="area", size="cancado", laser_wavelength=532.0, baseline="linear")
    >>> round(soot.id_ig_ratio.item(), 1), round(soot.crystallite_size.item())
    (1.5, 13)
    """
    laser = laser_wavelength if laser_wavelength is not None else dataset.attrs.get("laser_wavelength")
    if laser is not None and not 100 < float(laser) < 2000:
        raise InvalidInput(f"laser_wavelength must lie between 100 and 2000 nm, got {laser:g}.")
    if size is not None:
        size_formula(size).check(measure, None if laser is None else float(laser))
    baseline = baseline or ("none" if "net" in dataset else "ends")
    if ends is not None and baseline != "ends":
        raise InvalidInput(f"ends belongs to baseline='ends', and the baseline is {baseline!r}.")
    line = _end_line(dataset, ends) if baseline == "ends" else None
    if line is not None:
        dataset = _with_net(dataset, line)
    fitted, phase = _fitted(dataset, line, baseline, measure, model, window, shape, changes, weights)
    said = _convention(dataset, measure, model, phase, baseline, line, laser, fitted)
    result = _with_ratio(fitted, said)
    if line is not None:
        import xarray as xr

        whole = dataset.drop_vars("net")
        changes_by = [
            abs(_other(whole, degree, measure, model, window, shape, changes, weights) - result[RATIO])
            for degree in ("linear", "quadratic")
        ]
        largest = xr.concat(changes_by, "baseline").max("baseline", skipna=True)
        result[f"{RATIO}_systematic"] = largest.assign_attrs(
            units="",
            long_name="largest change of the ratio by a line or a parabola that is fitted with the bands",
        )
    result = _with_other_band(result)
    amorphous = result["fwhm"].sel(component="G", drop=True) > number(
        load_table("carbon")["limits"]["amorphous"]
    )
    text = "G is wider than 100 1/cm: amorphous carbon has no one size of crystallites (a limit that is to be verified)."
    result = _warned(result, amorphous, "amorphous", text)
    return result if size is None else _with_size(result, size, measure, float(laser or 0.0), said)


def _other(dataset: xr.Dataset, degree: str, *options: Any) -> xr.DataArray:
    """The ratio with another baseline."""
    fitted, _ = _fitted(dataset, None, degree, *options, told=False)
    return fitted["best_value"].sel(parameter=RATIO, drop=True)


def _with_other_band(result: xr.Dataset) -> xr.Dataset:
    """A warning where what was fitted holds a band that is in no model, such as V=O beside a carbon coat."""
    x = result[AXIS].values.astype(float)

    def kernel(residual: Any) -> dict[str, Any]:
        height, position = foreign_band(x, residual)
        return {"height": height, "position": position}

    made = map_spectra(kernel, [(result["residual"], (AXIS,))], {"height": (), "position": ()})
    pair = [n for n in ("D", "D1", "G") if n in result["component"].values]
    lower = result["height"].sel(component=pair).min("component")
    share = number(load_table("carbon")["limits"]["other_band"])
    at = made["position"]
    where = f" near {float(at.median()):.0f} 1/cm" if at.chunks is None and bool(at.notnull().any()) else ""
    text = (
        f"A band{where} that is not carbon's lies inside what was fitted, and the ratio leans on it: leave it out by "
        "window=(1100, 1900) and baseline='linear', or where it is not."
    )
    return _warned(result, made["height"] > share * lower, "other_band", text)


def _end_line(dataset: xr.Dataset, ends: tuple[tuple[float, float], tuple[float, float]] | None) -> EndLine:
    rules = load_table("carbon")["baseline"]
    low, high = ends or (tuple(rules["low"]["range"]), tuple(rules["high"]["range"]))
    return EndLine(dataset[AXIS].values.astype(float), (min(low), max(low)), (min(high), max(high)))


def _with_net(dataset: xr.Dataset, line: EndLine) -> xr.Dataset:
    """Dataset with ``baseline`` and ``net`` of the measured quantity."""
    name = fitted_variable(dataset.drop_vars("net", errors="ignore"), None)
    made = map_spectra(lambda y: {"baseline": line(y)}, [(dataset[name], (AXIS,))], {"baseline": (AXIS,)})
    units = {"units": dataset[name].attrs.get("units", "")}
    stretches = f"straight line through {line.low} and {line.high} 1/cm"
    result = dataset.assign(
        baseline=made["baseline"].assign_attrs(units, long_name="baseline", method=stretches)
    )
    return result.assign(
        net=(dataset[name] - made["baseline"]).assign_attrs(units, long_name="less its baseline")
    )


def _fitted(
    dataset: xr.Dataset,
    line: EndLine | None,
    baseline: str,
    measure: Measure,
    model: str,
    window: tuple[float, float] | None,
    shape: BandShape | None,
    changes: dict[str, dict[str, Any]] | None,
    weights: Literal["auto", "sigma", "poisson", "none"],
    *,
    told: bool = True,
) -> tuple[xr.Dataset, str]:
    """Dataset with the fit, the ratio among its parameters; the table's phase."""
    phase = find_phase(PHASES[model])
    x = dataset[AXIS].values.astype(float)
    low, high = sorted(window or load_table("carbon")["baseline"]["window"]["range"])
    limits = (max(float(low), float(x[0])), min(float(high), float(x[-1])))
    outside = [b.name for b in phase.bands if not limits[0] <= b.position <= limits[1]]
    if outside:
        raise InvalidInput(
            f"what is fitted, {limits[0]:g} to {limits[1]:g} 1/cm, does not hold {', '.join(outside)}: widen the window."
        )
    degree: Any = "none" if baseline == "ends" else baseline
    bands = band_model(phase.bands, shape=shape, baseline=degree, origin=sum(limits) / 2, changes=changes)
    name = "net" if line is not None else fitted_variable(dataset, None)
    noise = noise_of(dataset, name, weights)
    check_points(dataset, AXIS, limits, bands)
    written = from_tables(bands.tables, bands.params)
    if told:
        say(written, name, baseline, limits, noise)
    note(f"positions of {phase.name} that are to be verified or conflicting: {', '.join(phase.to_verify)}")
    if line is not None:
        note("the scatter of both ends of the baseline is in every uncertainty")
        resolve(ends=(line.low, line.high))
    with_ratio = Model(written.components, written.settings | {RATIO: Setting(expr=_ratio(bands, measure))})
    fitter = BandFitter(
        understand(with_ratio),
        bands,
        x,
        limits,
        poisson=noise.weights == "poisson",
        axis_sigma=sigma_of_axis(dataset, AXIS),
        curves=told,
        moves=None if line is None else line.moves,
    )
    return labelled(dataset, fitter, noise, name, AXIS), phase.name


def _ratio(bands: BandModel, measure: Measure) -> str:
    """The ratio as an expression in the parameters of the fit."""
    d, g = bands.prefix("D1" if "D1" in bands.names else "D"), bands.prefix("G")
    if measure == "area":
        return f"{d}area / {g}area"
    shapes = {str(t["prefix"]): t["shape"] for t in bands.tables}
    if shapes[d] != shapes[g] or shapes[d] not in ("lorentzian", "gaussian"):
        raise InvalidInput(
            f"a ratio of heights needs D and G as Lorentzians or Gaussians, and they are {shapes[d]} and {shapes[g]}: take "
            "shape='lorentzian', or measure='area'."
        )
    return f"{d}area / {g}area * {g}fwhm / {d}fwhm"


def _convention(
    dataset: xr.Dataset,
    measure: str,
    model: str,
    phase: str,
    baseline: str,
    line: EndLine | None,
    laser: float | None,
    fitted: xr.Dataset,
) -> dict[str, Any]:
    """What the ratio hangs on, as attributes."""
    d = "D1" if model == "five_bands" else "D"
    above = f"straight line through {line.low} and {line.high} 1/cm" if line is not None else baseline
    if baseline == "none" and "net" in dataset:
        above = str(
            dataset["net"].attrs.get("method")
            or dataset.get("baseline", dataset["net"]).attrs.get("method", "net")
        )
    said = {"ratio": f"{d}/G", "measure": measure, "model": model, "table": phase, "baseline": above}
    return said | {"laser_wavelength_nm": float(laser) if laser is not None else "not known"}


def _with_ratio(fitted: xr.Dataset, said: dict[str, Any]) -> xr.Dataset:
    """The ratio under its own name instead of among the parameters."""
    values = {n: fitted[n].sel(parameter=RATIO, drop=True) for n in ("best_value", "best_value_sigma")}
    result = fitted.drop_sel(parameter=RATIO)
    text = f"{said['ratio']} by {said['measure']}"
    result[RATIO] = values["best_value"].assign_attrs(units="", long_name=text, **said)
    result[f"{RATIO}_sigma"] = values["best_value_sigma"].assign_attrs(
        units="", long_name=f"standard uncertainty of {text}"
    )
    return result


def _with_size(
    result: xr.Dataset, size: Size, measure: Measure, laser: float, said: dict[str, Any]
) -> xr.Dataset:
    """La where the formula holds, and a flag where it does not or is disputed."""
    rule = size_formula(size)
    ratio, sigma = result[RATIO], result[f"{RATIO}_sigma"]

    def kernel(r: Any, s: Any) -> dict[str, Any]:
        la, doubt = crystallite_size(r, formula=size, measure=measure, laser_wavelength=laser, ratio_sigma=s)
        return {"size": la, "sigma": doubt}

    made = map_spectra(kernel, [(ratio, ()), (sigma, ())], {"size": (), "sigma": ()})
    resolve(size=size, laser_wavelength=laser)
    if rule.constant_status == "to-verify":
        note(f"the constant of {rule.name} is to be verified")
    about = {**said, "formula": rule.title, "source": rule.source, "constant_status": rule.constant_status}
    result["crystallite_size"] = made["size"].assign_attrs(
        units="nm", long_name="size of crystallites La", **about
    )
    result["crystallite_size_sigma"] = made["sigma"].assign_attrs(
        units="nm", long_name="standard uncertainty of La, that of the ratio alone"
    )
    low, high = rule.size
    unknown = made["size"].isnull() & ratio.notnull()
    text = f"{rule.title} holds for La from {low:g} to {high:g} nm, and this ratio lies outside: no size is stated."
    result = _warned(result, unknown, "size_outside_range", text)
    if rule.rising:
        return result
    limit = number(load_table("carbon")["limits"]["conflicting"])
    text = (
        f"Below {limit:g} nm the ratio is disputed as a measure of La (arXiv:1511.06659): compare the width of G. Below 2 "
        "nm the ratio falls again, and the same one means a smaller size."
    )
    return _warned(result, made["size"] < limit, "size_conflicting", text)


def _warned(result: xr.Dataset, where: Any, name: str, text: str) -> xr.Dataset:
    mask = where & ~failed(result)
    if mask.chunks is not None or bool(mask.any()):
        return flag(result, mask, name, text, severity="warning")
    return result
