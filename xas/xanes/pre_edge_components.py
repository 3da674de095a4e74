"""Single peaks fitted to the absorption above the baseline of the pre-edge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spectra.dataset import flag, map_spectra
from spectra.errors import InvalidInput
from spectra.fitting import fit_arrays
from xas.normalization.normalized import Normalized

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["add_components"]

Array = npt.NDArray[np.float64]

QUANTITIES = ("position", "height", "area", "fwhm")
UNITS = {"position": "eV", "height": "", "area": "eV", "fwhm": "eV"}
#: A component stays within so many eV of where it was put, and between these widths (eV).
REACH, NARROWEST, WIDEST = 2.0, 0.3, 8.0


def add_components(
    dataset: xr.Dataset,
    data: Normalized,
    net: xr.DataArray,
    peaks: tuple[float, float],
    positions: tuple[float, ...],
    shape: str,
) -> xr.Dataset:
    """``dataset`` with peaks near ``positions`` fitted to ``net`` (..., near) inside ``peaks``.

    Raises
    ------
    InvalidInput
        If a position lies outside of the peaks, or there are fewer points than parameters.
    """
    energy = data.energy
    inside = np.flatnonzero((energy >= peaks[0]) & (energy <= peaks[1]))
    for position in positions:
        if not peaks[0] < position < peaks[1]:
            raise InvalidInput(
                f"components: {position:g} eV lies outside of the peaks, {peaks[0]:g} to {peaks[1]:g} eV."
            )
    prefixes = [f"p{i + 1}_" for i in range(len(positions))]
    model = tuple({"shape": shape, "prefix": p} for p in prefixes)
    params: dict[str, Any] = {}
    for prefix, position in zip(prefixes, positions, strict=True):
        params[f"{prefix}position"] = {"value": position, "min": position - REACH, "max": position + REACH}
        params[f"{prefix}fwhm"] = {"value": 1.5, "min": NARROWEST, "max": WIDEST}
        params[f"{prefix}area"] = {"value": 0.3, "min": 0.0}
    free = len(params) + (len(positions) if shape == "pseudo_voigt" else 0)
    if inside.size <= free:
        raise InvalidInput(
            f"components: {len(positions)} peaks have {free} parameters, and the peaks' range holds {inside.size} points: "
            "fit fewer."
        )

    def kernel(curve: Array, *arrays: Array) -> dict[str, Array]:
        y, own, _ = data.uncertainties(*arrays)
        noise = np.broadcast_to(own if own.ndim == y.ndim else own[..., None], y.shape)
        found = fit_arrays(
            model,
            params,
            energy[inside],
            curve[..., inside],
            sigma=noise[..., inside],
            component_curves=False,
        )
        made = {n: found.quantity[n] for n in QUANTITIES}
        made |= {f"{n}_sigma": found.quantity_sigma[n] for n in QUANTITIES}
        return made | {"redchi": found.redchi, "lost": np.isnan(found.redchi).astype(float)}

    outputs: dict[str, tuple[str, ...]] = {
        f"{n}{end}": ("component",) for n in QUANTITIES for end in ("", "_sigma")
    }
    made = map_spectra(
        kernel,
        [(net, ("near",)), *data.inputs],
        {**outputs, "redchi": (), "lost": ()},
        sizes={"component": len(positions)},
    )
    lost = made.pop("lost")
    for name, values in made.items():
        quantity = name.removesuffix("_sigma")
        words = f"{quantity} of the component" if quantity in QUANTITIES else "reduced chi-square"
        words = f"standard uncertainty of the {words} from noise" if name.endswith("_sigma") else words
        values.attrs = {"units": UNITS.get(quantity, ""), "long_name": words}
    result = dataset.assign(made).assign_coords(component=[p.rstrip("_") for p in prefixes])
    return flag(
        result, (lost == 1) & net.notnull().any("near"), "components_not_fitted",
        "the fit of the components did not converge: fit fewer, or put them where peaks are",
    )  # fmt: skip
