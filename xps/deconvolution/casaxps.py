"""Components of a CasaXPS fit as the components of a fit here.

What CasaXPS lists is a recipe for its own curves: "MFWHM" is a parameter that is the width of a line only for some
shapes, areas are those of the whole line in counts per second times eV, positions are branch points and not maxima.
Shapes were checked against one exported fit; what goes beyond it is marked approximate or refused.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from spectra.dataset import signal_name
from spectra.errors import InvalidInput
from xps.counting import counts_per_rate
from xps.links import identifier
from xps.tables import load_table, number

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["casaxps_components"]


def casaxps_components(dataset: xr.Dataset) -> tuple[tuple[dict[str, Any], ...], list[str]]:
    """Component tables (:mod:`xps.links`) of the CasaXPS fit that the file holds, and what has to be said of them.

    Raises
    ------
    InvalidInput
        If the file held no such fit, or a shape whose curve is not known.
    """
    stored = json.loads(dataset.attrs.get("casaxps", "{}")).get("components", [])
    if not stored:
        raise InvalidInput(
            "components 'casaxps' needs the components of a CasaXPS fit, and the file read held none: "
            "give states, or components as tables."
        )
    if any(c["position_binding"]["value"] is None for c in stored):
        raise InvalidInput(
            "the CasaXPS components have kinetic energies only, as the file states no photon energy."
        )
    names = _unique([c["name"] for c in stored])
    per_rate = counts_per_rate(dataset, signal_name(dataset))
    shift = _common_shift(dataset)
    said = []
    components = []
    for name, c in zip(names, stored, strict=True):
        shape, own, area_of_curve, approximate = _shape(c["shape"])
        if approximate:
            said.append(f"{c['shape']} of CasaXPS is approximate: its curve has not been checked")
        component: dict[str, Any] = {"name": name, "shape": shape, **own(c["fwhm"])}
        component["area"] = _scaled(c["area"], per_rate * area_of_curve)
        component["position"] = _scaled(c["position_binding"], 1.0, shift)
        components.append(component)
    for c, component in zip(stored, components, strict=True):
        _link(c, component, components)
    return tuple(components), said


def _unique(names: Sequence[str]) -> list[str]:
    """Names with a number where they come more than once."""
    count, seen = Counter(names), Counter[str]()
    result = []
    for name in names:
        seen[name] += 1
        result.append(f"{name} {seen[name]}" if count[name] > 1 else name)
    return result


def _common_shift(dataset: xr.Dataset) -> float:
    """What a calibration added to the binding energies since the file was read."""
    if "charge_shift" not in dataset:
        return 0.0
    return float(dataset["charge_shift"].median(skipna=True))


def _scaled(entry: Mapping[str, Any], factor: float, offset: float = 0.0) -> dict[str, float]:
    keys = {"value": "value", "low": "min", "high": "max"}
    return {new: entry[old] * factor + offset for old, new in keys.items() if entry[old] is not None}


Widths = Callable[[Mapping[str, Any]], dict[str, Any]]


def _shape(text: str) -> tuple[str, Widths, float, bool]:
    """Shape here, how MFWHM gives its widths, area of its curve over the listed one, and whether it is a guess."""
    kind, _, inside = text.partition("(")
    numbers = [float(n) for n in re.findall(r"[\d.]+", inside)]
    table = load_table("casaxps")
    if kind == "SGL" and len(numbers) == 1:
        share = {"fraction": numbers[0] / 100}
        return (
            "sgl",
            lambda w: {"fwhm": _scaled(w, 1.0), **share},
            number(table["sgl"]["area_of_curve"]),
            False,
        )
    if kind == "GL" and len(numbers) == 1:
        share = {"fraction": numbers[0] / 100}
        return "gl", lambda w: {"width": _scaled(w, 1.0), **share}, 1.0, True
    if kind == "LF" and numbers[3:] == table["lf"]["numbers"]:
        own = dict(zip(("a", "b", "w"), numbers, strict=False))
        lorentz, gauss = number(table["lf"]["lorentz_width"]), number(table["lf"]["gauss_width"])

        def widths(w: Mapping[str, Any]) -> dict[str, Any]:
            return {"fwhm_l": _scaled(w, lorentz), "fwhm_g": gauss / lorentz, **own}

        return "lf", widths, 1.0, text not in table["lf"]["checked"]
    raise InvalidInput(
        f"the curve of {text} in CasaXPS is not known well enough to draw it (the width of its Gaussian in eV is not "
        "published): give the components as tables, with widths in eV."
    )


def _link(
    stored: Mapping[str, Any], component: dict[str, Any], components: Sequence[Mapping[str, Any]]
) -> None:
    """Turn the links of one component into expressions."""
    own = identifier(component["name"])
    if "fwhm_g" in component:  # both widths come from the one number
        component["fwhm_g"] = f"{own}fwhm_l * {component['fwhm_g']!r}"
    main = next(w for w in ("fwhm", "width", "fwhm_l") if w in component)
    for key, name in (("area", "area"), ("fwhm", main), ("position_binding", "position")):
        entry = stored[key]
        if entry["link"] is None:
            continue
        other = components[entry["link"]]
        if name not in other:
            raise InvalidInput(
                f"CasaXPS ties the width of {component['name']!r} to another shape: give components."
            )
        change = f"+ {entry['offset']!r}" if name == "position" else f"* {entry['factor']!r}"
        component[name] = f"{identifier(other['name'])}{name} {change}"
