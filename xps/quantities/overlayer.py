"""Thickness of a layer from the line of what lies under it and the line of the layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset import failed, flag, map_spectra, series_dims
from spectra.errors import InvalidInput, did_you_mean
from spectra.verbs import note, verb
from xps.quantities.attenuation import Material, find_material
from xps.quantities.lines import component_areas
from xps.quantities.sensitivity import binding_energy, parse_level
from xps.tables import load_table, number

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Thickness", "layer_thickness", "overlayer_thickness"]

AXIS = "binding_energy"
STEPS = 60  # of Newton's method; 8 are typical
STEEPEST = 60.0  # degrees; beyond, elastic scattering bends the exponential
THICKEST = 3.0  # paths; beyond, 5 % of the substrate come through and its background decides
FloatArray = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Thickness:
    """Thickness of a layer in nm and its standard uncertainty; NaN where a line has no positive area."""

    thickness: FloatArray  # (...)
    sigma: FloatArray  # (...)


@verb("xps.overlayer_thickness", axis=AXIS)
def overlayer_thickness(
    dataset: xr.Dataset,
    *,
    overlayer: str | tuple[str, ...],
    substrate: str | tuple[str, ...],
    material: str | dict[str, Any],
    substrate_material: str | dict[str, Any] | None = None,
    bulk_ratio: float | None = None,
    angle: float = 0.0,
    binding_energies: tuple[float, float] | None = None,
    photon_energy: float | None = None,
) -> xr.Dataset:
    r"""Thickness of a closed, even layer from two lines; add ``overlayer_thickness`` in nm.

    .. math:: \frac{A_o}{A_s} = R_\infty\,
              \frac{1 - e^{-d / \lambda_o \cos\theta}}{e^{-d / \lambda_s \cos\theta}}

    with the paths λ of the electrons of both lines in the layer by TPP-2M and the ratio :math:`R_\infty` of the lines
    of both materials as thick samples. Where both lines have one energy (an oxide on its metal) this is
    :math:`d = \lambda \cos\theta \ln(1 + A_o / (A_s R_\infty))`.

    After ``xps.quantify`` the lines are named as there: ``"C 1s"`` on ``"Mn 2p"``. After ``xps.deconvolve`` they are
    components of one level: ``"oxide"`` on ``"metal"``.

    ``overlayer_thickness_sigma`` holds the counting statistics. The path is known to about 11 % and so is the
    thickness: ``overlayer_thickness_path_sigma``. Islands instead of a layer give too small a number.

    Parameters
    ----------
    dataset : xarray.Dataset
        With ``line_area`` from ``xps.quantify``, or ``area`` per ``component`` from ``xps.deconvolve``.
    overlayer : str or tuple of str
        Line, or components, of the layer.
    substrate : str or tuple of str
        Line, or components, of what lies under it.
    material : str or table
        The layer: a name of the table of materials, or ``{formula, density, gap}``; electrons of both lines pass it.
    substrate_material : str or table, optional
        What lies under it, for R∞. Default: needs ``bulk_ratio``.
    bulk_ratio : float, optional
        R∞: area of the layer's line over that of the substrate's, both as thick samples. Default: atoms per volume times
        path times sensitivity of each, from both materials.
    angle : float
        Between the surface normal and the analyser, in degrees.
    binding_energies : (float, float), optional
        Of the lines of layer and substrate in eV. Default: tabulated for lines, fitted for components.
    photon_energy : float, optional
        In eV, instead of the file's.

    Returns
    -------
    xarray.Dataset
        ``overlayer_thickness``, ``overlayer_thickness_sigma``, ``overlayer_thickness_path_sigma`` (nm). Flags:
        ``no_thickness`` (NaN) and ``layer_too_thick`` (warning, beyond three paths).

    Raises
    ------
    InvalidInput
        No such lines, no way to R∞, an angle of 60° or more.

    References
    ----------
    B. R. Strohmeier, Surf. Interface Anal. 15, 51 (1990), doi:10.1002/sia.740150109;
    P. J. Cumpson, Surf. Interface Anal. 29, 403 (2000), doi:10.1002/1096-9918(200006)29:6<403::AID-SIA884>3.0.CO;2-8

    Examples
    --------
    >>> import numpy as np, spectra, xps
    >>> energy = np.arange(270.0, 660.0, 0.2)
    >>> c1s = 900 * np.exp(-(((energy - 285) / 1.2) ** 2))
    >>> mn2p = 2000 * np.exp(-(((energy - 642) / 2.0) ** 2))
    >>> survey = spectra.from_arrays(
    ...     energy, 500 + c1s + mn2p, axis="binding_energy", name="counts", units="counts", attrs={"photon_energy": 1486.6}
    ... )
    >>> windows = {"C 1s": (275, 295), "Mn 2p": (632, 652)}
    >>> made = xps.quantify(survey, windows=windows, background="linear")
    >>> layer = {"overlayer": "C 1s", "substrate": "Mn 2p", "material": "hydrocarbon", "substrate_material": "MnO"}
    >>> xps.overlayer_thickness(made, **layer).overlayer_thickness.round(1).item()
    3.6
    """
    import xarray as xr

    if not 0 <= angle < STEEPEST:
        raise InvalidInput(f"angle must be at least 0 and below {STEEPEST:g} degrees, got {angle:g}.")
    layer = find_material(material)
    under = None if substrate_material is None else find_material(substrate_material)
    for sentence in (*layer.said, *(under.said if under else ())):
        note(sentence)
    top, bottom = (_named(side) for side in (overlayer, substrate))
    if set(top) & set(bottom):
        raise InvalidInput(f"overlayer and substrate both name {sorted(set(top) & set(bottom))[0]!r}.")
    by_line = "line_area" in dataset and all(name in dataset["line"].values for name in (*top, *bottom))
    areas = _areas(dataset, top, bottom, by_line)
    energies = _kinetic(dataset, top, bottom, by_line, binding_energies, photon_energy)
    paths = (float(layer.path(energies[0])), float(layer.path(energies[1])))
    if not np.isfinite(paths).all():
        raise InvalidInput(
            f"TPP-2M holds between 50 and 2000 eV, and the lines have kinetic energies of {energies[0]:.0f} and "
            f"{energies[1]:.0f} eV."
        )
    if bulk_ratio is None:
        if under is None:
            raise InvalidInput(
                "the ratio of both lines as thick samples is not known: give substrate_material or bulk_ratio."
            )
        thick = _bulk_ratio(dataset, (layer, under), (top, bottom), energies, by_line)
    elif not bulk_ratio > 0:
        raise InvalidInput(f"bulk_ratio must be above 0, got {bulk_ratio:g}.")
    else:
        thick = xr.DataArray(float(bulk_ratio))
    cosine = float(np.cos(np.radians(angle)))

    def kernel(
        o: FloatArray, s: FloatArray, so: FloatArray, ss: FloatArray, both: FloatArray, r: FloatArray
    ) -> dict[str, Any]:
        found = layer_thickness(o, s, so, ss, covariance=both, bulk_ratio=r, paths=paths, cosine=cosine)
        return {
            "d": found.thickness,
            "sigma": found.sigma,
            "lost": ~np.isfinite(found.thickness),
            "thick": found.thickness > THICKEST * paths[1] * cosine,
        }

    found = map_spectra(
        kernel,
        [(array, ()) for array in (*areas, thick)],
        dict.fromkeys(("d", "sigma", "lost", "thick"), ()),
        dtypes={"lost": bool, "thick": bool},
    )
    return _labelled(dataset, found, paths)


def layer_thickness(
    overlayer: npt.ArrayLike,
    substrate: npt.ArrayLike,
    overlayer_sigma: npt.ArrayLike = np.nan,
    substrate_sigma: npt.ArrayLike = np.nan,
    *,
    covariance: npt.ArrayLike = 0.0,
    bulk_ratio: npt.ArrayLike,
    paths: tuple[float, float],
    cosine: float = 1.0,
) -> Thickness:
    """Thickness that makes the ratio of two areas, by Newton's method from the solution for equal paths.

    Parameters
    ----------
    overlayer, substrate : (...) array
        Areas of the lines of the layer and of what lies under it.
    overlayer_sigma, substrate_sigma : (...) array
        Their standard uncertainties.
    covariance : (...) array
        Of the two areas.
    bulk_ratio : (...) array
        Of the areas as thick samples, layer over substrate.
    paths : (float, float)
        Of the electrons of both lines in the layer, nm.
    cosine : float
        Of the angle between surface normal and analyser.
    """
    o, s = np.broadcast_arrays(np.asarray(overlayer, float), np.asarray(substrate, float))
    good = (o > 0) & (s > 0)
    ratio = np.where(good, o, 1.0) / np.where(good, s, 1.0) / np.asarray(bulk_ratio)
    lo, ls = paths[0] * cosine, paths[1] * cosine
    # ln(1 - e^(-d/lo)) + d/ls rises steadily from minus infinity; in ln d it is nearly straight
    logarithm = np.log(lo * np.log1p(ratio))
    for _ in range(STEPS):
        d = np.exp(logarithm)
        left = np.log(-np.expm1(-d / lo)) + d / ls
        slope = d * (1 / (lo * np.expm1(np.minimum(d / lo, 500.0))) + 1 / ls)
        step = (left - np.log(ratio)) / slope
        logarithm = logarithm - np.clip(step, -1.0, 1.0)
        if np.all(np.abs(step) < 1e-13):
            break
    d = np.exp(logarithm)
    by_ratio = 1 / (1 / (lo * np.expm1(np.minimum(d / lo, 500.0))) + 1 / ls)  # dd / d ln(ratio)
    top, bottom = np.where(good, o, 1.0), np.where(good, s, 1.0)
    relative = (
        (np.asarray(overlayer_sigma) / top) ** 2
        + (np.asarray(substrate_sigma) / bottom) ** 2
        - 2 * np.asarray(covariance) / (top * bottom)
    )
    return Thickness(np.where(good, d, np.nan), np.where(good, by_ratio * np.sqrt(relative), np.nan))


def _named(side: str | tuple[str, ...]) -> tuple[str, ...]:
    return (side,) if isinstance(side, str) else tuple(side)


def _areas(
    dataset: xr.Dataset, top: tuple[str, ...], bottom: tuple[str, ...], by_line: bool
) -> list[xr.DataArray]:
    """Areas of both sides, their uncertainties, and their covariance."""
    import xarray as xr

    known = [str(c) for dim in ("line", "component") if dim in dataset.coords for c in dataset[dim].values]
    fitted = [str(c) for c in dataset["component"].values] if "component" in dataset.coords else []
    if not by_line and not all(name in fitted for name in (*top, *bottom)):
        wrong = next((name for name in (*top, *bottom) if name not in known), top[0])
        if not known:
            raise InvalidInput(
                "overlayer_thickness needs areas: call xps.quantify for two lines, or xps.deconvolve for two components."
            )
        raise InvalidInput(f"no line or component {wrong!r}; {did_you_mean(wrong, known)}.")
    if not by_line and "covariance" in dataset:
        sums, spread = component_areas(dataset, (top, bottom), "this region")
        doubts = [spread.isel(group=i, group_2=i, drop=True) ** 0.5 for i in (0, 1)]
        together = spread.isel(group=0, group_2=1, drop=True)
        return [*(sums.isel(group=i, drop=True) for i in (0, 1)), *doubts, together]
    dim, name = ("line", "line_area") if by_line else ("component", "area")
    dims = series_dims(dataset)

    def summed(values: xr.DataArray, side: tuple[str, ...]) -> xr.DataArray:
        return values.sel({dim: list(side)}).sum(dim, skipna=False).transpose(*dims)

    areas = [summed(dataset[name], side) for side in (top, bottom)]
    if f"{name}_sigma" not in dataset:  # components that were drawn, not fitted
        return [*areas, *(a * np.nan for a in areas), xr.DataArray(0.0)]
    doubts = [summed(dataset[f"{name}_sigma"] ** 2, side) ** 0.5 for side in (top, bottom)]
    return [*areas, *doubts, xr.DataArray(0.0)]


def _kinetic(
    dataset: xr.Dataset,
    top: tuple[str, ...],
    bottom: tuple[str, ...],
    by_line: bool,
    given: tuple[float, float] | None,
    photon_energy: float | None,
) -> tuple[float, float]:
    """Kinetic energies of the electrons of both lines."""
    source = dataset.attrs.get("photon_energy") if photon_energy is None else photon_energy
    if source is None:
        raise InvalidInput("the dataset states no photon energy: give photon_energy, 1486.6 for Al K alpha.")
    if given is None and by_line:
        given = (binding_energy(parse_level(top[0])), binding_energy(parse_level(bottom[0])))
    if given is None:
        # components of one region lie within some eV; the path changes by a thousandth over that
        middle = float(dataset[AXIS].values.mean())
        given = (middle, middle)
    return float(source) - given[0], float(source) - given[1]


def _bulk_ratio(
    dataset: xr.Dataset,
    materials: tuple[Material, Material],
    sides: tuple[tuple[str, ...], tuple[str, ...]],
    energies: tuple[float, float],
    by_line: bool,
) -> xr.DataArray:
    """Ratio of both lines as thick samples: atoms per volume, path in their own material, sensitivity per atom."""
    import xarray as xr

    if by_line and dataset["sensitivity"].attrs.get("attenuation") == "in the factors":
        raise InvalidInput(
            "the sensitivity factors hold the attenuation already, and the ratio of thick samples cannot be made of them: "
            "give bulk_ratio."
        )
    ratio = xr.DataArray(1.0)
    for material, side, energy, power in zip(materials, sides, energies, (1, -1), strict=True):
        element = parse_level(side[0] if by_line else str(dataset.attrs.get("region", ""))).element
        atoms = material.atoms.get(element, 0.0)
        if not atoms:
            raise InvalidInput(
                f"{material.name} holds no {element}, whose line was named for it: exchange overlayer and substrate, or "
                "give bulk_ratio."
            )
        amount = atoms * material.density / material.molar_mass * float(material.path(energy))
        # components of one level have one cross section and one transmission
        counted = dataset["sensitivity"].sel(line=side[0], drop=True) if by_line else 1.0
        ratio = ratio * (amount * counted) ** power
    return ratio


def _labelled(dataset: xr.Dataset, found: dict[str, xr.DataArray], paths: tuple[float, float]) -> xr.Dataset:
    accuracy = number(load_table("materials")["about"]["accuracy"])
    result = dataset
    said = {"paths": list(paths), "path_units": "nm", "layer": "closed and even"}
    result["overlayer_thickness"] = found["d"].assign_attrs(
        units="nm", long_name="thickness of the layer", **said
    )
    result["overlayer_thickness_sigma"] = found["sigma"].assign_attrs(
        units="nm", long_name="standard uncertainty of the thickness, counting statistics"
    )
    result["overlayer_thickness_path_sigma"] = (found["d"] * accuracy).assign_attrs(
        units="nm", long_name="standard uncertainty of the thickness from that of the path"
    )
    result = flag(
        result,
        found["lost"],
        "no_thickness",
        "One of the two lines has no positive area: the layer is none, or too thick to see through.",
    )
    thick = found["thick"] & ~failed(result)
    if thick.chunks is not None or bool(thick.any()):
        text = "The layer is thicker than three paths: less than a twentieth of the substrate's line is left."
        result = flag(result, thick, "layer_too_thick", text, severity="warning")
    return result
