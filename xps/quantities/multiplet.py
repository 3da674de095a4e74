"""Multiplet splitting of Mn 3s: two lines, their distance, and the valence that two published laws read from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from spectra.dataset import failed, flag, map_spectra
from spectra.errors import InvalidInput
from spectra.verbs import note, resolve, verb
from xps.background.active import Background
from xps.deconvolution.components import deconvolve
from xps.reading.levels import core_level
from xps.tables import load_table, number

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["SplittingValence", "multiplet_splitting", "splitting_valence"]

AXIS = "binding_energy"
MIXED = ("sgl", "gl", "pseudo_voigt")
MAIN, SATELLITE = "Mn 3s high spin", "Mn 3s low spin"
FloatArray = npt.NDArray[np.floating]
Ligand = Literal["oxide", "oxyhydroxide", "fluoride", "halide", "sulfide", "metal"]


@dataclass(frozen=True)
class SplittingValence:
    """Valence from splittings by each law, and together; NaN in ``valence`` where it is undecided."""

    by_law: FloatArray  # (..., law)
    by_law_sigma: FloatArray  # (..., law)
    valence: FloatArray  # (...)
    sigma: FloatArray  # (...)
    outside: npt.NDArray[np.bool_]  # (...) beyond the splittings that the laws are made of
    disagree: npt.NDArray[np.bool_]  # (...) the laws differ by more than allowed
    blind: npt.NDArray[np.bool_]  # (...) where the splitting may stay as it is while the valence changes


@verb("xps.multiplet_splitting", axis=AXIS)
def multiplet_splitting(
    dataset: xr.Dataset,
    *,
    window: tuple[float, float] | None = None,
    background: Background | None = None,
    position: float | None = None,
    position_range: float | None = None,
    splitting_range: tuple[float, float] | None = None,
    area_ratio: float | None = None,
    same_width: bool = True,
    shape: Literal["sgl", "gl", "pseudo_voigt", "gaussian", "lorentzian"] = "sgl",
    lorentzian: float | None = 0.3,
    ligand: Ligand = "oxide",
    others: tuple[str, ...] = (),
    max_disagreement: float | None = None,
) -> xr.Dataset:
    r"""Fit Mn 3s by two lines; add ``multiplet_splitting`` and the valence by both published laws.

    .. math:: v = 9.67 - 1.27\,\Delta E \quad \text{(Beyreuther)}, \qquad
              v = 8.956 - 1.126\,\Delta E \quad \text{(after Galakhov)}

    with ΔE in eV. ``valence`` is the mean of the two, ``valence_sigma`` the uncertainty of ΔE, 0.03 eV for the choice
    of the line shape, and half their distance in quadrature. It is NaN, undecided, where the splitting lies outside 4.4 to 6.3 eV, where the laws differ by
    more than ``max_disagreement``, where the splitting has no uncertainty, and for all ligands but oxide. A calibration
    of the energy scale cancels in ΔE.

    Parameters
    ----------
    dataset : xarray.Dataset
        Region Mn 3s with counts along ``binding_energy`` in eV, and ``net`` from ``xps.subtract_background`` unless
        ``background`` is given; any series dimensions.
    window : (float, float), optional
        Binding energies in eV that are fitted. Default: where there is a background.
    background : {"shirley", "tougaard", "linear", "slope", "polynomial", "active_shirley", \
        "active_shirley_each", "active_slope", "active_tougaard", "active_linear", "active_polynomial"}, optional
        Subtract this background first, over ``window``, or fit it with the lines (``active_``), as
        :func:`xps.deconvolve` does. Default: ``net`` as it is.
    position : float, optional
        Binding energy in eV of the main line. Default: 83.5.
    position_range : float, optional
        How far it may lie from there, in eV. Default: 4.
    splitting_range : (float, float), optional
        Limits of the splitting in eV. Default: 3 to 7.5.
    area_ratio : float, optional
        Area of the line at high binding energy over that of the main line, kept. Default: fitted.
    same_width : bool
        Whether both lines are equally wide; False lets the second one be up to twice as wide.
    shape : {"sgl", "gl", "pseudo_voigt", "gaussian", "lorentzian"}
        Line shape of both.
    lorentzian : float, optional
        Share of the Lorentzian in ``sgl``, ``gl`` and ``pseudo_voigt``, 0 to 1; None fits it, which takes many counts.
    ligand : {"oxide", "oxyhydroxide", "fluoride", "halide", "sulfide", "metal"}
        What manganese is bound to. The laws hold for oxides only; MnOOH, with a splitting of 4.6 eV, breaks them.
    others : tuple of str
        Other elements of the sample: what they have in the window of Mn 3s is said.
    max_disagreement : float, optional
        Largest difference of the two laws that still counts as a valence. Default: 0.17, which they exceed beyond 6.1 eV.

    Returns
    -------
    xarray.Dataset
        The variables of ``spectra.fit`` per ``component``; ``multiplet_splitting`` (eV), ``valence_by_law`` (``law``),
        ``valence``, each with ``_sigma``, and ``valence_noise``, the part of it that comes from noise. Flags
        as ``spectra.fit``, and ``valence_undecided`` and ``valence_blind`` (warnings; in La(1-x)Sr(x)MnO3 the splitting is the same from 3.0 to 3.3).

    Raises
    ------
    InvalidInput
        A region of another level, no background, limits that exclude each other.

    References
    ----------
    E. Beyreuther et al., Phys. Rev. B 73, 155425 (2006), doi:10.1103/PhysRevB.73.155425;
    V. R. Galakhov et al., Phys. Rev. B 65, 113102 (2002), doi:10.1103/PhysRevB.65.113102;
    M. Demeter et al., Acta Phys. Pol. A 98, 587 (2000), doi:10.12693/APhysPolA.98.587

    Examples
    --------
    >>> import numpy as np, spectra, xps
    >>> energy = np.arange(76.0, 97.0, 0.1)
    >>> lines = {
    ...     "a": {"shape": "sgl", "position": 83.4, "area": 900.0, "fwhm": 2.4},
    ...     "b": {"shape": "sgl", "position": 88.1, "area": 500.0, "fwhm": 2.4},
    ... }
    >>> mn = spectra.simulate(energy, lines, background=50.0, axis="binding_energy", name="counts", units="counts")
    >>> mn = xps.multiplet_splitting(mn, background="linear")
    >>> mn.multiplet_splitting.round(1).item(), mn.valence.round(1).item()
    (4.7, 3.7)
    """
    region, _ = core_level(str(dataset.attrs.get("region", "")))
    if region not in (None, "survey", "Mn 3s"):
        raise InvalidInput(
            f"multiplet_splitting reads Mn 3s, and this dataset is the region {region!r}: read that of Mn 3s."
        )
    limits = _limits(position, position_range, splitting_range, area_ratio)
    fitted = getattr(deconvolve, "__wrapped__", deconvolve)(
        dataset,
        components=_two_lines(limits, shape, same_width, lorentzian),
        window=window,
        background=background,
    )
    for sentence in _said(ligand, others):
        note(sentence)
    allowed = (
        number(load_table("mn3s")["domain"]["disagreement"]) if max_disagreement is None else max_disagreement
    )
    resolve(max_disagreement=allowed, position=limits["position"]["value"])
    return _with_valence(fitted, ligand, allowed)


def splitting_valence(
    splitting: npt.ArrayLike, sigma: npt.ArrayLike, *, max_disagreement: float | None = None
) -> SplittingValence:
    """Valence of manganese in oxides from the splitting of Mn 3s, by each law of the table and together.

    Parameters
    ----------
    splitting, sigma : (...) array
        In eV.
    max_disagreement : float, optional
        Largest difference of the laws that still counts as a valence. Default: that of the table.

    Examples
    --------
    >>> from xps.quantities.multiplet import splitting_valence
    >>> splitting_valence(5.3, 0.1).by_law.round(2)
    array([2.94, 2.99])
    """
    table = load_table("mn3s")
    limit = number(table["domain"]["disagreement"]) if max_disagreement is None else max_disagreement
    if not limit > 0:
        raise InvalidInput(f"max_disagreement must be above 0, got {limit:g}.")
    delta, doubt = np.asarray(splitting, float)[..., None], np.asarray(sigma, float)[..., None]
    a = np.array([number(law["a"]) for law in table["law"]])
    b = np.array([number(law["b"]) for law in table["law"]])
    by_law, by_law_sigma = a - b * delta, b * doubt
    spread = by_law.max(-1) - by_law.min(-1)
    mean = by_law.mean(-1)
    low, high = number(table["domain"]["lowest"]), number(table["domain"]["highest"])
    of_shape = number(table["shape"]["sigma"])
    outside = (delta[..., 0] < low) | (delta[..., 0] > high)
    disagree = spread > limit
    decided = ~outside & ~disagree & np.isfinite(mean) & np.isfinite(doubt[..., 0])
    least, most = table["blind"]["valence"]["range"]
    return SplittingValence(
        by_law,
        by_law_sigma,
        np.where(decided, mean, np.nan),
        np.where(decided, np.hypot(b.mean() * np.hypot(doubt[..., 0], of_shape), spread / 2), np.nan),
        outside,
        disagree,
        decided & (mean > least) & (mean < most),
    )


def _limits(
    position: float | None,
    position_range: float | None,
    splitting_range: tuple[float, float] | None,
    area_ratio: float | None,
) -> dict[str, dict[str, float]]:
    """Start values and limits of the fit, from the table unless given."""
    table = load_table("mn3s")["fit"]
    limits = {
        name: {
            "value": number(entry),
            "min": float(entry["range"][0]),
            "max": float(entry["range"][1]),
        }
        for name, entry in table.items()
    }
    if position_range is not None and not position_range > 0:
        raise InvalidInput(f"position_range must be above 0, got {position_range:g} eV.")
    centre = limits["position"]["value"] if position is None else position
    wide = position_range or limits["position"]["max"] - limits["position"]["value"]
    limits["position"] = {"value": centre, "min": centre - wide, "max": centre + wide}
    if splitting_range is not None:
        low, high = sorted(splitting_range)
        if not 0 < low < high:
            raise InvalidInput(
                f"splitting_range must hold two different energies above 0, got {splitting_range}."
            )
        limits["splitting"] = {"value": 0.5 * (low + high), "min": low, "max": high}
    if area_ratio is not None:
        if not area_ratio > 0:
            raise InvalidInput(f"area_ratio must be above 0, got {area_ratio:g}.")
        limits["area_ratio"] = {"value": area_ratio}
    return limits


def _two_lines(
    limits: Mapping[str, dict[str, float]], shape: str, same_width: bool, lorentzian: float | None
) -> tuple[dict[str, Any], ...]:
    """The two lines as components, the second one tied to the first."""
    width = "width" if shape == "gl" else "fwhm"
    main: dict[str, Any] = {
        "name": MAIN,
        "shape": shape,
        "position": limits["position"],
        width: limits["fwhm"],
    }
    if shape in MIXED:
        if lorentzian is not None and not 0 <= lorentzian <= 1:
            raise InvalidInput(f"lorentzian is a share between 0 and 1, got {lorentzian:g}.")
        fitted = {"value": 0.3, "min": 0.0, "max": 1.0}
        main["fraction"] = fitted if lorentzian is None else lorentzian
    ratio = limits["area_ratio"]
    factor: Any = 1.0 if same_width else {"value": 1.1, "min": 0.7, "max": 2.0}
    second = {
        "name": SATELLITE,
        "partner": MAIN,
        "splitting": limits["splitting"],
        "area_ratio": ratio if len(ratio) > 1 else ratio["value"],
        "width_factor": factor,
    }
    return main, second


def _said(ligand: Ligand, others: tuple[str, ...]) -> list[str]:
    """What has to be said of the numbers used and of what else lies in the window."""
    table = load_table("mn3s")
    said = [
        f"the {key} of the law {law['name']} ({number(law[key]):g}, {law[key]['source']}) is yet to be verified"
        for law in table["law"]
        for key in ("a", "b")
        if law[key]["status"] == "to-verify"
    ]
    said += [
        f"{overlap['level']} lies near {number(overlap['position']):g} eV, in the window of Mn 3s, and is not in the fit: "
        "the splitting may be that of a mixture"
        for overlap in table["overlap"]
        if overlap["level"].split()[0] in others
    ]
    row = next((r for r in table["ligand"] if r["name"] == ligand), None)
    if row is not None:
        said.append(
            f"no valence is read from the splitting, which holds for oxides only, and not for a {ligand}: "
            f"{row['splitting']['source']}"
        )
    return said


def _with_valence(fitted: xr.Dataset, ligand: Ligand, allowed: float) -> xr.Dataset:
    """Dataset with the splitting, taken out of the parameters of the fit, and what it says."""
    name = next(str(p) for p in fitted["parameter"].values if str(p).endswith("_splitting"))
    delta = fitted["best_value"].sel(parameter=name, drop=True)
    doubt = fitted["best_value_sigma"].sel(parameter=name, drop=True)
    laws = [law["name"] for law in load_table("mn3s")["law"]]
    # without an oxide no law holds, whatever the splitting
    holds = 1.0 if ligand == "oxide" else np.nan

    def kernel(splitting: FloatArray, sigma: FloatArray) -> dict[str, Any]:
        read = splitting_valence(splitting, sigma, max_disagreement=allowed)
        return {
            "by_law": read.by_law * holds,
            "by_law_sigma": read.by_law_sigma * holds,
            "valence": read.valence * holds,
            "sigma": read.sigma * holds,
            "noise": np.where(np.isfinite(read.valence * holds), read.by_law_sigma.mean(-1), np.nan),
            "undecided": np.isfinite(splitting) & ~np.isfinite(read.valence * holds),
            "blind": read.blind & bool(holds == 1.0),
        }

    found = map_spectra(
        kernel,
        [(delta, ()), (doubt, ())],
        {
            "by_law": ("law",),
            "by_law_sigma": ("law",),
            "valence": (),
            "sigma": (),
            "noise": (),
            "undecided": (),
            "blind": (),
        },
        sizes={"law": len(laws)},
        dtypes={"undecided": bool, "blind": bool},
    )
    result = fitted.drop_vars([n for n, v in fitted.variables.items() if "law" in v.dims]).assign_coords(
        law=laws
    )
    named = {
        "multiplet_splitting": (delta, "eV", "multiplet splitting of Mn 3s"),
        "multiplet_splitting_sigma": (doubt, "eV", "standard uncertainty of the splitting"),
        "valence_by_law": (found["by_law"], "", "valence of manganese by each law"),
        "valence_by_law_sigma": (
            found["by_law_sigma"],
            "",
            "what the uncertainty of the splitting makes of it",
        ),
        "valence": (found["valence"], "", "valence of manganese, mean of the laws"),
        "valence_sigma": (
            found["sigma"],
            "",
            "standard uncertainty of the valence, with the choice of the shape and half the distance of the laws",
        ),
        "valence_noise": (found["noise"], "", "part of the valence's uncertainty that comes from noise"),
    }
    for variable, (values, units, long_name) in named.items():
        result[variable] = values.drop_attrs().assign_attrs(units=units, long_name=long_name)
    fine = ~failed(result)
    flags = {
        "valence_undecided": (
            found["undecided"],
            "The splitting says no valence: it lies outside 4.4 to 6.3 eV, the two laws disagree there, or the ligand is no "
            "oxide. valence_by_law holds what each law would say of an oxide.",
        ),
        "valence_blind": (
            found["blind"],
            "Between 3.0 and 3.3 the splitting can stay the same while the valence changes (holes in O 2p): compare with Mn 2p.",
        ),
    }
    for flagged, (where, text) in flags.items():
        mask = where & fine
        if mask.chunks is not None or bool(mask.any()):
            result = flag(result, mask, flagged, text, severity="warning")
    return result
