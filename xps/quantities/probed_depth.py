"""How deep a photoelectron line looks: from the attenuation length of its electrons and the angle they leave at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from spectra.errors import InvalidInput
from spectra.verbs import note, resolve, verb
from xps.quantities.attenuation import find_material
from xps.quantities.overlayer import STEEPEST
from xps.quantities.sensitivity import binding_energy as tabulated
from xps.quantities.sensitivity import parse_level
from xps.reading.levels import core_level
from xps.tables import load_table, number

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["information_depth"]

AXIS = "binding_energy"


@verb("xps.information_depth", axis=AXIS)
def information_depth(
    dataset: xr.Dataset,
    *,
    material: str | dict[str, Any],
    angle: float = 0.0,
    binding_energy: float | None = None,
    photon_energy: float | None = None,
) -> xr.Dataset:
    r"""State how deep the line looks into a material; add ``information_depth`` in nm.

    .. math:: d_{95} = 3\,f\,\lambda(E_k) \cos\theta

    with the mean free path λ by TPP-2M and f for elastic scattering: 95 % of the signal come from above it, in the straight-line
    approximation. :func:`spectra.compare_valence` reads it.

    Parameters
    ----------
    dataset : xarray.Dataset
        A region of one level along ``binding_energy``.
    material : str or table
        What the electrons pass: a name of the table of materials, or ``{formula, density, gap}``.
    angle : float
        Between the surface normal and the analyser, in degrees. On powders it is not defined: all angles occur.
    binding_energy : float, optional
        Of the line in eV. Default: that of the region's level.
    photon_energy : float, optional
        In eV, instead of the file's.

    Returns
    -------
    xarray.Dataset
        ``information_depth`` and ``information_depth_sigma`` (nm): 11 % of TPP-2M and what elastic scattering leaves open.

    Raises
    ------
    InvalidInput
        No photon energy or level, an angle of 60° or more, an energy that TPP-2M does not hold for.

    References
    ----------
    S. Tanuma, C. J. Powell & D. R. Penn, Surf. Interface Anal. 21, 165 (1994), doi:10.1002/sia.740210302;
    35, 268 (2003), doi:10.1002/sia.1526

    Examples
    --------
    >>> import numpy as np, spectra, xps
    >>> energy = np.arange(636.0, 660.0, 0.1)
    >>> attrs = {"region": "Mn 2p", "photon_energy": 1486.6}
    >>> mn = spectra.from_arrays(energy, np.ones(240), axis="binding_energy", name="counts", units="counts", attrs=attrs)
    >>> xps.information_depth(mn, material="MnO").information_depth.round(1).item()
    4.6
    """
    import xarray as xr

    if not 0 <= angle < STEEPEST:
        raise InvalidInput(f"angle must be at least 0 and below {STEEPEST:g} degrees, got {angle:g}.")
    passed = find_material(material)
    for sentence in passed.said:
        note(sentence)
    kinetic = _kinetic_energy(dataset, binding_energy, photon_energy)
    path = float(passed.path(kinetic))
    if not np.isfinite(path):
        raise InvalidInput(
            f"TPP-2M holds between 50 and 2000 eV, and the line has a kinetic energy of {kinetic:.0f} eV."
        )
    table = load_table("materials")
    elastic = table["information_depth"]["elastic"]
    if elastic["status"] == "to-verify":
        note(
            f"the factor of elastic scattering ({number(elastic):g}) is yet to be verified: {elastic['source']}"
        )
    depth = (
        number(table["information_depth"]["lengths"])
        * number(elastic)
        * path
        * float(np.cos(np.deg2rad(angle)))
    )
    low, high = elastic["range"]
    relative = np.hypot(
        number(table["about"]["accuracy"]), (high - low) / np.sqrt(12) / number(elastic)
    )  # anywhere in the range
    resolve(kinetic_energy=kinetic)
    attrs = {
        "units": "nm",
        "long_name": "information depth",
        "geometry": f"{angle:g}° from the surface normal",
        "method": f"3 attenuation lengths of {kinetic:.0f} eV in {passed.name} (TPP-2M, elastic scattering {number(elastic):g})",
        "status": "to-verify" if passed.said or elastic["status"] == "to-verify" else "computed",
    }
    return dataset.assign(
        information_depth=xr.DataArray(depth, attrs=attrs),
        information_depth_sigma=xr.DataArray(
            depth * relative, attrs={"units": "nm", "long_name": "standard uncertainty of the information depth"}
        ),
    )  # fmt: skip


def _kinetic_energy(dataset: xr.Dataset, binding: float | None, photon: float | None) -> float:
    energy = dataset.attrs.get("photon_energy") if photon is None else photon
    if energy is None:
        raise InvalidInput("the file states no photon energy: give photon_energy, 1486.6 for Al K alpha.")
    if binding is None:
        level, _ = core_level(str(dataset.attrs.get("region", "")))
        if level in (None, "survey"):
            raise InvalidInput(
                f"which line is meant is not said (region {dataset.attrs.get('region', '')!r}): give its binding_energy in eV."
            )
        binding = tabulated(parse_level(str(level)))
    return float(energy) - binding
