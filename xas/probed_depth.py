"""How deep an absorption spectrum looks: all of the sample, the way out of its fluorescence, or that of its electrons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from spectra.errors import InvalidInput
from spectra.knowledge import number
from spectra.verbs import note, resolve, verb
from xas.tables import edge_energy, load_table

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["information_depth"]

Detection = Literal["transmission", "fluorescence", "electron_yield"]
ABOVE = 50.0  # eV: attenuation is taken this far above the edge
UNKNOWN = (np.nan, np.nan)


@verb("xas.information_depth", axis=("energy", "energy_loss"))
def information_depth(
    dataset: xr.Dataset,
    *,
    detection: Detection | None = None,
    formula: str | None = None,
    density: float | None = None,
    angle_in: float = 45.0,
    angle_out: float = 45.0,
    thickness: float | None = None,
    thickness_sigma: float | None = None,
) -> xr.Dataset:
    r"""State how deep the spectrum looks into the sample; add ``information_depth`` in nm.

    Transmission sees all of the sample (infinite). Fluorescence comes from above

    .. math:: d_{95} = 3 \left/ \left[\frac{\mu(E)}{\sin\alpha} + \frac{\mu(E_f)}{\sin\beta}\right]\right.

    with the attenuation above the edge, E, and that of the emitted line. Electron yield comes from some nanometres, by
    measurements on layers of chromium. Electrons that lose energy pass a foil of ``thickness`` and see all of it; how
    deep that is not known without the thickness. :func:`spectra.compare_valence` reads it.

    Parameters
    ----------
    dataset : xarray.Dataset
        Along ``energy`` (X-rays) or ``energy_loss`` (electrons through a foil), with ``element`` and ``edge``.
    detection : {"transmission", "fluorescence", "electron_yield"}, optional
        How it was measured. Default: as ``attrs["channel"]`` says; core losses are transmission.
    formula : str, optional
        Of the sample, for fluorescence: ``"LiNi0.5Mn1.5O4"``.
    density : float, optional
        In g/cm³, pores included, for fluorescence.
    angle_in, angle_out : float
        Between the surface and the beam, and the detector, in degrees.
    thickness : float, optional
        Of the foil in nm, for core losses.
    thickness_sigma : float, optional
        Its standard uncertainty in nm.

    Returns
    -------
    xarray.Dataset
        ``information_depth`` and ``information_depth_sigma`` (nm), NaN where they are not known.

    Raises
    ------
    InvalidInput
        How it was measured is not said, or what fluorescence needs is not.

    References
    ----------
    B. H. Frazer et al., Surface Science (2003), pages 161-167, for electron yield.

    Examples
    --------
    >>> import numpy as np, spectra, xas
    >>> energy = np.arange(6500.0, 6700.0, 1.0)
    >>> attrs = {"element": "Mn", "edge": "K"}
    >>> scan = spectra.from_arrays(energy, 1.0 * (energy > 6545), name="mu", attrs=attrs)
    >>> made = xas.information_depth(scan, detection="fluorescence", formula="LiMn2O4", density=4.2)
    >>> float(made.information_depth.round(-3))
    15000.0
    """
    import xarray as xr

    how = _detection(dataset, detection)
    for name, angle in (("angle_in", angle_in), ("angle_out", angle_out)):
        if not 0 < angle <= 90:
            raise InvalidInput(f"{name} lies between 0 and 90 degrees from the surface, got {angle:g}.")
    if thickness is not None and not thickness > 0:
        raise InvalidInput(f"thickness is in nm and above 0, got {thickness:g}.")
    if "energy_loss" in dataset.dims:
        pair = (
            UNKNOWN
            if thickness is None
            else (thickness, np.nan if thickness_sigma is None else thickness_sigma)
        )
        said = "all of the foil" if thickness else "all of the foil, whose thickness is not known"
        geometry, method, status = "electrons through a foil", said, "computed"
    elif how == "transmission":
        pair, geometry, method, status = (np.inf, np.nan), how, "all of the sample", "computed"
    elif how == "fluorescence":
        pair, method = _fluorescence(dataset, formula, density, angle_in, angle_out)
        geometry, status = f"fluorescence, {angle_in:g}° in, {angle_out:g}° out", "to-verify"
    else:
        pair, method = _electron_yield(dataset)
        geometry, status = "electron yield", "to-verify"
    resolve(detection=how)
    texts = {"geometry": geometry, "method": method, "status": status}
    return dataset.assign(
        information_depth=xr.DataArray(
            float(pair[0]), attrs={"units": "nm", "long_name": "information depth", **texts}
        ),
        information_depth_sigma=xr.DataArray(
            float(pair[1]), attrs={"units": "nm", "long_name": "standard uncertainty of the information depth"}
        ),
    )  # fmt: skip


def _detection(dataset: xr.Dataset, given: Detection | None) -> str:
    if given is not None:
        return given
    if "energy_loss" in dataset.dims:
        return "transmission"
    channel = str(dataset.attrs.get("channel", ""))
    if channel in ("transmission", "fluorescence"):
        return channel
    raise InvalidInput(
        "how the spectrum was measured is not said in the dataset: give detection='transmission', 'fluorescence' or "
        "'electron_yield'."
    )


def _edge(dataset: xr.Dataset) -> float:
    element, edge = (str(dataset.attrs.get(k, "")) for k in ("element", "edge"))
    energy = edge_energy(element, edge.partition(",")[0])
    if energy is None:
        raise InvalidInput(
            f"the edge {element} {edge} is not one of the table: set attrs['element'] and attrs['edge'], as in 'Mn' and 'K'."
        )
    return energy


def _fluorescence(
    dataset: xr.Dataset, formula: str | None, density: float | None, angle_in: float, angle_out: float
) -> tuple[tuple[float, float], str]:
    import xraydb

    if formula is None or density is None or not density > 0:
        raise InvalidInput(
            "how deep fluorescence comes from needs the formula and the density (g/cm³, pores included) of the sample: "
            "formula='LiNi0.5Mn1.5O4', density=2.2."
        )
    edge = _edge(dataset)
    element, initial = (str(dataset.attrs[k]) for k in ("element", "edge"))
    lines = xraydb.xray_lines(element, initial_level=initial)
    if not lines:
        raise InvalidInput(
            f"no emission line of {element} {initial} is tabulated: give the depth to compare_valence."
        )
    strongest = max(lines.values(), key=lambda line: line.intensity)
    try:
        inward, outward = np.asarray(
            xraydb.material_mu(formula, np.array([edge + ABOVE, strongest.energy]), density=density), float
        )
    except ValueError:
        raise InvalidInput(
            f"formula {formula!r} is not one that can be read: write it as LiNi0.5Mn1.5O4."
        ) from None
    table = load_table("depth")
    per_cm = inward / np.sin(np.deg2rad(angle_in)) + outward / np.sin(np.deg2rad(angle_out))
    depth = table["lengths"]["value"] / per_cm * 1e7
    relative = table["fluorescence"]["relative"]
    note(
        f"the uncertainty of attenuation ({number(relative):.0%}) is yet to be verified: {relative['source']}"
    )
    text = f"3 attenuation lengths in {formula} of {density:g} g/cm³, in at {edge + ABOVE:.0f} eV, out at {strongest.energy:.0f} eV"
    return (depth, depth * number(relative)), text


def _electron_yield(dataset: xr.Dataset) -> tuple[tuple[float, float], str]:
    table = load_table("depth")["electron_yield"]
    edge, energies = _edge(dataset), table["energy"]["value"]
    if not energies[0] <= edge <= energies[1]:
        note(f"how deep electron yield looks at {edge:.0f} eV is not in the table and not known")
        return UNKNOWN, f"not known at {edge:.0f} eV"
    depth = float(np.interp(edge, energies, table["depth"]["value"]))
    note(f"the depth of electron yield is yet to be verified: {table['depth']['source']}")
    return (depth, depth * number(table["relative"])), f"layers of chromium, interpolated at {edge:.0f} eV"
