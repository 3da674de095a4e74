"""The fluorescence by which molecular oxygen is known at the O K edge, fitted beside what is no evidence by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset.conventions import series_dims
from spectra.dataset.flags import flag
from spectra.errors import InvalidInput
from spectra.knowledge import number
from spectra.verbs import note, resolve, verb
from xas.rixs.incident import incident_energy
from xas.rixs.tables import load_table

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["oxygen_fingerprint"]

#: A line is seen whose area is so many of its sigmas.
_SEEN = 3.0
#: A model does not fit whose reduced chi-square lies so many of its standard deviations above one.
_MISFIT = 5.0
#: Spectra of one fit may differ so much in incident energy, eV.
_ONE_ENERGY = 0.1
_VERDICTS = np.array(["not_seen", "second_only", "seen", "undecided"])
_of_each = incident_energy  # the option of the verb has its name


@verb("xas.rixs.oxygen_fingerprint", axis="energy_loss")
def oxygen_fingerprint(
    dataset: xr.Dataset,
    *,
    incident_energy: float | None = None,
    window: tuple[float, float] = (2.0, 12.0),
    main: float | None = None,
    second: bool = True,
    background: Literal["none", "constant"] = "constant",
    weights: Literal["auto", "sigma", "poisson", "none"] = "auto",
) -> xr.Dataset:
    r"""Fit the emission at 523 eV (loss of 8 eV at 531 eV) beside the main emission and the loss at 4.3 eV; say what is seen.

    Three Gaussians on a constant. The verdict rests on the emission at 523 eV alone: **the loss at 4.3 eV occurs in many
    solids and not in gaseous oxygen, and is no evidence of a molecule by itself**.

    Parameters
    ----------
    dataset : xarray.Dataset
        ``counts`` along ``energy_loss``, spectra of one incident energy at the O K edge; any series dimensions.
    incident_energy : float, optional
        Photon energy in eV. Default: that of the file.
    window : (float, float)
        Losses in eV that are fitted, without the elastic line and its vibrations.
    main : float, optional
        Emission energy in eV at which the main emission of the valence band is sought. Default: 525.5 eV, a choice
        of this project.
    second : bool
        Whether the loss at 4.3 eV is in the model; under a strong main emission it can not be told from it.
    background : {"none", "constant"}
        Under the lines.
    weights : {"auto", "sigma", "poisson", "none"}
        As in :func:`spectra.fit`; counts are fitted by Poisson maximum likelihood.

    Returns
    -------
    xarray.Dataset
        Cut to ``window``, with the variables of :func:`spectra.fit` for the components ``fingerprint``, ``main`` and ``second``;
        ``fingerprint_area``, ``fingerprint_emission`` (eV), ``fingerprint_share`` (of all emission that was fitted), each ± sigma;
        ``fingerprint_per_flux`` ± sigma where :func:`xas.rixs.normalize` made ``flux_divisor``; ``oxygen_verdict``: ``seen`` (three sigmas, on resonance, at its energy), ``second_only``, ``not_seen`` or
        ``undecided``. Warnings: ``off_resonance``, ``second_emission_alone``, ``lines_do_not_fit``.

    Raises
    ------
    InvalidInput
        The incident energy is not known, differs between the spectra or is none of the O K edge; the emission lies
        outside of the data.

    Notes
    -----
    The main emission is taken as one Gaussian: what of its lower flank is not Gaussian counts as fingerprint. Ask the same of
    a spectrum off resonance or of the pristine material, and ask the vibrations (:func:`xas.rixs.fit_lines`). Where the
    oxygen sits is not in a spectrum: in LiNiO2 it was found at surfaces that touch the electrolyte
    (doi:10.1039/d4ee02398f).

    References
    ----------
    M. D. Radin and A. Kunitsa, arXiv:2503.14390: the emission near 523 eV has the final state ³Πg.

    Examples
    --------
    >>> import numpy as np, spectra, xas.rixs
    >>> loss = np.arange(1, 13, 0.05)
    >>> y = 60 * np.exp(-4 * np.log(2) * ((loss - 5.5) / 2.5) ** 2)
    >>> y = y + 40 * np.exp(-4 * np.log(2) * ((loss - 8.0) / 1.0) ** 2) + 2
    >>> oxide = spectra.from_arrays(
    ...     loss, np.round(y), axis="energy_loss", name="counts", units="counts", attrs={"incident_energy": 531.0}
    ... )
    >>> oxide = xas.rixs.oxygen_fingerprint(oxide, second=False)
    >>> oxide.oxygen_verdict.item(), round(float(oxide.fingerprint_emission), 1)
    ('seen', 523.0)
    """
    import spectra

    table = load_table("oxygen")
    energy = _one_energy(dataset, incident_energy)
    loss = dataset["energy_loss"].values
    low, high = sorted(window)
    inside = (loss >= low) & (loss <= high)
    place = energy - number(table["fingerprint"]["emission"])
    if not inside.any() or not max(low, loss[0]) < place < min(high, loss[-1]):
        raise InvalidInput(
            f"window: the emission of oxygen lies at a loss of {place:.2f} eV, outside of the window ({low:g}, {high:g}) or of "
            f"the data from {loss[0]:g} to {loss[-1]:g} eV."
        )
    model, params = _model(table, energy, main, second, background)
    part = dataset.isel(energy_loss=inside)
    _start(part, params)
    free = sum(1 for p in params.values() if p.get("vary", True))
    if inside.sum() <= free:
        raise InvalidInput(
            f"window ({low:g}, {high:g}) holds {int(inside.sum())} points, and the model has {free} free parameters."
        )
    fitted = spectra.fit(part, model=model, params=params, weights=weights)
    resolve(incident_energy=energy)
    note(f"fitted between {low:g} and {high:g} eV; the dataset was cut to that")
    note("tolerances and start values of the table oxygen are choices of this project, not measured numbers")
    note(
        "the emission at a loss of 4.3 eV is no evidence of molecular oxygen by itself; the verdict does not use it"
    )
    return _judged(fitted.assign_attrs(history=dataset.attrs.get("history", "[]")), table, energy, second)


def _one_energy(dataset: xr.Dataset, given: float | None) -> float:
    each = _of_each(dataset, given)
    if each is None:
        raise InvalidInput("incident_energy: this dataset does not say it; give the photon energy in eV.")
    if np.ptp(each) > _ONE_ENERGY:
        raise InvalidInput(
            f"incident_energy runs from {each.min():g} to {each.max():g} eV: choose the spectra of one energy, such as "
            "dataset.sel(incident_energy=531, method='nearest')."
        )
    energy = float(each.mean())
    low, high = load_table("oxygen")["windows"]["edge"]["value"]
    if not low <= energy <= high:
        raise InvalidInput(
            f"incident_energy is {energy:g} eV, not at the O K edge ({low:g} to {high:g} eV): there is no oxygen to look for."
        )
    return energy


def _model(
    table: dict[str, Any], energy: float, main: float | None, second: bool, background: str
) -> tuple[tuple[dict[str, Any], ...], dict[str, dict[str, Any]]]:
    """Lines by losses; their widths and places are free within what the table allows."""
    start, reach = table["start"], table["tolerance"]
    band = number(start["main"]) if main is None else main
    lines = {
        "fingerprint": (energy - number(table["fingerprint"]["emission"]), number(reach["emission"]), number(start["fingerprint_width"])),
        "main": (energy - band, number(start["main_width"]) / 2, number(start["main_width"])),
    }  # fmt: skip
    if second:
        where = number(table["fingerprint"]["second_loss"])
        lines["second"] = (where, number(reach["second"]), number(start["second_width"]))
    model: list[dict[str, Any]] = [{"shape": "gaussian", "prefix": f"{name}_"} for name in lines]
    params: dict[str, dict[str, Any]] = {}
    for name, (position, room, width) in lines.items():
        params[f"{name}_position"] = {"value": position, "min": position - room, "max": position + room}
        params[f"{name}_fwhm"] = {"value": width, "min": width / 2, "max": 2 * width}
    if background == "constant":
        model.append({"shape": "polynomial", "degree": 0, "prefix": "floor_"})
        params["floor_c0"] = {"value": 0.0}
    return tuple(model), params


def _start(part: xr.Dataset, params: dict[str, dict[str, Any]]) -> None:
    """Areas and level to start from, out of the mean of all spectra: half of what is there to the main emission."""
    from spectra.dataset import signal_name

    signal = part[signal_name(part)]
    mean = np.nan_to_num(signal.mean([d for d in signal.dims if d != "energy_loss"]).values)
    level = float(np.percentile(mean, 5))
    step = float(np.median(np.diff(part["energy_loss"].values)))
    total = max(float(np.clip(mean - level, 0, None).sum()) * step, 1e-12)
    names = [n.removesuffix("_position") for n in params if n.endswith("_position")]
    for name in names:
        # an area may come out negative: held at zero it would be biased upwards, and its sigma would not cover
        params[f"{name}_area"] = {"value": total * (0.5 if name == "main" else 0.15)}
    params["main_area"]["min"] = 0.0
    if "floor_c0" in params:
        params["floor_c0"] = {"value": level}


def _judged(fitted: xr.Dataset, table: dict[str, Any], energy: float, second: bool) -> xr.Dataset:
    """What is seen, and what may be said of it."""
    dims = series_dims(fitted)
    line = fitted.sel(component="fingerprint", drop=True)
    total = fitted["area"].where(fitted["area"] > 0).sum("component")
    share = line["area"] / total.where(total > 0)
    spread = line["area_sigma"] / total.where(
        total > 0
    )  # main and second share photons: their sum is well known
    result = fitted.assign(
        fingerprint_area=line["area"].assign_attrs(long_name="emission at 523 eV"),
        fingerprint_area_sigma=line["area_sigma"],
        fingerprint_emission=(energy - line["position"]).assign_attrs(
            units="eV", long_name="emission energy"
        ),
        fingerprint_emission_sigma=line["position_sigma"].assign_attrs(units="eV"),
        fingerprint_share=share.assign_attrs(units="", long_name="fingerprint over all emission"),
        fingerprint_share_sigma=spread.assign_attrs(units=""),
    )
    if "flux_divisor" in fitted:
        flux, flux_sigma = fitted["flux_divisor"], fitted["flux_divisor_sigma"]
        value = line["area"] / flux
        error = ((line["area_sigma"] / flux) ** 2 + (value * flux_sigma / flux) ** 2) ** 0.5
        result = result.assign(
            fingerprint_per_flux=value.assign_attrs(units="", long_name="fingerprint over flux and time"),
            fingerprint_per_flux_sigma=error.assign_attrs(units=""),
        )
    resonant = abs(energy - number(table["fingerprint"]["incident"])) <= number(
        table["tolerance"]["incident"]
    )
    sure = fitted["area"] > _SEEN * fitted["area_sigma"]
    seen = np.asarray(sure.sel(component="fingerprint").values)
    other = np.asarray(sure.sel(component="second").values) if second else np.zeros_like(seen)
    known = np.isfinite(fitted["redchi"].values) & np.isfinite(line["area_sigma"].values)
    which: npt.NDArray[np.int_] = np.where(seen, 2 if resonant else 3, np.where(other, 1, 0))
    degrees = fitted.sizes["energy_loss"] - fitted.sizes.get("varied", 0)
    poor = known & (fitted["redchi"].values > 1 + _MISFIT * np.sqrt(2 / max(degrees, 1)))
    words = _VERDICTS[np.where(known & ~poor, which, 3)]
    result["oxygen_verdict"] = (dims, words, {"long_name": "molecular oxygen by its emission"})
    if not resonant:
        told = "excited off the resonance of molecular oxygen at 531 eV: no verdict on a molecule, but a measure of what else emits there"
        result = flag(result, known, "off_resonance", told, severity="warning")
    if poor.any():
        told = "the emission is not the sum of these Gaussians: what does not fit may stand in the fingerprint, so there is no verdict"
        result = flag(result, poor, "lines_do_not_fit", told, severity="warning")
    alone = known & other & ~seen & ~poor
    if alone.any():
        told = "only the loss at 4.3 eV is seen, as in many solids: no evidence of molecular oxygen by itself"
        result = flag(result, alone, "second_emission_alone", told, severity="warning")
    return result
